"""One signed verdict a submission: the source of the gradebook, the tables, the feedback and Gradescope's results.

A verdict is a JSON file under ``verdicts/`` (``verdict.schema.json`` describes it). Its fingerprints say what
the marks depend on, so that an unchanged submission is not run again. The same submission gives the same bytes
twice, but for the member ``measured``, which holds what differs from run to run: times, memory, and the hash of the
executed notebook, in which a student may have printed a time. ``signature`` is an HMAC-SHA256 over everything else,
and ``measured`` carries one of its own, which binds it to that verdict.
"""

from __future__ import annotations

import datetime
import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any, Final

from .course_tree import CourseTree, Exercise, Lesson
from .engine import Limits
from .files import write_atomically
from .intake import Problem, Submission
from .keys import GradingKey
from .notebook_files import write_text
from .outcomes import Outcome, Status

SCHEMA_VERSION: Final = 1
SCHEMA_PATH: Final = Path(__file__).with_name("verdict.schema.json")

# What only shows or builds things, below the package. A module that is not named here counts as one that decides marks.
_DECIDES_NO_MARK: Final = frozenset(
    {"__main__", "bundle", "cli", "feedback", "gradescope", "grading_commands", "instructor_tree", "leaks"}
    | {"learner_check", "learner_process", "release", "reports", "sample_class", "split/alone", "verification"}
)

_CAUSES: Final = {
    "answers": "the student's notebook changed",
    "lesson": "the lesson changed",
    "grader": "the grader or course_lib changed",
    "engine": "another engine",
    "limits": "other limits",
    "key": "another grading key, and with it other hidden inputs",
}


@dataclass(frozen=True)
class JudgedExercise:
    """An exercise's outcome, with what a reader of the verdict needs to know about the exercise."""

    title: str
    max_points: float
    outcome: Outcome


@dataclass(frozen=True)
class Verdict:
    """The kept result of one submission.

    ``unanswered`` are the answers still as released; ``warnings`` what every report of these marks has to say about
    them; ``seconds`` the wall time of the whole submission, of which ``student_seconds`` were spent in the student's
    code, extra cells included; ``finished`` its end.
    """

    student: str
    assignment: str
    notebook: str
    fingerprints: Mapping[str, str]
    exercises: tuple[JudgedExercise, ...]
    unanswered: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    student_seconds: float = 0.0
    finished: str = ""
    notebook_sha256: str = ""

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """The outcome of each exercise, in order."""
        return tuple(one.outcome for one in self.exercises)


class Standing(StrEnum):
    """Whether a verdict file can be believed."""

    SIGNED = "signed"
    OTHER_KEY = "signed with another key"
    ALTERED = "altered"
    MISSING = "missing"


@dataclass(frozen=True)
class KeptVerdict:
    """A verdict as it was found. Only what is ``SIGNED`` may be believed; of the rest ``verdict`` may be ``None``."""

    verdict: Verdict | None
    standing: Standing

    @property
    def believed(self) -> Verdict | None:
        """The verdict, if it is signed with the course's key."""
        return self.verdict if self.standing is Standing.SIGNED else None


@dataclass(frozen=True)
class Change:
    """An exercise whose points differ from those of the grading before, and why it was graded again."""

    student: str
    lesson: str
    exercise: str
    before: Outcome
    after: Outcome
    cause: str


def fingerprints(submission: Submission, engine_identity: str, limits: Limits, key: GradingKey) -> dict[str, str]:
    """Name everything that the marks of a submission depend on."""
    return {
        "answers": hashlib.sha256(submission.content).hexdigest(),
        "lesson": submission.lesson.fingerprint,
        "grader": code_fingerprint(),
        "engine": engine_identity,
        "limits": repr(limits),
        "key": key.identity,
    }


@cache
def code_fingerprint() -> str:
    """Change whenever the code that decides a mark, or the library that tests call, changes."""
    return _files_fingerprint(Path(__file__).resolve().parents[1], code_files())


def code_files() -> list[Path]:
    """Return what decides marks: all of this package but what is known to decide none, the library and its data."""
    package = Path(__file__).resolve().parent
    ours = [
        path
        for path in package.rglob("*.py")
        if path.relative_to(package).with_suffix("").as_posix() not in _DECIDES_NO_MARK
    ]
    library = (package.parent / "course_lib").rglob("*")
    return [*ours, *(path for path in library if path.suffix in (".py", ".json", ".txt"))]


