"""Localisation: delays and directions that are known, in free field, noise and rooms."""

from __future__ import annotations

import numpy as np
import pytest

from course_lib import beamforming as bf
from course_lib.data import noise, speech_clip
from course_lib.scenes import array_scene
from course_lib.stft import bin_frequencies, stft

RATE = 16_000
CIRCLE = bf.circular_array(4, 0.05)
FRAME = 512
FREQUENCIES = bin_frequencies(FRAME, RATE)
GRID = np.arange(0.0, 360.0, 2.0)
N = 8_000


def plane_waves(azimuths: list[float], rng: np.random.Generator, snr_db: float = np.inf) -> np.ndarray:
    """Record noise sources of the far field, their delays exact on a circle of N samples."""
    spectra = np.fft.rfft(rng.standard_normal((len(azimuths), N)))
    d = bf.steering_vector(CIRCLE, bin_frequencies(N, RATE), azimuths)
    signals = np.fft.irfft(np.einsum("sk,skc->ck", spectra, d), N)
    return signals + 10 ** (-snr_db / 20) * signals.std() * rng.standard_normal(signals.shape)


def angle_between(a: float, b: float) -> float:
    return abs((a - b + 180) % 360 - 180)


# --- GCC-PHAT -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("delay", [0, 1, -7, 250])
@pytest.mark.parametrize("n", [3_999, 4_000])
def test_whole_delays(delay: int, n: int) -> None:
    x = np.random.default_rng(1).standard_normal(n + 600)
    a, b = x[300 : 300 + n], x[300 - delay : 300 - delay + n]
    gcc = bf.gcc_phat(a, b, sample_rate=RATE, max_delay_s=300 / RATE)
    assert gcc.delay_s * RATE == pytest.approx(delay, abs=0.02)
    assert gcc.lags_s[np.argmax(gcc.correlation)] * RATE == pytest.approx(delay)
    everywhere = bf.gcc_phat(a, b, sample_rate=RATE)
    assert everywhere.delay_s * RATE == pytest.approx(delay, abs=0.02)
    assert len(everywhere.lags_s) == len(everywhere.correlation) == 2 * n - 1


@pytest.mark.parametrize("delay", [0.5, 2.37, -4.81])
def test_fractions_of_a_sample(delay: float) -> None:
    x = np.random.default_rng(2).standard_normal(N)
    shift = np.exp(-2j * np.pi * np.fft.rfftfreq(N) * delay)
    later = np.fft.irfft(np.fft.rfft(x) * shift, N)
    assert bf.gcc_phat(x, later, sample_rate=RATE).delay_s * RATE == pytest.approx(delay, abs=0.005)
    assert bf.gcc_phat(later, x, sample_rate=RATE).delay_s * RATE == pytest.approx(-delay, abs=0.005)


def test_the_same_channel_has_the_correlation_of_an_impulse() -> None:
    x = np.random.default_rng(3).standard_normal(1_000)
    gcc = bf.gcc_phat(x, x, sample_rate=RATE)
    np.testing.assert_allclose(gcc.correlation, gcc.lags_s == 0, atol=1e-9)
    assert gcc.delay_s == pytest.approx(0, abs=1e-12)


def test_the_correlation_is_its_definition() -> None:
    rng = np.random.default_rng(4)
    a, b = rng.standard_normal((2, 64))
    gcc = bf.gcc_phat(a, b, sample_rate=1, frequency_range_hz=(0.1, 0.3))
    for n_fft in (127, 128):  # whichever length was taken
        A, B = np.fft.fft(a, n_fft), np.fft.fft(b, n_fft)
        f = np.abs(np.fft.fftfreq(n_fft))
        phase = np.where((f >= 0.1) & (f <= 0.3), B * A.conj() / np.abs(B * A), 0)
        expected = [
            np.mean((phase * np.exp(2j * np.pi * np.fft.fftfreq(n_fft) * lag))[phase != 0]) for lag in gcc.lags_s
        ]
        if np.allclose(gcc.correlation, expected, atol=1e-9):
            break
    else:
        pytest.fail("the correlation is that of no length of DFT")


def test_level_spectrum_and_sign_do_not_matter() -> None:
    rng = np.random.default_rng(5)
    x = np.convolve(rng.standard_normal(4_000), 0.9 ** np.arange(200))  # muffled
    a, b = x[20:4_000], x[15:3_995]
    expected = bf.gcc_phat(a, b, sample_rate=RATE)
    for scale_a, scale_b in ((1e-6, 1.0), (1e6, 1e-6), (1e150, 1e-150)):
        scaled = bf.gcc_phat(scale_a * a, scale_b * b, sample_rate=RATE)
        np.testing.assert_allclose(scaled.correlation, expected.correlation, atol=1e-9)
    assert expected.delay_s * RATE == pytest.approx(5, abs=0.05)


