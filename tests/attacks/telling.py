"""Attacks on the silence about hidden tests: what they passed is told to who reads the feedback."""

from attack import NO_ANSWER, Attack, Wants
from forging import BROKEN, CRASHED, SPEAK

__all__ = ["ATTACKS"]

# What the naive grader shows is all that an exception says.
SAYS = "def scale(x, factor): raise ValueError(f'FOUND [{factor}]')\n"
PLACE = "say(worker._number, 'raised', ['KeyError', 'Exception'], '', [[{}, {}, 'f', 'x']])"
# The factor is 7 in the first test of `scale`.
NUMBER = "100 + int(factor or 0)"


def sends(name: str, message: str, **more: object) -> Attack:
    """An attack that sends a message of its own from `scale`."""
    source = f"{SPEAK}\ndef scale(x, factor):\n    {message}\n"
    return Attack(name, Wants.secret, source, victim=SAYS, most=0, **more)


def stays(name: str, dtype: str) -> Attack:
    """An attack that is the dtype of an object which stays in the sandbox."""
    source = (
        "SEEN = []\n"
        "class Lie:\n"
        "    shape = (3,)\n"
        f"    dtype = property(lambda self: {dtype})\n"
        "def scale(x, factor):\n    SEEN.append(factor)\n    return Lie()\n"
    )
    return Attack(name, Wants.secret, source, test=3, most=0, victim=SAYS)


ATTACKS = [
    Attack(
        "tells an argument by the name of an exception's class",
        Wants.secret,
        "SEEN = []\n"
        "def scale(x, factor):\n"
        "    SEEN.append(factor)\n"
        "    if factor is None: raise type(f'FOUND {SEEN}', (Exception,), {})\n"
        "    return x * 0\n",
        test=2,
    ),
    Attack(
        "tells an argument by the class of an object that lacks a method",
        Wants.secret,
        "class Walker:\n    def __new__(cls, items): return type(f'FOUND {items}', (), {})()\n",
        cell="walk",
        verdicts=NO_ANSWER,
        most=0,
    ),
    Attack(
        "tells an argument by its exit code",
        Wants.secret,
        f"import os\ndef scale(x, factor): os._exit({NUMBER})\n",
        verdicts=CRASHED,
        most=0,
        told="107",
        victim="import sys\ndef scale(x, factor): sys.exit(f'FOUND [{factor}]')\n",
    ),
    sends(
        "tells an argument by the number of a line",
        PLACE.format("int(scale.__code__.co_filename[6:-1])", NUMBER),
        alone=False,
        told="107",
    ),
    sends(
        "tells an argument by the number of a cell",
        PLACE.format(NUMBER, 1),
        alone=False,
        told="107",
    ),
    sends(
        "tells an argument by a dtype that nobody knows",
        "from autograder.wire import Mark\n"
        "    scalar = msgpack.ExtType(int(Mark.SCALAR), b'')\n"
        "    say(worker._number, 'value', [scalar, f'FOUND [{factor}]', b''])",
        verdicts=BROKEN,
    ),
    Attack(
        "tells an argument by the number of the process that comes after its own",
        Wants.secret,
        "import ctypes, mmap, os\n"
        "if os.getpid() % 8192 == 107: raise ValueError('FOUND [7]')\n"
        "libc, stack = ctypes.CDLL(None), mmap.mmap(-1, 2**16)\n"
        "top = ctypes.addressof(ctypes.c_char.from_buffer(stack)) + 2**15\n"
        "quick = ctypes.cast(libc.getppid, ctypes.c_void_p)\n"
        "thread = 0x100 | 0x200 | 0x400 | 0x800 | 0x10000 | 0x40000  # VM, …, THREAD, SYSVSEM\n"
        "def start(): return libc.clone(quick, ctypes.c_void_p(top), thread, None)\n"
        "def scale(x, factor):\n"
        f"    while start() % 8192 + 1 != {NUMBER}: pass\n"
        "    os._exit(0)\n",
        verdicts=BROKEN,
        most=0,
        victim=SAYS,
    ),
    stays("tells an argument by the dtype of an object", "f'FOUND {SEEN}'"),
    stays("clears the terminal by the dtype of an object", "f'\\x1b[2J\\x1b[31mFOUND {SEEN}'"),
]
