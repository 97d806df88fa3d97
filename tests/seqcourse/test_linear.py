import pytest
import torch
import torch.nn.functional as F

from seqcourse.linear import MANY_WEIGHTS, Linear

WIDE = 521
assert WIDE * WIDE > MANY_WEIGHTS


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(1,), (2,), (3,), (1, 1), (2, 1), (1, 2), (), (0,)])
@pytest.mark.parametrize("width", [WIDE, 7])
def test_it_is_torchs_linear_for_any_number_of_rows(width, shape, bias):
    torch.manual_seed(0)
    layer = Linear(width, 523, bias=bias)
    x = torch.randn(*shape, width)
    with torch.no_grad():
        y = layer(x)
        torch.testing.assert_close(y, F.linear(x, layer.weight, layer.bias))
    assert y.is_contiguous()
    torch.testing.assert_close(layer(x), y)


@pytest.mark.parametrize("rows", [1, 2])
def test_rows_that_do_not_lie_next_to_each_other(rows):
    layer = Linear(WIDE, WIDE)
    x = torch.randn(WIDE, rows).t()
    with torch.no_grad():
        torch.testing.assert_close(layer(x), F.linear(x, layer.weight, layer.bias))


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_gradients_and_other_precisions_are_torchs(dtype):
    layer = Linear(WIDE, WIDE, dtype=dtype)
    x = torch.randn(1, WIDE, dtype=dtype, requires_grad=True)
    (ours,) = torch.autograd.grad(layer(x).sum(), x)
    (theirs,) = torch.autograd.grad(F.linear(x, layer.weight, layer.bias).sum(), x)
    assert torch.equal(ours, theirs)
