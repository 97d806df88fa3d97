import sys
import time
import types

import pytest

from seqcourse.training import cost
from seqcourse.training.cost import Stopwatch, page_cost, peak_gpu_memory, peak_memory


def test_a_stopwatch_stops():
    with Stopwatch() as watch:
        time.sleep(0.01)
    taken = watch.seconds
    assert taken >= 0.01
    time.sleep(0.01)
    assert watch.seconds == taken


def test_a_stopwatch_can_be_read_while_it_runs_and_starts_anew():
    with Stopwatch() as watch:
        first = watch.seconds
        time.sleep(0.01)
        assert watch.seconds >= first + 0.01
    long = watch.seconds
    with watch:
        pass
    assert watch.seconds < long


def test_costs_are_measured_in_mebibytes():
    before = peak_memory()
    block = bytearray(64 * 2**20)
    block[::4096] = b"x" * len(block[::4096])
    assert 20 < peak_memory() < 100_000
    assert peak_memory() >= before
    assert "MiB of memory" in page_cost()


def test_macos_counts_bytes(monkeypatch):
    usage = types.SimpleNamespace(ru_maxrss=3 * 2**20)
    monkeypatch.setattr(cost.resource, "getrusage", lambda who: usage)
    for platform, expected in (("darwin", 3), ("linux", 3 * 2**10)):
        monkeypatch.setattr(sys, "platform", platform)
        assert peak_memory() == expected


@pytest.fixture
def two_gpus(monkeypatch):
    cuda = types.SimpleNamespace(
        is_initialized=lambda: True,
        device_count=lambda: 2,
        max_memory_allocated=lambda gpu: (gpu + 1) * 5 * 2**20,
    )
    monkeypatch.setitem(sys.modules, "torch", types.SimpleNamespace(cuda=cuda))


def test_the_memory_of_gpus_is_summed_up_and_told(two_gpus):
    assert peak_gpu_memory() == 15
    assert page_cost().endswith("CPU cores, and 15 MiB on a GPU.")


def test_without_a_gpu_there_is_nothing_to_tell(monkeypatch):
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    assert peak_gpu_memory() == 0
    assert page_cost().endswith("CPU cores.")
