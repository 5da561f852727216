"""The loops over samples of the adaptive filters, compiled.

:mod:`course_lib.adaptive._twins` says with NumPy what they compute. A window of the far-end signal is a slice of one
contiguous array, oldest sample first, so that impulse responses stand here reversed in time: an inner product is a
single pass forwards over both. No result depends on where a recording is cut: every loop does the same operations in
the same order for a sample, whatever else comes with it.

This module imports the compiler: import it where a filter runs, not at the top of a module.
"""

from __future__ import annotations

import math
from typing import cast

import numba
import numpy as np
from numpy.typing import NDArray

from course_lib._compiling import OPTIONS, Function, compiled

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
Counts = NDArray[np.int64]

# A filter that diverges stops learning here, far below where numbers overflow.
LARGEST_ERROR = 1e100


def compiled_in_order(function: Function) -> Function:
    """Compile like all others, but leave the order of operations as it is written."""
    return cast(Function, numba.njit(cache=True, **{**OPTIONS, "fastmath": {"contract", "nsz"}})(function))


@compiled
def slide_sums(values: Array, suffixes: Array, prefix: Array, position: int, sums: Array) -> int:
    """Sum each row of ``values`` over its last ``window_length`` samples; return the new position in the window.

    The window always spans the end of one stretch of ``window_length`` samples and the beginning of the next: its sum
    is a sum from the end (``suffixes``) plus one from the beginning (``prefix``). Nothing is ever subtracted, so that a
    loud passage leaves no rounding error behind when it has gone. ``suffixes`` holds the stretch itself where
    the next samples will come to stand.
    """
    window_length = suffixes.shape[1] // 2
    for n in range(values.shape[1]):
        for row in range(values.shape[0]):
            prefix[row] += values[row, n]
            suffixes[row, window_length + position] = values[row, n]
            # Behind the newest sample there are window_length − 1 − position left of the stretch before.
            older = suffixes[row, position + 1] if position + 1 < window_length else 0.0
            sums[row, n] = older + prefix[row]
        position += 1
        if position == window_length:
            for row in range(values.shape[0]):
                total = 0.0
                for k in range(window_length - 1, -1, -1):
                    total += suffixes[row, window_length + k]
                    suffixes[row, k] = total
                prefix[row] = 0.0
            position = 0
    return position


@compiled
def follow_level(
    energies: Array, decay: float, rise: float, window_length: int, state: Array, usual: Array, restarts: Flags
) -> None:
    """Follow every rise of the energy at once and every fall slowly; tell where it has risen by the factor ``rise``.

    The rise counts from when the window was first full of sound, or full again after the last such rise; while it
    fills, what it holds tells what it will hold. ``state`` is the level, where the rise began, and the number of
    samples since.
    """
    level, base, n_heard = state[0], state[1], state[2]
    for n in range(energies.shape[0]):
        level = max(energies[n], decay * level)
        restarts[n] = n_heard >= window_length and level > rise * base
        if restarts[n]:
            n_heard = 0.0
        if n_heard < window_length and level > 0.0:
            n_heard += 1.0
            base = level
        usual[n] = level
        if n_heard < window_length and level > 0.0:
            usual[n] = max(level, energies[n] * window_length / n_heard)
    state[0], state[1], state[2] = level, base, n_heard


@compiled
def descend(
    x: Array,
    y: Array,
    steps: Array,
    restarts: Flags,
    keep: float,
    pending: Array,
    reversed_h: Array,
    estimate: Array,
    error: Array,
) -> None:
    """Filter and adapt: LMS, leaky LMS and NLMS, which differ in ``steps`` and ``keep``.

    ``x`` begins n_taps samples before ``y``. A step of zero leaves the filter as it is, a restart sets it back to
    zeros. What a sample teaches waits as
    ``pending`` (what to keep of ĥ and how much of the window to add) for the pass over ĥ that filters the next one.
    """
    n_taps = reversed_h.shape[0]
    kept, gain = pending[0], pending[1]
    for n in range(y.shape[0]):
        if restarts[n]:
            kept, gain = 0.0, 0.0
        total = 0.0
        for k in range(n_taps):
            tap = kept * reversed_h[k] + gain * x[n + k]
            reversed_h[k] = tap
            total += tap * x[n + k + 1]
        estimate[n] = total
        e = y[n] - total
        error[n] = e
        kept, gain = 1.0, 0.0
        if steps[n] != 0.0 and abs(e) < LARGEST_ERROR:
            kept, gain = keep, steps[n] * e
    pending[0], pending[1] = kept, gain


