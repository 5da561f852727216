"""The sweeps of :mod:`course_lib.bss._kernels`, written with NumPy so that they can be read.

The solvers run the compiled sweeps; the tests compare the two. The arguments are the same:

    Y     sources, shape (n_freqs, n_sources, 2, n_frames): real and imaginary parts apart; changed in place
    W     demixing filter, shape (n_freqs, n_sources, n_sources), complex; changed in place
    T, V  bases and activations of the source models; T is changed in place

One call works on some frequencies and returns what all of them together need as sums over its own.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

# An output is empty where its power is this small beside that of the channels it adds up: rounding is left of them.
EMPTY_OUTPUT: Final = 1e-18
# A pivot this small beside its diagonal entry is rounding: the output is a sum of those before it.
EMPTY_PIVOT: Final = 1e-12
# Power that every source model holds besides its bases, relative to the mean power at the frequency (−100 dB).
MODEL_FLOOR: Final = 1e-10


def as_complex(Y: NDArray[np.float64]) -> NDArray[np.complex128]:
    """Join real and imaginary parts: (n_freqs, n_sources, 2, n_frames) to (n_freqs, n_sources, n_frames)."""
    joined: NDArray[np.complex128] = Y[:, :, 0] + 1j * Y[:, :, 1]
    return joined


def as_planes(y: NDArray[np.complex128]) -> NDArray[np.float64]:
    """Split into real and imaginary parts: (n_freqs, n_sources, n_frames) to (n_freqs, n_sources, 2, n_frames)."""
    return np.stack([y.real, y.imag], axis=2)


def _output_power(
    y: NDArray[np.complex128], W: NDArray[np.complex128], weights: NDArray[np.float64], n: int
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the weighted mean power of output n at each frequency, and where it is more than rounding."""
    power = np.mean(weights * np.abs(y[:, n]) ** 2, axis=-1)
    largest = y.shape[1] * np.sum(np.abs(W[:, n]) ** 2, axis=-1) * np.mean(weights, axis=-1)
    return power, power > EMPTY_OUTPUT * largest