def _files_fingerprint(root: Path, paths: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    for path in sorted(paths):
        name, content = path.relative_to(root).as_posix().encode("utf-8", "surrogateescape"), path.read_bytes()
        for part in (name, content):
            digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()


def make_verdict(
    submission: Submission,
    outcomes: Sequence[Outcome],
    depends_on: Mapping[str, str],
    *,
    unanswered: Sequence[str],
    warnings: Sequence[str],
    notebook: bytes,
    seconds: float,
    student_seconds: float,
) -> Verdict:
    """Put together what is kept about one submission.

    Args:
        submission: what was handed in.
        outcomes: what each exercise got.
        depends_on: its ``fingerprints``.
        unanswered: the answers still as released.
        warnings: what the engine says about marks of its own.
        notebook: the executed notebook's file.
        seconds: wall time of the whole submission.
        student_seconds: what of it was spent in the student's code.
    """
    exercises: dict[str, Exercise] = {one.grade_id: one for one in submission.lesson.exercises}
    return Verdict(
        submission.student,
        submission.lesson.assignment,
        submission.lesson.name,
        dict(depends_on),
        tuple(
            JudgedExercise(exercises[one.exercise].title, exercises[one.exercise].max_points, one) for one in outcomes
        ),
        tuple(unanswered),
        tuple(warnings),
        tuple(submission.notes),
        seconds,
        student_seconds,
        datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds"),
        hashlib.sha256(notebook).hexdigest(),
    )


def changes(kept: KeptVerdict, after: Verdict) -> list[Change]:
    """Return the exercises whose points changed between two gradings of a submission, and why."""
    before = kept.verdict
    if before is None:
        return []
    causes = [text for key, text in _CAUSES.items() if before.fingerprints.get(key) != after.fingerprints.get(key)]
    if kept.standing is Standing.ALTERED:
        causes = ["the verdict file was not as the grader had written it"]
    cause = ", ".join(causes) or "nothing changed: the answer itself behaves differently from run to run"
    old = {outcome.exercise: outcome for outcome in before.outcomes}
    return [
        Change(after.student, after.notebook, outcome.exercise, old[outcome.exercise], outcome, cause)
        for outcome in after.outcomes
        if outcome.exercise in old and old[outcome.exercise].points != outcome.points
    ]


def verdict_path(course: CourseTree, student: str, assignment: str, notebook: str) -> Path:
    """Return where a verdict is kept."""
    return course.verdicts / student / assignment / f"{notebook}.json"


def as_json(verdict: Verdict, key: GradingKey) -> dict[str, Any]:
    """Return a verdict as ``verdict.schema.json`` describes it, signed."""
    stated = {
        "schema_version": SCHEMA_VERSION,
        "student": verdict.student,
        "assignment": verdict.assignment,
        "notebook": verdict.notebook,
        "fingerprints": dict(verdict.fingerprints),
        "warnings": list(verdict.warnings),
        "notes": list(verdict.notes),
        "unanswered": list(verdict.unanswered),
        "exercises": [
            {
                "id": one.outcome.exercise,
                "title": one.title,
                "status": str(one.outcome.status),
                "points": None if one.outcome.points is None else float(one.outcome.points),
                "max_points": float(one.max_points),
                "message": one.outcome.message,
                "marker_note": one.outcome.marker_note,
            }
            for one in verdict.exercises
        ],
    }
    measured = {
        "finished": verdict.finished,
        "seconds": verdict.seconds,
        "student_seconds": verdict.student_seconds,
        "notebook_sha256": verdict.notebook_sha256,
        "exercises": {
            one.exercise: {
                "seconds": one.seconds,
                "student_seconds": one.student_seconds,
                "peak_memory_bytes": one.peak_memory_bytes,
            }
            for one in verdict.outcomes
        },
    }
    signature = _sign(key, stated)
    return stated | {"signature": signature, "measured": measured | {"signature": _sign(key, measured, signature)}}


def _sign(key: GradingKey, stated: Mapping[str, Any], of: str = "verdict") -> str:
    """Sign the canonical JSON text: keys in order, no spaces, ASCII."""
    text = json.dumps(stated, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hmac.digest(key.verdicts, f"{of}\n{text}".encode(), "sha256").hex()


def is_signed(found: Mapping[str, Any], key: GradingKey) -> bool:
    """Say whether a verdict file's content is what the holder of the key wrote."""
    stated = {name: value for name, value in found.items() if name not in ("signature", "measured")}
    measured = {name: value for name, value in found["measured"].items() if name != "signature"}
    signature = _sign(key, stated)
    return hmac.compare_digest(signature, str(found["signature"])) and hmac.compare_digest(
        _sign(key, measured, signature), str(found["measured"]["signature"])
    )


def from_json(found: Mapping[str, Any]) -> Verdict:
    """Read a verdict back; its signature is not looked at."""
    measured = found["measured"]
    return Verdict(
        found["student"],
        found["assignment"],
        found["notebook"],
        dict(found["fingerprints"]),
        tuple(
            JudgedExercise(
                one["title"],
                one["max_points"],
                Outcome(
                    one["id"],
                    Status(one["status"]),
                    one["points"],
                    one["message"],
                    one["marker_note"],
                    **measured["exercises"][one["id"]],
                ),
            )
            for one in found["exercises"]
        ),
        tuple(found["unanswered"]),
        tuple(found["warnings"]),
        tuple(found["notes"]),
        measured["seconds"],
        measured["student_seconds"],
        measured["finished"],
        measured["notebook_sha256"],
    )


def save_verdict(course: CourseTree, verdict: Verdict, key: GradingKey) -> None:
    """Write a verdict, whole or not at all, and return once it is on the disk."""
    text = json.dumps(as_json(verdict, key), ensure_ascii=True, allow_nan=False, indent=1) + "\n"
    path = verdict_path(course, verdict.student, verdict.assignment, verdict.notebook)
    write_atomically(path, text.encode("ascii"), durable=True)


def load_verdict(course: CourseTree, student: str, lesson: Lesson, key: GradingKey) -> KeptVerdict:
    """Read the verdict of a student's lesson and look at its signature."""
    kept = read_verdict(verdict_path(course, student, lesson.assignment, lesson.name), key)
    verdict = kept.verdict
    if verdict is not None and (verdict.student, verdict.assignment, verdict.notebook) != (
        student,
        lesson.assignment,
        lesson.name,
    ):
        # A classmate's good verdict put in this place is signed as well.
        return KeptVerdict(None, Standing.ALTERED)
    return kept


def read_verdict(path: Path, key: GradingKey) -> KeptVerdict:
    """Read a verdict file and look at its signature."""
    try:
        found = json.loads(path.read_bytes())
    except FileNotFoundError:
        return KeptVerdict(None, Standing.MISSING)
    except (OSError, ValueError, RecursionError):
        return KeptVerdict(None, Standing.ALTERED)
    try:
        if found["schema_version"] != SCHEMA_VERSION:
            return KeptVerdict(None, Standing.MISSING)
        verdict = from_json(found)
        signed = is_signed(found, key)
    except (ValueError, TypeError, KeyError, AttributeError):
        return KeptVerdict(None, Standing.ALTERED)
    if signed:
        return KeptVerdict(verdict, Standing.SIGNED)
    other = verdict.fingerprints.get("key") != key.identity
    return KeptVerdict(verdict, Standing.OTHER_KEY if other else Standing.ALTERED)


def verdict_files(course: CourseTree) -> Iterator[Path]:
    """Yield every verdict file of a course, in order."""
    yield from sorted(course.verdicts.glob("*/*/*.json"))


def save_problems(course: CourseTree, problems: Sequence[Problem], seen: Sequence[tuple[str, str]]) -> list[Problem]:
    """Keep what could not be graded for the reports, and forget what has been handled since.

    Args:
        course: the course.
        problems: what this run could not grade.
        seen: (student, lesson) of everything that this run met.
    Returns:
        All problems that stand now.
    """
    handled = {*seen, *((problem.student, problem.lesson) for problem in problems)}
    students = {student for student, _ in handled}
    standing = [
        old
        for old in load_problems(course)
        if (old.student, old.lesson) not in handled and not (old.lesson == "" and old.student in students)
    ]
    standing = sorted([*standing, *problems], key=lambda one: (one.student, one.lesson, str(one.path)))
    rows = [{**asdict(problem), "path": str(problem.path)} for problem in standing]
    write_text(_problems_path(course), json.dumps(rows, indent=1) + "\n")
    return standing


def load_problems(course: CourseTree) -> list[Problem]:
    """Read what could not be graded."""
    path = _problems_path(course)
    if not path.is_file():
        return []
    return [Problem(**{**row, "path": Path(row["path"])}) for row in json.loads(path.read_text(encoding="utf-8"))]


def _problems_path(course: CourseTree) -> Path:
    # No student's folder can have this name: an id never starts with a full stop.
    return course.verdicts / ".problems.json"
