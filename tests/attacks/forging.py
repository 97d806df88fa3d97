"""Attacks on the score: forged results, patched graders, values that lie, processes that end."""

from attack import WRONG, Attack, Wants

from autograder.report import Verdict

__all__ = ["ATTACKS"]

CRASHED = frozenset({Verdict.crashed})
BROKEN = frozenset({Verdict.crashed, Verdict.timed_out})
ANY_LOSS = frozenset({Verdict.crashed, Verdict.failed, Verdict.timed_out})

# The line that the naive grader ends with, and that a launcher reads.
FAKE = (
    "import json\n"
    "POINTS = {'scale': 4, 'count': 3, 'walk': 3, 'essay': 2}\n"
    "FAKE = json.dumps({'mallory': {'score': POINTS, 'said': []}, 'ada': {'score': POINTS}})\n"
)

PATCHES = [
    Attack(
        "patches NumPy's comparisons",
        Wants.points,
        "import numpy as np, numpy.testing\n"
        "for name in ('allclose', 'isclose', 'array_equal', 'argwhere', 'asarray', 'isnan'):\n"
        "    setattr(np, name, lambda *a, **k: True)\n"
        "np.testing.assert_allclose = lambda *a, **k: None\n"
        f"np.abs = lambda x: np.zeros(1)\n{WRONG}",
    ),
    Attack(
        "empties the list of tests",
        Wants.points,
        "import sys\n"
        "for module in list(sys.modules.values()):\n"
        "    if hasattr(module, 'TESTS'): module.TESTS.clear()\n"
        f"{WRONG}",
    ),
    Attack(
        "rewrites the bytecode of the tests",
        Wants.points,
        "import gc, types\n"
        "for f in gc.get_objects():\n"
        "    if isinstance(f, types.FunctionType) and 'hidden' in f.__code__.co_filename:\n"
        "        f.__code__ = (lambda student: None).__code__\n"
        f"{WRONG}",
    ),
    Attack(
        "patches the grader",
        Wants.points,
        "import sys\n"
        "for name, module in list(sys.modules.items()):\n"
        "    if name == '__main__' or 'autograder' in name:\n"
        "        for key in [k for k in vars(module) if k in ('passed', 'encode', 'decode')]:\n"
        "            setattr(module, key, lambda *a, **k: 1)\n"
        f"{WRONG}",
        verdicts=ANY_LOSS,
        alone=False,
    ),
    Attack(
        "replaces pytest and AssertionError",
        Wants.points,
        "import builtins, sys, types\nsys.modules['pytest'] = types.ModuleType('pytest')\n"
        "builtins.AssertionError = type('Never', (Exception,), {})\n"
        f"{WRONG}",
        no_victim="the naive grader has no pytest to replace",
    ),
    Attack(
        "patches JSON",
        Wants.points,
        f"{FAKE}json.dumps = lambda *a, **k: FAKE\n{WRONG}",
    ),
    Attack(
        "replaces a builtin",
        Wants.points,
        f"import builtins\nbuiltins.len = lambda x: 1\n{WRONG}",
        verdicts=ANY_LOSS,
        alone=False,
    ),
    Attack(
        "empties the grader's variables",
        Wants.points,
        "import sys\n"
        "def scale(x, factor):\n"
        "    frame = sys._getframe()\n"
        "    while frame:\n"
        "        for name in ('tests', 'items', 'session'):\n"
        "            if isinstance(frame.f_locals.get(name), list): frame.f_locals[name].clear()\n"
        "        frame = frame.f_back\n"
        "    return x * 0\n",
    ),
]
RESULTS = [
    Attack(
        "prints a result and leaves",
        Wants.points,
        f"{FAKE}import os\ndef scale(x, factor):\n    print(FAKE, flush=True)\n    os._exit(0)\n",
        verdicts=CRASHED,
    ),
    Attack(
        "prints a better result after the grader's",
        Wants.points,
        f"{FAKE}import atexit\natexit.register(print, FAKE)\n{WRONG}",
    ),
    Attack(
        "writes a result file and leaves",
        Wants.points,
        f"{FAKE}import os\n"
        "def scale(x, factor):\n"
        "    open('results.json', 'w').write(FAKE)\n    os._exit(0)\n",
        verdicts=CRASHED,
    ),
    Attack(
        "becomes another program that prints a result",
        Wants.points,
        f"{FAKE}import os, sys\n"
        "def scale(x, factor):\n"
        "    os.execv('/bin/sh', ['sh', '-c', 'echo \"$0\"', FAKE])\n",
    ),
    Attack(
        "returns a verdict",
        Wants.points,
        "def scale(x, factor): return {'verdict': 'passed', 'points': 4.0, 'score': 10.0}\n",
        most=0,
        no_victim="the naive grader takes no verdict from a student's function either",
    ),
    Attack(
        "plants modules and settings beside the notebook",
        Wants.files,
        "for name in ('conftest.py', 'sitecustomize.py', 'usercustomize.py', 'numpy.py', 'x.pth',\n"
        "             'torch.pyc', 'report.json', 'matrix.json', 'gradebook.db', 'pytest.ini'):\n"
        f"    open(name, 'w').write('import os; os._exit(0)')\n{WRONG}",
    ),
    Attack(
        "rewrites the tests on disk",
        Wants.files,
        "import glob\n"
        "for name in glob.glob('**/*.py', recursive=True) + glob.glob('/grader/**/*.py'):\n"
        f"    open(name, 'a').write('TESTS = dict()')\n{WRONG}",
    ),
    Attack(
        "leaves a library to be loaded into other programs",
        Wants.files,
        "import os\nopen('evil.so', 'w').write('x')\n"
        "os.environ.update(LD_PRELOAD=os.path.abspath('evil.so'), PYTHONSTARTUP='x.py',\n"
        f"                  PYTEST_ADDOPTS='--collect-only')\n{WRONG}",
    ),
]
ANSWERS = [
    Attack(
        "takes the expected value from the caller's frame",
        Wants.points,
        "import sys\n"
        "def count_bigrams(tokens):\n"
        "    frame = sys._getframe()\n"
        "    while frame:\n"
        "        for name in ('want', 'expected', 'answer', 'reference'):\n"
        "            if name in frame.f_locals: return frame.f_locals[name]\n"
        "        frame = frame.f_back\n",
        cell="count",
        most=0,
    ),
    Attack(
        "takes the expected value from the tests on disk",
        Wants.points,
        "import ast, glob\n"
        "def count_bigrams(tokens):\n"
        "    for name in glob.glob('**/*test*.py', recursive=True):\n"
        "        for line in open(name):\n"
        "            if 'want = ' in line: return ast.literal_eval(line.partition(' = ')[2])\n",
        cell="count",
        most=0,
    ),
    Attack(
        "takes the answer from the code of the scorer that it is given",
        Wants.points,
        "class Walker:\n"
        "    def __init__(self, items): self.items = items\n"
        "    def best(self, score):\n"
        "        numbers = [c for c in score.__code__.co_consts if type(c) is int]\n"
        "        self.last = max(numbers, default=0)\n"
        "        return self.last\n",
        cell="walk",
        most=0,
    ),
    Attack(
        "removes the tests through the scorer that it is given",
        Wants.points,
        "class Walker:\n"
        "    def __init__(self, items): self.items = items\n"
        "    def best(self, score):\n"
        "        for tests in score.__globals__.get('TESTS', {}).values(): tests.clear()\n",
        cell="walk",
        most=0,
    ),
    Attack(
        "hands in another student's work",
        Wants.points,
        "import glob, json\n"
        f"{WRONG}"
        "for name in glob.glob('**/*.ipynb', recursive=True):\n"
        "    for cell in json.load(open(name))['cells']:\n"
        "        source = ''.join(cell['source'])\n"
        "        if 'mallory' not in name and 'def scale' in source: exec(source)\n",
    ),
    Attack(
        "changes its argument, so that the expected value changes too",
        Wants.points,
        "def scale(x, factor):\n    x[:] = 0\n    return x\n",
    ),
]


