"""The class report: one HTML page and one JSON file, made from the latest report of each student.

What it answers, in this order: who still has no score and why, how the class did, which tasks and
tests were hard, which misunderstandings lie behind it, and whether grading itself went well.
"""

import json
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autograder.pages import render
from autograder.report import Misconception, Report, Verdict

__all__ = ["ClassReport", "as_json", "class_page", "summarise", "write_class_report"]

BINS = 10
SHADES = 5
STOPPED = frozenset(Verdict) - {
    Verdict.passed,
    Verdict.failed,
    Verdict.no_answer,
    Verdict.not_run,
    Verdict.grader_error,
}


@dataclass(frozen=True)
class TestFigure:
    """How many of the students who were graded pass one hidden test.

    It reached those whose answer it ran: there was one, and no earlier test stood in the way.
    """

    __test__ = False  # pytest must not collect this class

    task: str
    name: str
    passed: int
    reached: int
    total: int

    @property
    def missed(self) -> int:
        """How many answers it refused."""
        return self.reached - self.passed

    @property
    def not_reached(self) -> int:
        """How many students it says nothing about."""
        return self.total - self.reached


@dataclass(frozen=True)
class ClassReport:
    """What the page shows. `bins` are ten equal steps from nothing to full marks."""

    lab: str
    title: str
    graded: tuple[Report, ...]
    missing: tuple[Report, ...]
    tasks: tuple[tuple[str, float], ...]
    bins: tuple[int, ...]
    tests: tuple[TestFigure, ...]
    misconceptions: tuple[tuple[Misconception, int], ...]
    stopped: tuple[tuple[str, int], ...]

    @property
    def max_score(self) -> float:
        """Full marks of the hidden tests; written answers are not among them."""
        return max((report.max_score for report in self.graded), default=0.0)

    def figures(self) -> dict[str, float]:
        """Return the class's numbers: scores in points, times in seconds."""
        scores = [report.score for report in self.graded]
        seconds = [report.seconds for report in self.graded]
        if not scores:
            return {}
        return {
            "mean": statistics.fmean(scores),
            "median": statistics.median(scores),
            "lowest": min(scores),
            "highest": max(scores),
            "full_marks": sum(score == self.max_score for score in scores),
            "seconds_median": statistics.median(seconds),
            "seconds_longest": max(seconds),
        }


def summarise(lab: str, title: str, reports: Sequence[Report]) -> ClassReport:
    """Count. Students are sorted from the lowest score to the highest."""
    ok = sorted(
        (report for report in reports if report.status == "graded"),
        key=lambda report: (report.score, report.student),
    )
    return ClassReport(
        lab=lab,
        title=title,
        graded=tuple(ok),
        missing=tuple(report for report in reports if report.status != "graded"),
        tasks=tuple({task.task: task.max_score for report in ok for task in report.tasks}.items()),
        bins=_bins(ok),
        tests=_tests(ok),
        misconceptions=tuple(
            Counter(each for report in ok for each in set(report.misconceptions)).most_common()
        ),
        stopped=_stopped(ok),
    )


def class_page(summary: ClassReport) -> str:
    """Write the page."""
    return render(
        "report.html.j2",
        summary=summary,
        figures=summary.figures(),
        task_scores=[_scores(report, summary.tasks) for report in summary.graded],
        shade=_shade,
    )


def as_json(lab: str, reports: Sequence[Report]) -> dict[str, Any]:
    """Return the reports in the format of `autograder grade --json`."""
    digests = {report.suite_digest for report in reports if report.suite_digest}
    return {
        "lab": lab,
        "suite_digest": digests.pop() if len(digests) == 1 else "",
        "submissions": [_submission(report) for report in reports],
    }


def write_class_report(
    folder: Path, lab: str, title: str, reports: Sequence[Report]
) -> tuple[Path, Path]:
    """Write report.html and report.json, and return their paths."""
    summary = summarise(lab, title, reports)
    page, data = folder / "report.html", folder / "report.json"
    page.write_text(class_page(summary), encoding="utf-8")
    content = {**as_json(lab, reports), "class": _class(summary)}
    data.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return page, data


def _class(summary: ClassReport) -> dict[str, Any]:
    return {
        "graded": len(summary.graded),
        "not_graded": len(summary.missing),
        "figures": summary.figures(),
        "bins": list(summary.bins),
        "tests": [
            {
                "task": t.task,
                "name": t.name,
                "passed": t.passed,
                "missed": t.missed,
                "not_reached": t.not_reached,
                "total": t.total,
            }
            for t in summary.tests
        ],
        "misconceptions": [
            {"task": each.task, "sentence": each.sentence, "students": count}
            for each, count in summary.misconceptions
        ],
    }


def _submission(report: Report) -> dict[str, Any]:
    whole = report.to_dict()
    keys = ("student", "status", "reason", "score", "max_score", "seconds", "tasks")
    kept = {key: whole[key] for key in keys}
    return {**kept, "tasks": [{**task, "tests": list(task["tests"])} for task in kept["tasks"]]}


def _bins(reports: Sequence[Report]) -> tuple[int, ...]:
    """Count scores by tenths of the maximum; full marks belong to the last tenth."""
    counts = [0] * BINS
    for report in reports:
        share = report.score / report.max_score if report.max_score else 0.0
        counts[min(int(share * BINS), BINS - 1)] += 1
    return tuple(counts)


def _tests(reports: Sequence[Report]) -> tuple[TestFigure, ...]:
    """Count passes per test, the most often missed first."""
    total: Counter[tuple[str, str]] = Counter()
    reached: Counter[tuple[str, str]] = Counter()
    passed: Counter[tuple[str, str]] = Counter()
    for report in reports:
        for task in report.tasks:
            for test in task.tests:
                total[task.task, test.name] += 1
                reached[task.task, test.name] += test.reached
                passed[task.task, test.name] += test.verdict == Verdict.passed
    figures = [TestFigure(*key, passed[key], reached[key], count) for key, count in total.items()]
    return tuple(sorted(figures, key=lambda figure: (-figure.missed, -figure.not_reached)))


def _stopped(reports: Sequence[Report]) -> tuple[tuple[str, int], ...]:
    """Count the submissions in which a test was stopped, by what stopped it."""
    verdicts = Counter(
        verdict
        for report in reports
        for verdict in {test.verdict for task in report.tasks for test in task.tests}
        if verdict in STOPPED
    )
    return tuple((verdict.value.replace("_", " "), count) for verdict, count in verdicts.items())


def _scores(report: Report, tasks: Sequence[tuple[str, float]]) -> list[tuple[float, float] | None]:
    known = {task.task: (task.score, task.max_score) for task in report.tasks}
    return [known.get(name) for name, _ in tasks]


def _shade(score: float, most: float) -> int:
    """Return the step of the colour scale: full marks alone get the last.

    >>> _shade(0, 10), _shade(5, 10), _shade(9.9, 10), _shade(10, 10)
    (0, 2, 3, 4)
    """
    return SHADES - 1 if score >= most else int((SHADES - 1) * score / most)
