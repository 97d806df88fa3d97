"""The toy course, in a folder with a space in its name, and what is handed in to it."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from autograder import notebook
from autograder.course import Course
from autograder.report import Report
from autograder.store import Store, content_key

sys.path.append(str(Path(__file__).parent))  # where tests find toy_course and other helpers

from toy_course import hand_made, make_course


@pytest.fixture
def course(tmp_path: Path) -> Course:
    """A course whose repository and class are the same folder, as nbgrader has it by default."""
    return make_course(tmp_path / "my course")


@pytest.fixture
def hand_in(course: Course) -> Callable[..., Path]:
    """Hand in the toy lab: `hand_in("ann", add="return 7")`; what isn't given is left untouched."""

    def hand_in(student: str, *, raw: str | None = None, essay: str = "", **answers: str) -> Path:
        path = course.submission(student, "toy")
        nb = notebook.released(notebook.read(course.source("toy")))
        for name, body in answers.items():
            nb = notebook.with_answers(nb, {f"{name}-answer": f"def {name}(a, b):\n    {body}\n"})
        if essay:
            nb = notebook.with_answers(nb, {"essay": essay})
        if raw is None:
            notebook.write(nb, path)
        else:
            path.parent.mkdir(parents=True)
            path.write_text(raw)
        return path

    return hand_in


@pytest.fixture
def toy_report() -> Callable[..., Report]:
    """Make a report by hand: `toy_report("ann", adds=False)`."""
    return hand_made


@pytest.fixture
def stored(course: Course) -> Callable[[Report], Report]:
    """Put a hand-made report into the class's store, as if the engine had graded the file."""

    def stored(report: Report) -> Report:
        submission = course.submission(report.student, "toy")
        key = content_key(submission, course.suite("toy"), student=report.student)
        Store(course.reports).put(key, report)
        return report

    return stored
