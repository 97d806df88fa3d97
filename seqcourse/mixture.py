"""Mixture density outputs: to predict a distribution over numbers, not a number.

A network trained to predict a number predicts a mean, and where a pen may go left or
right, the mean goes nowhere. A mixture density network (Bishop 1994) outputs, for each
step, the parameters of K Gaussians and their shares. For pen strokes, Graves (2013,
section 4) uses Gaussians in two dimensions, with a correlation, and one more output:
the probability that the stroke ends.

The shares π are a softmax of logits; standard deviations are kept as logarithms, so
that they are positive and tiny ones are exact; a correlation is a tanh, within -1 … 1.
"""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

__all__ = ["GaussianMixture", "PenMixture", "gaussian_mixture", "pen_mixture"]

LOG_2PI = math.log(2 * math.pi)
LOG_STD_RANGE = (-7.0, 7.0)
"""Bounds of ln σ: a Gaussian that shrinks to a point has an infinite density there."""

MAX_CORRELATION = 0.999
"""Bound of ρ on both sides, short of 1, where the density is infinite along a line."""


class GaussianMixture(NamedTuple):
    """Mixtures of K Gaussians in one dimension, one mixture for each place."""

    logits: Float[Tensor, "*place K"]
    """Shares, before softmax."""

    mean: Float[Tensor, "*place K"]
    """μ."""

    log_std: Float[Tensor, "*place K"]
    """ln σ."""

    def log_prob(self, x: Float[Tensor, "*place"]) -> Float[Tensor, "*place"]:
        """Return ln p(x) in nats: a density, so it may be above 0."""
        z = (x[..., None] - self.mean) * torch.exp(-self.log_std)
        each = -0.5 * (z**2 + LOG_2PI) - self.log_std  # (*place, K)
        return torch.logsumexp(self.logits.log_softmax(-1) + each, dim=-1)

    def sample(
        self,
        *,
        temperature: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, "*place"]:
        """Draw one number from each mixture.

        Args:
            temperature: τ ≥ 0; logits are divided by τ, and variances multiplied by it.
                1 draws from the mixture itself, 0 takes the mean of the largest share.
            generator: the source of randomness, on the mixture's device; the global one
                by default.

        Raises:
            ValueError: if the temperature is below 0.
        """
        component = _choose(self.logits, temperature, generator)
        mean, log_std = _at(self.mean, component), _at(self.log_std, component)
        return mean + math.sqrt(temperature) * log_std.exp() * _normal(mean, generator)


class PenMixture(NamedTuple):
    """Where a pen may go: K Gaussians in the plane; and whether the stroke ends."""

    logits: Float[Tensor, "*place K"]
    """Shares, before softmax."""

    mean: Float[Tensor, "*place K 2"]
    """μ of the step in x and in y."""

    log_std: Float[Tensor, "*place K 2"]
    """ln σ in x and in y."""

    correlation: Float[Tensor, "*place K"]
    """ρ, within -1 … 1."""

    end_logit: Float[Tensor, "*place"]
    """The logit of the probability that the stroke ends here."""

    def log_prob(self, pen: Float[Tensor, "*place 3"]) -> Float[Tensor, "*place"]:
        """Return ln p(Δx, Δy) + ln p(end) in nats; the third number is 0 or 1.

        Graves (2013), eqs. 24-26.
        """
        ends = -F.binary_cross_entropy_with_logits(
            self.end_logit, pen[..., 2], reduction="none"
        )
        return self.log_density(pen[..., :2]) + ends

    def log_density(self, step: Float[Tensor, "*place 2"]) -> Float[Tensor, "*place"]:
        """Return ln p(Δx, Δy) in nats: a density, so it may be above 0."""
        distances = step[..., None, :] - self.mean  # (*place, K, 2)
        z = distances * torch.exp(-self.log_std)
        x, y = z.unbind(-1)
        free = (1 - self.correlation) * (1 + self.correlation)  # 1 - ρ²
        distance = (x**2 + y**2 - 2 * self.correlation * x * y) / free
        each = -0.5 * (distance + free.log()) - LOG_2PI - self.log_std.sum(-1)
        return torch.logsumexp(self.logits.log_softmax(-1) + each, dim=-1)

    def sample(
        self,
        *,
        bias: float = 0.0,
        temperature: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, "*place 3"]:
        """Draw one (Δx, Δy, end) from each mixture.

        Args:
            bias: b ≥ 0 makes writing tidier: logits are multiplied by 1 + b, and
                standard deviations by exp(-b) (Graves 2013, eqs. 61-62).
            temperature: τ ≥ 0; logits, that of the end included, are divided by τ, and
                variances multiplied by it (Ha and Eck 2018, eq. 8). 0 takes what is
                most probable.
            generator: the source of randomness, on the mixture's device; the global one
                by default.

        Raises:
            ValueError: if the bias or the temperature is below 0.
        """
        if not bias >= 0:
            raise ValueError(f"bias must be at least 0, but is {bias}")
        component = _choose(self.logits * (1 + bias), temperature, generator)
        mean, log_std = _at(self.mean, component), _at(self.log_std, component)
        rho = _at(self.correlation, component)
        x, y = _normal(mean, generator).unbind(-1)
        y = rho * x + torch.sqrt((1 - rho) * (1 + rho)) * y
        spread = torch.exp(log_std - bias) * math.sqrt(temperature)
        step = mean + spread * torch.stack([x, y], dim=-1)
        both = torch.stack([torch.zeros_like(self.end_logit), self.end_logit], dim=-1)
        end = _choose(both, temperature, generator)
        return torch.cat([step, end[..., None].to(step.dtype)], dim=-1)


