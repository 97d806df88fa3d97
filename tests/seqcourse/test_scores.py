import math

import pytest
import torch
from torch import nn

from seqcourse.scores import AdditiveScore, BilinearScore, DotScore

B, TQ, TK, DQ, DK, D = 2, 3, 5, 7, 11, 13


def inputs(query_width=DQ, key_width=DK, dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    query = torch.randn(B, TQ, query_width, generator=generator, dtype=dtype)
    keys = torch.randn(B, TK, key_width, generator=generator, dtype=dtype)
    return query, keys


def by_definition(score, query, keys):
    """The same numbers, one pair of vectors at a time."""
    result = torch.empty(B, TQ, TK, dtype=query.dtype)
    for b in range(B):
        for i in range(TQ):
            for j in range(TK):
                result[b, i, j] = score(query[b, i], keys[b, j])
    return result


@pytest.mark.parametrize("scaled", [False, True])
def test_dot(scaled):
    query, keys = inputs(DQ, DQ)
    expected = by_definition(lambda q, k: (q * k).sum(), query, keys)
    if scaled:
        expected /= math.sqrt(DQ)
    torch.testing.assert_close(DotScore(scaled=scaled)(query, keys), expected)


def test_bilinear():
    torch.manual_seed(0)
    score = BilinearScore(DQ, DK).double()
    query, keys = inputs()
    w = score.project.weight
    assert w.shape == (DQ, DK)
    expected = by_definition(lambda q, k: q @ w @ k, query, keys)
    torch.testing.assert_close(score(query, keys), expected)


def test_additive():
    torch.manual_seed(0)
    score = AdditiveScore(DQ, DK, D).double()
    query, keys = inputs()
    w, u, v = score.project_query.weight, score.project_key.weight, score.weigh.weight[0]
    expected = by_definition(lambda q, k: v @ torch.tanh(w @ q + u @ k), query, keys)
    torch.testing.assert_close(score(query, keys), expected)
    assert score(1e6 * query, keys).abs().max() <= v.abs().sum() + 1e-9


def test_values_by_hand():
    query, keys = (
        torch.tensor([[[1.0, 2.0, 1.0]]]),
        torch.tensor([[[2.0, 0.0, 1.0], [1.0, 1.0, 2.0]]]),
    )
    assert DotScore()(query, keys).tolist() == [[[3, 5]]]
    bilinear = BilinearScore(3, 3)
    nn.init.eye_(bilinear.project.weight)  # with the identity it is the dot product
    assert bilinear(query, keys).tolist() == [[[3, 5]]]
    additive = AdditiveScore(3, 3, 1)
    for parameter in additive.parameters():
        nn.init.ones_(parameter)
    found = additive(query, 0 * keys - 1)[0, 0].tolist()
    assert found == pytest.approx([math.tanh(4 - 3)] * 2)


@pytest.mark.parametrize("score", [AdditiveScore(DQ, DK, D), BilinearScore(DQ, DK), DotScore()])
def test_preparing_the_keys_once_changes_nothing_and_gradients_flow(score):
    score = score.double()
    query, keys = inputs(DQ, DQ if isinstance(score, DotScore) else DK)
    at_once = score(query, keys)
    prepared = score.prepare(keys)
    one_by_one = [score.compare(query[:, i : i + 1], prepared) for i in range(TQ)]
    torch.testing.assert_close(torch.cat(one_by_one, dim=1), at_once)
    torch.autograd.gradcheck(score, (query.requires_grad_(), keys.requires_grad_()))
    for name, parameter in score.named_parameters():
        score(query, keys).sum().backward()
        assert parameter.grad.abs().sum() > 0, name


def test_scaling_keeps_the_variance_at_one():
    torch.manual_seed(0)
    query, keys = torch.randn(1, 400, 256), torch.randn(1, 400, 256)
    assert DotScore()(query, keys).var() == pytest.approx(256, rel=0.05)
    assert DotScore(scaled=True)(query, keys).var() == pytest.approx(1, rel=0.05)


def test_print_says_whether_it_is_scaled():
    assert repr(DotScore(scaled=True)) == "DotScore(scaled=True)"


def test_bad_input_is_explained(unchecked_shapes):
    query, keys = inputs(dtype=torch.float32)
    with pytest.raises(ValueError, match="equal width, but these have 7 and 11; use BilinearScore"):
        DotScore()(query, keys)
    for score in (BilinearScore(DK, DQ), AdditiveScore(DK, DQ, D)):
        with pytest.raises(ValueError, match="made for .* of width 11 and 7, but got 7 and 11"):
            score(query, keys)
    with pytest.raises(ValueError, match="same batch size, but have 1 and 2"):
        BilinearScore(DQ, DK)(query[:1], keys)
    with pytest.raises(ValueError, match="query_width must be at least 1, but is 0"):
        BilinearScore(0, DK)
    with pytest.raises(ValueError, match="key_width must be at least 1, but is -1"):
        BilinearScore(DQ, -1)
    with pytest.raises(ValueError, match="width must be at least 1, but is 0"):
        AdditiveScore(DQ, DK, 0)
