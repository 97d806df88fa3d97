"""A full disk, a locked or damaged database, a folder that may not be written: what is said, and
that nothing is lost. The disk is really full: a small tmpfs in a mount namespace of its own.
"""

import errno
import os
import random
import re
import shutil
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import closing

import pytest
from crash_drill import Drill

from autograder import cli, database, store
from autograder.database import back_up, create, require_healthy, require_unlocked
from autograder.recording import record
from autograder.storage import StorageError, refusal, usable
from autograder.store import Store

GO_ON = "then run the same command again: it goes on where it stopped"


# --- what is said ---


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (errno.ENOSPC, "the disk is full. Free some space, "),
        (errno.EDQUOT, "the disk is full"),
        (errno.EROFS, r"can't be written to. Check owner and permissions \(`ls -la`\), "),
        (errno.EACCES, "can't be written to"),
        (errno.EIO, "the disk reports errors"),
    ],
)
def test_what_a_disk_refuses_says_what_to_do_and_is_code_3(tmp_path, number, message):
    with (
        pytest.raises(StorageError, match=f"x.db: .*{message}.*{GO_ON}") as caught,
        usable(tmp_path / "x.db"),
    ):
        raise OSError(number, os.strerror(number))
    assert cli._code_of(caught.value) == cli.CANNOT_WORK


def test_other_errors_pass_and_one_students_folder_is_not_the_whole_disk():
    with pytest.raises(FileNotFoundError), usable("x"):
        raise FileNotFoundError(errno.ENOENT, "gone")
    for no_refusal in (PermissionError(errno.EACCES, "closed"), ValueError(), None):
        assert refusal("x", no_refusal) is None
    assert isinstance(refusal("x", OSError(errno.ENOSPC, "full")), StorageError)


def _in_its_own_words():
    try:
        raise OSError(errno.ENOSPC, "full")
    finally:  # as nbgrader does: what led to it is known, though not named as its cause
        raise ValueError("own words")


def test_an_error_is_known_by_what_led_to_it():
    with pytest.raises(ValueError, match="own words") as caught:
        _in_its_own_words()
    assert "the disk is full" in str(refusal("x", caught.value))


# --- locked ---


@pytest.fixture
def impatient(monkeypatch):
    """Wait for a locked database for a moment, not for a minute."""
    for module in (store, database):
        monkeypatch.setattr(module, "WAIT_SECONDS", 0.05)


@pytest.fixture
def locked():
    """Hold a database's exclusive lock while the test runs, or until it calls what it gets."""
    held = []

    def locked(path):
        held.append(sqlite3.connect(path, isolation_level=None))
        held[-1].execute("BEGIN EXCLUSIVE")
        return held[-1].close

    yield locked
    for connection in held:
        connection.close()


def test_a_locked_store_says_who_may_hold_it_and_loses_nothing(
    tmp_path, toy_report, locked, impatient
):
    reports = Store(tmp_path / "reports.db")
    reports.put("key", toy_report("ann"))
    free = locked(reports.path)
    message = f"reports.db: another program has kept it locked .* Close formgrader.*{GO_ON}"
    for attempt in (
        lambda: Store(reports.path),
        lambda: reports.put("other", toy_report("bob")),
        lambda: reports.get("key"),
    ):
        with pytest.raises(StorageError, match=message):
            attempt()
    free()
    assert Store(reports.path).put_aside is None
    assert reports.get("key") == toy_report("ann")


def test_a_locked_gradebook_ends_recording_at_once_and_the_next_run_goes_on(
    course, hand_in, toy_report, locked, impatient
):
    for student in ("ann", "bob"):
        hand_in(student)
    create(course.database)
    free, recorded = locked(course.database), []
    with pytest.raises(StorageError, match="gradebook.db: another program has kept it locked"):
        record(course, "toy", [toy_report("ann"), toy_report("bob")], recorded.append)
    with pytest.raises(StorageError, match="locked"):
        require_healthy(course.database)
    assert recorded == []
    free()
    assert record(course, "toy", [toy_report("ann"), toy_report("bob")], recorded.append) == {}
    assert recorded == ["ann", "bob"]


def test_a_gradebook_that_gets_locked_half_way_is_no_students_problem(
    course, hand_in, toy_report, locked, impatient
):
    reports, frees, recorded = [toy_report(s) for s in ("ann", "bob", "cyd")], [], []
    for report in reports:
        hand_in(report.student)

    def lock_after_ann(student):
        recorded.append(student)
        if not frees:
            frees.append(locked(course.database))

    with pytest.raises(StorageError, match="locked"):
        record(course, "toy", reports, lock_after_ann)
    assert recorded == ["ann"]
    frees[0]()
    assert record(course, "toy", reports, lock_after_ann) == {}
    assert recorded == ["ann", "bob", "cyd"]


# --- half done and damaged ---


