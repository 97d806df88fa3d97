"""Plausible wrong answers to lab 2, each with the misunderstanding behind it.

A mutant is the solution with a few lines edited. Each must lose points in its own task only.
"""

from autograder.suite import Mutant

_COUNTS = "ngram-counts-answer"
_SEQUENCE = "sequence-logprob-answer"
_ADD_K = "add-k-answer"
_MIX = "interpolation-answer"
_KN = "kneser-ney-answer"
_PERPLEXITY = "perplexity-answer"
_SPAM = "spam-classifier-answer"
_SAMPLER = "sampler-answer"
_VITERBI = "viterbi-answer"

_WINDOWS = "windows = np.lib.stride_tricks.sliding_window_view(ids, n)  # (T-n+1, n)"
_SORTED = "windows = windows[np.lexsort(windows.T[::-1])]"
_ANSWER = "return windows[first], np.diff(np.r_[first, len(windows)])"

_COUNTING = [
    Mutant(
        "last-window-left-out",
        "ngram-counts",
        "A text of T tokens has T - n + 1 windows of length n; yours stops one early, so the last "
        "n-gram is never counted.",
        {_COUNTS: (_WINDOWS, "windows = np.lib.stride_tricks.sliding_window_view(ids, n)[:-1]")},
    ),
    Mutant(
        "windows-side-by-side",
        "ngram-counts",
        "The windows overlap: they move on by one token each time, not by n.",
        {_COUNTS: (_WINDOWS, "windows = np.lib.stride_tricks.sliding_window_view(ids, n)[::n]")},
    ),
    Mutant(
        "keys-overflow",
        "ngram-counts",
        "An n-gram of large ids packed into one int64 overflows without a word, and different "
        "n-grams get the same number.",
        {
            _COUNTS: (
                _SORTED,
                "powers = (np.max(ids) + 1) ** np.arange(n - 1, -1, -1)\n"
                "    _, first, sizes = np.unique(windows @ powers, return_index=True, "
                "return_counts=True)\n"
                "    return windows[first], sizes",
            )
        },
    ),
    Mutant(
        "loop-over-tokens",
        "ngram-counts",
        "A Python loop looks at the tokens one by one. Let NumPy sort all the windows at once.",
        {
            _COUNTS: (
                _SORTED,
                "seen = {}\n"
                "    for i in range(len(windows)):\n"
                "        gram = tuple(ids[i : i + n].tolist())\n"
                "        seen[gram] = seen.get(gram, 0) + 1\n"
                "    grams = sorted(seen)\n"
                "    return np.array(grams), np.array([seen[gram] for gram in grams])",
            )
        },
    ),
    Mutant(
        "most-frequent-first",
        "ngram-counts",
        "The n-grams are asked for in lexicographic order, not by falling frequency.",
        {
            _COUNTS: (
                _ANSWER,
                "sizes = np.diff(np.r_[first, len(windows)])\n"
                "    rank = np.argsort(-sizes, kind='stable')\n"
                "    return windows[first][rank], sizes[rank]",
            )
        },
    ),
]

