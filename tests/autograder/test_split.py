"""The split engine: what honest tests do works across the two processes, and what only pleases does not."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from small_course import write_course
from split_course import LIMITS, Exercise, printed, reason, run_answer, write_lesson

from autograder.engine import CellRun, CellState, EngineError, Job, Limits
from autograder.intake import StudentCell
from autograder.outcomes import judge
from autograder.rebuild import rebuild
from autograder.split.engine import SplitEngine


@pytest.fixture(scope="module")
def engine() -> Iterator[SplitEngine]:
    made = SplitEngine()
    yield made
    made.close()


WORKS = {
    "scalars and keywords": Exercise(
        "def scale(x, *, by=2):\n    return by * x",
        "assert scale(3) == 6 and scale(3, by=-1) == -3\nassert type(scale(1.5)) is float",
    ),
    "arrays of every kind": Exercise(
        "def twice(x):\n    return 2 * x",
        "for dtype in ('int8', 'float32', 'complex128'):\n"
        "    y = twice(np.ones((2, 0, 3), dtype))\n"
        "    assert type(y) is np.ndarray and y.dtype == dtype and y.shape == (2, 0, 3)\n"
        "np.testing.assert_array_equal(twice(np.arange(6).reshape(2, 3).T), 2 * np.arange(6).reshape(2, 3).T)\n"
        "assert twice(np.float32(1.5)) == 3 and type(twice(np.float32(1.5))) is np.float32",
    ),
    "a callable of the test": Exercise(
        "def integrate(f, a, b, n=100):\n    x = (np.arange(n) + 0.5) * (b - a) / n + a\n"
        "    return sum(f(one) for one in x) * (b - a) / n",
        "calls = []\ndef square(x):\n    calls.append(x)\n    return x * x\n"
        "assert abs(integrate(square, 0, 3) - 9) < 1e-2 and len(calls) == 100\n"
        "assert abs(integrate(np.sin, 0, np.pi) - 2) < 1e-3\nassert abs(integrate(lambda x: 1.0, 0, 2) - 2) < 1e-9",
    ),
    "an error of the callable": Exercise(
        "def careful(f):\n    try:\n        return f()\n    except KeyError as error:\n        return str(error)",
        "def fails():\n    raise KeyError('gone')\nassert careful(fails) == \"'gone'\"",
    ),
    "a callable that calls back": Exercise(
        "def apply(f, x):\n    return f(x)\ndef inner(x):\n    return x + 1",
        "assert apply(lambda x: inner(x) * 2, 3) == 8 and apply(inner, 3) == 4",
    ),
    "a function that returns a function": Exercise(
        "def adder(n):\n    return lambda x: x + n",
        "add = adder(3)\nassert add(4) == 7 and callable(add)",
    ),
    "classes, methods, attributes": Exercise(
        "class Account:\n    rate = 0.1\n    def __init__(self, owner, balance=0):\n        self.owner = owner\n"
        "        self.balance = balance\n    def deposit(self, amount):\n        self.balance += amount\n"
        "        return self\n    @property\n    def doubled(self):\n        return 2 * self.balance\n"
        "    @staticmethod\n    def currency():\n        return 'EUR'\n    @classmethod\n    def empty(cls):\n"
        "        return cls('nobody')\nclass Savings(Account):\n    pass",
        "a = Account('Ada', balance=5)\nassert a.deposit(3) is a and a.balance == 8 and a.doubled == 16\n"
        "a.balance = 1\nassert a.doubled == 2 and a.owner == 'Ada'\nassert isinstance(a, Account)\n"
        "assert issubclass(Savings, Account) and isinstance(Savings('b'), Account)\n"
        "assert Account.currency() == 'EUR' and Account.rate == 0.1 and Account.empty().owner == 'nobody'\n"
        "assert not hasattr(a, 'missing')",
    ),
    "operators": Exercise(
        "class Vector:\n    def __init__(self, x, y):\n        self.x, self.y = x, y\n"
        "    def __add__(self, other):\n        return Vector(self.x + other.x, self.y + other.y)\n"
        "    def __rmul__(self, k):\n        return Vector(k * self.x, k * self.y)\n"
        "    def __eq__(self, other):\n        return isinstance(other, Vector) and [*self] == [*other]\n"
        "    def __len__(self):\n        return 2\n    def __getitem__(self, i):\n        return (self.x, self.y)[i]\n"
        "    def __repr__(self):\n        return f'Vector({self.x}, {self.y})'",
        "assert Vector(1, 2) + Vector(3, 4) == Vector(4, 6) and Vector(1, 2) != Vector(2, 1)\n"
        "assert 3 * Vector(1, 2) == Vector(3, 6)\nassert len(Vector(1, 2)) == 2 and Vector(5, 6)[1] == 6\n"
        "assert list(Vector(1, 2)) == [1, 2] and repr(Vector(1, 2)) == 'Vector(1, 2)'",
    ),
    "generators": Exercise(
        "def count(n):\n    total = 0\n    while total < n:\n        got = yield total\n        total += got or 1",
        "import inspect\nassert list(count(3)) == [0, 1, 2]\ng = count(10)\nassert inspect.isgenerator(g)\n"
        "assert next(g) == 0 and g.send(5) == 5\ng.close()\nassert list(zip(count(2), 'ab')) == [(0, 'a'), (1, 'b')]",
    ),
    "expected exceptions": Exercise(
        "class TooLoud(ValueError):\n    def __init__(self, level):\n        super().__init__(f'{level} dB')\n"
        "        self.level = level\ndef check(level):\n    if level > 0:\n        raise TooLoud(level)\n"
        "    if level < -100:\n        raise ValueError('too soft')\n    return {}[level]",
        "import pytest\nwith pytest.raises(ValueError, match='too soft'):\n    check(-200)\n"
        "with pytest.raises(TooLoud) as caught:\n    check(3)\nassert caught.value.level == 3\n"
        "with pytest.raises(KeyError):\n    check(-1)",
    ),
    "an error of a library": Exercise(
        "def invert(a):\n    return np.linalg.inv(a)",
        "import pytest\nwith pytest.raises(np.linalg.LinAlgError):\n    invert(np.zeros((2, 2)))",
    ),
    "printed output": Exercise(
        "import sys\ndef greet(name):\n    print('Hello', name)\n    print('oops', file=sys.stderr)",
        "import contextlib, io\nout, err = io.StringIO(), io.StringIO()\n"
        "with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):\n    greet('Ada')\n"
        "assert out.getvalue() == 'Hello Ada\\n' and err.getvalue() == 'oops\\n'",
    ),
    "variables": Exercise(
        "answer = 42\nname, values = 'Ada', [1, {'a': (2.5, None)}]\nmatrix = np.eye(2)\n"
        "for last in range(3):\n    pass",
        "assert answer == 42 and name == 'Ada' and values == [1, {'a': (2.5, None)}] and last == 2\n"
        "assert matrix.shape == (2, 2)",
    ),
    "arguments changed in place": Exercise(
        "def clear(x, things, table, seen):\n    x[::2] = 0\n    things.append(len(things))\n    table['n'] = 1\n"
        "    seen.add(3)",
        "base = np.ones(8)\nx, things, table, seen = base[1:], [5], {}, set()\nclear(x, things, table, seen)\n"
        "assert base.tolist() == [1, 0, 1, 0, 1, 0, 1, 0]\n"
        "assert things == [5, 1] and table == {'n': 1} and seen == {3}",
    ),
    "an argument handed back": Exercise(
        "def same(x, y):\n    return x, [y]",
        "x, y = np.ones(2), [1]\na, b = same(x, y)\nassert a is x and b[0] is y",
    ),
    "one array twice": Exercise(
        "def is_one(x, y):\n    return x is y", "x = np.ones(2)\nassert is_one(x, x) and not is_one(x, x.copy())"
    ),
    "seeds set by the test": Exercise(
        "import random\ndef draw():\n    return random.random(), np.random.rand(2)",
        "import random\nrandom.seed(3); np.random.seed(4)\na, b = draw()\nrandom.seed(3); np.random.seed(4)\n"
        "assert a == random.random() and np.array_equal(b, np.random.rand(2))",
    ),
    "a generator handed over": Exercise(
        "def noise(n, rng):\n    return rng.standard_normal(n)",
        "y = noise(4, np.random.default_rng(7))\n"
        "assert np.array_equal(y, np.random.default_rng(7).standard_normal(4))\n"
        "z = noise(2, np.random.RandomState(1))\nassert np.array_equal(z, np.random.RandomState(1).standard_normal(2))",
    ),
    "warnings": Exercise(
        "import warnings\ndef warn(x):\n    warnings.warn('careful', UserWarning)\n    return np.log(x)",
        "import pytest, warnings\nwith pytest.warns(UserWarning, match='careful'):\n    warn(1.0)\n"
        "with warnings.catch_warnings(), np.errstate(divide='raise'):\n    warnings.simplefilter('ignore')\n"
        "    with pytest.raises(FloatingPointError):\n        warn(np.array(0.0))",
    ),
    "what inspect tells": Exercise(
        "def documented(x, /, y: int = 3, *args, scale=1.0, **more):\n    '''Do it.'''\n    return x",
        "import inspect\nassert documented.__doc__ == 'Do it.' and documented.__name__ == 'documented'\n"
        "assert str(inspect.signature(documented)) == '(x, /, y=3, *args, scale=1.0, **more)'\n"
        "assert 'return x' in inspect.getsource(documented)\nassert inspect.isfunction(documented)",
    ),
    "names and types": Exercise(
        "def kind(x):\n    return type(x), x.dtype\nimport math\npi = math.pi",
        "k, d = kind(np.ones(1, 'f4'))\nassert k is np.ndarray and d == np.float32 and math.pi == pi",
    ),
    "a test that uses a helper of the test cell before": Exercise(
        "def f(x):\n    return x + 1", "def check(x):\n    assert f(x) == x + 1\nfor n in range(50):\n    check(n)"
    ),
    "a partial score": Exercise("def f(x):\n    return x", "score = 0.5 if f(1) == 1 else 0\nscore"),
    "magics": Exercise("%matplotlib inline\ndef f():\n    return 1", "%%capture out\nassert f() == 1"),
    "whether one answer uses another": Exercise(
        "def square(x):\n    return x * x\ndef squares(n):\n    return [square(x) for x in range(n)]",
        "import pytest\nkept = square\ndel square\nwith pytest.raises(NameError):\n    squares(2)\n"
        "calls = []\ndef square(x):\n    calls.append(x)\n    return -x\nassert squares(3) == [0, -1, -2]\n"
        "assert calls == [0, 1, 2]\nsquare = kept\nassert squares(3) == [0, 1, 4]",
    ),
    "a library's function or class handed over": Exercise(
        "import collections\ndef choose(name):\n"
        "    return {'sin': np.sin, 'sum': sum, 'dict': collections.OrderedDict}[name]",
        "assert abs(choose('sin')(np.pi / 2) - 1) < 1e-12 and choose('sum')([1, 2]) == 3\n"
        "assert choose('dict')([('a', 1)]) == {'a': 1}",
    ),
    "namedtuples": Exercise(
        "from collections import namedtuple\nPoint = namedtuple('Point', 'x y')\ndef origin():\n    return Point(0, 1)",
        "p = origin()\nassert p == (0, 1) and p.y == 1 and isinstance(p, tuple)",
    ),
}

TORCH = "import numpy as np\nimport torch"
WORKS_WITH_TORCH = {
    "tensors": Exercise(
        "def twice(x):\n    return 2 * x",
        "y = twice(torch.arange(3, dtype=torch.bfloat16))\n"
        "assert torch.equal(y, 2 * torch.arange(3, dtype=torch.bfloat16))\n"
        "assert type(y) is torch.Tensor and not y.requires_grad",
        TORCH,
    ),
    "gradients": Exercise(
        "def energy(x, w):\n    return (w * x**2).sum(), w.detach()",
        "x, w = torch.tensor([1.0, 2.0], requires_grad=True), torch.tensor(3.0, requires_grad=True)\n"
        "(2 * energy(x, w)[0]).backward()\nassert x.grad.tolist() == [12.0, 24.0] and w.grad.item() == 10.0\n"
        "with torch.no_grad():\n    assert not energy(x, w)[0].requires_grad\n"
        "assert not energy(x, w)[1].requires_grad",
        TORCH,
    ),
    "modules": Exercise(
        "class Net(torch.nn.Module):\n    def __init__(self, n):\n        super().__init__()\n"
        "        self.first = torch.nn.Linear(n, 4)\n        self.second = torch.nn.Linear(4, 1)\n"
        "    def forward(self, x):\n        return self.second(torch.relu(self.first(x)))",
        "net = Net(3)\nassert isinstance(net, torch.nn.Module)\nassert net(torch.ones(5, 3)).shape == (5, 1)\n"
        "assert sum(p.numel() for p in net.parameters()) == 21\n"
        "assert set(net.state_dict()) == {'first.weight', 'first.bias', 'second.weight', 'second.bias'}\n"
        "state = {k: torch.zeros_like(v) for k, v in net.state_dict().items()}\nnet.load_state_dict(state)\n"
        "assert net(torch.ones(1, 3)).item() == 0.0\nassert net.first.weight.shape == (4, 3)\nnet.eval()\n"
        "assert not net.training\nnet(torch.ones(1, 3)).sum().backward()\n"
        "assert all(p.grad is not None for p in net.parameters())",
        TORCH,
    ),
}


@pytest.mark.parametrize("name", WORKS)
def test_what_honest_tests_do_works(name: str, engine: SplitEngine, tmp_path: Path) -> None:
    run = run_answer(engine, write_lesson(tmp_path, WORKS[name]), WORKS[name].reference)[-1]
    assert (run.state, reason(run)) == (CellState.COMPLETED, "")


@pytest.mark.slow
@pytest.mark.parametrize("name", WORKS_WITH_TORCH)
def test_what_honest_tests_do_with_torch_works(name: str, engine: SplitEngine, tmp_path: Path) -> None:
    exercise = WORKS_WITH_TORCH[name]
    run = run_answer(engine, write_lesson(tmp_path, exercise), exercise.reference)[-1]
    assert (run.state, reason(run)) == (CellState.COMPLETED, "")


@pytest.mark.parametrize("name", WORKS)
def test_a_stub_passes_no_test(name: str, engine: SplitEngine, tmp_path: Path) -> None:
    run = run_answer(engine, write_lesson(tmp_path, WORKS[name]), "def nothing():\n    pass")[-1]
    assert run.state is CellState.ERROR


DOUBLE = Exercise(
    "class Counter:\n    def __init__(self):\n        self.n = 0\n    def add(self):\n        self.n += 1\n"
    "    def __eq__(self, other):\n        return self.n == other.n\ndef double(x):\n    return 2 * x",
    "one, two = Counter(), Counter()\none.add(); two.add()\nassert one == two\nassert one.n == 1\n"
    "assert double(2) == 4\nassert abs(double(0.1) - 0.2) < 1e-12\n"
    "np.testing.assert_allclose(double(np.ones(3)), 2.0)",
)
HONEST_COUNTER = DOUBLE.reference.partition("def double")[0]
LIAR = (
    "class Liar{base}:\n    def __eq__(self, other): return True\n    def __ne__(self, other): return False\n"
    "    def __lt__(self, other): return True\n    def __abs__(self): return self\n"
    "    def __sub__(self, other): return self\n"
    "    def __rsub__(self, other): return self\n    def __bool__(self): return True\n    __hash__ = None\n"
    "    def __array__(self, *a, **k): return np.array(2.0)\n    def __array_function__(self, *a): return True\n"
)
PLEASES = {
    "an object": LIAR.format(base="") + "def double(x):\n    return Liar()",
    "a number": LIAR.format(base="(float)") + "def double(x):\n    return Liar(1.0)",
    "an array": LIAR.format(base="(np.ndarray)") + "def double(x):\n    return np.zeros(3).view(Liar)",
    "a class of the right name": LIAR.format(base="").replace("Liar", "Counter")
    + "    n = 1\n    def add(self): pass\ndef double(x):\n    return Counter()",
    "an attribute that is an object": HONEST_COUNTER.replace("self.n = 0", "self.n = Counter.__new__(Counter)")
    + "def double(x):\n    return 2 * x",
    "a function": HONEST_COUNTER + "def double(x):\n    return lambda *a: True",
    "a patched comparison": HONEST_COUNTER
    + "np.testing.assert_allclose = lambda *a, **k: None\nnp.allclose = lambda *a, **k: True\nimport builtins\n"
    "builtins.abs = lambda x: -1\ndef double(x):\n    return 4 if x == 2 else 0",
    "an exception class that is AssertionError": HONEST_COUNTER + "def double(x):\n    raise AssertionError('')",
}


@pytest.mark.parametrize("name", PLEASES)
def test_what_only_pleases_does_not_pass(name: str, engine: SplitEngine, tmp_path: Path) -> None:
    run = run_answer(engine, write_lesson(tmp_path, DOUBLE), PLEASES[name])[-1]
    assert run.state is CellState.ERROR, printed(run)


def test_an_answer_of_a_foreign_class_is_named(engine: SplitEngine, tmp_path: Path) -> None:
    run = run_answer(engine, write_lesson(tmp_path, DOUBLE), HONEST_COUNTER + PLEASES["an object"])[-1]
    assert "'Liar', which this exercise does not ask for: return plain numbers" in reason(run)


OTHER_WAYS = {
    "a callable object": (
        "def f(x):\n    return x",
        "class F:\n    def __call__(self, x):\n        return x\nf = F()",
        "assert f(3) == 3",
    ),
    "an iterator": (
        "def f():\n    yield from (1, 2)",
        "class f:\n    def __init__(self):\n        self.n = 0\n    def __iter__(self):\n        return self\n"
        "    def __next__(self):\n        self.n += 1\n        if self.n > 2:\n"
        "            raise StopIteration\n        return self.n",
        "assert list(f()) == [1, 2] and next(f()) == 1",
    ),
    "a library's function": ("def f(x):\n    return x**0.5", "import math\nf = math.sqrt", "assert f(9.0) == 3"),
    "a dataclass": (
        "class Point:\n    def __init__(self, x):\n        self.x = x\n        self.steps = 0\n"
        "    def move(self):\n        self.steps += 1",
        "from dataclasses import dataclass\n@dataclass\nclass Base:\n    x: int\n"
        "    def __post_init__(self):\n        self.steps = 0\n"
        "class Point(Base):\n    def move(self):\n        self.steps += 1",
        "p = Point(3)\np.move()\nassert (p.x, p.steps) == (3, 1)",
    ),
}


@pytest.mark.parametrize("name", OTHER_WAYS)
def test_an_honest_answer_may_be_built_otherwise(name: str, engine: SplitEngine, tmp_path: Path) -> None:
    reference, answer, test = OTHER_WAYS[name]
    run = run_answer(engine, write_lesson(tmp_path, Exercise(reference, test)), answer)[-1]
    assert (run.state, reason(run)) == (CellState.COMPLETED, "")


@pytest.mark.parametrize("reference", ["def f(x):\n    return x", "def f(x):\n    ..."], ids=("solved", "stub only"))
def test_what_a_given_cell_imports_with_a_star_is_no_answers_to_bind(
    reference: str, engine: SplitEngine, tmp_path: Path
) -> None:
    star = Exercise(reference, "assert_equal(f(1), 1)\nassert_equal(f(2), 2)", "from numpy.testing import *")
    lesson = write_lesson(tmp_path, star)
    assert run_answer(engine, lesson, "def f(x):\n    return x")[-1].state is CellState.COMPLETED
    shadows = "assert_equal = lambda *a: None\ndef f(x):\n    return 5"
    assert run_answer(engine, lesson, shadows)[-1].state is CellState.ERROR


def test_an_answer_cannot_end_a_tests_own_loops(engine: SplitEngine, tmp_path: Path) -> None:
    loops = Exercise("def f(x):\n    return x", "assert all(map(lambda x: f(x) == x, [1, 2, 3]))")
    run = run_answer(engine, write_lesson(tmp_path, loops), "def f(x):\n    raise StopIteration")[-1]
    assert "StopIteration outside" in reason(run)


SIMPLE = Exercise("def f(x):\n    return x", "assert f(1) == 1\nprint('first')\nassert f(2) == 2")


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        ("def f(x):\n    while True: pass", CellState.TIMED_OUT),
        ("def f(x):\n    import os; os._exit(0)", CellState.CRASHED),
        ("def f(x):\n    import ctypes; ctypes.string_at(0)", CellState.CRASHED),
        ("def f(x):\n    import sys; sys.exit(0)", CellState.ERROR),
        ("def f(x):\n    return f(x)", CellState.ERROR),
        ("def f(x):\n    raise KeyboardInterrupt", CellState.ERROR),
        ("def f(x):\n    return bytearray(2 * 2**30)", CellState.ERROR),
    ],
    ids=["endless", "exit", "fault", "sys.exit", "recursion", "interrupt", "memory"],
)
def test_every_end_has_its_state(answer: str, state: CellState, engine: SplitEngine, tmp_path: Path) -> None:
    limits = Limits(cell_seconds=1.5, total_seconds=30, memory_bytes=2**30)
    runs = run_answer(engine, write_lesson(tmp_path, SIMPLE), answer, limits)
    assert (runs[-1].state, printed(runs[-1])) == (state, "")


@pytest.mark.parametrize(
    "tells",
    [
        "def triple(x):\n    raise ValueError(str(seen))",
        "raise ValueError(str(seen))",
        "def triple(x):\n    return seen",
    ],
    ids=["a failing call", "a failing cell", "a wrong value"],
)
def test_hidden_inputs_do_not_come_home_in_the_message_of_a_later_exercise(
    tells: str, engine: SplitEngine, tmp_path: Path
) -> None:
    lesson = write_course(tmp_path).lessons[0]
    answers = {"double": "seen = []\ndef double(x):\n    seen.append(x)\n    return 2 * x", "triple": tells}
    made = rebuild(lesson, [StudentCell("code", text, key) for key, text in answers.items()])
    runs = engine.run(Job(made, tmp_path, LIMITS, lesson, "ada"))
    outcomes = {one.exercise: one for one in judge(lesson.exercises, made, runs, LIMITS)}
    assert outcomes["test_double"].points == 3
    assert outcomes["test_triple"].points == 0
    told = [outcomes["test_triple"].message, *(str(run.outputs) for run in runs)]
    assert not any("1234567" in text for text in told), told


def test_a_test_that_never_ends_by_itself_is_stopped(engine: SplitEngine, tmp_path: Path) -> None:
    waits = Exercise("def done():\n    return True", "while not done():\n    pass")
    lesson = write_lesson(tmp_path, waits)
    run = run_answer(engine, lesson, "def done():\n    return False", Limits(cell_seconds=1, total_seconds=20))[-1]
    assert run.state is CellState.TIMED_OUT


def test_the_cells_after_a_crash_are_still_run(engine: SplitEngine, tmp_path: Path) -> None:
    lesson = write_lesson(tmp_path, SIMPLE)
    runs = run_answer(engine, lesson, "def f(x):\n    return x\nimport os\nos._exit(3)")
    assert [run.state for run in runs] == [CellState.COMPLETED, CellState.CRASHED, CellState.ERROR]
    assert reason(runs[-1]) == "NameError: name 'f' is not defined"


PATCHES = Exercise(
    "import math\ndef f(x):\n    return math.sqrt(x)", "import math\nmath.sqrt = lambda x: 2\nassert f(9) == 2"
)


def test_a_test_that_cannot_be_split_is_refused_by_name(engine: SplitEngine, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"(?s)in two processes.*test_answer: Assert.*--engine shared"):
        run_answer(engine, write_lesson(tmp_path, PATCHES), PATCHES.reference)


def test_what_a_test_expects_stays_there_whatever_it_is_called(engine: SplitEngine, tmp_path: Path) -> None:
    named_alike = Exercise("y = 0\ndef f(x):\n    return x + 1", "y = 41 + 1\nassert f(41) == y")
    run = run_answer(engine, write_lesson(tmp_path, named_alike), "y = 0\ndef f(x):\n    return y")[-1]
    assert reason(run) == "AssertionError: "


def test_a_value_that_cannot_cross_is_named(engine: SplitEngine, tmp_path: Path) -> None:
    opens = Exercise("def read(file):\n    return file.read()", "import io\nassert read(io.StringIO('a')) == 'a'")
    with pytest.raises(EngineError, match="StringIO"):
        run_answer(engine, write_lesson(tmp_path, opens), opens.reference)


def test_the_shared_engine_runs_what_cannot_be_split_and_says_that_it_can_be_forged(tmp_path: Path) -> None:
    shared = SplitEngine(shared=True)
    try:
        assert run_answer(shared, write_lesson(tmp_path, PATCHES), PATCHES.reference)[-1].state is CellState.COMPLETED
    finally:
        shared.close()
    assert "can be forged" in shared.warnings[0]


def test_a_server_that_was_killed_costs_one_submission(tmp_path: Path) -> None:
    lesson = write_lesson(tmp_path, SIMPLE)
    engine = SplitEngine()
    try:
        assert run_answer(engine, lesson, SIMPLE.reference)[-1].state is CellState.COMPLETED
        for name in ("student", "trusted"):
            getattr(engine, f"_{name}_server")._process.kill()
            time.sleep(0.2)
            with pytest.raises(EngineError, match="server"):
                run_answer(engine, lesson, SIMPLE.reference)
            assert run_answer(engine, lesson, SIMPLE.reference)[-1].state is CellState.COMPLETED
    finally:
        engine.close()


def test_without_a_sandbox_it_works_and_says_so(tmp_path: Path) -> None:
    unconfined = SplitEngine(sandboxed=False)
    try:
        runs = run_answer(unconfined, write_lesson(tmp_path, SIMPLE), SIMPLE.reference)
    finally:
        unconfined.close()
    assert runs[-1].state is CellState.COMPLETED
    assert "without a sandbox" in unconfined.warnings[0]


def test_hidden_tests_and_secrets_are_not_in_the_students_process(tmp_path: Path) -> None:
    secret = "5ec7e7" * 8
    engine = SplitEngine(secret=secret)
    searches = (
        "import gc, os, sys\nfound = []\n"
        "def f(x):\n"
        "    words = [w[::-1] for w in ('yranac_neddih', '7e7ce57e7ce5')]\n"
        "    frame = sys._getframe(1)\n    texts = [repr(os.environ), open('/proc/self/environ').read()]\n"
        "    while frame:\n        texts.append(repr(frame.f_globals)[:10**6] + repr(frame.f_locals)[:10**6])\n"
        "        frame = frame.f_back\n"
        "    texts += [o for o in gc.get_objects() if isinstance(o, str)]\n"
        "    texts += [repr(o)[:10**5] for o in gc.get_objects() if isinstance(o, dict)]\n"
        "    return x if not any(w in t for w in words for t in texts) else 'FOUND'"
    )
    exercise = Exercise("def f(x):\n    return x", "hidden_canary = 1\nassert f(1) == 1, f(1)")
    try:
        run = run_answer(engine, write_lesson(tmp_path, exercise), searches, LIMITS)[-1]
    finally:
        engine.close()
    assert (run.state, reason(run)) == (CellState.COMPLETED, "")


def test_every_order_of_submissions_gives_the_same(engine: SplitEngine, tmp_path: Path) -> None:
    def outputs(answer: str) -> list[tuple[CellState, str]]:
        runs: list[CellRun] = run_answer(engine, lesson, answer)
        return [(run.state, str(run.outputs)) for run in runs]

    random = Exercise(
        "import random\ndef f():\n    return random.random() + np.random.rand()", "print(f())\nassert f() < 2"
    )
    lesson = write_lesson(tmp_path, random)
    polluting = "import random\nrandom.seed(5)\nnp.random.seed(5)\nnp.pi = 3\ndef f():\n    return np.pi"
    first = outputs(random.reference)
    outputs(polluting)
    assert outputs(random.reference) == first
