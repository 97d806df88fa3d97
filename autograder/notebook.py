"""Notebooks as untrusted input: read one, take its answers, rebuild what is run.

Nothing that a student may have changed about a notebook is believed except the source of cells:
ids, types, points, order and locks all come from the instructor's source notebook.
A notebook is a plain nbformat-4 dict here, so that no schema error of a student's stops anything.
"""

import copy
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autograder.errors import NotebookError, SuiteError
from autograder.untrusted import open_untrusted

__all__ = [
    "Answer",
    "Cell",
    "Notebook",
    "answers",
    "edited",
    "grade_id",
    "read",
    "rebuild",
    "released",
    "with_answers",
    "write",
]

Notebook = dict[str, Any]
Edit = tuple[str, str]
Answer = str | Edit | Sequence[Edit]

MAX_BYTES = 20_000_000
MAX_CELLS = 2_000
STUB = "# YOUR CODE HERE\nraise NotImplementedError()"  # nbgrader's own
TEXT_STUB = "YOUR ANSWER HERE"


@dataclass(frozen=True)
class Cell:
    """A code cell to run.

    Attributes:
        number: counts the cells of the student's notebook from 1; 0 where it is not there.
        label: its `grade_id`.
        own: whether the student wrote it: an answer, or a cell that was added.
    """

    source: str
    number: int = 0
    label: str = ""
    own: bool = False


# --- reading -----------------------------------------------------------------------------------


def read(path: Path, max_bytes: int = MAX_BYTES) -> Notebook:
    """Read a notebook that anyone may have written. NotebookError says what is wrong with it.

    Links, pipes, directories and devices are refused without being opened.
    """
    nb = _parse(_bytes(Path(path), max_bytes), Path(path).name)
    nb["cells"] = [_checked(cell, number) for number, cell in enumerate(_cells(nb), start=1)]
    if not isinstance(nb.get("metadata"), dict):
        nb["metadata"] = {}
    return nb


def write(nb: Notebook, path: Path) -> None:
    """Write a notebook as nbformat does: JSON, indented by one space."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(nb, indent=1, ensure_ascii=False)
    Path(path).write_text(text + "\n", encoding="utf-8")


def _bytes(path: Path, max_bytes: int) -> bytes:
    try:
        with open_untrusted(path) as file:
            data = file.read(max_bytes + 1)
    except OSError as error:
        why = error.strerror or "unknown error"
        raise NotebookError(f"{path.name} can't be read: {why}") from error
    if len(data) > max_bytes:
        raise NotebookError(f"{path.name} is larger than {max_bytes // 1_000_000} MB")
    return data


def _parse(data: bytes, name: str) -> Notebook:
    try:
        nb = json.loads(data.decode("utf-8-sig"))
    except RecursionError as error:
        raise NotebookError(f"{name} is not a notebook: it is nested too deeply") from error
    except (ValueError, MemoryError) as error:
        raise NotebookError(f"{name} is not a notebook: it is not JSON ({error})") from error
    if not isinstance(nb, dict):
        raise NotebookError(f"{name} is not a notebook: its top level is no object")
    return nb


def _cells(nb: Notebook) -> list[Any]:
    cells = nb.get("cells")
    if not isinstance(cells, list):
        raise NotebookError("not a notebook: it has no list of cells (nbformat 4 is needed)")
    if len(cells) > MAX_CELLS:
        raise NotebookError(f"the notebook has {len(cells)} cells; at most {MAX_CELLS} are read")
    return cells


def _checked(cell: Any, number: int) -> dict[str, Any]:
    if not isinstance(cell, dict):
        raise NotebookError(f"cell {number} of the notebook is no object")
    metadata = cell.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    return {**cell, "source": _source(cell, number), "metadata": metadata}


def _source(cell: dict[str, Any], number: int) -> str:
    source = cell.get("source", "")
    if isinstance(source, list) and all(isinstance(line, str) for line in source):
        source = "".join(source)
    if not isinstance(source, str):
        raise NotebookError(f"cell {number} of the notebook has no text as its source")
    return source.encode("utf-8", "replace").decode("utf-8")  # lone surrogates cross no wire


# --- cells and what nbgrader says about them ----------------------------------------------------


def grade_id(cell: Mapping[str, Any]) -> str | None:
    """Return the cell's nbgrader grade_id, or None."""
    about = cell.get("metadata", {}).get("nbgrader")
    name = about.get("grade_id") if isinstance(about, dict) else None
    return name if isinstance(name, str) and name else None


