"""Reading what students hand in from zip archives and folders, without trusting a name, a size or a link in them.

Nothing is ever unpacked: a member is read into memory, with a bound, when its content is asked for, and its
name is only compared and shown. What is wrong with one member stands in that member's ``refusal``, so that
the others go on; what makes the archive as a whole a danger raises ``ArchiveError``.
"""

from __future__ import annotations

import io
import os
import re
import stat
import unicodedata
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Protocol

MAX_ENTRIES = 100_000
MAX_STUDENT_ENTRIES = 10_000
MAX_DIRECTORY_BYTES = 64 * 2**20
MAX_DEPTH = 16
MAX_PATH_CHARACTERS = 1_000
MAX_NAME_BYTES = 255
# Deflate reaches 1032 to 1. A notebook full of equal outputs stays far below this, and small files are harmless.
MAX_RATIO = 250
SMALL_BYTES = 2**20

_LOCAL_HEADER_BYTES = 30
_ENCRYPTED = 0x1 | 0x40 | 0x2000
_UTF8_NAME = 0x800
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_DRIVE = re.compile(r"[A-Za-z]:")
_SYSTEM_FILES = frozenset({"Icon\r", "Thumbs.db", "desktop.ini", "timestamp.txt"})
_ARCHIVE_SUFFIXES = (
    *(".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst", ".7z", ".rar", ".lz", ".lzma", ".cab", ".iso", ".jar"),
)
_ARCHIVE_STARTS = (
    b"PK\x03\x04",
    b"PK\x05\x06",
    b"\x1f\x8b",
    b"7z\xbc\xaf\x27\x1c",
    b"Rar!\x1a\x07",
    b"BZh",
    b"\xfd7zXZ",
)
# Marks and overrides of writing direction, and the byte order mark: they make one name look like another.
_MISLEADING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")
_UNSHOWABLE = frozenset({"Cc", "Cs", "Zl", "Zp"})


class ArchiveError(ValueError):
    """An archive that cannot be read at all, or must not be; the message says what to do."""


class MemberError(ValueError):
    """One member cannot be read; the message is the reason that its student and marker see."""


@dataclass(frozen=True)
class Member:
    """A file, or an empty folder, in an archive or a folder of submissions.

    ``parts`` are the components of its path. ``refusal`` is why it must not be read, empty for most.
    """

    parts: tuple[str, ...]
    refusal: str = ""
    is_folder: bool = False
    size: int = 0
    position: int = 0

    @property
    def shown(self) -> str:
        """The path as it can be printed."""
        return printable("/".join(self.parts))

    @property
    def name(self) -> str:
        """The last component."""
        return self.parts[-1] if self.parts else ""

    @property
    def is_notebook(self) -> bool:
        """Whether it is named as a notebook."""
        return not self.is_folder and self.name.lower().endswith(".ipynb")

    @property
    def is_archive(self) -> bool:
        """Whether it is named as an archive."""
        return not self.is_folder and self.name.lower().endswith(_ARCHIVE_SUFFIXES)


class Place(Protocol):
    """Where submissions lie: an archive or a folder."""

    path: Path
    members: tuple[Member, ...]

    def read(self, member: Member, limit: int) -> bytes:
        """Return a member's content, or raise ``MemberError``; never read more than ``limit`` bytes."""
        ...


def printable(text: str, limit: int = 160) -> str:
    """Return text for a message: what cannot be seen is written as its code, and the end of a long text left out."""
    shown = "".join(
        char if char.isprintable() and _is_visible(char) else f"\\u{{{ord(char):x}}}" for char in text[: limit + 1]
    )
    return shown if len(shown) <= limit else shown[:limit] + "…"


def looks_like_an_archive(content: bytes) -> bool:
    """Say whether some bytes begin as an archive does, whatever the file is called."""
    return content.startswith(_ARCHIVE_STARTS)


