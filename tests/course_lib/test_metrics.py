"""SNR, SI-SDR, BSS Eval and permutations: ground truth, invariances, peers, silence, refusals."""

from __future__ import annotations

import itertools
import warnings

import mir_eval
import numpy as np
import pytest
import scipy.signal

from course_lib import data
from course_lib.metrics import BSSEval, best_permutation, bss_eval, decompose, si_sdr, si_sdr_improvement, snr
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


def test_where_snr_and_si_sdr_coincide():
    """With ŝ = αs + r, r orthogonal to s: at α = 1, and where SI-SDR is (1 + α)/(1 − α)."""
    s, r = np.array([1.0, 1, -1, -1]), np.array([1.0, -1, 1, -1])
    assert snr(s, s + 0.3 * r) == pytest.approx(si_sdr(s, s + 0.3 * r))
    alpha = 0.6
    by_chance = alpha * s + alpha * np.sqrt((1 - alpha) / (1 + alpha)) * r
    assert si_sdr(s, by_chance) == pytest.approx(10 * np.log10((1 + alpha) / (1 - alpha)))
    assert snr(s, by_chance) == pytest.approx(si_sdr(s, by_chance))
    assert abs(snr(s, 0.6 * s + 0.1 * r) - si_sdr(s, 0.6 * s + 0.1 * r)) > 5


def test_improvement_is_the_difference(rng):
    s, noise = rng.standard_normal((2, 3, 500))
    mixture = s.sum(axis=0)
    gained = si_sdr_improvement(s, s + 0.1 * noise, mixture)
    assert gained == pytest.approx([si_sdr(a, a + 0.1 * b) - si_sdr(a, mixture) for a, b in zip(s, noise, strict=True)])
    assert si_sdr_improvement(s, s + 0.1 * noise, np.stack([mixture] * 3)) == pytest.approx(gained)
    assert isinstance(si_sdr_improvement(s[0], noise[0], mixture), float)
    assert si_sdr_improvement(s[0], mixture, mixture) == 0
    unequal = si_sdr_improvement(s[0] + 9, s[0] + noise[0], mixture, zero_mean=False)
    assert unequal == pytest.approx(
        si_sdr(s[0] + 9, s[0] + noise[0], zero_mean=False) - si_sdr(s[0] + 9, mixture, zero_mean=False)
    )


def test_improvement_of_what_is_perfect_already():
    s = np.array([1.0, -1.0, 1.0, -1.0])
    assert si_sdr_improvement(s, s, s) == 0
    assert si_sdr_improvement(s, s, [1.0, 0.0, 0.0, 0.0]) == np.inf
    assert si_sdr_improvement(s, [1.0, 1.0, -1.0, -1.0], s) == -np.inf
    assert si_sdr_improvement(s, [1.0, 1.0, -1.0, -1.0], [1.0, 1.0, -1.0, -1.0]) == 0


@pytest.mark.parametrize(
    ("mixture", "message"),
    [
        (np.zeros(9), "mixture is silent"),
        (np.ones(9), "mixture is constant"),
        (np.stack([np.arange(9), np.zeros(9)]), r"mixture\[1\] is silent"),
        (np.arange(8), r"mixture: .*\(2, 9\), or one mixture for all, \(9,\)"),
        (np.ones((1, 9)), "mixture"),
        (np.full(9, np.nan), "mixture: .*NaN"),
    ],
)
def test_improvement_names_the_mixture(rng, mixture, message):
    with pytest.raises(ValueError, match=message):
        si_sdr_improvement(*rng.standard_normal((2, 2, 9)), mixture)


# Sources that share no lag of 0 … 15: a pulse train each, shifted, so that powers can be counted on fingers.
def pulses(*positions: int) -> np.ndarray:
    x = np.zeros(400)
    x[list(positions)] = 1.0
    return x


