"""Independent component analysis at each frequency by itself, and the attempt to put its outputs in order afterwards.

This is how convolutive mixtures were separated before IVA: every frequency is an instantaneous complex mixture that ICA
solves, in an order of its own. Which output of one frequency belongs to which output of the next has to be guessed from
how their loudness moves with time.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from course_lib.validation import as_positive_integer, as_spectrograms, describe

# Eigenvalues below this part of the largest one at a frequency carry rounding errors only.
_RANK_TOLERANCE: Final = 1e-12
# Amplitudes below this part of the root mean square of a source count as silence in 1/|y|.
_SILENCE: Final = 1e-6
# Up to this many permutations all are tried at once for all frequencies; more are left to the Hungarian algorithm.
_MOST_ENUMERATED: Final = 24
_MOST_PASSES: Final = 50
# How far the frequencies reach whose envelopes an output is compared with: neighbours, and those round twice and half.
_NEIGHBOURS: Final = 3
_HARMONIC_NEIGHBOURS: Final = 1


@dataclass(frozen=True, eq=False)
class FrequencyDomainICA:
    """Sources that were separated at each frequency by itself.

    Args:
        sources: Y, shape (n_sources, n_freqs, n_frames), of unit mean amplitude at each frequency, in no common order.
        demixing_filter: W, shape (n_freqs, n_sources, n_channels); Y = W X.
        losses: J before the first and after each iteration, shape (n_iterations + 1,); never rises.

    Lesson: 03 §5
    """

    sources: NDArray[Any]
    demixing_filter: NDArray[np.complex128]
    losses: NDArray[np.float64]


def frequency_domain_ica(X: ArrayLike, *, rng: np.random.Generator, n_iterations: int = 50) -> FrequencyDomainICA:
    """Separate each frequency by complex independent component analysis, and leave the order of the outputs unsolved.

    Equation: J = Σ_k (Σ_n (2/T) Σ_m |y_n[k,m]| − 2 log |det W[k]|),  y = W x

    The cost is that of a Laplace distribution at every frequency alone; it is majorised by a quadratic with weights
    φ = 1/|y|, which iterative source steering lowers source by source. Each frequency starts from whitened
    channels turned at random. Nothing ties one frequency to the next, so the outputs come in any order: see
    :func:`align_permutations`. At a silent frequency W stays what it was at the start.

    Args:
        X: mixture x, shape (n_channels, n_freqs, n_frames); as many sources as channels.
        rng: draws the rotation with which each frequency starts.
        n_iterations: passes over all sources.
    Returns:
        Sources, demixing filter and the history of J. The scale is that of the model, as in :func:`project_back`.
    Raises:
        ValueError: if X is no spectrogram of at least two channels, or a value is not finite.
    Cost: O(n_iterations·n_freqs·n_frames·n_channels²).
    Reference: P. Smaragdis, "Blind separation of convolved mixtures in the frequency domain", Neurocomputing 22, 1998;
        the update: R. Scheibler and N. Ono, "Fast and stable blind source separation with rank-1 updates",
        ICASSP 2020.
    Lesson: 03 §5
    """
    mixture = as_spectrograms(X, "X")
    n_iterations = as_positive_integer(n_iterations, "n_iterations", minimum=0)
    if len(mixture) < 2:
        raise ValueError(
            f"X: got {describe(mixture)}, expected at least two channels. "
            "One microphone does not tell directions apart: use course_lib.nmf."
        )
    channels = np.ascontiguousarray(mixture.transpose(1, 0, 2)).astype(np.complex128)
    W = _random_rotations(rng, len(channels), len(mixture)) @ _whitening(channels)
    Y = W @ channels
    log_determinants = np.log(np.abs(np.linalg.det(W)))
    silence = _SILENCE * np.sqrt(np.mean(np.abs(Y) ** 2, axis=2, keepdims=True))
    losses = [_laplace_cost(Y, log_determinants)]
    for _ in range(n_iterations):
        for n in range(Y.shape[1]):
            _steer(Y, W, log_determinants, n, silence)
        losses.append(_laplace_cost(Y, log_determinants))
    sources = np.ascontiguousarray(Y.transpose(1, 0, 2))
    return FrequencyDomainICA(sources.astype(mixture.dtype, copy=False), W, np.array(losses))


def align_permutations(Y: ArrayLike, *, n_passes: int = _MOST_PASSES) -> NDArray[np.intp]:
    """Guess which outputs of different frequencies belong together from the correlation of their amplitude envelopes.

    Equation: π_k = argmax_π Σ_n ρ(v_π(n)[k], c_n),  v_n[k] = (|y_n[k,m]|)_m, ρ the correlation coefficient over m

    First one centroid c_n a source is grown: frequencies join it in turn, those with the least alike outputs first,
    and centroids and permutations then improve each other until no frequency changes. Then each frequency is
    compared with its neighbours and with those round its double and its half, until again nothing changes or n_passes
    is reached. Every choice among the permutations is the best one (enumerated for up to four sources, by the
    Hungarian algorithm beyond). Sources whose loudness moves alike (music) or that share few frequencies are
    confused; and one wrong frequency misleads those after it. Silent frequencies keep their order.

    Args:
        Y: outputs in any order at each frequency, shape (n_sources, n_freqs, n_frames); any scale.
        n_passes: most rounds of either stage.
    Returns:
        The permutations, shape (n_freqs, n_sources): output ``permutations[k, n]`` of frequency k belongs to source n.
        :func:`reorder_sources` applies them.
    Raises:
        ValueError: if Y is no spectrogram of several sources or a value is not finite.
    Cost: O(n_passes·n_freqs·n_sources·(n_sources·n_frames + n_sources!)) up to four sources, with n_sources² for the
        factorial beyond.
    Reference: N. Murata, S. Ikeda and A. Ziehe, Neurocomputing 41, 2001; H. Sawada, S. Araki and S. Makino, IEEE Trans.
        ASLP 19(3), 2011, §IV (centroids, then neighbours and harmonics).
    Lesson: 03 §5
    """
    outputs = as_spectrograms(Y, "Y", "(n_sources, n_freqs, n_frames)")
    n_passes = as_positive_integer(n_passes, "n_passes", minimum=0)
    envelopes = _normalised_envelopes(np.abs(outputs).transpose(1, 0, 2).astype(np.float64))
    permutations = _grow_centroids(envelopes)
    permutations = _refine_by_centroids(envelopes, permutations, n_passes)
    return _refine_by_neighbours(envelopes, permutations, n_passes)


def reorder_sources(Y: ArrayLike, permutations: ArrayLike) -> NDArray[Any]:
    """Put the outputs of each frequency in a given order.

    Equation: ŷ_n[k,m] = y_π_k(n)[k,m]

    Args:
        Y: outputs, shape (n_sources, n_freqs, n_frames).
        permutations: π, shape (n_freqs, n_sources), from :func:`align_permutations`.
    Returns:
        The outputs in order, shape (n_sources, n_freqs, n_frames).
    Raises:
        ValueError: if a row of ``permutations`` is no permutation of the sources.
    Cost: O(n_sources·n_freqs·n_frames).
    Reference: N. Murata, S. Ikeda and A. Ziehe, Neurocomputing 41, 2001.
    Lesson: 03 §5
    """
    outputs = as_spectrograms(Y, "Y", "(n_sources, n_freqs, n_frames)")
    order = np.asarray(permutations)
    n_sources, n_freqs = outputs.shape[:2]
    if order.shape != (n_freqs, n_sources) or not (np.sort(order, axis=1) == np.arange(n_sources)).all():
        raise ValueError(
            f"permutations: got {describe(order)}, expected shape ({n_freqs}, {n_sources}) "
            f"with each of 0 … {n_sources - 1} once a row. Pass what align_permutations returned for this Y."
        )
    return np.take_along_axis(outputs, order.astype(np.intp).T[:, :, None], axis=0)


def _whitening(channels: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """Return R^(-1/2) at each frequency; the identity where all is silent, and bounded where channels repeat."""
    covariance = channels @ channels.conj().swapaxes(1, 2) / channels.shape[2]
    eigenvalues, eigenvectors = np.linalg.eigh(covariance)
    largest = eigenvalues[:, -1:]
    largest = np.where(largest > 0, largest, 1.0)
    silent = eigenvalues[:, -1:] <= 0
    floored = np.where(silent, 1.0, np.maximum(eigenvalues, _RANK_TOLERANCE * largest))
    whitening: NDArray[np.complex128] = (eigenvectors / np.sqrt(floored)[:, None, :]) @ eigenvectors.conj().swapaxes(
        1, 2
    )
    return whitening


def _random_rotations(rng: np.random.Generator, n_matrices: int, size: int) -> NDArray[np.complex128]:
    """Draw unitary matrices."""
    real, imaginary = rng.standard_normal((2, n_matrices, size, size))
    unitary: NDArray[np.complex128] = np.linalg.qr(real + 1j * imaginary)[0]
    return unitary


def _steer(
    Y: NDArray[np.complex128],
    W: NDArray[np.complex128],
    log_determinants: NDArray[np.float64],
    n: int,
    silence: NDArray[np.float64],
) -> None:
    """Take as much of source n out of every source (and scale source n itself) as lowers the majorised cost most."""
    n_frames = Y.shape[2]
    heard = np.maximum(np.abs(Y), silence)
    weights = np.divide(1.0, heard, out=np.zeros_like(heard), where=heard > 0)
    target = Y[:, n]
    powers = np.einsum("ksm,km->ks", weights, np.abs(target) ** 2)
    products = np.einsum("ksm,km->ks", weights * Y, target.conj())
    steps = np.divide(products, powers, out=np.zeros_like(products), where=powers > 0)
    gain = np.divide(powers[:, n], n_frames, out=np.ones(len(Y)), where=powers[:, n] > 0)
    steps[:, n] = 1.0 - 1.0 / np.sqrt(gain)
    Y -= steps[:, :, None] * target[:, None, :].copy()
    W -= steps[:, :, None] * W[:, None, n, :].copy()
    # det(I − v e_nᵀ) = 1 − v_n.
    log_determinants -= 0.5 * np.log(gain)


def _laplace_cost(Y: NDArray[np.complex128], log_determinants: NDArray[np.float64]) -> float:
    return float(2.0 * np.abs(Y).mean(axis=2).sum() - 2.0 * log_determinants.sum())


def _normalised_envelopes(amplitudes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return zero-mean envelopes of unit norm, so that a dot product is a correlation; constant ones become zero."""
    envelopes = amplitudes - amplitudes.mean(axis=-1, keepdims=True)
    norms = np.linalg.norm(envelopes, axis=-1, keepdims=True)
    loud = norms > 1e-12 * np.linalg.norm(amplitudes, axis=-1, keepdims=True)
    normalised: NDArray[np.float64] = np.divide(envelopes, norms, out=np.zeros_like(envelopes), where=loud)
    return normalised


