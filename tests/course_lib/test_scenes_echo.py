"""Echo scenes: every part is what it is said to be, and the parts add up."""

from __future__ import annotations

import numpy as np
import pytest

from course_lib import data, scenes
from course_lib.scenes import EchoRoom, echo_scene
from course_lib.validation import SilentSignalError


@pytest.fixture(scope="module")
def room() -> EchoRoom:
    return scenes.draw_echo_room(0.2, np.random.default_rng(1))


@pytest.fixture(scope="module")
def clips() -> tuple[np.ndarray, np.ndarray]:
    return data.speech_clip(0, 4.0), data.speech_clip(1, 1.5)


def energy_ratio_db(a: np.ndarray, b: np.ndarray) -> float:
    return float(10 * np.log10(np.sum(a**2) / np.sum(b**2)))


@pytest.mark.parametrize("ratio_db", [-10.0, 0.0, 7.5])
@pytest.mark.parametrize("path_change_s", [None, 2.5])
def test_the_parts_add_up_at_the_ratios_asked_for(room, clips, ratio_db, path_change_s):
    scene = echo_scene(
        *clips,
        np.random.default_rng(2),
        signal_to_echo_db=ratio_db,
        noise_snr_db=25.0,
        path_change_s=path_change_s,
        near_end_start_s=1.0,
        room=room,
    )
    np.testing.assert_array_equal(scene.echo + scene.near_end + scene.noise, scene.microphone)
    np.testing.assert_array_equal(scene.far_end, clips[0])
    both = scene.double_talk
    assert 0.15 < both.mean() < 0.4
    assert not both[:16_000].any()
    assert not scene.near_end[:16_000].any()
    assert energy_ratio_db(scene.near_end[both], scene.echo[both]) == pytest.approx(ratio_db, abs=1e-9)
    assert energy_ratio_db(scene.echo, scene.noise) == pytest.approx(25.0, abs=1e-9)
    # The talker is as loud as the clip.
    assert energy_ratio_db(scene.near_end, clips[1]) == pytest.approx(0.0, abs=1e-9)


def test_the_echo_is_the_far_end_through_the_paths(room, clips):
    scene = echo_scene(*clips, np.random.default_rng(3), path_change_s=1.5, delay_s=0.05, room=room)
    assert scene.path_change_sample == 24_000
    assert scene.impulse_responses.shape == (2, room.echo_paths.shape[1] + 800)
    assert not scene.impulse_responses[:, :800].any()
    before, after = (np.convolve(scene.far_end, h)[: len(scene.echo)] for h in scene.impulse_responses)
    np.testing.assert_allclose(scene.echo[:24_000], before[:24_000], atol=1e-12)
    np.testing.assert_allclose(scene.echo[24_000:], after[24_000:], atol=1e-12)
    assert energy_ratio_db(scene.echo[24_000:] - before[24_000:], scene.echo[24_000:]) > -6.0


def test_an_overdriven_loudspeaker_saturates(room, clips):
    linear, mild, hard = (
        echo_scene(*clips, np.random.default_rng(4), clipping=drive, room=room) for drive in (None, 0.5, 4.0)
    )
    np.testing.assert_array_equal(linear.loudspeaker, linear.far_end)
    x = linear.far_end
    peak = np.abs(x).max()
    np.testing.assert_allclose(hard.loudspeaker, peak / 4.0 * np.tanh(4.0 * x / peak), atol=1e-15)
    distortion = [energy_ratio_db(scene.loudspeaker - x, x) for scene in (mild, hard)]
    assert distortion[0] < -25.0 < distortion[1]
    echo = np.convolve(hard.loudspeaker, hard.impulse_responses[0])[: len(x)]
    np.testing.assert_allclose(hard.echo, echo, atol=1e-12)


def test_without_near_end_there_is_no_double_talk(room, clips):
    scene = echo_scene(clips[0], None, np.random.default_rng(5), noise_snr_db=np.inf, room=room)
    assert not scene.near_end.any()
    assert not scene.noise.any()
    assert not scene.double_talk.any()
    assert energy_ratio_db(scene.echo, scene.far_end) == pytest.approx(0.0, abs=1e-9)


def test_talkers_who_never_meet_are_compared_where_they_talk(room):
    rng = np.random.default_rng(6)
    x = np.concatenate([rng.standard_normal(8000), np.zeros(16_000)])
    scene = echo_scene(x, rng.standard_normal(4000), rng, near_end_start_s=1.0, signal_to_echo_db=6.0, room=room)
    assert not scene.double_talk.any()
    assert energy_ratio_db(scene.near_end[16_000:20_000], scene.echo[:8000]) == pytest.approx(6.0, abs=3.0)


def test_a_seed_names_a_scene_and_inputs_are_left_alone(clips):
    kept = [clip.copy() for clip in clips]
    first, again, other = (echo_scene(*clips, np.random.default_rng(s), rt60_s=0.2) for s in (7, 7, 8))
    np.testing.assert_allclose(first.microphone, again.microphone, rtol=0, atol=1e-12)
    assert not np.allclose(first.microphone, other.microphone)
    first.far_end[:] = 0.0
    np.testing.assert_array_equal(clips[0], kept[0])
    np.testing.assert_array_equal(clips[1], kept[1])


def test_a_room_has_as_many_paths_as_asked_for():
    room = scenes.draw_echo_room(0.0, np.random.default_rng(9), n_paths=3)
    assert len(room.echo_paths) == 3
    assert room.near_end_path.shape == room.echo_paths.shape[1:]
    # The loudspeaker is near, at 0.2 to 0.8 m: 9 to 37 samples at 16 kHz.
    for path in room.echo_paths:
        assert 8 <= np.abs(path).argmax() <= 39


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (([1.0, np.nan], None), {}, "far_end.*NaN"),
        ((np.ones((2, 9)), None), {}, "far_end.*1 axis"),
        (([], None), {}, "far_end.*at least one sample"),
        ((np.ones(9), None), {"delay_s": 1.0}, "delay_s: got float 1.0"),
        ((np.ones(9), None), {"path_change_s": -1.0}, "path_change_s"),
        ((np.ones(9), None), {"clipping": 0.0}, "clipping"),
        ((np.ones(9), None), {"noise_snr_db": np.nan}, "noise_snr_db"),
        ((np.ones(9), None), {"signal_to_echo_db": "3"}, "signal_to_echo_db"),
        ((np.ones(9), np.ones(3)), {"near_end_start_s": 2.0}, "near_end_start_s"),
        ((np.ones(9), None), {"sample_rate": 8000}, "room: got 2 echo paths at 16000 Hz"),
    ],
)
def test_wrong_arguments_are_refused(room, arguments, options, message):
    with pytest.raises(ValueError, match=message):
        echo_scene(*arguments, np.random.default_rng(0), room=room, **options)


def test_a_change_needs_two_paths(room):
    one = EchoRoom(room.echo_paths[:1], room.near_end_path, room.sample_rate)
    with pytest.raises(ValueError, match="expected at least 2"):
        echo_scene(np.ones(100), None, np.random.default_rng(0), path_change_s=0.001, room=one)


@pytest.mark.parametrize(
    ("far_end", "near_end", "start_s"),
    [(np.zeros(99), None, 0.0), (np.ones(99), np.zeros(9), 0.0), (np.ones(99), np.eye(60)[50], 0.005)],
)
def test_silence_is_a_named_error(room, far_end, near_end, start_s):
    with pytest.raises(SilentSignalError):
        echo_scene(far_end, near_end, np.random.default_rng(0), near_end_start_s=start_s, room=room)
