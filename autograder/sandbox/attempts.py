"""Attempts to get through the walls. Their source is sent into a sandbox by `autograder doctor`.

Each returns True when it got through. Its docstring says what it tries. Each stands alone, imports
what it uses, and is never called out here, where some of them would do harm.
"""

__all__ = ["ATTEMPTS", "KILLED"]


def no_repository() -> bool:
    """Find the repository, the hidden tests or the grader's own code."""
    import os

    mounted = {"__init__.py", "wire.py", "worker.py", "zygote.py"}
    for path, folders, names in os.walk("/"):
        if "lab.toml" in names or ".git" in folders:
            return True
        if path.endswith("/autograder") and set(names) | set(folders) != mounted:
            return True
    return False


def no_home() -> bool:
    """Read the users of this machine, and anybody's home."""
    import os

    return any(os.path.exists(path) for path in ("/etc/passwd", "/home", "/root/.bashrc"))  # noqa: PTH110


def no_network() -> bool:
    """Open a socket, or find a network interface."""
    import socket

    with open("/proc/net/dev") as file:  # noqa: PTH123
        if any(":" in line and "lo:" not in line for line in file):
            return True
    try:
        socket.socket().close()
    except OSError:
        return False
    return True


def no_writing() -> bool:
    """Write to every folder that can be seen, but its own."""
    import itertools
    import os

    def writes(folder: str) -> bool:
        try:
            with open(f"{folder}/planted", "w"):  # noqa: PTH123
                return True
        except OSError:
            return False

    folders = (path for top in ("/", "/dev", "/usr") for path, *_ in os.walk(top))
    others = (path for path in folders if not path.startswith("/scratch/work"))
    return any(writes(path) for path in itertools.islice(others, 5000))


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
    """Kill the processes that started this one."""
    import os

    for pid in (1, 2, os.getppid()):
        try:
            os.kill(pid, 9)
        except OSError:
            continue
        return True
    return False


def no_peeking() -> bool:
    """Read another process's memory or environment."""
    import os

    for pid in os.listdir("/proc"):  # noqa: PTH208
        if pid.isdigit() and int(pid) != os.getpid():
            for name in ("mem", "environ"):
                try:
                    with open(f"/proc/{pid}/{name}", "rb") as file:  # noqa: PTH123
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
    try:
        with open("big", "wb") as file:  # noqa: PTH123
            for _ in range(128):
                file.write(bytes(2**20))
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
    no_writing,
    no_new_processes,
    no_signals,
    no_peeking,
    no_hidden_memory,
    memory,
    shared_memory,
    many_threads,
    full_disk,
    endless_loop,
    endless_sleep,
)
# Being killed for trying is as good as failing: these are about limits.
KILLED = frozenset({memory, shared_memory, many_threads, endless_loop, endless_sleep})
