"""Says which walls this machine gets, and proves each by trying to get through it.

A check that can't be made counts as a wall that isn't there.
"""

import inspect
import platform
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from textwrap import dedent

from autograder.errors import GraderError, StudentError, WorkerLost
from autograder.notebook import Cell
from autograder.remote import Student
from autograder.sandbox import Sandbox
from autograder.sandbox.attempts import ATTEMPTS, KILLED
from autograder.sandbox.bwrap import View, find_bwrap
from autograder.session import Session
from autograder.suite import Limits

__all__ = ["Check", "examine"]

_LIMITS = Limits(memory_mb=256, call_seconds=3, test_seconds=3, scratch_mb=64)


@dataclass(frozen=True)
class Check:
    """One wall: its name, whether it holds, and what was tried or went wrong."""

    name: str
    ok: bool
    detail: str


def examine() -> Iterator[Check]:
    """Yield a check for each wall, as soon as it is known. Without a sandbox the rest is left out.

    Takes about 15 seconds.
    """
    yield Check("Python", True, f"{platform.python_version()} on {platform.platform()}")
    try:
        yield Check("bubblewrap", True, find_bwrap())
        with Sandbox(View(scratch_bytes=_LIMITS.scratch_mb * 2**20)) as sandbox:
            yield Check("sandbox", True, f"started, with {', '.join(sandbox.walls)}")
            yield from (attempt(sandbox, each) for each in ATTEMPTS)
    except GraderError as error:
        yield Check("sandbox", False, str(error))


def attempt(sandbox: Sandbox, tried: Callable[[], bool]) -> Check:
    """Let a fresh worker try to get through one wall."""
    session = Session(sandbox, [Cell(dedent(inspect.getsource(tried)), 1)], _LIMITS, 0)
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
