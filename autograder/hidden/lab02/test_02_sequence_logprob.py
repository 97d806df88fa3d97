"""Task `sequence-logprob`: many sequences of a Markov chain, scored at once."""

from typing import Any

import numpy as np

from autograder.hidden.lab02 import reference
from autograder.suite import expect_close, expect_shape, task


def chain(rng: np.random.Generator, n_states: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Draw a chain's start and transition."""
    return reference.distributions(rng, n_states), reference.distributions(rng, n_states, n_states)


def scores(ids: np.ndarray, lengths: np.ndarray, start: np.ndarray, transition: np.ndarray) -> Any:
    """Score row by row."""
    rows = [row[:length].tolist() for row, length in zip(ids, lengths, strict=True)]
    return np.array([reference.sequence_logprob(row, start, transition) for row in rows])


@task("sequence-logprob", points=0.5, hint="One number for each sequence: shape (B,).")
def test_batch_shape(student: Any, rng: np.random.Generator) -> None:
    """One number comes back for each sequence."""
    ids = rng.integers(5, size=(7, 3))
    got = student.sequence_logprobs(ids, np.full(7, 3), *chain(rng))
    expect_shape(got, (7,), what="the array of log-probabilities", lists=True)


@task(
    "sequence-logprob",
    points=0.5,
    after=test_batch_shape,
    hint="np.array makes an array of a list.",
)
def test_batch_array(student: Any, rng: np.random.Generator) -> None:
    """The log-probabilities come as an array."""
    got = student.sequence_logprobs(rng.integers(5, size=(7, 3)), np.full(7, 3), *chain(rng))
    expect_shape(got, (7,), what="the array of log-probabilities")


@task(
    "sequence-logprob",
    points=2,
    after=test_batch_shape,
    hint="Add the natural logs of the start and of each step; transition[i, j] is i, then j.",
)
def test_batch_values(student: Any, rng: np.random.Generator) -> None:
    """Sequences without padding get their log-probability."""
    ids, lengths, model = rng.integers(5, size=(11, 13)), np.full(11, 13), chain(rng)
    expect_close(student.sequence_logprobs(ids, lengths, *model), scores(ids, lengths, *model))


@task(
    "sequence-logprob",
    points=1,
    after=test_batch_shape,
    hint="Only the first lengths[b] places of row b belong to the sequence.",
)
def test_batch_padding(student: Any, rng: np.random.Generator) -> None:
    """Padding changes nothing, whatever it holds."""
    ids, lengths, model = rng.integers(5, size=(11, 13)), rng.integers(1, 14, size=11), chain(rng)
    expect_close(student.sequence_logprobs(ids, lengths, *model), scores(ids, lengths, *model))


@task(
    "sequence-logprob",
    points=2,
    after=test_batch_shape,
    hint="-inf * 0 is NaN: choose with np.where instead of multiplying with a mask.",
)
def test_batch_impossible(student: Any, rng: np.random.Generator) -> None:
    """A step of probability 0 gives -inf in a sequence, and does no harm in the padding."""
    start = np.array([0.6, 0.4, 0.0])
    transition = np.array([[0.5, 0.5, 0.0], [0.0, 0.3, 0.7], [1.0, 0.0, 0.0]])
    ids = np.array([[0, 1, 0, 2], [0, 1, 2, 2], [2, 0, 1, 2], [1, 2, 1, 1], [2, 0, 0, 0]])
    lengths = np.array([4, 3, 4, 2, 1])
    got = student.sequence_logprobs(ids, lengths, start, transition)
    expect_close(got, scores(ids, lengths, start, transition))


@task(
    "sequence-logprob",
    points=1,
    after=test_batch_shape,
    hint="The empty product is 1: an empty sequence scores 0.0 with any padding, and where T is 0.",
)
def test_batch_empty(student: Any, rng: np.random.Generator) -> None:
    """Sequences of length 0 and 1 are scored, and so is a batch with no places at all."""
    start, transition = np.r_[reference.distributions(rng, 4), 0.0], chain(rng)[1]
    ids = rng.integers(4, size=(3, 2))
    ids[0] = 4  # padding of an empty sequence, and no sequence can start with it
    got = student.sequence_logprobs(ids, np.array([0, 1, 0]), start, transition)
    expect_close(
        got, np.array([0.0, np.log(start[ids[1, 0]]), 0.0]), what="the score of a short sequence"
    )
    empty = student.sequence_logprobs(
        np.empty((2, 0), dtype=np.int64), np.zeros(2, dtype=np.int64), start, transition
    )
    expect_close(empty, np.zeros(2), what="the score of an empty sequence")


@task(
    "sequence-logprob",
    points=1,
    after=test_batch_shape,
    hint="A product of so many probabilities underflows to 0: add their logs.",
)
def test_batch_long(student: Any, rng: np.random.Generator) -> None:
    """A sequence of length 100 000 has a finite log-probability."""
    start, transition = chain(rng)
    ids, length = rng.integers(5, size=(1, 100_000)), np.array([100_000])
    got = student.sequence_logprobs(ids, length, start, transition)
    expect_close(got, scores(ids, length, start, transition), rtol=1e-9)
