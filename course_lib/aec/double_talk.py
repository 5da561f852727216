"""Double talk: is there more in the microphone than the echo?

An adaptive filter takes everything in the microphone's signal that it cannot explain for an error of its own, near-end
speech included, and forgets the echo path over it. A detector tells when to hold the filter.

All detectors here return a statistic per sample that grows with double talk, is known without looking ahead, does not
depend on how loud the recording is, and is finite. It says what stands in the microphone beyond the echo: where the far
end is silent and the near end is not, it is as high as it can be, for a filter must not learn there either. Where the
microphone is silent it is 0. ``adapt=~detector.active`` is what an adaptive filter of :mod:`course_lib.adaptive` takes,
and ``roc_curve(detector.statistic, scene.double_talk)`` of :mod:`course_lib.metrics` shows what thresholds cost.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from course_lib.aec._signals import as_call
from course_lib.constants import SAMPLE_RATE_HZ
from course_lib.stft import make_window
from course_lib.validation import as_number, as_positive_integer

GEIGEL_CEILING: Final = 1e3
"""Largest value of Geigel's statistic, which it takes where the far end is silent and the microphone is not."""


@dataclass(frozen=True, eq=False)
class DoubleTalk:
    """What a double-talk detector says, sample by sample.

    Attributes:
        statistic: the higher, the more like double talk, finite, shape (n_samples,).
        active: whether the statistic is above the threshold, or was within the hangover, bool, shape (n_samples,).
        threshold: that the statistic was compared with.
    Lesson: 05 §8
    """

    statistic: NDArray[np.float64]
    active: NDArray[np.bool_]
    threshold: float


