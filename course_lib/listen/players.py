"""A row of audio players for a notebook, as one piece of HTML that needs nothing else."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from course_lib.listen.loudness import loudness
from course_lib.listen.thumbnail import DYNAMIC_RANGE_DB, level_image, levels_db, png
from course_lib.validation import as_positive_integer, as_signal, describe

TARGET_LUFS = -20.0
"""Loudness to which the players are matched: as loud as speech can be without its peaks being clipped."""

PEAK_CEILING = 10 ** (-1 / 20)
"""Largest sample in any player: 1 dB below full scale, room for the overshoot of a player's own resampling."""

MAX_TOTAL_S = 300.0
"""Most sound in one row, in seconds; more would make the notebook too large to open and to compare."""

_MAX_SAMPLE_RATE_HZ = 655_350
LOUDEST_16_BIT = 32767
"""Full scale in a file of 16 bits."""


@dataclass(frozen=True)
class _Sound:
    """One sound as it will be played, and what was done to it."""

    name: str
    samples: NDArray[Any]
    loudness_lufs: float
    gain_db: float


class Players:
    """A finished row of players: HTML where the front end can show it, a table in plain text elsewhere.

    Args:
        html: the row for a front end that shows HTML.
        text: the same row as a table in plain text.
    Lesson: 01 §1
    """

    def __init__(self, html: str, text: str) -> None:
        """Keep the two forms."""
        self._html = html
        self._text = text

    def _repr_html_(self) -> str:
        return self._html

    def __repr__(self) -> str:
        """Return the text form: names, durations, loudness and gains."""
        return self._text


def listen(
    sounds: Mapping[str, ArrayLike],
    sample_rate: int,
    *,
    spectrograms: bool = True,
    match_loudness: bool = True,
) -> Players:
    """Show players for several sounds in one row, equally loud, with a spectrogram under each.

    What is louder seems better, so comparing needs equal loudness: each sound is brought to −20 LUFS (ITU-R BS.1770,
    see `loudness`). If a peak would then pass −1 dB of full scale, the whole row is turned down together, so that
    nothing clips and the match stays. The gain of each sound stands under its player. A sound below −70 LUFS is
    silence, or the rounding that an algorithm leaves; it is not amplified. The spectrograms are drawn after the gain,
    with one scale of time and one of level (80 dB).

    Each sound is embedded once, as 16-bit FLAC: at 16 kHz and for each channel about 30 000 bytes a second of speech
    and at most 45 000 of any sound, plus at most 30 000 for the spectrogram. The same sounds give the same bytes.

    Args:
        sounds: name to sound, each of shape (n_samples,) or (2, n_samples) for stereo, full scale 1.
        sample_rate: samples a second of all of them, in hertz.
        spectrograms: whether to draw them.
        match_loudness: whether to match; without it the sounds keep their levels, and the row is turned down together
            only where it would clip.
    Returns:
        An object that Jupyter shows as players, and any other console as a table of names, durations and levels.
    Raises:
        ValueError: if there is no sound; if one is empty, holds NaN, is complex, has other axes; or if together they
            last longer than 5 minutes.

    Lesson: 01 §1
    """
    rate = as_positive_integer(sample_rate, "sample_rate")
    if rate > _MAX_SAMPLE_RATE_HZ:
        raise ValueError(f"sample_rate: got {rate} Hz, expected at most {_MAX_SAMPLE_RATE_HZ}. Resample the sounds.")
    signals = as_sounds(sounds, rate)
    played = _matched(signals, rate, match_loudness)
    images = _images(played, rate) if spectrograms else [""] * len(played)
    cells = "".join(_cell(sound, rate, image) for sound, image in zip(played, images, strict=True))
    html = (
        '<table role="presentation" '
        'style="border:0;border-collapse:collapse;color:inherit;margin:0;width:100%">'
        '<tbody><tr style="background:none;display:grid;gap:12px;'
        f'grid-template-columns:repeat(auto-fit,minmax(min(220px,100%),1fr))">{cells}</tr></tbody></table>'
    )
    return Players(html, _text(played, rate))


def as_sounds(sounds: Mapping[str, ArrayLike], sample_rate: int) -> dict[str, NDArray[Any]]:
    """Check what came to be heard or kept.

    Args:
        sounds: name to sound, as in :func:`listen`.
        sample_rate: samples a second of all of them, in hertz.
    Returns:
        Name to sound, each of shape (n_channels, n_samples).
    Raises:
        ValueError: if there is no sound; if one is empty, holds NaN, is complex, has other axes; or if together they
            last longer than 5 minutes.

    Lesson: 01 §1
    """
    if not isinstance(sounds, Mapping) or not sounds:
        raise ValueError(
            f'sounds: got {describe(sounds)}, expected names and sounds. Write listen({{"a name": x}}, sample_rate).'
        )
    signals = {}
    for name, value in sounds.items():
        if not isinstance(name, str):
            raise ValueError(f"sounds: got the name {describe(name)}, expected text. Write it in quotes.")
        signal = as_signal(value, f"sounds[{name!r}]")
        if signal.ndim > 2 or (signal.ndim == 2 and signal.shape[0] > 2):
            remedy = (
                "Transpose it: channels come first."
                if signal.ndim == 2 and signal.shape[1] <= 2
                else "Choose one channel, or give each channel a name."
            )
            raise ValueError(
                f"sounds[{name!r}]: got {describe(signal)}, expected (n_samples,) or (2, n_samples). {remedy}"
            )
        signals[name] = np.atleast_2d(signal).astype(np.float64)
    total_s = sum(signal.shape[-1] for signal in signals.values()) / sample_rate
    if total_s > MAX_TOTAL_S:
        raise ValueError(
            f"sounds: got {total_s:.0f} s of sound, expected at most {MAX_TOTAL_S:.0f} s in one row. "
            "Cut out the part to be compared: x[..., start:stop]."
        )
    return signals


