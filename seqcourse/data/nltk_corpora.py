"""NLTK's corpora, for machines that have them."""

from pathlib import Path
from typing import NamedTuple

from seqcourse.data.labelled import LabelledTexts
from seqcourse.data.registry import register

__all__ = ["TaggedSentence"]


class TaggedSentence(NamedTuple):
    """The words of a sentence and, for each, its part of speech."""

    words: list[str]
    tags: list[str]


@register(
    name="udhr",
    title="Universal Declaration of Human Rights",
    licence="public domain",
    source="NLTK corpus udhr",
    package="NLTK",
    files=("corpora/udhr.zip",),
    size=1_170_177,
    sha256="97e4c9dfa4a402f243d60b03d511afb04cf63f92f9ad1be9108b511448c329fa",
    install="python -m nltk.downloader udhr",
)
def _udhr(files: list[Path]) -> LabelledTexts:
    """Return the Declaration's lines in languages that come as Latin-1 or UTF-8."""
    from nltk.corpus import udhr

    rows = []
    for name in udhr.fileids():
        if name.endswith(("-Latin1", "-UTF8")):
            language = name.rpartition("-")[0]
            lines = [line.strip() for line in udhr.raw(name).splitlines()]
            rows += [(line, language) for line in lines if line]
    return LabelledTexts([text for text, _ in rows], [label for _, label in rows])


@register(
    name="treebank",
    title="Penn Treebank sample",
    licence="for non-commercial use (NLTK's 5 % sample)",
    source="Marcus, Santorini and Marcinkiewicz (1993); NLTK corpus treebank",
    package="NLTK",
    files=("corpora/treebank.zip",),
    size=1_740_034,
    sha256="9da92d76c3666cfb6cddeaed0f7e86b344cce0f0928a286d439e555f19c37399",
    install="python -m nltk.downloader treebank",
)
def _treebank(files: list[Path]) -> list[TaggedSentence]:
    """Return sentences of the Wall Street Journal with their parts of speech."""
    from nltk.corpus import treebank

    return [
        TaggedSentence([word for word, _ in sentence], [tag for _, tag in sentence])
        for sentence in treebank.tagged_sents()
    ]
