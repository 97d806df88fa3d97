"""Learning byte-pair merges: the textbook's loop, and a quick way to the same result.

In reading order: `learn_merges_naive` is the method as one would write it down;
`learn_merges` keeps the counts up to date instead of counting anew.
"""

import heapq
import operator
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import TypeAlias

__all__ = [
    "BYTE_IDS",
    "Pair",
    "Tokens",
    "as_characters",
    "byte_order",
    "count_pairs",
    "learn_merges",
    "learn_merges_naive",
    "merge",
    "neighbours",
    "printable",
]

Pair: TypeAlias = tuple[int, int]
"""The ids of two neighbours."""


def byte_order() -> bytes:
    """Return the 256 bytes in the order of their ids: the printable ones first.

    It is the order of GPT-2's table. Ties between pairs are broken by id, so it
    matters.

    >>> byte_order()[:5]
    b'!"#$%'
    """
    shown = [byte for byte in range(256) if printable(byte)]
    return bytes(shown + [byte for byte in range(256) if not printable(byte)])


def printable(byte: int) -> bool:
    """Say whether the character of this code leaves a mark on paper."""
    return chr(byte).isprintable() and chr(byte) != " "


_ORDER = byte_order()
BYTE_IDS = bytes(_ORDER.index(byte) for byte in range(256))
"""The id of each byte, as a table for `bytes.translate`."""


class Tokens:
    """What the ids stand for, as merges add to them.

    Two pairs may spell the same ("a" + "bc", "ab" + "c"): they make one token, not two.
    """

    def __init__(self) -> None:
        self.spelled = [bytes([byte]) for byte in _ORDER]
        self._ids = {token: i for i, token in enumerate(self.spelled)}

    def add(self, pair: Pair) -> int:
        """Return the id of what the pair spells together, a new one if need be."""
        joined = self.spelled[pair[0]] + self.spelled[pair[1]]
        new = self._ids.setdefault(joined, len(self.spelled))
        if new == len(self.spelled):
            self.spelled.append(joined)
        return new


# --- learning, as one would write it down ---


def count_pairs(words: Mapping[tuple[int, ...], int]) -> Counter[Pair]:
    """Count the neighbours in words of which each occurs so many times.

    >>> count_pairs({(1, 2, 3): 5, (2, 3): 2})
    Counter({(2, 3): 7, (1, 2): 5})
    """
    pairs: Counter[Pair] = Counter()
    for word, count in words.items():
        for pair in pairwise(word):
            pairs[pair] += count
    return pairs


def merge(ids: tuple[int, ...], pair: Pair, new: int) -> tuple[int, ...]:
    """Replace each occurrence of a pair by a new id, from left to right.

    >>> merge((5, 5, 5, 1), (5, 5), 9)
    (9, 5, 1)
    """
    merged: list[int] = []
    place = 0
    while place < len(ids):
        found = ids[place : place + 2] == pair
        merged.append(new if found else ids[place])
        place += 2 if found else 1
    return tuple(merged)


def learn_merges_naive(counts: Mapping[str, int], n: int) -> list[Pair]:
    """Learn up to n merges from words and their counts, counting pairs anew every time.

    The most frequent pair is merged; among equals, the one with the smallest ids.
    Learning ends early when no pair is left.

    >>> from seqcourse.bpe import BPE
    >>> piper = Counter("Peter Piper picked a peck of pickled peppers".split())
    >>> merges = learn_merges_naive(piper, 2)
    >>> BPE(merges).tokens[256:]  # "pe" occurs four times, "ck" three times
    (b'pe', b'ck')
    """
    words = {tuple(word.encode().translate(BYTE_IDS)): k for word, k in counts.items()}
    merges: list[Pair] = []
    tokens = Tokens()
    while len(merges) < n and (pairs := count_pairs(words)):
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        new = tokens.add(best)
        words = {merge(word, best, new): k for word, k in words.items()}
    return merges


# --- learning, quickly ---


def learn_merges(counts: Mapping[str, int], n: int) -> list[Pair]:
    """Learn the same merges as `learn_merges_naive`, but quickly.

    The counts of pairs are kept up to date, not made anew: a merge changes only the
    words that have the pair, and all pairs that appear have the new token in them.
    """
    words = _Words(counts)
    merges: list[Pair] = []
    tokens = Tokens()
    while len(merges) < n and (best := words.most_frequent_pair()):
        merges.append((ord(best[0]), ord(best[1])))
        words.merge(best, chr(tokens.add(merges[-1])))
    return merges


class _Words:
    """Words and the pairs in them, kept up to date while pairs are merged.

    A word is a string in which each character *is* a token id (chr and ord turn one
    into the other), so that a pair is a string of two, and merging it is `str.replace`.
    """

    def __init__(self, counts: Mapping[str, int]) -> None:
        self._words = [as_characters(word) for word in counts]
        self._times = list(counts.values())
        self._pairs: Counter[str] = Counter()
        self._where: defaultdict[str, set[int]] = defaultdict(set)
        for i, word in enumerate(self._words):
            for pair in neighbours(word):
                self._pairs[pair] += self._times[i]
                self._where[pair].add(i)
        self._heap = [(-count, pair) for pair, count in self._pairs.items()]
        heapq.heapify(self._heap)

    def most_frequent_pair(self) -> str | None:
        """Return the most frequent pair, among equals the one of the smallest ids."""
        while self._heap:
            claimed, pair = heapq.heappop(self._heap)
            count = self._pairs[pair]
            if count == -claimed:
                return pair
            if count > 0:  # it has fallen since: back to where it belongs
                heapq.heappush(self._heap, (-count, pair))
        return None

    def merge(self, pair: str, new: str) -> None:
        """Replace the pair by the new token wherever it occurs."""
        appeared = set()
        for i in self._where.pop(
            pair
        ):  # some may have lost the pair to an earlier merge
            for old in neighbours(self._words[i]):
                self._pairs[old] -= self._times[i]
            self._words[i] = self._words[i].replace(pair, new)
            for now in neighbours(self._words[i]):
                self._pairs[now] += self._times[i]
                if new in now:
                    self._where[now].add(i)
                    appeared.add(now)
        for now in appeared:
            heapq.heappush(self._heap, (-self._pairs[now], now))


def as_characters(word: str) -> str:
    """Return one character for each byte: the one whose code is the byte's id."""
    return word.encode().translate(BYTE_IDS).decode("latin-1")


def neighbours(word: str) -> Iterator[str]:
    """Yield each character with the one after it, as a string of two."""
    return map(operator.add, word, word[1:])
