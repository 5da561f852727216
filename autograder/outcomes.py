"""Why each exercise got its points: one status, one message for the student, one note for the marker.

The message for the student never carries anything of a hidden test: neither its text, nor a value it
compares with, nor the line at which it stopped. Where the place of a failure is not certain it counts as hidden.
"""

from __future__ import annotations

import builtins
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from .course_tree import Exercise, grade_id, hidden_lines, is_task
from .engine import CellRun, CellState, Limits
from .rebuild import EXTRA

if TYPE_CHECKING:
    from nbformat import NotebookNode

HIDDEN_CHECK_FAILED = (
    "A hidden check with fresh inputs did not pass. Hidden checks use random signals, odd and very short lengths, "
    "silence, other number types and scales: try your answer on such inputs."
)
FORBIDDEN_CALL = "Your answer calls something that this exercise forbids: its statement names what may not be used."
MAX_MESSAGE_CHARACTERS = 2_000
_MIN_TELLING_LINE = 10

_ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_CHECK_PLACE = re.compile(r"\bline (\d+) of this cell\b")
_TRACEBACK_PLACE = re.compile(r"\bCell In\s?\[(\d+)\], line (\d+)")
_MADE_UP_FILE = re.compile(r"\(\d+\.py, line")
_ADDRESS = re.compile(r"\bat 0x[0-9a-fA-F]{6,}\b")
_NUMPY_SCALAR = re.compile(r"(?:np|numpy)\.\w+\((.*)\)")
_FRAMEWORK_ERRORS = frozenset({"CheckFailed", "LinAlgError"})


class Status(StrEnum):
    """What became of an exercise."""

    PASSED = "passed"
    PARTLY = "partly passed"
    FAILED = "failed"
    NOT_ATTEMPTED = "not attempted"
    NEEDS_MARKING = "needs marking"
    MARKED = "marked"
    ERROR = "error"
    TIMED_OUT = "timed out"
    CRASHED = "crashed"
    OUT_OF_MEMORY = "out of memory"
    REFUSED = "refused"


@dataclass(frozen=True)
class Outcome:
    """The result of one exercise. ``points`` is ``None`` until a person has marked it.

    ``seconds`` is the wall time of its answer and its test, of which ``student_seconds`` were spent in the student's
    code; ``peak_memory_bytes`` the largest memory of the student's process up to the test's end, where it is known.
    """

    exercise: str
    status: Status
    points: float | None
    message: str = ""
    marker_note: str = ""
    seconds: float = 0.0
    student_seconds: float = 0.0
    peak_memory_bytes: int | None = None


def judge(
    exercises: Sequence[Exercise], notebook: NotebookNode, runs: Sequence[CellRun], limits: Limits
) -> list[Outcome]:
    """Give every exercise of an executed notebook its outcome.

    Args:
        exercises: what earns points in it.
        notebook: the rebuilt notebook that was executed.
        runs: what became of each of its cells.
        limits: the limits it ran under, for the messages.
    Returns:
        One outcome an exercise, in order.
    """
    places = {key: index for index, cell in enumerate(notebook.cells) if (key := grade_id(cell)) is not None}
    stubs = {text: exercise for exercise in exercises for text in stub_messages(exercise.stub)}
    outcomes = []
    for exercise in exercises:
        if exercise.kind == "written":
            outcomes.append(_judge_written(exercise, notebook.cells[places[exercise.grade_id]]))
            continue
        test = runs[places[exercise.grade_id]]
        answer = answer_cells(notebook, exercise.answer_id)
        judged = _judge_tested(
            exercise,
            test,
            [runs[index] for index in answer],
            untouched=bool(answer) and _is_untouched(exercise, [notebook.cells[index].source for index in answer]),
            stubs=stubs,
            limits=limits,
        )
        outcomes.append(_measured(judged, [*(runs[index] for index in answer), test]))
    return outcomes


def _measured(outcome: Outcome, runs: Sequence[CellRun]) -> Outcome:
    """Add what the exercise's cells have used, and make its texts the same for the same submission."""
    peaks = [run.peak_memory_bytes for run in runs if run.peak_memory_bytes is not None]
    return replace(
        outcome,
        message=repeatable(outcome.message),
        marker_note=repeatable(outcome.marker_note),
        seconds=sum(run.seconds for run in runs),
        student_seconds=sum(run.student_seconds for run in runs),
        peak_memory_bytes=max(peaks, default=None),
    )


def repeatable(text: str) -> str:
    """Leave out addresses of objects: they say nothing and differ from run to run."""
    return _ADDRESS.sub("at 0x…", text)


