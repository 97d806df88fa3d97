"""Grades as a table for other programs: what `nbgrader export` and `autograder export` write.

One row for each student and lab. nbgrader's own exporter gives zero points to whoever has no
record, and counts a written answer that nobody has read yet as zero. Here a score stands only
where everything has been graded; elsewhere the field is empty and the row says why.
"""

import csv
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from nbgrader.api import Assignment, Grade, Gradebook, Student, SubmittedAssignment
from nbgrader.plugins import ExportPlugin

from autograder.course import Course, WrongUseError
from autograder.database import require_healthy, url
from autograder.inert import inert_field
from autograder.late import assign_penalties
from autograder.report import Report
from autograder.storage import StorageError, writing
from autograder.store import Store

__all__ = ["COLUMNS", "GradesExport", "export_lab", "grade_rows", "write_csv"]

_SCORES = ("auto_score", "manual_score", "extra_credit", "raw_score", "late_submission_penalty")
COLUMNS = (
    *("assignment", "duedate", "timestamp", "student_id", "last_name", "first_name", "email"),
    *(*_SCORES, "score", "max_score", "status", "reason"),
)
Row = dict[str, Any]


class GradesExport(ExportPlugin):
    """The exporter that `nbgrader_config.py` names: `nbgrader export --to grades.csv`."""

    def export(self, gradebook: Gradebook) -> None:
        """Write the labs and students asked for, all by default."""
        known = [each.name for each in gradebook.assignments]
        labs = [str(lab) for lab in self.assignment] or known
        if unknown := set(labs) - set(known):
            self.parent.fail("The gradebook has no %s; it has: %s", sorted(unknown), known)
        for lab in labs:
            assign_penalties(self.parent.coursedir.db_url, lab, self.config)
        course, students = Course.of_nbgrader(self.parent.coursedir), map(str, self.student)
        target = Path(self.to or "grades.csv")
        try:
            count = write_csv(grade_rows(course, gradebook, labs, list(students)), target)
        except (WrongUseError, StorageError) as error:
            self.parent.fail(str(error))
        self.log.info("%d rows in %s", count, target)


def grade_rows(
    course: Course, gradebook: Gradebook, labs: Sequence[str], students: Sequence[str] = ()
) -> Iterator[Row]:
    """Yield a row for each lab and student: those of the gradebook and who handed in a folder."""
    names = {student.id: student for student in gradebook.students}
    for lab in labs:
        assignment = gradebook.find_assignment(lab)
        records = {record.student.id: record for record in assignment.submissions}
        reports = _latest(course, lab)
        handed_in = set(course.students(lab)) if course.submitted.is_dir() else set()
        for name in sorted(names.keys() | handed_in):
            if not students or name in students:
                about = _about(assignment, name, names.get(name), records.get(name))
                told = _told(lab, records.get(name), reports.get(name), name in handed_in)
                yield about | told


def export_lab(course: Course, lab: str, target: Path) -> int:
    """Write one lab's grades. Returns the number of rows; WrongUseError without a gradebook."""
    require_healthy(course.database)
    if not course.database.exists():
        raise WrongUseError(
            f"No gradebook in {course.directory} yet: run `autograder grade {lab}` first."
        )
    assign_penalties(url(course.database), lab, course.config())
    with Gradebook(url(course.database)) as gradebook:
        if lab not in {each.name for each in gradebook.assignments}:
            raise WrongUseError(f"{lab} is not in the gradebook: run `autograder grade {lab}`.")
        return write_csv(grade_rows(course, gradebook, [lab]), target)


def write_csv(rows: Iterable[Row], target: Path) -> int:
    """Write the file, complete or not at all; text in it is no formula. Returns the rows.

    WrongUseError when there can't be such a file, StorageError when the disk refuses.
    """
    if target.exists() and not target.is_file():
        raise WrongUseError(f"Can't write {target}: it is a folder or a device.")
    fresh, table = target.with_name(f"{target.name}.new"), list(rows)
    with writing(target):
        try:
            _write_table(table, fresh)
            fresh.replace(target)
        finally:
            fresh.unlink(missing_ok=True)
    return len(table)


def _write_table(table: Sequence[Row], path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        for row in table:
            writer.writerow({name: _field(row.get(name)) for name in COLUMNS})


def _latest(course: Course, lab: str) -> dict[str, Report]:
    if not course.reports.exists():
        return {}
    return {report.student: report for report in Store(course.reports).latest(lab)}


def _about(
    assignment: Assignment, name: str, student: Student | None, record: SubmittedAssignment | None
) -> Row:
    known = ("last_name", "first_name", "email")
    return {
        "assignment": assignment.name,
        "duedate": record.duedate if record and assignment.duedate else assignment.duedate,
        "timestamp": record.timestamp if record else None,
        "student_id": name,
        "max_score": assignment.max_score,
        **{key: getattr(student, key) for key in known if student is not None},
    }


def _told(lab: str, record: SubmittedAssignment | None, report: Report | None, came: bool) -> Row:
    """Say where a submission stands; with its scores, if nothing is missing."""
    grades = [grade for part in record.notebooks for grade in part.grades] if record else []
    missing = [grade.name for grade in grades if _is_empty(grade)]
    if record is None or len(missing) == len(grades):
        return _unrecorded(lab, report, came)
    if missing:
        return {"status": "to grade by hand", "reason": ", ".join(sorted(missing))}
    remarks = "; ".join(_remarks(record, grades, report))
    return {**_scores(record, grades), "status": "graded", "reason": remarks}


def _remarks(
    record: SubmittedAssignment, grades: Sequence[Grade], report: Report | None
) -> Iterator[str]:
    """Say what staff should know about a score that stands."""
    if report is not None and report.status != "graded":
        yield f"an earlier hand-in; the latest can't be graded: {report.reason}"
    elif review := sorted(grade.name for grade in grades if grade.needs_manual_grade):
        yield f"graded anew; look again at points given by hand: {', '.join(review)}"
    if record.assignment.duedate is not None and record.timestamp is None:
        yield "no time of submission: lateness unknown"


def _unrecorded(lab: str, report: Report | None, came: bool) -> Row:
    if not came:
        return {"status": "not handed in"}
    known = report is not None and report.status != "graded"
    reason = report.reason if report and known else f"run `autograder grade {lab}`"
    return {"status": "not graded", "reason": reason}


def _scores(record: SubmittedAssignment, grades: Sequence[Grade]) -> Row:
    penalty = record.late_submission_penalty or 0.0
    values: Row = {
        key: sum(given) if (given := [getattr(g, key) for g in grades if _has(g, key)]) else None
        for key in ("auto_score", "manual_score", "extra_credit")
    }
    total = max(0.0, record.score - penalty)
    return {**values, "raw_score": record.score, "late_submission_penalty": penalty, "score": total}


def _has(grade: Grade, key: str) -> bool:
    return getattr(grade, key) is not None


def _is_empty(grade: Grade) -> bool:
    return not _has(grade, "auto_score") and not _has(grade, "manual_score")


def _field(value: Any) -> str:
    """Return the text of one field: numbers as they are, the words of people made inert."""
    if isinstance(value, float | int):
        return f"{value:.10g}"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S} UTC"
    return inert_field(value or "")
