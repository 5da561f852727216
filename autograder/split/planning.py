"""Giving every cell of a notebook its role in the two processes."""

from __future__ import annotations

import builtins
from collections.abc import Mapping, Sequence
from functools import lru_cache

from nbformat import NotebookNode

from autograder.course_tree import Lesson, grade_id, has_tag, is_answer, nbgrader_metadata
from autograder.rebuild import EXTRA

from .interface import bound_names, read_names
from .plan import PlannedCell

_SHELL_NAMES = ("get_ipython", "display", "In", "Out")


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
        return PlannedCell("test", source, key, answers_of.get(key), _binds(source))
    return PlannedCell("given", source, key, binds=_binds(source))


@lru_cache(maxsize=4096)
def _binds(source: str) -> tuple[str, ...]:
    """Return the names that one of the instructor's cells binds, magics and all."""
    from IPython.core.inputtransformer2 import TransformerManager

    return tuple(bound_names(TransformerManager().transform_cell(source)))  # type: ignore[no-untyped-call]


def answer_names(cells: Sequence[PlannedCell]) -> list[str]:
    """Return the names that tests read and that only an answer can bind."""
    return sorted(
        _answer_names(tuple((cell.role, cell.source, cell.binds) for cell in cells if cell.role in ("given", "test")))
    )


@lru_cache(maxsize=64)
def _answer_names(trusted: tuple[tuple[str, str, tuple[str, ...]], ...]) -> frozenset[str]:
    bound = {name for _, _, names in trusted for name in names}
    read = {name for role, source, _ in trusted if role == "test" for name in read_names(source)}
    return frozenset(name for name in read - bound if not hasattr(builtins, name) and name not in _SHELL_NAMES)