def _judge_written(exercise: Exercise, cell: NotebookNode) -> Outcome:
    # A task's own cell stays as it was given: what a student makes of it stands in cells of their own.
    if not is_task(cell) and is_blank(exercise, cell.source):
        return Outcome(exercise.grade_id, Status.NOT_ATTEMPTED, 0.0, "Nothing was written here.")
    return Outcome(exercise.grade_id, Status.NEEDS_MARKING, None, "This answer is marked by a person.")


def is_blank(exercise: Exercise, source: str) -> bool:
    """Say whether a written answer is empty or still the released text."""
    return source.strip() in ("", exercise.stub.strip())


def answer_cells(notebook: NotebookNode, answer_id: str | None) -> list[int]:
    """Return the indices of an answer cell and of the cells that the student added right after it."""
    first = next((index for index, cell in enumerate(notebook.cells) if grade_id(cell) == answer_id), None)
    if answer_id is None or first is None:
        return []
    end = first + 1
    while end < len(notebook.cells) and notebook.cells[end].metadata.get(EXTRA) == answer_id:
        end += 1
    return list(range(first, end))


def _is_untouched(exercise: Exercise, sources: Sequence[str]) -> bool:
    return all(source.strip() in ("", exercise.stub.strip()) for source in sources)


def _judge_tested(
    exercise: Exercise,
    test: CellRun,
    answer: Sequence[CellRun],
    *,
    untouched: bool,
    stubs: Mapping[str, Exercise],
    limits: Limits,
) -> Outcome:
    def outcome(status: Status, message: str, points: float | None = 0.0, marker_note: str = "") -> Outcome:
        return Outcome(exercise.grade_id, status, points, message, marker_note)

    test_error = _error_of(test)
    if test.state is CellState.COMPLETED and test_error is None:
        return _judge_completed(exercise, test)
    note = _full_text(test_error) if test_error is not None else ""
    answer_error = next((error for run in answer if (error := _error_of(run)) is not None), None)
    name = test_error["ename"] if test_error is not None else ""
    text = plain_text(test_error["evalue"]) if test_error is not None else ""
    states = {run.state for run in (*answer, test)}
    if CellState.OUT_OF_MEMORY in states or "MemoryError" in (name, (answer_error or {}).get("ename")):
        return outcome(Status.OUT_OF_MEMORY, "Your answer asked for more memory than there is.", marker_note=note)
    if CellState.TIMED_OUT in states:
        message = f"Your answer was stopped after {limits.cell_seconds:g} s: is there a loop that never ends?"
        return outcome(Status.TIMED_OUT, message, marker_note=note)
    if CellState.CRASHED in states:
        message = "Your answer ended the Python process (a crash, or a call such as exit())."
        return outcome(Status.CRASHED, message, marker_note=note)
    if test.state is CellState.REFUSED:
        return outcome(Status.REFUSED, _limited(text or FORBIDDEN_CALL), marker_note=note)
    if name == "ForbiddenCallError":
        # Raised while the answer ran: a class of the student's may have this name, and a hidden input in its text.
        visible = test_error is not None and failed_in_visible_part(
            exercise.test_source, test_error, test.execution_count
        )
        return outcome(Status.REFUSED, _limited(text) if visible and text else FORBIDDEN_CALL, marker_note=note)
    if untouched:
        return outcome(Status.NOT_ATTEMPTED, "The answer cell is as it was given.", marker_note=note)
    if CellState.NOT_RUN in states:
        message = f"The notebook had used up its {limits.total_seconds:g} s before this exercise could be checked."
        return outcome(Status.TIMED_OUT, message)
    if name == "NotImplementedError" and (stub_of := stubs.get(text)) is not None:
        if stub_of == exercise:
            message = "The line `raise NotImplementedError` is still reached: remove it once your answer is written."
            return outcome(Status.NOT_ATTEMPTED, message, marker_note=note)
        message = f"Your answer needs “{stub_of.title}”, which is not written yet."
        return outcome(Status.FAILED, message, marker_note=note)
    if answer_error is not None and (name == "NameError" or answer_error["ename"] in _SYNTAX_ERRORS):
        message = f"Your answer cell stopped with {_MADE_UP_FILE.sub('(line', _short(answer_error))}"
        return outcome(Status.ERROR, _limited(message), marker_note=_full_text(answer_error))
    status = Status.REFUSED if _is_refusal(name, text) else Status.FAILED
    return outcome(status, _message_for_student(exercise, test, test_error), marker_note=note)


_SYNTAX_ERRORS = frozenset({"SyntaxError", "IndentationError", "TabError"})


