"""What both sides of the catalogue share: the toy lab, and one warm engine for all attacks."""

import shutil
import sys
from pathlib import Path

import pytest

from autograder import notebook
from autograder.engine import Engine
from autograder.suite import load_suite

sys.path.insert(0, str(Path(__file__).parent))  # the catalogue
HERE = Path(__file__).parent
TOY = HERE.parent / "autograder" / "fixtures" / "toy"


# Less than the toy lab's own: most attacks on time and memory use up all that they may.
LIMITS = {
    "memory_mb": 128,
    "call_seconds": 0.5,
    "test_seconds": 1,
    "cells_seconds": 2,
    "total_seconds": 20,
}


@pytest.fixture(scope="session")
def suite(tmp_path_factory):
    folder = shutil.copytree(TOY, tmp_path_factory.mktemp("suite") / "toy")
    shutil.copy(HERE / "more_tests.py", folder / "test_toy_more.py")
    lines = (folder / "lab.toml").read_text().splitlines()
    own = {*LIMITS, "preload"}  # torch is preloaded, as for a lab that says nothing
    kept = [line for line in lines if line.split(" = ")[0] not in own]
    limits = [f"{name} = {value}" for name, value in LIMITS.items()]
    (folder / "lab.toml").write_text("\n".join([*kept, *limits]))
    return load_suite(folder)


@pytest.fixture
def submit(suite):
    """Return a function that writes a solved notebook with one answer replaced."""

    def submit(path, source, cell="scale"):
        notebook.write(notebook.with_answers(suite.source, {f"{cell}-answer": source}), path)
        return path

    return submit


@pytest.fixture(scope="module")
def engines(suite):
    """Return a function that gives the warm engine behind some walls: one for all attacks."""
    started = {}

    def engine(walls="full"):
        return started.setdefault(walls, Engine(suite, walls=walls))

    yield engine
    for each in started.values():
        each.close()


@pytest.fixture
def grade(engines, suite, tmp_path):
    """Return a function that grades what `put(path)` puts there, and then an honest student.

    The honest one comes next on the same warm engine: what mallory did to it, ada would feel.
    """

    def grade(put, walls="full", name="toy.ipynb"):
        engine, path = engines(walls), tmp_path / "mallory" / name
        path.parent.mkdir(exist_ok=True)
        put(path)
        report = engine.grade(path, student="mallory")
        honest = engine.grade(suite.notebook, student="ada")
        assert (honest.status, honest.score) == ("graded", 10.0), honest
        return report

    return grade


@pytest.fixture
def attack(grade, submit):
    """Return a function that grades a source in the place of one answer, and an honest student."""

    def attack(source, cell="scale", walls="full"):
        return grade(lambda path: submit(path, source, cell), walls)

    return attack
