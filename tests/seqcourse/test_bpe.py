import json
import random
from collections import Counter

import numpy as np
import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from seqcourse.bpe import _GPT2_ASCII, BPE, GPT2_PATTERN
from seqcourse.bpe_merges import (
    byte_order,
    count_pairs,
    learn_merges,
    learn_merges_naive,
    merge,
)
from seqcourse.data import load
from seqcourse.tokenizers import Tokenizer as AnyTokenizer

END = "<|endoftext|>"


@pytest.fixture(scope="module")
def hamlet() -> str:
    return load("shakespeare")["Hamlet"]


@pytest.fixture(scope="module")
def gpt2() -> BPE:
    return BPE.gpt2()


# --- by hand ---------------------------------------------------------------------------


def test_wikipedias_example():
    # aaabdaaabac: "aa" four times (overlapping) -> Z; ab and Za twice each, and "ab" has the
    # smaller ids -> Y; ZY twice -> X; XdXac
    tokenizer = BPE(learn_merges({"aaabdaaabac": 1}, 3))
    assert tokenizer.tokens[256:] == (b"aa", b"ab", b"aaab")
    assert tokenizer.tokenize("aaabdaaabac") == ["aaab", "d", "aaab", "a", "c"]


def test_peter_piper():
    sentence = "Peter Piper picked a peck of pickled peppers"
    assert [sentence.count(pair) for pair in ("pe", "ck", "pi", "ed")] == [4, 3, 2, 2]
    words = Counter(sentence.split())  # as on paper: without the spaces
    # pe 4, ck 3; then of those that occur twice (ed, pi, ick, per) the smallest ids: "ed",
    # "ick", now "pick" takes the place of "pi", and last "per"
    tokens = BPE(learn_merges(words, 6)).tokens[256:]
    assert tokens == (b"pe", b"ck", b"ed", b"ick", b"pick", b"per")


def test_merging_goes_from_left_to_right():
    assert merge((1, 1, 1, 2, 1, 1), (1, 1), 7) == (7, 1, 2, 7)
    assert merge((1,), (1, 1), 7) == (1,)
    assert merge((), (1, 1), 7) == ()


def test_counting_pairs_weighs_words():
    assert count_pairs({(1, 2, 1, 2): 3, (2, 1): 5, (): 2}) == {(1, 2): 6, (2, 1): 8}


def test_bytes_are_ordered_as_in_gpt2s_table():
    order = byte_order()
    assert sorted(order) == list(range(256))
    assert order[:94] == bytes(range(33, 127))
    assert order[-1] == 0xAD  # the soft hyphen leaves no mark


# --- the fast path equals the slow one -------------------------------------------------


@settings(deadline=None)
@given(
    st.dictionaries(st.text("abcé", max_size=9), st.integers(1, 5), max_size=9),
    st.integers(0, 30),
)
def test_fast_learning_equals_naive_learning(counts, n):
    assert learn_merges(counts, n) == learn_merges_naive(counts, n)


def test_fast_learning_equals_naive_learning_on_a_text(hamlet):
    counts = Counter(regex.findall(GPT2_PATTERN, hamlet[:9000]))
    assert learn_merges(counts, 60) == learn_merges_naive(counts, 60)


def test_learning_ends_when_nothing_is_left_to_merge():
    for text, merges in (("", 0), ("a", 0), ("ab", 1), ("a b", 1)):
        tokenizer = BPE.train(text, 300)
        assert len(tokenizer.merges) == merges
        assert tokenizer.decode(tokenizer.encode(text)) == text


def test_two_ways_to_spell_a_token_make_one_token():
    # "abc" as a + bc and as ab + c
    a, b, c = BPE([]).encode("abc").tolist()
    tokenizer = BPE([(b, c), (a, 256), (a, b), (258, c)])
    assert tokenizer.tokens[256:] == (b"bc", b"abc", b"ab")
    assert tokenizer.tokenize("abc") == ["abc"]


# --- oracle: Hugging Face's tokenizers -------------------------------------------------


def their_tokenizer(model: models.BPE) -> Tokenizer:
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return tokenizer


