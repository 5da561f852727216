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
    """Y[k] = Σ_p X_p[k] W_p[k] and ½ Σ_p |X_p[k]|² P_p[k]."""
    n_channels, n_partitions, n_freqs = W.shape
    n_places = X.shape[1]
    Y[:] = 0.0
    variance[:] = 0.0
    for c in range(n_channels):
        for p in range(n_partitions):
            spectrum = X[c, (newest + p * stride) % n_places]
            weights = W[c, p]
            covariance = P[c, p]
            for k in range(n_freqs):
                x = spectrum[k]
                Y[k] += x * weights[k]
                variance[k] += 0.5 * (x.real * x.real + x.imag * x.imag) * covariance[k]


@compiled
def correct(
    X: NDArray[Any],
    newest: int,
    stride: int,
    E: NDArray[Any],
    inverse: NDArray[Any],
    transition_power: float,
    least_drift: NDArray[Any],
    W: NDArray[Any],
    P: NDArray[Any],
) -> None:
    """W_p ← W_p + P_p X_p* E/D and P_p ← A² (1 − ½ P_p |X_p|²/D) P_p + (1 − A²)(|W_p|² + least), given 1/D."""
    n_channels, n_partitions, n_freqs = W.shape
    n_places = X.shape[1]
    for c in range(n_channels):
        for p in range(n_partitions):
            spectrum = X[c, (newest + p * stride) % n_places]
            weights = W[c, p]
            covariance = P[c, p]
            least = least_drift[c, p, 0]
            for k in range(n_freqs):
                x = spectrum[k]
                gain = covariance[k] * inverse[k]
                weight = weights[k] + gain * (x.conjugate() * E[k])
                weights[k] = weight
                learnt = 1.0 - 0.5 * gain * (x.real * x.real + x.imag * x.imag)
                covariance[k] = transition_power * learnt * covariance[k] + (1.0 - transition_power) * (
                    weight.real * weight.real + weight.imag * weight.imag + least
                )


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
