"""What we enter into the gradebook is, row for row, what nbgrader's own preprocessors would enter."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest
from small_course import (
    ALL_RIGHT,
    DOUBLE_RIGHT,
    LESSON,
    cell,
    empty_gradebook,
    hand_in,
    lesson_cells,
    nbgrader,
    notebook,
    submission,
)
from test_grading import ScriptedEngine, run_grading

from autograder.course_tree import CourseTree, grade_id
from autograder.engine import CellRun, CellState, Job
from autograder.gradebook import quiet_nbgrader, read_marks
from autograder.notebook_files import metadata_node

SECOND = "02_more"


class VariedEngine(ScriptedEngine):
    """Passes, fails or half passes each test as a word in the answer before it says."""

    def run(self, job: Job) -> list[CellRun]:
        runs, word = [], ""
        for one in job.notebook.cells:
            key = grade_id(one)
            outputs = []
            if key is not None and not key.startswith("test_"):
                word = one.source
            elif key is not None and "half" in word:
                outputs = [metadata_node({"output_type": "execute_result", "data": {"text/plain": "1.5"}})]
                outputs[0] |= {"metadata": {}, "execution_count": 1}
            elif key is not None and "return" not in word:
                outputs = [metadata_node({"output_type": "error", "ename": "E", "evalue": "", "traceback": []})]
            state = CellState.ERROR if outputs and outputs[0].output_type == "error" else CellState.COMPLETED
            runs.append(CellRun(state, outputs, 1))
        return runs


def assignment_cells(*, released: bool) -> list[Any]:
    """The small lesson with a task, and an answer in code that is marked by hand."""
    task = {**nbgrader("task", points=2), "grade": False, "task": True, "locked": False}
    by_hand = "# your code" if released else "### BEGIN SOLUTION\nplot()\n### END SOLUTION"
    return [
        *lesson_cells(released=released),
        cell("markdown", "Draw it.", 20, task),
        cell("code", by_hand, 21, nbgrader("by_hand", points=4, solution=True)),
    ]


def second_cells(*, released: bool) -> list[Any]:
    return [
        cell("markdown", "# More", 30),
        cell("code", "pass" if released else "def more(): return 1", 31, nbgrader("more", solution=True)),
        cell("code", "assert more() == 1", 32, nbgrader("test_more", points=1)),
        cell("markdown", "" if released else "Because.", 33, nbgrader("reason", points=3, solution=True)),
    ]


def write_notebook(path: Path, cells: list[Any]) -> None:
    from nbgrader.preprocessors import ComputeChecksums

    made = nbformat.from_dict(notebook(cells))
    ComputeChecksums().preprocess(made, {})
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(made, path)


@pytest.fixture
def course(tmp_path: Path) -> CourseTree:
    root = tmp_path / "course"
    for step in ("source", "release"):
        released = step == "release"
        write_notebook(root / step / LESSON / f"{LESSON}.ipynb", assignment_cells(released=released))
        write_notebook(root / step / LESSON / f"{SECOND}.ipynb", second_cells(released=released))
    (root / "gradebook.db").write_bytes(empty_gradebook())
    (root / "nbgrader_config.py").write_text('c = get_config()\nc.LateSubmissionPlugin.penalty_method = "zero"\n')
    course = CourseTree.open(root)
    answers: dict[str, dict[str, str]] = {
        "right": ALL_RIGHT,
        "half": {**ALL_RIGHT, "double": "half", "by_hand": "plot(1)"},
        "wrong": {"double": "wrong", "why": "Because."},
        "blank": {},
        "late": ALL_RIGHT,
        "early": {"double": DOUBLE_RIGHT},
    }
    for student, given in answers.items():
        cells = assignment_cells(released=True)
        for one in cells:
            key = one["metadata"].get("nbgrader", {}).get("grade_id")
            one["source"] = given.get(key, one["source"])
        hand_in(course.submitted, student, notebook(cells))
        if student not in ("half", "blank"):
            more = second_cells(released=True)
            if student == "right":
                more[1]["source"] = "def more(): return 1"
                more[3]["source"] = "Because."
            hand_in(course.submitted, student, notebook(more), name=SECOND)
    for student, day in (("late", "03"), ("early", "01")):
        folder = course.submitted / student / LESSON
        (folder / "timestamp.txt").write_text(f"2026-01-{day} 12:00:00.000000 UTC\n")
    set_due_date(course.default_database)
    return course


def set_due_date(db_url: str) -> None:
    from nbgrader.api import Gradebook

    with quiet_nbgrader(), Gradebook(db_url) as gradebook:
        gradebook.update_or_create_assignment(LESSON, duedate="2026-01-02 00:00:00 UTC")


def stock(course: CourseTree, db_url: str) -> None:
    """Enter the same executed notebooks as nbgrader's autograde does: its own steps, in its order."""
    from nbgrader.api import Gradebook
    from nbgrader.preprocessors import AssignLatePenalties, SaveAutoGrades

    with quiet_nbgrader(), Gradebook(db_url) as gradebook:
        for folder in sorted(course.autograded.glob(f"*/{LESSON}")):
            student = folder.parent.name
            gradebook.update_or_create_student(student)
            timestamp = course.submitted / student / LESSON / "timestamp.txt"
            times = {"timestamp": timestamp.read_text().strip()} if timestamp.is_file() else {}
            gradebook.update_or_create_submission(LESSON, student, **times)
            for name in (LESSON, SECOND):
                path = folder / f"{name}.ipynb"
                if not path.is_file():
                    for grade in gradebook.find_submission_notebook(name, LESSON, student).grades:
                        grade.auto_score, grade.needs_manual_grade = 0, False
                    gradebook.db.commit()
                    continue
                names = {"student": student, "assignment": LESSON, "notebook": name, "db_url": db_url}
                resources = {"nbgrader": names, "unique_key": name}
                executed = nbformat.read(path, as_version=4)
                SaveAutoGrades().preprocess(executed, resources)
                AssignLatePenalties(config=course.config.settings).preprocess(executed, resources)


