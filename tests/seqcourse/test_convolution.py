import math

import pytest
import torch
import torch.nn.functional as F
from contracts import check_language_model

from seqcourse.convolution import (
    CausalConv1d,
    CausalConvLM,
    ConvLMConfig,
    ConvNetConfig,
    GatedBlock,
    TemporalConvNet,
    conv1d,
    receptive_field,
)

B, T, D, E = 3, 17, 5, 7


def random(*shape, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=dtype, requires_grad=True)


# --- convolution from scratch ---


@pytest.mark.parametrize("kernel", [1, 2, 5])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("dilation", [1, 3])
@pytest.mark.parametrize("padding", [(0, 0), (4, 0), (2, 2), (1, 6)])
def test_values_and_gradients_equal_torch(kernel, stride, dilation, padding):
    inputs, weight, bias = random(B, T, D), random(E, D, kernel, seed=1), random(E, seed=2)
    ours = conv1d(inputs, weight, bias, stride=stride, dilation=dilation, padding=padding)
    theirs = F.conv1d(F.pad(inputs.mT, padding), weight, bias, stride=stride, dilation=dilation).mT
    torch.testing.assert_close(ours, theirs)
    upstream = random(*ours.shape, seed=3).detach()
    for a, b in zip(
        torch.autograd.grad((ours * upstream).sum(), (inputs, weight, bias)),
        torch.autograd.grad((theirs * upstream).sum(), (inputs, weight, bias)),
        strict=True,
    ):
        torch.testing.assert_close(a, b)


def test_without_bias():
    inputs, weight = random(B, T, D), random(E, D, 3, seed=1)
    torch.testing.assert_close(conv1d(inputs, weight), F.conv1d(inputs.mT, weight).mT)


def test_by_hand():
    inputs = torch.tensor([[[1.0, 10.0], [2.0, 20.0], [3.0, 30.0]]])  # (1, 3, 2)
    weight = torch.tensor([[[1.0, 0.5], [0.0, -1.0]]])  # (1, 2, 2)
    # 1·1 + 0.5·2 - 1·20 = -18, then 1·2 + 0.5·3 - 1·30 = -26.5
    assert conv1d(inputs, weight).flatten().tolist() == [-18.0, -26.5]


def test_what_cannot_be_convolved_is_explained():
    inputs, weight = random(B, T, D), random(E, D, 5)
    with pytest.raises(ValueError, match="stride must be at least 1, but is 0"):
        conv1d(inputs, weight, stride=0)
    with pytest.raises(ValueError, match="dilation must be at least 1, but is 0"):
        conv1d(inputs, weight, dilation=0)
    with pytest.raises(ValueError, match="the kernel spans 21 steps, but the padded inputs 18"):
        conv1d(inputs, weight, dilation=5, padding=(1, 0))


# --- causal convolution ---


@pytest.mark.parametrize("kernel", [1, 2, 3])
@pytest.mark.parametrize("dilation", [1, 4])
def test_the_causal_layer_is_a_convolution_padded_on_the_left(kernel, dilation):
    layer = CausalConv1d(D, E, kernel=kernel, dilation=dilation).double()
    inputs = random(B, T, D)
    ours = layer(inputs)
    slow = conv1d(
        inputs,
        layer.weight,
        layer.bias,
        dilation=dilation,
        padding=((kernel - 1) * dilation, 0),
    )
    assert ours.shape == (B, T, E)
    torch.testing.assert_close(ours, slow)
    parameters = (inputs, layer.weight, layer.bias)
    for a, b in zip(
        torch.autograd.grad(ours.square().sum(), parameters),
        torch.autograd.grad(slow.square().sum(), parameters),
        strict=True,
    ):
        torch.testing.assert_close(a, b)


def test_weights_are_torchs_own():
    torch.manual_seed(0)
    layer = CausalConv1d(D, 700, kernel=3, dilation=2)
    theirs = torch.nn.Conv1d(D, 700, 3, dilation=2)
    theirs.load_state_dict(layer.state_dict())
    inputs = random(B, T, D, dtype=torch.float32)
    torch.testing.assert_close(layer(inputs), theirs(F.pad(inputs.mT, (4, 0))).mT)
    bound = 1 / math.sqrt(D * 3)
    for parameter in (layer.weight, layer.bias):
        assert parameter.abs().max() <= bound
        assert parameter.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.1)
    assert repr(layer) == f"CausalConv1d({D}, 700, kernel=3, dilation=2)"


@pytest.mark.parametrize("name", ["in_width", "out_width", "kernel", "dilation"])
def test_sizes_below_one_are_refused(name):
    sizes = {"in_width": 2, "out_width": 2, "kernel": 2, "dilation": 2, name: 0}
    in_width, out_width = sizes.pop("in_width"), sizes.pop("out_width")
    with pytest.raises(ValueError, match=f"{name} must be at least 1, but is 0"):
        CausalConv1d(in_width, out_width, **sizes)


