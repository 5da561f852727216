"""The one interface behind which notebooks are executed.

Everything else in the grader (intake, rebuilding, marks, reports) sees only this module, so that another
engine can replace the stock one without a change anywhere else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    # The processes that run students' code use the limits, and must start without nbformat's seconds.
    from nbformat import NotebookNode

    from .course_tree import Lesson


class CellState(StrEnum):
    """How the execution of one cell ended. Only ``COMPLETED`` can earn points."""

    COMPLETED = "completed"
    ERROR = "error"
    TIMED_OUT = "timed out"
    CRASHED = "crashed"
    OUT_OF_MEMORY = "out of memory"
    REFUSED = "refused"
    NOT_RUN = "not run"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Limits:
    """What one submission may use. ``None`` for memory sets no limit.

    ``cell_seconds`` bounds each cell, a test with the answers it calls included; ``total_seconds`` all of them.
    """

    cell_seconds: float = 30.0
    total_seconds: float = 300.0
    memory_bytes: int | None = 4 * 2**30
    output_bytes: int = 2 * 2**20
    displays: int = 200
    processes: int = 64
    open_files: int = 256
    file_bytes: int = 64 * 2**20
    scratch_bytes: int = 256 * 2**20
    restarts: int = 8


@dataclass(frozen=True)
class CellRun:
    """What became of one cell.

    ``outputs`` are what it displayed (nbformat outputs); ``seconds`` its wall time, of which ``student_seconds`` were
    spent waiting for the student's code; ``peak_memory_bytes`` the largest memory of the student's process so far.
    """

    state: CellState
    outputs: list[NotebookNode] = field(default_factory=list)
    execution_count: int | None = None
    seconds: float = 0.0
    student_seconds: float = 0.0
    peak_memory_bytes: int | None = None


@dataclass(frozen=True)
class Job:
    """One submission to execute.

    ``notebook`` is the rebuilt notebook: the student's cells in it are code to run, nothing in it needs to be believed,
    and it is not modified; cells tagged ``skip-execution`` are skipped. ``folder`` is an existing folder with the
    instructor's data files, which becomes the working directory. ``lesson`` is what the notebook was rebuilt from;
    there is none when a learner checks a notebook of their own.
    """

    notebook: NotebookNode
    folder: Path
    limits: Limits
    lesson: Lesson | None = None
    student: str = ""


class EngineError(RuntimeError):
    """The engine itself could not run (no process, no memory to start one): nobody's answer is at fault."""


class LessonRefusedError(EngineError):
    """The engine cannot grade one lesson; others it can."""


class Engine(Protocol):
    """Executes rebuilt notebooks. Implementations may be called from several threads at once."""

    identity: str
    """Name and version; a change of it makes every submission due for grading again."""

    warnings: tuple[str, ...]
    """What every report of its marks has to say about them, such as that they can be forged; often empty."""

    def prepare(self, lessons: Sequence[Lesson]) -> None:
        """Make ready for these lessons; ``run`` does it too, for its own.

        Raises:
            LessonRefusedError: if one of them cannot be graded with this engine.
            EngineError: if nothing can be executed at all.
        """

    def run(self, job: Job) -> list[CellRun]:
        """Execute a notebook and return one record a cell, in order.

        Raises:
            EngineError: if nothing could be executed for a reason outside the submission.
        """

    def close(self) -> None:
        """End every process that the engine keeps."""
