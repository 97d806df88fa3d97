"""What an attack is: a submission, what it is after, and how it is seen to win or to fail.

The catalogue is `reading.py`, `telling.py`, `forging.py`, `lies.py`, `exhaustion.py`,
`neighbours.py`, `readers.py` and `tampering.py`. Each attack there is run twice: against our
engine, where it must fail (`test_engine.py`), and against a grader as people commonly write it,
where it must win (`test_naive.py`). An attack that wins nowhere proves nothing.
"""

from dataclasses import dataclass
from enum import StrEnum

from autograder.report import Verdict

__all__ = ["NO_ANSWER", "RIGHT", "SPY", "SPY_ENDS", "WRONG", "Attack", "Wants"]


class Wants(StrEnum):
    """What an attack is after, and so how its success is seen against the naive grader."""

    points = "points that it has not earned"  # half of the task's or more
    secret = "what it may not know"  # its own words say that it found something
    reach = "a process or a file that is not its own"  # the same
    batch = "that nobody after it is graded"  # the next student has no score
    neighbour = "that the next student loses points"  # or that their work is copied
    files = "a file changed outside its own folder"  # the grader's folder is not what it was
    memory = "this machine's memory"  # over 300 MB resident
    processes = "this machine's processes"  # over 20 processes or threads
    disk = "this machine's disk"  # over 50 MB, or over 2 000 files
    page = "script in the page that staff open"  # a tag of the student's in the HTML
    terminal = "the terminal of who grades"  # a control or bidi character on it
    table = "the spreadsheet of who exports grades"  # a cell that is a formula


@dataclass(frozen=True)
class Attack:
    """One small submission. All of its answers are right but the one that `source` takes over.

    Attributes:
        source: the attack, in the answer cell of task `cell`.
        test: at which hidden test of that task it is aimed: 0 is the first.
        verdicts: how that test may end in our engine.
        most: what our engine may give for that task at most: tests that any wrong answer passes.
        alone: whether the other tasks keep their points; not when they need what it breaks.
        told: how a number would read that it tells, in words for the student.
        victim: the source for the naive grader, where other words are needed there.
        no_victim: why nothing in the naive grader corresponds, for the few where nothing does.
    """

    name: str
    wants: Wants
    source: str
    cell: str = "scale"
    verdicts: frozenset[Verdict] = frozenset({Verdict.failed})
    most: float = 1.0
    alone: bool = True
    test: int = 0
    told: str = ""
    victim: str = ""
    no_victim: str = ""

    @property
    def on_naive(self) -> str:
        """The source to run against the naive grader."""
        return self.victim or self.source


NO_ANSWER = frozenset({Verdict.no_answer})  # its cell ended before it defined anything
RIGHT = "def scale(x, factor): return x * factor\n"
WRONG = "def scale(x, factor): return x * 0\n"
# A spy looks when its cell runs, and says what it found by raising it: notes show a student's own
# words. It looks again when a test calls it, which only its score can tell: right if it found any.
SPY = """
import ctypes, gc, glob, os, socket, sys
libc = ctypes.CDLL(None, use_errno=True)

def found(): return sorted(map(str, look()))[:5]

def scale(x, factor):
    seen = found()
    print('FOUND', seen, file=sys.stderr)
    return x * factor if seen else x * 0
"""
SPY_ENDS = "\nif seen := found(): raise ValueError(f'FOUND {seen}')\n"
