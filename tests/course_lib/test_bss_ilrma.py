"""ILRMA: the loss it lowers, the separation it finds, its source models, and input that leaves little to separate."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from bss_mixtures import DEGENERATE, changed, complex_normal, never_rises, signal_to_interference_db

from course_lib import _threads
from course_lib.bss import _blocks, _kernels, _solve, _twins, auxiva, ilrma

UPDATES = ("iss", "ip")
EVERY_VARIANT = list(itertools.product((False, True), UPDATES))
BASES = {False: 2, True: 6}


def low_rank_mixture(n_sources=2, n_freqs=40, n_frames=150, seed=0, sparsity=0.3, rank=2):
    """Sources whose power is a product of few spectra and envelopes, mixed at random at each frequency."""
    rng = np.random.default_rng(seed)
    spectra = rng.gamma(sparsity, 1.0, (n_sources, n_freqs, rank))
    envelopes = rng.gamma(sparsity, 1.0, (n_sources, rank, n_frames))
    sources = np.sqrt(spectra @ envelopes + 1e-4) * complex_normal(rng, n_sources, n_freqs, n_frames)
    mixing = complex_normal(rng, n_freqs, n_sources, n_sources)
    return np.einsum("kcn,nkm->ckm", mixing, sources), sources, mixing


def run(X, partitioned=False, seed=0, **options):
    options.setdefault("n_bases", BASES[partitioned])
    return ilrma(X, partitioned=partitioned, rng=np.random.default_rng(seed), **options)


def model_power(result):
    if result.partition is None:
        return result.bases @ result.activations
    return np.einsum("nb,kb,bm->nkm", result.partition, result.bases, result.activations)


def negative_log_likelihood(X, result):
    """The loss of a result with scale=None, from its definition and with the floor that the module states."""
    Y = np.einsum("knc,ckm->nkm", result.demixing_filter, X)
    R = model_power(result) + 1e-10
    gram = result.demixing_filter @ result.demixing_filter.conj().swapaxes(1, 2)
    return np.sum(np.abs(Y) ** 2 / R + np.log(R)) / X.shape[2] - np.log(np.linalg.det(gram).real).sum()


# --- the loss ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("partitioned", "update"), EVERY_VARIANT)
@pytest.mark.parametrize("start", ["identity", "iva"])
@pytest.mark.parametrize(("n_sources", "n_bases", "seed"), [(2, 1, 1), (2, 5, 2), (3, 2, 3), (4, 3, 4)])
def test_the_loss_never_rises(partitioned, update, start, n_sources, n_bases, seed):
    X, _, _ = low_rank_mixture(n_sources, n_freqs=17, n_frames=60, seed=seed)
    result = run(X, partitioned, seed, update=update, start=start, n_bases=n_bases, n_iterations=40)
    assert result.losses.shape == (41,)
    assert result.losses[-1] < result.losses[0]
    assert never_rises(result.losses)


@pytest.mark.parametrize(("partitioned", "update"), EVERY_VARIANT)
@pytest.mark.parametrize("n_iterations", [0, 1, 7])
def test_the_loss_is_the_negative_log_likelihood_of_filter_and_models(partitioned, update, n_iterations):
    X, _, _ = low_rank_mixture(3)
    result = run(X, partitioned, update=update, n_iterations=n_iterations, scale=None)
    assert result.losses[-1] == pytest.approx(negative_log_likelihood(X, result), rel=1e-10)


def test_the_loss_of_a_reduced_recording_is_that_of_its_filter():
    X, _, _ = low_rank_mixture(2)
    X = np.einsum("kcn,nkm->ckm", complex_normal(np.random.default_rng(5), 40, 4, 2), X)
    result = run(X, n_sources=2, n_iterations=5, scale=None)
    assert result.losses[-1] == pytest.approx(negative_log_likelihood(X, result), rel=1e-10)


def test_the_loss_is_exact_where_products_of_models_overflow():
    """The compiled loss takes one logarithm of eight factors, which may be far apart."""
    rng = np.random.default_rng(3)
    Y = rng.standard_normal((1, 2, 2, 43))
    T, V = np.ones((1, 2, 1)), 10.0 ** rng.uniform(-200, 200, (2, 1, 43))
    *_, loss, _ = _kernels.ilrma_sweep(Y, np.eye(2, dtype=complex)[None], T, V, True, False, False)
    R = V[:, 0] + _twins.MODEL_FLOOR
    assert loss == pytest.approx(np.sum((Y[0, :, 0] ** 2 + Y[0, :, 1] ** 2) / R + np.log(R)), rel=1e-12)


@pytest.mark.parametrize("partitioned", [False, True])
def test_an_iteration_is_that_of_the_papers(partitioned):
    """Partition, bases and activations by their multipliers, then w_n ← (W U_n)⁻¹ e_n for one row after the other."""
    X, _, _ = low_rank_mixture(3)
    before = run(X, partitioned, n_iterations=3, scale=None)
    after = run(X, partitioned, update="ip", n_iterations=1, scale=None, continue_from=before)
    P = np.abs(before.sources) ** 2
    if partitioned:
        Z, T, V = before.partition.copy(), before.bases.copy(), before.activations.copy()
        product, factors = "nb,kb,bm->nkm", [Z, T, V]
        terms = ["kb,bm,nkm->nb", "nb,bm,nkm->kb", "nb,kb,nkm->bm"]
    else:
        T, V = before.bases.copy(), before.activations.copy()
        product, factors = "nkb,nbm->nkm", [T, V]
        terms = ["nbm,nkm->nkb", "nkb,nkm->nbm"]
    for i, term in enumerate(terms):
        R = np.einsum(product, *factors) + 1e-10
        others = factors[:i] + factors[i + 1 :]
        factors[i] *= np.sqrt(np.einsum(term, *others, P / R**2) / np.einsum(term, *others, 1 / R))
        if partitioned and i == 0:
            factors[1] *= Z.sum(axis=0)
            Z /= Z.sum(axis=0)
    models = [after.partition, after.bases, after.activations]
    for actual, expected in zip(models[-len(terms) :], factors, strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-9, atol=1e-12)
    R = np.einsum(product, *factors) + 1e-10
    W = before.demixing_filter.copy()
    for n in range(3):
        U = np.einsum("km,ckm,dkm->kcd", 1 / R[n], X, X.conj()) / X.shape[2]
        w = np.linalg.inv(W @ U)[:, :, n]
        w /= np.sqrt(np.einsum("kc,kcd,kd->k", w.conj(), U, w).real)[:, None]
        W[:, n] = w.conj()
    np.testing.assert_allclose(after.demixing_filter, W, rtol=1e-6, atol=1e-9 * np.abs(W).max())


# --- separation ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("partitioned", "update"), EVERY_VARIANT)
@pytest.mark.parametrize("n_sources", [2, 3])
def test_low_rank_sources_are_separated(partitioned, update, n_sources):
    X, sources, mixing = low_rank_mixture(n_sources)
    results = [run(X, partitioned, seed, update=update, n_iterations=100) for seed in range(3)]
    best = min(results, key=lambda result: result.losses[-1])
    assert signal_to_interference_db(best.demixing_filter, mixing, sources).min() > 20


def test_more_channels_than_sources_are_reduced():
    X, sources, mixing = low_rank_mixture(2)
    extra = complex_normal(np.random.default_rng(6), 40, 5, 2)
    recorded = np.einsum("kcn,nkm->ckm", extra, X)
    result = run(recorded, n_sources=2)
    assert result.demixing_filter.shape == (40, 2, 5)
    assert signal_to_interference_db(result.demixing_filter, extra @ mixing, sources).min() > 20
    np.testing.assert_allclose(result.sources.sum(axis=0), recorded[0], atol=1e-9 * np.abs(recorded).max())


@pytest.mark.parametrize(("partitioned", "update"), EVERY_VARIANT)
@pytest.mark.parametrize("scale", ["projection_back", "minimal_distortion", None])
def test_sources_are_the_filter_applied_to_the_mixture(partitioned, update, scale):
    X, _, _ = low_rank_mixture(3)
    result = run(X, partitioned, update=update, n_iterations=10, scale=scale, reference_channel=1)
    np.testing.assert_allclose(result.sources, np.einsum("knc,ckm->nkm", result.demixing_filter, X), rtol=1e-9)
    if scale == "projection_back":
        np.testing.assert_allclose(result.sources.sum(axis=0), X[1], atol=1e-9 * np.abs(X).max())


@pytest.mark.parametrize("scale", ["projection_back", "minimal_distortion", None])
def test_bases_and_activations_model_the_power_of_the_sources(scale):
    X, _, _ = low_rank_mixture(2, sparsity=2.0)
    result = run(X, scale=scale, n_iterations=60)
    assert result.bases.shape == (2, 40, 2)
    assert result.activations.shape == (2, 2, 150)
    # Itakura–Saito's best scale at each frequency makes the mean quotient one.
    np.testing.assert_allclose(np.mean(np.abs(result.sources) ** 2 / model_power(result), axis=2), 1, atol=0.02)


def test_the_partition_says_how_much_of_a_basis_is_whose():
    X, _, _ = low_rank_mixture(2)
    result = run(X, True, n_iterations=100, scale=None)
    assert result.partition.shape == (2, 6)
    assert result.bases.shape == (40, 6)
    assert result.activations.shape == (6, 150)
    np.testing.assert_allclose(result.partition.sum(axis=0), 1)
    assert result.partition.max(axis=0).mean() > 0.9


def test_both_updates_agree_on_two_sources():
    """Each solves the same two least-squares problems, steering the other one first; their lengths differ."""
    rng = np.random.default_rng(4)
    y, R = complex_normal(rng, 9, 2, 50), rng.uniform(0.1, 2.0, (9, 2, 50))
    filters = []
    for order, steering in ((slice(None), True), (slice(None, None, -1), False)):
        W = np.tile(np.eye(2, dtype=complex), (9, 1, 1))
        _twins.spatial_update(_twins.as_planes(y[:, order]), W, R[:, order], steering)
        filters.append(W[:, order, order] / np.linalg.norm(W[:, order, order], axis=2, keepdims=True))
    np.testing.assert_allclose(filters[0], filters[1], rtol=1e-9)


@pytest.mark.parametrize(("partitioned", "update"), EVERY_VARIANT)
def test_where_it_stops_the_loss_has_no_slope(partitioned, update):
    """There (1/M) Σ_m y_n yᴴ/R_n is row n of the identity, and the slope along every basis and activation is zero.

    One basis a source: with more, a basis and a row of W may join to null a single frame, and the loss has no minimum.
    """
    X, _, _ = low_rank_mixture(2, n_freqs=10, n_frames=200, sparsity=2.0)
    result = run(X, partitioned, update=update, n_iterations=3000, scale=None, n_bases=2 if partitioned else 1)
    tolerance = 5e-3 if partitioned else 1e-6
    R = model_power(result) + 1e-10
    Y, T, V = result.sources, result.bases, result.activations
    products = np.einsum("nkm,nkm,jkm->knj", 1 / R, Y, Y.conj()) / 200
    np.testing.assert_allclose(products, np.tile(np.eye(2), (10, 1, 1)), atol=tolerance)
    slope = 1 / R - np.abs(Y) ** 2 / R**2
    bases, activations = ("nb,kb,bm->kb", "nb,kb,bm->bm") if partitioned else ("nkb,nbm->nkb", "nkb,nbm->nbm")
    for outputs in (bases, activations):
        along, size = (
            np.einsum("nkm," + outputs, s, *([result.partition] if partitioned else []), T, V) for s in (slope, 1 / R)
        )
        assert np.abs(along).max() < tolerance * size.max()


# --- starts --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("partitioned", "update"), EVERY_VARIANT)
def test_continuing_goes_on_where_the_other_call_stopped(partitioned, update):
    X, _, _ = low_rank_mixture(3)
    X[:, 0] = 0
    X[:, :, 5:9] = 0
    whole = run(X, partitioned, update=update, n_iterations=50, scale=None)
    first = run(X, partitioned, update=update, n_iterations=20, scale=None)
    second = run(X, partitioned, seed=9, update=update, n_iterations=30, scale=None, continue_from=first)
    np.testing.assert_allclose(np.concatenate([first.losses, second.losses[1:]]), whole.losses, rtol=1e-9)
    np.testing.assert_allclose(second.demixing_filter, whole.demixing_filter, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(second.bases, whole.bases, rtol=1e-6, atol=1e-9)
    assert first.bases is not second.bases


def test_a_warm_start_takes_the_place_of_the_start():
    X, _, _ = low_rank_mixture(2)
    filters = auxiva(X, source_model="gauss", n_iterations=30).demixing_filter
    by_hand = run(X, demixing_filter=1e5 * filters)
    built_in = run(X, start="iva", start_iterations=30)
    np.testing.assert_allclose(by_hand.losses, built_in.losses, rtol=1e-9)
    np.testing.assert_allclose(by_hand.demixing_filter, built_in.demixing_filter, rtol=1e-6, atol=1e-9)


def test_the_random_generator_decides_the_models_and_nothing_else():
    X, _, _ = low_rank_mixture(2)
    first, again, other = (run(X, seed=seed, n_iterations=5) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.demixing_filter, again.demixing_filter)
    assert not np.array_equal(first.demixing_filter, other.demixing_filter)


def test_the_callback_hears_of_the_start_and_of_every_iteration():
    X, _, _ = low_rank_mixture(2)
    for partitioned in (False, True):
        calls = []
        result = run(X, partitioned, n_iterations=4, callback=lambda *arguments: calls.append(arguments))  # noqa: B023
        assert [iteration for iteration, _, _ in calls] == list(range(5))
        np.testing.assert_array_equal([loss for _, _, loss in calls], result.losses)
        for iteration, demixing_filter, _ in calls:
            stopped = run(X, partitioned, n_iterations=iteration)
            np.testing.assert_array_equal(demixing_filter, stopped.demixing_filter)


# --- invariances ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("partitioned", "update"), EVERY_VARIANT)
@pytest.mark.parametrize("factor", [1e-8, 3.0, 2.0**20, 1e8])
def test_loudness_has_no_influence(partitioned, update, factor):
    X, _, _ = low_rank_mixture(3)
    X[:, :, 20:40] *= 1e-3
    X[:, 3] *= 1e-3
    quiet = run(X, partitioned, update=update, n_iterations=10)
    loud = run(factor * X, partitioned, update=update, n_iterations=10)
    # Factors that are no powers of two round, and sixty iterations make more of it.
    tolerance = 1e-12 if factor == 2.0**20 else 1e-4
    np.testing.assert_allclose(loud.demixing_filter, quiet.demixing_filter, rtol=tolerance, atol=tolerance)
    shift = 2 * 40 * 3 * np.log(factor)
    np.testing.assert_allclose(loud.losses - shift, quiet.losses, rtol=tolerance, atol=1e-9 * abs(shift))


@pytest.mark.parametrize("update", UPDATES)
def test_scaling_rows_with_their_bases_changes_no_path(update):
    """Why nothing is normalised between iterations: a scaled row and its scaled bases go the same way."""
    X, _, _ = low_rank_mixture(3)
    first = run(X, update=update, n_iterations=5, scale=None)
    rows = np.random.default_rng(1).uniform(0.5, 2.0, (40, 3))
    moved = type(first)(
        first.sources,
        first.demixing_filter * rows[:, :, None],
        first.losses,
        first.bases * (rows.T**2)[:, :, None],
        first.activations,
    )
    plain = run(X, update=update, n_iterations=10, continue_from=first)
    scaled = run(X, update=update, n_iterations=10, continue_from=moved)
    np.testing.assert_allclose(scaled.losses, plain.losses, rtol=1e-6)
    np.testing.assert_allclose(scaled.demixing_filter, plain.demixing_filter, rtol=1e-4, atol=1e-6)


def test_sources_keep_the_precision_of_the_mixture():
    X, _, _ = low_rank_mixture(2)
    result = run(X.astype(np.complex64), n_iterations=5)
    assert result.sources.dtype == np.complex64
    np.testing.assert_allclose(result.sources, run(X, n_iterations=5).sources, atol=1e-3)


@pytest.mark.parametrize("partitioned", [False, True])
def test_any_number_of_threads_gives_the_same_bits(monkeypatch, partitioned):
    X, _, _ = low_rank_mixture(3, n_freqs=101)
    results = []
    monkeypatch.setattr(_blocks, "_THREADING_THRESHOLD", 0)
    for n_cores in (1, 2, 5):
        monkeypatch.setattr(_threads, "n_cores", lambda n_cores=n_cores: n_cores)
        results.append(run(X, partitioned, n_iterations=8))
    for result in results[1:]:
        np.testing.assert_array_equal(result.demixing_filter, results[0].demixing_filter)
        np.testing.assert_array_equal(result.losses, results[0].losses)


# --- little to separate --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("change", DEGENERATE, ids=lambda change: change.__name__)
@pytest.mark.parametrize(("partitioned", "update"), EVERY_VARIANT)
@pytest.mark.parametrize(("start", "n_sources"), [("identity", 2), ("iva", 2), ("iva", 3)])
def test_degenerate_mixtures_give_numbers_and_no_warning(change, partitioned, update, start, n_sources):
    X, _, _ = low_rank_mixture(n_sources, n_freqs=30, n_frames=90)
    X = changed(X, change)
    result = run(X, partitioned, update=update, start=start, n_iterations=60)
    for array in (result.sources, result.demixing_filter, result.losses, result.bases, result.activations):
        assert np.isfinite(array).all()
    assert never_rises(result.losses)
    np.testing.assert_allclose(result.sources.sum(axis=0), X[0], atol=1e-6 * max(np.abs(X).max(), 1e-300))


# --- errors --------------------------------------------------------------------------------------------------------

SMALL = np.ones((2, 5, 9), complex)


@pytest.mark.parametrize(
    ("X", "options", "message"),
    [
        (np.ones((1, 5, 9), complex), {}, "at least 2 channels"),
        (SMALL, {"n_sources": 3}, "at most one source a channel"),
        (SMALL.real, {}, "course_lib.ica"),
        (np.ones((40, 9, 2), complex), {}, r"axis order \(n_channels, n_freqs, n_frames\)"),
        (SMALL, {"n_bases": 0}, "n_bases"),
        (SMALL, {"start": "zeros"}, "'identity', 'iva'"),
        (SMALL, {"start_iterations": -1}, "start_iterations"),
        (SMALL, {"update": "ip2"}, "'iss', 'ip'"),
        (SMALL, {"demixing_filter": np.ones((4, 2, 2))}, r"\(5, 2, 2\)"),
    ],
)
def test_errors_say_what_to_do(X, options, message):
    with pytest.raises(ValueError, match=message):
        run(X, **options)


def test_continuing_from_something_else_is_refused():
    X, _, _ = low_rank_mixture(2)
    plain, shared = run(X, n_iterations=1, scale=None), run(X, True, n_iterations=1, scale=None)
    with pytest.raises(ValueError, match="without bases"):
        run(X, continue_from=auxiva(X, n_iterations=1))
    with pytest.raises(ValueError, match="partitioned"):
        run(X, continue_from=shared)
    with pytest.raises(ValueError, match="one of the two"):
        run(X, continue_from=plain, demixing_filter=plain.demixing_filter)
    with pytest.raises(ValueError, match="expected those of 40 frequencies and 100 frames"):
        run(X[:, :, :100], continue_from=plain)


# --- the compiled sweeps and their readable twins ------------------------------------------------------------------


def assert_same(compiled, readable):
    for actual, expected in zip(compiled, readable, strict=True):
        scale = np.abs(expected).max()
        np.testing.assert_allclose(actual, expected, rtol=1e-9, atol=1e-9 * scale)


@pytest.mark.parametrize("n_sources", [2, 3, 4])
@pytest.mark.parametrize("steering", [True, False])
@pytest.mark.parametrize(("update_filter", "update_bases"), list(itertools.product((True, False), repeat=2)))
def test_plain_sweep_and_twin_agree(n_sources, steering, update_filter, update_bases):
    rng = np.random.default_rng(n_sources)
    state = (
        rng.standard_normal((11, n_sources, 2, 53)),
        complex_normal(rng, 11, n_sources, n_sources),
        rng.uniform(0.0, 1.0, (11, n_sources, 3)),
    )
    state[2][3, 1] = 0
    V = rng.uniform(0.0, 1.0, (n_sources, 3, 53))
    V[0, 1] = 0
    compiled, readable = ([array.copy() for array in state] for _ in range(2))
    options = (V, steering, update_filter, update_bases)
    assert_same(_kernels.ilrma_sweep(*compiled, *options), _twins.ilrma_sweep(*readable, *options))
    assert_same(compiled, readable)


@pytest.mark.parametrize("n_sources", [2, 3, 4])
@pytest.mark.parametrize("steering", [True, False])
@pytest.mark.parametrize("update_filter", [True, False])
def test_partitioned_sweeps_and_twins_agree(n_sources, steering, update_filter):
    rng = np.random.default_rng(n_sources)
    state = (
        rng.standard_normal((11, n_sources, 2, 53)),
        complex_normal(rng, 11, n_sources, n_sources),
        rng.uniform(0.0, 1.0, (11, 5)),
    )
    V, Z = rng.uniform(0.0, 1.0, (5, 53)), rng.uniform(0.0, 1.0, (n_sources, 5))
    V[1] = 0
    compiled, readable = ([array.copy() for array in state] for _ in range(2))
    options = (V, Z, steering, update_filter)
    assert_same(_kernels.partition_sweep(*compiled, *options), _twins.partition_sweep(*readable, *options))
    assert_same(compiled, readable)
    shared = [(Y, T, V, Z) for Y, _, T in (compiled, readable)]
    assert_same(_kernels.shared_bases_sweep(*shared[0]), _twins.shared_bases_sweep(*shared[1]))
    assert_same(compiled, readable)


def test_one_flat_basis_a_source_is_gauss_iva():
    """With bases of ones that stay, the model of ILRMA is a variance for each source and frame."""
    rng = np.random.default_rng(2)
    Y = rng.standard_normal((9, 3, 2, 40))
    W = complex_normal(rng, 9, 3, 3)
    variance = np.mean(Y[:, :, 0] ** 2 + Y[:, :, 1] ** 2, axis=0)
    weights, _ = _solve._contrast(9 * variance, 9, "gauss")
    iva, low_rank = ([Y.copy(), W.copy()] for _ in range(2))
    _kernels.iva_sweep(*iva, weights, True)
    _kernels.ilrma_sweep(*low_rank, np.ones((9, 3, 1)), variance[:, None], True, True, False)
    for actual, expected in zip(low_rank, iva, strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-7, atol=1e-8)
