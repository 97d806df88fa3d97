import numpy as np
import pytest
from gensim.models import KeyedVectors
from gensim.test.utils import datapath
from scipy import stats

from seqcourse.data import load
from seqcourse.vector_scores import (
    analogy_accuracy,
    association_bias,
    neighbour_overlap,
    similarity_score,
)
from seqcourse.vectors import WordVectors
from seqcourse.vocab import Vocab


def judged(seed: int = 0) -> WordVectors:
    """Random vectors of words that both test sets ask about."""
    pairs = [w.lower() for pair in load("wordsim-353")[:200] for w in pair[:2]]
    capitals = load("questions-words")["capital-common-countries"][:150]
    words = sorted({*pairs, *(w.lower() for question in capitals for w in question)})
    vectors = WordVectors(
        Vocab(words), np.random.default_rng(seed).standard_normal((len(words), 23))
    )
    for capital, country, *_ in capitals:  # nearly in the same direction from each other
        nearby = vectors[country.lower()] + 0.2 * vectors[capital.lower()]
        vectors.matrix[vectors.id(capital.lower())] = nearby + 4 * np.eye(23)[0]
    return vectors


def keyed(vectors: WordVectors) -> KeyedVectors:
    made = KeyedVectors(vectors.matrix.shape[1], dtype=np.float64)
    made.add_vectors(list(vectors.vocab.tokens), vectors.matrix)
    return made


def test_wordsim_is_gensims():
    score = similarity_score(judged(), load("wordsim-353"), lower=True)
    _, spearman, unknown = keyed(judged()).evaluate_word_pairs(datapath("wordsim353.tsv"))
    assert score.spearman == pytest.approx(spearman.statistic, abs=1e-4)  # rounding, ties
    assert score.total == 353
    assert score.covered == round(353 * (1 - unknown / 100))


def test_similarity_by_hand():
    angles = np.radians([0, 10, 30, 60, 90])
    vectors = WordVectors(Vocab("abcde"), np.c_[np.cos(angles), np.sin(angles)])
    pairs = [("a", "b", 9.0), ("a", "c", 7.0), ("a", "d", 8.0), ("A", "e", 1.0), ("a", "x", 5.0)]
    score = similarity_score(vectors, pairs, lower=True)
    # ranks of the cosines 4 3 2 1, of the ratings 4 2 3 1: 1 - 6 (0 + 1 + 1 + 0)/(4 · 15)
    assert score == (pytest.approx(0.8), 4, 5)
    assert similarity_score(vectors, pairs).covered == 3
    assert stats.spearmanr([4, 3, 2, 1], [4, 2, 3, 1]).statistic == pytest.approx(0.8)


def test_analogies_are_gensims():
    scores = analogy_accuracy(judged(), load("questions-words"), lower=True)
    _, sections = keyed(judged()).evaluate_word_analogies(datapath("questions-words.txt"))
    assert scores["all"].correct > 30
    for section in sections[:-1]:
        ours = scores[section["section"]]
        assert ours.correct == len(section["correct"])
        assert ours.covered == len(section["correct"]) + len(section["incorrect"])
    assert scores["all"].total == 19_544
    assert scores["all"].correct == sum(s.correct for s in list(scores.values())[:-1])


def test_multiplied_analogies_are_those_of_asking_one_by_one():
    vectors, questions = judged(), load("questions-words")["capital-common-countries"]
    asked = [tuple(w.lower() for w in q) for q in questions if q.a.lower() < "c"]
    known = [q for q in asked if all(w in vectors for w in q)]
    right = sum(vectors.analogy(*q[:3], n=1, method="multiply")[0][0] == q[3] for q in known)
    scores = analogy_accuracy(vectors, {"capitals": asked}, method="multiply")
    assert scores["capitals"] == (right, len(known), len(asked))
    assert right > 10


def test_analogies_by_hand():
    matrix = np.array([[1.0, 1.0], [3.0, 1.0], [1.0, -1.0], [3.0, -1.0], [-5.0, 0.1]])
    vectors = WordVectors(Vocab(["man", "king", "woman", "queen", "frog"]), matrix)
    right, wrong = ("man", "king", "woman", "queen"), ("man", "king", "woman", "frog")
    unknown = ("man", "king", "woman", "duchess")
    scores = analogy_accuracy(vectors, {"royal": [right, wrong, unknown], "none": [unknown]})
    assert scores["royal"] == (1, 2, 3)
    assert scores["royal"].accuracy == 0.5
    assert scores["none"] == (0, 0, 1)
    assert np.isnan(scores["none"].accuracy)
    assert scores["all"] == (1, 2, 4)


