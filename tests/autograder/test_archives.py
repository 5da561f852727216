"""Archives are read without trusting a name, a size or a link in them."""

from __future__ import annotations

import json
import os
import stat
import struct
import time
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_course import ALL_RIGHT, LESSON, submission, write_course
from zips import Entry, write_raw_zip, write_zip

from autograder import archives
from autograder.archives import ArchiveError, FolderPlace, Member, MemberError, ZipPlace, name_refusal, printable
from autograder.course_tree import CourseTree
from autograder.intake import IntakeError, Problem, Submission, collect

HONEST = json.dumps(submission(ALL_RIGHT)).encode()
GOOD = f"bob/{LESSON}/{LESSON}.ipynb"


@pytest.fixture
def course(tmp_path: Path) -> CourseTree:
    return write_course(tmp_path / "course")


@pytest.fixture(scope="module")
def one_course(tmp_path_factory: pytest.TempPathFactory) -> CourseTree:
    return write_course(tmp_path_factory.mktemp("shared") / "course")


def taken(path: Path, course: CourseTree) -> tuple[list[str], dict[str, str]]:
    found, problems = collect([path], course)
    return [one.student for one in found], {problem.student: problem.reason for problem in problems}


def link(name: str, target: str) -> tuple[zipfile.ZipInfo, bytes]:
    info = zipfile.ZipInfo(name)
    info.create_system = 3
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info, target.encode()


def device(name: str, kind: int) -> tuple[zipfile.ZipInfo, bytes]:
    info = zipfile.ZipInfo(name)
    info.create_system = 3
    info.external_attr = (kind | 0o600) << 16
    return info, b""


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("ada/../../../etc/passwd", "leads out"),
        ("ada/01_small/..", "leads out"),
        ("/ada/01_small/01_small.ipynb", "absolute"),
        ("C:/ada/01_small.ipynb", "absolute"),
        ("ada\\01_small\\01_small.ipynb", "backslash"),
        ("ada/01_small/a\nb.ipynb", "control"),
        ("ada/01_small/a\u202eb.ipynb", "control"),
        ("ada/01_small/\ufeff01_small.ipynb", "control"),
        ("ada//01_small.ipynb", "empty part"),
        ("ada/" * 20 + "01_small.ipynb", "folders deep"),
        ("ada/" + "x" * 300 + ".ipynb", "longer than"),
        ("ada/\0/x.ipynb", "NUL"),
    ],
)
def test_a_dangerous_name_is_refused_with_its_student_and_the_others_go_on(
    name: str, reason: str, course: CourseTree, tmp_path: Path
) -> None:
    entries = [Entry(name.encode(), HONEST, flags=0x800), Entry(GOOD.encode(), HONEST)]
    students, problems = taken(write_raw_zip(tmp_path / "class.zip", entries), course)
    assert students == ["bob"]
    (only,) = problems.values()
    assert reason in only


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ([link(f"ada/{LESSON}/{LESSON}.ipynb", "/etc/passwd")], "link"),
        ([link(f"ada/{LESSON}/data", "../../.."), (f"ada/{LESSON}/{LESSON}.ipynb", HONEST)], "link"),
        ([device(f"ada/{LESSON}/{LESSON}.ipynb", stat.S_IFIFO)], "device"),
        ([device(f"ada/{LESSON}/{LESSON}.ipynb", stat.S_IFCHR)], "device"),
        ([(f"ada/{LESSON}/A.ipynb", HONEST), (f"ada/{LESSON}/a.ipynb", HONEST)], "upper and lower"),
        ([(f"ada/{LESSON}/A.ipynb", HONEST), (f"ada/{LESSON}/A.ipynb", b"{}")], "2 times"),
        ([(f"ada/{LESSON}/ä.ipynb", HONEST), (f"ada/{LESSON}/a\u0308.ipynb", b"{}")], "2 times"),
    ],
    ids=["link", "folder link", "pipe", "device", "case", "twice", "twice once composed"],
)
def test_links_devices_and_clashes_are_their_students_problem(
    bad: list[tuple[str | zipfile.ZipInfo, bytes]], reason: str, course: CourseTree, tmp_path: Path
) -> None:
    students, problems = taken(write_zip(tmp_path / "class.zip", [*bad, (GOOD, HONEST)]), course)
    assert students == ["bob"]
    assert list(problems) == ["ada"]
    assert reason in problems["ada"]


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (Entry(b"", HONEST, flags=0x1), "encrypted"),
        (Entry(b"", HONEST, method=14), "method 14"),
        (Entry(b"", HONEST, method=12), "method 12"),
        (Entry(b"", HONEST, crc=1), "damaged"),
        (Entry(b"", HONEST, declared_size=len(HONEST) - 5), "damaged"),
        (Entry(b"", HONEST, declared_size=len(HONEST) + 5), "damaged|cut off"),
        (Entry(b"", HONEST, declared_size=2**31), "MiB, the limit"),
        (Entry(b"", HONEST, raw=b"\xff\xff\xff"), "damaged"),
        (Entry(b"", HONEST, local_name=b"eve/01_small/01_small.ipynb"), "damaged"),
        (Entry(b"", b" " * 4 * 2**20), "250 to 1"),
        (Entry(b"", b"PK\x03\x04 more"), "archive named as a notebook"),
    ],
    ids=[
        "encrypted",
        "lzma",
        "bzip2",
        "crc",
        "short",
        "long",
        "4 GB",
        "no deflate",
        "local",
        "ratio",
        "zip in disguise",
    ],
)
def test_an_entry_that_lies_is_its_students_problem(
    entry: Entry, reason: str, course: CourseTree, tmp_path: Path
) -> None:
    entry.name = f"ada/{LESSON}/{LESSON}.ipynb".encode()
    path = write_raw_zip(tmp_path / "class.zip", [entry, Entry(GOOD.encode(), HONEST)])
    students, problems = taken(path, course)
    assert students == ["bob"]
    assert any(word in problems["ada"] for word in reason.split("|")), problems


