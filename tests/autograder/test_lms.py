"""Whose a file is: the names that Moodle, Canvas and Gradescope write, rosters, and the instructor's own pattern."""

from __future__ import annotations

import json
import string
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_course import ALL_RIGHT, LESSON, submission, write_course
from zips import write_zip

from autograder.course_tree import CourseTree
from autograder.intake import IntakeError, Problem, Submission, collect
from autograder.lms import CANVAS, MOODLE, LayoutError, read_roster, read_submitters

HONEST = json.dumps(submission(ALL_RIGHT)).encode()
OTHER = json.dumps(submission({})).encode()
NOTEBOOK = f"{LESSON}.ipynb"


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> CourseTree:
    return write_course(tmp_path_factory.mktemp("course") / "course")


def found_in(
    path: Path, course: CourseTree, **options: object
) -> tuple[dict[str, Submission], dict[str, Problem], list[str]]:
    lines: list[str] = []
    found, problems = collect([path], course, say=lines.append, **options)  # type: ignore[arg-type]
    assert len({one.student for one in found}) == len(found)
    return {one.student: one for one in found}, {one.student: one for one in problems}, lines


def class_zip(tmp_path: Path, members: dict[str, bytes]) -> Path:
    return write_zip(tmp_path / "class.zip", members)


@pytest.mark.parametrize("end", ["_/", "/", "_"], ids=["folders before 4.1", "folders", "flat"])
def test_moodles_three_ways_of_naming(end: str, course: CourseTree, tmp_path: Path) -> None:
    members = {
        f"Ada Lovelace_1234567_assignsubmission_file{end}{NOTEBOOK}": HONEST,
        f"Bob O'Neill-Müller_1234568_assignsubmission_file{end}01_small (1).ipynb": HONEST,
        f"Cy Young_1234569_assignsubmission_onlinetext{end}onlinetext.html": b"<p>I forgot</p>",
    }
    found, problems, lines = found_in(class_zip(tmp_path, members), course)
    assert list(found) == ["1234567", "1234568"]
    assert found["1234567"].notes == ("Moodle participant 1234567, Ada Lovelace",)
    assert found["1234568"].notes[0] == "handed in as 01_small (1).ipynb"
    assert found["1234567"].origin == "class.zip"
    assert "a text typed into the page" in problems["1234569"].reason
    assert lines == [
        "class.zip is read as Moodle; student id: the number of the participant, the digits before _assignsubmission_."
    ]


def test_moodles_folders_may_hold_folders(course: CourseTree, tmp_path: Path) -> None:
    members = {
        f"Ada Lovelace_1_assignsubmission_file/work/{NOTEBOOK}": HONEST,
        "Ada Lovelace_1_assignsubmission_file/work/helpers.py": b"cheat = 1",
    }
    found, _, _ = found_in(class_zip(tmp_path, members), course)
    assert "files that are not the notebook are not used: helpers.py" in found["1"].notes


def test_canvas_names_with_late_work_and_anonymous_marking(course: CourseTree, tmp_path: Path) -> None:
    members = {
        f"lovelaceada_11111_900001_{NOTEBOOK}": HONEST,
        f"oneillbob_LATE_22222_900002_{LESSON}-1.ipynb": HONEST,
        f"anon_Ab3dE_900003_{NOTEBOOK}": HONEST,
        f"LATE_anon_Zz9Zz_900004_{NOTEBOOK}": HONEST,
        "youngcy_33333_text.html": b"<p>later</p>",
    }
    found, problems, lines = found_in(class_zip(tmp_path, members), course)
    assert sorted(found) == ["11111", "22222", "anon_Ab3dE", "anon_Zz9Zz"]
    assert found["11111"].notes == ("Canvas user 11111, lovelaceada",)
    assert "late, as Canvas says" in found["22222"].notes
    assert "late, as Canvas says" in found["anon_Zz9Zz"].notes
    assert "late, as Canvas says" not in found["11111"].notes
    assert "a text typed into the page" in problems["33333"].reason
    assert "Canvas" in lines[0]


def test_of_canvas_resubmissions_the_newest_counts(course: CourseTree, tmp_path: Path) -> None:
    members = {
        f"lovelaceada_11111_900009_{LESSON}-2.ipynb": HONEST,
        f"lovelaceada_11111_900001_{NOTEBOOK}": OTHER,
        f"lovelaceada_11111_900004_{LESSON}-1.ipynb": OTHER,
    }
    found, problems, _ = found_in(class_zip(tmp_path, members), course)
    assert found["11111"].content == HONEST
    assert f"the newest of 3 files of this lesson counts; not: {LESSON}-1.ipynb, {NOTEBOOK}" in found["11111"].notes
    assert problems == {}


