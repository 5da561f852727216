"""Checks of the arrays that the modules of this package share."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from course_lib.validation import as_signal, describe


def as_positions(value: ArrayLike, name: str = "positions_m") -> NDArray[np.float64]:
    """Return positions ``(n_channels, 3)`` in double precision."""
    positions = as_signal(value, name).astype(np.float64)
    if positions.ndim != 2 or positions.shape[1] != 3:
        raise ValueError(
            f"{name}: got {describe(positions)}, expected (n_channels, 3). Give x, y and z in metres, one row a "
            "microphone."
        )
    return positions


def as_frequencies(value: ArrayLike) -> NDArray[np.float64]:
    """Return frequencies ``(n_freqs,)`` in double precision; one number counts as one frequency."""
    frequencies = as_signal(np.atleast_1d(np.asarray(value)), "frequencies_hz", n_axes=1).astype(np.float64)
    if frequencies.min() < 0:
        raise ValueError(f"frequencies_hz: the lowest is {frequencies.min():g}, expected none below 0 Hz.")
    return frequencies


def as_angles(value: ArrayLike, name: str) -> NDArray[np.float64]:
    """Return angles of any shape in double precision."""
    angles = np.asarray(value)
    return as_signal(np.atleast_1d(angles), name).astype(np.float64).reshape(angles.shape)


def as_covariance(value: ArrayLike, name: str) -> NDArray[np.complex128]:
    """Return covariances ``(n_freqs, n_channels, n_channels)`` in double precision."""
    covariance = np.asarray(value)
    if covariance.ndim != 3 or covariance.shape[1] != covariance.shape[2]:
        raise ValueError(
            f"{name}: got {describe(covariance)}, expected (n_freqs, n_channels, n_channels), as spatial_covariance "
            "returns."
        )
    covariance = as_signal(covariance, name, allow_complex=True).astype(np.complex128)
    if np.einsum("kcc->kc", covariance).real.min() < 0:
        raise ValueError(f"{name}: a power on the diagonal is negative. Compute it with spatial_covariance.")
    return covariance


def as_vectors(value: ArrayLike, name: str) -> NDArray[np.complex128]:
    """Return one complex vector a frequency, ``(n_freqs, n_channels)``, in double precision."""
    vectors = np.asarray(value)
    if vectors.ndim != 2:
        raise ValueError(
            f"{name}: got {describe(vectors)}, expected (n_freqs, n_channels): one vector a frequency. "
            "Select one direction before the call."
        )
    return as_signal(vectors, name, allow_complex=True).astype(np.complex128)


def require_fit(shape: tuple[int, ...], expected: tuple[int, ...], name: str, other: str) -> None:
    """Refuse an array whose shape is not the one that another array asks for."""
    if shape != expected:
        raise ValueError(
            f"{name}: got shape {shape}, expected {expected} to fit {other}. Compute both for the same frequencies "
            "and microphones."
        )


def broadcast_angles(azimuth_deg: Any, elevation_deg: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return azimuth and elevation in radians, of one shape."""
    azimuth, elevation = as_angles(azimuth_deg, "azimuth_deg"), as_angles(elevation_deg, "elevation_deg")
    try:
        azimuth, elevation = np.broadcast_arrays(azimuth, elevation)
    except ValueError as error:
        raise ValueError(
            f"elevation_deg: got shape {elevation.shape}, which does not fit azimuth_deg of shape {azimuth.shape}. "
            "Give one elevation for all directions, or one for each."
        ) from error
    return np.deg2rad(azimuth), np.deg2rad(elevation)
