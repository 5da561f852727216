"""The phases that delays make at many frequencies."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

# Frequencies that stand this evenly, relative to the highest, get their phases by multiplication.
_EVEN: Final = 1e-12


def phases(frequencies: NDArray[np.float64], delays_s: NDArray[np.float64]) -> NDArray[np.complex128]:
    """Return e^(−j2πfτ) for frequencies (n_freqs,) and delays (..., n), shape (..., n_freqs, n)."""
    n_freqs = len(frequencies)
    step = (frequencies[-1] - frequencies[0]) / max(1, n_freqs - 1)
    evenly = frequencies[0] + step * np.arange(n_freqs)
    n_fine = int(np.ceil(np.sqrt(n_freqs)))
    turns = -2j * np.pi * delays_s[..., None]
    if n_freqs < 16 or np.abs(frequencies - evenly).max() > _EVEN * frequencies.max():
        return np.asarray(np.exp(turns * frequencies)).swapaxes(-1, -2)
    # An exponential costs as much as a dozen products: e^(x(f₀ + (a + bA)Δ)) = e^(xΔa) · e^(x(f₀ + bAΔ)).
    fine = np.exp(turns * (step * np.arange(n_fine)))
    coarse = np.exp(turns * evenly[::n_fine])
    products = coarse[..., :, None] * fine[..., None, :]
    result: NDArray[np.complex128] = products.reshape(*delays_s.shape, -1)[..., :n_freqs].swapaxes(-1, -2)
    return result
