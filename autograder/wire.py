"""Frames and values between the trusted process and the sandbox. Both sides treat bytes as hostile.

A frame is four bytes of length and one msgpack value. Plain values are msgpack's own. All others
are lists that begin with a mark (an empty msgpack extension, legal nowhere else):

    [TUPLE, *items]  [SET, *items]  [FROZENSET, *items]  [INT, bytes]  [COMPLEX, real, imag]
    [ARRAY, dtype, shape, bytes]  [SCALAR, dtype, bytes]  [STRINGS, shape, *items]
    [TENSOR, dtype, shape, bytes, requires_grad, grad]    [REFERENCE, *fields]

Encoding goes by exact type: a subclass is sent as the plain value that it holds, whatever its
methods say. An object that is no value stays where it is, and a reference to it is sent.
Decoding walks the bytes once, counting elements and depth, before it allocates any of them.
This module is also mounted in the sandbox, so it imports nothing else of `autograder`.
"""

import socket
import struct
import sys
import time
from collections.abc import Callable, Iterable
from enum import IntEnum
from math import prod
from typing import Any

import msgpack
import numpy as np

__all__ = ["Channel", "Closed", "WireError", "decode", "encode"]

MAX_BYTES = 256 * 2**20
MAX_ELEMENTS = 2_000_000
MAX_DEPTH = 64
MAX_AXES = 32
MAX_INT_BYTES = 512

_LENGTH = struct.Struct(">I")
_CHUNK = 2**20

Refer = Callable[[Any], Iterable[Any]]
Resolve = Callable[[list[Any]], Any]


class WireError(ValueError):
    """A value that can't be sent, or bytes that are no valid frame. The message says why."""


class Closed(EOFError):  # noqa: N818  # a state of the wire, expected at every end
    """The other side is gone."""


class Mark(IntEnum):
    """What a marked list stands for."""

    TUPLE = 1
    SET = 2
    FROZENSET = 3
    INT = 4
    COMPLEX = 5
    ARRAY = 6
    SCALAR = 7
    STRINGS = 8
    TENSOR = 9
    REFERENCE = 10


# --- encoding ------------------------------------------------------------------------------------

_INTEGERS = {f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)}
_NUMPY = frozenset({"bool", "float16", "float32", "float64", "complex64", "complex128"} | _INTEGERS)
_TORCH = (_NUMPY | {"bfloat16"}) - {"uint16", "uint32", "uint64"}


def encode(value: Any, refer: Refer | None = None, max_bytes: int = MAX_BYTES) -> bytes:
    """Return the bytes of a value. `refer(object)` gives the fields of a reference to it.

    WireError when the value is too large, too deep, or holds what can't be sent.
    """
    try:
        data = msgpack.packb(value, default=_Encoder(refer, max_bytes), strict_types=True)
    except WireError:
        raise
    except (ValueError, RecursionError, MemoryError, OverflowError, TypeError) as error:
        raise WireError(f"the value can't be sent: {error}") from error
    if len(data) > max_bytes:
        raise WireError(f"a value of {len(data):,} bytes; at most {max_bytes:,} can be sent")
    _check(data)
    return data


class _Encoder:
    """msgpack's hook for whatever is no plain value of exact type."""

    def __init__(self, refer: Refer | None, max_bytes: int) -> None:
        self.refer, self.max_bytes = refer, max_bytes

    def __call__(self, value: Any) -> Any:
        kind = type(value)
        for base, convert in _CONVERT.items():
            if issubclass(kind, base):
                return convert(value)
        if issubclass(kind, np.ndarray):
            return self._array(np.ndarray.view(value, np.ndarray)) or self._reference(value)
        if issubclass(kind, np.generic) and value.dtype.name in _NUMPY:
            return [_mark(Mark.SCALAR), value.dtype.name, np.asarray(value).tobytes()]
        if (torch := sys.modules.get("torch")) and issubclass(kind, torch.Tensor):
            known = kind in (torch.Tensor, torch.nn.Parameter)
            plain = value if known else value.as_subclass(torch.Tensor)
            return self._tensor(torch, plain) or self._reference(value)
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
        shape, grad = list(tensor.shape), tensor.grad if tensor.is_leaf else None
        data = _tensor_bytes(torch, tensor)
        return [_mark(Mark.TENSOR), name, shape, data, bool(tensor.requires_grad), grad]

    def _check_size(self, size: int) -> None:
        if size > self.max_bytes:
            raise WireError(f"an array of {size:,} bytes; at most {self.max_bytes:,} can be sent")

    def _reference(self, value: Any) -> list[Any]:
        if self.refer is None:
            raise WireError(f"a {type(value).__name__} can't be sent")
        return [_mark(Mark.REFERENCE), *self.refer(value)]


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
}


