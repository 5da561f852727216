"""A course in the style of other people's: three assignments, made in a folder without nbgrader's commands.

Nothing in it knows of this project. Each exercise carries answers as students write them, right and wrong, with
the points that every engine has to give. ``engine`` says what an exercise needs: ``"split"``, test and answer can
stand in two processes; ``"shared"``, the test looks into the answer's interpreter, as is common elsewhere.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

import nbformat

from autograder.course_tree import CourseTree
from autograder.gradebook import quiet_nbgrader

_nbformat: Any = nbformat

Needs = Literal["split", "shared"]


@dataclass(frozen=True)
class Test:
    """One test cell. Several may check one answer."""

    __test__ = False

    grade_id: str
    points: float
    source: str


@dataclass(frozen=True)
class Answer:
    """What one student writes, and what each test gives for it; a test that is not named gives everything."""

    source: str
    points: Mapping[str, float]


@dataclass(frozen=True)
class Problem:
    """An exercise: the reference in its answer cell, tests, and students' answers by name."""

    key: str
    reference: str
    tests: tuple[Test, ...]
    answers: Mapping[str, Answer]
    engine: Needs = "split"
    broken_by: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Answers of earlier problems, by problem, with which the reference of this one cannot work."""

    @property
    def expected(self) -> dict[str, dict[str, float]]:
        """Points by answer and test; the reference itself is one of the answers."""
        most = {test.grade_id: test.points for test in self.tests}
        found = {name: most | dict(answer.points) for name, answer in self.answers.items()}
        return {"reference": most, **found}

    def source_of(self, name: str) -> str:
        """Return the text of an answer."""
        return without_solution_marks(self.reference) if name == "reference" else self.answers[name].source


@dataclass(frozen=True, eq=False)
class Notebook:
    """One notebook: the cells given at its start, then its problems, then cells that a person marks."""

    assignment: str
    name: str
    given: tuple[str, ...]
    problems: tuple[Problem, ...]
    by_hand: tuple[tuple[str, str, str, float], ...] = ()
    """(kind, grade id, source, points); the kinds are ``written``, ``code`` and ``task``."""
    modern: bool = True
    """Whether it was written by a recent Jupyter (cell ids, nbgrader's schema 3) or by one of years ago."""


def without_solution_marks(source: str) -> str:
    """Return the reference as a student could have written it."""
    return "\n".join(line for line in source.split("\n") if "### " not in line or "SOLUTION" not in line)


def solved(text: str) -> str:
    """Mark everything below the first line, its ``def`` or ``class``, as the solution."""
    first, _, rest = text.partition("\n")
    indent = " " * (len(rest) - len(rest.lstrip(" ")))
    return f"{first}\n{indent}### BEGIN SOLUTION\n{rest}\n{indent}### END SOLUTION"


def all_solved(text: str) -> str:
    """Mark a whole cell as the solution."""
    return f"### BEGIN SOLUTION\n{text}\n### END SOLUTION"


LISTS = Notebook(
    "hw1",
    "lists",
    ("import io\nimport itertools\nfrom contextlib import redirect_stdout",),
    (
        Problem(
            "squares",
            solved(
                "def squares(n):\n"
                '    """Return the squares of 1 to n."""\n'
                "    if n < 1:\n"
                '        raise ValueError("n must be at least 1")\n'
                "    return [i**2 for i in range(1, n + 1)]"
            ),
            (
                Test(
                    "correct_squares",
                    1,
                    '"""Check that squares returns the correct output."""\n'
                    "assert squares(1) == [1]\nassert squares(2) == [1, 4]\n"
                    "### BEGIN HIDDEN TESTS\nassert squares(10) == [1, 4, 9, 16, 25, 36, 49, 64, 81, 100]\n"
                    "### END HIDDEN TESTS",
                ),
                Test(
                    "squares_invalid_input",
                    1,
                    "for bad in (0, -4):\n    try:\n        squares(bad)\n    except ValueError:\n        pass\n"
                    '    else:\n        raise AssertionError("did not raise ValueError")',
                ),
            ),
            {
                "loop": Answer(
                    "def squares(n):\n    if n < 1:\n        raise ValueError(n)\n    found = []\n"
                    "    for i in range(n):\n        found.append((i + 1) * (i + 1))\n    return found",
                    {},
                ),
                "no check": Answer(
                    "def squares(n):\n    return [i**2 for i in range(1, n + 1)]", {"squares_invalid_input": 0}
                ),
                "from zero": Answer(
                    "def squares(n):\n    if n < 1: raise ValueError\n    return [i**2 for i in range(n)]",
                    {"correct_squares": 0},
                ),
                "wrong exception": Answer(
                    "def squares(n):\n    assert n > 0\n    return [i**2 for i in range(1, n + 1)]",
                    {"squares_invalid_input": 0},
                ),
                "hard-coded": Answer(
                    "def squares(n):\n    if n < 1: raise ValueError\n    return {1: [1], 2: [1, 4]}[n]",
                    {"correct_squares": 0},
                ),
                "syntax error": Answer(
                    "def squares(n)\n    return n", {"correct_squares": 0, "squares_invalid_input": 0}
                ),
            },
        ),
        Problem(
            "sum_of_squares",
            solved("def sum_of_squares(n):\n    return sum(squares(n))"),
            (
                Test(
                    "test_sum_of_squares",
                    2,
                    "assert sum_of_squares(1) == 1\nassert sum_of_squares(10) == 385\nassert sum_of_squares(11) == 506",
                ),
            ),
            {
                "own": Answer("sum_of_squares = lambda n: sum(i * i for i in range(n + 1))", {}),
                "prints": Answer("def sum_of_squares(n):\n    print(sum(squares(n)))", {"test_sum_of_squares": 0}),
            },
            broken_by={"squares": frozenset({"from zero", "hard-coded", "syntax error"})},
        ),
        Problem(
            "unique",
            solved(
                "def unique(values):\n    found = []\n    for value in values:\n        if value not in found:\n"
                "            found.append(value)\n    return found"
            ),
            (
                Test(
                    "test_unique",
                    2,
                    "given = [3, 1, 3, 'a', 'a', None]\nassert unique(given) == [3, 1, 'a', None]\n"
                    "assert given == [3, 1, 3, 'a', 'a', None], 'the argument was changed'\n"
                    "assert unique([]) == [] and unique('abca') == ['a', 'b', 'c']\n"
                    "### BEGIN HIDDEN TESTS\nassert unique([[1], [1], (2,)]) == [[1], (2,)]\n### END HIDDEN TESTS",
                ),
            ),
            {
                "set": Answer("def unique(values):\n    return list(set(values))", {"test_unique": 0}),
                "dict": Answer("def unique(values):\n    return list(dict.fromkeys(values))", {"test_unique": 0}),
                "mutates": Answer(
                    "def unique(values):\n    found = []\n    while len(values) > 0:\n        first = values[0]\n"
                    "        values = values.pop(0) and values if isinstance(values, list) else values[1:]\n"
                    "        if first not in found:\n            found.append(first)\n    return found",
                    {"test_unique": 0},
                ),
            },
        ),
        Problem(
            "sort_in_place",
            solved(
                "def sort_in_place(values):\n    for end in range(len(values) - 1, 0, -1):\n"
                "        for i in range(end):\n            if values[i] > values[i + 1]:\n"
                "                values[i], values[i + 1] = values[i + 1], values[i]"
            ),
            (
                Test(
                    "test_sort_in_place",
                    2,
                    "import random\nnumbers = [5, 2, 9, 1]\nalias = numbers\nassert sort_in_place(numbers) is None\n"
                    "assert numbers == [1, 2, 5, 9] and alias is numbers\n"
                    "shuffled = random.Random(4).sample(range(50), 50)\nsort_in_place(shuffled)\n"
                    "assert shuffled == list(range(50))",
                ),
            ),
            {
                "built in": Answer("def sort_in_place(values):\n    values.sort()", {}),
                "slice": Answer("def sort_in_place(values):\n    values[:] = sorted(values)", {}),
                "rebinds": Answer("def sort_in_place(values):\n    values = sorted(values)", {"test_sort_in_place": 0}),
                "returns": Answer(
                    "def sort_in_place(values):\n    values.sort()\n    return values", {"test_sort_in_place": 0}
                ),
            },
        ),
        Problem(
            "fibonacci",
            solved("def fibonacci():\n    a, b = 0, 1\n    while True:\n        yield a\n        a, b = b, a + b"),
            (
                Test(
                    "test_fibonacci",
                    2,
                    "numbers = fibonacci()\nassert next(numbers) == 0\nassert next(numbers) == 1\n"
                    "assert list(itertools.islice(numbers, 5)) == [1, 2, 3, 5, 8]\n"
                    "assert next(fibonacci()) == 0, 'each call starts again'\n"
                    "for number in fibonacci():\n    if number > 10**30:\n        break\n"
                    "assert number == 1454489111232772683678306641953",
                ),
            ),
            {
                "ends early": Answer("def fibonacci():\n    yield from (0, 1, 1, 2, 3, 5, 8)", {"test_fibonacci": 0}),
                "list": Answer("def fibonacci():\n    return [0, 1, 1, 2, 3, 5, 8]", {"test_fibonacci": 0}),
            },
        ),
        Problem(
            "greet",
            solved('def greet(names):\n    for name in names:\n        print(f"Hello, {name}!")'),
            (
                Test(
                    "test_greet",
                    1,
                    "output = io.StringIO()\nwith redirect_stdout(output):\n    result = greet(['Ada', 'Grace'])\n"
                    "assert result is None\n"
                    "assert output.getvalue() == 'Hello, Ada!\\nHello, Grace!\\n', output.getvalue()",
                ),
                Test(
                    "test_greet_nobody",
                    1,
                    "import sys\nold, sys.stdout = sys.stdout, io.StringIO()\ntry:\n    greet([])\n"
                    "    printed = sys.stdout.getvalue()\nfinally:\n    sys.stdout = old\nassert printed == ''",
                ),
            ),
            {
                "join": Answer(
                    "def greet(names):\n    if names:\n"
                    "        print('\\n'.join('Hello, ' + name + '!' for name in names))",
                    {},
                ),
                "returns": Answer(
                    "def greet(names):\n    return '\\n'.join(f'Hello, {name}!' for name in names)", {"test_greet": 0}
                ),
                "blank line": Answer(
                    "def greet(names):\n    for name in names:\n        print(f'Hello, {name}!')\n    print()",
                    {"test_greet": 0, "test_greet_nobody": 0},
                ),
            },
        ),
        Problem(
            "count_words",
            solved(
                "def count_words(text):\n    counts = {}\n    for word in text.lower().split():\n"
                "        counts[word] = counts.get(word, 0) + 1\n    return counts"
            ),
            (
                Test(
                    "test_count_words",
                    2,
                    "counts = count_words('The cat and the hat')\n"
                    "assert counts == {'the': 2, 'cat': 1, 'and': 1, 'hat': 1}\n"
                    "assert counts['the'] == 2 and 'dog' not in counts\nassert isinstance(count_words(''), dict)\n"
                    "### BEGIN HIDDEN TESTS\nassert sorted(count_words('b ü b').items()) == [('b', 2), ('ü', 1)]\n"
                    "### END HIDDEN TESTS",
                ),
            ),
            {
                # Counter is a dict: tests that compare with one are satisfied, and must be in every engine.
                "Counter": Answer(
                    "from collections import Counter\ndef count_words(text):\n    return Counter(text.lower().split())",
                    {},
                ),
                "case": Answer(
                    "def count_words(text):\n    words = text.split()\n    return {w: words.count(w) for w in words}",
                    {"test_count_words": 0},
                ),
            },
        ),
        Problem(
            "compose",
            solved("def compose(f, g):\n    return lambda x: f(g(x))"),
            (
                Test(
                    "test_compose",
                    2,
                    "def add_one(x):\n    return x + 1\n\n"
                    "assert compose(add_one, lambda x: 2 * x)(5) == 11\nassert compose(str, add_one)(5) == '6'\n"
                    "calls = []\ncompose(calls.append, add_one)(1)\nassert calls == [2]",
                ),
            ),
            {
                "wrong order": Answer("def compose(f, g):\n    return lambda x: g(f(x))", {"test_compose": 0}),
                "nested def": Answer(
                    "def compose(f, g):\n    def both(x):\n        return f(g(x))\n    return both", {}
                ),
            },
        ),
        Problem(
            "average",
            solved(
                "def average(*values, default=None, digits=2):\n    if not values:\n        return default\n"
                "    return round(sum(values) / len(values), digits)"
            ),
            (
                Test(
                    "test_average",
                    4,
                    "score = 0\nif average(1, 2) == 1.5:\n    score += 1\nif average(1, 1, 2) == 1.33:\n"
                    "    score += 1\n"
                    "if average(default='none') == 'none':\n    score += 1\n"
                    "if average(1, 1, 2, digits=4) == 1.3333:\n    score += 1\nscore",
                ),
            ),
            {
                "no digits": Answer(
                    "def average(*values, default=None, digits=2):\n"
                    "    return round(sum(values) / len(values), 2) if values else default",
                    {"test_average": 3},
                ),
                "unrounded": Answer(
                    "def average(*values, default=None, digits=2):\n"
                    "    return sum(values) / len(values) if values else default",
                    {"test_average": 2},
                ),
                "one argument": Answer(
                    "def average(values):\n    return sum(values) / len(values)", {"test_average": 0}
                ),
                "always None": Answer(
                    "def average(*values, default=None, digits=2):\n    return None", {"test_average": 0}
                ),
            },
        ),
        Problem(
            "variables",
            all_solved(
                "primes = [2, 3, 5, 7, 11]\ntotal = sum(primes)\nmean = total / len(primes)\n"
                "table = {'primes': primes, 'range': (2, 11), 'odd': {3, 5, 7, 11}}"
            ),
            (
                Test("test_primes", 1, "assert primes == [2, 3, 5, 7, 11]\nassert type(primes) is list"),
                Test("test_mean", 1, "assert isinstance(mean, float)\nassert abs(mean - 5.6) < 1e-9"),
                Test(
                    "test_table",
                    1,
                    "assert set(table) == {'primes', 'range', 'odd'}\nassert table['range'] == (2, 11)\n"
                    "assert table['odd'] == {3, 5, 7, 11} and table['primes'][-1] == 11",
                ),
            ),
            {
                "only primes": Answer("primes = [2, 3, 5, 7, 11]", {"test_mean": 0, "test_table": 0}),
                "tuple": Answer(
                    "primes = (2, 3, 5, 7, 11)\nmean = 28 / 5\n"
                    "table = {'primes': primes, 'range': (2, 11), 'odd': {3, 5, 7, 11}}",
                    {"test_primes": 0},
                ),
                "stops halfway": Answer(
                    "primes = [2, 3, 5, 7, 11]\nmean = sum(primes) / len(primes)\nprint(tabel)", {"test_table": 0}
                ),
            },
        ),
        Problem(
            "count_lines",
            solved("def count_lines(path):\n    with open(path) as lines:\n        return sum(1 for _ in lines)"),
            (
                Test(
                    "test_count_lines",
                    1,
                    "with open('written_by_the_test.txt', 'w') as file:\n    file.write('a\\nb\\nc\\n')\n"
                    "assert count_lines('written_by_the_test.txt') == 3",
                ),
            ),
            {"constant": Answer("def count_lines(path):\n    return 0", {"test_count_lines": 0})},
            engine="shared",
        ),
        Problem(
            "uses_squares",
            solved("def uses_squares(n):\n    return len(squares(n))"),
            (
                # nbgrader's own example course checks in this way that one answer calls another.
                Test(
                    "test_uses_squares",
                    1,
                    "kept = squares\ndel squares\ntry:\n    uses_squares(1)\nexcept NameError:\n    pass\nelse:\n"
                    "    raise AssertionError('uses_squares does not use squares')\nfinally:\n    squares = kept",
                ),
            ),
            {"does not": Answer("def uses_squares(n):\n    return n", {"test_uses_squares": 0})},
            engine="shared",
            broken_by={"squares": frozenset({"syntax error"})},
        ),
        Problem(
            "documented",
            solved('def documented(x, y=2):\n    """Return x to the power y."""\n    return x**y'),
            (
                Test(
                    "test_documented",
                    1,
                    "import inspect\nassert documented.__doc__\n"
                    "assert inspect.signature(documented).parameters['y'].default == 2\n"
                    "assert 'for' not in inspect.getsource(documented)",
                ),
            ),
            {"undocumented": Answer("def documented(x, y=2):\n    return x**y", {"test_documented": 0})},
            engine="shared",
        ),
        Problem(
            "ask_age",
            solved('def ask_age():\n    return int(input("How old are you? "))'),
            (
                Test(
                    "test_ask_age",
                    1,
                    "from unittest.mock import patch\nwith patch('builtins.input', return_value='42'):\n"
                    "    assert ask_age() == 42",
                ),
            ),
            {"text": Answer("def ask_age():\n    return input()", {"test_ask_age": 0})},
            engine="shared",
        ),
    ),
    modern=False,
)

OBJECTS = Notebook(
    "hw1",
    "objects",
    ("# Exercises on classes", "import math"),
    (
        Problem(
            "vector",
            solved(
                "class Vector:\n    def __init__(self, x, y):\n        self.x, self.y = x, y\n\n"
                "    def __add__(self, other):\n        return Vector(self.x + other.x, self.y + other.y)\n\n"
                "    def __mul__(self, factor):\n        return Vector(self.x * factor, self.y * factor)\n\n"
                "    def __eq__(self, other):\n"
                "        return isinstance(other, Vector) and (self.x, self.y) == (other.x, other.y)\n\n"
                "    def __repr__(self):\n        return f'Vector({self.x}, {self.y})'\n\n"
                "    def __len__(self):\n        return 2\n\n"
                "    def __getitem__(self, index):\n        return (self.x, self.y)[index]\n\n"
                "    def length(self):\n        return math.hypot(self.x, self.y)"
            ),
            (
                Test(
                    "test_vector_attributes",
                    1,
                    "v = Vector(3, 4)\nassert (v.x, v.y) == (3, 4)\nassert v.length() == 5\nv.x = 0\n"
                    "assert v.length() == 4, 'length must follow the attributes'\nassert isinstance(v, Vector)",
                ),
                Test(
                    "test_vector_operators",
                    2,
                    "total = Vector(1, 2) + Vector(3, 4)\nassert isinstance(total, Vector)\n"
                    "assert total == Vector(4, 6)\n"
                    "assert Vector(1, 2) * 3 == Vector(3, 6)\nassert Vector(1, 2) != Vector(2, 1)",
                ),
                Test(
                    "test_vector_dunders",
                    1,
                    "v = Vector(1, 2)\nassert repr(v) == 'Vector(1, 2)' and f'{v}' == 'Vector(1, 2)'\n"
                    "assert len(v) == 2\n"
                    "assert [v[0], v[1]] == [1, 2]\ntry:\n    v[2]\nexcept IndexError:\n    pass\nelse:\n"
                    "    raise AssertionError('v[2] must raise IndexError')\nassert list(v) == [1, 2]",
                ),
            ),
            {
                "only attributes": Answer(
                    "class Vector:\n    def __init__(self, x, y):\n        self.x = x\n        self.y = y\n\n"
                    "    def length(self):\n        return (self.x**2 + self.y**2) ** 0.5",
                    {"test_vector_operators": 0, "test_vector_dunders": 0},
                ),
                "length kept": Answer(
                    "class Vector:\n    def __init__(self, x, y):\n        self.x, self.y = x, y\n"
                    "        self.norm = (x**2 + y**2) ** 0.5\n\n    def length(self):\n        return self.norm",
                    {"test_vector_attributes": 0, "test_vector_operators": 0, "test_vector_dunders": 0},
                ),
                "always equal": Answer(
                    "class Vector:\n    def __init__(self, x, y):\n        self.x, self.y = x, y\n"
                    "    def __eq__(self, other):\n        return True\n"
                    "    def __add__(self, other):\n        return self\n    def __mul__(self, k):\n"
                    "        return self\n"
                    "    def length(self):\n        return math.sqrt(self.x**2 + self.y**2)",
                    {"test_vector_operators": 0, "test_vector_dunders": 0},
                ),
            },
        ),
        Problem(
            "shapes",
            all_solved(
                "class Shape:\n    name = 'shape'\n\n    def area(self):\n        raise NotImplementedError\n\n"
                "    def describe(self):\n        return f'{self.name} of area {self.area():.2f}'\n\n\n"
                "class Square(Shape):\n    name = 'square'\n\n    def __init__(self, side):\n"
                "        self.side = side\n\n    def area(self):\n        return self.side**2\n\n\n"
                "class Circle(Shape):\n    name = 'circle'\n\n    def __init__(self, radius=1.0):\n"
                "        self.radius = radius\n\n    def area(self):\n        return math.pi * self.radius**2"
            ),
            (
                Test(
                    "test_shapes",
                    2,
                    "assert Square(3).area() == 9 and abs(Circle().area() - math.pi) < 1e-12\n"
                    "assert Square(2).describe() == 'square of area 4.00'\n"
                    "assert [shape.describe() for shape in (Circle(2), Square(side=1))] == "
                    "['circle of area 12.57', 'square of area 1.00']",
                ),
                Test(
                    "test_inheritance",
                    1,
                    "assert issubclass(Square, Shape) and issubclass(Circle, Shape)\n"
                    "assert isinstance(Circle(1), Shape) and not isinstance(Circle(1), Square)\n"
                    "assert Square.name == 'square'\ntry:\n    Shape().area()\nexcept NotImplementedError:\n    pass\n"
                    "else:\n    raise AssertionError('a shape has no area of its own')",
                ),
            ),
            {
                "no base": Answer(
                    "class Shape:\n    name = 'shape'\n    def area(self):\n        raise NotImplementedError\n"
                    "class Square:\n    name = 'square'\n    def __init__(self, side):\n        self.side = side\n"
                    "    def area(self):\n        return self.side**2\n"
                    "    def describe(self):\n        return f'square of area {self.area():.2f}'\n"
                    "class Circle:\n    name = 'circle'\n    def __init__(self, radius=1):\n"
                    "        self.radius = radius\n    def area(self):\n        return math.pi * self.radius**2\n"
                    "    def describe(self):\n        return f'circle of area {self.area():.2f}'",
                    {"test_inheritance": 0},
                ),
            },
        ),
        Problem(
            "stack",
            all_solved(
                "class EmptyStackError(Exception):\n    pass\n\n\nclass Stack:\n    def __init__(self, items=()):\n"
                "        self._items = list(items)\n\n    def push(self, item):\n        self._items.append(item)\n"
                "        return self\n\n    def pop(self):\n        if not self._items:\n"
                "            raise EmptyStackError('nothing to pop')\n        return self._items.pop()\n\n"
                "    def __bool__(self):\n        return bool(self._items)\n\n    def __len__(self):\n"
                "        return len(self._items)\n\n    def __contains__(self, item):\n"
                "        return item in self._items\n\n    def __iter__(self):\n"
                "        return iter(reversed(self._items))"
            ),
            (
                Test(
                    "test_stack",
                    2,
                    "stack = Stack([1, 2])\nstack.push('three').push(None)\n"
                    "assert len(stack) == 4 and 'three' in stack\n"
                    "assert list(stack) == [None, 'three', 2, 1]\n"
                    "assert stack.pop() is None and stack.pop() == 'three'\n"
                    "assert stack and not Stack()",
                ),
                Test(
                    "test_empty_stack",
                    1,
                    "try:\n    Stack().pop()\nexcept EmptyStackError as error:\n    assert 'nothing' in str(error)\n"
                    "else:\n    raise AssertionError('no exception')\nassert issubclass(EmptyStackError, Exception)",
                ),
            ),
            {
                "IndexError": Answer(
                    "class EmptyStackError(Exception):\n    pass\n\nclass Stack:\n"
                    "    def __init__(self, items=()):\n        self.items = list(items)\n"
                    "    def push(self, item):\n        self.items.append(item)\n        return self\n"
                    "    def pop(self):\n        return self.items.pop()\n"
                    "    def __len__(self):\n        return len(self.items)\n"
                    "    def __bool__(self):\n        return len(self.items) > 0\n"
                    "    def __contains__(self, item):\n        return item in self.items\n"
                    "    def __iter__(self):\n        return iter(self.items[::-1])",
                    {"test_empty_stack": 0},
                ),
                # Truth and iteration follow from __len__ and __getitem__: no special method of the reference's own.
                "other dunders": Answer(
                    "class EmptyStackError(LookupError):\n    pass\n\nclass Stack:\n"
                    "    def __init__(self, items=()):\n        self.items = list(items)[::-1]\n"
                    "    def push(self, item):\n        self.items.insert(0, item)\n        return self\n"
                    "    def pop(self):\n        if len(self) == 0:\n"
                    "            raise EmptyStackError('there is nothing')\n        return self.items.pop(0)\n"
                    "    def __len__(self):\n        return len(self.items)\n"
                    "    def __getitem__(self, index):\n        return self.items[index]",
                    {},
                ),
                "no chain": Answer(
                    "class EmptyStackError(Exception):\n    pass\n\nclass Stack:\n"
                    "    def __init__(self, items=()):\n        self.items = list(items)\n"
                    "    def push(self, item):\n        self.items.append(item)\n"
                    "    def pop(self):\n        if not self.items: raise EmptyStackError('nothing')\n"
                    "        return self.items.pop()",
                    {"test_stack": 0},
                ),
            },
        ),
        Problem(
            "temperature",
            solved(
                "class Temperature:\n    def __init__(self, celsius=0.0):\n        self.celsius = celsius\n\n"
                "    @property\n    def celsius(self):\n        return self._celsius\n\n"
                "    @celsius.setter\n    def celsius(self, value):\n        if value < -273.15:\n"
                "            raise ValueError('below absolute zero')\n        self._celsius = value\n\n"
                "    @property\n    def kelvin(self):\n        return self._celsius + 273.15\n\n"
                "    @classmethod\n    def from_fahrenheit(cls, degrees):\n        return cls((degrees - 32) / 1.8)\n\n"
                "    @staticmethod\n    def freezes(celsius):\n        return celsius <= 0\n\n"
                "    def __lt__(self, other):\n        return self.celsius < other.celsius"
            ),
            (
                Test(
                    "test_temperature",
                    2,
                    "t = Temperature.from_fahrenheit(212)\nassert isinstance(t, Temperature)\n"
                    "assert abs(t.celsius - 100) < 1e-9 and abs(t.kelvin - 373.15) < 1e-9\n"
                    "assert Temperature.freezes(-1) and not Temperature.freezes(celsius=3)\n"
                    "coldest, *_ = sorted([Temperature(30), Temperature(-5), t])\nassert coldest.celsius == -5",
                ),
                Test(
                    "test_absolute_zero",
                    1,
                    "t = Temperature(20)\n"
                    "for attempt in (lambda: Temperature(-300), lambda: setattr(t, 'celsius', -1e3)):\n"
                    "    try:\n        attempt()\n    except ValueError:\n        continue\n"
                    "    raise AssertionError('below absolute zero')\nassert t.celsius == 20",
                ),
            ),
            {
                "plain attribute": Answer(
                    "class Temperature:\n    def __init__(self, celsius=0):\n        self.celsius = celsius\n"
                    "        self.kelvin = celsius + 273.15\n"
                    "    @classmethod\n    def from_fahrenheit(cls, f):\n        return cls((f - 32) * 5 / 9)\n"
                    "    @staticmethod\n    def freezes(celsius):\n        return celsius <= 0\n"
                    "    def __lt__(self, other):\n        return self.celsius < other.celsius",
                    {"test_absolute_zero": 0},
                ),
            },
        ),
        Problem(
            "countdown",
            solved(
                "class Countdown:\n    def __init__(self, start):\n        self.current = start\n"
                "        self.open = False\n\n"
                "    def __iter__(self):\n        return self\n\n    def __next__(self):\n"
                "        if self.current <= 0:\n"
                "            raise StopIteration\n        self.current -= 1\n        return self.current + 1\n\n"
                "    def __enter__(self):\n        self.open = True\n        return self\n\n"
                "    def __exit__(self, *error):\n        self.open = False\n        return False\n\n"
                "    def __call__(self):\n        return self.current"
            ),
            (
                Test(
                    "test_countdown",
                    2,
                    "countdown = Countdown(3)\nassert next(countdown) == 3 and countdown() == 2\n"
                    "assert list(countdown) == [2, 1]\nwith Countdown(1) as opened:\n    assert opened.open\n"
                    "assert not opened.open\nassert sum(Countdown(4)) == 10",
                ),
            ),
            {
                "off by one": Answer(
                    "class Countdown:\n    def __init__(self, start):\n        self.current = start\n"
                    "    def __iter__(self):\n        return self\n    def __next__(self):\n"
                    "        if self.current < 0:\n            raise StopIteration\n        self.current -= 1\n"
                    "        return self.current + 1",
                    {"test_countdown": 0},
                ),
            },
        ),
        Problem(
            "point",
            all_solved(
                "from dataclasses import dataclass, field\n\n\n@dataclass(order=True, frozen=True)\nclass Point:\n"
                "    x: float\n    y: float = 0.0\n    tags: tuple = field(default=(), compare=False)\n\n"
                "    def moved(self, dx=0, dy=0):\n        return Point(self.x + dx, self.y + dy, self.tags)"
            ),
            (
                Test(
                    "test_point",
                    2,
                    "assert Point(1, 2).moved(dx=1) == Point(2, 2)\n"
                    "assert sorted([Point(2), Point(1, 5)]) == [Point(1, 5), Point(2)]\n"
                    "assert len({Point(1), Point(1.0), Point(3)}) == 2\ntry:\n    Point(1).x = 4\n"
                    "except AttributeError:\n    pass\nelse:\n    raise AssertionError('a point must not change')",
                ),
            ),
            {
                "not frozen": Answer(
                    "from dataclasses import dataclass\n\n@dataclass(order=True, unsafe_hash=True)\nclass Point:\n"
                    "    x: float\n    y: float = 0.0\n    def moved(self, dx=0, dy=0):\n"
                    "        return Point(self.x + dx, self.y + dy)",
                    {"test_point": 0},
                ),
            },
        ),
    ),
    (
        ("written", "why_classes", "### BEGIN SOLUTION\nState and behaviour together.\n### END SOLUTION", 2),
        ("code", "design", all_solved("class Library:\n    books: list"), 3),
        (
            "task",
            "sketch",
            "Draw the classes.\n\n=== BEGIN MARK SCHEME ===\n2 points: arrows\n=== END MARK SCHEME ===",
            4,
        ),
    ),
)

SCIENCE = Notebook(
    "hw2",
    "science",
    (
        "import numpy as np\nfrom numpy.testing import assert_allclose, assert_array_equal\n"
        "import course_tools\nfrom course_tools import almost_equal",
    ),
    (
        Problem(
            "load",
            solved(
                "def load(path='data/temperatures.csv'):\n    rows = np.loadtxt(path, delimiter=',', skiprows=1)\n"
                "    return rows[:, 0].astype(int), rows[:, 1]"
            ),
            (
                Test(
                    "test_load",
                    2,
                    "days, temperatures = load()\nassert days.shape == temperatures.shape == (5,)\n"
                    "assert_array_equal(days, np.arange(1, 6))\nassert almost_equal(temperatures.mean(), 12.5)\n"
                    "assert np.issubdtype(days.dtype, np.integer)",
                ),
            ),
            {
                "csv module": Answer(
                    "import csv\ndef load(path='data/temperatures.csv'):\n    with open(path, newline='') as file:\n"
                    "        rows = list(csv.reader(file))[1:]\n    days, temperatures = zip(*rows)\n"
                    "    return np.array(days, dtype=int), np.array(temperatures, dtype=float)",
                    {},
                ),
                "text": Answer(
                    "def load(path='data/temperatures.csv'):\n    lines = open(path).read().split()[1:]\n"
                    "    return np.array([line.split(',') for line in lines]).T",
                    {"test_load": 0},
                ),
                "other file": Answer(
                    "def load(path='data/temperatures.csv'):\n"
                    "    return np.loadtxt('/home/me/Downloads/temperatures.csv')",
                    {"test_load": 0},
                ),
            },
        ),
        Problem(
            "normalise",
            solved(
                "def normalise(x):\n    x = np.asarray(x, dtype=float)\n    spread = x.std()\n"
                "    if spread == 0:\n        return np.zeros_like(x)\n    return (x - x.mean()) / spread"
            ),
            (
                Test(
                    "test_normalise",
                    2,
                    "x = np.array([1.0, 2.0, 3.0, 4.0])\ny = normalise(x)\nassert isinstance(y, np.ndarray)\n"
                    "assert_allclose(y.mean(), 0, atol=1e-12)\nassert_allclose(y.std(), 1)\n"
                    "assert_array_equal(x, [1, 2, 3, 4])\nassert_allclose(normalise([2, 4]), [-1, 1])",
                ),
                Test(
                    "test_normalise_constant",
                    1,
                    "### BEGIN HIDDEN TESTS\nassert_array_equal(normalise(np.ones((2, 3))), np.zeros((2, 3)))\n"
                    "### END HIDDEN TESTS",
                ),
            ),
            {
                "no constant": Answer(
                    "def normalise(x):\n    x = np.array(x)\n    return (x - np.mean(x)) / np.std(x)",
                    {"test_normalise_constant": 0},
                ),
                "in place": Answer(
                    "def normalise(x):\n    x = np.asarray(x, dtype=float)\n    x -= x.mean()\n"
                    "    x /= x.std() or 1\n    return x",
                    {"test_normalise": 0},
                ),
                "list": Answer(
                    "def normalise(x):\n    x = list(np.ravel(x))\n    m = sum(x) / len(x)\n"
                    "    s = (sum((v - m) ** 2 for v in x) / len(x)) ** 0.5\n    return [(v - m) / s for v in x]",
                    {"test_normalise": 0, "test_normalise_constant": 0},
                ),
                "one dimension": Answer(
                    "def normalise(x):\n    x = np.ravel(x).astype(float)\n    s = x.std()\n"
                    "    return (x - x.mean()) / (s if s else 1)",
                    {"test_normalise_constant": 0},
                ),
            },
        ),
        Problem(
            "fill",
            solved("def fill(x, value):\n    x[np.isnan(x)] = value"),
            (
                Test(
                    "test_fill",
                    2,
                    "x = np.array([1.0, np.nan, 3.0])\nfill(x, 2)\nassert_array_equal(x, [1, 2, 3])\n"
                    "grid = np.full((2, 2), np.nan)\nfill(grid[0], -1.0)\nassert grid[0].tolist() == [-1, -1]\n"
                    "assert np.isnan(grid[1]).all()",
                ),
            ),
            {
                "copy": Answer("def fill(x, value):\n    x = np.where(np.isnan(x), value, x)", {"test_fill": 0}),
                "loop": Answer(
                    "def fill(x, value):\n    for i in range(len(x)):\n        if x[i] != x[i]:\n"
                    "            x[i] = value",
                    {},
                ),
            },
        ),
        Problem(
            "integrate",
            solved(
                "def integrate(f, a, b, n=1000):\n    x = np.linspace(a, b, n + 1)\n    y = f(x)\n"
                "    return float(np.sum((y[1:] + y[:-1]) / 2) * (b - a) / n)"
            ),
            (
                Test(
                    "test_integrate",
                    3,
                    "checks = [\n    abs(integrate(np.sin, 0, np.pi) - 2) < 1e-3,\n"
                    "    abs(integrate(lambda x: x**2, 0, 3, n=50) - 9) < 1e-2,\n"
                    "    abs(integrate(np.exp, 0, 1) - course_tools.E_MINUS_ONE) < 1e-4,\n]\n"
                    "np.float64(sum(checks))",
                ),
            ),
            {
                "one point at a time": Answer(
                    "def integrate(f, a, b, n=1000):\n    h = (b - a) / n\n"
                    "    return sum((f(a + i * h) + f(a + (i + 1) * h)) / 2 * h for i in range(n))",
                    {},
                ),
                "left sum": Answer(
                    "def integrate(f, a, b, n=1000):\n    x = np.linspace(a, b, n, endpoint=False)\n"
                    "    return float(np.sum(f(x)) * (b - a) / n)",
                    {"test_integrate": 1},
                ),
                "zero": Answer("def integrate(f, a, b, n=1000):\n    return 0.0", {"test_integrate": 0}),
            },
        ),
        Problem(
            "warm_days",
            all_solved(
                "days, temperatures = load()\nis_warm = temperatures > 12\nwarm_days = days[is_warm]\n"
                "warmest = int(days[np.argmax(temperatures)])\nn_warm = is_warm.sum()\nmatrix = np.diag(temperatures)"
            ),
            (
                Test(
                    "test_warm_days",
                    2,
                    "assert_array_equal(warm_days, [3, 4, 5])\nassert warmest == 5\nassert n_warm == 3\n"
                    "assert is_warm.dtype == bool and is_warm.any() and not is_warm.all()\n"
                    "assert matrix.shape == (5, 5) and np.trace(matrix) == 62.5",
                ),
            ),
            {
                "list": Answer(
                    "days, temperatures = load()\nwarm_days = [d for d, t in zip(days, temperatures) if t > 12]\n"
                    "warmest = 5\nn_warm = len(warm_days)\nis_warm = np.array([t > 12 for t in temperatures])\n"
                    "matrix = np.eye(5) * temperatures",
                    {},
                ),
                "wrong threshold": Answer(
                    "days, temperatures = load()\nis_warm = temperatures > 11\nwarm_days = days[is_warm]\nwarmest = 5\n"
                    "n_warm = len(warm_days)\nmatrix = np.diag(temperatures)",
                    {"test_warm_days": 0},
                ),
            },
            broken_by={"load": frozenset({"text", "other file"})},
        ),
        Problem(
            "area_of_triangle",
            solved("def area_of_triangle(a, b, c):\n    return course_tools.heron(a, b, c)"),
            (
                Test(
                    "test_area_of_triangle",
                    1,
                    "assert almost_equal(area_of_triangle(3, 4, 5), 6)\n"
                    "assert almost_equal(area_of_triangle(c=1, a=1, b=1), 3**0.5 / 4)",
                ),
            ),
            {"half": Answer("def area_of_triangle(a, b, c):\n    return a * b / 2", {"test_area_of_triangle": 0})},
        ),
        Problem(
            "roll",
            solved("def roll(n):\n    return np.random.randint(1, 7, size=n)"),
            (
                Test(
                    "test_roll",
                    1,
                    "np.random.seed(3)\nrolled = roll(20)\nnp.random.seed(3)\n"
                    "assert_array_equal(rolled, np.random.randint(1, 7, size=20))",
                ),
            ),
            {"six sides": Answer("def roll(n):\n    return np.random.randint(0, 6, size=n)", {"test_roll": 0})},
            engine="shared",
        ),
        Problem(
            "draw",
            solved("def draw(rng, n):\n    return rng.normal(size=n)"),
            (
                Test(
                    "test_draw",
                    1,
                    "assert_array_equal(draw(np.random.default_rng(1), 4), np.random.default_rng(1).normal(size=4))",
                ),
            ),
            {"own generator": Answer("def draw(rng, n):\n    return np.random.normal(size=n)", {"test_draw": 0})},
            engine="shared",
        ),
        Problem(
            "save",
            solved("def save(path, values):\n    np.savetxt(path, values)"),
            (
                Test(
                    "test_save",
                    1,
                    "save('saved.txt', [1.0, 2.0])\nassert_array_equal(np.loadtxt('saved.txt'), [1, 2])",
                ),
            ),
            {"nothing": Answer("def save(path, values):\n    pass", {"test_save": 0})},
            engine="shared",
        ),
    ),
)

PLOTS = Notebook(
    "hw2",
    "plots",
    ("import matplotlib\nmatplotlib.use('agg')\nimport matplotlib.pyplot as plt\nimport numpy as np",),
    (
        Problem(
            "plot_line",
            solved(
                "def plot_line(x, y):\n    figure, axes = plt.subplots()\n    axes.plot(x, y, label='line')\n"
                "    axes.set_xlabel('time in s')\n    axes.set_ylabel('value')\n    axes.legend()\n    return axes"
            ),
            (
                Test(
                    "test_labels",
                    1,
                    "axes = plot_line([0, 1], [2, 3])\n"
                    "assert axes.get_xlabel() and axes.get_ylabel(), 'label the axes'\n"
                    "plt.close('all')",
                ),
                Test(
                    "test_data",
                    2,
                    "axes = plot_line(np.arange(3), np.arange(3) ** 2)\nassert len(axes.lines) == 1\n"
                    "np.testing.assert_array_equal(axes.lines[0].get_ydata(), [0, 1, 4])\n"
                    "assert axes.get_legend() is not None\nplt.close('all')",
                ),
            ),
            {
                "no labels": Answer(
                    "def plot_line(x, y):\n    plt.figure()\n    plt.plot(x, y, label='y')\n    plt.legend()\n"
                    "    return plt.gca()",
                    {"test_labels": 0},
                ),
                "returns nothing": Answer(
                    "def plot_line(x, y):\n    plt.plot(x, y)\n    plt.xlabel('x')\n    plt.ylabel('y')",
                    {"test_labels": 0, "test_data": 0},
                ),
            },
            engine="shared",
        ),
        Problem(
            "current_figure",
            all_solved("plt.figure()\nplt.bar(['a', 'b'], [1, 2])\nplt.title('Two bars')"),
            (
                Test(
                    "test_current_figure",
                    1,
                    "assert plt.gca().get_title() == 'Two bars'\nassert len(plt.gca().patches) == 2\nplt.close('all')",
                ),
            ),
            {"no title": Answer("plt.figure()\nplt.bar(['a', 'b'], [1, 2])", {"test_current_figure": 0})},
            engine="shared",
        ),
    ),
)

NOTEBOOKS = (LISTS, OBJECTS, SCIENCE, PLOTS)


@cache
def with_problems_for(able: frozenset[str]) -> tuple[Notebook, ...]:
    """Return the notebooks with only those problems that an engine can mark, where any are left.

    An engine that splits test and answer refuses a lesson with a test that cannot be split.
    """
    kept = [
        replace(one, problems=tuple(problem for problem in one.problems if problem.engine in able)) for one in NOTEBOOKS
    ]
    return tuple(one for one in kept if one.problems)


FILES = {
    "hw2/course_tools.py": (
        '"""What the instructor gives to everybody."""\n\nimport math\n\nE_MINUS_ONE = math.e - 1\n\n\n'
        "def almost_equal(a, b):\n    return abs(a - b) < 1e-9\n\n\n"
        "def heron(a, b, c):\n    s = (a + b + c) / 2\n    return math.sqrt(s * (s - a) * (s - b) * (s - c))\n"
    ),
    "hw2/data/temperatures.csv": "day,temperature\n1,9.5\n2,11.5\n3,12.5\n4,14.0\n5,15.0\n",
}
"""The instructor's files beside the notebooks, as path below ``source/`` → text."""


def _metadata(modern: bool, grade_id: str, **fields: Any) -> dict[str, Any]:
    found = {"grade": False, "grade_id": grade_id, "locked": False, "solution": False, **fields}
    return {"nbgrader": found | ({"schema_version": 3, "task": False} | fields if modern else {"schema_version": 1})}


def source_notebook(notebook: Notebook) -> dict[str, Any]:
    """Return a notebook as its instructor wrote it."""
    modern = notebook.modern
    cells: list[dict[str, Any]] = [{"cell_type": "markdown", "metadata": {}, "source": f"# {notebook.name}"}]

    def add(kind: str, source: str, metadata: dict[str, Any] | None = None) -> None:
        code: dict[str, Any] = {"outputs": [], "execution_count": None} if kind == "code" else {}
        cells.append({"cell_type": kind, "metadata": metadata or {}, "source": source, **code})

    for text in notebook.given:
        add("code", text)
    for number, problem in enumerate(notebook.problems, start=1):
        heading = f"## Problem {number}: {problem.key}"
        # A read-only cell, with a grade id and without points.
        add("markdown", heading, _metadata(modern, f"{problem.key}_text", locked=True))
        add("code", problem.reference, _metadata(modern, problem.key, solution=True))
        for test in problem.tests:
            fields = {"grade": True, "locked": True, "points": test.points}
            add("code", test.source, _metadata(modern, test.grade_id, **fields))
    for kind, key, source, points in notebook.by_hand:
        if kind == "task":
            add("markdown", source, _metadata(modern, key, task=True, locked=True, points=points))
        else:
            fields = {"grade": True, "solution": True, "points": points}
            add("code" if kind == "code" else "markdown", source, _metadata(modern, key, **fields))
    if modern:
        for number, cell in enumerate(cells):
            cell["id"] = f"{notebook.name}-{number}"
    kernel = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    return {
        "nbformat": 4,
        "nbformat_minor": 5 if modern else 2,
        "metadata": {"celltoolbar": "Create Assignment", "kernelspec": kernel},
        "cells": cells,
    }


@cache
def _released(notebook: Notebook) -> str:
    """Return a notebook as nbgrader's own steps release it; the gradebook's step is not needed for that."""
    from nbgrader.nbgraderformat import MetadataValidator
    from nbgrader.preprocessors import (
        ClearHiddenTests,
        ClearMarkScheme,
        ClearOutput,
        ClearSolutions,
        ComputeChecksums,
        LockCells,
    )

    made = _nbformat.from_dict(source_notebook(notebook))
    with quiet_nbgrader():
        MetadataValidator().upgrade_notebook_metadata(made)
        for step in (LockCells, ClearSolutions, ClearOutput, ClearHiddenTests, ClearMarkScheme, ComputeChecksums):
            made, _ = step().preprocess(made, {})
    return str(_nbformat.writes(made))


def write_other_course(
    root: Path, *, release: bool = True, notebooks: Iterable[Notebook] = NOTEBOOKS, config: str = ""
) -> CourseTree:
    """Write the course.

    Args:
        root: the course directory.
        release: whether to write ``release/`` too, as ``nbgrader generate_assignment`` would.
        notebooks: which notebooks it has.
        config: text of an ``nbgrader_config.py``; none is written where it is empty.
    Returns:
        The course, opened.
    """
    for step in ("source", "release")[: 1 + release]:
        for notebook in notebooks:
            text = _released(notebook) if step == "release" else json.dumps(source_notebook(notebook), indent=1)
            _write(root / step / notebook.assignment / f"{notebook.name}.ipynb", text)
        for name, text in FILES.items():
            if any(name.startswith(notebook.assignment + "/") for notebook in notebooks):
                _write(root / step / name, text)
    if config:
        _write(root / "nbgrader_config.py", config)
    return CourseTree.open(root)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def submission(notebook: Notebook, answers: Mapping[str, str]) -> dict[str, Any]:
    """Return the released notebook with answers filled in by grade id."""
    made: dict[str, Any] = copy.deepcopy(json.loads(_released(notebook)))
    for cell in made["cells"]:
        key = cell["metadata"].get("nbgrader", {}).get("grade_id")
        if key in answers:
            cell["source"] = answers[key]
    return made


def hand_in(course: CourseTree, student: str, notebook: Notebook, answers: Mapping[str, str]) -> Path:
    """Put a notebook where nbgrader collects it, with the released files beside it."""
    folder = course.root / "submitted" / student / notebook.assignment
    for name, text in FILES.items():
        assignment, _, rest = name.partition("/")
        if assignment == notebook.assignment:
            _write(folder / rest, text)
    path = folder / f"{notebook.name}.ipynb"
    _write(path, json.dumps(submission(notebook, answers)))
    return path


def class_of(notebook: Notebook) -> dict[str, dict[str, tuple[str, dict[str, float]]]]:
    """Return the smallest class in which every answer of every problem is handed in once.

    Student number n answers each problem with its n-th answer, and with the reference where it has no more.

    Returns:
        student → problem → (name of the answer, points by test).
    """
    size = 1 + max(len(problem.answers) for problem in notebook.problems)
    found: dict[str, dict[str, tuple[str, dict[str, float]]]] = {}
    for number in range(size):
        student = f"student{number}"
        found[student] = {}
        for problem in notebook.problems:
            names = ["reference", *problem.answers]
            name = names[number] if number < len(names) else "reference"
            points = problem.expected[name]
            earlier = found[student]
            if name == "reference" and any(earlier[key][0] in bad for key, bad in problem.broken_by.items()):
                points = dict.fromkeys(points, 0.0)
            earlier[problem.key] = (name, points)
    return found
