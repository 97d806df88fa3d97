"""Task `ngram-counts`: every n-gram of a text, with how often it occurs."""

from typing import Any

import numpy as np

from autograder.hidden.lab02 import reference
from autograder.remote import cpu_seconds
from autograder.suite import expect_equal, expect_raises, expect_shape, expect_true, task

WORDS = 1000
BUDGET = 10  # times the grader's own, as the notebook says
ROUNDS = 3  # a busy machine may spoil one measurement; a slow answer is slow in all of them


Table = tuple[np.ndarray, np.ndarray]


def counted(student: Any, ids: np.ndarray, n: int) -> Table:
    """Return n-grams (N, n) and counts (N,) as arrays, no more of them than the text has windows.

    Whether they came as arrays is another test's business.
    """
    ngrams, counts = student.ngram_counts(ids, n)
    sequence = isinstance(ngrams, np.ndarray | list | tuple)
    expect_true(sequence, "The n-grams should be an array.")
    few = len(ngrams) <= max(len(ids) - n + 1, 0)
    expect_true(few, "There are more n-grams than the text has windows.")
    expect_shape(ngrams, (len(ngrams), n), what="the array of n-grams", lists=True)
    expect_shape(counts, (len(ngrams),), what="the array of counts", lists=True)
    return reference.from_lists(ngrams), reference.from_lists(counts)


@task("ngram-counts", points=0.5, hint="Return n-grams (N, n) and counts (N,).")
def test_ngram_shapes(student: Any, rng: np.random.Generator) -> None:
    """N-grams come as (N, n), counts as (N,)."""
    for n in (2, 3):
        counted(student, np.array([4, 2, 4, 2, 7]), n)


@task(
    "ngram-counts", points=0.5, after=test_ngram_shapes, hint="np.array makes an array of a list."
)
def test_ngram_arrays(student: Any, rng: np.random.Generator) -> None:
    """N-grams and counts come as arrays."""
    ngrams, counts = student.ngram_counts(np.array([4, 2, 4, 2, 7]), 2)
    expect_shape(ngrams, (len(ngrams), 2), what="the array of n-grams")
    expect_shape(counts, (len(ngrams),), what="the array of counts")


@task(
    "ngram-counts",
    points=3,
    after=test_ngram_shapes,
    hint="A text of T tokens has T - n + 1 windows; they overlap, and the last one counts too.",
)
def test_ngram_counts(student: Any, rng: np.random.Generator) -> None:
    """Each n-gram is counted as often as it occurs, for n from 1 to 5."""
    for n in (1, 2, 3, 5):
        ids = rng.integers(4, size=173)
        ngrams, counts = counted(student, ids, n)
        found = [(*gram, size) for gram, size in zip(ngrams.tolist(), counts.tolist(), strict=True)]
        wanted = [(*gram, size) for gram, size in reference.ngram_counts(ids.tolist(), n).items()]
        expect_equal(sorted(found), sorted(wanted), what=f"the set of n-grams for n = {n}")


@task(
    "ngram-counts",
    points=1,
    after=test_ngram_shapes,
    hint="Sort by the first token, ties by the second, and so on; as numbers, so 9 before 10.",
)
def test_ngram_order(student: Any, rng: np.random.Generator) -> None:
    """N-grams come in lexicographic order."""
    ngrams, _ = counted(student, rng.integers(30, size=211), 3)
    rows = [tuple(row) for row in ngrams.tolist()]
    expect_equal(rows, sorted(rows), what="the order of the n-grams")


@task(
    "ngram-counts",
    points=1,
    after=test_ngram_shapes,
    hint="A text shorter than n has no n-grams: shapes (0, n) and (0,). One of length n has one.",
)
def test_ngram_short_texts(student: Any, rng: np.random.Generator) -> None:
    """Texts of length 0, n-1 and n are counted right."""
    for length, expected in ((0, 0), (2, 0), (3, 1)):
        ngrams, counts = counted(student, np.arange(length), 3)
        text = f"a text of length {length}"
        expect_shape(ngrams, (expected, 3), what=f"the array of n-grams of {text}")
        expect_equal(counts.tolist(), [1] * expected, what=f"the array of counts of {text}")


@task(
    "ngram-counts",
    points=1,
    after=test_ngram_counts,
    hint="If you pack an n-gram into one int64, four large ids don't fit into it.",
)
def test_ngram_large_ids(student: Any, rng: np.random.Generator) -> None:
    """Ids of several hundred millions are told apart."""
    # with a base of 2**29, the first id of four would leave an int64 at the top
    ids = np.array([5, 1, 2, 3, 6, 1, 2, 3, 2**29 - 1, 5, 1, 2, 3])
    wanted = reference.as_arrays(reference.ngram_counts(ids.tolist(), 4), 4)
    ngrams, counts = counted(student, ids, 4)
    expect_equal(ngrams, wanted[0], what="the array of n-grams")
    expect_equal(counts, wanted[1], what="the array of counts")


@task("ngram-counts", points=1, hint="Check n first, and raise a ValueError.")
def test_ngram_bad_n(student: Any, rng: np.random.Generator) -> None:
    """An n below 1 is refused with a ValueError."""
    for n in (0, -1):
        expect_raises("ValueError", student.ngram_counts, np.array([1, 2, 3]), n)


@task(
    "ngram-counts",
    points=2,
    after=test_ngram_shapes,
    hint="Right and quick: sort numbers, not rows of bytes, with no Python loop over the tokens.",
)
def test_ngram_cost(student: Any, rng: np.random.Generator) -> None:
    """A million tokens take at most ten times as long as the grader's own counting."""
    for _ in range(ROUNDS):
        ids = rng.zipf(1.3, size=1_000_000) % WORDS  # another text: no answer can be kept
        begin = cpu_seconds(student)
        ngrams, counts = counted(student, ids, 3)
        theirs = cpu_seconds(student) - begin
        if fast := theirs <= BUDGET * reference.seconds(reference.fast_trigrams, ids, WORDS):
            break
    expect_true(fast, "It takes more than ten times as long as the grader's own.")
    wanted = reference.fast_trigrams(ids, WORDS)
    expect_equal(ngrams, wanted[0], what="the array of n-grams")
    expect_equal(counts, wanted[1], what="the array of counts")
