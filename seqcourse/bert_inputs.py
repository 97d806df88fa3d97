"""What BERT reads: [CLS] first [SEP], or a pair, [CLS] first [SEP] second [SEP].

Devlin et al. (2019), section 3 and figure 2. The *segments* of an input are 0 for its
first sentence and 1 for its second. Pairs are made for next sentence prediction (NSP):
tell whether the second sentence follows the first.
"""

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from itertools import pairwise
from typing import NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Int
from torch import Tensor

from seqcourse.batching import Padded, pad

__all__ = [
    "PairBatch",
    "SentencePair",
    "SpecialIds",
    "join_pair",
    "next_sentence_pairs",
    "pair_batch",
    "truncate_pair",
]

Sentence: TypeAlias = Int[np.ndarray, " _"]
"""Token ids; each sentence has its own length."""


@dataclass(frozen=True)
class SpecialIds:
    """The ids of the tokens that stand for no text.

    Attributes:
        pad: fills up short rows; nothing may look at it.
        cls: [CLS], first in every input; its last vector speaks for the whole.
        sep: [SEP], after each segment.
        mask: [MASK], stands where a token was hidden.
        unk: [UNK], stands for what the tokeniser could not spell; None if there is no
            such token.

    Raises:
        ValueError: if two of them share an id.
    """

    pad: int
    cls: int
    sep: int
    mask: int
    unk: int | None = None

    def __post_init__(self) -> None:
        if len(set(astuple(self))) != 5:
            raise ValueError(f"special tokens need different ids, but got {self}")

    @property
    def all(self) -> list[int]:
        """All of them."""
        return sorted(i for i in astuple(self) if i is not None)

    @classmethod
    def find(cls, tokens: Sequence[str]) -> "SpecialIds":
        """Look up [PAD], [CLS], [SEP], [MASK] and, if there is one, [UNK].

        >>> SpecialIds.find(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "to", "be"])
        SpecialIds(pad=0, cls=2, sep=3, mask=4, unk=1)

        Raises:
            ValueError: if one is not there; only [UNK] may be absent.
        """
        places = {token: i for i, token in enumerate(tokens)}
        names = ("[PAD]", "[CLS]", "[SEP]", "[MASK]")
        if absent := [name for name in names if name not in places]:
            raise ValueError(
                f"the vocabulary of {len(tokens)} tokens has no {', '.join(absent)}; "
                "train it with these special tokens"
            )
        pad_id, cls_id, sep_id, mask_id = (places[name] for name in names)
        return cls(pad_id, cls_id, sep_id, mask_id, unk=places.get("[UNK]"))


# --- pairs of sentences ---


class SentencePair(NamedTuple):
    """Two sentences, and whether the second follows the first in its document."""

    first: Sentence
    second: Sentence
    is_next: bool


def next_sentence_pairs(
    documents: Sequence[Sequence[Sentence]], *, rng: np.random.Generator
) -> list[SentencePair]:
    """Pair each sentence with its successor or, half of the time, with a stranger.

    The stranger is a random sentence of another document (Devlin et al. 2019, appendix
    A.2).

    >>> hamlet, emma = [np.array([5]), np.array([6])], [np.array([7]), np.array([8])]
    >>> pairs = next_sentence_pairs([hamlet, emma], rng=np.random.default_rng(0))
    >>> [(pair.first.item(), pair.second.item(), pair.is_next) for pair in pairs]
    [(5, 8, False), (7, 8, True)]

    Args:
        documents: each a sequence of sentences, each of them ids of shape (T,).
        rng: the source of randomness.

    Raises:
        ValueError: if fewer than two documents have a sentence: there is no stranger to
            draw.
    """
    filled = [document for document in documents if len(document)]
    if len(filled) < 2:
        raise ValueError(
            "need sentences from at least 2 documents to draw strangers, but got "
            f"{len(filled)}; cut a single text into chapters or scenes"
        )
    pairs = []
    for own, document in enumerate(filled):
        for first, successor in pairwise(document):
            is_next = bool(rng.random() < 0.5)
            second = successor if is_next else _stranger(filled, own, rng)
            pairs.append(SentencePair(first, second, is_next))
    return pairs


