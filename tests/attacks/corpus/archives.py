"""Attacks by the archive that a learning management system hands over.

Every archive also holds a classmate's honest notebook. What is wrong with one member costs only that member; an
archive that is a danger as a whole is refused by name before anything in it is believed.
"""

from __future__ import annotations

import io
import stat
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass

from attack_course import LESSON, as_bytes, submission
from threats import Threat

RIGHT = as_bytes(submission())


@dataclass(frozen=True)
class ArchiveAttack:
    """One archive; ``whole`` says that it is refused as a whole, and otherwise its classmate keeps full marks."""

    name: str
    threat: Threat
    goal: str
    add: Callable[[zipfile.ZipFile], object]
    reason: str
    whole: bool = False
    finish: Callable[[bytes], bytes] = bytes

    @property
    def classmate(self) -> str:
        """The student in it whose work is honest."""
        return f"{self.name}-classmate"

    def content(self) -> bytes:
        """Return the archive."""
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(f"{self.classmate}/{LESSON}/{LESSON}.ipynb", RIGHT)
            self.add(archive)
        return self.finish(file.getvalue())


def member(name: str, content: bytes = RIGHT) -> Callable[[zipfile.ZipFile], object]:
    return lambda archive: archive.writestr(name, content)


def special(name: str, mode: int, content: bytes) -> Callable[[zipfile.ZipFile], object]:
    """Add a link, a device or a FIFO, as an archiver on Unix writes it."""
    info = zipfile.ZipInfo(name)
    info.create_system = 3
    info.external_attr = (mode | 0o777) << 16
    return lambda archive: archive.writestr(info, content)


def bomb(archive: zipfile.ZipFile) -> None:
    with archive.open(f"zip-bomber/{LESSON}/{LESSON}.ipynb", "w") as file:
        for _ in range(512):
            file.write(bytes(2**20))


def case_clash(archive: zipfile.ZipFile) -> None:
    for student in ("Zip-Case", "zip-case", "ZIP-CASE"):
        archive.writestr(f"{student}/{LESSON}/{LESSON}.ipynb", RIGHT)


def twice(archive: zipfile.ZipFile) -> None:
    """Write one name twice, as a reader of the directory and a reader of the stream would each find one of them."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        archive.writestr(f"zip-twice/{LESSON}/{LESSON}.ipynb", b"{}")
        archive.writestr(f"zip-twice/{LESSON}/{LESSON}.ipynb", RIGHT)


def many(archive: zipfile.ZipFile) -> None:
    for number in range(100_001):
        archive.writestr(f"zip-many/{LESSON}/{number}.txt", b"")


def nested(archive: zipfile.ZipFile) -> None:
    content = b"\0" * 2**20
    for _ in range(4):
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as inner:
            for number in range(8):
                inner.writestr(f"{number}.zip", content)
        content = file.getvalue()
    archive.writestr(f"zip-nested/{LESSON}/all.zip", content)


def encrypted(content: bytes) -> bytes:
    """Set the flag of encryption in every member's two headers."""
    changed = bytearray(content)
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = changed.find(signature)
        while at >= 0:
            (flags,) = struct.unpack_from("<H", changed, at + offset)
            struct.pack_into("<H", changed, at + offset, flags | 1)
            at = changed.find(signature, at + 4)
    return bytes(changed)


ARCHIVES = [
    ArchiveAttack("zip-parent", Threat.ZIP_TRAVERSAL, "Write outside by a name with ..",
                  member(f"zip-up/../../../outside/{LESSON}.ipynb"), "out of the archive"),
    ArchiveAttack("zip-absolute", Threat.ZIP_TRAVERSAL, "Write outside by an absolute name",
                  member("/var/tmp/zip-absolute.ipynb"), "absolute"),
    ArchiveAttack("zip-backslash", Threat.ZIP_TRAVERSAL, "Write outside by a name of Windows",
                  member(f"zip-back\\..\\..\\{LESSON}.ipynb"), "backslash"),
    ArchiveAttack("zip-link", Threat.SYMLINKS, "Bring a link to the solutions",
                  special(f"zip-linker/{LESSON}/{LESSON}.ipynb", stat.S_IFLNK, b"../../../source/01_attacked"), "link"),
    ArchiveAttack("zip-fifo", Threat.FIFOS, "Bring a FIFO",
                  special(f"zip-fifo/{LESSON}/{LESSON}.ipynb", stat.S_IFIFO, b""), "not"),
    ArchiveAttack("zip-bomb", Threat.ZIP_BOMB, "Bring half a gigabyte of nothing", bomb, ""),
    ArchiveAttack("zip-nested", Threat.ZIP_BOMB, "Bring archives within archives", nested, "archive"),
    ArchiveAttack("zip-case", Threat.ZIP_CASE, "Bring names that differ in capitals only", case_clash, "case"),
    ArchiveAttack("zip-twice", Threat.ZIP_CASE, "Bring one name twice", twice, ""),
    ArchiveAttack("zip-entries", Threat.ZIP_ENTRIES, "Bring 100 001 entries", many, "entries", whole=True),
    ArchiveAttack("zip-encrypted", Threat.ZIP_BOMB, "Bring what cannot be read", lambda archive: None, "encrypted",
                  whole=True, finish=encrypted),
    ArchiveAttack("zip-cut-off", Threat.ZIP_BOMB, "Bring half an archive", lambda archive: None, "zip archive",
                  whole=True, finish=lambda content: content[: len(content) // 2]),
    ArchiveAttack("zip-markup", Threat.NAMES_MARKUP, "Bring a name of markup",
                  member(f"<img src=x onerror=alert(1)>/{LESSON}/{LESSON}.ipynb"), "student id"),
    ArchiveAttack("zip-formula", Threat.NAMES_FORMULA, "Bring a name that is a formula",
                  member(f"=cmd()/{LESSON}/{LESSON}.ipynb"), "student id"),
]  # fmt: skip
