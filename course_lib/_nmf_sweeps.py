"""Sweeps of NMF over all frames: update the activations, measure the loss, and gather what the spectra's update needs.

An iteration of W's update and H's asks four times for the model WH or for a product with it. A sweep has each frame's
model, quotient and logarithm at hand once after H's update, and takes both the loss and the sums for the next update of
W from them. Whoever calls it keeps W, H and V column by column in memory, one frame after the other.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from course_lib._threads import Parts

Array = NDArray[Any]

# Parts whose sums are added in their order, whatever the number of threads: the result does not depend on it.
_N_PARTS = 4
# Below this many multiplications a product, handing over to a second thread costs more than it saves.
_THREADING_THRESHOLD = 1 << 21
# Multiplications up to which OpenBLAS takes one thread for a product; more would get in the way of ours.
_ONE_THREAD_PRODUCT = 1 << 19
# Rows of whole vectors make the products a third faster than rows of 513.
_ROW_MULTIPLE = 16


@dataclass(frozen=True)
class Sweep:
    """What a sweep returns: the divergence, and numerator and denominator of W's update, (n_freqs, n_components)."""

    divergence: float
    pull: Array
    push: Array


@dataclass(frozen=True)
class Problem:
    """What stays the same from sweep to sweep.

    V has shape (n_freqs, n_frames) and contains the constant background already, which is added to the model too. The
    penalty times the sum of H belongs to the loss.
    """

    V: Array
    beta: int
    background: float
    penalty: float = 0.0


def quotient(numerator: Array, denominator: Array) -> Array:
    """Return the quotient, and 0 where the denominator is 0: there a component is silent, and nothing is updated."""
    if denominator.all():
        return np.asarray(numerator / denominator)
    return np.divide(numerator, denominator, out=np.zeros_like(numerator), where=denominator > 0)


def smallest_entry(dtype: np.dtype[Any]) -> float:
    """Return the bound below which entries of W and H become 0: products of two never become slow subnormal numbers."""
    return math.sqrt(float(np.finfo(dtype).tiny))


def divergence_of(problem: Problem, model: Array) -> float:
    """Return D(V | model), the background added to the model, whose memory may be used."""
    V = problem.V
    if problem.beta == 2:
        residual = np.subtract(V, model, out=model)
        return 0.5 * float(np.einsum("fm,fm->m", residual, residual).sum(dtype=np.float64))
    model = model + V.dtype.type(problem.background)
    ratio = V / model
    logarithm = np.log(ratio, out=np.zeros_like(ratio), where=ratio > 0)
    cells = V * logarithm + (model - V) if problem.beta == 1 else (ratio - 1) - logarithm
    return max(0.0, float(np.sum(cells, dtype=np.float64)))


def sweep_plainly(problem: Problem, W: Array, H: Array, *, update: bool) -> Sweep:
    """Update H in place if asked to, then return divergence and sums: the readable form of the compiled sweep."""
    V, beta = problem.V, problem.beta
    background = V.dtype.type(problem.background)

    def slopes() -> tuple[Array, Array]:
        """Return V ⊙ V̂^(β−2) and V̂^(β−1)."""
        model = W @ H + background
        return V * model ** (beta - 2), model ** (beta - 1)

    if update:
        pull, push = (W.T @ slope for slope in slopes())
        factor = quotient(pull, push + V.dtype.type(problem.penalty))
        H *= np.sqrt(factor) if beta == 0 else factor
        H *= np.greater_equal(H, smallest_entry(H.dtype))
    pull, push = (slope @ H.T for slope in slopes())
    return Sweep(divergence_of(problem, W @ H), pull, push)


class Sweeps(Parts):
    """Runs the sweeps of one factorisation, by as many threads as help, which live as long as it."""

    def __init__(self, problem: Problem, n_components: int) -> None:
        from course_lib._nmf_kernels import logarithm_tables

        V, number = problem.V, problem.V.dtype.type
        n_freqs, n_frames = V.shape
        is_small = n_freqs * n_frames * n_components < _THREADING_THRESHOLD
        super().__init__(n_frames, 1 if is_small else _N_PARTS, worth_threads=not is_small)
        self._problem = problem
        n_padded = -(-n_freqs // _ROW_MULTIPLE) * _ROW_MULTIPLE
        # Where the spectra are padded with zeros the model is the background, and so is V: nothing is lost or gained.
        self._V_rows = np.full((n_frames, n_padded), problem.background, V.dtype)
        self._V_rows[:, :n_freqs] = V.T
        self._W_rows = np.zeros((n_components, n_padded), V.dtype)
        self._options = (
            int(np.clip(_ONE_THREAD_PRODUCT // (n_padded * n_components) // 8 * 8, 8, 64)),  # frames a block
            number(problem.background),
            number(smallest_entry(V.dtype)),
            *logarithm_tables(V.dtype),
        )

    def run(self, W: Array, H: Array, *, update: bool, accumulate: bool = True) -> Sweep:
        """Do as :func:`sweep_plainly`, faster; the sums are right only if asked for."""
        from course_lib._nmf_kernels import sweep_frames

        beta = self._problem.beta
        n_freqs = W.shape[0]
        self._W_rows[:, :n_freqs] = W.T
        W_gram = self._W_rows @ self._W_rows.T if beta == 2 else np.zeros((0, 0), W.dtype)
        push_always = (W.sum(axis=0) if beta == 1 else np.zeros_like(W[0])) + W.dtype.type(self._problem.penalty)

        def work(part: slice) -> tuple[float, Array, Array]:
            pull = np.zeros_like(self._W_rows)
            push = np.zeros_like(pull) if beta == 0 else pull[:0]
            V, H_rows = self._V_rows[part], H.T[part]
            divergence = sweep_frames(
                beta, V, self._W_rows, H_rows, W_gram, push_always, update, accumulate, *self._options, pull, push
            )
            return divergence, pull, push

        (divergence, pull, push), *others = self.map(work)
        for part_divergence, part_pull, part_push in others:
            divergence += part_divergence
            pull += part_pull
            push += part_push
        if beta == 2:
            return Sweep(divergence, pull[:, :n_freqs].T, W @ (H @ H.T))
        return Sweep(max(0.0, divergence), pull[:, :n_freqs].T, H.sum(axis=1) if beta == 1 else push[:, :n_freqs].T)