def test_bss_eval_counts_what_was_mixed_in():
    s = np.stack([pulses(0), pulses(100), pulses(200)])
    h = np.array([0.0, 1.0, 0.0, 0.5])
    target = np.convolve(s[0], h)[:400]
    interference = 0.2 * np.roll(s[1], 7) - 0.1 * s[2]
    artefacts = 0.3 * pulses(300, 350)
    t, i, a = 1.25, 0.05, 0.18
    measured = bss_eval(s, [target + interference + artefacts, s[1], s[2]], filter_length=16, permute=False)
    assert measured.sdr[0] == pytest.approx(10 * np.log10(t / (i + a)))
    assert measured.sir[0] == pytest.approx(10 * np.log10(t / i))
    assert measured.sar[0] == pytest.approx(10 * np.log10((t + i) / a))
    parts = decompose(s, target + interference + artefacts, filter_length=16)
    for part, expected in zip(
        (parts.target, parts.interference, parts.artefacts), (target, interference, artefacts), strict=True
    ):
        np.testing.assert_allclose(part, np.pad(expected, (0, 15)), atol=1e-14)


@pytest.mark.parametrize(("delay", "is_forgiven"), [(0, True), (15, True), (16, False), (-1, False)])
def test_a_filter_forgives_delays_up_to_its_length_and_no_advance(delay, is_forgiven):
    s = pulses(50)[None]
    sdr = bss_eval(s, np.roll(s, delay), filter_length=16).sdr[0]
    assert sdr > 200 if is_forgiven else sdr < -200


@pytest.mark.parametrize("filter_length", [1, 2, 37])
def test_the_definition_by_least_squares(rng, filter_length):
    """Projections by a general solver on the delayed references written out as columns."""
    s = rng.standard_normal((3, 400))
    e = rng.standard_normal((3, 3)) @ s + 0.3 * rng.standard_normal((3, 400))
    padded = np.pad(s, ((0, 0), (0, filter_length - 1)))
    delayed = [np.stack([np.roll(x, p) for p in range(filter_length)], axis=1) for x in padded]

    def project(columns: np.ndarray, x: np.ndarray) -> np.ndarray:
        return columns @ np.linalg.lstsq(columns, x, rcond=None)[0]

    measured = bss_eval(s, e, filter_length=filter_length, permute=False)
    for j in range(3):
        x = np.pad(e[j], (0, filter_length - 1))
        t = project(delayed[j], x)
        i = project(np.hstack(delayed), x) - t
        a = x - t - i
        powers = [np.sum(part**2) for part in (t, i + a, i, t + i, a)]
        assert measured.sdr[j] == pytest.approx(10 * np.log10(powers[0] / powers[1]))
        assert measured.sir[j] == pytest.approx(10 * np.log10(powers[0] / powers[2]))
        assert measured.sar[j] == pytest.approx(10 * np.log10(powers[3] / powers[4]))
        parts = decompose(s, e[j], reference_index=j, filter_length=filter_length)
        np.testing.assert_allclose(parts.target, t, atol=1e-11)
        np.testing.assert_allclose(parts.interference, i, atol=1e-11)
        np.testing.assert_allclose(parts.artefacts, a, atol=1e-11)


def test_sdr_with_one_tap_is_si_sdr_and_with_more_is_more(rng):
    s, noise = rng.standard_normal((2, 2, 500)) + 0.2
    e = 3 * (s + noise)
    plain = bss_eval(s, e, filter_length=1, permute=False)
    assert plain.sdr == pytest.approx(si_sdr(s, e, zero_mean=False))
    assert (np.abs(plain.sdr - si_sdr(s, e)) > 0.01).all()
    assert (np.abs(plain.sdr - snr(s, e)) > 1).all()
    longer = [bss_eval(s, e, filter_length=n, permute=False).sdr for n in (1, 2, 8, 64)]
    assert (np.diff(longer, axis=0) > 0).all()


def assert_energies_add_up(measured: BSSEval) -> None:
    sdr, sir, sar = (10 ** (-ratio / 10) for ratio in (measured.sdr, measured.sir, measured.sar))
    np.testing.assert_allclose(1 + sdr, (1 + sir) * (1 + sar), rtol=1e-9)


def mir_eval_of(s: np.ndarray, e: np.ndarray, permute: bool = True) -> tuple[np.ndarray, ...]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="(?s).*bss_eval_sources", category=FutureWarning)
        return mir_eval.separation.bss_eval_sources(s, e, compute_permutation=permute)


def assert_agrees_with_mir_eval(s: np.ndarray, e: np.ndarray, permute: bool = True) -> None:
    measured, peer = bss_eval(s, e, permute=permute), mir_eval_of(s, e, permute)
    np.testing.assert_allclose(measured.sdr, peer[0], atol=0.01)
    np.testing.assert_allclose(measured.sir, peer[1], atol=0.01)
    np.testing.assert_allclose(measured.sar, peer[2], atol=0.01)
    np.testing.assert_array_equal(measured.permutation, peer[3])
    assert_energies_add_up(measured)


