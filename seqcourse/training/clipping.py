"""Clipping: what to do about a gradient that is far too long.

Where the loss falls off a cliff the gradient points down it, and says nothing of how
short the way is. A step in proportion to it would throw the parameters far off (Pascanu
et al. 2013, section 3.2). Clipping by norm keeps the direction and shortens the step;
clipping by value limits each component by itself, which is simpler and bends the
direction.
"""

import math
from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["clip_by_norm", "clip_by_value", "gradient_norm"]


def gradient_norm(parameters: Iterable[Tensor]) -> Float[Tensor, ""]:
    """Return the length of the gradients of all parameters, read as one long vector.

    Parameters without a gradient do not count; with none at all, the length is 0.
    """
    grads = [p.grad for p in parameters if p.grad is not None]
    if not grads:
        return torch.zeros(())
    return torch.stack(
        [grad.norm() for grad in grads]
    ).norm()  # the length of the lengths


def clip_by_norm(parameters: Iterable[Tensor], limit: float) -> float:
    """Shorten the gradients, all by the same factor, to a length of at most `limit`.

    Pascanu et al. (2013), algorithm 1.

    Args:
        parameters: whose gradients are changed, in place.
        limit: the greatest length; `math.inf` only measures.

    Returns:
        The length before.

    Raises:
        ValueError: if the limit is not above 0.
        FloatingPointError: if the length is NaN or infinite: no factor mends that. The
            gradients are as they were.
    """
    if not limit > 0:
        raise ValueError(f"limit must be above 0, but is {limit}")
    parameters = list(parameters)
    norm = float(gradient_norm(parameters))
    if not math.isfinite(norm):
        raise FloatingPointError(
            f"the gradient has a length of {norm}: it cannot be clipped"
        )
    if norm > limit:
        for parameter in parameters:
            if parameter.grad is not None:
                parameter.grad.mul_(limit / norm)
    return norm


def clip_by_value(parameters: Iterable[Tensor], limit: float) -> None:
    """Limit every component of the gradients to -limit … limit, in place.

    Raises:
        ValueError: if the limit is not above 0.
    """
    if not limit > 0:
        raise ValueError(f"limit must be above 0, but is {limit}")
    for parameter in parameters:
        if parameter.grad is not None:
            parameter.grad.clamp_(-limit, limit)
