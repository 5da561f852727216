"""The checks: silent when right, and when wrong they name the cause; each kind of message is provoked once."""

from __future__ import annotations

import functools
import importlib.util
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import course_lib.check.calls as calls_module
from course_lib import check
from course_lib.check import CheckFailed

X = np.random.default_rng(1).standard_normal(200)
H = np.random.default_rng(2).standard_normal(33)
Y = np.convolve(X, H)
SPECTROGRAM = np.random.default_rng(3).standard_normal((2, 9, 40)) * np.exp(1j * np.arange(40))


def message_of(function: Callable[..., Any], *args: Any, **kwargs: Any) -> str:
    with pytest.raises(CheckFailed) as caught:
        function(*args, **kwargs)
    return str(caught.value)


def cause_of(actual: Any, expected: Any, **options: Any) -> str:
    with pytest.raises(CheckFailed) as caught:
        check.close(actual, expected, **options)
    return caught.value.cause or ""


# --- close: what passes ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("actual", "expected"),
    [
        (Y, Y),
        (Y * (1 + 1e-10), Y),
        (np.asfortranarray(SPECTROGRAM), SPECTROGRAM),
        (np.array([1, 2, 3]), np.array([1.0, 2.0, 3.0])),
        (Y.astype(np.float32), Y.astype(np.float32)),
        (np.float32(0.5), 0.5),
        (np.array(3.0), 3.0),
        ([1.0, 2.0], [1.0, 2.0]),
        (np.array([1.0, 2.0]), [1.0, 2.0]),
        (np.zeros(0), np.zeros(0)),
        (np.zeros(4), np.zeros(4)),
        (np.array([np.inf, 1.0, np.nan]), np.array([np.inf, 1.0, np.nan])),
        (True, True),
    ],
)
def test_right_answers_pass_in_silence(actual: Any, expected: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert check.close(actual, expected) is None
    assert capsys.readouterr() == ("", "")


def test_tolerance_is_relative_to_the_peak() -> None:
    check.close(1e9 * Y + 0.1, 1e9 * Y)
    check.close(np.array([1.0, 1e-10]), np.array([1.0, 0.0]))
    assert cause_of(np.array([1e-3 * 1.0001, 0.0, 0.0]), np.array([1e-3, 0.0, 0.0]))
    with pytest.raises(CheckFailed):
        check.close(np.array([1e-6, 0.0]), np.array([1e-6 * 1.001, 0.0]))


def test_float32_is_judged_by_its_own_precision_but_not_loosely() -> None:
    right = Y.astype(np.float32)
    check.close((right * np.float32(1 + 3e-7)).astype(np.float32), right, dtype=np.float32)
    with pytest.raises(CheckFailed):
        check.close((right * np.float32(1 + 1e-4)).astype(np.float32), right)


# --- close: type -----------------------------------------------------------------------------------------------------


def test_none_asks_for_return() -> None:
    assert "did you forget `return`" in cause_of(None, Y)
    assert "is None" in message_of(check.close, None, Y)


@pytest.mark.parametrize(
    ("actual", "sentence"),
    [
        (list(Y), "np.array(...)"),
        ((Y, H), "several results were returned"),
        (float(Y[0]), "single number"),
        (np.convolve, "parentheses"),
        ("0.5", "convert the result"),
        ({"y": Y}, "convert the result"),
        (np.array([None, 1.0]), "not all numbers"),
        (np.array(["a"]), "not all numbers"),
    ],
)
def test_wrong_types_are_named(actual: Any, sentence: str) -> None:
    assert sentence in cause_of(actual, Y)


def test_ragged_lists_are_named() -> None:
    assert "several results" in cause_of([[1.0, 2.0], [1.0]], [1.0, 2.0])


def test_tensors_and_arrays_are_told_apart() -> None:
    torch = pytest.importorskip("torch")
    tensor = torch.from_numpy(Y)
    check.close(tensor.clone().requires_grad_(), tensor)
    check.close(torch.tensor(0.5), 0.5)
    check.close(torch.view_as_complex(torch.ones(3, 2)).conj(), torch.complex(torch.ones(3), -torch.ones(3)))
    assert "tensor.numpy()" in cause_of(tensor, Y)
    assert "torch.Tensor" in cause_of(Y, tensor)

    class Agreeable(torch.Tensor):
        @classmethod
        def __torch_function__(cls, *_args: Any, **_kwargs: Any) -> Any:
            return tensor

    assert "class Agreeable" in message_of(check.close, torch.zeros(232).as_subclass(Agreeable), tensor)


class PleasingArray(np.ndarray):
    """An array that claims to agree with everything."""

    def __eq__(self, other: object) -> Any:
        return np.ones(self.shape, dtype=bool)

    def __sub__(self, other: object) -> Any:
        return np.zeros(self.shape)

    __rsub__ = __sub__

    def __abs__(self) -> Any:
        return np.zeros(self.shape)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return np.zeros(1)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return np.zeros(1)

    @property
    def shape(self) -> Any:
        return Y.shape


class PleasingNumber:
    """An object that claims to be an array and to agree with everything."""

    shape = Y.shape
    dtype = Y.dtype
    __class__ = np.ndarray

    def __eq__(self, other: object) -> bool:
        return True

    def __array__(self, *_args: Any, **_kwargs: Any) -> NDArray[Any]:
        return Y


def test_subclasses_cannot_please() -> None:
    for wrong in (np.zeros(Y.shape), np.zeros(3)):
        with pytest.raises(CheckFailed):
            check.close(wrong.view(PleasingArray), Y)
        with pytest.raises(CheckFailed):
            check.shape(np.zeros(3).view(PleasingArray), Y.shape)
    with pytest.raises(CheckFailed):
        check.close(PleasingNumber(), Y)
    with pytest.raises(CheckFailed):
        check.close(np.array([PleasingNumber()], dtype=object), [1.0])
    check.close(Y.copy().view(PleasingArray), Y)


# --- close: shape ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("actual", "expected", "sentence"),
    [
        (Y[:-1], Y, "off by one: the last sample is missing"),
        (Y[: len(X)], Y, "the last 32 samples are missing: did you keep the tail"),
        (np.fft.irfft(np.fft.rfft(X) * np.fft.rfft(H, 200), 200), Y, "circular wrap: the last 32 samples"),
        (Y[16:216], Y, "right from sample 16 on"),
        (np.r_[Y, np.zeros(24)], Y, "followed by 24 samples of zeros"),
        (np.r_[Y, np.ones(2)], Y, "followed by 2 samples too many"),
        (np.r_[np.zeros(5), Y], Y, "starts at sample 5"),
        (np.ones(len(Y) + 1), Y, "one sample too long"),
        (np.ones(len(Y) - 1), Y, "one sample too short"),
        (np.ones(len(Y) + 9), Y, "9 samples too long"),
        (np.ones(len(Y) - 9), Y, "9 samples too short"),
        (np.zeros(0), Y, "232 samples too short"),
        (Y[None], Y, "only an axis of length 1"),
        (SPECTROGRAM[0], SPECTROGRAM, "2 axes instead of 3"),
        (SPECTROGRAM.swapaxes(-1, -2), SPECTROGRAM, "last two axes are swapped"),
        (SPECTROGRAM[..., :-1], SPECTROGRAM, "off by one"),
    ],
)
def test_wrong_shapes_name_the_cause(actual: NDArray[Any], expected: NDArray[Any], sentence: str) -> None:
    assert sentence in cause_of(actual, expected)


