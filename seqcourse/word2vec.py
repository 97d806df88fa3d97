"""Word2vec: vectors of words, learned by predicting words from their neighbours.

Mikolov et al. (2013a, 2013b). Two choices make the family:

* who predicts whom: in *skip-gram* each word predicts each of its neighbours; in *CBOW*
  (continuous bag of words) the mean of the neighbours predicts the word;
* how the prediction is scored: full softmax, negative sampling or hierarchical softmax,
  all in `seqcourse.word2vec_losses`.

Both kinds of example have one form: some input words, whose vectors are averaged into a
hidden vector h, and one target word. The loss gives a gradient for h and for some
output vectors, and all that is left is to hand h's gradient back to the input words.
`seqcourse.word2vec_fast` trains the same model with compiled loops.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from rich.progress import track

from seqcourse._checks import check_choice, check_positive
from seqcourse.huffman import huffman_tree
from seqcourse.lm import Corpus, Ids
from seqcourse.word2vec_losses import (
    Gradients,
    Questions,
    ask_about_noise,
    ask_the_tree,
    logistic_loss,
    softmax_loss,
)
from seqcourse.word_sampling import (
    AliasTable,
    Formula,
    as_texts,
    count_words,
    draw_negatives,
    keep_probabilities,
    noise_distribution,
)

__all__ = [
    "Draws",
    "Examples",
    "Word2Vec",
    "Word2VecConfig",
    "cbow_examples",
    "context_windows",
    "skip_gram_examples",
]

NOTHING_LEFT = (
    "the corpus has no word with a neighbour left to learn from: its texts are too "
    "short, or subsample is too small for it"
)


class Examples(NamedTuple):
    """N examples to learn from: predict each target from the mean of its input words.

    Attributes:
        inputs: ids of the input words, padded with -1; each row has at least one.
        targets: id of the word to predict.
    """

    inputs: Int[np.ndarray, "N C"]
    targets: Int[np.ndarray, " N"]

    def part(self, begin: int, end: int) -> "Examples":
        """Return examples begin … end-1."""
        return Examples(self.inputs[begin:end], self.targets[begin:end])


def context_windows(
    ids: Ids, window: int, *, rng: np.random.Generator | None = None
) -> Int[np.ndarray, "T C"]:
    """Return the neighbours of each of T words, left to right; -1 where there is none.

    Args:
        ids: the words of one text.
        window: how many words to look at on either side; C = 2 window.
        rng: if given, each word's window is shrunk to a random size in 1 … window, so
            that near neighbours count more than far ones, as word2vec.c does.

    >>> context_windows(np.array([7, 8, 9]), 1)
    array([[-1,  8],
           [ 7,  9],
           [ 8, -1]])

    Raises:
        ValueError: if the window is below 1.
    """
    check_positive("window", window)
    offsets = np.concatenate([np.arange(-window, 0), np.arange(1, window + 1)])  # (C,)
    reach = np.full(len(ids), window)
    if rng is not None:
        reach = rng.integers(1, window + 1, size=len(ids))
    padded = np.pad(ids, window, constant_values=-1)
    neighbours = padded[np.arange(len(ids))[:, None] + window + offsets]
    return np.where(np.abs(offsets) <= reach[:, None], neighbours, -1)


def skip_gram_examples(ids: Ids, windows: Int[np.ndarray, "T C"]) -> Examples:
    """Return the pairs (word, neighbour), left to right: each an example of its own.

    >>> ids = np.array([7, 8, 9])
    >>> pairs = skip_gram_examples(ids, context_windows(ids, 1))
    >>> [(int(c), int(t)) for [c], t in zip(*pairs)]
    [(7, 8), (8, 7), (8, 9), (9, 8)]
    """
    centre, side = np.nonzero(windows >= 0)
    return Examples(ids[centre, None], windows[centre, side])


def cbow_examples(ids: Ids, windows: Int[np.ndarray, "T C"]) -> Examples:
    """Return one example for each word with neighbours: predict it from all of them.

    >>> ids = np.array([7, 8, 9])
    >>> examples = cbow_examples(ids, context_windows(ids, 1))
    >>> examples.inputs[1].tolist(), int(examples.targets[1])
    ([7, 9], 8)
    """
    some = (windows >= 0).any(axis=1)
    return Examples(windows[some], ids[some])


@dataclass(frozen=True)
class Word2VecConfig:
    """What to learn, and how.

    Attributes:
        vocab_size: V.
        dim: D, the length of the vectors.
        architecture: who predicts whom.
        loss: how predictions are scored.
        window: how many neighbours on either side.
        shrink: whether to shrink each window to a random size in 1 … window.
        negatives: K, noise words for each target (negative sampling).
        noise_power: the noise is drawn in proportion to count^noise_power.
        subsample: threshold t beyond which frequent words are thinned out, as a share
            of the corpus; None keeps everything. See `keep_probabilities`.
        subsample_formula: the paper's, or that of word2vec.c.
        learning_rate: at the start; it falls in a straight line over all epochs. The
            gradients of a batch are summed, not averaged, so it does not grow with the
            batch.
        final_learning_rate: at the end.

    Raises:
        ValueError: for sizes below 1, unknown choices, or rates that do not fall.
    """

    vocab_size: int
    dim: int = 100
    architecture: Literal["skip-gram", "cbow"] = "skip-gram"
    loss: Literal["softmax", "negative", "hierarchical"] = "negative"
    window: int = 5
    shrink: bool = True
    negatives: int = 5
    noise_power: float = 0.75
    subsample: float | None = 1e-3
    subsample_formula: Formula = "word2vec.c"
    learning_rate: float = 0.025
    final_learning_rate: float = 1e-4

    def __post_init__(self) -> None:
        check_choice("architecture", self.architecture, ("skip-gram", "cbow"))
        check_choice("loss", self.loss, ("softmax", "negative", "hierarchical"))
        for name in ("dim", "window", "negatives"):
            check_positive(name, getattr(self, name))
        if self.vocab_size < 2:
            raise ValueError(
                "vocab_size must be at least 2 (there must be something to predict), "
                f"but is {self.vocab_size}"
            )
        if not self.learning_rate >= self.final_learning_rate >= 0:
            raise ValueError(
                "the learning rate must fall to at least 0, but goes from "
                f"learning_rate={self.learning_rate} to "
                f"final_learning_rate={self.final_learning_rate}"
            )

    def rate(self, progress: float) -> float:
        """Return the learning rate after a share of 0 … 1 of all the work."""
        return self.learning_rate + progress * (
            self.final_learning_rate - self.learning_rate
        )


class Word2Vec:
    """Two vectors for each word, as an input and as an output; one keeps `inputs`.

    >>> config = Word2VecConfig(vocab_size=3, dim=2, window=1, subsample=None)
    >>> rng = np.random.default_rng(0)
    >>> model = Word2Vec(config, rng=rng)
    >>> losses = model.fit([np.array([0, 1, 2] * 9)], epochs=3, rng=rng)
    >>> len(losses), model.inputs.shape
    (3, (3, 2))

    Args:
        config: what to learn, and how.
        rng: draws the input vectors, uniform in ±1/(2D); the output vectors start at
            zero.
        dtype: float32, or float64 to check gradients.

    Attributes:
        inputs: (V, D).
        outputs: (V, D); with hierarchical softmax (V-1, D), one for each inner node of
            the tree.
    """

    def __init__(
        self,
        config: Word2VecConfig,
        *,
        rng: np.random.Generator,
        dtype: type[np.floating] = np.float32,
    ) -> None:
        self.config = config
        size = (config.vocab_size, config.dim)
        self.inputs: Float[np.ndarray, "V D"] = (
            (rng.random(size) - 0.5) / config.dim
        ).astype(dtype)
        nodes = config.vocab_size - (config.loss == "hierarchical")
        self.outputs: Float[np.ndarray, "N D"] = np.zeros((nodes, config.dim), dtype)

    def fit(
        self,
        corpus: Ids | Corpus,
        *,
        epochs: int = 5,
        batch_size: int = 32,
        rng: np.random.Generator,
        progress: bool = False,
    ) -> list[float]:
        """Learn from a corpus, text by text, in NumPy: the path to read.

        Args:
            corpus: texts as ids; a window never reaches from one text into the next.
            epochs: how often to go through the corpus.
            batch_size: examples for each step. All examples of a step see the same
                vectors, so a frequent word takes a step as long as it is frequent: keep
                the batch small.
            rng: draws what is left out, the windows, and the noise.
            progress: whether to show a bar.

        Returns:
            The mean loss of an example in each epoch, in nats.

        Raises:
            ValueError: if the corpus is empty or has no word with a neighbour, an id is
                outside the vocabulary, or epochs or batch_size is below 1.
        """
        check_positive("epochs", epochs)
        check_positive("batch_size", batch_size)
        draws = Draws(self.config, corpus)
        history = []
        steps = track(range(epochs), "word2vec", disable=not progress)
        for epoch in steps:
            examples = draws.examples(rng)
            losses = []
            for begin in range(0, len(examples.targets), batch_size):
                batch = examples.part(begin, begin + batch_size)
                done = (epoch + begin / len(examples.targets)) / epochs
                questions = draws.questions(batch.targets, rng)
                losses.append(self.step(batch, questions, self.config.rate(done)))
            history.append(float(np.concatenate(losses).mean()))
        return history

    def step(
        self, examples: Examples, questions: Questions | None, rate: float
    ) -> Float[np.ndarray, " B"]:
        """Take one step of gradient descent on the sum of the examples' losses.

        Args:
            examples: what to predict from what.
            questions: which rows of `outputs` to ask about the target; None: full
                softmax.
            rate: the learning rate.

        Returns:
            The loss of each example before the step, in nats.
        """
        step, hidden_to_inputs = self.gradients(examples, questions)
        rows = examples.inputs[examples.inputs >= 0]
        np.subtract.at(
            self.inputs, rows, (rate * hidden_to_inputs).astype(self.inputs.dtype)
        )
        np.subtract.at(
            self.outputs, step.rows, (rate * step.outputs).astype(self.outputs.dtype)
        )
        return step.losses

    def gradients(
        self, examples: Examples, questions: Questions | None
    ) -> tuple[Gradients, Float[np.ndarray, "I D"]]:
        """Return the loss's gradients, and that of every input vector in turn.

        The hidden vector is a mean of C input vectors, so each of these gets 1/C of its
        gradient. word2vec.c and gensim forget that factor in CBOW (İrsoy et al. 2021),
        which is to take C times the learning rate for the inputs: with the true
        gradient, CBOW wants a larger one.
        """
        present = examples.inputs >= 0  # (B, C)
        share = present / present.sum(axis=1, keepdims=True)
        share = share.astype(self.inputs.dtype)
        hidden = np.einsum("bc,bcd->bd", share, self.inputs[examples.inputs])
        if questions is None:
            step = softmax_loss(hidden, self.outputs, examples.targets)
        else:
            step = logistic_loss(hidden, self.outputs, questions)
        return step, (share[..., None] * step.hidden[:, None])[present]


class Draws:
    """Everything random in an epoch: what is left out, the windows, and the noise.

    Args:
        config: what to draw, and how.
        corpus: the ids of one text, or of several; their counts decide the chances.

    Raises:
        ValueError: if the corpus is empty, has an id outside the vocabulary, or has
            only one word to draw noise from.
    """

    def __init__(self, config: Word2VecConfig, corpus: Ids | Corpus) -> None:
        self.config, self.texts = config, as_texts(corpus, config.vocab_size)
        counts = count_words(self.texts, config.vocab_size)
        self.keep = keep_probabilities(
            counts, config.subsample, formula=config.subsample_formula
        )
        if config.loss == "hierarchical":
            self.tree = huffman_tree(counts)
        if config.loss == "negative":
            if (counts > 0).sum() < 2:
                raise ValueError(
                    "negative sampling needs at least two different words in the "
                    "corpus, or there is no noise to tell the target from"
                )
            self.noise = AliasTable(
                noise_distribution(counts, power=config.noise_power)
            )

    def examples(self, rng: np.random.Generator) -> Examples:
        """Draw one epoch's examples, in the order of the corpus.

        Raises:
            ValueError: if no word with a neighbour is left.
        """
        parts = list(self._parts(rng))
        examples = Examples(
            *(np.concatenate(part) for part in zip(*parts, strict=True))
        )
        if not len(examples.targets):
            raise ValueError(NOTHING_LEFT)
        return examples

    def _parts(self, rng: np.random.Generator) -> Iterator[Examples]:
        skip_gram = self.config.architecture == "skip-gram"
        arrange = skip_gram_examples if skip_gram else cbow_examples
        for ids in self.texts:
            kept = ids[rng.random(len(ids)) < self.keep[ids]]
            shrink = rng if self.config.shrink else None
            yield arrange(kept, context_windows(kept, self.config.window, rng=shrink))

    def questions(
        self, targets: Int[np.ndarray, " B"], rng: np.random.Generator
    ) -> Questions | None:
        """Return what the loss asks about each target; full softmax asks nothing."""
        if self.config.loss == "softmax":
            return None
        if self.config.loss == "hierarchical":
            return ask_the_tree(targets, self.tree)
        negatives = draw_negatives(self.noise, targets, self.config.negatives, rng)
        return ask_about_noise(targets, negatives)
