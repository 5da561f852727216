"""Talkers around an array of microphones, each in a known direction."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from course_lib.constants import SAMPLE_RATE_HZ
from course_lib.data.rooms import RoomSimulationError, simulate_room
from course_lib.scenes._images import as_sources, sum_in_order
from course_lib.scenes.mixing import mix_at_snr
from course_lib.scenes.rooms import place_in_room
from course_lib.validation import SilentSignalError, as_signal, describe

_SMALLEST_ROOM_M: Final = (5.0, 4.5, 2.5)
_LARGEST_ROOM_M: Final = (7.5, 6.5, 3.2)
_ARRAY_HEIGHTS_M: Final = (1.1, 1.5)
_WALL_DISTANCE_M: Final = 0.3
_MOST_DRAWS: Final = 1_000
_FRAME_LENGTH: Final = 1024


@dataclass(frozen=True, eq=False)
class ArrayScene:
    """Sources in known directions, as an array of microphones hears them; the target is source 0.

    Attributes:
        mixture: shape (n_channels, n_samples); the images added in their order, to the last bit.
        images: the sources as each microphone hears them, then the diffuse noise, then the microphones' own noise, as
            far as there are any, shape (n_images, n_channels, n_samples).
        sources: the dry sources, padded with zeros to one length, shape (n_sources, n_dry_samples).
        impulse_responses: shape (n_sources, n_channels, n_taps).
        sample_rate: in hertz.
        azimuths_deg: true directions of the sources as seen from the array's centre, shape (n_sources,).
        positions_m: of the microphones about the array's centre, shape (n_channels, 3), in metres.
        dimensions_m: of the room, in metres.
        source_positions_m: in the room, shape (n_sources, 3), in metres.
        microphone_positions_m: in the room, shape (n_channels, 3), in metres.

    Lesson: 04 §1
    """

    mixture: NDArray[np.float64]
    images: NDArray[np.float64]
    sources: NDArray[np.float64]
    impulse_responses: NDArray[np.float64]
    sample_rate: int
    azimuths_deg: NDArray[np.float64]
    positions_m: NDArray[np.float64]
    dimensions_m: tuple[float, float, float]
    source_positions_m: NDArray[np.float64]
    microphone_positions_m: NDArray[np.float64]

    @property
    def target(self) -> NDArray[np.float64]:
        """Source 0 as the microphones hear it, shape (n_channels, n_samples)."""
        target: NDArray[np.float64] = self.images[0]
        return target

    @property
    def interference(self) -> NDArray[np.float64]:
        """Everything else that the microphones hear, shape (n_channels, n_samples); zero if there is nothing."""
        if len(self.images) == 1:
            return np.zeros_like(self.images[0])
        return sum_in_order(self.images[1:])


def array_scene(
    sources: ArrayLike | Sequence[ArrayLike],
    azimuths_deg: ArrayLike,
    positions_m: ArrayLike,
    rng: np.random.Generator,
    *,
    rt60_s: float = 0.3,
    distance_m: float | ArrayLike = 1.5,
    signal_to_interference_db: float | None = None,
    diffuse_noise_snr_db: float | None = None,
    diffuse_noise: ArrayLike | None = None,
    sensor_noise_snr_db: float | None = 30.0,
    sample_rate: int = SAMPLE_RATE_HZ,
) -> ArrayScene:
    """Place sources around an array, all at the array's height, in a room drawn at random.

    Equation: y_c[n] = Σ_s (h_cs ∗ x_s)[n] + v_c[n] + q_c[n]: sources, diffuse noise, the microphones' own noise.

    Ratios are those of the target, source 0, to what they name, as powers over all channels and samples. Diffuse noise
    comes from all directions alike: its coherence between microphones is :func:`course_lib.beamforming.
    diffuse_coherence`. The same generator state gives the same scene; what an option adds changes nothing else in it.

    Args:
        sources: signals x_s, shape (n_sources, n_samples), or a list of signals of any lengths.
        azimuths_deg: directions of the sources, in degrees, shape (n_sources,).
        positions_m: of the microphones about the array's centre, shape (n_channels, 3), in metres.
        rng: draws the room, the place of the array in it, and the noises.
        rt60_s: reverberation time in seconds; 0 for a free field.
        distance_m: of the sources from the array's centre, in metres, one for all or shape (n_sources,).
        signal_to_interference_db: of the target to all other sources together; as the sources come unless given.
        diffuse_noise_snr_db: of the target to the diffuse noise; no such noise unless given.
        diffuse_noise: what the diffuse noise sounds like, shape (n_noise_samples,); white unless given.
        sensor_noise_snr_db: of the target to the microphones' own, white noise; None for none.
        sample_rate: in hertz.
    Returns:
        The scene, with n_dry_samples + n_taps − 1 samples.
    Raises:
        ValueError: if the numbers of sources do not agree or an argument is out of range.
        SilentSignalError: if a ratio is asked for and the target, or what it relates to, is silent; a ValueError.
        RoomSimulationError: if pyroomacoustics is missing, the sources are too far away for any room, or the
            reverberation time does not suit it.
    Cost: O((c·RT60/L)³) images for the smallest room dimension L, then O(S·C·N·log N).
    Reference: Allen & Berkley, "Image method for efficiently simulating small-room acoustics", JASA 65(4), 1979;
        E. A. P. Habets, I. Cohen and S. Gannot, "Generating nonstationary multisensor signals under a spatial coherence
        constraint", JASA 124(5), 2008.
    Lesson: 04 §1
    """
    from course_lib.beamforming import direction
    from course_lib.beamforming._checks import as_positions

    dry = as_sources(sources)
    positions = as_positions(positions_m)
    azimuths = _one_for_each(azimuths_deg, "azimuths_deg", len(dry), broadcast=False)
    distances = _one_for_each(distance_m, "distance_m", len(dry), broadcast=True)
    if distances.min() <= 0:
        raise ValueError(f"distance_m: the smallest is {distances.min():g}, expected positive distances in metres.")
    # Streams of their own, so that noise can be added to a scene that else stays as it is.
    room_rng, diffuse_rng, sensor_rng = (np.random.default_rng(seed) for seed in rng.integers(2**63, size=3))
    dimensions_m, centre = _draw_room(distances[:, None] * direction(azimuths), positions, room_rng)
    source_positions = centre + distances[:, None] * direction(azimuths)
    microphones = centre + positions
    responses = simulate_room(dimensions_m, rt60_s, source_positions, microphones, sample_rate=sample_rate)
    images = list(place_in_room(dry, responses, sample_rate=sample_rate).images)
    if signal_to_interference_db is not None and len(images) > 1:
        others = sum_in_order(np.stack(images[1:]))
        gain = np.linalg.norm(mix_at_snr(images[0], others, signal_to_interference_db).images[1])
        images[1:] = [image * (gain / np.linalg.norm(others)) for image in images[1:]]
    n_samples = images[0].shape[-1]
    if diffuse_noise_snr_db is not None:
        noise = _diffuse_noise(diffuse_noise, positions, n_samples, diffuse_rng, sample_rate)
        images.append(mix_at_snr(images[0], noise, diffuse_noise_snr_db).images[1])
    if sensor_noise_snr_db is not None:
        noise = sensor_rng.standard_normal(images[0].shape)
        images.append(mix_at_snr(images[0], noise, sensor_noise_snr_db).images[1])
    all_images = np.stack(images)
    return ArrayScene(
        mixture=sum_in_order(all_images),
        images=all_images,
        sources=dry,
        impulse_responses=responses,
        sample_rate=sample_rate,
        azimuths_deg=azimuths,
        positions_m=positions,
        dimensions_m=dimensions_m,
        source_positions_m=source_positions,
        microphone_positions_m=microphones,
    )


def _one_for_each(value: ArrayLike, name: str, n_sources: int, *, broadcast: bool) -> NDArray[np.float64]:
    """Return one number for each source."""
    numbers = as_signal(np.atleast_1d(np.asarray(value)), name, n_axes=1).astype(np.float64)
    if len(numbers) != n_sources and not (broadcast and len(numbers) == 1):
        raise ValueError(f"{name}: got {describe(numbers)} for {n_sources} sources, expected one number for each.")
    return np.array(np.broadcast_to(numbers, n_sources))


def _draw_room(
    sources: NDArray[np.float64], microphones: NDArray[np.float64], rng: np.random.Generator
) -> tuple[tuple[float, float, float], NDArray[np.float64]]:
    """Draw a room and where in it the array's centre is, so that all sources are inside and off the walls."""
    around = np.concatenate([sources, microphones])
    for _ in range(_MOST_DRAWS):
        dimensions = rng.uniform(_SMALLEST_ROOM_M, _LARGEST_ROOM_M)
        centre = np.append(dimensions[:2] * rng.uniform(0.35, 0.65, 2), rng.uniform(*_ARRAY_HEIGHTS_M))
        places = centre + around
        if ((places > _WALL_DISTANCE_M) & (places < dimensions - _WALL_DISTANCE_M)).all():
            length, width, height = map(float, dimensions)
            return (length, width, height), centre
    raise RoomSimulationError(
        f"no room of at most {math.prod(_LARGEST_ROOM_M):.0f} m³ holds the sources and the array, which reach "
        f"{np.abs(around).max():.2g} m from its centre. Bring the sources nearer."
    )


