"""Right answers to lab 2, written differently: each must get full marks.

`packed-numbers` thinks in whole arrays, `dictionaries-and-loops` word by word,
`recursion-and-logs` in terms of the formulas, with other data types and shapes on the way.
"""

from autograder.suite import Alternative

_PACKED = {
    "ngram-counts-answer": '''
def ngram_counts(ids, n):
    """Give each n-gram a rank of its own, one token longer at a time."""
    if n < 1:
        raise ValueError("n < 1")
    places = len(ids) - n + 1
    if places < 1:
        return np.zeros((0, n), dtype=int), np.zeros(0, dtype=int)
    words, tokens = np.unique(ids, return_inverse=True)
    ranks, table = tokens[:places], np.arange(len(words))[:, None]
    for i in range(1, n):
        keys = ranks * len(words) + tokens[i : i + places]
        found, ranks = np.unique(keys, return_inverse=True)
        table = np.hstack([table[found // len(words)], (found % len(words))[:, None]])
    return words[table], np.bincount(ranks)
''',
    "sequence-logprob-answer": """
def sequence_logprobs(ids, lengths, start, transition):
    total = np.zeros(len(ids))
    with np.errstate(divide="ignore"):
        for t in range(ids.shape[1]):
            alive = np.flatnonzero(lengths > t)
            p = start[ids[alive, 0]] if t == 0 else transition[ids[alive, t - 1], ids[alive, t]]
            total[alive] += np.log(p)
    return total
""",
    "add-k-answer": """
def add_k(ngrams, counts, queries, vocab_size, k):
    n = queries.shape[1]
    rows, place = np.unique(np.vstack([ngrams, queries]), axis=0, return_inverse=True)
    contexts, of = np.unique(rows[:, :-1], axis=0, return_inverse=True)
    place, of = place.reshape(-1), of.reshape(-1)
    size = np.bincount(place[: len(ngrams)], weights=counts, minlength=len(rows))
    total = np.bincount(of, weights=size, minlength=len(contexts))
    asked = place[len(ngrams) :]
    above, below = size[asked] + k, total[of[asked]] + k * vocab_size
    return np.divide(above, below, out=np.full(len(queries), 1 / vocab_size), where=below > 0)
""",
    "interpolation-answer": """
def interpolate(probs, weights):
    return np.einsum("mt,m->t", probs, weights)


def tune_weights(probs, steps):
    models, _ = probs.shape
    weights = np.ones(models) / models
    for _ in range(steps):
        mixture = interpolate(probs, weights)
        known = mixture > 0
        if not known.any():
            break
        weights = weights * (probs[:, known] / mixture[known]).mean(axis=1)
    return weights
""",
    "kneser-ney-answer": """
def kneser_ney(ids, contexts, vocab_size, discount):
    order = contexts.shape[1]
    result = np.full((len(contexts), vocab_size), 1.0 / vocab_size)
    for n in range(1, order + 2):
        grams = _windows(ids, n) if n == order + 1 else _distinct(_windows(ids, n + 1))[:, 1:]
        for q in range(len(contexts)):
            h = contexts[q, order + 1 - n :]
            after = grams[(grams[:, :-1] == h).all(axis=1), -1]
            c = np.bincount(after, minlength=vocab_size)
            if c.sum() > 0:
                left = discount * np.count_nonzero(c)
                result[q] = (np.clip(c - discount, 0, None) + left * result[q]) / c.sum()
    return result


def _windows(ids, n):
    if len(ids) < n:
        return np.zeros((0, n), dtype=np.int64)
    return np.stack([ids[i : len(ids) - n + 1 + i] for i in range(n)], axis=1)


def _distinct(rows):
    return np.unique(rows, axis=0)
""",
    "perplexity-answer": """
def perplexity(logprobs):
    if not len(logprobs):
        raise ValueError("no tokens")
    return 2 ** bits_per_character(logprobs, len(logprobs))


def bits_per_character(logprobs, n_characters):
    if n_characters <= 0:
        raise ValueError("no characters")
    return -(np.asarray(logprobs) / np.log(2)).sum() / n_characters
""",
    "spam-classifier-answer": """
class MarkovClassifier:
    def __init__(self, order, vocab_size, alpha):
        self.order, self.V, self.alpha = order, vocab_size, alpha

    def _grams(self, sequence):
        padded = np.concatenate([np.full(self.order, -1), sequence]).astype(np.int64)
        grams = np.stack([padded[i : len(sequence) + i] for i in range(self.order + 1)], axis=1)
        return [gram.tobytes() for gram in grams], [gram[:-1].tobytes() for gram in grams]

    def fit(self, sequences, labels):
        self.classes = int(max(labels)) + 1
        self.prior = np.array([np.mean(np.asarray(labels) == c) for c in range(self.classes)])
        self.counts = {}
        for sequence, label in zip(sequences, labels):
            for key in sum(self._grams(sequence), []):
                self.counts.setdefault(key, np.zeros(self.classes))[label] += 1
        if self.order == 0:
            sizes = [len(sequence) for sequence in sequences]
            self.counts[b""] = np.bincount(labels, weights=sizes)
        return self

    def log_posterior(self, sequences):
        none, rows = np.zeros(self.classes), []
        for sequence in sequences:
            score = np.log(self.prior)
            for gram, context in zip(*self._grams(sequence)):
                score = score + np.log(self.counts.get(gram, none) + self.alpha)
                score = score - np.log(self.counts.get(context, none) + self.alpha * self.V)
            top = score.max()
            rows.append(score - top - np.log(np.exp(score - top).sum()))
        return np.array(rows)

    def predict(self, sequences):
        return np.argmax(self.log_posterior(sequences), axis=-1)


def spam_filter(train_texts, train_labels, test_texts):
    # two characters of context, with a vocabulary of the characters that occur
    vocab = Vocab.build(c for text in train_texts for c in text)
    labels = np.array([int(label == "spam") for label in train_labels])
    model = MarkovClassifier(2, len(vocab), 0.1).fit([vocab.encode(t) for t in train_texts], labels)
    by_characters = model.log_posterior([vocab.encode(text) for text in test_texts])
    vocab = Vocab.build(w for text in train_texts for w in words(text, lower=True))
    model = MarkovClassifier(0, len(vocab), 0.1)
    model.fit([vocab.encode(words(text, lower=True)) for text in train_texts], labels)
    by_words = model.log_posterior([vocab.encode(words(text, lower=True)) for text in test_texts])
    return [("ham", "spam")[c] for c in (by_characters + by_words).argmax(axis=1)]
""",
    "sampler-answer": """
def temper(probs, temperature):
    if temperature < 0:
        raise ValueError("temperature")
    if temperature == 0:
        ties = np.isclose(probs, probs.max(axis=-1, keepdims=True), rtol=1e-12, atol=0)
        return ties / ties.sum(axis=-1, keepdims=True)
    with np.errstate(divide="ignore"):
        logits = np.log(probs) / temperature
    return np.exp(logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True))


def generate(start, transition, length, temperature, seed):
    # invert the cumulative distribution
    throws = np.random.default_rng(seed).random(length)
    first = np.cumsum(temper(start, temperature))
    steps = np.cumsum(temper(transition, temperature), axis=1)
    states = []
    for u in throws:
        edges = steps[states[-1]] if states else first
        states.append(int(np.searchsorted(edges, u * edges[-1], side="right")))
    return np.array(states, dtype=int)
""",
    "viterbi-answer": """
def viterbi(readings, start, transition, emission):
    if len(readings) == 0:
        return np.zeros(0, dtype=int), 0.0
    everything = np.hstack([emission, np.ones((len(start), 1))])  # the last column is "lost"
    with np.errstate(divide="ignore"):
        step, see, score = np.log(transition), np.log(everything), np.log(start)
    score, back = score + see[:, readings[0]], []
    for x in readings[1:]:
        back.append(np.argmax(score[:, None] + step, axis=0))
        score = np.max(score[:, None] + step, axis=0) + see[:, x]
    path = [int(np.argmax(score))]
    for pointers in reversed(back):
        path.append(int(pointers[path[-1]]))
    return np.array(path[::-1]), score.max()
""",
}

