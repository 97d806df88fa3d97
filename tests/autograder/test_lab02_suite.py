"""Lab 2's hidden tests with answers made up here: odd ones, unearned ones, and right ones by luck.

No engine and no sandbox: a hidden test is a function, and its student is whatever answers it.
"""

import importlib
import tracemalloc
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import binom
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.naive_bayes import MultinomialNB

from autograder.errors import ExpectationError
from autograder.suite import load_suite
from seqcourse import data

SUITE = load_suite("lab02")
PLACES = {path.stem.split("_", 2)[2]: path.stem for path in SUITE.path.glob("test_*.py")}
MISUSE = (TypeError, AttributeError, LookupError, ArithmeticError, ValueError, RuntimeError)


def hidden(name):
    return importlib.import_module(f"autograder.hidden.lab02.{PLACES[name]}")


def rng_of(seed=0):
    return np.random.default_rng(seed)


# --- odd values ----------------------------------------------------------------------------------


class Constant:
    """A student whose every function, class and method answers the same."""

    _session = SimpleNamespace(cpu_seconds=0.0)

    def __init__(self, value):
        self._value = value

    def __getattr__(self, name):
        classes = {"MarkovClassifier": self, "fit": self}
        return lambda *args: classes.get(name, self._value)


ODD = {
    "rows of nothing": np.empty((2**20, 0)),
    "a long row of bytes": np.zeros(2**25, np.int8),
    "millions of rows": np.zeros((2**22, 3), np.int8),
    "a state far out": np.array([2**45]),
    "a long text among short ones": ["x" * 10**7, *"y" * 10**5],
    "the same in an array": [np.array("x" * 10**7), *"y" * 10**5],
    "nothing": None,
}
ODD |= {f"a pair: {name}": (value, value) for name, value in ODD.items()}


@pytest.mark.parametrize("value", ODD.values(), ids=ODD)
@pytest.mark.parametrize("name", PLACES)
def test_no_value_makes_a_hidden_test_take_much_memory(name, value):
    found = {word: test for word, test in vars(hidden(name)).items() if word.startswith("test_")}
    for test in (test for word, test in found.items() if not word.endswith("_target")):
        tracemalloc.start()
        try:
            with pytest.raises((ExpectationError, *MISUSE)):
                test(Constant(value), rng_of())
            assert tracemalloc.get_traced_memory()[1] < 200 * 2**20, test.__name__
        finally:
            tracemalloc.stop()


def test_the_sequence_from_another_seed_must_be_as_long():
    answers = iter([np.zeros(40, int), np.zeros(40, int), np.zeros(2**27, np.int8)])
    student = SimpleNamespace(generate=lambda *args: next(answers))
    with pytest.raises(ExpectationError, match="from another seed has shape"):
        hidden("sampler").test_sampler_seeds(student, rng_of())


def test_there_are_no_more_ngrams_than_windows():
    student = SimpleNamespace(ngram_counts=lambda ids, n: (np.zeros((210, n)), np.ones(210)))
    with pytest.raises(ExpectationError, match="more n-grams than the text has windows"):
        hidden("ngram_counts").test_ngram_order(student, rng_of())


def test_the_only_state_is_not_counted_from_the_end():
    paths = iter([(np.empty(0, int), 0.0), (np.array([-1]), 0.0)])
    student = SimpleNamespace(viterbi=lambda *args: next(paths))
    with pytest.raises(ExpectationError, match="States are whole numbers from 0 to S-1"):
        hidden("viterbi").test_viterbi_short(student, rng_of())


# --- cost ----------------------------------------------------------------------------------------


class Slow:
    """A student on a clock of its own: what it does takes a thousand seconds."""

    def __init__(self, answer):
        self.answer, self.texts = answer, []
        self._session = SimpleNamespace(cpu_seconds=0.0)

    def ngram_counts(self, ids, n):
        self.texts.append(ids)
        return self.answer(self)

    def work(self):
        self._session.cpu_seconds += 1000


def at_once(student):
    student.work()
    return np.zeros((1, 3)), np.ones(1)


def later(student):
    yield np.zeros((1, 3))
    student.work()
    yield np.ones(1)


@pytest.mark.parametrize("answer", [at_once, later])
def test_the_cost_of_counting_is_measured_on_another_text_each_time(answer):
    module, student = hidden("ngram_counts"), Slow(answer)
    with pytest.raises(ExpectationError, match="more than ten times as long"):
        module.test_ngram_cost(student, rng_of())
    assert len({text.tobytes() for text in student.texts}) == module.ROUNDS


