"""The lessons under test, read once a run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt

from autograder.exercise_runner import ExerciseRunner
from autograder.project import Project
from autograder.source import Lesson, read_lesson

PROJECT = Project.find(Path(__file__).parent)
ANSWERS = Path(__file__).parent / "answers"
LESSON_NAMES = tuple(path.stem for path in PROJECT.lesson_sources())


@cache
def lesson(name: str) -> Lesson:
    """Return one lesson."""
    return read_lesson(PROJECT.solutions / f"{name}.py")


@cache
def runner(name: str) -> ExerciseRunner:
    """Return one lesson's runner, whose set-up cells run once."""
    return ExerciseRunner(lesson(name))


@contextmanager
def names_after(name: str, marks: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Run the one code cell of a lesson that holds each mark, in the marks' order; give the names that they bind."""
    namespace: dict[str, Any] = {}
    with plt.rc_context({"backend": "agg"}):
        for mark in marks:
            (source,) = [cell.source for cell in lesson(name).cells if cell.is_code and mark in cell.source]
            exec(compile(source, name, "exec"), namespace)
        yield namespace
        plt.close("all")


def n_pictures(box: Any) -> int:
    """Move the slider of a figure through all its options, and count the different pictures."""
    slider, image = box.children
    pictures = set()
    for option in slider.options:
        slider.value = option
        pictures.add(bytes(image.value))
    return len(pictures)
