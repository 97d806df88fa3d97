"""Inside the sandbox: what `get_ipython()` returns in a notebook that is being graded.

IPython turns `%magic`, `!command` and `help?` into calls of it. Magics that run Python run it here
too, once and with the notebook's names: `%time`, `%prun`, `%%capture`. `%timeit` defines nothing in
Jupyter, so its statement is not run, and each of its figures is 1. Nothing else does anything.

Mounted in the sandbox; imports nothing of `autograder`.
"""

import contextlib
import getopt
import io
import sys
from collections.abc import Callable
from types import FrameType, SimpleNamespace
from typing import Any

from IPython.utils.capture import CapturedIO
from IPython.utils.text import SList

__all__ = ["Shell"]

Execute = Callable[[str, str, int, dict[str, Any] | None], Any]
_PRUN, _TIMEIT = "D:l:rs:T:q", "n:r:tcp:qov:"


class _Nothing:
    """Has every public attribute and takes every call, and nothing comes of it."""

    def __getattr__(self, name: str) -> "_Nothing":
        if name.startswith("_"):
            raise AttributeError(name)
        return _Nothing()

    def __call__(self, *args: Any, **kwargs: Any) -> None:
        """Do nothing."""


class Shell(_Nothing):
    """Stands in for IPython's shell, with the few of its methods that make a difference.

    Args:
        execute: runs lines, given as source, name of the cell, number of the first line, and the
            local names (None for none); returns the value of an expression that comes last.
        names: the notebook's.
    """

    def __init__(self, execute: Execute, names: dict[str, Any]) -> None:
        self._execute = execute
        self.user_ns = names
        self.config: dict[str, Any] = {}

    def run_line_magic(self, magic_name: str, line: str, _stack_depth: int = 1) -> Any:
        """Run one line. What `%time` and `%prun` run sees the names of the function around it."""
        frame = sys._getframe(_stack_depth)
        if magic_name == "time":
            return self._run(line, frame, frame.f_locals)
        if magic_name == "prun":
            self._run(_options(line, _PRUN)[1], frame, frame.f_locals)
        return self._timed(line) if magic_name == "timeit" else None

    def run_cell_magic(self, magic_name: str, line: str, cell: str) -> Any:
        """Run a cell's body below its first line, if its magic is one that runs Python."""
        frame = sys._getframe(1)
        if magic_name == "time":
            return self._run(f"\n{cell}", frame)
        if magic_name == "prun":
            self._run(f"{_options(line, _PRUN)[1]}\n{cell}", frame)
        if magic_name == "capture":
            self._capture(line, f"\n{cell}", frame)
        return self._timed(line) if magic_name == "timeit" else None

    def magic(self, arg_s: str) -> Any:
        """Run one line, as older versions of IPython had it."""
        name, _, line = arg_s.lstrip("%").partition(" ")
        return self.run_line_magic(name, line, _stack_depth=2)

    def getoutput(self, *args: Any, **kwargs: Any) -> SList:
        """Return what a command printed: it was not run, so no line."""
        return SList()

    def _run(self, source: str, frame: FrameType, scope: dict[str, Any] | None = None) -> Any:
        return self._execute(source, frame.f_code.co_filename, frame.f_lineno, scope)

    def _capture(self, line: str, cell: str, frame: FrameType) -> None:
        """Keep what is printed under a name, if there is one. Memory is its only limit."""
        out, err = io.StringIO(), io.StringIO()
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                self._run(cell, frame)
        finally:
            for name in [word for word in line.split() if not word.startswith("-")][:1]:
                self.user_ns[name] = CapturedIO(out, err)

    def _timed(self, line: str) -> SimpleNamespace | None:
        options, _ = _options(line, _TIMEIT)
        figures = dict.fromkeys(("average", "best", "worst", "stdev", "compile_time"), 1.0)
        result = SimpleNamespace(**figures, loops=1, repeat=1, all_runs=[1.0], timings=[1.0])
        if "-v" in options:
            self.user_ns[options["-v"]] = result
        return result if "-o" in options else None


def _options(line: str, letters: str) -> tuple[dict[str, str], str]:
    """Split `-n 3 -o f(x)` into {"-n": "3", "-o": ""} and `f(x)`; `letters` as getopt has them."""
    words = line.split()
    try:
        found, rest = getopt.getopt(words, letters)
    except getopt.GetoptError:  # a statement that begins with a minus
        return {}, line
    statement = line.split(maxsplit=len(words) - len(rest))[-1] if rest else ""
    return dict(found), statement
