"""Warm processes do not live for ever, and what dies under a submission is started anew."""

import os
from pathlib import Path

import pytest

from autograder.engine import Engine, Freshness
from autograder.suite import load_suite

TOY = Path(__file__).parent / "fixtures" / "toy"
SUITE = '''
import os, signal, time
from pathlib import Path
from autograder.sandbox.watch import Process, kill_workers, workers
from autograder.suite import expect_equal, task

@task("scale", points=2)
def test_scales(student):
    """Scales."""
    sandbox = object.__getattribute__(student, "_session")._sandbox
    flag = Path({flag!r})
    if {always} or not flag.exists():
        flag.touch()
        worker = workers(sandbox.zygote)[0].pid
        {kill}
        until = time.monotonic() + 20
        while {waits} and (process := Process.read(worker)) and process.state != "Z":
            assert time.monotonic() < until, "nothing was killed"
    expect_equal(student.scale(2, 3), 6)
'''
POINTS = {
    "the worker": "kill_workers(sandbox.zygote)",
    "the zygote": "os.kill(sandbox.zygote, signal.SIGKILL)",
    "the walls": "os.kill(sandbox._process.pid, signal.SIGKILL)",
    "the judge's fork": "os.kill(os.getpid(), signal.SIGKILL)",
    "the judge": "os.kill(os.getppid(), signal.SIGKILL)",
}


@pytest.fixture
def suite_that(tmp_path):
    """Return a function that makes a suite whose one test kills something at its start."""

    def suite_that(kill, *, always):
        folder = tmp_path / "suite"
        folder.mkdir()
        (folder / "lab.toml").write_text('notebook = "toy.ipynb"\npreload = []\n')
        (folder / "toy.ipynb").write_text((TOY / "toy.ipynb").read_text())
        known = {"flag": str(tmp_path / "killed"), "always": always, "waits": kill != "pass"}
        test = SUITE.format(kill=kill, **known)
        (folder / "test_kill.py").write_text(test)
        return load_suite(folder)

    return suite_that


@pytest.mark.parametrize("walls", ["full", "fallback"])
@pytest.mark.parametrize("point", POINTS)
def test_what_the_machine_kills_once_costs_nobody_anything(suite_that, point, walls):
    suite = suite_that(POINTS[point], always=False)
    with Engine(suite, walls=walls) as engine:
        report = engine.grade(suite.notebook, student="ada")
        again = engine.grade(suite.notebook, student="ada")
    assert (report.status, report.score, report.reason) == ("graded", 2.0, "")
    assert again.score == 2.0


REASONS = {
    "the worker": "the machine failed to run the solution for comparison",
    "the zygote": "grader error: test_scales: the sandbox of suite is gone",
    "the judge's fork": "the process that grades it died or never ended",
    "the judge": "the grading process died or never answered",
}


@pytest.mark.parametrize(("point", "reason"), REASONS.items())
def test_what_the_machine_kills_twice_is_not_graded_and_says_why(suite_that, point, reason):
    suite = suite_that(POINTS[point], always=True)
    with Engine(suite) as engine:
        report = engine.grade(suite.notebook, student="ada")
    assert (report.status, report.score, report.tasks) == ("not_graded", 0.0, ())
    assert report.reason.startswith(reason)


def test_warm_processes_are_replaced_after_so_many_submissions(suite_that):
    suite = suite_that("pass", always=True)
    with Engine(suite, freshness=Freshness(submissions=2, growth=9)) as engine:
        judges = []
        for _ in range(3):
            engine.start()
            judges.append(engine._judge.pid)
            assert engine.grade(suite.notebook, student="ada").score == 2.0
    assert judges[0] == judges[1] != judges[2]
    assert not Path(f"/proc/{judges[0]}").exists()


@pytest.mark.parametrize(
    ("resident", "replaced"), [((149, 299), False), ((151, 200), True), ((100, 301), True)]
)
def test_warm_processes_are_replaced_when_one_has_grown(resident, replaced, monkeypatch):
    engine, closed = Engine(load_suite(TOY)), []
    monkeypatch.setattr(engine, "close", lambda: closed.append(True))
    engine._first_resident = (100, 200)
    engine._let_rest(resident)
    assert bool(closed) is replaced


def test_the_judge_tells_what_it_and_its_zygote_hold(suite_that):
    with Engine(suite_that("pass", always=True)) as engine:
        engine.start()
        judge = engine._judge.pid
        own, zygote = engine._first_resident
        pages = int(Path(f"/proc/{judge}/statm").read_text().split()[1])
    assert abs(own - pages * os.sysconf("SC_PAGE_SIZE")) < 2**25
    assert zygote > 2**24  # Python with numpy


def test_usual_freshness_is_what_the_documentation_says():
    assert vars(Freshness()) == {"submissions": 200, "growth": 1.5}
