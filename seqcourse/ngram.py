"""N-gram models: Markov models of any order, and a Bayes classifier made of them.

The *order* k is the length of the context: a model of order 0 ignores all context
(unigrams), one of order 1 looks at one token (bigrams), one of order 2 at two
(trigrams).
"""

from collections.abc import Sequence
from itertools import accumulate
from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from seqcourse.counts import Gram, NGramCounts
from seqcourse.lm import Corpus, Ids, LogProbs, as_ids
from seqcourse.smoothing import (
    MLE,
    AddK,
    Backoff,
    Interpolation,
    KneserNey,
    Smoothing,
    Weights,
    WittenBell,
)

__all__ = [
    "MLE",
    "AddK",
    "Backoff",
    "Interpolation",
    "KneserNey",
    "NGram",
    "NGramClassifier",
    "Smoothing",
    "WittenBell",
]


class NGram:
    """A Markov model: p(token | all before it) = p(token | the last `order` tokens).

    >>> model = NGram(order=1, vocab_size=2, smoothing=AddK(1))
    >>> logprobs = model.fit(np.array([0, 1, 0, 1])).next_logprobs(np.array([0]))
    >>> np.exp(logprobs).round(2)  # (0 + 1)/(2 + 2), (2 + 1)/(2 + 2)
    array([0.25, 0.75])

    Attributes:
        tables: once fitted, what the smoothing made of the counts, for each level.
        probabilities: once fitted, p(last token | tokens before) of every n-gram seen,
            for each level that the smoothing asks.

    Args:
        order: k, the number of tokens of context, at least 0.
        vocab_size: V; ids run from 0 to V-1.
        smoothing: how unseen n-grams get their probability; see `seqcourse.smoothing`.

    Raises:
        ValueError: if the order is below 0, V below 1, or the smoothing does not fit
            the order.
    """

    def __init__(self, order: int, vocab_size: int, smoothing: Smoothing) -> None:
        if order < 0:
            raise ValueError(
                f"order must be at least 0 (0: unigrams, 1: bigrams, …), but is {order}"
            )
        if vocab_size < 1:
            raise ValueError(f"vocab_size must be at least 1, but is {vocab_size}")
        smoothing.check(order)
        self.order, self.vocab_size, self.smoothing = order, vocab_size, smoothing
        self._counts: NGramCounts | None = None

    def __repr__(self) -> str:
        return (
            f"NGram(order={self.order}, vocab_size={self.vocab_size}, {self.smoothing})"
        )

    def fit(self, sequences: Ids | Corpus) -> "NGram":
        """Count the n-grams of one sequence, or of independent ones, and smooth them.

        Returns:
            The model itself.

        Raises:
            ValueError: if there is no token, or an id is outside the vocabulary.
        """
        several = [sequences] if isinstance(sequences, np.ndarray) else list(sequences)
        self._counts = NGramCounts(
            several, n=self.order + 1, vocab_size=self.vocab_size
        )
        self.tables = self.smoothing.tables(self._counts)
        self.probabilities = self._probabilities()
        return self

    @property
    def counts(self) -> NGramCounts:
        """The n-gram counts behind the model.

        Raises:
            RuntimeError: before the model is fitted.
        """
        if self._counts is None:
            raise RuntimeError(
                "this model has no counts yet; call fit(sequences) first"
            )
        return self._counts

    @property
    def parameters(self) -> int:
        """The number of distinct n-grams that the model stores."""
        levels = (
            self.counts.levels if self.smoothing.recursive else self.counts.levels[-1:]
        )
        return sum(int((level.counts > 0).sum()) for level in levels)

    def _probabilities(self) -> list[Weights]:
        """Return p(last token | tokens before) of each n-gram seen, by level."""
        result = [np.full(1, 1 / self.vocab_size)]  # below the unigrams: uniform
        for level in self._levels():
            grams, tables = self.counts.levels[level - 1], self.tables[level - 1]
            shorter = (
                result[-1][grams.suffixes] if self.smoothing.recursive else result[0]
            )
            p = tables.passed[grams.parents] * shorter
            if self.smoothing.backs_off:
                p = np.where(tables.own > 0, tables.own, p)
            else:
                p += tables.own
            result.append(p)
        return result[1:]

    def count(self, ngram: Gram) -> int:
        """Return how often an n-gram of up to order + 1 ids occurred in training."""
        return self.counts.count(ngram)

    def logprobs(self, tokens: Ids) -> LogProbs:
        """Return ln p(token t | the tokens before it), shape (T,), in nats.

        The first tokens are conditioned on the start symbol; the impossible gets -inf.

        Raises:
            ValueError: if an id is outside the vocabulary.
        """
        return self.logprobs_of([tokens])[0]

    def logprobs_of(self, sequences: Corpus) -> list[LogProbs]:
        """Return the `logprobs` of each of several independent sequences, all at once.

        Raises:
            ValueError: if an id is outside the vocabulary.
        """
        stream = self.counts.padded(sequences)
        real = np.flatnonzero(stream < self.vocab_size)  # what is not a start symbol
        tokens = stream[real]
        place = np.zeros(len(stream), dtype=np.int64)  # of the n-gram that ends there
        # each level refines what the one below says; below all is the uniform one
        p = np.full(len(real), 1 / self.vocab_size)
        for level in range(1, self.order + 2):
            contexts = place[real - 1]
            ngrams = self.counts.extend(level, contexts, tokens)
            if level in self._levels():
                p = self._refine(level, p, contexts, ngrams)
            place = np.full(len(stream), self.counts.find([self.counts.start] * level))
            place[real] = ngrams
        with np.errstate(divide="ignore"):
            logprobs = np.log(p)
        lengths = [len(sequence) for sequence in sequences]
        ends = accumulate(lengths)
        return [logprobs[end - n : end] for n, end in zip(lengths, ends, strict=True)]

    def next_logprobs(self, context: Ids) -> Float[np.ndarray, " V"]:
        """Return ln p(v | context) for all v, shape (V,), in nats; -inf: impossible.

        Raises:
            ValueError: if an id is outside the vocabulary.
        """
        contexts = self._suffixes(as_ids(context, self.vocab_size, name="context"))
        p = np.full(self.vocab_size, 1 / self.vocab_size)
        for level in self._levels():
            seen = np.full(self.vocab_size, -1)
            parent = contexts[level - 1]
            if parent >= 0:
                where, tokens = self.counts.children(level, parent)
                real = tokens < self.vocab_size  # the start symbol is never predicted
                seen[tokens[real]] = np.arange(where.start, where.stop)[real]
            p = self._refine(level, p, np.full(self.vocab_size, parent), seen)
        with np.errstate(divide="ignore"):
            return np.log(p)

    def _suffixes(self, context: Ids) -> list[int]:
        """Return each suffix of the context, the empty one first; -1 where unseen."""
        window = np.concatenate((np.full(self.order, self.counts.start), context))
        window = window[len(window) - self.order :]
        known = self.order
        while (place := self.counts.find(window[self.order - known :])) < 0:
            known -= 1
        places = [place]
        for level in range(
            known, 0, -1
        ):  # each n-gram knows where it stands without its first
            places.append(int(self.counts.levels[level - 1].suffixes[places[-1]]))
        return [*reversed(places), *[-1] * (self.order - known)]

    def _levels(self) -> range:
        top = self.order + 1
        return range(1, top + 1) if self.smoothing.recursive else range(top, top + 1)

    def _refine(
        self,
        level: int,
        lower: Float[np.ndarray, " T"],
        contexts: Int[np.ndarray, " T"],
        ngrams: Int[np.ndarray, " T"],
    ) -> Float[np.ndarray, " T"]:
        """Return p(w | h) from p(w | h'); the place -1 is an n-gram never seen."""
        passed, known = self.tables[level - 1].passed, contexts >= 0
        p = lower * np.where(known, passed[contexts], self.smoothing.unseen)
        seen = ngrams >= 0
        p[seen] = self.probabilities[level - self._levels().start][ngrams[seen]]
        return p


