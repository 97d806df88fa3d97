"""Python values as the bytes of a frame, and back. `wire.py` lists what the marks hold.

Encoding goes by exact type: a subclass is sent as the plain value that it holds, whatever its
methods say. An object that is no value stays where it is, and a reference to it is sent.
Decoding makes exact types only, and nothing much larger than the bytes that arrived.

A tensor is a copy of its numbers. What autograd knows of it crosses as three fields: whether it is
a leaf (None: it needs no gradient), the gradient that a leaf has collected, and, where the sender
keeps the tensor so that it can be asked for gradients later, the number that it keeps it under.
This module is also mounted in the sandbox, so it imports only `wire` of `autograder`.
"""

import itertools
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from math import prod
from typing import Any

import msgpack
import numpy as np

from autograder.wire import MAX_BYTES, Mark, TooLargeError, WireError, check

__all__ = ["decode", "encode"]

MAX_AXES = 32
MAX_INT_BYTES = 512
MAX_SAME_HASH = 64
MAX_EMPTY_ROWS = 2**20  # each costs no byte on the wire, and an object in a list

Refer = Callable[[Any], Iterable[Any]]
Resolve = Callable[[list[Any]], Any]
Keep = Callable[[Any], int | None]
Link = Callable[[Any, int], Any]

_INTEGERS = {f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)}
_NUMPY = frozenset({"bool", "float16", "float32", "float64", "complex64", "complex128"} | _INTEGERS)
_TORCH = (_NUMPY | {"bfloat16"}) - {"uint16", "uint32", "uint64"}
_DEVICE = re.compile(r"(cpu|cuda|mps)(:\d{1,3})?")


# --- encoding ------------------------------------------------------------------------------------


def encode(
    value: Any, refer: Refer | None = None, max_bytes: int = MAX_BYTES, *, keep: Keep | None = None
) -> bytes:
    """Return the bytes of a value. `refer(object)` gives the fields of a reference to it.

    `keep(tensor)` gives the number under which a tensor that needs a gradient is kept, or None.
    WireError when the value is too large, too deep, or holds what can't be sent.
    """
    try:
        data = msgpack.packb(value, default=_Encoder(refer, keep, max_bytes), strict_types=True)
    except WireError:
        raise
    except (ValueError, RecursionError, MemoryError, OverflowError, TypeError) as error:
        raise WireError(f"the value can't be sent: {error}") from error
    if len(data) > max_bytes:
        raise TooLargeError(f"a value of {len(data):,} bytes; at most {max_bytes:,} can be sent")
    check(data)
    return data


