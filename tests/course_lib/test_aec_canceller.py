"""The streaming canceller: what it promises in every call."""

from __future__ import annotations

import numpy as np
import pytest

from course_lib import data
from course_lib.aec import EchoCanceller, cancel_echo
from course_lib.metrics import erle, misalignment, si_sdr
from course_lib.scenes import EchoRoom, EchoScene, draw_echo_room, echo_scene

SECOND = 16_000


@pytest.fixture(scope="module")
def room() -> EchoRoom:
    return draw_echo_room(0.3, np.random.default_rng(1))


def call(room: EchoRoom, **options: float) -> EchoScene:
    """Ten seconds, of which the near end talks from the fourth to the seventh."""
    return echo_scene(
        data.speech_clip(0, 10.0),
        data.speech_clip(1, 3.0),
        np.random.default_rng(2),
        near_end_start_s=4.0,
        room=room,
        **options,
    )


def true_erle(scene: EchoScene, echo_estimate: np.ndarray, begin_s: float, end_s: float) -> float:
    span = slice(round(begin_s * SECOND), round(end_s * SECOND))
    return float(erle(scene.echo[span], (scene.echo - echo_estimate)[span]))


@pytest.mark.parametrize("ratio_db", [-10.0, 0.0, 10.0])
def test_echo_goes_and_speech_stays(room, ratio_db):
    scene = call(room, signal_to_echo_db=ratio_db)
    result = cancel_echo(scene.far_end, scene.microphone)
    np.testing.assert_array_equal(result.output, result.linear_output)
    np.testing.assert_allclose(result.output + result.echo_estimate, scene.microphone, atol=1e-12)
    assert true_erle(scene, result.echo_estimate, 0.0, 10.0) > 12.0
    assert true_erle(scene, result.echo_estimate, 4.0, 7.0) > 14.0
    assert true_erle(scene, result.echo_estimate, 8.0, 10.0) > 20.0
    talking = slice(4 * SECOND, 7 * SECOND)
    before = si_sdr(scene.near_end[talking], scene.microphone[talking])
    assert si_sdr(scene.near_end[talking], result.output[talking]) > before + 8.0


def test_the_echo_path_is_learnt(room):
    scene = call(room)
    result = cancel_echo(scene.far_end, scene.microphone)
    path = scene.impulse_responses[0][result.delay : result.delay + len(result.impulse_response)]
    assert misalignment(path, result.impulse_response) < -6.0


def test_a_moved_loudspeaker_is_followed_within_a_second(room):
    scene = call(room, path_change_s=8.0)
    result = cancel_echo(scene.far_end, scene.microphone)
    assert true_erle(scene, result.echo_estimate, 9.0, 10.0) > 10.0
    # Even right after the change little more comes out than the microphone heard.
    assert true_erle(scene, result.echo_estimate, 8.0, 8.25) > -4.0


def test_an_overdriven_loudspeaker_needs_the_cube(room):
    scene = call(room, clipping=3.0)
    linear, cubic = (
        true_erle(scene, cancel_echo(scene.far_end, scene.microphone, nonlinear=nl).echo_estimate, 2.0, 10.0)
        for nl in (False, True)
    )
    assert cubic > linear + 3.0


def test_a_late_echo_is_aligned(room):
    scene = call(room, delay_s=0.3)
    result = cancel_echo(scene.far_end, scene.microphone)
    assert 0 <= 0.3 * SECOND + 40 - result.delay <= 200
    np.testing.assert_array_equal(result.far_end[-SECOND:], scene.far_end[-SECOND - result.delay : -result.delay])
    assert true_erle(scene, result.echo_estimate, 6.0, 10.0) > 15.0
    unaligned = cancel_echo(scene.far_end, scene.microphone, track_delay=False)
    assert true_erle(scene, unaligned.echo_estimate, 6.0, 10.0) < 3.0


@pytest.mark.parametrize("n_samples", [1, 127, 128, 30_001])
@pytest.mark.parametrize("suppressor", [None, "network"])
def test_streams_of_any_blocks_are_the_whole_to_the_bit(room, n_samples, suppressor):
    scene = call(room, delay_s=0.1)
    x, y = scene.far_end[8000 : 8000 + n_samples], scene.microphone[8000 : 8000 + n_samples]
    whole = cancel_echo(x, y, suppressor=suppressor)
    assert whole.output.shape == (n_samples,)
    canceller, rng = EchoCanceller(suppressor=suppressor), np.random.default_rng(3)
    for _ in range(2):  # after a flush it is as good as new
        pieces, begin = [], 0
        while begin < n_samples:
            end = begin + int(rng.integers(0, 3000))
            pieces.append(canceller.push(x[begin:end], y[begin:end]))
            assert sum(map(len, pieces)) >= min(end, n_samples) - canceller.latency
            begin = end
        pieces.append(canceller.flush())
        assert sum(map(len, pieces)) == n_samples
        np.testing.assert_allclose(np.concatenate(pieces), whole.output, rtol=0, atol=0 if suppressor is None else 1e-7)


