"""Lesson 01: every parameter that the text invites to change works over its whole range."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from lesson_sources import n_pictures, names_after

NAME = "01_convolution_stft"
MARKS = ("from course_lib import check", "the usual compromise", "plots.with_slider")
"""Stand in the cells that set up the lesson, draw the three windows, and show the slider."""


@pytest.fixture(scope="module")
def names() -> Iterator[dict[str, Any]]:
    """The lesson's names after the cells that lead to the slider."""
    with names_after(NAME, MARKS) as namespace:
        yield namespace


def test_the_slider_draws_every_window(names: dict[str, Any]) -> None:
    frame_lengths = [64, 128, 256, 512, 1024, 2048, 4096]
    box = names["plots"].with_slider(names["spectrogram_with"], frame_lengths, value=512, label="window")
    assert n_pictures(box) == len(frame_lengths)


@pytest.mark.parametrize("block_length", [1, 32, 100, 128, 1000, 4096])
def test_the_streaming_reverb_takes_any_latency(names: dict[str, Any], block_length: int) -> None:
    convolution, sound = names["convolution"], names["excerpt"][:6000]
    hall = names["rooms"]["hall"].impulse_response[0][:3000]
    reverb = convolution.PartitionedConvolver(hall, block_length)
    starts = range(0, len(sound), block_length)
    pieces = [reverb.push(sound[start : start + block_length]) for start in starts]
    streamed = np.concatenate([*pieces, reverb.flush()])
    offline = convolution.convolve_fft(sound, hall)
    np.testing.assert_allclose(streamed[block_length:], offline, atol=1e-12)


@pytest.mark.parametrize("room", ["living_room", "office", "bathroom", "hall"])
@pytest.mark.parametrize("voice", ["f1", "f2", "f3", "f4", "m1", "m2", "m3", "m4"])
def test_every_voice_may_be_put_into_every_room(names: dict[str, Any], voice: str, room: str) -> None:
    sound = names["data"].speech(voice, 5)
    response = names["rooms"][room].impulse_response[0]
    heard = names["convolution"].convolve_fft(sound, response)
    assert np.isfinite(heard).all()
    assert (
        "audio" in names["listen"]({"dry": sound, room: heard}, names["sample_rate"], spectrograms=False)._repr_html_()
    )
