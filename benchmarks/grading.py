"""Grading a class: ours against stock nbgrader and Otter-Grader, the same notebooks in one run.

    python benchmarks/grading.py [--students N] [--lab LAB] [--only NAME …] [--profile]

Two classes of N are graded by everybody: a trivial lab that imports torch and runs one test, where
nearly all the time is the grader's own, and a real lab with its hidden tests. N - 1 notebooks are
right and one is wrong. Every grader is checked to have given full marks to the right ones and less
to the wrong one; otherwise its figures are not kept.

What is compared:

- `nbgrader autograde` as it comes. It has no parallel mode.
- Otter-Grader without containers: its command `otter run`, once for each notebook, and its Python
  interface, which grades one notebook after the other in one process. Neither records a grade.
- ours, cold: the command `autograder grade`, which starts everything and ends it.
- ours, warm: engines that run already. Both end with the scores in nbgrader's gradebook.

Peers run the hidden tests in the student's kernel, with the student's rights: the same test
functions, called directly (`in_process.py`). Ours runs them in another process, behind the sandbox.
Seconds and CPU seconds are those of a submission, CPU and memory those of all processes together.
`--profile` says where the time of a warm submission goes.
"""

import argparse
import gc
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from common import machine, save, table
from grading_class import TRIVIAL, Lab, names, real, trivial
from grading_ours import Cold, Warm
from grading_peers import OTTER, Nbgrader, OtterCommand, OtterOneProcess, Scores
from grading_profile import profile
from usage import Meter

from autograder.course import Course, use_own_environment

RESULTS = Path(__file__).resolve().parents[1] / "book" / "grading.json"
GOALS = {"overhead_seconds": 0.25, "times_nbgrader": 20}
PEER = "nbgrader"
GRADERS: dict[str, tuple[Callable[..., Any], tuple[int, ...]]] = {
    PEER: (lambda lab, course, names, jobs: Nbgrader(lab, course, names), (1,)),
    "Otter, a command each": (OtterCommand, (1, 2)),
    "Otter, one process": (OtterOneProcess, (1, 2)),
    "ours, cold": (Cold, (1, 2)),
    "ours, warm": (Warm, (1, 2)),
}


def main() -> None:
    """Measure, print the tables, and keep the figures."""
    parser = argparse.ArgumentParser(description="Grade a class with each grader; see the source.")
    parser.add_argument("--students", type=int, default=30, help="submissions a class")
    parser.add_argument("--lab", default="lab02", help="the real lab")
    parser.add_argument("--only", nargs="+", default=list(GRADERS), choices=GRADERS, metavar="NAME")
    parser.add_argument("--profile", action="store_true", help="only say where our time goes")
    parser.add_argument("--save", action="store_true", help="keep the figures for the book")
    options = parser.parse_args()
    if options.students < 2:
        parser.error("--students must be 2 or more: one of them hands in a wrong answer")
    use_own_environment()
    with tempfile.TemporaryDirectory(prefix="grading benchmark ") as folder:
        labs = [trivial(Path(folder) / "repository"), real(options.lab)]
        shares = {lab.name: profile(lab, options.students, Path(folder)) for lab in labs}
        show_profile(shares)
        if options.profile:
            return
        rows = [
            row
            for lab in labs
            for row in compare(lab, options.only, options.students, Path(folder) / lab.name)
        ]
    show(rows)
    if options.save:
        about = machine("nbgrader", "torch", "pytest")
        about["versions"]["otter-grader"] = OTTER.rpartition("==")[2]
        about |= {"students": options.students, "labs": [TRIVIAL, options.lab], "goals": GOALS}
        save(RESULTS, about | {"rows": rows, "profile": shares})


def compare(lab: Lab, only: list[str], students: int, folder: Path) -> list[dict[str, Any]]:
    """Let each grader grade a class of its own with the same notebooks."""
    rows = []
    for name, (make, jobs) in GRADERS.items():
        for many in jobs if name in only else ():
            print(f"{lab.name}: {name}, {many} at a time …", flush=True)
            course = Course(folder / f"{name} {many}", lab.root)
            figures = measured(partial(make, jobs=many), lab, course, students)
            print(f"  {figures['seconds']:.3g} s a submission", flush=True)
            rows.append({"lab": lab.name, "grader": name, "jobs": many, **figures})
    return rows


def measured(make: Callable[..., Any], lab: Lab, course: Course, students: int) -> dict[str, float]:
    """Grade a class, check the scores, and return what a submission cost."""
    grader = make(lab, course, names(students))
    gc.collect()
    with Meter() as meter:
        grader.grade()
    require_right_scores(lab, names(students), grader.scores())
    return meter.usage.per(students)


def require_right_scores(lab: Lab, students: list[str], scores: Scores) -> None:
    """Full marks for right answers, less for the wrong one, a score for everybody."""
    most = sum(lab.points().values())
    *right, wrong = students
    assert sorted(scores) == students, (lab.name, sorted(scores))
    assert all(scores[name] == most for name in right), (lab.name, most, scores)
    assert 0 <= scores[wrong] < most, (lab.name, most, scores)


def show(rows: list[dict[str, Any]]) -> None:
    """Print what a submission costs each grader, and its rate as a multiple of nbgrader's."""
    stock = {row["lab"]: row["seconds"] for row in rows if row["grader"] == PEER}
    heads = ["lab", "grader", "at a time", "s", "CPU s", "peak MB", "× nbgrader's rate"]
    cells = [
        [
            row["lab"],
            row["grader"],
            str(row["jobs"]),
            f"{row['seconds']:.3f}",
            f"{row['cpu_seconds']:.3f}",
            f"{row['peak_mb']:.0f}",
            f"{stock[row['lab']] / row['seconds']:.1f}" if row["lab"] in stock else "",
        ]
        for row in rows
    ]
    table(heads, cells)


def show_profile(shares: dict[str, dict[str, float]]) -> None:
    """Print where the milliseconds of a warm submission go."""
    parts = next(iter(shares.values()))
    rows = [[part, *(f"{1000 * shares[lab][part]:.1f}" for lab in shares)] for part in parts]
    rows.append(["together", *(f"{1000 * sum(shares[lab].values()):.1f}" for lab in shares)])
    table(["of a warm submission, one at a time", *(f"{lab} (ms)" for lab in shares)], rows)


if __name__ == "__main__":
    main()
