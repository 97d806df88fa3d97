"""Where student code runs: a process behind two walls, started once and forked per submission.

THEORY OF OPERATION

Processes. The trusted process starts bubblewrap, which makes new user, pid, network, mount, ipc,
uts and cgroup namespaces and runs the *zygote* in them (`autograder/zygote.py`). The zygote imports
torch and numpy once, which takes seconds. For each submission the trusted process asks it to fork.
The fork confines itself further (`autograder/confine.py`), becomes a *worker*
(`autograder/worker.py`), runs the notebook's cells and answers calls. One submission at a time per
zygote: when it ends, the zygote kills every other process in its pid namespace, reaps them, and
empties the scratch folder.

Privileges. Nobody inside holds a capability, and none can make a user namespace to get one. The
zygote runs only our code, reads nothing that a student wrote, and knows no secret. The worker is
the student's from the first cell on: whatever it says is data.

Sockets. The zygote inherits one Unix socket, made by the trusted process, and answers on it in
JSON. For each submission the trusted process makes a pair of sockets and sends one end along with
the request; the worker keeps only that one. So no student's code, arguments or values pass through
the zygote. No socket has a name, and the worker can make none.

What is inside. The interpreter and the installed packages, shared libraries, `seqcourse` without
the modules that the lab forbids, a few files of `autograder`, the lab's declared data: all
read-only. One tmpfs of limited size to write to. No shell, no home, no repository, no network.

Limits (`autograder/limits.py`), and what happens when they are hit:

    memory      RLIMIT_DATA and RLIMIT_AS raise MemoryError; the watchdog kills on what is resident
    time        the watchdog charges it and kills; the trusted side waits so long and no longer
    processes   fork, exec and sockets fail with EPERM; too many threads: the watchdog kills
    open files  RLIMIT_NOFILE raises OSError
    disk        the tmpfs is full; the zygote kills on too many files
    output      counted in the worker, raises there; returned values: refused by both ends
    cpu         RLIMIT_CPU kills, should the trusted side be gone

A worker that nobody here killed and that did not end itself was killed by the machine: student
code can't send SIGKILL. That is the machine's fault, and the submission is graded once more.

Closed by default. If a wall can't be built, `start` raises `SandboxError` and nothing is run.
That is the machine's fault and never the student's. Where this machine has no namespaces for us,
and only there, `for_suite` takes the weaker `Fallback` (`fallback.py`). `Open` runs the same
processes without walls, for an instructor's own solution. Reports name the walls there were.
"""

import contextlib
import json
import os
import socket
import sys
import tempfile
import time
from base64 import b64encode
from pathlib import Path
from typing import Any, Literal

from autograder.errors import SandboxError
from autograder.sandbox import seccomp
from autograder.sandbox.bwrap import (
    DATA,
    SCRATCH,
    View,
    arguments,
    find_bwrap,
    interpreter,
    why_unusable,
)
from autograder.sandbox.fallback import Fallback
from autograder.sandbox.host import Ended, Host, Worker
from autograder.suite import Suite

__all__ = ["Ended", "Fallback", "Host", "Open", "Sandbox", "Walls", "Worker", "for_suite", "kind"]

_FIRST_CHILD_SECONDS = 20.0
Walls = Literal["auto", "full", "fallback", "none"]


class Sandbox(Host):
    """A zygote behind all walls."""

    walls = ("bubblewrap", "seccomp", "landlock", "rlimits", "watchdog")

    def _popen(self, staged: Path, theirs: socket.socket) -> None:
        """Start bubblewrap; options go through a pipe, so that /proc/1/cmdline tells nothing."""
        filters = _pipe(seccomp.outer_filter())
        info_read, info_write = os.pipe()
        options = arguments(self._view, staged, filters, info_write)
        args = _pipe(b"".join(option.encode() + b"\0" for option in options))
        command = [find_bwrap(), "--args", str(args), "--", *interpreter()]
        command += ["-m", "autograder.zygote", str(theirs.fileno())]
        handles = (filters, info_write, args, theirs.fileno())
        try:
            self._run(command, handles, {})
        finally:
            for handle in (filters, info_write, args):
                os.close(handle)
        self.zygote = _zygote_pid(info_read)

    def _settings(self) -> dict[str, Any]:
        return {
            "scratch": SCRATCH,
            "data": [f"{DATA}/{file.name}" for file in self._view.data],
            "readable": ["/"],
            "seccomp": b64encode(seccomp.worker_filter()).decode(),
        }


class Open(Host):
    """The same processes without any wall. For an instructor's own solution, never a student's."""

    walls = ()

    def _popen(self, staged: Path, theirs: socket.socket) -> None:
        self._scratch = Path(staged, "scratch")
        self._scratch.mkdir()
        command = [sys.executable, "-m", "autograder.zygote", str(theirs.fileno())]
        environment = {**os.environ, "PYTHONHASHSEED": "0", "MPLBACKEND": "agg"}
        self.zygote = self._run(command, (theirs.fileno(),), environment)

    def _settings(self) -> dict[str, Any]:
        data = [str(file) for file in self._view.data]
        return {"scratch": str(self._scratch), "data": data, "readable": [], "seccomp": ""}


_KINDS: dict[str, type[Host]] = {"full": Sandbox, "fallback": Fallback, "none": Open}


def kind(walls: Walls = "auto") -> type[Host]:
    """Return the class for `walls`. `auto` is all walls, or what this machine can have of them."""
    if walls == "auto":
        return Fallback if why_unusable() else Sandbox
    return _KINDS[walls]


def for_suite(suite: Suite, *, walls: Walls = "auto") -> Host:
    """Return a sandbox, not yet started, that shows what a lab's submissions may see."""
    data = tuple(suite.notebook.parent / name for name in suite.data)
    if missing := [file.name for file in data if not file.is_file()]:
        raise SandboxError(f"{suite.lab}: lab.toml names data that is not there: {missing}")
    view = View(suite.forbidden, data, suite.limits.scratch_mb * 2**20)
    return kind(walls)(view, preload=suite.preload, label=f"the sandbox of {suite.lab}")


def _pipe(data: bytes) -> int:
    """Return a readable file descriptor that holds some bytes."""
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.flush()
        os.lseek(file.fileno(), 0, os.SEEK_SET)
        return os.dup(file.fileno())


def _zygote_pid(handle: int) -> int:
    """Read from bubblewrap the pid, as seen from here, of the first process inside."""
    with os.fdopen(handle) as file:
        said = file.read()
    if not said:
        raise SandboxError("bubblewrap could not build its wall")
    return _first_child(int(json.loads(said)["child-pid"]))


def _first_child(pid: int) -> int:
    """Wait for bubblewrap's pid 1 to start the zygote."""
    until = time.monotonic() + _FIRST_CHILD_SECONDS
    while time.monotonic() < until:
        children = Path(f"/proc/{pid}/task/{pid}/children")
        with contextlib.suppress(OSError):
            if found := children.read_text().split():
                return int(found[0])
        time.sleep(0.005)
    raise SandboxError("bubblewrap did not start the zygote")
