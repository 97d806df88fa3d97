"""What becomes of each thing that a hidden test can raise."""

import pytest

from autograder.errors import (
    ExpectationError,
    MissingNameError,
    NotRunError,
    OverLimitError,
    Place,
    ProtocolBreach,
    Raised,
    SandboxError,
    StudentError,
    SuiteError,
    WorkerCrashed,
    WorkerOutOfMemory,
    WorkerTimedOut,
)
from autograder.outcomes import PASSED, Outcome, hidden_part, outcome_of, worse_of
from autograder.report import Verdict
from autograder.suite import TestSpec

SPEC = TestSpec("test_sum", "The sum is right.", "sum", 2.0, hint="Add them up.")
ODD = Raised(("OddError", "ValueError"), "n=-1", (Place(2, 9, "f", "g(n)"), Place(2, 4, "g", "x")))


@pytest.fixture
def ended(tmp_path):
    """Raise an error two calls deep in a hidden test, and say how the test ended."""
    path = tmp_path / "test_sum.py"
    path.write_text("def helper(call):\n    call()\n\ndef test(call):\n    helper(call)\n")
    names = {}
    exec(compile(path.read_text(), str(path), "exec"), names)

    def ended(error, answered=True):
        def call():
            raise error

        with pytest.raises(type(error)):
            names["test"](call)
        return outcome_of(error, SPEC, tmp_path, answered=answered)

    return ended


def test_nothing_raised_is_a_pass(tmp_path):
    assert outcome_of(None, SPEC, tmp_path, answered=True) == PASSED


@pytest.mark.parametrize(
    ("error", "verdict", "message", "sign"),
    [
        (
            ExpectationError("got 3, expected 5", "The sum is wrong."),
            Verdict.failed,
            "The sum is wrong. Add them up.",
            "failed at 5, 2: got 3, expected 5",
        ),
        (
            AssertionError("3 == 5"),
            Verdict.failed,
            "Add them up.",
            "failed at 5, 2: AssertionError",
        ),
        (
            StudentError(ODD),
            Verdict.failed,
            "Your code raised ValueError (cell 2, line 4). Add them up.",
            "raised at 5, 2: OddError",
        ),
        (
            StudentError(Raised(("NotImplementedError", "RuntimeError", "Exception"), "")),
            Verdict.no_answer,
            "You have not written this yet.",
            "raised at 5, 2: NotImplementedError",
        ),
        (
            MissingNameError("total"),
            Verdict.no_answer,
            "Your notebook defines no `total`.",
            "raised at 5, 2: AttributeError",
        ),
        (
            OverLimitError(Raised(("MemoryError",), ""), Verdict.out_of_memory, "too much"),
            Verdict.out_of_memory,
            "Too much.",
            "raised at 5, 2: MemoryError",
        ),
        (
            WorkerTimedOut("too slow"),
            Verdict.timed_out,
            "Too slow. Add them up.",
            "timed_out at 5, 2",
        ),
        (
            WorkerOutOfMemory("too big"),
            Verdict.out_of_memory,
            "Too big.",
            "out_of_memory at 5, 2",
        ),
        (WorkerCrashed("gone"), Verdict.crashed, "Gone.", "crashed at 5, 2"),
        (ProtocolBreach("noise"), Verdict.crashed, "Noise.", "crashed at 5, 2"),
        (NotRunError("not run: why"), Verdict.not_run, "Not run: why.", "not_run"),
    ],
)
def test_what_is_the_student_s(ended, error, verdict, message, sign):
    outcome = ended(error)
    assert (outcome.verdict, outcome.message, outcome.sign) == (verdict, message, sign)


def test_what_is_not_written_or_not_run_is_not_lost(ended):
    unwritten = StudentError(Raised(("NotImplementedError", "Exception"), ""))
    neutral = [unwritten, MissingNameError("total"), NotRunError("why"), SandboxError("no wall")]
    assert not any(ended(error).is_lost for error in neutral)
    lost = [AssertionError(), TypeError(), StudentError(ODD), WorkerTimedOut("slow")]
    assert all(ended(error).is_lost for error in lost)


def test_a_stumble_over_an_answer_is_the_student_s_and_before_one_the_grader_s(ended):
    said = "Your code returned something that this test can't use. Add them up."
    for kind in (TypeError, MemoryError, NotImplementedError, RecursionError, FileExistsError):
        after = ended(kind("secret: 42"))
        assert after == Outcome(Verdict.failed, said, f"failed at 5, 2: {kind.__name__}")
    before = ended(TypeError("secret: 42"), answered=False)
    assert (before.verdict, before.message) == (Verdict.grader_error, "")
    assert before.detail.startswith("test_sum: TypeError at test_outcomes.py:")
    assert "secret" not in str((before, after))


@pytest.mark.parametrize("values", [(1, 2, 3), (1,)])
def test_a_wrong_number_of_values_is_explained(ended, values):
    with pytest.raises(ValueError, match="values to unpack") as caught:
        _one, _two = values
    said = "Your code returned another number of values than the 2 this test expects. Add them up."
    assert ended(caught.value).message == said


def test_an_answer_that_the_wire_refuses_is_the_student_s(ended):
    """A scorer that is given a number of 500 bytes gives back one that is too long."""
    assert ended(SuiteError("an int of 513 bytes")).verdict is Verdict.failed
    assert ended(SuiteError("no such file"), answered=False).verdict is Verdict.grader_error


def test_no_sandbox_is_never_the_student_s(ended):
    outcome = ended(SandboxError("no wall"))
    assert (outcome.verdict, outcome.detail) == (Verdict.grader_error, "test_sum: no wall")


def test_the_worse_outcome_of_a_test_s_parameters_counts():
    failed, slow = Outcome(Verdict.failed, "no"), Outcome(Verdict.timed_out, "slow")
    assert worse_of(PASSED, failed) is failed
    assert worse_of(slow, failed) is slow
    assert worse_of(failed, Outcome(Verdict.failed, "again")) is failed


def test_only_the_suite_s_own_lines_are_its_part(ended, tmp_path):
    error = ValueError("x")
    ended(error)
    assert [step.tb_lineno for step in hidden_part(error, tmp_path)] == [5, 2]
    assert hidden_part(error, tmp_path / "elsewhere") == []
