"""What a corrected suite changed: the store keeps the report before."""

import dataclasses

from autograder.changes import changes
from autograder.report import not_graded
from autograder.store import Store, content_key


def _corrected(course):
    """Correct the suite: the digest of the next load is another."""
    path = course.hidden / "toy" / "test_toy.py"
    path.write_text(path.read_text() + "# corrected\n")


def _put(course, report):
    """Store a report as grading would, under the suite as it is now."""
    suite = course.suite("toy")
    path = course.submission(report.student, "toy")
    report = dataclasses.replace(report, suite_digest=suite.digest)
    key = content_key(path, suite, student=report.student)
    Store(course.reports).put(key, report)


def _changes(course):
    return changes(Store(course.reports), "toy")


def test_who_changed_by_how_much_which_tests_and_why(course, hand_in, toy_report):
    for student in ("ann", "bob", "cyd"):
        hand_in(student)
    for student in ("ann", "bob", "cyd"):
        _put(course, toy_report(student, adds=False))
    _corrected(course)
    _put(course, toy_report("ann"))
    _put(course, toy_report("bob", adds=False))
    _put(course, not_graded("cyd", "toy", "the sandbox was lost"))
    found, total = _changes(course)
    assert total == 3
    ann, cyd = found
    assert (ann.student, ann.before, ann.after, ann.max_score) == ("ann", 7, 12, 12)
    assert ann.tests == (
        "add: Adds two numbers. failed (0/3) → passed (3/3)",
        "add: Adds negative numbers. failed (0/2) → passed (2/2)",
    )
    assert ann.why == ("the suite changed",)
    assert (cyd.student, cyd.before, cyd.after, cyd.tests) == ("cyd", 7, None, ())
    assert cyd.why[0] == "can't be graded: the sandbox was lost"


def test_a_fault_of_ours_in_between_hides_no_change(course, hand_in, toy_report):
    hand_in("ann")
    _put(course, toy_report("ann"))
    _corrected(course)
    _put(course, not_graded("ann", "toy", "disk full"))
    _put(course, toy_report("ann", adds=False))
    ((change,), _) = _changes(course)
    assert (change.before, change.after) == (12, 7)


def test_another_hand_in_is_told_apart_from_another_suite(course, hand_in, toy_report):
    path = hand_in("ann")
    _put(course, toy_report("ann", adds=False))
    path.write_text(path.read_text() + "\n")
    _put(course, toy_report("ann"))
    ((change,), _) = _changes(course)
    assert change.why == ("handed in again",)
    path.write_text(path.read_text() + "\n")
    _corrected(course)
    _put(course, toy_report("ann", multiplies=False))
    ((change,), _) = _changes(course)
    assert change.why == ("the suite changed", "handed in again")
    assert change.before == 12


def test_another_seed_is_neither(course, hand_in, toy_report):
    path, suite = hand_in("ann"), course.suite("toy")
    store = Store(course.reports)
    for seed in (0, 1):
        report = toy_report("ann", adds=bool(seed), suite_digest=suite.digest, seed=seed)
        store.put(content_key(path, suite, student="ann", seed=seed), report)
    ((change,), _) = _changes(course)
    assert change.why == ("the grader, the seed or the device changed",)


def test_new_and_dropped_tests_are_named(course, hand_in, toy_report):
    hand_in("ann")
    before = toy_report("ann")
    _put(course, before)
    _corrected(course)
    add, mul = before.tasks
    renamed = dataclasses.replace(mul.tests[0], name="Multiplies.")
    _put(
        course, dataclasses.replace(before, tasks=(add, dataclasses.replace(mul, tests=(renamed,))))
    )
    ((change,), _) = _changes(course)
    assert (change.before, change.after) == (12, 12)
    assert change.tests == (
        "mul: Multiplies two numbers. passed (7/7) → gone",
        "mul: Multiplies. new → passed (7/7)",
    )


def test_grading_the_same_again_and_again_changes_nothing(course, hand_in, toy_report):
    hand_in("ann")
    for _ in range(3):
        _put(course, toy_report("ann"))
    assert _changes(course) == ([], 0)


def test_a_suite_put_back_is_held_against_the_one_between(course, hand_in, toy_report):
    hand_in("ann")
    path = course.hidden / "toy" / "test_toy.py"
    first = path.read_text()
    for adds in (True, False, True):
        path.write_text(first if adds else first + "# wrong\n")
        _put(course, toy_report("ann", adds=adds))
    ((change,), _) = _changes(course)
    assert (change.before, change.after) == (7, 12)
