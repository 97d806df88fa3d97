"""The trusted, warm process of an engine: owns the sandboxes, forks for each submission.

Runs as `python -m autograder.judge FD FOLDER WALLS`. On the socket FD it says `ready` or `error`,
then answers `{"notebook", "student", "seed", "final"}` with `{"report", "outcomes", …}`.
Each submission is graded in a fork, so that nothing a test or a notebook does to this process
reaches the next one. A fork that dies or outlasts its limit is our fault, and is reported so.

Each submission's tests draw other inputs, so a test can be right for a thousand students and unfair
to one. What a submission loses is therefore asked of the solution too, with the same inputs. If it
fails there as well, the fault is the suite's, and nobody is graded by it. The solution has a
sandbox of its own, in which no student's code ever runs.
"""

import contextlib
import ctypes
import hashlib
import json
import os
import resource
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from math import fsum
from pathlib import Path
from typing import Any, NoReturn

from autograder.collected import Collected, collect
from autograder.diagnosis import SAME_INPUTS, misconceptions, suspects
from autograder.errors import GraderError, NotebookError, SandboxError
from autograder.notebook import Cell, Notebook, read, rebuild, restored
from autograder.plugin import Grading
from autograder.report import Misconception, Note, Report, Verdict, not_graded
from autograder.sandbox import Host, Walls, for_suite
from autograder.sandbox.watch import Process
from autograder.session import Session
from autograder.suite import Suite, load_suite, pytest_command
from autograder.wire import Channel, Closed

__all__ = ["grade_in", "hard_limit", "seed_of"]

_PR_SET_PDEATHSIG = 1
_SLACK_SECONDS = 60.0
_MEMORY = 4 * 2**30  # for the hidden tests of one submission
_PAGE = os.sysconf("SC_PAGE_SIZE")


def hard_limit(suite: Suite) -> float:
    """Return the seconds after which grading one submission is given up as our own fault."""
    return 10 * suite.limits.total_seconds + _SLACK_SECONDS


def seed_of(suite: Suite, student: str, seed: int, cells: list[Cell]) -> int:
    """Return the seed of one submission.

    The cells are part of it: whoever learns a test's random inputs and hands in again meets others.
    So is the suite, which no student has: all the rest is known to the code that is graded.
    With SAME_INPUTS there is one for all, so that answers can be compared.
    """
    if seed == SAME_INPUTS:
        return 0
    said = [suite.digest, student, seed, [cell.source for cell in cells]]
    digest = hashlib.sha256(json.dumps(said).encode()).digest()
    return int.from_bytes(digest[:6], "big")


# --- one submission --------------------------------------------------------------------------


def grade_in(
    sandbox: Host, tests: Collected, notebook: Path, *, student: str, seed: int, final: bool = False
) -> dict[str, Any]:
    """Grade one submission in a started sandbox. Returns plain values.

    `final` is whether it has been tried before, and the machine was to blame.
    `lost` names the tests that cost points, which the solution must pass with the seed `drawn`;
    `fault` says whether the machine may be to blame for the outcome.
    """
    started, suite = time.monotonic(), tests.suite
    known = {"suite_digest": suite.digest, "seed": seed, "walls": sandbox.walls}
    known["max_score"] = sum(suite.tasks.values())
    try:
        submitted = read(notebook)
        cells = rebuild(suite.source, submitted)
        drawn = seed_of(suite, student, seed, cells)
        session = Session(sandbox, cells, suite.limits, drawn, final=final)
        grading = _run_tests(tests, session, drawn)
    except (NotebookError, GraderError) as error:
        report = not_graded(student, suite.lab, str(error), **known)
        return _answer(report, fault=isinstance(error, SandboxError))
    lost = grading.lost if seed != SAME_INPUTS else []
    if seed != SAME_INPUTS:
        known["misconceptions"] = _likened(sandbox, tests, cells, grading)
    known["seconds"] = round(time.monotonic() - started, 3)
    known["notes"] = tuple(_put_back(suite, submitted)) + _notes(grading)
    report = _report(suite, grading, student, known)
    more = {"outcomes": grading.signs, "lost": lost, "drawn": drawn}
    return _answer(report, fault=grading.machine_failed, **more)


def unfair_in(sandbox: Host, tests: Collected, seed: int, names: Sequence[str]) -> dict[str, Any]:
    """Run these tests on the solution with a submission's seed: which of them it fails, and how."""
    source = tests.suite.source
    session = Session(sandbox, rebuild(source, source), tests.suite.limits, seed)
    grading = _run_tests(tests, session, seed, names)
    how = {name: sign.split(":")[0] for name, sign in grading.signs.items() if sign != "passed"}
    return {"unfair": how, "fault": grading.machine_failed}


def _answer(report: Report, *, fault: bool, **more: Any) -> dict[str, Any]:
    return {"report": report.to_dict(), "outcomes": {}, "lost": [], "fault": fault, **more}


def _likened(
    sandbox: Host, tests: Collected, cells: list[Cell], first: Grading
) -> tuple[Misconception, ...]:
    """Run what failed once more with the mutants' inputs, and say whose answers are the same."""
    names = suspects(tests.suite, first.signs)
    if not names:
        return ()
    seed = seed_of(tests.suite, "", SAME_INPUTS, cells)
    left = first.session.total if first.session is not None else None
    session = Session(sandbox, cells, tests.suite.limits, seed, left)
    with contextlib.suppress(GraderError):  # the score stands without it
        again = _run_tests(tests, session, seed, names)
        return misconceptions(tests.suite, again.signs)
    return ()


