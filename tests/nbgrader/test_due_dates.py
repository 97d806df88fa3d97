"""Due dates, penalties and extensions, by the commands that an instructor types."""

import csv

import pytest

from autograder.course import CONFIG
from autograder.release import register


def _exported(course):
    with (course.directory / "grades.csv").open(newline="") as file:
        rows = {row["student_id"]: row for row in csv.DictReader(file)}
    return {
        name: (row["raw_score"], row["late_submission_penalty"], row["score"])
        for name, row in rows.items()
    }


@pytest.mark.timeout(900)
def test_late_work_costs_what_the_config_says_and_an_extension_takes_it_back(
    course, hand_in, toy_report, stored, nbgrader, autograder
):
    """Both came 30 hours late, which is two days begun; bob had two days more."""
    config = course.root / CONFIG
    config.write_text(config.read_text() + "c.PerDayPenalty.percent_per_day = 25\n")
    for student in ("ann", "bob"):
        folder = hand_in(student, add="return a + b", mul="return a * b").parent
        (folder / "timestamp.txt").write_text("2030-03-02 18:00:00 UTC")
        stored(toy_report(student))
    register(course, "toy")
    nbgrader("db", "assignment", "add", "toy", "--duedate=2030-03-01 12:00 UTC")
    said = autograder("extend", "toy", "bob", "--days", "2")
    assert "bob: toy is due 2030-03-03 12:00 UTC" in said
    nbgrader("autograde", "toy")
    nbgrader("export", "--to=grades.csv")
    assert _exported(course) == {"ann": ("12", "6", "6"), "bob": ("12", "0", "12")}
    said = nbgrader("export", "--to=submitted", code=1)
    assert "Can't write submitted: it is a folder or a device." in said
    assert "Traceback" not in said

    autograder("extend", "toy", "ann", "--hours", "29")  # still an hour late
    said = autograder("export", "toy", "--to", "grades.csv")
    assert "2 rows in grades.csv" in said
    assert _exported(course) == {"ann": ("12", "3", "9"), "bob": ("12", "0", "12")}
    autograder("feedback", "toy")
    page = course.feedback("ann", "toy").read_text()
    assert "Late penalty: −3 points, already taken off." in page
