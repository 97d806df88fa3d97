"""What goes with a submission from folder to folder: the student's secret and the time."""

import os

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from autograder.exchange import carry_receipt, receipt
from autograder.recording import record

GOOD = {"submission_secret.txt": "5ec2e7", "timestamp.txt": "2030-03-01 12:00:00.5 UTC"}


@pytest.fixture
def folder(tmp_path):
    """A folder as `nbgrader submit` leaves it."""
    (tmp_path / "from").mkdir()
    for name, text in GOOD.items():
        (tmp_path / "from" / name).write_text(f"{text}\n")
    return tmp_path / "from"


def test_secret_and_time_are_carried_and_nothing_else(folder, tmp_path):
    (folder / "evil.html").write_text("<script>")
    for _ in range(2):
        carry_receipt(folder, tmp_path / "to")
    assert receipt(tmp_path / "to") == GOOD
    assert {path.name for path in (tmp_path / "to").iterdir()} == set(GOOD)


@given(time=st.text(alphabet="0123456789 :.-+hmsTZ", max_size=60) | st.text(max_size=60))
@example(time="1" * 40 + " h")
def test_no_text_that_may_be_a_time_raises(tmp_path_factory, time):
    folder = tmp_path_factory.mktemp("strange")
    (folder / "timestamp.txt").write_bytes(time.encode("utf-8", "surrogatepass"))
    assert set(receipt(folder)) <= {"timestamp.txt"}


@pytest.mark.parametrize("time", ["", "yesterday", "9" * 500, "2030-13-45", "1" * 2000])
def test_a_time_that_nbgrader_cannot_read_is_left_behind(folder, time):
    (folder / "timestamp.txt").write_text(time)
    assert set(receipt(folder)) == {"submission_secret.txt"}


@pytest.mark.parametrize("kind", ["link", "pipe", "folder", "missing", "huge"])
def test_what_is_no_small_file_is_never_read(folder, kind):
    path = folder / "submission_secret.txt"
    path.unlink()
    if kind == "link":
        path.symlink_to("timestamp.txt")
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "huge":
        path.write_text("x" * 1001)
    assert set(receipt(folder)) == {"timestamp.txt"}


def test_the_same_notebook_handed_in_again_is_recorded_with_its_new_time(
    course, hand_in, toy_report
):
    """Else formgrader would ask for autograding for ever, and the student would find no page."""
    folder = hand_in("ann").parent
    for minute in (1, 2):
        time = f"2030-03-01 12:0{minute}:00 UTC"
        (folder / "timestamp.txt").write_text(time)
        assert record(course, "toy", [toy_report("ann")]) == {}
        assert receipt(course.autograded("ann", "toy").parent) == {"timestamp.txt": time}
