"""Tells a student what they misunderstood, by comparing their answers with those of known mutants.

`validate` grades each mutant once with inputs that are the same for everybody and keeps how each
test of its task ended, values and all, in `matrix.json`. A task that a student failed is run once
more with these inputs. Who gives the very same wrong answers as a mutant, at the same checks of the
same tests, made the same mistake, as far as the tests can see. Which tests fail is not enough to go
by: many mistakes fail the same ones. A false word is worse than none. `benchmarks/diagnosis.py`
measures how often this is right.
"""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from autograder.report import Misconception
from autograder.suite import Suite

__all__ = [
    "MATRIX",
    "SAME_INPUTS",
    "Entry",
    "Signs",
    "diagnose",
    "misconceptions",
    "read_matrix",
    "suspects",
    "write_matrix",
]

MATRIX = "matrix.json"
SAME_INPUTS = -1  # in the place of a seed: every submission meets the same inputs
Signs = Mapping[str, str]  # {test function: `Outcome.sign`}
_MOST = 2
_VALUE = re.compile(r"^failed .*: got .*, expected ", re.S)
_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?")
_CLOSE = 1e-6


@dataclass(frozen=True)
class Entry:
    """One mutant's row of the matrix.

    Attributes:
        signs: {test of its task: how it ended with the inputs that are the same for all}.
    """

    task: str
    misconception: str
    signs: Signs

    @property
    def lost(self) -> dict[str, str]:
        """The tests that the mutant does not pass, and how they end."""
        return {test: sign for test, sign in self.signs.items() if sign != "passed"}

    def matches(self, signs: Signs) -> bool:
        """Whether all that this mutant gets wrong is wrong in the same way.

        What else is wrong does not matter where a value agrees: there may be a second mistake.
        Without a value the whole task must end alike. Code that only raises says nothing: it may
        not be written yet.
        """
        if not any(_is_wrong(sign) for sign in self.lost.values()):
            return False
        telling = any(_VALUE.search(sign) for sign in self.lost.values())
        compared = self.lost if telling else self.signs
        return all(_alike(signs.get(test, ""), own) for test, own in compared.items())


def suspects(suite: Suite, signs: Signs) -> list[str]:
    """Name the tests to run again: those of each task with a wrong value, and with mutants."""
    known = {entry.task for entry in read_matrix(suite).values()}
    wrong = {spec.task for spec in suite.tests if _is_wrong(signs.get(spec.function, ""))}
    return [spec.function for spec in suite.tests if spec.task in known & wrong]


def misconceptions(suite: Suite, signs: Signs) -> tuple[Misconception, ...]:
    """Return each mistake that the tests, run with SAME_INPUTS, point to, with its task."""
    matrix = read_matrix(suite)
    return tuple(_told([matrix[name] for name in names]) for names in diagnose(matrix, signs))


def diagnose(matrix: Mapping[str, Entry], signs: Signs) -> list[tuple[str, ...]]:
    """Name the mutants that give these answers; two that can't be told apart stand together.

    A mutant that gets only a part of what another gets wrong is not named beside it. Where more
    than two would do, nothing is said.
    """
    matching = {name: entry for name, entry in matrix.items() if entry.matches(signs)}
    found: dict[frozenset[str], list[str]] = {}
    for name, entry in matching.items():
        if not any(entry.lost.keys() < other.lost.keys() for other in matching.values()):
            found.setdefault(frozenset(entry.lost), []).append(name)
    return [tuple(names) for names in found.values() if len(names) <= _MOST]


def _is_wrong(sign: str) -> bool:
    return sign.startswith("failed")


def _alike(sign: str, other: str) -> bool:
    """Whether two signs say the same, numbers to six digits."""
    if sign == other:
        return True
    ours, theirs = _NUMBER.findall(sign), _NUMBER.findall(other)
    same_words = _NUMBER.sub("0", sign) == _NUMBER.sub("0", other)
    return same_words and all(
        math.isclose(float(a), float(b), rel_tol=_CLOSE) for a, b in zip(ours, theirs, strict=True)
    )


def _told(entries: list[Entry]) -> Misconception:
    """Say what mutants that lose the same tests, so of one task, misunderstand."""
    sentences = list(dict.fromkeys(entry.misconception for entry in entries))
    one = len(sentences) == 1
    said = sentences[0] if one else f"One of two: {' Or: '.join(sentences)}"
    return Misconception(entries[0].task, said)


def read_matrix(suite: Suite) -> dict[str, Entry]:
    """Return {mutant: its row}; empty when the matrix is not of this very suite."""
    path = suite.path / MATRIX
    if not path.is_file():
        return {}
    said = json.loads(path.read_text(encoding="utf-8"))
    rows = said.get("entries", {}) if said["suite_digest"] == suite.digest else {}
    return {name: Entry(**row) for name, row in rows.items()}


def write_matrix(suite: Suite, matrix: Mapping[str, Entry]) -> Path:
    """Keep the matrix beside the suite."""
    path = suite.path / MATRIX
    rows = {name: asdict(entry) for name, entry in matrix.items()}
    text = json.dumps({"suite_digest": suite.digest, "entries": rows}, indent=1, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")
    return path
