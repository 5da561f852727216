"""A learner's own report: the visible checks of a notebook that lies anywhere."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import nbformat
import pytest
from small_course import DOUBLE_RIGHT, LESSON, write_course
from test_reports import invoke

from autograder.engine import Limits
from autograder.intake import UnreadableNotebookError
from autograder.learner_check import check_notebook
from autograder.nbgrader_engine import NbgraderEngine


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_course(tmp_path_factory.mktemp("course")).lessons[0].release_path


def filled(released: Path, folder: Path, answers: dict[str, str]) -> Path:
    notebook: Any = nbformat.read(released, as_version=4)
    for cell in notebook.cells:
        key = cell.metadata.get("nbgrader", {}).get("grade_id")
        cell.source = answers.get(key, cell.source)
    nbformat.write(notebook, folder / "mine.ipynb")
    return folder / "mine.ipynb"


def states(path: Path) -> dict[str, str]:
    checked = check_notebook(path, NbgraderEngine(), Limits(cell_seconds=5))
    return {one.exercise.grade_id: str(one.outcome.status) for one in checked}


def test_a_fresh_notebook_is_all_to_do(released: Path, tmp_path: Path) -> None:
    path = tmp_path / f"{LESSON}.ipynb"
    shutil.copy(released, path)
    before = path.read_bytes()
    assert states(path) == {"test_double": "not attempted", "test_triple": "not attempted", "why": "not attempted"}
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_right_wrong_and_written_answers(released: Path, tmp_path: Path) -> None:
    answers = {"double": DOUBLE_RIGHT, "triple": "def triple(x):\n    return x", "why": "Because."}
    path = filled(released, tmp_path, answers)
    assert states(path) == {"test_double": "passed", "test_triple": "failed", "why": "needs marking"}


def test_a_stub_line_left_in_place_is_pointed_at(released: Path, tmp_path: Path) -> None:
    stub = 'def double(x):\n    y = 2 * x\n    raise NotImplementedError("Exercise 1.1: return twice x")\n    return y'
    path = filled(released, tmp_path, {"double": stub})
    outcome = check_notebook(path, NbgraderEngine())[0].outcome
    assert str(outcome.status) == "not attempted"
    assert "remove it" in outcome.message


def test_it_runs_beside_the_notebook_and_reads_its_files(released: Path, tmp_path: Path) -> None:
    (tmp_path / "factor.txt").write_text("2")
    path = filled(released, tmp_path, {"double": "def double(x):\n    return int(open('factor.txt').read()) * x"})
    assert states(path)["test_double"] == "passed"


@pytest.mark.parametrize(("wrong", "code"), [("return x", 1), ("return 2 * x", 0)])
def test_the_command_exits_with_1_only_where_an_attempt_fails(
    released: Path, tmp_path: Path, wrong: str, code: int
) -> None:
    path = filled(released, tmp_path, {"double": f"def double(x):\n    {wrong}"})
    result = invoke("check", path)
    assert result.exit_code == code
    words = " ".join(result.output.split())
    assert "Exercise 1.1 — twice" in words
    assert ("double(2) should be 4" in words) == (code == 1)
    assert "hints" in words


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"{}", "no list of cells"),
        (json.dumps({"cells": [{"cell_type": "code", "source": "1"}]}).encode(), "damaged|no exercise"),
        (
            json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [
                {"id": "a", "cell_type": "markdown", "metadata": {}, "source": "x"}]}).encode(),
            "no exercise",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_checked_is_explained(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "x.ipynb"
    path.write_bytes(content)
    with pytest.raises(UnreadableNotebookError, match=reason):
        check_notebook(path, NbgraderEngine())
