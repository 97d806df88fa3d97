"""The build script: what it copies, when it forgets, how it fails."""

import fcntl
import os
import sys
import threading
import time
import urllib.request

import pytest


@pytest.fixture
def tree(tmp_path):
    """A small repository with what a build depends on."""
    for name in ("seqcourse/a.py", "seqcourse/data/b.py", "book/_ext/quiz.py", "requirements.txt"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path


def caches(folder):
    """Make both caches; returns the folder."""
    for name in (".doctrees", ".jupyter_cache"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    return folder


@pytest.mark.parametrize(
    ("changed", "dropped"),
    [
        ("seqcourse/data/b.py", [".jupyter_cache", ".doctrees"]),
        ("requirements.txt", [".jupyter_cache", ".doctrees"]),
        ("book/ladder.json", [".jupyter_cache", ".doctrees"]),
        ("book/_ext/quiz.py", [".doctrees"]),
        ("book/chapter.md", []),
    ],
)
def test_caches_are_dropped_when_their_inputs_change(build, tree, changed, dropped):
    folder = caches(tree / "_build")
    build.forget_if_changed(tree, folder)
    caches(folder)
    assert build.forget_if_changed(tree, folder) == []
    (tree / changed).write_text("changed")
    assert build.forget_if_changed(tree, folder) == dropped
    assert [name for name in dropped if (folder / name).exists()] == []


def test_digest_sees_names_and_where_contents_end(build, tmp_path):
    (tmp_path / "a").write_text("bc")
    one = build.digest(tmp_path, ["*"])
    (tmp_path / "a").rename(tmp_path / "ab")
    (tmp_path / "ab").write_text("c")
    assert build.digest(tmp_path, ["*"]) != one


def test_mathjax_is_copied_in_parts(build, tmp_path):
    build.copy_mathjax(tmp_path / "mathjax")
    size = sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())
    assert (tmp_path / "mathjax/tex-chtml.js").exists()
    assert list((tmp_path / "mathjax/output/chtml/fonts").rglob("*.woff"))
    assert size < 10e6
    assert "mathjax" not in sys.modules


def test_missing_mathjax_says_what_to_install(build, monkeypatch):
    monkeypatch.setattr(build.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(build.BuildError, match="pip install --no-deps -r requirements-files.txt"):
        build.mathjax_source()


def test_unknown_page(build, capsys):
    assert build.main(["--only", "book/nowhere.md"]) == 1
    assert "there is no page book/nowhere.md" in capsys.readouterr().err


def test_errors_of_the_book_are_an_error_of_the_command(build, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(build, "BUILD", tmp_path)
    monkeypatch.setattr(build, "copy_mathjax", lambda destination: None)
    monkeypatch.setattr(build, "keep_out_of_home", lambda folder: None)
    monkeypatch.setattr(build, "sphinx_build", lambda *args, **kwargs: False)
    assert build.main([]) == 1
    assert "the book has errors" in capsys.readouterr().err


def test_toc_of_one_page_names_it_once(build, tmp_path):
    toc = build.page_toc(tmp_path, "book/notation").read_text()
    assert toc.count("book/notation") == 1
    assert toc.count("book/index") == 1


def test_nothing_is_written_into_the_home(build, tmp_path, monkeypatch):
    for name in ("IPYTHONDIR", "JUPYTER_DATA_DIR", "MPLCONFIGDIR", "PYTHONPATH"):
        monkeypatch.setenv(name, "before")
    build.keep_out_of_home(tmp_path)
    assert os.environ["IPYTHONDIR"].startswith(str(tmp_path))
    assert os.environ["MPLCONFIGDIR"].startswith(str(tmp_path))
    assert os.environ["PYTHONPATH"] == f"{build.ROOT}{os.pathsep}before"


def test_a_second_build_waits_for_the_first(build, tmp_path, capsys):
    with (tmp_path / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        entered = threading.Event()

        def second():
            with build.alone(tmp_path):
                entered.set()

        thread = threading.Thread(target=second)
        thread.start()
        time.sleep(0.2)
        assert not entered.is_set()
        fcntl.flock(lock, fcntl.LOCK_UN)
        thread.join(timeout=5)
    assert entered.is_set()
    assert "another build is running" in capsys.readouterr().out


def test_serve_shows_a_folder_on_this_machine_only(build, tmp_path, capsys):
    (tmp_path / "index.html").write_text("hello")
    with build.serve(tmp_path, port=0) as address:
        assert address.startswith("http://127.0.0.1:")
        with urllib.request.urlopen(address) as answer:
            assert answer.read() == b"hello"
    assert f"the book is at {address}" in capsys.readouterr().out


def test_serve_takes_another_port_when_one_is_taken(build, tmp_path):
    with build.serve(tmp_path, port=0) as first:
        port = int(first.rsplit(":", 1)[1].strip("/"))
        with build.serve(tmp_path, port=port) as second:
            assert second != first


def test_watch_builds_again_when_a_page_changes(build, tmp_path, monkeypatch):
    class RebuiltError(Exception):
        """Ends the endless loop."""

    def rebuild():
        raise RebuiltError

    def nap(seconds):
        page.write_text(page.read_text() + "x")

    page = tmp_path / "book/a.md"
    page.parent.mkdir()
    page.write_text("")
    monkeypatch.setattr(build, "ROOT", tmp_path)
    monkeypatch.setattr(build.time, "sleep", nap)
    with pytest.raises(RebuiltError):
        build.watch(rebuild)
