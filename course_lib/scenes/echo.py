"""Calls in which the loudspeaker reaches the microphone: echo, double talk, moved loudspeakers, overdriven ones.

Conventions. x is the far-end signal, which the loudspeaker plays; h the echo path from loudspeaker to microphone; s the
near-end speech and v the noise as the microphone hears them. All signals of a scene have the far end's length.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from course_lib.constants import SAMPLE_RATE_HZ
from course_lib.data.rooms import RoomSimulationError, simulate_room
from course_lib.scenes._images import sum_in_order
from course_lib.validation import SilentSignalError, as_number, as_positive_integer, as_signal, describe

_WALL_DISTANCE_M: Final = 0.4
_LOUDSPEAKER_DISTANCE_M: Final = (0.2, 0.8)
_TALKER_DISTANCE_M: Final = (0.5, 1.5)
_MOST_DRAWS: Final = 1_000
_ACTIVITY_WINDOW_S: Final = 0.02
_ACTIVITY_BELOW_PEAK_DB: Final = 40.0


@dataclass(frozen=True, eq=False)
class EchoRoom:
    """The ways of sound to the microphone of a call.

    Args:
        echo_paths: from the loudspeaker, one row a place where it may stand, shape (n_paths, n_taps).
        near_end_path: from the near-end talker, shape (n_taps,).
        sample_rate: in hertz.

    Lesson: 05 §1
    """

    echo_paths: NDArray[np.float64]
    near_end_path: NDArray[np.float64]
    sample_rate: int


@dataclass(frozen=True, eq=False)
class EchoScene:
    """A call whose every part is known.

    Args:
        microphone: y, shape (n_samples,); ``echo + near_end + noise`` in this order, to the last bit.
        far_end: x as the canceller gets it, shape (n_samples,).
        loudspeaker: x after the loudspeaker's non-linearity, shape (n_samples,); equal to ``far_end`` without one.
        echo: as the microphone hears it, shape (n_samples,).
        near_end: speech s as the microphone hears it, zero where there is none, shape (n_samples,).
        noise: v, shape (n_samples,).
        impulse_responses: echo paths h from loudspeaker to microphone, gain and bulk delay included, shape
            (n_paths, n_taps); the second holds from ``path_change_sample`` on.
        path_change_sample: first sample that the second path makes, or None.
        double_talk: where echo and near-end speech are both heard, bool, shape (n_samples,).
        sample_rate: in hertz.

    Lesson: 05 §1
    """

    microphone: NDArray[np.float64]
    far_end: NDArray[np.float64]
    loudspeaker: NDArray[np.float64]
    echo: NDArray[np.float64]
    near_end: NDArray[np.float64]
    noise: NDArray[np.float64]
    impulse_responses: NDArray[np.float64]
    path_change_sample: int | None
    double_talk: NDArray[np.bool_]
    sample_rate: int


def draw_echo_room(
    rt60_s: float, rng: np.random.Generator, *, n_paths: int = 2, sample_rate: int = SAMPLE_RATE_HZ
) -> EchoRoom:
    """Draw a room with a microphone, a talker, and a loudspeaker that may stand in several places.

    Equation: y = h_p ∗ x + h_s ∗ s, h from the image-source method

    The room is that of a home or a small office; the loudspeaker stands 0.2 to 0.8 m from the microphone, the talker
    0.5 to 1.5 m. Simulating a room takes much longer than playing a call in it: draw one room for many calls.

    Args:
        rt60_s: reverberation time in seconds; 0 for a room without reflections.
        rng: draws the room and the places.
        n_paths: number of places of the loudspeaker.
        sample_rate: in hertz.
    Returns:
        The responses, all of one length.
    Raises:
        ValueError: if an argument is out of range.
        RoomSimulationError: if pyroomacoustics is missing or the reverberation time does not suit such a room.
    Cost: O((c·RT60/L)³) images for the smallest room dimension L.
    Reference: Allen & Berkley, "Image method for efficiently simulating small-room acoustics", JASA 65(4), 1979.
    Lesson: 05 §1
    """
    n_paths = as_positive_integer(n_paths, "n_paths")
    dimensions_m = rng.uniform((4.0, 3.5, 2.4), (6.5, 5.5, 3.0))
    microphone = dimensions_m * rng.uniform((0.35, 0.35, 0.3), (0.65, 0.65, 0.45))
    sources = [_draw_place(microphone, dimensions_m, _TALKER_DISTANCE_M, rng)]
    sources += [_draw_place(microphone, dimensions_m, _LOUDSPEAKER_DISTANCE_M, rng) for _ in range(n_paths)]
    length, width, height = (float(side) for side in dimensions_m)
    responses = simulate_room(
        (length, width, height), rt60_s, np.array(sources), microphone[None], sample_rate=sample_rate
    )[:, 0]
    return EchoRoom(echo_paths=responses[1:], near_end_path=responses[0], sample_rate=sample_rate)


def _draw_place(
    centre: NDArray[np.float64],
    dimensions_m: NDArray[np.float64],
    distances_m: tuple[float, float],
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Draw a place at some distance from the centre, clear of the walls."""
    for _ in range(_MOST_DRAWS):
        direction = rng.standard_normal(3) * (1.0, 1.0, 0.3)
        place: NDArray[np.float64] = centre + rng.uniform(*distances_m) * direction / np.linalg.norm(direction)
        if (place > _WALL_DISTANCE_M).all() and (place < dimensions_m - _WALL_DISTANCE_M).all():
            return place
    raise RoomSimulationError(f"no place {distances_m} m from the microphone was found in a room of {dimensions_m} m.")


