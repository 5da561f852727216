"""Figures of arrays: drawn into the axes that are given, in stated units, with levels that are the response's."""

from __future__ import annotations

from collections.abc import Iterator

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import pyplot as plt

from course_lib import beamforming as bf
from course_lib import plots

CIRCLE = bf.circular_array(4, 0.05)
FREQUENCIES = np.arange(0.0, 8001.0, 250.0)
AZIMUTHS = np.arange(0.0, 360.0, 4.0)
RESPONSE = bf.beam_pattern(
    bf.delay_and_sum(bf.steering_vector(CIRCLE, FREQUENCIES, 60.0)), CIRCLE, FREQUENCIES, AZIMUTHS
)


@pytest.fixture(autouse=True)
def _own_figures() -> Iterator[None]:
    mpl.use("agg")
    with mpl.rc_context():
        plots.use_style()
        yield
    plt.close("all")


def test_geometry_in_centimetres_with_numbered_microphones_and_named_sources() -> None:
    _, given = plt.subplots()
    ax = plots.array_geometry(CIRCLE, azimuths_deg=[60, 200], names=("target", "interferer"), ax=given, title="Round")
    assert ax is given
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_title(loc="left")) == ("x (cm)", "y (cm)", "Round")
    np.testing.assert_allclose(ax.lines[0].get_xydata(), 100 * CIRCLE[:, :2])
    assert {"0", "3", "target", "interferer"} <= {text.get_text() for text in ax.texts}
    (x,), (y,) = ax.lines[1].get_data()
    assert np.degrees(np.arctan2(y, x)) == pytest.approx(60)
    ax.figure.canvas.draw()
    plots.array_geometry(CIRCLE).figure.canvas.draw()


def test_the_image_shows_the_response_in_decibels() -> None:
    ax = plots.beam_pattern_image(RESPONSE, FREQUENCIES, AZIMUTHS, dynamic_range_db=30)
    image = ax.images[0]
    assert image.get_clim() == pytest.approx((-30, 0), abs=1e-9)
    shown = image.get_array()
    assert shown.shape == (len(FREQUENCIES), len(AZIMUTHS))
    np.testing.assert_allclose(shown[:, 15], 0, atol=1e-9)  # 60°
    np.testing.assert_allclose(shown, np.maximum(20 * np.log10(np.abs(RESPONSE.T) + 1e-12), -30), atol=1e-6)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("Azimuth (°)", "Frequency (kHz)")
    ax.figure.canvas.draw()


def test_polar_patterns_are_closed_and_have_a_legend() -> None:
    ax = plots.polar_pattern({"1 kHz": RESPONSE[:, 4], "4 kHz": RESPONSE[:, 16]}, AZIMUTHS, title="Sharper")
    assert ax.name == "polar"
    assert [line.get_linestyle() for line in ax.lines] == ["-", "--"]
    radians, levels = ax.lines[0].get_data()
    assert radians[0] == radians[-1]
    assert levels[0] == levels[-1]
    assert [text.get_text() for text in ax.figure.legends[0].get_texts()] == ["1 kHz", "4 kHz"]
    ax.figure.canvas.draw()
    half = plots.polar_pattern(RESPONSE[:45, 4], AZIMUTHS[:45])
    assert len(half.lines[0].get_xdata()) == 45
    assert not half.figure.legends


def test_nothing_is_drawn_as_the_darkest() -> None:
    plots.beam_pattern_image(np.zeros_like(RESPONSE), FREQUENCIES, AZIMUTHS).figure.canvas.draw()
    plots.polar_pattern(np.zeros(len(AZIMUTHS)), AZIMUTHS).figure.canvas.draw()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: plots.array_geometry(np.ones((3, 2))), "positions_m"),
        (lambda: plots.array_geometry(CIRCLE, azimuths_deg=[1.0], names=("a", "b")), "names"),
        (lambda: plots.beam_pattern_image(RESPONSE.T, FREQUENCIES, AZIMUTHS), "response"),
        (lambda: plots.beam_pattern_image(RESPONSE, FREQUENCIES[::-1], AZIMUTHS), "frequencies_hz"),
        (lambda: plots.polar_pattern(RESPONSE[1:, 0], AZIMUTHS), "responses"),
        (lambda: plots.polar_pattern({}, AZIMUTHS), "responses"),
        (lambda: plots.polar_pattern(RESPONSE[:, 0], AZIMUTHS, ax=plt.subplots()[1]), "polar"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
