"""Making a series fit to learn from: resampling, gaps, outliers and scale.

Each step can leak the future into the past: a gap filled by interpolation uses the
value after it, and a mean over the whole series has seen the test part. What stands
first here looks back only; what looks ahead says so.
"""

from collections.abc import Callable
from typing import Literal, TypeAlias

import numpy as np
from jaxtyping import Bool, Float, Int, Num
from numpy.typing import ArrayLike

__all__ = [
    "MinMaxScaler",
    "StandardScaler",
    "downsample",
    "fill_gaps",
    "is_outlier",
    "resample",
    "robust_z",
    "trailing_z",
]

# --- frequency ---

_Values: TypeAlias = Float[np.ndarray, "*shape"]

_SUMMARIES: dict[str, Callable[[_Values], _Values]] = {
    "mean": lambda groups: groups.mean(axis=1),
    "sum": lambda groups: groups.sum(axis=1),
    "min": lambda groups: groups.min(axis=1),
    "max": lambda groups: groups.max(axis=1),
    "first": lambda groups: groups[:, 0],
    "last": lambda groups: groups[:, -1],
}


def downsample(
    series: Num[np.ndarray, "T ..."],
    every: int,
    *,
    how: Literal["mean", "sum", "min", "max", "first", "last"] = "mean",
) -> Float[np.ndarray, "G ..."]:
    """Summarise each group of `every` steps by one value; a rest at the end is dropped.

    A group with a missing value is missing, unless that value is not looked at.

    >>> downsample(np.array([1, 3, 5, 7, 100]), 2)
    array([2., 6.])

    Raises:
        ValueError: if `every` is below 1, or `how` is unknown.
    """
    if every < 1:
        raise ValueError(f"every must be at least 1, but is {every}")
    if how not in _SUMMARIES:
        raise ValueError(f"how must be one of {', '.join(_SUMMARIES)}, but is {how!r}")
    values = np.asarray(series, dtype=float)
    groups = len(values) // every
    grouped = values[: groups * every].reshape(groups, every, *values.shape[1:])
    return _SUMMARIES[how](grouped)


def resample(
    times: Num[np.ndarray, " T"],
    values: Num[np.ndarray, " T"],
    *,
    step: float,
    how: Literal["previous", "linear"] = "previous",
) -> tuple[Float[np.ndarray, " G"], Float[np.ndarray, " G"]]:
    """Return values at evenly spaced times, from values at any times.

    >>> resample(np.array([0, 1, 4]), np.array([10, 20, 50]), step=2, how="linear")
    (array([0., 2., 4.]), array([10., 30., 50.]))

    Args:
        times: rising, in any unit.
        values: one for each time.
        step: from one new time to the next, in the same unit.
        how: "previous" takes the latest value so far; "linear" interpolates, and so
            looks ahead to the next value.

    Returns:
        The new times, the first being `times[0]`, and their values.

    Raises:
        ValueError: if times do not rise, or `step` or `how` are wrong.
    """
    if not step > 0:
        raise ValueError(f"step must be above 0, but is {step}")
    if not (np.diff(times) > 0).all():
        raise ValueError("times must rise from each to the next; sort them first")
    steps = np.floor((times[-1] - times[0]) / step * (1 + 1e-12)).astype(int)
    grid = times[0] + step * np.arange(steps + 1.0)
    if how == "previous":
        return grid, values[np.searchsorted(times, grid, side="right") - 1].astype(
            float
        )
    if how == "linear":
        return grid, np.interp(grid, times, values)
    raise ValueError(f"how must be 'previous' or 'linear', but is {how!r}")


# --- gaps ---


def fill_gaps(
    series: Float[np.ndarray, " T"],
    *,
    how: Literal["previous", "seasonal", "linear"] = "previous",
    period: int | None = None,
    limit: int | None = None,
) -> Float[np.ndarray, " T"]:
    """Replace missing values (NaN); what comes before the first value stays missing.

    >>> fill_gaps(np.array([1.0, np.nan, np.nan, 4.0]))
    array([1., 1., 1., 4.])
    >>> fill_gaps(np.array([1.0, np.nan, np.nan, 4.0]), how="linear")
    array([1., 2., 3., 4.])

    Args:
        series: one variable.
        how: "previous" repeats the latest value; "seasonal" takes the value of one
            period before; "linear" draws a line to the next value: it looks ahead, so a
            forecast that starts within the gap has seen its own answer.
        period: steps in a season, for "seasonal".
        limit: the longest gap, in steps, that may be filled; None: any.

    Raises:
        ValueError: if `how` is unknown, or "seasonal" has no period.
    """
    gone = np.isnan(series)
    fillable = gone if limit is None else gone & (_run_lengths(gone) <= limit)
    return np.where(fillable, _filled(series, how, period), series)


def _filled(
    series: Float[np.ndarray, " T"], how: str, period: int | None
) -> Float[np.ndarray, " T"]:
    there = np.flatnonzero(~np.isnan(series))
    places = np.arange(len(series))
    if how == "previous":
        latest = np.maximum.accumulate(np.where(np.isnan(series), -1, places))
        return np.where(latest >= 0, series[latest], np.nan)
    if how == "linear":
        return np.interp(places, there, series[there], left=np.nan, right=np.nan)
    if how != "seasonal":
        raise ValueError(
            f"how must be 'previous', 'seasonal' or 'linear', but is {how!r}"
        )
    if period is None or period < 1:
        raise ValueError(
            f"how='seasonal' needs a period of at least 1, but got {period}"
        )
    filled = series.copy()
    # one after another: what is filled here may fill the next period in its turn
    for t in range(period, len(series)):
        if np.isnan(filled[t]):
            filled[t] = filled[t - period]
    return filled


