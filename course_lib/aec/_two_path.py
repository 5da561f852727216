"""Two Kalman filters on one echo: one that is hard to disturb, one that follows quickly, and a judge between them."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import scipy.fft

from course_lib.adaptive._block_streams import Array, DelayLine, frequency_kernels
from course_lib.adaptive._kalman_state import KalmanState

_SLOW, _FAST = 0, 1
_SLOW_TRANSITION: Final = 0.9995
_FAST_TRANSITION: Final = 0.95
_NOISE_SMOOTHING: Final = 0.7
_DECAY_DB_PER_S: Final = 100.0
# What a symmetric loudspeaker adds when it saturates is close to a cube, but one that bends into a line, so that a peak
# does not do more harm than it would to a linear filter.
_CHANNEL_WEIGHTS: Final = (1.0, 1.0)

# It bends where the far end is this many times louder than ever before; then it is learnt anew.
_HEADROOM: Final = 2.0

_MEMORY_S: Final = 0.2
_NOISE_MEMORY_S: Final = 0.022
_SIGNIFICANT: Final = 3.0
_EXPLOSION: Final = 4.0
_PATIENCE_S: Final = 0.5
_HARM: Final = 2.0
_BACK: Final = 1.0


class TwoPathFilter:
    """Estimate the echo of one hop after the other.

    The output comes from the slow filter. Whenever the fast one has proved better, the slow one takes over its state;
    where it has proved worse, it goes back to that of the slow one. If the untouched microphone has proved better
    than the slow filter, both start anew: so no state of theirs, however bad, lasts.
    """

    def __init__(self, n_taps: int, block_length: int, hop_length: int, sample_rate: int, *, nonlinear: bool) -> None:
        """Start with echo paths of zeros."""
        self._n_channels = 2 if nonlinear else 1
        self._block_length, self._hop_length = block_length, hop_length
        self._n_partitions = -(-n_taps // block_length)
        self._n_taps = n_taps
        self._filters = KalmanState(
            (self._n_channels, self._n_partitions, block_length + 1),
            n_taps,
            hop_length,
            transitions=[t ** (block_length / sample_rate / 0.016) for t in (_SLOW_TRANSITION, _FAST_TRANSITION)],
            noise_smoothing=_NOISE_SMOOTHING,
            channel_weights=np.array(_CHANNEL_WEIGHTS[: self._n_channels]),
            decay_db=_DECAY_DB_PER_S * block_length / sample_rate,
        )
        self._far_end = DelayLine(self._n_channels, self._n_partitions, block_length, hop_length)
        self._unit = 0.0
        self._channels = np.zeros((self._n_channels, hop_length))
        self._recent_y = np.zeros(block_length)
        hop_s = hop_length / sample_rate
        self._memory = math.exp(-hop_s / _MEMORY_S)
        self._advantage = self._variance = 0.0
        self._heard = self._left = 0.0
        self._patience = math.exp(-hop_s / _PATIENCE_S)
        self._noise_forgetting = math.exp(-hop_s / _NOISE_MEMORY_S)
        self._noise = np.zeros(hop_length // 2 + 1)
        self._window = np.hanning(hop_length + 2)[1:-1]
        self._fade = (np.arange(hop_length) + 0.5) / hop_length

    @property
    def history_length(self) -> int:
        """How many samples of the far end before a hop its estimate depends on."""
        return (self._n_partitions + 1) * self._block_length

    @property
    def impulse_response(self) -> Array:
        """The linear echo path that the slow filter believes in, shape (n_taps,)."""
        taps = scipy.fft.irfft(self._filters.W[_SLOW, 0], n=2 * self._block_length)[:, : self._block_length]
        return np.array(taps.reshape(-1)[: self._n_taps])

    def replay(self, x: Array) -> None:
        """Put another past into the filters, shape (history_length,): the far end is delayed otherwise from now on."""
        for begin in range(0, x.size, self._hop_length):
            self._push_far_end(x[begin : begin + self._hop_length])

    def restart(self) -> None:
        """Forget the echo path."""
        self._filters.restart()
        self._advantage = self._variance = 0.0
        self._heard = self._left = 0.0

    def process(self, x: Array, y: Array) -> Array:
        """Take the next hop of far end and microphone, and return the estimate of its echo, shape (hop_length,)."""
        self._push_far_end(x)
        self._recent_y = np.concatenate([self._recent_y[y.size :], y])
        estimates = self._filters.predict(self._far_end)
        self._filters.correct(self._far_end, self._recent_y, estimates)
        estimate = self._judge(y, estimates[:, -y.size :])
        residual = y - estimate
        return np.zeros_like(y) if np.vdot(residual, residual) > _EXPLOSION * np.vdot(y, y) else estimate

    def _judge(self, y: Array, estimates: Array) -> Array:
        """Let the better filter go on, and return the estimate that leads over to it."""
        slow: Array = estimates[_SLOW]
        fast: Array = estimates[_FAST]
        residuals = y - estimates
        self._heard = self._patience * self._heard + float(np.vdot(y, y))
        self._left = self._patience * self._left + float(np.vdot(residuals[_SLOW], residuals[_SLOW]))
        if self._left > _HARM * self._heard:
            self.restart()
            slow = slow * (1.0 - self._fade)
            return slow
        evidence = self._weigh(residuals)
        if evidence > _SIGNIFICANT:
            self._filters.copy(_FAST, _SLOW, uncertainty=True)
            self._advantage = self._variance = 0.0
            slow = slow + self._fade * (fast - slow)
            return slow
        if evidence < -_BACK:
            self._filters.copy(_SLOW, _FAST, uncertainty=False)
            self._advantage = self._variance = 0.0
        return slow

    def _weigh(self, residuals: Array) -> float:
        """Return by how many standard deviations the fast filter has been better of late.

        Both residuals contain the same near-end speech, which may be much louder than what they differ in. So their
        energies are compared at each frequency in units of the power there, which leaves the decision to frequencies
        without speech, and the sum in units of the spread that speech and noise alone would give it.
        """
        spectra = scipy.fft.rfft(self._window * residuals)
        advantage, variance = frequency_kernels().compare(
            spectra[_SLOW], spectra[_FAST], self._noise_forgetting, self._noise
        )
        self._advantage = self._memory * self._advantage + advantage
        self._variance = self._memory**2 * self._variance + variance
        return self._advantage / math.sqrt(self._variance) if self._variance > 0.0 else 0.0

    def _push_far_end(self, x: Array) -> None:
        if self._n_channels == 1:
            self._far_end.push(x[None])
            return
        peak = max(float(x.max()), -float(x.min()))
        if peak > self._unit:
            unit = _HEADROOM * peak
            if self._unit > 0.0:
                # What a quiet signal has taught of saturation says little about a loud one, and harms much.
                self._filters.forget(1)
                self._far_end.scale(1, (self._unit / unit) ** 2)
            self._unit = unit
        self._channels[0] = x
        if self._unit > 0.0:
            bend = np.square(x / self._unit)
            self._channels[1] = x * bend / (1.0 + bend)
        self._far_end.push(self._channels)
