"""Fine-tuning: a pre-trained encoder, put to another task.

*Feature extraction* freezes the whole encoder and trains a new head on its vectors;
*full fine-tuning* trains everything; adapters (`seqcourse.lora`) train a little
everywhere. The heads are those of Devlin et al. (2019), figure 4: one class for an
input, or one for each token.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from seqcourse._checks import check_positive, check_probability
from seqcourse.batching import Padded, mean_pool
from seqcourse.bert import Bert, BertConfig, initialise
from seqcourse.stepping import evaluating

__all__ = [
    "SequenceClassifier",
    "TaskConfig",
    "TokenTagger",
    "first_pieces",
    "freeze",
    "sentence_vectors",
    "trainable_parameters",
    "unfreeze",
]

M = TypeVar("M", bound=nn.Module)
T = TypeVar("T", bound="_Task")


# --- what learns ---


def freeze(module: M) -> M:
    """Let no parameter of a module learn; return the module.

    Dropout is not switched off. For features that stay the same from one epoch to the
    next, and so can be computed once, call `module.eval()` too.
    """
    return module.requires_grad_(False)


def unfreeze(module: M) -> M:
    """Let every parameter of a module learn; return the module."""
    return module.requires_grad_(True)


def trainable_parameters(module: nn.Module) -> tuple[int, int]:
    """Return how many parameters learn, and how many there are; shared ones count once.

    >>> trainable_parameters(freeze(nn.Linear(7, 5)))
    (0, 40)
    """
    sizes = [(p.numel(), p.requires_grad) for p in module.parameters()]
    return sum(n for n, learns in sizes if learns), sum(n for n, _ in sizes)


# --- heads ---


@dataclass(frozen=True)
class TaskConfig:
    """The options of `SequenceClassifier` and `TokenTagger`.

    Attributes:
        encoder: the options of the encoder.
        classes: how many classes there are.
        dropout: the share dropped in training of the vectors that the head reads.

    Raises:
        ValueError: if there is no class, or the dropout is outside 0 … 1.
    """

    encoder: BertConfig
    classes: int
    dropout: float = 0.1

    def __post_init__(self) -> None:
        check_positive("classes", self.classes)
        check_probability("dropout", self.dropout)


class _Task(nn.Module):
    """An encoder and a linear head."""

    def __init__(self, config: TaskConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Bert(config.encoder)
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(config.encoder.width, config.classes)
        initialise(self.head)

    @classmethod
    def on(cls: type[T], encoder: Bert, *, classes: int, dropout: float = 0.1) -> T:
        """Put a new head on a copy of a pre-trained encoder.

        Args:
            encoder: is not changed.
            classes: how many classes there are.
            dropout: see `TaskConfig`.
        """
        model = cls(TaskConfig(encoder.config, classes, dropout)).to(
            encoder.pooler.weight
        )
        model.encoder.load_state_dict(encoder.state_dict())
        return model


class SequenceClassifier(_Task):
    """Gives each input a class, from its pooled [CLS] vector.

    Devlin et al. (2019), section 4.1.

    >>> bert = Bert(BertConfig(vocab_size=11, width=8, heads=2, layers=1))
    >>> model = SequenceClassifier.on(bert, classes=3)
    >>> model(torch.tensor([[1, 5, 7, 2]])).shape  # (B, classes)
    torch.Size([1, 3])

    Args:
        config: the options; to start from a pre-trained encoder, use
            `SequenceClassifier.on`.
    """

    def forward(
        self,
        tokens: Padded | Int[Tensor, "B T"],
        segments: Int[Tensor, "B T"] | None = None,
    ) -> Float[Tensor, "B C"]:
        """Return the logits of the classes; arguments as for `Bert`."""
        return self.head(self.dropout(self.encoder(tokens, segments).pooled))


class TokenTagger(_Task):
    """Gives each token a class: named entities, parts of speech.

    Devlin et al. (2019), section 5.3.

    A word of several pieces has its label on the first (`first_pieces`); the others do
    not count in the loss, and what the tagger says of them is left aside.

    Args:
        config: the options; to start from a pre-trained encoder, use `TokenTagger.on`.
    """

    def forward(
        self,
        tokens: Padded | Int[Tensor, "B T"],
        segments: Int[Tensor, "B T"] | None = None,
    ) -> Float[Tensor, "B T C"]:
        """Return the logits of each token's classes; arguments as for `Bert`."""
        return self.head(self.dropout(self.encoder(tokens, segments).hidden))


def first_pieces(
    pieces: Sequence[Sequence[int]], labels: Sequence[int]
) -> tuple[Int[Tensor, " T"], Int[Tensor, " T"], Bool[Tensor, " T"]]:
    """Return the pieces of all words, a label for each, and where the labels count.

    The first piece of a word carries its label, the others carry 0 and do not count.

    >>> ids, targets, counts = first_pieces([[7], [8, 9, 9]], [2, 1])
    >>> ids, targets, counts
    (tensor([7, 8, 9, 9]), tensor([2, 1, 0, 0]), tensor([ True,  True, False, False]))

    Args:
        pieces: the ids of each word's pieces; a word has at least one.
        labels: the class of each word.

    Raises:
        ValueError: if there is not one label for each word, or a word has no piece.
    """
    if len(pieces) != len(labels):
        raise ValueError(f"got {len(pieces)} words but {len(labels)} labels")
    if empty := [i for i, word in enumerate(pieces) if not len(word)]:
        raise ValueError(f"word {empty[0]} has no piece; give it the id of [UNK]")
    ids = [piece for word in pieces for piece in word]
    first = [place == 0 for word in pieces for place in range(len(word))]
    targets = torch.zeros(len(ids), dtype=torch.int64)
    counts = torch.tensor(first, dtype=torch.bool)
    targets[counts] = torch.tensor(labels, dtype=torch.int64)
    return torch.tensor(ids, dtype=torch.int64), targets, counts


# --- features ---


@torch.no_grad()
def sentence_vectors(encoder: Bert, tokens: Padded) -> Float[Tensor, "B D"]:
    """Return a vector of length 1 for each input: the mean of its tokens' vectors.

    With an encoder that was trained for it, sentences that mean the same have a cosine
    near 1 (Reimers and Gurevych 2019, section 3). The mean runs over all real tokens,
    [CLS] and [SEP] included.

    Args:
        encoder: used without dropout.
        tokens: ids and lengths.

    Raises:
        ValueError: as `Bert` does.
    """
    with evaluating(encoder):
        hidden = encoder(tokens).hidden
    return F.normalize(mean_pool(hidden, tokens.mask), dim=-1)
