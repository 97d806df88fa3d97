"""Inside the sandbox: has the slow imports done, and forks a confined worker per submission.

Runs as `python -m autograder.zygote FD`, reads its settings from the socket FD, says `ready`, then
answers one JSON message at a time:

    {"op": "spawn", …limits}  + a socket as ancillary data   → {"pid": number}
    {"op": "end"}             kills and reaps every process  → {"status": wait status or null}

It never runs student code, reads nothing that a student wrote, and knows no secret. When anything
goes wrong it says `{"error": why}` or ends; the trusted side then starts another.
This module is mounted in the sandbox and imports only `wire` and `worker` of `autograder`.
"""

import contextlib
import ctypes
import importlib
import json
import os
import resource
import select
import shutil
import signal
import socket
import sys
import time
from base64 import b64decode
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

from autograder.wire import Channel
from autograder.worker import Worker

__all__ = ["Zygote", "forbid"]

_PR_SET_DUMPABLE, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS, _SECCOMP_FILTER = 4, 22, 38, 2
_MAX_MESSAGE = 2**20
_TICK = 0.2


class Zygote:
    """Forks workers, one at a time, and cleans up after each.

    Settings:
        scratch: the one folder that a worker may write to.
        preload: modules to import before the first fork.
        forbidden: modules whose import is refused with a clear message.
        seccomp: the worker's system call filter, base64; empty for none.
        landlock: whether to confine the worker to its scratch folder.
        outer_pids: the pid namespace of the trusted side. Where ours is another one, everything
            in it is ours to kill.
        max_files: more files than that in the scratch folder, and the worker is killed.
    """

    def __init__(self, sock: socket.socket, settings: dict[str, Any]) -> None:
        self._socket = sock
        self._settings = settings
        self._scratch = Path(settings["scratch"])
        self._child: int | None = None
        self._owns_pids = settings["outer_pids"] != str(Path("/proc/self/ns/pid").readlink())

    def prepare(self) -> None:
        """Import what is slow, and forbid what the lab forbids."""
        forbid(self._settings["forbidden"])
        for name in [*self._settings["preload"], *(["sandlock"] * self._settings["landlock"])]:
            importlib.import_module(name)
        if torch := sys.modules.get("torch"):
            torch.set_num_threads(1)
        _prctl(_PR_SET_DUMPABLE, 0)
        self._send({"ready": True})

    def serve(self) -> None:
        """Answer messages until the trusted side hangs up."""
        while True:
            while not select.select([self._socket], [], [], _TICK)[0]:
                self._watch_files()
            data, handles, _, _ = socket.recv_fds(self._socket, _MAX_MESSAGE, 1)
            if not data:
                return
            try:
                self._send(self._answer(json.loads(data), handles))
            except Exception as error:
                self._send({"error": f"{type(error).__name__}: {error}"})

    def _answer(self, message: dict[str, Any], handles: list[int]) -> dict[str, Any]:
        if message["op"] == "spawn":
            return {"pid": self._spawn(message, handles[0])}
        return {"status": self._end()}

    def _send(self, message: dict[str, Any]) -> None:
        self._socket.send(json.dumps(message).encode())

    # --- a worker's life ---

    def _spawn(self, limits: dict[str, Any], handle: int) -> int:
        self._end()
        (self._scratch / "work").mkdir()
        self._child = os.fork()
        if self._child == 0:
            self._become_worker(limits, handle)
        os.close(handle)
        return self._child

    def _become_worker(self, limits: dict[str, Any], handle: int) -> NoReturn:
        try:
            _only_keep(handle)
            os.chdir(self._scratch / "work")
            self._link_data()
            self._confine(limits)
            Worker(Channel(socket.socket(fileno=handle), limits["max_bytes"])).serve()
        finally:
            os._exit(0)

    def _link_data(self) -> None:
        for path in self._settings["data"]:
            Path(Path(path).name).symlink_to(path)

    def _confine(self, limits: dict[str, Any]) -> None:
        _limit_resources(limits)
        _prctl(_PR_SET_DUMPABLE, 0)
        if self._settings["landlock"]:
            _landlock(self._scratch / "work")
        if program := b64decode(self._settings["seccomp"]):
            _filter_calls(program)

    def _end(self) -> int | None:
        """Kill whatever the worker left, reap it, and empty the scratch folder."""
        status = self._kill_all()
        self._child = None
        for path in self._scratch.iterdir():
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        return status

    def _kill_all(self) -> int | None:
        status, until = None, time.monotonic() + 10
        while self._kill():
            status = self._reap(status)
            if time.monotonic() > until:
                raise TimeoutError("processes that can't be killed")
            time.sleep(0.001)
        return self._reap(status)

    def _kill(self) -> bool:
        """Kill every process in this pid namespace but its first and this one: true if any."""
        if not self._owns_pids and self._child is None:
            return False
        with contextlib.suppress(ProcessLookupError):
            os.kill(-1 if self._owns_pids else self._child or 0, signal.SIGKILL)
            return True
        return False

    def _reap(self, status: int | None) -> int | None:
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, ended = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    break
                if pid == self._child:
                    status = ended
                    self._child = None if not self._owns_pids else self._child
        return status

    def _watch_files(self) -> None:
        """Kill a worker that fills the scratch folder with empty files: they cost kernel memory."""
        if self._child is None or not self._owns_pids:
            return
        use = os.statvfs(self._scratch)
        if use.f_files and use.f_files - use.f_ffree > self._settings["max_files"]:
            self._kill()


