"""A lab's whole life, from the instructor's source to the page that the student fetches."""

import csv
import shutil
import zipfile
from pathlib import Path

import pytest
from nbgrader.api import Gradebook

from autograder import notebook
from autograder.database import url

# Numbers that stand in hidden tests and nowhere else.
ARGUMENT, EXPECTED = "86028121", "86028126"


@pytest.fixture
def secretive(course):
    """The course, with hidden values that would be recognised anywhere."""
    suite = course.hidden / "toy" / "test_toy.py"
    text = suite.read_text().replace(
        "student.add(2, 3), 5", f"student.add({ARGUMENT}, 5), {EXPECTED}"
    )
    assert EXPECTED in text
    suite.write_text(text)
    return course


@pytest.fixture
def student(course, tmp_path):
    """A student's own folder: of the course it knows its name and where the exchange is."""
    folder = tmp_path / "ann's files"
    folder.mkdir()
    (folder / "nbgrader_config.py").write_text(
        "c = get_config()\n"
        "c.CourseDirectory.course_id = 'sequence-modelling'\n"
        f"c.Exchange.root = {str(course.root / 'exchange')!r}\n"
        f"c.Exchange.cache = {str(folder / 'cache')!r}\n"
    )
    return folder


def _answer(path: Path, **answers: str) -> None:
    changes = {
        f"{name}-answer": f"def {name}(a, b):\n    {body}\n" for name, body in answers.items()
    }
    notebook.write(notebook.with_answers(notebook.read(path), changes), path)


def _spy(name: str) -> str:
    """Answer with an error that repeats what the hidden test passed."""
    return f"raise ValueError(f'{name}: {{a}} {{b}}')"


def _zip(course, student: str) -> None:
    archive = course.directory / "downloaded" / "toy" / "archive"
    archive.mkdir(parents=True)
    path = archive / f"{student}_toy.ipynb"
    shutil.copy(course.released("toy") / "toy.ipynb", path)
    _answer(path, add="return a + b", mul="return a * b")
    with zipfile.ZipFile(archive / "class.zip", "w") as file:
        file.write(path, path.name)
    path.unlink()


def _scores(course) -> dict[str, float]:
    with Gradebook(url(course.database)) as gradebook:
        return {each.student.id: each.score for each in gradebook.assignment_submissions("toy")}


def _fetched(nbgrader, student: Path) -> Path:
    """Fetch the feedback anew, as the student; return the page."""
    shutil.rmtree(student / "toy" / "feedback", ignore_errors=True)
    nbgrader("fetch_feedback", "toy", cwd=student)
    (page,) = (student / "toy" / "feedback").rglob("toy.html")
    return page


def _exported(course) -> dict[str, str]:
    with (course.directory / "grades.csv").open(newline="") as file:
        return {row["student_id"]: row["score"] for row in csv.DictReader(file)}


def _check_page(said: str) -> None:
    """The student's page: names, verdicts, points and hints, and nothing of the tests."""
    assert "Feedback for ann Toy lab 7 of 23 points" in said
    assert "Adds two numbers. not passed" in said
    assert "Add both arguments. 0 / 3" in said
    assert "Multiplies two numbers. passed 7 / 7" in said
    for secret in (ARGUMENT, EXPECTED, "-7", "expect_", "def test_", "Traceback", "student.add"):
        assert secret not in said
    assert "add(1, 1)" not in said  # the visible check is no answer of the student's


@pytest.mark.timeout(900)  # twenty programs are started, one after the other
def test_from_release_to_fetched_feedback(secretive, student, nbgrader, autograder, words_of, home):
    course = secretive
    nbgrader("generate_assignment", "toy")
    nbgrader("release_assignment", "toy")

    assert "toy" in nbgrader("list", cwd=student)
    nbgrader("fetch_assignment", "toy", cwd=student)
    _answer(student / "toy" / "toy.ipynb", add=_spy("add"), mul="return a * b")
    nbgrader("submit", "toy", "--student=ann", cwd=student)
    nbgrader("collect", "toy")
    _zip(course, "zoe")
    nbgrader("zip_collect", "toy")
    assert course.students("toy") == ["ann", "zoe"]

    nbgrader("autograde", "toy")
    nbgrader("generate_feedback", "toy")
    said = nbgrader("release_feedback", "toy")
    assert "not handed in through the exchange: zoe." in said
    _check_page(words_of(_fetched(nbgrader, student)))
    assert _scores(course) == {"ann": 7, "zoe": 12}
    assert "12 of 23 points" in words_of(course.feedback("zoe", "toy"))
    nbgrader("db", "student", "add", "eve")
    nbgrader("export", "--to", "grades.csv")
    assert _exported(course) == {"ann": "7", "zoe": "12", "eve": ""}

    # The same by our own commands, from the same submissions.
    for folder in ("autograded", "feedback", "exchange/sequence-modelling/feedback"):
        shutil.rmtree(course.directory / folder)
    course.database.unlink()
    autograder("grade", "toy")
    autograder("feedback", "toy")
    assert "zoe." in nbgrader("release_feedback", "toy")
    _check_page(words_of(_fetched(nbgrader, student)))
    assert _scores(course) == {"ann": 7, "zoe": 12}
    assert list(home.iterdir()) == []
