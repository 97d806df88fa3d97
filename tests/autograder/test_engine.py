"""Whole submissions through a warm engine, on a small suite with every kind of value."""

import contextlib
import copy
import os
import signal
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest

from autograder import judge, notebook
from autograder.collected import Collected
from autograder.diagnosis import SAME_INPUTS, Entry, write_matrix
from autograder.engine import Engine, Engines, grade
from autograder.errors import SandboxError
from autograder.outcomes import Outcome
from autograder.plugin import Grading
from autograder.report import Misconception, Verdict
from autograder.runners.local import Submission, grade_all
from autograder.sandbox import for_suite
from autograder.suite import load_suite

TOY = Path(__file__).parent / "fixtures" / "toy"


@pytest.fixture(scope="module")
def suite():
    return load_suite(TOY)


@pytest.fixture(scope="module")
def engine(suite):
    with Engine(suite) as engine:
        yield engine


@pytest.fixture
def hand_in(suite, tmp_path):
    """Return a function that writes the solution with some answers changed."""

    def hand_in(base=None, **answers):
        changes = {f"{name}-answer": answer for name, answer in answers.items()}
        nb = notebook.with_answers(base or suite.source, changes)
        path = tmp_path / "a folder" / "toy.ipynb"
        notebook.write(nb, path)
        return path

    return hand_in


def verdicts(report, task):
    return [test.verdict for test in report.task(task).tests]


def test_the_solution_gets_full_marks_and_the_report_says_how(engine, suite):
    report = engine.grade(suite.notebook, student="ada", seed=7)
    assert (report.status, report.score, report.max_score) == ("graded", 10.0, 10.0)
    assert (report.student, report.lab, report.seed) == ("ada", "toy", 7)
    assert report.suite_digest == suite.digest
    assert report.walls == ("bubblewrap", "seccomp", "landlock", "rlimits", "watchdog")
    assert report.notes == ()
    assert report.task("count").tests[1].name == "An empty text has no bigrams."


def test_the_untouched_notebook_gets_nothing(engine, suite, hand_in):
    report = engine.grade(hand_in(notebook.released(suite.source)), student="bob")
    assert (report.status, report.score) == ("graded", 0.0)
    assert verdicts(report, "scale") == [Verdict.no_answer] * 3
    said = report.task("scale").tests[0].message
    assert said == "You have not written this yet."


def test_a_wrong_answer_loses_its_own_points_and_reads_the_hint(engine, hand_in):
    report = engine.grade(hand_in(scale="def scale(x, k):\n    return x + k"), student="bob")
    assert report.score == 10 - 2
    test = report.task("scale").tests[0]
    assert (test.verdict, test.points, test.max_points) == (Verdict.failed, 0.0, 2.0)
    assert test.message == "scale(x, 7) is wrong. Multiply every element by the factor."


def test_a_missing_function_is_named(engine, hand_in):
    report = engine.grade(hand_in(scale=""), student="bob")
    assert report.task("scale").tests[0].message.startswith("Your notebook defines no `scale`.")


def test_a_test_whose_prerequisite_failed_is_not_run(engine, hand_in):
    report = engine.grade(hand_in(count="def count_bigrams(t): return {}"), student="bob")
    assert verdicts(report, "count") == [Verdict.failed, Verdict.not_run]
    said = report.task("count").tests[1].message
    assert said == "Not run: “Neighbours are counted as tuples.” must pass first."


@pytest.mark.parametrize("returned", ["None", "4", "'x'", "[]", "object()", "{1: 2}", "[1]"])
def test_values_that_a_test_cannot_use_are_failures_of_the_answer(engine, hand_in, returned):
    answer = f"class Walker:\n    items = last = {returned}\n"
    answer += f"    def __init__(self, x): pass\n    def best(self, f): return {returned}"
    report = engine.grade(hand_in(walk=answer), student="bob")
    assert report.status == "graded"
    assert report.score == 7.0


@pytest.mark.parametrize(
    ("line", "advice"),
    [
        ("return never_defined", "Perhaps the name is defined nowhere"),
        ("return open('values.csv')", "there are no files but the lab's own"),
        ("return __import__('multiprocessing').Pool(2).map(abs, x)", "no other processes"),
        ("return __import__('subprocess').run(['ls'])", "no other processes"),
        ("return __import__('urllib.request').request.urlopen('http://x.org')", "no internet"),
        ("return __import__('socket').create_connection(('10.0.0.1', 80))", "no internet"),
        ("import django", "The module isn't installed where the lab is graded."),
        ("import seqcourse.ngram", "The lab says what can't be imported while it is graded."),
    ],
)
def test_what_works_at_home_and_not_here_is_explained(engine, hand_in, line, advice):
    report = engine.grade(hand_in(scale=f"def scale(x, k):\n    {line}"), student="eve")
    said = report.task("scale").tests[0].message
    assert said.startswith("Your code raised ")
    assert advice in said


