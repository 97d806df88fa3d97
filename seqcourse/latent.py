"""Latent sequences: autoencoders that squeeze a sequence into one vector, and back.

An encoder reads the sequence, a vector z is all that is left of it, and a decoder
writes the sequence again. The plain autoencoder learns one z for each sequence, with
nothing in between. The variational one (Kingma and Welling 2014; for text Bowman et al.
2016) learns a little cloud, a normal distribution q(z | x), and pays for every nat by
which the cloud tells more than the prior N(0, I). So the clouds fill the space: every z
near 0 means something, points in between are sequences in between, and new sequences
come from z drawn from the prior.

The price is the Kullback-Leibler term of the evidence lower bound::

    ln p(x)  ≥  E[ln p(x | z)] - KL(q(z | x) ‖ p(z)) = ELBO.

A decoder that reads the true last token can do well without z, and then the KL goes to
0: nothing is told. Two remedies make it listen: annealing (`seqcourse.annealing`),
which lowers the price at first, and word dropout, which hides some of the tokens that
it reads.
"""

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from seqcourse._checks import check_choice, check_id, check_positive, check_probability
from seqcourse.batching import Padded
from seqcourse.recurrent import CELLS
from seqcourse.recurrent_decoder import (
    DecoderState,
    RecurrentDecoder,
    select_rows,
    shift_right,
)
from seqcourse.seq2seq import Encoder

__all__ = [
    "ELBO",
    "Gaussian",
    "LatentConfig",
    "SequenceAutoencoder",
    "SequenceVAE",
    "interpolate",
    "interpolate_spherical",
    "kl_from_standard_normal",
    "log_likelihood",
    "reparameterise",
]


class Gaussian(NamedTuple):
    """A normal distribution for each row, its Z dimensions independent."""

    mean: Float[Tensor, "B Z"]
    """μ."""

    log_variance: Float[Tensor, "B Z"]
    """ln σ²: any real number is allowed, so that a network can return it."""


def reparameterise(
    posterior: Gaussian, *, generator: torch.Generator | None = None
) -> Float[Tensor, "B Z"]:
    """Draw z = μ + σ ε with ε from N(0, I), so that gradients reach μ and σ.

    Kingma and Welling (2014), section 2.4: a random draw has no gradient, but here the
    randomness comes in from the side.

    Args:
        posterior: what to draw from, once for each row.
        generator: the source of randomness; None: torch's own.
    """
    mean, log_variance = posterior
    noise = torch.empty_like(mean).normal_(generator=generator)
    return mean + torch.exp(log_variance / 2) * noise


def kl_from_standard_normal(posterior: Gaussian) -> Float[Tensor, "B Z"]:
    """Return KL(N(μ, σ²) ‖ N(0, 1)) of each dimension, in nats.

    It is (μ² + σ² - ln σ² - 1) / 2: Kingma and Welling (2014), appendix B. It is never
    negative, and 0 only for the prior itself; the sum over the dimensions is the KL of
    the whole vector.

    >>> kl_from_standard_normal(Gaussian(torch.tensor([[0.0, 2.0]]), torch.zeros(1, 2)))
    tensor([[0., 2.]])
    """
    mean, log_variance = posterior
    return (mean.square() + torch.expm1(log_variance) - log_variance) / 2


