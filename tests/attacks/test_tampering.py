"""What is not the student's to change changes nothing: right answers stay right."""

import json

import pytest
from tampering import about

from autograder import notebook


@pytest.fixture
def tamper(grade, suite):
    """Return a function that grades a changed copy of the solution, then an honest one."""

    def tamper(change=lambda nb: None, name="toy.ipynb"):
        nb = json.loads(json.dumps(suite.source))
        made = change(nb)
        return grade(lambda path: notebook.write(made or nb, path), name=name)

    return tamper


def retyped(nb):
    for cell in nb["cells"]:
        cell["cell_type"] = "raw"


def unlocked(nb):
    for each in about(nb):
        each.update(locked=False, grade=True, solution=True, schema_version=99, task=True)


def reordered(nb):
    nb["cells"].reverse()


def without_checks(nb):
    nb["cells"] = [c for c in nb["cells"] if not notebook.is_check(c)]


def kernel(nb):
    nb["metadata"] = {"kernelspec": {"name": "../../bin/sh", "language": "R"}, "evil": "x" * 10**6}
    nb["nbformat"] = "four"


def forged_checks(nb):
    for cell in nb["cells"]:
        if notebook.is_check(cell):
            cell["source"] = "import os; os._exit(0)"


def with_outputs(nb):
    for cell in nb["cells"]:
        cell["outputs"] = [{"output_type": "execute_result", "data": {"text/plain": "10.0"}}]


CHANGES = [retyped, unlocked, reordered, without_checks, kernel, forged_checks, with_outputs]


@pytest.mark.parametrize("change", CHANGES)
def test_what_is_not_the_students_to_change_changes_nothing(tamper, change):
    report = tamper(change)
    assert (report.status, report.score, report.max_score) == ("graded", 10.0, 10.0)


def test_deleted_answers_earn_nothing(tamper):
    report = tamper(lambda nb: {"cells": [], "metadata": {}})
    assert (report.status, report.score) == ("graded", 0.0)


def test_a_second_answer_with_the_same_id_is_an_added_cell(tamper):
    def doubled(nb):
        index = next(i for i, c in enumerate(nb["cells"]) if notebook.grade_id(c) == "scale-answer")
        nb["cells"].append({**nb["cells"][index], "source": "def scale(x, k): return None"})

    assert tamper(doubled).score == 6.0


def test_more_cells_than_anyone_writes_are_not_graded(tamper):
    report = tamper(lambda nb: {"cells": [{}] * 5000})
    assert (report.status, report.score) == ("not_graded", 0.0)
    assert report.reason.startswith("the notebook has 5000 cells")


@pytest.mark.parametrize(
    "name", ["a\nb.ipynb", "🎵 é.ipynb", "-rf.ipynb", "$(touch x).ipynb", " .ipynb"]
)
def test_odd_names_are_only_names(tamper, name):
    assert tamper(name=name).score == 10.0
