"""Scenes around an array: exact sums and ratios, true directions, and noise that is as diffuse as it says."""

from __future__ import annotations

import numpy as np
import pytest

from course_lib import beamforming as bf
from course_lib.data import noise, speech_clip
from course_lib.data.rooms import RoomSimulationError
from course_lib.scenes import ArrayScene, array_scene
from course_lib.stft import bin_frequencies, stft
from course_lib.validation import SilentSignalError

RATE = 16_000
CIRCLE = bf.circular_array(4, 0.05)
SOURCES = [speech_clip("f1", 1.0), speech_clip("m1", 0.8), speech_clip("f2", 0.5)]
AZIMUTHS = [20.0, 130.0, 250.0]


def make(seed: int = 0, **options: object) -> ArrayScene:
    options = {"rt60_s": 0.0, **options}
    return array_scene(SOURCES, AZIMUTHS, CIRCLE, np.random.default_rng(seed), **options)  # type: ignore[arg-type]


def ratio_db(a: np.ndarray, b: np.ndarray) -> float:
    return float(10 * np.log10(np.sum(a**2) / np.sum(b**2)))


@pytest.mark.parametrize("rt60_s", [0.0, 0.2])
def test_the_images_add_up_to_the_last_bit(rt60_s: float) -> None:
    scene = make(rt60_s=rt60_s, diffuse_noise_snr_db=10.0)
    assert scene.images.shape == (5, 4, scene.mixture.shape[1])
    total = scene.images[0].copy()
    for image in scene.images[1:]:
        total += image
    np.testing.assert_array_equal(total, scene.mixture)
    np.testing.assert_array_equal(scene.target, scene.images[0])
    np.testing.assert_allclose(scene.target + scene.interference, scene.mixture, atol=1e-15)


def test_the_ratios_are_those_asked_for() -> None:
    scene = make(diffuse_noise_snr_db=7.0, sensor_noise_snr_db=25.0, signal_to_interference_db=-3.0)
    assert ratio_db(scene.images[0], scene.images[3]) == pytest.approx(7)
    assert ratio_db(scene.images[0], scene.images[4]) == pytest.approx(25)
    assert ratio_db(scene.images[0], scene.images[1] + scene.images[2]) == pytest.approx(-3)


def test_the_same_state_gives_the_same_scene_and_noise_changes_nothing_else() -> None:
    quiet, noisy = make(sensor_noise_snr_db=None), make(diffuse_noise_snr_db=0.0)
    np.testing.assert_array_equal(noisy.images[:3], quiet.images)
    np.testing.assert_array_equal(make(diffuse_noise_snr_db=0.0).mixture, noisy.mixture)
    assert make(1).dimensions_m != quiet.dimensions_m
    assert len(quiet.images) == 3
    np.testing.assert_array_equal(make(sensor_noise_snr_db=30.0).images[3], make().images[3])


def test_the_sources_are_where_it_says() -> None:
    scene = make(distance_m=[1.0, 1.2, 0.7])
    centre = scene.microphone_positions_m.mean(axis=0)
    np.testing.assert_allclose(scene.microphone_positions_m - centre, CIRCLE, atol=1e-12)
    away = scene.source_positions_m - centre
    np.testing.assert_allclose(np.linalg.norm(away, axis=1), [1.0, 1.2, 0.7])
    np.testing.assert_allclose(np.degrees(np.arctan2(away[:, 1], away[:, 0])) % 360, AZIMUTHS)
    assert (scene.source_positions_m > 0).all()
    assert (scene.source_positions_m < scene.dimensions_m).all()


@pytest.mark.parametrize("source", [0, 1, 2])
def test_the_sound_arrives_from_there(source: int) -> None:
    """In free field each image is the steering vector's: heard by the image alone."""
    scene = make(sensor_noise_snr_db=None)
    X = stft(scene.images[source], frame_length=512)
    grid = np.arange(0.0, 360.0, 2.0)
    (found,) = bf.find_directions(bf.srp_phat(X, CIRCLE, bin_frequencies(512, RATE), grid), grid)
    assert abs((found - AZIMUTHS[source] + 180) % 360 - 180) < 1


@pytest.mark.parametrize("sound", [None, noise("babble")], ids=["white", "babble"])
def test_diffuse_noise_has_the_coherence_of_the_formula(sound: np.ndarray | None) -> None:
    voice = [speech_clip("f1", 8.0)]
    scene = array_scene(
        voice, [0.0], CIRCLE, np.random.default_rng(3), rt60_s=0.0, diffuse_noise_snr_db=0.0, diffuse_noise=sound
    )
    covariance = bf.spatial_covariance(stft(scene.images[1], frame_length=1024))
    level = np.sqrt(np.einsum("kcc->kc", covariance).real)
    measured = covariance / level[:, :, None] / level[:, None, :]
    expected = bf.diffuse_coherence(CIRCLE, bin_frequencies(1024, RATE))
    assert np.abs(measured - expected).mean() < 0.08
    power = np.mean(scene.images[1] ** 2, axis=1)
    np.testing.assert_allclose(power / power.mean(), 1, atol=0.1)


def test_one_source_alone() -> None:
    scene = array_scene([SOURCES[0]], [0.0], CIRCLE, np.random.default_rng(0), rt60_s=0.0, sensor_noise_snr_db=None)
    np.testing.assert_array_equal(scene.mixture, scene.target)
    assert not scene.interference.any()


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"azimuths_deg": [1.0, 2.0]}, ValueError, "azimuths_deg"),
        ({"positions_m": np.zeros((2, 2))}, ValueError, "positions_m"),
        ({"distance_m": -1.0}, ValueError, "distance_m"),
        ({"distance_m": 5.0}, RoomSimulationError, "nearer"),
        ({"sources": [np.zeros(100), SOURCES[1], SOURCES[2]]}, SilentSignalError, "target"),
        ({"diffuse_noise_snr_db": 0.0, "diffuse_noise": np.zeros(50)}, SilentSignalError, "diffuse_noise"),
        ({"sources": []}, ValueError, "sources"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(change: dict, error: type[Exception], message: str) -> None:
    arguments = {"sources": SOURCES, "azimuths_deg": AZIMUTHS, "positions_m": CIRCLE, "rt60_s": 0.0, **change}
    with pytest.raises(error, match=message):
        array_scene(rng=np.random.default_rng(0), **arguments)
