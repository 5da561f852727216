"""Residual-echo suppression: the network and its twin, the stream, the shipped parameters, and the training."""

from __future__ import annotations

import functools
import math
import warnings

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from course_lib import data
from course_lib.aec import residual
from course_lib.aec._frame_network import LAYERS, FrameNetwork
from course_lib.aec._suppressor_features import (
    N_BANDS,
    N_FREQS,
    band_interpolation,
    spread_gains,
    suppressor_features,
)
from course_lib.aec.canceller import cancel_echo
from course_lib.aec.residual import ResidualSuppressor, load_parameters, suppress_residual_echo
from course_lib.metrics import si_sdr
from course_lib.models.residual_echo_suppressor import ResidualEchoSuppressor
from course_lib.scenes import draw_echo_room, echo_scene
from course_lib.stft import stft
from course_lib.training import residual_echo as training

SAMPLE_RATE = 16_000


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Networks this small only wait for one another's threads."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)


def some_signals(n_samples=6000, seed=0, level=0.05):
    """Far end, microphone, output and echo estimate that belong together, with pauses."""
    rng = np.random.default_rng(seed)
    far_end = rng.standard_normal(n_samples) * (np.sin(np.arange(n_samples) / 900.0) > 0)
    near_end = rng.standard_normal(n_samples) * (np.sin(np.arange(n_samples) / 1300.0) > 0.3)
    echo = np.convolve(far_end, [0.0, 0.6, -0.4, 0.2])[:n_samples]
    estimate = 0.8 * echo
    microphone = echo + near_end + 0.01 * rng.standard_normal(n_samples)
    return level * np.stack([far_end, microphone, microphone - estimate, estimate])


def some_calls(n_calls, seed=0, n_samples=12_000):
    """Calls to train on that need no canceller: echo in the upper half of the bands, speech in the lower."""
    calls = []
    for i in range(n_calls):
        rng = np.random.default_rng([seed, i])
        far_end, near_end = rng.standard_normal((2, n_samples)) * 0.05
        smooth = np.hanning(9) / np.hanning(9).sum()
        near_end = np.convolve(near_end, smooth, mode="same") * (np.sin(np.arange(n_samples) / 2000.0 + i) > 0)
        residual_echo = 0.1 * np.diff(far_end, append=0.0)
        estimate = 0.5 * far_end
        output = near_end + residual_echo
        calls.append(np.stack([far_end, output + estimate, output, estimate, near_end]).astype(np.float32))
    return calls


# --- network ---------------------------------------------------------------------------------------------------------


def test_the_network_is_as_small_as_its_docstring_says():
    n_parameters = sum(p.numel() for p in ResidualEchoSuppressor().parameters())
    assert n_parameters <= 100_000
    assert f"{n_parameters:_}".replace("_", " ") in str(ResidualEchoSuppressor.__doc__)


def test_frames_one_by_one_give_what_all_at_once_give():
    network = training._new_network(1)
    features = torch.randn(2, 30, 4, N_BANDS, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        together, _ = network(features)
        state, single = None, []
        for m in range(features.shape[1]):
            gains, state = network(features[:, m : m + 1], state)
            single.append(gains)
    torch.testing.assert_close(torch.cat(single, dim=1), together, rtol=1e-5, atol=1e-6)
    assert together.shape == (2, 30, N_BANDS)
    assert together.min() > 0
    assert together.max() < 1


def test_the_network_does_not_look_ahead():
    network = training._new_network(2)
    features = torch.randn(1, 20, 4, N_BANDS, generator=torch.Generator().manual_seed(0))
    changed = features.clone()
    changed[:, 12:] = 1.0
    with torch.inference_mode():
        before, after = network(features)[0], network(changed)[0]
    torch.testing.assert_close(before[:, :12], after[:, :12])
    assert not torch.allclose(before[:, 12], after[:, 12])


@pytest.mark.parametrize("seed", [1, 2])
def test_the_twin_in_numpy_computes_the_same(seed):
    network = training._new_network(seed)
    with torch.no_grad():
        for values in network.parameters():
            values *= 3.0  # so that the gates leave their linear range
    features = torch.randn(1, 60, 4, N_BANDS, generator=torch.Generator().manual_seed(seed))
    with torch.inference_mode():
        expected = network(features)[0][0].numpy()
    twin = FrameNetwork(training._copy_parameters(network))
    actual = np.stack([twin(frame) for frame in features[0].numpy()])
    assert expected.std() > 0.05
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5)


