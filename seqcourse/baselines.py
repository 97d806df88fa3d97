"""Baselines: simple forecasts, which anything cleverer has to beat.

Notation as in Hyndman and Athanasopoulos (2021, "FPP3"): y_t the series of T steps, h
steps ahead, m steps in a season, α, β and γ the smoothing parameters of level, trend
and season. Each baseline is fitted to a series and then gives a forecast with an
interval, whose width comes from the residuals of its own one-step forecasts within that
series.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from statistics import NormalDist
from typing import NamedTuple, Protocol, TypeAlias, runtime_checkable

import numpy as np
from jaxtyping import Float, Num

__all__ = [
    "Baseline",
    "Drift",
    "ExponentialSmoothing",
    "Forecast",
    "Forecaster",
    "HoltWinters",
    "Mean",
    "Naive",
    "SeasonalNaive",
]

Values: TypeAlias = Float[np.ndarray, " T"]
Residuals: TypeAlias = Float[np.ndarray, " R"]
Steps: TypeAlias = Float[np.ndarray, " H"]


class Forecast(NamedTuple):
    """The next H values of a series."""

    mean: Float[np.ndarray, " H"]
    """The expected values."""
    lower: Float[np.ndarray, " H"]
    """Lower bounds of the interval."""
    upper: Float[np.ndarray, " H"]
    """Upper bounds of the interval."""


@runtime_checkable
class Forecaster(Protocol):
    """Anything that learns from a series and forecasts what comes after it."""

    def fit(self, series: Num[np.ndarray, " T"]) -> "Forecaster":
        """Learn from a series; return the forecaster itself."""
        ...

    def forecast(self, horizon: int, *, level: float = 0.95) -> Forecast:
        """Return the `horizon` values that follow the series, with intervals."""
        ...


class Baseline(ABC):
    """A forecaster given by its residuals, its means, and how its uncertainty grows."""

    least = 2
    """The fewest steps that it can be fitted to."""
    parameters = 0
    """Estimated numbers, which the residuals' variance is corrected for."""
    _sigma: float | None = None

    @abstractmethod
    def _fit(self, y: Values) -> Residuals:
        """Keep what a forecast needs; return the errors of the one-step forecasts."""

    @abstractmethod
    def _mean(self, ahead: Steps) -> Steps:
        """Return the forecasts 1, 2, … H steps ahead."""

    @abstractmethod
    def _growth(self, ahead: Steps) -> Steps:
        """Return the variance 1, 2, … H steps ahead, over that of a residual."""

    def fit(self, series: Num[np.ndarray, " T"]) -> "Baseline":
        """Fit the baseline to a series; return the baseline itself.

        Raises:
            ValueError: if the series is too short, or values are missing.
        """
        y = np.asarray(series, dtype=float)
        if y.ndim != 1 or len(y) < self.least:
            raise ValueError(
                f"{type(self).__name__} needs a series of one variable and at least "
                f"{self.least} steps, but got shape {y.shape}"
            )
        if not np.isfinite(y).all():
            raise ValueError(
                "series has missing values; fill them with seqcourse.cleaning.fill_gaps"
            )
        residuals = self._fit(y)
        freedom = max(1, len(residuals) - self.parameters)
        self._sigma = float(np.sqrt((residuals**2).sum() / freedom))
        return self

    @property
    def sigma(self) -> float:
        """Standard deviation of the residuals, in the units of the series.

        Raises:
            RuntimeError: before the baseline is fitted.
        """
        if self._sigma is None:
            raise RuntimeError(
                "this baseline is not fitted yet; call fit(series) first"
            )
        return self._sigma

    def forecast(self, horizon: int, *, level: float = 0.95) -> Forecast:
        """Return the `horizon` values that follow the series, with intervals.

        The intervals take errors to be normal, and independent of one another. Where
        they are not, the measured coverage is not `level`: see
        `seqcourse.forecast_metrics.coverage`.

        Raises:
            ValueError: if the horizon is below 1, or the level not between 0 and 1.
            RuntimeError: before the baseline is fitted.
        """
        if horizon < 1:
            raise ValueError(f"horizon must be at least 1, but is {horizon}")
        if not 0 < level < 1:
            raise ValueError(f"level must be between 0 and 1, but is {level}")
        sigma = self.sigma
        ahead = np.arange(1.0, horizon + 1)
        mean = self._mean(ahead)
        z = NormalDist().inv_cdf((1 + level) / 2)
        half = z * sigma * np.sqrt(self._growth(ahead))
        return Forecast(mean, mean - half, mean + half)


