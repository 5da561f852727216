"""What the filters of the frequency domain have in common: hops of a stream, and the far end's latest spectra."""

from __future__ import annotations

import abc
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import ArrayLike, NDArray

from course_lib.adaptive._streams import as_flags
from course_lib.adaptive.adaptation import Adaptation
from course_lib.validation import as_number, as_positive_integer, as_signal

Array = NDArray[np.float64]
Spectra = NDArray[np.complex128]

__all__ = [
    "BlockFilter",
    "DelayLine",
    "as_number",
    "constrain",
    "frequency_kernels",
    "kept_taps",
    "run_offline",
    "tail_spectrum",
]


class DelayLine:
    """Spectra of the last two blocks of the far end, for every hop as far back as the filter reaches."""

    def __init__(self, n_channels: int, n_partitions: int, block_length: int, hop_length: int) -> None:
        """Start with a silent past."""
        self.stride = block_length // hop_length
        self.newest = 0
        self.spectra: Spectra = np.zeros(
            (n_channels, n_partitions * self.stride, block_length + 1), dtype=np.complex128
        )
        self.energies = np.zeros(self.spectra.shape[:2])
        self._segment = np.zeros((n_channels, 2 * block_length))
        self._hop_length = hop_length

    def push(self, x: Array) -> None:
        """Take a hop of every channel, shape (n_channels, hop_length)."""
        hop_length = self._hop_length
        self._segment[:, :-hop_length] = self._segment[:, hop_length:]
        self._segment[:, -hop_length:] = x
        self.newest = (self.newest - 1) % self.spectra.shape[1]
        spectra = scipy.fft.rfft(self._segment)
        self.spectra[:, self.newest] = spectra
        parts = spectra.view(np.float64)
        self.energies[:, self.newest] = np.einsum("ck,ck->c", parts, parts)

    def scale(self, channel: int, factor: float) -> None:
        """Change the unit of a channel, its past included."""
        self.spectra[channel] *= factor
        self.energies[channel] *= factor**2
        self._segment[channel] *= factor

    def partition_energies(self) -> Array:
        """Return the energy of what each partition is multiplied with, shape (n_channels, n_partitions)."""
        rolled: Array = np.roll(self.energies, -self.newest, axis=1)[:, :: self.stride]
        return rolled


def tail_spectrum(block: Array) -> Spectra:
    """Return the DFT of a block, shape (..., block_length), behind as many zeros."""
    padded = np.zeros((*block.shape[:-1], 2 * block.shape[-1]))
    padded[..., block.shape[-1] :] = block
    spectrum: Spectra = scipy.fft.rfft(padded)
    return spectrum


def kept_taps(n_taps: int, n_partitions: int, block_length: int) -> Array:
    """Return which taps of each partition are some, shape (n_partitions, 2 · block_length): one for them, else zero."""
    kept = np.zeros((n_partitions, 2 * block_length))
    kept[:, :block_length] = (np.arange(n_partitions * block_length) < n_taps).reshape(n_partitions, block_length)
    return kept


def constrain(W: Spectra, kept: Array) -> None:
    """Take the taps that circular convolution has no use for, and those past the last, back to zero, in place."""
    taps = scipy.fft.irfft(W, n=kept.shape[-1])
    taps *= kept
    W[:] = scipy.fft.rfft(taps, overwrite_x=True)


