import numpy as np
import pandas as pd
import pytest
from sklearn import preprocessing

from seqcourse.cleaning import (
    MinMaxScaler,
    StandardScaler,
    downsample,
    fill_gaps,
    is_outlier,
    resample,
    robust_z,
    trailing_z,
)

NAN = np.nan


def gappy(length: int = 53, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=length)
    values[rng.random(length) < 0.4] = NAN
    return values


# --- frequency ---


@pytest.mark.parametrize("how", ["mean", "sum", "min", "max", "first", "last"])
def test_downsampling_equals_pandas(how):
    series = np.random.default_rng(0).normal(size=(47, 3))
    groups = pd.DataFrame(series[:45]).groupby(np.arange(45) // 5)
    np.testing.assert_allclose(downsample(series, 5, how=how), getattr(groups, how)())


def test_a_missing_value_makes_its_group_missing():
    series = np.array([1.0, NAN, 3.0, 5.0])
    np.testing.assert_array_equal(downsample(series, 2), [NAN, 4])
    np.testing.assert_array_equal(downsample(series, 2, how="first"), [1, 3])


@pytest.mark.parametrize("how", ["previous", "linear"])
def test_resampling_equals_pandas(how):
    times = np.array([0.0, 1.0, 4.0, 6.0, 7.0, 11.0])
    values = np.random.default_rng(0).normal(size=6)
    grid, ours = resample(times, values, step=0.5, how=how)
    series = pd.Series(values, index=times).reindex(np.arange(0, 11.5, 0.5))
    expected = series.ffill() if how == "previous" else series.interpolate("index")
    np.testing.assert_allclose(grid, expected.index)
    np.testing.assert_allclose(ours, expected)


def test_the_last_time_is_kept_though_steps_are_not_exact():
    grid, _ = resample(np.array([0.0, 0.7]), np.array([1.0, 2.0]), step=0.1, how="linear")
    assert len(grid) == 8


def test_resampling_with_the_previous_value_looks_back_only():
    times, values = np.array([0.0, 3.0, 5.0]), np.array([1.0, 2.0, 9.0])
    _, before = resample(times, values, step=1)
    _, after = resample(times, np.array([1.0, 2.0, -9.0]), step=1)
    np.testing.assert_array_equal(before[:5], after[:5])


def test_what_cannot_be_resampled_is_explained(unchecked_shapes):
    series = np.arange(5)
    with pytest.raises(ValueError, match="every must be at least 1, but is 0"):
        downsample(series, 0)
    with pytest.raises(ValueError, match="how must be one of mean, sum, .*, but is 'mode'"):
        downsample(series, 2, how="mode")
    with pytest.raises(ValueError, match="step must be above 0, but is 0"):
        resample(series, series, step=0)
    with pytest.raises(ValueError, match="times must rise from each to the next"):
        resample(series[::-1], series, step=1)
    with pytest.raises(ValueError, match="'previous' or 'linear', but is 'next'"):
        resample(series, series, step=1, how="next")


# --- gaps ---


@pytest.mark.parametrize("seed", range(3))
def test_filling_equals_pandas(seed):
    series = gappy(seed=seed)
    np.testing.assert_array_equal(fill_gaps(series), pd.Series(series).ffill())
    np.testing.assert_allclose(
        fill_gaps(series, how="linear"), pd.Series(series).interpolate(limit_area="inside")
    )


def test_a_season_fills_the_next_season():
    series = np.array([1, 2, 3, NAN, 5, 6, NAN, NAN, 9])
    filled = fill_gaps(series, how="seasonal", period=3)
    np.testing.assert_array_equal(filled, [1, 2, 3, 1, 5, 6, 1, 5, 9])
    start = fill_gaps(np.array([NAN, 2.0, NAN, NAN]), how="seasonal", period=2)
    np.testing.assert_array_equal(start, [NAN, 2, NAN, 2])


def test_gaps_that_are_too_long_stay():
    series = np.array([1, NAN, 3, NAN, NAN, 6, NAN, NAN, NAN])
    for limit, left in ((0, 6), (1, 5), (2, 3), (3, 0)):
        assert np.isnan(fill_gaps(series, limit=limit)).sum() == left


@pytest.mark.parametrize("options", [{}, {"how": "seasonal", "period": 5}])
def test_what_is_filled_without_looking_ahead_does_not_depend_on_the_future(options):
    series = gappy()
    filled = fill_gaps(series, **options)
    for t in range(len(series)):
        np.testing.assert_array_equal(fill_gaps(series[:t], **options), filled[:t])


def test_what_cannot_be_filled_is_explained(unchecked_shapes):
    with pytest.raises(ValueError, match="'previous', 'seasonal' or 'linear', but is 'next'"):
        fill_gaps(gappy(), how="next")
    for period in (None, 0):
        with pytest.raises(ValueError, match=f"a period of at least 1, but got {period}"):
            fill_gaps(gappy(), how="seasonal", period=period)


# --- outliers ---


def test_the_score_by_hand():
    train = np.array([1.0, 2.0, 4.0, 7.0, 100.0])  # median 4, deviations 3, 2, 0, 3, 96: MAD 3
    scores = robust_z(train, reference=train)
    np.testing.assert_allclose(scores, 0.6745 * np.array([-3, -2, 0, 3, 96]) / 3)
    assert is_outlier(scores).tolist() == [False] * 4 + [True]


def test_half_the_reference_may_be_wrong():
    rng = np.random.default_rng(0)
    good, bad = rng.normal(size=101), np.full(97, 1e6)
    scores = robust_z(good, reference=np.concatenate((good, bad)))
    assert np.abs(scores).max() < 10


def test_scores_of_normal_numbers_are_their_z_scores():
    values = np.random.default_rng(0).normal(5, 3, 20_001)
    scores = robust_z(values, reference=values)
    assert scores.std() == pytest.approx(1, abs=0.03)


def test_without_spread_all_but_the_median_are_outliers():
    scores = robust_z(np.array([2.0, 3.0, 1.0, NAN]), reference=np.array([2.0, 2.0, 2.0, 5.0]))
    np.testing.assert_array_equal(scores, [0, np.inf, -np.inf, NAN])
    assert is_outlier(scores).tolist() == [False, True, True, False]


def test_trailing_scores_compare_with_the_window_before():
    values = np.random.default_rng(0).normal(size=29).cumsum()
    scores = trailing_z(values, window=7)
    assert np.isnan(scores[:7]).all()
    for t in range(7, 29):
        expected = robust_z(values[t : t + 1], reference=values[t - 7 : t])
        np.testing.assert_allclose(scores[t], expected[0])


@pytest.mark.parametrize("window", [1, 9])
def test_a_window_that_does_not_fit_is_refused(window):
    with pytest.raises(ValueError, match=f"window must be within 2 … 8 here, but is {window}"):
        trailing_z(np.zeros(9), window=window)


# --- scale ---


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (StandardScaler, preprocessing.StandardScaler),
        (MinMaxScaler, preprocessing.MinMaxScaler),
    ],
)
def test_scaling_equals_sklearn_and_can_be_undone(ours, theirs):
    rng = np.random.default_rng(0)
    train, test = rng.normal(3, 5, (31, 3)), rng.normal(size=(7, 3))
    train[:, 1] = 4  # constant
    scaler, oracle = ours(train), theirs().fit(train)
    np.testing.assert_allclose(scaler.transform(test), oracle.transform(test))
    np.testing.assert_allclose(scaler.inverse(scaler.transform(test)), test)
    targets = scaler.transform(test)[:, [2]]
    np.testing.assert_allclose(scaler.only([2]).inverse(targets), test[:, [2]])


def test_windows_are_scaled_by_variable_and_series_by_one_number():
    values = np.random.default_rng(0).normal(size=(11, 5, 3))
    scaled = StandardScaler(values).transform(values)
    np.testing.assert_allclose(scaled.mean(axis=(0, 1)), 0, atol=1e-12)
    np.testing.assert_allclose(scaled.std(axis=(0, 1)), 1)
    series = np.array([2.0, NAN, 4.0])
    np.testing.assert_array_equal(StandardScaler(series).transform(series), [-1, NAN, 1])


def test_nothing_to_fit_to():
    with pytest.raises(ValueError, match="train holds no value to fit a scaler to"):
        StandardScaler(np.array([NAN, NAN]))
