"""Figures over frequency: spectra and spectrograms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from course_lib.plots.style import SPECTROGRAM_COLOURS, add_legend, as_named_signals, axes_or_new, colour, level_db
from course_lib.validation import as_positive_integer, as_signal, describe

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.image import AxesImage

_DYNAMIC_RANGE_DB = 80.0


def spectrogram(
    x: ArrayLike,
    sample_rate: int,
    *,
    ax: Axes | None = None,
    title: str | None = None,
    frame_length: int = 1024,
    hop_length: int | None = None,
    window: str | ArrayLike = "hann",
    top_db: float | None = None,
    dynamic_range_db: float = _DYNAMIC_RANGE_DB,
    colour_bar: bool = True,
) -> Axes:
    """Draw the spectrogram of a signal; 0 dB is the level of a full-scale sine.

    Args:
        x: signal, shape (n_samples,).
        sample_rate: samples a second, in hertz.
        ax: axes to draw into; a new figure unless given.
        title: the finding.
        frame_length: samples a frame.
        hop_length: samples from frame to frame; a quarter of a frame unless given.
        window: name, or samples of shape (frame_length,).
        top_db: level of the brightest colour; the loudest point unless given. Give one to compare figures.
        dynamic_range_db: levels from the brightest colour down to the darkest.
        colour_bar: whether to add a colour bar.
    Returns:
        The axes.
    Raises:
        ValueError: if the signal is empty, complex, not finite or of more than one axis.

    Lesson: 01 §6
    """
    signal = as_signal(x, "x", n_axes=1)
    rate = as_positive_integer(sample_rate, "sample_rate")
    hop = frame_length // 4 if hop_length is None else hop_length
    levels = _levels_of(signal, frame_length, hop, window)
    ax = axes_or_new(ax, title)
    image = _draw_levels(ax, levels, rate, frame_length, hop, signal.size / rate, top_db, dynamic_range_db)
    if colour_bar:
        ax.figure.colorbar(image, ax=ax, label="Level (dB)", pad=0.01)
    return ax


def spectrogram_of_stft(
    X: ArrayLike,
    sample_rate: int,
    *,
    hop_length: int,
    fft_length: int | None = None,
    ax: Axes | None = None,
    title: str | None = None,
    top_db: float | None = None,
    dynamic_range_db: float = _DYNAMIC_RANGE_DB,
    colour_bar: bool = True,
) -> Axes:
    """Draw the magnitude of a transform that is there already: a product, an estimate, a mask times a mixture.

    Args:
        X: STFT of centred frames, or its magnitude, shape (n_freqs, n_frames).
        sample_rate: samples a second, in hertz.
        hop_length: samples from frame to frame.
        fft_length: length of the DFT; 2·(n_freqs − 1) unless given, which holds for every even length.
        ax: axes to draw into; a new figure unless given.
        title: the finding.
        top_db: level of the brightest colour; the largest magnitude unless given.
        dynamic_range_db: levels from the brightest colour down to the darkest.
        colour_bar: whether to add a colour bar.
    Returns:
        The axes.
    Raises:
        ValueError: if X is empty, not finite, or not of two axes with at least two frequencies.

    Lesson: 01 §6
    """
    spectrum = as_signal(X, "X", n_axes=2, allow_complex=True)
    if spectrum.shape[0] < 2:
        raise ValueError(f"X: got {describe(spectrum)}, expected (n_freqs, n_frames) with at least 2 frequencies.")
    rate = as_positive_integer(sample_rate, "sample_rate")
    hop = as_positive_integer(hop_length, "hop_length")
    n_fft = 2 * (spectrum.shape[0] - 1) if fft_length is None else as_positive_integer(fft_length, "fft_length")
    ax = axes_or_new(ax, title)
    duration_s = max(spectrum.shape[-1] - 1, 1) * hop / rate
    levels = level_db(np.abs(spectrum) ** 2)
    image = _draw_levels(ax, levels, rate, n_fft, hop, duration_s, top_db, dynamic_range_db)
    if colour_bar:
        ax.figure.colorbar(image, ax=ax, label="Magnitude (dB)", pad=0.01)
    return ax


def compare_spectrograms(
    signals: Mapping[str, ArrayLike],
    sample_rate: int,
    *,
    axes: Sequence[Axes] | None = None,
    frame_length: int = 1024,
    hop_length: int | None = None,
    window: str | ArrayLike = "hann",
    dynamic_range_db: float = _DYNAMIC_RANGE_DB,
) -> list[Axes]:
    """Draw several spectrograms under one another with one colour scale, so that equal colours are equal levels.

    Args:
        signals: title to signal, each of shape (n_samples,).
        sample_rate: samples a second, in hertz.
        axes: axes to draw into, as many as there are signals; a new figure unless given.
        frame_length: samples a frame.
        hop_length: samples from frame to frame; a quarter of a frame unless given.
        window: name, or samples of shape (frame_length,).
        dynamic_range_db: levels from the brightest colour, the loudest point of all, down to the darkest.
    Returns:
        The axes, in the order of the signals.
    Raises:
        ValueError: if there is no signal, one is unfit to draw, or the number of axes differs.

    Lesson: 01 §9
    """
    named = as_named_signals(signals)
    rate = as_positive_integer(sample_rate, "sample_rate")
    hop = frame_length // 4 if hop_length is None else hop_length
    if axes is None:
        from matplotlib import pyplot

        _, grid = pyplot.subplots(
            len(named), figsize=(8.0, 0.8 + 1.9 * len(named)), layout="constrained", sharex=True, squeeze=False
        )
        axes = list(grid[:, 0])
    if len(axes) != len(named):
        raise ValueError(f"axes: got {len(axes)}, expected one for each of the {len(named)} signals.")
    levels = [_levels_of(signal, frame_length, hop, window) for signal in named.values()]
    top_db = max(float(level.max()) for level in levels)
    longest_s = max(signal.size for signal in named.values()) / rate
    for ax, name, level in zip(axes, named, levels, strict=True):
        axes_or_new(ax, name)
        image = _draw_levels(ax, level, rate, frame_length, hop, longest_s, top_db, dynamic_range_db)
        ax.label_outer()
    axes[0].figure.colorbar(image, ax=list(axes), label="Level (dB)", pad=0.01)
    return list(axes)


def magnitude_spectrum(
    signals: ArrayLike | Mapping[str, ArrayLike],
    sample_rate: int,
    *,
    ax: Axes | None = None,
    title: str | None = None,
    fft_length: int | None = None,
    dynamic_range_db: float = 100.0,
) -> Axes:
    """Draw the magnitude of the DFT of one or several whole signals, or the frequency responses of filters.

    Args:
        signals: array of shape (n_samples,), or name to such arrays.
        sample_rate: samples a second, in hertz.
        ax: axes to draw into; a new figure unless given.
        title: the finding.
        fft_length: length of the DFT, at least that of the longest signal; that length unless given.
        dynamic_range_db: levels shown below the largest magnitude.
    Returns:
        The axes.
    Raises:
        ValueError: if a signal is unfit to draw, or longer than the DFT.

    Lesson: 01 §3
    """
    named = as_named_signals(signals)
    rate = as_positive_integer(sample_rate, "sample_rate")
    longest = max(signal.size for signal in named.values())
    n_fft = longest if fft_length is None else as_positive_integer(fft_length, "fft_length", minimum=longest)
    levels = {name: level_db(np.abs(np.fft.rfft(signal, n_fft)) ** 2) for name, signal in named.items()}
    top_db = max(float(level.max()) for level in levels.values())
    ax = axes_or_new(ax, title)
    for index, (name, level) in enumerate(levels.items()):
        shown = np.maximum(level, top_db - dynamic_range_db)
        ax.plot(np.fft.rfftfreq(n_fft, 1e3 / rate), shown, color=colour(index), linewidth=0.9, label=name)
    ax.set_xlabel("Frequency (kHz)")
    ax.set_ylabel("Magnitude (dB)")
    ax.margins(x=0)
    add_legend(ax, named)
    return ax


def _levels_of(
    signal: NDArray[Any], frame_length: int, hop_length: int, window: str | ArrayLike
) -> NDArray[np.float64]:
    """Return the short-time level in dB relative to a full-scale sine, whose magnitude is half the window's sum."""
    from course_lib import stft

    spectrum = stft.stft(signal, window, frame_length=frame_length, hop_length=hop_length)
    full_scale = np.sum(stft.make_window(window, frame_length)) / 2
    return level_db(np.abs(spectrum / full_scale) ** 2)