# mir_eval solves two systems of equations for every pair: its permutation is asked for where pairs are few.
@pytest.mark.parametrize(("n_samples", "error"), [(1700, 0.5), (9001, 1e-2), (5000, 1e-4)])
@pytest.mark.parametrize("n_sources", [1, 2, 3])
def test_bss_eval_agrees_with_mir_eval_on_noise(n_sources, n_samples, error):
    rng = np.random.default_rng(n_samples + n_sources)
    s, noise = rng.standard_normal((2, n_sources, n_samples))
    e = s + error * (rng.standard_normal((n_sources, n_sources)) @ s + noise)
    if n_sources < 3:
        assert_agrees_with_mir_eval(s, rng.permutation(e))
    else:
        assert_agrees_with_mir_eval(s, e, permute=False)


@pytest.mark.parametrize("n_sources", [2, 4])
def test_bss_eval_agrees_with_mir_eval_on_speech_in_a_room(n_sources):
    s = np.stack([data.speech_clip(talker, 1.5) for talker in range(n_sources)])
    h = data.room(data.room_names()[1]).impulse_response[:1]
    mixed = scipy.signal.fftconvolve(np.roll(s, 1, axis=0) + 2 * s, h, axes=-1)[:, : s.shape[-1]]
    assert_agrees_with_mir_eval(s, mixed, permute=n_sources < 4)


def test_bss_eval_agrees_with_mir_eval_on_music(rng):
    s = np.stack([data.music_clip(stem, 1.0) for stem in ("bass", "chords")])
    e = s[::-1] + 0.3 * s + 1e-3 * rng.standard_normal(s.shape)
    assert_agrees_with_mir_eval(s, e)


def test_bss_eval_of_float32_and_whole_numbers(rng):
    s = np.round(1000 * rng.standard_normal((2, 3000)))
    e = np.round(s + 100 * rng.standard_normal((2, 3000)))
    expected = bss_eval(s, e)
    for dtype in (np.float32, np.int16):
        np.testing.assert_allclose(bss_eval(s.astype(dtype), e.astype(dtype)).sdr, expected.sdr, rtol=1e-9)
    assert expected.sdr.dtype == np.float64


def test_bss_eval_ignores_order_and_scale(rng):
    s, noise = rng.standard_normal((2, 3, 2000))
    e = rng.standard_normal((3, 3)) @ s + noise
    expected = bss_eval(s, e, filter_length=64)
    for order in itertools.permutations(range(3)):
        scaled = e[list(order)] * np.array([[1e-150], [-3.0], [1e150]])
        measured = bss_eval(1e-3 * s, scaled, filter_length=64)
        np.testing.assert_allclose(measured.sdr, expected.sdr, rtol=1e-6)
        np.testing.assert_allclose(measured.sir, expected.sir, rtol=1e-6)
        np.testing.assert_allclose(measured.sar, expected.sar, rtol=1e-6)
        np.testing.assert_array_equal(np.array(order)[measured.permutation], expected.permutation)
        unsorted = bss_eval(s, e[list(order)][measured.permutation], filter_length=64, permute=False)
        np.testing.assert_array_equal(unsorted.permutation, [0, 1, 2])
        np.testing.assert_allclose(unsorted.sir, expected.sir, rtol=1e-6)


@pytest.mark.parametrize(
    "clip", [lambda j: data.speech_clip(j, 1.0), lambda j: data.music_clip(("bass", "chords")[j], 1.0)]
)
def test_a_filtered_source_is_perfect(rng, clip):
    s = np.stack([clip(0), clip(1)])
    h = rng.standard_normal((2, 512))
    filtered = scipy.signal.fftconvolve(s, h, axes=-1)
    padded = np.pad(s, ((0, 0), (0, 511)))
    measured = bss_eval(padded, filtered[::-1])
    np.testing.assert_array_equal(measured.permutation, [1, 0])
    assert min(measured.sdr.min(), measured.sir.min(), measured.sar.min()) > 270
    assert bss_eval(padded, filtered[::-1], filter_length=511).sdr.max() < 150
    assert si_sdr(padded, filtered).max() < 10


