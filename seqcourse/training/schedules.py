"""Schedules: how the learning rate changes during training.

A schedule tells, for each step counted from 0, the factor by which the learning rate is
multiplied. All but `constant` begin with a *warm-up*: at first the optimiser's averages
stand on a handful of gradients, and long steps in such a direction can ruin a fresh
model.
"""

import math
from collections.abc import Callable
from typing import TypeAlias

from seqcourse._checks import check_positive

__all__ = ["Schedule", "constant", "inverse_sqrt", "linear", "noam", "warmup_cosine"]

Schedule: TypeAlias = Callable[[int], float]
"""From the step, counted from 0, to the factor of the learning rate."""


def constant(*, warmup: int = 0) -> Schedule:
    """Return the schedule that stays at 1, after a warm-up.

    >>> [constant(warmup=3)(step) for step in range(5)]
    [0.25, 0.5, 0.75, 1.0, 1.0]

    Args:
        warmup: how many steps the factor stays below 1, rising in equal parts.

    Raises:
        ValueError: if the warm-up is below 0.
    """
    _check_warmup(warmup)
    return lambda step: _rise(step, warmup)


def linear(steps: int, *, warmup: int = 0, floor: float = 0.0) -> Schedule:
    """Return the schedule that rises to 1, then falls in a straight line.

    >>> [linear(5, warmup=1)(step) for step in range(5)]
    [0.5, 1.0, 0.75, 0.5, 0.25]

    Args:
        steps: when the factor reaches the floor; training that long ends one step above
            it.
        warmup: how many steps the factor stays below 1 at first.
        floor: where the factor stays in the end.

    Raises:
        ValueError: if the steps are not above the warm-up, or the floor is outside 0 …
            1.
    """
    _check_decay(steps, warmup, floor)
    return lambda step: (
        _rise(step, warmup)
        if step < warmup
        else floor + (1 - floor) * (1 - _fallen(step, warmup, steps))
    )


def warmup_cosine(steps: int, *, warmup: int = 0, floor: float = 0.0) -> Schedule:
    """Return the schedule that rises to 1, then falls along half a cosine.

    Loshchilov and Hutter (2017), eq. 5, without its restarts: slow to leave the top,
    slow to reach the bottom.

    >>> [round(warmup_cosine(5, warmup=1)(step), 3) for step in range(5)]
    [0.5, 1.0, 0.854, 0.5, 0.146]

    Args:
        steps: when the factor reaches the floor.
        warmup: how many steps the factor stays below 1 at first.
        floor: where the factor stays in the end.

    Raises:
        ValueError: if the steps are not above the warm-up, or the floor is outside 0 …
            1.
    """
    _check_decay(steps, warmup, floor)

    def factor(step: int) -> float:
        if step < warmup:
            return _rise(step, warmup)
        angle = math.pi * _fallen(step, warmup, steps)
        return floor + (1 - floor) * (1 + math.cos(angle)) / 2

    return factor


def inverse_sqrt(warmup: int) -> Schedule:
    """Return the schedule that rises to 1, then falls as one over the step's root.

    It never needs to know how long training will be.

    >>> [inverse_sqrt(4)(step) for step in (0, 1, 3, 15)]
    [0.25, 0.5, 1.0, 0.5]

    Args:
        warmup: the step, counted from 1, at which the factor is 1.

    Raises:
        ValueError: if the warm-up is below 1.
    """
    check_positive("warmup", warmup)
    return lambda step: min((step + 1) / warmup, math.sqrt(warmup / (step + 1)))


def noam(width: int, warmup: int) -> Schedule:
    """Return the first transformer's schedule: the rate itself, so learning_rate is 1.

    Vaswani et al. (2017), eq. 3, where steps count from 1:
    width^-0.5 · min(step^-0.5, step · warmup^-1.5). It is `inverse_sqrt` with its top
    at (width · warmup)^-0.5.

    >>> round(noam(512, 4000)(3999), 6)  # the base model's highest rate
    0.000699

    Args:
        width: D of the model: the wider, the smaller the rate.
        warmup: the step, counted from 1, at which the rate is highest.

    Raises:
        ValueError: if the width or the warm-up is below 1.
    """
    check_positive("width", width)
    shape = inverse_sqrt(warmup)
    return lambda step: shape(step) / math.sqrt(width * warmup)


def _rise(step: int, warmup: int) -> float:
    """Return 1/(w+1), 2/(w+1), … and 1 from step w on: never 0, a step wasted."""
    return min(1.0, (step + 1) / (warmup + 1))


def _fallen(step: int, warmup: int, steps: int) -> float:
    """Return how much of the way from the warm-up to the last step is done."""
    return min(1.0, (step - warmup) / (steps - warmup))


def _check_warmup(warmup: int) -> None:
    if warmup < 0:
        raise ValueError(f"warmup must be at least 0, but is {warmup}")


def _check_decay(steps: int, warmup: int, floor: float) -> None:
    _check_warmup(warmup)
    if steps <= warmup:
        raise ValueError(
            f"steps must be above warmup, or there is no time to fall, but is {steps} "
            f"with a warmup of {warmup}"
        )
    if not 0 <= floor <= 1:
        raise ValueError(f"floor must be within 0 … 1, but is {floor}")
