"""Splitting data that has no order."""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

__all__ = ["split"]

Item = TypeVar("Item")
"""Whatever the data consists of."""


def split(
    items: Sequence[Item], *, fraction: float, rng: np.random.Generator
) -> tuple[list[Item], list[Item]]:
    """Shuffle items and cut them in two; the first part holds `fraction` of them.

    The share is rounded to whole items. Only for items whose order carries no meaning;
    a time series is cut by time.

    >>> first, second = split(range(10), fraction=0.8, rng=np.random.default_rng(0))
    >>> len(first), len(second), sorted(first + second) == list(range(10))
    (8, 2, True)

    Raises:
        ValueError: if the fraction is not within 0 … 1.
    """
    if not 0 <= fraction <= 1:
        raise ValueError(f"fraction must be within 0 … 1, but is {fraction}")
    order = rng.permutation(len(items))
    cut = round(len(items) * fraction)
    return [items[i] for i in order[:cut]], [items[i] for i in order[cut:]]
