"""Sets of many short series, each with a label: voices and movements."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from seqcourse.data.registry import register

__all__ = ["LabelledSeries", "SeriesSplit"]


class LabelledSeries(NamedTuple):
    """Series of several variables, each of its own length, and the class of each."""

    series: list[Float[np.ndarray, "_ D"]]
    labels: list[str]


class SeriesSplit(NamedTuple):
    """Labelled series, cut in two as their authors did."""

    train: LabelledSeries
    test: LabelledSeries


@register(
    name="japanese-vowels",
    title="Japanese vowels of nine speakers",
    licence="CC BY 4.0 (UCI); BSD-3-Clause (package)",
    source="Kudo, Toyama and Shimbo (1999), in aeon",
    package="aeon",
    files=(
        "aeon/datasets/data/JapaneseVowels/JapaneseVowels_TEST.ts",
        "aeon/datasets/data/JapaneseVowels/JapaneseVowels_TRAIN.ts",
    ),
    size=1_137_103,
    sha256="ac9dfa17b3a52e90fe56a17f7f44659afea1e078f3755484bb0236e8a00aca5a",
)
def _japanese_vowels(files: list[Path]) -> SeriesSplit:
    """Return utterances of 7 to 29 frames of 12 numbers, by speaker "1" … "9"."""
    test, train = (_parse(file) for file in files)
    return SeriesSplit(train, test)


@register(
    name="basic-motions",
    title="Motions measured by a smart watch",
    licence="for research, with citation (UEA archive); BSD-3-Clause (package)",
    source="Bagnall et al. (2018), the UEA archive, in aeon",
    package="aeon",
    files=(
        "aeon/datasets/data/BasicMotions/BasicMotions_TEST.ts",
        "aeon/datasets/data/BasicMotions/BasicMotions_TRAIN.ts",
    ),
    size=455_503,
    sha256="c44d7f3e85a975926e1614b2ceff60a592e9a498f5649fd4b39b47b55225f580",
)
def _basic_motions(files: list[Path]) -> SeriesSplit:
    """Return 10 s of acceleration (x, y, z) and rotation (x, y, z), at 10 Hz."""
    test, train = (_parse(file) for file in files)
    return SeriesSplit(train, test)


def _parse(file: Path) -> LabelledSeries:
    """Read the archive's format: variables between ":", values ",", the label last."""
    series, labels = [], []
    for line in file.read_text(encoding="utf-8").splitlines():
        if line and line[0] not in "@#":
            *variables, label = line.split(":")
            columns = [
                [float(value) for value in part.split(",")] for part in variables
            ]
            series.append(np.array(columns).T)  # (T, D)
            labels.append(label)
    return LabelledSeries(series, labels)