def test_merges_and_ids_equal_tokenizers(hamlet):
    theirs = their_tokenizer(models.BPE())
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=1256, initial_alphabet=alphabet, show_progress=False)
    theirs.train_from_iterator([hamlet], trainer)
    ours = BPE.train(hamlet, 1256)
    model = json.loads(theirs.to_str())["model"]
    assert [(model["vocab"][a], model["vocab"][b]) for a, b in model["merges"]] == list(ours.merges)
    other = load("shakespeare")["Macbeth"]
    assert ours.encode(other).tolist() == theirs.encode(other).ids


def test_gpt2s_table_is_read_as_tokenizers_reads_it(gpt2, hamlet):
    table = load("gpt2-bpe")
    theirs = their_tokenizer(models.BPE(vocab=table.ids, merges=table.merges))
    assert gpt2.vocab_size == 50_257 == len(table.ids)
    assert gpt2.special_id(END) == table.ids[END] == 50_256
    assert gpt2.encode(hamlet).tolist() == theirs.encode(hamlet).ids
    draw = random.Random(0)
    ranges = [(32, 127), (0, 0x250), (0, 0xD800), (0xE000, 0x11000), (32, 33), (9, 14)]
    for _ in range(200):
        text = "".join(chr(draw.randrange(*draw.choice(ranges))) for _ in range(41))
        assert gpt2.encode(text).tolist() == theirs.encode(text).ids
        assert gpt2.decode(gpt2.encode(text)) == text


def test_gpt2_as_known(gpt2):
    assert gpt2.encode("Hello world").tolist() == [15496, 995]
    assert gpt2.tokenize("It's naïve  now") == ["It", "'s", " naïve", " ", " now"]


# --- the tokeniser ---------------------------------------------------------------------


@settings(deadline=None)
@given(st.text())
def test_nothing_is_lost(text):
    for tokenizer in (BPE([]), SMALL):
        ids = tokenizer.encode(text)
        assert ids.dtype == np.int64
        assert tokenizer.decode(ids) == text
        assert b"".join(tokenizer.tokens[i] for i in ids) == text.encode()


SMALL = BPE.train("the cat sat on the mat, the cat's hat", 280, special_tokens=["<a>", "<ab>"])


def test_special_tokens_are_letters_unless_asked_for():
    plain = SMALL.encode("the<ab>cat")
    assert plain.max() < SMALL.vocab_size - 2
    ids = SMALL.encode("the<ab>cat<a><a>", special=True)
    a, ab = SMALL.special_id("<a>"), SMALL.special_id("<ab>")
    assert (a, ab) == (SMALL.vocab_size - 2, SMALL.vocab_size - 1)
    assert [i for i in ids if i >= a] == [ab, a, a]
    assert ids.tolist() == [
        *SMALL.encode("the"),
        ab,
        *SMALL.encode("cat"),
        a,
        a,
    ]
    assert SMALL.decode(ids) == "the<ab>cat<a><a>"
    assert SMALL.decode(plain) == "the<ab>cat"
    assert SMALL.encode("", special=True).shape == SMALL.encode("").shape == (0,)
    none = BPE([])
    assert none.encode("a<a>", special=True).tolist() == none.encode("a<a>").tolist()


def test_of_two_special_tokens_the_longer_one_is_seen():
    tokenizer = BPE([], special_tokens=["<s", "<s>"])
    assert tokenizer.encode("<s>", special=True).tolist() == [257]


def test_half_a_character_is_replaced_or_refused():
    first, second = BPE([]).encode("é")
    assert BPE([]).decode([first]) == "\ufffd"
    assert BPE([]).decode([first, second]) == "é"
    with pytest.raises(UnicodeDecodeError):
        BPE([]).decode([first], errors="strict")


def test_a_pattern_of_ones_own(tmp_path):
    tokenizer = BPE.train("ab ab ab", 260, pattern=r"[a-z]+")
    assert tokenizer.tokens[256:] == (b"ab",)
    assert tokenizer.decode(tokenizer.encode("ab, ab!")) == "abab"  # the rest is left out


