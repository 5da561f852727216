"""On honest work the marks equal stock nbgrader's, cell by cell; where they differ on purpose, the table says why."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from engines_under_test import ENGINES
from parity_course import (
    CLASS,
    grade_with_stock,
    gradebook_cells,
    write_parity_course,
)
from parity_course import GradebookCell as Cell

from autograder.course_config import CourseConfig
from autograder.course_tree import CourseTree
from autograder.engine import Engine, Limits
from autograder.grading import grade_class
from autograder.intake import collect

pytestmark = pytest.mark.slow

Key = tuple[str, str, str, str]

STDERR = "stock takes any word on stderr for a failed test; a warning costs nothing here"
NUMPY = "stock cannot read np.float64(1.5) as a number and gives full marks; here it is the score it says"
VALUE = "stock gives full marks where a test's value is no number; here a person looks at it"
EMPTY = "stock hands an emptied answer to a marker; here nothing was written, and that scores zero"

DIFFERENCES: dict[Key, tuple[Cell, Cell, str]] = {
    ("fay", "ps1", "problem1", "correct_squares"): (Cell(0, False, 1), Cell(1, False, 1), STDERR),
    ("fay", "ps1", "problem1", "correct_sum_of_squares"): (Cell(0, False, 0.5), Cell(0.5, False, 0.5), STDERR),
    ("fay", "extra", "mixed", "mean_test"): (Cell(0, False, 2), Cell(2, False, 2), STDERR),
    ("fay", "extra", "mixed", "mean_hidden"): (Cell(0, False, 1.5), Cell(1.5, False, 1.5), STDERR),
    ("ada", "extra", "mixed", "half_numpy"): (Cell(2, False, 2), Cell(1.5, False, 2), NUMPY),
    ("bob", "extra", "mixed", "half_numpy"): (Cell(2, False, 2), Cell(1.5, False, 2), NUMPY),
    ("ada", "extra", "mixed", "half_text"): (Cell(1, False, 1), Cell(None, True, 1), VALUE),
    ("bob", "extra", "mixed", "half_text"): (Cell(1, False, 1), Cell(None, True, 1), VALUE),
    ("fay", "extra", "mixed", "half_text"): (Cell(1, False, 1), Cell(None, True, 1), VALUE),
    ("fay", "extra", "mixed", "essay"): (Cell(None, True, 3), Cell(0, False, 3), EMPTY),
}
"""Where we differ on purpose: stock's marks, ours, and the reason."""


@pytest.fixture(scope="module")
def stock_course(tmp_path_factory: pytest.TempPathFactory) -> CourseTree:
    root = tmp_path_factory.mktemp("stock")
    write_parity_course(root)
    grade_with_stock(root, CourseConfig.read(root).settings)
    return CourseTree.open(root)


@pytest.fixture(scope="module", params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Iterator[tuple[Engine, frozenset[str]]]:
    make, able = ENGINES[request.param]
    made = make()
    yield made, able
    made.close()


SOURCE_ONLY = ("ada", "bob")
"""Who is graded also in a course without a release folder."""


@pytest.fixture(scope="module", params=["released", "source only"])
def our_course(
    request: pytest.FixtureRequest,
    engine: tuple[Engine, frozenset[str]],
    stock_course: CourseTree,
    tmp_path_factory: pytest.TempPathFactory,
) -> CourseTree:
    root = tmp_path_factory.mktemp("ours")
    write_parity_course(root)
    with_release = request.param == "released"
    for student in CLASS if with_release else SOURCE_ONLY:
        shutil.copytree(stock_course.submitted / student, root / "submitted" / student)
    if with_release:
        shutil.copytree(stock_course.root / "release", root / "release")
    before = contents(root)
    course = CourseTree.open(root)
    found, problems = collect([course.submitted], course)
    assert not problems
    run = grade_class(course, found, engine[0], db_url=course.default_database, jobs=2, limits=Limits())
    assert not run.problems
    after = contents(root)
    assert {name: after.get(name) for name in before} == before, "the course was changed"
    return course


def contents(root: Path) -> dict[str, bytes]:
    """Return every file of the instructor's and the students'."""
    paths = [root / "nbgrader_config.py", *(root / "source").rglob("*"), *(root / "submitted").rglob("*")]
    return {str(path.relative_to(root)): path.read_bytes() for path in paths if path.is_file()}


def test_the_marks_equal_stock_nbgraders_cell_by_cell(
    stock_course: CourseTree, our_course: CourseTree, engine: tuple[Engine, frozenset[str]]
) -> None:
    ours, stock = gradebook_cells(our_course), gradebook_cells(stock_course)
    graded = {key[0] for key in ours}
    stock = {key: cell for key, cell in stock.items() if key[0] in graded}
    assert ours.keys() == stock.keys()
    expected = {key: DIFFERENCES[key][1] if key in DIFFERENCES else cell for key, cell in stock.items()}
    assert {key: (cell, ours[key]) for key, cell in expected.items() if ours[key] != cell} == {}


def test_stock_differs_where_the_table_says_so(stock_course: CourseTree) -> None:
    """A row that no longer differs has to go."""
    stock = gradebook_cells(stock_course)
    assert {key: stock[key] for key in DIFFERENCES} == {key: theirs for key, (theirs, _, _) in DIFFERENCES.items()}
    assert all(theirs != ours for theirs, ours, _ in DIFFERENCES.values())


def test_the_class_covers_what_the_comparison_is_about(stock_course: CourseTree) -> None:
    """A comparison of zeros would prove nothing."""
    cells = gradebook_cells(stock_course)
    assert {key[0] for key in cells} == set(CLASS)
    assert any(cell.auto_score not in (None, 0, cell.max_score) for cell in cells.values()), "no partial credit"
    assert any(cell.auto_score is None and cell.needs_manual_grade for cell in cells.values()), "nothing to mark"
