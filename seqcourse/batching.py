"""Batches of sequences: one-hot vectors, padding, masks, buckets, packing and pooling.

A network reads many sequences at once, in one tensor, so sequences of different lengths
must be made equally long. `pad` fills them up and remembers their lengths; everything
after it looks at the mask, so that what was filled in changes no result.
"""

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int, Integer, Shaped
from torch import Tensor
from torch.nn.utils import rnn

from seqcourse._checks import check_positive

__all__ = [
    "BucketBatches",
    "ContiguousBatches",
    "Padded",
    "ShuffledBatches",
    "WindowBatches",
    "bucket_batches",
    "last_unit",
    "max_pool",
    "mean_pool",
    "one_hot",
    "pack",
    "pad",
    "padding_waste",
    "unpack",
]

Indices: TypeAlias = Int[np.ndarray, " _"]
Lengths: TypeAlias = Sequence[int] | Int[np.ndarray, " _"]
OneSequence: TypeAlias = Tensor | np.ndarray | Sequence[float]
TokenStream: TypeAlias = Integer[Tensor, " N"] | Integer[np.ndarray, " N"]


class Padded(NamedTuple):
    """Several sequences in one tensor, the short ones filled up at the end."""

    values: Shaped[Tensor, "B T ..."]
    """The sequences; what stands past a row's length means nothing."""

    lengths: Int[Tensor, " B"]
    """How many places of each row are real."""

    @property
    def mask(self) -> Bool[Tensor, "B T"]:
        """True where a place is real, False where it is padding."""
        places = torch.arange(self.values.shape[1], device=self.values.device)
        return places < self.lengths.to(places.device)[:, None]

    def to(self, device: torch.device | str) -> "Padded":
        """Return the sequences on another device."""
        return Padded(self.values.to(device), self.lengths.to(device))


def one_hot(ids: Int[Tensor, "*shape"], size: int) -> Float[Tensor, "*shape V"]:
    """Return a vector for each id: 1 at the id's place, 0 at the other `size` - 1.

    >>> one_hot(torch.tensor([2, 0]), 3)
    tensor([[0., 0., 1.],
            [1., 0., 0.]])

    Raises:
        ValueError: if an id is not within 0 … size-1.
    """
    if ids.numel() and not 0 <= int(ids.min()) <= int(ids.max()) < size:
        wrong = int(ids.min()) if int(ids.min()) < 0 else int(ids.max())
        raise ValueError(
            f"ids contains {wrong}, but size {size} has the places 0 … {size - 1}"
        )
    return F.one_hot(ids.long(), size).float()


# --- padding ---


def pad(
    sequences: Sequence[OneSequence],
    *,
    value: float = 0,
) -> Padded:
    """Fill sequences up at the end, with `value`, to the length of the longest.

    >>> padded = pad([[5, 6, 7], [8]])
    >>> padded.values
    tensor([[5, 6, 7],
            [8, 0, 0]])
    >>> padded.mask
    tensor([[ True,  True,  True],
            [ True, False, False]])

    Args:
        sequences: B sequences with time as the first axis, equal in the axes after it.
        value: what to fill up with; the mask keeps it from having a meaning.

    Raises:
        ValueError: if there is no sequence, or their later axes differ.
    """
    rows = [torch.as_tensor(sequence) for sequence in sequences]
    if not rows:
        raise ValueError("sequences is empty: pad needs at least one sequence")
    shapes = sorted({tuple(row.shape[1:]) for row in rows if row.numel()})
    if len(shapes) > 1:
        raise ValueError(
            f"sequences must agree in all axes but the first, but have {shapes} there"
        )
    first = next((row for row in rows if row.numel()), rows[0])
    lengths = torch.tensor([len(row) for row in rows], device=first.device)
    size = (len(rows), int(lengths.max()), *first.shape[1:])
    padded = Padded(first.new_full(size, value), lengths)
    real = torch.cat([row if row.numel() else first[:0] for row in rows])
    padded.values[padded.mask] = real  # row after row, as a mask counts its places
    return padded


def pack(padded: Padded) -> rnn.PackedSequence:
    """Return the real places alone, as torch's recurrent layers take them.

    Raises:
        ValueError: if a row is empty: PackedSequence has no place for it.
    """
    if int(padded.lengths.min()) == 0:
        empty = int(padded.lengths.argmin())
        raise ValueError(f"row {empty} is empty, and cannot be packed; leave it out")
    return rnn.pack_padded_sequence(
        padded.values, padded.lengths.cpu(), batch_first=True, enforce_sorted=False
    )


