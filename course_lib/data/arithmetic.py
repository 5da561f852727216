"""Arithmetic that gives the same 16-bit samples on every machine.

Floating-point libraries may differ in the last bit. Two devices keep that bit out of the corpus:

* Integer arithmetic for speech. Filter taps are whole numbers, and every sum stays below 2⁵³, so that
  float64 holds it exactly in whatever order a library adds.
* Rounding with a margin for what is computed in floating point (noises, filter taps): the value that
  comes closest to a rounding boundary is measured, and it lies many orders of magnitude farther
  from the boundary than any library error. ``rounding_margin`` measures it and a test bounds it.

Random numbers come from the raw PCG64 stream, which NumPy promises never to change (its distributions
carry no such promise).
"""

from __future__ import annotations

import functools
import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from course_lib.constants import SAMPLE_RATE_HZ
from course_lib.data import espeak

FULL_SCALE: Final = 32_768
"""Magnitude of a 16-bit sample that stands for 1.0."""

TARGET_RMS: Final = 1_642
"""Root mean square of speech (while active) and of noises, in 16-bit steps: −26 dB relative to full scale."""

FINE_BITS: Final = 4
"""Bits kept below a 16-bit step until speech has its final level."""

_TAP_BITS: Final = 20
_GAIN_BITS: Final = 16
_TAPS_PER_PHASE: Final = 112
_COMMON_RATE_HZ: Final = math.gcd(SAMPLE_RATE_HZ, espeak.SAMPLE_RATE_HZ)
_UP: Final = SAMPLE_RATE_HZ // _COMMON_RATE_HZ
_DOWN: Final = espeak.SAMPLE_RATE_HZ // _COMMON_RATE_HZ
_CUTOFF_HZ: Final = 7_500.0
_KAISER_BETA: Final = 8.0
_FRAME: Final = SAMPLE_RATE_HZ // 100
_DRIFT_WINDOW: Final = 321


def uniforms(seed: int, n_values: int) -> NDArray[np.float64]:
    """Return ``n_values`` numbers uniform on [0, 1), the same for a seed on every machine and NumPy version.

    Args:
        seed: names the stream.
        n_values: how many numbers.

    Returns:
        Multiples of 2⁻⁵³, shape (n_values,).

    Lesson: 01 §1
    """
    raw = np.asarray(np.random.PCG64(seed).random_raw(n_values), dtype=np.uint64)
    return (raw >> np.uint64(11)).astype(np.float64) * 2.0**-53


def gaussians(seed: int, n_values: int) -> NDArray[np.float64]:
    """Return ``n_values`` independent standard Gaussian numbers by the Box–Muller transform.

    Args:
        seed: names the stream.
        n_values: how many numbers.

    Returns:
        Zero mean, unit variance, shape (n_values,).

    Lesson: 01 §1
    """
    pairs = uniforms(seed, 2 * n_values)
    radius = np.sqrt(-2.0 * np.log1p(-pairs[:n_values]))
    return np.asarray(radius * np.cos(2.0 * np.pi * pairs[n_values:]))


def rounding_margin(values: NDArray[np.float64]) -> float:
    """Return how far the nearest value lies from a rounding boundary (a whole number and a half).

    Args:
        values: numbers about to be rounded, any shape.

    Returns:
        Distance in units of the rounding step, at most 0.5.

    Lesson: 01 §1
    """
    fraction = values - np.floor(values)
    return float(np.abs(fraction - 0.5).min())


def scaled_to_rms(signal: NDArray[np.float64], rms: float) -> NDArray[np.float64]:
    """Return ``signal`` scaled to a root mean square of ``rms``.

    Args:
        signal: shape (n_samples,).
        rms: wanted root mean square.

    Returns:
        Shape (n_samples,).

    Lesson: 01 §1
    """
    return np.asarray(signal * (rms / math.sqrt(float(np.mean(signal * signal)))))


def to_int16(values: NDArray[Any]) -> NDArray[np.int16]:
    """Round to 16-bit samples, refusing to clip.

    Args:
        values: samples in 16-bit steps, any shape.

    Returns:
        The same shape in 16-bit integers.

    Raises:
        OverflowError: if a sample does not fit.

    Lesson: 01 §1
    """
    rounded = np.rint(values)
    if np.abs(rounded).max(initial=0) > FULL_SCALE - 1:
        raise OverflowError(f"a sample of {np.abs(rounded).max():.0f} steps exceeds 16 bits. Lower the level.")
    return np.asarray(rounded, dtype=np.int16)


