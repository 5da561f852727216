"""The guard of the student's process: forbidden calls are refused at run time, everything else works as before."""

from __future__ import annotations

import copy
import functools
import inspect
import linecache
import sys
import timeit
from collections.abc import Iterator
from types import FrameType, ModuleType
from typing import Any

import numpy as np
import pytest
from fixture_project import REPOSITORY

from autograder.cells import plain_python
from autograder.source import read_lesson
from autograder.split.guard import ForbiddenCallError, Guard, GuardedModule, install

FORBIDDEN = {
    "by_hand": ["np.convolve", "scipy.signal", "np.fft", "course_lib.convolution", "np.ndarray"],
    "by_fft": ["np.convolve"],
    "free": [],
}
GIVEN = "import numpy as np\nimport scipy\nimport functools\nfrom course_lib import stft, convolution\n"


class Notebook:
    """Runs cells as a student's process does: one namespace, a file name a cell, the guard installed."""

    def __init__(self, forbidden: dict[str, list[str]], given: str = GIVEN) -> None:
        self.names: dict[str, Any] = {"__name__": "__main__"}
        self.exercises: dict[str, str] = {}
        self.active: str | None = None
        self.guard = install(forbidden, self.exercise_of_frame, lambda: self.active)
        self.run(given, None)

    def exercise_of_frame(self, frame: FrameType) -> str | None:
        return self.exercises.get(frame.f_code.co_filename)

    def run(self, source: str, exercise: str | None = "") -> None:
        file_name = f"<cell {len(linecache.cache)} {id(self)} {len(self.exercises)} {hash(source)}>"
        if exercise is not None:
            self.exercises[file_name] = exercise
        self.active = exercise
        exec(compile(source, file_name, "exec"), self.names)

    def call(self, exercise: str, *args: Any) -> Any:
        self.active = exercise
        return self.names["f"](*args)


@pytest.fixture
def notebook() -> Iterator[Notebook]:
    made = Notebook(FORBIDDEN)
    yield made
    made.guard.remove()


X, H = np.array([1.0, 2.0, 3.0]), np.array([1.0, 0.0, -1.0])