def test_wrong_length_states_both_lengths() -> None:
    text = message_of(check.close, Y[:200], Y, name="y")
    assert "y has 200 samples" in text
    assert "expected 232 samples" in text


# --- close: dtype and finiteness -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("actual", "expected", "options", "sentence"),
    [
        (Y.astype(np.int64), Y, {}, "int64: your result was truncated to whole numbers"),
        (np.arange(3), np.arange(3.0), {"dtype": float}, "make the output float64"),
        (Y + 0j, Y, {}, "take the real part, or use irfft"),
        (Y + 1j, Y, {}, "real signals give real results"),
        (SPECTROGRAM.real, SPECTROGRAM, {}, "the imaginary part is lost: does the output array"),
        (np.abs(SPECTROGRAM), SPECTROGRAM, {}, "your result is the magnitude"),
        (Y.astype(np.float32), Y, {"dtype": np.float64}, "float32 keeps fewer digits"),
        (Y, Y.astype(np.float32), {"dtype": np.float32}, "float64 keeps more digits"),
        (np.arange(3.0), np.arange(3), {"dtype": np.int64}, "astype(int64)"),
        (np.where(np.arange(232) == 7, np.nan, Y), Y, {}, "what is the denominator there"),
        (np.full(232, np.nan), Y, {}, "all of them are"),
    ],
)
def test_wrong_dtypes_and_nan_name_the_cause(
    actual: NDArray[Any], expected: NDArray[Any], options: dict[str, Any], sentence: str
) -> None:
    assert sentence in cause_of(actual, expected, **options)