def test_overlap_by_hand():
    a = WordVectors(Vocab("abcd"), np.array([[1.0, 0], [0.9, 0.1], [0.8, 0.3], [0, 1.0]]))
    b = WordVectors(Vocab("abcd"), np.array([[1.0, 0], [0.9, 0.1], [0, 1.0], [0.8, 0.3]]))
    assert neighbour_overlap(a, b, ["a"], n=2) == 0.5  # b and c, b and d
    assert neighbour_overlap(a, b, ["a", "b"], n=1) == 1.0
    turned = WordVectors(a.vocab, a.matrix @ np.array([[0.0, 1.0], [-1.0, 0.0]]))
    assert neighbour_overlap(a, turned, list("abcd"), n=2) == 1.0


# --- bias --------------------------------------------------------------------------------------

TARGETS = (["x0", "x1", "x2"], ["y0", "y1", "y2", "y3", "y4"])
SIDES = (["a0", "a1"], ["b0", "b1", "b2"])
NAMES = [w for words in (*TARGETS, *SIDES) for w in words]


def leaning(gap: float, seed: int = 0) -> WordVectors:
    rng = np.random.default_rng(seed)
    matrix = rng.standard_normal((len(NAMES), 7))
    matrix[:3, 0] += gap  # the first targets, and the first side
    matrix[8:10, 0] += gap
    return WordVectors(Vocab(NAMES), matrix)


def test_the_effect_is_its_definition():
    vectors = leaning(1.0)

    def lean(word):
        first, second = ([vectors.similarity(word, a) for a in side] for side in SIDES)
        return np.mean(first) - np.mean(second)

    x, y = ([lean(word) for word in words] for words in TARGETS)
    expected = (np.mean(x) - np.mean(y)) / np.std([*x, *y])
    ours = association_bias(vectors, TARGETS, SIDES, resamples=53, rng=np.random.default_rng(0))
    assert ours.effect == pytest.approx(expected)
    assert ours.low < ours.effect < ours.high


def test_exchanging_the_targets_turns_the_sign():
    there = association_bias(leaning(1.0), TARGETS, SIDES, rng=np.random.default_rng(0))
    back = association_bias(leaning(1.0), TARGETS[::-1], SIDES, rng=np.random.default_rng(0))
    assert back.effect == pytest.approx(-there.effect)
    assert back.low == pytest.approx(-there.high, abs=0.15)


def test_a_strong_bias_is_found_and_none_is_not():
    strong = association_bias(leaning(50.0), TARGETS, SIDES, rng=np.random.default_rng(0))
    assert 0.5 < strong.low < strong.effect < strong.high
    none = [
        association_bias(
            leaning(0.0, seed), TARGETS, SIDES, resamples=199, rng=np.random.default_rng(0)
        )
        for seed in range(31)
    ]
    assert sum(b.low <= 0 <= b.high for b in none) >= 25


def test_more_confidence_needs_a_wider_interval():
    some, more = (
        association_bias(
            leaning(1.0), TARGETS, SIDES, confidence=c, resamples=499, rng=np.random.default_rng(0)
        )
        for c in (0.5, 0.99)
    )
    assert more.low < some.low < some.high < more.high


def test_words_that_are_all_alike_have_no_bias():
    alike = WordVectors(Vocab(NAMES), np.ones((len(NAMES), 2)))
    ours = association_bias(alike, TARGETS, SIDES, resamples=3, rng=np.random.default_rng(0))
    assert ours == (0, 0, 0)


def test_bad_input_is_explained():
    vectors, rng = leaning(1.0), np.random.default_rng(0)
    with pytest.raises(ValueError, match="only 0 of 1 pairs have vectors"):
        similarity_score(vectors, [("x0", "unheard", 3.0)])
    for sections in ({}, {"all": [("x0", "x1", "y0", "y1")]}):
        with pytest.raises(ValueError, match="sections must be given, none of them 'all'"):
            analogy_accuracy(vectors, sections)
    with pytest.raises(ValueError, match="words is empty"):
        neighbour_overlap(vectors, vectors, [])
    with pytest.raises(KeyError, match="'x9' is not among the 13 words"):
        association_bias(vectors, (["x0", "x9"], TARGETS[1]), SIDES, rng=rng)
    with pytest.raises(ValueError, match=r"at least two words, but the sets have \[3, 5, 2, 1\]"):
        association_bias(vectors, TARGETS, (SIDES[0], ["b0"]), rng=rng)
    with pytest.raises(ValueError, match="resamples must be at least 1, but is 0"):
        association_bias(vectors, TARGETS, SIDES, resamples=0, rng=rng)
    with pytest.raises(ValueError, match="confidence must be between 0 and 1, but is 95"):
        association_bias(vectors, TARGETS, SIDES, confidence=95, rng=rng)
