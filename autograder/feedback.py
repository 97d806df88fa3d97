"""The page that a student reads: `nbgrader generate_feedback` makes it with this exporter.

It shows the score, each hidden test by its name with the author's hint, the misconception that the
pattern of failures points to, and the student's own code, text and errors. It is made from the
report, never from cell outputs, so nothing of a hidden test can slip into it.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from nbconvert.exporters import Exporter
from nbformat.notebooknode import NotebookNode
from nbgrader.converters import GenerateFeedback, NbGraderException
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import GetGrades
from nbgrader.utils import is_grade, is_solution
from traitlets import default

from autograder.course import Course
from autograder.exchange import carry_receipt
from autograder.gradebook import report_of
from autograder.pages import render
from autograder.quiet import quiet_nbgrader
from autograder.report import Note, Report, TestResult, Verdict
from autograder.tables import counted
from autograder.ungraded import ungraded, write_not_graded

__all__ = [
    "FeedbackExporter",
    "GetGradesAndDoubts",
    "feedback_page",
    "write_feedback",
]

MOST_NOTES = 20
_SYNTAX = ("SyntaxError", "IndentationError", "TabError")


@dataclass(frozen=True)
class Part:
    """One grade cell, as the student sees it.

    Attributes:
        waiting: a person still has to grade it.
        number: the cell of the submitted notebook that the answer stands in; 0 if unknown.
        untouched: the answer was handed in as it came.
        stop: how the answer's own cell ended before the tests began, if it did not run to its end.
        misconceptions: sentences on what may lie behind the lost points.
    """

    title: str
    score: float
    max_score: float
    auto_score: float
    waiting: bool
    adjusted: bool
    written: bool
    answer: str
    number: int
    untouched: bool
    comment: str
    stop: Note | None
    misconceptions: tuple[str, ...]
    tests: tuple[TestResult, ...]

    @property
    def all_passed(self) -> bool:
        """Whether there is nothing to explain."""
        return all(test.verdict == Verdict.passed for test in self.tests)

    @property
    def folded(self) -> str:
        """What to say in place of the tests where none of them says anything more; else nothing."""
        tests = len(self.tests)
        if self.all_passed:
            return "The test passed" if tests == 1 else f"All {tests} tests passed"
        nothing = self.unwritten or (self.left_out and not self.score)
        return f"What {counted(tests, 'test')} would check" if nothing else ""

    @property
    def left_out(self) -> bool:
        """Whether nothing of the answer's cell was there to be tested."""
        return self.stop is not None and self.stop.kind in ("", *_SYNTAX)

    @property
    def unwritten(self) -> bool:
        """Whether there is no answer, in the answer's cell or in another."""
        return self.untouched and not any(test.reached for test in self.tests)

    @property
    def groups(self) -> list[tuple[TestResult, ...]]:
        """The tests in order; neighbours that one and the same thing kept from running together."""
        return [tuple(tests) for _, tests in groupby(self.tests, key=_obstacle)]


class GetGradesAndDoubts(GetGrades):
    """nbgrader's GetGrades, which also says what a person changed or has yet to grade."""

    def _get_comment(self, cell: NotebookNode, resources: Any) -> None:
        about = cell.metadata.nbgrader
        where = (about["grade_id"], self.notebook_id, self.assignment_id, self.student_id)
        comment = self.gradebook.find_comment(*where)
        about["comment"] = comment.manual_comment
        about["untouched"] = comment.auto_comment is not None  # nbgrader's "No response."

    def _get_score(self, cell: NotebookNode, resources: Any) -> None:
        super()._get_score(cell, resources)
        about = cell.metadata.nbgrader
        where = (about["grade_id"], self.notebook_id, self.assignment_id, self.student_id)
        grade = self.gradebook.find_grade(*where)
        about["auto_score"] = grade.auto_score
        about["waiting"] = grade.manual_score is None and grade.auto_score is None


class FeedbackExporter(Exporter):
    """Turns an autograded notebook with its report into one self-contained HTML page."""

    output_mimetype = "text/html"

    @default("file_extension")
    def _file_extension_default(self) -> str:
        return ".html"

    def from_notebook_node(self, nb: NotebookNode, resources: Any = None, **options: Any) -> Any:
        """Convert one notebook whose grades nbgrader's preprocessor has looked up."""
        nb, resources = super().from_notebook_node(nb, resources, **options)
        return feedback_page(nb, resources["nbgrader"]), resources


