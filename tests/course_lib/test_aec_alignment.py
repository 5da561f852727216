"""Delay of an echo: found in a recording, followed in a stream, and given back to the far end."""

from __future__ import annotations

import time

import numpy as np
import pytest

from course_lib import data
from course_lib.aec import DelayTracker, align, estimate_delay
from course_lib.scenes import echo_scene
from course_lib.scenes.echo import draw_echo_room

SAMPLE_RATE = 16_000
TOLERANCE = 16  # a millisecond


def delayed(x, delay):
    return np.concatenate([np.zeros(delay), x])[: len(x)]


def reverberant(rng, n_taps=2000, decay=400.0):
    """An impulse response: direct sound, then a tail that decays."""
    h = 0.3 * rng.standard_normal(n_taps) * np.exp(-np.arange(n_taps) / decay)
    h[0] = 1.0
    return h


def track(tracker, x, y, block_length=160):
    """Push two signals through a tracker and return the delay after each block."""
    return np.array(
        [tracker.push(x[i : i + block_length], y[i : i + block_length]) for i in range(0, len(x), block_length)]
    )


@pytest.fixture(scope="module")
def calls():
    """Calls with double talk: rooms of three reverberation times, near end and noise from faint to loud, any delay."""
    scenes = []
    for i, rt60_s in enumerate((0.2, 0.3, 0.4)):
        rng = np.random.default_rng(40 + i)
        room = draw_echo_room(rt60_s, rng)
        for j, (signal_to_echo_db, noise_snr_db, delay_s) in enumerate(
            [(-10.0, 40.0, 0.0), (0.0, 30.0, 0.013), (5.0, 20.0, 0.25), (10.0, 10.0, 0.48)]
        ):
            far_end, near_end = data.speech_clip(i + j, 6.0), data.speech_clip((i + j + 3) % 8, 6.0)
            scenes.append(
                echo_scene(
                    far_end,
                    near_end,
                    rng,
                    room=room,
                    signal_to_echo_db=signal_to_echo_db,
                    noise_snr_db=noise_snr_db,
                    delay_s=delay_s,
                )
            )
    return scenes


# --- whole recordings ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("delay", [0, 1, 40, 777, 4001, 7999, 8000])
@pytest.mark.parametrize("gain", [1.0, -1.0, 1e-6, 1e6])
def test_a_plain_delay_is_found_to_the_sample(delay, gain):
    x = np.random.default_rng(delay).standard_normal(32_001)
    assert estimate_delay(x, gain * delayed(x, delay)) == delay


@pytest.mark.parametrize("dtype", [np.float32, np.int16])
def test_other_precisions_will_do(dtype):
    x = (1000 * np.random.default_rng(0).standard_normal(20_000)).astype(dtype)
    assert estimate_delay(x, delayed(x, 321).astype(dtype)) == 321


def test_the_direct_sound_is_found_in_calls_with_double_talk(calls):
    assert len(calls) >= 10
    for scene in calls:
        direct = np.abs(scene.impulse_responses[0]).argmax()
        assert abs(estimate_delay(scene.far_end, scene.microphone) - direct) <= TOLERANCE


def test_a_direct_sound_weaker_than_a_reflection_comes_first():
    rng = np.random.default_rng(1)
    x = rng.standard_normal(64_000)
    y = 0.9 * delayed(x, 500) + delayed(x, 580) + 0.3 * rng.standard_normal(len(x))
    assert estimate_delay(x, y) == 500


def test_what_lies_beyond_the_largest_delay_is_not_found():
    x = np.random.default_rng(2).standard_normal(32_000)
    y = delayed(x, 3000)
    assert estimate_delay(x, y, max_delay_s=0.2) == 3000
    assert estimate_delay(x, y, max_delay_s=0.1) == 0
    assert estimate_delay(x, y, max_delay_s=0.4, sample_rate=8_000) == 3000


def test_nothing_in_common_means_no_delay():
    rng = np.random.default_rng(3)
    for _ in range(5):
        assert estimate_delay(rng.standard_normal(48_000), rng.standard_normal(48_000)) == 0


@pytest.mark.parametrize("n_samples", [1, 100, 20_000])
def test_silence_has_no_delay(n_samples):
    sound, silence = np.random.default_rng(4).standard_normal(n_samples), np.zeros(n_samples)
    assert estimate_delay(sound, silence) == estimate_delay(silence, sound) == estimate_delay(silence, silence) == 0


def test_errors_name_what_is_wrong():
    x = np.ones(100)
    with pytest.raises(ValueError, match="microphone"):
        estimate_delay(x, np.ones((2, 100)))
    with pytest.raises(ValueError, match="far_end"):
        estimate_delay([np.nan, 1.0], [1.0, 1.0])
    for bad in (0.0, -1.0, np.inf, np.nan, "1"):
        with pytest.raises(ValueError, match="max_delay_s"):
            estimate_delay(x, x, max_delay_s=bad)
    with pytest.raises(ValueError, match="margin"):
        align(x, x, margin=-1)
    with pytest.raises(ValueError, match="microphone"):
        DelayTracker().push(np.ones(5), np.ones(4))
    with pytest.raises(ValueError, match="memory_s"):
        DelayTracker(memory_s=0.0)


# --- alignment -------------------------------------------------------------------------------------------------------


def test_align_shifts_the_far_end_to_the_echo_less_a_margin():
    x = np.random.default_rng(5).standard_normal(20_000)
    y = delayed(x, 777)
    assert np.array_equal(align(x, y), delayed(x, 761))
    assert np.array_equal(align(x, y, margin=0), y)
    assert np.array_equal(align(x, y, delay=100, margin=0), delayed(x, 100))
    assert np.array_equal(align(x, y, delay=5, margin=20), x)  # a filter cannot begin before lag 0


