"""Making the sample class: answer files in, submissions as students would hand them in out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fixture_project import FIXTURE, make_project
from typer.testing import CliRunner

from autograder.cells import SourceError
from autograder.cli import app
from autograder.release import BuildError, parse_notebook
from autograder.sample_class import (
    MANUAL,
    RECORD,
    make_sample_class,
    read_expected_marks,
    read_student,
    submission_bytes,
)

NAME = FIXTURE.stem

HALF_RIGHT = """
# %% [markdown] start="reference" about="Forgets to square" file_name="99_fixture (1).ipynb"

# %% answer="energy"
def energy(x):
    return float(x.sum())

# %% after="energy"
print(energy(ramp))

# %% after="energy"
import warnings

# %% [markdown] answer="why_decibels"
# Because the *ear* does.
"""

BLANK = '# %% [markdown] start="blank" about="Hands in what was given"\n'


@pytest.fixture
def answers(tmp_path) -> Path:
    folder = tmp_path / "answers" / NAME
    folder.mkdir(parents=True)
    (folder / "bea.py").write_text(HALF_RIGHT, "utf-8")
    (folder / "cyd.py").write_text(BLANK, "utf-8")
    (folder / "dan.py").write_text(BLANK.replace("blank", "reference"), "utf-8")
    return folder


@pytest.fixture
def project(tmp_path, answers):
    return make_project(tmp_path / "project")


def sources(content: bytes) -> dict[str, str]:
    return {cell["id"]: cell["source"] for cell in parse_notebook(content)["cells"]}


def test_blank_is_the_release_and_reference_the_solution(lesson, release, answers):
    assert submission_bytes(read_student(answers / "cyd.py", lesson), lesson, release) == release
    reference = sources(submission_bytes(read_student(answers / "dan.py", lesson), lesson, release))
    assert reference["energy"] == lesson.exercise("energy").answer
    assert reference["why_decibels"] == lesson.written[0].model_answer
    assert "Rubric" not in reference["why_decibels"]
    assert reference["test_energy"] == lesson.exercise("energy").visible_test


def test_answers_and_own_cells_stand_in_their_places(lesson, release, answers):
    student = read_student(answers / "bea.py", lesson)
    assert (student.name, student.about, student.file_name) == ("bea", "Forgets to square", "99_fixture (1).ipynb")
    made = sources(submission_bytes(student, lesson, release))
    assert made["energy"] == "def energy(x):\n    return float(x.sum())"
    assert made["why_decibels"] == "Because the *ear* does."
    assert made["level_db"] == lesson.exercise("level_db").answer
    order = list(made)
    place = order.index("energy")
    assert order[place : place + 4] == ["energy", "own-energy-1", "own-energy-2", "test_energy"]
    released = parse_notebook(release)["cells"]
    cells = parse_notebook(submission_bytes(student, lesson, release))["cells"]
    metadata = {cell["id"]: cell["metadata"] for cell in cells}
    assert all(metadata[cell["id"]] == cell["metadata"] for cell in released), "a student's tools keep the metadata"


def test_some_exercises_may_be_left_blank(lesson, release, tmp_path):
    path = tmp_path / "fay.py"
    path.write_text(BLANK.replace('"blank"', '"reference" blank="energy why_decibels"'), "utf-8")
    made, released = sources(submission_bytes(read_student(path, lesson), lesson, release)), sources(release)
    assert [key for key in lesson.keys if made[key] == released[key]] == ["energy", "why_decibels"]


def test_the_tree_is_nbgraders_and_only_changes_are_written(project, lesson, answers):
    made = make_sample_class(project, [lesson], answers=answers.parent)
    tree = project.course / "submitted"
    assert {submission.path.relative_to(tree).as_posix() for submission in made} == {
        f"bea/{NAME}/99_fixture (1).ipynb",
        f"cyd/{NAME}/{NAME}.ipynb",
        f"dan/{NAME}/{NAME}.ipynb",
    }
    assert all(submission.written for submission in made)
    before = {submission.path: submission.path.stat().st_mtime_ns for submission in made}
    assert not any(submission.written for submission in make_sample_class(project, [lesson], answers=answers.parent))
    assert {path: path.stat().st_mtime_ns for path in before} == before
    (answers / "bea.py").write_text(HALF_RIGHT.replace("x.sum()", "x.max()"), "utf-8")
    again = make_sample_class(project, [lesson], answers=answers.parent)
    assert [submission.student.name for submission in again if submission.written] == ["bea"]


def test_a_student_who_left_leaves_but_real_submissions_stay(project, lesson, answers, tmp_path):
    tree = tmp_path / "submitted"
    make_sample_class(project, [lesson], answers=answers.parent, out=tree)
    real = tree / "zoe" / NAME / f"{NAME}.ipynb"
    real.parent.mkdir(parents=True)
    real.write_text("{}", "utf-8")
    (answers / "cyd.py").unlink()
    (answers / "bea.py").write_text(HALF_RIGHT.replace("99_fixture (1)", "99_fixture (2)"), "utf-8")
    make_sample_class(project, [lesson], answers=answers.parent, out=tree)
    assert sorted(path.relative_to(tree).as_posix() for path in tree.rglob("*.ipynb")) == [
        f"bea/{NAME}/99_fixture (2).ipynb",
        f"dan/{NAME}/{NAME}.ipynb",
        f"zoe/{NAME}/{NAME}.ipynb",
    ]
    assert not (tree / "cyd").exists()
    assert len(json.loads((tree / RECORD).read_text("utf-8"))) == 2


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ('answer="energy"', 'answer="enegry"', 4, "has no such exercise; it has energy, level_db, why_decibels"),
        ('after="energy"', 'after="test"', 8, "has no such exercise"),
        ('start="reference" ', "", 2, 'needs start="reference" or start="blank"'),
        ('start="reference"', 'start="random"', 2, 'needs start="reference" or start="blank"'),
        ('about="Forgets to square" ', "", 2, 'needs about="'),
        ("99_fixture (1).ipynb", "../99_fixture.ipynb", 2, "is no name of a notebook"),
        ('file_name="', 'filename="', 2, "unknown keys filename"),
        ('after="energy"\nprint', 'answer="energy"\nprint', 8, "answered twice"),
        ('about="', 'blank="level" about="', 2, "has no such exercise; it has energy, level_db, why_decibels"),
        ('about="', 'blank="energy" about="', 4, "answered and left blank"),
        ('[markdown] answer="why_decibels"', 'answer="why_decibels"', 14, "must be a [markdown] cell"),
        ('# %% answer="energy"\ndef', '# %% [markdown] answer="energy"\n# def', 4, "must be a code cell"),
        ('# %% after="energy"\nprint', "# %%\nprint", 8, 'exactly one of answer="…" and after="…"'),
    ],
)
def test_bad_answer_files_are_refused_with_their_place(lesson, tmp_path, old, new, line, message):
    assert old in HALF_RIGHT
    path = tmp_path / "bea.py"
    path.write_text(HALF_RIGHT.replace(old, new, 1), "utf-8")
    with pytest.raises(SourceError) as caught:
        read_student(path, lesson)
    assert any(problem.line == line and message in problem.message for problem in caught.value.problems), caught.value


def test_nothing_is_written_if_one_answer_file_is_bad(project, lesson, answers):
    (answers / "cyd.py").write_text(BLANK.replace("blank", "empty"), "utf-8")
    with pytest.raises(SourceError, match=r"cyd\.py:1"):
        make_sample_class(project, [lesson], answers=answers.parent)
    assert not project.course.exists()


def test_an_empty_class_is_refused(project, lesson, tmp_path):
    with pytest.raises(BuildError, match="holds no answer file"):
        make_sample_class(project, [lesson], answers=tmp_path / "nobody")


def test_broken_python_is_a_submission_like_any_other(lesson, release, tmp_path):
    path = tmp_path / "eve.py"
    path.write_text(BLANK + '\n# %% answer="energy"\ndef energy(x:\n    return 1\n', "utf-8")
    made = sources(submission_bytes(read_student(path, lesson), lesson, release))
    assert made["energy"] == "def energy(x:\n    return 1"


TABLE = "student,energy,level_db,why_decibels\nbea,0,0,manual\ncyd,0,0,0\ndan,2,1.5,manual\n"


def test_expected_marks_are_read(answers, lesson):
    (answers / "marks.csv").write_text(TABLE, "utf-8")
    table = read_expected_marks(answers, lesson)
    assert table["dan"] == {"energy": 2, "level_db": 1.5, "why_decibels": None}
    assert table["cyd"] == {"energy": 0, "level_db": 0, "why_decibels": 0}, "left blank: no marker is needed"
    assert list(table) == ["bea", "cyd", "dan"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("energy,level_db", "level_db,energy", r"marks\.csv:1 the columns are"),
        ("dan,2,", "dan,2.5,", r"marks\.csv:4 \[energy\] is 2\.5, expected 0 to 2 points"),
        ("dan,2,", "dan,all,", r"marks\.csv:4 \[energy\] is 'all', expected points"),
        ("dan,2,", f"dan,{MANUAL},", r"\[energy\] is 'manual', but its tests decide"),
        ("1.5,manual", "1.5,1", r"\[why_decibels\] is 1, expected 0 to 0 points"),
        ("cyd,0,0,0", "cyd,0,0", r"marks\.csv:3 has 3 fields, expected 4"),
        ("cyd,", "bea,", r"marks\.csv:3 names bea a second time"),
        ("cyd,", "fay,", r"only one of the table and the answer files: cyd, fay"),
    ],
)
def test_a_table_that_disagrees_is_refused(answers, lesson, old, new, message):
    (answers / "marks.csv").write_text(TABLE.replace(old, new, 1), "utf-8")
    with pytest.raises(ValueError, match=message):
        read_expected_marks(answers, lesson)


def test_the_command_makes_the_class(project, answers, monkeypatch):
    monkeypatch.chdir(project.root)
    monkeypatch.setenv("COLUMNS", "200")
    arguments = ["sample", "--answers", str(answers.parent), "--out", "handed_in"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "3 submissions in handed_in, 3 of them new or changed" in result.output
    assert "0 of them new or changed" in CliRunner().invoke(app, arguments).output
    (answers / "bea.py").write_text(HALF_RIGHT.replace('answer="energy"', 'answer="enegry"'), "utf-8")
    refused = CliRunner().invoke(app, arguments)
    assert (refused.exit_code, "[enegry]" in refused.output) == (1, True)
