"""nbgrader itself, with a real gradebook: the program as a user starts it, on hand-made reports."""

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbgrader.api import Gradebook, MissingEntry
from toy_course import automatic_scores

from autograder.database import url
from autograder.recording import record
from autograder.release import register
from autograder.report import Report


def _nbgrader(course, *command, home=None):
    """Run nbgrader in the class's folder; nothing but the folder tells it which course it is."""
    ours = ("JUPYTER", "IPYTHON", "MPL")
    environment = {key: value for key, value in os.environ.items() if not key.startswith(ours)}
    environment |= {"HOME": str(home or course.root), "PATH": "/usr/bin:/bin"}
    program = Path(sys.executable).with_name("nbgrader")
    done = subprocess.run(
        [program, *command], cwd=course.directory, env=environment, capture_output=True, text=True
    )
    return done.returncode, done.stderr


@pytest.fixture
def small_class(course, hand_in, toy_report, stored):
    """Ann has all right and wrote an essay, bob can't add, eve's file is damaged."""
    hand_in("ann", add="return a + b", mul="return a * b", essay="It is symmetric.")
    hand_in("bob", add="return a - b", mul="return a * b")
    hand_in("eve", raw='{"cells": 3')
    return [stored(toy_report("ann")), stored(toy_report("bob", adds=False))]


EXPECTED = {
    "ann": {"add": (5, False), "mul": (7, False), "essay": (None, True)},
    "bob": {"add": (0, False), "mul": (7, False), "essay": (0, False)},
}


def test_nbgrader_autograde_gives_the_scores_of_the_reports(course, small_class, tmp_path):
    register(course, "toy")
    home = tmp_path / "home"
    home.mkdir()
    code, said = _nbgrader(course, "autograde", "toy", home=home)
    assert code == 1
    assert "toy.ipynb is not a notebook: it is not JSON" in said
    assert automatic_scores(course.database) == EXPECTED
    assert list(home.iterdir()) == []


def test_recording_gives_the_same_scores_as_nbgrader_autograde(course, small_class):
    assert record(course, "toy", small_class) == {}
    assert automatic_scores(course.database) == EXPECTED


def test_the_autograded_notebook_shows_verdicts_below_test_cells_only(course, small_class):
    record(course, "toy", small_class)
    nb = nbformat.read(course.autograded("bob", "toy"), as_version=4)
    outputs = {cell.id: cell.outputs for cell in nb.cells if cell.get("outputs")}
    assert set(outputs) == {"add", "mul"}
    assert outputs["add"][0].text.splitlines() == [
        "0 of 5 points by the hidden tests",
        "[failed] Adds two numbers. (0/3)",
        "    Add both arguments.",
        "[failed] Adds negative numbers. (0/2)",
        "    Negative numbers count too.",
    ]


def test_nothing_is_recorded_for_who_could_not_be_graded(course, small_class):
    register(course, "toy")
    _nbgrader(course, "autograde", "toy", "--student", "eve")
    assert automatic_scores(course.database) == {}
    assert not course.autograded("eve", "toy").exists()


def test_a_record_that_a_person_worked_on_survives_a_damaged_resubmission(course, small_class):
    record(course, "toy", small_class)
    with Gradebook(url(course.database)) as gradebook:
        gradebook.find_grade("essay", "toy", "toy", "ann").manual_score = 9
        gradebook.db.commit()
    course.submission("ann", "toy").write_text("damaged")
    code, _ = _nbgrader(course, "autograde", "toy", "--student", "ann", "--force")
    assert code == 1
    with Gradebook(url(course.database)) as gradebook:
        assert gradebook.find_submission("toy", "ann").score == 5 + 7 + 9


def test_nbgrader_and_a_hostile_notebook(course, hand_in, toy_report, stored):
    """Bad ids, points, types, versions and order stop neither nbgrader nor the batch."""
    path = hand_in("mal", add="return a + b", mul="return a * b")
    nb = nbformat.read(path, as_version=4)
    for cell in nb.cells:
        if "nbgrader" in cell.metadata:
            cell.metadata.nbgrader |= {"schema_version": 99, "points": -5, "locked": "maybe"}
    nb.cells += [nb.cells[2].copy(), nb.cells[3].copy()]
    nb.metadata = {"kernelspec": 7, "language": ["x"], "language_info": None}
    del nb.cells[5]
    path.write_text(nbformat.v4.nbjson.JSONWriter().writes(nb))
    hand_in("zoe", add="return a + b", mul="return a * b")
    register(course, "toy")
    for student in ("mal", "zoe"):
        stored(toy_report(student))
    code, said = _nbgrader(course, "autograde", "toy")
    assert code == 0, said
    assert [automatic_scores(course.database)[student]["mul"] for student in ("mal", "zoe")] == [
        (7, False)
    ] * 2


def test_points_of_suite_and_notebook_must_agree(course, hand_in, toy_report):
    hand_in("ann")
    nb = nbformat.read(course.source("toy"), as_version=4)
    nb.cells[5].metadata.nbgrader.points = 8
    nbformat.write(nb, course.source("toy"))
    (reason,) = record(course, "toy", [toy_report("ann")]).values()
    assert reason.startswith(
        "mul: the hidden suite gives 7 points, the notebook 8. Make them agree"
    )
    assert automatic_scores(course.database) == {}


def test_a_task_without_hidden_tests_never_earns_marks(course, hand_in, toy_report):
    hand_in("ann")
    report = toy_report("ann")
    short = Report(**{**vars(report), "tasks": report.tasks[:1]})
    (reason,) = record(course, "toy", [short]).values()
    assert reason.startswith("mul: the hidden suite gives 0 points, the notebook 7")


def test_generate_feedback_and_formgraders_settings_work_in_a_class_of_its_own(
    course, small_class, toy_report, stored
):
    record(course, "toy", small_class)
    code, said = _nbgrader(course, "generate_feedback", "toy")
    assert code == 0, said
    assert "Adds negative numbers." in course.feedback("bob", "toy").read_text()
    with Gradebook(url(course.database)) as gradebook, pytest.raises(MissingEntry):
        gradebook.find_submission("toy", "eve")
