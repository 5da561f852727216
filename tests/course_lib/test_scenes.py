"""Scenes: exact bookkeeping, exact ratios, and the same scene from the same seed."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib import data, scenes
from course_lib.data.rooms import RoomSimulationError, measure_rt60
from course_lib.scenes import rooms
from course_lib.validation import SilentSignalError


def measured_snr_db(result: scenes.Mixture) -> float:
    target, noise = (np.linalg.norm(image / np.abs(image).max()) * np.abs(image).max() for image in result.images)
    return float(20 * np.log10(target / noise))


@given(
    n_target=st.integers(1, 300),
    n_noise=st.integers(1, 300),
    snr_db=st.floats(-60, 60),
    scale=st.sampled_from([1e-150, 1e-9, 1.0, 1e9, 1e150]),
    seed=st.integers(0, 99),
)
@settings(max_examples=80, deadline=None)
def test_ratio_and_sum_are_exact(n_target: int, n_noise: int, snr_db: float, scale: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    target, noise = scale * rng.standard_normal(n_target), rng.standard_normal(n_noise)
    result = scenes.mix_at_snr(target, noise, snr_db, rng=rng)
    assert measured_snr_db(result) == pytest.approx(snr_db, abs=1e-9)
    np.testing.assert_array_equal(result.images[0] + result.images[1], result.mixture)
    np.testing.assert_array_equal(result.images[0], target)


def test_the_ratio_holds_on_the_corpus() -> None:
    result = scenes.mix_at_snr(data.speech("f1", 0), data.noise("street"), -3.0, rng=np.random.default_rng(0))
    assert measured_snr_db(result) == pytest.approx(-3.0, abs=1e-9)
    assert result.mixture.shape == data.speech("f1", 0).shape


def test_noise_starts_at_its_beginning_or_where_the_generator_says() -> None:
    target, noise = np.ones(4), np.arange(1.0, 9.0)

    def used(result: scenes.Mixture) -> np.ndarray:
        return result.images[1] / result.images[1][0]

    np.testing.assert_allclose(used(scenes.mix_at_snr(target, noise, 0.0)), [1, 2, 3, 4])
    starts = set()
    for seed in range(40):
        drawn = scenes.mix_at_snr(target, noise, 0.0, rng=np.random.default_rng(seed)).images[1]
        step = drawn[1] - drawn[0]
        np.testing.assert_allclose(np.diff(drawn), step)
        starts.add(round(drawn[0] / step))
    assert starts == {1, 2, 3, 4, 5}


def test_a_short_noise_is_repeated() -> None:
    result = scenes.mix_at_snr(np.ones(7), [1.0, 2.0, 3.0], 0.0)
    np.testing.assert_allclose(result.images[1] / result.images[1][0], [1, 2, 3, 1, 2, 3, 1])


def test_channels_share_one_gain() -> None:
    rng = np.random.default_rng(1)
    target, noise = rng.standard_normal((2, 500)), rng.standard_normal((2, 800))
    result = scenes.mix_at_snr(target, noise, 6.0)
    assert result.images.shape == (2, 2, 500)
    assert measured_snr_db(result) == pytest.approx(6.0, abs=1e-9)
    gains = result.images[1] / noise[:, :500]
    np.testing.assert_allclose(gains, gains[0, 0])
    assert scenes.mix_at_snr(target, noise[0], 6.0).images.shape == (2, 2, 500)


def test_inputs_are_left_alone() -> None:
    target, noise = np.ones(10), np.ones(10)
    result = scenes.mix_at_snr(target, noise, 3.0)
    result.mixture[:] = 0
    assert (target == 1).all()
    assert (noise == 1).all()


@pytest.mark.parametrize(
    ("target", "noise", "name"), [(np.zeros(9), np.ones(9), "target"), (np.ones(9), np.zeros(9), "noise")]
)
def test_silence_is_a_named_error(target: np.ndarray, noise: np.ndarray, name: str) -> None:
    with pytest.raises(SilentSignalError, match=f"{name}: got silence"):
        scenes.mix_at_snr(target, noise, 0.0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([], [1.0], 0.0), "target.*at least one sample"),
        (([1.0], [], 0.0), "noise.*at least one sample"),
        (([1.0, np.nan], [1.0], 0.0), "NaN"),
        (([1.0], [1.0], np.inf), "snr_db"),
        (([1.0], [1.0], np.nan), "snr_db"),
        (([1.0], [1.0], "5"), "snr_db"),
        (([1.0], [1.0], 1e4), "snr_db"),
        ((np.ones((2, 5)), np.ones((3, 5)), 0.0), r"noise: got shape \(3, 5\)"),
    ],
)
def test_wrong_arguments_are_refused(arguments: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        scenes.mix_at_snr(*arguments)


def test_place_in_room_convolves_and_adds() -> None:
    rng = np.random.default_rng(2)
    sources = [rng.standard_normal(50), rng.standard_normal(80)]
    responses = rng.standard_normal((2, 3, 20))
    scene = scenes.place_in_room(sources, responses, sample_rate=8_000)
    assert scene.images.shape == (2, 3, 99)
    assert scene.sample_rate == 8_000
    for s in range(2):
        for c in range(3):
            expected = np.convolve(np.pad(sources[s], (0, 80 - len(sources[s]))), responses[s, c])
            np.testing.assert_allclose(scene.images[s, c], expected, atol=1e-12)
    np.testing.assert_array_equal(scene.images[0] + scene.images[1], scene.mixture)


def test_many_images_sum_in_their_order_to_the_last_bit() -> None:
    rng = np.random.default_rng(3)
    scene = scenes.place_in_room(rng.standard_normal((9, 100)), rng.standard_normal((9, 2, 30)))
    total = scene.images[0]
    for image in scene.images[1:]:
        total = total + image
    np.testing.assert_array_equal(total, scene.mixture)


def test_a_room_of_the_corpus_takes_one_source() -> None:
    room = data.room("living_room")
    scene = scenes.place_in_room([data.speech("m1", 2)], room)
    assert scene.mixture.shape == (2, len(data.speech("m1", 2)) + room.impulse_response.shape[1] - 1)
    assert scene.dimensions_m == room.dimensions_m
    with pytest.raises(ValueError, match="2 sources"):
        scenes.place_in_room([np.ones(9), np.ones(9)], room)


@pytest.mark.parametrize(
    ("sources", "responses", "message"),
    [
        ([], np.ones((1, 1, 3)), "sources: got none"),
        ([[1.0], [2.0]], np.ones((1, 1, 3)), "for 2 sources"),
        ([[1.0]], np.ones((1, 3)), "3 axes"),
        ([[[1.0]]], np.ones((1, 1, 3)), r"sources\[0\]"),
    ],
)
def test_wrong_scenes_are_refused(sources: list, responses: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        scenes.place_in_room(sources, responses)


@pytest.fixture(scope="module")
def random_scene() -> scenes.Scene:
    sources = [data.speech("f1", 0), data.speech("m2", 1), data.speech("f3", 2)]
    return scenes.random_room_scene(sources, 0.25, 4, np.random.default_rng(5))


def test_a_random_scene_is_what_was_asked_for(random_scene: scenes.Scene) -> None:
    assert random_scene.images.shape[:2] == (3, 4)
    np.testing.assert_array_equal(
        random_scene.images[0] + random_scene.images[1] + random_scene.images[2], random_scene.mixture
    )
    for responses in random_scene.impulse_responses:
        assert measure_rt60(responses[0], 16_000) == pytest.approx(0.25, rel=0.15)
    positions, microphones = random_scene.source_positions_m, random_scene.microphone_positions_m
    assert positions is not None
    assert microphones is not None
    np.testing.assert_allclose(np.linalg.norm(np.diff(microphones, axis=0), axis=1), 0.05)
    directions = (positions - microphones.mean(axis=0))[:, :2]
    angles = np.sort(np.degrees(np.arctan2(directions[:, 1], directions[:, 0])))
    assert np.diff(angles, append=angles[0] + 360).min() >= 29.9


def test_arrivals_agree_with_the_geometry(random_scene: scenes.Scene) -> None:
    for responses, source in zip(random_scene.impulse_responses, random_scene.source_positions_m, strict=True):
        for response, microphone in zip(responses, random_scene.microphone_positions_m, strict=True):
            delay = np.linalg.norm(source - microphone) / 343.0 * 16_000
            first = np.flatnonzero(np.abs(response) > 0.5 * np.abs(response).max())[0]
            assert abs(first - delay) <= 1.5


def test_a_seed_names_a_scene() -> None:
    sources = [np.ones(100), np.ones(50)]
    first, again, other = (scenes.random_room_scene(sources, 0.2, 2, np.random.default_rng(seed)) for seed in (7, 7, 8))
    np.testing.assert_allclose(first.mixture, again.mixture, rtol=0, atol=1e-12)
    assert first.dimensions_m == again.dimensions_m != other.dimensions_m


@pytest.mark.parametrize("n_sources", [1, 2, 6])
def test_geometry_is_always_possible(n_sources: int) -> None:
    for seed in range(30):
        dimensions, sources, microphones = rooms._draw_geometry(n_sources, 2, np.random.default_rng(seed))
        for position in [*sources, *microphones]:
            assert (position > 0.4).all()
            assert (position < np.array(dimensions) - 0.4).all()


def test_impossible_scenes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(RoomSimulationError, match="fewer sources"):
        scenes.random_room_scene(np.ones((13, 5)), 0.2, 2, rng)
    with pytest.raises(ValueError, match="n_microphones"):
        scenes.random_room_scene([np.ones(5)], 0.2, 0, rng)
    monkeypatch.setitem(sys.modules, "pyroomacoustics", None)
    with pytest.raises(RoomSimulationError, match="extra `rooms`"):
        scenes.random_room_scene([np.ones(5)], 0.2, 2, rng)
