"""The commands of `autograder` for what is graded: they read and mend the gradebook."""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from autograder.console import (
    SOME_NOT_GRADED,
    CourseDir,
    Lab,
    Student,
    class_of,
    err,
    out,
    require_one_of,
    write_json,
)
from autograder.course import WrongUseError
from autograder.inert import inert_line
from autograder.storage import require_writable, usable, writing
from autograder.tables import changes_table, counted, list_problems

__all__ = ["changes", "export", "extend", "feedback", "formgrader", "report"]


def feedback(lab: Lab, course: CourseDir = None, student: Student = None) -> None:
    """Write each student's feedback page to feedback/.

    Example: `autograder feedback lab02 --course _build/sample-class`
    """
    from autograder.feedback import write_feedback
    from autograder.ungraded import ungraded

    where = class_of(course)
    where.require_lab(lab)
    students = where.require_students(lab, student)
    without = ungraded(where, lab, students)
    list_problems(err, without, {})
    pages = where.directory / "feedback"
    require_writable(pages / ".new")
    with usable(pages):
        problems = write_feedback(where, lab, students)
    for name, reason in problems.items():
        err.print(f"no feedback for {escape(inert_line(name))}: {escape(reason)}")
    out.print(f"{counted(len(students) - len(problems), 'page')} in {pages}", soft_wrap=True)
    raise typer.Exit(SOME_NOT_GRADED if problems or without else 0)


def report(lab: Lab, course: CourseDir = None) -> None:
    """Write the class report: report.html and report.json in the class's folder.

    Example: `autograder report lab02 --course _build/sample-class`
    """
    from autograder.dashboard import write_class_report
    from autograder.store import Store

    where = class_of(course)
    where.require_lab(lab)
    known = set(where.require_students(lab))
    latest = Store(where.reports).latest(lab) if where.reports.exists() else []
    reports = [report for report in latest if report.student in known]
    if not reports:
        raise WrongUseError(
            f"Nothing graded yet in {where.directory}: run `autograder grade {lab}`."
        )
    with writing(where.directory / "report.html"):
        page, _ = write_class_report(where.directory, lab, where.suite(lab).title, reports)
    out.print(f"class report: {page}")


def changes(
    lab: Lab,
    course: CourseDir = None,
    json_file: Annotated[
        Path | None,
        typer.Option(
            "--json", metavar="FILE", help="Write the changes here, as JSON.", show_default=False
        ),
    ] = None,
) -> None:
    """Say whose outcome changed when it was graded again, which tests, and why.

    Correct a suite, run `autograder grade`, then look here before you publish. Points and comments
    that a person gave stay as they are.

    Example: `autograder changes lab02`
    """
    from autograder.changes import changes as compare
    from autograder.store import Store

    where = class_of(course)
    where.require_lab(lab)
    found, total = compare(Store(where.reports), lab) if where.reports.exists() else ([], 0)
    out.print(changes_table(lab, found, total))
    if json_file is not None:
        write_json(json_file, {"lab": lab, "changes": [each.to_dict() for each in found]})


def export(
    lab: Lab,
    course: CourseDir = None,
    form: Annotated[str, typer.Option("--format", help="The kind of file: csv.")] = "csv",
    target: Annotated[
        Path | None,
        typer.Option(
            "--to",
            metavar="FILE",
            help="Default: LAB-grades.csv in the class's folder.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Write a lab's grades for other programs, as `nbgrader export` does for all labs.

    Who has no final score gets an empty field, never a zero, and the reason beside it.

    Example: `autograder export lab02 --format csv --to lab02.csv`
    """
    from autograder.export import export_lab

    require_one_of("format", form, ["csv"])
    where = class_of(course)
    where.require_lab(lab)
    path = target or where.directory / f"{lab}-grades.csv"
    out.print(f"{counted(export_lab(where, lab, path), 'row')} in {path}", soft_wrap=True)


def extend(
    lab: Lab,
    student: Annotated[str, typer.Argument(metavar="STUDENT", help="Who gets more time.")],
    course: CourseDir = None,
    days: Annotated[float, typer.Option(min=0, help="Days after the lab's due date.")] = 0,
    hours: Annotated[float, typer.Option(min=0, help="Hours, on top of the days.")] = 0,
) -> None:
    """Give one student more time for a lab.

    A second extension takes the place of the first. One of 0 days takes it back.

    Example: `autograder extend lab02 ada --days 3`
    """
    from autograder.late import grant_extension

    where = class_of(course)
    where.require_lab(lab)
    due = grant_extension(where, lab, student, hours=24 * days + hours)
    out.print(f"{escape(inert_line(student))}: {lab} is due {due}")


def formgrader(
    course: CourseDir = None,
    port: Annotated[int, typer.Option(min=1, max=65535, help="The port on this machine.")] = 8888,
) -> None:
    """Open a class in nbgrader's formgrader, in JupyterLab, to read and grade by hand.

    Example: `autograder formgrader --course _build/sample-class`
    """
    from autograder.formgrader import serve

    where = class_of(course)
    where.prepare()
    serve(where, port)
