"""Runs the naive grader where its attackers can harm nothing but it, and watches what they do.

To them it looks like an ordinary machine: one user, programs, a network, processes to kill. It is
a set of namespaces of its own, in which everything ends with the run, with limits that keep this
machine safe and are far above what counts as a success.
"""

import contextlib
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from attack import Attack, Wants

from autograder.sandbox.bwrap import find_bwrap
from autograder.sandbox.watch import Process

__all__ = ["FULL_MARKS", "HOME", "Outcome", "below", "grade_naively"]

HERE = Path(__file__).parent
TOY = HERE.parent / "autograder" / "fixtures" / "toy"
HOME = "/home/grader"
POINTS = {"scale": 4.0, "count": 3.0, "walk": 3.0, "scale-2": 4.0}
FULL_MARKS = 12
LONGEST_SECONDS = 60.0
MB = 2**20
_TICK = 0.01


@dataclass
class Outcome:
    """What became of one batch: of mallory and, after her, ada.

    Attributes:
        results: what the grader says, by student.
        page, terminal, table: what staff look at.
        changed: files that were changed, made or removed in the grader's folder.
        harm: what went over its bounds; `batch` when the grader had to be killed.
    """

    results: dict[str, dict] = field(default_factory=dict)
    page: str = ""
    terminal: str = ""
    table: str = ""
    changed: set[str] = field(default_factory=set)
    harm: set[Wants] = field(default_factory=set)

    def score(self, student: str, task: str = "") -> float:
        """Return the points of a student, for one task or for all; 0 for one without a result."""
        scores = self.results.get(student, {}).get("score", {})
        return scores.get(task, 0.0) if task else sum(scores.values())

    def won(self, attack: Attack) -> bool:
        """Whether the attacker got what it wanted."""
        lost = self.score("ada") < FULL_MARKS
        found = re.search(r"FOUND \[.", self.terminal.replace("FOUND []", "")) is not None
        return attack.wants in self.harm or {
            Wants.points: self.score("mallory", attack.cell) >= POINTS[attack.cell] / 2,
            Wants.secret: found,
            Wants.reach: found,
            Wants.batch: "ada" not in self.results,
            Wants.neighbour: ("ada" in self.results and lost) or "stolen.txt" in self.changed,
            Wants.files: bool(self.changed),
            Wants.page: "<script>" in self.page or "<img" in self.page,
            Wants.terminal: any(char in self.terminal for char in "\x1b\u202e"),
            Wants.table: any(
                row.rpartition(",")[2].startswith(("=", "+", "@"))
                for row in self.table.split("\n")[1:]
            ),
        }.get(attack.wants, False)


def grade_naively(
    folder: Path, make: Callable[[Path], object], honest: Path, patience: float = LONGEST_SECONDS
) -> Outcome:
    """Have mallory's and ada's work graded in an empty folder; `make(path)` puts mallory's there.

    `patience` is for how many seconds the grader may work before it counts as hung.
    """
    home = folder / "home"
    _furnish(home, make, honest)
    before, outcome = _tree(home), Outcome()
    with (folder / "said.txt").open("wb") as said, (folder / "shown.txt").open("wb") as shown:
        process = subprocess.Popen(
            _command(home),
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=shown,
            preexec_fn=_stay_safe,
        )
        try:
            outcome.harm = set(_watch(process, folder, patience))
        finally:
            process.kill()  # the first process in there: all others end with it
            process.wait()
    _read(folder, before, outcome)
    return outcome


def _furnish(home: Path, make: Callable[[Path], object], honest: Path) -> None:
    for student in ("mallory", "ada"):
        (home / "submitted" / student).mkdir(parents=True)
    for file in (HERE / "naive.py", HERE / "hidden_tests.py", TOY / "words.txt"):
        shutil.copy(file, home)
    shutil.copy(honest, home / "submitted" / "ada" / "toy.ipynb")
    make(home / "submitted" / "mallory" / "toy.ipynb")


