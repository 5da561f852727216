"""Stochastic gradient descent on the squared error: LMS, leaky LMS and NLMS."""

from __future__ import annotations

import abc

import numpy as np
from numpy.typing import ArrayLike, NDArray

from course_lib.adaptive._streams import (
    FarEndLevel,
    SampleFilter,
    kernels,
    run_offline,
)
from course_lib.adaptive.adaptation import Adaptation
from course_lib.validation import as_number

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]


class _GradientFilter(SampleFilter):
    """A filter that makes a step along the newest window; a subclass chooses its length."""

    def __init__(self, n_taps: int, keep: float = 1.0) -> None:
        """Start with an echo path of zeros, of which a step keeps so much."""
        super().__init__(n_taps, 1)
        self._keep = keep
        self._pending = np.array([1.0, 0.0])

    @property
    def impulse_response(self) -> Array:
        """ĥ as it is now, shape (n_taps,)."""
        kept, gain = self._pending
        reversed_h: Array = kept * self._reversed_h + gain * self._past
        return reversed_h[::-1].copy()

    def _run(self, x: Array, y: Array, adapt: Flags, estimate: Array, error: Array) -> None:
        steps, restarts = self._steps(x[self._n_taps :], adapt)
        kernels().descend(
            x,
            y,
            steps,
            restarts,
            self._keep,
            self._pending,
            self._reversed_h,
            estimate,
            error,
        )

    @abc.abstractmethod
    def _steps(self, x: Array, adapt: Flags) -> tuple[Array, Flags]:
        """Return the factor of e[n] x[n − k] for each sample, zero where nothing is to be learnt, and the restarts."""


class LMS(_GradientFilter):
    """Adapt a filter to a stream by least mean squares: a step down the gradient of every sample's squared error.

    Equation: e[n] = y[n] − Σ_k ĥ[k] x[n − k]; ĥ[k] ← (1 − μγ) ĥ[k] + μ e[n] x[n − k].

    The step size has the unit of one over a power. The mean of ĥ converges for 0 < μ < 2/λ_max, with λ_max the largest
    eigenvalue of the covariance of x, which is at most its trace, L times the mean power; in the mean square it takes
    about a third of 2/trace. A filter that diverges stops learning once the error passes 1e100, so that nothing
    becomes infinite. Leakage γ pulls taps that x does not excite back to zero.

    Args:
        n_taps: L, length of the impulse response.
        step_size: μ.
        leakage: γ, in the unit of a power; none unless given.
    Raises:
        ValueError: if n_taps < 1, step_size or leakage is negative or not finite, or μγ > 1.
    Cost: 2·L multiplications a sample.
    Reference: B. Widrow and M. E. Hoff, "Adaptive switching circuits", IRE WESCON, 1960; S. Haykin, Adaptive Filter
        Theory, 5th ed., ch. 6.
    Lesson: 05 §2
    """

    def __init__(self, n_taps: int, *, step_size: float, leakage: float = 0.0) -> None:
        """Start with an echo path of zeros; see the class."""
        self._step_size = as_number(step_size, "step_size", 0)
        keep = 1 - self._step_size * as_number(leakage, "leakage", 0)
        if keep < 0:
            raise ValueError(
                f"leakage: got {leakage:g} with step_size {step_size:g}, expected a product of at most 1. Leak less."
            )
        super().__init__(n_taps, keep)

    def _steps(self, x: Array, adapt: Flags) -> tuple[Array, Flags]:
        return np.where(adapt, self._step_size, 0.0), np.zeros(x.size, np.bool_)


