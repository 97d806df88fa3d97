import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from seqcourse.windows import sliding_windows

MEASURE = np.array([100, 110, 108, 115, 120])
TWO_MEASURES = np.array([[0.2, 88], [0.5, 89], [0.7, 87], [0.4, 88], [1.0, 90]])
TENS = np.arange(10, 100, 10)
X1_X2_Y = np.column_stack((TENS, TENS + 5, 2 * TENS + 5))


def rows(series, **options):
    x, y = sliding_windows(series, **options).table()
    return x.tolist(), y.tolist()


# --- worked tables of the lectures ---


def test_one_step_of_one_variable():
    x, y = rows(MEASURE, lags=1)
    assert x == [[100], [110], [108], [115]]
    assert y == [[110], [108], [115], [120]]


def test_two_steps_of_one_variable():
    x, y = rows(MEASURE, lags=1, horizon=2)
    assert x == [[100], [110], [108]]
    assert y == [[110, 108], [108, 115], [115, 120]]


def test_one_variable_now_and_both_before_predict_the_other():
    x, y = rows(TWO_MEASURES, lags=1, targets=[1], known=[0])
    assert x == [[0.2, 88, 0.5], [0.5, 89, 0.7], [0.7, 87, 0.4], [0.4, 88, 1.0]]
    assert y == [[89], [87], [88], [90]]


def test_both_variables_are_predicted():
    x, y = rows(TWO_MEASURES, lags=1)
    assert x == TWO_MEASURES[:-1].tolist()
    assert y == TWO_MEASURES[1:].tolist()


def test_three_lags_of_tens():
    x, y = rows(TENS, lags=3)
    assert x[0] == [10, 20, 30]
    assert x[-1] == [60, 70, 80]
    assert y == [[40], [50], [60], [70], [80], [90]]
    assert rows(TENS, lags=3, horizon=2)[1] == [[40, 50], [50, 60], [60, 70], [70, 80], [80, 90]]


def test_a_variable_is_predicted_from_others_of_the_same_moment():
    windows = sliding_windows(X1_X2_Y, lags=3, gap=-1, inputs=[0, 1], targets=[2])
    assert windows.inputs[0].tolist() == [[10, 15], [20, 25], [30, 35]]
    assert windows.targets.ravel().tolist() == [65, 85, 105, 125, 145, 165, 185]
    assert windows.table()[0][0].tolist() == [10, 15, 20, 25, 30, 35]
    two = sliding_windows(X1_X2_Y, lags=3, gap=-1, horizon=2, inputs=[0, 1], targets=[2])
    assert two.targets[:3, :, 0].tolist() == [[65, 85], [85, 105], [105, 125]]


# --- by brute force ---


@pytest.mark.parametrize("lags", [1, 3, (1,), (2, 5), (12, 1, 2)])
@pytest.mark.parametrize(("horizon", "gap", "stride"), [(1, 0, 1), (2, 3, 1), (5, 0, 7), (3, 2, 2)])
def test_every_window_is_what_its_definition_says(lags, horizon, gap, stride):
    series = np.random.default_rng(0).normal(size=(41, 3))
    windows = sliding_windows(series, lags=lags, horizon=horizon, gap=gap, stride=stride)
    offsets = sorted(range(1, lags + 1) if isinstance(lags, int) else lags, reverse=True)
    expected = [
        (t, [series[t - gap - lag] for lag in offsets], series[t : t + horizon])
        for t in range(41)
        if t - gap - offsets[0] >= 0 and t + horizon <= 41
    ][::stride]
    assert windows.times.tolist() == [t for t, _, _ in expected]
    np.testing.assert_array_equal(windows.inputs, [past for _, past, _ in expected])
    np.testing.assert_array_equal(windows.targets, [future for _, _, future in expected])
    assert windows.known.shape == (len(windows), horizon, 0)