def test_a_cell_that_raises_costs_only_what_it_defines(engine, hand_in):
    report = engine.grade(hand_in(scale="1 / 0\ndef scale(x, k): return k * x"), student="bob")
    assert report.score == 6.0
    assert [str(note) for note in report.notes] == [
        "Cell 3, line 1 raised ZeroDivisionError: division by zero"
    ]


def test_a_change_to_a_cell_of_the_lab_is_not_run_and_it_is_said(engine, suite, tmp_path):
    nb = copy.deepcopy(suite.source)
    nb["cells"][3]["source"] += "\nimport math"
    notebook.write(nb, tmp_path / "toy.ipynb")
    report = engine.grade(tmp_path / "toy.ipynb", student="bob")
    assert report.score == 10.0
    assert [str(note) for note in report.notes] == [
        "Cell 4: this cell belongs to the lab, so your change to it was not run. "
        "Put it into a cell of your own."
    ]


def test_a_notebook_that_cannot_be_read_is_not_graded_and_the_next_one_is(engine, suite, tmp_path):
    broken = tmp_path / "broken.ipynb"
    broken.write_text("{")
    report = engine.grade(broken, student="eve")
    assert (report.status, report.score, report.tasks) == ("not_graded", 0.0, ())
    assert "broken.ipynb is not a notebook: it is not JSON" in report.reason
    report = engine.grade(tmp_path / "gone.ipynb", student="eve")
    assert "gone.ipynb can't be read: No such file" in report.reason
    assert engine.grade(suite.notebook, student="ada").score == 10.0


def test_nothing_more_is_run_once_the_machine_has_failed(suite):
    ran, grading = [], Grading(0, 1.0)

    def fail(item, nextitem):
        ran.append(item.name)
        grading.machine_failed = len(ran) == 2

    config = SimpleNamespace(hook=SimpleNamespace(pytest_runtest_protocol=fail))
    items = [SimpleNamespace(name=f"test_{n}", config=config) for n in range(4)]
    assert Collected(suite, items, grading).run(None, 0).machine_failed
    assert ran == ["test_0", "test_1"]


def test_the_same_twice_is_the_same_whatever_came_between(engine, suite, hand_in):
    def once(student, seed):
        report = engine.grade(suite.notebook, student=student, seed=seed).to_dict()
        return {**report, "seconds": 0}

    first = once("ada", 1)
    engine.grade(hand_in(scale="while True: pass"), student="eve")
    assert once("ada", 1) == first


def test_seeds_depend_on_student_seed_and_answers(suite):
    cells = notebook.rebuild(suite.source, suite.source)
    seeds = {
        judge.seed_of(suite, "ada", 1, cells),
        judge.seed_of(suite, "bob", 1, cells),
        judge.seed_of(suite, "ada", 2, cells),
        judge.seed_of(suite, "ada", 1, cells[1:]),
        judge.seed_of(replace(suite, digest="another"), "ada", 1, cells),  # no student has it
    }
    assert len(seeds) == 5
    assert judge.seed_of(suite, "ada", 1, cells) in seeds


@pytest.fixture
def misconception(engine, suite, hand_in):
    """The sentence of a known mutant, which adds where it should scale."""
    said = "Scaling multiplies; it does not add."
    wrong = hand_in(scale="def scale(x, factor): return x + factor")
    _, signs = engine.examine(wrong, student="ada", seed=SAME_INPUTS)
    own = [spec.function for spec in suite.tests if spec.task == "scale"]
    matrix = suite.path / "matrix.json"
    saved = matrix.read_text() if matrix.exists() else None
    write_matrix(suite, {"adds": Entry("scale", said, {name: signs[name] for name in own})})
    yield said
    matrix.unlink() if saved is None else matrix.write_text(saved)


def test_a_misconception_is_told_when_the_answers_are_a_mutants(engine, hand_in, misconception):
    same = engine.grade(hand_in(scale="def scale(x, k): return k + x"), student="bob")
    other = engine.grade(hand_in(scale="def scale(x, k): return x - k"), student="bob")
    assert same.misconceptions == (Misconception("scale", misconception),)
    assert other.misconceptions == ()


def test_looking_for_a_misconception_uses_what_is_left_of_the_submissions_time(
    suite, hand_in, misconception
):
    asked = []
    wrong = Outcome(Verdict.failed, "The product: got 5, expected 6", sign="failed at 3: wrong")

    class Tests:
        """The suite's tests, none of which passes."""

        def __init__(self):
            self.suite = suite

        def run(self, session, seed, names=()):
            asked.append((session, names))
            return Grading(seed, 1.0, {spec.function: wrong for spec in suite.tests}, session)

    with for_suite(suite) as sandbox:
        judge.grade_in(sandbox, Tests(), hand_in(), student="bob", seed=0)
    (first, everything), (second, names) = asked
    assert second.total is first.total
    assert not everything
    assert names


