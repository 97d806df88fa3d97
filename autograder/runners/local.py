"""Grades many submissions on this machine: one engine for each core, one submission each.

Reports come back as they are ready, in no particular order; which engine took which submission
makes no difference to any score.
"""

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

from autograder.engine import Engine
from autograder.report import Report
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
    walls: bool = True,
) -> Iterator[Report]:
    """Yield a report for each submission, as soon as it is ready.

    Args:
        submissions: what to grade.
        suite: the hidden suite.
        jobs: engines side by side; the number of cores by default.
        seed: recorded in each report; the same seed gives the same scores.
        walls: False runs notebooks without a sandbox, for an instructor's own solution only.

    Raises SandboxError, before anything is graded, when no sandbox works here.
    """
    todo = list(submissions)
    count = max(1, min(jobs or len(os.sched_getaffinity(0)), len(todo)))
    engines = [Engine(suite, walls=walls) for _ in range(count)]
    try:
        yield from _grade_all(todo, engines, seed)
    finally:
        for engine in engines:
            engine.close()


def _grade_all(todo: list[Submission], engines: list[Engine], seed: int) -> Iterator[Report]:
    idle: SimpleQueue[Engine] = SimpleQueue()
    with ThreadPoolExecutor(len(engines)) as pool:
        for engine in pool.map(_started, engines):
            idle.put(engine)
        work = [pool.submit(_grade_one, idle, each, seed) for each in todo]
        try:
            for done in as_completed(work):
                yield done.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _started(engine: Engine) -> Engine:
    engine.start()
    return engine


def _grade_one(idle: "SimpleQueue[Engine]", submission: Submission, seed: int) -> Report:
    engine = idle.get()
    try:
        return engine.grade(submission.notebook, student=submission.student, seed=seed)
    finally:
        idle.put(engine)
