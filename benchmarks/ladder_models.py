"""The rungs of the ladder: every language model of the book, with the settings it is given.

Counted models are fitted in seconds, and what has to be chosen is chosen on the validation plays.
Trained models get settings that fit about two minutes on two idle CPU cores each; they read random
windows of the training plays, and keep the parameters that did best on a part of the validation
plays.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from seqcourse.batching import WindowBatches
from seqcourse.convolution import CausalConvLM, ConvLMConfig, ConvNetConfig
from seqcourse.gpt import GPT, GPTConfig
from seqcourse.lm import Ids, LanguageModel
from seqcourse.metrics import bits_per_byte
from seqcourse.neural import NeuralLM
from seqcourse.ngram import (
    MLE,
    AddK,
    Backoff,
    Interpolation,
    KneserNey,
    NGram,
    Smoothing,
    WittenBell,
)
from seqcourse.recurrent_models import RecurrentLM, RecurrentLMConfig
from seqcourse.training import fit, next_token_loss, seed_everything, warmup_cosine
from seqcourse.transformer import TransformerConfig, TransformerLM

BYTES = 256
ORDERS = range(1, 7)
Tokenize = Callable[[str], Ids]


@dataclass(frozen=True)
class Text:
    """The plays of one split, once as text and once as the tokens of a model."""

    text: str
    tokens: Ids

    @classmethod
    def cut(cls, text: str, tokenize: Tokenize) -> "Text":
        """Cut the text into tokens."""
        return cls(text, tokenize(text))

    def score(self, model: LanguageModel) -> float:
        """Return bits per byte: the one scorer."""
        return bits_per_byte(model.logprobs(self.tokens), len(self.text.encode()))


class Uniform:
    """Knows nothing: every byte is equally likely."""

    vocab_size = BYTES

    def logprobs(self, tokens: Ids) -> np.ndarray:
        """Return -ln 256 for every byte."""
        return np.full(len(tokens), -np.log(BYTES))

    def next_logprobs(self, context: Ids) -> np.ndarray:
        """Return -ln 256 for every byte."""
        return self.logprobs(np.empty(BYTES))


# --- counted ---


def counted() -> Iterator[tuple[str, int, list[Smoothing]]]:
    """Yield each counted model's name and order, and the settings to choose from."""
    yield "unigram", 0, [AddK(1.0)]
    yield "maximum likelihood", 5, [MLE()]
    for order in ORDERS:
        yield "add-k", order, [AddK(k) for k in (1.0, 0.3, 0.1, 0.03, 0.01, 0.003)]
        mixed = [Interpolation((1 - 1e-4, *[w] * order)) for w in (0.5, 0.6, 0.7, 0.8, 0.9)]
        yield "interpolation", order, list(mixed)
        yield "back-off", order, [Backoff(d) for d in (0.5, 0.7, 0.9)]
        yield "Witten-Bell", order, [WittenBell()]
        yield "Kneser-Ney", order, [KneserNey()]


def chosen(order: int, settings: list[Smoothing], train: Text, valid: Text) -> Smoothing:
    """Return the setting with the fewest bits per byte on the validation text."""
    if len(settings) == 1:
        return settings[0]
    return min(settings, key=lambda s: valid.score(NGram(order, BYTES, s).fit(train.tokens)))


# --- trained ---


@dataclass(frozen=True)
class Trained:
    """A neural language model of the ladder, and how it is trained.

    Attributes:
        name: what the book calls it.
        tokens: what it reads, "bytes" or "BPE".
        build: makes the model, given V.
        steps: how many batches it learns from.
        length: T, the tokens of a window.
        batch_size: B, the windows of a batch.
        learning_rate: the highest; it warms up, then falls along a cosine.
        setting: the options, as the table shows them.
    """

    name: str
    tokens: str
    build: Callable[[int], NeuralLM]
    steps: int
    length: int
    batch_size: int
    learning_rate: float
    setting: str

    def train(
        self, train: Text, valid: Text, vocab_size: int, checkpoint: Path
    ) -> tuple[NeuralLM, float]:
        """Return the trained model and the seconds it took; goes on from the checkpoint."""
        seed_everything(0)
        model = self.build(vocab_size)
        history = fit(
            model,
            WindowBatches(train.tokens, length=self.length, batch_size=self.batch_size, seed=0),
            next_token_loss,
            steps=self.steps,
            learning_rate=self.learning_rate,
            schedule=warmup_cosine(self.steps, warmup=self.steps // 20),
            validate=valid.score,
            validate_every=max(1, self.steps // 8),
            checkpoint=checkpoint,
            checkpoint_every=max(1, self.steps // 8),
        )
        return model, history.seconds


def _recurrent(cell: str, width: int) -> Callable[[int], NeuralLM]:
    def build(vocab_size: int) -> NeuralLM:
        config = RecurrentLMConfig(vocab_size=vocab_size, cell=cell, width=width, layers=1)
        return RecurrentLM(config)

    return build


def _convolution(vocab_size: int) -> NeuralLM:
    return CausalConvLM(
        ConvLMConfig(vocab_size, net=ConvNetConfig(width=192, dilations=(1, 2, 4, 8, 16)))
    )


def _transformer(vocab_size: int) -> NeuralLM:
    config = TransformerConfig(vocab_size, width=128, heads=4, layers=4, context_length=128)
    return TransformerLM(config)


def _gpt(vocab_size: int) -> NeuralLM:
    return GPT(GPTConfig(vocab_size, width=128, heads=4, layers=4, context_length=64, dropout=0.0))


MERGES = 1024
"""Merges of the BPE tokeniser, learned on the training plays."""

TRAINED = [
    Trained("RNN", "bytes", _recurrent("rnn", 384), 2400, 64, 32, 2e-3, "1 layer, D = 384"),
    Trained("GRU", "bytes", _recurrent("gru", 320), 1400, 64, 32, 4e-3, "1 layer, D = 320"),
    Trained("LSTM", "bytes", _recurrent("lstm", 320), 1300, 64, 32, 4e-3, "1 layer, D = 320"),
    Trained("convolution", "bytes", _convolution, 900, 128, 16, 3e-3, "5 layers, D = 192"),
    Trained("transformer", "bytes", _transformer, 1000, 128, 16, 3e-3, "4 layers, D = 128"),
    Trained("GPT with BPE", "BPE", _gpt, 1000, 64, 32, 3e-3, "4 layers, D = 128"),
]
