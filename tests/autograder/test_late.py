"""Late work: what it costs, and who has more time."""

import pytest
from nbgrader.api import Gradebook

from autograder.course import WrongUseError
from autograder.database import url
from autograder.late import PerDayPenalty, assign_penalties, grant_extension
from autograder.recording import record

HOUR = 3600
DUE = "2030-03-01 12:00:00 UTC"


@pytest.mark.parametrize(
    ("hours", "penalty"),
    [(0.2, None), (0.3, 2), (24.2, 2), (24.3, 4), (24 * 3, 6), (24 * 99, 10)],
)
def test_each_day_begun_after_the_grace_costs_its_share(hours, penalty):
    """20 points, 10 percent a day, a quarter of an hour free, never more than half."""
    plugin = PerDayPenalty(percent_per_day=10, grace_minutes=15, most_percent=50)
    assert plugin.late_submission_penalty("ann", 20.0, hours * HOUR) == penalty


def test_nothing_is_taken_off_unless_the_course_says_so():
    assert PerDayPenalty().late_submission_penalty("ann", 20.0, 24 * HOUR) == 0


@pytest.fixture
def late(course, hand_in, toy_report):
    """Ann's lab is worth 12 points, came 30 hours late, and each day costs a tenth."""
    config = course.root / "nbgrader_config.py"
    config.write_text(config.read_text() + "c.PerDayPenalty.percent_per_day = 10\n")
    path = hand_in("ann", essay="Because.")
    (path.parent / "timestamp.txt").write_text("2030-03-02 18:00:00 UTC")
    record(course, "toy", [toy_report("ann")])
    return course


def _set_due(course, due=DUE):
    with Gradebook(url(course.database)) as gradebook:
        gradebook.update_or_create_assignment("toy", duedate=due)


def _penalty(course):
    with Gradebook(url(course.database)) as gradebook:
        return gradebook.find_submission("toy", "ann").late_submission_penalty


def test_a_due_date_set_afterwards_counts_when_grading_is_run_again(late, toy_report):
    assert _penalty(late) == 0
    _set_due(late)
    record(late, "toy", [toy_report("ann")])
    assert _penalty(late) == 2.4  # two days begun: a fifth of 12


def test_a_due_date_survives_a_new_release_and_a_new_grading(late, toy_report):
    from autograder.release import register

    _set_due(late)
    register(late, "toy")
    record(late, "toy", [toy_report("ann", adds=False)])
    assert _penalty(late) == 1.4


def test_points_by_hand_change_the_penalty(late):
    _set_due(late)
    with Gradebook(url(late.database)) as gradebook:
        gradebook.find_grade("essay", "toy", "toy", "ann").manual_score = 8
        gradebook.db.commit()
    assign_penalties(url(late.database), "toy", late.config())
    assert _penalty(late) == 4.0


def test_an_extension_takes_the_penalty_back_and_ends_when_it_is_taken_back(late):
    _set_due(late)
    assert grant_extension(late, "toy", "ann", hours=30) == "2030-03-02 18:00 UTC"
    assert _penalty(late) == 0
    assert grant_extension(late, "toy", "ann", hours=12) == "2030-03-02 00:00 UTC"
    assert _penalty(late) == 1.2
    assert grant_extension(late, "toy", "ann", hours=0) == "2030-03-01 12:00 UTC"
    assert _penalty(late) == 2.4


def test_an_extension_before_grading_is_not_lost_to_a_damaged_notebook(course, hand_in, toy_report):
    path = hand_in("ann", raw="{")
    with pytest.raises(
        WrongUseError, match=r"(?s)toy has no due date.*in the folder /.*nbgrader db assignment add"
    ):
        grant_extension(course, "toy", "ann", hours=24)
    _set_due(course)
    grant_extension(course, "toy", "ann", hours=24)
    assert list(record(course, "toy", [toy_report("ann")])) == ["ann"]
    with Gradebook(url(course.database)) as gradebook:
        assert gradebook.find_submission("toy", "ann").extension.total_seconds() == 24 * HOUR
    assert path.read_text() == "{"


def test_more_time_for_nobody(course, hand_in):
    hand_in("ann")
    with pytest.raises(WrongUseError, match=r"No student 'anne' in .*Did you mean ann\?"):
        grant_extension(course, "toy", "anne", hours=24)
    assert not course.database.exists()
