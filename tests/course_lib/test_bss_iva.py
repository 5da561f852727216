"""AuxIVA: the loss it lowers, the separation it finds, and input that leaves little to separate."""

from __future__ import annotations

import itertools
import os

import numpy as np
import pytest
from bss_mixtures import (
    DEGENERATE,
    changed,
    complex_normal,
    never_rises,
    signal_to_interference_db,
    silent_frames,
    silent_frequency,
)

from course_lib import _threads
from course_lib.bss import _blocks, _kernels, _twins, auxiva, project_back, projection_back_filter

SOURCE_MODELS = ("laplace", "gauss")
UPDATES = ("iss", "ip")
EVERY_VARIANT = list(itertools.product(SOURCE_MODELS, UPDATES))


def instantaneous_mixture(n_sources=2, n_freqs=30, n_frames=150, seed=0, sparsity=0.3):
    """Sources that fade over all frequencies together, mixed by a random matrix at each: exactly IVA's model."""
    rng = np.random.default_rng(seed)
    envelopes = np.sqrt(rng.gamma(sparsity, 1.0, (n_sources, 1, n_frames)))
    sources = envelopes * complex_normal(rng, n_sources, n_freqs, n_frames)
    mixing = complex_normal(rng, n_freqs, n_sources, n_sources)
    return np.einsum("kcn,nkm->ckm", mixing, sources), sources, mixing


def negative_log_likelihood(X, W, source_model):
    """The loss of a filter, from its definition."""
    Y = np.einsum("knc,ckm->nkm", W, X)
    n_freqs, n_frames = Y.shape[1:]
    power = np.sum(np.abs(Y) ** 2, axis=1)
    cost = np.sqrt(power) if source_model == "laplace" else n_freqs * np.log(power / n_freqs) + n_freqs
    gram = W @ W.conj().swapaxes(1, 2)
    return cost.sum() / n_frames - np.log(np.linalg.det(gram).real).sum()


# --- the loss ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("source_model", "update"), EVERY_VARIANT)
@pytest.mark.parametrize(("n_sources", "seed"), [(2, 1), (2, 2), (3, 3), (4, 4)])
def test_the_loss_never_rises(source_model, update, n_sources, seed):
    X, _, _ = instantaneous_mixture(n_sources, n_freqs=17, n_frames=60, seed=seed)
    losses = auxiva(X, source_model=source_model, update=update, n_iterations=40).losses
    assert losses.shape == (41,)
    assert losses[-1] < losses[0]
    assert never_rises(losses)


@pytest.mark.parametrize(("source_model", "update"), EVERY_VARIANT)
@pytest.mark.parametrize("n_iterations", [0, 1, 7])
def test_the_loss_is_the_negative_log_likelihood_of_the_filter(source_model, update, n_iterations):
    X, _, _ = instantaneous_mixture(3)
    result = auxiva(X, source_model=source_model, update=update, n_iterations=n_iterations, scale=None)
    expected = negative_log_likelihood(X, result.demixing_filter, source_model)
    assert result.losses[-1] == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("update", UPDATES)
def test_the_loss_of_a_reduced_recording_is_that_of_its_filter(update):
    rng = np.random.default_rng(5)
    X, _, _ = instantaneous_mixture(2)
    X = np.einsum("kcn,nkm->ckm", complex_normal(rng, 30, 4, 2), X)
    result = auxiva(X, 2, update=update, n_iterations=5, scale=None)
    assert result.losses[-1] == pytest.approx(negative_log_likelihood(X, result.demixing_filter, "laplace"), rel=1e-10)


# --- separation ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("source_model", "update"), EVERY_VARIANT)
@pytest.mark.parametrize("n_sources", [2, 3, 4])
def test_sources_with_common_envelopes_are_separated_without_a_permutation(source_model, update, n_sources):
    X, sources, mixing = instantaneous_mixture(n_sources)
    result = auxiva(X, source_model=source_model, update=update)
    assert signal_to_interference_db(result.demixing_filter, mixing, sources).min() > 20


