import random
import time

import numpy as np
import pytest
import torch

from seqcourse.training import Stopwatch, page_cost, peak_memory, seed_everything


def draws() -> tuple[float, ...]:
    own = seed_everything(7)
    return (random.random(), np.random.random(), float(torch.rand(1)), own.random())


def test_a_seed_fixes_every_generator():
    assert draws() == draws()


def test_a_seed_out_of_range_is_refused():
    with pytest.raises(ValueError, match="within 0 … 2\\*\\*32 - 1, but is -1"):
        seed_everything(-1)


def test_a_stopwatch_stops():
    with Stopwatch() as watch:
        time.sleep(0.01)
    taken = watch.seconds
    assert taken >= 0.01
    time.sleep(0.01)
    assert watch.seconds == taken


def test_costs_are_measured_in_mebibytes():
    before = peak_memory()
    block = bytearray(64 * 2**20)
    block[::4096] = b"x" * len(block[::4096])
    assert 20 < peak_memory() < 100_000
    assert peak_memory() >= before
    assert "MiB of memory" in page_cost()
