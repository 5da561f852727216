"""Measures of an echo canceller: how much echo it has taken away, and how close it has come to the echo path."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from course_lib.constants import SAMPLE_RATE_HZ
from course_lib.metrics._levels import as_result, level_db, peak_of, refuse_silence
from course_lib.validation import as_number, as_positive_integer, as_signal, describe


def erle(
    microphone: ArrayLike,
    residual: ArrayLike,
    *,
    mask: ArrayLike | None = None,
    window_s: float | None = None,
    hop_s: float | None = None,
    sample_rate: int = SAMPLE_RATE_HZ,
) -> float | NDArray[np.float64]:
    """Echo-return loss enhancement: how much less power a canceller lets out than came in, where nobody else talks.

    Equation: ERLE = 10 log₁₀( Σ_n y[n]² / Σ_n e[n]² ) dB, the sums over all n, those where the mask is true, or those
        of one window.

    With the recording y and the output e of a canceller it is what can be measured in a real call; near-end speech,
    which is meant to pass, must then be masked out, and noise bounds it. Where a scene tells the echo and what remains
    of it (echo − estimate), give these two instead: that is the true ERLE, double talk included.

    A residual of zeros gives +inf. Against time, a window in which the microphone is silent or the mask
    leaves no sample has no ERLE: NaN, of which a curve leaves out just that point.

    Args:
        microphone: y, or the echo in it, shape (..., n_samples).
        residual: e, or what remains of the echo, of the same shape (..., n_samples).
        mask: which samples count, boolean, shape (n_samples,) or that of the signals; all unless given.
        window_s: length of the windows in seconds, for ERLE against time; one value for everything unless given.
        hop_s: from one window to the next, in seconds; half a window unless given.
        sample_rate: in hertz, for the two durations.
    Returns:
        ERLE in dB: a float for one signal, else an array of shape (...); with window_s an array (..., n_windows),
        of windows that begin at 0, hop_s, 2·hop_s, …, the last of them full.
    Raises:
        SilentSignalError: if without window_s a microphone is silent, or the mask leaves nothing of it; a ValueError.
        ValueError: if shapes differ, an input is empty, complex or not finite, the mask is not boolean, a duration is
            not positive, the window is longer than the signal, or hop_s comes without window_s.
    Cost: O(N) times the overlap of the windows.
    Reference: ITU-T Recommendation G.168, "Digital network echo cancellers", 2015; E. Hänsler and G. Schmidt,
        Acoustic Echo and Noise Control, 2004, ch. 6.
    Lesson: 05 §5
    """
    y, e = as_signal(microphone, "microphone"), as_signal(residual, "residual")
    if y.shape != e.shape:
        raise ValueError(
            f"residual: got {describe(e)}, expected the shape of the microphone, {y.shape}. "
            "Cut both to the same samples."
        )
    y, e = y.astype(np.float64), e.astype(np.float64)
    if mask is not None:
        counts = np.asarray(mask)
        if counts.dtype != np.bool_ or counts.shape not in (y.shape, y.shape[-1:]):
            raise ValueError(
                f"mask: got {describe(counts)}, expected booleans of shape {y.shape[-1:]} or {y.shape}. "
                "Compare a signal with a threshold to get one."
            )
        y, e = np.where(counts, y, 0), np.where(counts, e, 0)
    if window_s is None:
        if hop_s is not None:
            raise ValueError(f"hop_s: got {hop_s:g} without window_s, expected both or none. Give window_s as well.")
        refuse_silence(peak_of(y)[..., 0] == 0, "microphone", "silent" if mask is None else "silent under the mask")
        return as_result(level_db(y) - level_db(e))
    rate = as_positive_integer(sample_rate, "sample_rate")
    window = _as_duration(window_s, "window_s", rate)
    hop = max(1, window // 2) if hop_s is None else _as_duration(hop_s, "hop_s", rate)
    if window > y.shape[-1]:
        raise ValueError(
            f"window_s: got {window_s:g} s, which is {window} samples, expected at most the {y.shape[-1]} of the "
            "signal. Take a shorter window."
        )
    before, after = (
        level_db(np.lib.stride_tricks.sliding_window_view(signal, window, axis=-1)[..., ::hop, :]) for signal in (y, e)
    )
    ratio: NDArray[np.float64] = np.subtract(
        before, after, out=np.full(before.shape, np.nan), where=np.isfinite(before)
    )
    return ratio


def misalignment(h: ArrayLike, h_hat: ArrayLike) -> float | NDArray[np.float64]:
    """Distance of an estimated impulse response from the true one, relative to it.

    Equation: misalignment = 20 log₁₀( ‖h − ĥ‖ / ‖h‖ ) dB.

    It tells what ERLE cannot: whether a filter would also cancel other sounds than those that it has learnt from.
    An estimate of zeros has 0 dB, a perfect one −inf. The shorter of the two is followed by zeros, so that a tail which
    the filter is too short for counts as wrong.

    Args:
        h: true impulse response, shape (n_taps,).
        h_hat: estimate, or estimates against time (the snapshots of an adaptation), shape (..., n_taps).
    Returns:
        Misalignment in dB: a float for one estimate, else an array of shape (...).
    Raises:
        SilentSignalError: if h is all zeros; a ValueError.
        ValueError: if an input is empty, complex or not finite.
    Cost: O(L) for each estimate.
    Reference: J. Benesty, T. Gänsler, D. R. Morgan, M. M. Sondhi and S. L. Gay, Advances in Network and Acoustic Echo
        Cancellation, 2001, ch. 1.
    Lesson: 05 §5
    """
    truth = as_signal(h, "h", n_axes=1).astype(np.float64)
    estimate = as_signal(h_hat, "h_hat").astype(np.float64)
    refuse_silence(peak_of(truth)[..., 0] == 0, "h")
    missing = truth.size - estimate.shape[-1]
    if missing > 0:
        estimate = np.concatenate([estimate, np.zeros((*estimate.shape[:-1], missing))], axis=-1)
    else:
        truth = np.concatenate([truth, np.zeros(-missing)])
    return as_result(level_db(truth - estimate) - level_db(truth))


def _as_duration(value: float, name: str, sample_rate: int) -> int:
    """Return a duration in seconds as a number of samples."""
    if round(as_number(value, name, 0) * sample_rate) < 1:
        raise ValueError(f"{name}: got {describe(value)}, expected seconds that last at least a sample.")
    return round(value * sample_rate)
