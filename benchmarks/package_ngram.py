"""N-gram models of all of Shakespeare: ours against nltk.lm, and against KenLM for scoring.

With nltk both sides fit add-k models to the same words and score the same held-out words. KenLM's
own estimator is no part of its Python package: it scores our Kneser-Ney model from an ARPA file,
line by line. That both give the same probabilities is asserted before anything is timed.
"""

import tempfile
from collections.abc import Callable
from functools import cache, partial
from itertools import chain
from pathlib import Path
from typing import Any

import kenlm
import nltk.lm
import numpy as np
from common import Row
from nltk.util import everygrams

from seqcourse.arpa import write_arpa
from seqcourse.data import shakespeare_split
from seqcourse.ngram import AddK, KneserNey, NGram
from seqcourse.tokenizers import words
from seqcourse.vocab import Vocab

K = 0.1
Pair = tuple[Callable[[], Any], Callable[[], Any]]


@cache
def corpus() -> tuple[Vocab, list[str], list[list[str]]]:
    """Return the vocabulary, the training words, and the lines to score, of known words."""
    split = shakespeare_split()
    train = words(split.train)
    known = Vocab.build(train)
    lines = [[word for word in words(line) if word in known] for line in split.test.splitlines()]
    return known, train, [line for line in lines if line]


def fit_and_score(n: int) -> Pair:
    """Both fit n-grams with add-k to all words, and score the held-out text in one piece."""
    known, train, lines = corpus()
    test = list(chain(*lines))
    train_ids, test_ids = known.encode(train), known.encode(test)

    def ours(size: int | None = None) -> np.ndarray:
        model = NGram(n - 1, len(known), AddK(K)).fit(train_ids[:size])
        return model.logprobs(test_ids)[n - 1 :]  # nltk knows no start of the text

    def theirs(size: int | None = None) -> np.ndarray:
        model = nltk.lm.Lidstone(K, n)
        model.fit([everygrams(train[:size], max_len=n)], vocabulary_text=train)
        windows = zip(*(test[i:] for i in range(n)), strict=False)
        return np.array([model.logscore(word, context) for *context, word in windows]) * LN2

    # nltk counts one word more, the unknown one, and the text's end as a context
    np.testing.assert_allclose(ours(50_000), theirs(50_000), atol=0.02)
    return ours, theirs


def score_lines(n: int) -> Pair:
    """Both score each held-out line with the same Kneser-Ney model of all training words."""
    known, train, lines = corpus()
    model = NGram(n - 1, len(known), KneserNey()).fit(known.encode(train))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.arpa"
        write_arpa(model, known.tokens, path)
        peer = kenlm.Model(str(path))
    ids = [known.encode(line) for line in lines]
    # KenLM puts one start symbol before a line, ours sees n - 1
    texts = [" ".join(["<s>"] * (n - 2) + line) for line in lines]

    starts = np.cumsum([0, *map(len, ids[:-1])])

    def ours() -> np.ndarray:
        return np.add.reduceat(np.concatenate(model.logprobs_of(ids)), starts)

    def theirs() -> list[float]:
        return [peer.score(text, bos=True, eos=False) for text in texts]

    np.testing.assert_allclose(ours(), np.array(theirs()) * LN10, rtol=1e-5, atol=1e-4)
    return ours, theirs


LN2, LN10 = np.log([2, 10])
ROWS = [
    Row(
        f"{n}-grams of Shakespeare, add-k: fit 946,000 words, score 94,000",
        "nltk.lm",
        0.03,
        partial(fit_and_score, n),
        pairs=pairs,
        warm=False,
        note="The probabilities agree to 0.02 nats: nltk counts one unknown word more.",
    )
    for n, pairs in ((3, 3), (5, 1))
] + [
    Row(
        f"{n}-grams of Shakespeare, Kneser-Ney: score 12,500 lines",
        "KenLM",
        2.0,
        partial(score_lines, n),
        note=(
            "KenLM reads our model from an ARPA file, and the lines as strings; ours reads ids. "
            "The probabilities are the same."
        ),
    )
    for n in (3, 5)
]
