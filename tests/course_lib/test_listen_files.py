"""Sounds that are kept as files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from course_lib.listen import save_sounds

RATE = 16_000


@pytest.fixture
def tone() -> np.ndarray:
    """A tenth of a second of a soft tone."""
    return 0.25 * np.sin(2 * np.pi * 440 * np.arange(RATE // 10) / RATE)


def test_a_sound_comes_back_within_half_a_step(tmp_path: Path, tone: np.ndarray) -> None:
    (path,) = save_sounds(tmp_path, {"microphone": tone}, RATE)
    assert path == tmp_path / "microphone.wav"
    samples, rate = soundfile.read(path)
    assert rate == RATE
    assert soundfile.info(path).subtype == "PCM_16"
    # 16-bit files have full scale at 32768 for a reader, at 32767 for a writer that must not clip.
    assert np.abs(samples * 32768 / 32767 - tone).max() <= 0.5 / 32767 + 1e-12


def test_loud_sounds_are_turned_down_together(
    tmp_path: Path, tone: np.ndarray, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = save_sounds(tmp_path, {"loud": 20 * tone, "soft": tone}, RATE)
    loud, soft = (soundfile.read(path)[0] for path in paths)
    assert 0.88 < np.abs(loud).max() < 0.9
    np.testing.assert_allclose(loud, 20 * soft, atol=11 / 32767)
    assert "turned down together by 15.0 dB" in capsys.readouterr().out


def test_stereo_and_silence_are_kept(tmp_path: Path, tone: np.ndarray) -> None:
    both, nothing = save_sounds(tmp_path, {"both": np.stack([tone, -tone]), "nothing": 0 * tone}, RATE)
    samples, _ = soundfile.read(both)
    assert samples.shape == (len(tone), 2)
    np.testing.assert_array_equal(samples[:, 0], -samples[:, 1])
    assert not soundfile.read(nothing)[0].any()


def test_it_says_where_the_files_are(tmp_path: Path, tone: np.ndarray, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "new" / "folder"
    save_sounds(folder, {"microphone": tone, "estimate": tone}, RATE)
    assert capsys.readouterr().out == f"Wrote microphone.wav, estimate.wav to {folder.resolve()}\n"


def test_names_become_names_of_files(tmp_path: Path, tone: np.ndarray) -> None:
    sounds = {"what your partner hears: ŷ/e?": tone, "../../outside": tone, "Büro 2.5": tone}
    paths = save_sounds(tmp_path, sounds, RATE)
    assert [path.name for path in paths] == ["what-your-partner-hears-ŷ-e.wav", "outside.wav", "Büro-2.5.wav"]
    assert all(path.parent == tmp_path and path.is_file() for path in paths)


def test_files_of_the_same_name_are_replaced(tmp_path: Path, tone: np.ndarray) -> None:
    save_sounds(tmp_path, {"error": tone}, RATE)
    (path,) = save_sounds(tmp_path, {"error": tone[:100]}, RATE)
    assert len(soundfile.read(path)[0]) == 100


@pytest.mark.parametrize(
    ("sounds", "complaint"),
    [
        ({}, "expected names and sounds"),
        ({"a b": [0.1], "a/b": [0.2]}, "two give one file"),
        ({"Error": [0.1], "error": [0.2]}, "two give one file"),
        ({"…": [0.1]}, "a letter or a digit"),
        ({"x": [np.nan]}, "NaN"),
        ({"x": np.zeros((3, 5))}, r"\(n_samples,\)"),
    ],
)
def test_what_cannot_be_kept_is_refused(tmp_path: Path, sounds: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        save_sounds(tmp_path / "new", sounds, RATE)  # type: ignore[arg-type]
    assert not (tmp_path / "new").exists()


def test_a_file_is_no_folder(tmp_path: Path, tone: np.ndarray) -> None:
    taken = tmp_path / "taken"
    taken.write_text("")
    with pytest.raises(ValueError, match="which is a file"):
        save_sounds(taken, {"x": tone}, RATE)
