"""Whitening, FastICA and the measures beside it: ground truth, conventions, properties, peers, refusals."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest
import scipy.linalg
from sklearn.decomposition import FastICA

from course_lib import ica
from course_lib.ica import amari_index, centre, contrast, fastica, kurtosis, negentropy, whiten
from course_lib.validation import SilentSignalError

CONTRASTS = ["logcosh", "exp", "cube"]
APPROACHES = ["symmetric", "deflation"]
N_SAMPLES = 20_011  # no multiple of a block
MIXING = np.array([[1.0, 0.6, -0.3], [0.4, -0.8, 0.5], [-0.2, 0.7, 0.35]])


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(11)


@pytest.fixture
def sources(rng) -> np.ndarray:
    """Sparse, flat and skewed signals, of unit variance."""
    S = np.stack([rng.laplace(size=N_SAMPLES), rng.uniform(size=N_SAMPLES), rng.gamma(1.0, size=N_SAMPLES)])
    return (S - S.mean(axis=1, keepdims=True)) / S.std(axis=1, keepdims=True)


@pytest.fixture
def mixture(sources) -> np.ndarray:
    return MIXING @ sources + np.array([[3.0], [-100.0], [0.0]])


def covariance(x: np.ndarray) -> np.ndarray:
    return x @ x.T / x.shape[1]


# --- centring and whitening ---------------------------------------------------------------------------------------


def test_centring_takes_the_mean_off(mixture):
    x, mean = centre(mixture)
    np.testing.assert_allclose(mean, mixture.mean(axis=1), rtol=1e-14)
    np.testing.assert_allclose(x + mean[:, np.newaxis], mixture, rtol=1e-14)
    np.testing.assert_allclose(x.mean(axis=1), 0, atol=1e-12)


def test_centring_makes_a_constant_channel_exactly_silent():
    x, mean = centre(np.stack([np.full(100_003, 0.1), np.arange(100_003.0)]))
    assert not x[0].any()
    assert mean[0] == pytest.approx(0.1)


@pytest.mark.parametrize("method", ["pca", "zca"])
@pytest.mark.parametrize("scale", [1e-200, 1e-161, 1e-6, 1.0, 1e6, 1e150])
def test_whitened_covariance_is_the_identity(mixture, method, scale):
    white = whiten(scale * mixture, method=method)
    assert white.signals.shape == mixture.shape
    np.testing.assert_allclose(covariance(white.signals), np.eye(3), atol=1e-10)
    np.testing.assert_allclose(white.whitening_matrix @ white.dewhitening_matrix, np.eye(3), atol=1e-10)
    np.testing.assert_allclose(
        white.whitening_matrix @ (scale * mixture - white.mean[:, np.newaxis]), white.signals, atol=1e-10
    )


def test_pca_whitening_follows_the_principal_axes(mixture):
    white = whiten(mixture)
    eigenvalues = np.linalg.eigvalsh(np.cov(mixture, bias=True))[::-1]
    np.testing.assert_allclose(white.eigenvalues, eigenvalues, rtol=1e-10)
    E = white.dewhitening_matrix / np.sqrt(eigenvalues)
    np.testing.assert_allclose(E.T @ E, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(np.cov(mixture, bias=True) @ E, E * eigenvalues, atol=1e-12)
    assert np.all(E[np.abs(E).argmax(axis=0), range(3)] > 0)


def test_zca_is_the_white_signal_closest_to_the_mixture(mixture, rng):
    white = whiten(mixture, method="zca")
    V, x = white.whitening_matrix, mixture - mixture.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(V, V.T, atol=1e-12)
    np.testing.assert_allclose(V, np.linalg.inv(scipy.linalg.sqrtm(covariance(x))), atol=1e-10)
    distance = np.sum((white.signals - x) ** 2)
    for _ in range(20):
        rotation = scipy.linalg.expm(0.1 * (lambda skew: skew - skew.T)(rng.standard_normal((3, 3))))
        assert np.sum((rotation @ white.signals - x) ** 2) > distance


def rank_two_inputs() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(5)
    x, y = rng.laplace(size=(2, 3000))
    return {
        "silent": np.stack([x, np.zeros(3000), y]),
        "constant": np.stack([x, y, np.full(3000, 0.1)]),
        "constant, much louder": np.stack([1e-3 * x, 1e-3 * y, np.full(3000, 1e5)]),
        "copy": np.stack([x, y, x]),
        "copy at another gain, in float32": np.stack([x, y, 0.1 * x]).astype(np.float32),
        "sum": np.stack([x, y, x - 3 * y]),
        "few samples": rng.standard_normal((5, 3)),
    }


@pytest.mark.parametrize("name", rank_two_inputs())
def test_rank_deficient_input(name):
    X = rank_two_inputs()[name]
    x = X - X.mean(axis=1, keepdims=True, dtype=np.float64)
    pca, zca = whiten(X), whiten(X, method="zca")
    assert pca.eigenvalues.shape == zca.eigenvalues.shape == (2,)
    assert pca.signals.shape == (2, X.shape[1])
    assert zca.signals.shape == X.shape
    np.testing.assert_allclose(covariance(pca.signals), np.eye(2), atol=1e-10)
    np.testing.assert_allclose(pca.whitening_matrix @ pca.dewhitening_matrix, np.eye(2), atol=1e-10)
    P = covariance(zca.signals)
    np.testing.assert_allclose(P @ P, P, atol=1e-10)
    assert np.trace(P) == pytest.approx(2)
    for white in (pca, zca):
        np.testing.assert_allclose(white.dewhitening_matrix @ white.signals, x, atol=2e-7 * np.abs(X).max())
    assert fastica(X, rng=np.random.default_rng(0)).sources.shape == (2, X.shape[1])


@pytest.mark.parametrize("level_db", [-60, -80, -110])
def test_a_quiet_direction_is_kept_and_whitened_to_the_last_digits(rng, level_db):
    x, y = rng.laplace(size=(2, 5000))
    X = np.stack([x, x + 10 ** (level_db / 20) * y])
    for method in ("pca", "zca"):
        white = whiten(X, method=method)
        assert white.eigenvalues.shape == (2,)
        np.testing.assert_allclose(covariance(white.signals), np.eye(2), atol=1e-9 if level_db < -100 else 1e-10)


def test_a_direction_below_minus_120_db_is_rounding_error(rng):
    x, y = rng.laplace(size=(2, 5000))
    assert whiten(np.stack([x, x + 1e-7 * y])).signals.shape[0] == 1


def test_fewer_components_are_the_largest(mixture):
    white, full = whiten(mixture, n_components=2), whiten(mixture)
    np.testing.assert_array_equal(white.whitening_matrix, full.whitening_matrix[:2])
    np.testing.assert_array_equal(white.eigenvalues, full.eigenvalues[:2])
    assert whiten(mixture, method="zca", n_components=2).signals.shape == mixture.shape


# --- contrasts and measures ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CONTRASTS)
def test_derivatives_of_the_contrasts(name):
    u, h = np.linspace(-4, 4, 101), 1e-5
    G, g, g_prime = contrast(u, name)
    np.testing.assert_allclose((contrast(u + h, name)[0] - contrast(u - h, name)[0]) / (2 * h), g, atol=1e-7)
    np.testing.assert_allclose((contrast(u + h, name)[1] - contrast(u - h, name)[1]) / (2 * h), g_prime, atol=1e-7)
    assert np.all(np.isfinite(contrast([-1e3, 1e3], name)))
    for value, even in zip((G, g, g_prime), (1, -1, 1), strict=True):
        np.testing.assert_allclose(value[::-1], even * value, atol=1e-12)


def test_contrasts_by_hand():
    assert contrast(0.0, "logcosh") == (0.0, 0.0, 1.0)
    assert contrast(np.array([[2.0]]), "cube") == (4.0, 8.0, 12.0)
    np.testing.assert_allclose(np.ravel(contrast([1.0], "exp")), [-np.exp(-0.5), np.exp(-0.5), 0], atol=1e-15)
    np.testing.assert_allclose(contrast([1e3], "logcosh")[0], 1e3 - np.log(2))


@pytest.mark.parametrize("name", CONTRASTS)
def test_a_gaussian_mean_of_each_contrast(name):
    """Gauss–Hermite quadrature of E G(ν)."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(120)
    mean = weights @ contrast(nodes, name)[0] / weights.sum()
    assert ica._GAUSSIAN_MEANS[name] == pytest.approx(mean, rel=1e-9)


