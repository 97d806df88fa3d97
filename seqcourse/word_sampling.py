"""Sampling words: which occurrences to train on, and which words to draw as noise.

Zipf's law makes two problems for word vectors. The few most frequent words fill most
windows yet say little; *subsampling* leaves most of their occurrences out. And drawing
a random word in proportion to its frequency must be quick, since negative sampling does
it many times for each pair; the *alias method* does it in two look-ups, whatever the
size of the vocabulary.
"""

from typing import Literal, TypeAlias

import numpy as np
from jaxtyping import Float, Int

from seqcourse._checks import check_choice
from seqcourse.lm import Corpus, Ids, as_ids

__all__ = [
    "AliasTable",
    "Formula",
    "as_texts",
    "count_words",
    "draw_negatives",
    "keep_probabilities",
    "noise_distribution",
]

Counts: TypeAlias = Int[np.ndarray, " V"]
Probabilities: TypeAlias = Float[np.ndarray, " V"]
Formula: TypeAlias = Literal["paper", "word2vec.c"]
"""Which formula says how often a frequent word is kept."""


def as_texts(corpus: Ids | Corpus, vocab_size: int) -> list[Ids]:
    """Return one text of ids, or several, as a list of texts whose ids are checked.

    Raises:
        ValueError: if an id is outside 0 … V-1, or there is no word at all.
    """
    several = [corpus] if isinstance(corpus, np.ndarray) else corpus
    texts = [as_ids(x, vocab_size, name=f"corpus[{i}]") for i, x in enumerate(several)]
    if not any(map(len, texts)):
        raise ValueError("cannot learn from an empty corpus: it has no words")
    return texts


def count_words(corpus: Ids | Corpus, vocab_size: int) -> Counts:
    """Return how often each word of the vocabulary occurs, shape (V,).

    >>> count_words([np.array([0, 2]), np.array([2])], vocab_size=4)
    array([1, 0, 2, 0])

    Raises:
        ValueError: if an id is outside 0 … V-1, or there is no word at all.
    """
    texts = as_texts(corpus, vocab_size)
    return np.bincount(np.concatenate(texts), minlength=vocab_size)


def keep_probabilities(
    counts: Counts, threshold: float | None, *, formula: Formula = "word2vec.c"
) -> Probabilities:
    """Return the probability of keeping an occurrence of each word, shape (V,).

    With f the word's share of the corpus and t the threshold, a word with f ≤ t is
    always kept, and beyond that

    * "paper": sqrt(t/f), from Mikolov et al. (2013), eq. 5;
    * "word2vec.c": sqrt(t/f) + t/f, which the authors' program and gensim use. It keeps
      more of everything, and starts to leave words out only at f = 2.6 t.

    >>> counts = np.array([900, 99, 1])
    >>> keep_probabilities(counts, 0.1, formula="paper").round(3)
    array([0.333, 1.   , 1.   ])
    >>> keep_probabilities(counts, 0.1, formula="word2vec.c").round(3)
    array([0.444, 1.   , 1.   ])

    Args:
        counts: how often each word occurs.
        threshold: t; 1e-3 to 1e-5 for real corpora. None keeps everything.
        formula: which of the two formulas.

    Raises:
        ValueError: if the threshold is not above 0, or the formula is unknown.
    """
    check_choice("formula", formula, ("paper", "word2vec.c"))
    if threshold is None:
        return np.ones(len(counts))
    if not threshold > 0:
        raise ValueError(
            f"threshold must be above 0, or None to keep every word, but is {threshold}"
        )
    shares = np.maximum(counts, 1) / max(1, counts.sum())  # of 0: nothing to leave out
    ratio = threshold / shares
    keep = np.sqrt(ratio) if formula == "paper" else np.sqrt(ratio) + ratio
    return np.minimum(keep, 1.0)


def noise_distribution(counts: Counts, *, power: float = 0.75) -> Probabilities:
    """Return probabilities proportional to counts^power, shape (V,).

    Mikolov et al. (2013), section 2.2, found 3/4 better than the unigram distribution
    (1) and the uniform one (0): rare words are drawn more often than they occur, but
    not as often as all others. A word that never occurs is never drawn, whatever the
    power.

    >>> noise_distribution(np.array([16, 1, 0]))  # 16^(3/4) = 8
    array([0.88888889, 0.11111111, 0.        ])

    Raises:
        ValueError: if no word occurs.
    """
    weights = np.where(counts > 0, np.maximum(counts, 1) ** float(power), 0.0)
    if not weights.any():
        raise ValueError("there is no noise to draw from: every count is 0")
    return weights / weights.sum()


class AliasTable:
    """Draws from a fixed distribution over V outcomes in constant time.

    The alias method (Walker 1977; this construction: Vose 1991). Cut the distribution
    into V columns of height 1/V. A column holds its own outcome up to some height, and
    above it one other outcome, its alias. To draw, pick a column, then a height.

    >>> table = AliasTable(np.array([0.7, 0.2, 0.1]))
    >>> table.share.round(1), table.alias
    (array([1. , 0.6, 0.3]), array([0, 0, 0]))

    Args:
        p: a distribution, shape (V,).

    Attributes:
        share: how much of each column is its own outcome's, 0 … 1.
        alias: the other outcome of each column.

    Raises:
        ValueError: if p is negative somewhere or does not sum to 1.
    """

    def __init__(self, p: Probabilities) -> None:
        if (p < 0).any() or not np.isclose(p.sum(), 1):
            raise ValueError(
                f"p must hold probabilities that sum to 1, but sums to {p.sum()}"
            )
        self.share = p * len(p)
        self.alias = np.arange(len(p))
        low = [i for i, height in enumerate(self.share) if height < 1]
        high = [i for i, height in enumerate(self.share) if height >= 1]
        while low and high:
            short, tall = low.pop(), high[-1]
            self.alias[short] = tall  # the tall column's surplus fills the short one
            self.share[tall] -= 1 - self.share[short]
            if self.share[tall] < 1:
                low.append(high.pop())
        self.share[low] = 1.0  # what is left missed 1 by rounding alone
        self.share[high] = 1.0

    def sample(self, size: int, rng: np.random.Generator) -> Int[np.ndarray, " N"]:
        """Return `size` independent draws."""
        columns = rng.integers(len(self.share), size=size)
        own = rng.random(size) < self.share[columns]
        return np.where(own, columns, self.alias[columns])


def draw_negatives(
    table: AliasTable, targets: Int[np.ndarray, " B"], n: int, rng: np.random.Generator
) -> Int[np.ndarray, "B N"]:
    """Return n noise words for each of B targets, none of them the target itself.

    A draw that hits the target is drawn again; word2vec.c leaves it out, and so has
    fewer than n now and then. The noise must be able to draw at least two different
    words.
    """
    shape = (len(targets), n)
    negatives = table.sample(len(targets) * n, rng).reshape(shape)
    while (hit := negatives == targets[:, None]).any():
        negatives[hit] = table.sample(int(hit.sum()), rng)
    return negatives
