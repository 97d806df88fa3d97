import math

import numpy as np
import pytest

from seqcourse.metrics import (
    accuracy,
    bits_per_byte,
    bits_per_character,
    bits_per_token,
    perplexity,
)

# p = 1/2 and 1/8: 1 + 3 bits over 2 tokens
LOGPROBS = np.log([1 / 2, 1 / 8])


def test_perplexity_is_two_to_the_bits_per_token():
    assert bits_per_token(LOGPROBS) == pytest.approx(2)
    assert perplexity(LOGPROBS) == pytest.approx(4)


def test_bits_are_spread_over_bytes_or_characters():
    assert bits_per_byte(LOGPROBS, 8) == pytest.approx(4 / 8)
    assert bits_per_character(LOGPROBS, 5) == pytest.approx(4 / 5)


def test_the_impossible_is_infinitely_surprising():
    logprobs = np.array([0.0, -np.inf])
    assert perplexity(logprobs) == bits_per_token(logprobs) == math.inf
    assert perplexity(np.array([-1000.0])) == math.inf  # above the largest float


def test_certainty_costs_nothing():
    assert perplexity(np.zeros(3)) == 1
    assert bits_per_token(np.zeros(3)) == 0


def test_bad_input_is_explained():
    with pytest.raises(ValueError, match="empty sequence"):
        perplexity(np.empty(0))
    with pytest.raises(ValueError, match="NaN"):
        perplexity(np.array([math.nan]))
    with pytest.raises(ValueError, match=r"cannot be above 0, but one is 0\.5"):
        bits_per_token(np.array([0.5]))
    with pytest.raises(ValueError, match="n_bytes must be above 0, but is 0"):
        bits_per_byte(LOGPROBS, 0)
    with pytest.raises(ValueError, match="n_chars must be above 0"):
        bits_per_character(LOGPROBS, -1)


def test_accuracy_counts_hits():
    assert accuracy([1, 2, 3], [1, 0, 3]) == pytest.approx(2 / 3)
    with pytest.raises(ValueError, match="1 predictions for 2 answers"):
        accuracy([1], [1, 2])
    with pytest.raises(ValueError, match="empty"):
        accuracy([], [])
