"""More microphones than sources: keep the part of the recording that the sources span."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from course_lib.validation import as_positive_integer, as_spectrograms


def reduce_channels(X: ArrayLike, n_sources: int) -> tuple[NDArray[Any], NDArray[np.complex128]]:
    """Reduce a recording to as many channels as it has sources, by principal components at each frequency.

    Equation: z[k,m] = E[k]ᴴ x[k,m],  E[k] = the n_sources first eigenvectors of R[k] = (1/T) Σ_m x[k,m] x[k,m]ᴴ

    Of all linear reductions this one loses the least power. The rows of the projection are orthonormal, so that a
    demixing filter W of z is the filter W Eᴴ of x, and projecting back by its pseudo-inverse gives back all that
    was kept. The largest entry of each eigenvector is made real and positive, so that the result is determinate.

    Args:
        X: mixture x, shape (n_channels, n_freqs, n_frames).
        n_sources: channels to keep, at most n_channels.
    Returns:
        The reduced mixture, shape (n_sources, n_freqs, n_frames), loudest component first, and the projection Eᴴ,
        shape (n_freqs, n_sources, n_channels).
    Raises:
        ValueError: if X is no spectrogram of several channels, or there are more sources than channels.
    Cost: O(n_freqs·n_channels²·(n_frames + n_channels)).
    Reference: S. Winter, H. Sawada and S. Makino, "Geometrical understanding of the PCA subspace method for
        overdetermined blind source separation", ICASSP 2003.
    Lesson: 03 §6
    """
    mixture = as_spectrograms(X, "X")
    n_sources = as_positive_integer(n_sources, "n_sources")
    if n_sources > len(mixture):
        raise ValueError(
            f"n_sources: got {n_sources} for {len(mixture)} channels, expected at most one source a channel. "
            "Record with more microphones, or separate fewer sources."
        )
    channels = mixture.transpose(1, 0, 2).astype(np.complex128)
    peaks = np.abs(channels).max(axis=(1, 2), keepdims=True)
    normalised = channels / np.where(peaks > 0, peaks, 1.0)  # no square over- or underflows
    _, eigenvectors = np.linalg.eigh(normalised @ normalised.conj().swapaxes(1, 2))
    projection = eigenvectors[:, :, ::-1][:, :, :n_sources].conj().swapaxes(1, 2)
    largest = np.take_along_axis(projection, np.abs(projection).argmax(axis=2, keepdims=True), axis=2)
    projection = projection * (largest.conj() / np.abs(largest))
    reduced = np.ascontiguousarray((projection @ channels).transpose(1, 0, 2))
    return reduced.astype(mixture.dtype, copy=False), projection
