"""Reports by content, in one SQLite file: nothing is graded twice, and a killed run goes on.

A report is found by the hash of everything that could change it: the submitted bytes and who
handed them in (tests draw other inputs for each), the suite (tests, limits, source notebook), the
seed, the kind of device, and the code of the grader and of the reference package. Beside that, the
store remembers each student's latest outcome per lab, the submissions that could not be graded
included: that is what the class report shows. And it remembers which graded reports came before,
so that `autograder changes` can say what a corrected suite changed.

The store holds nothing that grading again would not bring back. A damaged file is therefore put
aside, never deleted, and a new one begun; a damaged report in a sound file is not found. A file
that can't be used for now is a StorageError, which says what to do.
"""

import errno
import hashlib
import json
import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple

from autograder.notebook import MAX_BYTES
from autograder.report import Report
from autograder.storage import WAIT_SECONDS, usable
from autograder.suite import Suite
from autograder.untrusted import open_untrusted

__all__ = ["Graded", "Store", "content_key", "put_aside", "same_submission"]

_TABLES = """
CREATE TABLE IF NOT EXISTS reports (key TEXT PRIMARY KEY, report TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS latest (
    lab TEXT NOT NULL, student TEXT NOT NULL, key TEXT NOT NULL, report TEXT NOT NULL,
    PRIMARY KEY (lab, student)
);
CREATE TABLE IF NOT EXISTS history (
    number INTEGER PRIMARY KEY, lab TEXT NOT NULL, student TEXT NOT NULL, key TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS history_of ON history (lab, student);
"""
_KEEP = """
INSERT INTO reports VALUES (?, ?) ON CONFLICT DO UPDATE
    SET report = excluded.report WHERE report <> excluded.report
"""
_KEEP_LATEST = """
INSERT INTO latest VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE
    SET key = excluded.key, report = excluded.report
    WHERE key <> excluded.key OR report <> excluded.report
"""
_NOTE = """
INSERT INTO history (lab, student, key) SELECT :lab, :student, :key WHERE :key IS NOT
    (SELECT key FROM history WHERE lab = :lab AND student = :student ORDER BY number DESC LIMIT 1)
"""
_REGRADED = """
SELECT latest.key, latest.report, older.key, older.report FROM latest JOIN reports AS older
    ON older.key = (SELECT key FROM history
                    WHERE lab = latest.lab AND student = latest.student AND key <> latest.key
                    ORDER BY number DESC LIMIT 1)
    WHERE latest.lab = ? ORDER BY latest.student
"""
_NO_PART_IN_SCORES = {
    *("batch", "changes", "cli", "console", "course", "dashboard", "database", "display"),
    *("doctor", "exchange", "export", "feedback", "formgrader", "gradebook", "late", "pages"),
    *("leftovers", "quiet", "recording", "release", "results", "storage", "store", "tables"),
    "validate",
}


class Graded(NamedTuple):
    """A report and the key that it is found by."""

    key: str
    report: Report


