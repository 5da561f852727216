"""The memory of all processes of a sandbox together, seen from outside it.

Limits of the kernel's own are per process; sixty processes may take sixty times as much. The sum is therefore looked at
a few times a second. It is a watch, not a wall: between two looks a process can take more, and what the kernel itself
uses for pipes, sockets and page tables is not in it.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field

_MARGIN_BYTES = 32 * 2**20
# The exact figure costs milliseconds a process; it may take up this part of the time at most.
_EXACT_SHARE = 0.1


@dataclass
class MemoryWatch:
    """Says when the sandbox has more than ``memory_bytes`` above what it started with.

    ``processes`` is an open folder of the sandbox's /proc, or ``None`` to look for the descendants of ``first_process``
    in the host's.
    """

    memory_bytes: int
    first_process: int
    processes: int | None
    _start_bytes: int = field(init=False)
    _next_exact: float = field(init=False, default=0.0)

    def __post_init__(self) -> None:
        """Take the warm process's own memory as the zero."""
        self._start_bytes = self._quick_sum()

    def exceeded(self) -> bool:
        """Whether the limit is passed now.

        The quick sum counts a page that two processes share twice, so it is too high after a fork, never too low; only
        then is the exact one worth its cost.
        """
        allowed_bytes = self._start_bytes + self.memory_bytes + _MARGIN_BYTES
        if self._quick_sum() <= allowed_bytes:
            return False
        started = time.monotonic()
        if started < self._next_exact:
            return False
        exceeded = self._exact_sum() > allowed_bytes
        ended = time.monotonic()
        self._next_exact = ended + (ended - started) / _EXACT_SHARE
        return exceeded

    def _quick_sum(self) -> int:
        return sum(self._fields(process, "status", ("RssAnon", "RssShmem", "VmSwap")) for process in self._members())

    def _exact_sum(self) -> int:
        names = ("Pss_Anon", "Pss_Shmem", "SwapPss")
        return sum(self._fields(process, "smaps_rollup", names) for process in self._members())

    def _members(self) -> list[str]:
        if self.processes is not None:
            return [name for name in os.listdir(self.processes) if name.isdigit()]
        found = [str(self.first_process)]
        for process in found:
            found += self._children(process)
        return found

    def _children(self, process: str) -> list[str]:
        children: list[str] = []
        try:
            for thread in os.listdir(f"/proc/{process}/task"):
                with open(f"/proc/{process}/task/{thread}/children", encoding="utf-8") as file:
                    children += file.read().split()
        except (FileNotFoundError, ProcessLookupError):
            # It ended while it was being looked at; its children have become the first process's.
            return children
        return children

    def _fields(self, process: str, name: str, wanted: tuple[str, ...]) -> int:
        folder = "" if self.processes is not None else "/proc/"
        try:
            descriptor = os.open(f"{folder}{process}/{name}", os.O_RDONLY | os.O_CLOEXEC, dir_fd=self.processes)
        except (FileNotFoundError, ProcessLookupError):
            return 0
        with os.fdopen(descriptor, "rb") as file:
            try:
                text = file.read().decode("utf-8", "replace")
            except ProcessLookupError:
                return 0
        total = 0
        for line in text.splitlines():
            field_name, _, value = line.partition(":")
            if field_name in wanted:
                total += int(value.split()[0]) * 1024
        return total
