"""What a class report holds, gathered from the gradebook, the verdicts and the executed notebooks.

Everything that is printed, exported or shown comes from here, so that the table, the CSV, the JSON, the feedback
pages and Gradescope's results cannot disagree. Points come from the gradebook, so marks entered by hand are in
them; reasons come from verdicts, and only from those that bear the course's signature.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from .attachments import Picture, joined, read_attachments
from .course_tree import CourseTree, Exercise, Lesson, grade_id
from .gradebook import Mark, Marks, read_marks
from .intake import Problem, valid_student_id
from .keys import GradingKey, load_key
from .notebook_files import read_kept_notebook, write_text
from .outcomes import Outcome, Status, answer_cells
from .verdicts import Standing, load_problems, load_verdict

if TYPE_CHECKING:
    from nbformat import NotebookNode

SCHEMA_VERSION: Final = 2
SCHEMA_PATH: Final = Path(__file__).with_name("report.schema.json")

_FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


@dataclass(frozen=True)
class ExerciseReport:
    """One exercise of one student. ``points`` is ``None`` while a person has still to mark it."""

    exercise: Exercise
    status: Status
    points: float | None
    message: str = ""
    comment: str = ""
    marked_by_hand: bool = False
    answer: str = ""
    pictures: tuple[Picture, ...] = ()


@dataclass(frozen=True)
class StudentReport:
    """One student's result in one lesson; ``reason`` says why there are no exercises where it was not graded.

    ``warnings`` are what has to be said about these marks wherever they are shown, such as that they can be forged;
    ``seconds`` is how long grading took, where that is known.
    """

    student: str
    lesson: str
    exercises: tuple[ExerciseReport, ...] = ()
    late_penalty: float = 0.0
    notes: tuple[str, ...] = ()
    reason: str = ""
    warnings: tuple[str, ...] = ()
    seconds: float | None = None

    @property
    def total(self) -> float | None:
        """Points so far, or ``None`` where nothing was graded."""
        if not self.exercises:
            return None
        earned = sum(one.points for one in self.exercises if one.points is not None)
        return max(0.0, earned - self.late_penalty)

    @property
    def to_mark(self) -> int:
        """How many answers a person has still to mark."""
        return sum(one.points is None for one in self.exercises)

    @property
    def state(self) -> str:
        """``graded``, ``to mark`` or ``not graded``; a graded one whose newer file cannot be read says so too."""
        if not self.exercises:
            return "not graded"
        if self.reason:
            return "newest file not graded"
        return "to mark" if self.to_mark else "graded"


@dataclass(frozen=True)
class LessonReport:
    """A lesson's exercises and everybody's results in it."""

    lesson: Lesson
    students: tuple[StudentReport, ...]

    @cached_property
    def max_points(self) -> float:
        """Points that can be earned."""
        return sum(exercise.max_points for exercise in self.lesson.exercises)


@dataclass(frozen=True)
class ClassReport:
    """The whole class. ``strays`` are files that belong to no lesson."""

    lessons: tuple[LessonReport, ...]
    strays: tuple[Problem, ...] = ()

    @property
    def students(self) -> list[str]:
        """Everybody who handed something in, in order."""
        named = {one.student for lesson in self.lessons for one in lesson.students}
        return sorted(named | {problem.student for problem in self.strays})

    @property
    def warnings(self) -> tuple[str, ...]:
        """What has to be said about some of the marks, each sentence once."""
        said = (warning for lesson in self.lessons for one in lesson.students for warning in one.warnings)
        return tuple(dict.fromkeys(said))

    def warnings_of(self, student: str) -> tuple[str, ...]:
        """Return what has to be said about one student's marks, each sentence once."""
        mine = (one for lesson in self.lessons for one in lesson.students if one.student == student)
        return tuple(dict.fromkeys(warning for one in mine for warning in one.warnings))


