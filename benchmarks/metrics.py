"""BSS Eval beside mir_eval and fast_bss_eval: two and four sources of at most 20 s, estimates in any order."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import fast_bss_eval
import mir_eval
import numpy as np

from benchmarks.registry import Case, benchmark, ours, peer
from course_lib.constants import SAMPLE_RATE_HZ
from course_lib.metrics import bss_eval

LONGEST_S = 20.0
# mir_eval solves anew for each of the pairs: with more sources it takes many seconds, however short they are.
MOST_SOURCES_OF_MIR_EVAL = 2


def with_mir_eval(references: np.ndarray, estimates: np.ndarray) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="(?s).*bss_eval_sources", category=FutureWarning)
        return np.stack(mir_eval.separation.bss_eval_sources(references, estimates)[:3])


def with_fast_bss_eval(references: np.ndarray, estimates: np.ndarray) -> np.ndarray:
    return np.stack(fast_bss_eval.bss_eval_sources(references, estimates, compute_permutation=True)[:3])


def with_course_lib(references: np.ndarray, estimates: np.ndarray) -> np.ndarray:
    measured = bss_eval(references, estimates)
    return np.stack([measured.sdr, measured.sir, measured.sar])


@benchmark("metrics")
def separation(duration_s: float) -> Iterator[Case]:
    duration_s = min(duration_s, LONGEST_S)
    rng = np.random.default_rng(0)
    for n_sources in (2, 4):
        s, noise = rng.standard_normal((2, n_sources, int(duration_s * SAMPLE_RATE_HZ)))
        s_hat = rng.permutation(s + 0.2 * rng.standard_normal((n_sources, n_sources)) @ s + 0.1 * noise)
        contestants = [
            ours("bss_eval", lambda s=s, e=s_hat: with_course_lib(s, e)),
            peer("fast_bss_eval", lambda s=s, e=s_hat: with_fast_bss_eval(s, e)),
        ]
        if n_sources <= MOST_SOURCES_OF_MIR_EVAL:
            contestants.append(peer("mir_eval", lambda s=s, e=s_hat: with_mir_eval(s, e)))
        yield Case(
            f"SDR, SIR, SAR (dB), {n_sources} sources of {duration_s:g} s at 16 kHz, filters of 512 taps",
            with_fast_bss_eval(s, s_hat),
            contestants,
            limit=1.0,
        )
