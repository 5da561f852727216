"""Work on blocks of frequencies, by as many threads as there are cores, up to four.

The blocks depend on the number of frequencies alone, and what they return is added in their order: the result is the
same to the last bit on any number of cores.
"""

from __future__ import annotations

import itertools
import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Final

# Enough blocks to share out evenly among the cores of a laptop; each costs one more partial sum.
_N_BLOCKS: Final = 16
# Below this many complex samples in all, handing over to a second thread costs more than it saves.
_THREADING_THRESHOLD: Final = 1 << 15
# A sweep takes about a millisecond; more threads than this would mostly wait for one another.
_MOST_THREADS: Final = 4


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
        self._n_helpers = min(n_cores(), _MOST_THREADS, n_blocks) - 1 if n_samples >= _THREADING_THRESHOLD else 0
        self._pool = ThreadPoolExecutor(self._n_helpers) if self._n_helpers else None

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

        results: list[tuple[Any, ...]] = [()] * len(self._parts)
        todo = deque(range(len(self._parts)))

        def work() -> None:
            # Whoever is free takes the next block: a core that is busy elsewhere holds nobody up.
            while True:
                try:
                    i = todo.popleft()
                except IndexError:
                    return
                results[i] = sweep(*(array[self._parts[i]] for array in per_freq), *shared)

        helpers = [self._pool.submit(work) for _ in range(self._n_helpers)] if self._pool else []
        work()
        for helper in helpers:
            helper.result()
        total = results[0]
        for result in results[1:]:
            total = tuple(a + b for a, b in zip(total, result, strict=True))
        return total