def geigel(
    far_end: ArrayLike,
    microphone: ArrayLike,
    *,
    n_taps: int = 1024,
    threshold: float = 0.5,
    hangover_s: float = 0.03,
    sample_rate: int = SAMPLE_RATE_HZ,
) -> DoubleTalk:
    """Detect double talk by level: an echo should be weaker than what made it.

    Equation: ξ[n] = |y[n]| / max(|x[n]|, …, |x[n − L + 1]|), from 0 to 1000

    The threshold says how much the echo path is trusted to take away: 0.5 for the 6 dB of a telephone line's hybrid. A
    loudspeaker near the microphone needs a higher one, which only louder near-end speech exceeds.

    Args:
        far_end: x, shape (n_samples,).
        microphone: y, shape (n_samples,).
        n_taps: L, samples of the far end that may sound in the echo: delay and echo path.
        threshold: statistic above which there is double talk.
        hangover_s: how long it is taken to go on after the last sample above the threshold, in seconds.
        sample_rate: in hertz.
    Returns:
        Statistic, decision and threshold.
    Raises:
        ValueError: if the signals are not finite rows of one length, or a number is out of range.
    Cost: O(N).
    Reference: D. L. Duttweiler, "A twelve-channel digital echo canceler", IEEE Trans. Communications 26(5), 1978.
    Lesson: 05 §8
    """
    from scipy.ndimage import maximum_filter1d

    x, y = as_call({"far_end": far_end, "microphone": microphone})
    n_taps = as_positive_integer(n_taps, "n_taps")
    # Centred on sample n + L // 2, the window holds the samples n to n + L − 1: those back to L − 1 before the last.
    padded = np.concatenate([np.zeros(n_taps - 1), np.abs(x), np.zeros(n_taps)])
    loudest = maximum_filter1d(padded, n_taps, mode="constant")[n_taps // 2 :][: len(x)]
    level = np.abs(y)
    statistic = np.full(len(y), GEIGEL_CEILING)
    np.divide(level, loudest, out=statistic, where=level < GEIGEL_CEILING * loudest)
    statistic[level == 0.0] = 0.0
    return _decide(statistic, threshold, hangover_s, sample_rate)


def cross_correlation_detector(
    echo_estimate: ArrayLike,
    microphone: ArrayLike,
    *,
    memory_s: float = 0.05,
    threshold: float = 0.1,
    hangover_s: float = 0.05,
    sample_rate: int = SAMPLE_RATE_HZ,
) -> DoubleTalk:
    """Detect double talk by the normalised cross-correlation of microphone and estimated echo, in its fast form.

    Equation: 1 − ξ²[n] = 1 − ⟨ŷ y⟩ / ⟨y²⟩, from 0 to 1, with ⟨v⟩[n] = λ ⟨v⟩[n − 1] + (1 − λ) v[n], λ = exp(−1/(τ f_s))

    The cross-correlation of far end and microphone, normalised by the correlation within the far end and the power of
    the microphone, is ξ² = r_xyᵀ R_xx⁻¹ r_xy / σ_y²: the share of the microphone's power that the best filter would
    explain. R_xx⁻¹ r_xy is that filter; put ĥ of the canceller in its place and r_xyᵀ ĥ = ⟨ŷ y⟩: no matrix is left.
    Then the statistic is only as good as ĥ. Before it has converged all echo looks like double talk: a filter that is
    held by this detector must be let go at the start, and after a change of the echo path.

    Args:
        echo_estimate: ŷ = x ∗ ĥ, shape (n_samples,).
        microphone: y, shape (n_samples,).
        memory_s: τ, over which the averages forget, in seconds.
        threshold: statistic above which there is double talk.
        hangover_s: how long it is taken to go on after the last sample above the threshold, in seconds.
        sample_rate: in hertz.
    Returns:
        Statistic, decision and threshold.
    Raises:
        ValueError: if the signals are not finite rows of one length, or a number is out of range.
    Cost: O(N).
    Reference: J. Benesty, D. R. Morgan and J. H. Cho, "A new class of doubletalk detectors based on cross-correlation",
        IEEE Trans. Speech and Audio Processing 8(2), 2000; T. Gänsler and J. Benesty, "The fast normalized
        cross-correlation double-talk detector", Signal Processing 86(6), 2006.
    Lesson: 05 §8
    """
    from scipy.signal import lfilter

    estimate, y = as_call({"echo_estimate": echo_estimate, "microphone": microphone})
    sample_rate = as_positive_integer(sample_rate, "sample_rate")
    forgetting = math.exp(-1.0 / (as_number(memory_s, "memory_s", 0, above=True) * sample_rate))
    scale = float(np.abs(y).max())
    if scale > 0.0:
        estimate, y = estimate / scale, y / scale
    products = np.stack([estimate * y, y * y])
    explained, power = lfilter([1.0 - forgetting], [1.0, -forgetting], products)
    return _decide(_unexplained(explained, power), threshold, hangover_s, sample_rate)


def coherence_detector(
    far_end: ArrayLike,
    microphone: ArrayLike,
    *,
    frame_length: int = 2048,
    hop_length: int | None = None,
    memory_s: float = 0.2,
    threshold: float = 0.2,
    hangover_s: float = 0.0,
    sample_rate: int = SAMPLE_RATE_HZ,
) -> DoubleTalk:
    """Detect double talk by the coherence of far end and microphone: no filter is needed.

    Equation: 1 − ξ²[m] = 1 − Σ_k |Φ_xy[k]|²/Φ_xx[k] / Σ_k Φ_yy[k] = 1 − Σ_k C_xy[k] Φ_yy[k] / Σ_k Φ_yy[k], from 0 to
        1, where Φ_ab[k,m] = λ Φ_ab[k,m − 1] + (1 − λ) A*[k,m] B[k,m] and λ = exp(−R/(τ f_s))

    In the frequency domain R_xx is nearly diagonal, so that ξ² of the normalised cross-correlation becomes the
    magnitude-squared coherence C_xy, averaged over frequency with the microphone's power as its weight. The statistic
    is known when a frame ends and stands until the next one does; before the end of the first it is 0.

    A frame must be longer than the echo path, or what arrives after it counts as double talk; an estimated echo ŷ in
    place of the far end allows short frames. Averages of few frames find coherence in anything: about R/(τ f_s) of it.

    Args:
        far_end: x, aligned with the echo, or the estimated echo ŷ, shape (n_samples,).
        microphone: y, shape (n_samples,).
        frame_length: K, samples a frame.
        hop_length: R, samples from frame to frame; a quarter of a frame unless given.
        memory_s: τ, over which the averages forget, in seconds.
        threshold: statistic above which there is double talk.
        hangover_s: how long it is taken to go on after the last sample above the threshold, in seconds.
        sample_rate: in hertz.
    Returns:
        Statistic, decision and threshold.
    Raises:
        ValueError: if the signals are not finite rows of one length, or a number is out of range.
    Cost: O(N/R·K·log K).
    Reference: T. Gänsler, M. Hansson, C.-J. Ivarsson and G. Salomonsson, "A double-talk detector based on coherence",
        IEEE Trans. Communications 44(11), 1996.
    Lesson: 05 §8
    """
    from scipy.signal import lfilter

    from course_lib.stft import stft

    x, y = as_call({"far_end": far_end, "microphone": microphone})
    sample_rate = as_positive_integer(sample_rate, "sample_rate")
    frame_length = as_positive_integer(frame_length, "frame_length")
    hop_length = max(1, frame_length // 4) if hop_length is None else as_positive_integer(hop_length, "hop_length")
    forgetting = math.exp(-hop_length / (as_number(memory_s, "memory_s", 0, above=True) * sample_rate))
    n_frames = max(0, (len(y) - frame_length) // hop_length + 1)
    statistic = np.zeros(len(y))
    if n_frames > 0:
        n_used = (n_frames - 1) * hop_length + frame_length
        signals = np.stack([x[:n_used] / (np.abs(x).max() or 1.0), y[:n_used] / (np.abs(y).max() or 1.0)])
        X, Y = stft(
            signals, make_window("hann", frame_length), frame_length=frame_length, hop_length=hop_length, centred=False
        )
        spectra = np.stack([X.conj() * Y, np.abs(X) ** 2 + 0j, np.abs(Y) ** 2 + 0j])
        cross, far_power, power = lfilter([1.0 - forgetting], [1.0, -forgetting], spectra)
        explained = np.zeros(cross.shape)
        np.divide(np.abs(cross) ** 2, far_power.real, out=explained, where=far_power.real > np.finfo(float).tiny)
        frames = _unexplained(explained.sum(axis=0), power.real.sum(axis=0))
        known = np.repeat(frames, hop_length)[: len(y) - frame_length + 1]
        statistic[frame_length - 1 :][: len(known)] = known
        statistic[frame_length - 1 + len(known) :] = frames[-1]
    return _decide(statistic, threshold, hangover_s, sample_rate)


def hold_decision(above: ArrayLike, n_hangover: int) -> NDArray[np.bool_]:
    """Let a decision stand for some samples after it was last made.

    Equation: held[n] = above[n] ∨ above[n − 1] ∨ … ∨ above[n − H]

    Args:
        above: decision per sample, bool, shape (n_samples,).
        n_hangover: H, samples that it stands for.
    Returns:
        The held decision, bool, shape (n_samples,).
    Raises:
        ValueError: if the hangover is not a whole number from 0.
    Cost: O(N).
    Reference: Hänsler & Schmidt, Acoustic Echo and Noise Control, Wiley, 2004, ch. 13.
    Lesson: 05 §8
    """
    decision = np.asarray(above, dtype=bool)
    n_hangover = as_positive_integer(n_hangover, "n_hangover", minimum=0)
    index = np.arange(len(decision))
    # A sample that nothing precedes is as far from the last decision as can be.
    last = np.maximum.accumulate(np.where(decision, index, -n_hangover - 1))
    held: NDArray[np.bool_] = index - last <= n_hangover
    return held


def _decide(statistic: NDArray[np.float64], threshold: float, hangover_s: float, sample_rate: int) -> DoubleTalk:
    threshold, hangover_s = as_number(threshold, "threshold"), as_number(hangover_s, "hangover_s", 0)
    n_hangover = round(hangover_s * as_positive_integer(sample_rate, "sample_rate"))
    return DoubleTalk(statistic, hold_decision(statistic > threshold, n_hangover), threshold)


def _unexplained(explained: NDArray[np.float64], power: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the share of the power that is not explained, 0 where there is no power."""
    share = np.ones_like(power)
    # What is left of an average long after its signal has ended has lost its digits.
    np.divide(explained, power, out=share, where=power > 1e-200)
    unexplained: NDArray[np.float64] = np.clip(1.0 - share, 0.0, 1.0)
    return unexplained
