"""Series: causal convolutions and padding against torch, Holt-Winters against statsmodels."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from common import Row
from statsmodels.tsa.api import ExponentialSmoothing as StatsmodelsHoltWinters
from torch import nn
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence

from seqcourse.baselines import HoltWinters
from seqcourse.batching import pad
from seqcourse.convolution import CausalConv1d
from seqcourse.data import load

Work = Callable[[], Any]

B, T, D, KERNEL, DILATION = 32, 512, 64, 3, 4


def convolution() -> tuple[Work, Work]:
    """Forward and backward through one causal convolution, with the same weights."""
    torch.manual_seed(0)
    ours = CausalConv1d(D, D, kernel=KERNEL, dilation=DILATION)
    theirs = nn.Conv1d(D, D, KERNEL, dilation=DILATION)
    theirs.load_state_dict(ours.state_dict())
    inputs = torch.randn(B, T, D)
    channels_first = inputs.mT.contiguous()  # each side has the layout that it reads
    left = (KERNEL - 1) * DILATION

    def run_ours() -> torch.Tensor:
        ours.zero_grad()
        outputs = ours(inputs)
        outputs.square().sum().backward()
        return outputs

    def run_theirs() -> torch.Tensor:
        theirs.zero_grad()
        outputs = theirs(functional.pad(channels_first, (left, 0)))
        outputs.square().sum().backward()
        return outputs

    torch.testing.assert_close(run_ours(), run_theirs().mT)
    torch.testing.assert_close(ours.weight.grad, theirs.weight.grad, rtol=1e-3, atol=1e-2)
    return run_ours, run_theirs


def padding() -> tuple[Work, Work]:
    """Fill up 2000 sequences of 1 to 100 steps."""
    rng = np.random.default_rng(0)
    sequences = [torch.randn(int(length), 16) for length in rng.integers(1, 101, 2000)]

    def run_theirs() -> torch.Tensor:
        return pad_sequence(sequences, batch_first=True)

    torch.testing.assert_close(pad(sequences).values, run_theirs())
    return lambda: pad(sequences), run_theirs


def holt_winters() -> tuple[Work, Work]:
    """Choose three smoothing parameters for 61 years of months, from the same start."""
    y, season = np.asarray(load("elnino").values), 12
    first, second = y[:season].mean(), y[season : 2 * season].mean()

    def run_theirs() -> Any:
        return StatsmodelsHoltWinters(
            y,
            trend="add",
            seasonal="add",
            seasonal_periods=season,
            initialization_method="known",
            initial_level=first,
            initial_trend=(second - first) / season,
            initial_seasonal=y[:season] - first,
        ).fit()

    def run_ours() -> HoltWinters:
        return HoltWinters(season).fit(y)

    ours = run_ours().sigma ** 2 * (len(y) - 3)
    assert ours <= 1.02 * run_theirs().sse, "the errors that are left must not be larger"
    return run_ours, run_theirs


ROWS = [
    Row(
        f"causal convolution, forward and backward ({B} × {T} × {D}, {KERNEL} taps)",
        "torch.nn.Conv1d",
        2.0,
        convolution,
        note="ours has time as its second axis, as all of the package; theirs as its last",
    ),
    Row("padding 2000 sequences of 1 to 100 steps", "torch pad_sequence", 2.0, padding),
    Row("Holt-Winters, three parameters chosen, 732 months", "statsmodels", 2.0, holt_winters),
]
