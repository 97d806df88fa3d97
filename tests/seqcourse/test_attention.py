import math

import pytest
import torch
from torch import nn

from seqcourse.attention import (
    MultiHeadAttention,
    attend,
    causal_mask,
    padding_mask,
    record_attention,
    scaled_dot_product,
    self_attention,
)
from seqcourse.kv_cache import LayerCache
from seqcourse.positions import Rotary

B, H, T, S, K = 2, 3, 5, 7, 4
D = H * K


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def heads(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, requires_grad=True)


# --- functions ---


def test_the_worked_example_of_the_lecture():
    state = torch.tensor([[1.0, 2.0, 1.0]])
    encoded = torch.tensor([[2.0, 0.0, 1.0], [1.0, 1.0, 2.0]])
    assert (state @ encoded.T).tolist() == [[3, 5]]
    context, weights = scaled_dot_product(state, encoded, encoded, scale=1.0)
    small = 1 / (1 + math.e**2)  # e³ : e⁵
    torch.testing.assert_close(weights, torch.tensor([[small, 1 - small]]))
    assert [round(w, 3) for w in weights[0].tolist()] == [0.119, 0.881]
    assert [round(c, 3) for c in context[0].tolist()] == [1.119, 0.881, 1.881]


def test_attention_written_out_by_loops():
    query, key, value = torch.randn(T, K), torch.randn(S, K), torch.randn(S, 11)
    mask = torch.rand(T, S) < 0.7
    mixed, weights = scaled_dot_product(query, key, value, mask)
    for i in range(T):
        seen = [j for j in range(S) if mask[i, j]]
        scores = [float(query[i] @ key[j]) / math.sqrt(K) for j in seen]
        total = sum(map(math.exp, scores))
        expected = sum(math.exp(e) / total * value[j] for e, j in zip(scores, seen, strict=True))
        torch.testing.assert_close(mixed[i], expected)
        assert weights[i].sum().item() == pytest.approx(1)


def test_self_attention_is_unscaled_and_knows_no_order():
    x, order = heads(B, T, K), torch.randperm(T)
    mixed, weights = self_attention(x)
    torch.testing.assert_close(weights, (x @ x.mT).softmax(-1))
    torch.testing.assert_close(mixed, weights @ x)
    permuted, _ = self_attention(x[:, order])
    torch.testing.assert_close(permuted, mixed[:, order])


def test_a_single_vector_is_its_own_mean():
    x = torch.randn(B, 1, K)
    torch.testing.assert_close(self_attention(x)[0], x)
    torch.testing.assert_close(attend(x, x, x, causal=True)[0], x)


def masks():
    some = torch.rand(T, S, generator=torch.Generator().manual_seed(1)) < 0.5
    some[2] = False  # this query may look nowhere
    return {
        "none": None,
        "queries and keys": some,
        "a row for all queries": torch.tensor([True, False] * 3 + [True])[None],
        "for each of the batch": torch.stack((some, ~some))[:, None],
    }


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("name", masks())
def test_the_fast_path_is_the_slow_one_in_values_and_gradients(name, causal):
    mask = masks()[name]
    slow = heads(B, H, T, K), heads(B, H, S, K), heads(B, H, S, 11)
    fast = [x.detach().clone().requires_grad_() for x in slow]
    whole = mask
    if causal:
        whole = causal_mask(T, S) if mask is None else mask & causal_mask(T, S)
    expected, expected_weights = scaled_dot_product(*slow, whole)
    mixed, none = attend(*fast, mask, causal=causal)
    assert none is None
    torch.testing.assert_close(mixed, expected)
    upstream = torch.randn_like(expected)
    expected.backward(upstream)
    mixed.backward(upstream)
    for ours, theirs in zip(fast, slow, strict=True):
        assert not ours.grad.isnan().any()
        torch.testing.assert_close(ours.grad, theirs.grad)
    again, weights = attend(*fast, mask, causal=causal, need_weights=True)
    torch.testing.assert_close(again, expected)
    torch.testing.assert_close(weights, expected_weights)


def test_square_causal_attention_takes_the_same_path_without_a_mask():
    query, key, value = (heads(B, H, T, K) for _ in range(3))
    expected, _ = scaled_dot_product(query, key, value, causal_mask(T))
    torch.testing.assert_close(attend(query, key, value, causal=True)[0], expected)


def test_with_no_keys_there_is_nothing_to_see():
    query, nothing = torch.randn(B, H, T, K), torch.randn(B, H, 0, K)
    for need_weights in (False, True):
        mixed, _ = attend(query, nothing, nothing, need_weights=need_weights)
        assert mixed.shape == (B, H, T, K)
        assert (mixed == 0).all()


