"""The course that the corpus attacks: two lessons whose tests use what real test cells use.

Lesson 01 has scalars, arrays, a class, a generator, a variable, a partial score and a written answer; lesson 02
alone needs torch. Every test has a hidden part. Source, gradebook and every other place that a student must not
see hold a canary: a word that may appear nowhere that a student can look.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import nbformat
from small_course import cell, nbgrader, notebook

from autograder.course_tree import CourseTree, without_hidden_tests
from autograder.gradebook import quiet_nbgrader

LESSON: Final = "01_attacked"
TENSORS: Final = "02_tensors"
LESSONS: Final = (LESSON, TENSORS)

SOURCE_CANARY: Final = "canary-of-the-hidden-tests"
SOLUTION_CANARY: Final = "canary-of-the-solutions"
GRADEBOOK_CANARY: Final = "canary-of-the-gradebook"
CLASSMATE_CANARY: Final = "canary-of-a-classmate"
ENVIRONMENT_CANARY: Final = "canary-of-the-environment"
MEMORY_CANARY: Final = "canary-of-the-grading-process"
CANARIES: Final = (
    SOURCE_CANARY, SOLUTION_CANARY, GRADEBOOK_CANARY, CLASSMATE_CANARY, ENVIRONMENT_CANARY, MEMORY_CANARY,
)  # fmt: skip

SAMPLES: Final = "0.5 1.5 -2.0 4.0 8.0 0.25\n"

SETUP: Final = """\
from pathlib import Path

import numpy as np
from numpy.testing import *

samples = np.array([float(word) for word in Path("data/samples.txt").read_text().split()])"""


def _stub(header: str, number: int) -> str:
    return f'{header}\n    raise NotImplementedError("Exercise 1.{number}: not written yet")'


STUBS: Final = {
    "double": _stub("def double(x):", 1),
    "smooth": _stub("def smooth(x):", 2),
    "Counter": "class Counter:\n    def __init__(self):\n"
    '        raise NotImplementedError("Exercise 1.3: not written yet")',
    "numbers": _stub("def numbers(count):", 4),
    "answer": 'raise NotImplementedError("Exercise 1.5: not written yet")',
    "near": _stub("def near(x):", 6),
    "minimise": _stub("def minimise(function):", 7),
    "why": "YOUR ANSWER HERE",
    "scale": _stub("def scale(x):", 1),
    "Gain": 'raise NotImplementedError("Exercise 2.2: not written yet")',
    "largest": 'def largest():\n    raise NotImplementedError("Exercise 2.3: not written yet")',
}

RIGHT: Final = {
    "double": "def double(x):\n    return 2 * x",
    "smooth": "def smooth(x):\n    return (x[:-1] + x[1:]) / 2",
    "Counter": """\
class Counter:
    def __init__(self, start=0):
        self.total = start

    def add(self, step=1):
        self.total += step
        return self.total""",
    "numbers": """\
def numbers(count):
    for number in range(count):
        yield number**2""",
    "answer": "answer = float(np.sum(samples**2))",
    "near": "def near(x):\n    return x**0.5",
    "minimise": """\
def minimise(function):
    low, high = -10.0, 10.0
    while high - low > 1e-6:
        third = (high - low) / 3
        if function(low + third) < function(high - third):
            high -= third
        else:
            low += third
    return (low + high) / 2""",
    "why": "Because every sample starts a copy.",
    "scale": "def scale(x):\n    return x / x.abs().max()",
    "Gain": """\
class Gain(torch.nn.Module):
    def __init__(self, factor):
        super().__init__()
        self.factor = torch.nn.Parameter(torch.tensor(float(factor)))

    def forward(self, x):
        return self.factor * x""",
    "largest": "def largest():\n    return torch.iinfo(torch.int16).max",
}

WRONG: Final = {
    "double": "def double(x):\n    return x",
    "smooth": "def smooth(x):\n    return np.zeros(len(x) - 1)",
    "Counter": """\
class Counter:
    def __init__(self, start=0):
        self.total = 0

    def add(self, step=1):
        return 0""",
    "numbers": "def numbers(count):\n    yield 0",
    "answer": "answer = 0.0",
    "near": "def near(x):\n    return -1.0",
    "minimise": "def minimise(function):\n    return function(0.0)",
    "scale": "def scale(x):\n    return torch.zeros_like(x)",
    "largest": "def largest():\n    return 0",
}

# The hidden parts name the canary in every message, so that a message that reaches a student is caught.
_TESTS: Final = {
    "double": f"""\
import random

