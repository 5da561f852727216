"""Adaptive filters that learn a block at a time, in the frequency domain: as fine as LMS, at the cost of a few DFTs.

Conventions. L is the block length, k one of the K = L + 1 frequencies of a DFT of 2L samples, p = 0 … P − 1 the
partitions of L taps, m the block. X_p[k,m] is the spectrum of the 2L samples of the far end that end pL samples ago,
E[k,m] that of the newest block of the error behind L zeros.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import scipy.fft
from numpy.typing import ArrayLike

from course_lib.adaptive._block_streams import (
    Array,
    BlockFilter,
    as_number,
    constrain,
    frequency_kernels,
    kept_taps,
    run_offline,
    tail_spectrum,
)
from course_lib.adaptive._streams import LEVEL_MEMORY_SAMPLES
from course_lib.adaptive.adaptation import Adaptation

_QUIET: Final = 1e-4
"""Share of the far end's usual power below which it counts as silent (−40 dB)."""

_RECORD: Final = 4.0
"""How many times louder than ever before the far end must be for what was learnt to be doubted."""


class PartitionedBlockFilter(BlockFilter):
    """Adapt a filter to a stream block by block in the frequency domain, its impulse response cut into partitions.

    Equation: e = y − last L samples of IDFT(Σ_p X_p W_p);  W_p ← W_p + DFT(first L taps of IDFT(μ[k] X_p* E)),
        μ[k] = μ / (max_{|i|≤1} Σ_p |X_p[k+i]|² + δ), or μ itself if not normalised

    Not normalised and constrained this is block LMS, h[k] ← h[k] + μ Σ_n e[n] x[n − k] over the block, to rounding.
    Normalised, each frequency learns at a pace of its own, so that coloured input such as speech, which makes LMS slow,
    no longer does. Unconstrained, the half of each partition's taps that circular convolution wraps around is not taken
    back to zero: two DFTs a partition are saved, and a worse result is learnt.

    δ is relative to the power that the far end usually has, the largest of late, and where the far end is 40 dB weaker
    than that nothing is learnt: its background noise says nothing about the echo path. If the far end becomes louder
    than ever and the filter then does harm, it starts anew.

    Args:
        n_taps: length of the impulse response.
        block_length: L, samples a partition; the latency.
        step_size: μ; normalised between 0 and 1, else in the unit of one over a power.
        constrained: whether taps beyond the partition are taken back to zero.
        normalised: whether each frequency has its own step size.
        regularisation: δ relative to the mean over frequencies of the usual Σ_p |X_p|².
    Attributes:
        latency: most samples by which the output is behind the input, equal to block_length.
    Raises:
        ValueError: if a length is no whole number of at least 1, or a number lies outside its range.
    Cost: O((1 + P) log L) a sample; O(log L + P) unconstrained.
    Reference: J. J. Shynk, "Frequency-domain and multirate adaptive filtering", IEEE Signal Processing Magazine 9(1),
        1992; J.-S. Soo and K. K. Pang, "Multidelay block frequency domain adaptive filter", IEEE Trans. ASSP
        38(2), 1990.
    Lesson: 05 §7
    """

    def __init__(
        self,
        n_taps: int,
        block_length: int,
        *,
        step_size: float = 0.5,
        constrained: bool = True,
        normalised: bool = True,
        regularisation: float = 1e-2,
    ) -> None:
        """Start with an echo path of zeros; see the class."""
        self._step_size = as_number(step_size, "step_size", 0.0, 1.0 if normalised else np.inf)
        self._constrained, self._normalised = constrained, normalised
        self._regularisation = as_number(regularisation, "regularisation", 0.0)
        super().__init__(n_taps, block_length, None, 1)

    def _start(self) -> None:
        super()._start()
        self._kept = kept_taps(self._n_taps, self._n_partitions, self._block_length)
        self._Y = np.empty(self._block_length + 1, dtype=np.complex128)
        self._power = np.empty(self._block_length + 1)
        self._usual = self._loudest = 0.0

    def _process(self, y: Array, adapt: bool) -> Array:
        far_end, kernels = self._far_end, frequency_kernels()
        kernels.predict(far_end.spectra, far_end.newest, far_end.stride, self._W, self._Y)
        estimate: Array = scipy.fft.irfft(self._Y, n=2 * self._block_length)[self._block_length :]
        if self._normalised and self._is_loudest() and np.vdot(y - estimate, y - estimate) > np.vdot(y, y):
            # What was learnt from a quiet far end was noise, and would be as much louder as the far end now is.
            self._W[:] = 0.0
            estimate = np.zeros_like(y)
        step = self._step() if adapt else None
        if step is not None:
            kernels.descend(
                far_end.spectra, far_end.newest, far_end.stride, step * tail_spectrum(y - estimate), self._W
            )
            if self._constrained:
                constrain(self._W, self._kept)
        return estimate

    def _is_loudest(self) -> bool:
        """Tell whether the far end is four times louder than it was when this was last said."""
        energy = float(self._far_end.energies[:, self._far_end.newest].sum())
        if energy <= _RECORD * self._loudest:
            return False
        self._loudest = energy
        return True

    def _step(self) -> Array | float | None:
        """Return the step size of each frequency, or None where there is nothing to learn from."""
        if not self._normalised:
            return self._step_size
        far_end = self._far_end
        frequency_kernels().sum_powers(far_end.spectra, far_end.newest, far_end.stride, self._n_partitions, self._power)
        mean = float(self._power.mean())
        # A loud frequency leaks into the error of its quiet neighbours, which must not take it for theirs.
        power = self._power.copy()
        power[1:] = np.maximum(power[1:], self._power[:-1])
        power[:-1] = np.maximum(power[:-1], self._power[1:])
        forgetting = np.exp(-self._block_length / LEVEL_MEMORY_SAMPLES)
        self._usual = max(mean, forgetting * self._usual)
        if mean <= _QUIET * self._usual:
            return None
        step: Array = self._step_size / (power + self._regularisation * self._usual + np.finfo(np.float64).tiny)
        return step


