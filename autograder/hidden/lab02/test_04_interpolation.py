"""Task `interpolation`: a mixture of models, its weights learned by EM."""

import itertools
from typing import Any

import numpy as np

from autograder.hidden.lab02 import reference
from autograder.suite import expect_close, expect_dtype, expect_shape, expect_true, task


def opinions(rng: np.random.Generator, models: int = 3, tokens: int = 29) -> np.ndarray:
    """Draw the probabilities that some models give to some tokens."""
    return rng.uniform(0.01, 0.9, size=(models, tokens))


def stepped(probs: np.ndarray, steps: int) -> np.ndarray:
    """Take EM steps from equal weights."""
    weights = [1 / len(probs)] * len(probs)
    for _ in range(steps):
        weights = reference.em_step(probs, weights)
    return np.array(weights)


def tuned(student: Any, probs: np.ndarray, steps: int) -> np.ndarray:
    """Return the student's weights as an array (M,); they are shares, whatever they are worth."""
    weights = student.tune_weights(probs, steps)
    expect_shape(weights, (len(probs),), what="the array of weights", lists=True)
    weights = reference.from_lists(weights)
    expect_dtype(weights, "float", what="the array of weights")
    expect_close(weights.sum(), 1.0, what="the sum of the weights")
    expect_true(bool((weights >= 0).all()), "A weight is below 0.")
    return np.asarray(weights)


@task("interpolation", points=0.5, hint="tune_weights gives one weight for each model: (M,).")
def test_mixture_weights_shape(student: Any, rng: np.random.Generator) -> None:
    """The weights are one number for each model."""
    got = student.tune_weights(opinions(rng), 2)
    expect_shape(got, (3,), what="the array of weights", lists=True)


@task("interpolation", points=0.5, hint="interpolate gives (T,), tune_weights gives (M,).")
def test_mixture_arrays(student: Any, rng: np.random.Generator) -> None:
    """Mixture and weights come as arrays."""
    probs = opinions(rng)
    mixed = student.interpolate(probs, np.array([0.2, 0.3, 0.5]))
    expect_shape(mixed, (29,), what="the mixture")
    expect_shape(student.tune_weights(probs, 2), (3,), what="the array of weights")


@task(
    "interpolation",
    points=2,
    hint="Add up weight times probability over the models. It is not the logs that are mixed.",
)
def test_mixture_mixture(student: Any, rng: np.random.Generator) -> None:
    """The mixture is the weighted sum of the models' probabilities, zeros included."""
    probs, weights = opinions(rng, 5, 31), reference.distributions(rng, 5)
    probs[:, 3], probs[2] = 0.0, 0.0
    wanted = [sum(w * p for w, p in zip(weights, column, strict=True)) for column in probs.T]
    expect_close(student.interpolate(probs, weights), np.array(wanted), what="the mixture")


@task(
    "interpolation",
    points=2,
    after=test_mixture_weights_shape,
    hint="E-step: for each token, weight times probability, divided by their sum over the models.",
)
def test_mixture_one_step(student: Any, rng: np.random.Generator) -> None:
    """One EM step gives each model its mean responsibility."""
    probs = opinions(rng)
    expect_close(student.tune_weights(probs, 1), stepped(probs, 1), what="the array of weights")


@task(
    "interpolation",
    points=2,
    after=test_mixture_weights_shape,
    hint="Each step starts from the weights that the last one left.",
)
def test_mixture_seven_steps(student: Any, rng: np.random.Generator) -> None:
    """Each EM step builds on the one before."""
    probs = opinions(rng, 4, 23)
    expect_close(student.tune_weights(probs, 7), stepped(probs, 7), what="the array of weights")


@task(
    "interpolation",
    points=2,
    after=test_mixture_weights_shape,
    hint="After many steps no other weights may make the held-out text more likely.",
)
def test_mixture_optimum(student: Any, rng: np.random.Generator) -> None:
    """After many steps, the weights are the best there are."""
    experts = reference.distributions(rng, 2, 13)
    tokens = rng.choice(13, size=401, p=np.array([0.7, 0.3]) @ experts)
    probs = experts[:, tokens]
    weights = tuned(student, probs, 1500)
    grid = np.linspace(0, 1, 2001)[:, None]
    likelihood = np.log(grid * probs[0] + (1 - grid) * probs[1] + 1e-300).sum(axis=1)
    found = float(np.log(weights @ probs).sum())
    expect_true(found >= likelihood.max() - 1e-3, "Other weights make the text more likely.")


@task(
    "interpolation",
    points=1,
    after=test_mixture_weights_shape,
    hint="The responsibilities for a token sum to one over the models, so the weights do too.",
)
def test_mixture_never_worse(student: Any, rng: np.random.Generator) -> None:
    """Weights sum to one, and no step makes the text less likely."""
    probs, likelihood = opinions(rng), []
    for steps in range(6):
        weights = tuned(student, probs, steps)
        likelihood.append(float(np.log(weights @ probs).sum()))
    better = all(b >= a - 1e-9 for a, b in itertools.pairwise(likelihood))
    expect_true(better, "A step made the held-out text less likely.")


@task(
    "interpolation",
    points=0.5,
    after=test_mixture_weights_shape,
    hint="0/0 is NaN: leave out tokens that every model calls impossible, also from the mean.",
)
def test_mixture_impossible_tokens(student: Any, rng: np.random.Generator) -> None:
    """Tokens that every model calls impossible tell nothing about the weights."""
    probs = opinions(rng)
    probs[:, 5:9], probs[1, 11] = 0.0, 0.0
    expect_close(student.tune_weights(probs, 3), stepped(probs, 3), what="the array of weights")


@task(
    "interpolation",
    points=0.5,
    after=test_mixture_weights_shape,
    hint="Only 0 is impossible. What you add or compare against 0/0 is not small beside 1e-12.",
)
def test_mixture_tiny_probabilities(student: Any, rng: np.random.Generator) -> None:
    """Tokens that every model calls very improbable count like all others."""
    probs = opinions(rng)
    probs[:, 3:14] *= 1e-12
    expect_close(student.tune_weights(probs, 3), stepped(probs, 3), what="the array of weights")


@task(
    "interpolation",
    points=1,
    after=test_mixture_weights_shape,
    hint="Where there is nothing to learn from, the weights stay equal: 1/M each.",
)
def test_mixture_nothing_to_learn(student: Any, rng: np.random.Generator) -> None:
    """Without steps, without tokens or with one model, the weights stay equal."""
    for probs, steps in ((opinions(rng), 0), (np.empty((3, 0)), 4), (np.zeros((3, 5)), 4)):
        got = student.tune_weights(probs, steps)
        expect_close(got, np.full(3, 1 / 3), what="the array of weights")
    expect_close(student.tune_weights(opinions(rng, 1), 3), np.ones(1), what="the only weight")
