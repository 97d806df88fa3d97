from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from seqcourse.bptt import (
    ElmanWeights,
    backward,
    forward,
    softmax_loss,
    truncated_backward,
)
from seqcourse.finite_differences import numerical_gradient, relative_error

B, T, D, H, V = 3, 11, 5, 7, 2
NAMES = [field.name for field in fields(ElmanWeights)]


def setting(seed: int = 0):
    """Weights, inputs, targets and a first state."""
    rng = np.random.default_rng(seed)
    weights = ElmanWeights.random(D, H, V, rng)
    return weights, rng.normal(size=(B, T, D)), rng.integers(0, V, (B, T)), rng.normal(size=(B, H))


def loss_of(weights, x, targets, start) -> float:
    return softmax_loss(forward(weights, x, start).logits, targets)[0]


def by_torch(weights, x, targets, start, detach_every: int | None = None):
    """The loss and its gradients by autograd, the state cut off every so many steps."""
    leaves = {name: torch.tensor(getattr(weights, name), requires_grad=True) for name in NAMES}
    h, logits = torch.tensor(start), []
    for t, now in enumerate(torch.tensor(x).unbind(1)):
        if detach_every and t % detach_every == 0:
            h = h.detach()
        h = torch.tanh(now @ leaves["w_x"].T + h @ leaves["w_h"].T + leaves["b_h"])
        logits.append(h @ leaves["w_y"].T + leaves["b_y"])
    loss = torch.nn.functional.cross_entropy(
        torch.stack(logits, dim=1).flatten(0, 1), torch.tensor(targets).flatten()
    )
    loss.backward()
    return loss.item(), ElmanWeights(*(leaves[name].grad.numpy() for name in NAMES))


def assert_same(a: ElmanWeights, b: ElmanWeights, tolerance: float = 1e-12):
    for name in NAMES:
        assert relative_error(getattr(a, name), getattr(b, name)) < tolerance, name


def test_by_hand_by_autograd_and_by_finite_differences_the_gradient_is_the_same():
    weights, x, targets, start = setting()
    trace = forward(weights, x, start)
    loss, grad_logits = softmax_loss(trace.logits, targets)
    by_hand = backward(weights, x, trace, grad_logits)
    their_loss, by_autograd = by_torch(weights, x, targets, start)
    assert loss == pytest.approx(their_loss)
    assert_same(by_hand, by_autograd)
    for name in NAMES:
        by_differences = numerical_gradient(
            lambda value, name=name: loss_of(replace(weights, **{name: value}), x, targets, start),
            getattr(weights, name),
        )
        assert relative_error(getattr(by_hand, name), by_differences) < 1e-8, name


def test_the_first_state_is_zero_unless_given():
    weights, x, _, _ = setting()
    trace = forward(weights, x)
    assert trace.states.shape == (B, T + 1, H)
    assert trace.logits.shape == (B, T, V)
    np.testing.assert_array_equal(trace.states[:, 0], 0)
    np.testing.assert_allclose(trace.logits, forward(weights, x, np.zeros((B, H))).logits)


def test_two_steps_by_hand():
    one = np.ones((1, 1))
    weights = ElmanWeights(0.5 * one, 2.0 * one, np.array([0.1]), 3.0 * one, np.array([0.2]))
    trace = forward(weights, np.array([[[1.0], [-1.0]]]), np.array([[0.3]]))
    first = np.tanh(0.5 + 0.6 + 0.1)
    second = np.tanh(-0.5 + 2 * first + 0.1)
    np.testing.assert_allclose(trace.states[0, :, 0], [0.3, first, second])
    np.testing.assert_allclose(trace.logits[0, :, 0], [3 * first + 0.2, 3 * second + 0.2])


@pytest.mark.parametrize("k1", [1, 2, 5, 11, 13])
def test_with_k2_as_long_as_the_sequence_truncation_changes_nothing(k1):
    weights, x, targets, start = setting()
    trace = forward(weights, x, start)
    _, grad_logits = softmax_loss(trace.logits, targets)
    full = backward(weights, x, trace, grad_logits)
    assert_same(truncated_backward(weights, x, trace, grad_logits, k1=k1, k2=13), full)


@pytest.mark.parametrize("k", [1, 2, 5, 10])
def test_with_k1_equal_to_k2_truncation_is_detaching_the_state(k):
    weights, x, targets, start = setting()
    x, targets = x[:, :10], targets[:, :10]
    trace = forward(weights, x, start)
    _, grad_logits = softmax_loss(trace.logits, targets)
    truncated = truncated_backward(weights, x, trace, grad_logits, k1=k, k2=k)
    assert_same(truncated, by_torch(weights, x, targets, start, detach_every=k)[1])


