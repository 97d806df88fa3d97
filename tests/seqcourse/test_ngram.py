import math
from collections import Counter, defaultdict

import nltk.lm
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nltk.lm import KneserNeyInterpolated, Lidstone, WittenBellInterpolated
from nltk.lm.preprocessing import everygrams, pad_sequence

from seqcourse.lm import LanguageModel
from seqcourse.ngram import (
    MLE,
    AddK,
    Backoff,
    Interpolation,
    KneserNey,
    NGram,
    NGramClassifier,
    WittenBell,
)

V = 7
SMOOTHED = [
    AddK(0.3),
    AddK(1.0),
    Interpolation((0.3, 0.5, 0.7)),
    Interpolation((1.0, 0.0, 0.9)),
    Backoff(0.6),
    WittenBell(),
    KneserNey(),
    KneserNey(0.4),
]


def corpus(seed: int = 0) -> list[np.ndarray]:
    """Three sequences in which the token 6 never occurs."""
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 6, size) for size in (31, 13, 2)]


def contexts(order: int) -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    return [rng.integers(0, V, rng.integers(0, order + 3)) for _ in range(53)]


@pytest.mark.parametrize("smoothing", SMOOTHED, ids=str)
def test_every_smoothed_model_sums_to_one(smoothing):
    model = NGram(2, V, smoothing).fit(corpus())
    for context in contexts(2):
        assert np.exp(model.next_logprobs(context)).sum() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("order", range(5))
@pytest.mark.parametrize("smoothing", [AddK(0.1), Backoff(), WittenBell(), KneserNey()], ids=str)
def test_models_of_any_order_sum_to_one_and_leave_nothing_impossible(smoothing, order):
    model = NGram(order, V, smoothing).fit(corpus())
    for context in contexts(order):
        logprobs = model.next_logprobs(context)
        assert np.isfinite(logprobs).all()
        assert np.exp(logprobs).sum() == pytest.approx(1, abs=1e-12)


def test_backing_off_sums_to_one_after_a_context_that_saw_every_word():
    full = np.array([0, 0, 0, 1, 0, 2, 1, 1])  # after 0: 0, 1 and 2, so nothing is left to give
    model = NGram(1, 3, Backoff(0.5)).fit(full)
    assert np.exp(model.next_logprobs(np.array([0]))) == pytest.approx([2 / 4, 1 / 4, 1 / 4])


@pytest.mark.parametrize("smoothing", [MLE(), *SMOOTHED], ids=str)
def test_scoring_a_sequence_agrees_with_the_next_token_distributions(smoothing):
    model = NGram(2, V, smoothing).fit(corpus())
    tokens = np.random.default_rng(3).integers(0, V, 29)
    one_by_one = [model.next_logprobs(tokens[:t])[tokens[t]] for t in range(len(tokens))]
    np.testing.assert_allclose(model.logprobs(tokens), one_by_one)


@pytest.mark.parametrize("order", [0, 1, 3])
@pytest.mark.parametrize("smoothing", [MLE(), AddK(0.3), Backoff(0.6), KneserNey()], ids=str)
def test_several_sequences_are_scored_each_for_itself(smoothing, order):
    model = NGram(order, V, smoothing).fit(corpus())
    rng = np.random.default_rng(4)
    several = [rng.integers(0, V, size) for size in (11, 0, 1, 2, 17, 0)]
    together = model.logprobs_of(several)
    assert [len(logprobs) for logprobs in together] == [len(tokens) for tokens in several]
    for tokens, logprobs in zip(several, together, strict=True):
        one_by_one = [model.next_logprobs(tokens[:t])[tokens[t]] for t in range(len(tokens))]
        np.testing.assert_allclose(logprobs, one_by_one)
        np.testing.assert_allclose(logprobs, model.logprobs(tokens))
    assert model.logprobs_of([]) == []


