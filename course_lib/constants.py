"""Constants that the whole course shares; each stands here and nowhere else."""

from __future__ import annotations

from typing import Final

SPEED_OF_SOUND_M_S: Final = 343.0
"""Speed of sound in air at 20 °C, in metres a second."""

SAMPLE_RATE_HZ: Final = 16_000
"""Sample rate of the offline corpus and of every lesson, in hertz."""

POWER_FLOOR: Final = 1e-10
"""Smallest power shown on a level axis (−100 dB relative to full scale).

It keeps the logarithm of silence finite in figures. It is never added to a result: an algorithm
that can meet a zero denominator states its own answer for silence in its docstring.
"""
