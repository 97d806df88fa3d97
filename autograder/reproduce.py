"""The pytest command that shows an author how a right answer lost its points."""

import re
from pathlib import Path

from autograder.notebook import write
from autograder.suite import Suite, pytest_command
from autograder.validate import STUDENT, Row

__all__ = ["command_for"]


def command_for(row: Row, suite: Suite, folder: Path) -> str:
    """Return the command that repeats the first test that a right answer fails; else nothing.

    It draws the same inputs. An alternative is written to `folder`, since no file holds it.
    """
    tests = [name for name, how in row.failing.items() if how != "not_run"]
    if row.notebook is None or row.kind not in ("solution", "alternative") or not tests:
        return ""
    path = suite.notebook
    if row.kind == "alternative":
        path = folder / (re.sub(r"[^\w.-]+", "-", row.name) + ".ipynb")
        write(row.notebook, path)
    seed = f"--grading-seed={row.seed}"
    return pytest_command(suite, tests[0], path, "--student", STUDENT, seed)