def test_kurtosis_by_hand():
    assert kurtosis([1.0, -1.0, 1.0, -1.0]) == pytest.approx(-2)
    assert kurtosis(7 + 1e-3 * np.array([0.0, 0, 0, 0, 1, -1, 0, 0])) == pytest.approx(1)
    np.testing.assert_allclose(kurtosis(np.array([[[1.0, -1.0]], [[5.0, 2.0]]])), [[-2.0], [-2.0]])


def test_measures_of_known_distributions(rng):
    n = 100_000
    x = np.stack([rng.standard_normal(n), rng.laplace(size=n), rng.uniform(size=n)])
    np.testing.assert_allclose(kurtosis(x), [0, 3, -1.2], atol=0.2)
    for name in CONTRASTS:
        J = negentropy(x, name)
        assert J[0] < 1e-4 < J.min(where=[False, True, True], initial=1)
        np.testing.assert_allclose(negentropy(-3e-5 * x + 2, name), J, rtol=1e-6)
        assert isinstance(negentropy(x[0], name), float)


@pytest.mark.parametrize("measure", [kurtosis, negentropy])
@pytest.mark.parametrize(
    ("x", "name"),
    [
        (np.zeros(9), "x is silent or constant"),
        (np.full(999, 0.1), "x is silent or constant"),
        (np.array([[1.0, 2.0], [3.0, 3.0]]), r"x\[1\] is silent or constant"),
    ],
)
def test_measures_of_silence_are_a_named_error(measure, x, name):
    with pytest.raises(SilentSignalError, match=name):
        measure(x)


