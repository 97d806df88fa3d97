"""Attacks on the machine: time, memory, processes, disk, output, and values without end."""

from attack import NO_ANSWER, Attack, Wants
from forging import BROKEN, SPEAK
from reading import spy

from autograder.report import Verdict

__all__ = ["ATTACKS"]

LATE = frozenset({Verdict.timed_out})
NO_MEMORY = frozenset({Verdict.out_of_memory})
# Which limit is met first depends on how quick the machine is with memory.
NO_MEMORY_OR_TIME = NO_MEMORY | LATE
REFUSED = frozenset({Verdict.failed})
TOO_LARGE = frozenset({Verdict.too_large, Verdict.failed})
COUNTS = 4  # the test that counts what it gets
COUNTED = (
    "import numpy as np\n"
    "def scale(x, factor):\n"
    "    if np.ndim(x) == 0: return {}\n"
    "    return {} if x.shape == (2, 1) else x * 0\n"
)
WALKER = (
    "{}class Walker:\n"
    "    def __init__(self, items): self.items, self.last = items, None\n"
    "    def best(self, score):\n"
    "        score({})\n"
    "        self.last = max(self.items, key=score)\n"
    "        return self.last\n"
)
HIDDEN = (
    "import ctypes, mmap, os, struct\n"
    "libc, kept, huge, many = ctypes.CDLL(None), [], 2**21, 16\n"
    "def scale(x, factor):\n"
    "    for _ in range(11):\n"
    "        area = mmap.mmap(-1, (many + 1) * huge, flags=mmap.MAP_PRIVATE)\n"
    "        area.madvise(mmap.MADV_HUGEPAGE)\n"
    "        start = ctypes.addressof(ctypes.c_char.from_buffer(area))\n"
    "        pieces = [struct.pack('=QQ', start + at * huge, 1) for at in range(many)]\n"
    "        for at in range(many): area[at * huge] = 1\n"
    "        kept.append(os.pipe())\n"
    "        if libc.vmsplice(kept[-1][1], b''.join(pieces), many, 0) != many:\n"
    "            raise OSError('refused')\n"
    "        {}\n"
    "    return x * factor\n"
)


def waste(
    name: str, wants: Wants, body: str, verdicts: frozenset[Verdict] = LATE, **more: object
) -> Attack:
    """An attack that is the body of `scale`."""
    source = f"def scale(x, factor):\n    {body}\n"
    if "victim" in more:
        more["victim"] = f"def scale(x, factor):\n    {more['victim']}\n"
    return Attack(name, wants, source, verdicts=verdicts, **{"most": 0.0, **more})


