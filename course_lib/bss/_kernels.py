"""The sweeps of AuxIVA and ILRMA, compiled. :mod:`course_lib.bss._twins` says with NumPy what each computes.

A frequency is worked on from start to end while it lies in the processor's first cache. Real and imaginary parts lie
apart, and every inner loop runs over the frames of one row, so that the compiler turns it into vector instructions.

This module imports the compiler: import it where the sweeps are needed, not at the top of a module.
"""

from __future__ import annotations

from typing import Any, cast

import numba
import numpy as np
from numpy.typing import NDArray

from course_lib._compiling import OPTIONS, Function, compiled
from course_lib.bss._twins import EMPTY_OUTPUT, EMPTY_PIVOT, MODEL_FLOOR

Real = NDArray[np.float64]
Complex = NDArray[np.complex128]

# Products further out may have over- or underflown.
_SMALLEST_PRODUCT, _LARGEST_PRODUCT = 1e-290, 1e290


def _part(function: Function) -> Function:
    """Compile what only the sweeps call; without an entry from Python that takes half the time."""
    options: dict[str, Any] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True, **OPTIONS}
    return cast(Function, numba.njit(**options)(function))


@_part
def _dot(weights: Real, a: Real, b: Real) -> tuple[float, float]:
    """Return real and imaginary part of Σ_m φ a b*; a and b have shape (2, n_frames)."""
    a_real, a_imag, b_real, b_imag = a[0], a[1], b[0], b[1]
    real = 0.0
    imag = 0.0
    for m in range(weights.shape[0]):
        real += weights[m] * (a_real[m] * b_real[m] + a_imag[m] * b_imag[m])
        imag += weights[m] * (a_imag[m] * b_real[m] - a_real[m] * b_imag[m])
    return real, imag


@_part
def _regress(weights: Real, a: Real, b: Real) -> tuple[float, float]:
    """Return real and imaginary part of Σ_m φ a b* / Σ_m φ |b|²."""
    a_real, a_imag, b_real, b_imag = a[0], a[1], b[0], b[1]
    real = 0.0
    imag = 0.0
    power = 0.0
    for m in range(weights.shape[0]):
        real += weights[m] * (a_real[m] * b_real[m] + a_imag[m] * b_imag[m])
        imag += weights[m] * (a_imag[m] * b_real[m] - a_real[m] * b_imag[m])
        power += weights[m] * (b_real[m] * b_real[m] + b_imag[m] * b_imag[m])
    return real / power, imag / power


@_part
def _power(weights: Real, a: Real) -> float:
    """Return Σ_m φ |a|²."""
    real, imag = a[0], a[1]
    total = 0.0
    for m in range(weights.shape[0]):
        total += weights[m] * (real[m] * real[m] + imag[m] * imag[m])
    return total


@_part
def _total(a: Real) -> float:
    total = 0.0
    for m in range(a.shape[0]):
        total += a[m]
    return total


@_part
def _subtract(a: Real, factor_real: float, factor_imag: float, b: Real) -> None:
    """a ← a − factor · b."""
    a_real, a_imag, b_real, b_imag = a[0], a[1], b[0], b[1]
    for m in range(a_real.shape[0]):
        real, imag = b_real[m], b_imag[m]
        a_real[m] -= factor_real * real - factor_imag * imag
        a_imag[m] -= factor_real * imag + factor_imag * real


@_part
def _scale_row(y: Real, w: Complex, n: int, gain: float) -> None:
    real, imag = y[n, 0], y[n, 1]
    for m in range(real.shape[0]):
        real[m] *= gain
        imag[m] *= gain
    for k in range(w.shape[1]):
        w[n, k] *= gain


@_part
def _is_heard(power: float, w: Complex, n: int, weight: float) -> bool:
    norm = 0.0
    for k in range(w.shape[1]):
        norm += w[n, k].real ** 2 + w[n, k].imag ** 2
    return bool(power > EMPTY_OUTPUT * w.shape[0] * norm * weight)


