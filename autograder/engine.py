"""The one interface behind which notebooks are executed.

Everything else in the grader (intake, rebuilding, marks, reports) sees only this module, so that another
engine can replace the stock one without a change anywhere else.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from nbformat import NotebookNode


class CellState(StrEnum):
    """How the execution of one cell ended. Only ``COMPLETED`` can earn points."""

    COMPLETED = "completed"
    ERROR = "error"
    TIMED_OUT = "timed out"
    CRASHED = "crashed"
    NOT_RUN = "not run"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Limits:
    """What one submission may use. ``None`` for memory sets no limit."""

    cell_seconds: float = 30.0
    total_seconds: float = 300.0
    memory_bytes: int | None = 8 * 2**30
    output_bytes: int = 2 * 2**20
    restarts: int = 8


@dataclass(frozen=True)
class CellRun:
    """What became of one cell: its end, what it displayed (nbformat outputs) and how long it took."""

    state: CellState
    outputs: list[NotebookNode] = field(default_factory=list)
    execution_count: int | None = None
    seconds: float = 0.0


class EngineError(RuntimeError):
    """The engine itself could not run (no kernel, no memory to start one): nobody's answer is at fault."""


class Engine(Protocol):
    """Executes a rebuilt notebook. Implementations may be called from several threads at once."""

    identity: str
    """Name and version; a change of it makes every submission due for grading again."""

    def run(self, notebook: NotebookNode, folder: Path, limits: Limits) -> list[CellRun]:
        """Execute a notebook and return one record a cell, in order.

        Args:
            notebook: rebuilt notebook; cells of the student are code to run, and nothing in it needs to be believed.
                It is not modified. Cells tagged ``skip-execution`` are skipped.
            folder: existing private folder to run in; it holds the instructor's data files.
            limits: what the submission may use.
        Raises:
            EngineError: if nothing could be executed for a reason outside the submission.
        """