def _run_lengths(marked: Bool[np.ndarray, " T"]) -> Int[np.ndarray, " T"]:
    """Return, at each place, how long the run of equal marks is that it stands in."""
    run = np.concatenate(([0], np.cumsum(marked[1:] != marked[:-1])))
    return np.bincount(run)[run] if len(marked) else run[:0]


# --- outliers ---

NORMAL_MAD = 0.6745
"""Median absolute deviation of a standard normal variable."""


def robust_z(
    values: Float[np.ndarray, " T"],
    *,
    reference: Float[np.ndarray, " R"],
) -> Float[np.ndarray, " T"]:
    """Return 0.6745 (x - median) / MAD, the modified z-score.

    As Iglewicz and Hoaglin (1993) define it. Median and MAD (median absolute deviation
    from the median) are those of `reference`, the training part: half of it may be
    wrong before they break. Where the MAD is 0, all but the median itself score ±inf.

    >>> train = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    >>> robust_z(np.array([3.0, 60.0]), reference=train).round(1)
    array([ 0. , 38.4])
    """
    middle = np.nanmedian(reference)
    return _z(values - middle, np.nanmedian(np.abs(reference - middle)))


def trailing_z(
    values: Float[np.ndarray, " T"], *, window: int
) -> Float[np.ndarray, " T"]:
    """Return `robust_z` of each value against the `window` values just before it.

    For series that drift. It looks back only, so it serves as data come in; the first
    `window` values have no score (NaN).

    Raises:
        ValueError: if the window is below 2, or not shorter than the series.
    """
    if not 2 <= window < len(values):
        raise ValueError(
            f"window must be within 2 … {len(values) - 1} here, but is {window}"
        )
    before = np.lib.stride_tricks.sliding_window_view(values, window)[:-1]
    middle = np.median(before, axis=1)
    spread = np.median(np.abs(before - middle[:, None]), axis=1)
    return np.concatenate(
        (np.full(window, np.nan), _z(values[window:] - middle, spread))
    )


def is_outlier(
    scores: Float[np.ndarray, " T"], *, threshold: float = 3.5
) -> Bool[np.ndarray, " T"]:
    """Say which scores lie beyond ±threshold; 3.5 is Iglewicz and Hoaglin's advice."""
    return np.abs(scores) > threshold


def _z(
    deviation: Float[np.ndarray, " T"], spread: Float[np.ndarray, " T"] | float
) -> Float[np.ndarray, " T"]:
    with np.errstate(divide="ignore", invalid="ignore"):
        scores = NORMAL_MAD * deviation / spread
    return np.where(deviation == 0, 0.0, scores)


# --- scale ---


class _Scaler:
    """Moves and stretches each variable, as the training part said."""

    def __init__(self, shift: ArrayLike, scale: ArrayLike) -> None:
        self.shift = np.asarray(shift)
        self.scale = np.where(np.asarray(scale) > 0, scale, 1.0)

    def transform(
        self, values: Num[np.ndarray, "*shape"]
    ) -> Float[np.ndarray, "*shape"]:
        """Return the values scaled; the last axis runs over the variables."""
        return (values - self.shift) / self.scale

    def inverse(
        self, values: Float[np.ndarray, "*shape"]
    ) -> Float[np.ndarray, "*shape"]:
        """Return scaled values in their own units again."""
        return values * self.scale + self.shift

    def only(self, variables: list[int]) -> "_Scaler":
        """Return the scaler of some variables alone: to undo the scaling of targets."""
        return _Scaler(self.shift[variables], self.scale[variables])


class StandardScaler(_Scaler):
    """Scales to mean 0 and standard deviation 1 over the training part.

    It is fitted when it is made, and has no way to be fitted again, so that a test part
    cannot slip in. A constant variable is only moved.

    >>> scaler = StandardScaler(np.array([1.0, 3.0]))
    >>> scaler.transform(np.array([1.0, 3.0, 5.0]))
    array([-1.,  1.,  3.])

    Args:
        train: shape (T,), or (…, D) with the variables last; NaN are left out.
    """

    def __init__(self, train: Num[np.ndarray, "*shape"]) -> None:
        rows = _rows(train)
        super().__init__(np.nanmean(rows, axis=0), np.nanstd(rows, axis=0))


class MinMaxScaler(_Scaler):
    """Scales the training part to 0 … 1; later values may lie outside.

    >>> MinMaxScaler(np.array([2.0, 6.0])).transform(np.array([2.0, 4.0, 8.0]))
    array([0. , 0.5, 1.5])

    Args:
        train: as for `StandardScaler`.
    """

    def __init__(self, train: Num[np.ndarray, "*shape"]) -> None:
        rows = _rows(train)
        low = np.nanmin(rows, axis=0)
        super().__init__(low, np.nanmax(rows, axis=0) - low)


def _rows(train: Num[np.ndarray, "*shape"]) -> Float[np.ndarray, "R ..."]:
    """Return one row a step: a series of one variable has no axis of variables."""
    values = np.asarray(train, dtype=float)
    if not np.isfinite(values).any():
        raise ValueError("train holds no value to fit a scaler to")
    return values if values.ndim == 1 else values.reshape(-1, values.shape[-1])
