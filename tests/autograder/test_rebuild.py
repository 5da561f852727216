"""The instructor's notebook is the truth: only answers and extra code come from the student."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from nbformat import NotebookNode
from small_course import (
    ALL_RIGHT,
    DOUBLE_RIGHT,
    DOUBLE_STUB,
    DOUBLE_TEST,
    TRIPLE_STUB,
    WHY_MODEL,
    WHY_STUB,
    cell,
    submission,
    write_course,
)

from autograder.course_tree import Lesson, grade_id, has_tag
from autograder.intake import parse_notebook
from autograder.rebuild import EXTRA, rebuild


@pytest.fixture(scope="module")
def lesson(tmp_path_factory: pytest.TempPathFactory) -> Lesson:
    return write_course(tmp_path_factory.mktemp("course")).lessons[0]


def rebuilt(lesson: Lesson, notebook: dict[str, Any]) -> NotebookNode:
    return rebuild(lesson, parse_notebook(json.dumps(notebook).encode()))


def sources(notebook: NotebookNode) -> dict[str, str]:
    return {key: one.source for one in notebook.cells if (key := grade_id(one)) is not None}


def handed_in() -> dict[str, Any]:
    return copy.deepcopy(submission(ALL_RIGHT))


def by_id(notebook: dict[str, Any], key: str) -> dict[str, Any]:
    return next(one for one in notebook["cells"] if one["metadata"].get("nbgrader", {}).get("grade_id") == key)


def test_answers_come_from_the_student_and_tests_from_the_instructor(lesson: Lesson) -> None:
    found = sources(rebuilt(lesson, handed_in()))
    assert {key: found[key] for key in ALL_RIGHT} == ALL_RIGHT
    assert found["test_double"] == DOUBLE_TEST


def test_without_a_submission_there_are_only_stubs(lesson: Lesson) -> None:
    blank = rebuild(lesson, ())
    found = sources(blank)
    assert (found["double"], found["triple"], found["why"]) == (DOUBLE_STUB, TRIPLE_STUB, WHY_STUB)
    text = json.dumps(blank)
    assert json.dumps(DOUBLE_RIGHT) not in text
    assert json.dumps(WHY_MODEL) not in text


def delete_tests(notebook: dict[str, Any]) -> None:
    notebook["cells"] = [one for one in notebook["cells"] if "points" not in one["metadata"].get("nbgrader", {})]
    notebook["cells"].append(cell("markdown", ALL_RIGHT["why"], 10, {"grade_id": "why"}))


def duplicate_test(notebook: dict[str, Any]) -> None:
    forged = copy.deepcopy(by_id(notebook, "test_double"))
    forged["source"] = "pass"
    notebook["cells"].insert(0, forged)


def retype_test(notebook: dict[str, Any]) -> None:
    by_id(notebook, "test_double")["cell_type"] = "markdown"


def forge_points(notebook: dict[str, Any]) -> None:
    by_id(notebook, "test_double")["metadata"]["nbgrader"] |= {"points": 1000, "locked": False, "solution": True}


def tag_test(notebook: dict[str, Any]) -> None:
    by_id(notebook, "test_double")["metadata"]["tags"] = ["skip-execution", "raises-exception"]


def empty_test(notebook: dict[str, Any]) -> None:
    by_id(notebook, "test_double")["source"] = ""


def reorder(notebook: dict[str, Any]) -> None:
    notebook["cells"].reverse()


def foreign_kernel(notebook: dict[str, Any]) -> None:
    notebook["metadata"]["kernelspec"] = {"name": "sh", "display_name": "sh", "language": "sh"}


def retype_answer(notebook: dict[str, Any]) -> None:
    by_id(notebook, "double")["cell_type"] = "markdown"


@pytest.mark.parametrize(
    "tamper",
    [
        delete_tests,
        duplicate_test,
        retype_test,
        forge_points,
        tag_test,
        empty_test,
        reorder,
        foreign_kernel,
        retype_answer,
    ],
)
def test_tampering_with_the_structure_changes_nothing(lesson: Lesson, tamper: Any) -> None:
    notebook = handed_in()
    tamper(notebook)
    honest = rebuilt(lesson, handed_in())
    result = rebuilt(lesson, notebook)
    assert [(one.cell_type, one.source, one.metadata) for one in result.cells] == [
        (one.cell_type, one.source, one.metadata) for one in honest.cells
    ]
    assert result.metadata == honest.metadata


def test_demo_cells_are_marked_to_be_skipped(lesson: Lesson) -> None:
    skipped = [one.source for one in rebuilt(lesson, handed_in()).cells if has_tag(one, "skip-execution")]
    assert skipped == ["raise RuntimeError('a demo was run')"]


def position(notebook: NotebookNode, source: str) -> int:
    return next(index for index, one in enumerate(notebook.cells) if one.source == source)


def test_extra_code_stays_where_the_student_put_it(lesson: Lesson) -> None:
    notebook = handed_in()
    notebook["cells"].insert(5, cell("code", "helper = 1", 40))
    notebook["cells"].insert(0, cell("code", "first = 1", 41))
    notebook["cells"].append(cell("code", "last = 1", 42))
    notebook["cells"].append(cell("markdown", "a remark", 43))
    result = rebuilt(lesson, notebook)
    assert position(result, "first = 1") == 0
    assert position(result, "helper = 1") == position(result, DOUBLE_RIGHT) + 1
    assert result.cells[position(result, "helper = 1")].metadata == {EXTRA: "double"}
    assert position(result, "last = 1") == len(result.cells) - 1


def test_a_split_answer_keeps_both_halves_in_order(lesson: Lesson) -> None:
    """Jupyter copies the metadata of a cell that is split."""
    notebook = handed_in()
    first = by_id(notebook, "double")
    second = copy.deepcopy(first) | {"id": "split", "source": "double_again = double"}
    notebook["cells"].insert(notebook["cells"].index(first) + 1, second)
    written = by_id(notebook, "why")
    notebook["cells"].insert(notebook["cells"].index(written) + 1, cell("markdown", "And more.", 44))
    result = rebuilt(lesson, notebook)
    assert position(result, "double_again = double") == position(result, DOUBLE_RIGHT) + 1
    assert sources(result)["why"] == ALL_RIGHT["why"] + "\n\nAnd more."


def test_an_import_added_to_a_given_cell_is_kept(lesson: Lesson) -> None:
    notebook = handed_in()
    notebook["cells"][1]["source"] = "import numpy as np\nimport itertools"
    result = rebuilt(lesson, notebook)
    given = position(result, "import numpy as np")
    assert result.cells[given + 1].source == "import numpy as np\nimport itertools"


def test_an_edited_demo_is_not_run(lesson: Lesson) -> None:
    notebook = handed_in()
    notebook["cells"][2]["source"] = "raise SystemExit"
    assert "raise SystemExit" not in [one.source for one in rebuilt(lesson, notebook).cells]


def test_a_notebook_that_lost_its_cell_ids_gains_no_extra_cells(lesson: Lesson) -> None:
    notebook = handed_in()
    for one in notebook["cells"]:
        del one["id"]
    assert len(rebuilt(lesson, notebook).cells) == len(lesson.source.cells)


def test_nothing_of_the_instructors_notebook_is_changed(lesson: Lesson) -> None:
    before = copy.deepcopy(lesson.source)
    rebuilt(lesson, handed_in())
    assert lesson.source == before
