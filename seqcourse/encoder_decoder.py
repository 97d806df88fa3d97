"""The transformer of Vaswani et al. (2017): one stack reads the source, one writes.

The decoder's blocks look at what has been written so far, then at the source. Where
`seqcourse.seq2seq` translates with recurrent networks, this does with attention alone;
both are driven in the same way.
"""

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from seqcourse._checks import (
    check_choice,
    check_id,
    check_positive,
    check_probability,
)
from seqcourse.attention import check_heads
from seqcourse.batching import Padded
from seqcourse.blocks import Activation, Block, Norm, Stack
from seqcourse.embedding import embed
from seqcourse.kv_cache import KVCache
from seqcourse.linear import Linear, linear
from seqcourse.masks import padding_mask
from seqcourse.positions import Positions, Rotary, added_positions

__all__ = ["EncoderDecoder", "EncoderDecoderConfig", "Reading"]

Tied = Literal["none", "output", "all"]


@dataclass(frozen=True)
class EncoderDecoderConfig:
    """How an `EncoderDecoder` is built.

    The base model of Vaswani et al. (2017) is width=512, heads=8, encoder_layers=6,
    decoder_layers=6, activation="relu", norm="post", dropout=0.1, tied="all".

    Attributes:
        source_vocab_size: V of the source.
        target_vocab_size: V of the target.
        start_id: the target id that the decoder reads first.
        end_id: the target id that ends every target.
        width: D.
        heads: H; must divide D.
        encoder_layers: how many blocks read.
        decoder_layers: how many blocks write.
        inner: the inner width of the feed-forward networks; None: 4 D.
        context_length: the longest source or target, where positions are learned; None:
            no limit.
        positions: "sinusoidal", "learned", "rotary" or "none"; without positions the
            encoder sees a bag of words.
        activation: see `seqcourse.blocks.FeedForward`.
        norm: see `seqcourse.blocks.Block`.
        dropout: see there; the embeddings are dropped too.
        tied: which matrices are one: "none", "output" (target embeddings and output
            layer), or "all" (source embeddings too; the vocabulary must be shared).

    Raises:
        ValueError: if an option is out of its range, or two contradict each other.
    """

    source_vocab_size: int
    target_vocab_size: int
    start_id: int
    end_id: int
    width: int = 128
    heads: int = 4
    encoder_layers: int = 2
    decoder_layers: int = 2
    inner: int | None = None
    context_length: int | None = None
    positions: Positions = "sinusoidal"
    activation: Activation = "relu"
    norm: Norm = "pre"
    dropout: float = 0.1
    tied: Tied = "output"

    def __post_init__(self) -> None:
        for name in ("source_vocab_size", "target_vocab_size", "width", "heads"):
            check_positive(name, getattr(self, name))
        for name in ("encoder_layers", "decoder_layers"):
            check_positive(name, getattr(self, name))
        for name in ("inner", "context_length"):
            if getattr(self, name) is not None:
                check_positive(name, getattr(self, name))
        check_id("start_id", self.start_id, self.target_vocab_size)
        check_id("end_id", self.end_id, self.target_vocab_size)
        check_choice("positions", self.positions, get_args(Positions))
        check_choice("tied", self.tied, get_args(Tied))
        check_probability("dropout", self.dropout)
        check_heads(self.width, self.heads)
        if self.start_id == self.end_id:
            raise ValueError(
                f"start_id and end_id must differ, but both are {self.start_id}: the "
                "decoder could not tell the start from the end"
            )
        if self.tied == "all" and self.source_vocab_size != self.target_vocab_size:
            raise ValueError(
                "tied='all' needs one vocabulary for both sides, but the source has "
                f"{self.source_vocab_size} ids and the target {self.target_vocab_size}"
            )


class Reading(NamedTuple):
    """What the decoder remembers between two steps."""

    source: KVCache
    """Keys and values of the source, for each layer's cross-attention; they stay."""

    written: KVCache
    """Keys and values of what has been written, for each layer's self-attention."""

    source_mask: Bool[Tensor, "B 1 S"]
    """True where the source is real."""