class _Encoder:
    """msgpack's hook for whatever is no plain value of exact type."""

    def __init__(self, refer: Refer | None, keep: Keep | None, max_bytes: int) -> None:
        self.refer, self.keep, self.max_bytes = refer, keep, max_bytes

    def __call__(self, value: Any) -> Any:
        kind = type(value)
        for base, convert in _CONVERT.items():
            if issubclass(kind, base):
                return convert(value)
        if issubclass(kind, np.ndarray):
            array = _portable(np.ndarray.view(value, np.ndarray))
            return self._array(array) or self._reference(value)
        if issubclass(kind, np.generic) and (value := _portable(value)).dtype.name in _NUMPY:
            return [_mark(Mark.SCALAR), value.dtype.name, np.asarray(value).tobytes()]
        if torch := sys.modules.get("torch"):
            if issubclass(kind, torch.Tensor):
                known = kind in (torch.Tensor, torch.nn.Parameter)
                plain = value if known else value.as_subclass(torch.Tensor)
                return self._tensor(torch, plain) or self._reference(value)
            if kind in (torch.dtype, torch.device):
                return _about_tensors(torch, value) or self._reference(value)
        if issubclass(kind, complex | float):  # after numpy's own: np.float64 is a float too
            return _plain(kind, value)
        return self._reference(value)

    def _array(self, array: np.ndarray) -> list[Any] | None:
        name = array.dtype.name
        self._check_size(array.nbytes)
        if array.dtype.kind == "U":
            return [_mark(Mark.STRINGS), list(array.shape), *array.ravel().tolist()]
        if name not in _NUMPY:
            return None
        native = array.astype(array.dtype.newbyteorder("<"), copy=False)
        return [_mark(Mark.ARRAY), name, list(array.shape), native.tobytes()]

    def _tensor(self, torch: Any, tensor: Any) -> list[Any] | None:
        name = str(tensor.dtype).removeprefix("torch.")
        if name not in _TORCH or tensor.layout is not torch.strided or tensor.is_meta:
            return None
        self._check_size(tensor.numel() * tensor.element_size())
        data = _tensor_bytes(torch, tensor)
        return [_mark(Mark.TENSOR), name, list(tensor.shape), data, *self._history(tensor)]

    def _history(self, tensor: Any) -> tuple[bool | None, Any, int | None]:
        """Whether a tensor is a leaf, the gradient that it has collected, and its number."""
        if not tensor.requires_grad:
            return None, None, None
        number = self.keep(tensor) if self.keep is not None else None
        if not tensor.is_leaf:
            return False, None, number
        return True, _dense(tensor.grad), number

    def _check_size(self, size: int) -> None:
        if size > self.max_bytes:
            most = self.max_bytes
            raise TooLargeError(f"an array of {size:,} bytes; at most {most:,} can be sent")

    def _reference(self, value: Any) -> list[Any]:
        if self.refer is None:
            raise WireError(f"a {type(value).__name__} can't be sent")
        return [_mark(Mark.REFERENCE), *self.refer(value)]


def _portable(value: Any) -> Any:
    """Return long doubles as doubles: every machine has a format of its own for them."""
    narrower = {"g": np.float64, "G": np.complex128}.get(value.dtype.char)
    return value if narrower is None else value.astype(narrower)


def _mark(mark: Mark) -> msgpack.ExtType:
    return msgpack.ExtType(int(mark), b"")


def _big_int(value: int) -> Any:
    plain = int.__pos__(value)
    if -(2**63) <= plain < 2**64:
        return plain
    size = plain.bit_length() // 8 + 1
    if size > MAX_INT_BYTES:
        raise WireError(f"an int of {size:,} bytes; at most {MAX_INT_BYTES} can be sent")
    return [_mark(Mark.INT), plain.to_bytes(size, "little", signed=True)]


# Subclasses too: what the value holds, read with the base class's own methods.
_CONVERT: dict[type, Callable[[Any], Any]] = {
    int: _big_int,
    str: str.__str__,
    bytes: lambda value: bytes.__getitem__(value, slice(None)),
    bytearray: bytes,
    tuple: lambda value: [_mark(Mark.TUPLE), *tuple.__iter__(value)],
    list: lambda value: list.__getitem__(value, slice(None)),
    dict: dict.copy,
    set: lambda value: [_mark(Mark.SET), *set.__iter__(value)],
    frozenset: lambda value: [_mark(Mark.FROZENSET), *frozenset.__iter__(value)],
    slice: lambda value: [_mark(Mark.SLICE), value.start, value.stop, value.step],
}


def _plain(kind: type, value: Any) -> Any:
    if issubclass(kind, float):
        return float.__pos__(value)
    number = complex.__pos__(value)
    return [_mark(Mark.COMPLEX), number.real, number.imag]


def _about_tensors(torch: Any, value: Any) -> list[Any] | None:
    name = str(value).removeprefix("torch.")
    if type(value) is torch.device:
        return [_mark(Mark.DEVICE), name] if _DEVICE.fullmatch(name) else None
    return [_mark(Mark.DTYPE), name] if name in _TORCH else None


