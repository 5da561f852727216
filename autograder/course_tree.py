"""Reading an nbgrader course directory: its lessons and, in each, the exercises that earn points.

The instructor's notebooks under ``source/`` (and ``release/``, if there is one) are the only place where points,
grade ids, titles and tests come from; nothing a student hands in is asked for them.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from .course_config import CourseConfig, CourseError
from .source_notebooks import derive_release, read_authored, read_source

if TYPE_CHECKING:
    from nbformat import NotebookNode

__all__ = [
    "CourseConfig",
    "CourseError",
    "CourseTree",
    "Exercise",
    "Kind",
    "Lesson",
    "Refusal",
    "earns_points",
    "find_exercises",
    "grade_id",
    "has_tag",
    "hidden_lines",
    "is_answer",
    "is_task",
    "nbgrader_metadata",
    "without_hidden_tests",
]

Kind = Literal["tested", "written"]

_EXERCISE_HEADING = re.compile(r"^#{1,6}\s*(Exercise\b.*?)\s*#*$", re.IGNORECASE | re.MULTILINE)
_EXERCISE_NUMBER = re.compile(r"Exercise\s+(\d+(?:\.\d+)*)", re.IGNORECASE)
_HIDDEN_DELIMITERS: Final = ("BEGIN HIDDEN TESTS", "END HIDDEN TESTS")


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


def is_task(cell: NotebookNode) -> bool:
    """Say whether this cell sets a task: it is marked by hand, and what a student makes of it stands below it."""
    return bool(nbgrader_metadata(cell).get("task"))


def earns_points(cell: NotebookNode) -> bool:
    """Say whether this cell carries points: a test, a written answer or a task."""
    return bool(nbgrader_metadata(cell).get("grade") or nbgrader_metadata(cell).get("task"))


def has_tag(cell: NotebookNode, tag: str) -> bool:
    """Say whether a cell carries a tag."""
    return tag in cell.metadata.get("tags", [])


def without_hidden_tests(source: str) -> str:
    """Return a test cell's source as students see it."""
    hidden = hidden_lines(source)
    if not hidden:
        return source
    shown = (line for number, line in enumerate(source.split("\n"), start=1) if number not in hidden)
    return "\n".join(shown).rstrip("\n")


def hidden_lines(source: str) -> frozenset[int]:
    """Return the numbers, from 1, of the lines that students must not see.

    As in nbgrader, any line that holds a delimiter is one; a part that is never ended is hidden to the last line.
    """
    begin, end = _HIDDEN_DELIMITERS
    numbers: set[int] = set()
    hidden = False
    for number, line in enumerate(source.split("\n"), start=1):
        begins, ends = begin in line, end in line
        if hidden or begins or ends:
            numbers.add(number)
        hidden = begins or (hidden and not ends)
    return frozenset(numbers)


def _usual_delimiters(source: str, delimiters: tuple[str, str]) -> str:
    """Return a test with the course's own delimiters of its hidden part replaced by nbgrader's, line by line."""
    for own, usual in zip(delimiters, _HIDDEN_DELIMITERS, strict=True):
        source = source.replace(own, usual)
    return source


@dataclass(frozen=True)
class Exercise:
    """One cell that earns points, with what a report needs to know about it.

    ``answer_id`` is the grade id of the cell the student writes in; ``stub`` its released text, empty for a task.
    ``test_source`` is empty for an answer that is marked by hand, which may be code (``is_code``) as well as text;
    ``model_answer`` (with the rubric) is empty for a tested one.
    """

    grade_id: str
    title: str
    max_points: float
    kind: Kind
    answer_id: str | None
    stub: str
    test_source: str = ""
    model_answer: str = ""
    is_code: bool = False

    @property
    def label(self) -> str:
        """A short name for the head of a column: ``1.2`` of ``Exercise 1.2 — title``, or else the grade id."""
        number = _EXERCISE_NUMBER.match(self.title)
        return number[1] if number else self.grade_id

    @property
    def visible_test(self) -> str:
        """The test as released."""
        return without_hidden_tests(self.test_source)


def lesson_name(assignment: str, notebook: str) -> str:
    """Name a lesson as a person would."""
    return notebook if notebook == assignment else f"{assignment}/{notebook}"


