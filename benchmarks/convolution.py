"""Convolution beside NumPy, SciPy and PyTorch: a short kernel, a room, and a stream."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import scipy.signal
import torch

from benchmarks.registry import Case, benchmark, ours, peer
from course_lib.constants import SAMPLE_RATE_HZ
from course_lib.convolution import (
    PartitionedConvolver,
    convolve_direct,
    convolve_dot,
    convolve_fft,
    convolve_shift,
    convolve_stft,
    convolve_torch,
    overlap_add,
    overlap_save,
)


def signal_and_response(n_samples: int, n_taps: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.standard_normal(n_samples), rng.standard_normal(n_taps) * np.exp(-5 * np.arange(n_taps) / n_taps)


@benchmark("convolution")
def by_the_definition(duration_s: float) -> Iterator[Case]:
    """The methods whose cost is N·M, and convolve_fft on the same task."""
    x, h = signal_and_response(max(1, int(duration_s * SAMPLE_RATE_HZ / 10)), 512)
    x_torch, h_torch = torch.from_numpy(x)[None, None], torch.from_numpy(h).flip(0)[None, None]
    yield Case(
        f"direct convolution, {x.size} samples with {h.size} taps",
        scipy.signal.fftconvolve(x, h),
        [
            ours("convolve_direct", lambda: convolve_direct(x, h)),
            ours("convolve_dot", lambda: convolve_dot(x, h)),
            ours("convolve_shift", lambda: convolve_shift(x, h)),
            ours("convolve_torch", lambda: convolve_torch(x, h)),
            ours("convolve_fft", lambda: convolve_fft(x, h)),
            peer("np.convolve", lambda: np.convolve(x, h)),
            peer("scipy convolve, direct", lambda: scipy.signal.convolve(x, h, method="direct")),
            peer(
                "torch conv1d",
                lambda: torch.nn.functional.conv1d(x_torch, h_torch, padding=h.size - 1)[0, 0],
            ),
        ],
    )


@benchmark("convolution")
def by_the_fft(duration_s: float) -> Iterator[Case]:
    """A hall of one second: where the fast methods belong."""
    x, h = signal_and_response(int(duration_s * SAMPLE_RATE_HZ), SAMPLE_RATE_HZ)

    def partitioned(block_length: int) -> np.ndarray:
        convolver = PartitionedConvolver(h, block_length)
        return np.concatenate([convolver.push(x), convolver.flush()])[convolver.latency :]

    yield Case(
        f"fast convolution, {duration_s:g} s with a response of 1 s at 16 kHz",
        scipy.signal.fftconvolve(x, h),
        [
            ours("convolve_fft", lambda: convolve_fft(x, h)),
            ours("overlap_add, blocks of 49536", lambda: overlap_add(x, h, 49536)),
            ours("overlap_save, blocks of 49536", lambda: overlap_save(x, h, 49536)),
            ours("convolve_stft, 16384/8192", lambda: convolve_stft(x, h, frame_length=16384, hop_length=8192)),
            ours("partitioned, latency 1024", lambda: partitioned(1024)),
            ours("partitioned, latency 256", lambda: partitioned(256)),
            peer("scipy oaconvolve", lambda: scipy.signal.oaconvolve(x, h)),
            peer("scipy fftconvolve", lambda: scipy.signal.fftconvolve(x, h)),
            peer("scipy convolve, method='auto'", lambda: scipy.signal.convolve(x, h)),
        ],
    )
