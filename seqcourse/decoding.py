"""Decoding: turning a language model's probabilities into a sequence."""

from collections.abc import Sequence
from typing import SupportsIndex

import numpy as np
from jaxtyping import Float

from seqcourse.lm import Ids, LanguageModel, as_ids


def apply_temperature(
    logprobs: Float[np.ndarray, " V"], temperature: float
) -> Float[np.ndarray, " V"]:
    """Return probabilities proportional to exp(logprobs / temperature), shape (V,).

    Temperature 1 changes nothing; below 1 the probable becomes more so; 0 puts everything on the
    most probable token (the first, among equals).

    >>> apply_temperature(np.log([0.2, 0.8]), 0.5).round(3)  # 0.04 : 0.64
    array([0.059, 0.941])

    Raises:
        ValueError: if the temperature is below 0, or no token is possible.
    """
    if not temperature >= 0:
        raise ValueError(f"temperature must be at least 0, but is {temperature}")
    best = logprobs.max()
    if not np.isfinite(best):
        raise ValueError(
            "no token is possible here: the model gives all of them probability 0; use a smoothed "
            "model, or another prompt"
        )
    if temperature == 0:
        return (np.arange(len(logprobs)) == logprobs.argmax()).astype(float)
    weights = np.exp((logprobs - best) / temperature)  # the best has weight 1: no overflow
    return weights / weights.sum()


def sample(
    model: LanguageModel,
    length: int,
    *,
    prompt: Sequence[SupportsIndex] | Ids = (),
    temperature: float = 1.0,
    stop: int | None = None,
    rng: np.random.Generator,
) -> Ids:
    """Draw tokens one after another, each from the model's distribution given all before it.

    Args:
        model: any language model.
        length: how many tokens to draw at most.
        prompt: ids to continue; they are not part of the result.
        temperature: see `apply_temperature`.
        stop: an id that ends the sequence when it is drawn (it is part of the result).
        rng: the source of randomness; the same seed gives the same tokens.

    Returns:
        The drawn ids, shape (T,) with T ≤ length.

    Raises:
        ValueError: if the length or the temperature is below 0, or the prompt has an id outside
            the vocabulary.
    """
    if length < 0:
        raise ValueError(f"length must be at least 0, but is {length}")
    tokens = list(as_ids(prompt, model.vocab_size, name="prompt"))
    given = len(tokens)
    for _ in range(length):
        p = apply_temperature(model.next_logprobs(np.array(tokens, dtype=np.int64)), temperature)
        tokens.append(rng.choice(model.vocab_size, p=p))
        if tokens[-1] == stop:
            break
    return np.array(tokens[given:], dtype=np.int64)
