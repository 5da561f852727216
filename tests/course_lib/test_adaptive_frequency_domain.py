"""Adaptive filters of the frequency domain: their twins, their streams, and input that could make them diverge."""

from __future__ import annotations

import numpy as np
import pytest

from course_lib import data
from course_lib.adaptive import (
    FrequencyDomainKalman,
    PartitionedBlockFilter,
    _frequency_twins,
    frequency_domain_kalman,
    frequency_domain_lms,
    partitioned_block_lms,
)
from course_lib.adaptive._kalman_state import _LEAST_DRIFT, _RECORD
from course_lib.adaptive._streams import LEVEL_MEMORY_SAMPLES
from course_lib.metrics import misalignment

FILTERS = {
    "constrained": lambda x, y, **o: partitioned_block_lms(x, y, 300, 64, **o),
    "unconstrained": lambda x, y, **o: partitioned_block_lms(x, y, 300, 64, constrained=False, **o),
    "one partition": lambda x, y, **o: frequency_domain_lms(x, y, 300, **o),
    "Kalman": lambda x, y, **o: frequency_domain_kalman(x, y, 300, 64, **o),
    "overlapping Kalman": lambda x, y, **o: frequency_domain_kalman(x, y, 300, 64, hop_length=16, **o),
}
STREAMS = {
    "constrained": lambda: PartitionedBlockFilter(300, 64),
    "unconstrained": lambda: PartitionedBlockFilter(300, 64, constrained=False),
    "Kalman": lambda: FrequencyDomainKalman(300, 64),
    "overlapping Kalman": lambda: FrequencyDomainKalman(300, 64, hop_length=16),
}


def energy_db(a, b):
    return 10 * np.log10(np.sum(np.square(a)) / np.sum(np.square(b)))


@pytest.fixture(scope="module")
def path():
    rng = np.random.default_rng(1)
    return rng.standard_normal(300) * np.exp(-np.arange(300) / 60)


@pytest.fixture(scope="module")
def speech():
    return data.speech_clip(0, 3.0)


def echo_of(x, h, rng=None, noise_db=-60.0):
    echo = np.convolve(x, h)[: len(x)]
    if rng is not None:
        echo = echo + rng.standard_normal(len(x)) * np.std(echo) * 10 ** (noise_db / 20)
    return echo


