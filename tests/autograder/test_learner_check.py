"""A learner's own report: the visible checks of a notebook that lies anywhere."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from small_course import DOUBLE_RIGHT, LESSON, write_course
from test_reports import invoke

from autograder.engine import Limits
from autograder.intake import UnreadableNotebookError
from autograder.learner_check import check_notebook, checksum

_nbformat: Any = nbformat


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_course(tmp_path_factory.mktemp("course")).lessons[0].release_path


def filled(released: Path, folder: Path, answers: dict[str, str]) -> Path:
    notebook: Any = _nbformat.read(released, as_version=4)
    for cell in notebook.cells:
        key = cell.metadata.get("nbgrader", {}).get("grade_id")
        cell.source = answers.get(key, cell.source)
    _nbformat.write(notebook, folder / "mine.ipynb")
    return folder / "mine.ipynb"


def states(path: Path) -> dict[str, str]:
    checked = check_notebook(path, Limits(cell_seconds=5))
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
    outcome = check_notebook(path)[0].outcome
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
    assert ("hint" in words) == (code == 1 or "not attempted" in words)


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
        check_notebook(path)


ANSWERS_THAT_NEVER_RETURN = {
    "an endless loop": ("while True: pass", "timed out"),
    "a call that no signal ends": (
        "import threading; threading.Lock().acquire(); threading.Event().wait()",
        "timed out",
    ),
    "the end of the process": ("import os; os._exit(0)", "crashed"),
    "a crash": ("import ctypes; ctypes.string_at(0)", "crashed"),
}


@pytest.mark.parametrize(("body", "status"), ANSWERS_THAT_NEVER_RETURN.values(), ids=ANSWERS_THAT_NEVER_RETURN.keys())
@pytest.mark.parametrize("called_by", ["the test", "the answer cell"])
def test_the_other_exercises_are_checked_after_one_that_never_returns(
    released: Path, tmp_path: Path, body: str, status: str, called_by: str
) -> None:
    answer = (
        f"def double(x):\n    {body}"
        if called_by == "the test"
        else body.replace("while True: pass", "while True:\n    pass")
    )
    path = filled(released, tmp_path, {"double": answer, "triple": "def triple(x):\n    return 3 * x"})
    checked = check_notebook(path, Limits(cell_seconds=1.5))
    assert [str(one.outcome.status) for one in checked][:2] == [status, "passed"]


def test_what_a_cell_does_to_the_standard_streams_harms_no_report(released: Path, tmp_path: Path) -> None:
    noisy = (
        "import os, subprocess, sys\n"
        "def double(x):\n"
        "    os.write(1, b'not a report\\n')\n"
        "    print('{}', file=sys.__stdout__, flush=True)\n"
        "    subprocess.run([sys.executable, '-c', 'print(1)'])\n"
        "    return 2 * x"
    )
    assert states(filled(released, tmp_path, {"double": noisy}))["test_double"] == "passed"


def test_input_is_refused_rather_than_awaited(released: Path, tmp_path: Path) -> None:
    path = filled(released, tmp_path, {"double": "def double(x):\n    return input()"})
    outcome = check_notebook(path)[0].outcome
    assert str(outcome.status) == "failed"
    assert "EOFError" in outcome.message


def test_the_hints_are_those_under_the_exercise(released: Path, tmp_path: Path) -> None:
    hints = "".join(
        f"<details>\n<summary>Hint {number}: the {stage}</summary>\n\nTry **${stage}$**.\n\n</details>\n\n"
        for number, stage in enumerate(["concept", "structure", "line"], start=1)
    )
    path = filled(released, tmp_path, {"double": "def double(x):\n    return x"})
    notebook: Any = _nbformat.read(path, as_version=4)
    at = next(
        i for i, cell in enumerate(notebook.cells) if cell.metadata.get("nbgrader", {}).get("grade_id") == "double"
    )
    notebook.cells.insert(at, _nbformat.v4.new_markdown_cell(hints))
    _nbformat.write(notebook, path)
    double, triple, _ = check_notebook(path)
    assert [(hint.label, hint.text) for hint in double.hints] == [
        ("the concept", "Try concept."), ("the structure", "Try structure."), ("the line", "Try line.")
    ]  # fmt: skip
    assert triple.hints == ()
    shown = [" ".join(invoke("check", path, "--hints", n).output.split()) for n in range(4)]
    assert ["Try concept." in text for text in shown] == [False, True, True, True]
    assert ["Try line." in text for text in shown] == [False, False, False, True]


@pytest.mark.parametrize(
    ("later", "status"),
    [("check_it = double", "skipped"), ("_expected + 1", "run"), ("_expected += 1", "run"), ("%time _expected", "run")],
)
def test_a_test_that_later_cells_build_on_is_run_even_if_its_answer_is_not_begun(
    tmp_path: Path, later: str, status: str
) -> None:
    def marked(source: str, **keys: Any) -> dict[str, Any]:
        metadata = {"nbgrader": {"schema_version": 3, "locked": False, "task": False, **keys}} if keys else {}
        return {"cell_type": "code", "metadata": metadata, "source": source, "outputs": [], "execution_count": None}

    answer = marked(
        "def double(x):\n    raise NotImplementedError('1.1')", grade=False, solution=True, grade_id="double"
    )
    test = marked(
        "_expected = 4\nopen('run', 'w').close()\ndouble(2)",
        grade=True, solution=False, grade_id="test_double", points=1,
    )  # fmt: skip
    answer["metadata"]["nbgrader"]["checksum"] = checksum(_nbformat.from_dict(answer))
    path = tmp_path / "x.ipynb"
    cells = [answer, test, marked(later)]
    path.write_text(json.dumps({"nbformat": 4, "nbformat_minor": 4, "metadata": {}, "cells": cells}))
    assert str(check_notebook(path)[0].outcome.status) == "not attempted"
    assert (tmp_path / "run").exists() == (status == "run")


def test_checksums_are_those_of_nbgrader(released: Path) -> None:
    from nbgrader.utils import compute_checksum

    notebook: Any = _nbformat.read(released, as_version=4)
    marked = [cell for cell in notebook.cells if "nbgrader" in cell.metadata]
    assert len(marked) > 3
    assert [checksum(cell) for cell in marked] == [compute_checksum(cell) for cell in marked]


def in_a_fresh_interpreter(code: str) -> str:
    prepared = "from autograder.split.waiting import import_when_used\nimport sys, types\n" + code
    found = subprocess.run([sys.executable, "-c", prepared], capture_output=True, text=True, env=dict(os.environ))
    assert found.returncode == 0, found.stderr
    return found.stdout.strip()


WAITING_MODULES = {
    "it waits through imports": (
        "import_when_used(['xml.dom', 'wave'])\nimport wave, wave, inspect, importlib\n"
        "importlib.import_module('wave'); wave.__name__, wave.__file__, wave.__spec__\n"
        "inspect.getmodule(print)\nprint(type(wave) is types.ModuleType)",
        "False",
    ),
    "its first use loads it": (
        "import_when_used(['wave'])\nimport wave\nwave.open\nprint(type(wave) is types.ModuleType)",
        "True",
    ),
    "a name is imported from it": ("import_when_used(['wave'])\nfrom wave import open\nprint(open.__module__)", "wave"),
    "its dictionary is the real one": ("import_when_used(['wave'])\nimport wave\nprint('open' in vars(wave))", "True"),
    "a part of it is imported first, once": (
        "import_when_used(['package'])\nimport package, package.part\nimport importlib\n"
        "importlib.import_module('package.part')\nprint(package.value, package.part.__spec__.name)",
        "part package.part",
    ),
    "a missing module is missing at once": (
        "import_when_used(['missing'])\ntry:\n    import missing\nexcept ModuleNotFoundError:\n    print('missing')",
        "missing",
    ),
    "a broken module fails at every use": (
        "import_when_used(['broken'])\nimport broken\n"
        "for _ in range(2):\n    try:\n        broken.x\n    except ValueError as error:\n        print(error)",
        "half\nhalf",
    ),
}


@pytest.mark.parametrize(("code", "printed"), WAITING_MODULES.values(), ids=WAITING_MODULES.keys())
def test_a_module_that_waits(tmp_path: Path, code: str, printed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").write_text("from package.part import name as value")
    (tmp_path / "package" / "part.py").write_text(
        "import sys\nassert not hasattr(sys, 'seen'), 'loaded twice'\nsys.seen = True\nname = 'part'"
    )
    (tmp_path / "broken.py").write_text("raise ValueError('half')")
    monkeypatch.chdir(tmp_path)
    assert in_a_fresh_interpreter(code) == printed