def _run_tests(tests: Collected, session: Session, seed: int, names: Sequence[str] = ()) -> Grading:
    """Run the hidden tests, or those of these names, in a session, and close it."""
    with contextlib.closing(session):
        return tests.run(session, seed, names)


def _report(suite: Suite, grading: Grading, student: str, known: dict[str, Any]) -> Report:
    wrong = [each.detail for each in grading.outcomes.values() if _is_ours(each.verdict)]
    lacking = [spec.function for spec in suite.tests if spec.function not in grading.outcomes]
    if wrong or lacking:
        reason = "; ".join(wrong) or f"hidden tests did not run: {', '.join(lacking)}"
        return not_graded(student, suite.lab, f"grader error: {reason}", **known)
    tasks = grading.tasks(suite.tests)
    return Report(
        student=student,
        lab=suite.lab,
        status="graded",
        score=fsum(task.score for task in tasks),
        tasks=tasks,
        **known,
    )


def _put_back(suite: Suite, submitted: Notebook) -> Iterator[Note]:
    """Say which cells of the lab the student changed in vain."""
    for number in restored(suite.source, submitted):
        said = "this cell belongs to the lab, so your change to it was not run. "
        yield Note(f"Cell {number}", f"{said}Put it into a cell of your own.", cell=number)


def _notes(grading: Grading) -> tuple[Note, ...]:
    return tuple(grading.session.notes) if grading.session is not None else ()


def _is_ours(verdict: Verdict) -> bool:
    return verdict is Verdict.grader_error


# --- the warm process ----------------------------------------------------------------------------


class Judge:
    """Answers an engine: one request, one fork, one report; a second fork to ask the solution."""

    def __init__(self, channel: Channel, suite: Suite, walls: Walls) -> None:
        self._channel, self._suite = channel, suite
        self._students, self._solution = (for_suite(suite, walls=walls) for _ in range(2))

    def serve(self) -> None:
        """Get warm, then answer until the engine hangs up."""
        try:
            self._students.launch()
            _ = self._suite.tests, self._suite.source  # read before any fork
            collect(self._suite, self._answer)
        except GraderError as error:
            self._say({"error": str(error)})

    def close(self) -> None:
        """End both sandboxes."""
        self._students.close()
        self._solution.close()

    def _answer(self, tests: Collected) -> None:
        self._students.wait_until_ready()
        self._say({"ready": True, "resident": self._resident()})
        with contextlib.suppress(Closed):
            while True:
                answer = self._grade(tests, json.loads(self._channel.receive()))
                self._say({**answer, "resident": self._resident()})

    def _resident(self) -> list[int]:
        """Return the bytes that this process and the students' zygote hold."""
        both = [Process.read(pid) for pid in (os.getpid(), self._students.zygote)]
        return [each.resident if each is not None else 0 for each in both]

    def _say(self, message: dict[str, Any]) -> None:
        self._channel.send(json.dumps(message).encode())

    def _grade(self, tests: Collected, request: dict[str, Any]) -> dict[str, Any]:
        path, suite = Path(request["notebook"]), self._suite
        about = {name: request[name] for name in ("student", "seed", "final")}
        try:
            answer = self._forked(
                self._students, lambda sandbox: grade_in(sandbox, tests, path, **about)
            )
            reason = self._unfair(tests, answer)
        except GraderError as error:
            answer, reason = {}, str(error)
        if not reason:
            return answer
        report = not_graded(about["student"], suite.lab, reason, seed=about["seed"])
        return _answer(report, fault=True, outcomes=answer.get("outcomes", {}))

    def _unfair(self, tests: Collected, answer: dict[str, Any]) -> str:
        """Say which of the tests that were lost the solution fails as well; nothing if none."""
        names, seed = answer["lost"], answer.get("drawn", 0)
        if not names or answer["fault"]:
            return ""
        said = self._forked(self._solution, lambda sandbox: unfair_in(sandbox, tests, seed, names))
        if said["fault"]:
            raise GraderError("the machine failed to run the solution for comparison")
        return _unfair(self._suite, said["unfair"], seed) if said["unfair"] else ""

    def _forked(self, sandbox: Host, work: Callable[[Host], dict[str, Any]]) -> dict[str, Any]:
        """Do some work with a running sandbox, in a fork. GraderError when the fork is lost."""
        if not sandbox.alive:
            sandbox.renew()
        answer = _in_fork(lambda: work(sandbox), hard_limit(self._suite))
        if answer is None:
            sandbox.close()  # its state is unknown
            raise GraderError("the process that grades it died or never ended")
        return answer


def _unfair(suite: Suite, failed: dict[str, str], seed: int) -> str:
    """Say which tests are at fault, without a value, and how an author sees it."""
    which = ", ".join(f"{name} ({how})" for name, how in failed.items())
    command = pytest_command(suite, next(iter(failed)), suite.notebook, f"--grading-seed={seed}")
    return (
        "grader error: the solution fails with the inputs of this submission: "
        f"{which}. See it: {command}"
    )


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
        _limit_memory()
        Channel(answer_to).send(json.dumps(work()).encode())
    except BaseException:
        traceback.print_exc(file=sys.__stderr__)  # pytest has sys.stderr
    finally:
        os._exit(0)


def _limit_memory() -> None:
    """Let a test that makes much of a small answer raise MemoryError, not fill the machine."""
    now = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[5]) * _PAGE
    resource.setrlimit(resource.RLIMIT_DATA, (now + _MEMORY, now + _MEMORY))


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
    with contextlib.closing(Judge(channel, suite, walls)) as judge:
        try:
            judge.serve()
        finally:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)  # closing is not to be disturbed


if __name__ == "__main__":
    main()