def gaussian_mixture(outputs: Float[Tensor, "*place O"]) -> GaussianMixture:
    """Return the mixtures that a network's 3K outputs stand for, float32 or better.

    >>> gaussian_mixture(torch.zeros(5, 6)).log_prob(torch.zeros(5)).shape
    torch.Size([5])

    Raises:
        ValueError: if the outputs are not 3K for some K ≥ 1.
    """
    logits, mean, log_std = _split(outputs, 3, 0).unbind(-1)
    return GaussianMixture(logits, mean, log_std.clamp(*LOG_STD_RANGE))


def pen_mixture(outputs: Float[Tensor, "*place O"]) -> PenMixture:
    """Return the mixtures that 6K + 1 outputs stand for (Graves 2013, eqs. 17-22).

    >>> pen_mixture(torch.zeros(5, 13)).log_prob(torch.zeros(5, 3)).shape
    torch.Size([5])

    Raises:
        ValueError: if the outputs are not 6K + 1 for some K ≥ 1.
    """
    split = _split(outputs, 6, 1)  # (*place, K, 6)
    return PenMixture(
        logits=split[..., 0],
        mean=split[..., 1:3],
        log_std=split[..., 3:5].clamp(*LOG_STD_RANGE),
        correlation=split[..., 5].tanh() * MAX_CORRELATION,
        end_logit=outputs[..., -1].to(split.dtype),
    )


def _split(outputs: Tensor, each: int, more: int) -> Tensor:
    count, rest = divmod(outputs.shape[-1] - more, each)
    if rest or count < 1:
        wanted = f"{each}K" + (f" + {more}" if more else "")
        raise ValueError(
            f"outputs must have {wanted} numbers along the last axis for some K ≥ 1, "
            f"but have {outputs.shape[-1]}"
        )
    exact = outputs.to(torch.promote_types(outputs.dtype, torch.float32))
    return exact[..., : each * count].unflatten(-1, (count, each))


def _choose(
    logits: Float[Tensor, "*place K"],
    temperature: float,
    generator: torch.Generator | None,
) -> Tensor:
    """Draw one component of each mixture; at temperature 0, take the most probable."""
    if not temperature >= 0:
        raise ValueError(f"temperature must be at least 0, but is {temperature}")
    if temperature == 0:
        return logits.argmax(-1)
    p = (logits / temperature).softmax(-1)
    drawn = torch.multinomial(p.flatten(0, -2), 1, generator=generator)
    return drawn.view(logits.shape[:-1])


def _at(values: Tensor, component: Tensor) -> Tensor:
    """Return the values of the chosen components."""
    places = component.ndim
    index = component[(..., *[None] * (values.ndim - places))]
    index = index.expand(*component.shape, 1, *values.shape[places + 1 :])
    return values.gather(places, index).squeeze(places)


def _normal(like: Tensor, generator: torch.Generator | None) -> Tensor:
    return torch.randn(
        like.shape, dtype=like.dtype, device=like.device, generator=generator
    )
