"""The system calls that a confined process is refused, as a seccomp filter.

A list of refusals, not of permissions: numpy, torch, numba, subprocesses and threads go on working whatever their
version calls. The namespaces and the missing capabilities already confine; the filter takes away the parts of the
kernel that honest coursework never uses and that past kernel holes were found in, and the memory that no limit counts.
"""

from __future__ import annotations

import ctypes
import errno
import functools
import struct

from . import syscalls

# (x86_64, aarch64); None where the architecture lacks the call.
_REFUSED: dict[str, tuple[int | None, int | None]] = {
    # New namespaces and mounts: the way to capabilities, and from there to much of the kernel.
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "statmount": (457, 457),
    "listmount": (458, 458),
    "open_tree_attr": (467, 467),
    # Other processes.
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "process_mrelease": (448, 448),
    "pidfd_getfd": (438, 438),
    "kcmp": (312, 272),
    "move_pages": (279, 239),
    "migrate_pages": (256, 238),
    # Large parts of the kernel with a history of holes.
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "fanotify_init": (300, 262),
    "fanotify_mark": (301, 263),
    "seccomp": (317, 277),
    # Handles reach files that have no path in here.
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    # The administration of the machine.
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "reboot": (169, 142),
    "acct": (163, 89),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "clock_adjtime": (305, 266),
    "adjtimex": (159, 171),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "syslog": (103, 116),
    "vhangup": (153, 58),
    "lookup_dcookie": (212, 18),
    "nfsservctl": (180, 42),
    "iopl": (172, None),
    "ioperm": (173, None),
    "modify_ldt": (154, None),
    "uselib": (134, None),
    "_sysctl": (156, None),
    "sysfs": (139, None),
    "ustat": (136, None),
}

# "No such call" rather than "not permitted": the C library and others then fall back to an older way.
_ABSENT: dict[str, tuple[int | None, int | None]] = {
    # Its flags stand in memory, where a filter cannot read them.
    "clone3": (435, 435),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    # Memory that belongs to no process and no file system of the sandbox, which therefore no limit would count.
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "shmget": (29, 194),
    "msgget": (68, 186),
    "semget": (64, 190),
    "mq_open": (240, 180),
}

_CLONE = (56, 220)
_PERSONALITY = (135, 92)
_IOCTL = (16, 29)
_SOCKET = (41, 198)
_SOCKETPAIR = (53, 199)

_NEW_NAMESPACES = (
    syscalls.CLONE_NEWNS
    | syscalls.CLONE_NEWCGROUP
    | syscalls.CLONE_NEWUTS
    | syscalls.CLONE_NEWIPC
    | syscalls.CLONE_NEWUSER
    | syscalls.CLONE_NEWPID
    | syscalls.CLONE_NEWNET
)
_AF_UNIX = 1
_PERSONALITY_QUERY = 0xFFFFFFFF
# Put characters into a terminal's input queue.
_TIOCSTI = 0x5412
_TIOCLINUX = 0x541C

_AUDIT_ARCHITECTURE = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_X32_CALLS = 0x40000000

_ALLOW = 0x7FFF0000
_KILL_PROCESS = 0x80000000
_FAIL = 0x00050000

# Where seccomp_data keeps the call's number, the architecture, and the low halves of its arguments.
_NUMBER, _ARCHITECTURE, _FIRST, _SECOND = 0, 4, 16, 24

_LOAD = 0x20
_JUMP_IF_EQUAL = 0x15
_JUMP_IF_AT_LEAST = 0x35
_JUMP_IF_ANY_BIT = 0x45
_RETURN = 0x06


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p))


def refused_calls(architecture: str) -> dict[str, int]:
    """Names and numbers of the calls that are refused whatever their arguments."""
    column = _column(architecture)
    return {
        name: number for name, numbers in {**_REFUSED, **_ABSENT}.items() if (number := numbers[column]) is not None
    }


@functools.cache
def build_filter(architecture: str) -> bytes:
    """The filter as the kernel takes it: BPF instructions of eight bytes each.

    Raises:
        ValueError: for an architecture whose call numbers are not known here.
    """
    column = _column(architecture)
    instructions = [
        # The same number means another call under another architecture.
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_JUMP_IF_EQUAL, 1, 0, _AUDIT_ARCHITECTURE[architecture]),
        (_RETURN, 0, 0, _KILL_PROCESS),
        (_LOAD, 0, 0, _NUMBER),
    ]
    if architecture == "x86_64":
        instructions += [(_JUMP_IF_AT_LEAST, 0, 1, _X32_CALLS), (_RETURN, 0, 0, _KILL_PROCESS)]
    for calls, error in ((_REFUSED, errno.EPERM), (_ABSENT, errno.ENOSYS)):
        for numbers in calls.values():
            number = numbers[column]
            if number is not None:
                instructions += [(_JUMP_IF_EQUAL, 0, 1, number), (_RETURN, 0, 0, _FAIL | error)]
    # Each block jumps over itself, in its own second instruction, when the call is another one.
    instructions += _when(
        _CLONE[column], _FIRST, [(_JUMP_IF_ANY_BIT, 0, 1, _NEW_NAMESPACES), (_RETURN, 0, 0, _FAIL | errno.EPERM)]
    )
    for call in (_SOCKET, _SOCKETPAIR):
        instructions += _when(
            call[column], _FIRST, [(_JUMP_IF_EQUAL, 1, 0, _AF_UNIX), (_RETURN, 0, 0, _FAIL | errno.EAFNOSUPPORT)]
        )
    instructions += _when(
        _PERSONALITY[column],
        _FIRST,
        [
            (_JUMP_IF_EQUAL, 2, 0, _PERSONALITY_QUERY),
            (_JUMP_IF_EQUAL, 1, 0, 0),
            (_RETURN, 0, 0, _FAIL | errno.EPERM),
        ],
    )
    instructions += _when(
        _IOCTL[column],
        _SECOND,
        [
            (_JUMP_IF_EQUAL, 1, 0, _TIOCSTI),
            (_JUMP_IF_EQUAL, 0, 1, _TIOCLINUX),
            (_RETURN, 0, 0, _FAIL | errno.EPERM),
        ],
    )
    instructions.append((_RETURN, 0, 0, _ALLOW))
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in instructions)


def install(architecture: str) -> None:
    """Put the filter on the calling thread and on everything that it starts; it cannot be taken off."""
    code = build_filter(architecture)
    buffer = ctypes.create_string_buffer(code, len(code))
    program = _Program(len(code) // 8, ctypes.cast(buffer, ctypes.c_void_p))
    syscalls.install_filter(ctypes.addressof(program))


def _when(number: int, argument: int, instructions: list[tuple[int, int, int, int]]) -> list[tuple[int, int, int, int]]:
    """Instructions on an argument of one call, after which the call is allowed."""
    block = [(_LOAD, 0, 0, argument), *instructions, (_RETURN, 0, 0, _ALLOW)]
    return [(_JUMP_IF_EQUAL, 0, len(block), number), *block]


def _column(architecture: str) -> int:
    if architecture not in _AUDIT_ARCHITECTURE:
        raise ValueError(f"the sandbox knows the system calls of x86_64 and aarch64, not of {architecture}")
    return 0 if architecture == "x86_64" else 1