class EncoderDecoder(nn.Module):
    """A transformer that turns one sequence into another; also a `StepModel`.

    Targets hold no start token and end with `end_id`. In training, `forward` reads a
    known target; to write, hand the model to `seqcourse.generation.generate` or
    `seqcourse.beam.beam_search` with `stop=model.end_id`. To see where it looks, run it
    under `seqcourse.attention.record_attention`.

    Padding never changes a result; what stands there may be anything. An empty source
    says nothing: cross-attention then adds nothing but its bias.

    Matrices start as in Glorot and Bengio (2010), embeddings from N(0, 1/D); they are
    multiplied by √D before positions are added (Vaswani et al. 2017, sec. 3.4).

    >>> import torch
    >>> config = EncoderDecoderConfig(7, 11, start_id=1, end_id=2, width=8, heads=2)
    >>> source = Padded(torch.tensor([[3, 4, 5], [6, 3, 0]]), torch.tensor([3, 2]))
    >>> model = EncoderDecoder(config)
    >>> model(source, torch.tensor([[1, 9], [1, 8]])).shape  # (B, T, V)
    torch.Size([2, 2, 11])

    Args:
        config: how it is built.

    Attributes:
        config: how it was built.
        vocab_size: V of the target.
        start_id: the id that the decoder reads first.
        end_id: the id that ends every target.

    Raises:
        ValueError: if sinusoidal or rotary positions meet an odd width, D or D/H.
    """

    def __init__(self, config: EncoderDecoderConfig) -> None:
        super().__init__()
        self.config = config
        self.vocab_size = config.target_vocab_size
        self.start_id, self.end_id = config.start_id, config.end_id
        self.target_tokens = nn.Embedding(config.target_vocab_size, config.width)
        self.source_tokens = (
            self.target_tokens
            if config.tied == "all"
            else nn.Embedding(config.source_vocab_size, config.width)
        )
        kind, length = config.positions, config.context_length
        self.source_positions = added_positions(kind, config.width, length)
        self.target_positions = added_positions(kind, config.width, length)
        self.dropout = nn.Dropout(config.dropout)
        rotary = Rotary(config.width // config.heads) if kind == "rotary" else None
        self.encoder = _stack(config, rotary, decoder=False)
        self.decoder = _stack(config, rotary, decoder=True)
        self.output: Linear | None = None
        if config.tied == "none":
            self.output = Linear(config.width, config.target_vocab_size, bias=False)
        self._initialise()

    def _initialise(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            elif isinstance(module, nn.Embedding):
                nn.init.normal_(module.weight, std=self.config.width**-0.5)

    def forward(
        self, source: Padded, ids: Int[Tensor, "B T"]
    ) -> Float[Tensor, "B T V"]:
        """Return the logits of the next token after each one of `ids`.

        Args:
            source: what to translate.
            ids: what the decoder reads: for a known target, the start token and then
                all but the last. A target's padding needs no mask: it stands at the
                end, where no real token looks.

        Raises:
            ValueError: if the batches differ in size, a sequence is longer than the
                learned positions, or an id is outside its vocabulary.
        """
        memory, mask = self.encode(source)
        if len(ids) != len(memory):
            raise ValueError(
                f"ids must have a row for each of {len(memory)} sources, but have "
                f"{len(ids)}"
            )
        x = self._embed(ids, self.target_tokens, self.target_positions)
        return self._logits(self.decoder(x, source=memory, source_mask=mask))

    def encode(
        self, source: Padded
    ) -> tuple[Float[Tensor, "B S D"], Bool[Tensor, "B 1 S"]]:
        """Return a vector for each place of the source, and the mask of the real ones.

        Raises:
            ValueError: if a source is longer than the learned positions, or has an id
                outside its vocabulary.
        """
        mask = padding_mask(
            source.lengths.to(source.values.device), source.values.shape[1]
        )
        ids = source.values.where(mask[:, 0], 0)  # padding may hold anything
        x = self._embed(ids, self.source_tokens, self.source_positions)
        return self.encoder(x, mask=mask), mask

    def _embed(
        self,
        ids: Int[Tensor, "B T"],
        tokens: nn.Embedding,
        positions: nn.Module | None,
        first: int = 0,
    ) -> Float[Tensor, "B T D"]:
        x = embed(ids, tokens) * math.sqrt(self.config.width)
        return self.dropout(x if positions is None else positions(x, first))

    def _logits(self, x: Float[Tensor, "B T D"]) -> Float[Tensor, "B T V"]:
        if self.output is None:
            return linear(x, self.target_tokens.weight)
        return self.output(x)

    # --- step by step ---

    def begin(self, inputs: Padded) -> tuple[Float[Tensor, "B V"], Reading]:
        """Read the sources and the start token; return the first token's logits.

        Raises:
            ValueError: as `encode` does.
        """
        memory, mask = self.encode(inputs)
        layers = self.config.decoder_layers
        state = Reading(KVCache(layers), KVCache(layers), mask)
        start = inputs.values.new_full((len(memory),), self.start_id)
        return self._step(start, state, memory)

    def step(
        self, ids: Int[Tensor, " B"], state: Reading
    ) -> tuple[Float[Tensor, "B V"], Reading]:
        """Read one more token in each row; return the logits of the next.

        Raises:
            ValueError: if there are more tokens than learned positions.
        """
        return self._step(ids, state, None)

    def _step(
        self, ids: Int[Tensor, " B"], state: Reading, memory: Tensor | None
    ) -> tuple[Float[Tensor, "B V"], Reading]:
        written = state.written.fork()
        x = self._embed(
            ids[:, None], self.target_tokens, self.target_positions, written.length
        )
        x = self.decoder(
            x,
            cache=written,
            source=memory,
            source_mask=state.source_mask,
            source_cache=state.source,
        )
        return self._logits(x)[:, -1], state._replace(written=written)

    def reorder(self, state: Reading, rows: Int[Tensor, " R"]) -> Reading:
        """Return the state of the given rows; a row may be taken more than once."""
        return Reading(
            state.source.reorder(rows),
            state.written.reorder(rows),
            state.source_mask[rows],
        )


def _stack(
    config: EncoderDecoderConfig, rotary: Rotary | None, *, decoder: bool
) -> Stack:
    blocks = [
        Block(
            config.width,
            config.heads,
            inner=config.inner,
            activation=config.activation,
            norm=config.norm,
            dropout=config.dropout,
            causal=decoder,
            source_width=config.width if decoder else None,
            rotary=rotary,
        )
        for _ in range(config.decoder_layers if decoder else config.encoder_layers)
    ]
    return Stack(blocks, nn.LayerNorm(config.width) if config.norm == "pre" else None)
