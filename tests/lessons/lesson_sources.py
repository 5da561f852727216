"""The lessons under test, read once a run."""

from __future__ import annotations

from functools import cache
from pathlib import Path

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
