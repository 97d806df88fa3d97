"""Grades one submission after the other, each in a sandbox, with everything slow done before.

    with Engine(load_suite("lab02")) as engine:
        report = engine.grade(Path("submitted/ada/lab02/lab02.ipynb"), student="ada")

An engine touches no database and no nbgrader code. It is a handle on a process of its own
(`autograder/judge.py`), so that any number of them run side by side, one submission each:
`Engines`.
"""

import contextlib
import json
import socket
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Self, TypeVar

from autograder.errors import GraderError, SandboxError
from autograder.judge import hard_limit
from autograder.report import Report, not_graded
from autograder.sandbox import Walls
from autograder.suite import Suite, load_suite
from autograder.wire import Channel, Closed, WireError

__all__ = ["Engine", "Engines", "Freshness", "grade"]

_Result = TypeVar("_Result")

_START_SECONDS = 180.0
_END_SECONDS = 5.0
_TRIES = 2


@dataclass(frozen=True)
class Freshness:
    """When an engine's warm processes are replaced by new ones: the judge and the zygote together.

    Attributes:
        submissions: after so many.
        growth: when one holds so many times the memory that it held when it was ready.
    """

    submissions: int = 200
    growth: float = 1.5


_USUAL = Freshness()


class Engine:
    """A warm grader for one suite. Starts at the first submission; close it, or use `with`.

    Args:
        suite: the hidden suite to grade with.
        walls: "auto" takes all walls, or the weaker ones where this machine has no namespaces for
            us; "full" and "fallback" take one kind or refuse; "none" runs notebooks without a
            sandbox, for an instructor's own solution only.
        freshness: when the warm processes are replaced.
    """

    def __init__(
        self, suite: Suite, *, walls: Walls = "auto", freshness: Freshness = _USUAL
    ) -> None:
        self.suite = suite
        self._walls, self._freshness = walls, freshness
        self._graded, self._first_resident = 0, (0, 0)
        self._judge: subprocess.Popen[bytes] | None = None
        self._channel: Channel | None = None
        self._abandoned = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        """Start the sandbox and import what is slow. SandboxError when it can't work here."""
        if self._abandoned:
            raise GraderError("grading was ended")
        if self._judge is None:
            self._launch()
            answer = self._receive(_START_SECONDS)
            if "error" in answer:
                self.close()
                raise SandboxError(answer["error"])
            self._graded, self._first_resident = 0, answer["resident"]

    def grade(self, notebook: Path, *, student: str, seed: int = 0) -> Report:
        """Grade one submission. Whatever is wrong with it, or with us, stands in the report.

        A fault of ours is tried a second time with everything started anew.
        """
        return self.examine(notebook, student=student, seed=seed)[0]

    def examine(
        self, notebook: Path, *, student: str, seed: int = 0
    ) -> tuple[Report, dict[str, str]]:
        """Grade, and return with the report how each hidden test ended, by function name."""
        request = {"notebook": str(Path(notebook).absolute()), "student": student, "seed": seed}
        graded: tuple[Report, dict[str, str]]
        for attempt in range(_TRIES):
            try:
                self.start()
                answer = self._ask({**request, "final": attempt == _TRIES - 1})
            except GraderError as error:
                self.close()
                graded = not_graded(student, self.suite.lab, str(error), seed=seed), {}
                continue
            self._let_rest(answer["resident"])
            graded = Report.from_dict(answer["report"]), answer["outcomes"]
            if not answer["fault"]:
                break
            self.close()
        return graded

    def abandon(self) -> None:
        """Close it for good. What another thread is grading with it ends as not graded."""
        self._abandoned = True
        self.close()

    def close(self) -> None:
        """End the engine's processes. Safe to call twice; grading again starts it anew."""
        judge, channel = self._judge, self._channel
        self._judge = self._channel = None
        if judge is not None:
            judge.terminate()  # it tidies up; hanging up as well would disturb it
            with contextlib.suppress(subprocess.TimeoutExpired):
                judge.wait(_END_SECONDS)
            judge.kill()
            judge.wait()
        if channel is not None:
            channel.close()

    def _let_rest(self, resident: tuple[int, int]) -> None:
        """End the warm processes when they have served long enough; others will be started.

        `resident` holds the bytes of the judge and of its zygote.
        """
        self._graded += 1
        grown = any(
            now > self._freshness.growth * first
            for now, first in zip(resident, self._first_resident, strict=True)
        )
        if grown or self._graded >= self._freshness.submissions:
            self.close()

    def _launch(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-m", "autograder.judge", str(theirs.fileno())]
            self._judge = subprocess.Popen(
                [*command, str(self.suite.path), self._walls],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        self._channel = Channel(ours)

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        if self._channel is None:
            raise GraderError("the engine is not running")
        try:
            self._channel.send(json.dumps(request).encode())
        except Closed as error:
            raise GraderError("the grading process is gone") from error
        return self._receive(hard_limit(self.suite) + _START_SECONDS)

    def _receive(self, seconds: float) -> dict[str, Any]:
        if self._channel is None:
            raise GraderError("the engine is not running")
        try:
            answer: dict[str, Any] = json.loads(self._channel.receive_within(seconds))
        except (Closed, TimeoutError, WireError) as error:
            raise GraderError("the grading process died or never answered") from error
        return answer


class Engines:
    """Engines side by side; each piece of work has one of them for itself. Use `with`.

    Threads that live as long as this start and end them: what a thread started is killed with it.
    """

    def __init__(self, suite: Suite, count: int, *, walls: Walls = "auto") -> None:
        self._all = [Engine(suite, walls=walls) for _ in range(count)]
        self._pool = ThreadPoolExecutor(count)
        self._given: list[Future[Any]] = []
        self._idle: SimpleQueue[Engine] = SimpleQueue()
        for engine in self._all:
            self._idle.put(engine)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for work in self._given:
            work.cancel()
        with ThreadPoolExecutor(len(self._all)) as others:  # at once, whatever is being graded
            list(others.map(Engine.abandon, self._all))
        self._pool.shutdown()
        for engine in self._all:
            engine.close()  # one that was just starting

    def start(self) -> None:
        """Start them all at the same time. SandboxError when one can't work here."""
        starting = [self._pool.submit(engine.start) for engine in self._all]
        wait(starting)  # none is to be closed while it starts
        for each in starting:
            each.result()

    def submit(self, work: Callable[[Engine], _Result]) -> "Future[_Result]":
        """Have some work done with an engine as soon as one is free."""
        self._given.append(future := self._pool.submit(self._do, work))
        return future

    def _do(self, work: Callable[[Engine], _Result]) -> _Result:
        engine = self._idle.get()
        try:
            return work(engine)
        finally:
            self._idle.put(engine)


def grade(submission: Path, suite: Suite | str, *, seed: int = 0, student: str = "") -> Report:
    """Grade one submission with an engine of its own: simple, and slow for more than one."""
    suite = load_suite(suite) if isinstance(suite, str) else suite
    with Engine(suite) as engine:
        return engine.grade(submission, student=student, seed=seed)