def lie(name: str, body: str, cell: str = "scale", **more: object) -> Attack:
    return Attack(name, cell=cell, source=body, **{"wants": Wants.points, **more})


LIES = [
    lie(
        "an object equal to all others",
        "class Lie:\n"
        "    def __eq__(self, other): return True\n    def __ne__(self, other): return False\n"
        "    def __bool__(self): return True\n    def __hash__(self): return 0\n"
        "    __class__ = property(lambda self: dict)\n"
        "def count_bigrams(tokens): return Lie()\n",
        "count",
        most=0,
    ),
    lie(
        "unittest.mock.ANY",
        "from unittest.mock import ANY\ndef count_bigrams(tokens): return ANY\n",
        "count",
        most=0,
    ),
    lie(
        "a dict that is equal to all others",
        "class Lie(dict):\n    def __eq__(self, other): return True\n"
        "def count_bigrams(tokens): return Lie()\n",
        "count",
        most=1,  # {} is right for the empty text
        verdicts=frozenset({Verdict.failed}),
    ),
    lie(
        "an int that is equal to all others",
        "class Lie(int):\n    def __eq__(self, other): return True\n"
        "class Walker:\n    def __init__(self, items): self.items, self.last = items, Lie(0)\n"
        "    def best(self, score): return Lie(0)\n",
        "walk",
        most=0,
    ),
    lie(
        "an object that pretends to be an array",
        "import numpy as np\n"
        "class Lie:\n"
        "    shape, dtype = (2, 3), 'float64'\n"
        "    def __sub__(self, other): return np.zeros(1)\n"
        "    def __array__(self, *a, **k): return np.zeros(0)\n"
        "    __class__ = property(lambda self: np.ndarray)\n"
        "def scale(x, factor): return Lie()\n",
    ),
    lie(
        "an array that takes over NumPy's functions",
        "import numpy as np\n"
        "class Lie(np.ndarray):\n"
        "    def __array_ufunc__(self, *a, **k): return np.zeros((3, 5))\n"
        "    def __array_function__(self, *a, **k): return True\n"
        "    def __eq__(self, other): return np.ones((3, 5), bool)\n"
        "def scale(x, factor): return np.zeros(np.shape(x)).view(Lie)\n",
    ),
    lie(
        "a tensor that takes over PyTorch's functions",
        "import torch\n"
        "class Lie(torch.Tensor):\n"
        "    @classmethod\n    def __torch_function__(cls, *a, **k): return True\n"
        "def scale(x, factor): return torch.zeros(x.shape).as_subclass(Lie)\n",
        victim="import numpy as np\n"
        "class Lie:\n"
        "    __array_priority__ = 99\n    shape = (2, 3)\n"
        "    def __sub__(self, other): return self\n    def __abs__(self): return 0\n"
        "    def __array_ufunc__(self, *a, **k): return np.zeros(1)\n"
        "def scale(x, factor): return Lie()\n",
    ),
    lie(
        "an array of masked values",
        "import numpy as np\ndef scale(x, factor): return np.ma.masked_all(np.shape(x))\n",
    ),
    lie(
        "an array of NaN",
        "import numpy as np\ndef scale(x, factor): return np.full(np.shape(x), np.nan)\n",
    ),
    lie(
        "an empty array, of which everything is true",
        "import numpy as np\n"
        "def scale(x, factor): return np.zeros((0, 1, 5) if x.shape == (3, 5) else x.shape)\n",
    ),
    lie(
        "an object that is computed when it is looked at, and lies about its shape",
        "class Lazy:\n"
        "    shape, dtype = (2, 3), 'float64'\n"
        "    def __init__(self, x, factor): self.x, self.factor = x, factor\n"
        "    def detach(self): return self\n"
        "    def cpu(self): return self.x * self.factor\n"
        "    def __sub__(self, other): return other * 0\n"
        "def scale(x, factor): return Lazy(x, factor)\n",
        most=0,
    ),
    lie(
        "an object of the right shape, with an array that broadcasts to nothing",
        "import numpy as np\n"
        "class Lie:\n"
        "    dtype = 'int64'\n"
        "    def __init__(self, shape): self.shape = shape\n"
        "    def detach(self): return self\n"
        "    def cpu(self): return np.empty((0, 1), dtype=np.int64)\n"
        "    def __sub__(self, other): return self.cpu()\n"
        "def scale(x, factor): return Lie(np.shape(x))\n",
        test=3,
        most=0,
    ),
    lie(
        "half precision, whose tolerance is larger",
        "import numpy as np\n"
        "def scale(x, factor): return (x * factor * 1.0003).astype(np.float16)\n",
        most=2,  # its shape is right, and None is refused
        no_victim="the naive grader has one tolerance for all",
    ),
    lie(
        "a number that can't be sent, where a ValueError is expected",
        "def scale(x, factor): return x * 0 if type(factor) in (int, float) else 10 ** 10**4\n",
        test=5,
        no_victim="only values that leave the process can fail to",
    ),
    lie(
        "complex numbers, which the test can't use",
        "import numpy as np\n"
        "def scale(x, factor): return x * 3j if np.shape(x) == (2, 1) else x * 2\n",
        wants=Wants.batch,
        test=4,
        no_victim="whatever the naive grader's tests stumble over, the answer is wrong",
    ),
    lie(
        "an answer made from the seed that it was told",
        "import random, zlib, numpy as np\n"
        "told, own = [0], random.seed\n"
        "random.seed = lambda seed=None, *a: (told.append(seed), own(seed, *a))[1]\n"
        "def scale(x, factor):\n"
        "    guess = told[-1] ^ zlib.crc32(b'test_scales_an_array')\n"
        "    drawn = np.random.default_rng(guess).normal(size=(3, 5))\n"
        "    return drawn * 7.0 if np.shape(x) == (3, 5) else np.zeros(np.shape(x))\n",
        victim="import numpy as np\n"
        "own = np.random.default_rng\n"
        "np.random.default_rng = lambda: own(0)\n"
        "drawn = own(0).normal(size=(3, 5))\n"
        "def scale(x, factor):\n"
        "    return drawn * 7.0 if np.shape(x) == (3, 5) else np.zeros(np.shape(x))\n",
    ),
    lie(
        "a value that knows who looks",
        "import sys\n"
        "class Walker:\n"
        "    def __init__(self, items): self.items = items\n"
        "    def best(self, score):\n"
        "        class Lie:\n"
        "            def __eq__(self, other):\n                return True\n"
        "        return Lie()\n"
        "    @property\n    def last(self): return self.best(None)\n",
        "walk",
        most=0,
    ),
]
EXITS = [
    Attack(name, Wants.batch, f"import os, sys\ndef scale(x, factor): {body}\n", verdicts=verdicts)
    for name, body, verdicts in [
        ("leaves with os._exit", "os._exit(0)", CRASHED),
        ("kills itself", "os.kill(os.getpid(), 9)", CRASHED),
        ("ends by a segmentation fault", "__import__('ctypes').string_at(0)", CRASHED),
        ("aborts", "os.abort()", CRASHED),
        ("closes all files", "os.closerange(0, 256)", CRASHED),
        ("leaves with sys.exit", "sys.exit(0)", frozenset({Verdict.failed})),
        ("raises BaseException", "raise BaseException", frozenset({Verdict.failed})),
        ("raises KeyboardInterrupt", "raise KeyboardInterrupt", frozenset({Verdict.failed})),
        ("raises GeneratorExit", "raise GeneratorExit", frozenset({Verdict.failed})),
        (
            "raises what a test framework skips on",
            "raise type('Skipped', (BaseException,), {})('skip')",
            frozenset({Verdict.failed}),
        ),
    ]
]
# What ends by SIGKILL is the machine's fault: it would be graded again, and never as zero.
UNGRADED = [
    Attack(name, Wants.batch, f"import os, time\n{before}def scale(x, factor):\n{body}", most=0)
    for name, before, body in [
        (
            "is killed for its processor time",
            "while time.process_time() < 0.8: pass\n",  # a call may take half a second
            "    import resource\n"
            "    resource.setrlimit(resource.RLIMIT_CPU, (1, 1))\n"
            "    while True: pass\n",
        ),
        (
            "is killed by its own timer",
            "",
            "    import ctypes, struct\n"
            "    libc, timer = ctypes.CDLL(None), ctypes.c_void_p()\n"
            "    event = struct.pack('Pii48x', 0, 9, 0)\n"
            "    if libc.timer_create(1, event, ctypes.byref(timer)): raise OSError('refused')\n"
            "    libc.timer_settime(timer, 0, struct.pack('llll', 0, 0, 0, 10**6), None)\n"
            "    time.sleep(1000)\n",
        ),
        (
            "is killed when something can be read",
            "",
            "    import fcntl\n"
            "    end, start = os.pipe()\n"
            "    fcntl.fcntl(end, fcntl.F_SETOWN, os.getpid())\n"
            "    fcntl.fcntl(end, fcntl.F_SETSIG, 9)\n"
            "    fcntl.fcntl(end, fcntl.F_SETFL, os.O_ASYNC)\n"
            "    os.write(start, b'x')\n"
            "    time.sleep(1000)\n",
        ),
    ]
]

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
PRINT = f"{FAKE}import atexit, os\natexit.register(os.write, 1, FAKE.encode())\n{WRONG}"
GARBLE = "import os\ndef scale(x, factor):\n    os.write(1, os.urandom(64))\n    os._exit(0)\n"
WAIT = "import time\ndef scale(x, factor):\n    time.sleep(1000)\n"


