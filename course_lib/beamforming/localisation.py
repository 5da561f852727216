"""Where sound comes from: the delay between two microphones, and the direction an array hears."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import scipy.fft
from numpy.typing import ArrayLike, NDArray

from course_lib.beamforming._checks import (
    as_covariance,
    as_frequencies,
    as_positions,
    require_fit,
)
from course_lib.beamforming._linear_algebra import mean_power
from course_lib.beamforming._phases import phases
from course_lib.beamforming.covariance import spatial_covariance
from course_lib.beamforming.steering import steering_vector
from course_lib.validation import as_number, as_positive_integer, as_signal, as_spectrograms, describe

# What is this much weaker than the strongest (−120 dB) holds rounding errors, which have a phase as well.
_SILENT: Final = 1e-6
_NEWTON_STEPS: Final = 2
# A steering vector closer than this to the sources' subspace counts as lying in it.
_NEAREST: Final = 1e-12


@dataclass(frozen=True, eq=False)
class GCC:
    """The generalised cross-correlation of two channels, and the delay at its maximum.

    Attributes:
        correlation: at whole samples, between −1 and 1, shape (n_lags,).
        lags_s: by how much the second channel is later, in seconds, shape (n_lags,).
        delay_s: where the correlation, interpolated, is largest, in seconds; 0 if a channel is silent.
    Lesson: 04 §8
    """

    correlation: NDArray[np.float64]
    lags_s: NDArray[np.float64]
    delay_s: float


def gcc_phat(
    a: ArrayLike,
    b: ArrayLike,
    *,
    sample_rate: int,
    max_delay_s: float | None = None,
    frequency_range_hz: tuple[float, float] | None = None,
) -> GCC:
    """Find the delay between two channels by the cross-correlation of their phases.

    Equation: r(τ) = Σ_f B(f)A*(f)/|B(f)A(f)| e^(j2πfτ) / Σ_f 1;  τ̂ = argmax r(τ).

    Dividing by the magnitudes turns the peak of the true delay into an impulse, whatever the spectrum of the sound; all
    frequencies count alike, those that are silent not at all. The delay is positive where b comes later than a:
    b(t) = a(t − τ). The maximum over whole samples is refined by Newton's method on r itself, which is a
    sum of cosines and known between the samples too.

    Args:
        a: one channel, shape (n_samples,).
        b: the other, shape (n_samples,); of another length if need be.
        sample_rate: samples a second, in hertz.
        max_delay_s: how far from 0 to search, either way; the length of the channels unless given.
        frequency_range_hz: lowest and highest frequency that count; all unless given.
    Returns:
        The correlation, its lags, and the delay.
    Raises:
        ValueError: if a channel is no real signal of one axis, or an option is out of range.
    Cost: O(N·log N).
    Reference: C. H. Knapp and G. C. Carter, "The generalized correlation method for estimation of time delay", IEEE
        Trans. ASSP 24(4), 1976.
    Lesson: 04 §8
    """
    first, second = (as_signal(x, name, n_axes=1) for x, name in ((a, "a"), (b, "b")))
    rate = as_positive_integer(sample_rate, "sample_rate")
    longest = max(first.size, second.size) - 1
    n_lags = longest
    if max_delay_s is not None:
        n_lags = min(longest, math.ceil(as_number(max_delay_s, "max_delay_s", 0, above=True) * rate))
    # Circular correlation is linear for lags up to n_lags once so many zeros follow the longer channel.
    n_fft = scipy.fft.next_fast_len(longest + 1 + n_lags, real=True)
    padded = np.zeros((2, n_fft))
    for row, x in zip(padded, (first, second), strict=True):
        # Peaks go first, so that no product over- or underflows.
        np.divide(x, np.abs(x).max() or 1.0, out=row[: x.size])
    spectra = scipy.fft.rfft(padded)
    cross = spectra[1] * spectra[0].conj()
    cycles = np.arange(len(cross)) / n_fft
    phase = _whitened(cross, 1.0, _SILENT**2)
    phase[~_in_range(cycles * rate, frequency_range_hz)] = 0
    # The DFT has each frequency between 0 and the highest twice.
    once = phase[[0, -1]] if n_fft % 2 == 0 else phase[:1]
    n_heard = 2 * np.count_nonzero(phase) - np.count_nonzero(once)
    lags = np.arange(-n_lags, n_lags + 1)
    if n_heard == 0:
        return GCC(np.zeros(len(lags)), lags / rate, 0.0)
    correlation = scipy.fft.irfft(phase, n_fft)[lags] * (n_fft / n_heard)
    i = int(np.argmax(correlation))
    start = float(lags[i])
    if 0 < i < len(lags) - 1:
        start += _parabola_top(*correlation[i - 1 : i + 2])
    return GCC(correlation, lags / rate, _refined(phase, cycles, start) / rate)


def srp_phat(
    X: ArrayLike,
    positions_m: ArrayLike,
    frequencies_hz: ArrayLike,
    azimuths_deg: ArrayLike,
    elevation_deg: ArrayLike = 0.0,
    *,
    whitening: float = 1.0,
    frequency_range_hz: tuple[float, float] | None = (100.0, 8000.0),
) -> NDArray[np.float64]:
    """Steered response power with phase transform: how loud delay-and-sum is in each direction, phases only.

    Equation: P(θ) = Σ_f d(θ,f)ᴴ Φ̃(f) d(θ,f) / (C Σ_f tr Φ̃(f)), Φ̃ = mean_m X̃X̃ᴴ, X̃_c = X_c/|X_c|^β.

    With β = 1, the phase transform, all cells count alike, and P is the sum of the GCC-PHAT of all pairs of
    microphones, each at the delay that the direction has. Cells of noise then count as much as cells of speech: a β of
    0.6 to 0.8 is safer in noise, and 0 is plain steered power. A single plane wave gives 1 in its direction.
    What is silent adds nothing; P of silence is zero.

    Args:
        X: recording, shape (n_channels, n_freqs, n_frames).
        positions_m: p, shape (n_channels, 3), in metres.
        frequencies_hz: of X, shape (n_freqs,), in hertz.
        azimuths_deg: directions to look in, in degrees, shape (n_directions,).
        elevation_deg: up from the horizontal plane, in degrees, one for all or shape (n_directions,).
        whitening: β, between 0 and 1.
        frequency_range_hz: lowest and highest frequency that count; all if None.
    Returns:
        P, between 0 and 1, shape (n_directions,); the maximum is for :func:`find_directions` to find.
    Raises:
        ValueError: if the shapes do not fit, a value is not finite, whitening is out of range, or no frequency
            lies in the range.
    Cost: O(C²·n_freqs·n_frames) once, then O(C²·n_freqs) a direction.
    Reference: J. H. DiBiase, A High-Accuracy, Low-Latency Technique for Talker Localization in Reverberant Environments
        Using Microphone Arrays, PhD thesis, Brown University 2000; for β: K. D. Donohue, J. Hannemann and H. G. Dietz,
        "Performance of phase transform for detecting sound sources with microphone arrays in reverberant and noisy
        environments", Signal Processing 87(7), 2007.
    Lesson: 04 §8
    """
    channels = as_spectrograms(X, "X")
    frequencies, used = _used_frequencies(channels.shape[:2], positions_m, frequencies_hz, frequency_range_hz)
    whitening = as_number(whitening, "whitening", 0, 1)
    covariance = spatial_covariance(_whitened(channels, whitening))[used]
    d = steering_vector(positions_m, frequencies[used], azimuths_deg, elevation_deg)
    all_in_phase = d.shape[-1] ** 2 * mean_power(covariance).mean()
    power = _steered_power(d, covariance) / (all_in_phase or 1.0)
    return np.asarray(np.maximum(power, 0.0))


def music(
    X: ArrayLike,
    positions_m: ArrayLike,
    frequencies_hz: ArrayLike,
    azimuths_deg: ArrayLike,
    elevation_deg: ArrayLike = 0.0,
    *,
    n_sources: int = 1,
    frequency_range_hz: tuple[float, float] | None = (100.0, 8000.0),
) -> NDArray[np.float64]:
    """Multiple signal classification: how little of each direction lies in the subspace of the noise.

    Equation: P(θ) = Σ_f g(f) / Σ_f g(f) ‖E_v(f)ᴴ d(θ,f)‖²/C, E_v the eigenvectors of Φ_xx(f) of all but the n_sources
    largest eigenvalues, g = 1 − (mean of the other eigenvalues)/(mean of the largest).

    A direction whose steering vector is made of the sources' alone gives a sharp peak, however close another one is.
    The part of d in the noise's subspace is averaged over the frequencies before it is inverted, so that no single
    frequency decides, and weighted by g, so that those of noise alone do not count, nor silent ones. If none counts, P
    is 1.

    Args:
        X: recording, shape (n_channels, n_freqs, n_frames), or its covariance, (n_freqs, n_channels, n_channels).
        positions_m: p, shape (n_channels, 3), in metres.
        frequencies_hz: of X, shape (n_freqs,), in hertz.
        azimuths_deg: directions to look in, in degrees, shape (n_directions,).
        elevation_deg: up from the horizontal plane, in degrees, one for all or shape (n_directions,).
        n_sources: how many sources there are, fewer than microphones.
        frequency_range_hz: lowest and highest frequency that count; all if None.
    Returns:
        P, at least 1, shape (n_directions,); the maxima are for :func:`find_directions` to find.
    Raises:
        ValueError: if the shapes do not fit, a value is not finite, there are too many sources, or no frequency lies in
            the range.
    Cost: O(C²·n_freqs·n_frames + C³·n_freqs) once, then O(C²·n_freqs) a direction.
    Reference: R. O. Schmidt, "Multiple emitter location and signal parameter estimation", IEEE Trans. AP 34(3), 1986.
    Lesson: 04 §8
    """
    n_freqs, n_channels = len(as_frequencies(frequencies_hz)), len(as_positions(positions_m))
    is_covariance = np.shape(X) == (n_freqs, n_channels, n_channels)
    given = as_covariance(X, "X") if is_covariance else as_spectrograms(X, "X")
    shape = given.shape[1::-1] if is_covariance else given.shape[:2]
    frequencies, used = _used_frequencies(shape, positions_m, frequencies_hz, frequency_range_hz)
    n_wanted = as_positive_integer(n_sources, "n_sources")
    if n_wanted >= n_channels:
        raise ValueError(
            f"n_sources: got {n_wanted}, expected fewer than the {n_channels} microphones: "
            "MUSIC needs a direction that holds noise only."
        )
    selected = (given if is_covariance else spatial_covariance(given))[used]
    d = steering_vector(positions_m, frequencies[used], azimuths_deg, elevation_deg)
    values, vectors = np.linalg.eigh(selected)
    loud, rest = values[:, -n_wanted:].mean(axis=1), values[:, :-n_wanted].mean(axis=1)
    weights = np.clip(1 - np.divide(rest, loud, out=np.ones_like(loud), where=loud > 0), 0, 1)
    if not weights.any():
        return np.ones(d.shape[0])
    noise = vectors[..., :-n_wanted]
    projection = weights[:, None, None] * (noise @ noise.conj().swapaxes(1, 2))
    share = _steered_power(d, projection) / (n_channels * weights.mean())
    spectrum: NDArray[np.float64] = 1 / np.maximum(share, _NEAREST)
    return spectrum


def find_directions(
    power: ArrayLike, azimuths_deg: ArrayLike, n_sources: int = 1, *, min_separation_deg: float = 10.0
) -> NDArray[np.float64]:
    """Find the highest peaks of a power over directions, between the points of the grid too.

    Equation: θ̂ = θ_i + Δ/2 · (P_{i−1} − P_{i+1}) / (P_{i−1} − 2P_i + P_{i+1}): the top of the parabola through three
    neighbours, Δ the step of the grid.

    A grid that goes once round counts as closed. The highest peak comes first; of two nearer than the separation only
    the higher one counts. Where there are fewer peaks than sources, fewer directions are returned; a power that
    is the same everywhere has none.

    Args:
        power: P, of :func:`srp_phat` or :func:`music`, shape (n_directions,).
        azimuths_deg: the grid, ascending in even steps, in degrees, shape (n_directions,).
        n_sources: how many directions to return.
        min_separation_deg: smallest angle between two directions.
    Returns:
        Azimuths in degrees, the highest peak first, shape (n_found,), n_found at most n_sources.
    Raises:
        ValueError: if the shapes do not fit, the grid is not even or ascending, or an option is out of range.
    Cost: O(n_directions·log n_directions).
    Reference: J. O. Smith, Spectral Audio Signal Processing, W3K 2011, "Quadratic interpolation of spectral peaks".
    Lesson: 04 §8
    """
    P = as_signal(power, "power", n_axes=1).astype(np.float64)
    grid = as_signal(azimuths_deg, "azimuths_deg", n_axes=1).astype(np.float64)
    if grid.shape != P.shape or len(grid) < 3:
        raise ValueError(
            f"azimuths_deg: got {describe(grid)} for power of shape {P.shape}, expected one direction for each value, "
            "at least 3."
        )
    step = (grid[-1] - grid[0]) / (len(grid) - 1)
    if step <= 0 or np.abs(np.diff(grid) - step).max() > 1e-6 * step:
        raise ValueError("azimuths_deg: expected directions that ascend in even steps, such as np.arange(0, 360, 2).")
    wanted = as_positive_integer(n_sources, "n_sources")
    separation = as_number(min_separation_deg, "min_separation_deg", 0)
    closed = abs(360 - step * len(grid)) < 1e-6 * step
    left, right = np.roll(P, 1), np.roll(P, -1)
    if not closed:
        left[0] = right[-1] = -np.inf
    # A plateau counts once, at its first point.
    peaks = np.flatnonzero((left < P) & (right <= P))
    found: list[float] = []
    for i in peaks[np.argsort(-P[peaks], kind="stable")]:
        angle = grid[i] + step * _parabola_top(left[i], P[i], right[i])
        # A peak less than the separation away from a higher one is the foot of that one's, or its ripple.
        if all(abs((angle - other + 180) % 360 - 180) >= separation for other in found):
            found.append(angle)
        if len(found) == wanted:
            break
    return np.array(found)


def _whitened(X: NDArray[Any], exponent: float, floor: float = _SILENT) -> NDArray[Any]:
    """Divide every value by a power of its magnitude; one below the floor, relative to the largest, becomes zero."""
    magnitude = np.abs(X)
    largest = magnitude.max() or 1.0
    gain = np.zeros_like(magnitude)
    np.divide(1, magnitude, out=gain, where=magnitude > floor * largest)
    if exponent != 1:
        gain = (gain * largest) ** exponent
    whitened: NDArray[Any] = X * gain
    return whitened


def _in_range(frequencies: NDArray[np.float64], frequency_range_hz: tuple[float, float] | None) -> NDArray[np.bool_]:
    """Tell which frequencies lie in the range."""
    if frequency_range_hz is None:
        return np.ones(len(frequencies), dtype=bool)
    if np.shape(frequency_range_hz) != (2,) or not 0 <= frequency_range_hz[0] <= frequency_range_hz[1]:
        raise ValueError(
            f"frequency_range_hz: got {describe(frequency_range_hz)}, expected the lowest and the highest frequency."
        )
    used: NDArray[np.bool_] = (frequencies >= frequency_range_hz[0]) & (frequencies <= frequency_range_hz[1])
    if not used.any():
        raise ValueError(
            f"frequency_range_hz: no frequency lies in {frequency_range_hz[0]:g} to {frequency_range_hz[1]:g} Hz; "
            f"there are {len(frequencies)} from {frequencies[0]:g} to {frequencies[-1]:g} Hz. Widen the range."
        )
    return used


def _used_frequencies(
    shape: tuple[int, ...],
    positions_m: ArrayLike,
    frequencies_hz: ArrayLike,
    frequency_range_hz: tuple[float, float] | None,
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the frequencies and which of them count, for a recording of (n_channels, n_freqs)."""
    frequencies, positions = as_frequencies(frequencies_hz), as_positions(positions_m)
    require_fit(tuple(shape), (len(positions), len(frequencies)), "X", "positions_m and frequencies_hz")
    return frequencies, _in_range(frequencies, frequency_range_hz)


