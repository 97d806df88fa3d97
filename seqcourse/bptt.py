"""Backpropagation through time by hand: a recurrent network in NumPy.

A network reads B sequences of T vectors, keeps a hidden state, and scores V classes at
each step::

    h_t = tanh(W_x x_t + W_h h_{t-1} + b_h)         logits_t = W_y h_t + b_y

The gradient runs the other way (Werbos 1990). A state is worth what its own step's loss
makes of it, and what the next state makes of it::

    ∂L/∂h_t = W_yᵀ ∂L/∂logits_t + W_hᵀ δ_{t+1}      δ_t = (1 - h_t²) ∘ ∂L/∂h_t

where δ_t is the gradient of what goes into the tanh. As all steps share their weights,
the gradient of a weight is a sum over steps: ∂L/∂W_h = Σ_t δ_t h_{t-1}ᵀ, and so on.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from seqcourse._checks import check_positive

__all__ = [
    "ElmanWeights",
    "Trace",
    "backward",
    "forward",
    "softmax_loss",
    "truncated_backward",
]

Inputs = Float[np.ndarray, "B T D"]
Logits = Float[np.ndarray, "B T V"]
Deltas = Float[np.ndarray, "B T H"]


@dataclass(frozen=True)
class ElmanWeights:
    """The weights of a simple recurrent network (Elman 1990), or their gradients."""

    w_x: Float[np.ndarray, "H D"]
    """From the input to the hidden state."""

    w_h: Float[np.ndarray, "H H"]
    """From the hidden state to the next."""

    b_h: Float[np.ndarray, " H"]
    """The hidden state's bias."""

    w_y: Float[np.ndarray, "V H"]
    """From the hidden state to the logits."""

    b_y: Float[np.ndarray, " V"]
    """The logits' bias."""

    @classmethod
    def random(
        cls, inputs: int, hidden: int, outputs: int, rng: np.random.Generator
    ) -> "ElmanWeights":
        """Draw weights uniformly within ±1/√H, as `torch.nn.RNN` does.

        Raises:
            ValueError: if a size is below 1.
        """
        sizes = {"inputs": inputs, "hidden": hidden, "outputs": outputs}
        for name, size in sizes.items():
            check_positive(name, size)
        shapes = (
            (hidden, inputs),
            (hidden, hidden),
            (hidden,),
            (outputs, hidden),
            (outputs,),
        )
        bound = hidden**-0.5
        return cls(*(rng.uniform(-bound, bound, shape) for shape in shapes))


class Trace(NamedTuple):
    """What the way forward leaves behind for the way back."""

    states: Float[np.ndarray, "B T1 H"]
    """h_0 … h_T: `states[:, t]` is the state before step t, counted from 0."""

    logits: Logits
    """The scores of the V classes at each step."""


def forward(
    weights: ElmanWeights, x: Inputs, start: Float[np.ndarray, "B H"] | None = None
) -> Trace:
    """Run the network over B sequences; the first state is `start`, or zeros.

    Raises:
        ValueError: if x or the start does not fit the weights.
    """
    hidden, inputs = weights.w_x.shape
    if x.ndim != 3 or x.shape[2] != inputs:
        raise ValueError(f"x must have shape (B, T, {inputs}), but has {x.shape}")
    expected = (len(x), hidden)
    if start is not None and start.shape != expected:
        raise ValueError(
            f"start must have shape (B, H) = {expected}, but has {start.shape}"
        )
    batch, steps, _ = x.shape
    states = np.zeros((batch, steps + 1, hidden))
    if start is not None:
        states[:, 0] = start
    for t in range(steps):
        total = x[:, t] @ weights.w_x.T + states[:, t] @ weights.w_h.T + weights.b_h
        states[:, t + 1] = np.tanh(total)
    return Trace(states, states[:, 1:] @ weights.w_y.T + weights.b_y)


