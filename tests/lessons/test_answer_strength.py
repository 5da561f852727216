"""How strong a lesson's tests are: right answers in other words keep full marks, every known mistake loses them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cache
from typing import Literal

import pytest
from lesson_sources import ANSWERS, LESSON_NAMES, PROJECT, lesson, runner

from autograder.cells import read_cells
from autograder.sample_class import read_student

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
