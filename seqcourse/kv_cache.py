"""The key-value cache: what attention has computed about the tokens it has read.

A causal transformer never changes its mind about a token: the keys and values of what
it has read stay as they are when more text arrives. Keeping them turns the cost of
writing token t from a pass over t tokens into a pass over one. The memory is 2 L B H K
numbers for each token read.

A cache is a value, like a bookmark: read on from the same one twice, and neither
reading sees the other. It is a quick one all the same. The tensors have room to spare,
and as long as a reading goes straight on, a new token is written into that room and
nothing is copied.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

__all__ = ["KVCache", "LayerCache"]

BLOCK = 64
"""Memory is set aside for a multiple of this many tokens."""

Heads = Float[Tensor, "B H T K"]
AllHeads = Float[Tensor, "B H S K"]


class _Store:
    """Keys and values with room to spare, which several caches may share."""

    def __init__(self, pairs: Float[Tensor, "2 B H C K"], used: int) -> None:
        self.pairs = pairs
        self.used = used  # places that some cache has written to; the rest is free


class LayerCache:
    """The keys and values of one attention layer.

    >>> cache = LayerCache()
    >>> keys, values = cache.append(torch.ones(2, 3, 5, 4), torch.zeros(2, 3, 5, 4))
    >>> keys, values = cache.append(torch.ones(2, 3, 1, 4), torch.zeros(2, 3, 1, 4))
    >>> keys.shape  # (B, H, T, K)
    torch.Size([2, 3, 6, 4])

    Args:
        capacity: the most tokens it may hold, for which memory is set aside at once;
            None lets it grow, by doubling.

    Attributes:
        length: T, how many tokens it holds.

    Raises:
        ValueError: if the capacity is below 1.
    """

    def __init__(self, capacity: int | None = None) -> None:
        if capacity is not None and capacity < 1:
            raise ValueError(f"capacity must be at least 1, but is {capacity}")
        self.capacity = capacity
        self.length = 0
        self._store: _Store | None = None

    @property
    def filled(self) -> bool:
        """Whether anything was ever appended."""
        return self._store is not None

    @property
    def keys(self) -> Heads:
        """The keys so far, a view of shape (B, H, T, K).

        Raises:
            RuntimeError: before the first `append`.
        """
        return self._written()[0]

    @property
    def values(self) -> Heads:
        """The values so far, a view of shape (B, H, T, K); raises as `keys` does."""
        return self._written()[1]

    def _written(self) -> Float[Tensor, "2 B H T K"]:
        if self._store is None:
            raise RuntimeError("this cache is empty; append(key, value) first")
        return self._store.pairs.narrow(3, 0, self.length)

    def append(self, key: Heads, value: Heads) -> tuple[AllHeads, AllHeads]:
        """Add the keys and values of T more tokens; return those of all S, as views.

        While gradients are recorded nothing may be overwritten, so then everything is
        copied.

        Raises:
            ValueError: if the shapes do not fit what is there, or the capacity does not
            suffice.
        """
        begin, end = self.length, self.length + key.shape[2]
        self._check(key, value, end)
        if torch.is_grad_enabled() and (key.requires_grad or value.requires_grad):
            pairs = torch.stack((key, value))
            past = [self._written()] if self._store else []
            self._store = _Store(torch.cat([*past, pairs], dim=3), end)
        else:
            store = self._writable(key, end)
            store.pairs[0, :, :, begin:end] = key
            store.pairs[1, :, :, begin:end] = value
            store.used = end
        self.length = end
        keys, values = self._written().unbind()
        return keys, values

    def _check(self, key: Heads, value: Heads, end: int) -> None:
        if key.shape != value.shape:
            raise ValueError(
                "key and value must have the same shape, but have "
                f"{tuple(key.shape)} and {tuple(value.shape)}"
            )
        if self.capacity is not None and end > self.capacity:
            raise ValueError(
                f"a cache of capacity {self.capacity} holds {self.length} tokens and "
                f"cannot take {key.shape[2]} more; crop it, or give it more capacity"
            )
        if self._store is not None:
            batch, heads, _, width = self._store.pairs.shape[1:]
            if (key.shape[0], key.shape[1], key.shape[3]) != (batch, heads, width):
                raise ValueError(
                    f"key must have shape ({batch}, {heads}, T, {width}), as what the "
                    f"cache holds, but has {tuple(key.shape)}; reorder the cache if "
                    "the rows changed"
                )

    def _writable(self, like: Heads, end: int) -> _Store:
        """Return a store with free places from `length` on: ours, or a larger copy."""
        old = self._store
        if old is not None and old.used == self.length and old.pairs.shape[3] >= end:
            return old
        batch, heads, _, width = like.shape
        room = self.capacity or -(-max(end, 2 * self.length) // BLOCK) * BLOCK
        pairs = like.new_empty(2, batch, heads, room, width)
        if old is not None:
            pairs.narrow(3, 0, self.length).copy_(self._written())
        self._store = _Store(pairs, self.length)
        return self._store

    def fork(self) -> "LayerCache":
        """Return a cache that holds the same, and grows apart from this one."""
        return self.crop(self.length)

    def crop(self, length: int) -> "LayerCache":
        """Return a cache of the first `length` tokens; nothing is copied.

        Raises:
            ValueError: if the length is negative, or more than there is.
        """
        if not 0 <= length <= self.length:
            raise ValueError(f"length must be in 0 … {self.length}, but is {length}")
        other = LayerCache(self.capacity)
        other._store, other.length = self._store, length
        return other

    def reorder(self, rows: Int[Tensor, " R"]) -> "LayerCache":
        """Return a cache of the given rows, copied; a row may be taken twice."""
        other = LayerCache(self.capacity)
        other.length = self.length
        if self._store is not None:
            other._store = _Store(self._taken(rows), self.length)
        return other

    def _taken(self, rows: Int[Tensor, " R"]) -> Float[Tensor, "2 R H C K"]:
        """Copy rows, with room to spare: else the next token would copy them again."""
        written = self._written()
        if torch.is_grad_enabled() and written.requires_grad:
            return written.index_select(1, rows)
        _, _, heads, _, width = written.shape
        room = self.capacity or -(-(self.length + 1) // BLOCK) * BLOCK
        pairs = written.new_empty(2, len(rows), heads, room, width)
        torch.index_select(written, 1, rows, out=pairs.narrow(3, 0, self.length))
        return pairs

    @property
    def nbytes(self) -> int:
        """The memory set aside, in bytes; forks share it, each reports all of it."""
        return self._store.pairs.nbytes if self._store is not None else 0


class KVCache:
    """The caches of all layers of one model, which hold the same number of tokens each.

    Args:
        layers: L, how many layers.
        capacity: as for `LayerCache`.

    Raises:
        ValueError: if the number of layers or the capacity is below 1.
    """

    def __init__(self, layers: int, *, capacity: int | None = None) -> None:
        if layers < 1:
            raise ValueError(f"layers must be at least 1, but is {layers}")
        self.layers = [LayerCache(capacity) for _ in range(layers)]

    @classmethod
    def _of(cls, layers: list[LayerCache]) -> "KVCache":
        cache = cls.__new__(cls)
        cache.layers = layers
        return cache

    @property
    def length(self) -> int:
        """T, how many tokens it holds."""
        return self.layers[0].length

    def fork(self) -> "KVCache":
        """Return a cache that holds the same, and grows apart from this one."""
        return self._of([layer.fork() for layer in self.layers])

    def crop(self, length: int) -> "KVCache":
        """Return a cache of the first `length` tokens; see `LayerCache.crop`."""
        return self._of([layer.crop(length) for layer in self.layers])

    def reorder(self, rows: Int[Tensor, " R"]) -> "KVCache":
        """Return a cache of the given rows, copied; a row may be taken twice."""
        return self._of([layer.reorder(rows) for layer in self.layers])

    @property
    def nbytes(self) -> int:
        """The memory set aside, in bytes."""
        return sum(layer.nbytes for layer in self.layers)