class Store:
    """The reports of one class. Safe to share between processes; each call is a transaction."""

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self.put_aside: Path | None = None
        with usable(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            _require_writable(self.path)
        if not self._create():
            self.put_aside = put_aside(self.path)
            self._create()

    def get(self, key: str) -> Report | None:
        """Return the stored report for this content; None without one."""
        with self._opened() as database:
            row = database.execute("SELECT report FROM reports WHERE key = ?", (key,)).fetchone()
        return None if row is None else next(_reports([row]), None)

    def put(self, key: str, report: Report) -> None:
        """Keep a report: by its content when it is graded, and as the student's latest always.

        A fault of ours is never kept by content: the next run tries again.
        """
        text, student = json.dumps(report.to_dict()), _printable(report.student)
        with self._opened() as database:
            if report.status == "graded":
                database.execute(_KEEP, (key, text))
                about = {"lab": report.lab, "student": student, "key": key}
                database.execute(_NOTE, about)
            row = (report.lab, student, key, text)
            database.execute(_KEEP_LATEST, row)

    def latest(self, lab: str) -> list[Report]:
        """Return each student's latest report for a lab, sorted by student."""
        query = "SELECT report FROM latest WHERE lab = ? ORDER BY student"
        with self._opened() as database:
            rows = database.execute(query, (lab,)).fetchall()
        return list(_reports(rows))

    def regraded(self, lab: str) -> list[tuple[Graded, Graded]]:
        """Return (before, latest) of each student who has a graded report beside the latest.

        A report in a form that an earlier grader wrote is left out.
        """
        with self._opened() as database:
            rows = database.execute(_REGRADED, (lab,)).fetchall()
        pairs = []
        for key, now, before, was in rows:
            with suppress(ValueError):
                pairs.append((Graded(before, _report(was)), Graded(key, _report(now))))
        return pairs

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        """Give a connection for one transaction."""
        connect = partial(sqlite3.connect, self.path, timeout=WAIT_SECONDS)
        with usable(self.path), closing(connect()) as opened, opened:
            opened.text_factory = partial(str, encoding="utf-8", errors="replace")
            yield opened

    def _create(self) -> bool:
        """Make the tables that are missing. Returns whether the file is in order."""
        try:
            with self._opened() as database:
                database.executescript(_TABLES)
                return bool(database.execute("PRAGMA quick_check(1)").fetchone() == ("ok",))
        except sqlite3.DatabaseError:
            return False


def _require_writable(path: Path) -> None:
    """Raise PermissionError before anything is graded in vain; SQLite would at the first write."""
    for each in (path.parent, path):
        if each.exists() and not os.access(each, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(each))


def content_key(
    submission: Path, suite: Suite, *, student: str, seed: int = 0, device: str = "cpu"
) -> str:
    """Hash everything that a report depends on: what grades, then what was handed in.

    What can't be read as a regular file hashes as its kind; the engine says what is wrong with it.
    """
    about: list[object] = [suite.lab, suite.digest, asdict(suite.limits), suite.forbidden]
    about += [student, seed, device, _code()]
    total = hashlib.sha256(json.dumps(about, default=str).encode())
    total.update(_content(suite.path / "matrix.json"))  # the misconceptions depend on it
    return f"{total.hexdigest()}-{hashlib.sha256(_content(submission)).hexdigest()}"


def same_submission(key: str, other: str) -> bool:
    """Whether two keys stand for the same bytes handed in, however they were graded."""
    return key.rpartition("-")[2] == other.rpartition("-")[2]


def put_aside(path: Path) -> Path:
    """Rename a damaged file to the first free NAME.damaged-N, and return that path.

    With it goes its journal, which SQLite would roll back into the file that comes next.
    """
    number = 1
    while (aside := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    with usable(path):
        with suppress(FileNotFoundError):
            path.with_name(f"{path.name}-journal").rename(f"{aside}-journal")
        return path.rename(aside)


def _report(text: str) -> Report:
    return Report.from_dict(json.loads(text))


def _reports(rows: Iterable[tuple[str]]) -> Iterator[Report]:
    """Yield the reports that can be read; a damaged one is as good as none."""
    for (text,) in rows:
        with suppress(ValueError, TypeError, KeyError):
            yield _report(text)


def _printable(name: str) -> str:
    """Spell out the bytes of a folder's name that are no UTF-8: SQLite takes no others."""
    return name.encode("utf-8", "backslashreplace").decode()


def _content(path: Path) -> bytes:
    """Hash a file in pieces; what can't be read, or is too large to be read, as what it is."""
    try:
        with open_untrusted(path) as file:
            if os.fstat(file.fileno()).st_size > MAX_BYTES:
                return b"too large"
            return hashlib.file_digest(file, "sha256").digest()
    except OSError as error:
        return f"unreadable: {error.errno}".encode()


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
