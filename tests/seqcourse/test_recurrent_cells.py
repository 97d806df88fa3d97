import math

import pytest
import torch
from torch import nn

from seqcourse.recurrent_cells import GRUCell, LSTMCell, RNNCell, gru_step

B, D, H = 3, 5, 7
CELLS = [
    (RNNCell, nn.RNNCell, {}),
    (RNNCell, nn.RNNCell, {"nonlinearity": "relu"}),
    (LSTMCell, nn.LSTMCell, {}),
    (GRUCell, nn.GRUCell, {}),
]


def pair(ours, theirs, options, bias=True):
    """The same cell twice: drawn from the same seed, ours and torch's have the same weights."""
    torch.manual_seed(11)
    own = ours(D, H, bias, **options)
    torch.manual_seed(11)
    return own.double(), theirs(D, H, bias, **options).double()


def parts(state):
    return state if isinstance(state, tuple) else (state,)


def values_and_gradients(cell, given_state: bool):
    """The new state, and the gradients of an uneven function of it in all that went in."""
    rng = torch.Generator().manual_seed(2)
    x, h, c = (
        torch.randn(B, n, generator=rng, dtype=torch.float64, requires_grad=True) for n in (D, H, H)
    )
    state = (h, c) if isinstance(cell, LSTMCell | nn.LSTMCell) else h
    new = parts(cell(x, state) if given_state else cell(x))
    sum((k + 2) * (part**3 + part).sum() for k, part in enumerate(new)).backward()
    leaves = [x, *(parts(state) if given_state else ()), *cell.parameters()]
    return [*new, *(leaf.grad for leaf in leaves)]


@pytest.mark.parametrize("given_state", [True, False])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("ours", "theirs", "options"), CELLS)
def test_a_step_equals_torchs_in_values_and_gradients(ours, theirs, options, bias, given_state):
    own, peer = pair(ours, theirs, options, bias)
    for a, b in zip(
        values_and_gradients(own, given_state),
        values_and_gradients(peer, given_state),
        strict=True,
    ):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("ours", "theirs", "options"), CELLS)
def test_weights_can_be_exchanged_with_torch(ours, theirs, options):
    own, peer = ours(D, H, **options), theirs(D, H, **options)
    assert {k: v.shape for k, v in own.state_dict().items()} == {
        k: v.shape for k, v in peer.state_dict().items()
    }
    own.load_state_dict(peer.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(own.parameters(), peer.parameters(), strict=True))


def with_weights(cell, *values):
    for parameter, value in zip(cell.parameters(), values, strict=True):
        parameter.data = torch.tensor(value)
    return cell


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def test_an_rnn_step_by_hand():
    cell = with_weights(RNNCell(1, 1), [[2.0]], [[3.0]], [0.1], [0.2])
    got = cell(torch.tensor([[0.5]]), torch.tensor([[-0.3]]))
    assert got.item() == pytest.approx(math.tanh(2 * 0.5 + 3 * -0.3 + 0.3))


def test_an_lstm_step_by_hand():
    cell = with_weights(
        LSTMCell(1, 1, bias=False), [[1.0], [2.0], [3.0], [4.0]], [[0.1], [0.2], [0.3], [0.4]]
    )
    h, c = cell(torch.tensor([[0.5]]), (torch.tensor([[0.7]]), torch.tensor([[-0.9]])))
    i, f, g, o = (k * 0.5 + k / 10 * 0.7 for k in (1, 2, 3, 4))
    expected = sigmoid(f) * -0.9 + sigmoid(i) * math.tanh(g)
    assert c.item() == pytest.approx(expected)
    assert h.item() == pytest.approx(sigmoid(o) * math.tanh(expected))


@pytest.mark.parametrize("reset_after", [True, False])
def test_a_gru_step_by_hand(reset_after):
    cell = with_weights(
        GRUCell(1, 1, reset_after=reset_after),
        [[1.0], [2.0], [3.0]],
        [[0.4], [0.5], [0.6]],
        [0.1, 0.2, 0.3],
        [0.7, 0.8, 0.9],
    )
    x, h = 0.5, -0.2
    r, z = sigmoid(x + 0.4 * h + 0.8), sigmoid(2 * x + 0.5 * h + 1.0)
    recalled = r * (0.6 * h + 0.9) if reset_after else 0.6 * (r * h) + 0.9
    expected = (1 - z) * math.tanh(3 * x + 0.3 + recalled) + z * h
    got = cell(torch.tensor([[x]]), torch.tensor([[h]])).item()
    assert got == pytest.approx(expected, abs=1e-6)


def test_where_the_gru_resets_makes_a_difference():
    torch.manual_seed(0)
    cell = GRUCell(2, 3, bias=False)
    x, h = torch.randn(5, 2), torch.randn(5, 3)
    after = gru_step(x, h, cell.weights)
    before = gru_step(x, h, cell.weights, reset_after=False)
    assert (after - before).abs().max() > 1e-3


def test_an_open_forget_gate_and_a_shut_input_gate_keep_the_cell_state():
    cell = with_weights(
        LSTMCell(1, 1), [[0.0]] * 4, [[0.0]] * 4, [-50.0, 50.0, 0.0, 0.0], [0.0] * 4
    )
    state = torch.zeros(1, 1), torch.tensor([[0.123]])
    for _ in range(1000):
        state = cell(torch.ones(1, 1), state)
    assert state[1].item() == pytest.approx(0.123)


# --- bad input ---------------------------------------------------------------------------------


def test_bad_options_say_what_was_expected():
    with pytest.raises(ValueError, match="input_size must be at least 1, but is 0"):
        RNNCell(0, 3)
    with pytest.raises(ValueError, match="hidden_size must be at least 1, but is -1"):
        GRUCell(3, -1)


@pytest.mark.usefixtures("unchecked_shapes")
def test_wrong_shapes_say_what_was_expected():
    with pytest.raises(ValueError, match="nonlinearity must be one of .*, but is 'sine'"):
        RNNCell(3, 3, nonlinearity="sine")
    with pytest.raises(ValueError, match=r"x must have shape \(B, 5\), but has \(3, 7\)"):
        GRUCell(D, H)(torch.zeros(B, 7))
    with pytest.raises(ValueError, match=r"x must have shape \(B, 5\), but has \(5,\)"):
        RNNCell(D, H)(torch.zeros(D))
    expected = r"the state must have shape \(B, H\) = \(3, 7\), but has \(3, 2\)"
    with pytest.raises(ValueError, match=expected):
        RNNCell(D, H)(torch.zeros(B, D), torch.zeros(B, 2))
    with pytest.raises(ValueError, match=expected):
        LSTMCell(D, H)(torch.zeros(B, D), (torch.zeros(B, H), torch.zeros(B, 2)))
