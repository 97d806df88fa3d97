"""Every page of the built book, in a real browser."""

import functools
import json
from dataclasses import dataclass

import pytest
from axe_playwright_python.sync_playwright import Axe

pytestmark = [pytest.mark.browser, pytest.mark.book]

UNFOLD = """() => {
  document.querySelectorAll("details").forEach((box) => { if (!box.hidden) box.open = true; });
  document.querySelectorAll(".toggle-button[aria-expanded='false'], .toggle-hidden .toggle-button")
    .forEach((button) => button.click());
  window.dispatchEvent(new Event("resize"));
}"""

MATHS = """() => [...document.querySelectorAll(".math")].map((node) => ({
  source: node.textContent.slice(0, 60),
  set: node.querySelector("mjx-container") !== null,
  wrong: node.querySelector("mjx-merror, [data-mjx-error]") !== null,
}))"""


def violations(page) -> list[str]:
    """What axe finds, one line for each element."""
    # Without preload: axe would fetch the theme's @import from a wrong address.
    options = {"preload": False, "resultTypes": ["violations"]}
    found = Axe().run(page, options=options).response["violations"]
    return [
        f"{violation['id']}: {node['target']} {node['html'][:120]}"
        for violation in found
        for node in violation["nodes"]
    ]


@dataclass
class Seen:
    """What one visit to a page showed."""

    elsewhere: list[str]
    errors: list[str]
    unset_formulas: list[str]
    violations: dict[str, list[str]]
    wider_than_a_phone: bool


@pytest.fixture(scope="session")
def seen(visitor):
    """Visit a page once for all tests; returns a function of its path."""
    return functools.cache(lambda path: visit(visitor, path))


def visit(visitor, path: str) -> Seen:
    """Open a page, unfold what is folded, and look at it in both modes."""
    page = visitor.open(path)
    formulas = page.evaluate(MATHS)
    page.evaluate(UNFOLD)
    found = {}
    for mode in ("light", "dark"):
        page.evaluate("mode => { document.documentElement.dataset.theme = mode }", mode)
        found[mode] = violations(page)
    page.set_viewport_size({"width": 390, "height": 800})
    too_wide = page.evaluate("document.documentElement.scrollWidth > window.innerWidth")
    page.set_viewport_size({"width": 1280, "height": 900})
    return Seen(
        elsewhere=list(visitor.elsewhere),
        errors=list(visitor.errors),
        unset_formulas=[f["source"] for f in formulas if not f["set"] or f["wrong"]],
        violations=found,
        wider_than_a_phone=too_wide,
    )


def test_no_request_leaves_this_machine(seen, path):
    assert seen(path).elsewhere == []


def test_no_error_in_the_console(seen, path):
    assert seen(path).errors == []


def test_maths_is_typeset(seen, path):
    assert seen(path).unset_formulas == []


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_axe_finds_nothing(seen, path, mode):
    assert seen(path).violations[mode] == []


def test_fits_on_a_phone(seen, path):
    assert not seen(path).wider_than_a_phone


@pytest.mark.parametrize("path", ["book/markov/smoothing.html"])
def test_axe_finds_nothing_on_a_phone(visitor, path):
    page = visitor.open(path)
    page.set_viewport_size({"width": 390, "height": 800})
    page.evaluate(UNFOLD)
    found = violations(page)
    page.set_viewport_size({"width": 1280, "height": 900})
    assert found == []


def test_formulas_are_no_tab_stops(visitor):
    page = visitor.open("book/notation.html")
    assert page.locator("mjx-container[tabindex='0']").count() == 0


def test_root_leads_to_the_landing_page(visitor, base):
    visitor.page.goto(f"{base}/index.html")
    visitor.page.wait_for_url("**/book/index.html")
    assert visitor.page.locator("article h1").count() == 1


def test_there_is_maths_to_typeset(visitor):
    page = visitor.open("book/notation.html")
    assert page.locator("mjx-container").count() > 20
    assert page.locator("mjx-merror").count() == 0


def test_axe_would_find_something(visitor):
    page = visitor.open("book/index.html")
    page.evaluate(
        "document.querySelector('article').insertAdjacentHTML('beforeend', '<img src=x>')"
    )
    assert any(line.startswith("image-alt") for line in violations(page))


def test_a_request_elsewhere_would_be_noticed(visitor):
    page = visitor.open("book/index.html")
    page.evaluate("fetch('http://elsewhere.invalid/').catch(() => 0)")
    page.wait_for_timeout(200)
    assert visitor.elsewhere == ["http://elsewhere.invalid/"]


def test_figures_stand_on_a_light_card_in_dark_mode(visitor):
    page = visitor.open("book/index.html")
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    style = page.locator(".cell_output img").first.evaluate(
        "node => [getComputedStyle(node).backgroundColor, getComputedStyle(node).filter]"
    )
    assert style == ["rgb(247, 247, 244)", "none"]


def test_mode_switch(visitor):
    page = visitor.open("book/index.html")
    modes = set()
    for _ in range(3):
        page.locator(".theme-switch-button").first.click()
        modes.add(page.evaluate("document.documentElement.dataset.theme"))
    page.evaluate("localStorage.clear()")
    assert modes == {"light", "dark"}


def test_notebook_can_be_downloaded(visitor, tmp_path):
    page = visitor.open("book/index.html")
    with page.expect_download() as waiting:
        page.locator("a.btn-download-notebook").click()
    waiting.value.save_as(tmp_path / "index.ipynb")
    assert waiting.value.suggested_filename == "index.ipynb"
    notebook = json.loads((tmp_path / "index.ipynb").read_text())
    assert {cell["cell_type"] for cell in notebook["cells"]} == {"code", "markdown"}
