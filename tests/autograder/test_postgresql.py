"""The gradebook on a real PostgreSQL server: a throw-away cluster that listens on a socket in a folder of ours."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from small_course import ALL_RIGHT, LESSON, hand_in, submission, write_course
from test_grading import ScriptedEngine, run_grading

from autograder import booking
from autograder.course_tree import CourseTree
from autograder.gradebook import GradebookError, quiet_nbgrader, read_marks
from autograder.keys import load_key
from autograder.reports import as_csv, gather
from autograder.verification import verify_course

BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin")) if os.name == "posix" else []

pytestmark = [
    pytest.mark.skipif(
        not BINARIES and "REQUIRE_POSTGRESQL" not in os.environ,
        reason="no PostgreSQL server is installed (Debian: apt-get install postgresql)",
    ),
    pytest.mark.slow,
]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Start a server of our own, as an ordinary user where we are root, and return its databases' address."""
    assert BINARIES, "REQUIRE_POSTGRESQL is set, but there is no server under /usr/lib/postgresql"
    as_user: dict[str, Any] = {}
    # The socket's path has to be short, and its folder one that the server's user may enter.
    home = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    if os.geteuid() == 0:
        owner = pwd.getpwnam("postgres")
        os.chown(home, owner.pw_uid, owner.pw_gid)
        as_user = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}

    def call(program: str, *words: str) -> None:
        command = [str(BINARIES[-1] / program), *words]
        subprocess.run(command, check=True, cwd=home, stdout=subprocess.DEVNULL, timeout=120, **as_user)

    data = str(home / "data")
    options = f"-c listen_addresses= -c unix_socket_directories={home} -c fsync=off"
    try:
        call("initdb", "--auth=trust", "--username=grader", "--encoding=UTF8", "--no-sync", data)
        call(
            "pg_ctl", "--pgdata", data, "--wait", "--silent", "--log", str(home / "log"), "--options", options, "start"
        )
        try:
            yield f"postgresql://grader@/{{}}?host={home}"
        finally:
            call("pg_ctl", "--pgdata", data, "--mode", "immediate", "--silent", "stop")
    finally:
        shutil.rmtree(home)


@pytest.fixture
def db_url(server: str, request: pytest.FixtureRequest) -> str:
    name = f"test_{abs(hash(request.node.name)) % 10**8}"
    with closing(connect(server.format("postgres"))) as connection:
        connection.autocommit = True
        connection.execute(f"CREATE DATABASE {name}")
    return server.format(name)


def connect(url: str) -> Any:
    import psycopg

    return psycopg.connect(url)


@pytest.fixture
def course(tmp_path: Path) -> CourseTree:
    course = write_course(tmp_path / "course")
    for number in range(5):
        hand_in(course.submitted, f"student{number}", submission(ALL_RIGHT if number else {}))
    return course


def test_the_marks_are_those_of_a_sqlite_gradebook(course: CourseTree, db_url: str) -> None:
    from nbgrader.api import Gradebook

    run = run_grading(course, ScriptedEngine(), db_url=db_url)
    assert (len(run.graded), run.problems) == (5, [])
    run_grading(course, ScriptedEngine())
    assert read_marks(course, db_url) == read_marks(course, course.default_database)
    assert as_csv(gather(course, db_url)) == as_csv(gather(course, course.default_database))
    assert verify_course(course, db_url, load_key(course.root)).findings == ()
    for number in range(5):
        shown = []
        for url in (db_url, course.default_database):
            with quiet_nbgrader(), Gradebook(url) as gradebook:
                found = gradebook.find_submission(LESSON, f"student{number}").to_dict()
                shown.append({key: value for key, value in found.items() if key != "id"})
        assert shown[0] == shown[1]


def test_what_a_marker_entered_is_kept_and_reported(course: CourseTree, db_url: str) -> None:
    from nbgrader.api import Gradebook

    run_grading(course, ScriptedEngine(), db_url=db_url)
    with quiet_nbgrader(), Gradebook(db_url) as gradebook:
        grade = gradebook.find_grade("why", LESSON, LESSON, "student2")
        grade.manual_score, grade.needs_manual_grade, grade.extra_credit = 1.5, False, 0.25
        gradebook.find_comment("why", LESSON, LESSON, "student2").manual_comment = "größer"
        gradebook.db.commit()
    assert len(run_grading(course, ScriptedEngine(), db_url=db_url).unchanged) == 5
    run_grading(course, ScriptedEngine(), db_url=db_url, regrade=True)
    (marks,) = [one for one in read_marks(course, db_url) if one.student == "student2"]
    why = marks.marks["why"]
    assert (why.points, why.marked_by_hand, why.comment, marks.total) == (1.75, True, "größer", 6.75)


def test_a_locked_table_is_a_message_on_the_submissions_and_costs_no_work(
    course: CourseTree, db_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(booking, "BUSY_SECONDS", 0.2)
    run_grading(course, ScriptedEngine(), db_url=db_url)
    hand_in(course.submitted, "student0", submission(ALL_RIGHT))
    with closing(connect(db_url)) as holder:
        holder.execute("LOCK TABLE grade IN SHARE MODE")
        run = run_grading(course, ScriptedEngine(), db_url=db_url)
        holder.rollback()
    assert [(one.student, "lock timeout" in one.reason) for one in run.problems] == [("student0", True)]
    assert len(run.unchanged) == 4
    engine = ScriptedEngine()
    assert (len(run_grading(course, engine, db_url=db_url).booked), engine.runs) == (1, 0)


def test_a_server_that_is_not_there_is_explained_without_the_password(course: CourseTree, tmp_path: Path) -> None:
    url = f"postgresql://grader:secret-word@/none?host={tmp_path}"
    with pytest.raises(GradebookError, match="running and may be reached") as error:
        run_grading(course, ScriptedEngine(), db_url=url)
    assert "secret-word" not in str(error.value)
