"""Points can't be forged: no reply is a verdict, and no comparison is made where students are."""

import pytest

from autograder.report import Verdict

RIGHT = "def scale(x, k): return x * k\n"
WRONG = "def scale(x, k): return x * 0\n"


def verdicts(report, task="scale"):
    return [test.verdict for test in report.task(task).tests]


PATCHES = {
    "numpy": "import numpy as np, numpy.testing\n"
    "for name in ('allclose', 'isclose', 'array_equal', 'argwhere', 'asarray', 'isnan'):\n"
    "    setattr(np, name, lambda *a, **k: True)\n"
    "np.testing.assert_allclose = lambda *a, **k: None\n",
    "pytest": "import sys, types\nsys.modules['pytest'] = types.ModuleType('pytest')\n"
    "import builtins\nbuiltins.AssertionError = type('Never', (Exception,), {})\n",
    "autograder": "import sys\n"
    "for name in list(sys.modules):\n"
    "    if 'autograder' in name:\n"
    "        for key in list(vars(sys.modules[name])):\n"
    "            if key[0] != '_':\n"
    "                setattr(sys.modules[name], key, lambda *a, **k: b'')\n",
    "print": 'print(\'7 passed in 0.01s\')\nprint(\'{"score": 10, "status": "graded"}\')\n',
    "files": "import json, os\n"
    "for name in ('report.json', 'results.json', 'conftest.py', 'sitecustomize.py', 'numpy.py',\n"
    "             'usercustomize.py', 'x.pth', 'matrix.json', 'gradebook.db', 'torch.pyc'):\n"
    "    open(name, 'w').write('import os; os._exit(0)')\n",
    "environment": "import os\nos.environ.update(LD_PRELOAD='/scratch/work/evil.so', "
    "PYTHONSTARTUP='x.py', PYTEST_ADDOPTS='--collect-only')\n",
    "signals": "import signal\n"
    "for number in range(1, 65):\n"
    "    try:\n        signal.signal(number, signal.SIG_IGN)\n"
    "    except (OSError, ValueError):\n        pass\n",
    "atexit": "import atexit, os\natexit.register(lambda: os._exit(0))\n",
}


@pytest.mark.parametrize("patch", PATCHES.values(), ids=PATCHES)
def test_changing_its_own_process_earns_nothing(attack, patch):
    report = attack(patch + WRONG)
    assert report.task("scale").tests[0].points == 0
    assert report.task("scale").score <= 2  # shape and exception are right, by luck or by crash