# --- networks ---

NET = ConvNetConfig(width=D, kernel=2, dilations=(1, 3, 2))


def test_a_gated_block_by_hand():
    torch.manual_seed(0)
    block = GatedBlock(D, kernel=2, dilation=3, dropout=0.0)
    inputs = random(B, T, D, dtype=torch.float32)
    onward, out, past = block(inputs)
    both = block.convolution(inputs)
    z = both[..., :D].tanh() * both[..., D:].sigmoid()
    torch.testing.assert_close(onward, inputs + block.residual(z))
    torch.testing.assert_close(out, block.skip(z))
    torch.testing.assert_close(past, inputs[:, -3:])


@pytest.mark.parametrize(
    ("kernel", "dilations", "expected"),
    [(2, (1, 2, 4, 8), 16), (3, (1,), 3), (3, (1, 2, 4), 15), (1, (1, 2), 1), (2, (1, 3, 2), 7)],
)
def test_the_receptive_field_is_what_gradients_reach(kernel, dilations, expected):
    config = ConvNetConfig(width=3, kernel=kernel, dilations=dilations)
    assert config.receptive_field == receptive_field(kernel, dilations) == expected
    torch.manual_seed(0)
    inputs = random(1, 23, 3, dtype=torch.float32)
    (gradient,) = torch.autograd.grad(TemporalConvNet(config)(inputs)[0, 19].sum(), inputs)
    reached = gradient[0].abs().sum(dim=-1).nonzero().flatten()
    assert reached.max() == 19
    assert reached.min() == max(0, 20 - expected)


def test_no_output_sees_the_future():
    torch.manual_seed(0)
    net = TemporalConvNet(NET)
    inputs = random(B, T, D, dtype=torch.float32).detach()
    before = net(inputs)
    for t in range(T):
        changed = inputs.clone()
        changed[:, t] += 1
        after = net(changed)
        torch.testing.assert_close(after[:, :t], before[:, :t])
        assert not torch.equal(after[:, t], before[:, t])
        torch.testing.assert_close(after[:, t + 7 :], before[:, t + 7 :])  # and it forgets


@pytest.mark.parametrize("cuts", [[1], [5, 6], [1, 2, 3, 16]])
def test_going_on_from_a_state_equals_all_at_once(cuts):
    torch.manual_seed(0)
    net = TemporalConvNet(NET)
    inputs = random(B, T, D, dtype=torch.float32)
    state, pieces = None, []
    for piece in torch.tensor_split(inputs, cuts, dim=1):
        outputs, state = net.advance(piece, state)
        pieces.append(outputs)
    torch.testing.assert_close(torch.cat(pieces, dim=1), net(inputs))
    assert [past.shape[1] for past in state] == [1, 3, 2]


def test_dropout_acts_in_training_only():
    torch.manual_seed(0)
    net = TemporalConvNet(ConvNetConfig(width=D, dropout=0.5))
    inputs = random(B, T, D, dtype=torch.float32)
    assert not torch.equal(net(inputs), net(inputs))
    net.eval()
    torch.testing.assert_close(net(inputs), net(inputs))


def test_a_network_needs_a_block():
    with pytest.raises(ValueError, match="dilations is empty: name one for each block"):
        TemporalConvNet(ConvNetConfig(dilations=()))


# --- language model ---


def language_model() -> CausalConvLM:
    torch.manual_seed(0)
    return CausalConvLM(ConvLMConfig(vocab_size=11, start_id=3, net=NET))


def test_it_fulfils_the_contract():
    check_language_model(language_model())


def test_it_is_an_n_gram_model_of_its_receptive_field():
    model = language_model().eval()
    ids = torch.randint(11, (2, 19), generator=torch.Generator().manual_seed(0))
    other = ids.clone()
    other[:, : 19 - NET.receptive_field] = 0
    torch.testing.assert_close(model(ids)[:, -1], model(other)[:, -1])


def test_it_learns_a_text_that_repeats():
    torch.manual_seed(0)
    model = CausalConvLM(ConvLMConfig(vocab_size=11, net=ConvNetConfig(width=32)))
    ids = torch.tensor([[1, 2, 1, 5, 6, 2] * 3])
    optimizer = torch.optim.Adam(model.parameters(), lr=0.03)
    for _ in range(40):
        loss = F.cross_entropy(model(ids[:, :-1]).flatten(0, 1), ids[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.1  # by the last token alone: ln 2 at every third


def test_the_start_must_be_a_token():
    with pytest.raises(ValueError, match="start_id must be within .* 0 … 10, but is 11"):
        CausalConvLM(ConvLMConfig(vocab_size=11, start_id=11))
