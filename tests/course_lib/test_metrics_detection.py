"""The ROC: hand-counted points, invariances, and what has no curve."""

from __future__ import annotations

import numpy as np
import pytest

from course_lib.metrics import roc_curve


@pytest.fixture
def rng():
    return np.random.default_rng(11)


def test_points_counted_by_hand():
    roc = roc_curve([0.9, 0.6, 0.5, 0.2], [True, False, True, False])
    np.testing.assert_allclose(roc.false_alarm_rate, [0, 0, 0.5, 0.5, 1])
    np.testing.assert_allclose(roc.detection_rate, [0, 0.5, 0.5, 1, 1])
    np.testing.assert_allclose(roc.thresholds, [np.inf, 0.9, 0.6, 0.5, 0.2])
    assert roc.area == pytest.approx(0.75)


def test_the_area_is_the_probability_of_the_right_order(rng):
    labels = rng.random(300) < 0.3
    scores = np.round(rng.standard_normal(300) + labels, 1)
    positive, negative = scores[labels][:, None], scores[~labels][None]
    assert roc_curve(scores, labels).area == pytest.approx(
        np.mean((positive > negative) + 0.5 * (positive == negative))
    )


def test_perfect_reversed_and_uninformed_detectors():
    labels = np.array([0, 1, 1, 0, 1])
    assert roc_curve(labels, labels).area == 1.0
    assert roc_curve(-labels, labels).area == 0.0
    assert roc_curve(np.zeros(5), labels).area == 0.5


def test_a_monotone_map_of_the_scores_changes_the_thresholds_only(rng):
    labels = rng.random(100) < 0.5
    scores = rng.standard_normal(100) + labels
    first, second = roc_curve(scores, labels), roc_curve(np.exp(scores), labels)
    np.testing.assert_array_equal(first.detection_rate, second.detection_rate)
    np.testing.assert_array_equal(first.false_alarm_rate, second.false_alarm_rate)
    assert first.area == second.area


def test_every_point_is_what_its_threshold_finds(rng):
    labels = rng.random(50) < 0.4
    scores = rng.standard_normal(50) + labels
    roc = roc_curve(scores, labels)
    for threshold, false_alarms, detections in zip(
        roc.thresholds, roc.false_alarm_rate, roc.detection_rate, strict=True
    ):
        assert detections == pytest.approx(np.mean(scores[labels] >= threshold))
        assert false_alarms == pytest.approx(np.mean(scores[~labels] >= threshold))


@pytest.mark.parametrize(
    ("scores", "labels", "match"),
    [
        ([1.0, 2.0], [True], "labels: got .*one for each score"),
        ([1.0, 2.0], [0, 2], "labels: got .*booleans"),
        ([1.0, 2.0], [True, True], "labels: all 2 are True, expected both"),
        ([1.0, 2.0], [0, 0], "labels: all 2 are False, expected both"),
        ([1.0, np.nan], [0, 1], "scores: 1 of 2 values are NaN"),
        ([], [], "scores: got .*at least one"),
    ],
)
def test_what_has_no_curve_is_refused(scores, labels, match):
    with pytest.raises(ValueError, match=match):
        roc_curve(scores, labels)
