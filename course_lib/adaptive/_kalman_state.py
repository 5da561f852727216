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


_BEGINNING: Final = 2
"""For how long that goes on, in lengths of the impulse response."""


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
        self._loudest = self._heard = self._played = self._gain = 0.0
        self._n_beginning = 0
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
        if self._is_beginning(far_end):
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
            far_end.spectra, far_end.newest, far_end.stride, E, inverse, self._transition_power, self.W, self.P
        )
        self._constrain()

    def _is_beginning(self, far_end: DelayLine) -> bool:
        """Tell whether the far end has become so loud as never before, and its echo may not have been heard yet."""
        energy = float(far_end.energies[:, far_end.newest].sum())
        if energy > _RECORD * self._loudest:
            self._loudest = energy
            self._n_beginning = _BEGINNING * far_end.energies[0].size
        self._n_beginning = max(0, self._n_beginning - 1)
        return self._n_beginning > 0

    def _begin(self, far_end: DelayLine, y: Array, error: Array) -> Array:
        """Learn the unit of the uncertainty, the power of the microphone over the far end's; return the error then."""
        self._heard += float(np.vdot(y, y))
        self._played += float((self.profile * far_end.partition_energies()).sum())
        known_gain = self._gain
        self._gain = 2.0 * self._block_length * self._heard / self._played
        if np.vdot(error, error) > np.vdot(y, y):  # taps learnt from next to nothing, which do harm now
            self.restart()
            error = y
        elif known_gain > 0.0:
            self.P *= self._gain / known_gain
        else:
            self.P[:] = self._gain * self.profile[:, :, None]
        self.predict(far_end)  # for the variance that follows from it
        return error

    def restart(self) -> None:
        """Forget the echo path, but not how strong echo paths are."""
        self.W[:] = 0.0
        self.P[:] = self._gain * self.profile[:, :, None]

    def take_over(self, other: KalmanState) -> None:
        """Believe what another filter believes, as uncertain as the more uncertain of the two."""
        self.W[:] = other.W
        np.maximum(self.P, other.P, out=self.P)
        self.noise[:] = other.noise

    def return_to(self, other: KalmanState) -> None:
        """Believe what another filter believes, as uncertain as before."""
        self.W[:] = other.W
        self.noise[:] = other.noise

    def scale(self, channel: int, factor: float) -> None:
        """Go on with a channel of the far end whose unit has become so many times larger."""
        self.W[channel] *= factor
        self.P[channel] *= factor**2

    def _constrain(self) -> None:
        """Constrain some partitions a hop, so that each has had its turn after a block."""
        chosen = slice(self._turn, None, self._stride)
        constrain(self.W[:, chosen], self._kept[chosen])
        self._turn = (self._turn + 1) % self._stride