class Mean(Baseline):
    """Forecasts the mean of the series (FPP3, section 5.2).

    >>> Mean().fit(np.array([1, 2, 6])).forecast(2).mean
    array([3., 3.])
    """

    parameters = 1

    def _fit(self, y: Values) -> Residuals:
        self.level, self.steps = y.mean(), len(y)
        return y - self.level

    def _mean(self, ahead: Steps) -> Steps:
        return np.full(len(ahead), self.level)

    def _growth(self, ahead: Steps) -> Steps:
        return np.full(len(ahead), 1 + 1 / self.steps)


class SeasonalNaive(Baseline):
    """Forecasts what came one season ago (FPP3, section 5.2).

    >>> SeasonalNaive(season=2).fit(np.array([1, 2, 3, 5])).forecast(3).mean
    array([3., 5., 3.])

    Args:
        season: m, steps in a season.

    Raises:
        ValueError: if the season is below 1.
    """

    def __init__(self, season: int) -> None:
        if season < 1:
            raise ValueError(f"season must be at least 1, but is {season}")
        self.season, self.least = season, season + 1

    def _fit(self, y: Values) -> Residuals:
        self.last = y[-self.season :]
        return y[self.season :] - y[: -self.season]

    def _mean(self, ahead: Steps) -> Steps:
        return self.last[(ahead.astype(int) - 1) % self.season]

    def _growth(self, ahead: Steps) -> Steps:
        return 1 + (ahead - 1) // self.season  # seasons ahead, begun ones counted


class Naive(SeasonalNaive):
    """Forecasts the last value: best possible for a random walk (FPP3, section 5.2).

    >>> Naive().fit(np.array([1, 2, 6])).forecast(2).mean
    array([6., 6.])
    """

    def __init__(self) -> None:
        super().__init__(season=1)


class Drift(Baseline):
    """Goes on along the line from the first value to the last (FPP3, section 5.2).

    >>> Drift().fit(np.array([1, 5, 5])).forecast(2).mean
    array([7., 9.])
    """

    least = 3
    parameters = 1

    def _fit(self, y: Values) -> Residuals:
        self.last, self.steps = y[-1], len(y)
        self.slope = (y[-1] - y[0]) / (len(y) - 1)
        return np.diff(y) - self.slope

    def _mean(self, ahead: Steps) -> Steps:
        return self.last + self.slope * ahead

    def _growth(self, ahead: Steps) -> Steps:
        return ahead * (1 + ahead / (self.steps - 1))


class ExponentialSmoothing(Baseline):
    """Forecasts a mean in which older values weigh less and less (FPP3, section 8.1).

    The level follows l_t = α y_t + (1 - α) l_(t-1), from l_1 = y_1; its last value is
    the forecast for all steps. With α = 1 it is `Naive`.

    >>> ExponentialSmoothing(alpha=0.5).fit(np.array([2, 4, 8])).forecast(2).mean
    array([5.5, 5.5])

    Args:
        alpha: α, within 0 … 1; None chooses the one with the smallest squared
            residuals.

    Raises:
        ValueError: if α is out of range.
    """

    parameters = 1

    def __init__(self, alpha: float | None = None) -> None:
        _check_share("alpha", alpha)
        self.chosen = alpha

    def _fit(self, y: Values) -> Residuals:
        if self.chosen is None:
            from scipy.optimize import minimize_scalar

            def loss(alpha: float) -> float:
                return float((self._smooth(y, alpha)[1] ** 2).sum())

            self.alpha = float(minimize_scalar(loss, bounds=(0, 1), method="bounded").x)
        else:
            self.alpha = self.chosen
        self.level, residuals = self._smooth(y, self.alpha)
        return residuals

    @staticmethod
    def _smooth(y: Values, alpha: float) -> tuple[float, Residuals]:
        level, residuals = float(y[0]), np.empty(len(y) - 1)
        for t, value in enumerate(y[1:].tolist()):
            residuals[t] = value - level
            level += alpha * (value - level)
        return level, residuals

    def _mean(self, ahead: Steps) -> Steps:
        return np.full(len(ahead), self.level)

    def _growth(self, ahead: Steps) -> Steps:
        return 1 + (ahead - 1) * self.alpha**2


