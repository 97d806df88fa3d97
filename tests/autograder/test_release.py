import json
import re

import nbformat
import pytest
from nbgrader.api import Gradebook

from autograder.course import WrongUseError
from autograder.release import ReleaseError, check, register, release


def _edit(path, change):
    nb = nbformat.read(path, as_version=4)
    change(nb)
    nbformat.write(nb, path)


def test_release_strips_solutions_and_keeps_the_rest(course):
    folder = release(course, "toy")
    text = (folder / "toy.ipynb").read_text()
    assert "SOLUTION" not in text
    assert "return a + b" not in text
    assert "It is commutative" not in text
    assert "assert add(1, 1) == 2" in text
    assert [path.name for path in folder.iterdir()] == ["toy.ipynb"]


def test_release_twice_gives_the_same_bytes(course):
    first = (release(course, "toy") / "toy.ipynb").read_bytes()
    assert (release(course, "toy") / "toy.ipynb").read_bytes() == first


def test_release_tells_the_gradebook(course):
    release(course, "toy")
    with Gradebook(f"sqlite:///{course.database}") as gradebook:
        cells = gradebook.find_notebook("toy", "toy").grade_cells
        assert {cell.name: cell.max_score for cell in cells} == {"add": 5, "mul": 7, "essay": 11}


def test_register_leaves_labs_alone(course):
    register(course, "toy")
    assert not course.released("toy").exists()
    assert course.database.exists()


def test_files_beside_the_source_go_along(course):
    (course.root / "solutions" / "toy" / "data.txt").write_text("numbers")
    assert (release(course, "toy") / "data.txt").read_text() == "numbers"


def test_check_is_silent_when_labs_is_up_to_date_and_makes_no_gradebook(course):
    release(course, "toy")
    course.database.unlink()
    assert check(course, "toy") == []
    assert not course.database.exists()


def test_check_names_what_differs(course):
    folder = release(course, "toy")
    (folder / "toy.ipynb").write_text((folder / "toy.ipynb").read_text().replace("Toy", "Boy"))
    (folder / "stray.txt").write_text("")
    (course.root / "solutions" / "toy" / "new.txt").write_text("")
    said = check(course, "toy")
    assert said[:3] == ["missing: new.txt", "not made by release: stray.txt", "differs: toy.ipynb"]
    assert any("Boy" in line for line in said[3:])


def test_check_bounds_what_it_prints(course):
    folder = release(course, "toy")
    (folder / "toy.ipynb").write_text("line\n" * 500)
    said = check(course, "toy")
    assert len(said) < 30
    assert re.fullmatch(r"  … and \d+ more lines", said[-1])


def test_check_of_a_lab_never_released(course):
    assert check(course, "toy") == ["missing: toy.ipynb"]


def test_an_unknown_lab_names_the_nearest(course):
    with pytest.raises(WrongUseError, match=r"No lab 'toi' in .*solutions\. There are: toy"):
        release(course, "toi")


def test_a_notebook_without_cell_ids_is_refused(course):
    nb = json.loads(course.source("toy").read_text())
    del nb["cells"][2]["id"]
    course.source("toy").write_text(json.dumps(nb))
    with pytest.raises(WrongUseError, match=r"cells \[3\] have no id.*Save the notebook once"):
        release(course, "toy")


def test_a_failed_release_leaves_the_old_one(course):
    before = (release(course, "toy") / "toy.ipynb").read_bytes()

    def unclosed(nb):
        nb.cells[2].source = "### BEGIN SOLUTION\npass"

    _edit(course.source("toy"), unclosed)
    with pytest.raises(ReleaseError, match=r"(?s)toy can't be released: no end solution .*BEGIN"):
        release(course, "toy")
    assert (course.released("toy") / "toy.ipynb").read_bytes() == before
