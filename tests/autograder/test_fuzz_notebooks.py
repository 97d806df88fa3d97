"""A thousand damaged submissions: each gets a score or a reason, and none a point too many.

All of them are read and rebuilt. What the engine sees of a notebook is its rebuilt cells, so of
those that rebuild to the same cells three are graded; so is whatever can't be read, and every
strange file and name. `FUZZ_ALL=1` grades all thousand.
"""

import os
from collections import defaultdict
from dataclasses import dataclass

import mutations
import pytest
from mutations_of_files import FILES

from autograder import notebook
from autograder.batch import grade_batch
from autograder.errors import NotebookError
from autograder.recording import record

MUTANTS, ALIKE, RECORDED = 1_000, 3, 100
UNTOUCHED = 10.0  # 3 of 5 points for `add`, 7 of 7 for `mul`
HALF_RIGHT, RIGHT = "return abs(a) + abs(b)", "return a * b"


@dataclass(frozen=True)
class Fuzzed:
    """What became of the mutants: their rebuilt cells, why not, and who was graded."""

    mutants: dict
    cells: dict
    refused: dict
    reports: dict


@pytest.fixture
def fuzzed(course, hand_in):
    """Hand in all mutants, read them all, and grade those that differ."""
    original = hand_in("untouched", add=HALF_RIGHT, mul=RIGHT, essay="Symmetric.").read_bytes()
    mutants = {each.student: each for each in mutations.mutants(original, MUTANTS)}
    source = notebook.read(course.source("toy"))
    cells, refused = {}, {}
    for student, mutant in mutants.items():
        path = course.submission(student, "toy")
        path.parent.mkdir(parents=True)
        mutant.write(path)
        try:
            cells[student] = tuple(notebook.rebuild(source, notebook.read(path)))
        except NotebookError as error:
            refused[student] = str(error)
    reports = grade_batch(course, "toy", _worth_grading(mutants, cells))
    return Fuzzed(mutants, cells, refused, {report.student: report for report in reports})


def _worth_grading(mutants, cells):
    alike = defaultdict(list)
    for student in mutants:
        alike[cells.get(student, student)].append(student)
    most = MUTANTS if os.environ.get("FUZZ_ALL") else ALIKE
    chosen = {student for group in alike.values() for student in group[:most]}
    strange = {s for s, mutant in mutants.items() if mutant.what in {"name", *FILES}}
    return [student for student in mutants if student in chosen | strange]


def _scores_of_alike(fuzzed):
    """{rebuilt cells: score of those that were graded}."""
    graded = [r for r in fuzzed.reports.values() if r.status == "graded"]
    return {fuzzed.cells[report.student]: report.score for report in graded}


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
    scores = _scores_of_alike(fuzzed)
    lost = {
        student: (mutant.what, scores.get(fuzzed.cells[student]))
        for student, mutant in fuzzed.mutants.items()
        if mutant.keeps and student in fuzzed.cells and mutant.what != "linked-folder"
        if scores[fuzzed.cells[student]] != UNTOUCHED
    }
    assert lost == {}
    kept = [s for s, mutant in fuzzed.mutants.items() if mutant.keeps and s in fuzzed.cells]
    assert len(kept) > MUTANTS / 3


def _recording_goes_through(course, fuzzed):
    graded = [report for report in fuzzed.reports.values() if report.status == "graded"]
    strange = [report for report in graded if fuzzed.mutants[report.student].what == "name"]
    sample = [*strange, *(report for report in graded if report not in strange)][:RECORDED]
    seen = []
    problems = record(course, "toy", sample, on_recorded=seen.append)
    assert seen == [report.student for report in sample]
    unnameable = {"two\nlines", " spaces ", os.fsdecode(b"not-\xff-utf8")}
    assert set(problems) == unnameable, problems
