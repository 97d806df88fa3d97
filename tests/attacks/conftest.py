"""One warm engine for all attacks: what one submission does to it, the next one would feel."""

from pathlib import Path

import pytest

from autograder import notebook
from autograder.engine import Engine
from autograder.suite import load_suite

TOY = Path(__file__).parents[1] / "autograder" / "fixtures" / "toy"


@pytest.fixture(scope="session")
def suite():
    return load_suite(TOY)


@pytest.fixture(scope="session")
def engine(suite):
    with Engine(suite) as engine:
        yield engine


@pytest.fixture
def attack(engine, suite, tmp_path):
    """Return a function that grades an attack, and then an honest submission on the same engine.

    The attack is the source of one answer cell; all other answers are right.
    """

    def attack(source, cell="scale"):
        nb = notebook.with_answers(suite.source, {f"{cell}-answer": source})
        path = tmp_path / "mallory" / "toy.ipynb"
        notebook.write(nb, path)
        report = engine.grade(path, student="mallory")
        honest = engine.grade(suite.notebook, student="ada")
        assert (honest.status, honest.score) == ("graded", 10.0)
        return report

    return attack
