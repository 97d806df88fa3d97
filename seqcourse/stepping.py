"""Step by step: the contract between a model that writes and the decoder that chooses.

A model that writes one token at a time gives, for each row of a batch, the logits of
the next token, and remembers what it has read in a *state* that only the model itself
understands. Sampling (`seqcourse.generation`) and beam search (`seqcourse.beam`) need
no more than that, so they serve n-gram models, recurrent networks, translators and
transformers alike.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from seqcourse.lm import LanguageModel

__all__ = ["State", "StepModel", "Stepwise", "evaluating"]

State: TypeAlias = Any
"""What a model remembers between two steps; nobody but the model looks inside."""


@runtime_checkable
class StepModel(Protocol):
    """A model that can be driven one token at a time, a batch of sequences at once."""

    vocab_size: int
    """V: ids run from 0 to V-1."""

    def begin(self, inputs: Any) -> tuple[Float[Tensor, "B V"], State]:
        """Read the inputs; return the logits of the first token, and the state.

        For a language model the inputs are the prompts, ids of shape (B, T). For a
        model that turns one sequence into another they are the source sequences.
        """
        ...

    def step(
        self, ids: Int[Tensor, " B"], state: State
    ) -> tuple[Float[Tensor, "B V"], State]:
        """Read one more token in each row; return the next logits and the new state.

        The state that was given is left as it is, and may be stepped from again.
        """
        ...

    def reorder(self, state: State, rows: Int[Tensor, " R"]) -> State:
        """Return the state of these rows of the batch; a row may be repeated."""
        ...


class Stepwise:
    """Drives any `seqcourse.lm.LanguageModel`, such as an n-gram model, step by step.

    Its state is what each row has read so far, so a step costs as much as the model's
    own `next_logprobs`.

    Args:
        model: the language model.
    """

    def __init__(self, model: LanguageModel) -> None:
        self.model = model
        self.vocab_size = model.vocab_size

    def begin(
        self, inputs: Int[Tensor, "B T"]
    ) -> tuple[Float[Tensor, "B V"], Int[Tensor, "B T"]]:
        """Return ln p(v | prompt) of each row, in nats, and the prompts as state."""
        rows = [self.model.next_logprobs(prompt) for prompt in inputs.cpu().numpy()]
        return torch.as_tensor(np.stack(rows), device=inputs.device), inputs

    def step(
        self, ids: Int[Tensor, " B"], state: Int[Tensor, "B T"]
    ) -> tuple[Float[Tensor, "B V"], Int[Tensor, "B T1"]]:
        """Append one token to each row, and return ln p(v | row)."""
        return self.begin(torch.cat([state, ids[:, None]], dim=1))

    def reorder(
        self, state: Int[Tensor, "B T"], rows: Int[Tensor, " R"]
    ) -> Int[Tensor, "R T"]:
        """Return the given rows."""
        return state[rows]


@contextmanager
def evaluating(model: object) -> Iterator[None]:
    """Switch a network's dropout off within a block, and back to what it was after it.

    Each part of the network gets its own mode back: some may have been evaluating
    already. Anything that is not a network is left alone.
    """
    parts = list(model.modules()) if isinstance(model, nn.Module) else []
    training = [part.training for part in parts]
    try:
        for part in parts:
            part.training = False
        yield
    finally:
        for part, was_training in zip(parts, training, strict=True):
            part.training = was_training
