"""Verdicts: signed, repeatable, as their schema says; and the key that signs them."""

from __future__ import annotations

import ast
import json
import os
import shutil
from pathlib import Path
from typing import Any

import jsonschema
import nbformat
import pytest
from small_course import ALL_RIGHT, LESSON, cell, hand_in, submission, write_course
from test_grading import ScriptedEngine, run_grading

from autograder.course_tree import CourseTree
from autograder.engine import CellRun, CellState, Job
from autograder.keys import KEY_NAME, GradingKey, GradingKeyError, load_key
from autograder.notebook_files import metadata_node
from autograder.outcomes import Status
from autograder.reports import gather
from autograder.verdicts import (
    SCHEMA_PATH,
    Standing,
    as_json,
    code_fingerprint,
    from_json,
    load_verdict,
    read_verdict,
    verdict_files,
    verdict_path,
)
from autograder.verification import verify_course

SCHEMA = json.loads(SCHEMA_PATH.read_text(encoding="utf-8"))


class MeasuringEngine(ScriptedEngine):
    """Fails the first test with an address in its error, and reports what the run has used."""

    warnings = ("These marks can be forged.",)

    def run(self, job: Job) -> list[CellRun]:
        runs = super().run(job)
        text = f"<object at {id(runs):#014x}> is not 4"
        error = metadata_node(
            {"output_type": "error", "ename": "AssertionError", "evalue": text, "traceback": ["Cell In[1], line 1"]}
        )
        keys = [one.metadata.get("nbgrader", {}).get("grade_id") for one in job.notebook.cells]
        runs[keys.index("double")] = CellRun(CellState.COMPLETED, [], 1, 0.5, 0.25, 1000)
        runs[keys.index("test_double")] = CellRun(CellState.ERROR, [error], 1, 0.25, 0.125, 3000)
        return runs


@pytest.fixture
def course(tmp_path: Path) -> CourseTree:
    course = write_course(tmp_path / "course")
    for student in ("ada", "bob"):
        hand_in(course.submitted, student, submission(ALL_RIGHT), name=f"{LESSON} (1)")
    hand_in(course.submitted, "eve", submission({}))
    run_grading(course, MeasuringEngine())
    return course


def place(course: CourseTree, student: str = "ada") -> Path:
    return verdict_path(course, student, LESSON, LESSON)


def content(course: CourseTree, student: str = "ada") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(place(course, student).read_text(encoding="ascii"))
    return found


def standing(course: CourseTree, student: str = "ada") -> Standing:
    return load_verdict(course, student, course.lessons[0], load_key(course.root)).standing


def test_a_verdict_says_what_its_schema_says(course: CourseTree) -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    for path in verdict_files(course):
        jsonschema.Draft202012Validator(SCHEMA).validate(json.loads(path.read_bytes()))
    found = content(course)
    assert found["notes"] == [f"handed in as {LESSON} (1).ipynb"]
    assert found["warnings"] == ["These marks can be forged."]
    assert found["fingerprints"]["key"] == load_key(course.root).identity
    double, triple, why = found["exercises"]
    assert (double["title"], double["status"], double["points"], double["max_points"]) == (
        "Exercise 1.1 — twice", "failed", 0, 3,
    )  # fmt: skip
    assert (triple["status"], triple["points"], why["status"], why["points"]) == ("passed", 2, "needs marking", None)
    measured = found["measured"]["exercises"]["test_double"]
    assert measured == {"seconds": 0.75, "student_seconds": 0.375, "peak_memory_bytes": 3000}
    assert found["measured"]["student_seconds"] == 0.375
    assert content(course, "eve")["unanswered"] == ["double", "triple", "why"]
    assert content(course)["unanswered"] == []


def test_the_schema_knows_every_status_that_a_grader_gives() -> None:
    known = SCHEMA["properties"]["exercises"]["items"]["properties"]["status"]["enum"]
    assert set(known) == {str(status) for status in Status} - {"marked"}


def test_the_same_submission_gives_the_same_bytes_twice_but_for_what_was_measured(course: CourseTree) -> None:
    before = content(course)
    run_grading(course, MeasuringEngine(), regrade=True)
    after = content(course)
    assert before["measured"]["finished"] != after["measured"]["finished"]
    del before["measured"], after["measured"]
    assert json.dumps(before) == json.dumps(after)
    assert "at 0x…" in after["exercises"][0]["marker_note"]


def test_reading_back_gives_what_was_written(course: CourseTree) -> None:
    key = load_key(course.root)
    for path in verdict_files(course):
        kept = read_verdict(path, key)
        assert kept.standing is Standing.SIGNED
        assert kept.verdict == from_json(json.loads(path.read_bytes()))
        assert as_json(kept.verdict, key) == json.loads(path.read_bytes())


def set_points(found: dict[str, Any]) -> None:
    found["exercises"][0]["points"] = 3.0


