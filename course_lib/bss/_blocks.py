"""Work on blocks of frequencies, by as many threads as there are cores.

The blocks depend on the number of frequencies alone, and what they return is added in their order: the result is the
same to the last bit on any number of cores.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Final

# Enough blocks to share out evenly among the cores of a laptop; each costs one more partial sum.
_N_BLOCKS: Final = 16
# Below this many complex samples in all, handing over to a second thread costs more than it saves.
_THREADING_THRESHOLD: Final = 1 << 15


def n_cores() -> int:
    """Return how many cores this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)  # Linux only
    return len(affinity(0)) if affinity else os.cpu_count() or 1


class Blocks:
    """A pool of threads for the sweeps of one call over ``n_freqs`` frequencies."""

    def __init__(self, n_freqs: int, n_samples: int) -> None:
        n_blocks = max(1, min(_N_BLOCKS, n_freqs))
        edges = [i * n_freqs // n_blocks for i in range(n_blocks + 1)]
        self._parts = [slice(begin, end) for begin, end in itertools.pairwise(edges)]
        n_threads = min(n_cores(), n_blocks) if n_samples >= _THREADING_THRESHOLD else 1
        self._pool = ThreadPoolExecutor(n_threads) if n_threads > 1 else None

    def __enter__(self) -> Blocks:
        return self

    def __exit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown()

    def run(
        self, sweep: Callable[..., tuple[Any, ...]], per_freq: tuple[Any, ...], shared: tuple[Any, ...] = ()
    ) -> Any:
        """Call ``sweep(*per_freq, *shared)`` on every block and add up what the blocks return, item by item.

        The arrays in ``per_freq`` have the frequencies on their first axis and are cut into blocks.
        """

        def work(part: slice) -> tuple[Any, ...]:
            return sweep(*(array[part] for array in per_freq), *shared)

        if self._pool is None:
            results = [work(part) for part in self._parts]
        else:
            results = list(self._pool.map(work, self._parts))
        total = results[0]
        for result in results[1:]:
            total = tuple(a + b for a, b in zip(total, result, strict=True))
        return total
