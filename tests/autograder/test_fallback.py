"""The weaker sandbox: the same scores, and what Landlock and seccomp can hide is hidden."""

import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest
import sandlock

from autograder import doctor, notebook, sandbox, zygote
from autograder.engine import Engine
from autograder.errors import SandboxError
from autograder.limits import Limits
from autograder.notebook import Cell
from autograder.remote import Student
from autograder.sandbox import Fallback, Open, Sandbox, kind
from autograder.sandbox.bwrap import ROOT, View, site_packages
from autograder.sandbox.fallback import GAPS, mirror
from autograder.sandbox.watch import Process
from autograder.session import Session
from autograder.suite import load_suite

TOY = Path(__file__).parent / "fixtures" / "toy"
LIMITS = Limits(memory_mb=256, call_seconds=5, scratch_mb=16)


@pytest.fixture(scope="module")
def weak():
    view = View(("seqcourse.ngram", "nltk.lm"), (TOY / "words.txt",), 2**24)
    with Fallback(view) as started:
        yield started


@pytest.fixture
def run(weak):
    """Return a function that runs a cell and gives the value of `x`."""
    sessions = []

    def run(code):
        sessions.append(Session(weak, [Cell(code, 1)], LIMITS, 0))
        sessions[-1].begin_test(20)
        assert sessions[-1].notes == []
        return Student(sessions[-1]).x

    yield run
    for session in sessions:
        session.close()


# --- the same grader ---


SUBMISSIONS = {
    "right": {},
    "wrong": {"scale": "def scale(x, k):\n    return x + k"},
    "raising": {"count": "def count_bigrams(tokens):\n    raise ValueError('odd')"},
    "endless": {"scale": "def scale(x, k):\n    while k == 7: pass\n    return x * k"},
    "memory": {"scale": "def scale(x, k):\n    return bytearray(2**31)"},
    "reads data, copies it": {
        "scale": "import shutil\nshutil.copy('words.txt', 'copy.txt')\n"
        "assert open('copy.txt').read() == open('words.txt').read()\n"
        "def scale(x, k):\n    if k is None: raise TypeError\n    return x * k"
    },
    "forbidden": {"count": "from nltk.lm import MLE\ndef count_bigrams(t): return MLE(2)"},
    "programs": {"scale": "import os\ndef scale(x, k):\n    os.fork()"},
}


@pytest.fixture(scope="module")
def engines():
    suite = load_suite(TOY)
    with Engine(suite, walls="full") as full, Engine(suite, walls="fallback") as fallback:
        yield full, fallback


@pytest.mark.parametrize("answers", SUBMISSIONS.values(), ids=SUBMISSIONS)
def test_both_kinds_of_walls_give_the_same_report(engines, tmp_path, answers):
    suite = engines[0].suite
    changes = {f"{name}-answer": answer for name, answer in answers.items()}
    path = tmp_path / "toy.ipynb"
    notebook.write(notebook.with_answers(suite.source, changes), path)
    reports = [engine.grade(path, student="ada").to_dict() for engine in engines]
    assert reports[0]["walls"] == ("bubblewrap", "seccomp", "landlock", "rlimits", "watchdog")
    assert reports[1]["walls"] == ("seccomp", "landlock", "rlimits", "watchdog")
    plain = [{**report, "walls": (), "seconds": 0} for report in reports]
    assert plain[0] == plain[1]
    assert plain[0]["status"] == "graded"


# --- when it is chosen ---


def test_it_is_taken_only_where_bubblewrap_cannot_build_its_walls(monkeypatch):
    assert kind("auto") is Sandbox
    monkeypatch.setattr(sandbox, "why_unusable", lambda: "No permissions to create new namespace")
    assert kind("auto") is Fallback
    assert (kind("full"), kind("none")) == (Sandbox, Open)