def test_a_newer_upload_that_cannot_be_read_is_not_passed_over_in_silence(course: CourseTree, tmp_path: Path) -> None:
    members = {
        f"lovelaceada_11111_900001_{NOTEBOOK}": HONEST,
        f"lovelaceada_11111_900002_{LESSON}-1.ipynb": b"{",
    }
    found, _, _ = found_in(class_zip(tmp_path, members), course)
    assert any("a newer file was not read" in note and "not valid JSON" in note for note in found["11111"].notes)


def test_a_canvas_name_chosen_to_look_like_a_classmates_takes_nothing_from_the_classmate(
    course: CourseTree, tmp_path: Path
) -> None:
    # Canvas would write a student who is called "eve_ 11111 _ 900001 _" so.
    members = {
        f"lovelaceada_11111_900001_{NOTEBOOK}": HONEST,
        f"eve_11111_900001__44444_900005_{NOTEBOOK}": OTHER,
        f"bob_22222_900002_{NOTEBOOK}": HONEST,
    }
    found, problems, _ = found_in(class_zip(tmp_path, members), course)
    assert sorted(found) == ["11111", "22222"]
    assert found["11111"].content == HONEST
    (problem,) = problems.values()
    assert "eve_11111" in problem.reason
    assert "lovelaceada_11111" in problem.reason


METADATA = """\
---
submission_56789:
  :submitters:
  - :name: Ada Lovelace
    :sid: '20240001'
    :email: ada@uni.example
  :created_at: 2026-04-26 17:34:00.861687000 Z
  :score: 2.0
  :results:
    output: |-
      submission_1:
        :submitters:
        - :sid: '666'
submission_56790:
  :submitters:
  - :name: "Bob \\"B\\" O'Neill"
    :sid: 20240002
    :email: bob@uni.example
  - :name: 'Cy ''C'' Young'
    :sid:
    :email: cy@uni.example
submission_56791:
  :submitters: []
"""


def test_gradescopes_export(course: CourseTree, tmp_path: Path) -> None:
    root = "assignment_1234_export"
    members = {
        f"{root}/submission_metadata.yml": METADATA.encode(),
        f"{root}/submission_56789/{NOTEBOOK}": HONEST,
        f"{root}/submission_56789/submission_metadata.yml": b"submission_56789:\n  :submitters:\n  - :sid: '666'\n",
        f"{root}/submission_56790/{NOTEBOOK}": HONEST,
        f"{root}/submission_56791/{NOTEBOOK}": HONEST,
    }
    found, problems, lines = found_in(class_zip(tmp_path, members), course)
    assert sorted(found) == ["20240001", "20240002", "cy@uni.example"]
    assert found["20240001"].notes == ("Gradescope submission_56789, Ada Lovelace",)
    assert "handed in together by Bob \"B\" O'Neill, Cy 'C' Young" in found["20240002"].notes
    assert "nothing in its name says whose it is" in problems["submission_56791"].reason
    assert "the sid in submission_metadata.yml" in lines[0]


def test_metadata_that_gradescope_did_not_write_is_refused_or_passed_over() -> None:
    assert read_submitters(METADATA.encode())["submission_56790"][1] == {
        "name": "Cy 'C' Young",
        "email": "cy@uni.example",
    }
    assert "submission_1" not in read_submitters(METADATA.encode())
    odd = "submission_1:\n  :submitters:\n  - :name: &a [*a]\n    :sid: !!python/object:os.system x\n    :email: |-\n"
    assert read_submitters(odd.encode()) == {"submission_1": [{}]}
    twice = "submission_1:\n  :submitters:\n  - :sid: '1'\n  :submitters:\n  - :sid: '2'\n"
    assert read_submitters(twice.encode()) == {"submission_1": [{"sid": "1"}]}
    for bad in (b"", b"\xff\xfe", b"a: 1\n", b"submission_1:\nsubmission_1:\n"):
        with pytest.raises(LayoutError):
            read_submitters(bad)


@given(st.binary(max_size=300))
def test_any_bytes_as_metadata_are_read_or_refused(content: bytes) -> None:
    for start in (b"", b"submission_1:\n  :submitters:\n  - :name: "):
        with suppress(LayoutError):
            for people in read_submitters(start + content).values():
                assert all(set(one) <= {"name", "sid", "email"} for one in people)