def test_a_perfect_estimate_is_perfect(rng):
    n = np.arange(3000)
    tones = np.stack([np.sin(0.3 * n), np.sin(0.7 * n)]) * np.hanning(3000)
    for s in (rng.standard_normal((2, 3000)), np.stack([data.speech_clip(talker, 0.5) for talker in range(2)]), tones):
        for e in (s, -7 * s, s[::-1]):
            measured = bss_eval(s, e)
            assert min(measured.sdr.min(), measured.sir.min(), measured.sar.min()) > 300


def test_errors_far_below_the_estimate_are_still_measured(rng):
    """An artefact at −150 dB, of which a difference of energies would see nothing."""
    s = np.zeros((2, 3000))
    s[:, :1000] = rng.standard_normal((2, 1000))
    artefact = np.zeros(3000)
    artefact[2000] = np.sqrt(np.sum(s[0] ** 2)) * 10 ** (-150 / 20)
    measured = bss_eval(s, np.stack([s[0] + artefact, s[1]]), filter_length=64)
    assert measured.sar[0] == pytest.approx(150, abs=0.01)
    assert measured.sdr[0] == pytest.approx(150, abs=0.01)


def test_references_that_depend_on_each_other(rng):
    """A copy adds nothing to the span, and neither do delays of a sound that lacks most of the band."""
    s, noise = rng.standard_normal((2, 2, 4000))
    e = s[0] + 0.1 * noise[0]
    copies = bss_eval(np.stack([s[0], -2 * s[0]]), np.stack([e, e]), filter_length=64)
    alone = bss_eval(s[:1], e[None], filter_length=64)
    np.testing.assert_allclose(copies.sar, alone.sar[0], rtol=1e-9)
    np.testing.assert_allclose(copies.sdr, alone.sdr[0], rtol=1e-9)
    assert (copies.sir > 100).all()

    n = np.arange(4000)
    tones = np.stack([np.sin(0.3 * n), np.sin(0.7 * n)]) * np.hanning(4000)
    measured = bss_eval(tones, tones + 0.5 * tones[::-1] + 0.01 * noise)
    np.testing.assert_allclose(measured.sir, 20 * np.log10(2), atol=0.1)
    np.testing.assert_allclose(measured.sar, 36.7, atol=3)
    assert_energies_add_up(measured)


def test_filters_longer_than_the_signals(rng):
    s, e = rng.standard_normal((2, 2, 100))
    measured = bss_eval(s, e)
    assert np.isfinite(np.stack([measured.sdr, measured.sir])).all()
    assert (measured.sar > 100).all()
    # One sample is a multiple of any other.
    assert (bss_eval(s[:, :1], e[:, :1], filter_length=1).sdr > 200).all()


def test_a_single_source_has_no_interference(rng):
    s, noise = rng.standard_normal((2, 1, 1000))
    measured = bss_eval(s, s + noise, filter_length=8)
    assert measured.sir == np.inf
    assert measured.sdr == measured.sar
    assert not decompose(s, (s + noise)[0], filter_length=8).interference.any()


def test_silent_estimates_are_minus_infinity(rng):
    s = rng.standard_normal((3, 1000))
    measured = bss_eval(s, np.stack([s[2], np.zeros(1000), s[0]]), filter_length=8)
    np.testing.assert_array_equal(measured.permutation, [2, 1, 0])
    for ratio in (measured.sdr, measured.sir, measured.sar):
        assert ratio[1] == -np.inf
        assert min(ratio[0], ratio[2]) > 200
    every = bss_eval(s, np.zeros((3, 1000)), filter_length=8)
    assert (np.stack([every.sdr, every.sir, every.sar]) == -np.inf).all()
    parts = decompose(s, np.zeros(1000), filter_length=8)
    assert not np.stack([parts.target, parts.interference, parts.artefacts]).any()


def test_an_estimate_with_nothing_of_the_source():
    s = np.stack([pulses(0), pulses(100)])
    measured = bss_eval(s, np.stack([s[1], pulses(300)]), filter_length=8, permute=False)
    assert (measured.sdr < -200).all()
    assert (measured.sir < -200).all()
    assert measured.sar[0] > 200
    assert measured.sar[1] < -200


