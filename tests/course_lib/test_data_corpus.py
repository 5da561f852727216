"""The corpus on disk: whole or absent, the same for two builders, and damage noticed by name."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from course_lib import data
from course_lib.data import cache, corpus, manifest, music, rooms


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(cache.ENVIRONMENT_VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


def states(part: str) -> Counter[str]:
    return Counter(report.state for report in corpus.verify_corpus([part]))


def leftovers(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob(".*") if not path.name.endswith(".lock")]


def test_the_environment_variable_moves_the_cache(empty_cache: Path) -> None:
    assert data.cache_dir() == empty_cache
    assert corpus.corpus_dir().parent == empty_cache


def test_the_default_is_the_users_cache_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(cache.ENVIRONMENT_VARIABLE, raising=False)
    assert data.cache_dir().is_absolute()
    assert Path(__file__).parents[2] not in data.cache_dir().parents


def test_the_users_corpus_is_whole() -> None:
    data.build_corpus()
    assert set(Counter(report.state for report in data.verify_corpus())) <= {"identical", "within tolerance"}


def test_manifest_and_corpus_list_the_same_items() -> None:
    listed = {name for part in corpus.PART_NAMES for name in corpus._PARTS[part].names()}
    assert listed == set(manifest.read())
    by_hash = {name.split("/")[0] for name, item in manifest.read().items() if "sha256" in item}
    assert by_hash == {"speech", "noises"}


def test_building_reports_progress_and_leaves_only_the_part(empty_cache: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    built = data.build_corpus(["music"], progress=lambda *step: seen.append(step))
    assert built == tuple(f"music/{name}" for name in data.stem_names())
    assert seen[0] == ("music", 0, 4)
    assert seen[-1] == ("music", 4, 4)
    assert data.build_corpus(["music"]) == ()
    assert states("music") == {"within tolerance": 4}
    assert leftovers(empty_cache) == []


def test_loading_builds_what_is_missing_and_nothing_else(empty_cache: Path) -> None:
    assert len(data.stem("bass")) == 16 * 16_000
    assert (corpus.corpus_dir() / "music").is_dir()
    assert not (corpus.corpus_dir() / "speech").exists()


@pytest.mark.parametrize("damage", ["flip", "truncate", "remove", "empty"])
def test_a_damaged_file_is_noticed_by_name_and_rebuilt(empty_cache: Path, damage: str) -> None:
    expected = data.stem("lead")
    path = corpus.corpus_dir() / "music" / "lead.wav"
    content = bytearray(path.read_bytes())
    if damage == "flip":
        content[5_000] ^= 1
        path.write_bytes(content)
    elif damage == "truncate":
        path.write_bytes(content[:1_000])
    elif damage == "empty":
        path.write_bytes(b"")
    else:
        path.unlink()
    (report,) = [report for report in corpus.verify_corpus(["music"]) if report.state not in corpus.GOOD_STATES]
    assert report.name == "music/lead"
    assert report.state == ("missing" if damage == "remove" else "damaged")
    assert "lead.wav" in report.detail
    np.testing.assert_array_equal(data.stem("lead"), expected)
    assert states("music") == {"within tolerance": 4}


def test_build_repairs_by_name(empty_cache: Path) -> None:
    data.build_corpus(["music"])
    (corpus.corpus_dir() / "music" / "bass.wav").write_bytes(b"RIFF")
    assert data.build_corpus(["music"]) == ("music/bass",)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"music/bass": "0"}'])
def test_a_damaged_index_makes_the_part_anew(empty_cache: Path, content: str) -> None:
    data.build_corpus(["music"])
    (corpus.corpus_dir() / "music" / "index.json").write_text(content)
    assert states("music") == {"missing": 4}
    assert len(data.build_corpus(["music"])) == 4
    assert states("music") == {"within tolerance": 4}
    assert leftovers(empty_cache) == []


def _build_music(folder: str, barrier: object) -> None:
    os.environ[cache.ENVIRONMENT_VARIABLE] = folder
    barrier.wait()  # type: ignore[attr-defined]
    data.build_corpus(["music"])
    assert len(data.stem("drums")) == 16 * 16_000


def test_two_processes_may_build_at_once(empty_cache: Path) -> None:
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(2)
    builders = [context.Process(target=_build_music, args=(str(empty_cache), barrier)) for _ in range(2)]
    for builder in builders:
        builder.start()
    for builder in builders:
        builder.join(60)
    assert [builder.exitcode for builder in builders] == [0, 0]
    assert states("music") == {"within tolerance": 4}
    assert leftovers(empty_cache) == []


@pytest.mark.skipif(os.name == "nt", reason="sends a POSIX signal")
def test_a_killed_build_leaves_nothing_that_looks_complete(empty_cache: Path) -> None:
    builder = subprocess.Popen(
        [sys.executable, "-c", "from course_lib import data; data.build_corpus(['speech'])"],
        env={**os.environ, cache.ENVIRONMENT_VARIABLE: str(empty_cache)},
    )
    deadline = time.monotonic() + 30
    while not list(empty_cache.rglob("*.wav")) and time.monotonic() < deadline:
        time.sleep(0.02)
    builder.send_signal(signal.SIGKILL)
    builder.wait()
    assert list(empty_cache.rglob("*.wav")), "the build was killed before it had begun"
    assert not (corpus.corpus_dir() / "speech").exists()
    assert set(states("speech")) == {"missing"}
    with cache.locked(corpus.corpus_dir() / ".speech.lock"):
        pass


def test_without_pyroomacoustics_only_rooms_fail(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyroomacoustics", None)
    with pytest.raises(rooms.RoomSimulationError, match="extra `rooms`"):
        data.room("hall")
    assert len(data.stem("bass")) > 0
    assert leftovers(empty_cache) == []


@pytest.mark.parametrize("call", [data.build_corpus, data.verify_corpus])
def test_unknown_parts_list_the_choices(call: object) -> None:
    with pytest.raises(ValueError, match=r"part.*'birds'.*speech, noises, music, rooms"):
        call(["birds"])  # type: ignore[operator]


def test_one_step_of_one_sample_is_not_identical() -> None:
    samples = np.round(data.noise("white") * 32_768).astype(np.int16)
    assert manifest.compare("noises/white", samples) == "identical"
    samples[123] += 1
    assert manifest.compare("noises/white", samples) == "equivalent"


@pytest.mark.parametrize("change", [lambda x: x[:-16_000], lambda x: x // 2, lambda x: np.diff(x, prepend=x[:1])])
def test_another_sound_is_a_mismatch_by_name(change: object) -> None:
    samples = np.round(data.noise("white") * 32_768).astype(np.int16)
    with pytest.raises(manifest.CorpusMismatchError, match=r"noises/white .* samples where"):
        manifest.compare("noises/white", change(samples).astype(np.int16))  # type: ignore[operator]


@pytest.mark.parametrize(("error", "agrees"), [(1e-5, True), (2e-4, True), (5e-3, False), (1.0, False)])
def test_a_fingerprint_bounds_the_relative_error(error: float, agrees: bool) -> None:
    stem = music.generate("chords").astype(np.float64)
    disturbance = np.random.default_rng(4).standard_normal(len(stem))
    changed = stem + error * np.linalg.norm(stem) / np.linalg.norm(disturbance) * disturbance
    if agrees:
        assert manifest.compare("music/chords", changed) == "within tolerance"
    else:
        with pytest.raises(manifest.CorpusMismatchError, match=r"music/chords differs"):
            manifest.compare("music/chords", changed)


def test_a_fingerprint_sees_gain_shape_and_silence() -> None:
    stem = music.generate("bass").astype(np.float64)
    for changed in (1.01 * stem, stem[:-1], np.zeros_like(stem), -stem, np.roll(stem, 1)):
        with pytest.raises(manifest.CorpusMismatchError, match="music/bass"):
            manifest.compare("music/bass", changed)


def test_an_unlisted_item_is_refused() -> None:
    with pytest.raises(manifest.CorpusMismatchError, match="rewrite-manifest"):
        manifest.compare("noises/brown", np.zeros(10, dtype=np.int16))


def test_build_refuses_what_the_manifest_does_not_describe(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(music, "_BASS_PATTERN", ((0.0, 1.0, 3, 1.0),))
    with pytest.raises(manifest.CorpusMismatchError, match="music/bass"):
        data.build_corpus(["music"])
    assert not (corpus.corpus_dir() / "music").exists()
    assert leftovers(empty_cache) == []


def test_importing_is_fast_and_light() -> None:
    code = (
        "import sys, time; start = time.perf_counter(); import course_lib.data, course_lib.scenes; "
        "heavy = {'torch', 'librosa', 'pyroomacoustics', 'matplotlib.pyplot', 'requests', 'scipy.signal'}; "
        "print(time.perf_counter() - start, *sorted(heavy & set(sys.modules)))"
    )
    seconds, *heavy = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert heavy == []
    assert float(seconds) < 1.0
