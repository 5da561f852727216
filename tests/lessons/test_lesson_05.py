"""Lesson 05: every parameter that the text invites to change works over its whole range, and its numbers hold."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from lesson_sources import lesson, n_pictures, names_after

from course_lib import adaptive, aec, metrics, scenes

pytestmark = pytest.mark.slow

NAME = "05_lms_aec"
SET_UP = (
    "from course_lib import adaptive",
    "duration_s, TALK_S",
    "def coloured_noise",
    "def lms_curve_db",
    "def draw_learning",
    "def recorded_through",
)
"""Stand in the cells that lead from the set-up to the slider and to the echo path of section 3."""

SAMPLE_RATE = 16_000


@pytest.fixture(scope="module")
def names() -> Iterator[dict[str, Any]]:
    """The lesson's names after the cells that the tests need."""
    with names_after(NAME, SET_UP) as namespace:
        yield namespace


@pytest.fixture(scope="module")
def answers() -> dict[str, Any]:
    """The reference answers to all exercises."""
    import torch

    namespace: dict[str, Any] = {"np": np, "torch": torch}
    for exercise in lesson(NAME).exercises:
        exec(compile(exercise.answer, NAME, "exec"), namespace)
    return namespace


@pytest.fixture(scope="module")
def short_call(names: dict[str, Any]) -> scenes.EchoScene:
    """Six seconds of the far end of section 1, nobody at the near end."""
    return scenes.echo_scene(names["far_voice"][: 6 * SAMPLE_RATE], None, np.random.default_rng(1), room=names["room"])


def echo_less_db(scene: scenes.EchoScene, estimate: np.ndarray, first_s: float, last_s: float) -> float:
    """How far the remaining echo lies below the echo between two times."""
    part = slice(int(first_s * SAMPLE_RATE), int(last_s * SAMPLE_RATE))
    return float(metrics.erle(scene.echo[part], (scene.echo - estimate)[part]))


def test_the_slider_draws_every_step(names: dict[str, Any]) -> None:
    box = names["plots"].with_slider(names["draw_learning"], names["slider_shares"], value=0.5, label="step")
    assert n_pictures(box) == len(names["slider_shares"])


def test_the_theory_of_the_square_predicts_speed_and_floor(names: dict[str, Any]) -> None:
    floors_db = {}
    for share in (0.05, 0.2, 0.5):
        times, curve_db = names["lms_curve_db"](share)
        step = 2 * share / 34
        factor, floor = 1 - 2 * step + 34 * step**2, step * 32 * 1e-3 / (2 - 34 * step)
        theory_db = 10 * np.log10(factor**times * (1 - floor) + floor)
        floors_db[share] = curve_db[-20:].mean()
        assert abs(floors_db[share] - theory_db[-1]) < 1
        assert np.abs(curve_db - theory_db).max() < 5
    assert floors_db[0.05] < floors_db[0.2] < floors_db[0.5]


@pytest.mark.parametrize("n_taps", [8, 32, 128])
def test_lms_explodes_above_the_bound_of_the_square_and_not_below(n_taps: int) -> None:
    for share, explodes in [(0.5, False), (1.5, True)]:
        for seed in range(5):
            source = np.random.default_rng(seed).standard_normal(4000)
            recorded = np.convolve(source, np.ones(n_taps) / np.sqrt(n_taps))[:4000]
            with np.errstate(all="ignore"):
                run = adaptive.lms(source, recorded, n_taps, step_size=2 * share / (n_taps + 2))
            assert (not np.linalg.norm(run.impulse_response) < 10) == explodes


def test_eigenvalues_lie_within_the_range_of_the_spectrum() -> None:
    colour, n_taps = 0.9, 64
    R = colour ** np.abs(np.subtract.outer(np.arange(n_taps), np.arange(n_taps)))
    eigenvalues = np.linalg.eigvalsh(R)
    lowest, highest = (1 - colour) / (1 + colour), (1 + colour) / (1 - colour)
    assert lowest < eigenvalues[0] < 1.1 * lowest
    assert 0.8 * highest < eigenvalues[-1] < highest


def test_white_noise_is_quick_and_speech_is_slow(names: dict[str, Any]) -> None:
    path, n_taps = names["room_path"], names["n_taps"]
    noise, speech = (source[: 2 * SAMPLE_RATE] for source in names["inputs"].values())
    reached_db = [
        metrics.misalignment(
            path, adaptive.nlms(source, names["recorded_through"](path, source), n_taps, step_size=1.0).impulse_response
        )
        for source in (noise, speech)
    ]
    assert reached_db[0] < -35
    assert reached_db[1] > -25


