"""Temporary directories that outlive a killed program only until the next one starts."""

import contextlib
import fcntl
import os
import tempfile
from pathlib import Path

from autograder.zygote import empty

__all__ = ["SweptDirectory"]


class SweptDirectory(tempfile.TemporaryDirectory[str]):
    """A temporary directory that first removes what killed programs left under its prefix.

    The owner holds a lock on the directory, and the system frees the lock of whoever was killed.
    So what can be locked has no owner any more. Choose a prefix that nobody else would.
    """

    def __init__(self, prefix: str, folder: Path | None = None) -> None:
        place = Path(folder or tempfile.gettempdir())
        for other in place.glob(f"{prefix}*"):
            _remove_ownerless(other)
        self._lock = -1
        while self._lock < 0:  # again, should a sweep have been quicker than our lock
            super().__init__(prefix=prefix, dir=place)
            self._lock = _lock(Path(self.name))

    def cleanup(self) -> None:
        """Remove the directory, however deep what a student made in it goes."""
        with contextlib.suppress(FileNotFoundError):  # a fork of ours may have removed it
            empty(Path(self.name))
        super().cleanup()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def _remove_ownerless(directory: Path) -> None:
    if (handle := _lock(directory)) >= 0:
        with contextlib.suppress(OSError):
            empty(directory)  # it may be deeper than shutil.rmtree can go
            directory.rmdir()
        os.close(handle)


def _lock(directory: Path) -> int:
    """Return a handle that holds the lock; -1 when another has it, or it isn't ours to have."""
    try:
        handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return -1
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(handle).st_uid == os.geteuid() and directory.exists():
            return handle
    except OSError:
        pass
    os.close(handle)
    return -1
