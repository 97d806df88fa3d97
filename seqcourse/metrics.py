"""Metrics: one number for how good a model is, mostly from its log-probabilities."""

import math
from collections.abc import Sequence

import numpy as np

from seqcourse.lm import LogProbs

__all__ = [
    "accuracy",
    "bits_per_byte",
    "bits_per_character",
    "bits_per_token",
    "perplexity",
]


def _mean_surprise(logprobs: LogProbs) -> float:
    """Return -mean(ln p), nats per token; infinite if anything was held impossible."""
    values = np.asarray(logprobs, dtype=float)
    if values.size == 0:
        raise ValueError(
            "cannot score an empty sequence: there are no log-probabilities"
        )
    if np.isnan(values).any():
        raise ValueError("the log-probabilities contain NaN")
    if (values > 1e-9).any():
        raise ValueError(
            f"log-probabilities cannot be above 0, but one is {values.max():.3g}"
        )
    return float(-values.mean())


def perplexity(logprobs: LogProbs) -> float:
    """Return exp(-mean ln p): how many equally likely choices would puzzle as much.

    >>> perplexity(np.log([1 / 6, 1 / 6]))  # a fair die
    6.0

    Raises:
        ValueError: for no values, NaN, or a log-probability above 0.
    """
    surprise = _mean_surprise(logprobs)
    return math.exp(surprise) if surprise < 709 else math.inf  # e^710 overflows


def bits_per_token(logprobs: LogProbs) -> float:
    """Return the cross-entropy in bits per token: -mean log2 p.

    >>> bits_per_token(np.log([0.5, 0.125]))  # (1 + 3) / 2
    2.0

    Raises:
        ValueError: as for `perplexity`.
    """
    return _mean_surprise(logprobs) / math.log(2)


def bits_per_byte(logprobs: LogProbs, n_bytes: int) -> float:
    """Return the bits a model needs for each byte of the text behind the tokens.

    Unlike perplexity it compares models with different tokens: the text's bytes are the
    same for all of them. Eight bits per byte is what no model at all needs.

    Raises:
        ValueError: as for `perplexity`, or if `n_bytes` is not above 0.
    """
    return _bits_per_unit(logprobs, n_bytes, "n_bytes")


def bits_per_character(logprobs: LogProbs, n_chars: int) -> float:
    """Return the bits a model needs for each character of the text behind the tokens.

    Raises:
        ValueError: as for `perplexity`, or if `n_chars` is not above 0.
    """
    return _bits_per_unit(logprobs, n_chars, "n_chars")


def _bits_per_unit(logprobs: LogProbs, units: int, name: str) -> float:
    if units <= 0:
        raise ValueError(f"{name} must be above 0, but is {units}")
    return bits_per_token(logprobs) * len(logprobs) / units


def accuracy(predicted: Sequence[object], actual: Sequence[object]) -> float:
    """Return the share of predictions that equal what was to be predicted, 0 … 1.

    >>> accuracy(["ham", "spam"], ["ham", "ham"])
    0.5

    Raises:
        ValueError: if there are none, or not as many of one as of the other.
    """
    if len(predicted) != len(actual):
        raise ValueError(f"got {len(predicted)} predictions for {len(actual)} answers")
    if not len(actual):
        raise ValueError("cannot score an empty list of predictions")
    return sum(p == a for p, a in zip(predicted, actual, strict=True)) / len(actual)
