import os
import random

import numpy as np
import pytest
import torch

from seqcourse.training.seeds import random_states, restore_random_states, seed_everything


def draws() -> tuple[float, ...]:
    return (random.random(), random.gauss(), np.random.random(), float(torch.rand(1)))


def test_a_seed_fixes_every_generator():
    own = seed_everything(7).random()
    first = draws()
    assert seed_everything(7).random() == own
    assert draws() == first
    assert seed_everything(11).random() != own
    assert draws() != first


def test_a_seed_out_of_range_is_refused():
    for seed in (-1, 2**32):
        with pytest.raises(ValueError, match=rf"within 0 … 2\*\*32 - 1, but is {seed}"):
            seed_everything(seed)


def test_deterministic_algorithms_can_be_demanded(monkeypatch):
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", True)
    seed_everything(3, deterministic=True)
    try:
        assert torch.are_deterministic_algorithms_enabled()
        assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
        assert not torch.backends.cudnn.benchmark
    finally:
        torch.use_deterministic_algorithms(False)


def test_generators_go_on_where_they_were():
    seed_everything(5)
    random.gauss()  # draws two, and keeps one for the next call
    states = random_states()
    expected = [draws() for _ in range(3)]
    restore_random_states(states)
    assert [draws() for _ in range(3)] == expected


def test_states_are_plain_values_that_a_checkpoint_can_hold(tmp_path):
    torch.save(random_states(), tmp_path / "states")
    states = torch.load(tmp_path / "states", weights_only=True)
    expected = draws()
    restore_random_states(states)
    assert draws() == expected


def test_the_states_of_gpus_are_restored_if_they_are_as_many(monkeypatch):
    restored = []
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_rng_state_all", lambda: ["a", "b"])
    monkeypatch.setattr(torch.cuda, "set_rng_state_all", restored.append)
    states = random_states()
    for count in (1, 2):
        monkeypatch.setattr(torch.cuda, "device_count", lambda count=count: count)
        restore_random_states(states)
    assert restored == [["a", "b"]]
