"""`autograder new`: what it writes is a lab, and it writes over nothing."""

import shutil
import subprocess
import sys

import pytest

from autograder import cli, console
from autograder.course import ROOT, WrongUseError
from autograder.notebook import grade_id, is_exploration, read
from autograder.release import release
from autograder.scaffold import new_lab
from autograder.storage import StorageError
from autograder.validate import validate

SUITE = ["alternatives.py", "lab.toml", "mutants.py", "test_01_moving_average.py"]


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_notebook_and_a_suite_are_written_and_nothing_else(course):
    before = contents(course.root)
    files = new_lab(course, "lab90")
    suite = course.root / "autograder" / "hidden" / "lab90"
    assert set(files) == {course.source("lab90"), *(suite / name for name in SUITE)}
    assert set(contents(course.root)) == {*before, *files}
    assert course.labs() == ["lab90", "toy"]


def test_the_notebook_has_one_cell_of_each_kind(course):
    new_lab(course, "lab90")
    cells = read(course.source("lab90"))["cells"]
    assert [grade_id(cell) for cell in cells if grade_id(cell)] == [
        "setup",
        "moving-average-answer",
        "moving-average",
    ]
    assert [cell["id"] for cell in cells if is_exploration(cell)] == ["explore-smoothing"]


def test_it_is_valid_as_it_stands_and_its_visible_checks_pass(course):
    new_lab(course, "lab90")
    result = validate(course.hidden / "lab90")
    assert [(row.name, row.problem) for row in result.rows if not row.ok] == []
    assert {row.kind for row in result.rows} == {
        *("suite", "solution", "alternative", "untouched", "mutant")
    }
    names: dict = {}
    for cell in read(course.source("lab90"))["cells"]:
        if cell["cell_type"] == "code" and not is_exploration(cell):
            exec(cell["source"], names)


def test_it_can_be_released_at_once(course):
    new_lab(course, "lab90")
    text = (release(course, "lab90") / "lab90.ipynb").read_text()
    assert "raise NotImplementedError()" in text
    assert "SOLUTION" not in text
    assert "sliding_window_view" not in text


def check(*words, cwd):
    done = subprocess.run(
        [sys.executable, "-m", *map(str, words)], cwd=cwd, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_it_passes_the_rules_that_hold_for_every_file_here(course):
    new_lab(course, "lab90")
    shutil.copy(ROOT / "pyproject.toml", course.root)
    (course.root / "autograder" / "suite.py").touch()  # so that ruff sorts it as our own
    folders = ("solutions/lab90", "autograder/hidden/lab90")
    check("ruff", "check", *folders, cwd=course.root)
    check("ruff", "format", "--check", *folders, cwd=course.root)
    suite = sorted((course.hidden / "lab90").glob("*.py"))
    check("mypy", "--follow-imports=silent", *suite, cwd=ROOT)  # of these files alone


@pytest.mark.parametrize("name", ["", "Lab90", "9lab", "lab-90", "lab_90", "../lab90", "lab 90"])
def test_a_name_that_will_not_do_is_refused(course, name):
    before = contents(course.root)
    with pytest.raises(WrongUseError, match="can't name a lab. Use small letters and digits"):
        new_lab(course, name)
    assert contents(course.root) == before


@pytest.mark.parametrize("where", ["solutions/lab90", "autograder/hidden/lab90"])
@pytest.mark.parametrize("kind", ["folder", "file", "link to nowhere"])
def test_what_exists_is_left_alone_and_named(course, where, kind):
    path = course.root / where
    if kind == "folder":
        path.mkdir()
        (path / "mine.txt").write_text("days of work")
    elif kind == "file":
        path.write_text("days of work")
    else:
        path.symlink_to("nowhere")
    before = contents(course.root)
    with pytest.raises(WrongUseError, match=f"{where} exists already, and nothing is overwritten"):
        new_lab(course, "lab90")
    assert contents(course.root) == before


def test_a_full_disk_ends_in_a_message_and_leaves_nothing_half_done(course, monkeypatch):
    before, copy, left = contents(course.root), shutil.copyfile, [1, 1, 1]

    def full(*paths):
        if not left:
            raise OSError(28, "No space left on device")
        left.pop()
        copy(*paths)

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(StorageError, match="the disk is full"):
        new_lab(course, "lab90")
    assert contents(course.root) == before


def test_the_command_names_the_files_and_refuses_to_do_it_again(course, monkeypatch, capsys):
    monkeypatch.setattr(console, "ROOT", course.root)
    monkeypatch.setattr(sys, "argv", ["autograder", "new", "lab90"])
    codes = []
    for _ in range(2):
        with pytest.raises(SystemExit) as ended:
            cli.main()
        codes.append(ended.value.code)
    assert codes == [0, 2]
    said = capsys.readouterr()
    assert "wrote solutions/lab90/lab90.ipynb\n" in said.out
    assert "autograder validate lab90" in said.out
    assert "exists already" in said.err
