"""The study of cancellers measures what it says, and ours keeps its essential promises on a few of its calls."""

from __future__ import annotations

import importlib.util
import io
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.aec import CANCELLERS, RECIPES, Ours, Score, Speex, build, comparison, recovery_s, score
from benchmarks.registry import STUDIES

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("pesq") is None and "REQUIRE_PESQ" not in os.environ, reason="pesq is not installed"
)


@pytest.fixture(scope="module")
def scenes():
    """A call whose loudspeaker is moved, and one whose loudspeaker is overdriven."""
    moved = next(recipe for recipe in RECIPES if recipe.path_change_s == 11.0 and recipe.clipping is None)
    overdriven = next(recipe for recipe in RECIPES if recipe.path_change_s is None and recipe.clipping is not None)
    return build(moved), build(overdriven)


def test_the_calls_cover_what_is_promised():
    assert len(RECIPES) >= 10
    assert {recipe.rt60_s for recipe in RECIPES} == {0.2, 0.3, 0.4}
    ratios = [recipe.signal_to_echo_db for recipe in RECIPES]
    assert (min(ratios), max(ratios)) == (-10.0, 10.0)
    assert {recipe.path_change_s for recipe in RECIPES} == {None, 7.0, 11.0}
    assert 3 <= sum(recipe.clipping is not None for recipe in RECIPES) <= 6
    assert len({recipe.seed for recipe in RECIPES}) == len(RECIPES)


def test_doing_nothing_cancels_nothing(scenes):
    nothing = score(CANCELLERS["none"](), scenes[0])
    assert nothing.erle_db == pytest.approx(0.0, abs=1e-6)
    assert nothing.recovery_s == np.inf


def test_what_a_canceller_does_to_speech_alone_is_no_echo(scenes):
    """A perfect canceller that also filters the near end has cancelled everything and harmed nothing."""
    scene = scenes[1]
    scale = 0.7 / max(np.abs(scene.far_end).max(), np.abs(scene.microphone).max())

    def perfect(far_end: np.ndarray, microphone: np.ndarray) -> np.ndarray:
        left = microphone - (scale * scene.echo if far_end.any() else 0.0)
        return left - 0.9 * np.concatenate([[0.0], left[:-1]])

    found = score(perfect, scene)
    assert found.erle_db > 100.0
    assert found.stoi == pytest.approx(1.0, abs=0.01)
    assert found.pesq > 3.0  # what is left is noise
    assert found.si_sdr_db > 15.0
    assert np.isnan(found.recovery_s)


def test_recovery_is_when_the_echo_is_down_and_stays_down(scenes):
    scene = scenes[0]
    residual = 0.1 * scene.echo
    change = scene.path_change_sample
    residual[change : change + 12_000] = scene.echo[change : change + 12_000]
    assert 0.5 <= recovery_s(scene, residual) <= 0.8
    assert recovery_s(scene, 0.1 * scene.echo) == 0.0


def test_ours_keeps_its_promises(scenes):
    try:
        Speex()
    except OSError:
        assert "REQUIRE_SPEEXDSP" not in os.environ, "REQUIRE_SPEEXDSP is set, but there is no libspeexdsp"
        pytest.skip("libspeexdsp is not on this machine")
    for scene in scenes:
        ours, peer = score(Ours(), scene), score(Speex(), scene)
        assert ours.erle_db > peer.erle_db + 2.0
        assert ours.si_sdr_db > peer.si_sdr_db + 1.0
        assert ours.pesq > peer.pesq
        assert ours.stoi > peer.stoi - 0.005
        assert np.isnan(ours.recovery_s) or ours.recovery_s <= 1.0


def test_the_table_shows_means():
    scores = {
        "course_lib": [Score(10.0, 1.0, 2.0, 3.0, 0.5, 0.25, 0.01), Score(20.0, 1.0, 2.0, 3.0, 0.5, np.nan, 0.01)]
    }
    console = Console(width=160, record=True, file=io.StringIO())
    console.print(comparison("t", scores))
    assert "15.0" in console.export_text()


def test_the_study_is_registered():
    assert len(STUDIES["aec"]) >= 1