@dataclass(frozen=True)
class LatentConfig:
    """How a `SequenceAutoencoder` or a `SequenceVAE` is built.

    Attributes:
        vocab_size: V.
        start_id: the id that the decoder reads first.
        end_id: the id that ends every sequence.
        latent_width: Z, width of the vector in the middle.
        embedding_width: width of the token vectors.
        width: D, width of the recurrent layers.
        layers: L, how many recurrent layers are stacked, in encoder and decoder.
        cell: "rnn", "lstm" or "gru".
        dropout: share of values set to zero in training, between layers only.
        word_dropout: share of the decoder's tokens replaced by `unknown_id` in training
            (Bowman et al. 2016, section 3.2); the start token always stays.
        unknown_id: stands for a token that was dropped.

    Raises:
        ValueError: if an option is out of its range, or words shall be dropped without
            an `unknown_id`.
    """

    vocab_size: int
    start_id: int
    end_id: int
    latent_width: int = 8
    embedding_width: int = 32
    width: int = 64
    layers: int = 1
    cell: Literal["rnn", "lstm", "gru"] = "gru"
    dropout: float = 0.0
    word_dropout: float = 0.0
    unknown_id: int | None = None

    def __post_init__(self) -> None:
        for name in (
            "vocab_size",
            "latent_width",
            "embedding_width",
            "width",
            "layers",
        ):
            check_positive(name, getattr(self, name))
        check_id("start_id", self.start_id, self.vocab_size)
        check_id("end_id", self.end_id, self.vocab_size)
        check_choice("cell", self.cell, CELLS)
        check_probability("dropout", self.dropout)
        check_probability("word_dropout", self.word_dropout)
        if self.unknown_id is not None:
            check_id("unknown_id", self.unknown_id, self.vocab_size)
        elif self.word_dropout:
            raise ValueError(
                f"word_dropout is {self.word_dropout}, but there is no unknown_id to "
                "stand for a dropped word"
            )


class SequenceAutoencoder(nn.Module):
    """Encodes a sequence as one vector z, and writes it again; also a `StepModel`.

    The decoder gets z twice: it starts from tanh(W z + b), and reads z with every
    token. As a step model, `begin` takes vectors z, so that
    `seqcourse.generation.generate` writes what they stand for. Sequences hold no start
    token and end with `end_id`.

    Args:
        config: how it is built.

    Attributes:
        config: how it was built.
        vocab_size: V.
        start_id: the id that the decoder reads first.
    """

    codes = 1
    """How many vectors of width Z the encoder returns for each sequence."""

    def __init__(self, config: LatentConfig) -> None:
        super().__init__()
        self.config = config
        self.vocab_size, self.start_id = config.vocab_size, config.start_id
        self.encoder = Encoder(
            config.vocab_size,
            config.embedding_width,
            config.width,
            layers=config.layers,
            cell=config.cell,
            dropout=config.dropout,
        )
        self.to_latent = nn.Linear(config.width, self.codes * config.latent_width)
        parts = 2 if config.cell == "lstm" else 1
        self.from_latent = nn.Linear(
            config.latent_width, parts * config.layers * config.width
        )
        self.decoder = RecurrentDecoder(
            config.vocab_size,
            config.embedding_width,
            config.width,
            layers=config.layers,
            cell=config.cell,
            dropout=config.dropout,
            context_width=config.latent_width,
        )

    def encode(self, sequences: Padded) -> Float[Tensor, "B Z"]:
        """Return z of each sequence.

        Raises:
            ValueError: if a sequence is empty.
        """
        return self._codes(sequences)

    def decode(
        self, latents: Float[Tensor, "B Z"], ids: Int[Tensor, "B T"]
    ) -> Float[Tensor, "B T V"]:
        """Return the logits of the next token after each one of `ids`.

        Raises:
            ValueError: if there are no ids, or not a row of them for each z.
        """
        return self.decoder(self._hide_words(ids), self._start(latents)).logits

    def forward(self, sequences: Padded) -> Float[Tensor, "B T V"]:
        """Return the logits with which each sequence would be written again.

        Raises:
            ValueError: if a sequence is empty.
        """
        return self.decode(self.encode(sequences), self.reads(sequences))

    def reads(self, sequences: Padded) -> Int[Tensor, "B T"]:
        """Return what the decoder reads to write these sequences."""
        return shift_right(sequences.values.where(sequences.mask, 0), self.start_id)

    def begin(
        self, inputs: Float[Tensor, "B Z"]
    ) -> tuple[Float[Tensor, "B V"], DecoderState]:
        """Read vectors z and the start token; return the first token's logits."""
        start = torch.full((len(inputs),), self.start_id, device=inputs.device)
        return self.step(start, self._start(inputs))

    def step(
        self, ids: Int[Tensor, " B"], state: DecoderState
    ) -> tuple[Float[Tensor, "B V"], DecoderState]:
        """Read one more token in each row; return the logits of the next."""
        logits, _, state = self.decoder(ids[:, None], state)
        return logits[:, -1], state

    def reorder(self, state: DecoderState, rows: Int[Tensor, " R"]) -> DecoderState:
        """Return the state of the given rows of the batch."""
        return select_rows(state, rows)

    def _codes(self, sequences: Padded) -> Float[Tensor, "B C"]:
        summary = self.encoder(sequences).state[0][-1]  # (B, D)
        return self.to_latent(summary)

    def _start(self, latents: Float[Tensor, "B Z"]) -> DecoderState:
        width, layers = self.config.width, self.config.layers
        flat = torch.tanh(self.from_latent(latents))  # (B, parts · L · D)
        parts = flat.unflatten(1, (-1, layers, width)).permute(1, 2, 0, 3)
        state = tuple(part.contiguous() for part in parts)  # each (L, B, D)
        return self.decoder.start(state, context=latents)

    def _hide_words(self, ids: Int[Tensor, "B T"]) -> Int[Tensor, "B T"]:
        if not self.training or self.config.unknown_id is None:
            return ids
        hidden = torch.rand(ids.shape, device=ids.device) < self.config.word_dropout
        hidden[:, 0] = False
        return ids.masked_fill(hidden, self.config.unknown_id)


