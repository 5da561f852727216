"""Double-talk detectors: their statistics by definition, what they say of calls, and what freezing by them saves."""

from __future__ import annotations

import numpy as np
import pytest

from course_lib import data
from course_lib.adaptive import nlms
from course_lib.aec import align, coherence_detector, cross_correlation_detector, geigel, hold_decision
from course_lib.metrics import erle, roc_curve
from course_lib.scenes import echo_scene
from course_lib.scenes.echo import draw_echo_room

DETECTORS = (geigel, cross_correlation_detector, coherence_detector)
CEILING = {geigel: 1e3, cross_correlation_detector: 1.0, coherence_detector: 1.0}


@pytest.fixture
def rng():
    return np.random.default_rng(20)


@pytest.fixture(scope="module")
def calls():
    """Twelve calls in which the near end begins to speak after three seconds: far end aligned, echo estimated."""
    found = []
    for i, rt60_s in enumerate((0.2, 0.3, 0.4)):
        rng = np.random.default_rng(60 + i)
        room = draw_echo_room(rt60_s, rng)
        for j, signal_to_echo_db in enumerate((-5.0, 0.0, 5.0, 10.0)):
            talker = (i + 2 * j) % 8
            scene = echo_scene(
                data.speech_clip(talker, 6.0),
                data.speech_clip((talker + 3) % 8, 3.0),
                rng,
                room=room,
                signal_to_echo_db=signal_to_echo_db,
                near_end_start_s=3.0,
            )
            # A filter as the canceller has it before the near end speaks, and keeps it when it is frozen.
            h = scene.impulse_responses[0]
            h = h + 10 ** (-15 / 20) * np.linalg.norm(h) / np.sqrt(len(h)) * rng.standard_normal(len(h))
            estimate = np.convolve(scene.far_end, h)[: len(scene.far_end)]
            found.append((scene, align(scene.far_end, scene.microphone), estimate))
    return found


# --- statistics ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_taps", [1, 2, 5, 8, 100])
def test_geigel_compares_with_the_loudest_of_the_last_taps(n_taps, rng):
    x, y = rng.standard_normal((2, 60))
    expected = [abs(y[n]) / max(abs(x[max(0, n - n_taps + 1) : n + 1])) for n in range(len(x))]
    assert np.allclose(geigel(x, y, n_taps=n_taps).statistic, expected)


def test_geigel_by_hand():
    result = geigel([0, 4, 0, 0, 0], [1, 1, 3, 1, 0], n_taps=3, threshold=0.5, hangover_s=0.0)
    assert np.array_equal(result.statistic, [1000.0, 0.25, 0.75, 0.25, 0.0])
    assert np.array_equal(result.active, [True, False, True, False, False])
    assert result.threshold == 0.5


@pytest.mark.parametrize("memory_s", [0.001, 0.02])
def test_cross_correlation_is_the_share_of_power_that_the_estimate_leaves(memory_s, rng):
    estimate = rng.standard_normal(500)
    y = estimate + 0.5 * rng.standard_normal(500)
    forgetting = np.exp(-1 / (memory_s * 16_000))
    explained = power = 0.0
    expected = []
    for a, b in zip(estimate, y, strict=True):
        explained, power = (
            forgetting * old + (1 - forgetting) * new for old, new in ((explained, a * b), (power, b * b))
        )
        expected.append(min(max(1 - explained / power, 0), 1))
    assert np.allclose(cross_correlation_detector(estimate, y, memory_s=memory_s).statistic, expected, atol=1e-12)


@pytest.mark.parametrize("near_end_level", [0.0, 0.5, 1.0, 2.0])
def test_both_correlations_tell_the_near_ends_share_of_the_power(near_end_level, rng):
    x, s = rng.standard_normal((2, 160_000))
    share = near_end_level**2 / (1 + near_end_level**2)
    by_estimate = cross_correlation_detector(x, x + near_end_level * s, memory_s=1.0).statistic[80_000:]
    by_coherence = coherence_detector(x, x + near_end_level * s, frame_length=256, memory_s=2.0).statistic[80_000:]
    assert by_estimate.mean() == pytest.approx(share, abs=0.02)
    assert by_coherence.mean() == pytest.approx(share, abs=0.02)


def test_coherence_needs_no_filter_where_frames_are_longer_than_the_echo_path(rng):
    x = rng.standard_normal(64_000)
    h = rng.standard_normal(100) * np.exp(-np.arange(100) / 20)
    echo = np.convolve(x, h)[: len(x)]
    assert coherence_detector(x, echo).statistic[16_000:].max() < 0.05
    assert coherence_detector(x, echo + np.std(echo) * rng.standard_normal(len(x))).statistic[16_000:].min() > 0.2
    assert cross_correlation_detector(x, echo).statistic[16_000:].min() > 0.2  # an estimate must be one


