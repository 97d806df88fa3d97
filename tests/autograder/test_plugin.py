"""Plain pytest on a hidden suite, as an instructor runs it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from autograder import notebook

TOY = Path(__file__).parent / "fixtures" / "toy"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A copy of the toy suite, outside of this project's own pytest settings."""
    target = tmp_path_factory.mktemp("with space") / "toy"
    target.mkdir()
    for file in TOY.iterdir():
        if file.is_file():
            (target / file.name).write_bytes(file.read_bytes())
    return target


def run(folder, *options):
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        "-q",
        *options,
        str(folder),
    ]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment)
    return done.returncode, done.stdout + done.stderr


def test_a_submission_is_graded_by_ordinary_pytest(folder):
    code, said = run(folder, "--submission", folder / "toy.ipynb")
    assert code == 0
    assert "7 passed" in said
    assert "scale: 4 of 4 points" in said


def test_a_selection_is_graded_by_ordinary_options(folder):
    code, said = run(folder, "--submission", folder / "toy.ipynb", "-k", "counts", "-x")
    assert code == 0
    assert "2 passed, 5 deselected" in said
    assert "count: 3 of 3 points" in said
    assert "scale" not in said


def test_failures_show_values_to_the_instructor(folder, tmp_path):
    nb = notebook.with_answers(
        notebook.read(folder / "toy.ipynb"), {"count-answer": "def count_bigrams(t): return {}"}
    )
    notebook.write(nb, tmp_path / "wrong.ipynb")
    code, said = run(folder, "--submission", tmp_path / "wrong.ipynb")
    assert code == 1
    assert "lacks keys [('a', 'b'), ('b', 'a')]" in said
    assert "test_counts_bigrams must pass first" in said or "1 skipped" in said


def test_without_a_submission_it_says_what_is_missing(folder):
    code, said = run(folder)
    assert code == pytest.ExitCode.USAGE_ERROR
    assert "these are hidden tests: name a notebook with --submission FILE" in said
    code, said = run(folder, "--submission", "gone.ipynb")
    assert code == pytest.ExitCode.USAGE_ERROR
    assert "--submission gone.ipynb: there is no such file" in said


def test_no_sandbox_warns(folder):
    code, said = run(folder, "--submission", folder / "toy.ipynb", "--no-sandbox")
    assert code == 0
    assert "--no-sandbox: the notebook runs as you, with all your rights" in said
