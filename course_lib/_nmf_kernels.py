"""A sweep of NMF over some frames, compiled.

:func:`course_lib._nmf_sweeps.sweep_plainly` says with NumPy what it computes. Here a block of frames goes through
model, quotient, sums and loss while it lies in the processor's second cache, and the model of all frames is never
stored. Matrices are transposed, so that a frame is a contiguous row.

This module imports the compiler: import it where a sweep is needed, not at the top of a module.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from course_lib._compiling import compiled

Array = NDArray[Any]
Constants = tuple[Any, ...]

# log m = 2 (s + s³/3 + s⁵/5 + …) with s = (m − 1)/(m + 1): nine terms reach 3·10⁻¹⁶ for m from √½ to √2.
_SERIES = 2 / (2 * np.arange(9) + 1)


def logarithm_tables(dtype: np.dtype[Any]) -> tuple[tuple[int, int], Constants, Array]:
    """Return what :func:`sweep_frames` must know to take logarithms: bits of the mantissa and of √½, constants,
    and an array of the whole numbers of that size.

    The constants have the precision of the data, since one of another would make the loops compute in it, and stand
    in a tuple, since the loops would read an array again each time for fear that they had written to it.
    """
    n_mantissa_bits = int(np.finfo(dtype).nmant)
    root_of_half = int(np.sqrt(np.array(0.5, dtype)).view(f"i{dtype.itemsize}"))
    constants = tuple(dtype.type(value) for value in (*_SERIES, math.log(2), 1.0, 0.0))
    return (n_mantissa_bits, root_of_half), constants, np.empty(0, f"i{dtype.itemsize}")


@compiled
def take_logarithms(
    x: Array, bits: Array, exponents: Array, float_format: tuple[int, int], constants: Constants
) -> None:
    """Replace x by log x, where ``bits`` is the same memory as whole numbers; the value for x = 0 is finite.

    The library's logarithm takes one number at a time, while these loops become vector instructions.
    """
    n_mantissa_bits, root_of_half = float_format
    for f in range(x.size):
        exponent = (bits[f] - root_of_half) >> n_mantissa_bits
        bits[f] -= exponent << n_mantissa_bits
        exponents[f] = exponent
    c, log_2, one = constants, constants[9], constants[10]
    for f in range(x.size):
        s = (x[f] - one) / (x[f] + one)
        z = s * s
        series = c[5] + z * (c[6] + z * (c[7] + z * c[8]))
        series = c[0] + z * (c[1] + z * (c[2] + z * (c[3] + z * (c[4] + z * series))))
        x[f] = s * series + exponents[f] * log_2


@compiled
def sweep_frames(
    beta: int,
    V: Array,
    W: Array,
    H: Array,
    W_gram: Array,
    push_always: Array,
    update: bool,
    accumulate: bool,
    block_length: int,
    background: Any,
    smallest: Any,
    float_format: tuple[int, int],
    constants: Constants,
    whole_numbers: Array,
    pull_W: Array,
    push_W: Array,
) -> float:
    """Update H if asked to, add to the sums for W if asked to, and return the divergence.

    V has shape (n_frames, n_freqs), W (n_components, n_freqs), H (n_frames, n_components), WWᵀ (n_components,
    n_components). ``push_always`` is the part of H's denominator that all frames share: for Kullback–Leibler the whole.
    The sums for W's denominator are gathered for Itakura–Saito alone: the others need only H.
    """
    n_frames, n_freqs = V.shape
    n_components = W.shape[0]
    one, zero = constants[10], constants[11]
    slopes, reciprocals = np.empty((block_length, n_freqs), V.dtype), np.empty((block_length, n_freqs), V.dtype)
    pulls, pushes = np.empty((block_length, n_components), V.dtype), np.zeros((block_length, n_components), V.dtype)
    sums = np.empty_like(W)
    logarithms, exponents, excess = np.empty(n_freqs, V.dtype), np.empty(n_freqs, V.dtype), np.empty(n_freqs, V.dtype)
    bits: Array = logarithms.view(whole_numbers.dtype)
    total = 0.0
    for begin in range(0, n_frames, block_length):
        n = min(block_length, n_frames - begin)
        v, h = V[begin : begin + n], H[begin : begin + n]
        slope, reciprocal, pull, push = slopes[:n], reciprocals[:n], pulls[:n], pushes[:n]
        if update and beta == 2:
            np.dot(v, W.T, pull)
            np.dot(h, W_gram, push)
        elif update:
            np.dot(h, W, slope)
            for m in range(n):
                x, s, q = v[m], slope[m], reciprocal[m]
                if beta == 1:
                    for f in range(n_freqs):
                        s[f] = x[f] / (s[f] + background)
                else:
                    for f in range(n_freqs):
                        q[f] = one / (s[f] + background)
                        s[f] = x[f] * q[f] * q[f]
            np.dot(slope, W.T, pull)
            if beta == 0:
                np.dot(reciprocal, W.T, push)
        if update:
            for m in range(n):
                for k in range(n_components):
                    divisor = push[m, k] + push_always[k]
                    factor = pull[m, k] / divisor if divisor > zero else zero
                    activation = h[m, k] * (math.sqrt(factor) if beta == 0 else factor)
                    h[m, k] = activation if activation >= smallest else zero
        np.dot(h, W, slope)
        for m in range(n):
            x, s, q = v[m], slope[m], reciprocal[m]
            divergence = zero
            if beta == 2:
                for f in range(n_freqs):
                    divergence += (x[f] - s[f]) * (x[f] - s[f])
            elif beta == 1:
                for f in range(n_freqs):
                    model = s[f] + background
                    s[f] = x[f] / model
                    logarithms[f] = s[f]
                    excess[f] = model - x[f]
                take_logarithms(logarithms, bits, exponents, float_format, constants)
                for f in range(n_freqs):
                    divergence += excess[f] + x[f] * logarithms[f]
            else:
                for f in range(n_freqs):
                    q[f] = one / (s[f] + background)
                    logarithms[f] = x[f] * q[f]
                    s[f] = logarithms[f] * q[f]
                    excess[f] = logarithms[f] - one
                take_logarithms(logarithms, bits, exponents, float_format, constants)
                for f in range(n_freqs):
                    divergence += excess[f] - logarithms[f]
            total += divergence
        if accumulate:
            np.dot(h.T, v if beta == 2 else slope, sums)
            pull_W += sums
            if beta == 0:
                np.dot(h.T, reciprocal, sums)
                push_W += sums
    return total / 2 if beta == 2 else total
