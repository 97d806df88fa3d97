import numpy as np
import pytest
from scipy.special import softmax

from seqcourse.decoding import apply_temperature, sample
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


def test_bad_input_is_explained():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match=r"temperature must be at least 0, but is -1\.0"):
        sample(Fixed(), 1, temperature=-1.0, rng=rng)
    with pytest.raises(ValueError, match="length must be at least 0, but is -1"):
        sample(Fixed(), -1, rng=rng)
    with pytest.raises(ValueError, match="prompt contains the id 9"):
        sample(Fixed(), 1, prompt=[9], rng=rng)
    dead_end = NGram(1, 3, MLE()).fit(np.array([0, 1]))
    with pytest.raises(ValueError, match="no token is possible here.*smoothed model"):
        sample(dead_end, 1, prompt=[2], rng=rng)
    assert sample(NGram(1, 3, AddK()).fit(np.array([0, 1])), 1, prompt=[2], rng=rng).size == 1
