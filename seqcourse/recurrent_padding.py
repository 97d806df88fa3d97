"""Sequences of unequal length in recurrent layers: unpacking, turning, last states.

Axes are time first here, (T, B, ·), as in `seqcourse.recurrent_kernels`. Lengths of
None mean that all rows are full.
"""

from typing import TypeAlias, TypeVar

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

from seqcourse.batching import Padded, unpack

__all__ = ["Sequences", "last", "like", "real_places", "turned", "unpacked"]

Lengths: TypeAlias = Int[Tensor, " B"]
Sequences = TypeVar("Sequences", Tensor, Padded, PackedSequence)
"""The three forms in which recurrent layers take a batch of sequences."""


def unpacked(
    x: Tensor | Padded | PackedSequence,
) -> tuple[Shaped[Tensor, "B T ..."], Lengths | None]:
    """Return the values, batch first, and the rows' lengths; None if all are full."""
    if isinstance(x, Padded):
        return x.values, x.lengths.to(x.values.device)
    if isinstance(x, PackedSequence):
        return unpack(x)
    return x, None


def like(x: Sequences, values: Float[Tensor, "B T H"]) -> Sequences:
    """Return the values in the form that x has; packed, in the same order."""
    if isinstance(x, Padded):
        return Padded(values, x.lengths)
    if isinstance(x, PackedSequence):
        order, lengths = x.sorted_indices, _packed_lengths(x)
        rows = values if order is None else values[order]
        packed = pack_padded_sequence(rows, lengths, batch_first=True)
        return PackedSequence(packed.data, x.batch_sizes, order, x.unsorted_indices)
    return values


def _packed_lengths(x: PackedSequence) -> Lengths:
    """Return packed rows' lengths: row b is there as long as b < the batch size."""
    rows = torch.arange(int(x.batch_sizes[0]))
    return (x.batch_sizes > rows[:, None]).sum(dim=1)


def real_places(steps: int, lengths: Lengths) -> Bool[Tensor, "T B 1"]:
    """Return where there is no padding."""
    return (torch.arange(steps, device=lengths.device)[:, None] < lengths)[..., None]


def turned(
    x: Float[Tensor, "T B D"], lengths: Lengths | None
) -> Float[Tensor, "T B D"]:
    """Return each row in reverse, its padding still at the end."""
    if lengths is None:
        return x.flip(0)
    now = torch.arange(len(x), device=x.device)[:, None]  # (T, 1)
    place = torch.where(now < lengths, lengths - 1 - now, now)  # (T, B)
    return x.gather(0, place[..., None].expand_as(x))


def last(
    states: Float[Tensor, "T B H"], lengths: Lengths | None
) -> Float[Tensor, "B H"]:
    """Return the state after each row's last real step."""
    if lengths is None:
        return states[-1]
    return states[lengths - 1, torch.arange(len(lengths), device=states.device)]
