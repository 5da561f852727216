"""Where the microphones are, and what a direction is."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from course_lib.beamforming._checks import broadcast_angles
from course_lib.validation import as_number, as_positive_integer, describe


def linear_array(n_microphones: int, spacing_m: float) -> NDArray[np.float64]:
    """Place microphones on the x axis, evenly spaced about the origin.

    Equation: p_c = ((c − (C + 1)/2)·d, 0, 0), c = 1 … C.

    Broadside is at 90° (and at 270°, which such an array cannot tell from it), endfire at 0° and 180°.

    Args:
        n_microphones: C.
        spacing_m: d, from one microphone to the next, in metres.
    Returns:
        Positions in metres, shape (n_channels, 3).
    Raises:
        ValueError: if there is no microphone or the spacing is not positive.
    Cost: O(C).
    Reference: H. L. Van Trees, Optimum Array Processing, Wiley 2002, §2.3.
    Lesson: 04 §2
    """
    n = as_positive_integer(n_microphones, "n_microphones")
    positions = np.zeros((n, 3))
    positions[:, 0] = (np.arange(n) - (n - 1) / 2) * as_number(spacing_m, "spacing_m", 0, above=True)
    return positions


def circular_array(n_microphones: int, radius_m: float) -> NDArray[np.float64]:
    """Place microphones evenly on a horizontal circle about the origin, the first one on the x axis.

    Equation: p_c = r (cos 2π(c − 1)/C, sin 2π(c − 1)/C, 0), c = 1 … C.

    Args:
        n_microphones: C.
        radius_m: r, in metres.
    Returns:
        Positions in metres, shape (n_channels, 3).
    Raises:
        ValueError: if there is no microphone or the radius is not positive.
    Cost: O(C).
    Reference: H. L. Van Trees, Optimum Array Processing, Wiley 2002, §4.2.
    Lesson: 04 §2
    """
    n = as_positive_integer(n_microphones, "n_microphones")
    angles_deg = 360.0 * np.arange(n) / n
    return as_number(radius_m, "radius_m", 0, above=True) * direction(angles_deg)


def rectangular_array(n_microphones: tuple[int, int], spacing_m: float) -> NDArray[np.float64]:
    """Place microphones on a horizontal grid about the origin.

    Equation: p_c = ((i − (C_x + 1)/2)·d, (j − (C_y + 1)/2)·d, 0), c = (i − 1)·C_y + j.

    Args:
        n_microphones: how many in the directions of x and y, C_x and C_y.
        spacing_m: d, from one microphone to the next in either direction, in metres.
    Returns:
        Positions in metres, shape (n_channels, 3), those of equal x next to one another.
    Raises:
        ValueError: if there is no microphone or the spacing is not positive.
    Cost: O(C).
    Reference: H. L. Van Trees, Optimum Array Processing, Wiley 2002, §4.1.
    Lesson: 04 §2
    """
    if np.shape(n_microphones) != (2,):
        raise ValueError(f"n_microphones: got {describe(n_microphones)}, expected two numbers, those along x and y.")
    x, y = (linear_array(n, spacing_m)[:, 0] for n in n_microphones)
    positions = np.zeros((len(x) * len(y), 3))
    positions[:, 0] = np.repeat(x, len(y))
    positions[:, 1] = np.tile(y, len(x))
    return positions


def direction(azimuth_deg: ArrayLike, elevation_deg: ArrayLike = 0.0) -> NDArray[np.float64]:
    """Return the unit vector from the array towards a source.

    Equation: u(θ, φ) = (cos φ cos θ, cos φ sin θ, sin φ).

    Args:
        azimuth_deg: θ, counter-clockwise from the x axis, in degrees, shape (...).
        elevation_deg: φ, up from the horizontal plane, in degrees, of a shape that broadcasts with it, (...).
    Returns:
        u, shape (..., 3).
    Raises:
        ValueError: if an angle is not finite or the shapes do not fit.
    Cost: O(1) a direction.
    Reference: H. L. Van Trees, Optimum Array Processing, Wiley 2002, §2.2.
    Lesson: 04 §2
    """
    azimuth, elevation = broadcast_angles(azimuth_deg, elevation_deg)
    return np.stack(
        [np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)], axis=-1
    )
