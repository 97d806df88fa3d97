"""BERT: a transformer that reads both ways, and what it is pre-trained with.

Devlin et al. (2019), section 3. Every place may look at every other, so BERT cannot
predict the next token; it learns from hidden tokens and from pairs of sentences instead
(`seqcourse.masking`). The blocks are those of `seqcourse.transformer`, with norms
behind each step, as in the original transformer. Tokens, segments and positions each
have a table of embeddings; the three are added.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from seqcourse._checks import check_choice, check_positive, check_probability
from seqcourse.batching import Padded
from seqcourse.blocks import ACTIVATIONS, Block, Stack
from seqcourse.embedding import embed
from seqcourse.masking import PretrainingBatch
from seqcourse.positions import Learned
from seqcourse.training.losses import cross_entropy

__all__ = [
    "PRESETS",
    "Bert",
    "BertConfig",
    "BertOutput",
    "BertPretraining",
    "MaskedLMHead",
    "PretrainingLogits",
    "initialise",
    "pretraining_loss",
]

PRESETS = {
    "base": (12, 768, 12),
    "large": (24, 1024, 16),
    "medium": (8, 512, 8),
    "small": (4, 512, 8),
    "mini": (4, 256, 4),
    "tiny": (2, 128, 2),
}
"""Layers, width and heads: Devlin et al. (2019), section 3; Turc et al. (2019)."""


@dataclass(frozen=True)
class BertConfig:
    """The options of `Bert`.

    Attributes:
        vocab_size: V.
        width: D.
        heads: H; must divide D.
        layers: L.
        inner: the inner width of the feed-forward networks; None: 4 D.
        context_length: the most tokens of one input, special ones included.
        segments: how many kinds of segment there are.
        activation: "relu", "gelu" or "gelu_tanh"; of the feed-forward networks and of
            the head that predicts tokens.
        dropout: the share dropped in training, of embeddings, of attention weights, and
            of what each step adds.
        eps: added to the variance in the norms.

    Raises:
        ValueError: for sizes below 1, dropout outside 0 … 1, or another activation.
    """

    vocab_size: int
    width: int = 768
    heads: int = 12
    layers: int = 12
    inner: int | None = None
    context_length: int = 512
    segments: int = 2
    activation: Literal["relu", "gelu", "gelu_tanh"] = "gelu"
    dropout: float = 0.1
    eps: float = 1e-12

    def __post_init__(self) -> None:
        for name in (
            "vocab_size",
            "width",
            "heads",
            "layers",
            "context_length",
            "segments",
        ):
            check_positive(name, getattr(self, name))
        check_probability("dropout", self.dropout)
        check_choice("activation", self.activation, ("relu", "gelu", "gelu_tanh"))

    @classmethod
    def preset(
        cls, name: str, *, vocab_size: int = 30522, context_length: int = 512
    ) -> "BertConfig":
        """Return the options of a size that has a name; see `PRESETS`.

        >>> BertConfig.preset("large").layers
        24

        Args:
            name: "base" (110 million parameters), "large" (340), or smaller: "medium",
                "small", "mini", "tiny".
            vocab_size: V; that of the English uncased WordPiece vocabulary by default.
            context_length: the most tokens of one input.

        Raises:
            ValueError: for another name.
        """
        check_choice("name", name, PRESETS)
        layers, width, heads = PRESETS[name]
        return cls(vocab_size, width, heads, layers, context_length=context_length)


class BertOutput(NamedTuple):
    """What BERT has made of a batch."""

    hidden: Float[Tensor, "B T D"]
    """A vector for each token that knows its context; meaningless in the padding."""

    pooled: Float[Tensor, "B D"]
    """A vector for each input: tanh of a linear map of the first token's, [CLS]."""


