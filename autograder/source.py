"""A lesson as its source describes it, and the nbgrader source notebook made from it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from autograder.cells import (
    HIDDEN_TESTS,
    SOLUTION,
    TEXT_STUB,
    Cell,
    Problem,
    SourceError,
    defined_callables,
    inside_regions,
    parse_hints,
    parse_model_answer,
    read_cells,
    replace_regions,
    statement_headings,
    statement_title,
    stub_line,
    without_markers,
)
from autograder.lesson_checks import find_problems

if TYPE_CHECKING:
    from nbformat import NotebookNode

KERNELSPEC: Final = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
_HINT_SUMMARIES: Final = ("Hint 1: the concept", "Hint 2: the structure", "Hint 3: the line")


@dataclass(frozen=True)
class Exercise:
    """One programming exercise: what is asked, the answer, and the tests of it."""

    key: str
    number: str
    title: str
    points: float
    statement: str
    answer: str
    """The answer cell with its solution; the marker lines are dropped."""
    stub: str
    """The answer cell as released."""
    visible_test: str
    hidden_test: str
    test: str
    """The whole test cell: the refusal of forbidden calls, the visible tests, the hidden ones."""
    hints: tuple[str, ...]
    forbid: tuple[str, ...]
    answer_index: int
    test_index: int
    line: int

    @property
    def test_id(self) -> str:
        """The nbgrader grade id of the test cell."""
        return f"test_{self.key}"


@dataclass(frozen=True)
class Written:
    """One written question, marked by hand."""

    key: str
    number: str
    title: str
    points: float
    statement: str
    model_answer: str
    rubric: tuple[tuple[float, str], ...]
    stub: str
    """The cell as released."""
    index: int
    line: int


@dataclass(frozen=True)
class Lesson:
    """One lesson, checked: everything that is derived from it starts here."""

    path: Path
    name: str
    number: int
    title: str
    cells: tuple[Cell, ...]
    exercises: tuple[Exercise, ...]
    written: tuple[Written, ...]

    @property
    def points(self) -> float:
        """The points of all exercises and written questions."""
        return sum(e.points for e in self.exercises) + sum(w.points for w in self.written)

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of all exercises and written questions, in the lesson's order."""
        return tuple(str(cell.key) for cell in self.cells if {"exercise", "written"} & cell.keys.keys())

    def exercise(self, key: str) -> Exercise:
        """Return the exercise with this key, or raise ``KeyError`` that lists the keys."""
        for exercise in self.exercises:
            if exercise.key == key:
                return exercise
        raise KeyError(f"{self.name} has no exercise {key!r}; it has {', '.join(e.key for e in self.exercises)}")


def read_lesson(path: Path) -> Lesson:
    """Read and check a lesson source.

    Args:
        path: a py:percent file such as ``solutions/01_convolution_stft.py``.
    Returns:
        The lesson.
    Raises:
        SourceError: if anything keeps it from being released; it holds all problems.
    """
    if not path.is_file():
        raise SourceError([Problem(path, 1, "", "there is no such file")])
    metadata, cells = read_cells(path)
    problems = find_problems(path, metadata, cells)
    if problems:
        raise SourceError(problems)
    return _assemble(path, metadata, cells)


def _assemble(path: Path, metadata: dict[str, Any], cells: Sequence[Cell]) -> Lesson:
    """Group checked cells into exercises and written questions."""
    tests = {cell.key: cell for cell in cells if "test" in cell.keys}
    hints = {cell.key: parse_hints(cell.source) for cell in cells if "hints" in cell.keys}
    exercises, written = [], []
    statement, number, title = "", "", ""
    for cell in cells:
        headings = statement_headings(cell) if not cell.key else []
        if headings:
            statement = cell.source
            number, title = f"{headings[0][1]}.{headings[0][2]}", statement_title(headings[0])
        elif "exercise" in cell.keys:
            exercises.append(_exercise(cell, tests[cell.key], hints[cell.key], number, title, statement))
        elif "written" in cell.keys:
            model_answer, rubric = parse_model_answer(inside_regions(cell.source, SOLUTION))
            written.append(
                Written(
                    key=cell.key,
                    number=number,
                    title=title,
                    points=cell.keys["points"],
                    statement=statement,
                    model_answer=model_answer,
                    rubric=rubric,
                    stub=replace_regions(cell.source, SOLUTION, TEXT_STUB),
                    index=cell.index,
                    line=cell.line,
                )
            )
    return Lesson(
        path=path,
        name=path.stem,
        number=int(path.stem[:2]),
        title=str(metadata.get("title") or _first_heading(cells)),
        cells=tuple(cells),
        exercises=tuple(exercises),
        written=tuple(written),
    )


def _exercise(answer: Cell, test: Cell, hints: tuple[str, ...], number: str, title: str, statement: str) -> Exercise:
    forbid = tuple(str(answer.keys.get("forbid", "")).split())
    full_test = _with_refusals(test.source, answer.source, forbid)
    return Exercise(
        key=answer.key,
        number=number,
        title=title,
        points=test.keys["points"],
        statement=statement,
        answer=without_markers(answer.source),
        stub=replace_regions(answer.source, SOLUTION, stub_line(number, title)),
        visible_test=replace_regions(full_test, HIDDEN_TESTS),
        hidden_test=inside_regions(full_test, HIDDEN_TESTS),
        test=full_test,
        hints=hints,
        forbid=forbid,
        answer_index=answer.index,
        test_index=test.index,
        line=answer.line,
    )