class NGramClassifier:
    """A Bayes classifier: one n-gram model for each class, and the class's prior.

    p(class | x) is proportional to p(class) p(x | class). With order 0 this is
    multinomial naive Bayes (McCallum and Nigam 1998).

    >>> x = [np.array([0, 0, 1]), np.array([1, 1])]
    >>> NGramClassifier(0, 2, AddK(1)).fit(x, ["a", "b"]).predict([np.array([0])])
    ['a']

    Args:
        order: k, the number of tokens of context.
        vocab_size: V, the same for all classes.
        smoothing: as for `NGram`.
        priors: "empirical" takes the classes' shares of the training examples;
            "uniform" takes all classes to be equally likely.

    Raises:
        ValueError: for options that `NGram` refuses, or other priors.
    """

    def __init__(
        self,
        order: int,
        vocab_size: int,
        smoothing: Smoothing,
        *,
        priors: Literal["empirical", "uniform"] = "empirical",
    ) -> None:
        if priors not in ("empirical", "uniform"):
            raise ValueError(
                f"priors must be 'empirical' or 'uniform', but is {priors!r}"
            )
        NGram(order, vocab_size, smoothing)
        self.order, self.vocab_size, self.smoothing = order, vocab_size, smoothing
        self.priors = priors
        self.classes: list[str] = []
        self.models: list[NGram] = []

    def fit(self, sequences: Corpus, labels: Sequence[str]) -> "NGramClassifier":
        """Fit one model to the sequences of each label.

        Returns:
            The classifier itself; `classes` holds the labels in sorted order.

        Raises:
            ValueError: if there are no examples, or not one label for each sequence.
        """
        if len(sequences) != len(labels):
            raise ValueError(f"got {len(sequences)} sequences but {len(labels)} labels")
        if not labels:
            raise ValueError(
                "cannot fit a classifier to an empty corpus: it has no examples"
            )
        self.classes = sorted(set(labels))
        self.models = []
        shares = []
        for name in self.classes:
            own = [
                s for s, label in zip(sequences, labels, strict=True) if label == name
            ]
            shares.append(len(own) / len(labels) if self.priors == "empirical" else 1.0)
            self.models.append(
                NGram(self.order, self.vocab_size, self.smoothing).fit(own)
            )
        self.log_priors = np.log(np.array(shares) / sum(shares))
        return self

    def log_posterior(self, sequences: Corpus) -> Float[np.ndarray, "N C"]:
        """Return ln p(class | sequence), shape (N, C), columns as `classes`, in nats.

        Raises:
            RuntimeError: before the classifier is fitted.
        """
        if not self.models:
            raise RuntimeError(
                "this classifier has no models yet; call fit(sequences, labels)"
            )
        logprobs = [model.logprobs_of(sequences) for model in self.models]
        likelihoods = np.array([[x.sum() for x in each] for each in logprobs]).T
        joint = likelihoods + self.log_priors
        return joint - np.logaddexp.reduce(joint, axis=1, keepdims=True)

    def predict(self, sequences: Corpus) -> list[str]:
        """Return the most probable class of each sequence."""
        return [self.classes[i] for i in self.log_posterior(sequences).argmax(axis=1)]
