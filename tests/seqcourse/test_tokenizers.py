import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from seqcourse.tokenizers import characters, detokenize, utf8_bytes, words


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