def echo_scene(
    far_end: ArrayLike,
    near_end: ArrayLike | None,
    rng: np.random.Generator,
    *,
    rt60_s: float = 0.3,
    signal_to_echo_db: float = 0.0,
    noise_snr_db: float = 30.0,
    path_change_s: float | None = None,
    clipping: float | None = None,
    delay_s: float = 0.0,
    near_end_start_s: float = 0.0,
    room: EchoRoom | None = None,
    sample_rate: int = SAMPLE_RATE_HZ,
) -> EchoScene:
    """Let a microphone hear the echo of the far end, the near-end talker and noise.

    Equation: y[n] = (h ∗ f(x))[n] + s[n] + v[n], f(x) = (a/g) tanh(g x/a) with the drive g and a = max |x|

    The near-end speech keeps the level it is given with; gain is put into the echo path. Without near-end speech the
    echo gets the level of the far end. Reverberation of the near-end speech counts as near-end speech.

    Args:
        far_end: signal x, shape (n_samples,).
        near_end: dry near-end speech, shape (n_near_end_samples,), or None; what would last longer than x is cut.
        rng: draws the room and the noise.
        rt60_s: reverberation time in seconds.
        signal_to_echo_db: power of the near-end speech over that of the echo, in decibels, over double talk (over what
            is heard of each, if they never meet).
        noise_snr_db: power of the echo over that of the white noise, in decibels; ``inf`` for none.
        path_change_s: when the loudspeaker stands in another place from one sample to the next, in seconds.
        clipping: drive g of a loudspeaker that saturates softly: at 1 it loses 2.4 dB at the peaks, at 4 12 dB; None
            for a linear one.
        delay_s: bulk delay before the echo, in seconds, as of buffers.
        near_end_start_s: when the near-end speech begins, in seconds.
        room: responses to use instead of drawing some; two of the echo path if the path is to change.
        sample_rate: in hertz.
    Returns:
        The scene.
    Raises:
        SilentSignalError: if the far end is silent, or the near end is although it is given.
        ValueError: if an argument is out of range or the room does not fit.
        RoomSimulationError: if pyroomacoustics is missing or the reverberation time does not suit such a room.
    Cost: O(N log N), and the simulation of the room.
    Reference: Hänsler & Schmidt, Acoustic Echo and Noise Control, Wiley, 2004, ch. 3.
    Lesson: 05 §1
    """
    x = _as_sound(far_end, "far_end")
    as_number(signal_to_echo_db, "signal_to_echo_db", -200.0, 200.0)
    if noise_snr_db != math.inf:
        as_number(noise_snr_db, "noise_snr_db", -200.0, 200.0)
    duration_s = len(x) / sample_rate
    delay = round(as_number(delay_s, "delay_s", 0.0, duration_s) * sample_rate)
    start = round(as_number(near_end_start_s, "near_end_start_s", 0.0, duration_s) * sample_rate)
    start = min(start, len(x) - 1)
    change = None
    if path_change_s is not None:
        change = round(as_number(path_change_s, "path_change_s", 0.0, duration_s) * sample_rate)
    n_paths = 1 if change is None else 2
    if room is None:
        room = draw_echo_room(rt60_s, rng, n_paths=n_paths, sample_rate=sample_rate)
    elif len(room.echo_paths) < n_paths or room.sample_rate != sample_rate:
        raise ValueError(
            f"room: got {len(room.echo_paths)} echo paths at {room.sample_rate} Hz, expected at least {n_paths} at "
            f"{sample_rate} Hz. Draw one by draw_echo_room(rt60_s, rng, n_paths={n_paths}, sample_rate={sample_rate})."
        )

    loudspeaker = x if clipping is None else _soft_clip(x, as_number(clipping, "clipping", 1e-6, 1e6))
    paths = np.pad(room.echo_paths[:n_paths], ((0, 0), (delay, 0)))
    echo = _play(loudspeaker, paths, change)
    speech = np.zeros_like(x)
    if near_end is not None:
        dry = _as_sound(near_end, "near_end")
        dry = dry[: len(x) - start]
        speech[start:] = _image(dry, room.near_end_path, len(x) - start)
        if not speech.any():
            raise SilentSignalError(
                "near_end: nothing of it is heard before the far end is over. Let it start earlier."
            )
        # Sound loses level with distance; the talker shall be as loud as the clip.
        speech *= math.sqrt(np.sum(np.square(dry)) / np.sum(np.square(speech)))
    heard, spoken = _active(echo, sample_rate), _active(speech, sample_rate)
    double_talk = heard & spoken
    if near_end is None:
        gain = _rms(x) / _rms(echo)
    else:
        both = double_talk.any()
        ratio = _rms(speech[double_talk if both else spoken]) / _rms(echo[double_talk if both else heard])
        gain = ratio * 10.0 ** (-signal_to_echo_db / 20.0)
    echo, paths = _play(loudspeaker, gain * paths, change), gain * paths
    noise = rng.standard_normal(len(x))
    noise *= _rms(echo) / _rms(noise) * 10.0 ** (-noise_snr_db / 20.0)
    return EchoScene(
        microphone=sum_in_order(np.stack([echo, speech, noise])),
        far_end=x,
        loudspeaker=loudspeaker,
        echo=echo,
        near_end=speech,
        noise=noise,
        impulse_responses=paths,
        path_change_sample=change,
        double_talk=double_talk,
        sample_rate=sample_rate,
    )