def test_a_bubblewrap_that_fails_says_why(monkeypatch):
    monkeypatch.setattr("autograder.sandbox.bwrap.find_bwrap", lambda: "/bin/false")
    assert sandbox.why_unusable() == "exit code 1"

    def none():
        raise SandboxError("no bubblewrap")

    monkeypatch.setattr("autograder.sandbox.bwrap.find_bwrap", none)
    assert sandbox.why_unusable() == "no bubblewrap"


def test_without_landlock_nothing_is_run(monkeypatch):
    monkeypatch.setattr(sandlock, "landlock_abi_version", lambda: 4)
    with pytest.raises(SandboxError, match="Landlock has version 4, and 6 is needed: Linux 6.12"):
        Fallback(View()).start()


def test_an_interpreter_without_a_place_of_its_own_is_refused(monkeypatch):
    monkeypatch.setattr("autograder.sandbox.fallback.python_paths", lambda: ["/usr", str(ROOT)])
    with pytest.raises(SandboxError, match="use a virtual environment"):
        Fallback(View()).start()


def test_the_doctor_proves_it_and_says_what_it_does_not_stop(monkeypatch):
    monkeypatch.setattr(doctor, "ATTEMPTS", doctor.ATTEMPTS[:2])
    checks = list(doctor.examine("fallback"))
    assert [check.detail for check in checks if check.ok is False] == []
    assert tuple(check.detail for check in checks if check.name == "not stopped") == GAPS
    assert len(checks) == 3 + len(GAPS) + 2


@pytest.mark.parametrize("tried", doctor.ATTEMPTS, ids=lambda tried: tried.__name__)
def test_no_attempt_gets_through(weak, tried):
    check = doctor.attempt(weak, tried)
    assert check.ok, check.detail


# --- what it hides ---


def test_only_what_is_needed_can_be_opened(run):
    site = site_packages()[0]
    paths = [
        *(ROOT / "autograder" / name for name in ("suite.py", "hidden", "hidden/lab02/lab.toml")),
        *(ROOT / "solutions", TOY / "toy.ipynb", TOY / "words.txt", Path(__file__)),
        *map(Path, ("/etc/passwd", "/proc/1/environ", "/proc", "/tmp", "/var", "/dev/shm", "/")),
        *(Path(f"/proc/{os.getpid()}/{name}") for name in ("status", "maps", "cmdline")),
        *(Path(site), Path(site, "nltk", "lm"), Path(site, "nltk", "lm", "models.py")),
    ]
    code = (
        "import os\nx = {}\n"
        f"for path in {[str(path) for path in paths]}:\n"
        "    try:\n        os.close(os.open(path, os.O_RDONLY)); x[path] = 0\n"
        "    except OSError as error:\n        x[path] = error.errno"
    )
    assert run(code) == {str(path): 13 for path in paths}  # EACCES


def test_its_own_folder_and_data_and_packages_can_be_read(run):
    code = "import os, nltk, numpy, seqcourse\nx = [open('words.txt').read(), os.listdir('.')]"
    assert run(code) == [(TOY / "words.txt").read_text(), ["words.txt"]]
    assert run("import os, seqcourse\nx = 'ngram.py' in os.listdir(seqcourse.__path__[0])") is False


def test_the_environment_is_clean(run):
    names = run("import os\nx = sorted(os.environ)")
    assert set(names) == {*sandbox.fallback.ENVIRONMENT, "PYTHONPATH"}


def test_root_has_no_rights_left(run):
    status = run("x = open('/proc/self/status').read()")
    rights = {line.split(":")[0]: line.split()[-1] for line in status.splitlines() if "Cap" in line}
    assert int(rights["CapEff"], 16) == int(rights["CapPrm"], 16) == 0


