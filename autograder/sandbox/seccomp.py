"""System call filters, assembled by hand: which calls no student code needs.

`OUTER` holds for everything in the sandbox, the zygote too. `WORKER` is added to it for student
code: no new processes (threads are fine), no other program, no sockets.
A refused call fails with EPERM, so that libraries see an ordinary error. A call made in the way of
another architecture kills: its numbers mean other things.
"""

import platform
import struct
from collections.abc import Iterable

__all__ = ["outer_filter", "worker_filter"]

# name: (x86_64, aarch64); None where the architecture has no such call
_NUMBERS: dict[str, tuple[int | None, int | None]] = {
    # other processes' memory, and memory that no limit counts
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "pidfd_getfd": (438, 438),
    "kcmp": (312, 272),
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "userfaultfd": (323, 282),
    "shmget": (29, 194),
    "shmat": (30, 196),
    "shmctl": (31, 195),
    "semget": (64, 190),
    "msgget": (68, 186),
    "mq_open": (240, 180),
    "remap_file_pages": (216, 234),
    # large kernel surfaces
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "fanotify_init": (300, 262),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "modify_ldt": (154, None),
    "personality": (135, 92),
    # mounts and namespaces
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "unshare": (272, 97),
    "setns": (308, 268),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    # the machine itself
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "acct": (163, 89),
    "syslog": (103, 116),
    "quotactl": (179, 60),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "clock_adjtime": (305, 266),
    "adjtimex": (159, 171),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "iopl": (172, None),
    "ioperm": (173, None),
    "vhangup": (153, 58),
}
_WORKER_NUMBERS: dict[str, tuple[int | None, int | None]] = {
    "fork": (57, None),
    "vfork": (58, None),
    "execve": (59, 221),
    "execveat": (322, 281),
    "socket": (41, 198),
    "connect": (42, 203),
    "bind": (49, 200),
    "listen": (50, 201),
    "accept": (43, 202),
    "accept4": (288, 242),
}
_CLONE, _CLONE3 = (56, 220), (435, 435)
_MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7), "arm64": (1, 0xC00000B7)}

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_AT_NUMBER, _AT_ARCH, _AT_FIRST_ARGUMENT = 0, 4, 16
_ALLOW, _KILL, _ERROR = 0x7FFF0000, 0x80000000, 0x00050000
_EPERM, _ENOSYS = 1, 38
_CLONE_THREAD = 0x00010000
_X32 = 0x40000000

Instruction = tuple[int, int, int, int]


def outer_filter(machine: str | None = None) -> bytes:
    """Return the filter for the whole sandbox. ValueError for an unknown architecture."""
    column, arch = _machine(machine)
    return _assemble([*_head(arch), *_refuse(_column(_NUMBERS, column), _EPERM), _allow()])


def worker_filter(machine: str | None = None) -> bytes:
    """Return the filter that is added for student code."""
    column, arch = _machine(machine)
    refused = _refuse(_column(_WORKER_NUMBERS, column), _EPERM)
    # glibc falls back from clone3, whose flags a filter can't see, to clone.
    clone3 = _refuse([_CLONE3[column]], _ENOSYS)
    return _assemble([*_head(arch), *refused, *clone3, *_only_threads(_CLONE[column]), _allow()])


def _machine(name: str | None) -> tuple[int, int]:
    name = name or platform.machine()
    if name not in _MACHINES:
        raise ValueError(f"no system call filter for {name!r}; known are {', '.join(_MACHINES)}")
    return _MACHINES[name]


def _column(numbers: dict[str, tuple[int | None, int | None]], column: int) -> list[int]:
    return [number for row in numbers.values() if (number := row[column]) is not None]


def _head(arch: int) -> list[Instruction]:
    """Kill a call of another architecture; and x32's numbers, which no arch check tells."""
    return [
        (_LOAD, 0, 0, _AT_ARCH),
        (_EQUAL, 1, 0, arch),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _AT_NUMBER),
        (_AT_LEAST, 0, 1, _X32),
        (_RETURN, 0, 0, _ERROR | _EPERM),
    ]


def _refuse(numbers: Iterable[int], error: int) -> list[Instruction]:
    pairs = [((_EQUAL, 0, 1, number), (_RETURN, 0, 0, _ERROR | error)) for number in numbers]
    return [instruction for pair in pairs for instruction in pair]


def _only_threads(clone: int) -> list[Instruction]:
    return [
        (_EQUAL, 0, 3, clone),
        (_LOAD, 0, 0, _AT_FIRST_ARGUMENT),
        (_ANY_BIT, 1, 0, _CLONE_THREAD),
        (_RETURN, 0, 0, _ERROR | _EPERM),
    ]


def _allow() -> Instruction:
    return (_RETURN, 0, 0, _ALLOW)


def _assemble(program: list[Instruction]) -> bytes:
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in program)
