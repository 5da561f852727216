"""What every scene is made of: dry sources of one length, and images that add up to the mixture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from course_lib.validation import as_signal


def sum_in_order(images: NDArray[np.float64]) -> NDArray[np.float64]:
    """Add images one after the other, so that the result does not depend on how a library groups sums."""
    total: NDArray[np.float64] = images[0].copy()
    for image in images[1:]:
        total += image
    return total


def as_sources(sources: ArrayLike | Sequence[ArrayLike]) -> NDArray[np.float64]:
    """Return dry sources padded to one length, shape (n_sources, n_samples)."""
    listed = [as_signal(source, f"sources[{i}]", n_axes=1) for i, source in enumerate(sources)]  # type: ignore[arg-type]
    if not listed:
        raise ValueError("sources: got none, expected at least one signal. Pass a list of arrays.")
    padded = np.zeros((len(listed), max(len(source) for source in listed)))
    for row, source in zip(padded, listed, strict=True):
        row[: len(source)] = source
    return padded
