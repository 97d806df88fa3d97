"""The classes that are graded: one set of notebooks, and its tests as each grader wants them.

The notebooks are what a student would hand in, less the visible checks and the cells marked
`explore`: ours leaves both out, so nobody is measured on running them. All hold right answers
but the last, which is wrong in one task.

Peers run hidden tests in the student's own process. Their tests for a lab are a line of source for
each task, in which `{names}` stands for the student's names: see `in_process.py`.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import nbformat

from autograder import notebook
from autograder.course import CONFIG, ROOT, Course
from autograder.notebook import Answer, Notebook, grade_id, is_check, is_exploration

TRIVIAL = "trivial"
_HERE = Path(__file__).resolve().parent
_IN_PROCESS = f"import sys; sys.path.insert(0, {str(_HERE)!r}); from in_process import run_task; "
_SUITE = '''
from autograder.suite import expect_equal, task

@task("double", points=5, hint="Multiply by two.")
def test_doubles(student):
    """Doubles a number."""
    expect_equal(student.double(7), 14)
'''


@dataclass(frozen=True)
class Lab:
    """A lab to be graded by everybody.

    Attributes:
        root: the repository with its source notebook and hidden suite.
        tests: {task: source} for peers; it raises where an answer is wrong.
        wrong: what to change in a right notebook for a wrong one.
    """

    name: str
    root: Path
    tests: dict[str, str]
    wrong: dict[str, Answer]

    @property
    def source(self) -> Notebook:
        """The instructor's notebook."""
        return notebook.read(Course(self.root, self.root).source(self.name))

    def points(self) -> dict[str, float]:
        """Return {task: points} of what is graded by machine."""
        checks = [cell for cell in self.source["cells"] if is_check(cell)]
        return {grade_id(c) or "": float(c["metadata"]["nbgrader"]["points"]) for c in checks}

    def hand_in(self, course: Course, names: Sequence[str]) -> None:
        """Hand in the right answers for everybody, and the wrong ones for the last."""
        right = _as_handed_in(self.source)
        for name in names:
            nb = notebook.with_answers(right, self.wrong) if name == names[-1] else right
            notebook.write(nb, course.submission(name, self.name))

    def source_for_peers(self) -> Notebook:
        """Return the instructor's notebook with the hidden tests in its check cells."""
        cells = [
            {**cell, "source": self.tests[grade_id(cell) or ""].format(names="globals()")}
            if is_check(cell)
            else cell
            for cell in self.source["cells"]
        ]
        return {**self.source, "cells": cells}


def names(students: int) -> list[str]:
    """Name the students of a class."""
    return [f"student{number:03}" for number in range(students)]


def real(lab: str) -> Lab:
    """Return one of the course's own labs, with the first of its mutants as the wrong answer."""
    suite = Course(ROOT, ROOT).suite(lab)
    tests = {task: f"{_IN_PROCESS}run_task({lab!r}, {task!r}, {{names}})" for task in suite.tasks}
    return Lab(lab, ROOT, tests, dict(suite.mutants[0].edit))


def trivial(root: Path) -> Lab:
    """Write a repository with one lab: import torch, write one function, pass one test."""
    source, suite = root / "solutions" / TRIVIAL, root / "autograder" / "hidden" / TRIVIAL
    for folder in (source, suite):
        folder.mkdir(parents=True)
    nbformat.write(_trivial_notebook(), source / f"{TRIVIAL}.ipynb")
    (suite / "test_trivial.py").write_text(_SUITE)
    (suite / "lab.toml").write_text(f'notebook = "../../../solutions/{TRIVIAL}/{TRIVIAL}.ipynb"\n')
    shutil.copy(ROOT / CONFIG, root / CONFIG)
    tests = {"double": 'assert {names}["double"](7) == 14'}
    return Lab(TRIVIAL, root, tests, {"double-answer": ("2 * x", "3 * x")})


def _trivial_notebook() -> nbformat.NotebookNode:
    about = {"grade": False, "locked": False, "solution": False, "schema_version": 3}
    cells = [
        nbformat.v4.new_code_cell("import torch", id="imports"),
        nbformat.v4.new_code_cell("def double(x):\n    return 2 * x", id="double-answer"),
        nbformat.v4.new_code_cell("assert double(2) == 4", id="double"),
    ]
    extra = {"grade": True, "locked": True, "points": 5}
    cells[1].metadata["nbgrader"] = {**about, "grade_id": "double-answer", "solution": True}
    cells[2].metadata["nbgrader"] = {**about, "grade_id": "double", **extra}
    nb = nbformat.v4.new_notebook(cells=cells)
    nb.metadata["kernelspec"] = {"name": "python3", "display_name": "P", "language": "python"}
    return nb


def _as_handed_in(source: Notebook) -> Notebook:
    """Leave out what ours never runs."""
    kept = [cell for cell in source["cells"] if not is_exploration(cell)]
    cells = [{**cell, "source": "pass"} if is_check(cell) else cell for cell in kept]
    return {**source, "cells": cells}
