"""Independent component analysis of an instantaneous mixture: whitening, FastICA, and measures of non-Gaussianity.

The model is X = A S, without delay or echo: ``X`` is ``(n_channels, n_samples)``, ``S`` is ``(n_sources, n_samples)``,
and the columns of the mixing matrix ``A`` say how loud each source is in each channel. Nothing in X tells the order,
scale and sign of the sources; :func:`fastica` settles them by convention: sources of unit variance, the largest
absolute entry of each column of A positive, and the sources that bring most energy into the mixture first.

Computation is in float64 whatever the input. Complex spectra are the matter of :mod:`course_lib.bss`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from course_lib.validation import SilentSignalError, as_number, as_positive_integer, as_signal, describe

Contrast = Literal["logcosh", "exp", "cube"]

_CONTRASTS = ("logcosh", "exp", "cube")
# E G(ν) of each contrast for a standard Gaussian ν; that of log cosh has no closed form and comes from quadrature.
_GAUSSIAN_MEANS = {"logcosh": 0.37456720749143865, "exp": -1 / np.sqrt(2), "cube": 0.75}

# A direction this far below the loudest, in power (−120 dB), is rounding error: copies in float32 differ by less.
_RANK_TOLERANCE = 1e-12
# Where squares lie between these, nothing that counts beside them under- or overflows.
_SAFE_POWERS = 1e-200, 1e200
# Below this ratio of eigenvalues the rounding of the covariance would show in the tenth digit of what it whitens.
_REFINEMENT_RATIO = 1e-4
# A channel that varies no more than this beside its mean is constant: its mean is rounded by as much.
_CONSTANT_TOLERANCE = 64 * float(np.finfo(np.float64).eps)
# How a saddle point is told: an eighth of a turn raises negentropy by more than what so many samples leave to chance.
_SADDLE_GAIN = 1.1
_SADDLE_SAMPLES = 1 << 12
_MOST_SADDLES = 3
# The iteration takes blocks of so many samples: few calls a pass, yet a block of a few channels fits a cache.
_SMALLEST_BLOCK, _LARGEST_BLOCK = 128, 8192
# Multiplications for which BLAS takes one thread; OpenBLAS begins to ask for two at twice as many.
_SINGLE_THREAD_PRODUCT = 1 << 17


@dataclass(frozen=True, eq=False)
class Whitening:
    """Signals of unit covariance, and the matrices that lead there and back.

    Args:
        signals: Z = V (X − mean), shape (n_components, n_samples), with Z Zᵀ / n_samples the identity (for the ZCA of
            rank-deficient input: the projection onto the directions that hold a signal).
        whitening_matrix: V, shape (n_components, n_channels).
        dewhitening_matrix: the pseudo-inverse of V, shape (n_channels, n_components); it gives X − mean back from Z
            unless components were left out.
        mean: of each channel, shape (n_channels,).
        eigenvalues: of the covariance of X, largest first, those that were kept, shape (n_kept,); n_kept is the rank
            unless fewer components were asked for.

    Lesson: 02 §3
    """

    signals: NDArray[np.float64]
    whitening_matrix: NDArray[np.float64]
    dewhitening_matrix: NDArray[np.float64]
    mean: NDArray[np.float64]
    eigenvalues: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ICA:
    """Independent components, and how they were found.

    Args:
        sources: S = W (X − mean), shape (n_sources, n_samples), of unit variance; those that bring most energy into the
            mixture first.
        demixing_matrix: W, shape (n_sources, n_channels).
        mixing_matrix: A, the pseudo-inverse of W, shape (n_channels, n_sources); the largest absolute entry of each
            column is positive. A S + mean is X, or what n_sources principal components hold of it.
        mean: of each channel, shape (n_channels,).
        history: max |1 − |⟨w_new, w_old⟩|| in each iteration; in deflation one source after another, in the order in
            which they were found; shape (n_iterations in all,).
        n_iterations: how many of these belong to each run: one number (symmetric), or one for each source (deflation).
        converged: whether every run ended below the tolerance.

    Lesson: 02 §6
    """

    sources: NDArray[np.float64]
    demixing_matrix: NDArray[np.float64]
    mixing_matrix: NDArray[np.float64]
    mean: NDArray[np.float64]
    history: NDArray[np.float64]
    n_iterations: tuple[int, ...]
    converged: bool


def centre(X: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Take the mean off each channel.

    Equation: x̃_c[n] = x_c[n] − (1/N) Σ_n x_c[n]

    Args:
        X: mixture, shape (n_channels, n_samples).
    Returns:
        The centred mixture, shape (n_channels, n_samples), and the means, shape (n_channels,).
    Raises:
        ValueError: if X has another number of axes, or is empty, complex or not finite.
    Cost: O(C·N) for C channels and N samples.
    Reference: A. Hyvärinen and E. Oja, "Independent component analysis: algorithms and applications", Neural
        Networks 13, 2000, §5.1.
    Lesson: 02 §3
    """
    x = _as_mixture(X)
    mean: NDArray[np.float64] = x.mean(axis=1)
    x = x - mean[:, np.newaxis]
    x[np.maximum(x.max(axis=1), -x.min(axis=1)) <= _CONSTANT_TOLERANCE * np.abs(mean)] = 0.0
    return x, mean


