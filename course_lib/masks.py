"""Time-frequency masks: ideal ones, which know the sources, Wiener masks of estimated powers, applying them.

Conventions. Spectrograms are ``(..., n_freqs, n_frames)``; leading axes broadcast. A mask is real and between 0 and 1,
unless a function says otherwise, and has the precision of the spectrograms it came from. Where a cell is silent, 0/0
has a stated answer: an ideal mask is 0 there, Wiener masks share the cell equally.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from course_lib.validation import as_signal, describe


def ideal_binary_mask(target: ArrayLike, interference: ArrayLike, *, threshold_db: float = 0.0) -> NDArray[Any]:
    """Ideal binary mask: keep the cells in which the target is the louder one.

    Equation: M[k,m] = 1 if 20 log₁₀( |S[k,m]| / |N[k,m]| ) > threshold_db, else 0.

    A tie counts as not louder: there, and in silence, the mask is 0. So the masks for (S, N) and (N, S) add up to one
    in every cell but those.

    Args:
        target: S, real or complex spectrogram, shape (..., n_freqs, n_frames).
        interference: N, everything else in the mixture, of a shape (..., n_freqs, n_frames) that broadcasts with it.
        threshold_db: local criterion: by how much, in dB, the target must be louder.
    Returns:
        M, zeros and ones, shape (..., n_freqs, n_frames).
    Raises:
        ValueError: if the shapes do not fit, a value is not finite, or the threshold is not a finite number.
    Cost: O(n_freqs·n_frames).
    Reference: D. Wang, "On ideal binary mask as the computational goal of auditory scene analysis", in Speech
        Separation by Humans and Machines, 2005.
    Lesson: 03 §3
    """
    S, N = _magnitudes(target, interference, "interference")
    if not np.isfinite(threshold_db):
        raise ValueError(f"threshold_db: got {threshold_db!r}, expected a finite level in dB, such as 0.")
    # Half of the threshold goes to each side, so that neither product can vanish alone.
    gain = np.asarray(10 ** (float(threshold_db) / 40), dtype=S.dtype)
    mask: NDArray[Any] = (S / gain > N * gain).astype(S.dtype)
    return mask


def ideal_ratio_mask(target: ArrayLike, interference: ArrayLike, *, exponent: int = 1) -> NDArray[Any]:
    """Ideal ratio mask: the target's share of each cell, in magnitude or in power.

    Equation: M[k,m] = |S[k,m]|ᵖ / ( |S[k,m]|ᵖ + |N[k,m]|ᵖ ), p = exponent.

    The masks for (S, N) and (N, S) add up to one wherever something sounds; in silence both are 0. With p = 2 it is the
    Wiener gain of known powers.

    Args:
        target: S, real or complex spectrogram, shape (..., n_freqs, n_frames).
        interference: N, everything else in the mixture, of a shape (..., n_freqs, n_frames) that broadcasts with it.
        exponent: p: 1 for shares of magnitude, 2 for shares of power.
    Returns:
        M, shape (..., n_freqs, n_frames).
    Raises:
        ValueError: if the shapes do not fit, a value is not finite, or the exponent is another number.
    Cost: O(n_freqs·n_frames).
    Reference: Y. Wang, A. Narayanan and D. Wang, "On training targets for supervised speech separation", IEEE/ACM
        Trans. ASLP 22(12), 2014.
    Lesson: 03 §3
    """
    S, N = _magnitudes(target, interference, "interference")
    if exponent not in (1, 2):
        raise ValueError(f"exponent: got {describe(exponent)}, expected 1 (magnitude) or 2 (power).")
    # Through the louder of the two, so that no square over- or underflows.
    louder = np.maximum(S, N)
    heard = louder > 0
    S, N = (np.divide(part, louder, out=np.zeros_like(louder), where=heard) ** exponent for part in (S, N))
    mask: NDArray[Any] = np.divide(S, S + N, out=np.zeros_like(louder), where=heard)
    return mask


def phase_sensitive_mask(target: ArrayLike, mixture: ArrayLike, *, truncate: bool = True) -> NDArray[Any]:
    """Phase-sensitive mask: the real gain that brings the mixture nearest to the target, cell by cell.

    Equation: M[k,m] = Re( S[k,m] / X[k,m] ) = |S|/|X| · cos(∠S − ∠X).

    It minimises |S − M·X|² over real M. Where target and mixture are in phase it is the ratio of their magnitudes;
    where they are more than 90° apart it is negative, and 0 if truncated.

    Args:
        target: S, complex (or real, signed) spectrogram, shape (..., n_freqs, n_frames).
        mixture: X, of a shape (..., n_freqs, n_frames) that broadcasts with it; where it is 0, the mask is 0.
        truncate: whether to clip the mask to 0 … 1, as networks are trained to give.
    Returns:
        M, shape (..., n_freqs, n_frames).
    Raises:
        ValueError: if the shapes do not fit or a value is not finite.
    Cost: O(n_freqs·n_frames).
    Reference: H. Erdogan, J. Hershey, S. Watanabe and J. Le Roux, "Phase-sensitive and recognition-boosted speech
        separation using deep recurrent neural networks", ICASSP 2015.
    Lesson: 03 §3
    """
    S, X = _as_spectrogram(target, "target"), _as_spectrogram(mixture, "mixture")
    _refuse_other_shape(S, X, "mixture")
    S, X = np.broadcast_arrays(S, X)
    magnitude = np.abs(X)
    heard = magnitude > 0
    # The direction of X first and its length after, since |X|² could vanish where |X| does not.
    direction = np.divide(X, magnitude, out=np.zeros_like(X), where=heard)
    mask = np.zeros(np.broadcast_shapes(S.shape, X.shape), dtype=np.result_type(S.real.dtype, X.real.dtype))
    with np.errstate(over="ignore"):  # next to nothing against something may exceed all numbers; clipped below
        np.divide((S * direction.conj()).real, magnitude, out=mask, where=heard)
    largest = 1.0 if truncate else float(np.finfo(mask.dtype).max)
    return np.clip(mask, 0.0 if truncate else -largest, largest, out=mask)


def wiener_masks(powers: ArrayLike) -> NDArray[Any]:
    """Wiener masks: the share of each source in the power of each cell; together they are exactly the mixture.

    Equation: M_j[k,m] = P_j[k,m] / Σ_i P_i[k,m].

    Args:
        powers: P, estimated power of each source, shape (n_sources, n_freqs, n_frames), not negative. Magnitudes give
            shares of magnitude.
    Returns:
        M, shape (n_sources, n_freqs, n_frames): sums to one over the sources; 1/n_sources where all powers are 0.
    Raises:
        ValueError: if a power is negative, complex or not finite, or the sources' axis is missing.
    Cost: O(n_sources·n_freqs·n_frames).
    Reference: A. Liutkus and R. Badeau, "Generalized Wiener filtering with fractional power spectrograms", ICASSP 2015.
    Lesson: 03 §3
    """
    P = as_signal(powers, "powers")
    if P.ndim < 3 or P.size == 0:
        raise ValueError(
            f"powers: got {describe(P)}, expected (n_sources, n_freqs, n_frames). Stack the sources along a first axis."
        )
    if P.min() < 0:
        raise ValueError(f"powers: the smallest is {P.min():.3g}, expected none below 0. Pass np.abs(X) ** 2.")
    loudest = P.max(axis=0)
    heard = loudest > 0
    shares = np.divide(P, loudest, out=np.ones_like(P), where=heard)
    masks: NDArray[Any] = shares / shares.sum(axis=0)
    return masks


def apply_mask(mask: ArrayLike, X: ArrayLike) -> NDArray[Any]:
    """Weight each cell of a spectrogram by a mask.

    Equation: Y[k,m] = M[k,m] X[k,m].

    Args:
        mask: M, shape (..., n_freqs, n_frames); one mask a source, (n_sources, n_freqs, n_frames), gives one output a
            source.
        X: real or complex spectrogram, shape (..., n_freqs, n_frames); its leading axes broadcast with the mask's, so a
            recording (n_channels, n_freqs, n_frames) takes masks (n_sources, 1, n_freqs, n_frames).
    Returns:
        Y, shape (..., n_freqs, n_frames), in the precision of X.
    Raises:
        ValueError: if the two differ in n_freqs or n_frames, their leading axes do not broadcast, or a value is not
            finite.
    Cost: O(n_freqs·n_frames) for each output.
    Reference: D. Wang and J. Chen, "Supervised speech separation based on deep learning: an overview", IEEE/ACM Trans.
        ASLP 26(10), 2018.
    Lesson: 03 §3
    """
    M, X = _as_spectrogram(mask, "mask"), _as_spectrogram(X, "X")
    _refuse_other_shape(M, X, "X", "mask")
    if X.real.dtype == np.float32:
        M = M.astype(np.complex64 if M.dtype.kind == "c" else np.float32, copy=False)
    return np.asarray(M * X)


def _as_spectrogram(value: ArrayLike, name: str) -> NDArray[Any]:
    spectrogram = as_signal(value, name, allow_complex=True)
    if spectrogram.ndim < 2 or spectrogram.size == 0:
        raise ValueError(
            f"{name}: got {describe(spectrogram)}, expected a spectrogram (..., n_freqs, n_frames). "
            "Pass what course_lib.stft.stft returns."
        )
    return spectrogram


def _refuse_other_shape(first: NDArray[Any], second: NDArray[Any], name: str, other_name: str = "target") -> None:
    try:
        np.broadcast_shapes(first.shape, second.shape)
        fits = first.shape[-2:] == second.shape[-2:]
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(
            f"{name}: got {describe(second)}, which does not fit the {other_name}'s shape {first.shape}: expected "
            "the same n_freqs and n_frames, and leading axes that broadcast. Make both with one STFT, of signals of "
            "one length."
        )


def _magnitudes(target: ArrayLike, other: ArrayLike, name: str) -> tuple[NDArray[Any], NDArray[Any]]:
    S, N = _as_spectrogram(target, "target"), _as_spectrogram(other, name)
    _refuse_other_shape(S, N, name)
    S, N = np.broadcast_arrays(np.abs(S), np.abs(N))
    dtype = np.result_type(S, N)
    return S.astype(dtype, copy=False), N.astype(dtype, copy=False)
