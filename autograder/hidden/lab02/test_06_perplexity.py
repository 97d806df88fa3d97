"""Task `perplexity`: how surprised a model is, per token and per character."""

from typing import Any

import numpy as np

from autograder.suite import expect_close, expect_raises, task


@task(
    "perplexity",
    points=1,
    hint="Take exp of minus the mean of natural logs: a choice of V equals has perplexity V.",
)
def test_perplexity_equally_likely(student: Any, rng: np.random.Generator) -> None:
    """V equally likely tokens have perplexity V."""
    for v in (2, 17, 1000):
        got = student.perplexity(np.log(np.full(23, 1 / v)))
        expect_close(got, float(v), what="the perplexity")


@task(
    "perplexity",
    points=1,
    hint="Take the mean of the logs over the tokens first, then exp of minus that.",
)
def test_perplexity_values(student: Any, rng: np.random.Generator) -> None:
    """The perplexity is the geometric mean of 1/p."""
    p = rng.uniform(0.001, 1.0, size=31)
    expect_close(student.perplexity(np.log(p)), float(np.prod(1 / p) ** (1 / 31)))


@task(
    "perplexity",
    points=2,
    hint="Bits have base 2; divide by the number of characters, not of tokens.",
)
def test_perplexity_bits_per_character(student: Any, rng: np.random.Generator) -> None:
    """Bits per character are bits of all tokens, divided by the characters."""
    p = rng.uniform(0.001, 1.0, size=29)
    got = student.bits_per_character(np.log(p), 131)
    expect_close(got, float(-np.log2(p).sum() / 131), what="the number of bits per character")


@task(
    "perplexity",
    points=1,
    hint="Long texts overflow where a product is formed; impossible tokens give inf, not NaN.",
)
def test_perplexity_extremes(student: Any, rng: np.random.Generator) -> None:
    """A very long text and an impossible token are handled."""
    logs = np.full(200_000, -7.0)
    expect_close(student.perplexity(logs), float(np.exp(7)), what="the perplexity")
    expect_close(student.bits_per_character(logs, 200_000), 7 / float(np.log(2)))
    impossible = np.array([-1.0, -np.inf, -2.0])
    expect_close(student.perplexity(impossible), np.inf, what="the perplexity")
    expect_close(
        student.bits_per_character(impossible, 9), np.inf, what="the number of bits per character"
    )


@task("perplexity", points=0.5, hint="Check for an empty text first, and raise a ValueError.")
def test_perplexity_empty(student: Any, rng: np.random.Generator) -> None:
    """The perplexity of a text without tokens is refused with a ValueError."""
    expect_raises("ValueError", student.perplexity, np.empty(0))


@task("perplexity", points=0.5, hint="Check n_characters first, and raise a ValueError.")
def test_perplexity_no_characters(student: Any, rng: np.random.Generator) -> None:
    """Bits per character without a character are refused with a ValueError."""
    for logprobs, n_characters in ((np.empty(0), 0), (np.log([0.5, 0.25]), 0), (np.zeros(3), -1)):
        expect_raises("ValueError", student.bits_per_character, logprobs, n_characters)
