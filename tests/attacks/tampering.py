"""Attacks by the notebook itself: its metadata, its form, and what lies in its place.

Each is a function that puts something at the path where the notebook should be. It says in its
docstring what it is. `source` is the instructor's notebook, solved.
"""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from attack import WRONG, Wants

from autograder import notebook

__all__ = ["ATTACKS", "Tampered"]

Notebook = dict[str, Any]
MB = 2**20


@dataclass(frozen=True)
class Tampered:
    """One file that is handed in.

    Attributes:
        put: `put(source notebook, path)` puts it there.
        score: what our engine must give for it, of 10; None when it must refuse to grade.
    """

    name: str
    wants: Wants
    put: Callable[[Notebook, Path], object]
    score: float | None = None
    cell: str = "scale"


def changed(
    name: str,
    wants: Wants,
    change: Callable[[Notebook], object],
    score: float = 7.0,
    cell: str = "scale",
) -> Tampered:
    """A notebook whose `scale` is wrong, and that was changed in some other way too."""

    def put(source: Notebook, path: Path) -> None:
        nb = notebook.with_answers(source, {"scale-answer": WRONG})
        change(nb)
        notebook.write(nb, path)

    return Tampered(name, wants, put, score, cell)


def bytes_of(name: str, content: bytes) -> Tampered:
    """A file that is no notebook."""
    return Tampered(name, Wants.batch, lambda _, path: path.write_bytes(content))


def about(nb: Notebook) -> list[dict[str, Any]]:
    """Return what nbgrader says about its cells."""
    return [cell["metadata"]["nbgrader"] for cell in nb["cells"] if "nbgrader" in cell["metadata"]]


def setting(**values: object) -> Callable[[Notebook], object]:
    """Return a change of what nbgrader says about all cells."""
    return lambda nb: [each.update(values) for each in about(nb)]


def rename(nb: Notebook) -> None:
    for each in about(nb):
        each["grade_id"] = each["grade_id"].replace("scale", "scale-2")


def double(nb: Notebook) -> None:
    check = next(cell for cell in nb["cells"] if notebook.grade_id(cell) == "scale")
    nb["cells"] += [check] * 9


def raise_points(nb: Notebook) -> None:
    for each in about(nb):
        each["points"] = 10**9


def forget_ids(nb: Notebook) -> None:
    for each in about(nb):
        del each["grade_id"]


def strip_types(nb: Notebook) -> None:
    for cell in nb["cells"]:
        del cell["cell_type"]


def odd_metadata(nb: Notebook) -> None:
    for cell in nb["cells"]:
        cell["metadata"] = ["a", "list"]


def sparse(_: Notebook, path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(400 * MB)


ATTACKS = [
    changed("raises its points", Wants.points, raise_points),
    changed("has its grade cell ten times", Wants.points, double),
    changed(
        "renames its grade cell, so that no test belongs to it",
        Wants.points,
        rename,
        cell="scale-2",
    ),
    changed("claims a newer schema", Wants.batch, setting(schema_version=99)),
    changed("has cells without an id", Wants.batch, forget_ids),
    changed("has cells without a type", Wants.batch, strip_types),
    changed("has points that are no number", Wants.batch, setting(points={})),
    changed("has metadata of another kind", Wants.batch, odd_metadata),
    Tampered(
        "has a source that is no text",
        Wants.batch,
        lambda nb, path: notebook.write(
            {**nb, "cells": [{"cell_type": "code", "source": 7, "metadata": {}}]}, path
        ),
    ),
    bytes_of("is empty", b""),
    bytes_of("is a web page", b"<html>"),
    bytes_of("is binary", bytes(range(256)) * 4),
    bytes_of("is a number", b"7"),
    bytes_of("is JSON nested 100 000 deep", b"[" * 10**5),
    bytes_of("has cells nested 100 000 deep", b'{"cells": ' + b"[" * 10**5 + b"]" * 10**5 + b"}"),
    bytes_of("has no cells", b'{"metadata": {}}'),
    bytes_of("has cells that are no objects", json.dumps({"cells": [1, 2]}).encode()),
    Tampered("is 400 MB long", Wants.memory, sparse),
    Tampered(
        "is a link to another's work",
        Wants.points,
        lambda _, path: path.symlink_to("../ada/toy.ipynb"),
    ),
    Tampered(
        "is a link to what never ends", Wants.memory, lambda _, path: path.symlink_to("/dev/zero")
    ),
    Tampered("is a pipe", Wants.batch, lambda _, path: os.mkfifo(path)),
    Tampered("is a folder", Wants.batch, lambda _, path: path.mkdir()),
]
