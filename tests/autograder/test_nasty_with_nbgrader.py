"""The plain program `nbgrader autograde`, the real engine, and five of the nastiest notebooks."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from nbgrader.api import Gradebook

from autograder.database import url
from autograder.release import register

RIGHT = {"add": "return a + b", "mul": "return a * b"}


def _nested(path: Path, nb: dict) -> None:
    path.write_text(json.dumps(nb)[:-1] + ', "deep": ' + "[" * 100_000 + "]" * 100_000 + "}")


def _endless(path: Path, nb: dict) -> None:
    path.symlink_to("/dev/zero")


def _folder(path: Path, nb: dict) -> None:
    path.mkdir()


def _forged(path: Path, nb: dict) -> None:
    """Each cell twice, worth a million, by a newer nbgrader, in another language, and huge."""
    for cell in nb["cells"]:
        cell["metadata"].get("nbgrader", {}).update(points=1e6, schema_version=99, locked=False)
        cell["metadata"]["big"] = ["x" * 1000] * 200
    nb["cells"] += nb["cells"]
    nb.update(nbformat="5", metadata={"kernelspec": {"name": "../sh"}, "language_info": 7})
    path.write_text(json.dumps(nb))


NASTY = {
    "deep": _nested,
    "endless": _endless,
    "folder": _folder,
    "forged": _forged,
    "pipe": lambda path, nb: os.mkfifo(path),
}


@pytest.fixture
def nasty_class(course, hand_in):
    """Five nasty submissions among two honest ones, the first and the last."""
    for student in ("ada", "zoe", *NASTY):
        path = hand_in(student, **RIGHT)
        if student in NASTY:
            nb = json.loads(path.read_text())
            path.unlink()
            NASTY[student](path, nb)
    register(course, "toy")
    return course


@pytest.mark.timeout(600)
def test_nbgrader_autograde_goes_through_and_names_each(nasty_class):
    program = Path(sys.executable).with_name("nbgrader")
    done = subprocess.run(
        [program, "autograde", "toy"], cwd=nasty_class.directory, capture_output=True, text=True
    )
    assert done.returncode == 1, done.stderr
    with Gradebook(url(nasty_class.database)) as gradebook:
        scores = {s.student.id: s.score for s in gradebook.assignment_submissions("toy")}
    assert scores == {"ada": 12, "zoe": 12, "forged": 12}
    for student, reason in {
        "deep": "it is nested too deeply",
        "endless": "it is a symbolic link",
        "folder": "it is not a regular file",
        "pipe": "it is not a regular file",
    }.items():
        assert f"for student '{student}'" in done.stderr
        assert reason in done.stderr