LIES = {
    "equal to all": "class Lie:\n"
    "    def __eq__(self, other): return True\n    def __ne__(self, other): return False\n"
    "    def __bool__(self): return True\n    def __hash__(self): return 0\n"
    "    def __array__(self, *a, **k): return __import__('numpy').zeros(0)\n"
    "    def __float__(self): return 1.0\n    shape = (3, 5)\n    dtype = 'float64'\n"
    "    __class__ = property(lambda self: __import__('numpy').ndarray)\n"
    "def scale(x, k): return Lie()\n",
    "array subclass": "import numpy as np\n"
    "class Lie(np.ndarray):\n"
    "    def __array_ufunc__(self, *a, **k): return np.ones((3, 5), bool)\n"
    "    def __array_function__(self, *a, **k): return True\n"
    "    def __eq__(self, other): return np.ones((3, 5), bool)\n"
    "def scale(x, k): return np.zeros(np.shape(x)).view(Lie)\n",
    "tensor subclass": "import torch\n"
    "class Lie(torch.Tensor):\n"
    "    @classmethod\n    def __torch_function__(cls, *a, **k): return True\n"
    "def scale(x, k): return torch.zeros(x.shape).as_subclass(Lie)\n",
    "masked": "import numpy as np\ndef scale(x, k): return np.ma.masked_all(np.shape(x))\n",
    "nan": "import numpy as np\ndef scale(x, k): return np.full(np.shape(x), np.nan)\n",
    "infinite": "import numpy as np\ndef scale(x, k): return np.full(np.shape(x), np.inf)\n",
    "true": "def scale(x, k): return True\n",
    "verdict": "def scale(x, k): return 'passed'\n",
    "report": "def scale(x, k): return {'verdict': 'passed', 'points': 2.0, 'score': 10.0}\n",
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_objects_that_lie_earn_nothing(attack, lie):
    report = attack(lie)
    assert report.status == "graded"
    assert verdicts(report)[0] is Verdict.failed


def test_arguments_changed_in_place_do_not_change_the_expected_value(attack):
    report = attack("def scale(x, k):\n    x[:] = 0\n    return x\n")
    assert verdicts(report)[0] is Verdict.failed


EXITS = {
    "os._exit": "import os\ndef scale(x, k): os._exit(0)\n",
    "kill itself": "import os\ndef scale(x, k): os.kill(os.getpid(), 9)\n",
    "segfault": "import ctypes\ndef scale(x, k): ctypes.string_at(0)\n",
    "abort": "import os\ndef scale(x, k): os.abort()\n",
    "close the wire": "import os\ndef scale(x, k): os.closerange(3, 100)\n",
}


@pytest.mark.parametrize("code", EXITS.values(), ids=EXITS)
def test_ending_the_process_is_a_crash_of_that_test_only(attack, code):
    report = attack(code)
    assert set(verdicts(report)) == {Verdict.crashed}
    assert report.score == 6.0


@pytest.mark.parametrize(
    "code",
    [
        "import sys\ndef scale(x, k): sys.exit(0)\n",
        "def scale(x, k): raise BaseException\n",
        "def scale(x, k): raise KeyboardInterrupt\n",
        "def scale(x, k): raise GeneratorExit\n",
        "class Skipped(BaseException): pass\ndef scale(x, k): raise Skipped('skip')\n",
    ],
)
def test_leaving_by_an_exception_is_a_failure(attack, code):
    report = attack(code)
    assert set(verdicts(report)) == {Verdict.failed}


def test_a_cell_that_ends_the_process_earns_nothing_at_all(attack):
    report = attack("import os\nos._exit(0)\n")
    assert (report.status, report.score) == ("graded", 0.0)
    said = report.task("walk").tests[0].message
    assert said.startswith("Cell 3: your code ended the process: it ended by itself with exit code")


SPEAK = """
import gc, os, struct, msgpack
from autograder.wire import Channel
from autograder.worker import Worker
worker = next(o for o in gc.get_objects() if type(o) is Worker)
wire = next(o for o in gc.get_objects() if type(o) is Channel).fileno()
def say(*message):
    data = msgpack.packb(list(message))
    os.write(wire, struct.pack('>I', len(data)) + data)
"""
MESSAGES = {
    "a verdict": "say(worker._number, 'passed', 2.0)",
    "a report": "say({'score': 10.0, 'status': 'graded'})",
    "garbage": "os.write(wire, os.urandom(64))",
    "a pickle": "os.write(wire, struct.pack('>I', 4) + b'\\x80\\x04N.')",
    "another number": "say(worker._number + 1, 'value', None)",
    "an endless frame": "os.write(wire, b'\\x0f\\xff\\xff\\xff'); __import__('time').sleep(60)",
}


@pytest.mark.parametrize("message", MESSAGES.values(), ids=MESSAGES)
def test_speaking_the_wire_out_of_turn_earns_nothing(attack, message):
    report = attack(f"{SPEAK}\ndef scale(x, k):\n    {message}\n    return x * k\n")
    assert report.status == "graded"
    assert set(verdicts(report)) <= {Verdict.crashed, Verdict.timed_out}


def test_replying_twice_costs_the_next_test(attack):
    report = attack(
        f"{SPEAK}\ndef scale(x, k):\n    say(worker._number, 'value', None)\n    return x * k\n"
    )
    assert report.task("scale").score == 0
    assert report.status == "graded"


def test_a_thread_that_answers_for_the_next_test_is_a_breach(attack):
    report = attack(
        f"{SPEAK}\nimport threading, time\n"
        "def flood():\n    while True:\n"
        "        say(worker._number + 1, 'value', None); time.sleep(0.01)\n"
        "def scale(x, k):\n    threading.Thread(target=flood, daemon=True).start()\n"
        "    return x * k\n"
    )
    assert report.status == "graded"
    assert report.task("scale").score <= 2
    assert Verdict.crashed in verdicts(report)
