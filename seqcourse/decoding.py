"""Decoding: turning a language model's probabilities into a sequence.

What is here works on one distribution at a time and on any model.
`seqcourse.generation` does the same for networks, a batch at a time; `seqcourse.beam`
looks for the most probable sequence.
"""

from collections.abc import Sequence
from typing import SupportsIndex

import numpy as np
from jaxtyping import Float, Int

from seqcourse.lm import Ids, LanguageModel, as_ids

__all__ = [
    "NOTHING_POSSIBLE",
    "apply_temperature",
    "check_options",
    "greedy",
    "sample",
    "top_k",
    "top_p",
]

NOTHING_POSSIBLE = (
    "no token is possible here: the model gives all of them probability 0; use a "
    "smoothed model, or another prompt"
)
"""What to tell whoever is left without a token to choose."""


def apply_temperature(
    logprobs: Float[np.ndarray, " V"], temperature: float
) -> Float[np.ndarray, " V"]:
    """Return probabilities proportional to exp(logprobs / temperature), shape (V,).

    Temperature 1 changes nothing; below 1 the probable becomes more so; 0 puts
    everything on the most probable token (the first, among equals).

    >>> apply_temperature(np.log([0.2, 0.8]), 0.5).round(3)  # 0.04 : 0.64
    array([0.059, 0.941])

    Raises:
        ValueError: if the temperature is below 0, or no token is possible.
    """
    if not temperature >= 0:
        raise ValueError(f"temperature must be at least 0, but is {temperature}")
    best = logprobs.max()
    if not np.isfinite(best):
        raise ValueError(NOTHING_POSSIBLE)
    if temperature == 0:
        return (np.arange(len(logprobs)) == logprobs.argmax()).astype(float)
    # the best has weight 1, so that nothing overflows
    weights = np.exp((logprobs - best) / temperature)
    return weights / weights.sum()


def top_k(probabilities: Float[np.ndarray, " V"], k: int) -> Float[np.ndarray, " V"]:
    """Keep the k most probable tokens, scaled up to sum to one (Fan et al. 2018).

    Tokens as probable as the k-th stay too, so ties leave more than k.

    >>> top_k(np.array([0.1, 0.6, 0.2, 0.1]), 2)
    array([0.  , 0.75, 0.25, 0.  ])

    Raises:
        ValueError: if k is below 1.
    """
    if k < 1:
        raise ValueError(f"top_k must be at least 1, but is {k}")
    kth = np.sort(probabilities)[-min(k, len(probabilities))]
    kept = np.where(probabilities >= kth, probabilities, 0.0)
    return kept / kept.sum()


def top_p(probabilities: Float[np.ndarray, " V"], p: float) -> Float[np.ndarray, " V"]:
    """Keep the nucleus, scaled up to sum to one (Holtzman et al. 2020, section 3.1).

    The nucleus is the smallest set of most probable tokens that together have
    probability p or
    more: few tokens where the model is sure, many where it is not. It holds at least
    one token, and equals come in order of id.

    >>> top_p(np.array([0.1, 0.6, 0.2, 0.1]), 0.7)
    array([0.  , 0.75, 0.25, 0.  ])

    Raises:
        ValueError: unless p is above 0 and at most 1.
    """
    if not 0 < p <= 1:
        raise ValueError(f"top_p must be above 0 and at most 1, but is {p}")
    if p == 1:
        return probabilities  # whatever rounding does to their sum
    order = np.argsort(-probabilities, kind="stable")
    ranked = probabilities[order]
    before = np.concatenate(([0.0], ranked.cumsum()[:-1]))  # of all more probable ones
    nucleus = order[before < p]
    kept = np.zeros_like(probabilities)
    kept[nucleus] = probabilities[nucleus]
    return kept / kept.sum()


def greedy(
    model: LanguageModel,
    length: int,
    *,
    prompt: Sequence[SupportsIndex] | Int[np.ndarray, " P"] = (),
    stop: int | None = None,
) -> Ids:
    """Take the most probable token each time: `sample` at temperature 0.

    The best token at every step does not make the most probable sequence;
    `seqcourse.beam` comes closer.

    Raises:
        ValueError: as for `sample`.
    """
    unused = np.random.default_rng(0)
    return sample(model, length, prompt=prompt, temperature=0, stop=stop, rng=unused)


def sample(
    model: LanguageModel,
    length: int,
    *,
    prompt: Sequence[SupportsIndex] | Int[np.ndarray, " P"] = (),
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    stop: int | None = None,
    rng: np.random.Generator,
) -> Ids:
    """Draw tokens one by one, each from the distribution given all before it.

    The temperature acts first, then top-k, then top-p on what is left.

    Args:
        model: any language model.
        length: how many tokens to draw at most.
        prompt: ids to continue; they are not part of the result.
        temperature: see `apply_temperature`.
        top_k: see the function `top_k`; None keeps all tokens.
        top_p: see the function `top_p`; None keeps all tokens.
        stop: an id that ends the sequence when it is drawn (it is part of the result).
        rng: the source of randomness; the same seed gives the same tokens.

    Returns:
        The drawn ids, shape (T,) with T ≤ length.

    Raises:
        ValueError: if the length or another option is outside its range, or the prompt
            has an id outside the vocabulary.
    """
    check_options(length, temperature, top_k, top_p)
    tokens = list(as_ids(prompt, model.vocab_size, name="prompt"))
    given = len(tokens)
    for _ in range(length):
        logprobs = model.next_logprobs(np.array(tokens, dtype=np.int64))
        p = _narrowed(apply_temperature(logprobs, temperature), top_k, top_p)
        tokens.append(rng.choice(model.vocab_size, p=p))
        if tokens[-1] == stop:
            break
    return np.array(tokens[given:], dtype=np.int64)


def _narrowed(
    probabilities: Float[np.ndarray, " V"], k: int | None, p: float | None
) -> Float[np.ndarray, " V"]:
    if k is not None:
        probabilities = top_k(probabilities, k)
    return probabilities if p is None else top_p(probabilities, p)


def check_options(
    length: int, temperature: float, k: int | None, p: float | None
) -> None:
    """Raise ValueError if an option of `sample` or `generate` is outside its range."""
    if length < 0:
        raise ValueError(f"length must be at least 0, but is {length}")
    if not temperature >= 0:
        raise ValueError(f"temperature must be at least 0, but is {temperature}")
    if k is not None and k < 1:
        raise ValueError(f"top_k must be at least 1, but is {k}")
    if p is not None and not 0 < p <= 1:
        raise ValueError(f"top_p must be above 0 and at most 1, but is {p}")
