"""A submission to look at: the released notebook with the student's own words, made inert.

nbgrader converts this copy and formgrader shows it. The engine never sees it: it runs the cells of
`notebook.rebuild`.
"""

import re
from typing import Any

from autograder import notebook
from autograder.inert import inert

__all__ = ["display_copy"]

MAX_SHOWN = 20_000  # characters of one cell
MAX_OWN = 200_000  # characters of all cells that the student added
MAX_LINE, MAX_LINES, MAX_BLANK = 400, 2000, 3  # characters of a code line, lines, blank ones
_NOT_SHOWN = "*Here the submission goes on: there is more in it than can be shown.*"
_MARKUP = re.compile(r"(<(?=[A-Za-z/!?])|\](?=[(:\[])|!(?=\[))")


def display_copy(source: notebook.Notebook, submitted: notebook.Notebook) -> notebook.Notebook:
    """Return the released notebook with the student's answers and own cells, made inert.

    Nothing else of the submission is kept: no metadata, no output, no attachment. An answer that
    was run says which cell of the submission it is, as errors do: `metadata.autograder.number`.
    """
    released, run = notebook.released(source), notebook.rebuild(source, submitted)
    code = {cell.label: cell for cell in run if cell.label}
    own = _own_cells(released, submitted, run)
    shown: list[notebook.Notebook] = []
    for base in released["cells"]:
        if notebook.is_answer(base):
            base = _answered(base, code.get(_name(base)), submitted)
        shown += [base, *own.get(_name(base), [])]
    return {**released, "cells": _with_ids(shown), "nbformat": 4, "nbformat_minor": 5}


def _own_cells(
    released: notebook.Notebook, submitted: notebook.Notebook, run: list[notebook.Cell]
) -> dict[str, list[notebook.Notebook]]:
    """Return {released cell that they follow: cells that the student added or rewrote}."""
    known = {_name(cell): cell["source"] for cell in released["cells"]}
    sources = set(known.values())
    numbers = {cell.number for cell in run if not cell.label and cell.source not in sources}
    tries = {_name(cell) for cell in released["cells"] if notebook.is_exploration(cell)}
    chosen = {cell.label: cell.number for cell in run if cell.number}  # of two answers, the later
    own: dict[str, list[notebook.Notebook]] = {}
    latest, room = next(iter(known), ""), MAX_OWN
    for number, cell in enumerate(submitted["cells"], start=1):
        if _name(cell) in known and chosen.get(_name(cell), number) == number:
            latest = _name(cell)
        text = cell.get("cell_type") == "markdown" and _name(cell) not in known
        tried = _name(cell) in tries and cell["source"] not in sources  # not run, but worth reading
        kind = "code" if number in numbers or tried else "markdown"
        if kind == "code" or (text and cell["source"] not in sources):
            room -= min(len(cell["source"]), MAX_SHOWN)
            if room < 0:
                own.setdefault(latest, []).append(_added("markdown", _NOT_SHOWN))
                break
            own.setdefault(latest, []).append(_added(kind, cell["source"]))
    return own


def _answered(
    base: notebook.Notebook, cell: notebook.Cell | None, submitted: notebook.Notebook
) -> notebook.Notebook:
    """Put the student's answer into a released cell, with the number of the cell it comes from."""
    if cell is None:
        return _filled(base, _written(base, submitted))
    about = {"autograder": {"number": cell.number}} if cell.number else {}
    return {**_filled(base, cell.source), "metadata": {**base["metadata"], **about}}


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
    about = {"autograder": {"own": True}}
    return {"cell_type": kind, "metadata": about, "source": _harmless(source, kind), **code}


def _with_ids(cells: list[notebook.Notebook]) -> list[notebook.Notebook]:
    return [{**cell, "id": cell.get("id", f"added-{n}")} for n, cell in enumerate(cells)]


def _harmless(text: str, kind: str) -> str:
    """Clean and bound a student's source; in Markdown, no tag, picture or link is left to render.

    A space breaks each of them and leaves formulas, comparisons and the words as they are.
    """
    text = inert(text, MAX_SHOWN)
    if kind == "code":
        return _tidy(text, MAX_LINE)
    return _MARKUP.sub(r"\1 ", _tidy(text, MAX_SHOWN))  # a paragraph may be one line


def _tidy(text: str, longest: int) -> str:
    """Bound lines, their length and the gaps between them: Pygments takes its time over more."""
    kept: list[str] = []
    for line in text.split("\n"):
        if line.strip() or any(kept[-MAX_BLANK:]) or len(kept) < MAX_BLANK:
            kept.append(inert(line, longest) if line.strip() else "")
    more = ["… (cut)"] if len(kept) > MAX_LINES else []
    return "\n".join(kept[:MAX_LINES] + more)
