import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pack_sequence, pad_packed_sequence

from seqcourse.batching import Padded, pack
from seqcourse.recurrent import CELLS, GRU, LSTM, RNN

B, T, D, H = 5, 11, 3, 7
LENGTHS = torch.tensor([7, 11, 1, 5, 11])
BACKENDS = ["cells", "fused", "torch"]
KINDS = {
    "tanh": (RNN, nn.RNN, {}),
    "relu": (RNN, nn.RNN, {"nonlinearity": "relu"}),
    "lstm": (LSTM, nn.LSTM, {}),
    "gru": (GRU, nn.GRU, {}),
}
SHAPES = {
    "one": {},
    "deep": {"num_layers": 2},
    "both": {"bidirectional": True},
    "deep both, no bias": {"num_layers": 3, "bidirectional": True, "bias": False},
    "all dropped": {"num_layers": 2, "dropout": 1.0},  # what random dropout cannot show
}


def pair(kind: str, backend: str, **options):
    """The same layer twice: drawn from the same seed, ours and torch's have equal weights."""
    ours, theirs, own_options = KINDS[kind]
    options = options | own_options
    torch.manual_seed(13)
    own = ours(D, H, backend=backend, **options)
    torch.manual_seed(13)
    peer = theirs(D, H, batch_first=True, **options)
    own_state, peer_state = own.state_dict(), peer.state_dict()
    assert list(own_state) == list(peer_state)
    assert all(torch.equal(own_state[name], peer_state[name]) for name in own_state)
    return own.double(), peer.double()


def batch(seed: int = 3) -> torch.Tensor:
    rng = torch.Generator().manual_seed(seed)
    return torch.randn(B, T, D, generator=rng, dtype=torch.float64)


def start(layer, seed: int = 5):
    rng = torch.Generator().manual_seed(seed)
    cells = layer.num_layers * (2 if layer.bidirectional else 1)
    draw = [torch.randn(cells, B, H, generator=rng, dtype=torch.float64) for _ in range(2)]
    draw = [part.requires_grad_() for part in draw]
    return tuple(draw) if isinstance(layer, LSTM | nn.LSTM) else draw[0]


def parts(state):
    return state if isinstance(state, tuple) else (state,)


def values_and_gradients(layer, x, state, given):
    """Output and final states, and the gradients of an uneven function of them."""
    output, final = layer(given(x), state) if state is not None else layer(given(x))
    data = output.data if hasattr(output, "batch_sizes") else output
    data = data.values if isinstance(data, Padded) else data
    layer.zero_grad()
    value = (data * torch.cos(torch.arange(data.numel())).view_as(data)).sum()
    value = value + sum((k + 2) * (part**3).sum() for k, part in enumerate(parts(final)))
    leaves = [x, *(parts(state) if state is not None else ()), *layer.parameters()]
    return [data, *parts(final), *torch.autograd.grad(value, leaves)]


def assert_same(ours, theirs):
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("with_state", [True, False])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_layers_equal_torchs_in_values_and_gradients(backend, kind, shape, with_state):
    own, peer = pair(kind, backend, **SHAPES[shape])
    results = []
    for layer in (own, peer):
        state = start(layer) if with_state else None
        x = batch().requires_grad_()
        results.append(values_and_gradients(layer, x, state, lambda x: x))
    assert_same(*results)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_packed_sequences_equal_torchs_in_values_and_gradients(backend, kind, shape):
    own, peer = pair(kind, backend, **SHAPES[shape])
    results = []
    for layer in (own, peer):
        x = batch().requires_grad_()
        results.append(
            values_and_gradients(layer, x, start(layer), lambda x: pack(Padded(x, LENGTHS)))
        )
    assert_same(*results)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_packed_result_is_packed_as_its_input_was(backend, kind):
    own, peer = pair(kind, backend)
    x = batch()
    for packed in (
        pack_padded_sequence(x, LENGTHS, batch_first=True, enforce_sorted=False),
        pack_padded_sequence(x, LENGTHS.sort(descending=True)[0], batch_first=True),
        pack_sequence([x[0, :2], x[1, :2], x[2, :2]]),
    ):
        ours, theirs = own(packed)[0], peer(packed)[0]
        torch.testing.assert_close(ours.data, theirs.data)
        assert torch.equal(ours.batch_sizes, theirs.batch_sizes)
        for name in ("sorted_indices", "unsorted_indices"):
            a, b = getattr(ours, name), getattr(theirs, name)
            assert (a is None and b is None) or torch.equal(a, b)


