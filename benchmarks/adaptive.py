"""Adaptive filters of the time domain beside padasip and pyroomacoustics: white far end, an echo path of random taps.

The peers are given windows of the far end where they want them, prepared beforehand; ours cuts its own.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import padasip
import pyroomacoustics.adaptive

from benchmarks.registry import Case, benchmark, ours, peer
from course_lib import adaptive
from course_lib.metrics import misalignment

SAMPLE_RATE = 16_000
NOISE_DB = -40.0
LONGEST_S = {"NLMS": 2.0, "APA": 0.5, "RLS": 0.1}
"""Enough for a time: the peers take as long for a second as we do for minutes."""
PROMISED = 0.01


def call(n_samples: int, n_taps: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return far end, microphone, the windows of the far end and the echo path."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal(n_samples)
    h = rng.standard_normal(n_taps) / np.sqrt(n_taps)
    y = np.convolve(x, h)[:n_samples] + 10 ** (NOISE_DB / 20) * rng.standard_normal(n_samples)
    padded = np.concatenate([np.zeros(n_taps - 1), x])
    windows = np.ascontiguousarray(np.lib.stride_tricks.sliding_window_view(padded, n_taps)[:, ::-1])
    return x, y, windows, h


def with_pyroomacoustics(kind: str, n_taps: int, x: np.ndarray, y: np.ndarray, **options: float) -> np.ndarray:
    """Return the filter after all samples."""
    method = getattr(pyroomacoustics.adaptive, kind)(n_taps, **options)
    for far_end, microphone in zip(x, y, strict=True):
        method.update(far_end, microphone)
    return method.w


@benchmark("adaptive")
def nlms(duration_s: float) -> Iterator[Case]:
    yield nlms_case(128, duration_s, None)
    yield nlms_case(512, duration_s, PROMISED)


def nlms_case(n_taps: int, duration_s: float, limit: float | None) -> Case:
    n_samples = round(min(duration_s, LONGEST_S["NLMS"]) * SAMPLE_RATE)
    x, y, windows, h = call(n_samples, n_taps)
    return Case(
        f"NLMS, {n_taps} taps, {n_samples} samples",
        None,
        [
            ours("nlms", lambda: adaptive.nlms(x, y, n_taps).impulse_response),
            peer("padasip NLMS", lambda: padasip.filters.FilterNLMS(n_taps, mu=0.5).run(y, windows)[2][-1]),
            peer("pyroomacoustics NLMS", lambda: with_pyroomacoustics("NLMS", n_taps, x, y, mu=0.5), counts=False),
        ],
        limit=limit,
        quality=lambda w: misalignment(h, w),
        quality_name="misalignment, dB",
    )


@benchmark("adaptive")
def affine_projection(duration_s: float) -> Iterator[Case]:
    n_taps, order = 256, 4
    n_samples = round(min(duration_s, LONGEST_S["APA"]) * SAMPLE_RATE)
    x, y, windows, h = call(n_samples, n_taps)
    yield Case(
        f"affine projection of order {order}, {n_taps} taps, {n_samples} samples",
        None,
        [
            ours("apa", lambda: adaptive.apa(x, y, n_taps, order=order).impulse_response),
            peer("padasip AP", lambda: padasip.filters.FilterAP(n_taps, order=order, mu=0.5).run(y, windows)[2][-1]),
        ],
        quality=lambda w: misalignment(h, w),
        quality_name="misalignment, dB",
    )


@benchmark("adaptive")
def recursive_least_squares(duration_s: float) -> Iterator[Case]:
    n_taps = 128
    n_samples = round(min(duration_s, LONGEST_S["RLS"]) * SAMPLE_RATE)
    x, y, windows, h = call(n_samples, n_taps)
    yield Case(
        f"RLS, {n_taps} taps, {n_samples} samples",
        None,
        [
            ours("rls", lambda: adaptive.rls(x, y, n_taps).impulse_response),
            peer("padasip RLS", lambda: padasip.filters.FilterRLS(n_taps, mu=0.999).run(y, windows)[2][-1]),
            peer("pyroomacoustics RLS", lambda: with_pyroomacoustics("RLS", n_taps, x, y, lmbd=0.999), counts=False),
        ],
        limit=PROMISED,
        quality=lambda w: misalignment(h, w),
        quality_name="misalignment, dB",
    )
