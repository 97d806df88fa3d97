"""The command line as a user types it: words in, text and an exit code out."""

import json
import os
import re
import shutil
import sys

import pytest
from nbgrader.api import Gradebook

from autograder import batch, cli, console
from autograder.database import url
from autograder.errors import SandboxError

COMMANDS = [
    *("doctor", "release", "validate", "grade", "feedback", "report", "samples", "formgrader"),
    *("changes", "export", "extend", "new"),
]


@pytest.fixture
def run(course, monkeypatch, capsys):
    """Type a command: `run("grade", "toy")` gives the exit code and all that was printed."""
    monkeypatch.setattr(console, "ROOT", course.root)
    monkeypatch.chdir(course.root)
    for each in (console.out, console.err):
        monkeypatch.setattr(each, "_width", 200)

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["autograder", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        return ended.value.code or 0, " ".join((said.out + said.err).split())

    return run


@pytest.fixture
def toy_class(hand_in):
    hand_in("ann", add="return a + b", mul="return a * b")
    hand_in("bob", add="return a * b", mul="return a * b")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_help_shows_an_example(run, command):
    code, said = run(command, "--help")
    assert code == 0
    assert re.search(rf"Example: autograder {command}", said)


def test_help_names_every_command(run):
    _, said = run("--help")
    assert all(f" {command} " in said for command in COMMANDS)


def test_all_graded_is_code_0_and_a_table(run, toy_class, course):
    code, said = run("grade", "toy")
    assert code == 0
    assert re.search(r"ann │ 12 │ 12 │ graded │ \d+\.\d\d │ ", said)
    assert re.search(r"bob │ 7 │ 12 │ graded", said)
    assert re.search(r"\d walls: .*seccomp", said)
    with Gradebook(url(course.database)) as gradebook:
        assert gradebook.find_submission("toy", "bob").score == 7


def test_some_not_graded_is_code_1_and_they_are_listed(run, toy_class, hand_in):
    hand_in("eve", raw="{")
    code, said = run("grade", "toy")
    assert code == 1
    assert "eve │ – │ – │ not graded" in said
    assert "not graded: eve: toy.ipynb is not a notebook" in said
    assert "bob │ 7" in said


def test_a_fault_of_the_sandbox_on_one_is_no_zero(run, toy_class, course, monkeypatch):
    grade_all = batch.grade_all

    def unlucky(submissions, suite, **how):
        for report in grade_all(submissions, suite, **how):
            lost = report.student == "bob"
            yield batch.not_graded("bob", "toy", "the sandbox was lost") if lost else report

    monkeypatch.setattr(batch, "grade_all", unlucky)
    code, said = run("grade", "toy")
    assert code == 1
    assert "not graded: bob: the sandbox was lost" in said
    assert not course.autograded("bob", "toy").exists()


def test_no_sandbox_on_this_machine_is_code_3(run, toy_class, course, monkeypatch):
    def none_here(*_, **__):
        raise SandboxError("no user namespaces here")
        yield

    monkeypatch.setattr(batch, "grade_all", none_here)
    code, said = run("grade", "toy")
    assert code == 3
    assert "no user namespaces here" in said
    assert not course.database.exists()


def test_a_damaged_gradebook_is_code_3_and_stays_as_it_is(run, toy_class, course):
    course.database.write_bytes(b"rubbish" * 1000)
    code, said = run("grade", "toy")
    assert code == 3
    assert "is damaged (file is not a database)" in said
    assert "mv '" in said
    assert course.database.read_bytes() == b"rubbish" * 1000


WRONG = [
    (("grade", "tay"), r"No lab 'tay' in .*solutions\. There are: toy\."),
    (("grade", "toy", "--student", "an"), r"No submission of toy by 'an' .*Did you mean ann\?"),
    (("grade", "toy", "--submissions", "nowhere"), r"No directory .*nowhere"),
    (("grade", "toy", "--course", "nowhere"), r"No directory .*nowhere\. Give the class's folder"),
    (("grade", "toy", "--runner", "slurm"), r"--runner 'slurm' is not known\. There are: local"),
    (("grade", "toy", "--device", "tpu"), r"--device 'tpu' is not known"),
    (("grade", "toy", "--device", "cuda"), r"toy is graded on the CPU: .*lab\.toml.* no GPU"),
    (("grade", "toy", "--jobs", "0"), r"Invalid value for '--jobs'"),
    (("grade",), r"Missing argument 'LAB'"),
    (("report", "toy"), r"Nothing graded yet in .*: run `autograder grade toy`"),
    (("feedback", "tay"), r"No lab 'tay'"),
    (("changes", "tay"), r"No lab 'tay'"),
    (("export", "toy"), r"No gradebook in .*: run `autograder grade toy` first"),
    (("export", "toy", "--format", "xls"), r"--format 'xls' is not known\. There are: csv"),
    (("extend", "toy", "anne"), r"No student 'anne' in .*Did you mean ann\?"),
    (("extend", "toy", "ann", "--days", "-1"), r"Invalid value for '--days'"),
    (("release",), r"Name one lab, or give --all"),
    (("release", "toy", "--all"), r"Name one lab, or give --all"),
    (("formgrader", "--port", "99999"), r"Invalid value for '--port'"),
    (("shell", "/nope.ipynb"), r"No file /nope\.ipynb"),
    (("samples", "toy", "--course", "new"), r"no sample class for 'toy'"),
    (("formgrader",), r"No gradebook in .*: run `autograder grade LAB` first"),
    (("gradde",), r"No such command 'gradde'"),
]


@pytest.mark.parametrize(("words", "message"), WRONG)
def test_wrong_use_is_code_2_and_says_what_to_do(run, toy_class, words, message):
    code, said = run(*words)
    assert code == 2
    assert re.search(message, said.replace("│ ", ""))


@pytest.mark.parametrize("command", ["grade", "validate"])
def test_a_lab_without_a_hidden_suite(run, toy_class, course, command):
    (course.hidden / "toy" / "lab.toml").unlink()
    code, said = run(command, "toy")
    assert code == 2
    assert "hidden/toy has no lab.toml" in said
    shutil.rmtree(course.hidden / "toy")
    code, said = run(command, "toy")
    assert code == 2
    assert "toy has no hidden suite in" in said


MISTAKES = [
    ("lab.toml", "titel = 1\n", "toy/lab.toml: unknown titel"),
    ("lab.toml", "limits = 3\n", "toy/lab.toml: limits must be a table"),
    ("lab.toml", 'preload = ["numpi"]\n', "toy/lab.toml names what is no module here: numpi"),
    ("mutants.py", "MUTANT = []\n", "toy/mutants.py: MUTANTS must be a list of Mutant"),
    ("test_more.py", "import numpi\n", "toy/test_more.py can't be imported"),
]


@pytest.mark.parametrize(("file", "text", "message"), MISTAKES)
def test_a_mistake_of_the_author_is_code_2(run, toy_class, course, file, text, message):
    (course.hidden / "toy" / file).write_text(text)
    code, said = run("validate", "toy")
    assert (code, message in said) == (2, True), said


@pytest.mark.parametrize(("file", "text", "message"), [MISTAKES[2], MISTAKES[4]])
def test_it_is_also_code_2_where_grading_meets_it(run, toy_class, course, file, text, message):
    (course.hidden / "toy" / file).write_text(text)
    code, said = run("grade", "toy")
    assert (code, message in said) == (2, True), said
    assert not course.database.exists()


def test_samples_leave_no_folder_when_there_are_none(run, course):
    assert run("samples", "toy", "--course", "new")[0] == 2
    assert not (course.root / "new").exists()


def test_a_suite_that_is_not_proven_says_so_until_it_is(run, toy_class, course):
    unproven = "toy: this suite has not been validated since it changed"
    assert unproven in run("grade", "toy")[1]
    assert run("validate", "toy")[0] == 0
    code, said = run("grade", "toy")
    assert (code, unproven in said) == (0, False)
    with (course.hidden / "toy" / "lab.toml").open("a") as file:
        file.write("files = 9\n")
    assert unproven in run("grade", "toy")[1]


def test_ctrl_c_says_what_is_stored_and_how_to_go_on(run, toy_class, monkeypatch):
    grade_all = batch.grade_all

    def stopped(submissions, suite, **how):
        yield next(grade_all(submissions, suite, **how))
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(batch, "grade_all", stopped)
        code, said = run("grade", "toy")
        assert code == 1
        assert "Stopped. 1 of 2 stored. Run the same command again: it does the rest." in said
        assert "Stopped. Nothing is stored." in run("grade", "toy", "--no-sandbox")[1]
    assert run("grade", "toy")[0] == 0


def test_ctrl_c_while_recording_loses_nothing(run, toy_class, monkeypatch):
    from autograder import recording

    def stopped(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(recording, "_record_one", stopped)
        code, said = run("grade", "toy")
        assert code == 1
        assert "All that could be graded is stored, not all of it recorded." in said
    code, said = run("grade", "toy")
    assert (code, "bob │ 7" in said) == (0, True)


def test_no_submissions_at_all(run, course):
    code, said = run("grade", "toy")
    assert code == 2
    assert "Put submissions there as STUDENT/toy/toy.ipynb" in said


def test_json_has_the_results(run, toy_class, tmp_path):
    code, _ = run("grade", "toy", "--json", tmp_path / "new folder" / "grades.json")
    data = json.loads((tmp_path / "new folder" / "grades.json").read_text())
    assert code == 0
    assert data["lab"] == "toy"
    assert len(data["suite_digest"]) == 16
    assert {s["student"]: s["score"] for s in data["submissions"]} == {"ann": 12, "bob": 7}


def test_json_that_cannot_be_written_is_named(run, toy_class, tmp_path):
    code, said = run("grade", "toy", "--json", "/dev/full")
    assert code == 3
    assert "/dev/full: the disk is full. Free some space, then run the same command again" in said
    (tmp_path / "file").write_text("")
    for place in (tmp_path, tmp_path / "file" / "grades.json", "/proc/x.json"):
        for command in ("grade", "changes"):
            code, said = run(command, "toy", "--json", place)
            assert code == 2
            assert f"Can't write {place}" in said


def test_json_that_cannot_be_written_is_named_before_anything_is_graded(
    run, toy_class, course, tmp_path
):
    assert run("grade", "toy", "--json", tmp_path)[0] == 2
    assert not course.reports.exists()
    known = tmp_path / "known.json"
    known.write_text("kept")
    (course.hidden / "toy" / "test_more.py").write_text("import numpi")
    for path in (known, tmp_path / "fresh.json"):
        assert run("grade", "toy", "--json", path)[0] == 2
    assert known.read_text() == "kept"
    assert not (tmp_path / "fresh.json").exists()


def test_one_student(run, toy_class):
    _, said = run("grade", "toy", "--student", "bob")
    assert "bob │ 7" in said
    assert "ann" not in said


def test_a_class_in_a_folder_of_its_own(run, toy_class, course, tmp_path):
    shutil.move(course.submitted, tmp_path / "class" / "submitted")
    code, _ = run("grade", "toy", "--submissions", tmp_path / "class" / "submitted")
    assert code == 0
    assert (tmp_path / "class" / "gradebook.db").exists()
    assert not course.database.exists()
    assert run("feedback", "toy", "--course", tmp_path / "class")[0] == 0
    assert (tmp_path / "class" / "feedback" / "bob" / "toy" / "toy.html").exists()
    assert run("report", "toy", "--course", tmp_path / "class")[0] == 0
    assert (tmp_path / "class" / "report.html").exists()


def test_a_corrected_suite_grades_all_anew_and_changes_says_who_and_why(
    run, toy_class, hand_in, course, tmp_path
):
    """The mistake: a test that asks for more than the lab does. The solution happens to pass it."""
    hand_in("ann", add="return sum((a, b))", mul="return a * b")
    suite = course.hidden / "toy" / "test_toy.py"
    right = suite.read_text()
    suite.write_text(right.replace("(2, -7), -5", "('2', '-7'), '2-7'"))
    run("grade", "toy")
    assert "toy: 0 changed of 0 graded more than once" in run("changes", "toy")[1]
    with Gradebook(url(course.database)) as gradebook:
        gradebook.find_grade("essay", "toy", "toy", "ann").manual_score = 4
        gradebook.find_comment("essay", "toy", "toy", "ann").manual_comment = "Well said."
        gradebook.db.commit()
    suite.write_text(right)
    run("grade", "toy")
    code, said = run("changes", "toy", "--json", tmp_path / "changes.json")
    assert code == 0
    assert "toy: 1 changed of 2 graded more than once" in said
    assert "ann │ 10 │ 12 │ 12 │ add: Adds negative numbers. failed (0/2) → passed (2/2)" in said
    (change,) = json.loads((tmp_path / "changes.json").read_text())["changes"]
    assert (change["student"], change["before"], change["after"]) == ("ann", 10, 12)
    with Gradebook(url(course.database)) as gradebook:
        assert gradebook.find_submission("toy", "ann").score == 12 + 4
        comment = gradebook.find_comment("essay", "toy", "toy", "ann").manual_comment
        assert comment == "Well said."


def test_export_writes_one_row_a_student(run, toy_class, course):
    run("grade", "toy")
    code, said = run("export", "toy")
    assert code == 0
    assert "2 rows in" in said
    lines = (course.directory / "toy-grades.csv").read_text().splitlines()
    assert [line.split(",")[3] for line in lines] == ["student_id", "ann", "bob"]


def test_without_a_sandbox_nothing_is_recorded_and_the_table_says_so(run, toy_class, course):
    code, said = run("grade", "toy", "--no-sandbox", "--student", "ann")
    assert code == 0
    assert "0 walls: graded without a sandbox" in said
    assert not course.database.exists()


@pytest.mark.parametrize("target", ["folder", "file/grades.csv", "/proc/grades.csv", "pipe"])
def test_an_export_that_cannot_be_written_is_named_and_leaves_nothing(
    run, toy_class, course, target
):
    run("grade", "toy")
    (course.root / "folder").mkdir()
    (course.root / "file").write_text("")
    os.mkfifo(course.root / "pipe")
    before = sorted(course.root.rglob("*"))
    code, said = run("export", "toy", "--to", target)
    assert code == 2
    assert f"Can't write {target}: " in said
    assert sorted(course.root.rglob("*")) == before


def test_a_folder_of_feedback_that_refuses_is_named(run, toy_class, course):
    run("grade", "toy")
    (course.directory / "feedback").write_text("in the way")
    code, said = run("feedback", "toy")
    assert code == 2, said
    assert re.search(r"Can't write .*feedback/\.new: (Not a directory|File exists)", said)


def test_feedback_names_who_has_no_scores(run, toy_class):
    code, said = run("feedback", "toy")
    assert code == 1
    assert "no feedback for ann: no recorded scores" in said


def test_the_report_leaves_out_who_is_gone(run, toy_class, course):
    run("grade", "toy")
    shutil.rmtree(course.submitted / "ann")
    assert run("report", "toy")[0] == 0
    students = json.loads((course.directory / "report.json").read_text())["submissions"]
    assert [student["student"] for student in students] == ["bob"]


def test_release_and_its_check(run, course):
    code, said = run("release", "--all", "--check")
    assert code == 1
    assert "toy is out of date; run `autograder release toy`: missing: toy.ipynb" in said
    assert run("release", "toy")[0] == 0
    assert run("release", "--all", "--check") == (0, "labs/ is up to date: toy")


def test_validate_shows_every_answer_of_known_worth(run):
    code, said = run("validate", "toy")
    assert code == 0, said
    assert "toy: the suite is valid" in said
    assert re.search(r"✓ │ add-is-mul │ mutant", said)
    assert "pytest" not in said


def test_validate_ends_with_the_command_that_shows_what_is_wrong(run, course):
    other = course.hidden / "toy" / "alternatives.py"
    other.write_text(other.read_text().replace("sum((a, b))", "a + b + (b < 0)"))
    code, said = run("validate", "toy")
    assert code == 1
    assert "test_adds_negative_numbers: failed at 12: " in said
    assert "should get full marks, loses some in add" in said
    command = (
        "pytest autograder/hidden/toy -k test_adds_negative_numbers "
        "--submission _build/validate/toy/sum.ipynb --student validation --grading-seed=0"
    )
    assert said.endswith(command)
    assert (course.root / "_build" / "validate" / "toy" / "sum.ipynb").is_file()


@pytest.mark.parametrize(("holds", "code", "sign"), [(True, 0, "✓"), (False, 3, "✗")])
def test_doctor_shows_each_wall(run, monkeypatch, holds, code, sign):
    from autograder import doctor

    checks = [doctor.Check("Python", True, "3"), doctor.Check("no network", holds, "[tried] it")]
    monkeypatch.setattr(doctor, "examine", lambda: iter(checks))
    last = "All walls hold: you can grade." if holds else "1 check failed: don't grade here."
    assert run("doctor") == (code, f"✓ Python 3 {sign} no network [tried] it {last}")


def test_hostile_names_reach_no_terminal(run, hand_in):
    hand_in("\x1b[31m[bold]x", raw="{")
    _, said = run("grade", "toy")
    assert "\x1b[31m[bold]" not in said
    assert "[bold]x" in said
