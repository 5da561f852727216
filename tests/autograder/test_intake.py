"""Reading what students hand in: honest variants are read, everything else gets a reason of its own."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from small_course import ALL_RIGHT, LESSON, hand_in, submission, write_course
from zips import write_zip

from autograder.course_tree import CourseError, CourseTree
from autograder.intake import (
    IntakeError,
    UnreadableNotebookError,
    collect,
    parse_notebook,
    valid_student_id,
)

HONEST = submission(ALL_RIGHT)
TEXT = json.dumps(HONEST)


@pytest.fixture
def course(tmp_path: Path) -> CourseTree:
    return write_course(tmp_path / "course")


def answers_of(content: bytes) -> dict[str, str]:
    cells = parse_notebook(content)
    return {cell.grade_id: cell.source for cell in cells if cell.grade_id in ALL_RIGHT}


def as_nbformat_3() -> bytes:
    cells = []
    for cell in HONEST["cells"]:
        old = {"cell_type": cell["cell_type"], "metadata": cell["metadata"]}
        old["input" if cell["cell_type"] == "code" else "source"] = cell["source"].splitlines(keepends=True)
        cells.append(old)
    return json.dumps({"nbformat": 3, "nbformat_minor": 0, "worksheets": [{"cells": cells}]}).encode()


@pytest.mark.parametrize(
    "content",
    [
        TEXT.encode(),
        b"\xef\xbb\xbf" + TEXT.encode(),
        TEXT.encode("utf-16"),
        TEXT.encode("utf-16-le"),
        TEXT.encode("utf-32"),
        json.dumps({**HONEST, "nbformat_minor": 2}).encode(),
        json.dumps({**HONEST, "nbformat": "four", "metadata": None, "more": 1}).encode(),
        TEXT.replace('"metadata"', '"x": NaN, "y": 1e400, "metadata"').encode(),
        as_nbformat_3(),
    ],
    ids=["utf-8", "byte order mark", "utf-16", "utf-16 bare", "utf-32", "old minor", "odd head", "NaN", "nbformat 3"],
)
def test_honest_variants_of_a_notebook_are_read_the_same(content: bytes) -> None:
    assert answers_of(content) == ALL_RIGHT


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b"{}", "no list of cells"),
        (b"[]", "JSON list, not a notebook"),
        (b"null", "not a notebook"),
        (b'"text"', "JSON str"),
        (b"not json", "not valid JSON"),
        (b'{"cells": [', "not valid JSON"),
        (b"\xff\xfe\x00", "not text"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "not"),
        (b'{"cells": {}}', "no list of cells"),
        (b'{"cells": []}', "no cells"),
        (b'{"cells": [3]}', "cell 1 is a JSON int"),
        (b'{"cells": [{"source": 3}]}', "cell 1 has a source that is not text"),
        (b'{"cells": [{"source": ["a", 1]}]}', "not text"),
        (b"<<<<<<< HEAD\n" + TEXT.encode(), "git conflict"),
        (b"[" * 200_000, "nested too deeply"),
        (b'{"cells": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deeply"),
        (b'{"cells": [], "cells": [{"cell_type": "code", "source": "1"}]}', "'cells' stands twice"),
        (b'{"cells": [{"source": "1", "source": "2"}]}', "'source' stands twice"),
        (b'{"cells": ' + b"9" * 10_000 + b"}", "not valid JSON"),
        (b"PK\x03\x04rest of an archive", "archive named as a notebook"),
        (b"\x1f\x8brest of an archive", "archive named as a notebook"),
        (json.dumps({"cells": [{"source": "x" * 1_000_001}]}).encode(), "1000001 characters"),
    ],
)
def test_what_is_no_notebook_gets_its_reason(content: bytes, reason: str) -> None:
    with pytest.raises(UnreadableNotebookError, match=reason):
        parse_notebook(content)


def test_wrong_types_in_metadata_are_no_grade_ids() -> None:
    wrong: list[Any] = [None, 3, [], {"nbgrader": 3}, {"nbgrader": {"grade_id": ["double"]}}]
    content = json.dumps({"cells": [{"cell_type": "code", "source": "1", "metadata": one} for one in wrong]})
    assert [cell.grade_id for cell in parse_notebook(content.encode())] == [None] * len(wrong)


def test_lone_surrogates_do_not_stop_anything_later() -> None:
    (cell,) = parse_notebook(b'{"cells": [{"cell_type": "code", "source": "x = \'\\ud800\'"}]}')
    assert cell.source.encode("utf-8") == "x = '\ufffd'".encode()


@pytest.mark.parametrize("name", ["ada", "müller", "a.b-c_d@uni.example", "12345", "Anna O'Neill", "x" * 100, "李"])
def test_ids_that_universities_use_are_accepted(name: str) -> None:
    assert valid_student_id(name) == name


@pytest.mark.parametrize(
    "name",
    [
        *["", ".", "..", "../x", "a/b", "a\\b", "=1+1", "+1", "-x", "@x", "a,b", "a\nb", "a\x00b"],
        *["<b>", "{x}", "a..b", "a\u202eb", "x" * 101, " a", "a ", "`id`", '"', "*"],
    ],
)
def test_ids_that_mean_something_to_a_shell_a_sheet_or_a_browser_are_refused(name: str) -> None:
    with pytest.raises(IntakeError, match="cannot be a student id"):
        valid_student_id(name)


def test_a_tree_of_submissions_is_collected_with_a_reason_for_what_is_not(course: CourseTree) -> None:
    tree = course.submitted
    hand_in(tree, "ada", HONEST)
    hand_in(tree, "bob", HONEST, name="01_small (1)")
    hand_in(tree, "cyd", b"{}")
    hand_in(tree, "dan", {"cells": [{"cell_type": "code", "source": "x = 1", "metadata": {}}]})
    (tree / "eve" / LESSON).mkdir(parents=True)
    (tree / "=cmd").mkdir()
    (tree / ".git").mkdir()
    found, problems = collect([tree], course)
    assert [(one.student, str(one.lesson)) for one in found] == [("ada", LESSON), ("bob", LESSON)]
    assert found[1].notes == ("handed in as 01_small (1).ipynb",)
    reasons = {problem.student: problem.reason for problem in problems}
    assert set(reasons) == {"cyd", "dan", "eve", "=cmd"}
    assert "no list of cells" in reasons["cyd"]
    assert "no answer cell" in reasons["dan"]
    assert "no notebook" in reasons["eve"]
    assert "cannot be a student id" in reasons["=cmd"]


def test_of_two_notebooks_the_one_with_the_lessons_name_counts(course: CourseTree) -> None:
    hand_in(course.submitted, "ada", HONEST)
    hand_in(course.submitted, "ada", submission({}), name="01_small-Copy1")
    hand_in(course.submitted, "ada", b"scratch", name="Untitled")
    found, problems = collect([course.submitted], course)
    assert [one.path.name for one in found] == ["01_small.ipynb"]
    assert problems == []
    assert found[0].notes == ("a file beside this one was not read: Untitled.ipynb: the file is not valid JSON "
                              "(Expecting value: line 1 column 1 (char 0)): save it again from Jupyter",)  # fmt: skip


def test_two_different_renamed_notebooks_are_not_guessed_between(course: CourseTree) -> None:
    hand_in(course.submitted, "ada", HONEST, name="one")
    hand_in(course.submitted, "ada", submission({}), name="two")
    found, problems = collect([course.submitted], course)
    assert found == []
    assert "2 different notebooks" in problems[0].reason
    assert "one.ipynb, two.ipynb" in problems[0].reason


def test_links_are_not_followed(course: CourseTree, tmp_path: Path) -> None:
    secret = tmp_path / "secret.ipynb"
    secret.write_text(TEXT)
    folder = course.submitted / "ada" / LESSON
    folder.mkdir(parents=True)
    (folder / f"{LESSON}.ipynb").symlink_to(secret)
    (course.submitted / "bob").symlink_to(tmp_path)
    found, problems = collect([course.submitted], course)
    assert found == []
    assert ["link" in problem.reason for problem in problems] == [True, True]


def test_a_single_notebook_needs_an_id_that_is_one(course: CourseTree, tmp_path: Path) -> None:
    path = tmp_path / "01_small (1).ipynb"
    path.write_text(TEXT)
    with pytest.raises(IntakeError, match="--student"):
        collect([path], course)
    found, _ = collect([path], course, student="ada")
    assert [one.student for one in found] == ["ada"]
    in_tree = hand_in(tmp_path / "tree", "bob", HONEST)
    found, _ = collect([in_tree], course)
    assert [one.student for one in found] == ["bob"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("class.zip", "not a zip archive"),
        ("class.tar.gz", "Unpack"),
        ("notes.txt", "not a notebook"),
        ("absent", "nothing at"),
    ],
)
def test_places_that_cannot_be_graded_are_named(course: CourseTree, tmp_path: Path, name: str, message: str) -> None:
    if name != "absent":
        (tmp_path / name).write_bytes(b"x")
    with pytest.raises(IntakeError, match=message):
        collect([tmp_path / name], course)


def test_an_empty_tree_and_a_folder_that_is_no_course_are_explained(course: CourseTree, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(IntakeError, match="holds no submissions"):
        collect([tmp_path / "empty"], course)
    with pytest.raises(CourseError, match="autograder build"):
        CourseTree.open(tmp_path / "empty")


def test_a_huge_file_is_refused_by_size_alone(course: CourseTree, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autograder.intake.MAX_NOTEBOOK_BYTES", 100)
    hand_in(course.submitted, "ada", HONEST)
    found, problems = collect([course.submitted], course)
    assert found == []
    assert "the limit is" in problems[0].reason


def test_what_fits_into_a_file_takes_neither_minutes_nor_gigabytes(monkeypatch: pytest.MonkeyPatch) -> None:
    started = time.monotonic()
    with pytest.raises(UnreadableNotebookError, match="more lists and objects"):
        parse_notebook(b'{"cells": [' + b"[]," * 5_000_000 + b"[]]}")
    keys = ",".join(f'"{number}": 1' for number in range(200_000))
    with pytest.raises(UnreadableNotebookError, match="stands twice"):
        parse_notebook(f'{{"cells": [], {keys}, "199999": 2}}'.encode())
    assert time.monotonic() - started < 10


def test_a_thousand_ordinary_notebooks_are_read_in_seconds() -> None:
    large = submission(ALL_RIGHT)
    large["cells"] += [
        {"cell_type": "code", "source": f"x = {number}\n" * 20, "metadata": {}, "outputs": [{"text": ["line\n"] * 200}]}
        for number in range(50)
    ]
    content = json.dumps(large).encode()
    assert len(content) > 90_000
    started = time.monotonic()
    for _ in range(100):
        parse_notebook(content)
    assert time.monotonic() - started < 2


def test_pipes_and_devices_are_refused_at_once_and_hard_links_are_files(course: CourseTree, tmp_path: Path) -> None:
    good = hand_in(tmp_path / "tree", "ada", HONEST)
    for student in ("bob", "cyd"):
        (tmp_path / "tree" / student / LESSON).mkdir(parents=True)
    os.mkfifo(tmp_path / "tree" / "bob" / LESSON / f"{LESSON}.ipynb")
    os.link(good, tmp_path / "tree" / "cyd" / LESSON / f"{LESSON}.ipynb")
    started = time.monotonic()
    found, problems = collect([tmp_path / "tree"], course)
    assert time.monotonic() - started < 5
    assert [one.student for one in found] == ["ada", "cyd"]
    assert [(one.student, "pipe" in one.reason) for one in problems] == [("bob", True)]
    os.mkfifo(tmp_path / "dan.ipynb")
    _, problems = collect([tmp_path / "dan.ipynb"], course)
    assert "pipe" in problems[0].reason


def test_a_students_other_files_are_said_to_be_unused(course: CourseTree) -> None:
    hand_in(course.submitted, "ada", HONEST)
    for name in ("numpy.py", "helpers.py", "data.csv", "old.zip"):
        (course.submitted / "ada" / LESSON / name).write_bytes(b"x")
    found, problems = collect([course.submitted], course)
    assert found[0].notes == ("files that are not the notebook are not used: helpers.py, numpy.py, old.zip",)
    assert problems == []


def test_one_student_in_two_places_is_graded_once_or_asked_about(course: CourseTree, tmp_path: Path) -> None:
    hand_in(tmp_path / "one", "ada", HONEST)
    hand_in(tmp_path / "one", "bob", HONEST)
    path = write_zip(
        tmp_path / "two.zip",
        {
            f"ada/{LESSON}/{LESSON}.ipynb": TEXT.encode(),
            f"bob/{LESSON}/{LESSON}.ipynb": json.dumps(submission({})).encode(),
        },
    )
    found, problems = collect([tmp_path / "one", path], course)
    assert [one.student for one in found] == ["ada"]
    (problem,) = problems
    assert problem.student == "bob"
    assert "2 different submissions" in problem.reason
    assert "two.zip/bob" in problem.reason
    assert f"one/bob/{LESSON}/{LESSON}.ipynb" in problem.reason


def test_ids_that_one_disk_may_hold_as_one_are_not_guessed_between(course: CourseTree, tmp_path: Path) -> None:
    for student in ("Ada", "ada", "bob"):
        hand_in(tmp_path / "tree", student, HONEST)
    found, problems = collect([tmp_path / "tree"], course)
    assert [one.student for one in found] == ["bob"]
    assert sorted(one.student for one in problems) == ["Ada", "ada"]
    assert all("'Ada' and 'ada'" in one.reason for one in problems)


def test_one_students_folder_can_be_named(course: CourseTree, tmp_path: Path) -> None:
    hand_in(tmp_path, "ada", HONEST)
    found, problems = collect([tmp_path / "ada"], course)
    assert [one.student for one in found] == ["ada"]
    found, problems = collect([tmp_path / "ada"], course, student="bob")
    assert [one.student for one in found] == ["bob"]
    assert problems == []


def test_the_memory_of_a_whole_class_is_bounded(course: CourseTree, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autograder.intake.MAX_TOTAL_BYTES", 3 * len(TEXT) // 2)
    hand_in(course.submitted, "ada", HONEST)
    hand_in(course.submitted, "bob", HONEST)
    with pytest.raises(IntakeError, match="grade the class in parts"):
        collect([course.submitted], course)


def test_many_scratch_notebooks_do_not_hide_the_one_that_counts(
    course: CourseTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("autograder.intake.MAX_NOTEBOOKS", 3)
    hand_in(course.submitted, "ada", HONEST)
    for number in range(5):
        hand_in(course.submitted, "ada", submission({}), name=f"00 scratch {number}")
    found, problems = collect([course.submitted], course)
    assert problems == []
    assert found[0].path.name == f"{LESSON}.ipynb"
    assert "only 3 of 6 notebooks were looked at" in found[0].notes


@pytest.mark.skipif(os.name == "nt", reason="names on that system are Unicode")
def test_names_on_disk_that_are_no_text_are_problems_that_can_be_printed(course: CourseTree) -> None:
    hand_in(course.submitted, "bob", HONEST)
    os.makedirs(os.fsencode(course.submitted) + b"/ad\xffa/" + LESSON.encode())
    folder = hand_in(course.submitted, "cyd", HONEST).parent
    (folder / "a\u202eb.ipynb").write_text(TEXT)
    found, problems = collect([course.submitted], course)
    assert [one.student for one in found] == ["bob"]
    assert len(problems) == 2
    for problem in problems:
        (problem.student + problem.reason + str(problem.path)).encode()
        assert problem.reason.isprintable()


STRUCTURES = ["{nbgrader_step}/{assignment_id}/{student_id}", "{assignment_id}/{nbgrader_step}/{student_id}"]


def own_layout(root: Path, structure: str) -> CourseTree:
    """A course whose own nbgrader_config.py says where its files lie, with two students' submissions."""
    course = write_course(root)
    (root / "nbgrader_config.py").write_text(
        "c = get_config()\n"
        f"c.CourseDirectory.directory_structure = {structure!r}\n"
        "c.CourseDirectory.submitted_directory = 'handed_in'\n"
    )
    for step in ("source", "release"):
        there = root / structure.format(nbgrader_step=step, assignment_id=LESSON, student_id=".")
        there.parent.mkdir(parents=True, exist_ok=True)
        if there.resolve() != (root / step / LESSON).resolve():
            (root / step / LESSON).rename(there)
    course = CourseTree.open(root)
    for student, content in (("ada", TEXT), ("bob", "{}"), ("cyd", TEXT)):
        path = course.submitted_folder(student, LESSON) / f"{LESSON}.ipynb"
        path.parent.mkdir(parents=True)
        path.write_text(content)
    return course


