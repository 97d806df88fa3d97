"""A Python prompt on a submission: `autograder shell FILE`.

`student` is the notebook, run in the sandbox as for grading, and answers as it does in a hidden
test: `student.softmax(x)`. Values arrive here as plain ones; what the student's code raises is
shown with its cell and line. A call that is interrupted, or that ends the student's process, costs
that process only: its cells run again before the next line.
"""

import code
import contextlib
import re
import sys
import types
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from autograder.errors import SandboxError, StudentError, WorkerLost
from autograder.inert import inert, inert_line
from autograder.notebook import Cell, read, rebuild
from autograder.remote import Student
from autograder.sandbox import for_suite
from autograder.session import Session
from autograder.suite import Suite, labs

__all__ = ["Prompt", "lab_of", "prompt"]

_DAY = 86_400.0
_DEFINES = re.compile(r"^(?:def |class |(?=\w+ *=[^=]))(\w+)", re.M)
_MOST_NAMES = 60
_HELP = (
    "`student` is the notebook, for example student.{name}; cell({cell}) shows a cell's source.\n"
    "Ctrl-C ends a running call, Ctrl-D leaves."
)


def prompt(suite: Suite, submission: Path, *, seed: int = 0) -> None:
    """Talk to a submission at the terminal until Ctrl-D.

    NotebookError when it can't be read, SandboxError when there is no sandbox.
    """
    cells = rebuild(suite.source, read(submission))
    limits = replace(suite.limits, total_seconds=_DAY, test_seconds=_DAY, restarts=10**6)
    with for_suite(suite) as sandbox:
        session = Session(sandbox, cells, limits, seed)
        with contextlib.closing(session):
            shell = Prompt(session, cells)
            shell.talk(f"{suite.lab}: {submission}, {_behind(sandbox.walls)}")


def lab_of(submission: Path) -> str | None:
    """Return the lab that a file is named after, or the folder that it lies in."""
    names = (submission.stem, submission.absolute().parent.name)
    return next((name for name in names if name in labs()), None)


@dataclass
class _Cells:
    """What `cell` is at the prompt: shows the source of a cell, with line numbers."""

    cells: Sequence[Cell]

    def __call__(self, number: int) -> None:
        """Print one cell's source."""
        for cell in self.cells:
            if cell.number == number:
                for line, text in enumerate(cell.source.splitlines(), start=1):
                    print(f"{line:4}  {inert(text, 500)}")
                return
        print(f"There is no cell {number} of code. There are: {', '.join(self.numbers())}")

    def __repr__(self) -> str:
        return f"cell(N) shows the source of cell N, one of {', '.join(self.numbers())}"

    def numbers(self) -> list[str]:
        """Return the numbers that cells have in the student's notebook."""
        return [str(cell.number) for cell in self.cells if cell.number]

    def names(self) -> list[str]:
        """Return what the cells seem to define, each once, in order. Imports are left out."""
        found = [match[1] for cell in self.cells for match in _DEFINES.finditer(cell.source)]
        return [inert_line(name, 40) for name in dict.fromkeys(found)]


class Prompt(code.InteractiveConsole):
    """Python's own prompt, which shows a student's errors as such and outlives their process."""

    def __init__(self, session: Session, cells: Sequence[Cell]) -> None:
        import numpy as np

        self._session, self._cells = session, _Cells(cells)
        self._alive = False
        self._student = Student(session)
        known = {"student": self._student, "cell": self._cells, "np": np}
        self.names: dict[str, Any] = {"__name__": "__console__", "__doc__": None, **known}
        super().__init__(self.names, "<shell>")

    def talk(self, title: str) -> None:
        """Run the cells, say what came of it, and read lines until the end of the input."""
        self.write(f"{title}\n")
        if not self._revive():
            return
        _complete(self.names)
        with contextlib.suppress(SystemExit):
            self.interact(self._banner(), exitmsg="")

    def runcode(self, code: types.CodeType) -> None:
        """Run one input, in a fresh process where the last one ended the old."""
        if self._alive or self._revive():
            super().runcode(code)

    def showtraceback(self) -> None:
        """Say what one input raised: in the student's cells, to their process, or right here."""
        error = sys.exc_info()[1]
        if isinstance(error, KeyboardInterrupt):
            self._end("Interrupted.")
        elif isinstance(error, WorkerLost | SandboxError):
            self._end(f"{type(error).__name__}: {error}.")
        elif isinstance(error, StudentError):
            notes = "".join(f"\n{note}" for note in getattr(error, "__notes__", ()))
            self.write(f"{error}{notes}\n")
        else:
            super().showtraceback()

    def _end(self, why: str) -> None:
        """End the student's process, whatever state it is in."""
        self._session.close()
        self._alive = False
        self.write(f"\n{why} The cells run again before the next line; older objects are gone.\n")

    def _revive(self) -> bool:
        """Run the cells in a fresh process, and say which of them raised, or ended it."""
        try:
            self._session.begin_test(_DAY)
            self._alive = True
        except KeyboardInterrupt:
            self._end("Interrupted.")
        except WorkerLost:
            self.write("The cells can't be run, so there is nothing to talk to:\n")
        for note in self._session.notes:
            self.write(f"{note}\n")
        return self._alive

    def _banner(self) -> str:
        known = set(dir(self._student))
        names = [each for each in self._cells.names() if each in known and each[0] != "_"]
        more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
        example = next(iter(self._cells.numbers()), "1")
        usage = _HELP.format(name=names[0] if names else "name", cell=example)
        return f"It defines {', '.join(names[:_MOST_NAMES]) or 'nothing'}{more}.\n{usage}"


def _behind(walls: tuple[str, ...]) -> str:
    return f"behind {len(walls)} walls: {', '.join(walls)}" if walls else "WITHOUT a sandbox"


def _complete(names: dict[str, Any]) -> None:
    """Offer editing of lines and completion of names, where Python was built with readline."""
    with contextlib.suppress(ImportError):
        import readline
        import rlcompleter

        readline.set_completer(rlcompleter.Completer(names).complete)
        readline.parse_and_bind("tab: complete")
