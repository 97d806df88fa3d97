"""What work costs: seconds, CPU seconds and the most memory, of every process that it starts.

`resource.getrusage` counts a process when its parent has waited for it, and a sandbox kills without
waiting. So a thread looks at the tree of processes a few times a second:

- CPU: the sum of what all processes used, and of what they took over from children that they
  waited for. When one is killed and nobody takes over, the sum falls; its rises are what counts.
- Memory: the sum of proportional set sizes, so that a page which ten forks share counts once.
  Where the kernel shows them only to root, resident sizes stand in, and shared pages count twice.
"""

import threading
import time
from dataclasses import dataclass
from typing import Self

import psutil

_PERIOD = 0.05
_MEMORY_EVERY = 5  # looks; asking for shares of pages costs milliseconds


@dataclass(frozen=True)
class Usage:
    """What some work cost.

    Attributes:
        seconds: on the clock.
        cpu_seconds: user and system time of all processes together.
        peak_mb: the most memory at one time, of all processes together, in 2**20 bytes.
    """

    seconds: float
    cpu_seconds: float
    peak_mb: float

    def per(self, submissions: int) -> dict[str, float]:
        """Return plain values, the times divided by the number of submissions."""
        return {
            "seconds": self.seconds / submissions,
            "cpu_seconds": self.cpu_seconds / submissions,
            "peak_mb": self.peak_mb,
        }


class Meter:
    """Measures all child processes of this one between `with` and its end; then see `usage`."""

    usage: Usage

    def __init__(self) -> None:
        self._self = psutil.Process()
        self._cpu = self._peak = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._sum = self._cpu_sum()
        self._began = time.perf_counter()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        seconds = time.perf_counter() - self._began
        self._over.set()
        self._thread.join()
        self._look()
        self.usage = Usage(seconds, self._cpu, self._peak / 2**20)

    def _watch(self) -> None:
        looks = 0
        while not self._over.wait(_PERIOD):
            self._look()
            if looks % _MEMORY_EVERY == 0:
                self._peak = max(self._peak, sum(map(_memory, self._children())))
            looks += 1

    def _look(self) -> None:
        now = self._cpu_sum()
        self._cpu += max(0.0, now - self._sum)
        self._sum = now

    def _cpu_sum(self) -> float:
        """Add up the times of one moment: look again if a process came or went meanwhile."""
        while True:
            children = self._children()
            mine = self._self.cpu_times()
            total = mine.children_user + mine.children_system + sum(map(_cpu, children))
            if children == self._children():
                return float(total)

    def _children(self) -> list[psutil.Process]:
        return list(self._self.children(recursive=True))


def _cpu(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system + times.children_user + times.children_system)


def _memory(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except psutil.AccessDenied:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:  # a zombie has no memory
        return 0