def test_no_input_depends_on_what_comes_after_it():
    series = np.random.default_rng(0).normal(size=(31, 2))
    before = sliding_windows(series, lags=5, horizon=3, gap=2)
    for t in range(31):
        changed = series.copy()
        changed[t:] += 1
        after = sliding_windows(changed, lags=5, horizon=3, gap=2)
        same = (after.inputs == before.inputs).all(axis=(1, 2))
        assert same[before.times - 2 <= t].all()


def test_a_linear_law_is_found_in_its_windows():
    rng = np.random.default_rng(0)
    series = [0.0, 0.0]
    for _ in range(499):
        series.append(1.2 * series[-1] - 0.7 * series[-2] + rng.normal())
    x, y = sliding_windows(np.array(series), lags=2).table()
    coefficients = LinearRegression().fit(x, y).coef_[0]
    np.testing.assert_allclose(coefficients, [-0.7, 1.2], atol=0.07)


# --- parts ---


def test_a_split_lets_no_target_stand_on_both_sides():
    windows = sliding_windows(np.arange(23), lags=3, horizon=2)
    train, test = windows.split(11)
    assert train.targets.max() == 10
    assert test.targets.min() == 11
    assert len(train) + len(test) == len(windows) - 1  # the one with the targets 10 and 11
    assert test.inputs.min() == 8  # the past may be known


def test_some_windows_of_all():
    windows = sliding_windows(TENS, lags=3)
    assert len(windows) == 6
    assert windows[::2].times.tolist() == [3, 5, 7]
    assert windows[np.array([5, 0])].targets.ravel().tolist() == [90, 40]
    assert len(windows[windows.times > 6]) == 2


def test_windows_with_missing_values_are_refused_or_left_out(unchecked_shapes):
    series = np.arange(11.0)
    series[5] = np.nan
    with pytest.raises(ValueError, match="3 of 9 windows hold missing values; fill with"):
        sliding_windows(series, lags=2)
    windows = sliding_windows(series, lags=2, missing="drop")
    assert windows.times.tolist() == [2, 3, 4, 8, 9, 10]
    with pytest.raises(ValueError, match="missing must be 'raise' or 'drop', but is 'keep'"):
        sliding_windows(series, lags=2, missing="keep")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lags": 0}, "lags must be a number of steps, or distinct lags from 1 on, but is 0"),
        ({"lags": (1, 1)}, r"distinct lags from 1 on, but is \(1, 1\)"),
        ({"lags": (0, 2)}, r"distinct lags from 1 on, but is \(0, 2\)"),
        ({"lags": ()}, r"distinct lags from 1 on, but is \(\)"),
        ({"lags": 2, "horizon": 0}, "horizon must be at least 1, but is 0"),
        ({"lags": 2, "gap": -2}, "gap must be at least -1, but is -2"),
        ({"lags": 2, "stride": 0}, "stride must be at least 1, but is 0"),
        ({"lags": 2, "inputs": [3]}, "inputs names variable 3, but the series has 0 … 2"),
        ({"lags": 2, "targets": [-1]}, "targets names variable -1, but the series has 0 … 2"),
        ({"lags": 2, "targets": []}, "targets is empty: name at least one variable"),
        ({"lags": 2, "gap": -1}, "with gap -1 variable 0 would be its own input"),
        ({"lags": 2, "known": [1]}, "variable 1 is a target, so it cannot be known in advance"),
        ({"lags": 8, "horizon": 2}, "series has 9 steps, but one window .* takes 10"),
    ],
)
def test_what_makes_no_window_is_explained(options, message):
    with pytest.raises(ValueError, match=message):
        sliding_windows(X1_X2_Y, **options)


def test_a_series_has_one_or_two_axes(unchecked_shapes):
    with pytest.raises(ValueError, match=r"shape \(T,\) or \(T, D\), but has \(2, 3, 4\)"):
        sliding_windows(np.zeros((2, 3, 4)), lags=1)
