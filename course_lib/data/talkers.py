"""The voices and sentences of the offline corpus, and the speech made from them."""

from __future__ import annotations

import functools
import tempfile
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from course_lib.data import arithmetic, espeak

_Formant = tuple[int, int, int, int]


@dataclass(frozen=True)
class Voice:
    """One speaker of the offline corpus.

    Args:
        name: short name, such as ``f1``.
        sex: ``female`` or ``male``.
        timbre: what distinguishes this voice from its neighbours, in words.
        words_per_minute: speed of speaking.
        pitch_range_hz: lowest and highest pitch of the intonation, as espeak-ng counts it.
        formants: for each of espeak-ng's nine formants the frequency, height and width in per cent of its
            reference speaker, and a shift in hertz.

    Lesson: 01 §1
    """

    name: str
    sex: Literal["female", "male"]
    timbre: str
    words_per_minute: int
    pitch_range_hz: tuple[int, int]
    formants: tuple[_Formant, ...]


def _formants(frequencies: str, heights: str, width: int, shifts: str = "0 0 0") -> tuple[_Formant, ...]:
    """Assemble nine formants from their columns; shifts past the third are zero."""
    columns = [[int(number) for number in column.split()] for column in (frequencies, heights, shifts)]
    shift = columns[2] + [0] * 6
    return tuple((columns[0][i], columns[1][i], width, shift[i]) for i in range(9))


VOICES: Final = (
    Voice("f1", "female", "clear", 165, (170, 255),
          _formants("105 115 112 112 112 112 110 110 110", "100 100 95 95 95 90 90 90 90", 140)),
    Voice("f2", "female", "dark and calm", 150, (150, 215),
          _formants("100 108 106 107 107 107 105 105 105", "100 105 85 70 60 55 50 45 45", 130)),
    Voice("f3", "female", "bright and quick", 178, (205, 320),
          _formants("110 125 126 124 124 122 118 115 115", "90 90 105 110 115 115 120 120 120", 150)),
    Voice("f4", "female", "low and mellow", 155, (132, 190),
          _formants("100 104 117 112 112 112 110 110 110", "110 110 70 90 80 75 70 70 70", 170, "0 30 -60")),
    Voice("m1", "male", "plain", 165, (82, 122),
          _formants("100 100 100 100 100 100 100 100 100", "100 100 100 100 100 100 100 100 100", 100)),
    Voice("m2", "male", "deep and slow", 145, (68, 100),
          _formants("98 93 92 93 93 94 95 95 95", "115 105 85 70 60 55 50 45 45", 95)),
    Voice("m3", "male", "light and quick", 180, (104, 160),
          _formants("102 105 107 106 106 106 105 105 105", "90 90 120 138 138 132 125 125 125", 110)),
    Voice("m4", "male", "soft and hollow", 158, (95, 138),
          _formants("100 110 90 94 96 98 98 98 98", "105 110 70 60 80 80 70 60 60", 130, "0 30 -30")),
)  # fmt: skip
"""The voices, four female and four male."""


@functools.cache
def sentences() -> tuple[str, ...]:
    """Return the sentences of the offline corpus: everyday English that covers every English phoneme.

    Returns:
        The sentences in their fixed order.

    Lesson: 01 §1
    """
    text = resources.files("course_lib.data").joinpath("sentences.txt").read_text(encoding="utf-8")
    return tuple(line for line in text.splitlines() if line)


def voice_file_text(voice: Voice) -> str:
    """Return the espeak-ng voice file of one voice: General American English in this speaker's timbre.

    Args:
        voice: the speaker.

    Returns:
        The file's text.

    Lesson: 01 §1
    """
    low, high = voice.pitch_range_hz
    lines = [
        f"name {voice.name}",
        "language en-us",
        f"gender {voice.sex}",
        "phonemes en-us",
        "dictrules 3 6",
        "stressLength 140 120 190 170 0 0 255 300",
        "stressAmp 17 16 19 19 19 19 21 19",
        "flutter 0",
        "roughness 0",
        f"pitch {low} {high}",
    ]
    for index, (frequency, height, width, shift) in enumerate(voice.formants):
        lines.append(f"formant {index} {frequency} {height} {width} {shift}")
    return "\n".join(lines) + "\n"


def speak(voice: Voice, sentence: str) -> NDArray[np.int16]:
    """Synthesise one sentence at 16 kHz: resampled, trimmed and brought to the common level.

    Args:
        voice: the speaker.
        sentence: the text.

    Returns:
        16-bit samples, shape (n_samples,).

    Raises:
        SpeechSynthesisError: if espeak-ng is missing or refuses.

    Lesson: 01 §1
    """
    with tempfile.TemporaryDirectory(prefix="course-voice-") as folder:
        voice_file = Path(folder) / voice.name
        voice_file.write_text(voice_file_text(voice), encoding="ascii")
        samples = espeak.synthesise(sentence, voice_file, voice.words_per_minute)
    resampled = arithmetic.remove_drift(arithmetic.resample_to_course_rate(samples))
    return arithmetic.normalise(arithmetic.trim(resampled))