def _as_sound(value: ArrayLike, name: str) -> NDArray[np.float64]:
    """Return a signal of its own memory that is not silent, shape (n_samples,)."""
    signal: NDArray[np.float64] = np.array(as_signal(value, name, n_axes=1), dtype=np.float64)
    if not signal.any():
        raise SilentSignalError(
            f"{name}: got silence ({describe(signal)}), which has no level. Pass a signal with sound."
        )
    return signal


def _rms(x: NDArray[np.float64]) -> float:
    return math.sqrt(float(np.mean(np.square(x))))


def _soft_clip(x: NDArray[np.float64], drive: float) -> NDArray[np.float64]:
    peak = np.abs(x).max()
    clipped: NDArray[np.float64] = peak / drive * np.tanh(drive / peak * x)
    return clipped


def _image(x: NDArray[np.float64], h: NDArray[np.float64], n_samples: int) -> NDArray[np.float64]:
    """Return the first samples of a convolution, padded with zeros if it is shorter."""
    from course_lib.convolution import convolve_fft

    image = np.zeros(n_samples)
    convolved = convolve_fft(x[:n_samples], h)[:n_samples]
    image[: len(convolved)] = convolved
    return image


def _play(x: NDArray[np.float64], paths: NDArray[np.float64], change: int | None) -> NDArray[np.float64]:
    """Return what the microphone hears of the loudspeaker, by the second path from the change on."""
    echo = _image(x, paths[0], len(x))
    if change is not None:
        echo[change:] = _image(x, paths[1], len(x))[change:]
    return echo


def _active(x: NDArray[np.float64], sample_rate: int) -> NDArray[np.bool_]:
    """Tell where a signal's short-time power is within 40 dB of its greatest."""
    n_window = min(len(x), max(1, round(_ACTIVITY_WINDOW_S * sample_rate)))
    power = np.convolve(np.square(x), np.full(n_window, 1.0 / n_window), mode="same")
    active: NDArray[np.bool_] = (power > power.max() * 10.0 ** (-_ACTIVITY_BELOW_PEAK_DB / 10.0)) & (power > 0.0)
    return active
