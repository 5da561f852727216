"""Every answer in the other course gets the points its author would expect, from every engine that can mark it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from engines_under_test import ENGINES
from other_course import NOTEBOOKS, class_of, submission, write_other_course
from other_course import Notebook as OtherNotebook

from autograder.course_tree import CourseTree
from autograder.engine import Engine, Job, Limits
from autograder.intake import parse_notebook
from autograder.outcomes import judge
from autograder.rebuild import rebuild

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> CourseTree:
    return write_other_course(tmp_path_factory.mktemp("other"))


@pytest.fixture(scope="module", params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Iterator[tuple[Engine, frozenset[str]]]:
    make, able = ENGINES[request.param]
    made = make()
    yield made, able
    made.close()


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda one: one.name)
def test_right_and_wrong_answers_get_their_points(
    notebook: OtherNotebook, course: CourseTree, engine: tuple[Engine, frozenset[str]], tmp_path: Path
) -> None:
    runner, able = engine
    problems = [problem for problem in notebook.problems if problem.engine in able]
    if not problems:
        pytest.skip("nothing in this notebook can be split")
    lesson = course.lesson(notebook.assignment, notebook.name)
    wrong: dict[tuple[str, str, str], tuple[float, float | None]] = {}
    for student, chosen in class_of(notebook).items():
        answers = {problem.key: problem.source_of(chosen[problem.key][0]) for problem in notebook.problems}
        cells = parse_notebook(json.dumps(submission(notebook, answers)).encode())
        rebuilt = rebuild(lesson, cells)
        folder = tmp_path / student
        folder.mkdir()
        lesson.copy_data_files(folder)
        runs = runner.run(Job(rebuilt, folder, Limits(), lesson, student))
        found = {one.exercise: one.points for one in judge(lesson.exercises, rebuilt, runs, Limits())}
        for problem in problems:
            name, expected = chosen[problem.key]
            for test, points in expected.items():
                if found[test] != points:
                    wrong[problem.key, name, test] = (points, found[test])
    assert wrong == {}, "(problem, answer, test): (expected, found)"
