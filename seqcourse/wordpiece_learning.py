"""Learning a WordPiece vocabulary.

How BERT's own was learned was never published. Schuster and Nakajima (2012, section 3)
merge the pair that most raises the likelihood of the text under a language model of the
pieces; the account that is commonly given of it, and followed here, scores a pair by ::

    count(pair) / (count(first) · count(second)),

how often the two are found together in proportion to how often each is found at all.
Byte-pair encoding looks at count(pair) alone.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping
from itertools import chain, pairwise

import numpy as np

from seqcourse.bpe_merges import neighbours

__all__ = ["PREFIX", "learn_pieces", "pair_scores"]

PREFIX = "##"
"""What a piece that continues a word starts with."""


def pair_scores(words: Mapping[tuple[str, ...], int]) -> dict[tuple[str, str], float]:
    """Return the score of each pair of neighbours in words that occur so many times.

    >>> scores = pair_scores({("h", "##u", "##g"): 10, ("p", "##u", "##n"): 12})
    >>> scores["h", "##u"] * 220, scores["##u", "##n"] * 22  # 10/(10·22), 12/(22·12)
    (10.0, 1.0)
    """
    pieces: Counter[str] = Counter()
    pairs: Counter[tuple[str, str]] = Counter()
    for word, count in words.items():
        for piece in word:
            pieces[piece] += count
        for pair in pairwise(word):
            pairs[pair] += count
    return {(a, b): n / (pieces[a] * pieces[b]) for (a, b), n in pairs.items()}


def learn_pieces(
    counts: Mapping[str, int], size: int, *, min_count: int = 1
) -> list[str]:
    """Learn up to `size` pieces from words and their counts: letters, then merges.

    The pair with the highest score is merged. The score favours what is rare (two
    letters that occur once, side by side, score 1, the most there is), so a pair has to
    occur `min_count` times. Among equals the pair wins whose first piece is the oldest,
    then the one whose second is. All letters are kept, even if they are more than
    `size`.

    >>> hugs = {"hug": 10, "pug": 5, "pun": 12, "bun": 4, "hugs": 5}
    >>> learn_pieces(hugs, 10)[7:]
    ['##gs', 'hu', 'hugs']
    """
    if min_count < 1:
        raise ValueError(f"min_count must be at least 1, but is {min_count}")
    words = _Words(counts, size)
    while len(words.pieces) < size and (best := words.best_pair(min_count)):
        words.merge(*best)
    return words.pieces


class _Words:
    """Words and the counts of pieces and pairs in them, kept up to date by `merge`.

    A word is a string in which each character is a piece's place in `pieces` (as in
    `seqcourse.bpe_merges`). Merging a pair makes its two pieces rarer, which raises the
    scores of other pairs: no heap could keep them in order, so NumPy compares them all.
    """

    def __init__(self, counts: Mapping[str, int], size: int) -> None:
        spelled = [
            [word[0], *(PREFIX + letter for letter in word[1:])]
            for word in counts
            if word
        ]
        self._places = {
            p: i for i, p in enumerate(dict.fromkeys(chain.from_iterable(spelled)))
        }
        self.pieces = list(self._places)  # in order of age
        self._words = ["".join(chr(self._places[p]) for p in word) for word in spelled]
        self._times = [count for word, count in counts.items() if word]
        self._piece_counts = np.zeros(max(size, len(self.pieces)), dtype=np.int64)
        self._pairs: dict[str, int] = {}  # the column of each pair in the table
        # rows: count, first piece, second piece
        self._table = np.zeros((3, 1024), dtype=np.int64)
        # the words that have the pair
        self._where: defaultdict[str, set[int]] = defaultdict(set)
        for i in range(len(self._words)):
            self._count(i, self._times[i])

    def _count(self, i: int, times: int) -> None:
        """Add a word to the counts, so many times."""
        for letter in self._words[i]:
            self._piece_counts[ord(letter)] += times
        for pair in neighbours(self._words[i]):
            column = self._pairs.setdefault(pair, len(self._pairs))
            if column == self._table.shape[1]:
                self._table = np.concatenate(
                    [self._table, np.zeros_like(self._table)], axis=1
                )
            if times > 0 and not self._table[0, column]:
                self._table[1:, column] = ord(pair[0]), ord(pair[1])
            self._table[0, column] += times
            if times > 0:
                self._where[pair].add(i)

    def best_pair(self, min_count: int) -> tuple[int, int] | None:
        """Return the pair with the highest score; None if none occurs often enough."""
        count, first, second = self._table[:, : len(self._pairs)]
        often = np.flatnonzero(count >= min_count)
        if not len(often):
            return None
        count, first, second = count[often], first[often], second[often]
        scores = count / (self._piece_counts[first] * self._piece_counts[second])
        best = np.flatnonzero(scores == scores.max())
        oldest = best[(first[best] * len(self.pieces) + second[best]).argmin()]
        return int(first[oldest]), int(second[oldest])

    def merge(self, first: int, second: int) -> None:
        """Replace the pair by one piece wherever it occurs."""
        piece = self.pieces[first] + self.pieces[second].removeprefix(PREFIX)
        new = self._places.setdefault(piece, len(self.pieces))
        if new == len(self.pieces):
            self.pieces.append(piece)
        pair = chr(first) + chr(second)
        for i in self._where.pop(pair):
            self._count(i, -self._times[i])
            self._words[i] = self._words[i].replace(pair, chr(new))
            self._count(i, self._times[i])
