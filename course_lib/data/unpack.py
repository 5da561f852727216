"""Unpacking of archives from elsewhere: everything is checked before anything is written."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Final

_BLOCK: Final = 1 << 20


class UnsafeArchiveError(RuntimeError):
    """An archive holds a member that has no business there; nothing of it was unpacked."""


class NotEnoughSpaceError(RuntimeError):
    """The disk cannot hold what is about to be written."""


@dataclass(frozen=True)
class _Member:
    """One file of an archive: its checked relative path, its size and how to open it."""

    path: PurePosixPath
    n_bytes: int
    open: Callable[[], IO[bytes]]


def _checked_path(name: str) -> PurePosixPath:
    """Return a member's name as a relative path that stays inside, or raise."""
    path = PurePosixPath(name)
    if not name or "\0" in name or "\\" in name or ":" in name:
        raise UnsafeArchiveError(
            f"member {name!r} has a name that not every system can write. The archive was not unpacked."
        )
    if path.is_absolute() or ".." in path.parts:
        raise UnsafeArchiveError(f"member {name!r} would be written outside the folder. The archive was not unpacked.")
    return path


def _tar_members(archive: tarfile.TarFile) -> Iterator[_Member]:
    """Yield the files of a tar archive, refusing links and devices."""
    for entry in archive.getmembers():
        path = _checked_path(entry.name)
        if entry.isdir():
            continue
        if not entry.isreg():
            kind = "a symbolic link" if entry.issym() else "a hard link" if entry.islnk() else "a special file"
            raise UnsafeArchiveError(f"member {entry.name!r} is {kind}. The archive was not unpacked.")

        def open_member(entry: tarfile.TarInfo = entry) -> IO[bytes]:
            stream = archive.extractfile(entry)
            if stream is None:
                raise UnsafeArchiveError(f"member {entry.name!r} cannot be read as a file.")
            return stream

        yield _Member(path, entry.size, open_member)


def _zip_members(archive: zipfile.ZipFile) -> Iterator[_Member]:
    """Yield the files of a zip archive, refusing links, devices and encryption."""
    for entry in archive.infolist():
        path = _checked_path(entry.orig_filename)
        file_type = stat.S_IFMT(entry.external_attr >> 16)
        if file_type not in (0, stat.S_IFREG, stat.S_IFDIR):
            kind = "a symbolic link" if file_type == stat.S_IFLNK else "a special file"
            raise UnsafeArchiveError(f"member {entry.orig_filename!r} is {kind}. The archive was not unpacked.")
        if entry.flag_bits & 1:
            raise UnsafeArchiveError(f"member {entry.orig_filename!r} is encrypted. The archive was not unpacked.")
        if not entry.is_dir():
            yield _Member(path, entry.file_size, lambda entry=entry: archive.open(entry))  # type: ignore[misc]


@contextmanager
def _opened(archive: Path) -> Iterator[Sequence[_Member]]:
    """Open an archive and give its checked members."""
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as zip_archive:
                yield list(_zip_members(zip_archive))
        else:
            with tarfile.open(archive) as tar_archive:
                yield list(_tar_members(tar_archive))
    except (tarfile.TarError, zipfile.BadZipFile, EOFError) as error:
        raise UnsafeArchiveError(f"{archive.name} is not a readable tar or zip archive: {error}.") from error


def require_space(folder: Path, n_bytes: int, what: str) -> None:
    """Raise unless the disk of ``folder`` has room for ``n_bytes``.

    Args:
        folder: an existing folder.
        n_bytes: what is about to be written.
        what: names it in the message.

    Raises:
        NotEnoughSpaceError: if there is not enough room.

    Lesson: 01 §1
    """
    free = shutil.disk_usage(folder).free
    if free < n_bytes:
        raise NotEnoughSpaceError(
            f"{what} needs {n_bytes / 1e6:.0f} MB and the disk of {folder} has {free / 1e6:.0f} MB free. "
            "Free some space, or set COURSE_LIB_CACHE to a folder on another disk."
        )


def _copy(member: _Member, target: Path) -> str:
    """Write one member, never more than it declared, and return the SHA-256 of its content."""
    digest = hashlib.sha256()
    written = 0
    with member.open() as source, target.open("xb") as sink:
        while block := source.read(_BLOCK):
            written += len(block)
            if written > member.n_bytes:
                raise UnsafeArchiveError(f"member {str(member.path)!r} is longer than it declares.")
            digest.update(block)
            sink.write(block)
    if written != member.n_bytes:
        raise UnsafeArchiveError(f"member {str(member.path)!r} is shorter than it declares.")
    return digest.hexdigest()


def unpack(archive: Path, folder: Path, *, finish: Callable[[Path, dict[str, str]], None] | None = None) -> None:
    """Unpack a tar or zip archive into a new folder, which appears only when it is complete.

    Args:
        archive: a .tar, .tar.gz or .zip file.
        folder: must not exist yet; its parent must.
        finish: called with the complete temporary folder and the SHA-256 of each file, before the rename.

    Raises:
        UnsafeArchiveError: if a member is absolute, climbs out by ``..``, is a link, a device or encrypted,
            appears twice, or if the archive is damaged. The message names the member; nothing is left behind.
        NotEnoughSpaceError: if the disk cannot hold the content.

    Lesson: 01 §1
    """
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        hashes: dict[str, str] = {}
        with _opened(archive) as members:
            require_space(folder.parent, sum(member.n_bytes for member in members), f"unpacking {archive.name}")
            for member in members:
                target = temporary.joinpath(*member.path.parts)
                try:
                    target.parent.mkdir(parents=True, exist_ok=True)
                    hashes[str(member.path)] = _copy(member, target)
                except (FileExistsError, NotADirectoryError) as error:
                    raise UnsafeArchiveError(f"member {str(member.path)!r} appears twice.") from error
        if finish is not None:
            finish(temporary, hashes)
        temporary.chmod(0o755)
        os.replace(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
