import pytest
import torch

from seqcourse.recurrent_cells import Weights, gru_step, lstm_step, rnn_step
from seqcourse.recurrent_kernels import gru_sequence, lstm_sequence, rnn_sequence

T, B, D, H = 11, 3, 5, 7


def inputs(gates: int, bias: bool, scale: float = 1.0, sizes=(T, B, D, H)):
    """x, h, c and the weights, float64, all to be differentiated."""
    steps, rows, wide, hidden = sizes
    rng = torch.Generator().manual_seed(gates)

    def draw(*shape):
        values = torch.randn(shape, generator=rng, dtype=torch.float64) * scale
        return values.requires_grad_()

    total = gates * hidden
    weights = [draw(total, wide), draw(total, hidden)]
    weights += [draw(total), draw(total)] if bias else [None, None]
    return draw(steps, rows, wide), draw(rows, hidden), draw(rows, hidden), *weights


def rnn(nonlinearity):
    def quick(x, h, c, *weights):
        return (rnn_sequence(x, h, Weights(*weights), nonlinearity),)

    def slow(x, h, c, *weights):
        return over_time(
            lambda now, s: (rnn_step(now, s[0], Weights(*weights), nonlinearity),), x, (h,)
        )

    return quick, slow


def quick_lstm(x, h, c, *weights):
    return lstm_sequence(x, (h, c), Weights(*weights))


def slow_lstm(x, h, c, *weights):
    return over_time(lambda now, s: lstm_step(now, s, Weights(*weights)), x, (h, c))


def quick_gru(x, h, c, *weights):
    return (gru_sequence(x, h, Weights(*weights)),)


def slow_gru(x, h, c, *weights):
    return over_time(lambda now, s: (gru_step(now, s[0], Weights(*weights)),), x, (h,))


def over_time(step, x, state):
    states = []
    for now in x:
        state = step(now, state)
        states.append(state)
    return tuple(torch.stack(part) for part in zip(*states, strict=True))


KINDS = {
    "tanh": (1, *rnn("tanh")),
    "relu": (1, *rnn("relu")),
    "lstm": (4, quick_lstm, slow_lstm),
    "gru": (3, quick_gru, slow_gru),
}


@pytest.mark.parametrize("sizes", [(T, B, D, H), (1, 2, 3, 5), (2, 1, 1, 1)])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_the_quick_path_equals_the_cells_in_values_and_gradients(kind, bias, sizes):
    gates, quick, slow = KINDS[kind]
    leaves = inputs(gates, bias, 0.5, sizes)
    results = []
    for way in (quick, slow):
        states = way(*leaves)
        probes = [torch.cos(torch.arange(s.numel()).double()).view_as(s) for s in states]
        value = sum((s * p).sum() for s, p in zip(states, probes, strict=True))
        wanted = [leaf for leaf in leaves if leaf is not None]
        gradients = torch.autograd.grad(value, wanted, allow_unused=True)  # c only in LSTMs
        results.append([*states, *(g for g in gradients if g is not None)])
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("kind", KINDS)
def test_the_gradients_agree_with_finite_differences(kind):
    gates, quick, _ = KINDS[kind]
    leaves = inputs(gates, True, 0.7, (3, 2, 2, 3))
    assert torch.autograd.gradcheck(quick, leaves)


def test_a_loss_of_the_cell_states_alone_has_the_right_gradient():
    leaves = inputs(4, True)
    gradients = [
        torch.autograd.grad((way(*leaves)[1] ** 2).sum(), leaves) for way in (quick_lstm, slow_lstm)
    ]
    for a, b in zip(*gradients, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("kind", KINDS)
def test_only_what_was_asked_for_is_differentiated(kind):
    gates, quick, slow = KINDS[kind]
    x, h, c, *weights = inputs(gates, True)
    fixed = [x.detach(), h.detach(), c.detach(), weights[0], *(w.detach() for w in weights[1:])]
    (a,), (b,) = (
        torch.autograd.grad((way(*fixed)[0] ** 3).sum(), weights[0]) for way in (quick, slow)
    )
    torch.testing.assert_close(a, b)


@pytest.mark.parametrize("kind", KINDS)
def test_differentiating_twice_over_gives_the_same_and_changes_no_input(kind):
    gates, quick, _ = KINDS[kind]
    leaves = inputs(gates, True, 0.5)
    wanted = leaves if kind == "lstm" else [leaf for leaf in leaves if leaf is not leaves[2]]
    before = [leaf.detach().clone() for leaf in leaves]
    loss = (quick(*leaves)[0] ** 2).sum()
    first = torch.autograd.grad(loss, wanted, retain_graph=True)
    second = torch.autograd.grad(loss, wanted)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert all(torch.equal(a, b) for a, b in zip(before, leaves, strict=True))


def test_second_derivatives_are_refused_not_wrong():
    leaves = inputs(1, True)
    states = rnn("tanh")[0](*leaves)[0]
    (gradient,) = torch.autograd.grad((states**2).sum(), leaves[0], create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()


@pytest.mark.parametrize("kind", KINDS)
def test_the_two_biases_gradients_do_not_share_memory(kind):
    gates, quick, _ = KINDS[kind]
    leaves = inputs(gates, True)
    quick(*leaves)[0].sum().backward()
    b_x, b_h = leaves[-2:]
    kept = b_h.grad.clone()
    b_x.grad.zero_()  # as clipping in place would
    assert torch.equal(b_h.grad, kept)


@pytest.mark.parametrize("kind", KINDS)
def test_sums_of_a_thousand_saturate_without_nan(kind):
    gates, quick, _ = KINDS[kind]
    leaves = inputs(gates, True, 0.01)
    huge = leaves[0].detach() * 1e7
    states = quick(huge, *leaves[1:])
    assert all(torch.isfinite(part).all() for part in states)
    if kind != "relu":
        for gradient in torch.autograd.grad(states[0].sum(), leaves[3:5]):
            assert torch.isfinite(gradient).all()
