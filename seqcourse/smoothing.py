"""Smoothing: how an n-gram model shares out probability between seen and unseen words.

Every method here comes down to two numbers. A seen n-gram "h w" has a share of its own,
`own(w | h)`; a context h passes the rest, `passed(h)`, to the shorter context h' (h
without its first word)::

    interpolated    p(w | h) = own(w | h) + passed(h) p(w | h')
    backing off     p(w | h) = own(w | h) if "h w" was seen, else passed(h) p(w | h')

The recursion ends below the unigram, in the uniform distribution 1/V. A context that
was never seen passes everything on. The methods differ in the two tables alone, so
`tables` is all that each one defines. Throughout: c(hw) counts the n-gram, c(h) = sum
of c(hw) over w, and T(h) = number of different words seen after h.

The overview to read is Chen and Goodman (1999), whose notation this follows.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from seqcourse.counts import NGramCounts

__all__ = [
    "MLE",
    "AddK",
    "Backoff",
    "Interpolation",
    "KneserNey",
    "Smoothing",
    "Tables",
    "Totals",
    "Weights",
    "WittenBell",
]

Weights = Float[np.ndarray, " N"]
"""One number for each n-gram of a level."""


class Tables(NamedTuple):
    """What one level needs: `own` for its n-grams, `passed` for its contexts."""

    own: Weights
    passed: Weights


@dataclass(frozen=True)
class Totals:
    """What is known of each n-gram of a level, and of each context it continues."""

    count: Int[np.ndarray, " N"]  # c(hw)
    parents: Int[np.ndarray, " N"]  # place of h
    total: Int[np.ndarray, " M"]  # c(h)
    types: Int[np.ndarray, " M"]  # T(h)


def _totals(counts: NGramCounts, level: int, count: Int[np.ndarray, " N"]) -> Totals:
    parents = counts.levels[level - 1].parents
    contexts = 1 if level == 1 else len(counts.levels[level - 2].keys)
    total = np.bincount(parents, weights=count, minlength=contexts).astype(np.int64)
    types = np.bincount(parents[count > 0], minlength=contexts)
    return Totals(count, parents, total, types)


def _ratio(
    above: Int[np.ndarray, " N"] | Weights,
    below: Int[np.ndarray, " N"] | Weights,
    otherwise: float,
) -> Weights:
    """Divide, with `otherwise` where the divisor is 0: nothing followed the context."""
    result = np.full(np.shape(above), otherwise)
    np.divide(above, below, out=result, where=np.asarray(below) > 0)
    return result


@dataclass(frozen=True)
class Smoothing:
    """The common form; see the module's text.

    The attributes are the class's, not options of an object.

    Attributes:
        recursive: whether shorter contexts are asked; otherwise own + passed / V is the
            answer.
        backs_off: whether a seen n-gram takes its own share alone.
        unseen: what a context that was never seen passes on.
    """

    recursive = True
    backs_off = False
    unseen = 1.0

    def check(self, order: int) -> None:
        """Raise ValueError if the options do not fit a model of this order."""

    def tables(self, counts: NGramCounts) -> list[Tables]:
        """Return the tables of every level, from unigrams to n-grams."""
        return [self._level(counts, level) for level in range(1, counts.n + 1)]

    def _level(self, counts: NGramCounts, level: int) -> Tables:
        raise NotImplementedError

    def _raw(self, counts: NGramCounts, level: int) -> Totals:
        return _totals(counts, level, counts.levels[level - 1].counts)


@dataclass(frozen=True)
class MLE(Smoothing):
    """Maximum likelihood, p(w | h) = c(hw) / c(h): no smoothing.

    It gives probability 0 to everything unseen; after a context that was never seen it
    gives probability 0 to every word, so there it does not sum to one.
    """

    recursive = False
    unseen = 0.0

    def _level(self, counts: NGramCounts, level: int) -> Tables:
        t = self._raw(counts, level)
        return Tables(_ratio(t.count, t.total[t.parents], 0.0), np.zeros(len(t.total)))


@dataclass(frozen=True)
class AddK(Smoothing):
    """Add k to every count, p(w | h) = (c(hw) + k) / (c(h) + kV); k = 1 is Laplace's.

    V is the number of words, not of n-grams: that is how many counts were raised in
    this context.

    Attributes:
        k: pseudo-count, above 0.
    """

    k: float = 1.0
    recursive = False

    def check(self, order: int) -> None:
        """Raise ValueError unless k is above 0."""
        if not self.k > 0:
            raise ValueError(
                f"k must be above 0, but is {self.k}; for no smoothing use MLE()"
            )

    def _level(self, counts: NGramCounts, level: int) -> Tables:
        t = self._raw(counts, level)
        added = self.k * counts.vocab_size
        return Tables(t.count / (t.total[t.parents] + added), added / (t.total + added))


@dataclass(frozen=True)
class Interpolation(Smoothing):
    """Mix all orders with fixed weights: p(w | h) = λ c(hw)/c(h) + (1 - λ) p(w | h').

    Jelinek and Mercer (1980). λ is what the maximum-likelihood estimate of that order
    weighs against everything shorter.

    Attributes:
        weights: one λ in 0 … 1 for each order, from 0 (unigram) to the model's own.
    """

    weights: tuple[float, ...]

    def check(self, order: int) -> None:
        """Raise ValueError unless there are order + 1 weights, each within 0 … 1."""
        if len(self.weights) != order + 1:
            raise ValueError(
                f"a model of order {order} needs {order + 1} interpolation weights "
                f"(orders 0 to {order}), but got {len(self.weights)}: {self.weights}"
            )
        if not all(0 <= w <= 1 for w in self.weights):
            raise ValueError(
                f"interpolation weights must be within 0 … 1, but are {self.weights}"
            )

    def _level(self, counts: NGramCounts, level: int) -> Tables:
        t = self._raw(counts, level)
        weight = self.weights[level - 1]
        passed = np.where(t.total > 0, 1 - weight, 1.0)
        return Tables(weight * _ratio(t.count, t.total[t.parents], 0.0), passed)


@dataclass(frozen=True)
class WittenBell(Smoothing):
    """Let the variety after a context say how much to expect the new.

    passed = T(h) / (c(h) + T(h)): Witten and Bell (1991), method C. There is nothing to
    tune.
    """

    def _level(self, counts: NGramCounts, level: int) -> Tables:
        t = self._raw(counts, level)
        room = t.total + t.types
        return Tables(_ratio(t.count, room[t.parents], 0.0), _ratio(t.types, room, 1.0))


def _check_discount(discount: float | None) -> None:
    if discount is not None and not 0 < discount < 1:
        raise ValueError(
            f"discount must be within 0 … 1, both excluded, but is {discount}"
        )


@dataclass(frozen=True)
class Backoff(Smoothing):
    """Katz back-off: take a little from what was seen, give it to the unseen.

    p(w | h) = (c(hw) - D) / c(h) where "h w" was seen, else α(h) p(w | h'), with α(h)
    such that all sums to one (Katz 1987; discounting after Ney, Essen and Kneser 1994).
    A context after which every word was seen has nobody to give to, and is not
    discounted.

    Attributes:
        discount: D, within 0 … 1.
    """

    discount: float = 0.75
    backs_off = True

    def check(self, order: int) -> None:
        """Raise ValueError unless the discount is within 0 … 1."""
        _check_discount(self.discount)

    def tables(self, counts: NGramCounts) -> list[Tables]:
        """Return the tables of each level; they need the probabilities one below."""
        result = []
        lower = np.full(1, 1 / counts.vocab_size)  # p of each n-gram on the level below
        for level, grams in enumerate(counts.levels, start=1):
            below = lower[grams.suffixes]  # p(w | h') for each "h w"
            table = self._discounted(self._raw(counts, level), below, counts.vocab_size)
            result.append(table)
            lower = np.where(
                grams.counts > 0, table.own, table.passed[grams.parents] * below
            )
        return result

    def _discounted(self, t: Totals, below: Weights, vocab_size: int) -> Tables:
        discount = np.where(t.types < vocab_size, self.discount, 0.0)  # of each context
        seen = t.count > 0
        own = _ratio(t.count - discount[t.parents] * seen, t.total[t.parents], 0.0)
        freed = _ratio(discount * t.types, t.total, 1.0)
        taken = np.bincount(
            t.parents[seen], weights=below[seen], minlength=len(t.total)
        )
        return Tables(
            own,
            np.where(t.types < vocab_size, freed / np.maximum(1 - taken, 1e-300), 0.0),
        )


@dataclass(frozen=True)
class KneserNey(Smoothing):
    """Interpolated Kneser-Ney: below the top, count a word's contexts, not its uses.

    own = max(c - D, 0) / total and passed = D T(h) / total. On the longest n-grams c is
    the plain count; on shorter ones it is the number of different words seen before the
    n-gram (Kneser and Ney 1995; Chen and Goodman 1999, section 4.1.6).

    Attributes:
        discount: D, within 0 … 1; None estimates D = n1 / (n1 + 2 n2) on each level
            from the numbers of n-grams counted once and twice (Ney, Essen and Kneser
            1994).
    """

    discount: float | None = None

    def check(self, order: int) -> None:
        """Raise ValueError unless the discount is None or within 0 … 1."""
        _check_discount(self.discount)

    def _level(self, counts: NGramCounts, level: int) -> Tables:
        t = _totals(counts, level, self._kept(counts, level))
        discount = self._discount(t.count)
        own = _ratio(np.maximum(t.count - discount, 0), t.total[t.parents], 0.0)
        return Tables(own, _ratio(discount * t.types, t.total, 1.0))

    @staticmethod
    def _kept(counts: NGramCounts, level: int) -> Int[np.ndarray, " N"]:
        if level == counts.n:
            return counts.levels[level - 1].counts
        longer = counts.levels[level]
        return np.bincount(
            longer.suffixes[longer.counts > 0],
            minlength=len(counts.levels[level - 1].keys),
        )

    def _discount(self, count: Int[np.ndarray, " N"]) -> float:
        if self.discount is not None:
            return self.discount
        once, twice = int((count == 1).sum()), int((count == 2).sum())
        return once / (once + 2 * twice) if once and twice else 0.5
