"""A person grades a written answer in formgrader, in a real browser; the student reads it."""

import os
import re
import socket
import subprocess
import threading

import pytest
from nbgrader.api import Gradebook

from autograder.database import url
from autograder.feedback import write_feedback
from autograder.recording import record

pytestmark = pytest.mark.browser


@pytest.fixture
def address(course, hand_in, toy_report, home, program, environment):
    """Start `autograder formgrader` on a class with one submission; yield what it prints."""
    hand_in("ann", add="return a - b", mul="return a * b", essay="It is symmetric.")
    assert record(course, "toy", [toy_report("ann", adds=False)]) == {}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    server = subprocess.Popen(
        [*program, "formgrader", "--port", port],
        cwd=course.directory,
        env={**environment, "BROWSER": "true"},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield _address(server)
    finally:
        server.terminate()
        server.wait()
        server.stderr.close()
    assert list(home.iterdir()) == []


def _address(server) -> str:
    """Read what the server says until it gives its address."""
    said = ""
    for line in server.stderr:
        said += line
        if found := re.search(r"http://127\.0\.0\.1:\d+/formgrader/\?token=\w+", line):
            threading.Thread(target=server.stderr.read, daemon=True).start()
            assert ("Warning: you are root." in said) == (os.geteuid() == 0)
            return found[0]
    raise AssertionError(said)


@pytest.fixture
def page(browser, address):
    """A tab that is signed in, asks no other machine and meets no error of a script."""
    base, troubles = address.partition("/formgrader")[0], []
    page = browser.new_context(base_url=base).new_page()
    page.set_default_timeout(60_000)
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on(
        "request",
        lambda sent: sent.url.startswith((base, "data:", "blob:")) or troubles.append(sent.url),
    )
    page.goto(address)
    yield page
    page.context.close()
    assert troubles == []


def _type(page, field: str, text: str) -> None:
    """Fill in a field as a person does, and wait until formgrader has saved it."""
    with page.expect_response(lambda answer: answer.request.method == "PUT") as saved:
        page.fill(field, text)
        page.press(field, "Tab")
    assert saved.value.ok


@pytest.mark.timeout(900)
def test_points_and_a_comment_by_hand_reach_the_gradebook_and_the_student(page, course):
    page.goto("/formgrader/gradebook/toy/toy")
    page.click("text=Submission #1")
    page.wait_for_function("window.formgrader?.grades?.loaded && formgrader.comments.loaded")
    assert page.get_attribute("#add", "placeholder") == "0"  # the tests' score, to be overridden
    assert page.get_attribute("#mul", "placeholder") == "7"
    assert "It is symmetric." in page.inner_text("#notebook")
    assert "[failed] Adds two numbers." in page.inner_text("#notebook")
    _type(page, "#essay", "9")
    _type(page, "#essay-comment", "Say why, too.")
    _type(page, "#add", "2")

    page.goto("/formgrader/gradebook/toy/toy")
    page.wait_for_selector("text=Submission #1")
    assert re.search(r"18\s*/\s*23", page.inner_text("table"))
    with Gradebook(url(course.database)) as gradebook:
        grade = gradebook.find_grade("essay", "toy", "toy", "ann")
        assert (grade.manual_score, grade.needs_manual_grade) == (9, False)
        add = gradebook.find_grade("add", "toy", "toy", "ann")
        assert (add.auto_score, add.manual_score, add.score) == (0, 2, 2)

    assert write_feedback(course, "toy", ["ann"]) == {}
    said = course.feedback("ann", "toy").read_text()
    assert "of 23 points" in said
    assert "Say why, too." in said
    assert "Your instructor changed this score from 0." in said