def softmax_loss(
    logits: Logits, targets: Int[np.ndarray, "B T"]
) -> tuple[float, Logits]:
    """Return the mean of -ln p(target) over all places, in nats, and its gradient.

    The gradient in the logits is p - 1 at the target and p elsewhere, divided by the
    number of places.

    >>> loss, gradient = softmax_loss(np.zeros((1, 1, 2)), np.array([[0]]))
    >>> round(loss, 4), gradient.tolist()  # ln 2
    (0.6931, [[[-0.5, 0.5]]])

    Raises:
        ValueError: if there is not one target for each place, or there is none.
    """
    if targets.shape != logits.shape[:2] or not targets.size:
        raise ValueError(
            f"targets must have shape (B, T) = {logits.shape[:2]} with B, T ≥ 1, "
            f"but has {targets.shape}"
        )
    shifted = logits - logits.max(axis=-1, keepdims=True)  # no exp overflows
    logprobs = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    picked = targets[..., None]
    gradient = np.exp(logprobs)
    np.put_along_axis(
        gradient, picked, np.take_along_axis(gradient, picked, -1) - 1, -1
    )
    loss = -np.take_along_axis(logprobs, picked, -1).mean()
    return float(loss), gradient / targets.size


def backward(
    weights: ElmanWeights, x: Inputs, trace: Trace, grad_logits: Logits
) -> ElmanWeights:
    """Return the gradients of all weights, by backpropagation through all of time.

    Args:
        weights: those that the trace was made with.
        x: what was read.
        trace: what `forward` returned.
        grad_logits: ∂L/∂logits, as `softmax_loss` returns it.
    """
    deltas = _deltas(weights, trace.states, grad_logits @ weights.w_y)
    return _sums(x, trace.states, deltas, grad_logits)


def truncated_backward(
    weights: ElmanWeights,
    x: Inputs,
    trace: Trace,
    grad_logits: Logits,
    *,
    k1: int,
    k2: int,
) -> ElmanWeights:
    """Return gradients that forget what lies too far back: truncated BPTT(k1, k2).

    Every k1 steps, and at the end, the losses since the last time are followed back
    through the k2 latest steps (Williams and Peng 1990; Sutskever 2013, section 2.8.6).
    So a loss is followed through at least k2 - k1 + 1 and at most k2 steps, its own
    included; with k2 ≥ T through all, which is the full gradient. k1 = k2, where they
    divide T, cut the sequence into pieces that only hand on their last state, as
    `seqcourse.batching.ContiguousBatches` does. A truncated gradient is biased: it says
    nothing of what more steps than k2 lie between.

    The weights stay the same all along; a network that learns on the way changes them
    every k1 steps.

    Raises:
        ValueError: unless 1 ≤ k1 ≤ k2: some losses would never count.
    """
    if not 1 <= k1 <= k2:
        raise ValueError(f"k1 and k2 must satisfy 1 ≤ k1 ≤ k2, but are {k1} and {k2}")
    steps = x.shape[1]
    direct = grad_logits @ weights.w_y  # ∂L/∂h_t by the step's own loss
    deltas = np.zeros_like(direct)
    for begin in range(0, steps, k1):
        end = min(begin + k1, steps)
        far = max(0, end - k2)
        recent = direct[:, far:end].copy()
        recent[:, : begin - far] = 0  # these losses have had their turn
        deltas[:, far:end] += _deltas(weights, trace.states[:, far : end + 1], recent)
    return _sums(x, trace.states, deltas, grad_logits)


def _deltas(
    weights: ElmanWeights, states: Float[np.ndarray, "B T1 H"], direct: Deltas
) -> Deltas:
    """Return all δ_t, given what each state does for its own step's loss."""
    deltas = np.empty_like(direct)
    from_next = np.zeros_like(states[:, 0])
    for t in reversed(range(direct.shape[1])):
        deltas[:, t] = (1 - states[:, t + 1] ** 2) * (direct[:, t] + from_next)
        from_next = deltas[:, t] @ weights.w_h
    return deltas


def _sums(
    x: Inputs, states: Float[np.ndarray, "B T1 H"], deltas: Deltas, grad_logits: Logits
) -> ElmanWeights:
    """Return the weights' gradients: outer products, summed over all steps."""
    return ElmanWeights(
        w_x=np.einsum("bth,btd->hd", deltas, x),
        w_h=np.einsum("bth,btk->hk", deltas, states[:, :-1]),
        b_h=deltas.sum(axis=(0, 1)),
        w_y=np.einsum("btv,bth->vh", grad_logits, states[:, 1:]),
        b_y=grad_logits.sum(axis=(0, 1)),
    )
