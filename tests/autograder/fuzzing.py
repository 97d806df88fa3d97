"""Feeds damaged frames to both ends of the wire, in a process of its own with little memory.

    python fuzzing.py FRAMES SEED    prints a line of JSON for each of three ends: `decode`, the
                                     worker's request loop, and the session's check of answers

Every frame must end in a value or in the refusal that is foreseen; anything else raises, and the
process fails. Its address space may grow by 256 MB, so that a large allocation fails as well.
"""

import itertools
import json
import random
import resource
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import msgpack
import numpy as np
import torch

from autograder.errors import StudentError, WorkerLost
from autograder.limits import Limits
from autograder.remote import Student
from autograder.sandbox import Ended
from autograder.session import Session
from autograder.values import decode, encode
from autograder.wire import Closed, WireError
from autograder.worker import Worker

ROOM = 256 * 2**20
DTYPES = ["bool", "int8", "int64", "float16", "float32", "bfloat16", "complex64", "object", "U3"]
EDGES = [0, -1, 1, 2, 7, 33, 2**31, 2**32 - 1, 2**53, 2**62, 2**63 - 1, -(2**63), 2**64 - 1]
ODDS = [None, True, False, 0.5, b"", b"x" * 8, bytes(64), "cuda:1", "ü", "get", "value"]
EXACT = {type(None), bool, int, float, complex, str, bytes, list, tuple, dict, set, frozenset}
EXACT |= {slice, np.ndarray, torch.Tensor, torch.dtype, torch.device}

# --- damage ---


