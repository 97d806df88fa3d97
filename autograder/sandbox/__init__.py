"""Where student code runs: a process behind two walls, started once and forked per submission.

THEORY OF OPERATION

Processes. The trusted process starts bubblewrap, which makes new user, pid, network, mount, ipc,
uts and cgroup namespaces and runs the *zygote* in them (`autograder/zygote.py`). The zygote imports
torch and numpy once, which takes seconds. For each submission the trusted process asks it to fork.
The fork confines itself further, becomes a *worker* (`autograder/worker.py`), runs the notebook's
cells and answers calls. One submission at a time per zygote: when it ends, the zygote kills every
other process in its pid namespace, reaps them, and empties the scratch folder.

Privileges. Nobody inside holds a capability, and none can make a user namespace to get one. The
zygote runs only our code, reads nothing that a student wrote, and knows no secret. The worker is
the student's from the first cell on: whatever it says is data.

Sockets. The zygote inherits one Unix socket, made by the trusted process, and answers on it in
JSON. For each submission the trusted process makes a pair of sockets and sends one end along with
the request; the worker keeps only that one. So no student's code, arguments or values pass through
the zygote. No socket has a name, and the worker can make none.

What is inside. The interpreter and the installed packages, shared libraries, `seqcourse` without
the modules that the lab forbids, four files of `autograder`, the lab's declared data: all
read-only. One tmpfs of limited size to write to. No shell, no home, no repository, no network.

Limits, and what happens when they are hit:

    memory      RLIMIT_DATA and RLIMIT_AS raise MemoryError; the watchdog kills on what is resident
    time        the trusted side waits so long and no longer, then has the worker killed
    processes   fork, exec and sockets fail with EPERM; too many threads: the watchdog kills
    files       256 open; the tmpfs is full at `scratch_mb`; the zygote kills at 10 000 files
    cpu         RLIMIT_CPU kills, should the trusted side be gone

Closed by default. If a wall can't be built, `start` raises `SandboxError` and nothing is run.
That is the machine's fault and never the student's. `Open` runs the same processes without walls,
for an instructor's own solution; its `walls` are empty, so that reports show it.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from autograder.errors import SandboxError
from autograder.sandbox import seccomp
from autograder.sandbox.bwrap import DATA, SCRATCH, View, arguments, find_bwrap, interpreter, stage
from autograder.sandbox.watch import kill_workers
from autograder.suite import Suite
from autograder.wire import Channel

__all__ = ["Open", "Sandbox", "Worker", "for_suite"]

_START_SECONDS = 120.0
_ANSWER_SECONDS = 20.0
_MAX_MESSAGE = 2**20
_MAX_FILES = 10_000


@dataclass(frozen=True)
class Worker:
    """A fresh worker: the trusted end of its socket, and its number inside."""

    channel: Channel
    pid: int


class Sandbox:
    """A zygote behind walls. Use as a context manager, or call `start` and `close`."""

    walls: tuple[str, ...] = ("bubblewrap", "seccomp", "landlock", "rlimits", "watchdog")

    def __init__(
        self, view: View, *, preload: tuple[str, ...] = (), label: str = "the sandbox"
    ) -> None:
        self._view, self._preload, self._label = view, preload, label
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._staged: tempfile.TemporaryDirectory[str] | None = None
        self._log: IO[bytes] | None = None
        self._worker: Worker | None = None
        self.zygote = 0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # --- life ---

    def start(self) -> None:
        """Build the walls and wait until the zygote is ready. SandboxError when it isn't."""
        self.launch()
        self.wait_until_ready()

    def launch(self) -> None:
        """Build the walls and let the zygote begin its imports."""
        with self._blaming():
            self._launch()

    def wait_until_ready(self) -> None:
        """Wait until the zygote can be asked for a worker."""
        with self._blaming():
            self._expect("ready", _START_SECONDS)

    @contextlib.contextmanager
    def _blaming(self) -> Iterator[None]:
        """Turn what goes wrong into a SandboxError with the sandbox's own last words."""
        try:
            yield
        except (OSError, ValueError, SandboxError) as error:
            log = self._tail()
            self.close()
            raise SandboxError(f"{self._label} did not start: {error}{log}") from error

    @property
    def alive(self) -> bool:
        """Whether the zygote can be asked for a worker."""
        return self._process is not None and self._process.poll() is None

    def close(self) -> None:
        """Kill everything inside and tidy up. Safe to call twice."""
        self._hang_up()
        if self._socket is not None:
            self._socket.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        if self._staged is not None:
            self._staged.cleanup()
        if self._log is not None:
            self._log.close()
        self._process = self._socket = self._staged = self._log = None

    def spawn(self, limits: dict[str, Any]) -> Worker:
        """Fork a worker; one that still runs is ended. SandboxError when no answer comes."""
        self._hang_up()
        ours, theirs = socket.socketpair()
        with theirs:
            message = json.dumps({"op": "spawn", **limits}).encode()
            try:
                socket.send_fds(self._connected(), [message], [theirs.fileno()])
                pid = self._expect("pid", _ANSWER_SECONDS)
            except (OSError, SandboxError) as error:
                ours.close()
                raise SandboxError(f"no worker from {self._label}: {error}") from error
        self._worker = Worker(Channel(ours, limits["max_bytes"]), pid)
        return self._worker

    def end(self) -> int | None:
        """Kill whatever the worker left. Returns its wait status, or None when it still ran."""
        self.kill_workers()
        self._hang_up()
        try:
            self._connected().send(b'{"op": "end"}')
            status = self._expect("status", _ANSWER_SECONDS)
        except OSError as error:
            raise SandboxError(f"{self._label} is gone: {error}") from error
        return None if status is None else int(status)

    def _hang_up(self) -> None:
        if self._worker is not None:
            self._worker.channel.close()
        self._worker = None

    def renew(self) -> None:
        """Throw everything inside away and start again."""
        self.close()
        self.start()

    def kill_workers(self) -> None:
        """Kill the student's processes from outside."""
        kill_workers(self.zygote)

    # --- parts ---

    def _launch(self) -> None:
        self._staged = tempfile.TemporaryDirectory(prefix="lab-")
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  # closed with the sandbox
        stage(Path(self._staged.name), self._view.forbidden)
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._popen(Path(self._staged.name), theirs)
        self._socket.send(json.dumps(self._settings()).encode())

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

    def _run(
        self, command: list[str], handles: tuple[int, ...], environment: dict[str, str]
    ) -> None:
        quiet: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
        self._process = subprocess.Popen(  # noqa: S603  # our own command line
            command, pass_fds=handles, stderr=self._log, env=environment, **quiet
        )

    def _settings(self) -> dict[str, Any]:
        return {
            "scratch": SCRATCH,
            "preload": list(self._preload),
            "forbidden": list(self._view.forbidden),
            "data": [f"{DATA}/{file.name}" for file in self._view.data],
            "seccomp": b64encode(seccomp.worker_filter()).decode(),
            "landlock": True,
            "outer_pids": str(Path("/proc/self/ns/pid").readlink()),
            "max_files": _MAX_FILES,
        }

    def _connected(self) -> socket.socket:
        if self._socket is None:
            raise SandboxError(f"{self._label} is not running")
        return self._socket

    def _expect(self, key: str, seconds: float) -> Any:
        """Wait for one message of the zygote."""
        sock = self._connected()
        sock.settimeout(seconds)
        try:
            data = sock.recv(_MAX_MESSAGE)
        except TimeoutError as error:
            raise SandboxError(f"no answer within {seconds:g} s") from error
        if not data:
            raise SandboxError("it ended at once")
        message = json.loads(data)
        if key not in message:
            raise SandboxError(str(message.get("error", "an answer that makes no sense")))
        return message[key]

    def _tail(self) -> str:
        if self._log is None:
            return ""
        self._log.seek(0)
        text = self._log.read()[-2000:].decode("utf-8", "replace").strip()
        return f"\n{text}" if text else ""


