"""Gradescope's results.json: the members it documents, the points of the report, nothing hidden."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from small_course import ALL_RIGHT, LESSON, hand_in, submission, write_course
from test_grading import ScriptedEngine, run_grading

from autograder.course_tree import CourseTree
from autograder.gradebook import quiet_nbgrader
from autograder.gradescope import results, write_results
from autograder.reports import ClassReport, gather

FORMATS = ["text", "html", "simple_format", "md", "ansi"]
VISIBILITIES = ["hidden", "after_due_date", "after_published", "visible"]
# What Gradescope documents under "Autograder Specifications", members of a test case included.
DOCUMENTED = {
    "type": "object",
    "required": ["tests"],
    "additionalProperties": False,
    "properties": {
        "score": {"type": "number"},
        "execution_time": {"type": "integer"},
        "output": {"type": "string"},
        "output_format": {"enum": FORMATS},
        "test_output_format": {"enum": FORMATS},
        "test_name_format": {"enum": FORMATS},
        "visibility": {"enum": VISIBILITIES},
        "stdout_visibility": {"enum": VISIBILITIES},
        "extra_data": {"type": "object"},
        "tests": {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "properties": {
                    "score": {"type": "number"},
                    "max_score": {"type": "number"},
                    "status": {"enum": ["passed", "failed"]},
                    "name": {"type": "string"},
                    "name_format": {"enum": FORMATS},
                    "number": {"type": "string"},
                    "output": {"type": "string"},
                    "output_format": {"enum": FORMATS},
                    "tags": {"type": "array", "items": {"type": "string"}},
                    "visibility": {"enum": VISIBILITIES},
                    "extra_data": {"type": "object"},
                },
            },
        },
    },
}


@pytest.fixture
def course(tmp_path: Path) -> CourseTree:
    course = write_course(tmp_path / "course")
    hand_in(course.submitted, "ada", submission(ALL_RIGHT))
    hand_in(course.submitted, "bob", submission({"double": "def double(x): return 1"}))
    hand_in(course.submitted, "cyd", b"{}")
    run_grading(course, ScriptedEngine())
    return course


@pytest.fixture
def report(course: CourseTree) -> ClassReport:
    return gather(course, course.default_database)


def written(report: ClassReport, folder: Path) -> dict[str, Any]:
    write_results(report, folder)
    return {path.relative_to(folder).as_posix(): json.loads(path.read_bytes()) for path in folder.rglob("*.json")}


def test_everybody_who_was_graded_has_results_as_documented(report: ClassReport, tmp_path: Path) -> None:
    found = written(report, tmp_path / "out")
    assert sorted(found) == [f"{student}/{LESSON}/{LESSON}.results.json" for student in ("ada", "bob")]
    for one in found.values():
        jsonschema.validate(one, DOCUMENTED)
    ada = found[f"ada/{LESSON}/{LESSON}.results.json"]
    assert ada["score"] == 5
    double, triple, why = ada["tests"]
    assert (double["score"], double["max_score"], double["status"]) == (3, 3, "passed")
    assert (double["name"], double["number"], double["visibility"]) == ("Exercise 1.1 — twice", "1.1", "visible")
    assert triple["output"] == "All checks passed."
    assert why["output"] == "to be marked"
    assert not {"score", "max_score", "status"} & set(why)
    assert "1 answer is to be marked by a person." in ada["output"]


def test_failures_carry_their_reason_and_nothing_hidden(course: CourseTree) -> None:
    run_grading(course, ScriptedEngine(passes=False), regrade=True)
    found = [results(one) for one in gather(course, course.default_database).lessons[0].students if one.exercises]
    first = found[0]["tests"][0]
    assert (first["score"], first["status"]) == (0, "failed")
    assert first["output"].startswith("timed out: Your answer was stopped after")
    text = json.dumps(found)
    assert not any(secret in text for secret in ("secret_input", "1234567", "def double", "Rubric"))


def test_marks_by_hand_comments_warnings_and_penalties_are_in(course: CourseTree, report: ClassReport) -> None:
    from nbgrader.api import Gradebook

    with quiet_nbgrader(), Gradebook(course.default_database) as gradebook:
        grade = gradebook.find_grade("why", LESSON, LESSON, "ada")
        grade.manual_score, grade.needs_manual_grade = 1.5, False
        gradebook.find_comment("why", LESSON, LESSON, "ada").manual_comment = "Count them, too."
        gradebook.db.commit()
    ada = gather(course, course.default_database).lessons[0].students[0]
    ada = replace(ada, warnings=("These marks can be forged.",), notes=("handed in as x.ipynb",), late_penalty=1.0)
    found = results(ada)
    jsonschema.validate(found, DOCUMENTED)
    assert found["score"] == 5.5
    why = found["tests"][-1]
    assert (why["score"], why["max_score"], why["status"], why["output"]) == (1.5, 2, "failed", "Count them, too.")
    assert found["output"].split("\n")[:3] == [
        "These marks can be forged.", "handed in as x.ipynb", "1 points taken off for lateness.",
    ]  # fmt: skip


def test_ids_of_another_origin_never_leave_the_folder(report: ClassReport, tmp_path: Path) -> None:
    lesson = report.lessons[0]
    students = tuple(replace(lesson.students[0], student=name) for name in ("../../evil", "a/b", "", "x" * 300))
    found = written(replace(report, lessons=(replace(lesson, students=students),)), tmp_path / "deep" / "out")
    assert len(found) == 4
    assert [path.name for path in tmp_path.iterdir()] == ["course", "deep"] or len(list(tmp_path.iterdir())) == 2
