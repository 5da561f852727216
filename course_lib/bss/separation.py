"""What IVA and ILRMA return."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Separation:
    """Separated sources, the filter that gave them, and how the loss fell.

    Attributes:
        sources: Y = W X, shape (n_sources, n_freqs, n_frames), complex64 if the mixture was, else complex128.
        demixing_filter: W for the channels that were recorded, shape (n_freqs, n_sources, n_channels).
        losses: negative log-likelihood a frame, of the start and after each iteration, shape (n_iterations + 1,). The
            scale of the result (projection back) comes after the last iteration and is not in it.
        bases: T of ILRMA, shape (n_sources, n_freqs, n_bases), or (n_freqs, n_bases) if partitioned; None for IVA.
        activations: V of ILRMA, shape (n_sources, n_bases, n_frames), or (n_bases, n_frames) if partitioned.
        partition: Z of partitioned ILRMA, shape (n_sources, n_bases): how much of a basis belongs to a source; the
            columns add up to one.
    Lesson: 03 §6
    """

    sources: NDArray[Any]
    demixing_filter: NDArray[np.complex128]
    losses: NDArray[np.float64]
    bases: NDArray[np.float64] | None = None
    activations: NDArray[np.float64] | None = None
    partition: NDArray[np.float64] | None = None
