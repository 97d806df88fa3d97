"""nbgrader as its users start it: real commands, a class, an exchange, a student's own folder."""

import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType

import pytest

from autograder.course import Course

TESTS = Path(__file__).parents[1]
NBGRADER = Path(sys.executable).with_name("nbgrader")


def _load(path: str) -> ModuleType:
    """Import the conftest.py of other tests, for its fixtures."""
    spec = importlib.util.spec_from_file_location(path.replace("/", "_"), TESTS / path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


toy = _load("autograder/conftest.py")
course, hand_in, stored, toy_report = toy.course, toy.hand_in, toy.stored, toy.toy_report

Run = Callable[..., str]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The user's home: nothing may be left in it."""
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


@pytest.fixture
def environment(home: Path) -> dict[str, str]:
    """What a user's shell has: nothing tells a program where Jupyter's files belong."""
    ours = ("JUPYTER", "IPYTHON", "MPL")
    plain = {key: value for key, value in os.environ.items() if not key.startswith(ours)}
    return plain | {"HOME": str(home), "PATH": "/usr/bin:/bin", "COLUMNS": "200"}


@pytest.fixture
def run(course: Course, environment: dict[str, str]) -> Run:
    """Type a command in the class's folder, or in another. It must end with `code`."""

    def run(*command: object, cwd: Path = course.directory, code: int = 0) -> str:
        words = [str(word) for word in command]
        done = subprocess.run(words, cwd=cwd, env=environment, capture_output=True, text=True)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    return run


@pytest.fixture
def nbgrader(run: Run) -> Run:
    """`nbgrader("collect", "toy")`."""
    return lambda *words, **how: run(NBGRADER, *words, **how)


@pytest.fixture
def program() -> list[str]:
    """The command `autograder` of a course that stands in the folder where it is started."""
    here = "import pathlib; from autograder import cli, console; console.ROOT = pathlib.Path.cwd();"
    return [sys.executable, "-c", f"{here} cli.use_own_environment(console.ROOT); cli.main()"]


@pytest.fixture
def autograder(run: Run, program: list[str]) -> Run:
    """`autograder("grade", "toy")`."""
    return lambda *words, **how: run(*program, *words, **how)


class _Text(HTMLParser):
    """Collects what a page shows."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.shown = ""
        self.feed(re.sub(r"(?s)<style.*?</style>", "", source))

    def handle_data(self, data: str) -> None:
        self.shown += data


@pytest.fixture
def words_of() -> Callable[[Path], str]:
    """The text that a page shows, on one line: `words_of(path)`."""
    return lambda page: " ".join(_Text(page.read_text()).shown.split())