def test_modes_and_times_are_not_changed_though_it_looks_so(run, tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("x")
    before = victim.stat()
    code = "import os\n" + "".join(
        f"os.{call}\n"
        for call in (
            f"chmod({str(victim)!r}, 0)",
            f"utime({str(victim)!r}, (0, 0))",
            f"chown({str(victim)!r}, 1, 1)",
        )
    )
    run(code + "x = 1")
    assert victim.stat() == before


def test_packages_are_linked_but_for_forbidden_modules(tmp_path):
    for name in ("a/__init__.py", "a/b/c.py", "a/b/d.py", "a/b/__pycache__/c.cpython-311.pyc"):
        (tmp_path / "site" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "site" / name).write_text(name)
    (tmp_path / "site" / "a/b/__pycache__/d.cpython-311.pyc").touch()
    (tmp_path / "site" / "e.py").touch()
    linked = mirror(tmp_path / "site", tmp_path / "links", ["a.b.c", "f"])
    names = [str(Path(path).relative_to(tmp_path / "site")) for path in linked]
    cache = "a/b/__pycache__/d.cpython-311.pyc"
    assert sorted(names) == ["a/__init__.py", cache, "a/b/d.py", "e.py"]
    links = [path for path in (tmp_path / "links").rglob("*") if path.is_symlink()]
    assert sorted(str(path.relative_to(tmp_path / "links")) for path in links) == sorted(names)
    assert all(
        path.read_text() in ("", str(path.relative_to(tmp_path / "links"))) for path in links
    )


# --- nothing is left ---


def gone(pid):
    until = time.monotonic() + 20
    while (process := Process.read(pid)) is not None and process.state != "Z":
        if time.monotonic() > until:
            return False
        time.sleep(0.01)
    return True


@pytest.mark.parametrize("how", ["closed", "zygote killed"])
def test_the_worker_dies_with_its_zygote(how):
    host = Fallback(View())
    host.start()
    session = Session(host, [Cell("x = 1", 1)], LIMITS, 0)
    session.begin_test(20)  # it runs by now
    worker, home = host._worker.pid, host._home
    assert Process.read(worker).state in "RS"
    if how == "closed":
        host.close()
    else:
        os.kill(host.zygote, signal.SIGKILL)
    assert gone(worker)
    session._watchdog.stop()
    host.close()
    assert not home.exists()


@pytest.fixture
def deep(tmp_path):
    """A folder that neither `shutil.rmtree` nor pytest could remove."""
    deep = tmp_path / "scratch"
    deep.mkdir()
    yield deep
    subprocess.run(["rm", "-rf", str(deep)], check=True)


def test_a_folder_of_any_depth_and_mode_is_emptied(tmp_path, deep):
    here = os.open(deep, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("d" * 9, dir_fd=here)
        below = os.open("d" * 9, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    (deep / "shut").mkdir(mode=0)
    (deep / "link").symlink_to(tmp_path)
    files, _ = zygote.held(deep, 500)
    assert files > 500
    zygote.empty(deep)
    assert list(tmp_path.iterdir()) == [deep]
    assert list(deep.iterdir()) == []


def test_files_are_counted_and_weighed(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").write_bytes(bytes(70_000))
    (tmp_path / "c").write_bytes(bytes(5))
    with (tmp_path / "hole").open("wb") as file:
        file.truncate(10**9)
    assert zygote.held(tmp_path, 100) == (4, 70_005)
    assert zygote.held(tmp_path, 2)[0] > 2


@pytest.mark.parametrize(
    ("use", "why"),
    [
        ((3, 100, 2**40), ""),
        ((11, 100, 2**40), "files"),
        ((3, 101, 2**40), "disk"),
        ((3, 100, 2**20), "machine"),
    ],
)
def test_a_worker_is_killed_for_what_it_writes_and_the_reason_is_kept(tmp_path, use, why):
    pids = str(Path("/proc/self/ns/pid").readlink())
    ours, theirs = socket.socketpair()
    mother = zygote.Zygote(ours, {"scratch": str(tmp_path), "outer_pids": pids})
    mother._limits = {"files": 10, "scratch": 100}
    mother._child = os.fork()
    if mother._child == 0:
        time.sleep(100)
        os._exit(0)
    mother._use = lambda: use
    mother._watch_files()
    assert mother._why == why
    assert os.WTERMSIG(mother._end()) == signal.SIGKILL
    ours.close()
    theirs.close()
