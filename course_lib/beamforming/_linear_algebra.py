"""Small matrices, one a frequency: their power, their loading, and divisions that silence survives."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from course_lib.validation import as_number

# Enough for singular covariances to have an inverse; well-conditioned ones keep twelve digits.
_LEAST_LOADING: Final = 1e-12


def mean_power(covariance: NDArray[Any]) -> NDArray[np.float64]:
    """Return tr(Φ)/C of each frequency, shape (n_freqs,)."""
    power: NDArray[np.float64] = np.einsum("kcc->k", covariance).real / covariance.shape[-1]
    return power


def unit_power(covariance: NDArray[Any]) -> NDArray[Any]:
    """Scale each frequency to a mean power of 1; one that is silent stays."""
    power = mean_power(covariance)[:, None, None]
    return np.asarray(np.divide(covariance, power, out=covariance.copy(), where=power > 0))


def loaded(covariance: NDArray[Any], loading: float) -> NDArray[Any]:
    """Scale each frequency to a mean power of 1 and load its diagonal; a silent one becomes a multiple of I."""
    amount = max(as_number(loading, "loading", 0), _LEAST_LOADING)
    result: NDArray[Any] = unit_power(covariance) + amount * np.eye(covariance.shape[1])
    return result


def solve(matrices: NDArray[Any], columns: NDArray[Any]) -> NDArray[Any]:
    """Return matrices⁻¹ columns, both (n_freqs, n_channels, ...) with three axes."""
    return np.asarray(np.linalg.solve(matrices, columns), dtype=np.complex128)


def ratio(vectors: NDArray[Any], divisors: NDArray[Any]) -> NDArray[Any]:
    """Divide each vector by its divisor; one whose divisor is zero becomes zero."""
    divisors = divisors[:, None]
    return np.asarray(np.divide(vectors, divisors, out=np.zeros_like(vectors), where=divisors != 0))