def _plain(kind: type, value: Any) -> Any:
    if issubclass(kind, float):
        return float.__pos__(value)
    number = complex.__pos__(value)
    return [_mark(Mark.COMPLEX), number.real, number.imag]


def _tensor_bytes(torch: Any, tensor: Any) -> bytes:
    plain = tensor.detach().cpu().resolve_conj().resolve_neg().contiguous()
    if plain.dtype is torch.bfloat16:
        plain = plain.view(torch.int16)
    return bytes(plain.numpy().tobytes())


# --- decoding -----------------------------------------------------------------------------------


def decode(data: bytes, resolve: Resolve | None = None) -> Any:
    """Return the value of some bytes; `resolve(fields)` gives the object of a reference.

    WireError for anything but the bytes of one allowed value.
    """
    _check(data)
    try:
        return msgpack.unpackb(
            data,
            strict_map_key=False,
            ext_hook=lambda code, _: Mark(code),
            list_hook=lambda items: _revive(items, resolve),
        )
    except WireError:
        raise
    except _NOT_A_FRAME as error:
        raise WireError(f"not a frame: {error}") from error


_NOT_A_FRAME: tuple[type[Exception], ...] = (
    *(ValueError, TypeError, LookupError, RecursionError, OverflowError),
    msgpack.UnpackException,
)


def _revive(items: list[Any], resolve: Resolve | None) -> Any:
    if not items or type(items[0]) is not Mark:
        return items
    mark, fields = items[0], items[1:]
    if mark is Mark.REFERENCE:
        if resolve is None:
            raise WireError("a reference where only values are allowed")
        return resolve(fields)
    return _REVIVE[mark](fields)


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
    if not all(type(size) is int and 0 <= size < 2**62 for size in shape):
        raise WireError("an array without a proper shape")
    return prod(shape)


def _strings(fields: list[Any]) -> np.ndarray:
    shape, *items = fields
    if len(items) != _size(shape) or not all(type(item) is str for item in items):
        raise WireError("an array of strings that don't fit its shape")
    if max(map(len, items), default=0) * len(items) * 4 > MAX_BYTES:
        raise WireError("an array of strings that are too long")
    return np.array(items, dtype=np.str_).reshape(shape)


def _tensor(dtype: Any, shape: Any, data: Any, requires_grad: Any, grad: Any) -> Any:
    import torch  # not needed, and 2 s to import, in suites without tensors

    if type(dtype) is not str or dtype not in _TORCH:
        raise WireError(f"no dtype that may be sent: {dtype!r:.40}")
    array = _array("int16" if dtype == "bfloat16" else dtype, shape, data)
    tensor = torch.from_numpy(array)
    tensor = tensor.view(torch.bfloat16) if dtype == "bfloat16" else tensor
    if requires_grad is True and (tensor.is_floating_point() or tensor.is_complex()):
        tensor.requires_grad_()
        if type(grad) is torch.Tensor and (grad.shape, grad.dtype) == (tensor.shape, tensor.dtype):
            tensor.grad = grad
    return tensor


def _int(data: Any) -> int:
    if type(data) is not bytes or len(data) > MAX_INT_BYTES:
        raise WireError("an int that is too long")
    return int.from_bytes(data, "little", signed=True)


_REVIVE: dict[Mark, Callable[[list[Any]], Any]] = {
    Mark.TUPLE: tuple,
    Mark.SET: set,
    Mark.FROZENSET: frozenset,
    Mark.INT: lambda fields: _int(*fields),
    Mark.COMPLEX: lambda fields: complex(*fields),
    Mark.ARRAY: lambda fields: _array(*fields),
    Mark.SCALAR: lambda fields: _array(fields[0], [], *fields[1:])[()],
    Mark.STRINGS: _strings,
    Mark.TENSOR: lambda fields: _tensor(*fields),
}


# --- the walk before decoding ---------------------------------------------------------------------

_BYTES_AFTER = {0xCA: 4, 0xCB: 8, 0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8}
_BYTES_AFTER |= {0xD0: 1, 0xD1: 2, 0xD2: 4, 0xD3: 8, 0xC0: 0, 0xC2: 0, 0xC3: 0}
_TEXT_LENGTH = {0xC4: 1, 0xC5: 2, 0xC6: 4, 0xD9: 1, 0xDA: 2, 0xDB: 4}
_ITEMS_LENGTH = {0xDC: 2, 0xDD: 4, 0xDE: 2, 0xDF: 4}
_MARK_CODE = 0xC7
_PLAIN_SIZE = [
    1 if code < 0x80 or code >= 0xE0 else 1 + _BYTES_AFTER[code] if code in _BYTES_AFTER else 0
    for code in range(256)
]


