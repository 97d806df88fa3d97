"""Feedback as nbgrader writes it, from a real gradebook and hand-made reports."""

import html
import re
from html.parser import HTMLParser

import pytest
from nbgrader.api import Gradebook

from autograder.database import url
from autograder.feedback import write_feedback
from autograder.recording import record


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


def test_it_shows_misconceptions_and_the_students_own_errors(page, toy_report):
    report = toy_report(
        "ann",
        adds=False,
        misconceptions=("You multiply where you should add.",),
        notes=("Cell 3, line 2 raised NameError: name 'x' is not defined",),
    )
    said = _words(page(report))
    assert "You multiply where you should add." in said
    assert "Cell 3, line 2 raised NameError: name 'x' is not defined" in said


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
    report = toy_report("ann", adds=False, notes=(ATTACK,), misconceptions=(ATTACK,))
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


def test_it_loads_nothing_and_may_load_nothing(page):
    source = page()
    parsed = _Page(source)
    assert "default-src 'none'" in dict(parsed.attributes)["content"] or any(
        name == "content" and "default-src 'none'" in value for name, value in parsed.attributes
    )
    assert [value for name, value in parsed.attributes if name in ("src", "srcset")] == []
    assert all(value.startswith("#") for name, value in parsed.attributes if name == "href")


def test_the_page_is_bounded(page, toy_report):
    report = toy_report("ann", notes=("x" * 10**6,) * 50)
    assert len(page(report, add="return 1  # " + "y" * 10**6)) < 400_000


def test_who_has_no_recorded_scores_is_named(course):
    problems = write_feedback(course, "toy", ["ghost"])
    assert problems == {
        "ghost": "no recorded scores: it could not be graded, or `autograder grade` has not run yet"
    }


def test_writing_it_again_replaces_it(course, hand_in, toy_report):
    hand_in("ann")
    for report, score in ((toy_report("ann"), "12 of 23"), (toy_report("ann", adds=False), "7 of")):
        record(course, "toy", [report])
        assert write_feedback(course, "toy", ["ann"]) == {}
        assert score in _words(course.feedback("ann", "toy").read_text())
