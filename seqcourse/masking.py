"""Masking: hide some of the tokens, so that a model learns by filling them in.

Devlin et al. (2019), section 3.1: the masked language model (MLM). Inputs are those of
`seqcourse.bert_inputs`.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from seqcourse._checks import check_probability
from seqcourse.batching import Padded
from seqcourse.bert_inputs import SentencePair, SpecialIds, pair_batch

__all__ = ["Masked", "PretrainingBatch", "mask_tokens", "pretraining_batch"]


class Masked(NamedTuple):
    """Inputs with hidden tokens, and what a model is to say about them."""

    inputs: Int[Tensor, "B T"]
    """What the model reads."""

    targets: Int[Tensor, "B T"]
    """What stood there; only the chosen places count in the loss."""

    chosen: Bool[Tensor, "B T"]
    """The places to predict: hidden, replaced, or left as they were."""


def mask_tokens(
    ids: Int[Tensor, "B T"],
    *,
    special: SpecialIds,
    vocab_size: int,
    rate: float = 0.15,
    hidden: float = 0.8,
    replaced: float = 0.1,
    word_starts: Bool[Tensor, "B T"] | None = None,
    generator: torch.Generator | None = None,
) -> Masked:
    """Choose 15 % of the ordinary tokens; hide 80 % of them, replace 10 %, leave 10 %.

    [MASK] never occurs when the model is put to use. The tenth that keeps its token,
    and the tenth that gets another one, make the model doubt every token it reads, not
    only [MASK] (Devlin et al. 2019, section 3.1 and appendix C.2). Call this anew for
    every batch, so that a text is never masked twice in the same way (Liu et al. 2019,
    section 4.1).

    Args:
        ids: the inputs; special tokens are never chosen, and never drawn as
            replacements.
        special: which ids are special.
        vocab_size: V; replacements are drawn uniformly from all ordinary ids, the
            token's own among them.
        rate: how probable it is that a token is chosen, each on its own.
        hidden: the share of the chosen that becomes [MASK].
        replaced: the share of the chosen that becomes a random token.
        word_starts: True where a piece begins a word. If given, words are chosen
            instead of
            tokens: all pieces of a word, or none ("whole-word masking").
        generator: the source of randomness.

    Raises:
        ValueError: if a rate or share is outside 0 … 1, or an id is outside the
            vocabulary.
    """
    _check_shares(rate, hidden, replaced)
    ordinary = _ordinary_ids(special, vocab_size).to(ids.device)
    low, high = (int(ids.min()), int(ids.max())) if ids.numel() else (0, 0)
    if not 0 <= low <= high < vocab_size:
        raise ValueError(
            f"ids must be within 0 … {vocab_size - 1}, but run from {low} to {high}"
        )
    chance = _uniform(ids, generator)
    if word_starts is not None:
        chance = chance.gather(1, _first_of_word(word_starts))  # one draw for each word
    chosen = (chance < rate) & torch.isin(ids, ordinary)
    fate = _uniform(ids, generator)  # one draw for each token, also within a word
    others = ordinary[(_uniform(ids, generator) * len(ordinary)).long()]
    inputs = torch.where(chosen & (fate < hidden), special.mask, ids)
    swap = chosen & (hidden <= fate) & (fate < hidden + replaced)
    return Masked(torch.where(swap, others, inputs), ids, chosen)


def _check_shares(rate: float, hidden: float, replaced: float) -> None:
    for name, share in (("rate", rate), ("hidden", hidden), ("replaced", replaced)):
        check_probability(name, share)
    if hidden + replaced > 1 + 1e-9:
        raise ValueError(
            "hidden and replaced are shares of one whole, but their sum is "
            f"{hidden} + {replaced}"
        )


def _ordinary_ids(special: SpecialIds, vocab_size: int) -> Int[Tensor, " N"]:
    return torch.tensor(sorted(set(range(vocab_size)) - set(special.all)))


def _uniform(
    like: Int[Tensor, "B T"], generator: torch.Generator | None
) -> Float[Tensor, "B T"]:
    """Draw from [0, 1) on the generator's device: a seed means the same everywhere."""
    device = generator.device if generator else torch.device("cpu")
    return torch.rand(like.shape, generator=generator, device=device).to(like.device)


def _first_of_word(word_starts: Bool[Tensor, "B T"]) -> Int[Tensor, "B T"]:
    """Return, for each place, the place where its word begins."""
    places = torch.arange(word_starts.shape[1], device=word_starts.device)
    return torch.where(word_starts, places, 0).cummax(dim=1).values


class PretrainingBatch(NamedTuple):
    """A batch for `seqcourse.bert.BertPretraining`."""

    tokens: Padded
    """What the model reads: ids with hidden tokens (B, T), and lengths (B,)."""

    segments: Int[Tensor, "B T"]
    """0 for the first sentence, 1 for the second."""

    targets: Int[Tensor, "B T"]
    """What stood there."""

    chosen: Bool[Tensor, "B T"]
    """The places to predict."""

    strangers: Int[Tensor, " B"]
    """The class of each pair: 0 where the second sentence follows, 1 where not."""


def pretraining_batch(
    pairs: Sequence[SentencePair],
    *,
    special: SpecialIds,
    vocab_size: int,
    length: int,
    rate: float = 0.15,
    generator: torch.Generator | None = None,
) -> PretrainingBatch:
    """Join, pad and mask pairs of sentences: a batch of BERT's pre-training.

    Args:
        pairs: from `next_sentence_pairs`.
        special: the special tokens.
        vocab_size: V.
        length: how many tokens an input may have at most.
        rate: see `mask_tokens`.
        generator: see `mask_tokens`.

    Raises:
        ValueError: as `pair_batch` and `mask_tokens` do.
    """
    tokens, segments = pair_batch(
        [(pair.first, pair.second) for pair in pairs], special=special, length=length
    )
    masked = mask_tokens(
        tokens.values,
        special=special,
        vocab_size=vocab_size,
        rate=rate,
        generator=generator,
    )
    strangers = torch.tensor([int(not pair.is_next) for pair in pairs])
    read = Padded(masked.inputs, tokens.lengths)
    return PretrainingBatch(read, segments, masked.targets, masked.chosen, strangers)