def test_more_channels_than_sources_are_reduced():
    rng = np.random.default_rng(6)
    X, sources, mixing = instantaneous_mixture(2)
    extra = complex_normal(rng, 30, 5, 2)
    recorded = np.einsum("kcn,nkm->ckm", extra, X)
    result = auxiva(recorded, 2)
    assert result.demixing_filter.shape == (30, 2, 5)
    assert result.sources.shape == (2, 30, 150)
    assert signal_to_interference_db(result.demixing_filter, extra @ mixing, sources).min() > 20
    # Without noise nothing is lost, so the scaled sources add up to the reference microphone.
    np.testing.assert_allclose(result.sources.sum(axis=0), recorded[0], atol=1e-9 * np.abs(recorded).max())


@pytest.mark.parametrize(("source_model", "update"), EVERY_VARIANT)
@pytest.mark.parametrize("scale", ["projection_back", "minimal_distortion", None])
def test_sources_are_the_filter_applied_to_the_mixture(source_model, update, scale):
    X, _, _ = instantaneous_mixture(3)
    result = auxiva(X, source_model=source_model, update=update, n_iterations=10, scale=scale, reference_channel=1)
    np.testing.assert_allclose(
        result.sources, np.einsum("knc,ckm->nkm", result.demixing_filter, X), rtol=1e-10, atol=1e-13
    )


def test_the_scale_is_that_of_the_reference_microphone():
    X, _, _ = instantaneous_mixture(3)
    unscaled = auxiva(X, n_iterations=10, scale=None)
    for channel in range(3):
        result = auxiva(X, n_iterations=10, reference_channel=channel)
        np.testing.assert_allclose(result.sources.sum(axis=0), X[channel], atol=1e-10 * np.abs(X).max())
        np.testing.assert_allclose(result.demixing_filter, projection_back_filter(unscaled.demixing_filter, channel))
        np.testing.assert_allclose(result.sources, project_back(unscaled.sources, X, reference_channel=channel))


def test_both_updates_agree_on_two_sources():
    """Each sweep solves the same two least-squares problems; steering begins with the other one."""
    X, _, _ = instantaneous_mixture(2)
    for source_model in SOURCE_MODELS:
        steered = auxiva(X, source_model=source_model, update="iss", n_iterations=1).sources
        projected = auxiva(X[::-1], source_model=source_model, update="ip", n_iterations=1, reference_channel=1).sources
        np.testing.assert_allclose(steered, projected[::-1], atol=1e-9 * np.abs(X).max())
        steered, projected = (
            auxiva(X, source_model=source_model, update=update, n_iterations=400).sources for update in UPDATES
        )
        if np.abs(steered[0] - projected[0]).max() > np.abs(steered[0] - projected[1]).max():
            projected = projected[::-1]
        np.testing.assert_allclose(steered, projected, atol=1e-3 * np.abs(X).max())


@pytest.mark.parametrize("source_model", SOURCE_MODELS)
@pytest.mark.parametrize(("update", "n_sources"), [("iss", 2), ("ip", 2), ("iss", 3), ("ip", 3)])
def test_where_it_stops_the_loss_has_no_slope(source_model, update, n_sources):
    """There (1/M) Σ_m φ_n y_n yᴴ is row n of the identity: the natural gradient of the loss is zero."""
    X, _, _ = instantaneous_mixture(n_sources, n_freqs=20, n_frames=300, seed=3, sparsity=2.0)
    result = auxiva(X, source_model=source_model, update=update, n_iterations=1000, scale=None)
    Y = result.sources
    power = np.sum(np.abs(Y) ** 2, axis=1)
    weights = 0.5 / np.sqrt(power) if source_model == "laplace" else Y.shape[1] / power
    products = np.einsum("nm,nkm,jkm->knj", weights, Y, Y.conj()) / Y.shape[2]
    np.testing.assert_allclose(products, np.tile(np.eye(n_sources), (20, 1, 1)), atol=1e-6)


