"""Checking that what is kept still says the same: verdicts, executed notebooks and the gradebook."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .course_tree import CourseTree
from .files import file_hash
from .gradebook import Mark, Marks, read_marks
from .keys import GradingKey
from .outcomes import Outcome
from .verdicts import KeptVerdict, Standing, load_verdict, read_verdict, verdict_files, verdict_path


@dataclass(frozen=True)
class Finding:
    """Something that is not as the grader left it."""

    student: str
    lesson: str
    what: str


@dataclass(frozen=True)
class Verification:
    """How many verdicts were looked at, and what was found."""

    verdicts: int
    findings: tuple[Finding, ...]


def verify_course(course: CourseTree, db_url: str, key: GradingKey) -> Verification:
    """Compare every verdict with its signature, its executed notebook and the gradebook; marks by hand aside.

    Args:
        course: the course.
        db_url: address of the gradebook.
        key: the key that verdicts are signed with.
    Returns:
        What differs, in the order of student and lesson.
    """
    in_gradebook = {(one.student, one.assignment, one.notebook): one for one in read_marks(course, db_url)}
    files = list(verdict_files(course))
    findings: list[Finding] = []
    known = {
        verdict_path(course, student, lesson.assignment, lesson.name)
        for student in {path.parent.parent.name for path in files}
        for lesson in course.lessons
    }
    for path in files:
        if path not in known:
            findings.append(
                Finding(
                    path.parent.parent.name, f"{path.parent.name}/{path.stem}", "a verdict on no lesson of the course"
                )
            )
            continue
        student, assignment, notebook = path.parent.parent.name, path.parent.name, path.stem
        lesson = next(one for one in course.lessons if (one.assignment, one.name) == (assignment, notebook))
        kept = load_verdict(course, student, lesson, key)
        executed = course.autograded_folder(student, assignment) / f"{notebook}.ipynb"
        marks = in_gradebook.get((student, assignment, notebook))
        findings += [Finding(student, str(lesson), what) for what in _differences(kept, file_hash(executed), marks)]
    for student, assignment, notebook in in_gradebook:
        path = verdict_path(course, student, assignment, notebook)
        if read_verdict(path, key).standing is Standing.MISSING and _has_marks(
            in_gradebook[student, assignment, notebook]
        ):
            findings.append(
                Finding(student, f"{assignment}/{notebook}", "the gradebook has marks that no verdict explains")
            )
    return Verification(len(files), tuple(sorted(findings, key=lambda one: (one.student, one.lesson, one.what))))


def _has_marks(marks: Marks) -> bool:
    """Say whether the grader gave points; a notebook that was not handed in has zeros and no verdict."""
    return any(mark.auto_points for mark in marks.marks.values())


def _differences(kept: KeptVerdict, notebook_sha256: str, marks: Marks | None) -> Iterator[str]:
    verdict = kept.believed
    if verdict is None:
        yield f"the verdict is {kept.standing}"
        return
    if not notebook_sha256:
        yield "the executed notebook is missing"
    elif notebook_sha256 != verdict.notebook_sha256:
        yield "the executed notebook is not the one that the verdict is about"
    if marks is None:
        yield "the verdict has not been entered into the gradebook"
        return
    for outcome in verdict.outcomes:
        yield from _mark_differs(outcome, marks.marks.get(outcome.exercise))


def _mark_differs(outcome: Outcome, mark: Mark | None) -> Iterator[str]:
    if mark is None:
        yield f"{outcome.exercise}: the gradebook does not know this exercise"
    elif mark.auto_points != outcome.points:
        ours, theirs = (
            "none yet" if points is None else f"{points:g}" for points in (outcome.points, mark.auto_points)
        )
        yield f"{outcome.exercise}: the verdict says {ours}, the gradebook {theirs}"