def rows(db_url: str) -> dict[str, Any]:
    """Every row of a gradebook that marking writes, by names instead of ids."""
    from nbgrader.api import Gradebook

    with quiet_nbgrader(), Gradebook(db_url) as gradebook:
        found: dict[str, Any] = {}
        for submitted in gradebook.assignment_submissions(LESSON):
            student = submitted.student.id
            found[student] = (submitted.timestamp, submitted.extension, submitted.score, submitted.needs_manual_grade)
            for one in submitted.notebooks:
                found[student, one.name] = (one.flagged, one.late_submission_penalty, one.score, one.failed_tests)
                for grade in one.grades:
                    found[student, one.name, "grade", grade.name] = {
                        **{key: value for key, value in grade.to_dict().items() if key != "id"},
                        "score": grade.score,
                    }
                for comment in one.comments:
                    shown = {key: value for key, value in comment.to_dict().items() if key != "id"}
                    found[student, one.name, "comment", comment.name] = shown
        return found


def mark_by_hand(db_url: str) -> None:
    """What markers do in formgrader: points, extra credit, comments, a flag, an extension."""
    from nbgrader.api import Gradebook

    with quiet_nbgrader(), Gradebook(db_url) as gradebook:
        grade = gradebook.find_grade("why", LESSON, LESSON, "right")
        grade.manual_score, grade.needs_manual_grade = 1.0, False
        gradebook.find_grade("test_double", LESSON, LESSON, "half").manual_score = 2.0
        gradebook.find_grade("test_triple", LESSON, LESSON, "right").extra_credit = 0.5
        gradebook.find_comment("why", LESSON, LESSON, "right").manual_comment = "Count them, too."
        gradebook.find_submission_notebook(LESSON, LESSON, "wrong").flagged = True
        gradebook.db.commit()
        gradebook.grant_extension(LESSON, "early", hours=1)


@pytest.fixture
def both(course: CourseTree) -> Callable[[], tuple[dict[str, Any], dict[str, Any]]]:
    """Enter the class in two gradebooks, with ours and with nbgrader's writer, and return the rows of both."""
    other = f"sqlite:///{course.root / 'stock.db'}"

    def enter() -> tuple[dict[str, Any], dict[str, Any]]:
        run = run_grading(course, VariedEngine(), regrade=True)
        assert not run.problems
        if not (course.root / "stock.db").exists():
            # The lessons' own cells, before anybody was marked, from a gradebook of ours without a class.
            (course.root / "stock.db").write_bytes(empty_gradebook())
            set_due_date(other)
            from autograder.gradebook import register_lesson
            from autograder.rebuild import rebuild

            for lesson in course.lessons:
                register_lesson(lesson, rebuild(lesson, ()), other)
        stock(course, other)
        return rows(course.default_database), rows(other)

    return enter


