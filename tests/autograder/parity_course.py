"""nbgrader's own example course, one more assignment, and a class of honest students; and stock nbgrader to mark it.

The example is what ``nbgrader quickstart`` copies. The second assignment holds what the example lacks: partial credit,
NumPy scores, no points at all, read-only code, values that are no score.
"""

from __future__ import annotations

import copy
import json
import shutil
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from small_course import empty_gradebook

from autograder.course_tree import CourseTree
from autograder.gradebook import quiet_nbgrader

_nbformat: Any = nbformat

CONFIG = """\
c = get_config()
c.CourseDirectory.course_id = "course101"
c.IncludeHeaderFooter.header = "source/header.ipynb"
"""

SQUARES = "def squares(n):\n    if n < 1:\n        raise ValueError(n)\n    return [i**2 for i in range(1, n + 1)]"
SUM = "def sum_of_squares(n):\n    return sum(squares(n))"
APPLICATION = "def pyramidal_number(n):\n    return sum_of_squares(n)\n\nprint(pyramidal_number(3))"
TASK = "cell-938593c4a215c6cc"

MEAN = "def mean(values):\n    return sum(values) / len(values)"
PARTS = "def parts(n):\n    return [i for i in range(1, n + 1) if n % i == 0]"
HALF = "def half(x):\n    return np.asarray(x) / 2"


def _graded(kind: str, key: str, source: str, **fields: Any) -> dict[str, Any]:
    metadata = {"grade": False, "locked": False, "solution": False, "task": False, "schema_version": 3, "grade_id": key}
    code: dict[str, Any] = {"outputs": [], "execution_count": None} if kind == "code" else {}
    return {"cell_type": kind, "id": key, "metadata": {"nbgrader": metadata | fields}, "source": source, **code}


def _answer(key: str, reference: str) -> dict[str, Any]:
    return _graded("code", key, f"### BEGIN SOLUTION\n{reference}\n### END SOLUTION", solution=True)


def _test(key: str, points: float, source: str) -> dict[str, Any]:
    return _graded("code", key, source, grade=True, locked=True, points=points)


MIXED: list[dict[str, Any]] = [
    _graded("code", "read_only", "import sys, warnings\nimport numpy as np\nLIMIT = 3", locked=True),
    _answer("mean", MEAN),
    _test("mean_test", 2, "assert mean([1, 2, 6]) == LIMIT\nprint('visible output')"),
    _test("mean_hidden", 1.5, "### BEGIN HIDDEN TESTS\nassert mean((0.5,)) == 0.5\n### END HIDDEN TESTS"),
    _answer("parts", PARTS),
    _test(
        "parts_score",
        3,
        "score = 0\nfor n, expected in ((1, [1]), (6, [1, 2, 3, 6]), (7, [1, 7])):\n"
        "    score += parts(n) == expected\nscore",
    ),
    _test("parts_fraction", 2, "sum(sorted(parts(n))[-1] == n for n in (4, 9, 5, 2)) / 2"),
    _answer("half", HALF),
    _test(
        "half_numpy",
        2,
        "np.float64(1) * bool(half(4) == 2) + np.float64(0.5) * bool(np.all(half([2, 4]) == [1, 2]))",
    ),
    _test("half_no_points", 0, "assert half(1) == 0.5"),
    _test("half_text", 1, "assert half(2) == 1\n'well done'"),
    _graded(
        "code", "essay_code", "### BEGIN SOLUTION\ndemo = 1\n### END SOLUTION", grade=True, solution=True, points=2
    ),
    _graded("markdown", "essay", "A model answer.", grade=True, solution=True, points=3),
    _graded(
        "markdown",
        "project",
        "Do a project.\n\n=== BEGIN MARK SCHEME ===\nAll.\n=== END MARK SCHEME ===",
        task=True,
        locked=True,
        points=5,
    ),
]


