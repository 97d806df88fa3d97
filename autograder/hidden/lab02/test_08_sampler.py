"""Task `sampler`: temperature, and a sampler that uses it."""

from typing import Any

import numpy as np
from scipy.stats import binom

from autograder.hidden.lab02 import reference
from autograder.suite import (
    expect_close,
    expect_dtype,
    expect_equal,
    expect_raises,
    expect_shape,
    expect_true,
    task,
)

Chain = tuple[np.ndarray, np.ndarray]

LENGTH = 10_000
STARTS = 1000
CHANCE = 1e-11  # what is rarer is no luck; 96 tails are tried, so one in a billion is blamed for it


def expect_frequencies(counts: np.ndarray, p: np.ndarray, what: str) -> None:
    """Counts are what drawing from p gives, but for chance."""
    n = counts.sum(axis=-1, keepdims=True)
    rare = np.minimum(binom.cdf(counts, n, p), binom.sf(counts - 1, n, p))
    expect_true(bool((rare >= CHANCE).all()), f"{what} come up too often or rarely.")


def drawn(student: Any, chain: Chain, length: int, temperature: float, seed: int) -> np.ndarray:
    """Return a sequence from a chain of three states, of the right length and made of them."""
    got = student.generate(*chain, length, temperature, seed)
    expect_shape(got, (length,), what="the sequence", lists=True)
    states = np.asarray(reference.from_lists(got))
    expect_true(reference.are_states(states, 3), "States are whole numbers from 0 to S-1.")
    return states.astype(np.int64)


def expect_steps(states: np.ndarray, transition: np.ndarray) -> None:
    """Steps come up as often as a transition says, but for chance."""
    counts = np.zeros((3, 3))
    np.add.at(counts, (states[:-1], states[1:]), 1)
    expect_frequencies(counts, transition, "Some transitions")


@task(
    "sampler",
    points=1,
    hint="At 1 each row stays as it is, and so does the shape. Normalise over the last axis alone.",
)
def test_sampler_temperature_one(student: Any, rng: np.random.Generator) -> None:
    """Temperature 1 changes nothing, whatever the number of axes."""
    for shape in ((7,), (3, 5), (2, 3, 5)):
        p = reference.distributions(rng, *shape)
        expect_close(student.temper(p, 1.0), p, what="the tempered distribution")


@task(
    "sampler",
    points=2,
    after=test_sampler_temperature_one,
    hint="p to the power of 1/temperature, normalised over the last axis.",
)
def test_sampler_temper(student: Any, rng: np.random.Generator) -> None:
    """Low temperatures sharpen, high ones flatten, each row on its own."""
    p = reference.distributions(rng, 3, 5)
    for temperature in (0.5, 2.0, 3.0):
        powers = p ** (1 / temperature)
        wanted = powers / powers.sum(axis=1, keepdims=True)
        expect_close(student.temper(p, temperature), wanted, what="the tempered distribution")


@task(
    "sampler",
    points=1,
    after=test_sampler_temperature_one,
    hint="p ** 1000 underflows: work with logs, and subtract the largest before you take exp.",
)
def test_sampler_very_cold(student: Any, rng: np.random.Generator) -> None:
    """A temperature of 0.001 works."""
    p = np.array([[0.2, 0.201, 0.25, 0.2502, 0.0988], [0.9, 0.1, 0.0, 0.0, 0.0]])
    ratio = (0.25 / 0.2502) ** 1000
    first = np.array([0, 0, ratio, 1, 0]) / (1 + ratio)
    got = student.temper(p, 0.001)
    expect_close(got, np.array([first, [1, 0, 0, 0, 0]]), atol=1e-9, what="the distribution")


@task(
    "sampler",
    points=1,
    after=test_sampler_temperature_one,
    hint="At 0 the largest entries share everything equally, in each row.",
)
def test_sampler_zero(student: Any, rng: np.random.Generator) -> None:
    """Temperature 0 gives all to the largest, in equal shares."""
    p = np.array([[0.3, 0.4, 0.3], [0.4, 0.2, 0.4], [0.25, 0.5, 0.25]])
    wanted = np.array([[0, 1, 0], [0.5, 0, 0.5], [0, 1, 0]])
    expect_close(student.temper(p, 0.0), wanted, what="the distribution at temperature 0")