def test_amari_index_by_hand(rng):
    A = rng.standard_normal((4, 4))
    assert amari_index(np.linalg.inv(A), A) == pytest.approx(0, abs=1e-12)
    scrambled = np.diag([1e-3, -2, 5, -1e4])[[2, 0, 3, 1]] @ np.linalg.inv(A)
    assert amari_index(scrambled, A) == pytest.approx(0, abs=1e-7)
    assert amari_index(np.ones((3, 3)), np.eye(3)) == pytest.approx(1)
    assert amari_index([[1.0, 0.5], [0.0, 1.0]], np.eye(2)) == pytest.approx(0.25)
    assert amari_index([[2.0]], [[-3.0]]) == 0
    assert amari_index(np.linalg.pinv(A[:, :2]), A[:, :2]) == pytest.approx(0, abs=1e-12)
    for _ in range(50):
        assert 0 <= amari_index(rng.standard_normal((4, 4)), A) <= 1


# --- FastICA ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("approach", APPROACHES)
@pytest.mark.parametrize("name", CONTRASTS)
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_a_known_mixing_is_found(sources, mixture, approach, name, scale):
    result = fastica(scale * mixture, approach=approach, contrast=name, rng=np.random.default_rng(0))
    assert result.converged
    assert amari_index(result.demixing_matrix, MIXING) < 0.03 < 0.2 < amari_index(np.eye(3), MIXING)
    correlation = np.abs(result.sources @ sources.T) / N_SAMPLES
    np.testing.assert_allclose(np.sort(correlation.max(axis=1)), 1, atol=0.005)


@pytest.mark.parametrize("approach", APPROACHES)
@pytest.mark.parametrize("n_channels", [2, 3, 5])
def test_relations_of_sources_and_matrices(rng, approach, n_channels):
    A = rng.standard_normal((n_channels, 2))
    X = A @ rng.laplace(size=(2, 5000)) + 5
    before = X.copy()
    result = fastica(X, 2, approach=approach, rng=rng)
    np.testing.assert_array_equal(X, before)
    W, x = result.demixing_matrix, X - result.mean[:, np.newaxis]
    np.testing.assert_allclose(result.mean, X.mean(axis=1))
    np.testing.assert_allclose(result.sources, W @ x, atol=1e-12)
    np.testing.assert_allclose(covariance(result.sources), np.eye(2), atol=1e-10)
    np.testing.assert_allclose(result.mixing_matrix, np.linalg.pinv(W), atol=1e-10)
    np.testing.assert_allclose(W @ result.mixing_matrix, np.eye(2), atol=1e-10)
    np.testing.assert_allclose(result.mixing_matrix @ result.sources, x, atol=1e-10)
    assert amari_index(W, A) < 0.05


