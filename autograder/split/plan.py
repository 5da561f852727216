"""What each process does with each cell of a rebuilt notebook."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

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
        binds: names that a given or test cell binds, which are its own from then on.
        exercise: the grade id of the answer that it gives or tests; ``None`` where it belongs to no exercise.
    """

    role: Role
    source: str
    key: str = ""
    exercise: str | None = None
    binds: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> PlannedCell:
        """Read what ``to_json`` returned."""
        return cls(**content)
