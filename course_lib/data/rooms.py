"""Rooms: image-source simulation by pyroomacoustics, brought to a stated reverberation time.

The formulas of Sabine and Eyring assume a diffuse field and miss the decay of a simulated shoebox by
10–30 %. Here the wall absorption is corrected until the decay *measured* on the impulse response
agrees with the reverberation time asked for.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from course_lib.constants import SAMPLE_RATE_HZ, SPEED_OF_SOUND_M_S
from course_lib.validation import as_signal, describe

RT60_TOLERANCE: Final = 0.05
"""Largest relative difference between the reverberation time asked for and the one measured."""

_MOST_CORRECTIONS: Final = 12
_FADE_S: Final = 0.02
_HIGHPASS_HZ: Final = 20.0
_MOST_IMAGES: Final = 4e7


class RoomSimulationError(RuntimeError):
    """pyroomacoustics is missing, or no wall absorption gives the reverberation time asked for."""


@dataclass(frozen=True, eq=False)
class Room:
    """One room of the offline corpus with its impulse responses.

    Args:
        name: such as ``hall``.
        impulse_response: shape (n_microphones, n_samples), read-only; the direct sound stands at its true delay.
        sample_rate: in hertz.
        rt60_s: reverberation time measured on the first microphone (Schroeder integration, −5 to −35 dB), in seconds.
        target_rt60_s: reverberation time the room was built for, in seconds.
        dimensions_m: length, width and height, in metres.
        source_position_m: where the source stands, in metres.
        microphone_positions_m: shape (n_microphones, 3), in metres.

    Lesson: 01 §1
    """

    name: str
    impulse_response: NDArray[np.float64]
    sample_rate: int
    rt60_s: float
    target_rt60_s: float
    dimensions_m: tuple[float, float, float]
    source_position_m: tuple[float, float, float]
    microphone_positions_m: tuple[tuple[float, float, float], ...]


@dataclass(frozen=True)
class RoomPlan:
    """What a room of the offline corpus is built from; the fields mean what they mean in ``Room``.

    Lesson: 01 §1
    """

    name: str
    target_rt60_s: float
    dimensions_m: tuple[float, float, float]
    source_position_m: tuple[float, float, float]
    microphone_positions_m: tuple[tuple[float, float, float], ...]


PLANS: Final = (
    RoomPlan("living_room", 0.3, (5.3, 4.1, 2.5), (3.62, 2.87, 1.21), ((1.74, 1.52, 1.13), (1.82, 1.46, 1.13))),
    RoomPlan("office", 0.45, (6.6, 4.5, 2.8), (4.63, 3.14, 1.24), ((1.93, 1.62, 1.18), (2.01, 1.56, 1.18))),
    RoomPlan("bathroom", 0.6, (2.9, 2.2, 2.4), (2.06, 1.57, 1.55), ((0.87, 0.74, 1.48), (0.95, 0.68, 1.48))),
    RoomPlan("hall", 1.2, (16.3, 11.2, 7.1), (10.32, 6.63, 1.74), ((4.66, 3.81, 1.42), (4.74, 3.75, 1.42))),
)
"""The rooms, each with one source and two microphones 10 cm apart."""

NAMES: Final = tuple(plan.name for plan in PLANS)
"""Names of the rooms."""


def _pyroomacoustics() -> ModuleType:
    """Import pyroomacoustics, which only rooms need."""
    try:
        import pyroomacoustics
    except ImportError as error:
        raise RoomSimulationError(
            "Rooms are simulated by the package pyroomacoustics, which is not installed. "
            "Install the extra `rooms` of this project: pip install -e '.[rooms]'."
        ) from error
    module: ModuleType = pyroomacoustics
    return module


def measure_rt60(impulse_response: ArrayLike, sample_rate: int) -> float:
    """Measure the reverberation time from the decay of an impulse response.

    Schroeder's backward integration gives the energy decay curve; a straight line through its part from
    −5 to −35 dB is extended to 60 dB (the T30 of ISO 3382).

    Args:
        impulse_response: one response, shape (n_samples,).
        sample_rate: in hertz.

    Returns:
        Reverberation time in seconds.

    Raises:
        ValueError: if the response is silent, or ends before its decay has reached −35 dB.

    Lesson: 01 §1
    """
    response = as_signal(impulse_response, "impulse_response", n_axes=1).astype(np.float64)
    remaining = np.cumsum((response * response)[::-1])[::-1]
    if remaining[0] == 0.0:
        raise ValueError("impulse_response: got silence, which has no decay. Pass a response with a direct sound.")
    heard = remaining[remaining > 0.0]
    level_db = 10.0 * np.log10(heard / heard[0])
    fitted = np.flatnonzero((level_db <= -5.0) & (level_db >= -35.0))
    if level_db[-1] > -35.0 or len(fitted) < 2:
        raise ValueError(
            f"impulse_response: got {describe(response)} whose decay cannot be followed from -5 to -35 dB. "
            "Pass a longer response of a reverberant room."
        )
    slope_db_per_sample, _ = np.polyfit(fitted, level_db[fitted], 1)
    return float(-60.0 / slope_db_per_sample / sample_rate)


def _image_order(duration_s: float, dimensions_m: Sequence[float]) -> int:
    """Return the reflection order that contains every arrival of the first ``duration_s`` seconds."""
    return math.ceil(SPEED_OF_SOUND_M_S * duration_s / min(dimensions_m)) + 1


def _image_sources(
    dimensions_m: Sequence[float],
    absorption: float,
    order: int,
    sources: NDArray[Any],
    microphones: NDArray[Any],
    sample_rate: int,
) -> list[list[NDArray[np.float64]]]:
    """Run the simulation and return one response for each microphone and source, the filters' delay removed."""
    import scipy.signal

    pra = _pyroomacoustics()
    room = pra.ShoeBox(
        list(dimensions_m), fs=sample_rate, materials=pra.Material(absorption), max_order=order, air_absorption=False
    )
    room.set_sound_speed(SPEED_OF_SOUND_M_S)
    for position in sources:
        room.add_source(list(position))
    room.add_microphone_array(microphones.T)
    # pyroomacoustics would take the images' constant part away with a filter that runs in both directions
    # and makes a room sound before the sound arrives. A causal filter does it here.
    filtered_both_ways = pra.constants.get("rir_hpf_enable")
    pra.constants.set("rir_hpf_enable", False)
    try:
        room.compute_rir()
    finally:
        pra.constants.set("rir_hpf_enable", filtered_both_ways)
    highpass = scipy.signal.butter(2, _HIGHPASS_HZ, "highpass", fs=sample_rate, output="sos")
    # Fractional delays are made with linear-phase filters; their common delay is not the room's.
    delay = pra.constants.get("frac_delay_length") // 2
    return [[np.asarray(scipy.signal.sosfilt(highpass, response))[delay:] for response in row] for row in room.rir]


