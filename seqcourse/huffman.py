"""Huffman codes: short names for frequent words, and the tree of hierarchical softmax.

A code gives each word a string of bits, none the beginning of another, so that a stream
of bits can be cut back into words without separators. Huffman (1952) builds the code
with the smallest expected length: join the two rarest nodes under a new one, again and
again, until one is left.

A binary tree with V leaves has V-1 inner nodes. A word's *path* lists the inner nodes
from the root down to it, and its *code* the turn taken at each: 0 left, 1 right.
Hierarchical softmax asks one yes-or-no question per inner node on the path, about
log2(V) in place of V of them (Morin and Bengio 2005; with Huffman's tree: Mikolov et
al. 2013, section 2.1).
"""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from typing import SupportsIndex

import numpy as np
from jaxtyping import Int

from seqcourse.lm import Ids, as_ids

__all__ = ["HuffmanTree", "huffman_tree", "kraft_sum"]


@dataclass(frozen=True)
class HuffmanTree:
    """The paths and codes of V words, as rows padded with -1 to the longest length L.

    Attributes:
        paths: inner nodes from the root (node 0) to each word's parent, ids 0 … V-2.
        codes: the turn taken at each of them, 0 or 1.
        lengths: how many bits each word's code has.
    """

    paths: Int[np.ndarray, "V L"]
    codes: Int[np.ndarray, "V L"]
    lengths: Int[np.ndarray, " V"]

    def code(self, word: int) -> str:
        """Return a word's code as a string of 0s and 1s."""
        return "".join(str(bit) for bit in self.codes[word, : self.lengths[word]])

    def encode(self, ids: Sequence[SupportsIndex] | Ids) -> str:
        """Return the codes of several words, joined.

        Raises:
            ValueError: if an id is outside 0 … V-1.
        """
        known = as_ids(ids, len(self.lengths), name="ids")
        return "".join(self.code(word) for word in known.tolist())

    def decode(self, bits: str) -> list[int]:
        """Return the words of a stream of bits.

        Raises:
            ValueError: if the stream has another character than 0 and 1, or ends inside
                a code.
        """
        words = {self.code(word): word for word in range(len(self.lengths))}
        found, code = [], ""
        for bit in bits:
            if bit not in "01":
                raise ValueError(f"bits must be 0s and 1s, but there is a {bit!r}")
            code += bit
            if code in words:
                found.append(words[code])
                code = ""
        if code:
            raise ValueError(f"the bits end inside a code: {code!r} is left over")
        return found


def huffman_tree(counts: Sequence[int] | Int[np.ndarray, " V"]) -> HuffmanTree:
    """Return the code of the smallest expected length for words that occur this often.

    Several codes can be equally short; this one joins, among equals, the nodes with the
    smaller ids first, so that the same counts always give the same tree.

    >>> tree = huffman_tree([5, 2, 1, 1])
    >>> [tree.code(word) for word in range(4)]
    ['1', '00', '010', '011']
    >>> tree.paths[2].tolist()  # from the root, node 0
    [0, 1, 2]

    Args:
        counts: how often each of V words occurs; a count may be 0.

    Raises:
        ValueError: if there are fewer than two words, or a count is below 0.
    """
    counts = np.asarray(counts)
    if counts.ndim != 1 or len(counts) < 2:
        raise ValueError(
            "a Huffman tree needs the counts of at least 2 words, but counts has shape "
            f"{counts.shape}"
        )
    if (counts < 0).any():
        raise ValueError(
            f"counts must be at least 0, but the smallest is {counts.min()}"
        )
    return _walk(_join(counts.tolist()))


def _join(counts: list[int]) -> list[tuple[int, int]]:
    """Return (left, right) of nodes V, V+1, …, the root last; leaves are 0 … V-1."""
    heap = [(count, word) for word, count in enumerate(counts)]
    heapq.heapify(heap)
    children: list[tuple[int, int]] = []
    while len(heap) > 1:
        (count_a, a), (count_b, b) = heapq.heappop(heap), heapq.heappop(heap)
        heapq.heappush(heap, (count_a + count_b, len(counts) + len(children)))
        children.append((a, b))
    return children


def _walk(children: list[tuple[int, int]]) -> HuffmanTree:
    """Turn the tree into paths and codes, numbering inner nodes from the root down."""
    words = len(children) + 1
    paths: list[list[int]] = [[]] * (2 * words - 1)  # of every node, leaves first
    codes: list[list[int]] = [[]] * (2 * words - 1)
    for inner, pair in enumerate(reversed(children)):  # parents before children
        node = 2 * words - 2 - inner
        for turn, child in enumerate(pair):
            paths[child] = [*paths[node], inner]
            codes[child] = [*codes[node], turn]
    lengths = np.array([len(code) for code in codes[:words]])
    return HuffmanTree(_padded(paths[:words]), _padded(codes[:words]), lengths)


def _padded(rows: list[list[int]]) -> Int[np.ndarray, "V L"]:
    table = np.full((len(rows), max(map(len, rows))), -1)
    for row, values in zip(table, rows, strict=True):
        row[: len(values)] = values
    return table


def kraft_sum(lengths: Sequence[int] | Int[np.ndarray, " V"]) -> float:
    """Return the sum of 2^-length over all codes: at most 1 for every prefix code.

    It is 1 where the code is complete: no further code could be added (Kraft 1949).
    Then 2^-length is a distribution over words, the one for which these lengths are
    best.

    >>> kraft_sum([1, 2, 3, 3])
    1.0
    """
    return float(np.exp2(-np.asarray(lengths, dtype=float)).sum())
