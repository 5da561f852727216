"""Refusing, by reading, answers that use what their exercise forbids; nothing of them is run for that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from autograder.engine import CellRun, CellState
from autograder.forbidden import find_forbidden, refusal_message
from autograder.notebook_files import metadata_node

from .interface import Interface
from .plan import PlannedCell


def refused_tests(
    cells: Sequence[PlannedCell], forbidden: Mapping[str, Sequence[str]], interface: Interface | None
) -> dict[int, CellRun]:
    """Find the tests whose answers use forbidden calls.

    Args:
        cells: of the submission.
        forbidden: what each exercise forbids, by the grade id of its answer.
        interface: of the reference solution; without one, everything that an answer cell binds is searched.
    Returns:
        The record that stands for each such test, by the index of its cell. Those tests need not be run.
    """
    found = {}
    for index, cell in enumerate(cells):
        if cell.role != "test" or cell.exercise is None or not forbidden.get(cell.exercise):
            continue
        before = [one for one in cells[:index] if one.role in ("answer", "extra")]
        uses = find_forbidden(
            [(_label(one), one.source) for one in before if one.exercise == cell.exercise],
            [(_label(one), one.source) for one in before if one.exercise != cell.exercise],
            forbidden[cell.exercise],
            [one.source for one in cells if one.role == "given"],
            names=interface.names.get(cell.exercise) if interface is not None else None,
        )
        if uses:
            message = refusal_message(uses[0])
            error = {"output_type": "error", "ename": "ForbiddenCallError", "evalue": message, "traceback": [message]}
            found[index] = CellRun(CellState.REFUSED, [metadata_node(error)])
    return found


def _label(cell: PlannedCell) -> str:
    return "your answer cell" if cell.role == "answer" else "a cell that you added"
