"""Oracles for lab 2: each quantity straight from its definition, slow and independent.

None of this is the solution's code: the oracles count with sets and loops, sum with `math.fsum`,
and try all paths. `fast_trigrams` alone is quick; it is the clock that students run against.
"""

import itertools
import math
import string
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np


def log(p: float) -> float:
    """Return the natural logarithm, with ln 0 = -inf."""
    return math.log(p) if p > 0 else -math.inf


def distributions(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Draw random distributions along the last axis, none of them close to uniform."""
    return rng.dirichlet(np.full(shape[-1], 0.7), size=shape[:-1])


# --- counting ----------------------------------------------------------------------------------


def ngram_counts(ids: Sequence[int], n: int) -> Counter[tuple[int, ...]]:
    """Count the windows of n tokens."""
    return Counter(tuple(ids[i : i + n]) for i in range(len(ids) - n + 1))


def as_arrays(counts: Counter[tuple[int, ...]], n: int) -> tuple[np.ndarray, np.ndarray]:
    """Write a counter as the lab does: n-grams (N, n) in lexicographic order, counts (N,)."""
    grams = sorted(counts)
    sizes = [counts[gram] for gram in grams]
    return np.array(grams, dtype=np.int64).reshape(-1, n), np.array(sizes, dtype=np.int64)


def from_lists(value: Any) -> Any:
    """Make an array of a list, and leave all else as it is."""
    return np.asarray(value) if isinstance(value, list | tuple) else value


def are_states(values: np.ndarray, n_states: int) -> bool:
    """Whether all are whole numbers from 0 to n_states - 1, be they ints or floats."""
    return values.dtype.kind in "iuf" and bool(np.isin(values, np.arange(n_states)).all())


def fast_trigrams(ids: np.ndarray, vocab_size: int) -> tuple[np.ndarray, np.ndarray]:
    """Count trigrams by sorting one whole number for each: what the lab's budget is measured by."""
    keys = (ids[:-2] * vocab_size + ids[1:-1]) * vocab_size + ids[2:]
    found, counts = np.unique(keys, return_counts=True)
    grams = np.stack((found // vocab_size**2, found // vocab_size % vocab_size, found % vocab_size))
    return grams.T, counts


def seconds(call: Callable[..., Any], *args: Any, tries: int = 2) -> float:
    """Return the processor time of a call, the best of some tries."""
    times = []
    for _ in range(tries):
        begin = time.process_time()
        call(*args)
        times.append(time.process_time() - begin)
    return min(times)


# --- probabilities -----------------------------------------------------------------------------


def sequence_logprob(states: Sequence[int], start: np.ndarray, transition: np.ndarray) -> float:
    """Return ln p of one sequence of a Markov chain of order 1."""
    steps = [log(start[states[0]])] if len(states) else []
    steps += [log(transition[i, j]) for i, j in itertools.pairwise(states)]
    return -math.inf if -math.inf in steps else math.fsum(steps)


def add_k(
    counts: Counter[tuple[int, ...]], query: Sequence[int], vocab_size: int, k: float
) -> float:
    """Return p(last word | the words before it)."""
    *context, word = query
    row = [counts[(*context, other)] + k for other in range(vocab_size)]
    return row[word] / sum(row) if sum(row) else 1 / vocab_size


def em_step(probs: np.ndarray, weights: Sequence[float]) -> list[float]:
    """Take one EM step for the weights of a mixture, token by token."""
    total, tokens = [0.0] * len(weights), 0
    for column in probs.T:
        joint = [w * p for w, p in zip(weights, column, strict=True)]
        if any(joint):
            tokens += 1
            total = [t + j / sum(joint) for t, j in zip(total, joint, strict=True)]
    return [t / tokens for t in total]


def kneser_ney(
    ids: Sequence[int], context: Sequence[int], vocab_size: int, discount: float
) -> list[float]:
    """Return the distribution of the next word by the recursion as the lab states it."""
    return _kneser_ney(list(ids), tuple(context), vocab_size, discount, len(context))


def _kneser_ney(
    ids: list[int], context: tuple[int, ...], vocab_size: int, discount: float, order: int
) -> list[float]:
    n = len(context) + 1
    lower = [1 / vocab_size] * vocab_size
    if context:
        lower = _kneser_ney(ids, context[1:], vocab_size, discount, order)
    if len(context) == order:
        grams = [tuple(ids[i : i + n]) for i in range(len(ids) - n + 1)]
    else:
        longer = {tuple(ids[i : i + n + 1]) for i in range(len(ids) - n)}
        grams = [gram[1:] for gram in longer]
    counts = [grams.count((*context, word)) for word in range(vocab_size)]
    total, kinds = sum(counts), sum(count > 0 for count in counts)
    if not total:
        return lower
    passed = discount * kinds / total
    pairs = zip(counts, lower, strict=True)
    return [max(count - discount, 0) / total + passed * rest for count, rest in pairs]


# --- classifying -------------------------------------------------------------------------------


def log_posterior(
    train: Sequence[Sequence[int]],
    labels: Sequence[int],
    message: Sequence[int],
    order: int,
    vocab_size: int,
    alpha: float,
) -> list[float]:
    """Return ln p(class | message) for each class, by Bayes' rule."""
    joint = []
    for label in range(max(labels) + 1):
        own = [text for text, of in zip(train, labels, strict=True) if of == label]
        counts: Counter[tuple[int, ...]] = Counter()
        for text in own:
            counts += ngram_counts(_padded(text, order), order + 1)
        grams = ngram_counts(_padded(message, order), order + 1)
        terms = [n * log(add_k(counts, gram, vocab_size, alpha)) for gram, n in grams.items()]
        joint.append(log(len(own) / len(labels)) + math.fsum(terms))
    top = max(joint)
    total = top + log(math.fsum(math.exp(score - top) for score in joint))
    return [score - total for score in joint]


def _padded(text: Sequence[int], order: int) -> tuple[Any, ...]:
    return ("start",) * order + tuple(int(word) for word in text)


def f1(found: Sequence[str], truth: Sequence[str], positive: str) -> float:
    """Return the harmonic mean of precision and recall."""
    pairs = list(zip(found, truth, strict=True))
    hits = pairs.count((positive, positive))
    mistakes = sum(a != b for a, b in pairs)
    return 2 * hits / (2 * hits + mistakes) if hits else 0.0


def spliced(
    messages: Sequence[list[str]], labels: Sequence[str], rng: np.random.Generator
) -> list[list[str]]:
    """Join the first half of each message to the second half of another one of its class.

    So no table of messages knows them, not even by their length or by which words come again.
    """
    joined = list(messages)
    for label in sorted(set(labels)):
        places = rng.permutation([i for i, of in enumerate(labels) if of == label]).tolist()
        for i, j in zip(places, places[1:] + places[:1], strict=True):
            mine, other = messages[i], messages[j]
            joined[i] = mine[: len(mine) // 2] + other[len(other) // 2 :]
    return joined


def renamed(messages: Sequence[Sequence[str]], rng: np.random.Generator) -> list[str]:
    """Write an invented word for each word, always the same, so that no list of words knows it."""
    known = sorted({word for message in messages for word in message})
    instead = dict(zip(known, invented_words(len(known), rng), strict=True))
    return [" ".join(instead[word] for word in message) for message in messages]


def invented_words(number: int, rng: np.random.Generator) -> list[str]:
    """Draw different words of 3 to 8 letters."""
    letters, found = np.array(list(string.ascii_lowercase)), dict[str, None]()
    while len(found) < number:
        found["".join(letters[rng.integers(26, size=rng.integers(3, 9))])] = None
    return list(found)


# --- decoding ----------------------------------------------------------------------------------


def path_logprob(
    path: Sequence[int],
    readings: Sequence[int],
    start: np.ndarray,
    transition: np.ndarray,
    emission: np.ndarray,
) -> float:
    """Return ln p(path, readings); a reading of -1 was lost."""
    seen = [log(emission[z, x]) for z, x in zip(path, readings, strict=True) if x >= 0]
    walk = sequence_logprob(path, start, transition)
    return -math.inf if -math.inf in (walk, *seen) else walk + math.fsum(seen)


def best_path_logprob(readings: Sequence[int], *model: np.ndarray) -> float:
    """Return the largest ln p(path, readings), by trying every path."""
    paths = itertools.product(range(len(model[0])), repeat=len(readings))
    return max(path_logprob(path, readings, *model) for path in paths)


def best_logprob_of_long(
    readings: Sequence[int], start: np.ndarray, transition: np.ndarray, emission: np.ndarray
) -> float:
    """Return the same for many readings, from the last one backwards."""
    ahead = [0.0] * len(start)
    for x in reversed(readings[1:]):
        then = [ahead[j] + log(emission[j, x]) for j in range(len(start))]
        ahead = [max(log(p) + t for p, t in zip(row, then, strict=True)) for row in transition]
    first = readings[0]
    return max(log(p) + log(emission[i, first]) + ahead[i] for i, p in enumerate(start))
