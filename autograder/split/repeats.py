"""Messages that cannot carry hidden inputs from one exercise to another.

A student's process has been called with the hidden inputs of every exercise so far, and what its code says when
a visible check fails is shown to the student. So such a failure is told from a second run, in a process in
which no other test has been run; marks come from the first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from autograder.course_tree import hidden_lines
from autograder.engine import CellRun, CellState
from autograder.notebook_files import metadata_node
from autograder.outcomes import failed_in_visible_part

from .plan import PlannedCell

_NOT_REPEATED = (
    "This check failed when the whole notebook was run, and did not fail in the same way when it was run by itself. "
    "Does your answer depend on how often, or with what, your functions were called before?"
)


def tests_to_repeat(cells: Sequence[PlannedCell], runs: Mapping[int, CellRun]) -> list[int]:
    """Return the tests whose message could carry hidden inputs of earlier ones."""
    found = []
    hidden_before = False
    for index, cell in enumerate(cells):
        run = runs.get(index)
        if cell.role != "test" or run is None:
            continue
        errors = [one for one in run.outputs if one["output_type"] == "error"]
        if run.state is CellState.ERROR and errors and hidden_before:
            answers = [runs[i] for i, one in enumerate(cells[:index]) if one.exercise == cell.exercise and i in runs]
            fails_itself = any(one.state is CellState.ERROR for one in answers)
            if fails_itself or failed_in_visible_part(cell.source, errors[-1], run.execution_count):
                found.append(index)
        hidden_before = hidden_before or bool(hidden_lines(cell.source))
    return found


def by_itself(cells: Sequence[PlannedCell], index: int) -> list[PlannedCell]:
    """Return a notebook's cells up to a test, with every other test left out."""
    return [
        replace(cell, role="skipped") if cell.role == "test" and place != index else cell
        for place, cell in enumerate(cells[: index + 1])
    ]


def told_again(first: CellRun, again: CellRun | None) -> CellRun:
    """Return the record of a cell with what it showed when it was run by itself."""
    if again is not None and again.state is first.state:
        return replace(first, outputs=again.outputs)
    error = {"output_type": "error", "ename": "NotRepeated", "evalue": _NOT_REPEATED, "traceback": [_NOT_REPEATED]}
    return replace(first, outputs=[metadata_node(error)])
