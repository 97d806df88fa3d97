from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqcourse.counts import NGramCounts, _distinct

V = 5
sequences = st.lists(
    st.lists(st.integers(0, V - 1), max_size=11).map(lambda s: np.array(s, dtype=np.int64)),
    min_size=1,
    max_size=4,
).filter(lambda several: any(len(s) for s in several))


def brute_force(several: list[np.ndarray], n: int) -> Counter:
    counts: Counter = Counter()
    for s in several:
        padded = [V] * (n - 1) + s.tolist()
        for length in range(1, n + 1):
            for end in range(n - 1, len(padded)):
                counts[tuple(padded[end - length + 1 : end + 1])] += 1
    return counts


@given(sequences, st.integers(1, 4))
def test_every_ngram_is_counted_as_by_hand(several, n):
    counts = NGramCounts(several, n=n, vocab_size=V)
    expected = brute_force(several, n)
    for ngram, count in expected.items():
        assert counts.count(ngram) == count
    for length in range(1, n + 1):
        kept = int((counts.levels[length - 1].counts > 0).sum())
        assert kept == sum(len(g) == length for g in expected)


@given(sequences, st.integers(2, 4))
def test_parents_and_suffixes_are_the_ngram_without_its_last_and_first_token(several, n):
    counts = NGramCounts(several, n=n, vocab_size=V)
    for ngram in brute_force(several, n):
        level = counts.levels[len(ngram) - 1]
        place = counts.find(ngram)
        assert level.parents[place] == counts.find(ngram[:-1])
        assert level.suffixes[place] == counts.find(ngram[1:])


def test_children_are_the_tokens_seen_after_a_context():
    counts = NGramCounts([np.array([0, 1, 0, 2, 0, 1])], n=2, vocab_size=3)
    where, tokens = counts.children(2, counts.find([0]))
    assert tokens.tolist() == [1, 2]
    assert counts.levels[1].counts[where].tolist() == [2, 1]


def test_the_empty_ngram_occurs_once_per_token_and_unseen_ones_never():
    counts = NGramCounts([np.array([0, 1]), np.array([1])], n=2, vocab_size=3)
    assert counts.count([]) == 3
    assert counts.count([2]) == counts.count([1, 1]) == counts.count([2, 2]) == 0


def test_sequences_do_not_run_into_each_other():
    counts = NGramCounts([np.array([0, 1]), np.array([2])], n=2, vocab_size=3)
    assert counts.count([1, 2]) == 0
    assert counts.count([counts.start, 2]) == 1


def test_an_empty_corpus_is_refused():
    with pytest.raises(ValueError, match="empty corpus"):
        NGramCounts([np.empty(0, dtype=np.int64)], n=2, vocab_size=3)
    with pytest.raises(ValueError, match="empty corpus"):
        NGramCounts([], n=1, vocab_size=3)


def test_n_below_one_and_too_long_a_question_are_refused():
    with pytest.raises(ValueError, match="n must be at least 1, but is 0"):
        NGramCounts([np.array([0])], n=0, vocab_size=3)
    with pytest.raises(ValueError, match="up to length 2 were counted, but this has 3"):
        NGramCounts([np.array([0])], n=2, vocab_size=3).count([0, 0, 0])


@pytest.mark.parametrize("largest", [1, 13, 1 << 40, (1 << 62) - 1])
def test_grouping_equals_numpys(largest):
    # the largest keys leave no room for positions beside them
    keys = np.random.default_rng(0).integers(0, largest, 101, endpoint=True)
    expected = np.unique(keys, return_index=True, return_inverse=True, return_counts=True)
    for ours, theirs in zip(_distinct(keys), expected, strict=True):
        assert ours.tolist() == theirs.tolist()


def test_nothing_has_no_groups():
    assert [len(part) for part in _distinct(np.empty(0, dtype=np.int64))] == [0, 0, 0, 0]
