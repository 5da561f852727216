"""What each process does with each cell of a rebuilt notebook."""

from __future__ import annotations

import builtins
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from .interface import bound_names, read_names

Role = Literal["given", "answer", "extra", "test", "skipped", "text"]
RUN_BY_STUDENT: Final = ("given", "answer", "extra")


@dataclass(frozen=True)
class PlannedCell:
    """One cell.

    Attributes:
        role: ``given`` cells run in both processes, ``answer`` and ``extra`` cells in the student's, ``test`` cells in
            the trusted one.
        source: its text.
        key: its grade id, or an empty string.
        exercise: the grade id of the answer that it gives or tests; ``None`` where it belongs to no exercise.
    """

    role: Role
    source: str
    key: str = ""
    exercise: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> PlannedCell:
        """Read what ``to_json`` returned."""
        return cls(**content)


def names_read_by_tests(cells: Sequence[PlannedCell]) -> set[str]:
    """Return names that test cells read and that nothing but an answer can bind."""
    trusted = {name for cell in cells if cell.role in ("given", "test") for name in bound_names(cell.source)}
    read = {name for cell in cells if cell.role == "test" for name in read_names(cell.source)}
    return {name for name in read - trusted if not hasattr(builtins, name) and name not in ("get_ipython", "display")}
