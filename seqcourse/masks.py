"""Masks: who may look at whom.

A mask is boolean: True where a query may look. The query's axis comes before the key's:
(…, Tq, Tk). (`torch.nn.MultiheadAttention` has it the other way round: True there means
hidden.) Masks are combined by `&`. A query that may look nowhere gets zeros.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

__all__ = ["Mask", "causal_mask", "masked_softmax", "padding_mask"]

Mask = Bool[Tensor, "..."]
"""A mask that can be broadcast to (…, Tq, Tk)."""


def causal_mask(
    queries: int, keys: int | None = None, *, device: torch.device | None = None
) -> Bool[Tensor, "Tq Tk"]:
    """Return a mask in which nobody looks ahead: place t sees the places up to t.

    >>> causal_mask(3).int()
    tensor([[1, 0, 0],
            [1, 1, 0],
            [1, 1, 1]], dtype=torch.int32)

    With more keys than queries, the queries are the last of the places: the others were
    read before.

    >>> causal_mask(2, 4).int()
    tensor([[1, 1, 1, 0],
            [1, 1, 1, 1]], dtype=torch.int32)

    Args:
        queries: Tq.
        keys: Tk; None: as many as queries.
        device: where to make it.

    Raises:
        ValueError: if there are fewer keys than queries.
    """
    keys = queries if keys is None else keys
    if keys < queries:
        raise ValueError(
            f"a causal mask needs a key for each query, but there are {queries} "
            f"queries and {keys} keys"
        )
    everywhere = torch.ones(queries, keys, dtype=torch.bool, device=device)
    return everywhere.tril(keys - queries)


def padding_mask(
    lengths: Int[Tensor, " B"], keys: int | None = None
) -> Bool[Tensor, "B 1 Tk"]:
    """Return a mask that hides what stands past the end of each row: the padding.

    It has one line for all queries. Together with a causal mask:

    >>> (padding_mask(torch.tensor([1, 3])) & causal_mask(3)).int()
    tensor([[[1, 0, 0],
             [1, 0, 0],
             [1, 0, 0]],
    <BLANKLINE>
            [[1, 0, 0],
             [1, 1, 0],
             [1, 1, 1]]], dtype=torch.int32)

    Args:
        lengths: how many places of each row are real.
        keys: Tk, the width of the padded batch; None: the length of the longest row.
    """
    width = int(lengths.max()) if keys is None else keys
    return (torch.arange(width, device=lengths.device) < lengths[:, None])[:, None]


def masked_softmax(
    scores: Float[Tensor, "*batch Tq Tk"], mask: Mask | None = None
) -> Float[Tensor, "*batch Tq Tk"]:
    """Return weights that sum to 1 for each query, and are 0 where it may not look.

    Where a query may look nowhere, all its weights are 0, and so are the gradients of
    its scores: the softmax of a row of -inf would be NaN.

    >>> mask = torch.tensor([[True, True, False], [False, False, False]])
    >>> masked_softmax(torch.zeros(2, 3), mask)
    tensor([[0.5000, 0.5000, 0.0000],
            [0.0000, 0.0000, 0.0000]])

    Args:
        scores: how well each key matches each query; behind the mask they may be
            anything, NaN included.
        mask: True where the query may look.
    """
    if mask is None:
        return scores.softmax(dim=-1)
    lowest = torch.finfo(scores.dtype).min
    weights = scores.masked_fill(~mask, lowest).softmax(dim=-1)
    return weights.masked_fill(~mask, 0.0)  # matters where the whole row is hidden
