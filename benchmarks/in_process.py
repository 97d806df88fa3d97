"""Runs a hidden suite's tests in the student's own process, where peers run theirs.

The same test functions with the same random inputs, called directly on the student's objects. No
wire, no sandbox, no wall between the tests and what they test: for benchmarks only.
"""

import sys
import time
from collections.abc import Callable
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np

from autograder import remote
from autograder import suite as author
from autograder.suite import load_suite, spec_of

_PREFIX = "autograder_hidden_"


def run_task(lab: str, task: str, names: dict[str, Any]) -> None:
    """Run the hidden tests of one task; AssertionError names those that fail."""
    student = SimpleNamespace(**names)
    failed = [name for name, test in _tests(lab, task).items() if not _passes(test, student)]
    assert not failed, f"failed: {', '.join(failed)}"


def _passes(test: Callable[..., None], student: SimpleNamespace) -> bool:
    try:
        test(student, np.random.default_rng(0))
    except Exception:  # a test that raises has failed, whatever it was: so the peers have it
        return False
    return True


@cache
def _tests(lab: str, task: str) -> dict[str, Callable[..., None]]:
    vars(author)["expect_raises"] = _expect_raises  # before the tests import them
    vars(remote)["cpu_seconds"] = lambda student: time.process_time()
    specs = [spec for spec in load_suite(lab).tests if spec.task == task]
    modules = [module for name, module in sys.modules.items() if name.startswith(_PREFIX + lab)]
    found = {name: thing for module in modules for name, thing in vars(module).items()}
    tests = {spec.function: found[spec.function] for spec in specs}
    assert all(spec_of(test) for test in tests.values())
    return tests


def _expect_raises(
    kind: str, call: Callable[..., Any], *args: Any, match: str = "", **kwargs: Any
) -> None:
    """As in `autograder.suite`, for exceptions that are raised right here."""
    kinds = {kind} if isinstance(kind, str) else set(kind)
    try:
        call(*args, **kwargs)
    except Exception as error:
        if match in str(error) and kinds & {base.__name__ for base in type(error).__mro__}:
            return
        raise
    raise AssertionError(f"nothing was raised, expected {kind}")
