"""nbgrader's own command and formgrader's button, with this project's engine behind them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
from fixture_project import REPOSITORY, make_project
from parity_course import GradebookCell, gradebook_cells, stock
from small_course import ALL_RIGHT, LESSON, cell, hand_in, submission, write_course

from autograder.course_config import CourseConfig
from autograder.course_tree import CourseTree
from autograder.gradebook import quiet_nbgrader, register_lesson
from autograder.instructor_tree import write_instructor_tree
from autograder.rebuild import rebuild
from autograder.source import Lesson

TEMPLATES = REPOSITORY / "autograder" / "templates"

CONFIG = """\
c = get_config()
from autograder.plug_in import plug_in

plug_in(c)
"""

PATCHES_TESTING = "import numpy as np\nnp.testing.assert_allclose = lambda *a, **k: None\nassert_ = lambda *a: True\n"


def forged() -> dict[str, Any]:
    """Test cells deleted, retyped and retagged, full points claimed, wrong answers."""
    notebook = submission({"double": PATCHES_TESTING + "def double(x):\n    return 4", "triple": "triple = int"})
    cells = [one for one in notebook["cells"] if one["metadata"].get("nbgrader", {}).get("grade_id") != "test_double"]
    for one in cells:
        if one["metadata"].get("nbgrader", {}).get("grade_id") == "test_triple":
            one["source"] = "pass"
            one["metadata"]["tags"] = ["skip-execution"]
            one["metadata"]["nbgrader"] |= {"points": 1000}
    cells.insert(5, cell("code", "import sys\nprint('a warning', file=sys.stderr)", 60))
    return {**notebook, "cells": cells}


WARNS = {**ALL_RIGHT, "triple": "import sys\ndef triple(x):\n    print('!', file=sys.stderr)\n    return 3 * x"}

EXPECTED = {
    "honest": {"test_double": 3, "test_triple": 2, "why": None},
    "forger": {"test_double": 0, "test_triple": 0, "why": 0},
}


@pytest.fixture
def course(tmp_path: Path) -> CourseTree:
    course = write_course(tmp_path / "course")
    (course.root / "nbgrader_config.py").write_text(CONFIG)
    hand_in(course.submitted, "honest", submission(WARNS))
    hand_in(course.submitted, "forger", forged())
    (course.submitted / "forger" / LESSON / "numpy.py").write_text("raise SystemExit")
    for lesson in course.lessons:
        register_lesson(lesson, rebuild(lesson, ()), course.default_database)
    return CourseTree.open(course.root)


def points(course: CourseTree) -> dict[str, dict[str, float | None]]:
    found: dict[str, dict[str, float | None]] = {}
    for (student, _, _, key), marks in gradebook_cells(course).items():
        assert marks.needs_manual_grade is (marks.auto_score is None)
        found.setdefault(student, {})[key] = marks.auto_score
    return found


@pytest.mark.slow
def test_nbgraders_own_command_gives_our_marks(course: CourseTree, tmp_path: Path) -> None:
    environment = {**os.environ, "JUPYTER_CONFIG_DIR": str(tmp_path), "IPYTHONDIR": str(tmp_path)}
    command = [sys.executable, "-m", "nbgrader", "autograde", LESSON]
    done = subprocess.run(command, cwd=course.root, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert points(course) == EXPECTED
    executed = json.loads((course.autograded / "forger" / LESSON / f"{LESSON}.ipynb").read_text())
    ids = [one["metadata"].get("nbgrader", {}).get("grade_id") for one in executed["cells"]]
    assert [key for key in ids if key] == ["double", "test_double", "triple", "test_triple", "why"]


@pytest.mark.slow
def test_formgraders_button_gives_our_marks(course: CourseTree) -> None:
    from autograder.nbgrader_plugin import close_engines

    with quiet_nbgrader(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        api = stock(course.root, CourseConfig.read(course.root).settings)
        try:
            for student in EXPECTED:
                done = api.autograde(LESSON, student)
                assert done["success"], done["log"][-3000:]
        finally:
            close_engines()
    assert points(course) == EXPECTED


@pytest.mark.slow
def test_a_value_that_is_no_score_waits_for_a_person(tmp_path: Path) -> None:
    from autograder.nbgrader_plugin import close_engines

    course = write_course(tmp_path / "course", double_test="assert double(2) == 4\n'fine'")
    (course.root / "nbgrader_config.py").write_text(CONFIG)
    hand_in(course.submitted, "honest", submission(ALL_RIGHT))
    (lesson,) = course.lessons
    register_lesson(lesson, rebuild(lesson, ()), course.default_database)
    with quiet_nbgrader(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            done = stock(course.root, CourseConfig.read(course.root).settings).autograde(LESSON, "honest")
        finally:
            close_engines()
    assert done["success"], done["log"][-3000:]
    assert gradebook_cells(course)["honest", LESSON, LESSON, "test_double"] == GradebookCell(None, True, 3)


def steps(root: Path) -> tuple[Any, Any]:
    config = CourseConfig.read(root)
    return config.setting("Autograde", "sanitize_preprocessors", None), config.setting(
        "Autograde", "autograde_preprocessors", None
    )


@pytest.mark.parametrize("template", ["nbgrader_config.py", "instructor_nbgrader_config.py"])
def test_the_configurations_that_we_write_use_the_plugin(template: str, course: CourseTree) -> None:
    expected = steps(course.root)
    shutil.copyfile(TEMPLATES / template, course.root / "nbgrader_config.py")
    assert expected[0] is not None
    assert steps(course.root) == expected


def test_an_exported_course_has_a_configuration_and_keeps_the_instructors_own(lesson: Lesson, tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    for name in ("pyproject.toml", "environment.yml", "LICENSE", "LICENSE-TEXT.md"):
        shutil.copy(REPOSITORY / name, project.root)
    new, old = tmp_path / "new", tmp_path / "old"
    assert "nbgrader_config.py" in write_instructor_tree(project, [lesson], new)
    assert write_instructor_tree(project, [lesson], new) == []
    old.mkdir()
    (old / "nbgrader_config.py").write_text("# mine")
    assert "nbgrader_config.py" not in write_instructor_tree(project, [lesson], old)
    assert (old / "nbgrader_config.py").read_text() == "# mine"
    assert "plug_in(c)" in (old / "INSTRUCTOR.md").read_text()
