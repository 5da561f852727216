"""Lesson 02: what the text invites to change works over its whole range, and the numbers that it quotes are so."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from lesson_sources import lesson, n_pictures, names_after

NAME = "02_ica"
MARKS = ("from course_lib import check", "A_two = np.array", "def scatter(", "plots.with_slider")
"""Stand in the cells that set up the lesson, mix two voices, draw the clouds, and show the slider."""


@pytest.fixture(scope="module")
def names() -> Iterator[dict[str, Any]]:
    """The names of the cells that lead to the slider, and the model answers to all exercises."""
    with names_after(NAME, MARKS) as namespace:
        for exercise in lesson(NAME).exercises:
            exec(compile(exercise.answer, exercise.key, "exec"), namespace)
        yield namespace


def test_the_slider_draws_every_angle(names: dict[str, Any]) -> None:
    angles_deg = list(range(0, 91, 3))
    box = names["plots"].with_slider(names["rotated"], angles_deg, value=0, label="angle in °", figure_size=(4.5, 4.2))
    assert n_pictures(box) == len(angles_deg)


def test_turning_keeps_the_covariance_and_one_angle_separates(names: dict[str, Any]) -> None:
    white = names["white"].signals
    for angle_deg in range(0, 91, 3):
        turned = names["rotation"](angle_deg) @ white
        np.testing.assert_allclose(turned @ turned.T / turned.shape[1], np.eye(2), atol=1e-9)
    shares = np.abs(names["rotation"](39) @ names["turned"])
    assert (np.sort(shares, axis=1)[:, 0] < 0.03 * shares.max()).all()


def matched_si_sdr(names: dict[str, Any], sources: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    """Return each source's SI-SDR in the output that is its own."""
    table = np.array([[names["metrics"].si_sdr(source, output) for output in outputs] for source in sources])
    matched: np.ndarray = table[np.arange(len(sources)), names["metrics"].best_permutation(table)]
    return matched


def test_the_first_separation_is_as_good_as_the_text_says(names: dict[str, Any]) -> None:
    scores = matched_si_sdr(names, names["pair"], names["found"].sources)
    np.testing.assert_allclose(scores, [60.5, 46.9], atol=0.5)


def test_voices_are_as_far_from_gaussian_as_the_text_says(names: dict[str, Any]) -> None:
    assert names["excess_kurtosis"](names["voices"][0]) == pytest.approx(3.8, abs=0.05)
    assert names["excess_kurtosis"](names["melody"]) == pytest.approx(-1.1, abs=0.05)


def test_the_parts_that_learners_build_make_a_separation(names: dict[str, Any]) -> None:
    """The cell of one's own that the text proposes after Exercise 2.12."""
    Z = names["whiten_signals"](names["microphones"])
    W = names["decorrelate_rows"](np.random.default_rng(5).standard_normal((2, 2)))
    for _ in range(30):
        W = names["decorrelate_rows"](np.array([names["newton_step"](w, Z, "logcosh") for w in W]))
    ours, theirs = W @ Z, names["found"].sources
    agreement = np.abs(ours @ theirs.T / Z.shape[1])
    np.testing.assert_allclose(np.sort(agreement, axis=1), [[0, 1], [0, 1]], atol=0.02)
    assert matched_si_sdr(names, names["pair"], ours).min() > 40


def test_deflation_separates_the_voices_as_exercise_2_11_promises(names: dict[str, Any]) -> None:
    Z = names["ica"].whiten(names["microphones"]).signals
    outputs = names["one_by_one"](Z, np.eye(2), 30) @ Z
    assert matched_si_sdr(names, names["pair"], outputs).min() > 40


def test_the_newton_step_converges_as_exercise_2_10_promises(names: dict[str, Any]) -> None:
    Z = np.array([[1.0, 1.0, -1.0, -1.0], [1.0, -1.0, 1.0, -1.0]])
    w = np.array([0.6, 0.8])
    for _ in range(4):
        w = names["newton_step"](w, Z, "cube")
    assert abs(w[0]) < 1e-10


