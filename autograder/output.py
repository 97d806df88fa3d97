"""Inside the sandbox: where a notebook's printed text goes, which is nowhere. It is counted.

Mounted in the sandbox; imports nothing of `autograder`.
"""

import io
from typing import Any

__all__ = ["Output", "OutputLimitError"]

_NOWHERE = 1  # a worker's standard streams lead to the null device


class OutputLimitError(RuntimeError):
    """More was printed than may be. `limits.py` knows it by this name."""


class Output(io.BufferedIOBase):
    """Bytes that are written go nowhere, and are counted. It can't be closed.

    `text` is what `sys.stdout` and `sys.stderr` are: a stream with an encoding and a `buffer`.
    """

    name = "<stdout>"

    def __init__(self, most: int) -> None:
        self._most = most
        self.printed = 0
        self.text = io.TextIOWrapper(self, "utf-8", errors="replace", write_through=True)

    def writable(self) -> bool:
        """Return True."""
        return True

    def fileno(self) -> int:
        """Return the number of a file that leads nowhere."""
        return _NOWHERE

    def close(self) -> None:
        """Stay open: whoever closes `sys.stdout` may still print."""

    def write(self, data: Any) -> int:
        """Count bytes. OutputLimitError once there are too many."""
        size = memoryview(data).nbytes
        self.printed += size
        if self.printed > self._most:
            raise OutputLimitError("too much was printed")
        return size
