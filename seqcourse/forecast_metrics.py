"""How far off a forecast was: errors of points, of quantiles and of intervals."""

from typing import TypeAlias

import numpy as np
from jaxtyping import Num

__all__ = ["coverage", "mae", "mase", "pinball", "rmse"]

Values: TypeAlias = Num[np.ndarray, "*shape"]


def mae(targets: Values, forecasts: Values) -> float:
    """Return the mean absolute error, in the units of the series.

    >>> mae(np.array([3.0, 5.0]), np.array([4.0, 2.0]))
    2.0

    Raises:
        ValueError: if the shapes differ, or there is nothing to compare.
    """
    return float(np.abs(_errors(targets, forecasts)).mean())


def rmse(targets: Values, forecasts: Values) -> float:
    """Return the root of the mean squared error, in the units of the series.

    >>> rmse(np.array([0.0, 0.0]), np.array([1.0, 7.0]))
    5.0

    Raises:
        ValueError: as `mae`.
    """
    return float(np.sqrt((_errors(targets, forecasts) ** 2).mean()))


def mase(
    targets: Values,
    forecasts: Values,
    *,
    train: Num[np.ndarray, " T"],
    season: int = 1,
) -> float:
    """Return the mean absolute scaled error (Hyndman and Koehler 2006).

    That is the mean absolute error, over that of the seasonal naive forecast one step
    ahead within the training part. It has no unit, so series may be compared; below 1
    the forecast was better than that.

    >>> train = np.array([1.0, 3.0, 2.0, 6.0])  # steps of 2, 1 and 4: 7/3 on average
    >>> round(mase(np.array([9.0]), np.array([2.0]), train=train), 9)
    3.0

    Args:
        targets: what came.
        forecasts: what was forecast, of the same shape.
        train: the T values that the forecaster learned from.
        season: steps in a season; 1 for the naive forecast.

    Raises:
        ValueError: as `mae`, or if the training part is no longer than a season, or
            repeats itself so exactly that there is no scale.
    """
    if not 1 <= season < len(train):
        raise ValueError(
            f"season must be within 1 … {len(train) - 1}, the training part having "
            f"{len(train)} steps, but is {season}"
        )
    scale = np.abs(train[season:] - train[:-season]).mean()
    if not scale > 0:
        raise ValueError(
            f"train repeats itself every {season} steps without any error (or holds "
            "NaN), so that there is nothing to scale by; use mae instead"
        )
    return mae(targets, forecasts) / float(scale)


def pinball(targets: Values, forecasts: Values, *, quantile: float) -> float:
    """Return the pinball loss, which the true quantile minimises.

    Koenker and Bassett (1978). Too low a forecast costs `quantile` for each unit, too
    high a one 1 - `quantile`; with 0.5 it is half the mean absolute error.

    >>> pinball(np.array([10.0]), np.array([8.0]), quantile=0.9)
    1.8

    Raises:
        ValueError: as `mae`, or if the quantile is not between 0 and 1.
    """
    if not 0 < quantile < 1:
        raise ValueError(f"quantile must be between 0 and 1, but is {quantile}")
    missed = _errors(targets, forecasts)
    return float(np.maximum(quantile * missed, (quantile - 1) * missed).mean())


def coverage(targets: Values, lower: Values, upper: Values) -> float:
    """Return the share of targets that lie within their interval, bounds included.

    Compare it with the level that was promised: intervals fitted to residuals are too
    narrow as a rule.

    >>> coverage(np.array([1, 5]), np.array([0, 0]), np.array([2, 2]))
    0.5

    Raises:
        ValueError: as `mae`, or if a lower bound lies above its upper bound.
    """
    below, above = _errors(targets, lower), _errors(upper, targets)
    if (below + above < 0).any():
        raise ValueError("lower must nowhere be above upper")
    return float(((below >= 0) & (above >= 0)).mean())


def _errors(targets: Values, forecasts: Values) -> Values:
    if targets.shape != forecasts.shape:
        raise ValueError(
            "targets and forecasts must have the same shape, but have "
            f"{targets.shape} and {forecasts.shape}"
        )
    if not targets.size:
        raise ValueError("targets is empty: there is nothing to compare")
    return np.subtract(targets, forecasts, dtype=float)
