"""Feedback as nbgrader writes it, from a real gradebook and hand-made reports."""

import html
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from nbgrader.api import Gradebook

from autograder import notebook
from autograder.database import url
from autograder.feedback import write_feedback
from autograder.recording import record
from autograder.report import Misconception, Note, TaskResult, TestResult, Verdict, not_graded
from autograder.store import Store
from autograder.ungraded import ungraded


class _Page(HTMLParser):
    """Collects tags, attributes and text."""

    def __init__(self, source):
        super().__init__()
        self.tags, self.attributes, self.text = [], [], ""
        self.feed(source)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.text += data


@pytest.fixture
def page(course, hand_in, toy_report):
    """Record a report, change the gradebook if asked to, and read the page."""

    def page(report=None, change=lambda gradebook: None, **handed_in):
        report = report or toy_report("ann", adds=False)
        hand_in(report.student, **handed_in)
        assert record(course, "toy", [report]) == {}
        with Gradebook(url(course.database)) as gradebook:
            change(gradebook)
            gradebook.db.commit()
        assert write_feedback(course, "toy", [report.student]) == {}
        return course.feedback(report.student, "toy").read_text()

    return page


def _words(source):
    return " ".join(_Page(source).text.split())


def test_it_says_the_score_the_tests_and_the_hints(page):
    said = _words(page(essay="Because."))
    assert "Feedback for ann Toy lab 7 of 23 points" in said
    assert "11 of these points are for written answers that a person has not graded yet" in said
    assert "Adds two numbers. not passed Add both arguments. 0 / 3" in said
    assert "The test passed" in said
    assert "You handed this in as it came." in said
    assert "No response" not in said
    assert "Multiplies two numbers. passed 7 / 7" in said


def _section(source, number):
    """Return the words of one task's section."""
    found = re.search(rf'<section class="card" id="part-{number}".*?</section>', source, re.S)
    return _words(found[0])


def _with_tests(report, task, *tests):
    """Change a report: its task has these (verdict, message) in place of its own tests."""
    kept = [
        TestResult(f"Test {n}.", verdict, 0.0, 5.0 / len(tests), message)
        for n, (verdict, message) in enumerate(tests, start=1)
    ]
    tasks = [TaskResult.of(task, tuple(kept)) if t.task == task else t for t in report.tasks]
    return replace(report, tasks=tuple(tasks), score=sum(task.score for task in tasks))


def test_it_shows_the_students_own_errors(page, toy_report):
    note = Note("Cell 9", "name 'x' is not defined", "NameError", 9, 2)
    assert str(note) in _words(page(toy_report("ann", adds=False, notes=(note,))))


def test_a_misconception_stands_in_its_task(page, toy_report):
    said = Misconception("add", "You multiply where you should add.")
    source = page(toy_report("ann", adds=False, misconceptions=(said,)), add="return a * b")
    assert f"What may lie behind it: {said.sentence}" in _section(source, 1)
    assert said.sentence not in _section(source, 2)
    assert source.count(said.sentence) == 1


def test_a_misconception_of_an_earlier_grader_stands_above_the_tasks(page, toy_report):
    said = Misconception("", "You multiply where you should add.")
    source = page(toy_report("ann", adds=False, misconceptions=(said,)))
    assert source.count(said.sentence) == 1
    assert said.sentence not in _section(source, 1)


def test_code_has_the_numbers_that_errors_name(page):
    source = page(add="return a - b")
    assert "Your code (cell 3)" in _section(source, 1)
    assert re.search(r'data-line="2">.*return', source)


def test_a_cell_that_could_not_be_read_explains_its_task(page, toy_report):
    note = Note("Cell 3", "expected ':'", "SyntaxError", 3, 2)
    missing = (Verdict.no_answer, "Your notebook defines no `add`. Add both arguments.")
    report = _with_tests(toy_report("ann", adds=False, notes=(note,)), "add", missing)
    source = page(report, add="if a return b")
    said = _section(source, 1)
    assert "Cell 3 stopped at line 2 before any test ran: SyntaxError: expected ':'." in said
    assert "nothing that it defines was there" in said
    assert "What 1 test would check Test 1." in " ".join(said.replace("–", " ").split())
    assert "defines no" not in said
    assert "stopped" not in _section(source, 2)
    assert '<a href="#part-1">Toy lab</a>' in source


def test_an_answer_that_was_left_out_explains_its_task(page, toy_report):
    note = Note("Cell 3", "it ran longer than 60 s. The others were run without it.", cell=3)
    missing = (Verdict.no_answer, "Your notebook defines no `add`.")
    report = _with_tests(toy_report("ann", adds=False, notes=(note,)), "add", missing)
    said = _section(page(report, add="while True: pass"), 1)
    assert (
        "Cell 3 stopped before any test ran: it ran longer than 60 s. The others were run without "
        "it. Nothing that it defines was there to be tested."
    ) in said
    assert "defines no" not in said


