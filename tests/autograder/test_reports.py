"""Marks as CSV and JSON: right, complete, and harmless in a spreadsheet; and the commands that print them."""

from __future__ import annotations

import csv
import io
import json
import os
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from small_course import ALL_RIGHT, LESSON, hand_in, submission, write_course
from test_grading import ScriptedEngine, run_grading
from test_intake import STRUCTURES, own_layout, two_notebooks
from typer.testing import CliRunner

from autograder import grading_commands
from autograder.course_lock import course_lock
from autograder.course_tree import CourseTree
from autograder.engine import CellRun, EngineError, Job
from autograder.gradebook import quiet_nbgrader
from autograder.intake import Problem
from autograder.outcomes import Status
from autograder.reports import SCHEMA_PATH, ClassReport, as_csv, as_json, gather, neutralise, restore, write_reports
from autograder.verdicts import save_problems

DANGEROUS = ("=", "+", "-", "@", "\t", "\r")


@pytest.fixture
def course(tmp_path: Path) -> CourseTree:
    course = write_course(tmp_path / "course")
    hand_in(course.submitted, "ada", submission(ALL_RIGHT))
    hand_in(course.submitted, "bob", submission({}))
    hand_in(course.submitted, "cyd", b"{}")
    hand_in(course.submitted, "=cmd()", submission({}))
    run_grading(course, ScriptedEngine())
    return course


@pytest.fixture
def report(course: CourseTree) -> ClassReport:
    return gather(course, course.default_database)


def rows_of(report: ClassReport) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(as_csv(report), newline="")))


def test_everybody_who_handed_in_has_a_row(report: ClassReport) -> None:
    rows = {restore(row["student"]): row for row in rows_of(report)}
    assert set(rows) == {"ada", "bob", "cyd", "=cmd()"}
    ada = rows["ada"]
    assert (ada["total"], ada["max"], ada["state"], ada["to_mark"]) == ("5", "7", "to mark", "1")
    assert (ada["test_double"], ada["test_triple"], ada["why"]) == ("3", "2", "")
    assert (rows["bob"]["why"], rows["bob"]["state"]) == ("0", "graded")
    assert rows["cyd"]["state"] == "not graded"
    assert "no list of cells" in rows["cyd"]["reason"]
    assert rows["=cmd()"]["state"] == "not graded"


def test_no_cell_of_the_csv_can_be_read_as_a_formula(report: ClassReport) -> None:
    for row in csv.reader(io.StringIO(as_csv(report), newline="")):
        assert not any(cell.lstrip(" ").startswith(DANGEROUS) for cell in row)


@given(st.text(alphabet=st.sampled_from("=+-@'\t\r\n, \"a1\uff1d;|"), max_size=8))
def test_cells_come_back_as_they_were(cell: str) -> None:
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\r\n").writerow([neutralise(cell), "end"])
    ((read, _),) = csv.reader(io.StringIO(stream.getvalue(), newline=""))
    assert not read.lstrip(" ").startswith(DANGEROUS)
    assert restore(read) == cell


