import json

import pytest

from autograder.report import (
    Misconception,
    Note,
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
        notes=(Note("Cell 2", "name 'x' is not defined", "NameError", 2, 4),),
    )
    assert Report.from_dict(json.loads(json.dumps(report.to_dict()))) == report


def test_a_report_of_an_earlier_grader_keeps_what_it_says():
    said = {"misconceptions": ["A mean is no sum."], "notes": ["Cell 2 raised NameError"]}
    report = Report.from_dict({**not_graded("ada", "lab07", "").to_dict(), **said})
    assert report.misconceptions == (Misconception("", "A mean is no sum."),)
    assert list(map(str, report.notes)) == said["notes"]


@pytest.mark.parametrize(
    ("note", "sentence"),
    [
        (Note("Cell 2", "no x", "NameError", 2, 4), "Cell 2, line 4 raised NameError: no x"),
        (Note("Cell 2", "", "KeyboardInterrupt", 2), "Cell 2 raised KeyboardInterrupt"),
        (Note("Cell 2", "too slow.", cell=2), "Cell 2: too slow."),
        (Note("A lab cell", "no y", "NameError"), "A lab cell raised NameError: no y"),
    ],
)
def test_a_note_is_a_sentence(note, sentence):
    assert str(note) == sentence


@pytest.mark.parametrize(
    ("verdict", "reached"),
    [
        (Verdict.passed, True),
        (Verdict.failed, True),
        (Verdict.timed_out, True),
        (Verdict.no_answer, False),
        (Verdict.not_run, False),
    ],
)
def test_a_test_reaches_an_answer_when_there_is_one_and_it_runs(verdict, reached):
    assert TestResult("adds", verdict, 0.0, 1.0).reached is reached


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
