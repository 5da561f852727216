"""nbgrader's own gradebook: the lessons, the marks, and what a marker has entered.

One process writes, one submission at a time, so that SQLite never waits for itself. The marks go through
nbgrader's own preprocessors, over a notebook from which its reading of a mark cannot differ from ours.
"""

from __future__ import annotations

import contextlib
import copy
import logging
import os
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

from .course_tree import CourseTree, Exercise, Lesson, grade_id, is_answer
from .engine import CellRun
from .notebook_files import metadata_node
from .outcomes import Outcome, Status, is_blank

_SAFE_KINDS = ("text/plain", "image/png", "image/jpeg")


class GradebookError(RuntimeError):
    """The gradebook cannot be read or written; the message says why and what to do."""


@dataclass(frozen=True)
class Mark:
    """One exercise in the gradebook. ``points`` is ``None`` while a person has still to mark it."""

    exercise: str
    points: float | None
    max_points: float
    marked_by_hand: bool = False
    comment: str = ""


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
def _database(db_url: str) -> Iterator[Any]:
    """Open the gradebook; name what is wrong with it instead of a stack from the database driver."""
    with quiet_nbgrader():
        import sqlalchemy.exc
        from nbgrader.api import Gradebook

        try:
            with Gradebook(db_url) as gradebook:
                yield gradebook
        except (sqlalchemy.exc.OperationalError, sqlalchemy.exc.DatabaseError) as error:
            raise GradebookError(_explain(db_url, str(error.orig))) from error
        except (sqlalchemy.exc.ArgumentError, sqlalchemy.exc.NoSuchModuleError, ModuleNotFoundError) as error:
            raise GradebookError(
                f"The gradebook address {db_url!r} cannot be used ({error}). "
                "Write it as sqlite:////absolute/path/gradebook.db or postgresql://user@host/name."
            ) from error


def _explain(db_url: str, reason: str) -> str:
    if "locked" in reason:
        remedy = "Another program is writing to it: close formgrader or the other grading run, then grade again."
    elif "unable to open" in reason:
        remedy = "Check that its folder exists and may be written to."
    elif "readonly" in reason:
        remedy = "It may only be read: change its permissions, or name another with --db."
    elif "not a database" in reason or "malformed" in reason:
        remedy = "It is damaged: put a copy back, or move it away and grade again."
    else:
        remedy = "Nothing was lost: what is graded so far is kept, and the same command goes on from there."
    return f"The gradebook {db_url} could not be used ({reason}). {remedy}"


def register_lesson(lesson: Lesson, blank: NotebookNode, db_url: str) -> None:
    """Make the gradebook know a lesson's cells and points as the instructor's notebook has them now.

    Args:
        lesson: the lesson.
        blank: the notebook rebuilt from no submission at all.
        db_url: address of the gradebook.
    Raises:
        GradebookError: if marks exist already for a lesson whose graded cells have been added or removed.
    """
    with _database(db_url) as gradebook:
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


def executed_notebook(
    lesson: Lesson, notebook: NotebookNode, runs: Sequence[CellRun], outcomes: Sequence[Outcome]
) -> NotebookNode:
    """Return the executed notebook as it is kept for markers and read by nbgrader.

    nbgrader gives full marks to a test cell without output, and to a value it cannot read as a number; here a
    test cell that did not earn its points always holds an error, and a partial score is written as a number.
    """
    executed = copy.deepcopy(notebook)
    by_id = {outcome.exercise: outcome for outcome in outcomes}
    exercises = {exercise.grade_id: exercise for exercise in lesson.exercises}
    for cell, run in zip(executed.cells, runs, strict=True):
        key = grade_id(cell)
        if cell.cell_type == "code":
            cell.execution_count = run.execution_count
            cell.outputs = [_readable(output) for output in run.outputs]
        if key in exercises and is_answer(cell) and is_blank(exercises[key], cell.source):
            cell.source = exercises[key].stub
        elif key in exercises and cell.cell_type == "code" and not is_answer(cell):
            cell.outputs = _telling_outputs(cell.outputs, by_id[key], exercises[key])
    return executed


def _readable(output: Mapping[str, Any]) -> NotebookNode:
    """Keep what can be shown safely and costs no marks.

    nbgrader takes every word on stderr for a failed test, so a warning is kept as ordinary text. Of what a
    student displays only text and pixels are kept: HTML, SVG and scripts would run in the marker's browser.
    """
    kept = metadata_node(dict(output))
    if kept.output_type == "stream":
        kept.name = "stdout"
    if "data" in kept:
        kept.data = metadata_node({kind: value for kind, value in kept.data.items() if kind in _SAFE_KINDS})
        kept.metadata = metadata_node({})
    return kept