def test_two_entries_with_one_id_are_both_named_and_neither_is_graded(course: CourseTree, tmp_path: Path) -> None:
    members = {
        "submission_metadata.yml": b"submission_1:\n  :submitters:\n  - :sid: '7'\n"
        b"submission_2:\n  :submitters:\n  - :sid: '7'\nsubmission_3:\n  :submitters:\n  - :sid: '8'\n",
        **{f"submission_{number}/{NOTEBOOK}": HONEST for number in (1, 2, 3)},
    }
    found, problems = collect([class_zip(tmp_path, members)], course)
    assert [one.student for one in found] == ["8"]
    assert [problem.student for problem in problems] == ["7", "7"]
    assert all("'submission_1' and 'submission_2'" in problem.reason for problem in problems)


@pytest.mark.parametrize("wrapper", ["", "submitted/", "class/", "course 2026/"])
def test_a_zipped_tree_of_submissions(wrapper: str, course: CourseTree, tmp_path: Path) -> None:
    members = {f"{wrapper}{student}/{LESSON}/{NOTEBOOK}": HONEST for student in ("ada", "bob")}
    found, problems, lines = found_in(class_zip(tmp_path, members), course)
    assert sorted(found) == ["ada", "bob"]
    assert found["ada"].path == tmp_path / "class.zip" / wrapper / "ada" / LESSON / NOTEBOOK
    assert problems == {}
    assert lines == []


@pytest.mark.parametrize("inside", [NOTEBOOK, f"{LESSON}/{NOTEBOOK}"])
def test_a_zip_of_one_student(inside: str, course: CourseTree, tmp_path: Path) -> None:
    path = write_zip(tmp_path / "ada.zip", {inside: HONEST, "data/x.csv": b"1"})
    found, _, lines = found_in(path, course)
    assert list(found) == ["ada"]
    assert "one student" in lines[0]
    assert list(found_in(path, course, student="bob")[0]) == ["bob"]


def test_a_students_own_zip_cannot_hand_in_for_somebody_else(course: CourseTree, tmp_path: Path) -> None:
    path = write_zip(tmp_path / "eve.zip", {f"eve/lovelaceada_11111_900001_{NOTEBOOK}": HONEST})
    assert list(found_in(path, course)[0]) == ["eve"]
    path = write_zip(tmp_path / "eve.zip", {f"lovelaceada_11111_900001_{NOTEBOOK}": HONEST})
    assert list(found_in(path, course, student="eve")[0]) == ["eve"]


def test_an_unpacked_export_is_read_as_the_archive_is(course: CourseTree, tmp_path: Path) -> None:
    for name in (f"lovelaceada_11111_900001_{NOTEBOOK}", f"oneillbob_22222_900002_{NOTEBOOK}"):
        (tmp_path / "inbox").mkdir(exist_ok=True)
        (tmp_path / "inbox" / name).write_bytes(HONEST)
    assert list(found_in(tmp_path / "inbox", course)[0]) == ["11111", "22222"]


def test_one_students_choice_of_names_does_not_change_how_the_class_is_read(course: CourseTree, tmp_path: Path) -> None:
    members = {
        f"Ada Lovelace_1_assignsubmission_file_{NOTEBOOK}": HONEST,
        f"Bob_2_assignsubmission_file_x_777_888_{NOTEBOOK}": HONEST,
        "Bob_2_assignsubmission_file_x_779_888_more.ipynb": HONEST,
        "Bob_2_assignsubmission_file_submission_metadata.yml": b"",
    }
    found, problems, _ = found_in(class_zip(tmp_path, members), course)
    assert sorted(found) == ["1", "2"]
    assert problems == {}


def test_an_instructors_pattern_decides_alone(course: CourseTree, tmp_path: Path) -> None:
    members = {f"Ada Lovelace_1_assignsubmission_file_/{NOTEBOOK}": HONEST, f"letter/{NOTEBOOK}": HONEST}
    path = class_zip(tmp_path, members)
    found, problems, lines = found_in(path, course, id_pattern=r"^(?P<student>[^_/]+)_\d+_assign")
    assert list(found) == ["Ada Lovelace"]
    assert "--id-pattern" in problems["letter"].reason
    assert "your pattern" in lines[0]
    for bad, message in (("(", "not a regular expression"), ("(.*)", "no group named student")):
        with pytest.raises(IntakeError, match=message):
            collect([path], course, id_pattern=bad)


