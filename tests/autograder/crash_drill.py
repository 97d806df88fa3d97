"""Kill the grader again and again, then let it finish: nothing is lost, nothing graded twice.

    python tests/autograder/crash_drill.py --kills 50

A class of sixty is graded by the real command, `python -m autograder grade toy`, from a copy of
the grader. At random moments the command is killed with SIGKILL: by turns alone, with its process
group, and with all that it started. What happened is not asked of the grader but of instruments:

- the hidden suite itself appends a line to a file when it begins with a submission;
- triggers in both databases write down each report and each score that is stored;
- a grading that had begun when it was killed begins again; one that was stored never does;
- the drill is the reaper of all orphans, so that it sees each process that outlives its parent;
- temporary folders are counted: a killed sandbox's goes when the next sandbox starts.
"""

import argparse
import contextlib
import ctypes
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from toy_course import SUITE, automatic_scores, make_course

from autograder import notebook
from autograder.course import ROOT
from autograder.store import Store

_PR_SET_CHILD_SUBREAPER = 36
_GONE_SECONDS = 20.0
_FIRST = "    expect_equal(student.add(2, 3), 5)"
_SAYS_WHO = """
    who = getattr(student, "me", None)  # the solution, which is asked too, is nobody
    if who is not None:
        with open(os.environ["DRILL_BEGUN"], "a") as begun:
            begun.write(f"{who()}\\n")
"""
_COUNT_REPORTS = """
CREATE TABLE IF NOT EXISTS stored (student TEXT, key TEXT);
CREATE TRIGGER IF NOT EXISTS count_stored AFTER INSERT ON reports BEGIN
    INSERT INTO stored VALUES (json_extract(new.report, '$.student'), new.key); END;
"""


@dataclass
class Outcome:
    """What a drill found. `wrong` is empty when every promise was kept."""

    kills: int = 0
    seconds: float = 0.0
    undisturbed_seconds: float = 0.0
    classes: int = 0
    begun_again: int = 0
    most_leftovers: int = 0
    killed_while: Counter = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


class Drill:
    """A class of `students` in a folder of its own, graded by a copy of the grader."""

    def __init__(self, folder: Path, students: int) -> None:
        self.folder, self.course = folder, folder / "my class"
        self.begun, self.temporary = folder / "begun.txt", folder / "tmp"
        self.names = [f"student-{number:02}" for number in range(students)]
        self._copy_grader()
        self.fresh()

    def _copy_grader(self) -> None:
        skip = shutil.ignore_patterns("hidden", "samples", "__pycache__", "data")
        for name in ("autograder", "seqcourse"):
            shutil.copytree(ROOT / name, self.folder / name, ignore=skip)
        suite = make_course(self.folder).suite("toy").path / "test_toy.py"
        suite.write_text("import os\n" + SUITE.replace(_FIRST, _SAYS_WHO + _FIRST))
        self.temporary.mkdir()

    def fresh(self) -> None:
        """Hand everything in, nothing graded yet."""
        shutil.rmtree(self.course, ignore_errors=True)
        self.begun.write_text("")
        source = notebook.released(notebook.read(self.folder / "solutions" / "toy" / "toy.ipynb"))
        for number, name in enumerate(self.names):
            answers = {
                "add-answer": f"def add(a, b):\n    return {['a + b', '5', 'a'][number % 3]}\n",
                "mul-answer": f"def mul(a, b):\n    return a * b if {number} % 2 else None\n"
                f"def me():\n    return {name!r}\n",
            }
            nb = notebook.with_answers(source, answers)
            notebook.write(nb, self.course / "submitted" / name / "toy" / "toy.ipynb")
        store = Store(self.course / "reports.db")
        with closing(sqlite3.connect(store.path)) as database:
            database.executescript(_COUNT_REPORTS)

    @property
    def environment(self) -> dict[str, str]:
        """What the command needs to find the copy, its instruments and its temporary folder."""
        names = {"TMPDIR": self.temporary, "DRILL_BEGUN": self.begun, "PYTHONPATH": self.folder}
        return {name: str(path) for name, path in names.items()}

    def start(self) -> subprocess.Popen:
        """Start the real command in a session of its own."""
        command = [sys.executable, "-m", "autograder", "grade", "toy", "--course", self.course]
        log = (self.folder / "log.txt").open("wb")
        with log:
            return subprocess.Popen(
                command,
                cwd=self.folder,
                env={**os.environ, **self.environment},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def finish(self) -> float:
        """Run to the end, undisturbed. Returns the seconds it took."""
        began = time.monotonic()
        code = self.start().wait()
        if code != 0:
            said = (self.folder / "log.txt").read_text(errors="replace")[-3000:]
            raise SystemExit(f"the grader ended with code {code}:\n{said}")
        return time.monotonic() - began

    # --- instruments ---

    def progress(self) -> tuple[Counter, Counter]:
        """({student: reports stored}, {student: gradings begun})."""
        rows = self._rows("reports.db", "SELECT student FROM stored")
        return Counter(name for (name,) in rows), Counter(self.begun.read_text().split())

    def reports(self) -> dict:
        """{student: the latest report}, without the seconds that it took."""
        rows = self._rows("reports.db", "SELECT student, report FROM latest")
        return {student: {**json.loads(text), "seconds": 0} for student, text in rows}

    def scores(self) -> dict:
        """What nbgrader's gradebook holds."""
        return automatic_scores(self.course / "gradebook.db")

    def leftovers(self) -> list[str]:
        """Name what a run should have tidied up."""
        found = [*self.temporary.iterdir(), *self.folder.glob("_build/release-*")]
        found += [*self.course.glob("*.new"), *self.course.glob("*-journal")]
        return [path.name for path in found]

    def stage(self) -> str:
        """Say how far the class is: for the drill's own report of when it killed."""
        stored = len(self.progress()[0])
        if stored in (0, len(self.names)):
            return "recording" if stored else "starting"
        return "grading"

    def _rows(self, name: str, query: str) -> list:
        with closing(sqlite3.connect(self.course / name)) as database:
            return database.execute(query).fetchall()


# --- processes -----------------------------------------------------------------------------------


def become_reaper() -> None:
    """Make this process the parent of every orphan below it."""
    if ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1) != 0:
        raise SystemExit("this system has no subreapers (Linux 3.4 or later is needed)")


