import math

import numpy as np
import pytest
import torch
from torch import nn
from transformers import TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

from seqcourse.decoding import apply_temperature, greedy, top_k, top_p
from seqcourse.generation import choose, generate, keep_top_k, keep_top_p
from seqcourse.ngram import MLE, AddK, NGram
from seqcourse.stepping import Stepwise

V = 7


def ngram(order: int = 2) -> NGram:
    tokens = np.random.default_rng(0).integers(0, V, 211)
    return NGram(order, V, AddK(0.2)).fit(tokens)


class Fixed(nn.Module):
    """A step model that always says the same, and counts its steps."""

    vocab_size = V

    def __init__(self, logits: torch.Tensor) -> None:
        super().__init__()
        self.logits, self.steps, self.modes = logits, 0, set()

    def begin(self, inputs):
        self.modes.add(self.training)
        return self.logits.expand(len(inputs), -1), len(inputs)

    def step(self, ids, state):
        self.steps += 1
        return self.logits.expand(state, -1), state

    def reorder(self, state, rows):
        return len(rows)


LOGITS = torch.tensor([0.3, -1.0, 2.0, 0.0, 1.5, -math.inf, 0.7], dtype=torch.float64)


def prompts(rows: int, length: int = 3) -> torch.Tensor:
    return torch.zeros(rows, length, dtype=torch.int64)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# --- oracles ---------------------------------------------------------------------------


@pytest.mark.parametrize("k", [1, 3, V, 100])
def test_top_k_is_transformers(k):
    logits = torch.randn(5, V, generator=seeded())
    logits[0, :4] = 1.0  # ties
    expected = TopKLogitsWarper(top_k=k)(None, logits)
    torch.testing.assert_close(keep_top_k(logits, k), expected)


@pytest.mark.parametrize("p", [0.01, 0.3, 0.5, 0.9, 0.999])
def test_top_p_is_transformers(p):
    logits = torch.randn(53, V, dtype=torch.float64, generator=seeded())
    expected = TopPLogitsWarper(top_p=p)(None, logits)
    torch.testing.assert_close(keep_top_p(logits, p), expected)


@pytest.mark.parametrize("k", [1, 2, 5])
@pytest.mark.parametrize("p", [0.2, 0.6, 0.95])
@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.0])
def test_both_worlds_agree_and_agree_with_transformers(k, p, temperature):
    logprobs = torch.randn(1, V, dtype=torch.float64, generator=seeded(3)).log_softmax(-1)
    ours = top_p(top_k(apply_temperature(logprobs[0].numpy(), temperature), k), p)
    torches = keep_top_p(keep_top_k(logprobs / temperature, k), p).softmax(-1)
    theirs = logprobs
    for warp in (
        TemperatureLogitsWarper(temperature),
        TopKLogitsWarper(top_k=k),
        TopPLogitsWarper(top_p=p),
    ):
        theirs = warp(None, theirs)
    np.testing.assert_allclose(ours, torches[0])
    np.testing.assert_allclose(ours, theirs[0].softmax(-1))


def shares(drawn: torch.Tensor) -> np.ndarray:
    return np.bincount(drawn.flatten().numpy(), minlength=V) / drawn.numel()


@pytest.mark.parametrize(
    ("temperature", "k", "p"), [(1.0, None, None), (0.5, None, 0.9), (2.0, 3, None), (1.0, 4, 0.8)]
)
def test_draws_follow_the_distribution_of_decoding(temperature, k, p):
    expected = apply_temperature(LOGITS.log_softmax(-1).numpy(), temperature)
    expected = expected if k is None else top_k(expected, k)
    expected = expected if p is None else top_p(expected, p)
    drawn = generate(
        Fixed(LOGITS),
        prompts(200),
        100,
        temperature=temperature,
        top_k=k,
        top_p=p,
        generator=seeded(),
    )
    # four standard errors of a share of 0.5 in 20 000 draws
    assert shares(drawn) == pytest.approx(expected, abs=4 * (0.25 / 20_000) ** 0.5)
    assert not shares(drawn)[expected == 0].any()


def test_a_nucleus_that_just_has_enough_takes_no_more():
    logits = torch.tensor([[0.25, 0.5, 0.25]], dtype=torch.float64).log()
    assert keep_top_p(logits, 0.5).exp().tolist() == [[0, 0.5, 0]]
    assert keep_top_p(logits, 0.75).isfinite().tolist() == [[True, True, False]]


# --- properties ------------------------------------------------------------------------


