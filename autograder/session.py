"""One submission's live worker, seen from the trusted side: asks, waits so long, kills, restarts.

Whatever the worker says is checked here for form, and its words are cleaned. A worker that hangs,
dies, eats the memory or breaks the wire is killed; the test that it happened in fails with a
`WorkerLost`, and the next test gets a fresh worker with the cells run again.
"""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NoReturn

from autograder.errors import (
    GraderError,
    MissingNameError,
    NotRunError,
    ProtocolBreach,
    Raised,
    SandboxError,
    StudentError,
    SuiteError,
    UnsendableError,
    WorkerCrashed,
    WorkerLost,
)
from autograder.inert import inert_line
from autograder.notebook import Cell
from autograder.sandbox import Sandbox, ended_how
from autograder.sandbox import Worker as Process
from autograder.sandbox.watch import Meter, Watchdog
from autograder.suite import Limits
from autograder.wire import Channel, Closed, WireError, decode, encode

__all__ = ["Session"]

_MAX_BYTES = 256 * 2**20
_CLEANUP_SECONDS = 30.0
_PATIENCE = 10.0  # on the wall, for one second that may be charged
_MAX_CALLBACKS = 1_000_000
Revive = Callable[[int, str, bool], Any]
Describe = Callable[[Any], int | None]


