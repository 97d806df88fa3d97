"""Pen strokes of Japanese characters, and what a network makes of a drawing."""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import TypeAlias

import numpy as np
from jaxtyping import Float

from seqcourse.data.registry import register

__all__ = ["SPACING", "StrokeBook", "from_offsets", "to_offsets"]

Stroke: TypeAlias = Float[np.ndarray, "_ 2"]
"""Points (x, y) of one pen stroke in order; y grows downwards."""

Drawing: TypeAlias = list[Stroke]
"""The strokes of one character, in the order in which they are written."""

SPACING = 5.0
"""Length between two points of a stroke, of the 109 that a character is wide."""


class StrokeBook(Mapping[str, Drawing]):
    """The strokes of each character; a character is read when you ask for it."""

    def __init__(self, files: list[Path]) -> None:
        self._files = {chr(int(file.stem, 16)): file for file in files}
        self._read = cache(_drawing)

    def __getitem__(self, character: str) -> Drawing:
        return self._read(self._files[character])

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)


@register(
    name="kanji-strokes",
    title="KanjiVG: pen strokes of Japanese characters",
    licence="CC BY-SA 3.0",
    source="Apel (2009), KanjiVG",
    package="kanjivg",
    files=("kanji/0[0-9a-f][0-9a-f][0-9a-f][0-9a-f].svg",),
    size=28_976_746,
    sha256="ea6d937dd5c6cbd2bd1cf7681760ebb85b4b0c4b0121e264b6c579f5fe6865e5",
)
def _kanji_strokes(files: list[Path]) -> StrokeBook:
    """Return the strokes of kanji, kana and some other characters, by character."""
    return StrokeBook(files)


def to_offsets(drawing: Drawing) -> Float[np.ndarray, "N 3"]:
    """Return a drawing as pen movements (Δx, Δy, lifted), one row a point.

    `lifted` is 1 at the last point of each stroke (Graves 2013, section 4). The first
    row moves from (0, 0) to the first point.

    >>> to_offsets([np.array([[1.0, 1.0], [4.0, 1.0]]), np.array([[2.0, 2.0]])])
    array([[ 1.,  1.,  0.],
           [ 3.,  0.,  1.],
           [-2.,  1.,  1.]])

    Raises:
        ValueError: if there is no stroke.
    """
    if not drawing:
        raise ValueError("drawing has no stroke")
    points = np.concatenate(drawing)  # (N, 2)
    lifted = np.zeros(len(points))
    lifted[np.cumsum([len(stroke) for stroke in drawing]) - 1] = 1
    return np.column_stack((np.diff(points, axis=0, prepend=0.0), lifted))


def from_offsets(offsets: Float[np.ndarray, "N 3"]) -> Drawing:
    """Return the strokes that pen movements draw: undoes `to_offsets`.

    The pen is down where `lifted` is below one half, so a sampled probability serves
    too.
    """
    points = np.cumsum(offsets[:, :2], axis=0)
    ends = np.flatnonzero(offsets[:-1, 2] >= 0.5) + 1
    return np.split(points, ends)


_PATH = re.compile(r'<path[^>]* d="([^"]*)"')
_TOKEN = re.compile(r"[A-Za-z]|-?\d*\.?\d+(?:e-?\d+)?")
_FRACTIONS = np.linspace(0, 1, 9)[1:, None]


def _drawing(file: Path) -> Drawing:
    paths = _PATH.findall(file.read_text(encoding="utf-8"))
    return [_evenly(_flatten(path), SPACING) for path in paths]


def _flatten(path: str) -> Stroke:
    """Return points along an SVG path of cubic Bézier curves (commands M, C and S)."""
    tokens = _TOKEN.findall(path)
    starts = [i for i, token in enumerate(tokens) if token.isalpha()]
    here = handle = np.zeros(2)
    pieces = []
    for start, end in pairwise([*starts, len(tokens)]):
        command = tokens[start]
        numbers = np.array([float(token) for token in tokens[start + 1 : end]]).reshape(
            -1, 2
        )
        size = {"m": 1, "c": 3, "s": 2}[command.lower()]
        for points in numbers.reshape(-1, size, 2):
            points = points + here if command.islower() else points
            if size == 1:
                pieces.append(points)
            else:
                mirrored = 2 * here - handle  # what S, short for smooth, begins with
                first = points[0] if size == 3 else mirrored
                curve = (here, first, points[-2], points[-1])
                pieces.append(_bezier(curve))
                handle = points[-2]
            here = points[-1]
            handle = here if size == 1 else handle
    return np.concatenate(pieces)


def _bezier(controls: tuple[Float[np.ndarray, "2"], ...]) -> Stroke:
    p0, p1, p2, p3 = controls
    t, s = _FRACTIONS, 1 - _FRACTIONS
    return s**3 * p0 + 3 * s**2 * t * p1 + 3 * s * t**2 * p2 + t**3 * p3


def _evenly(points: Stroke, spacing: float) -> Stroke:
    """Return points at even distances along a line, its two ends among them."""
    lengths = np.hypot(*np.diff(points, axis=0).T)
    along = np.concatenate(([0.0], np.cumsum(lengths)))
    steps = max(1, round(along[-1] / spacing))
    places = np.linspace(0, along[-1], steps + 1)
    return np.column_stack([np.interp(places, along, axis) for axis in points.T])
