"""A small course: one lab, two tasks, one essay; and reports on it that are made by hand."""

import shutil
from pathlib import Path

import nbformat
from nbgrader.api import Gradebook

from autograder.course import CONFIG, ROOT, Course
from autograder.database import url
from autograder.report import Report, TaskResult, TestResult, Verdict

SUITE = '''
from autograder.suite import expect_equal, task

@task("add", points=3, hint="Add both arguments.")
def test_adds(student):
    """Adds two numbers."""
    expect_equal(student.add(2, 3), 5)

@task("add", points=2, hint="Negative numbers count too.")
def test_adds_negative_numbers(student):
    """Adds negative numbers."""
    expect_equal(student.add(2, -7), -5)

@task("mul", points=7, hint="Multiply both arguments.")
def test_multiplies(student):
    """Multiplies two numbers."""
    expect_equal(student.mul(3, 5), 15)
'''
MUTANTS = """
from autograder.suite import Mutant

MUTANTS = [
    Mutant("add-is-mul", "add", "You multiply where you should add.",
           {"add-answer": ("a + b", "a * b")}),
    Mutant("mul-is-add", "mul", "You add where you should multiply.",
           {"mul-answer": ("a * b", "a + b")}),
]
"""
ALTERNATIVES = """
from autograder.suite import Alternative

ALTERNATIVES = [
    Alternative("sum", {"add-answer": "def add(a, b):\\n    return sum((a, b))"}),
    Alternative("loop", {"mul-answer": "def mul(a, b):\\n    return sum(b for _ in range(a))"}),
]
"""
LAB = """
title = "Toy lab"
notebook = "../../../solutions/toy/toy.ipynb"
preload = []

[limits]
cells_seconds = 20
"""


def _code(cell_id: str, source: str, **about: object) -> nbformat.NotebookNode:
    return _cell(nbformat.v4.new_code_cell(source), cell_id, about)


def _cell(cell: nbformat.NotebookNode, cell_id: str, about: dict) -> nbformat.NotebookNode:
    cell["id"] = cell_id
    if about:
        plain = {"grade": False, "locked": False, "solution": False, "schema_version": 3}
        cell.metadata["nbgrader"] = {**plain, "grade_id": cell_id, **about}
    return cell


def _answer(name: str, sign: str) -> nbformat.NotebookNode:
    body = f"### BEGIN SOLUTION\n    return a {sign} b\n    ### END SOLUTION"
    return _code(f"{name}-answer", f"def {name}(a, b):\n    {body}", solution=True)


def _check(name: str, example: str, points: int) -> nbformat.NotebookNode:
    return _code(name, f"assert {example}", grade=True, locked=True, points=points)


def toy_notebook() -> nbformat.NotebookNode:
    nb = nbformat.v4.new_notebook()
    nb.metadata["kernelspec"] = {
        "name": "python3",
        "display_name": "Python 3",
        "language": "python",
    }
    essay = _cell(
        nbformat.v4.new_markdown_cell("It is commutative."),
        "essay",
        {"grade": True, "solution": True, "points": 11},
    )
    nb.cells = [
        _cell(nbformat.v4.new_markdown_cell("# Toy lab"), "title", {}),
        _code("set-up", "import math"),
        _answer("add", "+"),
        _check("add", "add(1, 1) == 2", 5),
        _answer("mul", "*"),
        _check("mul", "mul(2, 2) == 4", 7),
        essay,
    ]
    return nb


def make_course(root: Path) -> Course:
    """Write the lab, its hidden suite and nbgrader's configuration."""
    (root / "solutions" / "toy").mkdir(parents=True)
    nbformat.write(toy_notebook(), root / "solutions" / "toy" / "toy.ipynb")
    suite = root / "autograder" / "hidden" / "toy"
    suite.mkdir(parents=True)
    (suite / "lab.toml").write_text(LAB)
    (suite / "test_toy.py").write_text(SUITE)
    (suite / "mutants.py").write_text(MUTANTS)
    (suite / "alternatives.py").write_text(ALTERNATIVES)
    shutil.copy(ROOT / CONFIG, root / CONFIG)
    return Course(root, root)


def automatic_scores(database: Path) -> dict[str, dict[str, tuple[float | None, bool]]]:
    """{student: {grade cell: (automatic score, whether a person is asked)}} in a gradebook."""
    with Gradebook(url(database)) as gradebook:
        return {
            submission.student.id: {
                grade.name: (grade.auto_score, grade.needs_manual_grade)
                for part in submission.notebooks
                for grade in part.grades
            }
            for submission in gradebook.assignment_submissions("toy")
        }


def hand_made(student: str, adds: bool = True, multiplies: bool = True, **more: object) -> Report:
    """Build a report by hand, as the engine would for the toy suite."""

    def test(name: str, points: float, passed: bool, hint: str) -> TestResult:
        verdict = Verdict.passed if passed else Verdict.failed
        return TestResult(name, verdict, points if passed else 0.0, points, "" if passed else hint)

    tasks = (
        TaskResult.of(
            "add",
            (
                test("Adds two numbers.", 3.0, adds, "Add both arguments."),
                test("Adds negative numbers.", 2.0, adds, "Negative numbers count too."),
            ),
        ),
        TaskResult.of(
            "mul", (test("Multiplies two numbers.", 7.0, multiplies, "Multiply both arguments."),)
        ),
    )
    score = sum(task.score for task in tasks)
    known = {"score": score, "max_score": 12.0, "tasks": tasks, "walls": ("bubblewrap",), **more}
    return Report(student=student, lab="toy", status="graded", seconds=0.25, **known)