def test_dropout_keeps_the_mean_and_the_weights_are_those_before_it():
    query, key = torch.zeros(1, 1, K), torch.zeros(1, S, K)
    value = torch.ones(1, S, 1)
    draws = [attend(query, key, value, dropout=0.5, need_weights=True) for _ in range(400)]
    mixed = torch.stack([m for m, _ in draws])
    assert mixed.std() > 0.1
    assert mixed.mean().item() == pytest.approx(1, abs=0.1)
    torch.testing.assert_close(draws[0][1], torch.full((1, 1, S), 1 / S))


# --- the layer ---


def torch_layer(source_width: int | None = None, *, bias: bool = True):
    return nn.MultiheadAttention(
        D,
        H,
        bias=bias,
        kdim=source_width,
        vdim=source_width,
        batch_first=True,
        dtype=torch.float64,
    )


def randomised(layer: nn.Module) -> nn.Module:
    """Biases too: torch starts them at 0, where a mistake would not show."""
    for parameter in layer.parameters():
        nn.init.normal_(parameter, std=0.3)
    return layer


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("masked", [None, "causal", "padding", "both"])
def test_self_attention_is_torchs_in_values_weights_and_gradients(masked, bias):
    theirs = randomised(torch_layer(bias=bias))
    causal = masked in ("causal", "both")
    ours = MultiHeadAttention(D, H, bias=bias, causal=causal).double().copy_from(theirs)
    lengths = torch.tensor([T, 3])
    padding = padding_mask(lengths) if masked in ("padding", "both") else None
    x = heads(B, T, D)
    y = x.detach().clone().requires_grad_()
    expected, expected_weights = theirs(
        y,
        y,
        y,
        attn_mask=~causal_mask(T) if causal else None,
        key_padding_mask=None if padding is None else ~padding[:, 0],
        average_attn_weights=False,
    )
    mixed = ours(x, mask=padding)
    torch.testing.assert_close(mixed, expected)
    with record_attention(ours) as maps:
        torch.testing.assert_close(ours(x, mask=padding), expected)
    torch.testing.assert_close(maps[""], expected_weights)
    upstream = torch.randn_like(expected)
    mixed.backward(upstream)
    expected.backward(upstream)
    torch.testing.assert_close(x.grad, y.grad)
    torch.testing.assert_close(ours.query_key_value.weight.grad, theirs.in_proj_weight.grad)
    torch.testing.assert_close(ours.output.weight.grad, theirs.out_proj.weight.grad)
    if bias:
        torch.testing.assert_close(ours.query_key_value.bias.grad, theirs.in_proj_bias.grad)


@pytest.mark.parametrize("width", [D, 13])
@pytest.mark.parametrize("bias", [True, False])
def test_cross_attention_is_torchs(width, bias):
    theirs = randomised(torch_layer(width, bias=bias))
    ours = MultiHeadAttention(D, H, source_width=width, bias=bias).double()
    ours.copy_from(theirs)
    x, source = heads(B, T, D), heads(B, S, width)
    x2, source2 = (t.detach().clone().requires_grad_() for t in (x, source))
    mask = padding_mask(torch.tensor([4, S]))
    mixed = ours(x, source, mask=mask)
    expected, _ = theirs(x2, source2, source2, key_padding_mask=~mask[:, 0])
    torch.testing.assert_close(mixed, expected)
    upstream = torch.randn_like(expected)
    mixed.backward(upstream)
    expected.backward(upstream)
    torch.testing.assert_close(x.grad, x2.grad)
    torch.testing.assert_close(source.grad, source2.grad)


def test_permuted_inputs_give_permuted_outputs_unless_places_matter():
    x, order = torch.randn(B, T, D), torch.tensor([3, 0, 4, 1, 2])
    plain = MultiHeadAttention(D, H)
    torch.testing.assert_close(plain(x[:, order]), plain(x)[:, order])
    rotary = randomised(MultiHeadAttention(D, H, rotary=Rotary(K)))
    assert not torch.allclose(rotary(x[:, order]), rotary(x)[:, order], atol=1e-3)
    shuffled = torch.randperm(S)
    source, cross = torch.randn(B, S, 11), MultiHeadAttention(D, H, source_width=11)
    torch.testing.assert_close(cross(x, source[:, shuffled]), cross(x, source))


@pytest.mark.parametrize("rotary", [None, Rotary(K)])
def test_a_causal_layer_never_sees_the_future(rotary):
    layer = MultiHeadAttention(D, H, causal=True, rotary=rotary)
    x = torch.randn(B, S, D)
    before = layer(x)
    for t in range(S):
        changed = x.clone()
        changed[:, t] += 1
        after = layer(changed)
        assert torch.equal(after[:, :t], before[:, :t])
        assert not torch.allclose(after[:, t], before[:, t], atol=1e-3)


