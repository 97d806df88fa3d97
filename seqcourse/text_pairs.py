"""What the scores of texts have in common: pairs of texts, n-grams, and a signature."""

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

__all__ = [
    "Grams",
    "References",
    "Score",
    "check_pairs",
    "count_grams",
    "paired",
    "signature",
]

References: TypeAlias = Sequence[str | Sequence[str]]
"""For each text to be scored its reference, or several references."""

Grams: TypeAlias = Counter[tuple[Hashable, ...]]
"""N-grams of one length, and how often each occurs."""


@dataclass(frozen=True)
class Score:
    """A score, with what one must know to get the same again."""

    value: float
    """0 … 100, higher is better."""

    signature: str
    """The options that the score depends on."""

    def __float__(self) -> float:
        return self.value

    def __str__(self) -> str:
        return f"{self.value:.2f} ({self.signature})"


def count_grams(tokens: Sequence[Hashable], n: int) -> Grams:
    """Count the n-grams of a sequence.

    >>> count_grams("aaab", 2)
    Counter({('a', 'a'): 2, ('a', 'b'): 1})
    """
    return Counter(zip(*(tokens[k:] for k in range(n)), strict=False))


def check_pairs(hypotheses: Sequence[object], references: Sequence[object]) -> None:
    """Raise an error unless there are as many hypotheses as references, and some."""
    if isinstance(hypotheses, str):
        raise TypeError("hypotheses must be a list of texts, but is one: put it in [ ]")
    if len(hypotheses) != len(references):
        raise ValueError(
            f"got {len(hypotheses)} hypotheses for {len(references)} references"
        )
    if not hypotheses:
        raise ValueError("cannot score an empty list of hypotheses")


def paired(
    hypotheses: Sequence[str], references: References, lowercase: bool
) -> list[tuple[str, list[str]]]:
    """Return each text with the list of its references, in small letters if need be."""
    check_pairs(hypotheses, references)
    texts = []
    for place, (text, given) in enumerate(zip(hypotheses, references, strict=True)):
        several = [given] if isinstance(given, str) else list(given)
        if not several:
            raise ValueError(f"text {place} has no reference")
        if lowercase:
            text, several = text.lower(), [reference.lower() for reference in several]
        texts.append((text, several))
    return texts


def signature(
    name: str, texts: Sequence[tuple[str, list[str]]], options: Mapping[str, object]
) -> str:
    """Return a score's name, how many references each text had, and its options."""
    numbers = {len(several) for _, several in texts}
    count = numbers.pop() if len(numbers) == 1 else "var"
    written = {"nrefs": count, **options}
    return "|".join([name, *(f"{option}:{value}" for option, value in written.items())])
