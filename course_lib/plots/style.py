"""The look that all figures of the course share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from course_lib.validation import as_signal

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PALETTE: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")
"""Okabe and Ito's colours, which readers with any colour vision can tell apart; those that stand out on white come
first."""

SPECTROGRAM_COLOURS: Final = "magma"
"""Colour map of levels: equal steps in dB look equal, and it stays in order when printed in grey."""

_PAGE_WIDTH_IN = 8.0
_HEIGHT_IN = 2.8


def use_style() -> None:
    """Set Matplotlib's defaults for the rest of the notebook: sizes, fonts, colours, layout.

    Lesson: 01 §1
    """
    from matplotlib import rcParams
    from matplotlib.rcsetup import cycler

    rcParams.update(
        {
            "axes.axisbelow": True,
            "axes.grid": True,
            "axes.labelsize": 11,
            "axes.prop_cycle": cycler(color=PALETTE),
            "axes.spines.right": False,
            "axes.spines.top": False,
            "axes.titlelocation": "left",
            "axes.titlesize": 12,
            # White also on a dark page: the colours are chosen for it.
            "figure.facecolor": "white",
            "figure.constrained_layout.use": True,
            "figure.dpi": 100,
            "figure.figsize": (_PAGE_WIDTH_IN, _HEIGHT_IN),
            "font.size": 11,
            "grid.alpha": 0.3,
            "image.cmap": SPECTROGRAM_COLOURS,
            "legend.fontsize": 10,
            "legend.framealpha": 0.9,
            "lines.linewidth": 1.2,
            "savefig.facecolor": "white",
            "xtick.labelsize": 10,
            "ytick.labelsize": 10,
        }
    )


def axes_or_new(ax: Axes | None, title: str | None) -> Axes:
    """Return the axes to draw into, with their title.

    Args:
        ax: axes given by the caller, or ``None`` for a new figure.
        title: the finding, or ``None`` for no title.
    Returns:
        The axes.

    Lesson: 01 §1
    """
    if ax is None:
        from matplotlib import pyplot

        _, ax = pyplot.subplots(figsize=(_PAGE_WIDTH_IN, _HEIGHT_IN), layout="constrained")
    if title is not None:
        ax.set_title(title, loc="left", wrap=True)
    return ax


def as_named_signals(signals: ArrayLike | Mapping[str, ArrayLike]) -> dict[str, NDArray[Any]]:
    """Return one or several one-dimensional signals under their names; a single one has an empty name.

    Args:
        signals: array of shape (n_samples,), or name to such arrays.
    Returns:
        Name to checked array.
    Raises:
        ValueError: if there is none, or one is empty, not finite, complex, or of more axes.

    Lesson: 01 §1
    """
    if not isinstance(signals, Mapping):
        return {"": as_signal(signals, "signals", n_axes=1)}
    if not signals:
        raise ValueError("signals: got none, expected at least one named signal.")
    return {str(name): as_signal(value, f"signals[{name!r}]", n_axes=1) for name, value in signals.items()}


def add_legend(ax: Axes, names: Mapping[str, Any]) -> None:
    """Add a legend if the signals have names.

    Args:
        ax: the axes.
        names: the signals by name.

    Lesson: 01 §1
    """
    if any(names):
        ax.legend(loc="upper right")


def colour(index: int) -> str:
    """Return the palette's colour of the given index, starting over after the last.

    Args:
        index: position of a signal among those drawn.
    Returns:
        The colour in hexadecimal.

    Lesson: 01 §1
    """
    return PALETTE[index % len(PALETTE)]


def level_db(power: NDArray[Any]) -> NDArray[np.float64]:
    """Turn power into decibels with a floor, so that silence can be drawn.

    Args:
        power: power, any shape.
    Returns:
        Level in dB, at least −100, of the same shape.

    Lesson: 01 §6
    """
    from course_lib.constants import POWER_FLOOR

    return np.asarray(10 * np.log10(np.maximum(power, POWER_FLOOR)))
