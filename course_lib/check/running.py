"""Checks that call the learner's function: does it raise the right error, and does it end in time?"""

from __future__ import annotations

import re
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter
from types import FrameType
from typing import Any, TypeVar

from course_lib.check.failure import CheckFailed

_Result = TypeVar("_Result")

_REPEAT_S = 1.0
"""An interrupt that a bare ``except:`` swallows comes again after this long."""


class _TimeIsUp(BaseException):
    """Not an ``Exception``, so that ``except Exception`` in the learner's function lets it through."""


def raises(
    error_type: type[Exception] | tuple[type[Exception], ...],
    function: Callable[..., Any],
    *args: Any,
    match: str | None = None,
    **kwargs: Any,
) -> None:
    """Check that a call raises the right error; silent when it does.

    ``NotImplementedError`` of an exercise not yet begun passes through, so that it reads as "not attempted".

    Args:
        error_type: the error or errors that are right.
        function: what is called, with ``args`` and ``kwargs``.
        *args: its positional arguments.
        match: regular expression that the error's text must contain.
        **kwargs: its keyword arguments.
    Raises:
        CheckFailed: if no error came, another one, or one whose text lacks ``match``.

    Lesson: 01 §6
    """
    wanted = _names_of(error_type)
    name = _name_of(function)
    try:
        function(*args, **kwargs)
    except error_type as error:
        if match is not None and not re.search(match, str(error)):
            raise CheckFailed(
                f"{name} raises {type(error).__name__}, but its text does not say what is wrong",
                [
                    f"got {str(error)[:200]!r}",
                    f"expected a text that contains {match!r}",
                    "what to do: name the value that came and the one that you expected in the error's text.",
                ],
            ) from error
        return
    except NotImplementedError:
        raise
    except Exception as error:
        raise CheckFailed(
            f"{name} raises {type(error).__name__}: {str(error)[:200]}",
            [f"expected {wanted}"],
            "the wrong input got past your check and failed later on: test for it first.",
        ) from error
    raise CheckFailed(
        f"{name} raises no error",
        [
            f"expected {wanted}",
            f"what to do: test the input on the function's first lines, and `raise {wanted.split(' or ')[0]}(...)` "
            "with a text that says what was wrong.",
        ],
    )


def within_seconds(limit_s: float, function: Callable[..., _Result], *args: Any, **kwargs: Any) -> _Result:
    """Call a function, return its result, and fail if it takes too long.

    Where the system has interval timers (Linux, macOS) and the call is made from the main thread, an endless loop is
    interrupted at the limit; elsewhere, and inside compiled code, the time is judged when the call returns.

    Args:
        limit_s: longest time allowed, in seconds.
        function: what is called, with ``args`` and ``kwargs``.
        *args: its positional arguments.
        **kwargs: its keyword arguments.
    Returns:
        What the function returned.
    Raises:
        CheckFailed: if the call took longer.
        ValueError: if the limit is not positive.

    Lesson: 01 §3
    """
    if not limit_s > 0:
        raise ValueError(f"limit_s: got {limit_s!r}, expected a positive number of seconds.")
    start = perf_counter()
    try:
        with _interrupt_after(limit_s):
            result = function(*args, **kwargs)
    except _TimeIsUp:
        raise CheckFailed(
            f"{_name_of(function)} was stopped after {limit_s:g} s",
            [f"expected an answer within {limit_s:g} s"],
            "does every loop end (is its counter moved on)? If so, is there a Python loop over samples that one "
            "array operation can do?",
        ) from None
    elapsed_s = perf_counter() - start
    if elapsed_s > limit_s:
        raise CheckFailed(
            f"{_name_of(function)} took {elapsed_s:.3g} s",
            [f"expected an answer within {limit_s:g} s"],
            "is there a Python loop over samples that one array operation can do, or the same work done in every "
            "turn of a loop?",
        )
    return result


@contextmanager
def _interrupt_after(limit_s: float) -> Iterator[None]:
    """Raise ``_TimeIsUp`` inside the block when the time is up, then put back the timer and handler that were there."""
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return
    is_running = True

    def interrupt(_signal_number: int, _frame: FrameType | None) -> None:
        if is_running:
            raise _TimeIsUp

    start = perf_counter()
    handler_before = signal.signal(signal.SIGALRM, interrupt)
    delay_before_s, interval_before_s = signal.setitimer(signal.ITIMER_REAL, limit_s, _REPEAT_S)
    try:
        yield
    finally:
        is_running = False
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler_before)
        if delay_before_s > 0:
            still_s = max(delay_before_s - (perf_counter() - start), 1e-3)
            signal.setitimer(signal.ITIMER_REAL, still_s, interval_before_s)


def _name_of(function: Callable[..., Any]) -> str:
    return str(getattr(function, "__name__", "the function"))


def _names_of(error_type: type[Exception] | tuple[type[Exception], ...]) -> str:
    types = error_type if isinstance(error_type, tuple) else (error_type,)
    return " or ".join(t.__name__ for t in types)
