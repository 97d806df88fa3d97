"""Plain pytest on a hidden suite, as an instructor runs it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from zlib import crc32

import numpy as np
import pytest

from autograder import notebook
from autograder.judge import seed_of
from autograder.suite import load_suite

TOY = Path(__file__).parent / "fixtures" / "toy"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A copy of the toy suite, outside of this project's own pytest settings."""
    target = tmp_path_factory.mktemp("with space") / "toy"
    shutil.copytree(TOY, target, ignore=shutil.ignore_patterns("__pycache__", "matrix.json"))
    return target


def run(folder, *options, keys=""):
    command = [sys.executable, "-m", "pytest", "-q", *map(str, options), str(folder)]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "COLUMNS": "120"}
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=folder, env=environment, input=keys
    )
    return done.returncode, done.stdout + done.stderr


def hand_in(folder, path, **answers):
    changes = {f"{name}-answer": answer for name, answer in answers.items()}
    notebook.write(notebook.with_answers(notebook.read(folder / "toy.ipynb"), changes), path)
    return path


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


@pytest.fixture(scope="module")
def wrong(folder, tmp_path_factory):
    """A notebook that raises in one task, is wrong in another and never ends in the third."""
    scale = "def inner(x, k):\n    return x[k.name]\n\ndef scale(x, k):\n    return inner(x, k)"
    walk = "class Walker:\n    def __init__(self, items): self.items = items\n"
    walk += "    def best(self, score):\n        while True:\n            pass"
    return hand_in(
        folder,
        tmp_path_factory.mktemp("wrong") / "toy.ipynb",
        scale=scale,
        count="def count_bigrams(t): return {}",
        walk=walk,
    )


@pytest.fixture(scope="module")
def said(folder, wrong):
    """What pytest prints about it."""
    code, text = run(folder, "--submission", wrong)
    assert code == 1
    return text


def lines_of(said, start, end):
    """Return the lines from one that begins with `start` to one that begins with `end`."""
    lines = [line.rstrip() for line in said.splitlines()]
    first = next(n for n, line in enumerate(lines) if line.startswith(start))
    last = next(n for n in range(first, len(lines)) if lines[n].startswith(end))
    return lines[first : last + 1]


def test_an_exception_is_shown_with_the_test_and_the_way_through_the_cells(said):
    shown = lines_of(said, ">       expect_close(student.scale(x, 7.0)", "test_toy.py:19")
    text = "AttributeError: 'float' object has no attribute 'name' (cell 3, line 2)"
    assert shown == [
        '>       expect_close(student.scale(x, 7.0), 7.0 * x, what="scale(x, 7)")',
        "                     ^^^^^^^^^^^^^^^^^^^^^",
        f"E       autograder.errors.StudentError: {text}",
        "E         cell 3, line 5, in scale: return inner(x, k)",
        "E         cell 3, line 2, in inner: return x[k.name]",
        "",
        "test_toy.py:19: StudentError",
    ]


def test_a_wrong_value_is_shown_to_the_instructor(said):
    shown = lines_of(said, ">       expect_equal(found", "test_toy.py:")
    assert "lacks keys [('a', 'b'), ('b', 'a')]" in "".join(shown)
    assert "1 skipped" in said


def test_a_call_that_never_ends_is_shown_at_the_line_of_the_test(said):
    shown = lines_of(said, ">       expect_equal(walker.best", "test_toy.py:")
    assert shown[-3] == "E       autograder.errors.WorkerTimedOut: your code ran longer than 2 s"


def test_no_line_of_the_grader_stands_between_unless_asked_for(folder, wrong, said):
    assert "session.py" not in said
    assert "expect.py" not in said
    _, whole = run(folder, "--submission", wrong, "--full-trace", "-k", "scales")
    assert "session.py" in whole


def test_the_debugger_stops_in_the_hidden_test_of_the_last_failures(folder, wrong, said):
    keys = "p len(found)\np student.count_bigrams([1])\nq\n"
    options = ("--lf", "-k", "counts_bigrams", "--pdb")
    _, shown = run(folder, "--submission", wrong, *options, keys=keys)
    assert "(Pdb) 0" in shown
    assert "(Pdb) {}" in shown


def test_a_student_s_own_inputs_are_drawn_again(folder, tmp_path):
    path = hand_in(folder, tmp_path / "toy.ipynb", scale="def scale(x, factor): return x + factor")
    suite = load_suite(folder)
    cells = notebook.rebuild(suite.source, notebook.read(path))
    seed = seed_of(suite, "ada", 3, cells) ^ crc32(b"test_scales_an_array")
    x = np.random.default_rng(seed).normal(size=(3, 5))
    options = ("--student", "ada", "--grading-seed", 3, "-k", "scales")
    _, said = run(folder, "--submission", path, *options)
    assert f"expected {7 * x[0, 0]!s}" in said


def test_what_is_no_notebook_ends_the_run_with_the_reason(folder, tmp_path):
    (tmp_path / "toy.ipynb").write_text("no JSON")
    code, said = run(folder, "--submission", tmp_path / "toy.ipynb")
    assert code == pytest.ExitCode.USAGE_ERROR
    assert "toy.ipynb is not a notebook: it is not JSON" in said
    assert "Traceback" not in said


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
