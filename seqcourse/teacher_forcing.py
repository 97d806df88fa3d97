"""Teacher forcing and its cures: what a decoder reads while it learns to write.

A decoder reads its own last token when it writes. In training, the right last token is
known, and reading that instead is *teacher forcing*: every step learns from a clean
beginning, and all steps at once. But such a decoder never meets its own mistakes before
it has to live with them: *exposure bias*. The cures let it read its own tokens now and
then in training.

All of them answer one question: at which places does the decoder read the truth? Here
that is a boolean tensor, `Lesson.forced`, and the ways of teaching differ in nothing
else::

    TeacherForcing        True everywhere
    ScheduledSampling     drawn for each token, less and less often as training goes on
    MixedTraining         drawn for each sequence: some are forced, the others run free

A curriculum (Bengio et al. 2009) changes which sequences are learned from, short ones
first, and combines with any of them. `Lessons` makes a lesson of each step, and
`teaching_loss` is its loss::

    lessons = Lessons(sources, targets, batch_size=32, seed=0)
    fit(model, lessons, teaching_loss, steps=1_000)

It works for every model that writes: `seqcourse.seq2seq`, `seqcourse.captioning`, and
the transformer's encoder-decoder.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeAlias, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from seqcourse._checks import check_positive, check_probability
from seqcourse.batching import OneSequence, Padded, pad
from seqcourse.generation import choose, evaluating
from seqcourse.recurrent_decoder import shift_right
from seqcourse.stepping import StepModel
from seqcourse.training.losses import cross_entropy

__all__ = [
    "Decay",
    "Lesson",
    "Lessons",
    "MixedTraining",
    "Policy",
    "ScheduledSampling",
    "TeacherForcing",
    "Writer",
    "competence",
    "error_by_position",
    "exponential_decay",
    "inverse_sigmoid_decay",
    "linear_decay",
    "teaching_loss",
]

# --- what a decoder reads ---

Decay: TypeAlias = Callable[[int], float]
"""From the step, counted from 0, to the probability of reading the truth."""


def linear_decay(steps: int, *, floor: float = 0.0) -> Decay:
    """Return the decay from 1 in a straight line, down to `floor` at the given step.

    Bengio et al. (2015), section 2.4.

    >>> [linear_decay(4, floor=0.25)(step) for step in (0, 1, 2, 3, 4)]
    [1.0, 0.75, 0.5, 0.25, 0.25]

    Raises:
        ValueError: if the steps are below 1, or the floor is outside 0 … 1.
    """
    check_positive("steps", steps)
    check_probability("floor", floor)
    return lambda step: max(floor, 1 - step / steps)


def exponential_decay(k: float) -> Decay:
    """Return the decay k^step: it falls at once, and ever more slowly.

    Bengio et al. (2015), section 2.4.

    >>> [exponential_decay(0.5)(step) for step in (0, 1, 2)]
    [1.0, 0.5, 0.25]

    Raises:
        ValueError: if k is outside 0 … 1.
    """
    check_probability("k", k)
    return lambda step: k**step


def inverse_sigmoid_decay(k: float) -> Decay:
    """Return the decay k / (k + e^(step/k)): slow, then quick, then slow.

    Bengio et al. (2015), section 2.4. It starts at k / (k + 1), a little below 1, and
    passes one half at step k ln k.

    >>> decay = inverse_sigmoid_decay(100)
    >>> [round(decay(step), 2) for step in (0, 461, 1_000)]
    [0.99, 0.5, 0.0]

    Raises:
        ValueError: if k is below 1.
    """
    if not k >= 1:
        raise ValueError(f"k must be at least 1, but is {k}")
    # k/(k + eˣ) = 1/(1 + e^(x - ln k)), by the tangent, which does not overflow
    return lambda step: (1 - math.tanh((step / k - math.log(k)) / 2)) / 2


@runtime_checkable
class Policy(Protocol):
    """Decides at which places a decoder reads the truth."""

    def __call__(
        self, step: int, rows: int, length: int, rng: np.random.Generator
    ) -> Bool[np.ndarray, "B T"]:
        """Return True for the truth, False for the decoder's own last token.

        Args:
            step: of training, counted from 0.
            rows: B, how many sequences the batch has.
            length: T, how long the targets are.
            rng: the source of randomness, for this step alone.
        """
        ...


@dataclass(frozen=True)
class TeacherForcing:
    """Always the truth (Williams and Zipser 1989)."""

    def __call__(
        self, step: int, rows: int, length: int, rng: np.random.Generator
    ) -> Bool[np.ndarray, "B T"]:
        """Return True everywhere."""
        return np.ones((rows, length), dtype=bool)


@dataclass(frozen=True)
class ScheduledSampling:
    """The truth with a falling probability, for each token (Bengio et al. 2015).

    Attributes:
        decay: the probability of the truth at each step.
    """

    decay: Decay

    def __call__(
        self, step: int, rows: int, length: int, rng: np.random.Generator
    ) -> Bool[np.ndarray, "B T"]:
        """Toss a coin for each token."""
        probability = self.decay(step)
        check_probability("decay", probability)
        return rng.random((rows, length)) < probability


@dataclass(frozen=True)
class MixedTraining:
    """Part of each batch reads the truth, the rest runs free from start to end.

    Attributes:
        free: share of the rows that run free: 0 is teacher forcing, 1 lets all run
            free.
    """

    free: float

    def __post_init__(self) -> None:
        check_probability("free", self.free)

    def __call__(
        self, step: int, rows: int, length: int, rng: np.random.Generator
    ) -> Bool[np.ndarray, "B T"]:
        """Choose rows at random: on average a share of `free`, rounded at random."""
        count = int(self.free * rows + rng.random())  # 2.3 rows: 2, or with 30 % 3
        forced = np.ones((rows, length), dtype=bool)
        forced[rng.permutation(rows)[:count]] = False
        return forced


# --- lessons ---


class Lesson(NamedTuple):
    """A batch, and how to teach it."""

    source: Any
    """What the model's `begin` takes: padded sequences, pictures, …"""

    target: Padded
    """What it shall write: ids without a start token, with the end token."""

    forced: Bool[Tensor, "B T"]
    """True where the decoder reads the true last token to write this one, else its own.

    The first column means nothing: everyone reads the start token there.
    """


