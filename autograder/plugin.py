"""The pytest plugin: makes a hidden suite grade a notebook, and plain pytest debug it.

    pytest autograder/hidden/lab02 --submission solutions/lab02/lab02.ipynb -k perplexity --pdb

It does nothing in any other test run. With `--submission` it offers the fixtures `student`, `seed`
and `rng` to the tests of one suite, runs the student's cells in a sandbox, and sorts what happens
in each test into a `Verdict`.
"""

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zlib import crc32

import pytest

from autograder.errors import (
    ExpectationError,
    GraderError,
    NotRunError,
    SandboxError,
    StudentError,
    WorkerLost,
    WorkerOutOfMemory,
    WorkerTimedOut,
)
from autograder.report import TaskResult, TestResult, Verdict
from autograder.suite import TestSpec, spec_of

if TYPE_CHECKING:
    import numpy as np

    from autograder.remote import Student
    from autograder.session import Session
    from autograder.suite import Suite

__all__ = ["Grading", "Outcome"]

NAME = "autograder-grading"
# What a test raises when a value of the student's is not what the test takes for granted.
_MISUSE = (TypeError, AttributeError, LookupError, ArithmeticError, ValueError)


@dataclass(frozen=True)
class Outcome:
    """How one hidden test ended.

    Attributes:
        message: what the student reads.
        raised: whether the student's own code raised, as opposed to a wrong value.
        detail: what went wrong in the grader, for staff; no value of the student's or the test's.
    """

    verdict: Verdict
    message: str = ""
    raised: bool = False
    detail: str = ""

    @property
    def kind(self) -> str:
        """The verdict, or `raised`: what a misconception's pattern is made of."""
        return "raised" if self.raised else self.verdict.value


_PASSED = Outcome(Verdict.passed)
_WORST = [
    Verdict.passed,
    Verdict.failed,
    Verdict.not_run,
    Verdict.timed_out,
    Verdict.out_of_memory,
    Verdict.crashed,
    Verdict.grader_error,
]


@dataclass
class Grading:
    """The plugin of one submission: its fixtures, and what became of its tests.

    `open_session(suite folder)` is called before the first test.
    """

    open_session: Callable[[Path], "Session"]
    seed_number: int
    test_seconds: float
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    session: "Session | None" = None
    titles: dict[str, str] = field(default_factory=dict)
    machine_failed: bool = False

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Learn the tests' titles."""
        found = [spec for item in items if (spec := _spec(item)) is not None]
        self.titles = {spec.function: spec.title for spec in found}

    @pytest.fixture
    def student(self, request: pytest.FixtureRequest) -> "Student":
        """The student's notebook: see `autograder.remote.Student`."""
        from autograder.remote import Student

        if self.session is None:
            self.session = self.open_session(request.path.parent)
        spec = _spec(request.node)
        self.session.begin_test(spec.timeout or self.test_seconds if spec else self.test_seconds)
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
        """Note how each phase of a test ended."""
        spec = _spec(item)
        if spec is not None and (call.excinfo is not None or call.when == "call"):
            error = call.excinfo.value if call.excinfo is not None else None
            self._note(spec, self._judge(spec, error))
        return (yield)

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
        known = self.outcomes.get(spec.function, _PASSED)
        worse = _WORST.index(outcome.verdict) > _WORST.index(known.verdict)
        self.outcomes[spec.function] = outcome if worse else known

    def _judge(self, spec: TestSpec, error: BaseException | None) -> Outcome:
        if error is None:
            return _PASSED
        if isinstance(error, pytest.skip.Exception):
            title = self.titles.get(spec.after or "", "another test")
            return Outcome(Verdict.not_run, f"Not run: “{title}” must pass first.")
        if isinstance(error, WorkerLost):
            return Outcome(_verdict_of(error), _sentence(error.reason))
        if isinstance(error, StudentError):
            return _student_raised(error, spec.hint)
        if isinstance(error, ExpectationError):
            return Outcome(Verdict.failed, _joined(error.public, spec.hint))
        if isinstance(error, AssertionError):
            return Outcome(Verdict.failed, _joined("", spec.hint))
        if self._misused(error):
            said = "Your code returned something that this test can't use."
            return Outcome(Verdict.failed, _joined(said, spec.hint))
        self.machine_failed = self.machine_failed or isinstance(error, SandboxError)
        return Outcome(Verdict.grader_error, detail=_blame(spec, error))

    def _misused(self, error: BaseException) -> bool:
        """Whether a value of the student's made the test stumble.

        A suite is proven to run through with right answers, so a TypeError after the student's
        code has answered is taken for the answer's fault. Before that it is the test's own.
        """
        answered = self.session is not None and self.session.asked > 0
        return answered and (isinstance(error, _MISUSE) or type(error) is RuntimeError)


