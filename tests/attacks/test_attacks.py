"""The attack corpus against the real sandbox: nobody earns what is not theirs, and nobody else loses anything.

One class of attackers and honest classmates is graded as an ordinary user and, where the tests run as root, the part
of it that attacks the sandbox once more as root; then every attack is one assertion over what came of it.
"""

from __future__ import annotations

import contextlib
import csv
import functools
import io
import os
import re
import sys
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator
from html.parser import HTMLParser

import pytest
from arena import CLASSMATES, TENSOR_CLASSMATES, Outcome, Result, graded_class
from attack import BREACH, Attack, Expected, full_marks
from attack_course import CANARIES, CLASSMATE_CANARY, LESSON, SOLUTION_CANARY, SOURCE_CANARY, TENSORS
from corpus import ALL, ARCHIVES, FAMILIES
from corpus.archives import ArchiveAttack
from run_class import LIMITS
from sandbox_server import ORDINARY_USER
from threats import Threat

from autograder.archives import printable

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="the sandbox is Linux's"),
]

IS_ROOT = hasattr(os, "getuid") and os.getuid() == 0
ORDINARY = "an ordinary user"
ROOT = "root"
CLASSES = {ORDINARY: ALL}
if IS_ROOT:
    # What an attack inside the interpreter can do does not depend on who grades.
    CLASSES[ROOT] = [
        one for name in ("files", "processes", "resources", "network", "honest_work") for one in FAMILIES[name]
    ]
CASES = [pytest.param(user, one, id=f"{user}-{one.name}") for user, attacks in CLASSES.items() for one in attacks]
ARCHIVE_CASES = [pytest.param(ORDINARY, one, id=one.name) for one in ARCHIVES]
for_each_attack = pytest.mark.parametrize(("graded", "attack"), CASES, indirect=["graded"])
for_each_archive = pytest.mark.parametrize(("graded", "attack"), ARCHIVE_CASES, indirect=["graded"])
for_each_user = pytest.mark.parametrize("graded", CLASSES, indirect=True)
_SLACK_SECONDS = 15.0
HIDDEN_NAMES = ("hidden_number", "hidden_expected", "hidden_steps", "hidden_count", "hidden_function", "hidden_input_")
# The hidden inputs of ``double`` are drawn so that they can be told from every other number.
_HIDDEN_INPUT = re.compile(r"777\d{7}")


@pytest.fixture(scope="session")
def grade_once() -> Iterator[Callable[[str], Result]]:
    """Grade the class of each user at its first test, and keep it for all the others, in whatever order they come."""
    with contextlib.ExitStack() as stack:

        @functools.cache
        def grade(user: str) -> Result:
            number = ORDINARY_USER if IS_ROOT and user == ORDINARY else None
            archives = {f"{one.name}.zip": one.content() for one in ARCHIVES if user == ORDINARY}
            return stack.enter_context(graded_class(CLASSES[user], user=number, archives=archives))

        yield grade


@pytest.fixture
def graded(request: pytest.FixtureRequest, grade_once: Callable[[str], Result]) -> Result:
    return grade_once(request.param)


def unlike(found: dict[str, Outcome], expected: dict[str, Expected]) -> list[str]:
    """Return in which exercises an outcome is not what it must be."""
    wrong = []
    for key, one in expected.items():
        outcome = found[key]
        points = outcome.points
        fits = (
            points is not None and one.points is not None and points <= one.points
            if one.at_most
            else points == one.points
        )
        if not fits or outcome.status not in one.statuses:
            wrong.append(
                f"{key}: {outcome.status}, {points} points ({outcome.message!r:.300} {outcome.marker_note!r:.600})"
            )
    return wrong


def losers(result: Result) -> list[str]:
    """Return the classmates who did not keep every point."""
    lost = []
    expected = dict.fromkeys(CLASSMATES, LESSON) | dict.fromkeys(TENSOR_CLASSMATES, TENSORS)
    for student, lesson in expected.items():
        if student not in result.outcomes:
            lost.append(f"{student}: {result.problems.get(student)}")
        else:
            lost += [f"{student}: {one}" for one in unlike(result.outcomes[student], full_marks(lesson))]
    return lost


@for_each_attack
def test_attack(attack: Attack, graded: Result) -> None:
    student = attack.student_id
    if not attack.expected:
        reasons = graded.problems.get(student, []) + graded.problems.get(printable(student), [])
        assert any(attack.reason in reason for reason in reasons), reasons or graded.outcomes.get(student)
        assert student not in graded.outcomes
    else:
        assert student in graded.outcomes, graded.problems.get(student)
        assert not unlike(graded.outcomes[student], dict(attack.expected))
        if attack.reason:
            assert attack.reason in graded.outcomes[student][attack.about].message
        assert graded.seconds[student] < (attack.most_seconds or LIMITS.total_seconds) + _SLACK_SECONDS
    assert not losers(graded)


