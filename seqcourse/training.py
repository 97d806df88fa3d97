"""Training: seeds, and the cost of what was run."""

import os
import random
import resource
import sys
import time
from types import TracebackType

import numpy as np

from seqcourse import LOADED_AT


def seed_everything(seed: int) -> np.random.Generator:
    """Seed Python's, NumPy's and PyTorch's global generators; return a NumPy one of your own.

    Prefer the returned generator: passing it on shows where the randomness goes.

    Raises:
        ValueError: if the seed is outside 0 … 2**32 - 1.
    """
    if not 0 <= seed < 2**32:
        raise ValueError(f"seed must be within 0 … 2**32 - 1, but is {seed}")
    import torch  # here, because it takes seconds to import and the rest does without

    random.seed(seed)
    np.random.seed(seed)  # third-party code may use the global generator
    torch.manual_seed(seed)
    return np.random.default_rng(seed)


class Stopwatch:
    """Measures the wall-clock seconds that a block takes.

    >>> with Stopwatch() as watch:
    ...     _ = sum(range(10))
    >>> watch.seconds < 60
    True
    """

    def __init__(self) -> None:
        self._start = time.perf_counter()
        self._stop: float | None = None

    def __enter__(self) -> "Stopwatch":
        self._start, self._stop = time.perf_counter(), None
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Seconds from the start to the end of the block, or to now inside it."""
        return (self._stop or time.perf_counter()) - self._start


def peak_memory() -> float:
    """Return the most memory this process has held so far, in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # KiB, but bytes on macOS
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


def page_cost() -> str:
    """Return a sentence with the seconds since loading, the peak memory and the CPUs."""
    seconds = time.perf_counter() - LOADED_AT
    return (
        f"This page's code took {seconds:.0f} seconds and {peak_memory():.0f} MiB of memory "
        f"on {os.cpu_count()} CPU cores."
    )
