import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqcourse.bpe import BPE
from seqcourse.tokenizers import (
    characters,
    detokenize,
    encode_batch,
    fertility,
    utf8_bytes,
    words,
)


@given(st.text())
def test_words_lose_nothing_but_white_space(text):
    assert "".join(words(text)) == "".join(text.split())


@given(st.text())
def test_characters_and_bytes_lose_nothing(text):
    assert "".join(characters(text)) == text
    assert bytes(utf8_bytes(text).astype(np.uint8)) == text.encode()


def test_words_can_be_lowered():
    assert words("To BE", lower=True) == ["to", "be"]


def test_detokenizing_closes_up_before_punctuation():
    assert detokenize(words("Well, good night.")) == "Well, good night."


def test_a_batch_is_cut_off_and_filled_up():
    tokenizer = BPE([])
    texts = ["abcde", "", "ab", "abc"]
    batch = encode_batch(tokenizer, texts, max_length=3, padding=7)
    expected = [tokenizer.encode(text)[:3].tolist() for text in texts]
    assert batch.lengths.tolist() == [3, 0, 2, 3]
    assert batch.values.shape == (4, 3)
    for row, mask, ids in zip(batch.values, batch.mask, expected, strict=True):
        assert row[mask].tolist() == ids
        assert set(row[~mask].tolist()) <= {7}
    assert encode_batch(tokenizer, texts).values.shape == (4, 5)
    with pytest.raises(ValueError, match="max_length must be at least 1, but is 0"):
        encode_batch(tokenizer, texts, max_length=0)
    with pytest.raises(ValueError, match="no texts"):
        encode_batch(tokenizer, [])


def test_fertility_is_tokens_per_word():
    # bytes, the spaces among them: 4 + 1 + 2 for two words
    assert fertility(BPE([]), "aé ab") == 3
    assert fertility(BPE([]), "ab\n c") == 2.5
    with pytest.raises(ValueError, match="the text has no word"):
        fertility(BPE([]), " \n")