def _spec(item: Any) -> TestSpec | None:
    return spec_of(getattr(item, "function", None))


def _verdict_of(error: WorkerLost) -> Verdict:
    if isinstance(error, NotRunError):
        return Verdict.not_run
    if isinstance(error, WorkerTimedOut):
        return Verdict.timed_out
    return Verdict.out_of_memory if isinstance(error, WorkerOutOfMemory) else Verdict.crashed


def _student_raised(error: StudentError, hint: str) -> Outcome:
    if error.is_a("MemoryError") or "can't allocate memory" in error.raised.message:
        return Outcome(Verdict.out_of_memory, "Your code asked for more memory than there is.")
    said = str(error) if error.is_sentence else f"Your code raised {error}"
    return Outcome(Verdict.failed, _joined(_sentence(said), hint), raised=True)


def _sentence(text: str) -> str:
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _joined(*parts: str) -> str:
    return " ".join(part for part in parts if part)


def _blame(spec: TestSpec, error: BaseException) -> str:
    """Say where a hidden test went wrong: no value and no message, which may hold values."""
    if isinstance(error, GraderError):
        return f"{spec.function}: {error}"
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace else "?"
    return f"{spec.function}: {type(error).__name__} at {where}"


# --- for plain pytest ----------------------------------------------------------------------------


def pytest_addoption(parser: pytest.Parser) -> None:
    """Offer --submission, --no-sandbox and --grading-seed."""
    group = parser.getgroup("autograder", "grading a notebook with a hidden suite")
    group.addoption("--submission", metavar="FILE", help="the notebook to grade")
    group.addoption(
        "--no-sandbox",
        action="store_true",
        help="run the notebook without any wall: for an instructor's own solution only",
    )
    group.addoption("--grading-seed", type=int, default=0, metavar="N", help="default: 0")


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
    walls: bool = True
    suite: "Suite | None" = None
    sandbox: Any = None

    def open(self, folder: Path) -> "Session":
        """Start a sandbox for the suite in this folder and read the submission."""
        from autograder.notebook import read, rebuild
        from autograder.sandbox import for_suite
        from autograder.session import Session
        from autograder.suite import load_suite

        self.suite = load_suite(folder)
        self.test_seconds = self.suite.limits.test_seconds
        self.sandbox = for_suite(self.suite, walls=self.walls)
        self.sandbox.start()
        cells = rebuild(self.suite.source, read(self.submission))
        return Session(self.sandbox, cells, self.suite.limits, self.seed_number)

    def close(self) -> None:
        """End the session, then the sandbox."""
        super().close()
        if self.sandbox is not None:
            self.sandbox.close()

    def summary(self) -> Iterator[str]:
        """Yield the score of the tests that ran, and the notes on the cells."""
        specs = self.suite.tests if self.suite is not None else ()
        tests = [spec for spec in specs if spec.function in self.outcomes]
        for task in self.tasks(tuple(tests)):
            yield f"{task.task}: {task.score:g} of {task.max_score:g} points"
        yield from self.session.notes if self.session is not None else ()


def _by_hand(config: pytest.Config, path: Path) -> _ByHand:
    walls = not config.getoption("no_sandbox")
    if not walls:
        message = "--no-sandbox: the notebook runs as you, with all your rights"
        warnings.warn(pytest.PytestWarning(message), stacklevel=2)
    if not path.exists():
        raise pytest.UsageError(f"--submission {path}: there is no such file")
    seed = config.getoption("grading_seed")
    grading = _ByHand(lambda folder: grading.open(folder), seed, 20.0, submission=path, walls=walls)
    return grading
