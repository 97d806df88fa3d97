"""Looks at the processes inside a sandbox from outside, and kills those that use too much.

Limits that the kernel sets on one process miss some memory (shared mappings) and, for root, the
number of processes. So a thread of the trusted side adds up what is resident, 20 times a second.

Time is charged fairly: a process that runs pays with its CPU time, so that a busy machine costs a
student nothing; a process that sleeps pays with the time on the wall. Who waits for a disk pays a
quarter: the disk may be slow, but waiting can be all that a process does.
"""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from autograder.errors import WorkerLost, WorkerOutOfMemory, WorkerTimedOut, WorkerTooManyThreads

__all__ = ["Meter", "Usage", "Watchdog", "kill_workers", "oom_kills", "usage", "workers"]

_TICK = 0.05
_PAGE = os.sysconf("SC_PAGE_SIZE")
_CLOCK = os.sysconf("SC_CLK_TCK")
_DISK_SHARE = 0.25  # of the time on the wall, for waiting for a disk


@dataclass(frozen=True)
class Process:
    """One line of /proc/PID/stat, as far as it matters here. Times in seconds, memory in bytes."""

    pid: int
    parent: int
    state: str
    cpu: float
    threads: int
    started: int
    resident: int

    @classmethod
    def read(cls, pid: int) -> "Process | None":
        """Read a process; None when it is gone."""
        try:
            text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None
        field = ["", "", *text.rpartition(")")[2].split()]  # the name may hold anything
        cpu = (int(field[13]) + int(field[14])) / _CLOCK
        threads, started, pages = int(field[19]), int(field[21]), int(field[23])
        if field[2] == "Z" and threads > 1:
            pages = _pages(pid)
        return cls(pid, int(field[3]), field[2], cpu, threads, started, pages * _PAGE)


def _pages(pid: int) -> int:
    """Ask the threads what is resident: a process is silent once its first thread ended."""
    found = [0]
    with contextlib.suppress(OSError):  # a thread may end at any moment
        for thread in Path(f"/proc/{pid}/task").iterdir():
            found.append(int((thread / "statm").read_text(encoding="ascii").split()[1]))
    return max(found)


@dataclass(frozen=True)
class Usage:
    """What the student's processes use: resident bytes above the zygote's own, threads, CPU time.

    `share` is that of the time on the wall which they pay for at least, whatever they use.
    """

    memory: int = 0
    tasks: int = 0
    cpu: float = 0.0
    share: float = 1.0


def workers(zygote: int) -> list[Process]:
    """Return every live process in the zygote's pid namespace but the first one and itself."""
    parent = Process.read(zygote)
    if parent is None:
        return []
    found = list(_below(zygote))
    found += [each for each in _below(parent.parent) if each.pid != zygote and _is_init(parent)]
    return list({each.pid: each for each in found if _lives(each)}.values())


def usage(zygote: int) -> Usage:
    """Add up what the workers of a zygote use."""
    parent, found = Process.read(zygote), workers(zygote)
    shared = parent.resident if parent is not None else 0
    return Usage(
        memory=sum(max(0, each.resident - shared) for each in found),
        tasks=sum(each.threads for each in found),
        cpu=sum(each.cpu for each in found),
        share=_share({each.state for each in found}),
    )


def _share(states: set[str]) -> float:
    if "D" in states:
        return _DISK_SHARE
    return 0.0 if "R" in states else 1.0


def kill_workers(zygote: int) -> None:
    """Kill the student's processes from outside, without asking the zygote."""
    for process in workers(zygote):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            handle = os.pidfd_open(process.pid)
            try:
                now = Process.read(process.pid)
                if now is not None and now.started == process.started:  # no recycled number
                    signal.pidfd_send_signal(handle, signal.SIGKILL)
            finally:
                os.close(handle)


def oom_kills() -> int | None:
    """Return how many processes this machine has killed for want of memory; None: it won't say."""
    with contextlib.suppress(OSError, ValueError):
        for line in Path("/proc/vmstat").read_text(encoding="ascii").splitlines():
            name, _, count = line.partition(" ")
            if name == "oom_kill":
                return int(count)
    return None


def _below(pid: int) -> Iterator[Process]:
    """Yield children, their children, and so on."""
    try:
        numbers = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    except OSError:
        return
    for number in map(int, numbers):
        if (process := Process.read(number)) is not None:
            yield process
            yield from _below(number)


def _lives(process: Process) -> bool:
    """Whether any of its threads does: the first one may have ended before the others."""
    return process.state != "Z" or process.threads > 1


def _is_init(zygote: Process) -> bool:
    """Whether the zygote's parent is the first process of a namespace of its own."""
    try:
        lines = Path(f"/proc/{zygote.parent}/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return False
    numbers = next((line.split()[1:] for line in lines if line.startswith("NSpid:")), [])
    return len(numbers) > 1 and numbers[-1] == "1"


class Meter:
    """So many seconds may be charged, then `reason` is why the worker was killed."""

    def __init__(self, reason: str, seconds: float) -> None:
        self.reason = reason
        self._left = seconds

    @property
    def used_up(self) -> bool:
        """Whether too much has been charged."""
        return self._left < 0

    def charge(self, seconds: float) -> None:
        """Charge some time."""
        self._left -= seconds


class Watchdog(threading.Thread):
    """Kills the workers of a zygote once they use too much; look at `loss` afterwards.

    `meters` run while the student's code has the floor: set them before asking, clear them after.
    """

    def __init__(
        self, zygote: int, memory: int, tasks: int, measure: Callable[[int], Usage] = usage
    ) -> None:
        super().__init__(name="watchdog", daemon=True)
        self._zygote, self._memory, self._tasks = zygote, memory, tasks
        self._measure = measure
        self._done = threading.Event()
        self._latest = (time.monotonic(), 0.0)
        self.meters: tuple[Meter, ...] = ()
        self.loss: WorkerLost | None = None

    def run(self) -> None:
        """Look 20 times a second until stopped."""
        while not self._done.wait(_TICK):
            now = self._measure(self._zygote)
            for loss in (*self._excess(now), *self._overtime(now)):
                self.loss = self.loss or loss
                kill_workers(self._zygote)

    def stop(self) -> None:
        """Stop looking."""
        self._done.set()
        self.join()

    def _excess(self, now: Usage) -> Iterator[WorkerLost]:
        if now.memory > self._memory:
            most = self._memory // 2**20
            yield WorkerOutOfMemory(f"your code used more than {most} MB of memory")
        if now.tasks > self._tasks:
            yield WorkerTooManyThreads(f"your code started more than {self._tasks} threads")

    def _overtime(self, now: Usage) -> Iterator[WorkerLost]:
        moment, cpu = time.monotonic(), now.cpu
        passed, used = moment - self._latest[0], cpu - self._latest[1]
        self._latest = (moment, cpu)
        charge = min(max(used, passed * now.share), passed)
        for meter in self.meters:
            meter.charge(max(charge, 0.0))
            if meter.used_up:
                yield WorkerTimedOut(meter.reason)