def _best_permutations(scores: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the permutations of largest total score: ``scores[k, n, j]`` is how well output j fits source n."""
    n_sources = scores.shape[-1]
    if math.factorial(n_sources) <= _MOST_ENUMERATED:
        candidates = np.array(list(itertools.permutations(range(n_sources))))
        totals = scores[:, np.arange(n_sources), candidates].sum(axis=-1)
        best: NDArray[np.intp] = candidates[totals.argmax(axis=1)]
        return best
    from scipy.optimize import linear_sum_assignment

    return np.array([linear_sum_assignment(matrix, maximize=True)[1] for matrix in scores])


def _grow_centroids(envelopes: NDArray[np.float64]) -> NDArray[np.intp]:
    """Let the frequencies join the centroids one by one, those whose outputs are least alike first."""
    n_freqs, n_sources, _ = envelopes.shape
    permutations = np.tile(np.arange(n_sources), (n_freqs, 1))
    likeness = np.einsum("kim,kjm->kij", envelopes, envelopes).sum(axis=(1, 2))
    # Silent frequencies would be the least alike of all: they have nothing to say.
    sounding = np.flatnonzero(np.abs(envelopes).any(axis=(1, 2)))
    order = sounding[np.argsort(likeness[sounding], kind="stable")]
    centroids = np.zeros(envelopes.shape[1:])
    for k in order:
        permutations[k] = _best_permutations((centroids @ envelopes[k].T)[None])[0]
        centroids += envelopes[k, permutations[k]]
    return permutations


def _refine_by_centroids(
    envelopes: NDArray[np.float64], permutations: NDArray[np.intp], n_passes: int
) -> NDArray[np.intp]:
    """Compute centroids and permutations from each other until no frequency changes."""
    for _ in range(n_passes):
        ordered = np.take_along_axis(envelopes, permutations[:, :, None], axis=1)
        centroids = _normalised_envelopes(ordered.sum(axis=0))
        better = _chosen(np.matmul(centroids, envelopes.swapaxes(1, 2)), permutations)
        if (better == permutations).all():
            break
        permutations = better
    return permutations


def _refine_by_neighbours(
    envelopes: NDArray[np.float64], permutations: NDArray[np.intp], n_passes: int
) -> NDArray[np.intp]:
    """Fit each frequency to its neighbours and harmonics until none changes."""
    permutations = permutations.copy()
    neighbours = [_related_frequencies(k, len(envelopes)) for k in range(len(envelopes))]
    for _ in range(n_passes):
        changed = False
        for k, related in enumerate(neighbours):
            template = np.take_along_axis(envelopes[related], permutations[related][:, :, None], axis=1).sum(axis=0)
            better = _chosen((template @ envelopes[k].T)[None], permutations[k : k + 1])[0]
            if (better != permutations[k]).any():
                permutations[k] = better
                changed = True
        if not changed:
            break
    return permutations


def _chosen(scores: NDArray[np.float64], permutations: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return the best permutations, and the present ones where those are as good: without this, ties would circle."""
    best = _best_permutations(scores)
    sources = np.arange(scores.shape[-1])
    rows = np.arange(len(scores))[:, None]
    gain = (scores[rows, sources, best] - scores[rows, sources, permutations]).sum(axis=1)
    return np.where(gain[:, None] > 1e-12, best, permutations)


def _related_frequencies(k: int, n_freqs: int) -> NDArray[np.intp]:
    """Return the neighbours of frequency k, and those of its double and its half."""
    related = {k + step for step in range(-_NEIGHBOURS, _NEIGHBOURS + 1)}
    for centre in (2 * k, k // 2):
        related |= {centre + step for step in range(-_HARMONIC_NEIGHBOURS, _HARMONIC_NEIGHBOURS + 1)}
    return np.array(sorted(i for i in related - {k} if 0 <= i < n_freqs), dtype=np.intp)
