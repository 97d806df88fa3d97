"""Blocks: what transformers are stacked from.

A block mixes places by attention, then works on each place by itself. Each of its steps
adds to a stream that runs past them all, x + f(x): the residual connection.
"""

from collections.abc import Callable, Iterable
from typing import Literal, TypeVar, get_args

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from seqcourse._checks import check_choice
from seqcourse.attention import Mask, MultiHeadAttention
from seqcourse.kv_cache import KVCache, LayerCache
from seqcourse.linear import Linear
from seqcourse.positions import Rotary

__all__ = [
    "ACTIVATIONS",
    "Activation",
    "Block",
    "FeedForward",
    "Norm",
    "Stack",
    "copy_from_torch",
    "gelu_tanh",
    "layer_norm",
    "swiglu",
]

Activation = Literal["relu", "gelu", "gelu_tanh", "swiglu"]
"""What stands between the two maps of a feed-forward network."""

Norm = Literal["pre", "post"]
"""Where a block normalises: in the side branch, or behind the addition."""


def layer_norm(
    x: Float[Tensor, "*batch D"],
    weight: Float[Tensor, " D"],
    bias: Float[Tensor, " D"],
    eps: float = 1e-5,
) -> Float[Tensor, "*batch D"]:
    """Return each vector with mean 0 and variance 1, then times weight, plus bias.

    Ba et al. (2016), eq. 4. It looks at one place at a time, so neither padding nor the
    rest of the batch matters. The blocks use `torch.nn.LayerNorm`, which does the same.

    >>> x = torch.tensor([[1.0, 2.0, 3.0]])
    >>> layer_norm(x, torch.ones(3), torch.zeros(3), eps=0.0)
    tensor([[-1.2247,  0.0000,  1.2247]])

    Args:
        x: the vectors.
        weight: the new standard deviation of each dimension.
        bias: the new mean of each dimension.
        eps: added to the variance, so that a constant vector becomes 0 and not NaN.
    """
    centred = x - x.mean(dim=-1, keepdim=True)
    variance = centred.square().mean(dim=-1, keepdim=True)
    return weight * centred / (variance + eps).sqrt() + bias


