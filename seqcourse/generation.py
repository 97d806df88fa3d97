"""Generation: letting a network write, a whole batch of texts at once.

`seqcourse.decoding` says what temperature, top-k and top-p mean, one distribution at a
time. Here the same three work on the logits of a batch, for any model that can be
driven step by step (`seqcourse.stepping.StepModel`).
"""

import math
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from seqcourse.decoding import NOTHING_POSSIBLE, check_options
from seqcourse.stepping import StepModel, evaluating

__all__ = ["choose", "generate", "keep_top_k", "keep_top_p"]


def keep_top_k(logits: Float[Tensor, "B V"], k: int) -> Float[Tensor, "B V"]:
    """Set all logits but the k highest of each row to -inf (Fan et al. 2018).

    Tokens as probable as the k-th stay too, so ties leave more than k.

    >>> keep_top_k(torch.tensor([[1.0, 3.0, 2.0]]), 2)
    tensor([[-inf, 3., 2.]])
    """
    kth = logits.topk(min(k, logits.shape[-1])).values[:, -1:]
    return logits.masked_fill(logits < kth, -math.inf)


def keep_top_p(logits: Float[Tensor, "B V"], p: float) -> Float[Tensor, "B V"]:
    """Set all logits outside each row's nucleus to -inf (Holtzman et al. 2020).

    The nucleus (their section 3.1) is the smallest set of most probable tokens that
    together have probability p or more; it holds at least one token, and equals come in
    order of id.

    >>> keep_top_p(torch.tensor([[0.6, 0.3, 0.1]]).log(), 0.8).exp()
    tensor([[0.6000, 0.3000, 0.0000]])
    """
    ranked, order = logits.sort(dim=-1, descending=True, stable=True)
    before = ranked.softmax(dim=-1).cumsum(dim=-1).roll(1, dims=-1)
    before[:, 0] = 0.0  # what all more probable ones have together
    outside = before >= p
    return logits.masked_fill(outside.scatter(-1, order, outside), -math.inf)


def choose(
    logits: Float[Tensor, "B V"],
    *,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    generator: torch.Generator | None = None,
) -> Int[Tensor, " B"]:
    """Draw one token for each row; temperature 0 takes the most probable.

    The logits are first divided by the temperature, then cut to the top k, then to the
    nucleus of what is left.
    """
    if temperature == 0:
        return logits.argmax(dim=-1)
    logits = (logits if logits.dtype == torch.float64 else logits.float()) / temperature
    if top_k is not None:
        logits = keep_top_k(logits, top_k)
    if top_p is not None and top_p < 1:
        logits = keep_top_p(logits, top_p)
    # The first of V Poisson processes to fire is token v with probability p(v). Unlike
    # torch.multinomial this need not see the values: a GPU is not waited for.
    probabilities = logits.softmax(dim=-1)
    waiting = torch.empty_like(probabilities).exponential_(generator=generator)
    return (probabilities / waiting).argmax(dim=-1)


def generate(
    model: StepModel,
    inputs: Any,
    length: int,
    *,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    stop: int | None = None,
    padding: int | None = None,
    generator: torch.Generator | None = None,
) -> Int[Tensor, "B N"]:
    """Write up to `length` new tokens for each row of the inputs.

    Dropout is off while it writes. A model that computes on a GPU is never waited for,
    unless there is a stop token.

    Args:
        model: any step model; wrap an n-gram model in `seqcourse.stepping.Stepwise`.
        inputs: what the model's `begin` takes: prompts (B, T), or source sequences.
        length: N, how many tokens to write at most.
        temperature: above 0; or 0 for greedy decoding.
        top_k: draw from this many most probable tokens only; None: from all.
        top_p: draw from the smallest set of tokens with this probability; None: from
            all.
        stop: the id that ends a row; it is part of the result.
        padding: the id that fills a row after its stop token; None: the stop token
            itself.
        generator: the source of randomness, on the model's device; None: torch's own.

    Returns:
        The new ids, shape (B, length), without the prompts.

    Raises:
        ValueError: if an option is out of its range, or a model left no token possible.
    """
    check_options(length, temperature, top_k, top_p)
    with torch.inference_mode(), evaluating(model):  # quicker than no_grad
        logits, state = model.begin(inputs)
        fill = padding if padding is not None else (stop or 0)
        written = torch.full((len(logits), length), fill, device=logits.device)
        done = torch.zeros(len(logits), dtype=torch.bool, device=logits.device)
        possible = torch.ones_like(done)
        for place in range(length):
            ids = choose(
                logits,
                temperature=temperature,
                top_k=top_k,
                top_p=top_p,
                generator=generator,
            )
            possible &= logits.gather(-1, ids[:, None])[:, 0].isfinite() | done
            if stop is None:
                written[:, place] = ids
            else:
                written[:, place] = ids.masked_fill(done, fill)
                done |= ids == stop
                if done.all():
                    break
            if place + 1 < length:
                logits, state = model.step(ids, state)
    if not possible.all():
        raise ValueError(NOTHING_POSSIBLE)
    return written.clone()  # an ordinary tensor, which training may use