def test_the_spectrum_measured_in_the_figure_bounds_the_eigenvalues(names: dict[str, Any]) -> None:
    from scipy.linalg import eigvalsh, toeplitz
    from scipy.signal import welch

    for source in names["inputs"].values():
        lags = [source[: len(source) - lag] @ source[lag:] / len(source) for lag in range(64)]
        eigenvalues = eigvalsh(toeplitz(lags))
        density = welch(source, nperseg=128, detrend=False, return_onesided=False)[1]
        assert density.min() < 1.1 * eigenvalues[0]
        assert density.max() > 0.9 * eigenvalues[-1]


def test_one_long_block_wins_in_the_end_and_partitions_have_less_delay(names: dict[str, Any]) -> None:
    speech, power = names["inputs"]["speech"], float(np.mean(names["far_voice"] ** 2))
    path = names["call"].impulse_responses[0][:2048]
    heard = names["recorded_through"](path, speech)
    echo = np.convolve(speech, path)[: len(speech)]
    estimates = [
        adaptive.nlms(speech, heard, 2048, far_end_power=power).estimate,
        adaptive.frequency_domain_lms(speech, heard, 2048).estimate,
        adaptive.partitioned_block_lms(speech, heard, 2048, 256).estimate,
    ]
    by_second = [metrics.erle(echo, echo - estimate, window_s=1.0, hop_s=1.0) for estimate in estimates]
    assert by_second[0][0] > by_second[1][0] + 5
    assert by_second[1][-1] > by_second[0][-1] + 3
    assert by_second[2][-1] < by_second[0][-1]


@pytest.mark.parametrize("n_taps", [3, 8])
def test_the_answers_of_the_time_domain_filter_like_the_librarys(answers: dict[str, Any], n_taps: int) -> None:
    x, y = np.random.default_rng(5).standard_normal((2, 300))
    always = {"activity_threshold_db": -np.inf, "far_end_power": 1.0}
    pairs = [
        (answers["lms_filter"](x, y, n_taps, 0.02), adaptive.lms(x, y, n_taps, step_size=0.02)),
        (
            answers["nlms_filter"](x, y, n_taps, 0.5, 0.1 * n_taps),
            adaptive.nlms(x, y, n_taps, step_size=0.5, regularisation=0.1, **always),
        ),
        (
            answers["rls_filter"](x, y, n_taps, 0.99, 0.1 * n_taps),
            adaptive.rls(x, y, n_taps, forgetting=0.99, regularisation=0.1, **always),
        ),
    ]
    for (error, impulse_response), run in pairs:
        np.testing.assert_allclose(error, run.error, atol=0.02 * np.abs(error).max())
        np.testing.assert_allclose(impulse_response, run.impulse_response, atol=0.02)


def test_the_answers_measure_like_the_library(answers: dict[str, Any]) -> None:
    rng = np.random.default_rng(6)
    y, e = rng.standard_normal((2, 800))
    active = rng.random(800) < 0.3
    mine = answers["erle_db"](y, e, active, 160)
    np.testing.assert_allclose(mine, metrics.erle(y, e, mask=~active, window_s=0.01, hop_s=0.01), rtol=1e-9)
    h, snapshots = rng.standard_normal(12), rng.standard_normal((5, 9))
    np.testing.assert_allclose(answers["misalignment_db"](h, snapshots), metrics.misalignment(h, snapshots), rtol=1e-9)


def test_the_answer_of_the_frequency_domain_runs_as_block_lms(answers: dict[str, Any]) -> None:
    rng = np.random.default_rng(7)
    block, n_blocks = 32, 40
    x = rng.standard_normal(block * n_blocks)
    y = np.convolve(x, rng.standard_normal(block))[: len(x)]
    H, errors = np.zeros(block + 1, complex), []
    for start in range(0, len(x), block):
        newest = np.concatenate([np.zeros(block), x])[start : start + 2 * block]
        e, H = answers["frequency_domain_step"](H, newest, y[start : start + block], 0.01, np.ones(block + 1))
        errors.append(e)
    run = adaptive.frequency_domain_lms(x, y, block, step_size=0.01, normalised=False)
    np.testing.assert_allclose(np.concatenate(errors), run.error, atol=1e-9)


