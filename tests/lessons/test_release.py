"""The committed student notebooks: what the build makes now, and nothing of the solutions in them.

The gates below are functions of (notebook, lesson), so that the second half of this file can break a notebook on
purpose and see each gate go red.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Callable
from typing import Any

import pytest
from lesson_sources import LESSON_NAMES, PROJECT, lesson

from autograder.cells import SourceError, parse_code
from autograder.leaks import find_leaks
from autograder.release import checked_release, parse_notebook, release_bytes
from autograder.source import Lesson, notebook_bytes


def committed(name: str) -> bytes:
    return (PROJECT.notebooks / f"{name}.ipynb").read_bytes()


def is_what_build_makes(content: bytes, source: Lesson) -> None:
    assert content == release_bytes(source), f"run `python -m autograder build {source.name}` and commit the notebook"


def holds_no_secret(content: bytes, source: Lesson) -> None:
    assert find_leaks(parse_notebook(content), source) == []


def holds_no_solution_tree(content: bytes, source: Lesson) -> None:
    """No answer cell parses to a function whose body is that of the solution: independent of the text search."""
    released = {cell["id"]: cell["source"] for cell in parse_notebook(content)["cells"] if cell["cell_type"] == "code"}
    shown = {
        ast.dump(node)
        for code in released.values()
        for node in ast.walk(parse_code(code))
        if isinstance(node, ast.stmt)
    }
    for exercise in source.exercises:
        stub = {ast.dump(node) for node in ast.walk(parse_code(exercise.stub)) if isinstance(node, ast.stmt)}
        for node in ast.walk(parse_code(exercise.answer)):
            if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.For | ast.While | ast.With | ast.If):
                assert ast.dump(node) in stub or ast.dump(node) not in shown, f"{exercise.key}: {ast.unparse(node)}"


def stubs_are_solutions_minus_marked_lines(content: bytes, source: Lesson) -> None:
    """Worked out line by line here, without the build's own functions."""
    released = {cell["id"]: cell["source"] for cell in parse_notebook(content)["cells"]}
    for exercise in source.exercises:
        expected, inside = [], False
        for line in source.cells[exercise.answer_index].source.split("\n"):
            if "### BEGIN SOLUTION" in line:
                inside = True
                message = f"Exercise {exercise.number}: {exercise.title}".replace('"', '\\"')
                expected.append(line[: line.index("#")] + f'raise NotImplementedError("{message}")')
            elif "### END SOLUTION" in line:
                inside = False
            elif not inside:
                expected.append(line)
        assert released[exercise.key].split("\n") == expected
    for question in source.written:
        assert released[question.key] == question.stub
        assert "YOUR ANSWER HERE" in question.stub


def every_code_cell_is_python(content: bytes, source: Lesson) -> None:
    for cell in parse_notebook(content)["cells"]:
        if cell["cell_type"] == "code":
            parse_code(cell["source"])


def has_no_outputs(content: bytes, source: Lesson) -> None:
    cells = json.loads(content)["cells"]
    assert not [cell["id"] for cell in cells if cell.get("outputs") or cell.get("execution_count")]


def passes_the_builds_own_check(content: bytes, source: Lesson) -> None:
    assert checked_release(content, source) == content


GATES = [
    is_what_build_makes,
    holds_no_secret,
    holds_no_solution_tree,
    stubs_are_solutions_minus_marked_lines,
    every_code_cell_is_python,
    has_no_outputs,
    passes_the_builds_own_check,
]


def test_there_are_lessons_and_each_is_released():
    assert LESSON_NAMES
    assert sorted(path.stem for path in PROJECT.notebooks.glob("*.ipynb")) == sorted(LESSON_NAMES)


@pytest.mark.parametrize("gate", GATES, ids=lambda gate: gate.__name__)
@pytest.mark.parametrize("name", LESSON_NAMES)
def test_the_committed_notebook_passes(name, gate):
    gate(committed(name), lesson(name))


def find_cell(notebook: Any, cell_id: str) -> Any:
    return next(cell for cell in notebook["cells"] if cell["id"] == cell_id)


def with_solution(notebook: Any, source: Lesson) -> None:
    exercise = source.exercises[0]
    find_cell(notebook, exercise.key)["source"] = exercise.answer


def with_solution_in_metadata(notebook: Any, source: Lesson) -> None:
    notebook["cells"][0]["metadata"]["course"] = {"note": source.exercises[-1].answer}


def with_hidden_test(notebook: Any, source: Lesson) -> None:
    exercise = source.exercises[-1]
    find_cell(notebook, exercise.test_id)["source"] = exercise.test


def with_model_answer(notebook: Any, source: Lesson) -> None:
    find_cell(notebook, source.written[0].key)["source"] = source.written[0].model_answer


def with_a_stub_of_another_exercise(notebook: Any, source: Lesson) -> None:
    stub = find_cell(notebook, source.exercises[0].key)
    stub["source"] = stub["source"].replace(source.exercises[0].number, "9.9")


def with_broken_python(notebook: Any, source: Lesson) -> None:
    next(cell for cell in notebook["cells"] if cell["cell_type"] == "code")["source"] += "\nif True:"


def with_an_output(notebook: Any, source: Lesson) -> None:
    cell = next(cell for cell in notebook["cells"] if cell["cell_type"] == "code")
    cell["outputs"] = [{"name": "stdout", "output_type": "stream", "text": ["1\n"]}]


def with_other_spacing(notebook: Any, source: Lesson) -> None:
    notebook["cells"][0]["source"] += "\n"


BREAKS: list[tuple[Callable[[Any, Lesson], None], set[Callable[[bytes, Lesson], None]]]] = [
    (with_solution, {holds_no_secret, holds_no_solution_tree, stubs_are_solutions_minus_marked_lines}),
    (with_solution_in_metadata, {holds_no_secret}),
    (with_hidden_test, {holds_no_secret}),
    (with_model_answer, {holds_no_secret, stubs_are_solutions_minus_marked_lines}),
    (with_a_stub_of_another_exercise, {stubs_are_solutions_minus_marked_lines}),
    (with_broken_python, {every_code_cell_is_python}),
    (with_an_output, {has_no_outputs}),
    (with_other_spacing, set()),
]


@pytest.mark.parametrize(("break_it", "red"), BREAKS, ids=[break_it.__name__ for break_it, _ in BREAKS])
@pytest.mark.parametrize("name", LESSON_NAMES[:1])
def test_the_gates_go_red(name, break_it, red):
    source = lesson(name)
    notebook = parse_notebook(committed(name))
    break_it(notebook, source)
    broken = notebook_bytes(notebook)
    for gate in {is_what_build_makes, passes_the_builds_own_check, *red}:
        with pytest.raises((AssertionError, SyntaxError, SourceError)):
            gate(broken, source)
