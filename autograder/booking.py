"""Entering marks into nbgrader's gradebook: its own rows, with a few queries and one transaction."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from .course_tree import Lesson
from .gradebook import (
    NO_RESPONSE,
    GradebookBusyError,
    GradebookError,
    explained,
    open_nbgrader,
    quiet_nbgrader,
    read_rows,
)

BUSY_SECONDS: Final = 10.0
"""How long a submission waits for another program that writes to the gradebook."""


@dataclass(frozen=True)
class Booking:
    """What one submission enters into the gradebook.

    ``points`` are by grade id, ``None`` for what a person has to mark; ``unanswered`` the answers still as released;
    ``timestamp`` when it was handed in, where that is known; ``missing`` other notebooks of the assignment that the
    student did not hand in and which therefore score zero.
    """

    lesson: Lesson
    student: str
    points: Mapping[str, float | None]
    unanswered: frozenset[str] = frozenset()
    timestamp: datetime.datetime | None = None
    missing: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Booked:
    """What the gradebook holds of a submission beside what people have entered."""

    points: Mapping[str, float | None]
    unanswered: frozenset[str]
    timestamp: datetime.datetime | None

    def holds(self, booking: Booking) -> bool:
        """Say whether entering a submission would change nothing."""
        return (
            all(key in self.points and self.points[key] == points for key, points in booking.points.items())
            and self.unanswered == booking.unanswered
            and booking.timestamp in (None, self.timestamp)
        )


def read_timestamp(submitted_folder: Path) -> datetime.datetime | None:
    """Read when an assignment was handed in from nbgrader's ``timestamp.txt``, as UTC; ``None`` without one.

    Raises:
        GradebookError: if it holds something else.
    """
    path = submitted_folder / "timestamp.txt"
    if not path.is_file():
        return None
    text = path.read_text(encoding="utf-8", errors="replace").strip()
    if not text:
        return None
    from nbgrader.utils import parse_utc

    try:
        with quiet_nbgrader():
            found: datetime.datetime = parse_utc(text)
    except (ValueError, OverflowError) as error:
        raise GradebookError(
            f"{path} holds {text!r:.60}, which is no time: write it as 2026-01-31 23:59:00 UTC, or remove the file"
        ) from error
    return found


class GradebookWriter:
    """The gradebook while a class is graded: one thread enters what the workers have found.

    It writes the very rows that nbgrader's own ``SaveAutoGrades`` and ``AssignLatePenalties`` write, in one
    transaction instead of one a cell. Where another program holds the gradebook it waits
    ``BUSY_SECONDS``, once: while that goes on, the next submissions are not made to wait as well.
    """

    def __init__(self, gradebook: Any, db_url: str, config: Any = None) -> None:
        """Take over an open gradebook; ``config`` is the course's nbgrader configuration, for late penalties."""
        self._gradebook = gradebook
        self._db_url = db_url
        self._config = config
        self._cells: dict[str, list[_NotebookCells]] = {}
        self._patience_s = BUSY_SECONDS

    def book(self, bookings: Sequence[Booking]) -> None:
        """Enter some submissions' marks, all or nothing; what a marker has entered before stays.

        Raises:
            GradebookBusyError: if another program does not let go of the gradebook.
            GradebookError: if it cannot be written for another reason.
        """
        try:
            with explained(self._db_url), self._transaction() as connection:
                for booking in bookings:
                    self._book(connection, booking)
        except GradebookBusyError:
            self._patience_s = 0.0
            raise
        self._patience_s = BUSY_SECONDS

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[Any]:
        engine = self._gradebook.engine
        with engine.connect() as connection:
            milliseconds = max(1, round(1000 * self._patience_s))
            if engine.dialect.name == "sqlite":
                if "timeout" not in engine.url.query:
                    connection.exec_driver_sql(f"PRAGMA busy_timeout = {milliseconds}")
                # A transaction that begins with reading fails at once where it meets another writer.
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            elif engine.dialect.name == "postgresql":
                connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{milliseconds}ms'")
            yield connection
            connection.commit()

    def _book(self, connection: Any, booking: Booking) -> None:
        from nbgrader import api
        from sqlalchemy import bindparam, insert, select, update

        assignment = booking.lesson.assignment
        if assignment not in self._cells:
            self._cells[assignment] = _cells_of(connection, assignment)
        student, submission = api.Student.__table__, api.SubmittedAssignment.__table__
        if connection.execute(select(student.c.id).where(student.c.id == booking.student)).first() is None:
            connection.execute(insert(student).values(id=booking.student))
        notebooks = self._cells[assignment]
        place = _submission_id(connection, notebooks[0].assignment_id, booking.student)
        if booking.timestamp is not None:
            connection.execute(update(submission).where(submission.c.id == place).values(timestamp=booking.timestamp))
        submitted = _submitted_notebooks(connection, place, notebooks)
        mine = next(one for one in notebooks if one.name == booking.lesson.name)
        grade, comment = api.Grade.__table__, api.Comment.__table__
        by_hand = _marked_by_hand(connection, submitted[mine.notebook_id])
        set_grade = (
            update(grade)
            .where(grade.c.notebook_id == bindparam("in_notebook"), grade.c.cell_id == bindparam("in_cell"))
            .values(auto_score=bindparam("points"), needs_manual_grade=bindparam("open"))
        )
        rows = [
            {
                "in_notebook": submitted[mine.notebook_id],
                "in_cell": mine.graded[key],
                "points": points,
                # As nbgrader does: a mark given by hand is for a person to look at again.
                "open": points is None or mine.graded[key] in by_hand,
            }
            for key, points in booking.points.items()
        ]
        for other in notebooks:
            if other.name in booking.missing:
                rows += [
                    {"in_notebook": submitted[other.notebook_id], "in_cell": cell, "points": 0.0, "open": False}
                    for cell in other.graded.values()
                ]
        if rows:
            connection.execute(set_grade, rows)
        if mine.commented:
            set_comment = (
                update(comment)
                .where(comment.c.notebook_id == bindparam("in_notebook"), comment.c.cell_id == bindparam("in_cell"))
                .values(auto_comment=bindparam("words"))
            )
            words = [
                {
                    "in_notebook": submitted[mine.notebook_id],
                    "in_cell": cell,
                    "words": NO_RESPONSE if key in booking.unanswered else None,
                }
                for key, cell in mine.commented.items()
            ]
            connection.execute(set_comment, words)
        self._set_penalty(connection, booking, place, submitted[mine.notebook_id])

    def _set_penalty(self, connection: Any, booking: Booking, submission_id: str, notebook_id: str) -> None:
        """Take points off a late submission as the course's nbgrader configuration says."""
        from nbgrader import api
        from sqlalchemy import select, update

        assignment, submission = api.Assignment.__table__, api.SubmittedAssignment.__table__
        notebook = api.SubmittedNotebook.__table__
        timestamp, extension, duedate = connection.execute(
            select(submission.c.timestamp, submission.c.extension, assignment.c.duedate)
            .join_from(submission, assignment, assignment.c.id == submission.c.assignment_id)
            .where(submission.c.id == submission_id)
        ).one()
        penalty = None
        if timestamp is not None and duedate is not None:
            late_s = (timestamp - duedate - (extension or datetime.timedelta())).total_seconds()
            if late_s > 0:
                scores = connection.execute(select(api.Grade.score).where(api.Grade.notebook_id == notebook_id))
                penalty = self._late_penalty(booking.student, sum(scores.scalars()), late_s)
        connection.execute(update(notebook).where(notebook.c.id == notebook_id).values(late_submission_penalty=penalty))

    def _late_penalty(self, student: str, score: float, late_s: float) -> float | None:
        from types import SimpleNamespace

        from nbgrader.preprocessors import AssignLatePenalties

        with quiet_nbgrader():
            step = AssignLatePenalties(config=self._config)
            step.init_plugin()
            penalty = step.plugin_inst.late_submission_penalty(student, score, late_s)
            return None if penalty is None else float(step._check_late_penalty(SimpleNamespace(score=score), penalty))

    def booked(self, lessons: Sequence[Lesson]) -> dict[tuple[str, str, str], Booked]:
        """Return what the gradebook holds, by student, assignment and notebook."""
        with explained(self._db_url), self._gradebook.engine.connect() as connection:
            return {
                key: Booked(
                    {name: row.auto_score for name, row in one.grades.items()},
                    frozenset(name for name, row in one.comments.items() if row.auto_comment == NO_RESPONSE),
                    one.timestamp,
                )
                for key, one in read_rows(connection, lessons).items()
            }


