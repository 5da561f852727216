"""Figures of arrays: where the microphones are, and what a beamformer lets through."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from course_lib.beamforming._checks import as_positions
from course_lib.plots.style import SPECTROGRAM_COLOURS, axes_or_new, colour
from course_lib.validation import as_signal, describe

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_DYNAMIC_RANGE_DB = 40.0
_FIGURE_IN = 4.2
# Colour is not the only cue.
_LINE_STYLES = ("-", "--", "-.", ":")


def array_geometry(
    positions_m: ArrayLike,
    *,
    azimuths_deg: ArrayLike | None = None,
    names: tuple[str, ...] | None = None,
    ax: Axes | None = None,
    title: str | None = None,
) -> Axes:
    """Draw the microphones of an array from above, numbered from 0, and the directions of sources.

    Args:
        positions_m: of the microphones, shape (n_channels, 3), in metres.
        azimuths_deg: directions of sources, in degrees, shape (n_sources,); none unless given.
        names: of the sources.
        ax: axes to draw into; a new figure unless given.
        title: the finding.
    Returns:
        The axes, in centimetres.
    Raises:
        ValueError: if the positions are not (n_channels, 3), or names and directions differ in number.

    Lesson: 04 §2
    """
    positions = as_positions(positions_m)
    azimuths = np.zeros(0) if azimuths_deg is None else as_signal(np.atleast_1d(azimuths_deg), "azimuths_deg", n_axes=1)
    labels = tuple(f"source {i + 1}" for i in range(len(azimuths))) if names is None else names
    if len(labels) != len(azimuths):
        raise ValueError(f"names: got {len(labels)} for {len(azimuths)} directions, expected one for each.")
    ax = _square_axes(ax, title)
    places = 100 * positions[:, :2]
    radius = max(float(np.linalg.norm(places, axis=1).max()), 1.0)
    ax.plot(places[:, 0], places[:, 1], "o", color=colour(6), markersize=7)
    for number, (x, y) in enumerate(places):
        ax.annotate(str(number), (x, y), xytext=(6, 6), textcoords="offset points")
    for i, (azimuth, label) in enumerate(zip(np.deg2rad(azimuths), labels, strict=True)):
        x, y = 1.8 * radius * np.cos(azimuth), 1.8 * radius * np.sin(azimuth)
        # From the source towards the array, as its sound travels.
        arrow = {"arrowstyle": "->", "color": colour(i), "linewidth": 1.6}
        ax.annotate("", xy=(0.7 * x, 0.7 * y), xytext=(x, y), arrowprops=arrow)
        ax.plot(x, y, "o", color=colour(i), markersize=5)
        ax.annotate(label, (x, y), xytext=(0, 8), textcoords="offset points", ha="center", color=colour(i))
    ax.set_xlim(-2.4 * radius, 2.4 * radius)
    ax.set_ylim(-2.4 * radius, 2.4 * radius)
    ax.set_aspect("equal")
    ax.set_xlabel("x (cm)")
    ax.set_ylabel("y (cm)")
    return ax


def beam_pattern_image(
    response: ArrayLike,
    frequencies_hz: ArrayLike,
    azimuths_deg: ArrayLike,
    *,
    ax: Axes | None = None,
    title: str | None = None,
    dynamic_range_db: float = _DYNAMIC_RANGE_DB,
    colour_bar: bool = True,
) -> Axes:
    """Draw the response of a beamformer over direction and frequency, in dB.

    Args:
        response: as :func:`course_lib.beamforming.beam_pattern` returns it, shape (n_directions, n_freqs).
        frequencies_hz: shape (n_freqs,), ascending in even steps, in hertz.
        azimuths_deg: shape (n_directions,), ascending in even steps, in degrees.
        ax: axes to draw into; a new figure unless given.
        title: the finding.
        dynamic_range_db: levels from 0 dB, or from the largest response if that is more, down to the darkest.
        colour_bar: whether to add a colour bar.
    Returns:
        The axes.
    Raises:
        ValueError: if the shapes do not fit or a value is not finite.

    Lesson: 04 §4
    """
    frequencies, azimuths = _as_grid(frequencies_hz, "frequencies_hz"), _as_grid(azimuths_deg, "azimuths_deg")
    pattern = as_signal(response, "response", n_axes=2, allow_complex=True)
    if pattern.shape != (len(azimuths), len(frequencies)):
        raise ValueError(
            f"response: got {describe(pattern)}, expected (n_directions, n_freqs): {len(azimuths)} directions, "
            f"{len(frequencies)} frequencies."
        )
    levels = _response_db(pattern, dynamic_range_db)
    top = max(0.0, float(levels.max()))
    half_khz = (frequencies[-1] - frequencies[0]) / (len(frequencies) - 1) / 2000
    half_deg = (azimuths[-1] - azimuths[0]) / (len(azimuths) - 1) / 2
    ax = axes_or_new(ax, title)
    image = ax.imshow(
        levels.T,
        origin="lower",
        aspect="auto",
        cmap=SPECTROGRAM_COLOURS,
        vmin=top - dynamic_range_db,
        vmax=top,
        extent=(
            azimuths[0] - half_deg,
            azimuths[-1] + half_deg,
            frequencies[0] / 1000 - half_khz,
            frequencies[-1] / 1000 + half_khz,
        ),
    )
    ax.set_xlabel("Azimuth (°)")
    ax.set_ylabel("Frequency (kHz)")
    ax.grid(False)
    if colour_bar:
        ax.figure.colorbar(image, ax=ax, label="Response (dB)", pad=0.01)
    return ax


def polar_pattern(
    responses: ArrayLike | dict[str, ArrayLike],
    azimuths_deg: ArrayLike,
    *,
    ax: Axes | None = None,
    title: str | None = None,
    dynamic_range_db: float = _DYNAMIC_RANGE_DB,
) -> Axes:
    """Draw the response of one or several beamformers at one frequency round the array, in dB.

    Args:
        responses: one column of :func:`course_lib.beamforming.beam_pattern`, shape (n_directions,), or name to such.
        azimuths_deg: shape (n_directions,), in degrees.
        ax: polar axes to draw into (``subplot_kw={"projection": "polar"}``); a new figure unless given.
        title: the finding.
        dynamic_range_db: levels from 0 dB, or from the largest response if that is more, to the centre.
    Returns:
        The polar axes.
    Raises:
        ValueError: if the shapes do not fit, a value is not finite, or the axes are not polar.

    Lesson: 04 §4
    """
    azimuths = as_signal(azimuths_deg, "azimuths_deg", n_axes=1).astype(np.float64)
    named = responses if isinstance(responses, dict) else {"": responses}
    if not named:
        raise ValueError("responses: got none, expected at least one.")
    levels = {}
    for name, response in named.items():
        values = as_signal(response, f"responses[{name!r}]", n_axes=1, allow_complex=True)
        if values.shape != azimuths.shape:
            raise ValueError(f"responses[{name!r}]: got {describe(values)}, expected one value a direction.")
        levels[name] = _response_db(values, dynamic_range_db)
    if ax is None:
        from matplotlib import pyplot

        _, ax = pyplot.subplots(
            figsize=(_FIGURE_IN, _FIGURE_IN), layout="constrained", subplot_kw={"projection": "polar"}
        )
    if ax.name != "polar":
        raise ValueError('ax: got rectangular axes, expected polar ones: subplots(subplot_kw={"projection": "polar"}).')
    axes_or_new(ax, title)
    top = max(0.0, *(float(level.max()) for level in levels.values()))
    for i, (name, level) in enumerate(levels.items()):
        radians = np.deg2rad(azimuths)
        if np.isclose(azimuths[-1] - azimuths[0] + np.ptp(azimuths[:2]), 360):  # a full circle is drawn closed
            radians, level = np.append(radians, radians[0]), np.append(level, level[0])
        style = _LINE_STYLES[i % len(_LINE_STYLES)]
        ax.plot(radians, np.maximum(level, top - dynamic_range_db), style, color=colour(i), label=name)
    ax.set_ylim(top - dynamic_range_db, top)
    ax.set_yticks(np.arange(top, top - dynamic_range_db, -10.0))
    ax.set_xlabel("Azimuth (°); radius: response (dB)")
    if any(levels):
        ax.figure.legend(loc="outside lower center", ncols=len(levels))
    return ax


def _square_axes(ax: Axes | None, title: str | None) -> Axes:
    """Return axes as high as they are wide."""
    if ax is None:
        from matplotlib import pyplot

        _, ax = pyplot.subplots(figsize=(_FIGURE_IN, _FIGURE_IN), layout="constrained")
    return axes_or_new(ax, title)


def _response_db(response: NDArray[Any], dynamic_range_db: float) -> NDArray[np.float64]:
    """Return 20 log₁₀|B|, with the floor that is drawn in place of nothing."""
    magnitude = np.abs(response)
    top = max(1.0, float(magnitude.max()))
    return np.asarray(20 * np.log10(np.maximum(magnitude, top * 10 ** (-dynamic_range_db / 20))))


def _as_grid(value: ArrayLike, name: str) -> NDArray[np.float64]:
    """Return at least two numbers in ascending order."""
    grid = as_signal(value, name, n_axes=1).astype(np.float64)
    if len(grid) < 2 or np.diff(grid).min() <= 0:
        raise ValueError(f"{name}: got {describe(grid)}, expected at least two values in ascending order.")
    return grid
