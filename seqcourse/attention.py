"""Attention: each query takes a mean of values, weighted by how well their keys match.

From the form without parameters (`self_attention`) through queries, keys and values
(`scaled_dot_product`, and `attend`, its fast path) to the layer of the transformer
(`MultiHeadAttention`). Masks are those of `seqcourse.masks`: True where a query may
look, the query's axis first; a query that may look nowhere gets zeros.

NaN spreads: a value of NaN reaches every query, even from behind a mask, because
0 · NaN is NaN.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from seqcourse.kv_cache import LayerCache
from seqcourse.linear import Linear
from seqcourse.masks import Mask, causal_mask, masked_softmax, padding_mask
from seqcourse.positions import Rotary

__all__ = [
    "Mask",
    "MultiHeadAttention",
    "attend",
    "causal_mask",
    "check_heads",
    "masked_softmax",
    "padding_mask",
    "record_attention",
    "scaled_dot_product",
    "self_attention",
]


def self_attention(
    x: Float[Tensor, "*batch T D"], mask: Mask | None = None
) -> tuple[Float[Tensor, "*batch T D"], Float[Tensor, "*batch T T"]]:
    """Return each vector as a mean of all, weighted by dot products; and the weights.

    The form without parameters, and without scaling: a vector is its own query, key and
    value. It knows no order: permuted inputs give the same outputs, permuted.

    >>> x = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    >>> mixed, weights = self_attention(x)
    >>> weights  # the dot products are 1 and 0: e to 1
    tensor([[0.7311, 0.2689],
            [0.2689, 0.7311]])

    Args:
        x: the vectors.
        mask: True where a place may look; broadcast to (…, T, T).
    """
    return scaled_dot_product(x, x, x, mask, scale=1.0)


def scaled_dot_product(
    query: Float[Tensor, "*batch Tq K"],
    key: Float[Tensor, "*batch Tk K"],
    value: Float[Tensor, "*batch Tk D"],
    mask: Mask | None = None,
    *,
    scale: float | None = None,
) -> tuple[Float[Tensor, "*batch Tq D"], Float[Tensor, "*batch Tq Tk"]]:
    """Return softmax(query keyᵀ / √K) value, and the softmax's weights.

    Vaswani et al. (2017), eq. 1. The dot product of two vectors of K independent
    entries of variance 1 has variance K; dividing by √K keeps it at 1, so that the
    softmax does not saturate.

    A decoder's state asks which of two encoder states to look at, without scaling: the
    scores are 3 and 5.

    >>> state = torch.tensor([[1.0, 2.0, 1.0]])
    >>> encoded = torch.tensor([[2.0, 0.0, 1.0], [1.0, 1.0, 2.0]])
    >>> context, weights = scaled_dot_product(state, encoded, encoded, scale=1.0)
    >>> weights
    tensor([[0.1192, 0.8808]])
    >>> context
    tensor([[1.1192, 0.8808, 1.8808]])

    Args:
        query: what each place asks for.
        key: what each place offers to be found by.
        value: what each place gives.
        mask: True where the query may look; broadcast to (…, Tq, Tk).
        scale: what the dot products are multiplied with; None: 1/√K.
    """
    scale = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    scores = query @ key.transpose(-2, -1) * scale  # (…, Tq, Tk)
    weights = masked_softmax(scores, mask)
    return weights @ value, weights


def attend(
    query: Float[Tensor, "*batch Tq K"],
    key: Float[Tensor, "*batch Tk K"],
    value: Float[Tensor, "*batch Tk D"],
    mask: Mask | None = None,
    *,
    causal: bool = False,
    dropout: float = 0.0,
    need_weights: bool = False,
) -> tuple[Float[Tensor, "*batch Tq D"], Float[Tensor, "*batch Tq Tk"] | None]:
    """Return what `scaled_dot_product` does, by torch's fused kernels: the fast path.

    Those never hold the (Tq, Tk) table of weights in memory, so there are none to
    return unless you ask for them, and then the slow path is taken.

    Args:
        query: what each place asks for.
        key: what each place offers to be found by.
        value: what each place gives.
        mask: True where the query may look; broadcast to (…, Tq, Tk).
        causal: whether nobody may look ahead either; the queries are the last of the
            places.
        dropout: the share of the weights that is set to zero, at random.
        need_weights: whether to return the weights, those before dropout, and not None.

    Raises:
        ValueError: if causal, and there are fewer keys than queries.
    """
    queries, keys = query.shape[-2], key.shape[-2]
    if causal and queries == 1:
        causal = False  # the last query sees everything
    if causal and (mask is not None or queries != keys or need_weights):
        before = causal_mask(queries, keys, device=query.device)
        mask, causal = before if mask is None else mask & before, False
    if need_weights:
        _, weights = scaled_dot_product(query, key, value, mask)
        return F.dropout(weights, dropout) @ value, weights
    mixed = F.scaled_dot_product_attention(
        query, key, value, attn_mask=mask, dropout_p=dropout, is_causal=causal
    )
    return mixed, None


class MultiHeadAttention(nn.Module):
    """Several attentions side by side, each in its own projection of the inputs.

    Vaswani et al. (2017), sec. 3.2.2. Each of H heads works in K = D/H dimensions. The
    projections of all heads to queries, keys and values are one matrix product.

    The layer is self-attention, unless it is given a `source_width`: then queries come
    from one sequence, keys and values from another, the source.

    >>> layer = MultiHeadAttention(width=8, heads=2)
    >>> layer(torch.zeros(3, 5, 8)).shape  # (B, T, D)
    torch.Size([3, 5, 8])

    Args:
        width: D, the width of inputs and outputs.
        heads: H; must divide D.
        source_width: the width of the source, for cross-attention; None for
            self-attention.
        bias: whether the projections have biases.
        dropout: the share of the attention weights that is dropped in training.
        causal: whether no place may look ahead.
        rotary: turns queries and keys by their places; None: the layer knows no order.

    Raises:
        ValueError: if H does not divide D, if rotary positions have another width than
            the heads, or if cross-attention is to be causal or rotary.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        *,
        source_width: int | None = None,
        bias: bool = True,
        dropout: float = 0.0,
        causal: bool = False,
        rotary: Rotary | None = None,
    ) -> None:
        super().__init__()
        check_heads(width, heads)
        _check_rotary(width, heads, rotary)
        if source_width is not None and (causal or rotary is not None):
            raise ValueError(
                "cross-attention (source_width is given) can be neither causal nor "
                "rotary: the places of two sequences have nothing to do with each other"
            )
        self.width, self.heads, self.source_width = width, heads, source_width
        self.causal, self.dropout, self.rotary = causal, dropout, rotary
        if source_width is None:
            self.query_key_value = Linear(width, 3 * width, bias=bias)
        else:
            self.query = Linear(width, width, bias=bias)
            self.key_value = Linear(source_width, 2 * width, bias=bias)
        self.output = Linear(width, width, bias=bias)
        self.recording = False
        self.weights: Float[Tensor, "B H Tq Tk"] | None = None

    def forward(
        self,
        x: Float[Tensor, "B T D"],
        source: Float[Tensor, "B S E"] | None = None,
        *,
        mask: Mask | None = None,
        cache: LayerCache | None = None,
    ) -> Float[Tensor, "B T D"]:
        """Return what each place of x has looked up, in x itself or in the source.

        Args:
            x: the sequence that asks.
            source: the sequence that answers; None for self-attention.
            mask: True where a query may look, (Tq, Tk) or (B, Tq, Tk); Tq may be 1.
            cache: keys and values of earlier places, to which those of x are added;
                the places of x count on from there. In cross-attention the first call
                fills it with the projected source, and later ones need no source.

        Raises:
            ValueError: if a width is wrong, or a source is missing or unexpected.
        """
        self._check(x, source, cached=cache is not None and cache.filled)
        if self.source_width is None:
            query, key, value = self._project(x, cache)
        else:
            query, key, value = self._project_source(x, source, cache)
        mixed, weights = attend(
            query,
            key,
            value,
            mask[:, None] if mask is not None and mask.ndim == 3 else mask,  # all heads
            causal=self.causal,
            dropout=self.dropout if self.training else 0.0,
            need_weights=self.recording,
        )
        self.weights = None if weights is None else weights.detach()
        return self.output(mixed.transpose(1, 2).flatten(2))  # (B, T, D)

    def _project(
        self, x: Float[Tensor, "B T D"], cache: LayerCache | None
    ) -> tuple[Tensor, ...]:
        query, key, value = self._split(self.query_key_value(x), 3)
        if self.rotary is not None:
            first = cache.length if cache is not None else 0
            query, key = self.rotary(query, first), self.rotary(key, first)
        if cache is not None:
            key, value = cache.append(key, value)
        return query, key, value

    def _project_source(
        self, x: Tensor, source: Tensor | None, cache: LayerCache | None
    ) -> tuple[Tensor, ...]:
        (query,) = self._split(self.query(x), 1)
        if cache is not None and cache.filled:
            return query, cache.keys, cache.values
        key, value = self._split(self.key_value(source), 2)
        if cache is not None:
            key, value = cache.append(key, value)
        return query, key, value

    def _split(
        self, projected: Float[Tensor, "B T N"], parts: int
    ) -> tuple[Tensor, ...]:
        """Cut N = parts · H · K; return each part as (B, H, T, K)."""
        batch, time, _ = projected.shape
        shape = (batch, time, self.heads, self.width // self.heads)
        chunks = projected.chunk(parts, dim=2)
        return tuple(chunk.view(shape).transpose(1, 2) for chunk in chunks)

    def _check(self, x: Tensor, source: Tensor | None, *, cached: bool) -> None:
        if x.ndim != 3 or x.shape[2] != self.width:
            raise ValueError(
                f"x must have shape (B, T, {self.width}), but has {tuple(x.shape)}"
            )
        if self.source_width is None and source is not None:
            raise ValueError(
                "this layer is self-attention and takes no source; make it with "
                "source_width=… for cross-attention"
            )
        if self.source_width is not None and source is None and not cached:
            raise ValueError(
                "this layer is cross-attention: call it with the source to look at"
            )
        if source is not None and source.shape[-1] != self.source_width:
            raise ValueError(
                f"source must have shape (B, S, {self.source_width}), but has "
                f"{tuple(source.shape)}"
            )

    @torch.no_grad()
    def copy_from(self, layer: nn.MultiheadAttention) -> "MultiHeadAttention":
        """Take over the weights of torch's layer, and return this one.

        Both stack the projections in the order query, key, value; torch's keeps them
        apart where the source has another width.

        >>> theirs = nn.MultiheadAttention(8, 2, batch_first=True)
        >>> ours, x = MultiHeadAttention(8, 2).copy_from(theirs), torch.randn(3, 5, 8)
        >>> torch.allclose(ours(x), theirs(x, x, x)[0], atol=1e-6)
        True
        """
        if layer.in_proj_weight is not None:
            weights = layer.in_proj_weight.chunk(3)
        else:
            weights = (layer.q_proj_weight, layer.k_proj_weight, layer.v_proj_weight)
        if self.source_width is None:
            self.query_key_value.weight.copy_(torch.cat(weights))
        else:
            self.query.weight.copy_(weights[0])
            self.key_value.weight.copy_(torch.cat(weights[1:]))
        self.output.weight.copy_(layer.out_proj.weight)
        if layer.in_proj_bias is not None:
            self._copy_biases(layer.in_proj_bias, layer.out_proj.bias)
        return self

    def _copy_biases(self, projections: Tensor, output: Tensor) -> None:
        if self.source_width is None:
            self.query_key_value.bias.copy_(projections)
        else:
            self.query.bias.copy_(projections[: self.width])
            self.key_value.bias.copy_(projections[self.width :])
        self.output.bias.copy_(output)


def check_heads(width: int, heads: int) -> None:
    """Raise ValueError unless the heads can share the width equally."""
    if heads < 1 or width % heads:
        raise ValueError(
            f"heads must divide the width, but {heads} does not divide {width}"
        )


def _check_rotary(width: int, heads: int, rotary: Rotary | None) -> None:
    if rotary is not None and rotary.width != width // heads:
        raise ValueError(
            f"rotary must have the width of a head, {width // heads}, but has "
            f"{rotary.width}"
        )


@contextmanager
def record_attention(
    model: nn.Module,
) -> Iterator[dict[str, Float[Tensor, "B H Tq Tk"]]]:
    """Keep the attention weights of every layer while a model runs, to look at them.

    The model runs slower meanwhile, and needs memory for the weights.

    >>> layer = MultiHeadAttention(width=8, heads=2)
    >>> with record_attention(layer) as maps:
    ...     _ = layer(torch.zeros(3, 5, 8))
    >>> {name: tuple(weights.shape) for name, weights in maps.items()}  # (B, H, Tq, Tk)
    {'': (3, 2, 5, 5)}

    Args:
        model: any model with `MultiHeadAttention` layers.

    Yields:
        A dictionary, to be read after the block: from the name of each layer that ran,
        in the order of the model's modules, to the weights of its last call.
    """
    layers = {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, MultiHeadAttention)
    }
    maps: dict[str, Tensor] = {}
    for layer in layers.values():
        layer.recording, layer.weights = True, None
    try:
        yield maps
    finally:
        for name, layer in layers.items():
            if layer.weights is not None:
                maps[name] = layer.weights
            layer.recording, layer.weights = False, None
