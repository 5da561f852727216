"""The sample class: submissions made from small answer files, and the marks that each must get.

An answer file is py:percent. Its first cell says who this is::

    # %% [markdown] start="reference" about="Wraps around: pads to len(x) only"

``start="reference"`` takes the answers that the file does not give from the solution, ``start="blank"`` leaves them as
released, and ``blank="overlap_add cost"`` leaves just these as released. ``file_name="01_convolution_stft (1).ipynb"``
renames the notebook. Each further cell answers one exercise or question (``# %% answer="convolve_full"``,
``# %% [markdown] answer="why_length"``) or is a code cell of the student's own, put after an answer cell
(``# %% after="convolve_full"``).
"""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from autograder.cells import Cell, Problem, SourceError, read_cells
from autograder.files import write_atomically
from autograder.project import Project
from autograder.release import BuildError, parse_notebook, release_bytes

if TYPE_CHECKING:
    from autograder.source import Lesson

MARKS_FILE: Final = "marks.csv"
MANUAL: Final = "manual"
RECORD: Final = ".sample_class.json"
"""Lists the notebooks that the sample class consists of, so that one whose answer file has gone is removed."""

_HEAD_KEYS: Final = {"start", "about", "blank", "file_name"}


@dataclass(frozen=True)
class SampleStudent:
    """One member of the sample class and the answers to one lesson."""

    name: str
    lesson: str
    about: str
    start: Literal["reference", "blank"]
    file_name: str
    answers: dict[str, str]
    own_cells: tuple[tuple[str, str], ...] = ()
    """The student's own code cells, as (key of the answer cell before it, source)."""
    blank: tuple[str, ...] = ()
    """Keys left as released although the others start from the reference."""


@dataclass(frozen=True)
class Submission:
    """One notebook of the sample class as written."""

    student: SampleStudent
    path: Path
    written: bool
    """Whether the file changed."""


def read_students(folder: Path, lesson: Lesson) -> list[SampleStudent]:
    """Read the answer files of a lesson.

    Args:
        folder: holds one ``<student>.py`` a student.
        lesson: the lesson they answer.
    Returns:
        The students, sorted by name.
    Raises:
        SourceError: with every problem of every file.
    """
    students, problems = [], []
    for path in sorted(folder.glob("*.py")):
        try:
            students.append(read_student(path, lesson))
        except SourceError as error:
            problems += error.problems
    if problems:
        raise SourceError(problems)
    return students


def read_student(path: Path, lesson: Lesson) -> SampleStudent:
    """Read one answer file, or raise ``SourceError`` with all its problems."""
    _, cells = read_cells(path)
    problems = list(_student_problems(path, cells, lesson))
    if problems:
        raise SourceError(problems)
    head, *rest = cells
    return SampleStudent(
        name=path.stem,
        lesson=lesson.name,
        about=head.keys["about"],
        start=head.keys["start"],
        file_name=head.keys.get("file_name", f"{lesson.name}.ipynb"),
        answers={cell.keys["answer"]: cell.source for cell in rest if "answer" in cell.keys},
        own_cells=tuple((cell.keys["after"], cell.source) for cell in rest if "after" in cell.keys),
        blank=tuple(head.keys.get("blank", "").split()),
    )


def _student_problems(path: Path, cells: Sequence[Cell], lesson: Lesson) -> list[Problem]:
    if not cells:
        return [Problem(path, 1, "", 'no cells; the first is `# %% [markdown] start="reference" about="…"`')]
    problems = []
    head, *rest = cells
    if head.keys.get("start") not in ("reference", "blank"):
        problems.append(Problem(path, head.line, "", 'the first cell needs start="reference" or start="blank"'))
    if not isinstance(head.keys.get("about"), str):
        problems.append(Problem(path, head.line, "", 'the first cell needs about="one line on this student"'))
    file_name = head.keys.get("file_name", "notebook.ipynb")
    if not isinstance(file_name, str) or Path(file_name).name != file_name or not file_name.endswith(".ipynb"):
        problems.append(Problem(path, head.line, "", f"file_name={file_name!r} is no name of a notebook"))
    if set(head.keys) - _HEAD_KEYS:
        problems.append(Problem(path, head.line, "", f"unknown keys {', '.join(sorted(set(head.keys) - _HEAD_KEYS))}"))
    known = ", ".join(lesson.keys)
    left_blank = str(head.keys.get("blank", "")).split()
    for key in left_blank:
        if key not in lesson.keys:
            problems.append(Problem(path, head.line, key, f"{lesson.name} has no such exercise; it has {known}"))
    written = {item.key for item in lesson.written}
    seen = set(left_blank)
    for cell in rest:
        if len(cell.keys) != 1 or not {"answer", "after"} & cell.keys.keys():
            problems.append(Problem(path, cell.line, "", 'a cell needs exactly one of answer="…" and after="…"'))
            continue
        ((role, key),) = cell.keys.items()
        if key not in lesson.keys:
            problems.append(Problem(path, cell.line, str(key), f"{lesson.name} has no such exercise; it has {known}"))
        elif role == "after" and not cell.is_code:
            problems.append(Problem(path, cell.line, key, "a cell of the student's own is a code cell"))
        elif role == "answer" and cell.is_code == (key in written):
            expected = "[markdown]" if key in written else "code"
            problems.append(Problem(path, cell.line, key, f"the answer must be a {expected} cell"))
        if role == "answer" and key in seen:
            problems.append(Problem(path, cell.line, str(key), "answered twice, or answered and left blank"))
        if role == "answer":
            seen.add(key)
    return problems


