"""Trigram models of all of Shakespeare: ours against nltk.lm, the same work in one run.

Run `make bench` or `python benchmarks/ngram.py [--words N] [--pairs P]`. Both sides fit a trigram
model (order 2) to the same training words and score the same held-out words with the same
estimator, add-k; that they agree is asserted before anything is timed.
"""

import argparse
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import nltk.lm
import numpy as np
from common import machine, save, table
from nltk.util import everygrams

from seqcourse.data import shakespeare_split
from seqcourse.ngram import AddK, NGram
from seqcourse.tokenizers import words
from seqcourse.vocab import Vocab

ORDER, K = 2, 0.1
RESULTS = Path(__file__).parent / "results" / "ngram.json"


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Return the seconds that the work took, and its result."""
    began = time.perf_counter()
    result = work()
    return time.perf_counter() - began, result


def ours(train: np.ndarray, vocab_size: int) -> NGram:
    """Fit our model."""
    return NGram(ORDER, vocab_size, AddK(K)).fit(train)


def theirs(train: list[str]) -> nltk.lm.Lidstone:
    """Fit nltk's: one text of n-grams up to length 3, as its documentation does."""
    model = nltk.lm.Lidstone(K, ORDER + 1)
    model.fit([everygrams(train, max_len=ORDER + 1)], vocabulary_text=train)
    return model


def score_theirs(model: nltk.lm.Lidstone, tokens: list[str]) -> np.ndarray:
    """Return nltk's ln p of every token that has a full context."""
    contexts = pairwise(tokens)
    bits = [model.logscore(w, c) for c, w in zip(contexts, tokens[ORDER:], strict=False)]
    return np.array(bits) * np.log(2)


def main() -> None:
    """Measure, print a table, and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--words", type=int, default=None, help="training words (default: all)")
    parser.add_argument("--pairs", type=int, default=3, help="how often to measure both sides")
    options = parser.parse_args()
    split = shakespeare_split()
    train, test = words(split.train)[: options.words], words(split.test)
    known = Vocab.build(train)
    test = [w for w in test if w in known]  # both sides score the same known words
    train_ids, test_ids = known.encode(train), known.encode(test)

    rows = []
    for _ in range(options.pairs):
        our_fit, our_model = timed(lambda: ours(train_ids, len(known)))
        our_score, our_logprobs = timed(lambda m=our_model: m.logprobs(test_ids))
        their_fit, their_model = timed(lambda: theirs(train))
        their_score, their_logprobs = timed(lambda m=their_model: score_theirs(m, test))
        # a word with a full context: nltk counts an n-gram's context at the text's end, ours not
        np.testing.assert_allclose(our_logprobs[ORDER:], their_logprobs, atol=0.02)
        rows.append((our_fit, our_score, their_fit, their_score))
    ratios = [(tf + ts) / (of + os) for of, os, tf, ts in rows]
    medians = np.median(rows, axis=0)
    print(f"{len(train):,} training words, {len(test):,} scored, V = {len(known):,}, order {ORDER}")
    table(
        ["", "fit (s)", "score (s)", "together (s)"],
        [
            ["seqcourse", *(f"{x:.2f}" for x in medians[:2]), f"{medians[:2].sum():.2f}"],
            ["nltk.lm", *(f"{x:.2f}" for x in medians[2:]), f"{medians[2:].sum():.2f}"],
        ],
    )
    print(
        f"ours is {np.median(ratios):.0f} times as fast (median of {options.pairs} pairs; "
        f"{min(ratios):.0f} to {max(ratios):.0f})"
    )
    save(
        RESULTS,
        {
            "work": f"add-k trigrams: fit {len(train)} words, score {len(test)}",
            "seconds": {
                "ours": {"fit": medians[0], "score": medians[1]},
                "nltk.lm": {"fit": medians[2], "score": medians[3]},
            },
            "times_as_fast": {"median": np.median(ratios), "all": ratios},
            **machine("numpy", "nltk"),
        },
    )


if __name__ == "__main__":
    main()
