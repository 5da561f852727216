"""Courses of one exercise, for asking the split engine one question at a time."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from small_course import cell, nbgrader, notebook

from autograder.course_tree import CourseTree, Lesson
from autograder.engine import CellRun, Engine, Job, Limits
from autograder.intake import StudentCell
from autograder.rebuild import rebuild

LIMITS = Limits(cell_seconds=5, total_seconds=60)
_nbformat: Any = nbformat


@dataclass(frozen=True)
class Exercise:
    """One exercise: what is given, the reference, its test, and what students get instead of the reference."""

    reference: str
    test: str
    given: str = "import numpy as np"
    stub: str = "raise NotImplementedError('write it')"


def write_lesson(root: Path, exercise: Exercise) -> Lesson:
    """Write the course of one exercise and return its lesson."""
    for step, answer in (("source", exercise.reference), ("release", exercise.stub)):
        cells = [
            cell("code", exercise.given, 0),
            cell("code", answer, 1, nbgrader("answer", solution=True)),
            cell("code", exercise.test, 2, nbgrader("test_answer", points=1)),
        ]
        path = root / step / "one" / "one.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        _nbformat.write(_nbformat.from_dict(notebook(cells)), path)
    return CourseTree.open(root).lessons[0]


def run_answer(engine: Engine, lesson: Lesson, answer: str, limits: Limits = LIMITS) -> list[CellRun]:
    """Run one answer; the last of the returned records is the test's."""
    made = rebuild(lesson, [StudentCell("code", answer, "answer")])
    with tempfile.TemporaryDirectory() as folder:
        return engine.run(Job(made, Path(folder), limits, lesson, "ada"))


def reason(run: CellRun) -> str:
    """Return why a cell stopped, or an empty string."""
    errors = [output for output in run.outputs if output["output_type"] == "error"]
    return f"{errors[-1]['ename']}: {errors[-1]['evalue']}" if errors else ""


def printed(run: CellRun) -> str:
    """Return what a cell printed."""
    return "".join(output["text"] for output in run.outputs if output["output_type"] == "stream")
