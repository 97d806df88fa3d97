"""Inside the sandbox: has the slow imports done, and forks a confined worker per submission.

Runs as `python -m autograder.zygote FD`, reads its settings from the socket FD, says `ready`, then
answers one JSON message at a time:

    {"op": "spawn", …limits}  + a socket as ancillary data   → {"pid": number}
    {"op": "end"}             kills and reaps every process  → {"status": wait status or null,
                                                                "why": "" or what it used up}

It never runs student code, reads nothing that a student wrote, and knows no secret. When anything
goes wrong it says `{"error": why}` or ends; the trusted side then starts another.
This module is mounted in the sandbox and imports only what is mounted beside it.
"""

import contextlib
import errno
import importlib
import itertools
import json
import os
import secrets
import select
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

from autograder.confine import confine, die_with, hide_from_others, only_keep
from autograder.forbid import forbid
from autograder.wire import Channel
from autograder.worker import Worker

__all__ = ["Zygote", "empty", "held"]

_MAX_MESSAGE = 2**20
_TICK = 0.2
_LEAST_FREE = 2**28
_GONE = {errno.ENOENT, errno.ENOTDIR}


class Zygote:
    """Forks workers, one at a time, and cleans up after each.

    Settings:
        scratch: the folder in which a worker's own folder is made.
        preload: modules to import before the first fork.
        forbidden: modules whose import is refused with a clear message.
        readable: what the worker may read; empty for no wall.
        seccomp: the worker's system call filter, base64; empty for none.
        data: files to link into the worker's folder.
        outer_pids: the pid namespace of the trusted side. Where ours is another one, everything
            in it is ours to kill, and the scratch folder is a file system of its own.
    """

    def __init__(self, sock: socket.socket, settings: dict[str, Any]) -> None:
        self._socket = sock
        self._settings = settings
        self._scratch = Path(settings["scratch"])
        self._limits: dict[str, Any] = {}
        self._child: int | None = None
        self._why = ""
        self._owns_pids = settings["outer_pids"] != str(Path("/proc/self/ns/pid").readlink())

    def prepare(self) -> None:
        """Import what is slow, and forbid what the lab forbids."""
        die_with(os.getppid())
        forbid(self._settings["forbidden"])
        walls = ["sandlock"] if self._settings["readable"] else []
        for name in [*self._settings["preload"], *walls]:
            importlib.import_module(name)
        if torch := sys.modules.get("torch"):
            torch.set_num_threads(1)
        with contextlib.suppress(OSError):  # if memory runs out, end this and not the grader
            Path("/proc/self/oom_score_adj").write_text("1000")
        hide_from_others()
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
        return {"status": self._end(), "why": self._why}

    def _send(self, message: dict[str, Any]) -> None:
        self._socket.send(json.dumps(message).encode())

    # --- a worker's life ---

    def _spawn(self, limits: dict[str, Any], handle: int) -> int:
        self._end()
        self._why, self._limits = "", limits
        (self._scratch / "work").mkdir()
        zygote = os.getpid()
        self._child = os.fork()
        if self._child == 0:
            self._become_worker(limits, handle, zygote)
        os.close(handle)
        return self._child

    def _become_worker(self, limits: dict[str, Any], handle: int, zygote: int) -> NoReturn:
        try:
            die_with(zygote)
            only_keep(handle)
            os.chdir(self._scratch / "work")
            for path in self._settings["data"]:
                Path(Path(path).name).symlink_to(path)
            confine(self._settings, limits, own_pids=self._owns_pids)
            channel = Channel(socket.socket(fileno=handle), limits["max_bytes"])
            Worker(channel, limits["output"]).serve()
        finally:
            os._exit(0)

    def _end(self) -> int | None:
        """Kill whatever the worker left, reap it, and empty the scratch folder."""
        status = self._kill_all()
        self._child = None
        empty(self._scratch)
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
        """Kill every process in this pid namespace but its first and this one: true if any.

        Without a namespace there is one child, and it can't make others.
        """
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

    # --- what it writes ---

    def _watch_files(self) -> None:
        """Kill a worker that fills the disk, or makes files without end: they cost memory."""
        if self._child is None:
            return
        files, size, free = self._use()
        if files > self._limits["files"]:
            self._kill_for("files")
        elif size > self._limits["scratch"]:
            self._kill_for("disk")
        elif free < _LEAST_FREE and not self._owns_pids:
            self._kill_for("machine")

    def _kill_for(self, why: str) -> None:
        self._why = self._why or why
        self._kill()

    def _use(self) -> tuple[int, int, int]:
        """Return files and bytes in the scratch folder, and the bytes that are free."""
        disk = os.statvfs(self._scratch)
        free = disk.f_bavail * disk.f_frsize
        if self._owns_pids:
            return disk.f_files - disk.f_ffree, (disk.f_blocks - disk.f_bfree) * disk.f_frsize, free
        return *held(self._scratch, self._limits["files"]), free


def held(folder: Path, most: int) -> tuple[int, int]:
    """Count files and their bytes on disk; a folder that hides what it holds counts as too many."""
    files = size = 0
    todo = [str(folder)]
    while todo and files <= most:
        try:
            with os.scandir(todo.pop()) as entries:
                for entry in itertools.islice(entries, most + 1):
                    about = entry.stat(follow_symlinks=False)
                    files += 1
                    if entry.is_dir(follow_symlinks=False):
                        todo.append(entry.path)
                    else:
                        size += min(about.st_size, about.st_blocks * 512)
        except OSError as error:
            if error.errno not in _GONE:
                files = most + 1
    return files, size


def empty(folder: Path) -> None:
    """Delete what is in a folder, however deep it goes and whatever its modes are.

    What lies in a folder is moved up before the folder is removed, so no path grows long. The
    folder's own mode, times and attributes are reset: they could carry a note to the next one.
    """
    folder.chmod(0o700)
    for name in os.listxattr(folder):
        os.removexattr(folder, name)
    names = (f".{secrets.token_hex(8)}" for _ in itertools.count())
    while entries := _entries(folder):
        for path in map(Path, entries):
            if not _is_folder(path):
                path.unlink()
                continue
            path.chmod(0o700)
            for child in map(Path, _entries(path)):
                if _is_folder(child):
                    child.chmod(0o700)
                child.rename(folder / next(names))
            path.rmdir()
    os.utime(folder, (0, 0))


def _entries(folder: Path) -> list[str]:
    with os.scandir(folder) as entries:
        return [entry.path for entry in entries]


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


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