class Damage:
    """Makes damaged frames out of good ones, the same ones for the same seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.ways = [self.cut, self.flip, self.lie, self.nest, self.misplace, self.splice]
        self.ways += [self.invent, self.invent, self.replace]

    def frames(self, good: list[bytes]) -> Iterator[bytes]:
        """Yield damaged frames for ever."""
        while True:
            yield self.random.choice(self.ways)(self.random.choice(good), good)

    def cut(self, frame: bytes, _: list[bytes]) -> bytes:
        return frame[: self.random.randrange(len(frame))]

    def flip(self, frame: bytes, _: list[bytes]) -> bytes:
        damaged = bytearray(frame)
        for _ in range(self.random.choice([1, 1, 2, 8])):
            damaged[self.random.randrange(len(frame))] ^= 1 << self.random.randrange(8)
        return bytes(damaged)

    def lie(self, frame: bytes, _: list[bytes]) -> bytes:
        """Claim a length that is not there."""
        head = bytes([self.random.choice([0xDD, 0xDF, 0xDB, 0xC6, 0xDC, 0xDE, 0xC5, 0xC9])])
        length = self.random.choice([2**32 - 1, 2**31, 2_000_000, 70_000, len(frame)])
        at = self.random.randrange(len(frame))
        return frame[:at] + head + length.to_bytes(4, "big") + frame[at:]

    def nest(self, frame: bytes, _: list[bytes]) -> bytes:
        level = self.random.choice([b"\x91", b"\x92\xc7\x00\x01", b"\x81\x01", b"\x92\xc7\x00\x03"])
        return level * self.random.choice([3, 60, 70, 5000]) + frame

    def misplace(self, frame: bytes, _: list[bytes]) -> bytes:
        """Put a mark where none belongs."""
        at = self.random.randrange(len(frame))
        return frame[:at] + bytes([0xC7, 0, self.random.randrange(20)]) + frame[at:]

    def splice(self, frame: bytes, good: list[bytes]) -> bytes:
        other = self.random.choice(good)
        head, tail = self.random.randrange(len(frame)), self.random.randrange(len(other))
        return frame[:head] + other[tail:]

    def replace(self, frame: bytes, _: list[bytes]) -> bytes:
        """Put something invented in one place of a good message."""
        parts = opened(frame)
        parts[self.random.randrange(len(parts))] = self.value(2)
        return msgpack.packb(parts)

    def invent(self, frame: bytes, _: list[bytes]) -> bytes:
        """Make valid msgpack of hostile fields, after the number and the word of a good message."""
        fields = [self.value(0) for _ in range(self.random.randrange(1, 5))]
        return msgpack.packb([*opened(frame)[:2], *fields] if is_message(frame) else fields[0])

    def value(self, depth: int) -> object:
        pick = self.random.randrange(12)
        if pick < 6 and depth < 4:
            fields = [self.value(depth + 1) for _ in range(self.random.randrange(7))]
            return [msgpack.ExtType(self.random.randint(1, 14), b""), *fields]
        if pick < 8 and depth < 4:
            return [self.random.choice(EDGES) for _ in range(self.random.randrange(40))]
        if pick < 9 and depth < 4:
            return {self.random.choice(EDGES): self.value(depth + 1) for _ in range(3)}
        return self.random.choice([*EDGES, *DTYPES, *ODDS])


def opened(frame: bytes) -> list[object]:
    """Return the parts of a message, or a list of one value."""
    try:
        parts = msgpack.unpackb(frame, strict_map_key=False)
    except (ValueError, TypeError):
        return [frame]
    return parts if type(parts) is list and parts else [parts]


def is_message(frame: bytes) -> bool:
    return [type(part) for part in opened(frame)[:2]] == [int, str]


# --- three ends ---


def values() -> tuple[list[bytes], Callable[[bytes], None]]:
    """Return good frames for `decode`, and a function that feeds it one."""
    array = np.arange(6).reshape(2, 3)
    leaf = torch.ones(2, 3, requires_grad=True)
    leaf.grad = torch.ones(2, 3)
    samples = [
        *(None, True, -7, 2**70, 0.5, 1j, "naïve", b"raw", [1, [2, [3]]], (1, (2,)), {1: "a"}),
        *({("a", 1): {2, 3}}, frozenset("ab"), slice(1, None, 2), torch.bfloat16),
        *(array.astype(dtype) for dtype in ("bool", "int8", "float16", "float64", "complex64")),
        *(np.float32(0.5), np.array([["a", "bcd"]]), np.zeros((0, 3)), torch.device("cuda:0")),
        *(torch.ones(3).bfloat16(), torch.tensor(True), torch.zeros(0, 2), leaf, leaf * 2),
        {"a": [np.ones(3), (torch.ones(2), {"b": 2**65})], "c": [slice(0, 1), {1, 2}]},
    ]
    good = [encode(each, keep=lambda _: 7) for each in samples]

    def feed(frame: bytes) -> None:
        all_exact(decode(frame, lambda fields: ("object", len(fields)), link=lambda t, _: t))

    return good, feed


def all_exact(value: object) -> None:
    """Fail on anything that is not of an exact, plain type."""
    if type(value) not in EXACT:
        assert isinstance(value, np.generic), type(value)
    if isinstance(value, dict):
        value = [*value, *value.values()]
    if isinstance(value, list | tuple | set | frozenset):
        for each in value:
            all_exact(each)


class Silent:
    """Stands in for a channel: sends nowhere, and gives the frames that it was given."""

    max_bytes = 2**20

    def __init__(self) -> None:
        self.frames: Iterator[bytes] = iter(())
        self.sent = 0

    def send(self, data: bytes, deadline: float | None = None) -> None:
        self.sent += 1

    def receive(self, deadline: float | None = None) -> bytes:
        for frame in self.frames:
            return frame
        raise Closed

    def pending(self) -> bool:
        return False


def requests() -> tuple[list[bytes], Callable[[bytes], None]]:
    """Return good requests, and a function that lets a worker serve a damaged one."""
    refer = {"list": ("object", 1), "sum": ("object", 2), "call": ("callback", 0)}
    weight = torch.ones(3, requires_grad=True)
    asked = [
        *(["get", None, "table"], ["get", "list", "append"], ["set", None, "x", [1, 2]]),
        *(["call", "sum", [[1, 2]], {}], ["call", "sum", [], {"key": "call"}], ["seed", 11]),
        *(["item", "list", slice(0, 2)], ["assign", "list", 0, 7], ["contains", "list", 7]),
        *(["length", "list"], ["items", "list", 100], ["names"], ["drop", [9, 10]]),
        *(["call", "sum", [weight * 2, weight], {}], ["backward", [3], [torch.ones(3)], [-1]]),
    ]
    thing = {name: type(name, (), {})() for name in refer}
    names = {id(each): name for name, each in thing.items()}
    numbers = itertools.count(-1, -1)
    good = [
        encode(
            [5, *(thing.get(part, part) if type(part) is str else part for part in request)],
            lambda value: refer[names[id(value)]],
            keep=lambda _: next(numbers),
        )
        for request in asked
    ]

    def feed(frame: bytes) -> None:
        channel = Silent()
        channel.frames = iter([frame])
        worker = Worker(channel, 2**20)
        leaf = torch.ones(3, requires_grad=True)
        worker._objects = {1: [3, 1, 2], 2: sum, 3: leaf * 2, -1: leaf}
        worker.serve()

    return good, feed


def answers() -> tuple[list[bytes], Callable[[bytes], None]]:
    """Return good answers, and a function that lets a session read a damaged one."""
    here = torch.ones(3, requires_grad=True)
    thing = object()
    said = [
        *(["value", 7], ["value", [1, {"a": (2,)}]], ["value", thing], ["value", here * 2]),
        *(["value", [here * 2, here]], ["missing"], ["unsendable", "too odd"], ["too_large"]),
        ["raised", ["ValueError", "Exception"], "oh", [[1, 2, "f", "x = 1"]]],
        *(["callback", 0, [1, 2], {}], ["value", [torch.ones(3)]], ["value", [None]]),
    ]
    good = [encode([1, *each], lambda _: (3, "Box", True), keep=lambda _: 4) for each in said]
    last = encode([1, "value", 7])

    def feed(frame: bytes) -> None:
        channel = Silent()
        session = Session(Host(), [], Limits(), seed=3)
        session._process = SimpleNamespace(channel=channel)
        session._watchdog = SimpleNamespace(meters=(), loss=None, stop=lambda: None)
        student = Student(session)
        channel.frames = iter([frame, last])
        found = session.ask("call", max, [here, max], {})
        repr(found)
        backward(session, channel, found, frame)
        del student

    def backward(session: Session, channel: Silent, found: object, frame: bytes) -> None:
        """Go backward too, and let the same frame answer once more."""
        for tensor in found if type(found) is list else [found]:
            if type(tensor) is torch.Tensor and tensor.grad_fn is not None:
                channel.frames = iter([b"\x93\x02" + frame[2:]])
                tensor.sum().backward()

    return good, feed


class Host:
    """Stands in for a sandbox that ends workers."""

    def end(self, patience: float = 0.0) -> Ended:
        return Ended()


# --- the run ---

FORESEEN = (WireError, Closed, StudentError, WorkerLost)


def run(name: str, frames: int, seed: int) -> dict[str, object]:
    good, feed = {"values": values, "requests": requests, "answers": answers}[name]()
    for frame in good:  # or there would be nothing to damage
        feed_one(feed, frame)
    refused, slowest, began = 0, 0.0, time.process_time()
    for frame in itertools.islice(Damage(seed).frames(good), frames):
        before = time.process_time()
        refused += not feed_one(feed, frame)
        slowest = max(slowest, time.process_time() - before)
    seconds = time.process_time() - began
    return {"frames": frames, "refused": refused, "seconds": seconds, "slowest": slowest}


def feed_one(feed: Callable[[bytes], None], frame: bytes) -> bool:
    try:
        feed(frame)
    except FORESEEN:
        return False
    except BaseException as error:
        error.add_note(f"the frame was {frame!r}")
        raise
    return True


def peak(name: str, frames: int, seed: int) -> int:
    """Return the most bytes that Python and NumPy held at once while a frame was read."""
    good, feed = {"values": values, "requests": requests, "answers": answers}[name]()
    for frame in good:
        feed_one(feed, frame)
    most = 0
    for frame in itertools.islice(Damage(seed).frames(good), frames):
        tracemalloc.start()
        feed_one(feed, frame)
        most = max(most, tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    return most


def main() -> None:
    frames, seed, out = int(sys.argv[1]), int(sys.argv[2]), sys.stdout
    torch.set_num_threads(1)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    size = pages * resource.getpagesize() + ROOM
    resource.setrlimit(resource.RLIMIT_AS, (size, size))
    for share, name in ((0.6, "values"), (0.2, "requests"), (0.2, "answers")):
        result = run(name, int(share * frames), seed)
        print(
            json.dumps({"end": name, **result, "peak": peak(name, frames // 100, seed + 1)}),
            file=out,
            flush=True,
        )


if __name__ == "__main__":
    main()
