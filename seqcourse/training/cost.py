"""Cost: the seconds and the memory that something took."""

import os
import resource
import sys
import time

from seqcourse import LOADED_AT

__all__ = ["Stopwatch", "page_cost", "peak_gpu_memory", "peak_memory"]


class Stopwatch:
    """Measures the wall-clock seconds that a block takes.

    Work on a GPU is only *queued* by the lines of a block: call
    `torch.cuda.synchronize()` as the last of them, or what is measured is the queueing.

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

    def __exit__(self, *_: object) -> None:
        self._stop = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Seconds from the start to the end of the block, or to now inside it."""
        return (self._stop or time.perf_counter()) - self._start


def peak_memory() -> float:
    """Return the most main memory this process has held so far, in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # KiB; bytes on macOS
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


def peak_gpu_memory() -> float:
    """Return the most GPU memory that tensors have held, in MiB; 0 without a GPU.

    Summed over the GPUs. What PyTorch has set aside but not filled does not count.
    """
    torch = sys.modules.get("torch")  # who never imported it has nothing on a GPU
    if torch is None or not torch.cuda.is_initialized():
        return 0.0
    gpus = range(torch.cuda.device_count())
    return sum(torch.cuda.max_memory_allocated(gpu) for gpu in gpus) / 2**20


def page_cost() -> str:
    """Return a sentence: the seconds since loading, the peak memory, the CPUs."""
    seconds = time.perf_counter() - LOADED_AT
    gpu = peak_gpu_memory()
    return (
        f"This page's code took {seconds:.0f} seconds and {peak_memory():.0f} MiB of "
        f"memory on {os.cpu_count()} CPU cores"
        + (f", and {gpu:.0f} MiB on a GPU." if gpu else ".")
    )
