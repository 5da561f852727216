"""Reading answers for forbidden calls: every way round is found, honest work is left alone, nothing is run."""

from __future__ import annotations

import importlib.util
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from fixture_project import REPOSITORY

from autograder.forbidden import CUSTOMARY_NAMES, ForbiddenUse, find_forbidden, refusal_message
from autograder.source import read_lesson
from course_lib.check import CheckFailed, calls

FORBID = ["np.convolve", "scipy.signal", "numpy.fft", "course_lib.validation"]
GIVEN = "import numpy as np\nimport scipy\nfrom course_lib import check"

USES = {
    "customary name": "def f(x, h):\n    return np.convolve(x, h)",
    "import as": "import numpy as xyz\ndef f(x, h):\n    return xyz.convolve(x, h)",
    "from import as": "from numpy import convolve as slide\ndef f(x, h):\n    return slide(x, h)",
    "submodule as": "import scipy.signal as s\ndef f(x, h):\n    return s.fftconvolve(x, h)",
    "submodule": "import scipy.signal\ndef f(x, h):\n    return scipy.signal.fftconvolve(x, h)",
    "module from package": "from scipy import signal\ndef f(x, h):\n    return signal.fftconvolve(x, h)",
    "star of a package": "from scipy import *\ndef f(x, h):\n    return signal.convolve(x, h)",
    "star of a module": "from scipy.signal import *\ndef f(x, h):\n    return fftconvolve(x, h)",
    "star of numpy": "from numpy import *\ndef f(x, h):\n    return convolve(x, h)",
    "global alias": "slide = np.convolve\ndef f(x, h):\n    return slide(x, h)",
    "chain of aliases": "a = np\nb = a\nc = b.convolve\ndef f(x, h):\n    return c(x, h)",
    "tuple": "def f(x, h):\n    m, n = np, 1\n    return m.convolve(x, h)",
    "name of its own": "np = np\ndef f(x, h):\n    return np.convolve(x, h)",
    "step by step": "m = scipy\nm = m.signal\ndef f(x, h):\n    return m.convolve(x, h)",
    "step by step inside": "def f(x, h):\n    m = np\n    m = m._core\n    m = m.numeric\n    return m.convolve(x, h)",
    "loop over modules": "def f(x, h):\n    for m in (np, scipy):\n        return m.convolve(x, h)",
    "default": "def f(x, h, m=np):\n    return m.convolve(x, h)",
    "local import": "def f(x, h):\n    import numpy as n\n    return n.convolve(x, h)",
    "one of two": "def f(x, h):\n    m = np if len(x) else None\n    return m.convolve(x, h)",
    "walrus": "def f(x, h):\n    return (m := np).convolve(x, h)",
    "getattr": "def f(x, h):\n    return getattr(np, 'convolve')(x, h)",
    "getattr of a sum": "def f(x, h):\n    return getattr(np, 'con' + 'volve')(x, h)",
    "getattr of a name": "name = 'convolve'\ndef f(x, h):\n    return getattr(np, name)(x, h)",
    "getattr of f-string": "def f(x, h):\n    return getattr(np, f'con{\"volve\"}')(x, h)",
    "getattr of join": "def f(x, h):\n    return getattr(np, ''.join(['con', 'volve']))(x, h)",
    "alias of getattr": "g = getattr\ndef f(x, h):\n    return g(np, 'convolve')(x, h)",
    "dunder import": "def f(x, h):\n    return __import__('numpy').convolve(x, h)",
    "dunder import of a submodule": "def f(x, h):\n    return __import__('scipy.signal').signal.convolve(x, h)",
    "import_module": "import importlib\ndef f(x, h):\n    return importlib.import_module('numpy').convolve(x, h)",
    "from importlib": "from importlib import import_module as i\ndef f(x, h):\n"
    "    return i('scipy.signal').convolve(x, h)",
    "sys.modules": "import sys\ndef f(x, h):\n    return sys.modules['numpy'].convolve(x, h)",
    "sys.modules.get": "from sys import modules\ndef f(x, h):\n    return modules.get('numpy').convolve(x, h)",
    "__dict__": "def f(x, h):\n    return np.__dict__['convolve'](x, h)",
    "__getattribute__": "def f(x, h):\n    return np.__getattribute__('convolve')(x, h)",
    "attrgetter": "import operator\ndef f(x, h):\n    return operator.attrgetter('convolve')(np)(x, h)",
    "resolve_name": "import pkgutil\ndef f(x, h):\n    return pkgutil.resolve_name('numpy:convolve')(x, h)",
    "private module": "def f(x, h):\n    return np._core.numeric.convolve(x, h)",
    "through a library": "from course_lib import stft\ndef f(x, h):\n    return stft.np.convolve(x, h)",
    "the thing itself": "f = np.convolve",
    "partial": "import functools\nf = functools.partial(np.convolve, mode='full')",
    "lambda": "f = lambda x, h: np.convolve(x, h)",
    "nested": "def f(x, h):\n    def g():\n        return np.convolve(x, h)\n    return g()",
    "nonlocal": "def f(x, h):\n    m = None\n    def g():\n        nonlocal m\n        m = np\n    g()\n"
    "    return m.convolve(x, h)",
    "global set by a function": "def g():\n    global m\n    m = np\ng()\ndef f(x, h):\n    return m.convolve(x, h)",
    "helper": "def g(x, h):\n    return np.convolve(x, h)\ndef f(x, h):\n    return g(x, h)",
    "list of helpers": "tools = []\ntools.append(np.convolve)\ndef f(x, h):\n    return tools[0](x, h)",
    "dictionary": "tools = {}\ntools['c'] = np.convolve\ndef f(x, h):\n    return tools['c'](x, h)",
    "decorator": "@np.convolve\ndef f(x, h):\n    return 0",
    "class": "class f:\n    def push(self, x):\n        return np.convolve(x, x)",
    "base class": "import scipy.signal\nclass f(scipy.signal.dlti):\n    pass",
    "class attribute": "class T:\n    c = np.convolve\ndef f(x, h):\n    return T.c(x, h)",
    "after the definition": "def f(x, h):\n    return 0\nf = np.convolve",
    "under if": "if True:\n    c = np.convolve\ndef f(x, h):\n    return c(x, h)",
    "comprehension": "def f(x, h):\n    return [np.convolve(a, h) for a in x][0]",
    "match": "def f(x, h):\n    match x:\n        case _:\n            return np.convolve(x, h)",
    "async": "async def f(x, h):\n    return np.convolve(x, h)",
    "eval": "def f(x, h):\n    return eval('np.conv' + 'olve')(x, h)",
    "alias of exec": "run = exec\ndef f(x, h):\n    run('y = 1')",
    "builtins": "import builtins\ndef f(x, h):\n    return builtins.eval('1')",
    "dunder builtins": "def f(x, h):\n    return __builtins__['eval']('1')",
    "compile": "def f(x, h):\n    return compile('1', '', 'eval')",
    "globals": "def f(x, h):\n    return globals()['np']",
    "shell": "def f(x, h):\n    get_ipython().run_cell('import numpy')",
    "a library's globals": "from course_lib import stft\ndef f(x, h):\n"
    "    return stft.stft.__globals__['np'].convolve(x, h)",
    "frames": "import sys\ndef f(x, h):\n    return sys._getframe().f_back.f_globals['np']",
    "under a cell magic": "%%time\ndef f(x, h):\n    return np.convolve(x, h)",
    "beside magics": "%matplotlib inline\n!ls\ndef f(x, h):\n    %time y = np.convolve(x, h)\n    return y",
    "after a BOM": "\ufeffdef f(x, h):\r\n    return np.convolve(x, h)\r\n",
    "long chain": "def f(x, h):\n    return x" + ".real" * 3000,
}