@pytest.mark.parametrize("rotary", [None, Rotary(K)])
@pytest.mark.parametrize("grad", [True, False])
def test_reading_on_with_a_cache_is_reading_at_once(rotary, grad):
    layer = MultiHeadAttention(D, H, causal=True, rotary=rotary)
    x = torch.randn(B, S, D)
    cache, parts = LayerCache(), []
    with torch.set_grad_enabled(grad):
        for part in x.split((3, 1, 1, 2), dim=1):
            parts.append(layer(part, cache=cache))
        torch.testing.assert_close(torch.cat(parts, dim=1), layer(x))
    assert cache.length == S


def test_gradients_flow_through_the_cache():
    layer = MultiHeadAttention(D, H, causal=True)
    x = torch.randn(B, T, D)
    cache = LayerCache()
    parts = [layer(x[:, t : t + 1], cache=cache) for t in range(T)]
    stepwise = torch.autograd.grad(torch.cat(parts, 1).square().sum(), layer.parameters())
    at_once = torch.autograd.grad(layer(x).square().sum(), layer.parameters())
    for a, b in zip(stepwise, at_once, strict=True):
        torch.testing.assert_close(a, b)


def test_cross_attention_projects_the_source_once():
    layer = MultiHeadAttention(D, H, source_width=11)
    x, source, cache = torch.randn(B, T, D), torch.randn(B, S, 11), LayerCache()
    expected = layer(x, source)
    torch.testing.assert_close(layer(x, source, cache=cache), expected)
    assert cache.length == S
    torch.testing.assert_close(layer(x, cache=cache), expected)
    assert cache.length == S


def test_a_query_that_may_look_nowhere_gets_the_output_layers_bias():
    layer = randomised(MultiHeadAttention(D, H))
    x = torch.randn(B, T, D, requires_grad=True)
    mask = padding_mask(torch.tensor([0, T]))
    mixed = layer(x, mask=mask)
    torch.testing.assert_close(mixed[0], layer.output.bias.expand(T, D))
    mixed.sum().backward()
    assert (x.grad[0] == 0).all()
    assert x.grad[1].isfinite().all()


def test_dropout_is_for_training():
    layer, x = MultiHeadAttention(D, H, dropout=0.5), torch.randn(B, T, D)
    assert not torch.equal(layer(x), layer(x))
    layer.eval()
    assert torch.equal(layer(x), layer(x))


def test_recording_is_over_after_the_block_even_after_an_error():
    layer = MultiHeadAttention(D, H)
    unused = nn.ModuleDict({"used": layer, "unused": MultiHeadAttention(D, H)})
    with record_attention(unused) as maps:
        layer(torch.randn(B, T, D))
    assert maps.keys() == {"used"}
    assert not maps["used"].requires_grad
    with pytest.raises(RuntimeError, match="stop"), record_attention(layer):
        raise RuntimeError("stop")
    layer(torch.randn(B, T, D))
    assert not layer.recording
    assert layer.weights is None


def test_empty_sequences_stay_empty():
    layer = MultiHeadAttention(D, H, causal=True)
    assert layer(torch.randn(B, 0, D)).shape == (B, 0, D)
    assert layer(torch.randn(0, T, D)).shape == (0, T, D)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_other_precisions(dtype):
    layer = MultiHeadAttention(D, H, causal=True, rotary=Rotary(K)).to(dtype)
    assert layer(torch.randn(B, T, D, dtype=dtype)).dtype == dtype


def test_bad_input_is_explained(unchecked_shapes):
    with pytest.raises(ValueError, match="5 does not divide 12"):
        MultiHeadAttention(12, 5)
    with pytest.raises(ValueError, match="heads must divide the width"):
        MultiHeadAttention(12, 0)
    with pytest.raises(ValueError, match="must be even, .* but is 5"):
        Rotary(5)
    with pytest.raises(ValueError, match="the width of a head, 4, but has 6"):
        MultiHeadAttention(D, H, rotary=Rotary(6))
    for options in ({"causal": True}, {"rotary": Rotary(K)}):
        with pytest.raises(ValueError, match="can be neither causal nor rotary"):
            MultiHeadAttention(D, H, source_width=D, **options)
    layer, cross = MultiHeadAttention(D, H), MultiHeadAttention(D, H, source_width=7)
    x = torch.randn(B, T, D)
    with pytest.raises(ValueError, match=r"\(B, T, 12\), but has \(2, 5, 13\)"):
        layer(torch.randn(B, T, 13))
    with pytest.raises(ValueError, match=r"\(B, T, 12\), but has \(2, 12\)"):
        layer(torch.randn(B, D))
    with pytest.raises(ValueError, match="self-attention and takes no source"):
        layer(x, x)
    with pytest.raises(ValueError, match="call it with the source"):
        cross(x)
    with pytest.raises(ValueError, match="call it with the source"):
        cross(x, cache=LayerCache())
    with pytest.raises(ValueError, match=r"\(B, S, 7\), but has \(2, 5, 12\)"):
        cross(x, x)
