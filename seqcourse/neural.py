"""Neural language models: what recurrent networks and transformers have in common.

A neural language model reads ids and returns, at each place, the logits of the token
that comes next. From those follow the two questions of `seqcourse.lm.LanguageModel`
(how probable was this text, what may come next) and the three of
`seqcourse.stepping.StepModel` (begin, step, reorder), so that one scorer and one
decoder serve counted and trained models alike.
"""

from abc import ABC, abstractmethod

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from seqcourse.lm import Ids, LogProbs, as_ids
from seqcourse.stepping import State, evaluating
from seqcourse.training.losses import cross_entropy

__all__ = ["NeuralLM", "Sliding"]

CHUNK = 512
"""Tokens of a long text that are scored at once: bounds the memory, not the context."""


class NeuralLM(nn.Module, ABC):
    """A language model with parameters; a subclass defines how it reads and remembers.

    That is, `forward`, `advance` and `reorder`; all else follows from them.

    Nothing comes before the first token of a text, yet it has a probability too. Models
    here are given the token `start_id` to read first, as GPT-2 is given its end-of-text
    token.

    Attributes:
        vocab_size: V; ids run from 0 to V-1.
        start_id: the id that is read before the first token of every text.
        context_length: how many tokens, the start included, the model can read at once;
            None where there is no limit. `Sliding` lets it write past the limit.
    """

    vocab_size: int
    start_id: int
    context_length: int | None

    @abstractmethod
    def forward(self, ids: Int[Tensor, "B T"]) -> Float[Tensor, "B T V"]:
        """Return the logits of the next token at each place, all places at once."""

    @abstractmethod
    def advance(
        self, ids: Int[Tensor, "B T"], state: State | None = None
    ) -> tuple[Float[Tensor, "B T V"], State]:
        """Read on from a state (None: from nothing); return logits and new state."""

    @abstractmethod
    def reorder(self, state: State, rows: Int[Tensor, " R"]) -> State:
        """Return the state of these rows of the batch; a row may be repeated."""

    def loss(
        self,
        ids: Int[Tensor, "B T"],
        targets: Int[Tensor, "B T"],
        *,
        mask: Bool[Tensor, "B T"] | None = None,
    ) -> Float[Tensor, ""]:
        """Return the mean surprise at the targets, in nats, where the mask is True.

        The targets are the ids one place further on: what comes next at each place.
        """
        return cross_entropy(self(ids), targets, mask=mask)

    # --- driven step by step ---

    def begin(self, inputs: Int[Tensor, "B T"]) -> tuple[Float[Tensor, "B V"], State]:
        """Read the start token and the prompts; return next logits and state."""
        start = inputs.new_full((len(inputs), 1), self.start_id)
        logits, state = self.advance(torch.cat([start, inputs], dim=1), None)
        return logits[:, -1], state

    def step(
        self, ids: Int[Tensor, " B"], state: State
    ) -> tuple[Float[Tensor, "B V"], State]:
        """Read one more token in each row; return the next logits and the new state."""
        logits, state = self.advance(ids[:, None], state)
        return logits[:, -1], state

    # --- as a language model ---

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return next(self.parameters()).device

    @torch.no_grad()
    def next_logprobs(self, context: Ids) -> Float[np.ndarray, " V"]:
        """Return ln p(v | context) for every v, in nats.

        Of a context beyond the model's limit, only the end is read.

        Raises:
            ValueError: if an id is outside the vocabulary.
        """
        ids = as_ids(context, self.vocab_size, name="context")
        read = torch.tensor(np.append(self.start_id, ids), device=self.device)
        if self.context_length is not None:
            read = read[-self.context_length :]
        with evaluating(self):
            logits, _ = self.advance(read[None], None)
        return logits[0, -1].cpu().double().log_softmax(dim=-1).numpy()

    @torch.no_grad()
    def logprobs(self, tokens: Ids) -> LogProbs:
        """Return ln p(token t | tokens before t) for every t, in nats.

        A model with a context limit reads a long text in windows that overlap by half,
        so that every token but the first few is predicted from at least half a window.

        Raises:
            ValueError: if an id is outside the vocabulary.
        """
        ids = torch.tensor(as_ids(tokens, self.vocab_size).copy(), device=self.device)
        read = torch.cat([ids.new_full((1,), self.start_id), ids])[:-1]
        limit = self.context_length
        with evaluating(self):
            if limit is None or len(ids) <= limit:
                return self._score_in_state(read, ids).numpy()
            return self._score_in_windows(read, ids, limit).numpy()

    def _score_in_state(
        self, read: Int[Tensor, " T"], ids: Int[Tensor, " T"]
    ) -> Float[Tensor, " T"]:
        """Read from left to right, with all that came before in the state."""
        state, scores = None, [torch.empty(0, dtype=torch.float64)]
        for now in range(0, len(ids), CHUNK):
            logits, state = self.advance(read[None, now : now + CHUNK], state)
            scores.append(_picked(logits, ids[None, now : now + CHUNK])[0])
        return torch.cat(scores)

    def _score_in_windows(
        self, read: Int[Tensor, " T"], ids: Int[Tensor, " T"], size: int
    ) -> Float[Tensor, " T"]:
        """Read overlapping windows, several at once; score what is new in each."""
        starts = [*range(0, len(ids) - size, size - size // 2), len(ids) - size]
        scores, done = torch.empty(len(ids), dtype=torch.float64), 0
        rows = max(1, CHUNK // size)
        for first in range(0, len(starts), rows):
            windows = torch.tensor(starts[first : first + rows])
            places = (windows[:, None] + torch.arange(size)).to(ids.device)  # (B, T)
            picked = _picked(self(read[places]), ids[places])
            for start, row in zip(windows.tolist(), picked, strict=True):
                scores[done : start + size] = row[done - start :]
                done = start + size
        return scores


def _picked(
    logits: Float[Tensor, "B T V"], ids: Int[Tensor, "B T"]
) -> Float[Tensor, "B T"]:
    """Return the log-probability of each id, in float64 on the CPU."""
    exact = torch.promote_types(logits.dtype, torch.float32)
    logprobs = logits.log_softmax(dim=-1, dtype=exact)
    return logprobs.gather(-1, ids[..., None])[..., 0].cpu().double()


class Sliding(nn.Module):
    """Lets a neural language model with a context limit write on past that limit.

    When its context is full, the model begins again with the second half of it. So
    every token is written with at least half a context in view, and a full one is
    computed only once in half a context of steps.

    Args:
        model: any `NeuralLM`; one without a limit is driven as it is.
    """

    def __init__(self, model: NeuralLM) -> None:
        super().__init__()
        self.model = model
        self.vocab_size = model.vocab_size

    def begin(self, inputs: Int[Tensor, "B T"]) -> tuple[Float[Tensor, "B V"], State]:
        """Read the start token and the prompts: their end, if they are too long."""
        start = inputs.new_full((len(inputs), 1), self.model.start_id)
        return self._reread(torch.cat([start, inputs], dim=1))

    def step(
        self, ids: Int[Tensor, " B"], state: State
    ) -> tuple[Float[Tensor, "B V"], State]:
        """Read one more token in each row; return the next logits and the new state."""
        read, inner = state
        longer = torch.cat([read, ids[:, None]], dim=1)
        limit = self.model.context_length
        if limit is not None and longer.shape[1] > limit:
            return self._reread(longer[:, -max(1, limit // 2) :])
        logits, inner = self.model.step(ids, inner)
        return logits, (longer, inner)

    def reorder(self, state: State, rows: Int[Tensor, " R"]) -> State:
        """Return the state of these rows of the batch; a row may be repeated."""
        read, inner = state
        return read[rows], self.model.reorder(inner, rows)

    def _reread(self, read: Int[Tensor, "B T"]) -> tuple[Float[Tensor, "B V"], State]:
        limit = self.model.context_length
        read = read if limit is None else read[:, -limit:]
        logits, inner = self.model.advance(read, None)
        return logits[:, -1], (read, inner)