@dataclass(frozen=True)
class Student:
    """What one student answers, by grade id, and what else was done to the notebooks."""

    problem1: dict[str, str]
    problem2: dict[str, str] | None
    mixed: dict[str, str]
    edit: Callable[[dict[str, Any]], None] = lambda notebook: None


RIGHT1 = {"squares": SQUARES, "sum_of_squares": SUM, "sum_of_squares_application": APPLICATION}
RIGHT2 = {"part-a": "It computes Fibonacci numbers.", "part-b": "Negative ones."}
RIGHT_MIXED = {"mean": MEAN, "parts": PARTS, "half": HALF, "essay": "Mine.", "essay_code": "demo = 2"}


def add_cells(notebook: dict[str, Any]) -> None:
    """Add what honest students add: a helper, a plot, a remark, an edited heading, the work for a task."""
    cells = notebook["cells"]
    first_answer = next(index for index, cell in enumerate(cells) if _id_of(cell) in ("squares", "mean", "part-a"))
    cells.insert(first_answer, _plain("code", "helper = lambda n: range(1, n + 1)\nprint('a helper')\nhelper(2)"))
    cells.insert(0, _plain("markdown", "# My own notes\n\nwith text"))
    for cell in cells:
        if cell["cell_type"] == "markdown" and not _id_of(cell):
            cell["source"] = "".join(cell["source"]) + "\n\n(read)"
        if cell["cell_type"] == "code" and not _id_of(cell) and "NAME" in cell["source"]:
            cell["source"] = 'NAME = "Ada"\nCOLLABORATORS = ""'
    cells.append(_plain("markdown", "The sum is $n(n+1)/2$."))
    cells.append(_plain("code", "assert sum(range(5)) == 10\n{'a': [1, 2]}"))


def _plain(kind: str, source: str) -> dict[str, Any]:
    code: dict[str, Any] = {"outputs": [], "execution_count": None} if kind == "code" else {}
    return {"cell_type": kind, "metadata": {}, "source": source, **code}


def _id_of(cell: dict[str, Any]) -> str:
    return str(cell["metadata"].get("nbgrader", {}).get("grade_id", ""))


CLASS = {
    "ada": Student(RIGHT1 | {"sum_of_squares_equation": "$x^2$"}, RIGHT2, RIGHT_MIXED, add_cells),
    "bob": Student(
        {
            "squares": "def squares(n):\n    return [i * i for i in range(1, n + 1)]",
            "sum_of_squares": "def sum_of_squares(n):\n    return sum(i * i for i in range(n + 1))",
        },
        {"part-a": "Fibonacci."},
        {
            "mean": "def mean(values):\n    return sum(values) // len(values)",
            "parts": "def parts(n):\n    return [1, n]",
            "half": HALF,
            "essay": "Short.",
        },
    ),
    "cyd": Student({}, {}, {}),
    "dan": Student(
        {"squares": "def squares(n) return n", "sum_of_squares": "def sum_of_squares(n):\n    return 1 / 0"},
        None,
        {"mean": "raise RuntimeError('at once')", "parts": "def parts(n):\n    return None", "half": "half = 2"},
    ),
    "eve": Student({"sum_of_squares_equation": "$$\\sum$$"}, RIGHT2, {"essay": "Much text.", "essay_code": "1 / 0"}),
    "fay": Student(
        RIGHT1
        | {"squares": "import sys\n" + SQUARES.replace("    return", "    print('hm', file=sys.stderr)\n    return")},
        RIGHT2,
        RIGHT_MIXED
        | {
            "mean": "def mean(values):\n    warnings.warn('slow')\n    return sum(values) / len(values)",
            "half": "def half(x):\n    return x / 2",
            "essay": "",
        },
    ),
}


