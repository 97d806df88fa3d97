import numpy as np
import pytest
from sklearn import metrics

from seqcourse.baselines import Naive, SeasonalNaive
from seqcourse.forecast_metrics import coverage, mae, mase, pinball, rmse

RNG = np.random.default_rng(0)
TARGETS, FORECASTS = RNG.normal(size=(7, 5)), RNG.normal(size=(7, 5))


def test_errors_equal_sklearn():
    flat = TARGETS.ravel(), FORECASTS.ravel()
    assert mae(TARGETS, FORECASTS) == pytest.approx(metrics.mean_absolute_error(*flat))
    assert rmse(TARGETS, FORECASTS) == pytest.approx(metrics.root_mean_squared_error(*flat))
    for quantile in (0.1, 0.5, 0.975):
        assert pinball(TARGETS, FORECASTS, quantile=quantile) == pytest.approx(
            metrics.mean_pinball_loss(*flat, alpha=quantile)
        )


def test_the_scaled_error_by_hand():
    train = np.array([10.0, 20.0, 12.0, 26.0])  # steps 10, 8, 14; seasons of two: 2, 6
    targets, forecasts = np.array([30.0, 20.0]), np.array([25.0, 21.0])
    assert mase(targets, forecasts, train=train) == pytest.approx(3 / (32 / 3))
    assert mase(targets, forecasts, train=train, season=2) == pytest.approx(3 / 4)


@pytest.mark.parametrize("season", [1, 7])
def test_the_naive_forecast_of_the_training_part_scores_one(season):
    series = RNG.normal(size=41).cumsum()
    one_step = [
        SeasonalNaive(season).fit(series[:t]).forecast(1).mean[0] for t in range(season + 1, 41)
    ]
    errors = np.abs(series[season:] - series[:-season])
    scale = errors[1:].mean() / errors.mean()  # it cannot be fitted to the first season alone
    scored = mase(series[season + 1 :], np.array(one_step), train=series, season=season)
    assert scored == pytest.approx(scale)


def test_no_unit_and_no_origin_matter_to_the_scaled_error():
    train = RNG.normal(size=31)
    score = mase(TARGETS, FORECASTS, train=train)
    moved = mase(40 * TARGETS + 7, 40 * FORECASTS + 7, train=40 * train + 7)
    assert moved == pytest.approx(score)


def test_the_quantile_minimises_its_pinball_loss():
    sample = RNG.normal(size=10_001)
    grid = np.linspace(-2, 2, 81)
    losses = [pinball(sample, np.full_like(sample, q), quantile=0.8) for q in grid]
    assert grid[np.argmin(losses)] == pytest.approx(np.quantile(sample, 0.8), abs=0.05)


def test_coverage_counts_bounds_as_inside():
    targets = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    assert coverage(targets, np.full(5, 2.0), np.full(5, 4.0)) == pytest.approx(3 / 5)


def test_a_random_walk_is_covered_as_promised():
    walks = RNG.normal(size=(400, 60)).cumsum(axis=1)
    parts = [Naive().fit(walk[:50]).forecast(10, level=0.8) for walk in walks]
    lower, upper = (np.array([getattr(p, bound) for p in parts]) for bound in ("lower", "upper"))
    assert coverage(walks[:, 50:], lower, upper) == pytest.approx(0.8, abs=0.03)


@pytest.mark.parametrize("score", [mae, rmse, coverage, pinball, mase])
def test_what_cannot_be_compared_is_explained(score, unchecked_shapes):
    options = {mase: {"train": np.arange(3)}, pinball: {"quantile": 0.5}}.get(score, {})
    more = [np.zeros(3)] if score is coverage else []
    with pytest.raises(ValueError, match=r"same shape, but have \(3,\) and \(2,\)"):
        score(np.zeros(3), np.zeros(2), *more, **options)
    if score is not coverage:
        with pytest.raises(ValueError, match="targets is empty: there is nothing to compare"):
            score(np.zeros(0), np.zeros(0), **options)


def test_options_that_make_no_sense_are_explained():
    with pytest.raises(ValueError, match="lower must nowhere be above upper"):
        coverage(np.zeros(2), np.ones(2), np.zeros(2))
    with pytest.raises(ValueError, match="quantile must be between 0 and 1, but is 1"):
        pinball(TARGETS, FORECASTS, quantile=1)
    for season in (0, 3):
        with pytest.raises(ValueError, match=f"within 1 … 2, the .* 3 steps, but is {season}"):
            mase(TARGETS, FORECASTS, train=np.arange(3), season=season)
    for train in (np.ones(5), np.array([1.0, np.nan, 2.0])):
        with pytest.raises(ValueError, match="train repeats itself every 1 steps"):
            mase(TARGETS, FORECASTS, train=train)
