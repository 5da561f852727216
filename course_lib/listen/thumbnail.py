"""Small spectrogram pictures for the players: a few kilobytes each, the same bytes on every run."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from course_lib.constants import POWER_FLOOR

DYNAMIC_RANGE_DB = 80.0
"""Levels from black to the brightest colour."""

_N_COLOURS = 32
_MAX_COLUMNS = 256
_FRAME_LENGTH = 256
_HOP_LENGTH = 64


def levels_db(samples: NDArray[Any]) -> NDArray[np.float64]:
    """Short-time level of a sound, reduced to the few columns that a small picture can show.

    Args:
        samples: sound, shape (n_channels, n_samples).
    Returns:
        Level in dB relative to a full-scale sine, mean power of the channels, shape (n_freqs, n_columns).

    Lesson: 01 §6
    """
    from course_lib.stft import stft

    # A long sound has far more frames than the picture has columns, so it is cut into coarser ones to begin with.
    hop_length = max(_HOP_LENGTH, min(_FRAME_LENGTH, samples.shape[-1] // (2 * _MAX_COLUMNS)))
    spectrum = stft(samples, "hann", frame_length=_FRAME_LENGTH, hop_length=hop_length)
    power = np.mean(np.abs(spectrum) ** 2, axis=0) * (4 / _FRAME_LENGTH) ** 2
    n_columns = min(_MAX_COLUMNS, power.shape[-1])
    starts = np.arange(n_columns) * power.shape[-1] // n_columns
    counts = np.diff(np.append(starts, power.shape[-1]))
    pooled = np.add.reduceat(power, starts, axis=-1) / counts
    return np.asarray(10 * np.log10(np.maximum(pooled, POWER_FLOOR)))


def level_image(levels: NDArray[np.float64], top_db: float) -> NDArray[np.uint8]:
    """Turn levels into colour numbers, low frequencies at the bottom.

    Args:
        levels: level in dB, shape (n_freqs, n_columns).
        top_db: level of the brightest colour.
    Returns:
        Colour numbers, shape (n_freqs, n_columns), first row on top.

    Lesson: 01 §6
    """
    position = (levels - top_db) / DYNAMIC_RANGE_DB + 1
    return np.asarray(np.clip(np.floor(position * _N_COLOURS), 0, _N_COLOURS - 1), dtype=np.uint8)[::-1]


def png(image: NDArray[np.uint8]) -> bytes:
    """Encode colour numbers as a PNG file with the palette of the course's spectrograms.

    Args:
        image: colour numbers, shape (n_rows, n_columns).
    Returns:
        The file's bytes.

    Lesson: 01 §6
    """
    from matplotlib import colormaps
    from PIL import Image

    from course_lib.plots import SPECTROGRAM_COLOURS

    palette = np.asarray(colormaps[SPECTROGRAM_COLOURS](np.linspace(0, 1, _N_COLOURS), bytes=True))[:, :3]
    picture = Image.fromarray(np.ascontiguousarray(image))
    picture.putpalette(palette.tobytes())
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()
