"""Numbers that callers hand in: what passes, and what the message says of the rest."""

from __future__ import annotations

import numpy as np
import pytest

from course_lib.validation import as_number


@pytest.mark.parametrize(
    ("value", "bounds"), [(3, ()), (0.0, (0,)), (np.float32(0.5), (0, 1)), (np.int64(7), ()), (1, (0, 1))]
)
def test_numbers_within_their_bounds_pass(value, bounds):
    number = as_number(value, "gain", *bounds)
    assert type(number) is float
    assert number == value


@pytest.mark.parametrize(
    ("value", "options", "message"),
    [
        (True, {}, "gain: got bool True, expected a finite number."),
        ("3", {}, "gain: got str '3', expected a finite number."),
        (np.ones(2), {}, "gain: got an array of shape (2,) and dtype float64, expected a finite number."),
        (np.inf, {"minimum": 0}, "gain: got float inf, expected a finite number of at least 0."),
        (np.nan, {}, "gain: got float nan, expected a finite number."),
        (0, {"minimum": 0, "above": True}, "gain: got int 0, expected a finite number above 0."),
        (2, {"minimum": 0, "maximum": 1}, "gain: got int 2, expected a finite number of at least 0 up to 1."),
    ],
)
def test_anything_else_is_named_with_what_was_expected(value, options, message):
    with pytest.raises(ValueError, match="gain") as caught:
        as_number(value, "gain", **options)
    assert str(caught.value) == message
