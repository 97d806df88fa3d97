"""The recurrent decoder: a language model that writes with something in mind.

A decoder is a recurrent language model whose first state is not zero but the summary of
what it is to write about. It serves every model here that writes: translators
(`seqcourse.seq2seq`), autoencoders (`seqcourse.latent`) and captioners
(`seqcourse.captioning`). They differ in what they put before it, up to three things:

- the first recurrent state, which all have (Sutskever et al. 2014);
- a context, one vector that is read again with every token (Cho et al. 2014), because
  what stands only in the first state fades;
- a memory, several vectors of which attention picks what each step needs (Bahdanau et
  al. 2015, in the order of Luong et al. 2015).
"""

from typing import NamedTuple, TypeAlias

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from seqcourse.attention import masked_softmax
from seqcourse.batching import Padded
from seqcourse.embedding import embed
from seqcourse.recurrent import CELLS
from seqcourse.scores import Score

__all__ = [
    "Attention",
    "Decoded",
    "DecoderState",
    "Memory",
    "RecurrentDecoder",
    "RecurrentState",
    "select_rows",
    "shift_right",
]

RecurrentState: TypeAlias = tuple[Float[Tensor, "L B D"], ...]
"""What the recurrent layers carry on: (h, c) for an LSTM, (h,) for the others."""


def shift_right(ids: Int[Tensor, "B T"], start_id: int) -> Int[Tensor, "B T"]:
    """Return what a decoder reads to write `ids`: the start, then all but the last.

    >>> shift_right(torch.tensor([[7, 8, 9]]), start_id=1)
    tensor([[1, 7, 8]])
    """
    start = ids.new_full((len(ids), 1), start_id)
    return torch.cat([start, ids[:, :-1]], dim=1)


class Memory(NamedTuple):
    """What a decoder may look up at every step, the same all along."""

    values: Float[Tensor, "B S Dk"]
    """One vector for each place of the source."""

    prepared: Float[Tensor, "B S P"]
    """The same as the score's `prepare` returned them, so that it is done once."""

    mask: Bool[Tensor, "B S"]
    """True where a place may be looked at."""


class DecoderState(NamedTuple):
    """What a decoder knows between two steps."""

    recurrent: RecurrentState
    """The state of the recurrent layers."""

    context: Float[Tensor, "B C"] | None = None
    """The vector that is read with every token."""

    memory: Memory | None = None
    """What attention looks at."""

    fed: Float[Tensor, "B D"] | None = None
    """With input feeding: what the last step concluded."""


def select_rows(state: DecoderState, rows: Int[Tensor, " R"]) -> DecoderState:
    """Return the state of the given rows; a row may be taken more than once."""
    return DecoderState(
        tuple(part[:, rows] for part in state.recurrent),
        None if state.context is None else state.context[rows],
        None
        if state.memory is None
        else Memory(*(part[rows] for part in state.memory)),
        None if state.fed is None else state.fed[rows],
    )


class Decoded(NamedTuple):
    """What a decoder says of the tokens that it read."""

    logits: Float[Tensor, "B T V"]
    """The logits of the next token after each one read."""

    alignments: Float[Tensor, "B T S"] | None
    """Where attention looked: weights over the source; None without attention."""

    state: DecoderState
    """The state after the last token."""


class Attention(nn.Module):
    """Looks up in a memory what a recurrent state asks for, and puts both together.

    Luong et al. (2015), section 3.1: the weights are a softmax over the scores (eq. 7),
    the answer c is the mean of the memory under these weights, and
    h̃ = tanh(W [c; h]) (eq. 5).

    Args:
        score: how a state is compared with the memory.
        memory_width: width of the memory's vectors.
        width: D, width of the state.
    """

    def __init__(self, score: Score, memory_width: int, width: int) -> None:
        super().__init__()
        self.score = score
        self.combine = nn.Linear(memory_width + width, width, bias=False)

    def remember(self, source: Padded) -> Memory:
        """Return the memory of a source, for `forward`."""
        return Memory(source.values, self.score.prepare(source.values), source.mask)

    def forward(
        self, h: Float[Tensor, "B T D"], memory: Memory
    ) -> tuple[Float[Tensor, "B T D"], Float[Tensor, "B T S"]]:
        """Return h̃ and the weights, which are exactly 0 over padding."""
        scores = self.score.compare(h, memory.prepared)  # (B, T, S)
        weights = masked_softmax(scores, memory.mask[:, None])
        found = weights @ memory.values  # (B, T, Dk)
        return torch.tanh(self.combine(torch.cat([found, h], dim=-1))), weights