class ELBO(NamedTuple):
    """The two terms of the evidence lower bound, for each row, in nats."""

    reconstruction: Float[Tensor, " B"]
    """ln p(x | z) for one z drawn from q(z | x)."""

    kl: Float[Tensor, "B Z"]
    """KL(q(z | x) ‖ p(z)) of each dimension of z."""

    @property
    def value(self) -> Float[Tensor, " B"]:
        """The bound itself, at most ln p(x) on average over z."""
        return self.reconstruction - self.kl.sum(dim=-1)


class SequenceVAE(SequenceAutoencoder):
    """A variational autoencoder of sequences (Bowman et al. 2016).

    Its encoder returns a distribution; `encode` gives the mean. The prior is N(0, I).

    Args:
        config: how it is built.
    """

    codes = 2

    def posterior(self, sequences: Padded) -> Gaussian:
        """Return q(z | x) of each sequence.

        Raises:
            ValueError: if a sequence is empty.
        """
        mean, log_variance = self._codes(sequences).chunk(2, dim=-1)
        return Gaussian(mean, log_variance)

    def encode(self, sequences: Padded) -> Float[Tensor, "B Z"]:
        """Return the mean of q(z | x) of each sequence.

        Raises:
            ValueError: if a sequence is empty.
        """
        return self.posterior(sequences).mean

    def elbo(
        self, sequences: Padded, *, generator: torch.Generator | None = None
    ) -> ELBO:
        """Return the evidence lower bound of each sequence, by one draw of z.

        Raises:
            ValueError: if a sequence is empty.
        """
        posterior = self.posterior(sequences)
        latents = reparameterise(posterior, generator=generator)
        logits = self.decode(latents, self.reads(sequences))
        return ELBO(
            log_likelihood(logits, sequences), kl_from_standard_normal(posterior)
        )

    def sample_prior(
        self, count: int, *, generator: torch.Generator | None = None
    ) -> Float[Tensor, "N Z"]:
        """Draw vectors z from the prior N(0, I), for `generate` to write out."""
        weight = self.to_latent.weight
        latents = weight.new_empty(count, self.config.latent_width)
        return latents.normal_(generator=generator)

    @torch.no_grad()
    def estimate_log_likelihood(
        self,
        sequences: Padded,
        *,
        samples: int = 100,
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, " B"]:
        """Estimate ln p(x) of each sequence in nats, by importance weighting.

        ln of the mean of p(x | z) p(z) / q(z | x) over draws from q(z | x): Burda et
        al. (2016), eq. 8. On average it lies between the ELBO (one draw) and ln p(x),
        and the more draws, the higher.

        Args:
            sequences: what to score; switch the model to `eval()` first.
            samples: how many z to draw for each sequence.
            generator: the source of randomness; None: torch's own.

        Raises:
            ValueError: if `samples` is below 1, or a sequence is empty.
        """
        check_positive("samples", samples)
        posterior, ids = self.posterior(sequences), self.reads(sequences)
        zero = Gaussian(*map(torch.zeros_like, posterior))
        weights = []
        for _ in range(samples):
            latents = reparameterise(posterior, generator=generator)
            likelihood = log_likelihood(self.decode(latents, ids), sequences)
            prior, proposal = (
                _log_density(zero, latents),
                _log_density(posterior, latents),
            )
            weights.append(likelihood + prior - proposal)
        return torch.logsumexp(torch.stack(weights), dim=0) - math.log(samples)


