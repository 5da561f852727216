"""What the adaptive filters of the time domain have in common: streams of samples, and the level of the far end."""

from __future__ import annotations

import abc
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from course_lib.adaptive.adaptation import Adaptation
from course_lib.validation import as_number, as_positive_integer, as_signal, describe

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

LEVEL_MEMORY_SAMPLES: Final = 2**20
"""Time constant with which the level of the far end is forgotten: a minute at 16 kHz, more than most pauses last."""


class SampleFilter(abc.ABC):
    """An adaptive filter that answers every sample at once; a subclass says how it learns."""

    def __init__(self, n_taps: int, n_older: int = 0) -> None:
        """Start with an echo path of zeros and a silent past.

        Args:
            n_taps: L, length of the impulse response.
            n_older: samples of the past that learning needs beyond those that the impulse response reaches.
        """
        self._n_taps = as_positive_integer(n_taps, "n_taps")
        # Time-reversed, so that its inner product with the newest samples runs forwards over both.
        self._reversed_h = aligned_zeros(self._n_taps)
        self._past = np.zeros(self._n_taps - 1 + n_older)

    @property
    def impulse_response(self) -> Array:
        """ĥ as it is now, shape (n_taps,)."""
        return self._reversed_h[::-1].copy()

    def push(self, x: ArrayLike, y: ArrayLike, *, adapt: ArrayLike = True) -> Array:
        """Take the next samples of both signals and return what is left of the microphone's.

        Args:
            x: far-end signal, shape (n_samples,), any number of samples from 0.
            y: signal of the microphone at the same time, shape (n_samples,).
            adapt: whether to learn from these samples, or one such flag for each sample, shape (n_samples,).
        Returns:
            e = y − ŷ, shape (n_samples,).
        Raises:
            ValueError: if the lengths differ, or an input is complex or not finite.
        """
        return self.advance(*as_far_end_and_microphone(x, y, adapt, allow_empty=True))[1]

    def advance(self, x: Array, y: Array, adapt: Flags) -> tuple[Array, Array]:
        """Take checked samples, and return estimate and error."""
        estimate, error = np.empty(y.size), np.empty(y.size)
        if y.size:
            with_past = np.concatenate([self._past, x])
            self._run(with_past, y, adapt, estimate, error)
            self._past = with_past[with_past.size - self._past.size :]
        return estimate, error

    @abc.abstractmethod
    def _run(self, x: Array, y: Array, adapt: Flags, estimate: Array, error: Array) -> None:
        """Filter and learn; x begins as many samples before y as the past is long."""


