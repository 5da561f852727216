"""Figures over time: waveforms, short sequences, impulse responses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from course_lib.plots.style import add_legend, as_named_signals, axes_or_new, colour
from course_lib.validation import as_positive_integer, as_signal

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MARKERS = "osD^v"


def waveform(
    signals: ArrayLike | Mapping[str, ArrayLike],
    sample_rate: int,
    *,
    ax: Axes | None = None,
    title: str | None = None,
    start_s: float = 0.0,
) -> Axes:
    """Draw one signal, or several over one another, against time.

    Args:
        signals: array of shape (n_samples,), or name to such arrays.
        sample_rate: samples a second, in hertz.
        ax: axes to draw into; a new figure unless given.
        title: the finding.
        start_s: time of the first sample, in seconds.
    Returns:
        The axes.
    Raises:
        ValueError: if a signal is empty, complex, not finite or of more than one axis.

    Lesson: 01 §1
    """
    named = as_named_signals(signals)
    rate = as_positive_integer(sample_rate, "sample_rate")
    ax = axes_or_new(ax, title)
    alpha = 1.0 if len(named) == 1 else 0.75
    for index, (name, signal) in enumerate(named.items()):
        ax.plot(
            start_s + np.arange(signal.size) / rate, signal, color=colour(index), linewidth=0.8, alpha=alpha, label=name
        )
    ax.set_xlabel("Time (s)")
    ax.set_ylabel("Amplitude")
    ax.margins(x=0)
    add_legend(ax, named)
    return ax


def stem(
    signals: ArrayLike | Mapping[str, ArrayLike],
    *,
    ax: Axes | None = None,
    title: str | None = None,
    first_index: int = 0,
    x_label: str = "Sample index n",
    y_label: str = "Amplitude",
) -> Axes:
    """Draw short sequences sample by sample; several stand side by side at each index.

    Args:
        signals: array of shape (n_samples,), or name to such arrays.
        ax: axes to draw into; a new figure unless given.
        title: the finding.
        first_index: index of the first sample.
        x_label: label of the horizontal axis.
        y_label: label of the vertical axis.
    Returns:
        The axes.
    Raises:
        ValueError: if a sequence is empty, complex, not finite or of more than one axis.

    Lesson: 01 §2
    """
    from matplotlib.ticker import MaxNLocator

    named = as_named_signals(signals)
    ax = axes_or_new(ax, title)
    for position, (name, signal) in enumerate(named.items()):
        offset = 0.15 * (position - (len(named) - 1) / 2)
        marker = _MARKERS[position % len(_MARKERS)]
        drawn = ax.stem(
            first_index + np.arange(signal.size) + offset, signal, markerfmt=marker, basefmt=" ", label=name
        )
        drawn.markerline.set(color=colour(position), markersize=5)
        drawn.stemlines.set(color=colour(position), linewidth=1.2)
    ax.axhline(0, color="black", linewidth=0.6)
    ax.set_xlabel(x_label)
    ax.set_ylabel(y_label)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    add_legend(ax, named)
    return ax


def impulse_response(
    response: ArrayLike,
    sample_rate: int,
    *,
    ax: Axes | None = None,
    title: str | None = None,
    dynamic_range_db: float = 80.0,
) -> Axes:
    """Draw an impulse response in decibels with the energy that is still to come (Schroeder's curve).

    A room's reverberation falls along a straight line in decibels; RT60 is the time in which it falls by 60 dB.

    Args:
        response: h, shape (n_taps,).
        sample_rate: samples a second, in hertz.
        ax: axes to draw into; a new figure unless given.
        title: the finding.
        dynamic_range_db: levels shown below the peak.
    Returns:
        The axes.
    Raises:
        ValueError: if the response is empty, silent, complex, not finite or of more than one axis.

    Lesson: 01 §1
    """
    h = as_signal(response, "response", n_axes=1)
    rate = as_positive_integer(sample_rate, "sample_rate")
    power = np.square(h.astype(np.float64))
    if not power.any():
        raise ValueError(
            "response: got silence, expected an impulse response with at least one sample that is not zero."
        )
    ax = axes_or_new(ax, title)
    time_s = np.arange(h.size) / rate
    floor = 10 ** (-dynamic_range_db / 10)
    energy_left = np.cumsum(power[::-1])[::-1]
    for curve, index, width, name in (
        (power / power.max(), 5, 0.5, "|h[n]|²"),
        (energy_left / energy_left[0], 1, 1.8, "energy still to come"),
    ):
        ax.plot(time_s, 10 * np.log10(np.maximum(curve, floor)), color=colour(index), linewidth=width, label=name)
    ax.set_xlabel("Time (s)")
    ax.set_ylabel("Level (dB)")
    ax.set_ylim(-dynamic_range_db, 3)
    ax.margins(x=0)
    ax.legend(loc="upper right")
    return ax