@dataclass(frozen=True)
class Lesson:
    """One notebook of one assignment, as the instructor wrote it and as students got it.

    ``release_path`` is where nbgrader keeps the released notebook; where it has been removed, or never made, it is
    derived from the source.
    """

    assignment: str
    name: str
    source_path: Path
    release_path: Path
    config: CourseConfig = field(compare=False, repr=False)

    def __str__(self) -> str:
        """Name the lesson as a person would."""
        return lesson_name(self.assignment, self.name)

    @cached_property
    def source(self) -> NotebookNode:
        """The instructor's notebook, with solutions and hidden tests."""
        return read_source(self.source_path, self.config, self.assignment)

    @cached_property
    def release(self) -> NotebookNode:
        """The notebook that students were given."""
        return read_authored(self.release_path) if self.release_path.is_file() else self._derived

    @cached_property
    def _derived(self) -> NotebookNode:
        return derive_release(self.source, self.config, f"{self.assignment}/{self.source_path.name}")

    @property
    def title(self) -> str:
        """The lesson's title, or its name where it has none."""
        return str(self.source.metadata.get("title", "")) or str(self)

    @cached_property
    def released_answers(self) -> dict[str, NotebookNode]:
        """The released (empty) answer cells by grade id; every answer cell of the source has one."""
        wanted = {key for cell in self.source.cells if is_answer(cell) and (key := grade_id(cell)) is not None}
        found = _answers_of(self.release)
        if missing := wanted - found.keys():
            found |= {key: cell for key, cell in _answers_of(self._derived).items() if key in missing}
        return {key: cell for key, cell in found.items() if key in wanted}

    @cached_property
    def answer_ids(self) -> frozenset[str]:
        """Grade ids of every cell a student writes in: how a notebook is recognised, whatever its file is called."""
        return frozenset(self.released_answers)

    @cached_property
    def exercises(self) -> tuple[Exercise, ...]:
        """Everything that earns points, in order."""
        return tuple(find_exercises(self.source, self.released_answers, self.config.hidden_test_delimiters))

    @cached_property
    def fingerprint(self) -> str:
        """Changes when anything of the lesson does: either notebook, the header, the files beside it."""
        digest = hashlib.sha256()
        digest.update(repr([sorted(self.released_answers), self.config.hidden_test_delimiters]).encode())
        notebooks = [json.dumps(one.cells, sort_keys=True).encode() for one in (self.source, self.release)]
        files = [(str(name).encode(), path.read_bytes()) for path, name in self.config.data_files(self.assignment)]
        for content in (*notebooks, *(part for file in files for part in file)):
            digest.update(len(content).to_bytes(8, "big") + content)
        return digest.hexdigest()

    def copy_data_files(self, folder: Path) -> None:
        """Copy what the instructor laid beside the notebook into the folder it runs in.

        The student's own files stay out: one of them could shadow a module that the tests use.
        """
        for path, name in self.config.data_files(self.assignment):
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)


def _answers_of(notebook: NotebookNode) -> dict[str, NotebookNode]:
    return {key: cell for cell in notebook.cells if is_answer(cell) and (key := grade_id(cell)) is not None}


def _answers_told(path: Path) -> frozenset[str]:
    """Return the grade ids of a refused notebook's answers, as far as it can be read."""
    try:
        return frozenset(_answers_of(read_authored(path)))
    except CourseError:
        return frozenset()


def find_exercises(
    notebook: NotebookNode,
    released_answers: Mapping[str, NotebookNode],
    hidden_test_delimiters: tuple[str, str] = _HIDDEN_DELIMITERS,
) -> Iterator[Exercise]:
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
        # nbgrader marks by hand what is not code, even where a student cannot write in it.
        written = is_answer(cell) or cell.cell_type != "code"
        named = key.removeprefix("test_")
        answer_id = key if written else named if named != key and named in released_answers else last_answer
        released = None if is_task(cell) else released_answers.get(answer_id or "")
        yield Exercise(
            grade_id=key,
            title=title or key,
            max_points=float(str(nbgrader_metadata(cell).get("points", 0))),
            kind="written" if written else "tested",
            answer_id=answer_id,
            stub="" if released is None else released.source,
            test_source="" if written else _usual_delimiters(cell.source, hidden_test_delimiters),
            model_answer=cell.source if written else "",
            is_code=cell.cell_type == "code",
        )