def set_title(found: dict[str, Any]) -> None:
    found["exercises"][0]["title"] += " "


def set_time(found: dict[str, Any]) -> None:
    found["measured"]["seconds"] = 0.0


def set_hash(found: dict[str, Any]) -> None:
    found["measured"]["notebook_sha256"] = "0" * 64


def drop_warnings(found: dict[str, Any]) -> None:
    found["warnings"] = []


def drop_signature(found: dict[str, Any]) -> None:
    del found["signature"]


def add_member(found: dict[str, Any]) -> None:
    found["more"] = 1


def not_a_number(found: dict[str, Any]) -> None:
    found["exercises"][0]["points"] = float("nan")


CHANGES = [set_points, set_title, set_time, set_hash, drop_warnings, drop_signature, add_member, not_a_number]


@pytest.mark.parametrize("change", CHANGES)
def test_an_altered_verdict_is_not_believed_and_is_made_anew(course: CourseTree, change: Any) -> None:
    good = content(course)
    found = content(course)
    change(found)
    place(course).write_text(json.dumps(found))
    assert standing(course) is Standing.ALTERED
    report = gather(course, course.default_database)
    assert any("altered" in warning for warning in report.warnings_of("ada"))
    assert [one.what for one in verify_course(course, course.default_database, load_key(course.root)).findings] == [
        "the verdict is altered"
    ]
    run = run_grading(course, MeasuringEngine())
    assert [one.student for one in run.graded] == ["ada"]
    if change is set_points:
        assert run.changes[0].before.points == 3
        assert "not as the grader had written it" in run.changes[0].cause
    assert {**content(course), "measured": None} == {**good, "measured": None}


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"schema_version": 1}', "\x00" * 40, "[" * 100_000])
def test_a_damaged_verdict_is_not_believed(course: CourseTree, text: str) -> None:
    place(course).write_text(text)
    assert standing(course) in (Standing.ALTERED, Standing.MISSING)
    assert [one.student for one in run_grading(course, MeasuringEngine()).graded] == ["ada"]


def test_a_classmates_verdict_is_not_believed(course: CourseTree) -> None:
    shutil.copy(place(course, "ada"), place(course, "eve"))
    assert standing(course, "eve") is Standing.ALTERED


def test_measurements_of_another_verdict_are_not_believed(course: CourseTree) -> None:
    found = content(course, "eve") | {"measured": content(course)["measured"]}
    place(course, "eve").write_text(json.dumps(found))
    assert standing(course, "eve") is Standing.ALTERED


def test_another_key_means_grading_again_and_is_named_as_the_cause(course: CourseTree) -> None:
    (course.root / KEY_NAME).write_text("ab" * 32)
    assert standing(course) is Standing.OTHER_KEY
    run = run_grading(course, ScriptedEngine())
    assert len(run.graded) == 3
    assert {"another grading key" in change.cause for change in run.changes} == {True}


def test_a_warning_of_the_engine_stands_in_every_report(course: CourseTree) -> None:
    report = gather(course, course.default_database)
    assert report.warnings == ("These marks can be forged.",)
    assert len(run_grading(course, MeasuringEngine()).unchanged) == 3
    said = type("Says", (MeasuringEngine,), {"warnings": ("These marks can be forged.", "And more.")})()
    assert len(run_grading(course, said).graded) == 3, "marks about which there is more to say are made anew"
    safe = type("Safe", (MeasuringEngine,), {"warnings": (), "identity": "safe/1"})()
    assert len(run_grading(course, safe).graded) == 3
    assert gather(course, course.default_database).warnings == ()


def test_verify_finds_what_is_not_as_the_grader_left_it(course: CourseTree) -> None:
    from nbgrader.api import Gradebook

    from autograder.gradebook import quiet_nbgrader

    def findings() -> list[tuple[str, str]]:
        found = verify_course(course, course.default_database, load_key(course.root))
        assert found.verdicts == 3
        return [(one.student, one.what) for one in found.findings]

    assert findings() == []
    with quiet_nbgrader(), Gradebook(course.default_database) as gradebook:
        gradebook.find_grade("why", LESSON, LESSON, "ada").manual_score = 2
        gradebook.find_grade("test_double", LESSON, LESSON, "bob").auto_score = 3
        gradebook.db.commit()
    path = course.autograded / "eve" / LESSON / f"{LESSON}.ipynb"
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.append(nbformat.from_dict(cell("markdown", "more", 99)))
    nbformat.write(notebook, path)
    assert findings() == [
        ("bob", "test_double: the verdict says 0, the gradebook 3"),
        ("eve", "the executed notebook is not the one that the verdict is about"),
    ]
    run = run_grading(course, MeasuringEngine())
    assert ([one.student for one in run.booked], [one.student for one in run.graded]) == (["bob"], ["eve"])
    assert findings() == []


