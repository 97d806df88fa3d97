"""Honest validation of forecasts: learn from the past, be judged by the future.

A *fold* says which time steps to learn from and which to be judged by. All folds here
but `random_split`, which is there for contrast, end their training before their test
begins.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, Num

from seqcourse.baselines import Forecaster

__all__ = ["Backtest", "Fold", "backtest", "random_split", "time_split", "walk_forward"]


class Fold(NamedTuple):
    """Time steps to learn from, and time steps to be judged by."""

    train: Int[np.ndarray, " N"]
    """Indices of the training steps, in order of time."""
    test: Int[np.ndarray, " M"]
    """Indices of the test steps, in order of time."""


def time_split(steps: int, *, test: int, gap: int = 0) -> Fold:
    """Cut once: the last `test` steps are for testing, what comes before for training.

    >>> fold = time_split(7, test=2, gap=1)
    >>> fold.train.tolist(), fold.test.tolist()
    ([0, 1, 2, 3], [5, 6])

    Args:
        steps: T, the length of the series.
        test: how many steps to test.
        gap: steps left out in between, such as those whose values are known late.

    Raises:
        ValueError: if a number is out of range, or no step is left for training.
    """
    _check_at_least(1, test=test)
    _check_at_least(0, gap=gap)
    if steps - test - gap < 1:
        raise ValueError(
            f"test and gap take {test + gap} of {steps} steps: none is left to train"
        )
    return Fold(np.arange(steps - test - gap), np.arange(steps - test, steps))


def random_split(steps: int, *, test: int, rng: np.random.Generator) -> Fold:
    """Choose the test steps at random. For contrast: in a time series this leaks.

    Between two training steps a model has only to interpolate, so that one with a good
    memory looks better than it forecasts.

    Raises:
        ValueError: if `test` is not within 1 … steps - 1.
    """
    if not 1 <= test < steps:
        raise ValueError(f"test must be within 1 … {steps - 1}, but is {test}")
    order = rng.permutation(steps)
    return Fold(np.sort(order[test:]), np.sort(order[:test]))


def walk_forward(
    steps: int,
    *,
    train: int,
    horizon: int = 1,
    stride: int | None = None,
    gap: int = 0,
    rolling: bool = False,
) -> list[Fold]:
    """Cut many times, later and later: what a forecaster in service would have met.

    >>> for fold in walk_forward(6, train=2, horizon=2):
    ...     print(fold.train.tolist(), fold.test.tolist())
    [0, 1] [2, 3]
    [0, 1, 2, 3] [4, 5]
    >>> walk_forward(6, train=2, horizon=2, rolling=True)[1].train.tolist()
    [2, 3]

    Args:
        steps: T, the length of the series.
        train: steps of the first training part.
        horizon: steps in each test part.
        stride: steps from one fold to the next; None: `horizon`, so that each step is
            tested once at most.
        gap: steps left out between training and test.
        rolling: keep the training part at `train` steps by dropping the oldest; else it
            expands.

    Returns:
        The folds, in order of time; every test part is whole.

    Raises:
        ValueError: if a number is out of range, or the series too short for one fold.
    """
    stride = horizon if stride is None else stride
    _check_at_least(1, train=train, horizon=horizon, stride=stride)
    _check_at_least(0, gap=gap)
    if train + gap + horizon > steps:
        raise ValueError(
            f"one fold takes train + gap + horizon = {train + gap + horizon} steps, "
            f"but there are {steps}"
        )
    ends = range(train, steps - gap - horizon + 1, stride)
    return [
        Fold(
            np.arange(end - train if rolling else 0, end),
            np.arange(end + gap, end + gap + horizon),
        )
        for end in ends
    ]


class Backtest(NamedTuple):
    """What came and what was forecast, in F folds of H steps each."""

    targets: Float[np.ndarray, "F H"]
    """What came."""
    forecasts: Float[np.ndarray, "F H"]
    """What was forecast."""
    lower: Float[np.ndarray, "F H"]
    """Lower bounds of the intervals."""
    upper: Float[np.ndarray, "F H"]
    """Upper bounds of the intervals."""


def backtest(
    forecaster: Forecaster,
    series: Num[np.ndarray, " T"],
    folds: Sequence[Fold],
    *,
    level: float = 0.95,
) -> Backtest:
    """Fit a forecaster to each fold's training part, and let it forecast the test part.

    Args:
        forecaster: it is fitted anew for each fold, and sees that fold's past alone.
        series: T steps.
        folds: as from `walk_forward`; the training part must be without holes and end
            before the test part.
        level: of the intervals.

    Returns:
        Targets and forecasts; score them with `seqcourse.forecast_metrics`.

    Raises:
        ValueError: if there is no fold, or a fold would let the forecaster see its
            future.
    """
    if not folds:
        raise ValueError("folds is empty: backtest needs at least one fold")
    rows = []
    for number, (train, test) in enumerate(folds):
        _check_order(number, train, test)
        ahead = test - train[-1]  # 1 for the step right after the training part
        forecast = forecaster.fit(series[train]).forecast(int(ahead[-1]), level=level)
        rows.append([part[ahead - 1] for part in forecast])
    targets = np.array([series[fold.test] for fold in folds], dtype=float)
    forecasts, lower, upper = np.array(rows).transpose(1, 0, 2)
    return Backtest(targets, forecasts, lower, upper)


def _check_order(
    number: int, train: Int[np.ndarray, " N"], test: Int[np.ndarray, " M"]
) -> None:
    if train[-1] >= test[0]:
        raise ValueError(
            f"fold {number} trains up to step {train[-1]} but tests from {test[0]}: a "
            "forecaster must not see its future"
        )
    if (np.diff(train) != 1).any():
        raise ValueError(f"the training part of fold {number} has holes")


def _check_at_least(least: int, **numbers: int) -> None:
    for name, number in numbers.items():
        if number < least:
            raise ValueError(f"{name} must be at least {least}, but is {number}")