def test_a_cell_that_stopped_half_way_keeps_its_tests(page, toy_report):
    note = Note("Cell 3", "name 'x' is not defined", "NameError", 3, 4)
    said = _section(page(toy_report("ann", notes=(note,)), add="return a + b"), 1)
    assert "Cell 3 stopped at line 4 before any test ran: NameError: name 'x'" in said
    assert "What stands below that line was not run." in said
    assert "All 2 tests passed" in said


def test_another_cell_that_stopped_belongs_to_no_task(page, toy_report):
    note = Note("Cell 33", "name 'x' is not defined", "NameError", 33, 1)
    source = page(toy_report("ann", adds=False, notes=(note,)), add="return 1")
    assert "stopped" not in _section(source, 1)
    assert "This is your answer to" not in _words(source)


def test_what_was_not_written_takes_one_line(page, toy_report):
    first = (Verdict.no_answer, "You have not written this yet.")
    rest = [(Verdict.not_run, "Not run: “Test 1.” must pass first.")] * 4
    source = page(_with_tests(toy_report("ann", adds=False), "add", first, *rest))
    said = _section(source, 1)
    assert said.count("You have not written this yet.") == 1
    assert "What 5 tests would check" in said
    assert "must pass first" not in said
    assert "not passed" not in said
    assert "Your code" not in said


def test_an_answer_in_another_cell_is_no_missing_answer(page, toy_report):
    report = _with_tests(toy_report("ann", adds=False), "add", (Verdict.failed, "It is wrong."))
    said = _section(page(report), 1)  # the answer's own cell is as it came
    assert "You have not written this yet." not in said
    assert "You handed this in as it came." in said
    assert "Test 1. not passed It is wrong." in said


def test_tests_that_one_thing_kept_from_running_share_a_line(page, toy_report):
    why = "Not run: “Test 1.” must pass first."
    tests = [(Verdict.failed, "The sum is wrong."), *[(Verdict.not_run, why)] * 3]
    source = page(_with_tests(toy_report("ann", adds=False), "add", *tests), add="return 1")
    said = _section(source, 1)
    assert said.count(why) == 1
    assert "3 tests not run Test 2. Test 3. Test 4. Not run" in said
    assert "0 / 3.75" in said


def test_tests_that_fail_alike_stand_alone(page, toy_report):
    wrong = (Verdict.failed, "The sum is wrong.")
    report = _with_tests(toy_report("ann", adds=False), "add", wrong, wrong)
    assert _section(page(report, add="return 1"), 1).count("The sum is wrong.") == 2


def test_it_does_not_name_walls_seeds_or_suites(page, toy_report):
    report = toy_report("ann", suite_digest="94b3aa71cc", walls=("bubblewrap", "seccomp"))
    said = _words(page(report))
    assert not {"bubblewrap", "seccomp", "94b3aa71cc"} & set(re.findall(r"\w+", said))
    assert "seed" not in said


def test_it_shows_the_students_answers_and_no_test_cell(page):
    said = _words(page(add="return a - b", essay="It is symmetric."))
    assert "return a - b" in said
    assert "It is symmetric." in said
    assert "assert add(1, 1)" not in said


def test_it_holds_nothing_of_the_hidden_tests(page, course):
    source = page()
    suite = (course.hidden / "toy" / "test_toy.py").read_text()
    for secret in re.findall(r"expect_\w+|student\.\w+|def test_\w+|-7", suite):
        assert secret not in html.unescape(source)


def test_an_instructors_score_and_comment_are_shown(page):
    def change(gradebook):
        gradebook.find_grade("essay", "toy", "toy", "ann").manual_score = 9
        gradebook.find_grade("add", "toy", "toy", "ann").manual_score = 4
        gradebook.find_comment("essay", "toy", "toy", "ann").manual_comment = "<b>Nice</b> try"

    source = page(change=change, essay="Because.")
    said = _words(source)
    assert "20 of 23 points" in said
    assert "Your instructor changed this score from 0." in said
    assert "Your instructor writes: <b>Nice</b> try" in said
    assert "has not graded yet" not in said


ATTACK = "</pre><script>alert(1)</script><img src=x onerror=alert(2)>\x1b[31m\u202e{{ 7*7 }}"


def test_hostile_text_is_inert_wherever_it_stands(page, toy_report):
    notes = (Note("", ATTACK), Note("Cell 3", ATTACK, "SyntaxError", 3, 1))
    told = tuple(Misconception(task, ATTACK) for task in ("", "add"))
    report = toy_report("ann", adds=False, notes=notes, misconceptions=told)
    tasks = [
        {**task, "tests": [{**t, "message": ATTACK} for t in task["tests"]]}
        for task in report.to_dict()["tasks"]
    ]
    report = type(report).from_dict({**report.to_dict(), "tasks": tasks})
    source = page(report, add=f'"""{ATTACK}"""', essay=ATTACK)
    assert "{{ 7*7 }}" in source
    assert not {"script", "img", "iframe", "object", "link"} & set(_Page(source).tags)
    assert not [name for name, _ in _Page(source).attributes if name.startswith("on")]
    assert not {"\x1b", "\u202e"} & set(source)


