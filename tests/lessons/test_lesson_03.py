"""Lesson 03: every parameter that the text invites to change works over its whole range, and its numbers hold."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from lesson_sources import lesson, n_pictures, names_after

from course_lib import bss, data, nmf, scenes, stft

pytestmark = pytest.mark.slow

NAME = "03_nmf_ilrma"
SET_UP = (
    "from course_lib import bss, check",
    "duration_s, PLACES",
    "talkers = [data.speech_clip",
    "def analyse(x)",
    "def split_duo",
    "def draw_model",
    "references = talk.images",
)
"""Stand in the cells that lead from the set-up to the slider and to the talkers in the room."""


def sources_of(mark: str) -> list[str]:
    """Return the code cells that hold a text."""
    return [cell.source for cell in lesson(NAME).cells if cell.is_code and mark in cell.source]


@pytest.fixture(scope="module")
def names() -> Iterator[dict[str, Any]]:
    """The lesson's names after the cells that the tests need."""
    with names_after(NAME, SET_UP) as namespace:
        yield namespace


@pytest.fixture(scope="module")
def answers() -> dict[str, Any]:
    """The reference answers to all exercises."""
    namespace: dict[str, Any] = {"np": np}
    for exercise in lesson(NAME).exercises:
        (source,) = sources_of(f"def {exercise.key}(")
        exec(compile(source, NAME, "exec"), namespace)
    return namespace


@pytest.fixture(scope="module")
def short_talk(names: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Three seconds of the two talkers: the STFT of both microphones, and the talkers at the first."""
    n_samples = 3 * names["sample_rate"]
    scene = names["talk"]
    return stft.stft(scene.mixture[:, :n_samples], frame_length=2048), scene.images[:, 0, :n_samples]


def test_the_slider_draws_every_number_of_components(names: dict[str, Any]) -> None:
    box = names["plots"].with_slider(names["draw_model"], names["ranks"], value=8, label="components")
    assert n_pictures(box) == len(names["ranks"])


def test_more_components_bring_bass_and_lead_apart(names: dict[str, Any]) -> None:
    gains = {rank: np.mean(values) for rank, values in names["gains_db"].items()}
    assert abs(gains[2]) < 0.5
    assert 2 < gains[8] < gains[32]


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("n_free", [1, 2, 4, 8, 16])
def test_a_dictionary_takes_any_number_of_free_components(n_free: int, seed: int) -> None:
    V = np.abs(stft.stft(data.speech_clip(0, 1) + data.noise("engine", 1), frame_length=2048))
    spectra = nmf.nmf(V, 10, divergence="kl", n_iterations=5, rng=np.random.default_rng(seed)).W
    fit = nmf.nmf(
        V,
        10 + n_free,
        divergence="kl",
        n_iterations=20,
        fixed_dictionary=spectra,
        rng=np.random.default_rng(seed),
    )
    assert np.all(np.diff(fit.losses) <= 0)
    np.testing.assert_array_equal(fit.W[:, :10], spectra)


def test_the_narrowband_residue_shrinks_with_longer_frames_and_drier_rooms() -> None:
    residues_db = {}
    voice = data.speech_clip(0, 4)
    for rt60_s in (0.1, 0.4):
        scene = scenes.random_room_scene([voice], rt60_s, 2, np.random.default_rng(2))
        for frame_length in (512, 2048, 8192):
            S, X = (stft.stft(x[: len(voice)], frame_length=frame_length) for x in (scene.sources[0], scene.mixture[0]))
            factor = np.sum(X * S.conj(), axis=1) / np.sum(np.abs(S) ** 2, axis=1)
            residue = np.sum(np.abs(X - factor[:, None] * S) ** 2) / np.sum(np.abs(X) ** 2)
            residues_db[rt60_s, frame_length] = 10 * np.log10(residue)
    for rt60_s in (0.1, 0.4):
        assert residues_db[rt60_s, 512] > residues_db[rt60_s, 2048] > residues_db[rt60_s, 8192]
    for frame_length in (512, 2048, 8192):
        assert residues_db[0.1, frame_length] < residues_db[0.4, frame_length]


def test_the_order_of_the_frequencies_is_what_is_missing(names: dict[str, Any]) -> None:
    mixture = names["talk"].mixture[0, : len(names["duo"])]
    gains = {
        name: names["scores"](names[name], names["references"], mixture)[0].mean()
        for name in ("in_any_order", "aligned", "by_oracle")
    }
    assert gains["in_any_order"] < 0
    assert gains["aligned"] > 10
    assert gains["by_oracle"] > gains["aligned"]


def test_the_three_answers_together_are_iva(answers: dict[str, Any], short_talk: tuple[np.ndarray, np.ndarray]) -> None:
    X, _ = short_talk
    (text,) = [cell.source for cell in lesson(NAME).cells if "```python" in cell.source]
    loop = re.search(r"```python\n(.*?)```", text.replace("# ", "").replace("#\n", "\n"), re.DOTALL)
    assert loop is not None
    namespace = answers | {"X_talk": X}
    exec(loop.group(1), namespace)
    mine = answers["images_at_microphone"](namespace["W"], X, 0)
    library = bss.auxiva(X, update="ip", start="identity", n_iterations=20).sources
    np.testing.assert_allclose(mine, library, atol=1e-8 * np.abs(X).max())


def test_the_source_model_of_the_answers_fits_like_the_librarys(answers: dict[str, Any]) -> None:
    rng = np.random.default_rng(4)
    P = rng.exponential(1.0, (33, 40))
    bases, activations = rng.random((33, 3)) + 0.1, rng.random((3, 40)) + 0.1
    fit = nmf.nmf(P, 3, divergence="is", n_iterations=10, W=bases, H=activations)
    for _ in range(10):
        bases, activations = answers["update_source_model"](P, bases, activations)
    np.testing.assert_allclose(bases @ activations, fit.W @ fit.H, rtol=1e-6)


@pytest.mark.parametrize("n_bases", range(1, 10))
def test_any_number_of_bases_keeps_the_cost_falling(n_bases: int, short_talk: tuple[np.ndarray, np.ndarray]) -> None:
    X, _ = short_talk
    result = bss.ilrma(X, n_bases=n_bases, n_iterations=10, rng=np.random.default_rng(n_bases))
    assert np.all(np.diff(result.losses) <= 1e-9 * abs(result.losses[0]))
    np.testing.assert_allclose(result.sources.sum(axis=0), X[0], atol=1e-6 * np.abs(X).max())


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("start", ["identity", "iva"])
def test_every_start_that_the_text_names_runs(start: Any, seed: int, short_talk: tuple[np.ndarray, np.ndarray]) -> None:
    X, _ = short_talk
    result = bss.ilrma(X, start=start, n_iterations=10, rng=np.random.default_rng(seed))
    assert np.all(np.diff(result.losses) <= 1e-9 * abs(result.losses[0]))


@pytest.mark.parametrize("places", range(8))
def test_every_draw_of_the_places_gives_a_scene(places: int, names: dict[str, Any]) -> None:
    talkers = [talker[:16000] for talker in names["talkers"]]
    scene = scenes.random_room_scene(talkers, 0.15, 2, np.random.default_rng(places))
    result = bss.ilrma(stft.stft(scene.mixture, frame_length=2048), n_iterations=5, rng=np.random.default_rng(0))
    assert np.isfinite(result.sources).all()
