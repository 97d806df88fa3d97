"""The pytest plugin: makes a hidden suite grade a notebook, and plain pytest debug it.

    pytest autograder/hidden/lab02 --submission solutions/lab02/lab02.ipynb -k perplexity --pdb

It does nothing in any other test run. With `--submission` it offers the fixtures `student`, `seed`
and `rng` to the tests of one suite, runs the student's cells in a sandbox, and sorts what happens
in each test into an `Outcome`.

A failure shows the hidden test's own lines, then the way through the student's cells. The grader's
lines between them are left out; `--full-trace` shows them. pytest's other options work as ever:
`-k`, `-x`, `--lf`, `--pdb`. At the debugger's prompt `student` answers, as in `autograder shell`.
"""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any
from zlib import crc32

import pytest

from autograder.errors import (
    ExpectationError,
    GraderError,
    NotebookError,
    SandboxError,
    StudentError,
    WorkerLost,
)
from autograder.outcomes import PASSED, Outcome, hidden_part, outcome_of, worse_of
from autograder.report import TaskResult, TestResult, Verdict
from autograder.suite import TestSpec, spec_of

if TYPE_CHECKING:
    import numpy as np

    from autograder.remote import Student
    from autograder.sandbox import Walls
    from autograder.session import Session
    from autograder.suite import Suite

__all__ = ["Grading"]

NAME = "autograder-grading"
_STUDENTS_FAULT = (ExpectationError, StudentError, WorkerLost)


@dataclass
class Grading:
    """The plugin: fixtures for hidden tests, and what became of the tests of one submission."""

    seed_number: int
    test_seconds: float
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    session: "Session | None" = None
    titles: dict[str, str] = field(default_factory=dict)
    machine_failed: bool = False

    def begin(self, session: "Session", seed: int) -> None:
        """Turn to another submission. What is known of the last one is let go of, not changed."""
        self.session, self.seed_number = session, seed
        self.outcomes, self.machine_failed = {}, False

    def open(self, folder: Path) -> "Session":
        """Open a session for the suite in a folder, where none was begun."""
        raise GraderError(f"there is no submission to run {folder.name} on")

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Learn the tests' titles."""
        found = [spec for item in items if (spec := _spec(item)) is not None]
        self.titles = {spec.function: spec.title for spec in found}

    @pytest.fixture
    def student(self, request: pytest.FixtureRequest) -> "Student":
        """The student's notebook: see `autograder.remote.Student`."""
        from autograder.remote import Student

        if self.session is None:
            self.session = self.open(request.path.parent)
        spec = _spec(request.node)
        seconds = spec.timeout if spec and spec.timeout else self.test_seconds
        self.session.begin_test(seconds, spec.task if spec else "")
        return Student(self.session)

    @pytest.fixture
    def seed(self, request: pytest.FixtureRequest) -> int:
        """A number of its own for this submission and this test."""
        return self.seed_number ^ crc32(request.node.name.encode())

    @pytest.fixture
    def rng(self, seed: int) -> "np.random.Generator":
        """NumPy's random generator, seeded for this submission and this test."""
        import numpy as np

        return np.random.default_rng(seed)

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Skip a test whose prerequisite did not pass."""
        spec = _spec(item)
        before = self.outcomes.get(spec.after or "") if spec else None
        if before is not None and before.verdict is not Verdict.passed:
            pytest.skip(f"{spec.after if spec else ''} must pass first")

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Iterator[None]:
        """Note how each phase of a test ended, and show no more of it than matters."""
        spec = _spec(item)
        if spec is not None and (call.excinfo is not None or call.when == "call"):
            error = call.excinfo.value if call.excinfo is not None else None
            folder = item.path.parent
            self._note(spec, self._judge(spec, error, folder))
            whole = item.config.option.fulltrace
            if isinstance(error, _STUDENTS_FAULT) and not whole and hidden_part(error, folder):
                call.excinfo = _shortened(error, folder)  # a cell's has no part in the suite
        return (yield)

    @property
    def signs(self) -> dict[str, str]:
        """How each test ended, by function name: what the diagnosis compares."""
        return {name: outcome.sign for name, outcome in self.outcomes.items()}

    @property
    def lost(self) -> list[str]:
        """The tests that an answer did not pass, by function name."""
        return [name for name, outcome in self.outcomes.items() if outcome.is_lost]

    def close(self) -> None:
        """End the student's processes."""
        if self.session is not None:
            self.session.close()

    def tasks(self, specs: tuple[TestSpec, ...]) -> tuple[TaskResult, ...]:
        """Sum up by task, in the suite's order. A test without an outcome did not run."""
        results: dict[str, list[TestResult]] = {}
        for spec in specs:
            results.setdefault(spec.task, []).append(self._result(spec))
        return tuple(TaskResult.of(name, tuple(tests)) for name, tests in results.items())

    def _result(self, spec: TestSpec) -> TestResult:
        outcome = self.outcomes.get(spec.function, Outcome(Verdict.not_run))
        points = float(spec.points) if outcome.verdict is Verdict.passed else 0.0
        return TestResult(spec.title, outcome.verdict, points, float(spec.points), outcome.message)

    def _note(self, spec: TestSpec, outcome: Outcome) -> None:
        """Keep the worst outcome of a test's parameters and phases."""
        self.outcomes[spec.function] = worse_of(self.outcomes.get(spec.function, PASSED), outcome)

    def _judge(self, spec: TestSpec, error: BaseException | None, folder: Path) -> Outcome:
        if isinstance(error, pytest.skip.Exception):
            title = self.titles.get(spec.after or "", "another test")
            return Outcome(Verdict.not_run, f"Not run: “{title}” must pass first.", "not_run")
        self.machine_failed = self.machine_failed or isinstance(error, SandboxError)
        answered = self.session is not None and self.session.asked > 0
        return outcome_of(error, spec, folder, answered=answered)


