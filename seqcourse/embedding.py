"""Embeddings: the table that turns ids into vectors."""

from jaxtyping import Float, Int
from torch import Tensor, nn

__all__ = ["check_ids", "embed"]


def embed(ids: Int[Tensor, "*batch"], table: nn.Embedding) -> Float[Tensor, "*batch D"]:
    """Return the vector of each id, as the table does, but say which id is wrong.

    Raises:
        ValueError: if an id is outside the vocabulary (on a GPU, torch's own error
            comes).
    """
    try:
        return table(ids)
    except IndexError:
        size = table.num_embeddings
        wrong = ids[(ids < 0) | (ids >= size)][0].item()
        raise ValueError(
            f"ids contain {wrong}, but the vocabulary has ids 0 … {size - 1}"
        ) from None


def check_ids(ids: Tensor) -> None:
    """Raise an error unless ids are a batch of at least one integer.

    Raises:
        ValueError: if their shape is not (B, T) with B, T ≥ 1.
        TypeError: if they are not integers.
    """
    if ids.ndim != 2 or not ids.numel():
        raise ValueError(
            f"ids must have shape (B, T) with B, T ≥ 1, but has {tuple(ids.shape)}"
        )
    if ids.is_floating_point():
        raise TypeError(f"ids must be integers, but has dtype {ids.dtype}")
