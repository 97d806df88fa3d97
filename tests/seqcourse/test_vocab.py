import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqcourse.vocab import Vocab

WORDS = ["to", "be", "or", "not", "to", "be", "that"]


def test_ids_follow_frequency_then_the_alphabet():
    vocab = Vocab.build(WORDS, end="</s>")
    assert vocab.tokens == ("<unk>", "</s>", "be", "to", "not", "or", "that")
    assert (vocab.unk_id, vocab.end_id, vocab.id("to")) == (0, 1, 3)


@given(st.lists(st.text(min_size=1), min_size=1))
def test_what_is_in_the_vocabulary_survives_a_round_trip(tokens):
    vocab = Vocab.build(tokens, unk=None)
    assert vocab.decode(vocab.encode(tokens)) == tokens
    assert len(vocab) == len(set(tokens))


def test_rare_and_surplus_tokens_become_unknown():
    assert Vocab.build(WORDS, min_count=2).tokens == ("<unk>", "be", "to")
    assert Vocab.build(WORDS, max_size=2).tokens == ("<unk>", "be")
    assert Vocab.build(WORDS, max_size=2).encode(["be", "never-seen"]).tolist() == [1, 0]


def test_a_corpus_that_contains_the_unknown_token_does_not_get_it_twice():
    assert Vocab.build(["<unk>", "a"]).tokens == ("<unk>", "a")


def test_the_end_token_is_appended_when_asked_for():
    vocab = Vocab.build(["a"], end="</s>")
    assert vocab.encode(["a"], end=True).tolist() == [2, 1]
    assert "</s>" in vocab
    assert "b" not in vocab


def test_encoding_nothing_gives_an_empty_array():
    assert Vocab(["a"]).encode([]).shape == (0,)


def test_bad_input_is_explained():
    with pytest.raises(KeyError, match="'c' is not in the vocabulary of 2 tokens.*unk='<unk>'"):
        Vocab(["a", "b"]).encode(["c"])
    with pytest.raises(ValueError, match="repeated: \\['a'\\]"):
        Vocab(["a", "a"])
    with pytest.raises(ValueError, match="unk='<unk>' is not among the tokens"):
        Vocab(["a"], unk="<unk>")
    with pytest.raises(ValueError, match="empty corpus"):
        Vocab.build([])
    with pytest.raises(ValueError, match="leaves no room"):
        Vocab.build(["a"], max_size=1)
    with pytest.raises(ValueError, match="no end token"):
        Vocab(["a"]).encode(["a"], end=True)
    with pytest.raises(ValueError, match="ids contains the id 1, but the vocabulary has ids 0 … 0"):
        Vocab(["a"]).decode([1])
