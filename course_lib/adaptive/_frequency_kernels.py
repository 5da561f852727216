"""Compiled loops of the filters in the frequency domain; imported when one runs, for Numba takes its time.

Spectra of the far end stand in a ring (n_channels, n_places, n_freqs) whose newest is at ``newest``; those that
partition p is multiplied with lie p · ``stride`` places further on.
"""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from course_lib._compiling import compiled


@compiled
def predict(X: NDArray[Any], newest: int, stride: int, W: NDArray[Any], Y: NDArray[Any]) -> None:
    """Y[k] = Σ_p X_p[k] W_p[k]."""
    n_channels, n_partitions, n_freqs = W.shape
    n_places = X.shape[1]
    Y[:] = 0.0
    for c in range(n_channels):
        for p in range(n_partitions):
            spectrum = X[c, (newest + p * stride) % n_places]
            weights = W[c, p]
            for k in range(n_freqs):
                Y[k] += spectrum[k] * weights[k]


@compiled
def predict_with_variance(
    X: NDArray[Any],
    newest: int,
    stride: int,
    W: NDArray[Any],
    P: NDArray[Any],
    Y: NDArray[Any],
    variance: NDArray[Any],
) -> None:
    """Y[k] = Σ_p X_p[k] W_p[k] and ½ Σ_p |X_p[k]|² P_p[k], for each of several filters (the first axis)."""
    n_filters, n_channels, n_partitions, n_freqs = W.shape
    n_places = X.shape[1]
    Y[:] = 0.0
    variance[:] = 0.0
    for f in range(n_filters):
        estimate, uncertain = Y[f], variance[f]
        for c in range(n_channels):
            for p in range(n_partitions):
                spectrum = X[c, (newest + p * stride) % n_places]
                weights = W[f, c, p]
                covariance = P[f, c, p]
                for k in range(n_freqs):
                    x = spectrum[k]
                    estimate[k] += x * weights[k]
                    uncertain[k] += 0.5 * (x.real * x.real + x.imag * x.imag) * covariance[k]


@compiled
def track_noise(
    E: NDArray[Any],
    smoothing: float,
    overlap: float,
    variance: NDArray[Any],
    noise: NDArray[Any],
    inverse: NDArray[Any],
) -> None:
    """Ψ ← β Ψ + (1 − β) |E|², smoothed over three frequencies, and 1/D with D = variance + R Ψ; zero where D is."""
    n_filters, n_freqs = E.shape
    for f in range(n_filters):
        error = E[f]
        for k in range(n_freqs):
            power = error[k].real * error[k].real + error[k].imag * error[k].imag
            # Neighbours tell about each other: the zeros in front of the error have smeared its spectrum.
            if 0 < k < n_freqs - 1:
                left, right = error[k - 1], error[k + 1]
                power += left.real * left.real + left.imag * left.imag
                power += right.real * right.real + right.imag * right.imag
                power /= 3.0
            noise[f, k] = smoothing * noise[f, k] + (1.0 - smoothing) * power
            total = variance[f, k] + overlap * noise[f, k]
            inverse[f, k] = 1.0 / total if total > 2.3e-308 else 0.0


@compiled
def correct(
    X: NDArray[Any],
    newest: int,
    stride: int,
    E: NDArray[Any],
    inverse: NDArray[Any],
    transition_powers: NDArray[Any],
    least_drift: NDArray[Any],
    W: NDArray[Any],
    P: NDArray[Any],
) -> None:
    """W_p ← W_p + P_p X_p* E/D and P_p ← A² (1 − ½ P_p |X_p|²/D) P_p + (1 − A²)(|W_p|² + least), given 1/D."""
    n_filters, n_channels, n_partitions, n_freqs = W.shape
    n_places = X.shape[1]
    for f in range(n_filters):
        kept = transition_powers[f]
        error, factor = E[f], inverse[f]
        for c in range(n_channels):
            for p in range(n_partitions):
                spectrum = X[c, (newest + p * stride) % n_places]
                weights = W[f, c, p]
                covariance = P[f, c, p]
                least = least_drift[c, p, 0]
                for k in range(n_freqs):
                    x = spectrum[k]
                    gain = covariance[k] * factor[k]
                    weight = weights[k] + gain * (x.conjugate() * error[k])
                    weights[k] = weight
                    unsure = 1.0 - 0.5 * gain * (x.real * x.real + x.imag * x.imag)
                    covariance[k] = kept * unsure * covariance[k] + (1.0 - kept) * (
                        weight.real * weight.real + weight.imag * weight.imag + least
                    )


@compiled
def compare(first: NDArray[Any], second: NDArray[Any], smoothing: float, noise: NDArray[Any]) -> tuple[float, float]:
    """Return Σ (|first|² − |second|²)/N and 2 Σ |first − second|²/N; N, kept up here, is what both have at least."""
    n_freqs = len(first)
    largest = 0.0
    for k in range(n_freqs):
        a = first[k].real * first[k].real + first[k].imag * first[k].imag
        b = second[k].real * second[k].real + second[k].imag * second[k].imag
        noise[k] = smoothing * noise[k] + (1.0 - smoothing) * min(a, b)
        largest = max(largest, noise[k], min(a, b))
    advantage, variance = 0.0, 0.0
    for k in range(n_freqs):
        a = first[k].real * first[k].real + first[k].imag * first[k].imag
        b = second[k].real * second[k].real + second[k].imag * second[k].imag
        unit = max(noise[k], min(a, b)) + 1e-12 * largest + 2.3e-308
        difference = first[k] - second[k]
        advantage += (a - b) / unit
        variance += 2.0 * (difference.real * difference.real + difference.imag * difference.imag) / unit
    return advantage, variance


@compiled
def descend(X: NDArray[Any], newest: int, stride: int, step: NDArray[Any], W: NDArray[Any]) -> None:
    """W_p ← W_p + X_p* S, with S the error's spectrum times the step size of each frequency."""
    n_channels, n_partitions, n_freqs = W.shape
    n_places = X.shape[1]
    for c in range(n_channels):
        for p in range(n_partitions):
            spectrum = X[c, (newest + p * stride) % n_places]
            weights = W[c, p]
            for k in range(n_freqs):
                weights[k] += spectrum[k].conjugate() * step[k]


@compiled
def sum_powers(X: NDArray[Any], newest: int, stride: int, n_partitions: int, power: NDArray[Any]) -> None:
    """Σ_p |X_p[k]|² over the channels and partitions."""
    n_channels, n_places, n_freqs = X.shape
    power[:] = 0.0
    for c in range(n_channels):
        for p in range(n_partitions):
            spectrum = X[c, (newest + p * stride) % n_places]
            for k in range(n_freqs):
                x = spectrum[k]
                power[k] += x.real * x.real + x.imag * x.imag