def name_refusal(name: str) -> str:
    """Return why a path from an archive is refused, or the empty string for one that any system could hold."""
    if "\0" in name:
        return "its name holds a NUL character"
    if not all(map(_is_visible, name)):
        return "its name holds control characters or overrides of the writing direction"
    if "\\" in name:
        return "its name holds a backslash: pack the folder with another program"
    if name.startswith("/") or _DRIVE.match(name):
        return "its name is an absolute path"
    parts = [part for part in name.rstrip("/").split("/") if part != "."]
    if not parts or "" in parts:
        return "its name has an empty part"
    if ".." in parts:
        return "its name leads out of the archive (..)"
    if len(parts) > MAX_DEPTH:
        return f"it lies {len(parts)} folders deep, the limit is {MAX_DEPTH}"
    if len(name) > MAX_PATH_CHARACTERS or any(len(part.encode()) > MAX_NAME_BYTES for part in parts):
        return f"its name is longer than {MAX_NAME_BYTES} bytes a part or {MAX_PATH_CHARACTERS} characters in all"
    return ""


def _is_visible(char: str) -> bool:
    return char not in _MISLEADING and unicodedata.category(char) not in _UNSHOWABLE


def _is_clutter(parts: tuple[str, ...]) -> bool:
    """Say whether a path is something that an operating system or Jupyter left, not a student."""
    if not parts or ".." in parts:
        return False
    return any(part.startswith(".") for part in parts) or "__MACOSX" in parts or parts[-1] in _SYSTEM_FILES


class ZipPlace:
    """A zip archive of submissions, open for reading."""

    def __init__(self, path: Path) -> None:
        """Read the archive's directory.

        Raises:
            ArchiveError: if it is no zip archive, is damaged, or is a danger as a whole.
        """
        self.path = path
        self._file: BinaryIO | None = None
        try:
            self._file = _open_plain(path)
            self._zip = zipfile.ZipFile(_BoundedReader(self._file, path.name))
            self.members = tuple(self._list())
        except MemberError as error:
            raise ArchiveError(f"{path} cannot be read: {error}.") from error
        except ArchiveError:
            self.close()
            raise
        except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError, EOFError, ArithmeticError) as error:
            self.close()
            raise ArchiveError(
                f"{path} is not a zip archive, or was damaged or cut off on its way ({error}): download it again."
            ) from error
        except Exception as error:
            self.close()
            # zipfile lets struct.error and others through for directories that no program writes.
            raise ArchiveError(f"{path} is damaged ({type(error).__name__}: {error}): download it again.") from error

    def __enter__(self) -> ZipPlace:
        """Return the open archive."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self.close()

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()

    def read(self, member: Member, limit: int) -> bytes:
        """Return a member's content; the size that the archive declares decides nothing but the message."""
        if member.refusal:
            raise MemberError(member.refusal)
        entry = self._zip.infolist()[member.position]
        if entry.file_size > limit:
            raise MemberError(f"the file has {entry.file_size / 2**20:.0f} MiB, the limit is {limit / 2**20:.0f} MiB")
        if entry.file_size > SMALL_BYTES and entry.file_size > MAX_RATIO * max(1, entry.compress_size):
            raise MemberError(f"it is compressed more than {MAX_RATIO} to 1, as a bomb is")
        try:
            with self._zip.open(entry) as file:
                content = file.read(limit + 1)
                if file.read(1):
                    raise MemberError("it is larger than the archive says")
        except MemberError:
            raise
        except (
            zipfile.BadZipFile,
            NotImplementedError,
            RuntimeError,
            ValueError,
            EOFError,
            OSError,
            zlib.error,
        ) as bad:
            raise MemberError(f"it is damaged in the archive ({printable(str(bad))})") from bad
        if len(content) != entry.file_size:
            raise MemberError("it is cut off in the archive")
        return content

    def _list(self) -> Iterator[Member]:
        entries = self._zip.infolist()
        shown = self.path.name
        if len(entries) > MAX_ENTRIES:
            raise ArchiveError(f"{shown} has {len(entries)} entries, the limit is {MAX_ENTRIES}: grade it in parts.")
        if entries and all(entry.flag_bits & _ENCRYPTED for entry in entries if not entry.filename.endswith("/")):
            raise ArchiveError(f"{shown} is encrypted: unpack it with its password and name the folder.")
        self._refuse_overlaps(entries)
        members = []
        for position, entry in enumerate(entries):
            name = unicodedata.normalize("NFC", _decoded_name(entry))
            parts = tuple(part for part in name.rstrip("/").split("/") if part != ".") or (name,)
            if _is_clutter(parts):
                continue
            refusal = name_refusal(name) or _entry_refusal(entry)
            members.append(Member(parts, refusal, entry.is_dir(), entry.file_size, position))
        yield from _with_clashes_refused(members)

    def _refuse_overlaps(self, entries: list[zipfile.ZipInfo]) -> None:
        """Refuse entries that share bytes: how a few kilobytes become petabytes, and what no honest program writes."""
        reader = self._zip.fp
        assert reader is not None
        end = 0
        before = ""
        for entry in sorted(entries, key=lambda one: one.header_offset):
            if entry.header_offset < end:
                raise ArchiveError(
                    f"{self.path.name} holds entries that overlap ({printable(before)} and "
                    f"{printable(entry.filename)}), as a zip bomb does: it is not read."
                )
            reader.seek(entry.header_offset)
            header = reader.read(_LOCAL_HEADER_BYTES)
            lengths = int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")
            end = entry.header_offset + _LOCAL_HEADER_BYTES + lengths + entry.compress_size
            before = entry.filename
        if end > self._zip.start_dir:
            raise ArchiveError(
                f"{self.path.name} is damaged ({printable(before)} does not end inside): download it again."
            )