def unpack(packed: rnn.PackedSequence) -> Padded:
    """Return packed sequences as `Padded`, filled up with zeros: undoes `pack`."""
    values, lengths = rnn.pad_packed_sequence(packed, batch_first=True)
    return Padded(values, lengths.to(values.device))


# --- one vector for each sequence ---


def mean_pool(
    values: Float[Tensor, "B T D"],
    mask: Bool[Tensor, "B T"],
) -> Float[Tensor, "B D"]:
    """Return the mean over each row's real places; zeros for a row without any."""
    kept = values.masked_fill(~mask[..., None], 0)
    return kept.sum(dim=1) / mask.sum(dim=1, keepdim=True).clamp(min=1)


def max_pool(
    values: Float[Tensor, "B T D"],
    mask: Bool[Tensor, "B T"],
) -> Float[Tensor, "B D"]:
    """Return each unit's maximum over the real places; zeros for a row without any."""
    largest = values.masked_fill(~mask[..., None], -torch.inf).amax(dim=1)
    return largest.masked_fill(~mask.any(dim=1, keepdim=True), 0)


def last_unit(
    values: Float[Tensor, "B T D"],
    mask: Bool[Tensor, "B T"],
) -> Float[Tensor, "B D"]:
    """Return each row's last real place; zeros for a row without any.

    `values[:, -1]` is the classic mistake: in all rows but the longest it is padding.
    """
    places = torch.arange(mask.shape[1], device=mask.device)
    last = (places * mask).amax(dim=1)  # (B,)
    chosen = values[torch.arange(len(values), device=mask.device), last]
    return chosen.masked_fill(~mask.any(dim=1, keepdim=True), 0)


# --- which sequences go together ---


def bucket_batches(
    lengths: Lengths,
    *,
    batch_size: int,
    rng: np.random.Generator,
) -> list[Indices]:
    """Group sequences of like length: little padding, yet another order each time.

    Sequences are sorted by length, those of equal length in random order, and cut into
    batches, and the batches are shuffled. One batch may be smaller than the others.

    >>> rng = np.random.default_rng(0)
    >>> batches = bucket_batches([7, 1, 6, 2], batch_size=2, rng=rng)
    >>> sorted(sorted(map(int, batch)) for batch in batches)
    [[0, 2], [1, 3]]

    Raises:
        ValueError: if `batch_size` is below 1.
    """
    check_positive("batch_size", batch_size)
    sizes = np.asarray(lengths)
    order = np.lexsort((rng.random(len(sizes)), sizes))
    batches = _cut(order, batch_size)
    return [batches[i] for i in rng.permutation(len(batches))]


def padding_waste(lengths: Lengths, batches: Sequence[Indices]) -> float:
    """Return the share of places that are padding, from 0 (none) towards 1.

    >>> padding_waste([2, 4], [np.array([0, 1])])  # 2 of 8 places
    0.25

    Raises:
        ValueError: if the batches hold no place at all.
    """
    sizes = np.asarray(lengths)
    places = sum(int(sizes[batch].max()) * len(batch) for batch in batches)
    if not places:
        raise ValueError("batches hold no place at all; give sequences of length ≥ 1")
    return 1 - sum(int(sizes[batch].sum()) for batch in batches) / places


# --- batches for `seqcourse.training.fit`: a function of the step alone ---


