"""nbgrader's side of grading: the classes that `nbgrader_config.py` puts into its lists.

nbgrader converts each submission twice. First it sanitises: `SubmissionExporter` reads the file as
the untrusted thing it is and makes the notebook anew from the instructor's source, with the
student's answers put in by grade_id; no metadata of the student's survives, so nothing of theirs
can stop nbgrader. Then it grades: `GradeInSandbox` takes the engine's report for the submitted
file (from the store, or by grading it now) and shows it in place of outputs, and
`SaveReportedGrades` writes its scores to the database. nbgrader's own rule, which gives full marks
to a test cell without output, is never asked.

A submission that can't be graded raises `NotGradedError`: nbgrader logs it, goes on with the next,
and no score is recorded.
"""

from pathlib import Path
from typing import Any

import nbformat
from nbconvert.exporters import NotebookExporter
from nbformat.notebooknode import NotebookNode
from nbgrader.api import Gradebook, MissingEntry
from nbgrader.converters import NbGraderException
from nbgrader.preprocessors import NbGraderPreprocessor
from nbgrader.utils import compute_checksum, is_grade, is_solution

from autograder import notebook
from autograder.batch import grade_batch
from autograder.course import Course
from autograder.display import display_copy
from autograder.errors import NotebookError
from autograder.inert import inert
from autograder.report import Report, TaskResult, TestResult, Verdict
from autograder.store import Store, content_key

__all__ = [
    "GradeInSandbox",
    "NotGradedError",
    "SaveReportedGrades",
    "SubmissionExporter",
    "report_of",
]

MARKS = {Verdict.passed: "passed", Verdict.not_run: "not run"}


class NotGradedError(NbGraderException):
    """This submission gets no score. The message is the reason, fit for an instructor to read."""


class SubmissionExporter(NotebookExporter):
    """Reads submissions without believing them; writes notebooks, as nbgrader expects."""

    def from_filename(
        self, filename: str, resources: dict[str, Any] | None = None, **options: Any
    ) -> Any:
        """Convert one file; what goes wrong leaves no half-recorded submission behind."""
        path, resources = Path(filename), resources or {}
        resources["metadata"] = {"name": path.stem, "path": str(path.parent)}
        try:
            return self.from_notebook_node(self._read(path), resources=resources, **options)
        except Exception:
            _forget_unscored(resources["nbgrader"])
            raise

    def _read(self, path: Path) -> NotebookNode:
        course = Course.of_nbgrader(self.parent.coursedir)  # type: ignore[union-attr]
        if not path.is_relative_to(course.submitted):
            return nbformat.read(path, as_version=4)  # nbgrader's own copy, made from what we made
        try:
            submitted = notebook.read(path)
        except NotebookError as error:
            raise NotGradedError(f"{path} is not graded: {error}") from error
        source = notebook.read(course.source(path.parent.name))
        return nbformat.from_dict(display_copy(source, submitted))


class GradeInSandbox(NbGraderPreprocessor):
    """Grades the submitted file and shows the report where outputs would stand."""

    def preprocess(self, nb: NotebookNode, resources: Any) -> tuple[NotebookNode, Any]:
        """Find the report, or make it; NotGradedError when there is no score to record."""
        about = resources["nbgrader"]
        converter = self.parent.parent  # it owns the exporter that owns this
        course = Course.of_nbgrader(converter.coursedir)
        batch = [Path(folder).parent.name for folder in converter.assignments]
        report = getattr(converter, "report", None)  # what `autograder grade` wants recorded
        if report is None:
            report = _graded(course, about["assignment"], about["student"], batch)
        if report.status != "graded":
            raise NotGradedError(f"{report.student} is not graded: {report.reason}")
        title = course.suite(report.lab).title
        nb.metadata["autograder"] = {"title": title, "report": report.to_dict()}
        for cell in nb.cells:
            if cell.cell_type == "code":
                cell.outputs = _shown(cell, report)
        return nb, resources


