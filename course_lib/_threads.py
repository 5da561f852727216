"""Work on parts of an axis, by as many threads as there are cores, up to four.

The parts depend on the length of the axis alone, and their results come in their order: whoever adds them up in it gets
the same to the last bit on any number of cores.
"""

from __future__ import annotations

import itertools
import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Final, Self, TypeVar

Result = TypeVar("Result")

# A sweep takes about a millisecond; more threads than this would mostly wait for one another.
_MOST_THREADS: Final = 4


def n_cores() -> int:
    """Return how many cores this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)  # Linux only
    return len(affinity(0)) if affinity else os.cpu_count() or 1


class Parts:
    """An axis of ``n_items`` cut into at most ``n_parts`` slices, and threads that live until the block ends."""

    def __init__(self, n_items: int, n_parts: int, *, worth_threads: bool) -> None:
        n_parts = max(1, min(n_parts, n_items))
        edges = [i * n_items // n_parts for i in range(n_parts + 1)]
        self._slices = [slice(begin, end) for begin, end in itertools.pairwise(edges)]
        self._n_helpers = min(n_cores(), _MOST_THREADS, n_parts) - 1 if worth_threads else 0
        self._pool = ThreadPoolExecutor(self._n_helpers) if self._n_helpers else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown()

    def map(self, work: Callable[[slice], Result]) -> list[Result]:
        """Return ``work(part)`` of every part, in their order."""
        results: dict[int, Result] = {}
        todo = deque(range(len(self._slices)))

        def take_parts() -> None:
            # Whoever is free takes the next part: a core that is busy elsewhere holds nobody up.
            while True:
                try:
                    i = todo.popleft()
                except IndexError:
                    return
                results[i] = work(self._slices[i])

        helpers = [self._pool.submit(take_parts) for _ in range(self._n_helpers)] if self._pool else []
        take_parts()
        for helper in helpers:
            helper.result()
        return [results[i] for i in range(len(self._slices))]
