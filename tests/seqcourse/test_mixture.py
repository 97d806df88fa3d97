import math

import pytest
import torch
from torch.distributions import (
    Bernoulli,
    Categorical,
    MixtureSameFamily,
    MultivariateNormal,
    Normal,
)

from seqcourse.mixture import (
    GaussianMixture,
    PenMixture,
    gaussian_mixture,
    pen_mixture,
)

B, T, K = 3, 5, 7


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def univariate_peer(mixture: GaussianMixture) -> MixtureSameFamily:
    return MixtureSameFamily(
        Categorical(logits=mixture.logits), Normal(mixture.mean, mixture.log_std.exp())
    )


def pen_peer(mixture: PenMixture) -> MixtureSameFamily:
    x, y = mixture.log_std.exp().unbind(-1)
    across = mixture.correlation * x * y
    covariance = torch.stack(
        [torch.stack([x * x, across], -1), torch.stack([across, y * y], -1)], -2
    )
    return MixtureSameFamily(
        Categorical(logits=mixture.logits), MultivariateNormal(mixture.mean, covariance)
    )


def pens(seed: int = 1) -> torch.Tensor:
    steps = draw(B, T, 2, seed=seed)
    return torch.cat([steps, (draw(B, T, 1, seed=seed + 1) > 0).double()], dim=-1)


def test_univariate_densities_and_gradients_equal_torchs():
    gradients = []
    for peer in (False, True):
        outputs = draw(B, T, 3 * K).requires_grad_()
        mixture = gaussian_mixture(outputs)
        logprobs = (univariate_peer(mixture) if peer else mixture).log_prob(draw(B, T, seed=1))
        assert logprobs.shape == (B, T)
        gradients.append((logprobs, *torch.autograd.grad(logprobs.sum(), outputs)))
    for a, b in zip(*gradients, strict=True):
        torch.testing.assert_close(a, b)


def test_pen_densities_and_gradients_equal_torchs():
    results = []
    for peer in (False, True):
        outputs = draw(B, T, 6 * K + 1).requires_grad_()
        mixture, pen = pen_mixture(outputs), pens()
        if peer:
            logprobs = pen_peer(mixture).log_prob(pen[..., :2])
            logprobs = logprobs + Bernoulli(logits=mixture.end_logit).log_prob(pen[..., 2])
        else:
            logprobs = mixture.log_prob(pen)
        assert logprobs.shape == (B, T)
        results.append((logprobs, *torch.autograd.grad(logprobs.sum(), outputs)))
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b)


def test_one_gaussian_by_hand():
    mixture = gaussian_mixture(torch.tensor([0.3, 1.0, math.log(2.0)]))
    expected = -0.5 * ((4.0 - 1.0) / 2.0) ** 2 - math.log(2.0 * math.sqrt(2 * math.pi))
    assert mixture.log_prob(torch.tensor(4.0)).item() == pytest.approx(expected)


def test_densities_integrate_to_one():
    mixture = pen_mixture(draw(6 * 2 + 1) * 0.5)
    axis = torch.linspace(-12, 12, 601, dtype=torch.float64)
    plane = torch.cartesian_prod(axis, axis)
    whole = PenMixture(*(part.expand(len(plane), *part.shape) for part in mixture))
    mass = whole.log_density(plane).exp().sum() * (axis[1] - axis[0]) ** 2
    assert mass.item() == pytest.approx(1, abs=1e-6)


def test_extreme_outputs_give_finite_densities_and_gradients():
    outputs = torch.tensor([[1e4, 0.0, 0.0, -1e4, -1e4, 1e4, 1e4] for _ in range(3)])
    outputs.requires_grad_()
    pen = torch.tensor([[0.0, 0.0, 1.0], [1e3, -1e3, 0.0], [1e-6, 1e-6, 1.0]])
    logprobs = pen_mixture(outputs).log_prob(pen)
    assert logprobs.isfinite().all()
    assert torch.autograd.grad(logprobs.sum(), outputs)[0].isfinite().all()
    far = gaussian_mixture(torch.tensor([0.0, 1e4, 0.0, 0.0, 0.0, 0.0]))
    assert far.log_prob(torch.tensor(-1e4)).isfinite()


def test_half_precision_outputs_are_raised_to_single():
    outputs = draw(B, T, 6 * K + 1).bfloat16()
    pen = pens().float()
    expected = pen_mixture(outputs.float()).log_prob(pen)
    torch.testing.assert_close(pen_mixture(outputs).log_prob(pen), expected)
    assert gaussian_mixture(outputs[..., :3]).mean.dtype == torch.float32


def test_bounds_hold():
    mixture = pen_mixture(torch.tensor([0.0, 0.0, 0.0, -1e9, 1e9, 1e9, 0.0]))
    assert mixture.log_std.tolist() == [[-7.0, 7.0]]
    assert mixture.correlation.item() == pytest.approx(0.999)


# --- sampling ----------------------------------------------------------------------------------


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def many(mixture, count: int = 40_000):
    return type(mixture)(*(part.expand(count, *part.shape) for part in mixture))


def test_univariate_samples_have_the_mixtures_moments():
    mixture = gaussian_mixture(draw(3 * 3))
    drawn = many(mixture).sample(generator=generator())
    peer = univariate_peer(mixture)
    assert drawn.mean().item() == pytest.approx(peer.mean.item(), abs=0.05)
    assert drawn.var().item() == pytest.approx(peer.variance.item(), rel=0.05)


