import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from seqcourse.attention import record_attention
from seqcourse.blocks import (
    Block,
    FeedForward,
    Stack,
    copy_from_torch,
    layer_norm,
)
from seqcourse.kv_cache import KVCache, LayerCache
from seqcourse.masks import causal_mask, padding_mask
from seqcourse.positions import Rotary

B, T, S, H, D, INNER = 2, 5, 7, 3, 6, 11


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def randomised(module: nn.Module) -> nn.Module:
    """Random in all parameters: torch starts biases at 0 and norms at 1."""
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.4)
    return module


def test_layer_norm_is_torchs_in_values_and_gradients():
    theirs = randomised(nn.LayerNorm(D, dtype=torch.float64))
    x = torch.randn(B, T, D, dtype=torch.float64, requires_grad=True)
    y = x.detach().clone().requires_grad_()
    ours, expected = layer_norm(x, theirs.weight, theirs.bias), theirs(y)
    torch.testing.assert_close(ours, expected)
    upstream = torch.randn_like(ours)
    ours.backward(upstream)
    expected.backward(upstream)
    torch.testing.assert_close(x.grad, y.grad)
    constant = layer_norm(torch.ones(1, D), torch.ones(D), torch.zeros(D))
    assert (constant == 0).all()


def test_feed_forward_works_on_each_place_by_itself():
    layer = randomised(FeedForward(D, INNER, activation="relu"))
    x = torch.randn(B, T, D)
    up, down = layer.expand, layer.contract
    expected = (x @ up.weight.T + up.bias).clamp(min=0) @ down.weight.T + down.bias
    torch.testing.assert_close(layer(x), expected)
    torch.testing.assert_close(layer(x[0, 3]), expected[0, 3])


@pytest.mark.parametrize(
    ("name", "theirs"),
    [
        ("relu", F.relu),
        ("gelu", lambda x: x * 0.5 * (1 + torch.erf(x / 2**0.5))),
        (
            "gelu_tanh",
            lambda x: 0.5 * x * (1 + torch.tanh((2 / torch.pi) ** 0.5 * (x + 0.044715 * x**3))),
        ),
    ],
)
def test_activations_by_their_formulas(name, theirs):
    x = torch.linspace(-5, 5, 101, dtype=torch.float64)
    torch.testing.assert_close(FeedForward(1, 1, activation=name).activate(x), theirs(x))


def test_swiglu_gates_with_silu():
    layer = randomised(FeedForward(D, INNER, activation="swiglu", bias=False))
    gate, value = layer.expand.weight.chunk(2)
    x = torch.randn(B, T, D)
    g = x @ gate.T
    expected = (g * torch.sigmoid(g) * (x @ value.T)) @ layer.contract.weight.T
    torch.testing.assert_close(layer(x), expected)


def options(norm: str, activation: str) -> tuple[dict, dict]:
    ours = {"inner": INNER, "norm": norm, "activation": activation}
    theirs = {
        "dim_feedforward": INNER,
        "norm_first": norm == "pre",
        "activation": activation,
        "dropout": 0.0,
        "batch_first": True,
        "dtype": torch.float64,
    }
    return ours, theirs


def leaves(*shapes: tuple[int, ...]) -> list[torch.Tensor]:
    return [torch.randn(*s, dtype=torch.float64, requires_grad=True) for s in shapes]


def assert_same_gradients(ours, theirs, our_inputs, their_inputs):
    upstream = torch.randn_like(ours)
    ours.backward(upstream)
    theirs.backward(upstream)
    for a, b in zip(our_inputs, their_inputs, strict=True):
        torch.testing.assert_close(a.grad, b.grad)


def assert_same_parameter_gradients(ours: nn.Module, theirs: nn.Module):
    """Copy their gradients as if they were weights: so they come in our order."""
    gradients = copy.deepcopy(theirs)
    for copied, parameter in zip(gradients.parameters(), theirs.parameters(), strict=True):
        copied.data = parameter.grad
    expected = copy_from_torch(copy.deepcopy(ours), gradients)
    for (name, parameter), gradient in zip(
        ours.named_parameters(), expected.parameters(), strict=True
    ):
        torch.testing.assert_close(parameter.grad, gradient.data, msg=name)


@pytest.mark.parametrize("norm", ["pre", "post"])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
@pytest.mark.parametrize("causal", [False, True])
def test_a_block_is_torchs_encoder_layer(norm, activation, causal):
    ours, theirs = options(norm, activation)
    layer = randomised(nn.TransformerEncoderLayer(D, H, **theirs))
    block = copy_from_torch(Block(D, H, causal=causal, **ours).double(), layer)
    (x,) = leaves((B, T, D))
    y = x.detach().clone().requires_grad_()
    padding = padding_mask(torch.tensor([T, 3]))
    expected = layer(
        y,
        src_mask=~causal_mask(T) if causal else None,
        src_key_padding_mask=~padding[:, 0],
    )
    got = block(x, mask=padding)
    torch.testing.assert_close(got, expected)
    assert_same_gradients(got, expected, [x], [y])
    assert_same_parameter_gradients(block, layer)


@pytest.mark.parametrize("norm", ["pre", "post"])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_a_block_with_a_source_is_torchs_decoder_layer(norm, activation):
    ours, theirs = options(norm, activation)
    layer = randomised(nn.TransformerDecoderLayer(D, H, **theirs))
    block = copy_from_torch(Block(D, H, causal=True, source_width=D, **ours).double(), layer)
    inputs = leaves((B, T, D), (B, S, D))
    copies = [x.detach().clone().requires_grad_() for x in inputs]
    padding = padding_mask(torch.tensor([4, S]))
    expected = layer(*copies, tgt_mask=~causal_mask(T), memory_key_padding_mask=~padding[:, 0])
    x, source = inputs
    got = block(x, source=source, source_mask=padding)
    torch.testing.assert_close(got, expected)
    assert_same_gradients(got, expected, inputs, copies)
    assert_same_parameter_gradients(block, layer)


