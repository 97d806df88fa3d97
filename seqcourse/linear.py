"""Linear maps that are quick for a row or two as well, as in writing token by token.

A row times a large matrix takes as long as the matrix takes to read. The library that
torch calls on a CPU reads it slowly if the matrix stands on the right; with the matrix
on the left, and at least two columns, it keeps up with the memory. So W xᵀ is computed
here, with x twice if there is but one row: the same sums, maybe in another order. On
two cores of an AMD EPYC it takes a quarter to a half of the time.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["Linear", "linear"]

FEW_ROWS = 2
MANY_WEIGHTS = 2**18


def linear(
    x: Float[Tensor, "*batch N"],
    weight: Float[Tensor, "M N"],
    bias: Float[Tensor, " M"] | None = None,
) -> Float[Tensor, "*batch M"]:
    """Return x Wᵀ + b, as `torch.nn.functional.linear` does.

    The quick way is taken for one or two rows, a large matrix, float32, on a CPU, and
    while no gradients are recorded.
    """
    if weight.numel() < MANY_WEIGHTS or torch.is_grad_enabled():
        return F.linear(x, weight, bias)
    outputs, inputs = weight.shape
    rows = x.numel() // inputs
    on_cpu = x.device.type == "cpu" and x.dtype == torch.float32
    if not 0 < rows <= FEW_ROWS or not on_cpu:
        return F.linear(x, weight, bias)
    x2 = x.reshape(rows, inputs)
    columns = torch.cat((x2, x2) if rows == 1 else (x2,)).t()  # (N, 2)
    y = (
        weight @ columns
        if bias is None
        else torch.addmm(bias[:, None], weight, columns)
    )
    return y[:, :rows].t().contiguous().view(*x.shape[:-1], outputs)


class Linear(nn.Linear):
    """`torch.nn.Linear`, by way of `linear`."""

    def forward(self, input: Float[Tensor, "*batch N"]) -> Float[Tensor, "*batch M"]:
        """Return input Wᵀ + b."""
        return linear(input, self.weight, self.bias)
