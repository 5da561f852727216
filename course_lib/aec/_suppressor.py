"""What may stand behind the filter of an echo canceller."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray


class Suppressor(Protocol):
    """What takes away the echo that the filter has left, in step with the filter."""

    @property
    def latency(self) -> int:
        """Most samples by which the output is behind the input."""

    def push(
        self, far_end: ArrayLike, microphone: ArrayLike, output: ArrayLike, echo_estimate: ArrayLike
    ) -> NDArray[np.float64]:
        """Take the next samples of x as the filter sees it, y, e and ŷ, each (n_samples,); return what is ready."""

    def flush(self) -> NDArray[np.float64]:
        """Return the samples that are left."""
