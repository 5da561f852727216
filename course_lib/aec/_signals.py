"""The signals of a call: each one row of samples, all over the same time."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from course_lib.validation import as_signal


def as_call(signals: Mapping[str, ArrayLike], *, allow_empty: bool = False) -> list[NDArray[np.float64]]:
    """Return signals, given by their names, as rows of their own in double precision, or raise ``ValueError``."""
    rows = {
        name: as_signal(value, name, n_axes=1, allow_empty=allow_empty).astype(np.float64)
        for name, value in signals.items()
    }
    first, n_samples = next((name, row.size) for name, row in rows.items())
    for name, row in rows.items():
        if row.size != n_samples:
            lengths = ", ".join(f"{other} {signal.size}" for other, signal in rows.items())
            raise ValueError(
                f"{name}: got {row.size} samples beside {n_samples} of {first}, expected as many ({lengths}). "
                "Pass what was played and recorded in the same time."
            )
    return list(rows.values())
