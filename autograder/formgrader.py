"""nbgrader's formgrader on one class, in JupyterLab, with nothing written to the user's home."""

import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

from autograder.course import Course, WrongUseError

__all__ = ["command", "serve"]

_WARNING = """\
Warning: you are root. JupyterLab gives whoever holds the address below a terminal, and here that
means the whole machine. It listens on this machine only. Better: give the class's folder to a
user of its own (chown -R) and start formgrader as that user."""


def command(course: Course, port: int) -> list[str]:
    """Return the command line. JupyterLab runs in the class's folder: formgrader insists on it."""
    return [
        sys.executable,
        "-m",
        "jupyterlab",
        f"--ServerApp.root_dir={course.directory}",
        "--LabApp.default_url=/formgrader/",
        "--LabApp.extension_manager=readonly",
        "--LabApp.news_url=None",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        "--LanguageServerManager.autodetect=False",
        f"--LabApp.workspaces_dir={course.root / '_build' / 'jupyter' / 'workspaces'}",
        f"--ServerApp.extra_static_paths={_mathjax()}",
        f"--ServerApp.port={port}",
        "--ServerApp.ip=127.0.0.1",
        *(["--ServerApp.allow_root=True"] if _is_root() else []),
    ]


def serve(course: Course, port: int) -> NoReturn:
    """Become JupyterLab. It prints the address, and opens it where there is a browser."""
    if not course.database.exists():
        raise WrongUseError(
            f"No gradebook in {course.directory} yet: run `autograder grade LAB` first."
        )
    if _is_root():
        print(_WARNING, file=sys.stderr, flush=True)
    (course.root / "exchange").mkdir(exist_ok=True)
    os.chdir(course.directory)
    os.execv(sys.executable, command(course, port))  # noqa: S606  # no shell, our own interpreter


def _is_root() -> bool:
    return os.geteuid() == 0


def _mathjax() -> Path:
    """Find the folder that holds `mathjax/`: a package that carries MathJax's files."""
    spec = find_spec("mathjax")
    return Path(spec.origin).parent / "static" if spec and spec.origin else Path("static")
