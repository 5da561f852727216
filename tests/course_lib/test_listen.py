"""The players: equally loud, never clipped, compact, the same bytes each time, and safe to put on a page."""

from __future__ import annotations

import base64
import io
import re
import subprocess
import sys
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from course_lib.listen import Players, listen, loudness

RATE = 16_000
RNG = np.random.default_rng(7)
NOISE = 0.1 * RNG.standard_normal(2 * RATE)
# Bursts with pauses, like words: what the gate of the loudness measure is for.
BURSTS = NOISE * (np.arange(NOISE.size) % RATE < RATE // 3)


class Page(HTMLParser):
    """Tags with their attributes, and the text, in the order of the page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.words: list[str] = []
        self.open_tags: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {key: value or "" for key, value in attrs}))
        if tag not in ("img", "br"):
            self.open_tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open_tags.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]


def page_of(players: Players) -> Page:
    page = Page(players._repr_html_())
    assert page.open_tags == []
    return page


def played(players: Players) -> list[NDArray[Any]]:
    """Decode what the players hold, each of shape (n_channels, n_samples)."""
    sounds = []
    for audio in page_of(players).all("audio"):
        head, _, content = audio["src"].partition(",")
        assert head == "data:audio/flac;base64"
        samples, rate = soundfile.read(io.BytesIO(base64.b64decode(content)), always_2d=True)
        assert rate == RATE
        sounds.append(samples.T)
    return sounds


def gains(players: Players) -> list[float]:
    return [float(text.replace("−", "-")) for text in re.findall(r"gain ([+−]?[\d.]+) dB", repr(players))]


# --- loudness --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("rate", "tolerance_lu"), [(48_000, 0.005), (44_100, 0.02), (16_000, 0.06)])
def test_standards_calibration_sine(rate: int, tolerance_lu: float) -> None:
    sine = np.sin(2 * np.pi * 997 * np.arange(3 * rate) / rate)
    assert loudness(sine, rate) == pytest.approx(-3.01, abs=tolerance_lu)
    assert loudness(0.1 * sine, rate) == pytest.approx(-23.01, abs=tolerance_lu)


def test_k_weighting_has_the_standards_coefficients_at_48_khz() -> None:
    from course_lib.listen.loudness import _k_weighting

    table = [
        [1.53512485958697, -2.69169618940638, 1.19839281085285, 1.0, -1.69065929318241, 0.73248077421585],
        [1.0, -2.0, 1.0, 1.0, -1.99004745483398, 0.99007225036621],
    ]
    np.testing.assert_allclose(_k_weighting(48_000), table, atol=1e-7)


def test_pauses_do_not_count() -> None:
    long_pause = np.concatenate([NOISE, np.zeros(20 * RATE)])
    assert loudness(long_pause, RATE) == pytest.approx(loudness(NOISE, RATE), abs=0.7)
    hum = np.concatenate([NOISE, 0.01 * np.tile(NOISE, 10)])
    assert loudness(hum, RATE) == pytest.approx(loudness(NOISE, RATE), abs=0.7)


def test_mono_equals_its_copy_on_two_channels() -> None:
    assert loudness(np.stack([NOISE, NOISE]), RATE) == pytest.approx(loudness(NOISE, RATE), abs=1e-9)


def test_silence_and_one_sample_are_defined() -> None:
    assert loudness(np.zeros(RATE), RATE) == -np.inf
    assert loudness(1e-6 * NOISE, RATE) == -np.inf
    assert np.isfinite(loudness([0.5], RATE))


# --- matching --------------------------------------------------------------------------------------------------------


def test_sounds_of_any_level_are_played_equally_loud() -> None:
    row = listen({"loud": 3 * NOISE, "soft": 1e-2 * NOISE, "bursts": BURSTS, "stereo": np.stack([NOISE, BURSTS])}, RATE)
    levels = [loudness(sound, RATE) for sound in played(row)]
    np.testing.assert_allclose(levels, -20.0, atol=0.05)


def test_reported_gain_is_the_one_applied() -> None:
    sounds = {"loud": 3 * NOISE, "soft": 1e-2 * NOISE}
    row = listen(sounds, RATE)
    for sound, out, gain_db in zip(sounds.values(), played(row), gains(row), strict=True):
        measured_db = 20 * np.log10(np.linalg.norm(out[0]) / np.linalg.norm(sound))
        assert gain_db == pytest.approx(measured_db, abs=0.06)


def test_a_peak_turns_the_whole_row_down_and_nothing_clips() -> None:
    spike = 1e-2 * NOISE
    spike[RATE] = 1.0
    row = listen({"noise": NOISE, "spike": spike}, RATE)
    outs = played(row)
    assert max(np.abs(out).max() for out in outs) <= 10 ** (-1 / 20) + 1 / 32768
    levels = [loudness(out, RATE) for out in outs]
    assert levels[0] == pytest.approx(levels[1], abs=0.2)
    assert levels[0] < -21
    # The shape of the wave is kept: each is its original times one number.
    for sound, out in zip((NOISE, spike), outs, strict=True):
        gain = np.vdot(sound, out[0]) / np.vdot(sound, sound)
        assert np.max(np.abs(out[0] - gain * sound)) <= 0.51 / 32767


def test_without_matching_levels_stay_unless_they_clip() -> None:
    row = listen({"a": NOISE, "b": 0.5 * NOISE}, RATE, match_loudness=False)
    np.testing.assert_allclose(played(row)[0][0], NOISE, atol=1e-4)
    assert gains(row) == [0.0, 0.0]
    row = listen({"a": 100 * NOISE, "b": 50 * NOISE}, RATE, match_loudness=False)
    a, b = played(row)
    assert np.abs(a).max() < 0.9
    np.testing.assert_allclose(b, a / 2, atol=1e-4)
    assert len(set(gains(row))) == 1


def test_silence_stays_silent_and_rounding_is_not_amplified() -> None:
    row = listen({"silence": np.zeros(RATE), "rounding": 1e-9 * NOISE, "sound": NOISE}, RATE)
    silent, rounding, _ = played(row)
    assert not silent.any()
    assert not rounding.any()
    assert "silence (below −70 LUFS)" in repr(row)
    assert gains(row)[0] == 0.0
    assert not played(listen({"silence": np.zeros(RATE)}, RATE))[0].any()


def test_stereo_is_kept_left_first() -> None:
    (out,) = played(listen({"stereo": np.stack([NOISE, np.zeros_like(NOISE)])}, RATE))
    assert out.shape == (2, NOISE.size)
    assert out[0].any()
    assert not out[1].any()


@pytest.mark.parametrize("dtype", [np.float32, np.int16, np.int64, bool])
def test_other_dtypes_are_played(dtype: type) -> None:
    assert played(listen({"x": (1000 * NOISE).astype(dtype)}, RATE))[0].shape == (1, NOISE.size)


@pytest.mark.parametrize("n_samples", [1, 2, 63, 64, 65, 255, 257, 1000])
def test_short_sounds_are_played(n_samples: int) -> None:
    assert played(listen({"x": NOISE[:n_samples]}, RATE))[0].shape == (1, n_samples)


# --- the page --------------------------------------------------------------------------------------------------------


def test_one_row_of_players_each_sound_once() -> None:
    row = listen({"dry": NOISE, "in the hall": BURSTS}, RATE)
    page = page_of(row)
    assert [len(page.all(tag)) for tag in ("table", "tr", "td", "audio", "img")] == [1, 1, 2, 2, 2]
    html = row._repr_html_()
    for audio in page.all("audio"):
        assert html.count(audio["src"]) == 1
        assert "controls" in audio
    assert [audio["aria-label"] for audio in page.all("audio")] == ["dry, 2.00 s", "in the hall, 2.00 s"]
    assert all("Spectrogram of" in image["alt"] for image in page.all("img"))
    assert "repeat(auto-fit" in page.all("tr")[0]["style"]
    assert page_of(listen({"dry": NOISE}, RATE, spectrograms=False)).all("img") == []


def test_names_cannot_break_out_of_the_page() -> None:
    name = '"><script>alert(1)</script><img src=x onerror=alert(1)>'
    page = page_of(listen({name: NOISE, "R&D": NOISE}, RATE))
    assert page.all("script") == []
    assert not any(key.startswith("on") for _, attributes in page.tags for key in attributes)
    assert page.words[0] == name
    assert page.all("audio")[0]["aria-label"] == f"{name}, 2.00 s"


def test_nothing_is_fetched_and_nothing_runs() -> None:
    page = page_of(listen({"x": NOISE}, RATE))
    sources = [attributes["src"] for _, attributes in page.tags if "src" in attributes]
    assert len(sources) == 2
    assert all(source.startswith("data:") for source in sources)
    assert page.all("script") == page.all("style") == []


def test_text_fallback_lists_names_durations_and_levels() -> None:
    lines = repr(listen({"dry": NOISE, "in the hall": BURSTS}, RATE)).splitlines()
    assert len(lines) == 2
    assert re.fullmatch(r"dry          2\.00 s · −\d+\.\d LUFS · gain [+−]\d+\.\d dB", lines[0])


def test_same_sounds_same_bytes() -> None:
    code = (
        "import numpy as np; from course_lib.listen import listen; "
        "x = 0.1 * np.random.default_rng(7).standard_normal(32000); "
        "print(listen({'dry': x, 'half': x[:16000]}, 16000)._repr_html_())"
    )
    elsewhere = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    x = 0.1 * np.random.default_rng(7).standard_normal(32000)
    assert listen({"dry": x, "half": x[:16000]}, RATE)._repr_html_() == elsewhere.rstrip("\n")


def test_size_stays_within_what_the_docstring_states() -> None:
    loudest = np.sign(RNG.standard_normal(10 * RATE)) * RNG.uniform(0, 1, 10 * RATE)
    size = len(listen({"x": loudest}, RATE, spectrograms=False)._repr_html_())
    assert size / 10 <= 45_000
    assert len(listen({"x": loudest}, RATE)._repr_html_()) - size <= 30_000


def test_spectrogram_shows_the_sound() -> None:
    from PIL import Image

    tone = np.sin(2 * np.pi * 2000 * np.arange(2 * RATE) / RATE)
    tone[RATE:] = 0
    page = page_of(listen({"tone": tone, "half": tone[:RATE]}, RATE))
    contents = [base64.b64decode(image["src"].partition(",")[2]) for image in page.all("img")]
    picture = Image.open(io.BytesIO(contents[0]))
    assert picture.mode == "P"
    colours = np.asarray(picture)
    n_rows, n_columns = colours.shape
    row, column = np.unravel_index(np.argmax(colours), colours.shape)
    # 2 kHz of 8 kHz is a quarter from the bottom; the second half is silent.
    assert row == pytest.approx(0.75 * (n_rows - 1), abs=1.5)
    assert column < n_columns / 2
    assert colours[:, int(0.55 * n_columns) :].max() == 0
    assert [re.search(r"width:([\d.]+)%", image["style"])[1] for image in page.all("img")] == ["100", "50"]  # type: ignore[index]


# --- refusals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sounds", "text"),
    [
        ({}, "expected names and sounds"),
        (NOISE, r'Write listen\(\{"a name": x\}'),
        ({1: NOISE}, "Write it in quotes"),
        ({"x": []}, "at least one sample"),
        ({"x": np.r_[NOISE, np.nan]}, "NaN or infinite"),
        ({"x": NOISE + 0j}, "expected real"),
        ({"x": np.stack([NOISE, NOISE]).T}, "Transpose it: channels come first"),
        ({"x": np.stack([NOISE] * 4)}, "Choose one channel"),
        ({"x": np.float64(3)}, "at least 1 axis"),
        ({"x": np.zeros((1, 1, 5))}, "Choose one channel"),
        ({"x": np.zeros(301 * RATE)}, "at most 300 s in one row"),
        ({"x": np.zeros(151 * RATE), "y": np.zeros(151 * RATE)}, "Cut out the part"),
    ],
)
def test_unfit_sounds_are_refused_with_a_remedy(sounds: Any, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        listen(sounds, RATE)


@pytest.mark.parametrize("sample_rate", [0, -1, 16_000.0, True, 10**6])
def test_unfit_sample_rates_are_refused(sample_rate: Any) -> None:
    with pytest.raises(ValueError, match="sample_rate"):
        listen({"x": NOISE}, sample_rate)
