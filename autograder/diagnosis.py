"""Tells a student what they misunderstood, by comparing which tests fail with known mutants.

`validate` writes `matrix.json` beside the hidden tests: for each mutant, how each test of its task
ended. A student whose tests of that task ended exactly so most likely made the same mistake.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from autograder.suite import Suite

__all__ = ["MATRIX", "Pattern", "misconceptions", "read_matrix", "write_matrix"]

MATRIX = "matrix.json"
Pattern = Mapping[str, str]  # {test function: how it ended}


def misconceptions(suite: Suite, outcomes: Pattern) -> tuple[str, ...]:
    """Return the sentences of the mutants whose task ended as it did here, each once.

    A pattern in which no test failed on a wrong value says nothing: unwritten code looks so.
    """
    found = [
        mutant["misconception"]
        for mutant in read_matrix(suite).values()
        if "failed" in mutant["tests"].values() and _same(mutant["tests"], outcomes)
    ]
    return tuple(dict.fromkeys(found))


def _same(pattern: Pattern, outcomes: Pattern) -> bool:
    return all(outcomes.get(test) == kind for test, kind in pattern.items())


def read_matrix(suite: Suite) -> dict[str, Any]:
    """Return {mutant: {task, misconception, tests}}; empty when it is not of this very suite."""
    path = suite.path / MATRIX
    if not path.is_file():
        return {}
    said = json.loads(path.read_text(encoding="utf-8"))
    mutants: dict[str, Any] = said["mutants"] if said["suite_digest"] == suite.digest else {}
    return mutants


def write_matrix(suite: Suite, mutants: dict[str, Any]) -> Path:
    """Keep the matrix beside the suite."""
    path = suite.path / MATRIX
    text = json.dumps({"suite_digest": suite.digest, "mutants": mutants}, indent=1)
    path.write_text(text + "\n", encoding="utf-8")
    return path
