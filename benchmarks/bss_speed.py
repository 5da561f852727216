"""AuxIVA and ILRMA beside pyroomacoustics and ssspy: 10 s at 16 kHz, 50 iterations, two to four sources in a room.

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
START_ITERATIONS = 20
"""Of N_ITERATIONS, where ILRMA starts from IVA."""
N_BASES = 2
N_PARTITIONED_ITERATIONS = 5
"""The partitioned peer takes half a second an iteration with four sources."""
FRAME_LENGTHS = {2: 2048, 3: 2048, 4: 4096}
AUXIVA_LIMITS = {2: 0.4, 3: 0.25, 4: 0.2}
ILRMA_LIMITS = {2: 0.5, 3: 0.45, 4: 0.4}


Separate = Callable[[np.ndarray], Any]


def _case(
    n_sources: int,
    duration_s: float,
    title: str,
    contestants: list[tuple[str, Separate, bool]],
    limit: float | None,
    *,
    with_quality: bool = True,
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
    return Case(f"{title}, {size}", None, entered, limit, quality if with_quality else None, "SI-SDRi, dB")


@benchmark("bss")
def independent_vector_analysis(duration_s: float) -> Iterator[Case]:
    for n_sources, limit in AUXIVA_LIMITS.items():
        contestants = [
            ("auxiva, iss", partial(auxiva, n_iterations=N_ITERATIONS), True),
            ("auxiva, ip", partial(auxiva, n_iterations=N_ITERATIONS, update="ip"), True),
            ("pyroomacoustics auxiva, ip", partial(peers.pyroomacoustics_auxiva, n_iterations=N_ITERATIONS), False),
            ("ssspy AuxLaplaceIVA, iss", partial(peers.ssspy_auxiva, n_iterations=N_ITERATIONS), False),
        ]
        yield _case(n_sources, duration_s, f"AuxIVA, {N_ITERATIONS} iterations", contestants, limit)


@benchmark("bss")
def independent_low_rank_matrix_analysis(duration_s: float) -> Iterator[Case]:
    for n_sources, limit in ILRMA_LIMITS.items():
        contestants = [
            ("ilrma, iss, from the identity", partial(_ilrma, start="identity", n_iterations=N_ITERATIONS), True),
            (
                f"ilrma, iss, {START_ITERATIONS} of IVA first",
                partial(_ilrma, start_iterations=START_ITERATIONS, n_iterations=N_ITERATIONS - START_ITERATIONS),
                True,
            ),
            ("pyroomacoustics ilrma, ip", partial(_peer, peers.pyroomacoustics_ilrma), False),
            ("ssspy GaussILRMA, iss", partial(_peer, peers.ssspy_ilrma), False),
        ]
        title = f"ILRMA, {N_ITERATIONS} iterations, {N_BASES} bases a source"
        yield _case(n_sources, duration_s, title, contestants, limit)


@benchmark("bss")
def partitioned_ilrma(duration_s: float) -> Iterator[Case]:
    for n_sources in ILRMA_LIMITS:
        n_bases, n_iterations = N_BASES * n_sources, N_PARTITIONED_ITERATIONS
        contestants = [
            (
                f"ilrma, {update}, partitioned",
                partial(
                    _ilrma,
                    start="identity",
                    n_bases=n_bases,
                    partitioned=True,
                    update=update,
                    n_iterations=n_iterations,
                ),
                True,
            )
            for update in ("iss", "ip")
        ]
        contestants.append(
            (
                "ssspy GaussILRMA, iss, partitioned",
                partial(_peer, peers.ssspy_ilrma, n_bases=n_bases, n_iterations=n_iterations, partitioned=True),
                False,
            )
        )
        title = f"partitioned ILRMA, {n_iterations} iterations, {n_bases} bases in all"
        # After so few iterations nothing is separated yet.
        yield _case(n_sources, duration_s, title, contestants, None, with_quality=False)


def _ilrma(X: np.ndarray, *, n_bases: int = N_BASES, **options: Any) -> Separation:
    return ilrma(X, n_bases=n_bases, rng=np.random.default_rng(0), **options)


def _peer(
    function: Callable[..., np.ndarray],
    X: np.ndarray,
    *,
    n_bases: int = N_BASES,
    n_iterations: int = N_ITERATIONS,
    **options: bool,
) -> np.ndarray:
    return function(X, n_iterations, n_bases, np.random.default_rng(0), **options)