def test_align_gives_as_many_samples_as_the_microphone_has():
    x = np.arange(1.0, 11.0)
    assert np.array_equal(align(x, np.zeros(4), delay=2, margin=0), [0, 0, 1, 2])
    assert np.array_equal(align(x[:3], np.zeros(7), delay=2, margin=0), [0, 0, 1, 2, 3, 0, 0])
    assert np.array_equal(align(x, np.zeros(4), delay=9, margin=0), np.zeros(4))


# --- streams ---------------------------------------------------------------------------------------------------------


def test_the_tracker_finds_the_delay_of_calls_and_keeps_it(calls):
    for scene in calls:
        direct = np.abs(scene.impulse_responses[0]).argmax()
        delays = track(DelayTracker(), scene.far_end, scene.microphone)
        found = np.flatnonzero(np.abs(delays - direct) <= TOLERANCE)
        assert found[0] <= 150, "not found within a second and a half"
        assert np.count_nonzero(np.diff(delays)) == 1, "jumped"


@pytest.mark.parametrize("block_length", [1, 63, 2048, 5000, 40_000])
def test_the_delay_does_not_depend_on_the_blocks(block_length):
    rng = np.random.default_rng(6)
    x = rng.standard_normal(40_000)
    y = np.convolve(delayed(x, 900), reverberant(rng))[: len(x)] + rng.standard_normal(len(x))
    reference, tracker = DelayTracker(), DelayTracker()
    expected = reference.push(x, y)
    assert track(tracker, x, y, block_length)[-1] == expected == 900
    assert tracker.confidence == reference.confidence
    assert tracker.is_locked


def test_pushed_blocks_may_be_overwritten():
    x = np.random.default_rng(7).standard_normal(40_000)
    y, tracker = delayed(x, 900), DelayTracker()
    block_x, block_y = np.empty(400), np.empty(400)
    for begin in range(0, len(x), 400):
        block_x[:], block_y[:] = x[begin : begin + 400], y[begin : begin + 400]
        tracker.push(block_x, block_y)
    assert tracker.delay == 900


def test_the_tracker_follows_a_jump_within_two_seconds():
    rng = np.random.default_rng(8)
    x = data.speech_clip(2, 8.0)
    h = reverberant(rng)
    y = np.where(
        np.arange(len(x)) < 64_000, *(np.convolve(delayed(x, d), h)[: len(x)] for d in (1000, 3500))
    ) + 1e-3 * rng.standard_normal(len(x))
    delays = track(DelayTracker(), x, y)
    assert abs(delays[399] - 1000) <= TOLERANCE
    assert abs(delays[600] - 3500) <= TOLERANCE
    assert np.count_nonzero(np.diff(delays)) == 2


def test_what_a_filter_can_follow_moves_nothing():
    x = np.random.default_rng(9).standard_normal(96_000)
    y = np.where(np.arange(len(x)) < 48_000, delayed(x, 1000), delayed(x, 1020))
    assert set(track(DelayTracker(), x, y)) == {0, 1000}


def test_two_arrivals_of_about_one_strength_do_not_make_it_jump():
    rng = np.random.default_rng(10)
    x = rng.standard_normal(160_000)
    swing = 0.15 * np.sin(2 * np.pi * np.arange(len(x)) / 32_000)
    y = (1 + swing) * delayed(x, 1000) + (1 - swing) * delayed(x, 1800) + rng.standard_normal(len(x))
    assert np.count_nonzero(np.diff(track(DelayTracker(), x, y))) == 1


def test_the_delay_is_kept_while_the_far_end_is_quiet():
    rng = np.random.default_rng(11)
    x = np.concatenate([rng.standard_normal(48_000), 3e-3 * rng.standard_normal(160_000)])
    y = delayed(x, 2000)
    y[50_000:] += rng.standard_normal(len(y) - 50_000)  # near-end talk
    tracker = DelayTracker()
    assert track(tracker, x, y)[-1] == 2000
    assert tracker.confidence > 0.8


def test_confidence_tells_echo_from_chance():
    rng = np.random.default_rng(12)
    x, other = rng.standard_normal((2, 64_000))
    tracker = DelayTracker()
    tracker.push(x, delayed(x, 700) + other)
    assert tracker.confidence > 0.8
    tracker.reset()
    assert (tracker.delay, tracker.confidence, tracker.is_locked) == (0, 0.0, False)
    tracker.push(x, other)
    assert (tracker.delay, tracker.confidence, tracker.is_locked) == (0, 0.0, False)


def test_a_delay_of_none_is_locked_on_too():
    x = np.random.default_rng(13).standard_normal(16_000)
    tracker = DelayTracker()
    assert tracker.push(x, x) == 0
    assert tracker.is_locked
    assert tracker.confidence > 0.8


@pytest.mark.parametrize("scale", [0.0, 1e-6, 1e6])
def test_level_does_not_matter_and_silence_is_safe(scale):
    rng = np.random.default_rng(14)
    x = np.concatenate([np.zeros(10_000), rng.standard_normal(50_000)])
    tracker = DelayTracker()
    tracker.push(scale * x, scale * delayed(x, 1234))
    assert tracker.delay == (1234 if scale else 0)
    assert tracker.push(np.zeros(0), np.zeros(0)) == tracker.delay


def test_tracking_costs_a_small_part_of_real_time():
    x = np.random.default_rng(15).standard_normal(5 * SAMPLE_RATE)
    y = delayed(x, 500)
    cost = np.inf
    for _ in range(3):
        start = time.process_time()
        track(DelayTracker(), x, y)
        cost = min(cost, (time.process_time() - start) / 5)
    assert cost < 0.05