@pytest.mark.parametrize("n_sources", [2, 3])
def test_the_sphered_start_is_uncorrelated_and_near_the_microphones(n_sources):
    X, _, _ = instantaneous_mixture(3)
    X *= 10.0 ** np.linspace(-3, 3, 30)[:, None]
    Y = auxiva(X, n_sources, start="sphered", n_iterations=0, scale=None).sources.transpose(1, 0, 2)
    covariance = Y @ Y.conj().swapaxes(1, 2)
    powers = np.trace(covariance, axis1=1, axis2=2).real[:, None, None] / n_sources
    np.testing.assert_allclose(covariance / powers, np.tile(np.eye(n_sources), (30, 1, 1)), atol=1e-10)
    # Frequencies keep their levels, and no other rotation of the outputs fits the first microphones better.
    reduced = np.linalg.svd(X.transpose(1, 0, 2), compute_uv=False)[:, :n_sources]
    np.testing.assert_allclose(powers[:, 0, 0] / powers[0, 0, 0], np.sum(reduced**2, 1) / np.sum(reduced[0] ** 2))
    fit = Y @ X[:n_sources].transpose(1, 0, 2).conj().swapaxes(1, 2)
    np.testing.assert_allclose(fit / powers, fit.conj().swapaxes(1, 2) / powers, atol=1e-10)
    assert (np.linalg.eigvalsh(fit / powers) > -1e-10).all()


def test_the_start_decides_and_a_warm_start_takes_its_place():
    X, _, _ = instantaneous_mixture(3)
    sphered, identity = (auxiva(X, start=start, n_iterations=0, scale=None) for start in ("sphered", "identity"))
    assert not np.allclose(sphered.demixing_filter, identity.demixing_filter)
    warm = auxiva(X, demixing_filter=identity.demixing_filter, n_iterations=0, scale=None)
    np.testing.assert_allclose(warm.demixing_filter, identity.demixing_filter)


def test_a_warm_start_goes_on_where_the_other_call_stopped():
    X, _, _ = instantaneous_mixture(3)
    for source_model, update in EVERY_VARIANT:
        options = {"source_model": source_model, "update": update, "scale": None}
        whole = auxiva(X, n_iterations=50, **options)
        first = auxiva(X, n_iterations=20, **options)
        second = auxiva(X, n_iterations=30, demixing_filter=first.demixing_filter, **options)
        np.testing.assert_allclose(second.demixing_filter, whole.demixing_filter, rtol=1e-7, atol=1e-9)
        np.testing.assert_allclose(np.concatenate([first.losses, second.losses[1:]]), whole.losses, rtol=1e-10)


def test_a_warm_start_of_a_reduced_recording_goes_on_too():
    rng = np.random.default_rng(7)
    X = complex_normal(rng, 4, 20, 60)
    whole = auxiva(X, 2, n_iterations=12, scale=None)
    first = auxiva(X, 2, n_iterations=5, scale=None)
    second = auxiva(X, 2, n_iterations=7, scale=None, demixing_filter=first.demixing_filter)
    np.testing.assert_allclose(second.demixing_filter, whole.demixing_filter, rtol=1e-8, atol=1e-10)


def test_a_warm_start_may_have_any_scale_and_singular_frequencies():
    X, sources, mixing = instantaneous_mixture(2)
    for factor in (1e-9, 1e9):
        start = np.tile(factor * np.eye(2, dtype=complex), (30, 1, 1))
        start[4] = 0
        start[5] = 1
        for source_model, update in EVERY_VARIANT:
            result = auxiva(X, source_model=source_model, update=update, demixing_filter=start)
            assert never_rises(result.losses)
            assert signal_to_interference_db(result.demixing_filter, mixing, sources).min() > 20
    assert start[4].max() == 0, "the caller's array was changed"


def test_the_callback_hears_of_the_start_and_of_every_iteration():
    X, _, _ = instantaneous_mixture(2)
    calls = []
    result = auxiva(X, n_iterations=6, callback=lambda *arguments: calls.append(arguments))
    assert [iteration for iteration, _, _ in calls] == list(range(7))
    np.testing.assert_array_equal([loss for _, _, loss in calls], result.losses)
    for iteration, demixing_filter, _ in calls:
        stopped = auxiva(X, n_iterations=iteration)
        np.testing.assert_array_equal(demixing_filter, stopped.demixing_filter)


