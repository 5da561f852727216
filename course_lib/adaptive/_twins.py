"""The adaptive filters of the time domain written plainly: what their compiled loops must agree with.

A window is the newest sample of the far end and those before it, newest first, as long as the impulse response.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from course_lib.adaptive._streams import LEVEL_MEMORY_SAMPLES

Array = NDArray[np.float64]


def windows_of(x: Array, n_taps: int) -> Array:
    """Return the window at each sample, shape (n_samples, n_taps), with zeros before the first sample."""
    padded = np.concatenate([np.zeros(n_taps - 1), x])
    windows: Array = np.lib.stride_tricks.sliding_window_view(padded, n_taps)[:, ::-1]
    return windows


def follow_level(
    windows: Array, activity_threshold_db: float, restart_threshold_db: float, far_end_power: float | None
) -> tuple[Array, Array, NDArray[np.bool_], NDArray[np.bool_]]:
    """Return for each sample the window's energy, what it usually is, whether to learn, and whether to start anew."""
    n_samples, n_taps = windows.shape
    energies = np.sum(windows**2, axis=1)
    usual = np.zeros(n_samples)
    restarts = np.zeros(n_samples, np.bool_)
    level, base, n_heard = 0.0, 0.0, 0
    for n in range(n_samples):
        level = max(energies[n], (1 - 1 / LEVEL_MEMORY_SAMPLES) * level)
        if n_heard == n_taps and level > 10 ** (restart_threshold_db / 10) * base:
            restarts[n] = True
            n_heard = 0
        if n_heard < n_taps and level > 0:
            n_heard, base = n_heard + 1, level
        usual[n] = level
        if level > 0:  # while the window fills, what it holds tells what it will hold
            usual[n] = max(level, energies[n] * n_taps / n_heard)
    if far_end_power is not None:
        usual[:] = n_taps * far_end_power
        restarts[:] = False
    active = (energies > 0) & (energies >= 10 ** (activity_threshold_db / 10) * usual)
    return energies, usual, active, restarts


def lms(
    x: Array, y: Array, adapt: NDArray[np.bool_], n_taps: int, *, step_size: float, leakage: float = 0.0
) -> tuple[Array, Array]:
    """Return error and impulse response."""
    windows = windows_of(x, n_taps)
    h = np.zeros(n_taps)
    error = np.zeros(y.size)
    for n, window in enumerate(windows):
        error[n] = y[n] - h @ window
        if adapt[n]:
            h = (1 - step_size * leakage) * h + step_size * error[n] * window
    return error, h


def nlms(
    x: Array,
    y: Array,
    adapt: NDArray[np.bool_],
    n_taps: int,
    *,
    step_size: float = 0.5,
    regularisation: float = 0.03,
    activity_threshold_db: float = -40.0,
    restart_threshold_db: float = 20.0,
    far_end_power: float | None = None,
) -> tuple[Array, Array]:
    """Return error and impulse response."""
    windows = windows_of(x, n_taps)
    energies, usual, active, restarts = follow_level(
        windows, activity_threshold_db, restart_threshold_db, far_end_power
    )
    h = np.zeros(n_taps)
    error = np.zeros(y.size)
    for n, window in enumerate(windows):
        if restarts[n] and adapt[n]:
            h = np.zeros(n_taps)
        error[n] = y[n] - h @ window
        if active[n] and adapt[n]:
            h = h + step_size * error[n] * window / (energies[n] + regularisation * usual[n])
    return error, h


def apa(
    x: Array,
    y: Array,
    adapt: NDArray[np.bool_],
    n_taps: int,
    *,
    order: int = 4,
    step_size: float = 0.5,
    regularisation: float = 0.1,
    activity_threshold_db: float = -40.0,
    restart_threshold_db: float = 20.0,
    far_end_power: float | None = None,
) -> tuple[Array, Array]:
    """Return error and impulse response."""
    windows = windows_of(x, n_taps)
    _, usual, active, restarts = follow_level(windows, activity_threshold_db, restart_threshold_db, far_end_power)
    # Silence before the beginning, so that the first samples have windows before them as well.
    windows = np.concatenate([np.zeros((order - 1, n_taps)), windows])
    microphone = np.concatenate([np.zeros(order - 1), y])
    h = np.zeros(n_taps)
    error = np.zeros(y.size)
    for n in range(y.size):
        if restarts[n] and adapt[n]:
            h = np.zeros(n_taps)
        X = windows[n : n + order][::-1].T
        e = microphone[n : n + order][::-1] - X.T @ h
        error[n] = e[0]
        if active[n] and adapt[n]:
            h = h + step_size * X @ np.linalg.solve(X.T @ X + regularisation * usual[n] * np.eye(order), e)
    return error, h


def rls(
    x: Array,
    y: Array,
    adapt: NDArray[np.bool_],
    n_taps: int,
    *,
    forgetting: float = 0.999,
    regularisation: float = 1e-3,
    activity_threshold_db: float = -40.0,
    restart_threshold_db: float = 20.0,
    far_end_power: float | None = None,
) -> tuple[Array, Array]:
    """Return error and impulse response, by the covariance form: exact where little is rounded, unstable elsewhere."""
    windows = windows_of(x, n_taps)
    _, usual, active, restarts = follow_level(windows, activity_threshold_db, restart_threshold_db, far_end_power)
    h, P, ridge, tap, n_learnt = np.zeros(n_taps), np.zeros((n_taps, n_taps)), np.zeros(n_taps), 0, 0
    error = np.zeros(y.size)
    for n, window in enumerate(windows):
        learning = active[n] and adapt[n]
        target = regularisation * usual[n]
        is_ridge_too_small = learning and n_learnt < n_taps and target > 2 * ridge[tap]
        if (restarts[n] and adapt[n]) or is_ridge_too_small:
            h, n_learnt = np.zeros(n_taps), 0
        error[n] = y[n] - h @ window
        if not learning:
            continue
        if n_learnt == 0:
            P, ridge = np.eye(n_taps) / target, np.full(n_taps, target)
        n_learnt += 1
        ridge[tap] *= forgetting**n_taps
        if ridge[tap] < target / 2:  # R gains what is missing on this place of its diagonal
            missing, ridge[tap] = target - ridge[tap], target
            P = P - np.outer(P[:, tap], P[tap]) / (1 / missing + P[tap, tap])
        tap = (tap + 1) % n_taps
        gain = P @ window / (forgetting + window @ P @ window)
        h = h + error[n] * gain
        P = (P - np.outer(gain, window @ P)) / forgetting
        P = (P + P.T) / 2
    return error, h
