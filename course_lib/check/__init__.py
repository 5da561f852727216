"""Comparisons that teach: silent when an answer is right, and when it is wrong they say what, where and probably why.

Visible and hidden tests of every lesson use these functions, so that one mistake reads the same everywhere:

    check.close(y, expected, name="y")          type, shape, dtype, finiteness, then values
    check.shape(y, (2399,))                     the shape alone
    check.finite(y)                             no NaN, no infinity
    check.raises(ValueError, istft, X)          the right error for wrong input
    y = check.within_seconds(2, convolve, x, h) a bound on time
    check.forbids(convolve, "np.convolve")      calls that the exercise asks the learner to write
    check.passed("the tail is kept")            one line with a tick

A hidden test draws its inputs from a generator that only the instructor's secret determines:

    rng = check.hidden_inputs("convolve_by_fft")
"""

from __future__ import annotations

from course_lib.check.calls import forbids
from course_lib.check.compare import close, finite, shape
from course_lib.check.failure import CheckFailed, passed
from course_lib.check.hidden import hidden_inputs
from course_lib.check.running import raises, within_seconds

__all__ = [
    "CheckFailed",
    "close",
    "finite",
    "forbids",
    "hidden_inputs",
    "passed",
    "raises",
    "shape",
    "within_seconds",
]
