"""Adaptive filters of the time domain: plain twins, streams, theory, and what must not make them diverge."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

from course_lib import data
from course_lib.adaptive import APA, LMS, NLMS, RLS, _twins, apa, lms, nlms, rls
from course_lib.metrics import erle, misalignment

FILTERS = {
    "lms": (lms, LMS, {"step_size": 0.01}),
    "leaky": (lms, LMS, {"step_size": 0.01, "leakage": 0.1}),
    "nlms": (nlms, NLMS, {}),
    "apa1": (apa, APA, {"order": 1}),
    "apa4": (apa, APA, {}),
    "rls": (rls, RLS, {}),
    "rls_growing": (rls, RLS, {"forgetting": 1.0}),
    "rls_short": (rls, RLS, {"forgetting": 0.95}),
}
ROBUST = ["nlms", "apa1", "apa4", "rls", "rls_growing"]
"""The filters that choose their step by the level of the far end."""


ALWAYS = {"activity_threshold_db": -np.inf}


@pytest.fixture
def rng():
    return np.random.default_rng(7)


@pytest.fixture(params=FILTERS)
def method(request):
    return FILTERS[request.param]


@pytest.fixture(params=ROBUST)
def robust(request):
    return FILTERS[request.param]


def scene(rng, n_samples, n_taps, *, noise=0.0, far_end=None):
    """Return far end, microphone and echo path."""
    x = rng.standard_normal(n_samples) if far_end is None else far_end
    h = rng.standard_normal(n_taps)
    h /= np.linalg.norm(h)
    return x, np.convolve(x, h)[: x.size] + noise * rng.standard_normal(x.size), h


def with_levels(rng, levels, n_each):
    return np.concatenate([level * rng.standard_normal(n_each) for level in levels])


# --- what is computed -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_taps", [1, 2, 7, 32])
@pytest.mark.parametrize("name", FILTERS)
def test_the_compiled_loop_is_the_plain_one(rng, name, n_taps):
    function, _, options = FILTERS[name]
    x, y, _ = scene(rng, 0, n_taps, noise=0.01, far_end=with_levels(rng, [1e-3, 1, 1e-3, 0, 1], 250))
    adapt = rng.random(x.size) > 0.1
    result = function(x, y, n_taps, adapt=adapt, **options)
    error, h = getattr(_twins, function.__name__)(x, y, adapt, n_taps, **options)
    np.testing.assert_allclose(result.error, error, rtol=0, atol=1e-9 * np.abs(y).max())
    np.testing.assert_allclose(result.impulse_response, h, rtol=0, atol=1e-9)
    np.testing.assert_allclose(result.estimate + result.error, y, rtol=0, atol=1e-12)


@pytest.mark.parametrize("function", [lms, nlms, apa, rls])
def test_function_class_and_twin_have_the_same_options(function):
    _, stream, _ = next(entry for entry in FILTERS.values() if entry[0] is function)
    options = {
        name: parameter.default
        for name, parameter in inspect.signature(stream.__init__).parameters.items()
        if name not in ("self", "n_taps")
    }
    for other in (function, getattr(_twins, function.__name__)):
        parameters = inspect.signature(other).parameters
        assert {name: parameters[name].default for name in options} == options


def test_lms_of_hand_computed_steps():
    result = lms([1.0, 2.0], [1.0, 0.0], 2, step_size=0.5, snapshot_every=1)
    np.testing.assert_array_equal(result.error, [1.0, -1.0])
    np.testing.assert_array_equal(result.snapshots, [[0.5, 0.0], [-0.5, -0.5]])
    leaky = lms([1.0, 2.0], [1.0, 0.0], 2, step_size=0.5, leakage=0.4, snapshot_every=1)
    np.testing.assert_allclose(leaky.snapshots, [[0.5, 0.0], [0.8 * 0.5 - 1.0, -0.5]], atol=1e-15)


def test_nlms_of_hand_computed_steps():
    result = nlms([3.0, 4.0], [6.0, 0.0], 2, step_size=0.5, regularisation=0.0, snapshot_every=1)
    np.testing.assert_allclose(result.snapshots, [[1.0, 0.0], [1 - 0.5 * 4 * 4 / 25, -0.5 * 4 * 3 / 25]], atol=1e-15)
    given = nlms([3.0], [6.0], 2, step_size=1.0, regularisation=0.5, far_end_power=7.0)
    np.testing.assert_allclose(given.impulse_response, [6.0 * 3 / (9 + 0.5 * 2 * 7), 0.0], atol=1e-15)


# --- streams ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("block_length", [1, 3, 64, 257, 1000])
@pytest.mark.parametrize("n_taps", [1, 6, 33])
def test_blocks_of_any_size_give_the_same_bits(rng, method, n_taps, block_length):
    function, stream, options = method
    x, y, _ = scene(rng, 0, n_taps, noise=0.1, far_end=with_levels(rng, [1e-4, 1, 0, 1e-3, 1], 150))
    adapt = rng.random(x.size) > 0.2
    offline = function(x, y, n_taps, adapt=adapt, **options)
    filter_ = stream(n_taps, **options)
    edges = range(0, x.size, block_length)
    errors = [
        filter_.push(x[b : b + block_length], y[b : b + block_length], adapt=adapt[b : b + block_length]) for b in edges
    ]
    np.testing.assert_array_equal(np.concatenate(errors), offline.error)
    np.testing.assert_array_equal(filter_.impulse_response, offline.impulse_response)


def test_an_empty_block_changes_nothing(rng, method):
    _, stream, options = method
    x, y, _ = scene(rng, 100, 5)
    plain, interrupted = stream(5, **options), stream(5, **options)
    plain.push(x, y)
    interrupted.push(x[:50], y[:50])
    assert interrupted.push([], []).shape == (0,)
    interrupted.push(x[50:], y[50:])
    np.testing.assert_array_equal(plain.impulse_response, interrupted.impulse_response)


def test_snapshots_do_not_disturb_and_are_the_filter_at_their_times(rng, method):
    function, stream, options = method
    x, y, _ = scene(rng, 330, 6)
    result = function(x, y, 6, snapshot_every=100, **options)
    np.testing.assert_array_equal(result.error, function(x, y, 6, **options).error)
    np.testing.assert_array_equal(result.snapshot_times, [100, 200, 300])
    filter_ = stream(6, **options)
    filter_.push(x[:200], y[:200])
    np.testing.assert_array_equal(result.snapshots[1], filter_.impulse_response)
    assert function(x, y, 6, **options).snapshots.shape == (0, 6)


def test_a_frozen_filter_keeps_what_it_has_learnt(rng, method):
    function, stream, options = method
    x, y, _ = scene(rng, 600, 6, noise=0.1)
    filter_ = stream(6, **options)
    filter_.push(x[:300], y[:300])
    before = filter_.impulse_response
    error = filter_.push(x[300:], y[300:], adapt=False)
    np.testing.assert_array_equal(filter_.impulse_response, before)
    np.testing.assert_allclose(error, (y - np.convolve(x, before)[: x.size])[300:], atol=1e-12)
    assert not function(x, y, 6, adapt=False, **options).impulse_response.any()


def test_the_answer_belongs_to_the_caller(rng, method):
    _, stream, options = method
    x, y, _ = scene(rng, 100, 4)
    filter_ = stream(4, **options)
    copies = x.copy(), y.copy()
    filter_.push(x, y)
    np.testing.assert_array_equal((x, y), copies)
    filter_.impulse_response[:] = np.nan
    assert np.isfinite(filter_.impulse_response).all()


# --- theory -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("step_size", "fastest"), [(0.1, 1.07), (0.2, 1.07), (0.5, 1.2), (1.0, 1.35), (1.7, 1.15)])
def test_nlms_misalignment_falls_as_theory_says(rng, step_size, fastest):
    """Theory takes windows for independent; as they overlap, steps in between get further than it says."""
    n_taps, curves = 150, []
    for _ in range(6):
        x, y, h = scene(rng, 1801, n_taps)
        result = nlms(x, y, n_taps, step_size=step_size, regularisation=0.0, snapshot_every=150)
        curves.append(misalignment(h, result.snapshots))
    slope = np.polyfit(result.snapshot_times, np.mean(curves, axis=0), 1)[0]
    assert 0.95 < slope / (10 * np.log10(1 - step_size * (2 - step_size) / n_taps)) < fastest


@pytest.mark.parametrize(("fraction", "converges"), [(0.5, True), (1.5, False)])
def test_lms_has_the_bound_of_its_largest_eigenvalue(rng, fraction, converges):
    """A constant far end has the one eigenvalue L, and the error shrinks by |1 − μL| a sample."""
    n_taps = 8
    result = lms(np.ones(200), np.ones(200), n_taps, step_size=fraction * 2 / n_taps)
    assert (abs(result.error[-1]) < 1e-6) == converges
    if not converges:
        np.testing.assert_allclose(result.error[9:60] / result.error[8:59], 1 - fraction * 2, rtol=1e-9)


def test_lms_that_diverges_stays_finite(rng):
    x, y, _ = scene(rng, 20_000, 16)
    result = lms(x, y, 16, step_size=1.0)
    assert np.abs(result.error).max() > 1e50
    assert np.isfinite(result.error).all()
    assert np.isfinite(result.impulse_response).all()


def test_leakage_shrinks_the_solution(rng):
    """The mean of ĥ converges to (R + γI)⁻¹ R h, which for white x of power 1 is h/(1 + γ)."""
    x, y, h = scene(rng, 40_000, 5)
    result = lms(x, y, 5, step_size=0.005, leakage=0.25)
    np.testing.assert_allclose(result.impulse_response, h / 1.25, atol=0.05)


def test_affine_projection_of_order_one_is_nlms(rng):
    x, y, _ = scene(rng, 800, 20, noise=0.1)
    first, second = apa(x, y, 20, order=1, regularisation=0.02), nlms(x, y, 20, regularisation=0.02)
    np.testing.assert_allclose(first.error, second.error, atol=1e-12)
    np.testing.assert_allclose(first.impulse_response, second.impulse_response, atol=1e-12)


def test_affine_projection_explains_the_last_samples(rng):
    x, y, _ = scene(rng, 300, 20, noise=0.1)
    h = apa(x, y, 20, order=3, step_size=1.0, regularisation=0.0).impulse_response
    np.testing.assert_allclose(np.convolve(x, h)[297:300], y[297:300], atol=1e-10)


def test_affine_projection_whitens_autoregressive_input(rng):
    """With an input of one coefficient, order 2 converges about as on white noise, NLMS far slower."""
    white = rng.standard_normal(6000)
    coloured = np.empty(6000)
    state = 0.0
    for n, sample in enumerate(white):
        coloured[n] = state = 0.95 * state + sample
    x, y, h = scene(rng, 0, 64, far_end=coloured)
    by_projection = misalignment(h, apa(x, y, 64, order=2, step_size=1.0, regularisation=1e-9).impulse_response)
    assert by_projection < misalignment(h, nlms(x, y, 64, step_size=1.0, regularisation=1e-9).impulse_response) - 50


def design_matrix(x, n_taps):
    return np.stack([np.concatenate([np.zeros(k), x[: x.size - k]]) for k in range(n_taps)], axis=1)


@pytest.mark.parametrize("n_taps", [1, 5, 16])
def test_growing_least_squares_is_ridge_regression(rng, n_taps):
    x, y, _ = scene(rng, 300, n_taps, noise=0.3)
    h = rls(x, y, n_taps, forgetting=1.0, regularisation=0.2, **ALWAYS, far_end_power=2.0).impulse_response
    X = design_matrix(x, n_taps)
    expected = np.linalg.solve(X.T @ X + 0.2 * n_taps * 2.0 * np.eye(n_taps), X.T @ y)
    np.testing.assert_allclose(h, expected, atol=1e-12)


@pytest.mark.parametrize("forgetting", [0.9, 0.99])
def test_forgetting_weights_the_past(rng, forgetting):
    x, y, _ = scene(rng, 300, 5, noise=0.3)
    h = rls(x, y, 5, forgetting=forgetting, regularisation=1e-13, **ALWAYS, far_end_power=1.0).impulse_response
    X, weights = design_matrix(x, 5), forgetting ** np.arange(299, -1, -1)
    np.testing.assert_allclose(h, np.linalg.solve((X.T * weights) @ X, (X.T * weights) @ y), atol=1e-9)


def test_least_squares_does_not_mind_colour(rng):
    x = np.cumsum(rng.standard_normal(1500)) * 0.1 + 0.1 * rng.standard_normal(1500)
    x, y, h = scene(rng, 0, 32, far_end=x)
    assert misalignment(h, rls(x, y, 32, regularisation=1e-9).impulse_response) < -80
    assert misalignment(h, nlms(x, y, 32, regularisation=1e-9).impulse_response) > -20


# --- what must not make them diverge ----------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [1e-6, 1e-3, 1e3, 1e6])
def test_the_scale_does_not_matter(rng, robust, scale):
    function, _, options = robust
    x, y, _ = scene(rng, 0, 24, noise=0.01, far_end=with_levels(rng, [1e-3, 1, 0, 0.3], 300))
    expected = function(x, y, 24, **options)
    both = function(scale * x, scale * y, 24, **options)
    np.testing.assert_allclose(both.error, scale * expected.error, rtol=0, atol=1e-9 * scale)
    microphone = function(x, scale * y, 24, **options)
    np.testing.assert_allclose(microphone.impulse_response, scale * expected.impulse_response, atol=1e-9 * scale)


def test_silence_teaches_nothing(method):
    function, _, options = method
    result = function(np.zeros(500), np.zeros(500), 16, **options)
    assert not result.error.any()
    assert not result.impulse_response.any()
    heard = np.sin(np.arange(500.0))
    result = function(np.zeros(500), heard, 16, **options)
    np.testing.assert_array_equal(result.error, heard)


@pytest.mark.parametrize("levels", [[1, 0, 1], [1, 1e-3, 1], [1e-3, 1], [1, 1e-3, 1e-3], [1e3, 1, 1e3], [1, 1e3]])
def test_pauses_and_jumps_of_the_far_end_do_no_harm(rng, robust, levels):
    """The microphone's own noise is 30 dB below the loud far end, hence up to 30 dB above the quiet one."""
    function, _, options = robust
    n_each = 12_000
    x, y, h = scene(rng, 0, 64, far_end=with_levels(rng, levels, n_each))
    noise = 0.03 * min(1, max(levels)) * rng.standard_normal(x.size)
    result = function(x, y + noise, 64, snapshot_every=n_each // 4, **options)
    curve = misalignment(h, result.snapshots)
    echo_left = y - result.estimate
    if levels[0] >= 1:  # once learnt, it stays learnt
        assert np.all(curve[3:] < -15)
    for part, level in enumerate(levels):
        after = slice(part * n_each + n_each // 4, (part + 1) * n_each)
        if level == max(levels):
            assert erle(y[after], echo_left[after]) > 15
        assert np.mean(echo_left[after] ** 2) <= 1.5 * np.mean((y + noise)[after] ** 2)
    assert np.all(np.isfinite(result.error))


def test_nothing_is_learnt_while_the_far_end_pauses(rng, robust):
    """However loud somebody at the near end is: the far end is 60 dB below what it was."""
    _, stream, options = robust
    x, y, _ = scene(rng, 0, 16, far_end=with_levels(rng, [1, 1e-3], 500))
    filter_ = stream(16, **options)
    filter_.push(x[:520], y[:520])  # until the filter holds nothing but the pause
    before = filter_.impulse_response
    filter_.push(x[520:], y[520:] + 10 * rng.standard_normal(480))
    np.testing.assert_array_equal(filter_.impulse_response, before)


def test_without_its_guards_nlms_does_diverge_in_pauses(rng):
    x, y, h = scene(rng, 0, 64, far_end=with_levels(rng, [1, 1e-3], 12_000))
    noisy = y + 0.03 * rng.standard_normal(x.size)
    unguarded = nlms(x, noisy, 64, regularisation=0.0, activity_threshold_db=-np.inf)
    assert misalignment(h, unguarded.impulse_response) > 15


@pytest.mark.parametrize("snr_db", [30, 10])
def test_speech_with_pauses_over_a_floor(rng, robust, snr_db):
    function, _, options = robust
    speech = 0.3 * data.speech_clip(0, 8.0) / np.abs(data.speech_clip(0, 8.0)).max()
    far_end = 1e-4 * rng.standard_normal(speech.size)
    far_end[8000:] += speech[8000:]
    far_end[64_000:80_000] = 1e-4 * rng.standard_normal(16_000)
    x, y, h = scene(rng, 0, 96, far_end=far_end)
    noisy = y + np.std(y) * 10 ** (-snr_db / 20) * rng.standard_normal(y.size)
    result = function(x, noisy, 96, snapshot_every=1000, **options)
    curve = misalignment(h, result.snapshots)
    assert np.abs(result.estimate).max() < 3 * np.abs(y).max()
    assert erle(y[80_000:], (y - result.estimate)[80_000:]) > snr_db * 0.8
    # The pause has taught nothing.
    assert abs(curve[79] - curve[65]) < 2.5


@pytest.mark.parametrize("forgetting", [0.99, 0.999, 1.0])
@pytest.mark.parametrize("far_end", ["one tone", "coarse", "short bursts", "constant"])
def test_least_squares_stands_poor_excitation(rng, far_end, forgetting):
    """Directions that nothing excites let the covariance of textbooks grow without bound."""
    n = np.arange(100_000)
    x = {
        "one tone": np.sin(0.1 * n).astype(np.float32).astype(np.float64),
        "coarse": np.round(3 * np.sin(0.01 * n)) / 3,
        "short bursts": (n % 1000 < 3) * rng.standard_normal(n.size),
        "constant": np.ones(n.size),
    }[far_end]
    x, y, _ = scene(rng, 0, 16, far_end=x)
    noisy = y + 1e-3 * rng.standard_normal(n.size)
    result = rls(x, noisy, 16, forgetting=forgetting)
    echo_left = (y - result.estimate)[5000:]
    assert np.mean(echo_left**2) < 1e-5
    assert np.linalg.norm(result.impulse_response) < 3


@pytest.mark.slow
@pytest.mark.parametrize("forgetting", [0.99, 1.0])
def test_least_squares_runs_for_a_million_samples(rng, forgetting):
    x, y, h = scene(rng, 1_000_000, 16)
    x = x.astype(np.float32).astype(np.float64)
    y = np.convolve(x, h)[: x.size] + 1e-3 * rng.standard_normal(x.size)
    result = rls(x, y, 16, forgetting=forgetting, snapshot_every=50_000)
    assert np.all(misalignment(h, result.snapshots) < -55)


def test_running_sums_leave_no_residue_behind_a_loud_passage(rng):
    """A running sum that subtracts what leaves the window would keep 1e−16 of the loud power for ever."""
    quiet = rng.standard_normal(600)
    x = np.concatenate([1e9 * rng.standard_normal(200), 1e-6 * quiet])
    x, y, _ = scene(rng, 0, 8, far_end=x)
    result = nlms(x, y, 8, activity_threshold_db=-np.inf, regularisation=0.0)
    expected, _ = _twins.nlms(x, y, np.ones(x.size, bool), 8, activity_threshold_db=-np.inf, regularisation=0.0)
    np.testing.assert_allclose(result.error[300:], expected[300:], rtol=1e-6, atol=1e-12)


def test_a_known_power_of_the_far_end_replaces_the_measured_one(rng, robust):
    function, _, options = robust
    x, y, _ = scene(rng, 2000, 16, far_end=1e-3 * rng.standard_normal(2000), noise=0.1)
    assert not function(x, y, 16, far_end_power=1.0, **options).impulse_response.any()
    assert function(x, y, 16, **options).impulse_response.any()


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: nlms([1.0, 2.0], [1.0], 2), "x and y: got 2 samples of the far end and 1"),
        (lambda: nlms([1.0, np.nan], [1.0, 1.0], 2), "x: 1 of 2 values are NaN"),
        (lambda: nlms([1.0], [1j], 2), "y: got .*expected real"),
        (lambda: nlms(np.ones((2, 3)), np.ones((2, 3)), 2), "x: got .*1 axis"),
        (lambda: nlms([], [], 2), "x: got .*at least one sample"),
        (lambda: nlms([1.0], [1.0], 0), "n_taps: got int 0"),
        (lambda: nlms([1.0], [1.0], 1, step_size=-1), "step_size: got int -1"),
        (lambda: nlms([1.0], [1.0], 1, step_size=np.nan), "step_size: got float nan"),
        (lambda: nlms([1.0], [1.0], 1, regularisation=-0.1), "regularisation: got float -0.1"),
        (lambda: nlms([1.0], [1.0], 1, activity_threshold_db=3), "activity_threshold_db: got int 3.*at most 0 dB"),
        (lambda: nlms([1.0], [1.0], 1, restart_threshold_db=-3), "restart_threshold_db: got int -3.*at least 0 dB"),
        (lambda: nlms([1.0], [1.0], 1, restart_threshold_db=np.nan), "restart_threshold_db: got float nan"),
        (lambda: nlms([1.0], [1.0], 1, far_end_power=0.0), "far_end_power: got float 0.0.*above 0"),
        (lambda: nlms([1.0], [1.0], 1, adapt=[1]), "adapt: got .*boolean array of shape"),
        (lambda: nlms([1.0], [1.0], 1, adapt=[True, False]), "adapt: got .*boolean array of shape"),
        (lambda: nlms([1.0], [1.0], 1, snapshot_every=0), "snapshot_every: got int 0"),
        (lambda: lms([1.0], [1.0], 1, step_size=0.5, leakage=3.0), "leakage: got 3 with step_size 0.5"),
        (lambda: apa([1.0], [1.0], 1, order=0), "order: got int 0"),
        (lambda: rls([1.0], [1.0], 1, forgetting=1.1), "forgetting: got float 1.1.*up to 1"),
        (lambda: rls([1.0], [1.0], 1, forgetting=0.0), "forgetting: got float 0.0.*above 0"),
        (lambda: rls([1.0], [1.0], 1, regularisation=0.0), "regularisation: got float 0.0.*above 0"),
    ],
)
def test_what_is_refused(call, match):
    with pytest.raises(ValueError, match=match):
        call()


@pytest.mark.parametrize("dtype", [np.float32, np.int16])
def test_other_types_are_computed_in_double_precision(rng, method, dtype):
    function, _, options = method
    x, y = (100 * rng.standard_normal((2, 200))).astype(dtype)
    options = {**options, "step_size": 1e-6} if function is lms else options
    result = function(x, y, 4, **options)
    np.testing.assert_array_equal(result.error, function(x.astype(float), y.astype(float), 4, **options).error)
    assert result.error.dtype == np.float64
