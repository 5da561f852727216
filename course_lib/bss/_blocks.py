"""Sweeps over blocks of frequencies whose results are added up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from course_lib._threads import Parts

# Enough blocks to share out evenly among the cores of a laptop; each costs one more partial sum.
_N_BLOCKS: Final = 16
# Below this many complex samples in all, handing over to a second thread costs more than it saves.
_THREADING_THRESHOLD: Final = 1 << 15


class Blocks(Parts):
    """Blocks of ``n_freqs`` frequencies, and threads for the sweeps of one call."""

    def __init__(self, n_freqs: int, n_samples: int) -> None:
        super().__init__(n_freqs, _N_BLOCKS, worth_threads=n_samples >= _THREADING_THRESHOLD)

    def run(
        self, sweep: Callable[..., tuple[Any, ...]], per_freq: tuple[Any, ...], shared: tuple[Any, ...] = ()
    ) -> Any:
        """Call ``sweep(*per_freq, *shared)`` on every block and add up what the blocks return, item by item.

        The arrays in ``per_freq`` have the frequencies on their first axis and are cut into blocks.
        """
        results = self.map(lambda part: sweep(*(array[part] for array in per_freq), *shared))
        total = results[0]
        for result in results[1:]:
            total = tuple(a + b for a, b in zip(total, result, strict=True))
        return total
