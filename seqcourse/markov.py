"""Markov chains over a few named states: simulate them, and find where they settle."""

import numpy as np
from jaxtyping import Float, Int

__all__ = [
    "Distribution",
    "Transition",
    "check_transition",
    "estimate",
    "power_iteration",
    "simulate",
    "stationary",
]

Transition = Float[np.ndarray, "S S"]
"""P: the probability of the next of S states (column) given this one (row)."""

Distribution = Float[np.ndarray, " S"]
"""The probability of being in each of S states."""


def check_transition(transition: Transition) -> Transition:
    """Return the matrix if each row is a distribution over next states.

    Raises:
        ValueError: if it is not square, or a row is negative somewhere or does not sum
            to 1.
    """
    matrix = np.asarray(transition, dtype=float)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not matrix.size:
        raise ValueError(
            f"a transition matrix must be square (S, S), but has shape {matrix.shape}"
        )
    if (matrix < 0).any() or not np.allclose(matrix.sum(axis=1), 1):
        raise ValueError(
            "each row of a transition matrix must be a distribution (row i: the state "
            "left, column j: the state entered), but the rows sum to "
            f"{matrix.sum(axis=1).round(3)}"
        )
    return matrix


def estimate(states: Int[np.ndarray, " T"], n_states: int) -> Transition:
    """Return the maximum-likelihood transition matrix: relative frequencies.

    >>> estimate(np.array([0, 0, 1, 0]), 2)
    array([[0.5, 0.5],
           [1. , 0. ]])

    Raises:
        ValueError: if a state is outside 0 … S-1, or one is never left, so that its row
            is unknown.
    """
    states = np.asarray(states)
    if states.size and not 0 <= states.min() <= states.max() < n_states:
        raise ValueError(f"states must be within 0 … {n_states - 1}")
    counts = np.zeros((n_states, n_states))
    np.add.at(counts, (states[:-1], states[1:]), 1)
    left = counts.sum(axis=1, keepdims=True)
    if not left.all():
        raise ValueError(
            f"state {int(left.argmin())} is never left, so its row cannot be estimated"
        )
    return counts / left


def power_iteration(
    transition: Transition, start: Distribution, steps: int
) -> Float[np.ndarray, "N S"]:
    """Return the distribution over states after 0, 1, … `steps` steps.

    The rows are start, start P, start P² and so on, shape (N, S) with N = steps + 1.

    >>> power_iteration(np.array([[0.0, 1.0], [0.5, 0.5]]), np.array([1.0, 0.0]), 2)
    array([[1. , 0. ],
           [0. , 1. ],
           [0.5, 0.5]])
    """
    matrix = check_transition(transition)
    history = [np.asarray(start, dtype=float)]
    for _ in range(steps):
        history.append(history[-1] @ matrix)
    return np.array(history)


def stationary(transition: Transition) -> Distribution:
    """Return the distribution π that a step leaves alone, π P = π, shape (S,).

    π is the left eigenvector of P with eigenvalue 1, scaled to sum to 1.

    >>> stationary(np.array([[0.0, 1.0], [0.5, 0.5]])).round(3)
    array([0.333, 0.667])

    Raises:
        ValueError: if there is more than one such distribution, as in a chain of
            separate parts.
    """
    values, vectors = np.linalg.eig(check_transition(transition).T)
    ones = np.flatnonzero(np.isclose(values, 1))
    if len(ones) != 1:
        raise ValueError(
            f"this chain has {len(ones)} independent stationary distributions: where "
            "it settles depends on where it starts"
        )
    vector = vectors[:, ones[0]].real
    return vector / vector.sum()


def simulate(
    transition: Transition, start: int, steps: int, rng: np.random.Generator
) -> Int[np.ndarray, " N"]:
    """Walk from state `start`; return the N = steps + 1 states visited."""
    cumulative = check_transition(transition).cumsum(axis=1)
    cumulative[:, -1] = 1.0  # rounding must not leave a gap at the top
    states = [start]
    for u in rng.random(steps):
        states.append(int(np.searchsorted(cumulative[states[-1]], u, side="right")))
    return np.array(states)