# --- faults of ours ---


def suite_with(tmp_path, test, **toml):
    folder = tmp_path / "odd suite"
    folder.mkdir()
    lines = ['notebook = "toy.ipynb"', *(f"{key} = {value}" for key, value in toml.items())]
    (folder / "lab.toml").write_text("\n".join(lines))
    (folder / "toy.ipynb").write_text((TOY / "toy.ipynb").read_text())
    (folder / "test_odd.py").write_text(f"from autograder.suite import *\n\n{test}\n")
    return load_suite(folder)


def test_an_error_in_a_hidden_test_is_our_fault_and_shows_no_value(tmp_path):
    test = '@task("scale", points=1)\ndef test_odd(student):\n    """Odd."""\n    {}["secret"]'
    report = grade(TOY / "toy.ipynb", suite_with(tmp_path, test, data="[]"), student="ada")
    assert (report.status, report.score) == ("not_graded", 0.0)
    assert report.reason == "grader error: test_odd: KeyError at test_odd.py:6"


UNFAIR = """
@task("scale", points=1)
def test_odd(student, rng):
    "Odd."
    expect_close(student.scale(3, 2), 6)
    {}
"""


@pytest.mark.parametrize(
    ("odd", "how"),
    [
        ("expect_true(bool(rng.integers(2)), 'heads')", "failed at 8"),
        ("[0][rng.integers(2)]", "failed at 8"),
        ("rng.integers(2) or student.scale(None, 2)", "raised at 8"),
    ],
)
def test_a_test_that_the_solution_fails_with_the_same_inputs_costs_nobody_points(
    tmp_path, hand_in, odd, how
):
    suite = suite_with(tmp_path, UNFAIR.format(odd))
    wrong = hand_in(scale="def scale(x, k): return 7")

    def reports(path):
        return (engine.grade(path, student=f"s{n}") for n in range(20))

    with Engine(suite) as engine:
        right = {}
        for report in reports(TOY / "toy.ipynb"):
            right[report.status] = report
            if len(right) == 2:
                break
        assert any((r.status, r.score) == ("graded", 0.0) for r in reports(wrong))
    assert right["graded"].score == 1.0
    said = f"the solution fails with the inputs of this submission: test_odd ({how})"
    assert said in right["not_graded"].reason


def test_a_test_that_runs_out_of_memory_over_an_answer_takes_the_points(tmp_path, hand_in):
    test = '@task("scale", points=1)\ndef test_odd(student):\n    "Odd."\n'
    suite = suite_with(tmp_path, test + "    bytearray(2**20 * student.scale(3, 2))\n")
    with Engine(suite) as engine:
        assert engine.grade(TOY / "toy.ipynb", student="ada").score == 1.0
        report = engine.grade(hand_in(scale="def scale(x, k): return 2**20"), student="bob")
    assert (report.status, report.score) == ("graded", 0.0)


