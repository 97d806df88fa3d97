"""Task `spam-classifier`: a Bayes classifier of any order, and a spam filter."""

from typing import Any

import numpy as np

from autograder.hidden.lab02 import reference
from autograder.suite import expect_close, expect_equal, expect_shape, expect_true, task
from seqcourse import data
from seqcourse.tokenizers import words

V = 5
Messages = list[np.ndarray]


def messages(rng: np.random.Generator, number: int, words: int = V) -> Messages:
    """Draw messages of 0 to 8 words."""
    return [rng.integers(words, size=rng.integers(9)) for _ in range(number)]


def labels_of(rng: np.random.Generator, number: int, classes: int) -> np.ndarray:
    """Draw labels, the first class more often than the others; each class occurs."""
    drawn = np.minimum(rng.geometric(0.5, size=number) - 1, classes - 1)
    return np.r_[np.arange(classes), drawn[classes:]]


def fitted(student: Any, order: int, alpha: float, train: Messages, labels: np.ndarray) -> Any:
    """Fit the student's classifier; whether `fit` returns it is another test's business."""
    model = student.MarkovClassifier(order, V, alpha)
    model.fit(train, labels)
    return model


def wanted(
    order: int, alpha: float, train: Messages, labels: np.ndarray, test: Messages
) -> np.ndarray:
    """Work out the log-posteriors, message by message."""
    texts = [text.tolist() for text in train]
    rows = [
        reference.log_posterior(texts, labels.tolist(), message.tolist(), order, V, alpha)
        for message in test
    ]
    return np.array(rows)


def compare(student: Any, rng: np.random.Generator, order: int, alpha: float, classes: int) -> None:
    """Compare log-posteriors for random messages that are not empty."""
    train, labels = messages(rng, 41), labels_of(rng, 41, classes)
    test = [rng.integers(V, size=size) for size in (1, 2, 3, 5, 11)]
    got = fitted(student, order, alpha, train, labels).log_posterior(test)
    expect_close(got, wanted(order, alpha, train, labels, test), what="the log-posterior")


@task(
    "spam-classifier", points=0.5, hint="A row for each message, a column for each class: (N, C)."
)
def test_spam_shape(student: Any, rng: np.random.Generator) -> None:
    """Log-posteriors have a row for each message and a column for each class."""
    model = fitted(student, 1, 1.0, messages(rng, 23), labels_of(rng, 23, 3))
    got = model.log_posterior([np.array([1, 2]), np.array([3])])
    expect_shape(got, (2, 3), what="the array of log-posteriors", lists=True)


@task(
    "spam-classifier", points=0.5, after=test_spam_shape, hint="np.array makes an array of a list."
)
def test_spam_array(student: Any, rng: np.random.Generator) -> None:
    """Log-posteriors come as an array."""
    model = fitted(student, 1, 1.0, messages(rng, 23), labels_of(rng, 23, 3))
    got = model.log_posterior([np.array([1, 2]), np.array([3])])
    expect_shape(got, (2, 3), what="the array of log-posteriors")


@task(
    "spam-classifier",
    points=2,
    after=test_spam_shape,
    hint="Order 0: ln p(class) plus the sum of ln (count + alpha)/(total + alpha V); normalised.",
)
def test_spam_naive_bayes(student: Any, rng: np.random.Generator) -> None:
    """Order 0 is naive Bayes."""
    compare(student, rng, 0, 0.5, classes=2)


@task(
    "spam-classifier",
    points=1.5,
    after=test_spam_shape,
    hint="Each word is predicted from the `order` words before it, in each class's own counts.",
)
def test_spam_higher_orders(student: Any, rng: np.random.Generator) -> None:
    """Orders 1 and 2 follow Bayes' rule too, with three classes."""
    compare(student, rng, 1, 1.0, classes=3)
    compare(student, rng, 2, 0.1, classes=3)


@task(
    "spam-classifier",
    points=0.5,
    after=test_spam_shape,
    hint="Any order may be asked for: `order` start symbols, and as many words of context.",
)
def test_spam_order_three(student: Any, rng: np.random.Generator) -> None:
    """Order 3 follows Bayes' rule too."""
    compare(student, rng, 3, 0.3, classes=2)


@task(
    "spam-classifier",
    points=1,
    after=test_spam_shape,
    hint="A message's first word is predicted too, from the start symbol that stands before it.",
)
def test_spam_first_words(student: Any, rng: np.random.Generator) -> None:
    """How messages begin counts: the first word is predicted from the start symbol."""
    train = [np.array([0, 1, 0, 1, 0]), np.array([1, 0, 1, 0, 1])] * 3
    labels = np.array([0, 1] * 3)
    test = [np.array([0]), np.array([1])]
    got = fitted(student, 1, 0.2, train, labels).log_posterior(test)
    expect_close(got, wanted(1, 0.2, train, labels, test), what="the log-posterior")


