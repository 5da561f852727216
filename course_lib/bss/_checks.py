"""Checks of the arrays that the modules of this package share."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from course_lib.validation import as_signal, describe


def as_spectrograms(value: ArrayLike, name: str, axes: str = "(n_channels, n_freqs, n_frames)") -> NDArray[Any]:
    """Return three-axis complex spectrograms in double precision unless they came in single."""
    spectrograms = np.asarray(value)
    if spectrograms.ndim != 3:
        raise ValueError(
            f"{name}: got {describe(spectrograms)}, expected 3 axes {axes}. "
            "Pass the STFT of a signal (n_channels, n_samples)."
        )
    spectrograms = as_signal(spectrograms, name, n_axes=3, allow_complex=True)
    single = spectrograms.dtype in (np.float32, np.complex64)
    return spectrograms.astype(np.complex64 if single else np.complex128, copy=False)


def as_demixing_filter(value: ArrayLike, name: str = "W") -> NDArray[np.complex128]:
    """Return demixing filters ``(n_freqs, n_sources, n_channels)`` with no more sources than channels."""
    filters = np.asarray(value)
    if filters.ndim != 3 or filters.shape[1] > filters.shape[2]:
        raise ValueError(
            f"{name}: got {describe(filters)}, expected demixing filters (n_freqs, n_sources, n_channels) "
            "with at most as many sources as channels."
        )
    return as_signal(filters, name, n_axes=3, allow_complex=True).astype(np.complex128)


def as_channel(value: Any, name: str, n_channels: int) -> int:
    """Return the index of a channel as an ``int``; negative ones count from the last channel."""
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, (bool, np.bool_))
    if not whole or not -n_channels <= value < n_channels:
        raise ValueError(
            f"{name}: got {describe(value)}, expected the index of one of {n_channels} channels, 0 to {n_channels - 1}."
        )
    return int(value) % n_channels


def require_same_grid(Y: NDArray[Any], X: NDArray[Any]) -> None:
    """Refuse sources whose frequencies and frames are not those of the mixture."""
    if Y.shape[1:] != X.shape[1:]:
        raise ValueError(
            f"Y: got {describe(Y)}, expected the frequencies and frames of X, {X.shape[1:]}. "
            "Pass the sources that were separated from this X."
        )