# --- what they compute ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n_taps", "block_length"), [(64, 64), (128, 32), (100, 32), (7, 16), (33, 1)])
def test_the_constrained_filter_is_block_lms(n_taps, block_length):
    rng = np.random.default_rng(2)
    x = rng.standard_normal(block_length * 40)
    y = echo_of(x, rng.standard_normal(n_taps), rng)
    step_size = 0.2 / (n_taps * max(1, block_length // 8))
    error, h = _frequency_twins.block_lms(x, y, n_taps, block_length, step_size)
    result = partitioned_block_lms(x, y, n_taps, block_length, step_size=step_size, normalised=False)
    np.testing.assert_allclose(result.error, error, atol=1e-9)
    np.testing.assert_allclose(result.impulse_response, h, atol=1e-9)
    assert np.abs(h).max() > 1e-3
    unconstrained = partitioned_block_lms(
        x, y, n_taps, block_length, step_size=step_size, normalised=False, constrained=False
    )
    assert np.abs(unconstrained.error - error).max() > 1e-6


@pytest.mark.parametrize("constrained", [True, False])
@pytest.mark.parametrize("n_taps", [64, 150])
def test_the_normalised_filter_is_its_twin(constrained, n_taps, speech):
    x = speech[8000 : 8000 + 32 * 300]
    y = echo_of(x, np.random.default_rng(3).standard_normal(n_taps))
    options = {"step_size": 0.4, "constrained": constrained, "regularisation": 1e-2}
    error, h = _frequency_twins.partitioned_block_lms(
        x, y, n_taps, 32, **options, memory=LEVEL_MEMORY_SAMPLES, record=_RECORD
    )
    result = partitioned_block_lms(x, y, n_taps, 32, **options)
    np.testing.assert_allclose(result.error, error, atol=1e-9)
    np.testing.assert_allclose(result.impulse_response, h, atol=1e-9)


@pytest.mark.parametrize("hop_length", [8, 16, 32])
@pytest.mark.parametrize("n_taps", [32, 150])
def test_the_kalman_filter_is_its_twin(hop_length, n_taps, speech):
    rng = np.random.default_rng(4)
    x = speech[8000 : 8000 + 32 * 300]
    y = echo_of(x, rng.standard_normal(n_taps), rng, -30.0)
    options = {"transition": 0.995, "noise_smoothing": 0.4, "decay_db": 1.0}
    error, h = _frequency_twins.frequency_domain_kalman(
        x, y, n_taps, 32, hop_length, **options, record=_RECORD, least_drift=_LEAST_DRIFT
    )
    result = frequency_domain_kalman(x, y, n_taps, 32, hop_length=hop_length, **options)
    np.testing.assert_allclose(result.error, error, atol=1e-9)
    np.testing.assert_allclose(result.impulse_response, h, atol=1e-9)


@pytest.mark.parametrize("name", FILTERS)
def test_the_echo_path_of_white_noise_is_found(name, path):
    rng = np.random.default_rng(5)
    x = rng.standard_normal(60_000)
    result = FILTERS[name](x, echo_of(x, path, rng, -50.0))
    assert misalignment(path, result.impulse_response) < -25.0
    np.testing.assert_allclose(result.estimate + result.error, echo_of(x, path, np.random.default_rng(0), -999), atol=3)


def test_several_channels_are_told_apart(path):
    rng = np.random.default_rng(6)
    x = rng.standard_normal((2, 40_000))
    paths = np.stack([path, path[::-1]])
    y = sum(echo_of(channel, h) for channel, h in zip(x, paths, strict=True))
    result = frequency_domain_kalman(x, y, 300, 64, decay_db=0.0)
    assert result.impulse_response.shape == (2, 300)
    for h, estimate in zip(paths, result.impulse_response, strict=True):
        assert misalignment(h, estimate) < -20.0


def test_double_talk_wrecks_the_block_filter_and_not_the_kalman_filter(speech, path):
    rng = np.random.default_rng(7)
    x = data.speech_clip(2, 6.0)
    echo = echo_of(x, path)
    near_end = np.zeros_like(echo)
    near_end[48_000:88_000] = data.speech_clip(1, 2.5) * np.std(echo) / 0.05
    y = echo + near_end + 1e-3 * np.std(echo) * rng.standard_normal(len(x))
    talking = slice(48_000, 88_000)
    left = {}
    for name in ("constrained", "overlapping Kalman"):
        residual = FILTERS[name](x, y).error - near_end
        left[name] = energy_db(echo[talking], residual[talking])
    assert left["overlapping Kalman"] > left["constrained"] + 10.0
    assert left["overlapping Kalman"] > 12.0


# --- streams -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("n_samples", [1, 63, 64, 5000])
def test_streams_of_any_blocks_are_the_whole_to_the_bit(name, n_samples, path, speech):
    rng = np.random.default_rng(8)
    x = speech[10_000 : 10_000 + n_samples]
    y = echo_of(x, path, rng)
    adapt = rng.random(n_samples) < 0.999
    whole = FILTERS[name](x, y, adapt=adapt)
    stream, pieces, begin = STREAMS[name](), [], 0
    while begin < n_samples:
        end = begin + int(rng.integers(0, 200))
        pieces.append(stream.push(x[begin:end], y[begin:end], adapt=adapt[begin:end]))
        assert sum(map(len, pieces)) > min(end, n_samples) - stream.latency
        begin = end
    pieces.append(stream.flush())
    np.testing.assert_array_equal(np.concatenate(pieces), whole.error)
    np.testing.assert_array_equal(stream.impulse_response, whole.impulse_response)
    assert len(stream.flush()) == 0


@pytest.mark.parametrize("name", FILTERS)
def test_snapshots_show_how_the_path_was_learnt(name, path):
    rng = np.random.default_rng(9)
    x = rng.standard_normal(6000)
    y = echo_of(x, path)
    plain, result = FILTERS[name](x, y), FILTERS[name](x, y, snapshot_every=1000)
    np.testing.assert_array_equal(plain.error, result.error)
    np.testing.assert_array_equal(result.snapshot_times, np.arange(1000, 6001, 1000))
    assert result.snapshots.shape == (6, 300)
    assert plain.snapshots.shape == (0, 300)
    history = misalignment(path, result.snapshots)
    assert history[-1] < history[0] - 3.0


@pytest.mark.parametrize("name", FILTERS)
def test_what_must_not_be_learnt_is_not(name, path, speech):
    result = FILTERS[name](speech, echo_of(speech, path), adapt=False)
    assert not result.impulse_response.any()
    np.testing.assert_array_equal(result.error, echo_of(speech, path))


# --- input that could make them diverge ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_the_level_does_not_matter(name, scale, path, speech):
    y = echo_of(speech, path, np.random.default_rng(10), -40.0)
    plain, scaled = FILTERS[name](speech, y), FILTERS[name](scale * speech, scale * y)
    np.testing.assert_allclose(scaled.error / scale, plain.error, atol=1e-9)
    quiet = FILTERS[name](speech, scale * y)
    np.testing.assert_allclose(quiet.error / scale, plain.error, atol=1e-9)


@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize("silent", ["x", "y", "both"])
def test_silence_teaches_nothing(name, silent, speech):
    x = np.zeros(8000) if silent != "y" else speech[:8000]
    y = np.zeros(8000) if silent != "x" else speech[:8000]
    result = FILTERS[name](x, y)
    np.testing.assert_array_equal(result.error, y)
    assert not result.impulse_response.any()


def with_pauses(speech):
    x = np.concatenate([speech, np.zeros(16_000), speech])
    return x


def with_floor(speech):
    x = np.concatenate([speech, np.zeros(32_000), speech])
    return x + 1e-4 * np.random.default_rng(11).standard_normal(len(x))


def with_jumps(speech):
    gains = np.repeat([1e-3, 1.0, 0.03, 3.0], len(speech) // 4)
    return speech[: len(gains)] * gains


@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize("make", [with_pauses, with_floor, with_jumps])
def test_pauses_floors_and_jumps_do_no_harm(name, make, path, speech):
    rng = np.random.default_rng(12)
    x = make(speech)
    echo = echo_of(x, path)
    y = echo + 1e-4 * rng.standard_normal(len(x))
    result = FILTERS[name](x, y)
    residual = echo - result.estimate
    assert np.isfinite(residual).all()
    # Never worse than nothing over any half second with something to cancel, once the first has passed.
    for begin in range(8000, len(x) - 8000, 4000):
        span = slice(begin, begin + 8000)
        if np.std(echo[span]) > 1e-3:
            assert energy_db(echo[span], residual[span]) > 0.0
    assert misalignment(path, result.impulse_response) < 0.0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PartitionedBlockFilter(0, 8), "n_taps"),
        (lambda: PartitionedBlockFilter(8, 2.5), "block_length"),
        (lambda: PartitionedBlockFilter(8, 8, step_size=1.5), "step_size"),
        (lambda: PartitionedBlockFilter(8, 8, regularisation=-1.0), "regularisation"),
        (lambda: FrequencyDomainKalman(8, 8, hop_length=3), "hop_length: got 3 for blocks of 8"),
        (lambda: FrequencyDomainKalman(8, 8, transition=1.1), "transition"),
        (lambda: FrequencyDomainKalman(8, 8, noise_smoothing=1.0), "noise_smoothing"),
        (lambda: FrequencyDomainKalman(8, 8, decay_db=-1.0), "decay_db"),
        (lambda: FrequencyDomainKalman(8, 8).push(np.ones(3), np.ones(4)), "3 samples of the far end and 4"),
        (lambda: FrequencyDomainKalman(8, 8).push(np.ones(3), np.ones(3), adapt=np.ones(2, bool)), "adapt"),
        (lambda: FrequencyDomainKalman(8, 8, n_channels=2).push(np.ones(3), np.ones(3)), "x: got"),
        (lambda: frequency_domain_kalman([], [], 8, 8), "at least one sample"),
        (lambda: partitioned_block_lms([1.0, np.nan], [1.0, 1.0], 8, 8), "NaN"),
    ],
)
def test_wrong_arguments_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
