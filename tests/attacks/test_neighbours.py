"""What one submission leaves, the next one looks for, on the same warm engine."""

import time
from pathlib import Path

import pytest
from attack import RIGHT, SPY, SPY_ENDS, WRONG
from jail import below

LEAVE = """
import ctypes, os, threading, time, numpy
open('note', 'w').write('answers')
for change in (lambda: os.chmod('/scratch', 0o711), lambda: os.utime('/scratch', (7, 7)),
               lambda: os.setxattr('/scratch', 'user.answers', b'42'),
               lambda: os.chmod('/', 0o711), lambda: os.mkdir('/dev/shm/answers')):
    try: change()
    except OSError: pass
os.environ['ANSWERS'] = '42'
numpy.answers = 42
threading.Thread(target=time.sleep, args=(99,)).start()
"""
LOOK = """
def look():
    import numpy
    if hasattr(numpy, 'answers') or 'ANSWERS' in os.environ: yield 'memory'
    yield from (name for name in os.listdir('.') if name != 'words.txt')
    yield from (p for p in os.listdir('/proc') if p.isdigit() and int(p) > 2
                and int(p) != os.getpid())
    for path in ('/', '/scratch', '/dev/shm'):
        if os.stat(path).st_mode & 0o777 == 0o711 or os.stat(path).st_mtime == 7: yield path
        yield from os.listxattr(path)
"""


def test_nothing_of_a_submission_is_there_for_the_next(attack):
    assert attack(LEAVE + RIGHT).score == 10.0
    report = attack(SPY + LOOK + SPY_ENDS)
    assert not report.notes
    assert report.task("scale").tests[0].points == 0


def test_no_process_outlives_its_submission(attack, engines):
    attack(WRONG)  # what it loses is asked of the solution too, in a sandbox of its own
    judge = engines()._judge.pid
    before = [process.pid for process in below(judge)]
    assert len(before) == 6  # twice bubblewrap, its first process, the zygote
    attack(
        "import threading\n"
        "def loop():\n    while True: pass\n"
        f"for _ in range(3): threading.Thread(target=loop).start()\n{RIGHT}"
    )
    for seconds in (0, 0.5):
        time.sleep(seconds)
        assert [process.pid for process in below(judge)] == before


@pytest.mark.parametrize("walls", ["full", "fallback"])
def test_the_report_shows_no_hidden_test(attack, walls):
    said = str(attack("def scale(x, k): return x\n", walls=walls).to_dict())
    for secret in ("7.0 *", "expect_", "test_toy", "Traceback", "assert", str(Path.home()), "rng"):
        assert secret not in said
