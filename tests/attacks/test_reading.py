"""Hidden tests, answers and other students' work are out of reach."""

from pathlib import Path

import pytest

from autograder.sandbox.bwrap import ROOT

# A spy returns what it found by raising it: the report shows the student's own words.
SPY = """
import glob, os, sys, gc, inspect
def scale(x, k):
    raise ValueError('FOUND ' + str(sorted(look())[:5]))
"""
LOOKS = {
    "walk the disk for words of the hidden tests": """
WORDS = (b'expect_close', b'test_scales_an_array', b'Multiply every element', b'BEGIN SOLUTION')
def look():
    for top in ('/scratch', '/grader', '/data', ROOT, '/root', '/home', '/tmp', '/work', '/opt',
                '/etc', '/var', '/srv', '/mnt', '/dev/shm', '/run'):
        for path, _, names in os.walk(top):
            for name in names:
                if 'site-packages' in path or '/lib/python' in path: continue
                try: text = open(os.path.join(path, name), 'rb').read(10**6)
                except OSError: continue
                if any(word in text for word in WORDS): yield path + '/' + name
""",
    "the repository": """
def look():
    names = ('/autograder/hidden', '/solutions', '/.git', '/tests', '/pyproject.toml')
    return [name for name in names if os.path.exists(ROOT + name)]
""",
    "site-packages": """
def look():
    for entry in sys.path:
        for name in (os.listdir(entry) if os.path.isdir(entry) else []):
            if name in ('hidden', 'solutions', 'tests_hidden'): yield name
    try:
        import autograder.suite; yield 'autograder.suite'
    except ImportError: pass
    try:
        import __editable___seqcourse_0_1_0_finder as f
        f.install()
        for name in ('hidden', 'engine', 'judge', 'suite'):
            try: __import__('autograder.' + name); yield name
            except ImportError: pass
    except ImportError: pass
""",
    "environment and command lines": """
def look():
    for name in glob.glob('/proc/[0-9]*/environ') + glob.glob('/proc/[0-9]*/cmdline'):
        try: text = open(name, 'rb').read().decode()
        except OSError: continue
        if any(word in text for word in ('hidden', 'solutions', 'fixtures', 'lab.toml')): yield name
    for name, value in os.environ.items():
        if 'hidden' in value or 'solutions' in value: yield name
""",
    "other processes": """
def look():
    for p in glob.glob('/proc/[0-9]*'):
        if p == f'/proc/{os.getpid()}': continue
        for name in ('mem', 'environ', 'maps', 'syscall', 'stack'):
            try: open(p + '/' + name, 'rb').read(1); yield p + '/' + name
            except OSError: pass
        links = [p + '/' + name for name in ('root', 'cwd', 'exe')] + glob.glob(p + '/fd/*')
        for path in links:
            try: os.readlink(path); yield path
            except OSError: pass
""",
    "modules, objects, frames": """
def look():
    for name in sys.modules:
        if 'hidden' in name or 'test_toy' in name or name == 'pytest': yield name
    for thing in gc.get_objects():
        if isinstance(thing, dict) and 'expect_close' in list(thing): yield 'a namespace'
    frame = sys._getframe()
    while frame:
        if 'test' in frame.f_code.co_filename or 'expected' in frame.f_locals: yield 'a frame'
        frame = frame.f_back
""",
    "open files": """
def look():
    for n in os.listdir('/proc/self/fd'):
        try: target = os.readlink('/proc/self/fd/' + n)
        except OSError: continue
        if not target.startswith(('socket:', '/dev/null', '/proc')): yield target
    import socket, array
    for n in range(3, 64):
        try: s = socket.socket(fileno=os.dup(n))
        except OSError: continue
        if s.type != socket.SOCK_STREAM: yield f'socket {n}'
""",
    "tracing and reading memory": """
def look():
    import ctypes
    libc = ctypes.CDLL(None, use_errno=True)
    for pid in (1, 2, os.getppid()):
        if libc.ptrace(16, pid, 0, 0) == 0: yield f'attached to {pid}'
        class V(ctypes.Structure): _fields_ = [('base', ctypes.c_void_p), ('len', ctypes.c_size_t)]
        local, remote = V(ctypes.addressof(ctypes.create_string_buffer(8)), 8), V(0x400000, 8)
        pair = ctypes.byref(local), 1, ctypes.byref(remote), 1
        if libc.process_vm_readv(pid, *pair, 0) >= 0: yield pid
""",
    "namespaces and mounts": """
def look():
    import ctypes
    libc = ctypes.CDLL(None, use_errno=True)
    for flag in (0x10000000, 0x00020000, 0x20000000, 0x40000000):
        if libc.unshare(flag) == 0: yield f'unshare {flag:x}'
    if libc.mount(b'none', b'/scratch/work', b'tmpfs', 0, None) == 0: yield 'mount'
    if libc.chroot(b'/scratch/work') == 0: yield 'chroot'
    for name in os.listdir('/proc/1/ns') if os.access('/proc/1/ns', os.R_OK) else []:
        try: fd = os.open('/proc/1/ns/' + name, os.O_RDONLY)
        except OSError: continue
        if libc.setns(fd, 0) == 0: yield name
""",
    "network": """
def look():
    import socket, urllib.request
    for family in (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX, socket.AF_NETLINK):
        try: socket.socket(family, socket.SOCK_DGRAM); yield family
        except OSError: pass
    try: urllib.request.urlopen('http://localhost:8888', timeout=1); yield 'http'
    except OSError: pass
    try: socket.create_connection(('127.0.0.1', 22), timeout=1); yield 'tcp'
    except OSError: pass
""",
    "forbidden modules": """
def look():
    sys.meta_path[:] = [f for f in sys.meta_path if 'Forbidden' not in type(f).__name__]
    for name in list(sys.modules):
        if name.startswith('seqcourse'): del sys.modules[name]
    import importlib
    for name in ('seqcourse.ngram', 'nltk.lm.models'):
        try: importlib.import_module(name); yield name
        except ImportError: pass
    for path, _, names in os.walk('/grader'):
        yield from (name for name in names if 'ngram' in name)
""",
}


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_a_spy_learns_nothing(attack, look):
    report = attack(f"ROOT = {str(ROOT)!r}\n{SPY}{look}")
    assert report.status == "graded"
    assert "FOUND []" in report.task("scale").tests[0].message