@_part
def _steer(y: Real, w: Complex, weights: Real, weight_sums: Real) -> float:
    """Iterative source steering at one frequency; return by how much log|det W| fell."""
    n_sources, n_frames = weights.shape
    fall = 0.0
    for n in range(n_sources):
        power = _power(weights[n], y[n]) / n_frames
        if not _is_heard(power, w, n, weight_sums[n] / n_frames):
            continue
        for k in range(n_sources):
            if k != n:
                real, imag = _regress(weights[k], y[k], y[n])
                _subtract(y[k], real, imag, y[n])
                for c in range(n_sources):
                    w[k, c] -= complex(real, imag) * w[n, c]
        _scale_row(y, w, n, 1 / np.sqrt(power))
        fall += 0.5 * np.log(power)
    return fall


@_part
def _project(y: Real, w: Complex, weights: Real, weight_sums: Real, A: Complex, b: Complex, c: Complex) -> float:
    """Iterative projection at one frequency; A, b and c are scratch for the equations of the other outputs."""
    n_sources, n_frames = weights.shape
    size = n_sources - 1
    fall = 0.0
    for n in range(n_sources):
        for i in range(size):
            p = i + (i >= n)
            real, imag = _dot(weights[n], y[n], y[p])
            b[i] = complex(real, imag) / n_frames
            power = _power(weights[n], y[p]) / n_frames
            A[i, i] = power
            c[i] = 1.0 if _is_heard(power, w, p, weight_sums[n] / n_frames) else 0.0
            for j in range(i):
                real, imag = _dot(weights[n], y[j + (j >= n)], y[p])
                A[i, j] = complex(real, imag) / n_frames
                A[j, i] = complex(real, -imag) / n_frames
        _solve_where_heard(A, b, c)
        for i in range(size):
            p = i + (i >= n)
            _subtract(y[n], c[i].real, c[i].imag, y[p])
            for k in range(n_sources):
                w[n, k] -= c[i] * w[p, k]
        power = _power(weights[n], y[n]) / n_frames
        if _is_heard(power, w, n, weight_sums[n] / n_frames):
            _scale_row(y, w, n, 1 / np.sqrt(power))
            fall += 0.5 * np.log(power)
    return fall


@_part
def _solve_where_heard(A: Complex, b: Complex, c: Complex) -> None:
    """Solve A c = b for Hermitian A by elimination, in place.

    c comes in as 1 for an output that is heard and 0 for one that is empty; it is zero there, and where a pivot is
    rounding.
    """
    size = b.shape[0]
    for i in range(size):
        c[i] *= A[i, i].real
    for i in range(size):
        if A[i, i].real > EMPTY_PIVOT * c[i].real and c[i].real > 0:
            c[i] = 1.0
            for j in range(i + 1, size):
                factor = A[j, i] / A[i, i].real
                for k in range(i, size):
                    A[j, k] -= factor * A[i, k]
                b[j] -= factor * b[i]
        else:
            c[i] = 0.0
    for i in range(size - 1, -1, -1):
        if c[i].real > 0:
            rest = b[i]
            for k in range(i + 1, size):
                rest -= A[i, k] * c[k]
            c[i] = rest / A[i, i].real


@compiled
def iva_sweep(Y: Real, W: Complex, weights: Real, steering: bool) -> tuple[Real, float]:
    n_freqs, n_sources, _, n_frames = Y.shape
    power = np.zeros((n_sources, n_frames))
    weight_sums = np.empty(n_sources)
    for n in range(n_sources):
        weight_sums[n] = _total(weights[n])
    A = np.empty((n_sources - 1, n_sources - 1), dtype=np.complex128)
    b = np.empty(n_sources - 1, dtype=np.complex128)
    c = np.empty(n_sources - 1, dtype=np.complex128)
    fall = 0.0
    for f in range(n_freqs):
        if steering:
            fall += _steer(Y[f], W[f], weights, weight_sums)
        else:
            fall += _project(Y[f], W[f], weights, weight_sums, A, b, c)
        for n in range(n_sources):
            real, imag, total = Y[f, n, 0], Y[f, n, 1], power[n]
            for m in range(n_frames):
                total[m] += real[m] * real[m] + imag[m] * imag[m]
    return power, fall


