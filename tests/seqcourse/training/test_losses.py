import math

import pytest
import torch
from torch import nn
from torch.nn import functional

from seqcourse.training.losses import cross_entropy, next_token_loss

B, T, V = 3, 5, 7


@pytest.fixture
def logits():
    generator = torch.Generator().manual_seed(2)
    return torch.randn(B, T, V, generator=generator, dtype=torch.float64, requires_grad=True)


@pytest.fixture
def targets():
    return torch.randint(V, (B, T), generator=torch.Generator().manual_seed(3))


@pytest.fixture
def mask():
    return torch.arange(T) < torch.tensor([[5], [2], [0]])


def value_and_gradient(loss, logits):
    return loss, torch.autograd.grad(loss, logits)[0]


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
def test_it_is_pytorchs_in_value_and_gradient(logits, targets, smoothing):
    ours = cross_entropy(logits, targets, label_smoothing=smoothing)
    theirs = functional.cross_entropy(
        logits.flatten(0, 1), targets.flatten(), label_smoothing=smoothing
    )
    torch.testing.assert_close(value_and_gradient(ours, logits), value_and_gradient(theirs, logits))


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_masked_places_do_not_count(logits, targets, mask, smoothing):
    ours = cross_entropy(logits, targets, mask=mask, label_smoothing=smoothing)
    ignored = targets.masked_fill(~mask, -100)
    theirs = functional.cross_entropy(
        logits.flatten(0, 1), ignored.flatten(), label_smoothing=smoothing
    )
    torch.testing.assert_close(value_and_gradient(ours, logits), value_and_gradient(theirs, logits))


def test_what_stands_at_masked_places_means_nothing(logits, targets, mask):
    expected = cross_entropy(logits, targets, mask=mask)
    assert cross_entropy(logits, targets.masked_fill(~mask, -1), mask=mask) == expected
    wild = logits.detach().masked_fill(~mask[..., None], math.inf)  # NaN after softmax
    assert cross_entropy(wild, targets, mask=mask) == expected


def test_nothing_to_score_costs_nothing(logits, targets):
    nothing = torch.zeros(B, T, dtype=torch.bool)
    loss, gradient = value_and_gradient(cross_entropy(logits, targets, mask=nothing), logits)
    assert loss == 0
    assert (gradient == 0).all()


def test_by_hand():
    even = torch.zeros(1, 4)
    assert cross_entropy(even, torch.tensor([2])).item() == pytest.approx(math.log(4))
    # softmax gives 3/4 to class 1; smoothing by 0.2 makes the targets 0.1 and 0.9
    uneven = torch.tensor([0.0, math.log(3)])
    smoothed = cross_entropy(uneven, torch.tensor(1), label_smoothing=0.2).item()
    assert smoothed == pytest.approx(-0.1 * math.log(1 / 4) - 0.9 * math.log(3 / 4))


def test_half_precision_is_raised_before_the_logarithm(logits, targets):
    half = logits.detach().to(torch.bfloat16)
    loss = cross_entropy(half, targets)
    assert loss.dtype == torch.float32
    assert loss == cross_entropy(half.float(), targets)


def test_a_language_model_is_scored_on_what_comes_next(targets):
    model = nn.Embedding(V, V)  # a bigram model
    inputs = targets.roll(1, dims=1)
    loss = next_token_loss(model, (inputs, targets))
    expected = functional.cross_entropy(model.weight[inputs.flatten()], targets.flatten())
    torch.testing.assert_close(loss, expected)


def test_a_smoothing_out_of_range_is_refused(logits, targets):
    for smoothing in (-0.1, 1.1):
        with pytest.raises(ValueError, match=f"label_smoothing must be .* but is {smoothing}"):
            cross_entropy(logits, targets, label_smoothing=smoothing)
