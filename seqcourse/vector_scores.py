"""Judging word vectors: against people, by analogies, between seeds, and for bias.

Each score says how much of its test set it could use: a word without a vector leaves
its question out, and a good score on a tenth of the questions is not a good score.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Float
from scipy import stats

from seqcourse._checks import check_positive
from seqcourse.vectors import AnalogyMethod, WordVectors

__all__ = [
    "AnalogyScore",
    "Association",
    "SimilarityScore",
    "analogy_accuracy",
    "association_bias",
    "neighbour_overlap",
    "similarity_score",
]

Question: TypeAlias = tuple[str, str, str, str]
"""Four words a, b, c, d: a is to b as c is to d."""


class SimilarityScore(NamedTuple):
    """Agreement with people's judgements of similarity.

    Attributes:
        spearman: rank correlation, -1 … 1.
        covered: how many pairs had vectors for both words.
        total: how many pairs there were.
    """

    spearman: float
    covered: int
    total: int


def similarity_score(
    vectors: WordVectors,
    pairs: Iterable[tuple[str, str, float]],
    *,
    lower: bool = False,
) -> SimilarityScore:
    """Correlate cosines with people's ratings of pairs of words, by rank (Spearman).

    Ranks, because nobody claims that a rating of 8 is twice a 4. The usual sets are
    WordSim-353 (Finkelstein et al. 2002), which rates relatedness, and SimLex-999 (Hill
    et al. 2015), which rates similarity: coffee and cup are related, not similar.

    Args:
        vectors: the vectors to judge.
        pairs: (word, word, rating).
        lower: look the words up in lower case.

    Raises:
        ValueError: if fewer than two pairs are covered.
    """
    asked = [(_fold(a, lower), _fold(b, lower), rating) for a, b, rating in pairs]
    known = [(a, b, rating) for a, b, rating in asked if a in vectors and b in vectors]
    if len(known) < 2:
        raise ValueError(
            f"only {len(known)} of {len(asked)} pairs have vectors for both words: too "
            "few to correlate; if the vocabulary is in lower case, ask with lower=True"
        )
    cosines = [vectors.similarity(a, b) for a, b, _ in known]
    correlation = stats.spearmanr(cosines, [rating for *_, rating in known]).statistic
    return SimilarityScore(float(correlation), len(known), len(asked))


class AnalogyScore(NamedTuple):
    """How many analogies came out right.

    Attributes:
        correct: questions whose best answer was the expected one.
        covered: questions with vectors for all four words.
        total: all questions.
    """

    correct: int
    covered: int
    total: int

    @property
    def accuracy(self) -> float:
        """The share of covered questions answered correctly; nan if none is covered."""
        return self.correct / self.covered if self.covered else float("nan")


def analogy_accuracy(
    vectors: WordVectors,
    sections: Mapping[str, Sequence[Question]],
    *,
    method: AnalogyMethod = "add",
    lower: bool = False,
) -> dict[str, AnalogyScore]:
    """Ask "a is to b as c is to …?", section by section; the sum comes last, as "all".

    The words of the question are not admitted as answers; see `WordVectors.analogy`.

    Args:
        vectors: the vectors to judge.
        sections: for each name, questions (a, b, c, d).
        method: "add" or "multiply".
        lower: look the words up in lower case.

    Raises:
        ValueError: if there is no section, or one is called "all".
    """
    if not sections or "all" in sections:
        raise ValueError(
            f"sections must be given, none of them 'all', but are {list(sections)}"
        )
    scores = {
        name: _section(vectors, questions, method, lower)
        for name, questions in sections.items()
    }
    totals = (sum(column) for column in zip(*scores.values(), strict=True))
    return {**scores, "all": AnalogyScore(*totals)}


def _section(
    vectors: WordVectors,
    questions: Sequence[Question],
    method: AnalogyMethod,
    lower: bool,
) -> AnalogyScore:
    folded = [[_fold(word, lower) for word in question] for question in questions]
    known = [q for q in folded if all(word in vectors for word in q)]
    ids = np.array([[vectors.id(word) for word in q] for q in known]).reshape(-1, 4)
    correct = 0
    for begin in range(0, len(ids), 256):  # (256, V) scores at a time
        asked, expected = ids[begin : begin + 256, :3], ids[begin : begin + 256, 3]
        scores = vectors.analogy_scores(asked, method)
        np.put_along_axis(scores, asked, -np.inf, axis=1)
        correct += int((scores.argmax(axis=1) == expected).sum())
    return AnalogyScore(correct, len(known), len(questions))


def _fold(word: str, lower: bool) -> str:
    return word.lower() if lower else word


def neighbour_overlap(
    first: WordVectors, second: WordVectors, words: Sequence[str], *, n: int = 10
) -> float:
    """Return the share of nearest neighbours that two sets of vectors have in common.

    Two trainings that differ in nothing but the seed can be compared no other way:
    their axes mean nothing, so the vectors themselves differ (Antoniak and Mimno 2018).

    Args:
        first: one set of vectors.
        second: the other.
        words: whose neighbours to compare.
        n: how many neighbours.

    Returns:
        The mean over words of (neighbours in common)/n, 0 … 1.

    Raises:
        KeyError: for a word without a vector.
        ValueError: if there are no words, or n is below 1.
    """
    if not words:
        raise ValueError("words is empty: whose neighbours shall be compared?")
    shared = []
    for word in words:
        near = [{w for w, _ in v.nearest(word, n=n)} for v in (first, second)]
        shared.append(len(near[0] & near[1]) / n)
    return float(np.mean(shared))


class Association(NamedTuple):
    """An effect size, and its bootstrap confidence interval.

    Attributes:
        effect: d, within ±2 if both targets have as many words; above 0 where the first
            goes with the first attributes.
        low: the interval's lower end.
        high: its upper end.
    """

    effect: float
    low: float
    high: float


def association_bias(
    vectors: WordVectors,
    targets: tuple[Sequence[str], Sequence[str]],
    attributes: tuple[Sequence[str], Sequence[str]],
    *,
    resamples: int = 2_000,
    confidence: float = 0.95,
    rng: np.random.Generator,
) -> Association:
    """Measure whether two sets of words lean to different sides: the WEAT effect size.

    Caliskan et al. (2017): a word's lean is its mean cosine with the first attributes
    minus that with the second; d is the difference of the two targets' mean leans, over
    the standard deviation of all leans. For example flowers and insects, pleasant and
    unpleasant.

    With eight words a set, d depends much on which eight. The interval says how much:
    all four sets are drawn anew from themselves, with replacement (percentile
    bootstrap; Efron 1979), as if the words were a sample of those that might have been
    listed.

    Args:
        vectors: the vectors to judge.
        targets: the two sets to compare.
        attributes: the two sides.
        resamples: how many bootstrap samples.
        confidence: of the interval, within 0 … 1.
        rng: draws the samples.

    Raises:
        KeyError: for a word without a vector.
        ValueError: if a set has fewer than two words, resamples is below 1, or the
            confidence is not between 0 and 1.
    """
    check_positive("resamples", resamples)
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be between 0 and 1, but is {confidence}")
    sets = [*targets, *attributes]
    if min(map(len, sets)) < 2:
        raise ValueError(
            "each set needs at least two words, but the sets have "
            f"{[len(words) for words in sets]}"
        )
    x, y, a, b = (vectors.unit[[vectors.id(word) for word in words]] for words in sets)
    cosines = np.concatenate([x, y]) @ np.concatenate([a, b]).T  # (X + Y, A + B)
    split = (len(x), len(a))
    drawn = []
    for _ in range(resamples):
        rows = _resample(len(x), len(y), rng)
        columns = _resample(len(a), len(b), rng)
        drawn.append(_effect(cosines[np.ix_(rows, columns)], *split))
    tail = (1 - confidence) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail])
    return Association(_effect(cosines, *split), float(low), float(high))


def _resample(first: int, second: int, rng: np.random.Generator) -> np.ndarray:
    """Draw indices of each of two sets that stand one after the other."""
    return np.concatenate(
        [rng.integers(first, size=first), first + rng.integers(second, size=second)]
    )


def _effect(cosines: Float[np.ndarray, "T A"], n_first: int, n_side: int) -> float:
    leans = cosines[:, :n_side].mean(axis=1) - cosines[:, n_side:].mean(axis=1)
    spread = leans.std()
    gap = leans[:n_first].mean() - leans[n_first:].mean()
    return float(gap / spread) if spread > 0 else 0.0
