"""The prompt on a submission, driven through a real terminal."""

import os
import pty
import select
import shutil
import signal
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from autograder import notebook
from autograder.cli import app
from autograder.course import WrongUseError
from autograder.shell import lab_of

TOY = Path(__file__).parent / "fixtures" / "toy"
START = (
    "import sys; from pathlib import Path; from autograder.shell import prompt; "
    "from autograder.suite import load_suite; "
    "prompt(load_suite(Path(sys.argv[1])), Path(sys.argv[2]))"
)
READY = ">>> "
CHILDREN = "print('children', open(f'/proc/self/task/{__import__('os').getpid()}/children').read())"


class Terminal:
    """A process at a terminal of its own: read until a text, type a line, press a key."""

    def __init__(self, command):
        self.text = ""
        self._pid, self._handle = pty.fork()
        if self._pid == 0:
            # ignored where a shell runs the tests in the background
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            os.execve(command[0], command, {**os.environ, "TERM": "dumb"})

    def until(self, text, seconds=60):
        """Return what was printed up to this text."""
        deadline = time.monotonic() + seconds
        while text not in self.text:
            ready, _, _ = select.select([self._handle], [], [], deadline - time.monotonic())
            assert ready, f"no {text!r} in {self.text!r}"
            self.text += self._read()
        said, _, self.text = self.text.partition(text)
        return said.replace("\r\n", "\n")

    def press(self, keys):
        os.write(self._handle, keys.encode())

    def type(self, line, until=READY):
        """Type one line and return what it prints."""
        self.press(f"{line}\n")
        return self.until(until).partition(f"{line}\n")[2].rstrip()

    def end(self):
        """Press Ctrl-D and return the exit status."""
        self.press("\x04")
        return os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])

    def close(self):
        os.close(self._handle)

    def _read(self):
        try:
            return os.read(self._handle, 4096).decode()
        except OSError as error:  # Linux says so when the other side is gone
            raise AssertionError(f"it ended: {self.text}") from error


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    target = tmp_path_factory.mktemp("with space") / "toy"
    shutil.copytree(TOY, target, ignore=shutil.ignore_patterns("__pycache__", "matrix.json"))
    toml = target / "lab.toml"
    text = toml.read_text().replace("cells_seconds = 4", "cells_seconds = 1")
    toml.write_text(text.replace("call_seconds = 2", "call_seconds = 10"))
    return target


@pytest.fixture
def shell(folder, tmp_path):
    """Return a function that opens a prompt on the solution with cells added, answers changed."""
    opened = []

    def shell(*own, **answers):
        changes = {f"{name}-answer": answer for name, answer in answers.items()}
        nb = notebook.with_answers(notebook.read(folder / "toy.ipynb"), changes)
        nb["cells"] += [{"cell_type": "code", "metadata": {}, "source": each} for each in own]
        notebook.write(nb, tmp_path / "toy.ipynb")
        opened.append(Terminal([sys.executable, "-c", START, folder, tmp_path / "toy.ipynb"]))
        return opened[-1]

    yield shell
    for terminal in opened:
        terminal.close()


def test_the_prompt_answers_as_a_hidden_test_is_answered(shell):
    terminal = shell(scale="def inner(x, k):\n    return x[k]\n\ndef scale(x, k):\n    inner(x, k)")
    banner = terminal.until(READY)
    assert "toy.ipynb, behind " in banner
    assert "It defines words, inner, scale, count_bigrams, Walker.\n" in banner
    assert terminal.type("student.count_bigrams(['a', 'b'])") == "{('a', 'b'): 1}"
    assert terminal.type("student.Walker([4, 8, 6]).best(lambda n: -abs(n - 7))") == "8"
    assert terminal.type("student.scale(np.ones(2), 7)") == (
        "IndexError: index 7 is out of bounds for axis 0 with size 2 (cell 3, line 2)\n"
        "  cell 3, line 5, in scale: inner(x, k)\n"
        "  cell 3, line 2, in inner: return x[k]"
    )
    assert terminal.type("student.softmax") == "Your notebook defines no `softmax`."
    assert terminal.type("cell(3)").splitlines()[1] == "   2      return x[k]"
    assert terminal.type("cell(4)") == "There is no cell 4 of code. There are: 2, 3, 5, 7"
    assert terminal.type("1 / 0").endswith("ZeroDivisionError: division by zero")


