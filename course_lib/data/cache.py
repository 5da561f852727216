"""Where built and downloaded data lie, and how files get there whole or not at all."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

ENVIRONMENT_VARIABLE: Final = "COURSE_LIB_CACHE"
"""Names the folder to use instead of the user's cache folder."""


def cache_dir() -> Path:
    """Return the folder of all cached data: the user's cache folder, or what ``COURSE_LIB_CACHE`` names.

    Returns:
        An absolute path; the folder need not exist yet.

    Lesson: 01 §1
    """
    moved = os.environ.get(ENVIRONMENT_VARIABLE)
    if moved:
        return Path(moved).expanduser().absolute()
    import pooch

    return Path(pooch.os_cache("source-separation-course"))


@contextmanager
def locked(lock_file: Path) -> Iterator[None]:
    """Hold an exclusive lock between processes; it vanishes with the process, however that ends.

    Args:
        lock_file: created if missing and left in place.

    Lesson: 01 §1
    """
    lock_file.parent.mkdir(parents=True, exist_ok=True)
    with lock_file.open("a+b") as handle:
        if sys.platform == "win32":
            import msvcrt
            import time

            while True:
                try:
                    handle.seek(0)
                    msvcrt.locking(handle.fileno(), msvcrt.LK_NBLCK, 1)
                    break
                except OSError:
                    time.sleep(0.1)
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX)
        try:
            yield
        finally:
            if sys.platform == "win32":
                handle.seek(0)
                msvcrt.locking(handle.fileno(), msvcrt.LK_UNLCK, 1)
            else:
                fcntl.flock(handle, fcntl.LOCK_UN)


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that readers see the old content or all of the new.

    Args:
        path: where the file shall be; its folder is created.
        content: all of it.

    Lesson: 01 §1
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as handle:
            handle.write(content)
        # A temporary file is its owner's alone; a lab's machines share one corpus, and so does the grader's sandbox.
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