def whiten(X: ArrayLike, *, method: Literal["pca", "zca"] = "pca", n_components: int | None = None) -> Whitening:
    """Make the channels uncorrelated and of unit variance.

    Equation: Z = V (X − mean), C = (X − mean)(X − mean)ᵀ / N = E D Eᵀ; V = D^{−1/2} Eᵀ (PCA) or E D^{−1/2} Eᵀ (ZCA).

    PCA gives components, those of largest variance first; the largest absolute entry of each eigenvector is positive.
    ZCA gives one signal for each channel, of all white signals those closest to the mixture. Only eigenvalues above
    10⁻¹² of the largest (−120 dB) count: the rest is rounding error. So PCA of rank-deficient input (silent, constant
    or repeated channels, or no more samples than channels) gives fewer components than channels, and ZCA takes the
    pseudo-inverse root, whose signals have a projection for covariance instead of the identity.

    Args:
        X: mixture, shape (n_channels, n_samples).
        method: "pca" or "zca".
        n_components: how many eigenvalues to keep, the largest; all that count unless given.
    Returns:
        The white signals and the matrices that lead there and back.
    Raises:
        SilentSignalError: if every channel is silent or constant; a ValueError.
        ValueError: if n_components exceeds the rank, method is unknown, or X is no real mixture.
    Cost: O(C²·N + C³) for C channels and N samples.
    Reference: A. Kessy, A. Lewin and K. Strimmer, "Optimal whitening and decorrelation", The American Statistician
        72(4), 2018.
    Lesson: 02 §3
    """
    if method not in ("pca", "zca"):
        raise ValueError(f"method: got {describe(method)}, expected pca or zca.")
    x, mean = centre(X)
    deviations, E = _principal_axes(x)
    if n_components is not None:
        n_components = as_positive_integer(n_components, "n_components")
        _refuse_beyond_rank(n_components, deviations.size, x, "n_components")
        deviations, E = deviations[:n_components], E[:, :n_components]
    V, dewhitening = E.T / deviations[:, np.newaxis], E * deviations
    if method == "zca":
        V, dewhitening = E @ V, dewhitening @ E.T
    with np.errstate(over="ignore", under="ignore"):
        eigenvalues = deviations**2
    return Whitening(_product(V, x), V, dewhitening, mean, eigenvalues)