def test_a_suppressor_gets_what_the_filter_has_seen(room):
    class Recorder:
        latency = 0

        def __init__(self) -> None:
            self.blocks: list[np.ndarray] = []

        def push(self, far_end, microphone, output, echo_estimate):
            self.blocks.append(np.stack([far_end, microphone, output, echo_estimate]))
            return 0.5 * output

        def flush(self):
            return np.zeros(0)

    scene, recorder = call(room, delay_s=0.2), Recorder()
    result = cancel_echo(scene.far_end, scene.microphone, suppressor=recorder)
    expected = np.stack([result.far_end, scene.microphone, result.linear_output, result.echo_estimate])
    np.testing.assert_array_equal(np.concatenate(recorder.blocks, axis=1), expected)
    np.testing.assert_array_equal(result.output, 0.5 * result.linear_output)


@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_the_level_does_not_matter(room, scale):
    scene = call(room)
    n = 2 * SECOND
    plain = cancel_echo(scene.far_end[:n], scene.microphone[:n])
    scaled = cancel_echo(scale * scene.far_end[:n], scale * scene.microphone[:n])
    # Decisions between two filters may fall a hop earlier or later by rounding.
    assert erle(plain.output, scaled.output / scale - plain.output) > 20.0


@pytest.mark.parametrize("nothing", ["far end", "microphone", "both"])
def test_silence_is_left_alone(nothing):
    speech, silence = data.speech_clip(0, 1.0), np.zeros(SECOND)
    x = silence if nothing != "microphone" else speech
    y = silence if nothing != "far end" else speech
    result = cancel_echo(x, y)
    np.testing.assert_array_equal(result.output, y)


HARD_CALLS = {
    "an unrelated far end": lambda rng: (data.speech_clip(0, 6.0), data.speech_clip(1, 6.0)),
    "noise on a floor": lambda rng: (
        1e-4 * rng.standard_normal(6 * SECOND),
        data.speech_clip(1, 6.0) + 1e-4 * rng.standard_normal(6 * SECOND),
    ),
    "a floor before speech": lambda rng: (
        np.concatenate([1e-4 * rng.standard_normal(2 * SECOND), data.speech_clip(0, 4.0)]),
        np.concatenate([0.01 * rng.standard_normal(2 * SECOND), 0.3 * data.speech_clip(0, 4.0)]),
    ),
    "jumps of the level": lambda rng: (
        data.speech_clip(0, 6.0) * np.repeat([1e-3, 1.0, 0.01, 10.0, 0.0, 1.0], SECOND),
        data.speech_clip(0, 6.0) * np.repeat([1e-3, 1.0, 0.01, 10.0, 0.0, 1.0], SECOND) + data.speech_clip(1, 6.0),
    ),
    "a tone": lambda rng: (
        np.sin(0.1 * np.arange(6 * SECOND)),
        0.5 * np.sin(0.1 * np.arange(6 * SECOND) + 1.0) + data.speech_clip(1, 6.0),
    ),
    "an echo that turns over": lambda rng: (
        data.speech_clip(0, 6.0),
        data.speech_clip(0, 6.0) * np.repeat([1.0, -1.0, 1.0, -1.0, 1.0, -1.0], SECOND),
    ),
    "clicks": lambda rng: (
        data.speech_clip(0, 6.0) + 5.0 * (rng.random(6 * SECOND) < 1e-4),
        0.3 * data.speech_clip(0, 6.0) + 5.0 * (rng.random(6 * SECOND) < 1e-4),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", HARD_CALLS)
def test_nothing_makes_it_diverge(name):
    x, y = HARD_CALLS[name](np.random.default_rng(4))
    output = cancel_echo(x, y).output
    assert np.isfinite(output).all()
    hops = output[: len(y) // 128 * 128].reshape(-1, 128)
    heard = y[: len(y) // 128 * 128].reshape(-1, 128)
    # In no hop four times the power of the microphone, in no half second twice as much.
    assert (np.sum(hops**2, axis=1) <= 4.0 * np.sum(heard**2, axis=1) + 1e-12).all()
    for begin in range(0, len(hops) - 62, 31):
        assert np.sum(hops[begin : begin + 62] ** 2) <= 2.0 * np.sum(heard[begin : begin + 62] ** 2) + 1e-12


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sample_rate": 0}, "sample_rate"),
        ({"tail_s": 0.0}, "tail_s: got float 0.0"),
        ({"tail_s": 9.0}, "tail_s"),
        ({"block_length": 33}, "block_length: got 33, expected an even number"),
        ({"suppressor": "magic"}, "suppressor: got str 'magic'"),
        ({"suppressor": "network", "sample_rate": 8000}, "trained at 16000 Hz, and the call has 8000 Hz"),
    ],
)
def test_wrong_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        EchoCanceller(**options)
    with pytest.raises(ValueError, match=message):
        cancel_echo(np.ones(10), np.ones(10), **options)


@pytest.mark.parametrize(
    ("signals", "message"),
    [
        ((np.ones(3), np.ones(4)), "4 samples beside 3"),
        ((np.ones((2, 3)), np.ones(3)), "far_end.*1 axis"),
        (([1.0, np.inf], [1.0, 1.0]), "far_end.*infinite"),
        (([], []), "at least one sample"),
    ],
)
def test_wrong_signals_are_refused(signals, message):
    with pytest.raises(ValueError, match=message):
        cancel_echo(*signals)


def test_other_rates_have_blocks_of_as_many_milliseconds():
    assert EchoCanceller(8000).latency == 64
    assert EchoCanceller(48_000).latency == 512
