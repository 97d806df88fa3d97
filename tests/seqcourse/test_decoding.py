import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax

from seqcourse.decoding import apply_temperature, greedy, sample, top_k, top_p
from seqcourse.ngram import MLE, AddK, NGram

LOGPROBS = np.log([0.5, 0.2, 0.3])


class Fixed:
    """A language model that always says the same."""

    vocab_size = 3

    def logprobs(self, tokens):
        return LOGPROBS[tokens]

    def next_logprobs(self, context):
        return LOGPROBS


@pytest.mark.parametrize("temperature", [0.1, 0.5, 1.0, 3.0])
def test_temperature_is_a_softmax_of_the_scaled_logarithms(temperature):
    np.testing.assert_allclose(
        apply_temperature(LOGPROBS, temperature), softmax(LOGPROBS / temperature)
    )


def test_the_limits_of_temperature():
    assert apply_temperature(LOGPROBS, 0).tolist() == [1, 0, 0]
    assert apply_temperature(LOGPROBS, 1e-6) == pytest.approx([1, 0, 0])
    assert apply_temperature(LOGPROBS, 1e6) == pytest.approx([1 / 3] * 3, abs=1e-5)


def test_the_impossible_stays_impossible_at_any_temperature():
    assert apply_temperature(np.array([0.0, -np.inf]), 100).tolist() == [1, 0]


def test_samples_follow_the_distribution():
    drawn = sample(Fixed(), 20_000, rng=np.random.default_rng(0))
    shares = np.bincount(drawn, minlength=3) / len(drawn)
    # four standard errors of a share of 0.5 in 20 000 draws
    assert shares == pytest.approx([0.5, 0.2, 0.3], abs=4 * (0.25 / 20_000) ** 0.5)


def test_a_model_with_one_way_on_repeats_its_training_text():
    model = NGram(1, 3, MLE()).fit(np.array([0, 1, 2, 0, 1, 2]))
    assert sample(model, 4, prompt=[1], rng=np.random.default_rng(0)).tolist() == [2, 0, 1, 2]


def test_the_same_seed_gives_the_same_sample():
    one, two = (sample(Fixed(), 50, rng=np.random.default_rng(7)) for _ in range(2))
    assert one.tolist() == two.tolist()


def test_a_stop_token_ends_the_sequence():
    drawn = sample(Fixed(), 1000, stop=1, rng=np.random.default_rng(0))
    assert drawn[-1] == 1
    assert 1 not in drawn[:-1]
    assert sample(Fixed(), 0, rng=np.random.default_rng(0)).shape == (0,)


PROBABILITIES = np.array([0.1, 0.3, 0.05, 0.3, 0.25])


def test_top_k_keeps_the_best_and_their_equals():
    assert top_k(PROBABILITIES, 3) == pytest.approx(np.array([0, 0.3, 0, 0.3, 0.25]) / 0.85)
    assert top_k(PROBABILITIES, 1) == pytest.approx([0, 0.5, 0, 0.5, 0])  # a tie: both stay
    assert top_k(PROBABILITIES, 9) == pytest.approx(PROBABILITIES)


def test_top_p_keeps_the_smallest_set_that_has_enough():
    assert top_p(PROBABILITIES, 0.01) == pytest.approx([0, 1, 0, 0, 0])
    assert top_p(PROBABILITIES, 0.3) == pytest.approx([0, 1, 0, 0, 0])
    assert top_p(PROBABILITIES, 0.31) == pytest.approx([0, 0.5, 0, 0.5, 0])
    assert top_p(PROBABILITIES, 0.85) == pytest.approx(np.array([0, 0.3, 0, 0.3, 0.25]) / 0.85)
    assert top_p(PROBABILITIES, 1) is PROBABILITIES


@given(st.lists(st.integers(1, 20), min_size=1, max_size=13), st.floats(0.01, 0.99))
def test_no_smaller_set_than_the_nucleus_has_enough(weights, p):
    probabilities = np.array(weights) / sum(weights)
    kept = top_p(probabilities, p) > 0
    nucleus = np.sort(probabilities[kept])
    assert nucleus.sum() >= p - 1e-9
    assert nucleus[1:].sum() < p
    assert nucleus[0] >= probabilities[~kept].max(initial=0)


def test_samples_stay_within_top_k_and_top_p():
    rng = np.random.default_rng(0)
    assert set(sample(Fixed(), 100, top_k=2, rng=rng)) == {0, 2}
    assert set(sample(Fixed(), 100, top_p=0.4, rng=rng)) == {0}
    # a high temperature makes the three nearly equal: the nucleus is taken after it
    assert set(sample(Fixed(), 100, top_p=0.4, temperature=100.0, rng=rng)) == {0, 2}
    drawn = sample(Fixed(), 2_000, top_k=2, rng=rng)
    assert (drawn == 0).mean() == pytest.approx(0.5 / 0.8, abs=4 * (0.25 / 2_000) ** 0.5)


def test_greedy_takes_the_best_and_stops():
    model = NGram(1, 3, AddK(0.1)).fit(np.array([0, 1, 2, 0, 1, 2, 0, 1]))
    assert greedy(model, 5, prompt=[0]).tolist() == [1, 2, 0, 1, 2]
    assert greedy(model, 5, prompt=[0], stop=2).tolist() == [1, 2]


def test_bad_input_is_explained():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match=r"temperature must be at least 0, but is -1\.0"):
        sample(Fixed(), 1, temperature=-1.0, rng=rng)
    with pytest.raises(ValueError, match="length must be at least 0, but is -1"):
        sample(Fixed(), -1, rng=rng)
    with pytest.raises(ValueError, match="temperature must be at least 0"):
        apply_temperature(LOGPROBS, -1.0)
    for k_or_p, wrong in ((top_k, 0), (top_p, 0.0), (top_p, 1.1)):
        with pytest.raises(ValueError, match=f"{k_or_p.__name__} must be .* but is {wrong}"):
            k_or_p(PROBABILITIES, wrong)
        with pytest.raises(ValueError, match=f"{k_or_p.__name__} must be .* but is {wrong}"):
            sample(Fixed(), 1, rng=rng, **{k_or_p.__name__: wrong})
    with pytest.raises(ValueError, match="prompt contains the id 9"):
        sample(Fixed(), 1, prompt=[9], rng=rng)
    dead_end = NGram(1, 3, MLE()).fit(np.array([0, 1]))
    with pytest.raises(ValueError, match="no token is possible here.*smoothed model"):
        sample(dead_end, 1, prompt=[2], rng=rng)
    assert sample(NGram(1, 3, AddK()).fit(np.array([0, 1])), 1, prompt=[2], rng=rng).size == 1
