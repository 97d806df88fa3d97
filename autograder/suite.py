"""What the author of a hidden suite writes with, and where suites are found.

A suite is a folder `autograder/hidden/LAB/` with `lab.toml`, `test_*.py`, `mutants.py` and
`alternatives.py`. Its tests are ordinary pytest functions, marked with `@task`, that take the
fixture `student` and compare what comes back with the `expect_…` functions of this module.
All comparison happens here, in the trusted process, on plain values of exact types.
"""

import hashlib
import importlib.util
import inspect
import os
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from autograder.errors import SuiteError
from autograder.expect import (
    expect_close,
    expect_dtype,
    expect_equal,
    expect_raises,
    expect_shape,
    expect_true,
)
from autograder.labfile import LabFile, missing_modules, read_lab_file
from autograder.limits import Limits
from autograder.notebook import Answer, Notebook, read
from autograder.remote import library

__all__ = [
    "Alternative",
    "Limits",
    "Mutant",
    "Suite",
    "TestSpec",
    "expect_close",
    "expect_dtype",
    "expect_equal",
    "expect_raises",
    "expect_shape",
    "expect_true",
    "labs",
    "library",
    "load_suite",
    "pytest_command",
    "spec_of",
    "task",
]

ROOT = Path(__file__).resolve().parent.parent
HIDDEN = ROOT / "autograder" / "hidden"
Test = TypeVar("Test", bound=Callable[..., None])
_Listed = TypeVar("_Listed", "Mutant", "Alternative")


# --- tests -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class TestSpec:
    """What `@task` says about one hidden test."""

    __test__ = False  # pytest must not collect this class

    function: str
    title: str
    task: str
    points: float
    hint: str = ""
    after: str | None = None
    timeout: float | None = None


def task(
    name: str,
    *,
    points: float,
    hint: str = "",
    after: Callable[..., None] | None = None,
    timeout: float | None = None,
) -> Callable[[Test], Test]:
    """Mark a pytest function as a hidden test of the nbgrader grade cell `name`.

    Args:
        name: the grade cell that its points belong to.
        points: what passing it earns. The tests of a task sum to the cell's points.
        hint: what a failing student reads. Never give values away in it.
        after: another test of the suite; when that did not pass, this one is not run.
        timeout: seconds for the whole test, in place of the lab's `test_seconds`.

    The first line of the docstring is the name that students see.

    >>> @task("softmax", points=2, hint="Divide by the sum over the last axis.")
    ... def test_softmax(student):
    ...     '''Softmax sums to one over the last axis.'''
    >>> spec_of(test_softmax).title
    'Softmax sums to one over the last axis.'
    """

    def mark(test: Test) -> Test:
        before = after.__name__ if after is not None else None
        spec = TestSpec(test.__name__, _title(test), name, points, hint, before, timeout)
        test.__autograder__ = spec  # type: ignore[attr-defined]
        return test

    return mark


def spec_of(test: Any) -> TestSpec | None:
    """Return what `@task` said about a function; None for one without it."""
    spec = getattr(test, "__autograder__", None)
    return spec if isinstance(spec, TestSpec) else None


def _title(test: Callable[..., None]) -> str:
    lines = (test.__doc__ or "").strip().splitlines()
    if not lines:
        where = _place(Path(inspect.getfile(test)))
        raise SuiteError(f"{where}: {test.__name__} has no docstring: students see it")
    return lines[0].strip()


# --- checks of the suite itself --------------------------------------------------------------


@dataclass(frozen=True)
class Mutant:
    """A plausible wrong answer, made from the solution by edits, and what it misunderstands.

    Attributes:
        task: the task in which it must lose points.
        misconception: the sentence that a student with the same wrong answers reads.
        edit: {cell: (old, new)} or {cell: [(old, new), …]}; each `old` matches exactly once.
        also: other tasks that may lose points, because they build on this one.
    """

    name: str
    task: str
    misconception: str
    edit: Mapping[str, Answer]
    also: tuple[str, ...] = ()


@dataclass(frozen=True)
class Alternative:
    """A right answer written differently: it must get full marks."""

    name: str
    answers: Mapping[str, Answer]


