"""What an attack is, and the few ways to write one down.

``@COURSE@``, ``@OUTSIDE@``, ``@TOKEN@``, ``@PORT@`` and the other words of ``Arena.words`` in an attack's code are
replaced by what they stand for in the run at hand.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from attack_course import EXERCISES, LESSON, POINTS, RIGHT, WRONG, as_bytes, graded_id, submission
from threats import Threat

ANY: Final = frozenset(
    {"passed", "partly passed", "failed", "not attempted", "error", "timed out", "crashed", "out of memory", "refused"}
)
BREACH: Final = "BREACH"
"""An attack that sees itself succeed prints this word, or raises it; it may stand nowhere after a run."""


@dataclass(frozen=True)
class Arena:
    """Where one class of attackers is graded, and what their code may aim at."""

    course: Path
    outside: Path
    token: str
    ports: Mapping[str, int]

    @property
    def words(self) -> dict[str, str]:
        """What the words between @ in an attack's code stand for."""
        return {
            "COURSE": str(self.course),
            "OUTSIDE": str(self.outside),
            "TOKEN": self.token,
            "PORT": str(self.ports["tcp"]),
            "UDP_PORT": str(self.ports["udp"]),
            "SOCKET": str(self.outside / "socket"),
        }

    def fill_in(self, text: str) -> str:
        """Return an attack's text with the words between @ replaced.

        The cry of a breach is spelt in another way, so that quoting the code is none.
        """
        text = text.replace(f"{BREACH}:", "BR\\x45ACH:")
        for word, meaning in self.words.items():
            text = text.replace(f"@{word}@", meaning)
        return text


@dataclass(frozen=True)
class Expected:
    """What one exercise must get: one of these statuses, and these points (``None``: a person's to give).

    With ``at_most`` fewer points are as good: an attack may wreck its own process.
    """

    statuses: frozenset[str]
    points: float | None
    at_most: bool = False


HandIn = Callable[[Path, Arena], None]
"""Puts a submission into the folder ``<student>/<lesson>/``."""


@dataclass(frozen=True)
class Attack:
    """One submission of an attacker.

    ``expected`` gives the outcome of every exercise by grade id; it is empty where the submission cannot be graded,
    and then ``reason`` is part of the reason that the marker reads. Otherwise ``reason`` is part of the message that
    the student reads about ``about``, the exercise attacked.
    """

    name: str
    threat: Threat
    goal: str
    hand_in: HandIn
    expected: Mapping[str, Expected]
    reason: str = ""
    about: str = ""
    lesson: str = LESSON
    student: str = ""
    most_seconds: float | None = None
    also: tuple[Threat, ...] = field(default=())

    @property
    def student_id(self) -> str:
        """The name of the student's folder."""
        return self.student or self.name


def full_marks(lesson: str = LESSON) -> dict[str, Expected]:
    """Return the outcome of a right answer to every exercise."""
    passed = {graded_id(key): Expected(frozenset({"passed"}), POINTS[key]) for key in EXERCISES[lesson]}
    return passed | ({"why": Expected(frozenset({"needs marking"}), None)} if lesson == LESSON else {})


def expecting(lesson: str = LESSON, **changed: Expected) -> dict[str, Expected]:
    """Return full marks but for the exercises given by key."""
    return full_marks(lesson) | {graded_id(key): one for key, one in changed.items()}


def gets(status: str, points: float | None = 0.0) -> Expected:
    """Return an expected outcome; several statuses are separated by ``|``."""
    return Expected(frozenset(status.split("|")), points)


def wrecked(key: str) -> dict[str, Expected]:
    """Return the outcome of a lesson whose process one exercise's attack may wreck for the exercises after it."""
    others = [other for other in EXERCISES[lesson_of(key)] if other not in (key, "why")]
    return {graded_id(other): Expected(ANY, POINTS[other], at_most=True) for other in others}


def lesson_of(key: str) -> str:
    """Return the lesson of an exercise."""
    return next(lesson for lesson, keys in EXERCISES.items() if key in keys)


def code(text: str) -> str:
    """Return a block of code as a cell holds it."""
    return textwrap.dedent(text).strip("\n")


def attempt(text: str) -> str:
    """Return code that tries something and goes on whatever happens, so that a refusal is not a syntax of its own."""
    body = textwrap.indent(code(text), "    ")
    return f"try:\n{body}\nexcept BaseException as problem:\n    print('attempt:', repr(problem)[:300])\n"


