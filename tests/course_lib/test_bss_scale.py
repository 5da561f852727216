"""Scale of separated sources: exact where it can be, invariant, defined on silence and on repeated channels."""

from __future__ import annotations

import numpy as np
import pytest

from course_lib.bss.reduce import reduce_channels
from course_lib.bss.scale import apply_demixing, minimal_distortion, project_back, projection_back_filter


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(5)


def complex_normal(rng, *shape):
    return rng.standard_normal(shape) + 1j * rng.standard_normal(shape)


@pytest.fixture
def case(rng):
    """Three sources of which each microphone hears its own images, and the true demixing with rows of any scale."""
    A, S = complex_normal(rng, 7, 3, 3), complex_normal(rng, 3, 7, 40)
    images = A.transpose(2, 1, 0)[:, :, :, None] * S[:, None]
    W = np.linalg.inv(A) * 10.0 ** rng.uniform(-6, 6, (7, 3, 1)) * np.exp(2j * np.pi * rng.random((7, 3, 1)))
    return W, images.sum(axis=0), images


def test_apply_demixing_is_a_product_a_frequency(rng):
    W, X = complex_normal(rng, 5, 2, 3), complex_normal(rng, 3, 5, 11)
    assert np.allclose(apply_demixing(W, X), np.einsum("knc,ckm->nkm", W, X))


@pytest.mark.parametrize("reference_channel", [0, 2, -1])
def test_true_filters_give_the_images_at_the_reference(case, reference_channel):
    W, X, images = case
    expected = images[:, reference_channel]
    scaled = projection_back_filter(W, reference_channel)
    assert np.allclose(apply_demixing(scaled, X), expected)
    assert np.allclose(project_back(apply_demixing(W, X), X, reference_channel=reference_channel), expected)


def test_minimal_distortion_gives_each_source_its_own_microphone(case):
    W, X, images = case
    assert np.allclose(apply_demixing(minimal_distortion(W), X), images[np.arange(3), np.arange(3)])


def test_the_scale_of_the_filter_does_not_matter(case, rng):
    W, X, _ = case
    scales = complex_normal(rng, 7, 3, 1)
    for scale in (projection_back_filter, minimal_distortion):
        assert np.allclose(scale(scales * W), scale(W))
        assert np.allclose(scale(scale(W)), scale(W))
    Y = apply_demixing(W, X)
    assert np.allclose(project_back(1e-200 * Y / np.abs(Y).max(), X), project_back(Y, X))


def test_any_full_rank_sources_add_up_to_the_reference(rng):
    W, X = complex_normal(rng, 6, 4, 4), complex_normal(rng, 4, 6, 50)
    Y = apply_demixing(W, X)
    assert np.allclose(project_back(Y, X, reference_channel=1).sum(axis=0), X[1])
    assert np.allclose(project_back(Y, X), apply_demixing(projection_back_filter(W), X))


def test_the_fit_is_joint(rng):
    """No other scales fit the reference better, least of all those of each source alone where sources correlate."""
    X = complex_normal(rng, 3, 4, 60)
    Y = complex_normal(rng, 2, 4, 60)
    Y[1] += 0.8 * Y[0]
    X[0] += Y[0] + 2 * Y[1]
    fitted = project_back(Y, X)
    best = np.sum(np.abs(X[0] - fitted.sum(axis=0)) ** 2)
    alone = Y * (np.sum(X[0] * Y.conj(), axis=2) / np.sum(np.abs(Y) ** 2, axis=2))[:, :, None]
    assert best < np.sum(np.abs(X[0] - alone.sum(axis=0)) ** 2)
    for _ in range(20):
        other = fitted * (1 + 1e-3 * complex_normal(rng, 2, 4, 1))
        assert best < np.sum(np.abs(X[0] - other.sum(axis=0)) ** 2)


def test_silence_stays_silent(rng):
    X, W = complex_normal(rng, 2, 5, 20), complex_normal(rng, 5, 2, 2)
    X[:, 2], W[3, 1] = 0, 0
    Y = apply_demixing(W, X)
    for scaled in (project_back(Y, X), apply_demixing(projection_back_filter(W), X), project_back(0 * Y, 0 * X)):
        assert np.isfinite(scaled).all()
        assert not scaled[:, 2].any()
        assert not scaled[1, 3].any()
    assert np.isfinite(minimal_distortion(0 * W)).all()