# --- the suite -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Suite:
    """A lab's hidden tests and everything that `lab.toml` says.

    Attributes:
        path: the suite's folder.
        notebook: the instructor's source notebook, with solutions.
        forbidden: modules that can't be imported while the lab is graded.
        preload: modules imported before any student code, once for all submissions. For labs that
            train, name `torch._dynamo` and `torch._inductor` too: the first optimiser imports
            them, which costs a second or more in every submission.
        data: files beside the source notebook that the student's code may read.
        digest: changes when a test, a limit or the source notebook changes.
    """

    lab: str
    path: Path
    title: str
    notebook: Path
    limits: Limits = field(default_factory=Limits)
    forbidden: tuple[str, ...] = ()
    preload: tuple[str, ...] = ("numpy", "torch")
    data: tuple[str, ...] = ()
    digest: str = ""
    device: str = "cpu"

    @cached_property
    def source(self) -> Notebook:
        """The source notebook, read once."""
        return read(self.notebook)

    @cached_property
    def tests(self) -> tuple[TestSpec, ...]:
        """All hidden tests, in the order in which they stand in their files.

        SuiteError when two have the same name: results are kept by name.
        """
        specs: dict[str, TestSpec] = {}
        files: dict[str, str] = {}
        for path in sorted(self.path.glob("test_*.py")):
            for spec in filter(None, map(spec_of, vars(_load(path)).values())):
                if spec.function in specs:
                    both = f"{files[spec.function]} and {path.name}"
                    raise SuiteError(f"{self.lab}: {both} both have {spec.function}: rename one")
                specs[spec.function], files[spec.function] = spec, path.name
        return tuple(specs.values())

    @cached_property
    def tasks(self) -> dict[str, float]:
        """{task: points}, summed over its tests."""
        points: dict[str, float] = {}
        for spec in self.tests:
            points[spec.task] = points.get(spec.task, 0.0) + spec.points
        return points

    @cached_property
    def mutants(self) -> tuple[Mutant, ...]:
        """`MUTANTS` of `mutants.py`."""
        return self._listed("mutants.py", "MUTANTS", Mutant)

    @cached_property
    def alternatives(self) -> tuple[Alternative, ...]:
        """`ALTERNATIVES` of `alternatives.py`."""
        return self._listed("alternatives.py", "ALTERNATIVES", Alternative)

    def require_modules(self) -> None:
        """Refuse names of modules that nobody can import: misspelt, they forbid nothing."""
        if missing := missing_modules([*self.forbidden, *self.preload]):
            raise SuiteError(
                f"{self.lab}/lab.toml names what is no module here: {', '.join(missing)}. "
                "Correct the name, or install what it is in"
            )

    def _listed(self, file: str, name: str, kind: type[_Listed]) -> tuple[_Listed, ...]:
        path = self.path / file
        listed = getattr(_load(path), name, None) if path.exists() else ()
        if not isinstance(listed, list | tuple) or not all(isinstance(x, kind) for x in listed):
            raise SuiteError(f"{_place(path)}: {name} must be a list of {kind.__name__}(…)")
        return tuple(listed)


def pytest_command(suite: Suite, test: str, notebook: Path, *options: str) -> str:
    """Return the command that runs one hidden test on a notebook, from the current folder."""
    folder, file = os.path.relpath(suite.path), os.path.relpath(notebook)
    return shlex.join(["pytest", folder, "-k", test, "--submission", file, *options])


def labs() -> list[str]:
    """Name the labs that have a hidden suite."""
    return sorted(path.parent.name for path in HIDDEN.glob("*/lab.toml"))


def load_suite(lab: str | Path) -> Suite:
    """Read a suite by the lab's name, or by the path of its folder.

    SuiteError when there is none, or when `lab.toml` says something unknown.
    """
    path = lab if isinstance(lab, Path) else HIDDEN / lab
    file = path.resolve() / "lab.toml"
    if not file.is_file():
        raise SuiteError(
            f"no hidden suite for {str(lab)!r}; there are: {', '.join(labs()) or 'none'}"
        )
    suite = _suite(file, read_lab_file(file))
    if not suite.notebook.is_file():
        raise SuiteError(f"{suite.lab}: its source notebook {suite.notebook.name} is missing")
    return suite


def _suite(file: Path, said: LabFile) -> Suite:
    path, lab = file.parent, file.parent.name
    usual = path.parents[2] / "solutions" / lab / f"{lab}.ipynb"
    notebook = path / said.notebook if said.notebook else usual
    return Suite(
        lab=lab,
        path=path,
        title=said.title or lab,
        notebook=notebook,
        limits=said.limits,
        forbidden=said.forbidden,
        preload=said.preload,
        data=said.data,
        digest=_digest([*path.glob("*.py"), file, notebook]),
        device=said.device,
    )


def _digest(files: Sequence[Path]) -> str:
    total = hashlib.sha256()
    for file in sorted(file for file in files if file.is_file()):
        total.update(f"{file.name}\0{file.stat().st_size}\0".encode())
        total.update(file.read_bytes())
    return total.hexdigest()[:16]


def _load(path: Path) -> ModuleType:
    """Import a file of a suite under a name of its own."""
    name = f"autograder_hidden_{path.parent.name}_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise SuiteError(f"{_place(path)} can't be imported")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    try:
        spec.loader.exec_module(module)
    except SuiteError:
        raise
    except Exception as error:
        why = f"{type(error).__name__}: {error}"
        raise SuiteError(f"{_place(path)} can't be imported: {why}") from error
    return module


def _place(file: Path) -> str:
    return f"{file.parent.name}/{file.name}"
