"""Beam search: looking for the most probable sequence without writing out all of them.

Greedy decoding follows the one best token, and cannot go back when that was a mistake.
Beam search follows the `width` best beginnings at a time (Lowerre 1976; Sutskever et
al. 2014, section 3.2). Width 1 is greedy decoding; a width of all possible beginnings
finds the best sequence for certain.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from seqcourse.decoding import NOTHING_POSSIBLE
from seqcourse.stepping import State, StepModel, evaluating

__all__ = [
    "GNMT",
    "Branch",
    "Hypothesis",
    "LengthPenalty",
    "Power",
    "SearchTree",
    "beam_search",
]

LengthPenalty: TypeAlias = Callable[[int], float]
"""From a number of tokens, n ≥ 1, to a log-probability's divisor; monotone."""


@dataclass(frozen=True)
class Power:
    """Divide by n^alpha: 0 ranks by probability, 1 by log-probability per token.

    Every token makes a sequence less probable, so that without a penalty (0) short
    sequences win.
    """

    alpha: float

    def __call__(self, length: int) -> float:
        """Return length ** alpha."""
        return float(length**self.alpha)


@dataclass(frozen=True)
class GNMT:
    """Divide by ((5 + n) / 6)^alpha, as Google's translator did (Wu et al. 2016).

    That is their equation 14. It grows more slowly than `Power` at first. The paper's
    alpha is 0.2 where the model also has a coverage penalty; without one they found 0.6
    to 0.7 to be best.

    >>> round(GNMT(0.65)(13), 3)  # 3 to the power of 0.65
    2.042
    """

    alpha: float

    def __call__(self, length: int) -> float:
        """Return ((5 + length) / 6) ** alpha."""
        return float(((5 + length) / 6) ** self.alpha)


class Hypothesis(NamedTuple):
    """A sequence that a search ended with."""

    tokens: tuple[int, ...]
    """The ids, the stop token included if it was reached."""

    logprob: float
    """ln p(tokens | inputs), in nats."""

    score: float
    """What hypotheses are ranked by: logprob / penalty(len(tokens))."""


class _Step(NamedTuple):
    """The best continuations of one step, best first: K in each row of the batch.

    Attributes:
        logprobs: of the whole sequence, in nats.
        parents: which of the W beginnings that were followed each continues.
        tokens: with what.
    """

    logprobs: Float[Tensor, "B K"]
    parents: Int[Tensor, "B K"]
    tokens: Int[Tensor, "B K"]


@torch.inference_mode()
def beam_search(
    model: StepModel,
    inputs: Any,
    *,
    width: int,
    length: int,
    stop: int | None = None,
    length_penalty: float | LengthPenalty = 0.0,
    early_stopping: bool = False,
    tree: "SearchTree | None" = None,
) -> list[list[Hypothesis]]:
    """Return each row's best hypotheses, at most `width` of them, the best one first.

    At every step the 2 · width best continuations are looked at. Those among the first
    `width` that end in the stop token become hypotheses; the best `width` others are
    followed. After `length` tokens the best `width` become hypotheses as they stand. A
    row's search ends before that once it has `width` hypotheses and nothing that is
    still followed could score better than the worst of them, whatever came next.

    Args:
        model: any step model; wrap an n-gram model in `seqcourse.stepping.Stepwise`.
        inputs: what the model's `begin` takes: prompts (B, T), or source sequences.
        width: W, how many beginnings to follow, at least 1.
        length: the most tokens that a hypothesis may have, at least 1.
        stop: the id that ends a hypothesis; None: all run to the full length.
        length_penalty: what log-probabilities are divided by before hypotheses are
            compared: a number alpha for `Power(alpha)`, `GNMT(alpha)`, or your own.
        early_stopping: end a row's search as soon as it has `width` hypotheses, which
            is quicker and may miss better ones.
        tree: where to note all that was looked at.

    Raises:
        ValueError: if width or length is below 1, or the model left no token possible.
    """
    for name, value in (("width", width), ("length", length)):
        if value < 1:
            raise ValueError(f"{name} must be at least 1, but is {value}")
    penalty = length_penalty if callable(length_penalty) else Power(length_penalty)
    with evaluating(model):
        logits, state, running = _begin(model, inputs, width)
        finished = _Finished(running, length, penalty, early_stopping)
        for n in range(1, length + 1):
            step = _best_continuations(logits, running)
            ends = step.tokens == (-1 if stop is None else stop)
            if n == length:
                ends = torch.ones_like(ends)
            running, kept = step.logprobs.masked_fill(ends, -math.inf).topk(width)
            if tree is not None:
                tree.grow(step, ends, kept, finished.open)
            parents, ids = step.parents.gather(1, kept), step.tokens.gather(1, kept)
            finished.add(step, ends, running, parents, ids)
            if n == length or not any(finished.open):
                break
            first = width * torch.arange(len(ids), device=ids.device)[:, None]
            state = model.reorder(state, (first + parents).flatten())
            logits, state = model.step(ids.flatten(), state)
    return finished.hypotheses()


