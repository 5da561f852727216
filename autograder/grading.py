"""Grading a class: rebuild, execute, judge, record.

Submissions are executed side by side, each in kernels of its own; one thread writes what comes out. One
bad submission becomes a ``Problem`` and touches nothing else.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path

from nbformat import NotebookNode

from .course_tree import CourseTree, Lesson
from .engine import Engine, EngineError, Job, Limits
from .gradebook import GradebookError, executed_notebook, graded_students, register_lesson, save_marks
from .intake import Problem, Submission
from .notebook_files import write_notebook
from .outcomes import Outcome, judge
from .rebuild import rebuild
from .records import Change, Record, changes, fingerprints, load_record, save_problems, save_record


@dataclass
class GradingRun:
    """What one run of grading did."""

    graded: list[Record] = field(default_factory=list)
    unchanged: list[Record] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    seconds: float = 0.0


@dataclass(frozen=True)
class _Executed:
    notebook: NotebookNode
    outcomes: list[Outcome]
    seconds: float


def grade_class(
    course: CourseTree,
    submissions: Sequence[Submission],
    engine: Engine,
    *,
    db_url: str,
    problems: Sequence[Problem] = (),
    jobs: int = 1,
    limits: Limits | None = None,
    regrade: bool = False,
    on_done: Callable[[str], None] = lambda _student: None,
) -> GradingRun:
    """Grade submissions and write marks, executed notebooks and records into the course.

    Args:
        course: the course; ``autograded/``, ``outcomes/`` and ``submitted/`` are written in it.
        submissions: what ``intake.collect`` found.
        engine: what executes them.
        db_url: address of the gradebook.
        problems: what ``intake.collect`` could not read; kept for the reports.
        jobs: how many submissions are executed at once; the marks do not depend on it.
        limits: what one submission may use.
        regrade: run again also what has not changed.
        on_done: called with a student's id when one submission is done.
    Returns:
        What was graded, what was unchanged, what could not be graded and whose points changed.
    Raises:
        GradebookError: if the gradebook cannot be used at all.
    """
    started = time.monotonic()
    limits = limits or Limits()
    run = GradingRun(problems=list(problems))
    lessons = {one.lesson for one in submissions}
    known = {}
    for lesson in sorted(lessons, key=str):
        register_lesson(lesson, rebuild(lesson, ()), db_url)
        known[lesson] = graded_students(lesson, db_url)
    due: list[Submission] = []
    for submission in submissions:
        before = load_record(course, submission.student, submission.lesson)
        current = before is not None and before.fingerprints == fingerprints(submission, engine.identity, limits)
        if before is not None and current and not regrade and submission.student in known[submission.lesson]:
            run.unchanged.append(before)
            on_done(submission.student)
        else:
            due.append(submission)
    with ThreadPoolExecutor(max_workers=max(1, jobs), thread_name_prefix="grade") as pool:
        running: dict[Future[_Executed], Submission] = {pool.submit(_execute, one, engine, limits): one for one in due}
        try:
            for future in as_completed(running):
                _record(course, running[future], future, engine, limits, db_url, run)
                on_done(running[future].student)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    run.graded.sort(key=lambda one: (one.student, one.notebook))
    run.changes.sort(key=lambda one: (one.student, one.lesson, one.exercise))
    failed = {(problem.student, problem.lesson) for problem in run.problems}
    seen = [(one.student, str(one.lesson)) for one in submissions if (one.student, str(one.lesson)) not in failed]
    save_problems(course, run.problems, seen)
    run.seconds = time.monotonic() - started
    return run


def _execute(submission: Submission, engine: Engine, limits: Limits) -> _Executed:
    """Rebuild, execute and judge one submission; runs beside others and writes nothing that is kept."""
    started = time.monotonic()
    lesson = submission.lesson
    notebook = rebuild(lesson, submission.cells)
    with tempfile.TemporaryDirectory(prefix="grading-", ignore_cleanup_errors=True) as folder:
        _copy_data_files(lesson, Path(folder))
        runs = engine.run(Job(notebook, Path(folder), limits, lesson, submission.student))
    outcomes = judge(lesson.exercises, notebook, runs, limits)
    return _Executed(executed_notebook(lesson, notebook, runs, outcomes), outcomes, time.monotonic() - started)


def _copy_data_files(lesson: Lesson, folder: Path) -> None:
    """Give the run the instructor's data files. The student's own files stay out: one could shadow a module."""
    for path in lesson.source_path.parent.rglob("*"):
        if path.is_file() and path.suffix != ".ipynb" and ".ipynb_checkpoints" not in path.parts:
            target = folder / path.relative_to(lesson.source_path.parent)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)


def _record(
    course: CourseTree,
    submission: Submission,
    future: Future[_Executed],
    engine: Engine,
    limits: Limits,
    db_url: str,
    run: GradingRun,
) -> None:
    """Keep one result: the notebook, then the marks, and last the record that says both are there."""
    lesson, student = submission.lesson, submission.student

    def problem(reason: str) -> None:
        run.problems.append(Problem(student, submission.path, reason, str(lesson)))

    try:
        executed = future.result()
        folder = course.submitted / student / lesson.assignment
        if not submission.path.resolve().is_relative_to(course.submitted.resolve()):
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{lesson.name}.ipynb").write_bytes(submission.content)
        write_notebook(executed.notebook, course.autograded / student / lesson.assignment / f"{lesson.name}.ipynb")
        missing = [
            other
            for other in course.lessons
            if other.assignment == lesson.assignment and other != lesson and load_record(course, student, other) is None
        ]
        save_marks(lesson, student, executed.notebook, executed.outcomes, db_url, folder, missing)
        before = load_record(course, student, lesson)
        record = Record(
            student,
            lesson.assignment,
            lesson.name,
            tuple(executed.outcomes),
            fingerprints(submission, engine.identity, limits),
            submission.notes,
            executed.seconds,
        )
        save_record(course, record)
    except (EngineError, GradebookError) as error:
        problem(str(error))
    except OSError as error:
        problem(f"a file could not be written ({error}); the same command goes on once that is put right")
    except Exception as error:
        # A defect of the grader that one notebook brings out must not stop the class; it is reported, never hidden.
        problem(f"the grader failed on this notebook ({type(error).__name__}: {error}); please report it")
    else:
        run.graded.append(record)
        run.changes.extend(changes(before, record) if before is not None else [])
