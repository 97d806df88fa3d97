"""Killed at any moment and started again: see `crash_drill.py`, which does the same 50 times."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from autograder.leftovers import SweptDirectory

DRILL = Path(__file__).with_name("crash_drill.py")


@pytest.mark.timeout(900)
def test_a_grader_that_is_killed_again_and_again_grades_each_once():
    command = [sys.executable, DRILL, "--kills", "12", "--students", "16"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode in (0, 1), done.stderr
    found = json.loads(done.stdout)
    assert found["wrong"] == []
    assert found["kills"] == 12


def _abandoned(folder, depth=0):
    """Make a swept directory, with folders so deep in it, in a process that is killed at once."""
    code = f"""
import os, sys
from pathlib import Path
from autograder.leftovers import SweptDirectory
made = SweptDirectory("ours-", Path(sys.argv[1]))
os.chdir(made.name)
for _ in range({depth}):
    os.mkdir("deep")
    os.chdir("deep")
os.kill(os.getpid(), 9)
"""
    subprocess.run([sys.executable, "-c", code, folder], check=False)


def test_what_the_killed_left_goes_and_what_is_in_use_stays(tmp_path):
    _abandoned(tmp_path)
    assert len(list(tmp_path.iterdir())) == 1
    (tmp_path / "theirs-x").mkdir()
    first, second = SweptDirectory("ours-", tmp_path), SweptDirectory("ours-", tmp_path)
    here = {path.name for path in tmp_path.iterdir()}
    assert here == {"theirs-x", Path(first.name).name, Path(second.name).name}
    first.cleanup()
    second.cleanup()
    assert [path.name for path in tmp_path.iterdir()] == ["theirs-x"]


def test_what_a_student_left_may_be_deeper_than_python_can_recurse(tmp_path):
    _abandoned(tmp_path, depth=1500)
    assert len(list(tmp_path.iterdir())) == 1
    try:
        with SweptDirectory("ours-", tmp_path) as made:
            assert list(tmp_path.iterdir()) == [Path(made)]
    finally:
        subprocess.run(["rm", "-rf", *tmp_path.iterdir()], check=True)  # pytest could not


def test_a_link_is_not_followed_by_the_sweep(tmp_path):
    (tmp_path / "precious").mkdir()
    (tmp_path / "ours-link").symlink_to(tmp_path / "precious")
    with SweptDirectory("ours-", tmp_path):
        assert (tmp_path / "precious").is_dir()
        assert (tmp_path / "ours-link").is_symlink()
