"""Reasons, and what a student may read of them: never anything of a hidden test."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook
from small_course import DOUBLE_RIGHT, DOUBLE_STUB, DOUBLE_TEST, TRIPLE_RIGHT, TRIPLE_STUB, TRIPLE_TEST

from autograder.course_tree import Exercise, hidden_lines, without_hidden_tests
from autograder.engine import CellRun, CellState, Limits
from autograder.notebook_files import metadata_node
from autograder.outcomes import (
    FORBIDDEN_CALL,
    HIDDEN_CHECK_FAILED,
    Outcome,
    Status,
    failed_in_visible_part,
    judge,
    partial_score,
)

EXERCISE = Exercise("test_double", "Exercise 1.1 — twice", 3.0, "tested", "double", DOUBLE_STUB, DOUBLE_TEST)
TRIPLE = Exercise("test_triple", "Exercise 1.2 — three times", 2.0, "tested", "triple", TRIPLE_STUB, TRIPLE_TEST)
DONE = CellRun(CellState.COMPLETED)


def error(name: str, text: str = "", lines: tuple[int, ...] = (), count: int = 7) -> NotebookNode:
    traceback = [
        f"\x1b[36mCell\x1b[39m\x1b[36m \x1b[39m\x1b[32mIn[{count}]\x1b[39m\x1b[32m, line {n}\x1b[39m" for n in lines
    ]
    return metadata_node({"output_type": "error", "ename": name, "evalue": text, "traceback": traceback})


def failed(name: str, text: str = "", lines: tuple[int, ...] = (), state: CellState = CellState.ERROR) -> CellRun:
    return CellRun(state, [error(name, text, lines)], execution_count=7)


def value(shown: str) -> NotebookNode:
    data = {"text/plain": shown}
    return metadata_node({"output_type": "execute_result", "metadata": {}, "execution_count": 7, "data": data})


def judged(test: CellRun, answer: CellRun = DONE, source: str = DOUBLE_RIGHT, exercise: Exercise = EXERCISE) -> Outcome:
    def graded(key: str, text: str) -> Any:
        return new_code_cell(text, metadata=metadata_node({"nbgrader": {"grade_id": key}}))

    cells = [graded("double", source), graded("test_double", DOUBLE_TEST)]
    cells += [graded("triple", TRIPLE_RIGHT), graded("test_triple", TRIPLE_TEST)]
    outcomes = judge([exercise, TRIPLE], new_notebook(cells=cells), [answer, test, DONE, DONE], Limits())
    return outcomes[0]


def test_a_completed_test_earns_its_points() -> None:
    assert judged(DONE) == Outcome("test_double", Status.PASSED, 3.0, "All checks passed.")


@pytest.mark.parametrize("state", [state for state in CellState if state is not CellState.COMPLETED])
def test_a_test_that_did_not_run_to_its_end_never_earns_marks(state: CellState) -> None:
    """nbgrader gives full marks to a test cell without output."""
    outcome = judged(CellRun(state))
    assert outcome.points == 0
    assert outcome.status is not Status.PASSED
    assert outcome.message


@pytest.mark.parametrize(
    ("test", "answer", "source", "status", "words"),
    [
        (
            failed("NotImplementedError", "Exercise 1.1: return twice x"),
            DONE,
            DOUBLE_STUB,
            "not attempted",
            "as it was",
        ),
        (failed("NameError", "double"), DONE, "", "not attempted", "as it was given"),
        (
            failed("NotImplementedError", "Exercise 1.1: return twice x"),
            DONE,
            DOUBLE_STUB + "\n    return 2 * x",
            "not attempted",
            "remove it",
        ),
        (failed("NotImplementedError", "Exercise 1.2: return three times x"), DONE, "x", "failed", "three times"),
        (
            failed("NameError", "double"),
            failed("SyntaxError", "invalid syntax (123.py, line 4)"),
            "d",
            "error",
            "(line 4)",
        ),
        (failed("NameError", "double"), failed("ModuleNotFoundError", "No module named 'nump'"), "i", "error", "nump"),
        (failed("KeyboardInterrupt", state=CellState.TIMED_OUT), DONE, "x", "timed out", "after 30 s"),
        (failed("NameError", "double"), CellRun(CellState.TIMED_OUT), "x", "timed out", "after 30 s"),
        (CellRun(CellState.CRASHED), DONE, "x", "crashed", "ended the Python process"),
        (failed("NameError"), CellRun(CellState.CRASHED), "x", "crashed", "ended the Python process"),
        (CellRun(CellState.NOT_RUN), DONE, "x", "timed out", "as a whole|used up its 300 s"),
        (failed("MemoryError"), DONE, "x", "out of memory", "more memory"),
        (failed("NameError"), failed("MemoryError"), "x", "out of memory", "more memory"),
        (failed("AssertionError", "double(2) should be 4", (1,)), DONE, "x", "failed", "double.2. should be 4"),
        (
            failed("CheckFailed", "double uses `np.add` (line 2 of this cell)\n  this exercise forbids np.add: why"),
            DONE,
            "x",
            "refused",
            "forbids np.add",
        ),
    ],
)
def test_every_end_has_its_status_and_its_words(
    test: CellRun, answer: CellRun, source: str, status: str, words: str
) -> None:
    outcome = judged(test, answer, source)
    assert (str(outcome.status), outcome.points) == (status, 0.0)
    assert re.search(words, outcome.message)


def test_a_leftover_not_implemented_error_after_the_answer_costs_nothing() -> None:
    left_over = failed("NotImplementedError", "Exercise 1.1: return twice x")
    assert judged(DONE, left_over, DOUBLE_RIGHT + "\nraise NotImplementedError()").status is Status.PASSED


SECRET = failed("AssertionError", "secret: double(1234567) is not 2469134", (5,))


@pytest.mark.parametrize(
    "test",
    [
        SECRET,
        failed("CheckFailed", "x[3] is 7, expected 2469134 (line 5 of this cell)"),
        failed("CheckFailed", "x[3] is 7, expected 2469134 (line 1 of this cell) (line 5 of this cell)"),
        failed("CheckFailed", "x[3] is 7, expected 2469134"),
        failed("AssertionError", "2469134", (1, 5)),
        failed("AssertionError", "2469134"),
        failed("ValueError", "secret_input = 1234567 and 2469134", (1,)),
        failed("Secret_2469134", "2469134", (5,)),
        CellRun(CellState.ERROR, [error("AssertionError", "2469134", (1,), count=3)], execution_count=7),
    ],
    ids=[
        "hidden",
        "check",
        "two places",
        "check no place",
        "both",
        "no place",
        "quotes hidden",
        "own name",
        "other cell",
    ],
)
def test_a_hidden_or_unknown_place_shows_only_the_fixed_sentence(test: CellRun) -> None:
    outcome = judged(test, source="x")
    assert outcome.message.startswith(HIDDEN_CHECK_FAILED)
    kind = outcome.message.removeprefix(HIDDEN_CHECK_FAILED)
    assert kind in (" It stopped with an AssertionError.", " It stopped with a failed comparison.") or kind in (
        " It stopped with a ValueError.",
        " It stopped with an exception.",
    )
    assert "2469134" not in outcome.message
    assert "2469134" in outcome.marker_note


def test_a_visible_failure_shows_its_message_and_the_marker_gets_the_rest() -> None:
    outcome = judged(failed("CheckFailed", "double(2): got 6, expected 4 (line 1 of this cell)", ()), source="x")
    assert outcome.message == "double(2): got 6, expected 4 (line 1 of this cell)"


def test_without_hidden_tests_everything_is_visible() -> None:
    assert failed_in_visible_part("assert f(1)", error("ValueError", "no place"), 7)


def test_a_forbidden_call_is_refused_and_tells_nothing_hidden() -> None:
    def refused(text: str, *places: tuple[int, ...]) -> Outcome:
        return judged(failed("ForbiddenCallError", text, *places), source="x")

    seen = refused("your code calls np.add", (1,))
    assert (seen.status, seen.points, seen.message) == (Status.REFUSED, 0.0, "your code calls np.add")
    for outcome in (refused("2469134", (5,)), refused("2469134")):
        assert (outcome.status, outcome.message) == (Status.REFUSED, FORBIDDEN_CALL)
    read = judged(CellRun(CellState.REFUSED, [error("ForbiddenCallError", "line 2 calls np.add")]), source="x")
    assert (read.status, read.message) == (Status.REFUSED, "line 2 calls np.add")


def test_control_characters_and_endless_messages_are_cut() -> None:
    text = "bell\x07 over\u202eride \x1b[31mred\x1b[0m" + "y" * 5_000
    message = judged(failed("ValueError", text, (1,)), source="x").message
    assert message.startswith("ValueError: bell override redyyy")
    assert len(message) < 2_100


@pytest.mark.parametrize(
    ("shown", "points"),
    [("3", 3.0), ("1.5", 1.5), ("0", 0.0), ("np.float64(1.5)", 1.5), ("numpy.int64(2)", 2.0)]
    + [(bad, None) for bad in ("nan", "inf", "-1", "3.01", "1e400", "'3'", "True", "<object>", "", "np.float64(nan)")],
)
def test_only_a_number_from_zero_to_the_maximum_is_a_partial_score(shown: str, points: float | None) -> None:
    assert partial_score(shown, 3.0) == points


def test_partial_scores_and_unreadable_ones() -> None:
    """nbgrader gives full marks for a value that it cannot read."""
    half = judged(CellRun(CellState.COMPLETED, [value("1.5")]))
    assert (half.status, half.points) == (Status.PARTLY, 1.5)
    unreadable = judged(CellRun(CellState.COMPLETED, [value("<no number>")]))
    assert (unreadable.status, unreadable.points) == (Status.NEEDS_MARKING, None)
    assert "<no number>" in unreadable.marker_note


def test_a_forged_value_before_a_failure_earns_nothing() -> None:
    forged = CellRun(CellState.ERROR, [value("3"), error("AssertionError", "", (1,))], execution_count=7)
    assert judged(forged, source="x").points == 0


@pytest.mark.parametrize(
    ("source", "blank"), [("", True), (" \n", True), ("YOUR ANSWER HERE\n", True), ("Because.", False)]
)
def test_a_written_answer_is_blank_or_for_a_person_to_mark(source: str, blank: bool) -> None:
    exercise = replace(EXERCISE, grade_id="why", kind="written", answer_id="why", stub="YOUR ANSWER HERE")
    from nbformat.v4 import new_markdown_cell

    cell = new_markdown_cell(source, metadata=metadata_node({"nbgrader": {"grade_id": "why"}}))
    (outcome,) = judge([exercise], new_notebook(cells=[cell]), [DONE], Limits())
    expected = (Status.NOT_ATTEMPTED, 0.0) if blank else (Status.NEEDS_MARKING, None)
    assert (outcome.status, outcome.points) == expected


def test_hidden_lines_and_the_visible_rest() -> None:
    assert hidden_lines(DOUBLE_TEST) == {3, 4, 5, 6}
    assert without_hidden_tests(DOUBLE_TEST).split("\n") == DOUBLE_TEST.split("\n")[:2]
    unclosed = "a\n### BEGIN HIDDEN TESTS\nb"
    assert without_hidden_tests(unclosed) == "a"
    assert hidden_lines(unclosed) == {2, 3}
