"""The course's one secret: what verdicts are signed with, and what hidden inputs are drawn from.

It is a file of 64 hexadecimal digits in the course's root, made at the first grading, which nobody else may
read. Nothing that is handed to students is taken from there. Each purpose has its own key derived from it,
so that what one part of the grader knows is of no use in another.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import re
import secrets
import stat
import tempfile
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final

KEY_NAME: Final = "grading.key"

_KEY = re.compile(rb"\s*([0-9a-fA-F]{64})\s*")


class GradingKeyError(ValueError):
    """The key cannot be used; the message says what is wrong with its file and how to put it right."""


@dataclass(frozen=True)
class GradingKey:
    """The secret of a course, and the keys derived from it."""

    secret: bytes = field(repr=False)

    @cached_property
    def verdicts(self) -> bytes:
        """The key that signs verdicts."""
        return self._derive(b"verdicts")

    @cached_property
    def inputs(self) -> str:
        """The secret from which hidden inputs are drawn, as hexadecimal text."""
        return self._derive(b"inputs").hex()

    @cached_property
    def identity(self) -> str:
        """A name of the key that may be published: it tells two keys apart and nothing else."""
        return hashlib.sha256(b"identity of " + self.inputs.encode()).hexdigest()[:16]

    def _derive(self, purpose: bytes) -> bytes:
        return hmac.digest(self.secret, b"autograder " + purpose, "sha256")


def load_key(course_root: Path, path: Path | None = None) -> GradingKey:
    """Read a course's key; the first time, make it.

    Args:
        course_root: the course; its own key is the file ``grading.key`` there.
        path: another key file, which has to exist: a mistyped name must not change everybody's hidden inputs.
    Returns:
        The key.
    Raises:
        GradingKeyError: if the file is missing where it was named, can be read by others, or holds no key.
    """
    place = path or course_root / KEY_NAME
    try:
        if path is None and not place.exists():
            _make(place)
        return GradingKey(_read(place))
    except FileNotFoundError as error:
        raise GradingKeyError(
            f"There is no grading key at {place}. Copy {KEY_NAME} of another course there, or make one: "
            f"`(umask 077; openssl rand -hex 32 > {place})`."
        ) from error
    except OSError as error:
        raise GradingKeyError(f"The grading key {place} cannot be used ({error.strerror}).") from error


def _read(place: Path) -> bytes:
    with place.open("rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise GradingKeyError(f"The grading key {place} is not a plain file.")
        if os.name == "posix" and status.st_mode & 0o077:
            raise GradingKeyError(
                f"The grading key {place} can be read by others (mode {stat.S_IMODE(status.st_mode):o}). "
                f"Protect it: `chmod 600 {place}`. If others may have read it, make a new one and grade again."
            )
        found = _KEY.fullmatch(file.read(1024))
    if found is None:
        raise GradingKeyError(
            f"The grading key {place} is damaged: expected 64 hexadecimal digits. Put a copy back; "
            "a new key means other hidden inputs, and that everything is graded again."
        )
    return bytes.fromhex(found[1].decode())


def _make(place: Path) -> None:
    """Write a new key so that it is whole from the moment it is there, and never replaces one."""
    # mkstemp's file is for its owner only.
    descriptor, temporary = tempfile.mkstemp(dir=place.parent, prefix=f".{place.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(32) + "\n")
            file.flush()
            os.fsync(file.fileno())
        # Two runs may begin at once: the first to link wins, and the other reads what it made.
        with contextlib.suppress(FileExistsError):
            os.link(temporary, place)
    finally:
        os.unlink(temporary)
