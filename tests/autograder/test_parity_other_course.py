"""Every answer in the other course gets the points its author would expect, from every engine that can mark it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from engines_under_test import ENGINES
from other_course import NOTEBOOKS, class_of, submission, with_problems_for, write_other_course

from autograder.course_tree import CourseTree
from autograder.engine import Engine, Job, Limits
from autograder.intake import parse_notebook
from autograder.outcomes import judge
from autograder.rebuild import rebuild

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Iterator[tuple[Engine, frozenset[str]]]:
    make, able = ENGINES[request.param]
    made = make()
    yield made, able
    made.close()


@pytest.fixture(scope="module")
def course(engine: tuple[Engine, frozenset[str]], tmp_path_factory: pytest.TempPathFactory) -> CourseTree:
    return write_other_course(tmp_path_factory.mktemp("other"), notebooks=with_problems_for(engine[1]))


@pytest.mark.parametrize("name", [notebook.name for notebook in NOTEBOOKS])
def test_right_and_wrong_answers_get_their_points(
    name: str, course: CourseTree, engine: tuple[Engine, frozenset[str]], tmp_path: Path
) -> None:
    runner, able = engine
    notebook = next((one for one in with_problems_for(able) if one.name == name), None)
    if notebook is None:
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
        for problem in notebook.problems:
            answer, expected = chosen[problem.key]
            for test, points in expected.items():
                if found[test] != points:
                    wrong[problem.key, answer, test] = (points, found[test])
    assert wrong == {}, "(problem, answer, test): (expected, found)"
