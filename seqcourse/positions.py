"""Positions: how a transformer, which sees a set, is told the order of its inputs.

Waves of many lengths are added to the vectors (`Sinusoidal`), or learned vectors are
(`Learned`); or queries and keys are turned by an angle that grows with the place
(`Rotary`). A causal transformer can do without, for its mask gives the order away.
"""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from seqcourse._checks import check_positive

__all__ = [
    "Learned",
    "Positions",
    "Rotary",
    "Sinusoidal",
    "added_positions",
    "rotation_by",
    "sinusoidal",
]

Positions = Literal["sinusoidal", "learned", "rotary", "none"]
"""How a model tells the order of its inputs."""

BASE = 10_000.0
"""The slowest wave goes once around in nearly 2π times as many places."""


def _angles(
    length: int,
    width: int,
    *,
    first: int = 0,
    base: float = BASE,
    device: torch.device | None = None,
) -> Float[Tensor, "T W"]:
    """Return t · base^(-2i/D) for the places t from `first` on and all pairs i."""
    if width < 2 or width % 2:
        raise ValueError(
            f"the width must be even, because dimensions turn in pairs, but is {width}"
        )
    pairs = torch.arange(0, width, 2, dtype=torch.float64, device=device)
    places = torch.arange(first, first + length, dtype=torch.float64, device=device)
    return torch.outer(places, base ** (-pairs / width))


def sinusoidal(
    length: int, width: int, *, first: int = 0, device: torch.device | None = None
) -> Float[Tensor, "T D"]:
    """Return waves that tell places apart: sine and cosine at D/2 frequencies.

    Vaswani et al. (2017), sec. 3.5: dimension 2i of place t is sin(t / 10000^(2i/D)),
    dimension 2i+1 the cosine. Each pair is the hand of a clock, the first the quickest.

    >>> sinusoidal(2, 4)
    tensor([[0.0000, 1.0000, 0.0000, 1.0000],
            [0.8415, 0.5403, 0.0100, 0.9999]])

    Args:
        length: T, how many places.
        width: D, an even number.
        first: the first place.
        device: where to make it.

    Raises:
        ValueError: if the width is odd.
    """
    angles = _angles(length, width, first=first, device=device)
    waves = torch.stack((angles.sin(), angles.cos()), dim=-1)  # (T, D/2, 2)
    return waves.flatten(1).float()


def rotation_by(shift: int, width: int) -> Float[Tensor, "D D"]:
    """Return the rotation R with sinusoidal(t + shift) = R sinusoidal(t) for all t.

    One matrix serves every place t: so a layer can learn to look a fixed distance away.

    Raises:
        ValueError: if the width is odd.
    """
    turns = [
        torch.stack((a.cos(), a.sin(), -a.sin(), a.cos())).view(2, 2)
        for a in _angles(1, width, first=shift)[0]
    ]
    return torch.block_diag(*turns).float()


class Sinusoidal(nn.Module):
    """Adds `sinusoidal` waves to a sequence: no parameters, no longest sequence.

    Args:
        width: D, an even number.

    Raises:
        ValueError: if the width is odd.
    """

    table: Float[Tensor, "T D"]

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("table", sinusoidal(0, width), persistent=False)

    def forward(
        self, x: Float[Tensor, "B T D"], first: int = 0
    ) -> Float[Tensor, "B T D"]:
        """Return x plus the waves of the places from `first` on."""
        end = first + x.shape[1]
        if end > len(self.table):
            with torch.inference_mode(False):  # a table for training too
                self.table = sinusoidal(2 * end, x.shape[2], device=x.device)
        return x + self.table[first:end].to(x)


class Learned(nn.Module):
    """Adds a learned vector for each place, as BERT and GPT do; drawn from N(0, 0.02²).

    Args:
        length: how many places there are.
        width: D.

    Raises:
        ValueError: if one of them is below 1.
    """

    def __init__(self, length: int, width: int) -> None:
        super().__init__()
        check_positive("length", length)
        check_positive("width", width)
        self.table = nn.Parameter(torch.empty(length, width).normal_(std=0.02))

    def forward(
        self, x: Float[Tensor, "B T D"], first: int = 0
    ) -> Float[Tensor, "B T D"]:
        """Return x plus the vectors of the places from `first` on.

        Raises:
            ValueError: if that leads past the last place.
        """
        end = first + x.shape[1]
        if end > len(self.table):
            raise ValueError(
                f"positions were learned for {len(self.table)} places, but {end} came"
            )
        return x + self.table[first:end]


class Rotary(nn.Module):
    """Turns queries and keys by their places, so that distance shows in their product.

    Su et al. (2021), eqs. 14, 15 and 34: dimensions 2i and 2i+1 are turned together, by
    the angle t · base^(-2i/K) at place t. A query and a key then match as well as their
    distance says, wherever they stand. All layers may share one `Rotary`. (Llama's code
    pairs dimension i with i + K/2: the same idea, but its weights do not fit here.)

    Args:
        width: K, the width of a head, an even number.
        base: the larger, the slower the turns, and the longer the texts it suits.

    Raises:
        ValueError: if the width is odd.
    """

    cos: Float[Tensor, "T W"]
    sin: Float[Tensor, "T W"]

    def __init__(self, width: int, *, base: float = BASE) -> None:
        super().__init__()
        self.width, self.base = width, base
        self.register_buffer("cos", _angles(0, width).float(), persistent=False)
        self.register_buffer("sin", _angles(0, width).float(), persistent=False)

    def forward(
        self, x: Float[Tensor, "*batch T K"], first: int = 0
    ) -> Float[Tensor, "*batch T K"]:
        """Return the vectors of the places from `first` on, turned."""
        end = first + x.shape[-2]
        if end > len(self.cos):
            with torch.inference_mode(False):  # tables for training too
                angles = _angles(2 * end, self.width, base=self.base, device=x.device)
                self.cos, self.sin = angles.cos().float(), angles.sin().float()
        cos, sin = self.cos[first:end].to(x), self.sin[first:end].to(x)
        even, odd = x[..., 0::2], x[..., 1::2]
        turned = torch.stack((even * cos - odd * sin, even * sin + odd * cos), dim=-1)
        return turned.flatten(-2)


def added_positions(
    kind: Positions, width: int, length: int | None
) -> Sinusoidal | Learned | None:
    """Return the layer that adds positions of this kind; None if they are not added.

    Raises:
        ValueError: if the positions are to be learned, and there is no length.
    """
    if kind == "learned":
        if length is None:
            raise ValueError(
                "learned positions need a context_length: how many there are to learn"
            )
        return Learned(length, width)
    return Sinusoidal(width) if kind == "sinusoidal" else None
