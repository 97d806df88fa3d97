"""The ladder: every language model of the book on one held-out text, by one scorer.

Run `make ladder`, or `python benchmarks/ladder.py --only "GRU" "LSTM"` for some of the rungs.
Models learn from the training plays and are scored in bits per byte on the test plays
(`seqcourse.data.shakespeare_split`); what has to be chosen is chosen on the validation plays. The
figures go to `book/ladder.json`, which the book's ladder page shows; a run of some rungs leaves the
others as they are. An interrupted training goes on where it was.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from common import machine, save, table
from ladder_models import BYTES, MERGES, TRAINED, Text, Trained, Uniform, chosen, counted
from rich.progress import track

from seqcourse.bpe import BPE
from seqcourse.data import shakespeare_split
from seqcourse.lm import LanguageModel
from seqcourse.ngram import NGram
from seqcourse.tokenizers import utf8_bytes
from seqcourse.training import Stopwatch

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "book" / "ladder.json"
CHECKPOINTS = ROOT / "_build" / "ladder"
VALIDATION = 60_000
"""Characters of the validation plays that a trained model is scored on while it learns."""

Row = dict[str, Any]


def row(model: LanguageModel, test: Text, /, **about: Any) -> Row:
    """Score a model on the test text."""
    with Stopwatch() as watch:
        bits = test.score(model)
    finite = bits if np.isfinite(bits) else None
    return {**about, "bits_per_byte": finite, "score_seconds": watch.seconds}


def counted_rows(only: set[str]) -> Iterator[Row]:
    """Measure the models that count bytes."""
    train, valid, test = (Text.cut(part, utf8_bytes) for part in shakespeare_split())
    if not only or "uniform" in only:
        yield row(Uniform(), test, model="uniform", tokens="bytes", parameters=0, train_seconds=0.0)
    steps = [step for step in counted() if not only or step[0] in only]
    for name, order, settings in track(steps, description="n-grams") if steps else ():
        smoothing = chosen(order, settings, train, valid)
        with Stopwatch() as watch:
            model = NGram(order, BYTES, smoothing).fit(train.tokens)
        yield row(
            model,
            test,
            model=name,
            tokens="bytes",
            order=order,
            setting=repr(smoothing),
            parameters=model.parameters,
            train_seconds=watch.seconds,
        )


def trained_row(kind: Trained) -> Row:
    """Train a neural model, and measure it."""
    parts = shakespeare_split()
    tokenizer = BPE.train(parts.train, 256 + MERGES) if kind.tokens == "BPE" else None
    tokenize = tokenizer.encode if tokenizer else utf8_bytes
    train, test = Text.cut(parts.train, tokenize), Text.cut(parts.test, tokenize)
    valid = Text.cut(parts.valid[:VALIDATION], tokenize)
    print(f"{kind.name}: {kind.steps} steps of {kind.length * kind.batch_size} tokens", flush=True)
    CHECKPOINTS.mkdir(parents=True, exist_ok=True)
    checkpoint = CHECKPOINTS / f"{kind.name}.pt"
    model, seconds = kind.train(train, valid, 256 + MERGES if tokenizer else BYTES, checkpoint)
    seen = kind.steps * kind.length * kind.batch_size / len(train.tokens)
    return row(
        model,
        test,
        model=kind.name,
        tokens=kind.tokens if not tokenizer else f"BPE, {MERGES} merges",
        setting=kind.setting,
        parameters=sum(p.numel() for p in model.parameters()),
        train_seconds=seconds,
        passes=seen,
    )


def merged(rows: list[Row]) -> list[Row]:
    """Return the new rows, and those of other models from earlier runs."""
    if not RESULTS.exists():
        return rows
    new = {r["model"] for r in rows}
    earlier = json.loads(RESULTS.read_text("utf-8"))["rows"]
    return [r for r in earlier if r["model"] not in new] + rows


def main() -> None:
    """Climb the ladder, print it, and keep it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", default=[], metavar="MODEL", help="these rungs")
    only = set(parser.parse_args().only)
    about = machine("numpy", "torch")
    known = {"uniform", *(name for name, _, _ in counted()), *(kind.name for kind in TRAINED)}
    if unknown := only - known:
        parser.error(f"no rung {', '.join(sorted(unknown))}; there are {', '.join(sorted(known))}")
    parts = shakespeare_split()
    sizes = {f"{name}_bytes": len(getattr(parts, name).encode()) for name in parts._fields}
    text = {"test": "Hamlet, Twelfth Night, Henry V", **sizes}
    rows: list[Row] = []

    def keep() -> None:
        save(RESULTS, {"text": text, **about, "rows": merged(rows)})

    rows += ({**r, "date": about["date"]} for r in counted_rows(only))
    keep()
    for kind in TRAINED:
        if not only or kind.name in only:
            rows.append({**trained_row(kind), "date": about["date"]})
            keep()
    table(
        ["model", "order", "bits per byte", "parameters", "train (s)"],
        [
            [
                r["model"],
                str(r.get("order", "")),
                f"{r['bits_per_byte']:.3f}" if r["bits_per_byte"] else "∞",
                f"{r['parameters']:,}",
                f"{r['train_seconds']:.2f}",
            ]
            for r in rows
        ],
    )


if __name__ == "__main__":
    main()