@pytest.mark.parametrize("smoothing", [MLE(), *SMOOTHED], ids=str)
def test_every_ngram_seen_knows_its_probability(smoothing):
    model = NGram(2, V, smoothing).fit(corpus())
    levels = range(3) if smoothing.recursive else [2]
    for probabilities, n in zip(model.probabilities, levels, strict=True):
        assert len(probabilities) == len(model.counts.levels[n].keys)
    sequence = corpus()[0]
    where = [model.counts.find(sequence[t - 2 : t + 1]) for t in range(2, len(sequence))]
    expected = np.exp(model.logprobs(sequence)[2:])
    np.testing.assert_allclose(model.probabilities[-1][where], expected)


# --- oracles -----------------------------------------------------------------------------------


def nltk_model(model, order: int):
    """Fit an nltk.lm model to the same corpus, start symbols and all."""
    n = order + 1
    padded = [
        list(pad_sequence(map(str, s), n, pad_left=True, left_pad_symbol="<s>")) for s in corpus()
    ]
    grams = [[g for g in everygrams(text, max_len=n) if g[-1] != "<s>"] for text in padded]
    model.fit(grams, vocabulary_text=map(str, range(V)))
    return model


def end_in_uniform(theirs, unigram):
    """Let nltk's interpolated models end in the uniform distribution, as ours do."""
    theirs.estimator.unigram_score = unigram
    return theirs


def assert_same_as_nltk(ours: NGram, theirs, order: int) -> None:
    for context in contexts(order):
        padded = ["<s>"] * max(0, order - len(context)) + [str(t) for t in context]
        padded = padded[len(padded) - order :]
        for word in range(V):
            expected = theirs.score(str(word), padded)
            assert math.exp(ours.next_logprobs(context)[word]) == pytest.approx(expected)


@pytest.mark.parametrize("order", [0, 1, 2])
def test_maximum_likelihood_equals_nltk(order):
    ours = NGram(order, V, MLE()).fit(corpus())
    assert_same_as_nltk(ours, nltk_model(nltk.lm.MLE(order + 1), order), order)


@pytest.mark.parametrize("order", [0, 1, 2])
@pytest.mark.parametrize("k", [1.0, 0.2])
def test_add_k_equals_nltk_but_for_its_extra_word(order, k):
    # nltk counts an unknown word into the vocabulary: give ours one more word, too
    ours = NGram(order, V + 1, AddK(k)).fit(corpus())
    theirs = nltk_model(Lidstone(k, order + 1), order)
    assert len(theirs.vocab) == V + 1
    assert_same_as_nltk(ours, theirs, order)


@pytest.mark.parametrize("order", [1, 2])
def test_witten_bell_equals_nltk(order):
    theirs = nltk_model(WittenBellInterpolated(order + 1), order)
    words = theirs.counts.unigrams
    types = len(words)
    end_in_uniform(theirs, lambda word: (words[word] + types / V) / (words.N() + types))
    ours = NGram(order, V, WittenBell()).fit(corpus())
    assert_same_as_nltk(ours, theirs, order)


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("discount", [0.1, 0.75])
def test_kneser_ney_equals_nltk(order, discount):
    theirs = nltk_model(KneserNeyInterpolated(order + 1, discount=discount), order)
    types = len(theirs.counts.unigrams)

    def unigram(word):
        contexts_before, all_contexts = theirs.estimator._continuation_counts(word)
        return (max(contexts_before - discount, 0) + discount * types / V) / all_contexts

    end_in_uniform(theirs, unigram)
    ours = NGram(order, V, KneserNey(discount)).fit(corpus())
    assert_same_as_nltk(ours, theirs, order)