def aligned_zeros(n_values: int) -> Array:
    """Return zeros that begin a cache line: a fifth of the time of a pass over them depends on it."""
    line = 64 // np.dtype(np.float64).itemsize
    values = np.zeros(n_values + line)
    first = -(values.ctypes.data // values.itemsize) % line
    return values[first : first + n_values]


@dataclass(frozen=True)
class Level:
    """What is known of the far end at each sample."""

    correlations: Array
    """Of the newest window with itself 0, 1, … samples earlier, shape (n_lags, n_samples); the first is its energy."""
    usual: Array
    """Energy of the window while somebody talks, shape (n_samples,)."""
    active: Flags
    """Whether somebody talks, shape (n_samples,)."""
    restarts: Flags
    """Whether what was learnt before was learnt from next to nothing, shape (n_samples,)."""


class FarEndLevel:
    """Energy of the far-end signal over the impulse response, and what it usually is while somebody talks."""

    def __init__(
        self,
        n_taps: int,
        *,
        n_lags: int = 1,
        activity_threshold_db: float,
        restart_threshold_db: float,
        far_end_power: float | None,
    ) -> None:
        """Start in silence."""
        self._threshold = 10 ** (_as_threshold_db(activity_threshold_db, "activity_threshold_db", -1) / 10)
        self._rise = 10 ** (_as_threshold_db(restart_threshold_db, "restart_threshold_db", 1) / 10)
        self._given: float | None = None
        if far_end_power is not None:
            self._given = n_taps * as_number(far_end_power, "far_end_power", 0, above=True)
        self._n_taps = n_taps
        self._suffixes = np.zeros((n_lags, 2 * n_taps))
        self._prefix = np.zeros(n_lags)
        self._position = 0
        self._state = np.zeros(3)

    def push(self, products: Array) -> Level:
        """Take x[n]·x[n − lag], shape (n_lags, n_samples)."""
        sums, usual = np.empty(products.shape), np.empty(products.shape[1])
        restarts = np.zeros(usual.size, np.bool_)
        self._position = kernels().slide_sums(products, self._suffixes, self._prefix, self._position, sums)
        if self._given is None:
            decay = 1 - 1 / LEVEL_MEMORY_SAMPLES
            kernels().follow_level(sums[0], decay, self._rise, self._n_taps, self._state, usual, restarts)
        else:
            usual.fill(self._given)
        return Level(sums, usual, (sums[0] > 0) & (sums[0] >= self._threshold * usual), restarts)


def as_far_end_and_microphone(
    x: ArrayLike, y: ArrayLike, adapt: ArrayLike, *, allow_empty: bool = False
) -> tuple[Array, Array, Flags]:
    """Return both signals and a flag a sample, or raise ``ValueError``."""
    far_end = as_signal(x, "x", n_axes=1, allow_empty=allow_empty).astype(np.float64, copy=False)
    microphone = as_signal(y, "y", n_axes=1, allow_empty=allow_empty).astype(np.float64, copy=False)
    if far_end.shape != microphone.shape:
        raise ValueError(
            f"x and y: got {far_end.size} samples of the far end and {microphone.size} of the microphone, expected as "
            "many. Cut both to the same samples."
        )
    return np.ascontiguousarray(far_end), np.ascontiguousarray(microphone), as_flags(adapt, microphone.size)


def as_flags(adapt: ArrayLike, n_samples: int) -> Flags:
    """Return a flag a sample that says whether to learn from it, or raise ``ValueError``."""
    flags = np.asarray(adapt)
    if flags.dtype != np.bool_ or flags.shape not in ((), (n_samples,)):
        raise ValueError(
            f"adapt: got {describe(adapt)}, expected True, False or a boolean array of shape {(n_samples,)}."
        )
    return np.broadcast_to(flags, n_samples)


def _as_threshold_db(value: float, name: str, sign: int) -> float:
    """Return a level that is of this sign or zero, and may be infinite, or raise ``ValueError``."""
    is_number = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
    if not is_number or not sign * value >= 0:
        raise ValueError(
            f"{name}: got {describe(value)}, expected a level of at {'least' if sign > 0 else 'most'} 0 dB."
        )
    return float(value)


def run_offline(
    make_filter: Callable[[], SampleFilter],
    x: ArrayLike,
    y: ArrayLike,
    adapt: ArrayLike,
    snapshot_every: int | None,
) -> Adaptation:
    """Send a whole recording through a stream, stopping for snapshots."""
    far_end, microphone, flags = as_far_end_and_microphone(x, y, adapt)
    n_samples = microphone.size
    every = n_samples + 1 if snapshot_every is None else as_positive_integer(snapshot_every, "snapshot_every")
    adaptive_filter = make_filter()
    times = np.arange(every, n_samples + 1, every)
    pieces: list[tuple[Array, Array]] = []
    snapshots: list[Array] = []
    for begin, end in itertools.pairwise([0, *times.tolist(), n_samples]):
        pieces.append(adaptive_filter.advance(far_end[begin:end], microphone[begin:end], flags[begin:end]))
        snapshots.append(adaptive_filter.impulse_response)
    return Adaptation(
        estimate=np.concatenate([estimate for estimate, _ in pieces]),
        error=np.concatenate([error for _, error in pieces]),
        impulse_response=adaptive_filter.impulse_response,
        snapshots=np.array(snapshots[: times.size]).reshape(times.size, adaptive_filter.impulse_response.size),
        snapshot_times=times.astype(np.int64),
    )


def kernels() -> Any:
    """Import the compiler only now."""
    from course_lib.adaptive import _kernels

    return _kernels