def test_the_parts_add_up_and_are_orthogonal(rng):
    s = rng.standard_normal((2, 1500))
    e = 1e-5 * (s[0] + 0.3 * s[1] + rng.standard_normal(1500))
    parts = decompose(s, e, reference_index=1, filter_length=32)
    total = parts.target + parts.interference + parts.artefacts
    np.testing.assert_allclose(total, np.pad(e, (0, 31)), atol=1e-19)
    three = np.stack([parts.target, parts.interference, parts.artefacts])
    gram = three @ three.T
    np.testing.assert_allclose(gram, np.diag(np.diag(gram)), atol=1e-12 * gram.max())


@pytest.mark.parametrize(
    ("references", "estimates", "keywords", "message"),
    [
        (np.stack([np.ones(9), np.zeros(9)]), np.ones((2, 9)), {}, r"references\[1\] is silent"),
        (np.ones((2, 9)), np.ones((2, 8)), {}, "estimates: .*shape of the references"),
        (np.ones((2, 9)), np.ones((3, 9)), {}, "one estimate for each reference"),
        (np.ones(9), np.ones(9), {}, "references: .*2 axes"),
        (np.ones((2, 0)), np.ones((2, 0)), {}, "at least one sample"),
        (np.full((1, 9), np.nan), np.ones((1, 9)), {}, "references: .*NaN"),
        (np.ones((1, 9)), np.full((1, 9), np.inf), {}, "estimates: .*infinite"),
        (np.ones((1, 9)), np.full((1, 9), 1j), {}, "estimates: .*real"),
        (np.ones((1, 9)), np.ones((1, 9)), {"filter_length": 0}, "filter_length"),
        (np.ones((1, 9)), np.ones((1, 9)), {"filter_length": 2.0}, "filter_length"),
    ],
)
def test_bss_eval_refuses(references, estimates, keywords, message):
    with pytest.raises(ValueError, match=message):
        bss_eval(references, estimates, **keywords)


def test_bss_eval_names_silence_as_such():
    with pytest.raises(SilentSignalError):
        bss_eval(np.zeros((1, 9)), np.ones((1, 9)))
    with pytest.raises(SilentSignalError, match=r"references\[0\]"):
        decompose(np.zeros((1, 9)), np.ones(9))


@pytest.mark.parametrize(
    ("estimate", "keywords", "message"),
    [
        (np.ones(8), {}, "Cut all to the same samples"),
        (np.ones(9), {"reference_index": 2}, "a number below n_sources"),
        (np.ones(9), {"reference_index": -1}, "reference_index"),
        (np.ones(9), {"filter_length": 0}, "filter_length"),
        (np.ones((1, 9)), {}, "estimate: .*1 axis"),
    ],
)
def test_decompose_refuses(estimate, keywords, message):
    with pytest.raises(ValueError, match=message):
        decompose(np.ones((2, 9)), estimate, **keywords)


@pytest.mark.parametrize(("n_references", "n_estimates"), [(1, 1), (2, 2), (4, 4), (3, 5)])
def test_the_best_permutation_is_the_best_of_all(rng, n_references, n_estimates):
    for scale in (1e-6, 1.0, 1e6):
        scores = scale * rng.standard_normal((n_references, n_estimates)) - scale
        best = max(
            itertools.permutations(range(n_estimates), n_references),
            key=lambda order: scores[range(n_references), order].sum(),
        )
        np.testing.assert_array_equal(best_permutation(scores), best)


def test_best_permutation_of_infinite_scores():
    inf = np.inf
    np.testing.assert_array_equal(best_permutation([[1.0, inf], [-50.0, 90.0]]), [1, 0])
    np.testing.assert_array_equal(best_permutation([[-inf, -1e9], [-1e9, 1e9]]), [1, 0])
    np.testing.assert_array_equal(best_permutation([[-inf, -inf, 3], [0, 1, 2], [5, 4, 3]]), [2, 1, 0])
    np.testing.assert_array_equal(best_permutation([[-inf, inf], [inf, -inf]]), [1, 0])
    assert sorted(best_permutation(np.full((3, 3), -inf))) == [0, 1, 2]
    assert sorted(best_permutation(np.full((2, 2), inf))) == [0, 1]


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        (np.zeros((3, 2)), "at least as many estimates"),
        (np.zeros(3), "scores"),
        (np.zeros((0, 0)), "scores"),
        ([[0.0, np.nan], [0.0, 0.0]], "1 of 4 are NaN"),
    ],
)
def test_best_permutation_refuses(scores, message):
    with pytest.raises(ValueError, match=message):
        best_permutation(scores)