_SCORING = [
    Mutant(
        "log-of-the-product",
        "sequence-logprob",
        "The probabilities are multiplied first and the logarithm is taken last: by then a long "
        "product has underflowed to 0.",
        {
            _SEQUENCE: (
                "return np.where(inside, steps, 0.0).sum(axis=1)",
                "return np.log(np.where(inside, np.exp(steps), 1.0).prod(axis=1))",
            )
        },
    ),
    Mutant(
        "mask-by-multiplying",
        "sequence-logprob",
        "Padding is masked by multiplying with 0, but -inf times 0 is NaN, not 0: choose with "
        "np.where.",
        {
            _SEQUENCE: (
                "return np.where(inside, steps, 0.0).sum(axis=1)",
                "return (steps * inside).sum(axis=1)",
            )
        },
    ),
    Mutant(
        "start-masked-by-multiplying",
        "sequence-logprob",
        "An empty sequence has no start, and yours takes it away by multiplying with 0. But where "
        "the padding can't start, that is -inf times 0, which is NaN: choose with np.where.",
        {
            _SEQUENCE: [
                ("log_start[ids[:, :1]]", "log_start[ids[:, :1]] * (lengths > 0)[:, None]"),
                (
                    "return np.where(inside, steps, 0.0).sum(axis=1)",
                    "steps[:, 1:] = np.where(inside[:, 1:], steps[:, 1:], 0.0)\n"
                    "    return steps.sum(axis=1)",
                ),
            ]
        },
    ),
    Mutant(
        "padding-counted",
        "sequence-logprob",
        "The padding is scored as if it belonged to the sequence.",
        {
            _SEQUENCE: (
                "inside = np.arange(ids.shape[1]) < lengths[:, None]",
                "inside = np.ones(ids.shape, dtype=bool)",
            )
        },
    ),
    Mutant(
        "columns-to-rows",
        "sequence-logprob",
        "transition[i, j] is the step from i to j; yours looks up the step from j to i.",
        {
            _SEQUENCE: (
                "log_transition[ids[:, :-1], ids[:, 1:]]",
                "log_transition[ids[:, 1:], ids[:, :-1]]",
            )
        },
    ),
]

_ADDING = [
    Mutant(
        "v-counts-ngrams",
        "add-k",
        "V is the number of words in the vocabulary. Yours is the number of n-grams, and then the "
        "probabilities of the next word do not sum to one.",
        {_ADD_K: ("+ k * vocab_size", "+ k * len(ngrams)")},
    ),
    Mutant(
        "joint-not-conditional",
        "add-k",
        "The count is divided by the number of all n-grams, which gives the probability of the "
        "whole n-gram; divide by the count of the context to get that of its last word.",
        {_ADD_K: ("total = context_total.get(query[:-1], 0) +", "total = counts.sum() +")},
    ),
    Mutant(
        "k-added-once-below",
        "add-k",
        "k is added to each of the V counts of a context, so the total grows by k V, not by k.",
        {_ADD_K: ("+ k * vocab_size", "+ k")},
    ),
    Mutant(
        "dense-table",
        "add-k",
        "Yours makes a table with a cell for each n-gram that there could be. With thousands of "
        "words no memory holds it: store the n-grams that occur.",
        {
            _ADD_K: (
                "seen, context_total = {}, {}",
                "table = np.zeros((vocab_size,) * ngrams.shape[1])\n"
                "    table[tuple(ngrams.T)] = counts\n"
                "    table += k\n"
                "    rows = np.array([table[tuple(query[:-1])] for query in queries])  # (Q, V)\n"
                "    above, below = rows[np.arange(len(rows)), queries[:, -1]], rows.sum(axis=1)\n"
                "    shares = above / np.where(below > 0, below, 1)\n"
                "    return np.where(below > 0, shares, 1 / vocab_size)\n\n"
                "    seen, context_total = {}, {}",
            )
        },
    ),
]

