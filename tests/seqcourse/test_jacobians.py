import numpy as np
import pytest
import torch

from seqcourse.bptt import ElmanWeights, forward
from seqcourse.finite_differences import numerical_gradient
from seqcourse.jacobians import (
    gradient_norm_by_lag,
    lag_jacobians,
    singular_values,
    spectral_radius,
    step_jacobians,
)
from seqcourse.recurrent import CELLS, GRU, LSTM, RNN

B, T, D, H = 2, 5, 3, 7


def setting():
    rng = np.random.default_rng(0)
    weights = ElmanWeights.random(D, H, 2, rng)
    x, start = rng.normal(size=(1, T, D)), rng.normal(size=(1, H))
    return weights, x, start


def last_state(weights, x, start, unit: int) -> float:
    return float(forward(weights, x, start).states[0, -1, unit])


def test_jacobians_over_any_lag_agree_with_finite_differences():
    weights, x, start = setting()
    states = forward(weights, x, start).states[0]
    by_lag = lag_jacobians(weights, states)
    assert by_lag.shape == (T + 1, H, H)
    np.testing.assert_array_equal(by_lag[0], np.eye(H))
    np.testing.assert_allclose(by_lag[1], step_jacobians(weights, states)[-1])
    for lag in range(1, T + 1):
        rest, at = x[:, T - lag :], states[None, T - lag]
        for unit in range(H):
            gradient = numerical_gradient(
                lambda h, rest=rest, unit=unit: last_state(weights, rest, h, unit), at
            )
            np.testing.assert_allclose(by_lag[lag, unit], gradient[0], atol=1e-9)


def test_no_product_stretches_more_than_the_largest_singular_value_allows():
    weights, x, start = setting()
    largest = singular_values(weights.w_h)[0]
    stretches = singular_values(lag_jacobians(weights, forward(weights, x, start).states[0]))
    assert stretches.shape == (T + 1, H)
    for lag in range(T + 1):
        assert stretches[lag, 0] <= largest**lag * (1 + 1e-12)


def test_a_matrix_may_stretch_though_its_eigenvalues_are_small():
    shear = np.array([[0.5, 10.0], [0.0, 0.5]])
    assert spectral_radius(shear) == pytest.approx(0.5)
    assert singular_values(shear)[0] > 10
    rotation = np.array([[0.0, -2.0], [2.0, 0.0]])  # complex eigenvalues ± 2i
    assert spectral_radius(rotation) == pytest.approx(2)


# --- of any layer ------------------------------------------------------------------------------


def unit_vector(seed: int = 0) -> torch.Tensor:
    vector = torch.randn(H, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return vector / vector.norm()


def test_of_a_simple_network_the_lengths_are_those_of_the_jacobian_products():
    weights, _, _ = setting()
    x = np.random.default_rng(5).normal(size=(B, T, D))
    layer = RNN(D, H).double()
    for parameter, value in zip(
        layer.parameters(), (weights.w_x, weights.w_h, weights.b_h, weights.b_h * 0), strict=True
    ):
        parameter.data = torch.tensor(value)
    direction = unit_vector()
    lengths = gradient_norm_by_lag(layer, torch.tensor(x), direction)
    states = forward(weights, x).states
    for row in range(B):
        products = lag_jacobians(weights, states[row])
        expected = [np.linalg.norm(direction.numpy() @ product) for product in products]
        np.testing.assert_allclose(lengths[row], expected)


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("kind", CELLS)
def test_the_longest_lag_is_the_gradient_in_the_initial_state(kind, layers):
    torch.manual_seed(2)
    layer = CELLS[kind](D, H, layers).double()
    x, direction = torch.randn(B, T, D, dtype=torch.float64), unit_vector()
    parts = [
        torch.zeros(layers, B, H, dtype=torch.float64, requires_grad=True)
        for _ in range(layer.parts)
    ]
    output, _ = layer(x, tuple(parts) if kind == "lstm" else parts[0])
    gradients = torch.autograd.grad((output[:, -1] @ direction).sum(), parts)
    expected = torch.cat(gradients).norm(dim=(0, 2))
    lengths = gradient_norm_by_lag(layer, x, direction)
    assert lengths.shape == (B, T + 1)
    assert not lengths.requires_grad
    torch.testing.assert_close(lengths[:, -1], expected)
    torch.testing.assert_close(lengths[:, 0], torch.ones(B, dtype=torch.float64))


def test_open_forget_gates_carry_a_gradient_where_a_simple_network_loses_it():
    torch.manual_seed(0)
    x, direction = torch.randn(B, 60, D), unit_vector().float()
    kept = gradient_norm_by_lag(LSTM(D, H, forget_bias=8.0), x, direction)[:, -1]
    lost = gradient_norm_by_lag(RNN(D, H), x, direction)[:, -1]
    assert (kept > 1e-2).all()
    assert (lost < 1e-6).all()


@pytest.mark.usefixtures("unchecked_shapes")
def test_bad_input_says_what_was_expected():
    x = torch.zeros(B, T, D)
    with pytest.raises(ValueError, match="layer must read one way"):
        gradient_norm_by_lag(GRU(D, H, bidirectional=True), x, torch.ones(H))
    with pytest.raises(ValueError, match=r"direction must have shape \(7,\), but has \(3,\)"):
        gradient_norm_by_lag(GRU(D, H), x, torch.ones(3))
