"""A short piece of music in four stems that add up: eight bars in A minor, 120 beats a minute, 16 s."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from course_lib.constants import SAMPLE_RATE_HZ
from course_lib.data import arithmetic

BEATS_PER_MINUTE: Final = 120
"""Tempo of the piece."""

N_BARS: Final = 8
"""Length of the piece in bars of four beats."""

_BEAT: Final = SAMPLE_RATE_HZ * 60 // BEATS_PER_MINUTE
N_SAMPLES: Final = N_BARS * 4 * _BEAT
"""Length of each stem, in samples."""

_HIGHEST_PARTIAL_HZ: Final = 7_200.0
_A4_MIDI, _A4_HZ = 69, 440.0

Signal = NDArray[np.float64]

# One chord a bar, as MIDI notes from low to high: Am7, Fmaj7, C, G twice, the second time by way of Em7 and back to G7.
_CHORDS: Final = (
    (57, 60, 64, 67), (57, 60, 64, 65), (55, 60, 64, 67), (55, 59, 62, 67),
    (57, 60, 64, 69), (57, 60, 64, 65), (55, 59, 64, 67), (55, 59, 62, 65),
)  # fmt: skip
_ROOTS: Final = (33, 29, 36, 31, 33, 29, 28, 31)

# One bar of bass: (start in beats, length in beats, semitones above the root, level).
_BASS_PATTERN: Final = ((0.0, 1.4, 0, 1.0), (1.5, 0.5, 0, 0.8), (2.0, 1.0, 0, 0.9), (3.0, 0.9, 12, 0.75))

# The melody: (start in beats, length in beats, MIDI note).
_MELODY: Final = (
    (0.0, 1.5, 76), (1.5, 0.5, 74), (2.0, 1.0, 72), (3.0, 1.0, 69),
    (4.0, 2.0, 72), (6.5, 0.5, 69), (7.0, 1.0, 72),
    (8.0, 1.5, 74), (9.5, 0.5, 76), (10.0, 1.0, 79), (11.0, 1.0, 76),
    (12.0, 3.0, 74), (15.5, 0.5, 74),
    (16.0, 1.5, 76), (17.5, 0.5, 79), (18.0, 1.0, 81), (19.0, 1.0, 79),
    (20.0, 2.0, 76), (22.0, 1.0, 72), (23.0, 1.0, 74),
    (24.0, 1.0, 76), (25.0, 1.0, 74), (26.0, 1.0, 71), (27.0, 1.0, 67),
    (28.0, 1.5, 71), (29.5, 0.5, 74), (30.0, 2.0, 69),
)  # fmt: skip


def _frequency_hz(midi_note: int) -> float:
    """Return the frequency of a note in equal temperament."""
    return float(_A4_HZ * 2.0 ** ((midi_note - _A4_MIDI) / 12.0))


def _time_s(n_samples: int) -> Signal:
    """Return the instants of ``n_samples`` samples from the start of a note, in seconds."""
    return np.arange(n_samples) / SAMPLE_RATE_HZ


def _envelope(n_samples: int, attack_s: float, decay_s: float, release_s: float = 0.03) -> Signal:
    """Return a smooth rise, an exponential decay and a release that ends at zero."""
    time_s = _time_s(n_samples)
    rise = np.sin(0.5 * np.pi * np.minimum(time_s / attack_s, 1.0)) ** 2
    left_s = (n_samples - 1) / SAMPLE_RATE_HZ - time_s
    fall = np.sin(0.5 * np.pi * np.minimum(left_s / release_s, 1.0)) ** 2
    return np.asarray(rise * np.exp(-time_s / decay_s) * fall)


def _partials(phase: Signal, fundamental_hz: float, amplitudes: Iterable[float]) -> Signal:
    """Add the harmonics of a phase with the given amplitudes, leaving out those that would alias."""
    tone = np.zeros_like(phase)
    for harmonic, amplitude in enumerate(amplitudes, start=1):
        if harmonic * fundamental_hz < _HIGHEST_PARTIAL_HZ:
            tone += amplitude * np.sin(harmonic * phase)
    return tone


def _place(track: Signal, start_beat: float, note: Signal) -> None:
    """Add a note at a beat, cutting what would ring past the end of the piece."""
    start = round(start_beat * _BEAT)
    end = min(start + len(note), len(track))
    track[start:end] += note[: end - start]


def _bass() -> Signal:
    """A plucked bass on the roots: long notes on one, a push before three, an octave on four."""
    track = np.zeros(N_SAMPLES)
    for bar, root in enumerate(_ROOTS):
        for beat, length, step, level in _BASS_PATTERN:
            n_samples = round(length * _BEAT)
            fundamental_hz = _frequency_hz(root + step)
            time_s = _time_s(n_samples)
            tone = np.zeros(n_samples)
            for harmonic in range(1, 13):
                # Higher partials of a plucked string die sooner.
                amplitude = harmonic**-1.3 * np.exp(-1.1 * harmonic * time_s)
                tone += amplitude * np.sin(2.0 * np.pi * harmonic * fundamental_hz * time_s)
            _place(track, 4 * bar + beat, level * tone * _envelope(n_samples, 0.006, 0.9))
    return track


def _drums() -> Signal:
    """Kick on one and three, snare on two and four, a closed hi-hat on every half beat."""
    track = np.zeros(N_SAMPLES)
    time_s = _time_s(SAMPLE_RATE_HZ * 3 // 10)
    sweep = 2.0 * np.pi * (48.0 * time_s + 3.2 * (1.0 - np.exp(-time_s / 0.03)))
    kick = np.sin(sweep) * np.exp(-time_s / 0.09) * np.minimum(time_s / 0.001, 1.0)
    for half_beat in range(8 * N_BARS):
        noise = arithmetic.gaussians(3_000 + half_beat, len(time_s))
        crisp = np.diff(noise, n=2, prepend=[0.0, 0.0])
        accent = 1.0 if half_beat % 2 == 0 else 0.65
        _place(track, half_beat / 2, 0.045 * accent * crisp * np.exp(-time_s / 0.022))
        position = half_beat % 8
        if position in (0, 4) or (position == 5 and half_beat // 8 % 2 == 1):
            _place(track, half_beat / 2, kick)
        if position in (2, 6):
            rattle = np.diff(arithmetic.gaussians(4_000 + half_beat, len(time_s)), prepend=0.0)
            body = np.sin(2.0 * np.pi * 185.0 * time_s) * np.exp(-time_s / 0.05)
            _place(track, half_beat / 2, 0.28 * rattle * np.exp(-time_s / 0.075) + 0.45 * body)
    return track


def _chords() -> Signal:
    """An electric piano: a full chord on one and a softer answer before three and on four."""
    track = np.zeros(N_SAMPLES)
    for bar, chord in enumerate(_CHORDS):
        for beat, length, level in ((0.0, 1.45, 1.0), (1.5, 1.45, 0.7), (3.0, 0.95, 0.55)):
            n_samples = round(length * _BEAT)
            for voice, note in enumerate(chord):
                fundamental_hz = _frequency_hz(note)
                phase = 2.0 * np.pi * fundamental_hz * _time_s(n_samples)
                tone = _partials(phase, fundamental_hz, (1.0, 0.45, 0.12, 0.16, 0.04, 0.05))
                # A hand does not strike all keys at once.
                _place(track, 4 * bar + beat + 0.012 * voice, level * tone * _envelope(n_samples, 0.008, 0.8))
    return track


def _lead() -> Signal:
    """A reed-like melody whose vibrato grows within long notes."""
    track = np.zeros(N_SAMPLES)
    for start_beat, length, note in _MELODY:
        n_samples = round(length * _BEAT * 0.97)
        time_s = _time_s(n_samples)
        fundamental_hz = _frequency_hz(note)
        depth = 0.09 * np.minimum(time_s / 0.5, 1.0) ** 2
        vibrato = depth * fundamental_hz / 55.0 * np.sin(2.0 * np.pi * 5.4 * time_s)
        phase = 2.0 * np.pi * fundamental_hz * time_s + vibrato
        tone = _partials(phase, fundamental_hz, (1.0, 0.25, 0.5, 0.12, 0.22, 0.06, 0.1))
        _place(track, start_beat, tone * _envelope(n_samples, 0.03, 2.5, 0.06))
    return track


_GENERATORS: Final[Mapping[str, tuple[Callable[[], Signal], float]]] = MappingProxyType(
    {"bass": (_bass, 2_000.0), "drums": (_drums, 1_900.0), "chords": (_chords, 1_500.0), "lead": (_lead, 1_500.0)}
)

NAMES: Final = tuple(_GENERATORS)
"""Names of the stems."""


def generate(name: str) -> NDArray[np.int16]:
    """Compute one stem at its level in the mix; the sum of all four does not clip.

    Args:
        name: one of ``NAMES``.

    Returns:
        16-bit samples at 16 kHz, shape (n_samples,).

    Lesson: 03 §1
    """
    generator, rms = _GENERATORS[name]
    return arithmetic.to_int16(arithmetic.scaled_to_rms(generator(), rms))
