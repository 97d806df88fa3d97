"""The command that `validate` ends with shows the author the very failure that it found."""

import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from autograder.notebook import read
from autograder.reproduce import command_for
from autograder.suite import load_suite
from autograder.validate import Row, validate

TOY = Path(__file__).parent / "fixtures" / "toy"
SOMETIMES = """
from autograder.suite import Alternative

ALTERNATIVES = [
    Alternative("right mostly; $x", {"scale-answer":
        "def scale(x, k):\\n    return x * k if x.flat[0] < 1.4 else x"}),
]
"""


@pytest.fixture
def suite(tmp_path):
    folder = tmp_path / "my suites" / "toy"
    shutil.copytree(TOY, folder, ignore=shutil.ignore_patterns("__pycache__", "matrix.json"))
    (folder / "mutants.py").write_text("MUTANTS = []\n")
    (folder / "alternatives.py").write_text(SOMETIMES)
    return load_suite(folder)


def test_the_command_draws_the_inputs_that_failed(suite, tmp_path, monkeypatch):
    """About one draw in twelve fails: by chance another seed would not."""
    monkeypatch.chdir(tmp_path)
    rows = {row.name: row for row in validate(suite.path, draws=30).rows}
    row = rows["right mostly; $x"]
    assert row.seed > 0
    command = shlex.split(command_for(row, suite, tmp_path / "made"))
    assert command[1:4] == ["my suites/toy", "-k", "test_scales_an_array"]
    done = subprocess.run(
        [sys.executable, "-m", *command, "-p", "no:cacheprovider"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert "1 failed" in done.stdout, done.stdout + done.stderr
    assert "scale(x, 7)" in done.stdout
    other = [word for word in command if "--grading-seed" not in word]
    fine = subprocess.run([sys.executable, "-m", *other], capture_output=True, cwd=tmp_path)
    assert fine.returncode == 0


@pytest.mark.parametrize(
    ("kind", "failing"),
    [("mutant", {"test_a": "failed"}), ("solution", {}), ("solution", {"test_b": "not_run"})],
)
def test_there_is_nothing_to_show_of_what_should_fail_or_did_not(suite, tmp_path, kind, failing):
    row = Row("x", kind, problem="odd", failing=failing, notebook=read(suite.notebook))
    assert command_for(row, suite, tmp_path) == ""


def test_the_solution_is_named_where_it_stands(suite, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    row = Row("solution", "solution", failing={"test_a": "f"}, notebook=read(suite.notebook))
    said = command_for(row, suite, tmp_path / "made")
    assert "--submission 'my suites/toy/toy.ipynb' --student validation --grading-seed=0" in said
    assert not (tmp_path / "made").exists()