@dataclass(frozen=True)
class Refusal:
    """A notebook of the course that cannot be graded, and why; the others can.

    ``answer_ids`` are what can be told of its answers, by which a submission of it is recognised.
    """

    assignment: str
    name: str
    reason: str
    answer_ids: frozenset[str] = frozenset()

    def __str__(self) -> str:
        """Name the notebook as a lesson is named."""
        return lesson_name(self.assignment, self.name)


@dataclass(frozen=True)
class CourseTree:
    """An nbgrader course directory: ours under ``build/course`` or anybody's."""

    root: Path
    config: CourseConfig = field(compare=False, repr=False)

    @classmethod
    def open(cls, root: Path, settings: Any = None) -> CourseTree:
        """Open a course directory.

        Args:
            root: the directory in which nbgrader would be run.
            settings: nbgrader's configuration where it has been loaded already, instead of the course's own file.
        Returns:
            The course, its configuration read.
        Raises:
            CourseError: if it is no course directory or its configuration cannot be used; the message says why.
        """
        root = root.resolve()
        config = CourseConfig.read(root) if settings is None else CourseConfig(root, settings)
        if not any(True for _ in config.assignments()):
            raise CourseError(
                f"{root} is not an nbgrader course with an assignment: there is no "
                f"{config.folder('source', '.', '<assignment>')}. "
                "Run `python -m autograder build` first, or name another course with --course DIR."
            )
        return cls(root, config)

    @property
    def submitted(self) -> Path:
        """What students handed in; see ``submitted_folder`` for where in it one assignment lies."""
        return self.root / self.config.step("submitted")

    @property
    def autograded(self) -> Path:
        """The rebuilt and executed notebooks that formgrader shows."""
        return self.root / self.config.step("autograded")

    def submitted_folder(self, student: str, assignment: str) -> Path:
        """Where nbgrader keeps what a student handed in for an assignment."""
        return self.config.folder("submitted", student, assignment)

    def autograded_folder(self, student: str, assignment: str) -> Path:
        """Where nbgrader keeps the executed notebooks of a student's assignment."""
        return self.config.folder("autograded", student, assignment)

    def submissions(self) -> Iterator[tuple[str, str, Path]]:
        """Yield student, assignment and folder of everything handed in, however the course lays its folders out."""
        return self.config.submissions()

    @property
    def verdicts(self) -> Path:
        """Why each exercise got its points, one signed file a submission."""
        return self.root / "verdicts"

    @property
    def default_database(self) -> str:
        """The gradebook that nbgrader itself uses in this course."""
        return self.config.database

    @property
    def lessons(self) -> tuple[Lesson, ...]:
        """Every notebook with something to answer or to mark, in order.

        Raises:
            CourseError: if there is none; the message names what was found instead.
        """
        found, refusals = self._read
        if not found:
            reasons = "".join(f"\n  {one.reason}" for one in refusals)
            raise CourseError(f"{self.root} holds no notebook that can be graded.{reasons}")
        return found

    @property
    def refusals(self) -> tuple[Refusal, ...]:
        """The notebooks that cannot be graded: each is a matter of its own, the rest of the course goes on."""
        return self._read[1]

    def lesson(self, assignment: str, notebook: str) -> Lesson:
        """Return one notebook of the course by its names.

        Raises:
            CourseError: if there is none of that name, or it cannot be graded; the message says why.
        """
        found, refusals = self._read
        for one in refusals:
            if (one.assignment, one.name) == (assignment, notebook):
                raise CourseError(one.reason)
        for lesson in found:
            if (lesson.assignment, lesson.name) == (assignment, notebook):
                return lesson
        folder = self.config.folder("source", ".", assignment)
        raise CourseError(f"There is no notebook {notebook}.ipynb with anything to answer in {folder}.")

    @cached_property
    def _read(self) -> tuple[tuple[Lesson, ...], tuple[Refusal, ...]]:
        lessons: list[Lesson] = []
        refusals: list[Refusal] = []
        for assignment, folder in self.config.assignments():
            released = self.config.folder("release", ".", assignment)
            for path in sorted(folder.glob("*.ipynb")):
                lesson = Lesson(assignment, path.stem, path, released / path.name, self.config)
                try:
                    if lesson.exercises or lesson.answer_ids:
                        lessons.append(lesson)
                except CourseError as error:
                    refusals.append(Refusal(assignment, path.stem, str(error), _answers_told(path)))
        return tuple(lessons), tuple(refusals)
