"""A real Chromium, a local server for the built book, and what a page may and may not do."""

import functools
import http.server
import threading
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml
from playwright.sync_api import Browser, Page

ROOT = Path(__file__).resolve().parents[2]
HTML = ROOT / "_build/html"


def toc_pages() -> list[str]:
    """All pages of the table of contents, as docnames."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text())
    chapters = [chapter for part in toc["parts"] for chapter in part["chapters"]]
    sections = [section for chapter in chapters for section in chapter.get("sections", [])]
    return [toc["root"], *(entry["file"] for entry in [*chapters, *sections])]


@dataclass
class Visitor:
    """One tab that notes everything a page should not do."""

    page: Page
    base: str
    elsewhere: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def listen(self) -> None:
        """Note requests to other hosts, console errors, exceptions, and missing files."""
        self.page.on("request", self._on_request)
        self.page.on("console", self._on_console)
        self.page.on("pageerror", lambda error: self.errors.append(f"exception: {error}"))
        self.page.on("response", self._on_response)

    def _on_request(self, request) -> None:
        if not request.url.startswith((self.base, "data:", "blob:")):
            self.elsewhere.append(request.url)

    def _on_console(self, message) -> None:
        if message.type == "error":
            self.errors.append(f"console: {message.text}")

    def _on_response(self, response) -> None:
        if response.status >= 400:
            self.errors.append(f"{response.status}: {response.url}")

    def open(self, path: str) -> Page:
        """Go to a page of the book and wait until its formulas are set."""
        self.elsewhere.clear()
        self.errors.clear()
        self.page.goto(f"{self.base}/{path}", wait_until="load")
        self.page.evaluate("() => window.MathJax?.startup?.promise")
        return self.page


@pytest.fixture(scope="session")
def html() -> Path:
    """The built book."""
    if not (HTML / "book/index.html").exists():
        pytest.fail("the book is not built: run 'make book' first", pytrace=False)
    return HTML


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Keep the test's output clean."""


@pytest.fixture(scope="session")
def base(html: Path):
    """Address of a server for the built book, on this machine only."""
    handler = functools.partial(_Quiet, directory=str(html))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def visitor(browser: Browser, base: str) -> Visitor:
    """One tab for all tests, without animations."""
    context = browser.new_context(
        viewport={"width": 1280, "height": 900}, reduced_motion="reduce", accept_downloads=True
    )
    visitor = Visitor(context.new_page(), base)
    visitor.page.set_default_timeout(15_000)
    visitor.listen()
    return visitor


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that takes ``path`` once for each page of the book."""
    marked = [mark.args[0] for mark in metafunc.definition.iter_markers("parametrize")]
    if "path" in metafunc.fixturenames and "path" not in marked:
        extra = ["search.html", "genindex.html"]
        pages = [f"{page}.html" for page in toc_pages()] + extra
        metafunc.parametrize("path", pages, scope="session")