class RecurrentDecoder(nn.Module):
    """Embeds a token, takes a step, looks at the memory, scores the next token.

    Attention comes after the recurrent step, and the logits come from what it
    concludes, h̃ (Luong et al. 2015, eq. 6). As nothing of this goes back into the
    recurrence, a known text is decoded at all places at once. Input feeding (section
    3.3) reads h̃ along with the next token, so that a step knows where the last one
    looked, as in Bahdanau et al. (2015); then a text is decoded place by place, which
    takes longer.

    Parameters start as in `torch.nn`: embeddings from N(0, 1), the rest uniform.

    Args:
        vocab_size: V.
        embedding_width: width of the token vectors.
        width: D, width of the recurrent layers.
        layers: L, how many recurrent layers are stacked.
        cell: "rnn", "lstm" or "gru".
        dropout: share of values set to zero in training: of what is read, between
            layers, and of what the logits come from.
        context_width: width of the context that is read with every token; 0 for none.
        score: how attention compares the state with the memory; None for no attention.
        memory_width: width of the memory's vectors; for attention only.
        input_feeding: whether each step reads what attention concluded in the last one.
    """

    def __init__(
        self,
        vocab_size: int,
        embedding_width: int,
        width: int,
        *,
        layers: int = 1,
        cell: str = "gru",
        dropout: float = 0.0,
        context_width: int = 0,
        score: Score | None = None,
        memory_width: int = 0,
        input_feeding: bool = False,
    ) -> None:
        super().__init__()
        self.input_feeding = input_feeding
        self.embed = nn.Embedding(vocab_size, embedding_width)
        read = embedding_width + context_width + (width if input_feeding else 0)
        between = dropout if layers > 1 else 0.0
        self.recurrent = CELLS[cell](read, width, layers, dropout=between)
        self.attention = (
            None if score is None else Attention(score, memory_width, width)
        )
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(width, vocab_size)

    def start(
        self,
        recurrent: RecurrentState,
        *,
        context: Float[Tensor, "B C"] | None = None,
        source: Padded | None = None,
    ) -> DecoderState:
        """Return the state before the first token; only attention needs the source."""
        memory = None
        if self.attention is not None and source is not None:
            memory = self.attention.remember(source)
        fed = torch.zeros_like(recurrent[0][-1]) if self.input_feeding else None
        return DecoderState(recurrent, context, memory, fed)

    def forward(self, ids: Int[Tensor, "B T"], state: DecoderState) -> Decoded:
        """Read tokens on from a state; return logits, alignments and the new state.

        Raises:
            ValueError: if there is no token, not a row of them for each source, or an
                id is outside the vocabulary.
        """
        sources = state.recurrent[0].shape[1]
        if len(ids) != sources or not ids.shape[1]:
            raise ValueError(
                f"ids must have a row of at least one token for each of the {sources} "
                f"sources, but has shape {tuple(ids.shape)}"
            )
        if not self.input_feeding:
            return self._read(ids, state)
        parts = []
        for now in ids.split(1, dim=1):
            parts.append(self._read(now, state))
            state = parts[-1].state
        logits = torch.cat([part.logits for part in parts], dim=1)
        weights = [part.alignments for part in parts if part.alignments is not None]
        return Decoded(logits, torch.cat(weights, dim=1), state)

    def _read(self, ids: Int[Tensor, "B T"], state: DecoderState) -> Decoded:
        read = [embed(ids, self.embed)]
        for extra in (state.context, state.fed):
            if extra is not None:
                read.append(extra[:, None].expand(-1, ids.shape[1], -1))
        inputs = self.dropout(torch.cat(read, dim=-1))  # (B, T, E + …)
        h, recurrent = self._step(inputs, state.recurrent)  # h: (B, T, D)
        alignments = None
        if self.attention is not None and state.memory is not None:
            h, alignments = self.attention(h, state.memory)
        fed = h[:, -1] if self.input_feeding else None
        logits = self.output(self.dropout(h))  # (B, T, V)
        return Decoded(logits, alignments, state._replace(recurrent=recurrent, fed=fed))

    def _step(
        self, inputs: Float[Tensor, "B T E"], state: RecurrentState
    ) -> tuple[Float[Tensor, "B T D"], RecurrentState]:
        """Call the recurrent layers, which take (h, c) as a pair, but a lone h bare."""
        h, after = self.recurrent(inputs, state if len(state) > 1 else state[0])
        return h, after if isinstance(after, tuple) else (after,)
