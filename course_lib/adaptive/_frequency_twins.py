"""The filters of the frequency domain in plain NumPy, a block at a time: what the compiled ones are tested against.

Whole recordings of a length that hops divide, one far-end channel. Letters as in the modules that they mirror.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def block_lms(x: Array, y: Array, n_taps: int, block_length: int, step_size: float) -> tuple[Array, Array]:
    """Block LMS in the time domain; return error and impulse response."""
    h, error = np.zeros(n_taps), np.zeros(len(y))
    past = np.concatenate([np.zeros(n_taps - 1), x])
    for begin in range(0, len(y), block_length):
        windows = np.array([past[n : n + n_taps][::-1] for n in range(begin, begin + block_length)])
        error[begin : begin + block_length] = y[begin : begin + block_length] - windows @ h
        h = h + step_size * error[begin : begin + block_length] @ windows
    return error, h


def partitioned_block_lms(
    x: Array,
    y: Array,
    n_taps: int,
    block_length: int,
    *,
    step_size: float,
    constrained: bool,
    regularisation: float,
    memory: int,
    record: float,
) -> tuple[Array, Array]:
    """The normalised filter; return error and impulse response."""
    L, n_partitions = block_length, -(-n_taps // block_length)
    W = np.zeros((n_partitions, L + 1), dtype=complex)
    X = np.zeros_like(W)
    error, usual, loudest = np.zeros(len(y)), 0.0, 0.0
    x = np.concatenate([np.zeros(L), x])
    for begin in range(0, len(y), L):
        X = np.vstack([np.fft.rfft(x[begin : begin + 2 * L])[None], X[:-1]])
        e = y[begin : begin + L] - np.fft.irfft((X * W).sum(axis=0))[L:]
        energy = np.sum(np.abs(X[0]) ** 2)
        if energy > record * loudest:
            loudest = energy
            if np.sum(e**2) > np.sum(y[begin : begin + L] ** 2):
                W, e = np.zeros_like(W), y[begin : begin + L]
        error[begin : begin + L] = e
        power = (np.abs(X) ** 2).sum(axis=0)
        usual = max(power.mean(), usual * np.exp(-L / memory))
        if power.mean() <= 1e-4 * usual:
            continue
        power = np.max([power, np.append(power[1:], 0.0), np.append(0.0, power[:-1])], axis=0)
        step = step_size / (power + regularisation * usual)
        W = W + step * X.conj() * np.fft.rfft(np.concatenate([np.zeros(L), e]))
        if constrained:
            W = _constrained(W, n_taps)
    return error, np.fft.irfft(W)[:, :L].reshape(-1)[:n_taps]


def _constrained(W: NDArray[np.complex128], n_taps: int) -> NDArray[np.complex128]:
    L = W.shape[1] - 1
    w = np.fft.irfft(W)
    w[:, L:] = 0.0
    w[-1, n_taps - (len(W) - 1) * L :] = 0.0
    return np.fft.rfft(w)


def frequency_domain_kalman(
    x: Array,
    y: Array,
    n_taps: int,
    block_length: int,
    hop_length: int,
    *,
    transition: float,
    noise_smoothing: float,
    decay_db: float,
    record: float,
    least_drift: float,
) -> tuple[Array, Array]:
    """The Kalman filter; return error and impulse response."""
    L, H, R = block_length, hop_length, block_length // hop_length
    n_partitions = -(-n_taps // L)
    A2 = transition ** (2 / R)
    profile = 10 ** (-decay_db / 10 * np.arange(n_partitions))
    profile /= profile.sum()
    W = np.zeros((n_partitions, L + 1), dtype=complex)
    P = np.zeros((n_partitions, L + 1))
    unknown = np.zeros((n_partitions, 1))
    noise, loudest, error = np.zeros(L + 1), 0.0, np.zeros(len(y))
    spectra = [np.zeros(L + 1, dtype=complex)] * (n_partitions * R)
    period = 4 * R if R > 1 else 1
    x, y = np.concatenate([np.zeros(2 * L - H), x]), np.concatenate([np.zeros(L - H), y])
    for m in range(len(error) // H):
        spectra = [np.fft.rfft(x[m * H : m * H + 2 * L]), *spectra[:-1]]
        X = np.array(spectra[::R])
        block = y[m * H : m * H + L]
        e = block - np.fft.irfft((X * W).sum(axis=0))[L:]
        error[m * H : (m + 1) * H] = e[-H:]
        if not np.any(spectra):
            continue
        energy = np.sum(np.abs(X[0]) ** 2)
        if energy > record * loudest:
            loudest = energy
            if np.sum(e**2) > np.sum(block**2):
                W, e = np.zeros_like(W), block
            unknown = 4 * L * np.sum(block**2) / np.sum(profile * np.sum(np.abs(X) ** 2, axis=1)) * profile[:, None]
            P = np.sum(e**2) / np.sum(block**2) * unknown + np.zeros_like(P) if block.any() else np.zeros_like(P)
        E = np.fft.rfft(np.concatenate([np.zeros(L), e]))
        power = np.abs(E) ** 2
        smooth = power.copy()
        smooth[1:-1] = np.convolve(power, np.ones(3) / 3, mode="valid")
        noise = noise_smoothing * noise + (1 - noise_smoothing) * smooth
        D = 0.5 * (np.abs(X) ** 2 * P).sum(axis=0) + R * noise
        gain = np.divide(P, D, out=np.zeros_like(P), where=D > 0)
        W = W + gain * X.conj() * E
        P = A2 * (1 - 0.5 * gain * np.abs(X) ** 2) * P + (1 - A2) * (np.abs(W) ** 2 + least_drift * unknown)
        turn = slice(m % period, None, period)
        constrained = _constrained(W, n_taps)
        W[turn] = constrained[turn]
    return error, np.fft.irfft(W)[:, :L].reshape(-1)[:n_taps]