def test_nothing_of_a_submission_is_there_for_the_next(attack, engine, suite, tmp_path):
    attack(
        "import os, threading, time\n"
        "open('note', 'w').write('answers')\n"
        "os.environ['ANSWERS'] = '42'\nimport numpy\nnumpy.answers = 42\n"
        "threading.Thread(target=time.sleep, args=(99,)).start()\n"
        "def scale(x, k): return x * k\n"
    )
    report = attack(
        SPY + "def look():\n    import numpy\n"
        "    if hasattr(numpy, 'answers') or 'ANSWERS' in os.environ: yield 'memory'\n"
        "    yield from (n for n in os.listdir('.') if n != 'words.txt')\n"
        "    yield from (p for p in os.listdir('/proc') if p.isdigit() and int(p) > 2\n"
        "                and int(p) != os.getpid())\n"
    )
    assert "FOUND []" in report.task("scale").tests[0].message


def test_the_report_shows_no_hidden_test(attack):
    said = str(attack("def scale(x, k): return x\n").to_dict())
    for secret in ("7.0 *", "expect_", "test_toy", "Traceback", "assert", str(Path.home()), "rng"):
        assert secret not in said


def test_inputs_learnt_from_one_submission_are_not_those_of_the_next(attack):
    first = attack("def scale(x, k): raise ValueError(float(x.flat[0]))\n")
    second = attack("def scale(x, k): raise ValueError(float(x.flat[0])) # again\n")
    assert first.task("scale").tests[0].message != second.task("scale").tests[0].message


def test_nothing_is_written_outside(attack, tmp_path):
    report = attack(
        SPY + f"TOP = {str(tmp_path)!r}\n"
        "def look():\n"
        "    for top in (TOP, '/', '/usr', '/usr/lib', '/dev', '/dev/shm', '/proc', '/etc',\n"
        "                '/grader', '/data', '/scratch', *sys.path):\n"
        "        for name in ('planted', '../planted', 'numpy/planted'):\n"
        "            try: open(os.path.join(top, name), 'w'); yield top\n"
        "            except OSError: pass\n"
        "    for path in ('words.txt', '/grader/autograder/worker.py'):\n"
        "        try: open(path, 'a').write('x'); yield path\n"
        "        except OSError: pass\n"
    )
    assert "FOUND []" in report.task("scale").tests[0].message
    assert {path.name for path in tmp_path.iterdir()} == {"mallory"}