@compiled
def project(
    x: Array,
    y: Array,
    correlations: Array,
    loading: Array,
    steps: Array,
    restarts: Flags,
    reversed_h: Array,
    estimate: Array,
    error: Array,
) -> None:
    """Filter and adapt by affine projection of order P.

    ``x`` begins n_taps + P − 2 samples before the first output, ``y`` and ``correlations`` P − 1 before it;
    ``correlations`` is of the window with itself 0 … P − 1 samples earlier, shape (P, n_samples).
    """
    n_taps = reversed_h.shape[0]
    order = correlations.shape[0]
    factor = np.zeros((order, order))
    pivots = np.zeros(order)
    z = np.zeros(order)
    for n in range(estimate.shape[0]):
        newest = n + order - 1
        if restarts[n]:
            reversed_h[:] = 0.0
        for i in range(order):
            window = x[newest - i : newest - i + n_taps]
            total = 0.0
            for k in range(n_taps):
                total += reversed_h[k] * window[k]
            z[i] = y[newest - i] - total
            if i == 0:
                estimate[n] = total
                error[n] = z[0]
            if steps[n] == 0.0:
                break
        if steps[n] == 0.0 or not abs(z[0]) < LARGEST_ERROR:
            continue
        # R + δI = F D Fᵀ with F of unit diagonal. A window that those before it explain adds nothing but noise.
        for j in range(order):
            diagonal = correlations[0, newest - j] + loading[n]
            pivot = diagonal
            for k in range(j):
                pivot -= factor[j, k] * factor[j, k] * pivots[k]
            pivots[j] = pivot if pivot > 1e-12 * diagonal else 0.0
            for i in range(j + 1, order):
                total = correlations[i - j, newest - j]
                for k in range(j):
                    total -= factor[i, k] * factor[j, k] * pivots[k]
                factor[i, j] = total / pivots[j] if pivots[j] > 0.0 else 0.0
        for i in range(order):
            for k in range(i):
                z[i] -= factor[i, k] * z[k]
        for i in range(order - 1, -1, -1):
            z[i] = z[i] / pivots[i] if pivots[i] > 0.0 else 0.0
            for k in range(i + 1, order):
                z[i] -= factor[k, i] * z[k] if pivots[i] > 0.0 else 0.0
        for i in range(order):
            gain = steps[n] * z[i]
            window = x[newest - i : newest - i + n_taps]
            for k in range(n_taps):
                reversed_h[k] += gain * window[k]


# Products may not be reordered here: the compiler would move the divisions into the loop and halve its speed.
@compiled_in_order
def observe_four(
    factor: Array,
    scales: Array,
    first: int,
    parts: tuple[float, float, float, float],
    forgetting: float,
    variance: float,
    gain: Array,
) -> float:
    """Take what a sample says on four columns of U out of the factors of P = U D Uᵀ, and add it to the gain.

    ``parts`` is what the sample has in common with each column, ``variance`` the sum so far, which is returned with
    these four. Four at a time, for the gain then crosses the cache a quarter as often.
    """
    f0, f1, f2, f3 = parts
    d0, d1, d2, d3 = scales[first], scales[first + 1], scales[first + 2], scales[first + 3]
    v0, v1, v2, v3 = d0 * f0, d1 * f1, d2 * f2, d3 * f3
    variance_0 = variance + v0 * f0
    variance_1 = variance_0 + v1 * f1
    variance_2 = variance_1 + v2 * f2
    variance_3 = variance_2 + v3 * f3
    p0, p1, p2, p3 = f0 / variance, f1 / variance_0, f2 / variance_1, f3 / variance_2
    scales[first] = d0 * (variance / (forgetting * variance_0))
    scales[first + 1] = d1 * (variance_0 / (forgetting * variance_1))
    scales[first + 2] = d2 * (variance_1 / (forgetting * variance_2))
    scales[first + 3] = d3 * (variance_2 / (forgetting * variance_3))
    column_0, column_1, column_2, column_3 = factor[first], factor[first + 1], factor[first + 2], factor[first + 3]
    for k in range(first + 4):
        g, u = gain[k], column_0[k]
        column_0[k] = u - p0 * g
        g, u = g + v0 * u, column_1[k]
        column_1[k] = u - p1 * g
        g, u = g + v1 * u, column_2[k]
        column_2[k] = u - p2 * g
        g, u = g + v2 * u, column_3[k]
        column_3[k] = u - p3 * g
        gain[k] = g + v3 * u
    total: float = variance_3
    return total


