"""What can go wrong while a submission is graded, told apart by whose fault it is.

Student's:  `NotebookError` (can't be read), `StudentError` (their code raised),
            `WorkerLost` and its kinds (their code hung, ate the memory, died or broke the wire).
Author's:   anything else that a hidden test raises: the plugin calls it `grader_error`.
Ours:       `SandboxError`: the sandbox did not start. It never costs a student points.
"""

import builtins
from dataclasses import dataclass
from typing import ClassVar

from autograder.report import Verdict

__all__ = [
    "ExpectationError",
    "GraderError",
    "MissingNameError",
    "NotRunError",
    "NotebookError",
    "OverLimitError",
    "Place",
    "ProtocolBreach",
    "Raised",
    "SandboxError",
    "StudentError",
    "SuiteError",
    "UnsendableError",
    "WorkerCrashed",
    "WorkerLost",
    "WorkerOutOfDisk",
    "WorkerOutOfMemory",
    "WorkerTimedOut",
    "WorkerTooManyThreads",
]


_PYTHONS = frozenset(
    name
    for name, kind in vars(builtins).items()
    if isinstance(kind, type) and issubclass(kind, BaseException)
)


class GraderError(Exception):
    """The fault is ours: the submission is reported as not graded, never as zero."""


class SandboxError(GraderError):
    """No sandbox, or one that did not start. The message names the wall and the cause."""


class SuiteError(GraderError):
    """A hidden suite is missing or badly written. The message names the file and the cure."""


class NotebookError(Exception):
    """A submitted file that is no notebook. The message is fit for the student to read."""


class ExpectationError(AssertionError):
    """An `expect_…` check failed.

    `str(error)` names the values, for the instructor's terminal; `public` names none, and is what
    the student may read.
    """

    def __init__(self, detail: str, public: str = "") -> None:
        super().__init__(detail)
        self.public = public


@dataclass(frozen=True)
class Place:
    """A line of a student's cell; `function` is `<module>` outside of functions."""

    cell: int
    line: int
    function: str = ""
    source_line: str = ""

    def __str__(self) -> str:
        inside = f", in {self.function}" if self.function not in ("", "<module>") else ""
        shown = f": {self.source_line}" if self.source_line else ""
        return f"cell {self.cell}, line {self.line}{inside}{shown}"


@dataclass(frozen=True)
class Raised:
    """What the worker says about an exception in student code: words, never an object.

    `trail` is the way through the student's own cells, from the call to the line that raised.
    """

    kinds: tuple[str, ...]
    message: str
    trail: tuple[Place, ...] = ()

    @property
    def place(self) -> Place | None:
        """The innermost line of the student's own; None when it raised elsewhere."""
        return self.trail[-1] if self.trail else None


class StudentError(Exception):
    """The student's own code raised. The text is theirs: cleaned, bounded, safe to show."""

    is_sentence = False  # whether str(error) can stand alone in feedback

    def __init__(self, raised: Raised) -> None:
        self.raised = raised
        super().__init__(self._text())
        for place in raised.trail:  # a traceback prints notes below the message
            self.add_note(f"  {place}")

    @property
    def kind(self) -> str:
        """The exception's class name, for example `ValueError`."""
        return self.raised.kinds[0] if self.raised.kinds else "Exception"

    @property
    def known_kind(self) -> str:
        """The nearest of Python's own exception classes: the name of another could be a message."""
        return next((name for name in self.raised.kinds if name in _PYTHONS), "an exception")

    def is_a(self, kind: str) -> bool:
        """Whether `kind` is the class of the exception or one of its bases, by name."""
        return kind in self.raised.kinds

    def _text(self) -> str:
        said = f"{self.kind}: {self.raised.message}" if self.raised.message else self.kind
        place = self.raised.place
        return f"{said} (cell {place.cell}, line {place.line})" if place else said


class MissingNameError(StudentError, AttributeError):
    """The notebook, or an object in it, has no such name."""

    is_sentence = True

    def __init__(self, name: str, owner: str = "") -> None:
        self.raised = Raised(("AttributeError", "Exception", "BaseException"), "")
        where = f"{owner} of your notebook has" if owner else "Your notebook defines"
        Exception.__init__(self, f"{where[:1].upper()}{where[1:]} no `{name}`.")


class UnsendableError(StudentError):
    """The student's code returned what can't be compared: too large, too deep, too odd."""

    is_sentence = True

    def __init__(self, why: str) -> None:
        self.raised = Raised(("UnsendableError",), why)
        Exception.__init__(self, f"Your code returned a value that can't be checked: {why}")


class OverLimitError(StudentError):
    """A limit raised in the student's code; the text is a sentence that says which."""

    is_sentence = True

    def __init__(self, raised: Raised, verdict: Verdict, sentence: str) -> None:
        self.verdict, self._sentence = verdict, sentence
        super().__init__(raised)

    def _text(self) -> str:
        return f"{self._sentence[:1].upper()}{self._sentence[1:]}."


class WorkerLost(Exception):  # noqa: N818  # a state of the worker, as its kinds are
    """The student's process is gone or can't be trusted any more."""

    verdict: ClassVar[Verdict] = Verdict.crashed

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class WorkerTimedOut(WorkerLost):
    """It went over a time limit and was killed."""

    verdict = Verdict.timed_out


class WorkerOutOfMemory(WorkerLost):
    """It went over the memory limit and was killed."""

    verdict = Verdict.out_of_memory


class WorkerOutOfDisk(WorkerLost):
    """It wrote too much, or too many files, and was killed."""

    verdict = Verdict.out_of_disk


class WorkerTooManyThreads(WorkerLost):
    """It started too many threads and was killed."""

    verdict = Verdict.too_many_threads


class WorkerCrashed(WorkerLost):
    """It ended by itself: `os._exit`, a signal, a segmentation fault."""


class ProtocolBreach(WorkerCrashed):
    """It said something that the wire does not allow, and was killed."""


class NotRunError(WorkerLost):
    """No worker was started for this test any more."""

    verdict = Verdict.not_run