class Bert(nn.Module):
    """The encoder: ids in, a vector for each token and one for the whole input out.

    Weights start as N(0, 0.02²), biases at 0.

    >>> bert = Bert(BertConfig(vocab_size=11, width=8, heads=2, layers=1))
    >>> hidden, pooled = bert(torch.tensor([[1, 5, 7, 2]]))
    >>> hidden.shape, pooled.shape
    (torch.Size([1, 4, 8]), torch.Size([1, 8]))

    Args:
        config: the options.
    """

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.config = config
        self.tokens = nn.Embedding(config.vocab_size, config.width)
        self.segments = nn.Embedding(config.segments, config.width)
        self.positions = Learned(config.context_length, config.width)
        self.norm = nn.LayerNorm(config.width, eps=config.eps)
        self.dropout = nn.Dropout(config.dropout)
        self.stack = Stack(_blocks(config), None)
        self.pooler = nn.Linear(config.width, config.width)
        self.apply(initialise)

    def forward(
        self,
        tokens: Padded | Int[Tensor, "B T"],
        segments: Int[Tensor, "B T"] | None = None,
    ) -> BertOutput:
        """Return the vectors of each token and of each input.

        Args:
            tokens: ids; `Padded` where rows have different lengths. Nothing looks at
                padding, so it never changes what the real tokens get.
            segments: 0 or 1 for each token; all 0 by default.

        Raises:
            ValueError: if the input is longer than `context_length`, an id or segment
                is out of range, or the segments have another shape than the ids.
        """
        ids, mask = (
            (tokens.values, tokens.mask)
            if isinstance(tokens, Padded)
            else (tokens, None)
        )
        x = self.norm(self._embed(ids, segments))
        mask = None if mask is None or bool(mask.all()) else mask[:, None]  # (B, 1, T)
        hidden = self.stack(self.dropout(x), mask=mask)
        return BertOutput(hidden, torch.tanh(self.pooler(hidden[:, 0])))

    def _embed(
        self, ids: Int[Tensor, "B T"], segments: Int[Tensor, "B T"] | None
    ) -> Float[Tensor, "B T D"]:
        if segments is None:
            segments = torch.zeros_like(ids)
        if segments.shape != ids.shape:
            raise ValueError(
                f"segments must have the shape of the ids, {tuple(ids.shape)}, but "
                f"have {tuple(segments.shape)}"
            )
        if ids.shape[1] > self.config.context_length:
            raise ValueError(
                f"the model reads at most {self.config.context_length} tokens, but "
                f"{ids.shape[1]} came; cut the input (seqcourse.masking.join_pair does)"
            )
        try:
            kinds = self.segments(segments)
        except IndexError:
            last = self.config.segments - 1
            raise ValueError(
                f"segments must be within 0 … {last}, but run to {int(segments.max())}"
            ) from None
        return self.positions(embed(ids, self.tokens) + kinds)


def _blocks(config: BertConfig) -> list[Block]:
    return [
        Block(
            config.width,
            config.heads,
            inner=config.inner,
            activation=config.activation,
            norm="post",
            dropout=config.dropout,
            eps=config.eps,
        )
        for _ in range(config.layers)
    ]


def initialise(module: nn.Module) -> None:
    """Start a layer as BERT's layers start: weights N(0, 0.02²), biases 0."""
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=0.02)
    if isinstance(module, nn.Linear) and module.bias is not None:
        nn.init.zeros_(module.bias)


class MaskedLMHead(nn.Module):
    """Predicts tokens from their vectors, by the table of embeddings turned around.

    Args:
        config: the encoder's options.
    """

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.transform = nn.Linear(config.width, config.width)
        self.activate = ACTIVATIONS[config.activation]
        self.norm = nn.LayerNorm(config.width, eps=config.eps)
        self.bias = nn.Parameter(torch.zeros(config.vocab_size))

    def forward(
        self, hidden: Float[Tensor, "*batch D"], table: Float[Tensor, "V D"]
    ) -> Float[Tensor, "*batch V"]:
        """Return each token's logits, given the table of the encoder's embeddings."""
        x = self.norm(self.activate(self.transform(hidden)))
        return F.linear(x, table, self.bias)


class PretrainingLogits(NamedTuple):
    """What BERT says about hidden tokens and pairs of sentences."""

    tokens: Float[Tensor, "B T V"] | Float[Tensor, "N V"]
    """The logits of each token; of N chosen places only, if places were chosen."""

    pairs: Float[Tensor, "B 2"]
    """The logits of "the second sentence follows" (0) and "it is a stranger" (1)."""


class BertPretraining(nn.Module):
    """BERT with its two heads of pre-training: masked tokens and next sentence.

    Args:
        config: the encoder's options.
    """

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Bert(config)
        self.masked_lm = MaskedLMHead(config)
        self.next_sentence = nn.Linear(config.width, 2)
        self.masked_lm.apply(initialise)
        self.next_sentence.apply(initialise)

    def forward(
        self,
        tokens: Padded | Int[Tensor, "B T"],
        segments: Int[Tensor, "B T"] | None = None,
        *,
        places: Bool[Tensor, "B T"] | None = None,
    ) -> PretrainingLogits:
        """Return the logits of both heads.

        Args:
            tokens: as for `Bert`.
            segments: as for `Bert`.
            places: True where the tokens' logits are wanted. Only these are computed:
                with 15 % of the places, a seventh of the work of the largest layer.
        """
        hidden, pooled = self.encoder(tokens, segments)
        chosen = hidden if places is None else hidden[places]  # (N, D)
        return PretrainingLogits(
            self.masked_lm(chosen, self.encoder.tokens.weight),
            self.next_sentence(pooled),
        )


def pretraining_loss(
    model: BertPretraining, batch: PretrainingBatch
) -> Float[Tensor, ""]:
    """Return the loss of pre-training, for `fit`: masked tokens plus next sentence.

    Each is a mean cross-entropy in nats, of the chosen places and of the pairs (Devlin
    et al. 2019, appendix A.2).
    """
    logits = model(batch.tokens, batch.segments, places=batch.chosen)
    tokens = F.cross_entropy(
        logits.tokens, batch.targets[batch.chosen], reduction="sum"
    )
    return tokens / batch.chosen.sum().clamp(min=1) + cross_entropy(
        logits.pairs, batch.strangers
    )
