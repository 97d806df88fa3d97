import numpy as np
import pytest

from seqcourse import data


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_two_numbers_are_added_one_of_each_half():
    inputs, targets = data.adding_task(2003, length=11, rng=rng())
    numbers, marks = inputs[..., 0], inputs[..., 1]
    assert inputs.shape == (2003, 11, 2)
    assert (numbers >= 0).all()
    assert (numbers < 1).all()
    np.testing.assert_array_equal(marks[:, :5].sum(axis=1), 1)
    np.testing.assert_array_equal(marks[:, 5:].sum(axis=1), 1)
    assert (marks.sum(axis=0) > 0).all()  # every place is marked somewhere
    expected = [row[mark == 1].sum() for row, mark in zip(numbers, marks, strict=True)]
    np.testing.assert_allclose(targets, expected)
    assert ((targets - 1) ** 2).mean() == pytest.approx(1 / 6, abs=0.01)


def test_symbols_are_said_again_after_the_signal():
    inputs, targets = data.memory_task(101, blanks=7, length=3, symbols=5, rng=rng())
    assert inputs.shape == targets.shape == (101, 13)
    np.testing.assert_array_equal(inputs[:, :3], targets[:, -3:])
    assert set(inputs[:, :3].ravel().tolist()) == {1, 2, 3, 4, 5}
    assert (targets[:, :-3] == 0).all()
    signal = np.argwhere(inputs == 6)
    assert (signal[:, 1] == 9).all()  # the step before the first answer
    assert len(signal) == 101
    assert (inputs[:, 3:9] == 0).all()
    assert (inputs[:, 10:] == 0).all()


@pytest.mark.parametrize(
    ("task", "rewritten"),
    [
        (data.copy_task, lambda row: row),
        (data.reverse_task, lambda row: row[::-1]),
        (data.sort_task, sorted),
    ],
)
def test_sequences_are_rewritten(task, rewritten):
    inputs, targets = task(101, length=7, symbols=5, rng=rng())
    assert inputs.shape == (101, 7)
    assert set(inputs.ravel().tolist()) == set(range(5))
    assert targets.tolist() == [rewritten(row) for row in inputs.tolist()]
    assert not np.shares_memory(inputs, targets)
    again = task(101, length=7, symbols=5, rng=rng())
    np.testing.assert_array_equal(again.inputs, inputs)


def test_sizes_that_make_no_task_are_explained():
    with pytest.raises(ValueError, match="length must be at least 2, but is 1"):
        data.adding_task(3, length=1, rng=rng())
    for name in ("blanks", "length", "symbols"):
        with pytest.raises(ValueError, match=f"{name} must be at least 1, but is 0"):
            data.memory_task(3, **{"blanks": 2, name: 0}, rng=rng())
