"""What all recurrent models have in common: which cell, how wide, how deep."""

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from seqcourse._checks import check_choice, check_positive, check_probability
from seqcourse.recurrent import CELLS, GRU, LSTM, RNN, Init

__all__ = ["Cell", "RecurrentConfig"]

Cell: TypeAlias = Literal["rnn", "lstm", "gru"]
"""The kind of recurrent layer."""


@dataclass(frozen=True, kw_only=True)
class RecurrentConfig:
    """The recurrent part of a model.

    Raises:
        ValueError: if an option is out of range, or there is a forget bias without a
            forget gate.
    """

    cell: Cell = "lstm"
    """Which layers: `seqcourse.recurrent.RNN`, `LSTM` or `GRU`."""

    width: int = 128
    """D: the size of embeddings, and of hidden states in each direction."""

    layers: int = 1
    """L: how many layers are stacked."""

    bidirectional: bool = False
    """Whether each layer also reads from the end to the start."""

    dropout: float = 0.0
    """The share of units dropped before, between and after the layers, in training.

    Never from one step to the next (Zaremba et al. 2014): noise would add up over time.
    """

    init: Init = "uniform"
    """How weights are drawn; see `seqcourse.recurrent.RNN`."""

    forget_bias: float | None = None
    """What the LSTM's forget gates start with; see `seqcourse.recurrent.LSTM`."""

    def __post_init__(self) -> None:
        check_choice("cell", self.cell, get_args(Cell))
        check_positive("width", self.width)
        check_positive("layers", self.layers)
        check_probability("dropout", self.dropout)
        check_choice("init", self.init, get_args(Init))
        if self.forget_bias is not None and self.cell != "lstm":
            raise ValueError(
                f"forget_bias needs cell 'lstm', but the cell is {self.cell!r}"
            )

    @property
    def output_width(self) -> int:
        """How many numbers the layers give for each step: D, or 2D if bidirectional."""
        return self.width * (2 if self.bidirectional else 1)

    def build(self, inputs: int) -> RNN | LSTM | GRU:
        """Return new layers that read vectors of the given size."""
        between = self.dropout if self.layers > 1 else 0.0
        if self.cell == "lstm":
            return LSTM(
                inputs,
                self.width,
                self.layers,
                dropout=between,
                bidirectional=self.bidirectional,
                init=self.init,
                forget_bias=self.forget_bias,
            )
        return CELLS[self.cell](
            inputs,
            self.width,
            self.layers,
            dropout=between,
            bidirectional=self.bidirectional,
            init=self.init,
        )