def found(source: str, *others: str, names: Any = ("f",), given: str = GIVEN) -> list[ForbiddenUse]:
    other_cells = [(f"cell {place}", text) for place, text in enumerate(others)]
    return find_forbidden([("your answer", source)], other_cells, FORBID, [given], names=names)


@pytest.mark.parametrize("way", USES)
def test_a_forbidden_call_is_found(way: str) -> None:
    assert found(USES[way])
    assert found(USES[way], names=None)


HONEST = {
    "own loop": "def f(x, h):\n    y = np.zeros(3)\n    for n in range(3):\n        y[n] = x @ h\n    return y",
    "docstring and comment": "def f(x, h):\n    'As np.convolve does.'\n    return np.sum(x)  # not np.convolve",
    "text": "def f(x, h):\n    raise ValueError('use np.convolve')",
    "local name": "from numpy import convolve\ndef f(x, h):\n"
    "    convolve = lambda a: np.sum(a)\n    return convolve(x)",
    "argument": "from numpy import convolve\ndef f(x, convolve):\n    return x + convolve",
    "loop variable": "from numpy import convolve\ndef f(x):\n    return [convolve for convolve in x]",
    "method": "def f(x, h):\n    return x.convolve(h)",
    "own class": "class np:\n    convolve = 3\ndef f(x, h):\n    return np.convolve",
    "other function": "def f(x, h):\n    return np.correlate(x, h)",
    "longer name": "def f(x, h):\n    return np.convolve2(x, scipy.signals, np.fftshift)",
    "annotation": "from scipy import signal\ndef f(x: signal.StateSpace) -> signal.StateSpace:\n"
    "    y: signal.StateSpace = x\n    return y",
    "unused import": "from scipy import signal\nimport scipy.signal\nfrom numpy import convolve\n"
    "def f(x, h):\n    return 0",
    "star of a package": "from numpy import *\ndef f(x, h):\n    return len(zeros(3)) + sum(x)",
    "allowed module": "from course_lib import constants\ndef f(x, h):\n    return constants.SAMPLE_RATE_HZ",
    "eval of a model": "import re\ndef f(x, h):\n    x.eval()\n    return re.compile('a')",
    "own eval": "def eval(x):\n    return x\ndef f(x, h):\n    return eval(x)",
    "recursion": "def f(x, h):\n    return f(x, h)",
    "alias of itself": "a = b = None\na = b\nb = a\ndef f(x, h):\n    return a.convolve + b",
    "many branches": "def f(x):\n    if x == 0:\n        return 0\n"
    + "".join(f"    elif x == {n}:\n        return {n}\n" for n in range(1, 300)),
    "long sum": "def f(x):\n    return " + " + ".join(["x"] * 800),
    "shell": "!ls\nfiles = !ls\n%timeit f(1)\nf?\ndef f(x, h):\n    return 0",
}


