"""Reports into nbgrader's gradebook, by nbgrader's own converter, one submission at a time.

One writer, no parallel database sessions. A submission whose report stands in the gradebook
already is left alone, so a run that was killed goes on where it stopped. One that nbgrader can't
record is named with its reason, and the next one is recorded. What would meet them all, such as a
full disk, ends the run with a StorageError.
"""

import shutil
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import nbformat
from nbgrader.api import Gradebook, MissingEntry
from nbgrader.converters import Autograde, NbGraderException
from nbgrader.coursedir import CourseDirectory
from nbgrader.utils import parse_utc

from autograder.course import Course
from autograder.database import back_up, create, one_engine, require_unlocked, url
from autograder.exchange import TIME, carry_receipt, receipt
from autograder.gradebook import NotGradedError, report_of
from autograder.inert import inert_line
from autograder.late import assign_penalties
from autograder.quiet import KeepsProblem, quiet_nbgrader
from autograder.release import ReleaseError, register
from autograder.report import Report
from autograder.storage import refusal, usable

__all__ = ["record"]


_RENAME = "Rename it: UTF-8, no line break, no space at either end"


class SubmittedCourse(CourseDirectory):
    """nbgrader's course directory, where a strange timestamp.txt is no reason to stop."""

    def get_existing_timestamp(self, dest_path: str) -> datetime | None:
        """Return the time of submission; None when there is none that can be read."""
        said = receipt(Path(dest_path)).get(TIME)
        return parse_utc(said) if said else None


class Recorder(KeepsProblem, Autograde):
    """nbgrader's `autograde` for one submission, with the report to record."""

    report: Report

    def init_notebooks(self) -> None:
        """Take the one notebook, whatever else lies beside it."""
        folder = self._format_source(self.coursedir.assignment_id, self.coursedir.student_id)
        self.assignments = {folder: [str(Path(folder) / f"{self.coursedir.assignment_id}.ipynb")]}

    def init_destination(self, assignment_id: str, student_id: str) -> bool:
        """Begin afresh: whether there is something to do was decided before."""
        shutil.rmtree(self._format_dest(assignment_id, student_id), ignore_errors=True)
        return True

    def init_assignment(self, assignment_id: str, student_id: str) -> None:
        """Take along what `nbgrader submit` wrote, and nothing else that was handed in."""
        super().init_assignment(assignment_id, student_id)
        source, target = self._format_source, self._format_dest
        carry_receipt(*(Path(folder(assignment_id, student_id)) for folder in (source, target)))


def record(
    course: Course,
    lab: str,
    reports: Sequence[Report],
    on_recorded: Callable[[str], None] = lambda student: None,
) -> dict[str, str]:
    """Record graded reports. Returns {student: reason} for those that could not be recorded."""
    graded = [report for report in reports if report.status == "graded"]
    with usable(course.database), one_engine():
        return _record(course, lab, graded, on_recorded)


def _record(
    course: Course, lab: str, graded: Sequence[Report], on_recorded: Callable[[str], None]
) -> dict[str, str]:
    problems = {}
    todo = [report for report in graded if not _is_recorded(course, lab, report)]
    if todo:
        create(course.database)
        require_unlocked(course.database)
        _register(course, lab)
        back_up(course.database)
    for report in todo:
        if reason := _record_one(course, lab, report):
            problems[report.student] = reason
        on_recorded(report.student)
    if course.database.exists():
        assign_penalties(url(course.database), lab, course.config())
    return problems


def _register(course: Course, lab: str) -> None:
    try:
        register(course, lab)
    except ReleaseError as error:
        if refused := refusal(course.database, error.__cause__):
            raise refused from error
        if "there are submissions" in str(error) or "Cannot add or remove" in str(error):
            raise ReleaseError(
                f"{lab}: cells were added to or removed from {course.source(lab)} after "
                f"submissions were recorded in {course.database}; nbgrader can't take that. "
                "Restore the cells, or grade into a new course directory with --course."
            ) from error
        raise


def _is_recorded(course: Course, lab: str, report: Report) -> bool:
    """Whether this very report stands in the autograded notebook, its scores in the gradebook.

    The same notebook handed in again counts as new: its time and its secret are others.
    """
    made, submitted = course.autograded(report.student, lab), course.submission(report.student, lab)
    try:
        same = _same(report_of(nbformat.read(made, as_version=4)), report)
        same = same and receipt(made.parent) == receipt(submitted.parent)
        return same and _has_scores(course, lab, report)
    except (OSError, ValueError, NotGradedError, MissingEntry):
        return False


def _same(recorded: Report, report: Report) -> bool:
    """Whether two reports say the same; how long grading took doesn't count."""
    return {**recorded.to_dict(), "seconds": 0} == {**report.to_dict(), "seconds": 0}


def _has_scores(course: Course, lab: str, report: Report) -> bool:
    if not course.database.exists():
        return False
    with Gradebook(url(course.database)) as gradebook:
        part = gradebook.find_submission_notebook(lab, lab, report.student)
        scores = {grade.name: grade.auto_score for grade in part.grades}
    return all(scores.get(task.task) == task.score for task in report.tasks)


def _record_one(course: Course, lab: str, report: Report) -> str:
    """Let nbgrader convert one submission. Returns what went wrong, or nothing."""
    if not _is_recordable(report.student):
        return f"its folder's name can't stand in the gradebook. {_RENAME}"
    config = _one(course.config(), course, lab, report.student)
    converter = Recorder(coursedir=SubmittedCourse(config=config), config=config)
    converter.report = report
    with quiet_nbgrader():
        try:
            converter.start()
        except Exception as error:  # one submission never stops the batch
            problem = converter.problem or error
            if refused := refusal(course.database, problem):
                raise refused from error
            return _reason(problem)
    return ""


def _is_recordable(student: str) -> bool:
    """Whether nbgrader's patterns match the name and SQLite takes it."""
    try:
        student.encode()
    except UnicodeEncodeError:
        return False
    return "\n" not in student and student == student.strip()


def _one(config: Any, course: Course, lab: str, student: str) -> Any:
    config.CourseDirectory.assignment_id = lab
    config.CourseDirectory.student_id = student
    config.CourseDirectory.db_url = url(course.database)
    config.CourseDirectory.ignore = ["*"]  # copy nothing else that was handed in
    return config


def _reason(error: Exception) -> str:
    said = inert_line(str(error), 500)
    return said if isinstance(error, NbGraderException) else f"{type(error).__name__}: {said}"