def _stranger(
    documents: list[Sequence[Sentence]], own: int, rng: np.random.Generator
) -> Sentence:
    other = int(rng.integers(len(documents) - 1))
    document = documents[other + (other >= own)]  # skips the own one
    return document[int(rng.integers(len(document)))]


# --- the input ---


class PairBatch(NamedTuple):
    """A batch of inputs for BERT."""

    tokens: Padded
    """Ids (B, T) and lengths (B,)."""

    segments: Int[Tensor, "B T"]
    """0 from [CLS] to the first [SEP], 1 from there to the second; 0 in the padding."""


def truncate_pair(
    first: Sentence, second: Sentence, length: int
) -> tuple[Sentence, Sentence]:
    """Cut tokens off the longer one until both together have `length` tokens.

    Of two that are equally long, the second loses a token.

    >>> a, b = truncate_pair(np.arange(9), np.arange(4), 7)
    >>> len(a), len(b)
    (4, 3)

    Raises:
        ValueError: if the length is below 0.
    """
    if length < 0:
        raise ValueError(f"length must be at least 0, but is {length}")
    half = length // 2
    if len(first) + len(second) <= length:
        return first, second
    if len(second) <= half:  # the second is short: the first gets what is left
        return first[: length - len(second)], second
    if len(first) <= length - half:
        return first, second[: length - len(first)]
    return first[: length - half], second[:half]


def join_pair(
    first: Sentence, second: Sentence | None = None, *, special: SpecialIds, length: int
) -> tuple[Sentence, Sentence]:
    """Return [CLS] first [SEP], or [CLS] first [SEP] second [SEP], and its segments.

    >>> special = SpecialIds(pad=0, cls=1, sep=2, mask=3)
    >>> a, b = np.array([7, 8]), np.array([9])
    >>> ids, segments = join_pair(a, b, special=special, length=6)
    >>> ids
    array([1, 7, 8, 2, 9, 2])
    >>> segments
    array([0, 0, 0, 0, 1, 1])

    Args:
        first: the first sentence, ids of shape (T,).
        second: the second sentence, if there is one.
        special: the special tokens.
        length: how many tokens the input may have at most, the special ones included;
            longer ones are cut by `truncate_pair`.

    Raises:
        ValueError: if the length has no room for the special tokens.
    """
    marks = 2 if second is None else 3
    if length < marks:
        raise ValueError(
            f"length must be at least {marks}, for [CLS] and [SEP], but is {length}"
        )
    nothing = np.empty(0, dtype=np.int64)
    first, second_cut = truncate_pair(
        first, nothing if second is None else second, length - marks
    )
    parts = [np.array([special.cls]), first, np.array([special.sep])]
    if second is not None:
        parts += [second_cut, np.array([special.sep])]
    ids = np.concatenate(parts)
    return ids, (np.arange(len(ids)) >= len(first) + 2).astype(np.int64)


def pair_batch(
    pairs: Sequence[tuple[Sentence, Sentence | None]],
    *,
    special: SpecialIds,
    length: int,
) -> PairBatch:
    """Join each pair and pad the inputs to the longest of the batch.

    Args:
        pairs: first and second sentence of each input; the second may be None.
        special: the special tokens.
        length: how many tokens an input may have at most.

    Raises:
        ValueError: if there is no pair, or the length has no room for the special
            tokens.
    """
    if not pairs:
        raise ValueError("cannot make a batch of no pairs: give at least one")
    joined = [join_pair(a, b, special=special, length=length) for a, b in pairs]
    tokens = pad([ids for ids, _ in joined], value=special.pad)
    return PairBatch(tokens, pad([segments for _, segments in joined]).values)