@pytest.mark.parametrize("suffix", [".zip", ".tar", ".tar.gz", ".7z", ".rar", ".TGZ"])
def test_an_archive_inside_is_named_and_not_opened(suffix: str, course: CourseTree, tmp_path: Path) -> None:
    members = {f"ada/{LESSON}/work{suffix}": b"PK\x03\x04", GOOD: HONEST, f"bob/{LESSON}/more{suffix}": b"x"}
    found, problems = collect([write_zip(tmp_path / "class.zip", members)], course)
    assert [one.student for one in found] == ["bob"]
    assert found[0].notes == (f"files that are not the notebook are not used: more{suffix}",)
    assert f"work{suffix}: an archive inside is not opened" in problems[0].reason


def test_entries_that_share_bytes_refuse_the_archive(course: CourseTree, tmp_path: Path) -> None:
    first = Entry(GOOD.encode(), HONEST)
    again = Entry(f"ada/{LESSON}/{LESSON}.ipynb".encode(), HONEST, offset=0)
    path = write_raw_zip(tmp_path / "class.zip", [first, again])
    with pytest.raises(IntakeError, match="overlap"):
        collect([path], course)
    # The quoted kind: the second local header lies inside the first entry's data.
    inner = Entry(b"ada/x.ipynb", HONEST, method=0)
    whole = write_raw_zip(tmp_path / "inner.zip", [inner]).read_bytes()
    quoting = Entry(GOOD.encode(), whole, method=0)
    quoted = Entry(b"ada/x.ipynb", HONEST, method=0, offset=30 + len(GOOD))
    with pytest.raises(IntakeError, match="overlap"):
        collect([write_raw_zip(path, [quoting, quoted])], course)


def test_an_entry_that_reaches_into_the_directory_is_damage(course: CourseTree, tmp_path: Path) -> None:
    path = write_raw_zip(tmp_path / "class.zip", [Entry(GOOD.encode(), HONEST)])
    content = bytearray(path.read_bytes())
    place = content.index(b"PK\x01\x02") + 20
    content[place : place + 4] = struct.pack("<I", len(HONEST) + 10_000)
    path.write_bytes(content)
    with pytest.raises(IntakeError, match="does not end inside"):
        collect([path], course)


