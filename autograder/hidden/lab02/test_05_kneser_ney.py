"""Task `kneser-ney`: interpolated Kneser-Ney, of any order."""

from typing import Any

import numpy as np

from autograder.hidden.lab02 import reference
from autograder.suite import expect_close, expect_shape, expect_true, task

V = 7


def text(rng: np.random.Generator, length: int = 83) -> np.ndarray:
    """Draw a text that leaves word 6 out and uses word 0 most."""
    return np.minimum(rng.geometric(0.35, size=length) - 1, 5)


def wanted(ids: np.ndarray, contexts: np.ndarray, discount: float) -> np.ndarray:
    """Work out the distributions, context by context."""
    rows = [
        reference.kneser_ney(ids.tolist(), context, V, discount) for context in contexts.tolist()
    ]
    return np.array(rows)


@task("kneser-ney", points=0.5, hint="A row of V probabilities for each context: shape (Q, V).")
def test_kneser_ney_shapes(student: Any, rng: np.random.Generator) -> None:
    """The result has shape (Q, V), for contexts of 0, 1 and 2 words."""
    for k in (0, 1, 2):
        got = student.kneser_ney(text(rng), rng.integers(V, size=(3, k)), V, 0.5)
        expect_shape(got, (3, V), what=f"the result for k = {k}", lists=True)


@task(
    "kneser-ney",
    points=0.5,
    after=test_kneser_ney_shapes,
    hint="np.array makes an array of a list.",
)
def test_kneser_ney_array(student: Any, rng: np.random.Generator) -> None:
    """The distributions come as an array."""
    got = student.kneser_ney(text(rng), rng.integers(V, size=(3, 1)), V, 0.5)
    expect_shape(got, (3, V), what="the result")


@task(
    "kneser-ney",
    points=3,
    after=test_kneser_ney_shapes,
    hint="Plain counts on top, discounted; the rest goes to p(w) by continuation counts.",
)
def test_kneser_ney_bigrams(student: Any, rng: np.random.Generator) -> None:
    """Bigram distributions after seen words are right."""
    ids = text(rng)
    contexts = np.unique(ids[:-1])[:, None]
    for discount in (0.75, 0.4):
        got = student.kneser_ney(ids, contexts, V, discount)
        expect_close(got, wanted(ids, contexts, discount), what="the bigram distribution")


@task(
    "kneser-ney",
    points=2,
    after=test_kneser_ney_shapes,
    hint="Where the context was never seen, p(w | h) = p(w | h'), with continuation counts.",
)
def test_kneser_ney_unseen_contexts(student: Any, rng: np.random.Generator) -> None:
    """After a context never seen, the next shorter context decides alone."""
    ids = np.r_[text(rng), 5, 5, 4]
    for contexts in (np.array([[6]]), np.array([[6, 0], [6, 6], [0, 6]])):
        got = student.kneser_ney(ids, contexts, V, 0.6)
        expect_close(got, wanted(ids, contexts, 0.6), what="the distribution")


@task(
    "kneser-ney",
    points=2,
    after=test_kneser_ney_shapes,
    hint="In a trigram model the bigram level, too, counts the different words in front.",
)
def test_kneser_ney_trigrams(student: Any, rng: np.random.Generator) -> None:
    """Trigram distributions are right."""
    ids = text(rng, 131)
    contexts = np.lib.stride_tricks.sliding_window_view(ids, 2)[20:43]
    got = student.kneser_ney(ids, contexts, V, 0.7)
    expect_close(got, wanted(ids, contexts, 0.7), what="the trigram distribution")


@task(
    "kneser-ney",
    points=1,
    after=test_kneser_ney_shapes,
    hint="There are k + 1 levels, whatever k is: one for each length of context from k down to 0.",
)
def test_kneser_ney_four_grams(student: Any, rng: np.random.Generator) -> None:
    """4-gram distributions are right."""
    ids = text(rng, 397)
    contexts = np.lib.stride_tricks.sliding_window_view(ids, 3)[20:37]
    got = student.kneser_ney(ids, contexts, V, 0.8)
    expect_close(got, wanted(ids, contexts, 0.8), what="the 4-gram distribution")