@dataclass(frozen=True)
class _NotebookCells:
    """The ids of a notebook's rows in the gradebook; ``graded`` and ``commented`` by grade id."""

    assignment_id: str
    notebook_id: str
    name: str
    graded: dict[str, str]
    commented: dict[str, str]


def _cells_of(connection: Any, assignment: str) -> list[_NotebookCells]:
    from nbgrader import api
    from sqlalchemy import select

    notebook, cell = api.Notebook.__table__, api.BaseCell.__table__
    rows = connection.execute(
        select(api.Assignment.id, notebook.c.id, notebook.c.name)
        .join_from(api.Assignment, notebook, notebook.c.assignment_id == api.Assignment.id)
        .where(api.Assignment.name == assignment)
        .order_by(notebook.c.name)
    ).all()
    found = [_NotebookCells(assignment_id, notebook_id, name, {}, {}) for assignment_id, notebook_id, name in rows]
    for one in found:
        of_notebook = select(cell.c.id, cell.c.name, cell.c.type).where(cell.c.notebook_id == one.notebook_id)
        for cell_id, name, kind in connection.execute(of_notebook):
            if kind in ("GradeCell", "TaskCell"):
                one.graded[name] = cell_id
            if kind in ("SolutionCell", "TaskCell"):
                one.commented[name] = cell_id
    return found