def test_whole_numbers_with_wrong_values_are_not_called_truncated() -> None:
    assert "1 sample too late" in cause_of(np.array([0, 1, 2, 5, 9]), np.array([1.0, 2.0, 5.0, 9.0, 0.0]))


def test_not_finite_says_where() -> None:
    bad = Y.copy()
    bad[[7, 9]] = np.nan, np.inf
    text = message_of(check.finite, bad, name="y")
    assert "y holds 2 NaN or infinite values among 232" in text
    assert "index 7: nan" in text
    check.finite(Y)
    check.finite(3)


def test_expected_infinity_must_come_back() -> None:
    text = message_of(check.close, np.array([1.0, 5.0]), np.array([1.0, np.inf]))
    assert "at index 1: got 5, expected inf" in text


# --- close: values ---------------------------------------------------------------------------------------------------


def wrong_blocks() -> NDArray[Any]:
    wrong = Y.copy()
    wrong[40::40] += 1.0
    return wrong


@pytest.mark.parametrize(
    ("actual", "expected", "sentence"),
    [
        (np.zeros_like(Y), Y, "all zeros"),
        (-Y, Y, "the sign is flipped"),
        (SPECTROGRAM.conj(), SPECTROGRAM, "conjugated"),
        (SPECTROGRAM.real + 0j, SPECTROGRAM, "only the real part"),
        (np.abs(SPECTROGRAM) + 0j, SPECTROGRAM, "the magnitude"),
        (SPECTROGRAM * 1j, SPECTROGRAM, "the same phase of 90°"),
        (SPECTROGRAM * (2 + 1j), SPECTROGRAM, "the same complex factor"),
        (Y[::-1], Y, "reversed in time"),
        (np.outer(X[:9], H[:9]), np.outer(H[:9], X[:9]), "last two axes are swapped: transpose"),
        (SPECTROGRAM[::-1], SPECTROGRAM, "first axis comes in reverse order"),
        (Y * 2, Y, "multiplied by 2: is something counted twice"),
        (Y * 232, Y, "a division by 232 missing"),
        (Y / 64, Y, "a division by 64 applied twice"),
        (Y * 1.37, Y, "multiplied by 1.37: is a normalisation"),
        (6.0, 3.0, "multiplied by 2"),
        (np.r_[np.zeros(3), Y[:-3]], Y, "3 samples too late: y[n] holds what belongs at n − 3"),
        (np.r_[Y[1:], 0.0], Y, "1 sample too early"),
        (np.roll(Y, 5), Y, "rotated: 5 samples too late"),
        (np.roll(SPECTROGRAM, -1, axis=-1), SPECTROGRAM, "rotated: 1 step too early along the last axis"),
        (
            np.r_[np.fft.irfft(np.fft.rfft(X) * np.fft.rfft(H, 200), 200), np.zeros(32)],
            Y,
            "circular wrap: the last 32 samples",
        ),
        (Y + 0.25, Y, "the same constant 0.25"),
        (np.r_[Y[:-32], np.zeros(32)], Y, "the last 32 samples are zero: was the last, shorter block"),
        (np.r_[Y[:4] / 2, Y[4:]], Y, "only the first 4 samples are wrong: did the edge frames get their share"),
        (np.r_[Y[:4] / 2, Y[4:-6], Y[-6:] / 3], Y, "only the first 4 samples and the last 6 samples are wrong"),
        (wrong_blocks(), Y, "the errors come back every 40 samples: look at the block boundaries"),
        (Y.astype(np.float32), Y, "was something computed or stored in float32"),
        (Y.astype(np.float32).astype(float), Y, "was something computed or stored in float32"),
        (np.trunc(Y), Y, "truncated to whole numbers"),
        (np.round(Y * 32768) / 32768 + 0.0, Y / 1.0, "only about"),
        (np.round(0.001 * Y * 32768) / 32768, 0.001 * Y, "rounded to 16-bit steps"),
    ],
)
def test_wrong_values_name_the_cause(actual: Any, expected: Any, sentence: str) -> None:
    assert sentence in cause_of(actual, expected)


