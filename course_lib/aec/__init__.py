"""Acoustic echo cancelling: alignment, double-talk detection and, for what needs no PyTorch, all that stands on them.

Argument order is ``(far_end, microphone)`` throughout. x is the far-end signal, h the echo path, s near-end speech, v
noise, y = x ∗ h + s + v what the microphone hears, ŷ = x ∗ ĥ the estimated echo, e = y − ŷ what is sent.
"""

from course_lib.aec.alignment import DelayTracker, align, estimate_delay
from course_lib.aec.canceller import Cancellation, EchoCanceller, cancel_echo
from course_lib.aec.double_talk import (
    DoubleTalk,
    coherence_detector,
    cross_correlation_detector,
    geigel,
    hold_decision,
)
from course_lib.aec.residual import ResidualSuppressor, suppress_residual_echo

__all__ = [
    "Cancellation",
    "DelayTracker",
    "DoubleTalk",
    "EchoCanceller",
    "ResidualSuppressor",
    "align",
    "cancel_echo",
    "coherence_detector",
    "cross_correlation_detector",
    "estimate_delay",
    "geigel",
    "hold_decision",
    "suppress_residual_echo",
]
