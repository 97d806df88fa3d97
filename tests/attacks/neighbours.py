"""Attacks on whoever is graded next: their score, their work, and that they are graded at all."""

from attack import RIGHT, Attack, Wants

from autograder.report import Verdict

__all__ = ["ATTACKS"]

DEEP = (
    "import os\nhere = os.getcwd()\n"
    "for depth in range({}):\n    os.mkdir('d'); os.chdir('d')\n"
    "os.chdir(here)\n"
    "os.mkdir('locked'); open('locked/file', 'w').close(); os.chmod('locked', 0)\n"
)
ANY = frozenset({Verdict.passed, Verdict.failed, Verdict.crashed, Verdict.no_answer})


def harm(name: str, source: str, wants: Wants = Wants.neighbour, **more: object) -> Attack:
    """An attack that keeps its own points: it is about the others'."""
    return Attack(name, wants, source + RIGHT, verdicts=ANY, **{"most": 4, **more})


ATTACKS = [
    harm(
        "breaks NumPy for the next",
        "import numpy\nnumpy.abs = numpy.multiply = lambda *a: 1 / 0\n"
        "numpy.ndarray = numpy.array = numpy.ones = None\n",
        alone=False,
    ),
    harm(
        "breaks the library that the next one imports",
        "import collections\ncollections.Counter = None\n",
        alone=False,
    ),
    harm("removes a builtin", "import builtins\ndel builtins.zip\n", alone=False),
    harm(
        "leaves a module that the next one imports",
        "import sys, types\nsys.modules['collections'] = types.ModuleType('collections')\n",
        alone=False,
    ),
    harm(
        "leaves a thread that spoils the next one's run",
        "import threading, numpy\n"
        "def spoil():\n    while True: numpy.abs = lambda x: numpy.ones(1)\n"
        "threading.Thread(target=spoil, daemon=True).start()\n",
    ),
    harm(
        "leaves a process that spoils the next one's file",
        "import os\n"
        "try: child = os.fork()\n"
        "except OSError: child = 1\n"
        "while child == 0:\n"
        "    open('new', 'w').write('{\"cells\": []}')\n"
        "    os.replace('new', 'submitted/ada/toy.ipynb')\n"
        "while os.path.exists('submitted') and os.path.getsize('submitted/ada/toy.ipynb') > 20:\n"
        "    pass\n",
    ),
    harm(
        "empties the files of the others",
        "import glob\n"
        "for name in glob.glob('**/ada/*.ipynb', recursive=True):\n"
        "    open(name, 'w').write('{\"cells\": []}')\n",
    ),
    harm(
        "listens to what the interpreter opens, and copies it",
        "import sys\n"
        "def listen(event, arguments):\n"
        "    path, mode = (*map(str, arguments), '', '')[:2]\n"
        "    if event == 'open' and path.endswith('ada/toy.ipynb') and mode == 'r':\n"
        "        open('stolen.txt', 'wb').write(open(path, 'rb').read())\n"
        "sys.addaudithook(listen)\n",
    ),
    harm(
        "replaces open, to copy what the next one hands in",
        "import json\n"
        "loads = json.loads\n"
        "def listen(text):\n"
        "    with open('stolen.txt', 'w') as file: file.write(str(text))\n"
        "    return loads(text)\n"
        "json.loads = listen\n",
    ),
    harm(
        "leaves the grader's folder",
        "import os\nos.chdir('/')\n",
        Wants.batch,
    ),
    harm(
        "removes all files that it can",
        "import os\n"
        "for path, _, names in os.walk('..' if os.path.exists('../work') else '.'):\n"
        "    for name in names:\n"
        "        try: os.remove(os.path.join(path, name))\n"
        "        except OSError: pass\n",
        Wants.batch,
    ),
    harm(
        "lowers the limits of all processes that it can reach",
        "import os, resource, signal\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "for pid in {1, 2, os.getpid(), os.getppid()}:\n"
        "    for which in (resource.RLIMIT_FSIZE, resource.RLIMIT_STACK, resource.RLIMIT_CPU):\n"
        "        try: resource.prlimit(pid, which, (2**14, 2**14))\n"
        "        except OSError: pass\n"
        "try: resource.prlimit(os.getppid(), resource.RLIMIT_DATA, (2**14, 2**14))\n"
        "except OSError: pass\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))\n",
        Wants.batch,
    ),
    harm(
        "kills all processes that it can reach",
        "import os, signal\n"
        "for number in (signal.SIGTERM, signal.SIGKILL):\n"
        "    for pid in (-1, 2, os.getppid()):\n"
        "        try: os.kill(pid, number)\n"
        "        except OSError: pass\n",
        Wants.batch,
        victim="import os\nos.kill(os.getpid(), 9)\n",
    ),
    harm(
        "closes the folder of all behind it",
        "import os\n"
        "for path in ('.', '..', '/scratch', '/'):\n"
        "    try: os.chmod(path, 0)\n"
        "    except OSError: pass\n",
        Wants.batch,
    ),
    harm(
        "leaves folders that are hard to remove",
        DEEP.format(1500),
        Wants.files,
        victim=DEEP.format(50) + RIGHT,
    ),
    harm(
        "gives a built-in exception's name to another",
        "import builtins\nbuiltins.TypeError = type('TypeError', (Exception,), {})\n",
        alone=False,
    ),
]
