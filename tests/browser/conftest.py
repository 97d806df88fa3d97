"""A real Chromium, a local server for the built book, and what a page may and may not do."""

import functools
import http.server
import os
import shutil
import subprocess
import threading
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml
from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
HTML = ROOT / "_build/html"

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
MAC = Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-sync",
    "--disable-features=Translate,OptimizationHints,MediaRouter",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
]
HOW_TO_GET_ONE = (
    "no Chromium or Chrome was found. Install one ('apt-get install chromium' as root on Debian, "
    "'playwright install chromium', or Chrome itself), or leave these tests out with NO_BROWSER=1"
)


def system_browser() -> str | None:
    """Path of an installed Chromium or Chrome."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    return found or (str(MAC) if MAC.exists() else None)


def debian_package() -> str | None:
    """Install Debian's package, if this is Debian and we are root."""
    if os.geteuid() != 0 or not Path("/etc/debian_version").exists():
        return None
    install = ["apt-get", "install", "-y", "--no-install-recommends", "chromium"]
    subprocess.run(["apt-get", "update"], check=False, capture_output=True)
    subprocess.run(install, check=False, capture_output=True)
    return system_browser()


def find_browser(own: str) -> str:
    """Path of a browser: the system's, else Debian's package, else Playwright's own."""
    path = system_browser() or debian_package() or own
    if not Path(path).exists():
        pytest.fail(HOW_TO_GET_ONE, pytrace=False)
    return path


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
def browser(tmp_path_factory):
    """One browser for all tests, which leaves nothing in the user's home."""
    environment = {**os.environ, "XDG_CONFIG_HOME": str(tmp_path_factory.mktemp("chromium"))}
    with sync_playwright() as playwright:
        path = find_browser(playwright.chromium.executable_path)
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS, env=environment)
        yield browser
        browser.close()


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


_LEFT_OUT = "NO_BROWSER=1: the tests in tests/browser did not run"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the browser out when ``NO_BROWSER=1`` asks for it; keep all of it on one worker."""
    ours = [item for item in items if item.get_closest_marker("browser")]
    for item in ours:
        item.add_marker(pytest.mark.xdist_group("browser"))
    if os.environ.get("NO_BROWSER") == "1" and ours:
        config.hook.pytest_deselected(items=ours)
        items[:] = [item for item in items if item not in set(ours)]
        config.stash[_KEY] = len(ours)


_KEY: pytest.StashKey[int] = pytest.StashKey()


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say it when tests were left out: nothing is skipped in silence."""
    if config.stash.get(_KEY, 0):
        terminalreporter.write_line(f"{_LEFT_OUT} ({config.stash[_KEY]} tests)")
