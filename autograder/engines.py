"""Which engines there are, and how a command gets the one it was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from .engine import Engine

if TYPE_CHECKING:
    from .keys import GradingKey


class EngineName(StrEnum):
    """What runs the tests where: see ``docs/threat-model.md``."""

    SPLIT = "split"
    SHARED = "shared"


def make_engine(
    name: str = EngineName.SPLIT,
    *,
    sandboxed: bool = True,
    key: GradingKey | None = None,
    readable: Sequence[Path] = (),
) -> Engine:
    """Return an engine; nothing is started before its first job.

    Args:
        name: ``split`` runs tests in a trusted process, ``shared`` runs them with the answer in one.
        sandboxed: confine what runs students' code.
        key: of the course, from which hidden tests draw their inputs; without one, from the public default.
        readable: further files and folders that answers may read.
    Raises:
        ValueError: for a name that no engine has.
    """
    from .split.engine import SplitEngine

    return SplitEngine(
        sandboxed=sandboxed,
        shared=EngineName(name) is EngineName.SHARED,
        secret=key.inputs if key is not None else "",
        readable=readable,
    )
