"""Whoever uses too much pays for it alone, and the machine does not notice."""

import time
from pathlib import Path

import pytest

from autograder.report import Verdict

WASTE = {
    "endless loop": ("while True: pass", {Verdict.timed_out}),
    "sleep": ("__import__('time').sleep(1000)", {Verdict.timed_out}),
    "memory": (
        "blocks = []\n    while True: blocks.append(bytearray(2**20))",
        {Verdict.out_of_memory},
    ),
    "numpy": ("import numpy\n    return numpy.ones(2**31)", {Verdict.out_of_memory}),
    "torch": ("import torch\n    return torch.ones(2**31)", {Verdict.out_of_memory}),
    "shared memory": (
        "import mmap\n    pages = mmap.mmap(-1, 2**30)\n"
        "    while True:\n        for at in range(0, 2**30, 4096): pages[at] = 1",
        {Verdict.out_of_memory},
    ),
    "fork bomb": ("import os\n    while True: os.fork()", {Verdict.failed}),
    "programs": ("import subprocess\n    subprocess.run(['sh'])", {Verdict.failed}),
    "threads": (
        "import threading, time\n"
        "    while True: threading.Thread(target=time.sleep, args=(99,), daemon=True).start()",
        {Verdict.crashed, Verdict.failed},
    ),
    "disk": ("f = open('big', 'wb')\n    while True: f.write(bytes(2**20))", {Verdict.failed}),
    "files": (
        "n = 0\n    while True:\n        open(str(n), 'w').close()\n        n += 1",
        {Verdict.crashed},
    ),
    "open files": ("kept = []\n    while True: kept.append(open('words.txt'))", {Verdict.failed}),
    "print": ("while True: print('x' * 10**6)", {Verdict.timed_out}),
    "raw output": ("import os\n    while True: os.write(1, b'x' * 10**6)", {Verdict.timed_out}),
    "huge array": ("import numpy\n    return numpy.broadcast_to(0., (10**10,))", {Verdict.failed}),
    "huge list": ("return list(range(5 * 10**6))", {Verdict.failed}),
    "cyclic list": ("x = []\n    x.append(x)\n    return x", {Verdict.failed}),
    "deep list": ("x = []\n    for _ in range(10**5): x = [x]\n    return x", {Verdict.failed}),
    "endless generator": ("import itertools\n    return itertools.count()", {Verdict.failed}),
    "huge number": ("return 10**(10**5)", {Verdict.failed}),
    "slow repr": (
        "return type('Slow', (), {'__repr__': lambda s: exec('while 1: pass')})()",
        {Verdict.failed},
    ),
    "slow message": (
        "raise type('E', (Exception,), {'__str__': lambda s: exec('while 1: pass')})",
        {Verdict.timed_out},
    ),
    "long message": ("raise ValueError('x' * 10**8)", {Verdict.failed}),
    "deep recursion": ("import sys; sys.setrecursionlimit(10**9)\n    return scale(x, k)", None),
    "regex": ("import re\n    re.match('(a+)+$', 'a' * 40 + 'b')", {Verdict.timed_out}),
    "stopped": ("import os, signal\n    os.kill(os.getpid(), signal.SIGSTOP)", {Verdict.timed_out}),
}


@pytest.mark.parametrize(("waste", "expected"), WASTE.values(), ids=WASTE)
def test_waste_costs_its_own_tests_only(attack, waste, expected):
    started = time.monotonic()
    report = attack(f"def scale(x, k):\n    {waste}\n")
    first = report.task("scale").tests[0]
    assert report.status == "graded"
    assert first.points == 0
    assert expected is None or first.verdict in expected
    assert report.task("count").score == 3
    assert report.task("walk").score == 3
    assert len(str(report.to_dict())) < 20_000
    assert time.monotonic() - started < 120


@pytest.mark.parametrize(
    ("code", "verdict"),
    [
        ("while True: pass", Verdict.timed_out),
        ("import os; os._exit(3)", Verdict.crashed),
        (
            "import mmap; m = mmap.mmap(-1, 2**30)\nfor i in range(0, 2**30, 4096): m[i] = 1\n"
            "while True: pass",
            Verdict.out_of_memory,
        ),
    ],
)
def test_cells_that_waste_cost_everything_but_nobody_else(attack, code, verdict):
    report = attack(code)
    assert (report.status, report.score) == ("graded", 0.0)
    assert {test.verdict for task in report.tasks for test in task.tests} <= {
        verdict,
        Verdict.not_run,
    }
    assert report.notes[-1].startswith("Cell 3")


def test_an_error_in_a_cell_is_no_crash(attack):
    report = attack("blocks = []\nwhile True: blocks.append(bytearray(2**20))")
    assert report.score == 6.0
    assert report.notes[0].startswith("Cell 3, line 2 raised MemoryError")


def test_no_process_outlives_its_submission(attack, engine):
    attack(
        "import threading, time, os\n"
        "def loop():\n    while True: pass\n"
        "for _ in range(3): threading.Thread(target=loop).start()\n"
        "def scale(x, k): return x * k\n"
    )
    left = _below(engine._judge.pid)
    assert len(left) == 3  # bubblewrap, its first process, the zygote
    time.sleep(0.5)
    assert _below(engine._judge.pid) == left


def _below(pid):
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [each for child in children for each in [child, *_below(child)]]