_MIXING = [
    Mutant(
        "logs-are-mixed",
        "interpolation",
        "The mixture is a weighted sum of probabilities; yours is a weighted sum of their logs, "
        "which does not sum to one and is 0 as soon as one model says 0.",
        {_MIX: ("return weights @ probs", "return np.exp(weights @ np.log(probs + 1e-300))")},
    ),
    Mutant(
        "weights-forgotten-in-the-e-step",
        "interpolation",
        "The responsibilities leave the current weights out, so every step gives the same as the "
        "first.",
        {_MIX: ("joint = weights[:, None] * possible", "joint = possible")},
    ),
    Mutant(
        "winner-takes-all",
        "interpolation",
        "Each token is given to the one model that likes it best; EM shares it out among all, by "
        "responsibility.",
        {
            _MIX: (
                "responsibility = joint / joint.sum(axis=0)",
                "responsibility = joint == joint.max(axis=0)",
            )
        },
    ),
    Mutant(
        "responsibilities-added-up",
        "interpolation",
        "The new weight of a model is the mean of its responsibilities. Yours is their sum, so the "
        "weights grow with the text and do not sum to one.",
        {
            _MIX: (
                "weights = responsibility.mean(axis=1)",
                "weights = responsibility.sum(axis=1)",
            )
        },
    ),
    Mutant(
        "impossible-tokens-kept",
        "interpolation",
        "A token that every model calls impossible has responsibilities of 0/0 and turns all "
        "weights into NaN.",
        {_MIX: ("possible = probs[:, probs.any(axis=0)]", "possible = probs")},
    ),
    Mutant(
        "small-number-below",
        "interpolation",
        "A small number is added to the sum that you divide by, to be safe from 0/0. But words can "
        "be as improbable as that, and then the responsibilities do not sum to one.",
        {_MIX: ("joint / joint.sum(axis=0)", "joint / (joint.sum(axis=0) + 1e-10)")},
    ),
]

_KNESER = [
    Mutant(
        "raw-counts-below",
        "kneser-ney",
        "Below the top level, Kneser-Ney counts the different words in front of an n-gram. Yours "
        "counts how often it occurs, which is absolute discounting.",
        {_KN: ("in set(windows(length + 2)))", "in windows(length + 2))")},
    ),
    Mutant(
        "continuation-counts-on-top",
        "kneser-ney",
        "On the top level the counts are plain ones; continuation counts come in only below it.",
        {_KN: ("if length == k:", "if length == k == 0:")},
    ),
    Mutant(
        "one-weight-for-all-contexts",
        "kneser-ney",
        "What is passed on is d N(h •) / c(h •), which differs from context to context; yours "
        "passes on d, and the rows do not sum to one.",
        {_KN: ("row *= discount * len(seen) / total", "row *= discount")},
    ),
    Mutant(
        "oldest-words-kept",
        "kneser-ney",
        "The shorter context drops the oldest word and keeps the newest; yours does it the other "
        "way round.",
        {_KN: ("contexts[:, k - length :]", "contexts[:, :length]")},
    ),
    Mutant(
        "trigrams-at-most",
        "kneser-ney",
        "The order is the number of columns of `contexts`, and may be any number; yours looks at "
        "the last two words and forgets those before.",
        {
            _KN: (
                "ids, k = ids.tolist(), contexts.shape[1]",
                "contexts = contexts[:, -2:]\n    ids, k = ids.tolist(), contexts.shape[1]",
            )
        },
    ),
]

_SURPRISE = [
    Mutant(
        "two-to-the-nats",
        "perplexity",
        "The log-probabilities are natural ones, so undo them with exp; 2 to the power of them "
        "belongs to logarithms of base 2.",
        {_PERPLEXITY: ("np.exp(-np.mean(logprobs))", "2 ** -np.mean(logprobs)")},
    ),
    Mutant(
        "bits-per-token",
        "perplexity",
        "Bits per character are divided by the number of characters; yours by that of tokens.",
        {_PERPLEXITY: ("(n_characters * np.log(2))", "(len(logprobs) * np.log(2))")},
    ),
    Mutant(
        "nats-per-character",
        "perplexity",
        "Natural logarithms measure nats. A bit is ln 2 nats, so divide by that.",
        {_PERPLEXITY: ("(n_characters * np.log(2))", "n_characters")},
    ),
    Mutant(
        "tokens-checked-for-characters",
        "perplexity",
        "Bits per character are divided by the number of characters, so that is what must not be "
        "0; yours looks at the number of tokens.",
        {_PERPLEXITY: ("if n_characters < 1:", "if len(logprobs) == 0:")},
    ),
    Mutant(
        "mean-of-the-inverse",
        "perplexity",
        "The perplexity is the geometric mean of 1/p: average the logs first. Yours averages 1/p.",
        {_PERPLEXITY: ("np.exp(-np.mean(logprobs))", "np.mean(np.exp(-np.asarray(logprobs)))")},
    ),
]

