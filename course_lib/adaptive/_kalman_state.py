"""The state of a Kalman filter in the frequency domain, apart from the stream that it belongs to."""

from __future__ import annotations

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


class KalmanState:
    """What a Kalman filter believes: taps, their uncertainty and the power of what is not an echo."""

    def __init__(
        self,
        shape: tuple[int, int, int],
        n_taps: int,
        hop_length: int,
        *,
        transition: float,
        noise_smoothing: float,
        channel_weights: Array,
        decay_db: float,
    ) -> None:
        """Start with an echo path of zeros; shape is (n_channels, n_partitions, n_freqs)."""
        n_partitions, n_freqs = shape[1:]
        self._block_length = n_freqs - 1
        self._kept = kept_taps(n_taps, n_partitions, self._block_length)
        self._stride = self._block_length // hop_length
        self._transition_power = transition ** (2.0 / self._stride)
        self._smoothing = noise_smoothing
        profile = 10.0 ** (-decay_db / 10.0 * np.arange(n_partitions))
        self.profile: Array = channel_weights[:, None] * profile / profile.sum()
        self.W: Spectra = np.zeros(shape, dtype=np.complex128)
        self.P = np.zeros(shape)
        self.noise = np.zeros(n_freqs)
        self._variance = np.empty(n_freqs)
        self._Y: Spectra = np.empty(n_freqs, dtype=np.complex128)
        # P of an echo path of which nothing is known, shape (n_channels, n_partitions, 1).
        self._unknown = np.zeros((*shape[:2], 1))
        self._loudest = 0.0
        self._turn = 0

    def predict(self, far_end: DelayLine) -> Array:
        """Return the echo estimate for the newest block, shape (block_length,)."""
        frequency_kernels().predict_with_variance(
            far_end.spectra, far_end.newest, far_end.stride, self.W, self.P, self._Y, self._variance
        )
        estimate: Array = scipy.fft.irfft(self._Y, n=2 * self._block_length)[self._block_length :]
        return estimate

    def correct(self, far_end: DelayLine, y: Array, estimate: Array) -> None:
        """Learn from the newest block of the microphone and what :meth:`predict` has said of it."""
        error = y - estimate
        if not far_end.energies.any():
            return
        energy = float(far_end.energies[:, far_end.newest].sum())
        if energy > _RECORD * self._loudest:
            self._loudest = energy
            error = self._begin(far_end, y, error)
        E = tail_spectrum(error)
        power = E.real**2 + E.imag**2
        # Neighbours tell about each other: the zeros in front of the error have smeared its spectrum.
        smooth = power.copy()
        smooth[1:-1] = (power[:-2] + power[1:-1] + power[2:]) / 3.0
        self.noise *= self._smoothing
        self.noise += (1.0 - self._smoothing) * smooth
        # Blocks that overlap tell the same thing several times.
        total = self._variance + self._stride * self.noise
        inverse = np.divide(1.0, total, out=np.zeros_like(total), where=total > np.finfo(np.float64).tiny)
        frequency_kernels().correct(
            far_end.spectra,
            far_end.newest,
            far_end.stride,
            E,
            inverse,
            self._transition_power,
            _LEAST_DRIFT * self._unknown,
            self.W,
            self.P,
        )
        self._constrain()

    def _begin(self, far_end: DelayLine, y: Array, error: Array) -> Array:
        """Guess from the levels how strong the echo may be, for none so loud was ever heard; return the error then."""
        heard, left = float(np.vdot(y, y)), float(np.vdot(error, error))
        if left > heard:  # by taps learnt from next to nothing, which do harm now
            self.W[:] = 0.0
            error, left = y, heard
        expected = float((self.profile * far_end.partition_energies()).sum())
        self._unknown = 4.0 * self._block_length * heard / expected * self.profile[:, :, None]
        self.P[:] = left / heard * self._unknown if heard > 0.0 else 0.0
        self.predict(far_end)  # for the variance that follows from it
        return error

    def restart(self) -> None:
        """Forget the echo path, and guess anew how strong it may be."""
        self.W[:] = 0.0
        self.P[:] = self._unknown
        self._loudest = 0.0

    def take_over(self, other: KalmanState) -> None:
        """Believe what another filter believes, as uncertain as the more uncertain of the two."""
        self.W[:] = other.W
        np.maximum(self.P, other.P, out=self.P)
        self.noise[:] = other.noise

    def return_to(self, other: KalmanState) -> None:
        """Believe what another filter believes, as uncertain as before."""
        self.W[:] = other.W
        self.noise[:] = other.noise

    def rescale(self, channel: int, growth: float) -> None:
        """Go on with a channel of the far end that has become smaller, uncertain of it as at the start."""
        self.W[channel] *= growth
        self.P[channel] = self._unknown[channel]

    def _constrain(self) -> None:
        """Constrain some partitions a hop, so that each has had its turn after two blocks, or one without overlap."""
        period = 2 * self._stride if self._stride > 1 else 1
        chosen = slice(self._turn, None, period)
        constrain(self.W[:, chosen], self._kept[chosen])
        self._turn = (self._turn + 1) % period
