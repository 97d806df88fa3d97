"""System call filters, assembled by hand: which calls no student code needs.

The outer filter holds for everything in the sandbox, the zygote too. The worker's is added to it
for student code: no new processes (threads are fine), no other program, no sockets. Where no
namespaces can be had, `alone_filter` is the worker's only one, and refuses more (`calls.py`).
A refused call fails with EPERM, so that libraries see an ordinary error. A call made in the way of
another architecture kills: its numbers mean other things.
"""

import platform
import struct
from collections.abc import Iterable

from autograder.sandbox.calls import (
    ALONE,
    ALONE_RULES,
    CLONE,
    CLONE3,
    OUTER,
    PRETENDED,
    WORKER,
    WORKER_RULES,
    YOUNGEST,
    Number,
    Rule,
)

__all__ = ["alone_filter", "outer_filter", "worker_filter"]

_MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7), "arm64": (1, 0xC00000B7)}

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_AT_NUMBER, _AT_ARCH, _AT_ARGUMENTS = 0, 4, 16
_TESTS = {
    "is": (_EQUAL, 0, 1),
    "is not": (_EQUAL, 1, 0),
    "has a bit of": (_ANY_BIT, 0, 1),
    "is at least": (_AT_LEAST, 0, 1),
}
_ALLOW, _KILL, _ERROR = 0x7FFF0000, 0x80000000, 0x00050000
_DONE, _EPERM, _ENOSYS = 0, 1, 38
_CLONE_THREAD = 0x00010000
_X32 = 0x40000000

Instruction = tuple[int, int, int, int]


def outer_filter(machine: str | None = None) -> bytes:
    """Return the filter for the whole sandbox. ValueError for an unknown architecture."""
    column, arch = _machine(machine)
    return _assemble([*_head(arch), *_refuse(_column(OUTER, column), _EPERM), _allow()])


def worker_filter(machine: str | None = None) -> bytes:
    """Return the filter that is added for student code."""
    column, arch = _machine(machine)
    return _assemble([*_head(arch), *_for_students(column), _allow()])


def alone_filter(machine: str | None = None) -> bytes:
    """Return the filter for student code that no namespace and no other filter holds."""
    column, arch = _machine(machine)
    refused = _refuse([*_column(OUTER, column), *_column(ALONE, column)], _EPERM)
    pretended = _refuse(_column(PRETENDED, column), _DONE)
    younger = [(_AT_LEAST, 0, 1, YOUNGEST + 1), (_RETURN, 0, 0, _ERROR | _ENOSYS)]
    rules = _ruled(ALONE_RULES, column)
    return _assemble(
        [*_head(arch), *younger, *refused, *pretended, *rules, *_for_students(column), _allow()]
    )


def _for_students(column: int) -> list[Instruction]:
    # glibc falls back from clone3, whose flags a filter can't see, to clone.
    return [
        *_refuse(_column(WORKER, column), _EPERM),
        *_refuse([CLONE3[column]], _ENOSYS),
        *_ruled(WORKER_RULES, column),
        *_only_threads(CLONE[column]),
    ]


def _machine(name: str | None) -> tuple[int, int]:
    name = name or platform.machine()
    if name not in _MACHINES:
        raise ValueError(f"no system call filter for {name!r}; known are {', '.join(_MACHINES)}")
    return _MACHINES[name]


def _column(numbers: dict[str, Number], column: int) -> list[int]:
    return [number for row in numbers.values() if (number := row[column]) is not None]


def _head(arch: int) -> list[Instruction]:
    """Kill a call of another architecture; and x32's numbers, which no arch check tells."""
    return [
        (_LOAD, 0, 0, _AT_ARCH),
        (_EQUAL, 1, 0, arch),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _AT_NUMBER),
        (_AT_LEAST, 0, 1, _X32),
        (_RETURN, 0, 0, _ERROR | _EPERM),
    ]


def _refuse(numbers: Iterable[int], error: int) -> list[Instruction]:
    pairs = [((_EQUAL, 0, 1, number), (_RETURN, 0, 0, _ERROR | error)) for number in numbers]
    return [instruction for pair in pairs for instruction in pair]


def _ruled(rules: Iterable[Rule], column: int) -> list[Instruction]:
    """Look at an argument's lower half (all of them are ints), then at the number again."""
    program: list[Instruction] = []
    for rule in rules:
        number = rule.number[column]
        if number is not None:
            program += [
                (_EQUAL, 0, 4, number),
                (_LOAD, 0, 0, _AT_ARGUMENTS + 8 * rule.argument),
                (*_TESTS[rule.test], rule.value),  # skips the next one when it does not hold
                (_RETURN, 0, 0, _KILL if rule.kills else _ERROR | _EPERM),
                (_LOAD, 0, 0, _AT_NUMBER),
            ]
    return program


def _only_threads(clone: int) -> list[Instruction]:
    return [
        (_EQUAL, 0, 3, clone),
        (_LOAD, 0, 0, _AT_ARGUMENTS),
        (_ANY_BIT, 1, 0, _CLONE_THREAD),
        (_RETURN, 0, 0, _ERROR | _EPERM),
    ]


def _allow() -> Instruction:
    return (_RETURN, 0, 0, _ALLOW)


def _assemble(program: list[Instruction]) -> bytes:
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in program)
