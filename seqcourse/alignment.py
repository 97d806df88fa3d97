"""Alignments: which source token each target token comes from.

An alignment is a set of links (target place, source place). People who align sentences
by hand mark links as *sure*, or only as *possible* where they are in doubt; a program
is right to leave the possible ones out, and not wrong to find them.
"""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import TypeAlias

from jaxtyping import Float
from torch import Tensor

__all__ = ["Link", "Links", "alignment_error_rate", "strongest_links"]

Link: TypeAlias = tuple[int, int]
"""(target place, source place), each counted from 0."""

Links: TypeAlias = AbstractSet[Link]
"""All links of one pair of sequences."""


def strongest_links(weights: Float[Tensor, "T S"]) -> set[Link]:
    """Return the link of each target token with the source token that weighs most.

    Cut the rows and columns of padding off first: `weights[:target_length,
    :source_length]`.

    >>> import torch
    >>> sorted(strongest_links(torch.tensor([[0.1, 0.9], [0.8, 0.2]])))
    [(0, 1), (1, 0)]
    """
    return set(enumerate(weights.argmax(dim=-1).tolist()))


def alignment_error_rate(
    found: Sequence[Links],
    sure: Sequence[Links],
    possible: Sequence[Links] | None = None,
) -> float:
    """Return ``1 - (|A ∩ S| + |A ∩ P|) / (|A| + |S|)``, from 0 (perfect) to 1.

    Och and Ney (2003), section 6. A are the links found, S the sure and P the sure or
    possible ones, each counted over the whole corpus. All sure links and nothing
    impossible gives 0.

    >>> alignment_error_rate([{(0, 0), (1, 1)}], sure=[{(0, 0)}], possible=[{(1, 1)}])
    0.0
    >>> alignment_error_rate([{(0, 0), (1, 2)}], sure=[{(0, 0), (1, 1)}])
    0.5

    Args:
        found: links of each pair of sequences.
        sure: those that must be found.
        possible: those that may be found besides; None: none but the sure ones.

    Raises:
        ValueError: if the numbers of pairs differ, or there are no links at all.
    """
    allowed = sure if possible is None else possible
    if not len(found) == len(sure) == len(allowed):
        raise ValueError(
            "found, sure and possible must have one set of links for each pair, but "
            f"have {len(found)}, {len(sure)} and {len(allowed)} sets"
        )
    right, total = 0, 0
    for a, s, p in zip(found, sure, allowed, strict=True):
        right += len(a & s) + len(a & (s | p))
        total += len(a) + len(s)
    if not total:
        raise ValueError(
            "there are no links, neither found nor sure, so there is no error rate"
        )
    return 1 - right / total
