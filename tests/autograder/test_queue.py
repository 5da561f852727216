"""The work survives: a kill at any moment, a full disk, a gradebook that others hold, a second run beside it."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import random
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import grading_child
import pytest
from grading_child import STAGES, grade
from small_course import ALL_RIGHT, LESSON, hand_in, submission, write_course

from autograder import booking, files, grading
from autograder.course_lock import LOCK_NAME, CourseBusyError, course_lock
from autograder.course_tree import CourseTree
from autograder.keys import load_key
from autograder.reports import as_csv, gather
from autograder.verdicts import load_verdict, verdict_files
from autograder.verification import verify_course

STUDENTS = [f"student{number:02d}" for number in range(10)]
JOINS = (
    "join submitted_notebook n on n.id = r.notebook_id join submitted_assignment s on s.id = n.assignment_id "
    "join base_cell c on c.id = r.cell_id"
)
needs_kill = pytest.mark.skipif(os.name != "posix", reason="kill -9 is POSIX's")


@pytest.fixture(scope="module")
def fork() -> Any:
    """Processes that start in milliseconds, because they are forked from one that has imported everything."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["grading_child", "nbgrader.api", "nbgrader.preprocessors"])
    return context


@pytest.fixture(scope="module")
def handed_in(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A course with a class that has handed in, and a key, before any grading."""
    course = write_course(tmp_path_factory.mktemp("handed_in") / "course")
    for number, student in enumerate(STUDENTS):
        answers = {**ALL_RIGHT, "double": "wrong"} if number % 3 == 0 else ALL_RIGHT
        hand_in(course.submitted, student, submission({} if number % 5 == 4 else answers))
    hand_in(course.submitted, "unreadable", b"{}")
    load_key(course.root)
    return course.root


@pytest.fixture
def root(handed_in: Path, tmp_path: Path) -> Path:
    shutil.copytree(handed_in, tmp_path / "course")
    return tmp_path / "course"


@pytest.fixture(scope="module")
def undisturbed(handed_in: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    root = tmp_path_factory.mktemp("undisturbed") / "course"
    shutil.copytree(handed_in, root)
    run = grade(root, root / "journal")
    assert (len(run.graded), len(run.problems)) == (len(STUDENTS), 1)
    return result(root)


def result(root: Path) -> dict[str, Any]:
    """Everything that a grading leaves behind, but for what is measured and the names of rows in the database."""
    course = CourseTree.open(root)
    verdicts = {}
    for path in verdict_files(course):
        found = json.loads(path.read_bytes())
        verdicts[path.relative_to(root).as_posix()] = {**found, "measured": found["measured"]["notebook_sha256"]}
    with sqlite3.connect(root / "gradebook.db") as database:
        rows = [
            sorted(map(repr, database.execute(query)))
            for query in (
                f"select student_id, name, auto_score, manual_score, needs_manual_grade from grade r {JOINS}",
                f"select student_id, name, auto_comment from comment r {JOINS}",
                "select id from student",
                "select student_id, timestamp from submitted_assignment",
                "pragma integrity_check",
            )
        ]
    database.close()
    notebooks = {path.relative_to(root).as_posix(): path.read_bytes() for path in course.autograded.rglob("*.ipynb")}
    leftovers = sorted(str(path) for path in root.rglob("*.partial"))
    return {
        "verdicts": verdicts,
        "gradebook": rows,
        "notebooks": notebooks,
        "marks": as_csv(gather(course, course.default_database)),
        "leftovers": leftovers,
        "differences": verify_course(course, course.default_database, load_key(root)).findings,
    }


def judged(root: Path) -> set[str]:
    """Return who has a verdict that can be believed."""
    course = CourseTree.open(root)
    key = load_key(root)
    return {
        student for student in STUDENTS if load_verdict(course, student, course.lessons[0], key).believed is not None
    }


def finish_and_compare(root: Path, undisturbed: dict[str, Any]) -> None:
    """Give the same command again: nobody with a verdict is run again, and all is as if nothing had happened."""
    done = judged(root)
    journal = root / "journal-after"
    grade(root, journal)
    ran = journal.read_text().split() if journal.exists() else []
    assert sorted(ran) == sorted(set(STUDENTS) - done)
    assert result(root) == undisturbed


def start(fork: Any, target: Callable[..., Any], *arguments: Any) -> BaseProcess:
    process: BaseProcess = fork.Process(target=target, args=arguments)
    process.start()
    return process


def kill(process: BaseProcess) -> None:
    process.kill()
    process.join()


@pytest.fixture(scope="module")
def duration_s(fork: Any, handed_in: Path, tmp_path_factory: pytest.TempPathFactory) -> float:
    """How long an undisturbed run takes in a process of its own."""
    root = tmp_path_factory.mktemp("timed") / "course"
    shutil.copytree(handed_in, root)
    start(fork, grade, root, root / "warm-up").join()
    shutil.rmtree(root)
    shutil.copytree(handed_in, root)
    started = time.monotonic()
    process = start(fork, grade, root, root / "journal")
    process.join()
    assert process.exitcode == 0
    return time.monotonic() - started


@needs_kill
@pytest.mark.slow
@pytest.mark.parametrize("attempt", range(25))
def test_a_run_killed_at_a_random_moment_is_finished_by_the_same_command(
    fork: Any, root: Path, undisturbed: dict[str, Any], duration_s: float, attempt: int
) -> None:
    process = start(fork, grade, root, root / "journal")
    time.sleep(duration_s * random.Random(attempt).uniform(0.05, 1.0))
    kill(process)
    finish_and_compare(root, undisturbed)


@needs_kill
@pytest.mark.slow
def test_a_run_killed_again_and_again_gets_there(
    fork: Any, root: Path, undisturbed: dict[str, Any], duration_s: float
) -> None:
    chance = random.Random(1)
    seen: list[set[str]] = [set()]
    for _ in range(12):
        process = start(fork, grade, root, root / "journal")
        time.sleep(duration_s * chance.uniform(0.3, 0.8))
        kill(process)
        seen.append(judged(root))
        assert seen[-2] <= seen[-1], "a verdict was lost"
    finish_and_compare(root, undisturbed)


@needs_kill
@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("count", [1, 4])
def test_a_run_killed_between_two_steps_is_finished_by_the_same_command(
    fork: Any, root: Path, undisturbed: dict[str, Any], stage: str, count: int
) -> None:
    reached = root.parent / "reached"
    process = start(fork, grading_child.grade_and_stand_still, root, root / "journal", stage, count, reached)
    while process.is_alive() and not reached.exists():
        time.sleep(0.005)
    assert reached.exists(), "the run ended before that step"
    kill(process)
    finish_and_compare(root, undisturbed)


@needs_kill
def test_a_regrading_that_was_killed_goes_on_where_it_was(fork: Any, root: Path) -> None:
    grade(root, root / "first")
    reached = root.parent / "reached"

    regrade = start(fork, regrade_and_stand_still, root, root / "journal", reached)
    while regrade.is_alive() and not reached.exists():
        time.sleep(0.005)
    kill(regrade)
    before = (root / "journal").read_text().split()
    grade(root, root / "second", regrade=True)
    after = (root / "second").read_text().split()
    assert set(before) | set(after) == set(STUDENTS)
    assert len(after) < len(STUDENTS)
    grade(root, root / "third", regrade=True)
    assert len((root / "third").read_text().split()) == len(STUDENTS), "a finished regrading leaves nothing behind"


def regrade_and_stand_still(root: Path, journal: Path, reached: Path) -> None:
    def done(_student: str) -> None:
        if len(journal.read_text().split()) >= 5:
            reached.touch()
            time.sleep(60)

    grade(root, journal, regrade=True, jobs=1, on_done=done)


@pytest.fixture
def course(root: Path) -> CourseTree:
    return CourseTree.open(root)


def test_two_runs_do_not_grade_one_course_at_once(fork: Any, root: Path) -> None:
    reached = root.parent / "reached"
    process = start(fork, grading_child.grade_and_stand_still, root, root / "journal", "verdict", 1, reached)
    while process.is_alive() and not reached.exists():
        time.sleep(0.005)
    try:
        with pytest.raises(CourseBusyError, match=rf"Another run is grading .*process {process.pid} on"):
            grade(root, root / "second")
    finally:
        kill(process)
    assert not (root / "second").exists()
    # The dead process has left its lock file behind, which holds nobody up.
    assert str(process.pid) in (root / LOCK_NAME).read_text()
    assert len(grade(root, root / "third").problems) == 1


def test_the_lock_is_free_after_the_run(root: Path) -> None:
    for _ in range(2):
        with course_lock(root), pytest.raises(CourseBusyError), course_lock(root):
            pass


@pytest.fixture
def held(root: Path) -> Iterator[sqlite3.Connection]:
    """Another program that can take hold of the gradebook."""
    holder = sqlite3.connect(root / "gradebook.db", isolation_level=None, check_same_thread=False)
    yield holder
    holder.close()


def test_a_gradebook_held_by_another_program_costs_no_work(
    root: Path, held: sqlite3.Connection, undisturbed: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(booking, "BUSY_SECONDS", 0.2)
    book = booking.GradebookWriter.book
    times: list[float] = []

    def hold_and_book(self: booking.GradebookWriter, bookings: Any) -> None:
        if not held.in_transaction:
            held.execute("BEGIN EXCLUSIVE")
        started = time.monotonic()
        try:
            book(self, bookings)
        finally:
            times.append(time.monotonic() - started)

    with monkeypatch.context() as patch:
        patch.setattr(booking.GradebookWriter, "book", hold_and_book)
        run = grade(root, root / "journal")
    assert run.graded == []
    reasons = {one.student: one.reason for one in run.problems}
    assert set(reasons) == {*STUDENTS, "unreadable"}
    assert all(f"{words}" in reasons["student03"] for words in ("graded, but", "locked", "close formgrader"))
    assert 0.15 < max(times) < 5
    assert sum(times) < 6, "each submission waited anew"
    held.execute("ROLLBACK")
    run = grade(root, root / "second")
    assert len(run.booked) == len(STUDENTS)
    assert not (root / "second").exists(), "a submission was run again"
    assert result(root) == undisturbed


def test_a_gradebook_that_is_let_go_in_time_is_waited_for(root: Path, held: sqlite3.Connection) -> None:
    import threading

    book = booking.GradebookWriter.book
    waits = threading.Event()

    def hold_and_book(self: booking.GradebookWriter, bookings: Any) -> None:
        if not waits.is_set():
            held.execute("BEGIN EXCLUSIVE")
            waits.set()
            threading.Timer(0.3, lambda: held.execute("ROLLBACK")).start()
        book(self, bookings)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(booking.GradebookWriter, "book", hold_and_book)
        assert len(grade(root, root / "journal").graded) == len(STUDENTS)


def is_full(path: Path) -> OSError:
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))


@pytest.mark.parametrize("part", ["autograded/student03", "verdicts/student03"])
def test_a_full_disk_is_a_message_on_that_submission(
    root: Path, undisturbed: dict[str, Any], monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    replace = os.replace

    def full(source: Any, target: Any) -> None:
        if part in str(target):
            raise is_full(Path(target))
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(files.os, "replace", full)
        run = grade(root, root / "journal")
    (problem,) = [one for one in run.problems if one.student == "student03"]
    assert "No space left on device" in problem.reason
    assert len(run.graded) == len(STUDENTS) - 1
    assert not list(root.rglob("*.partial"))
    finish_and_compare(root, undisturbed)


def test_a_full_disk_under_the_gradebook_is_a_message_on_the_submissions(
    root: Path, undisturbed: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite's own limit on its size gives the error of a full disk."""
    enter = booking.GradebookWriter._book

    def enter_when_full(self: booking.GradebookWriter, connection: Any, one: Any) -> None:
        if one.student == "student03":
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
            connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
            connection.exec_driver_sql("CREATE TABLE filler AS SELECT randomblob(1000000) AS x")
        enter(self, connection, one)

    with monkeypatch.context() as patch:
        patch.setattr(booking.GradebookWriter, "_book", enter_when_full)
        run = grade(root, root / "journal")
    (problem,) = [one for one in run.problems if one.student == "student03"]
    assert "full" in problem.reason
    assert "Make room" in problem.reason
    assert len(run.graded) >= 1
    grade(root, root / "second")
    assert not (root / "second").exists()
    assert result(root) == undisturbed


def test_a_full_disk_for_the_list_of_problems_is_said(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise is_full(root)

    monkeypatch.setattr(grading, "save_problems", full)
    run = grade(root, root / "journal")
    assert len(run.graded) == len(STUDENTS)
    assert any("could not be written" in one.reason for one in run.problems)


def test_a_grader_without_memory_names_the_submission(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_one = grading_child.JournalEngine.run

    def hungry(self: Any, job: Any) -> Any:
        if job.student == "student03":
            raise MemoryError
        return run_one(self, job)

    monkeypatch.setattr(grading_child.JournalEngine, "run", hungry)
    run = grade(root, root / "journal")
    (problem,) = [one for one in run.problems if one.student == "student03"]
    assert "--jobs" in problem.reason
    assert len(run.graded) == len(STUDENTS) - 1


def test_two_notebooks_of_one_student_are_not_graded_against_each_other(course: CourseTree, tmp_path: Path) -> None:
    from autograder.grading import grade_class
    from autograder.intake import collect

    hand_in(tmp_path / "late", "student01", submission({}))
    hand_in(tmp_path / "late", "student02", (course.submitted / "student02" / LESSON / f"{LESSON}.ipynb").read_bytes())
    found = [one for tree in (course.submitted, tmp_path / "late") for one in collect([tree], course)[0]]
    run = grade_class(
        course, found, grading_child.JournalEngine(tmp_path / "journal"), db_url=course.default_database, jobs=2
    )
    assert [(one.student, "different notebooks" in one.reason) for one in run.problems] == [("student01", True)]
    assert len(run.graded) == len(STUDENTS) - 1
    assert (tmp_path / "journal").read_text().split().count("student02") == 1


def test_what_a_killed_run_left_behind_is_removed(root: Path) -> None:
    left = root / "verdicts" / "student01" / LESSON / f".{LESSON}.json.abcd_123.partial"
    left.parent.mkdir(parents=True)
    left.write_text("half a")
    kept = root / "submitted" / "student01" / ".notes.settings"
    kept.write_text("the student's own")
    grade(root, root / "journal")
    assert not left.exists()
    assert kept.exists()