def steer(y: NDArray[np.complex128], W: NDArray[np.complex128], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Iterative source steering: take each output out of the others, then give it unit weighted power.

    Every step is a row operation y_k ← y_k − v_k y_n. Returns by how much log|det W| fell, shape (n_freqs,).
    """
    n_freqs, n_sources, _ = y.shape
    fall = np.zeros(n_freqs)
    for n in range(n_sources):
        power, heard = _output_power(y, W, weights[:, n], n)
        v = np.zeros((n_freqs, n_sources), dtype=np.complex128)
        for k in range(n_sources):
            if k == n:
                v[heard, n] = 1 - 1 / np.sqrt(power[heard])
            else:
                correlation = np.sum(weights[:, k] * y[:, k] * y[:, n].conj(), axis=-1)
                steering_power = np.sum(weights[:, k] * np.abs(y[:, n]) ** 2, axis=-1)
                v[heard, k] = correlation[heard] / steering_power[heard]
        y -= v[:, :, None] * y[:, n : n + 1].copy()
        W -= v[:, :, None] * W[:, n : n + 1].copy()
        fall[heard] += 0.5 * np.log(power[heard])
    return fall


def project(y: NDArray[np.complex128], W: NDArray[np.complex128], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Iterative projection: take all the others out of each output at once, then give it unit weighted power.

    (W U)⁻¹ e_n is, up to its length, the row w_n − Σ_k c_k w_k whose output has the least weighted power: seen from the
    outputs, the equation needs neither the mixture nor an inverse. Returns by how much log|det W| fell, (n_freqs,).
    """
    n_freqs, n_sources, n_frames = y.shape
    fall = np.zeros(n_freqs)
    for n in range(n_sources):
        others = [k for k in range(n_sources) if k != n]
        weighted = weights[:, n, None] * y
        covariance = weighted @ y.conj().swapaxes(1, 2) / n_frames
        heard = np.stack([_output_power(y, W, weights[:, n], k)[1] for k in others], axis=1)
        c = solve_where_heard(covariance[:, others][:, :, others].swapaxes(1, 2), covariance[:, n, others], heard)
        y[:, n] -= np.einsum("fk,fkm->fm", c, y[:, others])
        W[:, n] -= np.einsum("fk,fkm->fm", c, W[:, others])
        power, heard = _output_power(y, W, weights[:, n], n)
        gain = np.where(heard, 1 / np.sqrt(np.where(heard, power, 1.0)), 1.0)
        y[:, n] *= gain[:, None]
        W[:, n] *= gain[:, None]
        fall -= np.log(gain)
    return fall


def solve_where_heard(
    A: NDArray[np.complex128], b: NDArray[np.complex128], heard: NDArray[np.bool_]
) -> NDArray[np.complex128]:
    """Solve A c = b for Hermitian A by elimination; c is zero where an output is empty or its pivot rounding.

    A has shape (n_freqs, size, size), b, heard and c have (n_freqs, size).
    """
    A, b, heard = A.copy(), b.copy(), heard.copy()
    size = A.shape[1]
    diagonal = np.einsum("fkk->fk", A).real.copy()
    for i in range(size):
        pivot = A[:, i, i].real
        heard[:, i] &= pivot > EMPTY_PIVOT * diagonal[:, i]
        for j in range(i + 1, size):
            factor = np.where(heard[:, i], A[:, j, i] / np.where(heard[:, i], pivot, 1.0), 0.0)
            A[:, j, i:] -= factor[:, None] * A[:, i, i:]
            b[:, j] -= factor * b[:, i]
    c = np.zeros_like(b)
    for i in reversed(range(size)):
        rest = b[:, i] - np.sum(A[:, i, i + 1 :] * c[:, i + 1 :], axis=1)
        c[:, i] = np.where(heard[:, i], rest / np.where(heard[:, i], A[:, i, i].real, 1.0), 0.0)
    return c


def iva_sweep(
    Y: NDArray[np.float64], W: NDArray[np.complex128], weights: NDArray[np.float64], steering: bool
) -> tuple[NDArray[np.float64], float]:
    """One update of every filter row with the weights φ (n_sources, n_frames) of all frequencies.

    Returns Σ_k |y_n[k,m]|², shape (n_sources, n_frames), and by how much Σ_k log|det W[k]| fell.
    """
    y = as_complex(Y)
    update = steer if steering else project
    fall = update(y, W, np.broadcast_to(weights, y.shape))
    Y[:] = as_planes(y)
    return np.sum(np.abs(y) ** 2, axis=0), float(fall.sum())


def spatial_update(
    Y: NDArray[np.float64], W: NDArray[np.complex128], R: NDArray[np.float64], steering: bool
) -> tuple[NDArray[np.float64], float]:
    """Update the filter with the model powers R, shape (n_freqs, n_sources, n_frames).

    Returns |Y|² and by how much Σ_k log|det W[k]| fell.
    """
    y = as_complex(Y)
    update = steer if steering else project
    fall = update(y, W, 1 / R)
    Y[:] = as_planes(y)
    return np.abs(y) ** 2, float(fall.sum())


def ilrma_sweep(
    Y: NDArray[np.float64],
    W: NDArray[np.complex128],
    T: NDArray[np.float64],
    V: NDArray[np.float64],
    steering: bool,
    update_filter: bool,
    update_bases: bool,
) -> tuple[NDArray[np.float64], NDArray[np.float64], float, float]:
    """Update the filter, take the loss, update the bases T and gather what the activations V need.

    T has shape (n_freqs, n_sources, n_bases), V (n_sources, n_bases, n_frames). The order is that of one iteration,
    seen from its middle: in this order a frequency is read once an iteration.
    Returns numerator and denominator of V's update, shape (n_sources, n_bases, n_frames), Σ |y|²/R + log R, and by
    how much Σ_k log|det W[k]| fell.
    """
    R = np.einsum("fnk,nkm->fnm", T, V) + MODEL_FLOOR
    fall = 0.0
    P = np.abs(as_complex(Y)) ** 2
    if update_filter:
        P, fall = spatial_update(Y, W, R, steering)
    loss = float(np.sum(P / R + np.log(R)))
    if update_bases:
        _multiply(T, np.einsum("fnm,nkm->fnk", P / R**2, V), np.einsum("fnm,nkm->fnk", 1 / R, V))
        R = np.einsum("fnk,nkm->fnm", T, V) + MODEL_FLOOR
    return np.einsum("fnm,fnk->nkm", P / R**2, T), np.einsum("fnm,fnk->nkm", 1 / R, T), loss, fall


def partition_sweep(
    Y: NDArray[np.float64],
    W: NDArray[np.complex128],
    T: NDArray[np.float64],
    V: NDArray[np.float64],
    Z: NDArray[np.float64],
    steering: bool,
    update_filter: bool,
) -> tuple[NDArray[np.float64], NDArray[np.float64], float, float]:
    """Update the filter of partitioned ILRMA, take the loss and gather what the partition Z needs.

    T has shape (n_freqs, n_bases), V (n_bases, n_frames), Z (n_sources, n_bases).
    Returns numerator and denominator of Z's update, shape (n_sources, n_bases), Σ |y|²/R + log R, and by how much
    Σ_k log|det W[k]| fell.
    """
    R = np.einsum("nk,fk,km->fnm", Z, T, V) + MODEL_FLOOR
    fall = 0.0
    P = np.abs(as_complex(Y)) ** 2
    if update_filter:
        P, fall = spatial_update(Y, W, R, steering)
    loss = float(np.sum(P / R + np.log(R)))
    return np.einsum("fnm,fk,km->nk", P / R**2, T, V), np.einsum("fnm,fk,km->nk", 1 / R, T, V), loss, fall


def shared_bases_sweep(
    Y: NDArray[np.float64], T: NDArray[np.float64], V: NDArray[np.float64], Z: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Update the bases T that all sources share, and gather what the shared activations V need.

    Returns numerator and denominator of V's update, shape (n_bases, n_frames).
    """
    P = np.abs(as_complex(Y)) ** 2
    R = np.einsum("nk,fk,km->fnm", Z, T, V) + MODEL_FLOOR
    _multiply(T, np.einsum("fnm,nk,km->fk", P / R**2, Z, V), np.einsum("fnm,nk,km->fk", 1 / R, Z, V))
    R = np.einsum("nk,fk,km->fnm", Z, T, V) + MODEL_FLOOR
    return np.einsum("fnm,nk,fk->km", P / R**2, Z, T), np.einsum("fnm,nk,fk->km", 1 / R, Z, T)


def _multiply(factor: NDArray[np.float64], numerator: NDArray[np.float64], denominator: NDArray[np.float64]) -> None:
    """Multiplicative update of Itakura–Saito with its monotone exponent ½; a part without any weight stays."""
    factor *= np.sqrt(np.divide(numerator, denominator, out=np.ones_like(factor), where=denominator > 0))
