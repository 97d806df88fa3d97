"""Reports by content, in one SQLite file: nothing is graded twice, and a killed run goes on.

A report is found by the hash of everything that could change it: the submitted bytes and who
handed them in (tests draw other inputs for each), the suite (tests, limits, source notebook), the
seed, the kind of device, and the code of the grader and of the reference package. Beside that, the
store remembers each student's latest outcome per lab, the submissions that could not be graded
included: that is what the class report shows.

The store holds nothing that grading again would not bring back. A damaged file is therefore put
aside, never deleted, and a new one begun.
"""

import hashlib
import json
import os
import sqlite3
import stat
from contextlib import closing
from dataclasses import asdict
from functools import cache
from pathlib import Path

from autograder.report import Report
from autograder.suite import Suite

__all__ = ["Store", "content_key", "put_aside"]

_TABLES = """
CREATE TABLE IF NOT EXISTS reports (key TEXT PRIMARY KEY, report TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS latest (
    lab TEXT NOT NULL, student TEXT NOT NULL, key TEXT NOT NULL, report TEXT NOT NULL,
    PRIMARY KEY (lab, student)
);
"""
_WAIT_SECONDS = 60
_NO_PART_IN_SCORES = {
    *("batch", "cli", "course", "dashboard", "database", "display", "doctor", "feedback"),
    *("formgrader", "gradebook", "pages", "quiet", "recording", "release", "store", "tables"),
    "validate",
}


class Store:
    """The reports of one class. Safe to share between processes; each call is a transaction."""

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self.put_aside: Path | None = None
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._create()
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise
            self.put_aside = put_aside(self.path)
            self._create()

    def get(self, key: str) -> Report | None:
        """Return the stored report for this content; None without one."""
        with closing(self._connect()) as database:
            row = database.execute("SELECT report FROM reports WHERE key = ?", (key,)).fetchone()
        return None if row is None else _report(row[0])

    def put(self, key: str, report: Report) -> None:
        """Keep a report: by its content when it is graded, and as the student's latest always.

        A fault of ours is never kept by content: the next run tries again.
        """
        text = json.dumps(report.to_dict())
        with closing(self._connect()) as database, database:
            if report.status == "graded":
                database.execute("INSERT OR REPLACE INTO reports VALUES (?, ?)", (key, text))
            row = (report.lab, report.student, key, text)
            database.execute("INSERT OR REPLACE INTO latest VALUES (?, ?, ?, ?)", row)

    def latest(self, lab: str) -> list[Report]:
        """Return each student's latest report for a lab, sorted by student."""
        query = "SELECT report FROM latest WHERE lab = ? ORDER BY student"
        with closing(self._connect()) as database:
            return [_report(row[0]) for row in database.execute(query, (lab,))]

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self.path, timeout=_WAIT_SECONDS)

    def _create(self) -> None:
        with closing(self._connect()) as database, database:
            database.executescript(_TABLES)


def content_key(
    submission: Path, suite: Suite, *, student: str, seed: int = 0, device: str = "cpu"
) -> str:
    """Hash everything that a report depends on.

    What can't be read as a regular file hashes as its kind; the engine says what is wrong with it.
    """
    about: list[object] = [suite.lab, suite.digest, asdict(suite.limits), suite.forbidden]
    about += [student, seed, device, _code()]
    total = hashlib.sha256(json.dumps(about, default=str).encode())
    total.update(_content(suite.path / "matrix.json"))  # the misconceptions depend on it
    total.update(_content(submission))
    return total.hexdigest()


def put_aside(path: Path) -> Path:
    """Rename a damaged file to the first free NAME.damaged-N, and return that path."""
    number = 1
    while (aside := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    return path.rename(aside)


def _report(text: str) -> Report:
    return Report.from_dict(json.loads(text))


def _content(path: Path) -> bytes:
    """Hash a file in pieces, opened as the engine does: no link followed, no pipe waited for."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        return f"unreadable: {error.errno}".encode()
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        return b"unreadable: not a regular file"
    with os.fdopen(handle, "rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


@cache
def _code() -> str:
    """Hash the sources of the grader and of the reference package, which hidden tests call."""
    here = Path(__file__).resolve().parent
    folders = [here, here / "sandbox", here / "runners", here.parent / "seqcourse"]
    total = hashlib.sha256()
    files = [file for folder in folders for file in folder.glob("*.py")]
    for file in sorted(file for file in files if file.stem not in _NO_PART_IN_SCORES):
        total.update(file.name.encode() + b"\0" + file.read_bytes())
    return total.hexdigest()