def test_an_unknown_mistake_gets_no_invented_cause() -> None:
    with pytest.raises(CheckFailed) as caught:
        check.close(np.random.default_rng(5).standard_normal(232), Y)
    assert caught.value.cause is None
    assert "likely cause" not in str(caught.value)


def test_message_says_where_the_largest_error_is_and_shows_one_expected_value() -> None:
    wrong = Y.copy()
    wrong[100] += 10.0
    wrong[20] += 1.0
    text = message_of(check.close, wrong, Y, name="y")
    assert text.startswith("y has wrong values")
    assert f"largest error at index 100: got {wrong[100]:.4g}, expected {Y[100]:.4g}" in text
    assert "2 of 232 values differ" in text
    shown = [value for value in Y if f"{value:.4g}" in text]
    assert shown == [Y[100]]
    assert "dB relative to the expected peak" in text
    assert f"at index {(1, 2, 3)}" in message_of(check.close, SPECTROGRAM + _one_at((1, 2, 3)), SPECTROGRAM)


def _one_at(index: tuple[int, ...]) -> NDArray[Any]:
    array = np.zeros(SPECTROGRAM.shape)
    array[index] = 1.0
    return array


def test_numbers_that_look_alike_are_shown_with_enough_digits() -> None:
    text = message_of(check.close, 1.0000001, 1.0, absolute_tolerance=0.0)
    assert "got 1.0000001, expected 1" in text


def test_the_authors_mistakes_come_first() -> None:
    mistakes = {"that is the other one": X, "did you flip h?": Y[::-1]}
    assert cause_of(Y[::-1], Y, mistakes=mistakes) == "did you flip h?"
    assert cause_of(X, Y, mistakes=mistakes) == "that is the other one"
    assert cause_of(np.zeros(232), Y, mistakes={"nothing was added": np.zeros(232)}) == "nothing was added"
    assert "reversed" in cause_of(Y[::-1], Y, mistakes={"that is the other one": X})
    check.close(Y, Y, mistakes=mistakes)


@pytest.mark.parametrize("value", [np.inf, -np.inf, 1e308, np.nan])
def test_extreme_values_end_in_a_message(value: float) -> None:
    for actual in (np.full(232, value), np.full(100, value), np.full(240, value), value):
        with pytest.raises(CheckFailed):
            check.close(actual, Y)


# --- close: up to lag, scale, sign -----------------------------------------------------------------------------------


def test_up_to_lag() -> None:
    late, early = np.r_[np.ones(3), Y[:-3]], np.r_[Y[3:], np.ones(3)]
    for shifted in (late, early):
        check.close(shifted, Y, up_to_lag=3)
        with pytest.raises(CheckFailed):
            check.close(shifted, Y, up_to_lag=2)
        with pytest.raises(CheckFailed):
            check.close(shifted, Y)
    check.close(np.roll(SPECTROGRAM, 1, axis=-1), SPECTROGRAM, up_to_lag=1)


