"""A lab to start from: `autograder new LAB` copies the one in `templates/lab/` into place.

The copy is a whole lab, valid as it stands. The author's guide shows the same files.
"""

import re
import shutil
from pathlib import Path

from autograder.course import TEMPLATES, Course, WrongUseError
from autograder.storage import usable

__all__ = ["EXAMPLE", "new_lab"]

EXAMPLE = TEMPLATES / "lab"
_NAME = re.compile(r"[a-z][a-z0-9]*")  # part of a module's name, of paths and of STUDENT_LAB.ipynb


def new_lab(course: Course, lab: str) -> list[Path]:
    """Write a notebook and a hidden suite under a new name. Returns the files.

    WrongUseError for a name that won't do, or where something stands already: nothing is written.
    """
    if not _NAME.fullmatch(lab):
        raise WrongUseError(
            f"{lab!r} can't name a lab. Use small letters and digits, a letter first: lab03"
        )
    folders = course.source(lab).parent, course.hidden / lab
    for folder in folders:
        if folder.exists() or folder.is_symlink():
            raise WrongUseError(f"{folder} exists already, and nothing is overwritten.")
    try:
        with usable(course.root):
            return [_copied(file, course, lab) for file in sorted(EXAMPLE.glob("*.*"))]
    except BaseException:
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)
        raise


def _copied(file: Path, course: Course, lab: str) -> Path:
    target = course.source(lab) if file.suffix == ".ipynb" else course.hidden / lab / file.name
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(file, target)
    return target
