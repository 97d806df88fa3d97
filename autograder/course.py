"""Where a course's files stand, and what to say when one is missing.

Two roots: this repository holds `solutions/`, `labs/` and the hidden suites; a course directory
holds one class: `submitted/STUDENT/LAB/LAB.ipynb`, `autograded/`, `feedback/`, `gradebook.db` and
`reports.db`. They may be the same folder.
"""

import difflib
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from traitlets.config import Config
from traitlets.config.loader import PyFileConfigLoader

from autograder.suite import Suite, load_suite

__all__ = ["CONFIG", "ROOT", "TEMPLATES", "Course", "WrongUseError", "near", "use_own_environment"]

ROOT = Path(__file__).resolve().parent.parent
TEMPLATES = Path(__file__).resolve().parent / "templates"
CONFIG = "nbgrader_config.py"

_OWN_CONFIG = '''"""The course's configuration of nbgrader, with this folder as its root."""

import os
from pathlib import Path

c = get_config()  # noqa: F821  # nbgrader defines it
here = Path(__file__).resolve().parent
load_subconfig("{name}", path=os.path.normpath(here / "{up}"))  # noqa: F821
c.CourseDirectory.root = str(here)

# What this class has for itself, for example:
# c.CourseDirectory.course_id = "sequence-modelling-2031"
# c.Exchange.root = "/srv/nbgrader/exchange"
'''


class WrongUseError(Exception):
    """The command can't be carried out as asked: what, where, and what to do. Exit code 2."""


def near(name: str, known: Iterable[str]) -> str:
    """Say which known names come closest, or which there are.

    >>> near("lab2", ["lab01", "lab02"])
    'Did you mean lab02?'
    >>> near("x", ["lab01", "lab02"])
    'There are: lab01, lab02.'
    >>> near("x", [])
    'There are none yet.'
    """
    known = sorted(known)
    if close := difflib.get_close_matches(name, known, n=3, cutoff=0.7)[:1]:
        return f"Did you mean {close[0]}?"
    return f"There are: {', '.join(known)}." if known else "There are none yet."


def use_own_environment(root: Path = ROOT) -> None:
    """Send what Jupyter and Matplotlib would write to the user's home to `_build/jupyter/`.

    The environment's own programs come first on PATH: nbgrader calls `alembic` by name.
    And one import is left out: jsonschema would build a grammar of web addresses, for seconds,
    to check a format that no notebook's schema has.
    """
    (root / "_build" / "jupyter").mkdir(parents=True, exist_ok=True)
    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]  # "not installed"
    programs = str(Path(sys.executable).parent)
    if programs not in os.environ.get("PATH", "").split(os.pathsep):
        os.environ["PATH"] = programs + os.pathsep + os.environ.get("PATH", os.defpath)
    for variable, folder in (
        ("JUPYTER_CONFIG_DIR", "config"),
        ("JUPYTER_DATA_DIR", "data"),
        ("JUPYTER_RUNTIME_DIR", "runtime"),
        ("IPYTHONDIR", "ipython"),
        ("MPLCONFIGDIR", "matplotlib"),
    ):
        os.environ.setdefault(variable, str(root / "_build" / "jupyter" / folder))