def test_the_answer_of_kalman_stands_a_loud_near_end(answers: dict[str, Any]) -> None:
    rng = np.random.default_rng(8)
    bins, n_frames = 16, 400

    def draw(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape) + 1j * rng.standard_normal(shape)

    truth, X, near_end = draw(bins), draw(n_frames, bins), draw(n_frames, bins)
    loud = np.where(np.arange(n_frames) < 200, 0.01, 10.0)[:, None]
    H, P = np.zeros(bins, complex), np.ones(bins)
    distances = []
    for frame in range(n_frames):
        Y = X[frame] * truth + loud[frame] * near_end[frame]
        noise = np.full(bins, 2 * loud[frame, 0] ** 2)
        _, H, P = answers["kalman_step"](H, P, X[frame], Y, noise, 0.99999)
        distances.append(np.linalg.norm(H - truth) / np.linalg.norm(truth))
    assert distances[199] < 0.01
    assert distances[-1] < 0.1


def test_a_hum_is_cancelled_by_a_filter_that_knows_nothing(names: dict[str, Any]) -> None:
    n_hum = 2 * SAMPLE_RATE
    time_s = np.arange(n_hum) / SAMPLE_RATE
    hum = sum(np.sin(2 * np.pi * 200 * k * time_s + k) / k for k in range(1, 6))
    heard = names["recorded_through"](names["room_path"], hum, noise_db=-45.0)
    run = adaptive.nlms(hum, heard, names["n_taps"], step_size=0.5)
    assert metrics.erle(heard[n_hum // 2 :], run.error[n_hum // 2 :]) > 35
    assert metrics.misalignment(names["room_path"], run.impulse_response) > -3


@pytest.mark.parametrize(("n_samples", "overfits"), [(64_000, False), (1_000, True)])
def test_short_recordings_take_the_loss_below_the_oracles(
    n_samples: int, overfits: bool, names: dict[str, Any]
) -> None:
    from course_lib.aec import echo_models

    rng = np.random.default_rng(9)
    source = rng.standard_normal(n_samples)
    path = names["room_path"]
    echo = np.convolve(source, path)[:n_samples]
    hiss = rng.standard_normal(n_samples) * np.sqrt(np.mean(echo**2))
    length = min(4096, n_samples // 2)
    fit = echo_models.fit_waveform_model(
        source,
        echo + hiss,
        len(path),
        rng=rng,
        echo=echo,
        learning_rate=0.1,
        n_epochs=100 if overfits else 20,
        segment_length=length,
    )
    assert fit.oracle_loss is not None
    assert fit.echo_snr_db is not None
    assert (fit.losses[-1] < 0.8 * fit.oracle_loss) == overfits
    assert (fit.echo_snr_db[-1] < fit.echo_snr_db.max() - 1) == overfits


def test_the_stft_model_has_a_floor_and_the_waveform_model_has_none(names: dict[str, Any]) -> None:
    from course_lib.aec import echo_models

    rng = np.random.default_rng(10)
    source = rng.standard_normal(3 * SAMPLE_RATE)
    path = names["room_path"]
    echo = np.convolve(source, path)[: len(source)]
    fits = [
        fit(source, echo, len(path), rng=np.random.default_rng(0), echo=echo, n_epochs=25)
        for fit in (echo_models.fit_waveform_model, echo_models.fit_stft_model)
    ]
    reached = [fit.echo_snr_db[-1] for fit in fits]
    assert reached[0] > reached[1] + 10


@pytest.fixture(scope="module")
def double_talk(names: dict[str, Any]) -> scenes.EchoScene:
    """Double talk from 5 to 8 s, on one echo path."""
    return scenes.echo_scene(
        names["far_voice"][: 10 * SAMPLE_RATE],
        names["near_voice"][: 3 * SAMPLE_RATE],
        np.random.default_rng(1),
        room=names["room"],
        near_end_start_s=5,
    )


def test_double_talk_wrecks_nlms_freezing_helps_and_kalman_needs_no_freezing(double_talk: scenes.EchoScene) -> None:
    x, y = double_talk.far_end, double_talk.microphone
    plain = adaptive.nlms(x, y, 4000).estimate
    frozen = adaptive.nlms(x, y, 4000, adapt=~double_talk.double_talk).estimate
    kalman = adaptive.frequency_domain_kalman(x, y, 4000).estimate
    during = [echo_less_db(double_talk, estimate, 5, 8) for estimate in (plain, frozen, kalman)]
    assert during[0] < 5
    assert during[1] > during[0] + 5
    assert during[2] > during[1]


def test_detectors_tell_double_talk_and_levels_do_not(double_talk: scenes.EchoScene) -> None:
    x, y = double_talk.far_end, double_talk.microphone
    areas = [
        metrics.roc_curve(detector.statistic[::16], double_talk.double_talk[::16]).area
        for detector in (aec.geigel(x, y), aec.coherence_detector(x, y))
    ]
    assert areas[0] < 0.8
    assert areas[1] > 0.9


def test_a_path_change_looks_like_double_talk(names: dict[str, Any]) -> None:
    call = names["call"]
    estimate = adaptive.nlms(call.far_end, call.microphone, 4000, adapt=~call.double_talk).estimate
    after = slice(names["CHANGE_S"] * SAMPLE_RATE, int((names["CHANGE_S"] + 0.5) * SAMPLE_RATE))
    peace = slice(4 * SAMPLE_RATE, 6 * SAMPLE_RATE)
    for detector in (
        aec.cross_correlation_detector(estimate, call.microphone),
        aec.coherence_detector(call.far_end, call.microphone),
    ):
        assert detector.active[after].mean() > detector.active[peace].mean() + 0.3


@pytest.mark.parametrize("draw", range(6))
def test_every_draw_of_the_room_gives_a_scene(draw: int, names: dict[str, Any]) -> None:
    room = scenes.draw_echo_room(0.3, np.random.default_rng(draw))
    scene = scenes.echo_scene(
        names["far_voice"][: 6 * SAMPLE_RATE],
        names["near_voice"][: 2 * SAMPLE_RATE],
        np.random.default_rng(draw),
        room=room,
        near_end_start_s=3,
        path_change_s=5,
    )
    result = aec.cancel_echo(scene.far_end, scene.microphone)
    assert echo_less_db(scene, result.echo_estimate, 1.5, 3) > 8
    assert echo_less_db(scene, result.echo_estimate, 3, 5) > 5


def test_more_drive_leaves_less_to_a_linear_filter(names: dict[str, Any]) -> None:
    reached = []
    for drive in (None, 2, 8):
        scene = scenes.echo_scene(
            names["far_voice"][: 4 * SAMPLE_RATE],
            None,
            np.random.default_rng(1),
            room=names["room"],
            noise_snr_db=40,
            clipping=drive,
        )
        estimate = adaptive.frequency_domain_kalman(scene.far_end, scene.microphone, 4000).estimate
        reached.append(echo_less_db(scene, estimate, 2, 4))
    assert reached[0] > reached[1] > reached[2]
    assert reached[2] < 10


def test_the_canceller_finds_a_delay_and_a_causal_filter_does_not_see_the_future(short_call: scenes.EchoScene) -> None:
    shift = int(0.2 * SAMPLE_RATE)
    late = np.concatenate([np.zeros(shift), short_call.microphone[:-shift]])
    early = np.concatenate([short_call.microphone[40:], np.zeros(40)])
    part = slice(4 * SAMPLE_RATE, -SAMPLE_RATE // 10)
    reached = [
        metrics.erle(recorded[part], aec.cancel_echo(short_call.far_end, recorded).output[part])
        for recorded in (short_call.microphone, late, early)
    ]
    assert reached[0] > 15
    assert reached[1] > reached[0] - 5
    assert reached[2] < reached[0] - 8


@pytest.mark.parametrize("ppm", [20, 100, 500])
def test_drifting_clocks_cost_more_the_faster_they_drift(ppm: int, short_call: scenes.EchoScene) -> None:
    from scipy.interpolate import CubicSpline

    n_samples = len(short_call.microphone)
    clock = np.clip(np.arange(n_samples) * (1 + 1e-6 * ppm), 0, n_samples - 1)
    recorded = CubicSpline(np.arange(n_samples), short_call.microphone)(clock)
    part = slice(4 * SAMPLE_RATE, None)
    reached = metrics.erle(recorded[part], aec.cancel_echo(short_call.far_end, recorded).output[part])
    lowest, highest = {20: (14, 30), 100: (6, 20), 500: (-1, 8)}[ppm]
    assert lowest < reached < highest