@pytest.mark.parametrize("silent", ["a", "b", "both"])
def test_silence_has_no_delay(silent: str) -> None:
    x = np.random.default_rng(6).standard_normal(100)
    a, b = (np.zeros(100) if silent in (name, "both") else x for name in "ab")
    gcc = bf.gcc_phat(a, b, sample_rate=RATE)
    assert gcc.delay_s == 0
    assert not gcc.correlation.any()


def test_channels_of_one_sample_and_of_other_lengths() -> None:
    assert bf.gcc_phat([1.0], [2.0], sample_rate=RATE).delay_s == 0
    x = np.random.default_rng(7).standard_normal(500)
    assert bf.gcc_phat(x, np.pad(x, (30, 0)), sample_rate=RATE).delay_s * RATE == pytest.approx(30, abs=1e-6)
    assert bf.gcc_phat(np.arange(5), np.arange(9), sample_rate=RATE).correlation.shape == (17,)


# --- SRP-PHAT and MUSIC -------------------------------------------------------------------------------------------

METHODS = {"srp_phat": bf.srp_phat, "music": bf.music}


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("azimuth", [0.7, 91.0, 213.3, 359.5])
def test_a_plane_wave_is_found(name: str, azimuth: float) -> None:
    X = stft(plane_waves([azimuth], np.random.default_rng(8), snr_db=10), frame_length=FRAME)
    (found,) = bf.find_directions(METHODS[name](X, CIRCLE, FREQUENCIES, GRID), GRID)
    assert angle_between(found, azimuth) < 1


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_the_level_does_not_matter(name: str, scale: float) -> None:
    X = stft(plane_waves([30.0], np.random.default_rng(9), snr_db=10), frame_length=FRAME)
    np.testing.assert_allclose(
        METHODS[name](scale * X, CIRCLE, FREQUENCIES, GRID), METHODS[name](X, CIRCLE, FREQUENCIES, GRID), rtol=1e-8
    )


def test_srp_is_one_for_a_plane_wave_in_its_direction() -> None:
    d = bf.steering_vector(CIRCLE, FREQUENCIES, 50.0)
    X = d.T[:, :, None] * np.random.default_rng(10).uniform(0.1, 3, (1, len(FREQUENCIES), 5))
    for whitening in (0.0, 0.7, 1.0):
        power = bf.srp_phat(X, CIRCLE, FREQUENCIES, GRID, whitening=whitening)
        assert power.argmax() == 25
        assert power[25] == pytest.approx(1)
        assert 0 <= power.min() < 0.5


def test_srp_is_the_sum_of_the_correlations_of_all_pairs() -> None:
    rng = np.random.default_rng(11)
    X = rng.standard_normal((4, len(FREQUENCIES), 3)) + 1j * rng.standard_normal((4, len(FREQUENCIES), 3))
    phases = X / np.abs(X)
    total = np.zeros(len(GRID))
    for c in range(4):
        for e in range(4):
            delays = bf.far_field_delays(CIRCLE, GRID)
            turn = np.exp(2j * np.pi * FREQUENCIES * (delays[:, c] - delays[:, e])[:, None])
            total += (turn * (phases[c] * phases[e].conj()).mean(-1)).mean(-1).real
    power = bf.srp_phat(X, CIRCLE, FREQUENCIES, GRID, frequency_range_hz=None)
    np.testing.assert_allclose(power, total / 16, atol=1e-12)


def test_music_parts_what_delay_and_sum_does_not() -> None:
    azimuths = [100.0, 130.0]
    X = stft(plane_waves(azimuths, np.random.default_rng(12), snr_db=30), frame_length=FRAME)
    options = {"frequency_range_hz": (300.0, 2500.0)}
    sharp = bf.music(X, CIRCLE, FREQUENCIES, GRID, n_sources=2, **options)
    found = np.sort(bf.find_directions(sharp, GRID, 2))
    np.testing.assert_allclose(found, azimuths, atol=2)
    blunt = bf.find_directions(bf.srp_phat(X, CIRCLE, FREQUENCIES, GRID, **options), GRID, 2)
    assert len(blunt) < 2 or np.abs(np.sort(blunt) - azimuths).max() > 2


def test_music_of_a_covariance_is_music_of_the_recording() -> None:
    X = stft(plane_waves([77.0], np.random.default_rng(13), snr_db=5), frame_length=FRAME)
    covariance = bf.spatial_covariance(X)
    expected = bf.music(X, CIRCLE, FREQUENCIES, GRID)
    np.testing.assert_array_equal(bf.music(covariance, CIRCLE, FREQUENCIES, GRID), expected)
    assert expected.min() >= 1


