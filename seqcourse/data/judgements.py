"""What word vectors learn from, and what they are judged by."""

from pathlib import Path
from typing import NamedTuple

from seqcourse.data.registry import register

__all__ = ["Analogy", "RatedPair"]

_FOLDER = "gensim/test/test_data/"


class RatedPair(NamedTuple):
    """Two words, and how alike people found them, from 0 to 10."""

    first: str
    second: str
    rating: float


class Analogy(NamedTuple):
    """The question what is to `c` as `b` is to `a`, and its answer `d`."""

    a: str
    b: str
    c: str
    d: str


@register(
    name="lee-background",
    title="Lee background corpus: short news texts",
    licence="for research, with citation (Lee et al. 2005); LGPL-2.1 (package)",
    source="Lee, Pincombe and Welsh (2005), in gensim",
    package="gensim",
    files=(_FOLDER + "lee_background.cor",),
    size=360_082,
    sha256="5d78d6dafd953bbf65797bef09a9ffb9ec430583381be705f8fd460000f370fb",
)
def _lee_background(files: list[Path]) -> list[str]:
    """Return 300 texts of the Australian Broadcasting Corporation's news."""
    return files[0].read_text(encoding="utf-8").splitlines()


@register(
    name="wordsim-353",
    title="WordSim-353: rated pairs of words",
    licence="CC BY 4.0 (ratings); LGPL-2.1 (package)",
    source="Finkelstein et al. (2002), in gensim",
    package="gensim",
    files=(_FOLDER + "wordsim353.tsv",),
    size=7_186,
    sha256="f92a022fc2537793a15bc3a8c162ebcd74990e033a228bb6388cb71e4c0b1e1d",
)
def _wordsim(files: list[Path]) -> list[RatedPair]:
    """Return pairs rated for relatedness: "coffee" goes with "cup" here."""
    return _rated(files[0])


@register(
    name="simlex-999",
    title="SimLex-999: rated pairs of words",
    licence="for research, with citation (Hill et al. 2015); LGPL-2.1 (package)",
    source="Hill, Reichart and Korhonen (2015), in gensim",
    package="gensim",
    files=(_FOLDER + "simlex999.txt",),
    size=18_126,
    sha256="d5e0501971478a511430ee880bd0121e94ac701ba86d90544d83e6d2ba3db05d",
)
def _simlex(files: list[Path]) -> list[RatedPair]:
    """Return pairs rated for similarity alone: "coffee" is not a "cup" here."""
    return _rated(files[0])


@register(
    name="questions-words",
    title="Google's analogy questions",
    licence="Apache-2.0 (word2vec); LGPL-2.1 (package)",
    source="Mikolov et al. (2013), in gensim",
    package="gensim",
    files=(_FOLDER + "questions-words.txt",),
    size=603_955,
    sha256="8c29b3332afc46f3fb8be04cb5297bf96f39aa7131272dff57869b4485b22a36",
)
def _questions(files: list[Path]) -> dict[str, list[Analogy]]:
    """Return the questions by kind, such as "gram2-opposite"."""
    sections: dict[str, list[Analogy]] = {}
    for line in files[0].read_text(encoding="utf-8").splitlines():
        if line.startswith(":"):
            section = sections.setdefault(line[1:].strip(), [])
        else:
            section.append(Analogy(*line.split()))
    return sections


def _rated(file: Path) -> list[RatedPair]:
    lines = file.read_text(encoding="utf-8").splitlines()
    rows = [line.split() for line in lines if line and not line.startswith("#")]
    return [RatedPair(first, second, float(rating)) for first, second, rating in rows]
