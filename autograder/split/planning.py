"""Giving every cell of a notebook its role in the two processes."""

from __future__ import annotations

from collections.abc import Mapping

from nbformat import NotebookNode

from autograder.course_tree import Lesson, grade_id, has_tag, is_answer, nbgrader_metadata
from autograder.rebuild import EXTRA

from .plan import PlannedCell


def plan_cells(notebook: NotebookNode, lesson: Lesson) -> list[PlannedCell]:
    """Give every cell of a rebuilt notebook its role."""
    answers_of = {one.grade_id: one.answer_id for one in lesson.exercises}
    return [_plan(cell, answers_of) for cell in notebook.cells]


def reference_cells(lesson: Lesson) -> list[PlannedCell]:
    """Return the plan of the instructor's own notebook, solutions included."""
    answers_of = {one.grade_id: one.answer_id for one in lesson.exercises}
    planned = []
    for cell in lesson.source.cells:
        one = _plan(cell, answers_of)
        demo = has_tag(cell, "demo") and not nbgrader_metadata(cell)
        planned.append(PlannedCell("skipped", one.source) if demo else one)
    return planned


def _plan(cell: NotebookNode, answers_of: Mapping[str, str | None]) -> PlannedCell:
    key = grade_id(cell) or ""
    source = str(cell.source)
    if cell.cell_type != "code" or not source.strip():
        return PlannedCell("text", source, key)
    if has_tag(cell, "skip-execution"):
        return PlannedCell("skipped", source, key)
    if EXTRA in cell.metadata:
        return PlannedCell("extra", source, "", str(cell.metadata[EXTRA]))
    if is_answer(cell):
        return PlannedCell("answer", source, key, key)
    if nbgrader_metadata(cell).get("grade"):
        return PlannedCell("test", source, key, answers_of.get(key))
    return PlannedCell("given", source, key)