# --- invariances ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("source_model", "update"), EVERY_VARIANT)
@pytest.mark.parametrize("factor", [1e-100, 1e-8, 3.0, 1e8, 1e100])
def test_loudness_has_no_influence(source_model, update, factor):
    X, _, _ = instantaneous_mixture(3)
    X[:, :, 20:40] *= 1e-4
    X[:, 3] *= 1e-4
    quiet = auxiva(X, source_model=source_model, update=update, n_iterations=20)
    loud = auxiva(factor * X, source_model=source_model, update=update, n_iterations=20)
    np.testing.assert_allclose(loud.demixing_filter, quiet.demixing_filter, rtol=1e-6, atol=1e-9)
    # A louder recording is less likely by a constant.
    shift = 2 * 30 * 3 * np.log(factor)
    np.testing.assert_allclose(loud.losses - shift, quiet.losses, rtol=1e-9, atol=1e-9 * abs(shift))


@pytest.mark.parametrize("source_model", SOURCE_MODELS)
def test_the_order_of_channels_only_orders_the_sources(source_model):
    """At convergence; on the way there the first output is updated first."""
    X, _, _ = instantaneous_mixture(3)
    order = [2, 0, 1]
    for update in UPDATES:
        plain = auxiva(X, source_model=source_model, update=update, n_iterations=200)
        ordered = auxiva(X[order], source_model=source_model, update=update, n_iterations=200, reference_channel=1)
        distances = np.abs(plain.sources[:, None] - ordered.sources[None]).max(axis=(2, 3))
        assert sorted(distances.argmin(axis=1)) == [0, 1, 2]
        assert distances.min(axis=1).max() < 1e-2 * np.abs(X).max()


@pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
def test_sources_keep_the_precision_of_the_mixture(dtype):
    X, _, _ = instantaneous_mixture(2)
    result = auxiva(X.astype(dtype), n_iterations=5)
    assert result.sources.dtype == dtype
    assert result.demixing_filter.dtype == np.complex128
    np.testing.assert_allclose(result.sources, auxiva(X, n_iterations=5).sources, atol=1e-4)


def test_the_mixture_is_left_alone():
    X, _, _ = instantaneous_mixture(2)
    before = X.copy()
    auxiva(X, n_iterations=3)
    np.testing.assert_array_equal(X, before)


def test_any_number_of_threads_gives_the_same_bits(monkeypatch):
    X, _, _ = instantaneous_mixture(3, n_freqs=101, n_frames=200)
    results = []
    monkeypatch.setattr(_blocks, "_THREADING_THRESHOLD", 0)
    for n_cores in (1, 2, 5):
        monkeypatch.setattr(_threads, "n_cores", lambda n_cores=n_cores: n_cores)
        results.append(auxiva(X, n_iterations=8))
    for result in results[1:]:
        np.testing.assert_array_equal(result.demixing_filter, results[0].demixing_filter)
        np.testing.assert_array_equal(result.losses, results[0].losses)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the system does not bind processes to cores")
def test_threads_follow_the_cores_of_the_process():
    allowed = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert _threads.n_cores() == 1
    finally:
        os.sched_setaffinity(0, allowed)
    assert _threads.n_cores() == len(allowed)


# --- little to separate --------------------------------------------------------------------------------------------


def degenerate_mixture(change, n_sources):
    X, _, _ = instantaneous_mixture(n_sources, n_frames=90)
    return changed(X, change)


@pytest.mark.parametrize("change", DEGENERATE, ids=lambda change: change.__name__)
@pytest.mark.parametrize(("source_model", "update"), EVERY_VARIANT)
@pytest.mark.parametrize("n_sources", [2, 3])
def test_degenerate_mixtures_give_numbers_and_no_warning(change, source_model, update, n_sources):
    X = degenerate_mixture(change, n_sources)
    result = auxiva(X, source_model=source_model, update=update, n_iterations=60)
    for array in (result.sources, result.demixing_filter, result.losses):
        assert np.isfinite(array).all()
    assert never_rises(result.losses)
    np.testing.assert_allclose(result.sources.sum(axis=0), X[0], atol=1e-6 * max(np.abs(X).max(), 1e-300))


@pytest.mark.parametrize(("source_model", "update"), EVERY_VARIANT)
@pytest.mark.parametrize("change", [silent_frequency, silent_frames], ids=lambda change: change.__name__)
def test_silence_is_no_evidence(change, source_model, update):
    """Digital silence beside the sound changes neither its separation nor its loss."""
    X, _, _ = instantaneous_mixture(2)
    change(X)
    heard = X[:, np.abs(X).max(axis=(0, 2)) > 0][:, :, np.abs(X).max(axis=(0, 1)) > 0]
    whole = auxiva(X, source_model=source_model, update=update, n_iterations=20)
    part = auxiva(heard, source_model=source_model, update=update, n_iterations=20)
    np.testing.assert_allclose(whole.losses, part.losses, rtol=1e-10)
    np.testing.assert_allclose(whole.demixing_filter[-25:], part.demixing_filter[-25:], rtol=1e-8)


