"""Grading a class: ours against stock `nbgrader autograde`, the same notebooks in one run.

Run `make bench` or `python benchmarks/grading.py [--students N] [--lab LAB]`. Two classes of N
identical right answers are graded: a trivial lab that imports torch, where nearly all the time is
the grader's own, and a real lab. Stock nbgrader runs each notebook in a fresh kernel of the
student's, with the visible checks only, and is given full rights. Ours runs it in the sandbox,
with the hidden tests on top. Both end with the scores in a gradebook, and both are checked to have
given full marks.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
from common import machine, save, table
from nbgrader.api import Gradebook

from autograder.batch import grade_batch
from autograder.course import CONFIG, ROOT, Course, use_own_environment
from autograder.database import url
from autograder.engine import Engine
from autograder.recording import record

RESULTS = Path(__file__).parent / "results" / "grading.json"
TRIVIAL = "trivial"
SUITE = '''
from autograder.suite import expect_equal, task

@task("double", points=5, hint="Multiply by two.")
def test_doubles(student):
    """Doubles a number."""
    expect_equal(student.double(7), 14)
'''
STOCK = """
c = get_config()
c.CourseDirectory.course_id = "stock"
c.CourseDirectory.source_directory = {source!r}
c.CourseDirectory.release_directory = "release"
"""


def main() -> None:
    """Measure, print a table, and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--students", type=int, default=6, help="submissions a class")
    parser.add_argument("--lab", default="lab02", help="the real lab")
    options = parser.parse_args()
    use_own_environment()
    with tempfile.TemporaryDirectory(prefix="grading benchmark ") as folder:
        root = trivial_course(Path(folder) / "repository")
        figures = {
            "students": options.students,
            TRIVIAL: measure(root, TRIVIAL, options.students, Path(folder) / TRIVIAL),
            options.lab: measure(ROOT, options.lab, options.students, Path(folder) / options.lab),
        }
    show(figures, [TRIVIAL, options.lab])
    save(RESULTS, machine("nbgrader", "torch") | {"seconds a submission": figures})


def measure(root: Path, lab: str, students: int, folder: Path) -> dict[str, float]:
    """Return seconds a submission for stock nbgrader and for ours, cold, warm and again."""
    names = [f"student{number:03}" for number in range(students)]
    ours, theirs = Course(folder / "ours", root), Course(folder / "stock", root)
    for course in (ours, theirs):
        hand_in(course, lab, names)
    figures = {"stock": timed(lambda: stock(theirs, lab)) / students}
    figures["ours, cold"] = timed(lambda: cold(ours, lab)) / students
    figures["ours, again"] = timed(lambda: cold(ours, lab)) / students
    figures["ours, warm engine, one job"] = warm(ours, lab, names)
    figures["ours, recording alone"] = recording(ours, lab, names)
    for course in (ours, theirs):
        require_full_marks(course, lab, names)
    return figures


def timed(work: Callable[[], Any]) -> float:
    """Return the seconds that the work takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def stock(course: Course, lab: str) -> None:
    """Grade with nbgrader as it comes: its own configuration, every step its default."""
    text = STOCK.format(source=str(course.root / "solutions"))
    (course.directory / CONFIG).write_text(text, encoding="utf-8")
    nbgrader = Path(sys.executable).with_name("nbgrader")
    command = [nbgrader, "autograde", lab, "--quiet"]
    subprocess.run(command, cwd=course.directory, check=True, stderr=subprocess.DEVNULL)


def cold(course: Course, lab: str) -> None:
    """Grade and record from nothing: start Python and the sandbox, import everything."""
    program = "import sys; from pathlib import Path; from autograder import cli; "
    program += "cli.ROOT = Path(sys.argv.pop(1)); cli.main()"
    words = ["grade", lab, "--submissions", str(course.submitted)]
    command = [sys.executable, "-c", program, str(course.root), *words]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def warm(course: Course, lab: str, names: list[str]) -> float:
    """Return seconds a submission of an engine that runs already, one submission at a time."""
    with Engine(course.suite(lab)) as engine:
        engine.grade(course.submission(names[0], lab), student="warm-up")
        return timed(
            lambda: [engine.grade(course.submission(name, lab), student=name) for name in names]
        ) / len(names)


def recording(course: Course, lab: str, names: list[str]) -> float:
    """Return seconds a submission for nbgrader's own converter to record reports."""
    reports = grade_batch(course, lab, names)
    shutil.rmtree(course.directory / "autograded")
    return timed(lambda: record(course, lab, reports)) / len(names)


def hand_in(course: Course, lab: str, names: list[str]) -> None:
    """Hand in the solution for everybody, and tell the gradebook about the lab."""
    for name in names:
        path = course.submission(name, lab)
        path.parent.mkdir(parents=True)
        shutil.copy(course.source(lab), path)
    command = [Path(sys.executable).with_name("nbgrader"), "generate_assignment", lab, "--quiet"]
    text = STOCK.format(source=str(course.root / "solutions"))
    (course.directory / CONFIG).write_text(text, encoding="utf-8")
    subprocess.run(command, cwd=course.directory, check=True, stderr=subprocess.DEVNULL)
    (course.directory / CONFIG).unlink()


def require_full_marks(course: Course, lab: str, names: list[str]) -> None:
    """Both sides did the work: every automatic score is the most that the cell gives."""
    with Gradebook(url(course.database)) as gradebook:
        for name in names:
            grades = gradebook.find_submission_notebook(lab, lab, name).grades
            auto = [grade for grade in grades if grade.cell.cell_type == "code"]
            assert all(grade.auto_score == grade.max_score for grade in auto), (course, name)


def trivial_course(root: Path) -> Path:
    """Write a repository with one lab: import torch, write one function, pass one test."""
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
    source, suite = root / "solutions" / TRIVIAL, root / "autograder" / "hidden" / TRIVIAL
    for folder in (source, suite):
        folder.mkdir(parents=True)
    nbformat.write(nb, source / f"{TRIVIAL}.ipynb")
    (suite / "test_trivial.py").write_text(SUITE)
    (suite / "lab.toml").write_text(f'notebook = "../../../solutions/{TRIVIAL}/{TRIVIAL}.ipynb"\n')
    shutil.copy(ROOT / CONFIG, root / CONFIG)
    return root


def show(figures: dict[str, Any], labs: list[str]) -> None:
    """Print seconds a submission, and how many times faster than stock."""
    rows = []
    for name in figures[labs[0]]:
        row = [name]
        for lab in labs:
            seconds, peer = figures[lab][name], figures[lab]["stock"]
            row += [f"{seconds:.2f}", f"{peer / seconds:.1f}×"]
        rows.append(row)
    heads = [head for lab in labs for head in (f"{lab}: s a submission", "stock ÷ this")]
    table(["", *heads], rows)


if __name__ == "__main__":
    main()