def test_silence_cannot_hide_behind_a_lag() -> None:
    impulse = np.array([1.0, 0.0, 0.0, 0.0])
    with pytest.raises(CheckFailed):
        check.close(np.zeros(4), impulse, up_to_lag=3)
    check.close(np.array([0.0, 1.0, 0.0, 0.0]), impulse, up_to_lag=3)
    check.close(np.ones(1), np.ones(1), up_to_lag=10)


def test_up_to_scale_and_sign() -> None:
    check.close(3.7 * Y, Y, up_to_scale=True)
    check.close(-Y, Y, up_to_sign=True)
    check.close(-3.7 * Y, Y, up_to_scale=True, up_to_sign=True)
    check.close(np.r_[0.0, -2 * Y[:-1]], Y, up_to_lag=1, up_to_scale=True, up_to_sign=True)
    for wrong, options in [
        (3.7 * Y, {"up_to_sign": True}),
        (-Y, {"up_to_scale": True}),
        (np.zeros_like(Y), {"up_to_scale": True, "up_to_sign": True}),
        (Y[::-1], {"up_to_scale": True, "up_to_sign": True}),
    ]:
        with pytest.raises(CheckFailed):
            check.close(wrong, Y, **options)


# --- shape, raises, within_seconds, passed ---------------------------------------------------------------------------


def test_shape() -> None:
    check.shape(Y, 232)
    check.shape(SPECTROGRAM, (2, 9, 40))
    check.shape(3.0, ())
    assert "one sample too short" in message_of(check.shape, Y[:-1], 232)
    assert "kept" in message_of(check.shape, X, 232, mistakes={"the tail must be kept": 200})
    assert "expected shape (2, 9, 41)" in message_of(check.shape, SPECTROGRAM, (2, 9, 41))
    assert "forget `return`" in message_of(check.shape, None, 232)


def refuse(kind: str) -> float:
    if kind == "value":
        raise ValueError("got 0 taps, expected at least one")
    if kind == "stub":
        raise NotImplementedError("Exercise 1.2")
    return 1 / 0 if kind == "zero" else 0.0


def test_raises() -> None:
    check.raises(ValueError, refuse, "value", match="at least one")
    check.raises((TypeError, ValueError), refuse, kind="value")
    check.raises(NotImplementedError, refuse, "stub")
    assert "refuse raises no error" in message_of(check.raises, ValueError, refuse, "fine")
    assert "raises ZeroDivisionError" in message_of(check.raises, ValueError, refuse, "zero")
    assert "does not say what is wrong" in message_of(check.raises, ValueError, refuse, "value", match="n_taps")


def test_an_exercise_not_begun_is_not_called_wrong() -> None:
    with pytest.raises(NotImplementedError, match=r"Exercise 1\.2"):
        check.raises(ValueError, refuse, "stub")


def endless() -> None:
    end = time.perf_counter() + 3  # so that a broken interrupt fails the test rather than hangs it
    while time.perf_counter() < end:
        try:
            time.sleep(0.001)
        except Exception:  # what a learner's code may do; the interrupt must not be caught by it
            continue


def test_within_seconds_returns_the_result_and_leaves_no_timer() -> None:
    handler = signal.getsignal(signal.SIGALRM)
    assert check.within_seconds(5, np.convolve, X, v=H).shape == Y.shape
    assert signal.getsignal(signal.SIGALRM) is handler
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_within_seconds_stops_an_endless_loop() -> None:
    start = time.perf_counter()
    text = message_of(check.within_seconds, 0.1, endless)
    assert time.perf_counter() - start < 2
    assert "endless was stopped after 0.1 s" in text
    assert "does every loop end" in text
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_within_seconds_keeps_an_outer_timer() -> None:
    rung: list[int] = []
    before = signal.signal(signal.SIGALRM, lambda *_: rung.append(1))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.15)
        check.within_seconds(5, time.sleep, 0.01)
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 0
        time.sleep(0.25)
        assert rung == [1]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_within_seconds_measures_where_it_cannot_interrupt() -> None:
    texts: list[str] = []
    thread = threading.Thread(target=lambda: texts.append(message_of(check.within_seconds, 0.05, time.sleep, 0.1)))
    thread.start()
    thread.join()
    assert "sleep took 0.1" in texts[0]