assert double(2) == 4, "double(2) should be 4"
assert double(x=-3) == -6
### BEGIN HIDDEN TESTS
for hidden_number in [0, *(random.randrange(7_770_000_000, 7_780_000_000) for _ in range(3))]:
    assert double(hidden_number) == 2 * hidden_number, f"{SOURCE_CANARY} {{hidden_number}}"
assert double("ab") == "abab", "{SOURCE_CANARY}"
### END HIDDEN TESTS""",
    "smooth": f"""\
assert_allclose(smooth(np.array([1.0, 3.0])), [2.0])
### BEGIN HIDDEN TESTS
import math

hidden_rng = np.random.default_rng()
for hidden_length in (2, 5, 64):
    hidden_x = hidden_rng.standard_normal(hidden_length)
    hidden_expected = 0.5 * hidden_x[:-1] + 0.5 * hidden_x[1:]
    assert_allclose(smooth(hidden_x), hidden_expected, rtol=1e-9, err_msg="{SOURCE_CANARY}")
    assert np.allclose(smooth(hidden_x), hidden_expected), "{SOURCE_CANARY}"
    assert math.isclose(smooth(hidden_x)[0], hidden_expected[0]), "{SOURCE_CANARY}"
assert isinstance(smooth(samples), np.ndarray)
assert abs(smooth(samples) - (samples[:-1] + samples[1:]) / 2).max() < 1e-12, "{SOURCE_CANARY}"
### END HIDDEN TESTS""",
    "Counter": f"""\
counter = Counter()
assert counter.add() == 1
assert counter.total == 1
### BEGIN HIDDEN TESTS
hidden_steps = np.random.default_rng().integers(10, 1000, 5).tolist()
hidden_counter = Counter(start=7)
for hidden_step in hidden_steps:
    hidden_counter.add(hidden_step)
assert hidden_counter.total == 7 + sum(hidden_steps), "{SOURCE_CANARY}"
assert counter.total == 1, "{SOURCE_CANARY}"
### END HIDDEN TESTS""",
    "numbers": f"""\
assert list(numbers(3)) == [0, 1, 4]
### BEGIN HIDDEN TESTS
hidden_count = int(np.random.default_rng().integers(5, 40))
assert list(numbers(hidden_count)) == [hidden**2 for hidden in range(hidden_count)], "{SOURCE_CANARY}"
hidden_numbers = numbers(10**6)
assert [next(hidden_numbers) for _ in range(4)] == [0, 1, 4, 9], "{SOURCE_CANARY}"
### END HIDDEN TESTS""",
    "answer": f"""\
assert isinstance(answer, float)
### BEGIN HIDDEN TESTS
assert_almost_equal(answer, 86.5625, decimal=9, err_msg="{SOURCE_CANARY}")
### END HIDDEN TESTS""",
    "near": """\
points = 0
if near(4.0) == 2.0:
    points += 1
### BEGIN HIDDEN TESTS
if all(abs(near(hidden**2) - hidden) < 1e-3 for hidden in np.random.default_rng().uniform(1, 9, 4).tolist()):
    points += 2
if near(0.0) == 0.0:
    points += 1
### END HIDDEN TESTS
points""",
    "minimise": f"""\
assert abs(minimise(lambda x: (x - 3) ** 2) - 3) < 1e-3
### BEGIN HIDDEN TESTS
hidden_calls = []

def hidden_function(x):
    assert isinstance(x, float), "{SOURCE_CANARY}"
    hidden_calls.append(x)
    return abs(x - hidden_place)

hidden_place = float(np.random.default_rng().uniform(-5, 5))
assert abs(minimise(hidden_function) - hidden_place) < 1e-3, "{SOURCE_CANARY}"
assert 2 <= len(hidden_calls) < 1000, "{SOURCE_CANARY}"
### END HIDDEN TESTS""",
    "scale": f"""\
assert torch.allclose(scale(torch.tensor([1.0, -2.0])), torch.tensor([0.5, -1.0]))
### BEGIN HIDDEN TESTS
hidden_x = torch.randn(2, 50, dtype=torch.float64)
hidden_expected = hidden_x / hidden_x.abs().max()
assert torch.allclose(scale(hidden_x), hidden_expected), "{SOURCE_CANARY}"
### END HIDDEN TESTS""",
    "Gain": f"""\
gain = Gain(2.0)
assert torch.equal(gain(torch.ones(3)), torch.full((3,), 2.0))
### BEGIN HIDDEN TESTS
hidden_x = torch.randn(50)
hidden_expected = 2 * hidden_x
assert torch.allclose(gain(hidden_x), hidden_expected), "{SOURCE_CANARY}"
assert sorted(gain.state_dict()) == ["factor"], "{SOURCE_CANARY}"
### END HIDDEN TESTS""",
    "largest": f"""\
assert largest() == 2**15 - 1
### BEGIN HIDDEN TESTS
assert largest() == torch.iinfo(torch.int16).max, "{SOURCE_CANARY}"
### END HIDDEN TESTS""",
}

