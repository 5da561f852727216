"""A learner's own report: the visible checks of a notebook, run where it lies, in seconds.

It needs the released notebook and nothing else: no course directory, no gradebook, no hidden test. The
notebook is the learner's own, so it is run as it is, its demo cells aside.
"""

from __future__ import annotations

import ast
import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from .course_tree import Exercise, earns_points, find_exercises, grade_id, has_tag, is_answer, nbgrader_metadata
from .engine import CellRun, Limits
from .intake import UnreadableNotebookError, parse_notebook, read_bytes
from .learner_process import run_cells
from .outcomes import Outcome, Status, judge, stub_messages
from .split.interface import bound_names, read_names
from .split.plan import PlannedCell

if TYPE_CHECKING:
    from nbformat import NotebookNode

_HINT = re.compile(r"<details>\s*<summary>(.*?)</summary>(.*?)</details>", re.DOTALL)
_HINT_LABEL = re.compile(r"^Hint \d+:\s*")
_PLAIN_FORMULA = re.compile(r"\$([^$\\]+)\$")
_EXERCISE_HEADING: Final = re.compile(r"^#{1,6}\s*Exercise\b", re.IGNORECASE | re.MULTILINE)
_BINDING: Final = (ast.Assign, ast.AnnAssign, ast.FunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)
_UNWRITTEN: Final = re.compile(r"^\s*raise NotImplementedError\b", re.MULTILINE)


@dataclass(frozen=True)
class Hint:
    """One of the hints that stand folded under an exercise: its label, such as ``the concept``, and its text."""

    label: str
    text: str


@dataclass(frozen=True)
class CheckedExercise:
    """One exercise, what its visible checks say, and the hints under it, in order."""

    exercise: Exercise
    outcome: Outcome
    hints: tuple[Hint, ...] = ()

    @property
    def attempted(self) -> bool:
        """Whether the learner has begun it."""
        return self.outcome.status is not Status.NOT_ATTEMPTED

    @property
    def needs_work(self) -> bool:
        """Whether it was begun and does not pass yet."""
        return self.outcome.status not in (Status.NOT_ATTEMPTED, Status.PASSED, Status.NEEDS_MARKING)


@dataclass(frozen=True)
class _Cell:
    """A cell with the attributes that nbformat's have, which takes longer to import than everything here to run."""

    cell_type: str
    source: str
    metadata: Mapping[str, Any]


@dataclass(frozen=True)
class _Notebook:
    cells: Sequence[_Cell]


def check_notebook(path: Path, limits: Limits | None = None) -> list[CheckedExercise]:
    """Run a notebook's visible checks.

    Args:
        path: a released notebook, with or without answers.
        limits: the time it may take.
    Returns:
        One entry an exercise, in order.
    Raises:
        UnreadableNotebookError: if it is no notebook, or holds no exercise.
        EngineError: if Python cannot be started to run it.
    """
    limits = limits or Limits()
    notebook = _read(path)
    try:
        exercises = _exercises_of(notebook)
    except (KeyError, ValueError, AttributeError, TypeError) as error:
        raise UnreadableNotebookError(f"the notebook is damaged ({error}): take a fresh copy of the lesson") from error
    if not exercises:
        raise UnreadableNotebookError("there is no exercise in it: name one of the lessons under notebooks/")
    runs: list[CellRun] = run_cells(_planned(notebook, exercises), path.resolve().parent, limits)
    hints = _hints_of(notebook)
    outcomes = judge(exercises, notebook, runs, limits)
    return [
        CheckedExercise(exercise, outcome, hints.get(exercise.grade_id, ()))
        for exercise, outcome in zip(exercises, outcomes, strict=True)
    ]


def _read(path: Path) -> NotebookNode:
    content = read_bytes(path)
    parsed = parse_notebook(content)
    document = json.loads(content.decode(json.detect_encoding(content)).removeprefix("\ufeff"))
    # nbformat 3 keeps its cells in worksheets.
    raw = document.get("cells") or [cell for sheet in document["worksheets"] for cell in sheet.get("cells", [])]
    cells = [_Cell(cell.kind, cell.source, _metadata(given)) for cell, given in zip(parsed, raw, strict=True)]
    return cast("NotebookNode", _Notebook(cells))


def _metadata(cell: Mapping[str, Any]) -> dict[str, Any]:
    found = cell.get("metadata")
    metadata = dict(found) if isinstance(found, dict) else {}
    if not isinstance(metadata.get("tags"), list):
        metadata["tags"] = []
    return metadata


def _exercises_of(notebook: NotebookNode) -> list[Exercise]:
    answers = {key: cell for cell in notebook.cells if is_answer(cell) and (key := grade_id(cell)) is not None}
    found = find_exercises(notebook, answers)
    return [replace(one, stub=_stub(answers[one.answer_id]) if one.answer_id in answers else "") for one in found]