@dataclass(frozen=True)
class Course:
    """One class: the folder that holds its submissions, and the repository that it belongs to."""

    directory: Path
    root: Path = ROOT

    @classmethod
    def of_submissions(cls, submissions: Path, root: Path = ROOT) -> "Course":
        """Take the parent of a `submitted/` folder as the course directory."""
        submissions = submissions.absolute()
        if not submissions.is_dir():
            raise WrongUseError(
                f"No directory {submissions}. Give nbgrader's submitted/ directory."
            )
        if submissions.name != "submitted":
            raise WrongUseError(
                f"{submissions} is not called 'submitted'. nbgrader reads DIR/submitted/STUDENT/"
                "LAB/LAB.ipynb: rename it, or give DIR with --course."
            )
        return cls(submissions.parent, root)

    @classmethod
    def of_nbgrader(cls, coursedir: Any) -> "Course":
        """Take nbgrader's CourseDirectory: the repository is where its source folder stands."""
        directory = Path(coursedir.root)
        return cls(directory, (directory / coursedir.source_directory).parent)

    @property
    def submitted(self) -> Path:
        """The folder of submissions."""
        return self.directory / "submitted"

    @property
    def database(self) -> Path:
        """The gradebook of nbgrader."""
        return self.directory / "gradebook.db"

    @property
    def reports(self) -> Path:
        """The store of the engine's reports."""
        return self.directory / "reports.db"

    def source(self, lab: str) -> Path:
        """The instructor's notebook."""
        return self.root / "solutions" / lab / f"{lab}.ipynb"

    def released(self, lab: str) -> Path:
        """The folder that students get."""
        return self.root / "labs" / lab

    def submission(self, student: str, lab: str) -> Path:
        """The notebook that a student handed in, or would have."""
        return self.submitted / student / lab / f"{lab}.ipynb"

    def autograded(self, student: str, lab: str) -> Path:
        """The notebook that nbgrader wrote when it recorded the scores."""
        return self.directory / "autograded" / student / lab / f"{lab}.ipynb"

    def feedback(self, student: str, lab: str) -> Path:
        """The page that the student reads."""
        return self.directory / "feedback" / student / lab / f"{lab}.html"

    def labs(self) -> list[str]:
        """Name the labs that have a source notebook."""
        sources = (self.root / "solutions").glob("*/*.ipynb")
        return sorted(path.stem for path in sources if path.stem == path.parent.name)

    def require_lab(self, lab: str) -> str:
        """Return the name of a lab that exists; WrongUseError names the nearest otherwise."""
        known = self.labs()
        if lab not in known:
            where = self.root / "solutions"
            raise WrongUseError(f"No lab {lab!r} in {where}. {near(lab, known)}")
        return lab

    @property
    def hidden(self) -> Path:
        """The hidden suites, one folder a lab."""
        return self.root / "autograder" / "hidden"

    def suite(self, lab: str) -> Suite:
        """Load the lab's hidden suite."""
        return load_suite(self.hidden / lab)

    def students(self, lab: str) -> list[str]:
        """Name the students who handed in a folder for this lab, whatever it holds."""
        if not self.submitted.is_dir():
            raise WrongUseError(
                f"No directory {self.submitted}. Put submissions there as "
                f"STUDENT/{lab}/{lab}.ipynb, or name another with --submissions DIR."
            )
        entries = [entry for entry in self.submitted.iterdir() if entry.is_dir()]
        return sorted(entry.name for entry in entries if _may_hold(entry / lab))

    def require_students(self, lab: str, only: str | None = None) -> list[str]:
        """Return all students of a lab, or the one asked for; WrongUseError when there is none."""
        known = self.students(lab)
        if only is not None and only not in known:
            raise WrongUseError(
                f"No submission of {lab} by {only!r} in {self.submitted}. {near(only, known)}"
            )
        if not known:
            raise WrongUseError(
                f"No submissions of {lab} in {self.submitted}: STUDENT/{lab}/{lab}.ipynb"
            )
        return known if only is None else [only]

    def config(self) -> Config:
        """Read nbgrader's configuration: the repository's, then what the class has for itself.

        A class's file should load the repository's. One that doesn't, such as nbgrader's own
        quickstart writes, must not bring back a kernel that runs students' code. WrongUseError
        names a file that Python can't run.
        """
        config = _read_config(self.root)
        if (self.directory / CONFIG).exists():
            config.merge(_read_config(self.directory))
        config.CourseDirectory.root = str(self.directory.absolute())
        return config

    def prepare(self) -> None:
        """Make the folder a course directory that plain nbgrader and formgrader understand."""
        self.directory.mkdir(parents=True, exist_ok=True)
        own = self.directory / CONFIG
        if not own.exists():
            up = os.path.relpath(self.root, self.directory)
            fresh = own.with_name(f"{CONFIG}.new")  # killed half way, it must not pass for whole
            fresh.write_text(_OWN_CONFIG.format(name=CONFIG, up=up), encoding="utf-8")
            fresh.replace(own)


def _read_config(folder: Path) -> Config:
    try:
        return PyFileConfigLoader(CONFIG, path=str(folder)).load_config()
    except Exception as error:  # the file is a program
        problem = f"{type(error).__name__}: {error}"
        raise WrongUseError(f"{folder / CONFIG} can't be used. {problem}") from error


def _may_hold(path: Path) -> bool:
    """Whether something is there; also when we may not look, so that nobody is left out unseen."""
    try:
        path.lstat()
    except OSError as error:
        return isinstance(error, PermissionError)
    return True
