"""Grades for other programs: a score only where it is final, and never a formula."""

import csv

import pytest
from nbgrader.api import Gradebook

from autograder.course import WrongUseError
from autograder.database import url
from autograder.export import COLUMNS, export_lab, write_csv
from autograder.recording import record
from autograder.report import not_graded

SCORES = ("auto_score", "manual_score", "raw_score", "late_submission_penalty", "score")


@pytest.fixture
def rows(course, tmp_path):
    """Export the toy lab: {student: row}."""

    def rows():
        export_lab(course, "toy", tmp_path / "grades.csv")
        with (tmp_path / "grades.csv").open(newline="") as file:
            return {row["student_id"]: row for row in csv.DictReader(file)}

    return rows


@pytest.fixture
def edit(course):
    """Change the gradebook: `with edit() as gradebook`."""

    def edit(change):
        with Gradebook(url(course.database)) as gradebook:
            change(gradebook)
            gradebook.db.commit()

    return edit


def test_each_kind_of_student_has_a_row_that_says_where_they_stand(
    course, hand_in, toy_report, stored, rows, edit
):
    """Ann is done, bob's essay waits, cyd can't be graded, dan has not been, eve sent nothing."""
    hand_in("ann", add="return a + b")
    hand_in("bob", essay="Because.")
    hand_in("cyd", raw="{")
    hand_in("dan")
    stored(not_graded("cyd", "toy", "toy.ipynb is not a notebook"))
    assert record(course, "toy", [toy_report("ann", multiplies=False), toy_report("bob")]) == {}
    edit(lambda gradebook: gradebook.update_or_create_student("eve", last_name="Adams"))
    found = {name: (row["score"], row["status"], row["reason"]) for name, row in rows().items()}
    assert found == {
        "ann": ("5", "graded", ""),
        "bob": ("", "to grade by hand", "essay"),
        "cyd": ("", "not graded", "toy.ipynb is not a notebook"),
        "dan": ("", "not graded", "run `autograder grade toy`"),
        "eve": ("", "not handed in", ""),
    }
    assert rows()["eve"]["last_name"] == "Adams"
    assert {row["max_score"] for row in rows().values()} == {"23"}
    assert [rows()[name][key] for name in ("bob", "cyd", "dan", "eve") for key in SCORES] == [
        ""
    ] * 20


def test_points_by_hand_penalty_and_total_add_up(course, hand_in, toy_report, rows, edit):
    hand_in("ann", essay="Because.")
    record(course, "toy", [toy_report("ann", adds=False)])

    def by_hand(gradebook):
        gradebook.update_or_create_assignment("toy", duedate="2030-01-01 00:00 UTC")
        gradebook.find_submission("toy", "ann").timestamp = None
        gradebook.find_grade("essay", "toy", "toy", "ann").manual_score = 8.5
        gradebook.find_grade("add", "toy", "toy", "ann").manual_score = 2
        gradebook.find_grade("add", "toy", "toy", "ann").extra_credit = 0.25

    edit(by_hand)
    row = rows()["ann"]
    assert {key: row[key] for key in (*SCORES, "extra_credit")} == {
        "auto_score": "7",
        "manual_score": "10.5",
        "extra_credit": "0.25",
        "raw_score": "17.75",
        "late_submission_penalty": "0",
        "score": "17.75",
    }
    assert row["duedate"] == "2030-01-01 00:00:00 UTC"


@pytest.mark.parametrize(
    ("due", "came", "said"),
    [
        ("2020-01-01 00:00 UTC", None, "no time of submission: lateness unknown"),
        ("2020-01-01 00:00 UTC", "2019-12-31 23:00 UTC", ""),
        (None, None, ""),  # nothing can be late
    ],
)
def test_a_submission_without_its_time_is_no_timely_one(
    course, hand_in, toy_report, rows, edit, due, came, said
):
    """A file from a learning management system says nothing about when it came."""
    hand_in("ann")
    record(course, "toy", [toy_report("ann")])

    def dated(gradebook):
        gradebook.update_or_create_assignment("toy", duedate=due)
        gradebook.update_or_create_submission("toy", "ann", timestamp=came)

    edit(dated)
    row = rows()["ann"]
    assert (row["score"], row["late_submission_penalty"], row["reason"]) == ("12", "0", said)


def test_a_damaged_second_hand_in_leaves_the_score_and_says_so(
    course, hand_in, toy_report, stored, rows
):
    hand_in("ann")
    record(course, "toy", [toy_report("ann")])
    stored(not_graded("ann", "toy", "not a notebook"))
    row = rows()["ann"]
    assert (row["score"], row["status"]) == ("12", "graded")
    assert row["reason"] == "an earlier hand-in, the latest can't be graded: not a notebook"


def test_points_by_hand_are_kept_and_pointed_at_when_the_tests_change(
    course, hand_in, toy_report, rows, edit
):
    hand_in("ann")
    record(course, "toy", [toy_report("ann", adds=False)])

    def override(gradebook):
        grade = gradebook.find_grade("add", "toy", "toy", "ann")
        grade.manual_score, grade.needs_manual_grade = 3, False

    edit(override)
    record(course, "toy", [toy_report("ann")])
    row = rows()["ann"]
    assert (row["score"], row["auto_score"], row["manual_score"]) == ("10", "12", "3")
    assert row["reason"] == "graded anew, look again at points given by hand: add"


HOSTILE = ["=1+1", "+1", "-1", "@x", "=cmd|' /C calc'!A0", "a;=1+1", "a\n=1+1", "\t=1", '"=1+1']


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_is_a_formula_wherever_a_spreadsheet_splits(tmp_path, text):
    target = tmp_path / "grades.csv"
    assert write_csv([dict.fromkeys(COLUMNS, text)], target) == 1
    for separator in ",;\t":
        with target.open(newline="") as file:
            fields = [field for row in csv.reader(file, delimiter=separator) for field in row]
        assert not [
            field for field in fields if field.lstrip(' "').startswith(("=", "+", "-", "@"))
        ]


def test_a_lab_never_graded_says_what_to_do(course, tmp_path):
    with pytest.raises(WrongUseError, match=r"No gradebook in .*run `autograder grade toy` first"):
        export_lab(course, "toy", tmp_path / "grades.csv")
    assert list(tmp_path.glob("*.csv*")) == []


def test_the_columns_of_nbgraders_own_exporter_are_all_there():
    own = "assignment duedate timestamp student_id last_name first_name email raw_score"
    assert {*own.split(), "late_submission_penalty", "score", "max_score"} <= set(COLUMNS)
