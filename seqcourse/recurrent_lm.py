"""A recurrent language model, its truncated training, and a look inside."""

from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from seqcourse._checks import check_id, check_positive
from seqcourse.embedding import check_ids
from seqcourse.neural import NeuralLM
from seqcourse.recurrent_config import RecurrentConfig
from seqcourse.stepping import evaluating
from seqcourse.training import cross_entropy

__all__ = [
    "CarriedState",
    "HiddenStates",
    "RecurrentLM",
    "RecurrentLMConfig",
    "RecurrentState",
    "hidden_states",
]

Ids: TypeAlias = Int[Tensor, "B T"]
Logits: TypeAlias = Float[Tensor, "B T V"]
RecurrentState: TypeAlias = (
    Float[Tensor, "L B D"] | tuple[Float[Tensor, "L B D"], Float[Tensor, "L B D"]]
)
"""What a recurrent language model remembers: h, or (h, c) with an LSTM."""


@dataclass(frozen=True, kw_only=True)
class RecurrentLMConfig(RecurrentConfig):
    """A recurrent language model's sizes and options.

    Raises:
        ValueError: if an option is out of range, or the model is to read both ways: it
            would see the very token that it predicts.
    """

    vocab_size: int
    """V."""

    start_id: int = 0
    """The id that is read before the first token of a text."""

    tied: bool = False
    """Whether the output matrix is the embedding matrix (Press and Wolf 2017)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive("vocab_size", self.vocab_size)
        check_id("start_id", self.start_id, self.vocab_size)
        if self.bidirectional:
            raise ValueError(
                "a language model cannot be bidirectional: reading backwards, it would "
                "see the token that it is to predict"
            )


class RecurrentLM(NeuralLM):
    """A language model that reads token by token and keeps what matters in a state.

    Mikolov et al. (2010), with the cell of your choice. Embeddings are drawn from N(0,
    1), or, if tied, uniformly within ±1/√D like the output layer; all else as in
    `seqcourse.recurrent`.

    >>> model = RecurrentLM(RecurrentLMConfig(vocab_size=7, cell="gru", width=5))
    >>> model(torch.tensor([[0, 3, 1]])).shape
    torch.Size([1, 3, 7])

    Args:
        config: sizes and options.
    """

    context_length = None

    def __init__(self, config: RecurrentLMConfig) -> None:
        super().__init__()
        self.config = config
        self.vocab_size, self.start_id = config.vocab_size, config.start_id
        self.embedding = nn.Embedding(config.vocab_size, config.width)
        self.recurrent = config.build(config.width)
        self.head = nn.Linear(config.width, config.vocab_size)
        if config.tied:
            self.embedding.weight = self.head.weight
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, ids: Ids) -> Logits:
        """Return the logits of the next token at each place, from an empty memory.

        Raises:
            TypeError: if the ids are not integers.
            ValueError: if the ids do not have two axes, or there are none.
            IndexError: by PyTorch, if an id is outside 0 … V-1.
        """
        return self.advance(ids)[0]

    def advance(
        self, ids: Ids, state: RecurrentState | None = None
    ) -> tuple[Logits, RecurrentState]:
        """Read on from a state (None: from zeros); return the logits and the new state.

        Reading a text in pieces gives what reading it at once gives.

        Raises:
            TypeError, ValueError, IndexError: as `forward`; ValueError also for a state
                that does not fit.
        """
        check_ids(ids)
        hidden, state = self.recurrent(self.dropout(self.embedding(ids)), state)
        return self.head(self.dropout(hidden)), state

    def reorder(self, state: RecurrentState, rows: Int[Tensor, " R"]) -> RecurrentState:
        """Return the state of the given rows; a row may be taken more than once."""
        if isinstance(state, tuple):
            h, c = state
            return h[:, rows], c[:, rows]
        return state[:, rows]


class CarriedState(nn.Module):
    """A recurrent language model in training: each batch goes on where the last ended.

    This is truncated backpropagation through time with k1 = k2 = T (see
    `seqcourse.bptt`): the state is handed on, but no gradient goes back into the batch
    before. Train this module in the model's place; the state is among its buffers, so
    it is saved in checkpoints, too.

    >>> from seqcourse.batching import ContiguousBatches
    >>> from seqcourse.training import fit
    >>> model = RecurrentLM(RecurrentLMConfig(vocab_size=7, width=5))
    >>> batches = ContiguousBatches(torch.arange(50) % 7, length=4, batch_size=3)
    >>> training = CarriedState(model, 3, restart_every=batches.steps_per_epoch)
    >>> history = fit(training, batches, lambda part, batch: part(*batch), steps=5)
    >>> history.steps
    5

    Args:
        model: the model to be trained.
        batch_size: B, rows in every batch.
        restart_every: after how many batches the rows begin anew, and with them the
            memory.

    Raises:
        ValueError: if a size is below 1.
    """

    taken: Tensor
    carried: Tensor

    def __init__(
        self, model: RecurrentLM, batch_size: int, *, restart_every: int
    ) -> None:
        super().__init__()
        check_positive("batch_size", batch_size)
        check_positive("restart_every", restart_every)
        self.model, self.restart_every = model, restart_every
        config = model.config
        self._parts = 2 if config.cell == "lstm" else 1
        shape = (self._parts, config.layers, batch_size, config.width)
        self.register_buffer("carried", model.head.weight.new_zeros(shape))
        self.register_buffer("taken", torch.zeros((), dtype=torch.int64))

    def forward(self, inputs: Ids, targets: Ids) -> Float[Tensor, ""]:
        """Return the mean of -ln p(target), in nats; in training, carry the state over.

        While evaluating, the state is read but not changed.
        """
        fresh = int(self.taken) % self.restart_every == 0
        start = torch.zeros_like(self.carried) if fresh else self.carried.clone()
        parts = tuple(start)
        logits, state = self.model.advance(
            inputs, parts if self._parts == 2 else parts[0]
        )
        if self.training:
            last = torch.stack(state if isinstance(state, tuple) else (state,))
            self.carried.copy_(last.detach())
            self.taken += 1
        return cross_entropy(logits, targets)


class HiddenStates(NamedTuple):
    """What every unit did while a text was read."""

    hidden: Float[Tensor, "T L D"]
    """The hidden states after each token, by layer."""

    cell: Float[Tensor, "T L D"] | None
    """The cell states after each token, by layer; None unless the cell is an LSTM."""


@torch.no_grad()
def hidden_states(model: RecurrentLM, ids: Int[Tensor, " T"]) -> HiddenStates:
    """Read one text, and return what each unit of each layer did after each token.

    Units that mean something (inside a quotation, near a line's end) are best looked
    for in the cell states (Karpathy et al. 2016, section 4.2). The text is read as it
    is, with no start token, and without dropout.

    Raises:
        ValueError: if there is no token.
    """
    if not len(ids):
        raise ValueError("ids is empty: there are no states to look at")
    states, state = [], None
    with evaluating(model):
        for token in ids:
            _, state = model.advance(token[None, None], state)
            states.append(torch.stack(state if isinstance(state, tuple) else (state,)))
    over_time = torch.stack(states, dim=1)[:, :, :, 0]  # (parts, T, L, D)
    return HiddenStates(over_time[0], over_time[1] if len(over_time) > 1 else None)
