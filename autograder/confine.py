"""Inside the sandbox: the walls that a fresh worker puts around itself before it runs any cell.

Limits on resources, no capability, Landlock and system call filters. None can be taken off again.
Mounted in the sandbox; imports nothing of `autograder`.
"""

import ctypes
import os
import resource
import signal
from base64 import b64decode
from pathlib import Path
from typing import Any

__all__ = ["confine", "die_with", "hide_from_others", "only_keep"]

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 1, 4, 22, 38
_SECCOMP_FILTER = 2
_CAPABILITIES = 0x20080522  # the version of the call: two words for each of three sets
_GRACE = 60  # seconds of computing between SIGXCPU and SIGKILL


def confine(settings: dict[str, Any], limits: dict[str, Any], *, own_pids: bool) -> None:
    """Put up all walls around this process. Its working folder is all that it may write to.

    Args:
        settings: the zygote's: `readable` paths (none for no wall at all) and `seccomp`.
        limits: the submission's.
        own_pids: whether this pid namespace holds nothing else of this user's.
    """
    _limit_resources(limits, own_pids)
    hide_from_others()
    if settings["readable"]:
        _drop_capabilities()
        _landlock(settings["readable"])
    if program := b64decode(settings["seccomp"]):
        _filter_calls(program)


def only_keep(handle: int) -> None:
    """Close every file but one socket; standard streams lead nowhere."""
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    os.closerange(3, handle)
    os.closerange(handle + 1, 65536)


def die_with(parent: int) -> None:
    """Be killed when the parent ends, however it ends; or end now, if it already has."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def hide_from_others() -> None:
    """Let no other process of this user look into this one."""
    _prctl(_PR_SET_DUMPABLE, 0)


def _limit_resources(limits: dict[str, Any], own_pids: bool) -> None:
    """Set limits above what the imports already use. Reaching one raises in the student's code."""
    pages, page = Path("/proc/self/statm").read_text().split(), os.sysconf("SC_PAGE_SIZE")
    size, data, memory = int(pages[0]) * page, int(pages[5]) * page, limits["memory"]
    seconds = int(limits["cpu_seconds"]) + 1
    _limit(resource.RLIMIT_DATA, data + memory)
    _limit(resource.RLIMIT_AS, size + 2 * memory + 2**30)
    _limit(resource.RLIMIT_FSIZE, limits["scratch"])
    _limit(resource.RLIMIT_NOFILE, limits["open_files"])
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_SIGPENDING, 64)  # the count is that of all processes of this user
    _limit(resource.RLIMIT_CPU, seconds, seconds + _GRACE)
    if own_pids:  # elsewhere all processes of this user count, on the whole machine
        _limit(resource.RLIMIT_NPROC, limits["processes"])
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)


def _limit(which: int, most: int, hardest: int | None = None) -> None:
    ours = resource.getrlimit(which)[1]
    wanted = (most, hardest or most)
    low, high = (value if ours == resource.RLIM_INFINITY else min(value, ours) for value in wanted)
    resource.setrlimit(which, (low, high))


def _drop_capabilities() -> None:
    """Give up root's rights, should this be root. Inside bubblewrap there are none to give up."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITIES, 0)
    if ctypes.CDLL(None, use_errno=True).capset(header, (ctypes.c_uint32 * 6)()) != 0:
        raise OSError(ctypes.get_errno(), "capset failed")


def _landlock(readable: list[str]) -> None:
    """Open nothing else; signal, trace and connect to nothing outside."""
    import sandlock

    policy = sandlock.Sandbox(fs_readable=readable, fs_writable=[str(Path.cwd()), os.devnull])
    sandlock.confine(policy)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def _filter_calls(program: bytes) -> None:
    """Install a system call filter."""
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    fprog = _Program(len(program) // 8, program)
    _prctl(_PR_SET_SECCOMP, _SECCOMP_FILTER, ctypes.addressof(fprog))


def _prctl(option: int, *arguments: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    longs = [ctypes.c_ulong(value) for value in (*arguments, 0, 0, 0, 0)[:4]]
    if libc.prctl(option, *longs) != 0:
        raise OSError(ctypes.get_errno(), f"prctl({option}) failed")
