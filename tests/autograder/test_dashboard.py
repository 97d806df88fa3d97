import json
from dataclasses import replace

import pytest

from autograder.dashboard import as_json, class_page, summarise, write_class_report
from autograder.report import Misconception, TaskResult, Verdict, not_graded

MULTIPLIES = Misconception("add", "You multiply.")


@pytest.fixture
def reports(toy_report):
    """Four students and one damaged file: scores 12, 5, 7, 0."""
    lost = toy_report("dee", adds=False, multiplies=False)
    (first, *rest), mul = lost.tasks[0].tests, lost.tasks[1]
    endless = TaskResult.of("add", (replace(first, verdict=Verdict.timed_out), *rest))
    return [
        toy_report("ann"),
        toy_report("bob", multiplies=False),
        toy_report("cyd", adds=False, misconceptions=(MULTIPLIES,)),
        replace(lost, tasks=(endless, mul), misconceptions=(MULTIPLIES,), seconds=4.0),
        not_graded("eve", "toy", "not JSON"),
    ]


def test_figures_by_hand(reports):
    figures = summarise("toy", "Toy lab", reports).figures()
    assert figures["mean"] == (12 + 5 + 7 + 0) / 4
    assert figures["median"] == 6
    assert (figures["lowest"], figures["highest"], figures["full_marks"]) == (0, 12, 1)
    assert (figures["seconds_median"], figures["seconds_longest"]) == (0.25, 4.0)


def test_scores_are_counted_by_tenths_of_the_maximum(reports):
    # 0/12 → first tenth, 5/12 = 0.42 → fifth, 7/12 = 0.58 → sixth, 12/12 → last
    assert summarise("toy", "", reports).bins == (1, 0, 0, 0, 1, 1, 0, 0, 0, 1)


def test_tests_are_ranked_by_how_many_miss_them(reports):
    tests = summarise("toy", "", reports).tests
    assert [(test.name, test.missed, test.total) for test in tests] == [
        ("Adds two numbers.", 2, 4),
        ("Adds negative numbers.", 2, 4),
        ("Multiplies two numbers.", 2, 4),
    ]


def test_who_wrote_nothing_or_was_not_run_did_not_miss_a_test(toy_report):
    wrong = toy_report("ann", adds=False)
    (first, second), mul = wrong.tasks[0].tests, wrong.tasks[1]
    stub = (replace(first, verdict=Verdict.no_answer), replace(second, verdict=Verdict.not_run))
    empty = replace(wrong, student="bob", tasks=(TaskResult.of("add", stub), mul))
    figures = summarise("toy", "", [wrong, empty, toy_report("cyd")]).tests
    assert [(test.missed, test.reached, test.not_reached) for test in figures] == [
        (1, 2, 1),
        (1, 2, 1),
        (0, 3, 0),
    ]
    assert ">1 of 1<" in class_page(summarise("toy", "", [wrong, empty]))


def test_the_page_names_the_task_of_a_misconception(reports):
    page = class_page(summarise("toy", "Toy lab", reports))
    assert '<td>You multiply.</td><td class="soft">add</td><td class="num">2</td>' in page


def test_misconceptions_and_stopped_programs_are_counted(reports):
    summary = summarise("toy", "", reports)
    assert summary.misconceptions == ((MULTIPLIES, 2),)
    assert summary.stopped == (("timed out", 1),)


def test_who_is_not_graded_is_listed_and_counts_nowhere(reports):
    summary = summarise("toy", "", reports)
    assert [report.student for report in summary.missing] == ["eve"]
    assert sum(summary.bins) == 4
    assert "not JSON" in class_page(summary)


def test_a_class_without_any_score_still_has_a_page():
    page = class_page(summarise("toy", "Toy lab", [not_graded("eve", "toy", "not JSON")]))
    assert "Not graded" in page
    assert "<svg" not in page


def test_hostile_names_and_reasons_are_inert(toy_report):
    attack = "<script>alert(1)</script>\x1b[0m\u202e"
    reports = [toy_report(attack), not_graded(attack, "toy", attack)]
    page = class_page(summarise("toy", attack, reports))
    assert "<script" not in page
    assert not {"\x1b", "\u202e"} & set(page)


def test_the_page_stands_alone(reports):
    page = class_page(summarise("toy", "Toy lab", reports))
    assert "http-equiv" in page
    for loads in ("src=", "<link", "<script", "url("):
        assert loads not in page


def test_json_has_the_documented_format(reports):
    data = as_json("toy", [replace(report, suite_digest="abc") for report in reports])
    assert set(data) == {"lab", "suite_digest", "submissions"}
    assert (data["lab"], data["suite_digest"]) == ("toy", "abc")
    first = data["submissions"][0]
    keys = ["student", "status", "reason", "score", "max_score", "seconds", "tasks"]
    assert list(first) == keys
    assert list(first["tasks"][0]) == ["task", "score", "max_score", "tests"]
    test = first["tasks"][0]["tests"][0]
    assert list(test) == ["name", "verdict", "points", "max_points", "message"]
    assert test["verdict"] == "passed"
    assert data["submissions"][-1]["status"] == "not_graded"
    assert json.loads(json.dumps(data)) == data


def test_both_files_are_written(reports, tmp_path):
    page, data = write_class_report(tmp_path, "toy", "Toy lab", reports)
    assert page.read_text().startswith("<!DOCTYPE html>")
    written = json.loads(data.read_text())
    assert written["class"]["not_graded"] == 1
    assert len(written["submissions"]) == 5
