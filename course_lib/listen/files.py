"""Sounds as files, for whoever wants to keep them or open them in another program."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from course_lib.listen.players import LOUDEST_16_BIT, PEAK_CEILING, as_sounds
from course_lib.validation import as_positive_integer, describe

_UNSAFE_IN_A_FILE_NAME = re.compile(r"[^\w.\-]+")
"""What some system or other refuses in the name of a file; words of any language are accepted everywhere."""


def save_sounds(folder: str | Path, sounds: Mapping[str, ArrayLike], sample_rate: int) -> list[Path]:
    """Write each of several sounds as a WAV file of 16 bits, and say where the files are.

    The sounds keep their levels relative to one another. If a peak would pass −1 dB of full scale, all of them are
    turned down together, so that nothing clips and the difference of two files is still the difference of two sounds.
    Files of the same names are replaced. The folder is made where there is none.

    Args:
        folder: where to write.
        sounds: name to sound, each of shape (n_samples,) or (2, n_samples) for stereo, full scale 1. The name becomes
            that of the file; what is no letter, digit, dot, hyphen or underscore becomes a hyphen.
        sample_rate: samples a second of all of them, in hertz.
    Returns:
        The files, in the order of the sounds.
    Raises:
        ValueError: if there is no sound, one is empty, holds NaN, is complex or has other axes, a name has no letter
            or digit, two names give one file, or the folder is a file.

    Lesson: 05 §10
    """
    import soundfile

    rate = as_positive_integer(sample_rate, "sample_rate")
    signals = as_sounds(sounds, rate)
    directory = Path(folder)
    if directory.exists() and not directory.is_dir():
        raise ValueError(f"folder: got {str(directory)!r}, which is a file, expected a folder. Choose another name.")
    paths = [directory / f"{_file_name(name)}.wav" for name in signals]
    if len({path.name.lower() for path in paths}) < len(paths):
        raise ValueError(
            f"sounds: got the names {list(signals)}, of which two give one file. Choose names that differ."
        )
    peak = max(float(np.max(np.abs(signal))) for signal in signals.values())
    gain = min(1.0, PEAK_CEILING / peak) if peak > 0 else 1.0
    directory.mkdir(parents=True, exist_ok=True)
    for path, signal in zip(paths, signals.values(), strict=True):
        soundfile.write(path, np.rint(gain * signal.T * LOUDEST_16_BIT).astype(np.int16), rate, subtype="PCM_16")
    turned_down = f", turned down together by {-20 * np.log10(gain):.1f} dB" if gain < 1 else ""
    print(f"Wrote {', '.join(path.name for path in paths)} to {directory.resolve()}{turned_down}")
    return paths


def _file_name(name: str) -> str:
    """Return a name that every file system takes."""
    safe = _UNSAFE_IN_A_FILE_NAME.sub("-", name).strip("-.")
    if not safe:
        raise ValueError(
            f"sounds: got the name {describe(name)}, expected a letter or a digit in it. Name it in words."
        )
    return safe
