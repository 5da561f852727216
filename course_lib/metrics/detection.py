"""How well a statistic tells two cases apart, whatever the threshold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from course_lib.validation import as_signal, describe


@dataclass(frozen=True, eq=False)
class ROC:
    """The receiver operating characteristic of a detector: what each threshold finds, and at what price.

    Attributes:
        false_alarm_rate: share of the negatives found, from 0 to 1 and rising, shape (n_thresholds,).
        detection_rate: share of the positives found, from 0 to 1 and rising, shape (n_thresholds,).
        thresholds: scores from which on something counts as found, falling from +inf, shape (n_thresholds,).
        area: under the curve: 1 for a perfect detector, ½ for one that guesses.
    Lesson: 05 §8
    """

    false_alarm_rate: NDArray[np.float64]
    detection_rate: NDArray[np.float64]
    thresholds: NDArray[np.float64]
    area: float


def roc_curve(scores: ArrayLike, labels: ArrayLike) -> ROC:
    """Rate a detector at every threshold at once, by scikit-learn.

    Equation: detection rate = P(score ≥ θ | positive), false-alarm rate = P(score ≥ θ | negative) against θ; the area
        is the probability that a positive scores higher than a negative, ties counting half.

    The first point is that of no threshold reached, (0, 0), the last that of all, (1, 1); points on a straight line
    between others are left out.

    Args:
        scores: higher where it is more likely that there is something, shape (n_samples,).
        labels: whether there is, boolean or 0 and 1, shape (n_samples,).
    Returns:
        Both rates against the threshold, and the area.
    Raises:
        ValueError: if the shapes differ, scores are not finite, labels are neither true nor false, or all the same.
        ModuleNotFoundError: if scikit-learn is not installed.
    Cost: O(N log N).
    Reference: T. Fawcett, "An introduction to ROC analysis", Pattern Recognition Letters 27(8), 2006.
    Lesson: 05 §8
    """
    statistic = as_signal(scores, "scores", n_axes=1).astype(np.float64)
    truth = np.asarray(labels)
    if truth.shape != statistic.shape or not np.isin(truth, (0, 1)).all():
        raise ValueError(
            f"labels: got {describe(truth)}, expected booleans (or 0 and 1) of shape {statistic.shape}, one for each "
            "score."
        )
    truth = truth.astype(np.bool_)
    if truth.all() or not truth.any():
        raise ValueError(
            f"labels: all {truth.size} are {bool(truth[0])}, expected both: a rate of none has no value. "
            "Take a stretch that holds both cases."
        )
    try:
        from sklearn import metrics
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "scikit-learn is not installed, which draws the curve. Run pip install scikit-learn.", name="sklearn"
        ) from error

    false_alarm_rate, detection_rate, thresholds = metrics.roc_curve(truth, statistic)
    return ROC(false_alarm_rate, detection_rate, thresholds, float(metrics.auc(false_alarm_rate, detection_rate)))
