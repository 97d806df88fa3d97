"""What grading again changed: whose score, by how much, which tests, and why.

`autograder grade` grades all anew when a suite was corrected, since a report's key holds the suite.
The report before stays in the store; here it is held against the latest one.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from autograder.report import Report
from autograder.store import Graded, Store, same_submission

__all__ = ["Change", "changes"]


@dataclass(frozen=True)
class Change:
    """One student whose outcome differs. A score is None where the submission can't be graded."""

    student: str
    before: float | None
    after: float | None
    max_score: float
    tests: tuple[str, ...]
    why: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that `json.dumps` takes as they are."""
        return asdict(self)


def changes(store: Store, lab: str) -> tuple[list[Change], int]:
    """Return who changed, by name, and how many were graded more than once."""
    pairs = store.regraded(lab)
    found = [_change(before, latest) for before, latest in pairs]
    return [each for each in found if each.before != each.after or each.tests], len(pairs)


def _change(before: Graded, latest: Graded) -> Change:
    old, new = before.report, latest.report
    return Change(
        student=new.student,
        before=_score(old),
        after=_score(new),
        max_score=(new if new.status == "graded" else old).max_score,
        tests=tuple(_moved(old, new)) if new.status == "graded" else (),
        why=tuple(_why(before, latest)),
    )


def _score(report: Report) -> float | None:
    return report.score if report.status == "graded" else None


def _why(before: Graded, latest: Graded) -> Iterable[str]:
    handed_in_again = not same_submission(before.key, latest.key)
    corrected = before.report.suite_digest != latest.report.suite_digest
    if latest.report.status != "graded":
        yield f"can't be graded: {latest.report.reason}"
    if corrected:
        yield "the suite changed"
    if handed_in_again:
        yield "handed in again"
    if not corrected and not handed_in_again:
        yield "the grader, the seed or the device changed"


def _moved(old: Report, new: Report) -> Iterable[str]:
    """Name each test that ends otherwise, is worth other points, is new or is gone."""
    was, now = _tests(old), _tests(new)
    for task, name in was | now:
        before, after = was.get((task, name)), now.get((task, name))
        if before != after:
            yield f"{task}: {name} {before or 'new'} → {after or 'gone'}"


def _tests(report: Report) -> dict[tuple[str, str], str]:
    return {
        (task.task, test.name): f"{test.verdict.value.replace('_', ' ')} "
        f"({test.points:g}/{test.max_points:g})"
        for task in report.tasks
        for test in task.tests
    }
