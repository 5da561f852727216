"""The Kalman filter of the frequency domain: it knows how little it knows, and so how far to trust an error.

Conventions. L is the block length, k one of the K = L + 1 frequencies of a DFT of 2L samples, p = 0 … P − 1 the
partitions of L taps, m the hop. X_p[k,m] is the spectrum of the 2L samples of the far end that end pL samples ago,
E[k,m] that of the newest L samples of the error behind as many zeros.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from course_lib.adaptive._block_streams import Array, BlockFilter, as_number, run_offline
from course_lib.adaptive._kalman_state import KalmanState
from course_lib.adaptive.adaptation import Adaptation


class FrequencyDomainKalman(BlockFilter):
    """Adapt a filter to a stream by a Kalman filter in the frequency domain, partitioned and diagonal.

    Equation: D = ½ Σ_p |X_p|² P_p + R Ψ;  W_p ← W_p + P_p X_p* E / D, each partition constrained to L taps;
        P_p ← A² (1 − ½ P_p |X_p|² / D) P_p + (1 − A²)(|W_p|² + 10⁻³ P₀);  Ψ ← β Ψ + (1 − β) |E|² before

    The echo path is a state that drifts: W ← A W + noise. P is how uncertain the filter is of it, so the first part
    of D is the power of the error that the filter blames on itself, and Ψ is that of near-end speech and noise. Their
    ratio is the step size, at every frequency by itself: large when much of the error must be echo, close to zero when
    somebody talks at the near end or nobody at the far end. So it needs neither a double-talk detector nor freezing.
    Ψ is estimated from the error itself, smoothed over three neighbouring frequencies, which overestimates it a little
    and never lets the gain pass one half of what would cancel the error at once.

    The uncertainty at the start is guessed from the levels of error and far end whenever the far end becomes 6 dB
    louder than ever before: P_p = g q_p, with g twice the power of the error over that of the far end and q_p a profile
    that falls by ``decay_db`` a partition, as sound in a room does. So no level has to be known. P₀ is the same with
    the microphone in place of the error: the P of an echo path of which nothing is known.

    With ``hop_length`` below the block length blocks overlap by the factor R = block_length / hop_length. Learning
    then is faster and the latency lower, for R times the cost. Each partition is then constrained once in four blocks.

    Args:
        n_taps: length of the impulse response.
        block_length: L, samples a partition.
        hop_length: samples from block to block, a divisor of block_length; block_length unless given.
        transition: A for a whole block: 1 for an echo path that never changes.
        noise_smoothing: β, from 0 to below 1, for a hop.
        decay_db: how much weaker each partition is expected to be than the one before, in decibels.
        n_channels: of the far end.
    Attributes:
        latency: most samples by which the output is behind the input, equal to hop_length.
    Raises:
        ValueError: if a length is no whole number, hop_length no divisor, or a number lies outside its range.
    Cost: O((L + n_taps) R log L / L + R n_taps / L) a sample.
    Reference: G. Enzner and P. Vary, "Frequency-domain adaptive Kalman filter for acoustic echo control in hands-free
        telephones", Signal Processing 86(6), 2006; F. Kuech, E. Mabande and G. Enzner, "State-space architecture of the
        partitioned-block-based acoustic echo controller", ICASSP 2014.
    Lesson: 05 §8
    """

    def __init__(
        self,
        n_taps: int,
        block_length: int = 256,
        *,
        hop_length: int | None = None,
        transition: float = 0.999,
        noise_smoothing: float = 0.5,
        decay_db: float = 1.5,
        n_channels: int = 1,
    ) -> None:
        """Start with an echo path of zeros; see the class."""
        self._transition = as_number(transition, "transition", 0.0, 1.0)
        self._smoothing = as_number(noise_smoothing, "noise_smoothing", 0.0, 1.0)
        if self._smoothing == 1.0:
            raise ValueError("noise_smoothing: got 1, expected a number below it. With 1 the noise is never estimated.")
        self._decay_db = as_number(decay_db, "decay_db", 0.0)
        super().__init__(n_taps, block_length, hop_length, n_channels)

    def _start(self) -> None:
        super()._start()
        self._state = KalmanState(
            self._W.shape,
            self._n_taps,
            self.latency,
            transitions=[self._transition],
            noise_smoothing=self._smoothing,
            channel_weights=np.ones(self._n_channels),
            decay_db=self._decay_db,
        )
        self._W = self._state.W[0]
        self._recent_y = np.zeros(self._block_length)

    def _process(self, y: Array, adapt: bool) -> Array:
        self._recent_y = np.concatenate([self._recent_y[y.size :], y])
        estimate = self._state.predict(self._far_end)
        if adapt:
            self._state.correct(self._far_end, self._recent_y, estimate)
        return estimate[0, -y.size :]


def frequency_domain_kalman(
    x: ArrayLike,
    y: ArrayLike,
    n_taps: int,
    block_length: int = 256,
    *,
    hop_length: int | None = None,
    transition: float = 0.999,
    noise_smoothing: float = 0.5,
    decay_db: float = 1.5,
    adapt: ArrayLike = True,
    snapshot_every: int | None = None,
) -> Adaptation:
    """Identify an echo path from a recording by a Kalman filter: :class:`FrequencyDomainKalman` in one call.

    Equation: D = ½ Σ_p |X_p|² P_p + R Ψ;  W_p ← W_p + P_p X_p* E / D, each partition constrained to L taps;
        P_p ← A² (1 − ½ P_p |X_p|² / D) P_p + (1 − A²)(|W_p|² + 10⁻³ P₀);  Ψ ← β Ψ + (1 − β) |E|² before

    Args:
        x: far-end signal, shape (n_samples,), or (n_channels, n_samples).
        y: signal of the microphone, shape (n_samples,).
        n_taps: length of the impulse response.
        block_length: L, samples a partition.
        hop_length: samples from block to block, a divisor of block_length; block_length unless given.
        transition: A for a whole block: 1 for an echo path that never changes.
        noise_smoothing: β, from 0 to below 1, for a hop.
        decay_db: how much weaker each partition is expected to be than the one before, in decibels.
        adapt: whether to learn, or one such flag for each sample, shape (n_samples,).
        snapshot_every: samples between two snapshots of ĥ, each as the last complete hop has left it; none are kept
            unless given.
    Returns:
        Estimate, error and impulse response.
    Raises:
        ValueError: if the lengths differ, an input is empty, complex or not finite, or a number outside its range.
    Cost: O(N (L + n_taps) R log L / L).
    Reference: G. Enzner and P. Vary, "Frequency-domain adaptive Kalman filter for acoustic echo control in hands-free
        telephones", Signal Processing 86(6), 2006; F. Kuech, E. Mabande and G. Enzner, "State-space architecture of the
        partitioned-block-based acoustic echo controller", ICASSP 2014.
    Lesson: 05 §8
    """
    n_channels = 1 if np.ndim(x) < 2 else np.shape(x)[0]
    return run_offline(
        lambda: FrequencyDomainKalman(
            n_taps,
            block_length,
            hop_length=hop_length,
            transition=transition,
            noise_smoothing=noise_smoothing,
            decay_db=decay_db,
            n_channels=n_channels,
        ),
        x,
        y,
        adapt,
        snapshot_every,
    )
