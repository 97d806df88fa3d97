"""The trusted, warm process of an engine: owns one sandbox, forks for each submission.

Runs as `python -m autograder.judge FD FOLDER WALLS`. On the socket FD it says `ready` or `error`,
then answers `{"notebook", "student", "seed"}` with `{"report", "outcomes"}`, one at a time.
Each submission is graded in a fork, so that nothing a test or a notebook does to this process
reaches the next one. A fork that dies or outlasts its limit is our fault, and is reported so.
"""

import contextlib
import ctypes
import hashlib
import json
import os
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from math import fsum
from pathlib import Path
from typing import Any, NoReturn

from autograder.collected import Collected, collect
from autograder.diagnosis import SAME_INPUTS, misconceptions, suspects
from autograder.errors import GraderError, NotebookError, SandboxError
from autograder.notebook import Cell, read, rebuild
from autograder.plugin import Grading
from autograder.report import Report, Verdict, not_graded
from autograder.sandbox import Host, for_suite
from autograder.sandbox.watch import Meter, Process
from autograder.session import Session
from autograder.suite import Suite, load_suite
from autograder.wire import Channel, Closed

__all__ = ["grade_in", "hard_limit", "seed_of"]

_PR_SET_PDEATHSIG = 1
_SLACK_SECONDS = 60.0


def hard_limit(suite: Suite) -> float:
    """Return the seconds after which grading one submission is given up as our own fault."""
    return 10 * suite.limits.total_seconds + _SLACK_SECONDS


def seed_of(suite: Suite, student: str, seed: int, cells: list[Cell]) -> int:
    """Return the seed of one submission.

    The cells are part of it: whoever learns a test's random inputs and hands in again meets others.
    With SAME_INPUTS there is one for all, so that answers can be compared.
    """
    if seed == SAME_INPUTS:
        return 0
    said = [suite.lab, student, seed, [cell.source for cell in cells]]
    digest = hashlib.sha256(json.dumps(said).encode()).digest()
    return int.from_bytes(digest[:6], "big")


# --- one submission --------------------------------------------------------------------------


def grade_in(
    sandbox: Host, tests: Collected, notebook: Path, *, student: str, seed: int
) -> dict[str, Any]:
    """Grade one submission in a started sandbox: `{"report", "outcomes"}`, plain values."""
    started, suite = time.monotonic(), tests.suite
    known = {"suite_digest": suite.digest, "seed": seed, "walls": sandbox.walls}
    known["max_score"] = sum(suite.tasks.values())
    try:
        cells = rebuild(suite.source, read(notebook))
        grading = _run_tests(sandbox, tests, cells, seed_of(suite, student, seed, cells))
    except (NotebookError, GraderError) as error:
        report = not_graded(student, suite.lab, str(error), **known)
        fault = isinstance(error, SandboxError)
        return {"report": report.to_dict(), "outcomes": {}, "fault": fault}
    if seed != SAME_INPUTS:
        known["misconceptions"] = _likened(sandbox, tests, cells, grading)
    known["seconds"] = round(time.monotonic() - started, 3)
    report = _report(suite, grading, student, known)
    return {"report": report.to_dict(), "outcomes": grading.signs, "fault": grading.machine_failed}


def _likened(sandbox: Host, tests: Collected, cells: list[Cell], first: Grading) -> tuple[str, ...]:
    """Run what failed once more with the mutants' inputs, and say whose answers are the same."""
    names = suspects(tests.suite, first.signs)
    if not names:
        return ()
    seed = seed_of(tests.suite, "", SAME_INPUTS, cells)
    left = first.session.total if first.session is not None else None
    with contextlib.suppress(GraderError):  # the score stands without it
        again = _run_tests(sandbox, tests, cells, seed, names, left)
        return misconceptions(tests.suite, again.signs)
    return ()


def _run_tests(
    sandbox: Host,
    tests: Collected,
    cells: list[Cell],
    seed: int,
    names: Sequence[str] = (),
    left: Meter | None = None,
) -> Grading:
    """Run the hidden tests, or those of these names, in a session of their own.

    `left` is what may still be charged, where the submission has been run before.
    """
    session = Session(sandbox, cells, tests.suite.limits, seed, left)
    with contextlib.closing(session):
        return tests.run(session, seed, names)


