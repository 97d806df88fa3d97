import math

import pytest
import torch
from torch import nn

from seqcourse.training.clipping import clip_by_norm, clip_by_value, gradient_norm


def with_gradients(*gradients) -> list[nn.Parameter]:
    parameters = []
    for gradient in gradients:
        values = torch.as_tensor(gradient, dtype=torch.float64)
        parameters.append(nn.Parameter(torch.zeros_like(values)))
        parameters[-1].grad = values.clone()
    return parameters


def random_parameters(seed: int) -> list[nn.Parameter]:
    draw = torch.Generator().manual_seed(seed)
    return with_gradients(*[torch.randn(s, generator=draw) for s in [(3, 5), (7,), (), (2, 1, 11)]])


def test_the_norm_of_everything_by_hand():
    parameters = [*with_gradients([[3.0], [0.0]], [4.0, 12.0]), nn.Parameter(torch.ones(2))]
    assert gradient_norm(parameters).item() == pytest.approx(13)
    assert gradient_norm(iter(parameters)).item() == pytest.approx(13)
    assert gradient_norm([nn.Parameter(torch.ones(2))]) == 0


@pytest.mark.parametrize("limit", [0.5, 3.0, 1e6])
def test_clipping_by_norm_is_pytorchs(limit):
    ours, theirs = random_parameters(3), random_parameters(3)
    before = clip_by_norm(ours, limit)
    assert before == pytest.approx(nn.utils.clip_grad_norm_(theirs, limit).item())
    for mine, yours in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine.grad, yours.grad, rtol=1e-5, atol=0)
    assert gradient_norm(ours).item() == pytest.approx(min(before, limit))


def test_a_short_gradient_and_an_endless_limit_leave_all_as_it_is():
    for limit in (13.0, math.inf):
        parameters = with_gradients([3.0, 4.0, 12.0])
        assert clip_by_norm(parameters, limit) == 13
        assert parameters[0].grad.tolist() == [3, 4, 12]


def test_parameters_without_a_gradient_are_passed_over():
    parameters = [nn.Parameter(torch.ones(2)), *with_gradients([6.0, 8.0])]
    clip_by_norm(iter(parameters), 5.0)
    assert parameters[0].grad is None
    assert parameters[1].grad.tolist() == [3, 4]
    clip_by_value(parameters, 3.5)
    assert parameters[0].grad is None
    assert parameters[1].grad.tolist() == [3, 3.5]


def test_clipping_by_value_is_pytorchs():
    ours, theirs = random_parameters(5), random_parameters(5)
    clip_by_value(ours, 0.7)
    nn.utils.clip_grad_value_(theirs, 0.7)
    for mine, yours in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine.grad, yours.grad, rtol=0, atol=0)


@pytest.mark.parametrize("wrong", [math.nan, math.inf])
def test_what_is_not_finite_is_refused_and_left_alone(wrong):
    parameters = with_gradients([2.0], [wrong])
    with pytest.raises(FloatingPointError, match=f"a length of {wrong}: it cannot be clipped"):
        clip_by_norm(parameters, 1.0)
    assert parameters[0].grad.tolist() == [2]


def test_a_limit_must_leave_something():
    for clip in (clip_by_norm, clip_by_value):
        for limit in (0.0, -1.0, math.nan):
            with pytest.raises(ValueError, match=f"limit must be above 0, but is {limit}"):
                clip(with_gradients([1.0]), limit)