@for_each_attack
def test_what_an_attacker_can_read_holds_no_secret(attack: Attack, graded: Result) -> None:
    student = attack.student_id
    for key, outcome in graded.outcomes.get(student, {}).items():
        message = outcome.message
        assert not [canary for canary in CANARIES if canary in message], key
        assert not _HIDDEN_INPUT.search(message), (key, message)
        assert not [name for name in HIDDEN_NAMES if name in message], (key, message)
        assert BREACH not in message + outcome.marker_note, (key, message, outcome.marker_note)
    for place, outputs in graded.outputs(student).items():
        assert BREACH not in outputs, (place, outputs[:2000])
        if " test_" not in place:
            # What a test cell showed, hidden part included, is for markers; a student's own cells hold no secret.
            assert not [canary for canary in CANARIES if canary in outputs], (place, outputs[:2000])
    page = graded.pages.get(f"feedback/{student}.html", "")
    assert not [canary for canary in CANARIES if canary in page]


@for_each_archive
def test_archive(attack: ArchiveAttack, graded: Result) -> None:
    refused = graded.raw["refused"].get(f"{attack.name}.zip", "")
    if attack.whole:
        assert attack.reason in refused
    else:
        assert not refused
        said = [
            reason
            for student, path, reason in graded.raw["problems"]
            if f"{attack.name}.zip" in path and attack.reason in reason
        ]
        assert said, [one for one in graded.raw["problems"] if attack.name in one[1]]
        assert not unlike(graded.outcomes[attack.classmate], full_marks())
    assert not losers(graded)


@for_each_user
def test_nothing_outside_was_reached(graded: Result) -> None:
    assert graded.heard == []
    assert graded.left == []
    assert graded.changed == []
    assert graded.survivors == []


@for_each_user
def test_nothing_stopped_and_nobody_was_forgotten(graded: Result) -> None:
    everybody = {one.student_id if one.expected else printable(one.student_id) for one in graded.attacks} | {
        *CLASSMATES,
        *TENSOR_CLASSMATES,
    }
    known = set(graded.outcomes) | {printable(student) for student in graded.problems}
    assert everybody - known == set()
    assert not [reason for reasons in graded.problems.values() for reason in reasons if "please report it" in reason]


@for_each_user
def test_the_gradebook_says_what_the_verdicts_say(graded: Result) -> None:
    for row in graded.raw["graded"]:
        marks = graded.raw["marks"][f"{row['student']}/{row['lesson']}"]
        assert marks == {key: values[1] for key, values in row["outcomes"].items()}, row["student"]


@for_each_user
def test_no_message_can_act_on_a_terminal_or_mislead_its_reader(graded: Result) -> None:
    texts = [outcome.message for outcomes in graded.outcomes.values() for outcome in outcomes.values()]
    texts += [reason for reasons in graded.problems.values() for reason in reasons]
    texts += list(graded.raw["refused"].values())
    for text in texts:
        odd = [char for char in text if unicodedata.category(char) in ("Cc", "Cs") and char not in "\n\t"]
        odd += [char for char in text if char in "\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"]
        assert not odd, (text, odd)


class Elements(HTMLParser):
    """Collects everything in a page that could run, load or submit."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.dangers: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        if tag in (
            "script",
            "iframe",
            "object",
            "embed",
            "svg",
            "math",
            "form",
            "input",
            "button",
            "img",
            "link",
            "base",
        ):
            self.dangers.append(tag)
        for name, value in attributes:
            address = "".join((value or "").split()).lower()
            if name.startswith("on") or name in (
                "src",
                "srcdoc",
                "action",
                "formaction",
                "srcset",
                "ping",
                "background",
            ):
                self.dangers.append(f"{tag} {name}")
            if name == "href" and not re.match(r"(https?:|mailto:|#|[\w%.+/-]*(\.html)?$)", address):
                self.dangers.append(f"{tag} {value}")


@for_each_user
def test_no_page_runs_loads_or_submits_anything(graded: Result) -> None:
    assert len(graded.pages) > len(graded.attacks)
    for name, page in graded.pages.items():
        assert not Elements(page).dangers, name
        assert "1337" not in page, name
        own = CLASSMATE_CANARY if "classmate" in name else ""
        secrets = (SOURCE_CANARY, SOLUTION_CANARY, *CANARIES)
        if name != "marking.html":
            assert not [canary for canary in secrets if canary in page and canary != own], name


@for_each_user
def test_no_cell_of_the_exports_is_a_formula(graded: Result) -> None:
    tables = list((graded.arena.course.parent / "reports").glob("*.csv"))
    assert tables
    for table in tables:
        for row in csv.reader(io.StringIO(table.read_text(encoding="utf-8"))):
            for value in row:
                is_number = re.fullmatch(r"-?[\d.]+", value)
                assert is_number or not value.startswith(("=", "+", "-", "@", "\t", "\r")), (table, value)


def test_the_corpus_covers_every_class_of_threats() -> None:
    covered = {threat for attack in ALL for threat in (attack.threat, *attack.also)}
    covered |= {attack.threat for attack in ARCHIVES}
    assert set(Threat) - covered == set()


def test_the_corpus_is_large_and_its_names_are_unique() -> None:
    names = Counter([*(one.name for one in ALL), *(one.student_id for one in ALL if one.student)])
    assert [name for name, count in names.items() if count > 1] == []
    assert len(ALL) >= 80
    assert all(attacks for attacks in FAMILIES.values())


@pytest.mark.parametrize("attack", ALL, ids=lambda one: one.name)
def test_every_attack_states_what_it_wants_and_what_it_must_get(attack: Attack) -> None:
    assert attack.goal
    assert attack.goal[0].isupper()
    assert attack.expected or attack.reason
