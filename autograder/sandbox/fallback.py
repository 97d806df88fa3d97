"""The weaker sandbox, for machines that forbid namespaces: Landlock and seccomp, and no new world.

The zygote is an ordinary process of this user, with a clean environment, in a folder of its own
that holds all it needs. The worker gives up root's capabilities, may open only what is listed here,
and may make no call that reaches other processes or files by another way (`calls.py`). It can start
no process, so when it is killed nothing is left of it but its folder.

`GAPS` says what stays possible. Nothing here is used where bubblewrap works.
"""

import os
import shutil
import socket
from base64 import b64encode
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from autograder.errors import SandboxError
from autograder.sandbox import seccomp
from autograder.sandbox.bwrap import (
    ENVIRONMENT,
    LIBRARIES,
    MOUNTED,
    PACKAGE,
    ROOT,
    interpreter,
    python_paths,
    site_packages,
)
from autograder.sandbox.host import Host

__all__ = ["GAPS", "Fallback", "mirror"]

GAPS = (
    "student code can ask whether a file exists, how large it is and where a link leads,"
    " though it can open none",
    "it can see the machine's name and load, and which process numbers are in use",
    "its disk limit is looked at five times a second, and files that are deleted but still open"
    " are only bounded by the limits of one file and of open files",
    "a hole in the kernel's Landlock would open this user's files, where bubblewrap shows none",
)
_PROC = ["/proc/cpuinfo", "/proc/meminfo", "/proc/self/maps", "/proc/self/stat"]
_PROC += ["/proc/self/statm", "/proc/self/status"]
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")


class Fallback(Host):
    """A zygote whose workers confine themselves with Landlock and seccomp alone."""

    walls = ("seccomp", "landlock", "rlimits", "watchdog")

    def _popen(self, staged: Path, theirs: socket.socket) -> None:
        _require_landlock()
        self._home = staged
        self._readable = [str(staged), *_system(), *_python(), *self._furnish(staged)]
        command = [*interpreter(), "-m", "autograder.zygote", str(theirs.fileno())]
        self.zygote = self._run(command, (theirs.fileno(),), self._environment())

    def _furnish(self, staged: Path) -> list[str]:
        """Copy and link all that the zygote needs. Returns what the links lead to."""
        (staged / "scratch").mkdir()
        (staged / "autograder").mkdir()
        (staged / "data").mkdir()
        for name in MOUNTED:
            shutil.copy(PACKAGE / name, staged / "autograder")
        for file in self._view.data:
            shutil.copy(file, staged / "data")
        real = []
        for number, site in enumerate(site_packages()):
            real += mirror(Path(site), staged / f"packages{number}", self._view.forbidden)
        return real

    def _environment(self) -> dict[str, str]:
        work, count = str(self._home / "scratch" / "work"), len(site_packages())
        path = [str(self._home), *(str(self._home / f"packages{n}") for n in range(count))]
        own = {"HOME": work, "TMPDIR": work, "MPLCONFIGDIR": f"{work}/.matplotlib"}
        return {**ENVIRONMENT, **own, "PYTHONPATH": os.pathsep.join(path)}

    def _settings(self) -> dict[str, Any]:
        return {
            "scratch": str(self._home / "scratch"),
            "data": [str(self._home / "data" / file.name) for file in self._view.data],
            "readable": self._readable,
            "seccomp": b64encode(seccomp.alone_filter()).decode(),
        }


def mirror(real: Path, target: Path, forbidden: Iterable[str]) -> list[str]:
    """Fill a folder with links to what is in another, but for some modules and their bytecode.

    Landlock can open a folder but not close a part of it again, so a package with a forbidden
    module inside becomes a folder of links itself. Returns where the links lead.
    """
    names = [name.split(".", 1) for name in forbidden]
    here = {name for name, *rest in names if not rest}
    target.mkdir()
    linked = []
    for entry in sorted(real.iterdir()):
        module = entry.name.partition(".")[0]
        inside = [rest[0] for name, *rest in names if rest and name == module]
        if entry.name == "__pycache__":
            inside = sorted(here)
        if module in here:
            continue
        if inside and entry.is_dir():
            linked += mirror(entry, target / entry.name, inside)
        else:
            (target / entry.name).symlink_to(entry)
            linked.append(str(entry))
    return linked


def _require_landlock() -> None:
    try:
        import sandlock

        found, needed = sandlock.landlock_abi_version(), sandlock.min_landlock_abi()
    except (ImportError, OSError) as error:
        raise SandboxError(f"no Landlock: {error}; install the package sandlock") from error
    if found < needed:
        raise SandboxError(
            f"this kernel's Landlock has version {found}, and {needed} is needed: Linux 6.12"
        )


def _system() -> Iterator[str]:
    """Shared libraries, and the few files of /proc and /dev that ordinary code reads."""
    yield from filter(os.path.exists, (*LIBRARIES, "/etc/ld.so.cache", *_DEVICES, *_PROC))


def _python() -> list[str]:
    """The interpreter and its standard library; the installed packages are linked one by one."""
    sites, paths = site_packages(), python_paths()
    for path in paths:
        if any(Path(site).is_relative_to(path) for site in sites) or ROOT.is_relative_to(path):
            raise SandboxError(
                f"{path} holds the installed packages too: use a virtual environment"
            )
    return paths
