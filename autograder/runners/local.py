"""Grades many submissions on this machine: one engine for each core, one submission each.

Reports come back as they are ready, in no particular order; which engine took which submission
makes no difference to any score.
"""

import os
from collections.abc import Generator, Iterable
from concurrent.futures import as_completed
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from autograder.engine import Engine, Engines
from autograder.report import Report, not_graded
from autograder.sandbox import Walls
from autograder.suite import Suite

__all__ = ["Submission", "grade_all"]


@dataclass(frozen=True)
class Submission:
    """A notebook to grade, and whose it is."""

    student: str
    notebook: Path


def grade_all(
    submissions: Iterable[Submission],
    suite: Suite,
    *,
    jobs: int | None = None,
    seed: int = 0,
    walls: Walls = "auto",
) -> Generator[Report, None, None]:
    """Yield a report for each submission, as soon as it is ready.

    Args:
        submissions: what to grade.
        suite: the hidden suite.
        jobs: engines side by side; the number of cores by default.
        seed: recorded in each report; the same seed gives the same scores.
        walls: as for `Engine`.

    Raises SandboxError, before anything is graded, when no sandbox works here.
    """
    todo = list(submissions)
    count = max(1, min(jobs or len(os.sched_getaffinity(0)), len(todo)))
    with Engines(suite, count, walls=walls) as engines:
        engines.start()
        work = [engines.submit(partial(_graded, each, seed)) for each in todo]
        yield from (done.result() for done in as_completed(work))


def _graded(submission: Submission, seed: int, engine: Engine) -> Report:
    try:
        return engine.grade(submission.notebook, student=submission.student, seed=seed)
    except Exception as error:  # ours, whatever it is: this one has no score, the next one may
        engine.close()
        reason = f"grader error: {type(error).__name__}: {error}"
        return not_graded(submission.student, engine.suite.lab, reason, seed=seed)