@pytest.mark.parametrize("structure", STRUCTURES)
def test_a_course_with_a_layout_of_its_own_is_collected_from_there(tmp_path: Path, structure: str) -> None:
    course = own_layout(tmp_path / "course", structure)
    secret = tmp_path / "elsewhere"
    course.submitted_folder("cyd", LESSON).rename(secret)
    course.submitted_folder("cyd", LESSON).symlink_to(secret)
    (course.submitted_folder("=cmd", LESSON)).mkdir()
    top = course.root / structure.format(nbgrader_step="handed_in", assignment_id=LESSON, student_id="x")
    for places in ([], [course.root / top.relative_to(course.root).parts[0]]):
        found, problems = collect(places, course)
        assert [(one.student, str(one.lesson)) for one in found] == [("ada", LESSON)]
        reasons = {one.student: one.reason for one in problems}
        assert set(reasons) == {"bob", "cyd", "=cmd"}
        assert "no list of cells" in reasons["bob"]
        assert "link" in reasons["cyd"]
        assert "cannot be a student id" in reasons["=cmd"]


def test_a_course_without_submissions_says_where_they_are_expected(tmp_path: Path) -> None:
    course = own_layout(tmp_path, STRUCTURES[0])
    shutil.rmtree(tmp_path / "handed_in")
    with pytest.raises(IntakeError, match=f"handed_in/{LESSON}|handed_in/<assignment>/<student>"):
        collect([], course)
    with pytest.raises(IntakeError, match="nothing at"):
        collect([], write_course(tmp_path / "ordinary"))