def submission_bytes(student: SampleStudent, lesson: Lesson, release: bytes) -> bytes:
    """Make a student's notebook from the released one.

    Args:
        student: the answers.
        lesson: where the reference answers come from.
        release: the released notebook.
    Returns:
        The notebook as Jupyter would save it.
    """
    from autograder.source import notebook_bytes

    answers = {}
    if student.start == "reference":
        answers = {exercise.key: exercise.answer for exercise in lesson.exercises}
        answers |= {item.key: item.model_answer for item in lesson.written}
        answers = {key: answer for key, answer in answers.items() if key not in student.blank}
    answers |= student.answers
    notebook = parse_notebook(release)
    cells: list[Any] = []
    for cell in notebook["cells"]:
        if cell["id"] in answers:
            cell["source"] = answers[cell["id"]]
        cells.append(cell)
        own = [source for key, source in student.own_cells if key == cell["id"]]
        for number, source in enumerate(own, start=1):
            cells.append(
                {
                    "cell_type": "code",
                    "execution_count": None,
                    "id": f"own-{cell['id']}-{number}",
                    "metadata": {},
                    "outputs": [],
                    "source": source,
                }
            )
    return notebook_bytes({**notebook, "cells": cells})


def make_sample_class(
    project: Project, lessons: Sequence[Lesson], *, answers: Path | None = None, out: Path | None = None
) -> list[Submission]:
    """Write the sample class's submissions as an nbgrader ``submitted/`` tree.

    Args:
        project: the course.
        lessons: which lessons.
        answers: holds ``<lesson>/<student>.py``; by default ``tests/sample_class``.
        out: the tree to write; by default ``build/course/submitted``.
    Returns:
        One entry a notebook. A file that holds the right content already is not touched, so that grading stays
        incremental; a notebook of an earlier sample class that no answer file makes any more is removed.
    Raises:
        SourceError: with every problem of every answer file; nothing has been written then.
        BuildError: if no lesson has answer files.
    """
    answers = answers or project.sample_answers
    out = out or project.course / "submitted"
    students = [(lesson, student) for lesson in lessons for student in read_students(answers / lesson.name, lesson)]
    if not students:
        raise BuildError(
            f"{answers} holds no answer file <lesson>/<student>.py for {', '.join(x.name for x in lessons)}."
        )
    releases = {lesson.name: release_bytes(lesson) for lesson in lessons}
    made = []
    for lesson, student in students:
        path = out / student.name / lesson.name / student.file_name
        content = submission_bytes(student, lesson, releases[lesson.name])
        made.append(Submission(student, path, write_atomically(path, content)))
    _remove_former(out, {lesson.name for lesson in lessons}, made)
    return made


def _remove_former(out: Path, lessons: set[str], made: Sequence[Submission]) -> None:
    """Remove notebooks that an earlier sample class wrote for these lessons and this one did not."""
    record = out / RECORD
    former: list[str] = json.loads(record.read_text("utf-8")) if record.is_file() else []
    current = {submission.path.relative_to(out).as_posix() for submission in made}
    kept = set()
    for name in set(former) - current:
        if Path(name).parts[1] in lessons:
            (out / name).unlink(missing_ok=True)
            for folder in list((out / name).parents)[:2]:
                if folder.is_dir() and not any(folder.iterdir()):
                    folder.rmdir()
        else:
            kept.add(name)
    write_atomically(record, (json.dumps(sorted(current | kept), indent=1) + "\n").encode())


def read_expected_marks(folder: Path, lesson: Lesson) -> dict[str, dict[str, float | None]]:
    """Read the table of the marks that each student of the sample class must get.

    Args:
        folder: holds ``marks.csv``: a column ``student``, then one a key of the lesson in its order. A written question
            has ``manual``, or 0 where it was left blank. The folder also holds the answer files, and both must name
            the same students.
        lesson: the lesson.
    Returns:
        student → key → points, ``None`` where a marker decides.
    Raises:
        ValueError: if the table and the lesson or the answer files disagree; it names the line.
    """
    path = folder / MARKS_FILE
    points = {exercise.key: exercise.points for exercise in lesson.exercises}
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    header = ["student", *lesson.keys]
    if not rows or rows[0] != header:
        raise ValueError(f"{path}:1 the columns are {rows[0] if rows else []}, expected {header}")
    table: dict[str, dict[str, float | None]] = {}
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != len(header):
            raise ValueError(f"{path}:{number} has {len(row)} fields, expected {len(header)}")
        student, *marks = row
        if student in table:
            raise ValueError(f"{path}:{number} names {student} a second time")
        table[student] = {}
        for key, mark in zip(lesson.keys, marks, strict=True):
            if mark == MANUAL and key in points:
                raise ValueError(f"{path}:{number} [{key}] is {mark!r}, but its tests decide; expected points")
            # A written answer that was left blank gets its 0 without a marker.
            place = f"{path}:{number} [{key}]"
            table[student][key] = None if mark == MANUAL else _points(mark, points.get(key, 0), place)
    students = {path.stem for path in folder.glob("*.py")}
    if students != set(table):
        alone = ", ".join(sorted(students ^ set(table)))
        raise ValueError(f"{path}: these students stand in only one of the table and the answer files: {alone}")
    return table


def _points(mark: str, most: float, place: str) -> float:
    try:
        points = float(mark)
    except ValueError as error:
        raise ValueError(f"{place} is {mark!r}, expected points") from error
    if not 0 <= points <= most:
        raise ValueError(f"{place} is {mark}, expected 0 to {most:g} points")
    return points
