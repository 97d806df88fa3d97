"""Annealing: training autoencoders of sequences, and making the decoder listen.

At the start of training z says nothing yet, so the cheapest way to a better ELBO is to
say nothing at all: the KL falls to 0, the decoder becomes a plain language model, and
there it stays. If the KL costs little at first, z has time to become useful (Bowman et
al. 2016, section 3.1). The weight of the KL changes with the step, so it comes with the
batch::

    pick = ShuffledBatches(len(names), batch_size=32, seed=0)
    rising = linear_annealing(1_000)
    fit(
        model,
        lambda step: Annealed(pad([names[i] for i in pick(step)]), rising(step)),
        vae_loss,
        steps=2_000,
    )

With a weight below 1 the loss is no bound on the likelihood; report `SequenceVAE.elbo`.
"""

import math
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from jaxtyping import Float
from torch import Tensor

from seqcourse._checks import check_positive, check_probability
from seqcourse.batching import Padded
from seqcourse.latent import SequenceAutoencoder, SequenceVAE
from seqcourse.training.losses import cross_entropy

__all__ = [
    "Annealed",
    "Annealing",
    "autoencoder_loss",
    "cyclical_annealing",
    "linear_annealing",
    "sigmoid_annealing",
    "vae_loss",
]

Annealing: TypeAlias = Callable[[int], float]
"""From the step, counted from 0, to the weight of the KL, 0 … 1."""


def linear_annealing(steps: int) -> Annealing:
    """Return the weight that rises from 0 in a straight line, to 1 at the given step.

    >>> [linear_annealing(4)(step) for step in (0, 1, 4, 9)]
    [0.0, 0.25, 1.0, 1.0]

    Raises:
        ValueError: if the steps are below 1.
    """
    check_positive("steps", steps)
    return lambda step: min(1.0, step / steps)


def sigmoid_annealing(middle: int, *, slope: float) -> Annealing:
    """Return the weight 1 / (1 + e^(-slope (step - middle))), an S-shaped rise.

    Bowman et al. (2016), fig. 2.

    >>> [round(sigmoid_annealing(100, slope=0.1)(step), 3) for step in (50, 100, 150)]
    [0.007, 0.5, 0.993]

    Args:
        middle: the step at which the weight is one half.
        slope: how fast it rises there, times 4; above 0.

    Raises:
        ValueError: if the slope is not above 0.
    """
    if not slope > 0:
        raise ValueError(f"slope must be above 0, but is {slope}")
    return lambda step: (1 + math.tanh(slope * (step - middle) / 2)) / 2


def cyclical_annealing(period: int, *, rising: float = 0.5) -> Annealing:
    """Return the weight that rises from 0 to 1 again and again (Fu et al. 2019, eq. 6).

    Each cycle starts from a better z than the one before.

    >>> [cyclical_annealing(4)(step) for step in range(6)]
    [0.0, 0.5, 1.0, 1.0, 0.0, 0.5]

    Args:
        period: steps of a cycle.
        rising: the part of the cycle in which the weight rises; after it the weight is
            1.

    Raises:
        ValueError: if the period is below 1, or `rising` outside 0 … 1.
    """
    check_positive("period", period)
    check_probability("rising", rising)

    def weight(step: int) -> float:
        done = step % period / period
        return done / rising if done < rising else 1.0

    return weight


class Annealed(NamedTuple):
    """A batch for a `SequenceVAE`, and what the KL costs at this step."""

    sequences: Padded
    """Ids without start tokens, with end tokens."""

    kl_weight: float
    """The weight of the KL: 1 makes the loss the ELBO, negated."""


def autoencoder_loss(
    model: SequenceAutoencoder, sequences: Padded
) -> Float[Tensor, ""]:
    """Return the mean cross-entropy of the tokens of the sequences, in nats per token.

    Raises:
        ValueError: if a sequence is empty.
    """
    return cross_entropy(model(sequences), sequences.values, mask=sequences.mask)


def vae_loss(
    model: SequenceVAE, batch: Annealed, *, free_bits: float = 0.0
) -> Float[Tensor, ""]:
    """Return -E[ln p(x | z)] + weight · KL, the batch mean, in nats per sequence.

    Args:
        model: what learns.
        batch: what it learns from.
        free_bits: nats that each dimension of z may tell at no further gain from
            telling less, λ in Kingma et al. (2016), section C.8; 0 for none. A mean KL
            below it counts as λ, so that nothing pushes it down any more.

    Raises:
        ValueError: if `free_bits` is below 0, or a sequence is empty.
    """
    if not free_bits >= 0:
        raise ValueError(f"free_bits must be at least 0 nats, but is {free_bits}")
    bound = model.elbo(batch.sequences)
    kl = bound.kl.mean(dim=0).clamp(min=free_bits).sum()
    return batch.kl_weight * kl - bound.reconstruction.mean()