def test_fewer_sources_than_the_rank_separate_the_largest_principal_components(rng, mixture):
    result = fastica(mixture, 2, rng=rng)
    kept = whiten(mixture, n_components=2)
    np.testing.assert_allclose(
        result.mixing_matrix @ result.sources, kept.dewhitening_matrix @ kept.signals, atol=1e-10
    )


@pytest.mark.parametrize("approach", APPROACHES)
@pytest.mark.parametrize("name", CONTRASTS)
def test_order_and_sign_do_not_depend_on_the_start(mixture, approach, name):
    results = [
        fastica(
            mixture, approach=approach, contrast=name, tolerance=1e-13, max_iterations=500, rng=np.random.default_rng(s)
        )
        for s in range(4)
    ]
    A = results[0].mixing_matrix
    energy = np.sum(A**2, axis=0)
    assert np.all(np.diff(energy) < 0)
    assert np.all(A[np.abs(A).argmax(axis=0), range(3)] > 0)
    for result in results[1:]:
        # Deflation pays for what the sources found earlier lack, so another order of finding gives another end.
        atol = 1e-5 if approach == "symmetric" else 0.05
        np.testing.assert_allclose(result.mixing_matrix, A, atol=atol)


def test_equal_entries_give_one_sign():
    """Entries that differ by rounding alone must not make the sign a matter of chance."""
    column = np.array([[-1.0], [1.0 + 1e-12]])
    assert ica._leading_signs(column) == ica._leading_signs(column[:, :1] * np.array([[1 + 1e-11], [1.0]])) == -1


@pytest.mark.parametrize("approach", APPROACHES)
def test_history_ends_below_the_tolerance(mixture, approach):
    result = fastica(mixture, approach=approach, tolerance=1e-8, rng=np.random.default_rng(2))
    assert result.converged
    runs = np.split(result.history, np.cumsum(result.n_iterations)[:-1])
    assert len(runs) == (1 if approach == "symmetric" else 3)
    assert sum(result.n_iterations) == result.history.size
    for run in runs:
        assert run[-1] < 1e-8
        assert np.all(run[:-1] >= 1e-8)
    assert runs[0][-1] < runs[0][0]


@pytest.mark.parametrize("approach", APPROACHES)
def test_no_convergence_is_told_and_not_warned_of(mixture, approach):
    result = fastica(mixture, approach=approach, tolerance=1e-15, max_iterations=2, rng=np.random.default_rng(2))
    assert not result.converged
    assert max(result.n_iterations) == 2
    np.testing.assert_allclose(covariance(result.sources), np.eye(3), atol=1e-10)


def test_gaussian_sources_are_separated_into_something_white(rng):
    result = fastica(rng.standard_normal((3, 4000)), approach="deflation", rng=rng)
    np.testing.assert_allclose(covariance(result.sources), np.eye(3), atol=1e-10)


def test_a_vanishing_update_is_drawn_anew(monkeypatch, mixture):
    """As if every direction were Gaussian: nothing converges but the last direction, which alone is left."""
    monkeypatch.setattr(ica, "_fixed_point", lambda z, B, name: np.zeros_like(B))
    result = fastica(mixture, approach="deflation", max_iterations=3, rng=np.random.default_rng(0))
    assert result.n_iterations == (3, 3, 1)
    np.testing.assert_array_equal(result.history, [1, 1, 1, 1, 1, 1, 0])
    assert not result.converged
    np.testing.assert_allclose(covariance(result.sources), np.eye(3), atol=1e-10)


@pytest.mark.parametrize("approach", APPROACHES)
@pytest.mark.parametrize("start", [np.zeros((3, 3)), np.ones((3, 3)), 1e-200 * np.eye(3)])
def test_a_singular_start_is_mended(mixture, approach, start):
    result = fastica(mixture, approach=approach, start=start, rng=np.random.default_rng(1))
    assert amari_index(result.demixing_matrix, MIXING) < 0.02


