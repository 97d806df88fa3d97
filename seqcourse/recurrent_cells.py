"""One step of a recurrent network: the equations of the RNN, the LSTM and the GRU.

Each cell is a function `*_step` that holds its equations, and a module that owns its
weights. The layers of `seqcourse.recurrent` repeat a step over time. Weights are stored
as `torch.nn` stores them: one matrix holds all gates, one below the other, and inputs
and states have a bias each.

Notation: x input (B, D), h hidden state and c cell state (B, H), σ the logistic
function, ∘ the product element by element; i, f, o, r, z gates between 0 and 1.
"""

import math
from typing import ClassVar, Literal, NamedTuple, TypeAlias, get_args

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from seqcourse._checks import check_choice, check_positive

__all__ = [
    "GRUCell",
    "LSTMCell",
    "Nonlinearity",
    "RNNCell",
    "Weights",
    "gru_step",
    "lstm_step",
    "rnn_step",
]

Inputs: TypeAlias = Float[Tensor, "B D"]
Hidden: TypeAlias = Float[Tensor, "B H"]
Nonlinearity: TypeAlias = Literal["tanh", "relu"]
"""What an RNN puts its sum through."""


class Weights(NamedTuple):
    """The weights of a cell with G gates (RNN 1, GRU 3, LSTM 4)."""

    ih: Float[Tensor, "GH D"]
    """W_x, from the input to all gates."""

    hh: Float[Tensor, "GH H"]
    """W_h, from the hidden state to all gates."""

    bias_ih: Float[Tensor, " GH"] | None = None
    """b_x; None where the cell has no biases."""

    bias_hh: Float[Tensor, " GH"] | None = None
    """b_h; it adds to b_x and is redundant, but in the GRU's candidate."""


def rnn_step(
    x: Inputs, h: Hidden, weights: Weights, nonlinearity: Nonlinearity = "tanh"
) -> Hidden:
    """Return the next hidden state of Elman's (1990) simple recurrent network.

    h' = tanh(W_x x + b_x + W_h h + b_h), or relu in place of tanh.
    """
    total = F.linear(x, weights.ih, weights.bias_ih) + F.linear(
        h, weights.hh, weights.bias_hh
    )
    return total.tanh() if nonlinearity == "tanh" else total.relu()


def lstm_step(
    x: Inputs, state: tuple[Hidden, Hidden], weights: Weights
) -> tuple[Hidden, Hidden]:
    """Return the next state (h', c') of the long short-term memory.

    Hochreiter and Schmidhuber (1997) with the forget gate of Gers et al. (2000),
    without peepholes. With a gate's own rows of W_x, W_h, b_x and b_h, in the order i,
    f, g, o::

        i, f, o = σ(W_x x + b_x + W_h h + b_h)      input, forget and output gate
        g = tanh(W_x x + b_x + W_h h + b_h)         candidate
        c' = f ∘ c + i ∘ g
        h' = o ∘ tanh(c')

    Where f is 1, the cell state passes from step to step unchanged, and so does its
    gradient.
    """
    h, c = state
    total = F.linear(x, weights.ih, weights.bias_ih) + F.linear(
        h, weights.hh, weights.bias_hh
    )
    i, f, g, o = total.chunk(4, dim=-1)  # (B, H) each
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c


def gru_step(
    x: Inputs, h: Hidden, weights: Weights, *, reset_after: bool = True
) -> Hidden:
    """Return the next hidden state of the gated recurrent unit.

    Cho et al. (2014). With a gate's own rows of W_x, W_h, b_x and b_h, in the order r,
    z, n::

        r, z = σ(W_x x + b_x + W_h h + b_h)         reset and update gate
        n = tanh(W_x x + b_x + r ∘ (W_h h + b_h))   candidate, reset after the product
        n = tanh(W_x x + b_x + W_h (r ∘ h) + b_h)   candidate, reset before the product
        h' = (1 - z) ∘ n + z ∘ h

    The paper resets before the product (its eq. 8). `torch.nn.GRU` and cuDNN reset
    after it, so that one matrix product serves all gates; the two cells need weights of
    their own. Chung et al. (2014) exchange z and 1 - z, which changes only the gate's
    name.
    """
    from_x = F.linear(x, weights.ih, weights.bias_ih).chunk(3, dim=-1)  # (B, H) each
    from_h = F.linear(h, weights.hh, weights.bias_hh).chunk(3, dim=-1)
    r, z = (from_x[0] + from_h[0]).sigmoid(), (from_x[1] + from_h[1]).sigmoid()
    if reset_after:
        n = (from_x[2] + r * from_h[2]).tanh()
    else:
        own = weights.hh.chunk(3)[2]
        bias = None if weights.bias_hh is None else weights.bias_hh.chunk(3)[2]
        n = (from_x[2] + F.linear(r * h, own, bias)).tanh()
    return (1 - z) * n + z * h


