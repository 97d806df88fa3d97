"""What one submission may use, and what a student reads when that was not enough.

Some limits raise in the student's code, others end its process. Either way the test that it
happened in gets the limit's own verdict and a sentence with its number.
"""

import errno
import math
import os
import re
import signal
from dataclasses import asdict, dataclass

from autograder.errors import (
    OverLimitError,
    Raised,
    SandboxError,
    SuiteError,
    WorkerCrashed,
    WorkerLost,
    WorkerOutOfDisk,
    WorkerTimedOut,
)
from autograder.report import Verdict

__all__ = ["LASTING", "Limits", "loss_of", "over_limit", "sentence"]

_MB = 2**20


@dataclass(frozen=True)
class Limits:
    """What one submission may use: `[limits]` of `lab.toml`.

    Seconds are fair on a busy machine: code that computes, or would if it were its turn, is
    charged the processor time that it got; code that sleeps is charged the time on the clock.

    Attributes:
        memory_mb: resident memory and shared memory of all its processes together.
        call_seconds: one call of a student's function.
        test_seconds: one hidden test, all its calls together.
        cells_seconds: running the notebook's cells.
        total_seconds: the whole submission; then no further test is run.
        scratch_mb: files in its own folder, all together.
        files: files and folders in its own folder.
        open_files: files that are open at once, the grader's socket included.
        processes: threads, libraries' own included. New processes can't be started at all.
        output_mb: printed text, for each call and each run of a cell. It is thrown away.
        returned_mb: one value that a call returns.
        restarts: how often the cells run again for a task whose tests ended the process.
    """

    memory_mb: int = 2048
    call_seconds: float = 10.0
    test_seconds: float = 20.0
    cells_seconds: float = 60.0
    total_seconds: float = 300.0
    scratch_mb: int = 64
    files: int = 10_000
    open_files: int = 256
    processes: int = 64
    output_mb: int = 16
    returned_mb: int = 256
    restarts: int = 2

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            whole = not name.endswith("_seconds")
            known = type(value) is int or (type(value) is float and not whole)
            if not known or not (0 < value < math.inf or (name == "restarts" and value == 0)):
                kind = "whole number" if whole else "number"
                raise SuiteError(f"the limit {name} must be a {kind} above 0, not {value!r}")

    @property
    def memory(self) -> int:
        """Bytes of memory."""
        return self.memory_mb * _MB

    @property
    def returned(self) -> int:
        """Bytes that one value may have on the wire."""
        return self.returned_mb * _MB

    def for_worker(self) -> dict[str, float]:
        """Return what the worker's side needs to know, in bytes and seconds."""
        return {
            "memory": self.memory,
            "scratch": self.scratch_mb * _MB,
            "files": self.files,
            "open_files": self.open_files,
            "processes": self.processes,
            "output": self.output_mb * _MB,
            "max_bytes": self.returned,
            "cpu_seconds": self.total_seconds,
        }


_SENTENCES = {
    Verdict.out_of_memory: "your code asked for more than the {memory_mb} MB of memory it may use",
    Verdict.out_of_disk: "your code wrote more than the {scratch_mb} MB of files it may write",
    Verdict.too_many_files: "your code had more than {open_files} files open at once",
    Verdict.too_many_threads: "your code started more than {processes} threads",
    Verdict.too_much_output: "your code printed more than {output_mb} MB of text",
    Verdict.too_large: "your code returned a value of more than {returned_mb} MB",
}
# What goes on after the call that met the limit: memory kept, files open, threads running.
LASTING = frozenset(
    {
        Verdict.out_of_memory,
        Verdict.out_of_disk,
        Verdict.too_many_files,
        Verdict.too_many_threads,
    }
)
_ERRNO = re.compile(r"\[Errno (\d+)\]")
_ERRORS = {
    errno.ENOMEM: Verdict.out_of_memory,
    errno.ENOSPC: Verdict.out_of_disk,
    errno.EDQUOT: Verdict.out_of_disk,
    errno.EFBIG: Verdict.out_of_disk,
    errno.EMFILE: Verdict.too_many_files,
}


def sentence(verdict: Verdict, limits: Limits) -> str:
    """Say which limit it was, with its number.

    >>> sentence(Verdict.too_many_files, Limits(open_files=64))
    'your code had more than 64 files open at once'
    """
    return _SENTENCES[verdict].format(**asdict(limits))


def over_limit(raised: Raised, limits: Limits) -> OverLimitError | None:
    """Recognise an exception that a limit raised in the student's code; None for any other."""
    verdict = _verdict(raised)
    return OverLimitError(raised, verdict, sentence(verdict, limits)) if verdict else None


def _verdict(raised: Raised) -> Verdict | None:
    if "MemoryError" in raised.kinds or "can't allocate memory" in raised.message:
        return Verdict.out_of_memory
    if "OutputLimitError" in raised.kinds:
        return Verdict.too_much_output
    if "RuntimeError" in raised.kinds and "can't start new thread" in raised.message:
        return Verdict.too_many_threads
    found = _ERRNO.match(raised.message) if "OSError" in raised.kinds else None
    return _ERRORS.get(int(found[1])) if found else None


def loss_of(status: int | None, why: str, limits: Limits, *, ours: bool = True) -> WorkerLost:
    """Say why a worker is gone that nobody here killed, from its wait status and the zygote's word.

    Raises SandboxError when it may not be the student's doing. `ours` is whether that is said of a
    SIGKILL too. No way is known in which student code can end itself by one; but who found it
    would escape every zero as "not graded", so that it is not believed for ever.
    """
    if why == "files":
        return WorkerOutOfDisk(f"your code made more than {limits.files} files")
    if why == "disk":
        return WorkerOutOfDisk(sentence(Verdict.out_of_disk, limits))
    if why == "machine":
        raise SandboxError("this machine's disk is nearly full")
    if status is not None and os.WIFSIGNALED(status):
        return _signalled(os.WTERMSIG(status), limits, ours)
    if status is None:
        return WorkerCrashed("your code closed its connection to the grader")
    return WorkerCrashed("your code ended its own process, as `exit` or `os._exit` do")


def _signalled(number: int, limits: Limits, ours: bool) -> WorkerLost:
    if number == signal.SIGKILL and ours:
        raise SandboxError("the machine killed the student's process: perhaps its memory ran out")
    if number == signal.SIGXCPU:
        most = limits.total_seconds
        return WorkerTimedOut(f"your code used up its {most:g} s of processor time")
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = f"signal {number}"
    return WorkerCrashed(f"your code ended the process: it was ended by {name}")