def brute_force_kneser_ney(sequences, order: int, discount: float):
    """Chen and Goodman's definition, written with sets and loops."""
    n = order + 1
    grams = Counter()
    for s in sequences:
        padded = [V] * order + s.tolist()
        for end in range(order, len(padded)):
            grams[tuple(padded[end - order : end + 1])] += 1
    before = defaultdict(set)  # shorter n-gram -> different words seen before it
    for length in range(n, 1, -1):
        for s in sequences:
            padded = [V] * order + s.tolist()
            for end in range(order, len(padded)):
                gram = tuple(padded[end - length + 1 : end + 1])
                before[gram[1:]].add(gram[0])

    def count(gram):
        return grams[gram] if len(gram) == n else len(before[gram])

    def p(word, context):
        total = sum(count((*context, w)) for w in range(V))
        lower = p(word, context[1:]) if context else 1 / V
        if total == 0:
            return lower
        types = sum(count((*context, w)) > 0 for w in range(V))
        own = max(count((*context, word)) - discount, 0) / total
        return own + discount * types / total * lower

    return p


@pytest.mark.parametrize("order", [0, 1, 2, 3])
@pytest.mark.parametrize("discount", [0.2, 0.9])
def test_kneser_ney_equals_brute_force(order, discount):
    ours = NGram(order, V, KneserNey(discount)).fit(corpus())
    p = brute_force_kneser_ney(corpus(), order, discount)
    for context in contexts(order):
        full = ((V,) * order + tuple(context.tolist()))[len(context) :]
        expected = [p(word, full) for word in range(V)]
        np.testing.assert_allclose(np.exp(ours.next_logprobs(context)), expected)


def test_kneser_ney_estimates_its_discount_from_what_was_seen_once_and_twice():
    tokens = np.array([0, 1, 2, 2, 3, 3, 3])  # unigrams: two once, one twice, one three times
    fitted = np.exp(NGram(0, 4, KneserNey()).fit(tokens).next_logprobs(np.empty(0, int)))
    given_it = NGram(0, 4, KneserNey(2 / (2 + 2 * 1))).fit(tokens)
    np.testing.assert_allclose(fitted, np.exp(given_it.next_logprobs(np.empty(0, int))))


def test_interpolation_by_hand():
    # after 0: 1 twice, 0 once. unigrams: 0 three times, 1 twice, of 5
    model = NGram(1, 2, Interpolation((0.5, 0.8))).fit(np.array([0, 0, 1, 0, 1]))
    unigram = 0.5 * 2 / 5 + 0.5 / 2
    expected = 0.8 * 2 / 3 + 0.2 * unigram
    assert math.exp(model.next_logprobs(np.array([0]))[1]) == pytest.approx(expected)


def test_backing_off_by_hand():
    # V = 3; unigrams: 0 three times, 1 twice of 5. After 0: 1 twice, 0 once; D = 0.5
    model = NGram(1, 3, Backoff(0.5)).fit(np.array([0, 0, 1, 0, 1]))
    p0, p1 = 2.5 / 5, 1.5 / 5
    p2 = 1 - p0 - p1
    freed = 0.5 * 2 / 3  # goes to the one word not seen after 0, in proportion to its unigram
    expected = [0.5 / 3, 1.5 / 3, freed * p2 / (1 - p0 - p1)]
    assert np.exp(model.next_logprobs(np.array([0]))) == pytest.approx(expected)


@settings(deadline=None)
@given(st.lists(st.integers(0, 2), min_size=1, max_size=30), st.integers(0, 3))
def test_the_parameters_are_the_distinct_ngrams(tokens, order):
    model = NGram(order, 3, WittenBell()).fit(np.array(tokens))
    padded = [3] * order + tokens
    ends = range(order, len(padded))
    distinct = {tuple(padded[e - k : e + 1]) for e in ends for k in range(order + 1)}
    assert model.parameters == len(distinct)


def test_mle_gives_the_unseen_no_probability():
    model = NGram(1, 3, MLE()).fit(np.array([0, 1]))
    assert model.logprobs(np.array([0, 1, 1])).tolist() == [0.0, 0.0, -np.inf]
    assert (model.next_logprobs(np.array([2])) == -np.inf).all()


def test_an_empty_sequence_has_no_logprobs():
    assert NGram(2, V, AddK()).fit(corpus()).logprobs(np.empty(0, dtype=np.int64)).shape == (0,)


