"""A grading run in a process of its own, which a test can kill; it writes down every submission that it runs."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from autograder import files, grading
from autograder.booking import GradebookWriter
from autograder.course_tree import CourseTree, Lesson
from autograder.engine import CellRun, CellState, Job, Limits
from autograder.grading import GradingRun, grade_class
from autograder.intake import collect

LIMITS = Limits(cell_seconds=2, total_seconds=60)
STAGES = ["notebook", "verdict", "entering", "entered"]
"""Where a run can be made to stand still: after that file, before the transaction ends, and after it."""


class JournalEngine:
    """Passes every test whose answer is right, after a moment, and writes the student's name into a file."""

    identity = "journal/1"
    warnings: tuple[str, ...] = ()

    def __init__(self, journal: Path, seconds: float = 0.01) -> None:
        self.journal = journal
        self.seconds = seconds

    def prepare(self, _lessons: Sequence[Lesson]) -> None:
        """It needs nothing."""

    def close(self) -> None:
        """It keeps nothing."""

    def run(self, job: Job) -> list[CellRun]:
        descriptor = os.open(self.journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(descriptor, f"{job.student}\n".encode())
        os.close(descriptor)
        time.sleep(self.seconds)
        wrong = any("wrong" in cell.source for cell in job.notebook.cells)
        return [CellRun(CellState.TIMED_OUT if wrong else CellState.COMPLETED) for _ in job.notebook.cells]


def grade(root: Path, journal: Path, **options: Any) -> GradingRun:
    """Grade a course's own submissions."""
    course = CourseTree.open(root)
    found, problems = collect([course.submitted], course)
    engine = JournalEngine(journal)
    return grade_class(
        course,
        found,
        engine,
        db_url=course.default_database,
        problems=problems,
        limits=LIMITS,
        **{"jobs": 2, **options},
    )


def grade_and_stand_still(root: Path, journal: Path, stage: str, count: int, reached: Path) -> None:
    """Grade until a stage has been reached for the ``count``-th time, say so with a file, and wait to be killed."""
    left = [count]

    def pause(here: str) -> None:
        if here == stage:
            left[0] -= 1
            if left[0] == 0:
                reached.touch()
                time.sleep(60)

    write, save, enter = files.write_atomically, grading.save_verdict, GradebookWriter._book
    book = GradebookWriter.book

    def write_and_pause(path: Path, content: bytes, **options: Any) -> bool:
        written = write(path, content, **options)
        pause("notebook")
        return written

    def save_and_pause(*arguments: Any) -> None:
        save(*arguments)
        pause("verdict")

    def enter_and_pause(*arguments: Any) -> None:
        enter(*arguments)
        pause("entering")

    def book_and_pause(*arguments: Any) -> None:
        book(*arguments)
        pause("entered")

    grading.write_atomically = write_and_pause  # type: ignore[attr-defined]
    grading.save_verdict = save_and_pause  # type: ignore[attr-defined]
    GradebookWriter._book = enter_and_pause  # type: ignore[method-assign]
    GradebookWriter.book = book_and_pause  # type: ignore[method-assign]
    grade(root, journal)
