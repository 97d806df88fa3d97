import warnings

import numpy as np
import pandas as pd
import pytest
from statsmodels.tools.sm_exceptions import ConvergenceWarning
from statsmodels.tsa.api import ExponentialSmoothing as Oracle
from statsmodels.tsa.api import SimpleExpSmoothing
from statsmodels.tsa.exponential_smoothing.ets import ETSModel

from seqcourse import data
from seqcourse.baselines import (
    Drift,
    ExponentialSmoothing,
    HoltWinters,
    Mean,
    Naive,
    SeasonalNaive,
)

RNG = np.random.default_rng(0)
WALK = RNG.normal(0.3, 1, 53).cumsum()
SEASONAL = np.tile([3.0, -1.0, -2.0, 4.0, -4.0], 13) + 0.2 * np.arange(65) + RNG.normal(size=65)
ALL = [Mean(), Naive(), SeasonalNaive(5), Drift(), ExponentialSmoothing(), HoltWinters(5)]


# --- by hand ---


def test_means_by_hand():
    series = np.array([2.0, 4.0, 3.0, 7.0, 9.0])
    np.testing.assert_allclose(Mean().fit(series).forecast(3).mean, [5, 5, 5])
    np.testing.assert_allclose(Naive().fit(series).forecast(3).mean, [9, 9, 9])
    np.testing.assert_allclose(SeasonalNaive(2).fit(series).forecast(3).mean, [7, 9, 7])
    np.testing.assert_allclose(Drift().fit(series).forecast(2).mean, [9 + 7 / 4, 9 + 14 / 4])


def half_widths(baseline, series, horizon, sigma):
    forecast = baseline.fit(series).forecast(horizon)
    np.testing.assert_allclose(forecast.mean - forecast.lower, forecast.upper - forecast.mean)
    return (forecast.upper - forecast.mean) / (1.959963985 * sigma)


def test_widths_by_hand():
    y = WALK
    naive = np.sqrt((np.diff(y) ** 2).mean())
    np.testing.assert_allclose(half_widths(Naive(), y, 3, naive), np.sqrt([1, 2, 3]))
    seasonal = np.sqrt(((y[5:] - y[:-5]) ** 2).mean())
    np.testing.assert_allclose(
        half_widths(SeasonalNaive(5), y, 11, seasonal), np.sqrt([1] * 5 + [2] * 5 + [3])
    )
    mean = y.std(ddof=1)
    np.testing.assert_allclose(half_widths(Mean(), y, 2, mean), np.sqrt([1 + 1 / 53] * 2))
    drift = np.diff(y).std(ddof=1)
    np.testing.assert_allclose(
        half_widths(Drift(), y, 2, drift), np.sqrt([1 + 1 / 52, 2 * (1 + 2 / 52)])
    )


def test_a_wider_level_gives_a_wider_interval():
    naive = Naive().fit(WALK)
    widths = [np.ptp([*naive.forecast(1, level=level)[1:]]) for level in (0.5, 0.8, 0.95)]
    assert widths == pytest.approx(
        [2 * z * naive.sigma for z in (0.67449, 1.281552, 1.959964)], 1e-5
    )


# --- against statsmodels ---


@pytest.mark.parametrize("alpha", [0.0, 0.1, 0.7, 1.0])
def test_exponential_smoothing_equals_statsmodels(alpha):
    oracle = SimpleExpSmoothing(WALK, initialization_method="known", initial_level=WALK[0])
    fitted = oracle.fit(smoothing_level=alpha, optimized=False)
    ours = ExponentialSmoothing(alpha).fit(WALK)
    np.testing.assert_allclose(ours.forecast(3).mean, fitted.forecast(3))
    squares = ours.sigma**2 * (len(WALK) - 1 - ours.parameters)
    assert squares == pytest.approx(fitted.sse)


def test_the_best_alpha_is_found():
    series = RNG.normal(size=101).cumsum() * 0.3 + RNG.normal(size=101)
    ours = ExponentialSmoothing().fit(series)
    sigmas = [ExponentialSmoothing(a).fit(series).sigma for a in np.linspace(0, 1, 101)]
    assert ours.sigma <= min(sigmas) + 1e-9
    assert 0 < ours.alpha < 1


def test_with_alpha_one_it_is_naive():
    np.testing.assert_allclose(ExponentialSmoothing(1).fit(WALK).forecast(2).mean, WALK[-1])


def state_space(y, alpha, beta, gamma, season):
    """The same model in statsmodels' state-space form, from the same start.

    Not `statsmodels.tsa.api.ExponentialSmoothing`, which leaves the last step out of its season.
    """
    first, second = y[:season].mean(), y[season : 2 * season].mean()
    return ETSModel(
        pd.Series(y),
        error="add",
        trend="add",
        seasonal="add",
        seasonal_periods=season,
        initialization_method="known",
        initial_level=first,
        initial_trend=(second - first) / season,
        initial_seasonal=y[:season] - first,
    ).smooth([alpha, alpha * beta, gamma])