class _Cell(nn.Module):
    """A cell's weights, drawn as `torch.nn` does: uniformly within ±1/√H."""

    gates: ClassVar[int]

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True) -> None:
        super().__init__()
        check_positive("input_size", input_size)
        check_positive("hidden_size", hidden_size)
        self.input_size, self.hidden_size, self.bias = input_size, hidden_size, bias
        rows = self.gates * hidden_size
        self.weight_ih = nn.Parameter(torch.empty(rows, input_size))
        self.weight_hh = nn.Parameter(torch.empty(rows, hidden_size))
        self.bias_ih = nn.Parameter(torch.empty(rows)) if bias else None
        self.bias_hh = nn.Parameter(torch.empty(rows)) if bias else None
        for parameter in self.parameters():
            nn.init.uniform_(
                parameter, -1 / math.sqrt(hidden_size), 1 / math.sqrt(hidden_size)
            )

    def extra_repr(self) -> str:
        return f"{self.input_size}, {self.hidden_size}, bias={self.bias}"

    @property
    def weights(self) -> Weights:
        """The cell's weights, as the `*_step` functions take them."""
        return Weights(self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)

    def _check(self, x: Tensor, *states: Tensor) -> None:
        if x.ndim != 2 or x.shape[1] != self.input_size:
            raise ValueError(
                f"x must have shape (B, {self.input_size}), but has {tuple(x.shape)}"
            )
        expected = (len(x), self.hidden_size)
        for state in states:
            if state.shape != expected:
                raise ValueError(
                    f"the state must have shape (B, H) = {expected}, "
                    f"but has {tuple(state.shape)}"
                )

    def _zeros(self, x: Tensor) -> Tensor:
        return x.new_zeros(len(x), self.hidden_size)


class RNNCell(_Cell):
    """One step of a simple recurrent network; see `rnn_step` for its equation.

    >>> RNNCell(2, 3)(torch.zeros(5, 2)).shape
    torch.Size([5, 3])

    Args:
        input_size: D.
        hidden_size: H.
        bias: whether there are biases.
        nonlinearity: "tanh", or "relu", under which states may grow without bound.

    Raises:
        ValueError: for a size below 1, or another nonlinearity.
    """

    gates = 1

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: Nonlinearity = "tanh",
    ) -> None:
        super().__init__(input_size, hidden_size, bias)
        check_choice("nonlinearity", nonlinearity, get_args(Nonlinearity))
        self.nonlinearity = nonlinearity

    def forward(self, x: Inputs, state: Hidden | None = None) -> Hidden:
        """Return the next hidden state; with no state, that after zeros.

        Raises:
            ValueError: if x or the state has the wrong shape.
        """
        self._check(x, *(() if state is None else (state,)))
        h = self._zeros(x) if state is None else state
        return rnn_step(x, h, self.weights, self.nonlinearity)


class LSTMCell(_Cell):
    """One step of a long short-term memory; see `lstm_step` for its equations.

    >>> h, c = LSTMCell(2, 3)(torch.zeros(5, 2))
    >>> h.shape, c.shape
    (torch.Size([5, 3]), torch.Size([5, 3]))

    Args:
        input_size: D.
        hidden_size: H.
        bias: whether there are biases.

    Raises:
        ValueError: for a size below 1.
    """

    gates = 4

    def forward(
        self, x: Inputs, state: tuple[Hidden, Hidden] | None = None
    ) -> tuple[Hidden, Hidden]:
        """Return the next state (h, c); with no state, that after zeros.

        Raises:
            ValueError: if x or a part of the state has the wrong shape.
        """
        self._check(x, *(state or ()))
        return lstm_step(x, state or (self._zeros(x), self._zeros(x)), self.weights)


class GRUCell(_Cell):
    """One step of a gated recurrent unit; see `gru_step` for its equations.

    >>> GRUCell(2, 3)(torch.zeros(5, 2)).shape
    torch.Size([5, 3])

    Args:
        input_size: D.
        hidden_size: H.
        bias: whether there are biases.
        reset_after: as `torch.nn` has it; False resets before the product, as the paper
            does.

    Raises:
        ValueError: for a size below 1.
    """

    gates = 3

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        *,
        reset_after: bool = True,
    ) -> None:
        super().__init__(input_size, hidden_size, bias)
        self.reset_after = reset_after

    def forward(self, x: Inputs, state: Hidden | None = None) -> Hidden:
        """Return the next hidden state; with no state, that after zeros.

        Raises:
            ValueError: if x or the state has the wrong shape.
        """
        self._check(x, *(() if state is None else (state,)))
        h = self._zeros(x) if state is None else state
        return gru_step(x, h, self.weights, reset_after=self.reset_after)
