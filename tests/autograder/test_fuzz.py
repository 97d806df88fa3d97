"""Damaged frames, by the hundred thousand: see `fuzzing.py` for what is done to them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

FRAMES = 110_000


@pytest.fixture(scope="module")
def ends():
    """Run the fuzzer once. It fails by itself when a frame is neither a value nor refused."""
    command = [sys.executable, str(Path(__file__).with_name("fuzzing.py")), str(FRAMES), "20"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
    assert run.returncode == 0, run.stderr[-3000:]
    return [json.loads(line) for line in run.stdout.splitlines()]


def test_every_damaged_frame_is_a_value_or_refused(ends):
    assert [end["end"] for end in ends] == ["values", "requests", "answers"]
    assert sum(end["frames"] for end in ends) >= 100_000
    for end in ends:  # the damage is neither always fatal nor never seen
        assert 0.2 < end["refused"] / end["frames"] < 0.999


def test_no_damaged_frame_takes_long(ends):
    assert sum(end["seconds"] for end in ends) < 60
    assert max(end["slowest"] for end in ends) < 2  # seconds of processor time, a pause to collect


def test_no_damaged_frame_makes_a_large_allocation(ends):
    assert max(end["peak"] for end in ends) < 4 * 2**20
