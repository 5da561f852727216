"""Hidden inputs do not come home: what an answer prints or raises while a hidden check calls it is on no page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from small_course import ALL_RIGHT, LESSON, hand_in, submission, write_course
from split_course import LIMITS
from test_grading import run_grading

from autograder.course_tree import CourseTree
from autograder.engine import Engine
from autograder.engines import make_engine
from autograder.feedback import write_feedback
from autograder.gradescope import write_results
from autograder.reports import gather, write_reports

RAISES = "def double(x):\n    if x != 2:\n        raise {}\n    return 4"
SECRET = "1234567"

ANSWERS = {
    "a printed line": "def double(x):\n    print('Cell In[6], line 1:', x)\n    return 4",
    "a standard error": RAISES.format("ValueError(f'line 1 of this cell {x}')"),
    "a class of its own": "class E(Exception):\n    def _render_traceback_(self):\n"
    "        return ['line 1 of this cell']\n" + RAISES.format("E(f'line 1 of this cell {x}')"),
    "a class's name": RAISES.format("type(f'E{x}', (Exception,), {})('line 1 of this cell')"),
    "a failed check": "from course_lib.check import CheckFailed\n"
    + RAISES.format("CheckFailed(f'line 1 of this cell {x}')"),
    "a syntax error": RAISES.format("SyntaxError(f'line 1 of this cell {x}', ('<cell 6>', 1, 1, f'{x}'))"),
    "an unwritten answer": RAISES.format("NotImplementedError(f'{x}')"),
    "too much memory": RAISES.format("MemoryError(f'{x}')"),
    "an end": RAISES.format("SystemExit(f'line 1 of this cell {x}')"),
    "a refusal": "class ForbiddenCallError(Exception):\n    pass\n"
    + RAISES.format("ForbiddenCallError(f'line 1 of this cell {x}')"),
    "a missing name": RAISES.format("NameError(f'line 1 of this cell {x}')"),
    "a warning": "import warnings\n" + RAISES.format("warnings.warn(f'{x}') or UserWarning(f'{x}')"),
    "a function's name": RAISES.format("exec(f'def line_{x}(): 1/0\\nline_{x}()')"),
    "a place in a traceback": RAISES.format("ValueError(f'Cell In[6], line 1, in <module> {x}')"),
}


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    made = make_engine("split")
    yield made
    made.close()


@pytest.fixture(scope="module")
def course(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> CourseTree:
    course = write_course(tmp_path_factory.mktemp("course"))
    for student, answer in ANSWERS.items():
        hand_in(course.submitted, student.replace("'", ""), submission({**ALL_RIGHT, "double": answer}))
    run_grading(course, engine, limits=LIMITS, jobs=2)
    return course


@pytest.mark.parametrize("student", ANSWERS)
def test_the_hidden_input_is_on_no_page_and_in_no_file_for_students(
    course: CourseTree, student: str, tmp_path: Path
) -> None:
    student = student.replace("'", "")
    report = gather(course, course.default_database)
    write_reports(report, tmp_path)
    write_feedback(report, tmp_path)
    write_results(report, tmp_path / "gradescope")
    mine = [tmp_path / "feedback" / f"{student}.html", *(tmp_path / "gradescope" / student).rglob("*.json")]
    assert len(mine) == 2
    for path in [*mine, tmp_path / "marks.csv", tmp_path / "marks.json", tmp_path / "index.html"]:
        shown = re.sub(r"<[^>]+>", "", path.read_text("utf-8"))
        assert SECRET not in shown, path.name
    (found,) = [one for one in report.lessons[0].students if one.student == student]
    (double,) = [one for one in found.exercises if one.exercise.grade_id == "test_double"]
    assert double.points == 0


def test_a_marker_sees_what_was_printed_and_raised(course: CourseTree) -> None:
    executed = (course.autograded / "a printed line" / LESSON / f"{LESSON}.ipynb").read_text()
    assert f"Cell In[6], line 1: {SECRET}" in executed
    assert SECRET in (course.autograded / "a standard error" / LESSON / f"{LESSON}.ipynb").read_text()
