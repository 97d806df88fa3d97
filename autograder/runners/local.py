"""Grades many submissions on this machine: one engine for each core, one submission each.

Reports come back as they are ready, in no particular order; which engine took which submission
makes no difference to any score.
"""

import os
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

from autograder.engine import Engine
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
    engines = [Engine(suite, walls=walls) for _ in range(count)]
    with ThreadPoolExecutor(count) as pool:
        try:
            yield from _grade_all(todo, engines, seed, pool)
        finally:  # in the threads that started them: when those end, what they started is killed
            list(pool.map(Engine.close, engines))


def _grade_all(
    todo: list[Submission], engines: list[Engine], seed: int, pool: ThreadPoolExecutor
) -> Iterator[Report]:
    idle: SimpleQueue[Engine] = SimpleQueue()
    for engine in pool.map(_started, engines):
        idle.put(engine)
    work = [pool.submit(_grade_one, idle, each, seed) for each in todo]
    try:
        for done in as_completed(work):
            yield done.result()
    finally:
        for each in work:
            each.cancel()


def _started(engine: Engine) -> Engine:
    engine.start()
    return engine


def _grade_one(idle: "SimpleQueue[Engine]", submission: Submission, seed: int) -> Report:
    engine = idle.get()
    try:
        return engine.grade(submission.notebook, student=submission.student, seed=seed)
    except Exception as error:  # ours, whatever it is: this one has no score, the next one may
        engine.close()
        reason = f"grader error: {type(error).__name__}: {error}"
        return not_graded(submission.student, engine.suite.lab, reason, seed=seed)
    finally:
        idle.put(engine)
