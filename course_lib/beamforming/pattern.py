"""What a beamformer lets through: its response over directions, and two numbers that sum it up."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from course_lib.beamforming._checks import as_vectors, require_fit
from course_lib.beamforming.covariance import diffuse_coherence
from course_lib.beamforming.steering import steering_vector as plane_wave


def beam_pattern(
    w: ArrayLike,
    positions_m: ArrayLike,
    frequencies_hz: ArrayLike,
    azimuths_deg: ArrayLike,
    elevation_deg: ArrayLike = 0.0,
) -> NDArray[np.complex128]:
    """Return the response of a beamformer to plane waves from many directions.

    Equation: B(θ, f) = w(f)ᴴ d(θ, f).

    Args:
        w: beamformer, shape (n_freqs, n_channels).
        positions_m: p, shape (n_channels, 3), in metres.
        frequencies_hz: f, shape (n_freqs,), in hertz.
        azimuths_deg: θ, counter-clockwise from the x axis, in degrees, shape (n_directions,).
        elevation_deg: up from the horizontal plane, in degrees, one for all or shape (n_directions,).
    Returns:
        B, complex, shape (n_directions, n_freqs); 20 log₁₀|B| is the pattern in dB.
    Raises:
        ValueError: if the shapes do not fit or a value is not finite.
    Cost: O(C·n_freqs) a direction.
    Reference: H. L. Van Trees, Optimum Array Processing, Wiley 2002, §2.2.
    Lesson: 04 §4
    """
    weights = as_vectors(w, "w")
    d = plane_wave(positions_m, frequencies_hz, azimuths_deg, elevation_deg)
    require_fit(weights.shape, d.shape[-2:], "w", "frequencies_hz and positions_m")
    response: NDArray[np.complex128] = np.einsum("kc,...kc->...k", weights.conj(), d)
    return response


def directivity_index(
    w: ArrayLike,
    positions_m: ArrayLike,
    frequencies_hz: ArrayLike,
    azimuth_deg: float,
    elevation_deg: float = 0.0,
) -> NDArray[np.float64]:
    """Return by how much a beamformer prefers one direction to all directions.

    Equation: DI = 10 log₁₀ |wᴴd(θ)|² / (wᴴΓw) dB, Γ the coherence of diffuse noise.

    It is the gain in signal-to-noise ratio over one microphone in noise that comes from everywhere alike. Where the
    response in the direction is zero, −inf.

    Args:
        w: beamformer, shape (n_freqs, n_channels).
        positions_m: p, shape (n_channels, 3), in metres.
        frequencies_hz: f, shape (n_freqs,), in hertz.
        azimuth_deg: θ, counter-clockwise from the x axis, in degrees.
        elevation_deg: up from the horizontal plane, in degrees.
    Returns:
        DI in dB, shape (n_freqs,).
    Raises:
        ValueError: if the shapes do not fit or a value is not finite.
    Cost: O(C²·n_freqs).
    Reference: M. Brandstein and D. Ward (eds.), Microphone Arrays, Springer 2001, §2.2.
    Lesson: 04 §4
    """
    weights = as_vectors(w, "w")
    d = plane_wave(positions_m, frequencies_hz, azimuth_deg, elevation_deg)
    require_fit(weights.shape, d.shape, "w", "frequencies_hz and positions_m")
    coherence = diffuse_coherence(positions_m, frequencies_hz)
    noise = np.einsum("kc,kcd,kd->k", weights.conj(), coherence, weights).real
    return _level_db(np.abs(np.sum(weights.conj() * d, axis=1)) ** 2, noise)


def white_noise_gain(w: ArrayLike, steering_vector: ArrayLike) -> NDArray[np.float64]:
    """Return the gain in signal-to-noise ratio where the noise of each microphone is its own.

    Equation: WNG = 10 log₁₀ |wᴴd|² / (wᴴw) dB.

    For a plane wave delay-and-sum has the most, 10 log₁₀ C; below 0 dB the array amplifies the noise of its
    own microphones, and errors of their positions and gains with it. Where the response is zero, −inf.

    Args:
        w: beamformer, shape (n_freqs, n_channels).
        steering_vector: d, of the same shape (n_freqs, n_channels).
    Returns:
        WNG in dB, shape (n_freqs,).
    Raises:
        ValueError: if the shapes do not fit or a value is not finite.
    Cost: O(C·n_freqs).
    Reference: H. Cox, R. M. Zeskind and M. M. Owen, "Robust adaptive beamforming", IEEE Trans. ASSP 35(10), 1987.
    Lesson: 04 §4
    """
    weights, d = as_vectors(w, "w"), as_vectors(steering_vector, "steering_vector")
    require_fit(d.shape, weights.shape, "steering_vector", f"w of shape {weights.shape}")
    return _level_db(np.abs(np.sum(weights.conj() * d, axis=1)) ** 2, np.sum(np.abs(weights) ** 2, axis=1))


def _level_db(signal: NDArray[np.float64], noise: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return 10 log₁₀ of a ratio of powers, −inf where the signal is zero."""
    heard = (signal > 0) & (noise > 0)
    ratio = np.divide(signal, noise, out=np.ones_like(signal), where=heard)
    return np.where(heard, 10 * np.log10(ratio), -np.inf)
