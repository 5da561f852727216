"""The arithmetic that makes the corpus the same everywhere."""

from __future__ import annotations

import numpy as np
import pytest

from course_lib.data import arithmetic, corpus, noises


def test_filter_taps_are_far_from_a_rounding_boundary() -> None:
    """A library's error in the last bit (1e-10 of a tap step) cannot flip a tap."""
    assert arithmetic.rounding_margin(arithmetic.resampling_taps_unrounded()) > 1e-7


def test_resampling_is_exact_integer_arithmetic() -> None:
    samples = np.random.default_rng(1).integers(-32_768, 32_768, 500).astype(np.int16)
    taps = [int(tap) for tap in np.rint(arithmetic.resampling_taps_unrounded())]
    half = len(taps) // 2
    got = arithmetic.resample_to_course_rate(samples)
    for m in (0, 1, 77, 200, len(got) - 1):
        centre = m * 441 + half
        exact = sum(
            int(samples[n]) * taps[centre - 320 * n] for n in range(len(samples)) if 0 <= centre - 320 * n < len(taps)
        )
        assert int(got[m]) == exact >> 16


def test_resampling_sums_cannot_leave_the_exact_range_of_float64() -> None:
    assert np.abs(np.rint(arithmetic.resampling_taps_unrounded())).sum() * 32_768 < 2**53


@pytest.mark.parametrize(("frequency_hz", "gain_db"), [(100, 0.0), (1_000, 0.0), (4_000, 0.0), (6_900, 0.0)])
def test_resampling_keeps_tones_in_the_band(frequency_hz: float, gain_db: float) -> None:
    resampled = _resampled_tone(frequency_hz)
    assert 20 * np.log10(np.std(resampled) / (10_000 / np.sqrt(2))) == pytest.approx(gain_db, abs=0.02)
    spectrum = np.abs(np.fft.rfft(resampled * np.hanning(len(resampled))))
    peak_hz = np.argmax(spectrum) * 16_000 / len(resampled)
    assert peak_hz == pytest.approx(frequency_hz, abs=5)


@pytest.mark.parametrize("frequency_hz", [8_100, 9_000, 10_900])
def test_resampling_does_not_fold_what_lies_above_the_band(frequency_hz: float) -> None:
    assert 20 * np.log10(np.std(_resampled_tone(frequency_hz)) / (10_000 / np.sqrt(2))) < -70


def _resampled_tone(frequency_hz: float) -> np.ndarray:
    tone = np.rint(10_000 * np.sin(2 * np.pi * frequency_hz * np.arange(22_050) / 22_050)).astype(np.int16)
    return arithmetic.resample_to_course_rate(tone)[1_000:-1_000] / 2**arithmetic.FINE_BITS


def test_drift_is_removed_and_the_voice_is_kept() -> None:
    time = np.arange(16_000) / 16_000
    offset = np.full(16_000, 5_000, dtype=np.int64)
    assert np.abs(arithmetic.remove_drift(offset)[400:-400]).max() <= 1
    voice = np.rint(100_000 * np.sin(2 * np.pi * 150 * time)).astype(np.int64)
    kept = arithmetic.remove_drift(voice)[400:-400]
    assert np.std(kept) == pytest.approx(np.std(voice), rel=0.02)


@pytest.mark.parametrize("name", noises.NAMES)
def test_noises_are_far_from_a_rounding_boundary(name: str) -> None:
    """A thousand times the error of a floating-point library changes no 16-bit sample."""
    unrounded = noises.unrounded(name, corpus._corpus_speech)
    assert arithmetic.rounding_margin(unrounded) > 1e-8
    disturbance = 1 + 1e-12 * np.random.default_rng(2).choice([-1.0, 1.0], len(unrounded))
    np.testing.assert_array_equal(arithmetic.to_int16(unrounded), arithmetic.to_int16(unrounded * disturbance))


def test_rounding_margin_sees_a_value_on_the_edge() -> None:
    assert arithmetic.rounding_margin(np.array([0.0, 3.2, -7.5])) == 0.0
    assert arithmetic.rounding_margin(np.array([1.0, 2.25])) == 0.25


def test_uniforms_are_uniform_and_gaussians_gaussian() -> None:
    uniform = arithmetic.uniforms(5, 100_000)
    assert 0 <= uniform.min() < 1e-3
    assert 1 - 1e-3 < uniform.max() < 1
    assert uniform.mean() == pytest.approx(0.5, abs=0.005)
    gaussian = arithmetic.gaussians(6, 200_000)
    assert gaussian.mean() == pytest.approx(0, abs=0.01)
    assert gaussian.std() == pytest.approx(1, abs=0.01)
    assert np.mean(gaussian**4) == pytest.approx(3, abs=0.1)
    assert abs(np.corrcoef(gaussian, arithmetic.gaussians(7, 200_000))[0, 1]) < 0.01


def test_rounding_refuses_to_clip() -> None:
    with pytest.raises(OverflowError, match="exceeds 16 bits"):
        arithmetic.to_int16(np.array([40_000.0]))