def test_the_rows_are_those_of_nbgraders_own_preprocessors(
    course: CourseTree, both: Callable[[], tuple[dict[str, Any], dict[str, Any]]]
) -> None:
    ours, theirs = both()
    assert ours == theirs
    kinds = {
        (one["auto_score"], one["needs_manual_grade"]) for key, one in ours.items() if len(key) == 4 and "grade" in key
    }
    assert {(3.0, False), (1.5, False), (0.0, False), (None, True)} <= kinds
    assert ours["late", LESSON][1:3] == (5.0, 5.0), "the course's own penalty"
    assert ours["blank", LESSON, "comment", "double"]["auto_comment"] == "No response."
    assert ours["half", SECOND, "grade", "reason"]["needs_manual_grade"] is False, "not handed in"


def test_a_second_marking_leaves_what_people_entered_as_nbgrader_does(
    course: CourseTree, both: Callable[[], tuple[dict[str, Any], dict[str, Any]]]
) -> None:
    both()
    for url in (course.default_database, f"sqlite:///{course.root / 'stock.db'}"):
        mark_by_hand(url)
    ours, theirs = both()
    assert ours == theirs
    why = ours["right", LESSON, "grade", "why"]
    assert (why["manual_score"], why["needs_manual_grade"]) == (1.0, True), "as nbgrader: to be looked at again"
    assert ours["right", LESSON, "grade", "test_triple"]["score"] == 2.5
    assert ours["right", LESSON, "comment", "why"]["manual_comment"] == "Count them, too."
    assert ours["wrong", LESSON][0] is True


def test_reading_marks_agrees_with_nbgraders_own_scores(course: CourseTree) -> None:
    run_grading(course, VariedEngine())
    mark_by_hand(course.default_database)
    there = rows(course.default_database)
    for one in read_marks(course, course.default_database):
        assert there[one.student, one.notebook][2] == sum(mark.points or 0 for mark in one.marks.values())
        for mark in one.marks.values():
            row = there[one.student, one.notebook, "grade", mark.exercise]
            assert (mark.points or 0.0, mark.max_points, mark.auto_points) == (
                row["score"], row["max_score"], row["auto_score"],
            )  # fmt: skip
            assert mark.marked_by_hand == (row["manual_score"] is not None)


def test_a_timestamp_that_is_no_time_is_named(course: CourseTree) -> None:
    path = course.submitted / "right" / LESSON / "timestamp.txt"
    path.write_text("yesterday")
    run = run_grading(course, VariedEngine())
    assert {one.student for one in run.problems} == {"right"}
    assert "'yesterday', which is no time" in run.problems[0].reason
    path.write_text("")
    run = run_grading(course, VariedEngine())
    assert ([one.notebook for one in run.booked], run.problems) == ([LESSON, SECOND], [])


def test_a_timestamp_that_changes_is_entered_without_grading_again(course: CourseTree) -> None:
    run_grading(course, VariedEngine())
    (course.submitted / "right" / LESSON / "timestamp.txt").write_text("2026-01-09 12:00:00 UTC")
    run = run_grading(course, VariedEngine())
    assert ({one.student for one in run.booked}, run.graded) == ({"right"}, [])
    assert rows(course.default_database)["right", LESSON][1] == 5.0


def test_another_gradebook_gets_the_same_marks_without_running_anything(course: CourseTree) -> None:
    run_grading(course, VariedEngine())
    engine = VariedEngine()
    run = run_grading(course, engine, db_url=f"sqlite:///{course.root / 'other.db'}")
    assert (len(run.booked), engine.runs) == (10, 0)


def test_a_notebook_that_is_handed_in_later_replaces_its_zero(course: CourseTree) -> None:
    run_grading(course, VariedEngine())
    hand_in(course.submitted, "half", submission_of_second(), name=SECOND)
    run_grading(course, VariedEngine())
    there = rows(course.default_database)
    assert there["half", SECOND, "grade", "test_more"]["auto_score"] == 1
    assert there["half", SECOND, "grade", "reason"]["needs_manual_grade"] is True


def submission_of_second() -> dict[str, Any]:
    cells = second_cells(released=True)
    cells[1]["source"] = "def more(): return 1"
    cells[3]["source"] = "Because."
    return notebook(cells)


def test_an_unreadable_notebook_of_several_scores_nothing_yet(course: CourseTree) -> None:
    hand_in(course.submitted, "half", b"{}", name=SECOND)
    hand_in(course.submitted, "blank", submission({}))
    run_grading(course, VariedEngine())
    there = rows(course.default_database)
    assert there["blank", SECOND, "grade", "test_more"]["auto_score"] == 0
    assert there["half", SECOND, "grade", "test_more"]["auto_score"] is None
