"""A suite's hidden tests, collected by pytest once and run for one submission after the other.

To start pytest and to collect costs more than many a suite's tests. So `collect` stops pytest where
its own loop over the tests would begin, and calls who wants to run them: the judge, which then
forks for each submission.
"""

import contextlib
import copy
import io
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import zip_longest

import pytest

from autograder.errors import GraderError
from autograder.plugin import NAME, Grading
from autograder.session import Session
from autograder.suite import Suite

__all__ = ["Collected", "collect"]

_OPTIONS = ["-q", "--no-header", "--tb=no", "--import-mode=importlib", "-c", os.devnull]
_OPTIONS += ["-p", "no:cacheprovider", "-p", "no:doctest", "-p", "no:faulthandler"]
_OPTIONS += ["-p", "no:threadexception", "-p", "no:unraisableexception", "-W", "ignore"]
_OPTIONS += ["-p", "autograder.plugin"]


@dataclass(frozen=True)
class Collected:
    """Hidden tests that are ready to run."""

    suite: Suite
    items: Sequence[pytest.Item]
    grading: Grading

    def run(self, session: Session, seed: int, names: Sequence[str] = ()) -> Grading:
        """Run all tests, or those with these names, on a submission. Returns how they ended.

        GraderError when pytest gives up.
        """
        chosen = [item for item in self.items if not names or item.name.split("[")[0] in names]
        if not chosen:
            raise GraderError(f"{self.suite.lab} has no hidden tests")
        self.grading.begin(session, seed)
        try:
            for item, following in zip_longest(chosen, chosen[1:]):
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
                if self.grading.machine_failed:
                    break  # nothing counts any more
        except pytest.exit.Exception as error:
            raise GraderError(f"a hidden test of {self.suite.lab} ended pytest: {error}") from error
        return copy.copy(self.grading)


def collect(suite: Suite, use: Callable[[Collected], None]) -> None:
    """Let pytest collect a suite's hidden tests, and call `use` with them.

    GraderError when they can't be collected. What `use` raises is raised.
    """
    plugin, said = _InPlaceOfTheLoop(suite, use), io.StringIO()
    folder = str(suite.path)
    options = [*_OPTIONS, f"--rootdir={folder}", f"--confcutdir={folder}", folder]
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        pytest.main(options, [plugin])
    if plugin.error is not None:
        raise plugin.error
    if not plugin.used:
        log = said.getvalue()[-2000:]
        raise GraderError(f"the hidden tests of {suite.lab} could not be run:\n{log}")


class _InPlaceOfTheLoop:
    """A pytest plugin: brings the grading one along, and calls `use` once all is collected."""

    def __init__(self, suite: Suite, use: Callable[[Collected], None]) -> None:
        self._suite, self._use = suite, use
        self._grading = Grading(0, suite.limits.test_seconds)
        self.used = False
        self.error: BaseException | None = None

    def pytest_configure(self, config: pytest.Config) -> None:
        config.pluginmanager.register(self._grading, NAME)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool | None:
        if session.testsfailed:  # to collect: pytest says why
            return None
        self.used = True
        try:
            self._use(Collected(self._suite, session.items, self._grading))
        except BaseException as error:  # not for pytest, which would only print it
            self.error = error
        return True