def _dense(grad: Any) -> Any:
    """Return a gradient as a plain value: embeddings may collect sparse ones."""
    if grad is None:
        return None
    return grad.detach().to_dense() if grad.is_sparse else grad.detach()


def _tensor_bytes(torch: Any, tensor: Any) -> bytes:
    plain = tensor.detach().cpu().resolve_conj().resolve_neg().contiguous()
    if plain.dtype is torch.bfloat16:
        plain = plain.view(torch.int16)
    return bytes(plain.numpy().tobytes())


# --- decoding -----------------------------------------------------------------------------------


def decode(data: bytes, resolve: Resolve | None = None, *, link: Link | None = None) -> Any:
    """Return the value of some bytes; `resolve(fields)` gives the object of a reference.

    `link(tensor, number)` gives what stands for a tensor that the sender kept under a number.
    WireError for anything but the bytes of one allowed value.
    """
    check(data)
    try:
        return msgpack.unpackb(
            data,
            strict_map_key=False,
            ext_hook=lambda code, _: Mark(code),
            list_hook=_Frame(resolve, link).revive,
            object_pairs_hook=_dict,
        )
    except WireError:
        raise
    except _NOT_A_FRAME as error:
        raise WireError(f"not a frame: {error}") from error


_NOT_A_FRAME: tuple[type[Exception], ...] = (
    *(ValueError, TypeError, LookupError, RecursionError, OverflowError, MemoryError),
    msgpack.UnpackException,
)


class _Frame:
    """What the lists of one frame become. Its strings, all made as wide as the longest, are few."""

    def __init__(self, resolve: Resolve | None, link: Link | None) -> None:
        self._resolve, self._link = resolve, link
        self._room = MAX_BYTES

    def revive(self, items: list[Any]) -> Any:
        """Return what a list stands for: itself, unless it begins with a mark."""
        if not items or type(items[0]) is not Mark:
            return items
        mark, fields = items[0], items[1:]
        if mark is Mark.REFERENCE:
            if self._resolve is None:
                raise WireError("a reference where only values are allowed")
            return self._resolve(fields)
        if mark is Mark.TENSOR:
            return _tensor(*fields, link=self._link)
        return self._strings(*fields) if mark is Mark.STRINGS else _REVIVE[mark](fields)

    def _strings(self, shape: Any, *items: Any) -> np.ndarray:
        if len(items) != _size(shape) or not all(type(item) is str for item in items):
            raise WireError("an array of strings that don't fit its shape")
        self._room -= max(map(len, items), default=0) * len(items) * 4
        if self._room < 0:
            raise WireError("arrays of strings that are too long")
        return np.array(items, dtype=np.str_).reshape(shape)


# --- containers and numbers ---