@pytest.mark.parametrize("answer", HONEST)
def test_honest_answers_are_left_alone(answer: str) -> None:
    assert found(HONEST[answer]) == []


def test_trials_below_a_function_are_nobodys_business() -> None:
    answer = (
        "def f(x, h):\n    return 0\nx = [1.0]\nprint(f(x, x), np.convolve(x, x))\n"
        "expected = np.convolve(x, x)\nnp.testing.assert_allclose(expected, np.fft.ifft(x))"
    )
    assert found(answer) == []
    assert found(answer.replace("return 0", "return expected"))[0].line == 5


def test_other_cells_count_only_where_the_answer_reaches_them() -> None:
    helper = "def helper(x, h):\n    return np.convolve(x, h)"
    uses = found("def f(x, h):\n    return helper(x, h)", helper)
    assert [(use.cell, use.line, use.written, use.forbidden) for use in uses] == [
        ("cell 0", 2, "np.convolve", "np.convolve")
    ]
    assert found("def f(x, h):\n    return 0", helper) == []
    own = "def helper(x, h):\n    return 0\ndef f(x, h):\n    return helper(x, h)"
    assert found(own, helper) == [], "the answer's own helper is the one that runs"
    maybe = "if False:\n    def helper(x, h):\n        return 0\ndef f(x, h):\n    return helper(x, h)"
    assert found(maybe, helper)
    assert found("def f(x, h):\n    return c(x, h)", "c = s.convolve", "import scipy.signal as s")
    local = "def other(x):\n    frames = []\n    frames.append(np.fft.fft(x))"
    assert found("def f(x, h):\n    return frames", local) == []


def test_given_cells_are_not_searched_but_say_what_names_are() -> None:
    given = "import numpy as number\nconv = number.convolve\ndef room(x):\n    return number.convolve(x, x)"
    assert found("def f(x, h):\n    return room(x)", given=given) == []
    assert found("def f(x, h):\n    return conv(x, h)", given=given)
    assert found("def f(x, h):\n    return number.convolve(x, h)", given=given)


