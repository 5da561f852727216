"""Grading a class end to end on the small course, in two processes: what each trap must not do."""

from __future__ import annotations

import contextlib
import hashlib
import json
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat import NotebookNode
from nbgrader.utils import determine_grade
from small_course import ALL_RIGHT, DOUBLE_RIGHT, LESSON, TRIPLE_RIGHT, cell, hand_in, submission, write_course

from autograder.course_tree import CourseTree, Lesson, grade_id
from autograder.engine import CellRun, CellState, Engine, EngineError, Job, LessonRefusedError, Limits
from autograder.engines import make_engine
from autograder.gradebook import GradebookError, quiet_nbgrader, read_marks
from autograder.grading import GradingRun, grade_class
from autograder.intake import collect
from autograder.keys import load_key
from autograder.verdicts import Standing, load_problems, load_verdict

LIMITS = Limits(cell_seconds=2, total_seconds=60)
OWN_TRIPLE = "def triple(x):\n    return 3 * x"


def with_extra(answers: dict[str, str], place: int, source: str) -> dict[str, Any]:
    notebook = submission(answers)
    notebook["cells"].insert(place, cell("code", source, 70))
    return notebook


def answers(**changed: str) -> dict[str, Any]:
    return submission({**ALL_RIGHT, "triple": OWN_TRIPLE, **changed})