@task(
    "kneser-ney",
    points=1,
    after=test_kneser_ney_shapes,
    hint="With k = 0 the empty context is the top level: plain counts, then 1/V below.",
)
def test_kneser_ney_unigrams(student: Any, rng: np.random.Generator) -> None:
    """Order 0 discounts plain counts and gives the rest to all words alike."""
    ids, contexts = text(rng), np.empty((2, 0), dtype=np.int64)
    got = student.kneser_ney(ids, contexts, V, 0.75)
    expect_close(got, wanted(ids, contexts, 0.75), what="the unigram distribution")


@task(
    "kneser-ney",
    points=1,
    after=test_kneser_ney_shapes,
    hint="What the discount takes away is d N(h •) / c(h •): exactly that is passed on.",
)
def test_kneser_ney_sums_to_one(student: Any, rng: np.random.Generator) -> None:
    """Every distribution sums to one, also with discounts of 0 and 1."""
    ids = text(rng)
    for k in (1, 2):
        for discount in (0.0, 0.5, 1.0):
            got = student.kneser_ney(ids, rng.integers(V, size=(19, k)), V, discount)
            expect_shape(got, (19, V), what="the result", lists=True)
            expect_close(np.sum(got, axis=-1), np.ones(19), what="the sum of each row")


@task(
    "kneser-ney",
    points=1,
    after=test_kneser_ney_shapes,
    hint="A word that follows one word only is unlikely after any other, however frequent it is.",
)
def test_kneser_ney_francisco(student: Any, rng: np.random.Generator) -> None:
    """A word that is frequent after a single word is not expected after others."""
    san, francisco, glasses, others = 0, 1, 2, [3, 4, 5, 6, 7, 8]
    pieces = [[other, glasses] * 3 for other in others] + [[san, francisco]] * 60
    ids = np.concatenate(pieces)
    got = student.kneser_ney(ids, np.array([[9]]), 10, 0.75)
    expect_shape(got, (1, 10), what="the result", lists=True)
    p = reference.from_lists(got)
    expect_true(
        float(p[0, glasses]) > 3 * float(p[0, francisco]),
        "After a new word, it expects a word that has only ever followed one other.",
    )


@task(
    "kneser-ney",
    points=1,
    after=test_kneser_ney_shapes,
    hint="Without any count, nothing is left but the uniform distribution. Never divide by 0.",
)
def test_kneser_ney_short_texts(student: Any, rng: np.random.Generator) -> None:
    """Texts of length 0, 1 and 2 are no problem."""
    for length in (0, 1, 2):
        ids, contexts = np.arange(length), np.array([[0, 1], [3, 0]])
        got = student.kneser_ney(ids, contexts, V, 0.75)
        expect_close(got, wanted(ids, contexts, 0.75), what=f"the result, length {length}")


@task(
    "kneser-ney",
    points=1,
    after=test_kneser_ney_shapes,
    hint="Store the n-grams that occur (in a dictionary, say), not all that could.",
    timeout=15,
)
def test_kneser_ney_large_vocabulary(student: Any, rng: np.random.Generator) -> None:
    """Trigrams of 5000 words fit into memory, and take a few seconds at most."""
    ids = rng.integers(5, 5000, size=20_000)
    ids[:5] = rng.permutation(5)  # seen once each, so no pair of them comes again
    contexts = np.lib.stride_tricks.sliding_window_view(ids, 2)[:3]
    got = student.kneser_ney(ids, contexts, 5000, 0.75)
    expect_shape(got, (3, 5000), what="the result", lists=True)
    got = reference.from_lists(got)
    expect_close(got.sum(axis=1), np.ones(3), what="the sum of each row")
    expect_true(
        all(int(row.argmax()) == after for row, after in zip(got, ids[2:5].tolist(), strict=True)),
        "After a pair of words seen once, the word that came then should be the most probable.",
    )