def _judge_completed(exercise: Exercise, test: CellRun) -> Outcome:
    """Judge a test cell that ran to its end: full points, or the partial score that is its value."""
    key, most = exercise.grade_id, exercise.max_points
    results = [output for output in test.outputs if output["output_type"] == "execute_result"]
    if not results:
        return Outcome(key, Status.PASSED, most, "All checks passed.")
    shown = str(results[-1]["data"].get("text/plain", ""))
    points = partial_score(shown, most)
    if points is None:
        note = f"the test cell's value {shown:.80} is not a number from 0 to {most:g}: mark this exercise by hand"
        return Outcome(key, Status.NEEDS_MARKING, None, "This answer is marked by a person.", note)
    if points == most:
        return Outcome(key, Status.PASSED, points, "All checks passed.")
    status = Status.PARTLY if points > 0 else Status.FAILED
    return Outcome(key, status, points, f"The checks gave {points:g} of {most:g} points.")


def partial_score(shown: str, most: float) -> float | None:
    """Read a test cell's value as a score, or return ``None`` where it is none.

    ``np.float64(0.5)`` is a number to an honest author; NaN, infinity, a negative or an excessive score is
    nothing that may earn points.
    """
    text = shown.strip()
    if match := _NUMPY_SCALAR.fullmatch(text):
        text = match[1]
    try:
        points = float(text)
    except ValueError:
        return None
    return points if math.isfinite(points) and 0 <= points <= most else None


def _message_for_student(exercise: Exercise, test: CellRun, error: Mapping[str, Any] | None) -> str:
    if error is None:
        return HIDDEN_CHECK_FAILED
    if not failed_in_visible_part(exercise.test_source, error, test.execution_count):
        return f"{HIDDEN_CHECK_FAILED} It stopped with {_kind(error['ename'])}."
    if error["ename"] in _FRAMEWORK_ERRORS:
        return _limited(plain_text(error["evalue"]))
    return _limited(_short(error))


def failed_in_visible_part(test_source: str, error: Mapping[str, Any], execution_count: int | None) -> bool:
    """Say whether a failure certainly lies in the part of a test cell that students see.

    ``CheckFailed`` gives "line N of this cell", an ordinary traceback "Cell In[n], line N"; every line of the
    test cell that is named must be a visible one, and no line of the hidden part may be quoted.
    """
    hidden = hidden_lines(test_source)
    if not hidden:
        return True
    text = _full_text(error)
    lines = {int(line) for line in _CHECK_PLACE.findall(text)}
    lines |= {int(line) for count, line in _TRACEBACK_PLACE.findall(text) if int(count) == execution_count}
    if not lines or lines & hidden:
        return False
    source = test_source.split("\n")
    visible = {line.strip() for number, line in enumerate(source, start=1) if number not in hidden}
    quotable = {source[number - 1].strip() for number in hidden} - visible
    shown = plain_text(error["evalue"])
    return not any(line in shown for line in quotable if len(line) >= _MIN_TELLING_LINE)


def _kind(name: str) -> str:
    """Name the kind of an exception; the name of a class that the student wrote could carry anything."""
    found = getattr(builtins, name, None)
    is_builtin = isinstance(found, type) and issubclass(found, BaseException)
    if name == "CheckFailed":
        return "a failed comparison"
    if not is_builtin and name not in _FRAMEWORK_ERRORS:
        return "an exception"
    return f"{'an' if name[0] in 'AEIOU' else 'a'} {name}"


def _is_refusal(name: str, text: str) -> bool:
    return name == "CheckFailed" and "this exercise forbids" in text


def stub_messages(stub: str) -> list[str]:
    """Return the texts with which a released stub raises ``NotImplementedError``."""
    return [match[2] for match in re.finditer(r"raise NotImplementedError\(\s*(['\"])(.*?)\1\s*\)", stub)]


def _error_of(run: CellRun) -> Mapping[str, Any] | None:
    errors = [output for output in run.outputs if output["output_type"] == "error"]
    return errors[-1] if errors else None


def _short(error: Mapping[str, Any]) -> str:
    text = plain_text(error["evalue"]).strip()
    return f"{error['ename']}: {text}" if text else str(error["ename"])


def _full_text(error: Mapping[str, Any]) -> str:
    return plain_text("\n".join([_short(error), *error["traceback"]]))


def _limited(text: str) -> str:
    return text if len(text) <= MAX_MESSAGE_CHARACTERS else text[:MAX_MESSAGE_CHARACTERS] + " …"


def plain_text(text: str) -> str:
    """Return text without terminal colours, control characters and direction overrides."""
    return _CONTROL.sub("", _ANSI.sub("", text))
