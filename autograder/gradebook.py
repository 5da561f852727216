"""nbgrader's own gradebook: the lessons, the marks, and what a marker has entered.

One thread writes, one submission at a time, so that SQLite never waits for itself. The rows are nbgrader's, and
the executed notebook is kept so that nbgrader's own reading of a mark in it cannot differ from ours.
"""

from __future__ import annotations

import contextlib
import copy
import datetime
import logging
import os
import re
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from nbformat import NotebookNode

from .course_tree import CourseTree, Lesson

NO_RESPONSE: Final = "No response."
"""What nbgrader remarks on an answer that was left as released."""


class GradebookError(RuntimeError):
    """The gradebook cannot be read or written; the message says why and what to do."""


class GradebookBusyError(GradebookError):
    """Another program has held the gradebook for longer than is waited."""


@dataclass(frozen=True)
class Mark:
    """One exercise in the gradebook. ``points`` is ``None`` while a person has still to mark it.

    ``auto_points`` are those of the grader, whatever a person has entered beside them.
    """

    exercise: str
    points: float | None
    max_points: float
    marked_by_hand: bool = False
    comment: str = ""
    auto_points: float | None = None


@dataclass(frozen=True)
class Marks:
    """One student's marks of one lesson. The total counts what is marked so far, less a penalty for lateness."""

    student: str
    assignment: str
    notebook: str
    marks: Mapping[str, Mark]
    late_penalty: float = 0.0

    @property
    def total(self) -> float:
        """Points so far."""
        earned = sum(mark.points for mark in self.marks.values() if mark.points is not None)
        return max(0.0, earned - self.late_penalty)


@contextlib.contextmanager
def quiet_nbgrader() -> Iterator[None]:
    """Run nbgrader's parts without their noise, and with the programs they start.

    Silenced are what nbgrader deprecates in its own dependencies, and its progress log. It starts ``alembic``
    by name for a new gradebook, which is only found where the virtual environment has been activated; here
    the folder of the running interpreter is searched too.
    """
    logger = logging.getLogger("traitlets")
    level = logger.level
    search_path = os.environ.get("PATH", "")
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), search_path])
    with warnings.catch_warnings():
        for module in ("sqlalchemy", "nbgrader", "alembic", "dateutil"):
            warnings.filterwarnings("ignore", category=DeprecationWarning, module=module)
        warnings.filterwarnings("ignore", category=DeprecationWarning, message=r".*datetime.*")
        # nbgrader builds a submission before it adds it to the session, which newer SQLAlchemy remarks on.
        warnings.filterwarnings("ignore", message=r"Object of type <\w+> not in session", module=r"nbgrader\.api")
        logger.setLevel(logging.CRITICAL)
        try:
            yield
        finally:
            logger.setLevel(level)
            os.environ["PATH"] = search_path


@contextlib.contextmanager
def explained(db_url: str) -> Iterator[None]:
    """Name what is wrong with the gradebook instead of a stack from the database driver."""
    import sqlalchemy.exc

    try:
        yield
    except (sqlalchemy.exc.ArgumentError, sqlalchemy.exc.NoSuchModuleError) as error:
        raise GradebookError(
            f"The gradebook address {_shown(db_url)!r} cannot be used ({error}). "
            "Write it as sqlite:////absolute/path/gradebook.db or postgresql://user@host/name."
        ) from error
    except sqlalchemy.exc.DBAPIError as error:
        reason = " ".join(str(error.orig).split())
        kind = GradebookBusyError if _is_busy(reason) else GradebookError
        raise kind(_explain(db_url, reason)) from error


def _shown(db_url: str) -> str:
    """Return an address without the password in it."""
    return re.sub(r"(://[^:/@]*:)[^/@]*@", r"\1***@", db_url)


def _is_busy(reason: str) -> bool:
    return "locked" in reason or "lock timeout" in reason


def _explain(db_url: str, reason: str) -> str:
    if _is_busy(reason):
        remedy = (
            "Another program is writing to it: close formgrader or the other grading run, then give the same command "
            "again; what is graded is kept and only entered."
        )
    elif "unable to open" in reason:
        remedy = "Check that its folder exists and may be written to."
    elif "readonly" in reason:
        remedy = "It may only be read: change its permissions, or name another with --db."
    elif "not a database" in reason or "malformed" in reason:
        remedy = "It is damaged: put a copy back, or move it away and grade again."
    elif "full" in reason or "No space" in reason:
        remedy = "Make room on its disk, then give the same command again; what is graded is kept and only entered."
    elif "refused" in reason or "connection" in reason:
        remedy = "Check that the database server is running and may be reached."
    else:
        remedy = "Nothing was lost: what is graded so far is kept, and the same command goes on from there."
    return f"The gradebook {_shown(db_url)} could not be used ({reason}). {remedy}"


def open_nbgrader(db_url: str) -> Any:
    """Open the gradebook as nbgrader does, and make it if it is new; the caller closes it."""
    with explained(db_url), quiet_nbgrader():
        try:
            from nbgrader.api import Gradebook

            return Gradebook(db_url)
        except ModuleNotFoundError as error:
            raise GradebookError(
                f"The gradebook {_shown(db_url)} needs the Python package {error.name!r}, which is not installed; "
                "for PostgreSQL: pip install 'psycopg[binary]'."
            ) from error