def test_it_comes_back_from_its_file_as_it_was(tmp_path):
    path = tmp_path / "tokeniser.json"
    ours = BPE.train("ein Männlein steht im Walde", 270, special_tokens=["<ü>"], pattern=r"\w+|\W")
    ours.save(path)
    again = BPE.load(path)
    assert (again.merges, again.special_tokens, again.pattern) == (
        ours.merges,
        ours.special_tokens,
        ours.pattern,
    )
    assert again.tokens == ours.tokens
    text = "im <ü>Wäldlein"
    for special in (True, False):
        expected = ours.encode(text, special=special)
        assert again.encode(text, special=special).tolist() == expected.tolist()


def test_the_cache_forgets_and_the_ids_stay_the_same(monkeypatch):
    tokenizer = BPE.train("the cat sat", 262)
    expected = tokenizer.encode("the cat sat on the mat").tolist()
    monkeypatch.setattr(type(tokenizer._words), "LIMIT", 2)
    tokenizer._words.clear()
    assert tokenizer.encode("the cat sat on the mat").tolist() == expected
    assert len(tokenizer._words) <= 2


def test_many_tokens_do_not_trip_over_surrogates():
    # ids 0xD800 … 0xDFFF are no characters of their own in Unicode, but are ids here
    pairs = [(i // 200, i % 200) for i in range(200 * 200)]
    pairs += [(i % 199, 200 + i // 199) for i in range(199 * 56)]
    fours = [(256 + i, 256 + i + 1) for i in range(5000)]
    tokenizer = BPE(pairs + fours, pattern=r"[\s\S]+")
    surrogate = 256 + len(pairs) + 4050
    assert 0xD800 <= surrogate <= 0xDFFF
    text = tokenizer.tokens[surrogate].decode()
    assert len(text) == 4
    assert tokenizer.encode(text).tolist() == [surrogate]
    assert tokenizer.decode([surrogate]) == text


def test_it_is_a_tokenizer():
    assert isinstance(BPE([]), AnyTokenizer)


# --- bad input -------------------------------------------------------------------------


def test_bad_input_is_explained(tmp_path):
    with pytest.raises(ValueError, match=r"vocab_size must be at least 257 \(256 bytes and 1 sp"):
        BPE.train("abc", 256, special_tokens=[END])
    with pytest.raises(ValueError, match=r"merge 1 is of the ids \(257, 0\), .* only 0 … 256"):
        BPE([(0, 1), (257, 0)])
    with pytest.raises(ValueError, match="merge 0 is of the ids"):
        BPE([(-1, 0)])
    for special in (["<a>", "<a>"], [""]):
        with pytest.raises(ValueError, match="special tokens must be different and not empty"):
            BPE([], special_tokens=special)
    with pytest.raises(ValueError, match="pattern must not capture"):
        BPE([], pattern="(a)")
    with pytest.raises(KeyError, match="'<b>' is not among the special tokens"):
        SMALL.special_id("<b>")
    with pytest.raises(ValueError, match="ids contains the id 256"):
        BPE([]).decode([256])
    for merge_ in (["a"], ["Ġ", "nothing"]):
        with pytest.raises(ValueError, match="merge 1 is not two tokens known before it"):
            BPE.from_spelled([["a", "b"], merge_])
    path = tmp_path / "other.json"
    for content in ("[]", "{}", '{"format": "seqcourse.wordpiece 1"}'):
        path.write_text(content)
        with pytest.raises(ValueError, match="is not in the format 'seqcourse.bpe 1'"):
            BPE.load(path)
    path.write_text('{"format": "seqc')
    with pytest.raises(ValueError, match="is damaged, or is no tokeniser"):
        BPE.load(path)


def test_a_text_in_ascii_is_cut_as_any_other():
    letters = [chr(code) for code in range(128)]
    rng = np.random.default_rng(0)
    texts = ["".join(rng.choice(letters, size)) for size in rng.integers(0, 30, 500)]
    texts += ["".join(rng.choice(list("'strevlmd 19.\n\t"), 40)) for _ in range(500)]
    for text in texts:
        assert _GPT2_ASCII.findall(text) == regex.findall(GPT2_PATTERN, text)