def contrast(u: ArrayLike, name: Contrast) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return a contrast function and its first two derivatives.

    Equation: logcosh: G(u) = log cosh u, g(u) = tanh u, g′(u) = 1 − tanh² u.
        exp: G(u) = −e^{−u²/2}, g(u) = u e^{−u²/2}, g′(u) = (1 − u²) e^{−u²/2}.
        cube: G(u) = u⁴/4, g(u) = u³, g′(u) = 3u².

    Args:
        u: values, of any shape (...); usually a signal of unit variance.
        name: "logcosh" (good for all), "exp" (for very sparse sources) or "cube" (kurtosis, which outliers rule).
    Returns:
        G(u), g(u) and g′(u), each of the shape of u.
    Raises:
        ValueError: if the name is unknown, or u is empty, complex or not finite.
    Cost: O(N).
    Reference: A. Hyvärinen, "Fast and robust fixed-point algorithms for independent component analysis", IEEE Trans.
        Neural Networks 10(3), 1999.
    Lesson: 02 §6
    """
    _refuse_unknown_contrast(name, "name")
    values = as_signal(np.atleast_1d(u), "u").astype(np.float64).reshape(np.shape(u))
    return _contrast_functions(values, name)


def kurtosis(x: ArrayLike) -> float | NDArray[np.float64]:
    """Excess kurtosis: 0 for a Gaussian, positive for sparse signals such as speech, negative for flat ones.

    Equation: kurt = E[(x − μ)⁴] / E[(x − μ)²]² − 3

    Args:
        x: signal, shape (..., n_samples).
    Returns:
        A float for one signal, else an array of shape (...); at least −2.
    Raises:
        SilentSignalError: if a signal is silent or constant: 0/0 has no value. A ValueError.
        ValueError: if x is empty, complex or not finite.
    Cost: O(N).
    Reference: A. Hyvärinen and E. Oja, "Independent component analysis: algorithms and applications", Neural
        Networks 13, 2000, §4.2.1.
    Lesson: 02 §5
    """
    return _as_result(np.mean(_standardised(x) ** 4, axis=-1) - 3)


def negentropy(x: ArrayLike, contrast: Contrast = "logcosh") -> float | NDArray[np.float64]:
    """Distance from a Gaussian of the same variance, by Hyvärinen's approximation: 0 for a Gaussian, else positive.

    Equation: J(x) ∝ ( E[G(y)] − E[G(ν)] )², y = (x − μ) / σ, ν a standard Gaussian.

    The factor that is left out depends on the contrast alone, so compare values of one contrast only.

    Args:
        x: signal, shape (..., n_samples).
        contrast: G, as in :func:`contrast`: "logcosh", "exp" or "cube".
    Returns:
        A float for one signal, else an array of shape (...).
    Raises:
        SilentSignalError: if a signal is silent or constant. A ValueError.
        ValueError: if the contrast is unknown, or x is empty, complex or not finite.
    Cost: O(N).
    Reference: A. Hyvärinen, "New approximations of differential entropy for independent component analysis and
        projection pursuit", NIPS 1997.
    Lesson: 02 §5
    """
    _refuse_unknown_contrast(contrast, "contrast")
    return _as_result(_negentropy(_standardised(x), contrast))


def fastica(
    X: ArrayLike,
    n_sources: int | None = None,
    *,
    approach: Literal["symmetric", "deflation"] = "symmetric",
    contrast: Contrast = "logcosh",
    max_iterations: int = 200,
    tolerance: float = 1e-4,
    rng: np.random.Generator,
    start: ArrayLike | None = None,
) -> ICA:
    """Separate an instantaneous mixture into independent components by FastICA.

    Equation: w ← E[z g(wᵀz)] − E[g′(wᵀz)] w on the white z, then w ← w / ‖w‖ after what lies along sources found before
        is taken off (deflation), or W ← (W Wᵀ)^{−1/2} W for all at once (symmetric).

    Each iteration ends with the change max |1 − |⟨w_new, w_old⟩||, kept in the history; a run ends when that falls
    below the tolerance, or after max_iterations: then converged is False, and no warning is given. With fewer sources
    than the rank, the n_sources largest principal components are separated and the rest is left out. In deflation, a
    direction whose update vanishes is drawn anew, at a change of 1.

    A run may stop at a saddle point, where two sources stand mixed half and half: some starts in a hundred lead there.
    So each pair is tried at an eighth of a turn (on some of the samples), and where that is less Gaussian the iteration
    goes on from there, three times at most; the history then rises again after its first fall.

    At most one source may be Gaussian; components of Gaussian sources are arbitrary.

    Args:
        X: mixture, shape (n_channels, n_samples).
        n_sources: how many to separate; the rank of X unless given.
        approach: "symmetric" or "deflation".
        contrast: "logcosh", "exp" or "cube", see :func:`contrast`.
        max_iterations: at most so many; in deflation for each source.
        tolerance: of the change, positive.
        rng: draws the start, and in deflation the directions that are drawn anew.
        start: rows wᵀ to start from in the whitened space, shape (n_sources, n_sources), in place of random ones.
    Returns:
        Sources, matrices, history, by the conventions of :class:`ICA`: the same for every start that leads to the same
        solution.
    Raises:
        SilentSignalError: if every channel is silent or constant; a ValueError.
        ValueError: if n_sources exceeds the rank of X, an option is unknown, or X is no real mixture.
    Cost: O(C²·N) for C sources and N samples in each iteration, with C·N evaluations of the contrast.
    Reference: A. Hyvärinen, "Fast and robust fixed-point algorithms for independent component analysis", IEEE Trans.
        Neural Networks 10(3), 1999; saddle points: P. Tichavský, Z. Koldovský and E. Oja, "Performance analysis of the
        FastICA algorithm and Cramér–Rao bounds for linear independent component analysis", IEEE Trans. Signal
        Processing 54(4), 2006.
    Lesson: 02 §6
    """
    if approach not in ("symmetric", "deflation"):
        raise ValueError(f"approach: got {describe(approach)}, expected symmetric or deflation.")
    _refuse_unknown_contrast(contrast, "contrast")
    max_iterations = as_positive_integer(max_iterations, "max_iterations")
    tolerance = as_number(tolerance, "tolerance", 0, above=True)
    if not isinstance(rng, np.random.Generator):
        raise ValueError(f"rng: got {describe(rng)}, expected a generator. Pass np.random.default_rng(seed).")

    x, mean = centre(X)
    deviations, E = _principal_axes(x)
    n_sources = deviations.size if n_sources is None else as_positive_integer(n_sources, "n_sources")
    _refuse_beyond_rank(n_sources, deviations.size, x, "n_sources")
    deviations, E = deviations[:n_sources], E[:, :n_sources]
    V = E.T / deviations[:, np.newaxis]
    z = _product(V, x)
    directions = rng.standard_normal((n_sources, n_sources)) if start is None else _as_start(start, n_sources)
    runs: list[list[float]] = [[] for _ in range(1 if approach == "symmetric" else n_sources)]
    for _ in range(1 + _MOST_SADDLES):
        if approach == "symmetric":
            B = _symmetric(z, directions, contrast, max_iterations, tolerance, runs[0])
        else:
            B = _deflation(z, directions, contrast, max_iterations, tolerance, runs, rng)
        turned = _turned_off_saddles(z, B, contrast)
        if turned is None or any(len(run) == max_iterations for run in runs):
            break
        directions = turned

    A = (E * deviations) @ B.T
    loudness = np.linalg.norm(A, axis=0)
    signs = _leading_signs(A)
    order = np.argsort(-loudness, kind="stable")
    A = (A * signs)[:, order]
    W = (signs[:, np.newaxis] * (B @ V))[order]
    return ICA(
        sources=_product(W, x),
        demixing_matrix=W,
        mixing_matrix=A,
        mean=mean,
        history=np.concatenate(runs),
        n_iterations=tuple(len(run) for run in runs),
        converged=all(run[-1] < tolerance for run in runs),
    )


def amari_index(demixing_matrix: ArrayLike, mixing_matrix: ArrayLike) -> float:
    """Distance of a separation from a perfect one, for a known mixing matrix.

    Equation: P = |W A|, r = ( Σ_i (Σ_j p_ij / max_j p_ij − 1) + Σ_j (Σ_i p_ij / max_i p_ij − 1) ) / (2 n (n − 1))

    0: each output holds one source, and each source stands in one output, in whatever order, at whatever scale and
    sign. 1: every output holds all sources alike. In between the value depends on the scales: give W and A for sources
    of unit variance to compare methods.

    Args:
        demixing_matrix: W, shape (n_sources, n_channels).
        mixing_matrix: A, shape (n_channels, n_sources).
    Returns:
        A number from 0 to 1.
    Raises:
        ValueError: if the shapes do not make W A square, or an output or source vanishes in W A.
    Cost: O(n²·C) for n sources and C channels.
    Reference: S. Amari, A. Cichocki and H. Yang, "A new learning algorithm for blind signal separation", NIPS 1995.
    Lesson: 02 §6
    """
    W = as_signal(demixing_matrix, "demixing_matrix", n_axes=2).astype(np.float64)
    A = as_signal(mixing_matrix, "mixing_matrix", n_axes=2).astype(np.float64)
    if W.shape != A.shape[::-1]:
        raise ValueError(
            f"demixing_matrix: got {describe(W)}, expected shape {A.shape[::-1]}, (n_sources, n_channels), beside a "
            f"mixing matrix of shape {A.shape}, (n_channels, n_sources). Did you exchange the two?"
        )
    P = np.abs(W @ A)
    rows, columns = P.max(axis=1), P.max(axis=0)
    if not rows.all() or not columns.all():
        raise ValueError(
            "demixing_matrix: its product with the mixing matrix has a row or column of zeros, so an output holds "
            "nothing or a source is lost. Leave out silent sources first."
        )
    n = P.shape[0]
    if n == 1:
        return 0.0
    excess = (P / rows[:, np.newaxis]).sum() + (P / columns).sum() - 2 * n
    return float(np.clip(excess / (2 * n * (n - 1)), 0.0, 1.0))


def _as_mixture(X: ArrayLike) -> NDArray[np.float64]:
    if np.iscomplexobj(X):
        raise ValueError(
            f"X: got {describe(np.asarray(X))}, expected real samples. Complex spectra are separated by "
            "course_lib.bss: auxiva or ilrma, or frequency_domain_ica for one ICA a frequency."
        )
    return as_signal(X, "X", n_axes=2).astype(np.float64, copy=False)


def _as_start(start: ArrayLike, n_sources: int) -> NDArray[np.float64]:
    directions = as_signal(start, "start", n_axes=2).astype(np.float64)
    if directions.shape != (n_sources, n_sources):
        raise ValueError(f"start: got {describe(directions)}, expected shape {(n_sources, n_sources)}: a row a source.")
    return directions


def _refuse_unknown_contrast(value: Any, name: str) -> None:
    if value not in _CONTRASTS:
        raise ValueError(f"{name}: got {describe(value)}, expected one of {', '.join(_CONTRASTS)}.")


def _refuse_beyond_rank(wanted: int, rank: int, x: NDArray[np.float64], name: str) -> None:
    if wanted > x.shape[0]:
        raise ValueError(
            f"{name}: got {wanted} with {x.shape[0]} channels: a linear demixing gives no more sources than channels. "
            "Record with more microphones, or separate by masks (course_lib.nmf, course_lib.masks)."
        )
    if wanted > rank:
        raise ValueError(
            f"{name}: got {wanted}, but X of shape {x.shape} has rank {rank}: some channels are silent, constant or "
            f"combinations of others, or there are too few samples. Ask for at most {rank}."
        )


def _principal_axes(x: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return standard deviations, largest first, and eigenvectors (n_channels, rank) of a centred mixture."""
    scale = 1.0
    with np.errstate(over="ignore", invalid="ignore"):
        covariance = _covariance(x)
    if not _SAFE_POWERS[0] < np.trace(covariance) < _SAFE_POWERS[1]:
        scale = float(np.abs(x).max())
        if scale == 0:
            raise SilentSignalError(
                f"X: every one of its {x.shape[0]} channels is silent or constant, so there is nothing to whiten or "
                "separate. Take them where something sounds."
            )
        x = x / scale
        covariance = _covariance(x)
    eigenvalues, E = np.linalg.eigh(covariance)
    eigenvalues, E = eigenvalues[::-1], E[:, ::-1]
    counts = eigenvalues > _RANK_TOLERANCE * eigenvalues[0]
    deviations, E = np.sqrt(eigenvalues[counts]), E[:, counts]
    if deviations[-1] ** 2 < _REFINEMENT_RATIO * deviations[0] ** 2:
        # The eigenvalues of a covariance are exact relative to the largest only. The covariance of the signals they
        # whiten shows what was lost, and the product of both roots has the exact deviations for singular values.
        z = _product(E.T / deviations[:, np.newaxis], x)
        values, vectors = np.linalg.eigh(_covariance(z))
        rotation, deviations, _ = np.linalg.svd(deviations[:, np.newaxis] * vectors * np.sqrt(values))
        E = E @ rotation
    return deviations * scale, E * _leading_signs(E)


