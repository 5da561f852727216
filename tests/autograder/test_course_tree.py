"""Any nbgrader course directory is read as nbgrader reads it, or refused with the cell and the remedy named."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from other_course import LISTS, OBJECTS, SCIENCE, hand_in, source_notebook, submission, write_other_course
from other_course import Notebook as OtherNotebook
from small_course import LESSON, nbgrader, write_course

from autograder.course_config import CourseConfig
from autograder.course_tree import CourseError, CourseTree, Lesson, grade_id, hidden_lines, without_hidden_tests
from autograder.intake import StudentCell, parse_notebook
from autograder.rebuild import rebuild


def lesson_of(course: CourseTree, notebook: OtherNotebook) -> Lesson:
    return course.lesson(notebook.assignment, notebook.name)


def cells_of(lesson: Lesson) -> list[tuple[str, str, dict[str, Any]]]:
    return [(cell.cell_type, cell.source, cell.metadata.get("nbgrader", {})) for cell in lesson.release.cells]


@pytest.mark.parametrize("notebook", [LISTS, OBJECTS, SCIENCE], ids=lambda one: one.name)
def test_a_course_without_a_release_folder_is_released_as_nbgrader_would(
    notebook: OtherNotebook, tmp_path: Path
) -> None:
    with_release = write_other_course(tmp_path / "with")
    without = write_other_course(tmp_path / "without", release=False)
    assert not (without.root / "release").exists()
    assert cells_of(lesson_of(without, notebook)) == cells_of(lesson_of(with_release, notebook))
    assert lesson_of(without, notebook).exercises == lesson_of(with_release, notebook).exercises


def test_an_answer_that_was_added_after_the_release_is_derived(tmp_path: Path) -> None:
    course = write_other_course(tmp_path, notebooks=[OBJECTS])
    path = course.root / "release" / "hw1" / "objects.ipynb"
    released = json.loads(path.read_text())
    released["cells"] = [
        cell for cell in released["cells"] if cell["metadata"].get("nbgrader", {}).get("grade_id") != "stack"
    ]
    path.write_text(json.dumps(released))
    lesson = lesson_of(CourseTree.open(tmp_path), OBJECTS)
    (stack,) = [cell for cell in rebuild(lesson, ()).cells if grade_id(cell) == "stack"]
    assert "YOUR CODE HERE" in stack.source
    assert "class Stack" not in stack.source


CUSTOM = """\
c = get_config()
c.ClearHiddenTests.begin_test_delimeter = "SECRET>>"
c.ClearHiddenTests.end_test_delimeter = "<<SECRET"
c.ClearSolutions.begin_solution_delimeter = "SOLUTION>>"
c.ClearSolutions.end_solution_delimeter = "<<SOLUTION"
c.ClearSolutions.code_stub = {"python": "...  # yours"}
c.ClearSolutions.text_stub = "Write here."
"""


def test_the_courses_own_delimiters_and_stubs_are_respected(tmp_path: Path) -> None:
    course = write_other_course(tmp_path, release=False, notebooks=[OBJECTS, LISTS], config=CUSTOM)
    for path in (tmp_path / "source").rglob("*.ipynb"):
        text = path.read_text()
        for word in ("SOLUTION", "HIDDEN TESTS"):
            name = word.split()[0].replace("HIDDEN", "SECRET")
            text = text.replace(f"### BEGIN {word}", f"# {name}>>").replace(f"### END {word}", f"# <<{name}")
        path.write_text(text)
    lesson = lesson_of(CourseTree.open(course.root), LISTS)
    squares = next(one for one in lesson.exercises if one.grade_id == "correct_squares")
    assert "81, 100" in squares.test_source
    assert "81, 100" not in squares.visible_test
    assert "SECRET" not in squares.visible_test
    assert "...  # yours" in squares.stub
    written = lesson_of(CourseTree.open(course.root), OBJECTS).released_answers["why_classes"]
    assert written.source == "Write here."


def test_any_line_with_a_delimiter_begins_the_hidden_part_as_in_nbgrader() -> None:
    source = "a\n  # BEGIN HIDDEN TESTS please\nb\nx = 1  # END HIDDEN TESTS\nc\n"
    assert hidden_lines(source) == {2, 3, 4}
    assert without_hidden_tests(source) == "a\nc"


LAYOUT = """\
c = get_config()
c.CourseDirectory.source_directory = "instructor"
c.CourseDirectory.submitted_directory = "handed_in"
c.CourseDirectory.autograded_directory = "marked"
c.CourseDirectory.release_directory = "given"
c.CourseDirectory.directory_structure = "{nbgrader_step}/{assignment_id}/{student_id}"
c.CourseDirectory.db_url = "sqlite:///marks/book.db"
c.CourseDirectory.ignore = ["*.tmp", "drafts"]
"""


def test_folders_and_database_lie_where_the_configuration_says(tmp_path: Path) -> None:
    write_other_course(tmp_path, release=False, notebooks=[SCIENCE])
    (tmp_path / "source").rename(tmp_path / "instructor")
    (tmp_path / "nbgrader_config.py").write_text(LAYOUT)
    (tmp_path / "instructor" / "hw2" / "x.tmp").touch()
    (tmp_path / "instructor" / "hw2" / "drafts").mkdir()
    (tmp_path / "instructor" / "hw2" / "drafts" / "idea.py").touch()
    folder = tmp_path / "handed_in" / "hw2" / "ada lovelace"
    folder.mkdir(parents=True)
    course = CourseTree.open(tmp_path)
    (lesson,) = course.lessons
    assert (lesson.assignment, lesson.name) == ("hw2", "science")
    assert course.submitted_folder("ada lovelace", "hw2") == folder
    assert list(course.submissions()) == [("ada lovelace", "hw2", folder)]
    assert course.autograded_folder("ada", "hw2") == tmp_path / "marked" / "hw2" / "ada"
    assert course.default_database == f"sqlite:///{tmp_path / 'marks/book.db'}"
    lesson.copy_data_files(tmp_path / "run")
    copied = sorted(str(path.relative_to(tmp_path / "run")) for path in (tmp_path / "run").rglob("*") if path.is_file())
    assert copied == ["course_tools.py", "data/temperatures.csv"]


def test_files_of_the_student_are_not_copied(tmp_path: Path) -> None:
    course = write_other_course(tmp_path, notebooks=[SCIENCE])
    path = hand_in(course, "ada", SCIENCE, {})
    (path.parent / "numpy.py").write_text("import os")
    lesson_of(course, SCIENCE).copy_data_files(tmp_path / "run")
    assert not (tmp_path / "run" / "numpy.py").exists()


def test_a_header_belongs_to_every_notebook(tmp_path: Path) -> None:
    config = 'c = get_config()\nc.IncludeHeaderFooter.header = "source/header.ipynb"\n'
    write_other_course(tmp_path, release=False, notebooks=[LISTS, OBJECTS], config=config)
    header: dict[str, Any] = {
        "cell_type": "code",
        "metadata": {},
        "source": 'NAME = ""',
        "outputs": [],
        "execution_count": None,
    }
    text = {"nbformat": 4, "nbformat_minor": 0, "metadata": {}, "cells": [header]}
    (tmp_path / "source" / "header.ipynb").write_text(json.dumps(text))
    for lesson in CourseTree.open(tmp_path).lessons:
        assert [lesson.source.cells[0].source, lesson.release.cells[0].source] == ['NAME = ""'] * 2
        ids = [cell["id"] for cell in rebuild(lesson, ()).cells]
        assert len(ids) == len(set(ids))


def test_old_metadata_is_brought_up_to_date(tmp_path: Path) -> None:
    """The first notebook of the other course has schema 1; here is one from before schemas were numbered."""
    course = write_other_course(tmp_path, release=False, notebooks=[LISTS])
    path = course.root / "source" / "hw1" / "lists.ipynb"
    notebook = json.loads(path.read_text())
    for cell in notebook["cells"]:
        cell["metadata"].get("nbgrader", {}).pop("schema_version", None)
    notebook["cells"][0]["metadata"]["nbgrader"] = {"grade": False}
    del notebook["cells"][3]["metadata"]["nbgrader"]["grade"]
    path.write_text(json.dumps(notebook))
    old = lesson_of(CourseTree.open(tmp_path), LISTS)
    assert {one.grade_id: one.max_points for one in old.exercises} == {
        test.grade_id: test.points for problem in LISTS.problems for test in problem.tests
    }
    versions = [cell.metadata.nbgrader.schema_version for cell in old.source.cells if "nbgrader" in cell.metadata]
    assert set(versions) == {3}
    assert "nbgrader" not in old.source.cells[0].metadata


def test_kinds_of_exercises(tmp_path: Path) -> None:
    lesson = lesson_of(write_other_course(tmp_path), OBJECTS)
    kinds = {one.grade_id: (one.kind, one.is_code) for one in lesson.exercises}
    assert kinds["test_vector_attributes"] == ("tested", True)
    assert kinds["why_classes"] == ("written", False)
    assert kinds["design"] == ("written", True)
    assert kinds["sketch"] == ("written", False)
    assert "vector_text" not in kinds, "a read-only cell earns nothing"


def test_the_work_for_a_task_is_kept_below_it(tmp_path: Path) -> None:
    lesson = lesson_of(write_other_course(tmp_path, notebooks=[OBJECTS]), OBJECTS)
    cells = list(parse_notebook(json.dumps(submission(OBJECTS, {})).encode()))
    cells += [StudentCell("markdown", "My drawing"), StudentCell("code", "draw()"), StudentCell("markdown", "The end")]
    rebuilt = rebuild(lesson, cells)
    assert [cell.source for cell in rebuilt.cells[-3:]] == ["My drawing", "draw()", "The end"]
    assert "2 points: arrows" in rebuilt.cells[-4].source, "the marker sees the marking scheme"


def test_a_code_answer_given_in_cells_of_its_own_is_not_taken_for_none(tmp_path: Path) -> None:
    lesson = lesson_of(write_other_course(tmp_path, notebooks=[OBJECTS]), OBJECTS)
    cells = parse_notebook(json.dumps(submission(OBJECTS, {"design": ""})).encode())
    place = next(index for index, cell in enumerate(cells) if cell.grade_id == "design") + 1
    rebuilt = rebuild(lesson, [*cells[:place], StudentCell("code", "class Library: ..."), *cells[place:]])
    design = next(index for index, cell in enumerate(rebuilt.cells) if grade_id(cell) == "design")
    assert rebuilt.cells[design].source.strip()
    assert rebuilt.cells[design + 1].source == "class Library: ..."
    untouched = rebuild(lesson, cells)
    assert untouched.cells[design].source == ""


Edit = Callable[[dict[str, Any]], None]


def _duplicate_id(notebook: dict[str, Any]) -> None:
    notebook["cells"][8]["metadata"]["nbgrader"]["grade_id"] = "double"


def _no_id(notebook: dict[str, Any]) -> None:
    del notebook["cells"][4]["metadata"]["nbgrader"]["grade_id"]
    notebook["cells"][4]["metadata"]["nbgrader"]["solution"] = True


def _no_points(notebook: dict[str, Any]) -> None:
    del notebook["cells"][5]["metadata"]["nbgrader"]["points"]


def _in_r(notebook: dict[str, Any]) -> None:
    notebook["metadata"]["kernelspec"] = {"name": "ir", "display_name": "R", "language": "R"}


def _in_julia(notebook: dict[str, Any]) -> None:
    notebook["metadata"]["kernelspec"] = {"name": "julia-1.10", "display_name": "Julia"}


def _from_the_future(notebook: dict[str, Any]) -> None:
    notebook["cells"][4]["metadata"]["nbgrader"]["schema_version"] = 9


def _autotest(notebook: dict[str, Any]) -> None:
    notebook["cells"][5]["source"] = "### AUTOTEST double(2)"


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (_duplicate_id, r"second\.ipynb, cell 9 .* grade id 'double' of cell 5"),
        (_no_id, r"second\.ipynb, cell 5 \('def double\(x\):'\) has no grade id"),
        (_no_points, r"second\.ipynb, cell 6 .* has None points"),
        (_in_r, r"second\.ipynb is written in R: .*nbgrader's own autograde"),
        (_in_julia, r"is written in Julia"),
        (_from_the_future, r"schema 9.*newer nbgrader"),
        (_autotest, r"nbgrader generate_source_with_tests 01_small"),
    ],
)
def test_a_notebook_that_cannot_be_graded_is_refused_alone(edit: Edit, message: str, tmp_path: Path) -> None:
    course = write_course(tmp_path)
    first = course.root / "source" / LESSON / f"{LESSON}.ipynb"
    notebook = json.loads(first.read_text())
    edit(notebook)
    (first.parent / "second.ipynb").write_text(json.dumps(notebook))
    course = CourseTree.open(tmp_path)
    assert [lesson.name for lesson in course.lessons] == [LESSON]
    (refusal,) = course.refusals
    assert refusal.name == "second"
    with pytest.raises(CourseError, match=message):
        course.lesson(LESSON, "second")
    first.unlink()
    with pytest.raises(CourseError, match=message):
        _ = CourseTree.open(tmp_path).lessons


def test_instantiated_tests_are_graded_with(tmp_path: Path) -> None:
    course = write_course(tmp_path)
    path = course.root / "source" / LESSON / f"{LESSON}.ipynb"
    with_tests = tmp_path / "source_with_tests" / LESSON / path.name
    with_tests.parent.mkdir(parents=True)
    shutil.copyfile(path, with_tests)
    notebook = json.loads(path.read_text())
    _autotest(notebook)
    path.write_text(json.dumps(notebook))
    lesson = CourseTree.open(tmp_path).lesson(LESSON, LESSON)
    assert "AUTOTEST" not in lesson.exercises[0].test_source


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("import no_such_module", "nbgrader_config.py cannot be read: ModuleNotFoundError"),
        ("c = get_config(", "SyntaxError"),
        ('c = get_config()\nc.CourseDirectory.directory_structure = "{what}"', "directory structure '{what}'"),
    ],
)
def test_a_configuration_that_cannot_be_used_is_named(config: str, message: str, tmp_path: Path) -> None:
    write_course(tmp_path)
    (tmp_path / "nbgrader_config.py").write_text(config)
    with pytest.raises(CourseError, match=message):
        CourseTree.open(tmp_path)


def test_a_solution_that_never_ends_is_refused(tmp_path: Path) -> None:
    course = write_other_course(tmp_path, release=False, notebooks=[LISTS, SCIENCE])
    path = course.root / "source" / "hw1" / "lists.ipynb"
    path.write_text(path.read_text().replace("### END SOLUTION", "###"))
    course = CourseTree.open(tmp_path)
    assert [one.name for one in course.lessons] == ["science"]
    assert "no end solution statement" in course.refusals[0].reason


def test_no_course_is_named_with_the_folder_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(CourseError, match=r"no .*source/<assignment>"):
        CourseTree.open(tmp_path)


def test_the_fingerprint_follows_everything_that_decides_a_mark(tmp_path: Path) -> None:
    def fingerprint() -> str:
        return lesson_of(CourseTree.open(tmp_path), SCIENCE).fingerprint

    write_other_course(tmp_path, notebooks=[SCIENCE])
    seen = [fingerprint()]
    assert fingerprint() == seen[0]
    tools = tmp_path / "source" / "hw2" / "course_tools.py"
    tools.write_text(tools.read_text() + "\n# changed\n")
    seen.append(fingerprint())
    (tmp_path / "nbgrader_config.py").write_text(CUSTOM)
    seen.append(fingerprint())
    source = source_notebook(SCIENCE)
    source["cells"][1]["source"] += "\nimport os"
    (tmp_path / "source" / "hw2" / "science.ipynb").write_text(json.dumps(source))
    seen.append(fingerprint())
    assert len(set(seen)) == len(seen)


def test_lists_that_the_configuration_appends_to_keep_nbgraders_own(tmp_path: Path) -> None:
    (tmp_path / "nbgrader_config.py").write_text('c = get_config()\nc.CourseDirectory.ignore.append("*.bak")\n')
    ignored = CourseConfig.read(tmp_path).setting("CourseDirectory", "ignore", ["*.pyc"])
    assert ignored == ["*.pyc", "*.bak"]


def test_a_text_cell_that_only_earns_points_is_marked_by_hand(tmp_path: Path) -> None:
    course = write_course(tmp_path)
    path = course.root / "source" / LESSON / f"{LESSON}.ipynb"
    notebook = json.loads(path.read_text())
    notebook["cells"][11]["metadata"]["nbgrader"] = nbgrader("remark", points=1)
    path.write_text(json.dumps(notebook))
    remark = CourseTree.open(tmp_path).lessons[0].exercises[-1]
    assert (remark.grade_id, remark.kind, remark.max_points) == ("remark", "written", 1)
