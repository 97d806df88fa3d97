"""Search, as a reader does it."""

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.book]


def results(page) -> list[str]:
    """Titles of the pages found."""
    page.wait_for_selector("#search-results li a")
    return page.locator("#search-results li > a").all_text_contents()


def test_search_page_finds_kneser(visitor):
    page = visitor.open("search.html?q=Kneser")
    assert any("Smoothing" in title for title in results(page))
    assert visitor.elsewhere == []


def test_search_by_keyboard_from_a_chapter(visitor):
    page = visitor.open("book/notation.html")
    page.keyboard.press("Control+k")
    page.wait_for_selector("#pst-search-dialog[open]")
    page.keyboard.type("Viterbi")
    page.keyboard.press("Enter")
    page.wait_for_url("**/search.html?q=Viterbi*")
    assert any("idden" in title for title in results(page))


def test_search_finds_nothing_for_nonsense(visitor):
    page = visitor.open("search.html?q=qqqzzzxxx")
    page.wait_for_selector("#search-results p")
    assert "did not match any documents" in page.locator("#search-results").inner_text()
