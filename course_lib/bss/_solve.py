"""The iterations of AuxIVA and ILRMA on a prepared mixture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from course_lib.bss._blocks import Blocks
from course_lib.bss._mixture import Mixture
from course_lib.bss._twins import EMPTY_OUTPUT, as_planes

Report = Callable[[int, float], None]

# Smallest power of a source in a frame, relative to the mean power of the mixture (−100 dB).
_LEVEL_FLOOR: Final = 1e-10
# A warm start further than this from the mixture's power (±60 dB) is brought to it: the floor stands relative to it.
_FURTHEST_POWER: Final = 1e6
# Directions with less than this part of the power of the loudest one (−80 dB) are not raised further by whitening.
_SMALLEST_EIGENVALUE: Final = 1e-8


@dataclass(eq=False)
class SourceModel:
    """Bases, activations and, if partitioned, the partition; shapes as in :class:`course_lib.bss.Separation`, but the
    bases of the plain model are (n_freqs, n_sources, n_bases)."""

    bases: NDArray[np.float64]
    activations: NDArray[np.float64]
    partition: NDArray[np.float64] | None = None


def start_filter(
    mixture: Mixture, demixing_filter: ArrayLike | None, *, sphered: bool = False
) -> NDArray[np.complex128]:
    """Return the solver's first filter, shape (n_active_freqs, n_sources, n_sources)."""
    if len(mixture.channels) == 0:
        return np.zeros((0, mixture.n_sources, mixture.n_sources), dtype=np.complex128)
    W: NDArray[np.complex128]
    if demixing_filter is None:
        # One scale for all frequencies: at first, the loud ones decide when a source is active.
        levels = mixture.gains.min() / mixture.gains
        W = levels[:, None, None] * (_sphering(mixture) if sphered else np.eye(mixture.n_sources, dtype=np.complex128))
    else:
        W = mixture.filter_inside(demixing_filter)
    power = float(np.mean(np.abs(W @ mixture.channels) ** 2))
    if demixing_filter is None or not 1 / _FURTHEST_POWER < power < _FURTHEST_POWER:
        W /= np.sqrt(power)
    return W


def _sphering(mixture: Mixture) -> NDArray[np.complex128]:
    """Return the filter whose outputs are uncorrelated, equally loud, and as near to the microphones as that allows.

    W = U R^(−1/2), with the rotation U nearest to what takes the whitened channels to the first microphones. Without a
    reduction of channels U is the identity.
    """
    channels = mixture.channels
    covariance = channels @ channels.conj().swapaxes(1, 2) / channels.shape[2]
    eigenvalues, eigenvectors = np.linalg.eigh(covariance)
    roots = np.sqrt(np.maximum(eigenvalues, _SMALLEST_EIGENVALUE * eigenvalues[:, -1:]))
    adjoint = eigenvectors.conj().swapaxes(1, 2)
    # The outputs together keep the power of the channels, so that the levels of the frequencies stay as recorded.
    level = np.sqrt(eigenvalues.sum(axis=1) / mixture.n_sources)[:, None, None]
    sphering: NDArray[np.complex128] = level * (eigenvectors / roots[:, None, :]) @ adjoint
    if mixture.n_sources == len(mixture.X):
        return sphering
    to_microphones = mixture.projection[mixture.active_freqs, :, : mixture.n_sources].conj().swapaxes(1, 2)
    left, _, right = np.linalg.svd(to_microphones @ ((eigenvectors * roots[:, None, :]) @ adjoint))
    rotated: NDArray[np.complex128] = (left @ right) @ sphering
    return rotated