def _log_density(
    gaussian: Gaussian, latents: Float[Tensor, "B Z"]
) -> Float[Tensor, " B"]:
    mean, log_variance = gaussian
    distance = (latents - mean).square() / log_variance.exp()
    return -(distance + log_variance + math.log(2 * math.pi)).sum(dim=-1) / 2


def log_likelihood(
    logits: Float[Tensor, "B T V"], sequences: Padded
) -> Float[Tensor, " B"]:
    """Return ln p of each sequence, the sum over its tokens, in nats."""
    ids = sequences.values.where(sequences.mask, 0)
    chosen = logits.log_softmax(dim=-1).gather(-1, ids[..., None])[..., 0]  # (B, T)
    return chosen.where(sequences.mask, 0.0).sum(dim=-1)


# --- between two points ---


def interpolate(
    first: Float[Tensor, " Z"], last: Float[Tensor, " Z"], count: int
) -> Float[Tensor, "N Z"]:
    """Return `count` points in equal steps on the straight line, both ends included.

    >>> interpolate(torch.tensor([0.0, 4.0]), torch.tensor([1.0, 2.0]), 3)
    tensor([[0.0000, 4.0000],
            [0.5000, 3.0000],
            [1.0000, 2.0000]])

    Raises:
        ValueError: if there are fewer than two points.
    """
    share = _shares(first, count)
    return (1 - share) * first + share * last


def interpolate_spherical(
    first: Float[Tensor, " Z"], last: Float[Tensor, " Z"], count: int
) -> Float[Tensor, "N Z"]:
    """Return `count` points in equal steps of the angle, both ends included.

    White (2016), section 2.1. Draws from a prior of many dimensions lie near a sphere
    of radius √Z. A straight line between two of them leaves it for the inside, where
    the decoder has hardly ever been; an arc stays on it. Vectors on one line through 0
    have no arc between them: those are interpolated as `interpolate` does.

    >>> interpolate_spherical(torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0]), 3)
    tensor([[1.0000, 0.0000],
            [0.7071, 0.7071],
            [0.0000, 1.0000]])

    Raises:
        ValueError: if there are fewer than two points.
    """
    share = _shares(first, count)
    lengths = first.norm() * last.norm()
    angle = torch.arccos((first @ last / lengths).clamp(-1, 1))  # NaN if one is 0
    if not torch.sin(angle) > 1e-4:
        return interpolate(first, last, count)
    ends = torch.sin((1 - share) * angle) * first + torch.sin(share * angle) * last
    return ends / torch.sin(angle)


def _shares(like: Float[Tensor, " Z"], count: int) -> Float[Tensor, "N 1"]:
    if count < 2:
        raise ValueError(f"count must be at least 2, for both ends, but is {count}")
    return torch.linspace(0, 1, count, dtype=like.dtype, device=like.device)[:, None]
