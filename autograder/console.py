"""What the commands of `autograder` share: where they print, their options, finding a class."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from autograder.course import ROOT, Course, WrongUseError
from autograder.storage import writing

__all__ = [
    "CANNOT_WORK",
    "SOME_NOT_GRADED",
    "WRONG_USE",
    "CourseDir",
    "Lab",
    "Student",
    "class_of",
    "err",
    "out",
    "own_course",
    "require_one_of",
    "write_json",
]

SOME_NOT_GRADED, WRONG_USE, CANNOT_WORK = 1, 2, 3

out, err = Console(emoji=False), Console(emoji=False, stderr=True)

Lab = Annotated[
    str,
    typer.Argument(metavar="LAB", help="The lab's name, for example lab02.", show_default=False),
]
CourseDir = Annotated[
    Path | None,
    typer.Option(
        "--course",
        metavar="DIR",
        help="The class's folder, with submitted/ and gradebook.db. "
        "Default: this folder if it holds submitted/, else the course's own.",
        show_default=False,
    ),
]
Student = Annotated[
    str | None, typer.Option(metavar="ID", help="Only this student.", show_default=False)
]


def own_course() -> Course:
    """Return the course of this repository."""
    return Course(ROOT, ROOT)


def class_of(directory: Path | None, submissions: Path | None = None) -> Course:
    """Find the class's folder; see the help of --course."""
    if submissions is not None:
        return Course.of_submissions(submissions, ROOT)
    if directory is not None and not directory.is_dir():
        raise WrongUseError(f"No directory {directory.absolute()}. Give the class's folder.")
    here = Path.cwd() if (Path.cwd() / "submitted").is_dir() else ROOT
    return Course((directory or here).absolute(), ROOT)


def require_one_of(option: str, value: str, known: Sequence[str]) -> None:
    """Raise WrongUseError for a value that an option doesn't have."""
    if value not in known:
        raise WrongUseError(f"--{option} {value!r} is not known. There are: {', '.join(known)}.")


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a file of JSON, and the folder that it stands in. It raises what `writing` does."""
    with writing(path):
        path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