class SaveReportedGrades(NbGraderPreprocessor):
    """Records the report's scores in place of nbgrader's SaveAutoGrades, all of them or none.

    What the report doesn't know is an error, never full marks. What a person gave stays.
    """

    def preprocess(self, nb: NotebookNode, resources: Any) -> tuple[NotebookNode, Any]:
        """Record all graded and written cells of the notebook in one transaction."""
        about, report = resources["nbgrader"], report_of(nb)
        scores = {_name(cell): _score(cell, report) for cell in nb.cells if is_grade(cell)}
        where = (about["notebook"], about["assignment"], about["student"])
        with Gradebook(about["db_url"]) as gradebook:
            for name, score in scores.items():
                grade = gradebook.find_grade(name, *where)
                grade.auto_score = score
                grade.needs_manual_grade = grade.manual_score is not None or score is None
            for cell in filter(is_solution, nb.cells):
                comment = gradebook.find_comment(_name(cell), *where)
                comment.auto_comment = "No response." if _is_untouched(cell) else None
            gradebook.db.commit()
        return nb, resources


def report_of(nb: NotebookNode) -> Report:
    """Return the report that `GradeInSandbox` left in an autograded notebook."""
    kept = nb.metadata.get("autograder", {}).get("report")
    if kept is None:
        raise NotGradedError(
            "this notebook was not graded by the autograder; run `autograder grade`"
        )
    return Report.from_dict(kept)


def _name(cell: NotebookNode) -> str:
    return str(cell.metadata["nbgrader"]["grade_id"])


def _is_untouched(cell: NotebookNode) -> bool:
    return bool(cell.metadata["nbgrader"].get("checksum") == compute_checksum(cell))


def _graded(course: Course, lab: str, student: str, batch: list[str]) -> Report:
    """Return the stored report; without one, grade the whole run's submissions in parallel."""
    store, suite = Store(course.reports), course.suite(lab)
    key = content_key(course.submission(student, lab), suite, student=student)
    if (report := store.get(key)) is not None:
        return report
    reports = grade_batch(course, lab, batch if student in batch else [student])
    return next(report for report in reports if report.student == student)


def _score(cell: NotebookNode, report: Report) -> float | None:
    """Return the report's score for a test cell; None for a written answer that a person grades."""
    if is_solution(cell):
        return 0.0 if _is_untouched(cell) else None
    points = float(cell.metadata["nbgrader"]["points"])
    known = {task.task: task for task in report.tasks}
    task = known.get(_name(cell), TaskResult(_name(cell), 0.0, 0.0, ()))
    if task.max_score != points:
        raise NotGradedError(
            f"{task.task}: the hidden suite gives {task.max_score:g} points, the notebook "
            f"{points:g}. Make them agree, then run `autograder release {report.lab}`."
        )
    return task.score


def _shown(cell: NotebookNode, report: Report) -> list[NotebookNode]:
    """Return the output of a code cell: the verdicts below a test cell, nothing elsewhere."""
    known = {task.task: task for task in report.tasks}
    if not is_grade(cell) or is_solution(cell) or _name(cell) not in known:
        return []
    text = _summary(known[_name(cell)])
    return [nbformat.v4.new_output("stream", name="stdout", text=text)]


def _summary(task: TaskResult) -> str:
    head = f"{task.score:g} of {task.max_score:g} points by the hidden tests\n"
    return head + "".join(_line(test) for test in task.tests)


def _line(test: TestResult) -> str:
    verdict = MARKS.get(test.verdict, test.verdict.value.replace("_", " "))
    said = f"\n    {inert(test.message)}" if test.message else ""
    return f"[{verdict}] {test.name} ({test.points:g}/{test.max_points:g}){said}\n"


def _forget_unscored(about: dict[str, str]) -> None:
    """Remove the empty record that nbgrader makes before it reads a file: it would count as zero.

    A record that holds a score, a comment or an extension stays as it was.
    """
    with Gradebook(about["db_url"]) as gradebook:
        try:
            record = gradebook.find_submission(about["assignment"], about["student"])
        except MissingEntry:
            return
        if record.extension is None and not any(_touched(part) for part in record.notebooks):
            gradebook.remove_submission(about["assignment"], about["student"])


def _touched(part: Any) -> bool:
    scored = any(g.auto_score is not None or g.manual_score is not None for g in part.grades)
    return scored or any(comment.manual_comment for comment in part.comments)