def test_within_seconds_passes_errors_on() -> None:
    with pytest.raises(ZeroDivisionError):
        check.within_seconds(5, refuse, "zero")
    with pytest.raises(ValueError, match="limit_s"):
        check.within_seconds(0, refuse, "fine")


def test_passed_prints_a_tick(capsys: pytest.CaptureFixture[str]) -> None:
    check.passed("the tail is kept")
    assert capsys.readouterr().out == "✓ the tail is kept\n"


# --- forbids ---------------------------------------------------------------------------------------------------------


def lesson(source: str, tmp_path: Any) -> dict[str, Any]:
    """Run source as a module of its own, as a notebook is, and return its names."""
    path = tmp_path / "lesson.py"
    path.write_text(source)
    spec = importlib.util.spec_from_file_location("lesson", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return vars(module)


FORBIDDEN = "np.convolve scipy.signal numpy.fft course_lib.validation"

SHORTCUTS = {
    "customary name": "import numpy as np\ndef f(x, h):\n    return np.convolve(x, h)",
    "other name": "import numpy as xyz\ndef f(x, h):\n    return xyz.convolve(x, h)",
    "full name": "import numpy\ndef f(x, h):\n    return numpy.convolve(x, h)",
    "from import": "from numpy import convolve\ndef f(x, h):\n    return convolve(x, h)",
    "from import as": "from numpy import convolve as slide\ndef f(x, h):\n    return slide(x, h)",
    "global alias": "import numpy as np\nslide = np.convolve\ndef f(x, h):\n    return slide(x, h)",
    "module alias": "import numpy as np\nm = np\ndef f(x, h):\n    return m.convolve(x, h)",
    "local import": "def f(x, h):\n    import numpy as n\n    return n.convolve(x, h)",
    "local from import": "def f(x, h):\n    from numpy import convolve as c\n    return c(x, h)",
    "local alias": "import numpy as np\ndef f(x, h):\n    m = np\n    return m.convolve(x, h)",
    "annotated": "import numpy as np\nfrom typing import Any\n"
    "def f(x, h):\n    m: Any = np\n    return m.convolve(x, h)",
    "local tuple": "import numpy as np\ndef f(x, h):\n    m, n = np, 1\n    return m.convolve(x, h)",
    "walrus": "import numpy as np\ndef f(x, h):\n    return (m := np).convolve(x, h)",
    "getattr": "import numpy as np\ndef f(x, h):\n    return getattr(np, 'convolve')(x, h)",
    "dunder import": "def f(x, h):\n    return __import__('numpy').convolve(x, h)",
    "importlib": "import importlib\ndef f(x, h):\n    return importlib.import_module('numpy').convolve(x, h)",
    "default": "import numpy as np\ndef f(x, h, c=np.convolve):\n    return c(x, h)",
    "the thing itself": "import numpy as np\nf = np.convolve",
    "partial": "import functools, numpy as np\nf = functools.partial(np.convolve, mode='full')",
    "lambda": "import numpy as np\nf = lambda x, h: np.convolve(x, h)",
    "nested": "import numpy as np\ndef f(x, h):\n    def g():\n        return np.convolve(x, h)\n    return g()",
    "helper": "import numpy as np\ndef g(x, h):\n    return np.convolve(x, h)\ndef f(x, h):\n    return g(x, h)",
    "decorated": "import functools, numpy as np\n@functools.cache\ndef f(x, h):\n    return np.convolve(x, h)",
    "class": "import numpy as np\nclass f:\n    def push(self, x):\n        return np.convolve(x, x)",
    "helper class": "import numpy as np\nclass C:\n    def g(self, x, h):\n        return np.convolve(x, h)\n"
    "def f(x, h):\n    return C().g(x, h)",
    "closure": "import numpy as np\ndef make(c):\n    def f(x, h):\n        return c(x, h)\n    return f\n"
    "f = make(np.convolve)",
    "module": "from scipy import signal\ndef f(x, h):\n    return signal.fftconvolve(x, h)",
    "from module": "from scipy.signal import fftconvolve\ndef f(x, h):\n    return fftconvolve(x, h)",
    "attribute of package": "import numpy as np\ndef f(x, h):\n    return np.fft.irfft(np.fft.rfft(x))",
    "course_lib": "import course_lib.validation as v\ndef f(x, h):\n    return v.as_signal(x, 'x')",
    "from course_lib": "from course_lib.validation import as_signal\ndef f(x, h):\n    return as_signal(x, 'x')",
    "local from course_lib": "def f(x, h):\n"
    "    from course_lib import validation\n    return validation.as_signal(x, 'x')",
    "eval": "def f(x, h):\n    return eval('np.conv' + 'olve')(x, h)",
}


@pytest.mark.parametrize("shortcut", SHORTCUTS)
def test_forbidden_calls_are_found(shortcut: str, tmp_path: Any) -> None:
    names = lesson(SHORTCUTS[shortcut], tmp_path)
    text = message_of(check.forbids, names["f"], FORBIDDEN)
    assert "this exercise forbids" in text
    assert "to build it yourself" in text


HONEST = {
    "own loop": "import numpy as np\ndef f(x, h):\n    y = np.zeros(3)\n    for n in range(3):\n        y[n] = x @ h\n"
    "    return y",
    "a docstring": "import numpy as np\n"
    "def f(x, h):\n    'As np.convolve does.'\n    return np.sum(x)  # not np.convolve",
    "own name": "import numpy as np\nfrom numpy import convolve\ndef f(x, h):\n"
    "    convolve = lambda a: np.sum(a)\n    return convolve(x)",
    "own argument": "from numpy import convolve\ndef f(x, convolve):\n    return x + convolve",
    "a method": "def f(x, h):\n    return x.convolve(h)",
    "a neighbour": "import numpy as np\ndef g(x):\n    return np.convolve(x, x)\n"
    "def f(x, h):\n    return np.correlate(x, h)",
    "itself": "def f(x, h):\n    return f(x, h)",
    "ufunc": "import numpy as np\ndef f(x, h):\n    return np.add(x, h)",
    "a helper inside, named as an array outside": "import numpy as np\nfactor = np.arange(3)\n"
    "def f(x, h):\n    def factor(a):\n        return a\n    return factor(x)",
    "annotation": "from scipy import signal\n"
    "def f(x: signal.StateSpace) -> signal.StateSpace:\n    y: signal.StateSpace = x\n    return y",
    "allowed module": "from course_lib import constants\ndef f(x, h):\n    return constants.SAMPLE_RATE_HZ",
}


@pytest.mark.parametrize("answer", HONEST)
def test_honest_answers_are_left_alone(answer: str, tmp_path: Any) -> None:
    check.forbids(lesson(HONEST[answer], tmp_path)["f"], FORBIDDEN)


def test_refusal_names_call_line_and_reason(tmp_path: Any) -> None:
    names = lesson("import numpy as q\ndef f(x, h):\n    x = x + 0\n    return q.convolve(x, h)", tmp_path)
    text = message_of(check.forbids, names["f"], ["np.convolve"], reason="the sum is to be written out")
    assert "f uses `q.convolve`, that is np.convolve, (line 3 of f)" in text
    assert "this exercise forbids np.convolve: the sum is to be written out" in text
    helper = lesson(SHORTCUTS["helper"], tmp_path)
    assert "in g, which it calls (line 2 of g)" in message_of(check.forbids, helper["f"], "np.convolve")


def test_ufuncs_of_a_forbidden_module() -> None:
    add = np.add

    def total(x: NDArray[Any]) -> Any:
        return add.reduce(x)

    assert "add" in message_of(check.forbids, total, "numpy")


def test_misspelt_names_and_missing_packages() -> None:
    with pytest.raises(ValueError, match=r"np\.convole"):
        check.forbids(refuse, "np.convole")
    check.forbids(refuse, "package_that_is_not_installed.function")


def test_unreadable_source_is_refused_with_a_remedy() -> None:
    names: dict[str, Any] = {}
    exec("def f(x):\n    return x", names)
    assert "cannot be read" in message_of(check.forbids, names["f"], "np.convolve")


def test_nothing_is_imported_on_a_learners_word(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "trap.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(str(tmp_path))
    names = lesson(
        "def f(x, h):\n    import trap\n    from trap import convolve\n    return trap.convolve(x, h)", tmp_path
    )
    check.forbids(names["f"], "np.convolve")
    assert "trap" not in sys.modules


def test_a_grader_that_has_read_the_cell_vouches_for_its_functions() -> None:
    names: dict[str, Any] = {}
    exec("def f(x):\n    return x", names)  # a stand-in, whose source says nothing of the learner's
    names["f"].__forbidden_calls_read__ = "yes"
    assert "cannot be read" in message_of(check.forbids, names["f"], "np.convolve")
    names["f"].__forbidden_calls_read__ = True
    check.forbids(names["f"], "np.convolve")


def test_wrappers_reach_the_function_below() -> None:
    @functools.wraps(refuse)
    def wrapper(kind: str) -> float:
        return refuse(kind)

    assert calls_module._functions_of(wrapper) == [refuse]


# --- in a notebook ---------------------------------------------------------------------------------------------------


def test_place_outside_a_notebook_names_the_file() -> None:
    with pytest.raises(CheckFailed) as caught:
        check.close(1.0, 2.0)
    assert re.fullmatch(r"line \d+ of test_check\.py", caught.value.place)


def test_failed_cell_shows_a_short_teaching_message_and_its_line() -> None:
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    cells = [
        "import numpy as np\nfrom course_lib import check\ndef convolve(x, h):\n    return np.convolve(x, h)[:len(x)]",
        "x, h = np.arange(5.0), np.ones(3)\n\ncheck.close(convolve(x, h), np.convolve(x, h), name='y')\n",
        "def test_length():\n    check.close(convolve(x, h), np.convolve(x, h))\n\ntest_length()",
        "check.forbids(convolve, 'np.convolve')",
        "def loop():\n    while True:\n        pass\n\n\ncheck.within_seconds(0.2, loop)",
        "check.close(x, x)\ncheck.passed('the signal is unchanged')",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    nbclient.NotebookClient(notebook, kernel_name="python3", allow_errors=True, timeout=60).execute()
    outputs = [cell.outputs for cell in notebook.cells]
    assert outputs[0] == []
    for cell_outputs, texts in zip(
        outputs[1:5],
        [
            ["y has 5 samples", "expected 7 samples", "did you keep the tail", "line 3 of this cell"],
            ["did you keep the tail", "line 2 of this cell"],
            ["convolve uses `np.convolve`", "line 2 of convolve", "line 1 of this cell"],
            ["loop was stopped after 0.2 s", "line 6 of this cell"],
        ],
        strict=True,
    ):
        (output,) = cell_outputs
        assert output.output_type == "error"
        assert output.ename == "CheckFailed"
        shown = "\n".join(output.traceback)
        assert len(shown.splitlines()) <= 7
        assert max(len(line) for line in shown.splitlines()) <= 110
        shown = " ".join(shown.split())
        assert "Traceback" not in shown
        for text in texts:
            assert text in shown
            assert text in output.evalue
    assert outputs[5][0].text == "✓ the signal is unchanged\n"


def test_import_is_fast_and_light() -> None:
    code = (
        "import sys, time; start = time.perf_counter(); import course_lib.check; s = time.perf_counter() - start; "
        "print(s < 1, [m for m in ('torch', 'matplotlib', 'scipy', 'IPython') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "True []"
