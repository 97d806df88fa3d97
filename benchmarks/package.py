"""The package against its peers: the same work, the same threads, one run.

Run `make bench` or `python benchmarks/package.py [--only TOPIC …] [--pairs N]`. Each topic is a
module `package_TOPIC.py` here, with rows that say what both sides do. Ours and theirs take turns,
so that a busy moment of the machine hurts both; the figure is ours ÷ theirs, below 1 where ours is
the faster. The figures go to `book/speed.json`, which a page of the book shows.
"""

import argparse
import gc
import importlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from common import Row, machine, save, table

HERE = Path(__file__).parent
RESULTS = HERE.parent / "book" / "speed.json"
PACKAGES = ("torch", "numpy", "transformers", "tokenizers", "gensim", "nltk", "kenlm", "numba")


def seconds(work: Callable[[], Any]) -> float:
    """Return how long the work took, garbage of earlier work not counted."""
    gc.collect()
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def measured(topic: str, row: Row, pairs: int) -> dict[str, Any]:
    """Let both sides take turns; return the medians, and the ratios with their spread."""
    ours, theirs = row.setup()
    pairs = min(pairs, row.pairs)
    if row.warm:
        ours(), theirs()
    times = [(seconds(ours), seconds(theirs)) for _ in range(pairs)]
    ratios = [our / their for our, their in times]
    our, their = np.median(times, axis=0)
    return {
        "topic": topic,
        "work": row.work,
        "peer": row.peer,
        "ours_seconds": our,
        "peer_seconds": their,
        "ratio": float(np.median(ratios)),
        "lowest": min(ratios),
        "highest": max(ratios),
        "pairs": pairs,
        "goal": row.goal,
        "note": row.note() if callable(row.note) else row.note,
    }


def topics() -> dict[str, list[Row]]:
    """Return the rows of each topic, in order of name."""
    names = sorted(path.stem for path in HERE.glob("package_*.py"))
    return {name.removeprefix("package_"): importlib.import_module(name).ROWS for name in names}


def kept(only: list[str]) -> list[dict[str, Any]]:
    """Return the figures of the other topics from the last run, to stand beside the new ones."""
    if not only or not RESULTS.exists():
        return []
    return [r for r in json.loads(RESULTS.read_text("utf-8"))["rows"] if r["topic"] not in only]


def main() -> None:
    """Measure, print a table, and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", default=[], metavar="TOPIC", help="these topics")
    parser.add_argument("--pairs", type=int, default=5, help="how often to measure both sides")
    parser.add_argument("--save", action="store_true", help="keep the figures for the book")
    options = parser.parse_args()
    about = machine(*PACKAGES)
    found = topics()
    if unknown := set(options.only) - set(found):
        parser.error(f"no topic {', '.join(sorted(unknown))}; there are {', '.join(found)}")
    if len(options.only) != 1:  # each topic in a process of its own, with its memory to itself
        for topic in options.only or found:
            keep = ["--save"] if options.save else []
            command = [sys.executable, __file__, "--only", topic, "--pairs", str(options.pairs)]
            subprocess.run([*command, *keep], check=True)
        return
    rows = []
    (topic,) = options.only
    for row in found[topic]:
        print(f"{topic}: {row.work} …", flush=True)
        rows.append({**measured(topic, row, options.pairs), "date": about["date"]})
        print(f"  {rows[-1]['ratio']:.3f} of {row.peer}'s time", flush=True)
    shown = [
        [
            r["work"],
            r["peer"],
            f"{r['ours_seconds']:.3g}",
            f"{r['peer_seconds']:.3g}",
            f"{r['ratio']:.3g} ({r['lowest']:.3g} … {r['highest']:.3g})",
            f"≤ {r['goal']:g}",
        ]
        for r in rows
    ]
    table(["work", "peer", "ours (s)", "peer (s)", "ours ÷ peer", "goal"], shown)
    if options.save:
        everything = sorted([*kept(options.only), *rows], key=lambda r: r["topic"])
        save(RESULTS, {**about, "threads": os.cpu_count(), "rows": everything})


if __name__ == "__main__":
    main()
