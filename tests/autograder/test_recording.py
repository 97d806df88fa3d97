import os
import sqlite3
from contextlib import closing

import nbformat
import pytest
from nbgrader.api import Gradebook

from autograder import recording
from autograder.database import backup_of, url
from autograder.recording import record
from autograder.release import ReleaseError, register
from autograder.report import not_graded

NO_UTF8 = os.fsdecode(b"ann-\xff")


def _score(course, student):
    with Gradebook(url(course.database)) as gradebook:
        return gradebook.find_submission("toy", student).score


@pytest.fixture
def conversions(monkeypatch):
    """Count how often nbgrader converts a submission."""
    done, convert = [], recording._record_one

    def counted(course, lab, report):
        done.append(report.student)
        return convert(course, lab, report)

    monkeypatch.setattr(recording, "_record_one", counted)
    return done


def test_what_is_recorded_is_not_recorded_again(course, hand_in, toy_report, conversions):
    for student in ("ann", "bob"):
        hand_in(student)
    reports = [toy_report("ann"), toy_report("bob", adds=False)]
    for _ in range(2):
        assert record(course, "toy", reports) == {}
    assert conversions == ["ann", "bob"]
    record(course, "toy", [toy_report("ann"), toy_report("bob", multiplies=False)])
    assert conversions == ["ann", "bob", "bob"]
    assert [_score(course, student) for student in ("ann", "bob")] == [12, 5]


def test_a_lost_gradebook_is_filled_again(course, hand_in, toy_report, conversions):
    hand_in("ann")
    record(course, "toy", [toy_report("ann")])
    course.database.unlink()
    assert record(course, "toy", [toy_report("ann")]) == {}
    assert _score(course, "ann") == 12


def test_a_run_that_was_killed_goes_on(course, hand_in, toy_report, monkeypatch):
    for student in ("ann", "bob"):
        hand_in(student)
    reports = [toy_report("ann"), toy_report("bob")]
    done = []

    def killed(student):
        done.append(student)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        record(course, "toy", reports, on_recorded=killed)
    assert done == ["ann"]
    assert record(course, "toy", reports, on_recorded=done.append) == {}
    assert done == ["ann", "bob"]


def test_one_that_fails_is_named_and_the_next_is_recorded(course, hand_in, toy_report):
    hand_in("ann", raw="no notebook")
    hand_in("bob")
    problems = record(course, "toy", [toy_report("ann"), toy_report("bob")])
    assert list(problems) == ["ann"]
    assert "is not a notebook" in problems["ann"]
    assert _score(course, "bob") == 12


def test_reports_without_a_score_are_left_out(course, hand_in):
    hand_in("ann")
    assert record(course, "toy", [not_graded("ann", "toy", "no sandbox")]) == {}
    assert not course.database.exists()


@pytest.mark.parametrize("name", ["ann\nlee", "ünï cødé", "a[b]*", "o'neil", NO_UTF8, " ann "])
def test_strange_names_are_recorded_or_named(course, hand_in, toy_report, name):
    hand_in(name)
    problems = record(course, "toy", [toy_report(name)])
    if problems:
        assert problems[name].endswith("Rename it: UTF-8, no line break, no space at either end")
    else:
        assert _score(course, name) == 12


@pytest.mark.parametrize("timestamp", ["yesterday", "", "9" * 500, "1" * 40 + " h"])
def test_a_strange_timestamp_stops_nothing(course, hand_in, toy_report, timestamp):
    time = hand_in("ann").parent / "timestamp.txt"
    time.write_text(timestamp)
    assert record(course, "toy", [toy_report("ann")]) == {}
    time.write_text("2030-03-01 12:00:00 UTC")
    assert record(course, "toy", [toy_report("ann")]) == {}
    time.write_text(timestamp)
    hand_in("zoe")
    assert record(course, "toy", [toy_report("ann"), toy_report("zoe")]) == {}
    assert _score(course, "zoe") == 12


def test_other_files_that_were_handed_in_are_not_copied(course, hand_in, toy_report):
    folder = hand_in("ann").parent
    (folder / "torch.py").write_text("evil")
    (folder / "passwd").symlink_to("/etc/passwd")
    record(course, "toy", [toy_report("ann")])
    assert [path.name for path in course.autograded("ann", "toy").parent.iterdir()] == ["toy.ipynb"]


def test_the_gradebook_is_backed_up_before_it_changes(course, hand_in, toy_report):
    hand_in("ann")
    hand_in("bob")
    record(course, "toy", [toy_report("ann")])
    record(course, "toy", [toy_report("ann"), toy_report("bob")])
    with closing(sqlite3.connect(backup_of(course.database))) as backup:
        rows = backup.execute("SELECT id FROM student").fetchall()
    assert rows == [("ann",)]


def test_cells_added_after_submissions_were_recorded(course, hand_in, toy_report):
    hand_in("ann")
    record(course, "toy", [toy_report("ann")])
    nb = nbformat.read(course.source("toy"), as_version=4)
    nb.cells[1].metadata["nbgrader"] = {**nb.cells[3].metadata.nbgrader, "grade_id": "new"}
    nbformat.write(nb, course.source("toy"))
    with pytest.raises(ReleaseError, match="Cannot add or remove cells"):
        register(course, "toy")
    hand_in("bob")
    with pytest.raises(ReleaseError, match=r"added to or removed from .*Restore the cells"):
        record(course, "toy", [toy_report("bob")])