def write_parity_course(root: Path) -> None:
    """Write ``source/``, the configuration and an empty gradebook."""
    import nbgrader

    example = Path(nbgrader.__file__).parent / "docs" / "source" / "user_guide" / "source"
    shutil.copytree(example / "ps1", root / "source" / "ps1")
    shutil.copyfile(example / "header.ipynb", root / "source" / "header.ipynb")
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    mixed = {"nbformat": 4, "nbformat_minor": 5, "metadata": {"kernelspec": kernel}, "cells": MIXED}
    (root / "source" / "extra").mkdir()
    (root / "source" / "extra" / "mixed.ipynb").write_text(json.dumps(mixed))
    for path in root.glob("source/*/*.ipynb"):
        # The example's kernel is called "python", which a Jupyter of today does not have.
        path.write_text(path.read_text().replace('"name": "python"\n', '"name": "python3"\n'))
    (root / "nbgrader_config.py").write_text(CONFIG)
    (root / "gradebook.db").write_bytes(empty_gradebook())


def hand_in_class(root: Path, release: Path) -> None:
    """Hand in what every student made of the released notebooks."""
    for student, work in CLASS.items():
        for assignment, name, answers in (
            ("ps1", "problem1", work.problem1),
            ("ps1", "problem2", work.problem2),
            ("extra", "mixed", work.mixed),
        ):
            if answers is None:
                continue
            notebook = json.loads((release / assignment / f"{name}.ipynb").read_text())
            for cell in notebook["cells"]:
                if _id_of(cell) in answers:
                    cell["source"] = answers[_id_of(cell)]
            work.edit(notebook)
            path = root / "submitted" / student / assignment / f"{name}.ipynb"
            path.parent.mkdir(parents=True, exist_ok=True)
            made = _nbformat.from_dict(copy.deepcopy(notebook))
            path.write_text(_nbformat.writes(made) if made.nbformat_minor < 5 else json.dumps(notebook))


def stock(root: Path, settings: Any = None) -> Any:
    """Return nbgrader's own programming interface to a course, which formgrader's buttons call."""
    from nbgrader.apps.api import NbGraderAPI
    from nbgrader.coursedir import CourseDirectory
    from traitlets.config import Config

    config: Any = Config() if settings is None else settings
    config.CourseDirectory.root = str(root)
    return NbGraderAPI(CourseDirectory(config=config), config=config)


def grade_with_stock(root: Path, settings: Any) -> None:
    """Release, hand in and mark the class with nothing but nbgrader's own commands."""
    with quiet_nbgrader(), warnings.catch_warnings():
        # What nbgrader and its dependencies warn of among themselves is no matter of these tests.
        warnings.simplefilter("ignore")
        api = stock(root, settings)
        for assignment in ("ps1", "extra"):
            done = api.generate_assignment(assignment)
            assert done["success"], done["log"][-3000:]
        hand_in_class(root, root / "release")
        for student in CLASS:
            for assignment in ("ps1", "extra"):
                done = api.autograde(assignment, student)
                assert done["success"], done["log"][-3000:]


@dataclass(frozen=True)
class GradebookCell:
    """One cell of one student as a gradebook holds it."""

    auto_score: float | None
    needs_manual_grade: bool
    max_score: float


def gradebook_cells(course: CourseTree) -> dict[tuple[str, str, str, str], GradebookCell]:
    """Read a gradebook through nbgrader: (student, assignment, notebook, cell) → marks."""

    def rows(gradebook: Any) -> Iterator[tuple[tuple[str, str, str, str], GradebookCell]]:
        for assignment in gradebook.assignments:
            for submission in gradebook.assignment_submissions(assignment.name):
                for notebook in submission.notebooks:
                    for grade in notebook.grades:
                        key = (submission.student.id, assignment.name, notebook.name, grade.name)
                        yield key, GradebookCell(grade.auto_score, grade.needs_manual_grade, grade.max_score)

    with quiet_nbgrader():
        from nbgrader.api import Gradebook

        with Gradebook(course.default_database) as gradebook:
            return dict(rows(gradebook))
