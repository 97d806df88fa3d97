"""The trusted end of a zygote, whatever walls stand around it: starts it, asks, ends its workers.

`Sandbox`, `Fallback` and `Open` say how it is started and what is around it.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, ClassVar, Self

from autograder.errors import SandboxError
from autograder.leftovers import SweptDirectory
from autograder.limits import Limits
from autograder.sandbox.bwrap import View, stage
from autograder.sandbox.watch import kill_workers, workers
from autograder.wire import Channel

__all__ = ["Ended", "Host", "Worker"]

_START_SECONDS = 120.0
_ANSWER_SECONDS = 20.0
_MAX_MESSAGE = 2**20


@dataclass(frozen=True)
class Worker:
    """A fresh worker: the trusted end of its socket, and its number inside."""

    channel: Channel
    pid: int


@dataclass(frozen=True)
class Ended:
    """How a worker ended.

    Attributes:
        status: its wait status; None when it still ran and was killed for that.
        why: what the zygote killed it for, or nothing.
        gone: why the whole sandbox is gone, or nothing.
    """

    status: int | None = None
    why: str = ""
    gone: str = ""


class Host(ABC):
    """Starts a zygote and ends its workers. A context manager; or call `start` and `close`."""

    walls: ClassVar[tuple[str, ...]]

    def __init__(
        self, view: View, *, preload: tuple[str, ...] = (), label: str = "the sandbox"
    ) -> None:
        self._view, self._preload, self._label = view, preload, label
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._staged: SweptDirectory | None = None
        self._log: IO[bytes] | None = None
        self._worker: Worker | None = None
        self.zygote = 0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
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
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process.pid, signal.SIGKILL)  # Popen.kill does nothing in a fork
            self._process.wait()
        if self._staged is not None:
            self._staged.cleanup()
        if self._log is not None:
            self._log.close()
        self._process = self._socket = self._staged = self._log = None

    def spawn(self, limits: Limits) -> Worker:
        """Fork a worker; one that still runs is ended. SandboxError when no answer comes."""
        self._hang_up()
        ours, theirs = socket.socketpair()
        with theirs:
            message = json.dumps({"op": "spawn", **limits.for_worker()}).encode()
            try:
                socket.send_fds(self._connected(), [message], [theirs.fileno()])
                pid = self._expect("pid", _ANSWER_SECONDS)["pid"]
            except (OSError, SandboxError) as error:
                ours.close()
                raise SandboxError(f"no worker from {self._label}: {error}") from error
        self._worker = Worker(Channel(ours, limits.returned), pid)
        return self._worker

    def end(self, patience: float = 0.0) -> Ended:
        """Kill whatever the worker left and say how it ended.

        A worker that is dying may have `patience` seconds to be dead before it is killed.
        """
        still_ran = self._still_runs(patience)
        self.kill_workers()
        self._hang_up()
        try:
            self._connected().send(b'{"op": "end"}')
            said = self._expect("status", _ANSWER_SECONDS)
        except (OSError, SandboxError) as error:
            raise SandboxError(f"{self._label} is gone: {error}") from error
        return Ended(None if still_ran else said["status"], said["why"])

    def _still_runs(self, patience: float) -> bool:
        until = time.monotonic() + patience
        while running := bool(workers(self.zygote)):
            if time.monotonic() >= until:
                break
            time.sleep(0.005)
        return running

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
        self._staged = SweptDirectory("autograder-sandbox-")
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  # closed with the sandbox
        stage(Path(self._staged.name), self._view.forbidden)
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._popen(Path(self._staged.name), theirs)
        common = {
            "preload": list(self._preload),
            "forbidden": list(self._view.forbidden),
            "outer_pids": str(Path("/proc/self/ns/pid").readlink()),
        }
        self._socket.send(json.dumps({**common, **self._settings()}).encode())

    @abstractmethod
    def _popen(self, staged: Path, theirs: socket.socket) -> None:
        """Start the zygote with one end of its socket, and set `self.zygote` to its pid."""

    @abstractmethod
    def _settings(self) -> dict[str, Any]:
        """Return what differs from one kind to another of the zygote's settings."""

    def _run(
        self, command: list[str], handles: tuple[int, ...], environment: dict[str, str]
    ) -> int:
        """Start a program and return its pid."""
        quiet: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
        quiet["start_new_session"] = True  # Ctrl-C at the instructor's terminal is not for it
        self._process = subprocess.Popen(
            command, pass_fds=handles, stderr=self._log, env=environment, **quiet
        )
        return self._process.pid

    def _connected(self) -> socket.socket:
        if self._socket is None:
            raise SandboxError(f"{self._label} is not running")
        return self._socket

    def _expect(self, key: str, seconds: float) -> dict[str, Any]:
        """Wait for one message of the zygote that has this key."""
        sock = self._connected()
        sock.settimeout(seconds)
        try:
            data = sock.recv(_MAX_MESSAGE)
        except TimeoutError as error:
            raise SandboxError(f"no answer within {seconds:g} s") from error
        if not data:
            raise SandboxError("it ended at once")
        message: dict[str, Any] = json.loads(data)
        if key not in message:
            raise SandboxError(str(message.get("error", "an answer that makes no sense")))
        return message

    def _tail(self) -> str:
        if self._log is None:
            return ""
        self._log.seek(0)
        text = self._log.read()[-2000:].decode("utf-8", "replace").strip()
        return f"\n{text}" if text else ""