def partitioned_block_lms(
    x: ArrayLike,
    y: ArrayLike,
    n_taps: int,
    block_length: int,
    *,
    step_size: float = 0.5,
    constrained: bool = True,
    normalised: bool = True,
    regularisation: float = 1e-2,
    adapt: ArrayLike = True,
    snapshot_every: int | None = None,
) -> Adaptation:
    """Identify an echo path from a recording block by block: :class:`PartitionedBlockFilter` in one call.

    Equation: e = y − last L samples of IDFT(Σ_p X_p W_p);  W_p ← W_p + DFT(first L taps of IDFT(μ[k] X_p* E)),
        μ[k] = μ / (max_{|i|≤1} Σ_p |X_p[k+i]|² + δ), or μ itself if not normalised

    Args:
        x: far-end signal, shape (n_samples,).
        y: signal of the microphone, shape (n_samples,).
        n_taps: length of the impulse response.
        block_length: L, samples a partition.
        step_size: μ; normalised between 0 and 1, else in the unit of one over a power.
        constrained: whether taps beyond the partition are taken back to zero.
        normalised: whether each frequency has its own step size.
        regularisation: δ relative to the mean over frequencies of the usual Σ_p |X_p|².
        adapt: whether to learn, or one such flag for each sample, shape (n_samples,).
        snapshot_every: samples between two snapshots of ĥ, each as the last complete block has left it; none are kept
            unless given.
    Returns:
        Estimate, error and impulse response.
    Raises:
        ValueError: if the lengths differ, an input is empty, complex or not finite, or a number outside its range.
    Cost: O(N (1 + P) log L).
    Reference: J. J. Shynk, "Frequency-domain and multirate adaptive filtering", IEEE Signal Processing Magazine 9(1),
        1992; J.-S. Soo and K. K. Pang, "Multidelay block frequency domain adaptive filter", IEEE Trans. ASSP
        38(2), 1990.
    Lesson: 05 §7
    """
    return run_offline(
        lambda: PartitionedBlockFilter(
            n_taps,
            block_length,
            step_size=step_size,
            constrained=constrained,
            normalised=normalised,
            regularisation=regularisation,
        ),
        x,
        y,
        adapt,
        snapshot_every,
    )


def frequency_domain_lms(
    x: ArrayLike,
    y: ArrayLike,
    n_taps: int,
    *,
    step_size: float = 0.5,
    constrained: bool = True,
    normalised: bool = True,
    regularisation: float = 1e-2,
    adapt: ArrayLike = True,
    snapshot_every: int | None = None,
) -> Adaptation:
    """Identify an echo path in the frequency domain with one partition: blocks as long as the impulse response.

    Equation: e = y − last L samples of IDFT(X W);  W ← W + DFT(first L taps of IDFT(μ[k] X* E)),
        μ[k] = μ / (max_{|i|≤1} |X[k+i]|² + δ), or μ itself if not normalised

    Args:
        x: far-end signal, shape (n_samples,).
        y: signal of the microphone, shape (n_samples,).
        n_taps: L, length of the impulse response and of a block.
        step_size: μ; normalised between 0 and 1, else in the unit of one over a power.
        constrained: whether taps beyond the block are taken back to zero.
        normalised: whether each frequency has its own step size.
        regularisation: δ relative to the mean over frequencies of the usual |X|².
        adapt: whether to learn, or one such flag for each sample, shape (n_samples,).
        snapshot_every: samples between two snapshots of ĥ, each as the last complete block has left it; none are kept
            unless given.
    Returns:
        Estimate, error and impulse response.
    Raises:
        ValueError: if the lengths differ, an input is empty, complex or not finite, or a number outside its range.
    Cost: O(N log L).
    Reference: E. R. Ferrara, "Fast implementation of LMS adaptive filters", IEEE Trans. ASSP 28(4), 1980; D. Mansour
        and A. H. Gray, "Unconstrained frequency-domain adaptive filter", IEEE Trans. ASSP 30(5), 1982.
    Lesson: 05 §7
    """
    return partitioned_block_lms(
        x,
        y,
        n_taps,
        n_taps,
        step_size=step_size,
        constrained=constrained,
        normalised=normalised,
        regularisation=regularisation,
        adapt=adapt,
        snapshot_every=snapshot_every,
    )
