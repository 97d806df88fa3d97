"""The store and the runner together, with the real engine in its sandbox."""

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest

from autograder import batch
from autograder.batch import grade_batch
from autograder.course import Course
from autograder.engine import Engine
from autograder.store import Store


@pytest.fixture
def graded(monkeypatch):
    """Count what the engine grades."""
    done, grade_all = [], batch.grade_all

    def counted(submissions, suite, **how):
        done.extend(submission.student for submission in submissions)
        return grade_all(submissions, suite, **how)

    monkeypatch.setattr(batch, "grade_all", counted)
    return done


def test_scores_reasons_and_order(course, hand_in):
    hand_in("zoe", add="return a + b", mul="return a * b")
    hand_in("bob", add="return a * b", mul="return a * b")
    hand_in("eve", raw="{")
    (course.submitted / "nil" / "toy").mkdir(parents=True)
    (course.submitted / "nil" / "toy" / "toy (1).ipynb").write_text("{}")
    seen = []
    reports = grade_batch(course, "toy", ["zoe", "bob", "eve", "nil"], on_report=seen.append)
    assert [report.student for report in reports] == ["zoe", "bob", "eve", "nil"]
    assert [report.score for report in reports] == [12, 7, 0, 0]
    assert [report.status for report in reports] == ["graded"] * 2 + ["not_graded"] * 2
    assert "is not a notebook" in reports[2].reason
    assert reports[3].reason == "no toy.ipynb was handed in; found: toy (1).ipynb"
    assert sorted(report.student for report in seen) == ["bob", "eve", "nil", "zoe"]
    assert len(Store(course.reports).latest("toy")) == 4


def test_finished_work_is_not_done_again(course, hand_in, graded):
    hand_in("ann", add="return a + b")
    first = grade_batch(course, "toy", ["ann"])
    hand_in("bob", add="return a + b")
    second = grade_batch(course, "toy", ["ann", "bob"])
    assert graded == ["ann", "bob"]
    assert second[0] == first[0]


def test_a_batch_that_was_killed_keeps_what_was_ready(course, hand_in, graded):
    for student in ("ann", "bob", "cyd"):
        hand_in(student, add="return a + b")

    def kill(report):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        grade_batch(course, "toy", ["ann", "bob", "cyd"], jobs=1, on_report=kill)
    ready = [report.student for report in Store(course.reports).latest("toy")]
    assert len(ready) == 1
    graded.clear()
    assert len(grade_batch(course, "toy", ["ann", "bob", "cyd"])) == 3
    assert sorted([*graded, *ready]) == ["ann", "bob", "cyd"]


def test_who_graded_what_makes_no_difference(course, hand_in):
    for student in ("ann", "bob", "cyd"):
        hand_in(student, add="return a + b" if student == "bob" else "return 1")
    serial = grade_batch(course, "toy", ["ann", "bob", "cyd"], jobs=1)
    course.reports.unlink()
    parallel = grade_batch(course, "toy", ["cyd", "bob", "ann"], jobs=3)
    assert [r.score for r in serial] == [r.score for r in reversed(parallel)]


def test_without_a_sandbox_nothing_is_stored(course, hand_in):
    hand_in("ann", add="return a + b")
    (report,) = grade_batch(course, "toy", ["ann"], sandbox=False)
    assert (report.score, report.walls) == (5, ())
    assert not course.reports.exists()


@pytest.mark.timeout(60)
@pytest.mark.parametrize("kind", ["link", "pipe", "folder", "linked folder"])
def test_what_is_no_file_is_named_and_stops_nothing(course, hand_in, tmp_path, kind):
    good = hand_in("ann", add="return a + b")
    place = course.submission("bob", "toy")
    if kind == "linked folder":
        place.parent.parent.mkdir(parents=True)
        place.parent.symlink_to(good.parent)
    else:
        place.parent.mkdir(parents=True)
        {
            "link": lambda: place.symlink_to(good),
            "pipe": lambda: os.mkfifo(place),
            "folder": place.mkdir,
        }[kind]()
    bob, ann = grade_batch(course, "toy", ["bob", "ann"])
    assert (bob.status, ann.status) == ("not_graded", "graded")
    assert any(
        word in bob.reason
        for word in ("symbolic link", "not a regular file", "is a folder", "not a folder")
    )


def test_a_fault_that_nobody_foresaw_costs_one_submission_not_the_batch(
    course, hand_in, monkeypatch
):
    for student in ("ann", "bob"):
        hand_in(student, add="return a + b")
    grade = Engine.grade

    def unlucky(engine, notebook, *, student, seed=0):
        if student == "ann":
            raise OSError(12, "Cannot allocate memory")
        return grade(engine, notebook, student=student, seed=seed)

    monkeypatch.setattr(Engine, "grade", unlucky)
    ann, bob = grade_batch(course, "toy", ["ann", "bob"], jobs=1)
    assert (ann.status, bob.score) == ("not_graded", 5)
    assert ann.reason == "grader error: OSError: [Errno 12] Cannot allocate memory"


@contextmanager
def _as_anybody():
    """Lose root's power to open everything, for a moment."""
    us = os.geteuid()
    if us == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(us)


def test_who_closed_a_folder_to_us_is_named_not_left_out():
    with tempfile.TemporaryDirectory() as folder:
        course = Course(Path(folder), Path(folder))
        closed = {"bob": course.submitted / "bob", "eve": course.submitted / "eve" / "toy"}
        for student in closed:
            course.submission(student, "toy").parent.mkdir(parents=True)
        Path(folder).chmod(0o755)
        for path in closed.values():
            path.chmod(0)
        with _as_anybody():
            students = course.students("toy")
            reasons = [batch.absent(course.submission(student, "toy")) for student in students]
        for path in closed.values():
            path.chmod(0o700)
    assert students == ["bob", "eve"]
    assert reasons == ["toy.ipynb can't be read: Permission denied"] * 2