def feedback_page(nb: NotebookNode, grades: dict[str, Any]) -> str:
    """Write the page. `grades` holds the score, maximum and late penalty that nbgrader recorded."""
    report, parts = report_of(nb), list(_parts(nb))
    return render(
        "feedback.html.j2",
        title=nb.metadata["autograder"].get("title") or grades["assignment"],
        report=report,
        parts=parts,
        notes=_notes(report, parts),
        strays=[each.sentence for each in report.misconceptions if not each.task],
        score=grades["score"],
        max_score=grades["max_score"],
        late_penalty=grades["late_penalty"],
        waiting=sum(part.max_score for part in parts if part.waiting),
        share=_share,
    )


def write_feedback(course: Course, lab: str, students: list[str]) -> dict[str, str]:
    """Write the pages of some students. Returns {student: reason} for those that have none."""
    problems, without = {}, {report.student: report for report in ungraded(course, lab, students)}
    for student in students:
        if student in without:
            write_not_graded(course, without[student])
        elif not course.autograded(student, lab).exists():
            problems[student] = f"no recorded scores: run `autograder grade {lab}`"
        elif reason := _write_one(course, lab, student):
            problems[student] = reason
    return problems


def _write_one(course: Course, lab: str, student: str) -> str:
    config = course.config()
    config.CourseDirectory.assignment_id = lab
    config.CourseDirectory.student_id = student
    config.CourseDirectory.ignore = ["*"]
    config.GenerateFeedback.force = True
    converter = GenerateFeedback(coursedir=CourseDirectory(config=config), config=config)
    with quiet_nbgrader() as log:
        try:
            converter.start()
        except NbGraderException:
            return log.getvalue().strip()[-500:]
    carry_receipt(course.autograded(student, lab).parent, course.feedback(student, lab).parent)
    return ""


def _parts(nb: NotebookNode) -> Iterator[Part]:
    report = report_of(nb)
    answers = {cell.metadata.get("nbgrader", {}).get("grade_id"): cell for cell in nb.cells}
    heading = ""
    for cell in nb.cells:
        heading = _heading(cell) or heading
        if is_grade(cell):
            name = cell.metadata.nbgrader["grade_id"]
            answer = answers.get(f"{name}-answer", cell)
            yield _part(heading or name, cell, answer, report)


def _part(title: str, cell: NotebookNode, answer: NotebookNode, report: Report) -> Part:
    about, auto = cell.metadata.nbgrader, cell.metadata.nbgrader.get("auto_score")
    own = is_solution(answer)  # never show a test cell as if it were the student's
    number = answer.metadata.get("autograder", {}).get("number", 0)
    tests = {task.task: task.tests for task in report.tasks}
    stops = {note.cell: note for note in report.notes if note.cell}
    name, score = about["grade_id"], about["score"] or 0.0
    return Part(
        title=title,
        score=score,
        max_score=about["points"],
        auto_score=auto or 0.0,
        waiting=about["waiting"],
        adjusted=auto is not None and score != auto,
        written=answer.cell_type == "markdown",
        answer=answer.source if own else "",
        number=number,
        untouched=bool(answer.metadata.nbgrader.get("untouched")),
        comment=answer.metadata.nbgrader.get("comment") or "",
        stop=stops.get(number),
        misconceptions=tuple(m.sentence for m in report.misconceptions if m.task == name),
        tests=tests.get(name, ()),
    )


def _notes(report: Report, parts: Sequence[Part]) -> list[tuple[str, int]]:
    """Return each note with the number of the part whose answer stopped; 0 for other cells."""
    places = {part.stop: n for n, part in enumerate(parts, start=1)}
    return [(str(note), places.get(note, 0)) for note in report.notes[:MOST_NOTES]]


def _obstacle(test: TestResult) -> tuple[object, ...]:
    """Return what kept a test from running; for one that ran, something of its own."""
    ran = test.reached and test.verdict in (Verdict.passed, Verdict.failed)
    return (test.name, id(test)) if ran else (test.verdict, test.message)


def _heading(cell: NotebookNode) -> str:
    """Return the first heading of the instructor's Markdown, without its points."""
    own = is_solution(cell) or cell.metadata.get("autograder", {}).get("own")
    if cell.cell_type != "markdown" or own:
        return ""
    found = re.search(r"^#+ +(.+?)(?: *\([\d.]+ points?\))? *$", cell.source, re.M)
    return found[1] if found else ""


def _share(score: float, most: float) -> int:
    return round(100 * min(max(score, 0.0), most) / most) if most else 0
