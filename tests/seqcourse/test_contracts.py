"""Every model that writes fulfils the contracts, and the contracts catch what does not."""

import numpy as np
import pytest
import torch
from contracts import check_language_model, check_step_model, check_writer
from torch import nn

from seqcourse.batching import Padded
from seqcourse.captioning import CaptionConfig, Captioner
from seqcourse.convolution import CausalConvLM, ConvLMConfig, ConvNetConfig
from seqcourse.encoder_decoder import EncoderDecoder, EncoderDecoderConfig
from seqcourse.gpt import GPT, GPTConfig
from seqcourse.latent import LatentConfig, SequenceVAE
from seqcourse.neural import NeuralLM, Sliding
from seqcourse.ngram import AddK, Backoff, Interpolation, KneserNey, NGram, WittenBell
from seqcourse.recurrent_lm import RecurrentLM, RecurrentLMConfig
from seqcourse.seq2seq import Seq2Seq, Seq2SeqConfig
from seqcourse.stepping import Stepwise
from seqcourse.training import load_model, save_model, seed_everything
from seqcourse.transformer import TransformerConfig, TransformerLM

V, W = 11, 7  # vocabularies of what is written and of what is read
SMOOTHINGS = [AddK(0.3), Interpolation((0.3, 0.5, 0.7)), Backoff(0.6), WittenBell(), KneserNey()]


@pytest.fixture(autouse=True)
def seeded():
    seed_everything(3)


# --- counted models ----------------------------------------------------------------------------


@pytest.mark.parametrize("order", [0, 2])
@pytest.mark.parametrize("smoothing", SMOOTHINGS, ids=lambda s: type(s).__name__)
def test_ngram_models(smoothing, order):
    if isinstance(smoothing, Interpolation):
        smoothing = Interpolation(smoothing.weights[: order + 1])
    text = np.random.default_rng(0).integers(0, V, 101)
    model = NGram(order, V, smoothing).fit(text)
    check_language_model(model, atol=1e-12)
    check_step_model(Stepwise(model), torch.tensor([[1, 2], [3, 4], [0, 1]]), atol=1e-12)


# --- trained models ----------------------------------------------------------------------------

TRANSFORMERS = {
    position: TransformerConfig(
        V, width=8, heads=2, layers=2, context_length=9, positions=position, dropout=0.3
    )
    for position in ("sinusoidal", "learned", "rotary", "none")
}
LANGUAGE_MODELS = {
    **{
        f"recurrent, {cell}": (
            RecurrentLM,
            RecurrentLMConfig(vocab_size=V, cell=cell, width=5, layers=2, dropout=0.3, start_id=3),
        )
        for cell in ("rnn", "lstm", "gru")
    },
    "convolution": (
        CausalConvLM,
        ConvLMConfig(V, start_id=3, net=ConvNetConfig(width=5, dropout=0.3)),
    ),
    **{f"transformer, {name}": (TransformerLM, c) for name, c in TRANSFORMERS.items()},
    "transformer without limit": (
        TransformerLM,
        TransformerConfig(V, width=8, heads=2, layers=2, context_length=None, dropout=0.3),
    ),
    "gpt": (GPT, GPTConfig.preset("nano", vocab_size=V, context_length=16)),
}


@pytest.fixture(params=LANGUAGE_MODELS)
def language_model(request):
    kind, config = LANGUAGE_MODELS[request.param]
    model = kind(config)
    for parameter in model.parameters():  # further from zero, so that mistakes show
        if parameter.ndim == 2:
            nn.init.normal_(parameter, std=0.5)
    return model


def test_neural_language_models(language_model):
    check_language_model(language_model, atol=1e-4)


def test_in_double_precision_they_agree_to_the_last_digits(language_model):
    check_language_model(language_model.double(), atol=1e-10, lengths=(7,))


def test_they_write_on_for_ever(language_model):
    prompts = torch.tensor([[1, 2, 3], [3, 4, 5], [0, 1, 0]])
    check_step_model(Sliding(language_model), prompts, steps=20, atol=1e-4)


def test_they_can_be_saved(language_model, tmp_path):
    save_model(language_model, tmp_path / "model")
    again = load_model(tmp_path / "model")
    text = np.random.default_rng(1).integers(0, V, 13)
    assert again.config == language_model.config
    np.testing.assert_array_equal(again.logprobs(text), language_model.logprobs(text))


# --- models that turn one thing into another ---------------------------------------------------


def sources() -> Padded:
    lengths = torch.tensor([5, 2, 3])
    return Padded(torch.arange(15).reshape(3, 5) % W, lengths)


