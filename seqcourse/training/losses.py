"""Losses: what training makes small."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

__all__ = ["cross_entropy", "next_token_loss"]


def cross_entropy(
    logits: Float[Tensor, "*batch V"],
    targets: Int[Tensor, "*batch"],
    *,
    mask: Bool[Tensor, "*batch"] | None = None,
    label_smoothing: float = 0.0,
) -> Float[Tensor, ""]:
    """Return the mean surprise, -ln p(target), in nats, over the places that count.

    Half-precision logits are raised to float32 first: their logarithms would be too
    coarse.

    >>> logits = torch.tensor([[0.0, 0.0], [9.0, -9.0]])
    >>> mask = torch.tensor([True, False])
    >>> f"{cross_entropy(logits, torch.tensor([1, 1]), mask=mask):.4f}"  # ln 2
    '0.6931'

    Args:
        logits: scores of the V classes at each place, before softmax.
        targets: the right class of each place; a place outside the mask may hold any
            id.
        mask: True where a place counts. A batch without such a place has loss 0 and
            gradient 0, not the NaN of a mean over nothing.
        label_smoothing: ε; the target gets 1 - ε + ε/V of the probability, every other
            class ε/V (Szegedy et al. 2016, section 7).

    Raises:
        ValueError: if the smoothing is outside 0 … 1.
        IndexError, RuntimeError: by PyTorch, if a target is outside 0 … V-1.
    """
    if not 0 <= label_smoothing <= 1:
        raise ValueError(
            f"label_smoothing must be within 0 … 1, but is {label_smoothing}"
        )
    exact = torch.promote_types(logits.dtype, torch.float32)
    logprobs = logits.log_softmax(dim=-1, dtype=exact)  # (*batch, V)
    safe = targets if mask is None else targets.where(mask, 0)
    surprise = -logprobs.gather(-1, safe[..., None])[..., 0]  # (*batch)
    if label_smoothing:
        uniform = -logprobs.mean(dim=-1)
        surprise = (1 - label_smoothing) * surprise + label_smoothing * uniform
    if mask is None:
        return surprise.mean()
    return surprise.where(mask, 0.0).sum() / mask.sum().clamp(min=1)


def next_token_loss(
    model: nn.Module, batch: tuple[Int[Tensor, "B T"], Int[Tensor, "B T"]]
) -> Float[Tensor, ""]:
    """Return the cross-entropy of a language model on a batch of (inputs, targets).

    The targets are the inputs one place further on: what comes next at each place. It
    is the loss to hand to `fit` together with `seqcourse.batching.WindowBatches`.
    """
    inputs, targets = batch
    return cross_entropy(model(inputs), targets)
