"""How strong a lesson's tests are: right answers in other words keep full marks, every known mistake loses them.

Both must hold whatever secret the hidden inputs are drawn from, and an answer that remembers the inputs of one secret
must fail under another.
"""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any, Literal

import numpy as np
import pytest
from lesson_sources import ANSWERS, LESSON_NAMES, PROJECT, lesson, runner

from autograder.cells import read_cells
from autograder.forbidden import find_forbidden
from autograder.sample_class import read_student
from course_lib.check.hidden import SECRET_VARIABLE

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::RuntimeWarning:<")]

FEWEST_WRONG, FEWEST_RIGHT = 6, 2
SECOND_AUTHOR = "bruno"
"""The member of each sample class who answers every exercise rightly in other words."""


@dataclass(frozen=True)
class Candidate:
    lesson: str
    key: str
    verdict: Literal["right", "wrong"]
    about: str
    source: str

    def __str__(self) -> str:
        return f"{self.lesson[:2]}-{self.key}-{self.verdict}-{self.about}"


@cache
def candidates() -> tuple[Candidate, ...]:
    found = []
    for name in LESSON_NAMES:
        _, cells = read_cells(ANSWERS / f"{name}.py")
        for cell in cells:
            for verdict in ("right", "wrong"):
                if verdict in cell.keys:
                    found.append(Candidate(name, cell.keys[verdict], verdict, cell.keys["about"], cell.source))
        student = read_student(PROJECT.sample_answers / name / f"{SECOND_AUTHOR}.py", lesson(name))
        exercises = {exercise.key for exercise in lesson(name).exercises}
        for key in exercises & student.answers.keys():
            found.append(Candidate(name, key, "right", f"{SECOND_AUTHOR} of the sample class", student.answers[key]))
    return tuple(sorted(found, key=str))


def of(verdict: str) -> list[Candidate]:
    return [candidate for candidate in candidates() if candidate.verdict == verdict]


@pytest.mark.parametrize("candidate", of("right"), ids=str)
def test_a_right_answer_in_other_words_keeps_full_marks(candidate: Candidate) -> None:
    outcome = runner(candidate.lesson).run(candidate.key, candidate.source)
    assert outcome.passed, outcome.message


@pytest.mark.parametrize("candidate", of("wrong"), ids=str)
def test_a_known_mistake_loses_marks(candidate: Candidate) -> None:
    outcome = runner(candidate.lesson).run(candidate.key, candidate.source)
    assert not outcome.passed
    assert outcome.stage == "test", f"it must fail in a test, not in the answer cell: {outcome.message}"


@pytest.mark.parametrize(
    ("name", "key"), [(name, exercise.key) for name in LESSON_NAMES for exercise in lesson(name).exercises]
)
def test_the_reference_keeps_full_marks_and_the_stub_reads_not_attempted(name: str, key: str) -> None:
    assert runner(name).run(key).passed
    blank = runner(name).run(key, lesson(name).exercise(key).stub)
    assert not blank.passed
    assert isinstance(blank.error, NotImplementedError)
    assert lesson(name).exercise(key).number in str(blank.error)


@pytest.mark.parametrize("name", LESSON_NAMES)
def test_every_exercise_has_enough_candidates(name: str) -> None:
    counts = Counter((candidate.key, candidate.verdict) for candidate in candidates() if candidate.lesson == name)
    keys = {exercise.key for exercise in lesson(name).exercises}
    assert {key for key, _ in counts} == keys, "answers to exercises that the lesson does not have"
    for key in keys:
        assert counts[key, "wrong"] >= FEWEST_WRONG, f"{key} needs more wrong answers"
        assert counts[key, "right"] >= FEWEST_RIGHT, f"{key} needs more right answers"


@pytest.mark.parametrize("name", LESSON_NAMES)
def test_hidden_tests_find_what_visible_ones_let_pass(name: str) -> None:
    """A lesson whose hidden tests never decide would be marked by what its learners can see."""
    outcomes = {c: runner(name).run(c.key, c.source) for c in of("wrong") if c.lesson == name}
    decided_by_hidden = {candidate.key for candidate, outcome in outcomes.items() if outcome.hidden}
    assert len(decided_by_hidden) >= len(lesson(name).exercises) // 2


SECRETS = ("5ec7e7" * 8, "0" * 63 + "1")


@pytest.fixture(autouse=True)
def public_inputs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SECRET_VARIABLE, raising=False)


@pytest.mark.parametrize("secret", SECRETS, ids=("a secret", "another secret"))
@pytest.mark.parametrize("name", LESSON_NAMES)
def test_every_verdict_is_the_same_under_any_secret(name: str, secret: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SECRET_VARIABLE, secret)
    for exercise in lesson(name).exercises:
        assert runner(name).run(exercise.key).passed
    for candidate in candidates():
        if candidate.lesson == name:
            outcome = runner(name).run(candidate.key, candidate.source)
            assert outcome.passed == (candidate.verdict == "right"), f"{candidate}: {outcome.message}"


@pytest.mark.parametrize("candidate", candidates(), ids=str)
def test_the_grader_refuses_what_the_visible_check_refuses(candidate: Candidate) -> None:
    """A learner must never be refused something that the lesson's own check has let pass."""
    exercise = lesson(candidate.lesson).exercise(candidate.key)
    given = [cell.source for cell in lesson(candidate.lesson).cells if cell.is_code and not cell.key]
    uses = find_forbidden([("answer", candidate.source)], [], exercise.forbid, given, names={candidate.key})
    refused = "this exercise forbids" in runner(candidate.lesson).run(candidate.key, candidate.source).message
    assert bool(uses) == refused


def remembered(value: Any) -> object:
    """Return what tells one argument from another: its numbers and their type."""
    if isinstance(value, (list, tuple)):
        return tuple(map(remembered, value))
    array = np.asarray(value.detach() if hasattr(value, "detach") else value)
    return type(value).__name__, str(array.dtype), array.shape, array.tobytes()


RECORDING = """
import {store}
_{function} = {function}
def {function}(*arguments):
    key = tuple(map({store}.remembered, arguments))
    {store}.table[key] = result = _{function}(*arguments)
    return result
"""
RECITING = """
import {store}
def {function}(*arguments):
    return {store}.table[tuple(map({store}.remembered, arguments))]
"""
NEEDS_ITS_INPUTS = {"convolve_with_torch", "stft_echo_model"}
"""Exercises whose right answer cannot be recited at all: a remembered tensor carries no gradient."""


@pytest.mark.parametrize(
    ("name", "key"), [(name, exercise.key) for name in LESSON_NAMES for exercise in lesson(name).exercises]
)
def test_a_memorised_answer_fails_under_another_secret(name: str, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store = ModuleType("what_was_remembered")
    store.table, store.remembered = {}, remembered  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, store.__name__, store)
    words = {"store": store.__name__, "function": key}
    answer = lesson(name).exercise(key).answer + RECORDING.format(**words)
    # The refusal of forbidden calls reads the answer's source and is not what is tried here.
    monkeypatch.setattr("course_lib.check.forbids", lambda *_: None)
    assert runner(name).run(key, answer).passed, "while it is being recorded"
    recited = RECITING.format(**words)
    if key not in NEEDS_ITS_INPUTS:
        assert runner(name).run(key, recited).passed, "under the secret whose inputs it remembers"
    for secret in SECRETS:
        monkeypatch.setenv(SECRET_VARIABLE, secret)
        outcome = runner(name).run(key, recited)
        assert not outcome.passed
        assert outcome.hidden or key in NEEDS_ITS_INPUTS, "the visible inputs are the same under every secret"
