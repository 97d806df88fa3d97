"""One submission's live worker, seen from the trusted side: asks, waits so long, kills, restarts.

Whatever the worker says is checked here for form, and its words are cleaned. A worker that hangs,
dies, eats the memory or breaks the wire is killed; the test that it happened in fails with a
`WorkerLost`, and the next test gets a fresh worker with the cells run again. A cell of the
student's that ends the worker is left out from then on: it costs what it defines, and no more.
"""

import contextlib
import hashlib
import itertools
import time
import weakref
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NoReturn

from autograder.errors import (
    GraderError,
    MissingNameError,
    NotRunError,
    OverLimitError,
    Place,
    ProtocolBreach,
    Raised,
    SandboxError,
    StudentError,
    SuiteError,
    UnsendableError,
    WorkerLost,
)
from autograder.inert import inert_line
from autograder.limits import LASTING, Limits, loss_of, over_limit, sentence
from autograder.notebook import Cell
from autograder.question import Question, is_of
from autograder.report import Note, Verdict
from autograder.sandbox import Ended, Host
from autograder.sandbox import Worker as Process
from autograder.sandbox.watch import Meter, Watchdog, oom_kills, usage
from autograder.values import encode
from autograder.wire import Channel, Closed, WireError

__all__ = ["Session"]

_CLEANUP_SECONDS = 30.0
_PATIENCE = 10.0  # on the wall, for one second that may be charged
_DYING_SECONDS = 2.0
_MAX_CALLBACKS = 1_000_000
_MAX_DROPPED = 100_000
_MAX_LEFT_OUT = 10
Revive = Callable[[int, str, bool], Any]
Describe = Callable[[Any], int | None]


