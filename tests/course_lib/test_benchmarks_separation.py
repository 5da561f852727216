"""The study of separations measures what it says, and its tables come out."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.registry import STUDIES
from benchmarks.scenes import RECIPES
from benchmarks.separation import (
    CONTENDERS,
    N_SEEDS,
    Contender,
    Outcome,
    chosen_by_loss,
    comparison,
    improvement_db,
    run_contender,
)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(2)


def test_the_scenes_cover_what_is_promised():
    assert len(RECIPES) >= 12
    assert {len(recipe.sources) for recipe in RECIPES} == {2, 3, 4}
    assert min(recipe.rt60_s for recipe in RECIPES) == 0.15
    assert max(recipe.rt60_s for recipe in RECIPES) == 0.4
    scene = RECIPES[3].build(1.0)
    powers = np.mean(scene.sources**2, axis=1)
    assert powers == pytest.approx(powers[0])
    assert np.array_equal(scene.mixture, RECIPES[3].build(1.0).mixture)


def test_improvement_is_that_of_the_best_assignment(rng):
    references = rng.standard_normal((3, 4000))
    references -= references.mean(axis=1, keepdims=True)
    mixture = references.sum(axis=0)
    assert improvement_db(references, np.tile(mixture, (3, 1)), mixture) == pytest.approx(0.0)
    estimates = 5 * references[[2, 0, 1]] + 0.05 * rng.standard_normal((3, 4000))
    assert improvement_db(references, estimates, mixture) == pytest.approx(43.0, abs=0.5)


def test_a_contender_runs_once_a_seed(rng):
    mixture = rng.standard_normal((2, 6000))

    def keep(X, rng):
        return X, float(rng.random())

    references = mixture + 0.01 * rng.standard_normal((2, 6000))
    outcome = run_contender(Contender("keep", keep, n_seeds=2), mixture, references, 512, 256)
    assert outcome.improvement_db.shape == outcome.loss.shape == outcome.seconds.shape == (2,)
    assert outcome.loss[0] != outcome.loss[1]
    # What comes back is what went in: the first channel gains nothing, the second all that the first does not hold.
    assert outcome.improvement_db[0] > 30


def test_the_tables_show_statistics_and_what_choosing_by_loss_gains():
    names = [name for name in CONTENDERS if CONTENDERS[name].n_seeds == N_SEEDS][:2]
    outcomes = {
        name: [Outcome(np.array([1.0, 2.0, 6.0]) + i, np.array([3.0, 2.0, 1.0]), np.ones(3)) for _ in RECIPES]
        for i, name in enumerate(names)
    }
    console = Console(width=160, record=True, file=io.StringIO())
    console.print(comparison("t", outcomes, with_loss=True))
    text = console.export_text()
    assert text.index("4.00") < text.index("3.00")  # the better one stands first
    console.print(chosen_by_loss({names[0]: outcomes[names[0]]}))
    assert "6.00" in console.export_text()  # the lowest loss is that of the best seed


def test_the_studies_are_registered():
    assert len(STUDIES["separation"]) == 2
