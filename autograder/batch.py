"""One class, one lab: what has a report keeps it, the rest is graded side by side.

Each report is stored the moment it is ready. Killed at any point and started again, a batch grades
what is left and nothing twice.
"""

import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from autograder.course import Course
from autograder.errors import SandboxError
from autograder.report import Report, not_graded
from autograder.runners.local import Submission, grade_all
from autograder.sandbox import Walls
from autograder.store import Store, content_key
from autograder.suite import Suite

__all__ = ["absent", "grade_batch"]


def grade_batch(
    course: Course,
    lab: str,
    students: Sequence[str],
    *,
    jobs: int | None = None,
    seed: int = 0,
    device: str = "cpu",
    sandbox: bool = True,
    on_report: Callable[[Report], None] = lambda report: None,
) -> list[Report]:
    """Return a report for each student, in their order.

    `jobs` submissions are graded at a time, by default as many as there are cores; `on_report` is
    called with each report as it comes. Without `sandbox` nothing is stored: it is for an
    instructor's own solution. Before anything is graded: SuiteError when the suite can't be used,
    SandboxError when no sandbox works here. Then StorageError when the disk or the store refuses:
    what is stored stays, and the next run goes on.
    """
    suite, store = course.suite(lab), Store(course.reports) if sandbox else None
    keys: dict[str, str] = {}
    reports: dict[str, Report] = {}

    def take(report: Report) -> None:
        reports[report.student] = report
        if store is not None:
            store.put(keys[report.student], report)
        on_report(report)

    todo = []
    for student in students:
        path = course.submission(student, lab)
        keys[student] = content_key(path, suite, student=student, seed=seed, device=device)
        if (known := _without_grading(store, keys[student], student, path, suite)) is not None:
            take(known)
        else:
            todo.append(Submission(student, path))
    walls: Walls = "auto" if sandbox else "none"
    if todo:
        running = grade_all(todo, suite, jobs=jobs, seed=seed, walls=walls)
        with _blaming_author(suite), closing(running) as ready:
            for report in ready:
                take(report)
    return [reports[student] for student in students]


@contextmanager
def _blaming_author(suite: Suite) -> Iterator[None]:
    """Raise a SuiteError where it was a hidden test that kept an engine from starting."""
    try:
        yield
    except SandboxError:
        _ = suite.tests
        raise


def _without_grading(
    store: Store | None, key: str, student: str, path: Path, suite: Suite
) -> Report | None:
    """Return the report that is stored already, or the one of a student who handed in nothing."""
    if reason := absent(path):
        return not_graded(student, suite.lab, reason, suite_digest=suite.digest)
    return store.get(key) if store is not None else None


def absent(path: Path) -> str:
    """Say why there is no notebook to read; nothing when there may be one."""
    try:
        for folder in (path.parent.parent, path.parent):
            if folder.is_symlink() or not folder.is_dir():
                return f"{folder.name} is not a folder"
        return f"{path.name} is a folder" if stat.S_ISDIR(path.lstat().st_mode) else ""
    except FileNotFoundError:
        pass
    except OSError as error:
        return f"{path.name} can't be read: {error.strerror}"
    others = sorted(other.name for other in path.parent.glob("*.ipynb"))
    found = f"; found: {', '.join(others)}" if others else ""
    return f"no {path.name} was handed in{found}"
