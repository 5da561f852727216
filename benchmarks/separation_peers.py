"""The separation of pyroomacoustics and ssspy behind course_lib's axes: ``(n_channels, n_freqs, n_frames)`` in and out.

Each function runs one peer for a number of iterations and scales the result to the first channel, as both do by
themselves. Losses are not recorded, since that would cost the peer time.
"""

from __future__ import annotations

import numpy as np
import pyroomacoustics
import ssspy.bss.ilrma
import ssspy.bss.iva


def pyroomacoustics_auxiva(X: np.ndarray, n_iterations: int, source_model: str = "laplace") -> np.ndarray:
    """Iterative projection."""
    Y = pyroomacoustics.bss.auxiva(X.transpose(2, 1, 0), n_iter=n_iterations, model=source_model)
    return Y.transpose(2, 1, 0)


def pyroomacoustics_ilrma(X: np.ndarray, n_iterations: int, n_bases: int, rng: np.random.Generator) -> np.ndarray:
    """Iterative projection, plain source model, identity start."""
    # The peer draws its bases from NumPy's global generator: lend it ours, and put the state back.
    state = np.random.get_state()  # noqa: NPY002
    np.random.seed(int(rng.integers(2**31)))  # noqa: NPY002
    try:
        Y = pyroomacoustics.bss.ilrma(X.transpose(2, 1, 0), n_iter=n_iterations, n_components=n_bases)
    finally:
        np.random.set_state(state)  # noqa: NPY002
    return Y.transpose(2, 1, 0)


def ssspy_auxiva(X: np.ndarray, n_iterations: int, source_model: str = "laplace", *, update: str = "iss") -> np.ndarray:
    """Iterative source steering unless told otherwise."""
    method = ssspy.bss.iva.AuxLaplaceIVA if source_model == "laplace" else ssspy.bss.iva.AuxGaussIVA
    return method(spatial_algorithm=update.upper(), record_loss=False)(X, n_iter=n_iterations)


def ssspy_ilrma(
    X: np.ndarray,
    n_iterations: int,
    n_bases: int,
    rng: np.random.Generator,
    *,
    partitioned: bool = False,
    update: str = "iss",
) -> np.ndarray:
    """Identity start; ``n_bases`` counts all bases together when partitioned."""
    method = ssspy.bss.ilrma.GaussILRMA(
        n_basis=n_bases,
        spatial_algorithm=update.upper(),
        partitioning=partitioned,
        record_loss=False,
        rng=rng,
        # The partitioned model cannot be normalised by projection back; the peer's default is by power for both.
        normalization="power",
    )
    return method(X, n_iter=n_iterations)