def test_the_twin_names_every_layer():
    assert {name.split(".")[0] for name in ResidualEchoSuppressor().state_dict()} == set(LAYERS)


def test_bands_that_cannot_be_halved_twice_are_refused():
    with pytest.raises(ValueError, match=r"n_bands: got 90, expected a multiple of 4"):
        ResidualEchoSuppressor(n_bands=90)


# --- features and gains ----------------------------------------------------------------------------------------------


def test_bands_cover_every_bin_once():
    weights = band_interpolation()
    assert weights.shape == (N_FREQS, N_BANDS)
    np.testing.assert_allclose(weights.sum(axis=1), 1.0, atol=1e-12)
    np.testing.assert_array_equal(weights[:25, :25], np.eye(25))
    assert weights[-1, -1] == pytest.approx(1.0)
    assert (weights.sum(axis=0) > 0.5).all()
    assert (np.count_nonzero(weights, axis=1) <= 2).all()


def test_gains_are_interpolated():
    gains = np.random.default_rng(0).random((N_BANDS, 7))
    np.testing.assert_allclose(spread_gains(gains), band_interpolation() @ gains, atol=1e-12)


def test_features_follow_their_definition():
    X = stft(some_signals(), frame_length=512, hop_length=256)
    features, _ = suppressor_features(X)
    power = np.abs(X) ** 2
    reference, weights = 0.0, band_interpolation()
    for m in range(X.shape[2]):
        reference = max(power[1, :, m].mean(), reference * 10 ** (-0.3 * 256 / SAMPLE_RATE))
        for b in (0, 40, N_BANDS - 1):
            relative = weights[:, b] @ power[2, :, m] / weights[:, b].sum() / reference
            expected = (math.log10(min(max(relative, 1e-7), 1e3)) + 2) / 2.5
            assert features[m, 2, b] == pytest.approx(expected, abs=1e-5)


def test_features_go_on_where_the_frames_before_ended():
    X = stft(some_signals(), frame_length=512, hop_length=256)
    whole, last = suppressor_features(X)
    first, levels = suppressor_features(X[:, :, :9])
    second, same_last = suppressor_features(X[:, :, 9:], levels)
    np.testing.assert_array_equal(np.concatenate([first, second]), whole)
    assert same_last == last


# --- stream ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def whole():
    signals = some_signals()
    return signals, suppress_residual_echo(*signals)


@pytest.mark.parametrize("block_length", [1, 97, 256, 1000, 6000])
def test_block_sizes_have_no_influence(whole, block_length):
    signals, expected = whole
    n_samples = signals.shape[1] if block_length > 1 else 1200
    expected = expected if block_length > 1 else suppress_residual_echo(*signals[:, :n_samples])
    stream = ResidualSuppressor()
    pieces, n_returned = [], 0
    for start in range(0, n_samples, block_length):
        end = min(start + block_length, n_samples)
        pieces.append(stream.push(*signals[:, start:end]))
        n_returned += len(pieces[-1])
        assert end - n_returned <= stream.latency
    actual = np.concatenate([*pieces, stream.flush()])
    assert actual.shape == expected.shape
    np.testing.assert_array_equal(actual, expected)


def test_a_flushed_stream_is_as_good_as_new(whole):
    signals, expected = whole
    stream = ResidualSuppressor()
    for _ in range(2):
        np.testing.assert_array_equal(np.concatenate([stream.push(*signals), stream.flush()]), expected)
    assert stream.flush().shape == (0,)