@pytest.mark.parametrize("detector", DETECTORS)
def test_nothing_depends_on_what_is_yet_to_come(detector, rng):
    x, y = rng.standard_normal((2, 9_000))
    before = detector(x, y).statistic
    x2, y2 = x.copy(), y.copy()
    x2[5_000:], y2[5_000:] = rng.standard_normal((2, 4_000))
    after = detector(x2, y2).statistic
    # Compared at one scale: the peak by which a detector may normalise is that of the whole recording.
    assert np.allclose(before[:5_000], after[:5_000], rtol=1e-9, atol=1e-12)
    assert not np.allclose(before[5_000:], after[5_000:])


@pytest.mark.parametrize("detector", DETECTORS)
@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_level_does_not_matter(detector, scale, rng):
    x, y = rng.standard_normal((2, 9_001))
    assert np.allclose(detector(scale * x, scale * y).statistic, detector(x, y).statistic)


@pytest.mark.parametrize("detector", DETECTORS)
def test_silence_is_defined(detector, rng):
    sound, silence = rng.standard_normal(9_000), np.zeros(9_000)
    frame = 2_048
    assert not detector(sound, silence).statistic.any()
    assert not detector(silence, silence).statistic.any()
    assert (detector(silence, sound).statistic[frame:] == CEILING[detector]).all()
    # A pause after sound, long enough for averages to lose their digits.
    paused = np.concatenate([sound, np.zeros(60_000)])
    for x, y in ((paused, paused), (paused, np.roll(paused, 30_000)), (np.roll(paused, 30_000), paused)):
        statistic = detector(x, y).statistic
        assert statistic.shape == x.shape
        assert np.isfinite(statistic).all()
        assert statistic.min() >= 0
        assert statistic.max() <= CEILING[detector]


@pytest.mark.parametrize("n_samples", [1, 2, 2047, 2048, 2049, 5_001])
def test_any_length_gives_a_statistic_and_a_decision_a_sample(n_samples, rng):
    x, y = rng.standard_normal((2, n_samples))
    for detector in DETECTORS:
        result = detector(x, y)
        assert result.statistic.shape == result.active.shape == (n_samples,)
        assert result.active.dtype == bool


@pytest.mark.parametrize("hop_length", [1, 3, 4, 16, 20])
def test_a_frame_counts_from_its_last_sample_on(hop_length, rng):
    x, y = rng.standard_normal((2, 50))
    statistic = coherence_detector(x, y, frame_length=16, hop_length=hop_length, memory_s=1.0).statistic
    assert not statistic[:15].any()
    changes = np.flatnonzero(np.diff(statistic)) + 1
    assert set(changes) <= set(range(15, 50, hop_length))
    assert statistic[15 + hop_length] > 0


@pytest.mark.parametrize("n_hangover", [0, 1, 4, 100])
def test_a_decision_is_held(n_hangover, rng):
    above = rng.random(80) < 0.1
    expected = [above[max(0, n - n_hangover) : n + 1].any() for n in range(len(above))]
    assert np.array_equal(hold_decision(above, n_hangover), expected)


def test_errors_name_what_is_wrong(rng):
    x = rng.standard_normal(100)
    for detector in DETECTORS:
        with pytest.raises(ValueError, match="microphone: got 99 samples"):
            detector(x, x[:99])
        with pytest.raises(ValueError, match="threshold"):
            detector(x, x, threshold=np.nan)
        with pytest.raises(ValueError, match="hangover_s"):
            detector(x, x, hangover_s=-1.0)
    with pytest.raises(ValueError, match="memory_s"):
        coherence_detector(x, x, memory_s=0.0)
    with pytest.raises(ValueError, match="n_hangover"):
        hold_decision([True], -1)


# --- calls -----------------------------------------------------------------------------------------------------------


def area(statistic, scene):
    counts = slice(16_000, None)  # the first second fills the averages
    return roc_curve(statistic[counts], scene.double_talk[counts]).area


def test_correlations_detect_better_than_level(calls):
    areas = np.array(
        [
            (
                area(geigel(x, scene.microphone).statistic, scene),
                area(cross_correlation_detector(estimate, scene.microphone).statistic, scene),
                area(coherence_detector(x, scene.microphone).statistic, scene),
            )
            for scene, x, estimate in calls
        ]
    )
    by_level, by_estimate, by_coherence = areas.mean(axis=0)
    assert len(areas) >= 10
    assert by_level > 0.55
    assert by_estimate > by_level + 0.15
    assert by_coherence > by_level + 0.15
    assert areas[:, 1:].min() > 0.75


def test_freezing_keeps_what_the_filter_has_learnt(calls):
    """With the decision of the detector as ``adapt``, a loud near end does much less harm."""
    gains = []
    for scene, _, estimate in calls[3::4]:
        n_taps = scene.impulse_responses.shape[-1]
        talks = cross_correlation_detector(estimate, scene.microphone).active
        free = nlms(scene.far_end, scene.microphone, n_taps, step_size=0.5)
        frozen = nlms(scene.far_end, scene.microphone, n_taps, step_size=0.5, adapt=~talks)
        left = [scene.echo - adaptation.estimate for adaptation in (free, frozen)]
        gains.append(erle(*left, mask=scene.double_talk))
    assert min(gains) > 3.0
