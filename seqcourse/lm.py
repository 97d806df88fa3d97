"""The contract that every language model of this course fulfils.

A language model is anything that answers two questions about a sequence of token ids:
how probable was each token given what came before it, and what may come next. One
scorer (`seqcourse.metrics`) and one sampler (`seqcourse.decoding`) then serve all
models, from the unigram to GPT.
"""

from collections.abc import Sequence
from typing import Protocol, SupportsIndex, TypeAlias, runtime_checkable

import numpy as np
from jaxtyping import Float, Int, Integer

__all__ = ["Corpus", "Ids", "LanguageModel", "LogProbs", "as_ids"]

Ids: TypeAlias = Int[np.ndarray, " T"]
"""A sequence of T token ids, each in 0 … V-1."""

Corpus: TypeAlias = Sequence[Int[np.ndarray, " _"]]
"""Several sequences of token ids, each of its own length."""

LogProbs: TypeAlias = Float[np.ndarray, " T"]
"""Natural logarithms of probabilities, one for each of T tokens."""


@runtime_checkable
class LanguageModel(Protocol):
    """A probability distribution over sequences of token ids."""

    vocab_size: int
    """V: ids run from 0 to V-1."""

    def logprobs(self, tokens: Ids) -> LogProbs:
        """Return ln p(token t | tokens before t) for every t, in nats.

        Their sum is ln p(tokens).
        """
        ...

    def next_logprobs(self, context: Ids) -> Float[np.ndarray, " V"]:
        """Return ln p(v | context) for every v in the vocabulary, in nats."""
        ...


def as_ids(
    tokens: Sequence[SupportsIndex] | Integer[np.ndarray, " T"],
    vocab_size: int,
    *,
    name: str = "tokens",
) -> Ids:
    """Return `tokens` as an int64 array with one axis, once every id is checked.

    >>> as_ids([2, 0, 1], vocab_size=3)
    array([2, 0, 1])

    Raises:
        TypeError: if the values are not whole numbers.
        ValueError: if there is more than one axis, or an id is outside 0 … V-1.
    """
    ids = np.asarray(tokens)
    if ids.size == 0:
        return np.empty(0, dtype=np.int64)
    if ids.ndim != 1:
        raise ValueError(f"{name} must have one axis (T,), but has shape {ids.shape}")
    if ids.dtype.kind not in "iu":
        raise TypeError(
            f"{name} must be integer ids, but has dtype {ids.dtype}; encode text with "
            "Vocab.encode"
        )
    low, high = ids.min(), ids.max()
    if low < 0 or high >= vocab_size:
        wrong = low if low < 0 else high
        raise ValueError(
            f"{name} contains the id {wrong}, but the vocabulary has ids "
            f"0 … {vocab_size - 1}"
        )
    return ids.astype(np.int64, copy=False)
