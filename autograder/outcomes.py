"""How a hidden test ended: sorts what it raised into a verdict, with words for each reader.

The student reads `message`, staff read `detail`, and the diagnosis compares `sign`.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from autograder.errors import (
    ExpectationError,
    GraderError,
    MissingNameError,
    NotRunError,
    OverLimitError,
    SandboxError,
    StudentError,
    UnsendableError,
    WorkerLost,
)
from autograder.report import Verdict
from autograder.suite import TestSpec

__all__ = ["PASSED", "Outcome", "hidden_part", "outcome_of", "worse_of"]

_UNPACKING = re.compile(r"(?:too many|not enough) values to unpack \(expected (\d+)")
_NAME = (
    "Perhaps the name is defined nowhere, or only in a cell that isn't run while the lab is "
    "graded: restart the kernel, run all cells from the top, and see."
)
_WALLS = (
    "While the lab is graded there are no files but the lab's own and those your code writes, no "
    "other processes and no internet."
)
# What is true of every exception of a kind: one's own message can repeat what a test passed.
_ADVICE = {
    "NameError": _NAME,
    **dict.fromkeys(("OSError", "FileNotFoundError", "PermissionError", "BlockingIOError"), _WALLS),
    "ImportError": "The lab says what can't be imported while it is graded.",
    "ModuleNotFoundError": "The module isn't installed where the lab is graded.",
}
_WORST = [
    Verdict.passed,
    Verdict.failed,
    Verdict.no_answer,
    Verdict.not_run,
    Verdict.timed_out,
    Verdict.out_of_memory,
    Verdict.out_of_disk,
    Verdict.too_many_files,
    Verdict.too_many_threads,
    Verdict.too_much_output,
    Verdict.too_large,
    Verdict.crashed,
    Verdict.grader_error,
]


@dataclass(frozen=True)
class Outcome:
    """How one hidden test ended.

    Attributes:
        message: what the student reads.
        sign: `passed`, `not_run`, or how, at which check and with which values the test went
            wrong, for example `failed at 41: the mean: got 3.5, expected 4.5`; what a misconception
            is recognised by. It stays in the trusted process.
        detail: what went wrong in the grader, for staff; no value either.
    """

    verdict: Verdict
    message: str = ""
    sign: str = ""
    detail: str = ""

    @property
    def is_lost(self) -> bool:
        """Whether there is an answer that ran and did not pass."""
        neutral = (Verdict.passed, Verdict.no_answer, Verdict.not_run, Verdict.grader_error)
        return self.verdict not in neutral


PASSED = Outcome(Verdict.passed, sign="passed")


def outcome_of(
    error: BaseException | None, spec: TestSpec, folder: Path, *, answered: bool
) -> Outcome:
    """Say how a test of the suite in this folder ended that raised `error`.

    `answered` is whether the student's code had answered before. Then whatever a test stumbles
    over is taken for the answer's fault: the solution is asked before it costs points. Before that
    it is the test's own.
    """
    if error is None:
        return PASSED
    if isinstance(error, NotRunError):
        return Outcome(Verdict.not_run, _sentence(error.reason), "not_run")
    if isinstance(error, WorkerLost):
        too_slow = error.verdict is Verdict.timed_out and hidden_part(error, folder)  # in the test
        lost = _joined(_sentence(error.reason), spec.hint if too_slow else "")
        return Outcome(error.verdict, lost, _sign(error.verdict.value, error, folder))
    if isinstance(error, StudentError):
        return _student_raised(error, spec.hint, folder)
    said = _public(error, answered)
    if said is None:
        return Outcome(Verdict.grader_error, sign="grader_error", detail=_blame(spec, error))
    what = str(error) if isinstance(error, ExpectationError) else type(error).__name__
    return Outcome(Verdict.failed, _joined(said, spec.hint), _sign("failed", error, folder, what))


def worse_of(one: Outcome, other: Outcome) -> Outcome:
    """Return the worse of two outcomes of the same test, the first when they are alike."""
    return max(one, other, key=lambda each: _WORST.index(each.verdict))


def hidden_part(error: BaseException, folder: Path) -> list[TracebackType]:
    """Return the steps of a traceback that stand in the suite's own files, outermost first."""
    steps, trace = [], error.__traceback__
    while trace is not None:
        if Path(trace.tb_frame.f_code.co_filename).parent == folder:
            steps.append(trace)
        trace = trace.tb_next
    return steps


def _public(error: BaseException, answered: bool) -> str | None:
    """Return what a student may read of a test's own error; None when it is no fault of theirs."""
    if isinstance(error, ExpectationError):
        return error.public
    if isinstance(error, AssertionError):
        return ""
    if answered and isinstance(error, Exception) and not isinstance(error, SandboxError):
        return _unusable(error)
    return None


def _unusable(error: Exception) -> str:
    if isinstance(error, ValueError) and (found := _UNPACKING.match(str(error))):
        return f"Your code returned another number of values than the {found[1]} this test expects."
    return "Your code returned something that this test can't use."


def _sign(how: str, error: BaseException, folder: Path, what: str = "") -> str:
    lines = ", ".join(str(step.tb_lineno) for step in hidden_part(error, folder))
    return f"{how} at {lines}: {what}" if what else f"{how} at {lines}"


def _student_raised(error: StudentError, hint: str, folder: Path) -> Outcome:
    sign = _sign("raised", error, folder, error.kind)
    if error.kind == "NotImplementedError":  # what a released answer cell raises
        return Outcome(Verdict.no_answer, "You have not written this yet.", sign)
    if isinstance(error, OverLimitError):
        return Outcome(error.verdict, str(error), sign)
    if isinstance(error, MissingNameError):
        return Outcome(Verdict.no_answer, str(error), sign)
    advice = _ADVICE.get(error.known_kind, "")
    said = _joined(_sentence(_without_message(error)), advice, hint)
    return Outcome(Verdict.failed, said, sign)


def _without_message(error: StudentError) -> str:
    """Say what was raised, and where; the message itself can repeat what the test passed."""
    if isinstance(error, UnsendableError):
        return "Your code returned a value that can't be checked"
    if error.is_sentence:
        return str(error)
    place = error.raised.place
    where = f" (cell {place.cell}, line {place.line})" if place else ""
    return f"Your code raised {error.known_kind}{where}"


def _sentence(text: str) -> str:
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _joined(*parts: str) -> str:
    return " ".join(part for part in parts if part)


def _blame(spec: TestSpec, error: BaseException) -> str:
    """Say where a hidden test went wrong: no value and no message, which may hold values."""
    if isinstance(error, GraderError):
        return f"{spec.function}: {error}"
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace else "?"
    return f"{spec.function}: {type(error).__name__} at {where}"