def test_sources_that_repeat_each_other_share_their_part(rng):
    X = complex_normal(rng, 2, 3, 30)
    Y = np.stack([X[0], 1e-8 * X[0]])
    assert np.allclose(project_back(Y, X), np.stack([X[0] / 2, X[0] / 2]))
    W = np.zeros((3, 2, 2), dtype=complex)
    W[:, :, 0] = 1.0, 1e-8j
    assert np.allclose(projection_back_filter(W)[:, :, 0], 0.5)


def test_reduced_channels_project_back_exactly(rng):
    """Two sources in four noiseless channels span two dimensions: nothing is lost by keeping those."""
    A, S = complex_normal(rng, 6, 4, 2), complex_normal(rng, 2, 6, 80)
    X = np.einsum("kcn,nkm->ckm", A, S)
    reduced, projection = reduce_channels(X, 2)
    assert np.allclose(projection @ projection.conj().swapaxes(1, 2), np.eye(2))
    assert np.allclose(reduced, apply_demixing(projection, X))
    powers = np.sum(np.abs(reduced) ** 2, axis=2)
    assert (powers[0] >= powers[1]).all()
    assert np.isclose(np.sum(powers), np.sum(np.abs(X) ** 2))
    W = np.linalg.pinv(A)
    W_reduced = W @ projection.conj().swapaxes(1, 2)
    images = A[:, 3].T[:, :, None] * S
    assert np.allclose(apply_demixing(projection_back_filter(W_reduced @ projection, 3), X), images)
    assert np.allclose(project_back(apply_demixing(W_reduced, reduced), X, reference_channel=3), images)


@pytest.mark.parametrize("scale", [1e-200, 1e-6, 1e6, 1e200])
def test_reduction_knows_no_scale(rng, scale):
    X = complex_normal(rng, 3, 4, 20)
    reduced, projection = reduce_channels(scale * X, 2)
    expected, expected_projection = reduce_channels(X, 2)
    assert np.allclose(reduced, scale * expected, rtol=1e-6, atol=0)
    assert np.allclose(projection, expected_projection)


def test_reduction_of_silence_is_silence():
    reduced, projection = reduce_channels(np.zeros((3, 4, 5)), 2)
    assert not reduced.any()
    assert np.isfinite(projection).all()


def test_single_precision_stays_single(rng):
    X = complex_normal(rng, 2, 3, 10).astype(np.complex64)
    assert project_back(X, X).dtype == apply_demixing(complex_normal(rng, 3, 2, 2), X).dtype == np.complex64
    assert reduce_channels(X, 1)[0].dtype == np.complex64


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda X, W: apply_demixing(W, X[:2]), r"W: got shape \(5, 2, 3\), expected \(5, n_sources, 2\)"),
        (lambda X, W: apply_demixing(W[:4], X), "one matrix a frequency"),
        (lambda X, W: apply_demixing(W[0], X), "expected demixing filters"),
        (lambda X, W: projection_back_filter(W.swapaxes(1, 2)), "at most as many sources as channels"),
        (lambda X, W: projection_back_filter(W, 3), "reference_channel: got int 3"),
        (lambda X, W: projection_back_filter(np.nan * W), "NaN"),
        (lambda X, W: project_back(X[:2, :4], X), "frequencies and frames of X"),
        (lambda X, W: project_back(X[0], X), "expected 3 axes"),
        (lambda X, W: project_back(X, X, reference_channel=True), "reference_channel"),
        (lambda X, W: reduce_channels(X, 4), "at most one source a channel"),
        (lambda X, W: reduce_channels(X, 0), "n_sources"),
    ],
)
def test_refusals_say_what_to_do(rng, call, message):
    with pytest.raises(ValueError, match=message):
        call(complex_normal(rng, 3, 5, 10), complex_normal(rng, 5, 2, 3))