def test_ctrl_c_ends_a_running_call_and_ctrl_d_leaves_nothing_behind(shell):
    terminal = shell(scale="def scale(tell, k):\n    tell()\n    while True:\n        pass")
    terminal.until(READY)
    terminal.type("student.scale(lambda: print('it', 'runs'), 1)", until="it runs")
    terminal.press("\x03")
    assert "\nInterrupted. The cells run again before the next line" in terminal.until(READY)
    assert terminal.type("student.count_bigrams([1, 1])") == "{(1, 1): 1}"
    children = terminal.type(CHILDREN, until=READY).split()[1:]
    assert children
    assert terminal.end() == 0
    assert not [pid for pid in children if Path("/proc", pid).exists()]


def test_a_call_that_ends_the_student_s_process_costs_that_process_only(shell):
    terminal = shell(scale="import os\ncalls = []\ndef scale(x, k):\n    os._exit(3)")
    assert "It defines words, calls, scale" in terminal.until(READY)
    terminal.type("student.calls.append(1)")
    said = terminal.type("student.scale(1, 2)")
    assert said.strip().startswith("WorkerCrashed: your code ended its own process")
    assert terminal.type("student.calls") == "[]"


def test_cells_that_raised_are_named_first(shell):
    terminal = shell(scale="scale = 1 / 0")
    assert "Cell 3, line 1 raised ZeroDivisionError: division by zero\n" in terminal.until(READY)


def test_a_cell_that_never_ends_is_named_and_left_out(shell):
    terminal = shell(scale="while True: pass")
    terminal.until("Cell 3: the notebook's cells ran longer than 1 s. The others were run without")
    assert "It defines words, count_bigrams, Walker." in terminal.until(READY)


def test_many_cells_that_end_the_process_leave_nothing_to_talk_to(shell):
    terminal = shell(*["import os; os._exit(1)"] * 11)
    terminal.until("The cells can't be run, so there is nothing to talk to:")
    terminal.until(": your code ended its own process, as `exit` or `os._exit` do.")
    assert terminal.end() == 0


def test_what_a_student_s_error_says_is_shown_as_harmless_text(shell):
    terminal = shell(scale="def scale(x, k):\n    raise ValueError('\\x1b[31m red')")
    terminal.until(READY)
    assert terminal.type("student.scale(1, 2)").startswith("ValueError: �[31m red (cell 3, line 2)")


def test_the_lab_is_what_the_file_or_its_folder_is_named_after():
    assert lab_of(Path("submitted/ada/lab02/lab02.ipynb")) == "lab02"
    assert lab_of(Path("submitted/ada/lab02/mine.ipynb")) == "lab02"
    assert lab_of(Path("mine.ipynb")) is None


def test_a_file_that_is_not_there_is_named_before_its_lab_is_asked_for(tmp_path):
    done = CliRunner().invoke(app, ["shell", str(tmp_path / "mine.ipynb")])
    assert isinstance(done.exception, WrongUseError)
    assert str(done.exception) == f"No file {tmp_path / 'mine.ipynb'}. Give a notebook."


def test_a_file_of_no_known_lab_is_wrong_use(tmp_path):
    (tmp_path / "mine.ipynb").write_text("{}")
    done = CliRunner().invoke(app, ["shell", str(tmp_path / "mine.ipynb")])
    assert isinstance(done.exception, WrongUseError)
    assert "autograder shell FILE --lab lab02" in str(done.exception)