@compiled
def recurse(
    x: Array,
    y: Array,
    targets: Array,
    restarts: Flags,
    forgetting: float,
    factor: Array,
    scales: Array,
    ridge: Array,
    counts: Counts,
    reversed_h: Array,
    estimate: Array,
    error: Array,
) -> None:
    """Filter and adapt by recursive least squares.

    P = R⁻¹ = U D Uᵀ is kept by its factors: ``factor``, each row of which is a column of U, upper triangular with ones
    on its diagonal, and ``scales``, the positive diagonal of D. Bierman's update multiplies D by positive numbers only:
    P cannot lose its symmetry or become indefinite, whatever is rounded. ``targets`` is the ridge that R should hold;
    nothing is learnt where it is zero. ``counts`` is the tap whose ridge is looked at next, and how many samples,
    up to n_taps, have been learnt from.

    ``reversed_h`` has a length that four divides; its first taps, whose columns are zero, stay zero. ``ridge`` has one
    value for each of the others.
    """
    n_taps = reversed_h.shape[0]
    n_idle = n_taps - ridge.shape[0]
    decay = forgetting ** ridge.shape[0]
    gain = np.zeros(n_taps)
    next_tap, n_learnt = counts[0], counts[1]
    for n in range(y.shape[0]):
        # Fewer samples than taps say anything that noise wants where the ridge is too small for them.
        if restarts[n] or (n_learnt < ridge.shape[0] and targets[n] > 2.0 * ridge[next_tap]):
            reversed_h[:] = 0.0
            n_learnt = 0
        window = x[n : n + n_taps]
        total = 0.0
        for k in range(n_taps):
            total += reversed_h[k] * window[k]
        estimate[n] = total
        error[n] = y[n] - total
        if targets[n] == 0.0:
            continue
        if n_learnt == 0:
            ridge[:] = targets[n]
            factor[:] = 0.0
            for i in range(n_idle, n_taps):
                factor[i, i] = 1.0
                scales[i] = 1.0 / targets[n]

        n_learnt = min(n_learnt + 1, ridge.shape[0])

        # Forgetting wears the ridge down, tap after tap it is put back: nothing else bounds P where x excites nothing.
        ridge[next_tap] *= decay
        if ridge[next_tap] < 0.5 * targets[n]:
            weight = math.sqrt(targets[n] - ridge[next_tap])
            ridge[next_tap] = targets[n]
            tap = n_idle + next_tap
            gain[:] = 0.0
            variance = 1.0
            for i in range(tap // 4 * 4, n_taps, 4):
                f0, f1, f2, f3 = factor[i, tap], factor[i + 1, tap], factor[i + 2, tap], factor[i + 3, tap]
                parts = (weight * f0, weight * f1, weight * f2, weight * f3)
                variance = observe_four(factor, scales, i, parts, 1.0, variance, gain)
        next_tap = next_tap - 1 if next_tap > 0 else ridge.shape[0] - 1

        gain[:] = 0.0
        variance = forgetting
        for i in range(0, n_taps, 4):
            column_0, column_1, column_2, column_3 = factor[i], factor[i + 1], factor[i + 2], factor[i + 3]
            f0, f1, f2, f3 = 0.0, 0.0, 0.0, 0.0
            for k in range(i + 4):
                f0 += column_0[k] * window[k]
                f1 += column_1[k] * window[k]
                f2 += column_2[k] * window[k]
                f3 += column_3[k] * window[k]
            variance = observe_four(factor, scales, i, (f0, f1, f2, f3), forgetting, variance, gain)
        correction = error[n] / variance
        for k in range(n_taps):
            reversed_h[k] += correction * gain[k]
    counts[0], counts[1] = next_tap, n_learnt
