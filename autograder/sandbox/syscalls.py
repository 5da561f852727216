"""The system calls that Python has no function for, through ctypes.

Every function raises ``OSError`` with the name of the call when the kernel refuses it.
"""

from __future__ import annotations

import ctypes
import os
import platform

CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_RDONLY = 0x1
MS_NOSUID = 0x2
MS_NODEV = 0x4
MS_NOEXEC = 0x8
MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 0x40000

MNT_DETACH = 2

MOUNT_ATTR_RDONLY = 0x1
MOUNT_ATTR_NOSUID = 0x2
MOUNT_ATTR_NODEV = 0x4
MOUNT_ATTR_NOEXEC = 0x8

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_SECCOMP = 22
PR_CAPBSET_DROP = 24
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_CLEAR_ALL = 4

CAP_SYS_ADMIN = 21
_HIGHEST_CAPABILITY = 63
_CAPABILITY_VERSION_3 = 0x20080522

_AT_FDCWD = -100
_AT_RECURSIVE = 0x8000
_MOUNT_SETATTR = 442
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}


class _MountAttributes(ctypes.Structure):
    _fields_ = (
        ("attr_set", ctypes.c_uint64),
        ("attr_clr", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("userns_fd", ctypes.c_uint64),
    )


class _CapabilityHeader(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _CapabilitySets(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


def architecture() -> str:
    """Name of the machine's instruction set as the kernel spells it, such as ``x86_64``."""
    machine = platform.machine()
    return {"amd64": "x86_64", "arm64": "aarch64"}.get(machine.lower(), machine)


def unshare(flags: int) -> None:
    """Give the calling process namespaces of its own."""
    _succeed(_libc.unshare(ctypes.c_int(flags)), "unshare")


def mount(source: str | None, target: str, kind: str | None = None, flags: int = 0, options: str | None = None) -> None:
    """Mount a file system, or bind a file or folder to a second place."""
    result = _libc.mount(
        _text(source), _text(target), _text(kind), ctypes.c_ulong(flags), ctypes.c_char_p(_text(options))
    )
    _succeed(result, f"mount {source or kind} on {target}")


def set_mount_attributes(path: str, attributes: int, *, recursive: bool = False) -> None:
    """Add attributes such as read-only to a mount, and with ``recursive`` to every mount below it."""
    request = _MountAttributes(attr_set=attributes)
    result = _libc.syscall(
        ctypes.c_long(_MOUNT_SETATTR),
        ctypes.c_int(_AT_FDCWD),
        ctypes.c_char_p(_text(path)),
        ctypes.c_uint(_AT_RECURSIVE if recursive else 0),
        ctypes.byref(request),
        ctypes.c_size_t(ctypes.sizeof(request)),
    )
    _succeed(result, f"mount_setattr {path}")


def pivot_root_here() -> None:
    """Make the working directory the root, and let go of the old one."""
    number = ctypes.c_long(_PIVOT_ROOT[architecture()])
    _succeed(_libc.syscall(number, ctypes.c_char_p(b"."), ctypes.c_char_p(b".")), "pivot_root")
    detach(".")


def detach(path: str) -> None:
    """Unmount a place; what is still in use goes on existing, out of sight."""
    _succeed(_libc.umount2(_text(path), ctypes.c_int(MNT_DETACH)), f"umount2 {path}")


def set_host_name(name: str) -> None:
    """Set the host name of the current UTS namespace."""
    _succeed(_libc.sethostname(name.encode(), ctypes.c_size_t(len(name))), "sethostname")


def prctl(option: int, argument: int = 0) -> None:
    """Change one property of the calling process that takes a number."""
    zero = ctypes.c_ulong(0)
    _succeed(_libc.prctl(ctypes.c_int(option), ctypes.c_ulong(argument), zero, zero, zero), f"prctl {option}")


def install_filter(program_address: int) -> None:
    """Install a seccomp filter; ``program_address`` is that of a ``sock_fprog``."""
    filter_mode = 2
    zero = ctypes.c_ulong(0)
    result = _libc.prctl(
        ctypes.c_int(PR_SET_SECCOMP), ctypes.c_ulong(filter_mode), ctypes.c_void_p(program_address), zero, zero
    )
    _succeed(result, "prctl PR_SET_SECCOMP")


def has_capability(capability: int) -> bool:
    """Whether the calling process has a capability in its own user namespace."""
    header = _CapabilityHeader(_CAPABILITY_VERSION_3, 0)
    sets = (_CapabilitySets * 2)()
    _succeed(_libc.capget(ctypes.byref(header), sets), "capget")
    return bool(sets[capability // 32].effective >> (capability % 32) & 1)


def drop_bounding_capabilities() -> None:
    """Empty the bounding and the ambient set, so that no program started later can gain a capability."""
    for capability in range(_HIGHEST_CAPABILITY + 1):
        try:
            prctl(PR_CAPBSET_DROP, capability)
        except OSError:
            # The kernel knows no capability with this number, hence none with a higher one.
            if capability <= CAP_SYS_ADMIN:
                raise
            break
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)


def drop_capabilities() -> None:
    """Empty the effective, permitted and inheritable sets."""
    header = _CapabilityHeader(_CAPABILITY_VERSION_3, 0)
    _succeed(_libc.capset(ctypes.byref(header), (_CapabilitySets * 2)()), "capset")


def collapse_pages(start: int, length: int) -> None:
    """Put a range of the process's own memory into huge pages."""
    collapse = 25
    result = _libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(length), ctypes.c_int(collapse))
    _succeed(result, "madvise MADV_COLLAPSE")


def end_at_signal(number: int) -> None:
    """End the process at once, with the signal's number as its exit code, when the signal comes."""
    _libc.signal.restype = ctypes.c_void_p
    result = _libc.signal(ctypes.c_int(number), ctypes.cast(_libc._exit, ctypes.c_void_p))
    error = ctypes.c_void_p(-1).value
    _succeed(-1 if result == error else 0, f"signal {number}")


def _text(text: str | None) -> bytes | None:
    return None if text is None else os.fsencode(text)


def _succeed(result: int, call: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{call}: {os.strerror(number)}")
