"""The kernel's own limits on one process (rlimits)."""

from __future__ import annotations

import math
import resource
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from autograder.engine import Limits

_STACK_BYTES = 8 * 2**20
_STACK_CEILING_BYTES = 64 * 2**20
_LOCKED_BYTES = 64 * 2**10
# What the C library reserves, without using it, for the heap of each thread.
_HEAP_RESERVATION_BYTES = 64 * 2**20


def set_limits(limits: Limits, in_use: tuple[int, int], *, others: int | None) -> None:
    """Limit the calling process and, each on its own, all that it starts.

    Memory is limited as the private writable kind (``RLIMIT_DATA``): that is what an array takes, also before it is
    touched, so that too large a one is a ``MemoryError`` at once. The whole address space says little, since torch maps
    hundreds of megabytes that it never touches; it only gets a bound with room for that, against mappings of the shared
    kind. Both are on top of ``in_use``, what the warm process has already.

    Processes and threads are counted by user: ``others`` are those of the same user that are not the submission's, or
    ``None`` if they are too many to say, and the limit useless.

    A core file limit of 1 rather than 0: the kernel then also leaves out the crash handler of the host.
    """
    _lower(resource.RLIMIT_CORE, 1)
    _lower(resource.RLIMIT_CPU, math.ceil(limits.total_seconds) + 1)
    _lower(resource.RLIMIT_NOFILE, limits.open_files)
    _lower(resource.RLIMIT_FSIZE, limits.file_bytes)
    _lower(resource.RLIMIT_MEMLOCK, _LOCKED_BYTES)
    _, hard = resource.getrlimit(resource.RLIMIT_STACK)
    ceiling = _smaller(hard, _STACK_CEILING_BYTES)
    resource.setrlimit(resource.RLIMIT_STACK, (_smaller(ceiling, _STACK_BYTES), ceiling))
    if sys.platform == "linux":
        _lower(resource.RLIMIT_MSGQUEUE, 0)
    if limits.memory_bytes is not None:
        size_bytes, data_bytes = in_use
        _lower(resource.RLIMIT_DATA, data_bytes + limits.memory_bytes)
        reserved_bytes = _HEAP_RESERVATION_BYTES * limits.processes
        _lower(resource.RLIMIT_AS, size_bytes + 2 * limits.memory_bytes + reserved_bytes)
    if others is not None:
        _lower(resource.RLIMIT_NPROC, limits.processes + others)


def _lower(kind: int, value: int) -> None:
    _, hard = resource.getrlimit(kind)
    value = _smaller(hard, value)
    resource.setrlimit(kind, (value, value))


def _smaller(limit: int, value: int) -> int:
    return value if limit == resource.RLIM_INFINITY else min(limit, value)


def memory_in_use() -> tuple[int, int]:
    """Address space and private writable memory of this process in bytes; zeros where the system does not say."""
    status = Path("/proc/self/status")
    if not status.exists():
        return 0, 0
    fields = dict(line.split(":", 1) for line in status.read_text(encoding="utf-8").splitlines() if ":" in line)
    size, data = (int(fields[name].split()[0]) * 1024 for name in ("VmSize", "VmData"))
    return size, data
