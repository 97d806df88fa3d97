"""What the engine says about one submission: plain values, the same as JSON and back."""

from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from math import fsum
from typing import Any, Literal

__all__ = [
    "Misconception",
    "Note",
    "Report",
    "TaskResult",
    "TestResult",
    "Verdict",
    "not_graded",
]

Status = Literal["graded", "not_graded"]


class Verdict(StrEnum):
    """How one hidden test ended. Only `passed` earns points."""

    passed = "passed"
    failed = "failed"
    no_answer = "no_answer"
    timed_out = "timed_out"
    out_of_memory = "out_of_memory"
    out_of_disk = "out_of_disk"
    too_many_files = "too_many_files"
    too_many_threads = "too_many_threads"
    too_much_output = "too_much_output"
    too_large = "too_large"
    crashed = "crashed"
    not_run = "not_run"
    grader_error = "grader_error"


@dataclass(frozen=True)
class TestResult:
    """One hidden test. `message` is the author's words or the student's own error, nothing else."""

    __test__ = False  # pytest must not collect this class

    name: str
    verdict: Verdict
    points: float
    max_points: float
    message: str = ""

    @property
    def reached(self) -> bool:
        """Whether it says something about an answer: it ran, and there was one."""
        return self.verdict not in (Verdict.no_answer, Verdict.not_run)


@dataclass(frozen=True)
class TaskResult:
    """One nbgrader grade cell: the sum of its passing tests."""

    task: str
    score: float
    max_score: float
    tests: tuple[TestResult, ...]

    @classmethod
    def of(cls, task: str, tests: tuple[TestResult, ...]) -> "TaskResult":
        """Add up the tests of one task."""
        score, most = fsum(t.points for t in tests), fsum(t.max_points for t in tests)
        return cls(task, score, most, tests)


@dataclass(frozen=True)
class Misconception:
    """What may lie behind the wrong answers in one task, in the author's words.

    `task` is empty in a report that an earlier grader wrote.
    """

    task: str
    sentence: str


@dataclass(frozen=True)
class Note:
    """What went wrong in a cell when the notebook was run, cleaned and bounded.

    Attributes:
        where: the cell, in words.
        said: the exception's message, or what ended the cell.
        kind: the exception's class; empty where the cell was ended.
        cell, line: where that is in the submitted notebook, counted from 1; 0 if unknown.
    """

    where: str
    said: str
    kind: str = ""
    cell: int = 0
    line: int = 0

    def __str__(self) -> str:
        """Say it all in one sentence.

        >>> str(Note("Cell 3", "division by zero", "ZeroDivisionError", cell=3, line=7))
        'Cell 3, line 7 raised ZeroDivisionError: division by zero'
        """
        line = f", line {self.line}" if self.line else ""
        raised = f" raised {self.kind}" if self.kind else ""
        return ": ".join(filter(None, (f"{self.where}{line}{raised}", self.said)))

    @property
    def what(self) -> str:
        """What happened, without where."""
        return ": ".join(filter(None, (self.kind, self.said)))


@dataclass(frozen=True)
class Report:
    """One graded submission, or the reason why it could not be graded.

    Attributes:
        status: `not_graded` means that no score may be recorded: `reason` says why.
        seconds: wall time that grading took.
        misconceptions: those of the mutants that give the same wrong answers.
        suite_digest, seed: what to give again to get the same score again.
        walls: what stood between the student's code and this machine.
        notes: which cells of the lab were changed in vain, then what went wrong as cells ran.
    """

    student: str
    lab: str
    status: Status
    reason: str = ""
    score: float = 0.0
    max_score: float = 0.0
    seconds: float = 0.0
    tasks: tuple[TaskResult, ...] = ()
    misconceptions: tuple[Misconception, ...] = ()
    suite_digest: str = ""
    seed: int = 0
    walls: tuple[str, ...] = ()
    notes: tuple[Note, ...] = ()

    @property
    def weakness(self) -> str:
        """What staff should know about the walls that there were; nothing when all stood."""
        if not self.walls:
            return "graded without a sandbox"
        if "bubblewrap" not in self.walls:
            return "weaker walls, without namespaces: `autograder doctor` says what they leave open"
        return ""

    def task(self, name: str) -> TaskResult:
        """Return the task called `name`; KeyError names those that exist."""
        for task in self.tasks:
            if task.task == name:
                return task
        known = ", ".join(task.task for task in self.tasks) or "none"
        raise KeyError(f"no task {name!r} in this report; it has: {known}")

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that `json.dumps` takes as they are."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "Report":
        """Rebuild a report. ValueError when a key is missing or unknown."""
        known = {field.name for field in fields(cls)}
        if odd := set(data) ^ known:
            raise ValueError(f"not a report: missing or unknown keys {sorted(odd)}")
        plain = {**data, "tasks": tuple(_task(task) for task in data["tasks"])}
        plain["misconceptions"] = tuple(_misconception(each) for each in data["misconceptions"])
        plain["notes"] = tuple(_note(each) for each in data["notes"])
        plain["walls"] = tuple(data["walls"])
        return cls(**plain)


def not_graded(student: str, lab: str, reason: str, **known: Any) -> Report:
    """Report that a submission has no score, and why."""
    return Report(student=student, lab=lab, status="not_graded", reason=reason, **known)


def _misconception(data: dict[str, str] | str) -> Misconception:
    """Rebuild one; an earlier grader stored the sentence alone."""
    return Misconception("", data) if isinstance(data, str) else Misconception(**data)


def _note(data: dict[str, Any] | str) -> Note:
    """Rebuild one; an earlier grader stored the sentence alone."""
    return Note("", data) if isinstance(data, str) else Note(**data)


def _task(data: dict[str, Any]) -> TaskResult:
    return TaskResult(**{**data, "tests": tuple(_test(test) for test in data["tests"])})


def _test(data: dict[str, Any]) -> TestResult:
    return TestResult(**{**data, "verdict": Verdict(data["verdict"])})