def test_too_many_entries_and_a_huge_directory_refuse_the_archive(
    course: CourseTree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_zip(tmp_path / "class.zip", {f"s{number}/x.txt": b"" for number in range(60)})
    monkeypatch.setattr(archives, "MAX_ENTRIES", 50)
    with pytest.raises(IntakeError, match="60 entries, the limit is 50"):
        collect([path], course)
    monkeypatch.setattr(archives, "MAX_DIRECTORY_BYTES", 1_000)
    with pytest.raises(IntakeError, match="directory of more than"):
        collect([path], course)


def test_a_hundred_thousand_entries_are_listed_in_seconds(course: CourseTree, tmp_path: Path) -> None:
    entries = (Entry(f"ada/{number}".encode(), method=0) for number in range(archives.MAX_ENTRIES - 1))
    path = write_raw_zip(tmp_path / "class.zip", [*entries, Entry(GOOD.encode(), HONEST)])
    # The counts in the end record have 16 bits; a lie there must not matter, the directory's length decides.
    started = time.monotonic()
    students, problems = taken(path, course)
    assert time.monotonic() - started < 20
    assert students == ["bob"]
    assert "the limit is" in problems["ada"]


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.99])
def test_a_truncated_archive_is_refused_as_such(share: float, course: CourseTree, tmp_path: Path) -> None:
    path = write_zip(tmp_path / "class.zip", {GOOD: HONEST, f"ada/{LESSON}/{LESSON}.ipynb": HONEST})
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(IntakeError, match="download it again"):
        collect([path], course)


def test_a_wholly_encrypted_archive_is_said_once(course: CourseTree, tmp_path: Path) -> None:
    names = [f"{student}/{LESSON}/{LESSON}.ipynb".encode() for student in ("ada", "bob")]
    path = write_raw_zip(tmp_path / "class.zip", [Entry(name, HONEST, flags=1) for name in names])
    with pytest.raises(IntakeError, match="is encrypted: unpack it"):
        collect([path], course)


def test_names_of_other_code_pages_and_clutter_do_no_harm(course: CourseTree, tmp_path: Path) -> None:
    entries = [
        Entry(f"müller/{LESSON}/{LESSON}.ipynb".encode(), HONEST),  # UTF-8 without the flag, as macOS writes
        Entry(f"./bob/./{LESSON}/{LESSON}.ipynb".encode(), HONEST),
        Entry(b"__MACOSX/bob/._01_small.ipynb", b"x"),
        Entry(b"bob/.DS_Store", b"x"),
        Entry(f"bob/{LESSON}/.ipynb_checkpoints/{LESSON}-checkpoint.ipynb".encode(), b"{}"),
        Entry(b"list of the class.txt", b"x"),
    ]
    found, problems = collect([write_raw_zip(tmp_path / "class.zip", entries)], course)
    assert [one.student for one in found] == ["bob", "müller"]
    assert problems == []


def test_data_before_the_archive_and_zip64_are_read(course: CourseTree, tmp_path: Path) -> None:
    path = tmp_path / "class.zip"
    with zipfile.ZipFile(path, "w") as archive, archive.open(GOOD, "w", force_zip64=True) as file:
        file.write(HONEST)
    assert taken(path, course)[0] == ["bob"]
    path.write_bytes(b"#!/bin/sh\n" + path.read_bytes())
    assert taken(path, course)[0] == ["bob"]


NAMES = st.lists(
    st.one_of(
        st.sampled_from(["..", ".", "", "ada", "bob", "A", LESSON, f"{LESSON}.ipynb", ".git", "C:", "x" * 300, "ü"]),
        st.text(st.characters(codec="utf-8"), max_size=12),
    ),
    min_size=1,
    max_size=6,
).map("/".join)


