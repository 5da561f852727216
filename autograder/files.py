"""Writing files so that a reader sees the old content or the new one, never half of it."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from pathlib import Path

_TEMPORARY = re.compile(r"\..+\.[a-z0-9_]{8}\.partial")


def write_atomically(path: Path, content: bytes, *, durable: bool = False) -> bool:
    """Write a file through a temporary one beside it.

    Args:
        path: the file; its folder is made if needed.
        content: what it shall hold.
        durable: return only once the content is on the disk, so that it also outlives a power cut.
    Returns:
        Whether the file changed; one that holds this already is left alone.
    """
    if path.is_file() and path.read_bytes() == content:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".partial")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        os.chmod(temporary, 0o644)  # mkstemp's file is for its owner only; other people read a course
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    return True


def remove_leftovers(folder: Path) -> None:
    """Remove what a killed ``write_atomically`` left under a folder; nobody may be writing there."""
    for path in folder.rglob(".*"):
        if _TEMPORARY.fullmatch(path.name) and path.is_file() and not path.is_symlink():
            path.unlink(missing_ok=True)


def content_hash(content: bytes) -> str:
    """Return the SHA-256 of some bytes, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file, or the empty string if there is none."""
    return content_hash(path.read_bytes()) if path.is_file() else ""
