"""Notebooks that were tampered with: graded by what the instructor's source says, or not at all."""

import json
import os

import pytest

from autograder import notebook


@pytest.fixture
def tamper(engine, suite, tmp_path):
    """Return a function that grades a changed copy of the solution, then an honest one."""

    def tamper(change, name="toy.ipynb"):
        nb = json.loads(json.dumps(suite.source))
        path = tmp_path / name
        made = change(nb) if callable(change) else change
        if made is None or isinstance(made, dict):
            notebook.write(made or nb, path)
        else:
            path.write_bytes(made)
        report = engine.grade(path, student="mallory")
        assert engine.grade(suite.notebook, student="ada").score == 10.0
        return report

    return tamper


def each(nb):
    return [cell["metadata"]["nbgrader"] for cell in nb["cells"] if "nbgrader" in cell["metadata"]]


def points(nb):
    for about in each(nb):
        about["points"] = 10**9


def retyped(nb):
    for cell in nb["cells"]:
        cell["cell_type"] = "raw"


def unlocked(nb):
    for about in each(nb):
        about.update(locked=False, grade=True, solution=True, schema_version=99, task=True)


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


CHANGES = [
    points,
    retyped,
    unlocked,
    reordered,
    without_checks,
    kernel,
    forged_checks,
    with_outputs,
]


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


UNREADABLE = {
    "empty": b"",
    "not JSON": b"<html>",
    "binary": os.urandom(1000),
    "a number": b"7",
    "too deep": b"[" * 10**5,
    "deep cells": b'{"cells": ' + b"[" * 10**5 + b"]" * 10**5 + b"}",
    "too large": b" " * (20 * 10**6 + 1),
    "too many cells": json.dumps({"cells": [{}] * 5000}).encode(),
}


@pytest.mark.parametrize("content", UNREADABLE.values(), ids=UNREADABLE)
def test_what_cannot_be_read_is_not_graded_and_says_why(tamper, content):
    report = tamper(content)
    assert (report.status, report.score) == ("not_graded", 0.0)
    assert report.reason.startswith(("toy.ipynb is", "not a notebook", "the notebook has"))


def test_links_pipes_and_folders_are_not_followed(engine, suite, tmp_path):
    link, pipe, folder = (tmp_path / name for name in ("link.ipynb", "pipe.ipynb", "d.ipynb"))
    link.symlink_to(suite.notebook)
    os.mkfifo(pipe)
    folder.mkdir()
    for path in (link, pipe, folder):
        report = engine.grade(path, student="mallory")
        assert report.status == "not_graded"
        assert report.reason.startswith(path.name)
    assert engine.grade(suite.notebook, student="ada").score == 10.0


@pytest.mark.parametrize(
    "name", ["a\nb.ipynb", "🎵 é.ipynb", "-rf.ipynb", "$(touch x).ipynb", " .ipynb"]
)
def test_odd_names_are_only_names(tamper, name):
    assert tamper(lambda nb: None, name=name).score == 10.0


HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(1)>\x1b[31m\u202e=cmd|'/C calc'!A0"


def test_what_students_say_is_shown_as_inert_text(tamper):
    def hostile(nb):
        return notebook.with_answers(nb, {"scale-answer": f"raise ValueError({HOSTILE!r})"})

    note = tamper(hostile).notes[0]
    assert "\x1b" not in note
    assert "\u202e" not in note
    assert len(note) < 400
