"""What a source in a given direction looks like to the array: delays, and the phases they make."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from course_lib.beamforming._checks import as_frequencies, as_positions
from course_lib.beamforming._phases import phases
from course_lib.beamforming.geometry import direction
from course_lib.constants import SPEED_OF_SOUND_M_S
from course_lib.validation import as_signal, describe


def far_field_delays(
    positions_m: ArrayLike, azimuth_deg: ArrayLike, elevation_deg: ArrayLike = 0.0
) -> NDArray[np.float64]:
    """Return when a plane wave reaches each microphone, counted from when it passes the origin.

    Equation: τ_c = −p_c·u(θ)/c₀: negative where the wave comes earlier.

    Args:
        positions_m: p, shape (n_channels, 3), in metres.
        azimuth_deg: θ, counter-clockwise from the x axis, in degrees, shape (...).
        elevation_deg: up from the horizontal plane, in degrees, of a shape that broadcasts with it, (...).
    Returns:
        τ in seconds, shape (..., n_channels).
    Raises:
        ValueError: if a shape does not fit or a value is not finite.
    Cost: O(C) a direction.
    Reference: H. L. Van Trees, Optimum Array Processing, Wiley 2002, §2.2.
    Lesson: 04 §2
    """
    positions = as_positions(positions_m)
    delays: NDArray[np.float64] = -(direction(azimuth_deg, elevation_deg) @ positions.T) / SPEED_OF_SOUND_M_S
    return delays


def steering_vector(
    positions_m: ArrayLike, frequencies_hz: ArrayLike, azimuth_deg: ArrayLike, elevation_deg: ArrayLike = 0.0
) -> NDArray[np.complex128]:
    """Return the phases that a plane wave has at the microphones, relative to the origin.

    Equation: d_c(f) = e^(−j2πf τ_c), τ_c = −p_c·u(θ)/c₀.

    A source S of the far field is recorded as X_c = d_c·S.

    Args:
        positions_m: p, shape (n_channels, 3), in metres.
        frequencies_hz: f, shape (n_freqs,), in hertz; of an STFT: :func:`course_lib.stft.bin_frequencies`.
        azimuth_deg: θ, counter-clockwise from the x axis, in degrees, shape (...).
        elevation_deg: up from the horizontal plane, in degrees, of a shape that broadcasts with it, (...).
    Returns:
        d, shape (..., n_freqs, n_channels); every entry has the magnitude 1.
    Raises:
        ValueError: if a shape does not fit, a value is not finite or a frequency negative.
    Cost: O(C·n_freqs) a direction; where the frequencies stand evenly, only O(C·√n_freqs) exponentials.
    Reference: H. L. Van Trees, Optimum Array Processing, Wiley 2002, §2.2.
    Lesson: 04 §2
    """
    delays = far_field_delays(positions_m, azimuth_deg, elevation_deg)
    return phases(as_frequencies(frequencies_hz), delays)


def near_field_steering_vector(
    positions_m: ArrayLike, frequencies_hz: ArrayLike, source_position_m: ArrayLike
) -> NDArray[np.complex128]:
    """Return what a point source at a known place gives at the microphones, relative to what it gives at the origin.

    Equation: d_c(f) = (r₀/r_c) e^(−j2πf (r_c − r₀)/c₀), r_c = ‖q − p_c‖, r₀ = ‖q‖.

    As the source q moves away, this becomes the steering vector of its direction.

    Args:
        positions_m: p, shape (n_channels, 3), in metres.
        frequencies_hz: f, shape (n_freqs,), in hertz.
        source_position_m: q, where the source is, counted from the same origin as p, shape (..., 3), in metres.
    Returns:
        d, shape (..., n_freqs, n_channels).
    Raises:
        ValueError: if a shape does not fit, a value is not finite, or the source is at a microphone or at the origin.
    Cost: O(C·n_freqs) a source.
    Reference: M. Brandstein and D. Ward (eds.), Microphone Arrays, Springer 2001, §1.
    Lesson: 04 §2
    """
    positions, frequencies = as_positions(positions_m), as_frequencies(frequencies_hz)
    source = as_signal(source_position_m, "source_position_m").astype(np.float64)
    if source.shape[-1] != 3:
        raise ValueError(f"source_position_m: got {describe(source)}, expected (..., 3): x, y and z in metres.")
    to_microphones = np.linalg.norm(source[..., None, :] - positions, axis=-1)
    to_origin = np.linalg.norm(source, axis=-1)[..., None]
    if min(to_microphones.min(), to_origin.min()) <= 0:
        raise ValueError(
            "source_position_m: a source is at a microphone or at the origin, where its wave has no finite level. "
            "Move it away from the array."
        )
    delays = (to_microphones - to_origin) / SPEED_OF_SOUND_M_S
    vectors: NDArray[np.complex128] = (to_origin / to_microphones)[..., None, :] * phases(frequencies, delays)
    return vectors
