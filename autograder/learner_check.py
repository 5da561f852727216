"""A learner's own report: the visible checks of a notebook, run where it lies, in seconds.

It needs the released notebook and nothing else: no course directory, no gradebook, no hidden test. The
notebook is the learner's own, so it is run as it is, its demo cells aside.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from pathlib import Path

from nbformat import NotebookNode

from .course_tree import Exercise, find_exercises, grade_id, has_tag, is_answer, nbgrader_metadata
from .engine import Engine, Job, Limits
from .intake import UnreadableNotebookError, parse_notebook, read_bytes
from .notebook_files import read_notebook
from .outcomes import Outcome, Status, judge, stub_messages


@dataclass(frozen=True)
class CheckedExercise:
    """One exercise and what its visible checks say."""

    exercise: Exercise
    outcome: Outcome

    @property
    def attempted(self) -> bool:
        """Whether the learner has begun it."""
        return self.outcome.status is not Status.NOT_ATTEMPTED

    @property
    def needs_work(self) -> bool:
        """Whether it was begun and does not pass yet."""
        return self.outcome.status not in (Status.NOT_ATTEMPTED, Status.PASSED, Status.NEEDS_MARKING)


def check_notebook(path: Path, engine: Engine, limits: Limits | None = None) -> list[CheckedExercise]:
    """Run a notebook's visible checks.

    Args:
        path: a released notebook, with or without answers.
        engine: what executes it.
        limits: what it may use.
    Returns:
        One entry an exercise, in order.
    Raises:
        UnreadableNotebookError: if it is no notebook, or holds no exercise.
    """
    limits = limits or Limits()
    parse_notebook(read_bytes(path))
    try:
        notebook = read_notebook(path)
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise UnreadableNotebookError(f"the notebook is damaged ({error}): take a fresh copy of the lesson") from error
    exercises = _exercises_of(notebook)
    if not exercises:
        raise UnreadableNotebookError("there is no exercise in it: name one of the lessons under notebooks/")
    runs = engine.run(Job(_without_demos(notebook), path.resolve().parent, limits))
    outcomes = judge(exercises, notebook, runs, limits)
    return [CheckedExercise(exercise, outcome) for exercise, outcome in zip(exercises, outcomes, strict=True)]


def _exercises_of(notebook: NotebookNode) -> list[Exercise]:
    answers = {key: cell for cell in notebook.cells if is_answer(cell) and (key := grade_id(cell)) is not None}
    found = find_exercises(notebook, answers)
    return [replace(one, stub=_stub(answers[one.answer_id]) if one.answer_id in answers else "") for one in found]


def _stub(answer: NotebookNode) -> str:
    """Return what was released in an answer cell, as far as the cell itself still tells."""
    from nbgrader.utils import compute_checksum

    source = str(answer.source)
    if nbgrader_metadata(answer).get("checksum") == compute_checksum(answer):
        return source
    return "\n".join(line for line in source.split("\n") if stub_messages(line))


def _without_demos(notebook: NotebookNode) -> NotebookNode:
    shown = copy.deepcopy(notebook)
    for cell in shown.cells:
        if has_tag(cell, "demo"):
            cell.metadata.tags = [*cell.metadata.tags, "skip-execution"]
    return shown
