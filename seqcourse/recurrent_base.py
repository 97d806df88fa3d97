"""What the RNN, the LSTM and the GRU layers share: all but the step itself.

That is depth, direction, dropout, padding, states, and the choice between three equal
ways to compute. The layers themselves are in `seqcourse.recurrent`.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ClassVar, Literal, TypeAlias, get_args

import torch
import torch.nn.functional as F
from jaxtyping import Int
from torch import Tensor, nn
from torch.backends import cudnn
from torch.backends.cudnn.rnn import get_cudnn_mode
from torch.nn.utils.rnn import pad_packed_sequence

from seqcourse._checks import check_choice, check_positive, check_probability
from seqcourse.batching import Padded, pack
from seqcourse.recurrent_cells import Weights
from seqcourse.recurrent_padding import (
    Sequences,
    last,
    like,
    real_places,
    turned,
    unpacked,
)

__all__ = ["Backend", "Init", "Parts", "Recurrent"]

Init: TypeAlias = Literal["uniform", "orthogonal"]
"""How the recurrent weights begin."""

Backend: TypeAlias = Literal["auto", "cells", "fused", "torch"]
"""Which code runs: the cell in a loop, our fused kernels, or PyTorch's own."""

Lengths: TypeAlias = Int[Tensor, " B"] | None
Parts: TypeAlias = tuple[Tensor, ...]
"""The tensors of a state: (h,), or (h, c) for the LSTM."""


class Recurrent(nn.Module, ABC):
    """A stack of recurrent cells that read sequences; subclasses say what a step is.

    Options, shapes and errors are those of `seqcourse.recurrent.RNN`.
    """

    gates: ClassVar[int]
    """How many blocks of rows the weight matrices have."""

    parts: ClassVar[int] = 1
    """How many tensors a state has."""

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
        backend: Backend = "auto",
    ) -> None:
        super().__init__()
        check_positive("input_size", input_size)
        check_positive("hidden_size", hidden_size)
        check_positive("num_layers", num_layers)
        check_probability("dropout", dropout)
        if dropout and num_layers == 1:
            raise ValueError("dropout acts between layers, but num_layers is 1")
        check_choice("init", init, get_args(Init))
        check_choice("backend", backend, get_args(Backend))
        self.input_size, self.hidden_size = input_size, hidden_size
        self.num_layers, self.bias = num_layers, bias
        self.dropout, self.bidirectional = dropout, bidirectional
        self.init, self.backend = init, backend
        self._side_by_side = -1  # where cuDNN has put the weights
        for layer in range(num_layers):
            width = input_size if layer == 0 else hidden_size * self.directions
            for direction in range(self.directions):
                for name, shape in self._shapes(width).items():
                    full = name + self._suffix(layer, direction)
                    self.register_parameter(full, nn.Parameter(torch.empty(shape)))
        self.reset_parameters()

    def _shapes(self, width: int) -> dict[str, tuple[int, ...]]:
        rows = self.gates * self.hidden_size
        weights = {"weight_ih": (rows, width), "weight_hh": (rows, self.hidden_size)}
        return weights | ({"bias_ih": (rows,), "bias_hh": (rows,)} if self.bias else {})

    def _suffix(self, layer: int, direction: int) -> str:
        return f"_l{layer}" + ("_reverse" if direction else "")

    @property
    def directions(self) -> int:
        """2 if the layer reads both ways, else 1."""
        return 2 if self.bidirectional else 1

    def weights(self, layer: int = 0, direction: int = 0) -> Weights:
        """Return one cell's weights: of which layer, forwards (0) or backwards (1)."""
        suffix = self._suffix(layer, direction)
        return Weights(*(getattr(self, name + suffix) for name in self._shapes(1)))

    def reset_parameters(self) -> None:
        """Draw all parameters anew, as `init` says."""
        bound = 1 / math.sqrt(self.hidden_size)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -bound, bound)
        if self.init == "orthogonal":
            for name, parameter in self.named_parameters():
                if name.startswith("weight_hh"):
                    for gate in parameter.detach().chunk(self.gates):
                        nn.init.orthogonal_(gate)

    def extra_repr(self) -> str:
        """Return the sizes and options, for `print`."""
        return (
            f"{self.input_size}, {self.hidden_size}, num_layers={self.num_layers}, "
            f"bias={self.bias}, dropout={self.dropout}, "
            f"bidirectional={self.bidirectional}"
        )

    # --- one cell over time, time first ---

    @abstractmethod
    def _step(self, x: Tensor, state: Parts, weights: Weights) -> Parts:
        """Return the state after one step: the cell's equations."""

    @abstractmethod
    def _fused(self, x: Tensor, state: Parts, weights: Weights) -> Parts:
        """Return the states after each step, by the quick path."""

    def _unrolled(self, x: Tensor, state: Parts, weights: Weights) -> Parts:
        """Return the states after each step, one step at a time: the teaching path."""
        states = []
        for now in x:
            state = self._step(now, state, weights)
            states.append(state)
        return tuple(torch.stack(part) for part in zip(*states, strict=True))

    # --- all cells ---

    def run(self, x: Sequences, state: Parts | None) -> tuple[Sequences, Parts]:
        """Return the output and the last states; a state is a tuple of its parts."""
        values, lengths = unpacked(x)
        _check_values(self, values, lengths)
        if state is None:
            count = self.num_layers * self.directions
            zeros = values.new_zeros(count, len(values), self.hidden_size)
            state = (zeros,) * self.parts
        _check_state(self, state, len(values))
        by_library = self.backend == "torch" or (
            self.backend == "auto" and values.is_cuda
        )
        if by_library and values.is_cuda:  # cuDNN casts automatically where that is on
            output, state = self._run_library(values, lengths, state)
        else:
            run = self._run_library if by_library else self._run_cells
            with _one_dtype(values.device.type):
                dtype = self.weights().hh.dtype
                state = tuple(part.to(dtype) for part in state)
                output, state = run(values.to(dtype), lengths, state)
        return like(x, output), state

    def _run_cells(
        self, values: Tensor, lengths: Lengths, state: Parts
    ) -> tuple[Tensor, Parts]:
        x = values.transpose(0, 1)  # (T, B, D)
        final: list[Parts] = []
        for layer in range(self.num_layers):
            x = F.dropout(x, self.dropout, self.training and layer > 0)
            x = _blanked(x, lengths)  # what stands there, even NaN, meets no weight
            outputs = []
            for direction in range(self.directions):
                start = tuple(part[len(final)] for part in state)
                read = turned(x, lengths) if direction else x
                states = self._run_cell(read, start, self.weights(layer, direction))
                final.append(tuple(last(part, lengths) for part in states))
                outputs.append(turned(states[0], lengths) if direction else states[0])
            x = torch.cat(outputs, dim=-1)  # (T, B, directions · H)
        parts = tuple(torch.stack(part) for part in zip(*final, strict=True))
        return _blanked(x, lengths).transpose(0, 1), parts

    def _run_cell(self, x: Tensor, state: Parts, weights: Weights) -> Parts:
        over_time = self._unrolled if self.backend == "cells" else self._fused
        return over_time(x, state, weights)

    # --- PyTorch's own functions, for all cells at once ---

    @property
    @abstractmethod
    def _library(self) -> tuple[Callable[..., tuple[Tensor, ...]], str]:
        """PyTorch's function for all cells at once, and cuDNN's name for the cell."""

    def _run_library(
        self, values: Tensor, lengths: Lengths, state: Parts
    ) -> tuple[Tensor, Parts]:
        function, _ = self._library
        options = (
            self._flat_weights(),
            self.bias,
            self.num_layers,
            self.dropout,
            self.training,
            self.bidirectional,
        )
        if lengths is None:
            output, *final = function(values, _argument(state), *options, True)
            return output, tuple(final)
        packed = pack(Padded(values, lengths))
        ordered = tuple(part[:, packed.sorted_indices] for part in state)
        data, *final = function(
            packed.data, packed.batch_sizes, _argument(ordered), *options
        )
        output, _ = pad_packed_sequence(
            packed._replace(data=data), batch_first=True, total_length=values.shape[1]
        )
        return output, tuple(part[:, packed.unsorted_indices] for part in final)

    def _flat_weights(self) -> list[Tensor]:
        """Return all weights in order; on a GPU, side by side, as cuDNN wants them."""
        weights: list[Tensor] = list(self.parameters())
        first = weights[0]
        if cudnn.is_acceptable(first) and first.data_ptr() != self._side_by_side:
            with torch.no_grad():
                torch._cudnn_rnn_flatten_weight(
                    weights,
                    weight_stride0=4 if self.bias else 2,
                    input_size=self.input_size,
                    mode=get_cudnn_mode(self._library[1]),
                    hidden_size=self.hidden_size,
                    proj_size=0,
                    num_layers=self.num_layers,
                    batch_first=True,
                    bidirectional=self.bidirectional,
                )
            self._side_by_side = first.data_ptr()
        return weights