_LOOPS = {
    "ngram-counts-answer": """
def ngram_counts(ids, n):
    if n <= 0:
        raise ValueError(f"an n-gram has at least one token, not {n}")
    total = len(ids) - n + 1
    if total <= 0:
        return np.empty([0, n], dtype="int64"), np.empty([0], dtype="int64")
    columns = [ids[i : i + total] for i in range(n)]
    for_sorting = np.lexsort(columns[::-1])
    columns = [column[for_sorting] for column in columns]
    changes = np.zeros(total, dtype=bool)
    changes[0] = True
    for column in columns:
        changes[1:] |= column[1:] != column[:-1]
    ends = np.append(np.flatnonzero(changes), total)
    return np.column_stack([column[changes] for column in columns]), ends[1:] - ends[:-1]
""",
    "sequence-logprob-answer": """
import math


def sequence_logprobs(ids, lengths, start, transition):
    scores = []
    for row, length in zip(ids.tolist(), lengths.tolist()):
        score = 0.0
        for t in range(length):
            p = start[row[0]] if t == 0 else transition[row[t - 1], row[t]]
            score += math.log(p) if p > 0 else -math.inf
        scores.append(score)
    return np.array(scores)
""",
    "add-k-answer": """
from collections import defaultdict


def add_k(ngrams, counts, queries, vocab_size, k):
    followers = defaultdict(dict)
    for (*context, word), count in zip(ngrams.tolist(), counts.tolist()):
        followers[tuple(context)][word] = count
    sums = {context: sum(row.values()) for context, row in followers.items()}
    result = np.empty(len(queries))
    for i, (*context, word) in enumerate(queries.tolist()):
        context = tuple(context)
        if context not in sums:
            result[i] = 1 / vocab_size
        else:
            result[i] = (followers[context].get(word, 0) + k) / (sums[context] + k * vocab_size)
    return result
""",
    "interpolation-answer": """
def interpolate(probs, weights):
    mixed = np.zeros(probs.shape[1])
    for row, weight in zip(probs, weights):
        mixed += weight * row
    return mixed


def tune_weights(probs, steps):
    weights = [1 / len(probs)] * len(probs)
    for _ in range(steps):
        shares = []
        for token in probs.T:
            parts = [w * p for w, p in zip(weights, token)]
            if sum(parts) > 0:
                shares.append([part / sum(parts) for part in parts])
        if shares:
            weights = [sum(column) / len(shares) for column in zip(*shares)]
    return np.array(weights)
""",
    "kneser-ney-answer": """
from collections import defaultdict


def kneser_ney(ids, contexts, vocab_size, discount):
    k, ids = contexts.shape[1], [int(i) for i in ids]
    levels = []
    for n in range(1, k + 2):
        if n == k + 1:
            table = defaultdict(int)
            for i in range(len(ids) - n + 1):
                table[tuple(ids[i : i + n])] += 1
        else:
            before = defaultdict(set)
            for i in range(1, len(ids) - n + 1):
                before[tuple(ids[i : i + n])].add(ids[i - 1])
            table = {gram: len(others) for gram, others in before.items()}
        rows = defaultdict(list)
        for gram, count in table.items():
            rows[gram[:-1]].append((gram[-1], count))
        levels.append(rows)
    answer = np.zeros((len(contexts), vocab_size))
    for q, context in enumerate(contexts.tolist()):
        p = np.full(vocab_size, 1 / vocab_size)
        for n, rows in enumerate(levels):
            row = rows.get(tuple(context[k - n :]), [])
            if row:
                c = sum(count for _, count in row)
                p = p * discount * len(row) / c
                for word, count in row:
                    p[word] += max(count - discount, 0) / c
        answer[q] = p
    return answer
""",
    "perplexity-answer": """
import math


def perplexity(logprobs):
    numbers = [float(p) for p in logprobs]
    if numbers == []:
        raise ValueError("perplexity of nothing")
    return math.exp(-sum(numbers) / len(numbers))


def bits_per_character(logprobs, n_characters):
    if n_characters < 1:
        raise ValueError("bits per character of nothing")
    return sum(-float(p) for p in logprobs) / math.log(2) / n_characters
""",
    "spam-classifier-answer": """
from collections import Counter
import math


class MarkovClassifier:
    START = "<s>"

    def __init__(self, order, vocab_size, alpha):
        self.order = order
        self.vocab_size = vocab_size
        self.alpha = alpha

    def windows(self, sequence):
        tokens = [self.START] * self.order + list(map(int, sequence))
        for end in range(self.order, len(tokens)):
            yield tuple(tokens[end - self.order : end]), tokens[end]

    def fit(self, sequences, labels):
        labels = [int(label) for label in labels]
        self.models, self.priors = [], []
        for c in sorted(set(labels)):
            own = [s for s, label in zip(sequences, labels) if label == c]
            pairs = Counter(window for s in own for window in self.windows(s))
            contexts = Counter(context for s in own for context, _ in self.windows(s))
            self.models.append((pairs, contexts))
            self.priors.append(len(own) / len(labels))
        return self

    def log_posterior(self, sequences):
        table = np.zeros((len(sequences), len(self.models)))
        for i, sequence in enumerate(sequences):
            for j, (pairs, contexts) in enumerate(self.models):
                table[i, j] = math.log(self.priors[j])
                for context, word in self.windows(sequence):
                    above = pairs[context, word] + self.alpha
                    below = contexts[context] + self.alpha * self.vocab_size
                    table[i, j] += math.log(above / below)
        table -= table.max(axis=1, keepdims=True)
        return table - np.log(np.exp(table).sum(axis=1, keepdims=True))

    def predict(self, sequences):
        return np.array([int(np.argmax(row)) for row in self.log_posterior(sequences)])


def spam_filter(train_texts, train_labels, test_texts):
    # words that occur in one message only are left out; every message counts a word once
    def cut(text):
        return sorted(set(words(text, lower=True)))

    vocab = Vocab.build((word for text in train_texts for word in cut(text)), min_count=2)

    def encode(text):
        return vocab.encode(cut(text))

    classes = ["ham", "spam"]
    model = MarkovClassifier(0, len(vocab), 0.05)
    model.fit([encode(text) for text in train_texts], [classes.index(c) for c in train_labels])
    return [classes[c] for c in model.predict([encode(text) for text in test_texts])]
""",
    "sampler-answer": """
import random


def temper(probs, temperature):
    if temperature < 0:
        raise ValueError("a temperature is at least 0")
    if probs.ndim > 1:
        return np.array([temper(row, temperature) for row in probs])
    if temperature == 0:
        winners = [p == max(probs) for p in probs]
        return np.array(winners) / sum(winners)
    scaled = probs / max(probs)
    powers = scaled ** (1 / temperature)
    return powers / sum(powers)


def generate(start, transition, length, temperature, seed):
    luck = random.Random(seed)
    states, distribution = [], temper(start, temperature)
    rows = temper(transition, temperature)
    for _ in range(length):
        states += luck.choices(range(len(start)), weights=distribution)
        distribution = rows[states[-1]]
    return np.array(states, dtype=np.int32)
""",
    "viterbi-answer": """
import math


def viterbi(readings, start, transition, emission):
    def ln(p):
        return math.log(p) if p > 0 else -math.inf

    def seen(state, reading):
        return 0.0 if reading == -1 else ln(emission[state][reading])

    states = range(len(start))
    readings = [int(x) for x in readings]
    if not readings:
        return np.array([], dtype=np.int64), 0.0
    steps = [[ln(p) for p in row] for row in transition]
    best = [ln(start[z]) + seen(z, readings[0]) for z in states]
    trace = []
    for reading in readings[1:]:
        froms = [max(states, key=lambda y: best[y] + steps[y][z]) for z in states]
        best = [best[y] + steps[y][z] + seen(z, reading) for z, y in enumerate(froms)]
        trace.append(froms)
    state = max(states, key=best.__getitem__)
    logprob, path = best[state], [state]
    while trace:
        state = trace.pop()[state]
        path.insert(0, state)
    return np.array(path), logprob
""",
}

