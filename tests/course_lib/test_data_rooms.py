"""Rooms: the reverberation that is stated is the one that is measured, and arrivals come when they must."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from course_lib import data
from course_lib.data import manifest, rooms

SAMPLE_RATE = 16_000
SPEED_OF_SOUND_M_S = 343.0


@pytest.fixture(params=rooms.NAMES)
def room(request: pytest.FixtureRequest) -> data.Room:
    return data.room(request.param)


def test_four_rooms_from_short_to_long() -> None:
    times = [data.room(name).rt60_s for name in data.room_names()]
    assert len(times) >= 4
    assert times == sorted(times)
    assert times[-1] > 3 * times[0]


def test_stated_reverberation_is_measured_at_every_microphone(room: data.Room) -> None:
    assert room.rt60_s == pytest.approx(room.target_rt60_s, rel=0.02)
    for response in room.impulse_response:
        assert rooms.measure_rt60(response, SAMPLE_RATE) == pytest.approx(room.target_rt60_s, rel=rooms.RT60_TOLERANCE)


def test_the_manifest_states_both_times(room: data.Room) -> None:
    item = manifest.read()[f"rooms/{room.name}"]
    assert item["target_rt60_s"] == room.target_rt60_s
    assert item["rt60_s"] == pytest.approx(room.rt60_s, abs=0.002)


def test_direct_sound_comes_first_at_its_true_delay_and_level(room: data.Room) -> None:
    assert room.impulse_response.shape[0] == len(room.microphone_positions_m) >= 2
    for response, position in zip(room.impulse_response, room.microphone_positions_m, strict=True):
        distance = np.linalg.norm(np.subtract(position, room.source_position_m))
        delay = distance / SPEED_OF_SOUND_M_S * SAMPLE_RATE
        early = response[: int(delay) + 20]
        assert abs(np.argmax(np.abs(early)) - delay) <= 1
        # A fractional delay spreads the impulse over neighbours; their energy is that of its amplitude, 1/r.
        around = response[int(delay) - 12 : int(delay) + 14]
        assert np.sqrt(np.sum(around**2)) == pytest.approx(1 / distance, rel=0.15)
        # Nothing is heard before: what the fractional delay spreads ahead is 40 samples long.
        assert np.abs(response[: int(delay) - 42]).max(initial=0) < 1e-9


def test_response_decays_and_ends_quietly(room: data.Room) -> None:
    response = room.impulse_response
    assert np.isfinite(response).all()
    assert not response.flags.writeable
    assert abs(response[0, -1]) < 1e-6
    head, tail = np.mean(response[0, :1_600] ** 2), np.mean(response[0, -1_600:] ** 2)
    assert 10 * np.log10(tail / head) < -30


@pytest.mark.parametrize("name", ["living_room", "hall"])
def test_simulation_gives_what_the_manifest_lists(name: str) -> None:
    assert manifest.compare(f"rooms/{name}", rooms.generate(name)) == "within tolerance"


@pytest.mark.parametrize("rt60_s", [0.15, 0.4, 1.2])
def test_measurement_on_a_known_decay(rt60_s: float) -> None:
    time = np.arange(round(1.2 * rt60_s * SAMPLE_RATE)) / SAMPLE_RATE
    decay = np.random.default_rng(3).standard_normal(len(time)) * 10 ** (-3 * time / rt60_s)
    assert rooms.measure_rt60(decay, SAMPLE_RATE) == pytest.approx(rt60_s, rel=0.03)


@pytest.mark.parametrize(
    ("response", "message"),
    [(np.zeros(100), "silence"), (np.ones(100), "decay"), (np.array([1.0]), "decay"), (np.ones((2, 9)), "1 axis")],
)
def test_measurement_refuses_what_has_no_decay(response: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        rooms.measure_rt60(response, SAMPLE_RATE)


def test_no_reverberation_leaves_the_direct_sound_alone() -> None:
    responses = rooms.simulate_room((5, 4, 3), 0.0, [[1, 1, 1]], [[3.058, 1, 1], [4.087, 1, 1]])
    for response, distance in zip(responses[0], (2.058, 3.087), strict=True):
        direct = round(distance / SPEED_OF_SOUND_M_S * SAMPLE_RATE)
        energy = np.sum(response**2)
        assert np.sum(response[direct - 40 : direct + 41] ** 2) / energy > 0.99


def test_swapping_source_and_microphone_changes_nothing() -> None:
    a, b = [[1.2, 1.1, 1.3]], [[3.9, 2.7, 1.6]]
    forth = rooms.simulate_room((5.1, 4.2, 2.7), 0.2, a, b)
    back = rooms.simulate_room((5.1, 4.2, 2.7), 0.2, b, a)
    assert np.linalg.norm(forth - back) < 1e-3 * np.linalg.norm(forth)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (((5, 4, 3), 0.3, [[6, 1, 1]], [[1, 1, 1]]), r"source_positions_m: position 0 .* outside"),
        (((5, 4, 3), 0.3, [[1, 1, 1]], [[1, 2, 1], [1, 1, 3]]), r"microphone_positions_m: position 1 .* outside"),
        (((5, 4, 3), 0.3, [[1, 1]], [[1, 1, 1]]), r"\(n_positions, 3\)"),
        (((5, 4), 0.3, [[1, 1, 1]], [[1, 1, 1]]), "dimensions_m"),
        (((5, -4, 3), 0.3, [[1, 1, 1]], [[1, 1, 1]]), "dimensions_m"),
        (((5, 4, 3), -0.1, [[1, 1, 1]], [[1, 1, 1]]), "rt60_s"),
        (((5, 4, 3), float("nan"), [[1, 1, 1]], [[1, 1, 1]]), "rt60_s"),
        (((1, 1, 1), 2.0, [[0.5, 0.5, 0.5]], [[0.2, 0.2, 0.2]]), "too many"),
    ],
)
def test_impossible_requests_are_refused(arguments: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        rooms.simulate_room(*arguments)


def test_a_time_that_no_wall_can_give_is_refused() -> None:
    with pytest.raises(rooms.RoomSimulationError, match="no wall absorption"):
        rooms.simulate_room((15, 12, 8), 0.05, [[2, 2, 2]], [[8, 7, 2]])


def test_without_pyroomacoustics_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyroomacoustics", None)
    with pytest.raises(rooms.RoomSimulationError, match="extra `rooms`"):
        rooms.simulate_room((5, 4, 3), 0.3, [[1, 1, 1]], [[2, 2, 2]])