def is_answer(cell: Mapping[str, Any]) -> bool:
    """Whether the student writes in this cell. Ask it of the instructor's source only."""
    return grade_id(cell) is not None and bool(cell["metadata"]["nbgrader"].get("solution"))


def is_check(cell: Mapping[str, Any]) -> bool:
    """Whether this is a visible check: graded, and not written by the student."""
    about = cell.get("metadata", {}).get("nbgrader") or {}
    return bool(about.get("grade")) and not about.get("solution")


def is_exploration(cell: Mapping[str, Any]) -> bool:
    """Whether the author tagged the cell `explore`: nothing that is graded depends on it."""
    tags = cell.get("metadata", {}).get("tags")
    return isinstance(tags, list) and "explore" in tags


def answers(nb: Notebook) -> dict[str, str]:
    """Return {grade_id: source}. Of cells with the same id the last counts, as in nbgrader."""
    return {name: cell["source"] for cell in nb["cells"] if (name := grade_id(cell)) is not None}


# --- the instructor's source ---------------------------------------------------------------------


def released(source_nb: Notebook) -> Notebook:
    """Strip the solutions and the outputs, as `nbgrader generate_assignment` does.

    SuiteError when a region of a solution, or of hidden tests, has no beginning or no end.
    """
    nb = copy.deepcopy(source_nb)
    nb["cells"] = [_released(cell) for cell in nb["cells"]]
    return nb


def _released(cell: dict[str, Any]) -> dict[str, Any]:
    code = cell.get("cell_type") == "code"
    blank: dict[str, Any] = {"outputs": [], "execution_count": None} if code else {}
    return {**cell, "source": _without_solution(cell), **blank}


def _without_solution(cell: dict[str, Any]) -> str:
    stub = STUB if cell.get("cell_type") == "code" else TEXT_STUB
    where = f"the source notebook, {grade_id(cell) or 'a cell without a grade id'}"
    stripped = _cut(cell["source"], "SOLUTION", stub, where)
    if stripped == cell["source"] and is_answer(cell):
        stripped = stub
    return _cut(stripped, "HIDDEN TESTS", None, where)


