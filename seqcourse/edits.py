"""Edit distance: the fewest changes that turn one sequence into another."""

from collections.abc import Callable, Hashable, Sequence
from typing import Literal, NamedTuple

from seqcourse.text_pairs import check_pairs

__all__ = ["Edit", "align", "character_error_rate", "edit_distance", "word_error_rate"]


class Edit(NamedTuple):
    """One step on the way from one sequence to another."""

    kind: Literal["keep", "substitute", "insert", "delete"]
    source: Hashable | None
    """What stood there; None for an insertion."""
    target: Hashable | None
    """What stands there now; None for a deletion."""


def edit_distance(
    source: Sequence[Hashable], target: Sequence[Hashable], *, substitution: int = 1
) -> int:
    """Return the fewest insertions, deletions and substitutions from one to the other.

    Strings are compared by character, lists by element (Levenshtein 1966).

    >>> edit_distance("kitten", "sitting")  # k→s, e→i, and a g
    3

    Args:
        source: what to start from.
        target: what to end with.
        substitution: what a substitution costs; with 2 it is no cheaper than a deletion
            and an insertion.
    """
    return _edit_table(source, target, substitution)[-1][-1]


def align(
    source: Sequence[Hashable], target: Sequence[Hashable], *, substitution: int = 1
) -> list[Edit]:
    """Return a cheapest way from one sequence to the other, from left to right.

    Where several are equally cheap, an element is kept or substituted rather than
    deleted, and deleted rather than inserted, decided from the right end.

    >>> [edit.kind for edit in align("cat", "cut!")]
    ['keep', 'substitute', 'keep', 'insert']

    Args:
        source: as for `edit_distance`.
        target: as for `edit_distance`.
        substitution: as for `edit_distance`.
    """
    table = _edit_table(source, target, substitution)
    i, j = len(source), len(target)
    edits: list[Edit] = []
    while i or j:
        if i and j:
            same = source[i - 1] == target[j - 1]
            if table[i][j] == table[i - 1][j - 1] + (0 if same else substitution):
                i, j = i - 1, j - 1
                edits.append(
                    Edit("keep" if same else "substitute", source[i], target[j])
                )
                continue
        if i and table[i][j] == table[i - 1][j] + 1:
            i -= 1
            edits.append(Edit("delete", source[i], None))
        else:
            j -= 1
            edits.append(Edit("insert", None, target[j]))
    return edits[::-1]


def _edit_table(
    source: Sequence[Hashable], target: Sequence[Hashable], substitution: int
) -> list[list[int]]:
    """Return the distance of every beginning of `source` from every one of `target`."""
    if substitution < 0:
        raise ValueError(f"substitution must be at least 0, but is {substitution}")
    table = [list(range(len(target) + 1))]
    for i, ours in enumerate(source, start=1):
        above, row = table[-1], [i]
        for j, theirs in enumerate(target, start=1):
            changed = above[j - 1] + (0 if ours == theirs else substitution)
            row.append(min(changed, above[j] + 1, row[j - 1] + 1))
        table.append(row)
    return table


def word_error_rate(hypotheses: Sequence[str], references: Sequence[str]) -> float:
    """Return the edits per word of the references, over a whole corpus.

    0 is best; 1 is not the worst, since any number of words may be inserted.

    >>> word_error_rate(["the cat sat down"], ["the cat sat"])
    0.3333333333333333

    Raises:
        ValueError: for not as many references as texts, or references without a word.
    """
    return _error_rate(hypotheses, references, str.split, "word")


def character_error_rate(hypotheses: Sequence[str], references: Sequence[str]) -> float:
    """Return the edits per character of the references, over a whole corpus.

    Raises:
        ValueError: for not as many references as texts, or references that are empty.
    """
    return _error_rate(hypotheses, references, list, "character")


def _error_rate(
    hypotheses: Sequence[str],
    references: Sequence[str],
    cut: Callable[[str], list[str]],
    unit: str,
) -> float:
    check_pairs(hypotheses, references)
    if not (units := sum(len(cut(text)) for text in references)):
        raise ValueError(
            f"an error rate is edits per {unit}, but the references have none"
        )
    pairs = zip(hypotheses, references, strict=True)
    return (
        sum(edit_distance(cut(source), cut(target)) for source, target in pairs) / units
    )
