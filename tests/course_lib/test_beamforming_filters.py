"""Beamformers and covariances: the identities between them, and their answers for silence and for any level."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg

from course_lib import beamforming as bf
from course_lib.stft import bin_frequencies

RATE = 16_000
N_CHANNELS, N_FREQS, N_FRAMES = 4, 33, 60
POSITIONS = bf.circular_array(N_CHANNELS, 0.05)
FREQUENCIES = bin_frequencies(2 * (N_FREQS - 1), RATE)
D = bf.steering_vector(POSITIONS, FREQUENCIES, 40.0)
RNG = np.random.default_rng(7)
EYE = np.eye(N_CHANNELS)


def noisy(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape) + 1j * RNG.standard_normal(shape)


X = noisy(N_CHANNELS, N_FREQS, N_FRAMES)
V = (
    noisy(N_CHANNELS, N_FREQS, N_FRAMES)
    + 2 * noisy(N_FREQS, N_FRAMES) * bf.steering_vector(POSITIONS, FREQUENCIES, 150.0).T[:, :, None]
)
NOISE = bf.spatial_covariance(V)
FULL = bf.spatial_covariance(X)
POWERS = RNG.uniform(0.1, 10, N_FREQS)
# A transfer function of a room: any vector a frequency will do.
A = noisy(N_FREQS, N_CHANNELS)
RANK_ONE = POWERS[:, None, None] * A[:, :, None] * A[:, None, :].conj()


def response(w: np.ndarray, d: np.ndarray) -> np.ndarray:
    return np.sum(w.conj() * d, axis=1)


def power(w: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    return np.einsum("kc,kcd,kd->k", w.conj(), covariance, w).real


# --- covariance -------------------------------------------------------------------------------------------------


def test_covariance_is_the_mean_outer_product() -> None:
    mask = RNG.uniform(0, 1, (N_FREQS, N_FRAMES))
    outer = np.einsum("ckm,dkm->kcdm", X, X.conj())
    expected = (outer * mask[:, None, None]).sum(-1) / mask.sum(-1)[:, None, None]
    np.testing.assert_allclose(bf.spatial_covariance(X, mask), expected, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(FULL, outer.mean(-1), rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(bf.spatial_covariance(X, np.ones((N_FREQS, N_FRAMES))), FULL, rtol=1e-12, atol=1e-13)


def test_covariance_is_hermitian_to_the_last_bit_and_independent_of_memory_order() -> None:
    np.testing.assert_array_equal(FULL, FULL.conj().swapaxes(1, 2))
    transposed = np.ascontiguousarray(X.transpose(0, 2, 1)).transpose(0, 2, 1)
    np.testing.assert_array_equal(bf.spatial_covariance(transposed), FULL)
    np.testing.assert_allclose(bf.spatial_covariance(X.astype(np.complex64)), FULL, rtol=1e-4, atol=1e-5)


def test_only_the_ratio_of_weights_counts() -> None:
    mask = RNG.uniform(0, 1, (N_FREQS, N_FRAMES))
    np.testing.assert_allclose(
        bf.spatial_covariance(X, 1e-9 * mask), bf.spatial_covariance(X, mask), rtol=1e-9, atol=1e-12
    )
    times = mask[:1]
    np.testing.assert_array_equal(
        bf.spatial_covariance(X, times), bf.spatial_covariance(X, np.repeat(times, N_FREQS, axis=0))
    )


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_loading_is_relative_to_the_mean_power(scale: float) -> None:
    loaded = bf.spatial_covariance(scale * X, loading=0.1)
    expected = scale**2 * (FULL + 0.1 * np.trace(FULL, axis1=1, axis2=2)[:, None, None] / N_CHANNELS * EYE)
    np.testing.assert_allclose(loaded, expected, rtol=1e-10)


def test_silence_has_the_covariance_zero() -> None:
    assert not bf.spatial_covariance(np.zeros_like(X)).any()
    assert not bf.spatial_covariance(X, np.zeros((N_FREQS, N_FRAMES))).any()


def test_diffuse_noise_from_many_directions_has_the_coherence_of_the_formula() -> None:
    n = 4_000
    index = np.arange(n) + 0.5
    elevation = np.degrees(np.arcsin(1 - 2 * index / n))
    azimuth = (180 * (1 + 5**0.5) * index) % 360
    d = bf.steering_vector(POSITIONS, FREQUENCIES, azimuth, elevation)
    measured = np.einsum("akc,akd->kcd", d, d.conj()) / n
    np.testing.assert_allclose(measured, bf.diffuse_coherence(POSITIONS, FREQUENCIES), atol=5e-3)


# --- beamformers ------------------------------------------------------------------------------------------------


def test_apply_is_the_inner_product() -> None:
    w = noisy(N_FREQS, N_CHANNELS)
    Y = bf.apply_beamformer(w, X)
    np.testing.assert_allclose(Y, np.einsum("kc,ckm->km", w.conj(), X), rtol=1e-12, atol=1e-12)
    assert bf.apply_beamformer(w, X.astype(np.complex64)).dtype == np.complex64


DISTORTIONLESS = {
    "delay_and_sum": lambda: bf.delay_and_sum(D),
    "mvdr": lambda: bf.mvdr(NOISE, D),
    "mvdr, no loading": lambda: bf.mvdr(NOISE, D, loading=0.0),
    "mpdr": lambda: bf.mvdr(FULL, D, loading=0.3),
    "mvdr, rank one": lambda: bf.mvdr(RANK_ONE, D, loading=0.0),
    "mvdr, silence": lambda: bf.mvdr(np.zeros_like(FULL), D),
}


@pytest.mark.parametrize("make", DISTORTIONLESS.values(), ids=DISTORTIONLESS)
def test_the_target_passes_untouched(make) -> None:
    np.testing.assert_allclose(response(make(), D), 1, atol=1e-9)


def test_mvdr_has_the_least_power_of_all_distortionless_beamformers() -> None:
    w = bf.mvdr(NOISE, D, loading=0.0)
    least = power(w, NOISE)
    np.testing.assert_allclose(least, 1 / np.einsum("kc,kcd,kd->k", D.conj(), np.linalg.inv(NOISE), D).real, rtol=1e-9)
    for _ in range(20):
        step = noisy(N_FREQS, N_CHANNELS)
        step -= D * (response(D, step) / N_CHANNELS)[:, None]  # keeps wᴴd as it is
        assert (power(w + 1e-3 * step, NOISE) > least).all()


def test_mvdr_between_its_limits() -> None:
    np.testing.assert_allclose(bf.mvdr(NOISE, D, loading=1e9), bf.delay_and_sum(D), atol=1e-7)
    np.testing.assert_allclose(bf.mvdr(np.zeros_like(NOISE), D), bf.delay_and_sum(D), rtol=1e-12)
    np.testing.assert_allclose(bf.mvdr(np.tile(5 * EYE, (N_FREQS, 1, 1)), D), bf.delay_and_sum(D), rtol=1e-12)


def test_with_exact_steering_mpdr_is_mvdr() -> None:
    mixture = NOISE + RANK_ONE
    np.testing.assert_allclose(bf.mvdr(mixture, A, loading=0.0), bf.mvdr(NOISE, A, loading=0.0), atol=1e-8)


def test_with_wrong_steering_mpdr_cancels_the_target_and_mvdr_does_not() -> None:
    wrong = bf.steering_vector(POSITIONS, FREQUENCIES, 50.0)
    target = 1e3 * D[:, :, None] * D[:, None, :].conj()
    high = FREQUENCIES > 1000
    mpdr = np.abs(response(bf.mvdr(NOISE + target, wrong, loading=1e-6), D))[high]
    mvdr = np.abs(response(bf.mvdr(NOISE, wrong, loading=1e-6), D))[high]
    loaded = np.abs(response(bf.mvdr(NOISE + target, wrong, loading=1.0), D))[high]
    assert mpdr.mean() < 0.2 < 0.6 < mvdr.mean()
    assert mpdr.mean() < loaded.mean()


@pytest.mark.parametrize("ref", [0, 2, -1])
def test_souden_is_mvdr_for_a_target_from_one_point(ref: int) -> None:
    expected = bf.mvdr(NOISE, A / A[:, [ref]], loading=0.0)
    w = bf.mvdr_souden(RANK_ONE, NOISE, reference_channel=ref, loading=0.0)
    np.testing.assert_allclose(w, expected, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("ref", [0, 3])
def test_mwf_becomes_mvdr_as_the_trade_off_vanishes(ref: int) -> None:
    options = {"reference_channel": ref, "loading": 0.0}
    mvdr = bf.mvdr_souden(RANK_ONE, NOISE, **options)
    np.testing.assert_allclose(bf.mwf(RANK_ONE, NOISE, trade_off=0.0, **options), mvdr, atol=1e-8)
    np.testing.assert_allclose(bf.mwf(RANK_ONE, NOISE, trade_off=1e-9, **options), mvdr, atol=1e-6)


@pytest.mark.parametrize("mu", [0.3, 1.0, 8.0])
def test_mwf_is_its_definition_and_the_minimum(mu: float) -> None:
    w = bf.mwf(FULL, NOISE, trade_off=mu, loading=0.0, reference_channel=1)
    np.testing.assert_allclose(w, np.linalg.solve(FULL + mu * NOISE, FULL[:, :, 1:2])[..., 0], rtol=1e-8, atol=1e-10)

    def cost(w: np.ndarray) -> np.ndarray:
        return power(w - EYE[1], FULL) + mu * power(w, NOISE)

    for _ in range(10):
        assert (cost(w + 1e-3 * noisy(N_FREQS, N_CHANNELS)) > cost(w)).all()


def test_mwf_without_trade_off_passes_the_reference_and_of_rank_one_is_distortionless() -> None:
    w = bf.mwf(FULL, NOISE, trade_off=0.0, loading=0.0)
    np.testing.assert_allclose(w, np.tile(EYE[0], (N_FREQS, 1)), atol=1e-9)
    np.testing.assert_allclose(bf.mwf(FULL, NOISE, rank=N_CHANNELS), bf.mwf(FULL, NOISE), rtol=1e-12)
    one = bf.mwf(FULL, NOISE, trade_off=0.0, rank=1, loading=0.0)
    # It is the GEV beamformer but for its scale.
    gev = bf.gev(FULL, NOISE, loading=0.0)
    cosine = np.abs(response(one, gev)) / np.linalg.norm(one, axis=1)
    np.testing.assert_allclose(cosine, 1, atol=1e-9)


def test_more_trade_off_removes_more_noise_and_distorts_more() -> None:
    noise, distortion = [], []
    for mu in (0.1, 1.0, 10.0):
        w = bf.mwf(FULL, NOISE, trade_off=mu)
        noise.append(power(w, NOISE))
        distortion.append(power(w - EYE[0], FULL))
    assert (np.diff(noise, axis=0) < 0).all()
    assert (np.diff(distortion, axis=0) > 0).all()


def test_gev_has_the_largest_generalised_eigenvalue_as_its_ratio() -> None:
    w = bf.gev(FULL, NOISE, loading=0.0)
    largest = [scipy.linalg.eigh(s, v, eigvals_only=True)[-1] for s, v in zip(FULL, NOISE, strict=True)]
    np.testing.assert_allclose(power(w, FULL) / power(w, NOISE), largest, rtol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(w, axis=1), 1)


@pytest.mark.parametrize("ref", [0, 2])
def test_gev_is_mvdr_but_for_scale_and_has_its_phase(ref: int) -> None:
    w = bf.gev(RANK_ONE, NOISE, reference_channel=ref, loading=0.0)
    mvdr = bf.mvdr_souden(RANK_ONE, NOISE, reference_channel=ref, loading=0.0)
    np.testing.assert_allclose(w, mvdr / np.linalg.norm(mvdr, axis=1, keepdims=True), atol=1e-8)
    at_reference = response(w, A) / A[:, ref]
    np.testing.assert_allclose(np.angle(at_reference), 0, atol=1e-8)


def test_align_phase_undoes_any_phase() -> None:
    w = bf.gev(FULL, NOISE)
    turned = w * np.exp(2j * np.pi * RNG.uniform(size=(N_FREQS, 1)))
    np.testing.assert_allclose(bf.align_phase(turned, FULL), w, atol=1e-12)
    z = np.einsum("kc,kc->k", w.conj(), FULL[:, :, 0])
    assert (z.real > 0).all()
    np.testing.assert_allclose(z.imag, 0, atol=1e-10)
    np.testing.assert_array_equal(bf.align_phase(w, np.zeros_like(FULL)), w)


def test_blind_analytic_normalisation_restores_the_level_of_a_target_from_one_point() -> None:
    w = bf.gev(RANK_ONE, NOISE, loading=0.0)
    normalised = bf.blind_analytic_normalisation(w, NOISE)
    np.testing.assert_allclose(np.abs(response(normalised, A)), np.linalg.norm(A, axis=1) / 2, rtol=1e-8)
    np.testing.assert_allclose(bf.blind_analytic_normalisation(33 * w, NOISE), normalised, rtol=1e-12)
    np.testing.assert_allclose(bf.blind_analytic_normalisation(w, 1e9 * NOISE), normalised, rtol=1e-12)


def test_lcmv_with_one_constraint_is_mvdr() -> None:
    w = bf.lcmv(NOISE, D[:, :, None], [1.0])
    np.testing.assert_allclose(w, bf.mvdr(NOISE, D), rtol=1e-9, atol=1e-11)


def test_lcmv_meets_every_constraint() -> None:
    directions = bf.steering_vector(POSITIONS, FREQUENCIES[2:], [40.0, 150.0, 260.0]).transpose(1, 2, 0)
    responses = np.array([1.0, 0.0, 0.5j])
    for loading in (0.0, 0.1):
        w = bf.lcmv(NOISE[2:], directions, responses, loading=loading)
        np.testing.assert_allclose(
            np.einsum("kc,kci->ki", w.conj(), directions), np.tile(responses, (31, 1)), atol=1e-6
        )
    each = np.tile(responses, (31, 1))
    np.testing.assert_array_equal(bf.lcmv(NOISE[2:], directions, each, loading=0.1), w)


def test_lcmv_meets_contradictions_half_way() -> None:
    same = np.stack([D, D], axis=2)
    w = bf.lcmv(NOISE, same, [1.0, 0.0])
    np.testing.assert_allclose(response(w, D), 0.5, atol=1e-6)


# --- silence, rank, level -----------------------------------------------------------------------------------------

SILENT = np.zeros_like(FULL)
REFERENCE = np.tile(EYE[1], (N_FREQS, 1))
MAKERS = {
    "souden": lambda s, v: bf.mvdr_souden(s, v, reference_channel=1),
    "gev": lambda s, v: bf.gev(s, v, reference_channel=1),
    "gev, normalised": lambda s, v: bf.blind_analytic_normalisation(bf.gev(s, v, reference_channel=1), v),
    "mwf": lambda s, v: bf.mwf(s, v, reference_channel=1),
    "mwf, rank one": lambda s, v: bf.mwf(s, v, reference_channel=1, rank=1, trade_off=0.0),
    "mvdr": lambda s, v: bf.mvdr(v, D),
    "lcmv": lambda s, v: bf.lcmv(v, D[:, :, None], [1.0]),
}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
@pytest.mark.parametrize("target_scale", [1e-6, 1e6])
def test_the_level_of_the_recording_does_not_matter(make, target_scale: float) -> None:
    expected = make(FULL, NOISE)
    np.testing.assert_allclose(make(target_scale**2 * FULL, target_scale**2 * NOISE), expected, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
@pytest.mark.parametrize(
    ("target", "noise"),
    [(SILENT, NOISE), (FULL, SILENT), (SILENT, SILENT), (RANK_ONE, RANK_ONE), (FULL, RANK_ONE), (1e-30 * FULL, NOISE)],
    ids=["no target", "no noise", "silence", "one point", "noise from one point", "faint target"],
)
def test_every_answer_is_finite(make, target: np.ndarray, noise: np.ndarray) -> None:
    assert np.isfinite(make(target, noise)).all()


def test_one_silent_frequency_leaves_the_others_alone() -> None:
    holed = [FULL.copy(), NOISE.copy()]
    for covariance in holed:
        covariance[5] = 0
    for make in MAKERS.values():
        expected, actual = make(FULL, NOISE), make(*holed)
        np.testing.assert_array_equal(np.delete(actual, 5, axis=0), np.delete(expected, 5, axis=0))


def test_without_a_target_the_reference_passes_or_nothing() -> None:
    np.testing.assert_array_equal(MAKERS["souden"](SILENT, NOISE), REFERENCE)
    np.testing.assert_array_equal(MAKERS["gev"](SILENT, NOISE), REFERENCE)
    assert not MAKERS["mwf"](SILENT, NOISE).any()


def test_without_noise_the_target_passes() -> None:
    np.testing.assert_allclose(bf.mwf(FULL, SILENT, reference_channel=1), REFERENCE, atol=1e-9)
    for make in (MAKERS["souden"], MAKERS["mwf"]):
        np.testing.assert_allclose(response(make(RANK_ONE, SILENT), A), A[:, 1], atol=1e-5)


def test_nothing_is_changed_in_place() -> None:
    inputs = [FULL.copy(), NOISE.copy()]
    for make in MAKERS.values():
        make(*inputs)
    bf.spatial_covariance(X, np.ones((N_FREQS, N_FRAMES)), loading=0.1)
    np.testing.assert_array_equal(inputs[0], FULL)
    np.testing.assert_array_equal(inputs[1], NOISE)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: bf.spatial_covariance(X[0]), "3 axes"),
        (lambda: bf.spatial_covariance(X, np.ones((3, 3))), "mask"),
        (lambda: bf.spatial_covariance(X, -np.ones((N_FREQS, N_FRAMES))), "below 0"),
        (lambda: bf.spatial_covariance(X, loading=-1.0), "loading"),
        (lambda: bf.mvdr(NOISE, D[:-1]), "steering_vector"),
        (lambda: bf.mvdr(NOISE[0], D), "covariance"),
        (lambda: bf.mvdr(NOISE, D[None]), "one vector a frequency"),
        (lambda: bf.mvdr(NOISE, D, loading=np.nan), "loading"),
        (lambda: bf.mvdr_souden(FULL, NOISE[1:]), "noise_covariance"),
        (lambda: bf.gev(FULL, -NOISE), "diagonal is negative"),
        (lambda: bf.gev(FULL, np.tile(2.0 - EYE, (N_FREQS, 1, 1))), "negative eigenvalue"),
        (lambda: bf.gev(FULL, NOISE, reference_channel=4), "reference_channel"),
        (lambda: bf.mwf(FULL, NOISE, trade_off=-1.0), "trade_off"),
        (lambda: bf.mwf(FULL, NOISE, rank=0), "rank"),
        (lambda: bf.lcmv(NOISE, D, [1.0]), "constraints"),
        (lambda: bf.lcmv(NOISE, D[:, :, None], [1.0, 0.0]), "responses"),
        (lambda: bf.apply_beamformer(D, X[:2]), "fit X"),
        (lambda: bf.apply_beamformer(D * np.nan, X), "NaN"),
        (lambda: bf.beam_pattern(D, POSITIONS, FREQUENCIES[1:], [0.0]), "frequencies_hz"),
        (lambda: bf.white_noise_gain(D, D[1:]), "steering_vector"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


# --- patterns -----------------------------------------------------------------------------------------------------


def test_the_pattern_is_one_where_the_beam_points() -> None:
    azimuths = np.arange(0.0, 360.0, 5.0)
    B = bf.beam_pattern(bf.delay_and_sum(D), POSITIONS, FREQUENCIES, azimuths)
    assert B.shape == (72, N_FREQS)
    np.testing.assert_allclose(B[8], 1, atol=1e-12)
    assert np.abs(B).max() <= 1 + 1e-12


def test_the_pattern_of_a_line_is_the_dirichlet_kernel_with_its_grating_lobes() -> None:
    line = bf.linear_array(6, 0.1)
    frequency = 343.0 / 0.1  # a spacing of one wavelength
    w = bf.delay_and_sum(bf.steering_vector(line, [frequency], 90.0))
    azimuths = np.linspace(0, 180, 181)
    phase = np.pi * np.cos(np.radians(azimuths))
    with np.errstate(invalid="ignore"):
        kernel = np.abs(np.sin(6 * phase) / (6 * np.sin(phase)))
    expected = np.where(np.abs(np.sin(phase)) < 1e-9, 1.0, kernel)
    B = bf.beam_pattern(w, line, [frequency], azimuths)[:, 0]
    np.testing.assert_allclose(np.abs(B), expected, atol=1e-6)
    np.testing.assert_allclose(np.abs(B[[0, 90, 180]]), 1, atol=1e-9)


def test_white_noise_gain_of_delay_and_sum_is_the_number_of_microphones() -> None:
    np.testing.assert_allclose(bf.white_noise_gain(bf.delay_and_sum(D), D), 10 * np.log10(N_CHANNELS))
    assert (bf.white_noise_gain(bf.mvdr(NOISE, D, loading=0.0), D) <= 10 * np.log10(N_CHANNELS) + 1e-9).all()
    assert (bf.white_noise_gain(np.zeros_like(D), D) == -np.inf).all()


def test_directivity_of_one_microphone_is_none_and_superdirective_mvdr_has_the_most() -> None:
    one = np.tile(EYE[0], (N_FREQS, 1))
    np.testing.assert_allclose(bf.directivity_index(one, POSITIONS, FREQUENCIES, 40.0), 0, atol=1e-9)
    diffuse = bf.diffuse_coherence(POSITIONS, FREQUENCIES)
    best = bf.directivity_index(bf.mvdr(diffuse, D, loading=1e-9), POSITIONS, FREQUENCIES, 40.0)
    summed = bf.directivity_index(bf.delay_and_sum(D), POSITIONS, FREQUENCIES, 40.0)
    assert (best >= summed - 1e-6).all()
    assert best[2] > summed[2] + 3  # at 500 Hz, where delay-and-sum hardly directs
    # It pays with the noise of the microphones.
    gains = [bf.white_noise_gain(w, D)[2] for w in (bf.mvdr(diffuse, D, loading=1e-9), bf.delay_and_sum(D))]
    assert gains[0] < gains[1] - 10


def test_delay_and_sum_restores_a_plane_wave_exactly() -> None:
    """The delays are fractions of a sample; over a whole period no frame cuts them."""
    n = 1_024
    source = np.fft.rfft(np.random.default_rng(0).standard_normal(n))
    source[-1] = 0  # a fraction of a sample has no meaning at half the sample rate
    frequencies = bin_frequencies(n, RATE)
    d = bf.steering_vector(POSITIONS, frequencies, 12.3)
    recorded = np.fft.irfft(source * d.T, n)
    spectra = np.fft.rfft(recorded)[:, :, None]
    Y = bf.apply_beamformer(bf.delay_and_sum(d), spectra)[:, 0]
    np.testing.assert_allclose(np.fft.irfft(Y, n), np.fft.irfft(source, n), atol=1e-12)
