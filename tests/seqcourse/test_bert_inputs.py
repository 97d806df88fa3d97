from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom
from tokenizers import Tokenizer, models, processors

from seqcourse.bert_inputs import (
    SpecialIds,
    join_pair,
    next_sentence_pairs,
    pair_batch,
    truncate_pair,
)

SPECIAL = SpecialIds(pad=0, cls=2, sep=3, mask=4, unk=1)
NAMES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


# --- special ids -------------------------------------------------------------------------------


def test_special_ids_are_found_by_name():
    assert SpecialIds.find([*NAMES, "to", "be"]) == SPECIAL
    assert SPECIAL.all == [0, 1, 2, 3, 4]
    without = [name for name in NAMES if name != "[UNK]"]
    assert SpecialIds.find(["to", *without]) == SpecialIds(pad=1, cls=2, sep=3, mask=4)
    assert SpecialIds(pad=9, cls=2, sep=3, mask=4).all == [2, 3, 4, 9]


def test_a_vocabulary_without_special_tokens_is_refused():
    with pytest.raises(ValueError, match="of 3 tokens has no \\[CLS\\], \\[MASK\\]; train it with"):
        SpecialIds.find(["[PAD]", "[SEP]", "to"])


def test_special_ids_must_differ():
    with pytest.raises(ValueError, match="special tokens need different ids, but got .*cls=3"):
        SpecialIds(pad=0, cls=3, sep=3, mask=4)
    with pytest.raises(ValueError, match="different ids"):
        SpecialIds(pad=0, cls=2, sep=3, mask=4, unk=0)


# --- pairs -------------------------------------------------------------------------------------


def documents(sizes: list[int]) -> list[list[np.ndarray]]:
    """Sentences of one id each: 100 times the document's number, plus the sentence's."""
    return [[np.array([100 * d + s]) for s in range(size)] for d, size in enumerate(sizes)]


def pairs_of(sizes: list[int], seed: int = 0) -> list[tuple[int, int, bool]]:
    pairs = next_sentence_pairs(documents(sizes), rng=np.random.default_rng(seed))
    return [(p.first.item(), p.second.item(), p.is_next) for p in pairs]


def test_half_of_the_pairs_follow_and_strangers_come_from_all_other_documents():
    pairs = pairs_of([97, 89, 83])
    assert len(pairs) == 96 + 88 + 82  # every sentence that has a successor, once
    assert sorted(first for first, _, _ in pairs) == sorted(
        100 * d + s for d, size in enumerate([97, 89, 83]) for s in range(size - 1)
    )
    low, high = binom.interval(1 - 1e-6, len(pairs), 0.5)
    assert low <= sum(is_next for _, _, is_next in pairs) <= high
    assert all(b == a + 1 for a, b, is_next in pairs if is_next)
    strangers = [(a // 100, b // 100) for a, b, is_next in pairs if not is_next]
    assert all(a != b for a, b in strangers)
    assert len(Counter(strangers)) == 6  # each document meets each other one


def test_the_same_seed_gives_the_same_pairs():
    assert pairs_of([7, 5], seed=3) == pairs_of([7, 5], seed=3)
    assert pairs_of([7, 5], seed=3) != pairs_of([7, 5], seed=4)


def test_empty_documents_do_not_count_and_lone_sentences_are_strangers_only():
    pairs = pairs_of([0, 11, 1])
    assert len(pairs) == 10
    assert {second for _, second, is_next in pairs if not is_next} == {200}


@pytest.mark.parametrize("sizes", [[], [5], [5, 0]])
def test_one_document_has_no_strangers(sizes):
    with pytest.raises(ValueError, match="from at least 2 documents to draw strangers, but got"):
        pairs_of(sizes)


# --- inputs ------------------------------------------------------------------------------------


def truncated_one_by_one(a: int, b: int, length: int) -> tuple[int, int]:
    """Devlin's rule, literally: while too long, the longer one loses a token, or the second."""
    while a + b > length:
        a, b = (a - 1, b) if a > b else (a, b - 1)
    return a, b


@given(st.integers(0, 13), st.integers(0, 13), st.integers(0, 29))
def test_truncation_takes_from_the_longer_one(a, b, length):
    first, second = truncate_pair(np.arange(a), np.arange(b), length)
    assert (len(first), len(second)) == truncated_one_by_one(a, b, length)
    np.testing.assert_array_equal(first, np.arange(len(first)))
    np.testing.assert_array_equal(second, np.arange(len(second)))


def peer(length: int) -> Tokenizer:
    """The tokenizers library's BERT post-processing of a vocabulary of numbers."""
    words = {**{name: i for i, name in enumerate(NAMES)}, **{str(i): i for i in range(5, 99)}}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokenizer.enable_truncation(length, strategy="longest_first")
    return tokenizer


@pytest.mark.parametrize(("a", "b", "length"), [(3, 2, 31), (7, 2, 11), (2, 7, 9), (11, 5, 13)])
def test_joined_pairs_equal_the_tokenizers_library(a, b, length):
    first, second = np.arange(5, 5 + a), np.arange(40, 40 + b)
    ids, segments = join_pair(first, second, special=SPECIAL, length=length)
    theirs = peer(length).encode(
        [str(i) for i in first], [str(i) for i in second], is_pretokenized=True
    )
    assert ids.tolist() == theirs.ids
    assert segments.tolist() == theirs.type_ids


def test_a_single_sentence_has_one_segment():
    ids, segments = join_pair(np.arange(5, 12), special=SPECIAL, length=5)
    assert ids.tolist() == [2, 5, 6, 7, 3]
    assert segments.tolist() == [0] * 5


def test_inputs_of_nothing():
    none = np.empty(0, dtype=np.int64)
    assert join_pair(none, special=SPECIAL, length=2)[0].tolist() == [2, 3]
    ids, segments = join_pair(none, none, special=SPECIAL, length=3)
    assert (ids.tolist(), segments.tolist()) == ([2, 3, 3], [0, 0, 1])


def test_a_batch_is_padded_to_its_longest():
    one, two = np.array([5]), np.array([6, 7])
    tokens, segments = pair_batch([(one, two), (two, None)], special=SPECIAL, length=11)
    assert tokens.values.tolist() == [[2, 5, 3, 6, 7, 3], [2, 6, 7, 3, 0, 0]]
    assert tokens.lengths.tolist() == [6, 4]
    assert segments.tolist() == [[0, 0, 0, 1, 1, 1], [0] * 6]


def test_padding_takes_the_pad_id():
    special = SpecialIds(pad=9, cls=2, sep=3, mask=4)
    pairs = [(np.array([5]), None), (np.array([], dtype=np.int64), None)]
    tokens, _ = pair_batch(pairs, special=special, length=5)
    assert tokens.values.tolist() == [[2, 5, 3], [2, 3, 9]]


def test_impossible_inputs_are_refused():
    word = np.array([5])
    with pytest.raises(ValueError, match="length must be at least 0, but is -1"):
        truncate_pair(word, word, -1)
    with pytest.raises(ValueError, match="length must be at least 2, for \\[CLS\\] and \\[SEP\\]"):
        join_pair(word, special=SPECIAL, length=1)
    with pytest.raises(ValueError, match="length must be at least 3, .*, but is 2"):
        join_pair(word, word, special=SPECIAL, length=2)
    with pytest.raises(ValueError, match="cannot make a batch of no pairs"):
        pair_batch([], special=SPECIAL, length=7)
