"""Setting up a class as "The life of a lab" says: its folder, its roster, and downloaded files."""

import csv
import re
import shutil
import zipfile

import pytest

from autograder.course import ROOT, Course
from autograder.release import release

NAMES = {
    "ada_toy.ipynb": "ada",
    "ann_b_toy.ipynb": "ann_b",
    "class.zip:zoe_toy.ipynb": "zoe",
    # Moodle, with and without "download submissions in folders"; older ones end the folder's name
    # by a line, and a student may call the file what they like
    "Lab.zip:Carl Cox_8_assignsubmission_file/toy.ipynb": "Carl Cox",
    "Lab.zip:Zoë de la Rue_13_assignsubmission_file_/toy.ipynb": "Zoë de la Rue",
    "Lab.zip:Ian Own_17_assignsubmission_file/my_lab.ipynb": "Ian Own",
    "Jo Jo_9_assignsubmission_file_toy.ipynb": "Jo Jo",
    # Canvas, in time, late, and handed in again
    "submissions.zip:foxbob_123_4567_toy.ipynb": "foxbob",
    "submissions.zip:dawneve_LATE_7_11_toy.ipynb": "dawneve",
    "submissions.zip:guymax_1234_56_toy-1.ipynb": "guymax",
}


@pytest.fixture
def archive(course):
    folder = course.directory / "downloaded" / "toy" / "archive"
    folder.mkdir(parents=True)
    source = release(course, "toy") / "toy.ipynb"
    for name in NAMES:
        if ":" in name:
            parent, _, inside = name.partition(":")
            with zipfile.ZipFile(folder / parent, "a") as file:
                file.write(source, inside)
        else:
            shutil.copy(source, folder / name)
    return folder


def test_the_names_of_moodle_and_canvas_are_understood(course, archive, nbgrader):
    nbgrader("zip_collect", "toy")
    assert course.students("toy") == sorted(NAMES.values())
    found = {path.parent.parent.name: path.name for path in course.submitted.rglob("*.ipynb")}
    assert {name for name, file in found.items() if file != "toy.ipynb"} == {"Ian Own"}
    assert found["Ian Own"] == "my_lab.ipynb"  # never guessed: it is named as not graded
    assert list(course.submitted.rglob("timestamp.txt")) == []


def test_who_is_on_the_roster_and_handed_in_nothing_has_a_row(
    course, hand_in, toy_report, stored, nbgrader, autograder
):
    """The commands of the page "The life of a lab"."""
    roster = course.directory / "students.csv"
    roster.write_text("id,first_name,last_name,email\nann,Ann,Arden,a@x.org\neve,Eve,Dawn,\n")
    nbgrader("db", "student", "import", roster)
    nbgrader("db", "assignment", "add", "toy", "--duedate=2020-01-01 12:00 UTC")
    hand_in("ann")
    stored(toy_report("ann"))
    autograder("grade", "toy")
    autograder("export", "toy", "--to", "grades.csv")
    with (course.directory / "grades.csv").open(newline="") as file:
        rows = [(row["last_name"], row["status"], row["reason"]) for row in csv.DictReader(file)]
    assert rows == [
        ("Arden", "graded", "no time of submission: lateness unknown"),
        ("Dawn", "not handed in", ""),
    ]


def test_a_class_with_the_configuration_on_the_page_has_its_own_place_in_the_exchange(
    course, nbgrader, tmp_path
):
    page = (ROOT / "book" / "instructors" / "lab.md").read_text()
    (config,) = re.findall(r"```{code-block} python\n(c = get_config\(\).*?)```", page, re.S)
    folder, exchange = tmp_path / "monday", tmp_path / "exchange"
    for old, new in (
        ("/srv/sequence-models", course.root),
        ("/srv/monday-2031", folder),
        ("/srv/nbgrader/exchange", exchange),
    ):
        assert old in config
        config = config.replace(old, str(new))
    folder.mkdir()
    exchange.mkdir()
    (folder / "nbgrader_config.py").write_text(config)
    release(course, "toy")
    nbgrader("release_assignment", "toy", cwd=folder)
    assert (exchange / "monday-2031" / "outbound" / "toy" / "toy.ipynb").is_file()
    nbgrader("db", "student", "add", "ann", cwd=folder)
    assert Course(folder, course.root).database.is_file()


def test_two_students_of_one_name_stop_zip_collect_which_names_the_file(course, archive, nbgrader):
    with zipfile.ZipFile(archive / "Lab.zip", "a") as file:
        file.writestr("Carl Cox_9_assignsubmission_file/toy.ipynb", "{}")
    said = nbgrader("zip_collect", "toy", code=1)
    assert re.search(
        r"Parsing file: .*Carl Cox_9_assignsubmission_file/toy.ipynb\n.*Duplicate", said
    )
    assert not course.submitted.exists()