def _telling_outputs(outputs: Sequence[NotebookNode], outcome: Outcome, exercise: Exercise) -> list[NotebookNode]:
    kept = [output for output in outputs if output.output_type not in ("execute_result", "error")]
    errors = [output for output in outputs if output.output_type == "error"]
    if outcome.points == exercise.max_points:
        return kept
    if outcome.points:
        shown = {"text/plain": repr(outcome.points)}
        result = {"output_type": "execute_result", "metadata": {}, "execution_count": None, "data": shown}
        return [*kept, metadata_node(result)]
    text = f"{outcome.status}: {outcome.marker_note or outcome.message}"
    reason = metadata_node({"output_type": "error", "ename": "NotPassed", "evalue": text, "traceback": [text]})
    return [*kept, *(errors or [reason])]


def save_marks(
    lesson: Lesson,
    student: str,
    executed: NotebookNode,
    outcomes: Sequence[Outcome],
    db_url: str,
    submitted_folder: Path,
    missing: Sequence[Lesson] = (),
) -> None:
    """Write one submission's marks; what a marker has entered before stays.

    Args:
        lesson: the lesson.
        student: student id.
        executed: what ``executed_notebook`` returned.
        outcomes: what each exercise got.
        db_url: address of the gradebook.
        submitted_folder: where nbgrader's ``timestamp.txt`` may lie, for late submissions.
        missing: other notebooks of the same assignment that the student did not hand in; they score zero.
    """
    with _database(db_url) as gradebook:
        from nbgrader.preprocessors import AssignLatePenalties, SaveAutoGrades

        gradebook.update_or_create_student(student)
        timestamp = submitted_folder / "timestamp.txt"
        times = {"timestamp": timestamp.read_text(encoding="utf-8").strip()} if timestamp.is_file() else {}
        gradebook.update_or_create_submission(lesson.assignment, student, **times)
        resources = _resources(lesson, student, db_url)
        SaveAutoGrades().preprocess(copy.deepcopy(executed), resources)
        for outcome in outcomes:
            if outcome.status is Status.NEEDS_MARKING:
                grade = gradebook.find_grade(outcome.exercise, lesson.name, lesson.assignment, student)
                gradebook.db.refresh(grade)
                grade.auto_score, grade.needs_manual_grade = None, True
        for other in missing:
            for grade in gradebook.find_submission_notebook(other.name, lesson.assignment, student).grades:
                grade.auto_score, grade.needs_manual_grade = 0.0, False
        gradebook.db.commit()
        if times:
            AssignLatePenalties().preprocess(copy.deepcopy(executed), resources)


def _resources(lesson: Lesson, student: str, db_url: str) -> dict[str, Any]:
    names = {"student": student, "assignment": lesson.assignment, "notebook": lesson.name, "db_url": db_url}
    return {"nbgrader": names, "unique_key": lesson.name}


def read_marks(course: CourseTree, db_url: str) -> list[Marks]:
    """Read every mark of the course's lessons, manual marks and comments included.

    Args:
        course: the course.
        db_url: address of the gradebook.
    Returns:
        One entry a student and lesson that has been graded, in the order of student and lesson.
    """
    found = []
    with _database(db_url) as gradebook:
        for lesson in course.lessons:
            for submitted in gradebook.notebook_submissions(lesson.name, lesson.assignment):
                comments = {comment.name: comment.manual_comment or "" for comment in submitted.comments}
                marks = {}
                for grade in submitted.grades:
                    by_hand = grade.manual_score is not None
                    open_ = grade.needs_manual_grade and not by_hand
                    points = None if open_ and grade.auto_score is None else float(grade.score)
                    marks[grade.name] = Mark(
                        grade.name, points, float(grade.max_score), by_hand, comments.get(grade.name, "")
                    )
                found.append(
                    Marks(
                        submitted.student.id,
                        lesson.assignment,
                        lesson.name,
                        marks,
                        float(submitted.late_submission_penalty or 0.0),
                    )
                )
    return sorted(found, key=lambda one: (one.student, one.assignment, one.notebook))


def graded_students(lesson: Lesson, db_url: str) -> frozenset[str]:
    """Return who has marks for a lesson in this gradebook."""
    with _database(db_url) as gradebook:
        from nbgrader.api import MissingEntry

        try:
            return frozenset(one.student.id for one in gradebook.notebook_submissions(lesson.name, lesson.assignment))
        except MissingEntry:
            return frozenset()
