"""Every page keeps the rules of the course: checked on the built pages."""

import json
import re
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]
BOOK = ROOT / "book"

pytestmark = pytest.mark.book

# Where a browser fetches something without being asked; a link is the reader's choice.
RESOURCES = {
    "script": "src",
    "link": "href",
    "img": "src",
    "iframe": "src",
    "source": "src",
    "video": "src",
    "audio": "src",
    "object": "data",
}
NOT_FETCHED = {"next", "prev", "search", "index", "canonical"}
CSS_FETCH = re.compile(r"(?:url\(|@import\s+)[\"']?\s*(?:https?:)?//")


def headings(soup) -> list[str]:
    """All headings of a page, without their numbers."""
    found = (h.get_text().rstrip("#") for h in soup.article.find_all(["h1", "h2", "h3"]))
    return [re.sub(r"^[\d.]+\s+", "", heading) for heading in found]


def test_page_exists(page):
    assert (ROOT / f"{page}.md").is_file()


def test_page_has_one_title(soups, page):
    assert len(soups[page].article.find_all("h1")) == 1


def test_nothing_comes_from_elsewhere(soups, page):
    for tag, attribute in RESOURCES.items():
        for element in soups[page].find_all(tag):
            if NOT_FETCHED & set(element.get("rel") or []):
                continue
            address = element.get(attribute) or ""
            assert not address.startswith(("http:", "https:", "//")), element
    for style in soups[page].find_all("style"):
        assert not CSS_FETCH.search(style.get_text())


def test_no_style_sheet_fetches_from_elsewhere(html):
    for sheet in (html / "_static").rglob("*.css"):
        assert not CSS_FETCH.search(sheet.read_text("utf-8")), sheet


def test_every_file_a_page_asks_for_is_there(html, soups, page):
    for tag, attribute in RESOURCES.items():
        for element in soups[page].find_all(tag):
            address = (element.get(attribute) or "").split("?")[0].split("#")[0]
            if address and not address.startswith("data:"):
                assert (html / page).parent.joinpath(address).exists(), element


def test_every_link_inside_the_book_leads_somewhere(html, soups, page):
    for link in soups[page].find_all("a", href=True):
        address, _, anchor = link["href"].partition("#")
        if "://" in address or address.startswith("mailto:"):
            continue
        own = html / f"{page}.html"
        target = (own.parent / address.split("?")[0]).resolve() if address else own.resolve()
        assert target.exists(), link
        other = soups.get(target.relative_to(html.resolve()).as_posix().removesuffix(".html"))
        if anchor and other:
            assert other.find(id=anchor), link


def test_every_image_has_alt_text(soups, page):
    for image in soups[page].article.find_all("img"):
        assert len(image.get("alt", "")) >= 20, image.get("src")
    for drawing in soups[page].article.find_all("svg"):
        named = drawing.get("aria-label") or drawing.find("title") or drawing.get("aria-labelledby")
        assert named or drawing.get("aria-hidden") == "true", str(drawing)[:100]


def test_ids_are_unique(soups, page):
    # sphinx-exercise gives these two to every exercise and solution; nothing refers to them
    ids = [e["id"] for e in soups[page].find_all(id=True)]
    twice = {i for i in ids if ids.count(i) > 1} - {"exercise-content", "solution-content"}
    assert twice == set()


def test_no_cell_wrote_to_stderr_or_failed(soups, page):
    assert soups[page].select(".output.stderr, .output.traceback") == []


def test_no_python_object_is_printed_by_mistake(soups, page):
    assert re.findall(r"<[\w.]+ at 0x[0-9a-f]+>", soups[page].article.get_text()) == []


def test_page_can_be_had_as_a_notebook(html, soups, page):
    link = soups[page].select_one("a.btn-download-notebook")
    path = (html / page).parent / link["href"]
    nbformat.validate(nbformat.read(path, as_version=4))


def test_no_machine_path_stands_in_a_page(html, soups, page):
    assert not re.search(
        r"(?<![\w.])/(?:home|root|work|tmp|Users)/", soups[page].article.get_text()
    )


def test_no_launch_button_leads_to_a_service(soups, page):
    assert not re.search(
        r"binder|colab|thebe|deepnote", str(soups[page].select(".bd-header-article"))
    )


# --- chapters ---------------------------------------------------------------------------------


def test_chapter_says_what_and_for_whom(soups, chapter):
    boxes = soups[chapter].article.select("div.admonition")
    assert "objectives" in boxes[0]["class"]
    assert len(boxes[0].find_all("li")) >= 2
    assert soups[chapter].article.select("div.admonition.prerequisites")


def test_chapter_has_exercises_with_hidden_solutions(soups, chapter):
    article = soups[chapter].article
    exercises = {box["id"] for box in article.select("div.exercise")}
    assert len(exercises) >= 3
    solved = set()
    for solution in article.select("div.solution"):
        assert "dropdown" in solution["class"], solution["id"]
        assert len(solution.get_text()) > 80, solution["id"]
        solved.add(solution.select_one(".admonition-title a")["href"].lstrip("#"))
    assert exercises <= solved


def test_chapter_has_quizzes(soups, chapter):
    assert len(soups[chapter].article.select(".quiz")) >= 3


def test_every_quiz_explains_every_choice(soups, page):
    for quiz in soups[page].article.select(".quiz"):
        explanations = [item.get_text().strip() for item in quiz.select(".quiz-details li")]
        assert len(explanations) == len(quiz.select("input[type=radio]"))
        assert min(map(len, explanations)) >= 10, quiz["id"]


def test_chapter_shows_what_goes_wrong_and_where_to_read_on(soups, chapter):
    found = headings(soups[chapter])
    for wanted in ("What goes wrong", "Further reading", "Exercises", "What this page cost"):
        assert wanted in found


def test_chapter_cites_its_sources(soups, chapter):
    assert soups[chapter].article.select("a[href*='bibliography.html#']")


def test_chapter_says_what_it_cost(soups, chapter):
    assert re.search(r"took \d+ seconds and \d+ MiB", soups[chapter].article.get_text())


def test_every_figure_has_a_caption(soups, chapter):
    for figure in soups[chapter].article.find_all("figure"):
        assert figure.find("figcaption"), figure.get("id")


# --- reference pages --------------------------------------------------------------------------

ERRATA = [
    "DistilBERT",
    "cosine",
    "parallel",
    "long-term",
    "soft dictionary",
    "Laplace",
    "transformer block",
    "eigenvalue",
    "BLEU",
    "row",
]


@pytest.mark.parametrize("subject", ERRATA)
def test_errata_have_claim_correction_and_source(soups, subject):
    titles = soups["book/errata"].article.find_all("h3")
    mine = [title.parent for title in titles if subject.lower() in title.get_text().lower()]
    assert len(mine) == 1
    assert [t.get_text() for t in mine[0].find_all("dt")] == ["The slide", "Right", "Source"]


def test_glossary_is_in_the_search_index(html):
    index = (html / "searchindex.js").read_text("utf-8")
    assert "perplex" in index


def test_ladder_shows_every_row_of_the_results(soups):
    rows = json.loads((BOOK / "ladder.json").read_text())["rows"]
    tables = soups["book/ladder"].article.find_all("table")
    longest = max((len(table.select("tbody tr")) for table in tables), default=0)
    assert longest == len(rows) >= 8


def test_root_leads_to_the_first_page(html):
    assert "url=book/index.html" in (html / "index.html").read_text()