# What each student hands in, and (status, points) of exercise 1.1 and of exercise 1.2.
CLASS: dict[str, tuple[Any, tuple[str, float], tuple[str, float]]] = {
    "right": (answers(), ("passed", 3), ("passed", 2)),
    "blank": (submission({}), ("not attempted", 0), ("not attempted", 0)),
    "warns": (
        answers(double="import sys, warnings\ndef double(x):\n    print('careful', file=sys.stderr)\n"
                       "    warnings.warn('old')\n    return 2 * x"),
        ("passed", 3), ("passed", 2),
    ),
    "leftover": (
        answers(double=DOUBLE_RIGHT + '\n\nraise NotImplementedError("Exercise 1.1: return twice x")'),
        ("passed", 3), ("passed", 2),
    ),
    "loops": (answers(double="def double(x):\n    while True:\n        pass"), ("timed out", 0), ("passed", 2)),
    "loops_at_once": (answers(double="while True:\n    pass"), ("timed out", 0), ("passed", 2)),
    "unstoppable": (
        answers(double="def double(x):\n    while True:\n        try:\n            while True:\n                pass\n"
                       "        except BaseException:\n            pass"),
        ("timed out", 0), ("passed", 2),
    ),
    "dies": (answers(double="import os\ndef double(x):\n    os._exit(0)"), ("crashed", 0), ("passed", 2)),
    "dies_at_once": (answers(double="import os\nos._exit(0)"), ("crashed", 0), ("passed", 2)),
    "exits": (answers(double="def double(x):\n    exit()"), ("failed", 0), ("passed", 2)),
    "hungry": (answers(double="def double(x):\n    return np.ones(10**13)"), ("out of memory", 0), ("passed", 2)),
    "syntax": (answers(double="def double(x: return 2"), ("error", 0), ("passed", 2)),
    "imports": (answers(double="import no_such_module\n" + DOUBLE_RIGHT), ("error", 0), ("passed", 2)),
    "hidden": (answers(double="def double(x):\n    return 4"), ("failed", 0), ("passed", 2)),
    "needs": (submission({"triple": TRIPLE_RIGHT}), ("not attempted", 0), ("failed", 0)),
    "forges": (
        answers(double="def double(x):\n    get_ipython().displayhook(3)\n    raise ValueError"),
        ("failed", 0), ("passed", 2),
    ),
    "extra": (
        with_extra({**ALL_RIGHT, "double": "def double(x):\n    return helper(x)"}, 5, "helper = lambda x: 2 * x"),
        ("passed", 3), ("passed", 2),
    ),
    "breaks_extra": (with_extra({**ALL_RIGHT, "triple": OWN_TRIPLE}, 5, "1 / 0"), ("passed", 3), ("passed", 2)),
    "floods": (
        answers(double="def double(x):\n    for _ in range(3000):\n        print('y' * 1000)\n    return 2 * x"),
        ("passed", 3), ("passed", 2),
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    made = make_engine("split")
    yield made
    made.close()


@pytest.fixture(scope="module")
def graded(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> tuple[CourseTree, GradingRun]:
    course = write_course(tmp_path_factory.mktemp("course"))
    for student, (notebook, _, _) in CLASS.items():
        hand_in(course.submitted, student, notebook, name=f"{LESSON} (2)" if student == "warns" else LESSON)
    hand_in(course.submitted, "unreadable", b"{}")
    return course, run_grading(course, engine, jobs=3)


def run_grading(course: CourseTree, engine: Engine, **options: Any) -> GradingRun:
    found, problems = collect([course.submitted], course)
    options = {"db_url": course.default_database, "limits": LIMITS, **options}
    return grade_class(course, found, engine, problems=problems, **options)


@pytest.mark.parametrize("student", CLASS)
def test_each_gets_the_marks_and_the_reason(graded: tuple[CourseTree, GradingRun], student: str) -> None:
    course, run = graded
    record = next(one for one in run.graded if one.student == student)
    _, double, triple = CLASS[student]
    found = {one.exercise: (str(one.status), one.points) for one in record.outcomes}
    assert (found["test_double"], found["test_triple"]) == (double, triple)
    (marks,) = [one for one in read_marks(course, course.default_database) if one.student == student]
    assert marks.marks["test_double"].points == double[1]
    assert marks.marks["test_triple"].points == triple[1]


def test_an_unreadable_notebook_stops_nobody(graded: tuple[CourseTree, GradingRun]) -> None:
    _, run = graded
    assert [(one.student, one.lesson) for one in run.problems] == [("unreadable", LESSON)]
    assert len(run.graded) == len(CLASS)


def test_written_answers_wait_for_a_person_and_blank_ones_score_zero(graded: tuple[CourseTree, GradingRun]) -> None:
    course, _ = graded
    points = {one.student: one.marks["why"].points for one in read_marks(course, course.default_database)}
    assert points["right"] is None
    assert points["blank"] == 0


def test_nbgrader_reads_the_same_marks_from_the_executed_notebook(graded: tuple[CourseTree, GradingRun]) -> None:
    """What formgrader or a stock autograde would make of the kept notebooks is what we recorded."""
    course, run = graded
    for record in run.graded:
        notebook: NotebookNode = nbformat.read(
            course.autograded / record.student / LESSON / f"{LESSON}.ipynb", as_version=4
        )
        nbformat.validate(notebook)
        cells = {key: one for one in notebook.cells if (key := grade_id(one)) is not None}
        for outcome in record.outcomes:
            assert determine_grade(cells[outcome.exercise])[0] == outcome.points, (record.student, outcome)


def test_a_second_run_has_nothing_to_do(graded: tuple[CourseTree, GradingRun], engine: Engine) -> None:
    class RunsNothing(ScriptedEngine):
        identity = engine.identity

        def run(self, job: Job) -> list[CellRun]:
            raise AssertionError("an unchanged submission was run again")

    course, _ = graded
    run = run_grading(course, RunsNothing())
    assert (len(run.graded), len(run.unchanged), len(run.problems)) == (0, len(CLASS), 1)


class ScriptedEngine:
    """Passes or fails every test cell as told, without running it."""

    identity = "scripted/1"
    warnings: tuple[str, ...] = ()

    def prepare(self, _lessons: Sequence[Lesson]) -> None:
        """It needs nothing."""

    def close(self) -> None:
        """It keeps nothing."""

    def __init__(self, *, passes: bool = True) -> None:
        self.passes = passes
        self.runs = 0
        self.lock = threading.Lock()

    def run(self, job: Job) -> list[CellRun]:
        with self.lock:
            self.runs += 1
        state = CellState.COMPLETED if self.passes else CellState.TIMED_OUT
        return [CellRun(state) for _ in job.notebook.cells]


@pytest.fixture
def course(tmp_path: Path) -> CourseTree:
    course = write_course(tmp_path / "course")
    for number in range(6):
        hand_in(course.submitted, f"student{number}", answers())
    return course


def test_only_what_changed_is_run_again(course: CourseTree) -> None:
    engine = ScriptedEngine()
    run_grading(course, engine)
    assert engine.runs == 6
    hand_in(course.submitted, "student3", answers(double="def double(x):\n    return x + x"))
    run = run_grading(course, engine)
    assert ([one.student for one in run.graded], engine.runs) == (["student3"], 7)
    run_grading(course, engine, limits=Limits(cell_seconds=3))
    assert engine.runs == 13


def test_a_changed_lesson_or_a_damaged_verdict_means_grading_again(course: CourseTree) -> None:
    engine = ScriptedEngine()
    run_grading(course, engine)
    (course.verdicts / "student1" / LESSON / f"{LESSON}.json").write_text("{half a verd")
    assert [one.student for one in run_grading(course, engine).graded] == ["student1"]
    changed = write_course(course.root, double_points=4)
    run = run_grading(changed, engine)
    assert len(run.graded) == 6
    assert {change.cause for change in run.changes} == {"the lesson changed"}
    assert {one.marks["test_double"].points for one in read_marks(changed, course.default_database)} == {4}


def test_regrade_says_who_changes_and_why(course: CourseTree) -> None:
    run_grading(course, ScriptedEngine())
    run = run_grading(course, ScriptedEngine(passes=False), regrade=True)
    assert len(run.graded) == 6
    change = run.changes[0]
    assert (change.student, change.exercise, change.before.points, change.after.points) == (
        "student0", "test_double", 3.0, 0.0,
    )  # fmt: skip
    assert "from run to run" in change.cause


def test_marks_do_not_depend_on_the_number_of_jobs(engine: Engine, tmp_path: Path) -> None:
    found = []
    for jobs in (1, 4):
        course = write_course(tmp_path / str(jobs))
        for student in ("right", "hidden", "syntax"):
            hand_in(course.submitted, student, CLASS[student][0])
        run = run_grading(course, engine, jobs=jobs)
        found.append([[(o.exercise, o.status, o.points, o.message) for o in one.outcomes] for one in run.graded])
    assert found[0] == found[1]


def test_the_same_submission_gives_the_same_bytes_in_another_course(tmp_path: Path) -> None:
    """Verdict and executed notebook, made by another engine on another day from a source without cell ids."""
    notebook = answers(
        double="class Shown:\n    pass\nprint(Shown())\ndef double(x):\n    print(object())\n    return 4\nShown()",
        triple="def triple(x):\n    raise ValueError(object())",
    )
    notebook["cells"][5:5] = [cell("code", "object()", 70), {**cell("code", "print(1)", 71), "id": "cell-04"}]
    notebook["cells"].append({key: value for key, value in cell("code", "x = 1", 72).items() if key != "id"})
    found = []
    for name in ("one", "two"):
        course = write_course(tmp_path / name)
        source = course.root / "source" / LESSON / f"{LESSON}.ipynb"
        stated = json.loads(source.read_text())
        del stated["cells"][0]["id"]
        stated["cells"][3]["id"] = stated["cells"][1]["id"]
        source.write_text(json.dumps(stated))
        (course.root / "grading.key").write_text("ab" * 32)
        (course.root / "grading.key").chmod(0o600)
        hand_in(course.submitted, "ada", notebook)
        with contextlib.closing(make_engine("split")) as own_engine:
            (verdict,) = run_grading(CourseTree.open(course.root), own_engine).graded
            assert len(run_grading(CourseTree.open(course.root), own_engine).unchanged) == 1
        kept = json.loads((course.verdicts / "ada" / LESSON / f"{LESSON}.json").read_text())
        executed = (course.autograded / "ada" / LESSON / f"{LESSON}.ipynb").read_bytes()
        found.append(({key: value for key, value in kept.items() if key != "measured"}, executed))
    assert found[0][0] == found[1][0]
    assert found[0][1] == found[1][1]
    assert b"object object at" in found[0][1], "nothing in it could have differed"
    assert verdict.notebook_sha256 == hashlib.sha256(found[1][1]).hexdigest()


def test_what_a_marker_entered_survives_regrading(course: CourseTree) -> None:
    from nbgrader.api import Gradebook

    run_grading(course, ScriptedEngine())
    with quiet_nbgrader(), Gradebook(course.default_database) as gradebook:
        grade = gradebook.find_grade("why", LESSON, LESSON, "student2")
        grade.manual_score = 1.5
        grade.needs_manual_grade = False
        gradebook.db.commit()
    run_grading(course, ScriptedEngine(), regrade=True)
    (marks,) = [one for one in read_marks(course, course.default_database) if one.student == "student2"]
    assert (marks.marks["why"].points, marks.marks["why"].marked_by_hand) == (1.5, True)
    assert marks.total == 6.5


def test_an_engine_that_cannot_start_or_fails_is_a_problem_of_that_submission(course: CourseTree) -> None:
    class Fails(ScriptedEngine):
        def run(self, job: Job) -> list[CellRun]:
            runs = super().run(job)
            if self.runs == 2:
                raise EngineError("no process could be started")
            if self.runs == 4:
                raise ZeroDivisionError("a defect")
            return runs

    run = run_grading(course, Fails())
    assert len(run.graded) == 4
    reasons = sorted(problem.reason for problem in run.problems)
    assert reasons[0] == "no process could be started"
    assert "ZeroDivisionError: a defect" in reasons[1]
    again = run_grading(course, ScriptedEngine())
    assert (len(again.graded), len(again.unchanged), again.problems) == (2, 4, [])


@pytest.fixture
def locked(course: CourseTree) -> Iterator[CourseTree]:
    run_grading(course, ScriptedEngine())
    holder = sqlite3.connect(course.root / "gradebook.db", isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    yield course
    holder.close()


def test_a_locked_gradebook_is_explained(locked: CourseTree) -> None:
    with pytest.raises(GradebookError, match=r"locked.*close formgrader"):
        run_grading(locked, ScriptedEngine(), db_url=f"{locked.default_database}?timeout=0.1", regrade=True)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("sqlite:////no/such/folder/g.db", "folder exists"),
        ("gradebook.db", "cannot be used"),
        ("nosuch://x", "cannot be used"),
    ],
)
def test_a_gradebook_that_cannot_be_opened_is_explained(course: CourseTree, url: str, words: str) -> None:
    with pytest.raises(GradebookError, match=words):
        run_grading(course, ScriptedEngine(), db_url=url)


def test_a_damaged_gradebook_is_explained(course: CourseTree) -> None:
    (course.root / "gradebook.db").write_bytes(b"this is no database at all, but long enough to be read as one" * 20)
    with pytest.raises(GradebookError, match="damaged"):
        run_grading(course, ScriptedEngine())


def test_a_submission_from_elsewhere_is_kept_in_the_course_as_it_came(course: CourseTree, tmp_path: Path) -> None:
    path = hand_in(tmp_path / "inbox", "guest", b"\xef\xbb\xbf" + json.dumps(answers()).encode(), name="renamed")
    found, problems = collect([tmp_path / "inbox"], course)
    grade_class(course, found, ScriptedEngine(), db_url=course.default_database, problems=problems)
    assert (course.submitted / "guest" / LESSON / f"{LESSON}.ipynb").read_bytes() == path.read_bytes()
    assert load_verdict(course, "guest", course.lessons[0], load_key(course.root)).standing is Standing.SIGNED


def test_late_submissions_keep_nbgraders_penalty(course: CourseTree) -> None:
    from nbgrader.api import Gradebook

    run_grading(course, ScriptedEngine())
    (course.submitted / "student0" / LESSON / "timestamp.txt").write_text("2026-01-02 03:04:05.000000 UTC\n")
    with quiet_nbgrader(), Gradebook(course.default_database) as gradebook:
        gradebook.update_or_create_assignment(LESSON, duedate="2026-01-01 00:00:00 UTC")
    run_grading(course, ScriptedEngine(), regrade=True)
    with quiet_nbgrader(), Gradebook(course.default_database) as gradebook:
        assert gradebook.find_submission(LESSON, "student0").total_seconds_late > 0
        assert gradebook.find_submission(LESSON, "student1").total_seconds_late == 0


def test_the_instructors_data_files_are_there_and_the_students_are_not(tmp_path: Path) -> None:
    seen: list[set[str]] = []

    class Looks(ScriptedEngine):
        def run(self, job: Job) -> list[CellRun]:
            seen.append({path.relative_to(job.folder).as_posix() for path in job.folder.rglob("*") if path.is_file()})
            return super().run(job)

    course = write_course(tmp_path)
    data = course.root / "source" / LESSON / "data"
    data.mkdir()
    (data / "voice.txt").write_text("hello")
    path = hand_in(course.submitted, "ada", answers())
    (path.parent / "numpy.py").write_text("raise SystemExit")
    run_grading(course, Looks())
    assert seen == [{"data/voice.txt"}]


def test_stock_nbgrader_can_still_autograde_the_course(graded: tuple[CourseTree, GradingRun], tmp_path: Path) -> None:
    """The gradebook that we fill is one that nbgrader's own converters accept."""
    import logging

    from nbgrader.converters import Autograde
    from nbgrader.coursedir import CourseDirectory

    course = write_course(tmp_path)
    hand_in(course.submitted, "right", CLASS["right"][0])
    run_grading(course, ScriptedEngine())
    log = logging.Logger("quiet", level=logging.CRITICAL)
    with quiet_nbgrader():
        directory = CourseDirectory(
            root=str(course.root), assignment_id=LESSON, student_id="right", db_url=course.default_database, log=log
        )
        preprocessors = [one for one in Autograde().autograde_preprocessors if one.__name__ != "Execute"]
        Autograde(coursedir=directory, log=log, force=True, autograde_preprocessors=preprocessors).start()
    assert (course.autograded / "right" / LESSON / f"{LESSON}.ipynb").is_file()


class Refuses(ScriptedEngine):
    """Cannot grade the small lesson."""

    error = LessonRefusedError

    def prepare(self, lessons: Sequence[Lesson]) -> None:
        if any(lesson.assignment == LESSON for lesson in lessons):
            raise self.error("its tests cannot be split")


def test_a_lesson_that_the_engine_cannot_grade_is_a_problem_of_those_who_handed_it_in(course: CourseTree) -> None:
    run = run_grading(course, Refuses())
    assert [(one.student, one.lesson, one.reason) for one in run.problems] == [
        (f"student{number}", LESSON, "its tests cannot be split") for number in range(6)
    ]
    assert run.graded == []


def test_an_engine_that_can_run_nothing_at_all_blames_nobody(course: CourseTree) -> None:
    class RunsNothing(Refuses):
        error = EngineError  # type: ignore[assignment]

    with pytest.raises(EngineError, match="cannot be split"):
        run_grading(course, RunsNothing())
    assert load_problems(course) == []


def test_a_lesson_that_the_engine_cannot_grade_stops_only_itself(course: CourseTree, tmp_path: Path) -> None:
    other = write_course(tmp_path / "other")
    (other.root / "source" / LESSON).rename(course.root / "source" / "02_other")
    (other.root / "release" / LESSON).rename(course.root / "release" / "02_other")
    both = CourseTree.open(course.root)
    path = course.submitted / "student0" / "02_other" / f"{LESSON}.ipynb"
    path.parent.mkdir()
    path.write_text(json.dumps(answers()))
    run = run_grading(both, Refuses())
    assert [(one.student, one.assignment) for one in run.graded] == [("student0", "02_other")]
    assert {one.reason for one in run.problems} == {"its tests cannot be split"}
    assert len(run.problems) == 6