def _matched(signals: Mapping[str, NDArray[Any]], sample_rate: int, match_loudness: bool) -> list[_Sound]:
    """Give each sound its gain, then turn the row down together as far as the loudest peak needs."""
    loudnesses = {name: loudness(signal, sample_rate) for name, signal in signals.items()}
    gains_db = {
        name: TARGET_LUFS - loudnesses[name] if match_loudness and np.isfinite(loudnesses[name]) else 0.0
        for name in signals
    }
    peaks = [np.max(np.abs(signal)) * 10 ** (gains_db[name] / 20) for name, signal in signals.items()]
    row_gain_db = min(0.0, -20 * np.log10(max(peaks) / PEAK_CEILING)) if max(peaks) > 0 else 0.0
    return [
        _Sound(
            name, signal * 10 ** ((gains_db[name] + row_gain_db) / 20), loudnesses[name], gains_db[name] + row_gain_db
        )
        for name, signal in signals.items()
    ]


def _images(sounds: list[_Sound], sample_rate: int) -> list[str]:
    """Draw the spectrograms on one scale, whose top is the loudest point of all of them."""
    levels = [levels_db(sound.samples) for sound in sounds]
    top_db = max(float(level.max()) for level in levels)
    longest = max(sound.samples.shape[-1] for sound in sounds)
    return [
        f'<img src="data:image/png;base64,{_base64(png(level_image(level, top_db)))}" '
        # A width in proportion to the duration gives all pictures one scale of time.
        f'style="display:block;width:{100 * sound.samples.shape[-1] / longest:.4g}%;height:96px;margin:4px 0 0" '
        f'alt="Spectrogram of {escape(sound.name)}: 0 to {sample_rate / 2000:g} kHz upwards, '
        f'{_duration_s(sound, sample_rate)} to the right, {DYNAMIC_RANGE_DB:.0f} dB from dark to bright">'
        for sound, level in zip(sounds, levels, strict=True)
    ]


def _cell(sound: _Sound, sample_rate: int, image: str) -> str:
    name = escape(sound.name)
    return (
        '<td style="background:none;border:0;max-width:420px;min-width:0;padding:0;text-align:left;'
        'white-space:normal"><figure style="margin:0">'
        f'<figcaption style="font-weight:bold;overflow-wrap:anywhere">{name}</figcaption>'
        f'<audio controls preload="metadata" aria-label="{name}, {_duration_s(sound, sample_rate)}" '
        'style="display:block;width:100%;height:36px;margin:4px 0 0" '
        f'src="data:audio/flac;base64,{_base64(_flac(sound.samples, sample_rate))}"></audio>'
        f'{image}<div style="font-size:85%;opacity:.8">{_caption(sound, sample_rate)}</div></figure></td>'
    )


def _caption(sound: _Sound, sample_rate: int) -> str:
    return f"{_duration_s(sound, sample_rate)} · {_loudness_text(sound)} · gain {_signed(sound.gain_db)} dB"


def _text(sounds: list[_Sound], sample_rate: int) -> str:
    """Return a table for consoles and for readers of the notebook file."""
    width = max(len(sound.name) for sound in sounds)
    return "\n".join(f"{sound.name:<{width}}  {_caption(sound, sample_rate)}" for sound in sounds)


def _duration_s(sound: _Sound, sample_rate: int) -> str:
    return f"{sound.samples.shape[-1] / sample_rate:.2f} s"


def _loudness_text(sound: _Sound) -> str:
    return f"{_signed(sound.loudness_lufs)} LUFS" if np.isfinite(sound.loudness_lufs) else "silence (below −70 LUFS)"


def _signed(value: float) -> str:
    """Print one decimal with a sign, except that what rounds to zero has none."""
    rounded = round(value, 1) + 0.0
    return f"{rounded:+.1f}".replace("-", "−") if rounded else "0.0"


def _flac(samples: NDArray[Any], sample_rate: int) -> bytes:
    import soundfile

    # soundfile scales floats by 32768 and saturates; whole numbers leave the rounding to us, and to no library's
    # version.
    whole = np.rint(samples * LOUDEST_16_BIT).astype(np.int16)
    buffer = io.BytesIO()
    soundfile.write(buffer, whole.T, sample_rate, format="FLAC", subtype="PCM_16")
    return buffer.getvalue()


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")
