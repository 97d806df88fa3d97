"""Tokenisers: ways to cut a text into the pieces that a model counts or reads."""

import re
from collections.abc import Iterable

import numpy as np

from seqcourse.lm import Ids

_WORD = re.compile(r"\w+(?:['’]\w+)*|[^\w\s]")
_NO_SPACE_BEFORE = re.compile(r"\s+([.,;:!?)\]}’])")


def characters(text: str) -> list[str]:
    """Cut a text into characters (Unicode code points).

    >>> characters("Ay me")
    ['A', 'y', ' ', 'm', 'e']
    """
    return list(text)


def words(text: str, *, lower: bool = False) -> list[str]:
    """Cut a text into words and single punctuation marks; white space is dropped.

    An apostrophe inside a word stays in it. One before a word stands alone.

    >>> words("O, he's dead; 'tis true!")
    ['O', ',', "he's", 'dead', ';', "'", 'tis', 'true', '!']
    """
    return _WORD.findall(text.lower() if lower else text)


def detokenize(tokens: Iterable[str]) -> str:
    """Join words into readable text, with no space before closing punctuation.

    It undoes `words` for the eye, not to the letter: the original white space is lost.

    >>> detokenize(["What", ",", "ho", "!"])
    'What, ho!'
    """
    return _NO_SPACE_BEFORE.sub(r"\1", " ".join(tokens))


def utf8_bytes(text: str) -> Ids:
    """Return the text's UTF-8 bytes as ids in 0 … 255, shape (number of bytes,).

    Bytes need no vocabulary and know no unknown token, so models on bytes can be compared
    on any text.

    >>> utf8_bytes("né")
    array([110, 195, 169])
    """
    return np.frombuffer(text.encode("utf-8"), dtype=np.uint8).astype(np.int64)
