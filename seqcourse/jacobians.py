"""Vanishing and exploding gradients: how much of one arrives so many steps earlier.

From one step to the one before, a gradient is multiplied by the Jacobian ∂h_t/∂h_{t-1};
over a lag of k steps, by the product of k of them (Pascanu et al. 2013, eq. 5). For the
simple network of `seqcourse.bptt`, the Jacobian of a step is diag(1 - h_t²) W_h. If W_h
stretches no vector by more than σ, k steps stretch none by more than σᵏ, and tanh's
slopes only shrink them further.

It is the largest singular value that bounds the stretch, not the largest eigenvalue: a
matrix with all eigenvalues 0 may still stretch a vector a thousandfold, for some steps.
"""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from seqcourse.bptt import ElmanWeights
from seqcourse.recurrent import GRU, LSTM, RNN

__all__ = [
    "gradient_norm_by_lag",
    "lag_jacobians",
    "singular_values",
    "spectral_radius",
    "step_jacobians",
]

States = Float[np.ndarray, "T1 H"]
Matrix = Float[np.ndarray, "H H"]


def step_jacobians(weights: ElmanWeights, states: States) -> Float[np.ndarray, "T H H"]:
    """Return ∂h_t/∂h_{t-1} for every step of a sequence; row i is unit i's gradient.

    Args:
        weights: of the network.
        states: h_0 … h_T of one sequence: `trace.states[b]`.
    """
    return (1 - states[1:, :, None] ** 2) * weights.w_h


def lag_jacobians(weights: ElmanWeights, states: States) -> Float[np.ndarray, "T1 H H"]:
    """Return ∂h_T/∂h_{T-k} for k = 0 … T: products of the last k steps' Jacobians."""
    products = [np.eye(states.shape[1])]
    for step in step_jacobians(weights, states)[::-1]:
        products.append(products[-1] @ step)
    return np.stack(products)


def singular_values(matrices: Float[np.ndarray, "*K H H"]) -> Float[np.ndarray, "*K H"]:
    """Return how much each matrix stretches along its principal axes, largest first."""
    return np.linalg.svd(matrices, compute_uv=False)


def spectral_radius(matrix: Matrix) -> float:
    """Return the largest absolute eigenvalue: the growth per step in the very long run.

    >>> twist = np.array([[0.0, 1000.0], [0.0, 0.0]])
    >>> spectral_radius(twist), float(singular_values(twist)[0])
    (0.0, 1000.0)
    """
    return float(np.abs(np.linalg.eigvals(matrix)).max())


def gradient_norm_by_lag(
    layer: RNN | LSTM | GRU,
    x: Float[Tensor, "B T D"],
    direction: Float[Tensor, " H"],
) -> Float[Tensor, "B T1"]:
    """Return the length that a gradient has left k = 0 … T steps before the last state.

    The gradient is that of direction · h_T, in the state after step T - k; at the top,
    h_T is the last layer's. A state counts with all its layers, and with the cell state
    of an LSTM. By lag 0 the gradient is the direction itself.

    Args:
        layer: a recurrent layer that reads one way.
        x: B sequences to measure on.
        direction: what to follow back; take a random vector of length 1 to see a
            typical one.

    Returns:
        The lengths for each sequence, by lag; the last is that in the initial state.

    Raises:
        ValueError: if the layer is bidirectional, or the direction has the wrong size.
    """
    if layer.bidirectional:
        raise ValueError(
            "layer must read one way; a bidirectional one has no last state"
        )
    if direction.shape != (layer.hidden_size,):
        raise ValueError(
            f"direction must have shape ({layer.hidden_size},), "
            f"but has {tuple(direction.shape)}"
        )
    parts = 2 if isinstance(layer, LSTM) else 1
    joint = x.new_zeros(parts * layer.num_layers, len(x), layer.hidden_size)
    passed = [joint.requires_grad_()]
    for now in x.split(1, dim=1):  # (B, 1, D)
        _, state = layer(now, joint.chunk(2) if parts == 2 else joint)
        joint = torch.cat(state) if parts == 2 else state
        passed.append(joint)
    followed = (joint[layer.num_layers - 1] @ direction).sum()
    gradients = torch.autograd.grad(followed, passed)  # (parts · L, B, H) each
    return torch.stack(
        [gradient.norm(dim=(0, 2)) for gradient in gradients[::-1]], dim=1
    )
