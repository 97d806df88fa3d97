"""The transformer as a language model: a stack of causal blocks.

Vaswani et al. (2017) and Radford et al. (2018, 2019). `TransformerLM` is the one causal
transformer of this package; `seqcourse.gpt` is GPT-2's choice of its options. The same
blocks make `seqcourse.bert`, `seqcourse.encoder_decoder` and `seqcourse.vision`.
"""

import math
from dataclasses import dataclass
from typing import get_args

from jaxtyping import Float, Int
from torch import Tensor, nn

from seqcourse._checks import (
    check_choice,
    check_id,
    check_positive,
    check_probability,
)
from seqcourse.attention import check_heads
from seqcourse.blocks import (
    ACTIVATIONS,
    Activation,
    Block,
    FeedForward,
    Norm,
    Stack,
    copy_from_torch,
    layer_norm,
)
from seqcourse.embedding import embed
from seqcourse.kv_cache import KVCache
from seqcourse.linear import Linear, linear
from seqcourse.neural import NeuralLM
from seqcourse.positions import Positions, Rotary, Sinusoidal, added_positions

__all__ = [
    "ACTIVATIONS",
    "Activation",
    "Block",
    "FeedForward",
    "Norm",
    "Stack",
    "TransformerConfig",
    "TransformerLM",
    "copy_from_torch",
    "layer_norm",
]


@dataclass(frozen=True)
class TransformerConfig:
    """The options of `TransformerLM`.

    Attributes:
        vocab_size: V.
        width: D.
        heads: H; must divide D.
        layers: L.
        inner: the inner width of the feed-forward networks; None: 4 D.
        context_length: the most tokens read at once, the start token included; None: no
            limit, but not with learned positions.
        positions: how order is told: "sinusoidal", "learned", "rotary", or "none",
            where the causal mask alone tells it.
        activation: see `FeedForward`.
        norm: see `Block`.
        dropout: see `Block`; the embeddings are dropped too.
        bias: whether linear maps and norms have biases.
        eps: added to the variance in the norms.
        tied: whether the embeddings are the output layer's matrix too (Press and Wolf
            2017).
        start_id: the id that is read before the first token of every text.

    Raises:
        ValueError: if an option is out of its range, or two contradict each other.
    """

    vocab_size: int
    width: int = 128
    heads: int = 4
    layers: int = 4
    inner: int | None = None
    context_length: int | None = 256
    positions: Positions = "rotary"
    activation: Activation = "gelu"
    norm: Norm = "pre"
    dropout: float = 0.0
    bias: bool = True
    eps: float = 1e-5
    tied: bool = True
    start_id: int = 0

    def __post_init__(self) -> None:
        for name in ("vocab_size", "width", "heads", "layers"):
            check_positive(name, getattr(self, name))
        for name in ("inner", "context_length"):
            if getattr(self, name) is not None:
                check_positive(name, getattr(self, name))
        check_choice("positions", self.positions, get_args(Positions))
        check_probability("dropout", self.dropout)
        check_heads(self.width, self.heads)
        check_id("start_id", self.start_id, self.vocab_size)
        if self.positions == "learned" and self.context_length is None:
            raise ValueError(
                "learned positions need a context_length: how many there are to learn"
            )


class TransformerLM(NeuralLM):
    """A causal transformer: each token is predicted from those before it, and no other.

    Weights start as GPT-2's do (Radford et al. 2019, sec. 2.3): from N(0, 0.02²), and
    those that write to the residual stream smaller by √(2L), because 2L of them add up.
    Biases start at 0. Sinusoidal positions have entries of size 1 and would drown such
    embeddings; with them, embeddings start from N(0, 1/D) and are multiplied by √D
    before positions are added (Vaswani et al. 2017, sec. 3.4).

    >>> import torch
    >>> config = TransformerConfig(vocab_size=11, width=8, heads=2, layers=1)
    >>> TransformerLM(config)(torch.tensor([[3, 1, 4, 1, 5]])).shape  # (B, T, V)
    torch.Size([1, 5, 11])

    Args:
        config: the options.

    Attributes:
        config: the options.

    Raises:
        ValueError: if sinusoidal or rotary positions meet an odd width, D or D/H.
    """

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.config = config
        self.vocab_size, self.start_id = config.vocab_size, config.start_id
        self.context_length = config.context_length
        self.tokens = nn.Embedding(config.vocab_size, config.width)
        self.positions = added_positions(
            config.positions, config.width, config.context_length
        )
        self.dropout = nn.Dropout(config.dropout)
        self.stack = _causal_stack(config)
        self.output: Linear | None = None
        if not config.tied:
            self.output = Linear(config.width, config.vocab_size, bias=False)
        self._initialise()

    def _initialise(self) -> None:
        to_stream = ("attention.output.weight", "feed_forward.contract.weight")
        for name, parameter in self.named_parameters():
            if name.endswith(to_stream):
                deviation = 0.02 / math.sqrt(2 * self.config.layers)
                nn.init.normal_(parameter, std=deviation)
            elif parameter.ndim == 2:
                nn.init.normal_(parameter, std=0.02)
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)
        if isinstance(self.positions, Sinusoidal):
            nn.init.normal_(self.tokens.weight, std=self.config.width**-0.5)

    def forward(self, ids: Int[Tensor, "B T"]) -> Float[Tensor, "B T V"]:
        """Return the logits of the next token at each place, all places at once.

        Raises:
            ValueError: if there are more than context_length tokens, or one is outside
                the vocabulary.
        """
        return self._read(ids, None)

    def advance(
        self, ids: Int[Tensor, "B T"], state: KVCache | None = None
    ) -> tuple[Float[Tensor, "B T V"], KVCache]:
        """Read on from what the cache holds; return the logits, and the longer cache.

        The given cache stays as it was: one may read on from it in several ways.

        Raises:
            ValueError: as `forward` does; what was read before counts as well.
        """
        cache = KVCache(self.config.layers) if state is None else state.fork()
        return self._read(ids, cache), cache

    def reorder(self, state: KVCache, rows: Int[Tensor, " R"]) -> KVCache:
        """Return the cache of the given rows; a row may be taken more than once."""
        return state.reorder(rows)

    def _read(
        self, ids: Int[Tensor, "B T"], cache: KVCache | None
    ) -> Float[Tensor, "B T V"]:
        first = 0 if cache is None else cache.length
        self._check_length(first, ids.shape[1])
        x = embed(ids, self.tokens)
        if self.positions is not None:
            if isinstance(self.positions, Sinusoidal):
                x = x * math.sqrt(self.config.width)
            x = self.positions(x, first)
        x = self.stack(self.dropout(x), cache=cache)
        if self.output is None:
            return linear(x, self.tokens.weight)
        return self.output(x)

    def _check_length(self, before: int, now: int) -> None:
        if self.context_length is not None and before + now > self.context_length:
            already = f" after {before} that it has read" if before else ""
            raise ValueError(
                f"the model reads at most {self.context_length} tokens, but {now} came"
                f"{already}; begin again with the last ones"
            )


def _causal_stack(config: TransformerConfig) -> Stack:
    rotary = None
    if config.positions == "rotary":
        rotary = Rotary(config.width // config.heads)
    blocks = [
        Block(
            config.width,
            config.heads,
            inner=config.inner,
            activation=config.activation,
            norm=config.norm,
            dropout=config.dropout,
            bias=config.bias,
            eps=config.eps,
            causal=True,
            rotary=rotary,
        )
        for _ in range(config.layers)
    ]
    last = nn.LayerNorm(config.width, eps=config.eps, bias=config.bias)
    return Stack(blocks, last if config.norm == "pre" else None)
