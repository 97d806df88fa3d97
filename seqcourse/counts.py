"""Counting all n-grams up to a length at once, on integer arrays.

The n-grams of length j are the nodes on level j of a tree: the parent of "not to be" is
"not to", and the root (level 0) is the empty n-gram. A node on level j is written as
one whole number, `parent * (V + 1) + token`, where `parent` is its parent's place on
level j-1; sorting those numbers (`np.unique`) both counts the n-grams and gives every
node its place. Looking n-grams up is a binary search per level. Nothing loops over
tokens in Python.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import SupportsIndex, TypeAlias

import numpy as np
from jaxtyping import Int

from seqcourse.lm import Corpus, Ids, as_ids

__all__ = ["Gram", "Level", "NGramCounts", "Nodes"]

Nodes = Int[np.ndarray, " N"]
"""One whole number for each n-gram of a level."""
Gram: TypeAlias = Sequence[SupportsIndex] | Int[np.ndarray, " _"]
"""The token ids of one n-gram, of whatever length."""


@dataclass(frozen=True)
class Level:
    """All distinct n-grams of one length, in sorted order.

    Attributes:
        keys: `parent * (V + 1) + token` of each n-gram, ascending, shape (N,).
        parents: place of each n-gram without its last token, one level up, shape (N,).
        suffixes: place of each n-gram without its first token, one level up, shape
            (N,).
        counts: how often each n-gram occurs, shape (N,). It is 0 where the last symbol
            is the start symbol: such an n-gram is only ever a context.
    """

    keys: Nodes
    parents: Nodes
    suffixes: Nodes
    counts: Nodes


class NGramCounts:
    """Counts of every n-gram of length 1 … n in a set of sequences.

    Each sequence is preceded by n-1 start symbols (id V), so that its first tokens have
    a full context too. The start symbol is never counted as a token.

    >>> counts = NGramCounts([np.array([0, 1, 0, 1])], n=2, vocab_size=2)
    >>> counts.count([0, 1]), counts.count([1, 0]), counts.count([0])
    (2, 1, 2)

    Args:
        sequences: arrays of token ids, each of shape (T,), T may differ.
        n: the length of the longest n-gram to count, at least 1.
        vocab_size: V.

    Raises:
        ValueError: if n < 1, an id is outside 0 … V-1, or there is no token at all.
    """

    def __init__(self, sequences: Corpus, *, n: int, vocab_size: int) -> None:
        if n < 1:
            raise ValueError(f"n must be at least 1, but is {n}")
        self.n, self.vocab_size = n, vocab_size
        stream = self.padded(sequences)
        is_token = stream < vocab_size
        if not is_token.any():
            raise ValueError(
                "cannot count n-grams in an empty corpus: it has no tokens"
            )
        self.levels: list[Level] = []
        # where the n-gram that ends at each position stands in its level
        place = np.zeros(len(stream), dtype=np.int64)
        for _ in range(n):
            shorter = place
            keys, first, place, counts = _distinct(self._keys(shorter, stream))
            counts[~is_token[first]] = 0
            self.levels.append(
                Level(keys, keys // (vocab_size + 1), shorter[first], counts)
            )
        # unigrams need no search: this is the place of each token
        self._unigrams = np.full(vocab_size + 1, -1)
        self._unigrams[self.levels[0].keys] = np.arange(len(self.levels[0].keys))

    @property
    def start(self) -> int:
        """The id of the start symbol: V, one past the last token."""
        return self.vocab_size

    def padded(self, sequences: Corpus) -> Int[np.ndarray, " P"]:
        """Return all sequences in one array, each preceded by n-1 start symbols."""
        starts, none = self.n - 1, [np.empty(0, dtype=np.int64)]
        tokens = as_ids(np.concatenate([*none, *sequences]), self.vocab_size)
        which = np.repeat(np.arange(len(sequences)), [len(s) for s in sequences])
        padded = np.full(len(tokens) + starts * len(sequences), self.start)
        padded[np.arange(len(tokens)) + starts * (which + 1)] = tokens
        return padded

    def _keys(self, place: Nodes, stream: Ids) -> Nodes:
        """Extend the n-gram that ends before each position by the token there."""
        parents = np.concatenate(([place[0] if place.size else 0], place[:-1]))
        return parents * (self.vocab_size + 1) + stream

    def children(self, level: int, parent: int) -> tuple[slice, Ids]:
        """Return where the n-grams that continue `parent` stand, and their tokens."""
        width = self.vocab_size + 1
        keys = self.levels[level - 1].keys
        lo, hi = np.searchsorted(keys, [parent * width, (parent + 1) * width])
        return slice(int(lo), int(hi)), keys[lo:hi] - parent * width

    def extend(self, level: int, parents: Nodes, tokens: Ids) -> Nodes:
        """Return the place of each parent followed by its token, or -1 where unseen."""
        if level == 1:
            return self._unigrams[tokens]
        keys = self.levels[level - 1].keys
        # in a new text most long contexts are unseen
        known = np.flatnonzero(parents >= 0)
        wanted = parents[known] * (self.vocab_size + 1) + tokens[known]
        order = np.argsort(wanted)  # neighbours are searched for in the same memory
        known, wanted = known[order], wanted[order]
        place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        found = np.full(len(parents), -1)
        found[known] = np.where(keys[place] == wanted, place, -1)
        return found

    def find(self, ngram: Gram) -> int:
        """Return the place of an n-gram on its level, or -1 where it was never seen."""
        if len(ngram) > self.n:
            raise ValueError(
                f"n-grams up to length {self.n} were counted, but this has {len(ngram)}"
            )
        place = np.zeros(1, dtype=np.int64)
        for level, token in enumerate(ngram, start=1):
            place = self.extend(level, place, np.array([int(token)]))
        return int(place[0])

    def count(self, ngram: Gram) -> int:
        """Return how often an n-gram occurs; the empty n-gram occurs once per token.

        Raises:
            ValueError: if it is longer than n.
        """
        if not len(ngram):
            return int(self.levels[0].counts.sum())
        place = self.find(ngram)
        return 0 if place < 0 else int(self.levels[len(ngram) - 1].counts[place])


def _distinct(
    keys: Int[np.ndarray, " P"],
) -> tuple[Nodes, Nodes, Int[np.ndarray, " P"], Nodes]:
    """Return the distinct keys, where each is first, everyone's place, and the counts.

    It is `np.unique`, but quicker where a key and its position fit into one whole
    number: NumPy sorts numbers faster than it sorts positions by numbers.
    """
    bits = len(keys).bit_length()
    if keys.max(initial=0) >= 1 << (63 - bits):
        return np.unique(
            keys, return_index=True, return_inverse=True, return_counts=True
        )
    packed = np.sort(keys << bits | np.arange(len(keys)))
    ordered, positions = packed >> bits, packed & ((1 << bits) - 1)
    new = np.diff(ordered, prepend=-1) > 0
    place = np.empty(len(keys), dtype=np.int64)
    place[positions] = np.cumsum(new) - 1
    counts = np.diff(np.flatnonzero(new), append=len(keys))
    return ordered[new], positions[new], place, counts
