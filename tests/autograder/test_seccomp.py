"""The filters are run here by a small interpreter of their own, and their numbers checked."""

import re
import struct
from pathlib import Path

import pytest

from autograder.sandbox import calls, seccomp

ALLOW, KILL, DONE = 0x7FFF0000, 0x80000000, 0x00050000
EPERM, ENOSYS = DONE | 1, DONE | 38
ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
THREAD, FORK = 0x3D0F00, 0x1200011


def run(program, number, arch, *arguments):
    """Run a filter on one system call, as the kernel does."""
    instructions = list(struct.iter_unpack("=HBBI", program))
    call = struct.pack("=IIQ6Q", number, arch, 0, *[*arguments, 0, 0, 0, 0, 0, 0][:6])
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


BY_ZERO = [calls.WORKER_RULES[12].number, calls.WORKER_RULES[13].number]  # refused for a 0


@pytest.mark.parametrize("machine", ARCH)
def test_everything_listed_is_refused_and_the_rest_allowed(machine):
    column = list(ARCH).index(machine)
    alone = {**calls.OUTER, **calls.WORKER, **calls.ALONE}
    for program, table in (
        (seccomp.outer_filter(machine), calls.OUTER),
        (seccomp.worker_filter(machine), calls.WORKER),
        (seccomp.alone_filter(machine), alone),
    ):
        refused = {row[column] for row in table.values()} - {None}
        pretended = {row[column] for row in calls.PRETENDED.values()} if table is alone else set()
        by_argument = {calls.CLONE[column], calls.CLONE3[column], *(n[column] for n in BY_ZERO)}
        for number in set(range(451)) - by_argument:
            wanted = EPERM if number in refused else DONE if number in pretended else ALLOW
            assert run(program, number, ARCH[machine]) == wanted, number


@pytest.mark.parametrize("machine", ARCH)
def test_calls_younger_than_the_list_do_not_exist_where_nothing_else_stands(machine):
    for number in (451, 469, 1000):
        assert run(seccomp.alone_filter(machine), number, ARCH[machine]) == ENOSYS
        assert run(seccomp.worker_filter(machine), number, ARCH[machine]) == ALLOW


# x86_64's numbers, from the kernel's own table: what is refused, and what is not
ARGUMENTS = {
    "kill with SIGKILL": (62, (7, 9), KILL),
    "kill with SIGTERM": (62, (7, 15), ALLOW),
    "kill process 9": (62, (9, 0), ALLOW),
    "tkill": (200, (7, 9), KILL),
    "tgkill": (234, (7, 7, 9), KILL),
    "tgkill with SIGABRT": (234, (7, 7, 6), ALLOW),
    "sigqueue": (129, (7, 9), KILL),
    "sigqueue to a thread": (297, (7, 7, 9), KILL),
    "pidfd_send_signal": (424, (3, 9), KILL),
    "prctl PR_SET_PDEATHSIG": (157, (1, 0), EPERM),
    "prctl PR_SET_DUMPABLE": (157, (4, 1), EPERM),
    "prctl PR_SET_SECCOMP": (157, (22, 2), EPERM),
    "prctl PR_SET_NAME": (157, (15, 0), ALLOW),
    "fcntl F_SETSIG": (72, (3, 10, 9), EPERM),
    "fcntl F_SETLEASE": (72, (3, 1024), EPERM),
    "fcntl F_NOTIFY": (72, (3, 1026), EPERM),
    "fcntl F_DUPFD_CLOEXEC": (72, (3, 1030), ALLOW),
    "setrlimit of processor time": (160, (0,), EPERM),
    "setrlimit of open files": (160, (7,), ALLOW),
    "prlimit of its processor time": (302, (0, 0), EPERM),
    "socketpair of streams": (53, (1, 1 | 0x80000), ALLOW),
    "socketpair of datagrams": (53, (1, 2 | 0x80000), EPERM),
    "socketpair of packets": (53, (1, 5), EPERM),
    "prlimit of itself": (302, (0, 7), ALLOW),
    "prlimit of another": (302, (2, 7), EPERM),
    "affinity of itself": (203, (0, 8), ALLOW),
    "affinity of another": (203, (2, 8), EPERM),
    "clone of a thread": (56, (0x10F00,), ALLOW),
    "clone of a thread that is waited for": (56, (0x14F00,), EPERM),
}
ALONE = {
    "ioctl TCGETS": (16, (1, 0x5401), ALLOW),
    "ioctl FS_IOC_SETFLAGS": (16, (3, 0x40086602), EPERM),
}


@pytest.mark.parametrize(("number", "arguments", "wanted"), ARGUMENTS.values(), ids=ARGUMENTS)
def test_some_calls_are_refused_for_their_arguments(number, arguments, wanted):
    for program in (seccomp.worker_filter("x86_64"), seccomp.alone_filter("x86_64")):
        assert run(program, number, ARCH["x86_64"], *arguments) == wanted


@pytest.mark.parametrize(("number", "arguments", "wanted"), ALONE.values(), ids=ALONE)
def test_what_reaches_files_in_other_ways_is_refused_without_namespaces(number, arguments, wanted):
    assert run(seccomp.alone_filter("x86_64"), number, ARCH["x86_64"], *arguments) == wanted
    assert run(seccomp.worker_filter("x86_64"), number, ARCH["x86_64"], *arguments) == ALLOW


@pytest.mark.parametrize("machine", ARCH)
def test_threads_may_start_and_processes_may_not(machine):
    column = list(ARCH).index(machine)
    program, clone = seccomp.worker_filter(machine), calls.CLONE[column]
    assert run(program, clone, ARCH[machine], THREAD) == ALLOW
    assert run(program, clone, ARCH[machine], FORK) == EPERM
    assert run(program, calls.CLONE3[column], ARCH[machine]) == ENOSYS
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


RULED = {
    "kill": calls.WORKER_RULES[0].number,
    "tkill": calls.WORKER_RULES[1].number,
    "tgkill": calls.WORKER_RULES[2].number,
    "rt_sigqueueinfo": calls.WORKER_RULES[3].number,
    "rt_tgsigqueueinfo": calls.WORKER_RULES[4].number,
    "pidfd_send_signal": calls.WORKER_RULES[5].number,
    "prctl": calls.WORKER_RULES[6].number,
    "fcntl": calls.WORKER_RULES[9].number,
    "setrlimit": calls.WORKER_RULES[12].number,
    "prlimit64": calls.WORKER_RULES[13].number,
    "sched_setaffinity": calls.WORKER_RULES[15].number,
    "socketpair": calls.WORKER_RULES[16].number,
    "ioctl": calls.ALONE_RULES[0].number,
}
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
    table = {**calls.OUTER, **calls.WORKER, **calls.ALONE, **calls.PRETENDED, **RULED}
    table |= {"clone": calls.CLONE, "clone3": calls.CLONE3}
    for name, numbers in table.items():
        expected = int(known[name]) if name in known else None
        assert numbers[column] == expected, name