@task(
    "sampler",
    points=1,
    after=test_sampler_temperature_one,
    hint="0 stays 0 at any temperature; one below 0 is an error.",
)
def test_sampler_limits(student: Any, rng: np.random.Generator) -> None:
    """The impossible stays impossible, and a temperature below 0 is refused."""
    p = np.array([0.7, 0.0, 0.2, 0.1])
    expect_close(
        student.temper(p, 1e6), np.array([1, 0, 1, 1]) / 3, atol=1e-5, what="the hot distribution"
    )
    expect_raises("ValueError", student.temper, p, -0.5)


@task(
    "sampler",
    points=1,
    hint="Make a fresh np.random.default_rng(seed) inside generate, and draw from that alone. "
    "Return an array of `length` whole numbers.",
)
def test_sampler_seeds(student: Any, rng: np.random.Generator) -> None:
    """The same seed gives the same sequence, another seed another; lengths are right."""
    start, transition = np.full(6, 1 / 6), np.full((6, 6), 1 / 6)
    one, again, other = (student.generate(start, transition, 40, 1.0, seed) for seed in (4, 4, 5))
    expect_shape(one, (40,), what="the sequence")
    expect_dtype(one, "int", what="the sequence")
    expect_equal(one, again, what="the second sequence from the same seed")
    expect_shape(other, (40,), what="the sequence from another seed")
    expect_true(one.tolist() != other.tolist(), "Two seeds give the same sequence.")
    none = student.generate(start, transition, 0, 1.0, 4)
    expect_shape(none, (0,), what="the sequence of length 0")


@task(
    "sampler",
    points=1.5,
    hint="Each state is drawn from the tempered row of the state before it.",
)
def test_sampler_transitions(student: Any, rng: np.random.Generator) -> None:
    """Transitions come up as often as their tempered probabilities say."""
    start = np.array([0.2, 0.5, 0.3])
    transition = np.array([[0.1, 0.6, 0.3], [0.5, 0.0, 0.5], [0.25, 0.7, 0.05]])
    for temperature in (1.0, 0.5, 2.0):
        seed = int(rng.integers(10**6))
        got = drawn(student, (start, transition), LENGTH, temperature, seed)
        powers = transition ** (1 / temperature)
        expect_steps(got, powers / powers.sum(axis=1, keepdims=True))


@task(
    "sampler",
    points=0.5,
    hint="`temper` knows what to do at temperature 0, and close to it: let generate use it.",
)
def test_sampler_cold_sequence(student: Any, rng: np.random.Generator) -> None:
    """At temperature 0, and close to it, each step is a most probable one."""
    start = np.array([0.3, 0.4, 0.3])
    transition = np.array([[0.25, 0.4, 0.35], [0.4, 0.2, 0.4], [0.3, 0.4, 0.3]])
    for temperature in (0.0, 0.001):
        seed = int(rng.integers(10**6))
        got = drawn(student, (start, transition), 1000, temperature, seed)
        expect_true(int(got[0]) == 1, "It begins with a state that is not the most probable.")
        expect_steps(got, np.array([[0, 1, 0], [0.5, 0, 0.5], [0, 1, 0]]))


@task(
    "sampler",
    points=1,
    hint="The temperature holds for the start as well as for the transitions.",
)
def test_sampler_start(student: Any, rng: np.random.Generator) -> None:
    """First states come up as often as their tempered probabilities say."""
    start, transition = np.array([0.5, 0.3, 0.2]), np.full((3, 3), 1 / 3)
    seeds = rng.choice(10**6, size=STARTS, replace=False).tolist()
    firsts = [int(drawn(student, (start, transition), 1, 0.25, seed)[0]) for seed in seeds]
    expect_true(len(set(firsts)) > 1, "Every text begins with the same state.")
    powers = start**4
    counts = np.bincount(firsts, minlength=3).astype(float)
    expect_frequencies(counts, powers / powers.sum(), "Some first states")