def test_greedy_equals_decoding_row_by_row():
    model = ngram()
    rows = torch.tensor([[0, 1, 2], [6, 6, 6], [3, 0, 5], [2, 2, 4], [1, 5, 0]])
    together = generate(Stepwise(model), rows, 11, temperature=0)
    for row, written in zip(rows, together, strict=True):
        assert written.tolist() == greedy(model, 11, prompt=row.numpy()).tolist()
        alone = generate(Stepwise(model), row[None], 11, temperature=0)
        assert alone.tolist() == [written.tolist()]


def test_the_second_token_depends_on_the_first():
    model = ngram(1)
    drawn = generate(Stepwise(model), prompts(4000, 1), 2, generator=seeded())
    after = drawn[drawn[:, 0] == 3, 1]
    expected = np.exp(model.next_logprobs(np.array([3])))
    error = 4 * (0.25 / len(after)) ** 0.5
    assert shares(after) == pytest.approx(expected, abs=error)


def test_the_same_generator_gives_the_same_tokens():
    one, two, other = (
        generate(Fixed(LOGITS), prompts(2), 17, generator=seeded(s)) for s in (5, 5, 6)
    )
    assert one.tolist() == two.tolist() != other.tolist()


def test_after_its_stop_token_a_row_is_padding():
    model = Fixed(LOGITS)
    drawn = generate(model, prompts(11), 200, stop=2, padding=5, generator=seeded())
    for row in drawn.tolist():
        end = row.index(2)
        assert 5 not in row[:end]
        assert set(row[end + 1 :]) == {5}
    assert model.steps < 100  # it ended when the last row had
    again = generate(model, prompts(11), 200, stop=2, generator=seeded())
    assert again.tolist() == drawn.masked_fill(drawn == 5, 2).tolist()


def test_a_row_that_stops_at_the_end_needs_no_padding():
    certain = torch.full((V,), -50.0)
    certain[4] = 0.0
    assert generate(Fixed(certain), prompts(2), 1, stop=4, padding=0).tolist() == [[4], [4]]
    assert generate(Fixed(certain), prompts(2), 3, stop=4, padding=0).tolist() == [[4, 0, 0]] * 2


def test_no_step_is_wasted():
    model = Fixed(LOGITS)
    assert generate(model, prompts(3), 0).shape == (3, 0)
    assert generate(model, prompts(3), 5).shape == (3, 5)
    assert model.steps == 4


def test_equal_to_one_keeps_all_however_rounding_falls():
    many = torch.zeros(1, 30_001)
    many[0, 0] = 15.0
    kept = choose(many.expand(100, -1), top_p=1.0, generator=seeded())
    free = choose(many.expand(100, -1), generator=seeded())
    assert kept.tolist() == free.tolist()


@pytest.mark.parametrize("training", [True, False])
def test_dropout_is_off_while_writing_and_then_as_before(training):
    model = Fixed(LOGITS).train(training)
    generate(model, prompts(1), 2)
    assert model.modes == {False}
    assert model.training is training


def test_half_precision_draws_too():
    ids = choose(LOGITS.half()[None], temperature=0.7, top_p=0.9, generator=seeded())
    assert ids.shape == (1,)


# --- bad input -------------------------------------------------------------------------


@pytest.mark.parametrize("temperature", [0, 1.0])
def test_a_dead_end_is_explained(temperature):
    model = Stepwise(NGram(1, 3, MLE()).fit(np.array([0, 1, 2])))
    with pytest.raises(ValueError, match="no token is possible here.*smoothed model"):
        generate(model, torch.tensor([[0], [1]]), 4, temperature=temperature)
    safe = generate(model, torch.tensor([[0]]), 4, temperature=temperature, stop=2)
    assert safe.tolist() == [[1, 2, 2, 2]]


def test_a_row_may_run_into_a_dead_end_after_it_has_stopped():
    model = NGram(1, 4, MLE()).fit([np.array([0, 1, 2]), np.array([3, 3, 3])])
    written = generate(Stepwise(model), torch.tensor([[0], [3]]), 4, stop=2)
    assert written.tolist() == [[1, 2, 2, 2], [3, 3, 3, 3]]


def test_bad_options_are_explained():
    for options, message in (
        ({"length": -1}, "length must be at least 0, but is -1"),
        ({"temperature": -0.5}, "temperature must be at least 0, but is -0.5"),
        ({"top_k": 0}, "top_k must be at least 1, but is 0"),
        ({"top_p": 0.0}, "top_p must be above 0 and at most 1, but is 0.0"),
        ({"top_p": 1.5}, "top_p must be above 0 and at most 1, but is 1.5"),
    ):
        with pytest.raises(ValueError, match=message):
            generate(Fixed(LOGITS), prompts(1), **{"length": 1, **options})
