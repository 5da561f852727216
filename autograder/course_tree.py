"""Reading an nbgrader course directory: its lessons and, in each, the exercises that earn points.

The instructor's notebooks under ``source/`` and ``release/`` are the only place where points, grade ids,
titles and tests come from; nothing a student hands in is asked for them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from nbformat import NotebookNode

from .notebook_files import read_notebook

Kind = Literal["tested", "written"]

_EXERCISE_HEADING = re.compile(r"^#{1,6}\s*(Exercise\b.*?)\s*#*$", re.IGNORECASE | re.MULTILINE)
_EXERCISE_NUMBER = re.compile(r"Exercise\s+(\d+(?:\.\d+)*)", re.IGNORECASE)
_HIDDEN_BLOCK = re.compile(
    r"^[ \t]*### BEGIN HIDDEN TESTS.*?(?:^[ \t]*### END HIDDEN TESTS[^\n]*\n?|\Z)", re.DOTALL | re.MULTILINE
)


class CourseError(ValueError):
    """The course directory cannot be graded against; the message says what is missing and how to get it."""


def nbgrader_metadata(cell: NotebookNode) -> dict[str, object]:
    """Return a cell's nbgrader metadata, empty where it has none."""
    found = cell.metadata.get("nbgrader", {})
    return found if isinstance(found, dict) else {}


def grade_id(cell: NotebookNode) -> str | None:
    """Return a cell's grade id, or ``None`` for an ordinary cell."""
    found = nbgrader_metadata(cell).get("grade_id")
    return found if isinstance(found, str) else None


def is_answer(cell: NotebookNode) -> bool:
    """Say whether a student writes in this cell."""
    return bool(nbgrader_metadata(cell).get("solution") or nbgrader_metadata(cell).get("task"))


def earns_points(cell: NotebookNode) -> bool:
    """Say whether this cell carries points: a test, a written answer or a task."""
    return bool(nbgrader_metadata(cell).get("grade") or nbgrader_metadata(cell).get("task"))


def has_tag(cell: NotebookNode, tag: str) -> bool:
    """Say whether a cell carries a tag."""
    return tag in cell.metadata.get("tags", [])


def without_hidden_tests(source: str) -> str:
    """Return a test cell's source as students see it."""
    return _HIDDEN_BLOCK.sub("", source).rstrip("\n")


def hidden_lines(source: str) -> frozenset[int]:
    """Return the numbers, from 1, of the lines that students must not see."""
    numbers: set[int] = set()
    for block in _HIDDEN_BLOCK.finditer(source):
        first = source.count("\n", 0, block.start()) + 1
        numbers.update(range(first, first + block.group().rstrip("\n").count("\n") + 1))
    return frozenset(numbers)


@dataclass(frozen=True)
class Exercise:
    """One cell that earns points, with what a report needs to know about it.

    ``answer_id`` is the grade id of the cell the student writes in; ``stub`` its released text.
    ``test_source`` is empty for a written answer; ``model_answer`` (with the rubric) empty for a tested one.
    """

    grade_id: str
    title: str
    max_points: float
    kind: Kind
    answer_id: str | None
    stub: str
    test_source: str = ""
    model_answer: str = ""

    @property
    def label(self) -> str:
        """A short name for the head of a column: ``1.2`` of ``Exercise 1.2 — title``, or else the grade id."""
        number = _EXERCISE_NUMBER.match(self.title)
        return number[1] if number else self.grade_id

    @property
    def visible_test(self) -> str:
        """The test as released."""
        return without_hidden_tests(self.test_source)


