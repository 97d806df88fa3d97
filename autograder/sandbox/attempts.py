"""Attempts to get through the walls. Their source is sent into a sandbox by `autograder doctor`.

Each returns True when it got through. Its docstring says what it tries. Each stands alone, imports
what it uses, and is never called out here, where some of them would do harm.
"""

__all__ = ["ATTEMPTS", "KILLED"]

# The doctor sends the true ones along: what there is to find.
ROOT = HOME = "/nowhere"


def no_repository() -> bool:
    """Find the repository, the hidden tests or the grader's own code."""
    import os

    mounted = {"confine.py", "forbid.py", "values.py", "wire.py", "worker.py", "zygote.py"}
    mounted |= {"__init__.py", "cells.py", "magics.py", "output.py"}
    for folder in (ROOT, ROOT + "/autograder/hidden", ROOT + "/solutions"):
        try:
            seen = set(os.listdir(folder))
        except OSError:
            continue
        if seen - {".venv"}:  # the interpreter's own, which has to be there
            return True
    try:
        open(ROOT + "/autograder/suite.py").close()
    except OSError:
        pass
    else:
        return True
    for path, folders, names in os.walk("/"):
        if "lab.toml" in names or ".git" in folders:
            return True
        if path.endswith("/autograder") and set(names) | set(folders) != mounted:
            return True
    return False


def no_home() -> bool:
    """Read the users of this machine, and anybody's home."""
    import os
    import sys

    for path in ("/etc/passwd", "/etc/shadow", HOME + "/.bashrc"):
        try:
            os.close(os.open(path, os.O_RDONLY))
        except OSError:
            continue
        return True
    # A folder may hold the way to the installed packages, and nothing else.
    shown = [f"{path}/" for path in (*sys.path, sys.executable)]
    for folder in ("/home", "/root", "/tmp", HOME, HOME + "/.cache"):
        try:
            names = os.listdir(folder)
        except OSError:
            continue
        if any(not any(p.startswith(f"{folder}/{name}/") for p in shown) for name in names):
            return True
    return False


def no_network() -> bool:
    """Open a socket, or find a network interface."""
    import socket

    try:
        with open("/proc/net/dev") as file:
            if any(":" in line and "lo:" not in line for line in file):
                return True
    except OSError:
        pass
    try:
        socket.socket().close()
    except OSError:
        return False
    return True


def no_messages() -> bool:
    """Send a message to a socket that has a name, without making a socket by name."""
    import socket

    try:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    except OSError:
        return False
    ours.close()
    theirs.close()
    return True


def no_writing() -> bool:
    """Write to every folder that can be seen, but its own."""
    import itertools
    import os

    def writes(folder: str) -> bool:
        try:
            with open(f"{folder}/planted", "w"):
                return True
        except OSError:
            return False

    own = os.getcwd()
    known = ["/", "/tmp", "/var/tmp", "/dev/shm", ROOT, HOME, os.path.dirname(own)]
    seen = (path for top in ("/", "/dev", "/usr") for path, *_ in os.walk(top))
    others = (path for path in itertools.chain(known, seen) if not path.startswith(own))
    return any(writes(path) for path in itertools.islice(others, 5000))


def no_changing() -> bool:
    """Change the mode or the times of a file that it can only read."""
    import os

    path = os.__file__
    before = os.stat(path)
    try:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
        os.chmod(path, before.st_mode ^ 1)
    except OSError:
        return False
    after = os.stat(path)
    changed = (after.st_mode, after.st_mtime_ns) != (before.st_mode, before.st_mtime_ns)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    os.chmod(path, before.st_mode)
    return changed


def no_meddling() -> bool:
    """Change the priority or the limits of other processes."""
    import os
    import resource

    for pid in (1, os.getppid()):
        try:
            most = resource.prlimit(pid, resource.RLIMIT_CORE)
            resource.prlimit(pid, resource.RLIMIT_CORE, most)
        except (OSError, ValueError):
            continue
        return True
    try:
        os.setpriority(os.PRIO_PROCESS, os.getppid(), os.getpriority(os.PRIO_PROCESS, 0))
    except OSError:
        return False
    return True


def no_new_processes() -> bool:
    """Fork, or start a program."""
    import os
    import sys

    try:
        if os.fork() == 0:
            os._exit(0)
    except OSError:
        pass
    else:
        return True
    try:
        os.posix_spawn(sys.executable, ["python", "-c", ""], {})
    except OSError:
        return False
    return True


def no_signals() -> bool:
    """Send a signal to the processes that started this one."""
    import os

    for pid in (1, 2, os.getppid()):
        try:
            os.kill(pid, 0)
        except OSError:
            continue
        return True
    return False


def no_peeking() -> bool:
    """Read another process's memory or environment."""
    import os

    try:
        seen = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        seen = []
    for pid in {1, 2, os.getppid(), *seen}:
        if pid != os.getpid():
            for name in ("mem", "environ"):
                try:
                    with open(f"/proc/{pid}/{name}", "rb") as file:
                        file.read(1)
                except OSError:
                    continue
                return True
    return False


def no_hidden_memory() -> bool:
    """Get memory that no limit counts."""
    import os

    try:
        os.close(os.memfd_create("hidden"))
    except OSError:
        return False
    return True


def memory() -> bool:
    """Use four times the memory that is allowed."""
    blocks = []
    try:
        blocks += [bytearray(2**20) for _ in range(1024)]
    except MemoryError:
        blocks.clear()
        return False
    return True


def shared_memory() -> bool:
    """Use four times the memory that is allowed, as shared pages."""
    import mmap

    try:
        pages = mmap.mmap(-1, 2**30)
        for at in range(0, 2**30, 2**20):
            pages[at : at + 2**20] = bytes(2**20)
    except OSError:
        return False
    return True


def many_threads() -> bool:
    """Start a thousand threads."""
    import threading
    import time

    try:
        for _ in range(1000):
            threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
    except RuntimeError:
        return False
    time.sleep(1)
    return True


def full_disk() -> bool:
    """Write more than its folder may hold."""
    import time

    try:
        for number in range(16):
            with open(f"big{number}", "wb") as file:
                file.write(bytes(8 * 2**20))
    except OSError:
        return False
    time.sleep(2)
    return True


def many_open_files() -> bool:
    """Open a thousand files at once."""
    import os

    try:
        for _ in range(1000):
            os.open(os.devnull, os.O_RDONLY)
    except OSError:
        return False
    return True


def endless_loop() -> bool:
    """Compute for ever."""
    while True:
        pass


def endless_sleep() -> bool:
    """Sleep for ever."""
    import time

    time.sleep(3600)
    return True


ATTEMPTS = (
    no_repository,
    no_home,
    no_network,
    no_messages,
    no_writing,
    no_changing,
    no_meddling,
    no_new_processes,
    no_signals,
    no_peeking,
    no_hidden_memory,
    memory,
    shared_memory,
    many_threads,
    full_disk,
    many_open_files,
    endless_loop,
    endless_sleep,
)
# Being killed for trying is as good as failing: these are about limits.
KILLED = frozenset({memory, shared_memory, many_threads, full_disk, endless_loop, endless_sleep})
