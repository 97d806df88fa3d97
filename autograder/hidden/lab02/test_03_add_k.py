"""Task `add-k`: add-k smoothing, from n-gram counts."""

from collections import Counter
from typing import Any

import numpy as np

from autograder.hidden.lab02 import reference
from autograder.suite import expect_close, expect_shape, task


def counted(rng: np.random.Generator, n: int, words: int = 6) -> Counter[tuple[int, ...]]:
    """Count the n-grams of a random text."""
    return reference.ngram_counts(rng.integers(words, size=97).tolist(), n)


@task("add-k", points=0.5, hint="One probability for each query: shape (Q,).")
def test_add_k_shape(student: Any, rng: np.random.Generator) -> None:
    """One number comes back for each query."""
    tables = reference.as_arrays(counted(rng, 2), 2)
    got = student.add_k(*tables, rng.integers(6, size=(13, 2)), 6, 1.0)
    expect_shape(got, (13,), what="the array of probabilities", lists=True)


@task("add-k", points=0.5, after=test_add_k_shape, hint="np.array makes an array of a list.")
def test_add_k_array(student: Any, rng: np.random.Generator) -> None:
    """The probabilities come as an array."""
    tables = reference.as_arrays(counted(rng, 2), 2)
    got = student.add_k(*tables, rng.integers(6, size=(13, 2)), 6, 1.0)
    expect_shape(got, (13,), what="the array of probabilities")


@task(
    "add-k",
    points=2,
    after=test_add_k_shape,
    hint="(#(h w) + k) / (#(h) + k V), where #(h) is the sum of #(h w) over all words w.",
)
def test_add_k_values(student: Any, rng: np.random.Generator) -> None:
    """Bigrams, trigrams and 4-grams get their probability, seen or unseen."""
    for n, k in ((2, 1.0), (3, 0.3), (4, 0.5)):
        counts, queries = counted(rng, n, words=3), rng.integers(5, size=(53, n))
        got = student.add_k(*reference.as_arrays(counts, n), queries, 5, k)
        wanted = [reference.add_k(counts, query, 5, k) for query in queries.tolist()]
        expect_close(got, np.array(wanted), what=f"the probability for n = {n}")


@task(
    "add-k",
    points=2,
    after=test_add_k_shape,
    hint="Sum your formula over all V words by hand. V counts words, not n-grams.",
)
def test_add_k_sums_to_one(student: Any, rng: np.random.Generator) -> None:
    """After any context, the probabilities of all words sum to one."""
    tables = reference.as_arrays(counted(rng, 3), 3)
    for context in ([0, 1], [5, 5], [9, 0]):
        queries = np.array([[*context, word] for word in range(17)])
        got = student.add_k(*tables, queries, 17, 0.7)
        expect_shape(got, (17,), what="the array of probabilities", lists=True)
        expect_close(np.sum(got), 1.0, what="the sum over all words")


@task(
    "add-k",
    points=1,
    after=test_add_k_shape,
    hint="For n = 1 the context is empty: divide by the number of all tokens, plus k V.",
)
def test_add_k_unigrams(student: Any, rng: np.random.Generator) -> None:
    """It works for unigrams, whose context is empty."""
    counts, queries = counted(rng, 1), np.arange(11)[:, None]
    got = student.add_k(*reference.as_arrays(counts, 1), queries, 11, 0.5)
    wanted = [reference.add_k(counts, query, 11, 0.5) for query in queries.tolist()]
    expect_close(got, np.array(wanted), what="the unigram probability")


@task(
    "add-k",
    points=1,
    after=test_add_k_shape,
    hint="With k = 0 a seen context gives relative frequencies, an unseen one 1/V and no 0/0.",
)
def test_add_k_nothing_added(student: Any, rng: np.random.Generator) -> None:
    """Where nothing was seen and nothing is added, the probability is 1/V."""
    counts, queries = counted(rng, 2), np.array([[1, 2], [0, 0], [8, 3], [2, 9]])
    got = student.add_k(*reference.as_arrays(counts, 2), queries, 10, 0)
    wanted = [reference.add_k(counts, query, 10, 0) for query in queries.tolist()]
    expect_close(got, np.array(wanted), what="the probability with k = 0")
    nothing = reference.as_arrays(Counter(), 2)
    for k in (0, 0.5):
        got = student.add_k(*nothing, queries, 10, k)
        expect_close(got, np.full(4, 0.1), what="the probability without counts")


@task(
    "add-k",
    points=0.5,
    after=test_add_k_shape,
    hint="Store the n-grams that occur (in a dictionary, say), not all that could.",
)
def test_add_k_large_vocabulary(student: Any, rng: np.random.Generator) -> None:
    """Trigrams of 5000 words fit into memory."""
    counts = reference.ngram_counts((rng.zipf(1.2, size=3000) % 5000).tolist(), 3)
    tables = reference.as_arrays(counts, 3)
    queries = np.r_[rng.choice(tables[0], size=17), rng.integers(5000, size=(3, 3))]
    queries[11:17, 2] = rng.integers(5000, size=6)  # after a context that was seen
    got = student.add_k(*tables, queries, 5000, 0.2)
    wanted = [reference.add_k(counts, query, 5000, 0.2) for query in queries.tolist()]
    expect_close(got, np.array(wanted), what="the trigram probability")


@task(
    "add-k",
    points=0.5,
    after=test_add_k_shape,
    hint="Look n-grams up in a dictionary or a sorted table; don't search all of them each time.",
    timeout=15,
)
def test_add_k_cost(student: Any, rng: np.random.Generator) -> None:
    """20 000 queries of 60 000 n-grams take a few seconds at most."""
    ids = rng.integers(3000, size=60_000)
    grams, sizes = np.unique(np.stack((ids[:-1], ids[1:]), axis=1), axis=0, return_counts=True)
    queries = rng.integers(3000, size=(20_000, 2))
    got = student.add_k(grams, sizes, queries, 3000, 0.1)
    expect_shape(got, (20_000,), what="the array of probabilities", lists=True)
    totals = np.bincount(grams[:, 0], weights=sizes, minlength=3000)
    dense = np.zeros((3000, 3000))
    dense[tuple(grams.T)] = sizes
    wanted = (dense[tuple(queries.T)] + 0.1) / (totals[queries[:, 0]] + 0.1 * 3000)
    expect_close(got, wanted, what="the bigram probability")
