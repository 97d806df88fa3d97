"""nbgrader's gradebook as a file: made, checked, backed up; never deleted."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path

import nbgrader.api
from alembic.script import ScriptDirectory
from nbgrader.api import Base
from sqlalchemy import create_engine, text

from autograder.storage import WAIT_SECONDS, usable

__all__ = [
    "DamagedGradebookError",
    "back_up",
    "backup_of",
    "create",
    "one_engine",
    "require_healthy",
    "require_unlocked",
    "url",
]


class DamagedGradebookError(Exception):
    """gradebook.db can't be used. The message says where it is and what to do. Exit code 3."""


def url(database: Path) -> str:
    """Name the database as nbgrader does; who finds it locked waits for a minute."""
    return f"sqlite:///{database.absolute()}?timeout={WAIT_SECONDS}"


def create(database: Path) -> None:
    """Make an empty gradebook as nbgrader does, without seconds for alembic's program."""
    if database.exists():
        return
    scripts = ScriptDirectory(str(Path(nbgrader.__file__).parent / "alembic"))
    database.parent.mkdir(parents=True, exist_ok=True)
    fresh = database.with_name(f"{database.name}.new")
    fresh.unlink(missing_ok=True)
    engine = create_engine(f"sqlite:///{fresh.absolute()}")
    with engine.begin() as connection:
        Base.metadata.create_all(bind=connection)
        connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)"))
        head = {"head": scripts.get_current_head()}
        connection.execute(text("INSERT INTO alembic_version VALUES (:head)"), head)
    engine.dispose()
    _journal(database).unlink(missing_ok=True)  # SQLite would roll it back into the new file
    fresh.replace(database)


@contextmanager
def one_engine() -> Iterator[None]:
    """Let nbgrader have one SQLAlchemy engine for each database, however often it opens it inside.

    It opens the gradebook many times for each submission, and each new engine would compile all of
    nbgrader's queries anew. nbgrader offers no other place to say so.
    """
    own = nbgrader.api.create_engine
    nbgrader.api.create_engine = cache(own)
    try:
        yield
    finally:
        nbgrader.api.create_engine = own


def back_up(database: Path) -> None:
    """Copy the gradebook as SQLite sees it, complete or not at all."""
    target = backup_of(database)
    fresh = target.with_name(f"{target.name}.new")
    fresh.unlink(missing_ok=True)
    with closing(sqlite3.connect(database)) as old, closing(sqlite3.connect(fresh)) as new:
        old.backup(new)
    fresh.replace(target)


def require_healthy(database: Path) -> None:
    """Raise DamagedGradebookError unless SQLite finds the file in order.

    Changes nothing but what a killed program left half done, which SQLite takes back. A file that
    can't be opened for now is a StorageError.
    """
    if not database.exists():
        return
    try:
        with usable(database), closing(_connect(database)) as connection:
            found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.DatabaseError as error:
        raise _damaged(database, str(error)) from error
    if found != "ok":
        raise _damaged(database, found)


def require_unlocked(database: Path) -> None:
    """Raise StorageError unless the gradebook can be written to, now or within a minute."""
    with usable(database), closing(_connect(database)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("ROLLBACK")


def backup_of(database: Path) -> Path:
    """Name the copy that is made before scores are recorded."""
    return database.with_name(f"{database.name}.backup")


def _journal(database: Path) -> Path:
    """Name the file in which SQLite keeps what an unfinished change replaced."""
    return database.with_name(f"{database.name}-journal")


def _connect(database: Path) -> sqlite3.Connection:
    """Open a gradebook that exists. Read-only would not do: SQLite must be able to roll back."""
    where = f"{database.absolute().as_uri()}?mode=rw"
    return sqlite3.connect(where, uri=True, timeout=WAIT_SECONDS)


def _damaged(database: Path, why: str) -> DamagedGradebookError:
    backup, aside = backup_of(database), database.with_name(f"{database.name}.damaged")
    cure = (
        f"then copy the last good one back:\n  cp '{backup}' '{database}'"
        if backup.exists()
        else "then grade again: a new one is made. Scores given by hand came only from this file."
    )
    return DamagedGradebookError(
        f"The gradebook {database} is damaged ({why}). Nothing was changed. Put it aside:\n"
        f"  mv '{database}' '{aside}'\n{cure}"
    )