@dataclass(frozen=True)
class _HoltWintersState:
    """Where level, trend and season stand; `seasons[0]` is the next step's."""

    level: float
    trend: float
    seasons: tuple[float, ...]


class HoltWinters(Baseline):
    """Smooths a level, a trend and a season that add up (FPP3, section 8.3).

    Level, trend and season follow the error e_t of each step::

        l_t = l_(t-1) + b_(t-1) + α e_t
        b_t = b_(t-1) + αβ e_t
        s_t = s_(t-m) + γ e_t

    where e_t = y_t - l_(t-1) - b_(t-1) - s_(t-m) is the error of the one-step forecast.
    Level, trend and season start from the means of the first two seasons.

    Args:
        season: m, steps in a season, at least 2.
        alpha: α for the level, within 0 … 1; None chooses it, as for the next two.
        beta: β for the trend, within 0 … 1.
        gamma: γ for the season, within 0 … 1.

    Raises:
        ValueError: if a number is out of range.
    """

    def __init__(
        self,
        season: int,
        alpha: float | None = None,
        beta: float | None = None,
        gamma: float | None = None,
    ) -> None:
        if season < 2:
            raise ValueError(f"season must be at least 2, but is {season}")
        for name, share in (("alpha", alpha), ("beta", beta), ("gamma", gamma)):
            _check_share(name, share)
        self.season, self.least = season, 2 * season
        self.chosen = (alpha, beta, gamma)
        self.parameters = 3

    def _fit(self, y: Values) -> Residuals:
        first, second = y[: self.season].mean(), y[self.season : 2 * self.season].mean()
        seasons = tuple((y[: self.season] - first).tolist())
        start = _HoltWintersState(first, (second - first) / self.season, seasons)
        self.alpha, self.beta, self.gamma = self._choose(y, start)
        shares = self.alpha, self.beta, self.gamma
        self.state, residuals = _holt_winters(y, start, *shares)
        return residuals

    def _choose(
        self, y: Values, start: _HoltWintersState
    ) -> tuple[float, float, float]:
        """Return α, β and γ; those not given minimise the squared residuals."""
        from scipy.optimize import minimize

        free = [i for i, share in enumerate(self.chosen) if share is None]
        shares = [0.0 if share is None else share for share in self.chosen]
        scale = y.var() or 1.0

        def loss(values: Float[np.ndarray, " F"]) -> float:
            for i, value in zip(free, values.tolist(), strict=True):
                shares[i] = value
            return float((_holt_winters(y, start, *shares)[1] ** 2).sum() / scale)

        if free:
            begin = np.array([0.3, 0.1, 0.1])[free]
            loss(minimize(loss, begin, bounds=[(0, 1)] * len(free)).x)
        alpha, beta, gamma = shares
        return alpha, beta, gamma

    def _mean(self, ahead: Steps) -> Steps:
        seasons = np.array(self.state.seasons)[(ahead.astype(int) - 1) % self.season]
        return self.state.level + self.state.trend * ahead + seasons

    def _growth(self, ahead: Steps) -> Steps:
        """FPP3, table 8.8: the squared weight of each earlier error, added up."""
        weight = self.alpha * (1 + self.beta * ahead)
        weight = weight + self.gamma * (ahead % self.season == 0)
        return 1 + np.concatenate(([0.0], np.cumsum(weight**2)[:-1]))


def _holt_winters(
    y: Values, start: _HoltWintersState, alpha: float, beta: float, gamma: float
) -> tuple[_HoltWintersState, Residuals]:
    level, trend, seasons = start.level, start.trend, list(start.seasons)
    residuals = np.empty(len(y))
    for t, value in enumerate(y.tolist()):
        now = t % len(seasons)
        error = value - level - trend - seasons[now]
        level += trend + alpha * error
        trend += alpha * beta * error
        seasons[now] += gamma * error
        residuals[t] = error
    turn = len(y) % len(seasons)
    return _HoltWintersState(
        level, trend, (*seasons[turn:], *seasons[:turn])
    ), residuals


def _check_share(name: str, share: float | None) -> None:
    if share is not None and not 0 <= share <= 1:
        raise ValueError(f"{name} must be within 0 … 1, or None, but is {share}")
