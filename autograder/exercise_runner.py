"""Running an answer against its tests in this process, quickly and often, for tests of the hidden tests.

It trusts the code it runs: use it for a course's own answers, never for submissions.
"""

from __future__ import annotations

import builtins
import contextlib
import copy
import io
import linecache
import traceback
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np

from autograder.cells import plain_python
from autograder.source import Exercise, Lesson

_DISPLAY_MAGICS: Final = ("matplotlib", "config", "load_ext")
"""Line magics that only change how results are shown, and so change no mark."""

_COPIED: Final = (np.ndarray, np.random.Generator, list, dict, set, bytearray)
"""Values that an answer could change for the next one; each run gets its own."""


@dataclass(frozen=True)
class Outcome:
    """What became of one answer."""

    passed: bool
    stage: Literal["passed", "answer", "given", "test"]
    """Where it stopped: in the answer cell, in a given cell after it, or in the test cell."""
    error: BaseException | None
    line: int | None
    """Line of the cell at which it stopped."""
    printed: str
    n_visible_lines: int = 0
    """Lines of the test cell before the first hidden test."""

    @property
    def hidden(self) -> bool:
        """Whether it got past every visible test and failed a hidden one."""
        return self.stage == "test" and self.line is not None and self.line > self.n_visible_lines

    @property
    def message(self) -> str:
        """The error's type and text."""
        return "passed" if self.error is None else f"{type(self.error).__name__}: {self.error}"


class ExerciseRunner:
    """Runs answers to one lesson; what stands before an exercise is run once and kept."""

    def __init__(self, lesson: Lesson) -> None:
        """Prepare a lesson without running anything."""
        self.lesson = lesson
        self._setups: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {}

    def run(self, key: str, answer: str | None = None) -> Outcome:
        """Run one answer and its whole test cell, hidden tests included.

        Args:
            key: of the exercise.
            answer: source of the answer cell; ``None`` runs the reference solution.
        Returns:
            The outcome. An error in the answer is an outcome, an error in what stands before it is raised.
        """
        exercise = self.lesson.exercise(key)
        namespace = self._namespace(exercise)
        cells: list[tuple[Literal["answer", "given", "test"], str, str]] = [
            ("answer", key, exercise.answer if answer is None else answer)
        ]
        for cell in self.lesson.cells[exercise.answer_index + 1 : exercise.test_index]:
            if cell.is_code and not cell.is_demo and not cell.key:
                cells.append(("given", f"cell{cell.index}", cell.source))
        cells.append(("test", exercise.test_id, exercise.test))
        printed = io.StringIO()
        for stage, name, source in cells:
            error, line = _execute(source, f"<{self.lesson.name} {name}>", namespace, printed)
            if error is not None:
                return Outcome(False, stage, error, line, printed.getvalue(), _n_visible_lines(exercise))
        return Outcome(True, "passed", None, None, printed.getvalue())

    def _namespace(self, exercise: Exercise) -> dict[str, Any]:
        """Return the names that stand before an exercise, as they were when its setup had just run.

        It is the same dictionary every time, because functions of the setup look their globals up in it.
        """
        if exercise.key not in self._setups:
            namespace = self._run_setup(exercise)
            self._setups[exercise.key] = (namespace, {name: _own_copy(value) for name, value in namespace.items()})
        namespace, pristine = self._setups[exercise.key]
        namespace.clear()
        namespace.update({name: _own_copy(value) for name, value in pristine.items()})
        return namespace

    def _run_setup(self, exercise: Exercise) -> dict[str, Any]:
        """Run given cells and the reference answers of earlier exercises, without demos and tests."""
        namespace: dict[str, Any] = {
            "__name__": "__main__",
            "__builtins__": builtins,
            "display": print,
            "get_ipython": _Magics,
        }
        answers = {other.key: other.answer for other in self.lesson.exercises}
        for cell in self.lesson.cells[: exercise.answer_index]:
            if not cell.is_code or cell.is_demo or "test" in cell.keys:
                continue
            name = f"<{self.lesson.name} {cell.key or f'cell{cell.index}'}>"
            error, _ = _execute(answers.get(cell.key, cell.source), name, namespace, io.StringIO())
            if error is not None:
                raise error
        return namespace


class _Magics:
    """Stands for the shell in cells with magics."""

    def run_line_magic(self, name: str, line: str) -> None:
        """Pass over magics of display; refuse others, which could do anything."""
        if name not in _DISPLAY_MAGICS:
            raise RuntimeError(f"%{name} {line}: only {', '.join(_DISPLAY_MAGICS)} may stand outside demo cells")


def _own_copy(value: Any) -> Any:
    return copy.deepcopy(value) if isinstance(value, _COPIED) else value


def _n_visible_lines(exercise: Exercise) -> int:
    """Return how many lines of the test cell stand before the first hidden one."""
    lines = exercise.test.split("\n")
    return next(number for number, line in enumerate(lines) if line.strip() == "### BEGIN HIDDEN TESTS")


def _execute(
    source: str, file_name: str, namespace: dict[str, Any], printed: io.StringIO
) -> tuple[BaseException | None, int | None]:
    """Run a cell and return (error, line of the cell), both ``None`` if it ran through."""
    plain = plain_python(source)
    # Without this, inspect.getsource finds no source of a cell's functions, and check.forbids needs it.
    linecache.cache[file_name] = (len(plain), None, plain.splitlines(keepends=True), file_name)
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        try:
            exec(compile(plain, file_name, "exec"), namespace)
        except SyntaxError as error:
            return error, error.lineno
        except (Exception, SystemExit) as error:
            frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file_name]
            return error, frames[0].lineno if frames else None
    return None, None
