"""The page of a student who could not be graded: the reason and what to do.

The student reads the reason only where it lies in the file that was handed in. All others are
ours and can name hidden tests: staff alone read them.
"""

from collections.abc import Sequence
from pathlib import Path

from autograder import notebook
from autograder.batch import absent
from autograder.course import Course
from autograder.errors import NotebookError
from autograder.exchange import carry_receipt
from autograder.pages import render
from autograder.report import Report
from autograder.store import Store

__all__ = ["ungraded", "write_not_graded"]


def ungraded(course: Course, lab: str, students: Sequence[str]) -> list[Report]:
    """Return the reports of those who have no recorded score because they could not be graded."""
    latest = Store(course.reports).latest(lab) if course.reports.exists() else []
    return [
        report
        for report in latest
        if report.status != "graded"
        and report.student in students
        and not course.autograded(report.student, lab).exists()
    ]


def write_not_graded(course: Course, report: Report) -> None:
    """Write a student's page, with the reason where it lies in the file itself."""
    lab, student = report.lab, report.student
    submitted, page = course.submission(student, lab), course.feedback(student, lab)
    reason = report.reason if report.reason == _fault_of(submitted) else ""
    page.parent.mkdir(parents=True, exist_ok=True)
    text = _page(course.suite(lab).title, lab, student, reason)
    page.write_text(text, encoding="utf-8")
    carry_receipt(submitted.parent, page.parent)


def _page(title: str, lab: str, student: str, reason: str) -> str:
    """Write the page of a student without a score. Without a reason, the fault is ours."""
    return render("not_graded.html.j2", title=title, lab=lab, student=student, reason=reason)


def _fault_of(submitted: Path) -> str:
    """Say why a file that was handed in can't be read; nothing when it can."""
    if reason := absent(submitted):
        return reason
    try:
        notebook.read(submitted)
    except NotebookError as error:
        return str(error)
    return ""
