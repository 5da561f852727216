"""A two-exercise course and its students, made in a folder in milliseconds.

It stands for any nbgrader course: nothing in it comes from a lesson, so the grader's tests need none.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import nbformat

from autograder.course_tree import CourseTree
from autograder.gradebook import quiet_nbgrader

LESSON = "01_small"

DOUBLE_STUB = 'def double(x):\n    raise NotImplementedError("Exercise 1.1: return twice x")'
DOUBLE_RIGHT = "def double(x):\n    return 2 * x"
DOUBLE_TEST = """\
assert double(2) == 4, "double(2) should be 4"
print("visible part passed")
### BEGIN HIDDEN TESTS
secret_input = 1234567
assert double(secret_input) == 2469134, f"secret: double({secret_input}) is not 2469134"
### END HIDDEN TESTS"""
TRIPLE_STUB = 'def triple(x):\n    raise NotImplementedError("Exercise 1.2: return three times x")'
TRIPLE_RIGHT = "def triple(x):\n    return double(x) + x"
TRIPLE_TEST = """\
assert triple(2) == 6
### BEGIN HIDDEN TESTS
assert triple(-5) == -15
### END HIDDEN TESTS"""
WHY_STUB = "YOUR ANSWER HERE"
WHY_MODEL = """\
### BEGIN SOLUTION
Because each of the N samples starts a copy.

**Rubric**

- 1 point: names the copies
- 1 point: counts them
### END SOLUTION"""

ALL_RIGHT = {"double": DOUBLE_RIGHT, "triple": TRIPLE_RIGHT, "why": "Because every sample starts a copy."}


def nbgrader(grade_id: str, *, points: float | None = None, solution: bool = False) -> dict[str, Any]:
    """Metadata of an answer cell, a test cell or a written answer."""
    found: dict[str, Any] = {
        "grade": points is not None,
        "grade_id": grade_id,
        "locked": not solution,
        "schema_version": 3,
        "solution": solution,
        "task": False,
    }
    return found | ({"points": points} if points is not None else {})


def cell(
    kind: str, source: str, name: int | str, metadata: dict[str, Any] | None = None, tags: tuple[str, ...] = ()
) -> Any:
    made: dict[str, Any] = {"cell_type": kind, "id": f"cell-{name:0>2}", "source": source, "metadata": {}}
    if kind == "code":
        made |= {"outputs": [], "execution_count": None}
    if metadata is not None:
        made["metadata"]["nbgrader"] = metadata
    if tags:
        made["metadata"]["tags"] = list(tags)
    return made


def lesson_cells(*, released: bool, double_test: str = DOUBLE_TEST, double_points: float = 3) -> list[Any]:
    from autograder.course_tree import without_hidden_tests

    shown = without_hidden_tests if released else str
    return [
        cell("markdown", "# Small lesson", 0),
        cell("code", "import numpy as np", 1),
        cell("code", "raise RuntimeError('a demo was run')", 2, tags=("demo",)),
        cell("markdown", "### Exercise 1.1 — twice", 3),
        cell("code", DOUBLE_STUB if released else DOUBLE_RIGHT, 4, nbgrader("double", solution=True)),
        cell("code", shown(double_test), 5, nbgrader("test_double", points=double_points)),
        cell("markdown", "### Exercise 1.2 — three times", 6),
        cell("code", TRIPLE_STUB if released else TRIPLE_RIGHT, 7, nbgrader("triple", solution=True)),
        cell("code", shown(TRIPLE_TEST), 8, nbgrader("test_triple", points=2)),
        cell("markdown", "### Exercise 1.3 — why", 9),
        cell("markdown", WHY_STUB if released else WHY_MODEL, 10, nbgrader("why", points=2, solution=True)),
        cell("markdown", "That is all.", 11),
    ]


def notebook(cells: list[Any]) -> dict[str, Any]:
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": {"kernelspec": kernel}, "cells": cells}


@cache
def empty_gradebook() -> bytes:
    """A new gradebook: nbgrader starts another program for each, so the tests make one and copy it."""
    from nbgrader.api import Gradebook

    with TemporaryDirectory() as folder, quiet_nbgrader():
        path = Path(folder) / "gradebook.db"
        Gradebook(f"sqlite:///{path}").close()
        return path.read_bytes()


def write_course(root: Path, **options: Any) -> CourseTree:
    """Write source and release of the small lesson as nbgrader lays them out, checksums included."""
    from nbgrader.preprocessors import ComputeChecksums

    for step in ("source", "release"):
        made = nbformat.from_dict(notebook(lesson_cells(released=step == "release", **options)))
        ComputeChecksums().preprocess(made, {})
        path = root / step / LESSON / f"{LESSON}.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(made, path)
    if not (root / "gradebook.db").exists():
        (root / "gradebook.db").write_bytes(empty_gradebook())
    return CourseTree.open(root)


def submission(answers: Mapping[str, str]) -> dict[str, Any]:
    """The released notebook with answers filled in by grade id."""
    cells = lesson_cells(released=True)
    for one in cells:
        key = one["metadata"].get("nbgrader", {}).get("grade_id")
        if key in answers:
            one["source"] = answers[key]
    return notebook(cells)


def hand_in(tree: Path, student: str, content: Mapping[str, Any] | bytes, name: str = LESSON) -> Path:
    """Put a notebook where nbgrader collects it."""
    path = tree / student / LESSON / f"{name}.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return path
