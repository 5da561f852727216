"""Plain data as bytes, between the trusted process and one that runs a student's code.

This is the trust boundary: the peer may send anything. What is decoded is plain data in exact base types, or the
message is refused with :class:`MalformedError`; nothing is imported, looked up by name or executed on the peer's word,
and a message costs time and memory in proportion to its length, whatever it claims to hold.

What can cross: ``None``, ``bool``, ``int``, ``float``, ``complex``, ``str``, ``bytes``, ``bytearray``, ``tuple`` (named
ones too), ``list``, ``dict``, ``set``, ``frozenset``, ``slice``, ``range``, ``...``, ``NotImplemented``, dates, times,
``Decimal``, ``Fraction``, NumPy arrays, scalars and dtypes of numbers, dates or text, dense PyTorch tensors on the CPU
with their dtypes and sizes, and the built-in and NumPy types of all these. Anything else stays on its side and is sent
as a :class:`Reference`, if the sender's ``to_reference`` makes one of it.

What does not survive, by intention: subclasses (they arrive as their base type, with the base type's own content, read
without running a method that the subclass overrides), byte order and memory layout (an array arrives native and
contiguous, in C or Fortran order), memory that two arrays share, a tensor's place in the autograd graph (it arrives as
a leaf).

Both processes run the same interpreter on the same machine, so native byte order and widths are used throughout.
"""

from __future__ import annotations

from .decoder import decode, refuse_references
from .encoder import encode, no_references
from .plain_data import CannotCrossError, CodecLimits, MalformedError, Reference

__all__ = [
    "CannotCrossError",
    "CodecLimits",
    "MalformedError",
    "Reference",
    "decode",
    "encode",
    "no_references",
    "refuse_references",
]
