"""Every limit has a verdict and a sentence of its own, and costs nobody else anything."""

import errno
import math
import os
import signal
from dataclasses import fields

import pytest

from autograder import limits
from autograder.errors import (
    NotRunError,
    OverLimitError,
    Raised,
    SandboxError,
    StudentError,
    SuiteError,
    WorkerCrashed,
    WorkerLost,
    WorkerTimedOut,
)
from autograder.limits import Limits, loss_of, over_limit
from autograder.notebook import Cell
from autograder.outcomes import outcome_of
from autograder.remote import Student
from autograder.report import Verdict
from autograder.sandbox import Fallback, Sandbox
from autograder.sandbox.bwrap import View
from autograder.sandbox.watch import oom_kills
from autograder.session import Session
from autograder.suite import TestSpec

LIMITS = Limits(
    memory_mb=256,
    call_seconds=1,
    test_seconds=2,
    cells_seconds=2,
    total_seconds=30,
    scratch_mb=16,
    files=500,
    open_files=40,
    processes=20,
    output_mb=1,
    returned_mb=2,
)
# what the student's function does: (code, verdict, sentence)
OVER = {
    "memory": (
        "return len(bytearray(2**29))",
        Verdict.out_of_memory,
        "Your code asked for more than the 256 MB of memory it may use.",
    ),
    "shared memory": (
        "import mmap\n    page = mmap.mmap(-1, 2**29)\n"
        "    while True:\n        for at in range(0, 2**29, 4096): page[at] = 1",
        Verdict.out_of_memory,
        "Your code used more than 256 MB of memory.",
    ),
    "computing": ("while True: pass", Verdict.timed_out, "Your code ran longer than 1 s."),
    "sleeping": ("time.sleep(99)", Verdict.timed_out, "Your code ran longer than 1 s."),
    "one large file": (
        "file = open('big', 'wb')\n    while True: file.write(bytes(2**20))",
        Verdict.out_of_disk,
        "Your code wrote more than the 16 MB of files it may write.",
    ),
    "large files": (
        "for n in range(40): open(str(n), 'wb').write(bytes(2**20))\n    time.sleep(1)",
        Verdict.out_of_disk,
        "Your code wrote more than the 16 MB of files it may write.",
    ),
    "many files": (
        "for n in range(900): open(str(n), 'w').close()\n    time.sleep(1)",
        Verdict.out_of_disk,
        "Your code made more than 500 files.",
    ),
    "open files": (
        "kept = [open('/dev/null') for _ in range(99)]",
        Verdict.too_many_files,
        "Your code had more than 40 files open at once.",
    ),
    "threads": (
        "from threading import Thread\n"
        "    for _ in range(60): Thread(target=time.sleep, args=(9,), daemon=True).start()\n"
        "    time.sleep(1)",
        Verdict.too_many_threads,
        "Your code started more than 20 threads.",
    ),
    "printing": (
        "for _ in range(9): print('x' * 2**18)",
        Verdict.too_much_output,
        "Your code printed more than 1 MB of text.",
    ),
    "printing errors": (
        "for _ in range(9): print('x' * 2**18, file=sys.stderr)",
        Verdict.too_much_output,
        "Your code printed more than 1 MB of text.",
    ),
    "returning": (
        "return b'x' * 2**22",
        Verdict.too_large,
        "Your code returned a value of more than 2 MB.",
    ),
}
HINT = "Read the lab."
SPEC = TestSpec("test_x", "X works.", "x", 1.0, HINT)


@pytest.fixture(scope="module", params=[Sandbox, Fallback], ids=["full", "fallback"])
def sandbox(request):
    with request.param(View(scratch_bytes=2**24)) as started:
        yield started


def session_on(sandbox, code, bounds=LIMITS):
    return Session(sandbox, [Cell(code, 1)], bounds, 0)


