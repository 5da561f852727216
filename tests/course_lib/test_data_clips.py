"""Clips of speech and music: exact length, common level, different talkers; real corpora as they lie on disk."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from course_lib import data
from course_lib.data import cache, registry
from course_lib.data.clips import SPEECH_CLIP_RMS
from course_lib.data.registry import FetchError

RATE = 16_000


def rms(x: np.ndarray) -> float:
    return float(np.sqrt(np.mean(x**2)))


def correlation(x: np.ndarray, y: np.ndarray) -> float:
    return float(np.abs(np.dot(x, y)) / np.sqrt(np.dot(x, x) * np.dot(y, y)))


@pytest.fixture
def corpora(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of fetched corpora of a fresh cache."""
    monkeypatch.setenv(cache.ENVIRONMENT_VARIABLE, str(tmp_path))
    return tmp_path / "corpora"


def declare_fetched(folder: Path) -> None:
    (folder / registry._INDEX).write_text("{}")


@pytest.fixture
def librispeech(corpora: Path) -> dict[str, list[np.ndarray]]:
    """Write a small LibriSpeech: three speakers, whose numbers sort differently as text."""
    rng = np.random.default_rng(5)
    folder = corpora / "mini-librispeech"
    said: dict[str, list[np.ndarray]] = {}
    for speaker, chapter in itertools.product(("1272", "84", "251"), ("121123", "7000")):
        path = folder / "LibriSpeech" / "dev-clean-2" / speaker / chapter
        path.mkdir(parents=True)
        for utterance in range(2):
            x = np.round(0.01 * int(speaker) / 84 * rng.standard_normal(RATE // 4) * 2**15) / 2**15
            soundfile.write(path / f"{speaker}-{chapter}-{utterance:04d}.flac", x, RATE, subtype="PCM_16")
            said.setdefault(speaker, []).append(x)
    declare_fetched(folder)
    return said


@pytest.mark.parametrize("duration_s", [1 / RATE, 0.03, 1.0, 7.3, 130.0])
def test_a_clip_has_exactly_the_wanted_length_and_the_common_level(duration_s: float) -> None:
    clip = data.speech_clip(3, duration_s)
    assert clip.shape == (round(duration_s * RATE),)
    assert clip.dtype == np.float64
    assert rms(clip) == pytest.approx(SPEECH_CLIP_RMS)


def test_talkers_alternate_sexes_and_go_by_number_or_name() -> None:
    for number, name in enumerate(("f1", "m1", "f2", "m2", "f3", "m3", "f4", "m4")):
        clip = data.speech_clip(number, 0.5)
        np.testing.assert_array_equal(clip, data.speech_clip(name, 0.5))
        np.testing.assert_array_equal(clip, data.speech_clip(np.int64(number), 0.5))
    np.testing.assert_array_equal(data.speech_clip(data.voices()[0], 0.5), data.speech_clip(0, 0.5))


def test_a_clip_is_the_talkers_sentences_one_after_the_other() -> None:
    clip = data.speech_clip("m1", 4.0)
    said = np.concatenate([data.speech("m1", 6), data.speech("m1", 7)])[: clip.size]
    assert correlation(clip, said) == pytest.approx(1.0)


def test_a_longer_clip_begins_as_a_shorter_one() -> None:
    short, long = data.speech_clip(5, 3.0), data.speech_clip(5, 20.0)
    assert correlation(short, long[: short.size]) == pytest.approx(1.0)


def test_no_two_talkers_say_the_same_in_ten_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    said: dict[str, set[int]] = {}

    def listen(voice: str, sentence: int) -> np.ndarray:
        said.setdefault(voice, set()).add(sentence)
        return speak(voice, sentence)

    speak = data.corpus.speech
    monkeypatch.setattr(data.corpus, "speech", listen)
    for talker in range(8):
        data.speech_clip(talker, 10.0)
    assert len(said) == 8
    assert all(a.isdisjoint(b) for a, b in itertools.combinations(said.values(), 2))


@pytest.mark.parametrize(
    ("talker", "duration_s", "corpus", "message"),
    [
        (8, 1.0, "offline", r"talker: got int 8, expected a number from 0 to 7 or one of f1, m1, f2"),
        (-1, 1.0, "offline", "talker"),
        (True, 1.0, "offline", "talker: got bool"),
        (1.0, 1.0, "offline", "talker: got float"),
        ("f9", 1.0, "offline", "talker: got str 'f9'"),
        (0, 0.0, "offline", "duration_s: got 0.0"),
        (0, -1.0, "offline", "duration_s"),
        (0, np.nan, "offline", "duration_s"),
        (0, np.inf, "offline", "duration_s"),
        (0, 1.0, "timit", r"corpus: got str 'timit', expected one of offline, mini-librispeech"),
        (0, 1.0, "musdb18-7s", "corpus"),
    ],
)
def test_speech_refuses(talker: object, duration_s: float, corpus: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        data.speech_clip(talker, duration_s, corpus=corpus)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["mini-librispeech", "librispeech-dev-clean"])
def test_a_missing_corpus_names_the_command_and_is_not_downloaded(
    corpora: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(registry, "fetch", lambda *_: pytest.fail("must not download"))
    with pytest.raises(FetchError, match=rf"`python data_fetch.py fetch {name}`"):
        data.speech_clip(0, 1.0, corpus=name)
    assert not corpora.exists()


def test_fetched_corpora_are_those_that_are_complete(corpora: Path) -> None:
    assert data.fetched_corpora() == ()
    (corpora / "demand-kitchen").mkdir(parents=True)
    (corpora / "mini-librispeech").mkdir()
    declare_fetched(corpora / "mini-librispeech")
    assert data.fetched_corpora() == ("mini-librispeech",)


def test_librispeech_speakers_go_by_ascending_number(librispeech: dict[str, list[np.ndarray]]) -> None:
    for number, speaker in enumerate(("84", "251", "1272")):
        # All utterances in the order of their files, and from the start again when all is said.
        said = np.resize(np.concatenate(librispeech[speaker]), round(1.7 * RATE))
        clip = data.speech_clip(number, 1.7, corpus="mini-librispeech")
        np.testing.assert_allclose(clip, said * SPEECH_CLIP_RMS / rms(said), rtol=1e-12)
        np.testing.assert_array_equal(clip, data.speech_clip(speaker, 1.7, corpus="mini-librispeech"))
    with pytest.raises(ValueError, match="from 0 to 2 or one of 84, 251, 1272"):
        data.speech_clip(3, 1.0, corpus="mini-librispeech")


def test_a_wrong_sample_rate_is_named(corpora: Path) -> None:
    folder = corpora / "mini-librispeech"
    folder.mkdir(parents=True)
    declare_fetched(folder)
    with pytest.raises(FetchError, match="holds no FLAC files"):
        data.speech_clip(0, 1.0, corpus="mini-librispeech")
    soundfile.write(folder / "84-1-0000.flac", np.ones(100) / 2, 8000)
    with pytest.raises(FetchError, match=r"84-1-0000\.flac: 100 samples at 8000 Hz"):
        data.speech_clip(0, 1.0, corpus="mini-librispeech")


def test_a_silent_beginning_stays_silent(corpora: Path) -> None:
    folder = corpora / "mini-librispeech"
    folder.mkdir(parents=True)
    declare_fetched(folder)
    soundfile.write(folder / "84-1-0000.flac", np.r_[np.zeros(100), np.ones(100) / 2], RATE)
    np.testing.assert_array_equal(data.speech_clip(0, 100 / RATE, corpus="mini-librispeech"), np.zeros(100))


def test_music_is_cut_or_repeated_and_sums_to_the_piece() -> None:
    for name in data.stem_names():
        stem = data.stem(name)
        np.testing.assert_array_equal(data.music_clip(name, 2.5), stem[:40_000])
        np.testing.assert_array_equal(data.music_clip(name, 17.0), np.r_[stem, stem[: 17 * RATE - stem.size]])


@pytest.mark.parametrize(
    ("stem", "keywords", "message"),
    [
        ("vocals", {}, "stem: got str 'vocals', expected one of bass"),
        ("bass", {"track": 1}, "offline corpus has one piece"),
        ("bass", {"track": -1}, "track"),
        ("bass", {"corpus": "mini-librispeech"}, "expected one of offline, musdb18-7s"),
        ("bass", {"duration_s": 0.0}, "duration_s"),
    ],
)
def test_music_refuses(stem: str, keywords: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        data.music_clip(stem, **{"duration_s": 1.0, **keywords})  # type: ignore[arg-type]


def test_music_of_a_missing_corpus_names_the_command(corpora: Path) -> None:
    with pytest.raises(FetchError, match=r"`python data_fetch.py fetch musdb18-7s`"):
        data.music_clip("vocals", 1.0, corpus="musdb18-7s")


FREQUENCIES_HZ = {"mixture": 100, "drums": 200, "bass": 300, "other": 400, "vocals": 500}


@pytest.fixture
def musdb(corpora: Path) -> Path:
    """Write two small files of five AAC streams, each a sine at its own frequency, louder on the left."""
    av = pytest.importorskip("av")
    folder = corpora / "musdb18-7s" / "train"
    folder.mkdir(parents=True)
    rate = 44_100
    t = np.arange(rate // 2) / rate
    for track in range(2):
        with av.open(str(folder / f"{'AB'[track]}.stem.mp4"), "w", format="mp4") as container:
            streams = [container.add_stream("aac", rate=rate, layout="stereo") for _ in FREQUENCIES_HZ]
            for stream in streams:
                stream.bit_rate = 320_000
            for stream, frequency_hz in zip(streams, FREQUENCIES_HZ.values(), strict=True):
                sine = 0.3 * np.sin(2 * np.pi * frequency_hz * (1 + track) * t)
                stereo = np.stack([1.5 * sine, 0.5 * sine]).astype(np.float32)
                for start in range(0, t.size, 1024):
                    samples = np.ascontiguousarray(stereo[:, start : start + 1024])
                    frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="stereo")
                    frame.sample_rate, frame.pts = rate, start
                    container.mux(stream.encode(frame))
                container.mux(stream.encode(None))
    declare_fetched(folder.parent)
    return folder


def test_a_musdb_stem_is_found_mixed_down_and_resampled(musdb: Path) -> None:
    n = np.arange(1000, 7000)
    for stem, track in itertools.product(("drums", "bass", "other", "vocals"), (0, 1)):
        clip = data.music_clip(stem, 0.45, corpus="musdb18-7s", track=track)
        assert clip.shape == (7200,)
        # In the middle, where the encoder has settled: right pitch, right level, no delay.
        expected = 0.3 * np.sin(2 * np.pi * FREQUENCIES_HZ[stem] * (1 + track) * n / RATE)
        assert np.abs(clip[n] - expected).max() < 0.03, (stem, track)
    assert data.music_clip("bass", 2.0, corpus="musdb18-7s").shape == (32_000,)


def test_musdb_refuses(musdb: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="stem: got str 'lead', expected one of bass, drums, other, vocals"):
        data.music_clip("lead", 1.0, corpus="musdb18-7s")
    with pytest.raises(ValueError, match="track: got 2, but musdb18-7s has 2 tracks"):
        data.music_clip("bass", 1.0, corpus="musdb18-7s", track=2)
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(FetchError, match="pip install av"):
        data.music_clip("bass", 1.0, corpus="musdb18-7s")