def saddle_point(X: np.ndarray) -> np.ndarray:
    """Directions at which two of the sources stand mixed half and half."""
    found = fastica(X, tolerance=1e-12, max_iterations=1000, rng=np.random.default_rng(0))
    B = found.demixing_matrix @ whiten(X).dewhitening_matrix
    B[:2] = np.array([[1, 1], [1, -1]]) / np.sqrt(2) @ B[:2]
    return B


@pytest.mark.parametrize("approach", APPROACHES)
@pytest.mark.parametrize("name", CONTRASTS)
@pytest.mark.parametrize("n_sources", [2, 5])
def test_a_saddle_point_is_left(rng, approach, name, n_sources):
    A = rng.standard_normal((n_sources, n_sources))
    X = A @ rng.laplace(size=(n_sources, N_SAMPLES))
    start = saddle_point(X)
    result = fastica(X, approach=approach, contrast=name, start=start, rng=rng)
    assert result.converged
    assert amari_index(result.demixing_matrix, A) < 0.05
    np.testing.assert_allclose(covariance(result.sources), np.eye(n_sources), atol=1e-10)
    assert sum(result.n_iterations) == result.history.size
    cut_short = fastica(X, approach=approach, contrast=name, start=start, max_iterations=2, rng=rng)
    assert max(cut_short.n_iterations) <= 2


@pytest.mark.parametrize("name", CONTRASTS)
def test_an_eighth_of_a_turn_leads_off_a_saddle_point(rng, name):
    z = whiten(rng.laplace(size=(4, N_SAMPLES)), method="zca").signals
    assert ica._turned_off_saddles(z, np.eye(4), name) is None
    half = np.array([[1, 1], [1, -1]]) / np.sqrt(2)
    turned = ica._turned_off_saddles(z, scipy.linalg.block_diag(half, half), name)
    np.testing.assert_allclose(np.sort(np.abs(turned)), [[0, 0, 0, 1]] * 4, atol=1e-12)
    np.testing.assert_allclose(turned @ turned.T, np.eye(4), atol=1e-12)
    # Where all four are mixed alike, every pair gains; each row turns once, for its gain was measured before any turn.
    once = ica._turned_off_saddles(z, np.kron(half, half), name)
    np.testing.assert_allclose(np.sort(np.abs(once)), [[0, 0, np.sqrt(0.5), np.sqrt(0.5)]] * 4, atol=1e-12)


def test_a_saddle_point_stops_the_bare_iteration(rng, monkeypatch):
    """Else the test above would show nothing."""
    A = rng.standard_normal((2, 2))
    X = A @ rng.laplace(size=(2, N_SAMPLES))
    monkeypatch.setattr(ica, "_turned_off_saddles", lambda *_: None)
    result = fastica(X, start=saddle_point(X), rng=rng)
    assert result.converged
    assert amari_index(result.demixing_matrix, A) > 0.2