@pytest.mark.filterwarnings("ignore:enable_nested_tensor")
@pytest.mark.parametrize("norm", ["pre", "post"])
def test_two_stacks_are_torchs_transformer(norm):
    ours, theirs = options(norm, "relu")
    model = randomised(nn.Transformer(D, H, 2, 3, **theirs))
    encoder = Stack([Block(D, H, **ours) for _ in range(2)], nn.LayerNorm(D))
    decoder = Stack(
        [Block(D, H, causal=True, source_width=D, **ours) for _ in range(3)],
        nn.LayerNorm(D),
    )
    copy_from_torch(encoder.double(), model.encoder)
    copy_from_torch(decoder.double(), model.decoder)
    inputs = leaves((B, S, D), (B, T, D))
    copies = [x.detach().clone().requires_grad_() for x in inputs]
    padding = padding_mask(torch.tensor([S, 2]))
    expected = model(
        *copies,
        tgt_mask=~causal_mask(T),
        src_key_padding_mask=~padding[:, 0],
        memory_key_padding_mask=~padding[:, 0],
    )
    source, x = inputs
    memory = encoder(source, mask=padding)
    got = decoder(x, source=memory, source_mask=padding)
    torch.testing.assert_close(got, expected)
    assert_same_gradients(got, expected, inputs, copies)
    assert_same_parameter_gradients(encoder, model.encoder)
    assert_same_parameter_gradients(decoder, model.decoder)


@pytest.mark.parametrize("norm", ["pre", "post"])
def test_a_stack_reads_on_with_caches_as_it_reads_at_once(norm):
    rotary = Rotary(D // H)
    blocks = [Block(D, H, norm=norm, causal=True, source_width=13, rotary=rotary) for _ in range(2)]
    stack = randomised(Stack(blocks, nn.LayerNorm(D)))
    x, source = torch.randn(B, T, D), torch.randn(B, S, 13)
    padding = padding_mask(torch.tensor([4, S]))
    whole = stack(x, source=source, source_mask=padding)
    cache, source_cache = KVCache(2), KVCache(2)
    parts = []
    for t in range(T):
        part = stack(
            x[:, t : t + 1],
            cache=cache,
            source=source if t == 0 else None,
            source_mask=padding,
            source_cache=source_cache,
        )
        parts.append(part)
    torch.testing.assert_close(torch.cat(parts, dim=1), whole)


@pytest.mark.parametrize("norm", ["pre", "post"])
@pytest.mark.parametrize("activation", ["relu", "gelu", "gelu_tanh", "swiglu"])
def test_a_causal_block_never_sees_the_future(norm, activation):
    block = randomised(Block(D, H, norm=norm, activation=activation, causal=True))
    x = torch.randn(B, S, D)
    before = block(x)
    for t in range(S):
        changed = x.clone()
        changed[:, t] = torch.randn(B, D)
        after = block(changed)
        assert torch.equal(after[:, :t], before[:, :t])
        assert not torch.allclose(after[:, t], before[:, t], atol=1e-4)


def test_pre_norm_leaves_the_stream_free():
    block = Block(D, H, norm="pre")
    for linear in (block.attention.output, block.feed_forward.contract):
        nn.init.zeros_(linear.weight)
        nn.init.zeros_(linear.bias)
    x = torch.randn(B, T, D)
    assert torch.equal(block(x), x)


def test_dropout_is_for_training_and_there_may_be_no_biases():
    block = Block(D, H, dropout=0.5, bias=False, source_width=D)
    x = torch.randn(B, T, D)
    assert not torch.equal(block(x, source=x), block(x, source=x))
    block.eval()
    assert torch.equal(block(x, source=x), block(x, source=x))
    assert not [name for name, _ in block.named_parameters() if name.endswith("bias")]
    assert Block(D, H).feed_forward.expand.out_features == 4 * D


def test_attention_maps_of_all_layers_by_name():
    stack = Stack([Block(D, H, source_width=D) for _ in range(2)])
    x, source = torch.randn(B, T, D), torch.randn(B, S, D)
    with record_attention(stack) as maps:
        stack(x, source=source)
    assert list(maps) == [
        f"blocks.{i}.{kind}" for i in range(2) for kind in ("attention", "cross_attention")
    ]
    assert maps["blocks.0.attention"].shape == (B, H, T, T)
    assert maps["blocks.1.cross_attention"].shape == (B, H, T, S)
    torch.testing.assert_close(maps["blocks.1.cross_attention"].sum(-1), torch.ones(B, H, T))


def test_bad_input_is_explained(unchecked_shapes):
    with pytest.raises(ValueError, match=r"norm must be one of \['pre', 'post'\]"):
        Block(D, H, norm="middle")
    with pytest.raises(ValueError, match="activation must be one of .* is 'tanh'"):
        Block(D, H, activation="tanh")
    with pytest.raises(ValueError, match="5 does not divide 6"):
        Block(D, 5)
    with pytest.raises(ValueError, match="call it with the source"):
        Block(D, H, source_width=D)(torch.randn(B, T, D))
    with pytest.raises(ValueError, match="longer than argument 1"):
        copy_from_torch(Block(D, H), nn.TransformerDecoderLayer(D, H, batch_first=True))
    cache = LayerCache()
    Block(D, H, causal=True)(torch.randn(B, T, D), cache=cache)
    with pytest.raises(ValueError, match="reorder the cache if the rows changed"):
        Block(D, H, causal=True)(torch.randn(1, 1, D), cache=cache)