def gather(course: CourseTree, db_url: str, key: GradingKey | None = None) -> ClassReport:
    """Gather the report of a course.

    Args:
        course: the course.
        db_url: address of the gradebook.
        key: the key that verdicts are signed with; without one it is read from the course.
    Returns:
        Lessons in order, each with the students who handed it in.
    """
    key = key or load_key(course.root)
    marks = read_marks(course, db_url)
    problems = load_problems(course)
    lessons = []
    placed: set[Problem] = set()
    for lesson in course.lessons:
        mine = [one for one in marks if (one.assignment, one.notebook) == (lesson.assignment, lesson.name)]
        failed = {one.student: one for one in problems if one.lesson in (str(lesson), lesson.assignment, lesson.name)}
        placed.update(failed.values())
        students = [_student_report(course, lesson, one, failed.pop(one.student, None), key) for one in mine]
        students += [StudentReport(one.student, str(lesson), reason=one.reason) for one in failed.values()]
        if students:
            lessons.append(LessonReport(lesson, tuple(sorted(students, key=lambda one: one.student))))
    return ClassReport(tuple(lessons), tuple(one for one in problems if one not in placed))


def _student_report(
    course: CourseTree, lesson: Lesson, marks: Marks, problem: Problem | None, key: GradingKey
) -> StudentReport:
    kept = load_verdict(course, marks.student, lesson, key)
    verdict = kept.believed
    outcomes = {one.exercise: one for one in verdict.outcomes} if verdict is not None else {}
    answers = _answers(course, lesson, marks.student)
    exercises = [
        _exercise_report(exercise, marks.marks[exercise.grade_id], outcomes.get(exercise.grade_id), answers)
        for exercise in lesson.exercises
        if exercise.grade_id in marks.marks
    ]
    return StudentReport(
        marks.student,
        str(lesson),
        tuple(exercises),
        marks.late_penalty,
        verdict.notes if verdict is not None else (),
        problem.reason if problem is not None else "",
        verdict.warnings if verdict is not None else _doubts(kept.standing),
        verdict.seconds if verdict is not None else None,
    )


def _doubts(standing: Standing) -> tuple[str, ...]:
    """Say what is to be thought of marks whose verdict cannot be believed."""
    if standing is Standing.MISSING:
        return ()
    return (f"The grader's verdict on some of these marks is {standing}: they are not vouched for; grade again.",)


def _exercise_report(
    exercise: Exercise, mark: Mark, outcome: Outcome | None, answers: dict[str, _Answer]
) -> ExerciseReport:
    status = outcome.status if outcome is not None else _status_of(mark)
    message = outcome.message if outcome is not None else ""
    if mark.marked_by_hand and (status is Status.NEEDS_MARKING or exercise.kind == "written"):
        status, message = Status.MARKED, ""
    return ExerciseReport(
        exercise,
        status,
        mark.points,
        message,
        mark.comment,
        mark.marked_by_hand,
        *answers.get(exercise.grade_id, ("", ())),
    )


def _status_of(mark: Mark) -> Status:
    """Tell the status of a mark that nbgrader itself has written."""
    if mark.points is None:
        return Status.NEEDS_MARKING
    if mark.marked_by_hand:
        return Status.MARKED
    if mark.points >= mark.max_points:
        return Status.PASSED
    return Status.PARTLY if mark.points > 0 else Status.FAILED


_Answer = tuple[str, tuple[Picture, ...]]


def _answers(course: CourseTree, lesson: Lesson, student: str) -> dict[str, _Answer]:
    """Return what the student wrote for each exercise, cells added right after an answer included."""
    path = course.autograded_folder(student, lesson.assignment) / f"{lesson.name}.ipynb"
    if not path.is_file():
        return {}
    try:
        notebook = read_kept_notebook(path)
        if not any(grade_id(cell) for cell in notebook.cells):
            return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        # One damaged notebook must not keep the class from its reports; `verify` names it.
        return {}
    return {
        exercise.grade_id: _written(notebook.cells[index] for index in answer_cells(notebook, exercise.answer_id))
        for exercise in lesson.exercises
    }


def _written(cells: Iterable[NotebookNode]) -> _Answer:
    """Return the text of some cells, and the pictures in them."""
    found: _Answer | None = None
    for cell in cells:
        pictures, _ = read_attachments(cell.get("attachments"))
        found = (cell.source, pictures) if found is None else joined(*found, cell.source, pictures)
    return found or ("", ())


