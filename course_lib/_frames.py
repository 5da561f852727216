"""Compiled loops that cut a signal into windowed frames and add frames back together.

Shared by :mod:`course_lib.stft` and :mod:`course_lib.convolution`. A signal here is always a contiguous
array ``(n_rows, n_samples)``; the public functions fold their leading axes into ``n_rows``.
"""

from __future__ import annotations

import functools
import itertools
import math
import threading
from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from course_lib._threads import n_cores

Function = TypeVar("Function", bound=Callable[..., Any])

# Below this many samples the start of a thread costs more than it saves.
_THREADING_THRESHOLD = 1 << 18
# Frames held at a time, in samples: bounds the memory of an hour of sound, and holds a minute of it whole.
_SCRATCH_SAMPLES = 1 << 23


def compiled(function: Function) -> Function:
    """Compile a loop over samples at its first call, and keep the machine code on disk.

    Sums may be reordered, so that the processor adds several products at once; the global interpreter lock
    is released, so that two halves of a signal can be worked on by two threads. The compiler itself is imported at the
    first call too: it would double the time that importing course_lib takes.
    """

    @functools.cache
    def compile_once() -> Callable[..., Any]:
        import numba

        return cast(
            Callable[..., Any],
            numba.njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz"})(function),
        )

    @functools.wraps(function)
    def call(*arguments: Any) -> Any:
        return compile_once()(*arguments)

    return cast(Function, call)


@compiled
def _window_rows(
    x: NDArray[Any],
    window: NDArray[Any],
    hop_length: int,
    first_sample: int,
    n_frames: int,
    begin: int,
    frames: NDArray[Any],
) -> None:
    n_samples = x.shape[1]
    frame_length = window.shape[0]
    for i in range(frames.shape[0]):
        signal = x[(begin + i) // n_frames]
        frame = frames[i]
        start = first_sample + ((begin + i) % n_frames) * hop_length
        if start >= 0 and start + frame_length <= n_samples:
            segment = signal[start : start + frame_length]
            for n in range(frame_length):
                frame[n] = segment[n] * window[n]
        else:
            for n in range(frame_length):
                frame[n] = signal[start + n] * window[n] if 0 <= start + n < n_samples else 0.0
        frame[frame_length:] = 0.0


@compiled
def add_frames(frames: NDArray[Any], window: NDArray[Any], hop_length: int, first_sample: int, y: NDArray[Any]) -> None:
    """Add windowed frames ``(n_rows, n_frames, frame_length)`` into ``y`` ``(n_rows, n_samples)``.

    Frame m starts at ``first_sample + m * hop_length``; what falls outside ``y`` is dropped.
    """
    n_samples = y.shape[1]
    frame_length = window.shape[0]
    for row in range(frames.shape[0]):
        for m in range(frames.shape[1]):
            start = first_sample + m * hop_length
            begin = max(0, -start)
            end = min(frame_length, n_samples - start)
            if begin < end:
                target = y[row, start + begin : start + end]
                source = frames[row, m, begin:end]
                weight = window[begin:end]
                for n in range(end - begin):
                    target[n] += weight[n] * source[n]


def fft_workers(n_samples: int) -> int:
    """Return how many threads a transform of ``n_samples`` in all is worth."""
    return n_cores() if n_samples >= _THREADING_THRESHOLD else 1


def rows_of(x: NDArray[Any]) -> NDArray[Any]:
    """Fold the leading axes of ``x`` into one: ``(..., n_samples)`` to a contiguous ``(n_rows, n_samples)``."""
    return np.ascontiguousarray(x).reshape(math.prod(x.shape[:-1]), x.shape[-1])


def windowed_frames(
    x: NDArray[Any],
    window: NDArray[Any],
    *,
    hop_length: int,
    first_sample: int,
    n_frames: int,
    fft_length: int,
    begin: int,
    end: int,
) -> NDArray[Any]:
    """Return frames ``begin`` to ``end`` (counted through all rows) of ``x``, windowed and zero-padded.

    Frame m starts at ``first_sample + m * hop_length``; samples outside the signal are zero.
    """
    frames = np.empty((end - begin, fft_length), dtype=x.dtype)
    # Plain threads rather than a pool or numba's own: they start faster and survive a fork.
    n_threads = min(fft_workers(frames.size), max(1, end - begin))
    edges = [i * (end - begin) // n_threads for i in range(n_threads + 1)]
    threads = [
        threading.Thread(
            target=_window_rows,
            args=(x, window, hop_length, first_sample, n_frames, begin + first, frames[first:last]),
        )
        for first, last in itertools.pairwise(edges[1:])
    ]
    for thread in threads:
        thread.start()
    _window_rows(x, window, hop_length, first_sample, n_frames, begin, frames[: edges[1]])
    for thread in threads:
        thread.join()
    return frames


def frame_groups(n_frames: int, fft_length: int) -> list[tuple[int, int]]:
    """Split ``n_frames`` into ``(begin, end)`` groups whose frames fit the scratch memory."""
    size = max(1, _SCRATCH_SAMPLES // fft_length)
    return [(begin, min(begin + size, n_frames)) for begin in range(0, n_frames, size)]


def windowed_spectra(
    x: NDArray[Any],
    window: NDArray[Any],
    *,
    hop_length: int,
    first_sample: int,
    n_frames: int,
    fft_length: int,
) -> NDArray[Any]:
    """Return the DFT of every windowed frame of ``x`` ``(n_rows, n_samples)``: ``(n_rows, n_frames, n_freqs)``."""
    n_rows = x.shape[0]

    def transform(begin: int, end: int) -> NDArray[Any]:
        frames = windowed_frames(
            x,
            window,
            hop_length=hop_length,
            first_sample=first_sample,
            n_frames=n_frames,
            fft_length=fft_length,
            begin=begin,
            end=end,
        )
        spectra: NDArray[Any] = scipy.fft.rfft(frames, workers=fft_workers(frames.size))
        return spectra

    groups = frame_groups(n_rows * n_frames, fft_length)
    if len(groups) == 1:
        return transform(*groups[0]).reshape(n_rows, n_frames, -1)
    spectra = np.empty((n_rows * n_frames, fft_length // 2 + 1), dtype=np.result_type(x.dtype, np.complex64))
    for begin, end in groups:
        spectra[begin:end] = transform(begin, end)
    return spectra.reshape(n_rows, n_frames, -1)