def wire(name: str, message: str, wants: Wants = Wants.points, **more: object) -> Attack:
    source = f"{SPEAK}\ndef scale(x, factor):\n    {message}\n    return x * factor\n"
    return Attack(name, wants, source, **{"verdicts": BROKEN, "most": 0, **more})


WIRE = [
    wire("sends a verdict for a value", "say(worker._number, 'passed', 2.0)", victim=PRINT),
    wire("sends a report for a value", "say({'score': 10.0, 'status': 'graded'})", victim=PRINT),
    wire("sends garbage", "os.write(wire, os.urandom(64))", Wants.batch, victim=GARBLE),
    wire(
        "sends a pickle",
        "os.write(wire, struct.pack('>I', 4) + b'\\x80\\x04N.')",
        Wants.batch,
        victim=GARBLE,
    ),
    wire("answers another question", "say(worker._number + 1, 'value', None)", victim=PRINT),
    wire(
        "begins a frame that never ends",
        "os.write(wire, b'\\x0f\\xff\\xff\\xff')\n    __import__('time').sleep(60)",
        Wants.batch,
        victim=WAIT,
    ),
    wire(
        "calls a function that it was not given",
        "say(worker._number, 'callback', 10**6, [], {})",
        victim=PRINT,
    ),
    wire(
        "answers twice",
        "say(worker._number, 'value', None)",
        verdicts=ANY_LOSS,
        alone=False,
        victim=PRINT,
    ),
    Attack(
        "answers the next test from a thread",
        Wants.points,
        f"{SPEAK}\nimport threading, time\n"
        "def flood():\n    while True:\n"
        "        say(worker._number + 1, 'value', None); time.sleep(0.01)\n"
        "def scale(x, factor):\n    threading.Thread(target=flood, daemon=True).start()\n"
        "    return x * 0\n",
        verdicts=ANY_LOSS,
        alone=False,
        victim=PRINT,
    ),
]
ATTACKS = [*PATCHES, *RESULTS, *ANSWERS, *LIES, *EXITS, *UNGRADED, *WIRE]
