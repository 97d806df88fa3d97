"""The quick path of recurrent layers: all steps at once, with the gradient by hand.

Only `W_h h` has to wait for the step before. So each function here multiplies all
inputs by W_x in one product before the loop, and on the way back keeps the loop to what
truly runs backwards in time: the gradient of each step's gates. The gradients of the
weights are sums over time of outer products, which is one matrix product after the
loop. The gates' values are kept from the way forward, so nothing is computed twice.

The results equal those of `seqcourse.recurrent_cells`, step by step, which tests
assert. Axes are time first, (T, B, ·): a step is then one contiguous block. These
functions can be differentiated once; for second derivatives use the cells.
"""

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from seqcourse.recurrent_cells import Nonlinearity, Weights

__all__ = ["gru_sequence", "lstm_sequence", "rnn_sequence"]

Sequence = Float[Tensor, "T B D"]
States = Float[Tensor, "T B H"]
Hidden = Float[Tensor, "B H"]

# Both take (g, y), and make one pass over them: g · y · (1 - y) and g · (1 - y²).
through_sigmoid = torch.ops.aten.sigmoid_backward
through_tanh = torch.ops.aten.tanh_backward


def rnn_sequence(
    x: Sequence, h: Hidden, weights: Weights, nonlinearity: Nonlinearity = "tanh"
) -> States:
    """Return the hidden states after each step; `rnn_step` over time."""
    return _RNN.apply(x, h, *weights, nonlinearity == "relu")


def lstm_sequence(
    x: Sequence, state: tuple[Hidden, Hidden], weights: Weights
) -> tuple[States, States]:
    """Return the hidden and the cell states after each step; `lstm_step` over time."""
    return _LSTM.apply(x, *state, *weights)


def gru_sequence(x: Sequence, h: Hidden, weights: Weights) -> States:
    """Return the hidden states after each step; `gru_step` over time."""
    return _GRU.apply(x, h, *weights)


class _RNN(torch.autograd.Function):
    """`rnn_step` over time."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        h: Tensor,
        w_x: Tensor,
        w_h: Tensor,
        b_x: Tensor | None,
        b_h: Tensor | None,
        relu: bool,
    ) -> Tensor:
        states = F.linear(x, w_x, _both(b_x, b_h))  # (T, B, H)
        previous = h
        for state in states:
            state.addmm_(previous, w_h.t())
            previous = state.relu_() if relu else state.tanh_()
        ctx.save_for_backward(x, h, w_x, w_h, states)
        ctx.relu = relu
        return states

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_states: Tensor) -> tuple[Tensor | None, ...]:
        x, h, w_x, w_h, states = ctx.saved_tensors
        # the slope of each step; then, step by step, times what its state is worth
        grad = (states > 0).to(states.dtype) if ctx.relu else 1 - states * states
        grad_h = torch.zeros_like(h)
        for t in reversed(range(len(states))):
            grad_h += grad_states[t]
            grad[t] *= grad_h
            torch.mm(grad[t], w_h, out=grad_h)
        grad_x, grad_w_x, grad_b = _of_linear(grad, x, _if_wanted(ctx, w_x))
        _, grad_w_h, _ = _of_linear(grad, _previous(h, states), None)
        return _wanted(ctx, grad_x, grad_h, grad_w_x, grad_w_h, grad_b, grad_b, None)


class _LSTM(torch.autograd.Function):
    """`lstm_step` over time; gates in the order i, f, g, o."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        h: Tensor,
        c: Tensor,
        w_x: Tensor,
        w_h: Tensor,
        b_x: Tensor | None,
        b_h: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        size = h.shape[1]
        gates = F.linear(x, w_x, _both(b_x, b_h))  # (T, B, 4H)
        states = x.new_empty(len(x), *h.shape)
        cells, squashed = torch.empty_like(states), torch.empty_like(states)
        ctx.set_materialize_grads(False)
        before_h, before_c = h, c
        for t, gate in enumerate(gates):
            gate.addmm_(before_h, w_h.t())
            gate[:, : 2 * size].sigmoid_()
            gate[:, 2 * size : 3 * size].tanh_()
            gate[:, 3 * size :].sigmoid_()
            i, f, g, o = gate.chunk(4, dim=1)
            before_c = torch.mul(f, before_c, out=cells[t]).addcmul_(i, g)
            before_h = torch.mul(
                o, torch.tanh(before_c, out=squashed[t]), out=states[t]
            )
        ctx.save_for_backward(x, h, c, w_x, w_h, gates, states, cells, squashed)
        return states, cells

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, grad_states: Tensor | None, grad_cells: Tensor | None
    ) -> tuple[Tensor | None, ...]:
        x, h, c, w_x, w_h, gates, states, cells, squashed = ctx.saved_tensors
        grad, h_to_c = _lstm_slopes(gates, _previous(c, cells), squashed)
        forget = gates.chunk(4, dim=-1)[1]
        grad_h, grad_c = torch.zeros_like(h), torch.zeros_like(c)
        for t in reversed(range(len(gates))):
            if grad_states is not None:
                grad_h += grad_states[t]
            if grad_cells is not None:
                grad_c += grad_cells[t]
            grad_c.addcmul_(grad_h, h_to_c[t])
            of_cell, of_output = grad[t, :, :3], grad[t, :, 3]
            of_cell *= grad_c[:, None]
            of_output *= grad_h
            grad_c *= forget[t]
            torch.mm(grad[t].flatten(1), w_h, out=grad_h)
        flat = grad.flatten(2)  # (T, B, 4H)
        grad_x, grad_w_x, grad_b = _of_linear(flat, x, _if_wanted(ctx, w_x))
        _, grad_w_h, _ = _of_linear(flat, _previous(h, states), None)
        return _wanted(ctx, grad_x, grad_h, grad_c, grad_w_x, grad_w_h, grad_b, grad_b)


