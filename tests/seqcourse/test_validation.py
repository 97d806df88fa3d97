import numpy as np
import pytest
from sklearn.model_selection import TimeSeriesSplit

from seqcourse.baselines import Naive, SeasonalNaive
from seqcourse.validation import (
    Fold,
    backtest,
    random_split,
    time_split,
    walk_forward,
)


def test_the_last_steps_are_tested():
    fold = time_split(23, test=5, gap=3)
    assert fold.train.tolist() == list(range(15))
    assert fold.test.tolist() == list(range(18, 23))


def test_a_random_split_holds_everything_once():
    train, test = random_split(23, test=5, rng=np.random.default_rng(0))
    assert len(test) == 5
    assert sorted([*train, *test]) == list(range(23))
    assert train.max() > test.min()  # that is what is wrong with it
    assert (np.diff(train) > 0).all()


@pytest.mark.parametrize("gap", [0, 2])
@pytest.mark.parametrize("rolling", [False, True])
def test_walking_forward_equals_sklearn(gap, rolling):
    ours = walk_forward(29, train=29 - 4 * 5 - gap, horizon=5, gap=gap, rolling=rolling)
    largest = 29 - 4 * 5 - gap if rolling else None
    oracle = TimeSeriesSplit(4, max_train_size=largest, test_size=5, gap=gap)
    expected = list(oracle.split(np.zeros(29)))
    assert len(ours) == len(expected) == 4
    for fold, (train, test) in zip(ours, expected, strict=True):
        assert fold.train.tolist() == train.tolist()
        assert fold.test.tolist() == test.tolist()


def test_folds_may_overlap_and_end_whole():
    folds = walk_forward(11, train=4, horizon=3, stride=2)
    assert [fold.test.tolist() for fold in folds] == [[4, 5, 6], [6, 7, 8], [8, 9, 10]]
    assert len(walk_forward(12, train=4, horizon=3, stride=2)) == 3


def test_no_fold_trains_on_its_future():
    for gap in range(3):
        for fold in [time_split(31, test=7, gap=gap), *walk_forward(31, train=5, gap=gap)]:
            assert fold.train.max() + gap < fold.test.min()


def test_a_backtest_is_what_a_loop_by_hand_gives():
    series = np.random.default_rng(0).normal(size=31).cumsum()
    folds = walk_forward(31, train=11, horizon=3, stride=4, gap=2, rolling=True)
    result = backtest(SeasonalNaive(7), series, folds, level=0.8)
    for i, fold in enumerate(folds):
        forecast = SeasonalNaive(7).fit(series[fold.train]).forecast(5, level=0.8)
        np.testing.assert_array_equal(result.forecasts[i], forecast.mean[2:])
        np.testing.assert_array_equal(result.lower[i], forecast.lower[2:])
        np.testing.assert_array_equal(result.upper[i], forecast.upper[2:])
        np.testing.assert_array_equal(result.targets[i], series[fold.test])


def test_a_forecaster_is_shown_its_past_alone():
    series = np.arange(20.0)
    for fold in walk_forward(20, train=5, horizon=2):
        changed = series.copy()
        changed[fold.test[0] :] = -99
        before, after = (backtest(Naive(), s, [fold]).forecasts for s in (series, changed))
        np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: time_split(9, test=0), "test must be at least 1, but is 0"),
        (lambda: time_split(9, test=1, gap=-1), "gap must be at least 0, but is -1"),
        (lambda: time_split(9, test=7, gap=2), "test and gap take 9 of 9 steps: none is left"),
        (
            lambda: random_split(9, test=9, rng=np.random.default_rng(0)),
            "test must be within 1 … 8, but is 9",
        ),
        (lambda: walk_forward(9, train=0), "train must be at least 1, but is 0"),
        (lambda: walk_forward(9, train=2, horizon=0), "horizon must be at least 1, but is 0"),
        (lambda: walk_forward(9, train=2, stride=0), "stride must be at least 1, but is 0"),
        (lambda: walk_forward(9, train=2, gap=-2), "gap must be at least 0, but is -2"),
        (
            lambda: walk_forward(9, train=5, horizon=3, gap=2),
            r"takes train \+ gap \+ horizon = 10 steps, but there are 9",
        ),
        (lambda: backtest(Naive(), np.zeros(9), []), "folds is empty: backtest needs"),
        (
            lambda: backtest(
                Naive(), np.zeros(9), [random_split(9, test=3, rng=np.random.default_rng(0))]
            ),
            "fold 0 trains up to step 8 but tests from .*: a forecaster must not see its future",
        ),
        (
            lambda: backtest(Naive(), np.zeros(9), [Fold(np.array([0, 2]), np.array([3]))]),
            "the training part of fold 0 has holes",
        ),
    ],
)
def test_what_makes_no_honest_test_is_explained(make, message):
    with pytest.raises(ValueError, match=message):
        make()