def writes(made: Callable[[Arena], object], name: str | None = None) -> HandIn:
    """Return a way to hand in one notebook, given as bytes or as a document."""

    def hand_in(folder: Path, arena: Arena) -> None:
        content = made(arena)
        path = folder / (name or f"{folder.name}.ipynb")
        path.write_bytes(content if isinstance(content, bytes) else as_bytes(content))

    return hand_in


def filled_in(made: Any, arena: Arena) -> Any:
    """Return a notebook with the words between @ replaced in every cell."""
    for one in made["cells"]:
        one["source"] = arena.fill_in(one["source"])
    return made


def answers(lesson: str = LESSON, **given: str) -> HandIn:
    """Return a way to hand in right answers but for those given."""
    return writes(lambda arena: filled_in(submission(given, lesson), arena))


def fake(
    name: str,
    threat: Threat,
    goal: str,
    attack: str,
    *,
    key: str = "double",
    status: str = "failed",
    points: float = 0.0,
    answer: str | None = None,
    reason: str = "",
    wrecks: bool = False,
    also: tuple[Threat, ...] = (),
) -> Attack:
    """Attempt something, then define a wrong answer that scores only if the attempt worked."""
    lesson = lesson_of(key)
    text = attempt(attack) + (code(answer) if answer is not None else WRONG[key])
    return Attack(
        name, threat, goal, answers(lesson, **{key: text}),
        expecting(lesson, **{key: gets(status, points)}) | (wrecked(key) if wrecks else {}), reason, graded_id(key),
        lesson, also=also,
    )  # fmt: skip


def lies(
    name: str,
    threat: Threat,
    goal: str,
    answer: str,
    *,
    key: str = "double",
    status: str = "failed",
    points: float | None = 0.0,
    reason: str = "",
    most_seconds: float | None = None,
    wrecks: bool = False,
    also: tuple[Threat, ...] = (),
) -> Attack:
    """Hand in an answer that is itself the attack."""
    lesson = lesson_of(key)
    return Attack(
        name, threat, goal, answers(lesson, **{key: code(answer)}),
        expecting(lesson, **{key: gets(status, points)}) | (wrecked(key) if wrecks else {}), reason, graded_id(key),
        lesson,
        most_seconds=most_seconds, also=also,
    )  # fmt: skip


SPYING: Final = """\
loot = []
{attempt}
print("loot:", loot)

def double(x):
    raise ValueError(f"loot: {{loot}}")"""


def spy(name: str, threat: Threat, goal: str, attack: str, *, also: tuple[Threat, ...] = ()) -> Attack:
    """Collect ``loot`` and carry it out through the printed output and the message that the student reads.

    The message must say "loot:", which proves that the way out is open, and hold nothing that is secret.
    """
    text = SPYING.format(attempt=attempt(attack))
    return Attack(
        name, threat, goal, answers(double=text), expecting(double=gets("failed")), "loot:", graded_id("double"),
        also=also,
    )  # fmt: skip


def does(
    name: str,
    threat: Threat,
    goal: str,
    attack: str,
    *,
    also: tuple[Threat, ...] = (),
    most_seconds: float | None = None,
) -> Attack:
    """Do harm beside a right answer: the marks stay what the answer earns, and the harness looks for the harm."""
    text = attempt(attack) + RIGHT["double"]
    return Attack(
        name, threat, goal, answers(double=text), full_marks(), about=graded_id("double"), also=also,
        most_seconds=most_seconds,
    )  # fmt: skip


def unreadable(name: str, threat: Threat, goal: str, content: object, reason: str) -> Attack:
    """Hand in what cannot be graded, which must be said with this reason."""
    return Attack(name, threat, goal, writes(lambda _arena: content), {}, reason)


def edited(
    name: str,
    threat: Threat,
    goal: str,
    edit: Callable[[dict[str, Any]], object],
    *,
    given: Mapping[str, str] | None = None,
    others: Mapping[str, Expected] | None = None,
    reason: str = "",
    about: str = "",
    file_name: str | None = None,
    lesson: str = LESSON,
    also: tuple[Threat, ...] = (),
) -> Attack:
    """Hand in the released notebook with answers filled in and then edited.

    ``edit`` changes the notebook in place, or returns what is to be handed in instead.
    """

    def made(arena: Arena) -> object:
        document = filled_in(submission(given, lesson), arena)
        changed = edit(document)
        return document if changed is None else changed

    return Attack(
        name, threat, goal, writes(made, file_name), expecting(lesson, **(others or {})), reason, about, lesson,
        also=also,
    )  # fmt: skip
