"""How the peers grade a class: stock nbgrader, and Otter-Grader without containers.

Both run each notebook in a fresh kernel with the student's rights and the grader's files, and the
hidden tests in that kernel.
"""

import json
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from grading_class import Lab
from nbgrader.api import Gradebook

from autograder import notebook
from autograder.course import CONFIG, ROOT, Course
from autograder.database import url

OTTER = "otter-grader[grading]==7.0.0"
_ENVIRONMENT = ROOT / "_build" / "peers-otter"
_ONE_PROCESS = Path(__file__).with_name("otter_one_process.py")
_BEHIND = """\
import sys; sys.modules["rfc3987_syntax"] = None
import site; site.addsitedir({ours!r})
"""
_STOCK = """
c = get_config()
c.CourseDirectory.course_id = "stock"
c.CourseDirectory.source_directory = {source!r}
c.CourseDirectory.release_directory = "release"
"""
_OTTER_TEST = """\
from otter.test_files import test_case
OK_FORMAT = False
name, points = {task!r}, {points!r}

@test_case(points={points!r})
def test_task(env):
    {source}
"""
Scores = dict[str, float]  # {student: automatic score}


# --- nbgrader ----------------------------------------------------------------------------------


class Nbgrader:
    """`nbgrader autograde` as it comes: its own configuration, every step its default."""

    def __init__(self, lab: Lab, course: Course, names: list[str]) -> None:
        self._lab, self._course = lab, course
        source = course.directory / "source"
        notebook.write(lab.source_for_peers(), source / lab.name / f"{lab.name}.ipynb")
        lab.hand_in(course, names)
        (course.directory / CONFIG).write_text(_STOCK.format(source=str(source)), encoding="utf-8")
        self._nbgrader("generate_assignment")

    def grade(self) -> None:
        """Grade everybody, one after the other: nbgrader knows no other way."""
        self._nbgrader("autograde")

    def scores(self) -> Scores:
        """Read the gradebook."""
        return recorded(self._course, self._lab.name)

    def _nbgrader(self, command: str) -> None:
        program = Path(sys.executable).with_name("nbgrader")
        quietly([program, command, self._lab.name, "--quiet"], self._course.directory)


def recorded(course: Course, lab: str) -> Scores:
    """Return the automatic scores that stand in a class's gradebook."""
    with Gradebook(url(course.database)) as gradebook:
        parts = [(s.student.id, s.notebooks) for s in gradebook.assignment_submissions(lab)]
        return {
            student: sum(g.auto_score for part in notebooks for g in part.grades if g.auto_score)
            for student, notebooks in parts
        }


# --- Otter-Grader ------------------------------------------------------------------------------


class OtterCommand:
    """`otter run NOTEBOOK`, a command for each notebook, `jobs` of them at a time."""

    def __init__(self, lab: Lab, course: Course, names: list[str], jobs: int) -> None:
        self._course, self._lab, self._names, self._jobs = course, lab, names, jobs
        self._python = otter_environment()
        self._tests = course.directory / "autograder.zip"
        lab.hand_in(course, names)
        _write_otter_tests(lab, self._tests)

    def grade(self) -> None:
        """Grade everybody."""
        with ThreadPoolExecutor(self._jobs) as pool:
            list(pool.map(self._run, self._names))

    def scores(self) -> Scores:
        """Read the results files."""
        return {name: _score(json.loads(self._results(name).read_text())) for name in self._names}

    def _run(self, name: str) -> None:
        results = self._results(name)
        results.parent.mkdir(parents=True)
        command = [self._python.with_name("otter"), "run", "-a", self._tests, "--no-logo"]
        command += ["-o", results.parent, self._course.submission(name, self._lab.name)]
        quietly(command, self._course.directory)

    def _results(self, name: str) -> Path:
        return self._course.directory / "results" / name / "results.json"


class OtterOneProcess(OtterCommand):
    """`otter.api.grade_submission`, called for one notebook after the other in `jobs` processes."""

    def grade(self) -> None:
        """Grade everybody."""
        shares = [self._names[job :: self._jobs] for job in range(self._jobs)]
        with ThreadPoolExecutor(self._jobs) as pool:
            list(pool.map(self._grade_share, filter(None, shares)))

    def _grade_share(self, names: list[str]) -> None:
        pairs = [(self._course.submission(n, self._lab.name), self._results(n)) for n in names]
        files = [str(path) for pair in pairs for path in pair]
        quietly([self._python, _ONE_PROCESS, self._tests, *files], self._course.directory)


def otter_environment() -> Path:
    """Return the Python of an environment with Otter in it; make it the first time.

    What Otter needs goes there and not into ours. Behind its packages it sees ours, so that the
    notebooks meet the same PyTorch and the same NumPy. One package of ours stays hidden: Otter
    needs none of it, and it would cost each of its processes two seconds.
    """
    python = _ENVIRONMENT / "bin" / "python"
    mark = _ENVIRONMENT / ".installed"
    if mark.exists() and mark.read_text() == OTTER:
        return python
    print(f"installing {OTTER} into {_ENVIRONMENT.relative_to(ROOT)} …", flush=True)
    shutil.rmtree(_ENVIRONMENT, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", _ENVIRONMENT], check=True)
    (own,) = _ENVIRONMENT.glob("lib/python*/site-packages")
    ours = sysconfig.get_path("purelib")
    (own / "zz_ours.pth").write_text(_BEHIND.format(ours=ours))
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", OTTER]
    subprocess.run(pip, check=True)
    mark.write_text(OTTER)
    return python


def _write_otter_tests(lab: Lab, path: Path) -> None:
    with zipfile.ZipFile(path, "w") as tests:
        for task, points in lab.points().items():
            source = lab.tests[task].format(names="env")
            text = _OTTER_TEST.format(task=task, points=points, source=source)
            tests.writestr(f"tests/{task}.py", text)
        tests.writestr("otter_config.json", "{}")


def _score(results: dict[str, Any]) -> float:
    return sum(float(test.get("score", 0)) for test in results["tests"])


def quietly(command: Iterable[object], folder: Path) -> None:
    """Run a command; show what it said only when it fails."""
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True)
    if done.returncode:
        said = (done.stdout + done.stderr).decode("utf-8", "replace")[-4000:]
        raise RuntimeError(f"{' '.join(words)} failed:\n{said}")