SHARES = [(0.3, 0.2, 0.4), (0.02, 0.01, 0.03), (0.96, 0.9, 0.02), (0.5, 0.1, 0.45)]


@pytest.mark.parametrize(("alpha", "beta", "gamma"), SHARES)
@pytest.mark.parametrize("steps", [65, 63])
def test_holt_winters_equals_statsmodels(alpha, beta, gamma, steps):
    oracle = state_space(SEASONAL[:steps], alpha, beta, gamma, season=5)
    ours = HoltWinters(5, alpha, beta, gamma).fit(SEASONAL[:steps])
    np.testing.assert_allclose(ours.forecast(11).mean, oracle.forecast(11))
    assert ours.sigma**2 * (steps - 3) == pytest.approx(oracle.sse)


def widths_by_statsmodels(oracle, steps, horizon):
    frame = oracle.get_prediction(start=steps, end=steps + horizon - 1).summary_frame(alpha=0.05)
    return (frame["pi_upper"] - frame["mean"]).to_numpy()


def test_widths_grow_as_those_of_the_state_space_models():
    theirs = widths_by_statsmodels(state_space(SEASONAL, 0.3, 0.2, 0.4, season=5), 65, 13)
    ours = half_widths(HoltWinters(5, 0.3, 0.2, 0.4), SEASONAL, 13, sigma=1)
    np.testing.assert_allclose(ours / ours[0], theirs / theirs[0])
    simple = ETSModel(pd.Series(WALK), initialization_method="known", initial_level=WALK[0]).smooth(
        [0.6]
    )
    theirs = widths_by_statsmodels(simple, 53, 7)
    ours = half_widths(ExponentialSmoothing(0.6), WALK, 7, sigma=1)
    np.testing.assert_allclose(ours / ours[0], theirs / theirs[0])


def test_chosen_shares_are_no_worse_than_those_of_statsmodels():
    y = np.asarray(data.load("elnino").values[:240])
    ours = HoltWinters(12).fit(y)
    first, second = y[:12].mean(), y[12:24].mean()
    oracle = Oracle(
        y,
        trend="add",
        seasonal="add",
        seasonal_periods=12,
        initialization_method="known",
        initial_level=first,
        initial_trend=(second - first) / 12,
        initial_seasonal=y[:12] - first,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        theirs = oracle.fit().sse
    assert ours.sigma**2 * (len(y) - 3) <= theirs * 1.01


def test_a_given_share_is_kept():
    ours = HoltWinters(5, beta=0.25).fit(SEASONAL)
    assert ours.beta == 0.25
    best = HoltWinters(5).fit(SEASONAL)
    assert best.sigma <= ours.sigma


def test_a_series_without_change_is_forecast_without_change():
    for baseline in ALL:
        forecast = baseline.fit(np.full(23, 7)).forecast(3)
        for part in forecast:
            np.testing.assert_allclose(part, 7)


# --- for all ---


@pytest.mark.parametrize("baseline", ALL, ids=lambda b: type(b).__name__)
def test_forecasts_move_and_stretch_with_the_series(baseline):
    before = np.array(baseline.fit(SEASONAL).forecast(7))
    after = np.array(baseline.fit(3 * SEASONAL + 11).forecast(7))
    np.testing.assert_allclose(after, 3 * before + 11, rtol=1e-3)


@pytest.mark.parametrize("baseline", ALL, ids=lambda b: type(b).__name__)
def test_what_cannot_be_fitted_is_explained(baseline, unchecked_shapes):
    name = type(baseline).__name__
    with pytest.raises(ValueError, match=rf"{name} needs .* at least {baseline.least} steps, but"):
        baseline.fit(np.arange(baseline.least - 1))
    with pytest.raises(ValueError, match=r"but got shape \(20, 2\)"):
        baseline.fit(np.zeros((20, 2)))
    with pytest.raises(ValueError, match="series has missing values; fill them with"):
        baseline.fit(np.array([np.nan] * 20))
    baseline.fit(np.arange(baseline.least))
    with pytest.raises(ValueError, match="horizon must be at least 1, but is 0"):
        baseline.forecast(0)
    with pytest.raises(ValueError, match="level must be between 0 and 1, but is 95"):
        baseline.forecast(1, level=95)


def test_options_out_of_range_are_explained():
    with pytest.raises(RuntimeError, match=r"not fitted yet; call fit\(series\) first"):
        Naive().forecast(1)
    with pytest.raises(ValueError, match="season must be at least 1, but is 0"):
        SeasonalNaive(0)
    with pytest.raises(ValueError, match="season must be at least 2, but is 1"):
        HoltWinters(1)
    with pytest.raises(ValueError, match=r"alpha must be within 0 … 1, or None, but is 1\.5"):
        ExponentialSmoothing(1.5)
    with pytest.raises(ValueError, match=r"gamma must be within 0 … 1, or None, but is -0\.1"):
        HoltWinters(5, gamma=-0.1)