@pytest.mark.parametrize("garbage", [0.0, 1e300, float("nan"), float("inf")])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_padding_changes_no_result_and_no_gradient(backend, kind, garbage):
    own, _ = pair(kind, backend, num_layers=2, bidirectional=True)
    x = batch()
    mask = Padded(x, LENGTHS).mask
    wide = torch.cat([x, x[:, :2]], dim=1)  # two columns that are padding in every row
    wide[~torch.cat([mask, torch.zeros(B, 2, dtype=torch.bool)], dim=1)] = garbage
    wide.requires_grad_()
    state = start(own)
    output, final = own(Padded(wide, LENGTHS), state)
    loss = (output.values**2).sum() + sum((part**3).sum() for part in parts(final))
    wide_grad, *gradients = torch.autograd.grad(loss, [wide, *own.parameters()])
    assert torch.equal(output.lengths, LENGTHS)
    assert output.values.shape == (B, T + 2, 2 * H)
    expected = [torch.zeros_like(p) for p in own.parameters()]
    for row, length in enumerate(LENGTHS.tolist()):
        alone = x[row : row + 1, :length].clone().requires_grad_()
        own_state = tuple(part[:, row : row + 1] for part in parts(state))
        own_state = own_state if len(own_state) > 1 else own_state[0]
        one, one_final = own(alone, own_state)
        torch.testing.assert_close(output.values[row, :length], one[0])
        assert (output.values[row, length:] == 0).all()
        for a, b in zip(parts(final), parts(one_final), strict=True):
            torch.testing.assert_close(a[:, row], b[:, 0])
        loss = (one**2).sum() + sum((part**3).sum() for part in parts(one_final))
        x_grad, *grads = torch.autograd.grad(loss, [alone, *own.parameters()])
        torch.testing.assert_close(wide_grad[row, :length], x_grad[0])
        assert (wide_grad[row, length:] == 0).all()
        expected = [a + b for a, b in zip(expected, grads, strict=True)]
    for a, b in zip(gradients, expected, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_reading_in_pieces_is_reading_at_once(backend, kind):
    own, _ = pair(kind, backend, num_layers=2)
    x = batch()
    whole, end = own(x)
    first, state = own(x[:, :4])
    second, state = own(x[:, 4:], state)
    torch.testing.assert_close(torch.cat([first, second], dim=1), whole)
    for a, b in zip(parts(state), parts(end), strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("kind", KINDS)
def test_a_layer_that_reads_one_way_cannot_see_the_future(kind):
    own, _ = pair(kind, "fused", num_layers=2)
    x = batch()
    changed = x.clone()
    changed[:, 6:] += 1.0
    before, after = own(x)[0], own(changed)[0]
    assert torch.equal(before[:, :6], after[:, :6])
    assert (before[:, 6:] != after[:, 6:]).any()


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_nan_stays_in_its_row_and_its_future(backend):
    own, _ = pair("lstm", backend)
    x = batch()
    x[1, 4, 0] = float("nan")
    output, _ = own(x)
    assert output[1, 4:].isnan().all()
    assert output[1, :4].isfinite().all()
    assert output[[0, 2, 3, 4]].isfinite().all()


# --- dropout, initialisation -------------------------------------------------------------------


@pytest.mark.parametrize("backend", BACKENDS)
def test_dropout_acts_between_layers_and_only_in_training(backend):
    own, peer = pair("gru", backend, num_layers=2, dropout=0.5)
    x = batch()
    plain, _ = own.eval()(x)
    torch.testing.assert_close(plain, peer.eval()(x)[0])
    own.train()
    torch.manual_seed(0)
    first, _ = own(x)
    torch.manual_seed(0)
    assert torch.equal(first, own(x)[0])
    assert not torch.equal(first, own(x)[0])


def test_dropout_keeps_the_expected_value():
    layer = RNN(1, 4000, 2, "relu", dropout=0.25, backend="fused")
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.zero_()
        layer.bias_ih_l0.fill_(1.0)  # each unit below is 1
        layer.weight_ih_l1[:1].fill_(1 / 4000)  # the first unit above is their mean
        output, _ = layer(torch.zeros(1, 1, 1))
    assert output[0, 0, 0].item() == pytest.approx(1, abs=0.05)
    assert output[0, 0, 0].item() != 1


@pytest.mark.parametrize("kind", KINDS)
def test_orthogonal_weights_keep_lengths(kind):
    ours, _, options = KINDS[kind]
    layer = ours(D, H, 2, bidirectional=True, init="orthogonal", **options).double()
    found = 0
    for name, parameter in layer.named_parameters():
        if name.startswith("weight_hh"):
            for gate in parameter.detach().split(H):
                product = gate @ gate.T
                torch.testing.assert_close(
                    product, torch.eye(H, dtype=product.dtype), rtol=0, atol=1e-5
                )
                found += 1
    assert found == 4 * layer.gates


def test_the_forget_bias_is_what_both_biases_sum_to():
    layer = LSTM(D, H, 2, bidirectional=True, forget_bias=1.5)
    for which in range(2):
        for direction in range(2):
            weights = layer.weights(which, direction)
            total = (weights.bias_ih + weights.bias_hh).detach().chunk(4)
            assert (total[1] == 1.5).all()
            assert all((total[k] != 1.5).any() for k in (0, 2, 3))


def test_the_layers_by_name():
    assert CELLS == {"rnn": RNN, "lstm": LSTM, "gru": GRU}
    assert "7, num_layers=2, bias=True, dropout=0.0, bidirectional=True" in repr(
        GRU(D, H, 2, bidirectional=True)
    )


# --- precision ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_automatic_casting_leaves_the_recurrence_in_full_precision(backend, kind):
    own, _ = pair(kind, backend)
    own.float()
    x = batch().float()
    expected, _ = own(x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half, final = own(x.bfloat16(), None)
        full, _ = own(x)
    assert half.dtype == parts(final)[0].dtype == torch.float32
    torch.testing.assert_close(full, expected)
    torch.testing.assert_close(half, own(x.bfloat16().float())[0])


def test_the_choice_of_backend_can_be_changed_later():
    own, _ = pair("gru", "auto")
    x = batch()
    results = []
    for own.backend in ("auto", *BACKENDS):
        results.append(own(x)[0])
    for other in results[1:]:
        torch.testing.assert_close(results[0], other)


# --- bad input ---------------------------------------------------------------------------------


def test_bad_options_say_what_was_expected():
    with pytest.raises(ValueError, match="hidden_size must be at least 1, but is 0"):
        LSTM(3, 0)
    with pytest.raises(ValueError, match="num_layers must be at least 1, but is 0"):
        GRU(3, 3, 0)
    with pytest.raises(ValueError, match=r"dropout must be within 0 … 1, but is 1\.5"):
        GRU(3, 3, 2, dropout=1.5)
    with pytest.raises(ValueError, match="dropout acts between layers, but num_layers is 1"):
        RNN(3, 3, dropout=0.5)
    with pytest.raises(ValueError, match="forget_bias needs bias=True"):
        LSTM(3, 3, bias=False, forget_bias=1.0)


@pytest.mark.usefixtures("unchecked_shapes")
def test_unknown_choices_are_named():
    with pytest.raises(ValueError, match="nonlinearity must be one of .*, but is 'sine'"):
        RNN(3, 3, nonlinearity="sine")
    with pytest.raises(ValueError, match="init must be one of .*, but is 'zero'"):
        RNN(3, 3, init="zero")
    with pytest.raises(ValueError, match="backend must be one of .*, but is 'cuda'"):
        RNN(3, 3, backend="cuda")


@pytest.mark.usefixtures("unchecked_shapes")
@pytest.mark.parametrize("layer", [RNN(D, H), LSTM(D, H), GRU(D, H)])
def test_bad_input_says_what_was_expected(layer):
    with pytest.raises(ValueError, match=r"x must have shape \(B, T, 3\), but has \(5, 11, 2\)"):
        layer(torch.zeros(B, T, 2))
    with pytest.raises(ValueError, match=r"x must have shape \(B, T, 3\), but has \(11, 3\)"):
        layer(torch.zeros(T, D))
    for empty in ((0, T, D), (B, 0, D)):
        with pytest.raises(ValueError, match="with B, T ≥ 1, but is empty"):
            layer(torch.zeros(empty))
    with pytest.raises(TypeError, match=r"dtype torch.float32, but has torch.int64; embed ids"):
        layer(torch.zeros(B, T, D, dtype=torch.int64))
    with pytest.raises(TypeError, match=r"dtype torch.float32, but has torch.float64; convert"):
        layer(batch())
    x = batch().float()
    with pytest.raises(ValueError, match="lengths must be within 1 … 11, but one is 0; leave"):
        layer(Padded(x, torch.tensor([1, 2, 0, 3, 4])))
    with pytest.raises(ValueError, match="lengths must be within 1 … 11, but one is 12"):
        layer(Padded(x, torch.tensor([1, 2, 12, 3, 4])))
    with pytest.raises(ValueError, match=r"lengths must have shape \(5,\), .*, but has \(4,\)"):
        layer(Padded(x, torch.tensor([1, 2, 3, 4])))


@pytest.mark.usefixtures("unchecked_shapes")
def test_a_state_that_does_not_fit_is_refused():
    x, good = torch.zeros(B, T, D), torch.zeros(2, B, H)
    message = r"\(L · directions, B, H\) = \(2, 5, 7\), but has \(1, 5, 7\)"
    with pytest.raises(ValueError, match=message):
        GRU(D, H, 2)(x, good[:1])
    with pytest.raises(ValueError, match=message):
        LSTM(D, H, bidirectional=True)(x, (good, good[:1]))
    with pytest.raises(ValueError, match=r"must be a pair \(h, c\), but has 3 parts"):
        LSTM(D, H, 2)(x, (good, good, good))


def test_random_shapes_agree_with_torch():
    rng = np.random.default_rng(17)
    for _ in range(20):
        rows, steps, wide, hidden = rng.integers(1, 6, 4)
        lengths = torch.as_tensor(rng.integers(1, steps + 1, rows))
        options = {"num_layers": int(rng.integers(1, 3)), "bidirectional": bool(rng.integers(2))}
        own = LSTM(int(wide), int(hidden), backend="fused", **options)
        peer = nn.LSTM(int(wide), int(hidden), batch_first=True, **options)
        own.load_state_dict(peer.state_dict())
        x = torch.randn(int(rows), int(steps), int(wide))
        ours, _ = own(Padded(x, lengths))
        theirs, _ = pad_packed_sequence(
            peer(pack(Padded(x, lengths)))[0], batch_first=True, total_length=int(steps)
        )
        torch.testing.assert_close(ours.values, theirs)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("backend", ["auto", "fused", "cells"])
def test_on_a_gpu_the_results_are_those_of_the_cpu(backend, kind):
    own, _ = pair(kind, backend, num_layers=2, bidirectional=True)
    expected, _ = own(Padded(batch(), LENGTHS))
    own.cuda()  # the weights move, so cuDNN has to lay them side by side anew
    for _ in range(2):
        output, _ = own(Padded(batch().cuda(), LENGTHS.cuda()))
        torch.testing.assert_close(output.values.cpu(), expected.values)