@task(
    "spam-classifier",
    points=1,
    after=test_spam_shape,
    hint="p(class) is the class's share of the training messages; an empty one adds nothing to it.",
)
def test_spam_priors(student: Any, rng: np.random.Generator) -> None:
    """For an empty message, the posterior is the prior."""
    train, labels = messages(rng, 20), np.array([0] * 13 + [1] * 5 + [2] * 2)
    got = fitted(student, 1, 1.0, train, labels).log_posterior([np.empty(0, dtype=np.int64)])
    expect_close(got, np.log(np.array([[0.65, 0.25, 0.1]])), what="the log-posterior")


@task(
    "spam-classifier",
    points=1,
    after=test_spam_shape,
    hint="Add logs, and normalise with np.logaddexp.reduce: exp of a large negative number is 0.",
)
def test_spam_long_messages(student: Any, rng: np.random.Generator) -> None:
    """A message of 5000 words does not underflow."""
    train, labels = messages(rng, 30), labels_of(rng, 30, 2)
    test = [rng.integers(V, size=5000)]
    got = fitted(student, 0, 1.0, train, labels).log_posterior(test)
    expect_close(got, wanted(0, 1.0, train, labels, test), what="the log-posterior", rtol=1e-6)


@task(
    "spam-classifier",
    points=0.5,
    after=test_spam_shape,
    hint="Each call of fit begins with nothing counted.",
)
def test_spam_second_fit(student: Any, rng: np.random.Generator) -> None:
    """A second `fit` forgets what the first has counted."""
    model = fitted(student, 1, 0.5, messages(rng, 31), labels_of(rng, 31, 2))
    train, labels = messages(rng, 23), labels_of(rng, 23, 2)
    model.fit(train, labels)
    test = [rng.integers(V, size=size) for size in (1, 3, 7)]
    got = model.log_posterior(test)
    expect_close(got, wanted(1, 0.5, train, labels, test), what="the log-posterior")


@task(
    "spam-classifier",
    points=1.5,
    hint="fit returns self; predict gives the number of the most probable class of each message.",
)
def test_spam_predict(student: Any, rng: np.random.Generator) -> None:
    """`fit` returns the classifier, and `predict` the most probable classes."""
    train = [np.array([0, 0, 1]), np.array([2, 3, 2]), np.array([4, 4, 4])] * 4
    model = student.MarkovClassifier(0, V, 0.1).fit(train, np.array([0, 1, 2] * 4))
    got = model.predict([np.array([4, 4]), np.array([0, 1]), np.array([3]), np.array([4])])
    expect_shape(got, (4,), what="the list of classes", lists=True)
    expect_equal(reference.from_lists(got).tolist(), [2, 0, 1, 2], what="the list of classes")


def filtered(student: Any, rng: np.random.Generator) -> float:
    """Return F1 of spam on 1500 messages, after learning from 3000, all in invented words."""
    sms = data.load("sms-spam")
    places = rng.permutation(len(sms.texts))[:4500].tolist()
    labels = [sms.labels[place] for place in places]
    cut = [words(sms.texts[place], lower=True) for place in places]
    train = reference.spliced(cut[:3000], labels[:3000], rng)
    texts = reference.renamed(train + reference.spliced(cut[3000:], labels[3000:], rng), rng)
    found = student.spam_filter(texts[:3000], labels[:3000], texts[3000:])
    expect_true(isinstance(found, list) and len(found) == 1500, "It should return 1500 labels.")
    known = all(isinstance(label, str) and label in ("ham", "spam") for label in found)
    expect_true(known, "Labels are 'ham' and 'spam'.")
    return reference.f1(found, labels[3000:], "spam")


@task(
    "spam-classifier",
    points=2,
    hint="Naive Bayes on lower-case words gets there. Accuracy does not: most messages are ham.",
    timeout=60,
)
def test_spam_first_target(student: Any, rng: np.random.Generator) -> None:
    """The spam filter reaches an F1 of 0.80 on messages it has not seen."""
    expect_true(filtered(student, rng) >= 0.80, "Its F1 stays below 0.80.")


@task(
    "spam-classifier",
    points=2,
    after=test_spam_first_target,
    hint="Choose order, alpha and tokens by experiment, on messages kept apart from training.",
    timeout=60,
)
def test_spam_second_target(student: Any, rng: np.random.Generator) -> None:
    """The spam filter reaches an F1 of 0.85 on messages it has not seen."""
    expect_true(filtered(student, rng) >= 0.85, "Its F1 stays below 0.85.")