def zygotes(engine):
    judge, found = engine._judge.pid, {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            command = Path(stat.parent, "cmdline").read_bytes()
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
            found[int(stat.parent.name)] = parent, b"autograder.zygote" in command

    def is_ours(pid):
        return pid == judge or (pid in found and is_ours(found[pid][0]))

    return {pid for pid, (_, is_zygote) in found.items() if is_zygote and is_ours(pid)}


def test_the_solution_is_asked_about_wrong_answers_only_in_a_sandbox_of_its_own(suite, hand_in):
    with Engine(suite) as engine:
        engine.grade(TOY / "toy.ipynb", student="ada")
        engine.grade(hand_in(notebook.released(suite.source)), student="bob")
        before = zygotes(engine)
        engine.grade(hand_in(scale="def scale(x, k): return 7"), student="cyd")
        after = zygotes(engine)
    assert before < after
    assert len(after) == 2 * len(before)


def test_a_suite_that_does_not_even_load_is_our_fault(tmp_path):
    report = grade(TOY / "toy.ipynb", suite_with(tmp_path, "import no_such_thing"), student="ada")
    assert report.status == "not_graded"
    assert "No module named 'no_such_thing'" in report.reason


def test_a_suite_that_pytest_cannot_collect_is_our_fault(tmp_path):
    suite = suite_with(tmp_path, '@task("scale", points=1)\ndef test_odd():\n    """Odd."""')
    (suite.path / "conftest.py").write_text("1 / 0")
    report = grade(TOY / "toy.ipynb", suite, student="ada")
    assert (report.status, report.score) == ("not_graded", 0.0)
    assert report.reason.startswith("the hidden tests of odd suite could not be run:")
    assert "ZeroDivisionError" in report.reason


@pytest.mark.parametrize(
    ("test", "reason"),
    [
        ("", "odd suite has no hidden tests"),
        (
            '@task("scale", points=1)\ndef test_odd():\n    """Odd."""\n'
            '    import pytest; pytest.exit("enough")',
            "a hidden test of odd suite ended pytest: enough",
        ),
    ],
)
def test_hidden_tests_that_do_not_run_are_our_fault(tmp_path, test, reason):
    report = grade(TOY / "toy.ipynb", suite_with(tmp_path, test), student="ada")
    assert (report.status, report.score, report.reason) == ("not_graded", 0.0, reason)


def test_what_hidden_tests_leave_in_their_module_does_not_reach_the_next_submission(tmp_path):
    test = (
        'SEEN = []\n\n@task("scale", points=1)\ndef test_odd(student):\n    """Odd."""\n'
        "    SEEN.append(student.scale(2, 3))\n    expect_equal(len(SEEN), 1)"
    )
    with Engine(suite_with(tmp_path, test)) as engine:
        reports = [engine.grade(TOY / "toy.ipynb", student=name) for name in ("ada", "bob")]
    assert [report.score for report in reports] == [1.0, 1.0]


def test_a_sandbox_that_does_not_start_grades_nothing_and_scores_nothing(tmp_path):
    suite = suite_with(tmp_path, "", preload='["no_such_module"]')
    with Engine(suite) as engine:
        report = engine.grade(TOY / "toy.ipynb", student="ada")
        assert (report.status, report.score) == ("not_graded", 0.0)
        assert "did not start" in report.reason
        with pytest.raises(SandboxError, match="No module named 'no_such_module'"):
            engine.start()
    with pytest.raises(SandboxError, match="no_such_module"):
        list(grade_all([Submission("ada", TOY / "toy.ipynb")], suite))


def test_a_fork_of_ours_that_dies_is_reported_and_tried_again(tmp_path):
    test = '@task("scale", points=1)\ndef test_odd():\n    """Odd."""\n    import os; os._exit(0)'
    report = grade(TOY / "toy.ipynb", suite_with(tmp_path, test), student="ada")
    assert report.status == "not_graded"
    assert report.reason == "the process that grades it died or never ended"


def test_a_killed_judge_or_zygote_is_replaced(suite):
    with Engine(suite) as engine:
        engine.start()
        os.kill(engine._judge.pid, signal.SIGKILL)
        assert engine.grade(suite.notebook, student="ada").score == 10.0
        children = Path(f"/proc/{engine._judge.pid}/task/{engine._judge.pid}/children")
        bubblewrap = int(children.read_text().split()[0])
        os.kill(bubblewrap, signal.SIGKILL)
        assert engine.grade(suite.notebook, student="ada").score == 10.0


def test_nothing_is_left_when_the_engine_is_closed(suite):
    with Engine(suite) as engine:
        engine.start()
        pid = engine._judge.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        assert children
    until = time.monotonic() + 20
    while any(Path(f"/proc/{child}").exists() for child in children):
        assert time.monotonic() < until
        time.sleep(0.05)


# --- many at once ---


def test_a_class_is_graded_side_by_side_with_the_same_scores(suite, hand_in, tmp_path):
    wrong = hand_in(scale="def scale(x, k): return x")
    everyone = [Submission(f"student{n}", wrong if n % 3 else suite.notebook) for n in range(7)]
    everyone.append(Submission("gone", tmp_path / "gone.ipynb"))
    reports = {report.student: report for report in grade_all(everyone, suite, jobs=2)}
    assert {name: report.score for name, report in reports.items()} == {
        "gone": 0.0,
        **{f"student{n}": 7.0 if n % 3 else 10.0 for n in range(7)},
    }
    assert reports["gone"].status == "not_graded"


def test_without_walls_the_report_shows_none(suite):
    with Engine(suite, walls="none") as engine:
        report = engine.grade(suite.notebook, student="author")
    assert (report.score, report.walls) == (10.0, ())


# --- side by side ---


def test_engines_do_one_thing_at_a_time_and_nothing_more_once_they_are_left(suite):
    busy, begun = set(), []

    def work(number, engine):
        assert engine not in busy
        busy.add(engine)
        begun.append(number)
        time.sleep(0.05)
        busy.remove(engine)
        return number

    with Engines(suite, 2) as engines:
        given = [engines.submit(partial(work, number)) for number in range(20)]
        assert [each.result() for each in given[:6]] == [*range(6)]
    assert len(begun) < 20
    assert [each.cancelled() for each in given] == [n not in begun for n in range(20)]
    assert all(each.result() == n for n, each in enumerate(given) if n in begun)