@functools.cache
def resampling_taps_unrounded() -> NDArray[np.float64]:
    """Return the low-pass filter for 22 050 → 16 000 Hz before its taps become whole numbers.

    Returns:
        Taps at the common rate of 7.056 MHz in units of 2⁻²⁰, shape (n_taps,).

    Lesson: 01 §1
    """
    half = _TAPS_PER_PHASE * _UP // 2
    time = np.arange(-half, half + 1) / (_UP * espeak.SAMPLE_RATE_HZ)
    lowpass = 2.0 * _CUTOFF_HZ / espeak.SAMPLE_RATE_HZ * np.sinc(2.0 * _CUTOFF_HZ * time)
    return np.asarray(lowpass * np.kaiser(2 * half + 1, _KAISER_BETA) * 2**_TAP_BITS)


def resample_to_course_rate(samples: NDArray[np.int16]) -> NDArray[np.int64]:
    """Resample 22 050 Hz speech to 16 000 Hz by a polyphase filter in exact integer arithmetic.

    The pass band ends at 7 kHz and everything that would fold back from above 8 kHz is 75 dB down.

    Args:
        samples: shape (n_samples,).

    Returns:
        Samples in units of 2⁻⁴ sixteen-bit steps, shape (⌈n_samples · 320 / 441⌉,).

    Lesson: 01 §1
    """
    # scipy.signal takes most of a second to import, and only a build needs it.
    import scipy.signal

    half = _TAPS_PER_PHASE * _UP // 2
    # Leading zeros make the filter's delay a whole number of output samples, which the slice then removes.
    delay = -(-half // _DOWN)
    taps = np.concatenate([np.zeros(delay * _DOWN - half), np.rint(resampling_taps_unrounded())])
    # Sums of 113 products of 16-bit samples and 20-bit taps stay below 2⁴³: exact in float64, in any order.
    filtered = scipy.signal.upfirdn(taps, samples.astype(np.float64), up=_UP, down=_DOWN)
    n_samples = -(-len(samples) * _UP // _DOWN)
    return np.asarray(filtered[delay : delay + n_samples], dtype=np.int64) >> (_TAP_BITS - FINE_BITS)


def remove_drift(samples: NDArray[np.int64]) -> NDArray[np.int64]:
    """Take away what lies below the voice: subtract a 40 ms triangular running mean, in integers.

    espeak-ng's recorded consonants carry an offset; real speech has next to nothing below 60 Hz.

    Args:
        samples: whole-numbered samples, shape (n_samples,).

    Returns:
        Shape (n_samples,).

    Lesson: 01 §1
    """
    running = samples
    for _ in range(2):
        padded = np.pad(running, (_DRIFT_WINDOW // 2 + 1, _DRIFT_WINDOW // 2))
        total = np.cumsum(padded)
        running = total[_DRIFT_WINDOW:] - total[:-_DRIFT_WINDOW]
    return (samples * _DRIFT_WINDOW**2 - running) // _DRIFT_WINDOW**2


def _frame_energies(samples: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the energy of each 10 ms frame, exactly, shape (n_frames,)."""
    n_frames = len(samples) // _FRAME
    frames = samples[: n_frames * _FRAME].reshape(n_frames, _FRAME)
    return np.asarray((frames * frames).sum(axis=1))


def trim(samples: NDArray[np.int64]) -> NDArray[np.int64]:
    """Cut silence from both ends, keeping 20 ms before the first and after the last sounding frame.

    A 10 ms frame sounds if its energy is within 50 dB of the strongest frame's.

    Args:
        samples: speech in units of 2⁻⁴ sixteen-bit steps, shape (n_samples,).

    Returns:
        Shape (n_kept,).

    Lesson: 01 §1
    """
    energies = _frame_energies(samples)
    sounding = np.flatnonzero(energies * 100_000 > energies.max())
    start = max(int(sounding[0]) - 2, 0) * _FRAME
    end = min(int(sounding[-1]) + 3, len(energies)) * _FRAME
    return samples[start:end]


def active_mean_square(samples: NDArray[np.int64]) -> int:
    """Return the mean square over active frames: 10 ms frames within 30 dB of the strongest, rounded down.

    Args:
        samples: whole-numbered samples, shape (n_samples,).

    Returns:
        Mean square in squared sample units.

    Lesson: 01 §1
    """
    energies = _frame_energies(samples)
    active = energies[energies * 1_000 > energies.max()]
    return int(active.sum()) // (len(active) * _FRAME)


def normalise(samples: NDArray[np.int64]) -> NDArray[np.int16]:
    """Bring speech to the common active level of −26 dB and to 16 bits, by integers alone.

    Args:
        samples: speech in units of 2⁻⁴ sixteen-bit steps, shape (n_samples,).

    Returns:
        16-bit samples, shape (n_samples,).

    Raises:
        OverflowError: if a sample does not fit into 16 bits at that level.

    Lesson: 01 §1
    """
    gain = math.isqrt((TARGET_RMS * TARGET_RMS << (2 * _GAIN_BITS)) // active_mean_square(samples))
    return to_int16((samples * gain + (1 << (_GAIN_BITS - 1))) >> _GAIN_BITS)
