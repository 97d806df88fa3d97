"""Pairs of sequences that mean the same: numbers in words, and dates of many countries.

Both are generated: by num2words, and by Babel from the Unicode Common Locale Data
Repository. `load("number-words")` and `load("dates")` give fixed sets; the functions
here give others.
"""

import datetime
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from seqcourse.data.registry import register

__all__ = ["FORMATS", "LOCALES", "Pair", "PairSplit", "date_pairs", "number_pairs"]


class Pair(NamedTuple):
    """What is read, and what is to be written."""

    source: str
    target: str


class PairSplit(NamedTuple):
    """Pairs cut in three: to learn from, to choose by, and to report on."""

    train: list[Pair]
    valid: list[Pair]
    test: list[Pair]


# --- numbers in words ---


def number_pairs(
    numbers: Iterable[int], *, source: str = "en", target: str = "fr"
) -> list[Pair]:
    """Write whole numbers in words of two languages.

    >>> number_pairs([80])
    [Pair(source='eighty', target='quatre-vingts')]

    Args:
        numbers: which.
        source: num2words' code of the language to read.
        target: that of the language to write.

    Raises:
        NotImplementedError: if num2words does not know a language.
    """
    from num2words import num2words

    return [Pair(num2words(n, lang=source), num2words(n, lang=target)) for n in numbers]


@register(
    name="number-words",
    title="Numbers from 0 to 9999 in words, English and French",
    licence="generated; LGPL-2.1 (package)",
    source="num2words 0.5.14",
    package="num2words",
    files=tuple(
        f"num2words/{name}.py" for name in ("base", "lang_EN", "lang_EUR", "lang_FR")
    ),
    size=18_689,
    sha256="da805d1a5b9a647e6a6d92b42f4363bfa8b96f82d07d8350bed43677bf7274ed",
    install="python -m pip install num2words",
)
def _number_words(files: list[Path]) -> list[Pair]:
    """Return the numbers in English and in French, in order; `split` them."""
    return number_pairs(range(10_000))


# --- dates ---

LOCALES = (
    *("cs", "da", "de", "el", "en", "en_GB", "es", "fi", "fr", "hu", "id", "it"),
    *("ja", "nb", "nl", "pl", "pt", "ro", "ru", "sv", "tr", "uk", "vi"),
)
"""Languages whose dates below have one meaning each, whatever the language."""

FORMATS = ("full", "long", "medium")
"""CLDR's formats, without "short", which may drop the century."""

_FIRST, _LAST = datetime.date(1950, 1, 1), datetime.date(2049, 12, 31)


def date_pairs(
    days: Iterable[datetime.date],
    *,
    rng: np.random.Generator,
    locales: Sequence[str] = LOCALES,
    formats: Sequence[str] = FORMATS,
) -> list[Pair]:
    """Write each day as people of a random country do, and as ISO 8601 does.

    >>> day = datetime.date(2031, 5, 9)
    >>> rng = np.random.default_rng(0)
    >>> date_pairs([day], rng=rng, locales=["fr"], formats=["full"])
    [Pair(source='vendredi 9 mai 2031', target='2031-05-09')]

    Raises:
        babel.UnknownLocaleError: if Babel does not know a locale.
    """
    from babel import Locale
    from babel.dates import format_date

    known = [Locale.parse(locale) for locale in locales]
    pairs = []
    for day in days:
        locale = known[int(rng.integers(len(known)))]
        form = formats[int(rng.integers(len(formats)))]
        written = format_date(day, form, locale)
        pairs.append(Pair(" ".join(written.split()), day.isoformat()))
    return pairs


@register(
    name="dates",
    title="Dates as people of many countries write them, and in ISO 8601",
    licence="generated; Unicode-3.0 (CLDR data); BSD-3-Clause (package)",
    source="Unicode Common Locale Data Repository, in Babel",
    package="babel",
    files=(
        "babel/locale-data/root.dat",
        *(f"babel/locale-data/{name}.dat" for name in LOCALES),
    ),
    size=4_251_040,
    sha256="4ef81ae8a9545b286e22711cbd5072d65994cc303a6441e50e38e4694d011ac9",
    install="python -m pip install babel",
)
def _dates(files: list[Path]) -> PairSplit:
    """Return 20,000, 1000 and 1000 pairs of the years 1950 to 2049.

    Cut by day: no day of one part is in another, in whatever language.
    """
    rng = np.random.default_rng(0)
    order = rng.permutation((_LAST - _FIRST).days + 1)[:22_000].tolist()
    days = [_FIRST + datetime.timedelta(days=days) for days in order]
    pairs = date_pairs(days, rng=rng)
    return PairSplit(pairs[:20_000], pairs[20_000:21_000], pairs[21_000:])
