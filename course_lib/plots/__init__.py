"""Figures of one look: readable on a notebook page, safe for colour-blind readers, axes labelled with units.

    from course_lib import plots

    plots.use_style()
    ax = plots.spectrogram(x, sample_rate, title="The echo fills the pauses")

Every helper draws into the ``ax`` it is given, or makes a figure of its own, and returns the axes. The title is for the
finding, in a few words. Matplotlib is imported at the first figure.
"""

from __future__ import annotations

from course_lib.plots.arrays import array_geometry, beam_pattern_image, polar_pattern
from course_lib.plots.frequency import compare_spectrograms, magnitude_spectrum, spectrogram, spectrogram_of_stft
from course_lib.plots.slider import with_slider
from course_lib.plots.style import PALETTE, SPECTROGRAM_COLOURS, use_style
from course_lib.plots.time import impulse_response, stem, waveform

__all__ = [
    "PALETTE",
    "SPECTROGRAM_COLOURS",
    "array_geometry",
    "beam_pattern_image",
    "compare_spectrograms",
    "impulse_response",
    "magnitude_spectrum",
    "polar_pattern",
    "spectrogram",
    "spectrogram_of_stft",
    "stem",
    "use_style",
    "waveform",
    "with_slider",
]
