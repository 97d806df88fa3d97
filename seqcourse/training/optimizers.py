"""Optimisers: how a gradient becomes a step."""

import torch
from torch import nn

__all__ = ["adamw"]


def adamw(
    model: nn.Module,
    *,
    learning_rate: float = 1e-3,
    weight_decay: float = 0.01,
    betas: tuple[float, float] = (0.9, 0.999),
) -> torch.optim.AdamW:
    """Return AdamW (Loshchilov and Hutter 2019) that pulls only matrices towards zero.

    Weight decay keeps a linear map from growing where the data do not ask for it.
    Biases and the gains of normalisation, vectors all, have no such freedom, and
    pulling them to zero only moves the functions that they shift and scale; so they are
    spared. Parameters with `requires_grad` off are left out.

    Args:
        model: whose parameters are to be trained.
        learning_rate: α.
        weight_decay: λ; each step takes the fraction αλ away from every matrix.
        betas: how much of the running means of the gradient and of its square is kept.

    Raises:
        ValueError: if the model has nothing to train.
    """
    trained = [p for p in model.parameters() if p.requires_grad]
    if not trained:
        raise ValueError(
            f"{type(model).__name__} has no parameter that requires a gradient: there "
            "is nothing to train"
        )
    groups = [
        {"params": [p for p in trained if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in trained if p.ndim < 2], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    return torch.optim.AdamW(groups, lr=learning_rate, betas=betas)
