"""From `solutions/LAB` to `labs/LAB`, by nbgrader's own converter, and nothing lost on the way.

nbgrader deletes `labs/LAB` before it writes, and leaves nothing behind when it fails. Here it
writes into a folder beside it; only a release that succeeded takes the old one's place.
The same source gives the same bytes, so `check` can compare what is committed with what would be.
"""

import contextlib
import difflib
import filecmp
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nbformat
from nbgrader.converters import GenerateAssignment, NbGraderException
from nbgrader.coursedir import CourseDirectory

from autograder.course import Course, WrongUseError
from autograder.database import create
from autograder.leftovers import SweptDirectory
from autograder.quiet import KeepsProblem, quiet_nbgrader

__all__ = ["ReleaseError", "check", "register", "release"]

MAX_DIFF_LINES = 20


class ReleaseError(Exception):
    """nbgrader refused to make the student version. The message holds what it said."""


class Releaser(KeepsProblem, GenerateAssignment):
    """nbgrader's `generate_assignment`, which says what went wrong."""


def release(course: Course, lab: str) -> Path:
    """Write `labs/LAB` and register the lab in the course's gradebook. Returns the folder."""
    course.require_lab(lab)
    with _generated(course, lab, database=True) as made:
        target = course.released(lab)
        old = target.with_name(f".{lab}.old")
        shutil.rmtree(old, ignore_errors=True)
        target.parent.mkdir(exist_ok=True)
        if target.exists():
            target.rename(old)
        shutil.move(made, target)
        shutil.rmtree(old, ignore_errors=True)
    return target


def register(course: Course, lab: str) -> None:
    """Tell the gradebook about the lab and its cells; `labs/` is left alone."""
    with _generated(course, lab, database=True):
        pass


def check(course: Course, lab: str) -> list[str]:
    """Say how `labs/LAB` differs from what a release would write; nothing when it doesn't."""
    course.require_lab(lab)
    with _generated(course, lab, database=False) as made:
        return _differences(course.released(lab), made)


@contextmanager
def _generated(course: Course, lab: str, *, database: bool) -> Iterator[Path]:
    """Yield a temporary folder that holds the student version."""
    _require_cell_ids(course.source(lab))
    (course.root / "_build").mkdir(exist_ok=True)
    with SweptDirectory("release-", course.root / "_build") as folder:
        _convert(course, lab, Path(folder), database=database)
        yield Path(folder) / lab


def _convert(course: Course, lab: str, folder: Path, *, database: bool) -> None:
    config = course.config()
    config.CourseDirectory.release_directory = str(folder)
    config.CourseDirectory.assignment_id = lab
    config.GenerateAssignment.no_database = not database
    config.SaveCells.enabled = database
    if database:
        create(course.database)
    converter = Releaser(coursedir=CourseDirectory(config=config), config=config)
    with quiet_nbgrader() as log:
        try:
            converter.start()
        except NbGraderException as error:
            said = log.getvalue().partition("There was an error processing")[0].strip()
            problem = converter.problem or error
            raise ReleaseError(f"{lab} can't be released: {problem}\n{said}".strip()) from problem


def _require_cell_ids(source: Path) -> None:
    """Refuse a notebook whose cells have no ids: nbformat would invent new ones at each release."""
    with contextlib.suppress(UserWarning):
        nb = nbformat.from_dict(nbformat.reader.reads(source.read_text(encoding="utf-8")))
    missing = [number for number, cell in enumerate(nb.cells, start=1) if "id" not in cell]
    if missing or (nb.nbformat, nb.nbformat_minor) < (4, 5):
        raise WrongUseError(
            f"{source}: cells {missing or 'of the whole notebook'} have no id, so that each "
            "release would differ. Save the notebook once in JupyterLab (nbformat 4.5 or later)."
        )


def _differences(committed: Path, made: Path) -> list[str]:
    old, new = _files(committed), _files(made)
    lines = [f"missing: {name}" for name in sorted(new - old)]
    lines += [f"not made by release: {name}" for name in sorted(old - new)]
    for name in sorted(old & new):
        if not filecmp.cmp(committed / name, made / name, shallow=False):
            lines += [f"differs: {name}", *_diff(committed / name, made / name)]
    return lines


def _files(folder: Path) -> set[str]:
    found = (path for path in folder.rglob("*") if path.is_file())
    names = {path.relative_to(folder).as_posix() for path in found}
    return {
        name for name in names if ".ipynb_checkpoints" not in name and "__pycache__" not in name
    }


def _diff(committed: Path, made: Path) -> list[str]:
    old, new = (path.read_text("utf-8", "replace").splitlines() for path in (committed, made))
    lines = list(difflib.unified_diff(old, new, n=0, lineterm=""))[2:]
    shown = [f"  {line[:160]}" for line in lines[:MAX_DIFF_LINES]]
    more = len(lines) - len(shown)
    return [*shown, f"  … and {more} more lines"] if more > 0 else shown
