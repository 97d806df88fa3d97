"""Where the time of a warm submission goes: fork and confine, cells, tests, record.

Each submission is graded twice: by an engine, and in a fork of this process with the calls to the
sandbox timed. What the judge's own fork and its messages add is the difference between the two.
"""

import multiprocessing
import os
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

from grading_class import Lab

from autograder import judge
from autograder.collected import Collected, collect
from autograder.course import Course
from autograder.engine import Engine
from autograder.recording import record
from autograder.sandbox import Host, for_suite
from autograder.session import Session

_OPS = {"cell": "the notebook's cells", "seed": "putting up the walls, and seeding"}
_CALLS = "the student's code, called by tests"


def profile(lab: Lab, students: int, folder: Path) -> dict[str, float]:
    """Return {part: seconds of a submission, the median}, all parts adding up to the whole."""
    course = Course(folder / f"profile {lab.name}", lab.root)
    names = [f"profile{number:03}" for number in range(students)]
    lab.hand_in(course, names)
    course.prepare()
    whole, reports = _by_engine(course, lab.name, names)
    parts = _in_forks(course, lab.name, names)
    inside = parts.pop("all")
    known = sum(parts.values())
    parts["pytest, comparing, reading the file"] = max(0.0, inside - known)
    parts["the judge's fork and the messages"] = max(0.0, whole - inside)
    parts["the gradebook's record"] = _recording(course, lab.name, reports)
    return parts


def _by_engine(course: Course, lab: str, names: list[str]) -> tuple[float, list[Any]]:
    """Grade with an engine; return the median seconds and the reports."""
    times, reports = [], []
    with Engine(course.suite(lab)) as engine:
        engine.grade(course.submission(names[0], lab), student="warm-up")
        for name in names:
            began = time.perf_counter()
            reports.append(engine.grade(course.submission(name, lab), student=name))
            times.append(time.perf_counter() - began)
    return statistics.median(times), reports


def _recording(course: Course, lab: str, reports: list[Any]) -> float:
    """Return the median seconds from one submission's record to the next one's."""
    moments: list[float] = []
    problems = record(course, lab, reports, lambda _: moments.append(time.perf_counter()))
    assert not problems, problems
    return statistics.median(later - sooner for sooner, later in pairwise(moments))


def _in_forks(course: Course, lab: str, names: list[str]) -> dict[str, float]:
    """Grade with the calls to the sandbox timed; return the median of each part."""
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # as the judge does
    suite, times = course.suite(lab), []
    with for_suite(suite) as sandbox:

        def grade(tests: Collected, name: str) -> dict[str, float]:
            with _timed_calls() as spent:
                began = time.perf_counter()
                path = course.submission(name, lab)
                graded = judge.grade_in(sandbox, tests, path, student=name, seed=0)
                spent["all"] = time.perf_counter() - began
            assert graded["report"]["status"] == "graded", graded["report"]["reason"]
            return dict(spent)

        def grade_all(tests: Collected) -> None:
            times.extend(_forked(partial(grade, tests, name)) for name in [names[0], *names])

        collect(suite, grade_all)
    return {part: statistics.median(each.get(part, 0.0) for each in times[1:]) for part in times[0]}


def _forked(work: Callable[[], dict[str, float]]) -> dict[str, float]:
    """Do the work in a fork, as the judge does, so that none feels the one before."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(target=lambda: theirs.send(work()))
    child.start()
    theirs.close()
    result: dict[str, float] = ours.recv()
    child.join()
    return result


@contextmanager
def _timed_calls() -> Iterator[dict[str, float]]:
    """Add up the seconds spent in the sandbox's and the session's own calls."""
    spent: dict[str, float] = defaultdict(float)
    places: list[tuple[type, str, Callable[..., str]]] = [
        (Host, "spawn", lambda *_: "the sandbox's fork"),
        (Host, "end", lambda *_: "killing and cleaning up"),
        (Session, "ask", lambda _, op, *__: _OPS.get(op, _CALLS)),
    ]
    originals = [(kind, name, getattr(kind, name)) for kind, name, _ in places]
    for (kind, name, part), (_, _, original) in zip(places, originals, strict=True):
        setattr(kind, name, _timing(original, part, spent))
    try:
        yield spent
    finally:
        for kind, name, original in originals:
            setattr(kind, name, original)


def _timing(
    original: Callable[..., Any], part: Callable[..., str], spent: dict[str, float]
) -> Callable[..., Any]:
    def timed(*args: Any, **kwargs: Any) -> Any:
        before, began = sum(spent.values()), time.perf_counter()
        try:
            return original(*args, **kwargs)
        finally:
            inner = sum(spent.values()) - before  # `ask` may ask again, to drop objects
            spent[part(*args)] += time.perf_counter() - began - inner

    return timed
