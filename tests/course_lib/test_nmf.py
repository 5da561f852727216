"""NMF: losses that never rise, stationary points, agreement with peers and the plain sweep, silence, refusals."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from course_lib import _threads
from course_lib._nmf_sweeps import Problem, Sweeps, sweep_plainly
from course_lib.masks import apply_mask, wiener_masks
from course_lib.nmf import divergence, nmf, nndsvd, normalise, part_powers

DIVERGENCES = ("frobenius", "kl", "is")
BETA = {"frobenius": 2, "kl": 1, "is": 0}


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(5)


def spectrogram(n_freqs=31, n_frames=43, rank=4, seed=0, noise=0.05) -> np.ndarray:
    """Make a power-like spectrogram of some parts and a little noise, over a range of 60 dB."""
    rng = np.random.default_rng(seed)
    V = rng.exponential(1, (n_freqs, rank)) @ rng.exponential(1, (rank, n_frames)) + noise * rng.random(
        (n_freqs, n_frames)
    )
    return V * 10 ** np.linspace(0, -6, n_freqs)[:, None]


def with_silence(V: np.ndarray) -> np.ndarray:
    V = V.copy()
    V[:, 5:9] = 0
    V[3] = 0
    V[7, 20] = 0
    return V


def assert_never_rises(losses: np.ndarray, tolerance: float = 1e-10) -> None:
    assert np.isfinite(losses).all()
    assert (losses >= 0).all()
    rises = np.diff(losses) - tolerance * losses[:-1]
    assert rises.max() <= 0, f"iteration {rises.argmax() + 1}: {losses[rises.argmax() : rises.argmax() + 2]}"


# --- monotone ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", DIVERGENCES)
@pytest.mark.parametrize("sparsity", [0.0, 0.05, 1.0, 30.0])
@pytest.mark.parametrize("n_fixed", [0, 2, 5])
@pytest.mark.parametrize("start", ["random", "nndsvd"])
@pytest.mark.parametrize("silent", [False, True])
def test_loss_never_rises(name, sparsity, n_fixed, start, silent):
    for seed in range(3):
        V = spectrogram(seed=seed)
        V = with_silence(V) if silent else V
        rng = np.random.default_rng(seed)
        dictionary = 10 ** rng.uniform(-3, 3, n_fixed) * rng.random((V.shape[0], n_fixed)) if n_fixed else None
        result = nmf(
            V, 5, divergence=name, n_iterations=60, start=start, sparsity=sparsity, fixed_dictionary=dictionary, rng=rng
        )
        assert result.losses.shape == (61,)
        assert_never_rises(result.losses)
        assert result.losses[-1] < 0.99 * result.losses[0]


@pytest.mark.parametrize("name", DIVERGENCES)
def test_loss_never_rises_in_float32(name):
    V = with_silence(spectrogram()).astype(np.float32)
    result = nmf(V, 5, divergence=name, n_iterations=80, sparsity=0.1, rng=np.random.default_rng(0))
    assert result.W.dtype == result.H.dtype == np.float32
    assert_never_rises(result.losses, 1e-5)


def test_normalising_after_an_unpenalised_step_would_raise_the_loss(rng):
    """What the majoriser that holds the norm is for: the same data, updated without it, climbs."""
    V = spectrogram(noise=0.0)
    H, W = rng.random((5, V.shape[1])), rng.random((V.shape[0], 5))
    losses = []
    for _ in range(30):
        W *= (V / (W @ H)) @ H.T / H.sum(axis=1)
        W /= np.linalg.norm(W, axis=0)
        H *= W.T @ (V / (W @ H)) / (W.sum(axis=0)[:, None] + 3.0)
        losses.append(divergence(V, W @ H, "kl") + 3.0 * H.sum())
    assert np.diff(losses).max() > 0
    result = nmf(V, 5, divergence="kl", sparsity=3.0, n_iterations=300, rng=np.random.default_rng(0))
    assert_never_rises(result.losses)


@pytest.mark.parametrize("name", DIVERGENCES)
def test_losses_are_what_they_are_said_to_be(name):
    V = with_silence(spectrogram())
    for sparsity in (0.0, 0.7):
        result = nmf(V, 4, divergence=name, n_iterations=7, sparsity=sparsity, rng=np.random.default_rng(0))
        penalty = sparsity * V.mean() ** (BETA[name] - 1) * result.H.sum()
        assert result.losses[-1] == pytest.approx(divergence(V, result.W @ result.H, name) + penalty, rel=1e-9)


# --- solutions ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", DIVERGENCES)
@pytest.mark.parametrize("start", ["random", "nndsvd"])
def test_rank_one_is_recovered(rng, name, start):
    w, h = rng.random(20) + 0.01, rng.random(30) + 0.01
    result = nmf(np.outer(w, h), 1, divergence=name, n_iterations=100, start=start, rng=rng)
    np.testing.assert_allclose(result.W @ result.H, np.outer(w, h), rtol=1e-10)
    np.testing.assert_allclose(result.W[:, 0], w / np.linalg.norm(w), rtol=1e-10)
    np.testing.assert_allclose(result.H[0], h * np.linalg.norm(w), rtol=1e-10)
    assert result.losses[-1] <= 1e-12 * divergence(np.outer(w, h), 2 * np.outer(w, h), name)


@pytest.mark.parametrize("name", DIVERGENCES)
@pytest.mark.parametrize("sparsity", [0.0, 0.5])
def test_many_iterations_end_at_a_stationary_point(name, sparsity):
    """The conditions of Karush, Kuhn and Tucker: no slope where an entry is positive, none below zero where it is 0."""
    rng = np.random.default_rng(3)
    V = rng.exponential(1, (6, 2)) @ rng.exponential(1, (2, 8)) + 0.5 * rng.random((6, 8))
    result = nmf(V, 2, divergence=name, n_iterations=4000, sparsity=sparsity, rng=np.random.default_rng(1))
    W, H, beta = result.W, result.H, BETA[name]
    V_hat = W @ H
    slope = V_hat ** (beta - 1) - V * V_hat ** (beta - 2)
    weight = sparsity * V.mean() ** (beta - 1)
    norms = np.linalg.norm(W, axis=0)
    tolerance = np.sum(V_hat**beta) * (1e-4 if name == "frobenius" else 1e-6)  # Frobenius converges slowly
    for factor, gradient in (
        (H, W.T @ slope + weight * norms[:, None]),
        (W, slope @ H.T + weight * W / norms * H.sum(axis=1)),
    ):
        assert np.abs(gradient * factor).max() < tolerance
        assert gradient.min() * factor.max() > -tolerance


@pytest.mark.parametrize("name", DIVERGENCES)
def test_supervised_ends_where_no_other_activation_is_better(rng, name):
    """With W fixed, Frobenius and Kullback–Leibler are convex in H: any start ends at the same model."""
    V, W = spectrogram(noise=0.3), rng.random((31, 3))
    results = [
        nmf(V, 3, divergence=name, n_iterations=3000, fixed_dictionary=W, rng=np.random.default_rng(seed))
        for seed in range(2)
    ]
    if name != "is":
        np.testing.assert_allclose(results[0].W @ results[0].H, results[1].W @ results[1].H, rtol=1e-4, atol=1e-6)
    if name == "frobenius":
        import scipy.optimize

        best = np.stack([scipy.optimize.nnls(W, frame)[0] for frame in V.T], axis=1)
        assert results[0].losses[-1] == pytest.approx(divergence(V, W @ best, name), rel=1e-6)


def test_sparsity_makes_activations_sparse():
    V = spectrogram(noise=0.2)
    shares = []
    for sparsity in (0.0, 0.5, 2.0):
        H = nmf(V, 6, divergence="kl", n_iterations=500, sparsity=sparsity, rng=np.random.default_rng(0)).H
        shares.append(np.mean(1e-3 * H.max() > H))
    assert shares[0] < shares[1] < shares[2]


# --- peers and twins ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "silent"),
    # scikit-learn refuses zeros for Itakura–Saito
    [("frobenius", False), ("frobenius", True), ("kl", False), ("kl", True), ("is", False)],
)
@pytest.mark.parametrize("n_iterations", [1, 2, 40])
def test_agrees_with_scikit_learn(rng, name, n_iterations, silent):
    from sklearn.decomposition import non_negative_factorization
    from sklearn.exceptions import ConvergenceWarning

    V = with_silence(spectrogram()) if silent else spectrogram()
    W, H = rng.random((31, 4)), rng.random((4, 43))
    with pytest.warns(ConvergenceWarning):
        W_peer, H_peer, _ = non_negative_factorization(
            V, W.copy(), H.copy(), n_components=4, init="custom", solver="mu", beta_loss=BETA[name],
            max_iter=n_iterations, tol=1e-30,
        )  # fmt: skip
    result = nmf(V, 4, divergence=name, n_iterations=n_iterations, W=W, H=H)
    np.testing.assert_allclose(result.W @ result.H, W_peer @ H_peer, rtol=1e-6, atol=1e-12 * V.max())
    W_peer, H_peer = normalise(W_peer, H_peer)
    np.testing.assert_allclose(result.W, W_peer, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(result.H, H_peer, rtol=1e-6, atol=1e-9 * H_peer.max())


@pytest.mark.parametrize("name", DIVERGENCES)
@pytest.mark.parametrize("shape", [(1, 1, 1), (513, 3, 2), (2, 200, 3), (33, 1, 1), (100, 131, 7), (257, 500, 20)])
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-9), (np.float32, 1e-4)])
def test_compiled_sweep_agrees_with_the_plain_one(name, shape, dtype, tolerance):
    n_freqs, n_frames, n_components = shape
    rng = np.random.default_rng(7)
    V = np.asfortranarray(rng.exponential(1, (n_freqs, n_frames)).astype(dtype))
    V[rng.random(V.shape) < 0.1] = 0
    W = np.asfortranarray(rng.random((n_freqs, n_components)).astype(dtype))
    H = np.asfortranarray(rng.random((n_components, n_frames)).astype(dtype))
    W[:, 0], H[:, 0] = (0, 0) if n_components > 1 else (W[:, 0], H[:, 0])
    background = 0.0 if name == "frobenius" else 1e-12
    V += dtype(background)
    problem = Problem(V, BETA[name], background, penalty=0.3)
    with Sweeps(problem, n_components) as sweeps:
        for update in (False, True, True):
            H_plain = H.copy(order="F")
            expected = sweep_plainly(problem, W, H_plain, update=update)
            actual = sweeps.run(W, H, update=update)
            np.testing.assert_allclose(H, H_plain, rtol=tolerance)
            assert actual.divergence == pytest.approx(expected.divergence, rel=tolerance, abs=tolerance * V.size)
            for got, wanted in ((actual.pull, expected.pull), (actual.push, expected.push)):
                np.testing.assert_allclose(np.broadcast_to(got, wanted.shape), wanted, rtol=tolerance, atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_logarithms(rng, dtype):
    from course_lib._nmf_kernels import logarithm_tables, take_logarithms

    x = np.concatenate([10 ** rng.uniform(-30, 30, 1000), 1 + rng.uniform(-0.5, 1, 1000), [1.0, 0.5, 2.0]]).astype(
        dtype
    )
    expected = np.log(x.astype(np.float64))
    float_format, constants, whole_numbers = logarithm_tables(np.dtype(dtype))
    take_logarithms(x, x.view(whole_numbers.dtype), np.empty_like(x), float_format, constants)
    np.testing.assert_allclose(x, expected, rtol=4 * np.finfo(dtype).eps, atol=4 * np.finfo(dtype).eps)
    zero = np.zeros(1, dtype)
    take_logarithms(zero, zero.view(whole_numbers.dtype), np.empty_like(zero), float_format, constants)
    assert np.isfinite(zero).all()


@pytest.mark.parametrize("name", ["kl", "is"])
def test_result_does_not_depend_on_the_number_of_threads(monkeypatch, name):
    V = spectrogram(257, 450)
    results = []
    for n_cores in (1, 2, 3):
        monkeypatch.setattr(_threads, "n_cores", lambda n_cores=n_cores: n_cores)
        results.append(nmf(V, 20, divergence=name, n_iterations=5, rng=np.random.default_rng(0)))
    for other in results[1:]:
        np.testing.assert_array_equal(other.W, results[0].W)
        np.testing.assert_array_equal(other.H, results[0].H)
        np.testing.assert_array_equal(other.losses, results[0].losses)


def test_nndsvd_agrees_with_scikit_learn_where_it_fills_nothing():
    import sklearn.decomposition._nmf as peer

    V = spectrogram(rank=5, noise=0.0)
    W, H = nndsvd(V, 5)
    W_peer, H_peer = peer._initialize_nmf(V, 5, init="nndsvd", random_state=0)
    assert 0 < np.mean(W_peer == 0) < 0.7
    for ours, theirs in ((W, W_peer), (H, H_peer)):
        raised = ours == ours.min()
        assert np.all(theirs[raised] <= ours.min())
        np.testing.assert_allclose(ours[~raised], theirs[~raised], rtol=1e-6)
        assert 0.1 < np.mean(raised) < 0.9


# --- invariances -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", DIVERGENCES)
@pytest.mark.parametrize("start", ["random", "nndsvd"])
@pytest.mark.parametrize("scale", [1e-30, 1e-6, 1e6, 3e20])
def test_a_louder_recording_takes_the_same_path(name, start, scale):
    V = with_silence(spectrogram())
    options = {"divergence": name, "n_iterations": 30, "start": start, "sparsity": 0.2}
    quiet = nmf(V, 4, rng=np.random.default_rng(3), **options)
    loud = nmf(scale * V, 4, rng=np.random.default_rng(3), **options)
    np.testing.assert_allclose(loud.W, quiet.W, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(loud.H, scale * quiet.H, rtol=1e-6, atol=1e-9 * scale * quiet.H.max())
    np.testing.assert_allclose(loud.losses, quiet.losses * scale ** BETA[name], rtol=1e-9)


@pytest.mark.parametrize("name", DIVERGENCES)
def test_float32_of_extreme_scale(name):
    V = spectrogram()
    expected = nmf(V, 4, divergence=name, n_iterations=20, rng=np.random.default_rng(3))
    for scale in (1e-20, 1e20):
        result = nmf((scale * V).astype(np.float32), 4, divergence=name, n_iterations=20, rng=np.random.default_rng(3))
        np.testing.assert_allclose(result.W, expected.W, rtol=1e-2, atol=1e-4)


def test_itakura_saito_hears_quiet_and_loud_rows_alike(rng):
    """Scaling each row of V scales that row of W and leaves H and the loss as they were."""
    V, gains = spectrogram(), 10 ** rng.uniform(-2, 2, 31)
    W, H = rng.random((31, 3)), rng.random((3, 43))
    plain = nmf(V, 3, divergence="is", W=W, H=H, n_iterations=30)
    scaled = nmf(gains[:, None] * V, 3, divergence="is", W=gains[:, None] * W, H=H, n_iterations=30)
    np.testing.assert_allclose(scaled.losses, plain.losses, rtol=1e-6)
    np.testing.assert_allclose(scaled.W @ scaled.H, gains[:, None] * (plain.W @ plain.H), rtol=1e-5)


@pytest.mark.parametrize("name", DIVERGENCES)
def test_divergences_scale_as_beta_says(rng, name):
    V, V_hat = rng.random((2, 6, 9)) + 0.1
    for scale in (1e-6, 1e6):
        scaled = divergence(scale * V, scale * V_hat, name)
        assert scaled == pytest.approx(scale ** BETA[name] * divergence(V, V_hat, name))


@pytest.mark.parametrize("order", ["C", "F"])
def test_input_stays_as_it_is_and_its_layout_does_not_matter(rng, order):
    V = np.array(spectrogram(), order=order)
    W, H, D = rng.random((31, 4)), rng.random((4, 43)), rng.random((31, 2))
    W[:, :2] = D
    copies = [array.copy() for array in (V, W, H, D)]
    result = nmf(V, 4, divergence="kl", W=W, H=H, fixed_dictionary=D, n_iterations=3)
    for array, copy in zip((V, W, H, D), copies, strict=True):
        np.testing.assert_array_equal(array, copy)
    expected = nmf(np.ascontiguousarray(V), 4, divergence="kl", W=W, H=H, fixed_dictionary=D, n_iterations=3)
    np.testing.assert_array_equal(result.H, expected.H)


def test_whole_numbers_and_lists():
    result = nmf([[1, 2], [2, 4]], 1, rng=np.random.default_rng(0), n_iterations=50)
    assert result.W.dtype == np.float64
    np.testing.assert_allclose(result.W @ result.H, [[1, 2], [2, 4]])


# --- dictionaries, starts, callbacks -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", DIVERGENCES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("sparsity", [0.0, 1.0])
def test_fixed_spectra_are_kept_to_the_bit(rng, name, dtype, sparsity):
    V = spectrogram().astype(dtype)
    D = (7.3e4 * rng.random((31, 3))).astype(dtype)
    D[:, 1] = 0
    for n_components in (3, 5):
        seen = []
        result = nmf(
            V, n_components, divergence=name, fixed_dictionary=D, sparsity=sparsity, n_iterations=20, rng=rng,
            callback=lambda iteration, W, H, loss, seen=seen: seen.append(W),
        )  # fmt: skip
        assert result.W.dtype == dtype
        for W in (*seen, result.W):
            np.testing.assert_array_equal(W[:, :3], D)
        np.testing.assert_allclose(np.linalg.norm(result.W[:, 3:], axis=0), 1, rtol=1e-5)


@pytest.mark.parametrize("name", DIVERGENCES)
def test_scale_of_a_dictionary_does_not_matter(rng, name):
    V, D = spectrogram(), rng.random((31, 2))
    gains = np.array([1e-6, 1e6])
    options = {"divergence": name, "sparsity": 0.5, "n_iterations": 30}
    plain = nmf(V, 4, fixed_dictionary=D, rng=np.random.default_rng(0), **options)
    scaled = nmf(V, 4, fixed_dictionary=gains * D, rng=np.random.default_rng(0), **options)
    np.testing.assert_allclose(scaled.losses, plain.losses, rtol=1e-9)
    np.testing.assert_allclose(scaled.H[:2] * gains[:, None], plain.H[:2], rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("name", DIVERGENCES)
@pytest.mark.parametrize("n_fixed", [0, 2, 4])
def test_a_warm_start_goes_on_where_it_stopped(rng, name, n_fixed):
    V = with_silence(spectrogram())
    options = {
        "divergence": name,
        "sparsity": 0.1,
        "fixed_dictionary": 50 * rng.random((31, n_fixed)) if n_fixed else None,
    }
    whole = nmf(V, 4, n_iterations=30, rng=np.random.default_rng(2), **options)
    first = nmf(V, 4, n_iterations=12, rng=np.random.default_rng(2), **options)
    second = nmf(V, 4, n_iterations=18, W=first.W, H=first.H, **options)
    np.testing.assert_allclose(np.concatenate([first.losses, second.losses[1:]]), whole.losses, rtol=1e-8)
    assert second.losses[0] == pytest.approx(first.losses[-1], rel=1e-12)
    np.testing.assert_allclose(second.W @ second.H, whole.W @ whole.H, rtol=1e-5, atol=1e-10)


def test_no_iterations_give_the_start(rng):
    V, W, H = spectrogram(), rng.random((31, 3)), rng.random((3, 43))
    result = nmf(V, 3, W=W, H=H, n_iterations=0)
    np.testing.assert_allclose(result.W @ result.H, W @ H, rtol=1e-12)
    np.testing.assert_allclose(result.losses, [divergence(V, W @ H)])


@pytest.mark.parametrize("given", ["W", "H"])
@pytest.mark.parametrize("start", ["random", "nndsvd"])
def test_half_a_warm_start_is_completed_at_the_level_of_v(rng, given, start):
    V = 1e4 * spectrogram()
    factor = {"W": rng.random((31, 3)), "H": rng.random((3, 43))}[given]
    result = nmf(V, 3, n_iterations=0, start=start, rng=rng, **{given: factor})
    if start == "random" or given == "W":
        assert (result.W @ result.H).mean() == pytest.approx(V.mean(), rel=0.2)


@pytest.mark.parametrize("n_components", [1, 4, 30])
@pytest.mark.parametrize("n_fixed", [0, 1])
def test_random_start_has_the_mean_of_v(rng, n_components, n_fixed):
    V = 1e-5 * spectrogram()
    D = 1e3 * rng.random((31, n_fixed)) if n_fixed else None
    result = nmf(V, n_components, n_iterations=0, fixed_dictionary=D, rng=rng)
    assert (result.W @ result.H).mean() == pytest.approx(V.mean(), rel=0.2)
    assert result.W.min() > 0
    assert result.H.min() > 0


def test_random_starts_come_from_rng():
    V = spectrogram()
    first, same, other = (nmf(V, 3, n_iterations=2, rng=np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.W, same.W)
    assert not np.allclose(first.W, other.W)


def test_nndsvd_is_positive_deterministic_and_near(rng):
    V = spectrogram(noise=0.0)
    W, H = nndsvd(V, 4)
    assert W.min() > 0
    assert H.min() > 0
    np.testing.assert_array_equal(W, nndsvd(V, 4)[0])
    for scale in (1e-6, 1e6):
        W_scaled, H_scaled = nndsvd(scale * V, 4)
        np.testing.assert_allclose(W_scaled @ H_scaled, scale * (W @ H), rtol=1e-8)
    random = nmf(V, 4, n_iterations=0, rng=rng)
    assert divergence(V, W @ H) < random.losses[0]


def test_callback_sees_every_iteration_in_units_of_the_caller(rng):
    V = 1e5 * spectrogram()
    seen = []
    result = nmf(V, 3, divergence="kl", n_iterations=5, callback=lambda *values: seen.append(values), rng=rng)
    iterations, spectra, activations, losses = zip(*seen, strict=True)
    assert iterations == (0, 1, 2, 3, 4, 5)
    np.testing.assert_array_equal(losses, result.losses)
    for W, H, loss in zip(spectra, activations, losses, strict=True):
        assert divergence(V, W @ H, "kl") == pytest.approx(loss, rel=1e-9)
    np.testing.assert_array_equal(spectra[-1], result.W)
    activations[2][:] = 0  # a copy: changing it changes nothing
    assert result.H.all()


# --- silence -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", DIVERGENCES)
def test_silent_frames_and_bins_end_silent(name):
    V = with_silence(spectrogram())
    for dtype in (np.float32, np.float64):
        result = nmf(V.astype(dtype), 4, divergence=name, n_iterations=200, rng=np.random.default_rng(0))
        model = result.W @ result.H
        assert np.isfinite(model).all()
        assert model[:, 5:9].max() < 1e-5 * V.max()
        assert model[3].max() < 1e-5 * V.max()


@pytest.mark.parametrize("name", DIVERGENCES)
@pytest.mark.parametrize("start", ["random", "nndsvd"])
def test_all_zero_spectrogram(name, start):
    calls = []
    result = nmf(
        np.zeros((6, 8)), 2, divergence=name, start=start, n_iterations=3, sparsity=1.0, rng=np.random.default_rng(0),
        callback=lambda *values: calls.append(values),
    )  # fmt: skip
    assert not result.H.any()
    assert np.isfinite(result.W).all()
    np.testing.assert_array_equal(result.losses, np.zeros(4))
    assert len(calls) == 4


@pytest.mark.parametrize("name", DIVERGENCES)
def test_zeros_in_a_warm_start_stay_zero(rng, name):
    V, W, H = spectrogram(), rng.random((31, 4)), rng.random((4, 43))
    W[:5, 0] = 0
    H[2, ::2] = 0
    W[:, 3] = 0
    result = nmf(V, 4, divergence=name, W=W, H=H, n_iterations=20)
    assert not result.W[:5, 0].any()
    assert not result.H[2, ::2].any()
    assert not result.W[:, 3].any()
    assert_never_rises(result.losses)


@pytest.mark.parametrize("name", DIVERGENCES)
def test_a_model_without_anything_has_a_finite_loss(name):
    V = spectrogram()
    result = nmf(V, 2, divergence=name, W=np.zeros((31, 2)), H=np.zeros((2, 43)), n_iterations=3)
    assert np.isfinite(result.losses).all()
    assert not result.W.any()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ["frobenius", "kl"])
def test_what_vanishes_does_not_pass_through_subnormal_numbers(name, dtype):
    """They would make each product many times slower."""
    V = np.kron(np.eye(4), np.ones((10, 3))).astype(dtype)
    smallest = []

    def note(iteration, W, H, loss):
        smallest.extend(factor[factor > 0].min() for factor in (W, H))

    result = nmf(V, 5, divergence=name, n_iterations=400, sparsity=0.1, callback=note, rng=np.random.default_rng(0))
    assert min(smallest) > np.finfo(dtype).tiny
    if dtype == np.float32:  # float64 reaches much further down, and takes longer
        assert (result.H == 0).any()


# --- divergence, normalise, part_powers --------------------------------------------------------------------------


def test_divergences_by_hand():
    assert divergence([[1.0, 2.0]], [[2.0, 4.0]]) == pytest.approx(2.5)
    assert divergence([[1.0, 2.0]], [[2.0, 4.0]], "kl") == pytest.approx(3 - 3 * np.log(2))
    assert divergence([[1.0, 2.0]], [[2.0, 4.0]], "is") == pytest.approx(2 * (np.log(2) - 0.5))


@pytest.mark.parametrize("name", DIVERGENCES)
def test_divergence_agrees_with_scikit_learn(rng, name):
    import sklearn.decomposition._nmf as peer

    V, W, H = spectrogram(), rng.random((31, 3)), rng.random((3, 43))
    assert divergence(V, W @ H, name) == pytest.approx(peer._beta_divergence(V, W, H, BETA[name]), rel=1e-9)


@pytest.mark.parametrize("name", DIVERGENCES)
def test_divergence_is_zero_for_equal_arguments_only(rng, name):
    V = with_silence(spectrogram())
    assert divergence(V, V, name) == pytest.approx(0, abs=1e-15)
    assert divergence(V, 1.1 * V, name) > 1e-6
    assert divergence(V, 0 * V, name) > 1e-6


def test_divergence_of_zeros():
    zero, one = np.zeros((1, 2)), np.ones((1, 2))
    for name in DIVERGENCES:
        assert divergence(zero, zero, name) == 0
    assert divergence(zero, one) == 1
    assert divergence(zero, one, "kl") == pytest.approx(2)
    assert divergence(zero, one, "is") == np.inf
    # A silent cell beside one that sounds counts as 10⁻¹⁵ of the mean, as the module says.
    floor = 0.5e-15
    assert divergence([[1.0, 0.0]], one, "is") == pytest.approx(floor - np.log(floor) - 1, rel=1e-9)


def test_normalise_keeps_the_product(rng):
    W, H = 10 ** rng.uniform(-200, 200, 5) * rng.random((7, 5)), rng.random((5, 9))
    W[:, 2] = 0
    W_unit, H_unit = normalise(W, H)
    np.testing.assert_allclose(W_unit @ H_unit, W @ H, rtol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(W_unit, axis=0), [1, 1, 0, 1, 1], rtol=1e-12)
    assert W[0, 0] != W_unit[0, 0]
    assert normalise(np.ones((7, 5), np.float32), H.astype(np.float32))[0].dtype == np.float32


def test_part_powers(rng):
    W, H = rng.random((7, 5)), rng.random((5, 9))
    parts = part_powers(W, H, [[0, 3], range(1, 3), np.array([4])])
    assert parts.shape == (3, 7, 9)
    np.testing.assert_allclose(parts.sum(axis=0), W @ H)
    np.testing.assert_allclose(parts[0], np.outer(W[:, 0], H[0]) + np.outer(W[:, 3], H[3]))
    np.testing.assert_array_equal(part_powers(W, H, [slice(0, 2), [-1]]), part_powers(W, H, [[0, 1], [4]]))
    np.testing.assert_allclose(part_powers(W, H, [0, 1])[1], np.outer(W[:, 1], H[1]))


def test_two_sounds_are_separated_by_their_dictionaries(rng):
    """Supervised separation of sources with spectra of their own: masks of parts beat the mixture by far."""
    spectra = [np.eye(20)[:, k : k + 4] + 0.02 for k in (0, 10)]
    powers = [W @ (rng.random((4, 60)) < 0.4) + 1e-3 for W in spectra]
    phases = np.exp(2j * np.pi * rng.random((2, 20, 60)))
    sources = np.sqrt(powers) * phases
    mixture = sources.sum(axis=0)
    result = nmf(np.abs(mixture) ** 2, 8, divergence="is", fixed_dictionary=np.hstack(spectra), rng=rng)
    masks = wiener_masks(part_powers(result.W, result.H, [range(4), range(4, 8)]))
    estimates = apply_mask(masks, mixture)
    np.testing.assert_allclose(estimates.sum(axis=0), mixture)
    for source, estimate in zip(sources, estimates, strict=True):
        error = np.sum(np.abs(source - estimate) ** 2) / np.sum(np.abs(source) ** 2)
        assert error < 0.25 * np.sum(np.abs(source - mixture) ** 2) / np.sum(np.abs(source) ** 2)


# --- refusals ----------------------------------------------------------------------------------------------------

V23 = np.ones((2, 3))


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((-V23, 1), {}, r"V: the smallest value is -1, expected none below 0\. .*np\.abs\(X\)"),
        ((1j * V23, 1), {}, r"V: got complex values.*np\.abs\(X\)"),
        ((np.full((2, 3), np.nan), 1), {}, "V: 6 of 6 values are NaN"),
        ((np.ones(3), 1), {}, "V: .*expected 2 axes"),
        ((np.ones((0, 3)), 1), {}, "V: .*at least one"),
        ((V23, 0), {}, "n_components: .*at least 1"),
        ((V23, 1.5), {}, "n_components: .*whole number"),
        ((V23, 1), {"n_iterations": -1}, "n_iterations: .*at least 0"),
        ((V23, 1), {"divergence": "itakura"}, "divergence: got 'itakura', expected one of 'frobenius', 'kl', 'is'"),
        ((V23, 1), {"start": "svd"}, 'start: got .*"random" or "nndsvd"'),
        ((V23, 1), {"sparsity": -1.0}, "sparsity: .*at least 0"),
        ((V23, 1), {"sparsity": np.inf}, "sparsity: .*finite"),
        ((V23, 1), {"sparsity": "much"}, "sparsity: .*finite number"),
        ((V23, 1), {"rng": None}, r"rng: got NoneType None.*np\.random\.default_rng\(0\)"),
        ((V23, 1), {"rng": 3}, r"rng: got int 3.*np\.random\.default_rng\(0\)"),
        ((V23, 3), {"start": "nndsvd"}, 'n_components: got 3, but V of shape .* has only 2 singular.*start="random"'),
        ((V23, 2), {"W": np.ones((2, 1))}, r"W: .*expected \(n_freqs, n_components\) = \(2, 2\)"),
        ((V23, 2), {"W": -np.ones((2, 2))}, "W: the smallest value is -1"),
        ((V23, 2), {"H": np.ones((3, 2))}, r"H: .*expected \(n_components, n_frames\) = \(2, 3\)"),
        ((V23, 2), {"H": -np.ones((2, 3))}, "H: the smallest value is -1"),
        ((V23, 2), {"fixed_dictionary": np.ones((3, 1))}, "fixed_dictionary: .*n_freqs = 2 .*same STFT"),
        ((V23, 2), {"fixed_dictionary": np.ones((2, 3))}, "fixed_dictionary: got 3 spectra, but n_components = 2"),
        ((V23, 2), {"fixed_dictionary": -np.ones((2, 1))}, "fixed_dictionary: the smallest value is -1"),
        (
            (V23, 2),
            {"fixed_dictionary": np.ones((2, 1)), "W": 2 * np.ones((2, 2))},
            "W: its first 1 columns differ from fixed_dictionary",
        ),
    ],
)  # fmt: skip
def test_nmf_refuses(arguments, options, message):
    with pytest.raises(ValueError, match=message):
        nmf(*arguments, **{"rng": np.random.default_rng(0), **options})


@pytest.mark.parametrize(
    ("function", "arguments", "message"),
    [
        (divergence, (V23, np.ones((3, 2))), "V_hat: .*expected the shape of V"),
        (divergence, (V23, -V23), "V_hat: the smallest value is -1"),
        (divergence, (V23, V23, "l1"), "divergence: got 'l1'"),
        (normalise, (V23, V23), "H: .*expected n_components = 3 rows"),
        (nndsvd, (V23, 3), "n_components: got 3"),
        (nndsvd, (-V23, 1), "V: the smallest value is -1"),
        (part_powers, (V23, V23, [[0]]), "H: .*expected n_components = 3 rows"),
        (part_powers, (V23, V23.T, []), "groups: got none"),
        (part_powers, (V23, V23.T, [[0], []]), r"groups\[1\]: .*at least one component"),
        (part_powers, (V23, V23.T, [[0], [3]]), r"groups\[1\]: .*from 0 to 2"),
        (part_powers, (V23, V23.T, [[0], ["a"]]), r"groups\[1\]: .*from 0 to 2"),
        (part_powers, (V23, V23.T, [[0, 1], [1, 2]]), "groups: component 1 is named more than once"),
    ],
)
def test_helpers_refuse(function, arguments, message):
    with pytest.raises(ValueError, match=message):
        function(*arguments)


def test_every_combination_of_start_and_dictionary_runs(rng):
    """No pair of options meets code that no other test runs."""
    V = spectrogram(9, 12)
    for start, n_fixed, give_W, give_H in itertools.product(
        ("random", "nndsvd"), (0, 2, 3), (False, True), (False, True)
    ):
        W, H = (rng.random((9, 3)), rng.random((3, 12)))
        result = nmf(
            V, 3, start=start, fixed_dictionary=W[:, :n_fixed] if n_fixed else None, W=W if give_W else None,
            H=H if give_H else None, n_iterations=4, rng=rng,
        )  # fmt: skip
        assert_never_rises(result.losses)