def test_pen_samples_have_the_mixtures_moments():
    mixture = pen_mixture(draw(6 + 1, seed=3))
    drawn = many(mixture).sample(generator=generator())
    assert drawn.shape == (40_000, 3)
    covariance = pen_peer(mixture).component_distribution.covariance_matrix[0]
    torch.testing.assert_close(drawn[:, :2].mean(0), mixture.mean[0], atol=0.05, rtol=0.05)
    torch.testing.assert_close(torch.cov(drawn[:, :2].T), covariance, atol=0.05, rtol=0.05)
    assert set(drawn[:, 2].unique().tolist()) == {0.0, 1.0}
    assert drawn[:, 2].mean().item() == pytest.approx(mixture.end_logit.sigmoid().item(), abs=0.02)


def test_shares_are_drawn_as_often_as_they_say():
    outputs = torch.tensor([math.log(0.2), -50.0, -5.0, math.log(0.8), 50.0, -5.0])
    drawn = many(gaussian_mixture(outputs)).sample(generator=generator())
    assert (drawn < 0).float().mean().item() == pytest.approx(0.2, abs=0.01)


def test_places_are_drawn_each_from_its_own_mixture():
    outputs = torch.zeros(2, 3, 6 * 2 + 1)
    centres = torch.arange(6.0).view(2, 3) * 100
    outputs[..., [1, 2, 7, 8]] = centres[..., None]
    outputs[..., [3, 4, 9, 10]] = -7
    drawn = pen_mixture(outputs).sample(generator=generator())
    torch.testing.assert_close(drawn[..., :2], centres[..., None].expand(2, 3, 2), atol=0.1, rtol=0)


def test_temperature_scales_variances_and_sharpens_shares():
    one = many(gaussian_mixture(torch.tensor([0.0, 5.0, 0.0])))
    for temperature in (0.25, 4.0):
        drawn = one.sample(temperature=temperature, generator=generator())
        assert drawn.var().item() == pytest.approx(temperature, rel=0.05)
    two = many(gaussian_mixture(torch.tensor([math.log(0.2), -50.0, 0, math.log(0.8), 50.0, 0])))
    drawn = two.sample(temperature=0.5, generator=generator())  # 0.04 : 0.64
    assert (drawn < 0).float().mean().item() == pytest.approx(0.04 / 0.68, abs=0.01)
    ends = many(pen_mixture(torch.tensor([0.0] * 6 + [math.log(4.0)])))
    drawn = ends.sample(temperature=0.5, generator=generator())
    assert drawn[:, 2].mean().item() == pytest.approx(0.64 / 0.68, abs=0.01)


def test_at_temperature_zero_the_most_probable_is_taken():
    mixture = gaussian_mixture(torch.tensor([0.1, -3.0, 0.0, 0.2, 5.0, 0.0]))
    assert mixture.sample(temperature=0).item() == 5.0
    outputs = torch.tensor([0.1, 1.0, 2.0, 0, 0, 0, 0.2, 3.0, 4.0, 0, 0, 0, -0.1])
    assert pen_mixture(outputs).sample(temperature=0).tolist() == [3.0, 4.0, 0.0]


def test_bias_makes_writing_tidier():
    mixture = many(pen_mixture(torch.tensor([0.0, 1.0, 2.0, 0.5, -0.5, 0.3, 0.0])))
    plain = mixture.sample(generator=generator())[:, :2].std(0)
    tidy = mixture.sample(bias=1.5, generator=generator())[:, :2].std(0)
    torch.testing.assert_close(tidy, plain * math.exp(-1.5))
    outputs = torch.zeros(13)
    outputs[0], outputs[1], outputs[7] = math.log(3.0), -50.0, 50.0  # shares 3/4 and 1/4
    left = many(pen_mixture(outputs)).sample(bias=1.0, generator=generator())[:, 0] < 0
    assert left.float().mean().item() == pytest.approx(0.9, abs=0.01)  # 9 : 1


def test_the_same_generator_draws_the_same():
    mixture = pen_mixture(draw(B, T, 6 * K + 1))
    first = mixture.sample(generator=generator(5))
    assert torch.equal(first, mixture.sample(generator=generator(5)))
    assert not torch.equal(first, mixture.sample(generator=generator(6)))


# --- bad input ---------------------------------------------------------------------------------


def test_bad_input_says_what_was_expected():
    with pytest.raises(ValueError, match="must have 3K numbers .* but have 7"):
        gaussian_mixture(torch.zeros(2, 7))
    for wrong in (1, 6, 12):
        with pytest.raises(ValueError, match=rf"must have 6K \+ 1 numbers .* but have {wrong}"):
            pen_mixture(torch.zeros(2, wrong))
    mixture = pen_mixture(torch.zeros(7))
    with pytest.raises(ValueError, match=r"bias must be at least 0, but is -1\.0"):
        mixture.sample(bias=-1.0)
    with pytest.raises(ValueError, match=r"temperature must be at least 0, but is -0\.5"):
        mixture.sample(temperature=-0.5)
    with pytest.raises(ValueError, match="temperature must be at least 0, but is nan"):
        gaussian_mixture(torch.zeros(3)).sample(temperature=float("nan"))
