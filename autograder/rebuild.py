"""Rebuilding a submission from the instructor's notebook.

The instructor's notebook is the truth: every test, every point, every tag comes from it. From the student
come the contents of answer cells, found by grade id, with the pictures pasted into written ones, and extra code
cells, as code to run. So it does not matter whether a test cell was deleted, copied, retyped or tagged.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .attachments import Picture, as_metadata, joined
from .course_tree import Lesson, earns_points, grade_id, has_tag, is_answer, is_task, nbgrader_metadata
from .intake import StudentCell
from .notebook_files import metadata_node
from .source_notebooks import kernelspec_of

if TYPE_CHECKING:
    from nbformat import NotebookNode

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
    notebook.metadata = metadata_node({"kernelspec": kernelspec_of(notebook)})
    for cell in notebook.cells:
        _reset(cell, lesson)
    answers, extras = _sort_out(notebook, lesson, cells)
    rebuilt = [_extra_cell(extra, "") for extra in extras.get(-1, [])]
    for index, cell in enumerate(notebook.cells):
        key = grade_id(cell)
        following = extras.get(index, [])
        if key in answers:
            cell.source = answers[key].source
            _attach(cell, answers[key].pictures)
        if _is_code_for_a_person(cell) and following and cell.source.strip() in ("", _released(lesson, key)):
            # What nbgrader finds as it was released scores zero unseen; the work stands below it here.
            cell.source = (cell.source + "\n" + _ANSWERED_BELOW).lstrip("\n")
        rebuilt.append(cell)
        follows = key if key is not None and is_answer(cell) else ""
        rebuilt.extend(_extra_cell(extra, follows) for extra in following)
    for number, cell in enumerate(rebuilt):
        if EXTRA in cell.metadata:
            cell["id"] = f"extra-{number}"
    notebook.cells = rebuilt
    return notebook


_ANSWERED_BELOW = "# The answer stands in the cells below."


def _is_code_for_a_person(cell: NotebookNode) -> bool:
    return cell.cell_type == "code" and is_answer(cell) and earns_points(cell)


def _released(lesson: Lesson, key: str | None) -> str | None:
    return lesson.released_answers[key].source.strip() if key in lesson.released_answers else None


@dataclass(frozen=True)
class _Answer:
    """What a student wrote into one answer cell."""

    source: str
    pictures: tuple[Picture, ...]

    def joined_with(self, cell: StudentCell) -> _Answer:
        """Return this answer and a cell below that goes on with it."""
        return _Answer(*joined(self.source, self.pictures, cell.source, cell.pictures))


def _attach(cell: NotebookNode, pictures: tuple[Picture, ...]) -> None:
    """Add a student's pictures to those that were given."""
    if pictures and cell.cell_type == "markdown":
        cell.attachments = metadata_node({**cell.get("attachments", {}), **as_metadata(pictures)})


def _reset(cell: NotebookNode, lesson: Lesson) -> None:
    """Put a cell of the instructor's notebook into the state before anybody wrote in it."""
    if cell.cell_type == "code":
        cell.outputs = []
        cell.execution_count = None
    key = grade_id(cell)
    if is_answer(cell) and key is not None:
        # The released cell carries the checksum by which nbgrader knows an untouched answer.
        released = lesson.released_answers[key]
        if not is_task(cell):
            # A task keeps its marking scheme: the notebook is for the person who marks it.
            cell.source = released.source
            # Those of the source may show the solution.
            cell.pop("attachments", None)
            if "attachments" in released:
                cell.attachments = copy.deepcopy(released.attachments)
        cell.metadata = copy.deepcopy(released.metadata)
    if has_tag(cell, "demo") and not nbgrader_metadata(cell):
        cell.metadata.tags = [*cell.metadata.tags, "skip-execution"]


def _sort_out(
    notebook: NotebookNode, lesson: Lesson, cells: Sequence[StudentCell]
) -> tuple[dict[str, _Answer], dict[int, list[StudentCell]]]:
    """Split a student's cells into answers by grade id and extra ones by the index of the given cell before them."""
    by_grade_id = {key: index for index, cell in enumerate(notebook.cells) if (key := grade_id(cell)) is not None}
    # A released cell has the id and place of its source cell; a notebook that lost its ids is matched by text.
    by_cell_id = {cell["id"]: index for index, cell in enumerate(notebook.cells)}
    by_text = {cell.source.strip(): index for index, cell in enumerate(notebook.cells) if grade_id(cell) is None}
    answers: dict[str, _Answer] = {}
    extras: dict[int, list[StudentCell]] = {}
    anchor = -1
    last_written: str | None = None
    for cell in cells:
        by_name = by_grade_id.get(cell.grade_id or "", by_cell_id.get(cell.cell_id or ""))
        index = by_text.get(cell.source.strip()) if by_name is None else by_name
        if index is None:
            if last_written is not None and cell.kind != "code":
                answers[last_written] = answers[last_written].joined_with(cell)
            elif cell.kind == "code" or (anchor >= 0 and _keeps_text_below(notebook.cells[anchor])):
                extras.setdefault(anchor, []).append(cell)
            continue
        anchor, last_written = index, None
        given = notebook.cells[index]
        key = grade_id(given)
        if key is not None and is_task(given):
            # The task stays as it was set; what was written into its cell is kept below it.
            if cell.source.strip() not in (given.source.strip(), _released(lesson, key)):
                extras.setdefault(anchor, []).append(cell)
        elif key is not None and is_answer(given):
            last_written = key if given.cell_type == "markdown" else None
            if key not in answers:
                answers[key] = _Answer(cell.source, cell.pictures)
            elif last_written is not None:
                answers[key] = answers[key].joined_with(cell)
            else:
                # Splitting a cell in Jupyter copies its metadata: the second half runs where it stands.
                extras.setdefault(anchor, []).append(cell)
        elif _edited_by_hand(given, cell):
            extras.setdefault(anchor, []).append(cell)
    return answers, extras


def _keeps_text_below(given: NotebookNode) -> bool:
    return is_task(given) or _is_code_for_a_person(given)


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


def _extra_cell(cell: StudentCell, follows: str) -> NotebookNode:
    code: dict[str, Any] = {"outputs": [], "execution_count": None} if cell.kind == "code" else {}
    made = metadata_node(
        {"cell_type": cell.kind, "id": "", "metadata": {EXTRA: follows}, "source": cell.source, **code}
    )
    _attach(made, cell.pictures)
    return made
