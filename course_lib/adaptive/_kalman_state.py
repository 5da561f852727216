"""The state of Kalman filters in the frequency domain, apart from the stream that they belong to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import scipy.fft

from course_lib.adaptive._block_streams import (
    Array,
    DelayLine,
    Spectra,
    constrain,
    frequency_kernels,
    kept_taps,
    tail_spectrum,
)

_RECORD: Final = 4.0
"""How many times louder than ever before the far end must be for the uncertainty to be guessed anew."""

_LEAST_DRIFT: Final = 1e-3
"""How much even taps of zero drift, relative to those of which nothing is known: or they would stay zero for good."""

_CONSTRAINT_PERIOD: Final = 4
"""In how many blocks each partition is constrained once, where blocks overlap: it is most of the cost."""


class KalmanState:
    """What Kalman filters on the same signals believe: taps, their uncertainty and the power of what is not an echo.

    The filters differ in how fast they let the echo path drift. They share their DFTs, which is most of the cost.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        n_taps: int,
        hop_length: int,
        *,
        transitions: Sequence[float],
        noise_smoothing: float,
        channel_weights: Array,
        decay_db: float,
    ) -> None:
        """Start with echo paths of zeros; shape is (n_channels, n_partitions, n_freqs)."""
        n_partitions, n_freqs = shape[1:]
        self._block_length = n_freqs - 1
        self._kept = kept_taps(n_taps, n_partitions, self._block_length)
        self._stride = self._block_length // hop_length
        self._transition_powers = np.array(transitions) ** (2.0 / self._stride)
        self._smoothing = noise_smoothing
        profile = 10.0 ** (-decay_db / 10.0 * np.arange(n_partitions))
        self._profile: Array = channel_weights[:, None] * profile / profile.sum()
        n_filters = len(transitions)
        self.W: Spectra = np.zeros((n_filters, *shape), dtype=np.complex128)
        self._P = np.zeros((n_filters, *shape))
        self._noise = np.zeros((n_filters, n_freqs))
        # P of an echo path of which nothing is known, shape (n_channels, n_partitions, 1).
        self._unknown = np.zeros((*shape[:2], 1))
        self._loudest = 0.0
        self._turn = 0
        self._variance, self._inverse = np.empty((2, n_filters, n_freqs))
        self._Y: Spectra = np.empty((n_filters, n_freqs), dtype=np.complex128)

    def predict(self, far_end: DelayLine) -> Array:
        """Return every filter's echo estimate for the newest block, shape (n_filters, block_length)."""
        frequency_kernels().predict_with_variance(
            far_end.spectra, far_end.newest, far_end.stride, self.W, self._P, self._Y, self._variance
        )
        estimate: Array = scipy.fft.irfft(self._Y, n=2 * self._block_length)[:, self._block_length :]
        return estimate

    def correct(self, far_end: DelayLine, y: Array, estimate: Array) -> None:
        """Learn from the newest block of the microphone and what :meth:`predict` has said of it."""
        energy = float(far_end.energies[:, far_end.newest].sum())
        if energy == 0.0 and not far_end.energies.any():
            return
        error = y - estimate
        if energy > _RECORD * self._loudest:
            self._loudest = energy
            self._begin(far_end, y, error)
        E, kernels = tail_spectrum(error), frequency_kernels()
        # Blocks that overlap tell the same thing several times.
        kernels.track_noise(E, self._smoothing, float(self._stride), self._variance, self._noise, self._inverse)
        kernels.correct(
            far_end.spectra,
            far_end.newest,
            far_end.stride,
            E,
            self._inverse,
            self._transition_powers,
            _LEAST_DRIFT * self._unknown,
            self.W,
            self._P,
        )
        self._constrain()

    def _begin(self, far_end: DelayLine, y: Array, error: Array) -> None:
        """Guess from the levels how strong the echo may be, for none so loud was ever heard."""
        heard = float(np.vdot(y, y))
        expected = float((self._profile * far_end.partition_energies()).sum())
        self._unknown = 4.0 * self._block_length * heard / expected * self._profile[:, :, None]
        for f in range(len(self.W)):
            left = float(np.vdot(error[f], error[f]))
            if left > heard:  # by taps learnt from next to nothing, which do harm now
                self.W[f] = 0.0
                error[f], left = y, heard
            self._P[f] = left / heard * self._unknown if heard > 0.0 else 0.0
        self.predict(far_end)  # for the variance that follows from it

    def restart(self) -> None:
        """Forget the echo path, and guess anew how strong it may be."""
        self.W[:] = 0.0
        self._P[:] = self._unknown
        self._loudest = 0.0

    def copy(self, source: int, target: int, *, uncertainty: bool) -> None:
        """Let one filter believe what another does, and if told so be at least as uncertain of it."""
        self.W[target] = self.W[source]
        self._noise[target] = self._noise[source]
        if uncertainty:
            np.maximum(self._P[target], self._P[source], out=self._P[target])

    def forget(self, channel: int) -> None:
        """Forget the echo path of one channel of the far end."""
        self.W[:, channel] = 0.0
        self._P[:, channel] = self._unknown[channel]

    def _constrain(self) -> None:
        """Constrain some partitions a hop, or all where blocks do not overlap."""
        period = _CONSTRAINT_PERIOD * self._stride if self._stride > 1 else 1
        chosen = slice(self._turn, None, period)
        constrain(self.W[:, :, chosen], self._kept[chosen])
        self._turn = (self._turn + 1) % period