def _absorption_for(
    dimensions_m: Sequence[float], rt60_s: float, source: NDArray[Any], microphone: NDArray[Any], sample_rate: int
) -> float:
    """Find the wall absorption whose measured decay agrees with ``rt60_s``."""
    length, width, height = dimensions_m
    surface = 2.0 * (length * width + length * height + width * height)
    eyring = 24.0 * math.log(10.0) / SPEED_OF_SOUND_M_S * length * width * height / surface
    decay = eyring / rt60_s
    order = _image_order(rt60_s, dimensions_m)
    measured = math.nan
    for _ in range(_MOST_CORRECTIONS):
        absorption = 1.0 - math.exp(-decay)
        if not 0.005 <= absorption <= 0.98:
            break
        response = _image_sources(dimensions_m, absorption, order, source[None], microphone[None], sample_rate)[0][0]
        arrived = round((rt60_s + math.dist(source, microphone) / SPEED_OF_SOUND_M_S) * sample_rate)
        measured = measure_rt60(response[:arrived], sample_rate)
        if abs(measured / rt60_s - 1.0) < RT60_TOLERANCE / 3:
            return absorption
        decay *= measured / rt60_s
    raise RoomSimulationError(
        f"no wall absorption gives a reverberation time of {rt60_s:g} s in a room of "
        f"{length:g} x {width:g} x {height:g} m (last measured: {measured:.3g} s). "
        "Ask for a time that suits the size of the room."
    )


