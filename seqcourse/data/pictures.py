"""Small pictures: written digits, and compositions of them with captions."""

import gzip
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from seqcourse.data.registry import register

__all__ = ["NUMBERS", "CaptionedPictures", "Digits", "captioned_digits"]


class Digits(NamedTuple):
    """Pictures of written digits, and which digit each shows."""

    pictures: Float[np.ndarray, "N 8 8"]
    """Ink from 0 (none) to 1."""
    labels: Int[np.ndarray, " N"]
    """Digits, 0 … 9."""


class CaptionedPictures(NamedTuple):
    """Pictures, and what is to be said of each."""

    pictures: Float[np.ndarray, "N 20 20"]
    """Ink from 0 (none) to 1."""
    captions: list[str]
    """Such as "a seven above a two"."""


@register(
    name="digits",
    title="Handwritten digits, 8 × 8",
    licence="CC BY 4.0 (UCI); BSD-3-Clause (package)",
    source="Alpaydin and Kaynak (1998), in scikit-learn",
    package="scikit-learn",
    files=("sklearn/datasets/data/digits.csv.gz",),
    size=57_523,
    sha256="09f66e6debdee2cd2b5ae59e0d6abbb73fc2b0e0185d2e1957e9ebb51e23aa22",
)
def _digits(files: list[Path]) -> Digits:
    """Return 1797 digits; writers of the first and of the last are different people."""
    text = gzip.decompress(files[0].read_bytes()).decode("ascii")
    table = np.array([row.split(",") for row in text.split()], dtype=float)
    return Digits(table[:, :-1].reshape(-1, 8, 8) / 16, table[:, -1].astype(int))


NUMBERS = (
    *("zero", "one", "two", "three", "four"),
    *("five", "six", "seven", "eight", "nine"),
)
"""The digits in words."""


def captioned_digits(
    digits: Digits, count: int, *, rng: np.random.Generator
) -> CaptionedPictures:
    """Compose pictures of one or two digits, and say what they show.

    One digit stands anywhere: "a three". Two stand side by side, "a three left of a
    seven", or one over the other, "a seven above a two". Where exactly they stand, is
    chance.

    Args:
        digits: to choose from; take other digits for training than for testing.
        count: N, how many pictures.
        rng: the source of randomness.

    Raises:
        ValueError: if `count` is below 1, or there is no digit.
    """
    if count < 1 or not len(digits.labels):
        raise ValueError(
            "captioned_digits needs a count of at least 1, and digits, but got a count "
            f"of {count} and {len(digits.labels)} digits"
        )
    pictures, captions = np.zeros((count, 20, 20)), []
    for picture in pictures:
        kind = ("alone", "left of", "above")[rng.integers(3)]
        chosen = rng.integers(len(digits.labels), size=1 if kind == "alone" else 2)
        for index, (top, left) in zip(chosen, _places(kind, rng), strict=True):
            picture[top : top + 8, left : left + 8] = digits.pictures[index]
        names = [f"a {NUMBERS[digits.labels[index]]}" for index in chosen]
        captions.append(f" {kind} ".join(names))
    return CaptionedPictures(pictures, captions)


def _places(kind: str, rng: np.random.Generator) -> list[tuple[int, int]]:
    """Return the upper left corners, (row, column), of digits that do not overlap."""
    if kind == "alone":
        row, column = rng.integers(13, size=2).tolist()
        return [(row, column)]
    across = rng.integers(13, size=2).tolist()  # across the line they stand on
    first = int(rng.integers(5))
    along = (first, int(rng.integers(first + 8, 13)))
    if kind == "left of":
        return list(zip(across, along, strict=True))
    return list(zip(along, across, strict=True))