def _submission_id(connection: Any, assignment_id: str, student: str) -> str:
    from nbgrader import api
    from sqlalchemy import insert, select

    table = api.SubmittedAssignment.__table__
    mine = select(table.c.id).where(table.c.assignment_id == assignment_id, table.c.student_id == student)
    found = connection.execute(mine).scalar()
    if found is None:
        made = connection.execute(insert(table).values(assignment_id=assignment_id, student_id=student))
        found = made.inserted_primary_key[0]
    return str(found)


def _submitted_notebooks(connection: Any, submission_id: str, notebooks: Sequence[_NotebookCells]) -> dict[str, str]:
    """Return a submission's notebooks by the id of the lesson's; what is not there yet is made as nbgrader does."""
    from nbgrader import api
    from sqlalchemy import insert, select

    table = api.SubmittedNotebook.__table__
    rows = connection.execute(select(table.c.notebook_id, table.c.id).where(table.c.assignment_id == submission_id))
    found = {str(notebook_id): str(row_id) for notebook_id, row_id in rows}
    for one in notebooks:
        if one.notebook_id in found:
            continue
        made = connection.execute(insert(table).values(assignment_id=submission_id, notebook_id=one.notebook_id))
        found[one.notebook_id] = str(made.inserted_primary_key[0])
        for kind, cells in ((api.Grade, one.graded), (api.Comment, one.commented)):
            rows_to_make = [{"notebook_id": found[one.notebook_id], "cell_id": cell} for cell in cells.values()]
            if rows_to_make:
                connection.execute(insert(kind.__table__), rows_to_make)
    return found


def _marked_by_hand(connection: Any, notebook_id: str) -> set[str]:
    from nbgrader import api
    from sqlalchemy import select

    grade = api.Grade.__table__
    rows = select(grade.c.cell_id).where(grade.c.notebook_id == notebook_id, grade.c.manual_score.is_not(None))
    return set(connection.execute(rows).scalars())


@contextlib.contextmanager
def open_gradebook(db_url: str, config: Any = None) -> Iterator[GradebookWriter]:
    """Open the gradebook for a run of grading.

    Args:
        db_url: its address.
        config: the course's nbgrader configuration, which may say what lateness costs.
    Raises:
        GradebookError: if it cannot be used.
    """
    with contextlib.closing(open_nbgrader(db_url)) as gradebook:
        yield GradebookWriter(gradebook, db_url, config)
