import numpy as np
import pytest
import torch
from contracts import check_language_model, check_step_model
from torch import nn

from seqcourse.lm import LanguageModel
from seqcourse.neural import NeuralLM, Sliding
from seqcourse.ngram import AddK, NGram
from seqcourse.stepping import StepModel
from seqcourse.training import fit, linear

V = 7


class Bigram(NeuralLM):
    """A table of logits: what comes next depends on the last token alone."""

    def __init__(self, table: torch.Tensor, start_id: int = 0) -> None:
        super().__init__()
        self.vocab_size, self.start_id, self.context_length = len(table), start_id, None
        self.table = nn.Parameter(table)

    def forward(self, ids):
        return self.table[ids]

    def advance(self, ids, state=None):
        return self(ids), ()

    def reorder(self, state, rows):
        return ()


class Summing(NeuralLM):
    """Adds up what it has read, the latest with the most weight; so it sees all of its context.

    Its logits at each place are a function of that sum, which is also its state.
    """

    def __init__(self, context_length: int | None = None, dropout: float = 0.5) -> None:
        super().__init__()
        draw = torch.Generator().manual_seed(5)
        self.vocab_size, self.start_id, self.context_length = V, 2, context_length
        self.embedding = nn.Parameter(torch.randn(V, 5, generator=draw))
        self.output = nn.Parameter(torch.randn(5, V, generator=draw))
        self.dropout = nn.Dropout(dropout)
        self.windows: list[list[int]] = []

    def forward(self, ids):
        self.windows += ids.tolist()
        return self.advance(ids)[0]

    def advance(self, ids, state=None):
        so_far, read = state or (self.embedding.new_zeros(len(ids), 5), 0)
        if self.context_length is not None and read + ids.shape[1] > self.context_length:
            raise ValueError(f"read {read} and now {ids.shape[1]}")
        places = []
        for t in range(ids.shape[1]):
            so_far = 0.9 * so_far + self.embedding[ids[:, t]]
            places.append(so_far)
        logits = self.dropout(torch.stack(places, dim=1)) @ self.output
        return logits, (so_far, read + ids.shape[1])

    def reorder(self, state, rows):
        return state[0][rows], state[1]


def tokens(length: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, V, length)


# --- the contract ------------------------------------------------------------------------------


@pytest.mark.parametrize("context_length", [None, 4, 5, 11])
def test_it_fulfils_the_contract(context_length):
    model = Summing(context_length)
    assert isinstance(model, LanguageModel)
    assert isinstance(model, StepModel)
    check_language_model(model)
    check_language_model(model.double(), atol=1e-12)


def test_a_bigram_table_is_an_ngram_model():
    text = tokens(53)
    counted = NGram(1, V, AddK(0.5)).fit(text)
    table = np.array([counted.next_logprobs(np.array([v])) for v in range(V)])
    model = Bigram(torch.tensor(table), start_id=3)
    check_language_model(model)
    after_start = np.concatenate(([3], text))
    np.testing.assert_allclose(model.logprobs(text), counted.logprobs(after_start)[1:])


def test_a_trained_bigram_table_is_the_counted_one():
    text = np.concatenate([np.arange(V), tokens(301), [0]])  # so that no bigram is alone
    counted = NGram(1, V, AddK(1e-9)).fit(text)
    model = Bigram(torch.zeros(V, V, dtype=torch.float64))
    pairs = torch.as_tensor(text)[None]

    def loss(model, batch):
        return model.loss(batch[:, :-1], batch[:, 1:])

    fit(
        model,
        lambda step: pairs,
        loss,
        steps=100,
        optimizer=torch.optim.Adam(model.parameters(), lr=0.5),
        schedule=linear(100),
        progress=False,
    )
    for v in range(V):
        ours, theirs = (np.exp(m.next_logprobs(np.array([v]))) for m in (model, counted))
        np.testing.assert_allclose(ours, theirs, atol=1e-3)


def test_the_loss_is_the_surprise_that_logprobs_tells():
    model = Summing(dropout=0.0)
    text = tokens(13)
    read = np.concatenate(([model.start_id], text[:-1]))
    ids, targets = torch.as_tensor(read)[None], torch.as_tensor(text)[None]
    assert model.loss(ids, targets).item() == pytest.approx(-model.logprobs(text).mean())
    mask = torch.arange(13)[None] < 5
    expected = -model.logprobs(text)[:5].mean()
    assert model.loss(ids, targets, mask=mask).item() == pytest.approx(expected)


# --- scoring -----------------------------------------------------------------------------------


def test_scores_are_those_of_the_forward_pass():
    model, text = Summing().eval(), tokens(17)
    with torch.no_grad():
        logits = model(torch.as_tensor(np.concatenate(([2], text)))[None])[0, :-1]
    expected = logits.log_softmax(-1)[np.arange(17), text]
    np.testing.assert_allclose(model.logprobs(text), expected, rtol=1e-5)