def test_answers_agree_with_the_library_functions_that_exercises_name(names: dict[str, Any]) -> None:
    rng, metrics = np.random.default_rng(1), names["metrics"]
    sources = rng.standard_normal((3, 500))
    estimates = rng.standard_normal((3, 3)) @ sources + 0.1 * rng.standard_normal((3, 500))
    result = metrics.bss_eval(sources, estimates, filter_length=1, permute=False)
    for j in range(3):
        expected = [result.sdr[j], result.sir[j], result.sar[j]]
        np.testing.assert_allclose(names["distortion_ratios"](sources, estimates[j], j), expected, atol=1e-6)
        expected = metrics.si_sdr(sources[j], estimates[j])
        assert names["scale_invariant_sdr"](sources[j], estimates[j]) == pytest.approx(expected, abs=1e-9)
    scores = rng.standard_normal((5, 5))
    assert names["best_order"](scores) == metrics.best_permutation(scores).tolist()
    A = rng.standard_normal((2, 3))
    new = np.array([[2.0], [-1.0], [0.5]]) * sources[[2, 0, 1]]
    np.testing.assert_allclose(
        names["equivalent_mixing"](A, [2, 0, 1], [2.0, -1.0, 0.5]) @ new, A @ sources, atol=1e-12
    )


@pytest.mark.parametrize("contrast", ["logcosh", "exp", "cube"])
@pytest.mark.parametrize("approach", ["deflation", "symmetric"])
def test_every_method_of_the_party_separates_it(names: dict[str, Any], approach: str, contrast: str) -> None:
    voices, melody = names["voices"], names["melody"]
    party = np.vstack([voices, melody * voices[0].std() / melody.std()])
    heard = np.random.default_rng(2).uniform(0.2, 1.0, (4, 4)) @ party
    result = names["ica"].fastica(heard, approach=approach, contrast=contrast, rng=np.random.default_rng(1))
    assert matched_si_sdr(names, party, result.sources).mean() > 40
    assert len(result.history) <= 10
    assert result.converged


def test_one_knock_ruins_the_cube_alone(names: dict[str, Any]) -> None:
    knocked = names["microphones"].copy()
    knocked[0, 1000] += 20 * knocked[0].std()
    clean = {
        contrast: names["ica"].fastica(knocked, contrast=contrast, rng=np.random.default_rng(1)).demixing_matrix
        @ names["microphones"]
        for contrast in ("logcosh", "exp", "cube")
    }
    scores = {contrast: matched_si_sdr(names, names["pair"], outputs).mean() for contrast, outputs in clean.items()}
    assert min(scores["logcosh"], scores["exp"]) > 35
    assert scores["cube"] < 20


def test_three_measures_differ_where_the_table_says_so(names: dict[str, Any]) -> None:
    """A delay of one sample: SNR and SI-SDR say 7 dB, SDR sees no error; and clipping splits all three."""
    metrics = names["metrics"]
    clean, other = names["pair"][:, : 3 * names["sample_rate"]]
    late = np.concatenate([[0.0], clean[:-1]])
    clipped = np.clip(clean, -0.05, 0.05)
    references = np.array([clean, other])
    sdr = [metrics.bss_eval(references, np.array([e, other]), permute=False).sdr[0] for e in (late, clipped)]
    assert metrics.snr(clean, late) == pytest.approx(7.6, abs=0.1)
    assert metrics.si_sdr(clean, late) == pytest.approx(7.0, abs=0.1)
    assert sdr[0] > 100
    assert [metrics.snr(clean, clipped), metrics.si_sdr(clean, clipped), sdr[1]] == pytest.approx(
        [5.0, 5.9, 6.8], abs=0.1
    )


def test_a_corpus_that_has_not_been_fetched_says_how_to_fetch_it(
    names: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setenv("COURSE_LIB_CACHE", str(tmp_path))
    with pytest.raises(Exception, match=r"data_fetch\.py fetch mini-librispeech"):
        names["data"].speech_clip(0, 8, corpus="mini-librispeech")
