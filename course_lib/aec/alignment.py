"""How late the echo comes: bulk delay from far end to microphone, at once from a recording or tracked in a stream.

A canceller whose filter begins later than the echo path has nothing to cancel its first and strongest part with, and
one that begins much earlier spends its taps on silence. So the far end is delayed first, a little less than the echo.

Both estimates add up cross-spectra of short frames of the microphone with all the far end that may sound in them. What
is not an echo (near-end speech, noise) meets the far end with other phases in each frame and averages out; the echo
meets it with the same. The phase transform then gives all frequencies that carry anything nearly the same weight, which
makes the direct sound stand out from its reflections and from the pitch of the voice.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import scipy.fft
from numpy.typing import ArrayLike, NDArray

from course_lib.aec._signals import as_call
from course_lib.constants import SAMPLE_RATE_HZ
from course_lib.validation import as_number, as_positive_integer, as_signal

_FRAME_S: Final = 0.128
_MEMORY_S: Final = 1.0
# Frequencies that carry hardly anything have a random phase: they fade out where they are this far below the mean.
_PHAT_REGULARISATION: Final = 0.01
# Of some thousand lags of a correlation by chance, the highest is four to five standard deviations high.
_CHANCE_HEIGHT: Final = 5.0
_LEAST_CONFIDENCE: Final = 0.5
# The direct sound may be a little weaker than a reflection soon after it; chance makes half of a peak that counts, but
# seldom just before it.
_ONSET_SHARE: Final = 0.5
_ONSET_S: Final = 0.02
# What a filter follows by itself is no reason to shift its input, which costs it all that it has learnt.
_TOLERANCE_S: Final = 0.002
_N_AGREEING: Final = 3
_ADVANTAGE: Final = 1.25
# Far-end frames this much weaker than the loudest of late make no echo worth listening to (−40 dB).
_QUIET: Final = 1e-4
_LOUDEST_MEMORY_S: Final = 10.0
_DEFAULT_MARGIN_S: Final = 0.001


def estimate_delay(
    far_end: ArrayLike, microphone: ArrayLike, *, max_delay_s: float = 0.5, sample_rate: int = SAMPLE_RATE_HZ
) -> int:
    """Estimate how many samples after the far end its echo reaches the microphone.

    Equation: d = argmax_{0 ≤ l ≤ D} |r[l]|, r = IDFT(Φ / (|Φ| + ε)), Φ[k] = Σ_m X*[k,m] Y[k,m], where frame m of Y is a
        piece of the microphone and frame m of X the same piece of the far end with the D samples before it.

    The largest delay that is looked for is D. Where an earlier lag, up to 20 ms before the highest, is at least half as
    high, it is taken: the direct sound need not be the loudest. The sign of the echo does not matter.

    Args:
        far_end: x, shape (n_samples,).
        microphone: y, shape (n_samples,), begun at the same time; the longer of the two is cut.
        max_delay_s: largest delay that is looked for, in seconds.
        sample_rate: in hertz.
    Returns:
        The delay in samples; 0 if no lag stands out, as when one of the signals is silent.
    Raises:
        ValueError: if a signal is not one finite row of samples, or the largest delay is not a positive time.
    Cost: O(N·log D).
    Reference: C. H. Knapp and G. C. Carter, "The generalized correlation method for estimation of time delay", IEEE
        Trans. ASSP 24(4), 1976.
    Lesson: 05 §10
    """
    x, y = _as_pair(far_end, microphone)
    correlator = _Correlator(max_delay_s, sample_rate)
    n_frames = -(-len(y) // correlator.frame_length)
    n_samples = n_frames * correlator.frame_length
    x = np.pad(x, (correlator.max_delay, n_samples - len(x)))
    y = np.pad(y, (0, n_samples - len(y)))
    cross_spectrum = np.zeros(correlator.fft_length // 2 + 1, dtype=np.complex128)
    for begin in range(0, n_samples, correlator.frame_length):
        end = begin + correlator.frame_length
        cross_spectrum += correlator.cross_spectrum(x[begin : end + correlator.max_delay], y[begin:end])
    height = correlator.heights(cross_spectrum)
    delay, confidence = correlator.first_peak(height)
    return delay if confidence >= _LEAST_CONFIDENCE else 0


def align(
    far_end: ArrayLike,
    microphone: ArrayLike,
    *,
    delay: int | None = None,
    margin: int | None = None,
    max_delay_s: float = 0.5,
    sample_rate: int = SAMPLE_RATE_HZ,
) -> NDArray[Any]:
    """Delay the far end so that a filter which begins with lag 0 begins just before the echo.

    Equation: x̃[n] = x[n − max(0, d − margin)], with the delay d of :func:`estimate_delay`

    Args:
        far_end: x, shape (n_samples,).
        microphone: y, shape (n_samples,), begun at the same time.
        delay: d in samples, if it is known; estimated if None.
        margin: how many samples before the delay the filter is to begin; 1 ms unless given.
        max_delay_s: largest delay that is looked for, in seconds.
        sample_rate: in hertz.
    Returns:
        x̃, as long as the microphone's signal, zeros where there is no far end, shape (n_samples,).
    Raises:
        ValueError: if a signal is not one finite row of samples, or a number is negative.
    Cost: that of the estimate.
    Reference: Hänsler & Schmidt, Acoustic Echo and Noise Control, Wiley, 2004, ch. 13.
    Lesson: 05 §10
    """
    x, y = as_signal(far_end, "far_end", n_axes=1), as_signal(microphone, "microphone", n_axes=1)
    if delay is None:
        delay = estimate_delay(x, y, max_delay_s=max_delay_s, sample_rate=sample_rate)
    delay = as_positive_integer(delay, "delay", minimum=0)
    if margin is None:
        margin = round(_DEFAULT_MARGIN_S * sample_rate)
    shift = max(0, delay - as_positive_integer(margin, "margin", minimum=0))
    aligned = np.zeros(len(y), dtype=x.dtype)
    shifted = x[: max(0, len(y) - shift)]
    aligned[shift : shift + len(shifted)] = shifted
    return aligned


class DelayTracker:
    """Follow the delay of an echo in a stream, slow to change its mind.

    Equation: Φ[k] ← a Φ[k] + X*[k,m] Y[k,m], a = exp(−T/τ), and d as in :func:`estimate_delay`; T a frame's length, τ
        the memory.

    Every 0.128 s of sound make an estimate, in which lags within 2 ms of the delay that is told count 1.25 times. That
    delay moves only when three estimates in a row agree on another one within 2 ms, and all stand out. Frames in which
    the far end is quiet are passed over: they neither add nor make forget. The delay depends on the samples alone, not
    on the blocks they came in.

    Args:
        sample_rate: in hertz.
        max_delay_s: largest delay that is looked for, in seconds.
        memory_s: τ, in seconds of loud far end.
    Raises:
        ValueError: if a number is not positive.
    Cost: O(D·log D) a frame of 0.128 s for a largest delay of D samples: a real-time factor of about 0.005.
    Reference: C. H. Knapp and G. C. Carter, "The generalized correlation method for estimation of time delay", IEEE
        Trans. ASSP 24(4), 1976.
    Lesson: 05 §10
    """

    def __init__(
        self, sample_rate: int = SAMPLE_RATE_HZ, *, max_delay_s: float = 0.5, memory_s: float = _MEMORY_S
    ) -> None:
        """Start a stream; see the class."""
        self._correlator = _Correlator(max_delay_s, sample_rate)
        frame_s = self._correlator.frame_length / sample_rate
        self._forgetting = float(np.exp(-frame_s / as_number(memory_s, "memory_s", 0, above=True)))
        self._loudest_forgetting = float(np.exp(-frame_s / _LOUDEST_MEMORY_S))
        self._tolerance = round(_TOLERANCE_S * sample_rate)
        self.reset()

    def reset(self) -> None:
        """Forget everything, as at the start of another call."""
        self._x = [np.zeros(self._correlator.max_delay)]
        self._y = [np.zeros(0)]
        self._n_waiting = 0
        self._cross_spectrum = np.zeros(self._correlator.fft_length // 2 + 1, dtype=np.complex128)
        self._loudest = 0.0
        self._delay = 0
        self._confidence = 0.0
        self._is_locked = False
        self._candidate = 0
        self._n_agreeing = 0

    @property
    def delay(self) -> int:
        """The delay in samples; 0 until the first has been found."""
        return self._delay

    @property
    def confidence(self) -> float:
        """How far the correlation at the delay stands out: 0 for no more than chance, towards 1 for far above it.

        It is 1 − 5σ/r[d], at least 0, where σ is the spread of the correlation over all lags.
        """
        return self._confidence

    @property
    def is_locked(self) -> bool:
        """Whether a delay has been found; a delay of 0 may be one that has been, or none yet."""
        return self._is_locked

    def push(self, far_end: ArrayLike, microphone: ArrayLike) -> int:
        """Take the next samples of both signals and tell the delay.

        Args:
            far_end: the next samples of x, shape (n_samples,), any number from 0.
            microphone: as many of y, shape (n_samples,).
        Returns:
            The delay in samples after these.
        Raises:
            ValueError: if a block is not one finite row of samples, or the two differ in length.
        """
        x, y = as_call({"far_end": far_end, "microphone": microphone}, allow_empty=True)
        self._x.append(x)
        self._y.append(y)
        self._n_waiting += len(y)
        length, max_delay = self._correlator.frame_length, self._correlator.max_delay
        if self._n_waiting >= length:
            xs, ys = np.concatenate(self._x), np.concatenate(self._y)
            n_done = self._n_waiting // length * length
            for begin in range(0, n_done, length):
                self._take_frame(xs[begin : begin + length + max_delay], ys[begin : begin + length])
            self._x, self._y = [xs[n_done:].copy()], [ys[n_done:].copy()]
            self._n_waiting -= n_done
        return self._delay

    def _take_frame(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> None:
        # Not a dot product: BLAS may wake threads for it, which a block of a stream is too short for.
        power = float(np.square(x).sum())
        self._loudest = max(power, self._loudest_forgetting * self._loudest)
        if power <= _QUIET * self._loudest or not y.any():
            return
        self._cross_spectrum *= self._forgetting
        self._cross_spectrum += self._correlator.cross_spectrum(x, y)
        heights = self._correlator.heights(self._cross_spectrum)
        favoured = heights.copy()
        if self._is_locked:
            here = slice(max(0, self._delay - self._tolerance), self._delay + self._tolerance + 1)
            self._confidence = _confidence(float(heights[here].max()))
            favoured[here] *= _ADVANTAGE
        found, confidence = self._correlator.first_peak(favoured)
        is_here = self._is_locked and abs(found - self._delay) <= self._tolerance
        if is_here or confidence < _LEAST_CONFIDENCE:
            self._n_agreeing = 0
            return
        agrees = self._n_agreeing > 0 and abs(found - self._candidate) <= self._tolerance
        self._n_agreeing = self._n_agreeing + 1 if agrees else 1
        self._candidate = found
        if self._n_agreeing == _N_AGREEING:
            self._delay, self._confidence, self._is_locked, self._n_agreeing = found, confidence, True, 0


class _Correlator:
    """Correlation of a frame of the microphone with the far end, for all lags from none to the largest."""

    def __init__(self, max_delay_s: float, sample_rate: int) -> None:
        sample_rate = as_positive_integer(sample_rate, "sample_rate")
        self.frame_length = max(1, round(_FRAME_S * sample_rate))
        self.max_delay = max(1, round(as_number(max_delay_s, "max_delay_s", 0, above=True) * sample_rate))
        self.fft_length = scipy.fft.next_fast_len(self.frame_length + self.max_delay, real=True)
        self._n_onset = round(_ONSET_S * sample_rate)

    def cross_spectrum(self, x: NDArray[Any], y: NDArray[Any]) -> NDArray[np.complex128]:
        """Return X Y* for far end ``(max_delay + frame_length,)`` and microphone ``(frame_length,)``.

        This is the conjugate of the usual one: time runs backwards in its correlation, which then begins with the
        largest delay, where the far end does.
        """
        X = scipy.fft.rfft(x, n=self.fft_length)
        product: NDArray[np.complex128] = X * scipy.fft.rfft(y, n=self.fft_length).conj()
        return product

    def heights(self, cross_spectrum: NDArray[np.complex128]) -> NDArray[np.float64]:
        """Return |r[l]| / σ for l = 0 … max_delay after the phase transform, σ the spread over all lags."""
        magnitude = np.abs(cross_spectrum)
        mean = magnitude.mean()
        if mean == 0.0:
            return np.zeros(self.max_delay + 1)
        correlation = scipy.fft.irfft(cross_spectrum / (magnitude + _PHAT_REGULARISATION * mean), n=self.fft_length)
        heights = np.abs(correlation[self.max_delay :: -1])
        # The median is hardly moved by the echo itself; for a normal distribution it is 0.6745 σ.
        spread = np.median(heights) / 0.6745
        scaled: NDArray[np.float64] = heights / max(float(spread), np.finfo(float).tiny)
        return scaled

    def first_peak(self, heights: NDArray[np.float64]) -> tuple[int, float]:
        """Return the lag of the highest correlation, or of a lower one that comes shortly before it, and trust."""
        highest = int(heights.argmax())
        begin = max(0, highest - self._n_onset)
        first = begin + int(np.argmax(heights[begin : highest + 1] >= _ONSET_SHARE * heights[highest]))
        return first, _confidence(float(heights[highest]))


def _confidence(height: float) -> float:
    return max(0.0, 1.0 - _CHANCE_HEIGHT / height) if height > 0.0 else 0.0


def _as_pair(far_end: ArrayLike, microphone: ArrayLike) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return both signals over the time that they share."""
    x = as_signal(far_end, "far_end", n_axes=1).astype(np.float64)
    y = as_signal(microphone, "microphone", n_axes=1).astype(np.float64)
    n_samples = min(len(x), len(y))
    return x[:n_samples], y[:n_samples]
