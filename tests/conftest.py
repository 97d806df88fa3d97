"""Settings for all tests: shapes in signatures are enforced, figures need no screen, and there is
one browser."""

import os
import shutil
import subprocess
import sys
import types
from pathlib import Path

import jaxtyping
import matplotlib
import pytest
from beartype import BeartypeConf, beartype
from jaxtyping import install_import_hook

matplotlib.use("Agg")
# Must come before anything imports seqcourse: every annotated shape is then checked on every call.
# The hook takes the checker by name; ours accepts an int for a float, as type checkers do.
checker = types.ModuleType("course_checker")
checker.check = beartype(conf=BeartypeConf(is_pep484_tower=True))
sys.modules[checker.__name__] = checker
install_import_hook("seqcourse", "course_checker.check")


@pytest.fixture
def unchecked_shapes():
    """Switch the enforcement off: what a user sees, who has no such checks, is under test."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


# --- the browser ---

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


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    """One browser for all tests, which leaves nothing in the user's home."""
    from playwright.sync_api import sync_playwright

    environment = {**os.environ, "XDG_CONFIG_HOME": str(tmp_path_factory.mktemp("chromium"))}
    with sync_playwright() as playwright:
        path = find_browser(playwright.chromium.executable_path)
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS, env=environment)
        yield browser
        browser.close()


_LEFT_OUT = "NO_BROWSER=1: the tests that need a browser did not run"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the browser out when ``NO_BROWSER=1`` asks for it."""
    ours = [item for item in items if item.get_closest_marker("browser")]
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
