"""The figures: every helper draws into the axes it is given, labels units, and leaves nothing behind."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from course_lib import plots, stft

RATE = 16_000
X = 0.1 * np.random.default_rng(3).standard_normal(RATE // 2)
TONE = np.sin(2 * np.pi * 3000 * np.arange(RATE) / RATE)
DECAY = X * np.exp(-np.arange(X.size) / 1500)


@pytest.fixture(autouse=True)
def _own_figures() -> Iterator[None]:
    mpl.use("agg")
    with mpl.rc_context():
        plots.use_style()
        yield
    plt.close("all")


HELPERS: dict[str, tuple[Callable[..., Axes], str, str]] = {
    "waveform": (lambda **o: plots.waveform(X, RATE, **o), "Time (s)", "Amplitude"),
    "waveforms": (lambda **o: plots.waveform({"a": X, "b": DECAY}, RATE, **o), "Time (s)", "Amplitude"),
    "stem": (lambda **o: plots.stem([1, -2, 3], **o), "Sample index n", "Amplitude"),
    "stems": (lambda **o: plots.stem({"x": [1, 2], "h": [1.0]}, **o), "Sample index n", "Amplitude"),
    "impulse_response": (lambda **o: plots.impulse_response(DECAY, RATE, **o), "Time (s)", "Level (dB)"),
    "magnitude_spectrum": (lambda **o: plots.magnitude_spectrum(X, RATE, **o), "Frequency (kHz)", "Magnitude (dB)"),
    "spectrogram": (lambda **o: plots.spectrogram(X, RATE, **o), "Time (s)", "Frequency (kHz)"),
    "spectrogram_of_stft": (
        lambda **o: plots.spectrogram_of_stft(stft.stft(X), RATE, hop_length=256, **o),
        "Time (s)",
        "Frequency (kHz)",
    ),
}


@pytest.mark.parametrize("helper", HELPERS)
def test_draws_into_the_given_axes_with_units_and_finding(helper: str) -> None:
    draw, x_label, y_label = HELPERS[helper]
    figure, ax = plt.subplots()
    before = plt.get_fignums()
    returned = draw(ax=ax, title="What one sees")
    assert returned is ax
    assert plt.get_fignums() == before
    assert plt.gcf() is figure
    assert (ax.get_xlabel(), ax.get_ylabel()) == (x_label, y_label)
    assert ax.get_title(loc="left") == "What one sees"
    assert ax.has_data()
    figure.canvas.draw()


@pytest.mark.parametrize("helper", HELPERS)
def test_makes_one_figure_of_its_own_otherwise(helper: str) -> None:
    before = plt.get_fignums()
    ax = HELPERS[helper][0]()
    assert len(plt.get_fignums()) == len(before) + 1
    assert ax.get_title(loc="left") == ""
    ax.figure.canvas.draw()


def test_several_signals_have_a_legend_and_colours_of_the_palette() -> None:
    ax = plots.waveform({"dry": X, "wet": DECAY}, RATE)
    legend = ax.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["dry", "wet"]
    assert [line.get_color() for line in ax.lines] == list(plots.PALETTE[:2])
    assert plots.waveform(X, RATE).get_legend() is None
    assert len(plots.stem({str(k): [1.0, 2.0] for k in range(9)}).containers) == 9


def test_palette_is_okabe_and_itos() -> None:
    assert set(plots.PALETTE) == {
        "#000000", "#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7",
    }  # fmt: skip


def test_waveform_spans_its_duration() -> None:
    ax = plots.waveform(X, RATE, start_s=1.0)
    assert ax.get_xlim() == pytest.approx((1.0, 1.0 + (X.size - 1) / RATE))


def test_stem_stands_at_its_indices() -> None:
    ax = plots.stem([4.0, 5.0, 6.0], first_index=-1)
    np.testing.assert_allclose(ax.containers[0].markerline.get_xdata(), [-1, 0, 1])
    np.testing.assert_allclose(ax.containers[0].markerline.get_ydata(), [4, 5, 6])


def levels_and_grid(ax: Axes) -> tuple[Any, Any, Any]:
    """Return the image's levels and the frequency (kHz) and time (s) at the centre of its rows and columns."""
    (image,) = ax.images
    levels = image.get_array()
    left, right, bottom, top = image.get_extent()
    n_rows, n_columns = levels.shape
    khz = bottom + (np.arange(n_rows) + 0.5) * (top - bottom) / n_rows
    time_s = left + (np.arange(n_columns) + 0.5) * (right - left) / n_columns
    return levels, khz, time_s


