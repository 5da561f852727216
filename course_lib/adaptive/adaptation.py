"""What an adaptive filter has done with a recording."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Adaptation:
    """The output of an adaptive filter, the impulse response that it has learnt, and how it got there.

    Attributes:
        estimate: ŷ, what the filter made of the far-end signal: the estimated echo, shape (n_samples,).
        error: e = y − ŷ, what it left of the microphone's signal: the output of a canceller, shape (n_samples,).
        impulse_response: ĥ at the end, shape (n_taps,).
        snapshots: ĥ on the way, shape (n_snapshots, n_taps); no rows unless asked for.
        snapshot_times: how many samples the filter had seen at each snapshot, shape (n_snapshots,).
    Lesson: 05 §2
    """

    estimate: NDArray[np.float64]
    error: NDArray[np.float64]
    impulse_response: NDArray[np.float64]
    snapshots: NDArray[np.float64]
    snapshot_times: NDArray[np.int64]