# --- weights -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ([1e6, 1e6], "sum of the weights"),
        ([2.0, -1.0], "below 0"),
        (np.array([0.5 + 1e6j, 0.5 - 1e6j]), "complex128, expected float"),
        ([1.0, 0.0], "more likely"),
    ],
)
def test_only_shares_are_the_best_weights(weights, said):
    student = SimpleNamespace(tune_weights=lambda probs, steps: weights)
    with pytest.raises(ExpectationError, match=said):
        hidden("interpolation").test_mixture_optimum(student, rng_of())


# --- sampling ------------------------------------------------------------------------------------


def sampler(first, step):
    def generate(start, transition, length, temperature, seed):
        rng, states = rng_of(seed), []
        start, transition = start ** (1 / temperature), transition ** (1 / temperature)
        for _ in range(length):
            p = transition[states[-1]] if states else start
            states.append((step if states else first)(rng, p / p.sum()))
        return np.array(states)

    return SimpleNamespace(generate=generate)


def draw(rng, p):
    return int(np.searchsorted(p.cumsum(), rng.random(), side="right"))


def top(_, p):
    return int(p.argmax())


def test_who_always_starts_at_the_top_is_seen():
    module = hidden("sampler")
    for seed in range(5):
        with pytest.raises(ExpectationError, match="Every text begins with the same state"):
            module.test_sampler_start(sampler(top, draw), rng_of(seed))


def test_who_draws_is_believed():
    module = hidden("sampler")
    for seed in range(5):
        module.test_sampler_start(sampler(draw, draw), rng_of(seed))
        module.test_sampler_transitions(sampler(draw, draw), rng_of(seed))


def test_chance_is_blamed_less_than_once_in_a_billion_times():
    module, n = hidden("sampler"), hidden("sampler").STARTS
    p = np.array([0.5, 0.3, 0.2]) ** 4
    p /= p.sum()
    counts = np.arange(n + 1)
    blamed = 0.0
    for share in p:
        for count in counts:
            pair = np.array([count, n - count]), np.array([share, 1 - share])
            try:
                module.expect_frequencies(*pair, "They")
            except ExpectationError:
                blamed += binom.pmf(count, n, share)
    assert 0 < blamed < 1e-9


# --- spam ----------------------------------------------------------------------------------------


def naive_bayes(train, labels, test):
    bags = CountVectorizer()
    model = MultinomialNB(alpha=0.1).fit(bags.fit_transform(train), labels)
    return model.predict(bags.transform(test)).tolist()


def many_digits(train, labels, test):
    return ["spam" if sum(map(str.isdigit, text)) >= 5 else "ham" for text in test]


def shape(word):
    """Say what changing the alphabet leaves of a word."""
    first = [word.lower().index(letter) for letter in word.lower()]
    return tuple((place, letter.isupper()) for place, letter in zip(first, word, strict=True))


def known_messages(train, labels, test):
    """Look each message up in the data set, by what words look like."""
    sms, holders = data.load("sms-spam"), {}
    for place, text in enumerate(sms.texts):
        for each in set(map(shape, text.split())):
            holders.setdefault(each, []).append(place)
    found = []
    for text in test:
        votes = Counter()
        for each in set(map(shape, text.split())):
            places = holders.get(each, [])
            if len(places) < 300:
                votes.update(dict.fromkeys(places, 1 / max(len(places), 1)))
        found.append(sms.labels[votes.most_common(1)[0][0]] if votes else "ham")
    return found


@pytest.mark.parametrize("seed", range(3))
def test_who_learns_from_the_messages_reaches_both_targets(seed):
    student = SimpleNamespace(spam_filter=naive_bayes)
    assert hidden("spam_classifier").filtered(student, rng_of(seed)) > 0.9


@pytest.mark.parametrize("unlearned", [many_digits, known_messages])
def test_what_is_known_beforehand_is_of_no_use(unlearned):
    student = SimpleNamespace(spam_filter=unlearned)
    assert hidden("spam_classifier").filtered(student, rng_of()) < 0.4


def test_labels_are_texts():
    student = SimpleNamespace(spam_filter=lambda *args: [np.array(["ham", "ham"])] * 1500)
    with pytest.raises(ExpectationError, match="Labels are"):
        hidden("spam_classifier").filtered(student, rng_of())
