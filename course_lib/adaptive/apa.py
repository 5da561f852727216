"""Affine projection: NLMS that corrects several of the last errors at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from course_lib.adaptive._streams import (
    FarEndLevel,
    SampleFilter,
    kernels,
    run_offline,
)
from course_lib.adaptive.adaptation import Adaptation
from course_lib.validation import as_number, as_positive_integer

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]


class APA(SampleFilter):
    """Adapt a filter to a stream by affine projections: the smallest change of ĥ that explains the last P samples.

    Equation: e = y − Xᵀĥ; ĥ ← ĥ + μ X (XᵀX + δI)⁻¹ e, with X = [x[n], …, x[n − P + 1]] the last P windows of the far
        end (n_taps, P), y and e the last P samples of the microphone and what ĥ as it is now leaves of them,
        δ = regularisation · L · P_x and P_x the power of the far end.

    Order 1 is NLMS with the same regularisation. Each further window takes one more coefficient of an autoregressive
    model out of the signal, which is why speech slows this filter less than NLMS; noise is amplified as those
    directions are. The far end's power and its pauses are dealt with as in :class:`~course_lib.adaptive.lms.NLMS`.

    Args:
        n_taps: L, length of the impulse response.
        order: P, number of windows.
        step_size: μ, stable between 0 and 2.
        regularisation: δ for each tap, relative to P_x.
        activity_threshold_db: level over P_x below which the far end counts as silent, at most 0; −inf to learn always.
        restart_threshold_db: rise of the far end from which ĥ is learnt anew, at least 0; inf for never.
        far_end_power: P_x; the largest mean power over the filter so far, slowly forgotten, unless given.
    Raises:
        ValueError: if n_taps < 1, order < 1 or a number lies outside its range.
    Cost: 2·P·L + P³/6 multiplications a sample.
    Reference: K. Ozeki and T. Umeda, "An adaptive filtering algorithm using an orthogonal projection to an affine
        subspace and its properties", Electronics and Communications in Japan 67-A(5), 1984.
    Lesson: 05 §3
    """

    def __init__(
        self,
        n_taps: int,
        *,
        order: int = 4,
        step_size: float = 0.5,
        regularisation: float = 0.1,
        activity_threshold_db: float = -40.0,
        restart_threshold_db: float = 20.0,
        far_end_power: float | None = None,
    ) -> None:
        """Start with an echo path of zeros; see the class."""
        self._order = as_positive_integer(order, "order")
        super().__init__(n_taps, self._order - 1)
        self._step_size = as_number(step_size, "step_size", 0)
        self._regularisation = as_number(regularisation, "regularisation", 0)
        self._level = FarEndLevel(
            self._n_taps,
            n_lags=self._order,
            activity_threshold_db=activity_threshold_db,
            restart_threshold_db=restart_threshold_db,
            far_end_power=far_end_power,
        )
        self._past_y = np.zeros(self._order - 1)
        self._past_correlations = np.zeros((self._order, self._order - 1))

    def _run(self, x: Array, y: Array, adapt: Flags, estimate: Array, error: Array) -> None:
        newest = x.size - y.size
        # A filter of one tap has no past to take a lag from but its own.
        products = np.stack([x[newest:] * x[newest - lag : x.size - lag] for lag in range(self._order)])
        level = self._level.push(products)
        correlations = np.concatenate([self._past_correlations, level.correlations], axis=1)
        with_past_y = np.concatenate([self._past_y, y])
        kernels().project(
            x,
            with_past_y,
            correlations,
            self._regularisation * level.usual,
            np.where(adapt & level.active, self._step_size, 0.0),
            adapt & level.restarts,
            self._reversed_h,
            estimate,
            error,
        )
        self._past_y = with_past_y[y.size :]
        self._past_correlations = correlations[:, y.size :].copy()


def apa(
    x: ArrayLike,
    y: ArrayLike,
    n_taps: int,
    *,
    order: int = 4,
    step_size: float = 0.5,
    regularisation: float = 0.1,
    activity_threshold_db: float = -40.0,
    restart_threshold_db: float = 20.0,
    far_end_power: float | None = None,
    adapt: ArrayLike = True,
    snapshot_every: int | None = None,
) -> Adaptation:
    """Identify an echo path from a recording by affine projections: :class:`APA` in one call.

    Equation: e = y − Xᵀĥ; ĥ ← ĥ + μ X (XᵀX + δI)⁻¹ e, with X = [x[n], …, x[n − P + 1]] the last P windows of the far
        end (n_taps, P), y and e the last P samples of the microphone and what ĥ as it is now leaves of them,
        δ = regularisation · L · P_x and P_x the power of the far end.

    Args:
        x: far-end signal, shape (n_samples,).
        y: signal of the microphone, shape (n_samples,).
        n_taps: L, length of the impulse response.
        order: P, number of windows; 1 is NLMS.
        step_size: μ, stable between 0 and 2.
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
    Cost: N·(2·P·L + P³/6) multiplications.
    Reference: K. Ozeki and T. Umeda, "An adaptive filtering algorithm using an orthogonal projection to an affine
        subspace and its properties", Electronics and Communications in Japan 67-A(5), 1984.
    Lesson: 05 §3
    """
    return run_offline(
        lambda: APA(
            n_taps,
            order=order,
            step_size=step_size,
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