_RECURSION = {
    "ngram-counts-answer": '''
def ngram_counts(ids, n):
    """Pack what fits into an int64; otherwise count halves and join them."""
    if n < 1:
        raise ValueError(n)
    if len(ids) < n:
        return np.empty((0, n), np.int64), np.empty(0, np.int64)
    alphabet, small = np.unique(ids, return_inverse=True)
    shape = (len(alphabet),) * n
    places = len(ids) - n + 1
    columns = tuple(small[i : i + places] for i in range(n))
    if float(len(alphabet)) ** n < 2.0**62:
        keys, counts = np.unique(np.ravel_multi_index(columns, shape), return_counts=True)
        return alphabet[np.stack(np.unravel_index(keys, shape), axis=1)], counts
    grams, counts = np.unique(np.stack(columns, axis=1), axis=0, return_counts=True)
    return alphabet[grams], counts
''',
    "sequence-logprob-answer": """
def sequence_logprobs(ids, lengths, start, transition):
    if ids.shape[1] == 0:
        return np.zeros(len(ids))
    padded = np.ones((len(ids), ids.shape[1]))  # a factor of 1 changes no product
    for b, length in enumerate(lengths):
        if length:
            padded[b, 0] = start[ids[b, 0]]
            padded[b, 1:length] = transition[ids[b, : length - 1], ids[b, 1:length]]
    with np.errstate(divide="ignore"):
        return np.log(padded).sum(axis=-1)
""",
    "add-k-answer": """
def add_k(ngrams, counts, queries, vocab_size, k):
    wholes = dict(zip((row.tobytes() for row in ngrams), counts))
    parts = {}
    for row, count in zip(ngrams, counts):
        parts[row[:-1].tobytes()] = parts.get(row[:-1].tobytes(), 0) + count
    c = np.array([wholes.get(row.tobytes(), 0) for row in queries], dtype=float)
    h = np.array([parts.get(row[:-1].tobytes(), 0) for row in queries], dtype=float)
    blank = h + k == 0
    return np.where(blank, 1 / vocab_size, (c + k) / np.where(blank, 1, h + k * vocab_size))
""",
    "interpolation-answer": """
def interpolate(probs, weights):
    return (np.asarray(probs).T * np.asarray(weights)).sum(axis=1)


def tune_weights(probs, steps):
    m = probs.shape[0]
    if steps == 0:
        return np.full(m, 1.0 / m)
    before = tune_weights(probs, 0) if steps == 1 else None
    weights = np.full(m, 1.0 / m) if before is None else before
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(probs)
        for _ in range(steps):
            joint = np.log(weights)[:, None] + logs
            share = np.exp(joint - np.logaddexp.reduce(joint, axis=0))
            share = share[:, ~np.isnan(share).any(axis=0)]
            if share.size:
                weights = share.mean(axis=1)
    return weights
""",
    "kneser-ney-answer": """
def kneser_ney(ids, contexts, vocab_size, discount):
    text, k = tuple(ids.tolist()), contexts.shape[1]
    grams = {n: {} for n in range(1, k + 2)}
    for n in grams:
        whole = [text[i : i + n] for i in range(len(text) - n + 1)]
        if n <= k:
            whole = [g[1:] for g in {text[i : i + n + 1] for i in range(len(text) - n)}]
        for gram in whole:
            word_counts = grams[n].setdefault(gram[:-1], np.zeros(0, dtype=int).tolist())
            word_counts.append(gram[-1])

    known = {}

    def p(context):
        if context not in known:
            lower = p(context[1:]) if context else np.ones(vocab_size) / vocab_size
            after = grams[len(context) + 1].get(context, [])
            if after:
                found, c = np.unique(after, return_counts=True)
                lower = lower * (discount * len(found) / c.sum())
                lower[found] += np.maximum(c - discount, 0) / c.sum()
            known[context] = lower
        return known[context]

    return np.array([p(tuple(context)) for context in contexts.tolist()]).reshape(-1, vocab_size)
""",
    "perplexity-answer": """
def perplexity(logprobs):
    logprobs = np.asarray(logprobs, dtype=np.float64)
    if logprobs.size == 0:
        raise ValueError("there is no token")
    return np.exp2(-(logprobs * np.log2(np.e)).mean())


def bits_per_character(logprobs, n_characters):
    if not n_characters > 0:
        raise ValueError("there is no character")
    return -np.log2(np.e) * np.sum(logprobs) / n_characters
""",
    "spam-classifier-answer": """
class MarkovClassifier:
    def __init__(self, order, vocab_size, alpha):
        self.settings = order, vocab_size, alpha

    def fit(self, sequences, labels):
        labels = np.asarray(labels)
        self.rows = {}
        self.classes = labels.max() + 1
        self.prior = np.bincount(labels, minlength=self.classes) / labels.size
        for label, sequence in zip(labels, sequences):
            for context, word in self.steps(sequence):
                row = self.rows.setdefault(context, {})
                for key in (word, "all"):
                    row.setdefault(key, [0] * self.classes)[label] += 1
        return self

    def steps(self, sequence):
        order, vocab_size, _ = self.settings
        context = (vocab_size,) * order
        for word in sequence.tolist():
            yield context, word
            context = (*context, word)[1:] if order else ()

    def log_posterior(self, sequences):
        _, vocab_size, alpha = self.settings
        table = []
        for sequence in sequences:
            scores = [np.log(self.prior)]
            for context, word in self.steps(sequence):
                row, none = self.rows.get(context, {}), [0] * self.classes
                above = np.array(row.get(word, none)) + alpha
                scores.append(np.log(above / (np.array(row.get("all", none)) + alpha * vocab_size)))
            table.append(np.sum(scores, axis=0))
        table = np.reshape(table, (len(sequences), self.classes))
        table = table - table.max(axis=1)[:, None]
        return table - np.log(np.exp(table).sum(axis=1)[:, None])

    def predict(self, sequences):
        return self.log_posterior(sequences).argmax(1)


def spam_filter(train_texts, train_labels, test_texts):
    # no Markov model at all: logistic regression on words, by gradient descent
    tokens = (w for text in train_texts for w in words(text, lower=True))
    vocab = Vocab.build(tokens, min_count=3)

    def features(texts):
        table = np.zeros((len(texts), len(vocab)), dtype=np.float32)
        for row, text in zip(table, texts):
            row[vocab.encode(words(text, lower=True))] = 1
        table[:, vocab.unk_id] = 1  # a constant
        return table

    x, y = features(train_texts), np.array([label == "spam" for label in train_labels])
    w = np.zeros(x.shape[1], dtype=np.float32)
    for _ in range(80):
        p = 1 / (1 + np.exp(-x @ w))
        w -= 3.0 * (x.T @ (p - y) / len(y) + 1e-5 * w)
    return np.where(features(test_texts) @ w > -0.5, "spam", "ham").tolist()
""",
    "sampler-answer": """
def temper(probs, temperature):
    if not temperature >= 0:
        raise ValueError(temperature)
    best = np.max(probs, -1, keepdims=True)
    sharp = np.where(probs == best, 1.0, 0.0)
    if temperature > 0:
        possible = probs > 0
        logs = np.log(np.where(possible, probs / best, 1.0))
        sharp = np.where(possible, np.exp(logs / temperature), 0.0)
    return sharp / np.sum(sharp, -1, keepdims=True)


def generate(start, transition, length, temperature, seed):
    rng = np.random.RandomState(seed)

    def more(states):
        while len(states) < length:
            row = transition[states[-1]] if states else start
            states.append(rng.multinomial(1, temper(row, temperature)).argmax())
        return states

    return np.array(more([]), dtype=np.int64)
""",
    "viterbi-answer": """
def viterbi(readings, start, transition, emission):
    if not len(readings):
        return np.empty(0, dtype=np.int64), 0.0
    with np.errstate(divide="ignore"):
        a, b, pi = np.log(transition.T), np.log(emission.T), np.log(start)
    # from the end: the best that can still come, for each state
    ahead = np.zeros((len(readings), len(pi)))
    nothing = np.zeros(len(pi))
    for t in range(len(readings) - 1, 0, -1):
        now = b[readings[t]] if readings[t] >= 0 else nothing
        ahead[t - 1] = np.max(a + (now + ahead[t])[:, None], axis=0)
    path, before = [], pi
    for t, x in enumerate(readings):
        now = before + (b[x] if x >= 0 else nothing) + ahead[t]
        path.append(int(np.argmax(now)))
        if t == 0:
            logprob = now.max()
        before = a[:, path[-1]]
    return np.array(path), float(logprob)
""",
}

ALTERNATIVES = [
    Alternative("packed-numbers", _PACKED),
    Alternative("dictionaries-and-loops", _LOOPS),
    Alternative("recursion-and-logs", _RECURSION),
]