def _decoded_name(entry: zipfile.ZipInfo) -> str:
    """Return an entry's whole name; zipfile cuts it at a NUL, and reads unmarked UTF-8 as the code page of MS-DOS."""
    name = entry.orig_filename
    if entry.flag_bits & _UTF8_NAME or name.isascii():
        return name
    try:
        return name.encode("cp437").decode("utf-8")
    except UnicodeError:
        return name


def _entry_refusal(entry: zipfile.ZipInfo) -> str:
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind == stat.S_IFLNK:
        return "it is a symbolic link, which is not followed: hand in the file itself"
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "it is a device or a pipe, not a file"
    if entry.is_dir():
        return ""
    if entry.flag_bits & _ENCRYPTED:
        return "it is encrypted: hand it in without a password"
    if entry.compress_type not in _METHODS:
        return f"it is compressed by method {entry.compress_type}; only stored and deflated files are read"
    return ""


def _with_clashes_refused(members: list[Member]) -> Iterator[Member]:
    """Refuse files whose names are equal, or differ only in case: which one counts depends on who unpacks them."""
    paths = [member.parts for member in members if not member.is_folder]
    equal = Counter(paths)
    alike = Counter(tuple(part.casefold() for part in parts) for parts in equal)
    for member in members:
        if member.is_folder or member.refusal:
            yield member
        elif equal[member.parts] > 1:
            yield replace(member, refusal=f"its name stands {equal[member.parts]} times in the archive")
        elif alike[tuple(part.casefold() for part in member.parts)] > 1:
            yield replace(member, refusal="another file's name differs from its name only in upper and lower case")
        else:
            yield member


