"""The noises and the music are what their names say."""

from __future__ import annotations

import numpy as np
import pytest

from course_lib import data
from course_lib.data import corpus, manifest, music, noises

SAMPLE_RATE = 16_000


def octave_levels_db(signal: np.ndarray) -> np.ndarray:
    """Spectral density in octaves from 62.5 Hz to 4 kHz, in decibels."""
    power = np.abs(np.fft.rfft(signal)) ** 2
    frequency = np.fft.rfftfreq(len(signal), 1 / SAMPLE_RATE)
    edges = 62.5 * 2.0 ** np.arange(7)
    return np.array([10 * np.log10(power[(frequency >= a) & (frequency < 2 * a)].mean()) for a in edges])


def envelope_db(signal: np.ndarray, frame_s: float) -> np.ndarray:
    frame = round(frame_s * SAMPLE_RATE)
    frames = signal[: len(signal) // frame * frame].reshape(-1, frame)
    return 10 * np.log10(np.mean(frames**2, axis=1) + 1e-12)


@pytest.mark.parametrize("name", data.noise_names())
def test_noises_are_as_listed_and_clean(name: str) -> None:
    signal = data.noise(name)
    assert 10 <= len(signal) / SAMPLE_RATE <= 30
    assert np.abs(signal).max() < 0.99
    assert abs(signal.mean()) < 1e-4
    level_db = 10 * np.log10(np.mean(signal**2))
    assert level_db == pytest.approx(-35.5 if name == "keyboard" else -26.0, abs=0.1)


@pytest.mark.parametrize("name", data.noise_names())
def test_generation_gives_what_the_manifest_lists(name: str) -> None:
    assert manifest.compare(f"noises/{name}", noises.generate(name, corpus._corpus_speech)) == "identical"


def test_enough_noises_of_the_kinds_asked_for() -> None:
    assert {"white", "pink", "babble", "fan", "keyboard", "street"} <= set(data.noise_names())


def test_white_is_flat() -> None:
    slope = np.polyfit(np.arange(7), octave_levels_db(data.noise("white")), 1)[0]
    assert slope == pytest.approx(0, abs=0.15)


def test_pink_falls_3_db_an_octave() -> None:
    slope = np.polyfit(np.arange(7), octave_levels_db(data.noise("pink")), 1)[0]
    assert slope == pytest.approx(-3.01, abs=0.2)


def test_babble_has_the_spectrum_of_its_voices_and_no_pauses() -> None:
    babble = data.noise("babble")
    voices = np.concatenate([data.speech(voice, sentence) for voice in data.voices() for sentence in range(0, 48, 6)])
    difference = octave_levels_db(babble) - octave_levels_db(voices)
    assert np.std(difference[1:]) < 2.0
    assert np.ptp(envelope_db(babble, 0.05)) < 15
    assert np.ptp(envelope_db(data.speech("f1", 0), 0.05)) > 20


def test_fan_has_harmonics_of_its_blades() -> None:
    signal = data.noise("fan")
    power = np.abs(np.fft.rfft(signal * np.hanning(len(signal)))) ** 2
    for harmonic in (1, 2, 3):
        centre = round(118 * harmonic * 20)
        tone = power[centre - 60 : centre + 60].sum()
        beside = power[centre + 200 : centre + 320].sum()
        assert 10 * np.log10(tone / beside) > 6


def test_engine_is_low_and_harmonic() -> None:
    signal = data.noise("engine")
    power = np.abs(np.fft.rfft(signal)) ** 2
    frequency = np.fft.rfftfreq(len(signal), 1 / SAMPLE_RATE)
    assert power[frequency < 400].sum() / power.sum() > 0.7


def test_keyboard_clicks() -> None:
    signal = data.noise("keyboard")
    assert 20 * np.log10(np.abs(signal).max() / np.std(signal)) > 20
    levels = envelope_db(signal, 0.01)
    onsets = np.count_nonzero((levels[1:] > -45) & (levels[:-1] < -55))
    assert 40 < onsets < 250
    assert np.mean(levels < -60) > 0.2


def test_street_swells_with_the_cars() -> None:
    levels = envelope_db(data.noise("street"), 0.5)
    assert np.ptp(levels) > 8
    assert np.ptp(envelope_db(data.noise("fan"), 0.5)) < 2


@pytest.mark.parametrize("name", ["pink", "fan", "engine", "street", "babble"])
def test_noises_repeat_without_a_seam(name: str) -> None:
    """The step over the seam is no larger than steps elsewhere."""
    signal = data.noise(name)
    steps = np.abs(np.diff(signal))
    assert abs(signal[0] - signal[-1]) <= np.quantile(steps, 0.9999)
    twice = data.noise(name, 40.0)
    np.testing.assert_array_equal(twice[: len(signal)], signal)
    np.testing.assert_array_equal(twice[len(signal) :], signal)


def test_noise_of_a_wanted_duration() -> None:
    assert len(data.noise("pink", 1.23)) == round(1.23 * SAMPLE_RATE)
    np.testing.assert_array_equal(data.noise("pink", 2), data.noise("pink")[: 2 * SAMPLE_RATE])


@pytest.mark.parametrize("duration_s", [0, -1, float("nan"), float("inf"), 1e-6])
def test_a_duration_without_samples_is_refused(duration_s: float) -> None:
    with pytest.raises(ValueError, match="duration_s"):
        data.noise("pink", duration_s)


def test_unknown_names_list_the_choices() -> None:
    with pytest.raises(ValueError, match=r"noise.*'brown'.*white, pink"):
        data.noise("brown")
    with pytest.raises(ValueError, match=r"stem.*'violin'.*bass, drums, chords, lead"):
        data.stem("violin")
    with pytest.raises(ValueError, match=r"room.*'cave'.*living_room"):
        data.room("cave")


@pytest.mark.parametrize("name", data.stem_names())
def test_stems_are_as_the_manifest_says(name: str) -> None:
    assert manifest.compare(f"music/{name}", music.generate(name)) == "within tolerance"


def test_stems_can_be_mixed() -> None:
    stems = [data.stem(name) for name in data.stem_names()]
    assert {"bass", "drums", "chords", "lead"} <= set(data.stem_names())
    assert {len(stem) for stem in stems} == {16 * SAMPLE_RATE}
    assert np.abs(np.sum(stems, axis=0)).max() < 0.95
    levels = [10 * np.log10(np.mean(stem**2)) for stem in stems]
    assert np.ptp(levels) < 4
    for stem in stems:
        assert abs(stem.mean()) < 0.01 * np.std(stem)
        assert abs(stem[-1]) < 0.01


def test_stems_hold_their_place_in_the_spectrum_and_in_time() -> None:
    power = {name: np.abs(np.fft.rfft(data.stem(name))) ** 2 for name in data.stem_names()}
    frequency = np.fft.rfftfreq(16 * SAMPLE_RATE, 1 / SAMPLE_RATE)

    def centroid(name: str) -> float:
        return float((power[name] * frequency).sum() / power[name].sum())

    assert centroid("bass") < 150 < centroid("chords") < centroid("lead")
    assert (power["drums"] * (frequency > 3_000)).sum() / power["drums"].sum() > 0.1
    drums = data.stem("drums")
    beats = drums.reshape(-1, 4_000)
    assert (np.abs(beats[:, :800]).max(axis=1) > 3 * np.abs(beats[:, 3_600:]).max(axis=1)).all()


@pytest.mark.parametrize(("start_beat", "length", "note"), [music._MELODY[0], music._MELODY[10], music._MELODY[-1]])
def test_the_melody_is_in_tune(start_beat: float, length: float, note: int) -> None:
    start = round(start_beat * 8_000)
    played = data.stem("lead")[start : start + round(length * 8_000 * 0.9)]
    power = np.abs(np.fft.rfft(played * np.hanning(len(played)), 1 << 18)) ** 2
    peak_hz = np.argmax(power) * SAMPLE_RATE / (1 << 18)
    cents = 1_200 * np.log2(peak_hz / (440 * 2 ** ((note - 69) / 12)))
    assert abs(cents) < 25