MOODLE_WORKSHEET = (
    "Identifier,Full name,ID number,Email address,Status\n"
    "Participant 1,Ada Lovelace,m-100,ada@uni.example,Submitted\n"
    "Participant 2,Ada Lovelace,m-101,ada2@uni.example,Submitted\n"
)
CANVAS_GRADEBOOK = (
    "Student,ID,SIS User ID,SIS Login ID,Section,Lab 1 (77)\n"
    "    Points Possible,,,,,10\n"
    '"Lovelace, Ada",1,u-1,m-100,A,\n"O\'Neill, Bob",2,u-2,m-101,A,\n'
)
NBGRADER_LIST = "id,first_name,last_name,email,lms_user_id\nm-100,Ada,Lovelace,,1\nm-101,Bob,O'Neill,,2\n"
GERMAN_LIST = "\ufeffstudent;name;participant\nm-100;Ada Lovelace;1\nm-101;Bob;Teilnehmer/in2\n"


@pytest.mark.parametrize("text", [MOODLE_WORKSHEET, CANVAS_GRADEBOOK, NBGRADER_LIST, GERMAN_LIST])
@pytest.mark.parametrize("name", ["Ada Lovelace_{}_assignsubmission_file_/", "lovelaceada_{}_9_"])
def test_a_roster_gives_the_courses_own_ids(text: str, name: str, course: CourseTree, tmp_path: Path) -> None:
    roster = tmp_path / "roster.csv"
    roster.write_text(text, encoding="utf-8")
    path = class_zip(tmp_path, {name.format(number) + NOTEBOOK: HONEST for number in (1, 2)})
    assert sorted(found_in(path, course, roster=roster)[0]) == ["m-100", "m-101"]


def test_who_is_not_in_the_roster_or_twice_is_a_problem(course: CourseTree, tmp_path: Path) -> None:
    roster = tmp_path / "roster.csv"
    roster.write_text("student,name\nm-1,Ada\nm-2,Bob\nm-3,Bob\n")
    names = {"Ada": 5, "Bob": 6, "Cy": 7}
    members = {f"{name}_{number}_assignsubmission_file_/{NOTEBOOK}": HONEST for name, number in names.items()}
    found, problems, _ = found_in(class_zip(tmp_path, members), course, roster=roster)
    assert list(found) == ["m-1"]
    assert "several students called 'Bob' (m-2, m-3)" in problems["6"].reason
    assert "no student called 'number 7' or 'Cy'" in problems["7"].reason


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no column of ids"),
        (b"a,b\n1,2\n", "no column of ids"),
        (b"student,name\n", "lists no student"),
        (b"student\n\xff\n", "not UTF-8"),
        (b"student\n" + b'"' + b"x" * 200_000, "not a CSV file"),
    ],
)
def test_a_roster_that_is_none_is_explained(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "roster.csv").write_bytes(content)
    with pytest.raises(LayoutError, match=message):
        read_roster(tmp_path / "roster.csv")
    with pytest.raises(LayoutError, match="cannot be read"):
        read_roster(tmp_path / "absent.csv")


PERSON = st.text(string.ascii_letters + " -'äß", min_size=1, max_size=20).filter(str.strip)
FILE = st.text(string.ascii_letters + string.digits + " _-()", min_size=1, max_size=20).map(
    lambda name: f"{name}.ipynb"
)
NUMBER = st.integers(1, 10**9)


@given(PERSON, NUMBER, FILE, st.sampled_from(["_/", "/", "_"]))
def test_moodles_number_is_found_whatever_the_file_is_called(name: str, number: int, file: str, end: str) -> None:
    match = MOODLE.fullmatch(f"{name}_{number}_assignsubmission_file{end}{file}")
    assert match is not None
    assert (match["name"], int(match["student"])) == (name, number)
    assert file in (match["path"], match["file"])


@given(st.text(string.ascii_lowercase + "äß", min_size=1, max_size=20), st.booleans(), NUMBER, NUMBER, FILE)
def test_canvas_numbers_are_found_whatever_the_file_is_called(
    name: str, late: bool, user: int, upload: int, file: str
) -> None:
    match = CANVAS.fullmatch(f"{name}{'_LATE' if late else ''}_{user}_{upload}_{file}")
    assert match is not None
    assert (match["name"], int(match["student"]), int(match["upload"]), match["file"]) == (name, user, upload, file)
    assert bool(match["late"]) == late
