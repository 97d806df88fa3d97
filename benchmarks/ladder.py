"""The ladder: every language model of the book on one held-out text, by one scorer.

Run `make ladder`. Models read bytes, learn from the training plays and are scored in bits per
byte on the test plays (`seqcourse.data.shakespeare_split`); what has to be chosen is chosen on
the validation plays. The figures go to `book/ladder.json`, which the book's ladder page shows.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from common import machine, save, table
from rich.progress import track

from seqcourse.data import shakespeare_split
from seqcourse.lm import LanguageModel, LogProbs
from seqcourse.metrics import bits_per_byte
from seqcourse.ngram import (
    MLE,
    AddK,
    Backoff,
    Interpolation,
    KneserNey,
    NGram,
    Smoothing,
    WittenBell,
)
from seqcourse.tokenizers import utf8_bytes
from seqcourse.training import Stopwatch

BYTES = 256
ORDERS = range(1, 7)
RESULTS = Path(__file__).parent.parent / "book" / "ladder.json"


class Uniform:
    """Knows nothing: every byte is equally likely."""

    vocab_size = BYTES

    def logprobs(self, tokens: np.ndarray) -> LogProbs:
        """Return -ln 256 for every byte."""
        return np.full(len(tokens), -np.log(BYTES))

    def next_logprobs(self, context: np.ndarray) -> LogProbs:
        """Return -ln 256 for every byte."""
        return self.logprobs(np.empty(BYTES))


def smoothings(order: int) -> Iterator[tuple[str, list[Smoothing]]]:
    """Yield each method's name and the settings to choose from on the validation text."""
    yield "add-k", [AddK(k) for k in (1.0, 0.3, 0.1, 0.03, 0.01, 0.003)]
    grid = [Interpolation((1 - 1e-4, *[w] * order)) for w in (0.5, 0.6, 0.7, 0.8, 0.9)]
    yield "interpolation", list(grid)
    yield "back-off", [Backoff(d) for d in (0.5, 0.7, 0.9)]
    yield "Witten-Bell", [WittenBell()]
    yield "Kneser-Ney", [KneserNey()]


def score(model: LanguageModel, tokens: np.ndarray) -> float:
    """Return bits per byte: the one scorer."""
    return bits_per_byte(model.logprobs(tokens), len(tokens))


def row(
    name: str, order: int | None, model: LanguageModel, test: np.ndarray, train_seconds: float
) -> dict[str, Any]:
    """Score a model on the test text."""
    with Stopwatch() as watch:
        bits = score(model, test)
    return {
        "model": name,
        "order": order,
        "smoothing": repr(model.smoothing) if isinstance(model, NGram) else None,
        "bits_per_byte": bits if np.isfinite(bits) else None,
        "parameters": model.parameters if isinstance(model, NGram) else 0,
        "train_seconds": train_seconds,
        "score_seconds": watch.seconds,
    }


def chosen(
    order: int, settings: list[Smoothing], train: np.ndarray, valid: np.ndarray
) -> Smoothing:
    """Return the setting with the fewest bits per byte on the validation text."""
    if len(settings) == 1:
        return settings[0]
    return min(settings, key=lambda s: score(NGram(order, BYTES, s).fit(train), valid))


def main() -> None:
    """Climb the ladder, print it, and keep it."""
    train, valid, test = (utf8_bytes(part) for part in shakespeare_split())
    rows = [row("uniform", None, Uniform(), test, 0.0)]
    steps = [("unigram", 0, [AddK(1.0)])]
    for order in ORDERS:
        steps += [(name, order, settings) for name, settings in smoothings(order)]
    steps.insert(1, ("maximum likelihood", 5, [MLE()]))
    for name, order, settings in track(steps, description="n-grams"):
        smoothing = chosen(order, settings, train, valid)
        with Stopwatch() as watch:
            model = NGram(order, BYTES, smoothing).fit(train)
        rows.append(row(name, order, model, test, watch.seconds))
    table(
        ["model", "order", "bits per byte", "parameters", "train (s)"],
        [
            [
                r["model"],
                str(r["order"]),
                f"{r['bits_per_byte']:.3f}" if r["bits_per_byte"] else "∞",
                f"{r['parameters']:,}",
                f"{r['train_seconds']:.2f}",
            ]
            for r in rows
        ],
    )
    sizes = {"train_bytes": len(train), "valid_bytes": len(valid), "test_bytes": len(test)}
    plays = "Hamlet, Twelfth Night, Henry V"
    save(RESULTS, {"text": {"test": plays, **sizes}, **machine("numpy"), "rows": rows})


if __name__ == "__main__":
    main()
