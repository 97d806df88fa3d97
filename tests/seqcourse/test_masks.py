import pytest
import torch

from seqcourse.masks import causal_mask, masked_softmax, padding_mask


def test_a_causal_mask_is_a_triangle_that_ends_at_the_last_key():
    assert causal_mask(3).tolist() == [
        [True, False, False],
        [True, True, False],
        [True, True, True],
    ]
    assert causal_mask(2, 5).tolist() == [[True] * 4 + [False], [True] * 5]
    assert causal_mask(1, 7).all()
    assert causal_mask(0).shape == (0, 0)


def test_every_query_sees_the_places_up_to_its_own_and_no_other():
    queries, keys = 5, 11
    mask = causal_mask(queries, keys)
    for t in range(queries):
        place = keys - queries + t
        assert mask[t].tolist() == [k <= place for k in range(keys)]


def test_padding_is_hidden_from_all_queries():
    lengths = torch.tensor([2, 0, 3])
    expected = [[True, True, False], [False] * 3, [True] * 3]
    assert padding_mask(lengths)[:, 0].tolist() == expected
    assert padding_mask(lengths, 5).shape == (3, 1, 5)
    assert not padding_mask(lengths, 5)[..., 3:].any()


def test_masks_are_combined_by_and():
    both = padding_mask(torch.tensor([2, 4])) & causal_mask(4)
    for row, length in enumerate((2, 4)):
        for q in range(4):
            assert both[row, q].tolist() == [k <= q and k < length for k in range(4)]


def test_masked_softmax_is_softmax_over_what_is_visible():
    torch.manual_seed(0)
    scores = torch.randn(2, 5, 7, dtype=torch.float64)
    mask = torch.rand(5, 7) < 0.6
    mask[:, 0] = True
    weights = masked_softmax(scores, mask)
    for b in range(2):
        for q in range(5):
            visible = mask[q]
            torch.testing.assert_close(weights[b, q, visible], scores[b, q, visible].softmax(0))
            assert (weights[b, q, ~visible] == 0).all()
    torch.testing.assert_close(masked_softmax(scores), scores.softmax(-1))


def test_what_is_hidden_has_no_gradient_and_neither_has_a_row_with_nothing_to_see():
    torch.manual_seed(0)
    scores = torch.randn(3, 5, dtype=torch.float64, requires_grad=True)
    mask = torch.tensor([[True, False, True, True, False], [False] * 5, [True] * 5])
    weights = masked_softmax(scores, mask)
    weights.square().sum().backward()
    assert (weights[1] == 0).all()
    assert (scores.grad[~mask] == 0).all()
    assert (scores.grad[0, mask[0]] != 0).all()
    assert torch.autograd.gradcheck(lambda s: masked_softmax(s, mask), scores)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_masked_softmax_bears_huge_scores_and_anything_behind_the_mask(dtype):
    huge = torch.finfo(dtype).max / 2
    nan = float("nan")
    scores = torch.tensor([[huge, -huge, nan], [huge, -huge, -nan]], dtype=dtype)
    mask = torch.tensor([[True, True, False], [False, True, False]])
    assert masked_softmax(scores, mask).tolist() == [[1, 0, 0], [0, 1, 0]]


def test_a_visible_nan_spoils_its_own_row_only():
    scores = torch.tensor([[0.0, float("nan")], [0.0, 0.0]])
    weights = masked_softmax(scores, torch.ones(2, 2, dtype=torch.bool))
    assert weights[0].isnan().all()
    assert weights[1].tolist() == [0.5, 0.5]


def test_fewer_keys_than_queries_are_an_error():
    with pytest.raises(ValueError, match="there are 5 queries and 3 keys"):
        causal_mask(5, 3)
