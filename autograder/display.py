"""A submission to look at: the released notebook with the student's own words, made inert.

nbgrader converts this copy and formgrader shows it. The engine never sees it: it runs the cells of
`notebook.rebuild`.
"""

import re
from collections.abc import Iterator
from typing import Any

from autograder import notebook
from autograder.inert import inert

__all__ = ["display_copy"]

MAX_SHOWN = 100_000  # characters of one cell
_MARKUP = re.compile(r"(<(?=[A-Za-z/!?])|\](?=[(:\[])|!(?=\[))")


def display_copy(source: notebook.Notebook, submitted: notebook.Notebook) -> notebook.Notebook:
    """Return the released notebook with the student's answers and own cells, made inert.

    Nothing else of the submission is kept: no metadata, no output, no attachment.
    """
    released = notebook.released(source)
    code, texts = iter(notebook.rebuild(source, submitted)), _own_texts(released, submitted)
    shown: list[notebook.Notebook] = []
    for base in released["cells"]:
        if base["cell_type"] == "code" and not notebook.is_check(base):
            shown += _up_to(base, code)
        elif notebook.is_answer(base):
            shown.append(_filled(base, _written(base, submitted)))
        else:
            shown.append(base)
        shown += [_added("markdown", text) for text in texts.get(_name(base), [])]
    shown += [_added("code", cell.source) for cell in code]
    return {**released, "cells": _with_ids(shown), "nbformat": 4, "nbformat_minor": 5}


def _up_to(base: notebook.Notebook, code: Iterator[notebook.Cell]) -> list[notebook.Notebook]:
    """Take the cells that run up to and including the one that stands for `base`."""
    own: list[notebook.Notebook] = []
    label = notebook.grade_id(base) or ""
    for cell in code:
        if cell.label == label and (label or cell.source == base["source"]):
            return [*own, _filled(base, cell.source)]
        own.append(_added("code", cell.source))
    return [*own, base]


def _own_texts(released: notebook.Notebook, submitted: notebook.Notebook) -> dict[str, list[str]]:
    """Return {released cell that they follow: Markdown cells that the student added}."""
    known = {_name(cell): cell["source"] for cell in released["cells"]}
    texts: dict[str, list[str]] = {}
    latest = next(iter(known), "")
    for cell in submitted["cells"]:
        if _name(cell) in known:
            latest = _name(cell)
        elif cell.get("cell_type") == "markdown" and cell["source"] not in known.values():
            texts.setdefault(latest, []).append(cell["source"])
    return texts


def _written(base: notebook.Notebook, submitted: notebook.Notebook) -> str:
    """Return the student's text for a written answer, found by grade_id or by cell id."""
    name, cell_id = notebook.grade_id(base) or "", base.get("id")
    by_id = [cell["source"] for cell in submitted["cells"] if cell.get("id") == cell_id]
    return notebook.answers(submitted).get(name, next(iter(by_id), base["source"]))


def _name(cell: notebook.Notebook) -> str:
    return notebook.grade_id(cell) or str(cell.get("id"))


def _filled(base: notebook.Notebook, source: str) -> notebook.Notebook:
    """Put a source into a released cell; what the student left alone stays byte for byte."""
    same = source == base["source"]
    return base if same else {**base, "source": _harmless(source, base["cell_type"])}


def _added(kind: str, source: str) -> notebook.Notebook:
    code: dict[str, Any] = {"outputs": [], "execution_count": None} if kind == "code" else {}
    return {"cell_type": kind, "metadata": {}, "source": _harmless(source, kind), **code}


def _with_ids(cells: list[notebook.Notebook]) -> list[notebook.Notebook]:
    return [{**cell, "id": cell.get("id", f"added-{n}")} for n, cell in enumerate(cells)]


def _harmless(text: str, kind: str) -> str:
    """Clean and bound a student's source; in Markdown, no tag, picture or link is left to render.

    A space breaks each of them and leaves formulas, comparisons and the words as they are.
    """
    text = inert(text, MAX_SHOWN)
    return text if kind == "code" else _MARKUP.sub(r"\1 ", text)
