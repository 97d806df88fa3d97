"""The filters are run here by a small interpreter of their own, and their numbers checked."""

import re
import struct
from pathlib import Path

import pytest

from autograder.sandbox import seccomp

ALLOW, KILL, EPERM, ENOSYS = 0x7FFF0000, 0x80000000, 0x00050001, 0x00050026
ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
THREAD, FORK = 0x3D0F00, 0x1200011


def run(program, number, arch, argument=0):
    """Run a filter on one system call, as the kernel does."""
    instructions = list(struct.iter_unpack("=HBBI", program))
    call = struct.pack("=IIQ6Q", number, arch, 0, argument, 0, 0, 0, 0, 0)
    at = accumulator = 0
    while True:
        code, true, false, k = instructions[at]
        at += 1
        if code == 0x20:
            (accumulator,) = struct.unpack_from("=I", call, k)
        elif code == 0x06:
            return k
        else:
            holds = {0x15: accumulator == k, 0x35: accumulator >= k, 0x45: accumulator & k}[code]
            at += true if holds else false


@pytest.mark.parametrize("machine", ARCH)
def test_everything_listed_is_refused_and_the_rest_allowed(machine):
    column = list(ARCH).index(machine)
    for program, table in (
        (seccomp.outer_filter(machine), seccomp._NUMBERS),
        (seccomp.worker_filter(machine), seccomp._WORKER_NUMBERS),
    ):
        refused = {row[column] for row in table.values()} - {None}
        special = {seccomp._CLONE[column], seccomp._CLONE3[column]}
        for number in set(range(470)) - special:
            wanted = EPERM if number in refused else ALLOW
            assert run(program, number, ARCH[machine]) == wanted, number


@pytest.mark.parametrize("machine", ARCH)
def test_threads_may_start_and_processes_may_not(machine):
    column = list(ARCH).index(machine)
    program, clone = seccomp.worker_filter(machine), seccomp._CLONE[column]
    assert run(program, clone, ARCH[machine], THREAD) == ALLOW
    assert run(program, clone, ARCH[machine], FORK) == EPERM
    assert run(program, seccomp._CLONE3[column], ARCH[machine]) == ENOSYS
    outer = seccomp.outer_filter(machine)
    assert run(outer, clone, ARCH[machine], FORK) == ALLOW


def test_calls_in_the_way_of_another_architecture_kill():
    program = seccomp.outer_filter("x86_64")
    assert run(program, 1, ARCH["aarch64"]) == KILL
    assert run(program, 1, 0x40000003) == KILL  # i386
    assert run(program, 0x40000001, ARCH["x86_64"]) == EPERM  # x32


def test_an_unknown_architecture_is_named():
    with pytest.raises(ValueError, match="no system call filter for 'vax'; known are x86_64"):
        seccomp.outer_filter("vax")


HEADERS = {
    0: Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
    1: Path("/usr/include/asm-generic/unistd.h"),
}


@pytest.mark.parametrize("column", HEADERS)
def test_numbers_are_those_of_the_kernel_headers(column):
    if not HEADERS[column].exists():
        pytest.skip("no kernel headers on this machine")
    text = HEADERS[column].read_text()
    known = dict(re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)", text))
    table = {**seccomp._NUMBERS, **seccomp._WORKER_NUMBERS}
    table |= {"clone": seccomp._CLONE, "clone3": seccomp._CLONE3}
    for name, numbers in table.items():
        expected = int(known[name]) if name in known else None
        assert numbers[column] == expected, name
