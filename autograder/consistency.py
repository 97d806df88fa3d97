"""Whether a lab's notebook and its hidden suite fit together, before any answer is graded.

The visible checks are run as students run them: in the sandbox, but with every module that grading
forbids, since a check may compare with it.
"""

from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import replace

from autograder.errors import WorkerLost
from autograder.notebook import (
    Cell,
    Notebook,
    grade_id,
    is_answer,
    is_check,
    is_exploration,
    released,
    with_answers,
)
from autograder.sandbox import Host, for_suite
from autograder.session import Session
from autograder.suite import Suite

__all__ = ["inconsistencies"]

_NO_MUTANT = "mutants.py has no wrong answer to {}: none shows that it is caught"
_NO_ALTERNATIVE = "alternatives.py has no other right answer to {}: none shows that it may pass"


def inconsistencies(suite: Suite) -> dict[str, str]:
    """Return {what was looked at: what is wrong with it}, empty where all is well.

    SuiteError when the notebook or a file of the suite can't be used at all, SandboxError when no
    sandbox works here.
    """
    return {
        "points": _points(suite),
        "answer cells": _answer_cells(suite),
        "mutants": _without(suite, _NO_MUTANT, {each.task for each in suite.mutants}),
        "alternatives": _without(suite, _NO_ALTERNATIVE, _written_twice(suite)),
        "visible checks": "; ".join(_visible_checks(suite)),
    }


def _without(suite: Suite, problem: str, tasks: set[str]) -> str:
    lacking = [task for task in suite.tasks if task not in tasks]
    return problem.format(" or ".join(lacking)) if lacking else ""


def _written_twice(suite: Suite) -> set[str]:
    """The tasks that an alternative answers in its own way."""
    return {name.removesuffix("-answer") for each in suite.alternatives for name in each.answers}


def _points(suite: Suite) -> str:
    """The points of the hidden tests are those of the notebook's grade cells."""
    cells = {
        grade_id(cell) or "": float(cell["metadata"]["nbgrader"].get("points", 0))
        for cell in _checks(suite.source)
    }
    return "; ".join(
        f"{name}: {cells.get(name)} in the notebook, {suite.tasks.get(name)} in the tests"
        for name in sorted(cells.keys() | suite.tasks.keys())
        if cells.get(name) != suite.tasks.get(name)
    )


def _answer_cells(suite: Suite) -> str:
    """Feedback finds the code of a task by the name of its answer cell."""
    answers = {grade_id(cell) for cell in suite.source["cells"] if is_answer(cell)}
    names = [f"{grade_id(check)}-answer" for check in _checks(suite.source)]
    missing = [name for name in names if name not in answers]
    return f"the notebook has none called {', '.join(missing)}" if missing else ""


def _visible_checks(suite: Suite) -> list[str]:
    """Right answers pass every visible check; where nothing is written, none passes."""
    right = {"the solution": suite.source}
    for other in suite.alternatives:
        right[other.name] = with_answers(suite.source, other.answers)
    untouched = released(suite.source)
    with for_suite(replace(suite, forbidden=())) as sandbox:
        wrong = [
            f"{whose} fails in {name}: {note}"
            for whose, nb in right.items()
            for name, note in _raised(suite, sandbox, nb).items()
        ]
        raised = _raised(suite, sandbox, untouched)
    checks = [grade_id(cell) for cell in _checks(untouched) if _has_code(cell)]
    idle = [f"{name} passes where nothing is written" for name in checks if name not in raised]
    return wrong or idle


def _raised(suite: Suite, sandbox: Host, nb: Notebook) -> dict[str, str]:
    """Run a notebook, its visible checks too: {cell that raised: what, and where}."""
    cells = list(_code(nb))
    session = Session(sandbox, cells, suite.limits, 0)
    with closing(session), suppress(WorkerLost):  # a note says where
        session.begin_test(suite.limits.cells_seconds)
    return {
        cell.label: str(note)
        for cell in cells
        for note in session.notes
        if note.cell == cell.number
    }


def _code(nb: Notebook) -> Iterator[Cell]:
    for number, cell in enumerate(nb["cells"], start=1):
        if cell.get("cell_type") == "code" and not is_exploration(cell):
            yield Cell(cell["source"], number, grade_id(cell) or f"cell {number}")


def _checks(nb: Notebook) -> list[Notebook]:
    return [cell for cell in nb["cells"] if is_check(cell)]


def _has_code(cell: Notebook) -> bool:
    lines = map(str.strip, cell["source"].splitlines())
    return any(line and not line.startswith("#") for line in lines)