@dataclass(frozen=True)
class Lesson:
    """One notebook of one assignment, as the instructor wrote it and as it was released."""

    assignment: str
    name: str
    source_path: Path
    release_path: Path

    def __str__(self) -> str:
        """Name the lesson as a person would."""
        return self.name if self.name == self.assignment else f"{self.assignment}/{self.name}"

    @cached_property
    def source(self) -> NotebookNode:
        """The instructor's notebook, with solutions and hidden tests."""
        return _read(self.source_path)

    @cached_property
    def release(self) -> NotebookNode:
        """The notebook that students were given."""
        return _read(self.release_path)

    @property
    def title(self) -> str:
        """The lesson's title, or its name where it has none."""
        return str(self.source.metadata.get("title", "")) or str(self)

    @cached_property
    def released_answers(self) -> dict[str, NotebookNode]:
        """The released (empty) answer cells by grade id."""
        return {key: cell for cell in self.release.cells if is_answer(cell) and (key := grade_id(cell)) is not None}

    @cached_property
    def answer_ids(self) -> frozenset[str]:
        """Grade ids of every cell a student writes in: how a notebook is recognised, whatever its file is called."""
        return frozenset(self.released_answers)

    @cached_property
    def exercises(self) -> tuple[Exercise, ...]:
        """Everything that earns points, in order."""
        return tuple(find_exercises(self.source, self.released_answers))

    @cached_property
    def fingerprint(self) -> str:
        """Changes when the instructor's or the released notebook changes."""
        digest = hashlib.sha256()
        for path in (self.source_path, self.release_path):
            content = path.read_bytes()
            digest.update(len(content).to_bytes(8, "big") + content)
        return digest.hexdigest()


def find_exercises(notebook: NotebookNode, released_answers: dict[str, NotebookNode]) -> Iterator[Exercise]:
    """Yield what earns points in a notebook, with its title from the ``Exercise`` heading above it."""
    title = ""
    last_answer: str | None = None
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and (headings := _EXERCISE_HEADING.findall(cell.source)):
            title = headings[-1]
        key = grade_id(cell)
        if key is None:
            continue
        if is_answer(cell) and not earns_points(cell):
            last_answer = key
        if not earns_points(cell):
            continue
        written = is_answer(cell)
        named = key.removeprefix("test_")
        answer_id = key if written else named if named != key and named in released_answers else last_answer
        stub = released_answers[answer_id].source if answer_id in released_answers else ""
        yield Exercise(
            grade_id=key,
            title=title or key,
            max_points=float(str(nbgrader_metadata(cell).get("points", 0))),
            kind="written" if written or cell.cell_type != "code" else "tested",
            answer_id=answer_id,
            stub=stub,
            test_source="" if written else cell.source,
            model_answer=cell.source if written else "",
        )


@dataclass(frozen=True)
class CourseTree:
    """An nbgrader course directory: ours under ``build/course`` or anybody's."""

    root: Path

    @classmethod
    def open(cls, root: Path) -> CourseTree:
        """Open a course directory, or raise ``CourseError`` that names what is missing."""
        if not (root / "source").is_dir():
            raise CourseError(
                f"{root} is not an nbgrader course: it has no source/ folder. "
                "Run `python -m autograder build` first, or name another course with --course DIR."
            )
        return cls(root.resolve())

    @property
    def submitted(self) -> Path:
        """What students handed in: ``submitted/<student>/<assignment>/<notebook>.ipynb``."""
        return self.root / "submitted"

    @property
    def autograded(self) -> Path:
        """The rebuilt and executed notebooks that formgrader shows."""
        return self.root / "autograded"

    @property
    def outcomes(self) -> Path:
        """Why each exercise got its points, one file a submission."""
        return self.root / "outcomes"

    @property
    def default_database(self) -> str:
        """The gradebook that nbgrader itself uses in this course."""
        return f"sqlite:///{self.root / 'gradebook.db'}"

    @cached_property
    def lessons(self) -> tuple[Lesson, ...]:
        """Every lesson that has been released, in order."""
        found = []
        for path in sorted((self.root / "source").glob("*/*.ipynb")):
            release = self.root / "release" / path.parent.name / path.name
            if not release.is_file():
                raise CourseError(
                    f"{path} has no released notebook {release}. Run `python -m autograder build`"
                    " (or `nbgrader generate_assignment` in a course of your own) first."
                )
            found.append(Lesson(path.parent.name, path.stem, path, release))
        if not found:
            raise CourseError(f"{self.root / 'source'} holds no lesson: expected source/<assignment>/<notebook>.ipynb.")
        return tuple(found)


def _read(path: Path) -> NotebookNode:
    try:
        return read_notebook(path)
    except (OSError, ValueError, KeyError) as error:
        raise CourseError(f"{path} is not a readable notebook: {error}. Build the course again.") from error
