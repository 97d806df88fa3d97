"""The book's own modules, its pages as written, and its pages as built."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from bs4 import BeautifulSoup

ROOT = Path(__file__).resolve().parents[2]
BOOK = ROOT / "book"
HTML = ROOT / "_build/html"

sys.path.insert(0, str(BOOK / "_ext"))  # where Sphinx finds them too


def toc_pages() -> list[str]:
    """All pages of the table of contents, as docnames."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text())
    chapters = [chapter for part in toc["parts"] for chapter in part["chapters"]]
    sections = [section for chapter in chapters for section in chapter.get("sections", [])]
    return [toc["root"], *(entry["file"] for entry in [*chapters, *sections])]


CHAPTERS = [
    p
    for p in toc_pages()
    if p.count("/") == 2
    and not p.endswith("/index")
    and not p.startswith(("book/reference/", "book/instructors/"))
]


@pytest.fixture(scope="session")
def build() -> ModuleType:
    """The script that builds the book."""
    spec = importlib.util.spec_from_file_location("book_build", BOOK / "build.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["book_build"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def html() -> Path:
    """The built book."""
    if not (HTML / "book/index.html").exists():
        pytest.fail("the book is not built: run 'make book' first", pytrace=False)
    return HTML


@pytest.fixture(scope="session")
def soups(html: Path) -> dict[str, BeautifulSoup]:
    """Every built page, parsed."""
    return {
        page: BeautifulSoup((html / f"{page}.html").read_text("utf-8"), "html.parser")
        for page in toc_pages()
    }


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that takes ``page`` or ``chapter`` once for each of them."""
    if "page" in metafunc.fixturenames:
        metafunc.parametrize("page", toc_pages())
    if "chapter" in metafunc.fixturenames:
        metafunc.parametrize("chapter", CHAPTERS)