def _check(data: bytes) -> None:
    """Walk the bytes: one value, all there, few enough elements, not too deep, marks in place."""
    at, count, open_items = 0, 0, [1]
    try:
        while open_items:
            if open_items[-1] == 0:
                open_items.pop()
                continue
            open_items[-1] -= 1
            count += 1
            if size := _PLAIN_SIZE[data[at]]:
                at += size
            else:
                at, items = _step(data, at)
                if items:
                    open_items.append(items)
            if count > MAX_ELEMENTS or len(open_items) > MAX_DEPTH:
                raise WireError(f"a value of over {MAX_ELEMENTS:,} elements, or nested too deeply")
    except (IndexError, struct.error) as error:
        raise WireError("a frame that ends too early") from error
    if at != len(data):
        raise WireError("a frame of the wrong length")


def _step(data: bytes, at: int) -> tuple[int, int]:
    """Step over a text or a list's head. Returns the next position and how many items follow."""
    code = data[at]
    if 0xA0 <= code < 0xC0:
        return at + 1 + (code & 31), 0
    if code in _TEXT_LENGTH:
        width = _TEXT_LENGTH[code]
        return at + 1 + width + _number(data, at + 1, width), 0
    if code < 0xA0:
        items, at, is_map = code & 15, at + 1, code < 0x90
    elif code in _ITEMS_LENGTH:
        width = _ITEMS_LENGTH[code]
        items, at, is_map = _number(data, at + 1, width), at + 1 + width, code >= 0xDE
    else:
        raise WireError("an extension where none is allowed")
    if is_map:
        return at, 2 * items
    return _step_mark(data, at, items)


def _step_mark(data: bytes, at: int, items: int) -> tuple[int, int]:
    """Step over the mark that a list may begin with."""
    if items and at < len(data) and data[at] == _MARK_CODE:
        if data[at + 1] != 0 or data[at + 2] not in Mark.__members__.values():
            raise WireError("an unknown extension")
        return at + 3, items - 1
    return at, items


def _number(data: bytes, at: int, width: int) -> int:
    if at + width > len(data):
        raise IndexError
    return int.from_bytes(data[at : at + width], "big")


# --- frames ------------------------------------------------------------------------------------


class Channel:
    """A socket that carries frames. Deadlines are `time.monotonic()` seconds; None waits."""

    def __init__(self, sock: socket.socket, max_bytes: int = MAX_BYTES) -> None:
        self._socket = sock
        self.max_bytes = max_bytes

    def fileno(self) -> int:
        """Return the socket's file descriptor."""
        return self._socket.fileno()

    def send(self, data: bytes, deadline: float | None = None) -> None:
        """Send one frame. Closed when the other side is gone, TimeoutError at the deadline."""
        if len(data) > self.max_bytes:
            raise WireError(f"a frame of {len(data):,} bytes is too large")
        self._send(_LENGTH.pack(len(data)), deadline)
        self._send(data, deadline)

    def receive(self, deadline: float | None = None) -> bytes:
        """Receive one frame; memory grows with what arrives, not with what was announced."""
        (size,) = _LENGTH.unpack(self._read(_LENGTH.size, deadline))
        if size > self.max_bytes:
            raise WireError(f"a frame of {size:,} bytes is too large")
        return self._read(size, deadline)

    def receive_within(self, seconds: float) -> bytes:
        """Receive one frame, waiting so long at most."""
        return self.receive(time.monotonic() + seconds)

    def pending(self) -> bool:
        """Whether something has arrived that nobody asked for, or the other side is gone."""
        self._socket.settimeout(0)
        try:
            self._socket.recv(1, socket.MSG_PEEK)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError:
            return True
        return True

    def at_end(self) -> bool:
        """Whether what is pending is the other side's hanging up. Ask only when pending."""
        try:
            return self._socket.recv(1, socket.MSG_PEEK) == b""
        except OSError:
            return True

    def close(self) -> None:
        """Close this side."""
        self._socket.close()

    def _send(self, data: bytes, deadline: float | None) -> None:
        left = memoryview(data)
        while left:
            self._wait_until(deadline)
            try:
                left = left[self._socket.send(left[:_CHUNK]) :]
            except (BrokenPipeError, ConnectionError) as error:
                raise Closed from error

    def _read(self, size: int, deadline: float | None) -> bytes:
        parts, lacking = [], size
        while lacking:
            self._wait_until(deadline)
            try:
                part = self._socket.recv(min(lacking, _CHUNK))
            except ConnectionError as error:
                raise Closed from error
            if not part:
                raise Closed
            parts.append(part)
            lacking -= len(part)
        return b"".join(parts)

    def _wait_until(self, deadline: float | None) -> None:
        left = None if deadline is None else deadline - time.monotonic()
        if left is not None and left <= 0:
            raise TimeoutError
        self._socket.settimeout(left)
