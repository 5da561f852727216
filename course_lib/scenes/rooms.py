"""Sources in rooms, as microphones hear them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from course_lib.constants import SAMPLE_RATE_HZ
from course_lib.data.rooms import Room, RoomSimulationError, simulate_room
from course_lib.scenes._images import as_sources, sum_in_order
from course_lib.validation import as_positive_integer, as_signal

_WALL_DISTANCE_M: Final = 0.5
_SPEAKER_DISTANCE_M: Final = (0.8, 2.5)
_MICROPHONE_SPACING_M: Final = 0.05
_SMALLEST_ANGLE_DEG: Final = 30.0
_MOST_DRAWS: Final = 1_000


@dataclass(frozen=True, eq=False)
class Scene:
    """Sources in a room, as the microphones hear them.

    Args:
        mixture: shape (n_channels, n_samples); the images added in their order, to the last bit.
        images: each source as each microphone hears it, shape (n_sources, n_channels, n_samples).
        sources: the dry sources, padded with zeros to one length, shape (n_sources, n_samples).
        impulse_responses: shape (n_sources, n_channels, n_taps).
        sample_rate: in hertz.
        dimensions_m: of the room, in metres, if known.
        source_positions_m: shape (n_sources, 3), in metres, if known.
        microphone_positions_m: shape (n_channels, 3), in metres, if known.

    Lesson: 02 §1
    """

    mixture: NDArray[np.float64]
    images: NDArray[np.float64]
    sources: NDArray[np.float64]
    impulse_responses: NDArray[np.float64]
    sample_rate: int
    dimensions_m: tuple[float, float, float] | None = None
    source_positions_m: NDArray[np.float64] | None = None
    microphone_positions_m: NDArray[np.float64] | None = None


def place_in_room(
    sources: ArrayLike | Sequence[ArrayLike],
    impulse_responses: ArrayLike | Room,
    *,
    sample_rate: int = SAMPLE_RATE_HZ,
) -> Scene:
    """Let the microphones of a room hear one or several dry sources.

    Equation: y_c[n] = Σ_s (h_cs ∗ x_s)[n]

    Args:
        sources: signals x_s, shape (n_sources, n_samples), or a list of signals of any lengths.
        impulse_responses: h_cs, shape (n_sources, n_channels, n_taps), or a ``Room`` (which has one source).
        sample_rate: in hertz; that of the room if one is given.

    Returns:
        The scene, with n_samples + n_taps − 1 samples.

    Raises:
        ValueError: if the numbers of sources do not agree.

    Cost: O(S·C·N log N) for S sources and C microphones.
    Reference: Vincent, Virtanen & Gannot, Audio Source Separation and Speech Enhancement, §3.2.
    Lesson: 02 §1
    """
    from course_lib.convolution import convolve_fft

    dry = as_sources(sources)
    if isinstance(impulse_responses, Room):
        responses = impulse_responses.impulse_response[None]
        sample_rate = impulse_responses.sample_rate
    else:
        responses = as_signal(impulse_responses, "impulse_responses", n_axes=3).astype(np.float64)
    if len(responses) != len(dry):
        raise ValueError(
            f"impulse_responses: got shape {responses.shape} for {len(dry)} sources, "
            f"expected ({len(dry)}, n_channels, n_taps). Give one row of responses a source."
        )
    images = np.asarray(convolve_fft(dry[:, None, :], responses))
    room = impulse_responses if isinstance(impulse_responses, Room) else None
    return Scene(
        mixture=sum_in_order(images),
        images=images,
        sources=dry,
        impulse_responses=responses,
        sample_rate=sample_rate,
        dimensions_m=room.dimensions_m if room else None,
        source_positions_m=np.array([room.source_position_m]) if room else None,
        microphone_positions_m=np.array(room.microphone_positions_m) if room else None,
    )


def _draw_geometry(
    n_sources: int, n_microphones: int, rng: np.random.Generator
) -> tuple[tuple[float, float, float], NDArray[Any], NDArray[Any]]:
    """Draw a room, a line of microphones near its middle, and sources around it at distinct angles."""
    length, width, height = rng.uniform((4.5, 4.0, 2.4), (7.5, 6.0, 3.2))
    half_array = 0.5 * _MICROPHONE_SPACING_M * (n_microphones - 1)
    centre = np.array([length * rng.uniform(0.4, 0.6), width * rng.uniform(0.4, 0.6), rng.uniform(1.0, 1.5)])
    heading = rng.uniform(0.0, math.pi)
    along = np.array([math.cos(heading), math.sin(heading), 0.0])
    offsets = np.linspace(-half_array, half_array, n_microphones)
    microphones = centre + offsets[:, None] * along
    for _ in range(_MOST_DRAWS):
        angles = rng.uniform(0.0, 2.0 * math.pi, n_sources)
        gaps = np.diff(np.sort(angles), append=np.min(angles) + 2.0 * math.pi)
        distances = rng.uniform(*_SPEAKER_DISTANCE_M, n_sources)
        heights = rng.uniform(1.1, 1.8, n_sources)
        sources = np.column_stack(
            [centre[0] + distances * np.cos(angles), centre[1] + distances * np.sin(angles), heights]
        )
        inside = (sources > _WALL_DISTANCE_M).all() and (
            sources < np.array([length, width, height]) - _WALL_DISTANCE_M
        ).all()
        if inside and (n_sources == 1 or gaps.min() >= math.radians(_SMALLEST_ANGLE_DEG)):
            return (float(length), float(width), float(height)), sources, microphones
    raise RoomSimulationError(f"no place was found for {n_sources} sources 30 degrees apart. Ask for fewer sources.")


def random_room_scene(
    sources: ArrayLike | Sequence[ArrayLike],
    rt60_s: float,
    n_microphones: int,
    rng: np.random.Generator,
    *,
    sample_rate: int = SAMPLE_RATE_HZ,
) -> Scene:
    """Place sources at random in a random room with a line of microphones 5 cm apart.

    Equation: y_c[n] = Σ_s (h_cs ∗ x_s)[n]

    The room is that of a home or a small office; sources stand 0.8 to 2.5 m from the microphones and at
    least 30° apart. The same generator state gives the same scene.

    Args:
        sources: signals x_s, shape (n_sources, n_samples), or a list of signals of any lengths.
        rt60_s: reverberation time in seconds; 0 for a room without reflections.
        n_microphones: number of microphones.
        rng: draws the room and the positions.
        sample_rate: in hertz.

    Returns:
        The scene, with positions.

    Raises:
        ValueError: if an argument is out of range.
        RoomSimulationError: if pyroomacoustics is missing or the reverberation time does not suit such a room.

    Cost: O((c·RT60/L)³) images for the smallest room dimension L, then as ``place_in_room``.
    Reference: Allen & Berkley, "Image method for efficiently simulating small-room acoustics", JASA 65(4), 1979.
    Lesson: 02 §1
    """
    dry = as_sources(sources)
    n_microphones = as_positive_integer(n_microphones, "n_microphones")
    dimensions_m, source_positions, microphone_positions = _draw_geometry(len(dry), n_microphones, rng)
    responses = simulate_room(dimensions_m, rt60_s, source_positions, microphone_positions, sample_rate=sample_rate)
    scene = place_in_room(dry, responses, sample_rate=sample_rate)
    return Scene(
        mixture=scene.mixture,
        images=scene.images,
        sources=dry,
        impulse_responses=responses,
        sample_rate=sample_rate,
        dimensions_m=dimensions_m,
        source_positions_m=source_positions,
        microphone_positions_m=microphone_positions,
    )
