"""ICA at each frequency, and the alignment of its permutations."""

from __future__ import annotations

import numpy as np
import pytest

from course_lib.bss.permutation import align_permutations, frequency_domain_ica, reorder_sources


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(9)


def complex_normal(rng, *shape):
    return rng.standard_normal(shape) + 1j * rng.standard_normal(shape)


def sources_with_envelopes(rng, n_sources, n_freqs=40, n_frames=200):
    """Make sources whose frequencies rise and fall together, each source in its own rhythm."""
    envelopes = rng.gamma(0.3, size=(n_sources, 1, n_frames)) + 0.01
    return envelopes * complex_normal(rng, n_sources, n_freqs, n_frames)


def shuffled(rng, S):
    """Return the outputs in a random order at each frequency, and the permutations that undo it."""
    orders = rng.permuted(np.tile(np.arange(len(S)), (S.shape[1], 1)), axis=1)
    return np.take_along_axis(S, orders.T[:, :, None], axis=0), np.argsort(orders, axis=1)


def one_order_throughout(found, true):
    """Tell whether permutations are the true ones up to one renaming of all sources."""
    relation = np.take_along_axis(np.argsort(true, axis=1), found, axis=1)
    return (relation == relation[0]).all()


@pytest.mark.parametrize("n_sources", [2, 3, 4, 5])
def test_common_rhythm_puts_the_frequencies_in_order(rng, n_sources):
    Y, true = shuffled(rng, sources_with_envelopes(rng, n_sources))
    Y *= 10.0 ** rng.uniform(-3, 3, (n_sources, Y.shape[1], 1))
    found = align_permutations(Y)
    assert not one_order_throughout(np.tile(np.arange(n_sources), (Y.shape[1], 1)), true)
    assert one_order_throughout(found, true)
    assert one_order_throughout(align_permutations(Y, n_passes=0), true)
    assert np.array_equal(reorder_sources(Y, found)[0, 3], Y[found[3, 0], 3])


def test_enumeration_and_hungarian_algorithm_agree(rng, monkeypatch):
    Y, _ = shuffled(rng, sources_with_envelopes(rng, 4, n_frames=15))
    enumerated = align_permutations(Y)
    monkeypatch.setattr("course_lib.bss.permutation._MOST_ENUMERATED", 1)
    assert np.array_equal(align_permutations(Y), enumerated)


def test_neighbours_settle_what_a_centroid_cannot(rng):
    """Sources whose rhythm changes along the frequency axis have no common centroid, but each bin has a neighbour."""
    n_freqs, n_frames = 60, 400
    knots = rng.gamma(0.3, size=(2, 7, n_frames)) + 0.01
    position = np.linspace(0, 6, n_freqs)
    weights = np.maximum(0, 1 - np.abs(position[:, None] - np.arange(7)))
    S = np.einsum("kj,njm->nkm", weights, knots) * np.exp(2j * np.pi * rng.random((2, n_freqs, n_frames)))
    Y, true = shuffled(rng, S)
    start = np.zeros((n_freqs, 2), dtype=int) + np.arange(2)
    from course_lib.bss.permutation import _normalised_envelopes, _refine_by_neighbours

    envelopes = _normalised_envelopes(np.abs(Y).transpose(1, 0, 2))

    def faults(permutations):
        relation = np.take_along_axis(np.argsort(true, axis=1), permutations, axis=1)[:, 0]
        return np.count_nonzero(np.diff(relation))

    assert faults(_refine_by_neighbours(envelopes, start, 50)) < 0.4 * faults(start)


def test_silent_frequencies_keep_their_order(rng):
    Y, _ = shuffled(rng, sources_with_envelopes(rng, 3))
    Y[:, 4], Y[:, 9] = 0, 1
    found = align_permutations(Y)
    assert found[4].tolist() == found[9].tolist() == [0, 1, 2]
    assert np.array_equal(align_permutations(0 * Y), np.tile(np.arange(3), (40, 1)))