def register_lesson(lesson: Lesson, blank: NotebookNode, db_url: str) -> None:
    """Make the gradebook know a lesson's cells and points as the instructor's notebook has them now.

    Args:
        lesson: the lesson.
        blank: the notebook rebuilt from no submission at all.
        db_url: address of the gradebook.
    Raises:
        GradebookError: if marks exist already for a lesson whose graded cells have been added or removed.
    """
    with contextlib.closing(open_nbgrader(db_url)) as gradebook, explained(db_url), quiet_nbgrader():
        from nbgrader.preprocessors import ComputeChecksums, SaveCells

        gradebook.update_or_create_assignment(lesson.assignment)
        resources = _resources(lesson, "", db_url)
        # nbgrader's own autograde refuses a locked cell whose checksum it does not know.
        notebook, resources = ComputeChecksums().preprocess(copy.deepcopy(blank), resources)
        try:
            SaveCells().preprocess(notebook, resources)
        except RuntimeError as error:
            raise GradebookError(
                f"The gradebook {db_url} holds marks for other exercises of lesson {lesson} than it has now "
                f"({error}). Move that gradebook away to keep it, or name a new one with --db."
            ) from error


def _resources(lesson: Lesson, student: str, db_url: str) -> dict[str, Any]:
    names = {"student": student, "assignment": lesson.assignment, "notebook": lesson.name, "db_url": db_url}
    return {"nbgrader": names, "unique_key": lesson.name}


@dataclass
class SubmittedRows:
    """A submitted notebook as the database has it, its grades and comments by grade id."""

    penalty: float
    timestamp: datetime.datetime | None
    grades: dict[str, Any]
    comments: dict[str, Any]


def read_rows(connection: Any, lessons: Sequence[Lesson]) -> dict[tuple[str, str, str], SubmittedRows]:
    """Read every mark of some lessons with three queries, by student, assignment and notebook."""
    from nbgrader import api
    from sqlalchemy import func, select

    assignment, notebook, cell = api.Assignment.__table__, api.Notebook.__table__, api.BaseCell.__table__
    submission, submitted = api.SubmittedAssignment.__table__, api.SubmittedNotebook.__table__
    grade, comment = api.Grade.__table__, api.Comment.__table__
    grade_cell, task_cell = api.GradeCell.__table__, api.TaskCell.__table__
    wanted = assignment.c.name.in_(sorted({lesson.assignment for lesson in lessons}))
    of_class = (
        submitted.join(submission, submission.c.id == submitted.c.assignment_id)
        .join(notebook, notebook.c.id == submitted.c.notebook_id)
        .join(assignment, assignment.c.id == submission.c.assignment_id)
    )
    known = {(lesson.assignment, lesson.name) for lesson in lessons}
    found: dict[tuple[str, str, str], SubmittedRows] = {}
    by_id: dict[str, SubmittedRows] = {}
    for row in connection.execute(
        select(
            submitted.c.id,
            submission.c.student_id,
            assignment.c.name.label("assignment"),
            notebook.c.name.label("notebook"),
            submitted.c.late_submission_penalty,
            submission.c.timestamp,
        )
        .select_from(of_class)
        .where(wanted)
    ):
        if (row.assignment, row.notebook) in known:
            rows = SubmittedRows(float(row.late_submission_penalty or 0.0), row.timestamp, {}, {})
            found[row.student_id, row.assignment, row.notebook] = by_id[row.id] = rows
    for row in connection.execute(
        select(
            grade.c.notebook_id,
            cell.c.name,
            grade.c.auto_score,
            grade.c.manual_score,
            grade.c.needs_manual_grade,
            api.Grade.score.label("score"),
            func.coalesce(grade_cell.c.max_score, task_cell.c.max_score, 0.0).label("max_score"),
        )
        .select_from(
            of_class.join(grade, grade.c.notebook_id == submitted.c.id)
            .join(cell, cell.c.id == grade.c.cell_id)
            .outerjoin(grade_cell, grade_cell.c.id == cell.c.id)
            .outerjoin(task_cell, task_cell.c.id == cell.c.id)
        )
        .where(wanted)
    ):
        if row.notebook_id in by_id:
            by_id[row.notebook_id].grades[row.name] = row
    for row in connection.execute(
        select(comment.c.notebook_id, cell.c.name, comment.c.auto_comment, comment.c.manual_comment)
        .select_from(
            of_class.join(comment, comment.c.notebook_id == submitted.c.id).join(cell, cell.c.id == comment.c.cell_id)
        )
        .where(wanted)
    ):
        if row.notebook_id in by_id:
            by_id[row.notebook_id].comments[row.name] = row
    return found


def read_marks(course: CourseTree, db_url: str) -> list[Marks]:
    """Read every mark of the course's lessons, manual marks and comments included.

    Args:
        course: the course.
        db_url: address of the gradebook.
    Returns:
        One entry a student and lesson that has been graded, in the order of student and lesson.
    """
    with (
        contextlib.closing(open_nbgrader(db_url)) as gradebook,
        explained(db_url),
        gradebook.engine.connect() as found_in,
    ):
        found = read_rows(found_in, course.lessons)
    return [
        Marks(student, assignment, notebook, {name: _mark(rows, name) for name in rows.grades}, rows.penalty)
        for (student, assignment, notebook), rows in sorted(found.items())
    ]


def _mark(rows: SubmittedRows, name: str) -> Mark:
    row = rows.grades[name]
    by_hand = row.manual_score is not None
    open_ = row.needs_manual_grade and not by_hand and row.auto_score is None
    comment = rows.comments[name].manual_comment if name in rows.comments else None
    return Mark(
        name,
        None if open_ else float(row.score),
        float(row.max_score),
        by_hand,
        comment or "",
        None if row.auto_score is None else float(row.auto_score),
    )
