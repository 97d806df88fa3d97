"""Recurrent layers: the RNN, the LSTM and the GRU over whole sequences.

They compute what `torch.nn.RNN`, `LSTM` and `GRU` compute, with the same names of
parameters, so that weights can be exchanged. What they are made of, in reading order:

- `seqcourse.recurrent_cells`: the equations of one step;
- `seqcourse.recurrent_base`: layers above each other, both directions, dropout, states;
- `seqcourse.recurrent_padding`: sequences of unequal length;
- `seqcourse.recurrent_kernels`: the quick way through all steps.
"""

from collections.abc import Callable
from typing import TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor, nn

from seqcourse._checks import check_choice
from seqcourse.recurrent_base import Backend, Init, Parts, Recurrent
from seqcourse.recurrent_cells import (
    GRUCell,
    LSTMCell,
    Nonlinearity,
    RNNCell,
    Weights,
    gru_step,
    lstm_step,
    rnn_step,
)
from seqcourse.recurrent_kernels import gru_sequence, lstm_sequence, rnn_sequence
from seqcourse.recurrent_padding import Sequences

__all__ = [
    "CELLS",
    "GRU",
    "LSTM",
    "RNN",
    "Backend",
    "GRUCell",
    "Init",
    "LSTMCell",
    "RNNCell",
]

State: TypeAlias = Float[Tensor, "N B H"]
"""The states of N = L · directions cells, in the order of torch.nn: layer by layer."""


class RNN(Recurrent):
    """Elman's (1990) simple recurrent network; see `rnn_step` for its equation.

    >>> output, h = RNN(2, 3)(torch.zeros(5, 7, 2))
    >>> output.shape, h.shape
    (torch.Size([5, 7, 3]), torch.Size([1, 5, 3]))

    Args:
        input_size: D.
        hidden_size: H.
        num_layers: L; each layer reads the states of the one below.
        nonlinearity: "tanh", or "relu", under which states may grow without bound.
        bias: whether there are biases.
        dropout: the share of each layer's output that the next does not see, in
            training.
        bidirectional: whether a second cell in each layer reads from the end to the
            start; such a layer cannot be used while a sequence is still coming in.
        init: "uniform" draws all parameters within ±1/√H, as torch.nn does and, under
            the same seed, with the same result; "orthogonal" then draws each gate's W_h
            as a random orthogonal matrix (Saxe et al. 2014), which keeps the length of
            what it multiplies.
        backend: which of three equal ways to compute: "cells", step by step; "fused",
            see `seqcourse.recurrent_kernels`; "torch", PyTorch's own functions, on a
            GPU cuDNN's. "auto" takes "torch" on a GPU, and "fused" elsewhere.

    Raises:
        ValueError: if an option is out of range, or there is dropout but only one
            layer.
    """

    gates = 1

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: Nonlinearity = "tanh",
        *,
        bias: bool = True,
        dropout: float = 0.0,
        bidirectional: bool = False,
        init: Init = "uniform",
        backend: Backend = "auto",
    ) -> None:
        check_choice("nonlinearity", nonlinearity, ("tanh", "relu"))
        self.nonlinearity = nonlinearity
        super().__init__(
            input_size,
            hidden_size,
            num_layers,
            bias=bias,
            dropout=dropout,
            bidirectional=bidirectional,
            init=init,
            backend=backend,
        )

    def forward(
        self, x: Sequences, state: State | None = None
    ) -> tuple[Sequences, State]:
        """Return the top layer's states over time, and the last state of every cell.

        What stands in the padding changes nothing, and the output has zeros there. A
        NaN in a real place reaches all later states of its row, and no other row.

        Args:
            x: B sequences (B, T, D), bare, padded or packed; none may be empty.
            state: where to start, (L · directions, B, H); None starts from zeros.

        Returns:
            The output (B, T, directions · H), in the form that x has, forward states
            first; and the state of each cell after its last step, (L · directions, B,
            H).

        Raises:
            TypeError: if x is not of the parameters' dtype.
            ValueError: if x or the state has the wrong shape, or a row is empty.
        """
        output, (h,) = self.run(x, None if state is None else (state,))
        return output, h

    def _step(self, x: Tensor, state: Parts, weights: Weights) -> Parts:
        return (rnn_step(x, state[0], weights, self.nonlinearity),)

    def _fused(self, x: Tensor, state: Parts, weights: Weights) -> Parts:
        return (rnn_sequence(x, state[0], weights, self.nonlinearity),)

    @property
    def _library(self) -> tuple[Callable[..., tuple[Tensor, ...]], str]:
        if self.nonlinearity == "tanh":
            return torch.rnn_tanh, "RNN_TANH"
        return torch.rnn_relu, "RNN_RELU"