@pytest.mark.parametrize(("waste", "verdict", "sentence"), OVER.values(), ids=OVER)
def test_a_limit_has_its_own_verdict_and_sentence(sandbox, tmp_path, waste, verdict, sentence):
    code = f"import sys, time\ndef waste():\n    {waste}\ndef fine(): return 7"
    session = session_on(sandbox, code)
    session.begin_test(2)
    with pytest.raises((OverLimitError, WorkerLost)) as caught:
        Student(session).waste()
    outcome = outcome_of(caught.value, SPEC, tmp_path, answered=True)
    assert (outcome.verdict, outcome.message) == (verdict, sentence)
    session.begin_test(2)  # the next test
    assert Student(session).fine() == 7
    session.close()
    later = session_on(sandbox, "import os\nx = os.listdir('.')\nprint('x' * 2**19)")
    later.begin_test(2)  # the next submission
    assert (Student(later).x, later.notes) == ([], [])
    later.close()


def test_a_limit_that_a_cell_meets_is_named_in_the_notes(sandbox):
    session = session_on(sandbox, "x = 1\nblock = bytearray(2**29)")
    session.begin_test(2)
    said = "Your code asked for more than the 256 MB of memory it may use."
    assert list(map(str, session.notes)) == [f"Cell 1, line 2 raised MemoryError: {said}"]
    session.close()


def test_output_is_counted_for_each_call_anew(sandbox):
    session = session_on(sandbox, "def say(): print('x' * 2**19)")
    session.begin_test(2)
    for _ in range(5):
        assert Student(session).say() is None
    session.close()


def test_time_of_a_test_and_of_the_whole_notebook_have_their_own_sentences(sandbox):
    bounds = Limits(call_seconds=9, test_seconds=9, cells_seconds=9, total_seconds=1)
    session = session_on(sandbox, "import time\ndef nap(): time.sleep(0.4)", bounds)
    session.begin_test(0.5)
    with pytest.raises(WorkerTimedOut, match="^this test ran longer than 0.5 s$"):
        [Student(session).nap() for _ in range(9)]
    session.begin_test(9)
    with pytest.raises(WorkerTimedOut, match="^the whole notebook used up its 1 s$"):
        [Student(session).nap() for _ in range(9)]
    with pytest.raises(NotRunError, match="not run: the whole notebook used up its 1 s"):
        session.begin_test(9)
    session.close()


# --- told apart by their words alone ---


@pytest.mark.parametrize(
    ("kinds", "message", "verdict"),
    [
        (("OSError",), "[Errno 28] No space left on device", Verdict.out_of_disk),
        (("OSError",), "[Errno 27] File too large: 'x'", Verdict.out_of_disk),
        (("OSError",), "[Errno 24] Too many open files: 'x'", Verdict.too_many_files),
        (("OSError",), "[Errno 12] Cannot allocate memory", Verdict.out_of_memory),
        (("RuntimeError",), "DefaultCPUAllocator: can't allocate memory", Verdict.out_of_memory),
        (("_ArrayMemoryError", "MemoryError"), "Unable to allocate", Verdict.out_of_memory),
        (("RuntimeError",), "can't start new thread", Verdict.too_many_threads),
        (("FileNotFoundError", "OSError"), "[Errno 2] No such file or directory", None),
        (("ValueError",), "[Errno 28] as I say", None),
        (("OSError",), "28", None),
    ],
)
def test_what_a_limit_raised_is_recognised(kinds, message, verdict):
    found = over_limit(Raised(kinds, message), Limits())
    assert (found.verdict if found else None) == verdict
    assert found is None or (isinstance(found, StudentError) and found.kind == kinds[0])


def test_the_numbers_of_errors_are_the_kernels():
    assert {errno.errorcode[number] for number in limits._ERRORS} == {
        "ENOMEM",
        "ENOSPC",
        "EDQUOT",
        "EFBIG",
        "EMFILE",
    }


