import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqcourse.markov import check_transition, estimate, power_iteration, simulate, stationary

WEATHER = np.array([[0.8, 0.15, 0.05], [0.2, 0.5, 0.3], [0.2, 0.4, 0.4]])


@given(st.integers(0, 1000), st.integers(1, 5))
def test_a_step_leaves_the_stationary_distribution_alone(seed, size):
    matrix = np.random.default_rng(seed).dirichlet(np.ones(size), size=size)
    pi = stationary(matrix)
    np.testing.assert_allclose(pi @ matrix, pi, atol=1e-12)
    assert pi.sum() == pytest.approx(1)
    assert (pi >= -1e-12).all()


def test_power_iteration_arrives_at_the_eigenvector():
    history = power_iteration(WEATHER, np.array([0.0, 0.0, 1.0]), 50)
    assert history.shape == (51, 3)
    np.testing.assert_allclose(history[-1], stationary(WEATHER), atol=1e-9)


def test_a_long_walk_visits_states_as_the_stationary_distribution_says():
    walk = simulate(WEATHER, 0, 100_000, np.random.default_rng(0))
    shares = np.bincount(walk) / len(walk)
    np.testing.assert_allclose(shares, stationary(WEATHER), atol=0.01)
    np.testing.assert_allclose(estimate(walk, 3), WEATHER, atol=0.02)


def test_a_certain_walk():
    ring = np.array([[0.0, 1.0], [1.0, 0.0]])
    assert simulate(ring, 0, 3, np.random.default_rng(0)).tolist() == [0, 1, 0, 1]


def test_bad_input_is_explained(unchecked_shapes):
    with pytest.raises(ValueError, match=r"square \(S, S\), but has shape \(1, 2\)"):
        check_transition(np.array([[0.5, 0.5]]))
    with pytest.raises(ValueError, match="rows sum to"):
        check_transition(np.array([[0.5, 0.6], [0.5, 0.5]]))
    with pytest.raises(ValueError, match="2 independent stationary distributions"):
        stationary(np.eye(2))
    with pytest.raises(ValueError, match="states must be within 0 … 1"):
        estimate(np.array([0, 2]), 2)
    with pytest.raises(ValueError, match="state 1 is never left"):
        estimate(np.array([0, 0, 1]), 2)
