"""The executed notebook as it is kept for markers, such that nbgrader's reading of it is ours."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Mapping, Sequence
from typing import Any

from nbformat import NotebookNode

from .attachments import NoPictureError, read_picture
from .course_tree import Exercise, Lesson, grade_id, is_answer, is_task
from .engine import CellRun
from .harmless import harmless_markdown
from .notebook_files import metadata_node
from .outcomes import Outcome, is_blank, repeatable
from .rebuild import EXTRA

_PICTURES = ("image/png", "image/jpeg")


def executed_notebook(
    lesson: Lesson, notebook: NotebookNode, runs: Sequence[CellRun], outcomes: Sequence[Outcome]
) -> NotebookNode:
    """Return the executed notebook as it is kept for markers and read by nbgrader.

    nbgrader gives full marks to a test cell without output, and to a value it cannot read as a number; here a
    test cell that did not earn its points always holds an error, and a partial score is written as a number.
    """
    executed = copy.deepcopy(notebook)
    by_id = {outcome.exercise: outcome for outcome in outcomes}
    exercises = {exercise.grade_id: exercise for exercise in lesson.exercises}
    for cell, run in zip(executed.cells, runs, strict=True):
        key = grade_id(cell)
        if cell.cell_type == "code":
            cell.execution_count = run.execution_count
            cell.outputs = [_readable(output) for output in run.outputs]
        if key in exercises and is_answer(cell) and is_blank(exercises[key], cell.source):
            cell.source = exercises[key].stub
        elif cell.cell_type == "markdown" and _is_students(cell):
            cell.source = harmless_markdown(cell.source, cell.get("attachments", {}))
        elif key in exercises and cell.cell_type == "code" and not is_answer(cell):
            cell.outputs = _telling_outputs(cell.outputs, by_id[key], exercises[key])
    return executed


def _is_students(cell: NotebookNode) -> bool:
    """Say whether a student wrote what stands in this cell."""
    return EXTRA in cell.metadata or (is_answer(cell) and not is_task(cell))


def _readable(output: Mapping[str, Any]) -> NotebookNode:
    """Keep what can be shown safely and costs no marks.

    nbgrader takes every word on stderr for a failed test, so a warning is kept as ordinary text. Of what a
    student displays only text and pixels are kept: HTML, SVG and scripts would run in the marker's browser.
    """
    kept = metadata_node(dict(output))
    if kept.output_type == "stream":
        kept.name = "stdout"
        kept.text = repeatable(kept.text)
    if kept.output_type == "error":
        kept.evalue = repeatable(kept.evalue)
        kept.traceback = [repeatable(line) for line in kept.traceback]
    if "data" in kept:
        data = {"text/plain": repeatable(kept.data["text/plain"])} if "text/plain" in kept.data else {}
        for stated in (kept.data[kind] for kind in _PICTURES if kind in kept.data):
            # What only says that it is a picture stands unescaped in the page that formgrader makes of it.
            with contextlib.suppress(NoPictureError):
                kind, data_of_picture = read_picture(stated)
                data[kind] = data_of_picture
        kept.data, kept.metadata = metadata_node(data), metadata_node({})
    return kept


def _telling_outputs(outputs: Sequence[NotebookNode], outcome: Outcome, exercise: Exercise) -> list[NotebookNode]:
    kept = [output for output in outputs if output.output_type not in ("execute_result", "error")]
    errors = [output for output in outputs if output.output_type == "error"]
    if outcome.points == exercise.max_points:
        return kept
    if outcome.points:
        shown = {"text/plain": repr(outcome.points)}
        result = {"output_type": "execute_result", "metadata": {}, "execution_count": None, "data": shown}
        return [*kept, metadata_node(result)]
    text = f"{outcome.status}: {outcome.marker_note or outcome.message}"
    reason = metadata_node({"output_type": "error", "ename": "NotPassed", "evalue": text, "traceback": [text]})
    return [*kept, *(errors or [reason])]


def unanswered(executed: NotebookNode) -> list[str]:
    """Return the grade ids of the answers that nbgrader finds as they were released, by their checksums."""
    from nbgrader.utils import compute_checksum, is_solution

    return sorted(
        str(cell.metadata.nbgrader.grade_id)
        for cell in executed.cells
        if is_solution(cell) and cell.metadata.nbgrader.get("checksum") == compute_checksum(cell)
    )