def _with_hot_journal(path):
    """Make a database such as a power cut in the middle of a large change leaves."""
    original = path.with_name("original.db")
    with closing(sqlite3.connect(original, isolation_level=None)) as connection:
        connection.execute("CREATE TABLE student (id TEXT)")
        connection.executemany("INSERT INTO student VALUES (?)", [("ann" * 500,)] * 50)
        connection.execute("PRAGMA cache_size = 1")
        connection.execute("BEGIN")
        connection.execute("UPDATE student SET id = upper(id)")
        shutil.copy(original, path)
        shutil.copy(f"{original}-journal", f"{path}-journal")


def test_a_change_that_was_cut_short_is_taken_back_not_called_damage(tmp_path):
    path = tmp_path / "gradebook.db"
    _with_hot_journal(path)
    assert b"ANN" in path.read_bytes()
    require_healthy(path)
    require_unlocked(path)
    assert b"ANN" not in path.read_bytes()


def test_a_new_gradebook_does_not_inherit_an_old_journal(tmp_path):
    path = tmp_path / "gradebook.db"
    _with_hot_journal(path)
    path.unlink()
    create(path)
    require_healthy(path)
    back_up(path)


@pytest.mark.parametrize("damage", ["cut", "zeroed"])
def test_a_store_damaged_anywhere_is_never_a_crash_and_never_another_report(
    tmp_path, toy_report, damage
):
    whole = Store(tmp_path / "whole.db")
    reports = {f"key-{n}": toy_report(f"student-{n}", adds=n % 2 == 0) for n in range(40)}
    for key, report in reports.items():
        whole.put(key, report)
    data, rng, kept = whole.path.read_bytes(), random.Random(0), Counter()
    for number in range(40):
        at = rng.randrange(len(data))
        bad = data[:at] if damage == "cut" else data[:at] + bytes(2048) + data[at + 2048 :]
        path = tmp_path / f"{number}.db"
        path.write_bytes(bad)
        hurt = Store(path)
        for key, report in reports.items():
            assert hurt.get(key) in (None, report)
        hurt.put("new", toy_report("zoe"))
        assert hurt.get("new") == toy_report("zoe")
        assert toy_report("zoe") in hurt.latest("toy")
        kept["aside" if hurt.put_aside else "used"] += 1
        if hurt.put_aside:
            assert hurt.put_aside.read_bytes() == bad
    assert kept["aside"] > 20, kept


# --- full and read-only, with the real command ---

_SCRIPT = """
mount -t tmpfs -o size=$SMALL none "$COURSE" || exit 70
cp -r "$HANDED_IN/." "$COURSE" || exit 71
mount -o remount,$FIRST "$COURSE" || exit 72
"$@" 2>&1; echo "code $?"; echo "begun $(wc -l < "$DRILL_BEGUN")"
mount -o remount,rw,size=100m "$COURSE" || exit 73
"$@" > /dev/null 2>&1; echo "code $?"; echo "begun $(wc -l < "$DRILL_BEGUN")"
cp "$COURSE"/*.db "$KEPT"
"""


def _graded_on_a_small_disk(folder, **sizes):
    """Grade twelve on a disk that refuses, then on one that doesn't. Returns (said, Drill)."""
    folder.mkdir()
    course = Drill(folder, 12)
    handed_in, kept = folder / "handed in", folder / "kept"
    shutil.copytree(course.course, handed_in)
    kept.mkdir()
    names = {"COURSE": course.course, "HANDED_IN": handed_in, "KEPT": kept, **sizes}
    environment = {**os.environ, **course.environment, **{k: str(v) for k, v in names.items()}}
    grade = [sys.executable, "-m", "autograder", "grade", "toy", "--course", course.course]
    alone = ["unshare", "--mount", *(["--user", "--map-root-user"] * (os.geteuid() != 0))]
    done = subprocess.run(
        [*alone, "sh", "-c", _SCRIPT, "sh", *grade],
        env=environment, cwd=folder, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, (done.returncode, done.stdout, done.stderr)
    for file in kept.iterdir():
        shutil.copy(file, course.course)
    return " ".join(done.stdout.split()), course


REFUSALS = [
    ({"SMALL": "120k", "FIRST": "rw"}, r"reports.db: the disk is full. Free some space, "),
    ({"SMALL": "420k", "FIRST": "rw"}, r"gradebook.db: the disk is full. Free some space, "),
    ({"SMALL": "10m", "FIRST": "ro"}, r"reports.db: it, or its folder, can't be written to"),
]


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("disk", "message"), REFUSALS)
def test_a_disk_that_refuses_is_code_3_and_the_next_run_finishes(tmp_path, disk, message):
    said, course = _graded_on_a_small_disk(tmp_path / "drill", **disk)
    first, code, second = said.partition("code 3 ")
    assert code, said
    assert re.search(f"{message}.*{GO_ON}", first), first
    assert "Traceback" not in first
    ended = second.partition("code ")[2]
    assert ended.startswith("0 begun"), said
    begun, in_flight = int(ended.split()[-1]), len(os.sched_getaffinity(0)) + 1
    assert begun <= len(course.names) + in_flight, "finished work was done again"
    stored, _ = course.progress()
    assert stored == Counter(dict.fromkeys(course.names, 1))
    assert set(course.scores()) == set(course.names)
