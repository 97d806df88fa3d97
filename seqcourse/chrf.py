"""chrF: how many n-grams of characters two texts have in common."""

import string
from collections.abc import Sequence
from itertools import chain
from typing import TypeAlias

from seqcourse.text_pairs import (
    Grams,
    References,
    Score,
    count_grams,
    paired,
    signature,
)

__all__ = ["chrf"]

_Matches: TypeAlias = list[tuple[int, int, int]]
"""For each order the number of our n-grams, of theirs, and of those in common."""


def chrf(
    hypotheses: Sequence[str],
    references: References,
    *,
    char_order: int = 6,
    word_order: int = 0,
    beta: float = 2.0,
    lowercase: bool = False,
    whitespace: bool = False,
) -> Score:
    """Return the chrF score of a whole corpus (Popović 2015).

    chrF = 100 · (1 + β²) P R / (β² P + R). P is the share of our n-grams of characters
    that the reference has too, R the share of the reference's that we have, each the
    mean over n = 1 … 6. It needs no words, and gives half a credit for half a word. Of
    several references the one counts that scores best.

    >>> round(chrf(["abc"], ["abd"], char_order=2).value, 2)  # P = R = (2/3 + 1/2) / 2
    58.33

    Args:
        hypotheses: what the model wrote, a string for each text.
        references: for each text its reference, or a list of several.
        char_order: the longest n-grams of characters that count, at least 1.
        word_order: the longest n-grams of words that count: 0 for chrF, 2 for chrF++
            (Popović 2017).
        beta: how many times as much R matters as P.
        lowercase: whether capitals count as small letters.
        whitespace: whether white space is among the characters.

    Raises:
        ValueError: for no texts, not as many references as texts, or an option that is
            out of its range.
    """
    if char_order < 1 or word_order < 0:
        raise ValueError(
            "char_order must be at least 1 and word_order at least 0, but they are "
            f"{char_order} and {word_order}"
        )
    if not beta > 0:
        raise ValueError(f"beta must be above 0, but is {beta}")
    texts = paired(hypotheses, references, lowercase)
    sums: _Matches = [(0, 0, 0)] * (char_order + word_order)
    for text, several in texts:
        ours = _all_grams(text, char_order, word_order, whitespace)
        matches = [
            _matches(ours, _all_grams(reference, char_order, word_order, whitespace))
            for reference in several
        ]
        best = max(matches, key=lambda match: _f_score(match, beta))
        sums = [
            (a + x, b + y, c + z)
            for (a, b, c), (x, y, z) in zip(sums, best, strict=True)
        ]
    options = {
        "case": "lc" if lowercase else "mixed",
        "eff": "yes",
        "nc": char_order,
        "nw": word_order,
        "beta": f"{beta:g}",
        "space": "yes" if whitespace else "no",
    }
    made = signature("chrF" + "+" * word_order, texts, options)
    return Score(100 * _f_score(sums, beta), made)


def _all_grams(
    text: str, char_order: int, word_order: int, whitespace: bool
) -> list[Grams]:
    letters = text if whitespace else "".join(text.split())
    words = list(chain.from_iterable(map(_word_and_mark, text.split())))
    return [
        *(count_grams(letters, n) for n in range(1, char_order + 1)),
        *(count_grams(words, n) for n in range(1, word_order + 1)),
    ]


def _word_and_mark(word: str) -> list[str]:
    """Set one punctuation mark apart, at the end or else at the beginning."""
    if len(word) > 1 and word[-1] in string.punctuation:
        return [word[:-1], word[-1]]
    if len(word) > 1 and word[0] in string.punctuation:
        return [word[0], word[1:]]
    return [word]


def _matches(ours: list[Grams], theirs: list[Grams]) -> _Matches:
    return [
        (our.total() if their else 0, their.total(), (our & their).total())
        for our, their in zip(ours, theirs, strict=True)
    ]


def _f_score(matches: _Matches, beta: float) -> float:
    """Return F of the mean P and the mean R, over the orders that both texts have."""
    both = [
        (ours, theirs, common) for ours, theirs, common in matches if ours and theirs
    ]
    if not any(common for *_, common in both):
        return 0.0
    precision = sum(common / ours for ours, _, common in both) / len(both)
    recall = sum(common / theirs for _, theirs, common in both) / len(both)
    return (1 + beta**2) * precision * recall / (beta**2 * precision + recall)