def test_an_ngram_model_is_a_language_model():
    assert isinstance(NGram(0, 2, AddK()), LanguageModel)


# --- bad input ---------------------------------------------------------------------------------


def test_bad_options_say_what_was_expected_and_what_came():
    with pytest.raises(ValueError, match=r"order must be at least 0 .* but is -1"):
        NGram(-1, 3, MLE())
    with pytest.raises(ValueError, match="vocab_size must be at least 1, but is 0"):
        NGram(0, 0, MLE())
    with pytest.raises(ValueError, match=r"k must be above 0, but is 0\.0"):
        NGram(0, 3, AddK(0.0))
    with pytest.raises(ValueError, match=r"order 2 needs 3 interpolation weights .* but got 2"):
        NGram(2, 3, Interpolation((0.5, 0.5)))
    with pytest.raises(ValueError, match="within 0 … 1, but are"):
        NGram(0, 3, Interpolation((1.5,)))
    for smoothing in (Backoff(1.0), KneserNey(0.0)):
        with pytest.raises(ValueError, match="discount must be within 0 … 1"):
            NGram(0, 3, smoothing)


def test_a_model_without_counts_says_to_fit_it():
    with pytest.raises(RuntimeError, match="call fit"):
        NGram(1, 3, MLE()).logprobs(np.array([0]))


def test_ids_outside_the_vocabulary_are_refused():
    model = NGram(1, 3, AddK()).fit(np.array([0, 1, 2]))
    with pytest.raises(ValueError, match="contains the id 3, but the vocabulary has ids 0 … 2"):
        model.logprobs(np.array([0, 3]))
    with pytest.raises(ValueError, match="contains the id -1"):
        model.next_logprobs(np.array([-1]))
    with pytest.raises(ValueError, match="empty corpus"):
        NGram(1, 3, AddK()).fit([])


# --- classifier --------------------------------------------------------------------------------


def test_order_zero_is_scikit_learns_naive_bayes():
    from sklearn.naive_bayes import MultinomialNB

    rng = np.random.default_rng(5)
    texts = [rng.integers(0, V, size) for size in (3, 11, 5, 7, 2, 13)]
    labels = ["a", "b", "a", "c", "b", "a"]
    bags = np.array([np.bincount(t, minlength=V) for t in texts])
    for priors in ("empirical", "uniform"):
        ours = NGramClassifier(0, V, AddK(0.5), priors=priors).fit(texts, labels)
        theirs = MultinomialNB(alpha=0.5, fit_prior=priors == "empirical").fit(bags, labels)
        np.testing.assert_allclose(ours.log_posterior(texts), theirs.predict_log_proba(bags))
        assert ours.predict(texts) == theirs.predict(bags).tolist()


def test_higher_orders_use_the_order_of_words():
    texts = [np.array([0, 1, 0, 1]), np.array([0, 0, 1, 1])]
    classifier = NGramClassifier(1, 2, AddK(0.1)).fit(texts, ["turns", "blocks"])
    assert classifier.predict([np.array([1, 0, 1, 0]), np.array([1, 1, 1])]) == ["turns", "blocks"]
    assert classifier.classes == ["blocks", "turns"]


def test_no_texts_give_no_posteriors():
    classifier = NGramClassifier(0, 2, AddK()).fit([np.array([0])], ["a"])
    assert classifier.log_posterior([]).shape == (0, 1)


def test_classifier_refuses_what_it_cannot_use():
    with pytest.raises(ValueError, match="1 sequences but 2 labels"):
        NGramClassifier(0, 2, AddK()).fit([np.array([0])], ["a", "b"])
    with pytest.raises(ValueError, match="no examples"):
        NGramClassifier(0, 2, AddK()).fit([], [])
    with pytest.raises(RuntimeError, match="call fit"):
        NGramClassifier(0, 2, AddK()).predict([np.array([0])])
