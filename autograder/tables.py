"""What the command line prints: a bar while it works, tables at the end.

Students' names and reasons are cleaned first: a terminal obeys what it is told.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from autograder.inert import inert_line
from autograder.report import Report

if TYPE_CHECKING:
    from autograder.changes import Change
    from autograder.validate import Row, ValidationResult

__all__ = [
    "Steps",
    "changes_table",
    "counted",
    "grades_table",
    "list_problems",
    "show_check",
    "validation_table",
]


class Steps:
    """A progress bar, as a context manager that gives a function to call at each step."""

    def __init__(self, console: Console, what: str, total: int) -> None:
        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
        self._bar = Progress(*columns, TimeElapsedColumn(), console=console, transient=True)
        self._task = self._bar.add_task(what, total=total)

    def __enter__(self) -> Callable[[], None]:
        self._bar.start()
        return lambda: self._bar.advance(self._task)

    def __exit__(self, *error: object) -> None:
        self._bar.stop()


def grades_table(lab: str, reports: Sequence[Report], problems: dict[str, str]) -> Table:
    """Return the table that ends `grade`; `problems` are the students who were not recorded.

    A column says who was graded behind which walls, unless the same stood for all.
    """
    title = f"{lab}: {counted(len(reports), 'submission')}"
    table = Table(title=title, title_justify="left", caption_justify="left")
    kinds = {(each.walls, each.weakness) for each in reports if each.status == "graded"}
    table.caption = "\n".join(_named(*kind) for kind in sorted(kinds, reverse=True))
    names = ("student", "score", "max", "status", "seconds", "walls")[: 6 if len(kinds) > 1 else 5]
    for name in names:
        right = name in ("score", "max", "seconds", "walls")
        table.add_column(name, justify="right" if right else "left", overflow="fold")
    for report in reports:
        table.add_row(*map(escape, _grade_row(report, problems)[: len(names)]))
    return table


def counted(number: int, what: str) -> str:
    """Say how many of something there are.

    >>> counted(1, "wall"), counted(0, "wall")
    ('1 wall', '0 walls')
    """
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def changes_table(lab: str, changes: Sequence["Change"], total: int) -> Table:
    """Return the table of `changes`: `total` students have more than one graded report."""
    title = f"{lab}: {len(changes)} changed of {total} graded more than once"
    table = Table(title=title, title_justify="left")
    for name in ("student", "before", "after", "max", "tests", "why"):
        right = name in ("before", "after", "max")
        table.add_column(name, justify="right" if right else "left", overflow="fold")
    for each in changes:
        scores = ("–" if score is None else f"{score:g}" for score in (each.before, each.after))
        tests, why = "\n".join(map(inert_line, each.tests)), inert_line("; ".join(each.why), 500)
        row = (inert_line(each.student), *scores, f"{each.max_score:g}", tests, why)
        table.add_row(*map(escape, row))
    return table


def list_problems(console: Console, reports: Sequence[Report], problems: dict[str, str]) -> None:
    """Print who has no score, or a score that nbgrader doesn't know, and why."""
    for report in reports:
        if report.status != "graded":
            _say(console, "not graded", report.student, report.reason)
    for student, reason in problems.items():
        _say(console, "graded, but not recorded", student, reason)


def show_check(console: Console, name: str, ok: bool | None, detail: str) -> None:
    """Print one line: whether a wall holds, and what was tried. None: what no wall stops."""
    sign = {True: "[green]✓[/]", False: "[bold red]✗[/]", None: "[yellow]–[/]"}[ok]
    console.print(f"{sign} [bold]{escape(name)}[/]  {escape(detail)}", soft_wrap=True)


def validation_table(result: "ValidationResult") -> Table:
    """Return the table that ends `validate`: what each answer scores, and which tests it fails."""
    title = f"{result.lab}: the suite is {'valid' if result.ok else 'NOT valid'}"
    table = Table(title=title, title_justify="left")
    for name in ("", "answer", "kind", "score", "max", "what is wrong, or the tests that fail"):
        right = name in ("score", "max")
        table.add_column(name, justify="right" if right else "left", overflow="fold")
    for row in result.rows:
        table.add_row(*_validation_row(row))
    return table


def _grade_row(report: Report, problems: dict[str, str]) -> tuple[str, ...]:
    ok = report.status == "graded"
    status = "not recorded" if report.student in problems else report.status.replace("_", " ")
    score = (f"{report.score:g}", f"{report.max_score:g}") if ok else ("–", "–")
    walls = str(len(report.walls)) if ok else "–"
    return inert_line(report.student), *score, status, f"{report.seconds:.2f}", walls


def _named(walls: tuple[str, ...], weakness: str) -> str:
    said = ", ".join(walls) + f" ({weakness})" * bool(weakness) if walls else weakness
    return f"{counted(len(walls), 'wall')}: {said}"


def _validation_row(row: "Row") -> tuple[str, ...]:
    sign = "[green]✓[/]" if row.ok else "[red]✗[/]"
    score = (f"{row.score:g}", f"{row.max_score:g}") if row.max_score else ("", "")
    problem = f"[red]{escape(row.problem)}[/]" if row.problem else ""
    about = "\n".join(filter(None, [problem, escape(_blamed(row))]))
    return sign, escape(row.name), row.kind, *score, about


def _blamed(row: "Row") -> str:
    """Say which tests a mutant fails, and how those ended that a right answer fails."""
    if row.kind == "mutant":
        return ", ".join(name.removeprefix("test_") for name in row.failing)
    if row.ok or row.kind == "untouched":
        return ""
    return "\n".join(f"{name}: {how}" for name, how in row.failing.items() if how != "not_run")


def _say(console: Console, what: str, student: str, reason: str) -> None:
    shown = escape(f"{inert_line(student)}: {inert_line(reason, 500)}")
    console.print(f"[bold red]{what}:[/] {shown}", soft_wrap=True)
