"""Pictures that a student has pasted into a written answer: a photo of a sketch, a derivation on paper.

They are the only thing beside text that is taken over from a cell. What is kept is a PNG or JPEG picture of bounded
size and nothing else: its bytes decide what it is, and are written anew, so that no other words of the student's come
along.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from typing import Any, Final, Literal
from urllib.parse import quote, unquote

from .archives import printable

MAX_PICTURE_BYTES: Final = 8 * 2**20
MAX_PICTURE_PIXELS: Final = 100_000_000
_MAX_NAME_CHARACTERS: Final = 200

Kind = Literal["image/png", "image/jpeg"]

# A program that writes attachments as files must not be led elsewhere.
_NAME: Final = re.compile(r"[^./\\][^/\\]*")
_REFERENCE = re.compile(r"(attachment:)([^)\s\"']+)")
# Start of frame of every JPEG coding; 0xC4, 0xC8 and 0xCC mean other things.
_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_WITHOUT_LENGTH: Final = frozenset({0x01, *range(0xD0, 0xD9)})


class NoPictureError(ValueError):
    """Something is no picture that is kept; the message says why."""


@dataclass(frozen=True)
class Picture:
    """A picture as a cell names it; ``data`` is its content in base64."""

    name: str
    kind: Kind
    data: str


def read_attachments(stated: Any) -> tuple[tuple[Picture, ...], tuple[str, ...]]:
    """Read the attachments of one cell.

    Args:
        stated: what the notebook says about them, whatever that is.
    Returns:
        The pictures that are kept, in the order of their names, and a sentence for each attachment that is not.
    """
    pictures: list[Picture] = []
    notes: list[str] = []
    for name, bundle in sorted(stated.items()) if isinstance(stated, dict) else ():
        found = _picture(name, bundle)
        if isinstance(found, Picture):
            pictures.append(found)
        else:
            notes.append(f"the attachment {printable(name, 60)!r} is left out: {found}")
    return tuple(pictures), tuple(notes)


def as_metadata(pictures: tuple[Picture, ...]) -> dict[str, dict[str, str]]:
    """Return pictures as nbformat keeps them in a cell."""
    return {one.name: {one.kind: one.data} for one in pictures}


def joined(
    source: str, pictures: tuple[Picture, ...], more: str, more_pictures: tuple[Picture, ...]
) -> tuple[str, tuple[Picture, ...]]:
    """Join two cells into one; Jupyter calls the first picture of every cell ``image.png``."""
    taken = {one.name for one in pictures}
    renamed: dict[str, str] = {}
    for one in more_pictures:
        name, number = one.name, 2
        while name in taken:
            name, number = f"{number}-{one.name}", number + 1
        taken.add(name)
        renamed[one.name] = name

    def rename(match: re.Match[str]) -> str:
        old = unquote(match[2])
        return match[0] if renamed.get(old, old) == old else f"{match[1]}{quote(renamed[old])}"

    added = tuple(Picture(renamed[one.name], one.kind, one.data) for one in more_pictures)
    return f"{source}\n\n{_REFERENCE.sub(rename, more)}", (*pictures, *added)


def _picture(name: str, bundle: Any) -> Picture | str:
    """Return one attachment as a picture, or why it is none that is kept."""
    if not name or len(name) > _MAX_NAME_CHARACTERS or not name.isprintable() or not _NAME.fullmatch(name):
        return "its name cannot be one"
    kinds = bundle if isinstance(bundle, dict) else {}
    stated = next((kinds[kind] for kind in ("image/png", "image/jpeg") if kind in kinds), None)
    if isinstance(stated, list) and all(isinstance(line, str) for line in stated):
        stated = "".join(stated)
    try:
        kind, data = read_picture(stated)
    except NoPictureError as error:
        return str(error)
    return Picture(name, kind, data)


def read_picture(stated: Any) -> tuple[Kind, str]:
    """Read a picture in base64.

    Returns:
        What it is by its own bytes, and its base64 written anew.
    Raises:
        NoPictureError: if it is none that is kept; the message says why.
    """
    if not isinstance(stated, str):
        raise NoPictureError("only PNG and JPEG pictures are kept")
    if len(stated) > 2 * MAX_PICTURE_BYTES:
        raise NoPictureError(f"it is larger than {MAX_PICTURE_BYTES // 2**20} MiB")
    try:
        content = base64.b64decode("".join(stated.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise NoPictureError("its content cannot be decoded") from error
    if len(content) > MAX_PICTURE_BYTES:
        raise NoPictureError(f"it is larger than {MAX_PICTURE_BYTES // 2**20} MiB")
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        kind: Kind = "image/png"
        size = _png_size(content)
    elif content.startswith(b"\xff\xd8\xff"):
        kind, size = "image/jpeg", _jpeg_size(content)
    else:
        raise NoPictureError("only PNG and JPEG pictures are kept")
    if size is None or not all(size):
        raise NoPictureError("it is damaged")
    if size[0] * size[1] > MAX_PICTURE_PIXELS:
        raise NoPictureError(f"it has more than {MAX_PICTURE_PIXELS // 1_000_000} million pixels")
    return kind, base64.b64encode(content).decode("ascii")


def _png_size(content: bytes) -> tuple[int, int] | None:
    if content[12:16] != b"IHDR" or len(content) < 24:
        return None
    return int.from_bytes(content[16:20], "big"), int.from_bytes(content[20:24], "big")


def _jpeg_size(content: bytes) -> tuple[int, int] | None:
    place = 2
    while place + 9 <= len(content):
        if content[place] != 0xFF:
            return None
        marker = content[place + 1]
        if marker == 0xFF:
            place += 1
        elif marker in _WITHOUT_LENGTH:
            place += 2
        elif marker in _FRAMES:
            height, width = content[place + 5 : place + 7], content[place + 7 : place + 9]
            return int.from_bytes(width, "big"), int.from_bytes(height, "big")
        else:
            place += 2 + max(2, int.from_bytes(content[place + 2 : place + 4], "big"))
    return None
