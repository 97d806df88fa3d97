"""Proves that a hidden suite is worth trusting, by grading answers whose worth is known.

The solution and every alternative must get full marks, the untouched notebook none without any
grader error, and every mutant must lose points in its own task and nowhere else. Each is graded
with several seeds, because each student's tests draw other inputs: what holds by luck is found.
Many `draws` find a test that is unfair to few. What can be seen without grading is looked at first
(`autograder/consistency.py`).
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

from autograder.consistency import inconsistencies
from autograder.diagnosis import SAME_INPUTS, Entry, write_matrix
from autograder.engine import Engine, Engines
from autograder.errors import SuiteError
from autograder.notebook import Notebook, released, with_answers, write
from autograder.report import Report
from autograder.suite import Alternative, Mutant, Suite, load_suite

__all__ = ["STUDENT", "Row", "ValidationResult", "gradings", "validate"]

STUDENT = "validation"  # whose inputs the tests draw
_Graded = tuple[Report, dict[str, str]]
Kind = Literal["suite", "solution", "alternative", "untouched", "mutant"]


@dataclass(frozen=True)
class Row:
    """One answer of known worth, and whether the suite sees it so.

    Attributes:
        problem: what is wrong, in a sentence; empty when all is well.
        failing: {hidden test that did not pass, by function name: how it ended, for the author}.
        seed: the first that shows the problem.
        notebook: what was graded; None for what needs no grading.
    """

    name: str
    kind: Kind
    score: float = 0.0
    max_score: float = 0.0
    problem: str = ""
    failing: Mapping[str, str] = field(default_factory=dict)
    seed: int = 0
    notebook: Notebook | None = field(default=None, repr=False)

    @property
    def ok(self) -> bool:
        """Whether the suite did what it should."""
        return not self.problem


@dataclass(frozen=True)
class ValidationResult:
    """All rows, and the matrix {mutant: how the tests of its task ended}."""

    lab: str
    rows: tuple[Row, ...]
    matrix: dict[str, Entry]

    @property
    def ok(self) -> bool:
        """Whether the suite may be used."""
        return all(row.ok for row in self.rows)


@dataclass(frozen=True)
class _Candidate:
    """An answer of known worth, and what should become of it."""

    name: str
    kind: Kind
    notebook: Notebook
    judge: Callable[[Report], str]
    mutant: Mutant | None = None
    draws: int = 1

    @property
    def seeds(self) -> tuple[int, ...]:
        """What to grade it with; last with the inputs that are the same for everybody."""
        return (*range(self.draws), SAME_INPUTS)


def gradings(suite: Suite, draws: int = 1) -> int:
    """Return how often `validate` grades."""
    return sum(len(candidate.seeds) for candidate in _candidates(suite, draws))


def validate(
    lab: str | Path,
    *,
    draws: int = 1,
    jobs: int = 2,
    on_graded: Callable[[], None] = lambda: None,
) -> ValidationResult:
    """Check a suite against its solution, alternatives, the untouched notebook and its mutants.

    Right answers are graded with so many `draws` of random inputs, all others with one; all of them
    also with the inputs that are the same for everybody. `on_graded` is called after each grading.
    Writes `matrix.json` beside the suite when all is well. SuiteError when a mutant or an
    alternative doesn't fit the source notebook, or `lab.toml` names a module that isn't there.
    """
    suite = load_suite(lab)
    suite.require_modules()
    candidates = list(_candidates(suite, draws))
    rows, matrix = list(_consistent(suite)), {}
    for candidate, graded in _graded(suite, candidates, jobs, on_graded):
        rows.append(_row(suite, candidate, graded))
        if candidate.mutant is not None:
            matrix[candidate.name] = _entry(suite, candidate.mutant, graded)
    result = ValidationResult(suite.lab, tuple(rows), matrix)
    if result.ok:
        write_matrix(suite, matrix)
    return result


# --- what is graded ------------------------------------------------------------------------------


def _candidates(suite: Suite, draws: int) -> Iterator[_Candidate]:
    source = suite.source
    yield _Candidate("solution", "solution", source, _full_marks, draws=draws)
    for alternative in suite.alternatives:
        changed = _changed(suite, alternative, alternative.answers)
        yield _Candidate(alternative.name, "alternative", changed, _full_marks, draws=draws)
    yield _Candidate("untouched", "untouched", released(source), _no_marks)
    for mutant in suite.mutants:
        changed = _changed(suite, mutant, mutant.edit)
        yield _Candidate(mutant.name, "mutant", changed, _loses_only(suite, mutant), mutant)


def _changed(suite: Suite, change: Alternative | Mutant, answers: Any) -> Notebook:
    try:
        return with_answers(suite.source, answers)
    except (KeyError, ValueError) as error:
        kind = type(change).__name__.lower()
        raise SuiteError(f"{suite.lab}: {kind} {change.name!r}: {error.args[0]}") from error


def _graded(
    suite: Suite, candidates: list[_Candidate], jobs: int, on_graded: Callable[[], None]
) -> Iterator[tuple[_Candidate, list[_Graded]]]:
    """Grade all candidates side by side with each of their seeds; yield them in their order."""

    def examine(path: Path, seed: int, engine: Engine) -> _Graded:
        graded = engine.examine(path, student=STUDENT, seed=seed)
        on_graded()
        return graded

    count = max(1, min(jobs, len(candidates)))
    with tempfile.TemporaryDirectory() as folder, Engines(suite, count) as engines:
        paths = _written(candidates, Path(folder))
        work = [
            [engines.submit(partial(examine, path, seed)) for seed in candidate.seeds]
            for path, candidate in zip(paths, candidates, strict=True)
        ]
        for candidate, graded in zip(candidates, work, strict=True):
            yield candidate, [each.result() for each in graded]


def _written(candidates: list[_Candidate], folder: Path) -> list[Path]:
    paths = [folder / f"{index}.ipynb" for index in range(len(candidates))]
    for candidate, path in zip(candidates, paths, strict=True):
        write(candidate.notebook, path)
    return paths


# --- what should come out ---------------------------------------------------------------------


def _consistent(suite: Suite) -> Iterator[Row]:
    total = sum(suite.tasks.values())
    for name, problem in inconsistencies(suite).items():
        score = total if name == "points" else 0.0
        yield Row(name, "suite", score, score, problem)


def _row(suite: Suite, candidate: _Candidate, graded: list[_Graded]) -> Row:
    """Sum up what every seed said: the first problem, and the tests that failed with any."""
    problems = {report.seed: said for report, _ in graded if (said := _problem(candidate, report))}
    failing: dict[str, str] = {}
    for report, signs in graded:
        failing = _failing(suite, report, signs) | failing
    seed, problem = next(iter(problems.items()), (0, ""))
    if 0 < len(problems) < len(graded):
        problem += f", {len(problems)} of {len(graded)} times"
    first, name, kind = graded[0][0], candidate.name, candidate.kind
    scores = first.score, first.max_score
    return Row(name, kind, *scores, problem, failing, seed, candidate.notebook)


def _failing(suite: Suite, report: Report, signs: Mapping[str, str]) -> dict[str, str]:
    """Return {test that did not pass: how it ended}."""
    said = {test.name: test.message for task in report.tasks for test in task.tests}
    return {
        spec.function: _how(sign, said.get(spec.title, "").removesuffix(spec.hint))
        for spec in suite.tests
        if (sign := signs.get(spec.function, "passed")) != "passed"
    }


def _how(sign: str, message: str) -> str:
    """Add where the answer's own code raised: the sign has the test's line only."""
    return f"{sign}. {message.strip()}" if sign.startswith("raised") else sign


def _problem(candidate: _Candidate, report: Report) -> str:
    if report.status == "not_graded":
        return report.reason
    problem = candidate.judge(report)
    return f"{problem} (seed {report.seed})" if problem and report.seed else problem


def _full_marks(report: Report) -> str:
    lost = [task.task for task in report.tasks if task.score != task.max_score]
    if lost:
        return f"should get full marks, loses some in {', '.join(lost)}"
    return f"a cell raises: {report.notes[0]}" if report.notes else ""


def _no_marks(report: Report) -> str:
    gained = [task.task for task in report.tasks if task.score != 0]
    return f"should get no marks, gets some in {', '.join(gained)}" if gained else ""


def _loses_only(suite: Suite, mutant: Mutant) -> Callable[[Report], str]:
    def judge(report: Report) -> str:
        lost = {task.task for task in report.tasks if task.score != task.max_score}
        if mutant.task not in lost:
            return f"is not caught: loses nothing in {mutant.task}"
        if beyond := sorted(lost - {mutant.task, *mutant.also}):
            return f"loses points in {', '.join(beyond)} too"
        return ""

    return judge


def _entry(suite: Suite, mutant: Mutant, graded: list[_Graded]) -> Entry:
    """Say how each test of the mutant's task ended with the inputs that are the same for all."""
    _, signs = graded[-1]
    own = [spec.function for spec in suite.tests if spec.task == mutant.task]
    return Entry(
        mutant.task, mutant.misconception, {name: signs.get(name, "not_run") for name in own}
    )
