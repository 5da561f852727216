"""One grading run at a time in a course: the operating system frees the lock of a process that has died."""

from __future__ import annotations

import contextlib
import datetime
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

LOCK_NAME = ".grading.lock"


class CourseBusyError(RuntimeError):
    """Another run is grading this course; the message says which."""


@contextlib.contextmanager
def course_lock(root: Path) -> Iterator[None]:
    """Hold the course while it is graded.

    The file stays behind, and so may the words in it: only the operating system's lock on it counts, which ends with
    the process that holds it, however that ended.

    Raises:
        CourseBusyError: if another run holds it.
    """
    path = root / LOCK_NAME
    with path.open("a+", encoding="utf-8") as file:
        if not _take(file):
            file.seek(0)
            who = file.read().strip() or "another process"
            raise CourseBusyError(
                f"Another run is grading {root} ({who}). Wait until it has finished, or end it; then give the same "
                "command again. Nothing has been changed."
            )
        file.seek(0)
        file.truncate()
        started = datetime.datetime.now().astimezone().isoformat(sep=" ", timespec="seconds")
        file.write(f"process {os.getpid()} on {socket.gethostname()} since {started}\n")
        file.flush()
        yield


if sys.platform == "win32":
    import msvcrt

    # Windows locks bytes, not files, and hides locked ones from readers: one far behind the words is taken.
    _BYTE = 2**30

    def _take(file: IO[str]) -> bool:
        os.lseek(file.fileno(), _BYTE, os.SEEK_SET)
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _take(file: IO[str]) -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
