"""Lesson 04: every parameter that the text invites to change works over its whole range, and its numbers hold."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from lesson_sources import lesson, n_pictures, names_after

from course_lib import beamforming, data, scenes, stft
from course_lib.constants import SPEED_OF_SOUND_M_S

pytestmark = pytest.mark.slow

NAME = "04_beamforming"
SET_UP = (
    "from course_lib import beamforming, bss, check",
    "def record(rt60_s",
    "def draw_likeness",
    "def draw_frequency",
    "das = beamforming.delay_and_sum(look)",
    "murmur = beamforming.spatial_covariance",
    "def spherical(azimuth_deg)",
)
"""Stand in the cells that lead from the set-up to the sliders and to the two talkers in the open air."""


def source_of(mark: str) -> str:
    """Return the one code cell that holds a text."""
    (source,) = [cell.source for cell in lesson(NAME).cells if cell.is_code and mark in cell.source]
    return source


@pytest.fixture(scope="module")
def names() -> Iterator[dict[str, Any]]:
    """The lesson's names after the cells that the tests need."""
    with names_after(NAME, SET_UP) as namespace:
        yield namespace


@pytest.fixture(scope="module")
def answers() -> dict[str, Any]:
    """The reference answers to all exercises."""
    namespace: dict[str, Any] = {"np": np, "SPEED_OF_SOUND_M_S": SPEED_OF_SOUND_M_S}
    for exercise in lesson(NAME).exercises:
        exec(compile(source_of(f"def {exercise.key}("), NAME, "exec"), namespace)
    return namespace


def level_db(part: np.ndarray, whole: np.ndarray) -> float:
    """Return the level of one set of numbers relative to another."""
    return float(10 * np.log10(np.sum(np.abs(part) ** 2) / np.sum(np.abs(whole) ** 2)))


def kept_db(names: dict[str, Any], covariance: np.ndarray, azimuth_deg: float, loading: float) -> tuple[float, float]:
    """Return what MVDR towards a direction keeps of the target, and of the rest, in the open air."""
    w = beamforming.mvdr(covariance, names["spherical"](azimuth_deg), loading=loading)
    target, rest = (beamforming.apply_beamformer(w, names[part]) for part in ("S_open", "N_open"))
    return level_db(target, names["S_open"][0]), level_db(rest, names["N_open"][0])


def test_the_slider_over_spacing_draws_every_spacing(names: dict[str, Any]) -> None:
    box = names["plots"].with_slider(names["draw_likeness"], [1, 2, 3, 4, 5, 7, 10, 15, 20], value=5, label="spacing")
    assert n_pictures(box) == 9


def test_the_slider_over_frequency_draws_every_frequency(names: dict[str, Any]) -> None:
    options = [250, 500, 1000, 2000, 3000, 4000, 6000, 8000]
    box = names["plots"].with_slider(names["draw_frequency"], options, value=4000, label="frequency")
    assert n_pictures(box) == len(options)


@pytest.mark.parametrize("look_deg", [0, 30, 90, 110, 180])
@pytest.mark.parametrize("spacing_m", [0.02, 0.05, 0.15])
def test_grating_lobes_are_where_the_array_hears_the_same(
    spacing_m: float, look_deg: float, answers: dict[str, Any]
) -> None:
    row = beamforming.linear_array(4, spacing_m)
    for frequency_hz in (900.0, 2500.0, 5145.0, 7900.0):
        looked_at = answers["steering_vectors"](row, np.array([frequency_hz]), look_deg)
        for lobe_deg in answers["grating_lobes"](spacing_m, frequency_hz, look_deg):
            d = answers["steering_vectors"](row, np.array([frequency_hz]), lobe_deg)
            assert abs(np.vdot(looked_at, d)) / 4 == pytest.approx(1, abs=1e-9)


def test_the_answers_agree_with_the_library(names: dict[str, Any], answers: dict[str, Any]) -> None:
    X, positions, frequencies = (names[name] for name in ("X", "microphones_m", "frequencies_hz"))
    d, mask = names["look"], names["mask"]
    np.testing.assert_allclose(answers["steering_vectors"](positions, frequencies, 110), d, atol=1e-12)
    aligned = beamforming.apply_beamformer(beamforming.delay_and_sum(d), X)
    np.testing.assert_allclose(answers["delay_and_sum"](X, d), aligned, atol=1e-9 * np.abs(X).max())
    covariance = beamforming.spatial_covariance(X)
    np.testing.assert_allclose(answers["estimate_covariance"](X), covariance, atol=1e-9 * np.abs(covariance).max())
    pair = answers["masked_covariances"](X, mask)
    for mine, weights in zip(pair, (mask, 1 - mask), strict=True):
        library = beamforming.spatial_covariance(X, weights)
        np.testing.assert_allclose(mine, library, atol=1e-9 * np.abs(library).max())
    heard = slice(8, 900)  # next to nothing sounds below and above
    np.testing.assert_allclose(
        answers["mvdr_weights"](pair[1], d, 1e-3)[heard], beamforming.mvdr(pair[1], d, loading=1e-3)[heard], rtol=1e-6
    )
    mwf = beamforming.mwf(*pair, trade_off=3.0, loading=0.0)
    np.testing.assert_allclose(
        answers["multichannel_wiener"](*pair, 3.0, 0)[heard], mwf[heard], atol=1e-6 * np.abs(mwf[heard]).max()
    )
    gev = beamforming.gev(*pair, loading=0.0)[heard]
    mine = answers["gev_weights"](*pair)[heard]
    likeness = np.abs(np.sum(mine.conj() * gev, axis=1)) / np.linalg.norm(mine, axis=1) / np.linalg.norm(gev, axis=1)
    np.testing.assert_allclose(likeness, 1, atol=1e-5)


