"""The noises of the offline corpus: 20 s each, without a seam when they are repeated."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from course_lib.constants import SAMPLE_RATE_HZ
from course_lib.data import arithmetic

DURATION_S: Final = 20
"""Length of each noise, in seconds."""

N_SAMPLES: Final = DURATION_S * SAMPLE_RATE_HZ
"""Length of each noise, in samples."""

_KEYBOARD_RMS: Final = arithmetic.TARGET_RMS / 3
"""Level of the keyboard: its clicks rise 28 dB above their mean level and must fit into 16 bits."""

Signal = NDArray[np.float64]
SpeechSource = Callable[[int, int], NDArray[np.int16]]
"""Gives the 16-bit speech for a voice number and a sentence number."""

_N_VOICES: Final = 8
_N_SENTENCES: Final = 48
_TALKERS_PER_VOICE: Final = 2
_TIME_S: Final = np.arange(N_SAMPLES) / SAMPLE_RATE_HZ


def _shaped(seed: int, gain: Callable[[Signal], Signal], n_samples: int = N_SAMPLES) -> Signal:
    """Return periodic Gaussian noise whose spectrum follows ``gain(frequency_hz)``, without a constant part."""
    spectrum = np.fft.rfft(arithmetic.gaussians(seed, n_samples))
    frequency_hz = np.asarray(np.fft.rfftfreq(n_samples, 1 / SAMPLE_RATE_HZ), dtype=np.float64)
    weights = np.zeros_like(frequency_hz)
    weights[1:] = gain(frequency_hz[1:])
    return np.asarray(np.fft.irfft(spectrum * weights, n_samples))


def _band(low_hz: float, high_hz: float) -> Callable[[Signal], Signal]:
    """Return the gain of a gentle band-pass filter: 12 dB an octave beyond either edge."""
    return lambda frequency_hz: 1.0 / ((1.0 + (low_hz / frequency_hz) ** 2) * (1.0 + (frequency_hz / high_hz) ** 2))


def _unit(signal: Signal) -> Signal:
    """Scale to a root mean square of one."""
    return arithmetic.scaled_to_rms(signal, 1.0)


def _slow_wander(seed: int, fastest_hz: float) -> Signal:
    """Return a smooth random function of unit variance that changes no faster than ``fastest_hz``."""
    return _unit(_shaped(seed, lambda frequency_hz: np.exp(-((frequency_hz / fastest_hz) ** 2))))


def _white(_speech: SpeechSource) -> Signal:
    """Equal power at every frequency."""
    return arithmetic.gaussians(101, N_SAMPLES)


def _pink(_speech: SpeechSource) -> Signal:
    """Power falling by 3 dB an octave above 20 Hz."""
    return _shaped(102, lambda frequency_hz: np.where(frequency_hz < 20.0, 0.0, frequency_hz**-0.5))


def _babble(speech: SpeechSource) -> Signal:
    """Sixteen talkers at once, every voice twice, at levels that differ as distances do."""
    total = np.zeros(N_SAMPLES)
    for talker in range(_N_VOICES * _TALKERS_PER_VOICE):
        draws = arithmetic.uniforms(1030 + talker, 400)
        order = np.argsort(draws[:_N_SENTENCES])
        gaps = (0.1 + 0.5 * draws[_N_SENTENCES : 2 * _N_SENTENCES]) * SAMPLE_RATE_HZ
        position = int(draws[-1] * N_SAMPLES)
        stream = np.zeros(N_SAMPLES)
        covered = 0
        for sentence, gap in zip(order, gaps, strict=True):
            spoken = speech(talker % _N_VOICES, int(sentence))
            if covered + len(spoken) > N_SAMPLES:
                break
            stream[(position + covered + np.arange(len(spoken))) % N_SAMPLES] += spoken
            covered += len(spoken) + int(gap)
        total += stream * (0.5 + 0.5 * draws[-2])
    return total


def _fan(_speech: SpeechSource) -> Signal:
    """A ventilator: blade-passing tone with harmonics over rushing air."""
    wander = _slow_wander(1041, 0.4)
    phase = 2.0 * np.pi * 118.0 * _TIME_S + 0.8 * wander
    offsets = 2.0 * np.pi * arithmetic.uniforms(1042, 12)
    tones = np.zeros(N_SAMPLES)
    for harmonic in range(1, 13):
        tones += harmonic**-1.1 * np.cos(harmonic * phase + offsets[harmonic - 1])
    air = _shaped(1043, lambda frequency_hz: _band(90.0, 700.0)(frequency_hz) * frequency_hz**-0.3)
    return _unit(tones) + 0.9 * _unit(air) * (1.0 + 0.08 * wander)


def _engine(_speech: SpeechSource) -> Signal:
    """A four-cylinder engine whose speed drifts: half-order harmonics and combustion noise in step with them."""
    speed = _slow_wander(1051, 0.15)
    # The cumulative phase of a periodic wander returns to a multiple of 2π, so that the sound repeats without a seam.
    cycles = 15.0 * _TIME_S + np.cumsum(speed - speed.mean()) * 1.2 / SAMPLE_RATE_HZ
    offsets = 2.0 * np.pi * arithmetic.uniforms(1052, 60)
    tones = np.zeros(N_SAMPLES)
    for order in range(1, 61):
        emphasis = 3.0 if order % 4 == 0 else 1.4 if order % 2 == 0 else 0.5
        resonance = 1.0 / (1.0 + ((15.0 * order - 130.0) / 160.0) ** 2) + 0.05
        tones += emphasis * resonance * np.cos(2.0 * np.pi * order * cycles + offsets[order - 1])
    pulses = np.maximum(np.cos(2.0 * np.pi * 4.0 * cycles), 0.0) ** 4
    combustion = _shaped(1053, _band(150.0, 1_200.0)) * (0.3 + pulses)
    return _unit(tones) + 0.35 * _unit(combustion)


def _add_click(track: Signal, start: int, seed: int, level: float, resonances_hz: tuple[float, ...]) -> None:
    """Add one short contact noise: a burst through a few quickly decaying resonances."""
    n_samples = SAMPLE_RATE_HZ * 40 // 1000
    time_s = np.arange(n_samples) / SAMPLE_RATE_HZ
    offsets = 2.0 * np.pi * arithmetic.uniforms(seed, len(resonances_hz))
    click = 0.9 * arithmetic.gaussians(seed + 1, n_samples) * np.exp(-time_s / 0.0022)
    for frequency_hz, offset in zip(resonances_hz, offsets, strict=True):
        click += np.sin(2.0 * np.pi * frequency_hz * time_s + offset) * np.exp(-time_s * frequency_hz / 9.0)
    track[(start + np.arange(n_samples)) % len(track)] += level * click * np.minimum(time_s / 0.0004, 1.0)


def _keyboard(_speech: SpeechSource) -> Signal:
    """Typing in bursts of words: each key goes down with a clack and comes up more softly, over a faint room tone."""
    track = np.zeros(N_SAMPLES)
    draws = iter(arithmetic.uniforms(1061, 2_000))
    position_s, key, letters_left = 0.15, 0, 5
    while position_s < DURATION_S - 0.6:
        strength = 0.6 + 0.5 * next(draws)
        size = 1.0 + 0.35 * next(draws)
        hold_s = 0.06 + 0.05 * next(draws)
        space_bar = letters_left == 0
        resonances = (240.0, 900.0, 2_100.0) if space_bar else (620.0 * size, 1_700.0 * size, 3_600.0 * size)
        level = 1.3 * strength if space_bar else strength
        _add_click(track, int(position_s * SAMPLE_RATE_HZ), 20_000 + 4 * key, level, resonances)
        release = tuple(1.25 * frequency_hz for frequency_hz in resonances)
        _add_click(track, int((position_s + hold_s) * SAMPLE_RATE_HZ), 20_002 + 4 * key, 0.35 * strength, release)
        position_s += 0.1 + 0.09 * next(draws)
        if space_bar:
            pause = next(draws)
            position_s += 0.9 * pause if pause > 0.6 else 0.08
            letters_left = 2 + int(7 * next(draws))
        else:
            letters_left -= 1
        key += 1
    room_tone = _unit(_shaped(1062, lambda frequency_hz: _band(60.0, 300.0)(frequency_hz)))
    return _unit(track) + 0.02 * room_tone


def _street(_speech: SpeechSource) -> Signal:
    """Traffic: a distant rumble, and cars whose tyre noise and engine swell and fade as they pass."""
    total = 0.3 * _unit(_shaped(1071, lambda frequency_hz: _band(40.0, 250.0)(frequency_hz) * frequency_hz**-0.25))
    total *= 1.0 + 0.25 * _slow_wander(1072, 0.5)
    for car in range(7):
        draws = arithmetic.uniforms(1080 + car, 6)
        nearest_s = DURATION_S * (car + 0.6 * draws[0]) / 7
        distance_s = (_TIME_S - nearest_s + DURATION_S / 2) % DURATION_S - DURATION_S / 2
        width_s = 0.5 + 0.9 * draws[1]
        envelope = 1.0 / (1.0 + (distance_s / width_s) ** 2) - 1.0 / (1.0 + (DURATION_S / 2 / width_s) ** 2)
        tyres = _unit(_shaped(2_000 + car, _band(350.0 + 250.0 * draws[2], 1_500.0 + 900.0 * draws[3])))
        rumble = _unit(_shaped(2_100 + car, _band(50.0, 160.0 + 80.0 * draws[4])))
        total += (0.45 + 0.55 * draws[5]) * envelope * (tyres + 0.8 * rumble)
    return total


_GENERATORS: Final[Mapping[str, Callable[[SpeechSource], Signal]]] = MappingProxyType(
    {
        "white": _white,
        "pink": _pink,
        "babble": _babble,
        "fan": _fan,
        "engine": _engine,
        "keyboard": _keyboard,
        "street": _street,
    }
)

NAMES: Final = tuple(_GENERATORS)
"""Names of the noises."""


def unrounded(name: str, speech: SpeechSource) -> Signal:
    """Compute one noise at its final level, before it is rounded to 16 bits.

    Args:
        name: one of ``NAMES``.
        speech: gives the corpus's speech, which the babble is made from.

    Returns:
        Samples in 16-bit steps, shape (n_samples,).

    Lesson: 01 §1
    """
    rms = _KEYBOARD_RMS if name == "keyboard" else arithmetic.TARGET_RMS
    return arithmetic.scaled_to_rms(_GENERATORS[name](speech), rms)


def generate(name: str, speech: SpeechSource) -> NDArray[np.int16]:
    """Compute one noise at −26 dB relative to full scale (the keyboard, all peaks, at −35.5 dB).

    Args:
        name: one of ``NAMES``.
        speech: gives the corpus's speech, which the babble is made from.

    Returns:
        16-bit samples at 16 kHz, shape (n_samples,).

    Lesson: 01 §1
    """
    return arithmetic.to_int16(unrounded(name, speech))