@pytest.mark.parametrize(
    ("status", "why", "kind", "said"),
    [
        (7 << 8, "", WorkerCrashed, "your code ended its own process"),
        (signal.SIGSEGV, "", WorkerCrashed, "it was ended by SIGSEGV"),
        (signal.SIGSYS, "", WorkerCrashed, "it was ended by SIGSYS"),
        (60, "", WorkerCrashed, "it was ended by signal 60"),
        (signal.SIGXCPU, "", WorkerTimedOut, "your code used up its 30 s of processor time"),
        (None, "", WorkerCrashed, "your code closed its connection to the grader"),
        (signal.SIGKILL, "files", WorkerLost, "your code made more than 500 files"),
        (signal.SIGKILL, "disk", WorkerLost, "your code wrote more than the 16 MB of files"),
    ],
)
def test_how_the_process_ended_is_said(status, why, kind, said):
    loss = loss_of(status, why, LIMITS)
    assert isinstance(loss, kind)
    assert said in loss.reason


@pytest.mark.parametrize(
    ("why", "said"),
    [("", "the machine killed the student's process"), ("machine", "disk is nearly full")],
)
def test_what_may_be_the_machines_doing_is_no_loss_of_the_students(why, said):
    with pytest.raises(SandboxError, match=said):
        loss_of(signal.SIGKILL, why, LIMITS)


def test_a_student_who_sends_sigkill_is_not_taken_for_the_machine(sandbox):
    session = session_on(sandbox, "import os\ndef die(): os.kill(os.getpid(), 9)")
    session.begin_test(2)
    with pytest.raises(WorkerCrashed, match="it was ended by SIGSYS"):
        Student(session).die()
    session.close()


def test_a_worker_that_closes_its_socket_is_not_taken_for_the_machine(sandbox):
    session = session_on(
        sandbox, "import os, time\ndef shut():\n    os.closerange(3, 99)\n    time.sleep(9)"
    )
    session.begin_test(2)
    with pytest.raises(WorkerCrashed, match="your code closed its connection to the grader"):
        Student(session).shut()
    session.close()


def test_a_worker_that_something_else_kills_is_the_machines_fault(sandbox):
    session = session_on(sandbox, "def f(g): return g()")
    session.begin_test(2)

    def out_of_memory_killer():
        pid = session._sandbox._worker.pid
        os.kill(_outer(session._sandbox, pid), signal.SIGKILL)

    with pytest.raises(SandboxError, match="the machine killed the student's process"):
        Student(session).f(out_of_memory_killer)
    session.close()


@pytest.mark.parametrize(("said", "kind"), [(4, WorkerCrashed), (5, SandboxError)])
def test_at_the_last_try_a_sigkill_is_the_machines_only_where_the_machine_says_so(
    sandbox, monkeypatch, said, kind
):
    killed = iter([4, said])
    monkeypatch.setattr("autograder.session.oom_kills", lambda: next(killed))
    session = Session(sandbox, [Cell("def f(g): return g()", 1)], LIMITS, 0, final=True)
    session.begin_test(2)
    worker = _outer(sandbox, 0)
    with pytest.raises(kind):
        Student(session).f(lambda: os.kill(worker, signal.SIGKILL))
    session.close()


def test_the_machine_says_how_often_it_has_killed_for_want_of_memory():
    assert isinstance(oom_kills(), int)


def _outer(sandbox, pid):
    """Return the number of the worker as seen from here."""
    from autograder.sandbox import watch

    (worker,) = watch.workers(sandbox.zygote)
    return worker.pid


def test_every_limit_is_documented():
    text = Limits.__doc__ or ""
    assert [field.name for field in fields(Limits) if f"{field.name}:" not in text] == []


@pytest.mark.parametrize("value", [0, -1, "2G", True])
def test_a_limit_that_makes_no_sense_is_named(value):
    with pytest.raises(SuiteError, match=f"the limit memory_mb must be .* not {value!r}"):
        Limits(memory_mb=value)
    assert Limits(restarts=0).restarts == 0


@pytest.mark.parametrize(
    ("name", "value"), [("files", 7.5), ("call_seconds", math.nan), ("total_seconds", math.inf)]
)
def test_no_limit_is_half_a_file_or_without_end(name, value):
    with pytest.raises(SuiteError, match=f"the limit {name} must be a .*number above 0"):
        Limits(**{name: value})
