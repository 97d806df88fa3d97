import math

import pytest
import torch

from seqcourse.positions import (
    Learned,
    Rotary,
    Sinusoidal,
    added_positions,
    rotation_by,
    sinusoidal,
)

T, D = 13, 6


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def test_sinusoids_by_the_papers_formula():
    table = sinusoidal(T, D)
    for t in range(T):
        for i in range(D // 2):
            angle = t / 10000 ** (2 * i / D)
            assert table[t, 2 * i].item() == pytest.approx(math.sin(angle), abs=1e-6)
            assert table[t, 2 * i + 1].item() == pytest.approx(math.cos(angle), abs=1e-6)
    torch.testing.assert_close(sinusoidal(5, D, first=7), table[7:12])
    assert sinusoidal(0, D).shape == (0, D)


@pytest.mark.parametrize("shift", [0, 1, 5, -3])
def test_a_shift_is_one_rotation_for_all_places(shift):
    rotation = rotation_by(shift, D)
    torch.testing.assert_close(rotation @ rotation.T, torch.eye(D))
    assert torch.det(rotation).item() == pytest.approx(1)
    here, there = sinusoidal(T, D, first=3), sinusoidal(T, D, first=3 + shift)
    torch.testing.assert_close(here @ rotation.T, there)


def test_places_stay_apart_and_precise_far_out():
    table = sinusoidal(2000, 64)
    assert torch.pdist(table).min() > 0.1
    far = sinusoidal(1, 2, first=1_000_000)
    assert far[0, 0].item() == pytest.approx(math.sin(1_000_000), abs=1e-6)


@pytest.mark.parametrize("layer", [Sinusoidal(D), Learned(2 * T, D)])
def test_positions_are_added_and_count_on(layer):
    x = torch.randn(3, T, D)
    whole = layer(x)
    table = layer.table[:T]
    torch.testing.assert_close(whole, x + table)
    parts = [layer(x[:, :4]), layer(x[:, 4:5], 4), layer(x[:, 5:], 5)]
    torch.testing.assert_close(torch.cat(parts, dim=1), whole)


def test_sinusoids_have_no_last_place_no_parameters_and_are_not_saved():
    layer = Sinusoidal(D)
    layer(torch.zeros(1, 5, D))
    far = layer(torch.zeros(1, 3, D), 500)
    torch.testing.assert_close(far[0], sinusoidal(3, D, first=500))
    assert not list(layer.parameters())
    assert not layer.state_dict()


def test_learned_positions_start_small_and_end():
    layer = Learned(997, 31)
    assert layer.table.std().item() == pytest.approx(0.02, rel=0.05)
    layer(torch.zeros(1, 997, 31))
    with pytest.raises(ValueError, match="learned for 997 places, but 998 came"):
        layer(torch.zeros(1, 1, 31), 997)


def test_rotary_is_multiplication_by_a_complex_number():
    x = torch.randn(2, 3, T, D, dtype=torch.float64)
    numbers = torch.view_as_complex(x.unflatten(-1, (-1, 2)))
    for first in (0, 11):
        places = torch.arange(first, first + T, dtype=torch.float64)
        angles = torch.outer(places, 10000.0 ** (-torch.arange(0, D, 2).double() / D))
        expected = torch.view_as_real(numbers * torch.exp(1j * angles)).flatten(-2)
        torch.testing.assert_close(Rotary(D)(x, first), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("base", [10_000.0, 100.0])
def test_a_rotated_product_depends_on_the_distance_alone(base):
    rotary = Rotary(D, base=base)
    query, key = torch.randn(D), torch.randn(D)

    def match(q: int, k: int) -> float:
        return (rotary(query[None], q) @ rotary(key[None], k).T).item()

    for distance in (0, 1, 7):
        first = match(distance, 0)
        for k in (1, 5, 300):
            assert match(k + distance, k) == pytest.approx(first, abs=1e-4)
    assert match(0, 0) == pytest.approx((query @ key).item(), abs=1e-5)
    assert match(7, 0) != pytest.approx(match(0, 7), abs=1e-2)


def test_turning_changes_no_length():
    x = torch.randn(2, 5, T, D)
    torch.testing.assert_close(Rotary(D)(x).norm(dim=-1), x.norm(dim=-1))


@pytest.mark.parametrize("make", [Rotary, Sinusoidal])
def test_tables_made_in_inference_mode_serve_training_too(make):
    layer = make(D)
    with torch.inference_mode():
        layer(torch.zeros(1, T, D))
    x = torch.randn(1, T, D, requires_grad=True)
    layer(x).sum().backward()
    assert x.grad is not None


def test_positions_by_name():
    assert isinstance(added_positions("sinusoidal", D, None), Sinusoidal)
    assert isinstance(added_positions("learned", D, 7), Learned)
    assert added_positions("rotary", D, 7) is None
    assert added_positions("none", D, 7) is None


def test_bad_input_is_explained():
    for make in (Sinusoidal, Rotary):
        with pytest.raises(ValueError, match="must be even, .* but is 5"):
            make(5)
    with pytest.raises(ValueError, match="but is 7"):
        sinusoidal(3, 7)
    with pytest.raises(ValueError, match="but is 0"):
        rotation_by(1, 0)
    with pytest.raises(ValueError, match="length must be at least 1, but is 0"):
        Learned(0, D)
    with pytest.raises(ValueError, match="need a context_length"):
        added_positions("learned", D, None)