WAYS = {
    "plain": "def f(x, h):\n    return np.convolve(x, h)",
    "alias": "slide = np.convolve\ndef f(x, h):\n    return slide(x, h)",
    "from import": "from numpy import convolve as c\ndef f(x, h):\n    return c(x, h)",
    "local import": "def f(x, h):\n    import numpy\n    return numpy.convolve(x, h)",
    "local from import": "def f(x, h):\n    from numpy import convolve\n    return convolve(x, h)",
    "star": "from numpy import *\ndef f(x, h):\n    return convolve(x, h)",
    "getattr of a sum": "def f(x, h):\n    return getattr(np, 'con' + 'volve')(x, h)",
    "getattr unreadable": "def f(x, h):\n    return getattr(np, 'evlovnoc'[::-1])(x, h)",
    "import_module": "import importlib\ndef f(x, h):\n    return importlib.import_module('numpy').convolve(x, h)",
    "dunder import": "def f(x, h):\n    return __import__('numpy').convolve(x, h)",
    "sys.modules": "import sys\ndef f(x, h):\n    return sys.modules['numpy'].convolve(x, h)",
    "partial": "import functools\nf = functools.partial(np.convolve, mode='full')",
    "the thing itself": "f = np.convolve",
    "partial inside": "def f(x, h):\n    return functools.partial(np.convolve, x)(h)",
    "attrgetter": "import operator\ndef f(x, h):\n    return operator.attrgetter('convolve')(np)(x, h)",
    "reduce": "def f(x, h):\n    return functools.reduce(getattr, ['convolve'], np)(x, h)",
    "map": "def f(x, h):\n    return list(map(np.convolve, [x], [h]))[0]",
    "map at the top": "m = functools.partial(map, np.convolve)\ndef f(x, h):\n    return list(m([x], [h]))[0]",
    "vars": "def f(x, h):\n    return vars(np)['convolve'](x, h)",
    "__dict__": "def f(x, h):\n    return np.__dict__['convolve'](x, h)",
    "__getattribute__": "def f(x, h):\n    return np.__getattribute__('convolve')(x, h)",
    "object's own": "def f(x, h):\n    return object.__getattribute__(np, 'convolve')(x, h)",
    "getmembers": "import inspect\ndef f(x, h):\n    return dict(inspect.getmembers(np))['convolve'](x, h)",
    "resolve_name": "import pkgutil\ndef f(x, h):\n    return pkgutil.resolve_name('numpy:convolve')(x, h)",
    "private module": "def f(x, h):\n    return np._core.numeric.convolve(x, h)",
    "private import": "def f(x, h):\n    from numpy._core.numeric import convolve\n    return convolve(x, h)",
    "through a library": "def f(x, h):\n    return stft.np.convolve(x, h)",
    "the library's twin": "def f(x, h):\n    return convolution.convolve_fft(x, h)",
    "late import": "def f(x, h):\n    import scipy.signal\n    return scipy.signal.convolve(x, h)",
    "late from import": "def f(x, h):\n    from scipy.signal import fftconvolve\n    return fftconvolve(x, h)",
    "late private": "def f(x, h):\n    from scipy.signal._signaltools import convolve\n    return convolve(x, h)",
    "a submodule": "def f(x, h):\n    return np.fft.irfft(np.fft.rfft(x, 5) * np.fft.rfft(h, 5), 5)",
    "a class": "def f(x, h):\n    return np.ndarray(3)",
    "a class kept": "def f(x, h):\n    return kept(3)\nkept = np.ndarray",
    "lambda": "f = lambda x, h: np.convolve(x, h)",
    "comprehension": "def f(x, h):\n    return [np.convolve(a, h) for a in [x]][0]",
    "generator": "def f(x, h):\n    return next(np.convolve(a, h) for a in [x])",
    "exec": "def f(x, h):\n    out = {'np': np}\n    exec('y = np.convolve(x, h)', out, {'x': x, 'h': h})",
    "exec in own names": "def f(x, h):\n    exec('global y; y = np.convolve([1.0], [2.0])', globals())",
    "helper": "def g(x, h):\n    return np.convolve(x, h)\ndef f(x, h):\n    return g(x, h)",
    "thread": "import threading\ndef f(x, h):\n    out = []\n    def g():\n        try:\n"
    "            out.append(np.convolve(x, h))\n        except Exception as error:\n            out.append(error)\n"
    "    t = threading.Thread(target=g)\n    t.start()\n    t.join()\n"
    "    if isinstance(out[0], Exception):\n        raise out[0]\n    return out[0]",
    "wrapped": "kept = np.convolve\ndef f(x, h):\n    return kept.__wrapped__(x, h)",
    "vectorized": "v = np.vectorize(np.convolve, signature='(n),(m)->(k)')\ndef f(x, h):\n    return v(x, h)",
    "apply_along_axis": "def f(x, h):\n    return np.apply_along_axis(kept, 0, x, h)\nkept = np.convolve",
    "except": "def f(x, h):\n    try:\n        return np.convolve(x, h)\n    except (ImportError, AttributeError):\n"
    "        return np.correlate(x, h)",
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("way", WAYS)
def test_a_forbidden_call_is_refused(notebook: Notebook, way: str) -> None:
    with pytest.raises((ForbiddenCallError, AttributeError, KeyError)) as caught:  # noqa: PT012
        notebook.run(WAYS[way], "by_hand")
        notebook.call("by_hand", X, H)
    if isinstance(caught.value, ForbiddenCallError):
        assert "this exercise forbids" in str(caught.value)
        assert "to build it yourself" in str(caught.value)
    else:
        assert way in ("object's own", "vars", "__dict__", "getmembers"), "there, the name is left out"


@pytest.mark.parametrize("way", ["plain", "alias", "from import", "late import", "a submodule", "a class", "vars"])
def test_the_same_code_is_allowed_where_nothing_forbids_it(notebook: Notebook, way: str) -> None:
    notebook.run(WAYS[way], "free")
    result = notebook.call("free", X, H)
    assert way == "a class" or np.allclose(result, np.convolve(X, H))


@pytest.mark.parametrize("kept_in", ["", "free", "by_fft"])
def test_what_an_earlier_cell_kept_is_refused_when_it_is_used(notebook: Notebook, kept_in: str) -> None:
    notebook.run("kept = np.fft.rfft\nparts = [functools.partial(np.fft.rfft)]", kept_in)
    notebook.run("def f(x):\n    return kept(x)", "by_hand")
    with pytest.raises(ForbiddenCallError):
        notebook.call("by_hand", X)
    notebook.run("f = parts[0]", "by_hand")
    with pytest.raises(ForbiddenCallError):
        notebook.call("by_hand", X)
    assert np.allclose(notebook.call("by_fft", X), np.fft.rfft(X))


def test_given_names_are_guarded_and_given_functions_are_not(notebook: Notebook) -> None:
    notebook.run("from numpy import convolve\ndef room(x, h):\n    return np.convolve(x, h)", None)
    notebook.run("def f(x, h):\n    return room(x, h)", "by_hand")
    assert np.allclose(notebook.call("by_hand", X, H), np.convolve(X, H))
    notebook.run("def f(x, h):\n    return convolve(x, h)", "by_hand")
    with pytest.raises(ForbiddenCallError):
        notebook.call("by_hand", X, H)


def test_extra_cells_follow_the_exercise_being_tested(notebook: Notebook) -> None:
    notebook.run("def f(x, h):\n    return np.convolve(x, h)", "")
    assert np.allclose(notebook.call("free", X, H), np.convolve(X, H))
    with pytest.raises(ForbiddenCallError):
        notebook.call("by_hand", X, H)


def test_trials_at_the_top_of_a_cell_are_the_learners_own_affair(notebook: Notebook) -> None:
    """The visible check lets them pass, and what passes there must not cost a mark here."""
    notebook.run(
        "from scipy import signal\nimport scipy.signal\nfrom numpy import convolve\n"
        "def f(x, h):\n    return x\nnp.testing.assert_allclose(np.convolve([1.0], [2.0]), [2.0])",
        "by_hand",
    )
    assert notebook.call("by_hand", X, H) is X


def test_libraries_go_on_as_before(notebook: Notebook) -> None:
    notebook.run("def f(x):\n    return stft.istft(stft.stft(x), n_samples=len(x))", "by_hand")
    x = np.arange(4000.0)
    assert np.allclose(notebook.call("by_hand", x), x), "the library's own FFT is not the student's"
    notebook.run(
        "def f(x):\n    return np.mean(x), np.linalg.svd(np.eye(3))[1].sum(), np.median(x), x.std()", "by_hand"
    )
    assert notebook.call("by_hand", x)[0] == x.mean()


def test_types_stay_types(notebook: Notebook) -> None:
    notebook.run(
        "class Signal(np.ndarray):\n    pass\n"
        "def f(x) -> np.ndarray:\n    return isinstance(x, np.ndarray), isinstance(np, type(functools)), "
        "issubclass(Signal, np.ndarray)",
        "free",
    )
    assert notebook.call("free", X) == (True, True, True)


def test_stand_ins_behave_like_what_they_stand_for(notebook: Notebook) -> None:
    notebook.run("kept = np.convolve", "free")
    kept, module = notebook.names["kept"], notebook.names["np"]
    assert kept.__name__ == "convolve"
    assert "convolution" in kept.__doc__
    assert kept is copy.deepcopy(kept)
    assert isinstance(module, ModuleType)
    assert (repr(module), module.__name__) == (repr(np), "numpy")
    assert "convolve" in dir(module)
    assert inspect.ismodule(module)
    module.made_for_a_test = 1
    assert np.made_for_a_test == 1  # type: ignore[attr-defined]
    del module.made_for_a_test
    assert not hasattr(np, "made_for_a_test")


def test_the_message_says_what_where_and_what_to_do(notebook: Notebook) -> None:
    notebook.run("def f(x, h):\n    x = x + 0\n    return np.convolve(x, h)", "by_hand")
    with pytest.raises(ForbiddenCallError) as caught:
        notebook.call("by_hand", X, H)
    assert str(caught.value).split("\n") == [
        "your code uses `np.convolve` (line 3 of its cell)",
        "  this exercise forbids np.convolve: the exercise is to build it yourself",
        "  what to do: replace that call by your own lines; the hints under the exercise show the way.",
    ]


def test_removed_without_a_trace() -> None:
    before = {name: module for name, module in sys.modules.items() if name.startswith(("numpy", "scipy"))}
    guard = install({"a": ["np.convolve", "scipy"]}, lambda _: None, lambda: None)
    assert type(sys.modules["numpy"]) is GuardedModule
    with pytest.raises(RuntimeError, match="guarded already"):
        install({}, lambda _: None, lambda: None)
    guard.remove()
    assert {name: sys.modules[name] for name in before} == before
    assert not any(type(finder).__name__ == "_Finder" for finder in sys.meta_path)


def test_an_allowed_attribute_costs_little(notebook: Notebook) -> None:
    notebook.run("def f(n):\n    for _ in range(n):\n        np.zeros", "by_hand")
    n = 20_000
    seconds = min(timeit.repeat(lambda: notebook.call("by_hand", n), number=1, repeat=5)) / n
    assert seconds < 3e-6, f"{seconds * 1e6:.2f} µs for one attribute"


def test_installing_costs_little() -> None:
    pytest.importorskip("torch")
    seconds = []
    for _ in range(3):
        started = timeit.default_timer()
        guard: Guard = install({"a": ["torch", "scipy.signal", "np.convolve"]}, lambda _: None, lambda: None)
        seconds.append(timeit.default_timer() - started)
        guard.remove()
    assert min(seconds) < 0.05


def given_cells(lesson: Any) -> str:
    return "\n".join(cell.source for cell in lesson.cells if cell.is_code and not cell.key and not cell.is_demo)


@pytest.mark.slow
def test_a_lessons_reference_answers_pass_under_the_guard() -> None:
    pytest.importorskip("torch")
    for path in sorted((REPOSITORY / "solutions").glob("[0-9]*.py")):
        lesson = read_lesson(path)
        forbidden = {exercise.key: list(exercise.forbid) for exercise in lesson.exercises}
        made = Notebook(forbidden, "")
        try:
            answers = {exercise.answer_index: exercise for exercise in lesson.exercises}
            tests = {exercise.test_index: exercise for exercise in lesson.exercises}
            for cell in lesson.cells:
                if cell.index in answers:
                    exercise = answers[cell.index]
                    made.run(plain_python(exercise.answer), exercise.key)
                elif cell.index in tests:
                    exercise = tests[cell.index]
                    lines = [line for line in exercise.test.split("\n") if not line.startswith("check.forbids")]
                    file_name = f"<test of {exercise.key}>"
                    made.active = exercise.key
                    exec(compile("\n".join(lines), file_name, "exec"), made.names)
                elif cell.is_code and not cell.is_demo:
                    made.run(plain_python(cell.source), None)
        finally:
            made.guard.remove()


def test_partial_is_the_real_one() -> None:
    """The ways above must reach the guard through C code, as a student's would."""
    assert not hasattr(functools.partial, "__code__")
