import datetime
import re

import numpy as np
import pytest
from num2words import num2words

from seqcourse import data
from seqcourse.data.pairs import FORMATS, LOCALES

# --- names ---


def test_names_stand_with_the_country_where_they_are_most_common():
    names = data.load("first-names")
    assert len(names.texts) == len(set(names.texts)) > 40_000
    country = dict(zip(*names, strict=True))
    assert country["Aafke"] == "Netherlands"  # frequencies 4, and 1 in East Frisia
    assert country["Abay"] == "Central Asia"
    assert "Aaron" not in country  # as common in the United States as in India
    assert country["Yoshiko"] == "Japan"
    assert "Jun-Wei" in country
    assert "Aart" in country
    assert len(set(names.labels)) == 55


def test_names_are_made_of_letters():
    for name in data.load("first-names").texts:
        assert re.fullmatch(r"[^\W\d_]+([-' ]+[^\W\d_]*)*|'.*", name), name


# --- words ---


def test_lee_background_is_300_texts():
    texts = data.load("lee-background")
    assert len(texts) == 300
    assert all(text.strip() for text in texts)
    assert texts[0].startswith("Hundreds of people have been forced to vacate their homes")


def test_pairs_of_words_are_rated():
    relatedness, similarity = data.load("wordsim-353"), data.load("simlex-999")
    assert (len(relatedness), len(similarity)) == (353, 999)
    for pair in relatedness + similarity:
        assert 0 <= pair.rating <= 10
    assert relatedness[0] == ("love", "sex", 6.77)
    assert similarity[0] == ("old", "new", 1.58)
    assert ("cup", "coffee", 6.58) in relatedness


def test_analogies_come_by_kind():
    sections = data.load("questions-words")
    assert len(sections) == 14
    assert sum(map(len, sections.values())) == 19_544
    assert sections["family"][0] == ("boy", "girl", "brother", "sister")
    assert sections["capital-common-countries"][0] == ("Athens", "Greece", "Baghdad", "Iraq")


# --- sounds ---


def test_words_have_all_their_pronunciations():
    sounds = data.load("cmudict")
    assert len(sounds) == 126_052
    assert sounds["word"] == [("W", "ER1", "D")]
    assert sounds["read"] == [("R", "EH1", "D"), ("R", "IY1", "D")]
    assert sounds["mat"] == [("M", "AE1", "T")]
    assert sounds["mate"] == [("M", "EY1", "T")]
    assert sounds["aalborg"][0] == ("AO1", "L", "B", "AO0", "R", "G")  # a comment follows there
    phones = {
        re.sub(r"\d$", "", phone) for ways in sounds.values() for way in ways for phone in way
    }
    assert len(phones) == 39


# --- numbers in words ---


def test_numbers_in_two_languages():
    pairs = data.load("number-words")
    assert len(pairs) == 10_000
    assert pairs[71] == ("seventy-one", "soixante et onze")
    assert pairs[1999].target == "mille neuf cent quatre-vingt-dix-neuf"
    for side in zip(*pairs, strict=True):
        assert len(set(side)) == 10_000  # no number is written like another


def test_other_numbers_and_languages():
    pairs = data.number_pairs([12_345, -3], source="de", target="es")
    assert pairs[0].source == num2words(12_345, lang="de")
    assert pairs[1] == ("minus drei", "menos tres")


# --- dates ---


def test_dates_are_cut_by_day():
    split = data.load("dates")
    assert [len(part) for part in split] == [20_000, 1000, 1000]
    days = [{pair.target for pair in part} for part in split]
    assert not days[0] & days[1]
    assert not days[0] & days[2]
    assert not days[1] & days[2]
    every = set().union(*days)
    assert len(every) == 22_000
    assert min(every) >= "1950-01-01"
    assert max(every) <= "2049-12-31"


def test_dates_are_the_same_each_time():
    data.load.cache_clear()
    first = data.load("dates")
    data.load.cache_clear()
    assert data.load("dates") == first


def test_what_is_written_means_one_day_alone():
    days = [datetime.date(2013, 1, 1) + datetime.timedelta(days=d) for d in range(365)]
    meaning: dict[str, str] = {}
    for locale in LOCALES:
        for form in FORMATS:
            options = {"rng": np.random.default_rng(0), "locales": [locale], "formats": [form]}
            for source, target in data.date_pairs(days, **options):
                assert meaning.setdefault(source, target) == target, (source, locale, form)
                assert re.search(r"\b2013\b|2013年", source)
                assert re.search(rf"(?<!\d)0?{int(target[-2:])}(?!\d)", source)


@pytest.mark.parametrize(
    ("locale", "form", "written"),
    [
        ("en", "full", "Friday, May 9, 2031"),
        ("en_GB", "medium", "9 May 2031"),
        ("de", "medium", "09.05.2031"),
        ("ja", "long", "2031年5月9日"),
        ("ru", "long", "9 мая 2031 г."),
    ],
)
def test_dates_by_hand(locale, form, written):
    day = datetime.date(2031, 5, 9)
    options = {"rng": np.random.default_rng(0), "locales": [locale], "formats": [form]}
    assert data.date_pairs([day], **options) == [(written, "2031-05-09")]
