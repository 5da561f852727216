"""How loud a sound is to the ear: ITU-R BS.1770, the measure behind broadcast and streaming levels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from course_lib.validation import as_positive_integer, as_signal

ABSOLUTE_GATE_LUFS = -70.0
"""Blocks below this count as silence, and a sound without any louder block has no loudness."""

_RELATIVE_GATE_LU = -10.0
_BLOCK_S = 0.4
_STEP_S = 0.1
_CALIBRATION_DB = -0.691


def loudness(x: ArrayLike, sample_rate: int) -> float:
    """Integrated loudness of a sound after ITU-R BS.1770-4: K-weighted, gated power in LUFS.

    The K-weighting lifts what the ear is sensitive to and drops the lowest bass; power is taken in blocks of 400 ms,
    and blocks below −70 LUFS, then those more than 10 dB below the mean of the rest, are left out, so that pauses do
    not count. Unlike the standard, which adds the power of the channels, this takes their mean: a mono sound and its
    copy on two channels are equally loud in a player.

    Args:
        x: sound, shape (n_samples,) or (2, n_samples), full scale 1.
        sample_rate: samples a second, in hertz.
    Returns:
        Loudness in LUFS (a full-scale sine of 997 Hz has −3.01); −inf where every block is silent. A sound shorter than
        one block is measured as one.
    Raises:
        ValueError: if the sound is empty, complex or not finite, or the sample rate is no positive whole number.

    Lesson: 01 §1
    """
    from scipy.signal import sosfilt

    signal = np.atleast_2d(as_signal(x, "x")).astype(np.float64)
    rate = as_positive_integer(sample_rate, "sample_rate")
    power = np.mean(np.square(sosfilt(_k_weighting(rate), signal)), axis=0)
    block_length, step = min(round(_BLOCK_S * rate), power.size), max(round(_STEP_S * rate), 1)
    sums = np.concatenate([[0.0], np.cumsum(power)])
    starts = np.arange(0, power.size - block_length + 1, step)
    # The difference of two running sums can come out a rounding error below zero in silence.
    block_power = np.maximum(sums[starts + block_length] - sums[starts], 0.0) / block_length
    heard = block_power[block_power > _power_of(ABSOLUTE_GATE_LUFS)]
    if heard.size == 0:
        return -np.inf
    heard = heard[heard > np.mean(heard) * 10 ** (_RELATIVE_GATE_LU / 10)]
    return float(10 * np.log10(np.mean(heard)) + _CALIBRATION_DB)


def _power_of(level_lufs: float) -> float:
    return float(10 ** ((level_lufs - _CALIBRATION_DB) / 10))


def _k_weighting(sample_rate: int) -> NDArray[Any]:
    """Return the standard's two filters as second-order sections, for any sample rate.

    The standard tabulates coefficients for 48 kHz alone; these are the analogue prototypes behind the table, taken to
    the sample rate by the bilinear transform.
    """
    # High shelf of 4 dB: the head as a hard sphere.
    frequency_hz, gain_db, quality = 1681.974450955533, 3.999843853973347, 0.7071752369554196
    k = np.tan(np.pi * min(frequency_hz / sample_rate, 0.49))
    shelf_gain = 10 ** (gain_db / 20)
    band_gain = shelf_gain**0.4996667741545416
    a0 = 1 + k / quality + k**2
    shelf = [
        (shelf_gain + band_gain * k / quality + k**2) / a0,
        2 * (k**2 - shelf_gain) / a0,
        (shelf_gain - band_gain * k / quality + k**2) / a0,
        1.0,
        2 * (k**2 - 1) / a0,
        (1 - k / quality + k**2) / a0,
    ]
    # High pass: the ear's weak response to the lowest bass.
    frequency_hz, quality = 38.13547087602444, 0.5003270373238773
    k = np.tan(np.pi * min(frequency_hz / sample_rate, 0.49))
    a0 = 1 + k / quality + k**2
    high_pass = [1.0, -2.0, 1.0, 1.0, 2 * (k**2 - 1) / a0, (1 - k / quality + k**2) / a0]
    return np.array([shelf, high_pass])