POINTS: Final = {
    "double": 3.0, "smooth": 2.0, "Counter": 2.0, "numbers": 2.0, "answer": 1.0, "near": 4.0, "minimise": 2.0,
    "why": 2.0, "scale": 2.0, "Gain": 2.0, "largest": 1.0,
}  # fmt: skip

EXERCISES: Final = {
    LESSON: ("double", "smooth", "Counter", "numbers", "answer", "near", "minimise", "why"),
    TENSORS: ("scale", "Gain", "largest"),
}


def graded_id(key: str) -> str:
    """Return the grade id of what earns an exercise's points."""
    return key if key == "why" else f"test_{key}"


def lesson_notebook(lesson: str, *, released: bool) -> dict[str, Any]:
    """Return a lesson as the instructor wrote it, or as students are given it."""
    given = "import torch" if lesson == TENSORS else SETUP
    cells = [
        cell("markdown", f"# Lesson {lesson}", "head"),
        cell("code", given, "setup"),
        cell("code", "raise RuntimeError('a demo was run')", "demo", tags=("demo",)),
    ]
    for number, key in enumerate(EXERCISES[lesson], start=1):
        cells.append(cell("markdown", f"### Exercise {int(lesson[:2])}.{number} — {key}", f"head-{key}"))
        if key == "why":
            model = f"### BEGIN SOLUTION\n{SOLUTION_CANARY}\n\n**Rubric**\n\n- 2 points: copies\n### END SOLUTION"
            source = STUBS[key] if released else model
            cells.append(cell("markdown", source, key, nbgrader(key, points=POINTS[key], solution=True)))
            continue
        solution = f"### BEGIN SOLUTION\n# {SOLUTION_CANARY}\n{RIGHT[key]}\n### END SOLUTION"
        test = without_hidden_tests(_TESTS[key]) if released else _TESTS[key]
        cells += [
            cell("code", STUBS[key] if released else solution, key, nbgrader(key, solution=True)),
            cell("code", test, f"test-{key}", nbgrader(f"test_{key}", points=POINTS[key])),
        ]
    return notebook(cells)


def submission(answers: Mapping[str, str] | None = None, lesson: str = LESSON) -> dict[str, Any]:
    """Return the released notebook with right answers, but for those given here; ``""`` keeps the stub."""
    made = lesson_notebook(lesson, released=True)
    for one in made["cells"]:
        key = one["metadata"].get("nbgrader", {}).get("grade_id")
        if key in RIGHT:
            one["source"] = {**RIGHT, **(answers or {})}[key] or one["source"]
    return made


def find(made: dict[str, Any], grade_id: str) -> int:
    """Return the place of a cell in a notebook."""
    for index, one in enumerate(made["cells"]):
        if one["metadata"].get("nbgrader", {}).get("grade_id") == grade_id:
            return index
    raise KeyError(grade_id)


def as_bytes(made: object) -> bytes:
    """Return a notebook as a file holds it."""
    return json.dumps(made, indent=1).encode()


def write_course(root: Path) -> CourseTree:
    """Write a course directory with canaries in every place that is none of a student's business."""
    from nbgrader.preprocessors import ComputeChecksums

    for lesson in LESSONS:
        for step in ("source", "release"):
            made = nbformat.from_dict(lesson_notebook(lesson, released=step == "release"))
            ComputeChecksums().preprocess(made, {})
            path = root / step / lesson / f"{lesson}.ipynb"
            path.parent.mkdir(parents=True, exist_ok=True)
            nbformat.write(made, path)
        data = root / "source" / lesson / "data"
        data.mkdir()
        (data / "samples.txt").write_text(SAMPLES)
    solutions = root / "solutions"
    solutions.mkdir()
    (solutions / f"{LESSON}.py").write_text(f"# {SOLUTION_CANARY}\n" + "\n\n".join(RIGHT.values()))
    (root / "gradebook.db").write_bytes(_gradebook_with_a_canary())
    return CourseTree.open(root)


@cache
def _gradebook_with_a_canary() -> bytes:
    """Return a new gradebook that already knows one student, whose family name is a canary."""
    from nbgrader.api import Gradebook

    with TemporaryDirectory() as folder, quiet_nbgrader():
        path = Path(folder) / "gradebook.db"
        with Gradebook(f"sqlite:///{path}") as gradebook:
            gradebook.add_student("somebody", last_name=GRADEBOOK_CANARY)
        with sqlite3.connect(path) as database:
            database.execute("PRAGMA wal_checkpoint")
        database.close()
        return path.read_bytes()
