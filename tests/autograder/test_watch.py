import contextlib
import os
import subprocess
import sys
import time

import pytest

from autograder.errors import WorkerOutOfMemory, WorkerTimedOut, WorkerTooManyThreads
from autograder.sandbox import watch
from autograder.sandbox.watch import Meter, Process, Usage, Watchdog, usage


@pytest.fixture
def parent():
    """A stand-in for a zygote, with one child that computes."""
    code = (
        "import os, time\n"
        "pid = os.fork()\n"
        "if pid == 0:\n"
        "    block = bytearray(200_000_000)\n"
        "    while True: pass\n"
        "print(pid, flush=True)\n"
        "time.sleep(100)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        child = int(process.stdout.readline())
        yield process.pid, child
        process.kill()
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, 9)


def wait_until(condition):
    until = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_memory_and_cpu_of_children_are_seen_from_outside(parent):
    zygote, child = parent
    assert [each.pid for each in watch.workers(zygote)] == [child]
    wait_until(lambda: watch.usage(zygote).memory > 190_000_000 and watch.usage(zygote).cpu > 0.1)
    assert watch.usage(zygote).tasks == 1
    assert watch.usage(zygote).memory < 300_000_000


def test_children_are_killed_and_nobody_else(parent):
    zygote, child = parent
    watch.kill_workers(zygote)
    wait_until(lambda: not watch.workers(zygote))
    assert Process.read(zygote).state == "S"
    assert Process.read(child).state == "Z"


def test_the_memory_of_a_process_whose_first_thread_has_ended_is_seen():
    code = (
        "import ctypes, os, threading, time\n"
        "block = bytearray(200_000_000)\n"
        "threading.Thread(target=time.sleep, args=(100,)).start()\n"
        "number = {'x86_64': 60, 'aarch64': 93}[os.uname().machine]\n"
        "ctypes.CDLL(None).syscall(number, 0)"
    )
    with subprocess.Popen([sys.executable, "-c", code]) as process:
        wait_until(lambda: Process.read(process.pid).state == "Z")
        seen = Process.read(process.pid)
        process.kill()
    assert seen.threads == 2
    assert 190_000_000 < seen.resident < 300_000_000


def test_a_process_that_is_gone_uses_nothing():
    assert watch.usage(2**22 - 1) == Usage()
    assert Process.read(2**22 - 1) is None


def loss_of(watchdog):
    watchdog.start()
    wait_until(lambda: watchdog.loss)
    watchdog.stop()
    return watchdog.loss


def test_too_much_memory_or_too_many_threads():
    over = Watchdog(0, 2**20, 10, lambda _: Usage(memory=2**20 + 1))
    loss = loss_of(over)
    assert isinstance(loss, WorkerOutOfMemory)
    assert loss.reason == "your code used more than 1 MB of memory"
    loss = loss_of(Watchdog(0, 2**20, 10, lambda _: Usage(tasks=11)))
    assert isinstance(loss, WorkerTooManyThreads)
    assert loss.reason == "your code started more than 10 threads"


def test_a_sleeper_pays_with_the_time_on_the_wall():
    watchdog = Watchdog(0, 1, 1, lambda _: Usage())
    watchdog.meters = (Meter("too slow", 0.3),)
    started = time.monotonic()
    loss = loss_of(watchdog)
    assert isinstance(loss, WorkerTimedOut)
    assert loss.reason == "too slow"
    assert time.monotonic() - started > 0.25


@pytest.mark.parametrize(
    ("states", "share"), [({"S"}, 1), ({"Z"}, 1), ({"S", "R"}, 0), ({"R", "D"}, 0.25)]
)
def test_what_processes_wait_for_decides_what_they_pay(monkeypatch, states, share):
    found = [Process(n, 1, state, 0.0, 1, 0, 0) for n, state in enumerate(sorted(states))]
    monkeypatch.setattr(watch, "workers", lambda _: found)
    assert usage(os.getpid()).share == share


def test_who_waits_for_a_disk_pays_a_part():
    watchdog = Watchdog(0, 1, 1, lambda _: Usage(share=0.25))
    watchdog.meters = (Meter("too slow", 0.1),)
    started = time.monotonic()
    assert isinstance(loss_of(watchdog), WorkerTimedOut)
    assert time.monotonic() - started > 0.35


def test_who_would_run_but_may_not_pays_with_cpu_time_only():
    cpu = iter([n * 0.001 for n in range(10_000)])  # a fiftieth of the machine
    watchdog = Watchdog(0, 1, 1, lambda _: Usage(cpu=next(cpu), share=0.0))
    meter = Meter("too slow", 0.5)
    watchdog.meters = (meter,)
    watchdog.start()
    time.sleep(1)
    watchdog.stop()
    assert watchdog.loss is None
    assert not meter.used_up


def test_nothing_is_charged_while_no_meter_runs():
    watchdog = Watchdog(0, 1, 1, lambda _: Usage(cpu=1000 * time.monotonic()))
    watchdog.start()
    time.sleep(0.3)
    watchdog.stop()
    assert watchdog.loss is None
