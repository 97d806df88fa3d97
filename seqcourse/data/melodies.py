"""Melodies as sequences of notes."""

import re
from dataclasses import dataclass
from pathlib import Path

from seqcourse.data.registry import register

__all__ = ["FolkSong"]


@dataclass(frozen=True)
class FolkSong:
    """A melody.

    Attributes:
        title: as in the collection.
        key: such as "G" or "Ador".
        meter: such as "3/4".
        unit: the length that a note without a number has, such as "1/8".
        tokens: notes, rests and bar lines in ABC notation, such as "c2", "_B", "z4" and
            "|".
    """

    title: str
    key: str
    meter: str
    unit: str
    tokens: tuple[str, ...]


_NOTE = re.compile(r"[_^=]*[A-Ga-gz][,']*\d*(?:/\d*)?|\|")


@register(
    name="folk-songs",
    title="Essen folk songs",
    licence="non-commercial use and distribution with music21 (see its licence file)",
    source="Schaffrath (1995), The Essen Folksong Collection; ABC by S. Schlien",
    package="music21",
    files=("music21/corpus/essenFolksong/*.abc",),
    size=2_625_784,
    sha256="9a97ade8282e51902d377a93c6d59254ddddaae9c433a5a6f0dcdc46d91a9cd4",
)
def _folk_songs(files: list[Path]) -> list[FolkSong]:
    """Return melodies of the collection, in the order of its files."""
    songs = []
    for file in files:
        text = file.read_text(encoding="latin-1")
        parts = re.split(r"(?m)^(?=X:)", text)
        songs += [_song(part) for part in parts if part.startswith("X:")]
    return [song for song in songs if song.tokens]


def _song(abc: str) -> FolkSong:
    fields = dict(re.findall(r"(?m)^([A-Z]):\s*(.*?)\s*$", abc))
    lines = abc.splitlines()
    tune = "\n".join(x for x in lines if not re.match(r"[A-Za-z]:|%", x))
    title, key, meter, unit = (fields.get(name, "") for name in "TKML")
    return FolkSong(title, key, meter, unit, tuple(_NOTE.findall(tune)))
