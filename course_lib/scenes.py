"""Scenes whose every part is known: mixtures at a stated signal-to-noise ratio, and sources in rooms.

Bookkeeping is exact: the images of a scene, added in their order, give the mixture to the last bit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from course_lib.constants import SAMPLE_RATE_HZ
from course_lib.data.rooms import Room, RoomSimulationError, simulate_room
from course_lib.validation import SilentSignalError, as_positive_integer, as_signal, describe

_LARGEST_SNR_DB: Final = 300.0
_WALL_DISTANCE_M: Final = 0.5
_SPEAKER_DISTANCE_M: Final = (0.8, 2.5)
_MICROPHONE_SPACING_M: Final = 0.05
_SMALLEST_ANGLE_DEG: Final = 30.0
_MOST_DRAWS: Final = 1_000


@dataclass(frozen=True, eq=False)
class Mixture:
    """A target and a noise at a stated signal-to-noise ratio.

    Args:
        mixture: shape (..., n_samples); equal to ``images[0] + images[1]`` to the last bit.
        images: target and noise as they stand in the mixture, shape (2, ..., n_samples).
        snr_db: the ratio that was asked for, in decibels.

    Lesson: 02 §4
    """

    mixture: NDArray[np.float64]
    images: NDArray[np.float64]
    snr_db: float


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


def _sum_in_order(images: NDArray[np.float64]) -> NDArray[np.float64]:
    """Add images one after the other, so that the result does not depend on how a library groups sums."""
    total: NDArray[np.float64] = images[0].copy()
    for image in images[1:]:
        total += image
    return total


def _norm(signal: NDArray[np.float64], name: str) -> float:
    """Return the root of a signal's energy, or raise ``SilentSignalError``; no scale overflows or underflows it."""
    peak = float(np.abs(signal).max())
    if peak == 0.0:
        raise SilentSignalError(
            f"{name}: got silence ({describe(signal)}), which has no level. Pass a signal with sound."
        )
    return math.sqrt(float(np.sum(np.square(signal / peak)))) * peak


def mix_at_snr(
    target: ArrayLike, noise: ArrayLike, snr_db: float, *, rng: np.random.Generator | None = None
) -> Mixture:
    """Add noise to a target at a stated signal-to-noise ratio.

    Equation: y[n] = x[n] + g v[n],  g = √(Σ x² / Σ v² · 10^(−SNR/10))

    The target keeps its level. A shorter noise is repeated, a longer one cut; sums run over all channels
    and samples of the target, so that the ratio holds for the mixture as a whole.

    Args:
        target: signal x, shape (..., n_samples).
        noise: noise v, shape (..., n_noise_samples) with the target's leading axes, or (n_noise_samples,).
        snr_db: signal-to-noise ratio in decibels.
        rng: draws where in the noise to start; without it the noise starts at its beginning.

    Returns:
        The mixture and its two images.

    Raises:
        SilentSignalError: if the target or the part of the noise that is used is silent.
        ValueError: if shapes do not agree or the ratio is not a finite number.

    Cost: O(N).
    Reference: Loizou, Speech Enhancement: Theory and Practice, 2nd ed., ch. 11.
    Lesson: 02 §4
    """
    clean = as_signal(target, "target").astype(np.float64)
    disturbance = as_signal(noise, "noise").astype(np.float64)
    if not (isinstance(snr_db, (int, float, np.integer, np.floating)) and abs(snr_db) <= _LARGEST_SNR_DB):
        raise ValueError(f"snr_db: got {describe(snr_db)}, expected a number of decibels within ±{_LARGEST_SNR_DB:g}.")
    if disturbance.ndim != 1 and disturbance.shape[:-1] != clean.shape[:-1]:
        raise ValueError(
            f"noise: got shape {disturbance.shape}, expected ({disturbance.shape[-1]},) or the target's leading axes "
            f"{clean.shape[:-1]} before the samples."
        )
    n_samples, n_noise_samples = clean.shape[-1], disturbance.shape[-1]
    # A noise that is long enough is never wrapped: its end and beginning need not fit together.
    n_starts = n_noise_samples - n_samples + 1 if n_noise_samples >= n_samples else n_noise_samples
    start = 0 if rng is None else int(rng.integers(n_starts))
    used = np.take(disturbance, np.arange(start, start + n_samples) % n_noise_samples, axis=-1)
    used = np.array(np.broadcast_to(used, clean.shape))
    gain = _norm(clean, "target") / _norm(used, "noise") * 10.0 ** (-float(snr_db) / 20.0)
    images = np.stack([clean, gain * used])
    return Mixture(mixture=_sum_in_order(images), images=images, snr_db=float(snr_db))


def _as_sources(sources: ArrayLike | Sequence[ArrayLike]) -> NDArray[np.float64]:
    """Return dry sources padded to one length, shape (n_sources, n_samples)."""
    listed = [as_signal(source, f"sources[{i}]", n_axes=1) for i, source in enumerate(sources)]  # type: ignore[arg-type]
    if not listed:
        raise ValueError("sources: got none, expected at least one signal. Pass a list of arrays.")
    padded = np.zeros((len(listed), max(len(source) for source in listed)))
    for row, source in zip(padded, listed, strict=True):
        row[: len(source)] = source
    return padded


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

    dry = _as_sources(sources)
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
        mixture=_sum_in_order(images),
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
    dry = _as_sources(sources)
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