class NLMS(_GradientFilter):
    """Adapt a filter to a stream by normalised LMS: the step of LMS divided by the energy of what is in the filter.

    Equation: e[n] = y[n] − Σ_k ĥ[k] x[n − k]; ĥ[k] ← ĥ[k] + μ e[n] x[n − k]/(Σ_k x²[n − k] + δ),
        with δ = regularisation · L · P, P the power of the far end.

    For white x, no noise and δ = 0 the misalignment falls by about 10 log₁₀(1 − μ(2 − μ)/L) dB a sample, whatever the
    level (a quarter faster at μ = 1, for the windows overlap); the filter is stable for 0 < μ < 2.

    Where the far end pauses, its background noise would fill the sum, and the microphone's noise divided by so little
    would ruin what has been learnt: hence δ, and no learning at all where the mean power over the filter lies more than
    ``activity_threshold_db`` below P. Unless given, P is the largest mean power over the filter so far, forgotten
    within about a minute (2²⁰ samples). What has been learnt before anybody spoke at the far end was learnt from that
    background noise: when P rises by ``restart_threshold_db`` after the filter has once been full, ĥ starts anew.

    Args:
        n_taps: L, length of the impulse response.
        step_size: μ.
        regularisation: δ for each tap, relative to P.
        activity_threshold_db: level over P below which the far end counts as silent, at most 0; −inf to learn always.
        restart_threshold_db: rise of the far end from which ĥ is learnt anew, at least 0; inf for never.
        far_end_power: P, where the level of the far end is known beforehand.
    Raises:
        ValueError: if n_taps < 1 or a number lies outside its range.
    Cost: 2·L multiplications a sample.
    Reference: J. Nagumo and A. Noda, "A learning method for system identification", IEEE Trans. AC 12(3), 1967;
        S. Haykin, Adaptive Filter Theory, 5th ed., ch. 7.
    Lesson: 05 §3
    """

    def __init__(
        self,
        n_taps: int,
        *,
        step_size: float = 0.5,
        regularisation: float = 0.03,
        activity_threshold_db: float = -40.0,
        restart_threshold_db: float = 20.0,
        far_end_power: float | None = None,
    ) -> None:
        """Start with an echo path of zeros; see the class."""
        super().__init__(n_taps)
        self._step_size = as_number(step_size, "step_size", 0)
        self._regularisation = as_number(regularisation, "regularisation", 0)
        self._level = FarEndLevel(
            self._n_taps,
            activity_threshold_db=activity_threshold_db,
            restart_threshold_db=restart_threshold_db,
            far_end_power=far_end_power,
        )

    def _steps(self, x: Array, adapt: Flags) -> tuple[Array, Flags]:
        level = self._level.push((x**2)[None])
        loaded = level.correlations[0] + self._regularisation * level.usual
        steps = np.zeros(x.size)
        np.divide(self._step_size, loaded, out=steps, where=adapt & level.active)
        return steps, adapt & level.restarts


def lms(
    x: ArrayLike,
    y: ArrayLike,
    n_taps: int,
    *,
    step_size: float,
    leakage: float = 0.0,
    adapt: ArrayLike = True,
    snapshot_every: int | None = None,
) -> Adaptation:
    """Identify an echo path from a recording by least mean squares, leaky if wanted: :class:`LMS` in one call.

    Equation: e[n] = y[n] − Σ_k ĥ[k] x[n − k]; ĥ[k] ← (1 − μγ) ĥ[k] + μ e[n] x[n − k].

    Args:
        x: far-end signal, shape (n_samples,).
        y: signal of the microphone, shape (n_samples,).
        n_taps: L, length of the impulse response.
        step_size: μ, in the unit of one over a power; stable for μ < 2/λ_max.
        leakage: γ, in the unit of a power.
        adapt: whether to learn, or one such flag for each sample, shape (n_samples,).
        snapshot_every: samples between two snapshots of ĥ; none are kept unless given.
    Returns:
        Estimate, error and impulse response.
    Raises:
        ValueError: if the lengths differ, an input is empty, complex or not finite, or a number outside its range.
    Cost: 2·N·L multiplications.
    Reference: B. Widrow and M. E. Hoff, "Adaptive switching circuits", IRE WESCON, 1960; S. Haykin, Adaptive Filter
        Theory, 5th ed., ch. 6.
    Lesson: 05 §2
    """
    return run_offline(lambda: LMS(n_taps, step_size=step_size, leakage=leakage), x, y, adapt, snapshot_every)


def nlms(
    x: ArrayLike,
    y: ArrayLike,
    n_taps: int,
    *,
    step_size: float = 0.5,
    regularisation: float = 0.03,
    activity_threshold_db: float = -40.0,
    restart_threshold_db: float = 20.0,
    far_end_power: float | None = None,
    adapt: ArrayLike = True,
    snapshot_every: int | None = None,
) -> Adaptation:
    """Identify an echo path from a recording by normalised LMS: :class:`NLMS` in one call.

    Equation: e[n] = y[n] − Σ_k ĥ[k] x[n − k]; ĥ[k] ← ĥ[k] + μ e[n] x[n − k]/(Σ_k x²[n − k] + δ),
        with δ = regularisation · L · P, P the power of the far end.

    Args:
        x: far-end signal, shape (n_samples,).
        y: signal of the microphone, shape (n_samples,).
        n_taps: L, length of the impulse response.
        step_size: μ, stable between 0 and 2.
        regularisation: δ for each tap, relative to P.
        activity_threshold_db: level over P below which the far end counts as silent, at most 0; −inf to learn always.
        restart_threshold_db: rise of the far end from which ĥ is learnt anew, at least 0; inf for never.
        far_end_power: P; the largest mean power over the filter so far, slowly forgotten, unless given.
        adapt: whether to learn, or one such flag for each sample, shape (n_samples,).
        snapshot_every: samples between two snapshots of ĥ; none are kept unless given.
    Returns:
        Estimate, error and impulse response.
    Raises:
        ValueError: if the lengths differ, an input is empty, complex or not finite, or a number outside its range.
    Cost: 2·N·L multiplications.
    Reference: J. Nagumo and A. Noda, "A learning method for system identification", IEEE Trans. AC 12(3), 1967;
        S. Haykin, Adaptive Filter Theory, 5th ed., ch. 7.
    Lesson: 05 §3
    """
    return run_offline(
        lambda: NLMS(
            n_taps,
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
