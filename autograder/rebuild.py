"""Rebuilding a submission from the instructor's notebook.

The instructor's notebook is the truth: every test, every point, every tag comes from it. From the student
come the contents of answer cells, found by grade id, and extra code cells, as code to run. So it does not
matter whether a test cell was deleted, copied, retyped or tagged.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

from nbformat import NotebookNode

from .course_tree import Lesson, grade_id, has_tag, is_answer, nbgrader_metadata
from .intake import StudentCell
from .notebook_files import metadata_node, new_code_cell

EXTRA = "autograder_extra"
"""Metadata key of a cell that the student added; its value is the grade id of the answer it follows, or ``""``."""


def rebuild(lesson: Lesson, cells: Sequence[StudentCell]) -> NotebookNode:
    """Return the notebook to execute for one submission, without outputs.

    Args:
        lesson: the instructor's and the released notebook.
        cells: the student's cells.
    Returns:
        The instructor's notebook with tests whole, the student's answers (a missing one is the released stub),
        and the student's extra code cells where the student put them. Demo cells are marked to be skipped.
    """
    notebook = copy.deepcopy(lesson.source)
    notebook.metadata = metadata_node({"kernelspec": notebook.metadata.get("kernelspec", _PYTHON_KERNEL)})
    for cell in notebook.cells:
        _reset(cell, lesson)
    answers, extras = _sort_out(notebook, lesson, cells)
    rebuilt: list[NotebookNode] = [_extra_cell(text, "") for text in extras.get(-1, [])]
    for index, cell in enumerate(notebook.cells):
        key = grade_id(cell)
        if key in answers:
            cell.source = answers[key]
        rebuilt.append(cell)
        follows = key if key is not None and is_answer(cell) else ""
        rebuilt.extend(_extra_cell(text, follows) for text in extras.get(index, []))
    notebook.cells = rebuilt
    return notebook


_PYTHON_KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}


def _reset(cell: NotebookNode, lesson: Lesson) -> None:
    """Put a cell of the instructor's notebook into the state before anybody wrote in it."""
    if cell.cell_type == "code":
        cell.outputs = []
        cell.execution_count = None
    key = grade_id(cell)
    if is_answer(cell) and key is not None:
        # The released cell carries the checksum by which nbgrader knows an untouched answer.
        released = lesson.released_answers[key]
        cell.source = released.source
        cell.metadata = copy.deepcopy(released.metadata)
    if has_tag(cell, "demo") and not nbgrader_metadata(cell):
        cell.metadata.tags = [*cell.metadata.tags, "skip-execution"]


def _sort_out(
    notebook: NotebookNode, lesson: Lesson, cells: Sequence[StudentCell]
) -> tuple[dict[str, str], dict[int, list[str]]]:
    """Split a student's cells into answers by grade id and extra code by the index of the given cell before it."""
    by_grade_id = {key: index for index, cell in enumerate(notebook.cells) if (key := grade_id(cell)) is not None}
    # A released cell has the id and place of its source cell; a notebook that lost its ids is matched by text.
    by_cell_id = {cell["id"]: index for index, cell in enumerate(notebook.cells) if "id" in cell}
    by_text = {cell.source.strip(): index for index, cell in enumerate(notebook.cells) if grade_id(cell) is None}
    answers: dict[str, str] = {}
    extras: dict[int, list[str]] = {}
    anchor = -1
    last_written: str | None = None
    for cell in cells:
        by_name = by_grade_id.get(cell.grade_id or "", by_cell_id.get(cell.cell_id or ""))
        index = by_text.get(cell.source.strip()) if by_name is None else by_name
        if index is None:
            if cell.kind == "code":
                extras.setdefault(anchor, []).append(cell.source)
            elif last_written is not None:
                answers[last_written] += "\n\n" + cell.source
            continue
        anchor, last_written = index, None
        given = notebook.cells[index]
        key = grade_id(given)
        if key is not None and is_answer(given):
            last_written = key if given.cell_type == "markdown" else None
            if key not in answers:
                answers[key] = cell.source
            elif last_written is not None:
                answers[key] += "\n\n" + cell.source
            else:
                # Splitting a cell in Jupyter copies its metadata: the second half runs where it stands.
                extras.setdefault(anchor, []).append(cell.source)
        elif _edited_by_hand(given, cell):
            extras.setdefault(anchor, []).append(cell.source)
    return answers, extras


def _edited_by_hand(given: NotebookNode, cell: StudentCell) -> bool:
    """Say whether a student added something, such as an import, to a given code cell that is run.

    The given cell is run as it was given and the edited one after it, so that honest work keeps its import.
    """
    return (
        cell.kind == given.cell_type == "code"
        and grade_id(given) is None
        and not has_tag(given, "skip-execution")
        and cell.source.strip() != given.source.strip()
    )


def _extra_cell(source: str, follows: str) -> NotebookNode:
    return new_code_cell(source, {EXTRA: follows})