def _lstm_slopes(
    gates: Tensor, before: Tensor, squashed: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the local derivatives of all steps at once; none of them has to wait.

    They are ∂c'/∂(sums of i, f and g) and ∂h'/∂(sum of o), together (T, B, 4, H), and
    ∂h'/∂c'.
    """
    i, f, g, o = gates.chunk(4, dim=-1)
    slopes = gates.new_empty(*gates.shape[:2], 4, before.shape[-1])
    through_sigmoid(g, i, grad_input=slopes[:, :, 0])
    through_sigmoid(before, f, grad_input=slopes[:, :, 1])
    through_tanh(i, g, grad_input=slopes[:, :, 2])
    through_sigmoid(squashed, o, grad_input=slopes[:, :, 3])
    return slopes, through_tanh(o, squashed)


class _GRU(torch.autograd.Function):
    """`gru_step` over time; gates in the order r, z, n."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        h: Tensor,
        w_x: Tensor,
        w_h: Tensor,
        b_x: Tensor | None,
        b_h: Tensor | None,
    ) -> Tensor:
        size = h.shape[1]
        gates = F.linear(x, w_x, b_x)  # (T, B, 3H)
        states = x.new_empty(len(x), *h.shape)
        recalled = torch.empty_like(states)  # W_h h + b_h of the candidate
        previous = h
        for t, gate in enumerate(gates):
            from_h = F.linear(previous, w_h, b_h)  # (B, 3H)
            recalled[t] = from_h[:, 2 * size :]
            gate[:, : 2 * size].add_(from_h[:, : 2 * size]).sigmoid_()
            r, z, n = gate.chunk(3, dim=1)
            n.addcmul_(r, recalled[t]).tanh_()
            previous = torch.lerp(n, previous, z, out=states[t])
        ctx.save_for_backward(x, h, w_x, w_h, gates, states, recalled)
        return states

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_states: Tensor) -> tuple[Tensor | None, ...]:
        x, h, w_x, w_h, gates, states, recalled = ctx.saved_tensors
        before, z = _previous(h, states), gates.chunk(3, dim=-1)[1]
        slopes = _gru_slopes(gates, before, recalled)  # (T, B, 4, H)
        grad_h = torch.zeros_like(h)
        for t in reversed(range(len(gates))):
            grad_h += grad_states[t]
            slopes[t] *= grad_h[:, None]
            grad_h *= z[t]
            grad_h.addmm_(slopes[t, :, :3].flatten(1), w_h)
        from_x, from_h = slopes[:, :, [0, 1, 3]].flatten(2), slopes[:, :, :3].flatten(2)
        grad_x, grad_w_x, grad_b_x = _of_linear(from_x, x, _if_wanted(ctx, w_x))
        _, grad_w_h, grad_b_h = _of_linear(from_h, before, None)
        return _wanted(ctx, grad_x, grad_h, grad_w_x, grad_w_h, grad_b_x, grad_b_h)


def _gru_slopes(gates: Tensor, before: Tensor, recalled: Tensor) -> Tensor:
    """Return ∂h'/∂(each gate's sum), all steps at once, shape (T, B, 4, H).

    The gates are r, z, then the candidate's two parts: what W_h gave, and what W_x
    gave.
    """
    r, z, n = gates.chunk(3, dim=-1)
    slopes = gates.new_empty(*gates.shape[:2], 4, before.shape[-1])
    candidate = through_tanh(1 - z, n, grad_input=slopes[:, :, 3])
    through_sigmoid(candidate * recalled, r, grad_input=slopes[:, :, 0])
    through_sigmoid(before - n, z, grad_input=slopes[:, :, 1])
    torch.mul(candidate, r, out=slopes[:, :, 2])
    return slopes


def _both(b_x: Tensor | None, b_h: Tensor | None) -> Tensor | None:
    """Return the sum of the two biases, which act as one."""
    return None if b_x is None or b_h is None else b_x + b_h


def _previous(first: Tensor, states: Tensor) -> Tensor:
    """Return the state that each step started from, (T, B, H)."""
    return torch.cat([first[None], states[:-1]])


def _if_wanted(ctx: Any, w_x: Tensor) -> Tensor | None:
    """Return W_x if the input's gradient is asked for, which nothing else needs."""
    return w_x if ctx.needs_input_grad[0] else None


def _of_linear(
    grad: Tensor, x: Tensor, weight: Tensor | None
) -> tuple[Tensor | None, Tensor, Tensor]:
    """Return the gradients of x, W and b in x Wᵀ + b, where all steps share W and b.

    That of x only if W is given.
    """
    rows = grad.flatten(0, 1)  # (T·B, G·H)
    grad_x = None if weight is None else (rows @ weight).view_as(x)
    return grad_x, rows.t() @ x.flatten(0, 1), rows.sum(0)


def _wanted(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
    """Return the gradients, with None for those that nobody asked for."""
    pairs = zip(gradients, ctx.needs_input_grad, strict=True)
    return tuple(gradient if needed else None for gradient, needed in pairs)
