import json

import pytest

from autograder.report import (
    NOT_WRITTEN,
    Misconception,
    Report,
    TaskResult,
    TestResult,
    Verdict,
    not_graded,
)

TESTS = (
    TestResult("adds", Verdict.passed, 0.1, 0.1),
    TestResult("subtracts", Verdict.passed, 0.2, 0.2),
    TestResult("divides", Verdict.timed_out, 0.0, 3.0, "Too slow."),
)


def test_a_task_sums_without_rounding_errors():
    task = TaskResult.of("sums", TESTS)
    assert (task.score, task.max_score) == (0.3 if 0.1 + 0.2 == 0.3 else 0.30000000000000004, 3.3)


def test_a_report_goes_through_json_and_back():
    report = Report(
        student="ada",
        lab="lab07",
        status="graded",
        score=0.3,
        max_score=3.3,
        seconds=1.5,
        tasks=(TaskResult.of("sums", TESTS),),
        misconceptions=(Misconception("sums", "A mean is no sum."),),
        suite_digest="abc",
        seed=11,
        walls=("bubblewrap",),
        notes=("Cell 2 raised NameError",),
    )
    assert Report.from_dict(json.loads(json.dumps(report.to_dict()))) == report


def test_a_report_of_an_earlier_grader_keeps_its_misconceptions():
    data = {**not_graded("ada", "lab07", "").to_dict(), "misconceptions": ["A mean is no sum."]}
    assert Report.from_dict(data).misconceptions == (Misconception("", "A mean is no sum."),)


@pytest.mark.parametrize(
    ("verdict", "message", "reached"),
    [
        (Verdict.passed, "", True),
        (Verdict.failed, "The mean is wrong.", True),
        (Verdict.timed_out, "", True),
        (Verdict.failed, NOT_WRITTEN, False),
        (Verdict.not_run, "Another test must pass first.", False),
    ],
)
def test_a_test_reaches_an_answer_when_there_is_one_and_it_runs(verdict, message, reached):
    assert TestResult("adds", verdict, 0.0, 1.0, message).reached is reached


def test_a_missing_key_is_named():
    data = not_graded("ada", "lab07", "unreadable").to_dict()
    del data["seed"]
    with pytest.raises(ValueError, match=r"missing or unknown keys \['seed'\]"):
        Report.from_dict(data)


def test_an_unknown_task_names_those_that_exist():
    report = Report("ada", "lab07", "graded", tasks=(TaskResult.of("sums", TESTS),))
    assert report.task("sums").tests == TESTS
    with pytest.raises(KeyError, match="no task 'mean' in this report; it has: sums"):
        report.task("mean")
