"""Sequence to sequence: one recurrent network reads, another writes.

The encoder reads the source and sums it up; the decoder (`seqcourse.recurrent_decoder`)
starts from that summary and writes the target, one token after another, until it writes
the end token. Without attention the summary is all that passes between the two, a
vector of the same width for long sources as for short ones: the bottleneck. With
attention the decoder may look back at every place of the source.

The classic models are settings of one configuration::

    Sutskever et al. (2014)   cell="lstm", layers=4, reverse_source=True
    Cho et al. (2014)         cell="gru", repeat_context=True
    Bahdanau et al. (2015)    cell="gru", bidirectional=True, attention="additive",
                              input_feeding=True
    Luong et al. (2015)       cell="lstm", layers=4, attention="bilinear",
                              input_feeding=True

Bahdanau et al. are met as nearly as Luong's order of steps, the decoder's, allows.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias, get_args

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from seqcourse._checks import check_choice, check_id, check_positive, check_probability
from seqcourse.batching import Padded
from seqcourse.embedding import embed
from seqcourse.recurrent import CELLS
from seqcourse.recurrent_decoder import (
    Decoded,
    DecoderState,
    RecurrentDecoder,
    RecurrentState,
    select_rows,
    shift_right,
)
from seqcourse.scores import AdditiveScore, BilinearScore, DotScore, Score

__all__ = [
    "Encoded",
    "Encoder",
    "ScoreName",
    "Seq2Seq",
    "Seq2SeqConfig",
    "reverse",
]

ScoreName: TypeAlias = Literal["additive", "dot", "scaled_dot", "bilinear"]
"""A kind of attention score, see `seqcourse.scores`."""


@dataclass(frozen=True)
class Seq2SeqConfig:
    """How a `Seq2Seq` is built.

    Attributes:
        source_vocab_size: V of the source.
        target_vocab_size: V of the target.
        start_id: the target id that the decoder reads first.
        end_id: the target id that ends every target.
        embedding_width: width of the token vectors.
        width: D, width of the recurrent layers; even if bidirectional.
        layers: L, how many recurrent layers are stacked, in encoder and decoder.
        cell: "rnn", "lstm" or "gru".
        bidirectional: whether the encoder reads both ways; each way has half of the
            width.
        attention: how the decoder compares its state with the source, see
            `seqcourse.scores`; None for no attention.
        input_feeding: whether each step reads what attention concluded in the last one
            (Luong et al. 2015, section 3.3).
        repeat_context: whether the decoder reads the summary of the source with every
            token (Cho et al. 2014), instead of at the start only; without attention.
        reverse_source: whether the encoder reads the source from its end, so that the
            first words to write follow at once (Sutskever et al. 2014, section 3.3).
        dropout: share of values set to zero in training, between layers only, never in
            time (Zaremba et al. 2014).

    Raises:
        ValueError: if an option is out of its range, or two contradict each other.
    """

    source_vocab_size: int
    target_vocab_size: int
    start_id: int
    end_id: int
    embedding_width: int = 32
    width: int = 64
    layers: int = 1
    cell: Literal["rnn", "lstm", "gru"] = "gru"
    bidirectional: bool = False
    attention: ScoreName | None = None
    input_feeding: bool = False
    repeat_context: bool = False
    reverse_source: bool = False
    dropout: float = 0.0

    def __post_init__(self) -> None:
        sizes = ("source_vocab_size", "target_vocab_size", "embedding_width", "width")
        for name in (*sizes, "layers"):
            check_positive(name, getattr(self, name))
        check_id("start_id", self.start_id, self.target_vocab_size)
        check_id("end_id", self.end_id, self.target_vocab_size)
        check_choice("cell", self.cell, CELLS)
        check_choice("attention", self.attention, (None, *get_args(ScoreName)))
        check_probability("dropout", self.dropout)
        self._check_contradictions()

    def _check_contradictions(self) -> None:
        if self.bidirectional and self.width % 2:
            raise ValueError(
                "a bidirectional encoder gives each direction half of the width, which "
                f"must be even, but is {self.width}"
            )
        if self.input_feeding and self.attention is None:
            raise ValueError(
                "input_feeding feeds back what attention found, but attention is None"
            )
        if self.repeat_context and self.attention is not None:
            raise ValueError(
                "repeat_context and attention contradict each other: attention gives a "
                "new context at every step; leave one of them out"
            )
        if self.reverse_source and self.bidirectional:
            raise ValueError(
                "reverse_source and bidirectional contradict each other: the encoder "
                "already reads both ways; leave one of them out"
            )


def reverse(padded: Padded) -> Padded:
    """Return each sequence back to front; the padding stays at the end.

    >>> source = Padded(torch.tensor([[1, 2, 3], [4, 5, 0]]), torch.tensor([3, 2]))
    >>> reverse(source).values
    tensor([[3, 2, 1],
            [5, 4, 0]])
    """
    places = torch.arange(padded.values.shape[1], device=padded.values.device)
    last = padded.lengths.to(places.device)[:, None] - 1
    order = torch.where(padded.mask, last - places, places)  # (B, T), its own inverse
    rows = torch.arange(len(order), device=order.device)[:, None]
    return Padded(padded.values[rows, order], padded.lengths)


class Encoded(NamedTuple):
    """What an encoder made of a batch of sources."""

    annotations: Padded
    """One vector for each token, of it and its surroundings; 0 over padding."""

    state: RecurrentState
    """The summary: the state after the whole source, as a decoder takes it over."""


class Encoder(nn.Module):
    """Reads a source, one way or both ways.

    Padding never changes a result: the summary is the state after the last real token,
    and the way back begins there. Reading both ways, the directions have half of the
    width each, and stand side by side: the forward one first.

    Args:
        vocab_size: V of the source.
        embedding_width: width of the token vectors.
        width: D, width of the annotations.
        layers: L, how many recurrent layers are stacked.
        cell: "rnn", "lstm" or "gru".
        bidirectional: whether to read both ways.
        dropout: share of the embeddings and of the values between layers that is set to
            zero in training.
    """

    def __init__(
        self,
        vocab_size: int,
        embedding_width: int,
        width: int,
        *,
        layers: int = 1,
        cell: str = "gru",
        bidirectional: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.embed = nn.Embedding(vocab_size, embedding_width)
        self.dropout = nn.Dropout(dropout)
        self.directions = 2 if bidirectional else 1
        self.recurrent = CELLS[cell](
            embedding_width,
            width // self.directions,
            layers,
            bidirectional=bidirectional,
            dropout=dropout if layers > 1 else 0.0,
        )

    def forward(self, source: Padded) -> Encoded:
        """Return an annotation for each token, and the summary.

        Raises:
            ValueError: if a source is empty, or an id is outside the vocabulary.
        """
        _check_not_empty(source)
        ids = source.values.where(source.mask, 0)  # padding may hold anything
        read = self.dropout(embed(ids, self.embed))  # (B, S, E)
        h, state = self.recurrent(Padded(read, source.lengths))
        parts = state if isinstance(state, tuple) else (state,)
        return Encoded(h, tuple(map(self._side_by_side, parts)))

    def _side_by_side(self, state: Float[Tensor, "LW B K"]) -> Float[Tensor, "L B D"]:
        """Join the directions of each layer, which come one after another."""
        if self.directions == 1:
            return state
        by_layer = state.unflatten(0, (-1, 2))  # (L, 2, B, D/2)
        return torch.cat([by_layer[:, 0], by_layer[:, 1]], dim=-1)


class Seq2Seq(nn.Module):
    """An encoder and a decoder, with or without attention; also a `StepModel`.

    Targets hold no start token and end with `end_id`. In training, `forward` reads a
    known target; to write, hand the model to `seqcourse.generation.generate` or
    `seqcourse.beam.beam_search` with `stop=model.end_id`.

    Args:
        config: how it is built.

    Attributes:
        config: how it was built.
        vocab_size: V of the target.
        start_id: the id that the decoder reads first.
        end_id: the id that ends every target.
    """

    def __init__(self, config: Seq2SeqConfig) -> None:
        super().__init__()
        self.config = config
        self.vocab_size = config.target_vocab_size
        self.start_id, self.end_id = config.start_id, config.end_id
        self.encoder = Encoder(
            config.source_vocab_size,
            config.embedding_width,
            config.width,
            layers=config.layers,
            cell=config.cell,
            bidirectional=config.bidirectional,
            dropout=config.dropout,
        )
        self.decoder = RecurrentDecoder(
            config.target_vocab_size,
            config.embedding_width,
            config.width,
            layers=config.layers,
            cell=config.cell,
            dropout=config.dropout,
            context_width=config.width if config.repeat_context else 0,
            score=_score(config.attention, config.width),
            memory_width=config.width,
            input_feeding=config.input_feeding,
        )

    def forward(
        self, source: Padded, ids: Int[Tensor, "B T"]
    ) -> Float[Tensor, "B T V"]:
        """Return the logits of the next token after each one of `ids`.

        Args:
            source: what to translate.
            ids: what the decoder reads; for a known target, `shift_right(target,
                start_id)`.

        Raises:
            ValueError: if a source is empty, the batches differ in size, or an id is
                outside its vocabulary.
        """
        return self.decode(ids, self.encode(source)).logits

    def align(
        self, source: Padded, written: Int[Tensor, "B T"]
    ) -> Float[Tensor, "B T S"]:
        """Return where attention looks while the model writes the given targets.

        Row t holds the weights over the source with which token t is written; they sum
        to 1, and are exactly 0 over padding. Columns are in the order of the source,
        reversed or not. Rows past the end of a target mean nothing.

        Raises:
            ValueError: if the model has no attention, a source is empty, or the batches
                differ in size.
        """
        ids = shift_right(written, self.start_id)
        alignments = self.decode(ids, self.encode(source)).alignments
        if alignments is None:
            raise ValueError(
                "this model has no alignments, for it has no attention; set "
                "Seq2SeqConfig(attention=…)"
            )
        return alignments

    def encode(self, source: Padded) -> DecoderState:
        """Read the sources; return the state in which the decoder starts."""
        if self.config.reverse_source:
            backwards, state = self.encoder(reverse(source))
            annotations = reverse(backwards)
        else:
            annotations, state = self.encoder(source)
        context = state[0][-1] if self.config.repeat_context else None
        return self.decoder.start(state, context=context, source=annotations)

    def decode(self, ids: Int[Tensor, "B T"], state: DecoderState) -> Decoded:
        """Read target tokens on from a state; return logits, alignments and the state.

        Raises:
            ValueError: if the batches differ in size.
        """
        return self.decoder(ids, state)

    def begin(self, inputs: Padded) -> tuple[Float[Tensor, "B V"], DecoderState]:
        """Read the sources and the start token; return the first token's logits.

        Raises:
            ValueError: if a source is empty.
        """
        start = inputs.values.new_full((len(inputs.values),), self.start_id)
        return self.step(start, self.encode(inputs))

    def step(
        self, ids: Int[Tensor, " B"], state: DecoderState
    ) -> tuple[Float[Tensor, "B V"], DecoderState]:
        """Read one more token in each row; return the logits of the next."""
        logits, _, state = self.decode(ids[:, None], state)
        return logits[:, -1], state

    def reorder(self, state: DecoderState, rows: Int[Tensor, " R"]) -> DecoderState:
        """Return the state of the given rows of the batch."""
        return select_rows(state, rows)


def _score(name: ScoreName | None, width: int) -> Score | None:
    """Return the score of this name, for queries and keys of one width."""
    match name:
        case None:
            return None
        case "additive":
            return AdditiveScore(width, width, width)
        case "bilinear":
            return BilinearScore(width, width)
        case "dot" | "scaled_dot":
            return DotScore(scaled=name == "scaled_dot")


def _check_not_empty(source: Padded) -> None:
    empty = (source.lengths < 1).nonzero()
    if len(empty):
        raise ValueError(
            f"row {int(empty[0])} of source is empty, and cannot be read; leave it "
            "out, or give it an end token"
        )