TIME = [
    waste("loops for ever", Wants.batch, "while True: pass"),
    waste("sleeps", Wants.batch, "__import__('time').sleep(1000)"),
    waste("stops itself", Wants.batch, "import os, signal; os.kill(os.getpid(), signal.SIGSTOP)"),
    waste(
        "matches a regular expression",
        Wants.batch,
        "__import__('re').match('(a+)+$', 'a' * 40 + 'b')",
    ),
    waste(
        "ignores all signals and loops",
        Wants.batch,
        "import signal\n"
        "    for number in signal.Signals:\n"
        "        if number not in (9, 19): signal.signal(number, signal.SIG_IGN)\n"
        "    while True: pass",
    ),
    waste(
        "ends its first thread and lives on in another",
        Wants.batch,
        "import ctypes, os, threading, time\n"
        "    threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()\n"
        "    number = {'x86_64': 60, 'aarch64': 93}[os.uname().machine]\n"
        "    ctypes.CDLL(None).syscall(number, 0)",
    ),
    waste(
        "waits as if for a disk",  # clone(CLONE_VFORK) puts the caller into state D
        Wants.batch,
        "import ctypes, mmap\n"
        "    libc, stack = ctypes.CDLL(None), mmap.mmap(-1, 2**16)\n"
        "    top = ctypes.addressof(ctypes.c_char.from_buffer(stack)) + 2**15\n"
        "    pause = ctypes.cast(libc.pause, ctypes.c_void_p)\n"
        "    thread = 0x100 | 0x200 | 0x400 | 0x800 | 0x10000 | 0x40000  # VM, …, THREAD, SYSVSEM\n"
        "    if libc.clone(pause, ctypes.c_void_p(top), thread | 0x4000, None) < 0:\n"
        "        raise OSError('refused')",
        LATE | REFUSED,
    ),
    Attack(
        "waits in a filter of its own",  # which told of a call, and is never told what to do
        Wants.batch,
        "import ctypes, os, signal, struct, threading, time\n"
        "libc, told, buffer = ctypes.CDLL(None), [], ctypes.create_string_buffer(256)\n"
        "class Filter(ctypes.Structure):\n"
        "    _fields_ = [('length', ctypes.c_ushort), ('code', ctypes.c_char_p)]\n"
        "filters, parent = {'x86_64': (317, 110), 'aarch64': (277, 173)}[os.uname().machine]\n"
        "def supervise(thread):\n"
        "    while not told: time.sleep(0.01)\n"
        "    libc.ioctl(told[0], ctypes.c_ulong(0xC0502100), buffer)\n"
        "    time.sleep(0.05)\n"
        "    signal.pthread_kill(thread, signal.SIGUSR1)\n"
        "    time.sleep(1000)\n"
        "def scale(x, factor):\n"
        "    signal.signal(signal.SIGUSR1, lambda *_: None)\n"
        "    main = threading.get_ident()\n"
        "    threading.Thread(target=supervise, args=(main,), daemon=True).start()\n"
        "    steps = (0x20, 0, 0, 0), (0x15, 0, 1, parent), (6, 0, 0, 0x7FC00000)\n"
        "    code = b''.join(struct.pack('=HBBI', *s) for s in (*steps, (6, 0, 0, 0x7FFF0000)))\n"
        "    handle = libc.syscall(filters, 1, 1 << 3 | 1 << 5, ctypes.byref(Filter(4, code)))\n"
        "    if handle < 0: raise OSError('refused')\n"
        "    told.append(handle)\n"
        "    libc.getppid()\n",
        verdicts=REFUSED,
        most=0,
    ),
    waste(
        "waits for a disk for ever",  # past the cache, in pieces so large that it hardly computes
        Wants.batch,
        "import mmap, os\n"
        "    maps = open('/proc/self/maps').read().splitlines()\n"
        "    mapped = [line[line.index('/'):] for line in maps if '.so' in line]\n"
        "    disk = os.open(max(mapped, key=os.path.getsize), os.O_RDONLY | os.O_DIRECT)\n"
        "    pages = mmap.mmap(-1, 2**26, flags=mmap.MAP_PRIVATE)\n"
        "    pages.madvise(mmap.MADV_HUGEPAGE)\n"
        "    while True: os.preadv(disk, [pages], 0)",
    ),
    waste(
        "has a message that takes for ever",
        Wants.batch,
        "raise type('E', (Exception,), {'__str__': lambda s: exec('while 1: pass')})",
    ),
    waste(
        "raises an object whose repr takes for ever",
        Wants.batch,
        "raise ValueError(type('S', (), {'__repr__': lambda s: exec('while 1: pass')})())",
    ),
    Attack(
        "asks the scorer for ever",
        Wants.batch,
        "class Walker:\n    def __init__(self, items): self.items = items\n"
        "    def best(self, score):\n        while True: score(1)\n",
        cell="walk",
        verdicts=LATE,
        most=0,
    ),
    Attack(
        "loops when the process ends",
        Wants.batch,
        "import atexit\n"
        "def loop():\n    while True: pass\n"
        "atexit.register(loop)\n"
        "def scale(x, factor): return x * 0\n",
    ),
    Attack(
        "loops in its cell",
        Wants.batch,
        "while True: pass",
        verdicts=NO_ANSWER,
        most=0,
    ),
    Attack(
        "leaves in its cell",
        Wants.batch,
        "import os\nos._exit(0)",
        verdicts=NO_ANSWER,
        most=0,
    ),
]
MEMORY = [
    waste(
        "fills the memory",
        Wants.memory,
        "blocks = []\n    while True: blocks.append(bytearray(2**20))",
        NO_MEMORY_OR_TIME,
    ),
    waste(
        "makes a large NumPy array",
        Wants.memory,
        "return __import__('numpy').ones(2**31)",
        NO_MEMORY,
        victim="return __import__('numpy').ones(2**26)",
    ),
    waste(
        "makes a large tensor",
        Wants.memory,
        "return __import__('torch').ones(2**31)",
        NO_MEMORY,
        victim="return __import__('array').array('d', [0]) * 2**26",
    ),
    waste(
        "fills shared memory",
        Wants.memory,
        "import mmap\n    pages = mmap.mmap(-1, 2**30)\n"
        "    while True:\n        for at in range(0, 2**30, 4096): pages[at] = 1",
        NO_MEMORY_OR_TIME,
    ),
    waste(
        "fills shared memory from a second thread, its first one gone",
        Wants.memory,
        "import ctypes, mmap, os, threading\n"
        "    def fill():\n        pages = mmap.mmap(-1, 2**30)\n"
        "        while True:\n            for at in range(0, 2**30, 4096): pages[at] = 1\n"
        "    threading.Thread(target=fill, daemon=True).start()\n"
        "    number = {'x86_64': 60, 'aarch64': 93}[os.uname().machine]\n"
        "    ctypes.CDLL(None).syscall(number, 0)",
        NO_MEMORY_OR_TIME,
    ),
    Attack(
        "hides memory in pipes",  # a page in one keeps the 2 MB that it is a page of
        Wants.memory,
        HIDDEN.format("area.madvise(mmap.MADV_DONTNEED)"),
        verdicts=REFUSED,
        most=0,
        victim=HIDDEN.format("kept.append(area)"),
    ),
    waste(
        "recurses without end",
        Wants.memory,
        "import sys; sys.setrecursionlimit(10**9)\n    return scale(x, factor)",
        frozenset({Verdict.out_of_memory, Verdict.crashed, Verdict.timed_out}),
    ),
    Attack(
        "fills the memory in its cell",
        Wants.memory,
        "import mmap; pages = mmap.mmap(-1, 2**30)\n"
        "for at in range(0, 2**30, 4096): pages[at] = 1\n"
        "while True: pass",
        verdicts=NO_ANSWER,
        most=0,
    ),
]
MACHINE = [
    waste("forks for ever", Wants.processes, "import os\n    while True: os.fork()", REFUSED),
    waste(
        "starts threads for ever",
        Wants.processes,
        "import threading, time\n"
        "    while True: threading.Thread(target=time.sleep, args=(99,), daemon=True).start()",
        frozenset({Verdict.too_many_threads, Verdict.crashed, Verdict.failed}),
    ),
    waste(
        "starts another program",
        Wants.batch,
        "import subprocess\n    subprocess.run(['sh', '-c', 'sleep 1000'])",
        REFUSED,
    ),
    waste(
        "fills the disk",
        Wants.disk,
        "f = open('big', 'wb')\n    while True: f.write(bytes(2**20))",
        frozenset({Verdict.out_of_disk, Verdict.failed}),
    ),
    waste(
        "fills the disk with empty files",
        Wants.disk,
        "n = 0\n    while True:\n        open(str(n), 'w').close()\n        n += 1",
        frozenset({Verdict.out_of_disk, Verdict.timed_out}),
    ),
    waste(
        "opens files and never closes them",
        Wants.batch,
        "global kept; kept = []\n    while True: kept.append(open('words.txt'))",
        frozenset({Verdict.too_many_files, Verdict.failed}),
    ),
    waste(
        "prints without end",
        Wants.disk,
        "while True: print('x' * 10**6)",
        frozenset({Verdict.too_much_output, Verdict.timed_out}),
    ),
    waste(
        "writes to its standard output without end",
        Wants.disk,
        "import os\n    while True: os.write(1, b'x' * 10**6)",
    ),
    waste("says far too much", Wants.disk, "raise ValueError('x' * 2 * 10**7)", REFUSED),
    waste(
        "takes away its own right to write",
        Wants.batch,
        "import resource, signal\n"
        "    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))",
        REFUSED,
        most=1,
    ),
]
VALUES = [
    waste(
        "returns an array far larger than its memory",
        Wants.memory,
        "return __import__('numpy').broadcast_to(0., (10**10,))",
        TOO_LARGE,
        victim="return __import__('numpy').broadcast_to(0., (2**22, 3, 5))",
    ),
    waste(
        "returns a list of millions",
        Wants.memory,
        "return [0] * (5 * 10**6)",
        TOO_LARGE,
        victim="return list(range(2 * 10**7))",
    ),
    waste(
        "returns a sequence without end, whose conversion never ends",
        Wants.batch,
        "loop = lambda s, *a, **k: exec('while 1: pass')\n"
        "    return type('E', (), {'__len__': lambda s: 10**9, '__getitem__': lambda s, i: 0.0,\n"
        "                          '__array__': loop})()",
        REFUSED | LATE,
    ),
    waste(
        "returns a list that holds itself",
        Wants.batch,
        "x = []\n    x.append(x)\n    return x",
        TOO_LARGE,
        no_victim="only values that leave the process have to be walked through",
    ),
    waste(
        "returns a list nested 100 000 deep",
        Wants.batch,
        "x = []\n    for _ in range(10**5): x = [x]\n    return x",
        TOO_LARGE,
        no_victim="only values that leave the process have to be walked through",
    ),
    waste(
        "returns a number of 100 000 digits",
        Wants.batch,
        "return 10**(10**5)",
        TOO_LARGE,
        no_victim="only values that leave the process have to be walked through",
    ),
    Attack(
        "returns strings that take the room of the longest, again and again",
        Wants.memory,
        f"{SPEAK}\nfrom autograder.wire import Mark\n"
        "def scale(x, factor):\n"
        "    strings = msgpack.ExtType(int(Mark.STRINGS), b'')\n"
        "    say(worker._number, 'value', [[strings, [4096], 'x' * 4096, *[''] * 4095]] * 100)\n"
        "    return x * factor\n",
        verdicts=BROKEN,
        most=0,
        victim="import numpy as np\n"
        "def scale(x, factor): return [np.array(['x' * 4096] + [''] * 4095)] * 8\n",
    ),
    Attack(
        "returns a set whose members all have one hash",
        Wants.batch,
        "import gc, os, struct, msgpack, time\n"
        "from autograder.wire import Channel\n"
        "from autograder.worker import Worker\n"
        "worker = next(o for o in gc.get_objects() if type(o) is Worker)\n"
        "wire = next(o for o in gc.get_objects() if type(o) is Channel).fileno()\n"
        "def count_bigrams(tokens, many=400_000, prime=2**61 - 1):\n"
        "    items = [b'\\x92\\xc7\\0\\x04\\xc4\\x0a' + (prime * n).to_bytes(10, 'little')\n"
        "             for n in range(1, many)]\n"
        "    body = b'\\xdd' + struct.pack('>I', many) + b'\\xc7\\0\\x02' + b''.join(items)\n"
        "    data = b'\\x93' + msgpack.packb(worker._number) + b'\\xa5value' + body\n"
        "    data = struct.pack('>I', len(data)) + data\n"
        "    while data: data = data[os.write(wire, data[:2**20]):]\n"
        "    time.sleep(1000)\n",
        cell="count",
        verdicts=frozenset({Verdict.crashed, Verdict.timed_out, Verdict.failed}),
        most=0,
        victim="def count_bigrams(tokens): return {n * (2**61 - 1) for n in range(10**5)}\n",
    ),
]
USES = [
    Attack(
        "returns a number too large for what the test does with it",
        Wants.memory,
        COUNTED.format("2**30", "x * 3"),
        test=COUNTS,
        victim=COUNTED.format("2**26", "x * 3"),
    ),
    Attack(
        "returns millions of rows of nothing",
        Wants.memory,
        "import numpy as np\ndef scale(x, factor): return np.empty((2**25, 0), dtype=np.int64)\n",
        verdicts=frozenset({Verdict.crashed}),
        most=0,
        victim=COUNTED.format("6", "np.empty((2**25, 0))"),
    ),
    Attack(
        "asks the scorer about a number that makes its answer too large to be sent",
        Wants.batch,
        WALKER.format("", "-(2**4095 - 1)"),
        cell="walk",
        victim=WALKER.format(
            "class Endless(int):\n    def __sub__(self, other):\n        while True: pass\n",
            "Endless()",
        ),
    ),
]
SHARED = [
    spy(
        "queues signals on the account of all processes of its user",
        """
def look():
    import signal
    signal.pthread_sigmask(signal.SIG_BLOCK, [40])
    if not any(libc.sigqueue(os.getpid(), 40, None) for _ in range(1000)): yield 'signals'
""",
        Wants.reach,
    ),
    spy(
        "fills the kernel's memory with rules",
        """
def look():
    rules = libc.syscall(444, (2 << 64).to_bytes(16, 'little'), 16, 0)  # about where to connect
    ports = [(2 | port << 64).to_bytes(16, 'little') for port in range(1000)]
    if not any(libc.syscall(445, rules, 2, port, 0) for port in ports): yield 'rules'
""",
        Wants.reach,
    ),
    spy(
        "has a disk of the whole machine written, and waits for it",
        """
def look():
    import numpy
    if libc.syncfs(os.open(numpy.__file__, os.O_RDONLY)) == 0: yield 'a disk'
""",
        Wants.reach,
    ),
]
ATTACKS = [*TIME, *MEMORY, *MACHINE, *VALUES, *USES, *SHARED]
