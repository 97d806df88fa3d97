"""Scores of texts that a model wrote, against texts that people wrote.

BLEU (`seqcourse.bleu`) and chrF (`seqcourse.chrf`) count the n-grams that both have in
common, of words or of characters. The edit distance (`seqcourse.edits`) counts the
changes that turn one text into the other. This module has them all, and the simplest.

Options change BLEU by more than models do (Post 2018), so a score that has options
carries a signature that records them.
"""

from collections.abc import Sequence

from seqcourse.bleu import BleuScore, bleu, sentence_bleu, tokenize_13a
from seqcourse.chrf import chrf
from seqcourse.edits import (
    Edit,
    align,
    character_error_rate,
    edit_distance,
    word_error_rate,
)
from seqcourse.text_pairs import Score, check_pairs

__all__ = [
    "BleuScore",
    "Edit",
    "Score",
    "align",
    "bleu",
    "character_error_rate",
    "chrf",
    "edit_distance",
    "exact_match",
    "sentence_bleu",
    "tokenize_13a",
    "word_error_rate",
]


def exact_match(hypotheses: Sequence[object], references: Sequence[object]) -> float:
    """Return the share of hypotheses that equal their reference, 0 … 1.

    Raises:
        ValueError: for no texts, or not as many references as texts.
    """
    check_pairs(hypotheses, references)
    equal = (
        ours == theirs for ours, theirs in zip(hypotheses, references, strict=True)
    )
    return sum(equal) / len(hypotheses)
