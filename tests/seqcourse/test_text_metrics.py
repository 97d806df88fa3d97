import math
import random
from itertools import chain

import nltk
import pytest
import sacrebleu
from hypothesis import given, settings
from hypothesis import strategies as st
from sacrebleu.metrics import BLEU, CHRF

from seqcourse.text_metrics import (
    align,
    bleu,
    character_error_rate,
    chrf,
    edit_distance,
    exact_match,
    sentence_bleu,
    tokenize_13a,
    word_error_rate,
)
from seqcourse.text_pairs import count_grams

REFERENCES = [
    ["The cat sat on the mat, didn't it?", "On the mat there sat a cat."],
    ["It cost $3,500.50 &amp; more (well-known) in 1999-2000!", 'It was 3.5 % "dear".'],
    ["Nothing", "Nothing is said at all"],
    ["He said: 'To be, or not to be' - that is the question", "a b c d e f g"],
]
HYPOTHESES = [
    "the cat the cat sat on mat, it didn't?",
    "It cost 3,500.50 & less (well known) in 1999-2000.",
    "Nothing is",
    "He says 'to be or not to be': that is a question of THE question",
]
FIRST = [several[0] for several in REFERENCES]


def transposed(references):
    """sacrebleu wants the first references of all texts, then the second ones of all …"""
    return [list(stream) for stream in zip(*references, strict=True)]


def noisy(seed: int) -> tuple[list[str], list[list[str]]]:
    """Random texts, and two references of each that share words with it."""
    draw = random.Random(seed)

    def text(length: int) -> str:
        return " ".join(draw.choice(["a", "b", "c", "d.", "1,5", "É"]) for _ in range(length))

    sizes = [draw.randrange(14) for _ in range(11)]
    return [text(n) for n in sizes], [[text(n + 1), text(draw.randrange(9))] for n in sizes]


CORPORA = [(HYPOTHESES, REFERENCES), (FIRST, [[r] for r in FIRST]), noisy(0), noisy(1), noisy(2)]


# --- oracles ---------------------------------------------------------------------------


@pytest.mark.parametrize(("hypotheses", "references"), CORPORA)
@pytest.mark.parametrize("smoothing", ["none", "floor", "add-k", "exp"])
@pytest.mark.parametrize("tokenize", ["13a", "none"])
@pytest.mark.parametrize("effective_order", [False, True])
def test_bleu_equals_sacrebleu(hypotheses, references, smoothing, tokenize, effective_order):
    for lowercase, max_order, value in ((False, 4, None), (True, 2, None), (False, 6, 0.3)):
        value = value if smoothing in ("floor", "add-k") else None
        theirs = BLEU(
            lowercase=lowercase,
            tokenize=tokenize,
            smooth_method=smoothing,
            smooth_value=value,
            max_ngram_order=max_order,
            effective_order=effective_order,
        )
        expected = theirs.corpus_score(hypotheses, transposed(references))
        ours = bleu(
            hypotheses,
            references,
            lowercase=lowercase,
            tokenize=tokenize,
            smoothing=smoothing,
            smooth_value=value,
            max_order=max_order,
            effective_order=effective_order,
        )
        assert ours.value == pytest.approx(expected.score)
        assert ours.brevity_penalty == pytest.approx(expected.bp)
        if any(expected.counts):
            assert [100 * p for p in ours.precisions] == pytest.approx(expected.precisions)


@pytest.mark.parametrize("smoothing", ["none", "floor", "add-k", "exp"])
def test_sentence_bleu_equals_sacrebleu(smoothing):
    for hypothesis, several in zip(HYPOTHESES, REFERENCES, strict=True):
        expected = sacrebleu.sentence_bleu(hypothesis, several, smooth_method=smoothing)
        ours = sentence_bleu(hypothesis, several, smoothing=smoothing)
        assert ours.value == pytest.approx(expected.score)


@pytest.mark.parametrize("text", [*HYPOTHESES, *chain(*REFERENCES), "a<skipped>b-\nc\nd&lt;"])
def test_13a_equals_sacrebleu(text):
    assert " ".join(tokenize_13a(text)) == BLEU().tokenizer(text)


