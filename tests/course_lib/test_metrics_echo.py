"""ERLE and misalignment: hand-computed values, what is masked, time, silence and scale."""

from __future__ import annotations

import numpy as np
import pytest

from course_lib.metrics import erle, misalignment
from course_lib.validation import SilentSignalError


@pytest.fixture
def rng():
    return np.random.default_rng(5)


def test_erle_of_hand_computed_powers():
    assert erle([3.0, 4.0], [0.3, 0.4]) == pytest.approx(20.0, abs=1e-12)
    assert erle([1.0, 1.0, 1.0, 1.0], [1.0, 0.0, 0.0, 0.0]) == pytest.approx(10 * np.log10(4), abs=1e-12)


@pytest.mark.parametrize("gain", [1e-3, 0.5, 1.0, 2.0])
def test_erle_is_the_attenuation(rng, gain):
    y = rng.standard_normal((2, 501))
    np.testing.assert_allclose(erle(y, gain * y), -20 * np.log10(gain) * np.ones(2), atol=1e-10)


@pytest.mark.parametrize("scale", [1e-200, 1e-6, 1e6, 1e200])
def test_erle_and_misalignment_do_not_depend_on_the_scale(rng, scale):
    y, e = rng.standard_normal((2, 300))
    assert erle(scale * y, scale * e) == pytest.approx(erle(y, e), abs=1e-9)
    assert misalignment(scale * y, scale * e) == pytest.approx(misalignment(y, e), abs=1e-9)


def test_only_samples_under_the_mask_count(rng):
    y, e = rng.standard_normal((2, 1000))
    near_end_talks = np.arange(1000) > 600
    e[near_end_talks] += 100.0
    assert erle(y, e, mask=~near_end_talks) == pytest.approx(erle(y[:601], e[:601]), abs=1e-10)
    assert erle(np.stack([y, y]), np.stack([e, e]), mask=~near_end_talks).shape == (2,)


def test_erle_against_time_is_that_of_each_window(rng):
    y, e = rng.standard_normal((2, 1001))
    curve = erle(y, e, window_s=0.2, hop_s=0.05, sample_rate=1000)
    assert curve.shape == (17,)
    for m, value in enumerate(curve):
        assert value == pytest.approx(erle(y[50 * m : 50 * m + 200], e[50 * m : 50 * m + 200]), abs=1e-10)
    np.testing.assert_array_equal(erle(y, e, window_s=0.1, sample_rate=1000), curve_by_hand(y, e, 100, 50))


def curve_by_hand(y, e, window, hop):
    starts = range(0, y.size - window + 1, hop)
    return np.array([erle(y[s : s + window], e[s : s + window]) for s in starts])


def test_windows_without_echo_are_nan_and_the_rest_is_not(rng):
    y, e = rng.standard_normal((2, 400))
    y[:100] = 0.0
    mask = np.ones(400, bool)
    mask[300:] = False
    curve = erle(y, e, mask=mask, window_s=0.1, hop_s=0.1, sample_rate=1000)
    np.testing.assert_array_equal(np.isnan(curve), [True, False, False, True])


def test_a_perfect_canceller_has_infinite_erle(rng):
    y = rng.standard_normal(100)
    assert erle(y, np.zeros(100)) == np.inf
    assert np.all(erle(y, np.zeros(100), window_s=0.01, sample_rate=1000) == np.inf)


def test_misalignment_of_hand_computed_distances():
    assert misalignment([3.0, 4.0], [3.0, 4.5]) == pytest.approx(-20.0, abs=1e-12)
    assert misalignment([3.0, 4.0], [0.0, 0.0]) == 0.0
    assert misalignment([3.0, 4.0], [3.0, 4.0]) == -np.inf
    assert misalignment([3.0, 4.0], [6.0, 8.0]) == pytest.approx(0.0, abs=1e-12)


def test_the_shorter_response_ends_in_zeros(rng):
    h = rng.standard_normal(20)
    assert misalignment(h, h[:15]) == pytest.approx(misalignment(h, np.r_[h[:15], np.zeros(5)]), abs=1e-12)
    assert misalignment(h[:15], h) == pytest.approx(10 * np.log10(np.sum(h[15:] ** 2) / np.sum(h[:15] ** 2)), abs=1e-9)


def test_snapshots_have_one_misalignment_each(rng):
    h, snapshots = rng.standard_normal(8), rng.standard_normal((3, 5, 8))
    values = misalignment(h, snapshots)
    assert values.shape == (3, 5)
    assert values[1, 2] == pytest.approx(misalignment(h, snapshots[1, 2]), abs=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.int16])
def test_inputs_of_other_types_are_taken_and_left_alone(dtype):
    y, e = np.array([3, 4, 5], dtype), np.array([1, 0, 1], dtype)
    copies = y.copy(), e.copy()
    assert erle(y, e) == pytest.approx(10 * np.log10(25), abs=1e-12)
    np.testing.assert_array_equal((y, e), copies)


@pytest.mark.parametrize(
    ("arguments", "options", "match"),
    [
        (([1.0, 2.0], [1.0]), {}, "residual: got .*same samples"),
        (([1.0, 2.0], [1.0, np.nan]), {}, "residual: 1 of 2 values are NaN"),
        (([1.0, 2.0], [1.0, 1.0]), {"mask": [1, 0]}, "mask: got .*expected booleans"),
        (([1.0, 2.0], [1.0, 1.0]), {"mask": [True]}, "mask: got .*expected booleans"),
        (([1.0, 2.0], [1.0, 1.0]), {"hop_s": 1.0}, "hop_s: got 1 without window_s"),
        (([1.0, 2.0], [1.0, 1.0]), {"window_s": 1.0}, "window_s: got 1 s, which is 16000 samples"),
        (([1.0, 2.0], [1.0, 1.0]), {"window_s": 0.0}, "window_s: got float 0.0"),
        (([1.0, 2.0], [1.0, 1.0]), {"window_s": 1e-4, "hop_s": -1}, "hop_s: got int -1"),
        (([1.0, 2.0], [1.0, 1.0]), {"window_s": 1e-4, "sample_rate": 0}, "sample_rate"),
        (([], []), {}, "microphone: got .*at least one sample"),
    ],
)
def test_what_erle_refuses(arguments, options, match):
    with pytest.raises(ValueError, match=match):
        erle(*arguments, **options)


def test_silence_has_a_named_error():
    with pytest.raises(SilentSignalError, match=r"microphone is silent,"):
        erle([0.0, 0.0], [1.0, 0.0])
    with pytest.raises(SilentSignalError, match=r"microphone\[1\] is silent under the mask"):
        erle([[1.0, 1.0], [0.0, 1.0]], np.ones((2, 2)), mask=[True, False])
    with pytest.raises(SilentSignalError, match="h is silent"):
        misalignment([0.0, 0.0], [1.0, 0.0])
    with pytest.raises(ValueError, match=r"h: got .*1 axis"):
        misalignment([[1.0]], [1.0])
