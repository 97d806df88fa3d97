"""A thousand damaged submissions: each gets a score or a reason, and none a point too many."""

import os
from contextlib import suppress
from dataclasses import dataclass

import mutations
import pytest

from autograder import notebook
from autograder.batch import grade_batch
from autograder.errors import NotebookError
from autograder.recording import record

MUTANTS = 1_000
UNTOUCHED = 10.0  # 3 of 5 points for `add`, 7 of 7 for `mul`
HALF_RIGHT, RIGHT = "return abs(a) + abs(b)", "return a * b"


@dataclass(frozen=True)
class Fuzzed:
    """What became of the mutants: the cells of those that can be read, and all reports."""

    mutants: dict
    cells: dict
    reports: dict


@pytest.fixture
def fuzzed(course, hand_in):
    """Hand in all mutants and grade them."""
    original = hand_in("untouched", add=HALF_RIGHT, mul=RIGHT, essay="Symmetric.").read_bytes()
    mutants = {each.student: each for each in mutations.mutants(original, MUTANTS)}
    source, cells = notebook.read(course.source("toy")), {}
    for student, mutant in mutants.items():
        path = course.submission(student, "toy")
        path.parent.mkdir(parents=True)
        mutant.write(path)
        with suppress(NotebookError):
            cells[student] = notebook.rebuild(source, notebook.read(path))
    reports = grade_batch(course, "toy", list(mutants))
    return Fuzzed(mutants, cells, {report.student: report for report in reports})


@pytest.mark.timeout(900)
def test_a_thousand_damaged_submissions(course, fuzzed):
    assert len(fuzzed.mutants) == MUTANTS
    assert set(course.students("toy")) >= set(fuzzed.mutants) - {"file-file-for-a-folder"}
    _each_has_a_score_or_a_reason(fuzzed)
    _no_score_is_too_high(fuzzed)
    _unchanged_answers_keep_their_points(fuzzed)
    _recording_goes_through(course, fuzzed)


def _each_has_a_score_or_a_reason(fuzzed):
    for student, report in fuzzed.reports.items():
        assert report.status == "graded" or report.reason, student
        assert "grader error" not in report.reason, (student, report.reason)
        assert "died" not in report.reason, (student, report.reason)


def _no_score_is_too_high(fuzzed):
    assert max(report.score for report in fuzzed.reports.values()) == UNTOUCHED


def _unchanged_answers_keep_their_points(fuzzed):
    kept = [s for s, mutant in fuzzed.mutants.items() if mutant.keeps and s in fuzzed.cells]
    assert len(kept) > MUTANTS / 3
    kept = [student for student in kept if fuzzed.mutants[student].what != "linked-folder"]
    lost = {s: fuzzed.mutants[s].what for s in kept if fuzzed.reports[s].score != UNTOUCHED}
    assert lost == {}


def _recording_goes_through(course, fuzzed):
    graded = [report for report in fuzzed.reports.values() if report.status == "graded"]
    seen = []
    problems = record(course, "toy", graded, on_recorded=seen.append)
    assert seen == [report.student for report in graded]
    unnameable = {"two\nlines", " spaces ", os.fsdecode(b"not-\xff-utf8")}
    assert set(problems) == unnameable, problems
