"""SNR and SI-SDR: ground truth, invariances, silence, refusals."""

from __future__ import annotations

import numpy as np
import pytest

from course_lib.metrics import si_sdr, snr
from course_lib.validation import SilentSignalError


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(3)


def test_snr_by_hand():
    assert snr([3.0, 4.0], [3.0, 4.5]) == pytest.approx(20.0)
    assert snr([1.0, -1.0], [0.9, -0.9]) == pytest.approx(20.0)


def test_si_sdr_by_hand():
    """The error is orthogonal to the reference, and a tenth of it."""
    s, e = np.array([1.0, 1, -1, -1]), 0.1 * np.array([1.0, -1, 1, -1])
    assert si_sdr(s, 7 * (s + e)) == pytest.approx(20.0)
    assert si_sdr(s, -s - e) == pytest.approx(20.0)


@pytest.mark.parametrize("level_db", [-20.0, 0.0, 13.0])
def test_snr_is_the_level_noise_was_added_at(rng, level_db):
    s, noise = rng.standard_normal((2, 4000))
    noise *= np.sqrt(np.sum(s**2) / np.sum(noise**2)) * 10 ** (-level_db / 20)
    assert snr(s, s + noise) == pytest.approx(level_db)
    assert si_sdr(s, s + noise) == pytest.approx(level_db, abs=1.0)


def test_si_sdr_ignores_scale_and_mean_and_snr_does_not(rng):
    s = rng.standard_normal(500)
    s_hat = s + 0.1 * rng.standard_normal(500)
    assert si_sdr(s, 1e-3 * s_hat) == pytest.approx(si_sdr(s, s_hat))
    assert si_sdr(10 * s, s_hat) == pytest.approx(si_sdr(s, s_hat))
    assert si_sdr(s + 3, s_hat - 2) == pytest.approx(si_sdr(s, s_hat))
    assert si_sdr(s, s_hat - 2, zero_mean=False) < si_sdr(s, s_hat) - 10
    assert snr(s, 2 * s) == pytest.approx(0.0)
    assert snr(2 * s, 2 * s_hat) == pytest.approx(snr(s, s_hat))


def test_the_reference_comes_first(rng):
    s, noise = rng.standard_normal((2, 500))
    assert snr(s, s + 3 * noise) != pytest.approx(snr(s + 3 * noise, s))


@pytest.mark.parametrize("metric", [snr, si_sdr])
def test_leading_axes_are_kept(rng, metric):
    s, noise = rng.standard_normal((2, 2, 3, 100))
    values = metric(s, s + noise)
    assert values.shape == (2, 3)
    assert values[1, 2] == pytest.approx(metric(s[1, 2], s[1, 2] + noise[1, 2]))
    assert isinstance(metric(s[0, 0], noise[0, 0]), float)


@pytest.mark.parametrize("metric", [snr, si_sdr])
@pytest.mark.parametrize("scale", [1e-320, 1e-200, 1.0, 1e200])
def test_extreme_levels_neither_overflow_nor_vanish(rng, metric, scale):
    s, noise = rng.standard_normal((2, 100))
    expected = metric(s, s + noise)
    assert metric(scale * s, scale * (s + noise)) == pytest.approx(expected, rel=1e-2 if scale < 1e-300 else 1e-9)


def test_extreme_ratios_stay_finite():
    s = np.array([1.0, -1.0])
    assert snr(1e-300 * s, 1e300 * s) == pytest.approx(-12000)
    assert snr(s, s * (1 + 2**-52)) == pytest.approx(20 * 52 * np.log10(2))


def test_perfect_estimate():
    s = np.array([1.0, -1.0, 2.0, -2.0])
    assert snr(s, s) == np.inf
    assert si_sdr(s, s) == np.inf
    assert si_sdr(s, 3 * s) > 250


def test_estimates_without_the_reference():
    s = np.array([1.0, -1.0, 1.0, -1.0])
    assert snr(s, np.zeros(4)) == pytest.approx(0.0)
    assert si_sdr(s, [1.0, 1.0, -1.0, -1.0]) == -np.inf


@pytest.mark.parametrize(
    ("metric", "reference", "estimate", "name"),
    [
        (snr, np.zeros(9), np.ones(9), "reference is silent"),
        (snr, np.zeros(9), np.zeros(9), "reference is silent"),
        (si_sdr, np.zeros(9), np.arange(9), "reference is silent"),
        (si_sdr, np.arange(9), np.zeros(9), "estimate is silent"),
        (si_sdr, np.full(1000, 0.1), np.arange(1000), "reference is constant"),
        (si_sdr, np.arange(1000), np.full(1000, 0.1), "estimate is constant"),
        (si_sdr, [2.0], [2.0], "reference is constant"),
        (snr, np.stack([np.ones(9), np.zeros(9)]), np.ones((2, 9)), r"reference\[1\] is silent"),
    ],
)
def test_silence_is_a_named_error(metric, reference, estimate, name):
    with pytest.raises(SilentSignalError, match=name):
        metric(reference, estimate)


def test_one_sample():
    assert snr([2.0], [1.0]) == pytest.approx(20 * np.log10(2))
    assert si_sdr([2.0], [1.0], zero_mean=False) == np.inf


@pytest.mark.parametrize("metric", [snr, si_sdr])
@pytest.mark.parametrize(
    ("reference", "estimate", "message"),
    [
        (np.ones(9), np.ones(8), "shape of the reference"),
        (np.ones((2, 9)), np.ones(9), "shape of the reference"),
        (np.ones(0), np.ones(0), "at least one sample"),
        (np.array([1.0, np.nan]), np.ones(2), "reference: .*NaN"),
        (np.ones(2), np.array([1.0, np.inf]), "estimate: .*infinite"),
        (np.array([1j, 1]), np.ones(2), "real"),
    ],
)
def test_refuses(metric, reference, estimate, message):
    with pytest.raises(ValueError, match=message):
        metric(reference, estimate)
