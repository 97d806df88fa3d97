from itertools import product

import numpy as np
import pytest

from seqcourse.hmm import HMM

S, V = 3, 5


def model(seed: int = 0) -> HMM:
    rng = np.random.default_rng(seed)
    return HMM(
        rng.dirichlet(np.ones(S)),
        rng.dirichlet(np.ones(S), size=S),
        rng.dirichlet(np.ones(V), size=S),
    )


def joint(hmm: HMM, path, symbols) -> float:
    """p(path, symbols), by the definition."""
    p = hmm.start[path[0]] * hmm.emission[path[0], symbols[0]]
    for t in range(1, len(symbols)):
        p *= hmm.transition[path[t - 1], path[t]] * hmm.emission[path[t], symbols[t]]
    return p


def all_paths(hmm: HMM, symbols) -> dict[tuple[int, ...], float]:
    paths = product(range(len(hmm.start)), repeat=len(symbols))
    return {path: joint(hmm, path, symbols) for path in paths}


@pytest.mark.parametrize("length", [1, 2, 7])
@pytest.mark.parametrize("seed", [0, 1])
def test_everything_agrees_with_all_paths_written_out(seed, length):
    hmm = model(seed)
    symbols = np.random.default_rng(seed).integers(0, V, length)
    paths = all_paths(hmm, symbols)
    total = sum(paths.values())
    assert hmm.log_likelihood(symbols) == pytest.approx(np.log(total))
    best = max(paths, key=paths.__getitem__)
    path, logprob = hmm.viterbi(symbols)
    assert tuple(path) == best
    assert logprob == pytest.approx(np.log(paths[best]))
    for t, state in product(range(length), range(S)):
        expected = sum(p for path, p in paths.items() if path[t] == state) / total
        assert hmm.posterior(symbols)[t, state] == pytest.approx(expected)


def test_forward_and_backward_meet_at_every_step():
    hmm, symbols = model(), np.array([0, 4, 2, 2, 1, 3])
    meeting = np.logaddexp.reduce(hmm.forward(symbols) + hmm.backward(symbols), axis=1)
    np.testing.assert_allclose(meeting, hmm.log_likelihood(symbols))


def test_long_sequences_do_not_underflow():
    _, symbols = model().sample(5_000, np.random.default_rng(0))
    assert -5_000 * np.log(V) * 2 < model().log_likelihood(symbols) < -1_000
    assert np.isfinite(model().viterbi(symbols)[1])


def test_impossible_symbols_have_no_probability_and_no_posterior():
    silent = HMM(np.array([1.0, 0.0]), np.eye(2), np.array([[1.0, 0.0], [0.0, 1.0]]))
    symbols = np.array([0, 1])
    assert silent.log_likelihood(symbols) == -np.inf
    assert silent.forward(symbols)[-1].tolist() == [-np.inf, -np.inf]
    with pytest.raises(ValueError, match="probability 0: no path explains them"):
        silent.posterior(symbols)


def expected_counts(hmm: HMM, symbols):
    """Expected transitions and emissions, summed over all paths."""
    transitions, emissions = np.zeros((S, S)), np.zeros((S, V))
    paths = all_paths(hmm, symbols)
    total = sum(paths.values())
    for path, p in paths.items():
        for t in range(len(symbols)):
            emissions[path[t], symbols[t]] += p / total
            if t:
                transitions[path[t - 1], path[t]] += p / total
    return transitions, emissions


def test_a_step_of_em_is_the_expected_counts_over_all_paths():
    hmm = model()
    batch = np.array([[0, 3, 1, 4, 4], [2, 2, 0, 1, 3]])
    better, loglik = hmm.improve(batch)
    transitions, emissions = (
        sum(x) for x in zip(*(expected_counts(hmm, s) for s in batch), strict=True)
    )
    np.testing.assert_allclose(
        better.transition, transitions / transitions.sum(axis=1, keepdims=True)
    )
    np.testing.assert_allclose(better.emission, emissions / emissions.sum(axis=1, keepdims=True))
    first = np.mean([hmm.posterior(s)[0] for s in batch], axis=0)
    np.testing.assert_allclose(better.start, first)
    assert loglik == pytest.approx(sum(hmm.log_likelihood(s) for s in batch))


def test_em_never_makes_the_data_less_likely_and_finds_a_clear_structure():
    rng = np.random.default_rng(0)
    true = HMM(
        np.array([0.5, 0.5]),
        np.array([[0.9, 0.1], [0.1, 0.9]]),
        np.array([[0.5, 0.5, 0.0], [0.0, 0.1, 0.9]]),
    )
    _, symbols = true.sample(4_000, rng)
    learned, history = HMM.fit(symbols.reshape(20, 200), 2, 3, steps=60, rng=rng)
    assert (np.diff(history) > -1e-6).all()
    order = np.argsort(learned.emission[:, 2])  # the states come in any order
    np.testing.assert_allclose(learned.emission[order], true.emission, atol=0.05)
    np.testing.assert_allclose(learned.transition[order][:, order], true.transition, atol=0.05)


def test_counting_tagged_sequences_by_hand():
    tagged = [(np.array([0, 1, 1]), np.array([2, 0, 0])), (np.array([0, 0]), np.array([2, 1]))]
    hmm = HMM.from_counts(tagged, 2, 3)
    assert hmm.start.tolist() == [1, 0]
    assert hmm.transition.tolist() == [[0.5, 0.5], [0, 1]]
    np.testing.assert_allclose(hmm.emission, [[0, 1 / 3, 2 / 3], [1, 0, 0]])


def test_bad_input_is_explained(unchecked_shapes):
    with pytest.raises(ValueError, match=r"transition must have shape \(2, 2\), but has \(3, 3\)"):
        HMM(np.array([0.5, 0.5]), np.eye(3), np.ones((2, 1)))
    with pytest.raises(ValueError, match="start must hold probabilities that sum to 1"):
        HMM(np.array([0.5, 0.6]), np.eye(2), np.ones((2, 1)))
    with pytest.raises(ValueError, match=r"emission must have shape \(S, V\)"):
        HMM(np.array([1.0]), np.eye(1), np.ones(1))
    with pytest.raises(ValueError, match="symbols is empty"):
        model().viterbi(np.empty(0, dtype=np.int64))
    with pytest.raises(ValueError, match="symbols contains the id 5"):
        model().forward(np.array([5]))
    with pytest.raises(ValueError, match=r"non-empty \(B, T\) array, but has shape \(3,\)"):
        HMM.fit(np.array([0, 1, 2]), 2, 3, rng=np.random.default_rng(0))
    with pytest.raises(ValueError, match="got 1 states for 2 symbols"):
        HMM.from_counts([(np.array([0]), np.array([0, 0]))], 1, 1)
    with pytest.raises(ValueError, match="no transition in the tagged data; smooth"):
        HMM.from_counts([(np.array([0]), np.array([0]))], 1, 1)
