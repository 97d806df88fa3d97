"""Finite differences: gradients without calculus, to check those found by hand.

A function's slope along an axis is nearly the difference of its values a small step to
both sides, divided by the step's width. That takes two calls for each number of the
input, so it is far too slow to train with, but it is hard to get wrong.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

__all__ = ["numerical_gradient", "relative_error"]


def numerical_gradient(
    f: Callable[[Float[np.ndarray, "*shape"]], float],
    x: Float[np.ndarray, "*shape"],
    *,
    step: float = 1e-5,
) -> Float[np.ndarray, "*shape"]:
    """Return the gradient of f at x by central differences, (f(x + ε) - f(x - ε)) / 2ε.

    Their error shrinks with ε² until rounding takes over, so x should be float64. The
    best ε is near the cube root of the rounding error, 1e-5, for x and f of the order
    of 1.

    >>> numerical_gradient(lambda x: float(x @ x), np.array([3.0, -1.0])).round(6)
    array([ 6., -2.])

    Args:
        f: a function of one array; it gets a copy, which it may not keep.
        x: where to differentiate, of any shape; it stays as it is.
        step: ε.

    Raises:
        TypeError: if x is not float64: in float32, rounding drowns the difference.
        ValueError: if the step is not above 0.
    """
    if x.dtype != np.float64:
        raise TypeError(f"x must be float64, but is {x.dtype}; use x.astype(float)")
    if not step > 0:
        raise ValueError(f"step must be above 0, but is {step}")
    gradient, moved = np.empty_like(x), x.copy()
    for place in np.ndindex(x.shape):
        moved[place] = x[place] + step
        above = f(moved)
        moved[place] = x[place] - step
        gradient[place] = (above - f(moved)) / (2 * step)
        moved[place] = x[place]
    return gradient


def relative_error(
    a: Float[np.ndarray, "*shape"], b: Float[np.ndarray, "*shape"]
) -> float:
    """Return ``|a - b| / (|a| + |b|)``, of lengths; 0 if both are 0, at most 1.

    A right gradient agrees with `numerical_gradient` to 1e-7 or better; 1e-3 or more is
    a bug, or a kink (as relu's) within the step.

    >>> relative_error(np.array([3.0, 4.0]), np.array([3.0, 4.0]))
    0.0

    Raises:
        ValueError: if the shapes differ.
    """
    if a.shape != b.shape:
        raise ValueError(
            f"a and b must have the same shape, but have {a.shape} and {b.shape}"
        )
    size = np.linalg.norm(a) + np.linalg.norm(b)
    return float(np.linalg.norm(a - b) / size) if size else 0.0
