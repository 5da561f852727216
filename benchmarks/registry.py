"""Cases, and how they are timed.

A topic is a module of this package with functions marked ``@benchmark("topic")``; each takes the length of the signal
in seconds and yields cases. A case runs several contestants on the same input: ours and peers. A function marked
``@study("topic")`` yields tables instead, for comparisons over many inputs.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from rich.table import Table


@dataclass(frozen=True)
class Contestant:
    """One way to compute the result; ``run`` does it on prepared input."""

    name: str
    run: Callable[[], Any]
    ours: bool = False
    # Peers of which ours promises a ratio; the others stand in the table for comparison only.
    counts: bool = True


@dataclass(frozen=True)
class Case:
    """A task, those who solve it, and the result they should agree on (in float64), if there is but one."""

    title: str
    expected: np.ndarray | None
    contestants: list[Contestant]
    limit: float | None = None
    """Largest ratio of our time to the fastest peer's that is promised, if one is."""
    quality: Callable[[Any], float] | None = None
    """How good a contestant's result is, where right results differ."""
    quality_name: str = "quality"


@dataclass(frozen=True)
class Timing:
    """What one contestant did in one case."""

    contestant: Contestant
    median_s: float
    max_error: float | None
    quality: float | None = None


PAUSE_S = 0.1
LONGEST_CASE_S = 20.0
FEWEST_REPEATS = 3
"""A case is repeated until it has taken so long, and at least so often."""

Benchmark = Callable[[float], Iterator[Case]]
Study = Callable[[float], Iterator[Table]]
TOPICS: dict[str, list[Benchmark]] = {}
STUDIES: dict[str, list[Study]] = {}


def benchmark(topic: str) -> Callable[[Benchmark], Benchmark]:
    """Register a function that yields the cases of a topic."""

    def register(function: Benchmark) -> Benchmark:
        TOPICS.setdefault(topic, []).append(function)
        return function

    return register


def study(topic: str) -> Callable[[Study], Study]:
    """Register a function that compares by itself, where no single case could, and yields finished tables."""

    def register(function: Study) -> Study:
        STUDIES.setdefault(topic, []).append(function)
        return function

    return register


def ours(name: str, run: Callable[[], Any]) -> Contestant:
    """Enter an algorithm of course_lib."""
    return Contestant(f"course_lib {name}", run, ours=True)


def peer(name: str, run: Callable[[], Any], *, counts: bool = True) -> Contestant:
    """Enter the function of another library."""
    return Contestant(name, run, counts=counts)


def largest_error(result: Any, expected: np.ndarray) -> float:
    """Return the largest difference, over the samples that both have."""
    result = np.asarray(result, dtype=np.result_type(expected, np.float64))
    n = min(result.shape[-1], expected.shape[-1])
    return float(np.abs(result[..., :n] - expected[..., :n]).max())


def time_case(case: Case, n_repeats: int) -> list[Timing]:
    """Time all contestants of a case, in turns, so that whatever else the machine does strikes all alike."""
    errors, qualities = [], []
    for contestant in case.contestants:  # the first run also warms up: compiles, plans, fills caches
        result = contestant.run()
        errors.append(None if case.expected is None else largest_error(result, case.expected))
        qualities.append(None if case.quality is None else float(case.quality(result)))
        contestant.run()
    seconds: list[list[float]] = [[] for _ in case.contestants]
    for repeat in range(n_repeats):
        if repeat >= FEWEST_REPEATS and sum(map(sum, seconds)) > LONGEST_CASE_S:
            break
        for i, contestant in enumerate(case.contestants):
            # Threads of BLAS look out for more work after a run, at the expense of whoever comes next.
            time.sleep(PAUSE_S)
            start = time.perf_counter()
            result = contestant.run()
            seconds[i].append(time.perf_counter() - start)
            del result  # giving memory back is part of nobody's time
    return [
        Timing(contestant, statistics.median(s), error, quality)
        for contestant, s, error, quality in zip(case.contestants, seconds, errors, qualities, strict=True)
    ]


def fastest_peer_s(timings: list[Timing]) -> float:
    """Return the median time of the fastest peer that counts."""
    return min(t.median_s for t in timings if t.contestant.counts and not t.contestant.ours)