def _stub(answer: NotebookNode) -> str:
    """Return what was released in an answer cell, as far as the cell itself still tells."""
    if nbgrader_metadata(answer).get("checksum") == checksum(answer):
        return str(answer.source)
    return "\n".join(line for line in answer.source.split("\n") if stub_messages(line))


def checksum(cell: NotebookNode) -> str:
    """Return the checksum by which nbgrader knows a cell as it was released."""
    marked = nbgrader_metadata(cell)
    is_graded, is_solution = bool(marked.get("grade", False)), bool(marked.get("solution", False))
    is_locked = not is_solution and (is_graded or bool(marked.get("locked", False)))
    flags = [str(flag) for flag in (is_graded, is_solution, is_locked)]
    parts = [cell.source, cell.cell_type, *flags, str(marked["grade_id"])]
    if is_graded:
        parts.append(str(float(str(marked["points"]))))
    return hashlib.md5("".join(parts).encode(), usedforsecurity=False).hexdigest()


def _planned(notebook: NotebookNode, exercises: Sequence[Exercise]) -> list[PlannedCell]:
    """Give every cell its role. A test of an answer that is not begun is skipped where no later cell builds on it.

    Nothing can be said of such an answer but that it is not begun, and what its test alone imports takes seconds.
    """
    untouched = {one.grade_id for one in exercises if _is_untouched(notebook, one)}
    needed: set[str] | None = set()
    planned = []
    for cell in reversed(notebook.cells):
        one = _plan(cell)
        if (
            one.role == "test"
            and one.key in untouched
            and needed is not None
            and needed.isdisjoint(bound_names(one.source))
        ):
            one = replace(one, role="skipped")
        if one.role not in ("text", "skipped") and needed is not None:
            more = _names_needed(one.source)
            needed = None if more is None else needed | more
        planned.append(one)
    return planned[::-1]


def _plan(cell: NotebookNode) -> PlannedCell:
    key = grade_id(cell) or ""
    if cell.cell_type != "code" or not cell.source.strip():
        return PlannedCell("text", cell.source, key)
    if has_tag(cell, "demo") or has_tag(cell, "skip-execution"):
        return PlannedCell("skipped", cell.source, key)
    if is_answer(cell):
        return PlannedCell("answer", cell.source, key)
    return PlannedCell("test" if earns_points(cell) else "given", cell.source, key)


def _is_untouched(notebook: NotebookNode, exercise: Exercise) -> bool:
    """Say whether an answer stands as it was released and does nothing but say that it is not written."""
    answer = next((cell for cell in notebook.cells if grade_id(cell) == exercise.answer_id), None)
    return (
        answer is not None
        and _UNWRITTEN.search(answer.source) is not None
        and nbgrader_metadata(answer).get("checksum") == checksum(answer)
    )


def _names_needed(source: str) -> set[str] | None:
    """Return the names that a cell may read before it binds them, or ``None`` where that cannot be told."""
    try:
        statements = ast.parse(source).body
    except (SyntaxError, ValueError, RecursionError):
        return None
    needed: set[str] = set()
    bound: set[str] = set()
    for statement in statements:
        text = ast.unparse(statement)
        needed |= (read_names(text) | _names_changed(statement)) - bound
        if isinstance(statement, _BINDING):
            bound.update(bound_names(text))
    return needed


def _names_changed(statement: ast.stmt) -> set[str]:
    """Return the names that are read in order to be bound again, as by ``total += 1``."""
    changes = (node.target for node in ast.walk(statement) if isinstance(node, ast.AugAssign))
    return {target.id for target in changes if isinstance(target, ast.Name)}


def _hints_of(notebook: NotebookNode) -> dict[str, tuple[Hint, ...]]:
    """Return the hints between each exercise's heading and the cell that earns its points, by grade id."""
    found: dict[str, tuple[Hint, ...]] = {}
    hints: list[Hint] = []
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            if _EXERCISE_HEADING.search(cell.source):
                hints = []
            hints += _hints_in(cell.source)
        if earns_points(cell) and (key := grade_id(cell)) is not None:
            found[key] = tuple(hints)
    return found


def _hints_in(source: str) -> Iterator[Hint]:
    for summary, text in _HINT.findall(source):
        if _HINT_LABEL.match(summary.strip()):
            yield Hint(_HINT_LABEL.sub("", summary.strip()), _for_a_terminal(text))


def _for_a_terminal(markdown: str) -> str:
    """Return a hint's text as paragraphs to be wrapped, without the marks that a terminal cannot show."""
    paragraphs = re.split(r"\n\s*\n", _PLAIN_FORMULA.sub(r"\1", markdown.strip()).replace("**", ""))
    return "\n".join(paragraph if "```" in paragraph else " ".join(paragraph.split()) for paragraph in paragraphs)
