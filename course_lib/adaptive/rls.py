"""Recursive least squares: the best filter for all that has been heard, kept up to date sample by sample."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from course_lib.adaptive._streams import (
    FarEndLevel,
    SampleFilter,
    aligned_zeros,
    kernels,
    run_offline,
)
from course_lib.adaptive.adaptation import Adaptation
from course_lib.validation import as_number, as_positive_integer

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]


class RLS(SampleFilter):
    """Adapt a filter to a stream by recursive least squares, with a square root that rounding cannot spoil.

    Equation: k = P x/(λ + xᵀP x); e = y[n] − ĥᵀx; ĥ ← ĥ + e k; P ← (P − k xᵀP)/λ; so that ĥ minimises
        Σ_i λ^(n−i) (y[i] − ĥᵀx[i])² + λⁿ δ‖ĥ‖², with P = R⁻¹, R = Σ_i λ^(n−i) x[i] x[i]ᵀ + λⁿδI,
        δ = regularisation · L · P_x and P_x the power of the far end.

    The colour of the signal does not slow it. With λ = 1 it never forgets, and ĥ is the ridge regression of all
    samples; with λ < 1 it looks back over about 1/(1 − λ) samples, which should be several times L.

    The recursion of P as it is written loses symmetry and sign to rounding, and grows without bound in every
    direction that the far end does not excite. Here P = U D Uᵀ, U triangular with ones on its diagonal, and Bierman's
    update multiplies the diagonal D by positive numbers only; and the ridge that has been forgotten is put back, one
    tap a sample, around ĥ as it is, whenever half of it has gone. A small δ learns faster from coloured sound, a large
    one is hurt less by noise. Where the far end pauses, nothing is learnt and nothing forgotten, as in
    :class:`~course_lib.adaptive.lms.NLMS`.

    Args:
        n_taps: L, length of the impulse response.
        forgetting: λ, above 0 and at most 1.
        regularisation: δ for each tap, relative to P_x.
        activity_threshold_db: level over P_x below which the far end counts as silent, at most 0; −inf to learn always.
        restart_threshold_db: rise of the far end from which ĥ is learnt anew, at least 0; inf for never.
        far_end_power: P_x; the largest mean power over the filter so far, slowly forgotten, unless given.
    Raises:
        ValueError: if n_taps < 1 or a number lies outside its range.
    Cost: 2.5·L² multiplications a sample.
    Reference: G. J. Bierman, "Measurement updating using the U-D factorization", Automatica 12(4), 1976; S. Haykin,
        Adaptive Filter Theory, 5th ed., ch. 10.
    Lesson: 05 §4
    """

    def __init__(
        self,
        n_taps: int,
        *,
        forgetting: float = 0.999,
        regularisation: float = 1e-3,
        activity_threshold_db: float = -40.0,
        restart_threshold_db: float = 20.0,
        far_end_power: float | None = None,
    ) -> None:
        """Start with an echo path of zeros; see the class."""
        n_taps = as_positive_integer(n_taps, "n_taps")
        # The compiled loop takes four taps at a time; those that fill up the first four stay zero.
        self._n_idle = -n_taps % 4
        super().__init__(n_taps + self._n_idle, 0)
        self._forgetting = as_number(forgetting, "forgetting", 0, 1, above=True)
        self._regularisation = as_number(regularisation, "regularisation", 0, above=True)
        self._level = FarEndLevel(
            n_taps,
            activity_threshold_db=activity_threshold_db,
            restart_threshold_db=restart_threshold_db,
            far_end_power=far_end_power,
        )
        self._factor = aligned_zeros(self._n_taps**2).reshape(self._n_taps, self._n_taps)
        self._scales = np.zeros(self._n_taps)
        self._ridge = np.zeros(n_taps)
        # The newest sample is the first to excite a tap, hence that tap the first to need a ridge.
        self._counts = np.array([n_taps - 1, 0])

    @property
    def impulse_response(self) -> Array:
        """ĥ as it is now, shape (n_taps,)."""
        return super().impulse_response[: self._ridge.size]

    def _run(self, x: Array, y: Array, adapt: Flags, estimate: Array, error: Array) -> None:
        level = self._level.push((x[self._n_taps - 1 :] ** 2)[None])
        kernels().recurse(
            x,
            y,
            np.where(adapt & level.active, self._regularisation * level.usual, 0.0),
            adapt & level.restarts,
            self._forgetting,
            self._factor,
            self._scales,
            self._ridge,
            self._counts,
            self._reversed_h,
            estimate,
            error,
        )


def rls(
    x: ArrayLike,
    y: ArrayLike,
    n_taps: int,
    *,
    forgetting: float = 0.999,
    regularisation: float = 1e-3,
    activity_threshold_db: float = -40.0,
    restart_threshold_db: float = 20.0,
    far_end_power: float | None = None,
    adapt: ArrayLike = True,
    snapshot_every: int | None = None,
) -> Adaptation:
    """Identify an echo path from a recording by recursive least squares: :class:`RLS` in one call.

    Equation: k = P x/(λ + xᵀP x); e = y[n] − ĥᵀx; ĥ ← ĥ + e k; P ← (P − k xᵀP)/λ; so that ĥ minimises
        Σ_i λ^(n−i) (y[i] − ĥᵀx[i])² + λⁿ δ‖ĥ‖², with δ = regularisation · L · P_x and P_x the power of the far end.

    Args:
        x: far-end signal, shape (n_samples,).
        y: signal of the microphone, shape (n_samples,).
        n_taps: L, length of the impulse response.
        forgetting: λ, above 0 and at most 1.
        regularisation: δ for each tap, relative to P_x.
        activity_threshold_db: level over P_x below which the far end counts as silent, at most 0; −inf to learn always.
        restart_threshold_db: rise of the far end from which ĥ is learnt anew, at least 0; inf for never.
        far_end_power: P_x; the largest mean power over the filter so far, slowly forgotten, unless given.
        adapt: whether to learn, or one such flag for each sample, shape (n_samples,).
        snapshot_every: samples between two snapshots of ĥ; none are kept unless given.
    Returns:
        Estimate, error and impulse response.
    Raises:
        ValueError: if the lengths differ, an input is empty, complex or not finite, or a number outside its range.
    Cost: 2.5·N·L² multiplications.
    Reference: G. J. Bierman, "Measurement updating using the U-D factorization", Automatica 12(4), 1976; S. Haykin,
        Adaptive Filter Theory, 5th ed., ch. 10.
    Lesson: 05 §4
    """
    return run_offline(
        lambda: RLS(
            n_taps,
            forgetting=forgetting,
            regularisation=regularisation,
            activity_threshold_db=activity_threshold_db,
            restart_threshold_db=restart_threshold_db,
            far_end_power=far_end_power,
        ),
        x,
        y,
        adapt,
        snapshot_every,
    )
