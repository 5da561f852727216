"""Masks: exact identities, the order of the oracles, silence, extreme levels, refusals."""

from __future__ import annotations

import numpy as np
import pytest

from course_lib.masks import apply_mask, ideal_binary_mask, ideal_ratio_mask, phase_sensitive_mask, wiener_masks
from course_lib.metrics import si_sdr
from course_lib.stft import istft, stft


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(11)


def complex_normal(rng, *shape, dtype=np.complex128):
    return (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(dtype)


@pytest.fixture
def pair(rng):
    """Two spectrograms of different level from cell to cell, with silence in one, in the other, and in both."""
    S, N = complex_normal(rng, 2, 9, 14) * 10 ** rng.uniform(-2, 2, (2, 9, 14))
    S[:, 3:6] = 0
    N[:, 5:8] = 0
    return S, N


# --- ideal masks -------------------------------------------------------------------------------------------------


def test_ideal_masks_by_hand():
    S, N = np.array([[3.0, 1.0j, 0.0, 2.0, 0.0]]), np.array([[1.0, 3.0, 1.0, 0.0, 0.0]])
    np.testing.assert_array_equal(ideal_binary_mask(S, N), [[1, 0, 0, 1, 0]])
    np.testing.assert_allclose(ideal_ratio_mask(S, N), [[0.75, 0.25, 0, 1, 0]])
    np.testing.assert_allclose(ideal_ratio_mask(S, N, exponent=2), [[0.9, 0.1, 0, 1, 0]])


def test_swapped_masks_add_up_to_one_where_something_sounds(pair):
    S, N = pair
    heard = (np.abs(S) + np.abs(N) > 0).astype(float)
    np.testing.assert_array_equal(ideal_binary_mask(S, N) + ideal_binary_mask(N, S), heard)
    for exponent in (1, 2):
        masks = ideal_ratio_mask(S, N, exponent=exponent), ideal_ratio_mask(N, S, exponent=exponent)
        np.testing.assert_allclose(sum(masks), heard, rtol=1e-15)


def test_a_tie_belongs_to_neither():
    S = np.array([[2.0, -2.0, 2.0j]])
    np.testing.assert_array_equal(ideal_binary_mask(S, 2 * np.ones((1, 3))), np.zeros((1, 3)))
    np.testing.assert_allclose(ideal_ratio_mask(S, 2 * np.ones((1, 3))), 0.5)


def test_binary_mask_is_the_ratio_mask_rounded(pair):
    S, N = pair
    for exponent in (1, 2):
        np.testing.assert_array_equal(ideal_binary_mask(S, N), ideal_ratio_mask(S, N, exponent=exponent) > 0.5)


@pytest.mark.parametrize("threshold_db", [-6.0, 0.0, 10.0])
def test_threshold_of_the_binary_mask(threshold_db):
    levels_db = np.array([[-20.0, -6.1, -5.9, -0.1, 0.1, 9.9, 10.1]])
    mask = ideal_binary_mask(10 ** (levels_db / 20), np.ones_like(levels_db), threshold_db=threshold_db)
    np.testing.assert_array_equal(mask, levels_db > threshold_db)


def test_power_ratio_mask_is_the_wiener_mask_of_known_powers(pair):
    S, N = pair
    heard = np.abs(S) + np.abs(N) > 0
    wiener = wiener_masks(np.abs(np.stack([S, N])) ** 2)
    np.testing.assert_allclose(ideal_ratio_mask(S, N, exponent=2)[heard], wiener[0][heard])


# --- phase-sensitive mask ----------------------------------------------------------------------------------------


def test_phase_sensitive_mask_of_what_is_in_phase_is_the_ratio_of_magnitudes(rng):
    X, gains = complex_normal(rng, 5, 7), rng.random((5, 7))
    np.testing.assert_allclose(phase_sensitive_mask(gains * X, X), gains)
    np.testing.assert_allclose(phase_sensitive_mask(3 * gains * X, X, truncate=False), 3 * gains)
    np.testing.assert_allclose(phase_sensitive_mask(3 * gains * X, X), np.minimum(3 * gains, 1))


@pytest.mark.parametrize(("angle", "cosine"), [(0, 1.0), (60, 0.5), (90, 0.0), (120, -0.5), (180, -1.0)])
def test_phase_sensitive_mask_sees_the_angle(rng, angle, cosine):
    X = complex_normal(rng, 5, 7)
    S = 0.8 * X * np.exp(1j * np.deg2rad(angle))
    np.testing.assert_allclose(phase_sensitive_mask(S, X, truncate=False), np.full((5, 7), 0.8 * cosine), atol=1e-15)
    np.testing.assert_allclose(phase_sensitive_mask(S, X), np.full((5, 7), max(0.0, 0.8 * cosine)), atol=1e-15)


def test_phase_sensitive_mask_is_the_best_real_one(pair):
    S, N = pair
    X = S + N
    best = phase_sensitive_mask(S, X, truncate=False)
    truncated = phase_sensitive_mask(S, X)
    error = np.abs(S - best * X) ** 2
    for other in (best + 1e-3, best - 1e-3, ideal_ratio_mask(S, N), ideal_binary_mask(S, N)):
        assert np.all(error <= np.abs(S - other * X) ** 2 + 1e-12)
    clipped_error = np.abs(S - truncated * X) ** 2
    for other in np.linspace(0, 1, 21):
        assert np.all(clipped_error <= np.abs(S - other * X) ** 2 + 1e-12)


def test_real_spectrograms_have_a_sign_for_a_phase():
    mask = phase_sensitive_mask(np.array([[1.0, -1.0]]), np.array([[2.0, 2.0]]), truncate=False)
    np.testing.assert_allclose(mask, [[0.5, -0.5]])


# --- Wiener masks ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_sources", [1, 2, 5])
def test_wiener_masks_sum_to_one(rng, n_sources):
    powers = 10 ** rng.uniform(-12, 12, (n_sources, 9, 14))
    powers[0, :, 2] = 0
    powers[:, 4] = 0
    masks = wiener_masks(powers)
    np.testing.assert_allclose(masks.sum(axis=0), 1, rtol=1e-14)
    np.testing.assert_allclose(masks[:, 4], 1 / n_sources)
    if n_sources > 1:
        np.testing.assert_array_equal(masks[0, :4, 2], 0)
    X = complex_normal(rng, 9, 14)
    np.testing.assert_allclose(apply_mask(masks, X).sum(axis=0), X, rtol=1e-13)


# --- applying ----------------------------------------------------------------------------------------------------


def test_applying_one_changes_nothing_and_zero_silences(rng):
    X = complex_normal(rng, 2, 9, 14)
    np.testing.assert_array_equal(apply_mask(np.ones((9, 14)), X), X)
    np.testing.assert_array_equal(apply_mask(np.ones((9, 14), dtype=bool), X), X)
    np.testing.assert_array_equal(apply_mask(np.zeros((9, 14)), X), 0 * X)


def test_one_mask_a_source_gives_one_output_a_source(rng):
    masks, X = rng.random((3, 9, 14)), complex_normal(rng, 2, 9, 14)
    np.testing.assert_array_equal(apply_mask(masks, X[0])[1], masks[1] * X[0])
    assert apply_mask(masks[:, None], X).shape == (3, 2, 9, 14)


@pytest.mark.parametrize(("dtype", "expected"), [(np.complex64, np.complex64), (np.complex128, np.complex128)])
def test_precision_of_the_spectrogram_is_kept(rng, dtype, expected):
    S, N = complex_normal(rng, 2, 4, 5, dtype=dtype)
    real = np.zeros(0, dtype).real.dtype
    assert apply_mask(rng.random((4, 5)), S).dtype == expected
    for mask in (ideal_binary_mask(S, N), ideal_ratio_mask(S, N), phase_sensitive_mask(S, N)):
        assert mask.dtype == real
    assert wiener_masks(np.abs(np.stack([S, N]))).dtype == real


def test_oracles_rank_as_theory_says(rng):
    """Two sounds with structure: all oracles lie far above the mixture, and the phase-sensitive one above the rest."""
    n_samples = 16000
    envelopes = np.repeat(rng.random((2, 40)) < 0.5, n_samples // 40, axis=1) + 0.05
    carriers = np.stack([np.sin(2 * np.pi * np.arange(n_samples) * f) for f in (0.011, 0.029)])
    s, n = envelopes * (carriers + 0.3 * rng.standard_normal((2, n_samples)))
    S, N = stft(s), stft(n)
    X = S + N
    masks = {
        "binary": ideal_binary_mask(S, N),
        "ratio": ideal_ratio_mask(S, N),
        "Wiener": ideal_ratio_mask(S, N, exponent=2),
        "phase-sensitive": phase_sensitive_mask(S, X),
        "phase-sensitive, not truncated": phase_sensitive_mask(S, X, truncate=False),
    }
    scores = {name: si_sdr(s, istft(apply_mask(mask, X), n_samples=n_samples)) for name, mask in masks.items()}
    mixture = si_sdr(s, s + n)
    assert min(scores.values()) > mixture + 5
    assert scores["phase-sensitive"] > max(scores["binary"], scores["ratio"], scores["Wiener"])
    assert scores["phase-sensitive, not truncated"] > scores["phase-sensitive"]
    assert scores["Wiener"] > scores["ratio"]


# --- silence and extremes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.complex128])
def test_silence_has_stated_answers(dtype):
    zero = np.zeros((3, 4), dtype)
    for mask in (ideal_binary_mask(zero, zero), ideal_ratio_mask(zero, zero), phase_sensitive_mask(zero, zero)):
        np.testing.assert_array_equal(mask, np.zeros((3, 4)))
    np.testing.assert_array_equal(phase_sensitive_mask(zero + 1, zero), np.zeros((3, 4)))
    np.testing.assert_array_equal(wiener_masks(np.zeros((4, 3, 4))), np.full((4, 3, 4), 0.25))


@pytest.mark.parametrize("scale", [1e-300, 1e-200, 1e-6, 1e6, 1e200, 1e300])
def test_level_does_not_matter(pair, scale):
    S, N = (part.real for part in pair) if scale in (1e-300, 1e300) else pair
    for mask in (
        ideal_binary_mask,
        ideal_ratio_mask,
        lambda S, N: ideal_ratio_mask(S, N, exponent=2),
        lambda S, N: phase_sensitive_mask(S, S + N),
        lambda S, N: wiener_masks(np.abs(np.stack([S, N]))),
    ):
        np.testing.assert_allclose(mask(scale * S, scale * N), mask(S, N), rtol=1e-9, atol=1e-12)


def test_huge_ratios_stay_finite():
    S, X = np.full((1, 1), 1e300), np.full((1, 1), 1e-300)
    assert phase_sensitive_mask(S, X) == 1
    assert np.isfinite(phase_sensitive_mask(S, X, truncate=False))
    assert ideal_ratio_mask(X, S) == 0
    assert ideal_binary_mask(X, S) == 0


def test_inputs_stay_as_they_are(pair):
    S, N = pair
    copies = S.copy(), N.copy()
    powers = np.abs(np.stack([S, N]))
    ideal_binary_mask(S, N), ideal_ratio_mask(S, N), phase_sensitive_mask(S, N), wiener_masks(powers), apply_mask(S, N)
    np.testing.assert_array_equal(S, copies[0])
    np.testing.assert_array_equal(N, copies[1])
    np.testing.assert_array_equal(powers, np.abs(np.stack([S, N])))


def test_leading_axes_broadcast(rng):
    S, N = complex_normal(rng, 3, 2, 5, 6), complex_normal(rng, 5, 6)
    for mask in (ideal_binary_mask, ideal_ratio_mask, phase_sensitive_mask):
        assert mask(S, N).shape == mask(N, S).shape == (3, 2, 5, 6)
        np.testing.assert_array_equal(mask(S, N)[1, 1], mask(S[1, 1], N))


# --- refusals ----------------------------------------------------------------------------------------------------

X23 = np.ones((2, 3), dtype=complex)


@pytest.mark.parametrize(
    ("function", "arguments", "options", "message"),
    [
        (ideal_binary_mask, (X23, np.ones((3, 2))), {}, r"interference: .*target's shape \(2, 3\).*one STFT"),
        (ideal_binary_mask, (X23, np.ones((1, 3))), {}, "interference: .*same n_freqs"),
        (ideal_binary_mask, (X23, X23), {"threshold_db": np.nan}, "threshold_db: .*finite level"),
        (ideal_ratio_mask, (np.ones((2, 2, 3)), np.ones((4, 2, 3))), {}, "interference: .*broadcast"),
        (
            ideal_ratio_mask,
            (X23, X23),
            {"exponent": 3},
            r"exponent: got int 3, expected 1 \(magnitude\) or 2 \(power\)",
        ),
        (ideal_ratio_mask, (np.ones(3), np.ones(3)), {}, r"target: .*\(\.\.\., n_freqs, n_frames\)"),
        (phase_sensitive_mask, (X23, np.ones((2, 4))), {}, "mixture: .*target's shape"),
        (phase_sensitive_mask, (np.nan * X23, X23), {}, "target: .*NaN"),
        (phase_sensitive_mask, (X23, np.zeros((2, 0))), {}, "mixture: .*at least one"),
        (wiener_masks, (-np.ones((2, 3, 4)),), {}, r"powers: the smallest is -1, .*np\.abs\(X\)"),
        (wiener_masks, (np.ones((3, 4)),), {}, r"powers: .*\(n_sources, n_freqs, n_frames\)"),
        (wiener_masks, (np.ones((2, 3, 4), dtype=complex),), {}, "powers: .*real"),
        (apply_mask, (np.ones((2, 4)), X23), {}, "X: .*mask's shape"),
        (apply_mask, (np.full((2, 3), np.inf), X23), {}, "mask: .*infinite"),
        (apply_mask, (np.ones(3), X23), {}, "mask: .*n_freqs, n_frames"),
    ],
)
def test_refuses(function, arguments, options, message):
    with pytest.raises(ValueError, match=message):
        function(*arguments, **options)