def _command(home: Path) -> list[str]:
    """One user on a machine of its own, with shells and a loopback network."""
    walls = ["--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL"]
    seen = ["--ro-bind", "/usr", "/usr", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"]
    for link in ("/lib", "/lib64", "/bin"):
        seen += ["--symlink", f"usr{link}", link]
    packages = os.path.realpath(sysconfig.get_path("purelib"))
    for path in (os.path.realpath(sys.base_prefix), packages):
        if not path.startswith("/usr"):
            seen += ["--ro-bind", path, path]
    mine = ["--bind", str(home), HOME, "--chdir", HOME, "--clearenv"]
    environment = {
        "PYTHONPATH": packages,
        "OPENBLAS_NUM_THREADS": "1",
        "HIDDEN_TESTS": f"{HOME}/hidden_tests.py",
    }
    for name, value in environment.items():
        mine += ["--setenv", name, value]
    python = [os.path.realpath(sys.executable), "-S", "-B", "naive.py", "mallory", "ada"]
    return [find_bwrap(), *walls, *seen, *mine, "--", *python]


def _stay_safe() -> None:
    for which, most in (
        (resource.RLIMIT_AS, 1500 * MB),
        (resource.RLIMIT_FSIZE, 200 * MB),
        (resource.RLIMIT_CPU, 30),
        (resource.RLIMIT_NOFILE, 512),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(which, (most, most))


def _watch(process: subprocess.Popen[bytes], folder: Path, patience: float) -> Iterator[Wants]:
    """Wait for the end, for harm, or until there was none for too long; yield what was seen."""
    until, shown = time.monotonic() + LONGEST_SECONDS, folder / "shown.txt"
    began = False
    while process.poll() is None:
        if seen := set(_harm(below(process.pid), folder)):
            yield from seen
            return
        if not began and shown.stat().st_size:
            began, until = True, time.monotonic() + patience
        if time.monotonic() > until:
            yield Wants.batch
            return
        time.sleep(_TICK)


def _harm(inside: list[Process], folder: Path) -> Iterator[Wants]:
    """Yield what is used in too large amounts."""
    if max((_resident(each.pid) for each in inside), default=0) > 300 * MB:
        yield Wants.memory
    if sum(each.threads for each in inside) > 20:
        yield Wants.processes
    with contextlib.suppress(OSError):  # what is there may go at any moment
        sizes = [entry.stat(follow_symlinks=False).st_blocks * 512 for entry in _entries(folder)]
        if len(sizes) > 2000 or sum(sizes) > 50 * MB:
            yield Wants.disk


def _resident(pid: int) -> int:
    """Return what a process holds, asked of each thread: the first may have ended."""
    pages = [0]
    with contextlib.suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            pages.append(int((thread / "statm").read_text().split()[1]))
    return max(pages) * os.sysconf("SC_PAGE_SIZE")


def below(pid: int) -> list[Process]:
    """Return the live processes that a process started, and theirs."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    found = [each for child in children if (each := Process.read(int(child))) is not None]
    return [each for first in found for each in (first, *below(first.pid))]


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    with contextlib.suppress(OSError):  # what is there may go at any moment
        with os.scandir(folder) as entries:
            found = list(entries)
        for entry in found:
            yield entry
            if entry.is_dir(follow_symlinks=False):
                yield from _entries(Path(entry.path))


def _tree(home: Path) -> dict[str, bytes]:
    """Return the content of each file but those that the grader writes."""
    files = (Path(entry.path) for entry in _entries(home) if entry.is_file(follow_symlinks=False))
    names = {file: str(file.relative_to(home)) for file in files}
    return {
        name: file.read_bytes()
        for file, name in names.items()
        if not name.startswith(("results.json", "grades.csv", "feedback/"))
    }


def _read(folder: Path, before: dict[str, bytes], outcome: Outcome) -> None:
    """Read the results as people do: the last line that was printed, or else the file."""
    home, said = folder / "home", (folder / "said.txt").read_bytes()[-MB:].decode(errors="replace")
    written = home / "results.json"
    for text in (said.strip().rpartition("\n")[2], written.read_text() if written.exists() else ""):
        with contextlib.suppress(ValueError):
            outcome.results = outcome.results or json.loads(text)
    outcome.terminal = (folder / "shown.txt").read_text(errors="replace")[:MB]
    with contextlib.suppress(OSError):
        outcome.page = (home / "feedback" / "mallory.html").read_text()
        outcome.table = (home / "grades.csv").read_text()
    after = _tree(home)
    outcome.changed = {name for name in before | after if before.get(name) != after.get(name)}