class Session:
    """Runs a notebook's cells in a sandbox and asks for what they define.

    Args:
        sandbox: a started one. This session has it for itself until `close`.
        cells: what to run before each first question.
        limits: seconds, memory, restarts.
        seed: what the student's random generators start from, in every test anew.

    `notes` says which cells raised; `asked` counts the values that came from the student.
    """

    def __init__(self, sandbox: Sandbox, cells: Sequence[Cell], limits: Limits, seed: int) -> None:
        self._sandbox, self._cells, self._limits, self._seed = sandbox, cells, limits, seed
        self._process: Process | None = None
        self._watchdog: Watchdog | None = None
        self._lost: WorkerLost | None = None
        self._broken: WorkerLost | None = None
        self._restarts = -1
        self._number = 0
        total = limits.total_seconds
        self._total = Meter(f"the whole notebook used up its {total:g} s", total)
        self._budget = self._total
        self._callbacks: list[Callable[..., Any]] = []
        self.dropped: list[int] = []
        self.notes: list[str] = []
        self.asked = 0
        self.generation = 0
        self.revive: Revive = _no_references
        self.describe: Describe = lambda _: None

    # --- a submission, a test ---

    def begin_test(self, seconds: float) -> None:
        """Get ready for a test that may take so long. NotRunError when no worker can be had."""
        self._callbacks.clear()
        self._check_total()
        if self._broken is not None:
            raise self._broken
        if self._process is None:
            self._start()
        self._budget = Meter(f"this test ran longer than {seconds:g} s", seconds)
        self.ask("seed", self._seed)
        self.asked = 0

    def close(self) -> None:
        """Kill the worker and all it started. SandboxError when that can't be done."""
        self._stop()

    def _start(self) -> None:
        self._restarts += 1
        if self._restarts > self._limits.restarts:
            raise NotRunError(f"not run: earlier tests ended your code {self._restarts} times")
        self._lost = None
        self._spawn()
        self.notes.clear()
        seconds = self._limits.cells_seconds
        self._budget = Meter(f"the notebook's cells ran longer than {seconds:g} s", seconds)
        self.ask("seed", self._seed)
        for cell in self._cells:
            self._run(cell)

    def _spawn(self) -> None:
        limits, memory = self._limits, self._limits.memory_mb * 2**20
        self._process = self._sandbox.spawn(
            {
                "memory": memory,
                "scratch": limits.scratch_mb * 2**20,
                "processes": limits.processes,
                "cpu_seconds": limits.total_seconds,
                "max_bytes": _MAX_BYTES,
            }
        )
        self.generation += 1
        self.dropped.clear()
        self._watchdog = Watchdog(self._sandbox.zygote, memory, limits.processes)
        self._watchdog.start()

    def _run(self, cell: Cell) -> None:
        """Run one cell. One that raises is noted; one that kills the worker ends the attempt."""
        try:
            self.ask("cell", cell.source, cell.number, patient=True)
        except StudentError as error:
            self._note(cell, error)
        except WorkerLost as error:
            kind, where = type(error), _where(cell)
            self._broken = kind(f"{where}: {error.reason}; no test could run")
            self.notes.append(f"{where}: {error.reason}.")
            raise self._broken from error

    def _note(self, cell: Cell, error: StudentError) -> None:
        line = f", line {error.raised.line}" if error.raised.line else ""
        said = f": {error.raised.message}" if error.raised.message else ""
        self.notes.append(f"{_where(cell)}{line} raised {error.kind}{said}")

    # --- one question ---

    def ask(self, op: str, *arguments: Any, patient: bool = False) -> Any:
        """Ask the worker and return the value that it sends back.

        Raises StudentError for what the student's code raised, and a kind of WorkerLost when the
        worker had to be killed. `patient` waits for as long as the test or the cells may take.
        """
        if self._process is None:
            raise self._lost or GraderError("asked before begin_test")
        self._drop()
        self._number += 1
        data = self._encode([self._number, op, *arguments])
        try:
            with self._metered(patient) as deadline:
                return self._exchange(self._process.channel, data, deadline)
        except TimeoutError as error:
            self._stop()
            raise SandboxError("the machine was too busy to run the student's code") from error
        except Closed:
            self._lose(None)
        except WireError as error:
            reason = f"your code broke the connection to the grader ({error})"
            self._lose(ProtocolBreach(reason))

    @contextlib.contextmanager
    def _metered(self, patient: bool) -> Iterator[float]:
        """Let the watchdog charge time, and give the moment when waiting has no sense any more."""
        call = self._limits.call_seconds
        meters = [Meter(f"your code ran longer than {call:g} s", call)] * (not patient)
        longest = self._limits.cells_seconds if patient else call
        watchdog = self._watchdog
        if watchdog is None:
            raise GraderError("asked before begin_test")
        watchdog.meters = (*meters, self._budget, self._total)
        try:
            yield time.monotonic() + _PATIENCE * longest + _CLEANUP_SECONDS
        finally:
            watchdog.meters = ()

    def _exchange(self, channel: Channel, data: bytes, deadline: float) -> Any:
        if channel.pending():
            if channel.at_end():
                raise Closed
            raise WireError("it spoke without being asked")
        channel.send(data, deadline)
        for _ in range(_MAX_CALLBACKS):
            answer = self._decode(channel.receive(deadline))
            if answer[0] != "callback":
                return self._value(*answer)
            channel.send(self._call_back(*answer[1:]), deadline)
        raise WireError("it called back too often")

    def _decode(self, data: bytes) -> list[Any]:
        answer = decode(data, self._revived)
        if type(answer) is not list or len(answer) < 3 or not _is(answer[:2], int, str):
            raise WireError("an answer of the wrong form")
        number, outcome, *rest = answer
        if number != self._number:
            raise WireError("an answer to another question")
        if outcome not in _FORMS or not _is(rest, *_FORMS[outcome]):
            raise WireError("an answer of the wrong form")
        return [outcome, *rest]

    def _value(self, outcome: str, *rest: Any) -> Any:
        self.asked += 1
        if outcome == "value":
            return rest[0]
        if outcome == "missing":
            raise MissingNameError(inert_line(rest[0], 80))
        if outcome == "unsendable":
            raise UnsendableError(inert_line(rest[0], 200))
        raise StudentError(_raised(*rest))

    # --- references and callbacks ---

    def _encode(self, message: list[Any]) -> bytes:
        try:
            return encode(message, self._refer, _MAX_BYTES)
        except WireError as error:
            raise SuiteError(f"an argument of a hidden test can't be sent: {error}") from error

    def _refer(self, value: Any) -> tuple[str, int]:
        known = self.describe(value)
        if known is not None:
            return "object", known
        if not callable(value):
            raise WireError(f"a {type(value).__name__} can't be sent")
        self._callbacks.append(value)
        return "callback", len(self._callbacks) - 1

    def _revived(self, fields: list[Any]) -> Any:
        if not _is(fields, int, str, bool):
            raise WireError("a reference of the wrong form")
        return self.revive(fields[0], inert_line(fields[1], 80), fields[2])

    def _call_back(self, known: int, args: list[Any], kwargs: dict[str, Any]) -> bytes:
        """Call a function of the suite for the student's code; of an error only the kind goes."""
        if not 0 <= known < len(self._callbacks) or not all(type(key) is str for key in kwargs):
            raise WireError("a call of something that was not given to it")
        self.asked += 1
        try:
            value = self._callbacks[known](*args, **kwargs)
        except WorkerLost:
            raise
        except Exception as error:
            return self._encode([self._number, "failed", type(error).__name__])
        return self._encode([self._number, "value", value])

    def _drop(self) -> None:
        """Let go of objects that no test holds any more."""
        if self.dropped and self._process is not None:
            ids, self.dropped = self.dropped, []
            with contextlib.suppress(StudentError):
                self.ask("drop", ids)

    # --- the end of a worker ---

    def _lose(self, loss: WorkerLost | None) -> NoReturn:
        """Kill the worker and say why, the watchdog's reason first."""
        status = self._stop()
        seen = self._watchdog.loss if self._watchdog is not None else None
        ended = WorkerCrashed(f"your code ended the process: {ended_how(status)}")
        self._lost = seen or loss or ended
        raise self._lost

    def _stop(self) -> int | None:
        if self._process is None:
            return None
        self._process = None
        if self._watchdog is not None:
            self._watchdog.stop()
        try:
            return self._sandbox.end()
        except SandboxError:  # what it left behind can't be cleaned up: throw it all away
            self._sandbox.renew()
            return None

    def _check_total(self) -> None:
        if self._total.used_up:
            raise NotRunError(f"not run: {self._total.reason}")


_FORMS: dict[str, tuple[type | None, ...]] = {
    "value": (None,),
    "missing": (str,),
    "unsendable": (str,),
    "raised": (list, str, None, None, str),
    "callback": (int, list, dict),
}


def _is(values: Sequence[Any], *kinds: type | None) -> bool:
    """Whether values are of exactly these types; None takes any."""
    if type(values) is not list or len(values) != len(kinds):
        return False
    return all(
        kind is None or type(value) is kind for value, kind in zip(values, kinds, strict=True)
    )


def _raised(kinds: list[Any], message: str, cell: Any, line: Any, source: str) -> Raised:
    names = tuple(inert_line(str(kind), 80) for kind in kinds[:20] if type(kind) is str)
    if type(cell) is not int or type(line) is not int:
        cell = line = None
    return Raised(names or ("Exception",), inert_line(message), cell, line, inert_line(source))


def _where(cell: Cell) -> str:
    if cell.number:
        return f"Cell {cell.number}"
    return f"The lab's cell {cell.label!r}" if cell.label else "A cell of the lab"


def _no_references(known: int, kind: str, is_callable: bool) -> NoReturn:
    raise SandboxError(f"nothing here can hold a {kind}")
