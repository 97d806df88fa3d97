"""ARPA files: n-gram models in the text format that other tools read.

A line of an ARPA file has log10 p(last word | words before), an n-gram, and the log10
of a *back-off weight*: by it the probability after the shorter context is multiplied
where the longer n-gram is not in the file. Every smoothing method that is recursive has
this form (`seqcourse.smoothing`), so other tools get the same probabilities as we do.
"""

from collections.abc import Container, Iterator, Sequence
from pathlib import Path

import numpy as np

from seqcourse.ngram import NGram
from seqcourse.smoothing import Weights

__all__ = ["write_arpa"]

START, END, UNKNOWN = "<s>", "</s>", "<unk>"
NEVER = -99.0  # what the format writes for log10 0


def write_arpa(model: NGram, tokens: Sequence[str], path: Path | str) -> None:
    """Write a fitted n-gram model as an ARPA file.

    Our models see `order` start symbols before a text, where most tools put one. So let
    the other tool read "<s>" that often; all but the first have probability 1.

    Words that the format asks for and the model lacks ("</s>", "<unk>") are written
    with probability 0, which is 10^-99 here.

    Args:
        model: a fitted model whose smoothing is recursive: neither MLE nor AddK.
        tokens: what the ids stand for, V different strings without white space.
        path: where to write.

    Raises:
        ValueError: if the smoothing is not recursive, or the tokens do not fit.
    """
    _check(model, tokens)
    levels = list(_levels(model, tokens))
    with Path(path).open("w", encoding="utf-8") as file:
        file.write("\\data\\\n")
        for n, lines in enumerate(levels, start=1):
            file.write(f"ngram {n}={len(lines)}\n")
        for n, lines in enumerate(levels, start=1):
            file.write(f"\n\\{n}-grams:\n")
            file.writelines(lines)
        file.write("\n\\end\\\n")


def _check(model: NGram, tokens: Sequence[str]) -> None:
    if not model.smoothing.recursive:
        raise ValueError(
            f"{model.smoothing} does not ask shorter contexts, as an ARPA file does; "
            "fit the model with KneserNey(), WittenBell(), Backoff() or Interpolation()"
        )
    if len(tokens) != model.vocab_size:
        raise ValueError(f"got {len(tokens)} tokens for V = {model.vocab_size} ids")
    wrong = [token for token in tokens if token == START or token.split() != [token]]
    if wrong or len(set(tokens)) < len(tokens):
        raise ValueError(
            "tokens must be different, not empty, without white space and not "
            f"{START!r}; the first to change are {wrong[:3] or 'repeated'}"
        )


def _levels(model: NGram, tokens: Sequence[str]) -> Iterator[list[str]]:
    """Yield the lines of each level, from unigrams to the longest n-grams."""
    words = np.array([*tokens, START], dtype=object)
    shorter = np.array([""], dtype=object)  # the n-grams of the level before
    for n, level in enumerate(model.counts.levels, start=1):
        last = level.keys % (model.vocab_size + 1)
        grams = words[last] if n == 1 else shorter[level.parents] + " " + words[last]
        p = _log10(model.probabilities[n - 1])
        # a start symbol is never predicted; after another one it is certain
        p[last == model.counts.start] = NEVER if n == 1 else 0.0
        if n <= model.order:
            weights = _log10(model.tables[n].passed)
            columns = zip(p, grams, weights, strict=True)
            lines = [f"{a:.7f}\t{gram}\t{b:.7f}\n" for a, gram, b in columns]
        else:
            lines = [f"{a:.7f}\t{gram}\n" for a, gram in zip(p, grams, strict=True)]
        yield lines + _missing_words(model, tokens, set(grams)) if n == 1 else lines
        shorter = grams


def _missing_words(
    model: NGram, tokens: Sequence[str], seen: Container[str]
) -> list[str]:
    """Return the lines of the words that training did not have, and of special ones."""
    unseen = float(_log10(model.tables[0].passed / model.vocab_size)[0])
    lines = [f"{unseen:.7f}\t{token}\n" for token in tokens if token not in seen]
    special = [w for w in (START, END, UNKNOWN) if w not in seen and w not in tokens]
    return lines + [f"{NEVER}\t{word}\n" for word in special]


def _log10(p: Weights) -> Weights:
    with np.errstate(divide="ignore"):
        return np.maximum(np.log10(p), NEVER)