def test_with_k1_of_one_each_loss_is_followed_through_exactly_k2_steps():
    weights, x, targets, start = setting()
    trace = forward(weights, x, start)
    _, grad_logits = softmax_loss(trace.logits, targets)
    k2, expected = 4, None
    for t in range(T):  # one loss at a time, from the state k2 steps before
        far = max(0, t + 1 - k2)
        window = slice(far, t + 1)
        piece = forward(weights, x[:, window], trace.states[:, far])
        only_last = np.zeros_like(piece.logits)
        only_last[:, -1] = grad_logits[:, t]
        own = backward(weights, x[:, window], piece, only_last)
        expected = own if expected is None else added(expected, own)
    assert_same(truncated_backward(weights, x, trace, grad_logits, k1=1, k2=k2), expected)


def added(a: ElmanWeights, b: ElmanWeights) -> ElmanWeights:
    return ElmanWeights(*(getattr(a, name) + getattr(b, name) for name in NAMES))


def test_a_short_k2_misses_what_a_long_gap_would_teach():
    # what comes in first is asked for at the end: only a gradient through all steps sees it
    weights, x, _, _ = setting()
    x = x * (np.arange(T) == 0)[None, :, None]
    trace = forward(weights, x)
    grad_logits = np.zeros((B, T, V))
    grad_logits[:, -1] = np.random.default_rng(0).normal(size=(B, V))
    cut = truncated_backward(weights, x, trace, grad_logits, k1=5, k2=5)
    assert (cut.w_x == 0).all()
    assert np.abs(backward(weights, x, trace, grad_logits).w_x).max() > 0


def test_the_loss_survives_huge_logits():
    logits = np.array([[[1e4, -1e4], [0.0, 1e4]]])
    loss, gradient = softmax_loss(logits, np.array([[0, 0]]))
    assert loss == pytest.approx(5e3)
    np.testing.assert_allclose(gradient[0], [[0, 0], [-0.5, 0.5]])


def test_plain_gradient_steps_learn_to_repeat_the_token_before():
    rng = np.random.default_rng(3)
    ids = rng.integers(0, 2, (7, 13))
    x = np.eye(2)[ids]
    targets = np.concatenate([np.zeros((7, 1), dtype=int), ids[:, :-1]], axis=1)
    weights = ElmanWeights.random(2, 8, 2, rng)
    for _ in range(300):
        trace = forward(weights, x)
        loss, grad_logits = softmax_loss(trace.logits, targets)
        gradient = backward(weights, x, trace, grad_logits)
        weights = ElmanWeights(
            *(getattr(weights, name) - 1.0 * getattr(gradient, name) for name in NAMES)
        )
    assert loss < 0.05


# --- bad input ---------------------------------------------------------------------------------


@pytest.mark.usefixtures("unchecked_shapes")
def test_bad_input_says_what_was_expected():
    weights, x, targets, start = setting()
    with pytest.raises(ValueError, match=r"x must have shape \(B, T, 5\), but has \(3, 11, 4\)"):
        forward(weights, x[..., :4])
    with pytest.raises(ValueError, match=r"x must have shape \(B, T, 5\), but has \(11, 5\)"):
        forward(weights, x[0])
    with pytest.raises(ValueError, match=r"\(B, H\) = \(3, 7\), but has \(3, 6\)"):
        forward(weights, x, start[:, :6])
    logits = forward(weights, x).logits
    with pytest.raises(ValueError, match=r"\(B, T\) = \(3, 11\) .* but has \(3, 10\)"):
        softmax_loss(logits, targets[:, :10])
    with pytest.raises(ValueError, match=r"with B, T ≥ 1, but has \(3, 0\)"):
        softmax_loss(logits[:, :0], targets[:, :0])
    with pytest.raises(ValueError, match="hidden must be at least 1, but is 0"):
        ElmanWeights.random(3, 0, 2, np.random.default_rng(0))


@pytest.mark.parametrize(("k1", "k2"), [(0, 3), (4, 3)])
def test_truncation_must_not_leave_losses_out(k1, k2):
    weights, x, targets, start = setting()
    trace = forward(weights, x, start)
    _, grad_logits = softmax_loss(trace.logits, targets)
    with pytest.raises(ValueError, match=rf"1 ≤ k1 ≤ k2, but are {k1} and {k2}"):
        truncated_backward(weights, x, trace, grad_logits, k1=k1, k2=k2)
