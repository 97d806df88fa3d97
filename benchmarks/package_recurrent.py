"""Recurrent layers against torch.nn: forward and backward over a batch of sequences.

Both sides have the same weights and read the same batch. Ours is the "fused" backend, which is
what a layer uses on a CPU by default; see `seqcourse.recurrent_kernels`.
"""

from collections.abc import Callable
from typing import Any

import torch
from common import Row
from torch import nn

from seqcourse.recurrent import GRU, LSTM, RNN

B, T, D = 32, 128, 256
WORK = f"forward and backward, T = {T}, B = {B}, D = {D}"

Work = Callable[[], Any]


def forward_and_backward(layer: nn.Module, x: torch.Tensor) -> Work:
    """Return the work: outputs, and the gradients of all parameters and of the input."""
    leaves = [x, *layer.parameters()]

    def work() -> list[torch.Tensor]:
        output, _ = layer(x)
        return [output, *torch.autograd.grad(output.square().mean(), leaves)]

    return work


def setup(
    ours: type[RNN | LSTM | GRU], theirs: type[nn.RNNBase]
) -> Callable[[], tuple[Work, Work]]:
    """Return what prepares both sides, and asserts that they do the same."""

    def prepare() -> tuple[Work, Work]:
        torch.manual_seed(0)
        own, peer = ours(D, D, backend="fused"), theirs(D, D, batch_first=True)
        own.load_state_dict(peer.state_dict())
        x = torch.randn(B, T, D, requires_grad=True)
        works = forward_and_backward(own, x), forward_and_backward(peer, x)
        for a, b in zip(works[0](), works[1](), strict=True):
            torch.testing.assert_close(a, b)
        return works

    return prepare


ROWS = [
    Row(f"LSTM, {WORK}", "torch.nn.LSTM", 1.5, setup(LSTM, nn.LSTM), note="its CPU path is oneDNN"),
    Row(f"GRU, {WORK}", "torch.nn.GRU", 1.5, setup(GRU, nn.GRU)),
    Row(f"RNN, {WORK}", "torch.nn.RNN", 1.5, setup(RNN, nn.RNN)),
]
