"""Tokenisers: ways to cut a text into the pieces that a model counts or reads.

Characters, words and bytes are here. Pieces in between are learned from a text:
`seqcourse.bpe` (GPT-2's way) and `seqcourse.wordpiece` (BERT's).
"""

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Protocol, SupportsIndex, runtime_checkable

import numpy as np

from seqcourse.lm import Ids

if TYPE_CHECKING:
    from seqcourse.batching import Padded

__all__ = [
    "Tokenizer",
    "characters",
    "detokenize",
    "encode_batch",
    "fertility",
    "utf8_bytes",
    "words",
]

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

    Bytes need no vocabulary and know no unknown token, so models on bytes can be
    compared on any text.

    >>> utf8_bytes("né")
    array([110, 195, 169])
    """
    return np.frombuffer(text.encode("utf-8"), dtype=np.uint8).astype(np.int64)


@runtime_checkable
class Tokenizer(Protocol):
    """What `seqcourse.bpe.BPE` and `seqcourse.wordpiece.WordPiece` have in common."""

    @property
    def vocab_size(self) -> int:
        """V: ids run from 0 to V-1."""
        ...

    def tokenize(self, text: str) -> list[str]:
        """Return the tokens of a text, to be read by people."""
        ...

    def encode(self, text: str) -> Ids:
        """Return the ids of a text, shape (T,)."""
        ...

    def decode(self, ids: Sequence[SupportsIndex] | Ids) -> str:
        """Return the text that ids stand for."""
        ...


def encode_batch(
    tokenizer: Tokenizer,
    texts: Iterable[str],
    *,
    max_length: int | None = None,
    padding: int = 0,
) -> "Padded":
    """Return texts as one batch: cut off at `max_length` ids, short ones filled up.

    Args:
        tokenizer: what turns a text into ids.
        texts: B texts.
        max_length: the most ids to keep of each text, at least 1; None keeps all.
        padding: the id that fills the short rows; which places are real is told by the
            batch's `mask`, not by this id.

    Raises:
        ValueError: if there is no text, or `max_length` is below 1.
    """
    if max_length is not None and max_length < 1:
        raise ValueError(f"max_length must be at least 1, but is {max_length}")
    rows = [tokenizer.encode(text)[:max_length] for text in texts]
    if not rows:
        raise ValueError("cannot make a batch of no texts")
    import torch  # here, because whoever only counts words does without it

    from seqcourse.batching import Padded

    lengths = torch.tensor([len(row) for row in rows])
    values = torch.full((len(rows), int(lengths.max())), padding)
    for target, row in zip(values, rows, strict=True):
        target[: len(row)] = torch.as_tensor(row)
    return Padded(values, lengths)


def fertility(tokenizer: Tokenizer, text: str) -> float:
    """Return the tokens per word of a text, words being what white space separates.

    1 would be a vocabulary that knows every word; languages that a tokeniser was not
    made for have more, and pay for it in longer sequences (Rust et al. 2021, section
    3.1).

    Raises:
        ValueError: if the text has no word.
    """
    if not (n_words := len(text.split())):
        raise ValueError("fertility is tokens per word, but the text has no word")
    return len(tokenizer.encode(text)) / n_words