@pytest.mark.parametrize("approach", APPROACHES)
def test_same_generator_same_result(mixture, approach):
    first, second = (fastica(mixture, approach=approach, rng=np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(first.demixing_matrix, second.demixing_matrix)
    np.testing.assert_array_equal(first.history, second.history)


def test_other_types_are_computed_in_float64(mixture):
    rng = np.random.default_rng
    whole = np.round(1000 * mixture).astype(np.int32)
    expected = fastica(whole.astype(np.float64), rng=rng(0))
    np.testing.assert_array_equal(fastica(whole, rng=rng(0)).demixing_matrix, expected.demixing_matrix)
    np.testing.assert_array_equal(fastica(whole.tolist(), rng=rng(0)).sources, expected.sources)
    single = mixture.astype(np.float32)
    result = fastica(single, rng=rng(0))
    assert result.sources.dtype == np.float64
    np.testing.assert_array_equal(result.sources, fastica(single.astype(np.float64), rng=rng(0)).sources)
    np.testing.assert_array_equal(fastica(np.asfortranarray(mixture), rng=rng(0)).history.size, result.history.size)


def test_one_channel_is_its_own_source(rng):
    for approach in APPROACHES:
        result = fastica([[1.0, 2.0, 6.0]], approach=approach, rng=rng)
        np.testing.assert_allclose(result.sources, np.array([[-2.0, -1.0, 3.0]]) / np.sqrt(14 / 3))
        assert result.converged


# --- the readable twin ---------------------------------------------------------------------------------------------


def plain_update(z: np.ndarray, B: np.ndarray, name: str) -> np.ndarray:
    """The fixed point as the lesson writes it, all samples at once."""
    _, g, g_prime = contrast(B @ z, name)
    return g @ z.T / z.shape[1] - np.diag(g_prime.mean(axis=1)) @ B


def plain_symmetric(z: np.ndarray, B: np.ndarray, name: str, tolerance: float) -> tuple[np.ndarray, list[float]]:
    def decorrelate(B: np.ndarray) -> np.ndarray:
        eigenvalues, E = np.linalg.eigh(B @ B.T)
        return E @ np.diag(eigenvalues**-0.5) @ E.T @ B

    B, history = decorrelate(B), [1.0]
    while history[-1] >= tolerance:
        B_new = decorrelate(plain_update(z, B, name))
        history.append(max(abs(1 - abs(b_new @ b)) for b_new, b in zip(B_new, B, strict=True)))
        B = B_new
    return B, history[1:]


def plain_deflation(z: np.ndarray, start: np.ndarray, name: str, tolerance: float) -> tuple[np.ndarray, list[float]]:
    found: list[np.ndarray] = []
    history: list[float] = []

    def take_off(b: np.ndarray) -> np.ndarray:
        for other in found:
            b = b - (b @ other) * other
        return b / np.linalg.norm(b)

    for b in start:
        b, change = take_off(b), 1.0
        while change >= tolerance:
            b_new = take_off(plain_update(z, b[np.newaxis], name)[0])
            change = abs(1 - abs(b_new @ b))
            b = b_new
            history.append(change)
        found.append(b)
    return np.stack(found), history


@pytest.mark.parametrize("name", CONTRASTS)
@pytest.mark.parametrize(("n_channels", "n_samples"), [(1, 7), (2, 8192), (3, 8193), (7, 20_001), (40, 3_000)])
def test_the_blockwise_update_is_the_plain_one(rng, name, n_channels, n_samples):
    z = rng.laplace(size=(n_channels, n_samples))
    for n_rows in {1, n_channels}:
        B = rng.standard_normal((n_rows, n_channels)) / np.sqrt(n_channels)
        expected = plain_update(z, B, name)
        np.testing.assert_allclose(
            ica._fixed_point(z, B, name), expected, rtol=1e-9, atol=1e-12 * np.abs(expected).max()
        )


@pytest.mark.parametrize(("approach", "twin"), [("symmetric", plain_symmetric), ("deflation", plain_deflation)])
@pytest.mark.parametrize("name", CONTRASTS)
def test_the_whole_agrees_with_its_twin(rng, mixture, approach, twin, name):
    start = rng.standard_normal((3, 3))
    result = fastica(mixture, approach=approach, contrast=name, tolerance=1e-6, rng=rng, start=start)
    white = whiten(mixture)
    B, history = twin(white.signals, start, name, 1e-6)
    np.testing.assert_allclose(result.history, history, atol=1e-9)
    found = result.demixing_matrix @ white.dewhitening_matrix
    np.testing.assert_allclose(np.abs(found @ B.T).max(axis=1), 1, atol=1e-9)
    W = B @ white.whitening_matrix
    nearest = np.argmax(np.abs(found @ B.T), axis=1)
    signs = np.sign(np.sum(found * B[nearest], axis=1))
    np.testing.assert_allclose(result.demixing_matrix, signs[:, np.newaxis] * W[nearest], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", CONTRASTS)
def test_scikit_learn_finds_the_same(mixture, name):
    peer = FastICA(fun=name, whiten="unit-variance", tol=1e-12, max_iter=1000, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        W = peer.fit(mixture.T).components_
    ours = fastica(mixture, contrast=name, tolerance=1e-12, max_iterations=1000, rng=np.random.default_rng(0))
    match = np.abs(W @ ours.mixing_matrix)
    best = max(itertools.permutations(range(3)), key=lambda p: match[range(3), p].sum())
    np.testing.assert_allclose(match[:, best], np.eye(3), atol=1e-5)


# --- refusals -----------------------------------------------------------------------------------------------------

X = np.random.default_rng(0).laplace(size=(3, 500))


@pytest.mark.parametrize("function", [centre, whiten, lambda X: fastica(X, rng=np.random.default_rng(0))])
@pytest.mark.parametrize(
    ("value", "message"),
    [
        (X + 0j, r"X: .*complex128.*course_lib\.bss.*auxiva"),
        (X[0], r"X: .*\(500,\).*expected 2 axes"),
        (X[np.newaxis], "expected 2 axes"),
        (np.zeros((2, 0)), "at least one sample"),
        (np.where(X > 3, np.nan, X), "X: .*NaN"),
        ([["a"]], "expected numbers"),
    ],
)
def test_wrong_mixtures_are_refused(function, value, message):
    with pytest.raises(ValueError, match=message):
        function(value)


@pytest.mark.parametrize("function", [whiten, lambda X: fastica(X, rng=np.random.default_rng(0))])
@pytest.mark.parametrize(
    "value", [np.zeros((3, 100)), np.full((2, 999), 0.1), np.array([[1.0], [2.0]]), 1e-300 * np.ones((2, 9))]
)
def test_silence_is_a_named_error(function, value):
    with pytest.raises(SilentSignalError, match=r"X: every one of its \d channels is silent or constant"):
        function(value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_sources": 4}, "n_sources: got 4 with 3 channels.*masks"),
        ({"n_sources": 0}, "n_sources: got int 0.*at least 1"),
        ({"n_sources": 2.0}, "n_sources: .*whole number"),
        ({"approach": "parallel"}, "approach: .*'parallel'.*symmetric or deflation"),
        ({"contrast": "tanh"}, "contrast: .*'tanh'.*logcosh, exp, cube"),
        ({"contrast": ["exp"]}, "contrast: .*logcosh, exp, cube"),
        ({"max_iterations": 0}, "max_iterations: .*at least 1"),
        ({"tolerance": 0.0}, "tolerance: .*above 0"),
        ({"tolerance": np.nan}, "tolerance: .*above 0"),
        ({"tolerance": "small"}, "tolerance: .*above 0"),
        ({"rng": 0}, r"rng: got int 0.*default_rng\(seed\)"),
        ({"start": np.eye(2)}, r"start: .*\(2, 2\).*expected shape \(3, 3\)"),
        ({"start": np.full((3, 3), np.nan)}, "start: .*NaN"),
    ],
)
def test_wrong_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        fastica(X, **{"rng": np.random.default_rng(0), **options})


@pytest.mark.parametrize("name", rank_two_inputs())
def test_more_sources_than_the_rank_are_refused(name):
    with pytest.raises(ValueError, match=r"n_sources: got 3, but X .* rank 2.*at most 2"):
        fastica(rank_two_inputs()[name], 3, rng=np.random.default_rng(0))
    with pytest.raises(ValueError, match=r"n_components: got 3, but X .* rank 2.*at most 2"):
        whiten(rank_two_inputs()[name], n_components=3)


def test_other_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match=r"method: .*'cholesky'.*pca or zca"):
        whiten(X, method="cholesky")
    with pytest.raises(ValueError, match="n_components: got 4 with 3 channels"):
        whiten(X, n_components=4)
    with pytest.raises(ValueError, match=r"name: .*'gauss'.*logcosh, exp, cube"):
        contrast(X, "gauss")
    with pytest.raises(ValueError, match=r"u: .*NaN"):
        contrast([np.nan], "exp")
    with pytest.raises(ValueError, match=r"contrast: .*'gauss'.*logcosh, exp, cube"):
        negentropy(X, "gauss")
    with pytest.raises(ValueError, match=r"demixing_matrix: .*\(2, 3\).*expected shape \(2, 4\).*exchange"):
        amari_index(np.ones((2, 3)), np.ones((4, 2)))
    for W in ([[1.0, 0.0], [1.0, 0.0]], [[1.0, 1.0], [0.0, 0.0]]):
        with pytest.raises(ValueError, match="row or column of zeros"):
            amari_index(W, np.eye(2))
    with pytest.raises(ValueError, match=r"demixing_matrix: .*NaN"):
        amari_index([[np.nan]], [[1.0]])