def _begin(
    model: StepModel, inputs: Any, width: int
) -> tuple[Float[Tensor, "R V"], State, Float[Tensor, "B W"]]:
    """Begin, and make each row `width` equal ones, of which the first is followed."""
    logits, state = model.begin(inputs)
    copies = torch.arange(len(logits), device=logits.device).repeat_interleave(width)
    precision = torch.promote_types(logits.dtype, torch.float32)
    running = logits.new_full((len(logits), width), -math.inf, dtype=precision)
    running[:, 0] = 0.0
    return logits[copies], model.reorder(state, copies), running


def _best_continuations(
    logits: Float[Tensor, "R V"], running: Float[Tensor, "B W"]
) -> _Step:
    """Return each row's best K ≤ 2W continuations of the W beginnings it follows.

    The best K of a row are among the best K of each of its beginnings, so that most of
    the vocabulary is neither sorted nor copied.
    """
    batch, width = running.shape
    logits = logits.to(running.dtype)
    k = min(2 * width, logits.shape[-1])
    highest, tokens = logits.topk(k)  # (B·W, k)
    logprobs = highest - logits.logsumexp(-1, keepdim=True) + running.reshape(-1, 1)
    # where nothing is possible we took -inf from -inf, and topk would put nan first
    logprobs = logprobs.masked_fill(logprobs.isnan(), -math.inf)
    best, where = logprobs.reshape(batch, -1).topk(min(2 * width, width * k))  # (B, K)
    return _Step(best, where // k, tokens.reshape(batch, -1).gather(1, where))


class _Found(NamedTuple):
    """A hypothesis whose tokens are not yet read off the steps that led to it."""

    score: float
    logprob: float
    length: int
    parent: int
    token: int


class _Finished:
    """Collects hypotheses, and knows in which rows of the batch the search goes on."""

    def __init__(
        self,
        running: Float[Tensor, "B W"],
        length: int,
        penalty: LengthPenalty,
        early_stopping: bool,
    ) -> None:
        batch, self._width = running.shape
        self._length, self._penalty, self._early = length, penalty, early_stopping
        self._found: list[list[_Found]] = [[] for _ in range(batch)]
        self._followed: list[tuple[Int[Tensor, "B W"], Int[Tensor, "B W"]]] = []
        self.open = [True] * batch

    def add(
        self,
        step: _Step,
        ends: Bool[Tensor, "B K"],
        running: Float[Tensor, "B W"],
        parents: Int[Tensor, "B W"],
        ids: Int[Tensor, "B W"],
    ) -> None:
        """Take in one step: what ended, and what is followed from here."""
        self._followed.append((parents, ids))
        n = len(self._followed)
        ends = (ends & step.logprobs.isfinite())[:, : self._width]
        places = ends.nonzero(as_tuple=True)
        columns = (places[0], *(column[places] for column in step))
        for row, logprob, parent, token in zip(
            *(column.tolist() for column in columns), strict=True
        ):
            if self.open[row]:
                score = logprob / self._penalty(n)
                self._found[row].append(_Found(score, logprob, n, parent, token))
        self._close(running, n)

    def _close(self, running: Float[Tensor, "B W"], n: int) -> None:
        """End the search in rows that have enough, and can find nothing better."""
        full = [
            row for row, found in enumerate(self._found) if len(found) >= self._width
        ]
        full = [row for row in full if self.open[row]]
        if not full:
            return
        # log-probabilities only fall, so the kindest penalty to come bounds the scores
        kindest = max(self._penalty(n + 1), self._penalty(self._length))
        bounds = (running[:, 0] / kindest).tolist()
        for row in full:
            self._found[row] = sorted(self._found[row], reverse=True)[: self._width]
            beatable = bounds[row] > self._found[row][-1].score
            self.open[row] = beatable and not self._early

    def hypotheses(self) -> list[list[Hypothesis]]:
        """Return each row's hypotheses, the best first."""
        if not all(self._found):
            raise ValueError(NOTHING_POSSIBLE)
        followed = [(parents.tolist(), ids.tolist()) for parents, ids in self._followed]
        result = []
        for row, several in enumerate(self._found):
            best = sorted(several, reverse=True)[: self._width]
            result.append([_read(found, row, followed) for found in best])
        return result


def _read(
    found: _Found, row: int, followed: list[tuple[list[list[int]], list[list[int]]]]
) -> Hypothesis:
    """Follow a hypothesis back to its beginning."""
    tokens, slot = [found.token], found.parent
    for parents, ids in reversed(followed[: found.length - 1]):
        tokens.append(ids[row][slot])
        slot = parents[row][slot]
    return Hypothesis(tuple(reversed(tokens)), found.logprob, found.score)


class Branch(NamedTuple):
    """One beginning that a search looked at."""

    parent: int
    """Where the beginning without its last token stands in the row; -1: it is empty."""

    token: int
    """Its last token."""

    logprob: float
    """ln p of the whole beginning, in nats."""

    depth: int
    """How many tokens it has."""

    kept: bool
    """Whether the search followed it."""

    ended: bool
    """Whether it became a hypothesis, perhaps to be displaced by better ones later."""


class SearchTree:
    """All that a beam search looked at, to be drawn: hand an empty one over as `tree`.

    Attributes:
        rows: for each row of the batch its branches, parents before children.
    """

    def __init__(self) -> None:
        self.rows: list[list[Branch]] = []
        self._frontier: list[list[int]] = []  # where the followed beginnings stand

    def grow(
        self,
        step: _Step,
        ends: Bool[Tensor, "B K"],
        kept: Int[Tensor, "B W"],
        searched: list[bool],
    ) -> None:
        """Add one step of the search, in the rows in which it still goes on."""
        if not self.rows:
            self.rows, self._frontier = [[] for _ in searched], [[-1] for _ in searched]
        for row, goes_on in enumerate(searched):
            if goes_on:
                columns = [column[row].tolist() for column in (*step, ends)]
                self._grow_row(row, zip(*columns, strict=True), kept[row].tolist())

    def _grow_row(self, row: int, candidates: Any, kept: list[int]) -> None:
        branches, frontier = self.rows[row], self._frontier[row]
        first = len(branches)
        for rank, (logprob, parent, token, ends) in enumerate(candidates):
            if logprob == -math.inf:
                break  # they come best first
            above = frontier[parent]
            depth = 1 if above < 0 else branches[above].depth + 1
            ended, follow = ends and rank < len(kept), rank in kept and not ends
            branches.append(Branch(above, token, logprob, depth, follow, ended))
        self._frontier[row] = [first + rank for rank in kept]
