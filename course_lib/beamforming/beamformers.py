"""Beamformers: one weight a microphone and frequency, by the directions or by the covariances.

All compute every frequency at once. Two rules hold throughout. Loading is relative to the mean power of the channels,
so that no result depends on the level of the recording, and it is never below 1e-12: covariances without full
rank then have an inverse, and well-conditioned ones keep twelve digits. What a silent frequency gives is stated.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from course_lib._frames import compiled
from course_lib.beamforming._checks import (
    as_covariance,
    as_vectors,
    require_fit,
)
from course_lib.beamforming._linear_algebra import loaded, mean_power, ratio, solve, unit_power
from course_lib.validation import as_channel, as_number, as_positive_integer, as_signal, as_spectrograms, describe

# Generalised eigenvalues below this part of the largest one are rounding errors.
_RANK_TOLERANCE: Final = 1e-12
# Constraints whose smallest singular value is below this part of the largest repeat or contradict each other.
_CONSTRAINT_TOLERANCE: Final = 1e-10


def apply_beamformer(w: ArrayLike, X: ArrayLike) -> NDArray[Any]:
    """Filter and add the channels.

    Equation: Y[k,m] = w[k]ᴴ X[k,m].

    Args:
        w: beamformer, shape (n_freqs, n_channels).
        X: recording, shape (n_channels, n_freqs, n_frames).
    Returns:
        Y, shape (n_freqs, n_frames), in the precision of X.
    Raises:
        ValueError: if the shapes do not fit or a value is not finite.
    Cost: O(C·n_freqs·n_frames).
    Reference: B. D. Van Veen and K. M. Buckley, "Beamforming: a versatile approach to spatial filtering", IEEE ASSP
        Magazine 5(2), 1988.
    Lesson: 04 §3
    """
    weights, channels = as_vectors(w, "w"), as_spectrograms(X, "X")
    require_fit(weights.shape, (channels.shape[1], channels.shape[0]), "w", f"X of shape {channels.shape}")
    # A spectrogram's frames lie one after the other in memory, and so shall those of Y.
    frames = np.ascontiguousarray(channels.transpose(0, 2, 1))
    Y = np.zeros(frames.shape[1:], dtype=channels.dtype)
    _add_weighted(frames, np.ascontiguousarray(weights.T.conj().astype(channels.dtype)), Y)
    return Y.T


@compiled
def _add_weighted(frames: NDArray[Any], weights: NDArray[Any], Y: NDArray[Any]) -> None:
    """Add Σ_c w_c X_c to ``Y`` (n_frames, n_freqs); frames (n_channels, n_frames, n_freqs), w (n_channels, n_freqs)."""
    for m in range(frames.shape[1]):
        y = Y[m]
        for c in range(frames.shape[0]):
            x, w = frames[c, m], weights[c]
            for k in range(y.shape[0]):
                y[k] += w[k] * x[k]


def delay_and_sum(steering_vector: ArrayLike) -> NDArray[np.complex128]:
    """Bring the channels into phase for one direction, and average.

    Equation: w = d / (dᴴd).

    It is the distortionless beamformer, wᴴd = 1, that lets through least of a noise that the microphones do not share:
    the matched filter. Where d is zero, so is w.

    Args:
        steering_vector: d, shape (n_freqs, n_channels).
    Returns:
        w, shape (n_freqs, n_channels).
    Raises:
        ValueError: if the shape does not fit or a value is not finite.
    Cost: O(C·n_freqs).
    Reference: H. L. Van Trees, Optimum Array Processing, Wiley 2002, §2.4.
    Lesson: 04 §3
    """
    d = as_vectors(steering_vector, "steering_vector")
    return ratio(d, np.sum(np.abs(d) ** 2, axis=1))


def mvdr(covariance: ArrayLike, steering_vector: ArrayLike, *, loading: float = 1e-2) -> NDArray[np.complex128]:
    """Minimum variance distortionless response: least power of what the covariance describes, the target untouched.

    Equation: w = Φ⁻¹d / (dᴴΦ⁻¹d), the minimum of wᴴΦw with wᴴd = 1.

    With the covariance of noise and interference this is the MVDR beamformer. With that of the whole recording it is
    the MPDR, which minimises the power of all: the same if d is exact, while a wrong d makes it cancel
    the target. More loading protects the target and brings w closer to delay-and-sum, which it is where the covariance
    is zero. Where d is zero, so is w.

    Args:
        covariance: Φ, shape (n_freqs, n_channels, n_channels).
        steering_vector: d, shape (n_freqs, n_channels).
        loading: part of the mean power that is added to the diagonal, so as not to trust Φ and d too much.
    Returns:
        w, shape (n_freqs, n_channels).
    Raises:
        ValueError: if the shapes do not fit, a value is not finite or the loading negative.
    Cost: O(C³·n_freqs).
    Reference: J. Capon, "High-resolution frequency-wavenumber spectrum analysis", Proc. IEEE 57(8), 1969.
    Lesson: 04 §6
    """
    phi, d = as_covariance(covariance, "covariance"), as_vectors(steering_vector, "steering_vector")
    require_fit(d.shape, phi.shape[:2], "steering_vector", f"covariance of shape {phi.shape}")
    solution = solve(loaded(phi, loading), d[..., None])[..., 0]
    # Its imaginary part is a rounding error of the solution, and dividing by it too keeps wᴴd = 1 to the last digits.
    return ratio(solution, np.sum(d.conj() * solution, axis=1))


def lcmv(
    covariance: ArrayLike, constraints: ArrayLike, responses: ArrayLike, *, loading: float = 1e-2
) -> NDArray[np.complex128]:
    """Linearly constrained minimum variance: least power with a prescribed response in several directions.

    Equation: w = Φ⁻¹C (CᴴΦ⁻¹C)⁻¹ g*, the minimum of wᴴΦw with wᴴc_i = g_i.

    With a response of 1 for the target and of 0 for an interferer it puts a null there. One constraint gives
    MVDR. Where constraints repeat or contradict each other, as any two directions do at 0 Hz, they are met as well as
    they can be, in the sense of least squares. Where the covariance is zero, the identity takes its place.

    Args:
        covariance: Φ, shape (n_freqs, n_channels, n_channels).
        constraints: C, the steering vectors c_i in columns, shape (n_freqs, n_channels, n_constraints).
        responses: g, shape (n_constraints,), or (n_freqs, n_constraints).
        loading: part of the mean power that is added to the diagonal.
    Returns:
        w, shape (n_freqs, n_channels).
    Raises:
        ValueError: if the shapes do not fit, a value is not finite or the loading negative.
    Cost: O(C³·n_freqs).
    Reference: O. L. Frost, "An algorithm for linearly constrained adaptive array processing", Proc. IEEE 60(8), 1972.
    Lesson: 04 §6
    """
    phi = as_covariance(covariance, "covariance")
    columns = as_signal(constraints, "constraints", n_axes=3, allow_complex=True).astype(np.complex128)
    require_fit(columns.shape[:2], phi.shape[:2], "constraints", f"covariance of shape {phi.shape}, but for the last")
    wanted = as_signal(responses, "responses", allow_complex=True).astype(np.complex128)
    if wanted.shape not in (columns.shape[2:], (len(columns), columns.shape[2])):
        raise ValueError(
            f"responses: got {describe(wanted)}, expected {columns.shape[2:]} or {(len(columns), columns.shape[2])}: "
            "one response a constraint."
        )
    solutions = solve(loaded(phi, loading), columns)
    gram = columns.conj().swapaxes(1, 2) @ solutions
    inverse = np.linalg.pinv(gram, rcond=_CONSTRAINT_TOLERANCE, hermitian=True)
    targets = np.broadcast_to(wanted.conj(), (len(columns), columns.shape[2]))[..., None]
    w: NDArray[np.complex128] = (solutions @ (inverse @ targets))[..., 0]
    return w


def mvdr_souden(
    target_covariance: ArrayLike, noise_covariance: ArrayLike, *, reference_channel: int = 0, loading: float = 1e-6
) -> NDArray[np.complex128]:
    """MVDR without a steering vector: the target as the reference microphone hears it, the noise least.

    Equation: w = Φ_vv⁻¹ Φ_ss e_ref / tr(Φ_vv⁻¹ Φ_ss).

    For a target from one point, Φ_ss = φ ddᴴ, this is MVDR with the steering vector d/d_ref. Where the target is
    silent nothing is known of its direction, and the reference microphone passes. Where the noise is silent,
    the identity takes the place of its covariance.

    Args:
        target_covariance: Φ_ss, shape (n_freqs, n_channels, n_channels).
        noise_covariance: Φ_vv, of noise and interference, of the same shape (n_freqs, n_channels, n_channels).
        reference_channel: the microphone that the target shall sound like.
        loading: part of the noise's mean power that is added to its diagonal.
    Returns:
        w, shape (n_freqs, n_channels).
    Raises:
        ValueError: if the shapes do not fit, the channel does not exist, or a value is not finite.
    Cost: O(C³·n_freqs).
    Reference: M. Souden, J. Benesty and S. Affes, "On optimal frequency-domain multichannel linear filtering for noise
        reduction", IEEE Trans. ASLP 18(2), 2010.
    Lesson: 04 §7
    """
    target, noise, ref = _as_pair(target_covariance, noise_covariance, reference_channel)
    quotient = solve(loaded(noise, loading), unit_power(target))
    trace = np.einsum("kcc->k", quotient).real
    return _with_reference(ratio(quotient[..., ref], np.maximum(trace, 0)), trace > 0, ref)


def gev(
    target_covariance: ArrayLike, noise_covariance: ArrayLike, *, reference_channel: int = 0, loading: float = 1e-6
) -> NDArray[np.complex128]:
    """Generalised eigenvalue beamformer: the largest ratio of target to noise at every frequency.

    Equation: Φ_ss w = λ Φ_vv w with the largest λ, which is the ratio wᴴΦ_ssw / wᴴΦ_vvw at the output.

    The ratio leaves scale and phase open. Here ‖w‖ = 1, and the phase is that of :func:`align_phase`. The scale, which
    colours the sound, is for :func:`blind_analytic_normalisation` to set. Where the target is silent, the reference
    microphone passes.

    Args:
        target_covariance: Φ_ss, shape (n_freqs, n_channels, n_channels).
        noise_covariance: Φ_vv, of noise and interference, of the same shape (n_freqs, n_channels, n_channels).
        reference_channel: the microphone with which the output shall be in phase.
        loading: part of the noise's mean power that is added to its diagonal.
    Returns:
        w, shape (n_freqs, n_channels).
    Raises:
        ValueError: if the shapes do not fit, the channel does not exist, a value is not finite, or a covariance has a
            negative eigenvalue.
    Cost: O(C³·n_freqs).
    Reference: E. Warsitz and R. Haeb-Umbach, "Blind acoustic beamforming based on generalized eigenvalue
        decomposition", IEEE Trans. ASLP 15(5), 2007.
    Lesson: 04 §7
    """
    target, noise, ref = _as_pair(target_covariance, noise_covariance, reference_channel)
    eigenvalues, vectors, _ = _generalised_eigenvectors(target, noise, loading)
    largest = vectors[..., -1]
    w = ratio(largest, np.linalg.norm(largest, axis=1))
    return _with_reference(_aligned(w, target, ref), eigenvalues[:, -1] > 0, ref)


def align_phase(w: ArrayLike, target_covariance: ArrayLike, *, reference_channel: int = 0) -> NDArray[np.complex128]:
    """Turn each frequency of a beamformer so that its output is in phase with the target at the reference microphone.

    Equation: w ← w·z/|z|, z = wᴴ Φ_ss e_ref.

    Where z is zero, because w or the target is, w stays.

    Args:
        w: beamformer of any phase, shape (n_freqs, n_channels).
        target_covariance: Φ_ss, shape (n_freqs, n_channels, n_channels).
        reference_channel: the microphone with which the output shall be in phase.
    Returns:
        w, shape (n_freqs, n_channels): only the phases have changed, and wᴴΦ_ss e_ref ≥ 0.
    Raises:
        ValueError: if the shapes do not fit, the channel does not exist, or a value is not finite.
    Cost: O(C·n_freqs).
    Reference: E. Warsitz and R. Haeb-Umbach, "Blind acoustic beamforming based on generalized eigenvalue
        decomposition", IEEE Trans. ASLP 15(5), 2007, §V.
    Lesson: 04 §7
    """
    weights, target = as_vectors(w, "w"), as_covariance(target_covariance, "target_covariance")
    require_fit(weights.shape, target.shape[:2], "w", f"target_covariance of shape {target.shape}")
    return _aligned(weights, target, as_channel(reference_channel, "reference_channel", weights.shape[1]))


def blind_analytic_normalisation(w: ArrayLike, noise_covariance: ArrayLike) -> NDArray[np.complex128]:
    """Scale each frequency of a beamformer so that the target comes through nearly as it arrived.

    Equation: w ← w·√(wᴴΦ_vvΦ_vvw / C) / (wᴴΦ_vvw).

    For the GEV beamformer and a target from one point this makes |wᴴd| = ‖d‖/√C, whatever the noise: the mean level of
    the target over the microphones. Where w or the noise is zero, w stays.

    Args:
        w: beamformer of any scale, shape (n_freqs, n_channels).
        noise_covariance: Φ_vv, shape (n_freqs, n_channels, n_channels).
    Returns:
        w, shape (n_freqs, n_channels); its phases are as they were.
    Raises:
        ValueError: if the shapes do not fit or a value is not finite.
    Cost: O(C²·n_freqs).
    Reference: E. Warsitz and R. Haeb-Umbach, "Blind acoustic beamforming based on generalized eigenvalue
        decomposition", IEEE Trans. ASLP 15(5), 2007, §VI.
    Lesson: 04 §7
    """
    weights = as_vectors(w, "w")
    noise = unit_power(as_covariance(noise_covariance, "noise_covariance"))
    require_fit(weights.shape, noise.shape[:2], "w", f"noise_covariance of shape {noise.shape}")
    product = (noise @ weights[..., None])[..., 0]
    length = np.linalg.norm(product, axis=1) / np.sqrt(weights.shape[1])
    power = np.sum(weights.conj() * product, axis=1).real
    gain = np.divide(length, power, out=np.ones_like(power), where=power > 0)
    scaled: NDArray[np.complex128] = weights * gain[:, None]
    return scaled


def mwf(
    target_covariance: ArrayLike,
    noise_covariance: ArrayLike,
    *,
    trade_off: float = 1.0,
    reference_channel: int = 0,
    rank: int | None = None,
    loading: float = 1e-6,
) -> NDArray[np.complex128]:
    """Multichannel Wiener filter: the target at the reference microphone, with noise and distortion weighed.

    Equation: w = (Φ_ss + μΦ_vv)⁻¹ Φ_ss e_ref, the minimum of E|wᴴs − s_ref|² + μ E|wᴴv|².

    With μ = 1 it is the estimate of least squared error; a larger μ removes more noise and distorts the target more.
    In the generalised eigenvectors u_i of (Φ_ss, Φ_vv), uᵢᴴΦ_vvuᵢ = 1, it reads w = Σ_i λ_i/(λ_i + μ) u_i u_iᴴΦ_vv
    e_ref: the beam of each eigenvector with a Wiener gain. For a target from one point only one λ differs from zero,
    and μ → 0 gives MVDR; an estimated Φ_ss has full rank, and μ → 0 then gives the reference microphone
    itself, unless ``rank=1`` keeps the largest λ alone. Where the target is silent, w is zero.

    Args:
        target_covariance: Φ_ss, shape (n_freqs, n_channels, n_channels).
        noise_covariance: Φ_vv, of noise and interference, of the same shape (n_freqs, n_channels, n_channels).
        trade_off: μ, at least 0.
        reference_channel: the microphone that the target shall sound like.
        rank: how many of the largest generalised eigenvalues to keep; all unless given.
        loading: part of the noise's mean power that is added to its diagonal.
    Returns:
        w, shape (n_freqs, n_channels).
    Raises:
        ValueError: if the shapes do not fit, the channel does not exist, a value is not finite, a covariance has a
            negative eigenvalue, or trade_off or rank is out of range.
    Cost: O(C³·n_freqs).
    Reference: S. Doclo and M. Moonen, "GSVD-based optimal filtering for single and multimicrophone speech enhancement",
        IEEE Trans. SP 50(9), 2002; R. Serizel, M. Moonen, B. Van Dijk and J. Wouters, "Low-rank approximation based
        multichannel Wiener filter algorithms for noise reduction", IEEE/ACM Trans. ASLP 22(4), 2014.
    Lesson: 04 §7
    """
    target, noise, ref = _as_pair(target_covariance, noise_covariance, reference_channel)
    mu = as_number(trade_off, "trade_off", 0)
    eigenvalues, vectors, whitened_reference = _generalised_eigenvectors(target, noise, loading, ref)
    if rank is not None:
        kept = as_positive_integer(rank, "rank")
        eigenvalues[:, : max(0, len(vectors[0]) - kept)] = 0
    # λ/(λ + μ) as 1/(1 + μ/λ), which is 1 for the infinite λ of silent noise.
    present = eigenvalues > 0
    gains = present / (1 + np.divide(mu, eigenvalues, out=np.zeros_like(eigenvalues), where=present))
    w: NDArray[np.complex128] = (vectors @ (gains * whitened_reference)[..., None])[..., 0]
    return w


def _as_pair(
    target_covariance: ArrayLike, noise_covariance: ArrayLike, reference_channel: int
) -> tuple[NDArray[np.complex128], NDArray[np.complex128], int]:
    """Return both covariances and the index of the reference."""
    target = as_covariance(target_covariance, "target_covariance")
    noise = as_covariance(noise_covariance, "noise_covariance")
    require_fit(noise.shape, target.shape, "noise_covariance", f"target_covariance of shape {target.shape}")
    return target, noise, as_channel(reference_channel, "reference_channel", target.shape[1])


def _with_reference(w: NDArray[np.complex128], known: NDArray[np.bool_], ref: int) -> NDArray[np.complex128]:
    """Let the reference microphone pass where nothing is known of the target."""
    w[~known] = 0
    w[~known, ref] = 1
    return w


def _aligned(w: NDArray[np.complex128], target: NDArray[np.complex128], ref: int) -> NDArray[np.complex128]:
    """Turn w so that wᴴ Φ_ss e_ref is not negative."""
    z = np.sum(w.conj() * unit_power(target)[..., ref], axis=1)
    length = np.abs(z)
    turn = np.divide(z, length, out=np.ones_like(z), where=length > 0)
    turned: NDArray[np.complex128] = w * turn[:, None]
    return turned


def _generalised_eigenvectors(
    target: NDArray[np.complex128], noise: NDArray[np.complex128], loading: float, ref: int = 0
) -> tuple[NDArray[np.float64], NDArray[np.complex128], NDArray[np.complex128]]:
    """Solve Φ_ss u = λ Φ_vv u with uᴴΦ_vvu = 1, by whitening the noise.

    Returns λ in ascending order (n_freqs, n_channels), with those that are only rounding errors set to zero, and the
    others to infinity where the noise is silent; the u in columns (n_freqs, n_channels, n_channels); and
    uᴴΦ_vv e_ref (n_freqs, n_channels).
    """
    matrices = loaded(noise, loading)
    try:
        lower = np.linalg.cholesky(matrices)
    except np.linalg.LinAlgError as error:
        raise ValueError(
            "noise_covariance: has a negative eigenvalue at some frequency, which no covariance has. "
            "Compute it with spatial_covariance, or give more loading."
        ) from error
    half = solve(lower, target)
    whitened = solve(lower, half.conj().swapaxes(1, 2))
    eigenvalues, rotation = np.linalg.eigh((whitened + whitened.conj().swapaxes(1, 2)) / 2)
    # The noise was scaled to unit power; λ is to be the ratio of the covariances as they came.
    level = mean_power(noise)[:, None]
    real = eigenvalues > np.maximum(_RANK_TOLERANCE * eigenvalues[:, -1:], 0)
    infinite = np.where(real, np.inf, 0.0)
    eigenvalues = np.divide(eigenvalues * real, level, out=infinite, where=level > 0)
    vectors = solve(lower.conj().swapaxes(1, 2), rotation)
    # uᴴΦ_vv e_ref = (L⁻ᴴv)ᴴ L Lᴴ e_ref = vᴴ Lᴴ e_ref.
    whitened_reference = np.einsum("kci,kc->ki", rotation.conj(), lower[:, ref, :].conj())
    return eigenvalues, vectors, whitened_reference
