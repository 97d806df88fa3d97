"""Frames between the trusted process and the sandbox. Either takes the other's bytes for hostile.

A frame is four bytes of length and one msgpack value. Plain values are msgpack's own. All others
are lists that begin with a mark (an empty msgpack extension, legal nowhere else):

    [TUPLE, *items]  [SET, *items]  [FROZENSET, *items]  [SLICE, start, stop, step]
    [INT, bytes]  [COMPLEX, real, imag]  [DTYPE, name]  [DEVICE, name]
    [ARRAY, dtype, shape, bytes]  [SCALAR, dtype, bytes]  [STRINGS, shape, *items]
    [TENSOR, dtype, shape, bytes, is_leaf, grad, number]  [REFERENCE, *fields]

`check` walks the bytes once, counting elements and depth, before anything of them is allocated;
`values.py` says what the marks stand for. This module is also mounted in the sandbox, so it
imports nothing else of `autograder`.
"""

import socket
import struct
import time
from enum import IntEnum

__all__ = ["MAX_BYTES", "Channel", "Closed", "Mark", "TooLargeError", "WireError", "check"]

MAX_BYTES = 256 * 2**20
MAX_ELEMENTS = 2_000_000
MAX_DEPTH = 64

_LENGTH = struct.Struct(">I")
_CHUNK = 2**20


class WireError(ValueError):
    """A value that can't be sent, or bytes that are no valid frame. The message says why."""


class TooLargeError(WireError):
    """A value of more bytes than may be sent."""


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
    SLICE = 11
    DTYPE = 12
    DEVICE = 13


# --- the walk before decoding ---------------------------------------------------------------------

_BYTES_AFTER = {0xCA: 4, 0xCB: 8, 0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8}
_BYTES_AFTER |= {0xD0: 1, 0xD1: 2, 0xD2: 4, 0xD3: 8, 0xC0: 0, 0xC2: 0, 0xC3: 0}
_TEXT_LENGTH = {0xC4: 1, 0xC5: 2, 0xC6: 4, 0xD9: 1, 0xDA: 2, 0xDB: 4}
_ITEMS_LENGTH = {0xDC: 2, 0xDD: 4, 0xDE: 2, 0xDF: 4}
_MARK_CODE, _MARKS = 0xC7, frozenset(map(int, Mark))
_PLAIN_SIZE = [
    1 if code < 0x80 or code >= 0xE0 else 1 + _BYTES_AFTER[code] if code in _BYTES_AFTER else 0
    for code in range(256)
]


def check(data: bytes) -> None:
    """Walk the bytes: one value, all there, few enough elements, not too deep, marks in place.

    WireError when they are not that. Nothing is allocated but a stack of at most 64 numbers.
    """
    at, count, open_items = 0, 1, [1]
    try:
        while open_items:
            if open_items[-1] == 0:
                open_items.pop()
                continue
            open_items[-1] -= 1
            if size := _PLAIN_SIZE[data[at]]:
                at += size
            else:
                at, items = _step(data, at)
                if items:
                    open_items.append(items)
                    count += items  # what a list says it holds, before the way through it
                if count > MAX_ELEMENTS or len(open_items) > MAX_DEPTH:
                    most = f"{MAX_ELEMENTS:,}"
                    raise WireError(f"a value of over {most} elements, or nested too deeply")
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
        if data[at + 1] != 0 or data[at + 2] not in _MARKS:
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