@given(st.text())
def test_13a_equals_sacrebleu_on_anything(text):
    assert " ".join(tokenize_13a(text)) == BLEU().tokenizer(text)


@pytest.mark.parametrize(("hypotheses", "references"), CORPORA)
@pytest.mark.parametrize("word_order", [0, 1, 2])
@pytest.mark.parametrize("whitespace", [False, True])
def test_chrf_equals_sacrebleu(hypotheses, references, word_order, whitespace):
    for lowercase, char_order, beta in ((False, 6, 2), (True, 3, 1), (False, 2, 3)):
        theirs = CHRF(
            char_order=char_order,
            word_order=word_order,
            beta=beta,
            lowercase=lowercase,
            whitespace=whitespace,
        )
        expected = theirs.corpus_score(hypotheses, transposed(references)).score
        ours = chrf(
            hypotheses,
            references,
            char_order=char_order,
            word_order=word_order,
            beta=beta,
            lowercase=lowercase,
            whitespace=whitespace,
        )
        assert ours.value == pytest.approx(expected)


@settings(deadline=None)
@given(st.text("abc", max_size=9), st.text("abc", max_size=9), st.integers(0, 3))
def test_edit_distance_equals_nltk(source, target, substitution):
    expected = nltk.edit_distance(source, target, substitution_cost=substitution)
    assert edit_distance(source, target, substitution=substitution) == expected


# --- by hand ---------------------------------------------------------------------------


def test_papinenis_examples():
    # "the" stands seven times in the candidate, and twice in a reference: 2/7
    references = ["The cat is on the mat .", "There is a cat on the mat ."]
    score = bleu(
        ["the the the the the the the"],
        [references],
        max_order=1,
        tokenize="none",
        lowercase=True,
    )
    assert score.precisions == (2 / 7,)
    # the closest reference is as long as the candidate or shorter: no penalty
    assert score.brevity_penalty == 1
    short = bleu(["the cat"], [references], max_order=1, tokenize="none", lowercase=True)
    assert short.precisions == (1,)
    assert short.brevity_penalty == pytest.approx(math.exp(1 - 7 / 2))
    assert short.value == pytest.approx(100 * math.exp(1 - 7 / 2))


def test_a_corpus_is_not_the_mean_of_its_texts():
    ours, theirs = ["a b c d", "x"], ["a b c d", "y"]
    assert bleu(ours, theirs).value == pytest.approx(100 * (4 / 5) ** 0.25)
    mean = sum(sentence_bleu(a, b).value for a, b in zip(ours, theirs, strict=True)) / 2
    assert mean == 50


@pytest.mark.parametrize("score", [bleu, chrf])
def test_the_best_and_the_worst(score):
    assert score(FIRST, FIRST, **({"smoothing": "none"} if score is bleu else {})).value == (
        pytest.approx(100)
    )
    assert score(["abc"], ["xyz"]).value == 0
    assert score([""], ["xyz"]).value == 0
    assert score(["abc"], [""]).value == 0
    assert score([""], [""]).value == 0


def test_chrf_plus_plus_counts_words_too():
    # characters agree in all; of words none
    assert chrf(["ab c"], ["a bc"], char_order=3).value == pytest.approx(100)
    assert chrf(["ab c"], ["a bc"], char_order=3, word_order=1).value == pytest.approx(75)


def test_an_alignment_by_hand():
    kinds = [(e.kind, e.source, e.target) for e in align("kitten", "sitting")]
    assert kinds == [
        ("substitute", "k", "s"),
        ("keep", "i", "i"),
        ("keep", "t", "t"),
        ("keep", "t", "t"),
        ("substitute", "e", "i"),
        ("keep", "n", "n"),
        ("insert", None, "g"),
    ]
    deleted, kept = align(["b", "a"], ["a"])
    assert (deleted.kind, deleted.source, kept.kind) == ("delete", "b", "keep")
    assert align("", "") == []