def _draw_levels(
    ax: Axes,
    levels: NDArray[np.float64],
    sample_rate: int,
    fft_length: int,
    hop_length: int,
    duration_s: float,
    top_db: float | None,
    dynamic_range_db: float,
) -> AxesImage:
    """Draw levels of shape (n_freqs, n_frames) with each cell centred on its frequency and its frame's time."""
    n_freqs, n_frames = levels.shape
    half_step_khz = sample_rate / fft_length / 2000
    half_hop_s = hop_length / sample_rate / 2
    top = float(levels.max()) if top_db is None else top_db
    image = ax.imshow(
        levels,
        origin="lower",
        aspect="auto",
        cmap=SPECTROGRAM_COLOURS,
        vmin=top - dynamic_range_db,
        vmax=top,
        extent=(
            -half_hop_s,
            (2 * n_frames - 1) * half_hop_s,
            -half_step_khz,
            (2 * n_freqs - 1) * half_step_khz,
        ),
    )
    # After a shorter signal's end there is no cell to draw; it is shown as the silence that it is.
    ax.set_facecolor(image.cmap(0.0))
    ax.set_xlim(0, duration_s)
    ax.set_ylim(0, sample_rate / 2000)
    ax.set_xlabel("Time (s)")
    ax.set_ylabel("Frequency (kHz)")
    ax.grid(False)
    return image
