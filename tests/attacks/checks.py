"""How an attack is seen to fail: what the report on it may and may not say."""

from attack import Attack, Wants

from autograder.dashboard import class_page, summarise
from autograder.inert import inert_field
from autograder.report import Report

__all__ = ["check"]

LONGEST_SECONDS = 120
POINTS = {"scale": 4.0, "count": 3.0, "walk": 3.0}


def check(report: Report, attacker: Attack) -> None:
    """AssertionError unless the attack got nothing: no point, no word, no harm, no hearing."""
    aim = report.task(attacker.cell).tests[attacker.test] if report.tasks else None
    assert report.status == "graded", report.reason
    assert aim.verdict in attacker.verdicts, aim
    assert report.task(attacker.cell).score <= attacker.most
    if attacker.alone:
        rest = {task: points for task, points in POINTS.items() if task != attacker.cell}
        assert {task: report.task(task).score for task in rest} == rest
    if attacker.wants in (Wants.secret, Wants.reach):
        assert not any("FOUND" in text for text in _said(report)), _said(report)
    if attacker.told:
        assert not any(attacker.told in text for text in _said(report)), _said(report)
    assert report.seconds < LONGEST_SECONDS
    _is_safe_to_read(report)


def _said(report: Report) -> list[str]:
    messages = [test.message for task in report.tasks for test in task.tests]
    return [*map(str, report.notes), *messages]


def _is_safe_to_read(report: Report) -> None:
    said = _said(report)
    assert len(str(report.to_dict())) < 20_000
    assert all(text.isprintable() for text in said)
    assert all(inert_field(text)[:1] not in set("=+-@") for text in said if text)
    page = class_page(summarise("toy", "Toy", [report]))
    assert "<script>alert" not in page
    assert "<img src=x" not in page