def test_the_key_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    key = load_key(tmp_path)
    assert load_key(tmp_path) == key
    assert load_key(tmp_path / "elsewhere", tmp_path / KEY_NAME) == key
    assert [path.name for path in tmp_path.iterdir()] == [KEY_NAME]
    assert os.name != "posix" or (tmp_path / KEY_NAME).stat().st_mode & 0o777 == 0o600
    (tmp_path / "other").mkdir()
    assert load_key(tmp_path / "other") != key
    names = {key.verdicts.hex(), key.inputs, key.identity, key.secret.hex()}
    assert len(names) == 4
    assert key.secret.hex() not in repr(key)
    assert not any(name in other for name in names for other in names - {name})


def test_the_derived_keys_stay_as_they_are() -> None:
    """Another way of deriving them would change every hidden input and void every signature."""
    key = GradingKey(bytes(range(32)))
    assert key.inputs == "2968e4dbf60589a53ff24600d165619d6e6005b2ce9d3a990549513a57feff52"
    assert key.verdicts.hex() == "6bfd4ce386f56dd8bc1074dbeb27a71774ecd159ff06e4968dc0a5f3a7c3d58f"


@pytest.mark.parametrize("text", ["", "abc", "g" * 64, "ab" * 33, "ab" * 32 + "\n" + "ab" * 32])
def test_a_damaged_key_is_explained(tmp_path: Path, text: str) -> None:
    (tmp_path / KEY_NAME).write_text(text)
    (tmp_path / KEY_NAME).chmod(0o600)
    with pytest.raises(GradingKeyError, match="64 hexadecimal digits"):
        load_key(tmp_path)


@pytest.mark.skipif(os.name != "posix", reason="permissions of this kind are POSIX's")
@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660])
def test_a_key_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    load_key(tmp_path)
    (tmp_path / KEY_NAME).chmod(mode)
    with pytest.raises(GradingKeyError, match="chmod 600"):
        load_key(tmp_path)


def test_a_named_key_has_to_be_there(tmp_path: Path) -> None:
    with pytest.raises(GradingKeyError, match="no grading key"):
        load_key(tmp_path, tmp_path / "typo.key")
    (tmp_path / KEY_NAME).mkdir()
    with pytest.raises(GradingKeyError):
        load_key(tmp_path)


def test_the_code_that_decides_marks_is_in_their_fingerprint(monkeypatch: pytest.MonkeyPatch) -> None:
    from autograder import verdicts

    before = code_fingerprint()
    monkeypatch.setattr(verdicts, "_DECIDES_NO_MARK", verdicts._DECIDES_NO_MARK | {"outcomes"})
    code_fingerprint.cache_clear()
    try:
        assert code_fingerprint() != before
    finally:
        code_fingerprint.cache_clear()


STARTING_POINTS = (
    "grading",
    "engines",
    "nbgrader_plugin",
    "split/engine",
    "split/warm",
    "split/student",
    "split/trusted",
)


def imports_of(path: Path, package: Path) -> set[Path]:
    """Return the modules of the package that a module imports, wherever in it the import stands."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            parent = package.parent if node.level == 0 else path.parents[node.level - 1]
            home = ".".join(parent.relative_to(package.parent).parts + tuple((node.module or "").split(".")))
            names = [home, *(f"{home}.{alias.name}" for alias in node.names)]
        for name in names:
            place = package.parent.joinpath(*filter(None, name.split(".")))
            found |= {one for one in (place.with_suffix(".py"), place / "__init__.py") if one.is_file()}
    return {one for one in found if one.is_relative_to(package)}


def test_nothing_that_grading_imports_is_left_out_of_the_fingerprint() -> None:
    """Also a module that is added tomorrow; ``imports_of`` is itself held to what such a list must hold."""
    from autograder import verdicts

    package = Path(verdicts.__file__).resolve().parent
    waiting = [package / f"{name}.py" for name in STARTING_POINTS]
    reached: set[Path] = set()
    while waiting:
        path = waiting.pop()
        if path not in reached:
            reached.add(path)
            waiting += imports_of(path, package)
    names = {path.relative_to(package).with_suffix("").as_posix() for path in reached}
    assert names >= {"course_config", "source_notebooks", "executed", "forbidden", "intake", "lms", "rebuild"}
    assert names >= {"split/codec", "split/proxies", "split/guard", "split/session", "split/refusals", "split/shell"}
    assert reached <= set(verdicts.code_files()), "these decide marks and are named as if they did not"
    assert len(set(verdicts.code_files()) - reached) > 0, "the fingerprint holds more than can be reached: no list"
    kept_out = {package / f"{name}.py" for name in verdicts._DECIDES_NO_MARK}
    assert all(path.is_file() for path in kept_out), "a module that has gone is still named"
    assert any(path.suffix == ".json" and "course_lib" in path.parts for path in verdicts.code_files())