def _as_positions(value: ArrayLike, name: str, dimensions_m: Sequence[float]) -> NDArray[np.float64]:
    """Return positions (n_positions, 3) that lie inside the room, or raise ``ValueError``."""
    positions = as_signal(value, name, n_axes=2).astype(np.float64)
    if positions.shape[1] != 3:
        raise ValueError(f"{name}: got shape {positions.shape}, expected (n_positions, 3). Give x, y and z in metres.")
    outside = np.flatnonzero(((positions <= 0.0) | (positions >= np.asarray(dimensions_m))).any(axis=1))
    if len(outside):
        index = int(outside[0])
        raise ValueError(
            f"{name}: position {index} at {positions[index].tolist()} m lies outside the room "
            f"of {list(dimensions_m)} m. Keep every coordinate between 0 and the room's dimension."
        )
    return positions


def simulate_room(
    dimensions_m: Sequence[float],
    rt60_s: float,
    source_positions_m: ArrayLike,
    microphone_positions_m: ArrayLike,
    *,
    sample_rate: int = SAMPLE_RATE_HZ,
) -> NDArray[np.float64]:
    """Simulate the impulse responses of a shoebox room by image sources.

    All walls absorb equally at all frequencies, as much as makes the measured decay agree with ``rt60_s``.
    A response starts when the source sounds and ends ``rt60_s`` after the last direct sound.

    Args:
        dimensions_m: length, width and height, in metres.
        rt60_s: reverberation time in seconds; 0 for a room without reflections.
        source_positions_m: shape (n_sources, 3), in metres.
        microphone_positions_m: shape (n_microphones, 3), in metres.
        sample_rate: in hertz.

    Returns:
        Impulse responses, shape (n_sources, n_microphones, n_samples).

    Raises:
        ValueError: if a position lies outside the room or a dimension is not positive.
        RoomSimulationError: if pyroomacoustics is missing, or the room cannot have that reverberation time.

    Lesson: 02 §1
    """
    dimensions = [float(side) for side in dimensions_m]
    if len(dimensions) != 3 or not all(math.isfinite(side) and side > 0.0 for side in dimensions):
        raise ValueError(f"dimensions_m: got {dimensions_m!r}, expected three positive lengths in metres.")
    if not (math.isfinite(rt60_s) and rt60_s >= 0.0):
        raise ValueError(f"rt60_s: got {rt60_s!r}, expected a time in seconds of at least 0.")
    sources = _as_positions(source_positions_m, "source_positions_m", dimensions)
    microphones = _as_positions(microphone_positions_m, "microphone_positions_m", dimensions)
    order = _image_order(rt60_s, dimensions) if rt60_s > 0.0 else 0
    if 4.0 / 3.0 * order**3 > _MOST_IMAGES:
        raise ValueError(
            f"rt60_s: {rt60_s:g} s in a room of {dimensions} m takes reflections of order {order}, "
            "too many to simulate. Take a larger room or a shorter time."
        )
    absorption = _absorption_for(dimensions, rt60_s, sources[0], microphones[0], sample_rate) if rt60_s > 0.0 else 1.0
    responses = _image_sources(dimensions, absorption, order, sources, microphones, sample_rate)
    distances = np.linalg.norm(sources[:, None] - microphones[None], axis=2)
    # The image order covers every arrival up to rt60_s; beyond it the response would be incomplete.
    n_samples = math.ceil((rt60_s + distances.max() / SPEED_OF_SOUND_M_S) * sample_rate) + round(_FADE_S * sample_rate)
    result = np.zeros((len(sources), len(microphones), n_samples))
    for microphone, row in enumerate(responses):
        for source, response in enumerate(row):
            kept = min(len(response), n_samples)
            result[source, microphone, :kept] = response[:kept]
    n_fade = round(_FADE_S * sample_rate)
    result[..., -n_fade:] *= np.cos(0.5 * np.pi * np.arange(1, n_fade + 1) / n_fade) ** 2
    return result


def generate(name: str) -> NDArray[np.float32]:
    """Simulate one room of the offline corpus.

    Args:
        name: one of ``NAMES``.

    Returns:
        Impulse responses at 16 kHz, shape (n_microphones, n_samples).

    Raises:
        RoomSimulationError: if pyroomacoustics is missing.

    Lesson: 01 §1
    """
    plan = PLANS[NAMES.index(name)]
    responses = simulate_room(
        plan.dimensions_m, plan.target_rt60_s, [plan.source_position_m], list(plan.microphone_positions_m)
    )
    return np.asarray(responses[0], dtype=np.float32)
