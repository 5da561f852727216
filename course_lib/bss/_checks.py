"""Checks of the arrays that the modules of this package share."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from course_lib.validation import as_signal, describe


def as_demixing_filter(value: ArrayLike, name: str = "W") -> NDArray[np.complex128]:
    """Return demixing filters ``(n_freqs, n_sources, n_channels)`` with no more sources than channels."""
    filters = np.asarray(value)
    if filters.ndim != 3 or filters.shape[1] > filters.shape[2]:
        raise ValueError(
            f"{name}: got {describe(filters)}, expected demixing filters (n_freqs, n_sources, n_channels) "
            "with at most as many sources as channels."
        )
    return as_signal(filters, name, n_axes=3, allow_complex=True).astype(np.complex128)


def require_same_grid(Y: NDArray[Any], X: NDArray[Any]) -> None:
    """Refuse sources whose frequencies and frames are not those of the mixture."""
    if Y.shape[1:] != X.shape[1:]:
        raise ValueError(
            f"Y: got {describe(Y)}, expected the frequencies and frames of X, {X.shape[1:]}. "
            "Pass the sources that were separated from this X."
        )
