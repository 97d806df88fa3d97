"""Convolution over time: the same small window of weights, moved along a sequence.

Time is the second axis here, (B, T, D), as everywhere in this package;
`torch.nn.Conv1d` has it last, (B, D, T). Weights have torch's shape (E, D, K): E
outputs, D inputs, K taps.

A *causal* convolution is padded on the left alone, so that its output at time t depends
on times up to t only. *Dilated* by d, its taps stand d steps apart; stacked with
dilations 1, 2, 4, … the receptive field grows exponentially with depth (van den Oord et
al. 2016).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from seqcourse._checks import check_id, check_positive
from seqcourse.neural import NeuralLM

__all__ = [
    "CausalConv1d",
    "CausalConvLM",
    "ConvLMConfig",
    "ConvNetConfig",
    "GatedBlock",
    "TemporalConvNet",
    "conv1d",
    "receptive_field",
]

Units: TypeAlias = Float[Tensor, "B T D"]
Past: TypeAlias = Float[Tensor, "B P D"]


def conv1d(
    inputs: Float[Tensor, "B T D"],
    weight: Float[Tensor, "E D K"],
    bias: Float[Tensor, " E"] | None = None,
    *,
    stride: int = 1,
    dilation: int = 1,
    padding: tuple[int, int] = (0, 0),
) -> Float[Tensor, "B T1 E"]:
    """Convolve from scratch: gather the K taps of each output, then sum them, weighted.

    As in all of deep learning this is a cross-correlation: the kernel is not flipped.

    >>> x = torch.tensor([1.0, 2.0, 4.0, 8.0]).view(1, 4, 1)
    >>> conv1d(x, torch.tensor([[[-1.0, 1.0]]])).flatten()  # differences
    tensor([1., 2., 4.])

    Args:
        inputs: B sequences of T steps with D units.
        weight: tap k of output e and input d.
        bias: added to each output.
        stride: steps from one output to the next.
        dilation: steps from one tap to the next.
        padding: zeros before the first step and after the last.

    Returns:
        T1 = ⌊(T + padding - dilation (K - 1) - 1) / stride⌋ + 1 steps.

    Raises:
        ValueError: if stride or dilation is below 1, or the sequence shorter than the
            kernel.
    """
    check_positive("stride", stride)
    check_positive("dilation", dilation)
    padded = F.pad(inputs, (0, 0, *padding))
    taps = torch.arange(weight.shape[-1], device=inputs.device) * dilation  # (K,)
    reach = dilation * (weight.shape[-1] - 1) + 1
    if padded.shape[1] < reach:
        raise ValueError(
            f"the kernel spans {reach} steps, but the padded inputs {padded.shape[1]}"
        )
    first = torch.arange(0, padded.shape[1] - reach + 1, stride, device=inputs.device)
    windows = padded[:, first[:, None] + taps]  # (B, T1, K, D)
    outputs = torch.einsum("btkd,edk->bte", windows, weight)
    return outputs if bias is None else outputs + bias


def receptive_field(kernel: int, dilations: Sequence[int]) -> int:
    """Return how many steps, the present one included, stacked layers can see.

    >>> receptive_field(kernel=2, dilations=(1, 2, 4, 8))
    16
    """
    return 1 + (kernel - 1) * sum(dilations)


class CausalConv1d(nn.Module):
    """A convolution that sees the present and the past, never the future.

    Weights start as those of `torch.nn.Conv1d`: uniform within ±1/√(D K).

    Args:
        in_width: D.
        out_width: E.
        kernel: K taps, at least 1.
        dilation: steps from one tap to the next, at least 1.

    Raises:
        ValueError: if a number is below 1.
    """

    def __init__(
        self, in_width: int, out_width: int, *, kernel: int, dilation: int = 1
    ) -> None:
        super().__init__()
        sizes = {"in_width": in_width, "out_width": out_width}
        for name, size in {**sizes, "kernel": kernel, "dilation": dilation}.items():
            check_positive(name, size)
        bound = 1 / math.sqrt(in_width * kernel)
        self.weight = nn.Parameter(
            torch.empty(out_width, in_width, kernel).uniform_(-bound, bound)
        )
        self.bias = nn.Parameter(torch.empty(out_width).uniform_(-bound, bound))
        self.dilation = dilation
        self.past = (kernel - 1) * dilation
        """How many earlier steps an output depends on."""

    def extra_repr(self) -> str:
        """Return what torch shows of this layer."""
        out_width, in_width, kernel = self.weight.shape
        return f"{in_width}, {out_width}, kernel={kernel}, dilation={self.dilation}"

    def forward(self, inputs: Float[Tensor, "B T D"]) -> Float[Tensor, "B T E"]:
        """Return one output a step; what came before the first step counts as zeros."""
        return self.advance(inputs, self.begin(inputs))[0]

    def begin(self, inputs: Float[Tensor, "B T D"]) -> Float[Tensor, "B P D"]:
        """Return the past before the first step: zeros."""
        return inputs.new_zeros(len(inputs), self.past, inputs.shape[-1])

    def advance(
        self, inputs: Float[Tensor, "B T D"], past: Float[Tensor, "B P D"]
    ) -> tuple[Float[Tensor, "B T E"], Float[Tensor, "B P D"]]:
        """Go on after P earlier inputs; return outputs, and the last P inputs now."""
        seen = torch.cat([past, inputs], dim=1)  # (B, P + T, D)
        # fast path of conv1d(seen, self.weight, self.bias, dilation=self.dilation)
        outputs = F.conv1d(seen.mT, self.weight, self.bias, dilation=self.dilation).mT
        return outputs, seen[:, seen.shape[1] - self.past :]


class GatedBlock(nn.Module):
    """WaveNet's block: a gated causal convolution, a way around it, and a way out.

    van den Oord et al. (2016), eq. 2 and figure 4: z = tanh(W_f * x) ⊙ σ(W_g * x); from
    z one linear map is added to x (residual), another leads to the output (skip).

    Args:
        width: D, of inputs and outputs.
        kernel: K taps.
        dilation: steps from one tap to the next.
        dropout: share of z that is set to zero in training.
    """

    def __init__(
        self, width: int, *, kernel: int, dilation: int, dropout: float
    ) -> None:
        super().__init__()
        self.convolution = CausalConv1d(
            width, 2 * width, kernel=kernel, dilation=dilation
        )
        self.residual = nn.Linear(width, width)
        self.skip = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, inputs: Units, past: Past | None = None
    ) -> tuple[Units, Units, Past]:
        """Return what goes to the next block, what goes out, and the new past."""
        past = self.convolution.begin(inputs) if past is None else past
        both, past = self.convolution.advance(inputs, past)  # (B, T, 2 D)
        filtered, gate = both.chunk(2, dim=-1)
        gated = self.dropout(torch.tanh(filtered) * torch.sigmoid(gate))  # (B, T, D)
        return inputs + self.residual(gated), self.skip(gated), past


@dataclass(frozen=True)
class ConvNetConfig:
    """Shape of a `TemporalConvNet`.

    Attributes:
        width: D units at each step.
        kernel: K taps of each convolution.
        dilations: one block for each, from the input on.
        dropout: within each block.
    """

    width: int = 64
    kernel: int = 2
    dilations: tuple[int, ...] = (1, 2, 4, 8)
    dropout: float = 0.0

    @property
    def receptive_field(self) -> int:
        """How many steps, the present one included, an output can see."""
        return receptive_field(self.kernel, self.dilations)


class TemporalConvNet(nn.Module):
    """Gated causal blocks one upon another, whose ways out are summed.

    Its outputs depend on no later input, so what stands behind a sequence as padding
    changes nothing in it.

    Args:
        config: its shape.

    Raises:
        ValueError: if there is no dilation, or a number is below 1.
    """

    def __init__(self, config: ConvNetConfig) -> None:
        super().__init__()
        if not config.dilations:
            raise ValueError("dilations is empty: name one for each block")
        self.config = config
        self.blocks = nn.ModuleList(
            GatedBlock(
                config.width,
                kernel=config.kernel,
                dilation=dilation,
                dropout=config.dropout,
            )
            for dilation in config.dilations
        )
        self.output = nn.Linear(config.width, config.width)

    def forward(self, inputs: Float[Tensor, "B T D"]) -> Float[Tensor, "B T D"]:
        """Return D units a step, each depending on the last `receptive_field` steps."""
        return self.advance(inputs, None)[0]

    def advance(
        self, inputs: Float[Tensor, "B T D"], state: list[Tensor] | None
    ) -> tuple[Float[Tensor, "B T D"], list[Tensor]]:
        """Go on from a state (None: from nothing): the last inputs of each block."""
        before = [None] * len(self.blocks) if state is None else state
        total, pasts = torch.zeros_like(inputs), []
        for block, past in zip(self.blocks, before, strict=True):
            inputs, skip, now = block(inputs, past)
            total = total + skip
            pasts.append(now)
        return self.output(F.relu(total)), pasts


@dataclass(frozen=True)
class ConvLMConfig:
    """Shape of a `CausalConvLM`.

    Attributes:
        vocab_size: V.
        start_id: the id that is read before the first token of every text.
        net: shape of the network between embedding and logits.
    """

    vocab_size: int
    start_id: int = 0
    net: ConvNetConfig = ConvNetConfig()


class CausalConvLM(NeuralLM):
    """A language model of causal convolutions: WaveNet, for tokens.

    It is an n-gram model whose n is the receptive field, and whose probabilities are
    computed, not counted. Embeddings start as standard normal numbers.

    Args:
        config: its shape.

    Raises:
        ValueError: if the start id is not in the vocabulary.
    """

    def __init__(self, config: ConvLMConfig) -> None:
        super().__init__()
        check_id("start_id", config.start_id, config.vocab_size)
        self.config = config
        self.vocab_size, self.start_id = config.vocab_size, config.start_id
        self.context_length = None  # it reads on for ever, and forgets
        self.embedding = nn.Embedding(config.vocab_size, config.net.width)
        self.net = TemporalConvNet(config.net)
        self.head = nn.Linear(config.net.width, config.vocab_size)

    def forward(self, ids: Int[Tensor, "B T"]) -> Float[Tensor, "B T V"]:
        """Return the logits of the next token at each place, all places at once."""
        return self.advance(ids, None)[0]

    def advance(
        self, ids: Int[Tensor, "B T"], state: list[Tensor] | None = None
    ) -> tuple[Float[Tensor, "B T V"], list[Tensor]]:
        """Read on from a state: for each block, its inputs as far back as it sees."""
        units, state = self.net.advance(self.embedding(ids), state)
        return self.head(units), state

    def reorder(self, state: list[Tensor], rows: Int[Tensor, " R"]) -> list[Tensor]:
        """Return the state of the given rows of the batch."""
        return [past[rows] for past in state]