def _cut(source: str, what: str, stub: str | None, where: str) -> str:
    """Replace each region `BEGIN what` … `END what` by the stub, indented like its first line."""
    marks = re.findall(rf"(BEGIN|END) {what}", source)
    if marks != ["BEGIN", "END"] * (len(marks) // 2):
        raise SuiteError(f"{where}: each ### BEGIN {what} needs one ### END {what} after it")
    region = re.compile(
        rf"^([ \t]*)[^\n]*BEGIN {what}[^\n]*\n.*?END {what}[^\n]*(\n|\Z)", re.M | re.S
    )

    def replacement(match: re.Match[str]) -> str:
        lines = [] if stub is None else stub.split("\n")
        indented = "\n".join(match[1] + line for line in lines)
        return indented + match[2] if lines else ""

    return region.sub(replacement, source)


def with_answers(nb: Notebook, changes: Mapping[str, Answer]) -> Notebook:
    """Return a copy with some answers changed.

    A change is a whole new source, an edit `(old, new)`, or a list of edits; `old` must stand in
    the cell exactly once. KeyError for an unknown cell, ValueError for an edit that doesn't fit.
    """
    nb = copy.deepcopy(nb)
    cells = {name: cell for cell in nb["cells"] if (name := grade_id(cell)) is not None}
    for name, change in changes.items():
        if name not in cells:
            raise KeyError(f"no cell {name!r} in the notebook; it has: {', '.join(sorted(cells))}")
        cells[name]["source"] = edited(cells[name]["source"], change, name)
    return nb


def edited(source: str, change: Answer, where: str = "the cell") -> str:
    """Apply one change to a source (see `with_answers`)."""
    if isinstance(change, str):
        return change
    for old, new in _edits(change):
        if (found := source.count(old)) != 1:
            raise ValueError(f"the edit of {where} must match once, matches {found} times: {old!r}")
        source = source.replace(old, new)
    return source


def _edits(change: Edit | Sequence[Edit]) -> Iterable[Edit]:
    if isinstance(change, tuple) and len(change) == 2 and isinstance(change[0], str):
        return [change]
    return change


# --- what is run -----------------------------------------------------------------------------


def rebuild(source_nb: Notebook, submitted_nb: Notebook) -> list[Cell]:
    """Return the code cells to run: the released notebook with the student's answers put in.

    Released cells stand in their released order, whatever was deleted, moved, unlocked, retyped
    or renamed. Visible checks are left out, and so are cells that the author tagged `explore`,
    whatever the student made of them: the lab promises that they cost nothing. Code cells that
    the student added, or changed where the lab leaves them open, follow the released cell that
    they followed, and those behind it that are missing: an answer that nothing can be known by any
    more is such a cell, and the stub must not undo it.
    """
    base, submitted = released(source_nb)["cells"], submitted_nb["cells"]
    places = _recognise(base, submitted)
    found = {place: index for index, place in enumerate(places) if place is not None}
    added = _added(base, submitted, places)
    cells = added.get(-1, [])
    for place, cell in enumerate(base):
        if cell.get("cell_type") == "code" and not is_check(cell) and not is_exploration(cell):
            cells.append(_kept(cell, submitted, found.get(place)))
        cells += added.get(place, [])
    return cells


def restored(source_nb: Notebook, submitted_nb: Notebook) -> list[int]:
    """Return the numbers of code cells that the student changed, but which are run as released."""
    base, submitted = released(source_nb)["cells"], submitted_nb["cells"]
    places = enumerate(_recognise(base, submitted))
    known = [(index, base[place]) for index, place in places if place is not None]
    return [
        index + 1
        for index, cell in known
        if cell.get("cell_type") == "code"
        and not (is_answer(cell) or is_exploration(cell) or _is_own(submitted[index], cell))
        and submitted[index]["source"].split() != cell["source"].split()
    ]


def _kept(cell: dict[str, Any], submitted: list[dict[str, Any]], index: int | None) -> Cell:
    """Return the released cell, with the student's source where it is theirs to write."""
    if index is None:
        return Cell(cell["source"], 0, grade_id(cell) or "")
    own = is_answer(cell)
    source = submitted[index]["source"] if own else cell["source"]
    return Cell(source, index + 1, grade_id(cell) or "", own)


def _added(
    base: list[dict[str, Any]], submitted: list[dict[str, Any]], places: list[int | None]
) -> dict[int, list[Cell]]:
    """Return {released cell that they follow: the student's own code cells}, -1 for the top."""
    added: dict[int, list[Cell]] = {}
    latest, missing = -1, set(range(len(base))) - set(places)
    for index, (cell, place) in enumerate(zip(submitted, places, strict=True)):
        latest = latest if place is None else place
        while latest + 1 in missing:
            latest += 1
        known = base[place] if place is not None else None
        if cell.get("cell_type") == "code" and _is_own(cell, known):
            added.setdefault(latest, []).append(Cell(cell["source"], index + 1, own=True))
    return added


def _is_own(cell: dict[str, Any], known: dict[str, Any] | None) -> bool:
    """Whether the student added this cell, or changed one that nbgrader does not manage."""
    if known is None:
        return True
    if is_exploration(known):
        return False
    return grade_id(known) is None and cell["source"] != known["source"]


def _recognise(base: list[dict[str, Any]], submitted: list[dict[str, Any]]) -> list[int | None]:
    """Say of each submitted cell which released cell it is: by grade_id, cell id, or source."""
    places: list[int | None] = [None] * len(submitted)
    for key in (grade_id, _cell_id, _text):
        known = {name: place for place, name in _keyed(base, key) if place not in places}
        for index, name in _keyed(submitted, key):
            if places[index] is None and name in known:
                _claim(places, index, known[name])
    return places


def _claim(places: list[int | None], index: int, place: int) -> None:
    """Give a place to the later of two cells that claim it, as nbgrader does."""
    if place in places:
        places[places.index(place)] = None
    places[index] = place


def _keyed(
    cells: list[dict[str, Any]], key: Callable[[dict[str, Any]], str | None]
) -> Iterator[tuple[int, str]]:
    for index, cell in enumerate(cells):
        if (name := key(cell)) is not None:
            yield index, name


def _cell_id(cell: dict[str, Any]) -> str | None:
    name = cell.get("id")
    return name if isinstance(name, str) else None


def _text(cell: dict[str, Any]) -> str | None:
    return cell["source"].strip() or None