def test_nothing_is_run_or_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "trap.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(str(tmp_path))
    source = "import trap\nraise SystemExit\nfrom trap import *\ndef f(x):\n    return __import__('trap').convolve(x)"
    assert found(source) == []
    assert "trap" not in sys.modules


@pytest.mark.parametrize("source", ["def f(:", "return return", "x = '\0'", "\ud800", "", "%%bash\nls -l | wc"])
def test_what_is_no_python_has_no_findings(source: str) -> None:
    assert found(source) == []


@pytest.mark.parametrize(
    "source",
    [
        "def f(x):\n    return " + "(" * 150 + "x" + ")" * 150,
        "def f(x):\n    return " + "-" * 50_000 + "x",
        "def f(x):\n    return " + "x." * 20_000 + "y",
        "def f(x):\n    return " + "x + " * 20_000 + "y",
        "def f(x):\n    return " + "[" * 90_000,
        "\n".join(" " * n + "if 1:" for n in range(90)),
        "a0 = np\n"
        + "\n".join(f"a{n + 1} = a{n}" for n in range(4000))
        + "\ndef f(x):\n    return a4000.convolve(x, x)",
        "m = np\n" + "m = m.a or m.b or m.c\n" * 3000 + "def f(x):\n    return m.convolve(x, x)",
        "def f(x):\n    return " + "getattr(np, " * 80 + "'a'" + ", 'b')" * 80,
        "def f(x):\n" + "    x = np.abs(x)\n" * 4000,
        "x" * 250_000,
        "%time x\n" * 10_000,
    ],
    ids=lambda source: source[:30],
)
def test_hostile_sources_end_soon_and_raise_nothing(source: str) -> None:
    started = time.process_time()
    found(source)
    found("def f(x):\n    return g(x)", source)
    assert time.process_time() - started < 10


def test_code_too_long_or_deep_to_read_is_refused_and_says_so() -> None:
    assert "too long or too deep" in found("x = 1\n" * 50_000)[0].forbidden
    chain = "a0 = np\n" + "\n".join(f"a{n + 1} = a{n}" for n in range(200)) + "\ndef f(x):\n    return a200(x)"
    assert "too deeply" in found(chain)[0].forbidden


def test_findings_are_few_and_in_order() -> None:
    answer = "def f(x, h):\n" + "    y = np.convolve(x, h)\n" * 100
    uses = found(answer)
    assert [use.line for use in uses] == list(range(2, 22))
    assert len(found(f"def f(x, h):\n    return np.convolve({'x' * 500}, h)")[0].written) <= 60


def test_the_message_is_the_one_of_the_visible_check(tmp_path: Path) -> None:
    """What a learner sees beforehand and what the grader says afterwards must be one sentence."""
    source = "import numpy as q\ndef f(x, h):\n    return q.convolve(x, h)"
    path = tmp_path / "one_lesson.py"
    path.write_text(source)
    spec = importlib.util.spec_from_file_location("one_lesson", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with pytest.raises(CheckFailed) as caught:
        calls.forbids(module.f, FORBID)
    message = refusal_message(found(source)[0])
    assert message.split("\n")[1:] == str(caught.value).split("\n")[1:]
    assert message.startswith("your answer uses `q.convolve`, that is np.convolve, (line 3 of your answer)\n")
    assert "eval, which hides what it calls" in refusal_message(found(USES["eval"])[0])


def test_an_entry_means_what_it_means_to_the_visible_check() -> None:
    assert CUSTOMARY_NAMES == calls._CUSTOMARY_NAMES
    from autograder.forbidden import HIDING

    assert {thing.__name__ for thing in calls._HIDING} == HIDING


def test_the_lessons_own_solutions_use_nothing_forbidden() -> None:
    for path in sorted((REPOSITORY / "solutions").glob("[0-9]*.py")):
        lesson = read_lesson(path)
        given = [cell.source for cell in lesson.cells if cell.is_code and not cell.key]
        for exercise in lesson.exercises:
            others = [(other.key, other.answer) for other in lesson.exercises if other.key != exercise.key]
            uses = find_forbidden([(exercise.key, exercise.answer)], others, exercise.forbid, given)
            assert uses == [], exercise.key