def two_notebooks(root: Path) -> CourseTree:
    """An assignment of two notebooks that share every grade id."""
    course = write_course(root)
    for step in ("source", "release"):
        folder = course.root / step / LESSON
        shutil.copy(folder / f"{LESSON}.ipynb", folder / "second.ipynb")
    return CourseTree.open(root)


def test_an_unreadable_notebook_beside_a_good_one_of_the_same_assignment_is_a_problem(tmp_path: Path) -> None:
    course = two_notebooks(tmp_path)
    for student, name in (("ada", "second"), ("bob", "second (1)")):
        hand_in(course.submitted, student, HONEST)
        hand_in(course.submitted, student, b"{}", name=name)
    found, problems = collect([], course)
    assert [(one.student, one.lesson.name) for one in found] == [("ada", LESSON), ("bob", LESSON)]
    assert [(one.student, one.lesson) for one in problems] == [(who, f"{LESSON}/second") for who in ("ada", "bob")]
    assert all("no list of cells" in one.reason for one in problems)


@pytest.mark.parametrize("readable", [True, False])
def test_who_answers_a_lesson_that_cannot_be_graded_is_told_so(tmp_path: Path, readable: bool) -> None:
    """Also where its grade ids are those of another lesson, which it must not be marked as."""
    course = two_notebooks(tmp_path)
    source = course.root / "source" / LESSON / "second.ipynb"
    notebook = json.loads(source.read_text())
    notebook["metadata"]["kernelspec"] = {"name": "ir", "display_name": "R", "language": "R"}
    source.write_text(json.dumps(notebook) if readable else "{")
    course = CourseTree.open(tmp_path)
    hand_in(course.submitted, "ada", HONEST)
    answers = HONEST if readable else {**HONEST, "cells": [{"cell_type": "code", "source": "1", "metadata": {}}]}
    hand_in(course.submitted, "ada", answers, name="second")
    hand_in(course.submitted, "bob", answers, name="second")
    found, problems = collect([], course)
    assert [(one.student, one.lesson.name) for one in found] == [("ada", LESSON)]
    assert [(one.student, one.lesson) for one in problems] == [(who, f"{LESSON}/second") for who in ("ada", "bob")]
    assert all(one.reason == course.refusals[0].reason for one in problems)
