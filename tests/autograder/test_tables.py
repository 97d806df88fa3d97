import io

from rich.console import Console

from autograder.report import not_graded
from autograder.tables import Steps, grades_table, list_problems, validation_table
from autograder.validate import Row, ValidationResult


def _rows(said):
    return [[part.strip() for part in line.split("│")] for line in said.splitlines()]


def _printed(thing):
    console = Console(file=io.StringIO(), width=120)
    console.print(thing)
    return console.file.getvalue()


def test_scores_walls_and_what_is_missing(toy_report):
    reports = [toy_report("ann"), not_graded("eve", "toy", "not JSON")]
    said = _printed(grades_table("toy", reports, {}))
    assert "toy: 2 submissions" in said
    assert "1 wall: bubblewrap" in said
    weaker = toy_report("bob", walls=("landlock", "seccomp"))
    weak = " ".join(_printed(grades_table("toy", [weaker], {})).split())
    assert "2 walls: landlock, seccomp (weaker walls, without" in weak
    assert weak.startswith("toy: 1 submission ")
    assert ["", "ann", "12", "12", "graded", "0.25", ""] in _rows(said)
    assert ["", "eve", "–", "–", "not graded", "0.00", ""] in _rows(said)


def test_a_column_says_who_was_graded_behind_which_walls_when_they_differ(toy_report):
    reports = [toy_report("ann"), toy_report("bob", walls=("landlock", "seccomp"))]
    said = _printed(grades_table("toy", [*reports, not_graded("eve", "toy", "not JSON")], {}))
    assert [row[1:7:5] for row in _rows(said) if len(row) == 8] == [
        ["ann", "1"],
        ["bob", "2"],
        ["eve", "–"],
    ]


def test_the_table_of_a_suite_names_tests_and_how_they_ended():
    rows = (
        Row("points", "suite", 7, 7),
        Row("mutants", "suite", problem="mutants.py has no wrong answer"),
        Row("solution", "solution", 5, 7, "loses [some]", {"test_a": "failed at 41: NameError"}),
        Row("loop", "alternative", 7, 7),
        Row("adds", "mutant", 4, 7, "", {"test_a": "failed at 41: got 7", "test_b": "not_run"}),
        Row("untouched", "untouched", 0, 7, "", {"test_a": "raised at 41: NameError"}),
    )
    said = _printed(validation_table(ValidationResult("toy", rows, {})))
    assert "toy: the suite is NOT valid" in said
    assert [row[1:-1] for row in _rows(said) if len(row) == 8] == [
        ["✓", "points", "suite", "7", "7", ""],
        ["✗", "mutants", "suite", "", "", "mutants.py has no wrong answer"],
        ["✗", "solution", "solution", "5", "7", "loses [some]"],
        ["", "", "", "", "", "test_a: failed at 41: NameError"],
        ["✓", "loop", "alternative", "7", "7", ""],
        ["✓", "adds", "mutant", "4", "7", "a, b"],
        ["✓", "untouched", "untouched", "0", "7", ""],
    ]


def test_who_was_not_recorded_is_marked(toy_report):
    assert "not recorded" in _printed(grades_table("toy", [toy_report("ann")], {"ann": "locked"}))


def test_problems_are_listed_with_their_reasons(toy_report):
    console = Console(file=io.StringIO(), width=60)
    reports = [toy_report("ann"), not_graded("eve", "toy", "[red]not JSON\x1b[0m")]
    list_problems(console, reports, {"ann": "database is locked"})
    said = console.file.getvalue()
    assert "not graded: eve: [red]not JSON" in said
    assert "graded, but not recorded: ann: database is locked" in said
    assert "\x1b" not in said


def test_the_bar_counts_steps():
    console = Console(file=io.StringIO(), width=80, force_terminal=True)
    with Steps(console, "grading", 3) as advance:
        for _ in range(3):
            advance()
    assert "3/3" in console.file.getvalue()