def file_name(student: str) -> str:
    """Return a file name for a student; a gradebook of another origin may hold ids that cannot be one."""
    try:
        return valid_student_id(student)
    except ValueError:
        return f"student-{hashlib.sha256(student.encode('utf-8', 'replace')).hexdigest()[:16]}"


def points_text(points: float | None) -> str:
    """Write points as people do: 2, 1.5, and a word while a person has still to mark."""
    return "to mark" if points is None else f"{points:g}"


def as_json(report: ClassReport) -> dict[str, Any]:
    """Return the report as ``report.schema.json`` describes it. Answers and hidden tests are not in it."""
    return {
        "schema_version": SCHEMA_VERSION,
        "warnings": list(report.warnings),
        "lessons": [
            {
                "lesson": str(one.lesson),
                "max_points": one.max_points,
                "exercises": [
                    {
                        "id": exercise.grade_id,
                        "title": exercise.title,
                        "kind": exercise.kind,
                        "max_points": exercise.max_points,
                    }
                    for exercise in one.lesson.exercises
                ],
                "students": [_student_json(student) for student in one.students],
            }
            for one in report.lessons
        ],
        "not_recognised": [
            {"student": one.student, "file": one.path.name, "reason": one.reason} for one in report.strays
        ],
    }


def _student_json(student: StudentReport) -> dict[str, Any]:
    return {
        "student": student.student,
        "state": student.state,
        "reason": student.reason,
        "total": student.total,
        "late_penalty": student.late_penalty,
        "notes": list(student.notes),
        "warnings": list(student.warnings),
        "marks": {
            one.exercise.grade_id: {
                "points": one.points,
                "status": str(one.status),
                "message": one.message,
                "comment": one.comment,
                "marked_by_hand": one.marked_by_hand,
            }
            for one in student.exercises
        },
    }


def as_csv(report: ClassReport) -> str:
    """Return one row a student and lesson, quoted per RFC 4180, with no cell that a spreadsheet reads as a formula."""
    exercises = [(one.lesson, exercise) for one in report.lessons for exercise in one.lesson.exercises]
    several = len(report.lessons) > 1
    titles = [f"{lesson}:{exercise.grade_id}" if several else exercise.grade_id for lesson, exercise in exercises]
    rows = [["student", "lesson", "state", "total", "max", "to_mark", "late_penalty", *titles, "reason"]]
    for lesson_report in report.lessons:
        for student in lesson_report.students:
            points = {one.exercise.grade_id: one.points for one in student.exercises}
            columns = [
                _number(points.get(exercise.grade_id)) if lesson is lesson_report.lesson else ""
                for lesson, exercise in exercises
            ]
            total, most = _number(student.total), _number(lesson_report.max_points)
            counts = [str(student.to_mark), _number(student.late_penalty)]
            rows.append(
                [student.student, student.lesson, student.state, total, most, *counts, *columns, student.reason]
            )
    rows += [
        [one.student, "", "not graded", *[""] * (4 + len(exercises)), f"{one.path.name}: {one.reason}"]
        for one in report.strays
    ]
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\r\n").writerows([[neutralise(cell) for cell in row] for row in rows])
    return stream.getvalue()


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:g}"


def neutralise(cell: str) -> str:
    """Put an apostrophe before what a spreadsheet would compute, and before what looks so once one is taken away."""
    return f"'{cell}" if cell.lstrip("'").lstrip(" ").startswith(_FORMULA_STARTS) else cell


def restore(cell: str) -> str:
    """Undo ``neutralise``, for a program that reads the CSV back."""
    return cell[1:] if cell.startswith("'") and neutralise(cell[1:]) == cell else cell


def write_reports(report: ClassReport, folder: Path) -> None:
    """Write ``marks.csv`` and ``marks.json`` into a folder."""
    # The byte order mark lets Excel read names with accents; every CSV reader knows it.
    write_text(folder / "marks.csv", "\ufeff" + as_csv(report))
    write_text(folder / "marks.json", json.dumps(as_json(report), indent=1, ensure_ascii=True) + "\n")


def counts(students: Sequence[StudentReport]) -> dict[str, int]:
    """Count students by state."""
    found: dict[str, int] = {}
    for student in students:
        found[student.state] = found.get(student.state, 0) + 1
    return found