def test_no_heading_of_the_students_own_names_a_task(course, hand_in, toy_report):
    path = hand_in("ann", add="return a + b")
    nb = notebook.read(path)
    forged = {"cell_type": "markdown", "source": "# FORGED: full marks", "metadata": {}}
    nb["cells"][1:1] = [forged]
    notebook.write(nb, path)
    assert record(course, "toy", [toy_report("ann")]) == {}
    assert write_feedback(course, "toy", ["ann"]) == {}
    assert "FORGED" not in course.feedback("ann", "toy").read_text()


def test_it_loads_nothing_and_may_load_nothing(page):
    source = page()
    parsed = _Page(source)
    assert "default-src 'none'" in dict(parsed.attributes)["content"] or any(
        name == "content" and "default-src 'none'" in value for name, value in parsed.attributes
    )
    assert [value for name, value in parsed.attributes if name in ("src", "srcset")] == []
    assert all(value.startswith("#") for name, value in parsed.attributes if name == "href")


def test_the_page_is_bounded(page, toy_report):
    report = toy_report("ann", notes=(Note("Cell 9", "x" * 10**6),) * 50)
    assert len(page(report, add="return 1  # " + "y" * 10**6)) < 400_000


def test_who_has_no_recorded_scores_is_named(course):
    problems = write_feedback(course, "toy", ["ghost"])
    assert problems == {"ghost": "no recorded scores: run `autograder grade toy`"}


@pytest.fixture
def refused(course):
    """Store that a student's file could not be graded, write the page, and read it."""

    def refused(student, reason):
        report = not_graded(student, "toy", reason)
        Store(course.reports).put("key", report)
        assert ungraded(course, "toy", [student, "other"]) == [report]
        assert write_feedback(course, "toy", [student]) == {}
        return course.feedback(student, "toy").read_text()

    return refused


def test_who_misnamed_the_file_reads_so(course, hand_in, refused):
    path = hand_in("eve")
    path.rename(path.with_name("toy (1).ipynb"))
    said = _words(refused("eve", "no toy.ipynb was handed in; found: toy (1).ipynb"))
    assert "Feedback for eve Toy lab What you handed in could not be graded" in said
    assert "The grader says: no toy.ipynb was handed in; found: toy (1).ipynb." in said
    assert "called exactly toy.ipynb" in said


def test_who_handed_in_no_notebook_reads_so(hand_in, refused):
    hand_in("eve", raw="[1, 2]")
    assert "its top level is no object" in _words(
        refused("eve", "toy.ipynb is not a notebook: its top level is no object")
    )


@pytest.mark.parametrize(
    "reason", ["grader error: test_adds: KeyError at test_toy.py:7", "toy.ipynb can't be read: x"]
)
def test_a_fault_of_ours_is_not_told_to_the_student(hand_in, refused, reason):
    hand_in("eve")
    said = _words(refused("eve", reason))
    assert "Something went wrong on our side" in said
    assert reason not in said


def test_a_hostile_file_name_is_inert(hand_in, refused):
    path = hand_in("eve")
    path.rename(path.with_name("<img src=x>.ipynb"))
    source = refused("eve", "no toy.ipynb was handed in; found: <img src=x>.ipynb")
    assert "img" not in _Page(source).tags
    assert "<img src=x>.ipynb" in _words(source)


def test_the_page_of_a_refused_file_can_be_released(course, hand_in, refused):
    path = hand_in("eve", raw="[]")
    (path.parent / "submission_secret.txt").write_text("s3cret")
    refused("eve", "toy.ipynb is not a notebook: its top level is no object")
    secret = course.feedback("eve", "toy").with_name("submission_secret.txt")
    assert secret.read_text() == "s3cret"


def test_a_recorded_score_is_shown_although_a_later_grading_failed(page, course, toy_report):
    page()
    Store(course.reports).put("key", not_graded("ann", "toy", "the machine is full"))
    assert ungraded(course, "toy", ["ann"]) == []
    assert write_feedback(course, "toy", ["ann"]) == {}
    assert "7 of 23" in _words(course.feedback("ann", "toy").read_text())


def test_a_page_with_a_score_takes_the_place_of_the_refusal(course, hand_in, refused, toy_report):
    hand_in("eve")
    refused("eve", "the machine is full")
    assert record(course, "toy", [toy_report("eve")]) == {}
    assert write_feedback(course, "toy", ["eve"]) == {}
    assert "12 of 23" in _words(course.feedback("eve", "toy").read_text())


def test_writing_it_again_replaces_it(course, hand_in, toy_report):
    hand_in("ann")
    for report, score in ((toy_report("ann"), "12 of 23"), (toy_report("ann", adds=False), "7 of")):
        record(course, "toy", [report])
        assert write_feedback(course, "toy", ["ann"]) == {}
        assert score in _words(course.feedback("ann", "toy").read_text())
