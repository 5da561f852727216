"""What a confined process may see and use, and the error of a platform that cannot confine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from autograder.engine import Limits

WORK_FOLDER = Path("/submission")
TEMPORARY_FOLDER = Path("/tmp")
HOME_FOLDER = TEMPORARY_FOLDER / "home"


class SandboxUnavailableError(RuntimeError):
    """This machine cannot confine a process; the message has the reason and the remedy."""


@dataclass(frozen=True)
class Confinement:
    """What one confined process may see and use.

    ``readable`` files and folders are shown read-only at their own absolute paths, with everything below them except
    ``hidden``, which must exist and is replaced by an empty file or folder. ``folder`` holds the instructor's data
    files, which stand in the working directory ``/submission``: small ones as private copies that may be changed, large
    ones as links that may be read, removed and replaced. ``keep_fds`` are the only descriptors besides 0, 1 and 2 that
    stay open. ``scratch_files`` bounds how many files the scratch can hold.
    """

    readable: tuple[Path, ...]
    limits: Limits
    hidden: tuple[Path, ...] = ()
    folder: Path | None = None
    keep_fds: tuple[int, ...] = ()
    scratch_files: int = 8192
