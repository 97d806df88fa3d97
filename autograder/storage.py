"""When a disk or a database refuses: what that means, in words that say what to do.

A full disk, a locked database and a folder without write permission meet every submission alike
and are nobody's mistake in a notebook. They end the command with one message, exit code 3, and
nothing lost: what is stored stays, and the same command goes on from there.
"""

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from autograder.course import WrongUseError
from autograder.errors import GraderError

__all__ = ["WAIT_SECONDS", "StorageError", "refusal", "require_writable", "usable", "writing"]

WAIT_SECONDS = 60  # for another program that is writing, such as formgrader

_DEPTH = 10  # of errors that led to one another
_FULL = "the disk is full. Free some space"
_LOCKED = (
    f"another program has kept it locked for {WAIT_SECONDS} s. Close formgrader and other gradings "
    "of this class (`fuser` names the program)"
)
_CLOSED = "it, or its folder, can't be written to. Check owner and permissions (`ls -la`)"
_BROKEN = "the disk reports errors. Check it, or move the class's folder to another"
_MEANING = {
    sqlite3.SQLITE_FULL: _FULL,
    sqlite3.SQLITE_BUSY: _LOCKED,
    sqlite3.SQLITE_LOCKED: _LOCKED,
    sqlite3.SQLITE_READONLY: _CLOSED,
    sqlite3.SQLITE_CANTOPEN: _CLOSED,
    sqlite3.SQLITE_IOERR: _BROKEN,
}
_MEANING_OF_ERRNO = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), _FULL),
    **dict.fromkeys((errno.EROFS, errno.EACCES, errno.EPERM), _CLOSED),
    errno.EIO: _BROKEN,
}


class StorageError(GraderError):
    """A file can't be written, or a database not used. The message says why and what to do."""


@contextmanager
def usable(path: Path) -> Iterator[None]:
    """Turn what the disk or SQLite refuses inside into a StorageError about `path`.

    Other errors pass, damaged databases among them.
    """
    try:
        yield
    except Exception as error:
        if (refused := _explained(path, error)) is None:
            raise
        raise refused from error


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Make the folder of a file that is written inside, and say what refuses.

    WrongUseError when there can't be such a file, StorageError when the disk refuses.
    """
    try:
        with usable(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield
    except OSError as error:
        raise WrongUseError(f"Can't write {path}: {error.strerror}.") from error


def require_writable(path: Path) -> None:
    """Refuse, as `writing` does, what can't be written; what is there already stays as it is."""
    with writing(path):
        known = path.exists()
        path.open("a").close()
        if not known:
            path.unlink()


def refusal(path: Path, error: BaseException | None) -> StorageError | None:
    """Return what to raise in place of an error that every submission would meet; else None.

    A missing permission is not such an error: it may be that of one student's folder.
    """
    return None if isinstance(error, PermissionError) else _explained(path, error)


def _explained(path: Path, error: BaseException | None) -> StorageError | None:
    if (meaning := _meaning(error)) is None:
        return None
    return StorageError(
        f"{path}: {meaning}, then run the same command again: it goes on where it stopped. "
        f"({error})"
    )


def _meaning(error: BaseException | None) -> str | None:
    """Say what an error, or what led to it, means for who runs the grader; None for another kind.

    nbgrader raises its own errors in place of SQLAlchemy's, which wrap SQLite's.
    """
    for _ in range(_DEPTH):
        cause = getattr(error, "orig", error)
        code = getattr(cause, "sqlite_errorcode", 0) & 0xFF
        if isinstance(cause, sqlite3.OperationalError) and code in _MEANING:
            return _MEANING[code]
        if isinstance(cause, OSError) and cause.errno in _MEANING_OF_ERRNO:
            return _MEANING_OF_ERRNO[cause.errno]
        error = (error.__cause__ or error.__context__) if error is not None else None
    return None