def test_the_json_is_as_its_schema_says_and_holds_no_answer(report: ClassReport) -> None:
    schema = json.loads(SCHEMA_PATH.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    found = as_json(report)
    jsonschema.Draft202012Validator(schema).validate(found)
    (lesson,) = found["lessons"]
    ada = next(one for one in lesson["students"] if one["student"] == "ada")
    assert ada["marks"]["test_double"]["points"] == 3
    assert ada["marks"]["why"]["points"] is None
    assert found["not_recognised"][0]["student"] == "=cmd()"
    text = json.dumps(found)
    assert "secret" not in text
    assert "def double" not in text


def test_the_schema_knows_every_status_and_refuses_another(report: ClassReport) -> None:
    schema = json.loads(SCHEMA_PATH.read_text(encoding="utf-8"))
    assert set(schema["$defs"]["mark"]["properties"]["status"]["enum"]) == {str(status) for status in Status}
    found = as_json(report)
    found["lessons"][0]["students"][0]["marks"]["why"]["status"] = "fine"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(found, schema)


def test_marks_and_comments_entered_by_hand_are_reported(course: CourseTree) -> None:
    from nbgrader.api import Gradebook

    with quiet_nbgrader(), Gradebook(course.default_database) as gradebook:
        grade = gradebook.find_grade("why", LESSON, LESSON, "ada")
        grade.manual_score, grade.needs_manual_grade = 1.5, False
        gradebook.find_comment("why", LESSON, LESSON, "ada").manual_comment = "Count them too."
        gradebook.db.commit()
    report = gather(course, course.default_database)
    ada = next(one for one in report.lessons[0].students if one.student == "ada")
    why = ada.exercises[-1]
    assert (why.points, why.status, why.comment, why.marked_by_hand) == (1.5, Status.MARKED, "Count them too.", True)
    assert (ada.total, ada.state) == (6.5, "graded")


def test_reports_are_byte_identical_twice(course: CourseTree, tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_reports(gather(course, course.default_database), tmp_path / name)
    for name in ("marks.csv", "marks.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_a_problem_is_forgotten_once_the_student_is_graded(course: CourseTree) -> None:
    hand_in(course.submitted, "cyd", submission({}))
    run_grading(course, ScriptedEngine())
    report = gather(course, course.default_database)
    assert {one.student: one.state for one in report.lessons[0].students}["cyd"] == "graded"


def test_an_unreadable_newer_file_does_not_hide_older_marks(course: CourseTree) -> None:
    save_problems(course, [Problem("ada", Path("x.ipynb"), "the file is empty", LESSON)], [])
    ada = gather(course, course.default_database).lessons[0].students[0]
    assert (ada.total, ada.state, ada.reason) == (5.0, "newest file not graded", "the file is empty")


app = typer.Typer()
for command in (grading_commands.grade, grading_commands.report, grading_commands.check, grading_commands.verify):
    app.command()(command)


def invoke(*words: object) -> Any:
    return CliRunner(env={"COLUMNS": "160", "TERM": "dumb"}).invoke(app, [str(word) for word in words])


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autograder.engines.make_engine", lambda *_, **__: ScriptedEngine())


@pytest.mark.usefixtures("scripted")
def test_grade_prints_the_class_and_exits_with_1_where_somebody_could_not_be_graded(
    course: CourseTree, tmp_path: Path
) -> None:
    result = invoke("grade", course.submitted, "--course", course.root, "--out", tmp_path / "out")
    assert result.exit_code == 1
    words = result.output
    assert "1 to mark" in words
    assert "not graded: cyd" in words.replace("\n", " ")
    assert "2 not graded" in words
    assert (tmp_path / "out" / "marks.csv").is_file()
    assert (tmp_path / "out" / "feedback" / "ada.html").is_file()
    for student in ("cyd", "=cmd()"):
        (course.submitted / student / LESSON / f"{LESSON}.ipynb").unlink()
        (course.submitted / student / LESSON).rmdir()
        (course.submitted / student).rmdir()
    assert invoke("grade", course.submitted, "--course", course.root).exit_code == 0


@pytest.mark.usefixtures("scripted")
def test_without_submissions_the_courses_own_are_graded(course: CourseTree, tmp_path: Path) -> None:
    result = invoke("grade", "--course", course.root, "--out", tmp_path / "out")
    assert "2 graded, 0 unchanged, 2 not graded" in result.output
    assert (tmp_path / "out" / "gradescope" / "ada" / LESSON / f"{LESSON}.results.json").is_file()


@pytest.mark.usefixtures("scripted")
def test_a_course_with_a_layout_of_its_own_is_graded_without_naming_a_folder(tmp_path: Path) -> None:
    own = own_layout(tmp_path / "own", STRUCTURES[0])
    for words in ((), (own.root / "handed_in",)):
        result = invoke("grade", *words, "--course", own.root, "--out", tmp_path / "out", "--regrade")
        assert "2 graded, 0 unchanged, 1 not graded" in result.output
        assert "not graded: bob" in result.output
    assert (own.autograded_folder("ada", LESSON) / f"{LESSON}.ipynb").is_file()


@pytest.mark.usefixtures("scripted")
def test_why_a_lesson_cannot_be_graded_is_said_once_with_those_who_handed_it_in(tmp_path: Path) -> None:
    course = two_notebooks(tmp_path / "course")
    source = course.root / "source" / LESSON / "second.ipynb"
    source.write_text(source.read_text().replace('"python"', '"R"'))
    nobody = invoke("grade", hand_in(tmp_path / "tree", "zoe", submission(ALL_RIGHT)), "--course", course.root)
    assert f"cannot be graded: {LESSON}/second: " in nobody.output
    assert nobody.exit_code == 0
    for number in range(20):
        hand_in(course.submitted, f"s{number:02d}", submission(ALL_RIGHT), name="second")
    result = invoke("grade", "--course", course.root)
    assert result.output.count("is written in R") == 1
    assert f"s06, s07 and 12 more ({LESSON}/second): " in result.output
    assert result.exit_code == 1


def test_a_further_folder_reaches_the_engine_unless_it_shows_what_is_private(
    course: CourseTree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {}

    def make_engine(_name: str, **options: Any) -> ScriptedEngine:
        asked.update(options)
        return ScriptedEngine()

    monkeypatch.setattr("autograder.engines.make_engine", make_engine)
    for name in ("sounds", "tables"):
        (tmp_path / name).mkdir()
    words = ("grade", "--course", course.root, "--readable")
    invoke(*words, tmp_path / "sounds", "--readable", tmp_path / "tables")
    assert asked["readable"] == [tmp_path / "sounds", tmp_path / "tables"]
    absent = invoke(*words, tmp_path / "absent")
    assert absent.exit_code == 2
    assert "does not exist" in absent.output
    private = (course.root, course.root / "source" / LESSON, course.root / "gradebook.db", course.root / "grading.key")
    for path in (*private, tmp_path, Path(__file__).parents[2] / "solutions"):
        refused = invoke(*words, path)
        assert refused.exit_code == 2, path
        assert "would show students" in refused.output


def test_what_is_asked_of_the_engine_reaches_it_and_it_is_closed(
    course: CourseTree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = []

    class Warns(ScriptedEngine):
        identity = "warns/1"
        warnings = ("These marks can be forged.",)

        def run(self, job: Job) -> list[CellRun]:
            raise KeyboardInterrupt if job.student == "bob" else EngineError("broken")

        def close(self) -> None:
            closed.append(True)

    asked: dict[str, Any] = {}

    def make_engine(name: str, **options: Any) -> Warns:
        asked.update(options, name=name)
        return Warns()

    key = tmp_path / "other.key"
    key.write_text("ab" * 32)
    key.chmod(0o600)
    monkeypatch.setattr("autograder.engines.make_engine", make_engine)
    words = ("grade", "--course", course.root, "--engine", "shared", "--unsandboxed", "--key", key)
    invoke(*words)
    assert (asked["name"], asked["sandboxed"], asked["key"].secret) == ("shared", False, b"\xab" * 32)
    assert closed == [True]


def test_what_the_engine_warns_of_is_printed_and_on_every_page(
    course: CourseTree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    warning = "These marks can be forged: <b>told</b>"

    def make_engine(*_: Any, **__: Any) -> ScriptedEngine:
        engine = ScriptedEngine()
        engine.warnings = (warning,)
        return engine

    monkeypatch.setattr("autograder.engines.make_engine", make_engine)
    result = invoke("grade", "--course", course.root, "--out", tmp_path / "out", "--regrade")
    assert f"! {warning}" in result.output
    found = json.loads((tmp_path / "out" / "marks.json").read_text())
    assert found["warnings"] == [warning]
    assert found["lessons"][0]["students"][0]["warnings"] == [warning]
    pages = {path.name: path.read_text("utf-8") for path in (tmp_path / "out").rglob("*.html")}
    for name in ("index.html", "marking.html", "ada.html", "bob.html"):
        assert "These marks can be forged: &lt;b&gt;told&lt;/b&gt;" in pages[name]
    assert "forged" not in pages["cyd.html"], "nothing of hers was graded"


def test_verify_exits_with_1_where_something_differs(course: CourseTree) -> None:
    result = invoke("verify", "--course", course.root)
    assert (result.exit_code, "2 verdicts looked at, 0 differences" in result.output) == (0, True)
    path = course.verdicts / "ada" / LESSON / f"{LESSON}.json"
    path.write_text(path.read_text().replace('"points": 3.0', '"points": 2.0'))
    result = invoke("verify", "--course", course.root)
    assert result.exit_code == 1
    assert "ada, 01_small: the verdict is altered" in result.output


@pytest.mark.usefixtures("scripted")
def test_reports_that_cannot_be_written_are_named_after_the_marks_were_kept(
    course: CourseTree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("autograder.reports.write_reports", full)
    result = invoke("report", "--course", course.root, "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert "No space left on device" in result.output
    assert "Total" in result.output


@pytest.mark.usefixtures("scripted")
def test_a_second_run_on_the_same_course_is_refused(course: CourseTree) -> None:
    with course_lock(course.root):
        result = invoke("grade", "--course", course.root)
    assert result.exit_code == 2
    assert "Another run is grading" in " ".join(result.output.split())


def test_report_prints_what_the_gradebook_holds(course: CourseTree, tmp_path: Path) -> None:
    result = invoke("report", "--course", course.root, "--out", tmp_path / "out")
    assert result.exit_code == 0
    assert "Total" in result.output
    assert (tmp_path / "out" / "index.html").is_file()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("report", "--course", "{root}/nowhere"), "not an nbgrader course"),
        (("grade", "{root}/nothing", "--course", "{root}"), "There is nothing at"),
        (("report", "--course", "{root}", "--db", "sqlite:////no/such/g.db"), "could not be used"),
        (("grade", "{root}/submitted", "--course", "{root}", "--out", "{root}/gradebook.db"), "cannot be written"),
        (("grade", "--course", "{root}", "--key", "{root}/typo.key"), "There is no grading key"),
        (("verify", "--course", "{root}", "--key", "{root}/gradebook.db"), "grading key"),
        (("check", "{root}/none.ipynb"), "There is no notebook"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_panel(course: CourseTree, words: tuple[str, ...], message: str) -> None:
    result = invoke(*(word.format(root=course.root) for word in words))
    assert result.exit_code == 2
    assert message in " ".join(result.output.split())
    assert "Traceback" not in result.output


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_is_named_before_the_work(course: CourseTree, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        result = invoke("report", "--course", course.root, "--out", tmp_path / "out")
    finally:
        tmp_path.chmod(0o700)
    assert result.exit_code == 2
    assert "Permission denied" in result.output