def test_gains_of_one_return_the_canceller_output(monkeypatch):
    monkeypatch.setattr(FrameNetwork, "__call__", lambda network, features: np.ones(N_BANDS, dtype=np.float32))
    signals = some_signals(3000)
    np.testing.assert_allclose(suppress_residual_echo(*signals), signals[2], atol=1e-12)


@pytest.mark.parametrize("n_samples", [1, 255, 257, 511, 513])
def test_short_signals_keep_their_length(n_samples):
    assert suppress_residual_echo(*some_signals(n_samples)).shape == (n_samples,)


@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_level_has_no_influence(whole, scale):
    signals, expected = whole
    np.testing.assert_allclose(suppress_residual_echo(*(scale * signals)) / scale, expected, atol=1e-6)


def test_level_of_the_far_end_has_no_influence(whole):
    signals, expected = whole
    louder = signals * np.array([[300.0], [1.0], [1.0], [1.0]])
    np.testing.assert_allclose(suppress_residual_echo(*louder), expected, atol=1e-6)


def test_silence_stays_silence():
    silence = np.zeros((4, 3000))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(suppress_residual_echo(*silence), np.zeros(3000))


@pytest.mark.parametrize("silent", [(0,), (0, 3), (1, 2), (1,), (2,)])
def test_any_signal_may_be_silent(silent):
    signals = some_signals()
    signals[list(silent)] = 0.0
    result = suppress_residual_echo(*signals)
    assert np.isfinite(result).all()
    assert np.abs(result).max() <= 3 * np.abs(signals[2]).max()


def test_a_diverged_canceller_does_no_harm():
    signals = some_signals()
    signals[3] *= 1e9
    signals[2] = signals[1] - signals[3]
    assert np.isfinite(suppress_residual_echo(*signals)).all()


def test_inputs_stay_as_they_are():
    signals = some_signals(2000)
    before = signals.copy()
    suppress_residual_echo(*signals)
    np.testing.assert_array_equal(signals, before)


def test_signals_of_different_lengths_are_refused():
    signals = list(some_signals(1000))
    signals[2] = signals[2][:-1]
    with pytest.raises(ValueError, match=r"far_end 1000, microphone 1000, output 999, echo_estimate 1000"):
        suppress_residual_echo(*signals)


# --- checkpoint ------------------------------------------------------------------------------------------------------


def test_the_shipped_parameters_fit_and_are_small():
    from importlib import resources

    file = resources.files("course_lib.aec") / residual.CHECKPOINT_NAME
    assert len(file.read_bytes()) <= 500_000
    parameters = load_parameters()
    network = ResidualEchoSuppressor()
    network.load_state_dict({name: torch.from_numpy(values) for name, values in parameters.items()})
    assert all(np.isfinite(values).all() for values in parameters.values())


def test_a_file_that_is_no_checkpoint_is_refused(tmp_path):
    (tmp_path / "text.npz").write_text("not an archive")
    np.savez(tmp_path / "other.npz", weights=np.zeros(3))
    np.savez(tmp_path / "pickle.npz", weights=np.array([{}], dtype=object))
    for name, message in [("text", "no archive"), ("other", "no parameters for down_1"), ("pickle", "no archive")]:
        with pytest.raises(ValueError, match=message):
            ResidualSuppressor(tmp_path / f"{name}.npz")


@functools.cache
def held_out_call(seed, clipping):
    """Far end alone for 2.5 s, then both, in voices and a room that no training call had; and the canceller's part."""
    rng = np.random.default_rng([2024, seed])
    voices = training.HELD_OUT_VOICES
    far_end = data.speech_clip(voices[seed % 2], 6.0)
    near_end = data.speech_clip(voices[1 - seed % 2], 3.5)
    scene = echo_scene(
        far_end,
        near_end,
        rng,
        room=draw_echo_room(0.25, rng),
        signal_to_echo_db=(-5.0, 0.0, 5.0)[seed % 3],
        near_end_start_s=2.5,
        clipping=clipping,
    )
    return scene, cancel_echo(scene.far_end, scene.microphone)


