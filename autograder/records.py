"""What is kept about each graded submission beside the gradebook: why each exercise got its points, and from what.

One JSON file a submission under ``outcomes/``, written whole after its marks are in the gradebook. Its
fingerprints say what the marks depend on, so that an unchanged submission is not run again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from .course_tree import CourseTree, Lesson
from .engine import Limits
from .intake import Problem, Submission
from .notebook_files import write_text
from .outcomes import Outcome, Status

FORMAT = 1

_DECIDES_MARKS = ("course_tree", "engine", "gradebook", "intake", "nbgrader_engine", "outcomes", "rebuild")

_CAUSES = {
    "answers": "the student's notebook changed",
    "lesson": "the lesson changed",
    "grader": "the grader or course_lib changed",
    "engine": "another engine",
    "limits": "other limits",
}


@dataclass(frozen=True)
class Record:
    """The kept result of one submission."""

    student: str
    assignment: str
    notebook: str
    outcomes: tuple[Outcome, ...]
    fingerprints: dict[str, str]
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    format: int = field(default=FORMAT)


@dataclass(frozen=True)
class Change:
    """An exercise whose points differ from those of the grading before, and why it was graded again."""

    student: str
    lesson: str
    exercise: str
    before: Outcome
    after: Outcome
    cause: str


def fingerprints(submission: Submission, engine_identity: str, limits: Limits) -> dict[str, str]:
    """Name everything that the marks of a submission depend on."""
    return {
        "answers": hashlib.sha256(submission.content).hexdigest(),
        "lesson": submission.lesson.fingerprint,
        "grader": code_fingerprint(),
        "engine": engine_identity,
        "limits": repr(limits),
    }


@cache
def code_fingerprint() -> str:
    """Change whenever the code that decides a mark, or the library that tests call, changes."""
    digest = hashlib.sha256()
    package = Path(__file__).resolve().parent
    library = sorted((package.parent / "course_lib").rglob("*.py"))
    for path in (*(package / f"{name}.py" for name in _DECIDES_MARKS), *library):
        content = path.read_bytes()
        digest.update(path.relative_to(package.parent).as_posix().encode() + len(content).to_bytes(8, "big"))
        digest.update(content)
    return digest.hexdigest()


def changes(before: Record, after: Record) -> list[Change]:
    """Return the exercises whose points changed between two gradings of a submission."""
    causes = [text for key, text in _CAUSES.items() if before.fingerprints.get(key) != after.fingerprints.get(key)]
    cause = ", ".join(causes) or "nothing changed: the answer itself behaves differently from run to run"
    old = {outcome.exercise: outcome for outcome in before.outcomes}
    return [
        Change(after.student, after.notebook, outcome.exercise, old[outcome.exercise], outcome, cause)
        for outcome in after.outcomes
        if outcome.exercise in old and old[outcome.exercise].points != outcome.points
    ]


def _record_path(course: CourseTree, student: str, assignment: str, notebook: str) -> Path:
    return course.outcomes / student / assignment / f"{notebook}.json"


def save_record(course: CourseTree, record: Record) -> None:
    """Write a record, whole or not at all."""
    path = _record_path(course, record.student, record.assignment, record.notebook)
    write_text(path, json.dumps(asdict(record), ensure_ascii=True, indent=1) + "\n")


def load_record(course: CourseTree, student: str, lesson: Lesson) -> Record | None:
    """Read a record; ``None`` where there is none of this format, so that the submission is graded anew."""
    path = _record_path(course, student, lesson.assignment, lesson.name)
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if found.get("format") != FORMAT:
            return None
        outcomes = tuple(Outcome(**{**one, "status": Status(one["status"])}) for one in found.pop("outcomes"))
        return Record(outcomes=outcomes, notes=tuple(found.pop("notes")), **found)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def save_problems(course: CourseTree, problems: Sequence[Problem], seen: Sequence[tuple[str, str]]) -> list[Problem]:
    """Keep what could not be graded for the reports, and forget what has been handled since.

    Args:
        course: the course.
        problems: what this run could not grade.
        seen: (student, lesson) of everything that this run met.
    Returns:
        All problems that stand now.
    """
    handled = {*seen, *((problem.student, problem.lesson) for problem in problems)}
    students = {student for student, _ in handled}
    standing = [
        old
        for old in load_problems(course)
        if (old.student, old.lesson) not in handled and not (old.lesson == "" and old.student in students)
    ]
    standing = sorted([*standing, *problems], key=lambda one: (one.student, one.lesson, str(one.path)))
    rows = [{**asdict(problem), "path": str(problem.path)} for problem in standing]
    write_text(course.outcomes / "problems.json", json.dumps(rows, indent=1) + "\n")
    return standing


def load_problems(course: CourseTree) -> list[Problem]:
    """Read what could not be graded."""
    path = course.outcomes / "problems.json"
    if not path.is_file():
        return []
    return [Problem(**{**row, "path": Path(row["path"])}) for row in json.loads(path.read_text(encoding="utf-8"))]