def test_the_phase_correlation_of_the_answer_finds_the_talker(names: dict[str, Any], answers: dict[str, Any]) -> None:
    delay = answers["gcc_phat_delay"](names["target"][0], names["target"][3], 16)
    expected = -0.15 * np.cos(np.deg2rad(110)) / SPEED_OF_SOUND_M_S * names["sample_rate"]
    assert abs(delay - expected) <= 1


def test_the_map_of_the_answer_has_its_peaks_at_the_talkers(names: dict[str, Any], answers: dict[str, Any]) -> None:
    azimuths = np.arange(0, 181, 2.0)
    bins = slice(16, 640, 4)
    d = beamforming.steering_vector(names["microphones_m"], names["frequencies_hz"][bins], azimuths)
    power = answers["srp_phat_map"](names["X"][:, bins], d)
    peaks = [azimuths[i] for i in range(1, len(power) - 1) if power[i - 1] < power[i] > power[i + 1]]
    strongest = sorted(sorted(peaks, key=lambda angle: power[azimuths == angle][0])[-2:])
    assert np.abs(np.array(strongest) - [40, 110]).max() <= 5


def test_delay_and_sum_leaves_what_the_likeness_promises(names: dict[str, Any]) -> None:
    heard = (names["frequencies_hz"] > 300) & (names["frequencies_hz"] < 7000) & (names["promised_db"] > -10)
    assert np.abs(names["left_db"] - names["promised_db"])[heard].max() < 2


def test_the_murmur_is_as_coherent_as_the_formula_says(names: dict[str, Any]) -> None:
    murmur, formula = names["murmur"], beamforming.diffuse_coherence(names["microphones_m"], names["frequencies_hz"])
    powers = np.sqrt(murmur[:, 0, 0].real * murmur[:, 3, 3].real)
    measured = names["smooth"](murmur[:, 0, 3].real / powers, 31)
    assert np.abs(measured - names["smooth"](formula[:, 0, 3], 31))[:900].max() < 0.15


def test_five_degrees_turn_mpdr_against_the_target_and_not_mvdr(names: dict[str, Any]) -> None:
    everything, rest = (beamforming.spatial_covariance(names[part]) for part in ("X_open", "N_open"))
    assert kept_db(names, everything, 110, 1e-5)[0] > -1
    assert kept_db(names, everything, 115, 1e-5)[0] < -7
    assert kept_db(names, everything, 115, 0.1)[0] > -2
    assert kept_db(names, rest, 115, 1e-5)[0] > -1
    assert kept_db(names, rest, 115, 1e-5)[1] < -25


@pytest.mark.parametrize("loading", [1e-6, 1e-5, 1e-3, 1e-1, 1.0])
@pytest.mark.parametrize("error_deg", [-15, -5, 0, 5, 15])
def test_every_error_and_loading_gives_a_distortionless_beam(
    error_deg: float, loading: float, names: dict[str, Any]
) -> None:
    d = names["spherical"](110 + error_deg)
    w = beamforming.mvdr(beamforming.spatial_covariance(names["X_open"]), d, loading=loading)
    np.testing.assert_allclose(np.sum(w.conj() * d, axis=1), 1, atol=1e-8)


def test_the_formula_for_the_cancelled_target_holds() -> None:
    row, frequencies = beamforming.linear_array(4, 0.05), np.array([500.0, 1000.0, 2000.0])
    d, believed = (beamforming.steering_vector(row, frequencies, azimuth_deg) for azimuth_deg in (110, 115))
    rho = np.abs(np.sum(believed.conj() * d, axis=1)) / 4
    for ratio in (10.0, 100.0, 1000.0):
        covariance = ratio * np.einsum("kc,kd->kcd", d, d.conj()) + np.eye(4)
        w = beamforming.mvdr(covariance, believed, loading=0.0)
        left = np.abs(np.sum(w.conj() * d, axis=1))
        np.testing.assert_allclose(left, rho / (1 + 4 * ratio * (1 - rho**2)), rtol=1e-6)


