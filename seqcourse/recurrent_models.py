"""Models made of recurrent layers: a tagger, a classifier and a regressor.

They differ in what they read (ids or numbers) and in what they answer: something at
every step (the tagger and the language model), or one thing for a whole sequence (the
other two).
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor, nn

from seqcourse._checks import check_choice, check_positive
from seqcourse.batching import Padded, max_pool, mean_pool
from seqcourse.embedding import check_ids
from seqcourse.recurrent_config import Cell, RecurrentConfig
from seqcourse.recurrent_lm import (
    CarriedState,
    HiddenStates,
    RecurrentLM,
    RecurrentLMConfig,
    hidden_states,
)

__all__ = [
    "CarriedState",
    "Cell",
    "HiddenStates",
    "Pooling",
    "RecurrentConfig",
    "RecurrentLM",
    "RecurrentLMConfig",
    "SequenceClassifier",
    "SequenceClassifierConfig",
    "SequenceRegressor",
    "SequenceRegressorConfig",
    "Tagger",
    "TaggerConfig",
    "hidden_states",
]

Pooling: TypeAlias = Literal["last", "mean", "max"]
"""How a sequence of units becomes one vector."""
Ids: TypeAlias = Int[Tensor, "B T"]


@dataclass(frozen=True, kw_only=True)
class TaggerConfig(RecurrentConfig):
    """A tagger's sizes and options.

    Raises:
        ValueError: if an option is out of range.
    """

    vocab_size: int
    """V, ids that can be read."""

    classes: int
    """C, tags that can be given."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive("vocab_size", self.vocab_size)
        check_positive("classes", self.classes)


class Tagger(nn.Module):
    """Gives every token a tag; if bidirectional, in the light of what follows, too.

    Train it with `cross_entropy(model(padded), tags, mask=padded.mask)`.

    >>> config = TaggerConfig(vocab_size=7, classes=3, bidirectional=True)
    >>> Tagger(config)(torch.tensor([[0, 6, 1, 1]])).shape
    torch.Size([1, 4, 3])

    Args:
        config: sizes and options.
    """

    def __init__(self, config: TaggerConfig) -> None:
        super().__init__()
        self.config = config
        self.reader = _embedded(config)
        self.head = nn.Linear(config.output_width, config.classes)

    def forward(self, ids: Ids | Padded) -> Float[Tensor, "B T C"]:
        """Return the logits of each token's tag; those in the padding mean nothing.

        Raises:
            TypeError: if the ids are not integers.
            ValueError: if the ids do not have two axes, or a sequence is empty.
            IndexError: by PyTorch, if an id is outside 0 … V-1.
        """
        states, _, _ = self.reader(ids)
        return self.head(states)


@dataclass(frozen=True, kw_only=True)
class SequenceClassifierConfig(TaggerConfig):
    """A classifier's sizes and options; the classes are those of whole sequences."""

    pooling: Pooling = "last"
    """What stands for a sequence: each direction's last state, or each unit's mean or
    maximum over time."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("pooling", self.pooling, get_args(Pooling))


class SequenceClassifier(nn.Module):
    """Gives a whole sequence of tokens one class.

    >>> config = SequenceClassifierConfig(vocab_size=7, classes=3, pooling="mean")
    >>> SequenceClassifier(config)(torch.tensor([[0, 6, 1, 1]])).shape
    torch.Size([1, 3])

    Args:
        config: sizes and options.
    """

    def __init__(self, config: SequenceClassifierConfig) -> None:
        super().__init__()
        self.config = config
        self.reader = _embedded(config)
        self.head = nn.Linear(config.output_width, config.classes)

    def forward(self, ids: Ids | Padded) -> Float[Tensor, "B C"]:
        """Return the logits of each sequence's class.

        Raises:
            TypeError, ValueError, IndexError: as `Tagger.forward`.
        """
        states, mask, last = self.reader(ids)
        if self.config.pooling == "mean":
            return self.head(mean_pool(states, mask))
        if self.config.pooling == "max":
            return self.head(max_pool(states, mask))
        return self.head(last)


@dataclass(frozen=True, kw_only=True)
class SequenceRegressorConfig(RecurrentConfig):
    """A regressor's sizes and options.

    Raises:
        ValueError: if an option is out of range.
    """

    inputs: int
    """D, numbers that are read at each step."""

    outputs: int = 1
    """Numbers that are predicted for a sequence."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive("inputs", self.inputs)
        check_positive("outputs", self.outputs)


class SequenceRegressor(nn.Module):
    """Reads a sequence of vectors, and predicts numbers from the last state.

    >>> model = SequenceRegressor(SequenceRegressorConfig(inputs=2, width=5))
    >>> model(torch.zeros(3, 7, 2)).shape
    torch.Size([3, 1])

    Args:
        config: sizes and options.
    """

    def __init__(self, config: SequenceRegressorConfig) -> None:
        super().__init__()
        self.config = config
        self.reader = _Reader(config, nn.Identity(), config.inputs)
        self.head = nn.Linear(config.output_width, config.outputs)

    def forward(self, x: Float[Tensor, "B T D"] | Padded) -> Float[Tensor, "B O"]:
        """Return the predictions for each sequence.

        Raises:
            TypeError: if x is not of the parameters' dtype.
            ValueError: if x has the wrong shape, or a sequence is empty.
        """
        _, _, last = self.reader(x)
        return self.head(last)


class _Reader(nn.Module):
    """Recurrent layers, and before them one that makes vectors of ids, or none."""

    def __init__(self, config: RecurrentConfig, first: nn.Module, inputs: int) -> None:
        super().__init__()
        self.first = first
        self.recurrent = config.build(inputs)
        self.dropout = nn.Dropout(config.dropout)

    def forward(
        self, x: Shaped[Tensor, "B T ..."] | Padded
    ) -> tuple[Float[Tensor, "B T W"], Bool[Tensor, "B T"], Float[Tensor, "B W"]]:
        """Return the states, which of them are real, and each direction's last."""
        padded = x if isinstance(x, Padded) else _full(x)
        values, mask = padded.values, padded.mask
        if isinstance(self.first, nn.Embedding):
            check_ids(values)
            values = values.where(mask, 0)  # the padding need not hold ids
        vectors = self.dropout(self.first(values))
        if isinstance(x, Padded):
            (states, _), last = self.recurrent(Padded(vectors, padded.lengths))
        else:
            states, last = self.recurrent(vectors)
        h = last[0] if isinstance(last, tuple) else last  # (L · directions, B, D)
        ends = torch.cat([*h[-self.recurrent.directions :]], dim=-1)  # (B, W)
        return self.dropout(states), mask, self.dropout(ends)


def _full(x: Shaped[Tensor, "B T ..."]) -> Padded:
    """Return a batch without padding as a padded one."""
    return Padded(x, torch.full((len(x),), x.shape[1], device=x.device))


def _embedded(config: TaggerConfig) -> _Reader:
    return _Reader(config, nn.Embedding(config.vocab_size, config.width), config.width)
