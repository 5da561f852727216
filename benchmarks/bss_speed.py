"""AuxIVA and ILRMA beside pyroomacoustics and ssspy: two to four sources in a room, 50 iterations on 10 s at 16 kHz.

The input is a double-precision STFT and the output separated sources scaled to the first microphone, for all alike.
Course_lib's time includes the losses, which the peers are spared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from benchmarks import separation_peers as peers
from benchmarks.registry import Case, benchmark, ours, peer
from benchmarks.scenes import RECIPES
from benchmarks.separation import improvement_db
from course_lib.bss import Separation, auxiva, ilrma
from course_lib.stft import istft, stft

LONGEST_S = 10.0
N_ITERATIONS = 50
START_SHARE = 0.4
"""Part of the iterations spent on IVA, where ILRMA starts from it."""
N_BASES = 2
N_PARTITIONED_ITERATIONS = 5
"""Enough for a time, not for a separation: the peer takes long."""
FRAME_LENGTHS = {2: 2048, 3: 2048, 4: 4096}
AUXIVA_LIMITS = {2: 0.4, 3: 0.25, 4: 0.2}
ILRMA_LIMITS = {2: 0.5, 3: 0.45, 4: 0.4}


Separate = Callable[[np.ndarray], Any]


def _iterations(duration_s: float, of_longest: int = N_ITERATIONS) -> int:
    """Return how many iterations a signal gets: fewer if it is short, for a quick look at everything."""
    return max(1, round(of_longest * min(1.0, duration_s / LONGEST_S)))


def _case(
    n_sources: int,
    duration_s: float,
    title: str,
    contestants: list[tuple[str, Separate, bool]],
    limit: float | None,
) -> Case:
    """Build the first scene with so many sources, and a case of contestants (name, function of X, ours)."""
    recipe = next(recipe for recipe in RECIPES if len(recipe.sources) == n_sources)
    scene = recipe.build(min(duration_s, LONGEST_S))
    n_samples = round(min(duration_s, LONGEST_S) * scene.sample_rate)
    mixture, references = scene.mixture[:, :n_samples], scene.images[:, 0, :n_samples]
    grid = {"frame_length": FRAME_LENGTHS[n_sources], "hop_length": FRAME_LENGTHS[n_sources] // 2}
    X = stft(mixture, **grid)

    def quality(result: Separation | np.ndarray) -> float:
        sources = result.sources if isinstance(result, Separation) else result
        return improvement_db(references, istft(sources, **grid, n_samples=n_samples), mixture[0])

    entered = [(ours if is_ours else peer)(name, partial(separate, X)) for name, separate, is_ours in contestants]
    size = f"{n_sources} sources, {n_samples / scene.sample_rate:g} s, {grid['frame_length']}/{grid['hop_length']}"
    return Case(f"{title}, {size}", None, entered, limit, quality, "SI-SDRi, dB")


@benchmark("bss")
def independent_vector_analysis(duration_s: float) -> Iterator[Case]:
    n = _iterations(duration_s)
    for n_sources, limit in AUXIVA_LIMITS.items():
        contestants = [
            ("auxiva, iss", partial(auxiva, n_iterations=n), True),
            ("auxiva, ip", partial(auxiva, n_iterations=n, update="ip"), True),
            ("pyroomacoustics auxiva, ip", partial(peers.pyroomacoustics_auxiva, n_iterations=n), False),
            ("ssspy AuxLaplaceIVA, iss", partial(peers.ssspy_auxiva, n_iterations=n), False),
        ]
        yield _case(n_sources, duration_s, f"AuxIVA, {n} iterations", contestants, limit)


@benchmark("bss")
def independent_low_rank_matrix_analysis(duration_s: float) -> Iterator[Case]:
    n = _iterations(duration_s)
    n_start = round(START_SHARE * n)
    for n_sources, limit in ILRMA_LIMITS.items():
        contestants = [
            ("ilrma, iss, from the identity", partial(_ilrma, start="identity", n_iterations=n), True),
            (
                f"ilrma, iss, {n_start} of IVA first",
                partial(_ilrma, start="iva", start_iterations=n_start, n_iterations=n - n_start),
                True,
            ),
            ("pyroomacoustics ilrma, ip", partial(_peer, peers.pyroomacoustics_ilrma, n_iterations=n), False),
            ("ssspy GaussILRMA, iss", partial(_peer, peers.ssspy_ilrma, n_iterations=n), False),
        ]
        title = f"ILRMA, {n} iterations, {N_BASES} bases a source"
        yield _case(n_sources, duration_s, title, contestants, limit)


@benchmark("bss")
def partitioned_ilrma(duration_s: float) -> Iterator[Case]:
    n = _iterations(duration_s, N_PARTITIONED_ITERATIONS)
    for n_sources in ILRMA_LIMITS:
        shared = {"n_bases": N_BASES * n_sources, "partitioned": True, "n_iterations": n}
        contestants: list[tuple[str, Separate, bool]] = [
            (f"ilrma, {update}, partitioned", partial(_ilrma, start="identity", update=update, **shared), True)
            for update in ("iss", "ip")
        ]
        contestants.append(("ssspy GaussILRMA, iss, partitioned", partial(_peer, peers.ssspy_ilrma, **shared), False))
        title = f"partitioned ILRMA, {n} iterations, {shared['n_bases']} bases in all"
        yield _case(n_sources, duration_s, title, contestants, None)


def _ilrma(X: np.ndarray, *, n_bases: int = N_BASES, **options: Any) -> Separation:
    return ilrma(X, n_bases=n_bases, rng=np.random.default_rng(0), **options)


def _peer(
    function: Callable[..., np.ndarray], X: np.ndarray, *, n_iterations: int, n_bases: int = N_BASES, **options: bool
) -> np.ndarray:
    return function(X, n_iterations, n_bases, np.random.default_rng(0), **options)
