"""Arrays and steering: directions, delays and phases that can be worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from course_lib import beamforming as bf
from course_lib.constants import SPEED_OF_SOUND_M_S
from course_lib.stft import bin_frequencies, stft

C0 = SPEED_OF_SOUND_M_S
ARRAYS = {
    "linear": bf.linear_array(5, 0.04),
    "circular": bf.circular_array(4, 0.05),
    "rectangular": bf.rectangular_array((3, 2), 0.03),
}


@pytest.mark.parametrize("positions", ARRAYS.values(), ids=ARRAYS)
def test_arrays_are_centred_and_flat(positions: np.ndarray) -> None:
    assert positions.shape[1] == 3
    np.testing.assert_allclose(positions.mean(axis=0), 0, atol=1e-15)
    np.testing.assert_array_equal(positions[:, 2], 0)


def test_arrays_have_the_spacing_they_were_asked_for() -> None:
    np.testing.assert_allclose(ARRAYS["linear"][:, 0], [-0.08, -0.04, 0, 0.04, 0.08], atol=1e-15)
    np.testing.assert_allclose(np.linalg.norm(ARRAYS["circular"], axis=1), 0.05)
    np.testing.assert_allclose(ARRAYS["circular"][:2], [[0.05, 0, 0], [0, 0.05, 0]], atol=1e-15)
    np.testing.assert_allclose(ARRAYS["rectangular"][0], [-0.03, -0.015, 0])
    np.testing.assert_allclose(ARRAYS["rectangular"][1], [-0.03, 0.015, 0])
    np.testing.assert_array_equal(bf.linear_array(1, 0.1), np.zeros((1, 3)))


def test_directions() -> None:
    np.testing.assert_allclose(
        bf.direction([0, 90, 180, 0], [0, 0, 0, 90]), [[1, 0, 0], [0, 1, 0], [-1, 0, 0], [0, 0, 1]], atol=1e-15
    )
    assert bf.direction(np.zeros((2, 1)), np.zeros(3)).shape == (2, 3, 3)


def test_sound_reaches_the_nearer_microphone_first() -> None:
    delays = bf.far_field_delays(bf.linear_array(2, 0.1), [0.0, 60.0, 90.0, 180.0])
    np.testing.assert_allclose(delays[:, 0] - delays[:, 1], 0.1 / C0 * np.array([1, 0.5, 0, -1]), atol=1e-18)


@pytest.mark.parametrize("n_fft", [16, 255, 512, 1000])
def test_steering_vectors_are_the_phases_of_the_delays(n_fft: int) -> None:
    frequencies = bin_frequencies(n_fft, 16_000)
    azimuths = np.array([[10.0, 100.0, 350.0]])
    d = bf.steering_vector(ARRAYS["circular"], frequencies, azimuths, 20.0)
    delays = bf.far_field_delays(ARRAYS["circular"], azimuths, 20.0)
    assert d.shape == (1, 3, n_fft // 2 + 1, 4)
    np.testing.assert_allclose(d, np.exp(-2j * np.pi * frequencies[:, None] * delays[..., None, :]), atol=1e-13)
    uneven = np.append(frequencies, 12_345.0)
    np.testing.assert_allclose(
        bf.steering_vector(ARRAYS["circular"], uneven, azimuths, 20.0)[..., :-1, :], d, atol=1e-13
    )


def test_a_plane_wave_is_recorded_as_the_steering_vector() -> None:
    """Against time: a tone that really arrives later."""
    rate, n = 16_000, 4_000
    delays = bf.far_field_delays(ARRAYS["circular"], 33.0)
    t = np.arange(n) / rate
    tone = np.cos(2 * np.pi * 1000.0 * (t - delays[:, None]))
    X = stft(tone, frame_length=512)[:, 32, 5]
    d = bf.steering_vector(ARRAYS["circular"], [1000.0], 33.0)[0]
    np.testing.assert_allclose(X / X[0], d / d[0], atol=1e-4)


def test_a_distant_source_gives_a_plane_wave() -> None:
    frequencies = bin_frequencies(64, 16_000)
    d = bf.steering_vector(ARRAYS["rectangular"], frequencies, 25.0, 10.0)
    errors = []
    for distance in (1.0, 10.0, 100.0, 1e5):
        near = bf.near_field_steering_vector(ARRAYS["rectangular"], frequencies, distance * bf.direction(25.0, 10.0))
        errors.append(np.abs(near - d).max())
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 1e-5
    # The error falls as the wave's curvature does: in proportion to 1/r.
    assert errors[1] / errors[2] == pytest.approx(10, rel=0.05)


def test_a_near_source_is_louder_and_earlier_where_it_is_near() -> None:
    d = bf.near_field_steering_vector(bf.linear_array(2, 0.2), [500.0], [[0.3, 0.0, 0.0], [-0.3, 0.0, 0.0]])[:, 0]
    np.testing.assert_allclose(np.abs(d[0]), [0.3 / 0.4, 0.3 / 0.2])
    np.testing.assert_allclose(d[0], d[1, ::-1])
    np.testing.assert_allclose(np.angle(d[0]), 2 * np.pi * 500 * np.array([-0.1, 0.1]) / C0)


def test_bin_frequencies() -> None:
    np.testing.assert_array_equal(bin_frequencies(4, 8000), [0, 2000, 4000])
    np.testing.assert_array_equal(bin_frequencies(5, 10_000), [0, 2000, 4000])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: bf.linear_array(0, 0.1), "n_microphones"),
        (lambda: bf.linear_array(3, -0.1), "spacing_m"),
        (lambda: bf.circular_array(3, np.nan), "radius_m"),
        (lambda: bf.rectangular_array(3, 0.1), "n_microphones"),  # type: ignore[arg-type]
        (lambda: bf.direction([0, 1], [0, 1, 2]), "elevation_deg"),
        (lambda: bf.direction(np.nan), "azimuth_deg"),
        (lambda: bf.steering_vector(np.zeros((3, 4)), [1.0], 0.0), "positions_m"),
        (lambda: bf.steering_vector(np.zeros((4, 3)), [-1.0], 0.0), "frequencies_hz"),
        (lambda: bf.near_field_steering_vector(np.zeros((4, 3)), [1.0], [1.0, 2.0]), "source_position_m"),
        (lambda: bf.near_field_steering_vector(np.eye(3), [1.0], [1.0, 0.0, 0.0]), "at a microphone"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