def _report(suite: Suite, grading: Grading, student: str, known: dict[str, Any]) -> Report:
    notes = tuple(grading.session.notes) if grading.session is not None else ()
    wrong = [each.detail for each in grading.outcomes.values() if _is_ours(each.verdict)]
    lacking = [spec.function for spec in suite.tests if spec.function not in grading.outcomes]
    if wrong or lacking:
        reason = "; ".join(wrong) or f"hidden tests did not run: {', '.join(lacking)}"
        return not_graded(student, suite.lab, f"grader error: {reason}", notes=notes, **known)
    tasks = grading.tasks(suite.tests)
    return Report(
        student=student,
        lab=suite.lab,
        status="graded",
        score=fsum(task.score for task in tasks),
        tasks=tasks,
        notes=notes,
        **known,
    )


def _is_ours(verdict: Verdict) -> bool:
    return verdict is Verdict.grader_error


# --- the warm process ----------------------------------------------------------------------------


class Judge:
    """Answers an engine: one request, one fork, one report."""

    def __init__(self, channel: Channel, suite: Suite, sandbox: Host) -> None:
        self._channel, self._suite, self._sandbox = channel, suite, sandbox

    def serve(self) -> None:
        """Get warm, then answer until the engine hangs up."""
        try:
            self._sandbox.launch()
            _ = self._suite.tests, self._suite.source  # read before any fork
            collect(self._suite, self._answer)
        except GraderError as error:
            self._say({"error": str(error)})

    def _answer(self, tests: Collected) -> None:
        self._sandbox.wait_until_ready()
        self._say({"ready": True, "resident": self._resident()})
        with contextlib.suppress(Closed):
            while True:
                answer = self._grade(tests, json.loads(self._channel.receive()))
                self._say({**answer, "resident": self._resident()})

    def _resident(self) -> list[int]:
        """Return the bytes that this process and the zygote hold."""
        both = [Process.read(pid) for pid in (os.getpid(), self._sandbox.zygote)]
        return [each.resident if each is not None else 0 for each in both]

    def _say(self, message: dict[str, Any]) -> None:
        self._channel.send(json.dumps(message).encode())

    def _grade(self, tests: Collected, request: dict[str, Any]) -> dict[str, Any]:
        try:
            if not self._sandbox.alive:
                self._sandbox.renew()
        except GraderError as error:
            return self._give_up(request, str(error))
        answer = _in_fork(lambda: self._grade_here(tests, request), hard_limit(self._suite))
        if answer is None:
            self._sandbox.close()  # its state is unknown
            return self._give_up(request, "the process that grades it died or never ended")
        return answer

    def _grade_here(self, tests: Collected, request: dict[str, Any]) -> dict[str, Any]:
        path, student, seed = Path(request["notebook"]), request["student"], request["seed"]
        return grade_in(self._sandbox, tests, path, student=student, seed=seed)

    def _give_up(self, request: dict[str, Any], reason: str) -> dict[str, Any]:
        report = not_graded(request["student"], self._suite.lab, reason, seed=request["seed"])
        return {"report": report.to_dict(), "outcomes": {}, "fault": True}


def _in_fork(work: Callable[[], dict[str, Any]], seconds: float) -> dict[str, Any] | None:
    """Do the work in a fork and return its result; None when the fork dies or is too slow."""
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        _work_and_exit(work, theirs)
    theirs.close()
    with ours:
        try:
            answer: dict[str, Any] = json.loads(Channel(ours).receive(time.monotonic() + seconds))
        except (Closed, TimeoutError, ValueError):
            return None
        finally:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
    return answer


def _work_and_exit(work: Callable[[], dict[str, Any]], answer_to: socket.socket) -> NoReturn:
    try:
        _die_with_parent()
        Channel(answer_to).send(json.dumps(work()).encode())
    except BaseException:
        traceback.print_exc(file=sys.__stderr__)  # pytest has sys.stderr
    finally:
        os._exit(0)


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGKILL))


def main() -> None:
    """Serve the engine at the other end of the socket that the first argument names."""
    handle, folder = sys.argv[1:3]
    walls: Any = sys.argv[3]
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # hidden tests need none, and it takes 1 s
    _die_with_parent()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # so that the sandbox is closed
    channel = Channel(socket.socket(fileno=int(handle)))
    suite = load_suite(Path(folder))
    with contextlib.closing(for_suite(suite, walls=walls)) as sandbox:
        try:
            Judge(channel, suite, sandbox).serve()
        finally:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)  # closing is not to be disturbed


if __name__ == "__main__":
    main()