def _steered_power(d: NDArray[np.complex128], covariance: NDArray[np.complex128]) -> NDArray[np.float64]:
    """Return mean_f dᴴΦd for steering vectors (n_directions, n_freqs, n_channels), shape (n_directions,)."""
    n_directions, n_freqs, n_channels = d.shape
    flat = d.reshape(n_directions, n_freqs * n_channels)
    # Σ_f dᴴΦd = Σ_f dᴴ(Φd), the inner products taken over frequencies and channels at once.
    product = (covariance @ d.transpose(1, 2, 0)).transpose(2, 0, 1).reshape(flat.shape)
    power: NDArray[np.float64] = np.einsum("di,di->d", flat.conj(), product).real / n_freqs
    return power


def _parabola_top(left: float, middle: float, right: float) -> float:
    """Return where the parabola through three neighbours is highest, in steps from the middle, which is a peak."""
    bend = left - 2 * middle + right
    return float((left - right) / (2 * bend)) if np.isfinite(bend) and bend < 0 else 0.0


def _refined(phase: NDArray[np.complex128], cycles: NDArray[np.float64], start: float) -> float:
    """Climb to the maximum of r(τ) = Σ Re P e^(j2πτc) by Newton's method, at most a sample away.

    P and c, the frequencies in cycles a sample, have the shape (n_freqs,).
    """
    delay = start
    slopes = cycles * phase
    for _ in range(_NEWTON_STEPS):
        terms = slopes * phases(cycles, np.array([-delay]))[:, 0]
        slope, bend = -terms.imag.sum(), -2 * np.pi * (cycles * terms.real).sum()
        if bend >= 0:
            break
        delay = float(np.clip(delay - slope / bend, start - 1, start + 1))
    return delay
