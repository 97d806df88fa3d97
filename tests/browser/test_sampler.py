"""The live sampler says what Python says, by mouse and by keyboard."""

import json
import math

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.book]

PAGE = "book/markov/generating.html"


@pytest.fixture
def page(visitor):
    page = visitor.open(PAGE)
    page.wait_for_function("() => window.sampler !== undefined")
    return page


def cases(page) -> list[dict]:
    """What Python computed for some contexts when the book was built."""
    return json.loads(page.locator("#sampler-python-check").text_content())


def in_page(page, case: dict) -> dict[str, float]:
    """What the page computes for the same context."""
    return page.evaluate(
        "c => window.sampler.nextProbabilities(c.context, c.order, c.temperature)", case
    )


def test_same_probabilities_as_python(page):
    checked = cases(page)
    assert len(checked) >= 3
    assert len({case["order"] for case in checked}) > 1
    assert len({case["temperature"] for case in checked}) > 1
    for case in checked:
        ours, theirs = in_page(page, case), case["probabilities"]
        assert ours.keys() == theirs.keys()
        assert math.isclose(sum(ours.values()), 1, abs_tol=1e-9)
        assert max(abs(ours[c] - theirs[c]) for c in theirs) < 1e-9


def test_by_mouse(page, visitor):
    page.locator("#sampler-seed").fill("ROMEO")
    page.locator("#sampler-run").click()
    page.wait_for_function("() => document.querySelector('#sampler-output').innerText.length > 20")
    assert page.locator("#sampler-probabilities tr").count() > 2
    assert visitor.errors == []
    assert visitor.elsewhere == []


def test_by_keyboard_only(page, visitor):
    keyboard = page.keyboard
    page.locator("#sampler-seed").focus()
    keyboard.press("Control+a")
    keyboard.type("JULIET")
    before = page.locator("#sampler-temperature").input_value()
    _tab_to(page, "sampler-temperature")
    keyboard.press("ArrowRight")
    assert page.locator("#sampler-temperature").input_value() != before
    _tab_to(page, "sampler-run")
    keyboard.press("Enter")
    page.wait_for_function("() => document.querySelector('#sampler-output').innerText.length > 20")
    assert page.locator("#sampler-seed").input_value() == "JULIET"
    assert visitor.errors == []


def _tab_to(page, wanted: str) -> None:
    """Press Tab, or Shift+Tab, until the element has the focus."""
    for key in ["Tab"] * 8 + ["Shift+Tab"] * 16:
        if page.evaluate("document.activeElement.id") == wanted:
            return
        page.keyboard.press(key)
    raise AssertionError(f"#{wanted} cannot be reached with the Tab key")


def test_output_is_announced_and_controls_have_names(page):
    assert page.locator("#sampler-output").get_attribute("aria-live") in {"polite", "assertive"}
    for control in ("seed", "temperature", "order"):
        assert page.locator(f"label[for=sampler-{control}]").count() == 1