def descendants(pid: int) -> list[int]:
    """Return the processes below one, from /proc, as far as they can still be seen."""
    found = []
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in map(int, children.read_text().split()):
                found += [child, *descendants(child)]
    return found


def kill(process: subprocess.Popen, how: str) -> None:
    """Kill the command: only itself, its group, or all that it started."""
    if how == "tree":
        for pid in descendants(process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    (os.killpg if how == "group" else os.kill)(process.pid, signal.SIGKILL)
    process.wait()


def survivors() -> list[str]:
    """Reap orphans until none is left; return the command lines of those that don't end."""
    until = time.monotonic() + _GONE_SECONDS
    while time.monotonic() < until:
        try:
            if os.waitpid(-1, os.WNOHANG) == (0, 0):
                time.sleep(0.01)
        except ChildProcessError:
            return []
    lines = []
    for pid in descendants(os.getpid()):
        with contextlib.suppress(OSError):
            line = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
            lines.append(f"{pid}: {line[:200]}")
            os.kill(pid, signal.SIGKILL)
    return lines


# --- the drill -----------------------------------------------------------------------------------


def drill(folder: Path, kills: int, seed: int, students: int) -> Outcome:
    """Carry it out, and compare with an undisturbed run of the same class.

    A class that is through before all kills are used up is checked, and handed in once more.
    """
    become_reaper()
    began, rng, found = time.monotonic(), random.Random(seed), Outcome()
    course = Drill(folder, students)
    found.undisturbed_seconds = course.finish()
    found.wrong += [f"after an undisturbed run: {line}" for line in survivors()]
    expected = course.scores(), course.reports()
    course.fresh()
    while found.kills < kills:
        if not _is_killed(course, found, rng):
            _check(course, found, expected)
            course.fresh()
    for tidy in (False, True):  # what a kill left lies there until the next sandbox starts
        course.finish()
        _check(course, found, expected)
        if tidy and (left := course.leftovers()):
            found.wrong.append(f"left over at the end: {left}")
        course.fresh()
    if found.most_leftovers > 2 * len(os.sched_getaffinity(0)) + 1:
        found.wrong.append(f"leftovers pile up: {found.most_leftovers}")
    found.seconds = round(time.monotonic() - began, 1)
    return found


def _is_killed(course: Drill, found: Outcome, rng: random.Random) -> bool:
    """Start the command and kill it at a random moment; False when it was through before."""
    how, before = ("parent", "group", "tree")[found.kills % 3], course.progress()
    process = course.start()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(rng.uniform(0, found.undisturbed_seconds))
        _no_repetition(course, found, before)
        return False
    kill(process, how)
    found.killed_while[course.stage()] += 1
    found.kills += 1
    found.wrong += [f"left by a kill ({how}): {line}" for line in survivors()]
    found.most_leftovers = max(found.most_leftovers, len(course.leftovers()))
    _no_repetition(course, found, before)
    return True


def _no_repetition(course: Drill, found: Outcome, before: tuple[Counter, Counter]) -> None:
    """What had been stored before this run must not have been begun again in it."""
    (stored, begun), (_, now) = before, course.progress()
    for student in stored:
        if now[student] != begun[student]:
            found.wrong.append(f"{student} was graded again after its report was stored")


def _check(course: Drill, found: Outcome, expected: tuple[dict, dict]) -> None:
    """Check a class that is through."""
    stored, begun = course.progress()
    once = Counter(dict.fromkeys(course.names, 1))
    scores, reports = expected
    promises = {
        f"each report stored once: {stored - once or once - stored}": stored == once,
        "scores in the gradebook as in an undisturbed run": course.scores() == scores,
        "reports as in an undisturbed run": course.reports() == reports,
        f"no process left: {(left := survivors())}": not left,
    }
    found.wrong += [f"broken: {promise}" for promise, kept in promises.items() if not kept]
    found.begun_again += (begun - once).total()
    found.classes += 1


def main() -> int:
    """Carry out the drill that the command line asks for; exit code 0 when nothing was wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--students", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="crash-drill-") as folder:
        found = drill(Path(folder), asked.kills, asked.seed, asked.students)
    print(json.dumps(vars(found), indent=1))
    return 1 if found.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
