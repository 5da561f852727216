"""FastICA beside scikit-learn: speech mixed without delay, 10 s at 16 kHz (less if a shorter signal is asked for).

Both start at the same directions and stop by the same rule, so that symmetric runs take the same iterations. In
deflation ours takes from each start what lies along the sources found before, which may save or cost an iteration.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.decomposition import FastICA

from benchmarks.registry import Case, Contestant, benchmark, ours, peer
from course_lib import data
from course_lib.ica import amari_index, fastica, whiten

LONGEST_S = 10.0
TOLERANCE = 1e-4
MAX_ITERATIONS = 200


def speech_mixture(n_sources: int, duration_s: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return a mixture and the matrix that mixed it, for sources of unit variance."""
    speech = np.stack([data.speech_clip(talker, duration_s) for talker in range(n_sources)])
    mixing_matrix = rng.standard_normal((n_sources, n_sources))
    return mixing_matrix @ (speech / speech.std(axis=1, keepdims=True)), mixing_matrix


def scikit_learn(X: np.ndarray, approach: str, contrast: str, solver: str, start: np.ndarray | None) -> np.ndarray:
    """Return the demixing matrix; the sources are computed too."""
    method = FastICA(
        algorithm="parallel" if approach == "symmetric" else approach,
        fun=contrast,
        max_iter=MAX_ITERATIONS,
        tol=TOLERANCE,
        whiten="unit-variance",
        whiten_solver=solver,
        w_init=start,
        random_state=0,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a run that does not converge is timed like any other
        method.fit_transform(X.T)
    return method.components_


def start_of_scikit_learn(X: np.ndarray, start: np.ndarray, solver: str) -> np.ndarray:
    """Turn a start of ours into the same directions in the peer's whitened space, whose axes have other signs."""
    n_channels = X.shape[0]
    # Whitening depends on nothing that the method asks for, so one iteration of the cheapest will do.
    method = FastICA(max_iter=1, whiten="unit-variance", whiten_solver=solver, w_init=np.eye(n_channels), tol=1e9)
    method.fit(X.T)
    return start * np.sign(np.diag(whiten(X).whitening_matrix @ np.linalg.pinv(method.whitening_)))


def contestants(X: np.ndarray, approach: str, contrast: str) -> list[Contestant]:
    start = np.random.default_rng(1).standard_normal((X.shape[0], X.shape[0]))

    def run_ours() -> np.ndarray:
        options: dict[str, Any] = {"approach": approach, "contrast": contrast, "start": start}
        rng = np.random.default_rng(0)
        return fastica(X, max_iterations=MAX_ITERATIONS, tolerance=TOLERANCE, rng=rng, **options).demixing_matrix

    field = [ours("fastica", run_ours)]
    for solver in ("eigh", "svd"):
        peer_start = start_of_scikit_learn(X, start, solver)
        field.append(
            peer(
                f"scikit-learn FastICA, {solver}",
                lambda solver=solver, w=peer_start: scikit_learn(X, approach, contrast, solver, w),
            )
        )
    return field


@benchmark("ica")
def instantaneous_speech(duration_s: float) -> Iterator[Case]:
    duration_s = min(duration_s, LONGEST_S)
    rng = np.random.default_rng(0)
    tasks = [
        (4, approach, contrast) for approach in ("symmetric", "deflation") for contrast in ("logcosh", "exp", "cube")
    ]
    for n_sources, approach, contrast in [*tasks, (2, "symmetric", "logcosh"), (8, "symmetric", "logcosh")]:
        X, mixing_matrix = speech_mixture(n_sources, duration_s, rng)
        yield Case(
            f"ICA of {n_sources} talkers, {duration_s:g} s at 16 kHz, {contrast}, {approach}, tolerance {TOLERANCE:g}",
            None,
            contestants(X, approach, contrast),
            limit=1.0,
            quality=lambda W, A=mixing_matrix: amari_index(W, A),
            quality_name="Amari index",
        )
