"""BLEU: how many of our n-grams of words are also in a reference."""

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

from seqcourse.text_pairs import (
    Grams,
    References,
    Score,
    count_grams,
    paired,
    signature,
)

__all__ = ["BleuScore", "Smoothing", "bleu", "sentence_bleu", "tokenize_13a"]

Smoothing: TypeAlias = Literal["none", "floor", "add-k", "exp"]
"""What to do with a precision of 0; see `bleu`."""


@dataclass(frozen=True)
class BleuScore(Score):
    """BLEU, and the parts that it is made of."""

    precisions: tuple[float, ...]
    """For each n: the share of our n-grams that a reference has, smoothed, 0 … 1."""

    brevity_penalty: float
    """What the score was multiplied by for being short, 0 … 1."""


def bleu(
    hypotheses: Sequence[str],
    references: References,
    *,
    max_order: int = 4,
    smoothing: Smoothing = "exp",
    smooth_value: float | None = None,
    effective_order: bool = False,
    tokenize: Literal["none", "13a"] = "13a",
    lowercase: bool = False,
) -> BleuScore:
    """Return the BLEU score of a whole corpus (Papineni et al. 2002, section 2.3).

    BLEU = 100 · min(1, e^(1 - r/c)) · (p₁ p₂ p₃ p₄)^(1/4). Here pₙ is the share of our
    n-grams that a reference has too, none counted more often than it stands there; c is
    the number of our words and r that of the references, of each text's the closest in
    length. Counts are added over all texts first: a corpus's score is not the mean of
    its texts' scores.

    >>> ours, reference = "the cat the cat sat", "the cat sat"
    >>> score = bleu([ours], [reference], max_order=2)
    >>> score.precisions  # "the" and "cat" count once; so does "the cat"
    (0.6, 0.5)
    >>> round(score.value, 2)  # the square root of 0.6 · 0.5, in percent
    54.77

    Args:
        hypotheses: what the model wrote, a string for each text.
        references: for each text its reference, or a list of several.
        max_order: the longest n-grams that count, at least 1.
        smoothing: what a precision of 0 becomes (Chen and Cherry 2014). "none": it
            stays, and makes the score 0. "floor": its count becomes `smooth_value`, 0.1
            unless given. "add-k": `smooth_value`, 1 unless given, is added to count and
            total above n = 1. "exp": the first count of 0 becomes 1/2, the next 1/4, …
        smooth_value: as above.
        effective_order: leave out the orders of which we have no n-gram at all.
        tokenize: "13a" sets punctuation apart, see `tokenize_13a`; "none" cuts at white
            space alone, for texts that are tokens with spaces between them.
        lowercase: whether capitals count as small letters.

    Raises:
        ValueError: for no texts, not as many references as texts, or an unknown option.
    """
    _check_options(max_order, smoothing, tokenize)
    k = _SMOOTH_VALUES[smoothing] if smooth_value is None else smooth_value
    texts = paired(hypotheses, references, lowercase)
    counts = _counts(texts, _TOKENIZERS[tokenize], max_order)
    precisions, orders = _smoothed(counts, smoothing, k)
    short = max(0.0, counts.their_words / max(counts.our_words, 1) - 1)
    brevity = math.exp(-short) if counts.our_words else 0.0
    used = precisions[:orders] if effective_order else precisions
    value = 0.0
    if any(counts.found) and all(used):
        value = 100 * brevity * math.exp(sum(map(math.log, used)) / len(used))
    options = {
        "case": "lc" if lowercase else "mixed",
        "eff": "yes" if effective_order else "no",
        "tok": tokenize,
        "smooth": f"{smoothing}[{k:.2f}]" if k else smoothing,
        "order": max_order,
    }
    made = signature("BLEU", texts, options)
    return BleuScore(value, made, tuple(precisions), brevity)


