"""The voices and sentences: different, complete, level, and the same samples whatever came before."""

from __future__ import annotations

import hashlib
import itertools
import subprocess
import sys

import numpy as np
import pytest

from course_lib import data
from course_lib.data import arithmetic, espeak, manifest, talkers

SAMPLE_RATE = 16_000
CONSONANTS = ["p", "b", "t", "d", "k", "ɡ", "tʃ", "dʒ", "m", "n", "ŋ", "l", "ɹ", "j", "w"]
CONSONANTS += ["f", "v", "θ", "ð", "s", "z", "ʃ", "ʒ", "h"]
VOWELS = ["iː", "ɪ", "ɛ", "æ", "ɑː", "ɔː", "ʊ", "uː", "ʌ", "ə", "ɜː", "ɚ", "eɪ", "aɪ", "ɔɪ", "oʊ", "aʊ"]
R_COLOURED_VOWELS = ["ɑːɹ", "ɔːɹ", "ɪɹ", "ɛɹ", "ʊɹ"]


def speech_hash(voice: talkers.Voice, sentence: int) -> str:
    samples = talkers.speak(voice, data.sentences()[sentence])
    return hashlib.sha256(samples.astype("<i2").tobytes()).hexdigest()


def median_f0_hz(signal: np.ndarray) -> float:
    """Median pitch by normalised autocorrelation of 40 ms frames."""
    frame, f0s = 640, []
    lags = np.arange(SAMPLE_RATE // 400, SAMPLE_RATE // 60)
    for start in range(0, len(signal) - 2 * frame, frame):
        head = signal[start : start + frame]
        if np.mean(head**2) < 1e-4:
            continue
        scores = []
        for lag in lags:
            tail = signal[start + lag : start + lag + frame]
            scores.append(head @ tail / np.sqrt((head @ head) * (tail @ tail) + 1e-12))
        scores = np.array(scores)
        if scores.max() > 0.8:
            # The first lag that is nearly as good as the best is the period, not its multiple.
            f0s.append(SAMPLE_RATE / lags[np.flatnonzero(scores > 0.93 * scores.max())[0]])
    return float(np.median(f0s))


def long_term_bands_db(signal: np.ndarray) -> np.ndarray:
    power = np.abs(np.fft.rfft(signal)) ** 2
    frequency = np.fft.rfftfreq(len(signal), 1 / SAMPLE_RATE)
    edges = 250 * 2 ** (np.arange(14) / 3)
    bands = np.array([power[(frequency >= a) & (frequency < b)].sum() for a, b in itertools.pairwise(edges)])
    return 10 * np.log10(bands / bands.sum())


@pytest.fixture(scope="module")
def timbres() -> dict[str, tuple[float, np.ndarray]]:
    """Median pitch and long-term spectrum of each voice, on the same sentences."""
    result = {}
    for voice in data.voices():
        signals = [data.speech(voice, sentence) for sentence in range(12)]
        pitch = float(np.median([median_f0_hz(signal) for signal in signals[:4]]))
        result[voice.name] = (pitch, long_term_bands_db(np.concatenate(signals)))
    return result


def test_there_are_enough_voices_and_sentences() -> None:
    sexes = [voice.sex for voice in data.voices()]
    assert sexes.count("female") >= 3
    assert sexes.count("male") >= 3
    assert len(sexes) >= 8
    assert len({voice.name for voice in data.voices()}) == len(sexes)
    assert len(set(data.sentences())) == len(data.sentences()) >= 40


def test_the_sentences_are_everyday_prose() -> None:
    for sentence in data.sentences():
        assert sentence[0].isupper()
        assert sentence.endswith(".")
        assert 5 <= len(sentence.split()) <= 11
        assert sentence.isascii()


@pytest.mark.parametrize(
    "inventory", [CONSONANTS, VOWELS, R_COLOURED_VOWELS], ids=["consonants", "vowels", "r-coloured"]
)
def test_the_sentences_cover_general_american(inventory: list[str]) -> None:
    heard = {phoneme for sentence in data.sentences() for phoneme in espeak.phonemes(sentence)}
    assert set(inventory) - heard == set()


@pytest.mark.parametrize("phoneme", CONSONANTS + VOWELS)
def test_no_phoneme_hangs_on_one_sentence(phoneme: str) -> None:
    assert sum(phoneme in espeak.phonemes(sentence) for sentence in data.sentences()) >= 2


def test_an_utterance_does_not_depend_on_what_was_said_before() -> None:
    first, other = data.voices()[0], data.voices()[5]
    alone = speech_hash(first, 3)
    speech_hash(other, 7)
    espeak.phonemes("Something else entirely.")
    speech_hash(first, 9)
    assert speech_hash(first, 3) == alone


@pytest.mark.parametrize("n_translated", [80, 160, 240])
def test_translating_without_speaking_leaves_nothing_behind(n_translated: int) -> None:
    """espeak-ng's queue of 170 commands overflows; at some counts the next utterance would obey what is left."""
    before = speech_hash(data.voices()[0], 3)
    for number in range(n_translated):
        espeak.phonemes(data.sentences()[number % 48])
    assert speech_hash(data.voices()[0], 3) == before


def test_another_process_makes_the_same_samples() -> None:
    code = (
        "import hashlib; from course_lib.data import talkers; "
        "x = talkers.speak(talkers.VOICES[2], talkers.sentences()[11]); "
        "print(hashlib.sha256(x.astype('<i2').tobytes()).hexdigest())"
    )
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert other.stdout.strip() == speech_hash(data.voices()[2], 11)


@pytest.mark.parametrize("voice", data.voices(), ids=lambda voice: voice.name)
def test_synthesis_gives_what_the_manifest_lists(voice: talkers.Voice) -> None:
    for sentence in (0, 11, 47):
        samples = talkers.speak(voice, data.sentences()[sentence])
        assert manifest.compare(f"speech/{voice.name}/{sentence:02d}", samples) == "identical"


def test_voices_avoid_what_makes_espeak_unrepeatable() -> None:
    for voice in data.voices():
        text = talkers.voice_file_text(voice)
        assert "flutter 0" in text
        assert "roughness 0" in text
        assert not any(word in text for word in ("breath", "klatt", "echo", "mbrola"))
        samples = espeak_peak(voice)
        assert samples < 32_000, "the gain control of espeak-ng would act, and it remembers"


def espeak_peak(voice: talkers.Voice) -> int:
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / voice.name
        file.write_text(talkers.voice_file_text(voice))
        return max(int(np.abs(espeak.synthesise(text, file, 165)).max()) for text in data.sentences()[::6])


@pytest.mark.parametrize("voice", data.voices(), ids=lambda voice: voice.name)
def test_speech_is_clean(voice: talkers.Voice) -> None:
    for sentence in range(len(data.sentences())):
        signal = data.speech(voice, sentence)
        assert signal.dtype == np.float64
        assert 1.0 < len(signal) / SAMPLE_RATE < 6.0
        assert np.abs(signal).max() < 0.99
        assert abs(signal.mean()) < 1e-3
        active_db = 10 * np.log10(arithmetic.active_mean_square((signal * 32_768).astype(np.int64)) / 32_768**2)
        assert active_db == pytest.approx(-26.0, abs=0.1)
        loud = np.flatnonzero(np.abs(signal) > 10 ** (-50 / 20))
        assert loud[0] < 0.15 * SAMPLE_RATE
        assert len(signal) - loud[-1] < 0.3 * SAMPLE_RATE


def test_speech_has_nothing_below_the_voice_or_above_the_band() -> None:
    signal = np.concatenate([data.speech("m1", sentence) for sentence in range(12)])
    power = np.abs(np.fft.rfft(signal)) ** 2
    frequency = np.fft.rfftfreq(len(signal), 1 / SAMPLE_RATE)
    assert 10 * np.log10(power[frequency < 40].sum() / power.sum()) < -40
    assert 10 * np.log10(power[frequency > 7_900].sum() / power.sum()) < -50


def test_women_speak_higher_than_men(timbres: dict[str, tuple[float, np.ndarray]]) -> None:
    women = [timbres[voice.name][0] for voice in data.voices() if voice.sex == "female"]
    men = [timbres[voice.name][0] for voice in data.voices() if voice.sex == "male"]
    assert min(women) > 140
    assert max(women) < 300
    assert min(men) > 70
    assert max(men) < min(women)


@pytest.mark.parametrize("sex", ["female", "male"])
def test_timbres_are_clearly_different(sex: str, timbres: dict[str, tuple[float, np.ndarray]]) -> None:
    """Every pair of one sex differs by 2.5 dB in the long-term spectrum; one voice on other words by less than 1.5."""
    names = [voice.name for voice in data.voices() if voice.sex == sex]
    for i, first in enumerate(names):
        for second in names[i + 1 :]:
            spectra = timbres[first][1] - timbres[second][1]
            semitones = 12 * abs(np.log2(timbres[first][0] / timbres[second][0]))
            assert np.sqrt(np.mean(spectra**2)) > 2.5, (first, second)
            assert semitones > 1.0, (first, second)


def test_the_timbre_measure_does_not_see_different_words(timbres: dict[str, tuple[float, np.ndarray]]) -> None:
    for voice in data.voices():
        other = long_term_bands_db(np.concatenate([data.speech(voice, sentence) for sentence in range(12, 36)]))
        assert np.sqrt(np.mean((other - timbres[voice.name][1]) ** 2)) < 1.5, voice.name


def test_a_sentence_can_be_named_by_number_or_text() -> None:
    text = data.sentences()[5]
    np.testing.assert_array_equal(data.speech("f1", 5), data.speech(data.voices()[0], text))


@pytest.mark.parametrize(
    ("voice", "sentence", "message"),
    [
        ("f9", 0, r"voice.*f9.*expected one of f1, f2"),
        ("f1", 48, r"sentence.*48.*from 0 to 47"),
        ("f1", -1, r"from 0 to 47"),
        ("f1", True, r"from 0 to 47"),
        ("f1", "Not in the corpus.", r"data\.sentences"),
    ],
)
def test_unknown_names_list_the_choices(voice: str, sentence: int | str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        data.speech(voice, sentence)


def test_a_missing_synthesiser_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    espeak._library.cache_clear()
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    try:
        with pytest.raises(espeak.SpeechSynthesisError, match="espeakng-loader"):
            espeak.phonemes("Hello.")
    finally:
        espeak._library.cache_clear()


def test_a_data_folder_with_a_long_path_still_works(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    import espeakng_loader

    deep = tmp_path_factory.mktemp("deep") / ("x" * 120) / ("y" * 60)
    deep.mkdir(parents=True)
    (deep / "espeak-ng-data").symlink_to(espeakng_loader.get_data_path(), target_is_directory=True)
    expected = espeak.phonemes("A short sentence.")
    monkeypatch.setattr(espeakng_loader, "get_data_path", lambda: str(deep / "espeak-ng-data"))
    espeak._data_path.cache_clear()
    try:
        assert espeak.phonemes("A short sentence.") == expected
    finally:
        espeak._data_path.cache_clear()