@pytest.mark.parametrize(("seed", "clipping"), [(0, None), (1, 3.0), (2, 3.0)])
def test_it_improves_calls_it_has_never_heard(seed, clipping):
    scene, cancelled = held_out_call(seed, clipping)
    output = cancelled.linear_output
    suppressed = suppress_residual_echo(cancelled.far_end, scene.microphone, output, cancelled.echo_estimate)
    alone = slice(SAMPLE_RATE, round(2.5 * SAMPLE_RATE))
    gained_db = 10 * np.log10(np.sum(output[alone] ** 2) / np.sum(suppressed[alone] ** 2))
    assert gained_db > 6.0
    both = slice(round(2.5 * SAMPLE_RATE), None)
    change_db = si_sdr(scene.near_end[both], suppressed[both]) - si_sdr(scene.near_end[both], output[both])
    assert change_db > (0.5 if clipping else -0.5)


def test_the_canceller_ends_with_it():
    scene, linear = held_out_call(0, None)
    whole = cancel_echo(scene.far_end, scene.microphone, suppressor="network")
    suppressed = suppress_residual_echo(linear.far_end, scene.microphone, linear.output, linear.echo_estimate)
    np.testing.assert_array_equal(whole.output, suppressed)


def test_speech_passes_where_there_is_no_echo():
    near_end = data.speech_clip(training.HELD_OUT_VOICES[0], 4.0)
    silence = np.zeros_like(near_end)
    assert si_sdr(near_end, suppress_residual_echo(silence, near_end, near_end, silence)) > 15.0


# --- training --------------------------------------------------------------------------------------------------------


def test_the_loss_is_least_for_the_speech_itself():
    rng = np.random.default_rng(0)
    speech = torch.from_numpy(rng.standard_normal((1, 9, N_FREQS)) + 1j * rng.standard_normal((1, 9, N_FREQS)))
    losses = [
        float(training.suppression_loss(torch.full((1, 9, N_BANDS), gain, dtype=torch.float64), speech, speech))
        for gain in (1.0, 0.7, 0.2)
    ]
    assert losses == sorted(losses)
    assert losses[0] == pytest.approx(0.1 * math.log10(1e-3))


def test_the_loss_follows_its_definition():
    rng = np.random.default_rng(0)
    E, S = rng.standard_normal((2, 3, 5, N_FREQS)) + 1j * rng.standard_normal((2, 3, 5, N_FREQS))
    S[2] = 0.0
    gains = rng.random((3, 5, N_BANDS))
    estimate = gains @ band_interpolation().T * E
    a, b = ((np.abs(z) ** 2 + 1e-4) ** 0.15 for z in (estimate, S))
    lost_counts_more = np.where(a < b, 4.0, 1.0) * (a - b) ** 2
    with_phase = np.abs(a * np.exp(1j * np.angle(E)) - b * np.exp(1j * np.angle(S))) ** 2
    energies = [np.sum(np.abs(z) ** 2, axis=(1, 2)) for z in (estimate - S, S, E)]
    ratio = np.log10(energies[0] / (energies[1] + 0.1 * energies[2]) + 1e-3)
    expected = 0.7 * lost_counts_more.mean() + 0.3 * with_phase.mean() + 0.1 * ratio.mean()
    actual = training.suppression_loss(*(torch.from_numpy(z) for z in (gains, E, S)))
    assert float(actual) == pytest.approx(expected, rel=1e-4)  # but for the floor of the last term


def test_a_few_steps_lower_the_loss():
    network = training._new_network(0)
    calls, others = some_calls(4), some_calls(2, seed=1)
    before = training._validation_loss(network, others)
    run = training.fit(network, calls, others, n_steps=16)
    assert run.is_complete
    assert run.losses.shape == (16,)
    assert run.validation_losses[-1] < before - 0.005
    assert np.mean(run.losses[-5:]) < np.mean(run.losses[:5])


