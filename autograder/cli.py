"""The command `autograder`: one sub-command per step of a lab's life.

Exit codes: 0 everything graded; 1 some submissions not graded, which are listed; 2 wrong use, or
a mistake in the lab's own files; 3 the grader itself can't work here.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from autograder import results
from autograder.console import (
    CANNOT_WORK,
    SOME_NOT_GRADED,
    WRONG_USE,
    CourseDir,
    Lab,
    Student,
    class_of,
    err,
    out,
    own_course,
    require_one_of,
    write_json,
)
from autograder.course import Course, WrongUseError, use_own_environment
from autograder.errors import GraderError, NotebookError, SuiteError
from autograder.report import Report
from autograder.storage import require_writable
from autograder.suite import Suite
from autograder.tables import (
    Steps,
    counted,
    grades_table,
    list_problems,
    show_check,
    validation_table,
)

__all__ = ["app", "main"]

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="Releases, grades and reports on the labs. Start with `autograder doctor`.",
    pretty_exceptions_enable=False,
)


@app.command()
def doctor() -> None:
    """Say which walls this machine can put around student code, and prove each.

    Example: `autograder doctor`
    """
    from autograder import doctor as clinic

    failed = 0
    for check in clinic.examine():
        failed += check.ok is False
        show_check(out, check.name, check.ok, check.detail)
    if failed:
        out.print(f"[bold red]{counted(failed, 'check')} failed:[/] don't grade here.")
        raise typer.Exit(CANNOT_WORK)
    out.print("All walls hold: you can grade.")


@app.command()
def new(lab: Lab) -> None:
    """Write a small lab to start from: a notebook, hidden tests, mutants and alternatives.

    It can be validated and released as it stands. Nothing is overwritten.

    Example: `autograder new lab03`
    """
    from autograder.scaffold import new_lab

    course = own_course()
    for file in new_lab(course, lab):
        out.print(f"wrote {file.relative_to(course.root)}", soft_wrap=True)
    out.print(f"Edit them, then prove them: `autograder validate {lab}`")


@app.command()
def release(
    lab: Annotated[
        str | None, typer.Argument(metavar="[LAB]", help="The lab's name.", show_default=False)
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Release every lab.")] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit 1 when labs/ is out of date.")
    ] = False,
) -> None:
    """Write the students' version of a lab to labs/, without solutions.

    Example: `autograder release lab02`, or `autograder release --all --check`
    """
    course = own_course()
    if (lab is None) == (not every):
        raise WrongUseError("Name one lab, or give --all: autograder release lab02")
    names = course.labs() if lab is None else [course.require_lab(lab)]
    if not (_check_release(course, names) if check else _release(course, names)):
        raise typer.Exit(SOME_NOT_GRADED)


@app.command()
def validate(
    lab: Lab,
    draws: Annotated[
        int,
        typer.Option(
            min=1,
            metavar="N",
            help="Grade right answers with N draws of random inputs. Many, say 100, find a test "
            "that is unfair to a few students.",
        ),
    ] = 1,
) -> None:
    """Prove that a hidden suite is right: solution and alternatives pass, every mutant is caught.

    Example: `autograder validate lab02`, or `autograder validate lab02 --draws 100`
    """
    from autograder import validate as checks
    from autograder.reproduce import command_for

    course = own_course()
    suite = _require_suite(course, lab)
    with Steps(err, f"validating {lab}", checks.gradings(suite, draws)) as advance:
        result = checks.validate(suite.path, draws=draws, on_graded=advance)
    out.print(validation_table(result))
    commands = [
        command_for(row, suite, course.root / "_build" / "validate" / lab) for row in result.rows
    ]
    if shown := next(filter(None, commands), ""):
        out.print(f"See it happen (--pdb stops there):\n  {escape(shown)}", soft_wrap=True)
    raise typer.Exit(0 if result.ok else SOME_NOT_GRADED)


@app.command()
def grade(
    lab: Lab,
    submissions: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="nbgrader's submitted/ folder.", show_default=False),
    ] = None,
    course: CourseDir = None,
    student: Student = None,
    runner: Annotated[str, typer.Option(help="Where to grade: local.")] = "local",
    jobs: Annotated[
        int | None,
        typer.Option(
            min=1, help="Submissions at a time. Default: one per core.", show_default=False
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    json_file: Annotated[
        Path | None,
        typer.Option(
            "--json", metavar="FILE", help="Write the results here, as JSON.", show_default=False
        ),
    ] = None,
    no_sandbox: Annotated[
        bool,
        typer.Option("--no-sandbox", help="For your own solutions only. Records nothing."),
    ] = False,
) -> None:
    """Grade every submission in the sandbox, and record the scores in nbgrader's gradebook.

    What is graded already is not graded again. A submission that can't be graded gets no score,
    is listed with its reason, and stops nothing.

    Example: `autograder grade lab02 --submissions _build/sample-class/submitted`
    """
    from autograder.diagnosis import read_matrix

    require_one_of("runner", runner, ["local"])
    require_one_of("device", device, ["auto", "cpu", "cuda"])
    where = class_of(course, submissions)
    suite = _require_suite(where, lab, device)
    if json_file is not None:
        require_writable(json_file)
    if not read_matrix(suite):
        err.print(_UNPROVEN.format(lab=lab), soft_wrap=True)
    reports = _grade(where, lab, student, jobs=jobs, sandbox=not no_sandbox)
    problems = {} if no_sandbox else _record(where, lab, reports)
    out.print(grades_table(lab, reports, problems))
    list_problems(err, reports, problems)
    if json_file is not None:
        from autograder.dashboard import as_json

        write_json(json_file, as_json(lab, reports))
    if problems or any(report.status != "graded" for report in reports):
        raise typer.Exit(SOME_NOT_GRADED)


@app.command()
def shell(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A notebook.", show_default=False)],
    lab: Annotated[
        str | None,
        typer.Option(
            metavar="LAB",
            help="Default: what the file or its folder is named after.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Open a Python prompt on a submission, in the sandbox: `student` is the notebook.

    Call what a hidden test calls and see what it sees. Ctrl-C ends a running call, Ctrl-D leaves.

    Example: `autograder shell submitted/ada/lab02/lab02.ipynb`
    """
    from autograder.shell import lab_of, prompt

    if not file.exists():
        raise WrongUseError(f"No file {file.absolute()}. Give a notebook.")
    course = own_course()
    name = lab or lab_of(file)
    if name is None:
        raise WrongUseError(f"Which lab is {file.name}? Say so: autograder shell FILE --lab lab02")
    prompt(_require_suite(course, name), file)