class Open(Sandbox):
    """The same processes without any wall. For an instructor's own solution, never a student's."""

    walls = ()

    def _popen(self, staged: Path, theirs: socket.socket) -> None:
        Path(staged, "scratch").mkdir()
        command = [sys.executable, "-m", "autograder.zygote", str(theirs.fileno())]
        environment = {**os.environ, "PYTHONHASHSEED": "0", "MPLBACKEND": "agg"}
        self._run(command, (theirs.fileno(),), environment)
        self.zygote = self._process.pid if self._process is not None else 0

    def _settings(self) -> dict[str, Any]:
        scratch = str(Path(self._staged.name if self._staged else ".", "scratch"))
        data = [str(file) for file in self._view.data]
        return {
            **super()._settings(),
            "scratch": scratch,
            "data": data,
            "seccomp": "",
            "landlock": False,
        }


def for_suite(suite: Suite, *, walls: bool = True) -> Sandbox:
    """Return a sandbox, not yet started, that shows what a lab's submissions may see."""
    data = tuple(suite.notebook.parent / name for name in suite.data)
    if missing := [file.name for file in data if not file.is_file()]:
        raise SandboxError(f"{suite.lab}: lab.toml names data that is not there: {missing}")
    view = View(suite.forbidden, data, suite.limits.scratch_mb * 2**20)
    kind = Sandbox if walls else Open
    return kind(view, preload=suite.preload, label=f"the sandbox of {suite.lab}")


def ended_how(status: int | None) -> str:
    """Say in words how a worker ended, from its wait status."""
    if status is None:
        return "it stopped answering"
    if os.WIFSIGNALED(status):
        with contextlib.suppress(ValueError):
            return f"it was ended by {signal.Signals(os.WTERMSIG(status)).name}"
    return f"it ended by itself with exit code {os.waitstatus_to_exitcode(status)}"


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
    until = time.monotonic() + _ANSWER_SECONDS
    while time.monotonic() < until:
        children = Path(f"/proc/{pid}/task/{pid}/children")
        with contextlib.suppress(OSError):
            if found := children.read_text().split():
                return int(found[0])
        time.sleep(0.005)
    raise SandboxError("bubblewrap did not start the zygote")
