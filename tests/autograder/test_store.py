import dataclasses
import os
from pathlib import Path

import pytest

from autograder.report import Note, not_graded
from autograder.store import Store, content_key, put_aside


def test_a_graded_report_comes_back_as_it_was(tmp_path, toy_report):
    store = Store(tmp_path / "reports.db")
    report = toy_report("ann", adds=False, notes=(Note("Cell 1", "é"),))
    store.put("key", report)
    assert Store(tmp_path / "reports.db").get("key") == report
    assert store.get("another key") is None


def test_our_own_fault_is_remembered_but_tried_again(tmp_path):
    store, report = Store(tmp_path / "reports.db"), not_graded("ann", "toy", "disk full")
    store.put("key", report)
    assert store.get("key") is None
    assert store.latest("toy") == [report]


def test_latest_holds_one_report_a_student_sorted(tmp_path, toy_report):
    store = Store(tmp_path / "reports.db")
    store.put("1", toy_report("bob", adds=False))
    store.put("2", toy_report("ann"))
    store.put("3", toy_report("bob"))
    store.put("4", dataclasses.replace(toy_report("cyd"), lab="other"))
    assert [(r.student, r.score) for r in store.latest("toy")] == [("ann", 12), ("bob", 12)]


def test_a_damaged_store_is_put_aside_not_deleted(tmp_path, toy_report):
    path = tmp_path / "reports.db"
    path.write_bytes(b"this is no database" * 100)
    store = Store(path)
    assert store.put_aside == tmp_path / "reports.db.damaged-1"
    assert store.put_aside.read_bytes().startswith(b"this is no database")
    store.put("key", toy_report("ann"))
    assert store.get("key") is not None


def test_put_aside_never_overwrites(tmp_path):
    for number in (1, 2):
        (tmp_path / "file").write_text(str(number))
        assert put_aside(tmp_path / "file").name == f"file.damaged-{number}"
    assert (tmp_path / "file.damaged-1").read_text() == "1"


def test_every_input_of_a_report_changes_its_key(course, hand_in):
    path, suite = hand_in("ann"), course.suite("toy")
    limits = dataclasses.replace(suite.limits, call_seconds=3.0)
    keys = {
        content_key(path, suite, student="ann"),
        content_key(path, suite, student="bob"),
        content_key(path, suite, student="ann", seed=7),
        content_key(path, suite, student="ann", device="cuda"),
        content_key(path, dataclasses.replace(suite, digest="other"), student="ann"),
        content_key(path, dataclasses.replace(suite, limits=limits), student="ann"),
        content_key(path, dataclasses.replace(suite, forbidden=("os",)), student="ann"),
    }
    before = content_key(path, suite, student="ann")
    (suite.path / "matrix.json").write_text("{}")
    keys.add(content_key(path, suite, student="ann"))
    path.write_text(path.read_text() + " ")
    keys.add(content_key(path, suite, student="ann"))
    assert len(keys) == 9
    assert before in keys


def test_a_folders_name_that_is_no_utf8_is_stored(tmp_path, toy_report):
    store, report = Store(tmp_path / "reports.db"), toy_report(os.fsdecode(b"ann-\xff"))
    store.put("key", report)
    assert store.get("key") == report
    assert store.latest("toy") == [report]


@pytest.mark.timeout(10)
def test_what_is_no_regular_file_is_hashed_without_being_opened(course, tmp_path):
    suite, pipe = course.suite("toy"), tmp_path / "pipe"
    os.mkfifo(pipe)
    link = tmp_path / "link"
    link.symlink_to("/etc/hostname")
    strange = [pipe, link, tmp_path, Path("/nowhere/at/all"), Path("/proc/self/mem")]
    assert len({content_key(path, suite, student="ann") for path in strange}) > 1
    link_key = content_key(link, suite, student="ann")
    assert link_key != content_key(Path("/etc/hostname"), suite, student="ann")