def test_a_long_text_is_read_in_chunks_without_forgetting(monkeypatch):
    model, text = Summing(), tokens(29)
    expected = model.logprobs(text)
    monkeypatch.setattr("seqcourse.neural.CHUNK", 5)
    np.testing.assert_allclose(model.logprobs(text), expected, rtol=1e-5)


@pytest.mark.parametrize("size", [1, 2, 5, 8])
@pytest.mark.parametrize("length", [0, 1, 5, 8, 9, 23])
@pytest.mark.parametrize("chunk", [1, 16])
def test_windows_score_every_token_once_with_half_a_window_or_more(
    size, length, chunk, monkeypatch
):
    monkeypatch.setattr("seqcourse.neural.CHUNK", chunk)
    model, text = Summing(size).double().eval(), tokens(length)
    scores = model.logprobs(text)
    assert scores.shape == (length,)
    read = np.concatenate(([2], text))[:-1]
    for t, score in enumerate(scores):
        reads = range(max(0, t + 1 - size), max(0, t - size // 2) + 1)  # where it may begin
        allowed = [
            model(torch.as_tensor(read[begin : t + 1])[None])[0, -1].log_softmax(-1)[text[t]].item()
            for begin in reads
        ]
        assert np.isclose(score, allowed, rtol=1e-9).any(), t


def test_windows_are_as_few_as_they_can_be():
    model = Summing(8)
    model.logprobs(tokens(30))
    assert len(model.windows) == 7  # the first brings 8 scores, the others 4 each: 8 + 6 · 4 ≥ 30
    assert {len(window) for window in model.windows} == {8}


def test_only_the_end_of_a_long_context_is_read():
    model, context = Summing(5).eval(), tokens(17)
    logits, _ = model.advance(torch.as_tensor(context[-5:])[None])
    expected = logits[0, -1].log_softmax(-1).detach()
    np.testing.assert_allclose(model.next_logprobs(context), expected, rtol=1e-5)


def test_arrays_of_any_kind_are_read():
    model, text = Bigram(torch.randn(V, V)), tokens(11)
    expected = model.logprobs(text.copy())
    text.flags.writeable = False
    np.testing.assert_array_equal(model.logprobs(text), expected)
    np.testing.assert_array_equal(model.logprobs(text[::-1].copy()[::-1]), expected)
    assert model.next_logprobs(text).shape == (V,)


def test_half_precision_is_scored_in_full():
    model = Summing(dropout=0.0)
    expected = model.logprobs(tokens(11))
    scores = model.to(torch.bfloat16).logprobs(tokens(11))
    assert scores.dtype == np.float64
    np.testing.assert_allclose(scores, expected, atol=0.2)


def test_ids_outside_the_vocabulary_are_refused():
    with pytest.raises(ValueError, match="tokens contains the id 7"):
        Summing().logprobs(np.array([7]))
    with pytest.raises(ValueError, match="context contains the id -1"):
        Summing().next_logprobs(np.array([-1]))


def test_no_graph_is_kept():
    model = Bigram(torch.zeros(V, V))
    model.logprobs(tokens(3))
    model.next_logprobs(tokens(3))
    assert model.table.grad is None


# --- writing past the limit --------------------------------------------------------------------


def test_sliding_changes_nothing_within_the_limit():
    prompts = torch.as_tensor(np.stack([tokens(3, 1), tokens(3, 2), tokens(3, 3)]))
    for limit in (None, 8):
        model = Summing(limit).eval()
        sliding = Sliding(model)
        assert isinstance(sliding, StepModel)
        check_step_model(sliding, prompts)
        for ours, theirs in zip(drive(sliding, prompts, 4), drive(model, prompts, 4), strict=True):
            torch.testing.assert_close(ours, theirs)


def drive(model, prompts, steps):
    logits, state = model.begin(prompts)
    outputs = [logits]
    for step in range(steps):
        logits, state = model.step((torch.arange(len(prompts)) + step) % V, state)
        outputs.append(logits)
    return outputs


@pytest.mark.parametrize("limit", [1, 2, 5, 6])
def test_sliding_writes_on_with_half_a_context_or_more(limit):
    model = Summing(limit).eval()
    prompts = torch.as_tensor(np.stack([tokens(3, 1), tokens(3, 2)]))
    written = torch.stack([(torch.arange(2) + step) % V for step in range(13)], dim=1)
    read = torch.cat([torch.full((2, 1), 2), prompts, written], dim=1)
    check_step_model(Sliding(model), prompts, steps=7)
    for step, logits in enumerate(drive(Sliding(model), prompts, 13)):
        end = 4 + step
        allowed = [
            model.advance(read[:, begin:end])[0][:, -1]
            for begin in range(max(0, end - limit), max(0, end - max(1, limit // 2)) + 1)
        ]
        assert any(torch.allclose(logits, other, atol=1e-5) for other in allowed), step


def test_sliding_cuts_a_long_prompt():
    model, prompts = Summing(5).eval(), torch.as_tensor(tokens(17)[None])
    logits, _ = Sliding(model).begin(prompts)
    np.testing.assert_allclose(
        logits[0].detach().log_softmax(-1), model.next_logprobs(tokens(17)), rtol=1e-5
    )
