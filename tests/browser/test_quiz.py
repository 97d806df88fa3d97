"""The quiz, by mouse, by keyboard, and without JavaScript."""

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.book]

PAGE = "book/ladder.html"
QUIZ = "#ladder-quiz-unit"


@pytest.fixture
def quiz(visitor):
    return visitor.open(PAGE).locator(QUIZ)


def test_mouse(quiz):
    feedback = quiz.locator(".quiz-feedback")
    quiz.locator("label").nth(0).click()
    quiz.get_by_role("button", name="Check").click()
    assert "wrong" in feedback.get_attribute("class")
    assert feedback.inner_text().endswith("The point is what can be compared.")
    quiz.locator("label").nth(1).click()
    assert feedback.inner_text() == ""
    quiz.get_by_role("button", name="Check").click()
    assert "right" in feedback.get_attribute("class")


def test_nothing_chosen(quiz):
    quiz.get_by_role("button", name="Check").click()
    assert quiz.locator(".quiz-feedback").inner_text() == "Choose an answer first."


def test_keyboard(quiz, visitor):
    keyboard = visitor.page.keyboard
    quiz.locator("input").first.focus()
    keyboard.press("ArrowDown")
    keyboard.press("Enter")
    assert "right" in quiz.locator(".quiz-feedback").get_attribute("class")
    keyboard.press("ArrowDown")
    keyboard.press("Tab")
    keyboard.press("Space")
    assert "wrong" in quiz.locator(".quiz-feedback").get_attribute("class")


def test_it_is_a_named_group_with_a_live_region(quiz):
    group = quiz.get_by_role("radiogroup", name="Why does the ladder count bits")
    assert group.get_by_role("radio").count() == 3
    assert quiz.locator(".quiz-feedback").get_attribute("aria-live") == "polite"


def test_without_javascript_explanations_can_be_opened(browser, base):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{base}/{PAGE}")
    quiz = page.locator(QUIZ)
    assert not quiz.locator(".quiz-check").is_visible()
    assert not quiz.locator("details li").first.is_visible()
    quiz.locator("summary").click()
    assert quiz.locator("details li").nth(1).inner_text().startswith("Right:")
    context.close()


def test_hidden_solution_opens_by_keyboard(visitor):
    page = visitor.open(PAGE)
    solution = page.locator("#sol-ladder-uniform")
    assert not solution.get_by_text("6.29").first.is_visible()
    solution.locator("button").first.focus()
    page.keyboard.press("Enter")
    assert solution.locator("section").is_visible()
