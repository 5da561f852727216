"""What an adaptive filter has done with a recording."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Adaptation:
    """The output of an adaptive filter, the impulse response that it has learnt, and how it got there.

    Lesson: 05 §2
    """

    estimate: NDArray[np.float64]
    """ŷ, what the filter made of the far-end signal: the estimated echo, shape (n_samples,)."""
    error: NDArray[np.float64]
    """e = y − ŷ, what it left of the microphone's signal: the output of a canceller, shape (n_samples,)."""
    impulse_response: NDArray[np.float64]
    """ĥ at the end, shape (n_taps,)."""
    snapshots: NDArray[np.float64]
    """ĥ at ``snapshot_times``, shape (n_snapshots, n_taps); no rows unless asked for."""
    snapshot_times: NDArray[np.int64]
    """How many samples the filter had seen at each snapshot, shape (n_snapshots,)."""
