"""A model that writes with a pen (Graves 2013, section 4).

A drawing is a sequence of pen movements (Δx, Δy, end): how far the pen moves from the
last point, and whether the stroke ends at the new one, 1 or 0.
`seqcourse.data.to_offsets` makes such sequences of strokes, and
`seqcourse.data.from_offsets` strokes of such sequences. Divide Δx and Δy by
their standard deviation first: a network learns best from numbers of the order of 1.
"""

from dataclasses import dataclass
from typing import TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor, nn

from seqcourse._checks import check_positive
from seqcourse.batching import Padded
from seqcourse.mixture import PenMixture, pen_mixture
from seqcourse.recurrent_config import RecurrentConfig
from seqcourse.stepping import evaluating

__all__ = ["StrokeConfig", "StrokeModel"]

Pen: TypeAlias = Float[Tensor, "B T 3"]


@dataclass(frozen=True, kw_only=True)
class StrokeConfig(RecurrentConfig):
    """A stroke model's sizes and options.

    Raises:
        ValueError: if an option is out of range, or the model is to read both ways.
    """

    components: int = 20
    """K, Gaussians in the mixture of each step."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive("components", self.components)
        if self.bidirectional:
            raise ValueError(
                "a stroke model cannot be bidirectional: it would see what it writes"
            )


class StrokeModel(nn.Module):
    """Predicts where the pen goes next, given all its movements so far.

    The movement (0, 0, 1), a stroke's end on the spot, is read before the first.

    >>> model = StrokeModel(StrokeConfig(width=5, components=2))
    >>> model.loss(torch.zeros(3, 7, 3)).shape, model.sample(3, 11).shape
    (torch.Size([]), torch.Size([3, 11, 3]))

    Args:
        config: sizes and options.
    """

    def __init__(self, config: StrokeConfig) -> None:
        super().__init__()
        self.config = config
        self.recurrent = config.build(3)
        self.head = nn.Linear(config.width, 6 * config.components + 1)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, pen: Pen) -> PenMixture:
        """Return the distribution of each movement, given those before it.

        Raises:
            TypeError: if the movements are not of the parameters' dtype.
            ValueError: if their shape is not (B, T, 3) with B, T ≥ 1.
        """
        if pen.ndim != 3 or pen.shape[2] != 3 or not pen.numel():
            raise ValueError(
                f"pen must have shape (B, T, 3) with B, T ≥ 1, "
                f"but has {tuple(pen.shape)}"
            )
        read = torch.cat([self._start(len(pen)).to(pen), pen[:, :-1]], dim=1)
        states, _ = self.recurrent(read)
        return pen_mixture(self.head(self.dropout(states)))

    def loss(self, pen: Pen | Padded) -> Float[Tensor, ""]:
        """Return the mean of -ln p over all real movements, in nats.

        Raises:
            TypeError, ValueError: as `forward`; ValueError also if there is no real
                movement.
        """
        if not isinstance(pen, Padded):
            return -self(pen).log_prob(pen).mean()
        mask = pen.mask
        if not mask.any():
            raise ValueError("pen has no real movement: all lengths are 0")
        values = pen.values.where(mask[..., None], 0)
        return -self(values).log_prob(values)[mask].mean()

    @torch.no_grad()
    def sample(
        self,
        count: int,
        length: int,
        *,
        bias: float = 0.0,
        temperature: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, "B T 3"]:
        """Draw `count` sequences of `length` movements, each given those before it.

        Options and errors are those of `PenMixture.sample`; dropout is off.

        Raises:
            ValueError: if the count or the length is below 1.
        """
        check_positive("count", count)
        check_positive("length", length)
        now, state, drawn = self._start(count), None, []
        with evaluating(self):
            for _ in range(length):
                states, state = self.recurrent(now, state)
                now = pen_mixture(self.head(states)).sample(
                    bias=bias, temperature=temperature, generator=generator
                )
                drawn.append(now)
        return torch.cat(drawn, dim=1)

    def _start(self, count: int) -> Float[Tensor, "B 1 3"]:
        return self.head.weight.new_tensor([0.0, 0.0, 1.0]).expand(count, 1, 3)