def solve_iva(
    mixture: Mixture, W: NDArray[np.complex128], source_model: str, update: str, n_iterations: int, report: Report
) -> None:
    """Iterate AuxIVA on W in place; ``report(iteration, loss)`` hears of the start and of every iteration."""
    from course_lib.bss._kernels import iva_sweep  # brings the compiler, which takes a second to import

    Y = as_planes(W @ mixture.channels)
    n_freqs, n_frames = Y.shape[0], Y.shape[3]
    if Y.size == 0:
        for iteration in range(n_iterations + 1):
            report(iteration, 0.0)
        return
    log_det = float(mixture.log_determinants(W).sum())
    with Blocks(n_freqs, Y.size // 2) as blocks:
        power = np.sum(Y**2, axis=(0, 2))
        weights, cost = _contrast(power, n_freqs, source_model)
        report(0, float(cost.sum()) / n_frames - 2 * log_det)
        for iteration in range(1, n_iterations + 1):
            power, fall = blocks.run(iva_sweep, (Y, W), (weights, update == "iss"))
            log_det -= fall
            weights, cost = _contrast(power, n_freqs, source_model)
            report(iteration, float(cost.sum()) / n_frames - 2 * log_det)


def _contrast(
    power: NDArray[np.float64], n_freqs: int, source_model: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the weights φ and the cost G of every source and frame, from r² (n_sources, n_frames)."""
    if source_model == "laplace":
        # The parabola that touches r at c; with c held above the floor it is the cost itself, and joins r smoothly.
        c = np.sqrt(np.maximum(power, _LEVEL_FLOOR * n_freqs))
        return 0.5 / c, 0.5 * (power / c + c)
    variance = np.maximum(power / n_freqs, _LEVEL_FLOOR)
    return 1 / variance, n_freqs * np.log(variance) + power / variance


def normalise_outputs(mixture: Mixture, W: NDArray[np.complex128]) -> None:
    """Give every output unit mean power at every frequency, in place; one that is empty stays."""
    power = np.sum(np.abs(W @ mixture.channels) ** 2, axis=2) / max(1, mixture.channels.shape[2])
    largest = mixture.n_sources * np.sum(np.abs(W) ** 2, axis=2)
    W /= np.sqrt(np.where(power > EMPTY_OUTPUT * largest, power, 1.0))[:, :, None]


def solve_ilrma(
    mixture: Mixture, W: NDArray[np.complex128], model: SourceModel, update: str, n_iterations: int, report: Report
) -> None:
    """Iterate ILRMA on W and on the source model in place; reports as :func:`solve_iva`."""
    Y = as_planes(W @ mixture.channels)
    if Y.size == 0:
        for iteration in range(n_iterations + 1):
            report(iteration, 0.0)
        return
    iterate = _iterate_plain if model.partition is None else _iterate_partitioned
    with Blocks(len(Y), Y.size // 2) as blocks:
        iterate(mixture, blocks, Y, W, model, update == "iss", n_iterations, report)


def _iterate_plain(
    mixture: Mixture,
    blocks: Blocks,
    Y: NDArray[np.float64],
    W: NDArray[np.complex128],
    model: SourceModel,
    steering: bool,
    n_iterations: int,
    report: Report,
) -> None:
    from course_lib.bss._kernels import ilrma_sweep

    T, V = model.bases, model.activations
    log_det = float(mixture.log_determinants(W).sum())
    for iteration in range(n_iterations + 1):
        # An iteration is bases, activations, filter; a sweep begins with the filter and ends with the next bases.
        numerator, denominator, cost, fall = blocks.run(
            ilrma_sweep, (Y, W, T), (V, steering, iteration > 0, iteration < n_iterations)
        )
        log_det -= fall
        report(iteration, cost / Y.shape[3] - 2 * log_det)
        if iteration < n_iterations:
            V *= multiplier(numerator, denominator)


def _iterate_partitioned(
    mixture: Mixture,
    blocks: Blocks,
    Y: NDArray[np.float64],
    W: NDArray[np.complex128],
    model: SourceModel,
    steering: bool,
    n_iterations: int,
    report: Report,
) -> None:
    from course_lib.bss._kernels import partition_sweep, shared_bases_sweep

    T, V, Z = model.bases, model.activations, model.partition
    assert Z is not None
    log_det = float(mixture.log_determinants(W).sum())
    for iteration in range(n_iterations + 1):
        numerator, denominator, cost, fall = blocks.run(partition_sweep, (Y, W, T), (V, Z, steering, iteration > 0))
        log_det -= fall
        report(iteration, cost / Y.shape[3] - 2 * log_det)
        if iteration < n_iterations:
            Z *= multiplier(numerator, denominator)
            # What makes the columns add up to one goes to the bases, so that the model and its loss stay as they are.
            total = Z.sum(axis=0)
            shared = total > 0
            Z[:, shared] /= total[shared]
            T *= total
            numerator, denominator = blocks.run(shared_bases_sweep, (Y, T), (V, Z))
            V *= multiplier(numerator, denominator)


def multiplier(numerator: NDArray[np.float64], denominator: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the factor of a multiplicative update for Itakura–Saito; one where a part has no weight at all."""
    ratio = np.divide(numerator, denominator, out=np.ones_like(numerator), where=denominator > 0)
    factor: NDArray[np.float64] = np.sqrt(ratio)
    return factor