class ShuffledBatches:
    """Batches of examples in random order, each example once in every epoch.

    A batch depends on the seed and the step alone, so that a training that is resumed
    sees the very batches it would have seen. One batch of an epoch may be smaller.

    >>> batch = ShuffledBatches(5, batch_size=2, seed=0)
    >>> sorted(i for step in range(3) for i in batch(step).tolist())
    [0, 1, 2, 3, 4]

    Args:
        n_examples: how many there are.
        batch_size: B, examples in a batch.
        seed: decides the order.

    Raises:
        ValueError: if a size is below 1.
    """

    def __init__(self, n_examples: int, *, batch_size: int, seed: int) -> None:
        check_positive("n_examples", n_examples)
        check_positive("batch_size", batch_size)
        self.n_examples, self.batch_size, self.seed = n_examples, batch_size, seed
        self.steps_per_epoch = -(-n_examples // batch_size)
        self._epoch: tuple[int, list[Indices]] | None = None

    def __call__(self, step: int) -> Int[Tensor, " B"]:
        """Return the indices of the examples of this step, counted from 0."""
        epoch, place = divmod(step, self.steps_per_epoch)
        if self._epoch is None or self._epoch[0] != epoch:
            self._epoch = epoch, self._order(np.random.default_rng([self.seed, epoch]))
        return torch.as_tensor(self._epoch[1][place])

    def _order(self, rng: np.random.Generator) -> list[Indices]:
        return _cut(rng.permutation(self.n_examples), self.batch_size)


class BucketBatches(ShuffledBatches):
    """As `ShuffledBatches`, but with examples of like length together.

    Args:
        lengths: of all examples.
        batch_size: B, examples in a batch.
        seed: decides the order.
    """

    def __init__(self, lengths: Lengths, *, batch_size: int, seed: int) -> None:
        super().__init__(len(lengths), batch_size=batch_size, seed=seed)
        self.lengths = np.asarray(lengths)

    def _order(self, rng: np.random.Generator) -> list[Indices]:
        return bucket_batches(self.lengths, batch_size=self.batch_size, rng=rng)


class WindowBatches:
    """Windows from random places of a long text: ids, and the same ids shifted by one.

    A batch depends on the seed and the step alone, as with `ShuffledBatches`.

    Args:
        ids: N token ids.
        length: T, tokens in a window.
        batch_size: B, windows in a batch.
        seed: decides the places.

    Raises:
        ValueError: if a size is below 1, or there are fewer than `length` + 1 tokens.
    """

    def __init__(
        self,
        ids: TokenStream,
        *,
        length: int,
        batch_size: int,
        seed: int,
    ) -> None:
        check_positive("length", length)
        check_positive("batch_size", batch_size)
        self.ids = torch.as_tensor(ids).long()
        if len(self.ids) <= length:
            raise ValueError(
                f"ids must hold at least length + 1 = {length + 1} tokens, "
                f"but holds {len(self.ids)}"
            )
        self.length, self.batch_size, self.seed = length, batch_size, seed

    def __call__(self, step: int) -> tuple[Int[Tensor, "B T"], Int[Tensor, "B T"]]:
        """Return the inputs and targets of this step, counted from 0, each (B, T)."""
        rng = np.random.default_rng([self.seed, step])
        starts = rng.integers(len(self.ids) - self.length, size=self.batch_size)
        places = torch.as_tensor(starts)[:, None] + torch.arange(self.length + 1)
        windows = self.ids[places.to(self.ids.device)]  # (B, T + 1)
        return windows[:, :-1], windows[:, 1:]


class ContiguousBatches:
    """Rows that go on, from one step to the next, where they stopped (truncated BPTT).

    The text is cut into B long rows, read side by side, T tokens a step. A recurrent
    network may carry its state over, row by row, until `starts_anew(step)` says that
    all rows begin again.

    >>> batch = ContiguousBatches(torch.arange(9), length=2, batch_size=2)
    >>> batch(0)[0].tolist(), batch(1)[0].tolist(), batch.starts_anew(2)
    ([[0, 1], [4, 5]], [[2, 3], [6, 7]], True)

    Args:
        ids: N token ids; those that do not fill a step of all rows are left out.
        length: T, tokens a step.
        batch_size: B, rows.

    Raises:
        ValueError: if a size is below 1, or the text does not fill one step.
    """

    def __init__(self, ids: TokenStream, *, length: int, batch_size: int) -> None:
        check_positive("length", length)
        check_positive("batch_size", batch_size)
        stream = torch.as_tensor(ids).long()
        self.steps_per_epoch = (len(stream) - 1) // batch_size // length
        if self.steps_per_epoch < 1:
            raise ValueError(
                "ids must hold at least batch_size · length + 1 = "
                f"{batch_size * length + 1} tokens, but holds {len(stream)}"
            )
        row = self.steps_per_epoch * length
        self.inputs = stream[: batch_size * row].view(batch_size, row)
        self.targets = stream[1 : batch_size * row + 1].view(batch_size, row)
        self.length, self.batch_size = length, batch_size

    def __call__(self, step: int) -> tuple[Int[Tensor, "B T"], Int[Tensor, "B T"]]:
        """Return the inputs and targets of this step, counted from 0, each (B, T)."""
        place = step % self.steps_per_epoch * self.length
        now = slice(place, place + self.length)
        return self.inputs[:, now], self.targets[:, now]

    def starts_anew(self, step: int) -> bool:
        """Say whether the rows begin again here, where no state may be carried over."""
        return step % self.steps_per_epoch == 0


def _cut(order: Indices, size: int) -> list[Indices]:
    return [order[i : i + size] for i in range(0, len(order), size)]
