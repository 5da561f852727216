"""Grades a class of attackers in a process of its own, as an ordinary user where the harness asks for one.

The process holds secrets in its environment and its memory, as a grader does, and writes down what it made of the
class. Whether the attackers did harm is for the harness to find out, from outside.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from attack_course import MEMORY_CANARY
from sandbox_server import become_ordinary

from autograder.course_tree import CourseTree
from autograder.engine import Engine, Limits
from autograder.feedback import write_feedback
from autograder.gradebook import read_marks
from autograder.grading import GradingRun, grade_class
from autograder.intake import IntakeError, Problem, Submission, collect
from autograder.keys import load_key
from autograder.reports import gather, write_reports

LIMITS = Limits(
    cell_seconds=3.0,
    total_seconds=15.0,
    memory_bytes=2**30,
    output_bytes=200_000,
    displays=50,
    processes=48,
    open_files=128,
    file_bytes=8 * 2**20,
    scratch_bytes=32 * 2**20,
)


def grade(course: CourseTree, places: list[Path], engine: Engine, jobs: int) -> tuple[GradingRun, dict[str, str]]:
    """Grade every place, and return the run and the places that were refused as a whole."""
    submissions: list[Submission] = []
    problems: list[Problem] = []
    refused = {}
    for place in places:
        try:
            found, bad = collect([place], course)
        except IntakeError as error:
            refused[place.name] = str(error)
            continue
        submissions += found
        problems += bad
    run = grade_class(
        course, submissions, engine, db_url=course.default_database, problems=problems, jobs=jobs, limits=LIMITS
    )
    return run, refused


def processes_with(token: str) -> list[str]:
    """Return the command lines of the processes that carry a token."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
            except OSError:
                continue
            if token in command:
                found.append(f"{entry.name} {command}")
    return found


def main(settings: dict[str, Any]) -> None:
    """Grade, write reports, and write down what became of everybody."""
    from autograder.engines import make_engine

    secret_in_memory = [MEMORY_CANARY, MEMORY_CANARY.encode()]
    course = CourseTree.open(Path(settings["course"]))
    key = load_key(course.root)
    engine = make_engine("split", sandboxed=True, key=key)
    try:
        run, refused = grade(course, [Path(place) for place in settings["places"]], engine, settings["jobs"])
        survivors = processes_with(settings["token"])
    finally:
        engine.close()
    report = gather(course, course.default_database, key)
    folder = Path(settings["reports"])
    write_reports(report, folder)
    write_feedback(report, folder)
    rows = [
        {
            "student": one.student,
            "lesson": one.notebook,
            "seconds": one.seconds,
            "outcomes": {
                outcome.exercise: [str(outcome.status), outcome.points, outcome.message, outcome.marker_note]
                for outcome in one.outcomes
            },
        }
        for one in run.graded
    ]
    marks = {
        f"{one.student}/{one.notebook}": {name: mark.points for name, mark in one.marks.items()}
        for one in read_marks(course, course.default_database)
    }
    result = {
        "graded": rows,
        "marks": marks,
        "problems": [[one.student, str(one.path), one.reason] for one in run.problems],
        "refused": refused,
        "survivors": survivors,
        "seconds": run.seconds,
        "secrets": len(secret_in_memory),
    }
    Path(settings["result"]).write_text(json.dumps(result), encoding="utf-8")


if __name__ == "__main__":
    given = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    if given["ordinary"]:
        become_ordinary()
    main(given)