def test_masks_are_worth_more_than_directions(names: dict[str, Any]) -> None:
    X, mask, scores, synthesise = (names[name] for name in ("X", "mask", "scores", "synthesise"))
    pair = beamforming.spatial_covariance(X, mask), beamforming.spatial_covariance(X, 1 - mask)
    sdr_db = {
        name: scores(names["target"], names["rest"], synthesise(beamforming.apply_beamformer(w, X)))[0]
        for name, w in {
            "delay and sum": names["das"],
            "plane wave": beamforming.mvdr(pair[1], names["look"], loading=1e-3),
            "souden": beamforming.mvdr_souden(*pair),
            "mwf": beamforming.mwf(*pair, trade_off=3.0),
        }.items()
    }
    assert sdr_db["delay and sum"] + 6 < sdr_db["plane wave"] < sdr_db["souden"] - 2
    assert sdr_db["mwf"] > sdr_db["delay and sum"] + 9


def test_on_one_scale_the_wiener_filter_has_its_least_error_at_one(names: dict[str, Any]) -> None:
    X, S, N, mask = (names[name] for name in ("X", "S", "N", "mask"))
    target, noise = beamforming.spatial_covariance(X, mask), beamforming.spatial_covariance(X, 1 - mask)
    share = mask.mean(axis=1)[:, None, None]
    trade_offs = 10.0 ** np.arange(-1, 1.1, 0.125)

    def best(target: np.ndarray, noise: np.ndarray) -> float:
        errors = []
        for trade_off in trade_offs:
            w = beamforming.mwf(target, noise, trade_off=trade_off)
            parts = beamforming.apply_beamformer(w, S) - S[0], beamforming.apply_beamformer(w, N)
            errors.append(sum(np.sum(np.abs(part) ** 2) for part in parts))
        return float(trade_offs[np.argmin(errors)])

    assert best(share * target, (1 - share) * noise) == pytest.approx(1, rel=0.15)
    assert best(target, noise) == pytest.approx((1 - mask.mean()) / mask.mean(), rel=0.3)


def test_chance_and_the_vector_both_keep_mpdr_from_mvdr(names: dict[str, Any]) -> None:
    S, N, X = (names[part] for part in ("S_open", "N_open", "X_open"))
    own = np.linalg.eigh(beamforming.spatial_covariance(S))[1][:, :, -1]
    own = own / own[:, :1]
    without_chance = beamforming.spatial_covariance(S) + beamforming.spatial_covariance(N)
    sdr_db = {}
    for kind, covariance in {"mixture": beamforming.spatial_covariance(X), "without chance": without_chance}.items():
        for name, d in {"spherical": names["spherical"](110), "own": own}.items():
            w = beamforming.mvdr(covariance, d, loading=1e-5)
            y = names["synthesise"](beamforming.apply_beamformer(w, X))
            sdr_db[kind, name] = names["scores"](names["open_target"], names["open_rest"], y)[0]
    assert sdr_db["mixture", "spherical"] < 16 < sdr_db["mixture", "own"] < 20
    assert 16 < sdr_db["without chance", "spherical"] < 20 < 28 < sdr_db["without chance", "own"]


def test_a_mask_removes_the_talker_and_pays_in_hiss(names: dict[str, Any]) -> None:
    X, mask = names["X"], names["mask"]
    w = beamforming.mvdr_souden(beamforming.spatial_covariance(X, mask), beamforming.spatial_covariance(X, 1 - mask))
    images = [names["analyse"](image[:, : names["n_samples"]]) for image in names["scene"].images]
    other_db, murmur_db, hiss_db = (level_db(beamforming.apply_beamformer(w, part), part[0]) for part in images[1:])
    assert other_db < -17 < -7 < murmur_db < -3 < 5 < hiss_db


@pytest.mark.parametrize("other_deg", [10, 40, 75, 160])
@pytest.mark.parametrize("rt60_s", [0.0, 0.3])
def test_the_talkers_may_stand_elsewhere(other_deg: float, rt60_s: float, names: dict[str, Any]) -> None:
    talkers = [talker[:32000] for talker in names["talkers"]]
    scene = scenes.array_scene(
        talkers, [110, other_deg], names["microphones_m"], np.random.default_rng(4), rt60_s=rt60_s
    )
    X = stft.stft(scene.mixture, frame_length=2048)
    found = beamforming.find_directions(
        beamforming.srp_phat(X, scene.positions_m, names["frequencies_hz"], np.arange(0, 181.0)), np.arange(0, 181.0)
    )
    assert np.abs(found[0] - np.array([110, other_deg])).min() < 10


def test_the_murmur_of_the_lesson_is_long_enough(names: dict[str, Any]) -> None:
    assert len(data.noise("babble")) >= names["n_samples"]