def competence(steps: int, *, start: float = 0.1) -> Callable[[int], float]:
    """Return the curriculum that grows as √step, from a share of the examples to all.

    Platanios et al. (2019), eq. 7: as the easy part grows, each example in it is seen
    less often, so new ones must come more slowly if each is to get the same time.

    >>> [competence(100, start=0.0)(step) for step in (0, 25, 100, 200)]
    [0.0, 0.5, 1.0, 1.0]

    Args:
        steps: when all examples are in.
        start: share of the examples at step 0, the shortest.

    Raises:
        ValueError: if the steps are below 1, or the start is outside 0 … 1.
    """
    check_positive("steps", steps)
    check_probability("start", start)
    return lambda step: min(1.0, math.sqrt(start**2 + (1 - start**2) * step / steps))


class Lessons:
    """Makes a lesson of each step, at random, from the seed and the step alone.

    >>> lessons = Lessons([[4, 5], [6]], [[5, 4, 1], [6, 1]], batch_size=2, seed=0)
    >>> lesson = lessons(0)
    >>> sorted(lesson.target.lengths.tolist()), lesson.forced.all().item()
    ([2, 3], True)

    Args:
        sources: N sequences, which are padded; or a tensor whose rows are taken as they
            are.
        targets: N sequences of ids, without start tokens, with end tokens.
        batch_size: B, how many examples a lesson has, no example twice; fewer while the
            curriculum holds fewer.
        seed: decides all that is random.
        policy: at which places the decoder reads the truth.
        curriculum: the share of the examples that may come up at a step, those with the
            shortest targets first, at least one; None for all from the start.
        device: where the lessons are put.

    Raises:
        ValueError: if there are no examples, not as many targets as sources, an empty
            target, or a batch size below 1.
    """

    def __init__(
        self,
        sources: Sequence[OneSequence] | Tensor,
        targets: Sequence[OneSequence],
        *,
        batch_size: int,
        seed: int,
        policy: Policy | None = None,
        curriculum: Callable[[int], float] | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        check_positive("batch_size", batch_size)
        if len(sources) != len(targets) or not len(targets):
            raise ValueError(
                "there must be a target for each source, and at least one, but got "
                f"{len(sources)} sources and {len(targets)} targets"
            )
        lengths = np.array([len(target) for target in targets])
        if not lengths.all():
            raise ValueError(
                f"target {int(lengths.argmin())} is empty: give it an end token"
            )
        self.sources, self.targets = sources, targets
        self.batch_size, self.seed = batch_size, seed
        self.policy = policy or TeacherForcing()
        self.curriculum, self.device = curriculum, device
        self._easiest_first = lengths.argsort(kind="stable")

    def __call__(self, step: int) -> Lesson:
        """Return the lesson of this step, counted from 0."""
        rng = np.random.default_rng((self.seed, step))
        available = self._available(step)
        count = min(self.batch_size, len(available))
        chosen = rng.choice(available, count, replace=False)
        target = pad([self.targets[i] for i in chosen])
        rows, length = target.values.shape
        forced = self.policy(step, rows, length, rng)
        if isinstance(self.sources, Tensor):
            source: Tensor | Padded = self.sources[chosen].to(self.device)
        else:
            source = self._placed(pad([self.sources[i] for i in chosen]))
        placed = torch.as_tensor(forced, device=self.device)
        return Lesson(source, self._placed(target), placed)

    def _available(self, step: int) -> Int[np.ndarray, " M"]:
        if self.curriculum is None:
            return self._easiest_first
        share = self.curriculum(step)
        check_probability("curriculum", share)
        return self._easiest_first[: max(1, math.ceil(share * len(self.targets)))]

    def _placed(self, padded: Padded) -> Padded:
        return Padded(*(part.to(self.device) for part in padded))


@runtime_checkable
class Writer(StepModel, Protocol):
    """A model that can be taught: a `StepModel` that also reads whole known targets."""

    start_id: int
    """What it reads before the first token of every target."""

    def __call__(self, source: Any, ids: Int[Tensor, "B T"]) -> Float[Tensor, "B T V"]:
        """Return the logits of the next token after each one of `ids`."""
        ...


def teaching_loss(
    model: Writer, lesson: Lesson, *, temperature: float = 0.0
) -> Float[Tensor, ""]:
    """Return the mean cross-entropy of the target's tokens in nats, padding left out.

    Gradients flow through what the decoder computes, not through the choice of the
    tokens that it reads. A lesson that is forced throughout is computed at all places
    at once; any other takes one step after another.

    Args:
        model: what learns.
        lesson: what it learns from.
        temperature: how its own tokens are chosen: 0 takes the most probable, 1 draws
            from the model's distribution, by torch's global generator.

    Raises:
        ValueError: if the parts of the lesson differ in shape.
    """
    values, mask = lesson.target.values, lesson.target.mask
    if lesson.forced.shape != values.shape:
        raise ValueError(
            f"forced must have the target's shape {tuple(values.shape)}, but has "
            f"{tuple(lesson.forced.shape)}"
        )
    return cross_entropy(_logits(model, lesson, temperature), values, mask=mask)


def _logits(
    model: Writer, lesson: Lesson, temperature: float
) -> Float[Tensor, "B T V"]:
    truth = shift_right(
        lesson.target.values.where(lesson.target.mask, 0), model.start_id
    )
    if lesson.forced[:, 1:].all():
        return model(lesson.source, truth)
    logits, state = model.begin(lesson.source)
    at_each_place = [logits]
    for t in range(1, truth.shape[1]):
        own = choose(logits.detach(), temperature=temperature)
        ids = torch.where(lesson.forced[:, t], truth[:, t], own)
        logits, state = model.step(ids, state)
        at_each_place.append(logits)
    return torch.stack(at_each_place, dim=1)  # (B, T, V)


@torch.no_grad()
def error_by_position(
    model: Writer, source: Any, target: Padded, *, forced: bool = False
) -> Float[Tensor, " T"]:
    """Return the share of wrong tokens at each place of the targets, from 0 to 1.

    Where the error of a decoder that runs free grows along the sequence, and that of
    one that reads the truth does not, mistakes breed mistakes: exposure bias. Places
    past the end of a target do not count; a place that no target has is NaN.

    Args:
        model: what writes, each time the most probable token; its dropout is off.
        source: what the model's `begin` takes.
        target: what it should write, end tokens included.
        forced: whether it reads the true tokens, rather than its own.
    """
    everywhere = torch.full_like(target.mask, forced)
    with evaluating(model):
        logits = _logits(model, Lesson(source, target, everywhere), temperature=0.0)
    wrong = (logits.argmax(dim=-1) != target.values) & target.mask
    return wrong.sum(dim=0) / target.mask.sum(dim=0)