def _diffuse_noise(
    sound: ArrayLike | None,
    positions: NDArray[np.float64],
    n_samples: int,
    rng: np.random.Generator,
    sample_rate: int,
) -> NDArray[np.float64]:
    """Return noise with the coherence of a diffuse field, shape (n_channels, n_samples)."""
    from course_lib.beamforming import diffuse_coherence
    from course_lib.stft import bin_frequencies, istft, stft

    n_channels = len(positions)
    if sound is None:
        independent = rng.standard_normal((n_channels, n_samples))
    else:
        heard = as_signal(sound, "diffuse_noise", n_axes=1).astype(np.float64)
        if not heard.any():
            raise SilentSignalError("diffuse_noise: got silence, which has no level. Pass a noise with sound.")
        # Stretches that begin far from one another are as good as independent.
        starts = rng.integers(len(heard)) + np.arange(n_channels) * len(heard) // n_channels
        independent = heard[(starts[:, None] + np.arange(n_samples)) % len(heard)]
    spectra = stft(independent, frame_length=_FRAME_LENGTH)
    coherence = diffuse_coherence(positions, bin_frequencies(_FRAME_LENGTH, sample_rate))
    eigenvalues, vectors = np.linalg.eigh(coherence)
    # At low frequencies the microphones hear the same: some eigenvalues are zero but for rounding errors.
    mixing = vectors * np.sqrt(np.maximum(eigenvalues, 0))[:, None, :] @ vectors.swapaxes(1, 2)
    mixed = np.matmul(mixing, spectra.transpose(1, 0, 2)).transpose(1, 0, 2)
    return istft(mixed, frame_length=_FRAME_LENGTH, n_samples=n_samples)