_CLASSIFYING = [
    Mutant(
        "priors-left-out",
        "spam-classifier",
        "Bayes' rule has two factors: yours leaves out how common each class is.",
        {_SPAM: ("np.log(sizes / len(labels))", "np.zeros(len(sizes))")},
    ),
    Mutant(
        "first-words-skipped",
        "spam-classifier",
        "Without start symbols, the first words of a message are never predicted, though how a "
        "message begins tells a lot.",
        {_SPAM: ("padded = [self.vocab_size] * self.order + [", "padded = [")},
    ),
    Mutant(
        "start-symbol-is-a-word",
        "spam-classifier",
        "The start symbol is never predicted, so it is none of the V words; yours counts V + 1.",
        {_SPAM: ("self.alpha * self.vocab_size", "self.alpha * (self.vocab_size + 1)")},
    ),
    Mutant(
        "not-normalised",
        "spam-classifier",
        "What comes out is the joint probability of class and message; the posterior is divided "
        "by its sum over the classes.",
        {
            _SPAM: (
                "return joint - np.logaddexp.reduce(joint, axis=1, keepdims=True)",
                "return joint",
            )
        },
    ),
    Mutant(
        "normalised-outside-the-logs",
        "spam-classifier",
        "To normalise, the joint probabilities are taken out of the logs, where those of a long "
        "message are 0.",
        {
            _SPAM: (
                "return joint - np.logaddexp.reduce(joint, axis=1, keepdims=True)",
                "return np.log(np.exp(joint) / np.exp(joint).sum(axis=1, keepdims=True))",
            )
        },
    ),
    Mutant(
        "two-words-of-context-at-most",
        "spam-classifier",
        "`order` may be any number; yours takes two words of context at most.",
        {_SPAM: ("self.alpha = order,", "self.alpha = min(order, 2),")},
    ),
    Mutant(
        "fits-add-up",
        "spam-classifier",
        "A second call of `fit` adds to what the first has counted: the tables are made in "
        "`__init__`, where they should begin anew in `fit`.",
        {
            _SPAM: [
                (
                    "self.order, self.vocab_size, self.alpha = order, vocab_size, alpha",
                    "self.order, self.vocab_size, self.alpha = order, vocab_size, alpha\n"
                    "        self.seen, self.context_total = [], []",
                ),
                (
                    "self.seen = [{} for _ in sizes]",
                    "self.seen += [{} for _ in sizes[len(self.seen) :]]",
                ),
                (
                    "self.context_total = [{} for _ in sizes]",
                    "self.context_total += [{} for _ in sizes[len(self.context_total) :]]",
                ),
            ]
        },
    ),
    Mutant(
        "always-ham",
        "spam-classifier",
        "A filter that calls everything ham is right for 7 of 8 messages, and finds no spam.",
        {_SPAM: ('"spam" if spam else "ham"', '"ham"')},
    ),
]

