"""Late work: a penalty by the day, and more time for one student.

nbgrader knows the due date, when each submission came and who has an extension; its preprocessor
`AssignLatePenalties` asks `PerDayPenalty` what that costs. It asks when tests are graded. Points
that a person gives afterwards, a new due date and an extension change the answer, so
`assign_penalties` asks again: after recording, before feedback, and before grades are exported.
"""

from collections.abc import Iterable
from math import ceil
from typing import Any

from nbformat.v4 import new_notebook
from nbgrader.api import Gradebook, MissingEntry, SubmittedAssignment
from nbgrader.plugins import LateSubmissionPlugin
from nbgrader.preprocessors import AssignLatePenalties
from traitlets import Float

from autograder.course import Course, WrongUseError, near
from autograder.database import require_healthy, url
from autograder.quiet import quiet_nbgrader
from autograder.release import register

__all__ = ["PerDayPenalty", "assign_penalties", "grant_extension"]

_DAY = 24 * 60 * 60


class PerDayPenalty(LateSubmissionPlugin):
    """Takes a share of the score for each day begun after the due date."""

    percent_per_day = Float(
        0.0, min=0.0, max=100.0, help="Percent of the score to take off for each day begun."
    ).tag(config=True)
    most_percent = Float(100.0, min=0.0, max=100.0, help="However late: never more than this.").tag(
        config=True
    )
    grace_minutes = Float(0.0, min=0.0, help="Minutes after the due date that cost nothing.").tag(
        config=True
    )

    def late_submission_penalty(
        self, student_id: str, score: float, total_seconds_late: float
    ) -> float | None:
        """Return the points to take off; None in time."""
        late = total_seconds_late - 60 * self.grace_minutes
        if late <= 0:
            return None
        percent = min(ceil(late / _DAY) * self.percent_per_day, self.most_percent)
        return float(round(score * percent / 100, 2))


def assign_penalties(db_url: str, lab: str, config: Any) -> None:
    """Ask again what each late submission of a lab costs, by nbgrader's own preprocessor."""
    with Gradebook(db_url) as gradebook:
        late = [each.student.id for each in _submissions(gradebook, lab) if _concerns(each)]
    for student in late:
        about = {"notebook": lab, "assignment": lab, "student": student, "db_url": db_url}
        AssignLatePenalties(config=config).preprocess(new_notebook(), {"nbgrader": about})


def grant_extension(course: Course, lab: str, student: str, *, hours: float) -> str:
    """Give a student so many hours after the due date; 0 takes them back. Returns the new date."""
    _require_known(course, lab, student)
    with quiet_nbgrader(), Gradebook(url(course.database)) as gradebook:
        if gradebook.find_assignment(lab).duedate is None:
            raise WrongUseError(
                f"{lab} has no due date, so there is nothing to extend. Set it in formgrader, or "
                f"in the folder {course.directory} by\n"
                f"  nbgrader db assignment add {lab} --duedate '2030-12-31 23:59 UTC'"
            )
        gradebook.update_or_create_student(student)
        gradebook.update_or_create_submission(lab, student)
        gradebook.grant_extension(lab, student, hours=hours)
        due = gradebook.find_submission(lab, student).duedate
    assign_penalties(url(course.database), lab, course.config())
    return f"{due:%Y-%m-%d %H:%M} UTC"


def _require_known(course: Course, lab: str, student: str) -> None:
    """Refuse a name that nobody has; make sure that the gradebook knows the lab."""
    require_healthy(course.database)
    known = set(course.students(lab)) if course.submitted.is_dir() else set()
    registered = False
    if course.database.exists():
        with Gradebook(url(course.database)) as gradebook:
            known |= {each.id for each in gradebook.students}
            registered = lab in {each.name for each in gradebook.assignments}
    if student not in known:
        raise WrongUseError(f"No student {student!r} in {course.directory}. {near(student, known)}")
    if not registered:
        register(course, lab)


def _submissions(gradebook: Gradebook, lab: str) -> Iterable[SubmittedAssignment]:
    try:
        return list(gradebook.find_assignment(lab).submissions)
    except MissingEntry:
        return []


def _concerns(submission: SubmittedAssignment) -> bool:
    """Whether there is a penalty to set or to take back."""
    timely = submission.assignment.duedate is None or submission.total_seconds_late == 0
    return not timely or bool(submission.late_submission_penalty)
