"""Grading a class: rebuild, execute, judge, keep the verdict, enter the marks.

Workers take submissions side by side up to their signed verdicts; one thread, the caller's, enters the marks. One
bad submission becomes a ``Problem`` and touches nothing else.

The work can be killed at any moment and goes on with the same command, because each step leaves a whole state: the
executed notebook is written, then the verdict, which holds its hash, then the marks in one transaction. What has a
verdict for exactly its present state is not run again, and the gradebook itself tells whether it has been entered.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from queue import SimpleQueue

from .booking import Booked, Booking, GradebookWriter, open_gradebook, read_timestamp
from .course_lock import course_lock
from .course_tree import CourseTree, Lesson
from .engine import Engine, EngineError, Job, LessonRefusedError, Limits
from .executed import executed_notebook, unanswered
from .files import file_hash, remove_leftovers, write_atomically
from .gradebook import GradebookError, register_lesson
from .intake import Problem, Submission
from .keys import GradingKey, load_key
from .notebook_files import kept_notebook_bytes
from .outcomes import judge
from .rebuild import rebuild
from .verdicts import (
    Change,
    KeptVerdict,
    Standing,
    Verdict,
    changes,
    fingerprints,
    load_verdict,
    make_verdict,
    save_problems,
    save_verdict,
)


@dataclass
class GradingRun:
    """What one run of grading did. ``booked`` had a verdict already that only needed to be entered."""

    graded: list[Verdict] = field(default_factory=list)
    booked: list[Verdict] = field(default_factory=list)
    unchanged: list[Verdict] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    seconds: float = 0.0


def grade_class(
    course: CourseTree,
    submissions: Sequence[Submission],
    engine: Engine,
    *,
    db_url: str,
    key: GradingKey | None = None,
    problems: Sequence[Problem] = (),
    jobs: int = 1,
    limits: Limits | None = None,
    regrade: bool = False,
    on_done: Callable[[str], None] = lambda _student: None,
) -> GradingRun:
    """Grade submissions and write executed notebooks, verdicts and marks into the course.

    Args:
        course: the course; ``autograded/``, ``verdicts/`` and ``submitted/`` are written in it.
        submissions: what ``intake.collect`` found.
        engine: what executes them.
        db_url: address of the gradebook.
        key: the course's key; without one it is read from the course, or made there.
        problems: what ``intake.collect`` could not read; kept for the reports.
        jobs: how many submissions are executed at once; the marks do not depend on it.
        limits: what one submission may use.
        regrade: run again also what has not changed.
        on_done: called with a student's id when one submission is done.
    Returns:
        What was graded, what was unchanged, what could not be graded and whose points changed.
    Raises:
        GradebookError: if the gradebook cannot be used at all.
        CourseBusyError: if another run is grading this course.
        EngineError: if the engine can run nothing at all.
        GradingKeyError: if the course's key cannot be used.
    """
    started = time.monotonic()
    key = key or load_key(course.root)
    with course_lock(course.root), _scratch(course) as scratch:
        for folder in (course.verdicts, course.autograded, course.submitted):
            remove_leftovers(folder)
        lessons = sorted({one.lesson for one in submissions}, key=str)
        for lesson in lessons:
            register_lesson(lesson, rebuild(lesson, ()), db_url)
        with open_gradebook(db_url, course.config.settings) as gradebook, _regrading(course, regrade) as since:
            booked = gradebook.booked(lessons)
            work = _Work(course, engine, key, limits or Limits(), scratch, gradebook, booked, since)
            run = work.do(submissions, problems, jobs, on_done)
    run.seconds = time.monotonic() - started
    return run


@contextlib.contextmanager
def _scratch(course: CourseTree) -> Iterator[Path]:
    """Give the run a temporary folder, and remove those of runs of this course that were killed."""
    name = f"grading-{hashlib.sha256(os.fsencode(course.root)).hexdigest()[:12]}-"
    for left in Path(tempfile.gettempdir()).glob(f"{name}*"):
        if not left.is_symlink() and (os.name != "posix" or left.stat().st_uid == os.getuid()):
            shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=name, ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@contextlib.contextmanager
def _regrading(course: CourseTree, regrade: bool) -> Iterator[str | None]:
    """Yield the time before which verdicts are to be made anew: that of the regrading which a kill interrupted."""
    mark = course.verdicts / ".regrading"
    if not regrade:
        mark.unlink(missing_ok=True)
        yield None
        return
    if not mark.is_file():
        write_atomically(mark, datetime.now(UTC).isoformat(timespec="milliseconds").encode(), durable=True)
    yield mark.read_text(encoding="ascii")
    mark.unlink(missing_ok=True)


@dataclass
class _Work:
    """One run over a class."""

    course: CourseTree
    engine: Engine
    key: GradingKey
    limits: Limits
    scratch: Path
    gradebook: GradebookWriter
    booked: dict[tuple[str, str, str], Booked]
    regrade_since: str | None
    run: GradingRun = field(default_factory=GradingRun)
    handed_in: set[tuple[str, Lesson]] = field(default_factory=set)
    unread: set[tuple[str, str]] = field(default_factory=set)

    def do(
        self,
        submissions: Sequence[Submission],
        problems: Sequence[Problem],
        jobs: int,
        on_done: Callable[[str], None],
    ) -> GradingRun:
        run = self.run
        run.problems.extend(problems)
        self.handed_in = {(one.student, one.lesson) for one in submissions}
        self.unread = {(one.student, one.lesson) for one in problems}
        due: list[tuple[Submission, KeptVerdict]] = []
        to_book: list[tuple[Submission, Verdict]] = []
        for submission in self._one_each(submissions):
            with self._problems_of(submission):
                kept = load_verdict(self.course, submission.student, submission.lesson, self.key)
                verdict = kept.believed
                if verdict is None or not self._is_current(submission, verdict):
                    due.append((submission, kept))
                    continue
                if self._is_booked(submission, verdict):
                    run.unchanged.append(verdict)
                else:
                    to_book.append((submission, verdict))
            on_done(submission.student)
        self._book(to_book, run.booked)
        due = self._gradable(due)
        with ThreadPoolExecutor(max_workers=max(1, jobs), thread_name_prefix="grade") as pool:
            finished: SimpleQueue[Future[Verdict]] = SimpleQueue()
            running = {pool.submit(self._grade, submission): (submission, kept) for submission, kept in due}
            for future in running:
                future.add_done_callback(finished.put)
            n_left = len(running)
            try:
                while n_left:
                    # Whatever is ready by now shares one transaction, so that a slow disk holds nobody up.
                    ready = [finished.get()]
                    while not finished.empty():
                        ready.append(finished.get())
                    n_left -= len(ready)
                    self._finish([(*running[future], future) for future in ready])
                    for future in ready:
                        on_done(running[future][0].student)
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        run.graded.sort(key=lambda one: (one.student, one.assignment, one.notebook))
        run.changes.sort(key=lambda one: (one.student, one.lesson, one.exercise))
        failed = {(problem.student, problem.lesson) for problem in run.problems}
        seen = [(one.student, str(one.lesson)) for one in submissions if (one.student, str(one.lesson)) not in failed]
        try:
            save_problems(self.course, run.problems, seen)
        except OSError as error:
            reason = f"the list of what could not be graded could not be written ({error})"
            run.problems.append(Problem("", self.course.verdicts, reason))
        return run

    def _one_each(self, submissions: Sequence[Submission]) -> Iterator[Submission]:
        """Yield one submission a student and lesson; two that differ are for a person to choose from."""
        found: dict[tuple[str, Lesson], list[Submission]] = {}
        for one in submissions:
            found.setdefault((one.student, one.lesson), []).append(one)
        for (student, lesson), candidates in found.items():
            if len({one.content for one in candidates}) > 1:
                places = ", ".join(str(one.path) for one in candidates)
                reason = f"different notebooks of lesson {lesson}: {places}. Keep the one that counts."
                self.run.problems.append(Problem(student, candidates[0].path, reason, str(lesson)))
            else:
                yield candidates[0]

    def _gradable(self, due: list[tuple[Submission, KeptVerdict]]) -> list[tuple[Submission, KeptVerdict]]:
        """Make the engine ready, and leave out the lessons that it cannot grade.

        Raises:
            EngineError: if it can run nothing at all.
        """
        lessons = list(dict.fromkeys(submission.lesson for submission, _ in due))
        refused: dict[Lesson, EngineError] = {}
        try:
            if lessons:
                self.engine.prepare(lessons)
        except EngineError as error:
            for lesson in lessons:
                try:
                    self.engine.prepare([lesson])
                except EngineError as its_own:
                    refused[lesson] = its_own
            of_lessons = any(isinstance(one, LessonRefusedError) for one in refused.values())
            if len(refused) == len(lessons) and not of_lessons:
                raise error
        for submission, _ in due:
            if submission.lesson in refused:
                self._problem(submission, str(refused[submission.lesson]))
        return [(submission, kept) for submission, kept in due if submission.lesson not in refused]

    def _is_current(self, submission: Submission, verdict: Verdict) -> bool:
        """Say whether a verdict is of exactly this submission, and need not be made anew."""
        if verdict.fingerprints != fingerprints(submission, self.engine.identity, self.limits, self.key):
            return False
        # The engine may find out more about a lesson while it grades; what it says of all is said from the start.
        if not set(self.engine.warnings) <= set(verdict.warnings):
            return False
        if self.regrade_since is not None and verdict.finished < self.regrade_since:
            return False
        return file_hash(self._executed_path(submission)) == verdict.notebook_sha256

    def _executed_path(self, submission: Submission) -> Path:
        lesson = submission.lesson
        return self.course.autograded_folder(submission.student, lesson.assignment) / f"{lesson.name}.ipynb"

    def _grade(self, submission: Submission) -> Verdict:
        """Take one submission to its verdict; runs beside others."""
        started = time.monotonic()
        lesson = submission.lesson
        notebook = rebuild(lesson, submission.cells)
        with tempfile.TemporaryDirectory(dir=self.scratch, ignore_cleanup_errors=True) as folder:
            lesson.copy_data_files(Path(folder))
            runs = self.engine.run(Job(notebook, Path(folder), self.limits, lesson, submission.student))
        outcomes = judge(lesson.exercises, notebook, runs, self.limits)
        executed = executed_notebook(lesson, notebook, runs, outcomes)
        content = kept_notebook_bytes(executed)
        self._keep(submission)
        write_atomically(self._executed_path(submission), content)
        verdict = make_verdict(
            submission,
            outcomes,
            fingerprints(submission, self.engine.identity, self.limits, self.key),
            unanswered=unanswered(executed),
            warnings=self.engine.warnings,
            notebook=content,
            seconds=time.monotonic() - started,
            student_seconds=sum(one.student_seconds for one in runs),
        )
        save_verdict(self.course, verdict, self.key)
        return verdict

    def _keep(self, submission: Submission) -> None:
        """Keep in the course, as it came, what was handed in elsewhere."""
        if submission.origin or not submission.path.resolve().is_relative_to(self.course.submitted.resolve()):
            folder = self.course.submitted_folder(submission.student, submission.lesson.assignment)
            write_atomically(folder / f"{submission.lesson.name}.ipynb", submission.content)

    def _finish(self, ready: Sequence[tuple[Submission, KeptVerdict, Future[Verdict]]]) -> None:
        """Take over what the workers have made of some submissions."""
        judged: list[tuple[Submission, Verdict]] = []
        for submission, kept, future in ready:
            with self._problems_of(submission):
                verdict = future.result()
                self.run.changes.extend(changes(kept, verdict))
                judged.append((submission, verdict))
        self._book(judged, self.run.graded)

    def _book(self, judged: Sequence[tuple[Submission, Verdict]], done: list[Verdict]) -> None:
        """Enter verdicts into the gradebook, all at once or, where that fails, one by one."""
        bookings: list[tuple[Submission, Verdict, Booking]] = []
        for submission, verdict in judged:
            with self._entering(submission):
                bookings.append((submission, verdict, self._booking(submission, verdict)))
        if len(bookings) > 1:
            # Nothing of a transaction that fails is entered: one by one, it shows whose fault it was.
            with contextlib.suppress(Exception):
                self.gradebook.book([booking for _, _, booking in bookings])
                done.extend(verdict for _, verdict, _ in bookings)
                return
        for submission, verdict, booking in bookings:
            with self._entering(submission):
                self.gradebook.book([booking])
                done.append(verdict)

    @contextlib.contextmanager
    def _entering(self, submission: Submission) -> Iterator[None]:
        with self._problems_of(submission):
            try:
                yield
            except GradebookError as error:
                self._problem(submission, f"graded, but its marks could not be entered. {error}")

    def _is_booked(self, submission: Submission, verdict: Verdict) -> bool:
        """Say whether the gradebook holds a verdict already."""
        before = self.booked.get((verdict.student, verdict.assignment, verdict.notebook))
        if before is None:
            return False
        with contextlib.suppress(GradebookError):
            return before.holds(self._booking(submission, verdict))
        return False

    @contextlib.contextmanager
    def _problems_of(self, submission: Submission) -> Iterator[None]:
        """Turn whatever goes wrong with one submission into its problem, so that the others go on."""
        try:
            yield
        except EngineError as error:
            self._problem(submission, str(error))
        except OSError as error:
            self._problem(
                submission,
                f"a file could not be read or written ({error}); the same command goes on once that is put right",
            )
        except MemoryError:
            self._problem(submission, "the grader had too little memory for this notebook: grade it with fewer --jobs")
        except Exception as error:
            # A defect of the grader that one notebook brings out must not stop the class; it is reported, never hidden.
            self._problem(
                submission, f"the grader failed on this notebook ({type(error).__name__}: {error}); please report it"
            )

    def _booking(self, submission: Submission, verdict: Verdict) -> Booking:
        lesson, student = submission.lesson, submission.student
        folder = self.course.submitted_folder(student, lesson.assignment)
        # As nbgrader does, only what is not there scores nothing; what cannot be read is not yet marked.
        missing = {
            other.name
            for other in self.course.lessons
            if other.assignment == lesson.assignment
            and (student, other) not in self.handed_in
            and not {(student, str(other)), (student, other.assignment)} & self.unread
            and not (folder / f"{other.name}.ipynb").exists()
            and load_verdict(self.course, student, other, self.key).standing is Standing.MISSING
        }
        return Booking(
            lesson,
            student,
            {one.exercise: one.points for one in verdict.outcomes},
            frozenset(verdict.unanswered),
            read_timestamp(folder),
            frozenset(missing),
        )

    def _problem(self, submission: Submission, reason: str) -> None:
        self.run.problems.append(Problem(submission.student, submission.path, reason, str(submission.lesson)))
