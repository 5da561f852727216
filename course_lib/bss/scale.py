"""The scale that blind separation cannot know: how each source sounds at a microphone.

A demixing filter may multiply every source by any number at every frequency and still separate as well; left so, the
sources come out with a colour of their own. The functions here choose the numbers so that a source sounds as it does
in the recording.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from course_lib.bss._checks import as_demixing_filter, require_same_grid
from course_lib.validation import as_channel, as_spectrograms

# Singular values below this part of the largest one carry rounding errors only.
_RANK_TOLERANCE: Final = 1e-10
# The same for the eigenvalues of a covariance, which squares the singular values and their rounding errors.
_COVARIANCE_TOLERANCE: Final = 1e-13


def apply_demixing(W: ArrayLike, X: ArrayLike) -> NDArray[Any]:
    """Separate a mixture with one demixing matrix a frequency.

    Equation: y[k,m] = W[k] x[k,m]

    Args:
        W: demixing filter, shape (n_freqs, n_sources, n_channels).
        X: mixture, shape (n_channels, n_freqs, n_frames).
    Returns:
        Y, shape (n_sources, n_freqs, n_frames).
    Raises:
        ValueError: if the shapes do not fit or a value is not finite.
    Cost: O(n_freqs·n_frames·n_sources·n_channels).
    Reference: H. Sawada, S. Araki and S. Makino, "Underdetermined convolutive blind source separation via frequency
        bin-wise clustering and permutation alignment", IEEE Trans. ASLP 19(3), 2011, §II (the narrowband model).
    Lesson: 03 §5
    """
    filters, mixture = as_demixing_filter(W), as_spectrograms(X, "X")
    if (filters.shape[0], filters.shape[2]) != (mixture.shape[1], mixture.shape[0]):
        raise ValueError(
            f"W: got shape {filters.shape}, expected ({mixture.shape[1]}, n_sources, {mixture.shape[0]}) for X of "
            f"shape {mixture.shape}: one matrix a frequency, one column a channel."
        )
    # Each frequency is one matrix product over all frames.
    separated = np.matmul(filters.astype(mixture.dtype, copy=False), mixture.transpose(1, 0, 2))
    return np.ascontiguousarray(separated.transpose(1, 0, 2))


def project_back(Y: ArrayLike, X: ArrayLike, *, reference_channel: int = 0) -> NDArray[Any]:
    """Scale separated sources so that together they give the reference microphone best.

    Equation: ŝ_n[k,m] = a_n[k] y_n[k,m],  a[k] = argmin Σ_m |x_ref[k,m] − Σ_n a_n[k] y_n[k,m]|²

    All sources are fitted at once: a source that correlates by chance with another is not paid twice for what both
    explain. Where the sources are a full-rank demixing of X the fit is exact and equals
    :func:`projection_back_filter`, and the scaled sources add up to the reference microphone. Where a source is silent
    at a frequency, or sources repeat each other there, the smallest scales that fit best are taken; silence stays
    silence.

    Args:
        Y: separated sources y, shape (n_sources, n_freqs, n_frames).
        X: mixture x, shape (n_channels, n_freqs, n_frames).
        reference_channel: the microphone that the sources shall sound like.
    Returns:
        The scaled sources, shape (n_sources, n_freqs, n_frames).
    Raises:
        ValueError: if the shapes do not fit, the channel does not exist, or a value is not finite.
    Cost: O(n_freqs·n_frames·n_sources²).
    Reference: N. Murata, S. Ikeda and A. Ziehe, "An approach to blind source separation based on temporal structure of
        speech signals", Neurocomputing 41, 2001.
    Lesson: 03 §7
    """
    sources = as_spectrograms(Y, "Y", "(n_sources, n_freqs, n_frames)")
    mixture = as_spectrograms(X, "X")
    require_same_grid(sources, mixture)
    reference = mixture[as_channel(reference_channel, "reference_channel", len(mixture))].astype(np.complex128)
    # Peaks go first, so that no square over- or underflows; then each source gets unit power, so that whether
    # two of them repeat each other does not depend on how loud they are.
    peaks = _positive(np.abs(sources).max(axis=2, keepdims=True))
    basis = (sources / peaks).astype(np.complex128).transpose(1, 0, 2)
    norms = _positive(np.linalg.norm(basis, axis=2, keepdims=True))
    basis /= norms
    covariance = basis @ basis.conj().swapaxes(1, 2)
    inverse = np.linalg.pinv(covariance, rcond=_COVARIANCE_TOLERANCE, hermitian=True)
    loudest = _positive(np.abs(reference).max(axis=1))
    correlation = ((reference / loudest[:, None])[:, None, :] @ basis.conj().swapaxes(1, 2))[:, 0]
    scales = np.einsum("kj,kjn->kn", correlation, inverse)
    fitted = (scales[:, :, None] * basis * loudest[:, None, None]).transpose(1, 0, 2)
    return np.ascontiguousarray(fitted.astype(sources.dtype, copy=False))


def projection_back_filter(W: ArrayLike, reference_channel: int = 0) -> NDArray[np.complex128]:
    """Scale a demixing filter so that its sources sound, and add up, as at the reference microphone.

    Equation: w_n[k] ← a_n[k] w_n[k],  a[k]ᵀ = e_refᵀ W[k]⁻¹

    Since x = W⁻¹ y, row *ref* of the inverse says how much of each source the reference microphone holds. The result
    does not depend on the scale of any row of W. A row of zeros stays one; rows that repeat each other share their part
    (pseudo-inverse relative to the largest singular value). With fewer sources than channels the pseudo-inverse takes
    the place of the inverse; it is exact for filters that act on the principal components of X
    (:func:`course_lib.bss.reduce_channels`).

    Args:
        W: demixing filter, shape (n_freqs, n_sources, n_channels).
        reference_channel: the microphone that the sources shall sound like.
    Returns:
        The scaled demixing filter, shape (n_freqs, n_sources, n_channels).
    Raises:
        ValueError: if the shape does not fit, the channel does not exist, or a value is not finite.
    Cost: O(n_freqs·n_channels³).
    Reference: N. Murata, S. Ikeda and A. Ziehe, "An approach to blind source separation based on temporal structure of
        speech signals", Neurocomputing 41, 2001.
    Lesson: 03 §7
    """
    filters = as_demixing_filter(W)
    channel = as_channel(reference_channel, "reference_channel", filters.shape[2])
    rows = _unit_rows(filters)
    mixing = np.linalg.pinv(rows, rcond=_RANK_TOLERANCE)
    scaled: NDArray[np.complex128] = mixing[:, channel, :, None] * rows
    return scaled


def minimal_distortion(W: ArrayLike) -> NDArray[np.complex128]:
    """Scale a demixing filter so that source n sounds as at microphone n.

    Equation: W[k] ← diag(W[k]⁻¹) W[k]

    Of all scalings this one changes the recorded channels least: it minimises E|y_n − x_n|² for independent sources.
    Row n is that of :func:`projection_back_filter` with microphone n as the reference.

    Args:
        W: demixing filter, shape (n_freqs, n_sources, n_channels).
    Returns:
        The scaled demixing filter, shape (n_freqs, n_sources, n_channels).
    Raises:
        ValueError: if the shape does not fit or a value is not finite.
    Cost: O(n_freqs·n_channels³).
    Reference: K. Matsuoka and S. Nakashima, "Minimal distortion principle for blind source separation", ICA 2001.
    Lesson: 03 §7
    """
    rows = _unit_rows(as_demixing_filter(W))
    mixing = np.linalg.pinv(rows, rcond=_RANK_TOLERANCE)
    scaled: NDArray[np.complex128] = np.einsum("knn->kn", mixing[:, : rows.shape[1]])[:, :, None] * rows
    return scaled


def _unit_rows(W: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """Give every row that is not zero unit length: the rank of W must not depend on how loud its sources are."""
    rows = W / _positive(np.abs(W).max(axis=2, keepdims=True))
    scaled: NDArray[np.complex128] = rows / _positive(np.linalg.norm(rows, axis=2, keepdims=True))
    return scaled


def _positive(x: NDArray[Any]) -> NDArray[Any]:
    """Replace zeros by ones, so that what is silent can be divided by its own level."""
    return np.where(x > 0, x, np.ones_like(x))
