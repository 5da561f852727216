"""Echo models by gradient descent: what they compute, what they learn, and what is logged of it."""

from __future__ import annotations

import time

import numpy as np
import pytest
import torch

from course_lib import data
from course_lib.aec import align
from course_lib.aec.echo_models import STFTEchoModel, WaveformEchoModel, fit_stft_model, fit_waveform_model
from course_lib.convolution import convolve_torch
from course_lib.metrics import misalignment
from course_lib.scenes import echo_scene
from course_lib.stft import stft

FITS = (fit_waveform_model, fit_stft_model)
LOSSES = ("waveform", "spectral")
EVERY_FIT = [(fit, loss) for fit in FITS for loss in LOSSES]


@pytest.fixture(autouse=True)
def one_thread():
    """Tests run side by side, where PyTorch's threads would wait for one another."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)


@pytest.fixture
def rng():
    return np.random.default_rng(30)


def echo_path(rng, n_taps, decay=0.2):
    return rng.standard_normal(n_taps) * np.exp(-np.arange(n_taps) / (decay * n_taps))


def white_call(rng, n_samples=24_000, n_taps=256, noise_level=0.0):
    """White noise in an echo path: far end, microphone, echo and path."""
    x, h = rng.standard_normal(n_samples), echo_path(rng, n_taps)
    echo = np.convolve(x, h)[:n_samples]
    return x, echo + noise_level * np.std(echo) * rng.standard_normal(n_samples), echo, h


def fitted(fit, x, y, n_taps, *, seed=0, **options):
    return fit(x, y, n_taps, rng=np.random.default_rng(seed), **options)


@pytest.fixture(scope="module")
def spoken_call():
    """Speech in a room, noise 30 dB below the echo, near-end speech for a part of it."""
    rng = np.random.default_rng(31)
    scene = echo_scene(data.speech_clip(0, 8.0), data.speech_clip(3, 2.0), rng, rt60_s=0.2, near_end_start_s=5.0)
    return scene, align(scene.far_end, scene.microphone)


# --- the models ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n_taps", "n_samples"), [(1, 5), (4, 4), (5, 33), (40, 17)])
def test_the_waveform_model_is_lesson_ones_convolution(n_taps, n_samples, rng):
    model = WaveformEchoModel(n_taps)
    assert not model(torch.ones(n_samples)).any()
    h = torch.tensor(rng.standard_normal(n_taps), dtype=torch.float32)
    x = torch.tensor(rng.standard_normal((2, n_samples)), dtype=torch.float32)
    with torch.no_grad():
        model.impulse_response.copy_(h)
    assert torch.allclose(model(x), convolve_torch(x, h)[:, :n_samples], atol=1e-5)
    if n_samples >= n_taps:
        assert torch.allclose(model.valid(x), convolve_torch(x, h, "valid"), atol=1e-5)


def test_its_gradient_is_that_of_a_convolution(rng):
    x = torch.tensor(rng.standard_normal(30), dtype=torch.float32)
    h = torch.tensor(rng.standard_normal(7), dtype=torch.float32, requires_grad=True)
    target = torch.tensor(rng.standard_normal(30), dtype=torch.float32)
    model = WaveformEchoModel(7)
    with torch.no_grad():
        model.impulse_response.copy_(h)
    (model(x) - target).square().sum().backward()
    (convolve_torch(x, h)[:30] - target).square().sum().backward()
    assert torch.allclose(model.impulse_response.grad, h.grad, atol=1e-4)


@pytest.mark.parametrize(("n_frame_taps", "n_cross_bands"), [(1, 0), (3, 0), (2, 1), (4, 2)])
def test_the_stft_model_adds_frames_and_bands_by_definition(n_frame_taps, n_cross_bands, rng):
    model = STFTEchoModel(n_frame_taps, frame_length=8, n_cross_bands=n_cross_bands, n_ahead=0)
    H = rng.standard_normal((*model.filters.shape, 2)) @ [1, 1j]
    with torch.no_grad():
        model.filters.copy_(torch.tensor(H))
    X = rng.standard_normal((5, 9, 2)) @ [1, 1j]
    Y = model.valid(torch.tensor(X, dtype=torch.complex64)).detach().numpy()
    expected = np.zeros((5, 9 - n_frame_taps + 1), dtype=complex)
    for k in range(5):
        for m in range(expected.shape[1]):
            for c in range(-n_cross_bands, n_cross_bands + 1):
                for j in range(n_frame_taps):
                    if 0 <= k + c < 5:
                        expected[k, m] += H[k, c + n_cross_bands, j] * X[k + c, m + n_frame_taps - 1 - j]
    assert np.allclose(Y, expected, atol=1e-4)
    assert model.valid(torch.tensor(np.stack([X, X]), dtype=torch.complex64)).shape == (2, *expected.shape)


@pytest.mark.parametrize("n_ahead", [0, 1, 2])
def test_the_stft_model_hears_the_present_at_the_tap_after_those_ahead(n_ahead, rng):
    model = STFTEchoModel(4, frame_length=64, n_ahead=n_ahead)
    x = torch.tensor(rng.standard_normal((2, 500)), dtype=torch.float32)
    with torch.no_grad():
        model.filters[:, 0, n_ahead] = 0.5
    assert torch.allclose(model(x), 0.5 * x, atol=1e-5)
    with torch.no_grad():
        model.filters.zero_()
        model.filters[:, 0, n_ahead + 1] = 1.0
    assert torch.allclose(model(x)[:, 80:400], x[:, 64:384], atol=1e-5)  # a hop later


# --- what they learn -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("loss", "bound_db"), [("waveform", -60.0), ("spectral", -60.0)])
def test_a_known_path_is_recovered_from_white_noise(loss, bound_db, rng):
    x, y, echo, h = white_call(rng)
    fit = fitted(fit_waveform_model, x, y, 300, loss=loss, echo=echo, segment_length=1024)
    assert misalignment(h, fit.model.impulse_response.detach().numpy()) < bound_db
    assert fit.echo_snr_db[-1] > -bound_db


@pytest.mark.parametrize("loss", LOSSES)
def test_adam_recovers_it_too(loss, rng):
    x, y, _, h = white_call(rng)
    fit = fitted(fit_waveform_model, x, y, 256, loss=loss, optimiser="adam", segment_length=1024, n_epochs=40)
    assert misalignment(h, fit.model.impulse_response.detach().numpy()) < -25


@pytest.mark.parametrize("loss", LOSSES)
def test_frames_half_apart_need_the_neighbouring_bands_and_closer_ones_do_not(loss, rng):
    x, y, echo, _ = white_call(rng, n_samples=16_000, n_taps=600)
    alone, crossed, closer = (
        fitted(fit_stft_model, x, y, 600, loss=loss, echo=echo, n_epochs=24, frame_length=256, **options)
        for options in ({"hop_length": 128}, {"hop_length": 128, "n_cross_bands": 1}, {"hop_length": 64})
    )
    assert 12 < alone.echo_snr_db[-1] < 18
    assert crossed.echo_snr_db[-1] > alone.echo_snr_db[-1] + 8
    assert closer.echo_snr_db[-1] > alone.echo_snr_db[-1] + 15


@pytest.mark.parametrize("fit", FITS)
def test_speech_is_cancelled_where_the_path_is_known(fit, spoken_call):
    """The bar is that of a lesson: 15 dB in spite of near-end speech and of the colour of the far end."""
    scene, x = spoken_call
    found = fitted(fit, x, scene.microphone, 2048, echo=scene.echo, n_epochs=12)
    assert found.echo_snr_db[-1] > 15
    assert found.echo_snr_db[found.best_epoch] == pytest.approx(
        10 * np.log10(np.sum(scene.echo**2) / np.sum((scene.echo - found.echo_estimate) ** 2)), abs=0.01
    )


def test_whitening_is_what_makes_it_learn_from_speech(spoken_call):
    scene, x = spoken_call
    sgd, adam = (
        fitted(fit_waveform_model, x, scene.microphone, 2048, echo=scene.echo, n_epochs=12, optimiser=name)
        for name in ("sgd", "adam")
    )
    assert sgd.echo_snr_db.max() > adam.echo_snr_db.max() + 5


def test_a_fit_takes_seconds(spoken_call):
    scene, x = spoken_call
    start = time.process_time()
    fitted(fit_waveform_model, x, scene.microphone, 4096)
    assert time.process_time() - start < 12  # 2 s alone on a core


# --- what is logged --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("fit", "loss"), EVERY_FIT)
def test_histories_begin_with_no_echo_and_go_down(fit, loss, rng):
    x, y, echo, _ = white_call(rng, noise_level=0.1)
    found = fitted(fit, x, y, 256, loss=loss, echo=echo, n_epochs=6)
    for history in (found.losses, found.erle_db, found.echo_snr_db, found.seconds):
        assert history.shape == (7,)
        assert np.isfinite(history).all()
    assert found.losses[0] == pytest.approx(1.0, abs=0.01)
    assert found.erle_db[0] == found.echo_snr_db[0] == 0.0
    assert found.losses[-1] < 0.2
    assert found.best_epoch == found.losses.argmin()
    assert (np.diff(found.seconds) > 0).all()
    assert found.echo_estimate.shape == y.shape
    if loss == "waveform":
        assert np.allclose(found.erle_db, -10 * np.log10(found.losses), atol=0.05)


@pytest.mark.parametrize("loss", LOSSES)
def test_the_oracles_loss_is_what_noise_leaves_and_overfitting_goes_below_it(loss, rng):
    x, y, echo, _ = white_call(rng, n_samples=12_000, n_taps=100, noise_level=0.5)
    found = fitted(fit_waveform_model, x, y, 2000, loss=loss, echo=echo, segment_length=2000, n_epochs=30)
    if loss == "waveform":
        left = np.mean((y - echo) ** 2) / np.mean(y**2)
    else:
        noise_power, power = (
            np.mean(np.abs(stft(v, frame_length=1024, hop_length=512, centred=False)) ** 2, axis=-1)
            for v in (y - echo, y)
        )
        weights = 1 / (power + 1e-3 * power.mean())
        left = np.sum(weights * noise_power) / np.sum(weights * power)
    assert found.oracle_loss == pytest.approx(left, rel=1e-4)
    assert found.losses[-1] < 0.95 * found.oracle_loss
    # The lower loss is bought with noise: the estimate has become worse than one of the right length.
    short = fitted(fit_waveform_model, x, y, 100, loss=loss, echo=echo, segment_length=2000, n_epochs=30)
    assert short.losses[-1] > found.losses[-1]
    assert short.echo_snr_db[-1] > found.echo_snr_db[-1] + 5


def test_without_the_echo_there_is_no_oracle(rng):
    x, y, _, _ = white_call(rng)
    found = fitted(fit_waveform_model, x, y, 64, n_epochs=1)
    assert found.oracle_loss is None
    assert found.echo_snr_db is None


@pytest.mark.parametrize("fit", FITS)
def test_the_best_snapshot_is_a_copy_not_the_last(fit, rng):
    x, y, _, _ = white_call(rng, noise_level=0.1)
    found = fitted(fit, x, y, 256, n_epochs=8, optimiser="adam", learning_rate=1.0)
    assert 0 <= found.best_epoch < 8
    assert found.losses[found.best_epoch] < 0.9 * found.losses[-1]
    with torch.no_grad():
        estimate = found.model(torch.tensor(x, dtype=torch.float32)).numpy()
    assert np.allclose(estimate, found.echo_estimate, atol=1e-3 * np.std(y))


def test_a_step_too_large_diverges_and_returns_what_was_best(rng):
    x, y, _, _ = white_call(rng)
    found = fitted(fit_waveform_model, x, y, 256, learning_rate=30.0, n_epochs=5)
    assert found.losses[-1] > 10
    assert found.losses[found.best_epoch] <= 1


@pytest.mark.parametrize(("fit", "loss"), EVERY_FIT)
@pytest.mark.parametrize(("far_scale", "scale"), [(1e-6, 1e6), (1e6, 1e-6)])
def test_level_does_not_matter(fit, loss, far_scale, scale, rng):
    x, y, echo, _ = white_call(rng, n_samples=8_000, noise_level=0.1)
    plain = fitted(fit, x, y, 256, loss=loss, echo=echo, n_epochs=3)
    scaled = fitted(fit, far_scale * x, scale * y, 256, loss=loss, echo=scale * echo, n_epochs=3)
    assert np.allclose(scaled.losses, plain.losses, rtol=1e-3)
    assert scaled.oracle_loss == pytest.approx(plain.oracle_loss, rel=1e-3)
    assert np.allclose(scaled.echo_estimate / scale, plain.echo_estimate, atol=1e-3 * np.std(y))
    with torch.no_grad():
        estimate = scaled.model(torch.tensor(far_scale * x, dtype=torch.float32)).numpy() / scale
    assert np.allclose(estimate, plain.echo_estimate, atol=1e-3 * np.std(y))


@pytest.mark.parametrize("fit", FITS)
def test_the_generator_decides_it_all(fit, rng):
    x, y, _, _ = white_call(rng)
    first, again, other = (fitted(fit, x, y, 200, n_epochs=2, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(first.echo_estimate, again.echo_estimate)
    assert not np.array_equal(first.echo_estimate, other.echo_estimate)


# --- little to learn from --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("fit", "loss"), EVERY_FIT)
@pytest.mark.parametrize("optimiser", ["sgd", "adam"])
def test_silence_is_learnt_as_silence(fit, loss, optimiser, rng):
    sound, silence = rng.standard_normal(6_000), np.zeros(6_000)
    for x, y, start in ((silence, sound, 1.0), (sound, silence, 0.0), (silence, silence, 0.0)):
        found = fitted(fit, x, y, 100, loss=loss, optimiser=optimiser, echo=silence, n_epochs=2)
        assert not found.echo_estimate.any()
        assert np.allclose(found.losses, start, atol=0.01)
        assert found.oracle_loss == pytest.approx(start, abs=0.01)
        assert np.isfinite(found.erle_db).all()
        assert np.isfinite(found.echo_snr_db).all()


@pytest.mark.parametrize(("fit", "loss"), EVERY_FIT)
@pytest.mark.parametrize("n_samples", [30, 257, 3_001])
def test_recordings_may_be_shorter_than_a_segment_or_a_frame(fit, loss, n_samples, rng):
    x = rng.standard_normal(n_samples)
    found = fitted(fit, x, 0.5 * x, 300, loss=loss, n_epochs=2)
    assert found.echo_estimate.shape == x.shape
    assert np.isfinite(found.losses).all()


def test_errors_name_what_is_wrong(rng):
    x, y, echo, _ = white_call(rng, n_samples=2_000)
    for fit in FITS:
        for change, name in (
            ({"echo": echo[:-1]}, "echo"),
            ({"loss": "loud"}, "loss"),
            ({"optimiser": "newton"}, "optimiser"),
            ({"learning_rate": 0.0}, "learning_rate"),
            ({"n_epochs": 0}, "n_epochs"),
            ({"batch_size": 0}, "batch_size"),
        ):
            with pytest.raises(ValueError, match=name):
                fitted(fit, x, y, 50, **change)
        with pytest.raises(ValueError, match="n_taps"):
            fitted(fit, x, y, 0)
        with pytest.raises(ValueError, match="microphone"):
            fitted(fit, x, y[:-1], 50)
    with pytest.raises(ValueError, match="hop_length"):
        fitted(fit_stft_model, x, y, 50, frame_length=64, hop_length=40)
    with pytest.raises(ValueError, match="n_cross_bands"):
        STFTEchoModel(2, frame_length=8, n_cross_bands=9)
    with pytest.raises(ValueError, match="n_taps"):
        WaveformEchoModel(0)
