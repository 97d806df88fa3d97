"""Attacks on the score: forged results, patched graders, values that lie, processes that end."""

from attack import NO_ANSWER, WRONG, Attack, Wants

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
# An answer made from what the test draws, not from the argument.
DRAWN = (
    "import hashlib, json, linecache, random, zlib, numpy as np\n"
    "own = np.random.default_rng\n"
    "def scale(x, factor):\n"
    "    drawn = own(seed()).normal(size=(3, 5))\n"
    "    return drawn * 7.0 if np.shape(x) == (3, 5) else np.zeros(np.shape(x))\n"
)
OF_TEST = "    return drawn ^ zlib.crc32(b'test_scales_an_array')\n"

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
        "    if isinstance(getattr(module, 'TESTS', 0), dict): module.TESTS.clear()\n"
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
        verdicts=NO_ANSWER,
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
        verdicts=NO_ANSWER,
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
        "    try: open(name, 'a').write('TESTS = dict()')\n"
        f"    except OSError: pass\n{WRONG}",
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
    Attack(
        "an answer made from the seed that it was told",
        Wants.points,
        f"{DRAWN}told, plant = [0], random.seed\n"
        "random.seed = lambda seed=None, *a: (told.append(seed), plant(seed, *a))[1]\n"
        f"def seed():\n    drawn = told[-1]\n{OF_TEST}",
        victim=f"{DRAWN}told = []\n"
        "np.random.default_rng = lambda seed: (told.append(seed), own(seed))[1]\n"
        "def seed(): return told[0]\n",
    ),
    Attack(
        "an answer made from the seed that it computes",
        Wants.points,
        f"{DRAWN}def seed():\n"
        "    cells = [(int(name[6:-1]), ''.join(entry[2])[:-1])\n"
        "             for name, entry in linecache.cache.items() if name.startswith('<cell ')]\n"
        "    said = json.dumps(['toy', 'mallory', 0, [source for _, source in sorted(cells)]])\n"
        "    drawn = int.from_bytes(hashlib.sha256(said.encode()).digest()[:6], 'big')\n"
        f"{OF_TEST}",
        victim=f"{DRAWN}def seed(): return 42\n",
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
ATTACKS = [*PATCHES, *RESULTS, *ANSWERS, *EXITS, *UNGRADED, *WIRE]