def _spec(item: Any) -> TestSpec | None:
    return spec_of(getattr(item, "function", None))


def _shortened(error: BaseException, folder: Path) -> pytest.ExceptionInfo[BaseException]:
    """Leave the hidden test's own lines of a traceback, without what it was raised from."""
    trace = None
    for step in reversed(hidden_part(error, folder)):
        trace = TracebackType(trace, step.tb_frame, step.tb_lasti, step.tb_lineno)
    error.__cause__, error.__suppress_context__ = None, True
    return pytest.ExceptionInfo.from_exception(error.with_traceback(trace))


# --- for plain pytest ----------------------------------------------------------------------------


def pytest_addoption(parser: pytest.Parser) -> None:
    """Offer --submission, --no-sandbox, --grading-seed and --student."""
    group = parser.getgroup("autograder", "grading a notebook with a hidden suite")
    group.addoption("--submission", metavar="FILE", help="the notebook to grade")
    group.addoption(
        "--no-sandbox",
        action="store_true",
        help="run the notebook without any wall: for an instructor's own solution only",
    )
    group.addoption("--grading-seed", type=int, default=0, metavar="N", help="default: 0")
    group.addoption(
        "--student", metavar="ID", default="", help="draw the inputs that this student's tests drew"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Take part only when a submission is named, and the engine has not already come along."""
    path = config.getoption("submission", None)
    if path and not config.pluginmanager.has_plugin(NAME):
        config.pluginmanager.register(_by_hand(config, Path(path)), NAME)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Say what is missing, rather than that no fixture `student` exists."""
    hidden = [item for item in items if _spec(item) is not None]
    if hidden and not config.pluginmanager.has_plugin(NAME):
        raise pytest.UsageError("these are hidden tests: name a notebook with --submission FILE")


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the student's processes and the sandbox."""
    grading = config.pluginmanager.get_plugin(NAME)
    if isinstance(grading, _ByHand):
        grading.close()


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Print the score and what the cells said."""
    grading = config.pluginmanager.get_plugin(NAME)
    if isinstance(grading, _ByHand) and grading.suite is not None:
        for line in grading.summary():
            terminalreporter.write_line(line)


@dataclass
class _ByHand(Grading):
    """Grading in an instructor's own pytest run: brings its own sandbox."""

    submission: Path = Path()
    walls: "Walls" = "auto"
    whose: str = ""
    suite: "Suite | None" = None
    sandbox: Any = None

    def open(self, folder: Path) -> "Session":
        """Start a sandbox for the suite in this folder; end the run when that can't be done."""
        from autograder.suite import load_suite

        try:
            self.suite = load_suite(folder)
            return self._open(self.suite)
        except (GraderError, NotebookError) as error:
            pytest.exit(str(error), returncode=pytest.ExitCode.USAGE_ERROR)

    def _open(self, suite: "Suite") -> "Session":
        from autograder.judge import seed_of
        from autograder.notebook import read, rebuild
        from autograder.sandbox import for_suite
        from autograder.session import Session

        cells = rebuild(suite.source, read(self.submission))
        if self.whose:
            self.seed_number = seed_of(suite, self.whose, self.seed_number, cells)
        self.test_seconds = suite.limits.test_seconds
        self.sandbox = for_suite(suite, walls=self.walls)
        self.sandbox.start()
        return Session(self.sandbox, cells, suite.limits, self.seed_number)

    def close(self) -> None:
        """End the session, then the sandbox."""
        super().close()
        if self.sandbox is not None:
            self.sandbox.close()

    def summary(self) -> Iterator[str]:
        """Yield the score of the tests that ran, and the notes on the cells."""
        if self.suite is None or self.session is None:
            return
        tests = [spec for spec in self.suite.tests if spec.function in self.outcomes]
        for task in self.tasks(tuple(tests)):
            yield f"{task.task}: {task.score:g} of {task.max_score:g} points"
        yield from map(str, self.session.notes)


def _by_hand(config: pytest.Config, path: Path) -> _ByHand:
    walls: Walls = "none" if config.getoption("no_sandbox") else "auto"
    if walls == "none":
        message = "--no-sandbox: the notebook runs as you, with all your rights"
        warnings.warn(pytest.PytestWarning(message), stacklevel=2)
    if not path.exists():
        raise pytest.UsageError(f"--submission {path}: there is no such file")
    seed, whose = config.getoption("grading_seed"), config.getoption("student")
    return _ByHand(seed, 20.0, submission=path, walls=walls, whose=whose)
