"""Least-squares projection on reference signals and their delays: the machinery of :func:`course_lib.metrics.bss_eval`.

The signals that the L-tap filters can make of the references span a space. Its Gram matrix holds the correlations of
the references at lags below L, so that it is block Toeplitz, and it is factorised once for all estimates. With
G = C Cᵀ and b the correlations of an estimate e with the references, the energy of the projection is
bᵀ G⁻¹ b = ‖C⁻¹ b‖²: no filter need be run to know it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from course_lib.convolution import overlap_save

Array = NDArray[np.float64]

# Blocks transformed at a time: what they take stays in the processor's cache, however long the signals are.
_N_BLOCKS_AT_A_TIME = 32


@dataclass(frozen=True)
class Projector:
    """Orthogonal projection on the span of references and their delays.

    Args:
        references: shape (n_references, n_samples).
        n_taps: number of delays, the undelayed reference included.
        triangle: Cholesky factor of the Gram matrix of the kept delayed references.
        kept: which of the n_references · n_taps delayed references those are; the others depend on them linearly.
    """

    references: Array
    n_taps: int
    triangle: Array
    kept: NDArray[np.intp]

    def energy(self, products: Array) -> Array:
        """Return the energy of the projection of each of several signals, (n_signals,).

        ``products`` (n_references, n_signals, n_taps) are their inner products with the delayed references.
        """
        from scipy.linalg import solve_triangular

        whitened = solve_triangular(self.triangle, self._rows(products), lower=True, check_finite=False)
        total: Array = np.sum(whitened**2, axis=0)
        return total

    def residual(self, x: Array) -> Array:
        """Return what is left of ``x`` (n_samples + n_taps − 1,) without its projection."""
        from scipy.linalg import cho_solve

        # Once is enough where the Gram matrix is well conditioned; what rounding left over goes in the second round.
        for _ in range(2):
            rows = self._rows(lagged_products(self.references, x[None], self.n_taps))
            taps = np.zeros(len(self.references) * self.n_taps)
            taps[self.kept] = cho_solve((self.triangle, True), rows, check_finite=False)[:, 0]
            filtered = overlap_save(self.references, taps.reshape(-1, self.n_taps), 8 * self.n_taps)
            x = x - filtered.sum(axis=0)
        return x

    def _rows(self, products: Array) -> Array:
        n_references, n_signals, n_taps = products.shape
        return products.transpose(0, 2, 1).reshape(n_references * n_taps, n_signals)[self.kept]


def make_projector(references: Array, products: Array) -> Projector:
    """Factorise the Gram matrix of references whose inner products are (n_references, n_references, n_taps)."""
    from scipy.linalg.lapack import dpotrf, dpstrf

    n_taps = products.shape[-1]
    gram = gram_matrix(products)
    triangle, failed = dpotrf(gram, lower=1, clean=0, overwrite_a=1)
    if not failed:
        return Projector(references, n_taps, triangle, np.arange(len(triangle)))
    # Some delayed reference is a sum of others, as with references that are copies of each other or lack a part
    # of the band. Pivoting takes the others first, and leaves out what adds nothing to their span.
    gram = gram_matrix(products)
    tolerance = len(gram) * np.finfo(np.float64).eps * gram.diagonal().max()
    triangle, order, rank, _ = dpstrf(gram, lower=1, tol=tolerance, overwrite_a=1)
    return Projector(references, n_taps, np.asfortranarray(triangle[:rank, :rank]), order[:rank] - 1)


def gram_matrix(products: Array) -> Array:
    """Return the Gram matrix of delayed references, of which only the lower triangle of blocks is filled.

    ``products[i, j, l]`` is Σ_n s_i[n] s_j[n + l]; row i·L + p, column j·L + q of the matrix is the inner product of
    s_i delayed by p and s_j delayed by q, which depends on p − q only.
    """
    n, _, n_taps = products.shape
    gram = np.zeros((n * n_taps, n * n_taps), order="F")
    for i in range(n):
        for j in range(i + 1):
            lags = np.concatenate([products[j, i, :0:-1], products[i, j]])
            toeplitz = sliding_window_view(lags, n_taps)[:, ::-1]
            gram[i * n_taps : (i + 1) * n_taps, j * n_taps : (j + 1) * n_taps] = toeplitz
    return gram


def lagged_products(x: Array, y: Array, n_lags: int) -> Array:
    """Return Σ_n x_i[n] y_j[n + l] for l = 0 … n_lags − 1: shape (n_x, n_y, n_lags).

    Only a few lags are wanted of long signals. So x is cut into blocks, and each is correlated with the stretch of y
    that it can meet; the products of the short spectra are added up, and one short inverse transform ends it.
    """
    n_fft = scipy.fft.next_fast_len(max(8 * n_lags, 256), real=True)
    block_length = n_fft - n_lags + 1
    n_blocks = -(-x.shape[-1] // block_length)
    n_padded = (n_blocks - 1) * block_length + n_fft
    x_blocks = _padded(x, n_blocks * block_length).reshape(len(x), n_blocks, block_length)
    y_blocks = sliding_window_view(_padded(y, n_padded), n_fft, axis=-1)[:, ::block_length]
    spectrum = np.zeros((len(x), len(y), n_fft // 2 + 1), dtype=np.complex128)
    for start in range(0, n_blocks, _N_BLOCKS_AT_A_TIME):
        X = scipy.fft.rfft(x_blocks[:, start : start + _N_BLOCKS_AT_A_TIME], n_fft)
        Y = scipy.fft.rfft(y_blocks[:, start : start + _N_BLOCKS_AT_A_TIME])
        spectrum += np.einsum("ibk,jbk->ijk", X.conj(), Y)
    products: Array = scipy.fft.irfft(spectrum, n_fft)[..., :n_lags]
    return products


def _padded(x: Array, n_samples: int) -> Array:
    """Return ``x`` with zeros at its end, or cut, to ``n_samples``."""
    padded = np.zeros((len(x), n_samples))
    n = min(n_samples, x.shape[-1])
    padded[:, :n] = x[:, :n]
    return padded


def split(reference: Array, of_one: Projector, of_all: Projector, estimate: Array) -> tuple[Array, Array, Array]:
    """Split an estimate (n_samples,) into target, interference and artefacts, each (n_samples + n_taps − 1,).

    ``of_one`` projects on the delays of ``reference``, ``of_all`` on those of all references. All signals have unit
    norm, or are silent.
    """
    n_more = of_all.n_taps - 1
    # The plain multiple of the reference goes first and exactly, so that rounding is measured by what is left: a
    # perfect estimate leaves next to nothing.
    left = np.pad(estimate - np.dot(estimate, reference) * reference, (0, n_more))
    without_target = of_one.residual(left)
    artefacts = without_target if of_all is of_one else of_all.residual(left)
    return np.pad(estimate, (0, n_more)) - without_target, without_target - artefacts, artefacts
