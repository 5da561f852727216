"""Taking in what students hand in: find it, read it with care, tell whose and which lesson it is.

A submission is data to judge. It is parsed here once, tolerantly, into plain cells; neither its metadata
nor its file name is believed further than to recognise it. What cannot be read becomes a ``Problem`` of
that one submission, with a reason a marker can act on, and the others go on.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .course_tree import CourseTree, Lesson

MAX_NOTEBOOK_BYTES = 32 * 2**20
MAX_CELLS = 5_000
MAX_SOURCE_CHARACTERS = 1_000_000

# Letters of any script, digits and what e-mail addresses and matriculation numbers use. What else a file
# name may hold has a meaning to a shell, a spreadsheet or a browser that shows the report.
_STUDENT_ID = re.compile(r"[^\W_](?:[\w.@+\-' ]{0,98}[\w.@+\-'])?", re.UNICODE)
_LONE_SURROGATE = re.compile(r"[\ud800-\udfff]")


class IntakeError(ValueError):
    """The submissions as named cannot be taken in at all; the message says what to name instead."""


class UnreadableNotebookError(ValueError):
    """One notebook cannot be read; the message is the reason that its student and marker see."""


@dataclass(frozen=True)
class StudentCell:
    """A cell as the student left it: only text, and the two names by which it may be recognised."""

    kind: str
    source: str
    grade_id: str | None = None
    cell_id: str | None = None


@dataclass(frozen=True)
class Submission:
    """One student's notebook for one lesson."""

    student: str
    lesson: Lesson
    path: Path
    content: bytes
    cells: tuple[StudentCell, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Problem:
    """A submission that could not be graded, and why."""

    student: str
    path: Path
    reason: str
    lesson: str = ""


def valid_student_id(name: str) -> str:
    """Return ``name`` if it can be a student id, or raise ``IntakeError`` that says what ids may hold."""
    if not _STUDENT_ID.fullmatch(name) or ".." in name:
        raise IntakeError(
            f"{name!r:.80} cannot be a student id: ids start with a letter or digit and hold letters, digits, "
            "spaces and . _ @ + - ' (at most 100 characters). Rename the folder, or give the id with --student."
        )
    return name


def collect(
    places: Sequence[Path], course: CourseTree, *, student: str | None = None
) -> tuple[list[Submission], list[Problem]]:
    """Find every submission in the places named.

    Args:
        places: notebooks, or ``submitted/`` trees: ``<student>/<assignment>/<notebook>.ipynb``.
        course: the course whose lessons they answer.
        student: whose notebook it is, where a single notebook is named.
    Returns:
        Submissions in the order of student and lesson, and what could not be read.
    Raises:
        IntakeError: if a place does not exist or is of a kind that cannot be graded.
    """
    submissions: list[Submission] = []
    problems: list[Problem] = []
    for place in places:
        if not place.exists():
            raise IntakeError(
                f"There is nothing at {place}. Name a notebook, or a folder <student>/<lesson>/<notebook>.ipynb."
            )
        if place.is_dir():
            _collect_tree(place, course, submissions, problems)
        elif place.suffix == ".zip":
            raise IntakeError(
                f"{place} is an archive, which this version does not read. Unpack it into folders "
                "<student>/<lesson>/<notebook>.ipynb and name the outer folder."
            )
        elif place.suffix != ".ipynb":
            raise IntakeError(f"{place} is not a notebook (.ipynb) and not a folder of submissions.")
        else:
            owner = valid_student_id(student) if student is not None else _student_of(place, course)
            _take([place], owner, course, None, submissions, problems)
    submissions.sort(key=lambda one: (one.student, one.lesson.assignment, one.lesson.name))
    return submissions, problems


def _student_of(notebook: Path, course: CourseTree) -> str:
    """Tell whose a single notebook is: its place in a tree of submissions, or else its own name."""
    full = notebook.resolve()
    in_a_tree = full.parent.name in {lesson.assignment for lesson in course.lessons}
    return valid_student_id(full.parent.parent.name if in_a_tree else full.stem)


def _collect_tree(tree: Path, course: CourseTree, submissions: list[Submission], problems: list[Problem]) -> None:
    students = sorted(entry for entry in tree.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    if not students:
        raise IntakeError(f"{tree} holds no submissions: expected folders <student>/<lesson>/<notebook>.ipynb inside.")
    for folder in students:
        try:
            student = valid_student_id(folder.name)
            if folder.is_symlink():
                raise IntakeError("the student's folder is a link, which is not followed: copy the folder itself")
        except IntakeError as error:
            problems.append(Problem(folder.name, folder, str(error)))
            continue
        assignments = sorted(entry for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))
        if loose := sorted(folder.glob("*.ipynb")):
            _take(loose, student, course, None, submissions, problems)
        elif not assignments:
            problems.append(Problem(student, folder, "the folder holds no notebook"))
        for assignment in assignments:
            notebooks = sorted(assignment.glob("*.ipynb"))
            if not notebooks:
                problems.append(Problem(student, assignment, "the folder holds no notebook", assignment.name))
                continue
            _take(notebooks, student, course, assignment.name, submissions, problems)


def _take(
    notebooks: list[Path],
    student: str,
    course: CourseTree,
    folder_name: str | None,
    submissions: list[Submission],
    problems: list[Problem],
) -> None:
    """Read one student's notebooks and keep one a lesson."""
    found: dict[Lesson, list[Submission]] = {}
    unread: list[Problem] = []
    for path in notebooks:
        lesson_name = folder_name or ""
        try:
            content = read_bytes(path)
            cells = parse_notebook(content)
            lesson = recognise(cells, course.lessons, path.stem, folder_name)
            notes = () if path.stem == lesson.name else (f"handed in as {path.name}",)
            found.setdefault(lesson, []).append(Submission(student, lesson, path, content, cells, notes))
        except UnreadableNotebookError as error:
            unread.append(Problem(student, path, str(error), lesson_name))
    for lesson, candidates in found.items():
        chosen = [one for one in candidates if one.path.stem == lesson.name] or candidates
        if len(chosen) > 1 and len({one.content for one in chosen}) > 1:
            names = ", ".join(sorted(one.path.name for one in chosen))
            reason = f"{len(chosen)} different notebooks of lesson {lesson}: {names}. Keep the one that counts."
            problems.append(Problem(student, chosen[0].path.parent, reason, str(lesson)))
            continue
        submissions.append(chosen[0])
    # A scratch notebook beside a good one is no reason to bother a marker.
    if not found:
        problems.extend(unread)


def read_bytes(path: Path) -> bytes:
    """Read a notebook file of bounded size that is a plain file and not a link."""
    if path.is_symlink() or not path.is_file():
        raise UnreadableNotebookError("not a plain file (a link or a device): hand in the notebook itself")
    try:
        size = path.stat().st_size
        if size > MAX_NOTEBOOK_BYTES:
            raise UnreadableNotebookError(
                f"the file has {size / 2**20:.0f} MiB, the limit is {MAX_NOTEBOOK_BYTES // 2**20} MiB: "
                "clear all outputs and hand it in again"
            )
        return path.read_bytes()
    except OSError as error:
        raise UnreadableNotebookError(f"the file cannot be opened ({error.strerror})") from error


def parse_notebook(content: bytes) -> tuple[StudentCell, ...]:
    """Read a notebook's cells from its bytes.

    UTF-8 with or without a byte order mark, UTF-16 and UTF-32, and nbformat 3 and 4 are all read; outputs,
    attachments and all other metadata are left behind.

    Raises:
        UnreadableNotebookError: with the reason, for anything that is not a notebook.
    """
    if not content.strip():
        raise UnreadableNotebookError("the file is empty")
    try:
        text = content.decode(json.detect_encoding(content)).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise UnreadableNotebookError(
            "the file is not text (neither UTF-8 nor UTF-16): is it really a notebook?"
        ) from error
    try:
        document = json.loads(text)
    except RecursionError as error:
        raise UnreadableNotebookError("the file is nested too deeply to be a notebook") from error
    except ValueError as error:
        if re.search(r"^(<<<<<<<|>>>>>>>) ", text, re.MULTILINE):
            raise UnreadableNotebookError(
                "the file holds git conflict markers (<<<<<<<): resolve the merge first"
            ) from error
        raise UnreadableNotebookError(f"the file is not valid JSON ({error}): save it again from Jupyter") from error
    return tuple(_cells_of(document))


def _cells_of(document: Any) -> list[StudentCell]:
    if not isinstance(document, dict):
        raise UnreadableNotebookError(f"the file holds a JSON {type(document).__name__}, not a notebook")
    worksheets = document.get("worksheets")
    if "cells" not in document and isinstance(worksheets, list):  # nbformat 3
        raw = [cell for sheet in worksheets if isinstance(sheet, dict) for cell in _as_list(sheet.get("cells"))]
    elif isinstance(document.get("cells"), list):
        raw = document["cells"]
    else:
        raise UnreadableNotebookError("the file is JSON but not a notebook: it has no list of cells")
    if len(raw) > MAX_CELLS:
        raise UnreadableNotebookError(f"the notebook has {len(raw)} cells, the limit is {MAX_CELLS}")
    cells = [_cell_of(cell, number) for number, cell in enumerate(raw, start=1)]
    if not cells:
        raise UnreadableNotebookError("the notebook has no cells")
    return cells


def _cell_of(cell: Any, number: int) -> StudentCell:
    if not isinstance(cell, dict):
        raise UnreadableNotebookError(f"cell {number} is a JSON {type(cell).__name__}, not a cell")
    source = cell.get("source", cell.get("input", ""))
    if isinstance(source, list) and all(isinstance(line, str) for line in source):
        source = "".join(source)
    if not isinstance(source, str):
        raise UnreadableNotebookError(f"cell {number} has a source that is not text")
    if len(source) > MAX_SOURCE_CHARACTERS:
        raise UnreadableNotebookError(
            f"cell {number} has {len(source)} characters, the limit is {MAX_SOURCE_CHARACTERS}"
        )
    metadata = cell.get("metadata")
    nbgrader = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    grade_id = nbgrader.get("grade_id") if isinstance(nbgrader, dict) else None
    cell_id = cell.get("id")
    return StudentCell(
        kind="code" if cell.get("cell_type") == "code" else "markdown",
        source=_LONE_SURROGATE.sub("\ufffd", source).replace("\r\n", "\n"),
        grade_id=grade_id if isinstance(grade_id, str) else None,
        cell_id=cell_id if isinstance(cell_id, str) else None,
    )


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def recognise(
    cells: Sequence[StudentCell], lessons: Sequence[Lesson], file_name: str, folder_name: str | None = None
) -> Lesson:
    """Tell which lesson a notebook answers by the grade ids of its answer cells.

    The file's and the folder's names only decide between lessons that share ids equally.

    Raises:
        UnreadableNotebookError: if no answer cell of any lesson is in it.
    """
    present = {cell.grade_id for cell in cells if cell.grade_id is not None}

    def likeness(lesson: Lesson) -> tuple[int, bool, bool]:
        return len(present & lesson.answer_ids), lesson.name == file_name, lesson.assignment == folder_name

    best = max(lessons, key=likeness)
    if likeness(best)[0] == 0:
        known = ", ".join(str(lesson) for lesson in lessons)
        raise UnreadableNotebookError(
            f"no answer cell of any lesson of this course is in it (lessons: {known}); "
            "the answers must stand in the cells of the notebook that was released"
        )
    return best
