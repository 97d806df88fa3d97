"""Numbers of system calls, and which of them are refused where: tables and nothing else."""

from dataclasses import dataclass
from typing import Literal

__all__ = [
    "ALONE",
    "ALONE_RULES",
    "CLONE",
    "CLONE3",
    "OUTER",
    "PRETENDED",
    "WORKER",
    "WORKER_RULES",
    "YOUNGEST",
    "Number",
    "Rule",
]

# a call's number on x86_64 and on aarch64; None where there is no such call
Number = tuple[int | None, int | None]

# Refused in everything inside, the zygote too.
OUTER: dict[str, Number] = {
    # other processes' memory, and memory that no limit counts
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "pidfd_getfd": (438, 438),
    "kcmp": (312, 272),
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "userfaultfd": (323, 282),
    "shmget": (29, 194),
    "shmat": (30, 196),
    "shmctl": (31, 195),
    "semget": (64, 190),
    "msgget": (68, 186),
    "mq_open": (240, 180),
    "remap_file_pages": (216, 234),
    # large kernel surfaces
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "fanotify_init": (300, 262),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "modify_ldt": (154, None),
    "personality": (135, 92),
    # mounts and namespaces
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "unshare": (272, 97),
    "setns": (308, 268),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    # the machine itself
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "acct": (163, 89),
    "syslog": (103, 116),
    "quotactl": (179, 60),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "clock_adjtime": (305, 266),
    "adjtimex": (159, 171),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "iopl": (172, None),
    "ioperm": (173, None),
    "vhangup": (153, 58),
}
# Refused in addition to student code: new processes (threads are fine), other programs, sockets,
# and whatever changes other processes.
WORKER: dict[str, Number] = {
    "fork": (57, None),
    "vfork": (58, None),
    "execve": (59, 221),
    "execveat": (322, 281),
    "socket": (41, 198),
    "connect": (42, 203),
    "bind": (49, 200),
    "listen": (50, 201),
    "accept": (43, 202),
    "accept4": (288, 242),
    # the zygote's priority would be the next submission's
    "setpriority": (141, 140),
    "ioprio_set": (251, 30),
    "sched_setparam": (142, 118),
    "sched_setscheduler": (144, 119),
    "sched_setattr": (314, 274),
    "migrate_pages": (256, 238),
    # a filter of its own can hold a thread where nobody charges its time
    "seccomp": (317, 277),
    # its signal may be SIGKILL, as if the machine had sent it
    "timer_create": (222, 107),
    # the files are the host's: this would see who opens them, and use up the user's watches
    "inotify_init": (253, None),
    "inotify_init1": (294, 26),
    "inotify_add_watch": (254, 27),
    "move_pages": (279, 239),
    "process_mrelease": (448, 448),
    # a pipe holds on to pages that no process is charged for, up to 2 MB each
    "vmsplice": (278, 75),
    # its rules fill the kernel's memory
    "landlock_create_ruleset": (444, 444),
    # it waits for the disks of the whole machine, and is charged no time
    "sync": (162, 81),
    "syncfs": (306, 267),
}
# Refused where no namespace hides the rest of the machine: what Landlock does not look at.
ALONE: dict[str, Number] = {
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "removexattr": (197, 14),
    "lremovexattr": (198, 15),
    "fremovexattr": (199, 16),
}
# Answered with success there, and not done: Landlock lets anybody change modes and times of files
# that they may not even open. An error would break innocent code, such as `shutil.copy`.
PRETENDED: dict[str, Number] = {
    "chmod": (90, None),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "chown": (92, None),
    "fchown": (93, 55),
    "lchown": (94, None),
    "fchownat": (260, 54),
    "utime": (132, None),
    "utimes": (235, None),
    "futimesat": (261, None),
    "utimensat": (280, 88),
}
YOUNGEST = 450  # calls that are younger than this list do not exist, where nothing else stands

CLONE = (56, 220)
CLONE3 = (435, 435)


@dataclass(frozen=True)
class Rule:
    """Refuses a call for the value of one of its arguments. All of these arguments are ints.

    `kills` ends the process (SIGSYS) in place of failing.
    """

    number: Number
    argument: int
    test: Literal["is", "is not", "has a bit of", "is at least"]
    value: int
    kills: bool = False


_SIGKILL = 9
# What ends by SIGKILL was ended by us, or by a machine without memory: never by itself.
_KILLS = [
    Rule(number, argument, "is", _SIGKILL, kills=True)
    for number, argument in (
        ((62, 129), 1),  # kill
        ((200, 130), 1),  # tkill
        ((234, 131), 2),  # tgkill
        ((129, 138), 1),  # rt_sigqueueinfo
        ((297, 240), 2),  # rt_tgsigqueueinfo
        ((424, 424), 1),  # pidfd_send_signal
    )
]
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_SECCOMP = 1, 4, 22
_F_SETSIG, _F_SETLEASE, _F_NOTIFY = 10, 1024, 1026
_RLIMIT_CPU = 0
_CLONE_VFORK = 0x4000
_DATAGRAM_OR_PACKETS = 0xE  # all socket types but SOCK_STREAM have one of these bits
WORKER_RULES = [
    *_KILLS,
    Rule((157, 167), 0, "is", _PR_SET_PDEATHSIG),  # prctl: it dies with the zygote
    Rule((157, 167), 0, "is", _PR_SET_DUMPABLE),
    Rule((157, 167), 0, "is", _PR_SET_SECCOMP),
    Rule((72, 25), 1, "is", _F_SETSIG),  # fcntl: SIGKILL, as if the machine had sent it
    Rule((72, 25), 1, "is", _F_SETLEASE),  # makes others wait who open the file: it is the host's
    Rule((72, 25), 1, "is", _F_NOTIFY),
    Rule((160, 164), 0, "is", _RLIMIT_CPU),  # setrlimit: its end is SIGKILL
    Rule((302, 261), 1, "is", _RLIMIT_CPU),  # prlimit64
    Rule((302, 261), 0, "is not", 0),  # prlimit64 of another process
    Rule((203, 122), 0, "is not", 0),  # sched_setaffinity of another process
    Rule(
        (53, 199), 1, "has a bit of", _DATAGRAM_OR_PACKETS
    ),  # socketpair: those can be sent to any name
    Rule(CLONE, 0, "has a bit of", _CLONE_VFORK),  # its caller waits as if for a disk, uncharged
]
_FILE_CONTROLS = 0x5600
ALONE_RULES = [
    Rule(
        (16, 29), 1, "is at least", _FILE_CONTROLS
    ),  # ioctl: attributes of files; terminals' are lower
]