def test_the_copy_of_the_parameters_stays_when_training_goes_on():
    network = training._new_network(0)
    copied = training._copy_parameters(network)
    kept = {name: values.copy() for name, values in copied.items()}
    training.fit(network, some_calls(2), some_calls(1, seed=1), n_steps=2)
    for name, values in copied.items():
        np.testing.assert_array_equal(values, kept[name])
        assert not np.array_equal(values, network.state_dict()[name].numpy()), name


def test_the_best_parameters_are_those_of_the_least_validation_loss(monkeypatch):
    """The third trial is best, and the training goes on after it."""
    seen = []
    scripted = iter([0.9, 0.8, 0.1, 0.5])

    def try_out(network, calls):
        seen.append(training._copy_parameters(network))
        return next(scripted)

    monkeypatch.setattr(training, "_EVALUATE_EVERY", 1)
    monkeypatch.setattr(training, "_validation_loss", try_out)
    run = training.fit(training._new_network(0), some_calls(2), some_calls(1), n_steps=4)
    for name, values in run.best_parameters.items():
        np.testing.assert_array_equal(values, seen[2][name])
    assert any(not np.array_equal(seen[3][name], seen[2][name]) for name in seen[2])


def test_a_stopped_run_goes_on_where_it_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(training, "_EVALUATE_EVERY", 2)
    calls, others = some_calls(3), some_calls(1, seed=1)
    in_one_go = training.fit(training._new_network(0), calls, others, n_steps=4)

    class Stopped(Exception):
        pass

    def stop_after_three(step, loss, tried):
        if step == 3:
            raise Stopped

    state_file = tmp_path / "state.pt"
    with pytest.raises(Stopped):
        training.fit(training._new_network(0), calls, others, n_steps=4, state_file=state_file, report=stop_after_three)
    resumed = training.fit(training._new_network(5), calls, others, n_steps=4, state_file=state_file)
    np.testing.assert_array_equal(resumed.losses, in_one_go.losses)
    np.testing.assert_array_equal(resumed.validation_losses, in_one_go.validation_losses)
    for name, values in resumed.best_parameters.items():
        np.testing.assert_array_equal(values, in_one_go.best_parameters[name])
    with pytest.raises(ValueError, match=r"of a run of 4 steps with seed 0, not of 9 with 0"):
        training.fit(training._new_network(0), calls, others, n_steps=9, state_file=state_file)


def test_the_time_limit_stops_a_run():
    run = training.fit(training._new_network(0), some_calls(2), some_calls(1), n_steps=50, minutes=0.0)
    assert not run.is_complete
    assert run.losses.shape == (0,)


def test_a_call_is_drawn_by_its_generator_alone():
    rooms = training._draw_rooms(1, np.random.default_rng(0))
    first, second = (
        training.draw_call(("f2", "m2"), rooms, np.random.default_rng(3), duration_s=2.0) for _ in range(2)
    )
    np.testing.assert_array_equal(first, second)
    assert first.shape == (5, 2 * SAMPLE_RATE)
    np.testing.assert_allclose(first[1] - first[3], first[2], atol=1e-5)


@pytest.mark.slow
def test_the_command_makes_a_checkpoint(tmp_path):
    arguments = ["--folder", str(tmp_path), "--checkpoint", str(tmp_path / "made.npz"), "--quick"]
    result = CliRunner().invoke(training.app, arguments)
    assert result.exit_code == 0, result.output
    signals = some_signals(1000)
    assert suppress_residual_echo(*signals, checkpoint=tmp_path / "made.npz").shape == (1000,)


def test_the_command_explains_itself():
    result = CliRunner().invoke(training.app, ["--help"])
    assert result.exit_code == 0
    assert "--minutes" in result.output
