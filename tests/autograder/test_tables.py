import io

from rich.console import Console

from autograder.report import not_graded
from autograder.tables import Steps, grades_table, list_problems


def _printed(thing):
    console = Console(file=io.StringIO(), width=120)
    console.print(thing)
    return console.file.getvalue()


def test_scores_walls_and_what_is_missing(toy_report):
    reports = [toy_report("ann"), not_graded("eve", "toy", "not JSON")]
    said = _printed(grades_table("toy", reports, {}))
    assert "toy: 2 submissions" in said
    assert "1 walls: bubblewrap" in said
    weaker = toy_report("bob", walls=("landlock", "seccomp"))
    assert "2 walls: landlock, seccomp (weaker walls, without" in _printed(
        grades_table("toy", [weaker], {})
    )
    rows = [[part.strip() for part in line.split("│")] for line in said.splitlines()]
    assert ["", "ann", "12", "12", "graded", "0.25", "1", ""] in rows
    assert ["", "eve", "–", "–", "not graded", "0.00", "–", ""] in rows


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