class Session:
    """Runs a notebook's cells in a sandbox and asks for what they define.

    Args:
        sandbox: a started one. This session has it for itself until `close`.
        cells: what to run before each first question.
        limits: seconds, memory, restarts.
        seed: of the submission. The student's random generators start in every test from a number
            made from it, which does not lead back to the inputs that tests draw.
        total: what an earlier session of the same submission left of its time.
        final: whether this is the last try. Then a SIGKILL that nobody here sent is the student's
            fault, unless the machine has killed for want of memory.

    `notes` says which cells raised; `asked` counts the values that came from the student.
    """

    def __init__(
        self,
        sandbox: Host,
        cells: Sequence[Cell],
        limits: Limits,
        seed: int,
        total: Meter | None = None,
        *,
        final: bool = False,
    ) -> None:
        self._sandbox, self._cells, self._limits = sandbox, cells, limits
        self._seed = int.from_bytes(hashlib.sha256(b"student %d" % seed).digest()[:6], "big")
        self._lines = {cell.number: len(cell.source.splitlines()) for cell in cells}
        self._process: Process | None = None
        self._watchdog: Watchdog | None = None
        self._lost: WorkerLost | OverLimitError | None = None
        self._broken: WorkerLost | None = None
        self._final, self._oom_kills = final, oom_kills()
        self._left_out: dict[int, Note] = {}
        self._ended: Counter[str | None] = Counter()
        self._task: str | None = None
        self._number = 0
        seconds = limits.total_seconds
        self.total = total or Meter(f"the whole notebook used up its {seconds:g} s", seconds)
        self._budget = self.total
        self._callbacks: list[Callable[..., Any]] = []
        self._tensors = itertools.count(-1, -1)
        self._dropped: deque[int] = deque()
        self.notes: list[Note] = []
        self.asked = 0
        self.generation = 0
        self.revive: Revive = _no_references
        self.describe: Describe = lambda _: None

    # --- a submission, a test ---

    def begin_test(self, seconds: float, task: str = "") -> None:
        """Get ready for a test that may take so long. NotRunError when no worker can be had.

        Each task has restarts of its own: a mistake in one costs nothing in another.
        """
        self._callbacks.clear()
        self._task = None  # what the cells end is no task's
        self._check_total()
        if self._broken is not None:
            raise self._broken
        if (times := self._ended[task]) > self._limits.restarts:
            raise NotRunError(f"not run: earlier tests of this task ended your code {times} times")
        if self._process is None:
            self._start()
        self._task = task
        self._budget = Meter(f"this test ran longer than {seconds:g} s", seconds)
        self.ask("seed", self._seed)
        self.asked = 0

    @property
    def cpu_seconds(self) -> float:
        """Processor time of the worker with all that it started. It begins anew with each."""
        return usage(self._sandbox.zygote).cpu

    def close(self) -> None:
        """Kill the worker and all it started. SandboxError when that can't be done."""
        self._stop()

    def _start(self) -> None:
        told = self.notes[:] if self.generation else None
        try:
            while not self._run_cells():
                self._check_total()
        finally:
            if told is not None:  # by now the cells may know what tests passed to their functions
                self.notes[:] = told

    def _run_cells(self) -> bool:
        """Run the cells in a new worker; whether none of them ended it."""
        self._lost = None
        self._spawn()
        self.notes[:] = self._left_out.values()
        seconds = self._limits.cells_seconds
        self._budget = Meter(f"the notebook's cells ran longer than {seconds:g} s", seconds)
        self.ask("seed", self._seed)
        return all(self._run(cell) for cell in self._cells if cell.number not in self._left_out)

    def _spawn(self) -> None:
        limits = self._limits
        self._process = self._sandbox.spawn(limits)
        self.generation += 1
        self._dropped.clear()
        self._watchdog = Watchdog(self._sandbox.zygote, limits.memory, limits.processes)
        self._watchdog.start()

    def _run(self, cell: Cell) -> bool:
        """Run one cell. One that raises is noted.

        One that ends the worker ends the attempt; False where it can be left out of the next.
        """
        try:
            self.ask("cell", cell.source, cell.number, patient=True)
        except StudentError as error:
            self._note(cell, error)
        except WorkerLost as error:
            where, said = _where(cell), f"{error.reason}."
            if cell.own and len(self._left_out) < _MAX_LEFT_OUT:
                said = f"{said} The others were run without it."
                self._left_out[cell.number] = Note(where, said, cell=cell.number)
                return False
            self._broken = type(error)(f"{where}: {error.reason}; no test could run")
            self.notes.append(Note(where, said, cell=cell.number))
            raise self._broken from error
        return True

    def _note(self, cell: Cell, error: StudentError) -> None:
        lines = [place.line for place in error.raised.trail if place.cell == cell.number]
        said = str(error) if isinstance(error, OverLimitError) else error.raised.message
        line = lines[-1] if lines else 0
        self.notes.append(Note(_where(cell), said, error.kind, cell.number, line))

    # --- one question ---

    def ask(self, op: str, *arguments: Any, patient: bool = False) -> Any:
        """Ask the worker and return the value that it sends back.

        Raises StudentError for what the student's code raised, and a kind of WorkerLost when the
        worker had to be killed. `patient` waits for as long as the test or the cells may take.
        """
        channel = self._channel()
        self._number += 1
        question = Question(self._number, arguments[1] if op == "get" else "")
        data = self._encode([question.number, op, *arguments], question)
        try:
            with self._metered(patient) as deadline:
                return self._exchange(channel, question, data, deadline)
        except TimeoutError as error:
            self._stop()
            raise SandboxError("the machine was too busy to run the student's code") from error
        except Closed:
            self._lose(None)
        except WireError as error:
            self.breach(str(error))
        except OverLimitError as error:
            if op != "cell" and error.verdict in LASTING:
                self._replace(error)
            raise
        finally:
            self._settle(question)

    def _replace(self, error: OverLimitError) -> None:
        """End a worker that may still hold what it took, for the next test's sake. No loss."""
        self._stop()
        self._lost = error

    def _channel(self) -> Channel:
        if self._process is None:
            raise self._lost or GraderError("asked before begin_test")
        return self._process.channel

    def breach(self, what: str) -> NoReturn:
        """Kill a worker that sent what no worker may send. What it was is told to staff only."""
        loss = ProtocolBreach("your code broke the connection to the grader")
        loss.add_note(f"  {inert_line(what)}")
        self._lose(loss)

    def drop_with(self, owner: object, numbers: Sequence[int]) -> None:
        """Let the worker drop what it keeps under these numbers once `owner` is gone."""
        weakref.finalize(owner, _drop, weakref.ref(self), self.generation, numbers)

    def drop(self, numbers: Sequence[int]) -> None:
        """Let the worker drop what it keeps under these numbers, along with the next question."""
        self._dropped.extend(numbers)

    @contextlib.contextmanager
    def _metered(self, patient: bool) -> Iterator[float]:
        """Let the watchdog charge time, and give the moment when waiting has no sense any more."""
        call = self._limits.call_seconds
        meters = [Meter(f"your code ran longer than {call:g} s", call)] * (not patient)
        longest = self._limits.cells_seconds if patient else call
        watchdog = self._watchdog
        if watchdog is None:
            raise GraderError("asked before begin_test")
        outer = watchdog.meters  # of a question whose callback asks this one
        watchdog.meters = (*meters, *(outer or (self._budget, self.total)))
        try:
            yield time.monotonic() + _PATIENCE * longest + _CLEANUP_SECONDS
        finally:
            watchdog.meters = outer

    def _exchange(self, channel: Channel, question: Question, data: bytes, deadline: float) -> Any:
        if channel.pending():
            if channel.at_end():
                raise Closed
            raise WireError("it spoke without being asked")
        while self._dropped:
            channel.send(self._dropping(), deadline)
        channel.send(data, deadline)
        for _ in range(_MAX_CALLBACKS):
            answer = question.read(channel.receive(deadline), self._revived)
            if answer[0] != "callback":
                return self._value(question, *answer)
            reply = self._call_back(question, *answer[1:])
            self._channel().send(reply, deadline)  # a function that asks may have lost the worker
        raise WireError("it called back too often")

    def _dropping(self) -> bytes:
        """Return a message that lets go of what no test holds any more. It has no answer."""
        most = min(len(self._dropped), _MAX_DROPPED)
        return encode([0, "drop", [self._dropped.popleft() for _ in range(most)]])

    def _settle(self, question: Question) -> None:
        """Join an answer's tensors to autograd's graph, or let go of what was sent for that."""
        if question.kept and self._process is not None:
            from autograder.gradients import join  # imports torch

            join(self, question)
        else:
            self.drop([number for number, _ in question.sent])

    def _value(self, question: Question, outcome: str, *rest: Any) -> Any:
        self.asked += 1
        if outcome == "value":
            return rest[0]
        if outcome == "missing":
            raise MissingNameError(question.name)
        if outcome == "unsendable":
            raise UnsendableError(inert_line(rest[0], 200))
        if outcome == "too_large":
            said = sentence(Verdict.too_large, self._limits)
            raise OverLimitError(_TOO_LARGE, Verdict.too_large, said)
        raised = self._raised(*rest)
        raise over_limit(raised, self._limits) or StudentError(raised)

    def _raised(self, kinds: list[Any], message: str, places: list[Any]) -> Raised:
        names = tuple(inert_line(str(kind), 80) for kind in kinds[:20] if type(kind) is str)
        trail = tuple(_place(*each) for each in places[-20:] if self._exists(each))
        return Raised(names or ("Exception",), inert_line(message), trail)

    def _exists(self, place: Any) -> bool:
        """Whether the student has such a line: any other number would be a message."""
        if not is_of(place, int, int, str, str):
            return False
        cell, line = place[:2]
        return 1 <= line <= self._lines.get(cell, 0)

    # --- references and callbacks ---

    def _encode(self, message: list[Any], question: Question | None = None) -> bytes:
        def keep(tensor: Any) -> int | None:
            if question is None:
                return None
            question.sent.append((next(self._tensors), tensor))
            return question.sent[-1][0]

        try:
            return encode(message, self._refer, self._limits.returned, keep=keep)
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
        if not is_of(fields, int, str, bool):
            raise WireError("a reference of the wrong form")
        return self.revive(fields[0], inert_line(fields[1], 80), fields[2])

    def _call_back(
        self, question: Question, known: int, args: list[Any], kwargs: dict[str, Any]
    ) -> bytes:
        """Call a function of the suite for the student's code; of an error only the kind goes."""
        if not 0 <= known < len(self._callbacks) or not all(type(key) is str for key in kwargs):
            raise WireError("a call of something that was not given to it")
        self.asked += 1
        try:
            value = self._callbacks[known](*args, **kwargs)
        except GraderError:
            self._stop()  # the author's fault, or ours: nobody is to answer for it over there
            raise
        except Exception as error:
            if self._process is None:
                raise
            return self._encode([question.number, "failed", type(error).__name__])
        return self._encode([question.number, "value", value])

    # --- the end of a worker ---

    def _lose(self, loss: WorkerLost | None) -> NoReturn:
        """Kill the worker and say why, the watchdog's reason first.

        SandboxError when it may be the machine's doing: then the submission is graded anew.
        """
        if self._process is None and self._lost is not None:
            raise self._lost
        ended = self._stop(0.0 if loss else _DYING_SECONDS)
        seen = self._watchdog.loss if self._watchdog is not None else None
        if not seen and not loss and ended.gone:
            raise SandboxError(ended.gone)
        ours = not self._final or oom_kills() != self._oom_kills
        self._lost = seen or loss or loss_of(ended.status, ended.why, self._limits, ours=ours)
        self._ended[self._task] += 1
        raise self._lost

    def _stop(self, patience: float = 0.0) -> Ended:
        if self._process is None:
            return Ended()
        self._process = None
        if self._watchdog is not None:
            self._watchdog.stop()
        try:
            return self._sandbox.end(patience)
        except SandboxError as error:  # what is left can't be cleaned up: throw it all away
            self._sandbox.renew()
            return Ended(gone=str(error))

    def _check_total(self) -> None:
        if self.total.used_up:
            raise NotRunError(f"not run: {self.total.reason}")


_TOO_LARGE = Raised(("TooLargeError",), "")


def _place(cell: int, line: int, function: str, source: str) -> Place:
    return Place(cell, line, inert_line(function, 80), inert_line(source))


def _where(cell: Cell) -> str:
    if cell.number:
        return f"Cell {cell.number}"
    return f"The lab's cell {cell.label!r}" if cell.label else "A cell of the lab"


def _no_references(known: int, kind: str, is_callable: bool) -> NoReturn:
    raise SandboxError(f"nothing here can hold a {kind}")


def _drop(session: "weakref.ref[Session]", generation: int, numbers: Sequence[int]) -> None:
    alive = session()
    if alive is not None and alive.generation == generation:
        alive.drop(numbers)