def sentence_bleu(
    hypothesis: str,
    references: str | Sequence[str],
    *,
    smoothing: Smoothing = "exp",
    tokenize: Literal["none", "13a"] = "13a",
    lowercase: bool = False,
) -> BleuScore:
    """Return the BLEU score of one text, over the orders that it is long enough for.

    BLEU was made for corpora. Of one text it is coarse, and smoothing decides a lot.

    Args:
        hypothesis: what the model wrote.
        references: its reference, or a list of several.
        smoothing: as for `bleu`.
        tokenize: as for `bleu`.
        lowercase: as for `bleu`.

    Raises:
        ValueError: for no reference, or an unknown option.
    """
    return bleu(
        [hypothesis],
        [references],
        smoothing=smoothing,
        effective_order=True,
        tokenize=tokenize,
        lowercase=lowercase,
    )


class _Counts(NamedTuple):
    """What BLEU needs to know of a corpus."""

    found: list[int]  # of our n-grams those that a reference has, for n = 1, 2, …
    total: list[int]  # all our n-grams
    our_words: int
    their_words: int


def _counts(
    texts: list[tuple[str, list[str]]],
    cut: Callable[[str], list[str]],
    max_order: int,
) -> _Counts:
    found, total = [0] * max_order, [0] * max_order
    our_words = their_words = 0
    for text, references in texts:
        ours, theirs = cut(text), [cut(reference) for reference in references]
        gaps = [(abs(len(words) - len(ours)), len(words)) for words in theirs]
        our_words += len(ours)
        their_words += min(gaps)[1]  # the closest in length; of two, the shorter
        for n in range(max_order):
            grams = count_grams(ours, n + 1)
            allowed: Grams = Counter()
            for words in theirs:
                allowed |= count_grams(words, n + 1)  # the most that one of them has
            found[n] += (grams & allowed).total()
            total[n] += grams.total()
    return _Counts(found, total, our_words, their_words)


def _smoothed(
    counts: _Counts, smoothing: Smoothing, k: float
) -> tuple[list[float], int]:
    """Return each order's precision, and the number of orders that there are."""
    precisions: list[float] = []
    missed = orders = 0
    for n, (found, total) in enumerate(
        zip(counts.found, counts.total, strict=True), start=1
    ):
        added = k if smoothing == "add-k" and n > 1 else 0
        above, below = found + added, total + added
        if above == 0 and smoothing == "floor":
            above = k
        elif above == 0 and smoothing == "exp":
            missed += 1
            above = 0.5**missed
        precisions.append(above / below if below else 0.0)
        orders += below > 0
    return precisions, orders


def tokenize_13a(text: str) -> list[str]:
    """Cut a text like mteval-v13a, the script of the WMT shared tasks.

    Punctuation is set apart, but for "'" and "-", and for "." and "," in numbers.

    >>> tokenize_13a("It's 3.5 well-known words.")
    ["It's", '3.5', 'well-known', 'words', '.']
    """
    text = text.replace("<skipped>", "").replace("-\n", "").replace("\n", " ")
    for entity, sign in _ENTITIES:
        text = text.replace(entity, sign)
    text = f" {text} "
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return text.split()


_ENTITIES = (("&quot;", '"'), ("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">"))
_RULES = (
    (re.compile(r"([{-~[-` -&(-+:-@/])"), r" \1 "),  # ASCII's signs but ' , - .
    (re.compile(r"([^0-9])([.,])"), r"\1 \2 "),  # after anything but a digit
    (re.compile(r"([.,])([^0-9])"), r" \1 \2"),  # before anything but a digit
    (re.compile(r"([0-9])(-)"), r"\1 \2 "),
)
_TOKENIZERS: dict[str, Callable[[str], list[str]]] = {
    "none": str.split,
    "13a": tokenize_13a,
}
_SMOOTH_VALUES: dict[str, float] = {"none": 0, "floor": 0.1, "add-k": 1, "exp": 0}


def _check_options(max_order: int, smoothing: str, tokenize: str) -> None:
    for name, value, known in (
        ("smoothing", smoothing, _SMOOTH_VALUES),
        ("tokenize", tokenize, _TOKENIZERS),
    ):
        if value not in known:
            choice = ", ".join(known)
            raise ValueError(f"{name} must be one of {choice}, but is {value!r}")
    if max_order < 1:
        raise ValueError(f"max_order must be at least 1, but is {max_order}")