@settings(deadline=None)
@given(
    st.lists(st.integers(0, 2), max_size=9),
    st.lists(st.integers(0, 2), max_size=9),
    st.integers(0, 3),
)
def test_an_alignment_leads_from_one_to_the_other_at_the_least_cost(source, target, cost):
    edits = align(source, target, substitution=cost)
    assert [e.source for e in edits if e.kind != "insert"] == source
    assert [e.target for e in edits if e.kind != "delete"] == target
    assert all((e.source == e.target) == (e.kind == "keep") for e in edits)
    prices = {"keep": 0, "substitute": cost, "insert": 1, "delete": 1}
    total = sum(prices[e.kind] for e in edits)
    assert total == edit_distance(source, target, substitution=cost)


def test_error_rates_by_hand():
    # one substitution and one insertion for 5 words; not the mean of 1/3 and 1/2
    assert word_error_rate(["a b x", "c d e"], ["a b c", "c d"]) == 2 / 5
    assert word_error_rate(["a b c"], ["a"]) == 2
    assert character_error_rate(["cut"], ["cat"]) == 1 / 3


def test_exact_match_by_hand():
    assert exact_match(["a", "b", "c"], ["a", "b", "d"]) == pytest.approx(2 / 3)


def test_signatures_record_every_option():
    score = bleu(HYPOTHESES, REFERENCES, smoothing="floor", lowercase=True, max_order=2)
    assert score.signature == "BLEU|nrefs:2|case:lc|eff:no|tok:13a|smooth:floor[0.10]|order:2"
    theirs = BLEU(smooth_method="exp")
    theirs.corpus_score(HYPOTHESES, transposed(REFERENCES))
    official = str(theirs.get_signature())
    parts = dict(part.split(":") for part in bleu(HYPOTHESES, REFERENCES).signature.split("|")[1:])
    assert parts.pop("order") == "4"
    assert all(f"{name}:{value}" in official for name, value in parts.items())
    several = [REFERENCES[0], FIRST[1]]
    plus = chrf(HYPOTHESES[:2], several, word_order=2, beta=3, whitespace=True)
    assert plus.signature == "chrF++|nrefs:var|case:mixed|eff:yes|nc:6|nw:2|beta:3|space:yes"
    assert str(plus) == f"{plus.value:.2f} ({plus.signature})"
    assert float(plus) == plus.value


@given(st.lists(st.integers(0, 3), max_size=9), st.integers(1, 4))
def test_grams_are_counted(tokens, n):
    assert count_grams(tokens, n).total() == max(0, len(tokens) - n + 1)


# --- bad input -------------------------------------------------------------------------


def test_bad_input_is_explained(unchecked_shapes):
    for score in (bleu, chrf, word_error_rate, exact_match):
        with pytest.raises(ValueError, match="got 1 hypotheses for 2 references"):
            score(["a"], ["a", "b"])
        with pytest.raises(ValueError, match="empty list of hypotheses"):
            score([], [])
        with pytest.raises(TypeError, match="must be a list of texts, but is one"):
            score("a", ["a"])
    with pytest.raises(ValueError, match="text 1 has no reference"):
        bleu(["a", "b"], ["a", []])
    with pytest.raises(ValueError, match="smoothing must be one of none, floor, .* is 'most'"):
        bleu(["a"], ["a"], smoothing="most")
    with pytest.raises(ValueError, match="tokenize must be one of none, 13a, but is 'zh'"):
        bleu(["a"], ["a"], tokenize="zh")
    with pytest.raises(ValueError, match="max_order must be at least 1, but is 0"):
        bleu(["a"], ["a"], max_order=0)
    with pytest.raises(ValueError, match="char_order must be .* but they are 0 and 2"):
        chrf(["a"], ["a"], char_order=0, word_order=2)
    with pytest.raises(ValueError, match="beta must be above 0, but is 0"):
        chrf(["a"], ["a"], beta=0)
    with pytest.raises(ValueError, match="substitution must be at least 0, but is -1"):
        align("a", "b", substitution=-1)
    with pytest.raises(ValueError, match="edits per word, but the references have none"):
        word_error_rate(["a"], [" "])
    with pytest.raises(ValueError, match="edits per character, but the references have none"):
        character_error_rate(["a"], [""])