def _with_refusals(test: str, answer: str, forbid: Sequence[str]) -> str:
    """Put the refusal of forbidden calls before the first visible test."""
    if not forbid:
        return test
    names = json.dumps(" ".join(forbid))
    return "\n".join([*(f"check.forbids({name}, {names})" for name in defined_callables(answer)), test])


def _first_heading(cells: Sequence[Cell]) -> str:
    heading = next(cell.source for cell in cells if not cell.is_code and cell.source.startswith("# "))
    return heading.split("\n")[0].removeprefix("# ").strip()


def expand_hints(stages: Sequence[str]) -> str:
    """Return Markdown that shows the staged hints folded away, one fold a stage.

    The blank lines matter: they end the HTML block, so that JupyterLab renders what a fold holds as Markdown.
    """
    folds = [
        f"<details>\n<summary>{summary}</summary>\n\n{stage}\n\n</details>"
        for summary, stage in zip(_HINT_SUMMARIES, stages, strict=True)
    ]
    return "\n\n".join(folds)


def source_notebook(lesson: Lesson) -> NotebookNode:
    """Make the nbgrader source notebook of a lesson: solutions, hidden tests, and nbgrader's metadata.

    Args:
        lesson: the lesson.
    Returns:
        A version 4.5 notebook. Graded cells have their key as id, other cells a hash of what they hold, so that an
        edit changes the edited cells and no others.
    """
    import nbformat

    exercises = {exercise.key: exercise for exercise in lesson.exercises}
    written = {item.key: item for item in lesson.written}
    cells: list[dict[str, Any]] = []
    used: set[str] = set()
    for cell in lesson.cells:
        metadata: dict[str, Any] = {}
        source, cell_id = cell.source, ""
        if "exercise" in cell.keys:
            exercise = exercises[cell.key]
            cell_id = cell.key
            metadata["nbgrader"] = _nbgrader(cell.key, solution=True)
            metadata["course"] = {"number": exercise.number, "title": exercise.title}
            if exercise.forbid:
                metadata["course"]["forbid"] = list(exercise.forbid)
        elif "test" in cell.keys:
            exercise = exercises[cell.key]
            source, cell_id = exercise.test, exercise.test_id
            metadata["nbgrader"] = _nbgrader(cell_id, grade=True, locked=True, points=exercise.points)
        elif "written" in cell.keys:
            item = written[cell.key]
            cell_id = cell.key
            metadata["nbgrader"] = _nbgrader(cell.key, grade=True, solution=True, points=item.points)
            metadata["course"] = {"number": item.number, "title": item.title}
        elif "hints" in cell.keys:
            source, cell_id = expand_hints(parse_hints(cell.source)), f"hints_{cell.key}"
        if cell.tags:
            metadata["tags"] = list(cell.tags)
        cell_id = _unique_id(cell_id or _content_id(cell.cell_type, source), used)
        made: dict[str, Any] = {"cell_type": cell.cell_type, "id": cell_id, "metadata": metadata, "source": source}
        if cell.is_code:
            made |= {"execution_count": None, "outputs": []}
        cells.append(made)
    notebook = {
        "cells": cells,
        "metadata": {"kernelspec": KERNELSPEC, "language_info": {"name": "python"}, "title": lesson.title},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return nbformat.from_dict(notebook)  # type: ignore[no-untyped-call, no-any-return]


def _nbgrader(
    grade_id: str, *, grade: bool = False, solution: bool = False, locked: bool = False, points: float | None = None
) -> dict[str, Any]:
    """Return nbgrader's cell metadata, schema 3."""
    metadata: dict[str, Any] = {
        "grade": grade,
        "grade_id": grade_id,
        "locked": locked,
        "schema_version": 3,
        "solution": solution,
        "task": False,
    }
    if points is not None:
        metadata["points"] = points
    return metadata


def _content_id(cell_type: str, source: str) -> str:
    return "c" + hashlib.sha256(f"{cell_type}\n{source}".encode()).hexdigest()[:12]


def _unique_id(cell_id: str, used: set[str]) -> str:
    unique, copies = cell_id, 1
    while unique in used:
        copies += 1
        unique = f"{cell_id}-{copies}"
    used.add(unique)
    return unique


def notebook_bytes(notebook: Any) -> bytes:
    """Write a notebook the one way that the course writes notebooks: sorted keys, one space, a newline at the end.

    Args:
        notebook: mapping in nbformat 4 (sources as strings).
    Returns:
        UTF-8 JSON in which every cell's source is a list of lines, as Jupyter itself saves it.
    """
    on_disk = json.loads(json.dumps(notebook))
    for cell in on_disk["cells"]:
        if isinstance(cell["source"], str):
            cell["source"] = cell["source"].splitlines(keepends=True)
    return (json.dumps(on_disk, ensure_ascii=False, indent=1, sort_keys=True) + "\n").encode()