@pytest.mark.parametrize(("frame_length", "hop_length"), [(1024, None), (512, 100), (256, 256), (333, 111)])
def test_full_scale_sine_stands_at_0_db_at_its_frequency(frame_length: int, hop_length: int | None) -> None:
    ax = plots.spectrogram(TONE, RATE, frame_length=frame_length, hop_length=hop_length)
    levels, khz, time_s = levels_and_grid(ax)
    middle = levels[:, levels.shape[1] // 2]
    # Between two bins a Hann window loses up to 1.4 dB.
    assert -1.5 <= middle.max() <= 0.01
    assert khz[np.argmax(middle)] == pytest.approx(3.0, abs=RATE / frame_length / 2000 + 1e-9)
    hop = hop_length or frame_length // 4
    np.testing.assert_allclose(time_s, np.arange(levels.shape[1]) * hop / RATE, atol=1e-9)
    np.testing.assert_allclose(khz, np.arange(levels.shape[0]) * RATE / frame_length / 1000, atol=1e-9)
    assert ax.get_ylim() == (0, 8)
    assert ax.get_xlim() == (0, 1)


def test_a_click_stands_at_its_time() -> None:
    click = np.zeros(RATE)
    click[4000] = 1.0
    levels, _, time_s = levels_and_grid(plots.spectrogram(click, RATE, frame_length=256))
    assert time_s[np.argmax(levels[10])] == pytest.approx(0.25, abs=0.003)


def test_dynamic_range_is_fixed_and_the_top_can_be_given() -> None:
    image = plots.spectrogram(X, RATE).images[0]
    top, bottom = image.norm.vmax, image.norm.vmin
    assert top == pytest.approx(image.get_array().max())
    assert top - bottom == pytest.approx(80)
    image = plots.spectrogram(X, RATE, top_db=0.0, dynamic_range_db=60.0).images[0]
    assert (image.norm.vmin, image.norm.vmax) == (-60, 0)


def test_colour_bar_can_be_left_out() -> None:
    assert len(plots.spectrogram(X, RATE).figure.axes) == 2
    assert len(plots.spectrogram(X, RATE, colour_bar=False).figure.axes) == 1


def test_comparison_has_one_scale_and_one_colour_bar() -> None:
    axes = plots.compare_spectrograms({"loud": X, "soft and long": np.tile(X, 2) / 10}, RATE)
    norms = {(ax.images[0].norm.vmin, ax.images[0].norm.vmax) for ax in axes}
    assert len(norms) == 1
    assert {ax.get_xlim() for ax in axes} == {(0.0, 1.0)}
    assert len(axes[0].figure.axes) == 3
    assert [ax.get_title(loc="left") for ax in axes] == ["loud", "soft and long"]
    axes[0].figure.canvas.draw()
    _, own = plt.subplots(1, 2)
    assert plots.compare_spectrograms({"a": X, "b": X}, RATE, axes=own) == list(own)
    with pytest.raises(ValueError, match="axes: got 2"):
        plots.compare_spectrograms({"a": X}, RATE, axes=own)


def test_impulse_response_shows_level_and_energy_still_to_come() -> None:
    h = 10 ** (-60 / 20 * np.arange(RATE) / (RATE // 2))
    ax = plots.impulse_response(h, RATE)
    level, energy = (line.get_ydata() for line in ax.lines)
    assert level[0] == energy[0] == 0
    # A decay by 60 dB in half a second is a straight line for both, until the end is near.
    assert level[RATE // 4] == pytest.approx(-30, abs=0.01)
    assert energy[RATE // 4] == pytest.approx(-30, abs=0.1)


def test_magnitude_spectrum_of_a_sine_peaks_at_its_frequency() -> None:
    line = plots.magnitude_spectrum(TONE, RATE).lines[0]
    peak = np.argmax(line.get_ydata())
    assert line.get_xdata()[peak] == pytest.approx(3.0)
    assert line.get_ydata()[peak] == pytest.approx(20 * np.log10(RATE / 2), abs=0.01)
    assert plots.magnitude_spectrum([1.0, 1.0], RATE, fft_length=64).lines[0].get_xdata().size == 33


@pytest.mark.parametrize("helper", ["waveform", "spectrogram", "magnitude_spectrum", "stem"])
@pytest.mark.parametrize("signal", [np.zeros(1000), np.ones(1), np.zeros(2), np.arange(5)])
def test_silence_and_short_signals_are_drawn_without_a_warning(helper: str, signal: Any) -> None:
    arguments = (signal,) if helper == "stem" else (signal, RATE)
    getattr(plots, helper)(*arguments).figure.canvas.draw()


@pytest.mark.parametrize(
    "draw",
    [
        lambda: plots.waveform([np.nan], RATE),
        lambda: plots.waveform(np.ones((2, 5)), RATE),
        lambda: plots.waveform({}, RATE),
        lambda: plots.stem([]),
        lambda: plots.spectrogram(X + 0j, RATE),
        lambda: plots.spectrogram(X, 0),
        lambda: plots.spectrogram_of_stft(X, RATE, hop_length=256),
        lambda: plots.spectrogram_of_stft(np.ones((1, 5)), RATE, hop_length=256),
        lambda: plots.impulse_response(np.zeros(5), RATE),
        lambda: plots.magnitude_spectrum(X, RATE, fft_length=10),
    ],
)
def test_unfit_input_is_refused_before_a_figure_is_made(draw: Callable[[], Axes]) -> None:
    with pytest.raises(ValueError, match=r"got|NaN"):
        draw()
    assert plt.get_fignums() == []


def test_style_fits_a_page_and_grey_print() -> None:
    width, height = mpl.rcParams["figure.figsize"]
    assert width * mpl.rcParams["figure.dpi"] <= 850
    assert height < width
    colours = mpl.colormaps[plots.SPECTROGRAM_COLOURS](np.linspace(0, 1, 64))[:, :3]
    assert np.all(np.diff(colours @ [0.2126, 0.7152, 0.0722]) > 0)


def test_import_leaves_matplotlib_alone() -> None:
    code = (
        "import sys; import course_lib.plots, course_lib.listen; print([m for m in sys.modules if m == 'matplotlib'])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