class _BoundedReader(io.RawIOBase):
    """A seekable file that hands out no more at once than an archive's directory may have.

    zipfile reads the directory in one piece, of the size that the archive itself declares.
    """

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._source = file
        self._name = name

    def read(self, size: int = -1) -> bytes:
        """Read, or refuse to."""
        asked = MAX_DIRECTORY_BYTES + 1 if size is None or size < 0 else size
        if asked <= MAX_DIRECTORY_BYTES:
            return self._source.read(asked)
        here = self._source.tell()
        left = self._source.seek(0, os.SEEK_END) - here
        self._source.seek(here)
        if min(asked, left) > MAX_DIRECTORY_BYTES:
            raise ArchiveError(
                f"{self._name} has a directory of more than {MAX_DIRECTORY_BYTES // 2**20} MiB: it is not read."
            )
        return self._source.read()

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move in the file."""
        return self._source.seek(offset, whence)

    def tell(self) -> int:
        """Say where in the file reading goes on."""
        return self._source.tell()

    def seekable(self) -> bool:
        """Say that it can seek."""
        return True

    def readable(self) -> bool:
        """Say that it can be read."""
        return True


class FolderPlace:
    """A folder of submissions: what lies in it is listed without following a link or opening a pipe."""

    def __init__(self, path: Path) -> None:
        """List the folder.

        Raises:
            ArchiveError: if it cannot be listed.
        """
        self.path = path
        try:
            self.members = tuple(self._list())
        except OSError as error:
            raise ArchiveError(f"{path} cannot be read ({error.strerror}).") from error

    def __enter__(self) -> FolderPlace:
        """Return the folder."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is held open."""

    def read(self, member: Member, limit: int) -> bytes:
        """Return a file's content."""
        if member.refusal:
            raise MemberError(member.refusal)
        return read_plain_file(self.path.joinpath(*member.parts), limit)

    def _list(self) -> Iterator[Member]:
        with os.scandir(self.path) as entries:
            listed = sorted(entries, key=lambda one: one.name)
        for entry in listed:
            parts = (entry.name,)
            if _is_clutter(parts):
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from self._list_student(parts)
            else:
                yield Member(parts, _kind_refusal(entry))

    def _list_student(self, top: tuple[str, ...]) -> Iterator[Member]:
        found: list[Member] = [Member(top, is_folder=True)]
        waiting = [top]
        n_entries = 0
        while waiting:
            folder = waiting.pop(0)
            try:
                with os.scandir(self.path.joinpath(*folder)) as entries:
                    for entry in entries:
                        n_entries += 1
                        if n_entries > MAX_STUDENT_ENTRIES:
                            reason = f"the folder holds more than {MAX_STUDENT_ENTRIES} entries"
                            yield Member(top, reason, is_folder=True)
                            return
                        member = _listed(entry, folder)
                        found.extend([] if _is_clutter(member.parts) else [member])
                        if member.is_folder and not member.refusal and not _is_clutter(member.parts):
                            waiting.append(member.parts)
            except OSError as error:
                found.append(Member(folder, f"the folder cannot be read ({error.strerror})", is_folder=True))
        yield from sorted(found, key=lambda one: (len(one.parts), one.parts))


def _listed(entry: os.DirEntry[str], folder: tuple[str, ...]) -> Member:
    parts = (*folder, entry.name)
    if not all(map(_is_visible, entry.name)):
        return Member(parts, "its name holds control characters or is not Unicode")
    if not entry.is_dir(follow_symlinks=False):
        return Member(parts, _kind_refusal(entry))
    return Member(
        parts, f"it lies more than {MAX_DEPTH} folders deep" if len(parts) > MAX_DEPTH else "", is_folder=True
    )


def _kind_refusal(entry: os.DirEntry[str]) -> str:
    if entry.is_symlink():
        return "not a plain file (a link): hand in the file itself"
    if not entry.is_file(follow_symlinks=False):
        return "not a plain file (a device or a pipe): hand in the file itself"
    return ""


def _open_plain(path: Path, *, extra_flags: int = 0) -> BinaryIO:
    """Open a file for reading if it is a plain one; a pipe without a writer must not stop the class."""
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(path, flags | extra_flags)
    except OSError as error:
        raise MemberError(f"the file cannot be opened ({error.strerror})") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise MemberError("not a plain file (a device or a pipe): hand in the file itself")
    return os.fdopen(descriptor, "rb")


def read_plain_file(path: Path, limit: int) -> bytes:
    """Read a file of bounded size that is a plain file and not a link.

    Raises:
        MemberError: with the reason, for anything else.
    """
    if path.is_symlink():
        raise MemberError("not a plain file (a link): hand in the file itself")
    try:
        with _open_plain(path, extra_flags=getattr(os, "O_NOFOLLOW", 0)) as file:
            size = os.fstat(file.fileno()).st_size
            content = b"" if size > limit else file.read(limit + 1)
    except OSError as error:
        raise MemberError(f"the file cannot be opened ({error.strerror})") from error
    if max(size, len(content)) > limit:
        shown = f"{size / 2**20:.0f} MiB, the limit is {limit // 2**20} MiB"
        raise MemberError(f"the file has {shown}: clear all outputs and hand it in again")
    return content