def _leading_signs(columns: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the sign of the largest absolute entry of each column; of the first one, where several are as large."""
    size = np.abs(columns)
    first = np.argmax(size > (1 - 1e-6) * size.max(axis=0), axis=0)
    return np.where(columns[first, np.arange(columns.shape[1])] < 0, -1.0, 1.0)


def _standardised(x: ArrayLike) -> NDArray[np.float64]:
    signal = as_signal(x, "x").astype(np.float64)
    rows, _ = centre(signal.reshape(-1, signal.shape[-1]))
    peak = np.abs(rows).max(axis=1, keepdims=True)
    if not peak.all():
        index = np.unravel_index(int(np.argmin(peak)), signal.shape[:-1])
        which = f"x{[int(i) for i in index]}" if index else "x"
        raise SilentSignalError(
            f"{which} is silent or constant, and how far it is from Gaussian has no answer. Leave such signals out."
        )
    rows = rows / peak
    standardised: NDArray[np.float64] = (rows / rows.std(axis=1, keepdims=True)).reshape(signal.shape)
    return standardised


def _as_result(value: Any) -> float | NDArray[np.float64]:
    return float(value) if np.ndim(value) == 0 else np.asarray(value)


def _contrast_functions(
    u: NDArray[np.float64], name: Contrast
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    G = _contrast_values(u, name)
    if name == "logcosh":
        g = np.tanh(u)
        return G, g, 1 - g**2
    if name == "exp":
        return G, -u * G, (u**2 - 1) * G
    return G, u * u * u, 3 * u**2


def _contrast_values(u: NDArray[np.float64], name: Contrast) -> NDArray[np.float64]:
    if name == "logcosh":
        magnitude = np.abs(u)
        values: NDArray[np.float64] = magnitude + np.log1p(np.exp(-2 * magnitude)) - np.log(2)
        return values
    if name == "exp":
        return -np.exp(-(u**2) / 2)
    return (u * u) ** 2 / 4  # u**4 takes NumPy a hundred times as long


def _negentropy(y: NDArray[np.float64], name: Contrast) -> NDArray[np.float64]:
    """Return the approximation for standardised ``y`` ``(..., n_samples)``."""
    values: NDArray[np.float64] = (_contrast_values(y, name).mean(axis=-1) - _GAUSSIAN_MEANS[name]) ** 2
    return values


def _turned_off_saddles(
    z: NDArray[np.float64], B: NDArray[np.float64], contrast: Contrast
) -> NDArray[np.float64] | None:
    """Turn each pair of sources that an eighth of a turn makes less Gaussian; return None if there is none.

    The fixed point also has saddle points, where two sources stand mixed half and half. An iteration that passes one
    slows down until its change is below the tolerance.
    """
    n_sources = B.shape[0]
    step = -(-z.shape[1] // _SADDLE_SAMPLES)
    u = _product(B, np.ascontiguousarray(z[:, ::step]))
    now = _negentropy(u, contrast)
    gains: list[tuple[float, int, int]] = []
    for i in range(n_sources):
        for j in range(i):
            turned = _negentropy(np.stack([u[i] + u[j], u[i] - u[j]]) / np.sqrt(2), contrast)
            gain = float(turned.sum() / (now[i] + now[j])) if now[i] + now[j] > 0 else 0.0
            if gain > _SADDLE_GAIN:
                gains.append((gain, i, j))
    if not gains:
        return None
    B = B.copy()
    free = set(range(n_sources))
    for _, i, j in sorted(gains, reverse=True):
        if {i, j} <= free:
            B[[i, j]] = (B[i] + B[j]) / np.sqrt(2), (B[i] - B[j]) / np.sqrt(2)
            free -= {i, j}
    return B


def _symmetric(
    z: NDArray[np.float64],
    start: NDArray[np.float64],
    contrast: Contrast,
    max_iterations: int,
    tolerance: float,
    changes: list[float],
) -> NDArray[np.float64]:
    """Return the directions, and append the change of each iteration to ``changes``."""
    B = _decorrelated(start)
    change = np.inf
    while len(changes) < max_iterations and change >= tolerance:
        previous = B
        B = _decorrelated(_fixed_point(z, B, contrast))
        change = float(np.abs(1 - np.abs(np.sum(B * previous, axis=1))).max())
        changes.append(change)
    return B


def _decorrelated(B: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (B Bᵀ)^{−1/2} B, through the singular vectors of B: an orthogonal matrix even where B is singular."""
    left, _, right = np.linalg.svd(B)
    rotation: NDArray[np.float64] = left @ right
    return rotation


def _deflation(
    z: NDArray[np.float64],
    start: NDArray[np.float64],
    contrast: Contrast,
    max_iterations: int,
    tolerance: float,
    runs: list[list[float]],
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Return the directions, and append the change of each iteration to the run of its source."""
    n_sources = z.shape[0]
    B = np.zeros((n_sources, n_sources))
    for i, changes in enumerate(runs):
        found = B[:i]
        b = _new_direction(start[i], found, rng)
        change = np.inf
        while len(changes) < max_iterations and change >= tolerance:
            update = _orthogonal_part(_fixed_point(z, b[np.newaxis], contrast)[0], found)
            length = np.linalg.norm(update)
            previous = b
            if length > 1e-12:
                b = _new_direction(update / length, found, rng)
                change = float(abs(1 - abs(b @ previous)))
            elif i == n_sources - 1:  # one direction is left, and this is it
                change = 0.0
            else:
                b = _new_direction(np.zeros(n_sources), found, rng)
                change = 1.0
            changes.append(change)
        B[i] = b
    return B


def _orthogonal_part(b: NDArray[np.float64], found: NDArray[np.float64]) -> NDArray[np.float64]:
    return b - found.T @ (found @ b)


def _new_direction(b: NDArray[np.float64], found: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Return ``b`` as a unit vector orthogonal to those found, or a random one if nothing of it is left."""
    length = np.linalg.norm(b)
    while True:
        rest = _orthogonal_part(b, found)
        if np.linalg.norm(rest) > 1e-6 * length:
            # A second time, since what cancelled in the first has lost digits.
            rest = _orthogonal_part(rest / np.linalg.norm(rest), found)
            direction: NDArray[np.float64] = rest / np.linalg.norm(rest)
            return direction
        b = rng.standard_normal(b.size)
        length = np.linalg.norm(b)


def _blocks(x: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Cut the samples of ``x`` ``(n_channels, n_samples)`` into views.

    So small that BLAS multiplies each by a matrix of n_channels columns in one thread: to wake others takes longer than
    the product, and on a busy machine a hundred times as long.
    """
    length = min(_LARGEST_BLOCK, max(_SMALLEST_BLOCK, _SINGLE_THREAD_PRODUCT // x.shape[0] ** 2))
    return [x[:, begin : begin + length] for begin in range(0, x.shape[1], length)]


def _product(matrix: NDArray[np.float64], x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ``matrix @ x``, block by block."""
    y = np.empty((matrix.shape[0], x.shape[1]))
    begin = 0
    for block in _blocks(x):
        end = begin + block.shape[1]
        np.matmul(matrix, block, out=y[:, begin:end])
        begin = end
    return y


def _covariance(x: NDArray[np.float64]) -> NDArray[np.float64]:
    covariance = np.zeros((x.shape[0], x.shape[0]))
    for block in _blocks(x):
        covariance += block @ block.T
    covariance /= x.shape[1]
    return covariance


def _fixed_point(z: NDArray[np.float64], B: NDArray[np.float64], contrast: Contrast) -> NDArray[np.float64]:
    """Return E[g(B z) zᵀ] − diag(E[g′(B z)]) B.

    Block by block, so that the samples stay in the processor's cache from the first product to the second.
    """
    n_sources, n_samples = B.shape[0], z.shape[1]
    blocks = _blocks(z)
    buffers = np.empty((2, n_sources, blocks[0].shape[1]))
    moments, slopes = np.zeros_like(B), np.zeros(n_sources)
    for block in blocks:
        u, scratch = buffers[:, :, : block.shape[1]]
        np.matmul(B, block, out=u)
        slopes += _score_in_place(u, scratch, contrast)
        moments += u @ block.T
    update: NDArray[np.float64] = (moments - slopes[:, np.newaxis] * B) / n_samples
    return update


def _score_in_place(u: NDArray[np.float64], scratch: NDArray[np.float64], contrast: Contrast) -> NDArray[np.float64]:
    """Turn ``u`` into g(u), and return Σ_n g′(u[n]) of each row."""
    slopes: NDArray[np.float64]
    if contrast == "logcosh":
        np.tanh(u, out=u)
        slopes = u.shape[1] - np.einsum("ij,ij->i", u, u)
        return slopes
    np.multiply(u, u, out=scratch)
    if contrast == "cube":
        slopes = 3 * scratch.sum(axis=1)
        u *= scratch
        return slopes
    scratch *= -0.5
    np.exp(scratch, out=scratch)
    slopes = scratch.sum(axis=1)
    scratch *= u
    slopes -= np.einsum("ij,ij->i", u, scratch)
    u[:] = scratch
    return slopes