@settings(max_examples=150, deadline=None)
@given(names=st.lists(NAMES, min_size=1, max_size=5), flag=st.booleans())
def test_whatever_the_names_nothing_is_written_and_every_notebook_is_taken_or_named(
    names: list[str], flag: bool, one_course: CourseTree, tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = tmp_path_factory.mktemp("property")
    path = write_raw_zip(
        root / "class.zip", [Entry(name.encode()[:60_000], HONEST, flags=0x800 * flag) for name in names]
    )
    before = sorted(root.rglob("*"))
    try:
        found, problems = collect([path], one_course)
    except IntakeError:
        found, problems = [], []
    assert sorted(root.rglob("*")) == before
    for one in found:
        assert isinstance(one, Submission)
        assert path in one.path.parents
        assert ".." not in one.path.parts
        assert one.content == HONEST
    for problem in problems:
        assert isinstance(problem, Problem)
        assert problem.reason
        assert ".." not in problem.path.relative_to(path).parts
        assert problem.reason.isprintable()


@settings(max_examples=200, deadline=None)
@given(content=st.binary(max_size=400), place=st.integers(0, 400), honest=st.booleans())
def test_damaged_bytes_give_a_place_or_an_archive_error(
    content: bytes, place: int, honest: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("bytes") / "class.zip"
    if honest:
        whole = write_raw_zip(path, [Entry(b"a/b.ipynb", b"{}"), Entry(b"b/b.ipynb", b"{}", method=0)]).read_bytes()
        content = whole[:place] + content[:8] + whole[place + len(content[:8]) :]
    path.write_bytes(content)
    reasons = []
    try:
        with ZipPlace(path) as archive:
            for member in archive.members:
                try:
                    archive.read(member, 1_000)
                except MemberError as error:
                    reasons.append(str(error))
    except ArchiveError as error:
        reasons.append(str(error))
    assert all(reasons)


@given(st.text(max_size=300))
def test_what_is_printed_is_one_visible_line(text: str) -> None:
    shown = printable(text)
    assert len(shown) <= 161
    assert not set(shown) & set("\n\r\t\x00\x1b\u202e\u2066")
    assert shown.isprintable()
    shown.encode()


@given(NAMES)
def test_a_name_that_is_not_refused_stays_inside(name: str) -> None:
    if not name_refusal(name):
        base = os.path.abspath("/base")
        assert os.path.normpath(os.path.join(base, name)).startswith(base + os.sep)


def test_a_pipe_in_a_folder_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "ada").mkdir()
    os.mkfifo(tmp_path / "ada" / "x.ipynb")
    (tmp_path / "ada" / "y.ipynb").write_bytes(b"{}")
    os.link(tmp_path / "ada" / "y.ipynb", tmp_path / "ada" / "z.ipynb")
    place = FolderPlace(tmp_path)
    reasons = {member.name: member.refusal for member in place.members if not member.is_folder}
    assert "pipe" in reasons["x.ipynb"]
    assert reasons["y.ipynb"] == reasons["z.ipynb"] == ""
    started = time.monotonic()
    with pytest.raises(MemberError, match="pipe"):
        place.read(Member(("ada", "x.ipynb")), 100)
    assert time.monotonic() - started < 1
    assert place.read(Member(("ada", "z.ipynb")), 100) == b"{}"


def test_a_folder_with_too_many_entries_or_too_deep_is_its_students_problem(
    course: CourseTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "MAX_STUDENT_ENTRIES", 20)
    for student in ("ada", "bob", "cyd"):
        (course.submitted / student / LESSON).mkdir(parents=True)
        (course.submitted / student / LESSON / f"{LESSON}.ipynb").write_bytes(HONEST)
    for number in range(30):
        (course.submitted / "ada" / f"{number}.txt").touch()
    (course.submitted / "cyd").joinpath(*(["deep"] * 18)).mkdir(parents=True)
    students, problems = taken(course.submitted, course)
    assert students == ["bob"]
    assert "more than 20 entries" in problems["ada"]
    assert "deep" in problems["cyd"]
