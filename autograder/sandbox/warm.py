"""Making a process that has imported its libraries cheap to fork."""

from __future__ import annotations

import errno
import gc
import sys
from pathlib import Path

from . import mounts, seccomp, syscalls

_HUGE_PAGE_BYTES = 2 * 2**20
# Memory that the kernel cannot put together: thread stacks, or none to be had, or a kernel older than 6.1.
_NOT_NOW = (errno.EINVAL, errno.ENOMEM, errno.EAGAIN, errno.EBUSY)


def prepare_to_fork(readable: tuple[Path, ...] = (), hidden: tuple[Path, ...] = ()) -> None:
    """Do once, in a warm server, what every confinement would otherwise do again. Without it all works, more slowly.

    A fork copies the table of the process's pages, 47 000 of them after torch's import; in pages of two megabytes it is
    a few hundred. Writing to such a page takes the table apart again, so a server that forks for hours may call this
    now and then. Frozen objects are not visited by the collector in the children, whose visits would copy pages.
    """
    gc.collect()
    gc.freeze()
    if sys.platform == "linux":
        mounts.plan(readable, hidden)
        seccomp.build_filter(syscalls.architecture())
        _use_huge_pages()


def _use_huge_pages() -> None:
    for line in Path("/proc/self/maps").read_text(encoding="utf-8").splitlines():
        addresses, rights, _, _, inode, *name = line.split()
        start, end = (int(address, 16) for address in addresses.split("-"))
        anonymous = inode == "0" and name in ([], ["[heap]"])
        if rights == "rw-p" and anonymous and end - start >= _HUGE_PAGE_BYTES:
            try:
                syscalls.collapse_pages(start, end - start)
            except OSError as error:
                if error.errno not in _NOT_NOW:
                    raise
