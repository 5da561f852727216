"""Gradescope's ``results.json``, one a submission, from the same report as everything else.

The members are those that Gradescope documents for autograders. A written answer that nobody has marked yet has
neither a score nor a status there, which Gradescope shows as a plain remark.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from .notebook_files import write_text
from .outcomes import Status
from .reports import ClassReport, ExerciseReport, StudentReport, file_name

TO_BE_MARKED: Final = "to be marked"


def write_results(report: ClassReport, folder: Path) -> None:
    """Write ``<student>/<assignment>/<notebook>.results.json`` for everybody who was graded."""
    for lesson in report.lessons:
        for student in lesson.students:
            if student.exercises:
                place = folder / file_name(student.student) / lesson.lesson.assignment
                text = json.dumps(results(student), indent=1, ensure_ascii=True, allow_nan=False)
                write_text(place / f"{lesson.lesson.name}.results.json", text + "\n")


def results(student: StudentReport) -> dict[str, Any]:
    """Return one student's result in one lesson as Gradescope reads it."""
    found: dict[str, Any] = {
        "score": student.total or 0.0,
        "output": "\n".join(_remarks(student)),
        "output_format": "text",
        "test_output_format": "text",
        "test_name_format": "text",
        "visibility": "visible",
        "stdout_visibility": "hidden",
        "tests": [_test(one) for one in student.exercises],
    }
    if student.seconds is not None:
        found["execution_time"] = round(student.seconds)
    return found


def _remarks(student: StudentReport) -> list[str]:
    said = [*student.warnings, *student.notes]
    if student.reason:
        said.append(f"A newer file was not graded: {student.reason}")
    if student.late_penalty:
        said.append(f"{student.late_penalty:g} points taken off for lateness.")
    if student.to_mark:
        answers = "1 answer is" if student.to_mark == 1 else f"{student.to_mark} answers are"
        said.append(f"{answers} {TO_BE_MARKED} by a person.")
    return said


def _test(one: ExerciseReport) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": one.exercise.title,
        "name_format": "text",
        "number": one.exercise.label,
        "output": "\n".join(part for part in (_words(one), one.comment) if part),
        "output_format": "text",
        "visibility": "visible",
    }
    if one.points is not None:
        full = one.points >= one.exercise.max_points
        found |= {"score": one.points, "max_score": one.exercise.max_points, "status": "passed" if full else "failed"}
    return found


def _words(one: ExerciseReport) -> str:
    if one.points is None:
        return TO_BE_MARKED
    return one.message if one.status in (Status.PASSED, Status.MARKED) else f"{one.status}: {one.message}".rstrip(": ")