@contextmanager
def _one_dtype(device: str) -> Iterator[None]:
    """Switch automatic casting off within a block: all steps in one dtype."""
    if not torch.is_autocast_enabled(device):
        yield
        return
    with torch.autocast(device, enabled=False):
        yield


def _blanked(x: Tensor, lengths: Lengths) -> Tensor:
    """Return x with zeros in the padding."""
    return x if lengths is None else x.where(real_places(len(x), lengths), 0)


def _argument(state: Parts) -> Parts | Tensor:
    """Return a state as PyTorch's functions take it: bare, if it is one tensor."""
    return state if len(state) > 1 else state[0]


def _check_values(layer: Recurrent, values: Tensor, lengths: Lengths) -> None:
    expected = f"x must have shape (B, T, {layer.input_size})"
    if values.ndim != 3 or values.shape[2] != layer.input_size:
        raise ValueError(f"{expected}, but has {tuple(values.shape)}")
    if not values.numel():
        raise ValueError(
            f"{expected} with B, T ≥ 1, but is empty: {tuple(values.shape)}"
        )
    dtype = layer.weights().hh.dtype
    if values.dtype != dtype and not torch.is_autocast_enabled(values.device.type):
        hint = "convert it" if values.is_floating_point() else "embed ids first"
        raise TypeError(
            f"x must have the parameters' dtype {dtype}, but has {values.dtype}; {hint}"
        )
    if lengths is None:
        return
    if lengths.shape != values.shape[:1]:
        raise ValueError(
            f"lengths must have shape ({len(values)},), one for each row of x, "
            f"but has {tuple(lengths.shape)}"
        )
    low, high = int(lengths.min()), int(lengths.max())
    if low < 1 or high > values.shape[1]:
        wrong = low if low < 1 else high
        raise ValueError(
            f"lengths must be within 1 … {values.shape[1]}, but one is {wrong}; "
            "leave empty sequences out of the batch"
        )


def _check_state(layer: Recurrent, state: Parts, rows: int) -> None:
    if len(state) != layer.parts:
        raise ValueError(f"the state must be a pair (h, c), but has {len(state)} parts")
    expected = (layer.num_layers * layer.directions, rows, layer.hidden_size)
    for part in state:
        if part.shape != expected:
            raise ValueError(
                f"the state must have shape (L · directions, B, H) = {expected}, "
                f"but has {tuple(part.shape)}"
            )