@app.command()
def samples(lab: Lab, course: CourseDir = None) -> None:
    """Hand in the sample class: right, wrong, broken and hostile submissions.

    Example: `autograder samples lab02`
    """
    from autograder.samples import build

    root = own_course().root
    where = Course(course.absolute() if course else root / "_build" / "sample-class", root)
    where.require_lab(lab)
    build(lab, where.submitted)
    where.prepare()
    number = counted(len(where.students(lab)), "submission")
    out.print(f"{number} in {where.submitted}", soft_wrap=True)


_UNPROVEN = (
    "{lab}: this suite has not been validated since it changed, so no misconception is named in "
    "the feedback: run `autograder validate {lab}`."
)

for command in (
    results.feedback,
    results.report,
    results.changes,
    results.export,
    results.extend,
    results.formgrader,
):
    app.command()(command)


def main() -> None:
    """Run the command line; turn errors into a message and an exit code."""
    use_own_environment()
    try:
        app()
    except Exception as error:
        if (code := _code_of(error)) is None:
            raise
        err.print(f"[bold red]autograder:[/] {escape(str(error))}", soft_wrap=True)
        sys.exit(code)


def _code_of(error: Exception) -> int | None:
    """Return the exit code that an error stands for; None for one that is a bug."""
    from autograder.database import DamagedGradebookError
    from autograder.release import ReleaseError

    if isinstance(error, WrongUseError | ReleaseError | NotebookError | SuiteError):
        return WRONG_USE
    return CANNOT_WORK if isinstance(error, GraderError | DamagedGradebookError) else None


def _require_suite(course: Course, lab: str, device: str = "auto") -> Suite:
    course.require_lab(lab)
    folder = course.hidden / lab
    if not folder.is_dir():
        raise WrongUseError(f"{lab} has no hidden suite in {folder}: it can't be graded.")
    if not (folder / "lab.toml").is_file():
        raise WrongUseError(f"{folder} has no lab.toml: it can't be graded. An empty file will do.")
    suite = course.suite(lab)
    if device == "cuda" and suite.device != "cuda":
        raise WrongUseError(f"{lab} is graded on the CPU: {folder / 'lab.toml'} asks for no GPU.")
    suite.require_modules()
    return suite


def _grade(course: Course, lab: str, student: str | None, **how: Any) -> list[Report]:
    from autograder.batch import grade_batch
    from autograder.database import require_healthy

    students = course.require_students(lab, student)
    require_healthy(course.database)
    course.config()  # what is wrong with it is better known before
    done: list[Report] = []

    def kept() -> str:
        return f"{len(done)} of {len(students)} stored" if how["sandbox"] else "Nothing is stored"

    with Steps(err, f"grading {lab}", len(students)) as advance, _stoppable(kept):

        def ready(report: Report) -> None:
            done.append(report)
            advance()

        return grade_batch(course, lab, students, on_report=ready, **how)


@contextmanager
def _stoppable(kept: Callable[[], str]) -> Iterator[None]:
    """Say at Ctrl-C what is kept and how to go on."""
    try:
        yield
    except KeyboardInterrupt as stopped:
        err.print(f"Stopped. {kept()}. Run the same command again: it does the rest.")
        raise typer.Exit(SOME_NOT_GRADED) from stopped


def _record(course: Course, lab: str, reports: Sequence[Report]) -> dict[str, str]:
    from autograder.recording import record
    from autograder.storage import usable

    with usable(course.directory):
        course.prepare()
    graded = sum(report.status == "graded" for report in reports)
    kept = "All that could be graded is stored, not all of it recorded"
    with Steps(err, "recording", graded) as advance, _stoppable(lambda: kept):
        return record(course, lab, reports, on_recorded=lambda student: advance())


def _release(course: Course, labs: Sequence[str]) -> bool:
    from autograder import release as releasing

    for lab in labs:
        out.print(f"released {releasing.release(course, lab)}")
    return True


def _check_release(course: Course, labs: Sequence[str]) -> bool:
    """Whether labs/ is what a release would write; says how it differs."""
    from autograder import release as releasing

    fresh = True
    for lab in labs:
        if differences := releasing.check(course, lab):
            fresh = False
            err.print(f"{lab} is out of date; run `autograder release {lab}`:", soft_wrap=True)
            err.print(escape("\n".join(differences)), soft_wrap=True, highlight=False)
    if fresh:
        out.print(f"labs/ is up to date: {', '.join(labs) or 'no labs'}")
    return fresh