def _dict(pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
    _check_hashes([key for key, _ in pairs])
    return dict(pairs)


def _check_hashes(keys: list[Any]) -> None:
    """Refuse keys made to collide: a million of them would keep a dict or set busy for days."""
    if len(keys) > MAX_SAME_HASH:
        ((_, most),) = Counter(map(hash, keys)).most_common(1)
        if most > MAX_SAME_HASH:
            raise WireError(f"{most:,} keys of the same hash")


def _set(kind: type, items: list[Any]) -> Any:
    _check_hashes(items)
    return kind(items)


def _slice(start: Any, stop: Any, step: Any) -> slice:
    return slice(start, stop, step)


def _int(data: Any) -> int:
    if type(data) is not bytes or len(data) > MAX_INT_BYTES:
        raise WireError("an int that is too long")
    return int.from_bytes(data, "little", signed=True)


def _complex(real: Any, imag: Any) -> complex:
    if type(real) is not float or type(imag) is not float:
        raise WireError("a complex number that is not made of two floats")
    return complex(real, imag)


# --- arrays ---


def _array(dtype: Any, shape: Any, data: Any) -> np.ndarray:
    if type(dtype) is not str or dtype not in _NUMPY:
        raise WireError(f"no dtype that may be sent: {dtype!r:.40}")
    kind = np.dtype(dtype).newbyteorder("<")
    if type(data) is not bytes or len(data) != _size(shape) * kind.itemsize:
        raise WireError("an array whose bytes don't fit its shape")
    array = np.ndarray(tuple(shape), kind, buffer=bytearray(data))
    # A bool of 2 would be true and yet unequal to True.
    return np.not_equal(array.view(np.uint8), 0, out=array) if dtype == "bool" else array


def _size(shape: Any) -> int:
    if type(shape) is not list or len(shape) > MAX_AXES:
        raise WireError("an array without a proper shape")
    if not all(type(size) is int and size >= 0 for size in shape):
        raise WireError("an array without a proper shape")
    if not prod(shape):
        rows = prod(itertools.takewhile(bool, shape))
        if rows > MAX_EMPTY_ROWS or prod(max(size, 1) for size in shape) > MAX_BYTES:
            raise WireError("an empty array of too many rows")
    return prod(shape)


# --- tensors ---


def _tensor(
    dtype: Any, shape: Any, data: Any, is_leaf: Any, grad: Any, number: Any, *, link: Link | None
) -> Any:
    """Return a tensor with what autograd knew of it."""
    tensor = _numbers(dtype, shape, data)
    if is_leaf is None and grad is None and number is None:
        return tensor
    if type(is_leaf) is not bool or not (tensor.is_floating_point() or tensor.is_complex()):
        raise WireError("a tensor that can't have a gradient, and has one")
    if is_leaf:
        tensor.requires_grad_().grad = _gradient(tensor, grad)
    elif grad is not None:
        raise WireError("a gradient collected by a tensor that is no leaf")
    if number is None:
        return tensor
    if link is None or type(number) is not int:
        raise WireError("a tensor of a graph where only values are allowed")
    return link(tensor, number)


def _gradient(tensor: Any, grad: Any) -> Any:
    if grad is None:
        return None
    if type(grad) is not type(tensor) or (grad.shape, grad.dtype) != (tensor.shape, tensor.dtype):
        raise WireError("a gradient that doesn't fit its tensor")
    return grad.detach()


def _numbers(dtype: Any, shape: Any, data: Any) -> Any:
    import torch  # not needed, and 2 s to import, in suites without tensors

    _torch_name(dtype, _TORCH)
    if dtype != "bfloat16":
        return torch.from_numpy(_array(dtype, shape, data))
    array = _array("int16", shape, data)  # NumPy has no bfloat16
    tensor = torch.empty(array.shape, dtype=torch.bfloat16)  # no view: it may join a graph
    tensor.view(torch.int16).numpy()[...] = array
    return tensor


def _dtype(name: Any) -> Any:
    import torch

    return getattr(torch, _torch_name(name, _TORCH))


def _device(name: Any) -> Any:
    import torch

    if type(name) is not str or not _DEVICE.fullmatch(name):
        raise WireError(f"no device that may be named: {name!r:.40}")
    return torch.device(name)


def _torch_name(name: Any, known: frozenset[str]) -> str:
    if type(name) is not str or name not in known:
        raise WireError(f"no dtype that may be sent: {name!r:.40}")
    return name


_REVIVE: dict[Mark, Callable[[list[Any]], Any]] = {
    Mark.TUPLE: tuple,
    Mark.SET: lambda items: _set(set, items),
    Mark.FROZENSET: lambda items: _set(frozenset, items),
    Mark.SLICE: lambda fields: _slice(*fields),
    Mark.INT: lambda fields: _int(*fields),
    Mark.COMPLEX: lambda fields: _complex(*fields),
    Mark.ARRAY: lambda fields: _array(*fields),
    Mark.SCALAR: lambda fields: _array(fields[0], [], *fields[1:])[()],
    Mark.DTYPE: lambda fields: _dtype(*fields),
    Mark.DEVICE: lambda fields: _device(*fields),
}