class BlockFilter(abc.ABC):
    """An adaptive filter that works in hops; a subclass says how it estimates and learns."""

    def __init__(self, n_taps: int, block_length: int, hop_length: int | None, n_channels: int) -> None:
        """Start with an echo path of zeros and a silent past."""
        self._n_taps = as_positive_integer(n_taps, "n_taps")
        self._block_length = as_positive_integer(block_length, "block_length")
        self._n_channels = as_positive_integer(n_channels, "n_channels")
        hop_length = self._block_length if hop_length is None else as_positive_integer(hop_length, "hop_length")
        if self._block_length % hop_length:
            raise ValueError(
                f"hop_length: got {hop_length} for blocks of {self._block_length}, expected a divisor of them."
            )
        self.latency = hop_length
        self._n_partitions = -(-self._n_taps // self._block_length)
        self._start()

    def _start(self) -> None:
        self._far_end = DelayLine(self._n_channels, self._n_partitions, self._block_length, self.latency)
        self._W: Spectra = np.zeros((self._n_channels, self._n_partitions, self._block_length + 1), dtype=np.complex128)
        self._waiting_x = np.zeros((self._n_channels, 0))
        self._waiting_y = np.zeros(0)
        self._waiting_adapt = np.zeros(0, dtype=np.bool_)

    @property
    def impulse_response(self) -> Array:
        """ĥ as it is now, shape (n_taps,), or (n_channels, n_taps) if there are several channels."""
        taps = scipy.fft.irfft(self._W, n=2 * self._block_length)[..., : self._block_length]
        response = taps.reshape(self._n_channels, -1)[:, : self._n_taps]
        return np.array(response[0] if self._n_channels == 1 else response)

    def push(self, x: ArrayLike, y: ArrayLike, *, adapt: ArrayLike = True) -> Array:
        """Take the next samples of both signals and return what is ready of the error.

        Args:
            x: far-end signal, shape (n_samples,), any number of samples from 0; (n_channels, n_samples) if several.
            y: signal of the microphone at the same time, shape (n_samples,).
            adapt: whether to learn from these samples, or one such flag for each sample, shape (n_samples,). A hop is
                learnt from only if all of its samples may be.
        Returns:
            e = y − ŷ, shape (n_ready,): all samples of the hops that are complete.
        Raises:
            ValueError: if the lengths differ, or an input is complex or not finite.
        """
        return self._advance(*self._as_inputs(x, y, adapt, allow_empty=True))[1]

    def flush(self) -> Array:
        """Return the error of the samples that wait for their hop to be complete; the filter keeps what it has learnt.

        Returns:
            e, shape (n_left,).
        """
        n_left = self._waiting_y.size
        if n_left == 0:
            return np.zeros(0)
        return self._finish()[1][:n_left]

    def _finish(self) -> tuple[Array, Array]:
        """Fill the last hop with zeros, from which nothing is learnt; return its estimate and error."""
        n_left = self._waiting_y.size
        n_missing = self.latency - n_left if n_left else 0
        estimate, error = self._advance(
            np.zeros((self._n_channels, n_missing)), np.zeros(n_missing), np.zeros(n_missing, dtype=np.bool_)
        )
        return estimate[:n_left], error[:n_left]

    def _advance(self, x: Array, y: Array, adapt: NDArray[np.bool_]) -> tuple[Array, Array]:
        """Take checked samples; return estimate and error of the hops that they complete."""
        x = np.concatenate([self._waiting_x, x], axis=1)
        y = np.concatenate([self._waiting_y, y])
        adapt = np.concatenate([self._waiting_adapt, adapt])
        n_ready = y.size // self.latency * self.latency
        estimate = np.empty(n_ready)
        for begin in range(0, n_ready, self.latency):
            hop = slice(begin, begin + self.latency)
            self._far_end.push(x[:, hop])
            estimate[hop] = self._process(y[hop], bool(adapt[hop].all()))
        self._waiting_x, self._waiting_y, self._waiting_adapt = x[:, n_ready:], y[n_ready:], adapt[n_ready:]
        return estimate, y[:n_ready] - estimate

    @abc.abstractmethod
    def _process(self, y: Array, adapt: bool) -> Array:
        """Estimate the echo of the newest hop, and learn from it if told so."""

    def _as_inputs(
        self, x: ArrayLike, y: ArrayLike, adapt: ArrayLike, *, allow_empty: bool
    ) -> tuple[Array, Array, NDArray[np.bool_]]:
        """Return far end (n_channels, n_samples), microphone and flags, or raise ``ValueError``."""
        n_axes = 1 if self._n_channels == 1 else 2
        far_end = as_signal(x, "x", n_axes=n_axes, allow_empty=allow_empty).astype(np.float64)
        microphone = as_signal(y, "y", n_axes=1, allow_empty=allow_empty).astype(np.float64)
        far_end = far_end.reshape(-1, far_end.shape[-1])
        if far_end.shape != (self._n_channels, microphone.size):
            raise ValueError(
                f"x and y: got {far_end.shape[0]} x {far_end.shape[1]} samples of the far end and {microphone.size} of "
                f"the microphone, expected as many in {self._n_channels} channel(s). Cut both to the same samples."
            )
        return far_end, microphone, as_flags(adapt, microphone.size)


def run_offline(
    make_filter: Callable[[], BlockFilter],
    x: ArrayLike,
    y: ArrayLike,
    adapt: ArrayLike,
    snapshot_every: int | None,
) -> Adaptation:
    """Send a whole recording through a stream, stopping for snapshots."""
    adaptive_filter = make_filter()
    far_end, microphone, flags = adaptive_filter._as_inputs(x, y, adapt, allow_empty=False)
    n_samples = microphone.size
    every = n_samples + 1 if snapshot_every is None else as_positive_integer(snapshot_every, "snapshot_every")
    times = np.arange(every, n_samples + 1, every)
    edges = [0, *times.tolist(), n_samples]
    pieces = []
    snapshots: list[Array] = []
    for begin, end in itertools.pairwise(edges):
        pieces.append(adaptive_filter._advance(far_end[:, begin:end], microphone[begin:end], flags[begin:end]))
        snapshots.append(adaptive_filter.impulse_response)
    pieces.append(adaptive_filter._finish())
    response = adaptive_filter.impulse_response
    return Adaptation(
        estimate=np.concatenate([estimate for estimate, _ in pieces]),
        error=np.concatenate([error for _, error in pieces]),
        impulse_response=response,
        snapshots=np.array(snapshots[: times.size]).reshape(times.size, *response.shape),
        snapshot_times=times.astype(np.int64),
    )


def frequency_kernels() -> Any:
    """Import the compiler only now."""
    from course_lib.adaptive import _frequency_kernels

    return _frequency_kernels
