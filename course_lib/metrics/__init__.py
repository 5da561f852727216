"""Measures of how close an estimate is to its reference. The reference comes first.

Conventions. Levels are in dB; computation is in float64 whatever the input. A perfect estimate gives +inf, the honest
value of a ratio whose denominator is zero. A silent reference leaves nothing to compare with and raises
:class:`~course_lib.validation.SilentSignalError`: never NaN, never a warning.

What counts as an error tells the ratios apart. With ŝ = αs + r, r orthogonal to the reference s: SNR counts r and the
wrong scale, (1 − α)s; SI-SDR counts r, against αs. They agree where α = 1, that is, where the error is
orthogonal to the reference, and besides only by coincidence, where SI-SDR = (1 + α)/(1 − α) as a ratio of powers. SDR
forgives any filter of L taps, not only the one tap α: it is at least SI-SDR (without removal of means), and equals it
if L = 1, always, and for L > 1 where r is orthogonal to all L − 1 delayed copies of s.
"""

from course_lib.metrics.detection import ROC, roc_curve
from course_lib.metrics.echo import erle, misalignment
from course_lib.metrics.perceptual import pesq, stoi
from course_lib.metrics.ratios import si_sdr, si_sdr_improvement, snr
from course_lib.metrics.separation import BSSEval, Decomposition, best_permutation, bss_eval, decompose

__all__ = [
    "ROC",
    "BSSEval",
    "Decomposition",
    "best_permutation",
    "bss_eval",
    "decompose",
    "erle",
    "misalignment",
    "pesq",
    "roc_curve",
    "si_sdr",
    "si_sdr_improvement",
    "snr",
    "stoi",
]
