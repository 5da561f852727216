"""The sample class, graded by the commands of ``make run``: every mark is the one that the table states."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from lesson_sources import LESSON_NAMES, PROJECT, lesson
from typer.testing import CliRunner

from autograder.cli import app
from autograder.sample_class import read_expected_marks

pytestmark = pytest.mark.slow

CELL_SECONDS = "10"
"""Ends the endless loop soon; every honest cell takes a small part of it."""


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("course")
    invoke("build", "--course", str(folder))
    invoke("sample", "--out", str(folder / "submitted"))
    return folder


Report = dict[str, dict[str, dict[str, dict[str, object]]]]
"""Lesson → student → key of the exercise → its entry in marks.json."""


@pytest.fixture(scope="module")
def report(course: Path) -> Report:
    grade(course)
    return read_report(course)


def grade(course: Path) -> str:
    options = ["--course", str(course), "--out", str(course / "report"), "--timeout", CELL_SECONDS]
    return invoke("grade", str(course / "submitted"), *options)


def invoke(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == 0, result.output
    return result.output


def read_report(course: Path) -> Report:
    content = json.loads((course / "report" / "marks.json").read_text("utf-8"))
    return {
        assignment["lesson"]: {
            student["student"]: {key.removeprefix("test_"): mark for key, mark in student["marks"].items()}
            for student in assignment["students"]
        }
        for assignment in content["lessons"]
    }


@pytest.mark.parametrize("name", LESSON_NAMES)
def test_every_mark_is_the_stated_one(name: str, report: Report) -> None:
    expected = read_expected_marks(PROJECT.sample_answers / name, lesson(name))
    got = {student: {key: report[name][student][key]["points"] for key in marks} for student, marks in expected.items()}
    assert got == expected


@pytest.mark.parametrize("name", LESSON_NAMES)
def test_every_class_meets_every_kind_of_failure(name: str, report: Report) -> None:
    statuses = {mark["status"] for marks in report[name].values() for mark in marks.values()}
    assert statuses == {"passed", "failed", "error", "timed out", "refused", "not attempted", "needs marking"}


def test_every_kind_of_failure_has_its_reason(report: Report) -> None:
    stated = {
        ("ada", "convolve_by_fft"): "passed",
        ("carmen", "convolve_by_fft"): "not attempted",
        ("emeka", "convolve_by_definition"): "failed",
        ("ines", "overlap_add"): "error",
        ("jonas", "convolve_by_shifts"): "timed out",
        ("kavya", "convolve_by_dot_products"): "error",
        ("pavel", "overlap_add"): "refused",
        ("noor", "why_length"): "needs marking",
    }
    marks = report["01_convolution_stft"]
    assert {place: marks[place[0]][place[1]]["status"] for place in stated} == stated


def test_a_second_run_grades_nothing_again_and_a_changed_answer_only_itself(course: Path, report: Report) -> None:
    n_submissions = sum(len(students) for students in report.values())
    assert f"0 graded, {n_submissions} unchanged" in grade(course)
    blank, student = (course / "submitted" / name / "01_convolution_stft" for name in ("carmen", "emeka"))
    shutil.rmtree(student)
    shutil.copytree(blank, student)
    assert f"1 graded, {n_submissions - 1} unchanged" in grade(course)
    mark = read_report(course)["01_convolution_stft"]["emeka"]["convolve_by_definition"]
    assert mark["status"] == "not attempted"
