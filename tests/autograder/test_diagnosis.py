"""What is said of a student's mistake, and above all when nothing is."""

import json
import shutil
from pathlib import Path

import pytest

from autograder.diagnosis import (
    MATRIX,
    Entry,
    diagnose,
    misconceptions,
    read_matrix,
    suspects,
    write_matrix,
)
from autograder.report import Misconception
from autograder.suite import load_suite

TOY = Path(__file__).parent / "fixtures" / "toy"
WRONG = "failed at 7: the sum: 2 of 5 values differ, first at (1,): got 3.5, expected 4.0"
LONG = Entry("add", "A long sum overflows.", {"short": "passed", "long": WRONG})
BOTH = Entry("add", "A sum is no mean.", {"short": WRONG, "long": WRONG})
SAME = Entry("add", "The order matters.", {"short": "passed", "long": WRONG})
OTHER = Entry("mul", "A product is no sum.", {"mul": WRONG})


@pytest.fixture
def suite(tmp_path):
    folder = tmp_path / "toy"
    shutil.copytree(TOY, folder, ignore=shutil.ignore_patterns("__pycache__", MATRIX))
    return load_suite(folder)


def named(signs, **matrix):
    return diagnose(matrix, signs)


def test_all_that_a_mutant_gets_wrong_must_be_wrong_in_the_same_way():
    known = {"long": LONG, "both": BOTH}
    assert named({"short": "passed", "long": WRONG}, **known) == [("long",)]
    assert named({"short": WRONG, "long": "passed"}, **known) == []
    assert named({"short": WRONG}, **known) == []  # `long` was deselected


def test_the_mutant_that_explains_more_is_named_alone():
    assert named({"short": WRONG, "long": WRONG}, long=LONG, both=BOTH) == [("both",)]


def test_a_second_mistake_in_the_task_does_not_hide_the_first():
    short = Entry("add", "A short sum is one.", {"short": WRONG.replace("3.5", "1")})
    known = {"long": LONG, "short": short}
    assert named({"short": WRONG.replace("3.5", "9"), "long": WRONG}, **known) == [("long",)]
    both = {"short": WRONG.replace("3.5", "1"), "long": WRONG}
    assert named(both, **known) == [("long",), ("short",)]


def test_without_a_value_that_agrees_the_whole_task_must_end_alike():
    slow = Entry("add", "A loop is slow.", {"short": "passed", "long": "failed at 7: It is slow."})
    assert named(slow.signs, slow=slow) == [("slow",)]
    assert named({**slow.signs, "short": WRONG}, slow=slow) == []
    assert named({"long": slow.signs["long"]}, slow=slow) == []  # `short` was deselected


def test_code_that_only_raises_says_nothing():
    signs = {"a": "raised at 3: NotImplementedError", "b": "not_run"}
    assert named(signs, stub=Entry("add", "Nothing is written.", signs)) == []


@pytest.mark.parametrize(
    "sign",
    [
        WRONG.replace("at 7", "at 8"),
        WRONG.replace("the sum", "the mean"),
        WRONG.replace("3.5", "3.6"),
        WRONG.replace("3.5", "nan"),
        WRONG.replace("2 of", "3 of"),
        "failed at 7: TypeError",
        "",
        "raised at 7: ValueError",
        "passed",
    ],
)
def test_another_value_or_check_is_another_mistake(sign):
    assert named({"short": "passed", "long": sign}, long=LONG) == []


def test_a_rounding_error_is_no_other_value():
    close = WRONG.replace("3.5", "3.50000000001").replace("4.0", "3.9999999999")
    assert named({"short": "passed", "long": close}, long=LONG) == [("long",)]


def test_how_the_tests_of_other_tasks_ended_does_not_matter():
    signs = {"short": "passed", "long": WRONG, "mul": WRONG, "third": "not_run"}
    assert named(signs, long=LONG, other=OTHER) == [("long",), ("other",)]


def test_two_mutants_that_answer_alike_are_named_together_and_three_not_at_all(suite):
    signs = {"short": "passed", "long": WRONG}
    assert named(signs, long=LONG, same=SAME) == [("long", "same")]
    assert named(signs, long=LONG, same=SAME, third=LONG) == []
    write_matrix(suite, {"long": LONG, "same": SAME})
    said = "One of two: A long sum overflows. Or: The order matters."
    assert misconceptions(suite, signs) == (Misconception("add", said),)
    write_matrix(suite, {"long": LONG, "again": LONG})
    assert misconceptions(suite, signs) == (Misconception("add", "A long sum overflows."),)


def test_each_misconception_names_its_task(suite):
    write_matrix(suite, {"long": LONG, "other": OTHER})
    signs = {"short": "passed", "long": WRONG, "mul": WRONG}
    assert [each.task for each in misconceptions(suite, signs)] == ["add", "mul"]


def test_only_tasks_with_a_wrong_value_and_with_mutants_are_run_again(suite):
    own = ["test_scales_an_array", "test_keeps_the_shape", "test_refuses_none"]
    entry = Entry("scale", "Scaling multiplies.", dict.fromkeys(own, WRONG))
    signs = {own[0]: WRONG, "test_counts_bigrams": WRONG, "test_walk_remembers": "passed"}
    assert suspects(suite, signs) == []
    write_matrix(suite, {"adds": entry})
    assert suspects(suite, signs) == own
    assert suspects(suite, {own[0]: "raised at 3: ValueError"}) == []


def test_what_is_written_is_read_again(suite):
    matrix = {"long": LONG, "both": BOTH, "other": OTHER}
    write_matrix(suite, matrix)
    assert read_matrix(suite) == matrix


def test_a_matrix_of_another_suite_or_another_form_is_not_used(suite):
    write_matrix(suite, {"long": LONG})
    (suite.path / "lab.toml").write_text((suite.path / "lab.toml").read_text() + "\n")
    assert read_matrix(load_suite(suite.path)) == {}
    rows = {"long": {"task": "add", "misconception": "x", "tests": {"long": "failed"}}}
    old = {"suite_digest": suite.digest, "mutants": rows}
    (suite.path / MATRIX).write_text(json.dumps(old))
    assert read_matrix(suite) == {}


def test_without_a_matrix_nothing_is_said(suite):
    assert read_matrix(suite) == {}
    assert misconceptions(suite, {"short": WRONG, "long": WRONG}) == ()