class LSTM(Recurrent):
    """Long short-term memory; see `lstm_step` for its equations.

    Without `torch.nn.LSTM`'s projections (its proj_size).

    >>> output, (h, c) = LSTM(2, 3, bidirectional=True)(torch.zeros(5, 7, 2))
    >>> output.shape, h.shape, c.shape
    (torch.Size([5, 7, 6]), torch.Size([2, 5, 3]), torch.Size([2, 5, 3]))

    Args:
        input_size: D.
        hidden_size: H.
        num_layers: L.
        bias: whether there are biases.
        dropout: between layers, as for `RNN`.
        bidirectional: as for `RNN`.
        init: as for `RNN`.
        forget_bias: what b_x + b_h of the forget gate shall sum to at first; 1 or more
            makes a new network remember (Gers et al. 2000; Jozefowicz et al. 2015).
            None leaves it as `init` drew it.
        backend: as for `RNN`.

    Raises:
        ValueError: as for `RNN`, or if a forget bias is asked for without biases.
    """

    gates = 4
    parts = 2

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        bias: bool = True,
        dropout: float = 0.0,
        bidirectional: bool = False,
        init: Init = "uniform",
        forget_bias: float | None = None,
        backend: Backend = "auto",
    ) -> None:
        if forget_bias is not None and not bias:
            raise ValueError("forget_bias needs bias=True: there is no bias to set")
        self.forget_bias = forget_bias
        super().__init__(
            input_size,
            hidden_size,
            num_layers,
            bias=bias,
            dropout=dropout,
            bidirectional=bidirectional,
            init=init,
            backend=backend,
        )

    def reset_parameters(self) -> None:
        """Draw all parameters anew, and set the forget gate's biases."""
        super().reset_parameters()
        if self.forget_bias is None:
            return
        for name, parameter in self.named_parameters():
            if name.startswith("bias"):
                value = self.forget_bias if name.startswith("bias_ih") else 0.0
                nn.init.constant_(parameter.detach().chunk(4)[1], value)

    def forward(
        self, x: Sequences, state: tuple[State, State] | None = None
    ) -> tuple[Sequences, tuple[State, State]]:
        """Return the top layer's hidden states over time, and each cell's last (h, c).

        Args, shapes, padding and errors are those of `RNN.forward`; a state is a pair
        (h, c).
        """
        output, (h, c) = self.run(x, state)
        return output, (h, c)

    def _step(self, x: Tensor, state: Parts, weights: Weights) -> Parts:
        h, c = state
        return lstm_step(x, (h, c), weights)

    def _fused(self, x: Tensor, state: Parts, weights: Weights) -> Parts:
        h, c = state
        return lstm_sequence(x, (h, c), weights)

    @property
    def _library(self) -> tuple[Callable[..., tuple[Tensor, ...]], str]:
        return torch.lstm, "LSTM"


class GRU(Recurrent):
    """Gated recurrent unit; see `gru_step` for its equations, reset after the product.

    >>> output, h = GRU(2, 3, num_layers=2)(torch.zeros(5, 7, 2))
    >>> output.shape, h.shape
    (torch.Size([5, 7, 3]), torch.Size([2, 5, 3]))

    Args:
        input_size: D.
        hidden_size: H.
        num_layers: L.
        bias: whether there are biases.
        dropout: between layers, as for `RNN`.
        bidirectional: as for `RNN`.
        init: as for `RNN`.
        backend: as for `RNN`.

    Raises:
        ValueError: as for `RNN`.
    """

    gates = 3

    def forward(
        self, x: Sequences, state: State | None = None
    ) -> tuple[Sequences, State]:
        """Return the top layer's states over time, and the last state of every cell.

        Args, shapes, padding and errors are those of `RNN.forward`.
        """
        output, (h,) = self.run(x, None if state is None else (state,))
        return output, h

    def _step(self, x: Tensor, state: Parts, weights: Weights) -> Parts:
        return (gru_step(x, state[0], weights),)

    def _fused(self, x: Tensor, state: Parts, weights: Weights) -> Parts:
        return (gru_sequence(x, state[0], weights),)

    @property
    def _library(self) -> tuple[Callable[..., tuple[Tensor, ...]], str]:
        return torch.gru, "GRU"


CELLS: dict[str, type[RNN] | type[LSTM] | type[GRU]] = {
    "rnn": RNN,
    "lstm": LSTM,
    "gru": GRU,
}
"""The layers by name, for configurations."""