def test_frequencies_outside_the_range_and_silent_cells_do_not_count() -> None:
    rng = np.random.default_rng(14)
    X = np.array(stft(plane_waves([200.0], rng, snr_db=20), frame_length=FRAME))
    spoilt = X.copy()
    spoilt[:, FREQUENCIES > 4000] = rng.standard_normal((4, int((FREQUENCIES > 4000).sum()), X.shape[2]))
    for method in METHODS.values():
        options = {"frequency_range_hz": (300.0, 4000.0)}
        clean = method(X, CIRCLE, FREQUENCIES, GRID, **options)
        np.testing.assert_allclose(method(spoilt, CIRCLE, FREQUENCIES, GRID, **options), clean, rtol=1e-9)
        padded = np.concatenate([X, np.zeros((4, len(FREQUENCIES), 9))], axis=2)
        np.testing.assert_allclose(
            method(padded, CIRCLE, FREQUENCIES, GRID), method(X, CIRCLE, FREQUENCIES, GRID), rtol=1e-8
        )


def test_silence_comes_from_nowhere() -> None:
    silence = np.zeros((4, len(FREQUENCIES), 5), dtype=complex)
    assert not bf.srp_phat(silence, CIRCLE, FREQUENCIES, GRID).any()
    np.testing.assert_array_equal(bf.music(silence, CIRCLE, FREQUENCIES, GRID), 1)
    for method in METHODS.values():
        assert len(bf.find_directions(method(silence, CIRCLE, FREQUENCIES, GRID), GRID)) == 0


@pytest.mark.parametrize("seed", range(4))
def test_a_voice_in_a_room_amid_babble_is_found_within_three_degrees(seed: int) -> None:
    rng = np.random.default_rng(seed)
    azimuth = rng.uniform(0, 360)
    scene = array_scene(
        [speech_clip(seed, 3.0)],
        [azimuth],
        CIRCLE,
        rng,
        rt60_s=0.15,
        diffuse_noise=noise("babble"),
        diffuse_noise_snr_db=10.0,
    )
    X = stft(scene.mixture, frame_length=1024)
    frequencies = bin_frequencies(1024, RATE)
    for method in METHODS.values():
        (found,) = bf.find_directions(method(X, CIRCLE, frequencies, GRID), GRID)
        assert angle_between(found, azimuth) < 3


# --- peaks --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("centre", [0.4, 123.45, 359.2])
def test_a_parabola_is_found_exactly_across_the_seam_too(centre: float) -> None:
    distance = (GRID - centre + 180) % 360 - 180
    (found,) = bf.find_directions(10 - distance**2 / 100, GRID)
    assert angle_between(found, centre) < 1e-9


def test_peaks_come_by_height_and_keep_their_distance() -> None:
    power = np.zeros(360)
    power[[20, 26, 100, 300]] = 3, 2, 4, 1
    grid = np.arange(360.0)
    np.testing.assert_array_equal(bf.find_directions(power, grid, 3), [100, 20, 300])
    np.testing.assert_array_equal(bf.find_directions(power, grid, 3, min_separation_deg=5), [100, 20, 26])
    np.testing.assert_array_equal(bf.find_directions(power, grid, 9), [100, 20, 300])


def test_an_open_grid_has_peaks_at_its_ends() -> None:
    grid = np.arange(0.0, 181.0, 10.0)
    np.testing.assert_array_equal(bf.find_directions(grid, grid), [180])
    np.testing.assert_array_equal(bf.find_directions(-grid, grid), [0])
    assert len(bf.find_directions(np.ones(36), np.arange(0.0, 360, 10))) == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: bf.gcc_phat(np.ones((2, 3)), np.ones(3), sample_rate=RATE), "a: "),
        (lambda: bf.gcc_phat(np.ones(3), [], sample_rate=RATE), "b: "),
        (lambda: bf.gcc_phat(np.ones(3), np.ones(3), sample_rate=0), "sample_rate"),
        (lambda: bf.gcc_phat(np.ones(3), np.ones(3), sample_rate=RATE, max_delay_s=0.0), "max_delay_s"),
        (lambda: bf.gcc_phat(np.ones(3), np.ones(3), sample_rate=9, frequency_range_hz=(8.0, 9.0)), "no frequency"),
        (lambda: bf.srp_phat(np.ones((3, 5, 2)), CIRCLE, np.arange(5), GRID), "X: "),
        (lambda: bf.srp_phat(np.ones((4, 5, 2)), CIRCLE, np.arange(5), GRID), "Widen the range"),
        (lambda: bf.srp_phat(np.ones((4, 5, 2)), CIRCLE, 1000 * np.arange(5), GRID, whitening=2.0), "whitening"),
        (lambda: bf.music(np.ones((4, 5, 2)), CIRCLE, 1000 * np.arange(5), GRID, n_sources=4), "n_sources"),
        (lambda: bf.find_directions(np.ones(4), [0.0, 1.0, 2.0]), "azimuths_deg"),
        (lambda: bf.find_directions(np.ones(3), [0.0, 1.0, 3.0]), "even steps"),
        (lambda: bf.find_directions(np.ones(3), [0.0, 1.0, 2.0], 0), "n_sources"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
