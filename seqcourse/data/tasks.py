"""Synthetic tasks: what must be remembered is known, and for how long.

The first two ask whether a recurrent network can carry something over many steps; the
others, what a model that reads a whole sequence at once can do with its order.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

__all__ = [
    "AddingTask",
    "TokenTask",
    "adding_task",
    "copy_task",
    "memory_task",
    "reverse_task",
    "sort_task",
]


class TokenTask(NamedTuple):
    """N sequences of ids, and those to be written."""

    inputs: Int[np.ndarray, "N T"]
    targets: Int[np.ndarray, "N T"]


class AddingTask(NamedTuple):
    """N sequences of numbers with marks, and the sum of the marked ones."""

    inputs: Float[np.ndarray, "N T 2"]
    """A number within 0 … 1, and a mark that is 1 at two steps and 0 elsewhere."""
    targets: Float[np.ndarray, " N"]
    """The sum of the two marked numbers; guessing 1 has a mean squared error of 1/6."""


def adding_task(count: int, *, length: int, rng: np.random.Generator) -> AddingTask:
    """Add two marked numbers, one in each half.

    After Hochreiter and Schmidhuber (1997), section 5.4.

    >>> inputs, targets = adding_task(3, length=10, rng=np.random.default_rng(0))
    >>> np.allclose(inputs.prod(axis=2).sum(axis=1), targets)
    True

    Raises:
        ValueError: if the length is below 2.
    """
    if length < 2:
        raise ValueError(f"length must be at least 2, but is {length}")
    numbers, marks = rng.random((count, length)), np.zeros((count, length))
    rows = np.arange(count)
    marks[rows, rng.integers(length // 2, size=count)] = 1
    marks[rows, rng.integers(length // 2, length, size=count)] = 1
    return AddingTask(
        np.stack((numbers, marks), axis=-1), (numbers * marks).sum(axis=1)
    )


def memory_task(
    count: int,
    *,
    blanks: int,
    length: int = 10,
    symbols: int = 8,
    rng: np.random.Generator,
) -> TokenTask:
    """Say symbols again after a long silence.

    As Arjovsky, Shah and Bengio (2016), section 5.1, pose it. Ids 1 … `symbols` are
    symbols, 0 is silence, `symbols` + 1 the signal to begin. Without memory nothing
    beats length · ln(symbols) / T nats a step on average.

    >>> rng = np.random.default_rng(0)
    >>> task = memory_task(1, blanks=2, length=1, symbols=1, rng=rng)
    >>> task.inputs.tolist(), task.targets.tolist()
    ([[1, 0, 2, 0]], [[0, 0, 0, 1]])

    Args:
        count: N sequences.
        blanks: steps of silence, the signal being the last of them.
        length: symbols to remember.
        symbols: how many different ones.
        rng: the source of randomness.

    Returns:
        Sequences of T = blanks + 2 · length steps.

    Raises:
        ValueError: if a number is below 1.
    """
    for name, number in {
        "blanks": blanks,
        "length": length,
        "symbols": symbols,
    }.items():
        if number < 1:
            raise ValueError(f"{name} must be at least 1, but is {number}")
    remembered = rng.integers(1, symbols + 1, size=(count, length))
    inputs = np.zeros((count, blanks + 2 * length), dtype=np.int64)
    targets = inputs.copy()
    inputs[:, :length] = targets[:, -length:] = remembered
    inputs[:, length + blanks - 1] = symbols + 1
    return TokenTask(inputs, targets)


def copy_task(
    count: int, *, length: int, symbols: int, rng: np.random.Generator
) -> TokenTask:
    """Write the same again: ids 0 … `symbols` - 1 at random."""
    inputs = rng.integers(symbols, size=(count, length))
    return TokenTask(inputs, inputs.copy())


def reverse_task(
    count: int, *, length: int, symbols: int, rng: np.random.Generator
) -> TokenTask:
    """Write it backwards: where a token goes depends on its place alone."""
    inputs = rng.integers(symbols, size=(count, length))
    return TokenTask(inputs, inputs[:, ::-1].copy())


def sort_task(
    count: int, *, length: int, symbols: int, rng: np.random.Generator
) -> TokenTask:
    """Write it sorted: where a token goes depends on all the others."""
    inputs = rng.integers(symbols, size=(count, length))
    return TokenTask(inputs, np.sort(inputs, axis=1))
