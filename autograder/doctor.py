"""Says which walls this machine gets, and proves each by trying to get through it.

A check that can't be made counts as a wall that isn't there.
"""

import inspect
import platform
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

from autograder.errors import GraderError, StudentError, WorkerLost
from autograder.limits import Limits
from autograder.notebook import Cell
from autograder.remote import Student
from autograder.sandbox import Fallback, Host, Walls, kind
from autograder.sandbox.attempts import ATTEMPTS, KILLED
from autograder.sandbox.bwrap import ROOT, View, find_bwrap, why_unusable
from autograder.sandbox.fallback import GAPS
from autograder.session import Session

__all__ = ["Check", "examine"]

_LIMITS = Limits(memory_mb=256, call_seconds=3, test_seconds=3, scratch_mb=64)


@dataclass(frozen=True)
class Check:
    """One wall: its name, whether it holds, and what was tried or went wrong.

    `ok` is None for what no wall here stops: known, and no reason not to grade.
    """

    name: str
    ok: bool | None
    detail: str


def examine(walls: Walls = "auto") -> Iterator[Check]:
    """Yield a check for each wall, as soon as it is known. Without a sandbox the rest is left out.

    Takes about 20 seconds.
    """
    yield Check("Python", True, f"{platform.python_version()} on {platform.platform()}")
    chosen = kind(walls)
    try:
        yield from _weaker() if chosen is Fallback else [Check("bubblewrap", True, find_bwrap())]
        with chosen(View(scratch_bytes=_LIMITS.scratch_mb * 2**20)) as sandbox:
            yield Check("sandbox", True, f"started, with {', '.join(sandbox.walls)}")
            yield from (attempt(sandbox, each) for each in ATTEMPTS)
    except GraderError as error:
        yield Check("sandbox", False, str(error))


def _weaker() -> Iterator[Check]:
    why = why_unusable() or "not asked for"
    yield Check("bubblewrap", None, f"{why}; so the weaker walls are used, without namespaces")
    yield from (Check("not stopped", None, gap) for gap in GAPS)


def attempt(sandbox: Host, tried: Callable[[], bool]) -> Check:
    """Let a fresh worker try to get through one wall."""
    known = f"ROOT, HOME = {str(ROOT)!r}, {str(Path.home())!r}\n\n"
    cell = Cell(known + dedent(inspect.getsource(tried)), 1)
    session = Session(sandbox, [cell], _LIMITS, 0)
    try:
        how = _how_it_went(session, tried)
    finally:
        session.close()
    what = " ".join((tried.__doc__ or "").split()).rstrip(".")
    name = tried.__name__.replace("_", " ")
    return Check(name, not how, f"{what}: {how or 'it could not'}")


def _how_it_went(session: Session, tried: Callable[[], bool]) -> str:
    """Say what is wrong; nothing when the wall held."""
    try:
        session.begin_test(_LIMITS.test_seconds)
        through = getattr(Student(session), tried.__name__)()
    except WorkerLost as error:
        return "" if tried in KILLED else error.reason
    except StudentError as error:
        return f"the attempt itself failed: {error}"
    return "" if through is False else "it could"
