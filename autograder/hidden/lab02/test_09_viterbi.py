"""Task `viterbi`: the most probable path, also where readings were lost."""

from typing import Any

import numpy as np

from autograder.hidden.lab02 import reference
from autograder.suite import expect_close, expect_dtype, expect_shape, expect_true, task

Model = tuple[np.ndarray, np.ndarray, np.ndarray]


def model_of(rng: np.random.Generator, states: int = 3, symbols: int = 5) -> Model:
    """Draw a hidden Markov model: start, transition, emission."""
    return (
        reference.distributions(rng, states),
        reference.distributions(rng, states, states),
        reference.distributions(rng, states, symbols),
    )


def expect_path(path: Any, readings: np.ndarray, model: Model) -> list[int]:
    """Return a path of the right length, made of states, as an array or a list."""
    expect_shape(path, (len(readings),), what="the path", lists=True)
    states = np.asarray(reference.from_lists(path))
    known = reference.are_states(states, len(model[0]))
    expect_true(known, "States are whole numbers from 0 to S-1.")
    return states.astype(int).tolist()


def expect_best(student: Any, readings: np.ndarray, model: Model) -> None:
    """The path is as probable as the best of all paths."""
    path, _ = student.viterbi(readings, *model)
    states = expect_path(path, readings, model)
    found = reference.path_logprob(states, readings.tolist(), *model)
    best = reference.best_path_logprob(readings.tolist(), *model)
    expect_close(found, best, what="the probability of the path")


@task("viterbi", points=0.5, hint="Return a path of shape (T,) and a number.")
def test_viterbi_shape(student: Any, rng: np.random.Generator) -> None:
    """The path has one state for each reading."""
    model, readings = model_of(rng), np.array([0, 4, 2, 2])
    path, logprob = student.viterbi(readings, *model)
    expect_path(path, readings, model)
    expect_close(float(logprob), float(logprob), what="the log-probability")


@task(
    "viterbi",
    points=0.5,
    after=test_viterbi_shape,
    hint="np.array makes an array of a list, and dtype=np.int64 one of whole numbers.",
)
def test_viterbi_array(student: Any, rng: np.random.Generator) -> None:
    """The path comes as an array of whole numbers."""
    path, _ = student.viterbi(np.array([0, 4, 2, 2]), *model_of(rng))
    expect_shape(path, (4,), what="the path")
    expect_dtype(path, "int", what="the path")


@task(
    "viterbi",
    points=3,
    after=test_viterbi_shape,
    hint="Keep the best path that ends in each state, not just the best state so far.",
)
def test_viterbi_path(student: Any, rng: np.random.Generator) -> None:
    """No other path is more probable (all are tried)."""
    for _ in range(8):
        expect_best(student, rng.integers(5, size=6), model_of(rng))


@task(
    "viterbi",
    points=2,
    after=test_viterbi_shape,
    hint="It is the path's own joint probability, in natural logs: start, steps and readings.",
)
def test_viterbi_logprob(student: Any, rng: np.random.Generator) -> None:
    """The number is the log of the best path's joint probability."""
    for _ in range(4):
        model, readings = model_of(rng), rng.integers(5, size=6)
        _, logprob = student.viterbi(readings, *model)
        best = reference.best_path_logprob(readings.tolist(), *model)
        expect_close(logprob, best, what="the log-probability")


@task(
    "viterbi",
    points=2,
    after=test_viterbi_shape,
    hint="-1 counts as a factor of 1 in every state. As an index it would be the last column.",
)
def test_viterbi_lost_readings(student: Any, rng: np.random.Generator) -> None:
    """Lost readings say nothing about the states, wherever they stand."""
    for lost in ([2], [0, 5], [3, 4], [0, 1, 2, 3, 4, 5]):
        model, readings = model_of(rng), rng.integers(5, size=6)
        readings[lost] = -1
        expect_best(student, readings, model)
        _, logprob = student.viterbi(readings, *model)
        best = reference.best_path_logprob(readings.tolist(), *model)
        expect_close(logprob, best, what="the log-probability")


@task(
    "viterbi",
    points=2,
    after=test_viterbi_shape,
    hint="Products of thousands of probabilities underflow: add logs.",
)
def test_viterbi_long(student: Any, rng: np.random.Generator) -> None:
    """3000 readings are decoded without underflow."""
    model, readings = model_of(rng), rng.integers(5, size=3000)
    path, logprob = student.viterbi(readings, *model)
    states = expect_path(path, readings, model)
    best = reference.best_logprob_of_long(readings.tolist(), *model)
    found = reference.path_logprob(states, readings.tolist(), *model)
    expect_close(found, best, rtol=1e-9, what="the probability of the path")
    expect_close(logprob, best, rtol=1e-9, what="the log-probability")


@task(
    "viterbi",
    points=1,
    after=test_viterbi_shape,
    hint="ln 0 is -inf, and that is fine: avoid -inf * 0 and -inf - -inf, which are NaN.",
)
def test_viterbi_zeros(student: Any, rng: np.random.Generator) -> None:
    """Zeros in the tables are avoided, and where no path is possible the result is -inf."""
    start, transition = np.array([0.7, 0.3]), np.eye(2)
    emission = np.array([[0.9, 0.1, 0.0, 0.0], [0.2, 0.5, 0.3, 0.0]])
    expect_best(student, np.array([0, 0, 2, 1]), (start, transition, emission))
    path, logprob = student.viterbi(np.array([0, 3, 1]), start, transition, emission)
    expect_shape(path, (3,), what="the path", lists=True)
    expect_close(logprob, -np.inf, what="the log-probability")


@task(
    "viterbi",
    points=1,
    after=test_viterbi_shape,
    hint="Without readings: an empty path and 0.0. With one: the best of start times emission.",
)
def test_viterbi_short(student: Any, rng: np.random.Generator) -> None:
    """No reading, and a single one, are decoded."""
    model = model_of(rng)
    path, logprob = student.viterbi(np.empty(0, dtype=np.int64), *model)
    expect_shape(path, (0,), what="the path without readings", lists=True)
    expect_close(logprob, 0.0, what="the log-probability without readings")
    path, logprob = student.viterbi(np.array([3]), *model)
    (state,) = expect_path(path, np.array([3]), model)
    joint = model[0] * model[2][:, 3]
    expect_close(float(joint[state]), float(joint.max()), what="the only state")
    expect_close(logprob, float(np.log(joint.max())), what="the log-probability of one reading")