WRITERS = {
    **{
        f"seq2seq, {attention}, {cell}": Seq2SeqConfig(
            W, V, 1, 2, embedding_width=5, width=6, cell=cell, attention=attention, layers=2
        )
        for attention in (None, "additive", "dot")
        for cell in ("gru", "lstm")
    },
    "seq2seq, input feeding": Seq2SeqConfig(
        W, V, 1, 2, embedding_width=5, width=6, attention="dot", input_feeding=True
    ),
    "encoder-decoder": EncoderDecoderConfig(W, V, 1, 2, width=8, heads=2, dropout=0.3),
}


@pytest.mark.parametrize("name", WRITERS)
def test_sequence_to_sequence_models(name, tmp_path):
    config = WRITERS[name]
    model = Seq2Seq(config) if isinstance(config, Seq2SeqConfig) else EncoderDecoder(config)
    check_writer(model, sources(), atol=1e-4)
    save_model(model, tmp_path / "model")
    again, ids = load_model(tmp_path / "model"), torch.tensor([[1, 3], [1, 4], [1, 5]])
    assert torch.equal(again(sources(), ids), model.eval()(sources(), ids))


@pytest.mark.parametrize("attention", [True, False])
def test_captioners(attention):
    model = Captioner(CaptionConfig(V, 1, 2, 8, 12, width=6, attention=attention))
    check_writer(model, torch.rand(3, 1, 8, 12), atol=1e-4)


def test_sequence_autoencoders():
    model = SequenceVAE(LatentConfig(V, 1, 2, latent_width=5, width=6))
    check_step_model(model, torch.randn(3, 5), atol=1e-4)


# --- the contracts catch what breaks them ------------------------------------------------------


class Sound(NeuralLM):
    """Sums up embeddings; each test breaks one thing."""

    def __init__(self) -> None:
        super().__init__()
        self.vocab_size, self.start_id, self.context_length = V, 0, None
        self.embedding, self.output = nn.Embedding(V, 5), nn.Linear(5, V)
        self.dropout = nn.Dropout(0.5)

    def forward(self, ids):
        return self.advance(ids)[0]

    def advance(self, ids, state=None):
        before = 0 if state is None else state["sum"]
        sums = before + self.embedding(ids).cumsum(dim=1)
        return self.output(self.dropout(sums)), {"sum": sums[:, -1:]}

    def reorder(self, state, rows):
        return {"sum": state["sum"][rows]}


class SeesTheFuture(Sound):
    def forward(self, ids):
        return super().forward(ids) + self.output(self.embedding(ids.roll(-1, dims=1)))


class ForgetsInPieces(Sound):
    def advance(self, ids, state=None):
        return super().advance(ids)


class ChangesItsState(Sound):
    def advance(self, ids, state=None):
        logits, after = super().advance(ids, state)
        if state is not None:
            state["sum"] = after["sum"]
        return logits, after


class IgnoresTheOrder(Sound):
    def reorder(self, state, rows):
        return {"sum": state["sum"][: len(rows)]}


class AlwaysDropout(nn.Module):
    def forward(self, x):
        return nn.functional.dropout(x, 0.5)


class KeepsDropout(Sound):
    def __init__(self) -> None:
        super().__init__()
        self.dropout = AlwaysDropout()


class NotADistribution(Sound):
    def next_logprobs(self, context):
        return super().next_logprobs(context) + 0.1


class ScoresOtherwise(Sound):
    def logprobs(self, tokens):
        return super().logprobs(tokens[::-1])[::-1]


class IsDeaf(Sound):
    def advance(self, ids, state=None):
        logits, state = super().advance(ids * 0, state)
        return logits, state


class BeginsOtherwise(Sound):
    def begin(self, inputs):
        logits, state = self.advance(inputs)
        return logits[:, -1], state


def test_a_sound_model_passes():
    check_language_model(Sound())


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (SeesTheFuture, "changed what is before it"),
        (ForgetsInPieces, "reading in pieces"),
        (ChangesItsState, "a step changed the state"),
        (IgnoresTheOrder, "reordered rows went on otherwise"),
        (KeepsDropout, "Not equal|Mismatched"),
        (NotADistribution, "Not equal to tolerance"),
        (ScoresOtherwise, "Not equal to tolerance"),
        (IsDeaf, "is not read"),
        (BeginsOtherwise, "Not equal to tolerance"),
    ],
)
def test_a_broken_model_is_caught(broken, message):
    with pytest.raises(AssertionError, match=message):
        check_language_model(broken())


def test_a_writer_that_reads_otherwise_in_parallel_is_caught():
    model = Seq2Seq(WRITERS["seq2seq, None, gru"])
    right = model.forward
    model.forward = lambda source, ids: right(source, ids).roll(1, dims=1)
    with pytest.raises(AssertionError, match="step by step and in parallel"):
        check_writer(model, sources())
