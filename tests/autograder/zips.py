"""Zip archives for the tests of intake: ordinary ones, and ones that no honest program writes."""

from __future__ import annotations

import struct
import warnings
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path


def write_zip(path: Path, members: Mapping[str, bytes] | Iterable[tuple[str | zipfile.ZipInfo, bytes]]) -> Path:
    """Write an archive of these members in this order; names are written as they are."""
    pairs = members.items() if isinstance(members, Mapping) else members
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # names given twice are meant
        for name, content in pairs:
            archive.writestr(name, content)
    return path


@dataclass
class Entry:
    """One entry of an archive written byte by byte; what is ``None`` is what an honest program would write."""

    name: bytes
    content: bytes = b""
    flags: int = 0
    method: int = 8
    mode: int = 0
    crc: int | None = None
    declared_size: int | None = None
    local_name: bytes | None = None
    offset: int | None = None
    raw: bytes | None = None


def write_raw_zip(path: Path, entries: Iterable[Entry], *, prefix: bytes = b"") -> Path:
    """Write an archive whose every field may lie."""
    body, directory, number = bytearray(prefix), bytearray(), 0
    for entry in entries:
        number += 1
        packer = zlib.compressobj(9, zlib.DEFLATED, -15)
        packed = packer.compress(entry.content) + packer.flush() if entry.method == 8 else entry.content
        packed = packed if entry.raw is None else entry.raw
        crc = zlib.crc32(entry.content) if entry.crc is None else entry.crc
        size = len(entry.content) if entry.declared_size is None else entry.declared_size
        offset = len(body) if entry.offset is None else entry.offset
        common = struct.pack("<HHHHHIII", 20, entry.flags, entry.method, 0, 0x21, crc, len(packed), size)
        if entry.offset is None:
            local = entry.name if entry.local_name is None else entry.local_name
            body += b"PK\x03\x04" + common + struct.pack("<HH", len(local), 0) + local + packed
        tail = struct.pack("<HHHHHII", len(entry.name), 0, 0, 0, 0, entry.mode << 16, offset)
        directory += b"PK\x01\x02" + struct.pack("<H", 3 << 8 | 20) + common + tail + entry.name
    end = struct.pack("<HHHHIIH", 0, 0, number & 0xFFFF, number & 0xFFFF, len(directory), len(body), 0)
    path.write_bytes(bytes(body) + bytes(directory) + b"PK\x05\x06" + end)
    return path