@_part
def _model_inverse(T: Real, V: Real, inverse: Real) -> None:
    """Set inverse to 1/(Σ_b t_b v_b[m] + floor); T has shape (n_bases,), V (n_bases, n_frames)."""
    n_bases, n_frames = V.shape
    for m in range(n_frames):
        inverse[m] = MODEL_FLOOR
    for i in range(n_bases):
        t, v = T[i], V[i]
        for m in range(n_frames):
            inverse[m] += t * v[m]
    for m in range(n_frames):
        inverse[m] = 1 / inverse[m]


@_part
def _cost(y: Real, inverse: Real, products: Real) -> float:
    """Return Σ_m |y|²/R + log R; products is scratch of n_frames // 8."""
    n_frames = inverse.shape[0]
    total = _power(inverse, y)
    # One logarithm of a product costs an eighth of eight logarithms.
    length = n_frames // 8
    for m in range(length):
        products[m] = inverse[m]
    for i in range(1, 8):
        factors = inverse[i * length : (i + 1) * length]
        for m in range(length):
            products[m] *= factors[m]
    for m in range(length):
        if _SMALLEST_PRODUCT < products[m] < _LARGEST_PRODUCT:
            total -= np.log(products[m])
        else:
            for i in range(8):
                total -= np.log(inverse[m + i * length])
    for m in range(length * 8, n_frames):
        total -= np.log(inverse[m])
    return total


@_part
def _ratio(y: Real, inverse: Real, ratio: Real) -> None:
    """Set ratio to |y|²/R²."""
    real, imag = y[0], y[1]
    for m in range(inverse.shape[0]):
        ratio[m] = (real[m] * real[m] + imag[m] * imag[m]) * inverse[m] * inverse[m]


@_part
def _gather(v: Real, ratio: Real, inverse: Real) -> tuple[float, float]:
    """Return Σ_m v |y|²/R² and Σ_m v/R."""
    numerator = 0.0
    denominator = 0.0
    for m in range(v.shape[0]):
        numerator += v[m] * ratio[m]
        denominator += v[m] * inverse[m]
    return numerator, denominator


@_part
def _spread(t: float, ratio: Real, inverse: Real, numerator: Real, denominator: Real) -> None:
    """Add t |y|²/R² and t/R to the sums for the activations."""
    for m in range(ratio.shape[0]):
        numerator[m] += t * ratio[m]
        denominator[m] += t * inverse[m]


