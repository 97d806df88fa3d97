from collections import Counter

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from statsmodels import datasets as oracle

from seqcourse import data


def test_sunspots_are_those_of_statsmodels():
    series = data.load("sunspots")
    table = oracle.sunspots.load_pandas().data
    np.testing.assert_array_equal(series.values, table["SUNACTIVITY"])
    assert series.times == [f"{year:.0f}" for year in table["YEAR"]]
    assert (series.times[0], series.times[-1], series.season) == ("1700", "2008", None)


def test_co2_is_that_of_statsmodels_with_its_gaps():
    series = data.load("co2")
    table = oracle.co2.load_pandas().data
    np.testing.assert_array_equal(series.values, table["co2"])
    assert series.times == [str(day.date()) for day in table.index]
    assert np.isnan(series.values).sum() == 59
    assert (series.unit, series.season) == ("ppm", 52)


def test_elnino_is_that_of_statsmodels_month_by_month():
    series = data.load("elnino")
    table = oracle.elnino.load_pandas().data
    np.testing.assert_array_equal(series.values, table.iloc[:, 1:].to_numpy().ravel())
    assert (series.times[0], series.times[13], series.times[-1]) == (
        "1950-01",
        "1951-02",
        "2010-12",
    )
    assert len(series.times) == len(series.values) == 61 * 12


def test_economic_indices_are_those_of_statsmodels():
    panel = data.load("us-macro")
    table = oracle.macrodata.load_pandas().data
    np.testing.assert_array_equal(panel.values, table.iloc[:, 2:])
    assert len(panel.variables) == panel.values.shape[1] == 12
    assert (panel.times[0], panel.times[-1], len(panel.times)) == ("1959Q1", "2009Q3", 203)
    column = panel.variables.index("consumer price index (1982-84 = 100)")
    np.testing.assert_array_equal(panel.values[:, column], table["cpi"])


def test_shares_have_prices_from_their_first_day_on():
    panel = data.load("shares")
    assert panel.values.shape == (123, 5)
    assert (panel.times[0], panel.times[-1]) == ("2000-01", "2010-03")
    google = panel.values[:, panel.variables.index("GOOG (US$)")]
    assert np.isnan(google[:55]).all()
    assert panel.times[55] == "2004-08"
    assert np.isfinite(np.delete(panel.values, 3, axis=1)).all()
    assert panel.values[0, 0] == 39.81


def test_vowels_are_of_any_length_and_speakers_differ():
    train, test = data.load("japanese-vowels")
    assert (len(train.series), len(test.series)) == (270, 370)
    assert Counter(train.labels) == {str(speaker): 30 for speaker in range(1, 10)}
    lengths = {len(series) for series in train.series + test.series}
    assert (min(lengths), max(lengths)) == (7, 29)
    assert {series.shape[1] for series in train.series} == {12}
    first = [1.860936, -0.207383, 0.261557]
    np.testing.assert_array_equal(train.series[0][0, :3], first)
    means = [np.array([series.mean(axis=0) for series in part.series]) for part in (train, test)]
    model = LogisticRegression(max_iter=1000).fit(means[0], train.labels)
    assert model.score(means[1], test.labels) > 0.9


def test_motions_are_ten_seconds_of_six_measurements():
    train, test = data.load("basic-motions")
    for part in (train, test):
        kinds = ("Standing", "Running", "Walking", "Badminton")
        assert Counter(part.labels) == dict.fromkeys(kinds, 10)
        assert {series.shape for series in part.series} == {(100, 6)}
    energy = {
        label: np.mean([s.std() for s, of in zip(*train, strict=True) if of == label])
        for label in set(train.labels)
    }
    assert min(energy, key=energy.get) == "Standing"


@pytest.mark.parametrize("name", ["sunspots", "co2", "elnino"])
def test_a_series_has_a_time_for_each_value(name):
    series = data.load(name)
    assert len(series.times) == len(series.values)
    assert series.times == sorted(series.times)