# --- walls ---------------------------------------------------------------------------------------


_REFUSAL = "{} is what this lab asks you to write, so it can't be imported while the lab is graded"


class _Forbidden(MetaPathFinder):
    """Refuses to find some modules. The files are gone as well; this is for the message."""

    def __init__(self, names: list[str]) -> None:
        self._names = tuple(names)

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        for forbidden in self._names:
            if name == forbidden or name.startswith(f"{forbidden}."):
                if _imports_itself(name):
                    return ModuleSpec(name, _Hollow(forbidden), is_package=True)
                raise ImportError(_REFUSAL.format(forbidden))
        return None


class _Hollow(Loader):
    """Stands in for a forbidden module that its own package imports: refuses only to be used."""

    def __init__(self, name: str) -> None:
        self._name = name

    def exec_module(self, module: ModuleType) -> None:
        def get(attribute: str) -> "_Refused":
            if attribute.startswith("__"):
                raise AttributeError(attribute)
            return _Refused(_REFUSAL.format(self._name))

        vars(module)["__getattr__"] = get


class _Refused:
    """Stands in for a class or function of a forbidden module."""

    def __init__(self, why: str) -> None:
        self._why = why

    def __call__(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise ImportError(self._why)

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):
            raise AttributeError(name)
        raise ImportError(self._why)


def _imports_itself(name: str) -> bool:
    """Whether a package that the module is in is being imported just now."""
    while name := name.rpartition(".")[0]:
        spec = getattr(sys.modules.get(name), "__spec__", None)
        if getattr(spec, "_initializing", False):
            return True
    return False


def forbid(names: list[str]) -> None:
    """Refuse to import these modules and whatever is in them."""
    sys.meta_path.insert(0, _Forbidden(names))


def _only_keep(handle: int) -> None:
    """Close every file but one socket; standard streams lead nowhere."""
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    os.closerange(3, handle)
    os.closerange(handle + 1, 65536)


def _limit_resources(limits: dict[str, Any]) -> None:
    """Set limits above what the imports already use. Reaching one raises in the student's code."""
    pages, page = Path("/proc/self/statm").read_text().split(), os.sysconf("SC_PAGE_SIZE")
    size, data, memory = int(pages[0]) * page, int(pages[5]) * page, limits["memory"]
    wanted = {
        resource.RLIMIT_DATA: data + memory,
        resource.RLIMIT_AS: size + 2 * memory + 2**30,
        resource.RLIMIT_FSIZE: limits["scratch"],
        resource.RLIMIT_NOFILE: 256,
        resource.RLIMIT_NPROC: limits["processes"],
        resource.RLIMIT_CPU: int(limits["cpu_seconds"]) + 1,
        resource.RLIMIT_CORE: 0,
    }
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    for which, most in wanted.items():
        hard = resource.getrlimit(which)[1]
        value = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(which, (value, value))


def _landlock(writable: Path) -> None:
    import sandlock

    policy = sandlock.Sandbox(fs_readable=["/"], fs_writable=[str(writable), "/dev/null"])
    sandlock.confine(policy)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def _filter_calls(program: bytes) -> None:
    """Install a system call filter; it can't be taken off again."""
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    fprog = _Program(len(program) // 8, program)
    _prctl(_PR_SET_SECCOMP, _SECCOMP_FILTER, ctypes.addressof(fprog))


def _prctl(option: int, *arguments: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    longs = [ctypes.c_ulong(value) for value in (*arguments, 0, 0, 0, 0)[:4]]
    if libc.prctl(option, *longs) != 0:
        raise OSError(ctypes.get_errno(), f"prctl({option}) failed")


def main() -> None:
    """Serve the socket whose number is the only argument."""
    sock = socket.socket(fileno=int(sys.argv[1]))
    zygote = Zygote(sock, json.loads(sock.recv(_MAX_MESSAGE)))
    try:
        zygote.prepare()
    except BaseException as error:
        sock.send(json.dumps({"error": f"{type(error).__name__}: {error}"}).encode())
        raise
    zygote.serve()


if __name__ == "__main__":
    main()