# --- errors --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("X", "options", "message"),
    [
        (np.ones((1, 5, 9), complex), {}, "at least 2 channels"),
        (np.ones((2, 5, 9), complex), {"n_sources": 3}, "at most one source a channel"),
        (np.ones((2, 5, 9), complex), {"n_sources": 1}, "n_sources"),
        (np.ones((2, 5, 9)), {}, "course_lib.ica"),
        (np.ones((2, 900)), {}, "n_channels, n_freqs, n_frames"),
        (np.ones((40, 9, 2), complex), {}, r"axis order \(n_channels, n_freqs, n_frames\)"),
        (np.full((2, 5, 9), np.nan + 0j), {}, "NaN"),
        (np.ones((2, 5, 9), complex), {"source_model": "cauchy"}, "'laplace', 'gauss'"),
        (np.ones((2, 5, 9), complex), {"update": "ip2"}, "'iss', 'ip'"),
        (np.ones((2, 5, 9), complex), {"scale": "unit"}, "projection_back"),
        (np.ones((2, 5, 9), complex), {"reference_channel": 2}, "reference_channel"),
        (np.ones((2, 5, 9), complex), {"n_iterations": -1}, "n_iterations"),
        (np.ones((2, 5, 9), complex), {"demixing_filter": np.ones((4, 2, 2))}, r"\(5, 2, 2\)"),
    ],
)
def test_errors_say_what_to_do(X, options, message):
    with pytest.raises(ValueError, match=message):
        auxiva(X, **options)


# --- the compiled sweep and its readable twin ----------------------------------------------------------------------


@pytest.mark.parametrize("n_sources", [2, 3, 4])
@pytest.mark.parametrize("steering", [True, False])
@pytest.mark.parametrize("empty", ["no output", "one output", "one output at one frequency", "outputs repeat"])
def test_compiled_sweep_and_twin_agree(n_sources, steering, empty):
    rng = np.random.default_rng(n_sources)
    Y = rng.standard_normal((11, n_sources, 2, 53))
    W = complex_normal(rng, 11, n_sources, n_sources)
    if empty == "one output":
        Y[:, 1] = 0
    elif empty == "one output at one frequency":
        Y[4, 0] = 1e-12 * Y[4, 1]
    elif empty == "outputs repeat":
        Y[:, -1] = Y[:, 0]
    weights = rng.uniform(0.1, 2.0, (n_sources, 53))
    compiled, readable = ((Y.copy(), W.copy()) for _ in range(2))
    power, fall = _kernels.iva_sweep(*compiled, weights, steering)
    expected_power, expected_fall = _twins.iva_sweep(*readable, weights, steering)
    np.testing.assert_allclose(power, expected_power, rtol=1e-9, atol=1e-20)
    assert fall == pytest.approx(expected_fall, rel=1e-9)
    for actual, expected in zip(compiled, readable, strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-9, atol=1e-9 * np.abs(expected).max())


def test_projection_solves_the_equation_of_the_papers():
    """In the mixture's terms: w_n ← (W U_n)⁻¹ e_n, scaled to w_nᴴ U_n w_n = 1."""
    rng = np.random.default_rng(8)
    x = complex_normal(rng, 6, 3, 40)
    weights = rng.uniform(0.1, 2.0, (3, 40))
    W = np.tile(np.eye(3, dtype=complex), (6, 1, 1))
    expected = W.copy()
    for n in range(3):
        U = np.einsum("m,kcm,kdm->kcd", weights[n], x, x.conj()) / 40
        w = np.linalg.inv(expected @ U)[:, :, n]
        w /= np.sqrt(np.einsum("kc,kcd,kd->k", w.conj(), U, w).real)[:, None]
        expected[:, n] = w.conj()
    _twins.iva_sweep(_twins.as_planes(x), W, weights, False)
    np.testing.assert_allclose(W, expected, rtol=1e-9)