_SAMPLING = [
    Mutant(
        "temperature-multiplies",
        "sampler",
        "The exponent is 1/temperature: a low temperature sharpens. Yours makes it flatten.",
        {
            _SAMPLER: (
                "(np.log(probs) - np.log(highest)) / temperature",
                "(np.log(probs) - np.log(highest)) * temperature",
            )
        },
    ),
    Mutant(
        "softmax-of-probabilities",
        "sampler",
        "A softmax wants logs, and yours is given the probabilities themselves, so even a "
        "temperature of 1 changes them.",
        {
            _SAMPLER: (
                "np.exp((np.log(probs) - np.log(highest)) / temperature)",
                "np.exp((probs - highest) / temperature)",
            )
        },
    ),
    Mutant(
        "powers-underflow",
        "sampler",
        "Close to temperature 0 the powers of all probabilities underflow, and 0/0 is NaN: divide "
        "by the largest first.",
        {
            _SAMPLER: (
                "np.exp((np.log(probs) - np.log(highest)) / temperature)",
                "probs ** (1 / temperature)",
            )
        },
    ),
    Mutant(
        "start-stays-warm",
        "sampler",
        "The temperature is applied to the transitions and not to the start.",
        {_SAMPLER: ("temper(start, temperature), temper(tr", "start, temper(tr")},
    ),
    Mutant(
        "start-at-the-top",
        "sampler",
        "The first state is drawn at random like every other; yours is always the most probable.",
        {
            _SAMPLER: (
                "row = start if t == 0",
                "row = np.eye(len(start))[start.argmax()] if t == 0",
            )
        },
    ),
    Mutant(
        "powers-of-its-own",
        "sampler",
        "`generate` takes powers of its own where `temper` has the answer: 1/temperature can't be "
        "worked out at 0, and close to it the powers underflow.",
        {
            _SAMPLER: (
                "start, transition = temper(start, temperature), temper(transition, temperature)",
                "start, transition = start ** (1 / temperature), transition ** (1 / temperature)\n"
                "    start /= start.sum()\n"
                "    transition /= transition.sum(axis=1, keepdims=True)",
            )
        },
    ),
    Mutant(
        "first-of-the-largest",
        "sampler",
        "At temperature 0 all largest entries share alike; argmax gives everything to the first.",
        {
            _SAMPLER: (
                "weights = (probs == highest).astype(np.float64)",
                "weights = np.eye(probs.shape[-1])[probs.argmax(axis=-1)]",
            )
        },
    ),
]

_DECODING = [
    Mutant(
        "greedy",
        "viterbi",
        "Yours takes the best state at each place, one after the other; a path that starts worse "
        "may end better, so keep the best path to every state.",
        {
            _VITERBI: [
                (
                    "best = log_start +",
                    "path = np.zeros(length, dtype=np.int64)\n    best = log_start +",
                ),
                (
                    "    came_from = np.zeros((length, n_states), dtype=np.int64)\n",
                    "    path[0], total = best.argmax(), best.max()\n"
                    "    for t in range(1, length):\n"
                    "        ahead = log_transition[path[t - 1]] + seen(readings[t])\n"
                    "        path[t], total = ahead.argmax(), total + ahead.max()\n"
                    "    return path, float(total)\n",
                ),
            ]
        },
    ),
    Mutant(
        "lost-is-last",
        "viterbi",
        "A lost reading, -1, is used as an index, and picks the last column of the emissions.",
        {_VITERBI: ("if reading >= 0 else np.zeros(n_states)", "if True else np.zeros(n_states)")},
    ),
    Mutant(
        "back-pointer-off-by-one",
        "viterbi",
        "On the way back, the pointer of place t leads to the state at t - 1; yours reads the "
        "pointer of the place before.",
        {
            _VITERBI: (
                "path[t - 1] = came_from[t, path[t]]",
                "path[t - 1] = came_from[t - 1, path[t]]",
            )
        },
    ),
    Mutant(
        "sums-of-paths",
        "viterbi",
        "The paths into a state are added up, as in the forward algorithm; Viterbi keeps the best.",
        {
            _VITERBI: (
                "best = scores.max(axis=0) +",
                "best = np.logaddexp.reduce(scores, axis=0) +",
            )
        },
    ),
    Mutant(
        "path-of-floats",
        "viterbi",
        "States are numbers of rows, and so whole ones; np.zeros makes floats unless you ask for "
        "another dtype.",
        {
            _VITERBI: [
                ("path = np.empty(length, dtype=np.int64)", "path = np.zeros(length)"),
                ("came_from[t, path[t]]", "came_from[t, int(path[t])]"),
            ]
        },
    ),
]

MUTANTS = (
    _COUNTING
    + _SCORING
    + _ADDING
    + _MIXING
    + _KNESER
    + _SURPRISE
    + _CLASSIFYING
    + _SAMPLING
    + _DECODING
)