def test_each_frequency_is_separated(rng):
    """Up to scale and order, W A is the identity."""
    S = sources_with_envelopes(rng, 3, n_frames=2000)
    A = complex_normal(rng, 40, 3, 3)
    X = np.einsum("kcn,nkm->ckm", A, S)
    result = frequency_domain_ica(X, rng=rng, n_iterations=60)
    assert np.allclose(result.sources, np.einsum("knc,ckm->nkm", result.demixing_filter, X))
    overall = np.abs(result.demixing_filter @ A)
    overall /= overall.max(axis=2, keepdims=True)
    leakage = (overall.sum(axis=2) - 1).max(axis=1)
    assert np.median(leakage) < 0.2
    assert (np.sort(overall.argmax(axis=2), axis=1) == np.arange(3)).mean() > 0.95
    # Nothing ties the frequencies together, so their orders are as many as there are.
    assert len(np.unique(overall.argmax(axis=2), axis=0)) == 6
    # Alignment finds the order, which the truth confirms.
    ordered = reorder_sources(result.sources, align_permutations(result.sources))
    correlation = np.corrcoef(np.abs(np.concatenate([ordered[:, 7], S[:, 30]])))[:3, 3:]
    assert sorted(correlation.argmax(axis=1).tolist()) == [0, 1, 2]
    assert correlation.max(axis=1).min() > 0.4


@pytest.mark.parametrize("n_channels", [2, 3, 4])
def test_the_cost_never_rises_and_is_what_it_says(rng, n_channels):
    X = complex_normal(rng, n_channels, 9, 60) * rng.gamma(0.3, size=(1, 9, 60))
    result = frequency_domain_ica(X, rng=rng, n_iterations=25)
    assert result.losses.shape == (26,)
    assert (np.diff(result.losses) <= 1e-9 * np.abs(result.losses[:-1])).all()
    assert result.losses[0] - result.losses[-1] > 0.1
    W, Y = result.demixing_filter, result.sources
    cost = 2 * np.abs(Y).mean(axis=2).sum() - 2 * np.log(np.abs(np.linalg.det(W))).sum()
    assert result.losses[-1] == pytest.approx(cost)


def test_same_generator_state_same_result(rng):
    X = complex_normal(rng, 2, 5, 30)
    first = frequency_domain_ica(X, rng=np.random.default_rng(1), n_iterations=3)
    second = frequency_domain_ica(X, rng=np.random.default_rng(1), n_iterations=3)
    assert np.array_equal(first.sources, second.sources)


@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_the_scale_of_the_recording_does_not_matter(rng, scale):
    X = complex_normal(rng, 2, 5, 30)
    plain = frequency_domain_ica(X, rng=np.random.default_rng(1), n_iterations=5)
    scaled = frequency_domain_ica(scale * X, rng=np.random.default_rng(1), n_iterations=5)
    assert np.allclose(scaled.sources, plain.sources)


def test_silence_and_repeated_channels_stay_finite(rng):
    X = complex_normal(rng, 3, 6, 40)
    X[:, 0] = 0
    X[2] = X[1]
    X[:, :, 10:20] = 0
    for signals in (X, 0 * X):
        result = frequency_domain_ica(signals, rng=rng, n_iterations=10)
        assert np.isfinite(result.sources).all()
        assert np.isfinite(result.demixing_filter).all()
        assert np.isfinite(result.losses).all()
        assert not result.sources[:, 0].any()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda X: frequency_domain_ica(X[:1], rng=np.random.default_rng(0)), "at least two channels"),
        (lambda X: frequency_domain_ica(X[0], rng=np.random.default_rng(0)), "expected 3 axes"),
        (lambda X: frequency_domain_ica(np.nan * X, rng=np.random.default_rng(0)), "NaN"),
        (lambda X: align_permutations(X[0]), "expected 3 axes"),
        (lambda X: reorder_sources(X, np.zeros((5, 2), dtype=int)), "each of 0"),
        (lambda X: reorder_sources(X, np.zeros((4, 2), dtype=int)), "permutations"),
    ],
)
def test_refusals_say_what_to_do(rng, call, message):
    with pytest.raises(ValueError, match=message):
        call(complex_normal(rng, 2, 5, 10))
