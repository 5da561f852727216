"""Measures of several estimates at once: BSS Eval, its decomposition, and which estimate is which source."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from course_lib.metrics import _bss_eval
from course_lib.metrics._levels import peak_of, ratio_db, refuse_silence
from course_lib.validation import as_positive_integer, as_signal, describe

# A part of an estimate this much weaker than the whole, as a ratio of powers, is measured by itself: as a difference of
# two energies it would lose its digits.
_SMALL_PART = 1e-6


@dataclass(frozen=True)
class BSSEval:
    """What :func:`bss_eval` measures of each source, in the order of the references.

    Attributes:
        sdr: signal-to-distortion ratios in dB, shape (n_sources,).
        sir: signal-to-interference ratios in dB, shape (n_sources,).
        sar: signal-to-artefacts ratios in dB, shape (n_sources,).
        permutation: ``estimates[permutation[j]]`` was compared with ``references[j]``, shape (n_sources,).
    Lesson: 02 §4
    """

    sdr: NDArray[np.float64]
    sir: NDArray[np.float64]
    sar: NDArray[np.float64]
    permutation: NDArray[np.intp]


@dataclass(frozen=True)
class Decomposition:
    """The three parts of an estimate, whose sum it is.

    Attributes:
        target: the wanted source, as filtered, shape (n_samples + filter_length - 1,).
        interference: what comes of the other sources, of the same shape.
        artefacts: what no filter makes of the sources, of the same shape.
    Lesson: 02 §4
    """

    target: NDArray[np.float64]
    interference: NDArray[np.float64]
    artefacts: NDArray[np.float64]


def bss_eval(references: ArrayLike, estimates: ArrayLike, *, filter_length: int = 512, permute: bool = True) -> BSSEval:
    """Tell interference from artefacts: SDR, SIR and SAR as in BSS Eval 3, whose default is filters of 512 taps.

    Equation: ŝ = t + i + a with t = P_j ŝ, i = Pŝ − P_j ŝ, a = ŝ − Pŝ;
        SDR = 10 log₁₀ ‖t‖²/‖i + a‖², SIR = 10 log₁₀ ‖t‖²/‖i‖², SAR = 10 log₁₀ ‖t + i‖²/‖a‖².

    P_j projects on reference j delayed by 0 … L − 1 samples, which is to say that it finds the filter of L taps
    that brings s_j closest to ŝ; P does so with all references at once. As the three parts are orthogonal, the ratios
    of powers obey 1 + 1/SDR = (1 + 1/SIR)(1 + 1/SAR).

    With filter_length=1 the projections are plain: P_j ŝ = αs_j, so that SDR is SI-SDR without removal of the mean.
    Longer filters forgive what a room or an equaliser does to the wanted source, and a delay (but no advance).

    The permutation is that of the largest mean SIR. A perfect estimate gives +inf or, where rounding leaves a residue,
    about 300 dB; a single source has no interference: its SIR is +inf. A ratio of zero power is −inf, that of a silent
    estimate included: all three ratios are −inf. Filters in all nearly as long as the signals explain anything,
    hence n_samples should be many times n_sources · filter_length.

    Args:
        references: s, shape (n_sources, n_samples).
        estimates: ŝ, of the same shape, in any order and at any scale.
        filter_length: L, number of taps of the filters.
        permute: whether to find the order of the estimates; else estimate j belongs to reference j.
    Returns:
        The ratios in dB and the permutation.
    Raises:
        SilentSignalError: if a reference is silent; a ValueError, which names it.
        ValueError: if the shapes differ, or an input is empty, complex or not finite, or filter_length < 1.
    Cost: O(J²·N·log L) for the correlations of J sources, O(J³·L³) for one Cholesky factorisation.
    Reference: E. Vincent, R. Gribonval and C. Févotte, "Performance measurement in blind audio source separation",
        IEEE Trans. ASLP 14(4), 2006; R. Scheibler, "SDR – medium rare with fast computations", ICASSP 2022.
    Lesson: 02 §4
    """
    n_taps = as_positive_integer(filter_length, "filter_length")
    s, s_hat = _as_sources(references, estimates)
    n_sources = len(s)
    products = _bss_eval.lagged_products(s, np.concatenate([s, s_hat]), n_taps)
    projectors = [_bss_eval.make_projector(s[[j]], products[[j], j : j + 1]) for j in range(n_sources)]
    everything = projectors[0] if n_sources == 1 else _bss_eval.make_projector(s, products[:, :n_sources])
    with_estimates = products[:, n_sources:]

    target = np.stack([projector.energy(with_estimates[[j]]) for j, projector in enumerate(projectors)])
    explained = np.broadcast_to(everything.energy(with_estimates), target.shape)
    interference = np.maximum(explained - target, 0)
    permutation = best_permutation(ratio_db(target, interference)) if permute else np.arange(n_sources)

    pairs = np.arange(n_sources), permutation
    target, explained, interference = target[pairs], explained[pairs], interference[pairs]
    artefacts = np.maximum(1 - explained, 0)
    distortion = interference + artefacts
    for j, k in enumerate(permutation):
        is_small = artefacts[j] < _SMALL_PART or (n_sources > 1 and interference[j] < _SMALL_PART * explained[j])
        if is_small:
            t, i, a = _bss_eval.split(s[j], projectors[j], everything, s_hat[k])
            target[j], explained[j], interference[j] = np.sum(t**2), np.sum((t + i) ** 2), np.sum(i**2)
            artefacts[j], distortion[j] = np.sum(a**2), np.sum((i + a) ** 2)
    return BSSEval(
        sdr=ratio_db(target, distortion),
        sir=ratio_db(target, interference),
        sar=ratio_db(explained, artefacts),
        permutation=permutation,
    )


def decompose(
    references: ArrayLike, estimate: ArrayLike, *, reference_index: int = 0, filter_length: int = 512
) -> Decomposition:
    """Split an estimate into the parts that BSS Eval measures, so that each can be heard.

    Equation: ŝ = t + i + a with t = P_j ŝ, i = Pŝ − P_j ŝ, a = ŝ − Pŝ, as in :func:`bss_eval`.

    The three parts are orthogonal. Those of a silent estimate are silent.

    Args:
        references: s, shape (n_sources, n_samples).
        estimate: ŝ, shape (n_samples,).
        reference_index: j, the source that the estimate should be.
        filter_length: L, number of taps of the filters.
    Returns:
        The three parts, longer than the estimate by the tail of the filters, which add up to it and zeros.
    Raises:
        SilentSignalError: if a reference is silent; a ValueError, which names it.
        ValueError: if the shapes differ, an input is empty, complex or not finite, there is no such reference or
            filter_length < 1.
    Cost: as :func:`bss_eval`, and two convolutions per source.
    Reference: E. Vincent, R. Gribonval and C. Févotte, "Performance measurement in blind audio source separation",
        IEEE Trans. ASLP 14(4), 2006.
    Lesson: 02 §4
    """
    n_taps = as_positive_integer(filter_length, "filter_length")
    j = as_positive_integer(reference_index, "reference_index", minimum=0)
    e = as_signal(estimate, "estimate", n_axes=1).astype(np.float64)
    s = as_signal(references, "references", n_axes=2).astype(np.float64)
    if s.shape[-1] != e.size or j >= len(s):
        raise ValueError(
            f"got references of shape {s.shape}, an estimate of shape {e.shape} and reference_index {j}, expected "
            "(n_sources, n_samples), (n_samples,) and a number below n_sources. Cut all to the same samples."
        )
    s, _ = _to_unit_norm(s, "references")
    (e,), (norm,) = _to_unit_norm(e[None])
    products = _bss_eval.lagged_products(s, s, n_taps)
    of_one = _bss_eval.make_projector(s[[j]], products[[j], j : j + 1])
    everything = of_one if len(s) == 1 else _bss_eval.make_projector(s, products)
    target, interference, artefacts = _bss_eval.split(s[j], of_one, everything, e)
    return Decomposition(norm * target, norm * interference, norm * artefacts)


def best_permutation(scores: ArrayLike) -> NDArray[np.intp]:
    """Assign to each reference another estimate so that the sum of their scores is largest: the Hungarian algorithm.

    Equation: π = argmax_π Σ_j scores[j, π(j)].

    An infinite score weighs more than all finite ones together.

    Args:
        scores: of each pair, larger is better, shape (n_references, n_estimates), n_estimates ≥ n_references.
    Returns:
        π, shape (n_references,): ``estimates[π]`` stand in the order of the references.
    Raises:
        ValueError: if there are fewer estimates than references, or a score is NaN.
    Cost: O(J³) for J sources, where trying all orders takes J!.
    Reference: H. W. Kuhn, "The Hungarian method for the assignment problem", Naval Research Logistics 2, 1955.
    Lesson: 02 §4
    """
    from scipy.optimize import linear_sum_assignment

    table = np.asarray(scores, dtype=np.float64)
    if table.ndim != 2 or not 0 < table.shape[0] <= table.shape[1]:
        raise ValueError(
            f"scores: got {describe(table)}, expected (n_references, n_estimates) with at least as many estimates as "
            "references. Compute a score for every pair."
        )
    if np.isnan(table).any():
        raise ValueError(
            f"scores: {np.count_nonzero(np.isnan(table))} of {table.size} are NaN, expected numbers or ±inf. "
            "Give a pair that cannot be scored −inf."
        )
    finite = table[np.isfinite(table)]
    # In units of the range of the finite scores, of which no sum over pairs exceeds the number of pairs.
    low, span = (finite.min(), np.ptp(finite)) if finite.size else (0.0, 0.0)
    beyond = table.shape[0] + 1.0
    return np.asarray(linear_sum_assignment(np.clip((table - low) / (span or 1.0), -beyond, beyond), maximize=True)[1])


def _as_sources(references: ArrayLike, estimates: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return both sets at unit norm; a silent estimate stays silent."""
    s = as_signal(references, "references", n_axes=2).astype(np.float64)
    s_hat = as_signal(estimates, "estimates", n_axes=2).astype(np.float64)
    if s.shape != s_hat.shape:
        raise ValueError(
            f"estimates: got {describe(s_hat)}, expected the shape of the references, {s.shape}. "
            "Cut both to the same samples and pass one estimate for each reference."
        )
    return _to_unit_norm(s, "references")[0], _to_unit_norm(s_hat)[0]


def _to_unit_norm(x: NDArray[np.float64], name: str | None = None) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return signals at unit norm, and their norms; silence, which is refused if there is a name for it, stays."""
    peak = peak_of(x)
    if name is not None:
        refuse_silence(peak[..., 0] == 0, name)
    x = x / np.where(peak > 0, peak, 1)
    norm = np.sqrt(np.sum(x**2, axis=-1, keepdims=True))
    return x / np.where(norm > 0, norm, 1), (peak * norm)[..., 0]
