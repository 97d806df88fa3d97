"""Sliding windows: a series made into inputs and targets for supervised learning.

Axes: T time steps and D variables of the series; N windows, L lags, H steps of the
horizon::

    past  ────────────►  future
    [ L lags ][ gap ][ H targets ]
                      ▲ time: the index of the first target

What a model is given lies before what it must predict, unless you name a variable as
`known`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from jaxtyping import Float, Int, Num

__all__ = ["Measurements", "Windows", "sliding_windows"]

Measurements: TypeAlias = Num[np.ndarray, " T"] | Num[np.ndarray, "T D"]
"""Measurements at T evenly spaced times: one variable, or D of them."""


@dataclass(frozen=True)
class Windows:
    """N examples cut out of one series.

    Attributes:
        inputs: what has been seen: I variables at L lags, oldest first.
        targets: what is to be predicted: O variables at H steps.
        known: K variables known in advance at those H steps, such as the calendar.
        times: index in the series of each window's first target.
    """

    inputs: Float[np.ndarray, "N L I"]
    targets: Float[np.ndarray, "N H O"]
    known: Float[np.ndarray, "N H K"]
    times: Int[np.ndarray, " N"]

    def __len__(self) -> int:
        return len(self.times)

    def __getitem__(self, rows: slice | np.ndarray) -> "Windows":
        """Return some of the windows, by slice, indices or mask."""
        return Windows(
            self.inputs[rows], self.targets[rows], self.known[rows], self.times[rows]
        )

    def table(self) -> tuple[Float[np.ndarray, "N X"], Float[np.ndarray, "N Y"]]:
        """Return inputs and targets as tables, a window a row, for models of vectors.

        Columns run through the variables of the oldest lag first; known ones come last.
        """
        parts = (self.inputs, self.known)
        flat = [part.reshape(len(self), -1) for part in parts if part.shape[-1]]
        return np.concatenate(flat, axis=1), self.targets.reshape(len(self), -1)

    def split(self, time: int) -> tuple["Windows", "Windows"]:
        """Cut at a time: windows with all targets before it, and with all from it on.

        Windows whose targets lie on both sides are left out. Inputs of the second part
        may reach back before the cut: when the future is predicted, the past is known.
        """
        horizon = self.targets.shape[1]
        return self[self.times + horizon <= time], self[self.times >= time]


def sliding_windows(
    series: Measurements,
    *,
    lags: int | Sequence[int],
    horizon: int = 1,
    gap: int = 0,
    stride: int = 1,
    inputs: Sequence[int] | None = None,
    targets: Sequence[int] | None = None,
    known: Sequence[int] = (),
    missing: Literal["raise", "drop"] = "raise",
) -> Windows:
    """Cut a series into windows: lagged values, and the values that follow them.

    >>> windows = sliding_windows(np.array([10, 20, 30, 40, 50]), lags=3)
    >>> x, y = windows.table()
    >>> x
    array([[10., 20., 30.],
           [20., 30., 40.]])
    >>> y
    array([[40.],
           [50.]])

    Args:
        series: T steps of one variable, or of D.
        lags: how many of the latest steps to see; or which, such as (1, 2, 12), where
            lag 1 is the latest.
        horizon: H, how many steps to predict.
        gap: steps between the latest input and the first target. With -1 the first
            target stands beside the latest input, so that one variable is predicted
            from others of the same moment; no variable may then be input and target at
            once.
        stride: steps from one window to the next.
        inputs: which variables to see; all, unless said otherwise.
        targets: which variables to predict; all, unless said otherwise.
        known: which variables are known in advance for the steps to predict.
        missing: what to do with windows that hold NaN.

    Returns:
        The windows, in order of time.

    Raises:
        ValueError: if a number is out of range, a window would hold its own target, the
            series is too short for one window, or values are missing.
    """
    values = _columns(series)
    offsets = _offsets(lags)
    width = values.shape[1]
    seen = _variables("inputs", inputs, width)
    wanted = _variables("targets", targets, width)
    given = _variables("known", known, width)
    _check(horizon, gap, stride)
    _check_no_leak(gap, set(seen), set(wanted), set(given))
    times = _times(len(values), max(offsets) + gap, horizon, stride)
    past = times[:, None] - gap - np.array(offsets)  # (N, L)
    future = times[:, None] + np.arange(horizon)  # (N, H)
    windows = Windows(
        inputs=values[:, seen][past],
        targets=values[:, wanted][future],
        known=values[:, given][future],
        times=times,
    )
    return _without_gaps(windows, missing)


def _columns(series: Measurements) -> Float[np.ndarray, "T D"]:
    values = np.asarray(series, dtype=float)
    if values.ndim not in (1, 2):
        raise ValueError(
            f"series must have shape (T,) or (T, D), but has {values.shape}"
        )
    return values[:, None] if values.ndim == 1 else values


def _offsets(lags: int | Sequence[int]) -> list[int]:
    """Return the lags from the oldest to the latest."""
    offsets = list(range(1, lags + 1)) if isinstance(lags, int) else list(lags)
    if not offsets or min(offsets) < 1 or len(set(offsets)) < len(offsets):
        raise ValueError(
            f"lags must be a number of steps, or distinct lags from 1 on, but is {lags}"
        )
    return sorted(offsets, reverse=True)


def _variables(name: str, chosen: Sequence[int] | None, width: int) -> list[int]:
    columns = list(range(width)) if chosen is None else list(chosen)
    if wrong := [c for c in columns if not 0 <= c < width]:
        raise ValueError(
            f"{name} names variable {wrong[0]}, but the series has 0 … {width - 1}"
        )
    if not columns and name != "known":
        raise ValueError(f"{name} is empty: name at least one variable")
    return columns


def _check(horizon: int, gap: int, stride: int) -> None:
    limits = (("horizon", horizon, 1), ("gap", gap, -1), ("stride", stride, 1))
    for name, number, least in limits:
        if number < least:
            raise ValueError(f"{name} must be at least {least}, but is {number}")


def _check_no_leak(gap: int, seen: set[int], wanted: set[int], given: set[int]) -> None:
    if both := wanted & given:
        raise ValueError(
            f"variable {min(both)} is a target, so it cannot be known in advance"
        )
    if gap < 0 and (both := wanted & seen):
        raise ValueError(
            f"with gap {gap} variable {min(both)} would be its own input when it is "
            "predicted; leave it out of inputs, or use a gap of at least 0"
        )


def _times(steps: int, first: int, horizon: int, stride: int) -> Int[np.ndarray, " N"]:
    if first + horizon > steps:
        raise ValueError(
            f"series has {steps} steps, but one window of these lags, gap and horizon "
            f"takes {first + horizon}"
        )
    return np.arange(first, steps - horizon + 1, stride)


def _without_gaps(windows: Windows, missing: str) -> Windows:
    if missing not in ("raise", "drop"):
        raise ValueError(f"missing must be 'raise' or 'drop', but is {missing!r}")
    x, y = windows.table()
    whole = np.isfinite(x).all(axis=1) & np.isfinite(y).all(axis=1)
    if missing == "raise" and not whole.all():
        raise ValueError(
            f"{(~whole).sum()} of {len(whole)} windows hold missing values; fill with "
            "seqcourse.cleaning.fill_gaps, or leave them out with missing='drop'"
        )
    return windows if whole.all() else windows[whole]
