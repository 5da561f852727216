"""NMF by multiplicative updates beside scikit-learn's: 513 bins, 1000 frames, 20 components, 50 iterations.

Both start from the same factors and take the same steps, so that the last divergence tells whether they agree.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.decomposition import non_negative_factorization
from sklearn.exceptions import ConvergenceWarning

from benchmarks.registry import Case, benchmark, ours, peer
from course_lib.nmf import divergence, nmf

N_FREQS, N_FRAMES, N_COMPONENTS, N_ITERATIONS = 513, 1000, 20, 50
# Half of scikit-learn's time is promised where the whole model is needed; Frobenius stands for comparison.
DIVERGENCES = (("frobenius", 2, None), ("kl", 1, 0.5), ("is", 0, 0.5))


def start_and_spectrogram(dtype: type) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return V, W, H: a power spectrogram of exponential cells on 20 parts, and a start."""
    rng = np.random.default_rng(0)
    W, H = (rng.exponential(1, shape) for shape in ((N_FREQS, N_COMPONENTS), (N_COMPONENTS, N_FRAMES)))
    V = rng.exponential(W @ H) + 1e-6
    start = rng.random((N_FREQS, N_COMPONENTS)) + 0.1, rng.random((N_COMPONENTS, N_FRAMES)) + 0.1
    return V.astype(dtype), start[0].astype(dtype), start[1].astype(dtype)


def scikit_learn(V: np.ndarray, W: np.ndarray, H: np.ndarray, beta: int) -> tuple[Any, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the number of iterations is given
        W, H, _ = non_negative_factorization(
            V, W.copy(), H.copy(), n_components=N_COMPONENTS, init="custom", solver="mu", beta_loss=beta,
            max_iter=N_ITERATIONS, tol=0,
        )  # fmt: skip
    return W, H


@benchmark("nmf")
def multiplicative_updates(_: float) -> Iterator[Case]:
    for dtype in (np.float32, np.float64):
        V, W, H = start_and_spectrogram(dtype)
        for name, beta, limit in DIVERGENCES:

            def final_divergence(result: Any, V: np.ndarray = V, name: str = name) -> float:
                W_end, H_end = (result.W, result.H) if hasattr(result, "losses") else result
                return divergence(V, W_end.astype(np.float64) @ H_end, name)

            yield Case(
                f"NMF {name}, {N_FREQS} × {N_FRAMES}, {N_COMPONENTS} components, {N_ITERATIONS} iterations, "
                f"{dtype.__name__}",
                None,
                [
                    ours(
                        "nmf",
                        lambda V=V, W=W, H=H, name=name: nmf(
                            V, N_COMPONENTS, divergence=name, W=W, H=H, n_iterations=N_ITERATIONS
                        ),
                    ),
                    peer("scikit-learn mu", lambda V=V, W=W, H=H, beta=beta: scikit_learn(V, W, H, beta)),
                ],
                limit=limit,
                quality=final_divergence,
                quality_name="divergence",
            )
