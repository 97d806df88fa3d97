"""Sample classes: made-up students whose notebooks are right, wrong, broken and hostile.

`autograder/samples/LAB.py` holds `SAMPLES`. Each says what it should get, so that one class is
both a demonstration (`make course`) and a test of the whole path.
"""

import importlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from autograder.errors import SuiteError
from autograder.notebook import Answer, Notebook, edited, grade_id, is_answer, released
from autograder.suite import load_suite

__all__ = ["Sample", "build", "notebook_of", "samples"]

_MARKER = re.compile(r"^[ \t]*### (BEGIN|END) SOLUTION\n?", re.M)


@dataclass(frozen=True)
class Sample:
    """A made-up student: what they handed in, and what they should get.

    Attributes:
        student: the id, a folder's name.
        about: who this is, in one line.
        expected_score: points from hidden tests; None where nothing can be graded.
        answered: the cells that hold the right answer; None for all of them.
        changes: other answers: a whole source, or edits of the right answer as a mutant has them.
        added: code cells of their own: (the cell that it follows, its source).
        deleted: cells that are gone, by grade_id.
        kept: the part of the file that is left, from its beginning.
    """

    student: str
    about: str
    expected_score: float | None
    expected_status: Literal["graded", "not_graded"] = "graded"
    answered: tuple[str, ...] | None = None
    changes: Mapping[str, Answer] = field(default_factory=dict)
    added: tuple[tuple[str, str], ...] = ()
    deleted: tuple[str, ...] = ()
    kept: float = 1.0


def samples(lab: str) -> list[Sample]:
    """Return the made-up students of a lab. SuiteError when there are none."""
    try:
        module = importlib.import_module(f"autograder.samples.{lab}")
    except ModuleNotFoundError as error:
        raise SuiteError(f"no sample class for {lab!r}: autograder/samples/ has none") from error
    students: list[Sample] = module.SAMPLES
    return students


def build(lab: str, directory: Path) -> list[Path]:
    """Hand in: write DIRECTORY/STUDENT/LAB/LAB.ipynb for each sample, and return the paths."""
    students = samples(lab)
    source, paths = load_suite(lab).source, []
    for sample in students:
        path = Path(directory) / sample.student / lab / f"{lab}.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(notebook_of(sample, source), indent=1, ensure_ascii=False) + "\n"
        path.write_text(text[: int(len(text) * sample.kept)], encoding="utf-8")
        paths.append(path)
    return paths


def notebook_of(sample: Sample, source: Notebook) -> Notebook:
    """Return the released notebook with a sample's answers put in.

    KeyError when the sample names a cell that the notebook has not.
    """
    nb, solutions = released(source), _solutions(source)
    _require_known(sample, nb)
    cells = []
    for cell in nb["cells"]:
        name = grade_id(cell) or ""
        if name not in sample.deleted:
            cells.append({**cell, "source": _answer(sample, cell, solutions.get(name, ""))})
        for number, (place, text) in enumerate(sample.added):
            if place == name:
                cells.append(_code(text, f"{sample.student}-{number}"))
    return {**nb, "cells": cells}


def _answer(sample: Sample, cell: Notebook, solution: str) -> str:
    name = grade_id(cell) or ""
    if name in sample.changes:
        return _MARKER.sub("", edited(solution, sample.changes[name], name))
    if is_answer(cell) and (sample.answered is None or name in sample.answered):
        return _MARKER.sub("", solution)
    return str(cell["source"])


def _solutions(source: Notebook) -> dict[str, str]:
    return {grade_id(cell) or "": cell["source"] for cell in source["cells"] if is_answer(cell)}


def _require_known(sample: Sample, nb: Notebook) -> None:
    named = {*(sample.answered or ()), *sample.changes, *sample.deleted}
    named |= {place for place, _ in sample.added}
    if unknown := named - {grade_id(cell) for cell in nb["cells"]}:
        raise KeyError(f"sample {sample.student!r} names cells that do not exist: {unknown}")


def _code(source: str, name: str) -> Notebook:
    blank: Notebook = {"execution_count": None, "metadata": {}, "outputs": []}
    return {"cell_type": "code", "id": name, "source": source, **blank}