def gelu_tanh(x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Return Hendrycks and Gimpel's (2016) approximation to GELU, which GPT-2 uses."""
    return F.gelu(x, approximate="tanh")


def swiglu(x: Float[Tensor, "*batch N"]) -> Float[Tensor, "*batch M"]:
    """Return half of each vector, gated by SiLU of the first half (Shazeer 2020)."""
    gate, value = x.chunk(2, dim=-1)
    return F.silu(gate) * value


ACTIVATIONS: dict[Activation, Callable[[Tensor], Tensor]] = {
    "relu": F.relu,
    "gelu": F.gelu,
    "gelu_tanh": gelu_tanh,
    "swiglu": swiglu,
}
"""The functions of those names."""


class FeedForward(nn.Module):
    """Two linear maps with an activation between them, the same ones at every place.

    Vaswani et al. (2017), eq. 2. With "swiglu" the first map has twice the outputs, so
    give it 2/3 of the inner width for equal size.

    Args:
        width: D.
        inner: the width between the two maps.
        activation: "relu", "gelu", "gelu_tanh" or "swiglu".
        bias: whether the maps have biases.

    Raises:
        ValueError: for another activation.
    """

    def __init__(
        self,
        width: int,
        inner: int,
        *,
        activation: Activation = "gelu",
        bias: bool = True,
    ) -> None:
        super().__init__()
        check_choice("activation", activation, ACTIVATIONS)
        self.activate = ACTIVATIONS[activation]
        self.expand = Linear(width, inner * (1 + (activation == "swiglu")), bias=bias)
        self.contract = Linear(inner, width, bias=bias)

    def forward(self, x: Float[Tensor, "*batch D"]) -> Float[Tensor, "*batch D"]:
        """Return what the network makes of each vector."""
        return self.contract(self.activate(self.expand(x)))


class Block(nn.Module):
    """Self-attention, cross-attention if there is a source, and a feed-forward network.

    Vaswani et al. (2017) normalise behind each addition, norm(x + f(x)): "post". GPT-2
    and most since do it in the side branch, x + f(norm(x)): "pre". That leaves the
    stream free from end to end, and trains without warm-up (Xiong et al. 2020).

    >>> Block(width=8, heads=2, causal=True)(torch.zeros(3, 5, 8)).shape
    torch.Size([3, 5, 8])

    Args:
        width: D.
        heads: H; must divide D.
        inner: the inner width of the feed-forward network; None: 4 D.
        activation: see `FeedForward`.
        norm: "pre" or "post".
        dropout: the share that is dropped in training, of the attention weights and of
            what each step adds to the stream.
        bias: whether linear maps and norms have biases.
        eps: added to the variance in the norms.
        causal: whether self-attention may not look ahead.
        source_width: the width of the source for cross-attention; None: there is none.
        rotary: see `MultiHeadAttention`.

    Raises:
        ValueError: if an option has another value, or H does not divide D.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        *,
        inner: int | None = None,
        activation: Activation = "gelu",
        norm: Norm = "pre",
        dropout: float = 0.0,
        bias: bool = True,
        eps: float = 1e-5,
        causal: bool = False,
        source_width: int | None = None,
        rotary: Rotary | None = None,
    ) -> None:
        super().__init__()
        check_choice("norm", norm, get_args(Norm))
        self.pre_norm = norm == "pre"
        self.attention = MultiHeadAttention(
            width, heads, bias=bias, dropout=dropout, causal=causal, rotary=rotary
        )
        self.attention_norm = nn.LayerNorm(width, eps=eps, bias=bias)
        self.cross_attention: MultiHeadAttention | None = None
        if source_width is not None:
            self.cross_attention = MultiHeadAttention(
                width, heads, source_width=source_width, bias=bias, dropout=dropout
            )
            self.cross_norm = nn.LayerNorm(width, eps=eps, bias=bias)
        inner = 4 * width if inner is None else inner
        self.feed_forward = FeedForward(width, inner, activation=activation, bias=bias)
        self.feed_forward_norm = nn.LayerNorm(width, eps=eps, bias=bias)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self,
        x: Float[Tensor, "B T D"],
        *,
        mask: Mask | None = None,
        cache: LayerCache | None = None,
        source: Float[Tensor, "B S E"] | None = None,
        source_mask: Mask | None = None,
        source_cache: LayerCache | None = None,
    ) -> Float[Tensor, "B T D"]:
        """Return the stream behind the block.

        Args:
            x: the stream before it.
            mask: for self-attention, see `MultiHeadAttention`; so is the cache.
            cache: see there.
            source: for cross-attention, see there; so are its mask and cache.
            source_mask: see there.
            source_cache: see there.
        """
        look, look_up = self.attention, self.cross_attention
        x = self._step(
            x, self.attention_norm, lambda h: look(h, mask=mask, cache=cache)
        )
        if look_up is not None:
            x = self._step(
                x,
                self.cross_norm,
                lambda h: look_up(h, source, mask=source_mask, cache=source_cache),
            )
        return self._step(x, self.feed_forward_norm, self.feed_forward)

    def _step(
        self, x: Float[Tensor, "B T D"], norm: nn.Module, f: Callable[[Tensor], Tensor]
    ) -> Float[Tensor, "B T D"]:
        y = f(norm(x)) if self.pre_norm else f(x)
        if self.training:  # when writing, a token at a time, every call counts
            y = self.dropout(y)
        return x + y if self.pre_norm else norm(x + y)


class Stack(nn.Module):
    """Blocks, one after another, and a norm behind the last: an encoder or a decoder.

    Args:
        blocks: the blocks, all of one width.
        norm: what comes behind the last. Pre-norm blocks need a norm there, because
            nothing else bounds the stream; post-norm blocks end in one already.
    """

    def __init__(self, blocks: Iterable[Block], norm: nn.Module | None = None) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.norm = nn.Identity() if norm is None else norm

    def forward(
        self,
        x: Float[Tensor, "B T D"],
        *,
        mask: Mask | None = None,
        cache: KVCache | None = None,
        source: Float[Tensor, "B S E"] | None = None,
        source_mask: Mask | None = None,
        source_cache: KVCache | None = None,
    ) -> Float[Tensor, "B T D"]:
        """Return the stream behind the last block; see `Block` for the arguments."""
        for i, block in enumerate(self.blocks):
            x = block(
                x,
                mask=mask,
                cache=None if cache is None else cache.layers[i],
                source=source,
                source_mask=source_mask,
                source_cache=None if source_cache is None else source_cache.layers[i],
            )
        return self.norm(x)


M = TypeVar("M", Block, Stack)


@torch.no_grad()
def copy_from_torch(ours: M, theirs: nn.Module) -> M:
    """Take over the weights of torch's layer or stack of the same options; return ours.

    `torch.nn.TransformerEncoderLayer` and `…DecoderLayer` are a `Block`,
    `torch.nn.TransformerEncoder` and `…Decoder` a `Stack`.

    >>> theirs = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True).eval()
    >>> ours = Block(8, 2, inner=16, activation="relu", norm="post")
    >>> x = torch.randn(3, 5, 8)
    >>> torch.allclose(copy_from_torch(ours, theirs)(x), theirs(x), atol=1e-5)
    True

    Raises:
        ValueError: if one side has more layers than the other.
    """
    attentions = _kind(ours, MultiHeadAttention), _kind(theirs, nn.MultiheadAttention)
    for our_attention, their_attention in zip(*attentions, strict=True):
        our_attention.copy_from(their_attention)
    pairs: list[tuple[nn.Module, nn.Module]] = []
    pairs += zip(_kind(ours, nn.LayerNorm), _kind(theirs, nn.LayerNorm), strict=True)
    pairs += zip(
        _named(ours, "expand", "contract"),
        _named(theirs, "linear1", "linear2"),
        strict=True,
    )
    for our_layer, their_layer in pairs:
        our_layer.load_state_dict(their_layer.state_dict())
    return ours


K = TypeVar("K", bound=nn.Module)


def _kind(model: nn.Module, kind: type[K]) -> list[K]:
    return [module for module in model.modules() if isinstance(module, kind)]


def _named(model: nn.Module, *names: str) -> list[nn.Module]:
    return [module for name, module in model.named_modules() if name.endswith(names)]