@compiled
def ilrma_sweep(
    Y: Real, W: Complex, T: Real, V: Real, steering: bool, update_filter: bool, update_bases: bool
) -> tuple[Real, Real, float, float]:
    n_freqs, n_sources, _, n_frames = Y.shape
    n_bases = T.shape[2]
    numerator = np.zeros((n_sources, n_bases, n_frames))
    denominator = np.zeros((n_sources, n_bases, n_frames))
    inverse = np.empty((n_sources, n_frames))
    products = np.empty(n_frames // 8)
    ratio = np.empty(n_frames)
    weight_sums = np.empty(n_sources)
    A = np.empty((n_sources - 1, n_sources - 1), dtype=np.complex128)
    b = np.empty(n_sources - 1, dtype=np.complex128)
    c = np.empty(n_sources - 1, dtype=np.complex128)
    loss = 0.0
    fall = 0.0
    for f in range(n_freqs):
        for n in range(n_sources):
            _model_inverse(T[f, n], V[n], inverse[n])
            weight_sums[n] = _total(inverse[n])
        if update_filter:
            if steering:
                fall += _steer(Y[f], W[f], inverse, weight_sums)
            else:
                fall += _project(Y[f], W[f], inverse, weight_sums, A, b, c)
        for n in range(n_sources):
            y, t = Y[f, n], T[f, n]
            loss += _cost(y, inverse[n], products)
            _ratio(y, inverse[n], ratio)
            if update_bases:
                for i in range(n_bases):
                    above, below = _gather(V[n, i], ratio, inverse[n])
                    if below > 0:
                        t[i] *= np.sqrt(above / below)
                _model_inverse(t, V[n], inverse[n])
                _ratio(y, inverse[n], ratio)
            for i in range(n_bases):
                _spread(t[i], ratio, inverse[n], numerator[n, i], denominator[n, i])
    return numerator, denominator, loss, fall


@_part
def _mix(z: Real, t: Real, product: Real) -> None:
    for i in range(z.shape[0]):
        product[i] = z[i] * t[i]


@compiled
def partition_sweep(
    Y: Real, W: Complex, T: Real, V: Real, Z: Real, steering: bool, update_filter: bool
) -> tuple[Real, Real, float, float]:
    n_freqs, n_sources, _, n_frames = Y.shape
    n_bases = T.shape[1]
    numerator = np.zeros((n_sources, n_bases))
    denominator = np.zeros((n_sources, n_bases))
    inverse = np.empty((n_sources, n_frames))
    products = np.empty(n_frames // 8)
    ratio = np.empty(n_frames)
    t = np.empty(n_bases)
    weight_sums = np.empty(n_sources)
    A = np.empty((n_sources - 1, n_sources - 1), dtype=np.complex128)
    b = np.empty(n_sources - 1, dtype=np.complex128)
    c = np.empty(n_sources - 1, dtype=np.complex128)
    loss = 0.0
    fall = 0.0
    for f in range(n_freqs):
        for n in range(n_sources):
            _mix(Z[n], T[f], t)
            _model_inverse(t, V, inverse[n])
            weight_sums[n] = _total(inverse[n])
        if update_filter:
            if steering:
                fall += _steer(Y[f], W[f], inverse, weight_sums)
            else:
                fall += _project(Y[f], W[f], inverse, weight_sums, A, b, c)
        for n in range(n_sources):
            loss += _cost(Y[f, n], inverse[n], products)
            _ratio(Y[f, n], inverse[n], ratio)
            for i in range(n_bases):
                above, below = _gather(V[i], ratio, inverse[n])
                numerator[n, i] += T[f, i] * above
                denominator[n, i] += T[f, i] * below
    return numerator, denominator, loss, fall


@compiled
def shared_bases_sweep(Y: Real, T: Real, V: Real, Z: Real) -> tuple[Real, Real]:
    n_freqs, n_sources, _, n_frames = Y.shape
    n_bases = T.shape[1]
    numerator = np.zeros((n_bases, n_frames))
    denominator = np.zeros((n_bases, n_frames))
    inverse = np.empty(n_frames)
    ratio = np.empty(n_frames)
    t = np.empty(n_bases)
    above = np.empty(n_bases)
    below = np.empty(n_bases)
    for f in range(n_freqs):
        for i in range(n_bases):
            above[i] = 0.0
            below[i] = 0.0
        for n in range(n_sources):
            _mix(Z[n], T[f], t)
            _model_inverse(t, V, inverse)
            _ratio(Y[f, n], inverse, ratio)
            for i in range(n_bases):
                a, b = _gather(V[i], ratio, inverse)
                above[i] += Z[n, i] * a
                below[i] += Z[n, i] * b
        for i in range(n_bases):
            if below[i] > 0:
                T[f, i] *= np.sqrt(above[i] / below[i])
        for n in range(n_sources):
            _mix(Z[n], T[f], t)
            _model_inverse(t, V, inverse)
            _ratio(Y[f, n], inverse, ratio)
            for i in range(n_bases):
                _spread(t[i], ratio, inverse, numerator[i], denominator[i])
    return numerator, denominator
